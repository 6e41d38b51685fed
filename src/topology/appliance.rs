//! A running appliance: its threads, what can be read of them, and how they end.

#[cfg(feature = "scaled")]
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::feed::Notice;
use crate::journal::{KeeperThread, Progress};
use crate::model::{Fault, SessionId};
use crate::outlet::OutletOptions;
use crate::port::stream::Stream;
use crate::port::tcp::TcpLine;
use crate::runtime::{Clock, Core, CounterReader, StopFlag, SystemClock, log, pin};
use crate::slow::levels::{Levels, SharedLevels};
use crate::slow::{Roster, SlowError, SlowPath};
use crate::stage::{Archive, Board, Dialer, Door, Gate, GatewayOptions, LimitBoard};
#[cfg(feature = "scaled")]
use crate::topology::ScaledConfig;
use crate::topology::accounts::Accounts;
use crate::topology::clearing::spawn_clearing;
#[cfg(feature = "scaled")]
use crate::topology::limits_feed::spawn_limits_feed;
use crate::topology::scribe::{Seen, spawn_scribe};
use crate::topology::speaker::{DatedLimits, Heard, Speaker};
use crate::topology::standby::{CourtParts, Vitals, spawn_court};
#[cfg(feature = "scaled")]
use crate::topology::stores::{Engines, spawn_engines};
use crate::topology::utc_watch::UtcWatch;
use crate::topology::wiring::{PricesThread, StageLatency};
use crate::topology::{
    AdminServer, Catalogue, ClearingConfig, Config, KillFile, KillSwitch, Placement, StageName,
    Taker, Timetable, Wired, spawn_snapshots,
};

/// How often the slow thread looks for something to do when there was nothing.
const SLOW_PAUSE: Duration = Duration::from_millis(2);

/// Everything a start needs.
pub(super) struct Launch {
    pub(super) wired: Wired,
    pub(super) placement: Placement,
    pub(super) clock: SystemClock,
    pub(super) board: Arc<Board>,
    pub(super) progress: [Arc<Progress>; 2],
    pub(super) keepers: Vec<KeeperThread>,
    pub(super) slow: SlowPath,
    pub(super) journal: PathBuf,
    pub(super) data: PathBuf,
    pub(super) clearing: Option<ClearingConfig>,
    #[cfg(feature = "scaled")]
    pub(super) scaled: Option<ScaledConfig>,
    #[cfg(feature = "scaled")]
    pub(super) buying_powers: BTreeMap<crate::model::AccountId, i64>,
    #[cfg(feature = "scaled")]
    pub(super) symbols: Vec<String>,
    pub(super) options: GatewayOptions,
    pub(super) timetables: Vec<Timetable>,
    pub(super) door: Option<Door>,
    pub(super) dialer: Option<Dialer>,
    pub(super) admin: AdminServer,
    /// Over the clock.
    pub(super) utc: UtcWatch,
    pub(super) limits: DatedLimits,
    pub(super) kill_file: PathBuf,
    pub(super) court: Option<CourtParts>,
    pub(super) listing: Listing,
    /// For the thread that takes snapshots: it makes state of its own. And the one before it.
    pub(super) snapshots: ((Config, Catalogue), Taker),
    /// Exchanges' feeds, by place.
    pub(super) feed_names: Vec<String>,
    /// Who is told of the market besides the groups, and what that waits for.
    pub(super) outlet: (OutletOptions, Gate),
}

/// What there is, by its names: for people.
pub(super) struct Listing {
    pub(super) data: PathBuf,
    pub(super) roster: Roster,
    pub(super) sessions: Vec<(SessionId, &'static str)>,
    pub(super) gate: &'static str,
    /// Shards that hardware matches, by place.
    pub(super) hardware: Vec<usize>,
}

/// A running appliance. Dropping it without [`Appliance::stop`] leaves its threads to the process.
pub struct Appliance {
    cores: Vec<JoinHandle<Result<(), Fault>>>,
    slow: JoinHandle<Result<SlowPath, SlowError>>,
    archive: JoinHandle<()>,
    door: Option<JoinHandle<()>>,
    dialer: Option<JoinHandle<()>>,
    court: Option<JoinHandle<()>>,
    scribe: JoinHandle<()>,
    keepers: Vec<KeeperThread>,
    stop: StopFlag,
    stop_slow: StopFlag,
    /// Each stage's counters.
    pub counters: Vec<(StageName, CounterReader)>,
    /// Stops trading past all that may be busy.
    pub kill_switch: KillSwitch,
    /// What matching shows.
    pub board: Arc<Board>,
    /// The limits that are used most.
    pub limits: Arc<LimitBoard>,
    /// How far the command log and the event log reach.
    pub progress: [Arc<Progress>; 2],
    /// The service levels.
    pub levels: SharedLevels,
    /// How far the clock may be from UTC before orders are refused; may change.
    pub utc_bound_us: Arc<AtomicU64>,
    /// What is traded.
    pub roster: Roster,
}

/// Why an appliance did not end well.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// A core stopped by itself.
    #[error("a core stopped by a fault: {}", .0.sentence())]
    Fault(Fault),
    /// A thread panicked.
    #[error("a thread panicked; its message is above")]
    Panicked,
    /// The slow path failed.
    #[error(transparent)]
    Slow(#[from] SlowError),
    /// The journal failed.
    #[error("{0}")]
    Journal(String),
}

impl Launch {
    /// Deals the stages onto their threads and starts them.
    pub(super) fn start(self) -> std::io::Result<Appliance> {
        let Self { mut wired, placement, clock, board, progress, keepers, slow, .. } = self;
        let (stop, stop_slow) = (StopFlag::default(), StopFlag::default());
        let mut cores = Vec::new();
        let mut times = Vec::new();
        let (counters, links) = (wired.counters.clone(), wired.links.clone());
        let mut vitals = Vitals { cores: Vec::new(), counters, links };
        for placed in &placement.cores {
            let stages = placed.stages.iter().filter_map(|name| {
                let at = wired.stages.iter().position(|(wired, _)| wired == name)?;
                Some(wired.stages.remove(at).1)
            });
            let core = Core::new(placed.cpu, placed.idle, stages.collect());
            times.push((placed.cpu, placed.stages.clone(), core.times()));
            vitals.cores.push((placed.stages.clone(), core.times()));
            cores.push(spawn_core(core, clock.clone(), stop.clone())?);
        }
        let release = self.court.as_ref().map(|parts| Arc::clone(&parts.release));
        let court = self.court.map(|parts| {
            let court = parts.court(self.journal.clone(), vitals);
            spawn_court(court, clock.clone(), stop_slow.clone(), placement.slow_cpu)
        });
        let court = court.transpose()?;
        let is_short = Arc::clone(&wired.journal_is_short);
        let door =
            self.door.map(|door| spawn_door(door, clock.clone(), stop.clone())).transpose()?;
        let dialer = self.dialer.map(|dialer| spawn_dialer(dialer, clock.clone(), stop.clone()));
        let dialer = dialer.transpose()?;
        let listing = self.listing;
        let (kill_file, kill_switch) =
            KillFile::new(self.kill_file, wired.kill_requests, listing.roster.clone());
        if let Some(prices) = wired.prices.take() {
            spawn_prices(prices, self.feed_names, clock.clone(), stop_slow.clone())?;
        }
        let (outlet, gate) = self.outlet;
        let mut hub = None;
        if outlet.is_used() {
            let served = crate::outlet::spawn(&outlet, gate, clock.clone(), stop_slow.clone())?;
            let readers = served.lag.readers().into_iter();
            wired.latencies.extend(readers.map(|(name, reader)| StageLatency { name, reader }));
            hub = Some(served);
        }
        spawn_kill_file(kill_file, clock.clone(), stop_slow.clone())?;
        let levels = SharedLevels::default();
        let seen = Seen {
            levels: levels.clone(),
            counters: wired.counters.clone(),
            feeds: wired.feeds.clone(),
            latencies: wired.latencies,
            links: wired.links,
            cores: times,
            board: Arc::clone(&board),
            roster: listing.roster.clone(),
            sessions: wired.sessions,
            listed: listing.sessions,
            progress: progress.clone(),
            refusals: wired.refusals.clone(),
            pulse: wired.risk_pulse.clone(),
            release,
            gate: listing.gate,
            hardware: listing.hardware,
            outlet: hub,
        };
        let scribe = spawn_scribe(seen, &listing.data, clock.clone(), stop_slow.clone())?;
        let heard = Heard {
            alerts: wired.alerts,
            pulse: wired.risk_pulse,
            refusals: wired.refusals,
            counters: wired.counters.clone(),
            feeds: wired.feeds,
            board: Arc::clone(&board),
        };
        let utc_bound_us = self.utc.bound_us();
        let speaker = Speaker::new(wired.slow_requests, clock, is_short, self.timetables)
            .keeping_to_utc(self.utc)
            .after(wired.throttles)
            .answering(self.admin, self.limits, heard)
            .judging(levels.clone(), Accounts::new(&self.journal, &self.data));
        #[cfg(feature = "scaled")]
        let speaker = match self.scaled.as_ref().and_then(ScaledConfig::limits_in_redis) {
            None => speaker,
            Some((redis, limits)) => {
                let local = self.buying_powers;
                speaker.following(spawn_limits_feed(redis, limits, local, stop_slow.clone())?)
            }
        };
        #[cfg(feature = "scaled")]
        if let Some(config) = self.scaled.filter(ScaledConfig::is_used) {
            let (is_behind, facts) = speaker.shared();
            spawn_engines(Engines {
                config,
                journal: self.journal.clone(),
                data: self.data.clone(),
                progress: Arc::clone(&progress[1]),
                clock: SystemClock::new(),
                stop: stop_slow.clone(),
                is_behind,
                board: Arc::clone(&board),
                symbols: self.symbols,
                facts,
            })?;
        }
        let commands = Arc::clone(&progress[0]);
        let (parts, before) = self.snapshots;
        spawn_snapshots(parts, commands, placement.slow_cpu, stop_slow.clone(), before)?;
        if let Some(config) = self.clearing {
            let (journal, data) = (self.journal.clone(), self.data.clone());
            spawn_clearing(config, journal, data, stop_slow.clone())?;
        }
        let slow = spawn_slow(slow, speaker, placement.slow_cpu, stop_slow.clone())?;
        let archive = Archive::new(&self.journal, &self.options, wired.archive);
        let archive = spawn_archive(archive, placement.slow_cpu, stop_slow.clone())?;
        Ok(Appliance {
            cores,
            slow,
            archive,
            door,
            dialer,
            court,
            scribe,
            keepers,
            stop,
            stop_slow,
            counters: wired.counters,
            kill_switch,
            board,
            limits: wired.limits,
            progress,
            levels,
            utc_bound_us,
            roster: listing.roster,
        })
    }
}

fn spawn_core(
    mut core: Core,
    clock: SystemClock,
    stop: StopFlag,
) -> std::io::Result<JoinHandle<Result<(), Fault>>> {
    let name = core.name().to_owned();
    thread::Builder::new().name(name).spawn(move || core.run(&clock, &stop))
}

fn spawn_slow(
    mut slow: SlowPath,
    mut speaker: Speaker,
    cpu: Option<usize>,
    stop: StopFlag,
) -> std::io::Result<JoinHandle<Result<SlowPath, SlowError>>> {
    let body = move || {
        if let Some(cpu) = cpu {
            pin(cpu);
        }
        loop {
            // Read before the step: what was recorded until then is in it.
            let is_last = stop.is_raised();
            let done = slow.step()?;
            speaker.tell(slow.books());
            speaker.speak();
            if done == 0 {
                if is_last {
                    return Ok(slow);
                }
                thread::sleep(SLOW_PAUSE);
            }
        }
    };
    thread::Builder::new().name("slow".into()).spawn(body)
}

/// Looks for the kill file.
fn spawn_kill_file(mut file: KillFile, clock: SystemClock, stop: StopFlag) -> std::io::Result<()> {
    let body = move || {
        while !stop.is_raised() {
            file.look(clock.now());
            file.pause();
        }
    };
    thread::Builder::new().name("kill-file".into()).spawn(body).map(drop)
}

/// Finds old replies for clients that were away for long; idle as a rule.
fn spawn_archive(
    mut archive: Archive,
    cpu: Option<usize>,
    stop: StopFlag,
) -> std::io::Result<JoinHandle<()>> {
    let body = move || {
        if let Some(cpu) = cpu {
            pin(cpu);
        }
        while !stop.is_raised() {
            if archive.step() == 0 {
                thread::sleep(SLOW_PAUSE);
            }
        }
    };
    thread::Builder::new().name("archive".into()).spawn(body)
}

/// Fetches snapshots of exchanges' books, and tells people how their feeds fare.
fn spawn_prices(
    prices: PricesThread,
    names: Vec<String>,
    clock: SystemClock,
    stop: StopFlag,
) -> std::io::Result<()> {
    let PricesThread { mut fetcher, mut notices } = prices;
    let body = move || {
        while !stop.is_raised() {
            while let Ok(notice) = notices.pop() {
                log::tell(&sentence_of(&notice, &names));
            }
            let complain = &mut |why: String| log::alert(&why);
            if fetcher.step(clock.now(), complain) == 0 {
                thread::sleep(SLOW_PAUSE);
            }
        }
    };
    thread::Builder::new().name("prices-slow".into()).spawn(body).map(drop)
}

/// What a notice says to people.
fn sentence_of(notice: &Notice, names: &[String]) -> String {
    let name = |feed: &usize| names.get(*feed).map_or("?", String::as_str);
    let line = |line: &usize| if *line == 0 { 'A' } else { 'B' };
    match notice {
        Notice::Stale(id) => {
            format!("alert: no feed has prices of instrument {id}: it halts until one has")
        }
        Notice::Halted(id) => format!("alert: the exchange has halted instrument {id}: it halts"),
        Notice::Resumes(id) => format!("instrument {id} has good prices again and resumes"),
        Notice::LineLost { feed, line: at } => {
            format!(
                "alert: line {} of feed {} is silent; the other carries on",
                line(at),
                name(feed)
            )
        }
        Notice::LineBack { feed, line: at } => {
            format!("line {} of feed {} is heard again", line(at), name(feed))
        }
        Notice::FeedLost { feed } => format!("alert: no line of feed {} is heard", name(feed)),
        Notice::Restarted { feed } => {
            format!("alert: feed {} began a new session; its books begin anew", name(feed))
        }
        Notice::SnapshotWanted { feed } => format!("feed {}: a snapshot is wanted", name(feed)),
        Notice::CaughtUp { feed, next } => {
            format!("feed {}: a snapshot was taken in; it goes on from message {next}", name(feed))
        }
    }
}

/// Lets FIX clients in.
fn spawn_door(
    mut door: Door,
    clock: SystemClock,
    stop: StopFlag,
) -> std::io::Result<JoinHandle<()>> {
    let body = move || {
        while !stop.is_raised() {
            if door.step(clock.now()) == 0 {
                thread::sleep(SLOW_PAUSE);
            }
        }
    };
    thread::Builder::new().name("fix-door".into()).spawn(body)
}

/// Opens lines to exchanges.
fn spawn_dialer(
    mut dialer: Dialer,
    clock: SystemClock,
    stop: StopFlag,
) -> std::io::Result<JoinHandle<()>> {
    let mut connect = |address| -> Option<Box<dyn Stream>> {
        TcpLine::connect(address).ok().map(|line| Box::new(line) as _)
    };
    let body = move || {
        while !stop.is_raised() {
            if dialer.step(clock.now(), &mut connect) == 0 {
                thread::sleep(SLOW_PAUSE);
            }
        }
    };
    thread::Builder::new().name("dialer".into()).spawn(body)
}

impl Appliance {
    /// What is new about the service levels.
    pub fn judge(&self) -> Vec<String> {
        self.levels.with(Levels::take_news)
    }

    /// Whether a core has ended by itself.
    pub fn has_fallen(&self) -> bool {
        self.cores.iter().any(JoinHandle::is_finished) || self.slow.is_finished()
    }

    /// Stops in order: sessions are told, links run dry, the journal is synced, positions stored.
    ///
    /// # Errors
    /// What did not end well; the rest was ended all the same.
    pub fn stop(self) -> Result<SlowPath, StopError> {
        self.stop.raise();
        let mut outcome = Ok(());
        for core in self.cores {
            match core.join() {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => outcome = Err(StopError::Fault(fault)),
                Err(_) => outcome = Err(StopError::Panicked),
            }
        }
        for keeper in self.keepers {
            if !keeper.stop() {
                outcome = Err(StopError::Panicked);
            }
        }
        self.stop_slow.raise();
        if self.door.is_some_and(|door| door.join().is_err()) {
            outcome = outcome.and(Err(StopError::Panicked));
        }
        if self.dialer.is_some_and(|dialer| dialer.join().is_err()) {
            outcome = outcome.and(Err(StopError::Panicked));
        }
        if self.court.is_some_and(|court| court.join().is_err()) {
            outcome = outcome.and(Err(StopError::Panicked));
        }
        if self.scribe.join().is_err() || self.archive.join().is_err() {
            outcome = outcome.and(Err(StopError::Panicked));
        }
        let slow = self.slow.join().map_err(|_| StopError::Panicked)??;
        if let Some(complaint) = self.progress.iter().find_map(|log| log.complaint()) {
            outcome = outcome.and(Err(StopError::Journal(complaint)));
        }
        outcome.map(|()| slow)
    }
}
