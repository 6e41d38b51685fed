//! SoupBinTCP: a numbered stream of messages over TCP, for snapshots and for the whole day again.
//!
//! A packet is `Length u16 | Type u8 | payload`; the length counts the type. TCP splits and joins
//! packets as it likes. Session names and numbers are padded on the left, users on the right.

use crate::wire::DecodeError;
use crate::wire::session::Token;

/// Bytes before a payload.
pub const HEADER: usize = 3;
/// The longest payload we send or take.
pub const PAYLOAD_MAX: usize = 1024;
/// Bytes of the longest packet.
pub const PACKET_MAX: usize = HEADER + PAYLOAD_MAX;

const NUMBER: usize = 20;
const ACCEPTED: usize = 30;
const LOGIN: usize = 46;

/// What one packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Text for people.
    Debug(&'a [u8]),
    /// The server lets us in; `next` is the number of the next sequenced message.
    Accepted {
        /// The stream.
        session: Token,
        /// The number of the next message.
        next: u64,
    },
    /// The server does not: `A` for who we are, `S` for the session we asked for.
    Rejected(u8),
    /// The next message of the stream.
    Sequenced(&'a [u8]),
    /// A message outside the stream.
    Unsequenced(&'a [u8]),
    /// Nothing to say.
    ServerHeartbeat,
    /// The stream is over.
    EndOfSession,
    /// Who we are and where to begin.
    Login(Login),
    /// Nothing to say.
    ClientHeartbeat,
    /// The client goes.
    Logout,
}

/// Who a client is, and where it wants to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login {
    /// Padded with spaces on the right.
    pub username: [u8; 6],
    /// Padded with spaces on the right.
    pub password: [u8; 10],
    /// The stream wanted; spaces: the one there is.
    pub session: Token,
    /// The first message wanted; 0: only what is new.
    pub next: u64,
}

impl Login {
    /// A login that names no session.
    pub fn new(username: &str, password: &str, next: u64) -> Self {
        Self { username: padded(username), password: padded(password), session: [b' '; 10], next }
    }
}

/// Text padded with spaces on the right, cut where it is too long.
pub fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [b' '; N];
    bytes.iter_mut().zip(text.bytes()).for_each(|(place, byte)| *place = byte);
    bytes
}

/// A number as twenty digits, padded with spaces on the left.
pub fn digits(number: u64) -> [u8; NUMBER] {
    let mut bytes = [b' '; NUMBER];
    let mut rest = number;
    for place in bytes.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    bytes
}

/// The number that padded digits say; `None` for anything else.
pub fn number(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

impl<'a> Packet<'a> {
    /// Reads the packet at the front of what has arrived: it and its bytes, or `None` where more
    /// must come first.
    ///
    /// # Errors
    /// The cause; nothing after it on the line can be read.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        if length == 0 {
            return Err(DecodeError::MessageEmpty);
        }
        if length > 1 + PAYLOAD_MAX {
            return Err(DecodeError::BlockTooLong);
        }
        let Some((kind, payload)) = rest.get(..length).and_then(<[u8]>::split_first) else {
            return Ok(None);
        };
        Ok(Some((Self::of(*kind, payload)?, 2 + length)))
    }

    fn of(kind: u8, payload: &'a [u8]) -> Result<Self, DecodeError> {
        let empty = |packet| match payload {
            [] => Ok(packet),
            _ => Err(DecodeError::ControlLength),
        };
        match kind {
            b'+' => Ok(Self::Debug(payload)),
            b'S' => Ok(Self::Sequenced(payload)),
            b'U' => Ok(Self::Unsequenced(payload)),
            b'H' => empty(Self::ServerHeartbeat),
            b'Z' => empty(Self::EndOfSession),
            b'R' => empty(Self::ClientHeartbeat),
            b'O' => empty(Self::Logout),
            b'J' => match payload {
                [code] => Ok(Self::Rejected(*code)),
                _ => Err(DecodeError::ControlLength),
            },
            b'A' => {
                let payload: &[u8; ACCEPTED] =
                    payload.try_into().map_err(|_| DecodeError::ControlLength)?;
                let [session @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
                    *payload;
                let next = number(&payload[10..]).ok_or(DecodeError::ControlLength)?;
                Ok(Self::Accepted { session, next })
            }
            b'L' => Self::login(payload),
            _ => Err(DecodeError::ControlUnknown),
        }
    }

    /// Version 4 appends a time-out, which is not for us to keep.
    fn login(payload: &[u8]) -> Result<Self, DecodeError> {
        if payload.len() != LOGIN && payload.len() != LOGIN + 5 {
            return Err(DecodeError::ControlLength);
        }
        let mut login = Login::new("", "", 0);
        login.username.copy_from_slice(&payload[..6]);
        login.password.copy_from_slice(&payload[6..16]);
        login.session.copy_from_slice(&payload[16..26]);
        login.next = number(&payload[26..LOGIN]).ok_or(DecodeError::ControlLength)?;
        Ok(Self::Login(login))
    }

    /// Appends the packet; a payload longer than [`PAYLOAD_MAX`] is cut.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut put = |kind: u8, parts: &[&[u8]]| {
            let length: usize = parts.iter().map(|part| part.len()).sum();
            let length = length.min(PAYLOAD_MAX);
            out.extend_from_slice(&(1 + length as u16).to_be_bytes());
            out.push(kind);
            out.extend(parts.iter().copied().flatten().take(length));
        };
        match self {
            Self::Debug(text) => put(b'+', &[text]),
            Self::Accepted { session, next } => put(b'A', &[session, &digits(*next)]),
            Self::Rejected(code) => put(b'J', &[&[*code]]),
            Self::Sequenced(message) => put(b'S', &[message]),
            Self::Unsequenced(message) => put(b'U', &[message]),
            Self::ServerHeartbeat => put(b'H', &[]),
            Self::EndOfSession => put(b'Z', &[]),
            Self::Login(login) => {
                let Login { username, password, session, next } = login;
                put(b'L', &[username, password, session, &digits(*next)]);
            }
            Self::ClientHeartbeat => put(b'R', &[]),
            Self::Logout => put(b'O', &[]),
        }
    }
}

/// The type of the message that ends a snapshot (GLIMPSE).
pub const SNAPSHOT_END: u8 = b'G';

/// The message that ends a snapshot: it names the first message of the live stream to apply.
pub fn snapshot_end(next: u64) -> [u8; 1 + NUMBER] {
    let mut bytes = [SNAPSHOT_END; 1 + NUMBER];
    bytes[1..].copy_from_slice(&digits(next));
    bytes
}

/// What the end of a snapshot names; `None` where a message is not one.
pub fn snapshot_ends(message: &[u8]) -> Option<u64> {
    let (kind, rest) = message.split_first()?;
    (*kind == SNAPSHOT_END && rest.len() == NUMBER).then(|| number(rest)).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(packet: &Packet<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        packet.write(&mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn never_panics_and_what_decodes_is_written_back(
            kind in prop::sample::select(b"+AJSUHZLRO?".to_vec()),
            payload in prop::collection::vec(
                prop_oneof![Just(b' '), b'0'..=b'9', any::<u8>()], 0..60),
            cut in 0usize..8,
        ) {
            let mut bytes = (1 + payload.len() as u16).to_be_bytes().to_vec();
            bytes.push(kind);
            bytes.extend(payload);
            let short = &bytes[..bytes.len().saturating_sub(cut)];
            if let Ok(Some((packet, length))) = Packet::parse(short) {
                prop_assert_eq!(length, bytes.len());
                // Numbers come back without the zeros somebody may have put before them.
                let again = written(&packet);
                prop_assert_eq!(Packet::parse(&again).unwrap().unwrap().0, packet);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Packet::parse(&bytes);
            let _ = snapshot_ends(&bytes);
        }

        #[test]
        fn numbers_keep_their_value(value in any::<u64>()) {
            prop_assert_eq!(number(&digits(value)), Some(value));
            prop_assert_eq!(snapshot_ends(&snapshot_end(value)), Some(value));
        }

        #[test]
        fn packets_are_found_however_tcp_cuts(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..9),
            cut in 1usize..9,
        ) {
            let stream: Vec<u8> =
                messages.iter().flat_map(|m| written(&Packet::Sequenced(m))).collect();
            let (mut arrived, mut got) = (Vec::new(), Vec::new());
            for piece in stream.chunks(cut) {
                arrived.extend_from_slice(piece);
                while let Some((packet, length)) = Packet::parse(&arrived).unwrap() {
                    let Packet::Sequenced(message) = packet else { panic!("{packet:?}") };
                    got.push(message.to_vec());
                    arrived.drain(..length);
                }
            }
            prop_assert_eq!(got, messages);
        }
    }

    #[test]
    fn the_login_is_47_bytes_behind_its_length() {
        let login = Login::new("me", "secret", 1);
        let bytes = written(&Packet::Login(login));
        assert_eq!(bytes.len(), 2 + 47);
        assert_eq!(&bytes[..11], b"\0\x2fLme    se");
        assert_eq!(Packet::parse(&bytes), Ok(Some((Packet::Login(login), 49))));
    }

    #[test]
    fn broken_packets_are_refused() {
        assert_eq!(Packet::parse(&[0, 0, b'S']), Err(DecodeError::MessageEmpty));
        assert_eq!(Packet::parse(&[255, 255, b'S']), Err(DecodeError::BlockTooLong));
        assert_eq!(Packet::parse(b"\0\x01?"), Err(DecodeError::ControlUnknown));
        assert_eq!(Packet::parse(b"\0\x02Hx"), Err(DecodeError::ControlLength));
    }
}
