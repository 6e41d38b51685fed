//! Which exchange has the better price: what market data last told of each instrument that several
//! exchanges have, for as long as that counts as a price.

use crate::engine::away::Away;
use crate::model::{Command, InstrumentId, Nanos, SessionId};
use crate::snapshot::part;

/// Where an instrument is bought and sold best, by places of destinations and one more; 0: nobody
/// said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Best {
    /// Who offers it for least.
    buy: u8,
    /// Who bids the most for it.
    sell: u8,
    told_at: Nanos,
}
part!(Best { buy, sell, told_at });

impl Away {
    /// With exchanges chosen by their prices, which count for so long.
    #[must_use]
    pub fn choosing_by_price(mut self, prices_last: Nanos) -> Self {
        self.prices_last = prices_last;
        self.best = vec![Best::default(); self.homes.len()].into();
        self
    }

    /// Market data tells an instrument's price, and who has the best of each side.
    pub(super) fn note_best(&mut self, command: &Command) {
        let place = |id: u32| self.place(SessionId(id)).map_or(0, |place| place as u8 + 1);
        let (buy, sell) = (place(command.target), place(command.ordinal));
        if let Some(best) = self.best.get_mut(command.instrument.index()) {
            *best = Best { buy, sell, told_at: command.timestamp };
        }
    }

    /// The exchange with the better price for a new order, if it has the instrument, is heard, and
    /// its price is not old.
    fn best_for(&self, command: &Command) -> Option<u8> {
        let best = self.best.get(command.instrument.index())?;
        let age = command.timestamp.saturating_sub(best.told_at);
        let of_side = if command.side()?.is_buy() { best.buy } else { best.sell };
        let place = of_side.checked_sub(1).filter(|_| age <= self.prices_last)?;
        let has_it = self.homes_of(command.instrument).contains(&place);
        (has_it && self.is_up_at(place)).then_some(place)
    }

    /// The destination of an instrument's new order: who has the better price; else the first that
    /// is heard; the first of all where none is.
    pub(super) fn destination_of(&self, command: &Command) -> Option<u8> {
        let homes = self.homes_of(command.instrument);
        if homes.len() < 2 {
            return homes.first().copied();
        }
        let heard = || homes.iter().find(|place| self.is_up_at(**place)).copied();
        self.best_for(command).or_else(heard).or_else(|| homes.first().copied())
    }

    /// Places of the destinations that have an instrument, as configured.
    fn homes_of(&self, instrument: InstrumentId) -> &[u8] {
        self.homes.get(instrument.index()).map_or(&[], |places| places)
    }

    fn is_up_at(&self, place: u8) -> bool {
        self.destinations.get(usize::from(place)).is_some_and(|known| known.is_up)
    }
}
