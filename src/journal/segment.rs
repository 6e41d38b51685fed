//! A segment: one file of fixed size, a 4 KiB header and then frames up to an end mark.
//!
//! Files are numbered, not named for their first message, because they are made before anybody
//! knows what will be first in them; the header says it. A file full of zeros waits to be used.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bytemuck::{Pod, Zeroable};

use crate::journal::map::{Map, MapMut, PAGE};
use crate::journal::pack::{PACKED, SUFFIX, unpack};
use crate::journal::{JournalError, LogKind, Pruned, Wrong};
use crate::model::{Line, MODEL_VERSION, Nanos};

/// Version of the layout of segments.
pub const FORMAT_VERSION: u16 = 2;

/// The oldest layout that is read: in 1 a frame's checksum covered the bytes before it.
pub(crate) const FORMAT_OLDEST: u16 = 1;

/// The smallest segment: for tests, and to say no to nonsense.
pub const SEGMENT_BYTES_MIN: usize = 64 * 1024;

/// Lines before the first frame.
pub(crate) const HEADER_LINES: usize = PAGE / size_of::<Line>();

/// Lines of the header that say something; the others are zero.
const HEADER_LINES_USED: usize = size_of::<SegmentHeader>() / size_of::<Line>();

/// Never zero, so that a segment not yet begun reads as such.
const SEGMENT_MAGIC: [u8; 8] = *b"wirematc";

/// The values that history depends on: with others, the same commands give other events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    /// The most fills one command may make.
    pub fills_per_command_max: u32,
    /// After how many further commands an event is due at the risk gate at the latest.
    pub feedback_window: u32,
    /// After how much log time an event is due at the risk gate.
    pub feedback_lag: Nanos,
    /// SHA-256 of all configuration that is meaning.
    pub config_digest: [u8; 32],
}

/// How log time stood to UTC when the log was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct UtcMapping {
    /// Log time at that moment.
    pub log_time: Nanos,
    /// UTC at that moment.
    pub utc: Nanos,
    /// How far off UTC may have been, in nanoseconds.
    pub uncertainty: Nanos,
}

/// The start of a segment file. Its checksum stays in place in every format to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct SegmentHeader {
    magic: [u8; 8],
    format: u16,
    model: u8,
    kind: u8,
    /// Header checksum of the end mark of the segment before; 0 in the first.
    pub previous: u32,
    /// The segment's number; the first is 1.
    pub ordinal: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Id of the first message.
    pub first: u64,
    /// A number nobody outside can guess; it makes the checksum a secret of this file.
    salt: u64,
    feedback_lag: Nanos,
    fills_per_command_max: u32,
    feedback_window: u32,
    config_digest: [u8; 32],
    /// How log time stood to UTC.
    pub utc: UtcMapping,
    /// Place of the fencing epoch, the superblock's mark and the hash chain; zero until built.
    reserved: [u8; 132],
    /// Checksum of the bytes before it.
    pub crc: u32,
}
const _: () = assert!(size_of::<SegmentHeader>() == 256);

const CRC_AT: usize = std::mem::offset_of!(SegmentHeader, crc);

/// What all segments that one opening begins have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Which log.
    pub kind: LogKind,
    /// What history depends on.
    pub meaning: Meaning,
    /// How log time stood to UTC.
    pub utc: UtcMapping,
}

impl SegmentHeader {
    /// Reads a segment's header: nothing where the segment was not begun.
    ///
    /// # Errors
    /// A checksum that does not match.
    pub fn read(map: &Map) -> Result<Option<Self>, Wrong> {
        let (header, crc) = Self::load(map);
        if header.magic == [0; 8] {
            return Ok(None);
        }
        let blank = (HEADER_LINES_USED..HEADER_LINES).all(|at| map.is_blank(at));
        if header.magic == SEGMENT_MAGIC && header.crc == crc && blank {
            Ok(Some(header))
        } else {
            Err(Wrong::SegmentHeader)
        }
    }

    /// The checksum a bad header carries and the one it should: one of them was its frames' seed.
    pub fn seeds(map: &Map) -> [u32; 2] {
        let (header, crc) = Self::load(map);
        [header.crc, crc]
    }

    /// Checks what one segment can tell alone.
    ///
    /// # Errors
    /// Another version, another log, another number or size than the file has.
    pub fn check(
        &self,
        file: &SegmentFile,
        kind: LogKind,
        size: usize,
    ) -> Result<(), JournalError> {
        let path = || file.path.clone();
        if !(FORMAT_OLDEST..=FORMAT_VERSION).contains(&self.format) || self.model != MODEL_VERSION {
            let (format, model) = (self.format, self.model);
            return Err(JournalError::WrongVersion { file: path(), format, model });
        }
        match LogKind::from_code(self.kind) {
            Some(found) if found != kind => {
                Err(JournalError::WrongKind { file: path(), wanted: kind, found })
            }
            Some(_) if self.ordinal == file.ordinal && self.bytes >= size as u64 => Ok(()),
            _ => {
                let place = file.place(0, self.first.saturating_sub(1));
                Err(JournalError::Damaged { place, wrong: Wrong::SegmentOrder })
            }
        }
    }

    /// Checks that a log may be written on behind it: only in the layout of today.
    ///
    /// # Errors
    /// [`JournalError::OldVersion`].
    pub(crate) fn check_current(&self, file: &Path) -> Result<(), JournalError> {
        match self.format {
            FORMAT_VERSION => Ok(()),
            format => Err(JournalError::OldVersion { file: file.to_owned(), format }),
        }
    }

    /// The version of its layout.
    pub const fn format(&self) -> u16 {
        self.format
    }

    /// What history depends on.
    pub fn meaning(&self) -> Meaning {
        Meaning {
            fills_per_command_max: self.fills_per_command_max,
            feedback_window: self.feedback_window,
            feedback_lag: self.feedback_lag,
            config_digest: self.config_digest,
        }
    }

    fn load(map: &Map) -> (Self, u32) {
        let lines: [Line; HEADER_LINES_USED] = std::array::from_fn(|at| map.line(at));
        let header: Self = bytemuck::cast(lines);
        (header, header.checksum())
    }

    fn checksum(&self) -> u32 {
        crc32c::crc32c(&bytemuck::bytes_of(self)[..CRC_AT])
    }
}

impl Meaning {
    /// Checks a segment's values against these.
    ///
    /// # Errors
    /// The first value that differs.
    pub fn check(&self, journal: &Meaning, file: &Path) -> Result<(), JournalError> {
        let hex = |digest: &[u8; 32]| digest.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let faces = |meaning: &Meaning| {
            [
                ("fills_per_command_max", meaning.fills_per_command_max.to_string()),
                ("feedback_window", meaning.feedback_window.to_string()),
                ("feedback_lag_ns", meaning.feedback_lag.to_string()),
                ("config_digest", hex(&meaning.config_digest)),
            ]
        };
        for ((name, journal), (_, configured)) in faces(journal).into_iter().zip(faces(self)) {
            if journal != configured {
                let file = file.to_owned();
                return Err(JournalError::WrongMeaning { file, name, journal, configured });
            }
        }
        Ok(())
    }
}

/// A segment the writer can fill: made, zeroed and mapped by the keeper.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The file's memory.
    pub map: MapMut,
    /// The file.
    pub file: SegmentFile,
    /// Goes into the header when the segment is begun.
    pub salt: u64,
}

impl Segment {
    /// Begins the segment: writes its header, whose checksum it returns.
    #[inline]
    pub(crate) fn begin(&self, stamp: &Stamp, first: u64, previous: u32) -> u32 {
        let Meaning { fills_per_command_max, feedback_window, feedback_lag, config_digest } =
            stamp.meaning;
        let mut header = SegmentHeader {
            magic: SEGMENT_MAGIC,
            format: FORMAT_VERSION,
            model: MODEL_VERSION,
            kind: stamp.kind.code(),
            previous,
            ordinal: self.file.ordinal,
            bytes: self.map.bytes() as u64,
            first,
            salt: self.salt,
            feedback_lag,
            fills_per_command_max,
            feedback_window,
            config_digest,
            utc: stamp.utc,
            ..SegmentHeader::zeroed()
        };
        header.crc = header.checksum();
        let lines: [Line; HEADER_LINES_USED] = bytemuck::cast(header);
        let [first, second, rest @ ..] = &lines;
        self.map.store(1, second, rest);
        self.map.publish(0, first);
        header.crc
    }

    /// The index after the last line a frame may use: the last line is kept for the end mark.
    #[inline]
    pub(crate) fn end(&self) -> usize {
        self.map.lines() - 1
    }
}

/// A segment's file: its number and its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// The segment's number; the first is 1.
    pub ordinal: u64,
    /// The file.
    pub path: PathBuf,
}

impl SegmentFile {
    /// The file of segment `ordinal` in a log's folder.
    pub fn new(folder: &Path, ordinal: u64) -> Self {
        Self { ordinal, path: folder.join(format!("{ordinal:010}.log")) }
    }

    /// The name a segment has until it is whole.
    pub fn unfinished(&self) -> PathBuf {
        self.path.with_extension("new")
    }

    /// The file of segment `ordinal` wherever it is now; none where there is no such segment yet.
    pub fn find(folder: &Path, ordinal: u64) -> Option<Self> {
        let plain = Self::new(folder, ordinal);
        let packed = Self { ordinal, path: plain.packed() };
        // Plain first: while it is being packed it is at both places.
        [plain, packed].into_iter().find(|file| file.path.exists())
    }

    /// The name it has once it is packed.
    pub(crate) fn packed(&self) -> PathBuf {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        folder.join(PACKED).join(format!("{:010}{SUFFIX}", self.ordinal))
    }

    /// Whether this is a packed segment's file.
    pub(crate) fn is_packed(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "zst")
    }

    /// A place in this file.
    pub fn place(&self, line: usize, after: u64) -> super::Place {
        let offset = (line * size_of::<Line>()) as u64;
        super::Place { file: self.path.clone(), offset, after }
    }

    /// Maps it for reading; a packed one is unpacked into memory.
    ///
    /// # Errors
    /// What the system said.
    pub fn map(&self) -> Result<Map, JournalError> {
        self.look(false)
    }

    /// Maps at least its header.
    ///
    /// # Errors
    /// What the system said.
    pub fn peek(&self) -> Result<Map, JournalError> {
        self.look(true)
    }

    fn look(&self, first_page: bool) -> Result<Map, JournalError> {
        let plain = || Map::readable(&File::open(&self.path)?);
        let map = match self.is_packed() {
            true => unpack(&self.path, first_page),
            false => match plain() {
                // It was packed since its name was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    unpack(&self.packed(), first_page).map_err(|_| error)
                }
                found => found,
            },
        };
        map.map_err(JournalError::disk(&self.path, "open the segment"))
    }

    /// All segment files of a log, in order.
    ///
    /// # Errors
    /// A folder that cannot be read, and a number that is missing.
    pub fn list(folder: &Path) -> Result<Vec<Self>, JournalError> {
        let mut ordinals = numbers(folder, ".log")?;
        let packed = folder.join(PACKED);
        if packed.exists() {
            ordinals.extend(numbers(&packed, SUFFIX)?);
        }
        ordinals.sort_unstable();
        ordinals.dedup();
        // Those that were pruned may be there still, where that broke off.
        let gone = Pruned::read(folder)?.map_or(0, |pruned| pruned.segments);
        ordinals.retain(|ordinal| *ordinal > gone);
        for (wanted, &found) in (gone + 1..).zip(&ordinals) {
            if found != wanted {
                let file = Self::new(folder, wanted).path;
                return Err(JournalError::MissingSegment { file });
            }
        }
        let file = |ordinal| Self::find(folder, ordinal).unwrap_or(Self::new(folder, ordinal));
        Ok(ordinals.into_iter().map(file).collect())
    }
}

/// The numbers that files in a folder have before a suffix.
fn numbers(folder: &Path, suffix: &str) -> Result<Vec<u64>, JournalError> {
    let mut numbers = Vec::new();
    let entries = fs::read_dir(folder).map_err(JournalError::disk(folder, "list the folder"))?;
    for entry in entries {
        let entry = entry.map_err(JournalError::disk(folder, "list the folder"))?;
        let name = entry.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(suffix));
        numbers
            .extend(stem.filter(|stem| stem.len() == 10).and_then(|stem| stem.parse::<u64>().ok()));
    }
    Ok(numbers)
}
