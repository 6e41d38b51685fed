//! Instruments that are listed while running: known from the next command on, refused with a code
//! of their own, and the same again after a replay.

use proptest::prelude::*;

use super::{REFERENCE, World, account, limit_order, options, set_limit};
use crate::engine::BookView;
use crate::engine::risk::RiskOptions;
use crate::model::{
    Command, CommandKind, Event, EventKind, Instrument, InstrumentId, LimitKind, Phase, Price,
    Quantity, RejectCode, Scope, Side, Symbol,
};

const PLACE: InstrumentId = InstrumentId(3);

fn with_places() -> RiskOptions {
    let mut options = options(account());
    options.instruments.extend([3, 4].map(|id| Instrument::spare(InstrumentId(id))));
    options
}

fn nova(tick: i64, lot: u32) -> Instrument {
    let symbol = Symbol::new("NOVA").expect("a symbol");
    let (tick, lot, reference_price) = (Price(tick), Quantity(lot), Price(REFERENCE));
    Instrument { id: PLACE, symbol, tick, lot, reference_price }
}

/// Why a command was refused, if it was.
fn told(world: &mut World, command: Command) -> Option<RejectCode> {
    let events = world.tell(command);
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    let refusal = events.iter().find(|event| event.kind == EventKind::Rejected.code());
    if refusal.is_none() {
        assert_eq!(kinds, [EventKind::InstrumentSet.code()]);
    }
    refusal.and_then(Event::reject_code)
}

fn order(side: Side, price: i64, quantity: u32) -> Command {
    Command { instrument: PLACE, ..limit_order(1, side, price, quantity) }
}

proptest! {
    /// By its own tick and lot, from the next command on; another tick needs an empty book.
    #[test]
    fn it_trades_by_its_own_tick_and_lot(
        tick in prop::sample::select(vec![1i64, 100, 500, 2_500]),
        lot in 1..20u32, price in 9_300..10_700i64, quantity in 1..200u32,
    ) {
        let mut world = World::new(&with_places());
        let asked = order(Side::Buy, price * 100, quantity);
        prop_assert_eq!(world.order(asked), Some(RejectCode::UnknownInstrument));
        prop_assert_eq!(told(&mut world, nova(tick, lot).command(true)), None);
        let code = match (quantity % lot, price * 100 % tick) {
            (1.., _) => Some(RejectCode::InvalidQuantity),
            (_, 1..) => Some(RejectCode::InvalidPrice),
            _ => None,
        };
        prop_assert_eq!(world.order(asked), code);
        let is_idle = code.is_some();
        let expected = (!is_idle && tick != 50).then_some(RejectCode::NotIdle);
        prop_assert_eq!(told(&mut world, nova(50, lot).command(false)), expected);
        let other_lot = nova(if is_idle { 50 } else { tick }, 7);
        prop_assert_eq!(told(&mut world, other_lot.command(false)), None);
        let refused = world.order(order(Side::Buy, REFERENCE, 8));
        prop_assert_eq!(refused, Some(RejectCode::InvalidQuantity));
    }
}

#[test]
fn what_cannot_be_is_refused_by_its_own_code() {
    let mut world = World::new(&with_places());
    let mut refusal = |listed: Instrument, is_new| told(&mut world, listed.command(is_new));
    assert_eq!(refusal(nova(100, 1), false), Some(RejectCode::UnknownInstrument), "not listed");
    let unpriced = Instrument { reference_price: Price::ZERO, ..nova(100, 1) };
    assert_eq!(refusal(unpriced, true), Some(RejectCode::NoReferencePrice));
    assert_eq!(
        refusal(Instrument { tick: Price::ZERO, ..nova(0, 1) }, true),
        Some(RejectCode::Unsupported)
    );
    assert_eq!(
        refusal(Instrument { lot: Quantity(0), ..nova(100, 1) }, true),
        Some(RejectCode::Unsupported)
    );
    let beyond = Instrument { id: InstrumentId(5), ..nova(100, 1) };
    assert_eq!(refusal(beyond, true), Some(RejectCode::UnknownInstrument), "there is no place");
    let taken = Instrument { symbol: Symbol::new("I1").expect("a symbol"), ..nova(100, 1) };
    assert_eq!(refusal(taken, true), Some(RejectCode::SymbolTaken));
    assert_eq!(refusal(nova(100, 1), true), None);
    let other = Instrument { symbol: Symbol::new("PULS").expect("a symbol"), ..nova(100, 1) };
    assert_eq!(refusal(other, true), Some(RejectCode::SymbolTaken), "its place is taken");
    assert_eq!(
        refusal(Instrument { id: InstrumentId(4), ..nova(100, 1) }, true),
        Some(RejectCode::SymbolTaken)
    );
    assert_eq!(refusal(other, false), None, "it may have another name");
    assert_eq!(
        refusal(Instrument { id: InstrumentId(4), ..nova(100, 1) }, true),
        None,
        "which is free now"
    );
}

/// Limits, phases and kills of a place count from its first order on; a reference that trades have
/// moved stays when the listing changes.
#[test]
fn a_place_keeps_what_was_set_for_it() {
    let mut world = World::new(&with_places());
    world.tell(set_limit(Scope::Instrument, PLACE.0, LimitKind::NoShortSales, 1));
    let mut closed = Command::new(CommandKind::SetPhase);
    (closed.instrument, closed.side) = (PLACE, Phase::Closed.code());
    world.tell(closed);
    world.settle();
    assert_eq!(told(&mut world, nova(100, 1).command(true)), None);
    let short = order(Side::SellShort, REFERENCE, 1);
    assert_eq!(world.order(short), Some(RejectCode::NoShortSales));
    assert_eq!(world.fold.matcher.phase(PLACE), Some(Phase::Closed));
    assert_eq!(world.order(order(Side::Buy, REFERENCE, 1)), Some(RejectCode::Closed));
    world.tell(Command { side: Phase::Continuous.code(), ..closed });
    world.sweep();
    for side in [Side::Sell, Side::Buy] {
        let seller = Command {
            account: crate::model::AccountId(2),
            ..order(side, REFERENCE * 105 / 100, 1)
        };
        let command = if side.is_buy() { order(side, REFERENCE * 105 / 100, 1) } else { seller };
        assert_eq!(world.order(command), None);
    }
    world.settle();
    let change = Instrument { reference_price: Price::ZERO, ..nova(100, 5) };
    assert_eq!(told(&mut world, change.command(false)), None);
    // A tenth from 105, not from 100.
    assert_eq!(world.order(order(Side::Buy, REFERENCE * 115 / 100, 5)), None);
    assert_eq!(
        world.order(order(Side::Buy, REFERENCE * 94 / 100, 5)),
        Some(RejectCode::PriceCollar)
    );
}

/// A fold of the same commands comes to the same: digests of gate and books, listing after listing.
#[test]
fn a_replay_lists_the_same() {
    let commands = [
        order(Side::Buy, REFERENCE, 10),
        nova(100, 1).command(true),
        order(Side::Buy, REFERENCE, 10),
        nova(100, 10).command(false),
        order(Side::Sell, REFERENCE, 10),
    ];
    let digests = || {
        let mut world = World::new(&with_places());
        let mut seen = Vec::new();
        for (at, command) in (1..).zip(commands) {
            world.tell(Command { ordinal: at, ..command });
            world.fold.gate.digest(|word| seen.push(word));
            seen.push(world.fold.matcher.digest());
        }
        seen
    };
    assert_eq!(digests(), digests());
}
