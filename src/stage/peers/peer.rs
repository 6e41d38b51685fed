//! One peer: our session there, what is to be sent, and what it said last.

use std::net::SocketAddrV4;

use crate::model::{Command, CommandKind, Group, Nanos, RejectCode, Request, SessionId};
use crate::snapshot::part;
use crate::stage::gateway::Symbols;
use crate::stage::peers::decode::{Origin, decode, refused};
use crate::stage::peers::encode::encode;
use crate::wire::ouch::MESSAGE_MAX;
use crate::wire::session::{ClientConfig, ClientEvent, ClientSession, Packet};

/// How long to wait before another login.
const LOGIN_PAUSE: Nanos = Nanos(50_000_000);

/// Another appliance, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSpec {
    /// Its name.
    pub name: String,
    /// Our session's number there; no client here has it.
    pub session: SessionId,
    /// Our session's secret.
    pub key: Vec<u8>,
    /// Where its gateway is.
    pub gateway: SocketAddrV4,
}

/// A peer: what of it is a fold over history, and what is alive.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) spec: PeerSpec,
    pub(super) machine: ClientSession,
    /// Messages routed to it, by their numbers.
    ring: Box<[Group<Command>]>,
    /// The number of the last one.
    last: u64,
    /// Whether history says that it is heard.
    is_up: bool,
    /// It was said on record that it has messages below this one.
    told: u64,
    login_at: Nanos,
    /// It knows of messages that history here does not have: somebody must look.
    pub(super) is_foreign: bool,
}
part!(Peer { machine, ring, last, is_up, told } kept { spec, login_at, is_foreign });

impl Peer {
    pub(super) fn new(spec: PeerSpec, in_flight_max: usize) -> Self {
        let config = ClientConfig { port: spec.session.0 as u16, ..ClientConfig::default() };
        let empty = Group::new(Command::new(CommandKind::Tick));
        Self {
            spec,
            machine: ClientSession::new(config),
            ring: vec![empty; in_flight_max.next_power_of_two()].into(),
            last: 0,
            is_up: false,
            told: 1,
            login_at: Nanos::ZERO,
            is_foreign: false,
        }
    }

    /// Keeps a message to be sent.
    pub(super) fn keep(&mut self, message: &Group<Command>) {
        self.last = u64::from(message.head.client_seq);
        let mask = self.ring.len() - 1;
        if let Some(place) = self.ring.get_mut(self.last as usize & mask) {
            *place = *message;
        }
    }

    /// Takes a report from the record.
    pub(super) fn restore(&mut self, command: &Command) {
        match command.kind() {
            Some(CommandKind::AwayUp) => self.is_up = true,
            Some(CommandKind::AwayDown) => self.is_up = false,
            _ => {}
        }
        if command.client_seq != 0 {
            self.machine.restore_received(u64::from(command.client_seq));
        }
    }

    /// Takes a packet, and shows what it says as requests.
    pub(super) fn receive(
        &mut self,
        packet: &Packet<'_>,
        now: Nanos,
        each: &mut dyn FnMut(&Group<Request>),
    ) {
        let Self { machine, spec, ring, .. } = self;
        let origin = |number| Origin { peer: spec.session, number, received_at: now };
        machine.receive(packet, now, &mut |event| match event {
            ClientEvent::Message { number, bytes } => {
                if let Some(request) = decode(bytes, &origin(number)) {
                    each(&request);
                }
            }
            ClientEvent::NotApplied { number, from, count, reason } => {
                let code = RejectCode::from_code(reason).unwrap_or(RejectCode::NotDelivered);
                let end = from.saturating_add(u64::from(count));
                for lost in from..end {
                    // Only the last says that the announcement is done with.
                    let origin = origin(if lost + 1 < end { number - 1 } else { number });
                    if let Some(message) = kept(ring, lost) {
                        each(&not_done(message, &origin, code));
                    }
                }
            }
            _ => {}
        });
    }

    /// Says on record whether the peer is heard, and how much of what was sent it has.
    pub(super) fn tell(&mut self, now: Nanos, each: &mut dyn FnMut(&Group<Request>)) {
        let is_heard = self.machine.is_up() && !self.is_foreign;
        let has = self.machine.unsettled();
        let is_much = has.saturating_sub(self.told) >= self.ring.len() as u64 / 16;
        let kind = match (self.is_up, is_heard) {
            (false, true) => CommandKind::AwayUp,
            (true, false) => CommandKind::AwayDown,
            (true, true) if is_much => CommandKind::AwayHeard,
            _ => return,
        };
        let origin = Origin { peer: self.spec.session, number: 0, received_at: now };
        let mut request = origin.report(kind, 0);
        if is_heard {
            request.head.0.target = has.min(u64::from(u32::MAX)) as u32;
            self.told = has;
        }
        self.is_up = is_heard;
        each(&request);
    }

    /// Hands over to the session what it will take, and logs in where there is no connection.
    pub(super) fn go_on(&mut self, symbols: &Symbols, now: Nanos) {
        if self.machine.is_idle() && now >= self.login_at && !self.is_foreign {
            self.login_at = now.saturating_add(LOGIN_PAUSE);
            self.machine.log_in(now.0, &self.spec.key, now);
        }
        if !self.machine.is_up() {
            return;
        }
        if self.machine.unsettled() > self.last + 1 {
            self.is_foreign = true;
            return self.machine.log_out(now);
        }
        let mut bytes = [0; MESSAGE_MAX];
        while self.machine.next_tx() <= self.last {
            let Some(message) = kept(&self.ring, self.machine.next_tx()) else { break };
            let length = encode(message, symbols, &mut bytes);
            if self.machine.send(bytes.get(..length).unwrap_or(&[])).is_err() {
                break;
            }
        }
    }
}

/// The message of a number, if it is kept.
fn kept(ring: &[Group<Command>], number: u64) -> Option<&Group<Command>> {
    let found = ring.get(number as usize & (ring.len() - 1))?;
    (u64::from(found.head.client_seq) == number).then_some(found)
}

/// The report that a message was never executed.
fn not_done(message: &Group<Command>, origin: &Origin, code: RejectCode) -> Group<Request> {
    let head = &message.head;
    match head.kind() {
        Some(CommandKind::Enter | CommandKind::Replace) => {
            refused(origin, CommandKind::AwayRejected, head.ordinal, code)
        }
        // A cancel is asked again, whatever kept it from being done.
        _ => {
            let code = RejectCode::NotDelivered;
            refused(origin, CommandKind::AwayCancelRejected, head.target, code)
        }
    }
}
