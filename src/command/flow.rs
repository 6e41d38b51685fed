//! `wirematch flow`: replays an order-flow file through the order book alone and checks its
//! trades; `wirematch flow make` makes such files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::command::{Failure, Outcome};
use crate::engine::EngineLimits;
use crate::flow::{
    self, FastBook, Flow, FlowBook, MakeOptions, ObviousBook, Replay, Stopped, Summary,
};

/// Replays an order-flow file through the matching engine alone, and checks its trades.
///
/// The prefill builds the book, then the clock runs. Finding orders by the file's ids is timed;
/// risk, sessions and reports are not in it. Exits with 4 when the trades are not those that the
/// file promises, with 2 when the file is not a good one.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  \
        wirematch flow make calm.flow --seed 1 --resting 5000 --events 1000000\n  \
        wirematch flow calm.flow --repeat 5\n  \
        wirematch flow calm.flow --engine reference --trades calm.trades\n  \
        wirematch flow calm.flow --json | jq .ns_per_event"
)]
pub struct FlowArguments {
    #[command(subcommand)]
    task: Option<FlowTask>,
    #[command(flatten)]
    replay: Option<ReplayArguments>,
}

#[derive(Debug, Subcommand)]
enum FlowTask {
    Make(MakeArguments),
}

/// Which book replays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// The appliance's own: ladders, bitmaps, one pool, one id table.
    Fast,
    /// Sorted maps and queues: slow, obvious, what the fast one must equal.
    Reference,
}

impl Engine {
    const fn name(self) -> &'static str {
        match self {
            Engine::Fast => "fast",
            Engine::Reference => "reference",
        }
    }
}

#[derive(Debug, Args)]
struct ReplayArguments {
    /// The flow file (./make for one of that name)
    file: PathBuf,
    /// Write the trades here, as records of 24 bytes: maker u64, taker u64, ticks u32, quantity u32
    #[arg(long, value_name = "OUT")]
    trades: Option<PathBuf>,
    /// Which book replays
    #[arg(long, value_enum, default_value = "fast")]
    engine: Engine,
    /// Replay so often, each time into a new book; the best time counts
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Make a flow file: seeded, realistic, with the trades that a correct book makes of it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    wirematch flow make deep.flow --seed 7 --resting 60000 --events 150000 --range 4000 \
    --sparse-ids")]
struct MakeArguments {
    /// The file to write
    file: PathBuf,
    /// The same seed makes the same file
    #[arg(long, value_name = "S")]
    seed: u64,
    /// Orders that rest when the clock starts, and about as many throughout
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    resting: u32,
    /// Events that are timed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100_000_000))]
    events: u32,
    /// How far from the market orders rest, in ticks
    #[arg(long, value_name = "T", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..=500_000))]
    range: u32,
    /// Leave gaps between order ids, as venues do
    #[arg(long)]
    sparse_ids: bool,
}

/// Runs `wirematch flow`.
///
/// # Errors
/// A failure with its exit code: 1, 2 or 4.
pub fn run(arguments: &FlowArguments) -> Outcome {
    match (&arguments.task, &arguments.replay) {
        (Some(FlowTask::Make(make)), _) => run_make(make),
        (None, Some(replay)) => run_replay(replay),
        (None, None) => Err(Failure::usage("give a flow file, or `make` to make one")),
    }
}

fn run_make(arguments: &MakeArguments) -> Outcome {
    let options = MakeOptions {
        seed: arguments.seed,
        resting: arguments.resting,
        events: arguments.events,
        range: arguments.range,
        sparse_ids: arguments.sparse_ids,
    };
    let expected = u64::from(options.resting) + u64::from(options.events);
    let bar = progress(expected, "events made");
    let flow = flow::make(&options, &mut |made| bar.set_position(made));
    bar.finish_and_clear();
    let flow = flow.context("making the flow").map_err(Failure::from)?;
    let path = arguments.file.display();
    flow::write(&arguments.file, &flow).with_context(|| format!("writing {path}"))?;
    let (prefill, timed) = flow.parts();
    println!(
        "{path}: {} events of prefill, {} timed; {} trades, hash {:016x}",
        prefill.len(),
        timed.len(),
        flow.expected.trades,
        flow.expected.hash
    );
    Ok(())
}

/// What all runs over one file found.
struct Measured {
    /// Nanoseconds of each run, the fastest first.
    nanos: Vec<u64>,
    last: Replay,
    resting_max: u32,
    found: Summary,
}

fn run_replay(arguments: &ReplayArguments) -> Outcome {
    let flow = flow::read(&arguments.file).map_err(Failure::usage)?;
    let measured =
        measure(&flow, arguments).map_err(|stopped| bad_event(&arguments.file, &stopped))?;
    if let Some(out) = &arguments.trades {
        fs::write(out, bytemuck::cast_slice(&measured.last.trades))
            .with_context(|| format!("writing {}", out.display()))?;
    }
    if arguments.json {
        println!("{}", as_json(&flow, &measured, arguments));
    } else {
        print_report(&flow, &measured, arguments);
    }
    if measured.found == flow.expected {
        return Ok(());
    }
    let (found, expected) = (measured.found, flow.expected);
    Err(Failure::verification(format!(
        "{}: the book made {} trades with hash {:016x}; the file promises {} with {:016x}",
        arguments.file.display(),
        found.trades,
        found.hash,
        expected.trades,
        expected.hash
    )))
}

/// A rule that only the book can check is a rule of the file all the same.
fn bad_event(path: &Path, stopped: &Stopped) -> Failure {
    let offset = 64 + 32 * stopped.event;
    Failure::usage(format!(
        "{}: not a good flow file: at byte {offset} (event {}), field `order id`: {}",
        path.display(),
        stopped.event,
        stopped.refusal
    ))
}

fn measure(flow: &Flow, arguments: &ReplayArguments) -> Result<Measured, Stopped> {
    let resting_max = flow::peak_of(flow)?;
    let bar = progress(u64::from(arguments.repeat), "replays");
    let mut nanos = Vec::new();
    let mut last = None;
    for _ in 0..arguments.repeat {
        let run = match arguments.engine {
            Engine::Fast => {
                let ladder_ticks = EngineLimits::DEFAULT.ladder_ticks;
                once(flow, &mut FastBook::new(resting_max, ladder_ticks))?
            }
            Engine::Reference => once(flow, &mut ObviousBook::default())?,
        };
        nanos.push(run.nanos);
        last = Some(run);
        bar.inc(1);
    }
    bar.finish_and_clear();
    nanos.sort_unstable();
    // At least one run was asked for; without one there is nothing to report.
    let last = last.unwrap_or(Replay { trades: Vec::new(), nanos: 0, resting: 0 });
    let found = flow::summary_of(&last.trades);
    Ok(Measured { nanos, found, resting_max, last })
}

fn once<B: FlowBook>(flow: &Flow, book: &mut B) -> Result<Replay, Stopped> {
    let start = now();
    flow::replay(flow, book, &mut || start.elapsed().as_nanos() as u64)
}

#[allow(clippy::disallowed_methods, reason = "this command measures; nothing depends on it")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Nanoseconds per timed event of the best and of the middle run; `None` where none is timed.
fn speeds(flow: &Flow, measured: &Measured) -> Option<(f64, f64)> {
    let (_, timed) = flow.parts();
    let each = |nanos: &u64| *nanos as f64 / timed.len() as f64;
    let best = measured.nanos.first().filter(|_| !timed.is_empty())?;
    let middle = measured.nanos.get(measured.nanos.len() / 2)?;
    Some((each(best), each(middle)))
}

fn as_json(flow: &Flow, measured: &Measured, arguments: &ReplayArguments) -> serde_json::Value {
    let speeds = speeds(flow, measured);
    serde_json::json!({
        "file": arguments.file,
        "engine": arguments.engine.name(),
        "events": flow.events.len(),
        "events_timed": flow.parts().1.len(),
        "trades": measured.found.trades,
        "traded_quantity": measured.found.quantity,
        "trade_hash": format!("{:016x}", measured.found.hash),
        "trade_hash_expected": format!("{:016x}", flow.expected.hash),
        "verified": measured.found == flow.expected,
        "ns_per_event": speeds.map(|(best, _)| best),
        "ns_per_event_median": speeds.map(|(_, middle)| middle),
        "repeat": arguments.repeat,
        "resting": measured.last.resting,
        "resting_max": measured.resting_max,
    })
}

fn print_report(flow: &Flow, measured: &Measured, arguments: &ReplayArguments) {
    let (prefill, timed) = flow.parts();
    let found = measured.found;
    let verdict = if found == flow.expected { "as the file says" } else { "NOT as the file says" };
    println!("{}, {} book", arguments.file.display(), arguments.engine.name());
    println!("  events   {} of prefill, {} timed", prefill.len(), timed.len());
    println!("  trades   {}, quantity {}", found.trades, found.quantity);
    println!("  hash     {:016x}, {verdict}", found.hash);
    println!("  resting  {} at the end, {} at most", measured.last.resting, measured.resting_max);
    match speeds(flow, measured) {
        Some((best, middle)) => {
            let runs = measured.nanos.len();
            println!("  speed    {best:.1} ns per event, best of {runs}; median {middle:.1}");
        }
        None => println!("  speed    nothing is timed"),
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} {msg}, {eta}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style).with_message(what)
}
