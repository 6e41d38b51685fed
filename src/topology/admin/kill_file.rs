//! The file that stops all trading: a thread of its own looks for it and has its own way to the
//! sequencer, so it works when the slow thread is dead.

use std::path::PathBuf;
use std::time::Duration;

use crate::link::Producer;
use crate::model::{Command, CommandKind, Group, Nanos, Note, Request, Scope};
use crate::topology::admin::ask::padded;

/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks for the file.
#[derive(Debug)]
pub struct KillFile {
    path: PathBuf,
    requests: Producer<Request>,
    was_there: bool,
}

impl KillFile {
    /// The file, and a way to the sequencer.
    pub fn new(path: PathBuf, requests: Producer<Request>) -> Self {
        Self { path, requests, was_there: false }
    }

    /// How long to wait before the next look.
    pub const fn pause(&self) -> Duration {
        LOOK_EVERY
    }

    /// Looks once; a file that is new kills everything. Its text is the reason.
    pub fn look(&mut self, now: Nanos) {
        let is_there = self.path.exists();
        if is_there && !self.was_there {
            let reason = std::fs::read_to_string(&self.path).unwrap_or_default();
            let head = Command {
                side: Scope::Everything.code(),
                timestamp: now,
                lines: 2,
                ..Command::new(CommandKind::Kill)
            };
            let mut group = Group::new(Request(head));
            group.rest_mut()[0] = Note {
                actor: padded("the kill file"),
                reason: padded(reason.trim()),
                ..Note::default()
            }
            .line();
            self.was_there = self.requests.push(&group);
            return;
        }
        self.was_there = is_there;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::link;

    #[test]
    fn a_file_kills_once_each_time_it_appears() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("KILL");
        let (requests, mut taken) = link::<Request>(16);
        let mut file = KillFile::new(path.clone(), requests);
        let mut group = Group::new(Request::new(CommandKind::Tick, Nanos::ZERO));
        for _ in 0..2 {
            file.look(Nanos(1));
            assert!(!taken.pop(&mut group), "without a file nothing happens");
            std::fs::write(&path, "a fire\n").expect("it can be written");
            file.look(Nanos(2));
            file.look(Nanos(3));
            assert!(taken.pop(&mut group));
            assert_eq!(group.head.0.kind(), Some(CommandKind::Kill));
            assert!(group.note().is_some_and(|note| note.reason.starts_with(b"a fire\0")));
            assert!(!taken.pop(&mut group), "once is enough");
            std::fs::remove_file(&path).expect("it is there");
        }
    }
}
