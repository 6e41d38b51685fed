//! Orders elsewhere, rule by rule: what is sent, what the client is told, and when.

use proptest::prelude::*;

use crate::engine::{Away, AwayOptions, BookView, EngineLimits, Matcher, SoftwareMatcher};
use crate::model::{
    AccountId, CancelReason, Command, CommandKind, Event, EventFlags, EventKind, Group, Instrument,
    InstrumentId, Nanos, Price, Quantity, RejectCode, SeqNo, SessionId, Side, Symbol, TimeInForce,
    TradeDetail,
};

const THERE: SessionId = SessionId(100);
const OTHER: SessionId = SessionId(101);

/// The instrument that both have.
const SHARED: InstrumentId = InstrumentId(9);

/// The instrument whose orders meet somebody here first.
const BOTH: InstrumentId = InstrumentId(8);

/// For how many commands a price counts: each comes a nanosecond after the one before.
const PRICES_LAST: Nanos = Nanos(10);

struct Desk {
    away: Away,
    seq: u64,
    sent: Vec<Command>,
}

impl Desk {
    fn new(in_flight_max: u32) -> Self {
        let options = AwayOptions {
            destinations: vec![THERE, OTHER],
            homes: vec![(InstrumentId(7), THERE), (BOTH, THERE), (SHARED, THERE), (SHARED, OTHER)],
            accounts: Vec::new(),
            here_first: vec![BOTH],
            asked: vec![THERE],
            orders_max: 64,
            in_flight_max,
            executions_max: 4,
        };
        let limits =
            EngineLimits { sweep_chunk: 4, sessions_max: 16, shard: 1, ..EngineLimits::DEFAULT };
        let listed = Instrument {
            id: BOTH,
            symbol: Symbol::new("BOTH").expect("a good name"),
            tick: Price(100),
            lot: Quantity(1),
            reference_price: Price(1_000),
        };
        let books = SoftwareMatcher::new(limits, &[listed]).expect("good limits");
        let away = Away::new(&options, &limits).choosing_by_price(PRICES_LAST);
        let away = away.with_books(books, &options);
        let mut desk = Self { away, seq: 0, sent: Vec::new() };
        desk.report(CommandKind::AwayUp, 0);
        desk
    }

    /// Gives a command its place; what it sends is kept, what it tells is returned.
    fn say(&mut self, mut group: Group<Command>) -> Vec<Event> {
        self.seq += 1;
        (group.head.seq, group.head.timestamp) = (SeqNo(self.seq), Nanos(self.seq));
        self.away.submit(&group).expect("everything was drained");
        let sent = &mut self.sent;
        self.away.take_routed(&mut |message| sent.push(message.head));
        let mut events = Vec::new();
        self.away.drain(usize::MAX, &mut |event| events.push(*event));
        assert!(events.last().is_some_and(|event| event.flags.has(EventFlags::LAST)));
        events
    }

    fn kinds(&mut self, command: Command) -> Vec<EventKind> {
        self.say(Group::new(command)).iter().map(|event| event.kind().expect("a kind")).collect()
    }

    fn enter(&mut self, ordinal: u32, quantity: u32) -> Vec<EventKind> {
        self.kinds(order(ordinal, quantity))
    }

    fn report(&mut self, kind: CommandKind, ordinal: u32) -> Vec<Event> {
        self.say(Group::new(Command { session: THERE, ordinal, ..Command::new(kind) }))
    }

    fn executed(&mut self, ordinal: u32, number: u64, quantity: u32) -> Vec<Event> {
        self.about(CommandKind::AwayExecuted, ordinal, number, quantity)
    }

    fn about(&mut self, kind: CommandKind, ordinal: u32, number: u64, units: u32) -> Vec<Event> {
        let (quantity, price) = (Quantity(units), Price(1_000));
        let head = Command { session: THERE, ordinal, quantity, price, ..Command::new(kind) };
        let mut group = Group::new(Command { lines: 2, ..head });
        group.rest_mut()[0] = TradeDetail { match_number: number, ..TradeDetail::default() }.line();
        self.say(group)
    }
}

fn order(ordinal: u32, quantity: u32) -> Command {
    Command {
        session: SessionId(3),
        ordinal,
        client_seq: 50 + ordinal,
        account: AccountId(9),
        instrument: InstrumentId(7),
        side: Side::Buy.code(),
        price: Price(1_000),
        quantity: Quantity(quantity),
        ..Command::new(CommandKind::Enter)
    }
}

/// One that rests here for others to meet.
fn resting_here(ordinal: u32, quantity: u32) -> Command {
    Command {
        session: SessionId(4),
        instrument: BOTH,
        side: Side::Sell.code(),
        account: AccountId(10),
        target: Command::HERE,
        ..order(ordinal, quantity)
    }
}

fn both(ordinal: u32, quantity: u32) -> Command {
    Command { instrument: BOTH, ..order(ordinal, quantity) }
}

fn about(kind: CommandKind, target: u32, quantity: u32) -> Command {
    Command { kind: kind.code(), target, ordinal: 0, ..order(0, quantity) }
}

fn told(events: &[Event]) -> Vec<(EventKind, u32, u32)> {
    let of = |e: &Event| (e.kind().expect("a kind"), e.ordinal, e.quantity.0);
    events.iter().map(of).collect()
}

#[test]
fn an_order_is_routed_then_accepted_then_traded_and_gone() {
    let mut desk = Desk::new(1_024);
    let events = desk.say(Group::new(order(5, 10)));
    assert_eq!((told(&events), events[0].client_seq), (vec![(EventKind::Routed, 5, 10)], 55));
    let sent = desk.sent[0];
    assert_eq!((sent.session, sent.ordinal, sent.client_seq), (THERE, 1, 1));
    assert_eq!((sent.seq, sent.account), (SeqNo(2), AccountId(9)));
    let events = desk.report(CommandKind::AwayAccepted, 1);
    assert_eq!(told(&events), [(EventKind::Accepted, 5, 10)]);
    assert_eq!((events[0].client_seq, events[0].reference), (0, SeqNo(2)));
    assert_eq!(told(&desk.executed(1, 77, 4)), [(EventKind::Executed, 5, 4)]);
    let events = desk.executed(1, 78, 6);
    assert!(events[0].flags.has(EventFlags::AWAY.with(EventFlags::DONE)));
    assert_eq!(events[0].match_number(), events[0].id);
    assert_eq!(desk.away.open_orders(), 0);
}

#[test]
fn an_execution_counts_once_and_its_undoing_too() {
    let mut desk = Desk::new(1_024);
    desk.enter(5, 10);
    // Nobody has accepted it: that it trades says so.
    let events = desk.executed(1, 77, 10);
    assert_eq!(told(&events), [(EventKind::Accepted, 5, 10), (EventKind::Executed, 5, 10)]);
    let told_as = events[1].id;
    assert_eq!(desk.executed(1, 77, 10)[0].kind(), Ok(EventKind::Nothing));
    let busted = desk.about(CommandKind::AwayBusted, 1, 77, 0);
    assert_eq!(told(&busted), [(EventKind::Busted, 5, 10)]);
    assert_eq!(busted[0].reference, SeqNo(told_as.0));
    assert_eq!(desk.about(CommandKind::AwayBusted, 1, 77, 0)[0].kind(), Ok(EventKind::Nothing));
    // Told again, it is another trade under the same number.
    assert_eq!(told(&desk.executed(1, 77, 8)), [(EventKind::Corrected, 5, 8)]);
    let both = desk.about(CommandKind::AwayCorrected, 1, 77, 9);
    assert_eq!(told(&both), [(EventKind::Busted, 5, 8), (EventKind::Corrected, 5, 9)]);
    // Four are remembered: the fifth after it pushes it out.
    desk.enter(6, 100);
    (0..4).for_each(|number| _ = desk.executed(2, number, 1));
    assert_eq!(desk.about(CommandKind::AwayBusted, 1, 77, 0)[0].kind(), Ok(EventKind::Nothing));
}

#[test]
fn a_cut_is_told_as_what_went_and_a_cancel_as_asked() {
    let mut desk = Desk::new(1_024);
    desk.enter(5, 10);
    desk.report(CommandKind::AwayAccepted, 1);
    assert_eq!(desk.kinds(about(CommandKind::Cancel, 5, 7)), [EventKind::Routed]);
    assert_eq!(desk.sent[1].kind(), Some(CommandKind::Modify), "it is always answered");
    let refused = desk.say(Group::new(about(CommandKind::Cancel, 5, 0)));
    assert_eq!(refused[0].reject_code(), Some(RejectCode::Pending));
    let modified = Command {
        session: THERE,
        ordinal: 1,
        quantity: Quantity(7),
        ..Command::new(CommandKind::AwayModified)
    };
    assert_eq!(told(&desk.say(Group::new(modified))), [(EventKind::Cancelled, 5, 3)]);
    // More than it has asks nothing, and nothing is sent.
    assert_eq!(desk.kinds(about(CommandKind::Cancel, 5, 9)), [EventKind::Nothing]);
    desk.kinds(about(CommandKind::Cancel, 5, 0));
    assert_eq!(desk.sent.len(), 3);
    let gone = Command { side: CancelReason::User.code(), ..modified };
    let gone = Command { kind: CommandKind::AwayCancelled.code(), ..gone };
    let events = desk.say(Group::new(gone));
    assert_eq!(told(&events), [(EventKind::Cancelled, 5, 7)]);
    assert!(events[0].flags.has(EventFlags::DONE));
}

#[test]
fn a_replacement_takes_the_others_place_or_leaves_it() {
    let mut desk = Desk::new(1_024);
    desk.enter(5, 10);
    desk.executed(1, 1, 4);
    let replace = Command { ordinal: 6, target: 5, ..about(CommandKind::Replace, 5, 12) };
    assert_eq!(desk.kinds(replace), [EventKind::Routed]);
    assert_eq!((desk.sent[1].target, desk.sent[1].ordinal), (1, 2));
    let code = RejectCode::PriceCollar.code();
    let refusal = Command { session: THERE, ordinal: 2, side: code, ..Command::default() };
    let events = desk.say(Group::new(Command {
        kind: CommandKind::AwayRejected.code(),
        lines: 1,
        ..refusal
    }));
    assert_eq!(told(&events), [(EventKind::Rejected, 6, 8)]);
    assert!(events[0].flags.has(EventFlags::DONE), "what was held for it goes back");
    desk.kinds(Command { ordinal: 7, ..replace });
    let replaced = Command {
        session: THERE,
        ordinal: 3,
        target: 1,
        quantity: Quantity(8),
        price: Price(1_100),
        ..Command::new(CommandKind::AwayReplaced)
    };
    let events = desk.say(Group::new(replaced));
    assert_eq!(told(&events), [(EventKind::Replaced, 7, 8)]);
    assert_eq!((events[0].target, events[0].price), (5, Price(1_100)));
    // One that leaves nothing takes both along.
    desk.kinds(Command { ordinal: 8, target: 7, ..replace });
    let none = Command { side: CancelReason::User.code(), target: 0, ..replaced };
    let events = desk.say(Group::new(Command { kind: CommandKind::AwayCancelled.code(), ..none }));
    assert_eq!(events[0].cancel_reason(), Some(CancelReason::ReplacedBelowExecuted));
    assert_eq!((events[0].ordinal, events[0].target, desk.away.open_orders()), (7, 8, 0));
    // Nor does one stay that is reported to stand with nothing left.
    desk.enter(9, 10);
    desk.executed(5, 2, 6);
    desk.kinds(Command { ordinal: 10, ..about(CommandKind::Replace, 9, 6) });
    let done = Command { ordinal: 6, target: 5, quantity: Quantity(0), ..replaced };
    assert_eq!(told(&desk.say(Group::new(done))), [(EventKind::Cancelled, 9, 4)]);
    assert_eq!(desk.away.open_orders(), 0);
}

#[test]
fn what_was_asked_of_an_order_that_ended_otherwise_came_too_late() {
    use EventKind::{CancelRejected, Cancelled, Executed, Rejected};
    let mut desk = Desk::new(1_024);
    let told_kinds = |events: Vec<Event>| -> Vec<EventKind> {
        events.iter().map(|event| event.kind().expect("a kind")).collect()
    };
    (1..=5).for_each(|ordinal| _ = desk.enter(ordinal, 10));
    desk.kinds(about(CommandKind::Cancel, 1, 0));
    let filled = desk.executed(1, 7, 10);
    assert_eq!(told(&filled[1..]), [(Executed, 1, 10), (CancelRejected, 1, 0)]);
    assert_eq!(filled[2].reject_code(), Some(RejectCode::UnknownOrder));
    assert_eq!(filled[2].client_seq, 0, "a late answer");
    // The destination's own refusal, afterwards, is of nobody.
    assert_eq!(desk.report(CommandKind::AwayCancelRejected, 1)[0].kind(), Ok(EventKind::Nothing));
    // An order that is refused leaves nothing to cancel, nor to cut.
    desk.kinds(about(CommandKind::Cancel, 2, 0));
    desk.kinds(about(CommandKind::Cancel, 3, 4));
    for ordinal in [2, 3] {
        let refused = told_kinds(desk.report(CommandKind::AwayRejected, ordinal));
        assert_eq!(refused, [Rejected, CancelRejected]);
    }
    // A cancel is answered by whatever takes the order away, a cut is not.
    desk.report(CommandKind::AwayAccepted, 4);
    desk.report(CommandKind::AwayAccepted, 5);
    desk.kinds(about(CommandKind::Cancel, 4, 0));
    desk.kinds(about(CommandKind::Cancel, 5, 4));
    let expired = |ordinal| {
        let kind = Command::new(CommandKind::AwayCancelled);
        Command { session: THERE, ordinal, side: CancelReason::Expired.code(), ..kind }
    };
    assert_eq!(desk.kinds(expired(4)), [Cancelled]);
    assert_eq!(desk.kinds(expired(5)), [Cancelled, CancelRejected]);
    // Nobody waits for the answer to what another asked.
    desk.enter(6, 10);
    desk.kinds(Command::new(CommandKind::Kill));
    assert_eq!(told_kinds(desk.executed(6, 8, 10)).last(), Some(&Executed));
}

#[test]
fn who_is_not_heard_gets_no_orders_and_a_full_way_none_either() {
    let mut desk = Desk::new(16);
    for ordinal in 1..=4 {
        assert_eq!(desk.enter(ordinal, 1), [EventKind::Routed]);
    }
    let busy = desk.say(Group::new(order(5, 1)));
    assert_eq!(busy[0].reject_code(), Some(RejectCode::DestinationBusy));
    // Cancels still find room; what is heard there makes some.
    assert_eq!(desk.kinds(about(CommandKind::Cancel, 1, 0)), [EventKind::Routed]);
    let heard = Command { session: THERE, target: 6, ..Command::new(CommandKind::AwayHeard) };
    desk.say(Group::new(heard));
    assert_eq!(desk.enter(5, 1), [EventKind::Routed]);
    assert_eq!(desk.report(CommandKind::AwayDown, 0)[0].kind(), Ok(EventKind::DestinationDown));
    let down = desk.say(Group::new(order(6, 1)));
    assert_eq!(down[0].reject_code(), Some(RejectCode::DestinationDown));
    assert_eq!(desk.kinds(about(CommandKind::Cancel, 2, 0)), [EventKind::Routed]);
}

#[test]
fn a_kill_reaches_them_in_chunks_and_insists() {
    let mut desk = Desk::new(1_024);
    for ordinal in 1..=10 {
        desk.enter(ordinal, 5);
        desk.report(CommandKind::AwayAccepted, ordinal);
    }
    // One is being cut meanwhile: its cancel follows the answer.
    desk.kinds(about(CommandKind::Cancel, 2, 3));
    desk.sent.clear();
    desk.kinds(Command::new(CommandKind::Kill));
    assert_eq!(desk.sent.len(), 3);
    while desk.away.wants_sweep() {
        desk.kinds(Command { target: 1, ..Command::new(CommandKind::Sweep) });
    }
    assert_eq!(desk.sent.len(), 9);
    let cut = Command { session: THERE, ordinal: 2, quantity: Quantity(3), ..Command::default() };
    let cut = Command { kind: CommandKind::AwayModified.code(), lines: 1, ..cut };
    desk.say(Group::new(cut));
    assert_eq!(desk.sent.len(), 10);
    // A cancel that was lost on its way is sent again, and the client is told nothing.
    let lost = Command { side: RejectCode::NotDelivered.code(), ..cut };
    let lost = Command { kind: CommandKind::AwayCancelRejected.code(), ..lost };
    assert_eq!(desk.say(Group::new(lost))[0].kind(), Ok(EventKind::Nothing));
    assert_eq!(desk.sent.len(), 11);
    for ordinal in 1..=10 {
        let side = CancelReason::User.code();
        let gone = Command { session: THERE, ordinal, side, ..cut };
        let gone = Command { quantity: Quantity(0), ..gone };
        let gone = Command { kind: CommandKind::AwayCancelled.code(), ..gone };
        let events = desk.say(Group::new(gone));
        assert_eq!(events[0].cancel_reason(), Some(CancelReason::Supervisory));
    }
    assert_eq!(desk.away.open_orders(), 0);
}

#[test]
fn what_does_not_match_here_goes_on() {
    use EventKind::{Accepted, Cancelled, Executed, Replaced, Routed};
    let mut desk = Desk::new(1_024);
    assert_eq!(desk.kinds(resting_here(20, 4)), [Accepted]);
    assert_eq!(desk.away.top(BOTH).ask.map(|quote| quote.quantity), Some(4));
    let events = desk.say(Group::new(both(5, 10)));
    let found = told(&events);
    assert_eq!(found, [(Accepted, 5, 10), (Executed, 20, 4), (Executed, 5, 4), (Routed, 5, 6)]);
    assert_eq!(events[1].match_number(), events[2].match_number());
    assert!(!events[2].flags.has(EventFlags::DONE), "more of it is to come");
    assert_eq!((events[3].client_seq, events[3].reason), (0, 0));
    let sent = *desk.sent.last().expect("it went on");
    assert_eq!((sent.kind(), sent.quantity), (Some(CommandKind::Enter), Quantity(6)));
    // Its client knows that it was taken: only the destination's trades are news.
    assert_eq!(desk.report(CommandKind::AwayAccepted, 1)[0].kind(), Ok(EventKind::Nothing));
    assert_eq!(told(&desk.executed(1, 77, 2)), [(Executed, 5, 2)]);
    // The destination knows nothing of what traded here.
    let replace = about(CommandKind::Replace, 5, 20);
    desk.kinds(Command { ordinal: 6, instrument: BOTH, ..replace });
    let sent = *desk.sent.last().expect("it was asked");
    assert_eq!((sent.kind(), sent.quantity), (Some(CommandKind::Replace), Quantity(16)));
    let replaced = Command {
        session: THERE,
        ordinal: 2,
        target: 1,
        quantity: Quantity(14),
        ..Command::new(CommandKind::AwayReplaced)
    };
    assert_eq!(told(&desk.say(Group::new(replaced))), [(Replaced, 6, 14)]);
    assert_eq!(told(&desk.executed(2, 78, 14)), [(Executed, 6, 14)]);
    assert_eq!(desk.away.open_orders(), 0);
    // Whom nobody meets goes on whole, and is told nothing before the destination has spoken.
    assert_eq!(desk.kinds(both(7, 3)), [Routed]);
    assert_eq!(told(&desk.report(CommandKind::AwayRejected, 3)), [(EventKind::Rejected, 7, 3)]);
    // The rest is refused: of what traded here nothing is undone.
    desk.kinds(resting_here(21, 1));
    desk.kinds(both(8, 3));
    assert_eq!(told(&desk.report(CommandKind::AwayRejected, 4)), [(Cancelled, 8, 2)]);
    // One that is whole here goes nowhere, and neither does one that may not.
    let before = desk.sent.len();
    desk.kinds(resting_here(22, 9));
    assert_eq!(desk.kinds(both(9, 9)), [Accepted, Executed, Executed]);
    assert_eq!(desk.sent.len(), before);
    let fok = TimeInForce::Fok.code();
    desk.kinds(resting_here(23, 1));
    assert_eq!(desk.kinds(Command { time_in_force: fok, ..both(10, 2) }), [Routed]);
    assert_eq!(desk.sent.last().map(|sent| sent.quantity), Some(Quantity(2)));
    // What rests here is cancelled here.
    let cancel = Command { session: SessionId(4), ..about(CommandKind::Cancel, 23, 0) };
    assert_eq!(desk.kinds(Command { instrument: BOTH, ..cancel }), [Cancelled]);
    // Nobody hears the destination: what could have to go on is not begun.
    desk.report(CommandKind::AwayDown, 0);
    assert_eq!(desk.kinds(both(11, 1)), [EventKind::Rejected]);
    assert_eq!(desk.kinds(resting_here(24, 1)), [Accepted]);
}

#[test]
fn a_mark_goes_back_and_takes_no_number() {
    let mut desk = Desk::new(1_024);
    let mark = Command { session: THERE, price: Price(9), ..Command::new(CommandKind::AwayHeard) };
    assert_eq!(desk.kinds(mark), [EventKind::Nothing]);
    let back = *desk.sent.last().expect("it went back");
    assert_eq!((back.kind(), back.price), (Some(CommandKind::AwayHeard), Price(9)));
    desk.enter(5, 10);
    assert_eq!(desk.sent.last().map(|sent| sent.client_seq), Some(1));
}

#[test]
fn in_a_destination_that_is_lost_orders_are_in_doubt_until_it_was_asked() {
    let mut desk = Desk::new(1_024);
    for ordinal in 1..=6 {
        desk.enter(ordinal, 10);
        if ordinal != 6 {
            desk.report(CommandKind::AwayAccepted, ordinal);
        }
    }
    desk.report(CommandKind::AwayDown, 0);
    let mut doubted = Vec::new();
    let sweep = || Command::new(CommandKind::Sweep);
    while desk.away.wants_sweep() {
        doubted.extend(told(&desk.say(Group::new(sweep()))));
    }
    doubted.retain(|event| event.0 == EventKind::InDoubt);
    let all: Vec<_> = (1..=5).map(|ordinal| (EventKind::InDoubt, ordinal, 10)).collect();
    assert_eq!(doubted, all, "the sixth was never answered: its fate is asked for anyway");
    desk.report(CommandKind::AwayUp, 0);
    let before = desk.sent.len();
    while desk.away.wants_sweep() {
        desk.say(Group::new(sweep()));
    }
    let asked: Vec<_> = desk.sent[before..].iter().map(|sent| (sent.kind(), sent.target)).collect();
    assert_eq!(asked, (1..=5).map(|at| (Some(CommandKind::AskStatus), at)).collect::<Vec<_>>());
    let says = |ordinal: u32, left: u32| Command {
        session: THERE,
        ordinal,
        side: 1,
        quantity: Quantity(left),
        ..Command::new(CommandKind::AwayAccepted)
    };
    let stands = desk.say(Group::new(says(1, 10)));
    assert_eq!(told(&stands), [(EventKind::Confirmed, 1, 10)]);
    assert_eq!(desk.kinds(says(1, 10)), [EventKind::Nothing], "it is told once");
    // Less is left there than is known here: an execution is still to be told.
    assert_eq!(desk.kinds(says(2, 7)), [EventKind::Nothing]);
    let found = told(&desk.executed(2, 90, 3));
    assert_eq!(found, [(EventKind::Executed, 2, 3), (EventKind::Confirmed, 2, 7)]);
    assert_eq!(told(&desk.report(CommandKind::AwayRejected, 3)), [(EventKind::Cancelled, 3, 10)]);
    assert_eq!(told(&desk.executed(4, 91, 10)), [(EventKind::Executed, 4, 10)]);
    desk.report(CommandKind::AwayAccepted, 6);
    assert_eq!(desk.away.open_orders(), 4);
}

proptest! {
    /// Whatever clients ask and destinations say, no quantity is made or lost: what an order was
    /// accepted for is executed, cancelled or open, and messages are numbered without a gap.
    #[test]
    fn quantities_add_up_whatever_is_said(
        steps in prop::collection::vec((0u8..16, 1u32..12, 0u32..12, 0u8..40), 1..200),
    ) {
        let mut desk = Desk::new(1_024);
        let mut left = std::collections::BTreeMap::<u32, i64>::new();
        let mut here = std::collections::BTreeSet::new();
        let mut asked = std::collections::BTreeSet::new();
        for (at, (what, ordinal, quantity, side)) in steps.into_iter().enumerate() {
            let away = |kind: CommandKind| Command {
                session: THERE,
                ordinal,
                target: quantity,
                quantity: Quantity(quantity),
                price: Price(1_000),
                side,
                ..Command::new(kind)
            };
            let events = match what {
                0..3 => desk.say(Group::new(order(at as u32 + 1, quantity + 1))),
                3 | 4 => {
                    let kind = if what == 3 { CommandKind::Cancel } else { CommandKind::Replace };
                    let mut change = about(kind, ordinal, quantity + u32::from(what == 4));
                    if what == 4 {
                        change.ordinal = at as u32 + 1;
                    }
                    if here.contains(&ordinal) {
                        here.insert(change.ordinal);
                        change.instrument = BOTH;
                    }
                    desk.say(Group::new(change))
                }
                12..16 => {
                    let ordinal = at as u32 + 1;
                    here.insert(ordinal);
                    desk.say(Group::new(match what {
                        12 | 13 => resting_here(ordinal, quantity + 1),
                        _ => both(ordinal, quantity + 1),
                    }))
                }
                5 | 6 => desk.executed(ordinal, u64::from(side), quantity),
                7 => desk.say(Group::new(away(CommandKind::AwayAccepted))),
                8 => desk.say(Group::new(away(CommandKind::AwayCancelled))),
                9 => desk.say(Group::new(away(CommandKind::AwayReplaced))),
                10 => desk.say(Group::new(away(CommandKind::AwayRejected))),
                _ => desk.say(Group::new(away(CommandKind::AwayModified))),
            };
            let (quantity_asked, mut ended) = (quantity, Vec::new());
            for event in &events {
                let quantity = i64::from(event.quantity.0);
                match event.kind().expect("a kind") {
                    // A cut that finds no more than it leaves is answered by silence.
                    EventKind::Routed if what == 3 && quantity_asked == 0 => {
                        asked.insert(event.ordinal);
                    }
                    EventKind::CancelRejected if event.client_seq == 0 => {
                        asked.remove(&event.ordinal);
                    }
                    EventKind::Cancelled => _ = asked.remove(&event.ordinal),
                    _ => {}
                }
                if event.flags.has(EventFlags::DONE) {
                    ended.push(event.ordinal);
                }
                match event.kind().expect("a kind") {
                    EventKind::Accepted => {
                        prop_assert_eq!(left.insert(event.ordinal, quantity), None);
                    }
                    EventKind::Replaced => {
                        left.remove(&event.target);
                        left.insert(event.ordinal, quantity);
                    }
                    EventKind::Executed | EventKind::Cancelled => {
                        let open = left.get_mut(&event.ordinal).expect("it was accepted");
                        *open -= quantity;
                        if event.flags.has(EventFlags::DONE) {
                            left.remove(&event.ordinal);
                        }
                    }
                    EventKind::Modified => {
                        left.insert(event.ordinal, quantity);
                    }
                    _ => {}
                }
            }
            // Whoever asked for an order's end, or part of it, has an answer when it has ended.
            ended.retain(|ordinal| asked.contains(ordinal));
            prop_assert_eq!(ended, Vec::<u32>::new());
        }
        for (number, message) in (1..).zip(&desk.sent) {
            prop_assert_eq!(message.client_seq, number);
        }
        desk.away.for_each_order(&mut |standing| {
            if let Some(open) = left.get(&standing.order.ordinal) {
                assert_eq!((*open).max(0), i64::from(standing.order.leaves.0));
            }
        });
    }
}

/// Market data tells where the instrument that both have is bought and sold best.
fn best(buy_at: u32, sell_at: u32) -> Group<Command> {
    let kind = CommandKind::SetReferencePrice;
    let head = Command { target: buy_at, ordinal: sell_at, ..Command::new(kind) };
    Group::new(Command { instrument: SHARED, price: Price(1_000), ..head })
}

#[test]
fn an_order_goes_to_the_exchange_with_the_better_price_while_that_is_fresh() {
    let mut desk = Desk::new(1_024);
    let mut ordinal = 0;
    let mut goes = |desk: &mut Desk, side: Side| {
        ordinal += 1;
        let entry = Command { instrument: SHARED, side: side.code(), ..order(ordinal, 10) };
        let kinds = desk.kinds(entry);
        (kinds == [EventKind::Routed]).then(|| desk.sent.last().expect("it was sent").session)
    };
    let up = |session| Group::new(Command { session, ..Command::new(CommandKind::AwayUp) });
    let down = |session| Group::new(Command { session, ..Command::new(CommandKind::AwayDown) });
    assert_eq!(goes(&mut desk, Side::Buy), Some(THERE), "nobody said who is better");
    desk.say(best(OTHER.0, THERE.0));
    assert_eq!(goes(&mut desk, Side::Buy), Some(THERE), "the better one is not heard");
    desk.say(up(OTHER));
    assert_eq!(goes(&mut desk, Side::Buy), Some(OTHER));
    assert_eq!(goes(&mut desk, Side::SellShort), Some(THERE));
    for _ in 0..PRICES_LAST.0 {
        desk.say(Group::new(Command::new(CommandKind::Tick)));
    }
    assert_eq!(goes(&mut desk, Side::Buy), Some(THERE), "an old price is none");
    desk.say(best(0, 77));
    assert_eq!(goes(&mut desk, Side::Buy), Some(THERE), "no exchange of ours has it");
    assert_eq!(goes(&mut desk, Side::Sell), Some(THERE), "nor this one");
    desk.say(down(THERE));
    assert_eq!(goes(&mut desk, Side::Sell), Some(OTHER), "the first that is heard");
    desk.say(down(OTHER));
    assert_eq!(goes(&mut desk, Side::Sell), None, "nobody is");
    // An order that names one goes there, whatever the prices.
    desk.say(up(THERE));
    desk.say(up(OTHER));
    desk.say(best(THERE.0, THERE.0));
    desk.say(Group::new(Command { target: OTHER.0, instrument: SHARED, ..order(90, 10) }));
    assert_eq!(desk.sent.last().map(|sent| sent.session), Some(OTHER));
}
