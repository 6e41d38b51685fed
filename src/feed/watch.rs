//! What of the exchanges' prices the sequencer is told: reference prices, sampled; halts of what
//! has no prices any more, and their end. How much comes in changes nothing of how much this says.

use crate::feed::quotes::{Best, Quotes};
use crate::model::{Command, CommandKind, InstrumentId, Nanos, Phase, Price, Request, SessionId};

/// `order_type` of a phase that market data asks for: it halts what trades, and ends no halt but
/// its own.
const BY_MARKET_DATA: u8 = 2;

/// How prices are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchOptions {
    /// A reference price is told no more often than this, for each instrument.
    pub every: Nanos,
    /// An unchanged one is told again after so long: it is not old.
    pub again: Nanos,
    /// How long prices must be good before a halt ends.
    pub resume_after: Nanos,
    /// How long after the start nothing is halted for prices that have not come yet.
    pub grace: Nanos,
    /// Requests a second, at most.
    pub pace: u32,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            every: Nanos(100_000_000),
            again: Nanos(1_000_000_000),
            resume_after: Nanos(1_000_000_000),
            grace: Nanos(10_000_000_000),
            pace: 10_000,
        }
    }
}

/// What people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// No feed has prices of the instrument: it halts.
    Stale(InstrumentId),
    /// The exchange has halted it.
    Halted(InstrumentId),
    /// Prices are good again: it resumes.
    Resumes(InstrumentId),
    /// A line of a feed is silent; another is there.
    LineLost {
        /// The feed, by its place.
        feed: usize,
        /// The line.
        line: usize,
    },
    /// It is heard again.
    LineBack {
        /// The feed, by its place.
        feed: usize,
        /// The line.
        line: usize,
    },
    /// No line of a feed is heard.
    FeedLost {
        /// The feed, by its place.
        feed: usize,
    },
    /// The feed began a session anew: all before it is void.
    Restarted {
        /// The feed, by its place.
        feed: usize,
    },
    /// A snapshot is wanted.
    SnapshotWanted {
        /// The feed, by its place.
        feed: usize,
    },
    /// A snapshot was taken in; the stream goes on from this message.
    CaughtUp {
        /// The feed, by its place.
        feed: usize,
        /// The message.
        next: u64,
    },
}

/// What is seen of an instrument now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Best bid and offer of the feeds that are sound.
    pub quotes: Quotes,
    /// Whether any feed that prices it is sound.
    pub is_heard: bool,
    /// Whether the exchange has halted it.
    pub is_halted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Open,
    Halted,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    instrument: InstrumentId,
    state: State,
    good_since: Option<Nanos>,
    told: Told,
    told_at: Nanos,
}

/// What the sequencer is told of an instrument's prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    middle: Price,
    /// Our session at the exchange where it is bought best, and sold; 0: none.
    buy_at: SessionId,
    sell_at: SessionId,
}

/// Watches the prices of instruments.
#[derive(Clone, Debug)]
pub struct Watch {
    options: WatchOptions,
    /// By feed: our session at its exchange; 0: none.
    sessions: Box<[SessionId]>,
    rows: Box<[Row]>,
    began: Option<Nanos>,
    credit: u64,
    earned_at: Nanos,
    /// Reference prices told.
    pub references: u64,
    /// Halts asked for.
    pub halts: u64,
    /// Ends of halts asked for.
    pub resumes: u64,
}

impl Watch {
    /// Watches these instruments. Orders can be sent to the exchanges of some feeds: our session
    /// there, by the feed's place; 0 where they cannot.
    pub fn new(
        options: WatchOptions,
        instruments: &[InstrumentId],
        sessions: &[SessionId],
    ) -> Self {
        let row = |instrument: &InstrumentId| Row {
            instrument: *instrument,
            state: State::Unknown,
            good_since: None,
            told: Told::default(),
            told_at: Nanos::ZERO,
        };
        Self {
            options,
            sessions: sessions.into(),
            rows: instruments.iter().map(row).collect(),
            began: None,
            credit: 0,
            earned_at: Nanos::ZERO,
            references: 0,
            halts: 0,
            resumes: 0,
        }
    }

    /// Instruments watched.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none is watched.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The instrument in a row.
    pub fn instrument(&self, row: usize) -> Option<InstrumentId> {
        self.rows.get(row).map(|row| row.instrument)
    }

    /// Looks at a row, and sends what follows from what is seen: one request at most.
    pub fn look(
        &mut self,
        at: usize,
        seen: &Seen,
        now: Nanos,
        send: &mut dyn FnMut(&Request) -> bool,
    ) -> Option<Notice> {
        let began = *self.began.get_or_insert(now);
        self.earn(now);
        let cost = 1_000_000_000 / u64::from(self.options.pace.max(1));
        let row = self.rows.get_mut(at).filter(|_| self.credit >= cost)?;
        let middle = seen.quotes.middle().filter(|_| seen.is_heard && !seen.is_halted);
        let of = |best: Option<Best>| best.and_then(|best| self.sessions.get(best.venue)).copied();
        let prices = middle.map(|middle| Told {
            middle,
            buy_at: of(seen.quotes.ask).unwrap_or_default(),
            sell_at: of(seen.quotes.bid).unwrap_or_default(),
        });
        row.good_since = middle.and(row.good_since.or(Some(now)));
        let is_early = now.saturating_sub(began) < self.options.grace;
        let (request, notice) = match row.wants(seen, prices, &self.options, is_early, now)? {
            Wanted::Halt => {
                let id = row.instrument;
                let notice = if seen.is_halted { Notice::Halted(id) } else { Notice::Stale(id) };
                (row.phase(Phase::Halt, now), Some(notice))
            }
            Wanted::Resume => {
                let was_halted = row.state == State::Halted;
                let notice = was_halted.then_some(Notice::Resumes(row.instrument));
                (row.phase(Phase::Continuous, now), notice)
            }
            Wanted::Reference(prices) => (row.reference(&prices, now), None),
        };
        if !send(&request) {
            return None;
        }
        self.credit -= cost;
        match (request.0.kind(), Phase::from_code(request.0.side)) {
            (Some(CommandKind::SetReferencePrice), _) => {
                row.told_at = now;
                row.told = Told {
                    middle: request.0.price,
                    buy_at: SessionId(request.0.target),
                    sell_at: SessionId(request.0.ordinal),
                };
                self.references += 1;
            }
            (_, Some(Phase::Halt)) => {
                row.state = State::Halted;
                self.halts += 1;
            }
            _ => {
                self.resumes += u64::from(row.state == State::Halted);
                row.state = State::Open;
            }
        }
        notice
    }

    /// A second's worth is saved up at most.
    fn earn(&mut self, now: Nanos) {
        let earned = now.saturating_sub(self.earned_at).0;
        self.credit = self.credit.saturating_add(earned).min(1_000_000_000);
        self.earned_at = now;
    }
}

enum Wanted {
    Halt,
    Resume,
    Reference(Told),
}

impl Row {
    fn wants(
        &self,
        seen: &Seen,
        prices: Option<Told>,
        options: &WatchOptions,
        is_early: bool,
        now: Nanos,
    ) -> Option<Wanted> {
        if !seen.is_heard || seen.is_halted {
            let waits = self.state == State::Unknown && !seen.is_halted && is_early;
            return (self.state != State::Halted && !waits).then_some(Wanted::Halt);
        }
        if self.state != State::Open {
            // What was never halted by us resumes at once: history may know of a halt from before.
            let rest = if self.state == State::Halted { options.resume_after } else { Nanos::ZERO };
            let is_good = self.good_since.is_some_and(|since| now.saturating_sub(since) >= rest);
            return is_good.then_some(Wanted::Resume);
        }
        let span = now.saturating_sub(self.told_at);
        let is_due = |prices: &Told| match *prices == self.told {
            true => span >= options.again,
            false => span >= options.every,
        };
        prices.filter(|prices| prices.middle.0 > 0 && is_due(prices)).map(Wanted::Reference)
    }

    fn phase(&self, phase: Phase, now: Nanos) -> Request {
        let mut request = Request::new(CommandKind::SetPhase, now);
        let Command { instrument, side, order_type, ordinal, .. } = &mut request.0;
        (*instrument, *side) = (self.instrument, phase.code());
        (*order_type, *ordinal) = (BY_MARKET_DATA, u32::from(Phase::Continuous.code()));
        request
    }

    fn reference(&self, prices: &Told, now: Nanos) -> Request {
        let mut request = Request::new(CommandKind::SetReferencePrice, now);
        (request.0.instrument, request.0.price) = (self.instrument, prices.middle);
        (request.0.target, request.0.ordinal) = (prices.buy_at.0, prices.sell_at.0);
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bid: u32, ask: u32) -> Seen {
        let best = |price| (price > 0).then_some(Best { price, shares: 100, venue: 0 });
        let quotes = Quotes { bid: best(bid), ask: best(ask) };
        Seen { quotes, is_heard: true, is_halted: false }
    }

    struct World {
        watch: Watch,
        sent: Vec<String>,
        now: u64,
    }

    impl World {
        fn new() -> Self {
            let watch = Watch::new(
                WatchOptions::default(),
                &[InstrumentId(7)],
                &[SessionId(50), SessionId(51)],
            );
            Self { watch, sent: Vec::new(), now: 1_000_000_000_000 }
        }

        /// Looks once a millisecond.
        fn look(&mut self, seen: &Seen, ms: u64) -> Vec<String> {
            for _ in 0..ms {
                self.now += 1_000_000;
                let sent = &mut self.sent;
                self.watch.look(0, seen, Nanos(self.now), &mut |request| {
                    let command = request.0;
                    assert_eq!(command.instrument, InstrumentId(7));
                    sent.push(match command.kind() {
                        Some(CommandKind::SetPhase) => {
                            assert_eq!(command.order_type, BY_MARKET_DATA);
                            format!("{:?}", Phase::from_code(command.side).expect("a phase"))
                        }
                        _ => command.price.to_string(),
                    });
                    true
                });
            }
            std::mem::take(&mut self.sent)
        }
    }

    #[test]
    fn a_burst_of_prices_is_sampled_and_an_old_one_told_again() {
        let mut world = World::new();
        assert_eq!(world.look(&seen(100_0000, 102_0000), 1), ["Continuous"]);
        let mut told = Vec::new();
        for at in 0..300 {
            told.extend(world.look(&seen(100_0000 + at * 100, 102_0000 + at * 100), 1));
        }
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(world.look(&seen(100_0000, 102_0000), 2_050).len(), 3);
    }

    #[test]
    fn who_has_the_better_price_is_told_when_that_changes() {
        let mut watch =
            Watch::new(WatchOptions::default(), &[InstrumentId(7)], &[SessionId(0), SessionId(51)]);
        let mut told = Vec::new();
        for (at, venue) in (0..400u64).map(|at| (at, usize::from(at >= 200))) {
            let mut seen = seen(100_0000, 102_0000);
            seen.quotes.ask = seen.quotes.ask.map(|ask| Best { venue, ..ask });
            watch.look(0, &seen, Nanos(1_000_000_000_000 + at * 1_000_000), &mut |request| {
                told.push((at, request.0.price.0, request.0.target, request.0.ordinal));
                true
            });
        }
        let middle = 101_0000;
        // The first feed's exchange takes no orders of ours.
        assert_eq!(told[1..], [(1, middle, 0, 0), (200, middle, 51, 0)]);
    }

    #[test]
    fn stale_prices_halt_and_good_ones_resume_by_rule() {
        let mut world = World::new();
        world.look(&seen(100_0000, 102_0000), 200);
        let lost = Seen { is_heard: false, ..seen(100_0000, 102_0000) };
        assert_eq!(world.look(&lost, 5_000), ["Halt"]);
        assert_eq!(world.look(&seen(100_0000, 102_0000), 900), [""; 0]);
        assert_eq!(world.look(&seen(103_0000, 102_0000), 900), [""; 0], "crossed is not good");
        assert_eq!(world.look(&seen(100_0000, 102_0000), 1_010), ["Continuous", "101.00"]);
        let halted = Seen { is_halted: true, ..seen(100_0000, 102_0000) };
        assert_eq!(world.look(&halted, 5_000), ["Halt"]);
    }

    #[test]
    fn missing_crossed_or_stale_prices_are_never_told() {
        let mut world = World::new();
        world.look(&seen(100_0000, 102_0000), 200);
        for bad in [seen(0, 102_0000), seen(100_0000, 0), seen(103_0000, 102_0000)] {
            assert_eq!(world.look(&bad, 3_000), [""; 0]);
        }
    }

    #[test]
    fn before_the_first_price_there_is_patience() {
        let mut world = World::new();
        let silent = Seen::default();
        assert_eq!(world.look(&silent, 9_990), [""; 0]);
        assert_eq!(world.look(&silent, 100), ["Halt"]);
    }
}
