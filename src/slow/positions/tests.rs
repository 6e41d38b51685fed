//! The fold against an obvious recomputation, and its laws: nothing counts twice, nothing is made.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::model::{
    AccountId, Event, EventFlags, EventId, EventKind, InstrumentId, Price, Quantity, SeqNo, Side,
};
use crate::slow::{Money, Position, Positions, SlowError};

/// One trade: buyer, seller, instrument, quantity, price.
type Trade = (u32, u32, u32, u32, i64);

fn trades() -> impl Strategy<Value = Vec<Trade>> {
    let price = prop_oneof![1i64..2_000_000, -50_000i64..50_000];
    let quantity = prop_oneof![Just(100u32), 1u32..1_000, any::<u32>()];
    prop::collection::vec((1u32..5, 1u32..5, 1u32..4, quantity, price), 0..120)
}

/// A trade's two events, the maker's first; other events stand between the trades.
fn events(trades: &[Trade]) -> Vec<Event> {
    let event = |seq, index, account, instrument, side: Side, quantity, price| Event {
        id: EventId::new(SeqNo(seq), index),
        account: AccountId(account),
        instrument: InstrumentId(instrument),
        side: side.code(),
        quantity: Quantity(quantity),
        price: Price(price),
        kind: EventKind::Executed.code(),
        ..Event::default()
    };
    let mut all = Vec::new();
    for (seq, &(buyer, seller, instrument, quantity, price)) in (1..).zip(trades) {
        let bought = event(seq, 1, buyer, instrument, Side::Buy, quantity, price);
        let sold = event(seq, 2, seller, instrument, Side::SellShort, quantity, price);
        let accepted = Event {
            id: EventId::new(SeqNo(seq), 0),
            kind: EventKind::Accepted.code(),
            flags: EventFlags::LAST,
            ..bought
        };
        all.extend([accepted, bought, sold]);
    }
    all
}

fn folded(events: &[Event]) -> Positions {
    let mut positions = Positions::default();
    for event in events {
        assert!(positions.apply(event).expect("a good event"));
    }
    positions
}

/// Quantity, cash and realised profit of one account in one instrument, by average cost in
/// floating point, lot by lot.
fn obvious(events: &[Event], account: u32, instrument: u32) -> (i64, i128, f64) {
    let (mut quantity, mut cash, mut average, mut realised) = (0i64, 0i128, 0f64, 0f64);
    let ours = events.iter().filter(|e| e.kind == EventKind::Executed.code());
    let ours = ours.filter(|e| (e.account.0, e.instrument.0) == (account, instrument));
    for event in ours {
        let sign = if event.side == Side::Buy.code() { 1 } else { -1 };
        let mut left = i64::from(event.quantity.0);
        cash -= i128::from(sign * left) * i128::from(event.price.0);
        if quantity * sign < 0 {
            let closed = left.min(quantity.abs());
            realised += (event.price.0 as f64 - average) * (closed * -sign) as f64;
            quantity += closed * sign;
            left -= closed;
        }
        if left > 0 {
            let paid = average * quantity.abs() as f64 + event.price.0 as f64 * left as f64;
            quantity += left * sign;
            average = paid / quantity.abs() as f64;
        }
    }
    (quantity, cash, realised)
}

proptest! {
    #[test]
    fn positions_are_those_of_the_obvious_recomputation(trades in trades()) {
        let events = events(&trades);
        let positions = folded(&events);
        for account in 1..5 {
            for instrument in 1..4 {
                let (quantity, cash, realised) = obvious(&events, account, instrument);
                let position = positions.get(AccountId(account), InstrumentId(instrument));
                let position = position.copied().unwrap_or_default();
                prop_assert_eq!((position.quantity, position.cash), (quantity, Money(cash)));
                let near = position.turnover.0 as f64 * 1e-12 + position.fills as f64;
                let off = (position.realised.0 as f64 - realised).abs();
                prop_assert!(off <= near, "realised {} for {realised}", position.realised.0);
            }
        }
    }

    #[test]
    fn nothing_is_made_and_nothing_is_lost(trades in trades(), marks in any::<[i32; 3]>()) {
        let positions = folded(&events(&trades));
        let mut held: BTreeMap<InstrumentId, i64> = BTreeMap::new();
        let snapshot = positions.snapshot(None);
        for holding in &snapshot.holdings {
            let Position { quantity, cost, realised, cash, .. } = holding.position;
            prop_assert_eq!(cash, realised - cost, "to the last ten-thousandth");
            let mark = Price(marks[holding.instrument.index() - 1].into());
            let worth = Money(i128::from(quantity) * i128::from(mark.0));
            prop_assert_eq!(cash + worth, realised + holding.position.unrealised(mark));
            *held.entry(holding.instrument).or_default() += quantity;
        }
        prop_assert!(held.values().all(|&sum| sum == 0), "{held:?}");
        prop_assert_eq!(snapshot.totals.cash, Money::ZERO);
        prop_assert_eq!(snapshot.totals.realised + snapshot.totals.unrealised, Money::ZERO);
        prop_assert_eq!(snapshot.totals.fills, 2 * trades.len() as u64);
        let accounts = (1..5).map(|account| positions.snapshot(Some(AccountId(account))));
        let cash: Vec<Money> = accounts.map(|snapshot| snapshot.totals.cash).collect();
        prop_assert_eq!(cash.into_iter().sum::<Money>(), Money::ZERO);
    }

    #[test]
    fn a_trade_undone_is_as_if_it_had_never_been_and_one_corrected_as_if_it_had_been_so(
        trades in trades(),
        which in any::<prop::sample::Index>(),
        price in 1_i64..2_000_000,
        quantity in 1_u32..1_000,
    ) {
        prop_assume!(!trades.is_empty());
        let at = which.index(trades.len());
        let without = [&trades[..at], &trades[at + 1..]].concat();
        let mut corrected = trades.clone();
        (corrected[at].3, corrected[at].4) = (quantity, price);
        for (corrects, wanted) in [(false, &without), (true, &corrected)] {
            let mut all = events(&trades);
            let sides = [all[3 * at + 1], all[3 * at + 2]];
            let told = |index: usize, kind: EventKind, side: Event| Event {
                id: EventId::new(SeqNo(trades.len() as u64 + 1), index as u16),
                kind: kind.code(),
                ..side
            };
            all.extend((0..2).map(|side| told(side, EventKind::Busted, sides[side])));
            let new = |side| Event { quantity: Quantity(quantity), price: Price(price), ..side };
            let again = (0..2).map(|at| told(at + 2, EventKind::Corrected, new(sides[at])));
            all.extend(again.filter(|_| corrects));
            let (positions, wanted) = (folded(&all), folded(&events(wanted)));
            for holding in positions.snapshot(None).holdings {
                let Position { quantity, cash, turnover, volume, fills, .. } = holding.position;
                let other = wanted.get(holding.account, holding.instrument).copied();
                let other = other.unwrap_or_default();
                prop_assert_eq!((quantity, cash), (other.quantity, other.cash));
                prop_assert_eq!((turnover, volume), (other.turnover, other.volume));
                prop_assert_eq!(fills, other.fills);
                prop_assert_eq!(cash, holding.position.realised - holding.position.cost);
                let mark = holding.position.unrealised(holding.mark) + holding.position.realised;
                prop_assert_eq!(mark, other.unrealised(holding.mark) + other.realised);
            }
        }
    }

    #[test]
    fn what_is_applied_again_changes_nothing(
        trades in trades(),
        from in any::<prop::sample::Index>(),
        through in any::<prop::sample::Index>(),
    ) {
        let events = events(&trades);
        prop_assume!(!events.is_empty());
        let whole = folded(&events);
        let mut positions = folded(&events[..=through.index(events.len())]);
        for event in &events[from.index(through.index(events.len()) + 1)..] {
            let is_new = event.id > positions.last_applied();
            prop_assert_eq!(positions.apply(event).unwrap(), is_new);
        }
        prop_assert_eq!(positions, whole);
    }
}

fn one(events: &[(Side, u32, i64)]) -> Position {
    let mut positions = Positions::default();
    for (seq, &(side, quantity, price)) in (1..).zip(events) {
        let event = Event {
            id: EventId::new(SeqNo(seq), 0),
            side: side.code(),
            quantity: Quantity(quantity),
            price: Price(price),
            kind: EventKind::Executed.code(),
            ..Event::default()
        };
        positions.apply(&event).unwrap();
    }
    *positions.get(AccountId(0), InstrumentId(0)).unwrap()
}

#[test]
fn the_share_of_a_part_is_rounded_towards_zero_and_the_rest_stays() {
    // Three for 1.0001 in all cannot be divided by three.
    let position = one(&[(Side::Buy, 2, 3_333), (Side::Buy, 1, 3_335)]);
    assert_eq!((position.cost, position.average()), (Money(10_001), Money(3_334)));
    let position = one(&[(Side::Buy, 2, 3_333), (Side::Buy, 1, 3_335), (Side::Sell, 1, 4_000)]);
    assert_eq!((position.realised, position.cost), (Money(4_000 - 3_333), Money(6_668)));
    let position = one(&[(Side::Sell, 2, 3_333), (Side::Sell, 1, 3_335), (Side::Buy, 1, 3_000)]);
    assert_eq!((position.realised, position.cost), (Money(333), Money(-6_668)));
}

#[test]
fn a_position_that_turns_closes_at_its_cost_and_opens_at_the_price() {
    let position = one(&[(Side::Buy, 100, 10_000), (Side::Sell, 250, 12_000)]);
    assert_eq!((position.quantity, position.cost), (-150, Money(-1_800_000)));
    assert_eq!(position.realised, Money(200_000));
    assert_eq!((position.average(), position.volume, position.fills), (Money(12_000), 350, 2));
    assert_eq!(position.unrealised(Price(11_000)), Money(150_000));
}

#[test]
fn averages_round_halves_away_from_zero() {
    let average = |cost, quantity| {
        Position { cost: Money(cost), quantity, ..Position::default() }.average().0
    };
    assert_eq!([average(5, 2), average(-5, -2), average(5, -2), average(-5, 2)], [3, 3, -3, -3]);
    assert_eq!([average(1, 3), average(-1, 3), average(2, 3), average(0, 7)], [0, 0, 1, 0]);
    assert_eq!(average(9, 0), 0);
}

#[test]
fn an_execution_that_makes_no_sense_stops_the_fold_and_changes_nothing() {
    let mut positions = Positions::default();
    let event = Event {
        id: EventId::new(SeqNo(1), 0),
        kind: EventKind::Executed.code(),
        side: 9,
        ..Event::default()
    };
    assert!(matches!(positions.apply(&event), Err(SlowError::Malformed(id)) if id == event.id));
    assert_eq!(positions, Positions::default());
    let full = Position { quantity: i64::MAX, ..Position::default() };
    assert_eq!(full.fill(true, Quantity(1), Price(1)), None);
}
