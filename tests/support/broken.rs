//! Frames that are wrong at one place, each with the name of its cause; made of a good one.

#![allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]

use std::net::{Ipv4Addr, SocketAddrV4};

use wirematch::wire::ethernet::Mac;

const IP: usize = 14;
const INNER: usize = IP + 20;

/// What carries the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    Udp,
    Tcp,
}

/// Who speaks with whom.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub from: (Mac, SocketAddrV4),
    pub to: (Mac, SocketAddrV4),
}

/// A frame, what is wrong with it, and the cause it is counted by.
pub type Broken = (&'static str, &'static str, Vec<u8>);

/// The Internet checksum, word for word.
fn checksum(start: u32, bytes: &[u8]) -> [u8; 2] {
    let mut sum = start;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

impl Ends {
    fn ethernet(&self, kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
        [&self.to.0.0[..], &self.from.0.0, &kind, payload].concat()
    }

    /// A whole packet whose checksums are right.
    fn packet(&self, protocol: u8, inner: &[u8]) -> Vec<u8> {
        let length = (20 + inner.len()) as u16;
        let mut head = vec![0x45, 0];
        head.extend(length.to_be_bytes());
        head.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
        head.extend(self.from.1.ip().octets());
        head.extend(self.to.1.ip().octets());
        let mut frame = self.ethernet([8, 0], &[&head, inner].concat());
        sum_header(&mut frame);
        frame
    }

    fn sum_inner(&self, protocol: u8, at: usize, inner: &mut [u8]) {
        inner[at..at + 2].fill(0);
        let ends = [self.from.1.ip().octets(), self.to.1.ip().octets()].concat();
        let start = ends.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
        let start = start.sum::<u32>() + u32::from(protocol) + inner.len() as u32;
        let sum = checksum(start, inner);
        inner[at..at + 2].copy_from_slice(&sum);
    }

    /// A good datagram.
    pub fn datagram(&self, payload: &[u8]) -> Vec<u8> {
        let mut inner = self.ports();
        inner.extend((8 + payload.len() as u16).to_be_bytes());
        inner.extend([0, 0]);
        inner.extend(payload);
        self.sum_inner(17, 6, &mut inner);
        self.packet(17, &inner)
    }

    /// A good segment of no connection, with these flags.
    pub fn segment(&self, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut inner = self.ports();
        inner.extend([0, 0, 1, 0, 0, 0, 2, 0, 5 << 4, flags, 16, 0, 0, 0, 0, 0]);
        inner.extend(payload);
        self.sum_inner(6, 16, &mut inner);
        self.packet(6, &inner)
    }

    fn ports(&self) -> Vec<u8> {
        [self.from.1.port().to_be_bytes(), self.to.1.port().to_be_bytes()].concat()
    }

    /// An ARP packet: its operation, who says so, and whom it is about.
    pub fn arp(&self, operation: u8, mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
        let head = [0, 1, 8, 0, 6, 4, 0, operation];
        let body = [&head[..], &mac.0, &sender.octets(), &[0; 6], &target.octets()].concat();
        self.ethernet([8, 6], &body)
    }

    /// Every kind of broken frame, of all layers up to the carrier.
    pub fn broken(&self, carrier: Carrier) -> Vec<Broken> {
        let good = match carrier {
            Carrier::Udp => self.datagram(&[7; 40]),
            Carrier::Tcp => self.segment(16, &[7; 40]),
        };
        let mut all = self.broken_frames(&good);
        all.extend(self.broken_packets(&good));
        all.extend(match carrier {
            Carrier::Udp => self.broken_datagrams(&good),
            Carrier::Tcp => self.broken_segments(&good),
        });
        all
    }

    fn broken_frames(&self, good: &[u8]) -> Vec<Broken> {
        let set = |at: usize, bytes: &[u8]| spoilt(good, at, bytes);
        let [own, theirs] = [self.to.1, self.from.1].map(|end| *end.ip());
        let mac = self.from.0;
        let mut group = mac;
        group.0[0] |= 1;
        let mut jumbo = good.to_vec();
        jumbo.resize(1519, 0);
        let mut kind = self.arp(1, mac, theirs, own);
        kind[IP + 1] = 6;
        vec![
            ("half an Ethernet header", "FrameTooShort", good[..9].to_vec()),
            ("a VLAN tag", "VlanTag", set(12, &[0x81, 0])),
            ("a service tag", "VlanTag", set(12, &[0x88, 0xa8])),
            ("IPv6", "Ipv6", set(12, &[0x86, 0xdd])),
            ("a kind that nobody speaks", "FrameKind", set(12, &[0x88, 0xcc])),
            ("a group of stations as sender", "FrameSource", set(6, &group.0)),
            ("everybody as sender", "FrameSource", set(6, &[0xff; 6])),
            ("a jumbo", "FrameTooLong", jumbo),
            ("half an ARP packet", "ArpTooShort", self.arp(1, mac, theirs, own)[..40].to_vec()),
            ("ARP of another hardware", "ArpKind", kind),
            ("ARP's operation", "ArpKind", self.arp(9, mac, theirs, own)),
            ("ARP of a group", "ArpSender", self.arp(1, group, theirs, own)),
            ("ARP of everybody", "ArpSender", self.arp(1, mac, Ipv4Addr::BROADCAST, own)),
            ("our address by ARP", "ArpSender", self.arp(2, mac, own, own)),
        ]
    }

    fn broken_packets(&self, good: &[u8]) -> Vec<Broken> {
        let set = |at: usize, bytes: &[u8]| {
            let mut frame = spoilt(good, IP + at, bytes);
            sum_header(&mut frame);
            frame
        };
        let mut options = set(0, &[0x46]);
        options.splice(INNER..INNER, [1, 1, 1, 1]);
        vec![
            ("half an IPv4 header", "Ipv4TooShort", good[..25].to_vec()),
            ("a version", "Ipv4Version", set(0, &[0x65])),
            ("a header's length", "Ipv4Length", set(0, &[0x44])),
            ("more than came", "Ipv4Length", set(2, &[7, 0])),
            ("options", "Ipv4Options", options),
            ("an IPv4 checksum", "Ipv4Checksum", spoilt(good, IP + 10, &[0, 0])),
            ("a first fragment", "Ipv4Fragment", set(6, &[0x20, 0])),
            ("a later fragment", "Ipv4Fragment", set(6, &[0, 9])),
            ("another protocol", "Ipv4Protocol", set(9, &[47])),
            ("a group as source", "Ipv4Source", set(12, &[239, 1, 1, 1])),
            ("everybody as source", "Ipv4Source", set(12, &[255; 4])),
            ("nobody as source", "Ipv4Source", set(12, &[0; 4])),
            ("the loop as source", "Ipv4Source", set(12, &[127, 0, 0, 1])),
            ("our own address as source", "Ipv4Source", set(12, &self.to.1.ip().octets())),
        ]
    }

    fn broken_datagrams(&self, good: &[u8]) -> Vec<Broken> {
        vec![
            ("half a UDP header", "UdpTooShort", self.packet(17, &[1, 2, 3, 4])),
            ("a UDP length", "UdpLength", spoilt(good, INNER + 4, &[0, 47])),
            ("a UDP checksum", "UdpChecksum", spoilt(good, INNER + 8, &[8])),
        ]
    }

    fn broken_segments(&self, good: &[u8]) -> Vec<Broken> {
        let set = |at: usize, bytes: &[u8]| {
            let mut inner = spoilt(&good[INNER..], at, bytes);
            self.sum_inner(6, 16, &mut inner);
            self.packet(6, &inner)
        };
        let mut echo = vec![8, 0, 0, 0, 1, 2, 3, 4, 5, 6];
        echo[2] = 1;
        vec![
            ("half a TCP header", "TcpTooShort", self.packet(6, &good[INNER..INNER + 12])),
            ("a TCP header's length", "TcpHeader", set(12, &[4 << 4])),
            ("a header longer than all", "TcpHeader", {
                let mut inner = good[INNER..INNER + 20].to_vec();
                inner[12] = 15 << 4;
                self.sum_inner(6, 16, &mut inner);
                self.packet(6, &inner)
            }),
            ("a port of zero", "TcpHeader", set(0, &[0, 0])),
            ("no flags", "TcpFlags", set(13, &[0])),
            ("a beginning that ends", "TcpFlags", set(13, &[3])),
            ("a TCP checksum", "TcpChecksum", spoilt(good, INNER + 25, &[8])),
            ("half an echo", "IcmpTooShort", self.packet(1, &[8, 0, 0])),
            ("an echo's checksum", "IcmpChecksum", self.packet(1, &echo)),
        ]
    }
}

/// Writes the right checksum over whatever the header now says.
fn sum_header(frame: &mut [u8]) {
    frame[IP + 10..IP + 12].fill(0);
    let sum = checksum(0, &frame[IP..INNER]);
    frame[IP + 10..IP + 12].copy_from_slice(&sum);
}

fn spoilt(good: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = good.to_vec();
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}
