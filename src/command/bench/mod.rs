//! `wirematch bench`: the whole pipeline in one process, over a port in memory.

mod burst;
mod floor;
mod load;
mod machine;
mod plot;
mod port;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Context;
use clap::builder::RangedI64ValueParser;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::client::script::{Accounts, Part, Script};
pub(crate) use floor::core_to_core;

use crate::command::bench::load::{Answers, LoadPort, NullPort, OURS, Plan, Progress};
use crate::command::bench::machine::machine;
use crate::command::bench::plot::{Plot, PlotArguments, thousands};
use crate::command::bench::port::PortArguments;
use crate::command::host::made_by;
use crate::command::{Failure, Outcome, progress};
use crate::flow::{MakeOptions, Profile, make};
use crate::journal::{KeeperThread, UtcMapping, open_both};
use crate::model::{CommandKind, Fault, Group, InstrumentId, Nanos, Request};
use crate::port::Port;
use crate::runtime::{
    Clock, Core, Idle, Percentiles, StopFlag, SystemClock, available_cpus, quietest_last, stay_off,
};
use crate::stage::{Board, Gate, Release, Rule};
use crate::topology::{
    Catalogue, Config, Parts, PricesParts, ReleaseGate, StageName, Wired, check, empty_feed,
    empty_fold, empty_gateway, engine_limits, journal_settings, meaning, risk_bound, wire,
};

/// Runs the whole pipeline in this process, over a port in memory: throughput with the window
/// always full, then latency open loop, from when a frame was to come in to when its reply went
/// out. With --port: over a device, with the appliance and its client in processes of their own.
///
/// Fused: all stages in one loop on one CPU. Split: gateway, sequencer and risk on one CPU,
/// matching, recorder and feed on another. The client is part of the gateway's port and takes
/// prepared frames, so no thread but the stages' runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  wirematch bench\n  wirematch bench --rate 500000 --json\n  \
    wirematch bench --gate sequenced --orders 2000000\n  \
    wirematch bench --fused-only --svg latency.svg\n  \
    wirematch bench --burst 1000000\n  \
    wirematch bench --port memif --against kernel\n  \
    wirematch bench --port af_packet --against kernel --svg plot.svg")]
pub struct BenchArguments {
    /// Messages sent in each measurement, a tenth of them before it begins [default: 1000000; with
    /// --port 100000]
    #[arg(long, value_parser = number(1_000..=20_000_000))]
    orders: Option<u32>,
    /// Messages a second in the latency measurement [default: 400000; with --port 50000]
    #[arg(long, value_parser = number(1..=50_000_000))]
    rate: Option<u32>,
    /// What replies wait for: journaled or sequenced
    #[arg(long, default_value = "journaled")]
    gate: String,
    /// Where the journal of the run is written; removed afterwards
    #[arg(long, default_value = "target/bench")]
    data: PathBuf,
    /// Makes other orders
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the fused placement
    #[arg(long)]
    fused_only: bool,
    /// Instead: orders' latency without and with so many messages a second of an exchange's feed
    /// coming in, in turns
    #[arg(long, value_name = "MESSAGES", value_parser = number(1..=50_000_000))]
    burst: Option<u32>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    plot: PlotArguments,
    #[command(flatten)]
    port: PortArguments,
}

impl BenchArguments {
    fn orders(&self) -> u32 {
        let is_port = self.port.is_asked();
        self.orders.unwrap_or(if is_port { 100_000 } else { 1_000_000 })
    }

    fn rate(&self) -> u32 {
        self.rate.unwrap_or(if self.port.is_asked() { 50_000 } else { 400_000 })
    }

    fn asked(&self) -> Asked {
        let gate = self.gate.clone();
        Asked { messages: self.orders(), rate_per_s: self.rate(), seed: self.seed, gate }
    }

    /// What is asked for, for a picture.
    fn sentence(&self) -> String {
        format!(
            "{} messages at {} a second, open loop, the first tenth not measured; gate {}",
            thousands(self.orders().into()),
            thousands(self.rate().into()),
            self.gate
        )
    }
}

/// A number with bounds, on the command line.
fn number(range: RangeInclusive<i64>) -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(range)
}

/// One placement's figures.
#[derive(Debug, Serialize)]
struct Figures {
    orders_per_s: u64,
    #[serde(flatten)]
    latency: Percentiles,
    #[serde(skip)]
    distribution: Histogram<u64>,
    /// Executions for each hundred messages.
    executions_percent: f64,
    rejections: u64,
    stages: Vec<StageFigures>,
}

#[derive(Debug, Serialize)]
struct StageFigures {
    stage: &'static str,
    #[serde(flatten)]
    latency: Percentiles,
}

/// What the command line asked for: with it and the build a figure can be made again.
#[derive(Debug, Serialize)]
struct Asked {
    messages: u32,
    rate_per_s: u32,
    seed: u64,
    gate: String,
}

#[derive(Debug, Serialize)]
struct Report {
    machine: String,
    /// The build, and what the machine is set to.
    made_by: serde_json::Value,
    asked: Asked,
    floor_ns: Option<u64>,
    gate: String,
    rate_per_s: u32,
    fused: Figures,
    split: Option<Figures>,
}

/// Runs the command.
///
/// # Errors
/// Wrong arguments, and what keeps the pipeline from running.
pub fn run(arguments: &BenchArguments) -> Outcome {
    let files = arguments.plot.open()?;
    if arguments.port.is_asked() {
        return port::run(arguments, files);
    }
    let bench = Bench::new(arguments)?;
    let cpus = quietest_last(available_cpus());
    if let Some(rate) = arguments.burst {
        let figures = burst::run(&bench, &cpus, rate)?;
        files.write(&burst::plot(&figures, arguments))?;
        if arguments.json {
            println!("{}", serde_json::to_string_pretty(&figures).context("cannot write JSON")?);
        } else {
            burst::print(&figures, arguments.rate());
        }
        return Ok(());
    }
    // Where nothing crosses, the floor says nothing.
    let floor_ns = if arguments.fused_only { None } else { floor::floor_ns(&cpus) };
    let bar = progress::of_so_much(if arguments.fused_only { 1 } else { 2 }, "placements");
    let fused = bench.placement(&[&StageName::ALL], &cpus)?;
    bar.inc(1);
    let (front, back) = StageName::ALL.split_at(3);
    let split = match arguments.fused_only || cpus.len() < 2 {
        true => None,
        false => Some(bench.placement(&[front, back], &cpus)?),
    };
    bar.finish_and_clear();
    let report = Report {
        machine: machine(),
        made_by: made_by(),
        asked: arguments.asked(),
        floor_ns,
        gate: arguments.gate.clone(),
        rate_per_s: arguments.rate(),
        fused,
        split,
    };
    files.write(&plot(&report, arguments))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report).context("cannot write JSON")?);
    } else {
        print(&report);
    }
    Ok(())
}

/// What every measurement shares.
struct Bench<'a> {
    arguments: &'a BenchArguments,
    config: Config,
    catalogue: Catalogue,
    messages: Arc<[Vec<u8>]>,
}

impl<'a> Bench<'a> {
    fn new(arguments: &'a BenchArguments) -> Result<Self, Failure> {
        let release = match arguments.gate.as_str() {
            "journaled" => ReleaseGate::Journaled,
            "sequenced" => ReleaseGate::Sequenced,
            "synced" => ReleaseGate::Synced,
            other => {
                return Err(Failure::usage(format!(
                    "--gate {other}: it is `sequenced`, `journaled` or `synced`"
                )));
            }
        };
        let mut config =
            Config { release: Some(release), data: arguments.data.clone(), ..Config::default() };
        config.engine.orders_max = 1 << 16;
        config.feed.group = std::net::SocketAddrV4::new([239, 1, 1, 1].into(), 9201);
        config.entry.reply_cache = 2048;
        config.feed.rewind_messages = 4096;
        let catalogue = check(&config, "defaults", "").map_err(Failure::usage)?;
        let messages = messages(arguments, &catalogue)?;
        Ok(Self { arguments, config, catalogue, messages })
    }

    /// Throughput, then latency, in one placement.
    fn placement(&self, cores: &[&[StageName]], cpus: &[usize]) -> Result<Figures, Failure> {
        let (flood, _) = self.measure(cores, cpus, Nanos::ZERO, None)?;
        let (paced, stages) = self.measure(cores, cpus, self.interval(), None)?;
        let seconds = flood.took.0 as f64 / 1e9;
        Ok(Figures {
            orders_per_s: (flood.messages as f64 / seconds) as u64,
            latency: Percentiles::of(&paced.latency),
            distribution: paced.latency,
            executions_percent: 100.0 * flood.executions as f64 / self.messages.len() as f64,
            rejections: flood.rejections,
            stages,
        })
    }

    /// From one message to the next, in the latency measurement.
    fn interval(&self) -> Nanos {
        Nanos(1_000_000_000 / u64::from(self.arguments.rate()))
    }

    /// Orders' latency beside an exchange's feed of so many messages a second, and how many of them
    /// a second were taken in.
    fn measure_beside(
        &self,
        cores: &[&[StageName]],
        cpus: &[usize],
        rate: u32,
    ) -> Result<(Histogram<u64>, u64), Failure> {
        let heard = burst::Heard::default();
        let beside = Some((rate, heard.clone()));
        let (paced, _) = self.measure(cores, cpus, self.interval(), beside)?;
        Ok((paced.latency, heard.per_second()))
    }

    fn measure(
        &self,
        cores: &[&[StageName]],
        cpus: &[usize],
        interval: Nanos,
        beside: Option<(u32, burst::Heard)>,
    ) -> Result<(Answers, Vec<StageFigures>), Failure> {
        let folder = self.config.data.join(format!("{}", std::process::id()));
        let outcome = self.measure_in(&folder, cores, cpus, interval, beside);
        let _ = std::fs::remove_dir_all(&folder);
        outcome
    }

    fn measure_in(
        &self,
        folder: &Path,
        cores: &[&[StageName]],
        cpus: &[usize],
        interval: Nanos,
        beside: Option<(u32, burst::Heard)>,
    ) -> Result<(Answers, Vec<StageFigures>), Failure> {
        let clock = SystemClock::new();
        let progress = Progress::default();
        stay_off(&stage_cpus(cores.len(), cpus), cpus);
        let session = self.catalogue.sessions.iter().flatten().last();
        let session = session.context("the default configuration has sessions")?;
        let plan = Plan {
            messages: Arc::clone(&self.messages),
            warm_up: self.messages.len() / 10,
            interval,
            gateway: self.config.entry.address,
            own: OURS,
            session: (session.id.0 as u16, session.key.clone()),
        };
        let port = LoadPort::new(plan, clock.clone(), progress.clone());
        let beside =
            beside.map(|(rate, heard)| burst::prices(&self.catalogue, rate, &clock, heard));
        let (mut wired, keepers) = self.wire(folder, port, beside, &clock)?;
        let opening = Request::new(CommandKind::StartOfDay, clock.now());
        let _ = wired.slow_requests.push(&Group::new(opening));
        let stop = StopFlag::default();
        let threads =
            start(&mut wired, cores, cpus, &clock, &stop).context("cannot start a thread")?;
        let mut was_warm = false;
        while progress.done.get().is_none() && threads.iter().all(|thread| !thread.is_finished()) {
            std::thread::sleep(std::time::Duration::from_millis(2));
            // Full histograms are taken away as they come, those of the warm-up thrown away.
            let is_warm = progress.is_warm.load(Ordering::Relaxed);
            for latency in &mut wired.latencies {
                match is_warm && !was_warm {
                    true => latency.reader.forget(),
                    false => _ = latency.reader.total(),
                }
            }
            was_warm = is_warm;
        }
        stop.raise();
        for thread in threads {
            let ended = thread.join().map_err(|_| anyhow::anyhow!("a core panicked"))?;
            ended.map_err(|fault| anyhow::anyhow!("a core stopped: {}", fault.sentence()))?;
        }
        drop(keepers);
        let answers =
            progress.done.get().cloned().context("the pipeline ended before its orders")?;
        let stages = wired.latencies.iter_mut().map(|latency| StageFigures {
            stage: latency.name,
            latency: latency.reader.percentiles(),
        });
        Ok((answers, stages.collect()))
    }

    fn wire<P: Port + 'static>(
        &self,
        folder: &Path,
        port: P,
        prices: Option<PricesParts>,
        clock: &SystemClock,
    ) -> Result<(Wired, Vec<KeeperThread>), Failure> {
        let (config, catalogue) = (&self.config, &self.catalogue);
        let now = clock.now();
        let utc = UtcMapping { log_time: now, utc: now, uncertainty: Nanos::ZERO };
        let settings = journal_settings(config);
        let (commands, events) = open_both(folder, meaning(config, catalogue), utc, &settings)
            .context("the journal of the run")?;
        let gate = match config.gate() {
            ReleaseGate::Sequenced => Gate::Sequenced,
            ReleaseGate::Synced => {
                Gate::Guarded(Arc::new(Release::new(commands.writer.progress(), Rule::Synced)))
            }
            _ => Gate::Journaled(commands.writer.progress()),
        };
        let keepers = [commands.keeper, events.keeper].map(|keeper| keeper.spawn());
        let keepers: Result<Vec<_>, _> = keepers.into_iter().collect();
        let ids: Vec<InstrumentId> = catalogue.instruments.iter().map(|i| i.id).collect();
        let wired = wire(Parts {
            fold: empty_fold(config, catalogue).map_err(Failure::usage)?,
            limits: engine_limits(config, catalogue),
            gateway: empty_gateway(config, catalogue),
            fix: None,
            peers: None,
            venues: None,
            prices,
            speaker_of: Box::default(),
            hardware: Vec::new(),
            feed: empty_feed(config, catalogue),
            entry_port: port,
            feed_port: NullPort::default(),
            command_log: commands.writer,
            event_log: events.writer,
            gate,
            board: Board::sharded(&ids, catalogue.risk.shards),
            link_depth: config.engine.link_depth as usize,
            risk_bound: risk_bound(config),
        });
        Ok((wired, keepers.context("cannot start a thread")?))
    }
}

/// The CPUs of so many cores, the machine's quietest first.
fn stage_cpus(cores: usize, cpus: &[usize]) -> Vec<usize> {
    cpus.iter().rev().take(cores).copied().collect()
}

type Ended = Result<(), Fault>;

fn start(
    wired: &mut Wired,
    cores: &[&[StageName]],
    cpus: &[usize],
    clock: &SystemClock,
    stop: &StopFlag,
) -> std::io::Result<Vec<std::thread::JoinHandle<Ended>>> {
    let mut threads = Vec::new();
    for (place, names) in cores.iter().enumerate() {
        let stages = names.iter().filter_map(|name| {
            let at = wired.stages.iter().position(|(wired, _)| wired == name)?;
            Some(wired.stages.remove(at).1)
        });
        let cpu = stage_cpus(cores.len(), cpus).get(place).copied();
        let mut core = Core::new(cpu, Idle::Spin, stages.collect());
        let (clock, stop) = (clock.clone(), stop.clone());
        let builder = std::thread::Builder::new().name(format!("core-{place}"));
        threads.push(builder.spawn(move || core.run(&clock, &stop))?);
    }
    // What is left is an exchange's prices, where the appliance has them too.
    for (name, stage) in wired.stages.extract_if(.., |(name, _)| *name == StageName::Prices) {
        let mut core = Core::new(None, Idle::Sleep, vec![stage]);
        let (clock, stop) = (clock.clone(), stop.clone());
        let builder = std::thread::Builder::new().name(name.name());
        threads.push(builder.spawn(move || core.run(&clock, &stop))?);
    }
    Ok(threads)
}

/// Order flow for every instrument, as one session's messages.
fn messages(arguments: &BenchArguments, catalogue: &Catalogue) -> Result<Arc<[Vec<u8>]>, Failure> {
    let instruments = &catalogue.instruments;
    let each = arguments.orders() / instruments.len() as u32;
    let mut parts = Vec::new();
    for (place, instrument) in instruments.iter().enumerate() {
        let options = MakeOptions {
            seed: arguments.seed.wrapping_add(place as u64),
            resting: 1_000.min(each / 4).max(1),
            events: each,
            range: 100,
            sparse_ids: false,
            profile: Profile::Calm,
        };
        let flow = make(&options, &mut |_| ()).context("cannot make orders")?;
        let tick = instrument.tick.0 as u64;
        parts.push(Part { flow, symbol: instrument.symbol, tick });
    }
    let accounts = Accounts { first: 1, count: 1_000 };
    let mut script = Script::of(&parts, accounts, 1).context("cannot make messages")?;
    script.messages.truncate(arguments.orders() as usize);
    Ok(script.messages.into())
}

/// The picture of every placement.
fn plot(report: &Report, arguments: &BenchArguments) -> Plot {
    let placements = [("fused", Some(&report.fused)), ("split", report.split.as_ref())];
    let lines = placements.into_iter().filter_map(|(name, figures)| {
        figures.map(|figures| (name.to_owned(), figures.distribution.clone()))
    });
    Plot {
        title: "Frame in to answer out, in one process, by percentile".into(),
        said: vec![arguments.sentence(), report.machine.clone()],
        lines: lines.collect(),
    }
}

fn print(report: &Report) {
    println!(
        "gate {}, latency at {} messages a second, open loop; floor between two CPUs {} ns",
        report.gate,
        report.rate_per_s,
        report.floor_ns.map_or("-".into(), |floor| floor.to_string())
    );
    println!("{}", report.machine);
    println!(
        "{:<12} {:>12} {:>9} {:>9} {:>9} {:>11}",
        "", "messages/s", "p50 ns", "p99 ns", "p99.9 ns", "max ns"
    );
    let rows = [("fused", Some(&report.fused)), ("split", report.split.as_ref())];
    for (name, figures) in rows {
        let Some(figures) = figures else { continue };
        row(name, Some(figures.orders_per_s), &figures.latency);
        for stage in &figures.stages {
            row(&format!("  {}", stage.stage), None, &stage.latency);
        }
        println!(
            "  {:.1} executions for 100 messages, {} rejections",
            figures.executions_percent, figures.rejections
        );
    }
}

fn row(name: &str, rate: Option<u64>, latency: &Percentiles) {
    let rate = rate.map_or(String::new(), |rate| rate.to_string());
    let Percentiles { p50_ns, p99_ns, p999_ns, max_ns, .. } = latency;
    println!("{name:<12} {rate:>12} {p50_ns:>9} {p99_ns:>9} {p999_ns:>9} {max_ns:>11}");
}
