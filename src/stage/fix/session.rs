//! One client's FIX session as the gateway keeps it: its end of the line, its record, its desk.

use std::sync::Arc;

use crate::journal::{Annex, Annexed};
use crate::model::{Event, Nanos, SessionId};
use crate::port::stream::Stream;
use crate::runtime::Counters;
use crate::snapshot::part;
use crate::stage::SessionRow;
use crate::stage::fix::desk::{Clerk, Desk, Names, Work};
use crate::stage::fix::untold::{Untold, Waiting};
use crate::stage::fix::{FixCounter, FixOptions, FixSpec, FixView};
use crate::stage::gateway::Symbols;
use crate::wire::fix::order::{ExecutionReport, OrderReport};
use crate::wire::fix::session::{
    Application, Ending, Endpoint, MemoryStore, Numbers, SendError, Store, StoreError,
};
use crate::wire::fix::{Version, Writer, tag};

/// How long a line that is to be closed may take to swallow what was said.
const LAST_WORDS: Nanos = Nanos(2_000_000_000);

/// Messages told anew after a crash that are put on record together.
const RETOLD_TOGETHER: u32 = 64;

/// One client's session.
pub(super) struct FixSession {
    endpoint: Endpoint<Box<dyn Store>>,
    pub(super) desk: Desk,
    pub(super) line: Option<Box<dyn Stream>>,
    line_is_broken: bool,
    /// When the line was to be closed.
    closing_since: Option<Nanos>,
    /// Nothing was on record when it was opened.
    is_fresh: bool,
    /// The last event of which history tells the client something.
    last_told: u64,
    retold: u32,
    /// The last event that the record told of when it was opened, where it is not ours to write.
    stands_by: Option<u64>,
    /// Where its record is copied from, and its place there.
    annexed: Option<(Arc<Annex>, usize)>,
    /// Stands in the gateway's list of those that may have something to send.
    pub(super) is_listed: bool,
    /// The poll in which it was found to have something to be read, or to go on with.
    pub(super) found_in: u32,
}
part!(
    FixSession { desk, last_told }
    kept {
        endpoint, line, line_is_broken, closing_since, is_fresh, retold, stands_by, annexed,
        is_listed, found_in
    }
);

impl std::fmt::Debug for FixSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FixSession({}, {:?})", self.desk.spec().id, self.endpoint.session().phase())
    }
}

impl FixSession {
    pub(super) fn new(spec: &FixSpec, options: &FixOptions, store: Box<dyn Store>) -> Self {
        let is_fresh = store.numbers() == Numbers::default() && store.told_of() == 0;
        Self {
            endpoint: Endpoint::new(spec.config.clone(), store),
            desk: Desk::new(spec, options),
            line: None,
            line_is_broken: false,
            closing_since: None,
            is_fresh,
            last_told: 0,
            retold: 0,
            stands_by: None,
            annexed: None,
            is_listed: false,
            found_in: 0,
        }
    }

    /// Of a standby, whose record of what the primary told ends with this event.
    pub(super) fn to_stand_by(spec: &FixSpec, options: &FixOptions, told_of: u64) -> Self {
        let session = Self::new(spec, options, Box::new(MemoryStore::new(1)));
        Self { is_fresh: false, stands_by: Some(told_of), ..session }
    }

    /// Goes on with the record of a machine that was primary.
    pub(super) fn inherit(&mut self, store: Box<dyn Store>) {
        self.endpoint = Endpoint::new(self.desk.spec().config.clone(), store);
        self.stands_by = None;
    }

    /// Puts on record what the machine that was primary had not told.
    pub(super) fn tell_untold(&mut self, waiting: &Waiting) {
        let Self { endpoint, .. } = self;
        if endpoint.store().told_of() >= waiting.event.0 {
            return;
        }
        endpoint.store_mut().tell_of(waiting.event.0);
        let fill = &mut |writer: &mut Writer<'_>| writer.raw(&waiting.rest);
        let _: Result<u64, SendError> = endpoint.add(waiting.kind, waiting.time, fill);
        self.retold += 1;
        if self.retold.is_multiple_of(RETOLD_TOGETHER) {
            // What fails now fails again, and is said then.
            let _ = self.endpoint.settle();
        }
    }

    /// From here on its record is written by this hand, and copied.
    pub(super) fn hand_over(&mut self, hand: u64) -> Result<Option<Annexed>, StoreError> {
        let trail = self.endpoint.store_mut().hand_over(hand)?;
        Ok(trail.map(|trail| Annexed::new(trail.path, trail.hands, trail.reach)))
    }

    /// What is said waits until the record of it may be told of.
    pub(super) fn annex(&mut self, annex: Arc<Annex>, file: usize) {
        self.annexed = Some((annex, file));
    }

    /// For people.
    pub(super) fn row(&self) -> (SessionId, SessionRow) {
        let row = SessionRow {
            is_up: self.desk.is_up,
            heard: self.endpoint.session().expected().saturating_sub(1),
            told: self.endpoint.store().numbers().next_out.saturating_sub(1),
            last_ordinal: self.desk.orders.next_ordinal().saturating_sub(1).into(),
            told_again: self.endpoint.told_again(),
            round_trip_ns: self.line.as_ref().map_or(0, |line| line.round_trip().0),
        };
        (self.desk.spec().id, row)
    }

    pub(super) fn view(&self) -> FixView {
        FixView {
            session: self.desk.spec().id,
            next_recorded: self.desk.next_recorded,
            next_ordinal: self.desk.orders.next_ordinal(),
            open_orders: self.desk.orders.open(crate::model::InstrumentId(0)).count(),
            is_up: self.desk.is_up,
        }
    }

    /// Takes an event of the record, and tells what was not told before the crash; a standby only
    /// keeps it.
    pub(super) fn retell(
        &mut self,
        at: usize,
        event: &Event,
        symbols: &Symbols,
        untold: &mut Option<Untold>,
    ) {
        self.desk.answer(event);
        let is_new = !self.is_fresh && event.id.0 > self.told_of();
        let Some(report) = self.desk.orders.apply(event) else { return };
        self.last_told = event.id.0;
        if !is_new {
            return;
        }
        if let Some(untold) = untold {
            let desk = &self.desk;
            return untold.keep(at, event, report.kind(), &mut |writer| {
                write(&report, desk, symbols, writer);
            });
        }
        self.retold += 1;
        self.put_on_record(event, &report, symbols, event.timestamp);
        if self.retold.is_multiple_of(RETOLD_TOGETHER) {
            // What fails now fails again, and is said then.
            let _ = self.endpoint.settle();
        }
    }

    /// Tells a drop copy that was not told before the crash; a standby only keeps it.
    pub(super) fn retell_copy(
        &mut self,
        at: usize,
        event: &Event,
        report: &ExecutionReport,
        symbols: &Symbols,
        untold: &mut Option<Untold>,
    ) {
        (self.desk.last_event, self.last_told) = (event.id.0, event.id.0);
        if self.is_fresh || event.id.0 <= self.told_of() {
            return;
        }
        if let Some(untold) = untold {
            let desk = &self.desk;
            untold.keep(at, event, b"8", &mut |writer| {
                write_copy(event, report, desk, symbols, writer);
            });
        } else {
            self.retold += 1;
            self.put_copy_on_record(event, report, symbols, event.timestamp);
            if self.retold.is_multiple_of(RETOLD_TOGETHER) {
                let _ = self.endpoint.settle();
            }
        }
    }

    /// Puts a drop copy on record.
    pub(super) fn put_copy_on_record(
        &mut self,
        event: &Event,
        report: &ExecutionReport,
        symbols: &Symbols,
        now: Nanos,
    ) {
        let Self { endpoint, desk, .. } = self;
        endpoint.store_mut().tell_of(event.id.0);
        // A report that cannot be written is one the dictionary could not say either.
        let _: Result<u64, SendError> = endpoint.add(b"8", now, &mut |writer| {
            write_copy(event, report, desk, symbols, writer);
        });
    }

    fn told_of(&self) -> u64 {
        self.stands_by.unwrap_or_else(|| self.endpoint.store().told_of())
    }

    /// Whether all that history tells the client is on its record.
    pub(super) fn is_told(&self) -> bool {
        self.is_fresh || self.told_of() >= self.last_told
    }

    /// The replay is over: the numbers are as history and the record say.
    pub(super) fn restored(&mut self) -> Result<(), StoreError> {
        let Desk { generation, next_recorded, last_event, .. } = self.desk;
        let store = self.endpoint.store_mut();
        let mut next = store.numbers().next_in;
        if store.generation() == generation && !self.is_fresh {
            next = next.max(next_recorded);
            store.expect(next)?;
        } else if store.generation() <= generation {
            // The record was lost: its numbers begin anew, and nothing old is told again.
            store.tell_of(last_event.max(store.told_of()));
            store.reset(generation + 1)?;
            next = 1;
        }
        store.flush()?;
        self.is_fresh = false;
        self.endpoint.restore(next);
        Ok(())
    }

    /// Numbers what an event tells the client; returns when the message it answers was received,
    /// if this is the first answer.
    #[inline]
    pub(super) fn tell(
        &mut self,
        event: &Event,
        symbols: &Symbols,
        now: Nanos,
        counters: &mut Counters<FixCounter>,
    ) -> Option<Nanos> {
        let received_at = self.desk.answer(event);
        if let Some(report) = self.desk.orders.apply(event) {
            counters.count(FixCounter::Reports);
            self.put_on_record(event, &report, symbols, now);
        }
        if received_at.is_some() && self.desk.is_settled() {
            self.endpoint.expect();
        }
        received_at
    }

    /// A report that cannot be written is one the dictionary could not say either.
    #[inline]
    fn put_on_record(
        &mut self,
        event: &Event,
        report: &OrderReport,
        symbols: &Symbols,
        now: Nanos,
    ) {
        let Self { endpoint, desk, .. } = self;
        endpoint.store_mut().tell_of(event.id.0);
        let _: Result<u64, SendError> = endpoint.add(report.kind(), now, &mut |writer| {
            write(report, desk, symbols, writer);
        });
    }

    /// A line is there, and the first bytes of it.
    #[cold]
    pub(super) fn open(&mut self, line: Box<dyn Stream>, bytes: &[u8], work: &mut Work<'_>) {
        let now = work.moment.now;
        (self.line, self.line_is_broken, self.closing_since) = (Some(line), false, None);
        let clerk = &mut Clerk { desk: &mut self.desk, work };
        self.endpoint.connected(now, clerk);
        self.endpoint.receive(bytes, now, clerk);
    }

    /// The line is of no use any more.
    pub(super) fn break_off(&mut self) {
        self.line_is_broken = true;
    }

    /// Whether there is more to do with what came before, without new bytes.
    #[inline]
    pub(super) fn is_behind(&self) -> bool {
        self.endpoint.is_behind()
    }

    /// Goes on with what came before, or takes what came on the line; whether anything was done.
    #[inline]
    pub(super) fn receive(&mut self, room: &mut [u8], work: &mut Work<'_>) -> bool {
        let Self { endpoint, desk, line, line_is_broken, .. } = self;
        let Some(line) = line else { return false };
        if endpoint.is_behind() {
            let share = work.share;
            endpoint.go_on(work.moment.now, &mut Clerk { desk, work });
            return work.share < share;
        }
        if endpoint.closing().is_some() || *line_is_broken {
            return false;
        }
        match line.receive(room) {
            Ok(0) => false,
            Ok(count) => {
                let bytes = room.get(..count).unwrap_or(&[]);
                endpoint.receive(bytes, work.moment.now, &mut Clerk { desk, work });
                true
            }
            Err(_) => {
                *line_is_broken = true;
                true
            }
        }
    }

    /// Puts on record and sends what there is to say; whether there is more.
    pub(super) fn settle(&mut self, work: &mut Work<'_>) -> bool {
        let now = work.moment.now;
        if self.desk.question.is_some() {
            self.answer_question(work);
        }
        if self.endpoint.settle().is_err() {
            work.counters.count(FixCounter::Unrecorded);
        }
        if let Some((annex, file)) = &self.annexed {
            self.endpoint.clear(annex.may_be_told(*file));
        }
        self.send(now);
        if self.line.is_some() && (self.line_is_broken || self.endpoint.closing().is_some()) {
            self.close(work);
        }
        self.desk.end_on_record(work);
        self.line.is_some() && (self.endpoint.is_behind() || !self.endpoint.is_said())
            || self.line.is_some() && self.endpoint.closing().is_some()
            || self.desk.question.is_some()
            || self.desk.owes_down
    }

    #[cold]
    fn answer_question(&mut self, work: &mut Work<'_>) {
        let now = work.moment.now;
        let Self { endpoint, desk, .. } = self;
        Clerk { desk, work }.answer_question(&mut |kind, fill| {
            // What finds no room on record ends the session where it is settled.
            let _ = endpoint.add(kind, now, fill);
        });
    }

    #[inline]
    fn send(&mut self, _now: Nanos) {
        let Self { endpoint, line, line_is_broken, .. } = self;
        if let Some(line) = line
            && !endpoint.outgoing().is_empty()
        {
            match line.send(endpoint.outgoing()) {
                Ok(count) => endpoint.took(count),
                Err(_) => *line_is_broken = true,
            }
        }
    }

    /// Closes the line, once what was said is sent or nobody takes it any more.
    #[cold]
    fn close(&mut self, work: &mut Work<'_>) {
        let now = work.moment.now;
        let since = *self.closing_since.get_or_insert(now);
        let is_said = self.endpoint.is_said();
        if self.line_is_broken || is_said || now.saturating_sub(since) > LAST_WORDS {
            self.line = None;
            let clerk = &mut Clerk { desk: &mut self.desk, work };
            self.endpoint.disconnected(clerk);
            // Where the record failed nobody has said so yet.
            clerk.down(Ending::Line);
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, work: &mut Work<'_>) {
        let now = work.moment.now;
        let Self { endpoint, desk, line, .. } = self;
        if desk.grace_ends.is_some_and(|end| now >= end) && line.is_none() {
            desk.owes_down = true;
        }
        if line.is_some() && endpoint.closing().is_none() {
            endpoint.tick(now, &mut Clerk { desk, work });
        }
    }

    /// Ends the session in good order; history is told at once, for the client may not answer.
    pub(super) fn log_out(&mut self, work: &mut Work<'_>) {
        let now = work.moment.now;
        if self.line.is_some() {
            let clerk = &mut Clerk { desk: &mut self.desk, work };
            self.endpoint.log_out(now, clerk);
            clerk.down(Ending::Asked);
        }
    }
}

/// What an event tells whose order it is.
#[inline]
fn write(report: &OrderReport, desk: &Desk, symbols: &Symbols, writer: &mut Writer<'_>) {
    let version = desk.spec().config.identity.version;
    let names = Names { symbols, spec: desk.spec() };
    report.write(version, &names, desk.precision(), writer);
}

/// What an event tells who watches.
fn write_copy(
    event: &Event,
    report: &ExecutionReport,
    desk: &Desk,
    symbols: &Symbols,
    writer: &mut Writer<'_>,
) {
    desk.write(report, symbols, writer);
    writer.number(tag::ACCOUNT, event.account.0.into());
    if desk.spec().config.identity.version != Version::Fix42 {
        writer.flag(tag::COPY_MSG_INDICATOR, true);
    }
}
