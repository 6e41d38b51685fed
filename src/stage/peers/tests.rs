//! What is sent to a peer asks there what was asked here.

use proptest::prelude::*;

use crate::model::{
    AccountId, Command, CommandKind, Flags, Group, Instrument, InstrumentId, Nanos, OrderType,
    Price, Quantity, Request, SelfTrade, SessionId, Symbol, TermFlags, Terms, TimeInForce,
};
use crate::stage::gateway::{Sender, Symbols, read};
use crate::stage::peers::decode::{Origin, decode};
use crate::stage::peers::encode::encode;
use crate::wire::ouch::MESSAGE_MAX;

const MIDNIGHT: u64 = 20_000 * 86_400_000_000_000;

fn symbols() -> Symbols {
    let instrument = |id| Instrument {
        id: InstrumentId(id),
        symbol: Symbol::new("ACME").expect("a good name"),
        tick: Price(100),
        lot: Quantity(1),
        reference_price: Price(1_000_000),
    };
    Symbols::new(&[instrument(3)])
}

/// What the peer's gateway makes of a message.
fn read_there(group: &Group<Command>) -> Group<Request> {
    let sender = Sender {
        session: SessionId(9),
        default_account: AccountId(1),
        self_trade: SelfTrade::CancelNewest,
        last_ordinal: 0,
        client_seq: 1,
        received_at: Nanos(MIDNIGHT + 5),
    };
    let mut bytes = [0; MESSAGE_MAX];
    let length = encode(group, &symbols(), &mut bytes);
    let mut there = Group::new(Request::new(CommandKind::Tick, Nanos::ZERO));
    read(&bytes[..length], &sender, &symbols(), &mut there);
    there
}

fn order() -> impl Strategy<Value = Group<Command>> {
    let head = (0u8..4, 0u8..9, 0u8..9, 1u32..1_000, 1i64..10_000, any::<[bool; 3]>());
    let terms = (0u32..50, 0u32..50, 0i64..100, 0u16..3, 0u8..3, 1u64..86_400);
    (head, terms, any::<bool>()).prop_map(|(head, terms, replaces)| {
        let (side, order_type, time_in_force, quantity, price, [post_only, hidden, sweep]) = head;
        let (displayed, minimum, offset, group, wish, second) = terms;
        let mut flags = Flags::default().with_self_trade(SelfTrade::CancelNewest);
        for (is_set, flag) in
            [(post_only, Flags::POST_ONLY), (hidden, Flags::HIDDEN), (sweep, Flags::SWEEP)]
        {
            flags = if is_set { flags.with(flag) } else { flags };
        }
        let kind = if replaces { CommandKind::Replace } else { CommandKind::Enter };
        let head = Command {
            timestamp: Nanos(MIDNIGHT + 5),
            ordinal: 4,
            target: if replaces { 2 } else { 0 },
            account: AccountId(77),
            instrument: InstrumentId(3),
            side,
            order_type,
            time_in_force,
            quantity: Quantity(quantity),
            price: Price(price * 100),
            flags,
            lines: 2,
            ..Command::new(kind)
        };
        let is_gtd = time_in_force == TimeInForce::Gtd.code();
        let mut order = Group::new(head);
        order.rest_mut()[0] = Terms {
            displayed: Quantity(displayed),
            minimum: Quantity(minimum),
            offset: Price(offset * 100),
            group,
            flags: [TermFlags::default(), TermFlags::ALL_OR_NONE, TermFlags::SLIDE][wish as usize],
            expires_at: if is_gtd { MIDNIGHT + second * 1_000_000_000 } else { 0 },
            ..Terms::default()
        }
        .line();
        order
    })
}

proptest! {
    #[test]
    fn an_order_asks_there_what_it_asked_here(order in order()) {
        let there = read_there(&order);
        let (sent, head) = (&order.head, &there.head.0);
        let replaces = sent.kind() == Some(CommandKind::Replace);
        prop_assert_eq!(head.kind, sent.kind);
        prop_assert_eq!((head.ordinal, head.target), (sent.ordinal, sent.target));
        let is_for_cross = matches!(
            sent.time_in_force(),
            Some(TimeInForce::AtOpen | TimeInForce::AtClose | TimeInForce::GoodForAuction)
        );
        if replaces && is_for_cross {
            // There are no words for it: the peer refuses it.
            prop_assert!(head.verdict != 0);
            return Ok(());
        }
        prop_assert_eq!(head.verdict, 0);
        prop_assert_eq!((head.quantity, head.order_type), (sent.quantity, sent.order_type));
        // At once, and all of it at least: the same is said in one word.
        let wants_all = order.terms().is_some_and(|terms| terms.minimum == sent.quantity);
        let says_all = wants_all
            && (sent.time_in_force(), head.time_in_force())
                == (Some(TimeInForce::Ioc), Some(TimeInForce::Fok));
        prop_assert!(says_all || head.time_in_force == sent.time_in_force);
        prop_assert_eq!(head.flags.0 & 0x31, sent.flags.0 & 0x31);
        if !replaces {
            prop_assert_eq!((head.side, head.account), (sent.side, sent.account));
            prop_assert_eq!(head.instrument, sent.instrument);
        }
        if sent.order_type() == Some(OrderType::Limit) {
            prop_assert_eq!(head.price, sent.price);
        }
        let asked = order.terms().copied().unwrap_or_default();
        let terms = there.terms().copied().unwrap_or_default();
        prop_assert_eq!(terms.displayed, asked.displayed);
        prop_assert_eq!(terms.expires_at, asked.expires_at);
        prop_assert_eq!(terms.flags, asked.flags);
        if !replaces {
            prop_assert_eq!(terms.group, asked.group);
        }
        if head.time_in_force() != Some(TimeInForce::Fok) {
            prop_assert_eq!(terms.minimum, asked.minimum);
        }
        let moves = [OrderType::PegPrimary, OrderType::PegMarket, OrderType::PegMidpoint];
        let trails = sent.order_type() == Some(OrderType::TrailingStop);
        if trails || sent.order_type().is_some_and(|kind| moves.contains(&kind)) {
            prop_assert_eq!(terms.offset, asked.offset);
        }
    }

    #[test]
    fn no_bytes_of_a_peer_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let origin = Origin { peer: SessionId(9), number: 1, received_at: Nanos(1) };
        if let Some(report) = decode(&bytes, &origin) {
            prop_assert!(report.head.0.is_away());
        }
    }
}
