//! `Ladder`: one side of one book, from prices to levels, with the best at hand.
//!
//! A window of keys about the best is an array, so a price there is an index; levels elsewhere
//! are in a tree. The window follows the best a few levels at a time, so that no command waits for
//! it; every answer is right wherever it stands.

use crate::engine::book::bitmap::Bitmap;
use crate::engine::book::far_levels::FarLevels;
use crate::engine::book::level::Levels;
use crate::engine::book::{Key, NONE, Slot};
use crate::engine::work::step;
use crate::model::fetch;

/// Levels that may change between window and tree each time a level is made or emptied. Two keep
/// up with any walk of the best price; four make the window catch up after a jump.
const MOVES_MAX: u32 = 4;

/// One side of a book.
#[derive(Debug)]
pub(super) struct Ladder {
    /// Its number, which its levels carry.
    number: u32,
    best: Slot,
    best_key: Key,
    /// The lowest key of the window.
    base: Key,
    /// Levels in the window, by the low bits of their keys: when it moves, they stay.
    window: Box<[Slot]>,
    taken: Bitmap,
    near: u32,
    far: FarLevels,
}

impl Ladder {
    /// An empty side with a window of `ticks` keys, a power of two.
    pub(super) fn new(number: u32, ticks: u32) -> Self {
        debug_assert!(ticks.is_power_of_two() && ticks >= 8);
        Self {
            number,
            best: NONE,
            best_key: Key::MAX,
            base: 0,
            window: vec![NONE; ticks as usize].into_boxed_slice(),
            taken: Bitmap::new(ticks as usize),
            near: 0,
            far: FarLevels::default(),
        }
    }

    /// Bytes of a window of so many keys.
    pub(super) const fn window_bytes(ticks: u32) -> usize {
        ticks as usize * size_of::<Slot>() + Bitmap::bytes(ticks as usize)
    }

    /// The best level; [`NONE`] on an empty side.
    #[inline]
    pub(super) const fn best(&self) -> Slot {
        self.best
    }

    /// The best level's key; [`Key::MAX`] on an empty side.
    #[inline]
    pub(super) const fn best_key(&self) -> Key {
        self.best_key
    }

    /// The level of a key, made if there is none; [`NONE`] if the pool has no more.
    #[inline(always)]
    pub(super) fn enter(&mut self, levels: &mut Levels, key: Key) -> Slot {
        let level = self.find(levels, key);
        if level != NONE { level } else { self.open(levels, key) }
    }

    #[inline(always)]
    fn find(&self, levels: &Levels, key: Key) -> Slot {
        if self.covers(key) { self.window[self.place(key)] } else { self.find_far(levels, key) }
    }

    /// Asks the caches for a key's place in the window.
    #[inline(always)]
    pub(super) fn fetch_place(&self, key: Key) {
        fetch(&self.window, self.place(key));
    }

    /// The level of a key if it is in the window.
    #[inline(always)]
    pub(super) fn near(&self, key: Key) -> Slot {
        if self.covers(key) { self.window[self.place(key)] } else { NONE }
    }

    #[cold]
    fn find_far(&self, levels: &Levels, key: Key) -> Slot {
        if self.far.is_empty() { NONE } else { self.far.find(levels, key) }
    }

    #[inline(never)]
    fn open(&mut self, levels: &mut Levels, key: Key) -> Slot {
        let level = levels.allocate(key, self.number);
        if level == NONE {
            return NONE;
        }
        if self.best == NONE {
            self.base = self.base_for(key);
        }
        if self.covers(key) {
            self.put_near(level, key);
        } else {
            self.far.insert(levels, level);
        }
        if self.best == NONE || key < self.best_key {
            (self.best, self.best_key) = (level, key);
            self.follow(levels);
        }
        level
    }

    /// Takes a level without orders away.
    #[inline(never)]
    pub(super) fn close(&mut self, levels: &mut Levels, level: Slot) {
        let key = levels[level].key;
        if self.covers(key) {
            self.take_near(key);
        } else {
            self.far.remove(levels, level);
        }
        levels.free(level);
        if self.best == level {
            self.best = self.after(levels, key);
            self.best_key = if self.best == NONE { Key::MAX } else { levels[self.best].key };
            self.follow(levels);
        }
    }

    /// The best level with a key above `key`.
    #[inline]
    pub(super) fn after(&self, levels: &Levels, key: Key) -> Slot {
        let near = self.near_after(key);
        if self.far.is_empty() {
            return near;
        }
        let far = match key.checked_add(1) {
            Some(next) if next > levels[self.far.first()].key => self.far.at_or_after(levels, next),
            Some(_) => self.far.first(),
            None => NONE,
        };
        if near == NONE || (far != NONE && levels[far].key < levels[near].key) { far } else { near }
    }

    /// The level in the window with the lowest key above `key`.
    #[inline]
    fn near_after(&self, key: Key) -> Slot {
        if self.near == 0 {
            return NONE;
        }
        // Keys go round the array from the base on, so the search may have two stretches.
        let start = self.place(self.base);
        let offset = if key < self.base { 0 } else { key.abs_diff(self.base).saturating_add(1) };
        if offset >= self.window.len() as u64 {
            return NONE;
        }
        let from = (start + offset as usize) % self.window.len();
        let found = match self.taken.next(from) {
            Some(place) if from >= start || place < start => Some(place),
            None if from >= start => self.taken.next(0).filter(|&place| place < start),
            _ => None,
        };
        found.map_or(NONE, |place| self.window[place])
    }

    /// The level in the window with the highest key.
    fn near_last(&self) -> Slot {
        let start = self.place(self.base);
        let below = start.checked_sub(1).and_then(|end| self.taken.previous(end));
        let place = below.or_else(|| self.taken.previous(self.window.len() - 1));
        place.map_or(NONE, |place| self.window[place])
    }

    #[inline]
    fn covers(&self, key: Key) -> bool {
        // Keys of one side have one sign, so a difference that wraps is one of another window.
        (key.wrapping_sub(self.base) as u64) < self.window.len() as u64
    }

    #[inline]
    fn place(&self, key: Key) -> usize {
        key as usize & (self.window.len() - 1)
    }

    fn put_near(&mut self, level: Slot, key: Key) {
        let place = self.place(key);
        self.window[place] = level;
        self.taken.set(place);
        self.near += 1;
    }

    fn take_near(&mut self, key: Key) {
        let place = self.place(key);
        self.window[place] = NONE;
        self.taken.clear(place);
        self.near -= 1;
    }
}

/// The window's moving.
impl Ladder {
    /// Where the window should begin for a best price: an eighth of it before, for better ones.
    fn base_for(&self, best: Key) -> Key {
        best.saturating_sub(self.ticks() / 8)
    }

    fn ticks(&self) -> Key {
        self.window.len() as Key
    }

    /// Moves the window if the best has left its first half.
    #[inline]
    fn follow(&mut self, levels: &mut Levels) {
        let offset = self.best_key.wrapping_sub(self.base) as u64;
        if self.best != NONE && offset > self.window.len() as u64 / 2 {
            self.slide(levels);
        }
    }

    #[cold]
    fn slide(&mut self, levels: &mut Levels) {
        let target = self.base_for(self.best_key);
        for _ in 0..MOVES_MAX {
            step();
            let done = if target > self.base {
                self.step_up(levels, target)
            } else {
                self.step_down(levels, target)
            };
            if done {
                self.base = target;
                return;
            }
        }
    }

    /// Raises the base past the next level that must leave or join; `true` if there is none.
    fn step_up(&mut self, levels: &mut Levels, target: Key) -> bool {
        let ticks = self.ticks();
        let leaves = self.near_after(self.base.saturating_sub(1));
        let joins = self.far.at_or_after(levels, self.base.saturating_add(ticks));
        let stop = |level: Slot, past: Key| {
            let stop = levels[level].key.checked_sub(past)?;
            (level != NONE && stop < target).then_some(stop)
        };
        // The base may stand at `stop` while the level stays where it is, and no higher.
        let leave_at = stop(leaves, 0);
        let join_at = stop(joins, ticks);
        let Some(at) = [leave_at, join_at].into_iter().flatten().min() else { return true };
        if leave_at == Some(at) {
            self.leave(levels, leaves);
        }
        self.base = at.saturating_add(1);
        if join_at == Some(at) {
            self.join(levels, joins);
        }
        false
    }

    /// Lowers the base past the next level that must leave or join; `true` if there is none.
    fn step_down(&mut self, levels: &mut Levels, target: Key) -> bool {
        let ticks = self.ticks();
        let leaves = self.near_last();
        let joins = self.far.before(levels, self.base);
        let stop = |level: Slot, past: Key| {
            let stop = levels[level].key.checked_sub(past)?;
            (level != NONE && stop >= target).then_some(stop)
        };
        // The base must come down to `stop` for the level to leave or join.
        let leave_at = stop(leaves, ticks);
        let join_at = stop(joins, 0);
        let Some(at) = [leave_at, join_at].into_iter().flatten().max() else { return true };
        if leave_at == Some(at) {
            self.leave(levels, leaves);
        }
        self.base = at;
        if join_at == Some(at) {
            self.join(levels, joins);
        }
        false
    }

    fn leave(&mut self, levels: &mut Levels, level: Slot) {
        self.take_near(levels[level].key);
        self.far.insert(levels, level);
    }

    fn join(&mut self, levels: &mut Levels, level: Slot) {
        self.far.remove(levels, level);
        self.put_near(level, levels[level].key);
    }
}

#[cfg(test)]
impl Ladder {
    /// Whether the best is found by index.
    pub(super) fn is_near(&self) -> bool {
        self.covers(self.best_key)
    }

    /// Checks what must always hold: near levels inside the window, far ones outside, best first.
    pub(super) fn check(&self, levels: &Levels) {
        let mut near = 0;
        for (place, &level) in self.window.iter().enumerate().filter(|(_, level)| **level != NONE) {
            let key = levels[level].key;
            assert!(self.covers(key) && self.place(key) == place, "a near level lies wrong");
            assert_eq!(self.taken.next(place), Some(place), "a level's bit is not set");
            near += 1;
        }
        assert_eq!(near, self.near);
        let (mut at, mut count) = (self.far.first(), 0);
        while at != NONE {
            let key = levels[at].key;
            assert!(!self.covers(key), "a far level lies inside the window");
            at = self.far.after(levels, key);
            count += 1;
        }
        let deepest = 1.45 * f64::from(count + 2).log2();
        assert!(f64::from(self.far.height(levels)) <= deepest, "the tree is out of balance");
        assert_eq!(self.best, self.after(levels, Key::MIN), "the best is not the best");
    }
}
