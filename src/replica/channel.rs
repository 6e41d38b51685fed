//! Messages over a stream of bytes that may be cut anywhere and come from anybody: both ends prove
//! that they have the key, and every message carries a proof that depends on its place.
//!
//! ```text
//!  greeting   "WMLINK02", 32 bytes nobody could foresee
//!  message    length (4), proof of the length (4), proof (16), body
//! ```
//!
//! The proof is BLAKE3 keyed with what the key and both greetings give, over the message's number
//! and its body: nothing of an older conversation, of another direction or out of order passes. The
//! length has a proof of its own, so that a spoiled one is not waited for.

use crate::replica::LinkError;

/// The greeting's first bytes; the last two are the version of all that follows.
const MAGIC: &[u8; 8] = b"WMLINK02";
const NONCE: usize = 32;
const GREETING: usize = MAGIC.len() + NONCE;
const LENGTH: usize = 4;
const LENGTH_PROOF: usize = 4;
const PROOF: usize = 16;
const HEADER: usize = LENGTH + LENGTH_PROOF + PROOF;

/// The longest body.
pub const BODY_MAX: usize = 256 * 1024;

/// Bytes that wait to be sent, above which whoever may wait does.
pub const OUTBOUND_MAX: usize = 4 * BODY_MAX;

/// One end of a conversation, without the stream itself.
pub struct Channel {
    secret: [u8; 32],
    nonce: [u8; NONCE],
    opens: bool,
    keys: Option<Keys>,
    inbound: Vec<u8>,
    /// Bytes of `inbound` that were taken.
    taken: usize,
    outbound: Vec<u8>,
    /// Messages sent before the other end's greeting came.
    early: Vec<Vec<u8>>,
}

struct Keys {
    inward: [u8; 32],
    outward: [u8; 32],
    received: u64,
    sent: u64,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (inbound, outbound) = (self.inbound.len() - self.taken, self.outbound.len());
        write!(f, "Channel({inbound} bytes in, {outbound} bytes out)")
    }
}

impl Channel {
    /// The end that `opens` the conversation or the other one; `nonce` must never be used again.
    pub fn new(key: &[u8], opens: bool, nonce: [u8; NONCE]) -> Self {
        Self {
            secret: blake3::derive_key("wirematch 2026 the key of a link", key),
            nonce,
            opens,
            keys: None,
            inbound: Vec::new(),
            taken: 0,
            outbound: [&MAGIC[..], &nonce].concat(),
            early: Vec::new(),
        }
    }

    /// Whether the other end greeted us and has proved nothing: it may have found us wanting.
    pub fn is_doubted(&self) -> bool {
        self.keys.as_ref().is_some_and(|keys| keys.received == 0)
    }

    /// Whether the other end has proved itself: it did with its first message.
    pub fn is_proved(&self) -> bool {
        self.keys.as_ref().is_some_and(|keys| keys.received > 0)
    }

    /// Takes bytes that came.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.taken > 0 && self.taken >= self.inbound.len() / 2 {
            self.inbound.drain(..self.taken);
            self.taken = 0;
        }
        self.inbound.extend_from_slice(bytes);
    }

    /// Takes the next whole message into `body`; `false` where there is none yet.
    ///
    /// # Errors
    /// A conversation that cannot go on.
    pub fn take(&mut self, body: &mut Vec<u8>) -> Result<bool, LinkError> {
        if self.keys.is_none() && !self.greet()? {
            return Ok(false);
        }
        let Some(keys) = &mut self.keys else { return Ok(false) };
        let waiting = self.inbound.get(self.taken..).unwrap_or(&[]);
        let Some((header, rest)) = waiting.split_first_chunk::<HEADER>() else { return Ok(false) };
        let (begin, proof) = header.split_at(LENGTH + LENGTH_PROOF);
        let (prefix, its_proof) = begin.split_at(LENGTH);
        let length = prefix.try_into().map_or(0, u32::from_le_bytes) as usize;
        // Before it is waited for: bytes that never come would be silence, and not a fault.
        let expected = prove_length(&keys.inward, keys.received, prefix);
        if length > BODY_MAX || !is_proof(&expected, its_proof) {
            return Err(LinkError::NotProved);
        }
        let Some(bytes) = rest.get(..length) else { return Ok(false) };
        if !is_proof(&prove(&keys.inward, keys.received, bytes), proof) {
            return Err(LinkError::NotProved);
        }
        keys.received += 1;
        body.clear();
        body.extend_from_slice(bytes);
        self.taken += HEADER + length;
        Ok(true)
    }

    /// Puts a message behind those that wait to be sent.
    pub fn send(&mut self, body: &[u8]) {
        debug_assert!(body.len() <= BODY_MAX, "nobody could take it");
        let Some(keys) = &mut self.keys else { return self.early.push(body.to_vec()) };
        let length = (body.len() as u32).to_le_bytes();
        let of_length = prove_length(&keys.outward, keys.sent, &length);
        let proof = prove(&keys.outward, keys.sent, body);
        keys.sent += 1;
        self.outbound.extend_from_slice(&length);
        self.outbound.extend_from_slice(&of_length.as_bytes()[..LENGTH_PROOF]);
        self.outbound.extend_from_slice(&proof.as_bytes()[..PROOF]);
        self.outbound.extend_from_slice(body);
    }

    /// Bytes that wait to be sent.
    pub fn outbound(&self) -> &[u8] {
        &self.outbound
    }

    /// So many of them were sent.
    pub fn sent(&mut self, count: usize) {
        self.outbound.drain(..count.min(self.outbound.len()));
    }

    /// Whether so much waits to be sent that whoever may wait should.
    pub fn is_full(&self) -> bool {
        self.outbound.len() >= OUTBOUND_MAX
    }

    /// Takes the other end's greeting, once it is whole.
    fn greet(&mut self) -> Result<bool, LinkError> {
        let known = self.inbound.len().min(MAGIC.len());
        if self.inbound[..known] != MAGIC[..known] {
            return Err(LinkError::NotALink);
        }
        let Some((greeting, _)) = self.inbound.split_first_chunk::<GREETING>() else {
            return Ok(false);
        };
        let theirs = &greeting[MAGIC.len()..];
        if theirs == self.nonce {
            // Our own greeting, sent back to us.
            return Err(LinkError::NotProved);
        }
        let (first, second) =
            if self.opens { (&self.nonce[..], theirs) } else { (theirs, &self.nonce[..]) };
        let key = |way: u8| {
            let material = [&self.secret[..], first, second, &[way]].concat();
            blake3::derive_key("wirematch 2026 one way of one conversation", &material)
        };
        let (there, back) = (key(1), key(2));
        let (outward, inward) = if self.opens { (there, back) } else { (back, there) };
        self.keys = Some(Keys { inward, outward, received: 0, sent: 0 });
        self.taken = GREETING;
        for body in std::mem::take(&mut self.early) {
            self.send(&body);
        }
        Ok(true)
    }
}

/// Whether `claimed` is the beginning of what was expected. Compared in constant time:
/// `blake3::Hash` does that, of whole hashes.
fn is_proof(expected: &blake3::Hash, claimed: &[u8]) -> bool {
    let mut whole = *expected.as_bytes();
    whole[..claimed.len()].copy_from_slice(claimed);
    *expected == blake3::Hash::from_bytes(whole)
}

/// Of a length; numbers from the other end, so that no body has the same.
fn prove_length(key: &[u8; 32], number: u64, length: &[u8]) -> blake3::Hash {
    prove(key, !number, length)
}

fn prove(key: &[u8; 32], number: u64, body: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&number.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn both(keys: [&[u8]; 2]) -> [Channel; 2] {
        [Channel::new(keys[0], true, [1; NONCE]), Channel::new(keys[1], false, [2; NONCE])]
    }

    /// Carries bytes from one to the other in pieces of a length.
    fn carry(from: &mut Channel, to: &mut Channel, piece: usize) {
        for part in from.outbound().to_vec().chunks(piece.max(1)) {
            to.receive(part);
            from.sent(part.len());
        }
    }

    fn all(channel: &mut Channel) -> Result<Vec<Vec<u8>>, LinkError> {
        let (mut bodies, mut body) = (Vec::new(), Vec::new());
        while channel.take(&mut body)? {
            bodies.push(body.clone());
        }
        Ok(bodies)
    }

    proptest! {
        #[test]
        fn what_is_sent_comes_whole_and_in_order(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
            piece in 1usize..100,
        ) {
            let [mut left, mut right] = both([b"key", b"key"]);
            bodies.iter().for_each(|body| left.send(body));
            carry(&mut right, &mut left, piece);
            prop_assert_eq!(all(&mut left)?, Vec::<Vec<u8>>::new());
            carry(&mut left, &mut right, piece);
            prop_assert_eq!(all(&mut right)?, bodies);
        }

        #[test]
        fn a_changed_bit_ends_the_conversation(at: prop::sample::Index, bit in 0u8..8) {
            let [mut left, mut right] = both([b"key", b"key"]);
            left.send(b"a message");
            carry(&mut right, &mut left, 100);
            prop_assert_eq!(all(&mut left)?, Vec::<Vec<u8>>::new());
            let mut bytes = left.outbound().to_vec();
            *at.get_mut(&mut bytes) ^= 1 << bit;
            right.receive(&bytes);
            // It is found, and not waited for, whatever bit it was: of the length too.
            let got = all(&mut right);
            prop_assert!(got.is_err(), "{:?}", got);
        }

        #[test]
        fn any_bytes_are_taken_without_a_panic(bytes: Vec<u8>, greets: bool) {
            let [_, mut right] = both([b"key", b"key"]);
            if greets {
                right.receive(MAGIC);
                right.receive(&[9; NONCE]);
            }
            right.receive(&bytes);
            let got = all(&mut right);
            prop_assert!(got.is_err() || got == Ok(vec![]));
        }
    }

    #[test]
    fn another_key_and_ones_own_echo_are_refused() {
        let [mut left, mut right] = both([b"key", b"another"]);
        left.send(b"a message");
        carry(&mut right, &mut left, 100);
        assert_eq!(all(&mut left), Ok(vec![]));
        carry(&mut left, &mut right, 100);
        assert_eq!(all(&mut right), Err(LinkError::NotProved));
        let [mut left, _] = both([b"key", b"key"]);
        let echo = left.outbound().to_vec();
        left.receive(&echo);
        assert_eq!(all(&mut left), Err(LinkError::NotProved));
    }
}
