//! The shard of orders that rest elsewhere: events as of any shard, and what is routed, on a link
//! to whoever speaks with the destination.

use std::sync::Arc;

use crate::engine::{Away, BookView, Matcher};
use crate::link::{Consumer, Producer};
use crate::model::{Command, CommandKind, Event, Fault, Group, LINES_MAX, Nanos, Request};
use crate::runtime::{Counters, Stage};
use crate::stage::{BURST, Board};

crate::counters! {
    /// What the stage of orders elsewhere counts.
    pub AwayCounter {
        Commands: "commands about orders that rest elsewhere",
        Routed: "messages sent on to destinations",
        Backpressured: "polls that found no room behind",
    }
}

/// The stage's ends of its links.
pub struct AwayLinks {
    /// From the dealer.
    pub commands: Consumer<Command>,
    /// To the collector.
    pub events: Producer<Event>,
    /// To the sequencer: the next step of an unfinished mass cancel.
    pub sequencer: Producer<Request>,
    /// To those who speak with destinations.
    pub routed: Vec<Producer<Command>>,
    /// By destination: which of those it is.
    pub speaker_of: Box<[u8]>,
}

/// The stage.
pub struct AwayStage {
    away: Away,
    links: AwayLinks,
    sweep_asked: bool,
    shard: u8,
    events_max: usize,
    routed_max: usize,
    command: Group<Command>,
    board: Arc<Board>,
    /// Counters, for whoever shows them.
    pub counters: Counters<AwayCounter>,
}

impl AwayStage {
    /// Goes on from what a replay may have filled; `most` are the events and the routed messages of
    /// one command.
    pub fn new(
        away: Away,
        shard: u8,
        most: (usize, usize),
        links: AwayLinks,
        board: Arc<Board>,
    ) -> Self {
        Self {
            away,
            links,
            sweep_asked: false,
            shard,
            events_max: most.0,
            routed_max: most.1 * LINES_MAX,
            command: Group::new(Command::new(CommandKind::Tick)),
            board,
            counters: Counters::default(),
        }
    }

    fn has_room(&mut self) -> bool {
        let most = self.routed_max;
        self.links.events.credits(self.events_max) >= self.events_max
            && self.links.routed.iter_mut().all(|link| link.credits(most) >= most)
    }

    /// Takes one command, if one waits; there is room for what it makes.
    fn take_one(&mut self) -> Result<bool, Fault> {
        let Self { away, links, command, counters, .. } = self;
        if !links.commands.pop(command) {
            return Ok(false);
        }
        if command.head.kind == CommandKind::Sweep.code() {
            self.sweep_asked = false;
        }
        away.submit(command).map_err(|_| Fault::LimitBroken)?;
        let mut sent = links.events.push_heads(away.finished());
        away.release(usize::MAX);
        away.take_routed(&mut |message| {
            let speaker = links.speaker_of.get(message.head.session.index());
            let link = speaker.and_then(|at| links.routed.get_mut(*at as usize));
            sent &= link.is_some_and(|link| link.push(message));
            counters.count(AwayCounter::Routed);
        });
        counters.count(AwayCounter::Commands);
        if sent { Ok(true) } else { Err(Fault::LimitBroken) }
    }
}

impl Stage for AwayStage {
    fn name(&self) -> &str {
        "away"
    }

    fn poll(&mut self, now: Nanos) -> Result<usize, Fault> {
        let mut work = 0;
        while work < BURST && !self.links.commands.is_empty() {
            if !self.has_room() {
                self.counters.count(AwayCounter::Backpressured);
                break;
            }
            work += usize::from(self.take_one()?);
        }
        let is_due = self.away.wants_sweep() || self.away.due_at() <= now;
        if is_due && !self.sweep_asked {
            let mut request = Request::new(CommandKind::Sweep, now);
            request.0.target = u32::from(self.shard);
            self.sweep_asked = self.links.sequencer.push_head(&request);
        }
        Ok(work)
    }

    fn housekeep(&mut self, _now: Nanos) {
        self.counters.publish();
        self.links.commands.show_fill();
        self.board.show_open(self.shard, self.away.open_orders() as u64);
    }
}
