//! Meeting orders that are not plain, and counting what could be had at once.

use crate::engine::book::{Key, NONE, Slot};
use crate::engine::rules::{self, LOOKED_PAST_MAX, Room};
use crate::engine::software::SoftwareMatcher;
use crate::engine::software::entering::{Maker, Taker, done_if};
use crate::engine::software::specials::NO_RECORD;
use crate::model::{CancelReason, Event, EventFlags, EventKind, Price, Quantity, SelfTrade, SeqNo};

/// The worst price a taker takes, as a number that is lower for a better one.
fn limit_of(taker: &Taker) -> i64 {
    match taker.asks.limit {
        Some(limit) if taker.buy => limit.0,
        Some(limit) => limit.0.saturating_neg(),
        None => i64::MAX,
    }
}

/// The price of a number that is lower for a better price of this side.
pub(super) const fn unsigned(signed: i64, buy: bool) -> Price {
    Price(if buy { signed.saturating_neg() } else { signed })
}

impl SoftwareMatcher {
    /// The resting order this one would meet first, where not all are in the book.
    #[cold]
    pub(super) fn front_among(&mut self, taker: &Taker) -> Option<Maker> {
        let counts = taker.asks.least > Quantity::ZERO;
        if !counts {
            self.settle_pegs(taker.place, !taker.buy);
        }
        let mut best: Option<(i64, Slot)> = None;
        for room in Room::ALL.into_iter().filter(|room| room.meets()) {
            // Who wants a least quantity at once counts on prices that stand still.
            if counts && room > Room::Hidden {
                break;
            }
            let Some((signed, slot)) = self.first_of(room, taker) else { continue };
            if best.is_none_or(|(other, _)| signed < other) {
                best = Some((signed, slot));
            }
        }
        let best = best.filter(|(signed, _)| *signed <= limit_of(taker));
        let on_tick = taker.limit.saturating_mul(taker.tick.size());
        // A midpoint may lie beyond the last tick that the taker's limit reaches.
        if best.is_none_or(|(signed, _)| signed > on_tick)
            && let Some(beyond) = self.first_beyond(taker)
        {
            return Some(beyond);
        }
        let (signed, slot) = best?;
        let price = unsigned(signed, !taker.buy);
        Some(Maker { slot, price, front: self.store.leaves(slot) })
    }

    /// The first who would go further than it shows to meet a taker at its limit. Who will not take
    /// is not gone to, nor who counts on prices that stand still.
    fn first_beyond(&self, taker: &Taker) -> Option<Maker> {
        let (asks, buy) = (&taker.asks, !taker.buy);
        if asks.limit.is_none() || asks.least > Quantity::ZERO || asks.post_only {
            return None;
        }
        let outpost = self.desks[taker.place].outposts[usize::from(!buy)].first(&self.store);
        let signed = taker.limit.saturating_mul(taker.tick.size());
        if outpost == NONE || self.store.key(outpost) > signed {
            return None;
        }
        let slot = self.specials.get(self.store.owner(outpost).special).slot;
        let price = unsigned(signed, buy);
        Some(Maker { slot, price, front: self.store.leaves(slot) })
    }

    /// The first in a room whom a taker may meet, and the price, lower for a better one.
    fn first_of(&self, room: Room, taker: &Taker) -> Option<(i64, Slot)> {
        let (place, buy) = (taker.place, !taker.buy);
        match room {
            Room::Lit => {
                let front = self.books[place].front(&self.store, buy, Key::MAX)?;
                Some((front.key.wrapping_mul(taker.tick.size()), front.order))
            }
            Room::Minimum => self.first_with_minimum(taker),
            room if room.is_pegged() => self.first_peg(room, place, buy),
            room => {
                let slot = self.desks[place].shelf(room, false, buy).first(&self.store);
                (slot != NONE).then(|| (self.store.key(slot), slot))
            }
        }
    }

    /// The first whose least quantity a taker has; only so many are looked at.
    fn first_with_minimum(&self, taker: &Taker) -> Option<(i64, Slot)> {
        let shelf = self.desks[taker.place].shelf(Room::Minimum, false, !taker.buy);
        let mut slot = shelf.first(&self.store);
        for _ in 0..LOOKED_PAST_MAX {
            if slot == NONE {
                return None;
            }
            let minimum = self.specials.get(self.store.owner(slot).special).special.minimum;
            if taker.order.leaves.0 >= minimum.0.min(self.store.leaves(slot)) {
                return Some((self.store.key(slot), slot));
            }
            slot = shelf.behind(&self.store, slot);
        }
        None
    }

    /// One trade with an order that is not plain.
    #[cold]
    pub(super) fn trade_special(&mut self, maker: &Maker, taker: &mut Taker) {
        let quantity = Quantity(maker.front).min(taker.order.leaves);
        let standing = self.standing(maker.slot);
        let done = standing.order.leaves == quantity;
        let mut flags = EventFlags::MAKER;
        if standing.special.room != Room::Lit {
            flags = flags.with(EventFlags::HIDDEN);
        } else if maker.price != standing.order.price {
            flags = flags.with(EventFlags::DISCRETION);
        }
        self.outbox.push(Event {
            quantity,
            price: maker.price,
            reference: standing.shown,
            flags: done_if(done, flags),
            ..rules::about(&standing.order, EventKind::Executed)
        });
        let identity = self.store.owner_mut(maker.slot);
        identity.executed = identity.executed.saturating_add(quantity.0);
        self.told_taker(taker, maker.price, quantity);
        self.consume(maker.slot, quantity.0);
    }

    /// Takes from both what would have traded.
    pub(super) fn decrement(&mut self, maker: &Maker, taker: &mut Taker) {
        let quantity = Quantity(maker.front).min(taker.order.leaves);
        let standing = self.standing(maker.slot);
        let shown = standing.special.room == Room::Lit;
        let flags = if shown { EventFlags::RESTS } else { EventFlags::default() };
        self.outbox.push(Event {
            quantity,
            reference: standing.shown,
            flags: done_if(standing.order.leaves == quantity, flags),
            ..rules::cancelled(&standing.order, CancelReason::SelfTrade)
        });
        taker.order.leaves = taker.order.leaves.saturating_sub(quantity);
        self.outbox.push(Event {
            quantity,
            price: maker.price,
            client_seq: taker.client_seq,
            flags: done_if(taker.order.leaves == Quantity::ZERO, EventFlags::default()),
            ..rules::cancelled(&taker.order, CancelReason::SelfTrade)
        });
        self.consume(maker.slot, quantity.0);
    }

    /// Takes `quantity` from a resting order's front: it goes, or stays, or shows its next part at
    /// the back of its line.
    fn consume(&mut self, slot: Slot, quantity: u32) {
        if self.store.leaves(slot) > quantity {
            return self.store.cut(slot, quantity);
        }
        let record = self.store.owner(slot).special;
        if record == NO_RECORD || self.specials.get(record).reserve == 0 {
            return self.remove(slot);
        }
        let shown = SeqNo(self.outbox.next_id().0 | 1 << 63);
        let key = self.store.key(slot);
        let number = self.store.ladder(slot);
        let aside = self.specials.get_mut(record);
        let leaves = aside.reserve;
        let front = aside.special.displayed.0.min(leaves);
        aside.reserve = leaves - front;
        aside.shown = shown;
        let (place, buy) = (number as usize / 2, number.is_multiple_of(2));
        self.books[place].lift(&mut self.store, slot);
        self.books[place].lay(&mut self.store, buy, key, slot, front);
        let order = self.standing(slot).order;
        self.outbox.push(Event {
            quantity: Quantity(front),
            reference: shown,
            ..rules::about(&order, EventKind::Refreshed)
        });
    }

    /// Whether an order would get the least it asks for, by the same steps as [`Self::take`].
    pub(super) fn gets_least(&self, taker: &Taker) -> bool {
        let mut wanted = taker.asks.least.min(taker.order.leaves).0;
        let limit = limit_of(taker);
        let mut lit = self.first_of(Room::Lit, taker);
        let mut hidden = self.first_of(Room::Hidden, taker);
        for _ in 0..self.limits.fills_per_command_max {
            let next = match (lit, hidden) {
                (Some(shown), Some(other)) if other.0 < shown.0 => Some(other),
                (Some(shown), _) => Some(shown),
                (None, other) => other,
            };
            let Some((signed, slot)) = next.filter(|(signed, _)| *signed <= limit) else {
                return false;
            };
            let band = &self.desks[taker.place].band;
            if !self.is_over(slot) && !band.holds(unsigned(signed, !taker.buy)) {
                return false;
            }
            match self.share_of(slot, taker) {
                Some(share) => wanted = wanted.saturating_sub(share),
                None => return false,
            }
            if wanted == 0 {
                return true;
            }
            if next == lit {
                lit = self.behind_in_book(slot, taker);
            } else {
                let shelf = self.desks[taker.place].shelf(Room::Hidden, false, !taker.buy);
                let slot = shelf.behind(&self.store, slot);
                hidden = (slot != NONE).then(|| (self.store.key(slot), slot));
            }
        }
        false
    }

    /// Whether a resting order's time is over.
    fn is_over(&self, slot: Slot) -> bool {
        let record = self.store.owner(slot).special;
        record != NO_RECORD && self.specials.get(record).special.is_over(self.now)
    }

    /// What a taker would get of a resting order; `None` if meeting it would end its way.
    fn share_of(&self, slot: Slot, taker: &Taker) -> Option<u32> {
        if self.is_over(slot) {
            return Some(0);
        }
        let identity = self.store.owner(slot);
        let setting = taker.asks.self_trade;
        if setting != SelfTrade::Allow && self.are_one(identity.account, taker.order.account) {
            return (setting == SelfTrade::CancelOldest).then_some(0);
        }
        Some(self.store.leaves(slot))
    }

    /// The order behind one of the book, with its price, lower for a better one.
    fn behind_in_book(&self, slot: Slot, taker: &Taker) -> Option<(i64, Slot)> {
        let mut next = self.store.behind(slot);
        if next == NONE {
            let key = self.store.key(slot);
            next = self.books[taker.place].next_price(&self.store, !taker.buy, key);
        }
        (next != NONE).then(|| (self.store.key(next).wrapping_mul(taker.tick.size()), next))
    }
}
