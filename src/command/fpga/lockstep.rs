//! `wirematch fpga lockstep`: the same commands to the Verilog and to the software, every event
//! compared and every cycle counted.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::command::{Failure, Outcome};
use crate::flow::{self, Naming, Script};
use crate::fpga::Size;
use crate::fpga::lockstep::{Difference, Lockstep, Measured, STORM_BASE};
use crate::model::Command;

/// Runs the Verilog and the software's book on the same commands and compares every event.
///
/// Exits with 4 at the first difference, or when a cycle count is not what the design promises.
#[derive(Debug, Args)]
pub(super) struct LockstepArguments {
    /// Random commands.
    #[arg(long, default_value_t = 200_000)]
    commands: u64,
    /// The same seed makes the same commands.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which of the compiled sizes.
    #[arg(long, value_enum, default_value_t = Size::One)]
    size: Size,
    /// Commands come and events are taken at random cycles.
    #[arg(long)]
    stalls: bool,
    /// The commands of a flow file instead, as far as they are on the ladder.
    #[arg(long)]
    flow: Option<PathBuf>,
    /// Figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// A difference, or a file that cannot be read.
#[allow(clippy::disallowed_methods, reason = "this command measures; nothing depends on it")]
pub(super) fn run(arguments: &LockstepArguments) -> Outcome {
    let began = Instant::now();
    let stalls = arguments.stalls.then_some(arguments.seed);
    let (measured, left_out) = match &arguments.flow {
        None => {
            let mut both = Lockstep::new(arguments.size, stalls, STORM_BASE, None);
            let bar = bar(arguments.commands);
            let outcome =
                both.storm(arguments.commands, arguments.seed, &mut |done| bar.set_position(done));
            bar.finish_and_clear();
            differs(outcome)?;
            (both.measured, 0)
        }
        Some(path) => {
            let flow = flow::read(path).map_err(Failure::usage)?;
            let script =
                Script::new(&flow, u32::MAX >> 8, Naming::Handles).map_err(Failure::usage)?;
            play(&script.commands, arguments.size, stalls)?
        }
    };
    promised(&measured)?;
    let seconds = began.elapsed().as_secs_f64();
    if arguments.json {
        let figures = serde_json::json!({
            "commands": measured.commands, "events": measured.events,
            "executions": measured.executions, "cycles": measured.cycles,
            "left_out": left_out, "seconds": seconds, "alike": true,
        });
        println!("{figures}");
    } else {
        println!(
            "{} commands, {} events, {} executions, {} cycles: no difference ({:.0} commands/s)",
            measured.commands,
            measured.events,
            measured.executions,
            measured.cycles,
            measured.commands as f64 / seconds
        );
        if left_out > 0 {
            println!(
                "{left_out} commands are beyond the device (ladder or room) and were left out"
            );
        }
    }
    Ok(())
}

fn differs(outcome: Result<(), Box<Difference>>) -> Outcome {
    outcome.map_err(Failure::verification)
}

/// The cycle counts that the design promises, whatever came.
pub(super) fn promised(measured: &Measured) -> Outcome {
    for (class, span) in &measured.first {
        if span.least != span.most || span.most > 4 {
            return Err(Failure::verification(format!(
                "{}: first event after {} to {} cycles: constant and at most 4 is promised",
                class.name(),
                span.least,
                span.most
            )));
        }
    }
    if measured.between_fills.count > 0 && measured.between_fills.most > 2 {
        return Err(Failure::verification(format!(
            "a further fill took {} cycles: 2 are promised",
            measured.between_fills.most
        )));
    }
    Ok(())
}

/// Plays a flow's commands, less those that the ladder cannot hold, and those that need them.
fn play(commands: &[Command], size: Size, stalls: Option<u64>) -> Result<(Measured, u64), Failure> {
    let base = best_base(commands);
    let mut both = Lockstep::new(size, stalls, base, None);
    let mut left_out = 0;
    for command in commands {
        if both.takes(command, base) {
            differs(both.step(command))?;
        } else {
            left_out += 1;
        }
    }
    Ok((both.measured, left_out))
}

/// The lowest price of the ladder that holds most of the orders.
fn best_base(commands: &[Command]) -> i64 {
    let mut prices: Vec<i64> =
        commands.iter().map(|command| command.price.0).filter(|price| *price > 0).collect();
    prices.sort_unstable();
    let middle = prices.get(prices.len() / 2).copied().unwrap_or(STORM_BASE);
    (middle - 2048 * 100).max(100) / 100 * 100
}

pub(super) fn bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} {eta}") {
        bar.set_style(style);
    }
    bar
}
