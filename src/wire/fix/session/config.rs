//! What a session is told at construction.

use crate::model::Nanos;
use crate::wire::fix::dictionary::{Dictionary, Version};
use crate::wire::fix::session::credentials::Credentials;
use crate::wire::fix::session::schedule::Schedule;
use crate::wire::fix::value::Precision;

/// Who opens the line and logs on first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The peer does.
    Acceptor,
    /// We do.
    Initiator,
}

/// Who talks to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The version spoken.
    pub version: Version,
    /// Our CompID.
    pub sender: String,
    /// The peer's CompID.
    pub target: String,
}

/// A session's settings.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Who opens the line.
    pub role: Role,
    /// Who talks to whom.
    pub identity: Identity,
    /// The version's dictionary, or one with the counterparty's changes.
    pub dictionary: Dictionary,
    /// The heartbeat interval an initiator proposes; an acceptor takes the peer's.
    pub heartbeat_s: u64,
    /// Both numbers begin at 1 with every logon.
    pub reset_on_logon: bool,
    /// Say NextExpectedMsgSeqNum (789), so that no resend request is needed after a logon.
    pub next_expected: bool,
    /// What an acceptor asks of the peer; none: nothing.
    pub credentials: Option<Credentials>,
    /// What an initiator says of itself.
    pub login: Option<(String, String)>,
    /// How far the peer's clock may be from ours.
    pub clock_tolerance: Nanos,
    /// How long a logon is waited for.
    pub logon_patience: Nanos,
    /// How long the answer to a logout is waited for.
    pub logout_patience: Nanos,
    /// When the session may be up; none: always.
    pub schedule: Option<Schedule>,
    /// What the peer missed is sent again; else it is passed over, for it may be out of date.
    pub resends: bool,
    /// How finely times are written.
    pub precision: Precision,
    /// Messages that came too early are held in so many bytes.
    pub held_bytes: usize,
}

impl SessionConfig {
    /// Settings as the standard proposes them.
    pub fn new(role: Role, identity: Identity) -> Self {
        Self {
            role,
            dictionary: *identity.version.dictionary(),
            identity,
            heartbeat_s: 30,
            reset_on_logon: false,
            next_expected: false,
            credentials: None,
            login: None,
            clock_tolerance: Nanos(120_000_000_000),
            logon_patience: Nanos(10_000_000_000),
            logout_patience: Nanos(2_000_000_000),
            schedule: None,
            resends: true,
            precision: Precision::Millis,
            held_bytes: 256 * 1024,
        }
    }
}
