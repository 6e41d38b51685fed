//! `wirematch check`: says what a configuration will do, or what is wrong with it.

use anyhow::Context;
use serde_json::json;

use crate::command::Outcome;
use crate::command::configuration::{ConfigArguments, Loaded};
use crate::engine::SoftwareMatcher;
use crate::model::Nanos;
use crate::runtime::{Clock, SystemClock};
use crate::stage::FixSpec;
use crate::topology::{Calendar, Catalogue, Config, DEFAULT_CONFIG, StageName};

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

/// Which shard has what, and what an idle instrument takes there.
fn print_shards(config: &Config, catalogue: &Catalogue) {
    let Catalogue { sharding, instruments, .. } = catalogue;
    for shard in 0..sharding.shards() {
        let own = sharding.dealt().iter().filter(|(_, at)| *at as usize == shard).count();
        let known = sharding.known_to(shard, instruments).len();
        let ticks = sharding.ladder_ticks(shard).unwrap_or(config.engine.ladder_ticks);
        let bytes = SoftwareMatcher::idle_bytes(ticks);
        println!(
            "shard     {}: has {own} instruments, knows {known}, {bytes} bytes each while idle",
            StageName::Matching(shard as u8).name()
        );
    }
    let elsewhere = sharding.elsewhere().len();
    if elsewhere > 0 {
        println!("elsewhere {elsewhere} instruments are matched by other appliances");
    }
}

/// A calendar's next day, on its own clock.
fn print_calendar(calendar: &Calendar) {
    println!("calendar  {}, {} instruments", calendar.name, calendar.instruments.len());
    let mut at = SystemClock::new().now();
    let until = at.saturating_add(Nanos(86_400_000_000_000));
    while let Some(due) = calendar.after(at).filter(|due| due.at < until) {
        for change in &due.changes {
            println!("          {}  {}", calendar.local(due.at), change.sentence());
        }
        at = due.at;
    }
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
            "release": config.gate(),
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
    println!("data      {}, release {}", config.data.display(), config.gate().name());
    println!(
        "tables    {} instruments, {accounts} accounts, {sessions} sessions",
        catalogue.instruments.len()
    );
    print_shards(&config, &catalogue);
    for calendar in &catalogue.calendars {
        print_calendar(calendar);
    }
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
