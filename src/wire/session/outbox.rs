//! The server's flow to one client: numbered, kept for repeats, sent as far as the client follows.
//!
//! `acked ≤ sent ≤ next`. The ring keeps the last messages, so what is unacknowledged is always
//! there, until the client lags by more than the ring: then it is detached.

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
    /// The ring keeps none below `oldest` any more; the event log does.
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
    sent: u64,
    acked: u64,
    /// How far `sent` may run ahead of `acked`.
    flight: u64,
    detached: bool,
}

impl Outbox {
    /// Keeps the last `depth` messages, rounded up to a power of two.
    pub(crate) fn new(depth: usize, flight: u32) -> Self {
        let depth = depth.max(2).next_power_of_two();
        let slots = vec![Slot { length: 0, bytes: [0; MESSAGE_MAX] }; depth].into();
        let flight = u64::from(flight).clamp(1, depth as u64);
        Self { slots, next: 1, sent: 1, acked: 1, flight, detached: false }
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
        self.next.saturating_sub(self.slots.len() as u64).max(1)
    }

    pub(crate) fn is_detached(&self) -> bool {
        self.detached
    }

    #[inline]
    fn index(&self, number: u64) -> usize {
        number as usize & (self.slots.len() - 1)
    }

    /// Numbers a message that `fill` writes and returns its number.
    #[inline]
    pub(crate) fn push(&mut self, fill: impl FnOnce(&mut [u8; MESSAGE_MAX]) -> usize) -> u64 {
        let number = self.next;
        let index = self.index(number);
        let slot = &mut self.slots[index];
        slot.length = fill(&mut slot.bytes).min(MESSAGE_MAX) as u16;
        self.next += 1;
        self.detached |= self.acked < self.oldest();
        number
    }

    fn kept(&self, number: u64) -> Option<&[u8]> {
        let is_kept = (self.oldest()..self.next).contains(&number);
        let slot = &self.slots[self.index(number)];
        slot.bytes.get(..usize::from(slot.length)).filter(|_| is_kept)
    }

    /// The client has all numbers below `next_expected`.
    pub(crate) fn acked(&mut self, next_expected: u64) {
        self.acked = self.acked.max(next_expected.min(self.sent));
    }

    /// Goes on from what the client says it expects, as far back as the ring goes.
    pub(crate) fn resume(&mut self, next_expected: u64) {
        self.sent = next_expected.clamp(self.oldest(), self.next);
        self.acked = self.sent;
        self.detached = false;
    }

    /// Whether there is something the client may be sent now.
    #[inline]
    pub(crate) fn has_unsent(&self) -> bool {
        !self.detached && self.sent < self.next && self.sent - self.acked < self.flight
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
