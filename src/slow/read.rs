//! Positions for whoever asks from outside, while the appliance runs or not: the store, and the
//! events behind it.

use std::path::Path;

use crate::journal::{LogKind, Reader};
use crate::model::Event;
use crate::slow::tail::identity;
use crate::slow::{Positions, STORE_NAME, SlowError, Store};

/// Where positions were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the store, and from the events that came after.
    Store,
    /// From the first event on, and why not from the store.
    Journal(String),
}

/// Positions, and where they came from.
#[derive(Clone, Debug)]
pub struct Found {
    /// As of the last event there is.
    pub positions: Positions,
    /// Where they were read from.
    pub source: Source,
}

/// Reads the positions of a journal, changing nothing. The store in the data folder saves reading
/// all of the journal; without it, or where it is of no use, the answer is the same.
///
/// # Errors
/// An event log that cannot be read.
pub fn read_positions(journal: &Path, data: &Path) -> Result<Found, SlowError> {
    let folder = LogKind::Events.folder(journal);
    let identity = identity(&folder)?;
    let (mut positions, source) = match Store::read(&data.join(STORE_NAME)) {
        Ok(held) if held.journal == identity => (held.positions, Source::Store),
        Ok(_) => (Positions::default(), Source::Journal("the store is of another journal".into())),
        Err(error) => (Positions::default(), Source::Journal(error.to_string())),
    };
    let next = positions.last_applied().0.saturating_add(1);
    let mut reader = Reader::<Event>::open(&folder, next)?;
    while let Some(event) = reader.read_event()? {
        positions.apply(&event)?;
    }
    Ok(Found { positions, source })
}
