//! Anchors: heads of the chain on record at another place, as lines of text that may be signed.
//!
//! ```text
//! wirematch anchors 1 command
//! 4096 2026-11-23T12:00:00.000000042Z 0f3a…
//! cut 4000
//! ```
//!
//! A `cut` says that what was anchored behind a message is another history now: a machine that had
//! been deposed cuts back what it told nobody.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::SplitWhitespace;

use jiff::Timestamp;

use crate::journal::seal::Seal;
use crate::journal::{Disk, JournalError, LogKind};
use crate::model::Nanos;

/// The first line, before the log's name.
const TITLE: &str = "wirematch anchors 1";

/// The anchors of one log in one file.
#[derive(Clone, Debug)]
pub struct Anchors {
    kind: LogKind,
    path: PathBuf,
    /// Rising ids.
    seals: Vec<Seal>,
    /// Bytes of whole lines; what follows was being written when the machine died.
    whole: u64,
}

impl Anchors {
    /// The file of a log in a folder of anchors.
    pub fn file(folder: &Path, kind: LogKind) -> PathBuf {
        folder.join(format!("{kind}s.anchors"))
    }

    /// Reads a file; no anchors where there is none.
    ///
    /// # Errors
    /// A line that is not an anchor, by number and field.
    pub fn read(path: &Path, kind: LogKind) -> Result<Self, JournalError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(JournalError::disk(path, "read the anchors")(error)),
        };
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let mut anchors = Self { kind, path: path.to_owned(), seals: vec![], whole: whole as u64 };
        for (number, line) in (1..).zip(text.get(..whole).unwrap_or_default().lines()) {
            anchors.take(number, line).map_err(|what| JournalError::Anchors {
                file: anchors.path.clone(),
                line: number,
                what,
            })?;
        }
        Ok(anchors)
    }

    fn take(&mut self, number: usize, line: &str) -> Result<(), String> {
        if number == 1 {
            let title = format!("{TITLE} {}", self.kind);
            return if line == title { Ok(()) } else { Err(format!("it must be {title:?}")) };
        }
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if first == "cut" {
            let id = id(words.next().unwrap_or_default())?;
            self.seals.retain(|seal| seal.id <= id);
        } else {
            let seal = seal(first, &mut words)?;
            if self.seals.last().is_some_and(|last| last.id >= seal.id) {
                return Err("its id must be above the one before".to_owned());
            }
            self.seals.push(seal);
        }
        words.next().map_or(Ok(()), |more| Err(format!("{more:?} is too much")))
    }

    /// What is anchored, oldest first.
    pub fn seals(&self) -> &[Seal] {
        &self.seals
    }

    /// Id of the last message anchored; 0 where none is.
    pub fn last(&self) -> u64 {
        self.seals.last().map_or(0, |seal| seal.id)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds an anchor, and waits for the disk.
    ///
    /// # Errors
    /// What the system said; the next call tries again.
    pub(crate) fn add(&mut self, seal: &Seal, disk: &dyn Disk) -> io::Result<()> {
        let time = Timestamp::from_nanosecond(i128::from(seal.time.0)).unwrap_or_default();
        let head = blake3::Hash::from_bytes(seal.head).to_hex();
        self.append(&format!("{} {time:.9} {head}\n", seal.id), disk)?;
        self.seals.push(*seal);
        Ok(())
    }

    /// Says that history behind a message is another one from here.
    ///
    /// # Errors
    /// What the system said.
    pub(crate) fn cut(&mut self, id: u64, disk: &dyn Disk) -> io::Result<()> {
        self.append(&format!("cut {id}\n"), disk)?;
        self.seals.retain(|seal| seal.id <= id);
        Ok(())
    }

    fn append(&mut self, line: &str, disk: &dyn Disk) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = fs::File::options().create(true).append(true).open(&self.path)?;
        // A line that was cut short is not finished by another.
        if file.metadata()?.len() != self.whole {
            file.set_len(self.whole)?;
        }
        let mut text = String::new();
        if self.whole == 0 {
            text = format!("{TITLE} {}\n", self.kind);
        }
        text.push_str(line);
        disk.write(&file, self.whole, text.as_bytes())?;
        disk.sync_file(&file)?;
        self.whole += text.len() as u64;
        Ok(())
    }
}

fn id(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("id {word:?} must be a number"))
}

pub(super) fn seal(first: &str, words: &mut SplitWhitespace<'_>) -> Result<Seal, String> {
    let id = id(first)?;
    let time = words.next().unwrap_or_default();
    let stamp: Timestamp = time.parse().map_err(|_| {
        format!("time {time:?} must be a date and time in UTC, as 2026-11-23T12:00:00Z")
    })?;
    let head = words.next().unwrap_or_default();
    let head = blake3::Hash::from_hex(head)
        .map_err(|_| format!("head {head:?} must be 64 hexadecimal digits"))?;
    let nanos = u64::try_from(stamp.as_nanosecond()).map_err(|_| "time is too early".to_owned())?;
    Ok(Seal { id, time: Nanos(nanos), head: *head.as_bytes() })
}
