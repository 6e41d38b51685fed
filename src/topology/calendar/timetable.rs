//! `Timetable`: what a calendar's next change asks of the sequencer, instrument by instrument, as
//! fast as the link takes it.

use std::collections::VecDeque;

use crate::model::{
    Command, CommandKind, Hours, InstrumentId, Nanos, Phase, Price, Quantity, Request,
};
use crate::topology::Decimal;
use crate::topology::calendar::{Calendar, ChangeConfig, DayEnd, Due};

/// Requests made ahead; more are made when these are gone.
const AHEAD: usize = 1024;

/// A change is made up for instruments that missed it when a crash came so soon after it.
const DEAL_MAX: Nanos = Nanos(10_000_000_000);

/// Carries one calendar out.
#[derive(Debug)]
pub struct Timetable {
    calendar: Calendar,
    next: Option<Due>,
    /// Instruments, and the changes each still has to make, first instrument first.
    dealing: VecDeque<(InstrumentId, ChangeConfig)>,
    ready: VecDeque<Request>,
}

impl Timetable {
    /// Goes on after the last command of history; with none, from what would be in force `now`.
    ///
    /// What was missed meanwhile is made up in order. `phase_of` says where instruments stand, for
    /// the case that history broke off while a change was dealt.
    pub fn new(
        calendar: Calendar,
        last: Nanos,
        now: Nanos,
        phase_of: &dyn Fn(InstrumentId) -> Option<Phase>,
    ) -> Self {
        let mut table =
            Self { calendar, next: None, dealing: VecDeque::new(), ready: VecDeque::new() };
        if last == Nanos::ZERO {
            table.next = table.calendar.at_or_before(now);
            if table.next.is_none() {
                table.next = table.calendar.after(now);
            }
            return table;
        }
        table.next = table.calendar.after(last);
        let broken_off = table.calendar.at_or_before(last);
        if let Some(due) = broken_off.filter(|due| last < due.at.saturating_add(DEAL_MAX)) {
            table.make_up(&due, phase_of);
        }
        table
    }

    /// After a history whose last day started and ended then. One that broke off as its day was
    /// about to end or start, after other commands of that instant, has it made up.
    #[must_use]
    pub fn after_days(mut self, last: Nanos, started_at: Nanos, ended_at: Nanos) -> Self {
        let broken_off = self.calendar.at_or_before(last);
        let Some(due) = broken_off.filter(|due| last < due.at.saturating_add(DEAL_MAX)) else {
            return self;
        };
        let was = |end: &DayEnd| if *end == DayEnd::Start { started_at } else { ended_at };
        let missed = due.changes.iter().filter_map(|change| change.day);
        self.ready.extend(missed.filter(|end| was(end) < due.at).map(DayEnd::request));
        self
    }

    /// Deals a change again to the instruments that it did not reach.
    fn make_up(&mut self, due: &Due, phase_of: &dyn Fn(InstrumentId) -> Option<Phase>) {
        let missed = |change: &ChangeConfig, id| match change.phase {
            Some(phase) => {
                let phases = [phase.into(), change.then.into(), Phase::Halt];
                phase_of(id).is_some_and(|stands| !phases.contains(&stands))
            }
            None => true,
        };
        for &id in &self.calendar.instruments {
            let changes = due.changes.iter().filter(|change| missed(change, id));
            self.dealing.extend(changes.map(|change| (id, *change)));
        }
    }

    /// When something is due; [`Nanos::MAX`] where nothing will be.
    pub fn due_at(&self) -> Nanos {
        match self.ready.is_empty() && self.dealing.is_empty() {
            false => Nanos::ZERO,
            true => self.next.as_ref().map_or(Nanos::MAX, |due| due.at),
        }
    }

    /// The calendar it carries out.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Hands what is due to `send` until that takes no more; `seed` gives random numbers.
    pub fn poll(
        &mut self,
        now: Nanos,
        seed: &mut dyn FnMut() -> u64,
        send: &mut dyn FnMut(&Request) -> bool,
    ) {
        loop {
            while let Some(request) = self.ready.front_mut() {
                request.0.timestamp = now;
                if !send(request) {
                    return;
                }
                self.ready.pop_front();
            }
            if self.due_at() > now {
                return;
            }
            self.make(seed);
        }
    }

    /// Makes the next requests there are.
    fn make(&mut self, seed: &mut dyn FnMut() -> u64) {
        if self.dealing.is_empty() {
            let Some(due) = self.next.take() else { return };
            self.next = self.calendar.after(due.at);
            let ends = due.changes.iter().filter_map(|change| change.day);
            self.ready.extend(ends.map(DayEnd::request));
            for &id in &self.calendar.instruments {
                self.dealing.extend(due.changes.iter().map(|change| (id, *change)));
            }
        }
        while self.ready.len() < AHEAD
            && let Some((id, change)) = self.dealing.pop_front()
        {
            self.ready.extend(requests(id, &change, seed));
        }
    }
}

impl DayEnd {
    /// The command that ends or starts a day; a person's says so in its `order_type`.
    pub fn command(self) -> Command {
        let kind = match self {
            Self::Start => CommandKind::StartOfDay,
            Self::End => CommandKind::EndOfDay,
        };
        Command { quantity: Quantity(1), ..Command::new(kind) }
    }

    /// The same as the house asks for it.
    pub fn request(self) -> Request {
        Request(Command { order_type: Command::BY_HOUSE, ..self.command() })
    }
}

/// What a change asks for one instrument: its hours and band before its phase.
fn requests(
    instrument: InstrumentId,
    change: &ChangeConfig,
    seed: &mut dyn FnMut() -> u64,
) -> impl Iterator<Item = Request> {
    let begin = |kind| Command { instrument, ..Command::new(kind) };
    let milliseconds = |seconds: u32| seconds.saturating_mul(1_000);
    let hours = change.hours.map(|hours| Command {
        side: Hours::from(hours).code(),
        quantity: Quantity(change.collar_percent.map_or(0, bps)),
        ..begin(CommandKind::SetHours)
    });
    let band = change.band_percent.map(|percent| Command {
        quantity: Quantity(bps(percent)),
        ordinal: milliseconds(change.band_window_s),
        target: milliseconds(change.band_pause_s),
        price: Price(seed() as i64),
        ..begin(CommandKind::SetBand)
    });
    let phase = change.phase.map(|phase| Command {
        side: Phase::from(phase).code(),
        quantity: Quantity(milliseconds(change.lasts_s)),
        target: change.random_ms,
        ordinal: u32::from(Phase::from(change.then).code()),
        price: Price(seed() as i64),
        // By the calendar: it does not end a halt.
        order_type: Command::BY_HOUSE,
        ..begin(CommandKind::SetPhase)
    });
    [hours, band, phase].into_iter().flatten().map(Request)
}

/// Hundredths of a percent.
const fn bps(percent: Decimal) -> u32 {
    (percent.0 / 100) as u32
}
