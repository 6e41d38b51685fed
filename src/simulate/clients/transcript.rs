//! What passed one way on a FIX session's lines, read by the plainest reader there is: each number
//! carries one thing for ever, and a repeat says that it is one.

use std::collections::BTreeMap;

/// Fields that say how a message was sent, and not what it is.
const OF_THE_SENDING: [&[u8]; 7] = [b"8", b"9", b"10", b"34", b"43", b"52", b"122"];

/// The transcript.
#[derive(Default)]
pub(in crate::simulate) struct Transcript {
    /// Of a message that has not come whole.
    bytes: Vec<u8>,
    /// By number: a digest of what it carried, or 0 for what is not sent again.
    carried: BTreeMap<u64, u64>,
    /// Repeats of what had come before.
    pub(in crate::simulate) repeats: u64,
    /// What must never happen.
    pub(super) wrong: Option<String>,
}

/// What a reader needs of a message.
#[derive(Default)]
struct Read {
    kind: Vec<u8>,
    number: u64,
    next: u64,
    is_repeat: bool,
    digest: u64,
}

impl Transcript {
    /// The line is another one: what came half on the last is nothing.
    pub(super) fn begin(&mut self) {
        self.bytes.clear();
    }

    /// Takes what passed.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        while let Some(end) = end_of_first(&self.bytes) {
            let message: Vec<u8> = self.bytes.drain(..end).collect();
            self.note(&read(&message));
        }
    }

    /// The highest number.
    pub(super) fn last(&self) -> u64 {
        self.carried.last_key_value().map_or(0, |(number, _)| *number)
    }

    fn note(&mut self, read: &Read) {
        if read.kind == b"4" {
            return (read.number..read.next).for_each(|number| self.carry(number, 0, true));
        }
        let is_kept = !matches!(&read.kind[..], b"0" | b"1" | b"2" | b"5" | b"A");
        let digest = if is_kept { read.digest | 1 } else { 0 };
        self.carry(read.number, digest, read.is_repeat);
    }

    fn carry(&mut self, number: u64, digest: u64, is_repeat: bool) {
        let Some(before) = self.carried.insert(number, digest) else { return };
        self.repeats += 1;
        if !is_repeat {
            self.wrong = Some(format!("number {number} was used twice"));
        } else if before != digest {
            self.wrong = Some(format!("number {number} carried something else before"));
        }
    }
}

/// Where the first message ends.
fn end_of_first(bytes: &[u8]) -> Option<usize> {
    let sum = bytes.windows(4).position(|four| four == b"\x0110=")?;
    let end = bytes.get(sum + 4..)?.iter().position(|byte| *byte == 1)?;
    Some(sum + 4 + end + 1)
}

fn read(message: &[u8]) -> Read {
    let mut found = Read { digest: 0xcbf2_9ce4_8422_2325, ..Read::default() };
    for field in message.split(|byte| *byte == 1) {
        let at = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
        let (tag, value) = (&field[..at], field.get(at + 1..).unwrap_or(&[]));
        match tag {
            b"35" => found.kind = value.to_vec(),
            b"34" => found.number = number(value),
            b"36" => found.next = number(value),
            b"43" => found.is_repeat = value == b"Y",
            _ => {}
        }
        if !OF_THE_SENDING.contains(&tag) {
            for byte in field {
                found.digest = (found.digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    found
}

/// A number as text.
pub(super) fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u64, rest: &str) -> Vec<u8> {
        let text = format!("8=FIX.4.4|9=5|35=8|34={number}|{rest}|10=001|");
        text.replace('|', "\x01").into_bytes()
    }

    fn heard(messages: &[Vec<u8>]) -> Transcript {
        let mut transcript = Transcript::default();
        // In pieces, as a line brings them.
        messages.concat().chunks(7).for_each(|piece| transcript.hear(piece));
        transcript
    }

    #[test]
    fn a_number_carries_one_thing_and_a_repeat_says_so() {
        let repeat = message(2, "43=Y|52=later|122=now|17=5");
        let right = heard(&[message(1, "17=4"), message(2, "52=now|17=5"), repeat.clone()]);
        assert_eq!((right.wrong, right.repeats), (None, 1));
        let wrong = |messages: &[Vec<u8>]| heard(messages).wrong.is_some();
        assert!(wrong(&[message(2, "17=4"), repeat.clone()]), "something else");
        assert!(wrong(&[message(2, "17=5"), message(2, "17=5")]), "without a word");
        assert!(wrong(&[message(2, "17=5"), message(1, "35=4|43=Y|36=3|123=Y")]), "passed over");
        assert_eq!(heard(&[message(1, "17=4"), message(3, "17=5")]).last(), 3);
    }
}
