//! `Outbox`: the events a matcher has made and nobody has taken yet, in memory taken once.

use crate::engine::rules::is_for_all;
use crate::engine::{EVENTS_PER_SHARD, EngineLimits, Full};
use crate::model::{Command, Event, EventFlags, EventId, EventKind, Nanos};

/// Commands whose events fit at once, each at its worst.
const COMMANDS_AHEAD: usize = 2;

/// Events wait here from `submit` to `release`.
///
/// It starts again at its beginning whenever it was emptied, so a caller that drains after every
/// command touches the same few cache lines for ever.
#[derive(Debug)]
pub(super) struct Outbox {
    /// All the room there is; it never moves.
    events: Box<[Event]>,
    /// Events that lie there, and how many of them were taken.
    made: usize,
    taken: usize,
    /// With more than so many events there, another command's may find no room.
    full_above: usize,
    /// What the open command's next event is stamped with.
    next: EventId,
    timestamp: Nanos,
    /// The number of the first event of a command for all shards, and of the open command.
    first: u16,
    base: u16,
}

impl Outbox {
    pub(super) fn new(limits: &EngineLimits) -> Self {
        let reserve = limits.events_per_command_max();
        let events = vec![Event::default(); reserve * COMMANDS_AHEAD].into_boxed_slice();
        let full_above = events.len() - reserve;
        let (next, timestamp) = (EventId(0), Nanos::ZERO);
        let first = (limits.shard as usize * EVENTS_PER_SHARD) as u16;
        Self { first, base: 0, events, made: 0, taken: 0, full_above, next, timestamp }
    }

    /// Whether the events of any command find room.
    #[inline(always)]
    pub(super) fn check_room(&self) -> Result<(), Full> {
        if self.made > self.full_above { Err(Full) } else { Ok(()) }
    }

    /// Adds the only event of a command that is not opened: stamped, and marked as the last.
    #[inline(always)]
    pub(super) fn push_only(&mut self, event: Event) {
        if let Some(place) = self.events.get_mut(self.made) {
            *place = event;
            self.made = self.made.wrapping_add(1);
        }
    }

    /// Begins a command's events; ask for room before.
    #[inline]
    pub(super) fn open(&mut self, command: &Command) {
        let first = if self.first > 0 && is_for_all(command) { self.first } else { 0 };
        self.base = first;
        self.next = EventId::new(command.seq, first);
        self.timestamp = command.timestamp;
    }

    /// The id of the event that is pushed next.
    #[inline]
    pub(super) fn next_id(&self) -> EventId {
        self.next
    }

    /// Adds an event of the open command; stamps its id and time.
    #[inline(always)]
    pub(super) fn push(&mut self, event: Event) {
        let Some(place) = self.events.get_mut(self.made) else {
            debug_assert!(false, "events_per_command_max is low");
            return;
        };
        *place = Event { id: self.next, timestamp: self.timestamp, ..event };
        self.made = self.made.wrapping_add(1);
        self.next = EventId(self.next.0.wrapping_add(1));
    }

    /// Ends the command's events: there is one at least, and the last says so.
    #[inline]
    pub(super) fn close(&mut self, command: &Command) {
        if self.next.index() == self.base {
            self.push(Event::answering(command, 0, EventKind::Nothing));
        }
        if let Some(last) = self.events.get_mut(self.made.wrapping_sub(1)) {
            last.flags = last.flags.with(EventFlags::LAST);
        }
    }

    #[inline]
    pub(super) fn finished(&self) -> &[Event] {
        self.events.get(self.taken..self.made).unwrap_or(&[])
    }

    #[inline]
    pub(super) fn release(&mut self, count: usize) {
        self.taken = self.taken.saturating_add(count);
        if self.taken >= self.made {
            (self.made, self.taken) = (0, 0);
        }
    }
}
