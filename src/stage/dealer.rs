//! Deals commands to several matching stages, and tells the collector whose events come next.

use crate::engine::{Route, Routes};
use crate::link::{Consumer, Producer, Taken};
use crate::model::{Command, Fault, LINES_MAX, Nanos};
use crate::runtime::{Counters, Stage};
use crate::stage::BURST;

crate::counters! {
    /// What the dealer counts.
    pub DealerCounter {
        Commands: "commands dealt to one shard",
        ForAll: "commands dealt to every shard",
        Backpressured: "polls that found no room behind",
    }
}

/// In a routing note's `target`: every shard.
pub(super) const EVERY_SHARD: u32 = u32::MAX;

/// The dealing stage; one shard needs none.
pub struct Dealer {
    routes: Routes,
    commands: Consumer<Command>,
    shards: Vec<Producer<Command>>,
    /// A note for each command, in order: its place in history, and in `target` who answers.
    collector: Producer<Command>,
    /// Counters, for whoever shows them.
    pub counters: Counters<DealerCounter>,
}

impl Dealer {
    /// Goes on from routes that a replay may have changed.
    pub fn new(
        routes: Routes,
        commands: Consumer<Command>,
        shards: Vec<Producer<Command>>,
        collector: Producer<Command>,
    ) -> Self {
        Self { routes, commands, shards, collector, counters: Counters::default() }
    }
}

impl Stage for Dealer {
    fn name(&self) -> &str {
        "dealer"
    }

    fn poll(&mut self, _now: Nanos) -> Result<usize, Fault> {
        let Self { routes, commands, shards, collector, counters } = self;
        // Any of them may be for any shard.
        let wanted = BURST * LINES_MAX;
        let room = shards.iter_mut().map(|shard| shard.credits(wanted) / LINES_MAX).min();
        let mut most = room.unwrap_or(0).min(collector.credits(BURST)).min(BURST);
        if most == 0 {
            counters.count(DealerCounter::Backpressured);
        }
        let mut sent = true;
        let work = commands.take_each(|command, rest| {
            if most == 0 {
                return Taken::No;
            }
            most -= 1;
            let route = routes.route(command);
            let target = match route {
                Route::One(shard) => {
                    counters.count(DealerCounter::Commands);
                    let link = shards.get_mut(shard);
                    sent &= link.is_some_and(|link| link.push_parts(command, rest));
                    shard as u32
                }
                Route::All => {
                    counters.count(DealerCounter::ForAll);
                    sent &= shards.iter_mut().all(|link| link.push_parts(command, rest));
                    EVERY_SHARD
                }
            };
            sent &= collector.push_head(&Command { target, lines: 1, ..*command });
            Taken::Yes
        });
        if sent { Ok(work) } else { Err(Fault::LimitBroken) }
    }

    fn held(&self) -> u64 {
        self.counters.value(DealerCounter::Backpressured)
    }

    fn housekeep(&mut self, _now: Nanos) {
        self.counters.publish();
        self.commands.show_fill();
    }
}
