//! Phases and auctions by hand, and an exchange's public example through both matchers.

use crate::engine::tests::rules::{Market, buyer, lasting, order};
use crate::engine::{BookView, Matcher};
use crate::model::{
    Command, CommandKind, EventFlags, EventKind, Group, InstrumentId, OrderType, Phase, Price,
    Quantity, RejectCode, Side, TimeInForce,
};

/// Instrument 1 enters a phase.
fn phase(phase: Phase) -> Command {
    Command {
        instrument: InstrumentId(1),
        side: phase.code(),
        ..Command::new(CommandKind::SetPhase)
    }
}

/// Everything that is unfinished, as lines without the empty ones.
fn finish(market: &mut Market) -> Vec<String> {
    let mut said = Vec::new();
    while market.0.software.wants_sweep() {
        said.extend(market.say(Command::new(CommandKind::Sweep)));
    }
    said.retain(|line| !line.starts_with("Nothing"));
    said
}

/// The Australian exchange's example of its four rules: the book of stock X, in cents.
#[test]
fn the_australian_exchanges_example_trades_a_thousand_at_6_39() {
    let mut market = Market::new();
    market.say(phase(Phase::OpeningAuction));
    let buyers = [(640, 500), (639, 500), (639, 500), (634, 1_000), (633, 500)];
    let sellers = [(610, 1_000), (640, 500), (641, 520), (642, 550), (643, 519)];
    for (ordinal, (price, quantity)) in (1..).zip(buyers) {
        market.say(order(1, ordinal, Side::Buy, price, quantity));
    }
    for (ordinal, (price, quantity)) in (1..).zip(sellers) {
        market.say(order(2, ordinal, Side::Sell, price, quantity));
    }
    assert!(market.say(phase(Phase::Continuous))[0].starts_with("Nothing"));
    assert_eq!(
        finish(&mut market),
        [
            "Executed 1.1 500@639 MAKER AUCTION DONE",
            "Executed 2.1 500@639 AUCTION",
            "Reduced 1.1 500@640",
            "Reduced 2.1 500@610",
            "Executed 1.2 500@639 MAKER AUCTION DONE",
            "Executed 2.1 500@639 AUCTION DONE",
            "Reduced 1.2 500@639",
            "Reduced 2.1 500@610 LAST",
            "PhaseChanged 0.0 0@0 LAST",
        ]
    );
    let top = market.0.software.top(InstrumentId(1));
    let bid = top.bid.map(|quote| (quote.price.0 / 100, quote.quantity));
    assert_eq!(bid, Some((639, 500)), "the third of the buyers waits on");
    assert_eq!(top.ask.map(|quote| quote.price.0 / 100), Some(640));
    assert_eq!(market.0.software.phase(InstrumentId(1)), Some(Phase::Continuous));
}

#[test]
fn orders_for_an_auction_join_it_and_leave_with_it() {
    let mut market = Market::new();
    market.say(phase(Phase::PreOpen));
    let at_open = |command| lasting(command, TimeInForce::AtOpen);
    assert_eq!(market.say(at_open(buyer(100, 5))), ["Accepted 2.9 5@100 LAST"]);
    market.say(lasting(order(4, 1, Side::Buy, 101, 2), TimeInForce::AtClose));
    market.say(order(1, 1, Side::Sell, 100, 3));
    market.say(phase(Phase::Continuous));
    assert_eq!(
        finish(&mut market),
        [
            "Executed 2.9 3@100 MAKER AUCTION",
            "Executed 1.1 3@100 AUCTION DONE",
            "Reduced 1.1 3@100 LAST",
            "Cancelled 2.9 2@100 AuctionOver DONE",
            "PhaseChanged 0.0 0@0 LAST",
        ]
    );
    assert_eq!(market.0.software.open_orders(), 1, "the one for the close waits");
}

#[test]
fn a_phase_refuses_what_is_not_for_it() {
    let cases = [
        (Phase::Halt, TimeInForce::Day, Some(RejectCode::Halted)),
        (Phase::Closed, TimeInForce::Day, Some(RejectCode::Closed)),
        (Phase::PreOpen, TimeInForce::Day, None),
        (Phase::PreOpen, TimeInForce::Ioc, Some(RejectCode::NotInPhase)),
        (Phase::Extended, TimeInForce::Day, Some(RejectCode::NotInPhase)),
        (Phase::Extended, TimeInForce::ExtendedHours, None),
        (Phase::Extended, TimeInForce::Ioc, None),
    ];
    for (to, time, refusal) in cases {
        let mut market = Market::new();
        market.say(phase(to));
        let events = market.0.send(Group::new(lasting(buyer(100, 5), time)));
        let refused = (events[0].kind() == Ok(EventKind::Rejected)).then_some(&events[0]);
        assert_eq!(refused.and_then(|event| event.reject_code()), refusal, "{to} {time}");
    }
    let mut market = Market::new();
    market.say(phase(Phase::PreOpen));
    let market_order = Command { order_type: OrderType::Market.code(), ..buyer(100, 5) };
    assert!(market.say(market_order)[0].contains("NotInPhase"));
}

#[test]
fn while_an_auction_is_settled_its_instrument_is_frozen() {
    let mut market = Market::new();
    market.say(phase(Phase::PreOpen));
    market.say(order(1, 1, Side::Sell, 100, 3));
    market.say(phase(Phase::Continuous));
    assert!(market.say(buyer(100, 3))[0].contains("Frozen"));
    let cancel = Command { target: 1, ..order(1, 0, Side::Buy, 0, 0) };
    let cancel = Command { kind: CommandKind::Cancel.code(), ..cancel };
    assert!(market.say(cancel)[0].contains("Frozen"));
    assert!(market.say(phase(Phase::Halt))[0].contains("Frozen"));
    // A mass cancel is taken, and does its work when the auction is settled.
    let all = Command { session: order(1, 0, Side::Buy, 0, 0).session, ..Command::default() };
    market.say(Command { kind: CommandKind::MassCancel.code(), ..all });
    let said = finish(&mut market);
    assert_eq!(
        said.last().map(String::as_str),
        Some("Cancelled 1.1 3@100 MassCancel RESTS DONE LAST")
    );
}

/// Instrument 1 trades no further than a hundredth from where it stood half a second ago.
fn band() -> Command {
    Command {
        instrument: InstrumentId(1),
        quantity: Quantity(100),
        target: 1_000,
        ordinal: 500,
        ..Command::new(CommandKind::SetBand)
    }
}

#[test]
fn who_would_trade_beyond_the_band_begins_an_auction_and_waits_for_it() {
    let mut market = Market::with(&[(100, 1), (101, 1), (103, 5)]);
    market.say(order(3, 1, Side::Sell, 100, 1));
    market.say(band());
    let said = market.say(order(4, 1, Side::Buy, 103, 4));
    assert_eq!(
        said,
        [
            "Accepted 4.1 4@103",
            "Executed 1.2 1@101 MAKER DONE",
            "Executed 4.1 1@101",
            "Rested 4.1 3@103",
            "PhaseChanged 0.0 0@0 InvalidQuantity LAST",
        ]
    );
    assert_eq!(market.0.software.phase(InstrumentId(1)), Some(Phase::VolatilityAuction));
    while market.0.software.phase(InstrumentId(1)) == Some(Phase::VolatilityAuction) {
        market.say(Command::new(CommandKind::Sweep));
    }
    // It traded at 103 in the auction, so that is where it stands now.
    let said = market.say(order(4, 2, Side::Buy, 103, 1));
    assert_eq!(said[1], "Executed 1.3 1@103 MAKER");
    assert_eq!(market.0.software.phase(InstrumentId(1)), Some(Phase::Continuous));
}

#[test]
fn who_is_for_now_alone_is_cancelled_at_the_band_and_begins_nothing() {
    let mut market = Market::with(&[(100, 1), (103, 5)]);
    market.say(order(3, 1, Side::Sell, 100, 1));
    market.say(band());
    let said = market.say(lasting(order(4, 1, Side::Buy, 103, 4), TimeInForce::Ioc));
    assert_eq!(said, ["Accepted 4.1 4@103", "Cancelled 4.1 4@103 Band DONE LAST"]);
    let said = market.say(lasting(order(4, 2, Side::Buy, 103, 4), TimeInForce::Fok));
    assert_eq!(said[1], "Cancelled 4.2 4@103 Immediate DONE LAST");
    assert_eq!(market.0.software.phase(InstrumentId(1)), Some(Phase::Continuous));
    // Outside the main hours nobody begins an auction.
    market.say(phase(Phase::Extended));
    let extended = lasting(order(4, 3, Side::Buy, 103, 4), TimeInForce::ExtendedHours);
    assert_eq!(market.say(extended)[1], "Cancelled 4.3 4@103 Band DONE LAST");
    let none = Command { quantity: Quantity(0), ..band() };
    market.say(none);
    let extended = lasting(order(4, 4, Side::Buy, 103, 4), TimeInForce::ExtendedHours);
    assert_eq!(market.say(extended)[1], "Executed 1.2 4@103 MAKER");
}

#[test]
fn the_calendar_does_not_end_a_halt() {
    let mut market = Market::new();
    let scheduled = |to| Command { order_type: 1, ..phase(to) };
    market.say(phase(Phase::Halt));
    assert!(market.say(scheduled(Phase::Continuous))[0].contains("Halted"));
    market.say(phase(Phase::VolatilityAuction));
    market.say(scheduled(Phase::ClosingAuction));
    assert_eq!(market.0.software.phase(InstrumentId(1)), Some(Phase::ClosingAuction));
}

#[test]
fn a_phase_ends_by_itself_within_its_window_and_its_auction_tells_where_it_stands() {
    let mut market = Market::new();
    let call = Command {
        ordinal: u32::from(Phase::Continuous.code()),
        quantity: Quantity(3_000),
        target: 500,
        price: Price(0x5eed),
        ..phase(Phase::VolatilityAuction)
    };
    let events = market.0.send(Group::new(call));
    assert_eq!((events[0].kind(), events[0].price), (Ok(EventKind::PhaseChanged), Price(0)));
    let due = market.0.software.due_at();
    market.say(order(1, 1, Side::Sell, 100, 3));
    market.say(order(2, 1, Side::Buy, 103, 2));
    let mut told = Vec::new();
    while market.0.software.phase(InstrumentId(1)) == Some(Phase::VolatilityAuction) {
        let wants = market.0.software.wants_sweep();
        let kind = if wants { CommandKind::Sweep } else { CommandKind::Tick };
        told.extend(market.0.send(Group::new(Command::new(kind))));
    }
    let indications: Vec<_> =
        told.iter().filter(|event| event.kind() == Ok(EventKind::Indicative)).collect();
    assert_eq!(indications.len(), 3, "one a second");
    let first = indications[0];
    // Sellers are left over, so the price is the lowest of those in question.
    assert_eq!((first.price, first.quantity, first.target), (Price(10_000), Quantity(2), 1));
    assert_eq!(first.side(), Some(Side::Sell));
    assert!(first.flags.has(EventFlags::DONE));
    let ended = told.last().expect("it ended").timestamp.0 - due.0 + 1_000_000_000;
    assert!((3_000_000_000..3_700_000_000).contains(&ended), "{ended}");
}
