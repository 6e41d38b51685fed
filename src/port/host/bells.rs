//! Which of many lines want something: a bit each, set by one thread and looked at by another. A
//! look at nothing costs one load, however many lines there are.

use std::sync::atomic::{AtomicU64, Ordering};

/// Lines, at most.
pub(crate) const LINES_MAX: usize = 64 * 64;

/// The bits, and for each 64 of them one that says whether any is set.
#[derive(Debug)]
pub(crate) struct Bells {
    words: Box<[AtomicU64]>,
    summary: AtomicU64,
}

impl Bells {
    /// For so many lines.
    pub(crate) fn new(lines: usize) -> Self {
        let words = lines.min(LINES_MAX).div_ceil(64);
        let words = (0..words).map(|_| AtomicU64::new(0)).collect();
        Self { words, summary: AtomicU64::new(0) }
    }

    /// Lines there are bells for.
    pub(crate) fn lines(&self) -> usize {
        self.words.len() * 64
    }

    /// Rings one.
    pub(crate) fn ring(&self, line: usize) {
        let Some(word) = self.words.get(line / 64) else { return };
        word.fetch_or(1 << (line % 64), Ordering::AcqRel);
        self.summary.fetch_or(1 << (line / 64), Ordering::AcqRel);
    }

    /// Silences one.
    pub(crate) fn silence(&self, line: usize) {
        let Some(word) = self.words.get(line / 64) else { return };
        let bit = 1 << (line % 64);
        if word.fetch_and(!bit, Ordering::AcqRel) == bit {
            self.summary.fetch_and(!(1 << (line / 64)), Ordering::AcqRel);
            // Somebody may have rung in between.
            if word.load(Ordering::Acquire) != 0 {
                self.summary.fetch_or(1 << (line / 64), Ordering::AcqRel);
            }
        }
    }

    /// Shows those that ring, which go on ringing.
    pub(crate) fn ringing(&self, each: &mut dyn FnMut(usize)) {
        if self.summary.load(Ordering::Acquire) == 0 {
            return;
        }
        for (at, word) in self.words.iter().enumerate() {
            show(at, word.load(Ordering::Acquire), each);
        }
    }

    /// Shows those that ring, and silences them.
    pub(crate) fn answer(&self, each: &mut dyn FnMut(usize)) {
        if self.summary.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut parts = self.summary.swap(0, Ordering::AcqRel);
        while parts != 0 {
            let at = parts.trailing_zeros() as usize;
            parts &= parts - 1;
            if let Some(word) = self.words.get(at) {
                show(at, word.swap(0, Ordering::AcqRel), each);
            }
        }
    }
}

fn show(at: usize, mut word: u64, each: &mut dyn FnMut(usize)) {
    while word != 0 {
        each(at * 64 + word.trailing_zeros() as usize);
        word &= word - 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_set(steps in prop::collection::vec((0usize..200, 0u8..4), 0..200)) {
            let bells = Bells::new(200);
            let mut oracle = BTreeSet::new();
            for (line, what) in steps {
                let mut shown = BTreeSet::new();
                match what {
                    0 | 1 => {
                        bells.ring(line);
                        oracle.insert(line);
                    }
                    2 => {
                        bells.silence(line);
                        oracle.remove(&line);
                    }
                    _ => {
                        bells.answer(&mut |line| _ = shown.insert(line));
                        prop_assert_eq!(&shown, &oracle);
                        oracle.clear();
                    }
                }
                shown.clear();
                bells.ringing(&mut |line| _ = shown.insert(line));
                prop_assert_eq!(&shown, &oracle);
            }
        }
    }
}
