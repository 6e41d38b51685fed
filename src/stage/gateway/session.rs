//! One client's session as the gateway keeps it: the numbers, what is owed, and to whom it goes.

use std::net::SocketAddrV4;

use crate::link::Batch;
use crate::model::{
    Command, CommandKind, Event, EventKind, Group, Nanos, RejectCode, Request, SessionId, base36,
};
use crate::snapshot::part;
use crate::stage::gateway::SessionSpec;
use crate::stage::gateway::pending::Pending;
use crate::stage::gateway::report::report;
use crate::stage::gateway::request::{Sender, Symbols, read};
use crate::stage::gateway::shortage::{Shortage, asks_for_entry};
use crate::wire::session::{Delivery, Packet, ServerConfig, ServerSession};

/// One client's session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) spec: SessionSpec,
    pub(super) machine: ServerSession,
    pub(super) pending: Pending,
    /// Where the client is; pinned at login.
    pub(super) peer: Option<SocketAddrV4>,
    /// Connected as far as history knows: a `SessionUp` without a `SessionDown`.
    pub(super) is_up: bool,
    /// History must still be told that it is down.
    pub(super) owes_down: bool,
    /// When a session that a restart cut off counts as gone.
    pub(super) grace_ends: Option<Nanos>,
    /// Its code panicked: it is shut for good.
    pub(super) is_broken: bool,
    /// Stands in the gateway's list of those that may have something to send.
    pub(super) is_listed: bool,
    /// Stands in the gateway's line of those whose messages found no room.
    pub(super) is_behind: bool,
    /// Replies the client asked for again: first and count.
    pub(super) resend: Option<(u64, u32)>,
    pub(super) shortage: Shortage,
    /// Old replies below this one were asked for.
    pub(super) asked_until: u64,
    /// The journal could not be read for this session.
    pub(super) is_unreadable: bool,
    /// The request being read.
    request: Group<Request>,
}
part!(
    Session { machine, pending, is_up }
    kept {
        spec, peer, owes_down, grace_ends, is_broken, is_listed, resend, shortage, asked_until,
        is_unreadable, is_behind, request,
    }
);

/// What a packet or the passing of time brought.
pub(super) enum Brought<'a> {
    /// A request for the sequencer.
    Request(&'a Group<Request>),
    /// A number that came again.
    Duplicate,
    /// An order was refused because the journal is short of room.
    Refused,
}

/// When something came, and under which circumstances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Nanos,
    /// The journal has only the room kept for cancels, or risk stands still.
    pub(super) is_short: bool,
    /// Why orders are refused then.
    pub(super) refusal: RejectCode,
}

impl Session {
    /// With room for late answers, where orders are routed to destinations.
    pub(super) fn new(spec: SessionSpec, config: ServerConfig, late_answers: bool) -> Self {
        Self {
            machine: ServerSession::new(config),
            // Twice the window: a reply is repeated for numbers the client has just settled.
            pending: Pending::new(2 * config.window as usize).with_late_answers(late_answers),
            spec,
            peer: None,
            is_up: false,
            owes_down: false,
            grace_ends: None,
            is_broken: false,
            is_listed: false,
            is_behind: false,
            resend: None,
            shortage: Shortage::default(),
            asked_until: 0,
            is_unreadable: false,
            request: Group::new(Request::new(CommandKind::Tick, Nanos::ZERO)),
        }
    }

    /// Messages the session may deliver now, given what the link has room for.
    #[inline]
    pub(super) fn room(&mut self, credits: usize, moment: Moment) -> usize {
        let room = credits.min(self.pending.room());
        match moment.is_short || self.shortage.has_run() {
            false => room,
            // One more is needed for the run that a message ends.
            true => room.min(credits.saturating_sub(1)).min(self.shortage.allowance(moment.now)),
        }
    }

    /// Takes a packet and shows what it brought.
    #[inline]
    pub(super) fn receive(
        &mut self,
        packet: &Packet<'_>,
        symbols: &Symbols,
        moment: Moment,
        room: usize,
        each: &mut dyn FnMut(Brought<'_>),
    ) {
        let Self { spec, machine, pending, owes_down, resend, shortage, request, .. } = self;
        machine.receive(packet, moment.now, room, &mut |delivery| {
            let to = Taker { spec, pending, owes_down, resend, shortage, request, symbols, moment };
            to.take(delivery, each);
        });
    }

    /// Lets time pass and shows what it brought; there must be room for one request more.
    pub(super) fn pass(
        &mut self,
        symbols: &Symbols,
        moment: Moment,
        room: usize,
        each: &mut dyn FnMut(Brought<'_>),
    ) {
        let Moment { now, is_short, .. } = moment;
        let Self { spec, machine, pending, owes_down, resend, shortage, request, .. } = self;
        if shortage.is_due(now, is_short)
            && let Some(request) = shortage.end_run(spec.id, now)
        {
            each(Brought::Request(&Group::new(request)));
        }
        machine.poll(now, room, &mut |delivery| {
            let to = Taker { spec, pending, owes_down, resend, shortage, request, symbols, moment };
            to.take(delivery, each);
        });
        if self.grace_ends.is_some_and(|end| now >= end) && !self.machine.is_up() {
            self.owes_down = true;
        }
    }

    /// Puts the end of a connection on record, if that is owed and there is room.
    pub(super) fn end_on_record(&mut self, now: Nanos, requests: &mut Batch<'_, Request>) {
        if self.owes_down {
            let mut request = Request::new(CommandKind::SessionDown, now);
            request.0.session = self.spec.id;
            request.0.quantity.0 = self.spec.cancel_on_disconnect as u32;
            self.owes_down = !requests.push_head(&request);
            self.grace_ends = None;
        }
    }

    /// Takes a command from the record.
    pub(super) fn restore(&mut self, group: &Group<Command>) {
        let command = &group.head;
        let client_seq = command.client_seq as u64;
        match command.kind() {
            Some(CommandKind::SessionUp) => {
                self.is_up = true;
                self.machine.restore_nonce(command.price.0 as u64);
            }
            Some(CommandKind::SessionDown) => self.is_up = false,
            Some(CommandKind::NotApplied) => {
                self.machine.restore_not_applied(client_seq, command.quantity.0);
            }
            _ if client_seq != 0 => {
                self.machine.restore_applied(client_seq);
                self.pending.remember(group, command, command.received_at());
            }
            _ => {}
        }
    }

    /// Numbers what an event tells the client; returns when the message it answers was received,
    /// if this is the first answer.
    #[inline]
    pub(super) fn tell(&mut self, event: &Event, symbols: &Symbols, now: Nanos) -> Option<Nanos> {
        if event.kind == EventKind::NotApplied.code() {
            let from = event.target as u64;
            self.machine.push_not_applied(from, event.quantity.0, event.reason);
            self.machine.settle(from + event.quantity.0 as u64 - 1, now);
            return None;
        }
        let Self { pending, machine, .. } = self;
        if event.client_seq == 0
            && is_late_answer(event)
            && let Some(echo) = pending.late_echo(event.ordinal)
        {
            machine.push(|space| report(event, &echo, symbols, space));
            return None;
        }
        if event.kind == EventKind::Routed.code() && names_new_order(event) {
            pending.routed(event.client_seq, event.ordinal);
        }
        let received_at = pending.answer(event.client_seq, |echo| {
            machine.push(|space| report(event, echo, symbols, space))
        });
        if event.client_seq != 0 {
            machine.settle(event.client_seq as u64, now);
        }
        received_at
    }
}

/// Whether an event that answers no message answers one that was routed.
const fn is_late_answer(event: &Event) -> bool {
    matches!(
        EventKind::from_code(event.kind),
        Some(EventKind::Accepted | EventKind::Replaced | EventKind::Rejected)
    )
}

/// Whether what was routed is a new order, or a replacement.
const fn names_new_order(event: &Event) -> bool {
    event.reason == CommandKind::Enter.code() || event.reason == CommandKind::Replace.code()
}

/// Turns deliveries into requests.
struct Taker<'a> {
    spec: &'a SessionSpec,
    pending: &'a mut Pending,
    owes_down: &'a mut bool,
    resend: &'a mut Option<(u64, u32)>,
    shortage: &'a mut Shortage,
    request: &'a mut Group<Request>,
    symbols: &'a Symbols,
    moment: Moment,
}

impl Taker<'_> {
    #[inline]
    fn take(self, delivery: Delivery<'_>, each: &mut dyn FnMut(Brought<'_>)) {
        if self.moment.is_short || self.shortage.has_run() {
            return self.take_while_short(delivery, each);
        }
        self.take_on(delivery, each);
    }

    /// Refuses orders, and puts those refused before on record in front of all else.
    #[cold]
    fn take_while_short(self, delivery: Delivery<'_>, each: &mut dyn FnMut(Brought<'_>)) {
        let Moment { now, is_short, refusal } = self.moment;
        match delivery {
            Delivery::Message { seq, bytes } if is_short && asks_for_entry(bytes) => {
                self.shortage.refuse(seq, now, refusal);
                return each(Brought::Refused);
            }
            Delivery::Duplicate { .. } | Delivery::RetransmitRequest { .. } => {}
            _ => {
                if let Some(request) = self.shortage.end_run(self.spec.id, now) {
                    each(Brought::Request(&Group::new(request)));
                }
                self.shortage.spend();
            }
        }
        self.take_on(delivery, each);
    }

    #[inline]
    fn take_on(self, delivery: Delivery<'_>, each: &mut dyn FnMut(Brought<'_>)) {
        let received_at = self.moment.now;
        match delivery {
            Delivery::Message { seq, bytes } => {
                let sender = Sender {
                    session: self.spec.id,
                    default_account: self.spec.first_account,
                    self_trade: self.spec.self_trade,
                    last_ordinal: self.pending.last_ordinal(),
                    client_seq: client_seq(seq),
                    received_at,
                };
                read(bytes, &sender, self.symbols, self.request);
                self.pending.remember(self.request, &self.request.head.0, received_at);
                each(Brought::Request(self.request));
            }
            Delivery::NotApplied { from, count } => {
                let mut request = Request::new(CommandKind::NotApplied, received_at);
                request.0.session = self.spec.id;
                request.0.client_seq = client_seq(from);
                request.0.quantity.0 = count;
                each(Brought::Request(&Group::new(request)));
            }
            Delivery::Duplicate { seq } => {
                // The replies may be lost: they are sent again, never made again.
                if let Some(replies) = self.pending.replies(client_seq(seq)) {
                    *self.resend = Some(replies);
                }
                each(Brought::Duplicate);
            }
            Delivery::RetransmitRequest { from, count } => {
                *self.resend = Some((from, count as u32));
            }
            Delivery::Logout | Delivery::Silent => {
                *self.owes_down = true;
            }
        }
    }
}

/// A client's number as messages carry it; sessions are ended before the numbers run out.
fn client_seq(seq: u64) -> u32 {
    seq.min(u32::MAX as u64) as u32
}

/// The first characters of a session's token: its number in base 36.
pub(super) fn token_prefix(session: SessionId) -> [u8; 4] {
    base36::write(session.0)
}

/// The session a token names, if it can be one.
#[inline]
pub(super) fn session_of(token: &[u8; 10]) -> Option<usize> {
    let prefix = token.first_chunk::<4>()?;
    base36::read(*prefix).map(|number| number as usize)
}
