//! Market protection: what halts an instrument, or all of them, and what lets it go on.

use super::{REFERENCE, World, account, limit_order, options, set_limit};
use crate::engine::{BookView, Matcher};
use crate::model::{
    Command, CommandKind, EventKind, Group, InstrumentId, LimitKind, Nanos, OrderType, Phase,
    Price, Quantity, RejectCode, Request, Scope, Side, TimeInForce,
};

const SECOND: u64 = 1_000_000_000;

/// Does what the gate asks the sequencer for; returns how much that was.
fn obey(world: &mut World) -> usize {
    let mut asked: Vec<Request> = Vec::new();
    world.fold.gate.ask(Nanos(world.now), |request| {
        asked.push(*request);
        true
    });
    let count = asked.len();
    for request in asked {
        world.apply(Group::new(request.0), 1);
    }
    while world.fold.matcher.wants_sweep() {
        world.tell(Command::new(CommandKind::Sweep));
    }
    world.settle();
    count
}

fn trade(world: &mut World, price: i64) -> Option<RejectCode> {
    let sold = world.order(limit_order(4, Side::Sell, price, 1));
    let bought = world.order(limit_order(3, Side::Buy, price, 1));
    world.settle();
    sold.or(bought)
}

fn phase(world: &World) -> Phase {
    world.fold.matcher.phase(InstrumentId(1)).expect("it is known")
}

fn set(world: &mut World, kind: LimitKind, value: i64) {
    world.tell(set_limit(Scope::Instrument, 1, kind, value));
}

fn set_phase(world: &mut World, phase: Phase) {
    let command = Command {
        instrument: InstrumentId(1),
        side: phase.code(),
        ..Command::new(CommandKind::SetPhase)
    };
    world.tell(command);
    world.sweep();
}

#[test]
fn the_circuit_breaker_halts_until_a_person_resumes() {
    let mut world = World::new(&options(account()));
    set(&mut world, LimitKind::Breaker, 500);
    set(&mut world, LimitKind::BreakerWindow, 300_000);
    for price in [REFERENCE, REFERENCE * 104 / 100] {
        assert_eq!(trade(&mut world, price), None);
        assert_eq!(obey(&mut world), 0);
    }
    // Within the account's collar of the last trade, but too far from where the window began.
    assert_eq!(trade(&mut world, REFERENCE * 106 / 100), None);
    let order = limit_order(3, Side::Buy, REFERENCE, 1);
    assert_eq!(world.order(order), Some(RejectCode::CircuitBreaker), "before anybody was asked");
    assert_eq!(obey(&mut world), 1);
    assert_eq!(phase(&world), Phase::Halt);
    world.now += 600 * SECOND;
    assert_eq!(world.order(order), Some(RejectCode::CircuitBreaker), "time alone does not help");
    set_phase(&mut world, Phase::Continuous);
    assert_eq!(world.order(order), None);
    assert_eq!(obey(&mut world), 0);
}

#[test]
fn what_was_wanted_before_a_crash_is_asked_for_after_it() {
    let mut world = World::new(&options(account()));
    set(&mut world, LimitKind::Breaker, 100);
    set(&mut world, LimitKind::BreakerWindow, 300_000);
    assert_eq!(trade(&mut world, REFERENCE), None);
    assert_eq!(trade(&mut world, REFERENCE * 102 / 100), None);
    // It was asked for, and the process died before the request was on record.
    world.fold.gate.ask(Nanos(world.now), |_| true);
    assert_eq!(phase(&world), Phase::Continuous);
    assert_eq!(obey(&mut world), 0, "once is enough");
    world.fold.gate.ask_again();
    assert_eq!(obey(&mut world), 1);
    assert_eq!(phase(&world), Phase::Halt);
}

#[test]
fn a_limit_state_that_lasts_becomes_a_pause_and_reopens() {
    let mut world = World::new(&options(account()));
    for (kind, value) in [
        (LimitKind::PriceBand, 500),
        (LimitKind::LimitStateTime, 15_000),
        (LimitKind::PauseTime, 300_000),
    ] {
        set(&mut world, kind, value);
    }
    let upper = REFERENCE * 105 / 100;
    let beyond = limit_order(3, Side::Buy, upper + 100, 1);
    assert_eq!(world.order(beyond), Some(RejectCode::PriceBand));
    let market = Command { order_type: OrderType::Market.code(), price: Price(0), ..beyond };
    let market = Command { time_in_force: TimeInForce::Ioc.code(), ..market };
    assert_eq!(world.order(market), None, "its protection is inside the band");
    world.settle();
    assert_eq!(world.fold.gate.due_at(), Nanos::MAX);
    assert_eq!(world.order(limit_order(3, Side::Buy, upper, 10)), None);
    let due = world.fold.gate.due_at();
    assert_eq!(due, Nanos(world.now + 15 * SECOND));
    world.now = due.0;
    world.settle();
    assert_eq!(obey(&mut world), 1);
    assert_eq!(phase(&world), Phase::VolatilityAuction);
    // Beyond the band is where a new price may be found now.
    assert_eq!(world.order(limit_order(4, Side::Sell, upper + 100, 5)), None);
    assert_eq!(world.order(limit_order(3, Side::Buy, upper + 100, 5)), None);
    world.now += 310 * SECOND;
    for _ in 0..64 {
        world.tell(Command::new(CommandKind::Sweep));
    }
    assert_eq!(phase(&world), Phase::Continuous);
    let mut traded = world.events.iter().filter(|event| event.kind == EventKind::Executed.code());
    assert_eq!(traded.next_back().map(|event| event.price), Some(Price(upper + 100)));
    let within = limit_order(3, Side::Buy, (upper + 100) * 104 / 100 / 100 * 100, 1);
    assert_eq!(world.order(within), None, "the band is about the auction's price");
}

#[test]
fn a_limit_state_that_clears_is_forgotten() {
    let mut world = World::new(&options(account()));
    set(&mut world, LimitKind::PriceBand, 500);
    set(&mut world, LimitKind::LimitStateTime, 15_000);
    let lower = REFERENCE * 95 / 100;
    // A sale waits at the lower end until somebody buys it.
    assert_eq!(world.order(limit_order(4, Side::Sell, lower, 10)), None);
    assert_ne!(world.fold.gate.due_at(), Nanos::MAX);
    assert_eq!(world.order(limit_order(3, Side::Buy, lower, 10)), None);
    world.settle();
    assert_eq!(world.fold.gate.due_at(), Nanos::MAX);
    world.now += 20 * SECOND;
    world.settle();
    assert_eq!(obey(&mut world), 0);
}

#[test]
fn the_market_wide_halt_reaches_every_instrument() {
    let mut world = World::new(&options(account()));
    for (level, bps) in [(1, 700), (2, 1_300), (3, 2_000)] {
        world.tell(set_limit(Scope::Everything, level, LimitKind::MarketFall, bps));
    }
    world.tell(set_limit(Scope::Everything, 0, LimitKind::MarketPause, 900_000));
    let index =
        |price| Command { price: Price(price), ..Command::new(CommandKind::SetReferencePrice) };
    world.tell(index(10_000));
    assert_eq!(obey(&mut world), 0);
    world.tell(index(9_300));
    assert_eq!(obey(&mut world), 2);
    assert_eq!(phase(&world), Phase::VolatilityAuction);
    world.tell(index(8_000));
    assert_eq!(obey(&mut world), 2);
    assert_eq!(phase(&world), Phase::Halt);
    let order = limit_order(3, Side::Buy, REFERENCE, 1);
    assert_eq!(world.order(order), Some(RejectCode::MarketHalt));
    world.tell(Command::new(CommandKind::StartOfDay));
    assert_eq!(
        world.order(order),
        Some(RejectCode::Halted),
        "the instrument is resumed by a person"
    );
    set_phase(&mut world, Phase::Continuous);
    assert_eq!(world.order(order), None);
}

#[test]
fn after_a_fall_short_sales_rest_above_the_bid_for_two_days() {
    let mut world = World::new(&options(account()));
    set(&mut world, LimitKind::PriceTestFall, 500);
    assert_eq!(trade(&mut world, REFERENCE * 95 / 100), None);
    let last = REFERENCE * 95 / 100;
    assert_eq!(world.order(limit_order(3, Side::Buy, last, 5)), None);
    let short = |price| limit_order(4, Side::SellShort, price, 1);
    let market = Command { order_type: OrderType::Market.code(), ..short(0) };
    for day in 0..2 {
        assert_eq!(world.order(market), Some(RejectCode::ShortSaleTest), "day {day}");
        let events = world.events.len();
        assert_eq!(world.order(short(last)), None);
        let is_trade = |event: &crate::model::Event| event.kind == EventKind::Executed.code();
        assert!(!world.events[events..].iter().any(is_trade), "at the bid it does not trade");
        assert_eq!(world.order(short(last + 100)), None);
        world.tell(Command::new(CommandKind::EndOfDay));
        world.tell(Command::new(CommandKind::StartOfDay));
        assert_eq!(world.order(limit_order(3, Side::Buy, last, 5)), None);
    }
    let events = world.events.len();
    assert_eq!(world.order(short(last)), None);
    assert!(world.events[events..].iter().any(|event| event.kind == EventKind::Executed.code()));
}

fn by_market_data(world: &mut World, phase: Phase) -> Option<RejectCode> {
    let command = Command {
        instrument: InstrumentId(1),
        side: phase.code(),
        order_type: 2,
        ..Command::new(CommandKind::SetPhase)
    };
    let events = world.tell(command);
    world.sweep();
    events.iter().find_map(|event| match event.kind() {
        Ok(crate::model::EventKind::Rejected) => event.reject_code(),
        _ => None,
    })
}

#[test]
fn a_digest_tells_whose_halt_it_is() {
    let [by_feed, by_person] = [true, false].map(|is_feed| {
        let mut world = World::new(&options(account()));
        match is_feed {
            true => _ = by_market_data(&mut world, Phase::Halt),
            false => set_phase(&mut world, Phase::Halt),
        }
        world.settle();
        let mut words = Vec::new();
        world.fold.gate.digest(|word| words.push(word));
        (phase(&world), words)
    });
    assert_eq!(by_feed.0, by_person.0);
    assert_ne!(by_feed.1, by_person.1, "a standby that takes over must know");
}

#[test]
fn a_peg_goes_no_further_than_the_reference_lets_it() {
    for reference in [300_0000, 400_0000] {
        let mut world = World::new(&options(account()));
        let told = Command {
            instrument: InstrumentId(1),
            price: Price(reference),
            ..Command::new(CommandKind::SetReferencePrice)
        };
        world.tell(told);
        let peg = Command {
            order_type: OrderType::PegPrimary.code(),
            price: Price::ZERO,
            ..limit_order(3, Side::Buy, 1, 10)
        };
        let events = world.tell(peg);
        let cap = events.iter().find(|event| event.kind == EventKind::Accepted.code());
        assert_eq!(cap.map(|event| event.price), Some(Price(reference / 10 * 11)), "{events:?}");
    }
}

#[test]
fn market_data_ends_no_halt_but_its_own() {
    let mut world = World::new(&options(account()));
    by_market_data(&mut world, Phase::Continuous);
    assert_eq!(phase(&world), Phase::Continuous, "nothing to end");
    by_market_data(&mut world, Phase::Halt);
    assert_eq!(phase(&world), Phase::Halt);
    world.settle();
    by_market_data(&mut world, Phase::Continuous);
    assert_eq!(phase(&world), Phase::Continuous, "its own it ends");
    world.settle();
    set_phase(&mut world, Phase::Halt);
    world.settle();
    by_market_data(&mut world, Phase::Continuous);
    assert_eq!(phase(&world), Phase::Halt, "a person's it does not end");
    by_market_data(&mut world, Phase::Halt);
    by_market_data(&mut world, Phase::Continuous);
    assert_eq!(phase(&world), Phase::Halt, "nor makes it its own");
    set_phase(&mut world, Phase::Continuous);
    world.settle();
    by_market_data(&mut world, Phase::Halt);
    world.settle();
    set_phase(&mut world, Phase::Halt);
    by_market_data(&mut world, Phase::Continuous);
    assert_eq!(phase(&world), Phase::Halt, "a person has taken it over");
}

#[test]
fn a_person_ends_no_day_while_an_auction_gathers() {
    let mut world = World::new(&options(account()));
    let end = Command { quantity: Quantity(1), ..Command::new(CommandKind::EndOfDay) };
    set_phase(&mut world, Phase::ClosingAuction);
    let said = |world: &mut World, command: Command| {
        let before = world.events.len();
        world.tell(command);
        let of_day = |event: &&crate::model::Event| {
            let kinds = [EventKind::EndOfDay, EventKind::Rejected].map(|kind| kind.code());
            kinds.contains(&event.kind)
        };
        let found = *world.events[before..].iter().find(of_day).expect("it is answered");
        (found.kind == EventKind::EndOfDay.code(), found.reject_code())
    };
    assert_eq!(said(&mut world, end), (false, Some(RejectCode::AuctionGathers)));
    // The calendar knows what it does, and old journals asked nobody.
    let by_house = Command { order_type: Command::BY_HOUSE, ..end };
    assert!(said(&mut world, by_house).0);
    assert!(said(&mut world, Command::new(CommandKind::EndOfDay)).0);
    set_phase(&mut world, Phase::Continuous);
    assert!(said(&mut world, end).0);
}
