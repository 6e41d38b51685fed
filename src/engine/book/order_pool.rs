//! `Orders`: the pool of all resting orders of all books, only what matching touches.

use std::ops::{Index, IndexMut};

use crate::engine::book::{NONE, Slot};
use crate::model::fetch;

/// What an owner keeps of each order: small, plain data.
pub trait Owned: Copy + Default {}

impl<T: Copy + Default> Owned for T {}

/// One resting order: a cache line with whatever its owner keeps of it, so that whoever comes to an
/// order waits for memory once.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Order<T> {
    /// The next younger order of its level; in a free slot the next free one.
    pub(super) next: Slot,
    /// The next older order of its level.
    pub(super) previous: Slot,
    /// What is left to trade.
    pub(super) leaves: u32,
    /// Where it queues.
    pub(super) level: Slot,
    /// What the owner keeps of it; the book never looks at it.
    pub(super) owner: T,
}

/// All resting orders.
#[derive(Debug)]
pub(super) struct Orders<T> {
    orders: Box<[Order<T>]>,
    free: Slot,
    fresh: Slot,
    /// Slots that are free.
    room: u32,
}

impl<T: Owned> Orders<T> {
    pub(super) fn new(orders_max: u32) -> Self {
        let orders = vec![Order::default(); orders_max as usize + 1].into_boxed_slice();
        Self { orders, free: NONE, fresh: NONE + 1, room: orders_max }
    }

    /// Orders resting.
    pub(super) const fn live(&self) -> u32 {
        self.orders.len() as u32 - 1 - self.room
    }

    /// Asks the caches for an order.
    #[inline(always)]
    pub(super) fn fetch(&self, slot: Slot) {
        fetch(&self.orders, slot as usize);
    }

    /// Whether another order finds room.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.room > 0
    }

    /// Whether so many orders find room.
    pub(super) fn has_room_for(&self, count: u32) -> bool {
        self.live() as usize + (count as usize) < self.orders.len()
    }

    /// Takes a slot, the one freed last first, since it is in the cache. Ask for room before.
    #[inline(always)]
    pub(super) fn allocate(&mut self) -> Slot {
        self.room = self.room.wrapping_sub(1);
        if self.free != NONE {
            let slot = self.free;
            self.free = self[slot].next;
            slot
        } else {
            let slot = self.fresh;
            self.fresh = slot.wrapping_add(1);
            slot
        }
    }

    #[inline]
    pub(super) fn free(&mut self, slot: Slot) {
        self[slot].next = self.free;
        self.free = slot;
        self.room = self.room.wrapping_add(1);
    }
}

impl<T> Index<Slot> for Orders<T> {
    type Output = Order<T>;

    #[inline]
    fn index(&self, slot: Slot) -> &Order<T> {
        &self.orders[slot as usize]
    }
}

impl<T> IndexMut<Slot> for Orders<T> {
    #[inline]
    fn index_mut(&mut self, slot: Slot) -> &mut Order<T> {
        &mut self.orders[slot as usize]
    }
}
