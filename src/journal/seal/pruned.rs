//! Where a log begins once its oldest segments are gone: a few lines of text beside it, which say
//! what the first segment left follows and how the chain is carried on from there.
//!
//! ```text
//! wirematch pruned 1 command
//! last 40960 2026-11-23T12:00:00.000000042Z 0f3a…
//! segments 12 4c11db7a
//! block 41 9b2c…
//! epochs 0:1 3:20000
//! check 77d0…
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::journal::seal::anchors::seal;
use crate::journal::seal::{BLOCK, Begun, Chain, Check, Seal, Seals};
use crate::journal::segment::{SegmentFile, SegmentHeader};
use crate::journal::{Disk, JournalError, LogKind, Logged, Reader};
use crate::model::Nanos;

/// The mark's name in the folder of its log.
const NAME: &str = "pruned";

/// Its first line, before the log's name.
const TITLE: &str = "wirematch pruned 1";

/// Where a log begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The number of the last segment that is gone.
    pub segments: u64,
    /// The last message that is gone, and the head of the chain there.
    pub seal: Seal,
    /// Header checksum of the last frame that is gone.
    pub(crate) link: u32,
    /// The first whole block that is left: the chain is carried on from there.
    pub begun: Begun,
    /// Each epoch of what is gone, and the id of its first message.
    pub(crate) epochs: Vec<(u32, u64)>,
}

impl Pruned {
    /// Its file in a log's folder.
    fn path(folder: &Path) -> PathBuf {
        folder.join(NAME)
    }

    /// Reads it; nothing where a log begins with its first message.
    ///
    /// # Errors
    /// A file that is no such mark.
    pub fn read(folder: &Path) -> Result<Option<Self>, JournalError> {
        let path = Self::path(folder);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(JournalError::disk(path, "read what was pruned")(error)),
        };
        let parsed = Self::parse(&text).map(Some);
        parsed.map_err(|(line, what)| JournalError::Anchors { file: path, line, what })
    }

    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let (body, check) = text.rsplit_once("check ").ok_or((6, "`check` is missing".into()))?;
        if blake3::hash(body.as_bytes()).to_hex().as_str() != check.trim_end() {
            return Err((6, "the lines before are not those that were written".into()));
        }
        let mut lines = body.lines();
        let mut words = |line: usize, name: &str| {
            let text = lines.next().and_then(|line| line.strip_prefix(name));
            let text = text.ok_or((line, format!("it must begin with {name:?}")))?;
            Ok::<_, (usize, String)>(text.split_whitespace())
        };
        words(1, TITLE)?;
        let mut last = words(2, "last ")?;
        let seal = seal(last.next().unwrap_or_default(), &mut last).map_err(|what| (2, what))?;
        let number = |line, text: Option<&str>| {
            text.and_then(|text| text.parse::<u64>().ok())
                .ok_or((line, "a number must stand here".to_owned()))
        };
        let mut gone = words(3, "segments ")?;
        let segments = number(3, gone.next())?;
        let link = gone.next().and_then(|text| u32::from_str_radix(text, 16).ok());
        let link = link.ok_or((3, "eight hexadecimal digits must follow".to_owned()))?;
        let mut block = words(4, "block ")?;
        let number = number(4, block.next())?;
        let key = blake3::Hash::from_hex(block.next().unwrap_or_default())
            .map_err(|_| (4, "64 hexadecimal digits must follow".to_owned()))?;
        let epoch = |word: &str| {
            let (epoch, first) = word.split_once(':')?;
            Some((epoch.parse().ok()?, first.parse().ok()?))
        };
        let epochs: Option<_> = words(5, "epochs")?.map(epoch).collect();
        let epochs = epochs.ok_or((5, "epochs must be written as 3:20000".to_owned()))?;
        let begun = Begun { block: number, key: *key.as_bytes() };
        Ok(Self { segments, seal, link, begun, epochs })
    }

    fn text(&self, kind: LogKind) -> String {
        let Self { segments, seal, link, begun, epochs } = self;
        let epochs: String =
            epochs.iter().map(|(epoch, first)| format!(" {epoch}:{first}")).collect();
        let time = Timestamp::from_nanosecond(i128::from(seal.time.0)).unwrap_or_default();
        let hex = |hash: [u8; 32]| blake3::Hash::from_bytes(hash).to_hex();
        let body = format!(
            "{TITLE} {kind}\nlast {} {time:.9} {}\nsegments {segments} {link:08x}\nblock {} {}\n\
             epochs{epochs}\n",
            seal.id,
            hex(seal.head),
            begun.block,
            hex(begun.key)
        );
        let check = blake3::hash(body.as_bytes()).to_hex();
        format!("{body}check {check}\n")
    }

    fn write(&self, folder: &Path, kind: LogKind, disk: &dyn Disk) -> io::Result<()> {
        let path = Self::path(folder);
        let unfinished = path.with_extension("new");
        let file = disk.create(&unfinished)?;
        disk.write(&file, 0, self.text(kind).as_bytes())?;
        disk.sync_file(&file)?;
        disk.rename(&unfinished, &path)?;
        disk.sync_file(&File::open(folder)?)
    }

    /// The time of the last message that is gone.
    pub fn until(&self) -> String {
        let nanos = i128::from(self.seal.time.0);
        Timestamp::from_nanosecond(nanos).unwrap_or_default().to_string()
    }

    /// What a reader is told that asks for what is gone.
    pub(crate) fn error(&self, folder: &Path) -> JournalError {
        let id = self.seal.id;
        JournalError::Pruned { folder: folder.to_owned(), last: id, until: self.until() }
    }
}

/// What need not be kept any longer.
#[derive(Clone, Copy, Debug)]
pub struct Expired {
    /// Messages of before this log time.
    pub before: Nanos,
    /// Of those, the ones before this id: a snapshot has them, and begins with it.
    pub covered: u64,
}

/// What of a log can go.
#[derive(Debug)]
pub struct Excess {
    /// Its folder.
    folder: PathBuf,
    /// Which log it is.
    pub kind: LogKind,
    /// Segments that go, the oldest first.
    pub segments: Vec<SegmentFile>,
    /// Bytes of them on the disk.
    pub bytes: u64,
    /// Where the log begins then.
    pub begins: Pruned,
}

/// Finds the closed segments of a log that may go, and holds them against all that was sealed.
/// Nothing where none may.
///
/// # Errors
/// A log that cannot be read, and the first seal it does not agree with.
pub fn excess<H: Logged>(
    folder: &Path,
    expired: &Expired,
    anchors: &[PathBuf],
) -> Result<Option<Excess>, JournalError> {
    let before = Pruned::read(folder)?;
    let files = SegmentFile::list(folder)?;
    let mut count = 0;
    let mut next = None;
    // A segment may go where the one after it begins with what need not be kept either.
    for (gone, file) in files.iter().enumerate().skip(1) {
        let Ok(Some(header)) = SegmentHeader::read(&file.peek()?) else { break };
        let first = Reader::<H>::open(folder, header.first)?.read()?;
        let is_over = first.is_some_and(|first| first.head.time() <= expired.before);
        let block = whole_block(H::KIND, header.first);
        let is_covered = H::KIND.least(block * BLOCK + 1) <= expired.covered;
        if !is_over || !is_covered {
            break;
        }
        let is_after = before.as_ref().is_none_or(|before| before.begun.block < block);
        if is_after {
            (count, next) = (gone, Some((header, block)));
        }
    }
    let Some((header, block)) = next else { return Ok(None) };
    let seals = Seals::read(folder, H::KIND, anchors)?;
    let begins = cut_at::<H>(folder, &seals, before, &header, block)?;
    let segments: Vec<_> = files.into_iter().take(count).collect();
    let bytes = segments.iter().filter_map(|file| fs::metadata(&file.path).ok());
    let bytes = bytes.map(|found| found.len()).sum();
    Ok(Some(Excess { folder: folder.to_owned(), kind: H::KIND, segments, bytes, begins }))
}

/// The first block of which no message is before an id.
const fn whole_block(kind: LogKind, id: u64) -> u64 {
    let block = kind.seq(id).saturating_sub(1) / BLOCK;
    if kind.least(block * BLOCK + 1) < id { block + 1 } else { block }
}

/// Where the log begins once all before a segment is gone, and `block` is the first whole one left;
/// what goes is held against its seals on the way.
fn cut_at<H: Logged>(
    folder: &Path,
    seals: &Seals,
    before: Option<Pruned>,
    left: &SegmentHeader,
    block: u64,
) -> Result<Pruned, JournalError> {
    let SegmentHeader { first, previous: link, ordinal, .. } = *left;
    let (begun, mut epochs) = before.map(|before| (before.begun, before.epochs)).unzip();
    let epochs = epochs.get_or_insert_default();
    let chain = begun.map_or(Chain::new(H::KIND), |begun| Chain::resume(H::KIND, begun));
    let from = begun.map_or(0, |begun| begun.first(H::KIND));
    let mut reader = Reader::<H>::open_oldest(folder)?;
    let mut check = Check::new(seals, chain, from);
    let mut cut = None;
    while let Some(group) = reader.read()? {
        let id = group.head.id();
        if id < first && epochs.last().is_none_or(|(known, _)| *known != reader.epoch()) {
            epochs.push((reader.epoch(), id));
        }
        if id < from {
            continue;
        }
        check.before(id)?;
        if id >= first && cut.is_none() {
            cut = Some(check.chain.seal());
        }
        check.chain.add(&group);
        if let Some(cut) = cut.filter(|_| check.chain.begun().block >= block) {
            let (begun, epochs) = (check.chain.begun(), std::mem::take(epochs));
            return Ok(Pruned {
                segments: ordinal.saturating_sub(1),
                seal: cut,
                link,
                begun,
                epochs,
            });
        }
    }
    Err(JournalError::MissingSegment { file: SegmentFile::new(folder, 0).path })
}

impl Excess {
    /// Removes the segments; the mark that says so is on the disk first, so that a crash in
    /// between leaves files that nobody reads.
    ///
    /// # Errors
    /// What the system said.
    pub fn remove(&self, disk: &dyn Disk) -> Result<(), JournalError> {
        let Self { folder, kind, begins, .. } = self;
        let written = begins.write(folder, *kind, disk);
        written.map_err(JournalError::disk(folder, "write what was pruned"))?;
        clear(folder, begins.segments).map_err(JournalError::disk(folder, "remove a segment"))
    }
}

/// Removes the files of segments up to a number, plain and packed.
fn clear(folder: &Path, last: u64) -> io::Result<()> {
    for ordinal in 1..=last {
        while let Some(file) = SegmentFile::find(folder, ordinal) {
            fs::remove_file(file.path)?;
        }
    }
    File::open(folder)?.sync_all()
}
