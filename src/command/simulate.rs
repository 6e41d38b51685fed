//! `wirematch simulate`: two machines, witness and clients in one thread from one seed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use indicatif::ProgressBar;
use serde_json::json;

use crate::command::{Failure, Outcome, progress};
use crate::model::Nanos;
use crate::runtime::{Clock, SystemClock};
use crate::simulate::{self, Found, Options, Struck};

/// Runs both machines, the witness and clients in one thread, with trouble drawn from a seed, and
/// checks that nothing acknowledged is lost, nothing is there twice, and both have one history.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 all is well, 1 it cannot run, 3 a check failed.\
    \n\nExamples:\n  wirematch simulate --seed 8\n  wirematch simulate --seed 1 --seeds 200\n  \
    wirematch simulate --seed 8 --shrink")]
pub struct SimulateArguments {
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds; each CPU runs one at a time
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// For how long there is trouble: quick 0.5 s of simulated time, soak 2 s, storm 5 s
    #[arg(long, value_enum, default_value = "quick")]
    profile: Profile,
    /// Trouble for so many milliseconds, in place of the profile's
    #[arg(long, value_name = "MILLISECONDS")]
    trouble: Option<u64>,
    /// Find the shortest trouble with which the seed still fails
    #[arg(long)]
    shrink: bool,
    /// Run each seed twice and compare
    #[arg(long)]
    twice: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// How much trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Profile {
    Quick,
    Soak,
    Storm,
}

impl Profile {
    const fn trouble(self) -> u64 {
        match self {
            Self::Quick => 500,
            Self::Soak => 2_000,
            Self::Storm => 5_000,
        }
    }
}

/// What came of all seeds.
#[derive(Default)]
struct Ran {
    struck: Struck,
    commands: u64,
    /// The first seed that failed.
    failure: Option<(u64, Why)>,
}

/// Why a seed failed.
enum Why {
    /// It cannot be run here.
    Cannot(String),
    /// It came out different the second time.
    Differs,
    /// A check failed.
    Found(Found),
}

/// Runs the command.
///
/// # Errors
/// The first seed that fails, with the line that runs it again.
pub fn run(arguments: &SimulateArguments) -> Outcome {
    let clock = SystemClock::new();
    let trouble = arguments.trouble.unwrap_or(arguments.profile.trouble());
    let bar = progress::of_so_much(arguments.seeds, "seeds");
    let began = clock.now();
    let ran = run_all(arguments, trouble, &bar);
    bar.finish_and_clear();
    match ran.failure {
        None => {}
        Some((_, Why::Cannot(why))) => return Err(Failure::from(anyhow!(why))),
        Some((seed, Why::Differs)) => {
            return Err(Failure::check(format!("seed {seed} came out different the second time")));
        }
        Some((seed, Why::Found(found))) => {
            return Err(failed(seed, trouble, &found, arguments.shrink));
        }
    }
    let seconds = clock.now().saturating_sub(began).0 as f64 / 1e9;
    report(arguments, &ran.struck, ran.commands, seconds)
}

/// Runs all seeds, a thread for each CPU: no seed knows of another.
fn run_all(arguments: &SimulateArguments, trouble: u64, bar: &ProgressBar) -> Ran {
    let end = arguments.seed.saturating_add(arguments.seeds);
    let next = AtomicU64::new(arguments.seed);
    let ran = Mutex::new(Ran::default());
    let has_failed = AtomicBool::new(false);
    let work = || {
        loop {
            // Seeds before one that failed have all begun, and the first to fail is told of.
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || has_failed.load(Ordering::Relaxed) {
                return;
            }
            let outcome = run_one(seed, trouble, arguments.twice);
            let mut ran = ran.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            match outcome {
                Ok(outcome) => {
                    ran.struck.add(&outcome.struck);
                    ran.commands += outcome.commands;
                }
                Err(why) => {
                    has_failed.store(true, Ordering::Relaxed);
                    if ran.failure.as_ref().is_none_or(|(first, _)| seed < *first) {
                        ran.failure = Some((seed, why));
                    }
                }
            }
            bar.inc(1);
        }
    };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (0..cpus).for_each(|_| drop(scope.spawn(work)));
    });
    ran.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn run_one(seed: u64, trouble: u64, twice: bool) -> Result<simulate::Outcome, Why> {
    let mut outcome = one(seed, trouble).map_err(Why::Cannot)?;
    if twice && one(seed, trouble).map_err(Why::Cannot)? != outcome {
        return Err(Why::Differs);
    }
    match outcome.found.take() {
        Some(found) => Err(Why::Found(found)),
        None => Ok(outcome),
    }
}

fn one(seed: u64, trouble: u64) -> Result<simulate::Outcome, String> {
    let options = Options { trouble: Nanos(trouble * 1_000_000), sabotage: None };
    simulate::simulate(seed, &options)
}

/// What a seed found, in the shortest way.
fn failed(seed: u64, trouble: u64, found: &Found, shrink: bool) -> Failure {
    let (mut least, mut what) = (trouble, found.clone());
    if shrink {
        // What happens before a moment does not depend on when trouble ends.
        let mut step = trouble / 2;
        while step > 0 {
            match one(seed, least.saturating_sub(step)) {
                Ok(outcome) if least > step && outcome.found.is_some() => {
                    least -= step;
                    what = outcome.found.unwrap_or(what);
                }
                _ => step /= 2,
            }
        }
    }
    let Found { check, what } = what;
    Failure::check(format!(
        "{check}: {what}\nrun it again: wirematch simulate --seed {seed} --trouble {least}"
    ))
}

fn report(arguments: &SimulateArguments, struck: &Struck, commands: u64, seconds: f64) -> Outcome {
    let counts: BTreeMap<&str, u64> =
        struck.counts.iter().map(|(kind, count)| (kind.name(), *count)).collect();
    let met: BTreeMap<&str, u64> =
        struck.met_with().into_iter().map(|(count, what)| (what, count)).collect();
    let rate = arguments.seeds as f64 / seconds.max(1e-9);
    if arguments.json {
        let report = json!({
            "seeds": arguments.seeds,
            "seeds_per_s": rate,
            "commands": commands,
            "faults": counts,
            "met": met,
            "failures": 0,
        });
        println!("{}", serde_json::to_string_pretty(&report).context("cannot write JSON")?);
        return Ok(());
    }
    println!("{} seeds, {rate:.1} a second, {commands} commands, no failure", arguments.seeds);
    for (kind, count) in &struck.counts {
        println!("{:>10}  {}", count, kind.name());
    }
    println!("what they met:");
    for (count, what) in struck.met_with() {
        println!("{count:>10}  {what}");
    }
    Ok(())
}
