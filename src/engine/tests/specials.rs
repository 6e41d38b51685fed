//! Orders that ask more than a plain one, by hand: a few commands and the events they make.

use crate::engine::tests::STEP;
use crate::engine::tests::rules::{Market, buyer, flagged, lasting, order};
use crate::engine::{BookView, Matcher};
use crate::model::{
    AccountId, Command, CommandKind, Flags, Group, InstrumentId, OrderType, Price, Quantity,
    SelfTrade, SessionId, Side, TermFlags, Terms, TimeInForce,
};

/// A command with terms.
fn with(command: Command, terms: Terms) -> Group<Command> {
    let mut group = Group::new(Command { lines: 2, ..command });
    group.rest_mut()[0] = terms.line();
    group
}

fn of_type(command: Command, kind: OrderType) -> Command {
    Command { order_type: kind.code(), ..command }
}

/// A seller of session 3, whose order number is 7.
fn seller(price: i64, quantity: u32) -> Command {
    order(3, 7, Side::Sell, price, quantity)
}

fn iceberg(displayed: u32) -> Terms {
    Terms { displayed: Quantity(displayed), ..Terms::default() }
}

#[test]
fn an_iceberg_shows_its_next_part_at_the_back_of_the_line() {
    let mut market = Market::new();
    let said = market.tell(with(seller(101, 10), iceberg(4)));
    assert_eq!(said, ["Accepted 3.7 10@101", "Rested 3.7 4@101 LAST"]);
    market.say(order(1, 1, Side::Sell, 101, 5));
    assert_eq!(market.0.software.top(InstrumentId(1)).ask.map(|quote| quote.quantity), Some(9));
    assert_eq!(
        market.say(buyer(101, 10))[1..],
        [
            "Executed 3.7 4@101 MAKER",
            "Executed 2.9 4@101",
            "Refreshed 3.7 4@101",
            "Executed 1.1 5@101 MAKER DONE",
            "Executed 2.9 5@101",
            "Executed 3.7 1@101 MAKER",
            "Executed 2.9 1@101 DONE LAST",
        ]
    );
    // What is hidden goes first when it is cut, and the place is kept.
    let cut = Command { target: 7, ..order(3, 0, Side::Sell, 0, 7) };
    let cut = Command { kind: CommandKind::Cancel.code(), ..cut };
    assert_eq!(market.say(cut), ["Cancelled 3.7 3@101 User", "Reduced 3.7 1@101 LAST"]);
}

#[test]
fn what_is_shown_goes_before_what_is_hidden_at_one_price() {
    let mut market = Market::new();
    let said = market.say(flagged(seller(101, 5), Flags::HIDDEN));
    assert_eq!(said, ["Accepted 3.7 5@101 LAST"]);
    market.say(order(1, 1, Side::Sell, 101, 5));
    assert_eq!(market.0.software.top(InstrumentId(1)).ask.map(|quote| quote.quantity), Some(5));
    let said = market.say(buyer(101, 7));
    assert_eq!(said[1], "Executed 1.1 5@101 MAKER DONE");
    assert_eq!(said[3], "Executed 3.7 2@101 MAKER HIDDEN");
    let post_only = flagged(order(4, 1, Side::Buy, 101, 1), Flags::POST_ONLY);
    assert_eq!(market.say(post_only)[1], "Cancelled 4.1 1@101 PostOnly DONE LAST");
}

#[test]
fn an_all_or_none_order_meets_only_who_takes_all_of_it() {
    let mut market = Market::new();
    let terms = Terms { flags: TermFlags::ALL_OR_NONE, ..Terms::default() };
    market.tell(with(flagged(seller(100, 8), Flags::HIDDEN), terms));
    market.say(order(1, 1, Side::Sell, 101, 5));
    let said = market.say(buyer(101, 3));
    assert_eq!(said[1], "Executed 1.1 3@101 MAKER");
    let said = market.say(order(4, 1, Side::Buy, 101, 9));
    assert_eq!(said[1], "Executed 3.7 8@100 MAKER HIDDEN DONE");
    assert_eq!(said[3], "Executed 1.1 1@101 MAKER");
}

#[test]
fn an_immediate_order_takes_its_least_quantity_or_nothing() {
    for (minimum, said) in [(6, "Cancelled 2.9 9@101 Minimum DONE LAST"), (5, "Executed")] {
        let mut market = Market::with(&[(101, 5)]);
        let terms = Terms { minimum: Quantity(minimum), ..Terms::default() };
        let answer = market.tell(with(lasting(buyer(101, 9), TimeInForce::Ioc), terms));
        assert!(answer[1].starts_with(said), "{answer:?}");
    }
}

#[test]
fn a_market_to_limit_order_rests_at_the_price_it_took() {
    let mut market = Market::with(&[(101, 5), (102, 5)]);
    let said = market.say(of_type(buyer(0, 8), OrderType::MarketToLimit));
    assert_eq!(said[0], "Accepted 2.9 8@101");
    assert_eq!(said[3], "Rested 2.9 3@101 LAST");
    let mut market = Market::new();
    let said = market.say(of_type(buyer(0, 8), OrderType::MarketToLimit));
    assert_eq!(said[1], "Cancelled 2.9 8@0 Protection DONE LAST");
}

#[test]
fn a_post_only_order_slides_to_a_tick_away() {
    let mut market = Market::with(&[(101, 5)]);
    let terms = Terms { flags: TermFlags::SLIDE, ..Terms::default() };
    let said = market.tell(with(flagged(buyer(103, 5), Flags::POST_ONLY), terms));
    assert_eq!(said, ["Accepted 2.9 5@100 RESTS LAST"]);
}

#[test]
fn pegs_follow_the_book_up_to_their_caps() {
    let peg = |kind, offset, cap| {
        let mut market = Market::with(&[(98, 5), (102, 5)]);
        let terms = Terms { offset: Price(offset), ..Terms::default() };
        let said = market.tell(with(of_type(buyer(cap, 5), kind), terms));
        assert_eq!(said.len(), 1, "{said:?}");
        market.say(order(3, 1, Side::Buy, 99, 1));
        // The bid is 99 and the ask 102 now.
        let events = market.0.send(Group::new(order(4, 1, Side::Sell, 99, 1)));
        (events[1].price, events[1].session)
    };
    let pegged = SessionId(2);
    assert_eq!(peg(OrderType::PegPrimary, 0, 0), (Price(9_900), SessionId(3)));
    assert_eq!(peg(OrderType::PegPrimary, 100, 0), (Price(10_000), pegged));
    assert_eq!(peg(OrderType::PegPrimary, 900, 0), (Price(10_100), pegged));
    assert_eq!(peg(OrderType::PegPrimary, 900, 100), (Price(10_000), pegged));
    assert_eq!(peg(OrderType::PegMarket, -200, 0), (Price(10_000), pegged));
    assert_eq!(peg(OrderType::PegMidpoint, 0, 0), (Price(10_050), pegged));
    assert_eq!(peg(OrderType::PegMidpoint, 0, 98), (Price(9_900), SessionId(3)));
}

#[test]
fn discretion_goes_no_further_than_it_must_and_only_for_who_takes() {
    let mut market = Market::with(&[(98, 5)]);
    // Shown at 99, it would go to 102; the other is shown at 97 and would go to 103.
    let behind = |discretion| Terms { discretion: Price(discretion), ..Terms::default() };
    let said = market.tell(with(order(3, 1, Side::Buy, 102, 4), behind(300)));
    assert_eq!(said, ["Accepted 3.1 4@99 RESTS LAST"]);
    market.tell(with(order(3, 2, Side::Buy, 103, 4), behind(600)));
    assert_eq!(market.0.software.top(InstrumentId(1)).bid.map(|quote| quote.price.0), Some(9_900));
    // Who will not take rests beside them, and they stay.
    let passive = flagged(order(4, 1, Side::Sell, 102, 1), Flags::POST_ONLY);
    assert_eq!(market.say(passive), ["Accepted 4.1 1@102 RESTS LAST"]);
    // The one that would go furthest is first, and both meet the seller at its own limit.
    let said = market.say(order(4, 2, Side::Sell, 101, 6));
    assert_eq!(said[1], "Executed 3.2 4@101 MAKER DISCRETION DONE");
    assert_eq!(said[3], "Executed 3.1 2@101 MAKER DISCRETION");
    assert_eq!(said[4], "Executed 4.2 2@101 DONE LAST");
    // A seller who takes what is shown gets no more than that.
    let said = market.say(order(4, 3, Side::Sell, 98, 3));
    assert_eq!(said[1], "Executed 3.1 2@99 MAKER DONE");
    assert_eq!(said[3], "Executed 1.1 1@98 MAKER");
}

#[test]
fn an_order_with_discretion_takes_up_to_it_and_rests_where_it_is_shown() {
    let mut market = Market::with(&[(101, 2), (104, 2)]);
    let terms = Terms { discretion: Price(300), ..Terms::default() };
    let said = market.tell(with(buyer(102, 5), terms));
    assert_eq!(said[0], "Accepted 2.9 5@99");
    assert_eq!(said[1], "Executed 1.1 2@101 MAKER DONE");
    assert_eq!(said[3], "Rested 2.9 3@99 LAST");
    let wrong = Terms { discretion: Price(-300), ..Terms::default() };
    assert!(market.tell(with(order(3, 1, Side::Buy, 102, 5), wrong))[0].contains("Discretion"));
}

#[test]
fn an_order_with_discretion_takes_the_room_of_two() {
    let mut market = Market::new();
    let terms = Terms { discretion: Price(100), ..Terms::default() };
    for ordinal in 1..=20 {
        let said = market.tell(with(order(3, ordinal, Side::Buy, 100, 1), terms));
        assert!(said[0].starts_with("Accepted"), "{said:?}");
    }
    assert!(market.say(buyer(100, 1))[0].contains("BookFull"), "forty places are taken by twenty");
    assert_eq!(market.0.software.open_orders(), 20);
}

#[test]
fn stops_wake_in_turn_each_by_a_command_of_its_own() {
    let mut market = Market::with(&[(101, 1), (102, 1), (103, 1), (104, 9)]);
    for (ordinal, stop) in [(1, 103), (2, 102)] {
        let terms = Terms { stop_price: Price(stop * 100), ..Terms::default() };
        let stop = of_type(order(3, ordinal, Side::Buy, 0, 1), OrderType::Stop);
        assert_eq!(market.tell(with(stop, terms)).len(), 1);
    }
    market.say(buyer(101, 1));
    assert!(!market.0.software.wants_sweep(), "101 reaches no stop");
    market.say(order(2, 10, Side::Buy, 102, 1));
    assert!(market.0.software.wants_sweep());
    let said = market.say(Command::new(CommandKind::Sweep));
    assert_eq!(said[0], "Triggered 3.2 1@0");
    assert_eq!(said[2], "Executed 3.2 1@103 DONE LAST");
    let said = market.say(Command::new(CommandKind::Sweep));
    assert_eq!(said[2], "Executed 3.1 1@104 DONE LAST");
    assert!(!market.0.software.wants_sweep());
    // Its price is reached already: it does not wait.
    let terms = Terms { stop_price: Price(10_300), ..Terms::default() };
    let stop = of_type(order(3, 9, Side::Buy, 104, 2), OrderType::StopLimit);
    let said = market.tell(with(stop, terms));
    assert_eq!(said[..2], ["Accepted 3.9 2@104", "Triggered 3.9 2@104"]);
}

#[test]
fn an_order_whose_time_is_over_does_not_trade() {
    let mut market = Market::new();
    let terms = Terms { expires_at: 3 * STEP, ..Terms::default() };
    market.tell(with(lasting(seller(101, 5), TimeInForce::Gtd), terms));
    market.say(Command::new(CommandKind::Tick));
    let said = market.say(buyer(101, 5));
    assert_eq!(said[1], "Cancelled 3.7 5@101 Expired RESTS DONE");
    assert_eq!(said[2], "Rested 2.9 5@101 LAST");
    // One that nobody meets goes with the next sweep.
    let terms = Terms { expires_at: 6 * STEP, ..Terms::default() };
    market.tell(with(lasting(seller(109, 5), TimeInForce::Gtd), terms));
    assert!(!market.0.software.wants_sweep());
    market.say(Command::new(CommandKind::Tick));
    market.say(Command::new(CommandKind::Tick));
    assert!(market.0.software.wants_sweep());
    let said = market.say(Command::new(CommandKind::Sweep));
    assert_eq!(said, ["Cancelled 3.7 5@109 Expired RESTS DONE LAST"]);
}

#[test]
fn a_mass_cancel_takes_only_what_its_terms_name() {
    let cancelled = |flags: TermFlags, group: u16, session: u32| {
        let mut market = Market::new();
        market.say(order(1, 1, Side::Buy, 99, 1));
        market.say(order(1, 2, Side::Sell, 101, 1));
        let other = Command { account: AccountId(2), ..order(1, 3, Side::Buy, 98, 1) };
        market.tell(with(other, Terms { group: 5, ..Terms::default() }));
        market.say(order(2, 1, Side::Sell, 102, 1));
        let command = Command {
            account: AccountId(2),
            side: Side::Sell.code(),
            session: SessionId(session),
            ..Command::new(CommandKind::MassCancel)
        };
        let mut said = market.tell(with(command, Terms { flags, group, ..Terms::default() }));
        while market.0.software.wants_sweep() {
            said.extend(market.say(Command::new(CommandKind::Sweep)));
        }
        said.retain(|line| !line.starts_with("Nothing"));
        said[1..].iter().map(|line| line.split(' ').nth(1).unwrap_or("").to_owned()).collect()
    };
    let none = TermFlags::default();
    let orders: Vec<String> = cancelled(none, 0, 1);
    assert_eq!(orders, ["1.1", "1.2", "1.3"]);
    assert_eq!(cancelled(TermFlags::BY_SIDE, 0, 1), ["1.2"]);
    assert_eq!(cancelled(TermFlags::BY_ACCOUNT, 0, 1), ["1.3"]);
    assert_eq!(cancelled(none, 5, 1), ["1.3"]);
    let all = TermFlags::ALL_SESSIONS.with(TermFlags::BY_SIDE);
    assert_eq!(cancelled(all, 0, 0), ["1.2", "2.1"]);
    assert!(cancelled(all, 0, 1).is_empty(), "only the operator reaches others' orders");
}

#[test]
fn the_days_end_takes_what_does_not_outlive_it() {
    let mut market = Market::with(&[(99, 5)]);
    market.say(lasting(order(2, 1, Side::Buy, 98, 5), TimeInForce::Gtc));
    let said = market.say(Command::new(CommandKind::EndOfDay));
    assert_eq!(said[1..], ["Cancelled 1.1 5@99 Closed RESTS DONE LAST"]);
}

#[test]
fn decrement_takes_from_both_and_families_count_as_one() {
    let mut market = Market::with(&[(101, 5), (101, 5)]);
    for account in [1, 2] {
        let family = Command { account: AccountId(account), target: 9, ..Command::default() };
        market.say(Command { kind: CommandKind::SetFamily.code(), ..family });
    }
    let flags = Flags::default().with_self_trade(SelfTrade::Decrement);
    assert_eq!(
        market.say(flagged(buyer(101, 7), flags))[1..],
        [
            "Cancelled 1.1 5@101 SelfTrade RESTS DONE",
            "Cancelled 2.9 5@101 SelfTrade",
            "Cancelled 1.2 2@101 SelfTrade RESTS",
            "Cancelled 2.9 2@101 SelfTrade DONE LAST",
        ]
    );
}
