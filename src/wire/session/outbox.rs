//! The server's flow to one client: numbered, kept for repeats, sent as far as the client follows.
//!
//! `acked ≤ sent ≤ end ≤ next`. The ring keeps the last messages, so what is unacknowledged is
//! always there, until the client lags by more than the ring: then it is detached.
//!
//! A client that comes back further behind than the ring goes makes `end` fall behind `next`: from
//! `end` on the owner fills in what it finds in the log, and new messages are only numbered, until
//! so little is lacking that they fit as well.
//!
//! ```text
//!   acked ── sent ── end ─ ─ filled in ─ ─ live_from ── next
//! ```

use crate::snapshot::{Bad, Part, Source};
use crate::wire::ouch::MESSAGE_MAX;
use crate::wire::session::packet::{BLOCK_HEADER, PacketWriter, Token};

#[derive(Clone, Copy, Debug)]
struct Slot {
    length: u16,
    bytes: [u8; MESSAGE_MAX],
}

/// What a repeat came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retransmit {
    /// A packet of `length` bytes with `count` messages; ask again for what is left.
    Packet {
        /// Bytes written.
        length: usize,
        /// Messages in them.
        count: u16,
    },
    /// The ring keeps none below `oldest` any more.
    AgedOut {
        /// The lowest number kept.
        oldest: u64,
    },
    /// Nothing in that range was sent yet.
    Nothing,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    slots: Box<[Slot]>,
    next: u64,
    /// Numbers below this, and not below `oldest`, are in the ring.
    end: u64,
    sent: u64,
    acked: u64,
    /// The lowest number that was put into the ring since the client's place was last chosen.
    base: u64,
    /// While `end` is behind: numbers from this one on are in the ring too.
    live_from: Option<u64>,
    /// How far `sent` may run ahead of `acked`.
    flight: u64,
    detached: bool,
}

/// The messages that are kept, not the ring: that may have another size now.
impl Part for Outbox {
    fn write(&self, to: &mut Vec<u8>) {
        let Self { slots: _, next, end, sent, acked, base: _, live_from, flight: _, detached } =
            self;
        let from = self.oldest().min(*end);
        ([*next, *end, *sent, *acked], (*live_from, (*detached, from))).write(to);
        for number in from..*end {
            let bytes = self.kept(number).unwrap_or(&[]);
            to.push(bytes.len() as u8);
            to.extend_from_slice(bytes);
        }
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        type Numbers = ([u64; 4], (Option<u64>, (bool, u64)));
        let ([next, end, sent, acked], (live_from, (detached, first))) = from.value::<Numbers>()?;
        let is_good = first <= end && end <= next && sent <= next && acked <= sent;
        if !is_good || first == 0 {
            return Err(Bad::new("numbers out of their order"));
        }
        let lowest = first.max(end.saturating_sub(self.slots.len() as u64));
        (self.next, self.end, self.sent, self.acked) = (next, end, sent, acked);
        (self.live_from, self.detached, self.base) = (live_from, detached, lowest);
        for number in first..end {
            let length = usize::from(from.value::<u8>()?);
            let bytes = from.take(length)?;
            if length > MESSAGE_MAX {
                return Err(Bad::new("a message longer than any"));
            }
            if number >= lowest {
                let index = self.index(number);
                let slot = &mut self.slots[index];
                slot.length = length as u16;
                slot.bytes[..length].copy_from_slice(bytes);
            }
        }
        Ok(())
    }
}

const _: () = assert!(MESSAGE_MAX <= u8::MAX as usize);

impl Outbox {
    /// Keeps the last `depth` messages, rounded up to a power of two.
    pub(crate) fn new(depth: usize, flight: u32) -> Self {
        let depth = depth.max(2).next_power_of_two();
        let slots = vec![Slot { length: 0, bytes: [0; MESSAGE_MAX] }; depth].into();
        let flight = u64::from(flight).clamp(1, depth as u64);
        let (next, end, sent, acked, base) = (1, 1, 1, 1, 1);
        Self { slots, next, end, sent, acked, base, live_from: None, flight, detached: false }
    }

    /// The number the next message gets.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The number that is sent next.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// The lowest number kept.
    pub(crate) fn oldest(&self) -> u64 {
        match self.is_behind() {
            // New messages may lie where acknowledged ones were.
            true => self.acked,
            false => self.next.saturating_sub(self.slots.len() as u64).max(self.base),
        }
    }

    /// Whether the owner must fill in what the ring lacks.
    #[inline]
    fn is_behind(&self) -> bool {
        self.end < self.next
    }

    /// Whether the ring has all from a number on.
    pub(crate) fn keeps_from(&self, number: u64) -> bool {
        !self.is_behind() && number >= self.oldest()
    }

    pub(crate) fn is_detached(&self) -> bool {
        self.detached
    }

    #[inline]
    fn index(&self, number: u64) -> usize {
        number as usize & (self.slots.len() - 1)
    }

    /// Numbers a message that `fill` writes and returns its number; where it leaves the bytes as
    /// they are and returns 0, there is no message and no number is used.
    #[inline]
    pub(crate) fn push(
        &mut self,
        fill: impl FnOnce(&mut [u8; MESSAGE_MAX]) -> usize,
    ) -> Option<u64> {
        let number = self.next;
        if self.end < number {
            return self.push_behind(number, fill);
        }
        if !self.store(number, fill) {
            return None;
        }
        self.next += 1;
        self.end = self.next;
        self.detached |= self.acked < self.oldest();
        Some(number)
    }

    /// Whether there was a message to store.
    #[inline]
    fn store(&mut self, number: u64, fill: impl FnOnce(&mut [u8; MESSAGE_MAX]) -> usize) -> bool {
        let index = self.index(number);
        let Some(slot) = self.slots.get_mut(index) else { return false };
        let length = fill(&mut slot.bytes).min(MESSAGE_MAX) as u16;
        // The oldest message lies there: it stays where nothing takes its place.
        if length > 0 {
            slot.length = length;
        }
        length > 0
    }

    /// A new message for a client that lacks older ones: kept if the rest still fits before it.
    #[cold]
    fn push_behind(
        &mut self,
        number: u64,
        fill: impl FnOnce(&mut [u8; MESSAGE_MAX]) -> usize,
    ) -> Option<u64> {
        let is_kept = self.live_from.is_some() && number - self.acked < self.slots.len() as u64;
        let is_message = match is_kept {
            true => self.store(number, fill),
            false => fill(&mut [0; MESSAGE_MAX]) > 0,
        };
        if is_message {
            self.next += 1;
            self.live_from = self.live_from.filter(|_| is_kept);
        }
        is_message.then_some(number)
    }

    /// What the ring lacks and has room for, first and count; worth asking for.
    pub(crate) fn lacks(&mut self) -> Option<(u64, u32)> {
        if self.detached || !self.is_behind() {
            return None;
        }
        let depth = self.slots.len() as u64;
        if self.live_from.is_none() && self.next - self.acked <= depth / 2 {
            self.live_from = Some(self.next);
        }
        let room = depth - (self.end - self.acked);
        let lacking = self.live_from.unwrap_or(self.next) - self.end;
        let is_worth_it = room >= lacking.min(depth / 4);
        is_worth_it.then_some((self.end, room.min(lacking) as u32))
    }

    /// Fills in the next message that the ring lacks; any other is not wanted.
    pub(crate) fn fill_in(&mut self, number: u64, bytes: &[u8]) {
        let has_room = self.end - self.acked < self.slots.len() as u64;
        if number != self.end || !self.is_behind() || !has_room || bytes.len() > MESSAGE_MAX {
            return;
        }
        self.store(number, |space| {
            space[..bytes.len()].copy_from_slice(bytes);
            bytes.len()
        });
        self.end += 1;
        if self.live_from == Some(self.end) || !self.is_behind() {
            self.end = self.next;
            self.live_from = None;
        }
    }

    pub(crate) fn kept(&self, number: u64) -> Option<&[u8]> {
        let is_kept = (self.oldest()..self.end).contains(&number);
        let slot = &self.slots[self.index(number)];
        slot.bytes.get(..usize::from(slot.length)).filter(|_| is_kept)
    }

    /// The client has all numbers below `next_expected`.
    pub(crate) fn acked(&mut self, next_expected: u64) {
        self.acked = self.acked.max(next_expected.min(self.sent));
    }

    /// Goes on from what the client says it expects, be it in the ring or not.
    pub(crate) fn resume(&mut self, next_expected: u64) {
        let from = next_expected.min(self.next);
        if !(self.oldest()..=self.end).contains(&from) {
            (self.end, self.base) = (from, from);
        }
        // In the ring lies only what fits before the new place.
        self.live_from = None;
        (self.sent, self.acked) = (from, from);
        self.detached = false;
    }

    /// Whether there is something the client may be sent now.
    #[inline]
    pub(crate) fn has_unsent(&self) -> bool {
        !self.detached && self.sent < self.end && self.sent - self.acked < self.flight
    }

    /// Adds unsent messages while they fit and leave `spare` bytes; returns whether any did.
    #[inline]
    pub(crate) fn write_unsent(&mut self, packet: &mut PacketWriter<'_>, spare: usize) -> bool {
        let from = self.sent;
        while self.has_unsent()
            && let Some(bytes) = self.kept(self.sent)
            && packet.fits(bytes.len() + spare)
            && packet.push(bytes)
        {
            self.sent += 1;
        }
        self.sent > from
    }

    /// Writes a packet of messages sent before.
    pub(crate) fn write_again(
        &self,
        from: u64,
        count: u16,
        session: Token,
        bytes: &mut [u8],
    ) -> Retransmit {
        let until = from.saturating_add(u64::from(count)).min(self.sent);
        if from >= until {
            return Retransmit::Nothing;
        }
        if from < self.oldest() {
            return Retransmit::AgedOut { oldest: self.oldest() };
        }
        let Some(mut packet) = PacketWriter::new(bytes, session, from) else {
            return Retransmit::Nothing;
        };
        for number in from..until {
            let Some(message) = self.kept(number) else { break };
            if !packet.push(message) {
                break;
            }
        }
        match packet.count() {
            0 => Retransmit::Nothing,
            count => Retransmit::Packet { length: packet.finish(), count },
        }
    }
}

/// Bytes a block of `length` takes in a packet.
pub(crate) const fn block_bytes(length: usize) -> usize {
    BLOCK_HEADER + length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::session::packet::PACKET_MAX;
    use crate::wire::session::parse;

    /// Message number `number`, of a length of its own.
    fn message(number: u64) -> Vec<u8> {
        number.to_be_bytes().repeat(1 + number as usize % 3)
    }

    fn push(outbox: &mut Outbox) {
        let bytes = message(outbox.next());
        outbox.push(|space| {
            space[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        });
    }

    /// Sends what may be sent now and checks each message; returns the number after the last.
    fn send(outbox: &mut Outbox) -> u64 {
        let mut expected = outbox.sent();
        while outbox.has_unsent() {
            let mut bytes = [0; PACKET_MAX];
            let mut writer = PacketWriter::new(&mut bytes, *b"GATE0042AB", expected).expect("room");
            assert!(outbox.write_unsent(&mut writer, 0), "what is unsent is in the ring");
            let length = writer.finish();
            for block in parse(&bytes[..length]).expect("a good packet").blocks() {
                assert_eq!(block, message(expected));
                expected += 1;
            }
        }
        assert_eq!(outbox.sent(), expected);
        expected
    }

    proptest! {
        /// However far a client is behind and whatever comes meanwhile, it gets every message in
        /// order, once; the log is the oracle.
        #[test]
        fn a_client_far_behind_catches_up(
            from in 1u64..200,
            before in 0u64..300,
            steps in prop::collection::vec((0u64..6, 0u64..12, any::<bool>()), 1..200),
        ) {
            let mut outbox = Outbox::new(32, 16);
            (0..before).for_each(|_| push(&mut outbox));
            outbox.resume(from);
            prop_assert_eq!(outbox.sent(), from.min(before + 1));
            for (pushes, fills, acks) in steps {
                (0..pushes).for_each(|_| push(&mut outbox));
                let mut wanted = outbox.lacks();
                for _ in 0..fills {
                    let Some((from, 1..)) = wanted else { break };
                    outbox.fill_in(from, &message(from));
                    // What came before is not wanted again.
                    outbox.fill_in(from, b"another");
                    wanted = wanted.map(|(from, count)| (from + 1, count - 1));
                }
                let sent = send(&mut outbox);
                if acks {
                    outbox.acked(sent);
                }
                if outbox.is_detached() {
                    outbox.resume(sent);
                }
            }
            // Left in peace, it gets there.
            for _ in 0..100 {
                while let Some((from, 1..)) = outbox.lacks() {
                    outbox.fill_in(from, &message(from));
                }
                let sent = send(&mut outbox);
                outbox.acked(sent);
            }
            prop_assert_eq!(outbox.sent(), outbox.next());
            prop_assert!(!outbox.is_behind());
        }
    }

    #[test]
    fn what_comes_while_little_is_lacking_need_not_be_filled_in() {
        let mut outbox = Outbox::new(32, 16);
        (0..40).for_each(|_| push(&mut outbox));
        outbox.resume(30);
        assert_eq!(outbox.lacks(), None, "the ring has it");
        outbox.resume(5);
        assert_eq!(outbox.lacks(), Some((5, 32)));
        (5..30).for_each(|number| outbox.fill_in(number, &message(number)));
        for _ in 0..2 {
            let sent = send(&mut outbox);
            outbox.acked(sent);
        }
        assert_eq!(outbox.lacks(), Some((30, 11)));
        (0..4).for_each(|_| push(&mut outbox));
        assert_eq!(outbox.lacks(), Some((30, 11)), "the four are kept");
        (30..41).for_each(|number| outbox.fill_in(number, &message(number)));
        assert_eq!((outbox.lacks(), send(&mut outbox)), (None, 45));
    }
}
