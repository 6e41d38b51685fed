//! The hot core's end of a log: a copy into mapped memory, without a syscall, allocation or lock.
//!
//! Segments come ready from the keeper and go back to it. When none is ready the writer still has
//! the rest of its own; the last part of that is kept for cancels (`is_low`).

use std::marker::PhantomData;
use std::sync::Arc;

use crate::journal::frame::{Burst, FRAME_LINES_MAX, FrameHeader};
use crate::journal::segment::{HEADER_LINES, Segment, Stamp};
use crate::journal::{Health, Logged, Progress};
use crate::model::{Fault, Group, LINES_MAX, Line};

/// Lines that somebody may have counted on before a segment was ended early.
const ROOM_COUNTED: usize = 4096;

/// Appends messages to a log. One per log, owned by one thread.
#[derive(Debug)]
pub struct Writer<H: Logged> {
    stamp: Stamp,
    /// The segment being filled; none until the first message after opening an empty log.
    current: Option<Arc<Segment>>,
    /// The line after the last one a frame may use; 0 where there is no segment.
    end: usize,
    /// Checksum of its header.
    seed: u32,
    /// Line of the open frame's header.
    at: usize,
    /// The open frame.
    burst: Burst,
    /// Header checksum of the last closed frame (or of the segment's header).
    link: u32,
    /// Id of the last message appended.
    last: u64,
    /// The epoch of what is appended.
    epoch: u32,
    /// Lines kept for cancels.
    reserve: usize,
    ready: rtrb::Consumer<Arc<Segment>>,
    done: rtrb::Producer<Arc<Segment>>,
    progress: Arc<Progress>,
    heads: PhantomData<H>,
}

/// Where a log was left: what a writer needs to go on.
#[derive(Debug)]
pub(crate) struct Left {
    /// The segment to go on in, and the checksum of its header.
    pub(crate) segment: Option<(Arc<Segment>, u32)>,
    /// The first free line in it.
    pub(crate) at: usize,
    /// Header checksum of the last frame.
    pub(crate) link: u32,
    /// Id of the last message.
    pub(crate) last: u64,
    /// Epoch of the last frame.
    pub(crate) epoch: u32,
}

/// A writer's ends of the rings it shares with its keeper.
pub(crate) struct Supply {
    pub(crate) ready: rtrb::Consumer<Arc<Segment>>,
    pub(crate) done: rtrb::Producer<Arc<Segment>>,
    pub(crate) progress: Arc<Progress>,
}

impl<H: Logged> Writer<H> {
    pub(crate) fn new(stamp: Stamp, left: Left, reserve: usize, supply: Supply) -> Self {
        let (current, seed) = left.segment.map_or((None, 0), |(segment, crc)| (Some(segment), crc));
        Self {
            stamp,
            end: current.as_ref().map_or(0, |segment: &Arc<Segment>| segment.end()),
            current,
            seed,
            at: left.at,
            burst: Burst::default(),
            link: left.link,
            last: left.last,
            epoch: left.epoch,
            reserve,
            ready: supply.ready,
            done: supply.done,
            progress: supply.progress,
            heads: PhantomData,
        }
    }

    /// Copies a message into the open frame; `commit` makes it count.
    ///
    /// # Errors
    /// As [`Self::append_parts`].
    #[inline]
    pub fn append(&mut self, message: &Group<H>) -> Result<(), Fault> {
        self.append_parts(&message.head, message.rest())
    }

    /// Copies a message, given as its head and further lines, into the open frame.
    ///
    /// # Errors
    /// `SequenceGap` where the message does not follow the last one, `MalformedMessage` where its
    /// head lies about its lines, `JournalFailed` where there is no room; none changes the log.
    #[inline]
    pub fn append_parts(&mut self, head: &H, rest: &[Line]) -> Result<(), Fault> {
        let id = head.id();
        if !H::KIND.follows(self.last, id) {
            return Err(Fault::SequenceGap);
        }
        let starts_day = head.starts_day();
        let head: &Line = bytemuck::cast_ref(head);
        let lines = 1 + rest.len();
        if H::KIND.lines(head) != Some(lines) {
            return Err(Fault::MalformedMessage);
        }
        let open = self.burst.lines as usize + lines;
        if self.at + 1 + open > self.end || open > FRAME_LINES_MAX {
            self.make_room(lines, id)?;
        } else if starts_day {
            self.end_day(id)?;
        }
        if self.burst.count == 0 {
            self.burst.first = id;
            self.burst.epoch = self.epoch;
        }
        if let Some(segment) = &self.current {
            segment.map.store(self.at + 1 + self.burst.lines as usize, head, rest);
        }
        self.burst.add(head, rest);
        self.last = id;
        Ok(())
    }

    /// Closes the open frame: from here on its messages survive the death of the process.
    #[inline]
    pub fn commit(&mut self) {
        if self.burst.count > 0 {
            self.close_frame();
        }
        if let Some(segment) = &self.current {
            self.progress.commit(self.last, segment.file.ordinal, self.at);
        }
    }

    /// Lines that surely can be taken without the keeper, however they are grouped and committed.
    #[inline]
    pub fn room(&self) -> usize {
        let used = self.at + if self.burst.count > 0 { 1 + self.burst.lines as usize } else { 0 };
        let current = room_between(used, self.end);
        let ready = self.ready.peek().map_or(0, |s| room_between(HEADER_LINES, s.end()));
        current + ready * self.ready.slots()
    }

    /// The same without the reserve.
    #[inline]
    pub fn room_to_spare(&self) -> usize {
        self.room().saturating_sub(self.reserve)
    }

    /// Whether only the reserve is left: new orders are then refused and cancels taken.
    #[inline]
    pub fn is_low(&self) -> bool {
        self.room() <= self.reserve
    }

    /// Whether room must be saved: only the reserve is left, or the keeper can make no more.
    #[inline]
    pub fn is_short(&self) -> bool {
        self.is_low() || self.progress.health() != Health::Good
    }

    /// From the next message on, another epoch: never a lower one.
    pub fn set_epoch(&mut self, epoch: u32) {
        if epoch > self.epoch {
            self.commit();
            self.epoch = epoch;
        }
    }

    /// The epoch of what is appended.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Id of the last message appended.
    #[inline]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// How far the log reaches, for others to watch.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Closes the open frame, and goes to the next segment if this one cannot hold `lines` more.
    #[cold]
    fn make_room(&mut self, lines: usize, id: u64) -> Result<(), Fault> {
        if self.burst.count > 0 {
            self.close_frame();
        }
        if self.at + 1 + lines <= self.end {
            return Ok(());
        }
        self.turn(id)
    }

    /// Ends the segment before a day starts, unless room is short or nothing is in it.
    #[cold]
    fn end_day(&mut self, id: u64) -> Result<(), Fault> {
        if self.burst.count > 0 {
            self.close_frame();
        }
        let ready = self.ready.peek().map_or(0, |next| room_between(HEADER_LINES, next.end()));
        let room = ready * self.ready.slots();
        if self.at == HEADER_LINES || room <= self.reserve + ROOM_COUNTED {
            return Ok(());
        }
        self.turn(id)
    }

    /// Goes to the next segment, which begins with message `id`.
    fn turn(&mut self, id: u64) -> Result<(), Fault> {
        let next = self.ready.pop().map_err(|_| Fault::JournalFailed)?;
        if let Some(old) = self.current.take() {
            let first = self.last.saturating_add(1);
            let known = self.known();
            let end = Burst { first, epoch: self.epoch, known, ..Burst::default() };
            let header = FrameHeader::new(H::KIND, self.seed, &end, self.link);
            old.map.publish(self.at, &bytemuck::cast(header));
            self.link = header.crc;
            // The ring has room for every segment there can be.
            self.done.push(old).map_err(|_| Fault::LimitBroken)?;
        }
        self.seed = next.begin(&self.stamp, id, self.link);
        self.link = self.seed;
        self.at = HEADER_LINES;
        self.end = next.end();
        self.current = Some(next);
        Ok(())
    }

    /// What a frame says of the disk: whoever finds it behind a hole can tell pages that were lost
    /// on their way there from pages that were there. One load of a line that changes with a sync.
    #[inline]
    fn known(&self) -> u64 {
        self.progress.synced().saturating_add(1)
    }

    #[inline]
    fn close_frame(&mut self) {
        self.burst.known = self.known();
        let header = FrameHeader::new(H::KIND, self.seed, &self.burst, self.link);
        if let Some(segment) = &self.current {
            segment.map.publish(self.at, &bytemuck::cast(header));
        }
        self.link = header.crc;
        self.at += 1 + self.burst.lines as usize;
        self.burst = Burst::default();
    }
}

/// Lines that surely fit between two places of a segment: in the worst case every line has a
/// frame of its own, and a message of the most lines finds the last few too few.
#[inline]
pub(crate) fn room_between(at: usize, end: usize) -> usize {
    end.saturating_sub(at + LINES_MAX) / 2
}
