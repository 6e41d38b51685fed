//! The architecture: every stage and every link, in one function, checked by the compiler.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::engine::risk::Alert;
use crate::engine::{EngineLimits, Fold, Shards};
use crate::feed::Notice;
use crate::journal::Writer;
use crate::link::{Consumer, Gauge, Producer, link};
use crate::model::{Command, Event, Head, Instrument, LINES_MAX, Nanos, Request};
use crate::port::Port;
use crate::port::host::TcpHost;
use crate::port::watch::Watch;
use crate::runtime::{CounterReader, LatencyReader, Pulse, Stage, latency};
use crate::stage::{
    ArchiveLinks, BURST, Board, Dialled, EventLinks, Feed, FeedReaders, FeedState, Fetcher,
    FixGateway, FixLinks, FixState, Gate, Gateway, GatewayLinks, GatewayState, Introduced,
    LimitBoard, OldReply, PRICES_DEPTH, Peers, PeersState, Prices, PricesLag, PricesLinks,
    PricesOptions, REPORTS_DEPTH, Recorder, Refusals, Risk, RiskVoice, Sequencer, SequencerState,
    SessionBoard, VENUE_REPORTS_DEPTH, Venues, VenuesState, Wanted,
};
use crate::topology::StageName;
use crate::topology::shard_wiring::{Depths, Unwired, wire_matching};

/// What the stages are made of: state that a replay may have filled, ports, logs.
pub struct Parts<E: Port, F: Port> {
    /// Risk and matching, and how far history has come.
    pub fold: Fold<Shards>,
    /// The limits the matcher was made with.
    pub limits: EngineLimits,
    /// Clients' sessions.
    pub gateway: GatewayState,
    /// Clients' FIX sessions, where there are any.
    pub fix: Option<FixParts>,
    /// Our sessions at other appliances, where there are any.
    pub peers: Option<PeersParts>,
    /// Our sessions at exchanges, where there are any.
    pub venues: Option<VenuesParts>,
    /// Exchanges' feeds, where there are any.
    pub prices: Option<PricesParts>,
    /// Who speaks with which destination.
    pub speaker_of: Box<[u8]>,
    /// By shard: the instruments that hardware matches.
    pub hardware: Vec<Vec<Instrument>>,
    /// What was published.
    pub feed: FeedState,
    /// The client side's port.
    pub entry_port: E,
    /// The market data port.
    pub feed_port: F,
    /// The command log.
    pub command_log: Writer<Command>,
    /// The event log.
    pub event_log: Writer<Event>,
    /// What replies wait for.
    pub gate: Gate,
    /// What matching shows to people.
    pub board: Arc<Board>,
    /// Lines of each link.
    pub link_depth: usize,
    /// Risk that stands still for longer than this is taken for stopped: gateways refuse orders.
    pub risk_bound: Nanos,
}

/// What the FIX gateway is made of.
pub struct FixParts {
    /// Its sessions.
    pub state: FixState,
    /// Where the door gives it lines.
    pub introduced: rtrb::Consumer<Introduced>,
    /// Over its lines.
    pub watch: Watch,
    /// TCP in user space, where lines come by a port.
    pub host: Option<TcpHost<Box<dyn Port>>>,
}

/// What the stage that speaks with other appliances is made of.
pub struct PeersParts {
    /// Our sessions there.
    pub state: PeersState,
    /// Where they are.
    pub port: Box<dyn Port>,
}

/// What the stage that speaks with exchanges is made of.
pub struct VenuesParts {
    /// Our sessions there.
    pub state: VenuesState,
    /// Where the dialer puts lines.
    pub dialled: rtrb::Consumer<Dialled>,
}

/// What the stage that hears exchanges is made of.
pub struct PricesParts {
    /// Its feeds.
    pub options: PricesOptions,
    /// By feed: each line's port.
    pub ports: Vec<Vec<Box<dyn Port>>>,
}

/// What of exchanges' prices is a thread's.
pub struct PricesThread {
    /// Fetches snapshots.
    pub fetcher: Fetcher,
    /// What people are told.
    pub notices: rtrb::Consumer<Notice>,
}

/// A latency, from the receipt of a frame to a place on the road.
#[derive(Debug)]
pub struct StageLatency {
    /// The place.
    pub name: &'static str,
    /// Its histogram.
    pub reader: LatencyReader,
}

/// A link's name, its lines when full, and how many waited.
#[derive(Clone, Debug)]
pub struct LinkFill {
    /// `producer_consumer`.
    pub name: &'static str,
    /// Lines when full.
    pub depth: usize,
    /// Lines waiting, as last shown.
    pub gauge: Gauge,
}

pub(super) fn fill<H: Head>(name: &'static str, consumer: &Consumer<H>) -> LinkFill {
    LinkFill { name, depth: consumer.depth(), gauge: consumer.gauge() }
}

/// Stages joined by links, not yet on cores.
pub struct Wired {
    /// The stages, in packet order.
    pub stages: Vec<(StageName, Box<dyn Stage>)>,
    /// The slow thread's way to the sequencer.
    pub slow_requests: Producer<Request>,
    /// The kill file's own way to it.
    pub kill_requests: Producer<Request>,
    /// The archive's way to and from the gateway.
    pub archive: ArchiveLinks,
    /// Each stage's counters.
    pub counters: Vec<(StageName, CounterReader)>,
    /// Counters of each exchange's feed and its lines.
    pub feeds: Vec<FeedReaders>,
    /// Latencies along the road.
    pub latencies: Vec<StageLatency>,
    /// How full the links are.
    pub links: Vec<LinkFill>,
    /// Whether room in the journal must be saved for cancels.
    pub journal_is_short: Arc<AtomicBool>,
    /// What risk has to tell people.
    pub alerts: rtrb::Consumer<Alert>,
    /// Shows that risk goes on.
    pub risk_pulse: Pulse,
    /// Why commands were refused.
    pub refusals: Refusals,
    /// What gateways show of their sessions.
    pub sessions: Arc<SessionBoard>,
    /// The limits that are used most.
    pub limits: Arc<LimitBoard>,
    /// What of exchanges' prices is a thread's.
    pub prices: Option<PricesThread>,
    /// Whether history has orders refused, for want of room and because of the clock.
    pub throttles: [bool; 2],
}

/// Joins the stages. This function is the architecture.
pub fn wire<E: Port + 'static, F: Port + 'static>(parts: Parts<E, F>) -> Wired {
    let depth = parts.link_depth;
    let commands_depth = depth.min(COMMANDS_DEPTH);
    let (gateway_requests, gateway_sequencer) = link::<Request>(commands_depth);
    let (slow_requests, slow_sequencer) = link::<Request>(SLOW_DEPTH);
    let (kill_requests, kill_sequencer) = link::<Request>(KILL_DEPTH);
    let (sequencer_commands, sequencer_risk) = link::<Command>(commands_depth);
    let (sequencer_records, sequencer_recorder) = link::<Command>(commands_depth);
    let (risk_commands, risk_matching) = link::<Command>(commands_depth);
    let (gateway_events, matching_gateway) = link::<Event>(depth);
    let (risk_events, matching_risk) = link::<Event>(depth);
    let (recorder_events, matching_recorder) = link::<Event>(depth);
    let (feed_events, matching_feed) = link::<Event>(depth);
    let (gateway_wanted, archive_wanted) = link::<Wanted>(SLOW_DEPTH);
    let (archive_found, gateway_found) = link::<OldReply>(ARCHIVE_DEPTH);

    let mut links = vec![
        fill("gateway_sequencer", &gateway_sequencer),
        fill("slow_sequencer", &slow_sequencer),
        fill("sequencer_risk", &sequencer_risk),
        fill("sequencer_recorder", &sequencer_recorder),
        fill("risk_matching", &risk_matching),
        fill("matching_gateway", &matching_gateway),
        fill("matching_risk", &matching_risk),
        fill("matching_recorder", &matching_recorder),
        fill("matching_feed", &matching_feed),
        fill("archive_gateway", &gateway_found),
    ];
    let (sequenced, sequenced_reader) = latency();
    let (replied, replied_reader) = latency();
    let (published, published_reader) = latency();

    let start = SequencerState { seq: parts.fold.seq, timestamp: parts.fold.timestamp };
    let journal_is_short = Arc::<AtomicBool>::default();
    let risk_pulse = Pulse::default();
    let watchman = || risk_pulse.watchman(parts.risk_bound);
    let sessions = SessionBoard::new(parts.gateway.options().sessions.len());
    let gateway = Gateway::new(
        parts.entry_port,
        parts.gateway,
        GatewayLinks {
            requests: gateway_requests,
            events: matching_gateway,
            wanted: gateway_wanted,
            found: gateway_found,
        },
        parts.gate.clone(),
        Arc::clone(&journal_is_short),
        replied,
    )
    .watching(watchman())
    .showing(Arc::clone(&sessions));
    let mut inputs = vec![gateway_sequencer, slow_sequencer, kill_sequencer];
    let (mut gateways, mut gateway_of) = (vec![gateway_events], Box::default());
    let fix = parts.fix.map(|fix| {
        let (requests, fix_sequencer) = link::<Request>(commands_depth);
        let (fix_events, events) = link::<Event>(depth);
        let (replied, reader) = latency();
        links.push(fill("fix_sequencer", &fix_sequencer));
        links.push(fill("matching_fix", &events));
        inputs.push(fix_sequencer);
        gateways.push(fix_events);
        gateway_of = fix.state.owners();
        let ends = FixLinks { requests, events, introduced: fix.introduced };
        let short = Arc::clone(&journal_is_short);
        let gate = parts.gate.clone();
        let gateway = FixGateway::new(fix.state, ends, fix.watch, gate, short, replied);
        let gateway = gateway.hosting(fix.host).watching(watchman());
        (gateway.showing(Arc::clone(&sessions)), reader)
    });
    let Fold { gate, feedback, matcher, .. } = parts.fold;
    let throttles = gate.throttles();
    let (risk_requests, risk_sequencer) = link::<Request>(SLOW_DEPTH);
    let (alert, alerts) = rtrb::RingBuffer::<Alert>::new(SLOW_DEPTH);
    let refusals = Refusals::default();
    let limits = LimitBoard::new();
    let voice = RiskVoice {
        requests: risk_requests,
        alerts: alert,
        pulse: risk_pulse.clone(),
        refusals: refusals.clone(),
        limits: Arc::clone(&limits),
    };
    let risk = Risk::new(gate, feedback, sequencer_risk, matching_risk, risk_commands);
    let risk = risk.with_voice(voice);
    links.push(fill("risk_sequencer", &risk_sequencer));
    inputs.push(risk_sequencer);
    let events = EventLinks {
        gateways,
        gateway_of,
        risk: risk_events,
        recorder: recorder_events,
        feed: feed_events,
    };
    let depths = Depths { commands: commands_depth, events: depth };
    let peers = parts.peers.map(|peers| {
        let (away_routed, routed) = link::<Command>(depth);
        let (requests, peers_sequencer) = link::<Request>(REPORTS_DEPTH);
        links.push(fill("away_peers", &routed));
        links.push(fill("peers_sequencer", &peers_sequencer));
        inputs.push(peers_sequencer);
        let stage = Peers::new(peers.port, peers.state, routed, requests, parts.gate.clone());
        (stage, away_routed)
    });
    let venues = parts.venues.map(|venues| {
        let (away_routed, routed) = link::<Command>(depth);
        let (requests, venues_sequencer) = link::<Request>(VENUE_REPORTS_DEPTH);
        links.push(fill("away_venues", &routed));
        links.push(fill("venues_sequencer", &venues_sequencer));
        inputs.push(venues_sequencer);
        let VenuesParts { state, dialled } = venues;
        (Venues::new(state, dialled, routed, requests, parts.gate.clone()), away_routed)
    });
    let prices = parts.prices.map(|parts| {
        let (requests, prices_sequencer) = link::<Request>(PRICES_DEPTH);
        links.push(fill("prices_sequencer", &prices_sequencer));
        inputs.push(prices_sequencer);
        wire_prices(parts, requests)
    });
    let (peers, to_peers) = peers.unzip();
    let (venues, to_venues) = venues.unzip();
    let routed = to_peers.into_iter().chain(to_venues).collect();
    let matching = wire_matching(Unwired {
        shards: matcher,
        limits: parts.limits,
        commands: risk_matching,
        events,
        routed,
        speaker_of: parts.speaker_of,
        hardware: parts.hardware,
        board: &parts.board,
        depths,
    });
    links.extend(matching.links);
    inputs.extend(matching.requests);
    let sequencer = Sequencer::new(start, inputs, sequencer_commands, sequencer_records, sequenced);
    let recorder = Recorder::new(
        sequencer_recorder,
        matching_recorder,
        parts.command_log,
        parts.event_log,
        Arc::clone(&journal_is_short),
    );
    let feed = Feed::new(parts.feed_port, parts.feed, matching_feed, parts.gate, published);

    let mut counters = vec![
        (StageName::Gateway, gateway.counters.reader()),
        (StageName::Gateway, gateway.causes.reader()),
        (StageName::Gateway, gateway.device.reader()),
        (StageName::Sequencer, sequencer.counters.reader()),
        (StageName::Risk, risk.counters.reader()),
        (StageName::Recorder, recorder.counters.reader()),
        (StageName::Feed, feed.counters.reader()),
        (StageName::Feed, feed.causes.reader()),
        (StageName::Feed, feed.device.reader()),
    ];
    counters.extend(matching.counters);
    counters.sort_by_key(|(name, _)| *name);
    let mut stages: Vec<(StageName, Box<dyn Stage>)> = vec![
        (StageName::Gateway, Box::new(gateway)),
        (StageName::Sequencer, Box::new(sequencer)),
        (StageName::Risk, Box::new(risk)),
        (StageName::Recorder, Box::new(recorder)),
        (StageName::Feed, Box::new(feed)),
    ];
    stages.extend(matching.stages);
    stages.sort_by_key(|(name, _)| *name);
    let mut wired = Wired {
        counters,
        latencies: vec![
            StageLatency { name: "sequenced", reader: sequenced_reader },
            StageLatency { name: "matched", reader: matching.matched },
            StageLatency { name: "replied", reader: replied_reader },
            StageLatency { name: "published", reader: published_reader },
        ],
        stages,
        feeds: Vec::new(),
        slow_requests,
        kill_requests,
        archive: ArchiveLinks { wanted: archive_wanted, found: archive_found },
        links,
        journal_is_short,
        alerts,
        risk_pulse,
        refusals,
        limits,
        sessions,
        prices: None,
        throttles,
    };
    if let Some((prices, readers, thread)) = prices {
        wired.counters.push((StageName::Prices, prices.counters.reader()));
        wired.feeds = prices.readers();
        wired.latencies.extend(readers);
        wired.stages.insert(1, (StageName::Prices, Box::new(prices)));
        wired.prices = Some(thread);
    }
    if let Some(peers) = peers {
        wired.counters.push((StageName::Peers, peers.counters.reader()));
        wired.stages.insert(1, (StageName::Peers, Box::new(peers)));
    }
    if let Some(venues) = venues {
        wired.counters.push((StageName::Venues, venues.counters.reader()));
        wired.stages.insert(1, (StageName::Venues, Box::new(venues)));
    }
    if let Some((fix, reader)) = fix {
        wired.counters.push((StageName::Fix, fix.counters.reader()));
        wired.counters.push((StageName::Fix, fix.causes.reader()));
        wired.counters.push((StageName::Fix, fix.device.reader()));
        wired.latencies.push(StageLatency { name: "reported", reader });
        wired.stages.insert(1, (StageName::Fix, Box::new(fix)));
    }
    wired
}

/// The stage that hears exchanges, its latencies, and what of it is a thread's.
fn wire_prices(
    parts: PricesParts,
    requests: Producer<Request>,
) -> (Prices, [StageLatency; 3], PricesThread) {
    let (heard, of_heard) = latency();
    let (priced, of_priced) = latency();
    let (referred, of_referred) = latency();
    let readers = [("heard", of_heard), ("priced", of_priced), ("referred", of_referred)]
        .map(|(name, reader)| StageLatency { name, reader });
    let (notice, notices) = rtrb::RingBuffer::new(SLOW_DEPTH);
    let lag = PricesLag { heard, priced, referred };
    let links = PricesLinks { requests, notices: notice, lag };
    let (stage, fetcher) = Prices::new(&parts.options, parts.ports, links);
    (stage, readers, PricesThread { fetcher, notices })
}

/// Lines of the links between a client and matching: some bursts, so that the ring stays in the
/// nearest cache. Events need more room, for one command makes many.
const COMMANDS_DEPTH: usize = 4 * BURST * LINES_MAX;

/// Lines of the links on which only now and then a message travels.
pub(super) const SLOW_DEPTH: usize = 256;

/// Lines of the kill file's link.
const KILL_DEPTH: usize = 8;

/// Lines of the link for old replies, of three lines each as a rule.
const ARCHIVE_DEPTH: usize = 1024;
