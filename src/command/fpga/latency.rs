//! `wirematch fpga latency`: cycles by class of command, and nanoseconds at the clock that
//! placement estimates.

use clap::Args;

use crate::command::fpga::lockstep::{bar, promised};
use crate::command::{Failure, Outcome};
use crate::fpga::Size;
use crate::fpga::lockstep::{Lockstep, STORM_BASE, Sweep};

/// What place-and-route estimates for the whole path on the ECP5 today, in MHz: timing is not met
/// yet, 100 is the aim (`docs/fpga.md`).
const PLACED_MHZ: f64 = 36.0;

/// Clocks of larger parts: projections, for no open tool times them.
const PROJECTED_MHZ: [f64; 2] = [250.0, 322.0];

/// A frame that reports an execution, with preamble, checksum and gap, in bytes.
const REPORT_FRAME: f64 = 14.0 + 20.0 + 8.0 + 20.0 + 2.0 + 36.0 + 24.0;

/// Measures cycles by class of command and prints them with nanoseconds at the clock that placement
/// estimates and, as projections, at 250 and 322 MHz.
#[derive(Debug, Args)]
pub(super) struct LatencyArguments {
    /// Random commands.
    #[arg(long, default_value_t = 200_000)]
    commands: u64,
    /// The same seed makes the same commands.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Fills of the one aggressor that is timed, each at a price of its own.
    #[arg(long, default_value_t = 64)]
    fills: u32,
}

/// Runs the command.
///
/// # Errors
/// A difference between the books, or a cycle count that is not what is promised.
pub(super) fn run(arguments: &LatencyArguments) -> Outcome {
    let mut both = Lockstep::new(Size::One, None, STORM_BASE, None);
    let progress = bar(arguments.commands);
    both.storm(arguments.commands, arguments.seed, &mut |done| progress.set_position(done))
        .map_err(Failure::verification)?;
    progress.finish_and_clear();
    promised(&both.measured)?;
    println!(
        "cycles from the core's taking a command to its first event, {} commands",
        arguments.commands
    );
    println!(
        "                        cycles   ns at {PLACED_MHZ} MHz   250 MHz*  322 MHz*   occupied"
    );
    for (class, span) in &both.measured.first {
        let occupied = both.measured.occupied.get(class).copied().unwrap_or_default();
        row(class.name(), span.most, Some((occupied.least, occupied.most)));
    }
    row("each further fill", both.measured.between_fills.most, None);
    row("dry run, the longest", both.measured.dry_run.most, None);
    let Sweep { first, last, fills } =
        both.sweep(arguments.fills).map_err(Failure::verification)?;
    println!("one aggressor, {fills} fills at {fills} prices:");
    row("first fill", first, None);
    row("last fill", last, None);
    let frames = f64::from(fills) * 2.0 * REPORT_FRAME * 8.0 / 10.0;
    println!("its {} report frames then need {frames:.0} ns on a 10G wire", fills * 2);
    println!("* projections: no open tool times these parts");
    Ok(())
}

fn row(name: &str, cycles: u64, occupied: Option<(u64, u64)>) {
    let at = |mhz: f64| cycles as f64 * 1_000.0 / mhz;
    let occupied = occupied.map_or(String::new(), |(least, most)| format!("{least} to {most}"));
    println!(
        "  {name:<20} {cycles:>7} {:>15.1} {:>10.1} {:>9.1}   {occupied}",
        at(PLACED_MHZ),
        at(PROJECTED_MHZ[0]),
        at(PROJECTED_MHZ[1])
    );
}
