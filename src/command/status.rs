//! `wirematch status` and `wirematch ready`: whether an appliance does its work, for people and for
//! scripts.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::json;

use crate::command::monitor::read;
use crate::command::{Failure, Outcome};
use crate::console::{Figures, unready};
use crate::runtime::counters_file::COUNTERS_NAME;

/// Says in a few lines how an appliance fares.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all is good, 1 the counters file cannot be read, 3 a component \
    is down.\n\nExample:\n  wirematch status --data run"
)]
pub struct StatusArguments {
    /// The data folder of the appliance
    #[arg(long, value_name = "DIR", default_value = "run")]
    data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Leaves with 0 if orders are served, else names the component that is down.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 ready, 1 the counters file cannot be read, 3 a component is \
    down.\n\nExample:\n  until wirematch ready; do sleep 0.1; done"
)]
pub struct ReadyArguments {
    /// The data folder of the appliance
    #[arg(long, value_name = "DIR", default_value = "run")]
    data: PathBuf,
    /// Print one JSON object: is_ready, what, and each component
    #[arg(long)]
    json: bool,
}

/// Runs `wirematch status`.
///
/// # Errors
/// A file that cannot be read; a component that is down.
pub fn status(arguments: &StatusArguments) -> Outcome {
    let snapshot = read(&arguments.data.join(COUNTERS_NAME))?;
    let figures = Figures::of(&snapshot, None);
    if arguments.json {
        println!("{}", serde_json::to_string(&figures).context("cannot write JSON")?);
    } else {
        println!(
            "{} · pid {} · {} commands · {} open orders · {} refused · {} sessions up",
            figures.state,
            figures.pid,
            figures.commands,
            figures.open_orders,
            figures.refused,
            figures.sessions.iter().filter(|one| one.is_up).count()
        );
        for one in &figures.health {
            let word = if one.is_good { "good" } else { "DOWN" };
            println!("{word:<5} {:<10} {}", one.component, one.what);
        }
    }
    unready(&figures.health).map_or(Ok(()), |what| Err(Failure::check(what)))
}

/// Runs `wirematch ready`.
///
/// # Errors
/// A file that cannot be read; a component that is down.
pub fn ready(arguments: &ReadyArguments) -> Outcome {
    let snapshot = read(&arguments.data.join(COUNTERS_NAME))?;
    let figures = Figures::of(&snapshot, None);
    let down = unready(&figures.health);
    if arguments.json {
        let told = json!({
            "is_ready": down.is_none(), "what": down, "components": figures.health,
        });
        println!("{told}");
    }
    down.map_or(Ok(()), |what| Err(Failure::check(format!("not ready: {what}"))))
}
