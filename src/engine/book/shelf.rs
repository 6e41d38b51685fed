//! `Shelf`: a few orders in line by key, then by time, beside a book: in the book's pools, in eight
//! bytes of its own, and slower than a ladder.

use crate::engine::book::far_levels::FarLevels;
use crate::engine::book::order_pool::Owned;
use crate::engine::book::{Key, NONE, Slot, Store};

/// Orders in line, the lowest key first, the oldest of a key first.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    levels: FarLevels,
}

impl Shelf {
    /// The first in line; [`NONE`] if nobody is.
    #[inline]
    pub fn first<T: Owned>(&self, store: &Store<T>) -> Slot {
        match self.levels.first() {
            NONE => NONE,
            level => store.levels[level].head,
        }
    }

    /// The next in line behind an order of this shelf; [`NONE`] behind the last.
    pub fn behind<T: Owned>(&self, store: &Store<T>, order: Slot) -> Slot {
        match store.behind(order) {
            NONE => match self.levels.after(&store.levels, store.key(order)) {
                NONE => NONE,
                level => store.levels[level].head,
            },
            next => next,
        }
    }

    /// Puts an order, taken from the store, at the end of its key's line; `number` is the shelf's.
    pub fn lay<T: Owned>(
        &mut self,
        store: &mut Store<T>,
        number: u32,
        key: Key,
        order: Slot,
        leaves: u32,
    ) {
        let mut level = self.levels.find(&store.levels, key);
        if level == NONE {
            level = store.levels.allocate(key, number);
            debug_assert_ne!(level, NONE, "there are as many levels as orders");
            self.levels.insert(&mut store.levels, level);
        }
        store.append(order, level, leaves);
    }

    /// Takes an order out of line; its slot stays the caller's.
    pub fn lift<T: Owned>(&mut self, store: &mut Store<T>, order: Slot) {
        let level = store.unlink(order);
        if store.levels[level].orders == 0 {
            self.levels.remove(&mut store.levels, level);
            store.levels.free(level);
        }
    }

    /// Whether nobody is in line.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }
}
