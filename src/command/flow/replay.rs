//! `wirematch flow FILE`: replays, checks the trades, and says how long it took.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::command::flow::percentiles::{self, Row, Stopwatch};
use crate::command::flow::progress;
use crate::command::{Failure, Outcome};
use crate::engine::{EngineLimits, ReferenceMatcher, SoftwareMatcher};
use crate::flow::{
    self, Alone, Engine, FastBook, Flow, Naming, Replay, Script, Stopped, Summary, Whole,
};

/// Which engine replays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineName {
    /// The appliance's matcher: commands in, events out, every feature compiled in.
    Fast,
    /// The matcher the fast one must equal: sorted maps and queues, slow and obvious.
    Reference,
    /// The risk gate, with accounts, and then the fast matcher.
    Whole,
    /// The fast matcher's book without the matcher: no messages, no owners, no events.
    Book,
}

impl EngineName {
    const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Reference => "reference",
            Self::Whole => "whole",
            Self::Book => "book",
        }
    }
}

/// How orders are named to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Ids {
    /// As the edge does: each session numbers its orders in sequence.
    Handles,
    /// By the file's ids, whatever gaps they leave.
    File,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// The flow file (./make for one of that name)
    file: PathBuf,
    /// Write the trades here, as records of 24 bytes: maker u64, taker u64, ticks u32, quantity u32
    #[arg(long, value_name = "OUT")]
    trades: Option<PathBuf>,
    /// Which engine replays
    #[arg(long, value_enum, default_value = "fast")]
    engine: EngineName,
    /// How orders are named to it [default: handles where the file's ids are in sequence]
    #[arg(long, value_enum)]
    ids: Option<Ids>,
    /// Replay so often, each time into a new engine; the best time counts
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,
    /// Time every command by itself as well, and show percentiles by what it does
    #[arg(long)]
    percentiles: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What all runs over one file found.
struct Measured {
    /// Nanoseconds of each run, the fastest first.
    nanos: Vec<u64>,
    last: Replay,
    resting_max: u32,
    found: Summary,
    naming: Naming,
    tables: Vec<Table>,
}

/// Percentiles, and what they are of.
struct Table {
    title: &'static str,
    key: &'static str,
    rows: Vec<Row>,
}

/// Runs `wirematch flow FILE`.
pub(super) fn run(arguments: &ReplayArguments) -> Outcome {
    if arguments.percentiles && arguments.engine == EngineName::Book {
        return Err(Failure::usage(
            "`--percentiles` wants an engine that takes commands, not `book`",
        ));
    }
    let flow = flow::read(&arguments.file).map_err(Failure::usage)?;
    let measured = measure(&flow, arguments)?;
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
        "{}: the engine made {} trades with hash {:016x}; the file promises {} with {:016x}",
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

fn measure(flow: &Flow, arguments: &ReplayArguments) -> Result<Measured, Failure> {
    let bad = |stopped: Stopped| bad_event(&arguments.file, &stopped);
    let resting_max = flow::peak_of(flow).map_err(bad)?;
    let naming = match arguments.ids {
        Some(Ids::Handles) => Naming::Handles,
        Some(Ids::File) => Naming::Ids,
        None => Script::naming_of(flow),
    };
    let script = Script::new(flow, resting_max, naming).map_err(bad)?;
    let bar = progress(u64::from(arguments.repeat), "replays");
    let mut nanos = Vec::new();
    let mut last = None;
    for _ in 0..arguments.repeat {
        let run = once(flow, &script, arguments.engine)?;
        nanos.push(run.nanos);
        last = Some(run);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let tables = match arguments.percentiles {
        true => time_each(&script, arguments)?,
        false => Vec::new(),
    };
    nanos.sort_unstable();
    // At least one run was asked for; without one there is nothing to report.
    let last = last.unwrap_or(Replay { trades: Vec::new(), nanos: 0, resting: 0 });
    let found = flow::summary_of(&last.trades);
    Ok(Measured { nanos, found, resting_max, last, naming, tables })
}

/// One replay into a new engine.
fn once(flow: &Flow, script: &Script, engine: EngineName) -> Result<Replay, Failure> {
    let mut book = FastBook::new(script.resting_max, EngineLimits::DEFAULT.ladder_ticks);
    let start = now();
    let mut clock = || start.elapsed().as_nanos() as u64;
    let refused = |refused: flow::Refused| Failure::from(anyhow::Error::from(refused));
    match engine {
        EngineName::Fast => flow::play(script, &mut fast(script)?, &mut clock).map_err(refused),
        EngineName::Whole => flow::play(script, &mut whole(script)?, &mut clock).map_err(refused),
        EngineName::Reference => {
            let matcher = flow::matcher_of(script, ReferenceMatcher::new);
            let matcher = matcher.context("making the engine").map_err(Failure::from)?;
            flow::play(script, &mut Alone(matcher), &mut clock).map_err(refused)
        }
        EngineName::Book => flow::replay(flow, &mut book, &mut clock)
            .map_err(|stopped| Failure::from(anyhow::Error::from(stopped))),
    }
}

fn fast(script: &Script) -> Result<Alone<SoftwareMatcher>, Failure> {
    let matcher = flow::matcher_of(script, SoftwareMatcher::new);
    Ok(Alone(matcher.context("making the engine").map_err(Failure::from)?))
}

fn whole(script: &Script) -> Result<Whole<SoftwareMatcher>, Failure> {
    let Alone(matcher) = fast(script)?;
    Ok(Whole::new(script, &flow::limits_of(script), matcher))
}

/// Times every command by itself, in as many replays as were asked for.
fn time_each(script: &Script, arguments: &ReplayArguments) -> Result<Vec<Table>, Failure> {
    let stopwatch = Stopwatch::new();
    let deeds = script.timed_deeds();
    let mut least = vec![u32::MAX; deeds.len()];
    let mut tables = Vec::new();
    for number in 0..arguments.repeat {
        match arguments.engine {
            EngineName::Whole => time_once(script, &mut whole(script)?, &stopwatch, &mut least)?,
            EngineName::Fast => time_once(script, &mut fast(script)?, &stopwatch, &mut least)?,
            EngineName::Reference | EngineName::Book => {
                let engine = arguments.engine.name();
                let message = format!("`--percentiles` wants `fast` or `whole`, not `{engine}`");
                return Err(Failure::usage(message));
            }
        }
        if number == 0 {
            let rows = percentiles::rows(&least, deeds, &stopwatch);
            tables.push(Table { title: "nanoseconds, one replay", key: "percentiles", rows });
        }
    }
    if arguments.repeat > 1 {
        let rows = percentiles::rows(&least, deeds, &stopwatch);
        let title = "the least of all replays";
        tables.push(Table { title, key: "percentiles_least", rows });
    }
    Ok(tables)
}

fn time_once<E: Engine>(
    script: &Script,
    engine: &mut E,
    stopwatch: &Stopwatch,
    least: &mut [u32],
) -> Result<(), Failure> {
    let played = flow::play_each(script, engine, || stopwatch.read(), least);
    played.map(drop).map_err(|refused| Failure::from(anyhow::Error::from(refused)))
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

/// How orders were named, in a word; the book always finds them by the file's ids.
const fn naming_of(measured: &Measured, engine: EngineName) -> &'static str {
    match (engine, measured.naming) {
        (EngineName::Book, _) | (_, Naming::Ids) => "file",
        (_, Naming::Handles) => "handles",
    }
}

fn as_json(flow: &Flow, measured: &Measured, arguments: &ReplayArguments) -> serde_json::Value {
    let speeds = speeds(flow, measured);
    let mut json = serde_json::json!({
        "file": arguments.file,
        "engine": arguments.engine.name(),
        "ids": naming_of(measured, arguments.engine),
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
    });
    for table in &measured.tables {
        for row in &table.rows {
            json[table.key][row.name.replace(' ', "_")] = row.json();
        }
    }
    json
}

fn print_report(flow: &Flow, measured: &Measured, arguments: &ReplayArguments) {
    let (prefill, timed) = flow.parts();
    let found = measured.found;
    let verdict = if found == flow.expected { "as the file says" } else { "NOT as the file says" };
    let ids = naming_of(measured, arguments.engine);
    println!("{}, engine {}, ids {ids}", arguments.file.display(), arguments.engine.name());
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
    for table in &measured.tables {
        percentiles::print(table.title, &table.rows);
    }
}
