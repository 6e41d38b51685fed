//! What is written to an exchange and read from one.

use proptest::prelude::*;

use super::*;
use crate::model::{
    AccountId, Command, CommandKind, Flags, Group, InstrumentId, Nanos, OrderType, Price, Quantity,
    SelfTrade, SessionId, TermFlags, Terms, TimeInForce,
};
use crate::wire::fix::dictionary::Version;
use crate::wire::fix::frame::{Framing, frame};
use crate::wire::fix::order::{Asked, Directory, Orders, Sender, decode};
use crate::wire::fix::value::Precision;
use crate::wire::fix::{Reader, Writer, tag};

struct Names;

impl Directory for Names {
    fn instrument(&self, symbol: &[u8]) -> Option<InstrumentId> {
        (symbol == b"ABC").then_some(InstrumentId(3))
    }

    fn symbol(&self, _: InstrumentId) -> [u8; 8] {
        *b"ABC     "
    }

    fn account(&self, name: &[u8]) -> Option<AccountId> {
        (name == b"8").then_some(AccountId(8))
    }
}

/// What an exchange that reads as we do makes of an order that was routed; none where FIX has no
/// words for it.
fn read_back(group: &Group<Command>, version: Version) -> Option<(Command, Terms)> {
    let mut buffer = [0; 1024];
    let (mut writer, mut body) = (Writer::new(&mut buffer), [0; 1024]);
    // MsgType is known when the rest is written.
    let kind = {
        let mut trial = Writer::new(&mut body);
        write(group, b"ABC     ", version, Precision::Nanos, &mut trial)?
    };
    writer.bytes(tag::MSG_TYPE, kind);
    writer.bytes(tag::SENDER_COMP_ID, b"US");
    writer.bytes(tag::TARGET_COMP_ID, b"THEM");
    writer.number(tag::MSG_SEQ_NUM, 2);
    writer.time(tag::SENDING_TIME, Nanos(1_795_342_272_345_000_000), Precision::Millis);
    write(group, b"ABC     ", version, Precision::Nanos, &mut writer);
    let range = writer.seal(version.begin_string()).expect("it fits");
    let bytes = &buffer[range];
    let Framing::Whole(framed) = frame(bytes) else { panic!("not framed") };
    let mut reader = Reader::new(*version.dictionary());
    let checked = reader.read(bytes, &framed).expect("a message");
    assert_eq!(checked.verdict, Ok(()), "{}", checked.message);
    let sender = Sender {
        session: SessionId(1),
        default_account: AccountId(1),
        self_trade: SelfTrade::Allow,
        client_seq: 2,
        received_at: Nanos(1),
    };
    match decode(&checked.message, &sender, &Names, &Orders::new(version, 16, 1)) {
        Asked::Request(read) => Some((read.head.0, read.terms().copied().unwrap_or_default())),
        other => panic!("{other:?}"),
    }
}

prop_compose! {
    /// An order as one that was taken here may be.
    fn orders()(
        order_type in proptest::sample::select(OrderType::ALL),
        life in proptest::sample::select(vec![
            TimeInForce::Day, TimeInForce::Ioc, TimeInForce::Fok, TimeInForce::Gtc,
            TimeInForce::Gtd,
        ]),
        (price, stop, offset) in (1i64..100_000, 1i64..100_000, -500i64..500),
        (discretion, displayed, minimum) in (-500i64..500, 0u32..50, 0u32..50),
        (is_post_only, is_hidden, whole_only, has_price) in any::<(bool, bool, bool, bool)>(),
    ) -> Group<Command> {
        use OrderType as O;
        let is_peg = matches!(order_type, O::PegPrimary | O::PegMarket | O::PegMidpoint);
        let is_stop = matches!(order_type, O::Stop | O::StopLimit | O::TrailingStop);
        let is_limit = order_type == O::Limit;
        let mut terms = Terms::default();
        if is_stop {
            terms.stop_price = Price(stop * 100);
        }
        if is_peg || order_type == O::TrailingStop {
            terms.offset = Price(offset * 100);
        }
        if order_type == O::TrailingStop {
            terms.offset = Price(terms.offset.0.abs());
        }
        if is_limit && price + discretion > 0 {
            terms.discretion = Price(discretion * 100);
        }
        if life == TimeInForce::Gtd {
            terms.expires_at = 1_795_342_272_345_000_000;
        }
        if !is_hidden {
            terms.displayed = Quantity(displayed);
        }
        terms.minimum = Quantity(if life == TimeInForce::Ioc { minimum } else { 0 });
        if whole_only {
            terms.flags = TermFlags::ALL_OR_NONE;
        }
        let mut flags = Flags::default();
        for (is_so, flag) in [(is_post_only, Flags::POST_ONLY), (is_hidden, Flags::HIDDEN)] {
            flags = if is_so { flags.with(flag) } else { flags };
        }
        let head = Command {
            ordinal: 9,
            instrument: InstrumentId(3),
            account: AccountId(8),
            quantity: Quantity(100),
            price: match order_type {
                O::Market | O::MarketToLimit => Price::ZERO,
                O::Stop | O::TrailingStop => terms.stop_price,
                _ if is_peg && !has_price => Price::ZERO,
                _ => Price((price + terms.discretion.0 / 100) * 100),
            },
            order_type: order_type.code(),
            time_in_force: life.code(),
            flags,
            ..Command::new(CommandKind::Enter)
        };
        let mut group = Group::new(head);
        if terms != Terms::default() {
            group.rest_mut()[0] = terms.line();
            group.head.lines = 2;
        }
        group
    }
}

proptest! {
    #[test]
    fn a_name_is_read_as_it_was_written(number: u32, is_order: bool) {
        let name = if is_order { Name::Order(number) } else { Name::Cancel(number) };
        let (text, length) = name.written();
        prop_assert_eq!(Name::read(&text[..length]), Some(name));
        prop_assert!(text[length..].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn what_is_not_ours_has_no_name(text in "[ -~]{0,20}") {
        if let Some(name) = Name::read(text.as_bytes()) {
            let (written, length) = name.written();
            let digits = text.trim_start_matches(['W', 'C']).trim_start_matches('0');
            prop_assert!(written[..length].ends_with(digits.as_bytes()));
        }
    }

    #[test]
    fn an_exchange_reads_what_a_client_asked(
        group in orders(),
        version in proptest::sample::select(&Version::ALL[..]),
    ) {
        let said = read_back(&group, version);
        let is_newer = matches!(
            group.head.order_type(),
            Some(OrderType::TrailingStop | OrderType::MarketToLimit)
        );
        prop_assert_eq!(said.is_none(), is_newer && version == Version::Fix42);
        let Some((head, terms)) = said else { return Ok(()) };
        prop_assert_eq!(head.verdict, 0);
        prop_assert_eq!(head.order_type(), group.head.order_type());
        prop_assert_eq!(head.time_in_force(), group.head.time_in_force());
        prop_assert_eq!((head.price, head.quantity), (group.head.price, group.head.quantity));
        prop_assert_eq!(terms, group.terms().copied().unwrap_or_default());
        let wishes = |command: &Command| {
            (command.flags.has(Flags::POST_ONLY), command.flags.has(Flags::HIDDEN))
        };
        prop_assert_eq!(wishes(&head), wishes(&group.head));
    }
}
