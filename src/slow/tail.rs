//! The loop's body: read on in the event log, fold, store. Called again and again by a thread.

use std::path::Path;
use std::sync::Arc;

use crate::journal::{JournalError, LogKind, Reader, summary};
use crate::model::{Event, EventId, EventKind, Instrument};
use crate::slow::audit::Audit;
use crate::slow::books::Books;
use crate::slow::look::Journal;
use crate::slow::rules::Rules;
use crate::slow::{Positions, Roster, STORE_NAME, SlowError, Store};

/// The most events one step takes in.
const STEP_EVENTS: usize = 4096;

/// How many events may wait for the store before they are written: a transaction costs a sync.
const COMMIT_EVENTS: usize = 16 * 1024;

/// After how many steps without an event what waits is written all the same.
const COMMIT_IDLE_STEPS: usize = 10;

/// How many events may wait for a store that takes no writes; then this is a failure.
const WAITING_MAX: usize = 4 * 1024 * 1024;

/// Follows a journal into the store of positions and, where one is kept, the regulator's record.
#[derive(Debug)]
pub struct SlowPath {
    reader: Reader<Event>,
    books: Books,
    look: Journal,
    /// An event whose command cannot be read yet.
    held: Option<Event>,
    store: Store,
    /// Tells this event log from every other; 0 while the log is empty.
    journal: u64,
    folder: std::path::PathBuf,
    /// Events taken in and not yet stored.
    waiting: usize,
    /// Steps without an event, in a row.
    idle: usize,
    complaint: Option<String>,
    audit: Option<Audit>,
    roster: Roster,
    data: std::path::PathBuf,
}

impl SlowPath {
    /// Goes on where the store in the data folder was left; starts again from the first event
    /// where it was made from another event log, or from more of this one than there is now.
    ///
    /// # Errors
    /// An event log that cannot be read; a store that is locked or unusable.
    pub fn open(journal: &Path, data: &Path) -> Result<Self, SlowError> {
        let folder = LogKind::Events.folder(journal);
        let mut store = Store::open(&data.join(STORE_NAME))?;
        let mut held = store.load()?;
        let identity = identity(&folder)?;
        let rules = Arc::new(Rules::beside(data).map_err(SlowError::Rules)?);
        let is_ours = held.journal == identity
            && held.rules == rules.digest()
            && held.books.last_applied() <= end(&folder)?;
        if !is_ours {
            store.clear()?;
            held.books = Books::default();
        }
        held.books.rules = rules;
        let next = held.books.last_applied().0.saturating_add(1);
        Ok(Self {
            reader: Reader::open(&folder, next)?,
            books: held.books,
            look: Journal::new(journal),
            held: None,
            store,
            journal: identity,
            folder,
            waiting: 0,
            idle: 0,
            complaint: None,
            audit: None,
            roster: Roster::default(),
            data: data.to_owned(),
        })
    }

    /// Keeps the regulator's record as well.
    pub fn with_audit(mut self, audit: Audit) -> Self {
        self.audit = Some(audit);
        self
    }

    /// Writes what is listed while running into a roster.
    pub fn with_roster(mut self, roster: Roster) -> Self {
        self.roster = roster;
        self
    }

    /// An instrument is listed, or otherwise: people find it by its symbol from now on.
    #[cold]
    fn list(&mut self, event: &Event) {
        let Some(listed) = Instrument::of_event(event) else { return };
        self.roster.put(listed);
        let rules = Arc::make_mut(&mut self.books.rules);
        if rules.rename(listed.id, &listed.symbol.name())
            && let Err(error) = rules.put_beside(&self.data)
        {
            self.complaint = Some(format!("the books' rules: {error}"));
        }
    }

    /// Takes in a bounded batch of events and, now and then, stores; says how many it took in.
    ///
    /// A store that takes no writes is tried again later; the positions go on in memory.
    ///
    /// # Errors
    /// An event log that cannot be read, and a store that was not written for too long.
    pub fn step(&mut self) -> Result<usize, SlowError> {
        let mut count = 0;
        while count < STEP_EVENTS
            && let Some(event) = self.next_event()?
        {
            match self.books.apply(&event, &self.look) {
                Err(SlowError::NotYet(_)) => {
                    self.held = Some(event);
                    break;
                }
                applied => drop(applied?),
            }
            if event.kind == EventKind::InstrumentSet.code() {
                self.list(&event);
            }
            count += 1;
        }
        self.waiting += count;
        self.idle = if count == 0 { self.idle + 1 } else { 0 };
        let is_due = self.waiting >= COMMIT_EVENTS || self.idle >= COMMIT_IDLE_STEPS;
        if self.waiting > 0 && is_due {
            self.idle = 0;
            self.store()?;
        }
        let recorded = self.audit.as_mut().map_or(Ok(0), Audit::step)?;
        Ok(count.max(recorded))
    }

    fn next_event(&mut self) -> Result<Option<Event>, SlowError> {
        match self.held.take() {
            Some(event) => Ok(Some(event)),
            None => Ok(self.reader.read_event()?),
        }
    }

    /// Stores what waits, now.
    ///
    /// # Errors
    /// As [`SlowPath::step`].
    pub fn store(&mut self) -> Result<(), SlowError> {
        if self.journal == 0 {
            self.journal = identity(&self.folder)?;
        }
        match self.store.commit(self.journal, &mut self.books) {
            Ok(()) => {
                self.waiting = 0;
                self.complaint = None;
                Ok(())
            }
            Err(error) if self.waiting < WAITING_MAX => {
                self.complaint = Some(error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The positions as of the last event taken in.
    pub fn positions(&self) -> &Positions {
        &self.books.positions
    }

    /// The books as of the last event taken in.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// How many commands the positions are behind an event log that reaches `appended`.
    pub fn lag(&self, appended: EventId) -> u64 {
        appended.seq().0.saturating_sub(self.books.last_applied().seq().0)
    }

    /// Events taken in and not yet stored.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Why the store or the record takes no writes, if one does not.
    pub fn complaint(&self) -> Option<&str> {
        let of_audit = || self.audit.as_ref().and_then(Audit::complaint);
        self.complaint.as_deref().or_else(of_audit)
    }
}

impl Drop for SlowPath {
    fn drop(&mut self) {
        if self.waiting > 0 {
            // What cannot be stored now is read again from the journal at the next start.
            let _ = self.store();
        }
    }
}

/// Tells an event log from every other: its first segment header holds a number made at random.
pub(crate) fn identity(folder: &Path) -> Result<u64, JournalError> {
    if !folder.is_dir() {
        return Ok(0);
    }
    Ok(summary(folder, LogKind::Events)?.first.map_or(0, |header| header.crc.into()))
}

/// The last event of a log.
pub(crate) fn end(folder: &Path) -> Result<EventId, JournalError> {
    let mut reader = Reader::<Event>::open(folder, u64::MAX)?;
    while reader.read_event()?.is_some() {}
    Ok(EventId(reader.place().after))
}
