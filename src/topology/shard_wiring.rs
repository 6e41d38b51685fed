//! How matching is wired: one stage, or a dealer, a stage for each shard, and a collector.

use std::sync::Arc;

use crate::engine::{Away, EngineLimits, Shards, SoftwareMatcher};
use crate::fpga::ShardMatcher;
use crate::link::{Consumer, Producer, link};
use crate::model::{Command, Event, Instrument, Request};
use crate::runtime::{CounterReader, LatencyReader, Stage, latency};
use crate::stage::{AwayLinks, AwayStage, Board, Collector, Dealer, EventLinks, Matching};
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

/// What is to be joined.
pub(super) struct Unwired<'a> {
    pub(super) shards: Shards,
    pub(super) limits: EngineLimits,
    pub(super) commands: Consumer<Command>,
    pub(super) events: EventLinks,
    /// To those who speak with destinations.
    pub(super) routed: Vec<Producer<Command>>,
    /// By destination: which of those.
    pub(super) speaker_of: Box<[u8]>,
    pub(super) board: &'a Arc<Board>,
    pub(super) depths: Depths,
    /// By shard: the instruments that hardware matches.
    pub(super) hardware: Vec<Vec<Instrument>>,
}

/// The matcher of a shard: the software that a replay has filled, or hardware before it.
#[cfg(feature = "fpga-sim")]
fn engine_of(software: SoftwareMatcher, hardware: &[Instrument]) -> ShardMatcher {
    use crate::fpga::{Offloaded, Simulated, Size};
    if hardware.is_empty() {
        return ShardMatcher::Software(software);
    }
    let size = if hardware.len() == 1 { Size::One } else { Size::Many };
    ShardMatcher::Hardware(Offloaded::new(Simulated::new(size, None), software, hardware))
}

/// The matcher of a shard: this build has software alone.
#[cfg(not(feature = "fpga-sim"))]
fn engine_of(software: SoftwareMatcher, _hardware: &[Instrument]) -> ShardMatcher {
    software
}

/// Joins the matching stages between risk and all who want events.
pub(super) fn wire_matching(unwired: Unwired<'_>) -> MatchingWired {
    let Unwired { shards, limits, events, routed, speaker_of, board, depths, .. } = unwired;
    let risk_matching = unwired.commands;
    let events_max = limits.events_per_command_max();
    let (mut matchers, away, routes) = shards.into_parts();
    let mut hardware = unwired.hardware.into_iter();
    let mut engine = |software| engine_of(software, &hardware.next().unwrap_or_default());
    let (matched, matched_reader) = latency();
    if routes.shards() == 1
        && let Some(matcher) = matchers.pop()
    {
        let (requests, matching_sequencer) = link::<Request>(SLOW_DEPTH);
        let board = Arc::clone(board);
        let matcher = engine(matcher);
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
            engine(matcher),
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
    if let (Some(away), Some(shard)) = (away, routes.away()) {
        let (dealer_commands, commands) = link::<Command>(depths.commands);
        let (events, away_collector) = link::<Event>(depths.events);
        let (sequencer, away_sequencer) = link::<Request>(SLOW_DEPTH);
        to_shards.push(dealer_commands);
        wired.links.push(fill("dealer_away", &commands));
        from_shards.push(away_collector);
        wired.requests.push(away_sequencer);
        let most = (events_max, Away::routed_max(&limits));
        let links = AwayLinks { commands, events, sequencer, routed, speaker_of };
        let away = AwayStage::new(away, shard, most, links, Arc::clone(board));
        wired.counters.push((StageName::Away, away.counters.reader()));
        wired.stages.push((StageName::Away, Box::new(away)));
    }
    let dealer = Dealer::new(routes, risk_matching, to_shards, dealer_notes);
    wired.counters.push((StageName::Dealer, dealer.counters.reader()));
    wired.stages.push((StageName::Dealer, Box::new(dealer)));
    let collector = Collector::new(dealer_collector, from_shards, events);
    wired.counters.push((StageName::Collector, collector.counters.reader()));
    wired.stages.push((StageName::Collector, Box::new(collector)));
    wired
}
