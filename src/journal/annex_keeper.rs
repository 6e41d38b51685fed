//! Brings the files beside the journal to the disk: for whom what is told waits for it, as soon as
//! it can be; for all others now and then, so that a loss of power takes little of them.
//!
//! After a sync that failed the system takes pages for clean that never reached the disk, and no
//! later sync brings them there. A file of which that may be so has a mark beside it, and the next
//! process writes it again before it syncs it.

use std::fs::File;
use std::io;
use std::path::PathBuf;
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
    /// By place in the annex.
    files: Vec<Known>,
    /// Of the journal they stand beside: where one of them fails, so does that.
    progress: Arc<Progress>,
    /// The pause between two rounds where somebody waits, and what is left of the present one.
    interval: Duration,
    left: Duration,
}

/// What is known of a file.
#[derive(Default)]
struct Known {
    /// Once it was opened.
    file: Option<File>,
    /// A mark stands beside it.
    is_marked: bool,
}

impl AnnexKeeper {
    /// Of files beside a journal, with the pause between its syncs. Nobody writes them yet.
    pub fn new(
        annex: Arc<Annex>,
        disk: Arc<dyn Disk>,
        progress: Arc<Progress>,
        interval: Duration,
    ) -> Self {
        let known = |annexed: &Annexed| {
            let is_marked = mark_of(annexed).exists();
            let again =
                || write_again(&*disk, annexed).inspect_err(|e| fail(annexed, &progress, e));
            Known { file: is_marked.then(again).and_then(Result::ok), is_marked }
        };
        let files = annex.files().iter().map(known).collect();
        Self { annex, disk, files, progress, interval, left: Duration::ZERO }
    }

    /// A round, where one is due.
    pub fn step(&mut self, since_last: Duration) {
        self.left = self.left.saturating_sub(since_last);
        if self.left.is_zero() {
            self.left = self.pause();
            self.sync();
        }
    }

    /// Syncs all that was written. After a sync that failed it does nothing: what reached the disk
    /// is unknown, nothing counts as settled again, and no mark may go.
    pub fn sync(&mut self) {
        let Self { annex, disk, files, progress, .. } = self;
        if progress.health() == Health::SyncFailed {
            return;
        }
        for (annexed, known) in annex.files().iter().zip(files) {
            let Some((from, reach)) = annexed.unsettled() else { continue };
            if let Err(error) = sync(&**disk, annexed, known, from) {
                // Where even that cannot be written, the disk is beyond what a start could mend.
                let _ = File::create(mark_of(annexed));
                return fail(annexed, progress, &error);
            }
            annexed.settle(reach);
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

fn sync(disk: &dyn Disk, annexed: &Annexed, known: &mut Known, from: u64) -> io::Result<()> {
    let file = match &mut known.file {
        Some(file) => file,
        slot => slot.insert(disk.open(&annexed.path)?),
    };
    disk.sync_from(file, from)?;
    if std::mem::take(&mut known.is_marked) {
        std::fs::remove_file(mark_of(annexed))?;
    }
    Ok(())
}

/// Writes a file as it is, so that no page of it is taken for clean.
fn write_again(disk: &dyn Disk, annexed: &Annexed) -> io::Result<File> {
    let file = disk.open(&annexed.path)?;
    disk.write(&file, 0, &std::fs::read(&annexed.path)?).map(|()| file)
}

fn mark_of(annexed: &Annexed) -> PathBuf {
    annexed.path.with_extension("unsynced")
}

fn fail(annexed: &Annexed, progress: &Progress, error: &io::Error) {
    let complaint = format!("{}: cannot sync: {error}", annexed.path.display());
    progress.report(Health::SyncFailed, Some(complaint));
}
