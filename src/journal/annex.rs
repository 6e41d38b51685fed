//! What is kept beside the journal and a standby must have too: files that only grow, such as the
//! records of FIX sessions. Here stands how far each reaches on this machine, and on the standby.

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
    /// Bytes here, by who writes them.
    reach: Arc<AtomicU64>,
    /// Bytes that the standby has.
    confirmed: AtomicU64,
}

impl Annexed {
    /// A file that the standby has nothing of.
    pub fn new(path: PathBuf, hands: Vec<(u64, u64)>, reach: Arc<AtomicU64>) -> Self {
        Self { path, hands, reach, confirmed: AtomicU64::new(0) }
    }

    /// Bytes that are there for good.
    pub fn reach(&self) -> u64 {
        self.reach.load(Ordering::SeqCst)
    }

    /// So many bytes are on the standby too.
    pub fn confirm(&self, bytes: u64) {
        self.confirmed.store(bytes, Ordering::Release);
    }

    /// Bytes that the standby has.
    pub fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Acquire)
    }
}

/// All of them, in an order that both machines know.
#[derive(Debug, Default)]
pub struct Annex {
    files: Vec<Annexed>,
    /// Whether what is told waits until the standby has its record.
    is_awaited: AtomicBool,
}

impl Annex {
    /// Of these files, none of which may be told of yet: who may take over is not known.
    pub fn new(files: Vec<Annexed>) -> Self {
        Self { files, is_awaited: AtomicBool::new(true) }
    }

    /// The files.
    pub fn files(&self) -> &[Annexed] {
        &self.files
    }

    /// Says whether the standby is waited for.
    pub fn await_standby(&self, is_awaited: bool) {
        self.is_awaited.store(is_awaited, Ordering::SeqCst);
    }

    /// What of a file's bytes may be told of: as far as the standby has it, where it is waited for.
    #[inline]
    pub fn may_be_told(&self, file: usize) -> u64 {
        // After the reach was written: either this sees that it is waited for, or who says so sees
        // the reach.
        match self.files.get(file) {
            Some(file) if self.is_awaited.load(Ordering::SeqCst) => file.confirmed(),
            _ => u64::MAX,
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
        assert_eq!(annex.may_be_told(0), u64::MAX);
        annex.await_standby(true);
        let due = annex.reaches();
        reach.store(90, Ordering::SeqCst);
        assert!(!annex.has_confirmed(&due));
        annex.files()[0].confirm(70);
        assert!(annex.has_confirmed(&due) && !annex.has_confirmed(&annex.reaches()));
        assert_eq!(annex.may_be_told(0), 70);
    }
}
