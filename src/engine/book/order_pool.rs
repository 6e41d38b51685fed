//! `Orders`: the pool of all resting orders of all books, only what matching touches.

use std::ops::{Index, IndexMut};

use crate::engine::book::{NONE, Slot};

/// One resting order. 16 bytes: four share a cache line. Who it is lies elsewhere, under its slot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order {
    /// The next younger order of its level; in a free slot the next free one.
    pub(super) next: Slot,
    /// The next older order of its level.
    pub(super) previous: Slot,
    /// What is left to trade.
    pub(super) leaves: u32,
    /// Where it queues.
    pub(super) level: Slot,
}
const _: () = assert!(size_of::<Order>() == 16);

/// All resting orders.
#[derive(Debug)]
pub(super) struct Orders {
    orders: Box<[Order]>,
    free: Slot,
    fresh: Slot,
    live: u32,
}

impl Orders {
    pub(super) fn new(orders_max: u32) -> Self {
        let orders = vec![Order::default(); orders_max as usize + 1].into_boxed_slice();
        Self { orders, free: NONE, fresh: NONE + 1, live: 0 }
    }

    /// Orders resting.
    pub(super) const fn live(&self) -> u32 {
        self.live
    }

    /// Whether another order finds room.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        (self.live as usize) < self.orders.len() - 1
    }

    /// Whether so many orders find room.
    pub(super) fn has_room_for(&self, count: u32) -> bool {
        self.live as usize + count as usize <= self.orders.len() - 1
    }

    /// Takes a slot, the one freed last first, since it is in the cache. Ask for room before.
    #[inline]
    pub(super) fn allocate(&mut self) -> Slot {
        self.live += 1;
        if self.free != NONE {
            let slot = self.free;
            self.free = self[slot].next;
            slot
        } else {
            self.fresh += 1;
            self.fresh - 1
        }
    }

    #[inline]
    pub(super) fn free(&mut self, slot: Slot) {
        self[slot].next = self.free;
        self.free = slot;
        self.live -= 1;
    }
}

impl Index<Slot> for Orders {
    type Output = Order;

    #[inline]
    fn index(&self, slot: Slot) -> &Order {
        &self.orders[slot as usize]
    }
}

impl IndexMut<Slot> for Orders {
    #[inline]
    fn index_mut(&mut self, slot: Slot) -> &mut Order {
        &mut self.orders[slot as usize]
    }
}
