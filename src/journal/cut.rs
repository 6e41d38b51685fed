//! Cuts a log back to where another history took over: what a deposed primary wrote after that was
//! told to nobody. What is cut off is kept beside the log, for whoever wants to know.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::journal::map::Map;
use crate::journal::pack::restore;
use crate::journal::recovery::lock;
use crate::journal::scan::{Step, Walk};
use crate::journal::seal::Superblock;
use crate::journal::segment::{HEADER_LINES, SegmentFile, SegmentHeader};
use crate::journal::{Files, JournalError, LogKind};
use crate::model::Line;

/// Cuts both logs of a journal so that nothing of a command after `last` is left; whole frames go,
/// so a few commands more may. What is no good frame is left to the opening that follows.
///
/// # Errors
/// A log that somebody writes, and what the system said.
pub fn cut_back(journal: &Path, last: u64) -> Result<(), JournalError> {
    // Events first: a crash between the two must not leave events without their commands.
    cut_one(journal, LogKind::Events, last)?;
    cut_one(journal, LogKind::Commands, last)
}

/// Cuts the events of commands after `last` off.
///
/// # Errors
/// As [`cut_back`].
pub(super) fn cut_events(journal: &Path, last: u64) -> Result<(), JournalError> {
    cut_one(journal, LogKind::Events, last)
}

fn cut_one(journal: &Path, kind: LogKind, last: u64) -> Result<(), JournalError> {
    let folder = kind.folder(journal);
    if !folder.is_dir() {
        return Ok(());
    }
    let _lock = lock(&folder)?;
    // First, so that a crash on the way does not leave a loss without a reason.
    mark_cut(&folder, kind)?;
    cut_log(journal, &folder, kind, last)
}

/// Says in the superblock that the log may end before what was sealed.
fn mark_cut(folder: &Path, kind: LogKind) -> Result<(), JournalError> {
    let Some(mark) = Superblock::read(folder, kind)? else { return Ok(()) };
    let mut superblock = Superblock::open(folder, kind, Some(&mark), Arc::new(Files))?;
    let written = superblock.write(&mark.seal, &mark.begun, true);
    written.map_err(JournalError::disk(superblock.file(), "write the superblock"))
}

fn cut_log(journal: &Path, folder: &Path, kind: LogKind, last: u64) -> Result<(), JournalError> {
    let mut files = SegmentFile::list(folder)?;
    let mut found = None;
    for (place, file) in files.iter().enumerate() {
        let map = file.map()?;
        let Ok(Some(header)) = SegmentHeader::read(&map) else { break };
        if let Some(at) = first_after(&map, kind, &header, last) {
            found = Some((place, at, map));
            break;
        }
    }
    let Some((place, at, map)) = found else { return Ok(()) };
    if let Some(file) = files.get_mut(place).filter(|file| file.is_packed()) {
        let plain = restore(file, &Files);
        *file = plain.map_err(JournalError::disk(&file.path, "unpack the segment"))?;
    }
    let aside = journal.join("cut");
    fs::create_dir_all(&aside).map_err(JournalError::disk(&aside, "make the folder"))?;
    let name = |file: &SegmentFile| {
        let ordinal = file.ordinal;
        (0..)
            .map(|time| aside.join(format!("{kind}-{ordinal:010}-after-{last}-{time}.cut")))
            .find(|path| !path.exists())
            .unwrap_or_else(|| aside.join("cut"))
    };
    // The last first, so that no number is ever missing.
    for file in files.iter().skip(place + 1).rev() {
        let moved = fs::rename(&file.path, name(file));
        moved.map_err(JournalError::disk(&file.path, "move the segment away"))?;
    }
    if let Some(file) = files.get(place) {
        let cut = keep_tail(&map, at, &name(file)).and_then(|()| zero_tail(file, &map, at));
        cut.map_err(JournalError::disk(&file.path, "cut the segment"))?;
    }
    Ok(())
}

/// The line of the first frame that holds anything after `last`, or of the end mark of a segment
/// behind which nothing older can be; nothing where there is none.
pub(super) fn first_after(
    map: &Map,
    kind: LogKind,
    header: &SegmentHeader,
    last: u64,
) -> Option<usize> {
    let mut walk = Walk::begin(header);
    loop {
        let at = walk.at;
        match walk.step(map, kind, header) {
            Ok(Step::Frame(_)) if kind.seq(walk.last) > last => return Some(at),
            Ok(Step::Frame(_)) => {}
            // The segment after this one begins with what must go, so this one goes on.
            Ok(Step::End) if kind.seq(walk.last) >= last => return Some(at),
            Ok(Step::End | Step::Nothing) | Err(_) => return None,
        }
    }
}

fn used(map: &Map, from: usize) -> usize {
    (from..map.lines()).rev().find(|&at| !map.is_blank(at)).map_or(from, |at| at + 1)
}

fn keep_tail(map: &Map, from: usize, to: &Path) -> io::Result<()> {
    let mut file = File::create(to)?;
    for at in (0..HEADER_LINES).chain(from..used(map, from)) {
        file.write_all(bytemuck::bytes_of(&map.line(at)))?;
    }
    file.sync_all()
}

fn zero_tail(file: &SegmentFile, map: &Map, from: usize) -> io::Result<()> {
    let line = size_of::<Line>();
    let zeros = vec![0; (used(map, from) - from) * line];
    let file = OpenOptions::new().write(true).open(&file.path)?;
    file.write_all_at(&zeros, (from * line) as u64)?;
    file.sync_all()
}
