//! From a configuration to a running appliance: check, recover, allocate, wire, pin, run.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::journal::{
    Disk, Files, JournalError, Keeper, KeeperThread, Opened, UtcMapping, Writer, open_both_from,
};
use crate::model::{Command, CommandKind, Event, Group, Instrument, Nanos, Request, SeqNo};
use crate::port::Port;
use crate::port::host::{HostConfig, TcpHost};
use crate::port::tcp::{TcpAcceptor, TcpError};
use crate::port::watch::Watch;
use crate::replica::Reign;
use crate::runtime::{Clock, SystemClock, available_cpus, lock_memory, quietest_last};
use crate::slow::audit::Audit;
use crate::slow::{Roster, SlowError, SlowPath};
use crate::snapshot::{Container, Stand};
use crate::stage::{Acceptor, Board, Door, FixOptions, FixState, Gate, Introduced, Release, Rule};
use crate::topology::appliance::{Appliance, CourtParts, Launch, Listing};
use crate::topology::speaker::{DatedLimits, date_of};
use crate::topology::standby::TcpLines;
use crate::topology::utc_watch::UtcWatch;
use crate::topology::{
    AdminOptions, AdminServer, Catalogue, Config, ConfigError, Crown, FixParts, Kept, LimitsFile,
    Parts, PeersParts, Placement, PricesParts, Promoted, ReleaseGate, Replay, ReplayError,
    Timetable, Unfit, VenuesParts, empty_feed, empty_fold, empty_gateway, empty_peers,
    engine_limits, fits, fix_options, identity, journal_folder, journal_settings, list_snapshots,
    meaning, open_fix, open_venues, outlet_options, parse_limits, place, risk_bound,
    snapshots_folder, venues_options, wire,
};

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

/// A journal open for writing and the state it gives back.
pub struct Recovered {
    pub(crate) command_log: Writer<Command>,
    pub(crate) event_log: Writer<Event>,
    keepers: Vec<KeeperThread>,
    /// Keepers of both logs that have no threads: whoever holds this takes their steps.
    pub(crate) idle_keepers: Vec<Keeper>,
    pub(crate) replay: Replay,
    /// Each epoch in the command log and its first command.
    pub(crate) epochs: Vec<(u32, u64)>,
    /// The running of the machine ([`Disk::boot`]).
    pub(crate) boot: u64,
    mended: u64,
    pub(crate) torn: Vec<String>,
    /// The command of the snapshot that the state began from.
    snapshot: Option<SeqNo>,
    passed_over: Vec<String>,
}

impl Recovered {
    /// Opens the journal, cuts torn tails, and makes state: of the newest snapshot that is good and
    /// fits, else empty. Its keepers get threads.
    ///
    /// # Errors
    /// As [`boot`].
    pub(super) fn open(config: &Config, catalogue: &Catalogue) -> Result<Self, BootError> {
        let mut recovered = Self::open_idle(config, catalogue, &(Arc::new(Files) as _))?;
        for keeper in std::mem::take(&mut recovered.idle_keepers) {
            recovered.keepers.push(spawn(keeper.spawn())?);
        }
        Ok(recovered)
    }

    /// The same without threads, its logs on a given disk.
    ///
    /// # Errors
    /// As [`boot`].
    pub(crate) fn open_idle(
        config: &Config,
        catalogue: &Catalogue,
        disk: &Arc<dyn Disk>,
    ) -> Result<Self, BootError> {
        let mut passed_over = Vec::new();
        for kept in list_snapshots(&snapshots_folder(&config.data)).unwrap_or_default() {
            match Self::open_at(config, catalogue, &kept, disk)? {
                Ok(recovered) => return Ok(Self { passed_over, ..recovered }),
                Err(why) => passed_over.push(format!("{}: {why}", kept.path.display())),
            }
        }
        Ok(Self { passed_over, ..Self::open_from(config, catalogue, &Stand::default(), disk)? })
    }

    /// From a snapshot, or why not from that.
    fn open_at(
        config: &Config,
        catalogue: &Catalogue,
        kept: &Kept,
        disk: &Arc<dyn Disk>,
    ) -> Result<Result<Self, Unfit>, BootError> {
        let journal = journal_folder(&config.data);
        let bytes = match std::fs::read(&kept.path) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error.into())),
        };
        let container = match Container::open(&bytes) {
            Ok(container) => container,
            Err(why) => return Ok(Err(why.into())),
        };
        let config_now = identity(config, catalogue).config;
        if let Err(why) = fits(&journal, &config_now, &container.stand) {
            return Ok(Err(why));
        }
        let mut recovered = Self::open_from(config, catalogue, &container.stand, disk)?;
        recovered.snapshot = Some(container.stand.seq);
        Ok(recovered.replay.resume(&journal, &container).map(|()| recovered))
    }

    /// Opens the journal where it is good up to there, with empty state.
    fn open_from(
        config: &Config,
        catalogue: &Catalogue,
        stand: &Stand,
        disk: &Arc<dyn Disk>,
    ) -> Result<Self, BootError> {
        let journal = journal_folder(&config.data);
        let now = SystemClock::new().now();
        let utc = UtcMapping { log_time: now, utc: now, uncertainty: Nanos(1_000_000) };
        let settings = journal_settings(config);
        let from = (stand.seq.0, stand.last_event.0);
        let meaning = meaning(config, catalogue);
        let (commands, events) =
            open_both_from(&journal, from, meaning, utc, &settings, Arc::clone(disk))?;
        let torn = commands.torn.iter().chain(&events.torn).map(ToString::to_string).collect();
        let Opened { writer: command_log, keeper: command_keeper, epochs: found, .. } = commands;
        let mut epochs = stand.epochs.clone();
        for (epoch, first) in found {
            if epochs.last().is_none_or(|(known, _)| *known != epoch) {
                epochs.push((epoch, first));
            }
        }
        let Opened { writer: event_log, keeper: event_keeper, .. } = events;
        let (keepers, idle_keepers) = (Vec::new(), vec![command_keeper, event_keeper]);
        let mut replay = Replay::open(
            &journal,
            empty_fold(config, catalogue)?,
            empty_gateway(config, catalogue),
            empty_feed(config, catalogue),
        )?;
        replay.peers = empty_peers(config, catalogue);
        replay.venues = open_venues(&venues_options(config, catalogue), &config.data)?;
        replay.fix = open_fix(&fix_options(config, catalogue), &config.data)?;
        Ok(Self {
            command_log,
            event_log,
            keepers,
            idle_keepers,
            replay,
            epochs,
            boot: disk.boot(),
            mended: 0,
            torn,
            snapshot: None,
            passed_over: Vec::new(),
        })
    }

    /// Folds all that is on record, and writes the events again that a crash kept from theirs.
    ///
    /// # Errors
    /// As [`boot`].
    pub(crate) fn catch_up(&mut self) -> Result<(), BootError> {
        let Self { event_log, replay, mended, idle_keepers, .. } = self;
        replay.run(
            SeqNo::MAX,
            &mut |event| {
                *mended += 1;
                mend(event_log, idle_keepers, event);
            },
            &mut |_| (),
        )?;
        Ok(())
    }
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
    let mut recovered = Recovered::open(config, catalogue)?;
    recovered.catch_up()?;
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
    Promoted { recovered, crown }: Promoted,
) -> Result<(Appliance, BootReport), BootError> {
    let clock = SystemClock::new();
    let files = limits_files(config, catalogue)?;
    let journal = journal_folder(&config.data);
    let Recovered { mut command_log, event_log, keepers, mut replay, epochs, .. } = recovered;
    let Recovered { mended, torn, snapshot, passed_over, .. } = recovered;
    command_log.set_epoch(crown.epoch);
    replay.fix.restored()?;
    replay.venues.restored();
    let fix_options = fix_options(config, catalogue);
    let Replay { fold, gateway, fix, peers, venues, feed, command_count, event_count, .. } = replay;
    let (dialer, dialled) = venues.dialer();
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
    let court = open_court(config, catalogue, &command_log, crown, epochs, release)?;
    let progress = [command_log.progress(), event_log.progress()];
    let roster = Roster::new(feed.instruments());
    let ids: Vec<_> = catalogue.instruments.iter().map(|listed| listed.id).collect();
    let board = Board::sharded(&ids, catalogue.risk.shards);
    let is_new = fold.seq == SeqNo::ZERO;
    let open_orders = crate::engine::BookView::open_orders(&fold.matcher) as u64;
    let options = gateway.options().clone();
    let risk_bytes = fold.gate.bytes();
    let (last, now) = (fold.timestamp, clock.now());
    let phase_of = |id| crate::engine::BookView::phase(&fold.matcher, id);
    let calendars = catalogue.calendars.iter().cloned();
    let timetables =
        calendars.map(|calendar| Timetable::new(calendar, last, now, &phase_of)).collect();
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
        let opening = Request::new(CommandKind::StartOfDay, clock.now());
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
        snapshots: (config.clone(), catalogue.clone()),
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

/// What the thread beside the stages starts from, where there are two machines.
fn open_court(
    config: &Config,
    catalogue: &Catalogue,
    log: &Writer<Command>,
    crown: Crown,
    mut epochs: Vec<(u32, u64)>,
    release: Option<Arc<Release>>,
) -> Result<Option<CourtParts>, BootError> {
    let Some(release) = release.filter(|_| config.standby.is_used()) else { return Ok(None) };
    let acceptor = config.standby.address.map(TcpAcceptor::open).transpose()?;
    if epochs.last().is_none_or(|(epoch, _)| *epoch != crown.epoch) {
        epochs.push((crown.epoch, log.last() + 1));
    }
    if let Some(witness) = &crown.witness {
        release.set_lease(witness.tenant.lease_ends());
    }
    let rule = match config.gate() {
        ReleaseGate::Sequenced | ReleaseGate::Journaled => Rule::Journaled,
        ReleaseGate::Synced => Rule::Synced,
        ReleaseGate::Replicated => Rule::Replicated,
        ReleaseGate::SyncedReplicated => Rule::SyncedReplicated,
    };
    let reign = Reign {
        identity: identity(config, catalogue),
        epoch: crown.epoch,
        epochs,
        digest_every: config.standby.digest_every,
        beat_every: config.standby.heartbeat(),
    };
    let config = config.standby.clone();
    let (lines, progress) = (Box::new(TcpLines(acceptor)), log.progress());
    Ok(Some(CourtParts { config, crown, lines, release, rule, reign, progress }))
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
    // Each session has a line and a record, and some more are wanted by everything else.
    raise_open_files(2 * options.sessions.iter().flatten().count() as u64 + 1024);
    let (acceptor, host) = match host {
        None => (Acceptor::Kernel(TcpAcceptor::open(options.address)?), None),
        Some((port, config)) => {
            let (host, acceptor) = TcpHost::new(port, config, now);
            (Acceptor::Host(acceptor), Some(host))
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

fn spawn<T>(outcome: std::io::Result<T>) -> Result<T, BootError> {
    outcome.map_err(|source| BootError::System { what: "cannot start a thread".into(), source })
}

/// Writes an event that the crash kept from the event log, waiting for room as long as it takes.
pub(crate) fn mend(log: &mut Writer<Event>, idle_keepers: &mut [Keeper], event: &Event) {
    let pause = std::time::Duration::from_millis(1);
    while log.room() < crate::model::LINES_MAX {
        if idle_keepers.is_empty() {
            std::thread::sleep(pause);
        }
        idle_keepers.iter_mut().for_each(|keeper| {
            keeper.step(pause);
        });
    }
    if log.append(&Group::new(*event)).is_ok() {
        log.commit();
    }
}
