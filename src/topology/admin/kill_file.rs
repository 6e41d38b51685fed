//! The file that stops all trading: a thread of its own looks for it and has its own way to the
//! sequencer, so it works when the slow thread is dead.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crate::link::Producer;
use crate::model::{Command, CommandKind, Group, Nanos, Note, Request, Scope};
use crate::slow::Roster;
use crate::topology::admin::ask::{Ask, AskError, Message, padded};

/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Kills that may wait at once.
const WAITING_MAX: usize = 16;

/// The console's way to stop trading: past the slow thread, over the kill file's own link.
#[derive(Clone, Debug)]
pub struct KillSwitch {
    asked: SyncSender<Group<Request>>,
    roster: Roster,
}

impl KillSwitch {
    /// Asks for a kill, received at `now`; nothing else can be asked for here. Returns at once.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn kill(&self, message: &Message, now: Nanos) -> Result<(), AskError> {
        if !matches!(message.ask, Ask::Kill { .. }) {
            return Err(AskError("only a kill goes this way".into()));
        }
        if message.actor.trim().is_empty() || message.reason.trim().is_empty() {
            return Err(AskError("say who asks and why: an actor and a reason".into()));
        }
        let group = message.request("", &self.roster.all(), now)?;
        let taken = self.asked.try_send(group);
        taken.map_err(|_| AskError("too many kills wait: ask again".into()))
    }
}

/// Looks for the file, and hears the kill switch.
#[derive(Debug)]
pub struct KillFile {
    path: PathBuf,
    requests: Producer<Request>,
    was_there: bool,
    asked: Receiver<Group<Request>>,
    /// A kill that found no room yet.
    held: Option<Group<Request>>,
}

impl KillFile {
    /// The file, and a way to the sequencer.
    pub fn new(path: PathBuf, requests: Producer<Request>, roster: Roster) -> (Self, KillSwitch) {
        let (sender, asked) = sync_channel(WAITING_MAX);
        let file = Self { path, requests, was_there: false, asked, held: None };
        (file, KillSwitch { asked: sender, roster })
    }

    /// Waits until the next look is due, and passes on what the switch asks for meanwhile.
    pub fn pause(&mut self) {
        if self.held.is_none() {
            match self.asked.recv_timeout(LOOK_EVERY) {
                Ok(group) => self.held = Some(group),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => return,
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
                    return std::thread::sleep(LOOK_EVERY);
                }
            }
        }
        let is_sent = self.held.as_ref().is_none_or(|group| self.requests.push(group));
        if is_sent {
            self.held = None;
        } else {
            std::thread::yield_now();
        }
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
        let (mut file, _switch) = KillFile::new(path.clone(), requests, Roster::default());
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

    #[test]
    fn the_switch_kills_with_a_name_and_a_reason_and_does_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let (requests, mut taken) = link::<Request>(16);
        let (mut file, switch) =
            KillFile::new(folder.path().join("KILL"), requests, Roster::default());
        let whom = crate::topology::Whom { scope: "everything".into(), ..Default::default() };
        let kill = Message {
            actor: "ada".into(),
            reason: "a drill".into(),
            ask: Ask::Kill { whom: whom.clone(), reduce_only: false },
        };
        switch.kill(&kill, Nanos(5)).expect("it is taken");
        file.pause();
        let mut group = Group::new(Request::new(CommandKind::Tick, Nanos::ZERO));
        assert!(taken.pop(&mut group));
        assert_eq!(group.head.0.kind(), Some(CommandKind::Kill));
        assert!(group.note().is_some_and(|note| note.actor.starts_with(b"ada\0")));
        let nameless = Message { actor: " ".into(), ..kill.clone() };
        assert!(switch.kill(&nameless, Nanos(6)).is_err());
        let resume = Message { ask: Ask::Resume { whom }, ..kill };
        assert!(switch.kill(&resume, Nanos(7)).is_err());
    }
}
