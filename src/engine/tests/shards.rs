//! Shards beside one matcher of everything: what is for one instrument comes out the same, what is
//! for all is answered once and done everywhere, and who is idle may move.

use crate::engine::tests::rules::{flagged, lasting, order};
use crate::engine::tests::storm::Storm;
use crate::engine::tests::{STEP, answers, instruments, roomy};
use crate::engine::{BookView, EngineLimits, Matcher, Routes, Shards, SoftwareMatcher};
use crate::model::{
    Command, CommandKind, Event, EventFlags, EventKind, Flags, Group, InstrumentId, Nanos, OrderId,
    Phase, Price, Quantity, RejectCode, SeqNo, SessionId, Side, TimeInForce,
};
use std::collections::BTreeMap;

fn sharded(limits: EngineLimits, shards: u8) -> Shards {
    let matcher = |shard| {
        let limits = EngineLimits { shard, ..limits };
        SoftwareMatcher::new(limits, &instruments()).expect("the limits are good")
    };
    let dealt: Vec<_> = (1..=4).map(|id| (InstrumentId(id), id as u8 % shards)).collect();
    let routes = Routes::new(&dealt, shards as usize);
    Shards::new((0..shards).map(matcher).collect(), routes, &limits)
}

/// Room for everybody, so that the shards' own limits are not met either.
fn wide() -> EngineLimits {
    EngineLimits { orders_max: 20_000, specials_max: 20_000, ..roomy() }
}

#[test]
fn what_is_for_one_instrument_is_the_same_wherever_it_is_dealt() {
    for shards in [2, 3] {
        let mut storm = Storm::new(77);
        let mut alone = SoftwareMatcher::new(wide(), &instruments()).expect("good limits");
        let mut dealt = sharded(wide(), shards);
        let mut homes = BTreeMap::new();
        let mut trades = 0;
        for seq in 1..30_000 {
            let mut group = storm.next();
            let head = &mut group.head;
            (head.seq, head.timestamp) = (SeqNo(seq), Nanos(seq * STEP));
            let kinds = [CommandKind::Enter, CommandKind::Replace, CommandKind::Cancel];
            if !head.kind().is_some_and(|kind| kinds.contains(&kind)) {
                continue;
            }
            // As the gate does: a command about an order says which instrument it is of, and no
            // number is used twice.
            head.ordinal = seq as u32;
            if head.kind() != Some(CommandKind::Enter) {
                let home = homes.get(&head.target_id());
                head.instrument = home.copied().unwrap_or(InstrumentId(0));
            }
            homes.insert(OrderId::new(head.session, head.ordinal), head.instrument);
            let expected = answers(&mut alone, &group);
            trades += expected.iter().filter(|e| e.flags.has(EventFlags::MAKER)).count();
            assert_eq!(answers(&mut dealt, &group), expected, "{:?}", group.head);
        }
        assert!(trades > 1_000, "only {trades} trades");
        assert_eq!(dealt.open_orders(), alone.open_orders());
        for id in (1..=4).map(InstrumentId) {
            assert_eq!(dealt.top(id), alone.top(id));
        }
    }
}

/// Two shards; commands get their places.
struct Dealt(Shards, u64);

impl Dealt {
    fn say(&mut self, command: Command) -> Vec<Event> {
        self.1 += 1;
        let (seq, timestamp) = (SeqNo(self.1), Nanos(self.1 * STEP));
        answers(&mut self.0, &Group::new(Command { seq, timestamp, ..command }))
    }
}

fn of(command: Command, instrument: u32) -> Command {
    Command { instrument: InstrumentId(instrument), ..command }
}

#[test]
fn what_is_for_all_is_answered_once_and_done_by_every_shard() {
    let mut market = Dealt(sharded(roomy(), 2), 0);
    for ordinal in 1..=6 {
        market.say(of(order(1, ordinal, Side::Buy, 100, 1), 1 + ordinal % 2));
    }
    let mass = Command { session: SessionId(1), ..Command::new(CommandKind::MassCancel) };
    let events = market.say(mass);
    let kinds = |kind| events.iter().filter(|event| event.kind() == Ok(kind)).count();
    assert_eq!((kinds(EventKind::MassCancelled), kinds(EventKind::Cancelled)), (1, 6));
    assert!(events.is_sorted_by_key(|event| event.id), "events are in order of their numbers");
    let last = events.iter().filter(|event| event.flags.has(EventFlags::LAST)).count();
    assert!(last == 1 && events[events.len() - 1].flags.has(EventFlags::LAST));
    assert_eq!(market.0.open_orders(), 0);
    // Of one instrument too: its orders may rest elsewhere than in its shard.
    market.say(of(order(1, 9, Side::Buy, 100, 1), 1));
    assert_eq!(market.say(of(mass, 1)).len(), 2);
    let kinds: Vec<_> = market.say(mass).iter().map(|event| event.kind()).collect();
    assert_eq!(kinds, [Ok(EventKind::MassCancelled), Ok(EventKind::Nothing)]);
}

#[test]
fn a_mass_cancel_that_one_shard_has_no_room_for_is_told_though_others_took_it() {
    let limits = EngineLimits { sweep_chunk: 1, ..roomy() };
    let mut market = Dealt(sharded(limits, 2), 0);
    // All in the second shard, so that its mass cancels wait and the first one's do not.
    for ordinal in 1..=40 {
        market.say(of(order(1, ordinal, Side::Buy, 100, 1), 1));
    }
    let mass = Command {
        session: SessionId(1),
        ordinal: 70,
        client_seq: 9,
        ..Command::new(CommandKind::MassCancel)
    };
    let mut refused = None;
    for _ in 0..8 {
        let events = market.say(mass);
        assert_eq!(events[0].kind(), Ok(EventKind::MassCancelled));
        let refusal = |event: &&Event| event.kind() == Ok(EventKind::CancelRejected);
        refused = refused.or(events.iter().find(refusal).copied());
    }
    let refused = refused.expect("four wait, and the fifth is refused where they do");
    assert_eq!(refused.reject_code(), Some(RejectCode::TooManySweeps));
    assert_eq!((refused.session, refused.client_seq), (SessionId(1), 9));
    while market.0.wants_sweep() {
        market.say(Command { target: 1, ..Command::new(CommandKind::Sweep) });
    }
    assert_eq!(market.0.open_orders(), 0);
}

#[test]
fn a_sweep_is_for_the_shard_that_asked() {
    let mut market = Dealt(sharded(roomy(), 2), 0);
    for instrument in [1, 2] {
        let phase = Command { side: Phase::PreOpen.code(), ..Command::new(CommandKind::SetPhase) };
        market.say(of(phase, instrument));
        market.say(of(Command::new(CommandKind::SetPhase), instrument));
    }
    let phases = |market: &Dealt| [1, 2].map(|id| market.0.phase(InstrumentId(id)));
    for _ in 0..10 {
        market.say(Command { target: 1, ..Command::new(CommandKind::Sweep) });
    }
    assert_eq!(phases(&market), [Some(Phase::Continuous), Some(Phase::PreOpen)]);
}

#[test]
fn an_idle_instrument_moves_with_its_phase_and_last_price_and_a_busy_one_does_not() {
    let mut market = Dealt(sharded(roomy(), 2), 0);
    let to = |shard| Command {
        target: shard,
        side: Phase::Extended.code(),
        price: Price(10_300),
        ..of(Command::new(CommandKind::MoveInstrument), 1)
    };
    assert_eq!(market.0.routes().shard_of(InstrumentId(1)), 1);
    let events = market.say(to(0));
    assert_eq!(events[0].kind(), Ok(EventKind::PhaseChanged));
    assert_eq!(market.0.routes().shard_of(InstrumentId(1)), 0);
    assert_eq!(market.0.phase(InstrumentId(1)), Some(Phase::Extended));
    let resting = lasting(order(1, 1, Side::Sell, 103, 5), TimeInForce::ExtendedHours);
    assert_eq!(market.say(resting)[0].kind(), Ok(EventKind::Accepted));
    let taker = lasting(order(2, 1, Side::Buy, 103, 2), TimeInForce::Ioc);
    assert_eq!(market.say(taker)[1].kind(), Ok(EventKind::Executed));
    // The gate refuses to move it now; a matcher that is asked all the same does too.
    let events = market.say(to(0));
    assert_eq!(events[0].reject_code(), Some(RejectCode::NotIdle));
    let cancel = Command { target: 1, ..order(1, 0, Side::Sell, 0, 0) };
    let cancelled = market.say(Command { kind: CommandKind::Cancel.code(), ..cancel });
    assert_eq!(cancelled[0].quantity, Quantity(3));
    let hidden = flagged(order(1, 2, Side::Sell, 104, 5), Flags::HIDDEN);
    market.say(Command { side: 0, ..of(Command::new(CommandKind::SetPhase), 1) });
    assert_eq!(market.say(hidden)[0].kind(), Ok(EventKind::Accepted));
    assert_eq!(market.say(to(1))[0].reject_code(), Some(RejectCode::NotIdle));
}
