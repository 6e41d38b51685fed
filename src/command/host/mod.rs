//! `wirematch host`: what the machine should be set to, whether it is, and how to mend it.
//!
//! `check` reads and changes nothing; `init` mends what a write to a file mends and keeps what was
//! there; `fini` writes that back.

mod checks;
mod disk;
mod jitter;
mod machine;
mod mend;
mod process;

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;

use crate::command::bench::core_to_core;
use crate::command::host::checks::{Finding, Wanted, findings};
use crate::command::host::machine::Machine;
use crate::command::{Failure, Outcome};
use crate::runtime::{available_cpus, quietest_last};

/// Looks at the machine: huge pages, CPUs, interrupts, clocks, cards; says of each what was found,
/// what it should be, and how to mend it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 good or with warnings, 1 failed while running, 2 wrong usage, \
    3 a required check failed.\n\nExamples:\n  wirematch host check\n  \
    wirematch host check --cpus 2,3 --card 0000:03:00.0 --json\n  \
    wirematch host check --explain 'clock source'\n  sudo wirematch host init\n  \
    sudo wirematch host fini"
)]
pub struct HostArguments {
    #[command(subcommand)]
    task: Task,
    /// CPUs of the stages; without it the quietest two, or one where there are only two
    #[arg(long, global = true, value_delimiter = ',')]
    cpus: Vec<usize>,
    /// A card the appliance is to have, by its PCI address
    #[arg(long, global = true, value_name = "ADDRESS")]
    card: Option<String>,
    /// How far the clock may be from UTC, in microseconds (100 for fast trading in Europe)
    #[arg(long, global = true, default_value_t = 100, value_name = "MICROSECONDS")]
    utc_bound_us: u64,
    /// Where the journal is to be
    #[arg(long, global = true, default_value = "run", value_name = "DIR")]
    data: PathBuf,
    /// Where `init` keeps what it changed
    #[arg(long, global = true, default_value = "/run/wirematch-host.json", value_name = "FILE")]
    state: PathBuf,
    /// A warning fails the check, too
    #[arg(long, global = true)]
    strict: bool,
    /// Print one JSON object
    #[arg(long, global = true)]
    json: bool,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
enum Task {
    /// Only looks; what is taken from the stages' CPUs in a second, how long a page takes to be on
    /// the journal's disk, the core-to-core latencies and a placement for this machine too
    Check {
        /// Only this check, in full: what was found, what it should be, how to mend it
        #[arg(long, value_name = "NAME")]
        explain: Option<String>,
    },
    /// Mends what a write to a file mends, and keeps what was there
    Init,
    /// Undoes what `init` did
    Fini,
}

/// What the machine is fit for, as the web console shows it.
pub fn looked_at() -> serde_json::Value {
    let cpus = quietest_last(available_cpus());
    let count = if cpus.len() > 2 { 2 } else { 1 };
    let cpus = cpus.into_iter().rev().take(count).collect();
    let found = findings(&Machine::here(), &Wanted { cpus, card: None, utc_bound_us: 100 });
    json!({ "checks": found })
}

/// What made a figure: the build, by a number of all its sources, and what the machine is set to.
pub fn made_by() -> serde_json::Value {
    json!({ "build": env!("WIREMATCH_BUILD"), "host": looked_at() })
}

/// Runs the command.
///
/// # Errors
/// A required check that failed (exit code 3), and what could not be written.
pub fn run(arguments: &HostArguments) -> Outcome {
    let machine = Machine::here();
    let wanted = Wanted {
        cpus: stages(arguments)?,
        card: arguments.card.clone(),
        utc_bound_us: arguments.utc_bound_us,
    };
    match &arguments.task {
        Task::Check { explain: None } => check(arguments, &machine, &wanted),
        Task::Check { explain: Some(name) } => {
            explain(arguments, &all(arguments, &machine, &wanted), name)
        }
        Task::Init => {
            let done = mend::init(&machine, &wanted, &arguments.state)?;
            tell_changes(arguments.json, "mended", &done)?;
            Ok(())
        }
        Task::Fini => {
            let done = mend::fini(&machine, &arguments.state)?;
            tell_changes(arguments.json, "undone", &done)?;
            Ok(())
        }
    }
}

fn stages(arguments: &HostArguments) -> Result<Vec<usize>, Failure> {
    let cpus = quietest_last(available_cpus());
    if let Some(unknown) = arguments.cpus.iter().find(|cpu| !cpus.contains(cpu)) {
        return Err(Failure::usage(format!("--cpus {unknown}: this machine has no such CPU")));
    }
    if !arguments.cpus.is_empty() {
        return Ok(arguments.cpus.clone());
    }
    let count = if cpus.len() > 2 { 2 } else { 1 };
    Ok(cpus.into_iter().rev().take(count).collect())
}

/// The checks, and what is measured on the journal's disk.
fn all(arguments: &HostArguments, machine: &Machine, wanted: &Wanted) -> Vec<Finding> {
    let mut found = findings(machine, wanted);
    found.push(disk::finding(&arguments.data));
    found
}

/// One check in full, whatever came of it.
fn explain(arguments: &HostArguments, found: &[Finding], name: &str) -> Outcome {
    let named = |one: &&Finding| one.check.eq_ignore_ascii_case(name.trim());
    let Some(one) = found.iter().find(named) else {
        let names: Vec<&str> = found.iter().map(|one| one.check).collect();
        let known = names.join(", ");
        return Err(Failure::usage(format!("there is no check `{name}`; there are: {known}")));
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(one).context("cannot write JSON")?);
        return Ok(());
    }
    println!("check      {}", one.check);
    println!("verdict    {}", one.verdict.word());
    println!("found      {}", one.found);
    println!("should be  {}", one.wanted);
    println!("to mend    {}", one.cure);
    Ok(())
}

fn check(arguments: &HostArguments, machine: &Machine, wanted: &Wanted) -> Outcome {
    let found = all(arguments, machine, wanted);
    let cpus = available_cpus();
    let matrix = core_to_core(&cpus);
    let proposal = placement(&cpus, &matrix);
    let jitter = jitter::measured(&wanted.cpus, jitter::SPAN);
    if arguments.json {
        let matrix: Vec<_> = matrix
            .iter()
            .map(|(from, to, ns)| json!({ "from": from, "to": to, "one_way_ns": ns }))
            .collect();
        let report = json!({ "stages": wanted.cpus, "checks": found, "core_to_core": matrix,
                             "jitter": jitter,
                             "placement": proposal });
        println!("{}", serde_json::to_string_pretty(&report).context("cannot write JSON")?);
    } else {
        print(&found, &matrix, &jitter, &proposal);
    }
    let fails = |one: &&Finding| one.has_failed() || (arguments.strict && one.is_off());
    let failed: Vec<&str> = found.iter().filter(fails).map(|finding| finding.check).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::check(format!("required and not so: {}", failed.join(", "))))
}

fn print(
    found: &[Finding],
    matrix: &[(usize, usize, u64)],
    jitter: &[jitter::Jitter],
    proposal: &str,
) {
    for finding in found {
        println!("{:<5} {:<24} {}", finding.verdict.word(), finding.check, finding.found);
        if finding.is_off() {
            println!("{:30} should be: {}", "", finding.wanted);
            println!("{:30} to mend:   {}", "", finding.cure);
        }
    }
    println!("\nfrom one CPU to another, one way:");
    for (from, to, ns) in matrix {
        println!("  {from} to {to}: {ns} ns");
    }
    println!("\nwhat is taken from the stages' CPUs, in a second of looking at the clock:");
    for one in jitter {
        println!(
            "  cpu {}: 99.99 % of looks within {} ns, the longest gap {} µs; {} gaps above 1 µs \
             took {} µs",
            one.cpu,
            one.p9999_ns,
            one.max_ns / 1_000,
            one.gaps,
            one.lost_ns / 1_000
        );
    }
    println!("\na placement for this machine:\n{proposal}");
}

/// Core tables for a configuration: everything on one CPU where there are only two, else the way
/// in and the way out on the pair that is nearest.
fn placement(cpus: &[usize], matrix: &[(usize, usize, u64)]) -> String {
    let quiet = quietest_last(cpus.to_vec());
    let nearest = matrix
        .iter()
        .filter(|(from, to, _)| cpus.len() > 2 && *from != quiet[0] && *to != quiet[0])
        .min_by_key(|(_, _, ns)| *ns);
    let core = |cpu: usize, stages: &str| {
        format!("[[core]]\ncpu = {cpu}\nidle = \"spin\"\nstages = [{stages}]\n")
    };
    match (nearest, quiet.last()) {
        (Some((from, to, _)), _) => {
            core(*from, "\"gateway\", \"sequencer\", \"risk\"")
                + &core(*to, "\"matching\", \"recorder\", \"feed\"")
        }
        (None, Some(cpu)) if cpus.len() > 1 => {
            core(*cpu, "\"gateway\", \"sequencer\", \"risk\", \"matching\", \"recorder\", \"feed\"")
        }
        _ => "one CPU: stages must not spin (idle = \"yield\")\n".into(),
    }
}

fn tell_changes(as_json: bool, word: &str, done: &[mend::Change]) -> Outcome {
    if as_json {
        let report = json!({ word: done });
        println!("{}", serde_json::to_string_pretty(&report).context("cannot write JSON")?);
        return Ok(());
    }
    for change in done {
        println!("{word}: {} from `{}` to `{}`", change.file, change.before, change.after);
    }
    if done.is_empty() {
        println!("nothing to do");
    }
    Ok(())
}
