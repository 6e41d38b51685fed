//! From a configuration to a running appliance: check, recover, allocate, wire, pin, run.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::journal::{JournalError, Writer};
use crate::model::{Command, Group, Instrument, Nanos, SeqNo};
use crate::port::Port;
use crate::port::host::{HostConfig, TcpHost};
use crate::port::stream::Acceptor;
use crate::port::tcp::{TcpAcceptor, TcpError};
use crate::port::watch::Watch;
use crate::runtime::{Clock, SystemClock, available_cpus, lock_memory, quietest_last};
use crate::slow::audit::Audit;
use crate::slow::{Roster, SlowError, SlowPath};
use crate::stage::{Board, Door, FixOptions, FixState, Gate, Introduced, Release, Rule};
use crate::topology::appliance::{Appliance, Launch, Listing};
use crate::topology::speaker::{DatedLimits, date_of};
use crate::topology::utc_watch::UtcWatch;
use crate::topology::{
    AdminOptions, AdminServer, Catalogue, Config, ConfigError, Crown, DayEnd, FixParts, LimitsFile,
    Part, Parts, PeersParts, Placement, PricesParts, Promoted, Recovered, ReleaseGate, Replay,
    ReplayError, Timetable, VenuesParts, engine_limits, fix_options, journal_folder, open_court,
    outlet_options, parse_limits, place, reign_of, risk_bound, spawn_annex_keeper, wire,
};

/// The pause between attempts to reach an exchange.
const CALL_AGAIN: Nanos = Nanos(500_000_000);

/// Why an appliance did not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The engine refuses its limits.
    #[error(transparent)]
    Setup(#[from] crate::engine::SetupError),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal does not give back what it recorded.
    #[error("the journal does not replay: {0}; `wirematch replay` looks closer")]
    Replay(#[from] ReplayError),
    /// The store of positions cannot be opened.
    #[error(transparent)]
    Slow(#[from] SlowError),
    /// A command ends the process, and cannot be put aside.
    #[error(
        "command {seq} brings this appliance down, and {}: start a build that does not fall over \
         it; `wirematch replay` shows where this one does",
        match is_told {
            true => "some of what it led to was told already",
            false => "putting it aside is no help",
        }
    )]
    Deadly {
        /// The command.
        seq: SeqNo,
        /// Whether events of it are on record.
        is_told: bool,
    },
    /// The record of a FIX session cannot be used.
    #[error(transparent)]
    FixRecord(#[from] crate::wire::fix::session::StoreError),
    /// FIX clients cannot be listened for.
    #[error(transparent)]
    FixPort(#[from] TcpError),
    /// A port cannot be opened, or a thread not started.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The two ports of an appliance.
pub struct Ports<E: Port, F: Port> {
    /// The clients' side.
    pub entry: E,
    /// The market data side.
    pub feed: F,
    /// Where other appliances are, if there are any.
    pub peers: Option<Box<dyn Port>>,
    /// FIX clients' side, where TCP is not the kernel's.
    pub fix: Option<Box<dyn Port>>,
    /// Exchanges' feeds: by feed, a port for each line.
    pub prices: Vec<Vec<Box<dyn Port>>>,
}

/// What boot found and did, for people.
#[derive(Clone, Debug)]
pub struct BootReport {
    /// Where the stages run.
    pub placement: Placement,
    /// Commands replayed from the journal.
    pub commands: u64,
    /// Events they made.
    pub events: u64,
    /// The command of the snapshot it began from, if from any.
    pub snapshot: Option<SeqNo>,
    /// Snapshots it did not begin from, each in a sentence.
    pub passed_over: Vec<String>,
    /// Commands that were put aside just now, each in a sentence.
    pub put_aside: Vec<String>,
    /// Orders resting after the replay.
    pub open_orders: u64,
    /// Events the event log lacked and were written again.
    pub mended: u64,
    /// Torn tails that were cut, each in a sentence.
    pub torn: Vec<String>,
    /// What is not as asked.
    pub notes: Vec<String>,
    /// Bytes of the risk gate's tables.
    pub risk_bytes: usize,
}

/// Starts an appliance on these ports, as primary where there are two.
///
/// # Errors
/// The first thing that stands in the way, with the cure.
pub fn boot<E: Port + 'static, F: Port + 'static>(
    config: &Config,
    catalogue: &Catalogue,
    placement: Placement,
    ports: Ports<E, F>,
    crown: Crown,
) -> Result<(Appliance, BootReport), BootError> {
    let mut recovered = Recovered::open(config, catalogue, Part::Primary)?;
    recovered.fold_warily(config.standby.stuck())?;
    take_office(config, catalogue, placement, ports, Promoted { recovered, crown })
}

/// Starts an appliance from state that is there already: its own, or that of a standby.
///
/// # Errors
/// As [`boot`].
pub fn take_office<E: Port + 'static, F: Port + 'static>(
    config: &Config,
    catalogue: &Catalogue,
    placement: Placement,
    ports: Ports<E, F>,
    Promoted { mut recovered, crown }: Promoted,
) -> Result<(Appliance, BootReport), BootError> {
    let clock = SystemClock::new();
    let files = limits_files(config, catalogue)?;
    let journal = journal_folder(&config.data);
    let annex = recovered.resume_sessions(config, catalogue)?;
    let Recovered { mut command_log, event_log, mut keepers, mut replay, mut epochs, .. } =
        recovered;
    let Recovered { mended, torn, snapshot, passed_over, put_aside, taker, .. } = recovered;
    command_log.set_epoch(crown.epoch);
    // Where nobody grants epochs any more, the last one that somebody had goes on.
    let epoch = epochs.last().map_or(0, |(epoch, _)| *epoch).max(crown.epoch);
    replay.gateway.reign(epoch);
    let fix_options = fix_options(config, catalogue);
    let Replay { fold, gateway, fix, peers, venues, feed, command_count, event_count, .. } = replay;
    let (dialer, dialled) = venues.dialer(CALL_AGAIN);
    let venues = (!venues.is_empty()).then_some(VenuesParts { state: venues, dialled });
    let dialer = venues.as_ref().map(|_| dialer);
    let host = ports.fix.map(|port| (port, host_config(config, &fix_options)));
    let (fix, door) = open_door(fix, &fix_options, host, clock.now())?.unzip();

    let mut notes = placement.notes.clone();
    if config.engine.lock_memory
        && let Err(error) = lock_memory()
    {
        notes.push(format!("memory is not locked ({error}): raise `ulimit -l`"));
    }
    let (gate, release) = gate_of(config, &command_log);
    let progress = [command_log.progress(), event_log.progress()];
    keepers.push(spawn_annex_keeper(config, &annex, &progress[0])?);
    let first = command_log.last() + 1;
    if epochs.last().is_none_or(|(epoch, _)| *epoch != crown.epoch) {
        epochs.push((crown.epoch, first));
    }
    let reign = reign_of(config, catalogue, crown.epoch, epochs, &replay.aside);
    let court = open_court(config, crown, reign, release, progress.clone(), annex)?;
    let roster = Roster::new(feed.instruments());
    let ids: Vec<_> = catalogue.instruments.iter().map(|listed| listed.id).collect();
    let board = Board::sharded(&ids, catalogue.risk.shards);
    let is_new = fold.seq == SeqNo::ZERO;
    let open_orders = crate::engine::BookView::open_orders(&fold.matcher) as u64;
    let options = gateway.options().clone();
    let risk_bytes = fold.gate.bytes();
    let (last, now, days) = (fold.timestamp, clock.now(), *feed.days());
    let phase_of = |id| crate::engine::BookView::phase(&fold.matcher, id);
    let calendars = catalogue.calendars.iter().cloned();
    let timetables = calendars
        .map(|calendar| {
            Timetable::new(calendar, last, now, &phase_of).after_days(
                last,
                days.started_at,
                days.ended_at,
            )
        })
        .collect();
    let gate_of_outlet = gate.clone();
    let mut wired = wire(Parts {
        fold,
        limits: engine_limits(config, catalogue),
        gateway,
        fix,
        peers: ports.peers.map(|port| PeersParts { state: peers, port }),
        venues,
        prices: (!ports.prices.is_empty())
            .then(|| PricesParts { options: catalogue.prices.clone(), ports: ports.prices }),
        speaker_of: catalogue.destinations.speakers(),
        hardware: catalogue.sharding.hardware(&catalogue.instruments),
        feed,
        entry_port: ports.entry,
        feed_port: ports.feed,
        command_log,
        event_log,
        gate,
        board: Arc::clone(&board),
        link_depth: config.engine.link_depth as usize,
        risk_bound: risk_bound(config),
    });
    if is_new {
        let mut opening = DayEnd::Start.request();
        opening.0.timestamp = clock.now();
        let _ = wired.slow_requests.push(&Group::new(opening));
    }
    let mut rules = catalogue.rules.clone();
    for listed in roster.all().iter() {
        rules.rename(listed.id, &listed.symbol.name());
    }
    rules.put_beside(&config.data).map_err(|source| BootError::System {
        what: format!("cannot write the books' rules in {}", config.data.display()),
        source,
    })?;
    let record =
        Audit::open(&journal, &config.data, names_of(&roster.all())).map_err(SlowError::from)?;
    let slow = SlowPath::open(&journal, &config.data)?;
    let slow = slow.with_audit(record).with_roster(roster.clone());
    let report = BootReport {
        commands: command_count,
        events: event_count,
        snapshot,
        passed_over,
        put_aside,
        open_orders,
        mended,
        torn,
        notes,
        risk_bytes,
        placement: placement.clone(),
    };
    let feed_names = catalogue.prices.inlets.iter().map(|inlet| inlet.name.clone()).collect();
    let launch = Launch {
        wired,
        feed_names,
        outlet: (outlet_options(config, catalogue), gate_of_outlet),
        placement,
        clock,
        board,
        progress,
        keepers,
        slow,
        journal,
        data: config.data.clone(),
        clearing: config.slow.clearing.clone(),
        #[cfg(feature = "scaled")]
        scaled: config.slow.scaled.clone(),
        #[cfg(feature = "scaled")]
        buying_powers: buying_powers(catalogue),
        #[cfg(feature = "scaled")]
        symbols: rules.instruments.iter().map(|known| known.symbol.clone()).collect(),
        options,
        door,
        dialer,
        timetables,
        admin: open_admin(config, roster.clone())?,
        utc: UtcWatch::new(&config.slow),
        limits: DatedLimits { files, done: (!is_new).then(|| date_of(last)) },
        kill_file: config.data.join(KILL_FILE),
        court,
        snapshots: ((config.clone(), catalogue.clone()), taker),
        listing: listing_of(config, catalogue, roster),
    };
    let appliance = launch
        .start()
        .map_err(|source| BootError::System { what: "cannot start a thread".into(), source })?;
    Ok((appliance, report))
}

/// What there is, by its names.
fn listing_of(config: &Config, catalogue: &Catalogue, roster: Roster) -> Listing {
    let binary = catalogue.sessions.iter().flatten().map(|spec| (spec.id, "ouch"));
    let fix = catalogue.fix_sessions.iter().flatten().map(|spec| (spec.id, "fix"));
    Listing {
        data: config.data.clone(),
        roster,
        sessions: binary.chain(fix).collect(),
        gate: config.gate().name(),
        hardware: {
            let by_shard = catalogue.sharding.hardware(&catalogue.instruments);
            let is_hardware = |(at, shard): (usize, Vec<_>)| (!shard.is_empty()).then_some(at);
            by_shard.into_iter().enumerate().filter_map(is_hardware).collect()
        },
    }
}

/// Every account's money for purchases, as configured.
#[cfg(feature = "scaled")]
fn buying_powers(catalogue: &Catalogue) -> BTreeMap<crate::model::AccountId, i64> {
    let accounts = (0..).zip(&catalogue.risk.accounts);
    let known = accounts.filter_map(|(id, limits)| Some((id, limits.as_ref()?.buying_power.0)));
    known.map(|(id, money)| (crate::model::AccountId(id), money)).collect()
}

/// What replies wait for, and where that is written where it may change.
fn gate_of(config: &Config, log: &Writer<Command>) -> (Gate, Option<Arc<Release>>) {
    let rule = match config.gate() {
        _ if config.standby.is_used() => Rule::Shut,
        ReleaseGate::Sequenced => return (Gate::Sequenced, None),
        ReleaseGate::Journaled => return (Gate::Journaled(log.progress()), None),
        ReleaseGate::Synced => Rule::Synced,
        ReleaseGate::Replicated | ReleaseGate::SyncedReplicated => Rule::Shut,
    };
    let release = Arc::new(Release::new(log.progress(), rule));
    (Gate::Guarded(Arc::clone(&release)), Some(release))
}

/// What the numbers in the regulator's record mean.
fn names_of(listed: &[Instrument]) -> Vec<u8> {
    let listed = listed.iter().filter(|listed| !listed.is_spare());
    let symbols: BTreeMap<_, _> =
        listed.map(|listed| (listed.id.0.to_string(), listed.symbol.to_string())).collect();
    serde_json::to_vec_pretty(&serde_json::json!({ "instruments": symbols })).unwrap_or_default()
}

/// The file in the data folder that stops all trading.
pub const KILL_FILE: &str = "KILL";

/// The limits files of a configuration, read and checked: one that is wrong keeps from starting.
fn limits_files(
    config: &Config,
    catalogue: &Catalogue,
) -> Result<Vec<(String, LimitsFile)>, ConfigError> {
    let read = |path: &std::path::PathBuf| {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError(format!("{name}: cannot be read ({error}); it stands in `[risk] limits`"))
        })?;
        let file = parse_limits(&name, &text, &catalogue.instruments)?;
        Ok((name, file))
    };
    config.risk.limits.iter().map(read).collect()
}

/// Opens the operator's socket.
fn open_admin(config: &Config, roster: Roster) -> Result<AdminServer, BootError> {
    let options = AdminOptions {
        actors: config.admin.actors.clone(),
        two_people: config.admin.two_people,
        kill_file: config.data.join(KILL_FILE),
        roster,
    };
    AdminServer::open(&config.data, options).map_err(|source| BootError::System {
        what: format!("cannot open the socket in {}", config.data.display()),
        source,
    })
}

/// Where this configuration puts the stages on this machine.
///
/// # Errors
/// What cannot be placed, with the cure.
pub fn place_here(config: &Config, file: &str, text: &str) -> Result<Placement, ConfigError> {
    place(config, &quietest_last(available_cpus()), file, text)
}

/// Lines that may wait for the FIX gateway to take them.
const INTRODUCED_DEPTH: usize = 256;

/// Listens for FIX clients, where there are sessions for them.
fn open_door(
    state: FixState,
    options: &FixOptions,
    host: Option<(Box<dyn Port>, HostConfig)>,
    now: Nanos,
) -> Result<Option<(FixParts, Door)>, BootError> {
    if !options.is_used() {
        return Ok(None);
    }
    // Each session has a line and a record, which the feeder of a standby opens too; and some more
    // are wanted by everything else.
    raise_open_files(3 * options.sessions.iter().flatten().count() as u64 + 1024);
    let (acceptor, host): (Box<dyn Acceptor>, _) = match host {
        None => (Box::new(TcpAcceptor::open(options.address)?), None),
        Some((port, config)) => {
            let (host, acceptor) = TcpHost::new(port, config, now);
            (Box::new(acceptor), Some(host))
        }
    };
    let (producer, introduced) = rtrb::RingBuffer::<Introduced>::new(INTRODUCED_DEPTH);
    let watch = Watch::new()
        .map_err(|source| BootError::System { what: "cannot watch FIX lines".into(), source })?;
    let door = Door::new(acceptor, options, producer);
    Ok(Some((FixParts { state, introduced, watch, host }, door)))
}

/// Lines whose clients have not said yet who they are, beside those of every session.
const STRANGERS: usize = 64;

/// TCP in user space for these sessions.
fn host_config(config: &Config, options: &FixOptions) -> HostConfig {
    let sessions = options.sessions.iter().flatten().count();
    HostConfig {
        address: config.fix.address,
        // A client that comes again may find its old line not yet gone.
        lines: 2 * sessions + STRANGERS,
        half_open: STRANGERS,
        bytes: config.fix.buffer_kib as usize * 1024,
        rto_min_ms: u64::from(config.fix.rto_min_ms),
        secret: options.key,
    }
}

/// Asks for as many open files; without them, lines are refused when they run out.
fn raise_open_files(wanted: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < wanted) {
        let current = Some(maximum.map_or(wanted, |most| most.min(wanted)));
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    }
}
