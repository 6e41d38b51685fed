//! One connection: a TCP machine with an interface to itself, so that none pays for another and a
//! panic in one is nobody else's.
//!
//! The machine reads no clock and its shortest retransmission time-out is a second of what it is
//! told; it is told a time that runs faster, so that a second of it is what the line wants.

use std::net::SocketAddrV4;
use std::sync::atomic::Ordering;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium};
use smoltcp::phy::{RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpCidr};

use crate::model::Nanos;
use crate::port::host::line::StackEnd;
use crate::port::host::outbox::Outbox;
use crate::port::host::table::Tuple;
use crate::wire::ethernet::Mac;

/// The longest packet.
pub(super) const MTU: usize = 1500;

/// How long a peer may leave what was sent unanswered before the connection is given up.
const PATIENCE: Nanos = Nanos(30_000_000_000);

/// The machine's time for ours: a second of it is `rto_min`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) start: Nanos,
    pub(super) rto_min_ms: u64,
}

impl Pace {
    fn instant(self, now: Nanos) -> Instant {
        let since = now.saturating_sub(self.start).0;
        Instant::from_micros((since / self.rto_min_ms.max(1)) as i64)
    }

    fn nanos(self, instant: Instant) -> Nanos {
        // A microsecond more, so that the machine's time has surely come.
        let micros = instant.total_micros().max(0) as u64 + 1;
        Nanos(self.start.0 + micros.saturating_mul(self.rto_min_ms.max(1)))
    }

    fn span(self, real: Nanos) -> Duration {
        Duration::from_micros(real.0 / self.rto_min_ms.max(1))
    }
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody's.
    Free,
    /// Somebody asked; the handshake is not over.
    Opening,
    /// Somebody's line.
    Open,
    /// Let go; what was sent is still on its way.
    Closing,
}

/// One connection.
pub(super) struct Connection {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    pub(super) phase: Phase,
    pub(super) tuple: Tuple,
    pub(super) remote: SocketAddrV4,
    /// Where its packets go, unless something better is known.
    pub(super) station: Mac,
    pub(super) end: Option<StackEnd>,
    #[cfg(test)]
    pub(super) panics: bool,
}

/// The device a machine sees: at most one packet in, the outbox out.
struct Wire<'a> {
    packet: Option<&'a [u8]>,
    out: &'a mut Outbox,
    to: Mac,
    sums: bool,
}

struct In<'a>(&'a [u8]);
struct Out<'a>(&'a mut Outbox, Mac);

impl RxToken for In<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl TxToken for Out<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        self.0.packet(self.1, length, f)
    }
}

impl Device for Wire<'_> {
    type RxToken<'a>
        = In<'a>
    where
        Self: 'a;
    type TxToken<'a>
        = Out<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(In<'_>, Out<'_>)> {
        if self.out.is_full() {
            return None;
        }
        Some((In(self.packet.take()?), Out(self.out, self.to)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Out<'_>> {
        (!self.out.is_full()).then_some(Out(self.out, self.to))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        // What comes was checked before it got here.
        let sums = if self.sums { Checksum::Tx } else { Checksum::None };
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities.checksum.ipv4 = sums;
        capabilities.checksum.tcp = sums;
        capabilities
    }
}

impl Connection {
    /// Nobody's yet; all its memory is here.
    pub(super) fn new(local: SocketAddrV4, bytes: usize, pace: Pace, out: &mut Outbox) -> Self {
        let mut device = Wire { packet: None, out, to: Mac::default(), sums: true };
        let interface = interface(local, 0, &mut device);
        let buffer = || tcp::SocketBuffer::new(vec![0; bytes]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.set_timeout(Some(pace.span(PATIENCE)));
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        let remote = SocketAddrV4::new([0, 0, 0, 0].into(), 0);
        Self {
            interface,
            sockets,
            handle,
            phase: Phase::Free,
            tuple: Tuple::new(remote, 0),
            remote,
            station: Mac::default(),
            end: None,
            #[cfg(test)]
            panics: false,
        }
    }

    fn socket(&mut self) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    /// Waits for the segment that asks; its sequence numbers begin where `seed` says.
    pub(super) fn listen(
        &mut self,
        local: SocketAddrV4,
        remote: SocketAddrV4,
        station: Mac,
        seed: u64,
        out: &mut Outbox,
    ) {
        let mut device = Wire { packet: None, out, to: station, sums: true };
        self.interface = interface(local, seed, &mut device);
        self.remote = remote;
        self.tuple = Tuple::new(remote, local.port());
        self.station = station;
        self.phase = Phase::Opening;
        self.end = None;
        let socket = self.socket();
        socket.abort();
        // It is closed, and the port is not zero.
        let _ = socket.listen(local);
    }

    /// Takes a packet that is whole and for it.
    pub(super) fn take(&mut self, packet: &[u8], now: Instant, out: &mut Outbox) {
        #[cfg(test)]
        assert!(!self.panics, "a panic that a test asked for");
        let sums = out.sums;
        let mut device = Wire { packet: Some(packet), out, to: self.station, sums };
        self.interface.poll_ingress_single(now, &mut device, &mut self.sockets);
    }

    /// Sends what is due.
    pub(super) fn speak(&mut self, now: Instant, to: Mac, out: &mut Outbox) {
        let sums = out.sums;
        let mut device = Wire { packet: None, out, to, sums };
        self.interface.poll_egress(now, &mut device, &mut self.sockets);
    }

    /// When it wants to be looked at next.
    pub(super) fn due(&mut self, now: Nanos, pace: Pace) -> Option<Nanos> {
        let due = self.interface.poll_at(pace.instant(now), &self.sockets)?;
        Some(pace.nanos(due).max(now))
    }

    pub(super) fn is_established(&mut self) -> bool {
        matches!(self.socket().state(), tcp::State::Established | tcp::State::CloseWait)
    }

    /// Whether nothing is left of it, or nothing that a new connection need wait for.
    pub(super) fn is_over(&mut self) -> bool {
        self.socket().state() == tcp::State::Closed
    }

    /// Whether a new connection of the same ends may take its place.
    pub(super) fn is_as_good_as_over(&mut self) -> bool {
        matches!(self.socket().state(), tcp::State::Closed | tcp::State::TimeWait)
    }

    /// Moves bytes between the machine and the line; `true` if any came or the line ended.
    pub(super) fn exchange(&mut self) -> bool {
        let Self { sockets, handle, end, phase, .. } = self;
        let socket = sockets.get_mut::<tcp::Socket<'static>>(*handle);
        let Some(end) = end else { return false };
        while socket.can_send() && !end.out.is_empty() {
            let sent = socket.send(|room| {
                let (filled, _) = end.out.pop_partial_slice(room);
                (filled.len(), filled.len())
            });
            if sent.unwrap_or(0) == 0 {
                break;
            }
        }
        let mut has_news = false;
        while socket.can_recv() && !end.into.is_full() {
            let came = socket.recv(|bytes| {
                let (taken, _) = end.into.push_partial_slice(bytes);
                (taken.len(), taken.len())
            });
            has_news |= came.unwrap_or(0) > 0;
        }
        let state = &end.state;
        if !socket.may_recv() && !socket.can_recv() {
            has_news |= !state.has_ended.swap(true, Ordering::AcqRel);
        }
        if !socket.may_send() && *phase == Phase::Open {
            has_news |= !state.is_broken.swap(true, Ordering::AcqRel);
        }
        if state.is_dropped.load(Ordering::Acquire) && end.out.is_empty() {
            *phase = Phase::Closing;
            // What came and was not read is nobody's: the peer is told by a reset.
            if socket.can_recv() {
                socket.abort();
            } else {
                socket.close();
            }
        }
        has_news
    }

    /// Breaks it off; the peer is told when it speaks next.
    pub(super) fn abort(&mut self) {
        self.socket().abort();
    }
}

impl Pace {
    pub(super) fn at(self, now: Nanos) -> Instant {
        self.instant(now)
    }
}

fn interface(local: SocketAddrV4, seed: u64, device: &mut Wire<'_>) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut interface = Interface::new(config, device, Instant::ZERO);
    interface.update_ip_addrs(|addresses| {
        // There is room for one, and every host is reached by the station it was heard from.
        let _ = addresses.push(IpCidr::new((*local.ip()).into(), 32));
    });
    let _ = interface.routes_mut().add_default_ipv4_route(*local.ip());
    interface
}
