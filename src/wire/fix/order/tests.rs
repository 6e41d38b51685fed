//! The parts of order entry that need no matching: reading, finding by ClOrdID, averages.

use proptest::collection::vec;
use proptest::prelude::*;

use super::codes;
use super::*;
use crate::model::{
    AccountId, Command, CommandKind, Event, EventFlags, EventKind, Flags, Group, InstrumentId,
    Line, Nanos, OrderType, Price, Quantity, RejectCode, SelfTrade, SeqNo, SessionId, Side,
    TermFlags, Terms, Text, TimeInForce,
};
use crate::wire::fix::dictionary::Version;
use crate::wire::fix::frame::{Framing, frame};
use crate::wire::fix::message::Indexer;
use crate::wire::fix::reject::{BusinessReject, Refusal, SessionReject};
use crate::wire::fix::shared::message;

struct Names;

impl Directory for Names {
    fn instrument(&self, symbol: &[u8]) -> Option<InstrumentId> {
        (symbol == b"ABC").then_some(InstrumentId(3))
    }

    fn symbol(&self, instrument: InstrumentId) -> [u8; 8] {
        if instrument.0 == 3 { *b"ABC     " } else { [b' '; 8] }
    }

    fn account(&self, name: &[u8]) -> Option<AccountId> {
        (name == b"FUND").then_some(AccountId(8))
    }
}

const SENDER: Sender = Sender {
    session: SessionId(5),
    default_account: AccountId(7),
    self_trade: SelfTrade::CancelNewest,
    client_seq: 9,
    received_at: Nanos(1),
};

const HEAD: &str = "49=A|56=B|34=9|52=20261122-10:00:00|";

fn orders() -> Orders {
    Orders::new(Version::Fix44, 16, 1)
}

/// What a body is read as: the request, or why there is none.
fn read(body: &str, orders: &Orders) -> Result<Group<crate::model::Request>, String> {
    let bytes = message("FIX.4.4", body);
    let Framing::Whole(found) = frame(&bytes) else { panic!("not framed") };
    let mut indexer = Indexer::new();
    let message = indexer.read(&bytes, &found, Version::Fix44.dictionary()).expect("good");
    match decode(&message, &SENDER, &Names, orders) {
        Asked::Request(group) => Ok(group),
        other => Err(format!("{other:?}")),
    }
}

fn order(fields: &str) -> Command {
    let usual = ["11=ID|", "21=1|", "55=ABC|", "54=1|", "60=20261122-10:00:00|"];
    let usual: String =
        usual.iter().filter(|field| !fields.contains(&field[..3])).copied().collect();
    let body = format!("35=D|{HEAD}{usual}{fields}");
    read(&body, &orders()).expect("a request").head.0
}

#[test]
fn an_order_is_read_with_all_it_asks() {
    let body = format!(
        "35=D|{HEAD}11=ID|1=FUND|453=2|448=77|447=P|452=122|448=88|447=P|452=12|21=1|18=6|110=10|\
         111=50|55=ABC|54=5|60=20261122-10:00:00|38=100|40=4|44=10.5|99=11|59=6|\
         126=20261123-10:00:00|528=P|"
    );
    let group = read(&body, &orders()).expect("a request");
    let head = group.head.0;
    assert_eq!((head.kind(), head.verdict), (Some(CommandKind::Enter), 0));
    assert_eq!((head.ordinal, head.client_seq, head.session), (1, 9, SessionId(5)));
    assert_eq!((head.instrument, head.account), (InstrumentId(3), AccountId(8)));
    assert_eq!(
        (head.side(), head.order_type()),
        (Some(Side::SellShort), Some(OrderType::StopLimit))
    );
    assert_eq!((head.price, head.quantity), (Price(105_000), Quantity(100)));
    assert_eq!(head.time_in_force(), Some(TimeInForce::Gtd));
    let terms = group.terms().expect("terms");
    assert_eq!((terms.stop_price, terms.minimum.0, terms.displayed.0), (Price(110_000), 10, 50));
    assert!(terms.expires_at > 0);
    let parties = group.parties().expect("parties");
    assert_eq!((parties.decision, parties.execution), (77, 88));
    assert!(group.text().is_some_and(|text| text.client_order_id.starts_with(b"ID\0")));
}

/// The head and the terms of an order of 100 at 10 with these fields.
fn styled(fields: &str) -> (Command, Terms) {
    let body = format!("35=D|{HEAD}11=ID|21=1|55=ABC|54=1|60=20261122-10:00:00|38=100|{fields}");
    let group = read(&body, &orders()).expect("a request");
    (group.head.0, group.terms().copied().unwrap_or_default())
}

#[test]
fn a_pegged_order_says_to_what_and_how_far_from_it() {
    for (code, kind) in
        [("M", OrderType::PegMidpoint), ("R", OrderType::PegPrimary), ("P", OrderType::PegMarket)]
    {
        for type_of in ["40=P|", "40=2|", "40=1|"] {
            let (head, terms) = styled(&format!("18={code}|{type_of}211=-0.05|"));
            assert_eq!((head.verdict, head.order_type()), (0, Some(kind)), "{type_of}");
            assert_eq!((head.price, terms.offset), (Price::ZERO, Price(-500)));
        }
        let (head, _) = styled(&format!("18={code}|40=P|44=10.5|836=0|840=1|"));
        assert_eq!((head.verdict, head.price), (0, Price(105_000)), "as far as it goes");
    }
    for (fields, why) in [
        ("40=P|", RejectCode::NotTogether),
        ("18=R M|40=P|", RejectCode::NotTogether),
        ("18=R|40=3|99=11|", RejectCode::NotTogether),
        ("18=a|40=4|44=10|99=11|", RejectCode::NotTogether),
        ("18=R|40=P|211=x|", RejectCode::PegOffset),
        ("18=R|40=P|211=0.05|836=1|", RejectCode::PegOffset),
        ("18=R|40=P|211=0.05|835=1|", RejectCode::PegOffset),
        ("18=R|40=P|211=0.05|837=1|", RejectCode::PegOffset),
    ] {
        assert_eq!(styled(fields).0.refused(), Some(why), "{fields}");
    }
}

#[test]
fn a_stop_takes_its_price_to_risk_and_a_trail_its_distance() {
    let (head, terms) = styled("40=3|99=11|");
    assert_eq!((head.price, terms.stop_price), (Price(110_000), Price(110_000)));
    for fields in ["40=3|18=a|211=-0.5|", "40=P|18=a|211=0.5|"] {
        let (head, terms) = styled(fields);
        assert_eq!((head.verdict, head.order_type()), (0, Some(OrderType::TrailingStop)));
        assert_eq!((head.price, terms.offset), (Price::ZERO, Price(5_000)), "{fields}");
    }
    let (head, terms) = styled("40=3|18=a|211=0.5|99=11|");
    assert_eq!((head.price, terms.stop_price), (Price(110_000), Price(110_000)));
    assert_eq!(styled("40=3|").0.refused(), Some(RejectCode::StopPrice));
    assert_eq!(styled("40=4|44=10|").0.refused(), Some(RejectCode::StopPrice));
    let (head, _) = styled("40=K|");
    assert_eq!((head.verdict, head.order_type()), (0, Some(OrderType::MarketToLimit)));
}

#[test]
fn discretion_reaches_beyond_the_price_that_is_shown() {
    for fields in ["40=2|44=10|388=0|389=0.25|", "40=2|44=10|389=0.25|"] {
        let (head, terms) = styled(fields);
        assert_eq!((head.verdict, head.price), (0, Price(102_500)), "{fields}");
        assert_eq!(terms.discretion, Price(2_500));
    }
    for fields in [
        "40=2|44=10|388=1|389=0.25|",
        "40=2|44=10|388=0|",
        "40=2|44=10|388=0|389=0|",
        "40=2|44=10|388=0|389=0.25|842=1|",
        "40=2|44=10|388=0|389=-10|",
        "40=2|44=10|388=0|389=x|",
        "40=1|388=0|389=0.25|",
        "40=P|18=R|388=0|389=0.25|",
    ] {
        assert_eq!(styled(fields).0.refused(), Some(RejectCode::Discretion), "{fields}");
    }
}

#[test]
fn all_or_none_is_an_instruction_like_others() {
    let (head, terms) = styled("40=2|44=10|18=1 G|111=0|");
    assert_eq!((head.verdict, terms.flags), (0, TermFlags::ALL_OR_NONE));
    assert!(head.flags.has(Flags::HIDDEN));
    assert_eq!(styled("40=2|44=10|59=6|").0.refused(), Some(RejectCode::ExpiryTime));
}

#[test]
fn an_order_names_its_destination_and_hides_what_it_does_not_show() {
    let named = order("11=ID|38=100|40=2|44=10|100=HERE|111=0|");
    assert_eq!((named.target, named.verdict), (Command::HERE, 0));
    assert!(named.flags.has(Flags::HIDDEN));
    let nowhere = order("38=100|40=2|44=10|100=MOON|");
    assert_eq!(nowhere.refused(), Some(RejectCode::UnknownDestination));
}

#[test]
fn an_order_is_found_by_the_markets_number_where_its_name_is_not_known() {
    let mut orders = orders();
    let body = format!("35=D|{HEAD}11=ID|21=1|55=ABC|54=1|60=20261122-10:00:00|38=1|40=1|");
    let group = read(&body, &orders).expect("a request");
    orders.note(&group, &group.head.0);
    let event =
        Event { reference: SeqNo(77), ..Event::answering(&group.head.0, 0, EventKind::Accepted) };
    orders.apply(&event);
    let ask = |fields: &str| {
        let bytes = message("FIX.4.4", &format!("35=H|{HEAD}{fields}55=ABC|54=1|"));
        let Framing::Whole(framed) = frame(&bytes) else { panic!("it is whole") };
        let mut indexer = Indexer::new();
        let read = indexer.read(&bytes, &framed, Version::Fix44.dictionary()).expect("good");
        match decode(&read, &SENDER, &Names, &orders) {
            Asked::Status(id, _) => orders.status(&id).order_id,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask("11=ID|"), 77);
    assert_eq!(ask("37=77|11=OTHER|"), 77);
    assert_eq!(ask("37=77|"), 77);
    assert_eq!(ask("37=78|11=OTHER|"), 0, "it is not known");
}

#[test]
fn what_cannot_be_is_a_request_with_its_refusal() {
    for (fields, code) in [
        ("38=0.5|40=1|", RejectCode::InvalidQuantity),
        ("38=100|40=2|", RejectCode::InvalidPrice),
        ("38=100|40=2|44=1.00001|", RejectCode::InvalidPrice),
        ("38=100|40=3|", RejectCode::StopPrice),
        ("38=100|40=I|", RejectCode::Unsupported),
        ("38=100|40=1|59=6|", RejectCode::ExpiryTime),
        ("38=100|40=1|18=H|", RejectCode::Unsupported),
        ("38=100|40=1|54=B|", RejectCode::InvalidSide),
        ("38=100|40=1|55=XYZ|", RejectCode::UnknownInstrument),
        ("38=100|40=1|1=OTHER|", RejectCode::UnknownAccount),
    ] {
        assert_eq!(order(fields).refused(), Some(code), "{fields}");
    }
    let fok = order("38=100|40=1|59=3|110=100|");
    assert_eq!(fok.time_in_force(), Some(TimeInForce::Fok));
}

#[test]
fn requests_about_unknown_orders_and_strange_messages_are_told_apart() {
    let orders = orders();
    let cancel = read(&format!("35=F|{HEAD}11=C|41=none|55=ABC|54=1|"), &orders).expect("one");
    assert_eq!(cancel.head.0.refused(), Some(RejectCode::UnknownOrder));
    let all = read(&format!("35=q|{HEAD}11=M|530=7|"), &orders).expect("one");
    assert_eq!((all.head.0.verdict, all.head.0.instrument), (0, InstrumentId(0)));
    let unknown = read(&format!("35=q|{HEAD}11=M|530=1|55=XYZ|"), &orders).expect("one");
    assert_eq!(unknown.head.0.refused(), Some(RejectCode::UnknownInstrument));
    let odd = read(&format!("35=q|{HEAD}11=M|530=3|"), &orders).expect("one");
    assert_eq!(odd.head.0.refused(), Some(RejectCode::Unsupported));
    let long = "x".repeat(ID_MAX + 1);
    let refused = Asked::Rejected(Refusal::of(SessionReject::ValueIncorrect, 11));
    assert_eq!(
        read(&format!("35=D|{HEAD}11={long}|"), &orders).err(),
        Some(format!("{refused:?}"))
    );
    let other = Asked::Refused(BusinessReject::UnsupportedMessageType);
    assert_eq!(read(&format!("35=V|{HEAD}11=x|"), &orders).err(), Some(format!("{other:?}")));
}

#[test]
fn each_version_gets_only_reasons_it_knows() {
    for version in Version::ALL {
        let dictionary = version.dictionary();
        for &code in RejectCode::ALL {
            let reason = codes::order_reject_reason(code, version).to_string();
            assert!(dictionary.allows(103, reason.as_bytes()), "{version:?} {code:?} {reason}");
            for known in [false, true] {
                let reason = codes::cancel_reject_reason(code, known, version).to_string();
                assert!(dictionary.allows(102, reason.as_bytes()), "{version:?} {code:?}");
            }
        }
    }
}

fn entering(ordinal: u32, id: Id) -> (Command, Group<Command>) {
    let mut command = Command::new(CommandKind::Enter);
    (command.ordinal, command.quantity, command.lines) = (ordinal, Quantity(10), 2);
    let mut group = Group::new(command);
    let text = Text { client_order_id: id.0, ..Text::default() };
    group.rest_mut()[0] = text.line();
    let _: Line = group.rest()[0];
    (command, group)
}

fn id(number: u32) -> Id {
    Id::new(format!("ID{number}").as_bytes()).expect("short")
}

/// Asked of an order elsewhere, a cancel may wait for longer than requests are remembered.
#[test]
fn a_late_answer_names_the_cancel_however_much_was_asked_since() {
    let mut orders = orders();
    let ask = |orders: &mut Orders, kind: CommandKind, client_seq: u32, name: Id| {
        let (mut command, mut group) = entering(1, name);
        (command.kind, command.client_seq, command.target) = (kind.code(), client_seq, 1);
        group.head = command;
        orders.note(&group, &command);
        command
    };
    let entered = ask(&mut orders, CommandKind::Enter, 1, id(1));
    orders.apply(&Event::answering(&entered, 0, EventKind::Accepted));
    let cancel = ask(&mut orders, CommandKind::Cancel, 2, id(2));
    let reason = CommandKind::Cancel.code();
    let routed = Event::answering(&cancel, 0, EventKind::Routed);
    orders.apply(&Event { reason, ordinal: 1, ..routed });
    (3..2_000).for_each(|number| _ = ask(&mut orders, CommandKind::Cancel, number, id(number)));
    let late = Event { ordinal: 1, client_seq: 0, ..Event::default() };
    let mut other = orders.clone();
    let refused = Event { kind: EventKind::CancelRejected.code(), ..late };
    let Some(OrderReport::CancelReject(told)) = orders.apply(&refused) else { panic!("no answer") };
    assert_eq!((told.id, told.original_id, told.status), (id(2), id(1), b'0'));
    let gone = Event { kind: EventKind::Cancelled.code(), flags: EventFlags::DONE, ..late };
    let Some(OrderReport::Execution(told)) = other.apply(&gone) else { panic!("no answer") };
    assert_eq!((told.id, told.original_id, told.status), (id(2), id(1), b'4'));
    // What was refused is not asked any more.
    let Some(OrderReport::Execution(told)) = orders.apply(&gone) else { panic!("no answer") };
    assert_eq!((told.id, told.original_id), (id(1), Id::default()));
}

/// A cancel that comes with many orders is answered when others have taken its order's place.
#[test]
fn what_is_refused_names_its_order_though_that_made_way() {
    let mut orders = orders();
    let note = |orders: &mut Orders, kind: CommandKind, ordinal: u32, client_seq: u32| {
        let (mut command, mut group) = entering(ordinal, id(client_seq));
        (command.kind, command.client_seq, command.target) = (kind.code(), client_seq, 1);
        group.head = command;
        orders.note(&group, &command);
        command
    };
    let entered = note(&mut orders, CommandKind::Enter, 1, 1);
    orders.apply(&Event {
        flags: EventFlags::DONE,
        ..Event::answering(&entered, 0, EventKind::Executed)
    });
    let cancel = note(&mut orders, CommandKind::Cancel, 0, 2);
    (2..=17).for_each(|next| {
        note(&mut orders, CommandKind::Enter, next, 16 + next);
    });
    assert!(orders.get(1).is_none(), "17 stands in its place");
    let refused = Event::answering(&cancel, 0, EventKind::CancelRejected);
    let Some(OrderReport::CancelReject(told)) = orders.apply(&refused) else { panic!("no answer") };
    assert_eq!((told.id, told.original_id), (id(2), id(1)));
}

/// What replaces an order may be refused long after that has ended: both are named.
#[test]
fn an_order_keeps_its_room_while_what_is_to_replace_it_has_no_answer() {
    let mut orders = orders();
    let ask = |orders: &mut Orders, kind: CommandKind, ordinal: u32, kind_told: EventKind| {
        let (mut command, mut group) = entering(ordinal, id(ordinal));
        (command.kind, command.client_seq, command.target) = (kind.code(), ordinal, 1);
        group.head = command;
        orders.note(&group, &command);
        let event = Event::answering(&command, 0, kind_told);
        orders.apply(&Event { reason: kind.code(), ordinal, ..event });
    };
    ask(&mut orders, CommandKind::Enter, 1, EventKind::Accepted);
    ask(&mut orders, CommandKind::Replace, 2, EventKind::Routed);
    let ended = Event { ordinal: 1, flags: EventFlags::DONE, ..Event::default() };
    orders.apply(&Event { kind: EventKind::Cancelled.code(), ..ended });
    (3..=16).for_each(|next| ask(&mut orders, CommandKind::Enter, next, EventKind::Rejected));
    assert!(!orders.has_room(), "the next one would be in the first one's place");
    let refused = Event { kind: EventKind::Rejected.code(), ordinal: 2, target: 1, ..ended };
    let Some(OrderReport::CancelReject(told)) = orders.apply(&refused) else { panic!("no answer") };
    assert_eq!((told.id, told.original_id, told.status), (id(2), id(1), b'4'));
    assert!(orders.has_room());
}

proptest! {
    /// The table finds exactly the last orders, whatever ids come and however often it went round.
    #[test]
    fn orders_are_found_by_their_ids(numbers in vec(0u32..200, 0..300)) {
        let mut orders = Orders::new(Version::Fix44, 16, 42);
        let mut model: Vec<(u32, u32)> = Vec::new();
        for number in numbers {
            if orders.find(&id(number)).is_some() {
                continue;
            }
            let ordinal = orders.next_ordinal();
            let (command, group) = entering(ordinal, id(number));
            // Finished at once, so that there is always room.
            orders.note(&group, &command);
            let event = crate::model::Event {
                ordinal,
                ..crate::model::Event::answering(&command, 0, crate::model::EventKind::Rejected)
            };
            orders.apply(&event);
            model.push((ordinal, number));
            if model.len() > 16 {
                model.remove(0);
            }
            for number in 0..200 {
                let expected = model.iter().find(|(_, n)| *n == number).map(|(o, _)| *o);
                prop_assert_eq!(orders.find(&id(number)).map(|order| order.ordinal), expected);
            }
        }
    }

    #[test]
    fn decoding_never_panics(
        kind in prop_oneof![Just("D"), Just("G"), Just("F"), Just("q"), Just("H"), Just("AF")],
        fields in vec((prop_oneof![1u32..130, Just(453), Just(448), Just(528), Just(530)],
            "[0-9A-Z.-]{0,6}"), 0..20),
    ) {
        let fields: String = fields
            .iter()
            .filter(|(tag, _)| !matches!(tag, 90 | 93 | 95))
            .map(|(tag, value)| format!("{tag}={value}|"))
            .collect();
        let _ = read(&format!("35={kind}|{HEAD}{fields}"), &orders());
    }

    #[test]
    fn the_average_lies_between_the_prices(fills in vec((1u32..1000, 1i64..1_000_000), 1..20)) {
        let mut order = Order::default();
        for (quantity, price) in &fills {
            order.executed += quantity;
            order.notional += i128::from(*price) * i128::from(*quantity);
        }
        let prices = fills.iter().map(|fill| fill.1);
        let (low, high) = (prices.clone().min(), prices.max());
        prop_assert!(Some(order.average().0) >= low && Some(order.average().0) <= high);
    }
}
