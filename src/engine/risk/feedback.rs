//! When events come back to the gate: by log time and count, never by arrival.
//!
//! An event is applied before the first command whose timestamp is `lag` later than that of the
//! event's own command, or that comes `window` commands after it; never earlier, and the gate
//! waits if it has not come yet. So the same commands give the same verdicts on every schedule.

use std::collections::VecDeque;

use crate::model::{Command, Event, EventFlags, Fault, Nanos, SeqNo};

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
    /// Events arrived and not yet due.
    arrived: VecDeque<Event>,
    /// Every event of commands up to this one has arrived.
    completed: SeqNo,
}

impl Feedback {
    /// With room for `window` commands of at most `events_per_command` events each.
    pub fn new(lag: Nanos, window: u32, events_per_command: usize) -> Self {
        let window = window.max(1) as usize;
        Self {
            lag,
            window: window as u64,
            in_flight: VecDeque::with_capacity(window + 1),
            arrived: VecDeque::with_capacity(window * events_per_command + 1),
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
            while let Some(event) = self.arrived.pop_front_if(|event| event.id.seq() <= seq) {
                apply(&event)?;
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
