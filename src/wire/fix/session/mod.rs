//! The session of FIX: numbers both ways, gaps asked for and filled, silence noticed.
//!
//! A pure machine: bytes, time and wishes go in, [`Output`]s come out, and the owner does them.
//! The inbound number lives here; outbound numbers are the owner's, a fold over what was sent.
//!
//! ```text
//!                      Logon (good)                    Logout either way
//!   Down ─► LoggingOn ─────────────► Up ──────────────► LoggingOut ─► Down
//!                  └── anything else: closed without an answer
//! ```

mod address;
mod admin;
mod config;
mod credentials;
mod endpoint;
mod file_store;
mod header;
mod held;
mod judge;
mod logon;
mod outbox;
mod output;
mod places;
mod schedule;
mod store;

pub use address::{Address, Introduction, introduction};
pub use config::{Identity, Role, SessionConfig};
pub use credentials::Credentials;
pub use endpoint::{Application, Endpoint, Reply, Taken};
pub use file_store::FileStore;
pub use outbox::{Outbox, SendError};
pub use output::{Admin, Ending, Logon, Origin, Output, Reject};
pub use schedule::{Hours, Schedule};
pub use store::{Kept, MemoryStore, Numbers, Store, StoreError, Trail};

use std::sync::Arc;

use crate::model::Nanos;
use crate::wire::fix::frame::{Frame, Framing, frame};
use crate::wire::fix::reader::{Checked, Reader};
use crate::wire::fix::reject::Refusal;
use crate::wire::fix::session::held::Held;

/// Where outbound things go: each output as it is decided.
pub type Sink<'a> = dyn FnMut(Output<'_>) + 'a;

/// What the owner knows of the way out, told with every input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    /// The number the next message gets.
    pub next: u64,
    /// When something was sent last.
    pub sent_at: Nanos,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No line.
    Down,
    /// A line; a logon is awaited, as first message or as the answer to ours.
    LoggingOn,
    /// Up.
    Up,
    /// A logout was sent; its answer is awaited.
    LoggingOut,
}

/// What was missing when it was asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// The highest number known to be sent then.
    until: u64,
    /// The highest number that came since: there may have been no room to hold it.
    known: u64,
    at: Nanos,
}

/// What a session remembers between inputs, apart from its rooms.
#[derive(Clone, Debug)]
struct State {
    phase: Phase,
    /// The number that has its turn next.
    expected: u64,
    heartbeat: Nanos,
    heard_at: Nanos,
    /// When the present phase began.
    since: Nanos,
    asked: Option<Asked>,
    test_pending: bool,
    hours: Option<Hours>,
    ending: Ending,
    garbled: u64,
}

/// The session.
#[derive(Debug)]
pub struct Session {
    config: Arc<SessionConfig>,
    state: State,
    reader: Reader,
    held: Held,
    /// A held message while it has its turn.
    turn: Box<[u8]>,
}

impl Session {
    /// A session whose next inbound number is on record.
    pub fn new(config: Arc<SessionConfig>, next_in: u64) -> Self {
        let state = State {
            phase: Phase::Down,
            expected: next_in.max(1),
            heartbeat: Nanos(config.heartbeat_s.saturating_mul(SECOND)),
            heard_at: Nanos::ZERO,
            since: Nanos::ZERO,
            asked: None,
            test_pending: false,
            hours: None,
            ending: Ending::Line,
            garbled: 0,
        };
        let reader = Reader::new(config.dictionary);
        let held = Held::new(config.held_bytes);
        let turn = vec![0; crate::wire::fix::frame::MESSAGE_MAX].into();
        Self { config, state, reader, held, turn }
    }

    /// Takes the next inbound number from whoever knows better than the record.
    pub fn restore(&mut self, next_in: u64) {
        self.state.expected = next_in.max(1);
    }

    /// Who talks to whom.
    pub fn identity(&self) -> &Identity {
        &self.config.identity
    }

    /// Its settings.
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.state.phase
    }

    /// The number that has its turn next.
    pub fn expected(&self) -> u64 {
        self.state.expected
    }

    /// Messages that could not be read and were passed over.
    pub fn garbled_count(&self) -> u64 {
        self.state.garbled
    }

    /// A line is open; an initiator logs on.
    pub fn connected(&mut self, out: Outbound, now: Nanos, sink: &mut Sink<'_>) {
        self.held.clear();
        let state = &mut self.state;
        (state.phase, state.since, state.heard_at) = (Phase::LoggingOn, now, now);
        (state.asked, state.test_pending) = (None, false);
        if !self.open_hours(now, sink) {
            return self.close(Ending::Hours, sink);
        }
        if self.config.role == Role::Initiator {
            self.log_on(out, sink);
        }
    }

    /// The line is gone.
    pub fn disconnected(&mut self) {
        self.state.phase = Phase::Down;
        self.held.clear();
    }

    /// Ends the session in good order.
    pub fn log_out(&mut self, ending: Ending, now: Nanos, sink: &mut Sink<'_>) {
        match self.state.phase {
            Phase::Up => {
                sink(Output::Say(Admin::Logout(ending)));
                let state = &mut self.state;
                (state.phase, state.since, state.ending) = (Phase::LoggingOut, now, ending);
            }
            Phase::LoggingOn => self.close(ending, sink),
            Phase::Down | Phase::LoggingOut => {}
        }
    }

    /// Bytes that are no message: ignored, unless nothing good was heard yet.
    pub fn garbled(&mut self, sink: &mut Sink<'_>) {
        self.state.garbled += 1;
        if self.state.phase == Phase::LoggingOn {
            self.close(Ending::NoLogon, sink);
        }
    }

    /// Takes a framed message in. Those that waited for it are taken by [`Self::take_held`].
    #[inline]
    pub fn receive(
        &mut self,
        bytes: &[u8],
        framed: &Frame,
        out: Outbound,
        now: Nanos,
        sink: &mut Sink<'_>,
    ) {
        if self.state.phase == Phase::Down {
            return;
        }
        let mut call = Call { out, now, sink };
        let Self { config, state, reader, held, .. } = self;
        match reader.read(bytes, framed) {
            Ok(Checked { message, verdict }) => {
                let mut turn = Turn { config, state, held, verdict };
                turn.judge(&message, &mut call);
            }
            Err(_) => self.garbled(call.sink),
        }
    }

    /// Gives the message that came too early and has its turn now its turn; whether there was one.
    #[inline]
    pub fn take_held(&mut self, out: Outbound, now: Nanos, sink: &mut Sink<'_>) -> bool {
        self.state.asked.is_some() && self.take_one_held(&mut Call { out, now, sink })
    }

    #[cold]
    fn take_one_held(&mut self, call: &mut Call<'_, '_>) -> bool {
        let taken = self.state.phase != Phase::Down && self.read_held(call).is_some();
        if !taken {
            self.held.drop_below(self.state.expected);
            self.end_asking(call);
        }
        taken
    }

    /// What was asked for has come: what came meanwhile and was not held is asked for now, not when
    /// the peer speaks next.
    fn end_asking(&mut self, call: &mut Call<'_, '_>) {
        let state = &mut self.state;
        let Some(asked) = state.asked.take_if(|asked| state.expected > asked.until) else { return };
        if state.phase == Phase::Up && state.expected <= asked.known {
            state.asked = Some(Asked { until: asked.known, at: call.now, ..asked });
            call.put(Output::Say(Admin::ResendRequest(state.expected)));
        }
    }

    fn read_held(&mut self, call: &mut Call<'_, '_>) -> Option<()> {
        let Self { config, state, reader, held, turn } = self;
        let (bytes, answered) = held.take(state.expected)?;
        let room = turn.get_mut(..bytes.len())?;
        room.copy_from_slice(bytes);
        let Framing::Whole(framed) = frame(room) else { return None };
        let Checked { message, verdict } = reader.read(room, &framed).ok()?;
        let mut turn = Turn { config, state, held, verdict };
        turn.take(&message, answered, call);
        Some(())
    }

    /// Lets time pass: heartbeats, test requests, silence, hours.
    pub fn tick(&mut self, out: Outbound, now: Nanos, sink: &mut Sink<'_>) {
        let waited = now.saturating_sub(self.state.since);
        match self.state.phase {
            Phase::Down => {}
            Phase::LoggingOn if waited > self.config.logon_patience => {
                self.close(Ending::NoAnswer, sink);
            }
            Phase::LoggingOut if waited > self.config.logout_patience => {
                self.close(Ending::NoAnswer, sink);
            }
            Phase::LoggingOn | Phase::LoggingOut => {}
            Phase::Up => self.keep_alive(out, now, sink),
        }
    }

    fn keep_alive(&mut self, out: Outbound, now: Nanos, sink: &mut Sink<'_>) {
        if self.state.hours.is_some_and(|hours| now >= hours.until) {
            return self.log_out(Ending::Hours, now, sink);
        }
        let heartbeat = self.state.heartbeat.0;
        if heartbeat == 0 {
            return;
        }
        let silence = now.saturating_sub(self.state.heard_at).0;
        if silence >= heartbeat.saturating_mul(24) / 10 {
            self.close(Ending::Silent, sink);
        } else if silence >= heartbeat.saturating_mul(12) / 10 && !self.state.test_pending {
            self.state.test_pending = true;
            sink(Output::Say(Admin::TestRequest));
        } else if now.saturating_sub(out.sent_at).0 >= heartbeat && !self.state.test_pending {
            sink(Output::Say(Admin::Heartbeat(b"")));
        }
    }

    fn close(&mut self, ending: Ending, sink: &mut Sink<'_>) {
        self.state.phase = Phase::Down;
        self.state.ending = ending;
        sink(Output::Close(ending));
    }
}

/// One input being worked on: what is known, when it is, where outputs go.
struct Call<'a, 'b> {
    out: Outbound,
    now: Nanos,
    sink: &'a mut Sink<'b>,
}

impl Call<'_, '_> {
    #[inline]
    fn put(&mut self, output: Output<'_>) {
        (self.sink)(output);
    }
}

/// A message being judged, with all the session knows except the message's own room.
struct Turn<'a> {
    config: &'a SessionConfig,
    state: &'a mut State,
    held: &'a mut Held,
    /// What its dictionary says of the message.
    verdict: Result<(), Refusal>,
}

pub(super) const SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests;
