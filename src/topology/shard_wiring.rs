//! How matching is wired: one stage, or a dealer, a stage for each shard, and a collector.

use std::sync::Arc;

use crate::engine::Shards;
use crate::link::{Consumer, link};
use crate::model::{Command, Event, Request};
use crate::runtime::{CounterReader, LatencyReader, Stage, latency};
use crate::stage::{Board, Collector, Dealer, EventLinks, Matching};
use crate::topology::StageName;
use crate::topology::wiring::{LinkFill, SLOW_DEPTH, fill};

/// Matching, joined.
pub(super) struct MatchingWired {
    pub(super) stages: Vec<(StageName, Box<dyn Stage>)>,
    pub(super) counters: Vec<(StageName, CounterReader)>,
    /// Of the first shard.
    pub(super) matched: LatencyReader,
    pub(super) links: Vec<LinkFill>,
    /// Each shard's way to the sequencer, for sweeps.
    pub(super) requests: Vec<Consumer<Request>>,
}

/// How deep the links are.
#[derive(Clone, Copy)]
pub(super) struct Depths {
    pub(super) commands: usize,
    pub(super) events: usize,
}

/// Joins the matching stages between risk and all who want events.
pub(super) fn wire_matching(
    shards: Shards,
    events_max: usize,
    risk_matching: Consumer<Command>,
    events: EventLinks,
    board: &Arc<Board>,
    depths: Depths,
) -> MatchingWired {
    let (mut matchers, routes) = shards.into_parts();
    let (matched, matched_reader) = latency();
    if matchers.len() == 1
        && let Some(matcher) = matchers.pop()
    {
        let (requests, matching_sequencer) = link::<Request>(SLOW_DEPTH);
        let board = Arc::clone(board);
        let matching =
            Matching::new(matcher, events_max, risk_matching, events, requests, board, matched);
        return MatchingWired {
            counters: vec![(StageName::Matching(0), matching.counters.reader())],
            stages: vec![(StageName::Matching(0), Box::new(matching))],
            matched: matched_reader,
            links: vec![fill("matching_sequencer", &matching_sequencer)],
            requests: vec![matching_sequencer],
        };
    }
    let (dealer_notes, dealer_collector) = link::<Command>(depths.commands);
    let mut wired = MatchingWired {
        stages: Vec::new(),
        counters: Vec::new(),
        matched: matched_reader,
        links: vec![fill("dealer_collector", &dealer_collector)],
        requests: Vec::new(),
    };
    let (mut to_shards, mut from_shards) = (Vec::new(), Vec::new());
    let mut first = Some(matched);
    for (shard, matcher) in (0..).zip(matchers) {
        let name = StageName::Matching(shard);
        let (dealer_commands, dealer_matching) = link::<Command>(depths.commands);
        let (collector_events, matching_collector) = link::<Event>(depths.events);
        let (requests, matching_sequencer) = link::<Request>(SLOW_DEPTH);
        to_shards.push(dealer_commands);
        wired.links.push(fill("matching_collector", &matching_collector));
        from_shards.push(matching_collector);
        wired.requests.push(matching_sequencer);
        let matched = first.take().unwrap_or_else(|| latency().0);
        let board = Arc::clone(board);
        let matching = Matching::new(
            matcher,
            events_max,
            dealer_matching,
            collector_events,
            requests,
            board,
            matched,
        );
        let matching = matching.of_shard(shard);
        wired.counters.push((name, matching.counters.reader()));
        wired.stages.push((name, Box::new(matching)));
    }
    let dealer = Dealer::new(routes, risk_matching, to_shards, dealer_notes);
    wired.counters.push((StageName::Dealer, dealer.counters.reader()));
    wired.stages.push((StageName::Dealer, Box::new(dealer)));
    let collector = Collector::new(dealer_collector, from_shards, events);
    wired.counters.push((StageName::Collector, collector.counters.reader()));
    wired.stages.push((StageName::Collector, Box::new(collector)));
    wired
}
