//! What is kept beside the journal and a standby must have too: files that only grow, such as the
//! records of FIX sessions. Here stands how far each reaches on this machine, on its disk, and on
//! the standby.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One file.
#[derive(Debug)]
pub struct Annexed {
    /// Where it is.
    pub path: PathBuf,
    /// Who wrote it, and from which byte on.
    pub hands: Vec<(u64, u64)>,
    /// Bytes here, by who writes them; of a copy, all that were ever written.
    reach: Arc<AtomicU64>,
    /// The first byte of a copy that was written since it was last synced; a hint, for a disk that
    /// can sync from there on only.
    changed_from: AtomicU64,
    /// As much of the reach as is on our disk.
    settled: AtomicU64,
    /// Bytes that the standby has.
    confirmed: AtomicU64,
}

impl Annexed {
    /// A file that neither disk nor standby have anything of.
    pub fn new(path: PathBuf, hands: Vec<(u64, u64)>, reach: Arc<AtomicU64>) -> Self {
        let (settled, confirmed) = (AtomicU64::new(0), AtomicU64::new(0));
        let changed_from = AtomicU64::new(u64::MAX);
        Self { path, hands, reach, changed_from, settled, confirmed }
    }

    /// Bytes that are there for good.
    pub fn reach(&self) -> u64 {
        self.reach.load(Ordering::SeqCst)
    }

    /// So many bytes were written to a copy, from that byte on; a cut is a write of nothing.
    pub fn wrote(&self, at: u64, count: u64) {
        self.changed_from.fetch_min(at, Ordering::SeqCst);
        self.reach.fetch_add(count.max(1), Ordering::SeqCst);
    }

    /// So many bytes are on the standby too.
    pub fn confirm(&self, bytes: u64) {
        self.confirmed.store(bytes, Ordering::Release);
    }

    /// Bytes that the standby has.
    pub fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Acquire)
    }

    /// As much of its reach as is on our disk.
    pub fn settled(&self) -> u64 {
        self.settled.load(Ordering::Acquire)
    }

    /// The keeper's: from which byte on it must be synced, where it must.
    pub(crate) fn unsettled(&self) -> Option<(u64, u64)> {
        let (reach, settled) = (self.reach(), self.settled());
        let changed_from = || self.changed_from.swap(u64::MAX, Ordering::SeqCst);
        (reach > settled).then(|| (changed_from().min(settled), reach))
    }

    /// The keeper's: so much of its reach is on the disk.
    pub(crate) fn settle(&self, reach: u64) {
        self.settled.store(reach, Ordering::Release);
    }
}

/// All of them, in an order that both machines know.
#[derive(Debug, Default)]
pub struct Annex {
    files: Vec<Annexed>,
    /// Whether what is told waits until the standby has its record.
    awaits_standby: AtomicBool,
    /// Whether it waits until our disk has it.
    awaits_disk: AtomicBool,
}

impl Annex {
    /// Of these files, none of which may be told of yet: who may take over is not known.
    pub fn new(files: Vec<Annexed>) -> Self {
        Self { files, awaits_standby: AtomicBool::new(true), awaits_disk: AtomicBool::new(true) }
    }

    /// The files.
    pub fn files(&self) -> &[Annexed] {
        &self.files
    }

    /// Says whether the standby is waited for.
    pub fn await_standby(&self, waits: bool) {
        self.awaits_standby.store(waits, Ordering::SeqCst);
    }

    /// Says whether our disk is waited for.
    pub fn await_disk(&self, waits: bool) {
        self.awaits_disk.store(waits, Ordering::SeqCst);
    }

    /// Whether our disk is waited for.
    pub fn awaits_disk(&self) -> bool {
        self.awaits_disk.load(Ordering::SeqCst)
    }

    /// What of a file's bytes may be told of: as far as those have it that are waited for.
    #[inline]
    pub fn may_be_told(&self, file: usize) -> u64 {
        let Some(file) = self.files.get(file) else { return u64::MAX };
        // After the reach was written: either this sees that it is waited for, or who says so sees
        // the reach.
        let standby = match self.awaits_standby.load(Ordering::SeqCst) {
            true => file.confirmed(),
            false => u64::MAX,
        };
        match self.awaits_disk() {
            true => standby.min(file.settled()),
            false => standby,
        }
    }

    /// How far all of them reach.
    pub fn reaches(&self) -> Vec<u64> {
        self.files.iter().map(Annexed::reach).collect()
    }

    /// Whether the standby has them so far.
    pub fn has_confirmed(&self, reaches: &[u64]) -> bool {
        self.files.iter().zip(reaches).all(|(file, reach)| file.confirmed() >= *reach)
    }

    /// Whether our disk has all that may have been told because the standby has it.
    pub fn has_settled_what_was_confirmed(&self) -> bool {
        self.files.iter().all(|file| file.settled() >= file.confirmed().min(file.reach()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_standby_has_may_be_told_and_all_where_nobody_waits() {
        let reach = Arc::new(AtomicU64::new(70));
        let file = Annexed::new("session".into(), vec![], Arc::clone(&reach));
        let annex = Annex::new(vec![file]);
        assert_eq!(annex.may_be_told(0), 0);
        annex.await_standby(false);
        assert_eq!(annex.may_be_told(0), 0, "our disk has nothing");
        annex.await_disk(false);
        assert_eq!(annex.may_be_told(0), u64::MAX);
        annex.await_standby(true);
        let due = annex.reaches();
        reach.store(90, Ordering::SeqCst);
        assert!(!annex.has_confirmed(&due));
        annex.files()[0].confirm(70);
        assert!(annex.has_confirmed(&due) && !annex.has_confirmed(&annex.reaches()));
        assert_eq!(annex.may_be_told(0), 70);
        annex.await_disk(true);
        assert!(annex.may_be_told(0) == 0 && !annex.has_settled_what_was_confirmed());
        annex.files()[0].settle(60);
        assert!(annex.may_be_told(0) == 60 && !annex.has_settled_what_was_confirmed());
        annex.files()[0].settle(90);
        assert!(annex.may_be_told(0) == 70 && annex.has_settled_what_was_confirmed());
    }
}
