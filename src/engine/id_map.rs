//! `IdMap`: from any 64-bit id to a 32-bit slot, in memory taken once.
//!
//! Open addressing at a load of at most one half; removal shifts the entries behind back, so there
//! are no tombstones and a table that has seen a billion ids is as fast as a new one.

use crate::engine::work::step;
use crate::model::fetch;
use crate::snapshot::{Bad, Part, Source};

/// The map already holds as many entries as it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapFull;

/// One place of the table: 16 bytes, so that four share a cache line.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    key: u64,
    value: u32,
    /// One more than the steps from the key's home to here; 0 where nothing is.
    reach: u32,
}

/// A map from `u64` to `u32` that never allocates after construction.
///
/// What it returns does not depend on the seed; only where entries lie does.
#[derive(Clone, Debug)]
pub struct IdMap {
    places: Box<[Place]>,
    mask: usize,
    shift: u32,
    seed: u64,
    len: usize,
    entries_max: usize,
}

/// By key, so that where entries lie, which a seed says, does not show.
impl Part for IdMap {
    fn write(&self, to: &mut Vec<u8>) {
        let live = self.places.iter().filter(|place| place.reach != 0);
        let mut entries: Vec<_> = live.map(|place| (place.key, place.value)).collect();
        entries.sort_unstable();
        entries.write(to);
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        self.clear();
        for _ in 0..from.count(self.entries_max)? {
            let (key, value) = from.value()?;
            self.insert(key, value).map_err(|_| Bad::new("more than there is room for"))?;
        }
        Ok(())
    }
}

/// Odd and without pattern: the golden ratio's fraction in 64 bits.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

impl IdMap {
    /// A map for up to `entries` entries.
    pub fn with_capacity(entries: usize) -> Self {
        Self::seeded(entries, 0)
    }

    /// As [`Self::with_capacity`], with a seed that makes collisions hard to provoke from outside.
    pub fn seeded(entries: usize, seed: u64) -> Self {
        let places = entries.max(4).next_power_of_two() * 2;
        Self {
            places: vec![Place::default(); places].into_boxed_slice(),
            mask: places - 1,
            shift: u64::BITS - places.trailing_zeros(),
            seed,
            len: 0,
            entries_max: entries,
        }
    }

    /// Stores `value` under `key`; returns the value it replaces, if any.
    ///
    /// # Errors
    /// [`MapFull`] when the key is new and `entries` are live already.
    #[inline]
    pub fn insert(&mut self, key: u64, value: u32) -> Result<Option<u32>, MapFull> {
        let mut at = self.home(key);
        let mut reach = 1;
        loop {
            let place = &mut self.places[at];
            if place.reach == 0 {
                break;
            }
            if place.key == key {
                return Ok(Some(std::mem::replace(&mut place.value, value)));
            }
            step();
            at = (at + 1) & self.mask;
            reach += 1;
        }
        if self.len >= self.entries_max {
            return Err(MapFull);
        }
        self.places[at] = Place { key, value, reach };
        self.len += 1;
        Ok(None)
    }

    /// Stores `value` under `key` if nothing is there; else returns what is.
    ///
    /// # Errors
    /// [`MapFull`] when the key is new and `entries` are live already.
    #[inline]
    pub fn get_or_insert(&mut self, key: u64, value: u32) -> Result<Option<u32>, MapFull> {
        let mut at = self.home(key);
        let mut reach = 1;
        loop {
            let place = &self.places[at];
            if place.reach == 0 {
                break;
            }
            if place.key == key {
                return Ok(Some(place.value));
            }
            at = (at + 1) & self.mask;
            reach += 1;
        }
        if self.len >= self.entries_max {
            return Err(MapFull);
        }
        self.places[at] = Place { key, value, reach };
        self.len += 1;
        Ok(None)
    }

    /// Takes `key` out if its value is such; returns the value it has or had.
    #[inline]
    pub fn remove_if(&mut self, key: u64, such: impl FnOnce(u32) -> bool) -> Option<u32> {
        let at = self.find(key)?;
        let value = self.places[at].value;
        if such(value) {
            self.close(at);
            self.len -= 1;
        }
        Some(value)
    }

    /// Asks the caches for where `key` is looked for first.
    #[inline(always)]
    pub(super) fn fetch(&self, key: u64) {
        fetch(&self.places, self.home(key));
    }

    /// The value under `key`.
    #[inline]
    pub fn get(&self, key: u64) -> Option<u32> {
        self.find(key).map(|at| self.places[at].value)
    }

    /// Takes `key` out; returns its value.
    #[inline]
    pub fn remove(&mut self, key: u64) -> Option<u32> {
        let at = self.find(key)?;
        let value = self.places[at].value;
        self.close(at);
        self.len -= 1;
        Some(value)
    }

    /// Whether `key` is there.
    #[inline]
    pub fn contains(&self, key: u64) -> bool {
        self.find(key).is_some()
    }

    /// Entries live.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is live.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most entries it takes.
    pub const fn capacity(&self) -> usize {
        self.entries_max
    }

    /// Forgets everything; the memory stays.
    pub fn clear(&mut self) {
        self.places.fill(Place::default());
        self.len = 0;
    }

    #[inline]
    fn find(&self, key: u64) -> Option<usize> {
        let mut at = self.home(key);
        loop {
            let place = self.places[at];
            if place.reach == 0 {
                return None;
            }
            if place.key == key {
                return Some(at);
            }
            step();
            at = (at + 1) & self.mask;
        }
    }

    /// Fills the hole at `hole` with entries from behind it that may stand nearer their homes.
    #[inline]
    fn close(&mut self, mut hole: usize) {
        let mut at = hole;
        loop {
            step();
            at = (at + 1) & self.mask;
            let place = self.places[at];
            if place.reach == 0 {
                break;
            }
            let steps = (at.wrapping_sub(hole) & self.mask) as u32;
            if place.reach > steps {
                self.places[hole] = Place { reach: place.reach - steps, ..place };
                hole = at;
            }
        }
        self.places[hole].reach = 0;
    }

    /// Where a key belongs: keys that differ in their last two bits share a cache line, for ids
    /// come in sequence; of the others both halves of a 128-bit product, so every bit counts.
    #[inline]
    fn home(&self, key: u64) -> usize {
        let product = u128::from(key >> 2 ^ self.seed) * u128::from(MULTIPLIER);
        let mixed = (product as u64) ^ ((product >> 64) as u64);
        ((mixed >> self.shift) as usize & !3 | key as usize & 3) & self.mask
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64, u32),
        Get(u64),
        Remove(u64),
    }

    /// Few distinct keys, of several shapes, so that steps meet each other's entries.
    fn key() -> impl Strategy<Value = u64> {
        prop_oneof![
            0..40_u64,
            (0..6_u64, 0..12_u64).prop_map(|(session, ordinal)| session << 32 | ordinal),
            (0..20_u64).prop_map(|n| n << 48),
            Just(u64::MAX),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (key(), any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
            key().prop_map(Step::Get),
            key().prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn it_answers_as_a_sorted_map_does(
            entries in 1..48_usize,
            seed: u64,
            steps in prop::collection::vec(step(), 0..600),
        ) {
            let mut map = IdMap::seeded(entries, seed);
            let mut model = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Insert(key, value) => {
                        let full = model.len() == entries && !model.contains_key(&key);
                        let expected =
                            if full { Err(MapFull) } else { Ok(model.insert(key, value)) };
                        prop_assert_eq!(map.insert(key, value), expected);
                    }
                    Step::Get(key) => prop_assert_eq!(map.get(key), model.get(&key).copied()),
                    Step::Remove(key) => prop_assert_eq!(map.remove(key), model.remove(&key)),
                }
                prop_assert_eq!(map.len(), model.len());
            }
            for (&key, &value) in &model {
                prop_assert_eq!(map.get(key), Some(value));
            }
            map.clear();
            prop_assert!(map.is_empty() && model.keys().all(|&key| !map.contains(key)));
        }
    }

    #[test]
    fn a_full_map_that_lives_long_keeps_its_probes_short() {
        let mut map = IdMap::with_capacity(1 << 12);
        for ordinal in 0..200_000_u64 {
            let _ = map.remove(ordinal.wrapping_sub(1 << 12));
            map.insert(ordinal, ordinal as u32).expect("the oldest just left");
        }
        let longest = map.places.iter().map(|place| place.reach).max();
        assert!(longest < Some(64), "the longest probe takes {longest:?} steps");
    }
}
