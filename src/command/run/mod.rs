//! `wirematch run`: starts the appliance and shows it at work.

mod reload;
mod supervisor;
mod view;

use std::io::IsTerminal;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::command::configuration::{ConfigArguments, Loaded};
use crate::command::host::looked_at;
use crate::command::run::reload::Reload;
use crate::command::run::supervisor::Supervisor;
use crate::command::run::view::View;
use crate::command::{Exit, Failure, Outcome};
use crate::console::{ConsoleParts, ConsoleServer, spawn_alarm};
use crate::engine::Relief;
use crate::model::{Instrument, SeqNo};
use crate::runtime::counters_file::COUNTERS_NAME;
use crate::runtime::{SystemClock, Utc, available_cpus, log, stay_off, utc};
use crate::topology::{
    Appliance, BootError, BootReport, Catalogue, Config, DeviceRequest, Ports, StageName,
    StandbyError, StandbyReport, boot, crown, fix_port, open_port, peers_device, price_devices,
    price_ports, stand_by, start_bypass, take_office,
};

/// Starts the appliance: opens the ports, replays the journal, trades until told to stop.
///
/// On a terminal it shows a live table; `q` stops it. SIGTERM and SIGINT stop it in order:
/// sessions are told, the journal is synced, positions are stored; a second one ends it at once.
/// SIGHUP reads the configuration again: what may change while trading does.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 stopped as asked, 1 failed while running, 2 wrong \
    configuration.\n\nExamples:\n  wirematch run\n  wirematch run --config my.toml --no-table\n  \
    wirematch run --config two.toml --standby 10.0.0.1:9400")]
pub struct RunArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Stand by: take over from the primary that lets standbys in there when it is gone
    #[arg(long, value_name = "HOST:PORT")]
    standby: Option<String>,
    /// Print lines, not a table, on a terminal too
    #[arg(long)]
    no_table: bool,
}

/// How often the table is drawn and signals are looked for.
const TICK: Duration = Duration::from_millis(50);
const TICKS_PER_DRAW: u32 = 10;

/// Runs the command.
///
/// # Errors
/// What keeps it from starting, and what ended it.
pub fn run(arguments: &RunArguments) -> Outcome {
    let Loaded { mut config, catalogue, placement } = arguments.config.load()?;
    let asked_to_stop = listen_for_signals().context("cannot listen for signals")?;
    let asked_to_reload = Arc::<AtomicBool>::default();
    flag::register(SIGHUP, Arc::clone(&asked_to_reload)).context("cannot listen for signals")?;
    let supervisor = Supervisor::start(&config.data).context("cannot start a thread")?;
    let clock = SystemClock::new();
    // All that follows here and all that it starts; a core pins itself.
    stay_off(&placement.spinning_cpus(), &available_cpus());
    let started = match &arguments.standby {
        Some(primary) => {
            let primary = resolve(primary)?;
            let told = |report| {
                tell_standby(&report);
                if matches!(report, StandbyReport::Ready { .. }) {
                    supervisor.ready("stands by");
                }
            };
            let promoted = stand_by(&config, &catalogue, primary, &asked_to_stop, &told);
            let Some(promoted) = promoted.map_err(not_standing)? else { return Ok(()) };
            let ports = open_ports(&config, &catalogue, &clock)?;
            take_office(&config, &catalogue, placement, ports, promoted)
        }
        None => {
            let Some(crown) = crown(&config, &asked_to_stop).map_err(not_standing)? else {
                return Ok(());
            };
            let ports = open_ports(&config, &catalogue, &clock)?;
            boot(&config, &catalogue, placement, ports, crown)
        }
    };
    let (appliance, report) = started.map_err(failure)?;
    let console = open_console(&config, &catalogue, &appliance);
    let bellman = spawn_alarm(config.data.join(COUNTERS_NAME), config.alarm.clone());
    let bellman = bellman.context("cannot start a thread")?;
    tell(&config, &report);
    supervisor.ready(&format!("orders at {}", config.entry.address));
    supervisor.serves();
    let show = std::io::stdout().is_terminal() && !arguments.no_table;
    let mut view = match show {
        true => Some(
            View::new(config.data.join(COUNTERS_NAME)).context("cannot draw on this terminal")?,
        ),
        false => None,
    };
    let reload =
        Reload { arguments: &arguments.config, console: console.as_ref(), bellman: &bellman };
    let asked = Asked { to_stop: &asked_to_stop, to_reload: &asked_to_reload };
    let appliance = watch(appliance, view.as_mut(), &asked, &reload, &mut config);
    drop(view);
    supervisor.stops();
    for (stage, answered, _) in hardware(&appliance) {
        log::say(&format!("{stage}: hardware answered {answered} commands"));
    }
    log::say("stopping: sessions are told, the journal is synced, positions stored");
    let slow = appliance.stop().context("it did not stop well")?;
    let totals = slow.positions().snapshot(None).totals;
    log::say(&format!("stopped; positions hold {} fills", totals.fills));
    Ok(())
}

/// Opens the web console; trading does not need it.
fn open_console(
    config: &Config,
    catalogue: &Catalogue,
    appliance: &Appliance,
) -> Option<ConsoleServer> {
    if !config.console.enabled {
        return None;
    }
    let hardware = catalogue.sharding.hardware(&catalogue.instruments);
    let symbols =
        |shard: &Vec<Instrument>| shard.iter().map(|one| one.symbol.name()).collect::<Vec<_>>();
    let parts = ConsoleParts {
        config: config.console.clone(),
        data: config.data.clone(),
        roster: appliance.roster.clone(),
        board: std::sync::Arc::clone(&appliance.board),
        limits: std::sync::Arc::clone(&appliance.limits),
        kill: appliance.kill_switch.clone(),
        host: looked_at,
        hardware: serde_json::json!({
            "shards": hardware.iter().map(symbols).collect::<Vec<_>>(),
        }),
    };
    match ConsoleServer::start(parts) {
        Ok(console) => {
            let scheme = if console.is_tls { "https" } else { "http" };
            log::say(&format!("console at {scheme}://{}", console.address));
            Some(console)
        }
        Err(error) => {
            log::alert(&format!("no console: {error}; [console] says where it is"));
            None
        }
    }
}

/// Ticks between two looks at how the clock is kept.
const TICKS_PER_CLOCK: u32 = 20;

/// Says when the clock leaves UTC's bound, and when it is back. Places in history do not depend on
/// it: they are given by number, and log time never steps.
fn say_how_the_clock_fares(bound_us: u64, was_good: &mut bool) {
    let Some(state) = utc().filter(|_| bound_us > 0) else { return };
    let is_good = state.is_within(bound_us);
    if is_good == *was_good {
        return;
    }
    *was_good = is_good;
    let Utc { is_kept, error_us, .. } = state;
    match is_good {
        true => log::say(&format!("the clock is within {bound_us} µs of UTC again")),
        false => log::alert(&format!(
            "the clock may be {error_us} µs from UTC ({}), the bound is \
             {bound_us} µs: look at chrony or ptp4l (wirematch host check)",
            if is_kept { "kept" } else { "kept by nobody" }
        )),
    }
}

/// What signals ask for.
struct Asked<'a> {
    to_stop: &'a AtomicBool,
    to_reload: &'a AtomicBool,
}

/// Draws until somebody asks to stop or a thread has ended.
fn watch(
    appliance: Appliance,
    mut view: Option<&mut View>,
    asked: &Asked<'_>,
    reload: &Reload<'_>,
    config: &mut Config,
) -> Appliance {
    let (mut ticks, mut clock_is_good) = (0u32, true);
    let (mut complaint, mut relieved) = (None, false);
    while !asked.to_stop.load(Ordering::Acquire) && !appliance.has_fallen() {
        if let Some(view) = view.as_deref_mut()
            && (view.wants_to_stop()
                || ticks.is_multiple_of(TICKS_PER_DRAW) && view.draw().is_err())
        {
            break;
        }
        if view.is_none() {
            say_how_the_journal_fares(&appliance, &mut complaint);
            say_how_the_hardware_fares(&appliance, &mut relieved);
        }
        if ticks.is_multiple_of(TICKS_PER_CLOCK) {
            say_how_the_clock_fares(config.slow.utc_bound_us, &mut clock_is_good);
            appliance.utc_bound_us.store(config.slow.utc_bound_us, Ordering::Relaxed);
            for news in appliance.judge() {
                log::alert(&news);
            }
        }
        if asked.to_reload.swap(false, Ordering::AcqRel) {
            reload.now(config);
        }
        ticks = ticks.wrapping_add(1);
        std::thread::sleep(TICK);
    }
    appliance
}

/// Says what is wrong with the journal when that changes.
fn say_how_the_journal_fares(appliance: &Appliance, said: &mut Option<String>) {
    let complaint = appliance.progress.iter().find_map(|log| log.complaint());
    if complaint == *said {
        return;
    }
    match &complaint {
        Some(complaint) => log::alert(complaint),
        None => log::say("the journal has room again"),
    }
    *said = complaint;
}

/// Each shard's hardware: commands it answered, and why it does no more, or 0.
fn hardware(appliance: &Appliance) -> impl Iterator<Item = (String, u64, u64)> + '_ {
    appliance.counters.iter().filter_map(|(stage, reader)| {
        let StageName::Matching(_) = stage else { return None };
        let (answered, relieved) = (reader.value("Hardware"), reader.value("Relieved"));
        (answered + relieved > 0).then(|| (stage.name(), answered, relieved))
    })
}

/// Says, once, when the software has taken over from hardware.
fn say_how_the_hardware_fares(appliance: &Appliance, said: &mut bool) {
    for (stage, answered, relieved) in hardware(appliance) {
        if relieved > 0 && !*said {
            *said = true;
            log::alert(&format!(
                "{stage}: after {answered} commands the software takes over from the hardware, \
                 because {}",
                Relief::sentence(relieved)
            ));
        }
    }
}

/// A flag that the first signal sets; the second ends the process.
fn listen_for_signals() -> std::io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        flag::register_conditional_shutdown(signal, Exit::Failed as i32, Arc::clone(&asked))?;
        flag::register(signal, Arc::clone(&asked))?;
    }
    Ok(asked)
}

type AnyPort = Box<dyn crate::port::Port>;

fn open_ports(
    config: &Config,
    catalogue: &Catalogue,
    clock: &SystemClock,
) -> Result<Ports<AnyPort, AnyPort>, Failure> {
    let entry = DeviceRequest {
        device: config.entry.device.clone(),
        address: config.entry.address,
        kernel_address: config.entry.kernel_address,
        record: config.entry.record.clone(),
    };
    let feed = DeviceRequest {
        device: config.feed.device.clone(),
        address: config.feed.address,
        kernel_address: config.feed.kernel_address,
        record: config.feed.record.clone(),
    };
    let mut devices = vec![&entry.device, &feed.device, &config.fix.device];
    devices.extend(peers_device(config).is_some().then_some(&config.peers.device));
    devices.extend(price_devices(config));
    if let Some(said) = start_bypass(&devices).map_err(Failure::usage)? {
        log::say(&said);
    }
    let entry = open_port(&entry, clock).map_err(|why| Failure::usage(format!("entry: {why}")))?;
    let feed = open_port(&feed, clock).map_err(|why| Failure::usage(format!("feed: {why}")))?;
    let peers = peers_device(config).map(|peers| open_port(&peers, clock)).transpose();
    let peers = peers.map_err(|why| Failure::usage(format!("peers: {why}")))?;
    let fix = fix_port(config, clock).map_err(|why| Failure::usage(format!("fix: {why}")))?;
    let prices = price_ports(config, catalogue, clock).map_err(Failure::usage)?;
    Ok(Ports { entry, feed, peers, fix, prices })
}

/// The address of a name and port.
fn resolve(primary: &str) -> Result<SocketAddr, Failure> {
    let found = primary.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| Failure::usage(format!("--standby {primary}: write HOST:PORT")))
}

/// Whom a standby may not serve is a matter of configuration; what differs is one of verification.
fn not_standing(error: StandbyError) -> Failure {
    match error {
        StandbyError::Boot(error) => failure(error),
        StandbyError::Differs { .. } => Failure::verification(error),
        StandbyError::OtherIsPrimary { .. } | StandbyError::Witness(_) => Failure::usage(error),
        StandbyError::Primary { .. } => Failure::usage(error),
        StandbyError::Disk(_) => Failure::from(anyhow::Error::from(error)),
    }
}

fn tell_snapshots(snapshot: Option<SeqNo>, passed_over: &[String]) {
    for why in passed_over {
        log::alert(&format!("not begun from this snapshot: {why}"));
    }
    if let Some(seq) = snapshot {
        log::say(&format!("begun from the snapshot at command {seq}"));
    }
}

fn tell_standby(report: &StandbyReport) {
    match report {
        StandbyReport::Began { snapshot, passed_over } => tell_snapshots(*snapshot, passed_over),
        StandbyReport::Joined(heard) => log::say(&format!(
            "{} is primary, in epoch {}; what it has is fetched from command {} on",
            heard.name,
            heard.epoch,
            heard.keep + 1
        )),
        StandbyReport::Ready { seq } => {
            log::say(&format!("ready to take over, at command {seq}"));
        }
        StandbyReport::Lost(why) => log::alert(&format!("the primary is lost: {why}")),
        StandbyReport::TakesOver { epoch } => {
            log::alert(&format!("this machine takes over, in epoch {epoch}"));
        }
    }
}

/// Wrong configuration is the user's to mend; the rest failed while running.
fn failure(error: BootError) -> Failure {
    match error {
        BootError::Config(_) | BootError::Setup(_) | BootError::FixPort(_) => Failure::usage(error),
        BootError::Replay(_) | BootError::Deadly { .. } => Failure::verification(error),
        _ => Failure::from(anyhow::Error::from(error)),
    }
}

fn tell(config: &Config, report: &BootReport) {
    report.placement.to_string().lines().for_each(log::say);
    for note in &report.notes {
        log::say(&format!("note: {note}"));
    }
    for torn in &report.torn {
        log::say(&format!("note: {torn}"));
    }
    for command in &report.put_aside {
        log::alert(command);
    }
    let kib = report.risk_bytes / 1024;
    log::say(&format!("risk keeps {kib} KiB of accounts, firms, holdings, orders and guards"));
    tell_snapshots(report.snapshot, &report.passed_over);
    if report.commands > 0 || report.snapshot.is_some() {
        log::say(&format!(
            "replayed {} commands and {} events ({} written again), {} orders open",
            report.commands, report.events, report.mended, report.open_orders
        ));
    }
    if !config.fix.session.is_empty() {
        let (count, keys) = (config.fix.session.len(), &config.fix);
        log::say(&format!("{count} FIX sessions at {} by {}", keys.address, keys.device));
    }
    log::say(&format!(
        "ready; orders at {}, market data from {} to {}, journal in {}, release {}",
        config.entry.address,
        config.feed.address,
        config.feed.group,
        config.data.display(),
        config.gate().name()
    ));
}
