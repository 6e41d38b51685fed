//! `wirematch witness`: the third party that says which of two machines is primary.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::command::{Failure, Outcome};
use crate::model::Nanos;
use crate::replica::Name;
use crate::runtime::{Clock, SystemClock, log};
use crate::topology::{WitnessOptions, WitnessServer};

/// Says which of two machines is primary, and lets the standby take over when the primary is gone.
///
/// It remembers one number and two names, in a small file. It belongs on a third machine: while it
/// is away the primary stops answering when its lease ends, and no standby takes over.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 stopped as asked, 1 failed while running, 2 wrong usage.\
    \n\nExamples:\n  wirematch witness --key change-me\n  \
    wirematch witness --key change-me --data witness --force two")]
pub struct WitnessArguments {
    /// Where both machines ask
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9500")]
    address: SocketAddr,
    /// The secret it shares with both machines
    #[arg(long, env = "WIREMATCH_STANDBY_KEY")]
    key: String,
    /// Where it remembers
    #[arg(long, value_name = "DIR", default_value = "witness")]
    data: PathBuf,
    /// For how long a machine is primary without asking again, at most 150 ms
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 100,
          value_parser = clap::value_parser!(u64).range(10..=150))]
    lease: u64,
    /// Let this machine take over whatever is remembered: only when the other will not come back
    #[arg(long, value_name = "NAME")]
    force: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// What keeps it from listening or remembering.
pub fn run(arguments: &WitnessArguments) -> Outcome {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        flag::register(signal, Arc::clone(&asked)).context("cannot listen for signals")?;
    }
    let clock = SystemClock::new();
    let options = WitnessOptions {
        address: arguments.address,
        key: arguments.key.clone(),
        data: arguments.data.clone(),
        lease: Nanos(arguments.lease * 1_000_000),
        say: log::tell,
    };
    let mut lines = WitnessServer::listen(&options).map_err(Failure::usage)?;
    let mut server = WitnessServer::open(&options, clock.now()).map_err(Failure::usage)?;
    if let Some(name) = &arguments.force {
        server.force(Name::new(name)).map_err(Failure::usage)?;
    }
    let state = server.state();
    match state.holder.is_nobody() {
        true => log::say("ready; nobody was primary so far"),
        false => log::say(&format!("ready; {} is primary, in epoch {}", state.holder, state.epoch)),
    }
    let mut idle = 0;
    while !asked.load(Ordering::Acquire) {
        let work = server.step(clock.now(), &mut lines).context("the witness stops")?;
        idle = if work > 0 { 0 } else { idle + 1 };
        if idle > 16 {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
    Ok(())
}
