//! A line of the user-space TCP as a stream: bytes go by rings between the thread that speaks TCP
//! and the one that has the line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::port::host::bells::Bells;
use crate::port::stream::{Closed, Stream};

/// What both ends of a line see.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Nothing more will come.
    pub(super) has_ended: AtomicBool,
    /// Nothing can be sent any more.
    pub(super) is_broken: AtomicBool,
    /// Whoever had the line has let it go.
    pub(super) is_dropped: AtomicBool,
}

/// The bells of all lines of a host.
#[derive(Debug)]
pub(crate) struct Signals {
    /// Lines on which something came, or which ended.
    pub(crate) ready: Bells,
    /// Lines on which something is to be sent, which have room again, or were dropped.
    pub(crate) wanting: Bells,
}

/// The stack's end of a line.
#[derive(Debug)]
pub(super) struct StackEnd {
    pub(super) into: rtrb::Producer<u8>,
    pub(super) out: rtrb::Consumer<u8>,
    pub(super) state: Arc<State>,
}

/// One line.
#[derive(Debug)]
pub struct HostLine {
    into: rtrb::Consumer<u8>,
    out: rtrb::Producer<u8>,
    state: Arc<State>,
    signals: Arc<Signals>,
    slot: usize,
}

/// A line whose rings are made, not yet in use.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) stack: StackEnd,
    into: rtrb::Consumer<u8>,
    out: rtrb::Producer<u8>,
}

impl Spare {
    pub(super) fn new(bytes: usize) -> Self {
        let (to_line, into) = rtrb::RingBuffer::new(bytes);
        let (out, from_line) = rtrb::RingBuffer::new(bytes);
        let stack = StackEnd { into: to_line, out: from_line, state: Arc::default() };
        Self { stack, into, out }
    }

    /// Both ends, for a connection in `slot`.
    pub(super) fn join(self, slot: usize, signals: Arc<Signals>) -> (StackEnd, HostLine) {
        let Self { stack, into, out } = self;
        let state = Arc::clone(&stack.state);
        (stack, HostLine { into, out, state, signals, slot })
    }
}

impl HostLine {
    /// Its place among its host's lines, and the bells of them all.
    pub(crate) fn bell(&self) -> (usize, &Arc<Signals>) {
        (self.slot, &self.signals)
    }
}

impl Stream for HostLine {
    fn receive(&mut self, into: &mut [u8]) -> Result<usize, Closed> {
        if into.is_empty() {
            return Ok(0);
        }
        let waiting = self.into.slots();
        if waiting == 0 {
            self.signals.ready.silence(self.slot);
            // Bytes may have come just now, before the end.
            let has_ended = self.state.has_ended.load(Ordering::Acquire);
            if !self.into.is_empty() {
                self.signals.ready.ring(self.slot);
                return Ok(0);
            }
            return if has_ended { Err(Closed) } else { Ok(0) };
        }
        // More may have come since it was asked how much waits.
        let count = self.into.pop_partial_slice(into).0.len();
        // The stack may have stopped for want of room: half a ring is worth waking it.
        if waiting * 2 > self.into.buffer().capacity() {
            self.signals.wanting.ring(self.slot);
        }
        Ok(count)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Closed> {
        if self.state.is_broken.load(Ordering::Acquire) {
            return Err(Closed);
        }
        let (taken, _) = self.out.push_partial_slice(bytes);
        if !taken.is_empty() {
            self.signals.wanting.ring(self.slot);
        }
        Ok(taken.len())
    }

    fn host_line(&self) -> Option<&HostLine> {
        Some(self)
    }
}

impl Drop for HostLine {
    fn drop(&mut self) {
        self.state.is_dropped.store(true, Ordering::Release);
        self.signals.ready.silence(self.slot);
        self.signals.wanting.ring(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_come_while_some_are_taken_are_not_lost() {
        const BYTES: usize = 4 << 20;
        let signals = Signals { ready: Bells::new(1), wanting: Bells::new(1) };
        let (mut stack, mut line) = Spare::new(1 << 12).join(0, Arc::new(signals));
        let sent = |at: usize| (at % 251) as u8;
        let sender = std::thread::spawn(move || {
            let mut at = 0;
            while at < BYTES {
                let some: [u8; 64] = std::array::from_fn(|next| sent(at + next));
                at += stack.into.push_partial_slice(&some).0.len();
            }
        });
        let (mut came, mut room) = (0, [0; 1 << 12]);
        while came < BYTES {
            let count = line.receive(&mut room).expect("it has not ended");
            for byte in &room[..count] {
                assert_eq!(*byte, sent(came), "byte {came}");
                came += 1;
            }
        }
        sender.join().expect("it ends");
    }
}
