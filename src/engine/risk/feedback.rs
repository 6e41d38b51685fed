//! When events come back to the gate: by log time and count, never by arrival.
//!
//! An event is applied before the first command whose timestamp is `lag` later than that of the
//! event's own command, or that comes `window` commands after it; never earlier, and the gate
//! waits if it has not come yet. So the same commands give the same verdicts on every schedule.

use std::collections::VecDeque;

use crate::model::{Command, Event, EventFlags, Fault, Nanos, SeqNo};
use crate::snapshot::part;

/// Whether the gate may look at a command now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// All events that are due have been applied.
    Ready,
    /// An event that is due has not arrived.
    Waiting,
}

/// Events on their way back to the gate.
#[derive(Debug)]
pub struct Feedback {
    lag: Nanos,
    window: u64,
    /// Commands passed whose events have not been applied.
    in_flight: VecDeque<(SeqNo, Nanos)>,
    arrived: Arrived,
    /// Every event of commands up to this one has arrived.
    completed: SeqNo,
}
part!(Feedback { in_flight, arrived, completed } kept { lag, window });

impl Feedback {
    /// With room for `window` commands of at most `events_per_command` events each.
    pub fn new(lag: Nanos, window: u32, events_per_command: usize) -> Self {
        let window = window.max(1) as usize;
        Self {
            lag,
            window: window as u64,
            in_flight: VecDeque::with_capacity(window + 1),
            arrived: Arrived::new(window * events_per_command + 1),
            completed: SeqNo::ZERO,
        }
    }

    /// Takes an event as it arrives.
    #[inline]
    pub fn arrive(&mut self, event: &Event) {
        self.arrived.push_back(*event);
        if event.flags.has(EventFlags::LAST) {
            self.completed = event.id.seq();
        }
    }

    /// Applies what is due before `command`.
    ///
    /// # Errors
    /// The first [`Fault`] of `apply`.
    #[inline]
    pub fn apply_due(
        &mut self,
        command: &Command,
        mut apply: impl FnMut(&Event) -> Result<(), Fault>,
    ) -> Result<Readiness, Fault> {
        while let Some(&(seq, timestamp)) = self.in_flight.front() {
            let due = command.timestamp.0.saturating_sub(timestamp.0) >= self.lag.0
                || command.seq.0.saturating_sub(seq.0) >= self.window;
            if !due {
                break;
            }
            if self.completed < seq {
                return Ok(Readiness::Waiting);
            }
            while let Some(event) = self.arrived.front().filter(|event| event.id.seq() <= seq) {
                apply(event)?;
                self.arrived.drop_front();
            }
            self.in_flight.pop_front();
        }
        Ok(Readiness::Ready)
    }

    /// Notes a command that went on to matching: its events will come.
    #[inline]
    pub fn passed(&mut self, command: &Command) {
        self.in_flight.push_back((command.seq, command.timestamp));
    }
}

/// Events most windows stay below: few enough to lie in the nearest caches.
const NEAR: usize = 256;

/// Events arrived and not yet due, oldest first: as a rule a few, at worst every command of the
/// window at its worst. A ring for the worst would walk through all its memory, so the few have
/// one of their own.
#[derive(Debug)]
struct Arrived {
    near: VecDeque<Event>,
    /// What found no room nearby; all of it is younger than what did.
    far: VecDeque<Event>,
}
part!(Arrived { near, far });

impl Arrived {
    fn new(most: usize) -> Self {
        let near = VecDeque::with_capacity(NEAR.min(most));
        Self { near, far: VecDeque::with_capacity(most) }
    }

    #[inline]
    fn push_back(&mut self, event: Event) {
        match self.far.is_empty() && self.near.len() < self.near.capacity() {
            true => self.near.push_back(event),
            false => self.far.push_back(event),
        }
    }

    #[inline]
    fn front(&self) -> Option<&Event> {
        self.near.front().or_else(|| self.far.front())
    }

    #[inline]
    fn drop_front(&mut self) {
        if self.near.pop_front().is_none() {
            self.far.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommandKind, EventId, EventKind};

    fn event(seq: u64, index: u16) -> Event {
        let command = Command { seq: SeqNo(seq), ..Command::new(CommandKind::Enter) };
        let event = Event::answering(&command, index, EventKind::Accepted);
        assert_eq!(event.id, EventId::new(SeqNo(seq), index));
        event
    }

    #[test]
    fn many_events_come_back_in_their_order() {
        let mut arrived = Arrived::new(4 * NEAR);
        let mut expected = VecDeque::new();
        // Three in, one out; then all out: the near ring fills, and what follows it waits far.
        for seq in 1..=NEAR as u64 {
            for index in 0..3 {
                arrived.push_back(event(seq, index));
                expected.push_back(event(seq, index));
            }
            assert_eq!(arrived.front(), expected.pop_front().as_ref());
            arrived.drop_front();
        }
        assert!(!arrived.far.is_empty());
        while let Some(event) = expected.pop_front() {
            assert_eq!(arrived.front(), Some(&event));
            arrived.drop_front();
        }
        assert_eq!(arrived.front(), None);
    }
}
