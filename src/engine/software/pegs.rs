//! Pegged orders, whose prices are found when somebody comes: on shelves by their offsets, or by
//! their caps once they have come to them.

use crate::engine::book::{Key, NONE, Slot};
use crate::engine::rules::{PEG_MOVES_MAX, Room};
use crate::engine::software::SoftwareMatcher;
use crate::engine::software::desk::number_of;
use crate::model::Price;

/// The rooms of pegs.
const PEGS: [Room; 3] = [Room::Primary, Room::Market, Room::Midpoint];

/// A price as a number that is lower for a better one of its side.
pub(super) const fn signed(price: Price, buy: bool) -> i64 {
    if buy { price.0.saturating_neg() } else { price.0 }
}

impl SoftwareMatcher {
    /// The best price shown on a side.
    pub(super) fn best(&self, place: usize, buy: bool) -> Option<Price> {
        let front = self.books[place].front(&self.store, buy, Key::MAX)?;
        Some(super::price_of(front.key, buy, self.instruments.list()[place].tick))
    }

    /// The first peg of a room's side, and its price, lower for a better one.
    pub(super) fn first_peg(&self, room: Room, place: usize, buy: bool) -> Option<(i64, Slot)> {
        let first = |capped| {
            let slot = self.desks[place].shelf(room, capped, buy).first(&self.store);
            (slot != NONE).then_some(slot)
        };
        let worth = |slot| {
            let aside = self.specials.get(self.store.owner(slot).special);
            let price = self.peg_price(room, place, buy, aside.special.offset, aside.price)?;
            Some((signed(price, buy), slot))
        };
        match (first(false).and_then(worth), first(true).and_then(worth)) {
            (Some(free), Some(capped)) if capped.0 < free.0 => Some(capped),
            (free, capped) => free.or(capped),
        }
    }

    /// What a peg with this offset and cap is worth; `None` if there is nothing to follow.
    pub(super) fn peg_price(
        &self,
        room: Room,
        place: usize,
        buy: bool,
        offset: Price,
        cap: Price,
    ) -> Option<Price> {
        let wanted = self.followed(room, place, buy)?.saturating_add(offset);
        let price = if passes_cap(wanted, cap, buy) { cap } else { wanted };
        self.passive(room, place, buy, price)
    }

    /// Moves pegs of a side to their caps, or from them, until the first of each line is right.
    pub(super) fn settle_pegs(&mut self, place: usize, buy: bool) {
        for room in PEGS {
            for _ in 0..PEG_MOVES_MAX {
                let Some(followed) = self.followed(room, place, buy) else { break };
                let free = self.wrong_peg(room, place, buy, false, followed);
                let wrong = free.or_else(|| self.wrong_peg(room, place, buy, true, followed));
                let Some(slot) = wrong else { break };
                self.move_peg(room, place, buy, slot);
            }
        }
    }

    /// The first of a line, if it belongs on the other one.
    fn wrong_peg(
        &self,
        room: Room,
        place: usize,
        buy: bool,
        capped: bool,
        followed: Price,
    ) -> Option<Slot> {
        let slot = self.desks[place].shelf(room, capped, buy).first(&self.store);
        if slot == NONE {
            return None;
        }
        let aside = self.specials.get(self.store.owner(slot).special);
        let wanted = followed.saturating_add(aside.special.offset);
        (passes_cap(wanted, aside.price, buy) != capped).then_some(slot)
    }

    /// Moves a peg to its cap, or from it, to the end of the other line.
    fn move_peg(&mut self, room: Room, place: usize, buy: bool, slot: Slot) {
        let aside = self.specials.get_mut(self.store.owner(slot).special);
        let (was, capped) = (aside.capped, !aside.capped);
        aside.capped = capped;
        let key = if capped { aside.price } else { aside.special.offset };
        let leaves = self.store.leaves(slot);
        let desk = &mut self.desks[place];
        desk.shelf_mut(room, was, buy).lift(&mut self.store, slot);
        let number = number_of(room, capped, place, buy);
        let shelf = desk.shelf_mut(room, capped, buy);
        shelf.lay(&mut self.store, number, signed(key, buy), slot, leaves);
    }

    /// The price that pegs of a room and side follow.
    fn followed(&self, room: Room, place: usize, buy: bool) -> Option<Price> {
        match room {
            Room::Primary => self.best(place, buy),
            Room::Market => self.best(place, !buy),
            _ => {
                let (bid, ask) = (self.best(place, true)?, self.best(place, false)?);
                // Rounded down, without the sum that might overflow.
                Some(Price((bid.0 & ask.0) + ((bid.0 ^ ask.0) >> 1)))
            }
        }
    }

    /// A peg's price held off the other side's best, where it would reach it.
    fn passive(&self, room: Room, place: usize, buy: bool, price: Price) -> Option<Price> {
        let tick = self.instruments.list()[place].tick.0;
        let step = if room == Room::Midpoint { 1 } else { tick };
        let price = match (self.best(place, !buy), buy) {
            (None, _) => price.0,
            (Some(ask), true) => price.0.min(ask.0 - step),
            (Some(bid), false) => price.0.max(bid.0.saturating_add(step)),
        };
        (price > 0).then_some(Price(price))
    }
}

/// Whether a cap keeps a peg from a price; 0 is no cap.
fn passes_cap(wanted: Price, cap: Price, buy: bool) -> bool {
    cap != Price::ZERO && signed(wanted, buy) < signed(cap, buy)
}
