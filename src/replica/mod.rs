//! Two machines with one history: the conversation between primary and standby, and between both
//! and the witness. No sockets, threads or clocks here: bytes and time are arguments, so that the
//! simulator runs the same code as the appliance.
//!
//! ```text
//!  primary: journal ─► Feeder ══ commands, beats, digests ══► Follower ─► journal: standby
//!                             ◄═════════ confirmations ══════
//!  primary: Tenant ── may I go on? ──► Arbiter ◄── may I take over? ── Tenant: standby
//! ```

mod arbiter;
mod channel;
mod copying;
mod digest;
mod feeder;
mod follower;
mod history;
mod message;
mod tenant;
mod vigil;

pub use arbiter::{Arbiter, ArbiterState, Verdict};
pub use channel::{BODY_MAX, Channel, OUTBOUND_MAX};
pub use digest::BlockDigest;
pub use feeder::{Feeder, Reached, Reign, Standing};
pub use follower::{Follower, Heard, Piece};
pub use message::{Beat, Identity, Message, Name, Question, Refusal};
pub use tenant::{Tenant, Wish};
pub use vigil::Vigil;

use crate::journal::JournalError;
use crate::model::Fault;

/// Why a conversation ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The other end speaks something else.
    #[error("what answers there is no wirematch link: check the address")]
    NotALink,
    /// The other end does not have the key, or bytes were changed on the way.
    #[error("the other end could not prove that it has the key: give both the same `key`")]
    NotProved,
    /// Bytes were changed on the way, or the other end is another one than last time.
    #[error("what came was changed on the way: the line is opened again")]
    Spoiled,
    /// No answer came for long.
    #[error("no answer for too long")]
    Silent,
    /// A message that nobody sends.
    #[error("the other end sent a message that nobody sends: are both of one build?")]
    Malformed,
    /// The other end refuses, and says why.
    #[error("refused: {}", .0.sentence())]
    Refused(Refusal),
    /// The other end is of an epoch that is over.
    #[error("the other end is of epoch {0}, which is over")]
    OldEpoch(u32),
    /// What came does not follow what is here.
    #[error("what came cannot be put on record: {}", .0.sentence())]
    Fault(#[from] FaultOf),
    /// What stands beside the journal cannot be read or written.
    #[error("{0}")]
    File(String),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A fault, as an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultOf(pub Fault);

impl FaultOf {
    fn sentence(self) -> &'static str {
        self.0.sentence()
    }
}

impl std::fmt::Display for FaultOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for FaultOf {}

impl PartialEq for LinkError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}
