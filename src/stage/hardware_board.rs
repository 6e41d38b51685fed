//! What hardware in a shard shows to people: refreshed in housekeeping, never exact to the instant.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::{Class, Hardware, Relief, Span};

#[derive(Debug, Default)]
struct Row {
    least: AtomicU64,
    most: AtomicU64,
    count: AtomicU64,
}

/// A shard's.
#[derive(Debug, Default)]
pub struct HardwareBoard {
    answered: AtomicU64,
    compared: AtomicU64,
    relieved: AtomicU64,
    relieved_at: AtomicU64,
    cycles: [Row; Class::ALL.len()],
}

impl HardwareBoard {
    pub(super) fn show(&self, shown: &Hardware) {
        self.answered.store(shown.answered, Ordering::Relaxed);
        self.compared.store(shown.compared, Ordering::Relaxed);
        self.relieved_at.store(shown.relieved_at, Ordering::Relaxed);
        let relieved = shown.relieved.map_or(0, |why| why as u64);
        self.relieved.store(relieved, Ordering::Relaxed);
        for (row, span) in self.cycles.iter().zip(&shown.cycles) {
            row.least.store(span.least, Ordering::Relaxed);
            row.most.store(span.most, Ordering::Relaxed);
            row.count.store(span.count, Ordering::Relaxed);
        }
    }

    /// As last shown.
    pub fn read(&self) -> Hardware {
        let relieved = self.relieved.load(Ordering::Relaxed);
        let span = |row: &Row| Span {
            least: row.least.load(Ordering::Relaxed),
            most: row.most.load(Ordering::Relaxed),
            count: row.count.load(Ordering::Relaxed),
        };
        Hardware {
            answered: self.answered.load(Ordering::Relaxed),
            compared: self.compared.load(Ordering::Relaxed),
            relieved: Relief::ALL.into_iter().find(|why| *why as u64 == relieved),
            relieved_at: self.relieved_at.load(Ordering::Relaxed),
            cycles: self.cycles.each_ref().map(span),
        }
    }
}
