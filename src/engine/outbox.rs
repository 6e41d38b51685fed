//! `Outbox`: the events a matcher has made and nobody has taken yet, in memory taken once.

use crate::engine::rules::is_for_all;
use crate::engine::{EVENTS_PER_SHARD, EngineLimits, Full};
use crate::model::{Command, Event, EventFlags, EventId, EventKind};

/// Commands whose events fit at once, each at its worst.
const COMMANDS_AHEAD: usize = 2;

/// Events wait here from `submit` to `release`.
///
/// It starts again at its beginning whenever it was emptied, so a caller that drains after every
/// command touches the same few cache lines for ever.
#[derive(Debug)]
pub(super) struct Outbox {
    events: Vec<Event>,
    taken: usize,
    /// Where the open command's events begin.
    start: usize,
    /// The number of the first event of a command for all shards.
    first: u16,
    /// Room that must be free before a command is opened.
    reserve: usize,
    /// The open command's nothing-happened event, less its kind.
    blank: Event,
}

impl Outbox {
    pub(super) fn new(limits: &EngineLimits) -> Self {
        let reserve = limits.events_per_command_max();
        let events = Vec::with_capacity(reserve * COMMANDS_AHEAD);
        let first = (limits.shard as usize * EVENTS_PER_SHARD) as u16;
        Self { events, taken: 0, start: 0, first, reserve, blank: Event::default() }
    }

    /// Begins a command's events.
    #[inline]
    pub(super) fn open(&mut self, command: &Command) -> Result<(), Full> {
        if self.events.capacity() - self.events.len() < self.reserve {
            return Err(Full);
        }
        self.start = self.events.len();
        let first = if self.first > 0 && is_for_all(command) { self.first } else { 0 };
        self.blank = Event::answering(command, first, EventKind::Nothing);
        Ok(())
    }

    /// The id of the event that is pushed next.
    #[inline]
    pub(super) fn next_id(&self) -> EventId {
        let index = (self.events.len() - self.start) as u16;
        EventId(self.blank.id.0 + u64::from(index))
    }

    /// Adds an event of the open command; stamps its id and time.
    #[inline]
    pub(super) fn push(&mut self, event: Event) {
        let id = self.next_id();
        debug_assert!(self.events.len() < self.events.capacity(), "events_per_command_max is low");
        self.events.push(Event { id, timestamp: self.blank.timestamp, ..event });
    }

    /// Ends the command's events: there is one at least, and the last says so.
    #[inline]
    pub(super) fn close(&mut self) {
        if self.events.len() == self.start {
            self.push(self.blank);
        }
        if let Some(last) = self.events.last_mut() {
            last.flags = last.flags.with(EventFlags::LAST);
        }
    }

    #[inline]
    pub(super) fn finished(&self) -> &[Event] {
        self.events.get(self.taken..).unwrap_or(&[])
    }

    #[inline]
    pub(super) fn release(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count);
        if self.taken >= self.events.len() {
            self.events.clear();
            self.taken = 0;
        }
    }
}
