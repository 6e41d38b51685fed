//! Each rule once, by hand: a few commands and the events they make, written out.

use crate::engine::tests::{Pair, instruments, tight};
use crate::model::{
    AccountId, Command, CommandKind, Event, EventFlags, EventKind, Flags, Group, InstrumentId,
    OrderType, Price, Quantity, RejectCode, SelfTrade, SessionId, Side, Terms, TimeInForce,
};

/// A market of instrument 1 that takes orders in a line and answers in lines.
pub(super) struct Market(pub(super) Pair);

impl Market {
    pub(super) fn new() -> Self {
        Self(Pair::new(tight(), &instruments()))
    }

    /// Sends a command; each event as a line.
    pub(super) fn say(&mut self, command: Command) -> Vec<String> {
        self.0.send(Group::new(command)).iter().map(line).collect()
    }

    /// As [`Self::say`], for a command of more lines.
    pub(super) fn tell(&mut self, group: Group<Command>) -> Vec<String> {
        self.0.send(group).iter().map(line).collect()
    }

    /// Rests orders of session 1, numbered from 1: price and quantity, sellers above 100.
    pub(super) fn with(orders: &[(i64, u32)]) -> Self {
        let mut market = Self::new();
        for (ordinal, &(price, quantity)) in (1..).zip(orders) {
            let side = if price > 100 { Side::Sell } else { Side::Buy };
            let said = market.say(order(1, ordinal, side, price, quantity));
            assert!(said[0].ends_with("RESTS LAST"), "{said:?}");
        }
        market
    }
}

/// An event as people would tell it: kind, order, quantity at price in ticks, reason, flags.
fn line(event: &Event) -> String {
    let kind = event.kind().expect("events have kinds");
    let mut line = format!("{kind} {}.{}", event.session, event.ordinal);
    line += &format!(" {}@{}", event.quantity, event.price.0 / 100);
    if kind == EventKind::Cancelled {
        line += &format!(" {}", event.cancel_reason().expect("a reason"));
    } else if let Some(code) = event.reject_code().filter(|_| kind != EventKind::Executed) {
        line += &format!(" {code}");
    }
    let flags = [
        (EventFlags::MAKER, " MAKER"),
        (EventFlags::HIDDEN, " HIDDEN"),
        (EventFlags::AUCTION, " AUCTION"),
        (EventFlags::DISCRETION, " DISCRETION"),
        (EventFlags::KEPT_PRIORITY, " KEPT"),
        (EventFlags::RESTS, " RESTS"),
        (EventFlags::DONE, " DONE"),
        (EventFlags::LAST, " LAST"),
    ];
    for (flag, name) in flags {
        if event.flags.has(flag) {
            line += name;
        }
    }
    line
}

/// A day order of instrument 1; the account is the session's.
pub(super) fn order(session: u32, ordinal: u32, side: Side, price: i64, quantity: u32) -> Command {
    Command {
        session: SessionId(session),
        ordinal,
        account: AccountId(session),
        instrument: InstrumentId(1),
        side: side.code(),
        price: Price(price * 100),
        quantity: Quantity(quantity),
        client_seq: 1_000 + ordinal,
        ..Command::new(CommandKind::Enter)
    }
}

/// A buyer of session 2, whose order number is 9.
pub(super) fn buyer(price: i64, quantity: u32) -> Command {
    order(2, 9, Side::Buy, price, quantity)
}

pub(super) fn lasting(command: Command, time_in_force: TimeInForce) -> Command {
    Command { time_in_force: time_in_force.code(), ..command }
}

pub(super) fn flagged(command: Command, flags: Flags) -> Command {
    Command { flags, ..command }
}

/// Session 1's replacement of order `target` by 8.
fn replace(target: u32, price: i64, quantity: u32) -> Command {
    let kind = CommandKind::Replace.code();
    Command { kind, target, ..order(1, 8, Side::Buy, price, quantity) }
}

/// Session 1's cut of order `target` to a total.
fn cut(kind: CommandKind, target: u32, quantity: u32, side: Side) -> Command {
    let command = Command { target, ..order(1, 0, side, 0, quantity) };
    Command { kind: kind.code(), ..command }
}

#[test]
fn price_goes_before_time_and_the_maker_names_the_price() {
    let mut market = Market::with(&[(102, 10), (101, 5), (101, 5)]);
    assert_eq!(
        market.say(buyer(102, 12)),
        [
            "Accepted 2.9 12@102",
            "Executed 1.2 5@101 MAKER DONE",
            "Executed 2.9 5@101",
            "Executed 1.3 5@101 MAKER DONE",
            "Executed 2.9 5@101",
            "Executed 1.1 2@102 MAKER",
            "Executed 2.9 2@102 DONE LAST",
        ]
    );
}

#[test]
fn what_is_left_rests_or_goes_as_the_order_says() {
    let left = |command: Command| {
        let mut market = Market::with(&[(101, 5)]);
        market.say(command)[3..].to_vec()
    };
    assert_eq!(left(buyer(101, 8)), ["Rested 2.9 3@101 LAST"]);
    let immediate = lasting(buyer(101, 8), TimeInForce::Ioc);
    assert_eq!(left(immediate), ["Cancelled 2.9 3@101 Immediate DONE LAST"]);
    let market = Command { order_type: OrderType::Market.code(), ..buyer(0, 8) };
    assert_eq!(left(market), ["Cancelled 2.9 3@0 Immediate DONE LAST"]);
}

#[test]
fn a_market_order_stops_at_its_protection_price() {
    let mut market = Market::with(&[(101, 5), (103, 5)]);
    let protected = Command {
        order_type: OrderType::Market.code(),
        // Between ticks: the order takes up to the tick before it.
        price: Price(10_250),
        ..buyer(0, 8)
    };
    let said = market.say(protected);
    assert_eq!(said[2..], ["Executed 2.9 5@101", "Cancelled 2.9 3@102 Immediate DONE LAST"]);
}

#[test]
fn all_or_nothing_is_all_or_nothing() {
    let mut market = Market::with(&[(101, 5), (102, 5)]);
    let said = market.say(lasting(buyer(102, 11), TimeInForce::Fok));
    assert_eq!(said, ["Accepted 2.9 11@102", "Cancelled 2.9 11@102 Immediate DONE LAST"]);
    let said = market.say(lasting(buyer(102, 10), TimeInForce::Fok));
    assert_eq!((said.len(), said[4].as_str()), (5, "Executed 2.9 5@102 DONE LAST"));
}

#[test]
fn post_only_never_takes() {
    let mut market = Market::with(&[(101, 5)]);
    let said = market.say(flagged(buyer(101, 5), Flags::POST_ONLY));
    assert_eq!(said, ["Accepted 2.9 5@101", "Cancelled 2.9 5@101 PostOnly DONE LAST"]);
    let said = market.say(flagged(buyer(100, 5), Flags::POST_ONLY));
    assert_eq!(said, ["Accepted 2.9 5@100 RESTS LAST"]);
}

#[test]
fn the_fill_cap_cancels_what_still_crosses() {
    let mut market = Market::with(&[(101, 1); 7]);
    let said = market.say(buyer(101, 8));
    assert_eq!(said.len(), 1 + 2 * 5 + 1);
    assert_eq!(said[11], "Cancelled 2.9 3@101 FillLimit DONE LAST");
    // The cap is no reason to cancel what crosses no more.
    let mut market = Market::with(&[(101, 1); 5]);
    assert_eq!(market.say(buyer(101, 8))[11], "Rested 2.9 3@101 LAST");
    // An order that would need one more fill than the cap cannot be filled whole.
    let mut market = Market::with(&[(101, 1); 7]);
    let said = market.say(lasting(buyer(101, 6), TimeInForce::Fok));
    assert_eq!(said[1], "Cancelled 2.9 6@101 Immediate DONE LAST");
}

#[test]
fn nobody_trades_with_himself_unless_he_says_so() {
    let own = |setting| {
        let mut market = Market::with(&[(101, 5), (102, 5)]);
        let mut stranger = order(3, 1, Side::Sell, 102, 5);
        stranger.account = AccountId(3);
        market.say(stranger);
        let command = Command { account: AccountId(1), ..buyer(102, 7) };
        market.say(flagged(command, Flags::default().with_self_trade(setting)))
    };
    assert_eq!(own(SelfTrade::CancelNewest)[1..], ["Cancelled 2.9 7@101 SelfTrade DONE LAST"]);
    assert_eq!(
        own(SelfTrade::CancelOldest)[1..],
        [
            "Cancelled 1.1 5@101 SelfTrade RESTS DONE",
            "Cancelled 1.2 5@102 SelfTrade RESTS DONE",
            "Executed 3.1 5@102 MAKER DONE",
            "Executed 2.9 5@102",
            "Rested 2.9 2@102 LAST",
        ]
    );
    assert_eq!(
        own(SelfTrade::CancelBoth)[1..],
        ["Cancelled 1.1 5@101 SelfTrade RESTS DONE", "Cancelled 2.9 7@101 SelfTrade DONE LAST",]
    );
    assert_eq!(own(SelfTrade::Allow).len(), 1 + 4);
}

#[test]
fn an_order_that_asks_for_the_impossible_is_refused_with_its_reason() {
    let good = buyer(99, 5);
    let cases = [
        (Command { verdict: RejectCode::Killed.code(), ..good }, RejectCode::Killed),
        (Command { session: SessionId(6), ..good }, RejectCode::UnknownSession),
        (Command { instrument: InstrumentId(9), ..good }, RejectCode::UnknownInstrument),
        (order(1, 1, Side::Buy, 99, 5), RejectCode::DuplicateOrder),
        (Command { quantity: Quantity(0), ..good }, RejectCode::InvalidQuantity),
        (Command { price: Price(0), ..good }, RejectCode::InvalidPrice),
        (Command { price: Price(-100), ..good }, RejectCode::InvalidPrice),
        (Command { price: Price(9_950), ..good }, RejectCode::InvalidPrice),
        (Command { order_type: OrderType::Stop.code(), ..good }, RejectCode::StopPrice),
        (lasting(good, TimeInForce::Gtd), RejectCode::ExpiryTime),
        (flagged(good, Flags::HIDDEN.with(Flags::POST_ONLY)), RejectCode::NotTogether),
        (Command { side: 7, ..good }, RejectCode::InvalidSide),
        (Command { kind: CommandKind::Split.code(), ..good }, RejectCode::Unsupported),
        (Command { kind: 200, ..good }, RejectCode::Unsupported),
    ];
    for (command, code) in cases {
        let mut market = Market::with(&[(100, 5)]);
        let events = market.0.send(Group::new(command));
        let [event] = &events[..] else { panic!("one answer to {command:?}") };
        assert_eq!(event.kind(), Ok(EventKind::Rejected));
        assert_eq!(event.reject_code(), Some(code), "{command:?}");
        assert_eq!((event.order_id(), event.client_seq), (command.order_id(), command.client_seq));
    }
}

#[test]
fn terms_that_ask_for_something_are_refused_and_empty_ones_are_not() {
    for (displayed, answer) in
        [(0, "Accepted 2.9 5@99 RESTS LAST"), (3, "Rejected 2.9 5@99 Discretion LAST")]
    {
        let mut group = Group::new(Command { lines: 2, ..buyer(99, 5) });
        let terms = Terms { discretion: Price(displayed), ..Terms::default() };
        group.rest_mut()[0] = terms.line();
        let mut market = Market::new();
        let said: Vec<_> = market.0.send(group).iter().map(line).collect();
        assert_eq!(said, [answer]);
    }
}

#[test]
fn a_full_book_refuses_what_might_rest_and_takes_what_cannot() {
    let mut market = Market::with(&[(101, 1); 40]);
    assert_eq!(market.say(buyer(101, 1)), ["Rejected 2.9 1@101 BookFull LAST"]);
    let said = market.say(lasting(buyer(101, 1), TimeInForce::Ioc));
    assert_eq!(said[2], "Executed 2.9 1@101 DONE LAST");
    assert_eq!(market.say(buyer(100, 1)), ["Accepted 2.9 1@100 RESTS LAST"]);
}

#[test]
fn a_replacement_keeps_its_place_only_if_it_asks_for_no_more() {
    let first_in_line = |replacement: Command| {
        let mut market = Market::with(&[(100, 10), (100, 10)]);
        let said = market.say(replacement);
        let seller = order(2, 9, Side::Sell, 100, 1);
        (said, market.say(seller)[1].clone())
    };
    let (said, first) = first_in_line(replace(1, 100, 6));
    assert_eq!(said, ["Replaced 1.8 6@100 KEPT RESTS", "Reduced 1.8 4@100 LAST"]);
    assert_eq!(first, "Executed 1.8 1@100 MAKER");
    let (said, first) = first_in_line(replace(1, 100, 10));
    assert_eq!(said, ["Replaced 1.8 10@100 KEPT RESTS LAST"]);
    assert_eq!(first, "Executed 1.8 1@100 MAKER");
    for other in [replace(1, 100, 11), flagged(replace(1, 100, 10), Flags::POST_ONLY)] {
        let (said, first) = first_in_line(other);
        assert!(said[0].starts_with("Replaced 1.8") && !said[0].contains("KEPT"));
        assert_eq!(first, "Executed 1.2 1@100 MAKER");
    }
}

#[test]
fn a_replacement_counts_what_its_chain_has_executed() {
    let mut market = Market::with(&[(100, 10)]);
    market.say(order(2, 1, Side::Sell, 100, 4));
    // A total of 12, of which 4 are done.
    assert_eq!(market.say(replace(1, 99, 12)), ["Replaced 1.8 8@99 RESTS LAST"]);
    let again = Command { ordinal: 18, ..replace(8, 99, 4) };
    assert_eq!(market.say(again), ["Cancelled 1.8 8@99 ReplacedBelowExecuted RESTS DONE LAST"]);
}

#[test]
fn a_replacement_may_trade_and_takes_side_and_instrument_from_its_predecessor() {
    let mut market = Market::with(&[(99, 5), (101, 5)]);
    let replacement = Command {
        instrument: InstrumentId(2),
        side: Side::Sell.code(),
        account: AccountId(3),
        ..replace(1, 101, 7)
    };
    let events = market.0.send(Group::new(replacement));
    assert_eq!(
        events.iter().map(line).collect::<Vec<_>>(),
        [
            "Replaced 1.8 7@101",
            "Executed 1.2 5@101 MAKER DONE",
            "Executed 1.8 5@101",
            "Rested 1.8 2@101 LAST",
        ]
    );
    assert_eq!((events[0].target, events[0].reference.0), (1, 1));
    assert_eq!((events[3].reference, events[3].account), (events[3].id.seq(), AccountId(1)));
}

#[test]
fn a_replacement_of_nothing_or_by_a_live_order_is_refused() {
    let mut market = Market::with(&[(99, 5), (100, 5)]);
    assert_eq!(market.say(replace(7, 99, 5)), ["Rejected 1.8 5@99 UnknownOrder LAST"]);
    let onto = Command { ordinal: 2, ..replace(1, 99, 5) };
    assert_eq!(market.say(onto), ["Rejected 1.2 5@99 DuplicateOrder LAST"]);
}

#[test]
fn a_cancel_cuts_to_a_total_and_keeps_the_place() {
    let cancel = |target, total| cut(CommandKind::Cancel, target, total, Side::Buy);
    let mut market = Market::with(&[(100, 10), (100, 10)]);
    market.say(order(2, 1, Side::Sell, 100, 3));
    assert_eq!(market.say(cancel(1, 8)), ["Cancelled 1.1 2@100 User RESTS LAST"]);
    assert_eq!(market.say(cancel(1, 8)), ["Nothing 1.0 8@0 LAST"]);
    assert_eq!(market.say(order(2, 2, Side::Sell, 100, 1))[1], "Executed 1.1 1@100 MAKER");
    assert_eq!(market.say(cancel(1, 4)), ["Cancelled 1.1 4@100 User RESTS DONE LAST"]);
    assert_eq!(market.say(cancel(2, 0)), ["Cancelled 1.2 10@100 User RESTS DONE LAST"]);
    assert_eq!(market.say(cancel(2, 0)), ["CancelRejected 1.2 0@0 UnknownOrder LAST"]);
}

#[test]
fn a_modify_marks_a_sale_anew_and_never_adds() {
    let modify = |total, side| cut(CommandKind::Modify, 1, total, side);
    let mut market = Market::with(&[(101, 10)]);
    let events = market.0.send(Group::new(modify(6, Side::SellShort)));
    assert_eq!(line(&events[0]), "Modified 1.1 6@101");
    assert_eq!(line(&events[1]), "Reduced 1.1 4@101 LAST");
    assert_eq!(events[0].side(), Some(Side::SellShort));
    assert_eq!(market.say(modify(7, Side::Sell)), ["CancelRejected 1.1 7@0 Unsupported LAST"]);
    assert_eq!(market.say(modify(6, Side::Buy)), ["CancelRejected 1.1 6@0 Unsupported LAST"]);
    let said = market.say(modify(0, Side::Sell));
    assert_eq!(said, ["Cancelled 1.1 6@101 User RESTS DONE LAST"]);
}

#[test]
fn commands_that_concern_no_book_have_their_answers() {
    let answers = [
        (CommandKind::SessionUp, EventKind::SessionUp),
        (CommandKind::Revive, EventKind::Revived),
        (CommandKind::StartOfDay, EventKind::StartOfDay),
        (CommandKind::EndOfDay, EventKind::EndOfDay),
        (CommandKind::AccountQuery, EventKind::NextOrdinal),
        (CommandKind::DisableEntry, EventKind::EntryDisabled),
        (CommandKind::EnableEntry, EventKind::EntryEnabled),
        (CommandKind::NotApplied, EventKind::NotApplied),
        (CommandKind::Tick, EventKind::Nothing),
        (CommandKind::Throttle, EventKind::Nothing),
        (CommandKind::SetBuyingPower, EventKind::Nothing),
        (CommandKind::Sweep, EventKind::Nothing),
    ];
    for (kind, answer) in answers {
        let command =
            Command { client_seq: 77, target: 5, quantity: Quantity(3), ..Command::new(kind) };
        let events = Market::new().0.send(Group::new(command));
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].kind(), Ok(answer));
        let target = if kind == CommandKind::NotApplied { 77 } else { 5 };
        assert_eq!((events[0].target, events[0].quantity), (target, Quantity(3)));
    }
}
