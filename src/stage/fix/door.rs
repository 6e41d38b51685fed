//! Where FIX clients come in: a thread of its own accepts lines, reads the first message, checks
//! the password, and gives the line to the gateway. Strangers never reach the hot path.

use std::net::SocketAddr;

use crate::model::Nanos;
use crate::port::stream::{Acceptor, Stream};
use crate::stage::fix::{FixOptions, FixSpec};
use crate::wire::fix::session::{Address, Introduction, introduction};

/// How long a line may stay without a first message, and how long that may be.
const PATIENCE: Nanos = Nanos(10_000_000_000);
const FIRST_BYTES_MAX: usize = 8 * 1024;

/// Lines without a first message, at most; further ones wait in the kernel.
const STRANGERS_MAX: usize = 1024;

/// A line whose client said who it is, and whose password was right.
pub struct Introduced {
    /// The session it is for, as a place in the table of sessions.
    pub session: usize,
    /// The line.
    pub line: Box<dyn Stream>,
    /// What came on it so far, the first message in front.
    pub bytes: Vec<u8>,
}

/// A line whose first message has not come yet.
struct Stranger {
    line: Box<dyn Stream>,
    bytes: Vec<u8>,
    since: Nanos,
}

/// The door.
pub struct Door {
    acceptor: Box<dyn Acceptor>,
    sessions: Vec<FixSpec>,
    strangers: Vec<Stranger>,
    introduced: rtrb::Producer<Introduced>,
    room: Vec<u8>,
    /// Lines that were sent away.
    pub sent_away: u64,
}

enum Judged {
    NotYet,
    Unwanted,
    For(usize),
}

impl Door {
    /// In front of a gateway with these sessions.
    pub fn new(
        acceptor: Box<dyn Acceptor>,
        options: &FixOptions,
        introduced: rtrb::Producer<Introduced>,
    ) -> Self {
        Self {
            acceptor,
            sessions: options.sessions.iter().flatten().cloned().collect(),
            strangers: Vec::new(),
            introduced,
            room: vec![0; FIRST_BYTES_MAX],
            sent_away: 0,
        }
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.acceptor.address()
    }

    /// Lets in who is known; says how much it did.
    pub fn step(&mut self, now: Nanos) -> usize {
        let mut work = 0;
        while self.strangers.len() < STRANGERS_MAX
            && let Some(line) = self.acceptor.accept()
        {
            self.strangers.push(Stranger { line, bytes: Vec::new(), since: now });
            work += 1;
        }
        let mut at = 0;
        while at < self.strangers.len() && !self.introduced.is_full() {
            match self.judge(at, now) {
                Judged::NotYet => at += 1,
                Judged::Unwanted => {
                    self.sent_away += 1;
                    self.strangers.swap_remove(at);
                }
                Judged::For(session) => {
                    let Stranger { line, bytes, .. } = self.strangers.swap_remove(at);
                    // There was room, and nobody else fills it.
                    let _ = self.introduced.push(Introduced { session, line, bytes });
                    work += 1;
                }
            }
        }
        work
    }

    /// Reads a stranger's first message and finds the session it is for.
    fn judge(&mut self, at: usize, now: Nanos) -> Judged {
        let Self { strangers, sessions, room, .. } = self;
        let Some(stranger) = strangers.get_mut(at) else { return Judged::Unwanted };
        match stranger.line.receive(room) {
            Ok(count) => stranger.bytes.extend_from_slice(room.get(..count).unwrap_or(&[])),
            Err(_) => return Judged::Unwanted,
        }
        let waited = now.saturating_sub(stranger.since);
        if stranger.bytes.len() > FIRST_BYTES_MAX || waited > PATIENCE {
            return Judged::Unwanted;
        }
        match introduction(&stranger.bytes) {
            Introduction::Partial => Judged::NotYet,
            Introduction::Unwanted => Judged::Unwanted,
            Introduction::From(address) => {
                known(sessions, &address).map_or(Judged::Unwanted, Judged::For)
            }
        }
    }
}

/// The session of an address, if its password is right.
fn known(sessions: &[FixSpec], address: &Address) -> Option<usize> {
    let spec = sessions.iter().find(|spec| address.is_for(&spec.config.identity))?;
    let (username, password) = (&address.username, &address.password);
    let is_right = spec.credentials.as_ref().is_none_or(|c| c.match_with(username, password));
    is_right.then_some(spec.id.index())
}
