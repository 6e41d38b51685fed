//! Whether a snapshot is of a journal's own history, and of this configuration.

use std::io;
use std::path::Path;

use crate::journal::{JournalError, LogKind, Reader, mark_of_command};
use crate::model::{Command, Event, EventId, Group, SeqNo};
use crate::snapshot::{Bad, ContainerError, Stand};

/// Why nothing begins from a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Its file cannot be read.
    #[error("it cannot be read: {0}")]
    Disk(#[from] io::Error),
    /// Its bytes are not those that were written.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// Its state cannot be that of this configuration.
    #[error("{0}")]
    State(#[from] Bad),
    /// History depends on the configuration, and that was another.
    #[error("it is of another configuration, in what history depends on")]
    Configuration,
    /// The journal holds another command there, or none.
    #[error("the journal does not hold command {0} as the snapshot does: it is of another history")]
    History(SeqNo),
    /// The event log is shorter.
    #[error("the event log does not hold event {}/{}, the snapshot's last", .0.seq(), .0.index())]
    Events(EventId),
    /// What clients were not told must be folded to be told.
    #[error("a FIX client's record lacks what history told it before the snapshot")]
    Untold,
    /// The journal cannot be read there.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A command as it lies in the journal; nothing where there is none of that number.
///
/// # Errors
/// A journal that cannot be read there.
pub fn command_at(journal: &Path, seq: SeqNo) -> Result<Option<Group<Command>>, JournalError> {
    let mut reader = Reader::<Command>::open(&LogKind::Commands.folder(journal), seq.0)?;
    Ok(reader.read()?.filter(|group| group.head.seq == seq))
}

/// Its hash.
///
/// # Errors
/// As [`command_at`].
pub fn mark_of(journal: &Path, seq: SeqNo) -> Result<Option<[u8; 32]>, JournalError> {
    Ok(command_at(journal, seq)?.as_ref().map(mark_of_command))
}

/// Checks that a journal goes on from where a snapshot stands.
///
/// # Errors
/// Why it does not.
pub fn fits(journal: &Path, config: &[u8; 32], stand: &Stand) -> Result<(), Unfit> {
    if stand.config != *config {
        return Err(Unfit::Configuration);
    }
    if mark_of(journal, stand.seq)? != Some(stand.mark) {
        return Err(Unfit::History(stand.seq));
    }
    let id = stand.last_event;
    let mut events = Reader::<Event>::open(&LogKind::Events.folder(journal), id.0)?;
    // A command makes one event at least, so the last event is the last command's.
    if id.seq() != stand.seq || events.read_event()?.is_none_or(|event| event.id != id) {
        return Err(Unfit::Events(id));
    }
    Ok(())
}
