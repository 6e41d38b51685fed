//! Finds messages in a stream of bytes: `8=…|9=length|` … `10=sum|`.
//!
//! A message whose length is wrong ends with the first checksum field at or behind the end it
//! claims; it is garbled, and the stream goes on behind it.

use crate::wire::fix::scan::SOH;
use crate::wire::fix::value;

/// The most bytes a message may have, all in all.
pub const MESSAGE_MAX: usize = 32 * 1024;

/// `10=xxx` and its separator.
pub(super) const TRAILER: usize = 7;

/// The longest `8=` value.
const BEGIN_MAX: usize = 16;

/// What stands at the head of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A message of so many bytes; its checksum is still to be added up.
    Whole(Frame),
    /// So many bytes that are no message: to be ignored.
    Garbled(usize),
    /// Not enough bytes yet.
    Partial,
}

/// Where a message's parts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Bytes of the whole message.
    pub length: usize,
    /// Where BeginString's value ends.
    pub begin_end: usize,
    /// Where the bytes BodyLength counts begin: at MsgType, if all is well.
    pub body_at: usize,
}

impl Frame {
    /// Where the checksum field begins.
    #[inline]
    pub(super) const fn body_end(&self) -> usize {
        self.length - TRAILER
    }
}

/// Looks at the head of a stream.
#[inline]
pub fn frame(bytes: &[u8]) -> Framing {
    if bytes.len() < 2 {
        return Framing::Partial;
    }
    if !bytes.starts_with(b"8=") {
        return Framing::Garbled(next_begin(bytes));
    }
    let Some(begin_end) = separator_within(bytes, BEGIN_MAX + 2) else {
        return partial_or_garbled(bytes, BEGIN_MAX + 3);
    };
    let Some(rest) = bytes.get(begin_end + 1..) else { return Framing::Partial };
    let (body_length, digits) = match rest {
        [b'9', b'=', digits @ ..] => match number_before_separator(digits) {
            Ok(found) => found,
            Err(Framing::Partial) => return Framing::Partial,
            Err(_) => return Framing::Garbled(next_begin(bytes)),
        },
        [] | [b'9'] => return Framing::Partial,
        _ => return Framing::Garbled(next_begin(bytes)),
    };
    let body_at = begin_end + 1 + 2 + digits + 1;
    let body_end = body_at + body_length;
    let length = body_end + TRAILER;
    if length > MESSAGE_MAX {
        return Framing::Garbled(next_begin(bytes));
    }
    let Some(trailer) = bytes.get(body_end - 1..length) else { return Framing::Partial };
    match trailer {
        [SOH, b'1', b'0', b'=', _, _, _, SOH] => {
            Framing::Whole(Frame { length, begin_end, body_at })
        }
        _ => garbled_until_checksum(bytes, body_end - 1),
    }
}

/// Enough bytes seen and still no good: garbled; else more may come.
fn partial_or_garbled(bytes: &[u8], enough: usize) -> Framing {
    if bytes.len() >= enough { Framing::Garbled(next_begin(bytes)) } else { Framing::Partial }
}

#[inline]
fn separator_within(bytes: &[u8], most: usize) -> Option<usize> {
    // `8=FIX.4.4` and its like: the separator is among the second eight bytes.
    if let Some([first, second, ..]) = bytes.get(..16).map(|head| head.as_chunks::<8>().0)
        && value::first_in(u64::from_le_bytes(*first), SOH) == 8
        && let at @ 0..8 = value::first_in(u64::from_le_bytes(*second), SOH)
    {
        return Some(8 + at);
    }
    bytes.iter().take(most + 1).position(|&byte| byte == SOH)
}

/// A number of one to six digits and how many digits it has.
#[inline]
fn number_before_separator(bytes: &[u8]) -> Result<(usize, usize), Framing> {
    if let Some(word) = bytes.first_chunk().map(|eight| u64::from_le_bytes(*eight))
        && let length @ 1..=6 = value::first_in(word, SOH)
        && let Some(digits) = value::digits_in(word, length)
    {
        return Ok((value::number_of(digits) as usize, length));
    }
    let mut number = 0;
    for (digits, &byte) in bytes.iter().enumerate().take(7) {
        match byte {
            b'0'..=b'9' => number = number * 10 + usize::from(byte - b'0'),
            SOH if digits > 0 => return Ok((number, digits)),
            _ => return Err(Framing::Garbled(0)),
        }
    }
    Err(if bytes.len() < 7 { Framing::Partial } else { Framing::Garbled(0) })
}

/// How far it is to the next place where a message may begin, at least one byte.
fn next_begin(bytes: &[u8]) -> usize {
    let begins = |at: &usize| bytes.get(*at..).is_some_and(|rest| rest.starts_with(b"8=FIX"));
    let found = (1..bytes.len()).find(begins);
    found.unwrap_or_else(|| bytes.len().saturating_sub(b"8=FIX".len() - 1).max(1))
}

fn garbled_until_checksum(bytes: &[u8], from: usize) -> Framing {
    let rest = bytes.get(from..).unwrap_or(&[]);
    let found = rest.windows(4).position(|window| window == [SOH, b'1', b'0', b'=']);
    let Some(at) = found else { return partial_or_garbled(bytes, MESSAGE_MAX) };
    let value = rest.get(at + 4..).unwrap_or(&[]);
    match value.iter().position(|&byte| byte == SOH) {
        Some(end) => Framing::Garbled(from + at + 4 + end + 1),
        None => partial_or_garbled(bytes, MESSAGE_MAX),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::fix::shared::{message, raw};

    #[test]
    fn a_whole_message_is_found_and_what_is_cut_short_waits() {
        let whole = message("FIX.4.4", "35=0|49=A|56=B|34=1|52=20261122-10:00:00|");
        let Framing::Whole(found) = frame(&whole) else { panic!("{:?}", frame(&whole)) };
        assert_eq!(found.length, whole.len());
        assert_eq!(&whole[2..found.begin_end], b"FIX.4.4");
        assert!(whole[found.body_at..].starts_with(b"35=0"));
        for cut in 0..whole.len() {
            assert_eq!(frame(&whole[..cut]), Framing::Partial, "{cut}");
        }
    }

    #[test]
    fn a_wrong_length_ends_behind_the_next_checksum() {
        let short = raw("8=FIX.4.4|9=5|35=0|49=A|10=000|");
        assert_eq!(frame(&short), Framing::Garbled(short.len()));
        let mut long = raw("8=FIX.4.4|9=30|35=0|49=A|10=000|");
        assert_eq!(frame(&long), Framing::Partial);
        long.extend(message("FIX.4.4", "35=0|34=2|"));
        assert_eq!(frame(&long), Framing::Garbled(long.len()));
    }

    #[test]
    fn junk_is_skipped_up_to_the_next_begin() {
        for junk in ["35=0|", "8=FIX.4.4|35=0|", "8=FIX.4.4|9=x|", "8=FIX.4.4|9=9999999|"] {
            let mut bytes = raw(junk);
            let at = bytes.len();
            bytes.extend(message("FIX.4.4", "35=0|34=2|"));
            assert_eq!(frame(&bytes), Framing::Garbled(at), "{junk}");
        }
        assert_eq!(frame(b"xxxx8=F"), Framing::Garbled(3));
    }

    proptest! {
        #[test]
        fn any_stream_is_eaten_whole(bytes in vec(any::<u8>(), 0..300), salt in ".{0,20}") {
            let mut stream = raw("8=FIX.4.4|9=");
            stream.extend(salt.bytes());
            stream.extend(&bytes);
            stream.extend(message("FIX.4.4", "35=0|34=2|"));
            let mut rest = &stream[..];
            while let Framing::Garbled(length) | Framing::Whole(Frame { length, .. }) = frame(rest)
            {
                prop_assert!(length > 0 && length <= rest.len());
                rest = &rest[length..];
            }
        }
    }
}
