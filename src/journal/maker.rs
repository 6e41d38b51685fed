//! Makes segments ahead of the writer. A full disk is met here, before the hot path could meet it.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::journal::map::MapMut;
use crate::journal::segment::{Segment, SegmentFile};
use crate::journal::{Disk, Health, JournalError, Progress};

/// Bytes zeroed and synced at a time.
const PIECE_BYTES: usize = 2 << 20;

/// The pause after a segment could not be made.
const RETRY: Duration = Duration::from_millis(100);

/// Makes the segments of one log, as many as the writer's ring holds.
pub(crate) struct Maker {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) folder: PathBuf,
    pub(crate) segment_bytes: usize,
    /// Zeroed files found at the start.
    pub(crate) spare: VecDeque<SegmentFile>,
    /// The number of the next file to make.
    pub(crate) next: u64,
    /// To the writer.
    pub(crate) ready: rtrb::Producer<Arc<Segment>>,
    /// To the syncer, which is told first.
    pub(crate) handed: Sender<Arc<Segment>>,
    /// Segments handed out and not yet closed, and the most there may be.
    pub(crate) out: Arc<AtomicUsize>,
    pub(crate) out_max: usize,
    pub(crate) progress: Arc<Progress>,
    pub(crate) zeros: Vec<u8>,
    pub(crate) making: Option<Making>,
    pub(crate) until_retry: Duration,
}

/// A segment file being zeroed.
pub(crate) struct Making {
    file: File,
    segment: SegmentFile,
    written: usize,
}

impl Maker {
    /// Makes segments until the writer has all it can hold.
    pub(crate) fn fill(&mut self) -> Result<(), JournalError> {
        while !self.ready.is_full() {
            self.make().map_err(JournalError::disk(&self.folder, "make the next segment"))?;
        }
        Ok(())
    }

    /// Does a piece of making the next segment, if one is wanted; says whether there is more to do.
    pub(crate) fn step(&mut self, since_last: Duration) -> bool {
        self.until_retry = self.until_retry.saturating_sub(since_last);
        if !self.is_wanted() || !self.until_retry.is_zero() {
            return false;
        }
        let Err(error) = self.make() else { return self.is_wanted() };
        if let Some(making) = self.making.take() {
            // What it took is given back to whoever else needs room.
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
        false
    }

    fn is_wanted(&self) -> bool {
        !self.ready.is_full() && self.out.load(Ordering::Acquire) < self.out_max
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
        let map = MapMut::writable(&file, self.segment_bytes)?;
        map.populate(0..map.bytes())?;
        let segment = Arc::new(Segment { map, file: segment, salt: self.disk.salt() });
        self.spare.pop_front();
        self.out.fetch_add(1, Ordering::AcqRel);
        // Neither fails: the syncer lives as long as this, and the ring was not full.
        let _ = self.handed.send(Arc::clone(&segment));
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
        self.zeros.resize(PIECE_BYTES.min(self.segment_bytes - making.written), 0);
        self.disk.write(&making.file, making.written as u64, &self.zeros)?;
        self.disk.sync_file(&making.file)?;
        making.written += self.zeros.len();
        if making.written < self.segment_bytes {
            return Ok(None);
        }
        self.disk.rename(&making.segment.unfinished(), &making.segment.path)?;
        self.next += 1;
        Ok(self.making.take().map(|made| (made.file, made.segment)))
    }
}
