//! What a log is, from the headers of its segments alone.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::journal::segment::{SegmentFile, SegmentHeader};
use crate::journal::{JournalError, LogKind, Wrong};

/// A log at a glance.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Segments in use.
    pub segments: usize,
    /// Those of them that are packed.
    pub packed: usize,
    /// Segments that wait to be used.
    pub waiting: usize,
    /// Bytes of all of them on the disk.
    pub bytes: u64,
    /// The header of the first segment; none in an empty log.
    pub first: Option<SegmentHeader>,
    /// The header of the last segment in use.
    pub last: Option<SegmentHeader>,
    /// Whether a process has the log open for writing.
    pub is_open: bool,
}

/// Reads the headers of a log's segments.
///
/// # Errors
/// A folder without a log, a segment that is missing or has a bad header.
pub fn summary(folder: &Path, kind: LogKind) -> Result<Summary, JournalError> {
    if !folder.is_dir() {
        return Err(JournalError::NoJournal { folder: folder.to_owned() });
    }
    let is_open = is_open(folder);
    let mut summary =
        Summary { segments: 0, packed: 0, waiting: 0, bytes: 0, first: None, last: None, is_open };
    for file in SegmentFile::list(folder)? {
        let map = file.peek()?;
        let size = match fs::metadata(&file.path) {
            // It was packed since its name was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::metadata(file.packed()).map_err(|_| error)
            }
            size => size,
        };
        summary.bytes += size.map_err(JournalError::disk(&file.path, "look at it"))?.len();
        summary.packed += usize::from(file.is_packed());
        match SegmentHeader::read(&map) {
            Ok(Some(header)) => {
                header.check(&file, kind, map.bytes())?;
                summary.segments += 1;
                summary.first = summary.first.or(Some(header));
                summary.last = Some(header);
            }
            Ok(None) => summary.waiting += 1,
            Err(wrong) => return Err(bad(&file, wrong)),
        }
    }
    Ok(summary)
}

fn bad(file: &SegmentFile, wrong: Wrong) -> JournalError {
    JournalError::Bad { place: file.place(0, 0), wrong }
}

/// Whether a process has the log in a folder open for writing.
pub fn is_open(folder: &Path) -> bool {
    let lock = File::open(folder.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}
