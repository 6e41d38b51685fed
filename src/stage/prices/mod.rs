//! Market data in: exchanges' feeds off their lines into books, and what follows from the books to
//! the sequencer. However much comes in, a poll takes a bounded part of it and says a bounded part.
//!
//! ```text
//!  port A ─┐
//!  port B ─┴► Inlet (arbiter, books) ─► Watch ─► sequencer
//!   ▲  requests │        ▲ snapshots
//!   └───────────┘     Fetcher, a thread
//! ```

mod assembly;
mod clocks;
mod fetcher;
mod inlet;
mod tally;

use std::net::SocketAddrV4;

pub use assembly::{Assembly, Fetched};
pub use clocks::Midnights;
pub use fetcher::Fetcher;
pub use tally::FeedReaders;

use crate::feed::{ArbiterOptions, Notice, Quotes, Seen, Watch, WatchOptions};
use crate::link::Producer;
use crate::model::{Fault, Instrument, InstrumentId, Nanos, Request, SessionId};
use crate::port::Port;
use crate::runtime::{Counters, LatencyRecorder, Stage};
use crate::stage::prices::fetcher::Ends;
use crate::stage::prices::inlet::Inlet;
use crate::stage::prices::tally::Tally;

crate::counters! {
    /// What is counted of exchanges' prices as a whole.
    pub PricesCounter {
        References: "reference prices told to the sequencer",
        Halts: "halts asked for: no feed has prices, or the exchange halted",
        Resumes: "ends of such halts asked for",
        Crossed: "looks at an instrument whose venues crossed: no price",
        Faults: "messages that could not be: not applied, and the book is not used",
        Gaps: "gaps that no line closed in time",
        Asked: "requests for what was missing",
        Recovered: "messages that came as answers to requests",
        Snapshots: "snapshots taken in",
        SnapshotsRefused: "snapshots of another session, or too far ahead: not taken in",
        Restarts: "sessions that began anew",
        Jumps: "packets too far ahead, or long known, that were not believed",
        ClockJumps: "messages said ahead of our clock, or long before they came: no price",
        NoticesLost: "notices to people that found no room",
        Feeds: level "exchanges' feeds there are",
        FeedsHeard: level "of them, those of which a line is heard now",
    }
}

/// A feed, as configured.
#[derive(Clone, Debug)]
pub struct InletSpec {
    /// Its name.
    pub name: String,
    /// Where its lines are heard: groups, or addresses of ours.
    pub lines: Vec<SocketAddrV4>,
    /// Our address on each line's network; requests leave from the first.
    pub own: Vec<SocketAddrV4>,
    /// Who sends again what was missed.
    pub requests: Option<SocketAddrV4>,
    /// Who gives snapshots: where, user, password.
    pub snapshots: Option<(SocketAddrV4, String, String)>,
    /// The instruments it prices.
    pub instruments: Vec<InstrumentId>,
    /// Whether its halts are halts here.
    pub halts: bool,
    /// Our session at the exchange, where orders go to it; 0: they do not.
    pub session: SessionId,
    /// How its lines are arbitrated.
    pub arbiter: ArbiterOptions,
    /// Orders in its books, at most.
    pub orders_max: usize,
    /// Prices a side, at most.
    pub levels_max: usize,
    /// When its day begins.
    pub midnights: Midnights,
    /// How far its clock and ours may be apart; 0: as they like.
    pub clock: Nanos,
}

/// What is told at boot.
#[derive(Clone, Debug)]
pub struct PricesOptions {
    /// What is traded.
    pub instruments: Vec<Instrument>,
    /// The feeds.
    pub inlets: Vec<InletSpec>,
    /// How prices are watched.
    pub watch: WatchOptions,
}

impl PricesOptions {
    /// The numbers of instruments that some feed prices.
    fn priced(&self) -> Vec<InstrumentId> {
        let mut ids: Vec<_> =
            self.inlets.iter().flat_map(|inlet| inlet.instruments.iter().copied()).collect();
        ids.sort();
        ids.dedup();
        ids
    }
}

/// What the stage is joined by.
pub struct PricesLinks {
    /// To the sequencer.
    pub requests: Producer<Request>,
    /// To people.
    pub notices: rtrb::Producer<Notice>,
    /// How long prices take.
    pub lag: PricesLag,
}

/// From the exchange's time to each place on a price's road.
pub struct PricesLag {
    /// To the port, where that knows the time.
    pub heard: LatencyRecorder,
    /// To the book.
    pub priced: LatencyRecorder,
    /// To the sequencer, as a reference price: that is sampled.
    pub referred: LatencyRecorder,
}

/// Lines of the link to the sequencer.
pub const PRICES_DEPTH: usize = 64;

/// Instruments looked at in a poll.
const LOOKS: usize = 16;

/// How often a round of looks begins.
const ROUND_EVERY: Nanos = Nanos(200_000);

/// The stage.
pub struct Prices {
    inlets: Vec<Inlet>,
    /// By row of the watch: each inlet that prices it, with the place in its books.
    venues: Box<[Vec<(usize, usize)>]>,
    watch: Watch,
    links: PricesLinks,
    /// The next row to look at.
    row: usize,
    round_at: Nanos,
    is_stopping: bool,
    /// Counters, for whoever shows them.
    pub counters: Counters<PricesCounter>,
    /// Of each feed, in the inlets' order.
    tallies: Vec<Tally>,
}

impl Prices {
    /// The stage, and the thread's end that fetches snapshots. Each feed has a port for each line.
    pub fn new(
        options: &PricesOptions,
        ports: Vec<Vec<Box<dyn Port>>>,
        links: PricesLinks,
    ) -> (Self, Fetcher) {
        let ids = options.priced();
        let mut venues = vec![Vec::new(); ids.len()];
        let (mut inlets, mut fetcher) = (Vec::new(), Fetcher::default());
        for (at, (spec, ports)) in options.inlets.iter().zip(ports).enumerate() {
            for (place, id) in spec.instruments.iter().enumerate() {
                if let Ok(row) = ids.binary_search(id) {
                    venues[row].push((at, place));
                }
            }
            let ends: Ends = fetcher.add(spec.snapshots.clone());
            inlets.push(Inlet::new(at, spec, &options.instruments, ports, ends));
        }
        let sessions: Vec<_> = options.inlets.iter().map(|inlet| inlet.session).collect();
        let tallies = options.inlets.iter().map(Tally::of).collect();
        let watch = Watch::new(options.watch, &ids, &sessions);
        let stage = Self {
            inlets,
            venues: venues.into(),
            watch,
            links,
            row: 0,
            round_at: Nanos::ZERO,
            is_stopping: false,
            counters: Counters::default(),
            tallies,
        };
        (stage, fetcher)
    }

    /// The reading ends of what is counted of each feed.
    pub fn readers(&self) -> Vec<FeedReaders> {
        self.tallies.iter().map(Tally::readers).collect()
    }

    /// Looks at the next rows, and says what follows.
    fn look(&mut self, now: Nanos) -> usize {
        if self.row == 0 && now < self.round_at {
            return 0;
        }
        let Self { inlets, venues, watch, links, counters, .. } = self;
        let PricesLinks { requests, notices, lag } = links;
        let end = (self.row + LOOKS).min(venues.len());
        let mut said = 0;
        for row in self.row..end {
            let mut seen = Seen::default();
            let (mut quotes, mut said_at) = (Quotes::default(), None);
            for &(inlet, place) in venues.get(row).into_iter().flatten() {
                let Some(inlet) = inlets.get(inlet) else { continue };
                let Some(book) = inlet.sound(place, now) else { continue };
                seen.is_heard = true;
                seen.is_halted |= inlet.halts && !book.trades();
                let Some(book) = inlet.priced(place, now) else { continue };
                quotes.consider(inlet.at, book);
                said_at = said_at.max(inlet.said_at(book, now));
            }
            if quotes.is_crossed() {
                counters.count(PricesCounter::Crossed);
            }
            seen.quotes = quotes;
            let references = watch.references;
            let notice = watch.look(row, &seen, now, &mut |request| {
                let sent = requests.push_head(request);
                said += usize::from(sent);
                sent
            });
            if let Some(at) = said_at.filter(|_| watch.references > references) {
                lag.referred.record(at, now);
            }
            if let Some(notice) = notice
                && notices.push(notice).is_err()
            {
                counters.count(PricesCounter::NoticesLost);
            }
        }
        self.row = end;
        if end == venues.len() {
            (self.row, self.round_at) = (0, now.saturating_add(ROUND_EVERY));
        }
        said
    }

    fn count(&mut self) {
        use PricesCounter as C;
        let sum = |of: &dyn Fn(&Inlet) -> u64| self.inlets.iter().map(of).sum::<u64>();
        let values = [
            (C::References, self.watch.references),
            (C::Halts, self.watch.halts),
            (C::Resumes, self.watch.resumes),
            (C::Faults, sum(&|inlet| inlet.faults())),
            (C::Gaps, sum(&|inlet| inlet.arbiter.gaps)),
            (C::Asked, sum(&|inlet| inlet.arbiter.requests)),
            (C::Recovered, sum(&|inlet| inlet.arbiter.recovered)),
            (C::Snapshots, sum(&|inlet| inlet.snapshots)),
            (C::SnapshotsRefused, sum(&|inlet| inlet.snapshots_refused)),
            (C::Restarts, sum(&|inlet| inlet.arbiter.restarts)),
            (C::Jumps, sum(&|inlet| inlet.arbiter.jumps)),
            (C::ClockJumps, sum(&|inlet| inlet.clock_jumps)),
            (C::Feeds, sum(&|_| 1)),
            (C::FeedsHeard, sum(&|inlet| u64::from(inlet.is_heard()))),
        ];
        values.into_iter().for_each(|(counter, value)| self.counters.set(counter, value));
    }
}

impl Stage for Prices {
    fn name(&self) -> &str {
        "prices"
    }

    fn tells_time(&self) -> bool {
        true
    }

    /// Orders go first: prices are sampled anyway.
    fn is_background(&self) -> bool {
        true
    }

    fn poll(&mut self, now: Nanos) -> Result<usize, Fault> {
        if self.is_stopping {
            return Ok(0);
        }
        let Self { inlets, links, counters, .. } = self;
        let PricesLinks { notices, lag, .. } = links;
        let mut tell = |notice| {
            if notices.push(notice).is_err() {
                counters.count(PricesCounter::NoticesLost);
            }
        };
        let mut work = 0;
        for inlet in inlets {
            work += inlet.poll(now, lag, &mut tell);
        }
        Ok(work + self.look(now))
    }

    /// An exchange never falls silent: who stops must not wait for it to.
    fn stop(&mut self, _now: Nanos) {
        self.is_stopping = true;
    }

    fn housekeep(&mut self, now: Nanos) {
        self.count();
        self.counters.publish();
        let tallies = self.tallies.iter_mut().zip(&self.inlets);
        tallies.for_each(|(tally, inlet)| tally.count(inlet, now));
        let PricesLag { heard, priced, referred } = &mut self.links.lag;
        [heard, priced, referred].into_iter().for_each(LatencyRecorder::hand_over);
    }
}

#[cfg(test)]
mod tests;
