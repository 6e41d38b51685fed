//! What the exchange knows, held against history: nothing was sent there twice, each of its trades
//! is on record once, and what rests there is what is open here.

use crate::model::{Event, EventKind, Group, InstrumentId, Side};
use crate::simulate::check::money::Ledger;
use crate::simulate::check::{Found, ensure};
use crate::simulate::exchange::SYMBOL;
use crate::simulate::market::Lot;
use crate::simulate::world::{REFERENCE, World};

/// Checks it.
pub(super) fn check(world: &World, events: &[Group<Event>]) -> Result<(), Found> {
    let market = &world.exchange.market;
    let wrong = || format!("{:?}", market.wrong);
    ensure(market.wrong.is_empty(), "exchange", wrong)?;
    let mut instruments = world.machines[0].catalogue().instruments.iter();
    let listed = instruments.find(|instrument| instrument.symbol.0.starts_with(SYMBOL.as_bytes()));
    let Some(instrument) = listed.map(|listed| listed.id) else { return Ok(()) };
    let mut there = market.trades.clone();
    there.sort_unstable();
    same("trades", &trades(instrument, events), &there)?;
    let mut ledger = Ledger::new(REFERENCE);
    events.iter().for_each(|group| ledger.add(&group.head));
    same("open orders", &ledger.open_of(instrument), &market.resting())
}

/// What traded there as it is on record.
fn trades(instrument: InstrumentId, events: &[Group<Event>]) -> Vec<Lot> {
    let heads = events.iter().map(|group| &group.head);
    let executed =
        |event: &&Event| event.kind == EventKind::Executed.code() && event.instrument == instrument;
    let lot = |event: &Event| Lot {
        is_sale: event.side() == Some(Side::Sell),
        quantity: event.quantity,
        price: event.price,
    };
    let mut lots: Vec<_> = heads.filter(executed).map(lot).collect();
    lots.sort_unstable();
    lots
}

fn same(what: &str, recorded: &[Lot], there: &[Lot]) -> Result<(), Found> {
    ensure(recorded == there, "exchange", || {
        let only = |these: &[Lot], those: &[Lot]| {
            these.iter().find(|lot| those.binary_search(lot).is_err()).copied()
        };
        format!(
            "{} {what} on record, {} there; here alone {:?}, there alone {:?}",
            recorded.len(),
            there.len(),
            only(recorded, there),
            only(there, recorded)
        )
    })
}
