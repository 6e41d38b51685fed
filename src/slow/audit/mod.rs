//! The regulator's record: every order, every fill and every operator's act, with who, what, when
//! and why, in files that only grow and in which nothing can be changed unseen.
//!
//! ```text
//!  command log ─┐
//!               ├─► Ledger (a pure fold) ─► Entry ─► Trail: DAY.audit, each record sealed
//!  event log ───┘
//! ```
//!
//! It follows from the journal, so it can be made again; it is kept apart from it because it is
//! kept longer, read by others, and must show by itself that nobody changed it.

mod entries;
mod entry;
mod fold;
mod seal;
mod trail;

use std::io;
use std::path::{Path, PathBuf};

pub use entries::{Entries, Verified, files, read_all};
pub use entry::{ENTRY_BYTES, Entry, Order, Origin, unpadded};
pub use seal::{HEADER_BYTES, RECORD_BYTES, RETENTION_REASON, RETENTION_YEARS};
pub use trail::{HEAD_NAME, Head};

use crate::journal::{History, JournalError, LogKind};
use crate::model::EventId;
use crate::slow::audit::fold::Ledger;
use crate::slow::audit::trail::Trail;
use crate::slow::tail::{end, identity};

/// The record's folder in the data folder.
pub const AUDIT_NAME: &str = "audit";

/// The most events one step takes in.
const STEP_EVENTS: usize = 8 * 1024;

/// Entries that are put on record at once.
const COMMIT_ENTRIES: usize = 4 * 1024;

/// After how many steps what waits is put on record all the same.
const COMMIT_STEPS: usize = 32;

/// Why the record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What the disk said.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A record is not as it was written.
    #[error("{}, record {record}: {what}", file.display())]
    Bad {
        /// The file.
        file: PathBuf,
        /// The first bad record, from 1; 0 is the header.
        record: u64,
        /// What is wrong.
        what: String,
    },
}

impl AuditError {
    fn io(file: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| AuditError::Io { file: file.to_owned(), source }
    }
}

/// Follows both logs of a journal into the record.
#[derive(Debug)]
pub struct Audit {
    journal: PathBuf,
    folder: PathBuf,
    names: Vec<u8>,
    history: History,
    ledger: Ledger,
    /// None until there is an event, and after a write failed.
    trail: Option<Trail>,
    /// What waits to be put on record.
    entries: Vec<Entry>,
    /// Steps since something was put on record.
    steps: usize,
    complaint: Option<String>,
}

impl Audit {
    /// Goes on where the record in the data folder ends; to be opened before the journal is written
    /// to, so that an end that was lost is seen. `names` is what is put beside its files:
    /// what the numbers in them mean, as JSON.
    ///
    /// # Errors
    /// Logs that cannot be read, and a record whose last file is not as it was written.
    pub fn open(journal: &Path, data: &Path, names: Vec<u8>) -> Result<Self, AuditError> {
        let mut audit = Self {
            journal: journal.to_owned(),
            folder: data.join(AUDIT_NAME),
            names,
            // From the start, for the open orders: what is on record is not put there again.
            history: History::after(journal, EventId(0))?,
            ledger: Ledger::default(),
            trail: None,
            entries: Vec::new(),
            steps: 0,
            complaint: None,
        };
        audit.open_trail()?;
        Ok(audit)
    }

    /// Opens the record, once there is a journal to tell it by.
    fn open_trail(&mut self) -> Result<(), AuditError> {
        let events = LogKind::Events.folder(&self.journal);
        let identity = identity(&events)?;
        if identity != 0 {
            let mut trail = Trail::open(&self.folder, identity, self.names.clone())?;
            trail.part_at(end(&events)?);
            // What a failed write had put there already is not put there twice.
            self.entries.retain(|entry| entry.event.id > trail.last());
            self.trail = Some(trail);
        }
        Ok(())
    }

    /// Takes in a bounded batch of events and, now and then, puts it on record; says how many it
    /// took in. A disk that takes no writes is tried again later: the journal has everything.
    ///
    /// # Errors
    /// Logs that cannot be read.
    pub fn step(&mut self) -> Result<usize, AuditError> {
        let is_stuck = self.complaint.is_some() && self.entries.len() >= STEP_EVENTS;
        let count = if is_stuck { 0 } else { self.take_in()? };
        self.steps += 1;
        let is_due = self.entries.len() >= COMMIT_ENTRIES || self.steps >= COMMIT_STEPS;
        if !self.entries.is_empty() && is_due {
            self.commit();
        }
        Ok(count)
    }

    fn take_in(&mut self) -> Result<usize, AuditError> {
        let mut count = 0;
        while count < STEP_EVENTS
            && let Some((group, event)) = self.history.next_event()?
        {
            count += 1;
            let on_record = self.trail.as_ref().map_or(EventId(0), Trail::last);
            if let Some(entry) = self.ledger.enter(group, &event)
                && event.id > on_record
            {
                self.entries.push(entry);
            }
        }
        Ok(count)
    }

    /// Puts on record what waits, now; where that fails it waits on.
    pub fn commit(&mut self) {
        self.steps = 0;
        match self.try_commit() {
            Ok(()) => self.complaint = None,
            Err(error) => {
                self.trail = None;
                self.complaint = Some(error.to_string());
            }
        }
    }

    fn try_commit(&mut self) -> Result<(), AuditError> {
        if self.trail.is_none() {
            self.open_trail()?;
        }
        if let Some(trail) = &mut self.trail {
            trail.append(&self.entries)?;
            self.entries.clear();
        }
        Ok(())
    }

    /// Entries that wait to be put on record.
    pub fn waiting(&self) -> usize {
        self.entries.len()
    }

    /// Orders open, as the record knows them.
    pub fn open_orders(&self) -> usize {
        self.ledger.open()
    }

    /// Why nothing is put on record, if nothing is.
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        if !self.entries.is_empty() {
            // What cannot be put on record now follows from the journal at the next start.
            self.commit();
        }
    }
}
