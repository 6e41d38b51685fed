//! Frames on their way out: a machine answers while a frame is still being shown, and the port
//! takes nothing meanwhile. Full means that nobody speaks until the port has taken some.

use crate::port::Port;
use crate::port::host::connection::MTU;
use crate::wire::ethernet::{self, EtherType, FRAME_MIN, Mac};

const FRAMES: usize = 128;
const FRAME_MAX: usize = ethernet::HEADER + MTU;

#[derive(Clone, Copy, Debug)]
struct Slot {
    bytes: [u8; FRAME_MAX],
    length: usize,
}

/// The frames.
#[derive(Debug)]
pub(super) struct Outbox {
    slots: Box<[Slot]>,
    first: usize,
    count: usize,
    from: Mac,
    /// Whether checksums are to be written, or the device writes them.
    pub(super) sums: bool,
    /// Packets that were dropped because it was full.
    pub(super) dropped: u64,
}

impl Outbox {
    pub(super) fn new(from: Mac, sums: bool) -> Self {
        let slots = vec![Slot { bytes: [0; FRAME_MAX], length: 0 }; FRAMES].into();
        Self { slots, first: 0, count: 0, from, sums, dropped: 0 }
    }

    /// Whether a machine must wait: some places are kept for what cannot.
    pub(super) fn is_full(&self) -> bool {
        self.count + 8 > FRAMES
    }

    /// Builds an IPv4 packet in place.
    pub(super) fn packet<R>(
        &mut self,
        to: Mac,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> R {
        self.frame(to, EtherType::Ipv4, length, fill)
    }

    /// Builds a frame in place; when there is no room it is built and lost.
    pub(super) fn frame<R>(
        &mut self,
        to: Mac,
        kind: EtherType,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> R,
    ) -> R {
        let is_lost = self.count == FRAMES || length > MTU;
        let last = if is_lost { self.count.saturating_sub(1) } else { self.count };
        let slot = &mut self.slots[(self.first + last) % FRAMES];
        if is_lost {
            self.dropped += 1;
            return fill(&mut vec![0; length]);
        }
        let (header, rest) = slot.bytes.split_at_mut(ethernet::HEADER);
        if let Some(header) = header.first_chunk_mut() {
            ethernet::write(header, to, self.from, kind);
        }
        let (bytes, padding) = rest.split_at_mut(length);
        let result = fill(bytes);
        slot.length = (ethernet::HEADER + length).max(FRAME_MIN);
        let padded = slot.length - ethernet::HEADER - length;
        padding[..padded].fill(0);
        self.count += 1;
        result
    }

    /// Hands frames to the port, as many as it takes; returns how many.
    pub(super) fn flush(&mut self, port: &mut dyn Port) -> usize {
        let mut sent = 0;
        while self.count > 0 {
            let slot = &self.slots[self.first];
            let bytes = &slot.bytes[..slot.length];
            if port.transmit(bytes.len(), &mut |frame| frame.copy_from_slice(bytes)).is_err() {
                break;
            }
            self.first = (self.first + 1) % FRAMES;
            self.count -= 1;
            sent += 1;
        }
        if sent > 0 {
            port.flush();
        }
        sent
    }
}
