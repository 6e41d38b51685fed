//! `FarLevels`: the levels outside a ladder's window, in order of their keys.
//!
//! An AVL tree whose nodes are the levels themselves: no price list, however chosen, makes it
//! deeper than 1.44 times the logarithm of their number, and nothing is allocated.

use crate::engine::book::level::Levels;
use crate::engine::book::{Key, NONE, Slot};
use crate::engine::work::step;

/// A balanced tree of levels; the pool it is given must always be the same.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FarLevels {
    root: Slot,
    /// The level with the lowest key.
    first: Slot,
}

impl FarLevels {
    #[inline]
    pub(super) const fn is_empty(&self) -> bool {
        self.root == NONE
    }

    /// The level with the lowest key.
    #[inline]
    pub(super) const fn first(&self) -> Slot {
        self.first
    }

    /// The level of a key.
    pub(super) fn find(&self, levels: &Levels, key: Key) -> Slot {
        let found = self.at_or_after(levels, key);
        if found != NONE && levels[found].key == key { found } else { NONE }
    }

    /// The level with the lowest key that is not below `key`.
    pub(super) fn at_or_after(&self, levels: &Levels, key: Key) -> Slot {
        let (mut at, mut found) = (self.root, NONE);
        while at != NONE {
            step();
            if levels[at].key >= key {
                found = at;
                at = left(levels, at);
            } else {
                at = right(levels, at);
            }
        }
        found
    }

    /// The level with the lowest key above `key`.
    pub(super) fn after(&self, levels: &Levels, key: Key) -> Slot {
        key.checked_add(1).map_or(NONE, |next| self.at_or_after(levels, next))
    }

    /// The level with the highest key below `key`.
    pub(super) fn before(&self, levels: &Levels, key: Key) -> Slot {
        let (mut at, mut found) = (self.root, NONE);
        while at != NONE {
            step();
            if levels[at].key < key {
                found = at;
                at = right(levels, at);
            } else {
                at = left(levels, at);
            }
        }
        found
    }

    /// Adds a level whose key is not there yet.
    pub(super) fn insert(&mut self, levels: &mut Levels, level: Slot) {
        if self.first == NONE || levels[level].key < levels[self.first].key {
            self.first = level;
        }
        self.root = insert_under(levels, self.root, level);
    }

    /// Takes a level out.
    pub(super) fn remove(&mut self, levels: &mut Levels, level: Slot) {
        let key = levels[level].key;
        if self.first == level {
            self.first = self.after(levels, key);
        }
        self.root = remove_under(levels, self.root, key);
    }

    /// How deep the tree is.
    #[cfg(test)]
    pub(super) fn height(&self, levels: &Levels) -> u32 {
        height(levels, self.root)
    }
}

// The functions below return the new root of the tree they were given the root of. They descend
// at most as deep as the tree, which is 44 for all levels that fit.

fn insert_under(levels: &mut Levels, root: Slot, level: Slot) -> Slot {
    if root == NONE {
        let branch = &mut levels.branches[level as usize];
        (branch.left, branch.right, branch.height) = (NONE, NONE, 1);
        return level;
    }
    if levels[level].key < levels[root].key {
        let under = insert_under(levels, left(levels, root), level);
        levels.branches[root as usize].left = under;
    } else {
        let under = insert_under(levels, right(levels, root), level);
        levels.branches[root as usize].right = under;
    }
    balance(levels, root)
}

fn remove_under(levels: &mut Levels, root: Slot, key: Key) -> Slot {
    if root == NONE {
        return NONE;
    }
    if key < levels[root].key {
        let under = remove_under(levels, left(levels, root), key);
        levels.branches[root as usize].left = under;
    } else if key > levels[root].key {
        let under = remove_under(levels, right(levels, root), key);
        levels.branches[root as usize].right = under;
    } else {
        let (low, high) = (left(levels, root), right(levels, root));
        if low == NONE || high == NONE {
            return low.max(high);
        }
        let (heir, rest) = take_first(levels, high);
        let branch = &mut levels.branches[heir as usize];
        (branch.left, branch.right) = (low, rest);
        return balance(levels, heir);
    }
    balance(levels, root)
}

/// Takes the first level out of a tree that is not empty; returns it and the new root.
fn take_first(levels: &mut Levels, root: Slot) -> (Slot, Slot) {
    let low = left(levels, root);
    if low == NONE {
        return (root, right(levels, root));
    }
    let (first, rest) = take_first(levels, low);
    levels.branches[root as usize].left = rest;
    (first, balance(levels, root))
}

/// Makes a tree whose halves are balanced, and at most two apart, balanced again.
fn balance(levels: &mut Levels, root: Slot) -> Slot {
    step();
    let (low, high) = (left(levels, root), right(levels, root));
    if height(levels, low) > height(levels, high) + 1 {
        if height(levels, left(levels, low)) < height(levels, right(levels, low)) {
            let under = rotate_left(levels, low);
            levels.branches[root as usize].left = under;
        }
        return rotate_right(levels, root);
    }
    if height(levels, high) > height(levels, low) + 1 {
        if height(levels, right(levels, high)) < height(levels, left(levels, high)) {
            let under = rotate_right(levels, high);
            levels.branches[root as usize].right = under;
        }
        return rotate_left(levels, root);
    }
    measure(levels, root);
    root
}

fn rotate_right(levels: &mut Levels, root: Slot) -> Slot {
    let top = left(levels, root);
    levels.branches[root as usize].left = right(levels, top);
    levels.branches[top as usize].right = root;
    measure(levels, root);
    measure(levels, top);
    top
}

fn rotate_left(levels: &mut Levels, root: Slot) -> Slot {
    let top = right(levels, root);
    levels.branches[root as usize].right = left(levels, top);
    levels.branches[top as usize].left = root;
    measure(levels, root);
    measure(levels, top);
    top
}

fn measure(levels: &mut Levels, root: Slot) {
    let low = height(levels, left(levels, root));
    let high = height(levels, right(levels, root));
    levels.branches[root as usize].height = low.max(high) + 1;
}

fn height(levels: &Levels, root: Slot) -> u32 {
    if root == NONE { 0 } else { levels.branches[root as usize].height }
}

fn left(levels: &Levels, at: Slot) -> Slot {
    levels.branches[at as usize].left
}

fn right(levels: &Levels, at: Slot) -> Slot {
    levels.branches[at as usize].right
}
