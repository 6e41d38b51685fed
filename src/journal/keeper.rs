//! What stands beside a writer: one thread makes segments ahead of it, one syncs behind it and one
//! seals what was synced, so that a sync never waits for the others.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::journal::JournalError;
use crate::journal::maker::Maker;
use crate::journal::map::PAGE;
use crate::journal::seal::Sealing;
use crate::journal::segment::{HEADER_LINES, SEGMENT_BYTES_MIN};
use crate::journal::syncer::Syncer;
use crate::journal::writer::room_between;
use crate::model::Line;

/// How a log is kept. None of it is meaning: it may differ at every start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of a segment file, a multiple of 4096, from 64 KiB.
    pub segment_bytes: usize,
    /// Segments made ahead. They are the ballast that a full disk is survived on.
    pub ready_segments: usize,
    /// Lines kept for cancels when no further segment can be made.
    pub reserve_lines: usize,
    /// The pause between syncs. What was committed waits for two at most; zero syncs all at once.
    pub sync_interval: Duration,
    /// The pause between looks at what was synced, which is then read back and sealed.
    pub seal_interval: Duration,
    /// The pause between anchors.
    pub anchor_interval: Duration,
    /// The folder of anchors; none means the log's.
    pub anchors: Option<PathBuf>,
    /// Closed segments that are left as they are; older ones are packed.
    pub plain_segments: usize,
    /// Where packed segments go; none means the log's folder.
    pub packed: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            ready_segments: 2,
            reserve_lines: 128 * 1024,
            sync_interval: Duration::from_millis(5),
            seal_interval: Duration::from_millis(100),
            anchor_interval: Duration::from_secs(60),
            anchors: None,
            plain_segments: 16,
            packed: None,
        }
    }
}

impl Settings {
    /// Checks them against each other.
    ///
    /// # Errors
    /// A sentence that names the setting and the rule.
    pub fn check(&self) -> Result<(), JournalError> {
        let say = |text: String| Err(JournalError::Settings(text));
        let bytes = self.segment_bytes;
        if bytes < SEGMENT_BYTES_MIN || !bytes.is_multiple_of(PAGE) || bytes > u32::MAX as usize {
            return say(format!(
                "segment_bytes is {bytes}: it must be a multiple of {PAGE}, \
                 from {SEGMENT_BYTES_MIN} up to below 4 GiB"
            ));
        }
        if !(1..=64).contains(&self.ready_segments) {
            let ready = self.ready_segments;
            return say(format!("ready_segments is {ready}: it must be from 1 to 64"));
        }
        let room = room_between(HEADER_LINES, bytes / size_of::<Line>() - 1);
        if self.reserve_lines >= room {
            return say(format!(
                "reserve_lines is {}: it must be below the {room} lines that one segment of \
                 {bytes} bytes is sure to hold",
                self.reserve_lines
            ));
        }
        Ok(())
    }
}

/// Bytes ahead of the writer whose pages are kept present and writable.
pub(crate) const AHEAD_BYTES: usize = 4 << 20;

/// The pause between two steps.
const PAUSE_MAX: Duration = Duration::from_millis(1);
const PAUSE_MIN: Duration = Duration::from_micros(50);

/// The pause between two steps of the sealer, for whom nobody waits.
const SEAL_PAUSE: Duration = Duration::from_millis(20);

/// Makes, syncs, seals and closes the segments of one log.
pub struct Keeper {
    pub(crate) maker: Maker,
    pub(crate) syncer: Syncer,
    pub(crate) sealer: Box<dyn Sealing>,
    /// The pause between syncs.
    pub(crate) interval: Duration,
    /// Held as long as the log is open for writing.
    pub(crate) lock: std::fs::File,
}

impl Keeper {
    /// One round of all three, for whoever has no threads for them; whether there is more to do.
    pub fn step(&mut self, since_last: Duration) -> bool {
        self.syncer.step(since_last);
        self.sealer.step(since_last);
        self.maker.step(since_last)
    }

    /// Syncs and seals all that was committed.
    pub fn sync(&mut self) {
        self.syncer.sync();
        self.sealer.finish();
    }

    /// Runs on threads of its own until it is stopped.
    ///
    /// # Errors
    /// A system that has no thread left.
    pub fn spawn(self) -> io::Result<KeeperThread> {
        let Self { mut maker, mut syncer, mut sealer, interval, lock } = self;
        let stop = Arc::new(AtomicBool::new(false));
        let pause = interval.clamp(PAUSE_MIN, PAUSE_MAX);
        let mut keeper =
            KeeperThread { stop: Arc::clone(&stop), threads: vec![], lock: Some(lock) };
        let stopped = Arc::clone(&stop);
        let synced = Arc::new(AtomicBool::new(false));
        let all_synced = Arc::clone(&synced);
        let syncing = thread::Builder::new().name("journal-sync".to_owned());
        keeper.threads.push(syncing.spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                syncer.step(pause);
                thread::park_timeout(pause);
            }
            syncer.sync();
            synced.store(true, Ordering::Release);
        })?);
        let sealing = thread::Builder::new().name("journal-seal".to_owned());
        keeper.threads.push(sealing.spawn(move || {
            while !all_synced.load(Ordering::Acquire) {
                thread::park_timeout(SEAL_PAUSE);
                sealer.step(SEAL_PAUSE);
            }
            sealer.finish();
        })?);
        let making = thread::Builder::new().name("journal-make".to_owned());
        keeper.threads.push(making.spawn(move || {
            while !stop.load(Ordering::Acquire) {
                if !maker.step(PAUSE_MAX) {
                    thread::park_timeout(PAUSE_MAX);
                }
            }
        })?);
        Ok(keeper)
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("folder", &self.maker.folder).finish_non_exhaustive()
    }
}

/// A keeper at work. Dropping it stops it, after a last sync of all that was committed.
#[derive(Debug)]
pub struct KeeperThread {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    #[expect(dead_code, reason = "held, not read: it locks the log until this is dropped")]
    lock: Option<std::fs::File>,
}

impl KeeperThread {
    /// Of a thread that ends, with a last sync, once `stop` is raised and it is woken.
    pub(crate) fn of(stop: Arc<AtomicBool>, thread: JoinHandle<()>) -> Self {
        Self { stop, threads: vec![thread], lock: None }
    }

    /// Stops it after a last sync; `false` if one of its threads had panicked.
    pub fn stop(mut self) -> bool {
        self.join()
    }

    fn join(&mut self) -> bool {
        self.stop.store(true, Ordering::Release);
        let mut well = true;
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            well &= thread.join().is_ok();
        }
        well
    }
}

impl Drop for KeeperThread {
    fn drop(&mut self) {
        self.join();
    }
}
