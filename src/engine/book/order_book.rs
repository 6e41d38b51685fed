//! `OrderBook`: one instrument's two sides: enter, cut, remove, and who is first in line.

use crate::engine::Tick;
use crate::engine::book::ladder::Ladder;
use crate::engine::book::level::Levels;
use crate::engine::book::order_pool::{Order, Orders, Owned};
use crate::engine::book::{Key, NONE, Slot};

/// What all books share: the pools of orders and of levels. `T` is what an owner keeps of an order.
#[derive(Debug)]
pub struct Store<T> {
    pub(super) orders: Orders<T>,
    pub(super) levels: Levels,
}

impl<T: Owned> Store<T> {
    /// Room for `orders_max` orders.
    pub fn new(orders_max: u32) -> Self {
        Self { orders: Orders::new(orders_max), levels: Levels::new(orders_max) }
    }

    /// Whether another order finds room.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.orders.has_room()
    }

    /// Whether so many orders find room.
    pub fn has_room_for(&self, count: u32) -> bool {
        self.orders.has_room_for(count)
    }

    /// Orders resting.
    pub const fn live(&self) -> u32 {
        self.orders.live()
    }

    /// What the owner keeps of an order; it lies in the order's own cache line.
    #[inline]
    pub fn owner(&self, order: Slot) -> &T {
        &self.orders[order].owner
    }

    /// What the owner keeps of an order.
    #[inline]
    pub fn owner_mut(&mut self, order: Slot) -> &mut T {
        &mut self.orders[order].owner
    }

    /// Asks the caches for an order.
    #[inline(always)]
    pub(in crate::engine) fn fetch(&self, order: Slot) {
        self.orders.fetch(order);
    }

    /// Asks the caches for what taking an order out of its queue touches: its neighbours and its
    /// level. The order itself is there already.
    #[inline(always)]
    pub(in crate::engine) fn fetch_about(&self, order: Slot) {
        let order = &self.orders[order];
        self.orders.fetch(order.next);
        self.orders.fetch(order.previous);
        self.levels.fetch(order.level);
    }

    /// What is left of an order to trade.
    #[inline]
    pub fn leaves(&self, order: Slot) -> u32 {
        self.orders[order].leaves
    }

    /// The price an order rests at.
    #[inline]
    pub fn key(&self, order: Slot) -> Key {
        self.levels[self.orders[order].level].key
    }

    /// Which side of which book an order rests on, as the book numbered its sides.
    #[inline]
    pub fn ladder(&self, order: Slot) -> u32 {
        self.levels[self.orders[order].level].ladder
    }

    /// The order behind this one at its price; [`NONE`] behind the last.
    #[inline]
    pub fn behind(&self, order: Slot) -> Slot {
        self.orders[order].next
    }

    /// Takes a slot for an order that rests nowhere yet. Ask for room before.
    pub fn allocate(&mut self) -> Slot {
        self.orders.allocate()
    }

    /// Gives back the slot of an order that rests nowhere.
    pub fn free(&mut self, order: Slot) {
        self.orders.free(order);
    }

    /// Puts an order at the end of a level's queue.
    #[inline(always)]
    pub(super) fn append(&mut self, slot: Slot, at: Slot, leaves: u32) {
        let level = &mut self.levels[at];
        let order = &mut self.orders[slot];
        (order.next, order.previous) = (NONE, level.tail);
        (order.leaves, order.level) = (leaves, at);
        if level.tail == NONE {
            level.head = slot;
        } else {
            self.orders[level.tail].next = slot;
        }
        level.tail = slot;
        // No more orders than slots, and no more quantity than each of them at its most.
        level.orders = level.orders.wrapping_add(1);
        level.quantity = level.quantity.wrapping_add(u64::from(leaves));
    }

    /// Takes an order out of its level's queue; returns the level, which may be empty now.
    #[inline(always)]
    pub(super) fn unlink(&mut self, order: Slot) -> Slot {
        let Order { next, previous, leaves, level: at, .. } = self.orders[order];
        let level = &mut self.levels[at];
        level.orders = level.orders.wrapping_sub(1);
        level.quantity = level.quantity.wrapping_sub(u64::from(leaves));
        if previous == NONE {
            level.head = next;
        } else {
            self.orders[previous].next = next;
        }
        if next == NONE {
            level.tail = previous;
        } else {
            self.orders[next].previous = previous;
        }
        at
    }

    /// Cuts an order's leaves by less than it has; it keeps its place.
    #[inline]
    pub fn cut(&mut self, order: Slot, quantity: u32) {
        let node = &mut self.orders[order];
        node.leaves -= quantity;
        self.levels[node.level].quantity -= u64::from(quantity);
    }
}

/// Who is first in line on a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// The oldest order at the best price.
    pub order: Slot,
    /// The best price.
    pub key: Key,
    /// What is left of that order.
    pub leaves: u32,
}

/// One instrument's resting orders in price-time order.
#[derive(Debug)]
pub struct OrderBook {
    /// Sellers, then buyers: which of two is asked for is as good as random, so it is an index and
    /// no branch.
    sides: [Ladder; 2],
    /// The owner's notes, kept here because whoever comes to the book looks at them.
    pub notes: Notes,
}

/// What an owner notes of a book.
#[derive(Clone, Copy, Debug, Default)]
pub struct Notes {
    /// The price of the last trade; 0 before the first.
    pub last: i64,
    /// What is out of the ordinary, in the owner's own bits; 0 is nothing.
    pub marks: u32,
    /// Whose book it is.
    pub instrument: u32,
    /// The price of a key.
    pub tick: Tick,
}

impl OrderBook {
    /// An empty book, the `place`-th of those that share a store; its sides are numbered twice its
    /// place (buyers) and one more (sellers).
    pub fn new(place: u32, ladder_ticks: u32) -> Self {
        Self {
            sides: [Ladder::new(place * 2 + 1, ladder_ticks), Ladder::new(place * 2, ladder_ticks)],
            notes: Notes::default(),
        }
    }

    /// Bytes of a book with ladders of so many ticks.
    pub const fn bytes(ladder_ticks: u32) -> usize {
        size_of::<Self>() + 2 * Ladder::window_bytes(ladder_ticks)
    }

    #[inline(always)]
    const fn side(&self, buy: bool) -> &Ladder {
        &self.sides[buy as usize]
    }

    #[inline(always)]
    const fn side_mut(&mut self, buy: bool) -> &mut Ladder {
        &mut self.sides[buy as usize]
    }

    /// The best price of a side; [`Key::MAX`] where nothing rests.
    #[inline]
    pub const fn best_key(&self, buy: bool) -> Key {
        self.side(buy).best_key()
    }

    /// Who is first in line on a side, if the price there is `limit` or lower.
    #[inline(always)]
    pub fn front<T: Owned>(&self, store: &Store<T>, buy: bool, limit: Key) -> Option<Front> {
        let side = self.side(buy);
        if side.best() == NONE || side.best_key() > limit {
            return None;
        }
        let order = store.levels[side.best()].head;
        Some(Front { order, key: side.best_key(), leaves: store.orders[order].leaves })
    }

    /// Asks the caches for where the level of a key is found.
    #[inline(always)]
    pub(in crate::engine) fn fetch_place(&self, buy: bool, key: Key) {
        self.side(buy).fetch_place(key);
    }

    /// Asks the caches for the level of a key.
    #[inline(always)]
    pub(in crate::engine) fn fetch_level<T: Owned>(&self, store: &Store<T>, buy: bool, key: Key) {
        store.levels.fetch(self.side(buy).near(key));
    }

    /// Asks the caches for the last in line of a key; its level is there already.
    #[inline(always)]
    pub(in crate::engine) fn fetch_last<T: Owned>(&self, store: &Store<T>, buy: bool, key: Key) {
        store.orders.fetch(store.levels[self.side(buy).near(key)].tail);
    }

    /// Puts an order at the end of its price's queue; [`NONE`] if the store is full.
    #[inline(always)]
    pub fn rest<T: Owned>(
        &mut self,
        store: &mut Store<T>,
        buy: bool,
        key: Key,
        leaves: u32,
    ) -> Slot {
        if !store.orders.has_room() {
            return NONE;
        }
        let at = self.side_mut(buy).enter(&mut store.levels, key);
        if at == NONE {
            return NONE;
        }
        let slot = store.orders.allocate();
        store.append(slot, at, leaves);
        slot
    }

    /// Puts an order, taken from the store, at the end of its price's queue.
    pub fn lay<T: Owned>(
        &mut self,
        store: &mut Store<T>,
        buy: bool,
        key: Key,
        order: Slot,
        leaves: u32,
    ) {
        let at = self.side_mut(buy).enter(&mut store.levels, key);
        debug_assert_ne!(at, NONE, "there are as many levels as orders");
        store.append(order, at, leaves);
    }

    /// Takes an order out of the book; its slot stays the caller's.
    pub fn lift<T: Owned>(&mut self, store: &mut Store<T>, order: Slot) {
        let at = store.unlink(order);
        self.close_if_empty(store, at);
    }

    /// Trades with an order: cuts it, or takes it out of the book if nothing is left of it.
    #[inline(always)]
    pub fn trade<T: Owned>(&mut self, store: &mut Store<T>, order: Slot, quantity: u32) {
        if store.orders[order].leaves > quantity {
            store.cut(order, quantity);
        } else {
            self.remove(store, order);
        }
    }

    /// Takes an order out of the book, in a time that depends on nothing but the caches.
    #[inline(always)]
    pub fn remove<T: Owned>(&mut self, store: &mut Store<T>, order: Slot) {
        let at = store.unlink(order);
        store.orders.free(order);
        self.close_if_empty(store, at);
    }

    #[inline(always)]
    fn close_if_empty<T: Owned>(&mut self, store: &mut Store<T>, at: Slot) {
        let level = &store.levels[at];
        if level.orders == 0 {
            let buy = level.ladder.is_multiple_of(2);
            self.side_mut(buy).close(&mut store.levels, at);
        }
    }

    /// The first order of the next worse price than an order's; [`NONE`] behind the last.
    pub fn next_price<T: Owned>(&self, store: &Store<T>, buy: bool, key: Key) -> Slot {
        let level = self.side(buy).after(&store.levels, key);
        if level == NONE { NONE } else { store.levels[level].head }
    }

    /// Shows a side's prices, best first, as key, quantity and number of orders, while `each`
    /// says to go on.
    pub fn depth<T: Owned>(
        &self,
        store: &Store<T>,
        buy: bool,
        each: &mut dyn FnMut(Key, u64, u32) -> bool,
    ) {
        let side = self.side(buy);
        let mut at = side.best();
        while at != NONE {
            let level = &store.levels[at];
            if !each(level.key, level.quantity, level.orders) {
                return;
            }
            at = side.after(&store.levels, level.key);
        }
    }

    /// Shows a side's orders, best price first, oldest first.
    pub fn for_each_order<T: Owned>(
        &self,
        store: &Store<T>,
        buy: bool,
        each: &mut dyn FnMut(Slot),
    ) {
        let side = self.side(buy);
        let mut at = side.best();
        while at != NONE {
            let mut order = store.levels[at].head;
            while order != NONE {
                each(order);
                order = store.orders[order].next;
            }
            at = side.after(&store.levels, store.levels[at].key);
        }
    }

    /// Whether a side's best price is found by index.
    #[cfg(test)]
    pub(super) fn is_near(&self, buy: bool) -> bool {
        self.side(buy).is_near()
    }

    /// Checks both sides' inner order.
    #[cfg(test)]
    pub(super) fn check<T>(&self, store: &Store<T>) {
        self.sides.iter().for_each(|side| side.check(&store.levels));
    }
}
