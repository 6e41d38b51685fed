//! The client's messages that are not acknowledged yet, kept byte for byte for sending again.

use crate::wire::ouch::MESSAGE_MAX;
use crate::wire::session::held::WINDOW_MAX;
use crate::wire::session::packet::PacketWriter;

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Which message stands here; 0 is none.
    seq: u64,
    length: u16,
    bytes: [u8; MESSAGE_MAX],
}

/// `acked ≤ sent ≤ next`: acknowledged below the first, on their way below the second.
#[derive(Debug)]
pub(crate) struct Sent {
    slots: Box<[Slot]>,
    pub(crate) next: u64,
    pub(crate) sent: u64,
    pub(crate) acked: u64,
}

impl Sent {
    pub(crate) fn new() -> Self {
        let empty = Slot { seq: 0, length: 0, bytes: [0; MESSAGE_MAX] };
        Self { slots: vec![empty; WINDOW_MAX as usize].into(), next: 1, sent: 1, acked: 1 }
    }

    /// Keeps a message under its number; `false` where it is longer than any message.
    pub(crate) fn keep(&mut self, seq: u64, bytes: &[u8]) -> bool {
        let slot = &mut self.slots[(seq % WINDOW_MAX) as usize];
        let Some(space) = slot.bytes.get_mut(..bytes.len()) else { return false };
        space.copy_from_slice(bytes);
        (slot.seq, slot.length) = (seq, bytes.len() as u16);
        self.next = self.next.max(seq.saturating_add(1));
        true
    }

    fn kept(&self, seq: u64) -> Option<&[u8]> {
        let slot = &self.slots[(seq % WINDOW_MAX) as usize];
        slot.bytes.get(..usize::from(slot.length)).filter(|_| slot.seq == seq)
    }

    /// All numbers below are settled; returns whether that is news.
    pub(crate) fn acked(&mut self, next_expected: u64) -> bool {
        let is_news = next_expected > self.acked && next_expected <= self.next;
        if is_news {
            self.acked = next_expected;
            self.sent = self.sent.max(next_expected);
        }
        is_news
    }

    /// Goes on from what the server expects; numbers it settled are never used again.
    pub(crate) fn resume(&mut self, next_expected: u64) {
        self.next = self.next.max(next_expected);
        self.acked = next_expected;
        self.sent = next_expected;
    }

    /// Passes over numbers whose bytes are not kept; the server will declare them not applied.
    pub(crate) fn skip_lost(&mut self) {
        while self.sent < self.next && self.kept(self.sent).is_none() {
            self.sent += 1;
        }
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.next
    }

    pub(crate) fn has_unacked(&self) -> bool {
        self.acked < self.sent
    }

    /// Adds messages from `sent` on while they fit and leave `spare` bytes; whether any did.
    pub(crate) fn write(&mut self, packet: &mut PacketWriter<'_>, spare: usize) -> bool {
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
}
