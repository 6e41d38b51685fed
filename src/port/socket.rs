//! Kernel UDP sockets as a port: no privilege, no device, slower by the system calls.
//!
//! The stages above see frames, so headers are made up around what is received and taken off what
//! is sent. A neighbour's station is made of its address; ARP requests are answered from that.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

use crate::port::outgoing::{FRAME_MAX, Outgoing};
use crate::port::{FrameMeta, Full, Port};
use crate::wire::ethernet::{self, EtherType, FRAME_MIN, Frame, Mac};
use crate::wire::udp::{self, Datagram, HEADERS, Route};
use crate::wire::{arp, ipv4};

/// Bytes the kernel is asked to keep for us while we are busy.
const KERNEL_BUFFER: usize = 4 << 20;

/// What to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketConfig {
    /// The address of the interface, which the port's datagrams come from and go to.
    pub address: Ipv4Addr,
    /// Local ports; only these can be sent from. 0 lets the kernel choose one.
    pub ports: Vec<u16>,
    /// Multicast groups to hear, each at a port.
    pub groups: Vec<SocketAddrV4>,
}

/// Why a socket cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("socket {local}: {step} failed: {cause}{}", cure(cause))]
pub struct SocketError {
    local: SocketAddrV4,
    step: &'static str,
    cause: io::Error,
}

/// How to mend it.
fn cure(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "; stop the other process (ss -ulpn) or choose another port",
        io::ErrorKind::AddrNotAvailable => "; take an address of this machine (ip -4 address)",
        io::ErrorKind::PermissionDenied => "; take a port above 1023",
        _ if cause.raw_os_error() == Some(libc::ENODEV) => {
            "; the interface with that address does not do multicast"
        }
        _ => "",
    }
}

/// A socket, and the address its datagrams are for.
#[derive(Debug)]
struct Bound {
    local: SocketAddrV4,
    socket: UdpSocket,
}

/// The port.
#[derive(Debug)]
pub struct SocketPort {
    address: Ipv4Addr,
    sockets: Vec<Bound>,
    /// The socket that is asked first next time, so that none starves.
    turn: usize,
    frame: Box<[u8]>,
    outgoing: Outgoing,
    /// Whom the endpoint asked for, to be answered at the next receive.
    asked: Option<arp::Packet>,
}

impl SocketPort {
    /// Binds every port and joins every group.
    ///
    /// # Errors
    /// [`SocketError`] says which socket and how to mend it.
    pub fn open(config: &SocketConfig) -> Result<Self, SocketError> {
        let mut sockets = Vec::new();
        for &port in &config.ports {
            sockets.push(bound(SocketAddrV4::new(config.address, port), config.address)?);
        }
        for &group in &config.groups {
            sockets.push(bound(group, config.address)?);
        }
        let (frame, outgoing) = (vec![0; FRAME_MAX].into(), Outgoing::new());
        Ok(Self { address: config.address, sockets, turn: 0, frame, outgoing, asked: None })
    }

    /// What the sockets are bound to, ports first, then groups, in the order of the configuration.
    pub fn locals(&self) -> impl Iterator<Item = SocketAddrV4> {
        self.sockets.iter().map(|bound| bound.local)
    }

    /// Frames the kernel had no way for, or that no socket here may send.
    pub fn lost(&self) -> u64 {
        self.outgoing.lost()
    }

    /// Shows the answer to an ARP request.
    fn answer(&mut self, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        let Some(asked) = self.asked.take() else { return 0 };
        let reply = arp::Packet {
            operation: arp::Operation::Reply,
            sender_mac: Mac::local(asked.target),
            sender: asked.target,
            target_mac: asked.sender_mac,
            target: asked.sender,
        };
        let mut frame = [0; FRAME_MIN];
        if let Some((header, rest)) = frame.split_first_chunk_mut()
            && let Some(packet) = rest.first_chunk_mut()
        {
            ethernet::write(header, asked.sender_mac, reply.sender_mac, EtherType::Arp);
            reply.write(packet);
        }
        each(&frame, FrameMeta::default());
        1
    }
}

fn bound(local: SocketAddrV4, interface: Ipv4Addr) -> Result<Bound, SocketError> {
    let failed = |step| move |cause: io::Error| SocketError { local, step, cause };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)
        .map_err(|error| failed("opening")(error.into()))?;
    let is_group = local.ip().is_multicast();
    // Several listeners of one machine may hear a group; a port of our own is ours alone.
    sockopt::set_socket_reuseaddr(&socket, is_group)
        .map_err(|error| failed("sharing the group")(error.into()))?;
    // Less is given where the system's limit is lower: not an error, only less patience.
    let _ = sockopt::set_socket_recv_buffer_size(&socket, KERNEL_BUFFER);
    bind(&socket, &local).map_err(|error| failed("binding")(error.into()))?;
    let socket = UdpSocket::from(socket);
    if is_group {
        socket.join_multicast_v4(local.ip(), &interface).map_err(failed("joining the group"))?;
    }
    let local = match socket.local_addr().map_err(failed("asking its address"))? {
        SocketAddr::V4(local) => local,
        SocketAddr::V6(_) => local,
    };
    Ok(Bound { local, socket })
}

impl Port for SocketPort {
    fn receive(&mut self, budget: usize, each: &mut dyn FnMut(&[u8], FrameMeta)) -> usize {
        let mut seen = if budget > 0 { self.answer(each) } else { 0 };
        let count = self.sockets.len();
        for at in 0..count {
            let Bound { local, socket } = &self.sockets[(self.turn + at) % count];
            while seen < budget
                && let Ok((length, SocketAddr::V4(from))) =
                    socket.recv_from(&mut self.frame[HEADERS..])
            {
                let to_mac = if local.ip().is_multicast() {
                    Mac::multicast(*local.ip())
                } else {
                    Mac::local(self.address)
                };
                let from_mac = Mac::local(*from.ip());
                let route = Route { from_mac, to_mac, from, to: *local };
                let whole = (HEADERS + length).max(FRAME_MIN);
                let frame = &mut self.frame[..whole];
                if udp::seal(frame, length, &route) {
                    each(frame, FrameMeta::default());
                    seen += 1;
                }
            }
        }
        self.turn = (self.turn + 1) % count.max(1);
        seen
    }

    fn transmit(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) -> Result<(), Full> {
        let (sockets, asked) = (&self.sockets, &mut self.asked);
        self.outgoing.transmit(length, fill, &mut |frame| send(frame, sockets, asked))
    }

    fn flush(&mut self) {
        let (sockets, asked) = (&self.sockets, &mut self.asked);
        // What still finds no room waits for the next transmit or flush.
        let _ = self.outgoing.retry(&mut |frame| send(frame, sockets, asked));
    }
}

/// Sends what a frame carries by the socket of its source port, or notes whom it asks for.
fn send(frame: &[u8], sockets: &[Bound], asked: &mut Option<arp::Packet>) -> io::Result<()> {
    let refused = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    let frame = Frame::parse(frame).map_err(refused)?;
    match frame.ether_type() {
        EtherType::Arp => {
            let packet = arp::Packet::parse(frame.payload()).map_err(refused)?;
            if packet.operation == arp::Operation::Request {
                *asked = Some(packet);
            }
            Ok(())
        }
        EtherType::Ipv4 => {
            let packet = ipv4::Packet::parse(frame.payload()).map_err(refused)?;
            let datagram = Datagram::parse(&packet).map_err(refused)?;
            let port = datagram.source.port();
            let is_source =
                |bound: &&Bound| bound.local.port() == port && !bound.local.ip().is_multicast();
            let bound = sockets.iter().find(is_source).ok_or(io::ErrorKind::AddrNotAvailable)?;
            bound.socket.send_to(datagram.payload, datagram.destination).map(drop)
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::port::endpoint::{Opened, SendError, UdpEndpoint};

    const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

    fn open(ports: &[u16], groups: &[SocketAddrV4]) -> Result<SocketPort, SocketError> {
        let (ports, groups) = (ports.to_vec(), groups.to_vec());
        SocketPort::open(&SocketConfig { address: HERE, ports, groups })
    }

    fn endpoint() -> UdpEndpoint {
        UdpEndpoint::new(Mac::local(HERE), HERE)
    }

    /// The next datagram: its source, destination and payload.
    fn next(
        port: &mut SocketPort,
        endpoint: &mut UdpEndpoint,
    ) -> (SocketAddrV4, SocketAddrV4, Vec<u8>) {
        let mut found = None;
        while found.is_none() {
            port.receive(1, &mut |frame, _| match endpoint.open(frame) {
                Opened::Datagram(d) => {
                    found = Some((d.source, d.destination, d.payload.to_vec()));
                }
                other => panic!("a received frame was opened as {other:?}"),
            });
        }
        found.expect("a datagram came")
    }

    #[test]
    fn a_kernel_socket_is_answered() {
        let mut port = open(&[0, 0], &[]).expect("two sockets");
        let second = port.locals().nth(1).expect("two sockets");
        let client = UdpSocket::bind((HERE, 0)).expect("a socket");
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        client.send_to(b"ping", second).expect("sent");
        let mut endpoint = endpoint();
        let (source, destination, payload) = next(&mut port, &mut endpoint);
        assert_eq!((destination, &payload[..]), (second, &b"ping"[..]));
        let pong = &mut |payload: &mut [u8]| payload.copy_from_slice(b"pong");
        endpoint.send(&mut port, second.port(), source, 4, pong).expect("sent");
        port.flush();
        let mut answer = [0; 9];
        let (length, from) = client.recv_from(&mut answer).expect("an answer");
        assert_eq!((&answer[..length], from), (&b"pong"[..], second.into()));
        assert_eq!(port.lost(), 0);
    }

    #[test]
    fn strangers_are_found_by_asking_the_port() {
        let mut port = open(&[0], &[]).expect("a socket");
        let local = port.locals().next().expect("a socket");
        let mut endpoint = endpoint();
        let nothing = &mut |_: &mut [u8]| ();
        let sent = endpoint.send(&mut port, local.port(), local, 0, nothing);
        assert_eq!(sent, Err(SendError::NoNeighbour));
        port.receive(1, &mut |frame, _| assert_eq!(endpoint.open(frame), Opened::Learned));
        assert_eq!(endpoint.send(&mut port, local.port(), local, 0, nothing), Ok(()));
        assert_eq!(next(&mut port, &mut endpoint), (local, local, Vec::new()));
    }

    #[test]
    fn a_group_is_heard_by_all_who_joined() {
        // A port of our own pid keeps runs of these tests side by side apart.
        let number = 20_000 + (std::process::id() % 20_000) as u16;
        let group = SocketAddrV4::new(Ipv4Addr::new(239, 255, 77, 1), number);
        let mut sender = open(&[0], &[]).expect("a socket");
        let from = sender.locals().next().expect("a socket");
        let (Ok(mut left), Ok(mut right)) = (open(&[], &[group]), open(&[], &[group])) else {
            println!("skipped: the loopback interface does not do multicast here");
            return;
        };
        let fill = &mut |payload: &mut [u8]| payload.fill(7);
        endpoint().send(&mut sender, from.port(), group, 3, fill).expect("sent");
        for port in [&mut left, &mut right] {
            let mut member = endpoint();
            assert!(member.join(*group.ip()));
            assert_eq!(next(port, &mut member), (from, group, vec![7; 3]));
        }
    }

    #[test]
    fn what_no_socket_may_send_is_counted() {
        let mut port = open(&[0], &[]).expect("a socket");
        let local = port.locals().next().expect("a socket");
        let mut endpoint = endpoint();
        endpoint.set_neighbour(HERE, Mac::local(HERE));
        endpoint.send(&mut port, local.port() ^ 1, local, 0, &mut |_| ()).expect("taken");
        assert_eq!(port.lost(), 1);
    }

    #[test]
    fn errors_say_how_to_mend_them() {
        let taken = open(&[0], &[]).expect("a socket");
        let port = taken.locals().next().expect("a socket").port();
        let error = open(&[port], &[]).expect_err("taken").to_string();
        assert!(error.contains("binding failed") && error.contains("ss -ulpn"), "{error}");
        let config = SocketConfig {
            address: Ipv4Addr::new(192, 0, 2, 1),
            ports: vec![0],
            groups: Vec::new(),
        };
        let error = SocketPort::open(&config).expect_err("not ours").to_string();
        assert!(error.contains("ip -4 address"), "{error}");
    }
}
