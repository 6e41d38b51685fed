//! What both directions of a gateway share: its endpoint, its sessions, and how one speaks with the
//! other.

use std::net::SocketAddrV4;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::link::Batch;
use crate::model::{CommandKind, Nanos, Price, RejectCode, Request};
use crate::port::Port;
use crate::port::endpoint::UdpEndpoint;
use crate::runtime::Counters;
use crate::stage::BURST;
use crate::stage::gateway::session::{Brought, Moment, Session, session_of};
use crate::stage::gateway::{GatewayCounter, GatewayState};
use crate::wire::DecodeError;
use crate::wire::ouch::MESSAGE_MAX;
use crate::wire::session::{Control, Login, LoginStep, PACKET_MAX, Packet, Retransmit};
use crate::wire::udp::Datagram;

/// Packets of replies asked for again, sent per session and poll.
const RESENDS_PER_POLL: usize = 4;

/// What both directions share.
pub(super) struct Faces {
    pub(super) endpoint: UdpEndpoint,
    pub(super) state: GatewayState,
    pub(super) packet: [u8; PACKET_MAX],
    /// Orders are refused, as of this poll: the journal has only the room kept for cancels, or
    /// risk stands still.
    pub(super) is_short: bool,
    /// Why.
    pub(super) refusal: RejectCode,
}

impl Faces {
    /// Takes a datagram: a login, or a packet of a session.
    ///
    /// # Errors
    /// What is wrong with the packet in it.
    #[inline]
    pub(super) fn take(
        &mut self,
        datagram: &Datagram<'_>,
        received_at: Nanos,
        requests: &mut Batch<'_, Request>,
        counters: &mut Counters<GatewayCounter>,
    ) -> Result<(), DecodeError> {
        if datagram.destination != self.state.options.address {
            counters.count(GatewayCounter::Unknown);
            return Ok(());
        }
        let packet = Packet::parse(datagram.payload, MESSAGE_MAX)?;
        let token = packet.session();
        let place = session_of(&token);
        let known = place.and_then(|at| Some((at, self.state.sessions.get_mut(at)?.as_mut()?)));
        let Some((at, session)) = known.filter(|(_, session)| {
            session.machine.token() == token && session.peer == Some(datagram.source)
        }) else {
            let login = packet.blocks().next().map(Control::decode);
            match login {
                Some(Ok(Control::Login(login))) => {
                    self.log_in(&login, datagram.source, received_at, requests, counters);
                }
                _ => counters.count(GatewayCounter::Unknown),
            }
            return Ok(());
        };
        if session.is_broken {
            counters.count(GatewayCounter::Unknown);
            return Ok(());
        }
        let moment = Moment { now: received_at, is_short: self.is_short, refusal: self.refusal };
        let room = session.room(requests.messages(), moment);
        let symbols = &self.state.symbols;
        let guarded = catch_unwind(AssertUnwindSafe(|| {
            session.receive(&packet, symbols, moment, room, &mut |brought| {
                push(brought, requests, counters);
            });
        }));
        if guarded.is_err() {
            session.is_broken = true;
            session.owes_down = true;
            counters.count(GatewayCounter::Panicked);
        }
        let is_behind = session.machine.is_behind();
        if !std::mem::replace(&mut session.is_listed, true) {
            self.state.dirty.push(at);
        }
        if is_behind {
            self.state.queue(at);
        }
        Ok(())
    }

    /// Goes on with sessions whose messages found no room: who waited longest is first, and gives
    /// way to the next after a burst. Frames wait meanwhile, for they came later.
    #[inline]
    pub(super) fn go_on(
        &mut self,
        now: Nanos,
        requests: &mut Batch<'_, Request>,
        counters: &mut Counters<GatewayCounter>,
    ) {
        for _ in 0..self.state.behind.len() {
            if requests.messages() < 2 {
                return;
            }
            let Some(at) = self.state.behind.pop_front() else { return };
            if let Some(Some(session)) = self.state.sessions.get_mut(at) {
                session.is_behind = false;
            }
            self.pass(at, now, requests, counters);
            self.state.queue(at);
        }
    }

    /// Judges a login; a good one goes on record before it is answered.
    #[cold]
    fn log_in(
        &mut self,
        login: &Login,
        from: SocketAddrV4,
        now: Nanos,
        requests: &mut Batch<'_, Request>,
        counters: &mut Counters<GatewayCounter>,
    ) {
        // Without room for what goes on record nothing is judged; the login comes again.
        if requests.messages() < 2 || self.is_short && !self.state.may_record(login.port, now) {
            return counters.count(GatewayCounter::Closed);
        }
        let outcome = self.state.judge(login, from, now);
        match outcome {
            Ok(LoginStep::New) => {
                // The end of the connection before goes on record before the new one.
                if let Some(Some(session)) = self.state.sessions.get_mut(login.port as usize) {
                    session.end_on_record(now, requests);
                    session.grace_ends = None;
                    session.shortage.spend();
                }
                let mut request = Request::new(CommandKind::SessionUp, now);
                request.0.session.0 = login.port as u32;
                request.0.price = Price(login.nonce as i64);
                counters.count(GatewayCounter::Logins);
                let _ = requests.push_head(&request);
            }
            Ok(LoginStep::Repeated) => self.state.mark(login.port as usize),
            Err(code) => {
                counters.count(GatewayCounter::LoginsRefused);
                self.state.refusal = Some((from, *login, code));
            }
        }
    }

    /// Lets time pass for one session.
    pub(super) fn pass(
        &mut self,
        at: usize,
        now: Nanos,
        requests: &mut Batch<'_, Request>,
        counters: &mut Counters<GatewayCounter>,
    ) {
        let Some(Some(session)) = self.state.sessions.get_mut(at) else { return };
        let moment = Moment { now, is_short: self.is_short, refusal: self.refusal };
        // One place is kept for the request that says the session is down.
        let room = session.room(requests.messages() - 1, moment).min(BURST);
        session.pass(&self.state.symbols, moment, room, &mut |brought| {
            push(brought, requests, counters);
        });
        session.end_on_record(now, requests);
        // Heartbeats and acknowledgements are found out by asking.
        self.state.mark(at);
    }

    /// Sends what one session has to say; returns how many packets.
    pub(super) fn send_session<P: Port>(
        &mut self,
        port: &mut P,
        at: usize,
        now: Nanos,
        counters: &mut Counters<GatewayCounter>,
    ) -> usize {
        let own_port = self.state.options.address.port();
        let Self { endpoint, state, packet, .. } = self;
        let Some(Some(session)) = state.sessions.get_mut(at) else { return 0 };
        session.is_listed = false;
        let Some(to) = session.peer else { return 0 };
        let mut packets = 0;
        let mut send = |bytes: &[u8]| {
            packets += 1;
            counters.count(GatewayCounter::Packets);
            let fill = &mut |space: &mut [u8]| space.copy_from_slice(bytes);
            if endpoint.send(port, own_port, to, bytes.len(), fill).is_err() {
                counters.count(GatewayCounter::PortFull);
            }
        };
        if let Some(length) = session.machine.write_upkeep(packet, now) {
            send(&packet[..length]);
        }
        while let Some(length) = session.machine.write_unsent(packet, now) {
            send(&packet[..length]);
        }
        let (resent, aged_out) = resend(session, packet, &mut send);
        counters.add(GatewayCounter::Resent, resent);
        counters.add(GatewayCounter::AgedOut, aged_out);
        packets
    }

    pub(super) fn send<P: Port>(
        &mut self,
        port: &mut P,
        own_port: u16,
        to: SocketAddrV4,
        length: usize,
        counters: &mut Counters<GatewayCounter>,
    ) {
        let Self { endpoint, packet, .. } = self;
        let fill = &mut |space: &mut [u8]| space.copy_from_slice(&packet[..length]);
        counters.count(GatewayCounter::Packets);
        if endpoint.send(port, own_port, to, length, fill).is_err() {
            counters.count(GatewayCounter::PortFull);
        }
    }
}

/// Sends replies again that were asked for, a few packets at a time.
fn resend(session: &mut Session, packet: &mut [u8], send: &mut dyn FnMut(&[u8])) -> (u64, u64) {
    let mut resent = 0;
    for _ in 0..RESENDS_PER_POLL {
        let Some((from, count)) = session.resend else { break };
        let asked = count.min(u16::MAX as u32) as u16;
        match session.machine.write_retransmit(from, asked, packet) {
            Retransmit::Packet { length, count: sent } => {
                send(&packet[..length]);
                resent += sent as u64;
                let left = count - (sent as u32).min(count);
                session.resend = (left > 0).then_some((from + sent as u64, left));
            }
            Retransmit::AgedOut { .. } => {
                session.resend = None;
                return (resent, 1);
            }
            Retransmit::Nothing => session.resend = None,
        }
    }
    (resent, 0)
}

/// Sends on what a session brought; there was room, for it was asked for only as much.
#[inline]
fn push(
    brought: Brought<'_>,
    requests: &mut Batch<'_, Request>,
    counters: &mut Counters<GatewayCounter>,
) {
    match brought {
        Brought::Request(request) => {
            counters.count(GatewayCounter::Requests);
            let sent = requests.push_parts(&request.head, request.rest());
            debug_assert!(sent, "sessions deliver no more than there is room for");
        }
        Brought::Duplicate => counters.count(GatewayCounter::Duplicates),
        Brought::Refused => counters.count(GatewayCounter::Refused),
    }
}
