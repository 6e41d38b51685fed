//! Opens lines to venues in a thread of its own: connecting may take its time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::Nanos;
use crate::port::stream::Stream;

/// A line that was opened.
pub struct Dialled {
    /// Which venue, by its place in the configuration.
    pub venue: usize,
    /// Which of its sessions.
    pub line: usize,
    /// The line.
    pub stream: Box<dyn Stream>,
}

/// Opens a line, if somebody takes it.
pub(super) type Connect<'a> = dyn FnMut(SocketAddr) -> Option<Box<dyn Stream>> + 'a;

/// Whom to call when.
#[derive(Debug)]
pub(super) struct Number {
    pub(super) venue: usize,
    pub(super) line: usize,
    pub(super) address: SocketAddr,
    pub(super) is_wanted: Arc<AtomicBool>,
    pub(super) next: Nanos,
}

/// The dialer.
pub struct Dialer {
    pub(super) numbers: Vec<Number>,
    pub(super) dialled: rtrb::Producer<Dialled>,
    /// How long to wait before another attempt.
    pub(super) pause: Nanos,
}

impl Dialer {
    /// Opens lines that are wanted, as `connect` does it; says how many.
    pub fn step(&mut self, now: Nanos, connect: &mut Connect<'_>) -> usize {
        let mut opened = 0;
        for number in &mut self.numbers {
            let is_due = now >= number.next && number.is_wanted.load(Ordering::Acquire);
            if !is_due || self.dialled.is_full() {
                continue;
            }
            number.next = now.saturating_add(self.pause);
            let Some(stream) = connect(number.address) else { continue };
            let Number { venue, line, .. } = *number;
            // There was room, and nobody else fills it.
            let _ = self.dialled.push(Dialled { venue, line, stream });
            number.is_wanted.store(false, Ordering::Release);
            opened += 1;
        }
        opened
    }
}
