//! One venue: which of its sessions is used, what was sent, what is asked again after a gap.

use crate::model::{Command, CommandKind, Group, Nanos, RejectCode, SessionId};
use crate::snapshot::part;
use crate::stage::BURST;
use crate::stage::gateway::Symbols;
use crate::stage::venues::line::{Hands, Line};
use crate::stage::venues::ring::{Kept, Ring};
use crate::stage::venues::{VenueCounter, VenueSpec};
use crate::wire::fix::session::{SendError, Store};
use crate::wire::fix::venue::{ask_status, write};
use crate::wire::fix::writer::Writer;

/// Room for the fields of one order message.
const FIELDS_MAX: usize = 1024;

/// A venue.
#[derive(Debug)]
pub(super) struct Venue {
    pub(super) session: SessionId,
    pub(super) lines: Vec<Line>,
    pub(super) ring: Ring,
    /// Which line is used.
    active: usize,
    /// The last message that is on record in a session, or that was given up.
    sent: u32,
    /// Whether history says that the venue is heard.
    is_up: bool,
    /// The next message whose fate is asked for, while that is not known; 0 while nothing is asked.
    asking: u32,
    /// A session has sent what history does not know: somebody must look.
    is_foreign: bool,
    fields: Box<[u8; FIELDS_MAX]>,
}
part!(
    Venue { ring, is_up } kept { session, lines, active, sent, asking, is_foreign, fields }
);

impl Venue {
    pub(super) fn new(spec: &VenueSpec, lines: Vec<Line>, in_flight_max: usize) -> Self {
        Self {
            session: spec.session,
            lines,
            ring: Ring::new(in_flight_max),
            active: 0,
            sent: 0,
            is_up: false,
            asking: 0,
            is_foreign: false,
            fields: Box::new([0; FIELDS_MAX]),
        }
    }

    /// Takes a report from the record.
    pub(super) fn restore(&mut self, command: &Command) {
        match command.kind() {
            Some(CommandKind::AwayUp) => self.is_up = true,
            Some(CommandKind::AwayDown) => self.is_up = false,
            _ => self.ring.hear(command),
        }
    }

    /// The replay is over: the records say what was sent.
    pub(super) fn restored(&mut self) {
        let marks = self.lines.iter().map(|line| line.endpoint.store().told_of());
        let mark = marks.max().unwrap_or(0);
        self.is_foreign = mark > u64::from(self.ring.last());
        self.sent = mark.min(u64::from(self.ring.last())) as u32;
    }

    /// Whether its session is up and everything that was in doubt has been asked for.
    fn is_heard(&self) -> bool {
        self.lines.get(self.active).is_some_and(|line| line.is_up) && self.asking == 0
    }

    /// Whether orders for it are taken, as far as history knows.
    pub(super) fn is_told_up(&self) -> bool {
        self.is_up
    }

    /// Another session is used if this one is gone; a session that has come up asks what became of
    /// what nobody has answered.
    pub(super) fn choose(
        &mut self,
        was_up: bool,
        counters: &mut crate::runtime::Counters<VenueCounter>,
    ) {
        let is_up = |line: &Line| line.is_up;
        if !self.lines.get(self.active).is_some_and(is_up) {
            self.asking = 0;
            let Some(other) = self.lines.iter().position(is_up) else { return };
            self.active = other;
            self.asking = self.ring.oldest();
            counters.count(VenueCounter::Failovers);
        } else if !was_up {
            self.asking = self.ring.oldest();
        }
    }

    /// Whether the session that is used is up.
    pub(super) fn is_active_up(&self) -> bool {
        self.lines.get(self.active).is_some_and(|line| line.is_up)
    }

    /// Asks what became of messages that were sent and not answered.
    pub(super) fn ask(&mut self, symbols: &Symbols, now: Nanos, hands: &mut HandsOf<'_>) {
        let mut turns = BURST;
        while self.asking != 0 && turns > 0 && self.is_active_up() {
            turns -= 1;
            if self.asking > self.sent {
                self.asking = 0;
                return;
            }
            let kept = self.ring.get(self.asking).copied().filter(|kept| !kept.is_answered);
            if let Some(Kept { message, .. }) = kept
                && !self.ask_one(&message.head, symbols, now, hands)
            {
                return;
            }
            self.asking += 1;
        }
    }

    /// Asks for one; false while there is no room.
    fn ask_one(
        &mut self,
        head: &Command,
        symbols: &Symbols,
        now: Nanos,
        hands: &mut HandsOf<'_>,
    ) -> bool {
        let order = match head.kind() {
            Some(CommandKind::AskStatus) => head.target,
            _ => head.ordinal,
        };
        if matches!(head.kind(), Some(CommandKind::Cancel | CommandKind::Modify)) {
            // Cancelling twice does no harm; it is asked again under a new number.
            let mut hands = hands.of(self.session, now, &mut self.ring);
            if !hands.has_room() {
                return false;
            }
            let report = hands.origin(0).cancel_refused(head.target, RejectCode::NotDelivered);
            hands.report(&report);
            return true;
        }
        let Some(line) = self.lines.get_mut(self.active) else { return false };
        let symbol = symbols.name(head.instrument);
        hands.counters.count(VenueCounter::Questions);
        let asked = line.endpoint.add(b"H", now, &mut |writer| {
            ask_status(order, head, &symbol, writer);
        });
        asked.is_ok()
    }

    /// Says on record whether the venue is heard.
    pub(super) fn tell(&mut self, now: Nanos, hands: &mut HandsOf<'_>) {
        let is_heard = self.is_heard() && !self.is_foreign;
        if is_heard == self.is_up {
            return;
        }
        let (session, below) = (self.session, self.sent + 1);
        let mut hands = hands.of(session, now, &mut self.ring);
        if !hands.has_room() {
            return;
        }
        let (kind, below) = match is_heard {
            true => (CommandKind::AwayUp, below),
            false => (CommandKind::AwayDown, 0),
        };
        let report = hands.origin(0).heard(kind, below);
        hands.report(&report);
        if !is_heard {
            hands.counters.count(VenueCounter::Lost);
        }
        self.is_up = is_heard;
    }

    /// Sends what was routed; while nobody hears, orders are given up, for they would come too
    /// late, and cancels wait.
    pub(super) fn send(&mut self, symbols: &Symbols, now: Nanos, hands: &mut HandsOf<'_>) -> usize {
        if self.is_foreign {
            return 0;
        }
        if !self.is_active_up() {
            return self.give_up(now, hands);
        }
        let mut count = 0;
        while self.is_heard() && count < BURST && self.sent < self.ring.last() {
            let number = self.sent + 1;
            if let Some(kept) = self.ring.get(number).copied()
                && !kept.is_answered
                && !self.send_one(&kept.message, symbols, now, hands)
            {
                break;
            }
            self.sent = number;
            count += 1;
        }
        count
    }

    /// Sends a message, or says why it cannot be; false if it must wait.
    fn send_one(
        &mut self,
        message: &Group<Command>,
        symbols: &Symbols,
        now: Nanos,
        hands: &mut HandsOf<'_>,
    ) -> bool {
        let Self { lines, fields, session, ring, active, .. } = self;
        let Some(line) = lines.get_mut(*active) else { return false };
        let head = &message.head;
        let symbol = symbols.name(head.instrument);
        let config = &line.spec.config;
        let (version, precision) = (config.identity.version, config.precision);
        let mut writer = Writer::new(&mut fields[..]);
        let begin = writer.position();
        if let Some(kind) = write(message, &symbol, version, precision, &mut writer) {
            let written = writer.written(begin);
            line.endpoint.store_mut().tell_of(head.client_seq.into());
            let sent = line.endpoint.add(kind, now, &mut |writer| writer.raw(written));
            hands.counters.count(VenueCounter::Sent);
            return !matches!(sent, Err(SendError::Record(_) | SendError::Unread));
        }
        let mut hands = hands.of(*session, now, ring);
        if !hands.has_room() {
            return false;
        }
        refuse(head, RejectCode::Unsupported, &mut hands);
        true
    }

    fn give_up(&mut self, now: Nanos, hands: &mut HandsOf<'_>) -> usize {
        let mut count = 0;
        for number in self.sent + 1..=self.ring.last() {
            let Some(kept) = self.ring.get(number).copied() else { continue };
            let is_order =
                matches!(kept.message.head.kind(), Some(CommandKind::Enter | CommandKind::Replace));
            if kept.is_answered || !is_order {
                continue;
            }
            let mut hands = hands.of(self.session, now, &mut self.ring);
            if !hands.has_room() {
                break;
            }
            refuse(&kept.message.head, RejectCode::NotDelivered, &mut hands);
            self.ring.settle(number);
            count += 1;
        }
        count
    }
}

/// The hands of a stage, not yet those of a venue.
pub(super) struct HandsOf<'a> {
    pub(super) requests: &'a mut crate::link::Producer<crate::model::Request>,
    pub(super) counters: &'a mut crate::runtime::Counters<VenueCounter>,
}

impl HandsOf<'_> {
    pub(super) fn of<'b>(
        &'b mut self,
        destination: SessionId,
        now: Nanos,
        ring: &'b mut Ring,
    ) -> Hands<'b> {
        let Self { requests, counters } = self;
        Hands { destination, now, ring, requests, counters }
    }
}

/// Reports that a message asked in vain.
fn refuse(head: &Command, code: RejectCode, hands: &mut Hands<'_>) {
    let origin = hands.origin(0);
    match head.kind() {
        Some(CommandKind::Enter | CommandKind::Replace) => {
            hands.report(&origin.refused(head.ordinal, code));
        }
        _ => hands.report(&origin.cancel_refused(head.target, code)),
    }
}
