//! Collects the events of several matching stages into one history: by command, then by shard.

use crate::engine::without_last;
use crate::link::{Consumer, Taken};
use crate::model::{Command, Event, EventFlags, Fault, Nanos, SeqNo};
use crate::runtime::{Counters, Stage};
use crate::stage::BURST;
use crate::stage::dealer::EVERY_SHARD;
use crate::stage::matching::{DealEvents, EventLinks};

crate::counters! {
    /// What the collector counts.
    pub CollectorCounter {
        Commands: "commands whose events are all collected",
        Events: "events passed on",
        Waited: "polls that found the next shard not done yet",
        Backpressured: "polls that found no room behind",
    }
}

/// Events passed on together.
const EVENTS: usize = 4 * BURST;

/// Whose events come next: of one command, from a shard up to another.
#[derive(Clone, Copy, Debug)]
struct Expected {
    seq: SeqNo,
    shard: usize,
    last_shard: usize,
}

/// The collecting stage; one shard needs none.
pub struct Collector {
    /// The dealer's notes.
    notes: Consumer<Command>,
    shards: Vec<Consumer<Event>>,
    links: EventLinks,
    expected: Option<Expected>,
    events: Vec<Event>,
    /// Counters, for whoever shows them.
    pub counters: Counters<CollectorCounter>,
}

impl Collector {
    /// Of a dealer's notes and its shards' events.
    pub fn new(notes: Consumer<Command>, shards: Vec<Consumer<Event>>, links: EventLinks) -> Self {
        let (expected, counters) = (None, Counters::default());
        let events = Vec::with_capacity(EVENTS);
        Self { notes, shards, links, expected, events, counters }
    }

    /// Whose events come next, if a command is on its way.
    fn expect(&mut self) -> Option<Expected> {
        if self.expected.is_none() {
            let note = self.notes.pop_head()?;
            let (shard, last_shard) = match note.target {
                EVERY_SHARD => (0, self.shards.len() - 1),
                shard => (shard as usize, shard as usize),
            };
            self.expected = Some(Expected { seq: note.seq, shard, last_shard });
        }
        self.expected
    }

    /// Takes what the expected shard has of its command; whether it has told all.
    fn take(&mut self, expected: Expected, room: usize) -> Result<bool, Fault> {
        let Expected { seq, shard, last_shard } = expected;
        let Self { shards, events, .. } = self;
        let consumer = shards.get_mut(shard).ok_or(Fault::LimitBroken)?;
        let (mut is_done, mut is_other) = (false, false);
        consumer.take_each(|event, _| {
            is_other |= !is_done && event.id.seq() != seq;
            if is_done || is_other || events.len() == room {
                return Taken::No;
            }
            is_done = event.flags.has(EventFlags::LAST);
            let ends = is_done && shard == last_shard;
            let flags = if ends { event.flags } else { without_last(event.flags) };
            events.push(Event { flags, ..*event });
            Taken::Yes
        });
        // Each shard answers its commands in the order of the notes.
        if is_other { Err(Fault::SequenceGap) } else { Ok(is_done) }
    }
}

impl Stage for Collector {
    fn name(&self) -> &str {
        "collector"
    }

    fn poll(&mut self, _now: Nanos) -> Result<usize, Fault> {
        let room = self.links.credits(EVENTS).min(EVENTS);
        if room == 0 {
            self.counters.count(CollectorCounter::Backpressured);
        }
        while self.events.len() < room
            && let Some(expected) = self.expect()
        {
            if !self.take(expected, room)? {
                self.counters.count(CollectorCounter::Waited);
                break;
            }
            let shard = expected.shard + 1;
            let goes_on = expected.shard < expected.last_shard;
            self.expected = goes_on.then_some(Expected { shard, ..expected });
            self.counters.add(CollectorCounter::Commands, u64::from(!goes_on));
        }
        let count = self.events.len();
        let sent = self.links.send(&self.events);
        self.events.clear();
        self.counters.add(CollectorCounter::Events, count as u64);
        if sent { Ok(count) } else { Err(Fault::LimitBroken) }
    }

    fn housekeep(&mut self, _now: Nanos) {
        self.counters.publish();
        self.notes.show_fill();
        self.shards.iter().for_each(Consumer::show_fill);
    }
}
