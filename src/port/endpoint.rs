//! A host of one interface that speaks UDP, without I/O of its own: opens frames, seals frames.
//!
//! `open` also learns who is where, so a reply to somebody just heard waits for no ARP exchange; it
//! goes along with a request that confirms what the datagram claimed.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::port::neighbours::Neighbours;
use crate::port::{Full, Port};
use crate::wire::ethernet::{self, EtherType, FRAME_MAX, FRAME_MIN, Frame, Mac};
use crate::wire::udp::{self, Datagram, HEADERS, Route};
use crate::wire::{DecodeError, arp, ipv4};

/// Multicast groups one endpoint can join.
const GROUPS_MAX: usize = 16;

/// What a received frame was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened<'a> {
    /// A datagram for this host or a group it joined.
    Datagram(Datagram<'a>),
    /// Somebody asks for this host's station: transmit this.
    ArpReply(ArpFrame),
    /// Somebody told where they are.
    Learned,
    /// For this host, but broken; count it.
    Malformed(DecodeError),
    /// For somebody else, or for a group this host did not join.
    NotForUs,
}

/// Why a datagram was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The port takes no more frames for now.
    #[error("the port takes no more frames for now; try again after the next lap")]
    Full,
    /// The receiver's station is not known; an ARP request went out instead.
    #[error("the receiver's station is not known yet; an ARP request was sent, try again")]
    NoNeighbour,
    /// No datagram is this long.
    #[error("the payload is longer than a datagram can be; split it")]
    TooLong,
}

impl From<Full> for SendError {
    fn from(_: Full) -> Self {
        SendError::Full
    }
}

/// An ARP packet ready to be transmitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpFrame {
    to: Mac,
    packet: arp::Packet,
}

impl ArpFrame {
    /// Transmits it.
    ///
    /// # Errors
    /// [`Full`] when the port takes no more for now.
    pub fn send(&self, port: &mut dyn Port) -> Result<(), Full> {
        port.transmit(FRAME_MIN, &mut |frame| self.write(frame))
    }

    fn write(&self, frame: &mut [u8]) {
        let Some((header, rest)) = frame.split_first_chunk_mut() else { return };
        ethernet::write(header, self.to, self.packet.sender_mac, EtherType::Arp);
        let Some((packet, padding)) = rest.split_first_chunk_mut() else { return };
        self.packet.write(packet);
        padding.fill(0);
    }
}

/// The way out of the subnet.
#[derive(Clone, Copy, Debug)]
struct Router {
    mask: u32,
    address: Ipv4Addr,
}

/// The host.
#[derive(Debug)]
pub struct UdpEndpoint {
    mac: Mac,
    address: Ipv4Addr,
    router: Option<Router>,
    groups: [Option<Ipv4Addr>; GROUPS_MAX],
    neighbours: Neighbours,
    frame_max: usize,
}

impl UdpEndpoint {
    /// A host whose whole world is one subnet.
    pub fn new(mac: Mac, address: Ipv4Addr) -> Self {
        let neighbours = Neighbours::new();
        let groups = [None; GROUPS_MAX];
        Self { mac, address, router: None, groups, neighbours, frame_max: FRAME_MAX }
    }

    /// Takes frames of any length.
    #[must_use]
    pub fn with_long_frames(self) -> Self {
        Self { frame_max: usize::MAX, ..self }
    }

    /// Sends what is outside `address/prefix_length` by way of `router`.
    #[must_use]
    pub fn with_router(mut self, prefix_length: u32, router: Ipv4Addr) -> Self {
        let mask = u32::MAX.checked_shl(32 - prefix_length.min(32)).unwrap_or(0);
        self.router = Some(Router { mask, address: router });
        self
    }

    /// Takes datagrams to a multicast group from now on; `false` if it is no group or one too many.
    pub fn join(&mut self, group: Ipv4Addr) -> bool {
        if self.groups.contains(&Some(group)) {
            return true;
        }
        let free = self.groups.iter_mut().find(|slot| slot.is_none());
        match free {
            Some(slot) if group.is_multicast() => *slot = Some(group),
            _ => return false,
        }
        true
    }

    /// This host's station.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// This host's address.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Where a neighbour is, if known.
    pub fn neighbour(&self, address: Ipv4Addr) -> Option<Mac> {
        self.neighbours.find(address)
    }

    /// Notes where a neighbour is, for a peer configured by hand.
    pub fn set_neighbour(&mut self, address: Ipv4Addr, station: Mac) {
        self.neighbours.learn(address, station);
    }

    /// Says what a received frame is, and learns from it.
    #[inline]
    pub fn open<'a>(&mut self, frame: &'a [u8]) -> Opened<'a> {
        self.try_open(frame).unwrap_or_else(Opened::Malformed)
    }

    #[inline]
    fn try_open<'a>(&mut self, bytes: &'a [u8]) -> Result<Opened<'a>, DecodeError> {
        if bytes.len() > self.frame_max {
            return Err(DecodeError::FrameTooLong);
        }
        let frame = Frame::parse(bytes)?;
        if frame.source().is_group() {
            return Err(DecodeError::FrameSource);
        }
        let to = frame.destination();
        if to != self.mac && !to.is_group() {
            return Ok(Opened::NotForUs);
        }
        match frame.ether_type() {
            EtherType::Ipv4 => self.open_ipv4(&frame),
            EtherType::Arp => self.open_arp(&arp::Packet::parse(frame.payload())?),
            EtherType::Ipv6 => Err(DecodeError::Ipv6),
            EtherType::Other(_) => Err(DecodeError::FrameKind),
        }
    }

    #[inline]
    fn open_ipv4<'a>(&mut self, frame: &Frame<'a>) -> Result<Opened<'a>, DecodeError> {
        let packet = ipv4::Packet::parse(frame.payload())?;
        if !self.takes(packet.destination()) {
            return Ok(Opened::NotForUs);
        }
        let is_spoofed = packet.source() == self.address && frame.source() != self.mac;
        // The kernel's own port makes stations of addresses; a client beside us may have a loop's.
        let beside = frame.source() == Mac::local(packet.source());
        let own = if beside { packet.source() } else { self.address };
        if is_spoofed || !packet.is_from_a_host(own) {
            return Err(DecodeError::Ipv4Source);
        }
        if packet.protocol() != ipv4::UDP {
            return Err(DecodeError::Ipv4Protocol);
        }
        let datagram = Datagram::parse(&packet)?;
        self.neighbours.notice(packet.source(), frame.source());
        Ok(Opened::Datagram(datagram))
    }

    #[inline]
    fn takes(&self, destination: Ipv4Addr) -> bool {
        destination == self.address
            || destination.is_broadcast()
            || destination.is_multicast() && self.groups.contains(&Some(destination))
    }

    fn open_arp(&mut self, packet: &arp::Packet) -> Result<Opened<'static>, DecodeError> {
        if !packet.is_from_a_host(self.mac, self.address) {
            return Err(DecodeError::ArpSender);
        }
        // Only what is said to this host, or what mends an entry it has, is worth remembering.
        let to_us = packet.target == self.address;
        if to_us || self.neighbours.find(packet.sender).is_some() {
            self.neighbours.learn(packet.sender, packet.sender_mac);
        }
        Ok(match packet.operation {
            arp::Operation::Request if to_us => Opened::ArpReply(ArpFrame {
                to: packet.sender_mac,
                packet: arp::Packet {
                    operation: arp::Operation::Reply,
                    sender_mac: self.mac,
                    sender: self.address,
                    target_mac: packet.sender_mac,
                    target: packet.sender,
                },
            }),
            arp::Operation::Request => Opened::NotForUs,
            arp::Operation::Reply => Opened::Learned,
        })
    }

    /// Asks who has an address.
    pub fn arp_request(&self, target: Ipv4Addr) -> ArpFrame {
        let packet = arp::Packet {
            operation: arp::Operation::Request,
            sender_mac: self.mac,
            sender: self.address,
            target_mac: Mac::default(),
            target,
        };
        ArpFrame { to: Mac::BROADCAST, packet }
    }

    /// Sends a datagram whose payload `fill` writes in place.
    ///
    /// # Errors
    /// [`SendError`]; `fill` was not called.
    #[inline]
    pub fn send(
        &mut self,
        port: &mut dyn Port,
        from_port: u16,
        to: SocketAddrV4,
        payload_length: usize,
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(), SendError> {
        if payload_length > usize::from(u16::MAX) - ipv4::HEADER - udp::HEADER {
            return Err(SendError::TooLong);
        }
        let to_mac = match self.station(*to.ip()) {
            Ok((station, None)) => station,
            Ok((station, Some(claimed))) => {
                // Asked once more later, should the question find no room or no answer.
                let _ = self.arp_request(claimed).send(port);
                station
            }
            Err(unknown) => {
                self.arp_request(unknown).send(port)?;
                return Err(SendError::NoNeighbour);
            }
        };
        let from = SocketAddrV4::new(self.address, from_port);
        let route = Route { from_mac: self.mac, to_mac, from, to };
        let length = (HEADERS + payload_length).max(FRAME_MIN);
        port.transmit(length, &mut |frame| {
            if let Some(payload) = frame.get_mut(HEADERS..HEADERS + payload_length) {
                fill(payload);
            }
            udp::seal(frame, payload_length, &route);
        })?;
        Ok(())
    }

    /// The station a datagram goes to, with the address to ask for if that is only a claim; or
    /// else the address to ask for first.
    #[inline]
    fn station(&mut self, to: Ipv4Addr) -> Result<(Mac, Option<Ipv4Addr>), Ipv4Addr> {
        if to.is_multicast() {
            return Ok((Mac::multicast(to), None));
        }
        if to.is_broadcast() {
            return Ok((Mac::BROADCAST, None));
        }
        if let Some((station, asks)) = self.neighbours.reach(to) {
            return Ok((station, asks.then_some(to)));
        }
        let hop = match self.router {
            Some(router) if (u32::from(to) ^ u32::from(self.address)) & router.mask != 0 => {
                router.address
            }
            _ => to,
        };
        let (station, asks) = self.neighbours.reach(hop).ok_or(hop)?;
        Ok((station, asks.then_some(hop)))
    }
}

#[cfg(test)]
mod tests;
