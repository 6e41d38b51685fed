//! `Bitmap`: which of up to 262,144 places are taken, and the next one that is, in three steps.

/// A bit for each place, a bit for each word of those, and a bit for each word of those again.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Bitmap {
    words: Box<[u64]>,
    middle: Box<[u64]>,
    top: u64,
}

impl Bitmap {
    /// A bitmap of `places`, all free.
    pub(in crate::engine) fn new(places: usize) -> Self {
        let words = places.div_ceil(64).max(1);
        let middle = words.div_ceil(64);
        debug_assert!(middle <= 64, "three levels reach 262,144 places");
        Self {
            words: vec![0; words].into_boxed_slice(),
            middle: vec![0; middle].into_boxed_slice(),
            top: 0,
        }
    }

    /// Bytes of the words for so many places.
    pub(in crate::engine) const fn bytes(places: usize) -> usize {
        let words = if places == 0 { 1 } else { places.div_ceil(64) };
        (words + words.div_ceil(64)) * size_of::<u64>()
    }

    #[inline]
    pub(in crate::engine) fn set(&mut self, place: usize) {
        let word = place / 64;
        self.words[word] |= bit(place);
        self.middle[word / 64] |= bit(word);
        self.top |= bit(word / 64);
    }

    #[inline]
    pub(in crate::engine) fn clear(&mut self, place: usize) {
        let word = place / 64;
        self.words[word] &= !bit(place);
        if self.words[word] == 0 {
            self.middle[word / 64] &= !bit(word);
            if self.middle[word / 64] == 0 {
                self.top &= !bit(word / 64);
            }
        }
    }

    /// The first place taken from `from` on.
    #[inline]
    pub(in crate::engine) fn next(&self, from: usize) -> Option<usize> {
        let word = from / 64;
        let here = self.words.get(word)? & (u64::MAX << (from % 64));
        if here != 0 {
            return Some(word * 64 + lowest(here));
        }
        let group = word / 64;
        let mut words = self.middle[group] & above(word);
        let mut first = group;
        if words == 0 {
            let groups = self.top & above(group);
            if groups == 0 {
                return None;
            }
            first = lowest(groups);
            words = self.middle[first];
        }
        let word = first * 64 + lowest(words);
        Some(word * 64 + lowest(self.words[word]))
    }

    /// The last place taken up to and with `from`.
    pub(super) fn previous(&self, from: usize) -> Option<usize> {
        let word = from / 64;
        let here = self.words.get(word)? & (u64::MAX >> (63 - from % 64));
        if here != 0 {
            return Some(word * 64 + highest(here));
        }
        let group = word / 64;
        let mut words = self.middle[group] & below(word);
        let mut last = group;
        if words == 0 {
            let groups = self.top & below(group);
            if groups == 0 {
                return None;
            }
            last = highest(groups);
            words = self.middle[last];
        }
        let word = last * 64 + highest(words);
        Some(word * 64 + highest(self.words[word]))
    }
}

const fn bit(place: usize) -> u64 {
    1 << (place % 64)
}

/// The bits above a place of its word.
const fn above(place: usize) -> u64 {
    (u64::MAX << (place % 64)) << 1
}

/// The bits below a place of its word.
const fn below(place: usize) -> u64 {
    bit(place) - 1
}

const fn lowest(word: u64) -> usize {
    word.trailing_zeros() as usize
}

/// The highest bit of a word that is not 0.
const fn highest(word: u64) -> usize {
    63 - word.leading_zeros() as usize
}
