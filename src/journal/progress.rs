//! What the writer and the keeper tell everybody: how far the log reaches, and how it fares.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use crate::model::Line;

/// How the keeper fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// All is well.
    Good = 0,
    /// The disk has no room for the next segment; the keeper tries again until it has.
    DiskFull = 1,
    /// The next segment cannot be made for another reason; the keeper tries again.
    PrepareFailed = 2,
    /// A sync failed. Final: what reached the disk is unknown, and nothing counts as synced again.
    SyncFailed = 3,
}

/// What is done behind trading, and may fail without stopping it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Remark {
    /// Writing the anchors.
    Anchors = 0,
    /// Packing closed segments.
    Packing = 1,
}

/// An id, and a place in the log at or behind its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) last: u64,
    pub(crate) ordinal: u64,
    pub(crate) line: usize,
}

impl Committed {
    /// Bytes of the segment up to the place.
    pub(crate) fn bytes(&self) -> usize {
        self.line * size_of::<Line>()
    }
}

/// Shared by a log's writer, its keeper and whoever waits for them.
#[derive(Debug, Default)]
pub struct Progress {
    appended: CachePadded<AtomicU64>,
    /// Where the last committed frame ends: segment number and line.
    position: CachePadded<AtomicU64>,
    synced: CachePadded<AtomicU64>,
    health: AtomicU8,
    complaint: Mutex<Option<String>>,
    /// What trading goes on in spite of.
    remarks: [Mutex<Option<String>>; 2],
}

impl Progress {
    /// Of a log that already reaches `last`, all of it on the disk.
    pub fn starting_at(last: u64) -> Self {
        let progress = Self::default();
        progress.appended.store(last, Ordering::Relaxed);
        progress.synced.store(last, Ordering::Relaxed);
        progress
    }

    /// Id (seq or event id) of the last committed message: it survives the death of the process.
    #[inline]
    pub fn appended(&self) -> u64 {
        self.appended.load(Ordering::Acquire)
    }

    /// Id of the last message known to be on the disk: it survives the death of the machine.
    #[inline]
    pub fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// How the keeper fares.
    #[inline]
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Acquire) {
            0 => Health::Good,
            1 => Health::DiskFull,
            2 => Health::PrepareFailed,
            _ => Health::SyncFailed,
        }
    }

    /// What is wrong, in a sentence; not for a hot thread.
    pub fn complaint(&self) -> Option<String> {
        let told = |place: &Mutex<Option<String>>| {
            place.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
        };
        told(&self.complaint).or_else(|| self.remarks.iter().find_map(told))
    }

    /// Whether there is nothing to complain of; not for a hot thread.
    pub fn is_well(&self) -> bool {
        self.complaint().is_none()
    }

    /// The writer's: all up to `last` is committed and ends at this place.
    #[inline]
    pub(crate) fn commit(&self, last: u64, ordinal: u64, line: usize) {
        // The place first: who sees the id then sees a place at or behind it.
        self.position.store(ordinal << 32 | line as u64, Ordering::Release);
        self.appended.store(last, Ordering::Release);
    }

    /// The keeper's: an id, and a place at or behind its end.
    pub(crate) fn committed(&self) -> Committed {
        let last = self.appended.load(Ordering::Acquire);
        let position = self.position.load(Ordering::Acquire);
        Committed { last, ordinal: position >> 32, line: position as u32 as usize }
    }

    /// The keeper's: all up to `last` is on the disk.
    pub(crate) fn set_synced(&self, last: u64) {
        self.synced.store(last, Ordering::Release);
    }

    /// The keeper's: what is wrong, or no more, with something that nobody waits for.
    pub(crate) fn remark(&self, about: Remark, complaint: Option<String>) {
        if let Some(place) = self.remarks.get(about as usize) {
            *place.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = complaint;
        }
    }

    /// The keeper's: how it fares now. A failed sync is never taken back.
    pub(crate) fn report(&self, health: Health, complaint: Option<String>) {
        let mut told = self.complaint.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.health() != Health::SyncFailed {
            *told = complaint;
            self.health.store(health as u8, Ordering::Release);
        }
    }
}
