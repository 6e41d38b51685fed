//! Messages written one after the other where the consumer will find them, and sent together.

use std::marker::PhantomData;
use std::mem::{MaybeUninit, take};

use rtrb::chunks::WriteChunkUninit;

use crate::model::{Head, LINES_MAX, Line};

/// A burst being written: room in a link, and what was written into it so far.
#[derive(Debug)]
pub struct Batch<'a, H: Head> {
    /// The room before the ring's end, or what is left of all where that was used up.
    first: &'a mut [MaybeUninit<Line>],
    /// The room after the ring's beginning.
    second: &'a mut [MaybeUninit<Line>],
    pub(super) written: usize,
    heads: PhantomData<H>,
}

impl<'a, H: Head> Batch<'a, H> {
    #[inline]
    pub(super) fn new(
        first: &'a mut [MaybeUninit<Line>],
        second: &'a mut [MaybeUninit<Line>],
    ) -> Self {
        Self { first, second, written: 0, heads: PhantomData }
    }

    /// Lines there is room for.
    #[inline]
    pub fn room(&self) -> usize {
        self.first.len() + self.second.len()
    }

    /// Messages there surely is room for.
    #[inline]
    pub fn messages(&self) -> usize {
        self.room() / LINES_MAX
    }

    /// Writes a message of one line; `false` if there is no room.
    #[inline]
    #[must_use = "a message that found no room must be offered again"]
    pub fn push_head(&mut self, head: &H) -> bool {
        self.push_parts(head, &[])
    }

    /// Writes a message given as its head and the further lines the head counts; `false`, and
    /// nothing is written, if there is no room for the whole of it.
    #[inline]
    #[must_use = "a message that found no room must be offered again"]
    pub fn push_parts(&mut self, head: &H, rest: &[Line]) -> bool {
        debug_assert_eq!(head.lines(), 1 + rest.len(), "the head counts its lines");
        let lines = 1 + rest.len();
        if lines > self.first.len() {
            return self.push_round(head, rest);
        }
        let (slots, left) = take(&mut self.first).split_at_mut(lines);
        if let [slot, further @ ..] = slots {
            slot.write(bytemuck::cast(*head));
            for (slot, line) in further.iter_mut().zip(rest) {
                slot.write(*line);
            }
        }
        self.first = left;
        self.written += lines;
        true
    }

    /// The same where the message goes round the ring's end.
    #[cold]
    fn push_round(&mut self, head: &H, rest: &[Line]) -> bool {
        if self.room() < 1 + rest.len() {
            return false;
        }
        for line in std::iter::once(&bytemuck::cast(*head)).chain(rest) {
            if self.first.is_empty() {
                self.first = take(&mut self.second);
            }
            if let Some((slot, left)) = take(&mut self.first).split_first_mut() {
                slot.write(*line);
                self.first = left;
            }
        }
        self.written += 1 + rest.len();
        true
    }
}

/// Sends the first `written` lines of a chunk.
#[inline]
#[allow(unsafe_code, reason = "rtrb cannot know which slots were written; the batch does")]
pub(super) fn send(chunk: WriteChunkUninit<'_, Line>, written: usize) {
    // SAFETY: a link writes every slot when it is made, so whatever was counted is initialised; and
    // more than the chunk is never sent.
    unsafe { chunk.commit(written) }
}
