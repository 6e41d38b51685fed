//! Shards: instruments dealt to several matchers, each with books of its own.
//!
//! [`Routes`] says which shard a command is for. What rests elsewhere is a shard too, the last one.
//! What is for one instrument makes the same events wherever it is dealt; what is for all is
//! answered by the first shard, and every shard tells what it did under event numbers of its own.

use crate::engine::rules::is_for_all;
use crate::engine::{
    Away, BookView, EngineLimits, Full, Matcher, Quote, SoftwareMatcher, Standing, Top,
};
use crate::model::{
    AccountId, Command, CommandKind, Event, EventFlags, Group, InstrumentId, Line, Nanos, Phase,
    RejectCode,
};
use crate::snapshot::part;

/// The most shards one appliance has: each has as large a part of the numbers that events of a
/// command for all may have.
pub const SHARDS_MAX: usize = 64;

/// Event numbers of a command for all that one shard has.
pub const EVENTS_PER_SHARD: usize = (u16::MAX as usize + 1) / SHARDS_MAX;

/// Where a command goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To one shard.
    One(usize),
    /// To every shard; events come in the order of the shards.
    All,
}

/// Which shard an instrument is dealt to: a fold over commands, as all else is.
#[derive(Clone, Debug)]
pub struct Routes {
    /// By instrument number; of one nobody knows, the first.
    shard_of: Box<[u8]>,
    shards: usize,
    /// The shard that sends orders on to destinations, where there is one.
    away: Option<u8>,
    /// Accounts in rows, first and last, whose orders it sends on whatever the instrument.
    sent: Box<[(AccountId, AccountId)]>,
}
part!(Routes { shard_of } kept { shards, away, sent });

impl Routes {
    /// Every instrument in one shard.
    pub fn single() -> Self {
        Self { shard_of: Box::new([]), shards: 1, away: None, sent: Box::new([]) }
    }

    /// As dealt: instruments and their shards, below `shards`.
    pub fn new(dealt: &[(InstrumentId, u8)], shards: usize) -> Self {
        let shards = shards.clamp(1, SHARDS_MAX);
        let end = dealt.iter().map(|(id, _)| id.index() + 1).max().unwrap_or(0);
        let mut shard_of = vec![0; end];
        for &(id, shard) in dealt {
            shard_of[id.index()] = shard.min(shards as u8 - 1);
        }
        Self { shard_of: shard_of.into(), shards, away: None, sent: Box::new([]) }
    }

    /// With one shard more, the last, for what rests elsewhere: these instruments, and what
    /// destinations report.
    #[must_use]
    pub fn with_away(mut self, instruments: &[InstrumentId]) -> Self {
        let away = self.shards.min(SHARDS_MAX - 1) as u8;
        let end = instruments.iter().map(|id| id.index() + 1).max().unwrap_or(0);
        let mut shard_of = self.shard_of.into_vec();
        shard_of.resize(shard_of.len().max(end), 0);
        instruments.iter().for_each(|id| shard_of[id.index()] = away);
        self.shard_of = shard_of.into();
        (self.away, self.shards) = (Some(away), away as usize + 1);
        self
    }

    /// With accounts whose orders are sent on, whatever the instrument.
    #[must_use]
    pub fn sending(mut self, accounts: impl Iterator<Item = (AccountId, AccountId)>) -> Self {
        self.sent = accounts.collect();
        self
    }

    /// Whether an account's orders are sent on.
    fn sends(&self, account: AccountId) -> bool {
        self.sent.iter().any(|(first, last)| (*first..=*last).contains(&account))
    }

    /// The shard that sends orders on to destinations.
    pub const fn away(&self) -> Option<u8> {
        self.away
    }

    /// How many shards there are.
    pub const fn shards(&self) -> usize {
        self.shards
    }

    /// The shard of an instrument.
    #[inline]
    pub fn shard_of(&self, instrument: InstrumentId) -> usize {
        self.shard_of.get(instrument.index()).copied().unwrap_or(0) as usize
    }

    /// Where a command goes that the gate has looked at; one that moves an instrument is obeyed.
    #[inline]
    pub fn route(&mut self, command: &Command) -> Route {
        if self.shards == 1 {
            return Route::One(0);
        }
        // What was refused is answered without a book.
        if command.verdict != 0 {
            return Route::One(0);
        }
        if is_for_all(command) {
            if command.kind == CommandKind::MoveInstrument.code()
                && let Some(shard) = self.shard_of.get_mut(command.instrument.index())
            {
                *shard = (command.target as usize).min(self.shards - 1) as u8;
            }
            return Route::All;
        }
        if command.kind == CommandKind::Sweep.code() {
            return Route::One((command.target as usize).min(self.shards - 1));
        }
        if let Some(away) = self.away
            && (command.is_away()
                || names_destination(command)
                || is_sent(command.instrument)
                || self.sends(command.account))
        {
            return Route::One(away as usize);
        }
        Route::One(self.shard_of(command.instrument))
    }
}

/// Whether a new order says where it is to go.
pub(in crate::engine) const fn names_destination(command: &Command) -> bool {
    let names = command.target != 0 && command.target != Command::HERE;
    command.kind == CommandKind::Enter.code() && names
}

/// In the instrument of what the gate lets through about an order that its client sent to a
/// destination of its choice: no instrument's number is so high.
const SENT: u32 = 1 << 31;

/// An instrument whose order rests at a destination its client named.
pub(in crate::engine) const fn sent(instrument: InstrumentId) -> InstrumentId {
    InstrumentId(instrument.0 | SENT)
}

const fn is_sent(instrument: InstrumentId) -> bool {
    instrument.0 & SENT != 0
}

/// The instrument without that mark.
pub(in crate::engine) const fn as_listed(instrument: InstrumentId) -> InstrumentId {
    InstrumentId(instrument.0 & !SENT)
}

/// All shards of an appliance in one thread, for replay and recovery; its parts go on as stages.
#[derive(Debug)]
pub struct Shards {
    matchers: Vec<SoftwareMatcher>,
    /// What rests elsewhere.
    away: Option<Away>,
    routes: Routes,
    /// Events of several shards in order; unused where there is one.
    merged: Vec<Event>,
    taken: usize,
    /// Room that the events of one command may need.
    most: usize,
}
part!(Shards { routes } all { matchers } one { away } kept { merged, taken, most });

impl Shards {
    /// Of matchers that were made for these places in order; all know all instruments.
    pub fn new(matchers: Vec<SoftwareMatcher>, routes: Routes, limits: &EngineLimits) -> Self {
        let most = events_of_shards_max(limits, routes.shards());
        let room = if routes.shards() > 1 { 2 * most } else { 0 };
        let (merged, away) = (Vec::with_capacity(room), None);
        Self { matchers, away, routes, merged, taken: 0, most }
    }

    /// With a place for what rests elsewhere, made for [`Routes::with_away`].
    #[must_use]
    pub fn with_away(self, away: Option<Away>) -> Self {
        Self { away, ..self }
    }

    /// Whether nothing is unfinished but what waits for a time: then it can be written.
    pub fn is_at_rest(&self) -> bool {
        self.matchers.iter().all(SoftwareMatcher::is_at_rest)
            && self.away.as_ref().is_none_or(Away::is_at_rest)
    }

    /// The matchers, to run each as a stage, what rests elsewhere, and who is dealt to which.
    pub fn into_parts(self) -> (Vec<SoftwareMatcher>, Option<Away>, Routes) {
        (self.matchers, self.away, self.routes)
    }

    /// Takes what was sent to destinations: after each command.
    pub fn take_routed(&mut self, each: &mut dyn FnMut(&Group<Command>)) {
        if let Some(away) = &mut self.away {
            away.take_routed(each);
        }
    }

    /// What rests elsewhere.
    pub fn away(&self) -> Option<&Away> {
        self.away.as_ref()
    }

    /// The only matcher, where there is one shard.
    fn only(&self) -> Option<&SoftwareMatcher> {
        self.matchers.first().filter(|_| self.routes.shards() == 1)
    }

    fn only_mut(&mut self) -> Option<&mut SoftwareMatcher> {
        self.matchers.first_mut().filter(|_| self.routes.shards() == 1)
    }

    /// Who is dealt to which.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The shard that has an instrument's book.
    fn home(&self, instrument: InstrumentId) -> Option<&dyn BookView> {
        match self.matchers.get(self.routes.shard_of(instrument)) {
            Some(matcher) => Some(matcher),
            None => self.away.as_ref().map(|away| away as &dyn BookView),
        }
    }
}

/// The most events that one command makes in so many shards.
pub fn events_of_shards_max(limits: &EngineLimits, shards: usize) -> usize {
    // What is for all takes orders away, a chunk in each.
    limits.events_per_command_max().max(shards * (limits.sweep_chunk as usize + 2))
}

/// Takes a command's events of one shard over; only what is last of all says that it is last.
fn merge(matcher: &mut impl Matcher, is_last: bool, into: &mut Vec<Event>) {
    into.extend_from_slice(matcher.finished());
    matcher.release(usize::MAX);
    if let Some(event) = into.last_mut().filter(|_| !is_last) {
        event.flags = without_last(event.flags);
    }
}

/// Without the mark of a command's last event.
pub const fn without_last(flags: EventFlags) -> EventFlags {
    EventFlags(flags.0 & !EventFlags::LAST.0)
}

impl Matcher for Shards {
    fn submit(&mut self, command: &Group<Command>) -> Result<(), Full> {
        self.submit_parts(&command.head, command.rest())
    }

    fn submit_parts(&mut self, head: &Command, rest: &[Line]) -> Result<(), Full> {
        if let Some(only) = self.only_mut() {
            return only.submit_parts(head, rest);
        }
        if self.merged.capacity() - self.merged.len() < self.most {
            return Err(Full);
        }
        let Self { matchers, away, routes, merged, .. } = self;
        match routes.route(head) {
            Route::One(shard) => match (matchers.get_mut(shard), away) {
                (Some(matcher), _) => {
                    matcher.submit_parts(head, rest)?;
                    merge(matcher, true, merged);
                }
                (None, Some(away)) => {
                    away.submit_parts(head, rest)?;
                    merge(away, true, merged);
                }
                (None, None) => return Err(Full),
            },
            Route::All => {
                let last = routes.shards() - 1;
                for (at, matcher) in matchers.iter_mut().enumerate() {
                    matcher.submit_parts(head, rest)?;
                    merge(matcher, at == last, merged);
                }
                if let Some(away) = away {
                    away.submit_parts(head, rest)?;
                    merge(away, true, merged);
                }
            }
        }
        Ok(())
    }

    fn finished(&self) -> &[Event] {
        match self.only() {
            Some(only) => only.finished(),
            None => self.merged.get(self.taken..).unwrap_or(&[]),
        }
    }

    fn release(&mut self, count: usize) {
        if let Some(only) = self.only_mut() {
            return only.release(count);
        }
        self.taken = self.taken.saturating_add(count);
        if self.taken >= self.merged.len() {
            self.merged.clear();
            self.taken = 0;
        }
    }

    fn wants_sweep(&self) -> bool {
        self.matchers.iter().any(SoftwareMatcher::wants_sweep)
            || self.away.as_ref().is_some_and(Away::wants_sweep)
    }

    fn due_at(&self) -> Nanos {
        let away = self.away.as_ref().map_or(Nanos::MAX, Away::due_at);
        self.matchers.iter().map(SoftwareMatcher::due_at).min().unwrap_or(Nanos::MAX).min(away)
    }
}

impl BookView for Shards {
    fn open_orders(&self) -> usize {
        let away = self.away.as_ref().map_or(0, Away::open_orders);
        self.matchers.iter().map(SoftwareMatcher::open_orders).sum::<usize>() + away
    }

    fn top(&self, instrument: InstrumentId) -> Top {
        self.home(instrument).map(|matcher| matcher.top(instrument)).unwrap_or_default()
    }

    fn phase(&self, instrument: InstrumentId) -> Option<Phase> {
        self.home(instrument)?.phase(instrument)
    }

    fn depth(
        &self,
        instrument: InstrumentId,
        buy: bool,
        count: usize,
        each: &mut dyn FnMut(Quote),
    ) {
        if let Some(matcher) = self.home(instrument) {
            matcher.depth(instrument, buy, count, each);
        }
    }

    fn for_each_order(&self, each: &mut dyn FnMut(&Standing)) {
        self.matchers.iter().for_each(|matcher| matcher.for_each_order(each));
        if let Some(away) = &self.away {
            away.for_each_order(each);
        }
    }
}

/// Whether a matcher may take an instrument over, or let it go: nobody waits in it.
pub(super) const fn check_move(is_idle: bool, phase: Option<Phase>) -> Result<Phase, RejectCode> {
    match phase {
        Some(phase) if is_idle => Ok(phase),
        Some(_) => Err(RejectCode::NotIdle),
        None => Err(RejectCode::Unsupported),
    }
}
