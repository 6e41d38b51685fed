//! `wirematch check`: says what a configuration will do, or what is wrong with it.

use anyhow::Context;
use serde_json::json;

use crate::command::Outcome;
use crate::command::configuration::{ConfigArguments, Loaded};
use crate::stage::FixSpec;
use crate::topology::{Catalogue, DEFAULT_CONFIG};

/// Checks a configuration and says what the appliance would do with it on this machine: which
/// stages run on which CPU, the ports, the tables.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 good, 2 wrong configuration.\n\nExamples:\n  \
    wirematch check --config my.toml\n  wirematch check --print-defaults > my.toml")]
pub struct CheckArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Print the annotated defaults and nothing else
    #[arg(long)]
    print_defaults: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the configuration; exit code 2.
pub fn run(arguments: &CheckArguments) -> Outcome {
    if arguments.print_defaults {
        print!("{DEFAULT_CONFIG}");
        return Ok(());
    }
    let Loaded { config, catalogue, placement } = arguments.config.load()?;
    let accounts = catalogue.risk.accounts.iter().flatten().count();
    let sessions = catalogue.sessions.iter().flatten().count();
    if arguments.json {
        let cores = placement.cores.iter().map(|core| {
            let stages: Vec<_> = core.stages.iter().map(|stage| stage.name()).collect();
            json!({ "cpu": core.cpu, "idle": core.idle, "stages": stages })
        });
        let fix_sessions = fix_rows(&catalogue);
        let report = json!({
            "data": config.data,
            "release": config.release,
            "entry": { "device": config.entry.device.to_string(), "address": config.entry.address },
            "feed": {
                "device": config.feed.device.to_string(),
                "address": config.feed.address,
                "group": config.feed.group,
            },
            "fix": { "address": config.fix.address, "sessions": fix_sessions },
            "instruments": catalogue.instruments.len(),
            "accounts": accounts,
            "sessions": sessions,
            "cores": cores.collect::<Vec<_>>(),
            "notes": placement.notes,
        });
        println!("{}", serde_json::to_string_pretty(&report).context("cannot write JSON")?);
        return Ok(());
    }
    print!("{placement}");
    println!("entry     {} at {}", config.entry.device, config.entry.address);
    if !fix_rows(&catalogue).is_empty() {
        println!("fix       kernel TCP at {}", config.fix.address);
        fix_rows(&catalogue).iter().for_each(|row| println!("          {row}"));
    }
    println!(
        "feed      {} at {}, to {}",
        config.feed.device, config.feed.address, config.feed.group
    );
    println!("data      {}, release {:?}", config.data.display(), config.release);
    println!(
        "tables    {} instruments, {accounts} accounts, {sessions} sessions",
        catalogue.instruments.len()
    );
    Ok(())
}

/// Each FIX session in words.
fn fix_rows(catalogue: &Catalogue) -> Vec<String> {
    let row = |spec: &FixSpec| {
        let identity = &spec.config.identity;
        let (first, last) = (spec.accounts.start(), spec.accounts.end());
        let asks = if spec.credentials.is_some() { "a password" } else { "no password" };
        let does = match (spec.is_drop_copy, spec.cancel_on_disconnect) {
            (true, _) => "a drop copy",
            (false, true) => "orders die with the line",
            (false, false) => "orders outlive the line",
        };
        format!(
            "session {}: {} between {} and {}, accounts {first} to {last}, {asks}, {does}",
            spec.id,
            identity.version.name(),
            identity.sender,
            identity.target
        )
    };
    catalogue.fix_sessions.iter().flatten().map(row).collect()
}
