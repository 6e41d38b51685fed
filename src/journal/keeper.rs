//! The thread beside a writer: makes segments ahead of it, and syncs behind it.
//!
//! A full disk is met here, before the hot path could meet it. A failed sync is final: what
//! reached the disk is then unknown, and a second try that succeeds would prove nothing.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::journal::map::{MapMut, PAGE};
use crate::journal::segment::{HEADER_LINES, SEGMENT_BYTES_MIN, Segment, SegmentFile};
use crate::journal::writer::room_between;
use crate::journal::{Disk, Health, JournalError, Progress};
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
    /// How long what was committed may wait for its sync; zero syncs without a pause.
    pub sync_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            ready_segments: 2,
            reserve_lines: 128 * 1024,
            sync_interval: Duration::from_millis(5),
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

/// Bytes zeroed in one step, so that a sync never waits long for a segment being made.
const STEP_BYTES: usize = 2 << 20;

/// Bytes ahead of the writer whose pages are kept present and writable.
const AHEAD_BYTES: usize = 1 << 20;

/// The pause between two steps.
const PAUSE_MAX: Duration = Duration::from_millis(1);
const PAUSE_MIN: Duration = Duration::from_micros(50);

/// The pause after a segment could not be made.
const RETRY: Duration = Duration::from_millis(100);

/// Makes, syncs and closes the segments of one log.
pub struct Keeper {
    disk: Box<dyn Disk>,
    folder: PathBuf,
    settings: Settings,
    ready: rtrb::Producer<Arc<Segment>>,
    done: rtrb::Consumer<Arc<Segment>>,
    /// Segments the writer has or will have, oldest first, and up to which byte each is synced.
    out: VecDeque<(Arc<Segment>, usize)>,
    /// Zeroed files found at the start.
    spare: VecDeque<SegmentFile>,
    /// The number of the next file to make.
    next: u64,
    making: Option<Making>,
    zeros: Vec<u8>,
    progress: Arc<Progress>,
    until_sync: Duration,
    until_retry: Duration,
    /// Held as long as the log is open for writing.
    _lock: File,
}

/// A segment file being zeroed.
struct Making {
    file: File,
    segment: SegmentFile,
    written: usize,
}

/// What recovery hands to a keeper.
pub(crate) struct Found {
    pub(crate) disk: Box<dyn Disk>,
    pub(crate) folder: PathBuf,
    pub(crate) lock: File,
    /// The segment the writer goes on in, synced up to a byte.
    pub(crate) current: Option<(Arc<Segment>, usize)>,
    pub(crate) spare: VecDeque<SegmentFile>,
    pub(crate) next: u64,
}

impl Keeper {
    pub(crate) fn new(
        found: Found,
        settings: Settings,
        ready: rtrb::Producer<Arc<Segment>>,
        done: rtrb::Consumer<Arc<Segment>>,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            disk: found.disk,
            folder: found.folder,
            settings,
            ready,
            done,
            out: found.current.into_iter().collect(),
            spare: found.spare,
            next: found.next,
            making: None,
            zeros: vec![0; STEP_BYTES],
            progress,
            until_sync: Duration::ZERO,
            until_retry: Duration::ZERO,
            _lock: found.lock,
        }
    }

    /// Makes segments until the writer has all it can hold.
    ///
    /// # Errors
    /// A disk that is full or refuses, in a sentence.
    pub fn fill(&mut self) -> Result<(), JournalError> {
        while !self.ready.is_full() {
            self.make().map_err(JournalError::disk(&self.folder, "make the next segment"))?;
        }
        Ok(())
    }

    /// One round: a piece of the next segment, and a sync if one is due. Says whether a segment is
    /// being made, so that there is more to do at once.
    pub fn step(&mut self, since_last: Duration) -> bool {
        self.until_sync = self.until_sync.saturating_sub(since_last);
        self.until_retry = self.until_retry.saturating_sub(since_last);
        if self.until_sync.is_zero() {
            self.until_sync = self.settings.sync_interval;
            self.sync();
        }
        self.populate();
        if !self.ready.is_full() && self.until_retry.is_zero() {
            self.try_make();
        }
        self.making.is_some()
    }

    /// Runs on a thread of its own until it is stopped.
    ///
    /// # Errors
    /// A system that has no thread left.
    pub fn spawn(mut self) -> io::Result<KeeperThread> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let pause = self.settings.sync_interval.clamp(PAUSE_MIN, PAUSE_MAX);
        let body = move || {
            while !stopped.load(Ordering::Acquire) {
                if !self.step(pause) {
                    thread::park_timeout(pause);
                }
            }
            self.sync();
        };
        let thread = thread::Builder::new().name("journal-keeper".to_owned()).spawn(body)?;
        Ok(KeeperThread { stop, thread: Some(thread) })
    }

    /// Syncs all that was committed, and lets go of the segments the writer is done with.
    pub fn sync(&mut self) {
        let (last, ordinal, line) = self.progress.committed();
        let failed = self.progress.health() == Health::SyncFailed;
        // Handed back before what was committed behind them, so `last` is covered by both loops.
        while let Ok(done) = self.done.pop() {
            let Some((segment, synced)) = self.out.pop_front() else { continue };
            debug_assert_eq!(segment.file.ordinal, done.file.ordinal, "handed back in order");
            if !failed {
                self.sync_range(&segment, synced, segment.map.bytes());
            }
        }
        if failed || last == self.progress.synced() {
            return;
        }
        let reached = line * size_of::<Line>();
        if let Some((segment, synced)) = self.out.front().cloned()
            && segment.file.ordinal == ordinal
        {
            self.sync_range(&segment, synced, reached);
            if let Some(front) = self.out.front_mut() {
                front.1 = reached;
            }
        }
        if self.progress.health() != Health::SyncFailed {
            self.progress.set_synced(last);
        }
    }

    fn sync_range(&mut self, segment: &Segment, from: usize, to: usize) {
        if self.progress.health() == Health::SyncFailed {
            return;
        }
        if let Err(error) = self.disk.sync(&segment.map, from..to) {
            let file = segment.file.path.display();
            let complaint = format!(
                "{file}, bytes {from} to {to}: the sync failed ({error}). What reached the disk \
                 is unknown: let the standby take over and replace the disk."
            );
            self.progress.report(Health::SyncFailed, Some(complaint));
        }
        // Written pages are protected again, and the writer may still be in the last one.
        let _ = segment.map.populate(to..to + 1);
    }

    /// Keeps the pages ahead of the writer present and writable.
    fn populate(&mut self) {
        let (_, ordinal, line) = self.progress.committed();
        let at = line * size_of::<Line>();
        if let Some((segment, _)) = self.out.iter().find(|(s, _)| s.file.ordinal == ordinal) {
            let _ = segment.map.populate(at..at + AHEAD_BYTES);
        }
    }

    fn try_make(&mut self) {
        let Err(error) = self.make() else { return };
        if let Some(making) = self.making.take() {
            let _ = fs::remove_file(making.segment.unfinished());
        }
        self.until_retry = RETRY;
        let folder = self.folder.display();
        let (health, what) = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                (Health::DiskFull, "the disk is full: make room, and order entry resumes by itself")
            }
            _ => (Health::PrepareFailed, "the next segment cannot be made"),
        };
        self.progress.report(health, Some(format!("{folder}: {what} ({error})")));
    }

    /// Does one piece of making the next segment; hands it over when it is whole.
    fn make(&mut self) -> io::Result<()> {
        let (file, segment) = if let Some(spare) = self.spare.front() {
            let file = OpenOptions::new().read(true).write(true).open(&spare.path)?;
            (file, spare.clone())
        } else {
            match self.zero_piece()? {
                Some(whole) => whole,
                None => return Ok(()),
            }
        };
        let map = MapMut::writable(&file, self.settings.segment_bytes)?;
        map.populate(0..AHEAD_BYTES)?;
        let segment = Arc::new(Segment { map, file: segment, salt: self.disk.salt() });
        self.spare.pop_front();
        self.out.push_back((Arc::clone(&segment), 0));
        // There is room: the ring was not full, and only this thread fills it.
        let _ = self.ready.push(segment);
        self.progress.report(Health::Good, None);
        Ok(())
    }

    /// Zeroes the next piece of a new file; gives the file its name and away when it is whole.
    fn zero_piece(&mut self) -> io::Result<Option<(File, SegmentFile)>> {
        let making = match &mut self.making {
            Some(making) => making,
            None => {
                let segment = SegmentFile::new(&self.folder, self.next);
                let file = self.disk.create(&segment.unfinished())?;
                self.making.insert(Making { file, segment, written: 0 })
            }
        };
        let piece = STEP_BYTES.min(self.settings.segment_bytes - making.written);
        self.disk.zero(&making.file, making.written as u64, &self.zeros[..piece])?;
        self.disk.sync_file(&making.file)?;
        making.written += piece;
        if making.written < self.settings.segment_bytes {
            return Ok(None);
        }
        self.disk.rename(&making.segment.unfinished(), &making.segment.path)?;
        self.next += 1;
        Ok(self.making.take().map(|made| (made.file, made.segment)))
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// A keeper at work. Dropping it stops it, after a last sync of all that was committed.
#[derive(Debug)]
pub struct KeeperThread {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl KeeperThread {
    /// Stops it after a last sync; `false` if its thread had panicked.
    pub fn stop(mut self) -> bool {
        self.join()
    }

    fn join(&mut self) -> bool {
        self.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return true };
        thread.thread().unpark();
        thread.join().is_ok()
    }
}

impl Drop for KeeperThread {
    fn drop(&mut self) {
        self.join();
    }
}
