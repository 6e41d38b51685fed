//! `Level`: one price of one side and the queue there; `Levels`: the pool of all of them.

use std::ops::{Index, IndexMut};

use crate::engine::book::{Key, NONE, Slot};
use crate::model::fetch;

/// One price with somebody at it. 32 bytes: two share a cache line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Level {
    pub(super) key: Key,
    /// The sum of its orders' leaves.
    pub(super) quantity: u64,
    /// The oldest order; in a free level the next free one.
    pub(super) head: Slot,
    /// The youngest order.
    pub(super) tail: Slot,
    pub(super) orders: u32,
    /// The ladder it belongs to.
    pub(super) ladder: u32,
}
const _: () = assert!(size_of::<Level>() == 32);

/// A level's place in the tree of its ladder's far levels; means nothing while it is near.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Branch {
    pub(super) left: Slot,
    pub(super) right: Slot,
    pub(super) height: u32,
}

/// All levels of all books. Every level holds an order, so as many as orders are enough.
#[derive(Debug)]
pub(super) struct Levels {
    levels: Box<[Level]>,
    pub(super) branches: Box<[Branch]>,
    free: Slot,
    fresh: Slot,
}

impl Levels {
    pub(super) fn new(levels_max: u32) -> Self {
        let slots = levels_max as usize + 1;
        Self {
            levels: vec![Level::default(); slots].into_boxed_slice(),
            branches: vec![Branch::default(); slots].into_boxed_slice(),
            free: NONE,
            fresh: NONE + 1,
        }
    }

    /// Takes a slot, the one freed last first, since it is in the cache; [`NONE`] if all are taken.
    #[inline]
    pub(super) fn allocate(&mut self, key: Key, ladder: u32) -> Slot {
        let slot = if self.free != NONE {
            let slot = self.free;
            self.free = self[slot].head;
            slot
        } else if (self.fresh as usize) < self.levels.len() {
            self.fresh += 1;
            self.fresh - 1
        } else {
            return NONE;
        };
        self[slot] = Level { key, ladder, ..Level::default() };
        slot
    }

    /// Asks the caches for a level.
    #[inline(always)]
    pub(super) fn fetch(&self, slot: Slot) {
        fetch(&self.levels, slot as usize);
    }

    #[inline]
    pub(super) fn free(&mut self, slot: Slot) {
        self[slot].head = self.free;
        self.free = slot;
    }
}

impl Index<Slot> for Levels {
    type Output = Level;

    #[inline]
    fn index(&self, slot: Slot) -> &Level {
        &self.levels[slot as usize]
    }
}

impl IndexMut<Slot> for Levels {
    #[inline]
    fn index_mut(&mut self, slot: Slot) -> &mut Level {
        &mut self.levels[slot as usize]
    }
}
