//! A number that only grows, written by one thread and read by others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

/// How far something has come (a seq that is journaled, say); clones share it.
#[derive(Clone, Debug, Default)]
pub struct Watermark(Arc<CachePadded<AtomicU64>>);

impl Watermark {
    /// At the top: everything passes.
    pub fn open() -> Self {
        let mark = Self::default();
        mark.raise(u64::MAX);
        mark
    }

    /// Over a number that somebody else raises.
    pub fn over(shared: Arc<CachePadded<AtomicU64>>) -> Self {
        Self(shared)
    }

    /// Sets it; what was written before is visible to who reads it after.
    #[inline]
    pub fn raise(&self, to: u64) {
        self.0.store(to, Ordering::Release);
    }

    /// Reads it.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
