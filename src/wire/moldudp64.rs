//! MoldUDP64: a numbered stream of messages to a group, and requests for what was missed.
//!
//! A packet has the shape of [`Packet`]: `Session[10] | SequenceNumber u64 | MessageCount u16 |
//! blocks`. Messages are numbered, packets are not; whoever joins late or loses some asks again.

use crate::model::Nanos;
use crate::wire::DecodeError;
use crate::wire::session::{Packet, Token};

/// Bytes of a request: the header of a packet without blocks.
pub const REQUEST_LENGTH: usize = 20;

/// Asks for messages again; the answer is an ordinary packet, unicast, perhaps with fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The stream.
    pub session: Token,
    /// The first message wanted.
    pub sequence_number: u64,
    /// How many are wanted.
    pub requested_message_count: u16,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// [`DecodeError::MessageLength`] for anything but twenty bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let bytes: &[u8; REQUEST_LENGTH] =
            bytes.try_into().map_err(|_| DecodeError::MessageLength)?;
        let [session @ .., _, _, _, _, _, _, _, _, _, _] = *bytes;
        let [_, _, _, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h, i, j] = *bytes;
        Ok(Self {
            session,
            sequence_number: u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            requested_message_count: u16::from_be_bytes([i, j]),
        })
    }

    /// As bytes.
    pub fn bytes(&self) -> [u8; REQUEST_LENGTH] {
        let mut bytes = [0; REQUEST_LENGTH];
        bytes[..10].copy_from_slice(&self.session);
        bytes[10..18].copy_from_slice(&self.sequence_number.to_be_bytes());
        bytes[18..].copy_from_slice(&self.requested_message_count.to_be_bytes());
        bytes
    }
}

/// How long an answer to a request may take before it is asked again.
const PATIENCE: Nanos = Nanos(20_000_000);

/// Messages asked for at once: what one packet of short messages holds.
const ASK_MAX: u64 = 64;

/// The receiving side: each message once and in order, whatever packets do on the way.
///
/// Packets ahead of a gap are not kept: the request asks for all from the gap on.
#[derive(Clone, Debug)]
pub struct Receiver {
    session: Option<Token>,
    expected: u64,
    /// The first number beyond what is known to be missing.
    known: u64,
    asked_at: Option<Nanos>,
    has_ended: bool,
    /// Messages that came more than once.
    pub duplicates: u64,
    /// Packets that came ahead of a gap.
    pub ahead: u64,
    /// Requests made.
    pub requests: u64,
}

impl Receiver {
    /// Expects message `first` of `session`, or of the first session heard.
    pub fn new(session: Option<Token>, first: u64) -> Self {
        Self {
            session,
            expected: first.max(1),
            known: first.max(1),
            asked_at: None,
            has_ended: false,
            duplicates: 0,
            ahead: 0,
            requests: 0,
        }
    }

    /// The message expected next.
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// Messages known to be missing.
    pub fn missing(&self) -> u64 {
        self.known.saturating_sub(self.expected)
    }

    /// Whether the session has ended and nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.has_ended && self.missing() == 0
    }

    /// Takes a packet and shows each message that is next, with its number. A session that has
    /// ended, and of which nothing is missing, gives way to the next.
    pub fn receive(&mut self, packet: &Packet<'_>, each: &mut dyn FnMut(u64, &[u8])) {
        match self.session {
            Some(session) if session == packet.session() => {}
            Some(_) if !self.is_complete() || packet.is_end() => return,
            // Who begins has no use for a session that is over.
            None if packet.is_end() => return,
            Some(_) => {
                self.session = Some(packet.session());
                (self.expected, self.known, self.asked_at) = (1, 1, None);
                self.has_ended = false;
            }
            None => self.session = Some(packet.session()),
        }
        let mut number = packet.seq();
        let after = number.saturating_add(u64::from(packet.block_count()));
        self.known = self.known.max(after);
        self.has_ended |= packet.is_end();
        if number > self.expected && packet.block_count() > 0 {
            self.ahead += 1;
            return;
        }
        for block in packet.blocks() {
            if number == self.expected {
                self.expected += 1;
                // Progress: what is still missing may be asked for at once.
                self.asked_at = None;
                each(number, block);
            } else if number < self.expected {
                self.duplicates += 1;
            }
            number = number.saturating_add(1);
        }
    }

    /// The request to send now, if something is missing and was not asked for just before.
    pub fn request(&mut self, now: Nanos) -> Option<Request> {
        let session = self.session?;
        let is_waiting = self.asked_at.is_some_and(|asked| now.saturating_sub(asked) < PATIENCE);
        if self.missing() == 0 || is_waiting {
            return None;
        }
        self.asked_at = Some(now);
        self.requests += 1;
        let count = self.missing().min(ASK_MAX) as u16;
        Some(Request { session, sequence_number: self.expected, requested_message_count: count })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::session::PacketWriter;

    const SESSION: Token = *b"TEST000001";

    fn packet(bytes: &mut [u8], from: u64, count: u64) -> usize {
        let mut writer = PacketWriter::new(bytes, SESSION, from).unwrap();
        for number in from..from + count {
            assert!(writer.push(&number.to_be_bytes()));
        }
        writer.finish()
    }

    proptest! {
        #[test]
        fn a_request_is_written_back(bytes in any::<[u8; REQUEST_LENGTH]>()) {
            prop_assert_eq!(Request::parse(&bytes).unwrap().bytes(), bytes);
        }

        #[test]
        fn other_lengths_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(Request::parse(&bytes).is_ok(), bytes.len() == REQUEST_LENGTH);
        }

        /// Whatever is lost, repeated or late: each message once, in order, complete in the end.
        #[test]
        fn every_message_once_and_in_order(
            sizes in prop::collection::vec(0u64..5, 1..60),
            fates in prop::collection::vec(0u8..4, 400),
        ) {
            let total: u64 = 1 + sizes.iter().sum::<u64>();
            let mut fates = fates.into_iter().cycle();
            let mut receiver = Receiver::new(None, 1);
            let mut got = Vec::new();
            let mut bytes = [0; 1400];
            let mut late: Option<(u64, u64)> = None;
            let mut from = 1;
            let mut now = Nanos(0);
            for size in sizes {
                let mut deliver = |range: (u64, u64), receiver: &mut Receiver| {
                    let length = packet(&mut bytes, range.0, range.1);
                    let packet = Packet::parse(&bytes[..length], 64).unwrap();
                    receiver.receive(&packet, &mut |number, block| {
                        got.push((number, u64::from_be_bytes(block.try_into().unwrap())));
                    });
                };
                match fates.next() {
                    Some(0) => {}
                    Some(1) => late = Some((from, size)),
                    Some(2) => { for _ in 0..2 { deliver((from, size), &mut receiver); } }
                    _ => deliver((from, size), &mut receiver),
                }
                if let Some(range) = late.take_if(|_| fates.next() == Some(3)) {
                    deliver(range, &mut receiver);
                }
                from += size;
            }
            let mut answers = 0;
            while receiver.expected() < total {
                // A heartbeat tells of the tail, requests fetch what is missing.
                let length = packet(&mut bytes, total, 0);
                receiver.receive(&Packet::parse(&bytes[..length], 64).unwrap(), &mut |_, _| {});
                now = Nanos(now.0 + PATIENCE.0);
                let request = receiver.request(now).expect("something is missing");
                let count = u64::from(request.requested_message_count);
                let length = packet(&mut bytes, request.sequence_number, count);
                let answer = Packet::parse(&bytes[..length], 64).unwrap();
                receiver.receive(&answer, &mut |number, block| {
                    got.push((number, u64::from_be_bytes(block.try_into().unwrap())));
                });
                answers += 1;
                prop_assert!(answers < 1_000);
            }
            let want: Vec<_> = (1..total).map(|number| (number, number)).collect();
            prop_assert_eq!(got, want);
        }
    }
}
