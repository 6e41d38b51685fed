//! `wirematch simulate`: two machines, witness and clients in one thread from one seed.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::command::{Failure, Outcome};
use crate::model::Nanos;
use crate::runtime::{Clock, SystemClock};
use crate::simulate::{Found, Options, Struck, simulate};

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
    /// How many seeds, one after the other
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

/// Runs the command.
///
/// # Errors
/// The first seed that fails, with the line that runs it again.
pub fn run(arguments: &SimulateArguments) -> Outcome {
    let clock = SystemClock::new();
    let trouble = arguments.trouble.unwrap_or(arguments.profile.trouble());
    let (mut struck, mut commands) = (Struck::default(), 0);
    let bar = progress_bar(arguments.seeds);
    let began = clock.now();
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        let outcome = one(seed, trouble)?;
        if arguments.twice && one(seed, trouble)? != outcome {
            return Err(Failure::check(format!("seed {seed} came out different the second time")));
        }
        if let Some(found) = outcome.found {
            bar.finish_and_clear();
            return Err(failed(seed, trouble, &found, arguments.shrink));
        }
        struck.add(&outcome.struck);
        commands += outcome.commands;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let seconds = clock.now().saturating_sub(began).0 as f64 / 1e9;
    report(arguments, &struck, commands, seconds)
}

fn one(seed: u64, trouble: u64) -> Result<crate::simulate::Outcome, Failure> {
    let options = Options { trouble: Nanos(trouble * 1_000_000), sabotage: None };
    simulate(seed, &options).map_err(|why| Failure::from(anyhow!(why)))
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

fn progress_bar(seeds: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} seed {pos} of {len} {per_sec}");
    ProgressBar::new(seeds).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
