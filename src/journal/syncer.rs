//! Syncs behind the writer. A failed sync is final: what reached the disk is then unknown, and a
//! second try that succeeds would prove nothing.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::journal::keeper::AHEAD_BYTES;
use crate::journal::map::PAGE;
use crate::journal::progress::Committed;
use crate::journal::segment::Segment;
use crate::journal::{Disk, Health, Progress};

/// How often the pages ahead of the writer are made present and writable again, because the
/// system cleans pages that were dirty for long.
const REFRESH: Duration = Duration::from_secs(1);

/// Syncs and closes the segments of one log.
pub(crate) struct Syncer {
    disk: Arc<dyn Disk>,
    /// The pause between syncs.
    interval: Duration,
    ends: Ends,
    /// Segments the writer has or will have, oldest first, and up to which byte each is synced.
    out: VecDeque<(Arc<Segment>, usize)>,
    /// What was committed at the last sync but one.
    sampled: Committed,
    /// The segment and byte up to which pages were made ready for the writer.
    populated: (u64, usize),
    until_sync: Duration,
    until_refresh: Duration,
}

/// The syncer's ends of what it shares with the maker and the writer.
pub(crate) struct Ends {
    /// Segments from the maker.
    pub(crate) handed: Receiver<Arc<Segment>>,
    /// Segments from the writer.
    pub(crate) done: rtrb::Consumer<Arc<Segment>>,
    /// Segments handed out and not yet closed, for the maker.
    pub(crate) out: Arc<AtomicUsize>,
    pub(crate) progress: Arc<Progress>,
}

impl Syncer {
    /// Of a log that goes on in `current`, which is synced up to a byte.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        interval: Duration,
        ends: Ends,
        current: Option<(Arc<Segment>, usize)>,
    ) -> Self {
        Self {
            disk,
            interval,
            out: current.into_iter().collect(),
            sampled: ends.progress.committed(),
            ends,
            populated: (0, 0),
            until_sync: Duration::ZERO,
            until_refresh: Duration::ZERO,
        }
    }

    /// Makes pages ready ahead of the writer, and syncs if that is due.
    pub(crate) fn step(&mut self, since_last: Duration) {
        self.until_sync = self.until_sync.saturating_sub(since_last);
        self.until_refresh = self.until_refresh.saturating_sub(since_last);
        self.populate();
        if self.until_sync.is_zero() {
            self.until_sync = self.interval;
            self.sync_behind();
        }
    }

    /// Syncs all that was committed.
    pub(crate) fn sync(&mut self) {
        let now = self.ends.progress.committed();
        self.sync_to(now, now);
    }

    /// Syncs what does not make the writer wait.
    ///
    /// The page being written is left alone while the writer fills it, because a store into a page
    /// that is on its way to the disk must wait. So what was committed one interval ago is sure to
    /// be synced, and more only by whole pages.
    fn sync_behind(&mut self) {
        let now = self.ends.progress.committed();
        let sure = if self.interval.is_zero() { now } else { self.sampled };
        self.sync_to(now, sure);
        self.sampled = now;
    }

    /// Syncs whole pages up to `now` and all up to `sure`, which then counts as synced; lets go of
    /// the segments the writer is done with.
    fn sync_to(&mut self, now: Committed, sure: Committed) {
        // Handed back before `now` was committed behind them, so `now` is in the first that stays.
        while let Ok(done) = self.ends.done.pop() {
            self.take_handed();
            let Some((segment, synced)) = self.out.pop_front() else { continue };
            debug_assert_eq!(segment.file.ordinal, done.file.ordinal, "handed back in order");
            self.sync_range(&segment, synced..segment.map.bytes());
            self.ends.out.fetch_sub(1, Ordering::AcqRel);
        }
        if sure.last <= self.ends.progress.synced() {
            return;
        }
        self.take_handed();
        let least = if sure.ordinal == now.ordinal { sure.bytes() } else { 0 };
        let reached = least.max(now.bytes() / PAGE * PAGE);
        if let Some((segment, synced)) = self.out.front().cloned()
            && segment.file.ordinal == now.ordinal
            && synced < reached
        {
            self.sync_range(&segment, synced..reached);
            // A synced page is protected again, and the writer may go on in the last one.
            let _ = segment.map.populate(reached..reached + 1);
            if let Some((_, synced)) = self.out.front_mut() {
                *synced = reached;
            }
        }
        if self.ends.progress.health() != Health::SyncFailed {
            self.ends.progress.set_synced(sure.last);
        }
    }

    /// Takes in what the maker handed out. It tells this side before it tells the writer.
    fn take_handed(&mut self) {
        self.out.extend(self.ends.handed.try_iter().map(|segment| (segment, 0)));
    }

    fn sync_range(&mut self, segment: &Segment, range: Range<usize>) {
        if self.ends.progress.health() == Health::SyncFailed {
            return;
        }
        if let Err(error) = self.disk.sync(&segment.file.path, &segment.map, range.clone()) {
            let file = segment.file.path.display();
            let complaint = format!(
                "{file}, bytes {range:?}: the sync failed ({error}). What reached the disk is \
                 unknown: let the standby take over and replace the disk."
            );
            self.ends.progress.report(Health::SyncFailed, Some(complaint));
        }
    }

    /// Keeps the pages ahead of the writer present and writable, so that its stores do not fault.
    fn populate(&mut self) {
        let now = self.ends.progress.committed();
        self.take_handed();
        let Some((segment, _)) = self.out.iter().find(|(s, _)| s.file.ordinal == now.ordinal)
        else {
            return;
        };
        let wanted = now.bytes() + AHEAD_BYTES;
        let mut from = now.bytes();
        if self.populated.0 == now.ordinal && !self.until_refresh.is_zero() {
            from = from.max(self.populated.1);
        } else {
            self.until_refresh = REFRESH;
        }
        // Not for every page, but in good time.
        if wanted - from >= AHEAD_BYTES / 8 {
            let _ = segment.map.populate(from..wanted);
            self.populated = (now.ordinal, wanted);
        }
    }
}
