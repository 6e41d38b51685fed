//! A machine's disk in the simulation. Its files are what the kernel holds in memory; beside each
//! stands what of it would still be there if the power went now.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::flow::Dice;
use crate::journal::{Disk, FRAME_LINES_MAX, Files, LogKind, MapMut, scan};
use crate::simulate::cables::locked;

/// What a disk writes at once, and what of that it writes whole or not at all.
const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// Lines of a log on a page; the first page of a segment is its header.
const PAGE_LINES: usize = PAGE / size_of::<crate::model::Line>();

type Page = Vec<u8>;

/// A file that was made on the disk.
struct Plate {
    path: PathBuf,
    /// Pages that are on the disk; those that are not here are zeros there.
    sure: BTreeMap<usize, Page>,
    /// Pages that a sync failed for: the system takes them for clean until they change.
    dropped: BTreeMap<usize, Page>,
}

/// How a disk fares.
struct State {
    /// By the file's number.
    plates: BTreeMap<u64, Plate>,
    dice: Dice,
    boot: u64,
    is_full: bool,
    fails: bool,
    lies: bool,
    /// A sync that fails is told as done: a deliberate bug.
    hides_failure: bool,
}

/// A disk; all that hold it mean the same one.
#[derive(Clone)]
pub(super) struct Platter(Arc<Mutex<State>>);

/// Bytes that a disk spoiled: where, and what stands there now.
#[derive(Clone, Debug)]
pub(super) struct Spoiled {
    path: PathBuf,
    offset: u64,
    bytes: Vec<u8>,
}

impl Spoiled {
    /// Whether they are still there.
    pub(super) fn is_there(&self) -> bool {
        let mut bytes = vec![0; self.bytes.len()];
        let read = File::open(&self.path).and_then(|f| f.read_exact_at(&mut bytes, self.offset));
        read.is_ok() && bytes == self.bytes
    }
}

impl Platter {
    pub(super) fn new(seed: u64, hides_failure: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            plates: BTreeMap::new(),
            dice: Dice::new(seed),
            boot: 1,
            is_full: false,
            fails: false,
            lies: false,
            hides_failure,
        })))
    }

    /// No room for a byte more than there is, or room again.
    pub(super) fn set_full(&self, is_full: bool) {
        locked(&self.0).is_full = is_full;
    }

    pub(super) fn is_full(&self) -> bool {
        locked(&self.0).is_full
    }

    /// Syncs fail, until its machine begins anew.
    pub(super) fn set_failing(&self, fails: bool) {
        locked(&self.0).fails = fails;
    }

    pub(super) fn is_failing(&self) -> bool {
        locked(&self.0).fails
    }

    /// It says of what is in its own memory that it is written, until the power goes.
    pub(super) fn set_lying(&self) {
        locked(&self.0).lies = true;
    }

    pub(super) fn is_lying(&self) -> bool {
        locked(&self.0).lies
    }

    /// The power goes: of each page that was not there for sure there is the old, the new or the
    /// beginning of the new. Says how many pages were lost.
    pub(super) fn lose_power(&self, folder: &Path) -> u64 {
        let mut state = locked(&self.0);
        let State { plates, dice, boot, fails, lies, .. } = &mut *state;
        *boot += 1;
        // One loss takes all that was not synced; another what the dice say, page by page.
        let keeps = if *lies { 0 } else { dice.below(4) * 33 };
        let mut lost = 0;
        for path in files_of(folder) {
            let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) else { continue };
            let plate = plate_of(plates, &file).filter(|plate| plate.path == path);
            let Some(plate) = plate else { continue };
            for at in 0..pages(&file) {
                let now = page(&file, at);
                let old = plate.sure.get(&at).cloned().unwrap_or(vec![0; now.len()]);
                if now == old || dice.percent(keeps) {
                    continue;
                }
                let torn = dice.below(2 * (PAGE / SECTOR) as u64) as usize * SECTOR;
                let new = if torn < now.len() { &now[..torn] } else { &[] };
                let found = [new, old.get(new.len()..).unwrap_or(&[])].concat();
                let _ = file.write_all_at(&found, (at * PAGE) as u64);
                lost += 1;
            }
            plate.settle(&file, 0..usize::MAX);
            plate.dropped.clear();
        }
        (*fails, *lies) = (false, false);
        lost
    }

    /// One bit of a log's file turns, with good frames behind it.
    pub(super) fn rot(&self, log: &Path, kind: LogKind) -> Option<Spoiled> {
        let mut state = locked(&self.0);
        let (path, lines) = used(log, kind, &mut state.dice)?;
        let offset = state.dice.below(lines.len() as u64 * 64) + lines.start as u64 * 64;
        let file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).ok()?;
        byte[0] ^= 1 << state.dice.below(8);
        file.write_all_at(&byte, offset).ok()?;
        plate_of(&mut state.plates, &file)?.settle(&file, 0..usize::MAX);
        Some(Spoiled { path, offset, bytes: byte.to_vec() })
    }

    /// A page of a log's file stands where another one should, with good frames behind it.
    pub(super) fn misdirect(&self, log: &Path, kind: LogKind) -> Option<Spoiled> {
        let mut state = locked(&self.0);
        let (path, lines) = used(log, kind, &mut state.dice)?;
        let span = lines.start.div_ceil(PAGE_LINES)..lines.end / PAGE_LINES;
        let count = span.len() as u64;
        let from = span.start + state.dice.below(count) as usize;
        let to = span.start + state.dice.below(count) as usize;
        let file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
        let bytes = page(&file, from);
        if from == to || bytes == page(&file, to) {
            return None;
        }
        let offset = (to * PAGE) as u64;
        file.write_all_at(&bytes, offset).ok()?;
        plate_of(&mut state.plates, &file)?.settle(&file, 0..usize::MAX);
        Some(Spoiled { path, offset, bytes })
    }
}

/// Lines that are used, of a segment of a log that the dice choose, with so many behind them that a
/// good frame is among those.
fn used(log: &Path, kind: LogKind, dice: &mut Dice) -> Option<(PathBuf, Range<usize>)> {
    let found = scan(log, kind, &mut |_| ()).ok()?;
    let begun: Vec<_> =
        found.segments.iter().filter(|s| s.header.is_some() && is_plain(&s.file.path)).collect();
    let segment = begun.get(dice.below(begun.len() as u64) as usize)?;
    let spared = if segment.ended { 0 } else { FRAME_LINES_MAX + 1 };
    let end = segment.end.saturating_sub(spared);
    (end > 3 * PAGE_LINES).then(|| (segment.file.path.clone(), PAGE_LINES..end))
}

fn is_plain(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}

impl Plate {
    /// What is in memory is on the disk from now on, but for pages the system takes for clean.
    fn settle(&mut self, file: &File, range: Range<usize>) {
        let end = range.end.div_ceil(PAGE).min(pages(file));
        for at in range.start / PAGE..end {
            let now = page(file, at);
            if self.dropped.get(&at) == Some(&now) {
                continue;
            }
            self.dropped.remove(&at);
            match now.iter().all(|byte| *byte == 0) {
                true => drop(self.sure.remove(&at)),
                false => drop(self.sure.insert(at, now)),
            }
        }
    }

    /// A sync of these pages failed.
    fn drop_dirty(&mut self, file: &File, range: Range<usize>) {
        let end = range.end.div_ceil(PAGE).min(pages(file));
        for at in range.start / PAGE..end {
            let now = page(file, at);
            if self.sure.get(&at) != Some(&now) && now.iter().any(|byte| *byte != 0) {
                self.dropped.insert(at, now);
            }
        }
    }
}

impl State {
    fn sync(&mut self, file: &File, range: Range<usize>) -> io::Result<()> {
        let (fails, lies) = (self.fails, self.lies);
        let Some(plate) = plate_of(&mut self.plates, file) else { return Ok(()) };
        if fails {
            plate.drop_dirty(file, range);
            return if self.hides_failure { Ok(()) } else { Err(error(libc::EIO)) };
        }
        if !lies {
            plate.settle(file, range);
        }
        Ok(())
    }
}

impl Disk for Platter {
    fn create(&self, path: &Path) -> io::Result<File> {
        let mut state = locked(&self.0);
        if state.is_full {
            return Err(error(libc::ENOSPC));
        }
        let file = Files.create(path)?;
        let (sure, dropped) = (BTreeMap::new(), BTreeMap::new());
        state.plates.insert(file.metadata()?.ino(), Plate { path: path.to_owned(), sure, dropped });
        Ok(file)
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = locked(&self.0);
        if state.is_full && offset + bytes.len() as u64 > file.metadata()?.len() {
            Files.write(file, offset, &bytes[..bytes.len() / 2])?;
            return Err(error(libc::ENOSPC));
        }
        if let Some(plate) = plate_of(&mut state.plates, file) {
            let first = offset as usize / PAGE;
            let end = (offset as usize + bytes.len()).div_ceil(PAGE);
            plate.dropped.retain(|at, _| !(first..end).contains(at));
        }
        Files.write(file, offset, bytes)
    }

    fn sync_file(&self, file: &File) -> io::Result<()> {
        locked(&self.0).sync(file, 0..usize::MAX)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let number = file.metadata()?.ino();
        let mut state = locked(&self.0);
        // It may be the number of a file that is gone.
        if state.plates.get(&number).is_none_or(|plate| plate.path != path) {
            let (sure, dropped) = (BTreeMap::new(), BTreeMap::new());
            state.plates.insert(number, Plate { path: path.to_owned(), sure, dropped });
        }
        Ok(file)
    }

    fn sync_from(&self, file: &File, from: u64) -> io::Result<()> {
        locked(&self.0).sync(file, from as usize..usize::MAX)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = locked(&self.0);
        let number = fs::metadata(from)?.ino();
        fs::rename(from, to)?;
        if let Some(plate) = state.plates.get_mut(&number) {
            to.clone_into(&mut plate.path);
        }
        Ok(())
    }

    fn sync(&self, path: &Path, _: &MapMut, range: Range<usize>) -> io::Result<()> {
        locked(&self.0).sync(&File::open(path)?, range)
    }

    fn salt(&self) -> u64 {
        locked(&self.0).dice.bits()
    }

    fn boot(&self) -> u64 {
        locked(&self.0).boot
    }
}

fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

fn plate_of<'a>(plates: &'a mut BTreeMap<u64, Plate>, file: &File) -> Option<&'a mut Plate> {
    plates.get_mut(&file.metadata().ok()?.ino())
}

fn pages(file: &File) -> usize {
    file.metadata().map_or(0, |about| about.len() as usize).div_ceil(PAGE)
}

/// A page; a shorter one at the end of a file.
fn page(file: &File, at: usize) -> Page {
    let mut bytes = vec![0; PAGE];
    let mut length = 0;
    while let Ok(count @ 1..) = file.read_at(&mut bytes[length..], (at * PAGE + length) as u64) {
        length += count;
    }
    bytes.truncate(length);
    bytes
}

/// All files below a folder, in the order of their names.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().flat_map(|p| if p.is_dir() { files_of(p) } else { vec![p.clone()] }).collect()
}
