//! Drives a matcher, software or hardware, and deals its events to all who want them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::engine::{BookView, Hardware, Matcher, Quote};
use crate::link::{Consumer, Producer, Taken};
use crate::model::{
    Command, CommandKind, Event, EventKind, Fault, InstrumentId, Nanos, Request, SessionId,
};
use crate::runtime::{Counters, LatencyRecorder, Stage};
use crate::stage::{BURST, DepthBoard, HardwareBoard};

crate::counters! {
    /// What the matching stage counts.
    pub MatchingCounter {
        Commands: "commands matched",
        Events: "events made of them",
        Fills: "executions, each side counted",
        Backpressured: "polls that found no room behind",
        Hardware: "commands that hardware answered",
        Relieved: level
            "why the software answers in its place: 1 asked, 2 differed, 3 silent, 4 unfit",
    }
}

/// How far ahead of its turn the matcher is told of a command, where so many wait.
const AHEAD: usize = 12;

/// Best bid and offer of one instrument, as last published; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopOfBook {
    /// Best bid, in price units.
    pub bid: i64,
    /// Quantity there.
    pub bid_quantity: u64,
    /// Best offer, in price units.
    pub ask: i64,
    /// Quantity there.
    pub ask_quantity: u64,
}

#[derive(Debug, Default)]
struct BoardRow {
    bid: AtomicI64,
    bid_quantity: AtomicU64,
    ask: AtomicI64,
    ask_quantity: AtomicU64,
}

/// What matching shows to people: refreshed in housekeeping, never exact to the instant.
#[derive(Debug)]
pub struct Board {
    instruments: Box<[InstrumentId]>,
    /// By shard: an instrument has orders in one of them.
    shards: Box<[ShardBoard]>,
    /// Their best prices.
    pub depth: DepthBoard,
}

#[derive(Debug)]
struct ShardBoard {
    rows: Box<[BoardRow]>,
    open_orders: AtomicU64,
    hardware: HardwareBoard,
}

impl Board {
    /// For these instruments.
    pub fn new(instruments: &[InstrumentId]) -> Arc<Self> {
        Self::sharded(instruments, 1)
    }

    /// For these instruments in so many shards.
    pub fn sharded(instruments: &[InstrumentId], shards: usize) -> Arc<Self> {
        let shard = |_| ShardBoard {
            rows: instruments.iter().map(|_| BoardRow::default()).collect(),
            open_orders: AtomicU64::new(0),
            hardware: HardwareBoard::default(),
        };
        let shards = (0..shards.max(1)).map(shard).collect();
        let depth = DepthBoard::new(instruments.len());
        Arc::new(Self { instruments: instruments.into(), shards, depth })
    }

    /// Orders resting in all books.
    pub fn open_orders(&self) -> u64 {
        self.shards.iter().map(|shard| shard.open_orders.load(Ordering::Relaxed)).sum()
    }

    /// What the hardware of a shard does, if the shard has some.
    pub fn hardware(&self, shard: usize) -> Option<Hardware> {
        self.shards.get(shard).map(|shard| shard.hardware.read())
    }

    /// A shard's open orders are so many.
    pub(in crate::stage) fn show_open(&self, shard: u8, open: u64) {
        if let Some(shard) = self.shards.get(shard as usize) {
            shard.open_orders.store(open, Ordering::Relaxed);
        }
    }

    /// The instruments and their tops.
    pub fn tops(&self) -> impl Iterator<Item = (InstrumentId, TopOfBook)> + '_ {
        let of = |row: &BoardRow| TopOfBook {
            bid: row.bid.load(Ordering::Relaxed),
            bid_quantity: row.bid_quantity.load(Ordering::Relaxed),
            ask: row.ask.load(Ordering::Relaxed),
            ask_quantity: row.ask_quantity.load(Ordering::Relaxed),
        };
        self.instruments.iter().enumerate().map(move |(at, id)| {
            let rows = self.shards.iter().filter_map(|shard| shard.rows.get(at));
            let shown = rows.map(of).find(|top| *top != TopOfBook::default());
            (*id, shown.unwrap_or_default())
        })
    }
}

/// Where events go: each gateway its sessions', recorder, feed and risk all of them.
pub struct EventLinks {
    /// One per gateway.
    pub gateways: Vec<Producer<Event>>,
    /// Which gateway owns a session, by session id.
    pub gateway_of: Box<[u8]>,
    /// Back to risk.
    pub risk: Producer<Event>,
    /// To the event log.
    pub recorder: Producer<Event>,
    /// To market data.
    pub feed: Producer<Event>,
}

/// Where a matching stage's events go: to all who want them, or to the collector of shards.
pub trait DealEvents: Send {
    /// How many there is room for, of `wanted`.
    fn credits(&mut self, wanted: usize) -> usize;

    /// Sends them; there is room, or a limit was broken.
    fn send(&mut self, events: &[Event]) -> bool;
}

impl DealEvents for Producer<Event> {
    #[inline]
    fn credits(&mut self, wanted: usize) -> usize {
        Producer::credits(self, wanted)
    }

    #[inline]
    fn send(&mut self, events: &[Event]) -> bool {
        self.push_heads(events)
    }
}

impl EventLinks {
    /// In `gateway_of`: the last gateway is shown the session's events as well.
    pub const COPIED: u8 = 0x80;
}

impl DealEvents for EventLinks {
    /// Events every link has room for.
    #[inline]
    fn credits(&mut self, wanted: usize) -> usize {
        let credits = self.risk.credits(wanted).min(self.recorder.credits(wanted));
        let credits = credits.min(self.feed.credits(wanted));
        self.gateways.iter_mut().fold(credits, |least, link| least.min(link.credits(wanted)))
    }

    /// Sends events to all who want them; there is room, or a limit was broken.
    #[inline]
    fn send(&mut self, events: &[Event]) -> bool {
        self.send_to_gateways(events)
            & self.risk.push_heads(events)
            & self.recorder.push_heads(events)
            & self.feed.push_heads(events)
    }
}

impl EventLinks {
    #[inline]
    fn send_to_gateways(&mut self, events: &[Event]) -> bool {
        let Self { gateways, gateway_of, .. } = self;
        if let [only] = gateways.as_mut_slice() {
            return only.push_heads(events);
        }
        events.iter().all(|event| match event.session {
            // The operator's events are every session's: start of day, kills.
            SessionId(0) => gateways.iter_mut().all(|link| link.push_head(event)),
            session => {
                let owner = gateway_of.get(session.index()).copied().unwrap_or(0);
                let is_copied = owner & Self::COPIED != 0;
                let copied =
                    !is_copied || gateways.last_mut().is_none_or(|link| link.push_head(event));
                let link = gateways.get_mut((owner & !Self::COPIED) as usize);
                copied & link.is_none_or(|link| link.push_head(event))
            }
        })
    }
}

/// The matching stage.
pub struct Matching<M: Matcher + BookView, L: DealEvents = EventLinks> {
    matcher: M,
    commands: Consumer<Command>,
    links: L,
    /// Back to the sequencer: the next step of an unfinished mass cancel.
    sequencer: Producer<Request>,
    sweep_asked: bool,
    /// Its place among the shards.
    shard: u8,
    name: String,
    events_per_command_max: usize,
    board: Arc<Board>,
    /// Counters, for whoever shows them.
    pub counters: Counters<MatchingCounter>,
    matched: LatencyRecorder,
}

impl<M: Matcher + BookView, L: DealEvents> Matching<M, L> {
    /// Goes on from a matcher that a replay may have filled.
    pub fn new(
        matcher: M,
        events_per_command_max: usize,
        commands: Consumer<Command>,
        links: L,
        sequencer: Producer<Request>,
        board: Arc<Board>,
        matched: LatencyRecorder,
    ) -> Self {
        Self {
            matcher,
            commands,
            links,
            sequencer,
            sweep_asked: false,
            shard: 0,
            name: "matching".into(),
            events_per_command_max,
            board,
            counters: Counters::default(),
            matched,
        }
    }

    /// As one of several shards.
    #[must_use]
    pub fn of_shard(self, shard: u8) -> Self {
        Self { shard, name: format!("matching-{}", u32::from(shard) + 1), ..self }
    }

    /// Asks for the next step of what is unfinished or due, once.
    fn ask_for_sweep(&mut self, now: Nanos) {
        let wanted = self.matcher.wants_sweep() || self.matcher.due_at() <= now;
        if wanted && !self.sweep_asked {
            let mut request = Request::new(CommandKind::Sweep, now);
            request.0.target = u32::from(self.shard);
            self.sweep_asked = self.sequencer.push_head(&request);
        }
    }

    fn deal_events(&mut self) -> Result<(), Fault> {
        let Self { matcher, links, counters, .. } = self;
        let mut sent = true;
        loop {
            let events = matcher.finished();
            let count = events.len();
            if count == 0 {
                break;
            }
            sent &= links.send(events);
            let fills = events.iter().filter(|event| event.kind == EventKind::Executed.code());
            counters.add(MatchingCounter::Fills, fills.count() as u64);
            counters.add(MatchingCounter::Events, count as u64);
            matcher.release(count);
        }
        if sent { Ok(()) } else { Err(Fault::LimitBroken) }
    }

    /// Matches one command where it lies, if one waits; returns when it was received.
    #[inline]
    fn match_one(&mut self) -> Result<Option<Nanos>, Fault> {
        let Self { commands, matcher, sweep_asked, .. } = self;
        if let Some(command) = commands.glance(AHEAD) {
            matcher.expect(&command);
        }
        let mut received_at = None;
        let mut outcome = Ok(());
        commands.take_each(|command, rest| {
            if command.kind == CommandKind::Sweep.code() {
                *sweep_asked = false;
            }
            received_at = Some(command.received_at());
            outcome = matcher.submit_parts(command, rest).map_err(|_| Fault::LimitBroken);
            Taken::Last
        });
        outcome.map(|()| received_at)
    }
}

impl<M: Matcher + BookView, L: DealEvents> Stage for Matching<M, L> {
    fn name(&self) -> &str {
        &self.name
    }

    fn tells_time(&self) -> bool {
        true
    }

    fn poll(&mut self, now: Nanos) -> Result<usize, Fault> {
        if self.commands.is_empty() {
            self.ask_for_sweep(now);
            return Ok(0);
        }
        let mut work = 0;
        let most = self.events_per_command_max;
        while work < BURST {
            // What is dealt together costs less, as long as there is room for another at its worst.
            let undealt = self.matcher.finished().len();
            if self.links.credits(undealt + most) < undealt + most {
                if undealt == 0 {
                    self.counters.count(MatchingCounter::Backpressured);
                    break;
                }
                self.deal_events()?;
                continue;
            }
            if undealt >= most {
                self.deal_events()?;
            }
            let Some(received_at) = self.match_one()? else { break };
            if work == 0 {
                // The first of a burst has waited longest; it speaks for the others.
                self.matched.record(received_at, now);
            }
            work += 1;
        }
        self.deal_events()?;
        self.counters.add(MatchingCounter::Commands, work as u64);
        self.ask_for_sweep(now);
        Ok(work)
    }

    fn held(&self) -> u64 {
        self.counters.value(MatchingCounter::Backpressured)
    }

    fn housekeep(&mut self, _now: Nanos) {
        let hardware = self.matcher.hardware();
        if let Some(hardware) = &hardware {
            let relieved = hardware.relieved.map_or(0, |why| why as u64);
            self.counters.set(MatchingCounter::Hardware, hardware.answered);
            self.counters.set(MatchingCounter::Relieved, relieved);
        }
        self.counters.publish();
        self.commands.show_fill();
        self.matched.hand_over();
        let Some(shard) = self.board.shards.get(self.shard as usize) else { return };
        shard.open_orders.store(self.matcher.open_orders() as u64, Ordering::Relaxed);
        if let Some(hardware) = &hardware {
            shard.hardware.show(hardware);
        }
        for (id, row) in self.board.instruments.iter().zip(shard.rows.iter()) {
            let top = self.matcher.top(*id);
            let of = |quote: Option<Quote>| quote.map_or((0, 0), |q| (q.price.0, q.quantity));
            let (bid, ask) = (of(top.bid), of(top.ask));
            row.bid.store(bid.0, Ordering::Relaxed);
            row.bid_quantity.store(bid.1, Ordering::Relaxed);
            row.ask.store(ask.0, Ordering::Relaxed);
            row.ask_quantity.store(ask.1, Ordering::Relaxed);
        }
        self.board.depth.show(&self.board.instruments, &self.matcher);
    }
}
