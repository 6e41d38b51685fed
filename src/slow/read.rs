//! The books for whoever asks from outside, while the appliance runs or not: the store, and the
//! events behind it; or as they were at an earlier moment.

use std::path::Path;
use std::sync::Arc;

use crate::journal::{LogKind, Reader};
use crate::model::{Event, Nanos, SeqNo};
use crate::slow::books::Books;
use crate::slow::look::Journal;
use crate::slow::rules::Rules;
use crate::slow::tail::identity;
use crate::slow::{STORE_NAME, SlowError, Store};

/// Where books were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the store, and from the events that came after.
    Store,
    /// From the first event on, and why not from the store.
    Journal(String),
}

/// Books, and where they came from.
#[derive(Clone, Debug)]
pub struct Found {
    /// As of the moment that was asked for.
    pub books: Books,
    /// Where they were read from.
    pub source: Source,
}

/// Up to where history counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// All there is.
    Now,
    /// The events of this command are the last.
    Seq(SeqNo),
    /// Events of this log time are the last.
    Time(Nanos),
}

impl AsOf {
    /// Whether an event still counts.
    fn takes(self, event: &Event) -> bool {
        match self {
            Self::Now => true,
            Self::Seq(seq) => event.id.seq() <= seq,
            Self::Time(at) => event.timestamp <= at,
        }
    }

    /// Whether books that reach so far are not too far.
    fn allows(self, books: &Books) -> bool {
        match self {
            Self::Now => true,
            Self::Seq(seq) => books.last_applied().seq() <= seq,
            Self::Time(at) => books.last_time() <= at,
        }
    }
}

/// Reads the books of a journal, changing nothing. The store in the data folder saves reading all
/// of the journal; without it, or where it is of no use, the answer is the same.
///
/// # Errors
/// An event log that cannot be read.
pub fn read_books(journal: &Path, data: &Path, as_of: AsOf) -> Result<Found, SlowError> {
    let folder = LogKind::Events.folder(journal);
    let identity = identity(&folder)?;
    let rules = Arc::new(Rules::beside(data).map_err(SlowError::Rules)?);
    let why_not = |why: &str| (Books::default(), Source::Journal(why.to_owned()));
    let (mut books, source) = match Store::read(&data.join(STORE_NAME)) {
        Ok(held) if held.journal != identity => why_not("the store is of another journal"),
        Ok(held) if held.rules != rules.digest() => why_not("the store is of other rules"),
        Ok(held) if !as_of.allows(&held.books) => why_not("the store is later than that"),
        Ok(held) => (held.books, Source::Store),
        Err(error) => why_not(&error.to_string()),
    };
    books.rules = rules;
    let look = Journal::new(journal);
    let next = books.last_applied().0.saturating_add(1);
    let mut reader = Reader::<Event>::open(&folder, next)?;
    while let Some(event) = reader.read_event()? {
        if !as_of.takes(&event) {
            break;
        }
        match books.apply(&event, &look) {
            // The appliance has written the event and is about to write the command.
            Err(SlowError::NotYet(_)) => break,
            applied => drop(applied?),
        }
    }
    Ok(Found { books, source })
}
