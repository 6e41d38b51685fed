//! `wirematch fpga`: the order book in Verilog, held against the software's, measured and shown.

#[cfg(feature = "fpga-sim")]
mod latency;
#[cfg(feature = "fpga-sim")]
mod lockstep;
#[cfg(feature = "fpga-sim")]
mod wire;

use clap::{Args, Subcommand};

use crate::command::Outcome;
use crate::fpga::package;

/// The order book in Verilog: held against the software's, measured, and played frames to.
///
/// All but `package` need a build with the Verilog compiled in:
/// cargo build --release --features fpga-sim (and Verilator and a C++ compiler).
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wirematch fpga lockstep --commands 2000000 --seed 1\n  \
    wirematch fpga lockstep --size many --commands 200000 --seed 2 --stalls\n  \
    wirematch fpga lockstep --flow small.flow\n  \
    wirematch fpga latency\n  \
    wirematch fpga wire orders.pcap answers.pcap\n  \
    wirematch fpga package > fpga/rtl/message_pkg.sv")]
pub struct FpgaArguments {
    #[command(subcommand)]
    task: FpgaTask,
}

#[derive(Debug, Subcommand)]
enum FpgaTask {
    /// Prints the messages' layouts and codes as a SystemVerilog package.
    Package {
        /// The protocol's reasons for refusals instead.
        #[arg(long)]
        reasons: bool,
    },
    #[cfg(feature = "fpga-sim")]
    Lockstep(lockstep::LockstepArguments),
    #[cfg(feature = "fpga-sim")]
    Latency(latency::LatencyArguments),
    #[cfg(feature = "fpga-sim")]
    Wire(wire::WireArguments),
    #[cfg(feature = "fpga-sim")]
    Wave(wire::WaveArguments),
}

/// Runs the command.
///
/// # Errors
/// What the task found wrong.
pub fn run(arguments: &FpgaArguments) -> Outcome {
    match &arguments.task {
        FpgaTask::Package { reasons } => {
            print!("{}", if *reasons { package::reasons() } else { package::text() });
            Ok(())
        }
        #[cfg(feature = "fpga-sim")]
        FpgaTask::Lockstep(arguments) => lockstep::run(arguments),
        #[cfg(feature = "fpga-sim")]
        FpgaTask::Latency(arguments) => latency::run(arguments),
        #[cfg(feature = "fpga-sim")]
        FpgaTask::Wire(arguments) => wire::run(arguments),
        #[cfg(feature = "fpga-sim")]
        FpgaTask::Wave(arguments) => wire::wave(arguments),
    }
}
