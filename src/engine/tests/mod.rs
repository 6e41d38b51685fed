//! The matchers against each other over millions of seeded commands, and rule by rule.

mod auctions;
mod bad_input;
mod ledger;
mod rules;
mod shards;
mod snapshots;
mod specials;
mod storm;
mod sweeps;
mod table;

use crate::engine::tests::ledger::Ledger;
use crate::engine::tests::storm::Storm;
use crate::engine::{BookView, EngineLimits, Matcher, ReferenceMatcher, SoftwareMatcher};
use crate::model::{
    Command, Event, Group, Instrument, InstrumentId, Nanos, Phase, Price, Quantity, SeqNo, Symbol,
};

/// Nanoseconds between two commands: phases pass within hundreds of them.
const STEP: u64 = 5_000_000;

/// Both matchers side by side: every command goes to both, every answer is compared.
struct Pair {
    reference: ReferenceMatcher,
    software: SoftwareMatcher,
    ledger: Ledger,
    limits: EngineLimits,
    seq: u64,
}

impl Pair {
    fn new(limits: EngineLimits, instruments: &[Instrument]) -> Self {
        Self {
            reference: ReferenceMatcher::new(limits, instruments).expect("the limits are good"),
            software: SoftwareMatcher::new(limits, instruments).expect("the limits are good"),
            ledger: Ledger::default(),
            limits,
            seq: 0,
        }
    }

    /// Gives a command the next place in history and returns what both matchers say of it.
    fn send(&mut self, mut group: Group<Command>) -> Vec<Event> {
        self.seq += 1;
        group.head.seq = SeqNo(self.seq);
        group.head.timestamp = Nanos(self.seq * STEP);
        let expected = answers(&mut self.reference, &group);
        let events = answers(&mut self.software, &group);
        assert_eq!(events, expected, "the matchers differ on {:?}", group.head);
        let wants = (self.software.wants_sweep(), self.reference.wants_sweep());
        assert_eq!(wants.0, wants.1, "the matchers differ on what is unfinished");
        assert_eq!(self.software.due_at(), self.reference.due_at());
        self.ledger.apply(&group.head, &events);
        events
    }

    /// Goes on with what a snapshot of the fast matcher brings back, where one can be taken.
    fn go_through_bytes(&mut self) {
        let mut bytes = Vec::new();
        let Ok(digest) = self.software.snapshot(&mut bytes) else { return };
        let restored = SoftwareMatcher::restore(self.limits, &instruments(), &bytes);
        self.software = restored.expect("what was written can be read");
        assert_eq!(self.software.digest(), digest);
    }

    /// Compares the books with each other and with what the events told.
    fn check(&self) {
        assert_eq!(self.software.digest(), self.reference.digest());
        assert_eq!(self.software.open_orders(), self.reference.open_orders());
        let mut resting = Vec::new();
        self.software.for_each_order(&mut |order| resting.push(*order));
        self.ledger.check(&resting);
        for id in 1..=4 {
            let top = self.software.top(InstrumentId(id));
            assert_eq!(top, self.reference.top(InstrumentId(id)));
            let phase = self.software.phase(InstrumentId(id));
            assert_eq!(phase, self.reference.phase(InstrumentId(id)));
            let meets = phase.is_some_and(Phase::meets);
            if let (true, Some(bid), Some(ask)) = (meets, top.bid, top.ask) {
                assert!(bid.price < ask.price, "instrument {id} is crossed");
            }
        }
    }
}

fn answers(matcher: &mut impl Matcher, group: &Group<Command>) -> Vec<Event> {
    matcher.submit(group).expect("everything was drained");
    let mut events = Vec::new();
    let taken = matcher.drain(usize::MAX, &mut |event| events.push(*event));
    assert_eq!(taken, events.len());
    events
}

/// Four instruments: a penny tick, a coarse one, the finest, and one nobody is told of.
fn instruments() -> Vec<Instrument> {
    let instrument = |id: u32, tick: i64| Instrument {
        id: InstrumentId(id),
        symbol: Symbol::new("TEST").expect("a good name"),
        tick: Price(tick),
        lot: Quantity(1),
        reference_price: Price(1_000_000),
    };
    vec![instrument(3, 1), instrument(1, 100), instrument(2, 2_500), instrument(4, 100)]
}

/// Limits so tight that every one of them is met.
fn tight() -> EngineLimits {
    EngineLimits {
        orders_max: 40,
        sessions_max: 6,
        fills_per_command_max: 5,
        ladder_ticks: 64,
        sweep_chunk: 4,
        specials_max: 20,
        accounts_max: 4,
        shard: 0,
        hash_seed: 7,
    }
}

/// Limits that are seldom met.
fn roomy() -> EngineLimits {
    EngineLimits {
        orders_max: 400,
        specials_max: 300,
        sweep_chunk: 64,
        fills_per_command_max: 256,
        ..tight()
    }
}

fn storm(seed: u64, commands: u32, limits: EngineLimits) {
    run(seed, commands, limits).ledger.must_have_seen_much();
}

fn run(seed: u64, commands: u32, limits: EngineLimits) -> Pair {
    let mut storm = Storm::new(seed);
    let mut pair = Pair::new(limits, &instruments());
    for at in 1..=commands {
        pair.send(storm.next());
        if at.is_multiple_of(512) {
            pair.check();
            pair.go_through_bytes();
        }
    }
    pair.check();
    pair
}

#[test]
fn under_tight_limits_both_matchers_say_the_same() {
    for seed in 0..20 {
        storm(seed, 50_000, tight());
    }
}

#[test]
fn with_room_both_matchers_say_the_same() {
    for seed in 100..110 {
        storm(seed, 40_000, roomy());
    }
    for seed in 200..210 {
        storm(seed, 60_000, EngineLimits { orders_max: 120, ladder_ticks: 4_096, ..tight() });
    }
}

/// A hundred million commands, unless `WIREMATCH_STORMS` says how many hundred thousand.
#[test]
#[ignore = "takes minutes: scripts/deep runs it"]
fn over_a_thousand_seeds_both_matchers_say_the_same() {
    let storms = std::env::var("WIREMATCH_STORMS").ok().and_then(|text| text.parse().ok());
    for seed in 1_000..1_000 + storms.unwrap_or(1_000) {
        let limits = if seed % 4 == 0 { roomy() } else { tight() };
        run(seed, 100_000, limits);
    }
}
