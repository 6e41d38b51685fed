//! What was known to be when, in a few marks: so that what is shown can be held to it later.

use crate::model::Nanos;

/// The first number beyond all that was known, by time.
#[derive(Clone, Debug)]
pub(super) struct Known {
    every: Nanos,
    /// When each mark began, and what was known at its end; the newest is at `newest`.
    marks: [(Nanos, u64); Self::MARKS],
    newest: usize,
    /// What was known at the end of the last mark that made room.
    before: u64,
}

impl Known {
    /// Marks that are kept.
    pub(super) const MARKS: usize = 8;

    /// With marks of so long: what is `MARKS` marks old can be told to one mark.
    pub(super) fn every(span: Nanos) -> Self {
        Self { every: span, marks: [(Nanos::ZERO, 0); Self::MARKS], newest: 0, before: 0 }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::every(self.every);
    }

    /// All before `known` is known to be now.
    #[inline]
    pub(super) fn note(&mut self, known: u64, now: Nanos) {
        let (began, newest) = &mut self.marks[self.newest];
        if *newest > 0 && now.saturating_sub(*began) < self.every {
            *newest = known;
            return;
        }
        self.newest = (self.newest + 1) % Self::MARKS;
        self.before = self.before.max(self.marks[self.newest].1);
        self.marks[self.newest] = (now, known);
    }

    /// What was known at a time, and at most one mark later.
    pub(super) fn by(&self, then: Nanos) -> Option<u64> {
        let began = |mark: &&(Nanos, u64)| mark.1 > 0 && mark.0 <= then;
        let marked = self.marks.iter().filter(began).map(|mark| mark.1);
        marked.chain((self.before > 0).then_some(self.before)).max()
    }
}
