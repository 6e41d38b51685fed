//! `wirematch journal prune`: removes what need not be kept any longer, or says what would go.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::command::configuration::ConfigArguments;
use crate::command::{Failure, Outcome};
use crate::journal::{Excess, hold};
use crate::runtime::{Clock, SystemClock};
use crate::topology::{PruneError, instant, journal_folder, prunable, prune as remove};

#[derive(clap::Args, Debug)]
pub(super) struct PruneArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// One JSON object per log
    #[arg(long)]
    json: bool,
}

/// Prunes a journal that nobody writes.
pub(super) fn prune(arguments: &PruneArguments, out: &mut impl Write) -> Outcome {
    let loaded = arguments.config.load()?;
    let journal = journal_folder(&loaded.config.data);
    let _held = match arguments.dry_run {
        true => None,
        false => Some(hold(&journal).map_err(Failure::usage)?),
    };
    let now = SystemClock::new().now();
    let found = prunable(&loaded.config, &loaded.catalogue, now).map_err(|error| match error {
        PruneError::NoSnapshot | PruneError::Followed => Failure::usage(error),
        PruneError::Journal(error) => super::failure(error),
        PruneError::Snapshots(error) => Failure::from(anyhow::Error::from(error)),
    })?;
    if !arguments.dry_run {
        remove(&found).map_err(|error| Failure::from(anyhow::Error::from(error)))?;
    }
    let days = loaded.config.journal.keep_days;
    let told = match (arguments.json, found.is_empty()) {
        (true, _) => found.iter().try_for_each(|excess| writeln!(out, "{}", told(excess))),
        (false, true) => writeln!(
            out,
            "nothing goes: all of it is of the last {days} days, or not in a snapshot"
        ),
        (false, false) => found.iter().try_for_each(|one| say(one, arguments.dry_run, out)),
    };
    told.map_err(Failure::from_output)
}

fn say(excess: &Excess, is_dry: bool, out: &mut impl Write) -> io::Result<()> {
    let (segments, mebibytes) = (excess.segments.len(), excess.bytes >> 20);
    let verb = if is_dry { "would go" } else { "went" };
    let last = super::show::id(excess.kind, excess.begins.seal.id);
    let until = instant(excess.begins.seal.time);
    writeln!(
        out,
        "{} log: {segments} segments, {mebibytes} MiB, {verb}: up to {last} of {until}",
        excess.kind
    )
}

fn told(excess: &Excess) -> Value {
    json!({
        "log": excess.kind.to_string(),
        "segments": excess.segments.len(),
        "bytes": excess.bytes.to_string(),
        "last": excess.begins.seal.id.to_string(),
        "until": instant(excess.begins.seal.time),
    })
}
