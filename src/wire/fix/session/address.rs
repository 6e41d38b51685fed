//! Who a first message is from and for: how a line finds its session.

use crate::wire::fix::dictionary::Version;
use crate::wire::fix::frame::{Framing, frame};
use crate::wire::fix::message::{Indexer, Message};
use crate::wire::fix::session::Identity;
use crate::wire::fix::tag;

/// Who a message says it is from and for, and in which version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// BeginString (8).
    pub begin_string: Vec<u8>,
    /// SenderCompID (49).
    pub sender: Vec<u8>,
    /// TargetCompID (56).
    pub target: Vec<u8>,
    /// Username (553).
    pub username: Vec<u8>,
    /// Password (554), or where that is not said RawData (96).
    pub password: Vec<u8>,
}

impl Address {
    /// Of a message.
    fn of(message: &Message<'_>) -> Self {
        let get = |tag| message.get(tag).unwrap_or(&[]).to_vec();
        Self {
            begin_string: message.begin_string().to_vec(),
            sender: get(tag::SENDER_COMP_ID),
            target: get(tag::TARGET_COMP_ID),
            username: get(tag::USERNAME),
            password: match get(tag::PASSWORD) {
                // The oldest version has no other place for it.
                none if none.is_empty() => get(tag::RAW_DATA),
                password => password,
            },
        }
    }

    /// Whether it is for the session of this identity.
    pub fn is_for(&self, identity: &Identity) -> bool {
        self.begin_string == identity.version.begin_string().as_bytes()
            && self.sender == identity.target.as_bytes()
            && self.target == identity.sender.as_bytes()
    }
}

/// What the first bytes on a line tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Introduction {
    /// Not enough yet.
    Partial,
    /// Nothing good: drop the line without a word.
    Unwanted,
    /// A message that says whom it is from and for.
    From(Address),
}

/// Reads the first message on a line; it stays where it is, for its session to judge.
pub fn introduction(bytes: &[u8]) -> Introduction {
    let framed = match frame(bytes) {
        Framing::Partial => return Introduction::Partial,
        Framing::Garbled(_) => return Introduction::Unwanted,
        Framing::Whole(framed) => framed,
    };
    // The header's fields are the same in every version.
    let dictionary = Version::Fix44.dictionary();
    match Indexer::new().read(bytes, &framed, dictionary) {
        Ok(message) => Introduction::From(Address::of(&message)),
        Err(_) => Introduction::Unwanted,
    }
}
