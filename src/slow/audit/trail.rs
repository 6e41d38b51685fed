//! `Trail`: the files of the record, which only grow, one for each day in UTC; and beside them how
//! far they reached when last they were safe on the disk, so that a cut end is known for one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::EventId;
use crate::slow::audit::entries::{Entries, files};
use crate::slow::audit::seal::{self, HEADER_BYTES, Header, RECORD_BYTES, Seal};
use crate::slow::audit::{AuditError, Entry};

/// The file that says how far the record reached.
pub const HEAD_NAME: &str = "head.json";

const DAY_NANOS: u64 = 86_400_000_000_000;

/// How far the record reached when it was last synced. Whoever keeps a copy of this elsewhere, or
/// signs it, can tell later that nothing before it was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The last file.
    pub file: String,
    /// Records in it.
    pub records: u64,
    /// The last event, its seq and index.
    pub event: (u64, u16),
    /// The last seal, in hexadecimal.
    pub seal: String,
}

/// The record, open for more.
#[derive(Debug)]
pub(super) struct Trail {
    folder: PathBuf,
    journal: u64,
    /// Names of instruments, as they are put beside each file.
    names: Vec<u8>,
    current: Option<Current>,
    ordinal: u64,
    last_seal: Seal,
    /// The last event on record, of this journal.
    last: EventId,
    space: Vec<u8>,
}

#[derive(Debug)]
struct Current {
    file: File,
    name: String,
    day: u64,
    records: u64,
}

impl Trail {
    /// Opens the record in a folder; cuts off a record that was being written when it ended.
    ///
    /// # Errors
    /// A folder that cannot be read, a last file that is not as it was written, and one that ends
    /// before where it was safe.
    pub(super) fn open(folder: &Path, journal: u64, names: Vec<u8>) -> Result<Self, AuditError> {
        fs::create_dir_all(folder).map_err(AuditError::io(folder))?;
        let mut trail = Self {
            folder: folder.to_owned(),
            journal,
            names,
            current: None,
            ordinal: 0,
            last_seal: Seal::default(),
            last: EventId(0),
            space: Vec::new(),
        };
        let mut known = files(folder)?;
        while let Some((ordinal, path)) = known.pop() {
            if length_of(&path)? < HEADER_BYTES as u64 {
                // It was being begun.
                fs::remove_file(&path).map_err(AuditError::io(&path))?;
                continue;
            }
            trail.take_up(ordinal, &path)?;
            trail.look_back(&known)?;
            break;
        }
        Ok(trail)
    }

    /// Where the last file was begun and nothing put there, the last event on record is in one
    /// before it.
    fn look_back(&mut self, before: &[(u64, PathBuf)]) -> Result<(), AuditError> {
        for (_, path) in before.iter().rev() {
            if self.last != EventId(0) || self.current.is_none() {
                break;
            }
            let mut entries = Entries::of_file(path, records_of(path)?)?;
            if entries.header().journal != self.journal {
                break;
            }
            while let Some(entry) = entries.next_entry()? {
                self.last = entry.event.id;
            }
        }
        Ok(())
    }

    /// Goes on in the last file, if it is of this journal.
    fn take_up(&mut self, ordinal: u64, path: &Path) -> Result<(), AuditError> {
        let whole = records_of(path)?;
        let mut entries = Entries::of_file(path, whole)?;
        let header = *entries.header();
        while let Some(entry) = entries.next_entry()? {
            self.last = entry.event.id;
        }
        (self.ordinal, self.last_seal) = (ordinal, *entries.last_seal());
        read_head(&self.folder)?.map_or(Ok(()), |head| head.check(path, whole, &self.folder))?;
        if header.journal != self.journal {
            self.last = EventId(0);
            return Ok(());
        }
        let mut file = OpenOptions::new().write(true).open(path).map_err(AuditError::io(path))?;
        let end = HEADER_BYTES as u64 + whole * RECORD_BYTES as u64;
        file.set_len(end).map_err(AuditError::io(path))?;
        file.seek(SeekFrom::Start(end)).map_err(AuditError::io(path))?;
        self.current = Some(Current { file, name: name_of(path), day: header.day, records: whole });
        Ok(())
    }

    /// Where the journal ends before the record does, it lost its end with the machine, or another
    /// history took that end's place: what is on record stays, what follows gets a file of its own.
    pub(super) fn part_at(&mut self, end: EventId) {
        if self.last > end {
            self.current = None;
            self.last = end;
        }
    }

    /// The last event on record.
    pub(super) fn last(&self) -> EventId {
        self.last
    }

    /// Puts entries on record and waits until they are on the disk.
    ///
    /// # Errors
    /// What the disk said; then the record is opened again, and what is missing of these entries
    /// given once more.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), AuditError> {
        for of_day in entries.chunk_by(|a, b| day_of(a) == day_of(b)) {
            let Some(first) = of_day.first() else { continue };
            if self.current.as_ref().is_none_or(|current| current.day != day_of(first)) {
                self.begin(day_of(first))?;
            }
            self.write(of_day)?;
        }
        self.sync()
    }

    fn write(&mut self, entries: &[Entry]) -> Result<(), AuditError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        self.space.clear();
        for entry in entries {
            self.last_seal = seal::write(&mut self.space, &self.last_seal, entry);
            self.last = entry.event.id;
        }
        current.records += entries.len() as u64;
        let path = self.folder.join(&current.name);
        current.file.write_all(&self.space).map_err(AuditError::io(&path))
    }

    fn begin(&mut self, day: u64) -> Result<(), AuditError> {
        self.sync()?;
        self.ordinal += 1;
        let name = format!("{:06}-{}.audit", self.ordinal, date_of(day));
        let path = self.folder.join(&name);
        let names = Sha256::digest(&self.names).into();
        let beside = path.with_extension("names.json");
        fs::write(&beside, &self.names).map_err(AuditError::io(&beside))?;
        let header = Header::new(self.ordinal, day, self.journal, self.last_seal, names);
        let mut file = File::create_new(&path).map_err(AuditError::io(&path))?;
        file.write_all(bytemuck::bytes_of(&header)).map_err(AuditError::io(&path))?;
        self.last_seal = header.seal;
        self.current = Some(Current { file, name, day, records: 0 });
        Ok(())
    }

    /// Brings everything to the disk, and says how far that is.
    fn sync(&mut self) -> Result<(), AuditError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let path = self.folder.join(&current.name);
        current.file.sync_data().map_err(AuditError::io(&path))?;
        let head = Head {
            file: current.name.clone(),
            records: current.records,
            event: (self.last.seq().0, self.last.index()),
            seal: hex(&self.last_seal),
        };
        let path = self.folder.join(HEAD_NAME);
        let new = path.with_extension("new");
        let text = serde_json::to_vec_pretty(&head).unwrap_or_default();
        fs::write(&new, text).map_err(AuditError::io(&new))?;
        fs::rename(&new, &path).map_err(AuditError::io(&path))
    }
}

impl Head {
    /// Whether the last file has all that it had.
    pub(super) fn check(&self, last: &Path, records: u64, folder: &Path) -> Result<(), AuditError> {
        let name = name_of(last);
        let is_short = name < self.file || name == self.file && records < self.records;
        if !is_short {
            return Ok(());
        }
        let file = folder.join(&self.file);
        let what = format!("the record ends before record {}, which was on the disk", self.records);
        Err(AuditError::Bad { file, record: records + 1, what })
    }
}

/// How far the record reached, if that was noted.
///
/// # Errors
/// A note that cannot be read.
pub(super) fn read_head(folder: &Path) -> Result<Option<Head>, AuditError> {
    let path = folder.join(HEAD_NAME);
    let mut text = String::new();
    match File::open(&path).and_then(|mut file| file.read_to_string(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(AuditError::io(&path)(error)),
        Ok(_) => serde_json::from_str(&text).map(Some).map_err(|error| AuditError::Bad {
            file: path,
            record: 0,
            what: format!("it does not say how far the record reached ({error})"),
        }),
    }
}

fn length_of(path: &Path) -> Result<u64, AuditError> {
    Ok(fs::metadata(path).map_err(AuditError::io(path))?.len())
}

/// Whole records of a file.
fn records_of(path: &Path) -> Result<u64, AuditError> {
    Ok(length_of(path)?.saturating_sub(HEADER_BYTES as u64) / RECORD_BYTES as u64)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn day_of(entry: &Entry) -> u64 {
    entry.event.timestamp.0 / DAY_NANOS
}

/// A day since 1970-01-01 as a date.
fn date_of(day: u64) -> String {
    let seconds = i64::try_from(day * 86_400).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_second(seconds) {
        Ok(at) => at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string(),
        Err(_) => day.to_string(),
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
