//! Session-level messages: ordinary blocks whose first byte is 0x80 or above.
//!
//! They take no number and stand last in their packet, or alone; [`NotApplied`] is the exception:
//! it is part of the numbered flow to the client.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::wire::DecodeError;
use crate::wire::session::packet::Token;

/// `next_rx` of a client that does not care for what it missed.
pub const FROM_NOW: u64 = 0;

/// The version of the session layer that a login names.
pub const VERSION: u16 = 1;
/// Bytes of a login's authentication code: HMAC-SHA256, its left half.
const CODE_LENGTH: usize = 16;
/// The first byte of session-level messages; application messages stay below.
const FIRST: u8 = 0x80;

layout! {
    /// A client asks to be connected.
    Login = 0x81 {
        /// Which session layer is spoken: 1.
        version: u16,
        /// The port it is for: which client this is.
        port: u16,
        /// Larger than any before it; a clock does.
        nonce: u64,
        /// The number of the client's next new message.
        next_tx: u64,
        /// The number the client expects next; 0 ([`FROM_NOW`]) for one that keeps no log.
        next_rx: u64,
        /// Authenticates the fields before it.
        code: [u8; CODE_LENGTH],
    }
    /// The client is connected.
    LoginAck = 0x82 {
        /// What packets of this connection carry from now on, both ways.
        session: Token,
        /// The login's own.
        nonce: u64,
        /// The number of the server's next message to this client.
        next_tx: u64,
        /// The number the server expects next: all before it are settled.
        next_rx: u64,
        /// 1 where the client's orders die with the connection.
        cancel_on_disconnect: u8,
        /// How often either side is heard at least; three times this is silence.
        heartbeat_ms: u16,
        /// Messages the client may have unacknowledged.
        window: u16,
    }
    /// The client is not connected.
    LoginReject = 0x83 {
        /// The login's own.
        nonce: u64,
        /// Why: see below.
        code: u8,
    }
    /// All numbers below are settled: executed or declared not applied, and on record.
    Ack = 0x84 {
        next_expected: u64,
    }
    /// The client's messages from `from` on will never be executed.
    NotApplied = 0x85 {
        from: u64,
        count: u32,
        /// 0 where they were lost on the way, else why they were refused.
        reason: u8,
    }
    /// The client lacks messages; they are sent again with the same numbers.
    RetransmitRequest = 0x86 {
        from: u64,
        count: u16,
    }
    /// The client leaves; the answer is an end of session.
    Logout = 0x87 {
    }
    /// Under which primary the client is connected; stands before LoginAck in its packet, where
    /// there are two machines. A client that knows of a later one does not take the connection.
    Epoch = 0x88 {
        /// Grows with each machine that takes over.
        epoch: u32,
    }
}

/// Whether a block is a session-level message.
#[inline]
pub fn is_control(block: &[u8]) -> bool {
    block.first().is_some_and(|&kind| kind >= FIRST)
}

/// Declares the enum of session-level messages.
macro_rules! controls {
    ($($message:ident)+) => {
        /// A session-level message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "a message is described at its own type")]
        pub enum Control { $($message($message),)+ }

        impl Control {
            /// Bytes of the longest one.
            pub const LENGTH_MAX: usize = {
                let mut longest = 0;
                $(if $message::LENGTH > longest {
                    longest = $message::LENGTH;
                })+
                longest
            };

            /// Every one as a reference shows it.
            pub const DESCRIBED: &'static [$crate::wire::Described] =
                &[$($message::DESCRIBED,)+];

            /// Reads a block that is a session-level message.
            ///
            /// # Errors
            /// [`DecodeError::ControlUnknown`], [`DecodeError::ControlLength`].
            #[inline]
            pub fn decode(block: &[u8]) -> Result<Self, DecodeError> {
                match block.first() {
                    $(Some(&$message::TYPE) => {
                        let bytes = block.try_into().map_err(|_| DecodeError::ControlLength)?;
                        Ok(Self::$message($message::read(bytes)))
                    })+
                    _ => Err(DecodeError::ControlUnknown),
                }
            }
        }

        $(impl $message {
            /// As a block.
            #[inline]
            pub fn block(&self) -> [u8; Self::LENGTH] {
                let mut bytes = [0; Self::LENGTH];
                self.write(&mut bytes);
                bytes
            }
        })+
    };
}

controls! { Login LoginAck LoginReject Ack NotApplied RetransmitRequest Logout Epoch }

impl Login {
    /// With the authentication code that `key` gives it.
    #[must_use]
    pub fn signed(mut self, key: &[u8]) -> Self {
        if let Some(sum) = self.sum(key) {
            let whole = sum.finalize().into_bytes();
            self.code.copy_from_slice(&whole[..CODE_LENGTH]);
        }
        self
    }

    /// Whether `key` made its authentication code; takes the same time either way.
    pub fn is_signed_by(&self, key: &[u8]) -> bool {
        self.sum(key).is_some_and(|sum| sum.verify_truncated_left(&self.code).is_ok())
    }

    fn sum(&self, key: &[u8]) -> Option<Hmac<Sha256>> {
        let mut sum = Hmac::<Sha256>::new_from_slice(key).ok()?;
        sum.update(&self.block()[..Self::LENGTH - CODE_LENGTH]);
        Some(sum)
    }
}

/// Declares why a login is refused.
macro_rules! login_rejects {
    ($($variant:ident = $code:literal, $sentence:literal;)+) => {
        /// Why a login was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum LoginRejectCode { $(#[doc = $sentence] $variant = $code,)+ }

        impl LoginRejectCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code of a byte; `None` for a byte nobody assigned.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// What is wrong and how to mend it, in a sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

login_rejects! {
    UnknownPort = 1, "the port is not configured here; check its number";
    BadKey = 2, "the authentication code does not fit the port's key; check the key on both sides";
    ConnectedElsewhere = 3, "the port is connected from another address; log out there first";
    WrongVersion = 4, "the version of the session layer is not spoken here; update the client";
    SequenceAhead = 5, "the client knows of numbers this side never had; compare the logs";
    NonceUsed = 6, "the nonce is not larger than the last one; take it from a clock";
    RepliesAgedOut = 7, "the journal cannot be read for what the client lacks; ask the operator";
    NotOpen = 8, "the port is shut for now; ask the operator";
}

impl std::fmt::Display for LoginRejectCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for LoginRejectCode {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn login() -> Login {
        Login { version: 1, port: 7, nonce: 9, next_tx: 3, next_rx: 4, code: [0; CODE_LENGTH] }
    }

    #[test]
    fn a_login_is_held_to_every_bit_of_it() {
        let good = login().signed(b"a key").block();
        assert!(Login::read(&good).is_signed_by(b"a key"));
        assert!(!Login::read(&good).is_signed_by(b"another key"));
        for bit in 8..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!Login::read(&bad).is_signed_by(b"a key"), "bit {bit} does not count");
        }
    }

    /// RFC 4231, test case 2, its left half: the code is what other implementations compute.
    #[test]
    fn the_code_is_hmac_sha256() {
        let mut sum = Hmac::<Sha256>::new_from_slice(b"Jefe").expect("any key");
        sum.update(b"what do ya want for nothing?");
        let left = [
            0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95,
            0x75, 0xc7,
        ];
        assert!(sum.verify_truncated_left(&left).is_ok());
    }

    #[test]
    fn lengths_are_those_of_the_protocol() {
        let lengths = [Login::LENGTH, LoginAck::LENGTH, LoginReject::LENGTH, Ack::LENGTH];
        assert_eq!(lengths, [45, 40, 10, 9]);
        assert_eq!([NotApplied::LENGTH, RetransmitRequest::LENGTH, Logout::LENGTH], [14, 11, 1]);
        assert_eq!((Epoch::LENGTH, Control::LENGTH_MAX), (5, 45));
    }

    #[test]
    fn every_code_finds_itself_again() {
        for &code in LoginRejectCode::ALL {
            assert_eq!(LoginRejectCode::from_code(code as u8), Some(code));
        }
        assert_eq!(LoginRejectCode::from_code(0), None);
    }

    proptest! {
        #[test]
        fn what_decodes_is_written_back(
            kind in 0x80u8..0x8a,
            bytes in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let mut bytes = bytes;
            bytes.insert(0, kind);
            let written = match Control::decode(&bytes) {
                Ok(Control::Login(message)) => message.block().to_vec(),
                Ok(Control::LoginAck(message)) => message.block().to_vec(),
                Ok(Control::LoginReject(message)) => message.block().to_vec(),
                Ok(Control::Ack(message)) => message.block().to_vec(),
                Ok(Control::NotApplied(message)) => message.block().to_vec(),
                Ok(Control::RetransmitRequest(message)) => message.block().to_vec(),
                Ok(Control::Logout(message)) => message.block().to_vec(),
                Ok(Control::Epoch(message)) => message.block().to_vec(),
                Err(cause) => {
                    let is_known = (0x81..0x89).contains(&kind);
                    let length = DecodeError::ControlLength;
                    prop_assert_eq!(cause == length, is_known);
                    return Ok(());
                }
            };
            prop_assert_eq!(written, bytes);
        }
    }
}
