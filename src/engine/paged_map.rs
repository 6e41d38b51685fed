//! `PagedMap`: from order ids to slots, fast where ids come in sequence, right where they do not.
//!
//! Ids that differ only in their last six bits share a page, and a small hash table finds the
//! page. A session numbers its orders in sequence and works mostly on the last ones, so it stays
//! within a few pages that lie in the cache. An id that is alone in its page has none: the hash
//! table holds its value, so a client that leaves gaps costs no more than hashing.

use crate::engine::{IdMap, MapFull};
use crate::model::fetch;

/// Ids that share a page; its values are four cache lines.
const PAGE_LOG2: u32 = 6;
const PAGE: usize = 1 << PAGE_LOG2;

/// Bits of a value: six more and a mark share a word with it.
const VALUE_BITS: u32 = 25;

/// Values are below this.
pub const VALUE_BOUND: u32 = 1 << VALUE_BITS;

/// Where an entry lies, for whoever keeps it and takes the entry out again.
pub type Spot = u32;

/// Only its key tells where the entry lies.
const ANYWHERE: Spot = Spot::MAX;

/// Entries for each page whose place is remembered: pages are opened in sequence, and most hold
/// some ids.
const RECENT_SHARE: usize = 4;

/// How far apart the pages of two sessions are remembered: odd, and without pattern.
const SESSIONS_APART: u64 = 0x9e37_79b1;

/// No page: the upper bits of an id are below it.
const NO_PAGE: u64 = u64::MAX;

/// Marks a word of the hash table as the number of a page.
const IS_PAGE: u32 = 1 << 31;

/// What the hash table says of an id's neighbourhood.
enum Found {
    /// One id is there, alone: its last bits, and its value.
    Alone(u32, u32),
    /// A page.
    Page(u32),
}

impl Found {
    #[inline]
    const fn of(word: u32) -> Self {
        match word & IS_PAGE {
            0 => Found::Alone(word >> VALUE_BITS, word & (VALUE_BOUND - 1)),
            _ => Found::Page(word & !IS_PAGE),
        }
    }
}

/// A page of ids.
#[derive(Clone, Copy, Debug)]
struct Page {
    /// The upper bits of its ids; [`NO_PAGE`] while nothing is in it.
    upper: u64,
    /// Entries in it.
    used: u32,
}

/// A map from `u64` to `u32` that never allocates after construction.
#[derive(Clone, Debug)]
pub struct PagedMap {
    /// From an id's upper bits to its page, or to the value of the one id there.
    words: IdMap,
    /// One more than the value; 0 where nothing is.
    values: Box<[u32]>,
    /// Whose ids each page has.
    pages: Box<[Page]>,
    /// Where a page was last opened whose ids are alike in some bits: a guess at most ids' pages.
    recent: Box<[u32]>,
    /// Pages in which nothing is; the last given back is the first taken, for it is in the cache.
    free: Vec<u32>,
    len: usize,
    /// Entries that have no page.
    alone: usize,
}

impl PagedMap {
    /// A map for up to `entries` entries, whatever their ids; values are below [`VALUE_BOUND`].
    pub fn with_capacity(entries: usize) -> Self {
        Self::seeded(entries, 0)
    }

    /// As [`Self::with_capacity`], with a seed that makes collisions hard to provoke from outside.
    pub fn seeded(entries: usize, seed: u64) -> Self {
        // A page is opened for its second id, and may keep but one of them; then it is not given
        // up, for another comes soon.
        let pages = entries;
        Self {
            words: IdMap::seeded(entries, seed),
            values: vec![0; pages * PAGE].into_boxed_slice(),
            pages: vec![Page { upper: NO_PAGE, used: 0 }; pages].into_boxed_slice(),
            recent: vec![0; (entries / RECENT_SHARE).max(1).next_power_of_two()].into(),
            free: (0..pages as u32).rev().collect(),
            len: 0,
            alone: 0,
        }
    }

    /// Stores `value` under `key`; returns the value it replaces, if any.
    ///
    /// # Errors
    /// [`MapFull`] when there is no room for the key: then `entries` are live already.
    #[inline]
    pub fn insert(&mut self, key: u64, value: u32) -> Result<Option<u32>, MapFull> {
        debug_assert!(value < VALUE_BOUND, "a value shares its word with six bits");
        let upper = key >> PAGE_LOG2;
        let page = match self.words.get(upper).map(Found::of) {
            Some(Found::Page(page)) => page,
            Some(Found::Alone(low, other)) if low != low_of(key) => self.open(upper, low, other)?,
            _ => {
                let old = self.words.insert(upper, low_of(key) << VALUE_BITS | value)?;
                self.len += old.is_none() as usize;
                self.alone += old.is_none() as usize;
                return Ok(old.map(|word| word & (VALUE_BOUND - 1)));
            }
        };
        Ok(self.put(page, low_of(key), value))
    }

    /// Stores `value` under `key`, which is not there yet; returns where. `near` is the page that
    /// the caller's last id lay in, and becomes this one's: the next id is likely in it, too. Ask
    /// for room before: with `entries` live already nothing is stored.
    #[inline(always)]
    pub fn insert_near(&mut self, near: &mut u32, key: u64, value: u32) -> Spot {
        let upper = key >> PAGE_LOG2;
        match self.pages.get_mut(*near as usize) {
            Some(page) if page.upper == upper => {
                page.used = page.used.wrapping_add(1);
                self.len = self.len.wrapping_add(1);
                let spot = place(*near, low_of(key));
                if let Some(entry) = self.values.get_mut(spot) {
                    *entry = value.wrapping_add(1);
                }
                spot as Spot
            }
            _ => self.insert_far(near, key, value).unwrap_or(ANYWHERE),
        }
    }

    #[inline(never)]
    fn insert_far(&mut self, near: &mut u32, key: u64, value: u32) -> Result<Spot, MapFull> {
        let (upper, low) = (key >> PAGE_LOG2, low_of(key));
        let page = match self.words.get_or_insert(upper, low << VALUE_BITS | value)? {
            None => {
                self.len += 1;
                self.alone += 1;
                return Ok(ANYWHERE);
            }
            Some(word) => match Found::of(word) {
                Found::Page(page) => page,
                Found::Alone(low, other) => self.open(upper, low, other)?,
            },
        };
        *near = page;
        self.put(page, low, value);
        Ok(place(page, low) as Spot)
    }

    /// Takes `key` out from where it was put.
    #[inline(always)]
    pub fn remove_at(&mut self, spot: Spot, key: u64) {
        let page = spot >> PAGE_LOG2;
        match (self.values.get_mut(spot as usize), self.pages.get_mut(page as usize)) {
            (Some(value), Some(entries)) => {
                *value = 0;
                entries.used = entries.used.wrapping_sub(1);
                self.len = self.len.wrapping_sub(1);
                if entries.used == 0 {
                    self.close(page);
                }
            }
            // It was alone; by now it may have a page.
            _ => drop(self.remove(key)),
        }
    }

    /// Gives a neighbourhood its page, when a second id comes to it.
    #[cold]
    fn open(&mut self, upper: u64, low: u32, value: u32) -> Result<u32, MapFull> {
        let page = self.free.pop().ok_or(MapFull)?;
        self.words.insert(upper, IS_PAGE | page)?;
        if let Some(entries) = self.pages.get_mut(page as usize) {
            *entries = Page { upper, used: 0 };
        }
        let recent = self.recent_place(upper);
        if let Some(recent) = self.recent.get_mut(recent) {
            *recent = page;
        }
        self.put(page, low, value);
        self.len -= 1;
        self.alone -= 1;
        Ok(page)
    }

    /// Gives up a page in which nothing is.
    #[inline(never)]
    fn close(&mut self, page: u32) {
        if let Some(entries) = self.pages.get_mut(page as usize) {
            self.words.remove(entries.upper);
            entries.upper = NO_PAGE;
        }
        self.free.push(page);
    }

    #[inline]
    fn put(&mut self, page: u32, low: u32, value: u32) -> Option<u32> {
        let old = std::mem::replace(self.values.get_mut(place(page, low))?, value + 1);
        if old == 0 {
            self.pages.get_mut(page as usize)?.used += 1;
            self.len += 1;
        }
        old.checked_sub(1)
    }

    /// The value that `key` likely has, if any: for whoever can tell by the value whether it is
    /// right. 0 is no guess.
    #[inline(always)]
    pub fn guess(&self, key: u64) -> u32 {
        if self.is_sparse() {
            return self.get(key).unwrap_or(0);
        }
        self.value_at(self.likely_spot(key))
    }

    /// Where `key` likely lies, unless most ids have no page.
    #[inline(always)]
    pub fn likely_spot(&self, key: u64) -> Spot {
        let page = self.recent.get(self.recent_place(key >> PAGE_LOG2)).copied().unwrap_or(0);
        place(page, low_of(key)) as Spot
    }

    /// What lies at a spot; 0 where nothing does.
    #[inline(always)]
    pub fn value_at(&self, spot: Spot) -> u32 {
        self.values.get(spot as usize).copied().unwrap_or(0).saturating_sub(1)
    }

    /// Asks the caches for what [`Self::guess`] will read.
    #[inline(always)]
    pub(super) fn fetch(&self, key: u64) {
        let upper = key >> PAGE_LOG2;
        if self.is_sparse() {
            return self.words.fetch(upper);
        }
        self.fetch_spot(self.likely_spot(key));
    }

    /// Asks the caches for what lies at a spot.
    #[inline(always)]
    pub(super) fn fetch_spot(&self, spot: Spot) {
        fetch(&self.values, spot as usize);
    }

    /// Whether most ids have no page.
    #[inline(always)]
    const fn is_sparse(&self) -> bool {
        self.alone > self.len / 2
    }

    /// Pages in sequence have places in sequence, those of another session elsewhere.
    #[inline(always)]
    fn recent_place(&self, upper: u64) -> usize {
        let session = (upper >> (32 - PAGE_LOG2)).wrapping_mul(SESSIONS_APART);
        (upper.wrapping_add(session)) as usize & (self.recent.len() - 1)
    }

    /// The value under `key`.
    #[inline]
    pub fn get(&self, key: u64) -> Option<u32> {
        match Found::of(self.words.get(key >> PAGE_LOG2)?) {
            Found::Page(page) => self.values.get(place(page, low_of(key)))?.checked_sub(1),
            Found::Alone(low, value) => (low == low_of(key)).then_some(value),
        }
    }

    /// Takes `key` out; returns its value.
    #[inline]
    pub fn remove(&mut self, key: u64) -> Option<u32> {
        let is_it = |word| matches!(Found::of(word), Found::Alone(low, _) if low == low_of(key));
        let page = match Found::of(self.words.remove_if(key >> PAGE_LOG2, is_it)?) {
            Found::Page(page) => page,
            Found::Alone(low, _) if low != low_of(key) => return None,
            Found::Alone(_, value) => {
                self.len -= 1;
                self.alone -= 1;
                return Some(value);
            }
        };
        let value =
            std::mem::take(self.values.get_mut(place(page, low_of(key)))?).checked_sub(1)?;
        self.len -= 1;
        let entries = self.pages.get_mut(page as usize)?;
        entries.used -= 1;
        if entries.used == 0 {
            self.close(page);
        }
        Some(value)
    }

    /// Whether `key` is there.
    #[inline]
    pub fn contains(&self, key: u64) -> bool {
        self.get(key).is_some()
    }

    /// Entries live.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is live.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[inline]
const fn low_of(key: u64) -> u32 {
    key as u32 & (PAGE as u32 - 1)
}

#[inline]
const fn place(page: u32, low: u32) -> usize {
    (page as usize) << PAGE_LOG2 | low as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_sorted_map(
            steps in prop::collection::vec((0u8..3, 0u64..2_000, any::<u16>()), 0..600),
            stride in prop::sample::select(vec![1u64, 7, 64, 1_000, 1 << 33]),
        ) {
            let mut map = PagedMap::with_capacity(64);
            let mut oracle = BTreeMap::new();
            for (step, key, value) in steps {
                let (key, value) = (key % 90 * stride, u32::from(value));
                match step {
                    0 => match map.insert(key, value) {
                        Ok(old) => prop_assert_eq!(old, oracle.insert(key, value)),
                        // Refused only where every page is taken.
                        Err(MapFull) => prop_assert!(oracle.len() >= 64 || stride < 64),
                    },
                    1 => prop_assert_eq!(map.remove(key), oracle.remove(&key)),
                    _ => prop_assert_eq!(map.get(key), oracle.get(&key).copied()),
                }
                prop_assert_eq!(map.len(), oracle.len());
            }
        }
    }

    proptest! {
        #[test]
        fn what_lies_somewhere_is_taken_out_there(
            steps in prop::collection::vec((any::<bool>(), 0u64..300), 0..600),
            stride in prop::sample::select(vec![1u64, 7, 64]),
        ) {
            let mut map = PagedMap::with_capacity(64);
            let (mut spots, mut near) = (BTreeMap::new(), 0);
            for (enters, key) in steps {
                let key = key * stride;
                match (enters, spots.remove(&key)) {
                    (_, Some(spot)) => map.remove_at(spot, key),
                    (true, None) if spots.len() < 64 => {
                        spots.insert(key, map.insert_near(&mut near, key, key as u32));
                    }
                    (true, None) => {}
                    (false, None) => prop_assert_eq!(map.get(key), None),
                }
                prop_assert_eq!(map.len(), spots.len());
                for &key in spots.keys() {
                    prop_assert_eq!(map.get(key), Some(key as u32));
                }
            }
        }
    }

    #[test]
    fn sixty_four_in_sequence_take_one_page_and_give_it_back() {
        let mut map = PagedMap::with_capacity(1);
        for key in 128..192 {
            assert_eq!(map.insert(key, key as u32), Ok(None));
        }
        assert_eq!(map.insert(192, 0), Err(MapFull));
        for key in 128..192 {
            assert_eq!(map.remove(key), Some(key as u32));
        }
        assert_eq!(map.insert(192, 5), Ok(None));
        assert_eq!(map.get(192), Some(5));
    }
}
