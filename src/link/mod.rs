//! The ring between two stages: one producer, one consumer, whole messages in order.
//!
//! `rtrb` underneath. A message of several lines is pushed and popped as one, so a consumer never
//! sees half of it. A producer asks for credits (free lines) before it makes work.

mod batch;

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use batch::Batch;

use crate::model::{Group, Head, LINES_MAX, Line};

/// Joins two stages by a ring of `depth` lines (rounded up to hold at least one message).
pub fn link<H: Head>(depth: usize) -> (Producer<H>, Consumer<H>) {
    let (mut producer, mut consumer) = rtrb::RingBuffer::new(depth.max(LINES_MAX));
    // Every slot is written once: none is ever uninitialised, and its page is there at boot.
    while producer.push(Line([0; 8])).is_ok() {}
    while consumer.pop().is_ok() {}
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
        let head = bytemuck::cast(*head);
        match *rest {
            [] => self.push_lines(&[head]),
            [one] => self.push_lines(&[head, one]),
            [one, two] => self.push_lines(&[head, one, two]),
            [one, two, three] => self.push_lines(&[head, one, two, three]),
            // No message has more lines than that.
            _ => false,
        }
    }

    /// Sends a message of one line; `false` if there was no room.
    #[inline]
    #[must_use = "a message that found no room must be offered again"]
    pub fn push_head(&mut self, head: &H) -> bool {
        self.push_heads(std::slice::from_ref(head))
    }

    /// Sends messages of one line each, all of them or, where there is no room for all, none.
    #[inline]
    #[must_use = "messages that found no room must be offered again"]
    pub fn push_heads(&mut self, heads: &[H]) -> bool {
        debug_assert!(heads.iter().all(|head| head.lines() == 1), "lines would be left behind");
        self.push_lines(bytemuck::cast_slice(heads))
    }

    /// Shows room for up to `most` lines to `write`; what it wrote is sent together, at the end.
    ///
    /// A burst sent so costs its stores and one look across, not one for each message.
    #[inline]
    pub fn write<R>(&mut self, most: usize, write: impl FnOnce(&mut Batch<'_, H>) -> R) -> R {
        let most = self.credits(most);
        let Ok(mut chunk) = self.ring.write_chunk_uninit(most) else {
            // It asks for no more than there is.
            return write(&mut Batch::new(&mut [], &mut []));
        };
        let (first, second) = chunk.as_mut_slices();
        let mut batch = Batch::new(first, second);
        let outcome = write(&mut batch);
        let written = batch.written;
        self.free = self.free.saturating_sub(written);
        batch::send(chunk, written);
        outcome
    }

    #[inline]
    fn push_lines(&mut self, lines: &[Line]) -> bool {
        self.free = self.free.saturating_sub(lines.len());
        self.ring.push_entire_slice(lines).is_ok()
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

    /// Shows the messages that wait, oldest first, where they lie; `take` says whether it took
    /// one and goes on, or leaves it for the next time. Returns how many were taken.
    ///
    /// Nothing is copied, and the producer gets the room back once, at the end.
    #[inline]
    pub fn take_each(&mut self, mut take: impl FnMut(&H, &[Line]) -> Taken) -> usize {
        let waiting = self.ring.slots();
        if waiting == 0 {
            return 0;
        }
        let Ok(chunk) = self.ring.read_chunk(waiting) else { return 0 };
        let (first, second) = chunk.as_slices();
        let mut lines = Lines { first, second, taken: 0 };
        let mut count = 0;
        let mut scratch = [Line([0; 8]); LINES_MAX - 1];
        while let Some(head) = lines.head::<H>() {
            let (taken, goes_on) = match take(head, lines.rest(head.lines() - 1, &mut scratch)) {
                Taken::Yes => (true, true),
                Taken::Last => (true, false),
                Taken::No => (false, false),
            };
            if taken {
                lines.take(head.lines());
                count += 1;
            }
            if !goes_on {
                break;
            }
        }
        let used = lines.taken;
        chunk.commit(used);
        count
    }

    /// The oldest message's head, left where it is.
    #[inline]
    pub fn peek(&self) -> Option<&H> {
        self.ring.peek().ok().map(bytemuck::cast_ref)
    }

    /// A message that waits `count` lines behind the oldest, if so many wait: a hint, for where
    /// messages have further lines it may be one of those.
    #[inline]
    pub fn glance(&mut self, count: usize) -> Option<H> {
        let chunk = self.ring.read_chunk(count.saturating_add(1)).ok()?;
        let (first, second) = chunk.as_slices();
        first.iter().chain(second).next_back().map(|line| bytemuck::cast(*line))
    }

    /// Shows the heads of the messages that wait, oldest first, and leaves them all.
    #[inline]
    pub fn look_at_each(&mut self, mut look: impl FnMut(&H)) {
        let waiting = self.ring.slots();
        let Ok(chunk) = self.ring.read_chunk(waiting) else { return };
        let (first, second) = chunk.as_slices();
        let mut lines = Lines { first, second, taken: 0 };
        while let Some(head) = lines.head::<H>() {
            look(head);
            lines.take(head.lines());
        }
    }

    /// Whether nothing waits; asks across to the producer.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
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

/// What became of a message that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was taken; show the next.
    Yes,
    /// It was taken, and is the last for now.
    Last,
    /// It stays.
    No,
}

/// The lines that wait: the ring's end and, where they go round it, its beginning.
struct Lines<'a> {
    first: &'a [Line],
    second: &'a [Line],
    taken: usize,
}

impl<'a> Lines<'a> {
    #[inline]
    fn head<H: Head>(&self) -> Option<&'a H> {
        self.first.first().map(bytemuck::cast_ref)
    }

    /// The lines after the head; copied where they do not lie together.
    #[inline]
    fn rest<'b>(&self, count: usize, scratch: &'b mut [Line; LINES_MAX - 1]) -> &'b [Line]
    where
        'a: 'b,
    {
        match self.first.get(1..=count) {
            Some(rest) => rest,
            None => self.gather(count, scratch),
        }
    }

    #[cold]
    fn gather<'b>(&self, count: usize, scratch: &'b mut [Line; LINES_MAX - 1]) -> &'b [Line] {
        let lines = self.first.iter().chain(self.second).skip(1);
        for (slot, line) in scratch.iter_mut().zip(lines) {
            *slot = *line;
        }
        &scratch[..count.min(LINES_MAX - 1)]
    }

    /// Goes on after a message.
    #[inline]
    fn take(&mut self, count: usize) {
        self.taken += count;
        match self.first.get(count..) {
            Some(left) if !left.is_empty() => self.first = left,
            // Round the ring: the beginning is what is left.
            _ => {
                let over = count.saturating_sub(self.first.len());
                self.first = self.second.get(over..).unwrap_or(&[]);
                self.second = &[];
            }
        }
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
