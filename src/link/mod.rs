//! The ring between two stages: one producer, one consumer, whole messages in order.
//!
//! `rtrb` underneath. A message of several lines is pushed and popped as one, so a consumer never
//! sees half of it. A producer asks for credits (free lines) before it makes work.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::{Group, Head, LINES_MAX, Line};

/// Joins two stages by a ring of `depth` lines (rounded up to hold at least one message).
pub fn link<H: Head>(depth: usize) -> (Producer<H>, Consumer<H>) {
    let (producer, consumer) = rtrb::RingBuffer::new(depth.max(LINES_MAX));
    let producer = Producer { ring: producer, free: 0, heads: PhantomData };
    (producer, Consumer { ring: consumer, gauge: Gauge::default(), heads: PhantomData })
}

/// The end that writes.
#[derive(Debug)]
pub struct Producer<H: Head> {
    ring: rtrb::Producer<Line>,
    /// Lines known to be free; asked of the other core only when this runs out.
    free: usize,
    heads: PhantomData<H>,
}

impl<H: Head> Producer<H> {
    /// Free lines, at most `wanted`; looks across to the consumer only when it must.
    #[inline]
    pub fn credits(&mut self, wanted: usize) -> usize {
        if self.free < wanted {
            self.free = self.ring.slots();
        }
        self.free.min(wanted)
    }

    /// Sends a message; `false` if there was no room for the whole of it.
    #[inline]
    #[must_use = "a message that found no room must be offered again"]
    pub fn push(&mut self, message: &Group<H>) -> bool {
        self.push_parts(&message.head, message.rest())
    }

    /// Sends a message given as its head and the further lines the head counts.
    #[inline]
    #[must_use = "a message that found no room must be offered again"]
    pub fn push_parts(&mut self, head: &H, rest: &[Line]) -> bool {
        debug_assert_eq!(head.lines(), 1 + rest.len(), "the head counts its lines");
        if rest.is_empty() {
            return self.push_head(head);
        }
        let count = 1 + rest.len();
        let Ok(chunk) = self.ring.write_chunk_uninit(count) else { return false };
        let head = std::iter::once(bytemuck::cast(*head));
        chunk.fill_from_iter(head.chain(rest.iter().copied()));
        self.free = self.free.saturating_sub(count);
        true
    }

    /// Sends a message of one line; `false` if there was no room.
    #[inline]
    #[must_use = "a message that found no room must be offered again"]
    pub fn push_head(&mut self, head: &H) -> bool {
        debug_assert_eq!(head.lines(), 1, "further lines would be left behind");
        self.free = self.free.saturating_sub(1);
        self.ring.push(bytemuck::cast(*head)).is_ok()
    }

    /// Lines the ring holds when full.
    pub fn depth(&self) -> usize {
        self.ring.buffer().capacity()
    }

    /// Whether the consumer is gone.
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

/// The end that reads.
#[derive(Debug)]
pub struct Consumer<H: Head> {
    ring: rtrb::Consumer<Line>,
    gauge: Gauge,
    heads: PhantomData<H>,
}

impl<H: Head> Consumer<H> {
    /// Takes the oldest message into `into`; `false` if there is none.
    #[inline]
    pub fn pop(&mut self, into: &mut Group<H>) -> bool {
        let Ok(line) = self.ring.pop() else { return false };
        into.head = bytemuck::cast(line);
        let further = into.head.lines() - 1;
        for slot in into.rest_mut().iter_mut().take(further) {
            // Pushed with its head, so it is there.
            if let Ok(line) = self.ring.pop() {
                *slot = line;
            }
        }
        true
    }

    /// Takes the oldest message, where every message has one line.
    #[inline]
    pub fn pop_head(&mut self) -> Option<H> {
        self.ring.pop().ok().map(bytemuck::cast)
    }

    /// The oldest message's head, left where it is.
    #[inline]
    pub fn peek(&self) -> Option<&H> {
        self.ring.peek().ok().map(bytemuck::cast_ref)
    }

    /// Lines waiting; asks across to the producer.
    pub fn waiting(&self) -> usize {
        self.ring.slots()
    }

    /// Shows the fill to whoever holds a gauge of it; for housekeeping.
    pub fn show_fill(&self) {
        self.gauge.0.store(self.waiting() as u64, Ordering::Relaxed);
    }

    /// The fill as last shown, for people.
    pub fn gauge(&self) -> Gauge {
        self.gauge.clone()
    }

    /// Lines the ring holds when full.
    pub fn depth(&self) -> usize {
        self.ring.buffer().capacity()
    }

    /// Whether the producer is gone; what it sent before may still be waiting.
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

/// How many lines waited in a link when its consumer last showed it.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Lines.
    pub fn lines(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
