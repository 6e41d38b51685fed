//! TCP without the kernel: a host on a frame port, with a machine for each connection.
//!
//! ```text
//!  port ─► ethernet, ipv4 ─► tcp ─► table of both ends ─► connection ─► rings ─► line
//!              │                └ asks: a connection is opened, or the oldest half-open one goes
//!              └ arp, echo: answered here
//!  port ◄─ outbox ◄─ connections that have something to say: bells, a wheel of times
//! ```
//!
//! A connection that is idle costs nothing: it is looked at when a segment comes for it, when its
//! line rings, and when its time has come. Lines are handed to whoever accepts them, on any thread.

mod bells;
#[cfg(test)]
mod broken;
mod connection;
mod line;
mod outbox;
mod table;
#[cfg(test)]
mod tests;
mod wheel;

use std::collections::VecDeque;
use std::net::{SocketAddr, SocketAddrV4};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::model::Nanos;
use crate::port::Port;
use crate::port::neighbours::Neighbours;
use crate::port::stream::{Acceptor, Stream};
use crate::wire::ethernet::{EtherType, FRAME_MAX, Frame, Mac};
use crate::wire::tcp::{self, Segment};
use crate::wire::{DecodeError, arp, icmp, ipv4};

pub use line::HostLine;
pub(crate) use line::Signals;

use bells::Bells;
use connection::{Connection, Pace, Phase};
use line::{Spare, StackEnd};
use outbox::Outbox;
use table::{Table, Tuple};
use wheel::Wheel;

/// Frames taken in one poll.
const BURST: usize = 32;

/// What a host is to be.
#[derive(Clone, Copy, Debug)]
pub struct HostConfig {
    /// Its address, and the port it listens at.
    pub address: SocketAddrV4,
    /// Connections at once.
    pub lines: usize,
    /// Handshakes at once that are not over; a further one costs the oldest its place.
    pub half_open: usize,
    /// Bytes a connection keeps, each way.
    pub bytes: usize,
    /// The shortest time after which a segment is sent again, in milliseconds.
    pub rto_min_ms: u64,
    /// What sequence numbers and tables are drawn from.
    pub secret: u64,
}

/// What a host did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounts {
    /// Segments of connections.
    pub segments: u64,
    /// Connections that came to be.
    pub opened: u64,
    /// Connections that ended.
    pub ended: u64,
    /// Handshakes given up for newer ones.
    pub pushed_out: u64,
    /// Connections refused for want of a place.
    pub turned_away: u64,
    /// Segments of no connection.
    pub strays: u64,
    /// Times a connection was looked at.
    pub looks: u64,
    /// Echo requests answered.
    pub echoes: u64,
    /// ARP packets about us.
    pub arps: u64,
    /// Frames and packets for others.
    pub not_for_us: u64,
    /// Connections dropped because their code panicked.
    pub panicked: u64,
}

/// The host.
pub struct TcpHost<P> {
    port: P,
    core: Core,
}

/// All but the port.
struct Core {
    connections: Vec<Connection>,
    common: Common,
    free: Vec<usize>,
    /// Handshakes that are not over, oldest first; some may be over by now.
    half_open: VecDeque<usize>,
    table: Table,
    wheel: Wheel,
    /// Connections to be looked at in this poll, each once.
    awake: Vec<usize>,
    is_awake: Vec<bool>,
    remains: rtrb::Producer<StackEnd>,
    seeds: u64,
}

/// What a connection's own code may use.
struct Common {
    config: HostConfig,
    mac: Mac,
    pace: Pace,
    out: Outbox,
    half_open_count: usize,
    neighbours: Neighbours,
    signals: Arc<Signals>,
    spares: rtrb::Consumer<Spare>,
    accepted: rtrb::Producer<HostLine>,
    counts: HostCounts,
    causes: [u64; DecodeError::ALL.len()],
}

/// Where lines come in; on any thread.
pub struct HostAcceptor {
    address: SocketAddrV4,
    bytes: usize,
    spares: rtrb::Producer<Spare>,
    accepted: rtrb::Consumer<HostLine>,
    /// Rings of connections that ended, freed here.
    remains: rtrb::Consumer<StackEnd>,
}

impl HostAcceptor {
    /// Where it listens.
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// The next line, if one came in. Makes and frees the memory of lines, so that the thread that
    /// speaks TCP need not.
    pub fn accept(&mut self) -> Option<HostLine> {
        while self.remains.pop().is_ok() {}
        while !self.spares.is_full() {
            let _ = self.spares.push(Spare::new(self.bytes));
        }
        self.accepted.pop().ok()
    }
}

impl Acceptor for HostAcceptor {
    fn address(&self) -> SocketAddr {
        self.address.into()
    }

    fn accept(&mut self) -> Option<Box<dyn Stream>> {
        Some(Box::new(Self::accept(self)?))
    }
}

impl<P: Port> TcpHost<P> {
    /// A host on a port, and where its lines come in.
    pub fn new(port: P, config: HostConfig, now: Nanos) -> (Self, HostAcceptor) {
        let mac = Mac::local(*config.address.ip());
        let offloads = port.offloads();
        let lines = config.lines.clamp(1, bells::LINES_MAX);
        let config = HostConfig { lines, half_open: config.half_open.clamp(1, lines), ..config };
        let pace = Pace { start: now, rto_min_ms: config.rto_min_ms };
        let mut out = Outbox::new(mac, !offloads.checksum_out);
        // Whoever accepts may be slow: every place can be filled before it comes.
        let (spares_in, spares) = rtrb::RingBuffer::new(lines);
        let (accepted, accepted_out) = rtrb::RingBuffer::new(lines);
        let (remains, remains_out) = rtrb::RingBuffer::new(lines);
        let made =
            (0..lines).map(|_| Connection::new(config.address, config.bytes, pace, &mut out));
        let connections = made.collect();
        let common = Common {
            config,
            mac,
            pace,
            out,
            half_open_count: 0,
            neighbours: Neighbours::new(),
            signals: Arc::new(Signals { ready: Bells::new(lines), wanting: Bells::new(lines) }),
            spares,
            accepted,
            counts: HostCounts::default(),
            causes: [0; DecodeError::ALL.len()],
        };
        let core = Core {
            connections,
            common,
            free: (0..lines).rev().collect(),
            half_open: VecDeque::with_capacity(2 * lines + 1),
            table: Table::new(lines, config.secret),
            wheel: Wheel::new(lines, now),
            awake: Vec::with_capacity(lines),
            is_awake: vec![false; lines],
            remains,
            seeds: config.secret,
        };
        let mut acceptor = HostAcceptor {
            address: config.address,
            bytes: config.bytes,
            spares: spares_in,
            accepted: accepted_out,
            remains: remains_out,
        };
        // The first lines are made before anybody asks.
        let _ = acceptor.accept();
        (Self { port, core }, acceptor)
    }

    /// Its port, to look at.
    pub fn port(&self) -> &P {
        &self.port
    }

    /// What it did.
    pub fn counts(&self) -> HostCounts {
        self.core.common.counts
    }

    /// How often bytes were refused for each cause, in the order of [`DecodeError::ALL`].
    pub fn causes(&self) -> &[u64] {
        &self.core.common.causes
    }

    /// Takes what came, moves what lines want, sends what is due; says how much was done.
    pub fn poll(&mut self, now: Nanos) -> usize {
        let Self { port, core } = self;
        core.common.out.flush(port);
        let seen = match core.common.out.is_full() {
            // Answers have nowhere to go: frames wait in the device.
            true => 0,
            false => port.receive(BURST, &mut |frame, _| core.take(frame, now)),
        };
        core.wake_who_rings();
        core.wake_who_is_due(now);
        let woken = core.awake.len();
        for at in 0..woken {
            if let Some(&slot) = core.awake.get(at) {
                core.look_at(slot, now);
            }
        }
        core.sleep();
        seen + woken + core.common.out.flush(port)
    }

    /// Sends what lines want to, and no more: for the end of a turn in which lines spoke.
    pub fn speak(&mut self, now: Nanos) {
        let Self { port, core } = self;
        core.wake_who_rings();
        for at in 0..core.awake.len() {
            if let Some(&slot) = core.awake.get(at) {
                core.look_at(slot, now);
            }
        }
        core.sleep();
        core.common.out.flush(port);
    }
}

impl Common {
    /// The handshake is over: its line goes to whoever accepts.
    fn hand_over(&mut self, connection: &mut Connection, slot: usize) {
        self.half_open_count = self.half_open_count.saturating_sub(1);
        connection.phase = Phase::Closing;
        let Ok(spare) = self.spares.pop() else {
            // Nobody has accepted for long.
            self.counts.turned_away += 1;
            return connection.abort();
        };
        let (end, line) = spare.join(slot, Arc::clone(&self.signals));
        connection.end = Some(end);
        if self.accepted.push(line).is_err() {
            self.counts.turned_away += 1;
            return connection.abort();
        }
        connection.phase = Phase::Open;
        self.counts.opened += 1;
    }

    fn take_arp(&mut self, packet: &arp::Packet) -> Result<(), DecodeError> {
        let own = *self.config.address.ip();
        if !packet.is_from_a_host(self.mac, own) {
            return Err(DecodeError::ArpSender);
        }
        if packet.target != own {
            self.counts.not_for_us += 1;
            return Ok(());
        }
        self.counts.arps += 1;
        self.neighbours.learn(packet.sender, packet.sender_mac);
        if packet.operation != arp::Operation::Request {
            return Ok(());
        }
        let reply = arp::Packet {
            operation: arp::Operation::Reply,
            sender_mac: self.mac,
            sender: packet.target,
            target_mac: packet.sender_mac,
            target: packet.sender,
        };
        self.out.frame(packet.sender_mac, EtherType::Arp, arp::LENGTH, |bytes| {
            if let Some(bytes) = bytes.first_chunk_mut() {
                reply.write(bytes);
            }
        });
        Ok(())
    }

    fn echo(&mut self, echo: &icmp::EchoRequest<'_>, packet: &ipv4::Packet<'_>, to: Mac) {
        self.counts.echoes += 1;
        let (own, sender) = (packet.destination(), packet.source());
        self.out.packet(to, ipv4::HEADER + echo.len(), |bytes| {
            let Some((head, rest)) = bytes.split_first_chunk_mut() else { return };
            ipv4::write(head, own, sender, icmp::PROTOCOL, echo.len() as u16);
            echo.answer(rest);
        });
    }

    fn turn_away(&mut self, segment: &Segment<'_>, to: Mac) {
        self.counts.strays += 1;
        if !segment.is_reset() {
            self.out.packet(to, ipv4::HEADER + tcp::HEADER, |bytes| {
                if let Some(bytes) = bytes.first_chunk_mut() {
                    segment.refuse(bytes);
                }
            });
        }
    }
}

impl Core {
    fn take(&mut self, bytes: &[u8], now: Nanos) {
        if let Err(cause) = self.try_take(bytes, now) {
            self.common.causes[cause.index()] += 1;
        }
    }

    fn try_take(&mut self, bytes: &[u8], now: Nanos) -> Result<(), DecodeError> {
        if bytes.len() > FRAME_MAX {
            return Err(DecodeError::FrameTooLong);
        }
        let frame = Frame::parse(bytes)?;
        if frame.source().is_group() {
            return Err(DecodeError::FrameSource);
        }
        let to = frame.destination();
        match frame.ether_type() {
            _ if to != self.common.mac && !to.is_group() => {
                self.common.counts.not_for_us += 1;
                Ok(())
            }
            EtherType::Arp => self.common.take_arp(&arp::Packet::parse(frame.payload())?),
            EtherType::Ipv4 => self.take_ipv4(&frame, now),
            EtherType::Ipv6 => Err(DecodeError::Ipv6),
            EtherType::Other(_) => Err(DecodeError::FrameKind),
        }
    }

    fn take_ipv4(&mut self, frame: &Frame<'_>, now: Nanos) -> Result<(), DecodeError> {
        let packet = ipv4::Packet::parse(frame.payload())?;
        let own = *self.common.config.address.ip();
        // Nobody speaks TCP with a group of stations.
        if packet.destination() != own || frame.destination().is_group() {
            self.common.counts.not_for_us += 1;
            return Ok(());
        }
        if !packet.is_from_a_host(own) || packet.source() == own {
            return Err(DecodeError::Ipv4Source);
        }
        match packet.protocol() {
            ipv4::TCP => {
                let segment = Segment::parse(&packet, false)?;
                self.steer(&segment, frame, now);
            }
            icmp::PROTOCOL => match icmp::EchoRequest::parse(&packet)? {
                Some(echo) => self.common.echo(&echo, &packet, frame.source()),
                // What else ICMP says is for whoever asked, and nobody here did.
                None => self.common.counts.not_for_us += 1,
            },
            _ => return Err(DecodeError::Ipv4Protocol),
        }
        Ok(())
    }

    /// Gives a segment to its connection, opens one, or refuses it.
    fn steer(&mut self, segment: &Segment<'_>, frame: &Frame<'_>, now: Nanos) {
        let tuple = Tuple::new(segment.source, segment.destination.port());
        let mut slot = self.table.find(tuple);
        if let Some(known) = slot
            && segment.is_opening()
            && self.connections[known].is_as_good_as_over()
        {
            self.forget(known);
            slot = None;
        }
        if slot.is_none() && segment.is_opening() {
            let is_ours = segment.destination == self.common.config.address;
            slot = is_ours.then(|| self.open(segment, tuple, frame.source())).flatten();
        }
        let Some(slot) = slot else { return self.common.turn_away(segment, frame.source()) };
        self.common.counts.segments += 1;
        self.guarded(slot, |connection, common| {
            connection.take(frame.payload(), common.pace.at(now), &mut common.out);
        });
    }

    /// A place for who asks: a free one, as long as handshakes have not taken all they may.
    fn open(&mut self, segment: &Segment<'_>, tuple: Tuple, station: Mac) -> Option<usize> {
        if self.common.half_open_count >= self.common.config.half_open || self.free.is_empty() {
            self.push_out_oldest();
        }
        let Some(slot) = self.free.pop() else {
            self.common.counts.turned_away += 1;
            return None;
        };
        // Splitmix64: each connection has numbers of its own, which nobody foresees.
        self.seeds = self.seeds.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut seed = self.seeds;
        seed = (seed ^ seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        seed = (seed ^ seed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let local = self.common.config.address;
        let remote = segment.source;
        self.connections[slot].listen(
            local,
            remote,
            station,
            seed ^ seed >> 31,
            &mut self.common.out,
        );
        self.table.insert(tuple, slot);
        self.half_open.push_back(slot);
        self.common.half_open_count += 1;
        Some(slot)
    }

    fn push_out_oldest(&mut self) {
        while let Some(slot) = self.half_open.pop_front() {
            if self.connections[slot].phase == Phase::Opening {
                self.common.counts.pushed_out += 1;
                self.forget(slot);
                return;
            }
        }
    }

    /// Runs a connection's code; one that panics is dropped, and made anew.
    fn guarded(&mut self, slot: usize, code: impl FnOnce(&mut Connection, &mut Common)) {
        let Self { connections, common, .. } = self;
        let Some(connection) = connections.get_mut(slot) else { return };
        let outcome = catch_unwind(AssertUnwindSafe(|| code(connection, common)));
        if outcome.is_ok() {
            return self.wake(slot);
        }
        self.common.counts.panicked += 1;
        self.forget(slot);
        let Common { config, pace, out, .. } = &mut self.common;
        self.connections[slot] = Connection::new(config.address, config.bytes, *pace, out);
    }

    fn wake(&mut self, slot: usize) {
        if let Some(is_awake) = self.is_awake.get_mut(slot).filter(|is_awake| !**is_awake) {
            *is_awake = true;
            self.awake.push(slot);
        }
    }

    fn sleep(&mut self) {
        for slot in self.awake.drain(..) {
            self.is_awake[slot] = false;
        }
    }

    fn wake_who_rings(&mut self) {
        let signals = Arc::clone(&self.common.signals);
        signals.wanting.answer(&mut |slot| self.wake(slot));
    }

    fn wake_who_is_due(&mut self, now: Nanos) {
        let Self { wheel, awake, is_awake, .. } = self;
        wheel.advance(now, &mut |slot| {
            if !std::mem::replace(&mut is_awake[slot], true) {
                awake.push(slot);
            }
        });
    }

    /// Moves a connection's bytes, lets it speak, and notes when to look again.
    fn look_at(&mut self, slot: usize, now: Nanos) {
        if self.connections[slot].phase == Phase::Free {
            return;
        }
        self.common.counts.looks += 1;
        self.guarded(slot, |connection, common| {
            if connection.phase == Phase::Opening && connection.is_established() {
                common.hand_over(connection, slot);
            }
            let has_news = connection.exchange();
            let station = common.neighbours.find(*connection.remote.ip());
            let station = station.unwrap_or(connection.station);
            connection.speak(common.pace.at(now), station, &mut common.out);
            if has_news {
                common.signals.ready.ring(slot);
            }
        });
        let connection = &mut self.connections[slot];
        if connection.phase == Phase::Free {
            return;
        }
        if connection.is_over() {
            self.forget(slot);
            return;
        }
        let due = match self.common.out.is_full() {
            // It may have more to say than there was room for.
            true => Some(now),
            false => connection.due(now, self.common.pace),
        };
        self.wheel.set(slot, due);
    }

    /// Makes a place free; whoever has the line is told that it is over.
    fn forget(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        match connection.phase {
            Phase::Free => return,
            Phase::Opening => {
                self.common.half_open_count = self.common.half_open_count.saturating_sub(1)
            }
            Phase::Open | Phase::Closing => self.common.counts.ended += 1,
        }
        connection.phase = Phase::Free;
        self.table.remove(connection.tuple);
        self.wheel.set(slot, None);
        if let Some(end) = connection.end.take() {
            end.state.is_broken.store(true, std::sync::atomic::Ordering::Release);
            end.state.has_ended.store(true, std::sync::atomic::Ordering::Release);
            self.common.signals.ready.ring(slot);
            // Without room it is freed here, once in a while.
            let _ = self.remains.push(end);
        }
        self.free.push(slot);
        if self.half_open.len() > 2 * self.common.config.lines {
            let Self { half_open, connections, .. } = self;
            half_open.retain(|&slot| connections[slot].phase == Phase::Opening);
        }
    }
}
