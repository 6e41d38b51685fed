//! `wirematch flow`: replays an order-flow file through the matching engine alone and checks its
//! trades; `wirematch flow make` makes such files.

mod percentiles;
mod replay;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::command::flow::replay::ReplayArguments;
use crate::command::{Failure, Outcome};
use crate::flow::{self, MakeOptions};

/// Replays an order-flow file through the matching engine alone, and checks its trades.
///
/// The prefill builds the book, then the clock runs. The engine is the appliance's own, on its own
/// messages: commands in, events out. Ids in sequence become each session's order numbers, as the
/// edge gives them; ids with gaps are given as they are, and finding orders by them is timed.
/// Exits with 4 when the trades are not those that the file promises, with 2 when the file is not
/// a good one.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  \
        wirematch flow make calm.flow --seed 1 --resting 5000 --events 1000000\n  \
        wirematch flow calm.flow --repeat 5\n  \
        wirematch flow calm.flow --engine whole --repeat 5 --percentiles\n  \
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
        (None, Some(replay)) => replay::run(replay),
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

/// A bar on a terminal, nothing elsewhere.
fn progress(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} {msg}, {eta}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style).with_message(what)
}
