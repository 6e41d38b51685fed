//! Copies commands and events into their two logs; a command counts as journaled when its frame is
//! in the page cache, and replies wait for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::journal::Writer;
use crate::link::{Consumer, Taken};
use crate::model::{Command, Event, Fault, LINES_MAX, Nanos, SeqNo};
use crate::runtime::{Counters, Stage};
use crate::stage::BURST;

crate::counters! {
    /// What the recorder counts.
    pub RecorderCounter {
        Commands: "commands written",
        Events: "events written",
        Stalled: "polls in which the journal had no room",
    }
}

/// The recorder stage.
pub struct Recorder {
    commands: Consumer<Command>,
    events: Consumer<Event>,
    command_log: Writer<Command>,
    event_log: Writer<Event>,
    /// Says that only the room kept for cancels is left, or that no more can be made.
    short: Arc<AtomicBool>,
    is_short: bool,
    /// Counters, for whoever shows them.
    pub counters: Counters<RecorderCounter>,
}

/// Lines a message may take in a log: its own and a frame header.
const ROOM_PER_MESSAGE: usize = LINES_MAX + 1;

/// Events written per poll, at most: a sweep makes many of one command.
const EVENT_BURST: usize = 4 * BURST;

impl Recorder {
    /// Goes on where the logs were left; `short` is shown whether they are short of room.
    pub fn new(
        commands: Consumer<Command>,
        events: Consumer<Event>,
        command_log: Writer<Command>,
        event_log: Writer<Event>,
        short: Arc<AtomicBool>,
    ) -> Self {
        Self {
            commands,
            events,
            command_log,
            event_log,
            short,
            is_short: false,
            counters: Counters::default(),
        }
    }

    fn record_commands(&mut self) -> Result<usize, Fault> {
        let Self { commands, command_log, counters, .. } = self;
        let room = command_log.room() / ROOM_PER_MESSAGE;
        if room == 0 {
            counters.count(RecorderCounter::Stalled);
        }
        let mut most = BURST.min(room);
        let mut written = Ok(());
        let count = commands.take_each(|command, rest| {
            if most == 0 {
                return Taken::No;
            }
            most -= 1;
            written = command_log.append_parts(command, rest);
            if written.is_ok() { Taken::Yes } else { Taken::No }
        });
        if count > 0 {
            command_log.commit();
        }
        written.map(|()| count)
    }

    /// At once, not with the chores: between two of them more may come than the reserve takes.
    #[inline]
    fn say_whether_short(&mut self) {
        let is_short = self.command_log.is_short() || self.event_log.is_short();
        if is_short != self.is_short {
            self.is_short = is_short;
            self.short.store(is_short, Ordering::Relaxed);
        }
    }

    /// Writes events of commands that are on record: a crash must leave none without its command.
    fn record_events(&mut self) -> Result<usize, Fault> {
        let Self { events, command_log, event_log, counters, .. } = self;
        let room = event_log.room() / ROOM_PER_MESSAGE;
        if room == 0 {
            counters.count(RecorderCounter::Stalled);
        }
        let recorded = SeqNo(command_log.last());
        let mut most = EVENT_BURST.min(room);
        let mut written = Ok(());
        let count = events.take_each(|event, _| {
            if most == 0 || event.id.seq() > recorded {
                return Taken::No;
            }
            most -= 1;
            written = event_log.append_parts(event, &[]);
            if written.is_ok() { Taken::Yes } else { Taken::No }
        });
        if count > 0 {
            event_log.commit();
        }
        written.map(|()| count)
    }
}

impl Stage for Recorder {
    fn name(&self) -> &str {
        "recorder"
    }

    fn fall(&mut self) {
        while self.record_commands().is_ok_and(|count| count > 0) {}
    }

    fn poll(&mut self, _now: Nanos) -> Result<usize, Fault> {
        let commands = if self.commands.is_empty() { 0 } else { self.record_commands()? };
        // Replies wait for commands alone; events are written when there is a moment, or many.
        let waiting = self.events.waiting();
        let is_time = waiting > 0 && commands == 0 || waiting >= EVENT_BURST;
        let events = if is_time { self.record_events()? } else { 0 };
        if commands + events > 0 || self.is_short {
            self.say_whether_short();
        }
        self.counters.add(RecorderCounter::Commands, commands as u64);
        self.counters.add(RecorderCounter::Events, events as u64);
        Ok(commands + events)
    }

    fn held(&self) -> u64 {
        self.counters.value(RecorderCounter::Stalled)
    }

    fn housekeep(&mut self, _now: Nanos) {
        self.say_whether_short();
        self.counters.publish();
        self.commands.show_fill();
        self.events.show_fill();
    }
}
