//! Brings the files beside the journal to the disk: for whom what is told waits for it, as soon as
//! it can be; for all others now and then, so that a loss of power takes little of them.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::journal::{Annex, Annexed, Disk, Health, KeeperThread, Progress};

/// The pause between two rounds where nobody waits for them, and the shortest where somebody does.
const CALM: Duration = Duration::from_millis(100);
const BUSY: Duration = Duration::from_micros(50);

/// Syncs what an annex has more than the disk.
pub struct AnnexKeeper {
    annex: Arc<Annex>,
    disk: Arc<dyn Disk>,
    /// By place in the annex, once each was opened.
    files: Vec<Option<File>>,
    /// Of the journal they stand beside: where one of them fails, so does that.
    progress: Arc<Progress>,
    /// The pause between two rounds where somebody waits, and what is left of the present one.
    interval: Duration,
    left: Duration,
}

impl AnnexKeeper {
    /// Of files beside a journal, with the pause between its syncs.
    pub fn new(
        annex: Arc<Annex>,
        disk: Arc<dyn Disk>,
        progress: Arc<Progress>,
        interval: Duration,
    ) -> Self {
        let files = annex.files().iter().map(|_| None).collect();
        Self { annex, disk, files, progress, interval, left: Duration::ZERO }
    }

    /// A round, where one is due. After a sync that failed there is none: what reached the disk is
    /// unknown, and nothing counts as settled again.
    pub fn step(&mut self, since_last: Duration) {
        self.left = self.left.saturating_sub(since_last);
        if self.left.is_zero() && self.progress.health() != Health::SyncFailed {
            self.left = self.pause();
            self.sync();
        }
    }

    /// Syncs all that was written.
    pub fn sync(&mut self) {
        let Self { annex, disk, files, progress, .. } = self;
        for (annexed, file) in annex.files().iter().zip(files) {
            let Some((from, reach)) = annexed.unsettled() else { continue };
            match sync(&**disk, annexed, file, from) {
                Ok(()) => annexed.settle(reach),
                Err(error) => {
                    let complaint = format!("{}: cannot sync: {error}", annexed.path.display());
                    return progress.report(Health::SyncFailed, Some(complaint));
                }
            }
        }
    }

    /// Runs on a thread of its own until it is stopped.
    ///
    /// # Errors
    /// A system that has no thread left.
    pub fn spawn(mut self) -> io::Result<KeeperThread> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let body = move || {
            while !stopped.load(Ordering::Acquire) {
                let pause = self.pause();
                self.step(pause);
                thread::park_timeout(pause);
            }
            self.sync();
        };
        let thread = thread::Builder::new().name("journal-annex".to_owned()).spawn(body)?;
        Ok(KeeperThread::of(stop, thread))
    }

    fn pause(&self) -> Duration {
        if self.annex.awaits_disk() { self.interval.clamp(BUSY, CALM) } else { CALM }
    }
}

fn sync(disk: &dyn Disk, annexed: &Annexed, file: &mut Option<File>, from: u64) -> io::Result<()> {
    let file = match file {
        Some(file) => file,
        None => file.insert(disk.open(&annexed.path)?),
    };
    disk.sync_from(file, from)
}
