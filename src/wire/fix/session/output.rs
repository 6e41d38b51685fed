//! What a session tells its owner to do, in order.

use crate::model::Nanos;
use crate::wire::fix::message::Message;
use crate::wire::fix::reject::{BusinessReject, Refusal};

/// One thing to do. What consumes an outbound number is only *said* here: the owner numbers it,
/// so that numbers are a fold over what the owner sent.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// Both numbers begin again at 1; what was sent before is forgotten.
    Reset,
    /// Number it, put it on record, send it.
    Say(Admin<'a>),
    /// Send again what is on record from the first number to the second, both included.
    Resend(u64, u64),
    /// The client's application message in its turn.
    Deliver(&'a Message<'a>, Origin),
    /// The next number from the peer is this; put it on record after what came before.
    Expect(u64),
    /// The session is up.
    Up,
    /// The session is over: close the line when what was said is sent.
    Close(Ending),
}

/// What is known of where an application message comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Its number.
    pub seq: u64,
    /// It may have come before under this number (43).
    pub possible_duplicate: bool,
    /// It may have come before under another number (97).
    pub possible_resend: bool,
    /// When the peer says it sent it.
    pub sending_time: Nanos,
}

/// A session message to be sent, without its number.
#[derive(Clone, Copy, Debug)]
pub enum Admin<'a> {
    /// Opens the session, or answers the peer who did.
    Logon(Logon),
    /// Shows life; echoes a test request.
    Heartbeat(&'a [u8]),
    /// Asks for a sign of life.
    TestRequest,
    /// Asks for everything from a number on.
    ResendRequest(u64),
    /// Refuses a message of the peer.
    Reject(Reject<'a>),
    /// Refuses an application message of the peer.
    BusinessReject(&'a Message<'a>, u64, BusinessReject),
    /// Ends the session.
    Logout(Ending),
}

/// What a logon says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logon {
    /// Heartbeat interval in seconds.
    pub heartbeat: u64,
    /// Whether both sides begin again at 1.
    pub reset: bool,
    /// The next number expected from the peer, where both sides say it.
    pub next_expected: Option<u64>,
}

/// A refusal, and of which message.
#[derive(Clone, Copy, Debug)]
pub struct Reject<'a> {
    /// The message.
    pub message: &'a Message<'a>,
    /// Its number.
    pub seq: u64,
    /// Why, and for which tag.
    pub refusal: Refusal,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The peer logged out.
    LoggedOut,
    /// The owner asked for it.
    Asked,
    /// The hours of the session are over.
    Hours,
    /// The first message was not a good logon: the line is dropped without an answer.
    NoLogon,
    /// The credentials are wrong: the line is dropped without an answer.
    Credentials,
    /// A number was lower than expected, and not marked as a repeat.
    TooLow {
        /// What was expected.
        expected: u64,
        /// What came.
        received: u64,
    },
    /// A message without a number.
    NoNumber,
    /// The peer expects a number that was never sent.
    ExpectsTooMuch,
    /// Another BeginString than the session's.
    BeginString,
    /// Another CompID than the session's.
    CompId,
    /// The peer's clock is too far from ours.
    SendingTime,
    /// The peer fell silent.
    Silent,
    /// The peer did not answer a logon or a logout in time.
    NoAnswer,
    /// The line broke.
    Line,
    /// The peer does not read.
    Unread,
    /// What must be on record could not be put there.
    Record,
}

impl Ending {
    /// What a logout says of it, the numbers aside.
    pub const fn text(self) -> &'static str {
        match self {
            Ending::LoggedOut | Ending::Asked => "",
            Ending::Hours => "The session's hours are over",
            Ending::NoLogon => "The first message was not a good logon",
            Ending::Credentials => "Username or password is wrong",
            Ending::TooLow { .. } => "MsgSeqNum too low",
            Ending::NoNumber => "MsgSeqNum is missing",
            Ending::ExpectsTooMuch => "NextExpectedMsgSeqNum is higher than any number sent",
            Ending::BeginString => "Incorrect BeginString",
            Ending::CompId => "CompID problem",
            Ending::SendingTime => "SendingTime accuracy problem",
            Ending::Silent => "Nothing was heard in time",
            Ending::NoAnswer => "No answer came in time",
            Ending::Line => "The line broke",
            Ending::Unread => "Too much was left unread",
            Ending::Record => "Messages cannot be put on record",
        }
    }
}
