//! The socket: one line of JSON asks, one answers. Polled by the slow thread, which it never
//! blocks.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::link::Producer;
use crate::model::{Group, Nanos, Note, Request};
use crate::slow::Roster;
use crate::topology::admin::ask::{Ask, Message, padded};
use crate::topology::admin::limits_file::{LimitsFile, parse_limits};

/// The socket's name in the data folder.
pub const SOCKET_NAME: &str = "admin.sock";

/// Lines are no longer than this: a limits file is one.
const LINE_MAX: usize = 4 << 20;
/// People and scripts at once.
const CALLERS_MAX: usize = 16;
/// How long a second person may take.
const SECOND_WITHIN: Nanos = Nanos(300_000_000_000);

/// Who may ask for what.
#[derive(Clone, Debug, Default)]
pub struct AdminOptions {
    /// Names that may stand as actor; none: any.
    pub actors: Vec<String>,
    /// A kill is lifted by two different people.
    pub two_people: bool,
    /// While this file is there no kill is lifted.
    pub kill_file: PathBuf,
    /// What is traded.
    pub roster: Roster,
}

/// The answer to one line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Answer {
    /// Whether it was taken.
    pub ok: bool,
    /// Why not, or what comes next.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Requests sent to the sequencer.
    #[serde(default)]
    pub sent: usize,
    /// Log time at which they were received: a request is found in the journal by it.
    #[serde(default)]
    pub received_at: u64,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub status: serde_json::Value,
}

impl Answer {
    fn refused(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

struct Caller {
    stream: UnixStream,
    line: Vec<u8>,
    answer: Vec<u8>,
    is_done: bool,
}

/// A wish to lift a kill that waits for the second person.
struct Waiting {
    message: Message,
    since: Nanos,
}

/// The socket and those who call.
pub struct AdminServer {
    listener: UnixListener,
    path: PathBuf,
    options: AdminOptions,
    callers: Vec<Caller>,
    waiting: Vec<Waiting>,
    /// Requests that found no room yet.
    ready: std::collections::VecDeque<Group<Request>>,
}

impl AdminServer {
    /// Opens the socket in the data folder, for this user alone.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(data: &Path, options: AdminOptions) -> std::io::Result<Self> {
        std::fs::create_dir_all(data)?;
        let path = data.join(SOCKET_NAME);
        // One that an appliance left behind: the journal's lock says that none is running.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let (callers, waiting) = (Vec::new(), Vec::new());
        Ok(Self { listener, path, options, callers, waiting, ready: Default::default() })
    }

    /// Lets people in, reads what they ask and answers; `status` says how things stand.
    pub fn poll(
        &mut self,
        now: Nanos,
        requests: &mut Producer<Request>,
        status: &mut dyn FnMut() -> serde_json::Value,
    ) {
        while self.callers.len() < CALLERS_MAX
            && let Ok((stream, _)) = self.listener.accept()
        {
            if stream.set_nonblocking(true).is_ok() {
                let (line, answer) = (Vec::new(), Vec::new());
                self.callers.push(Caller { stream, line, answer, is_done: false });
            }
        }
        for at in 0..self.callers.len() {
            if let Some(line) = self.callers[at].read() {
                let answer = self.answer(&line, now, status);
                let text = serde_json::to_vec(&answer).unwrap_or_default();
                self.callers[at].answer.extend(text.into_iter().chain([b'\n']));
            }
            self.callers[at].write();
        }
        self.callers.retain(|caller| !caller.is_done);
        self.waiting.retain(|waiting| now.saturating_sub(waiting.since) < SECOND_WITHIN);
        while let Some(group) = self.ready.front_mut() {
            if !requests.push(group) {
                break;
            }
            self.ready.pop_front();
        }
    }

    /// Sends limits that come into force by their date.
    pub fn send_limits<'a>(
        &mut self,
        commands: impl Iterator<Item = &'a crate::model::Command>,
        actor: &str,
        reason: &str,
        now: Nanos,
    ) -> usize {
        let before = self.ready.len();
        let note = Note { actor: padded(actor), reason: padded(reason), ..Note::default() }.line();
        for command in commands {
            let head = crate::model::Command { timestamp: now, lines: 2, ..*command };
            let mut group = Group::new(Request(head));
            group.rest_mut()[0] = note;
            self.ready.push_back(group);
        }
        self.ready.len() - before
    }

    fn answer(
        &mut self,
        line: &[u8],
        now: Nanos,
        status: &mut dyn FnMut() -> serde_json::Value,
    ) -> Answer {
        let message: Message = match serde_json::from_slice(line) {
            Ok(message) => message,
            Err(error) => return Answer::refused(format!("this cannot be read: {error}")),
        };
        if let Ask::Status = message.ask {
            return Answer { ok: true, status: status(), ..Answer::default() };
        }
        let actor = message.actor.trim();
        if actor.is_empty() || message.reason.trim().is_empty() {
            return Answer::refused("say who asks and why: an actor and a reason");
        }
        if !self.options.actors.is_empty() && !self.options.actors.iter().any(|one| one == actor) {
            return Answer::refused(format!("`{actor}` is not among [admin] actors"));
        }
        if let Ask::Load { file, text } = &message.ask {
            return self.load(&message, file, text, now);
        }
        let mut second = String::new();
        if message.ask.lifts() {
            if self.options.kill_file.exists() {
                let path = self.options.kill_file.display();
                return Answer::refused(format!("the kill file {path} is there: remove it first"));
            }
            if self.options.two_people {
                match self.second_of(&message, now) {
                    Some(other) => second = other,
                    None => {
                        let message = "taken down; another person must ask for the same within \
                                       five minutes";
                        return Answer { ok: true, ..Answer::refused(message) };
                    }
                }
            }
        }
        match message.request(&second, &self.options.roster.all(), now) {
            Ok(group) => {
                self.ready.push_back(group);
                Answer { ok: true, sent: 1, received_at: now.0, ..Answer::default() }
            }
            Err(error) => Answer::refused(error.0),
        }
    }

    /// Who asked for the same before and is another person; else it is remembered.
    fn second_of(&mut self, message: &Message, now: Nanos) -> Option<String> {
        let same = |waiting: &Waiting| {
            waiting.message.ask == message.ask && waiting.message.actor != message.actor
        };
        if let Some(at) = self.waiting.iter().position(same) {
            return Some(self.waiting.remove(at).message.actor);
        }
        self.waiting.retain(|waiting| waiting.message.ask != message.ask);
        self.waiting.push(Waiting { message: message.clone(), since: now });
        None
    }

    /// A limits file, all of it or nothing.
    fn load(&mut self, message: &Message, file: &str, text: &str, now: Nanos) -> Answer {
        let read: LimitsFile = match parse_limits(file, text, &self.options.roster.all()) {
            Ok(read) => read,
            Err(error) => return Answer::refused(error.0),
        };
        let today = jiff::Zoned::now().date();
        let due: Vec<_> = read.between(None, today).copied().collect();
        let sent = self.send_limits(due.iter(), &message.actor, &message.reason, now);
        let later = read.len() - due.len();
        let message = match later {
            0 => String::new(),
            later => format!("{later} limits are for later dates: `[risk] limits` keeps them"),
        };
        Answer { ok: true, message, sent, received_at: now.0, ..Answer::default() }
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Caller {
    /// The next whole line, if there is one.
    fn read(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                let rest = self.line.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.line, rest);
                line.pop();
                return Some(line);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.is_done = self.answer.is_empty();
                    return None;
                }
                Ok(count) if self.line.len() + count <= LINE_MAX => {
                    self.line.extend_from_slice(&buffer[..count]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                _ => {
                    self.is_done = true;
                    return None;
                }
            }
        }
    }

    fn write(&mut self) {
        while !self.answer.is_empty() {
            match self.stream.write(&self.answer) {
                Ok(count) if count > 0 => drop(self.answer.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                _ => {
                    self.is_done = true;
                    return;
                }
            }
        }
    }
}
