//! `History`: both logs read together, each event with the command it came of.

use std::path::Path;

use crate::journal::{JournalError, LogKind, Reader};
use crate::model::{Command, Event, EventId, Group};

/// Follows both logs of a journal, also while it is written: an event is shown once, in order, when
/// its command can be read.
#[derive(Debug)]
pub struct History {
    commands: Reader<Command>,
    events: Reader<Event>,
    /// The command that was read last.
    group: Option<Group<Command>>,
    /// An event whose command cannot be read yet.
    held: Option<Event>,
}

impl History {
    /// What follows an event; all of history after event 0.
    ///
    /// # Errors
    /// Folders that cannot be read.
    pub fn after(journal: &Path, last: EventId) -> Result<Self, JournalError> {
        Ok(Self {
            commands: Reader::open(&LogKind::Commands.folder(journal), last.seq().0)?,
            events: Reader::open(&LogKind::Events.folder(journal), last.0.saturating_add(1))?,
            group: None,
            held: None,
        })
    }

    /// The next event with its command; nothing where there is none yet.
    ///
    /// # Errors
    /// Logs that cannot be read.
    pub fn next_event(&mut self) -> Result<Option<(&Group<Command>, Event)>, JournalError> {
        let held = self.held.take();
        let Some(event) = held.map_or_else(|| self.events.read_event(), |event| Ok(Some(event)))?
        else {
            return Ok(None);
        };
        let seq = event.id.seq();
        while self.group.as_ref().is_none_or(|group| group.head.seq < seq) {
            let Some(group) = self.commands.read()? else {
                self.held = Some(event);
                return Ok(None);
            };
            self.group = Some(group);
        }
        Ok(self.group.as_ref().map(|group| (group, event)))
    }
}
