//! A look into the journal for the few events that need more than themselves.

use std::path::{Path, PathBuf};

use crate::journal::{LogKind, Reader};
use crate::model::{Command, Event, EventId, Group, SeqNo};
use crate::slow::SlowError;
use crate::slow::books::Look;

/// A journal, opened anew for every look.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
}

impl Journal {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

impl Look for Journal {
    fn command(&self, seq: SeqNo) -> Result<Option<Group<Command>>, SlowError> {
        let folder = LogKind::Commands.folder(&self.folder);
        let mut reader = Reader::<Command>::open(&folder, seq.0)?;
        let found = reader.read()?;
        Ok(found.filter(|group| group.head.seq == seq))
    }

    fn event(&self, id: EventId) -> Result<Option<Event>, SlowError> {
        let mut reader = Reader::<Event>::open(&LogKind::Events.folder(&self.folder), id.0)?;
        let found = reader.read_event()?;
        Ok(found.filter(|event| event.id == id))
    }
}
