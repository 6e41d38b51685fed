//! `wirematch snapshot`: takes a snapshot, says which there are, and looks whether they are good.

use std::fs;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::command::configuration::{ConfigArguments, Loaded, must_exist};
use crate::command::{Failure, Outcome, progress};
use crate::journal::LogKind;
use crate::model::SeqNo;
use crate::snapshot::Container;
use crate::topology::{
    Catalogue, Config, Kept, SNAPSHOT_ASKS_EVERY, TakeError, Unfit, fits, identity, journal_folder,
    list_snapshots, looked_at, snapshots_folder, take_snapshot,
};

/// Looks after snapshots: state kept beside the journal, from which a start begins.
#[derive(Args, Debug)]
pub struct SnapshotArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Takes one now, at the last command on record, and reads it back.
    ///
    /// The appliance may be stopped or running: it is not asked for anything.
    #[command(after_help = "Example:\n  wirematch snapshot take --data run")]
    Take(Which),
    /// Says which there are, the newest first.
    #[command(after_help = "Example:\n  wirematch snapshot list --data run --json")]
    List(Which),
    /// Reads each of them, loads it as a start would, and compares what comes of it.
    ///
    /// Exits with 4 where one is of no use. `wirematch replay --snapshot --verify` compares the
    /// newest with history itself.
    #[command(after_help = "Example:\n  wirematch snapshot verify --data run")]
    Verify(Which),
}

#[derive(Args, Debug)]
struct Which {
    #[command(flatten)]
    config: ConfigArguments,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// What cannot be read or written, and a snapshot that is of no use (exit code 4).
pub fn run(arguments: &SnapshotArguments) -> Outcome {
    let (Action::Take(which) | Action::List(which) | Action::Verify(which)) = &arguments.action;
    let Loaded { config, catalogue, .. } = which.config.load()?;
    must_exist(&LogKind::Commands.folder(&journal_folder(&config.data)), "journal")?;
    match arguments.action {
        Action::Take(_) => take(&config, &catalogue, which.json),
        Action::List(_) => list(&config, which.json),
        Action::Verify(_) => verify(&config, &catalogue, which.json),
    }
}

fn take(config: &Config, catalogue: &Catalogue, as_json: bool) -> Outcome {
    let bar = progress::so_far("commands");
    let folded = || {
        bar.inc(SNAPSHOT_ASKS_EVERY);
        false
    };
    let taken = take_snapshot(config, catalogue, SeqNo::MAX, &folded);
    bar.finish_and_clear();
    let taken = taken.map_err(|e| match e {
        TakeError::Setup(error) => Failure::usage(error),
        error @ (TakeError::Replay(_) | TakeError::Unfit(_) | TakeError::Differs) => {
            Failure::verification(error)
        }
        error => Failure::from(anyhow::Error::from(error)),
    })?;
    if as_json {
        return print(&json!({
            "seq": taken.seq,
            "file": taken.path,
            "bytes": taken.bytes,
            "digest": hex(&taken.digest),
            "folded": taken.folded,
            "passed_over": taken.passed_over,
        }));
    }
    taken.passed_over.iter().for_each(|why| println!("passed over  {why}"));
    println!("command      {}, {} folded for it", taken.seq, taken.folded);
    println!("file         {}, {} bytes", taken.path.display(), taken.bytes);
    println!("digest       {}", hex(&taken.digest));
    Ok(())
}

fn all(config: &Config) -> Result<Vec<Kept>, Failure> {
    let folder = snapshots_folder(&config.data);
    Ok(list_snapshots(&folder).with_context(|| format!("cannot list {}", folder.display()))?)
}

fn list(config: &Config, as_json: bool) -> Outcome {
    let bytes = |kept: &Kept| fs::metadata(&kept.path).map_or(0, |about| about.len());
    let kept = all(config)?;
    if as_json {
        let rows = kept
            .iter()
            .map(|kept| json!({ "seq": kept.seq, "file": kept.path, "bytes": bytes(kept) }));
        return print(&json!({ "snapshots": rows.collect::<Vec<_>>() }));
    }
    for kept in &kept {
        println!("command {}: {} bytes in {}", kept.seq, bytes(kept), kept.path.display());
    }
    if kept.is_empty() {
        println!("none; `wirematch snapshot take` takes one");
    }
    Ok(())
}

fn verify(config: &Config, catalogue: &Catalogue, as_json: bool) -> Outcome {
    let looked: Vec<_> =
        all(config)?.into_iter().map(|kept| (look(config, catalogue, &kept), kept)).collect();
    let bad = looked.iter().filter(|(found, _)| found.is_err()).count();
    if as_json {
        let rows = looked.iter().map(|(found, kept)| {
            let why = found.as_ref().err().map(ToString::to_string);
            let digest = found.as_ref().ok().map(hex);
            json!({ "seq": kept.seq, "file": kept.path, "digest": digest, "wrong": why })
        });
        print(&json!({ "snapshots": rows.collect::<Vec<_>>() }))?;
    } else {
        for (found, kept) in &looked {
            let found = found
                .as_ref()
                .map_or_else(ToString::to_string, |digest| format!("good, digest {}", hex(digest)));
            println!("command {}: {found}", kept.seq);
        }
    }
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::verification(format!("{bad} of {} snapshots are of no use", looked.len())))
}

/// Loads a snapshot as a start would; the digest of its state.
fn look(config: &Config, catalogue: &Catalogue, kept: &Kept) -> Result<[u8; 32], TakeError> {
    let journal = journal_folder(&config.data);
    let bytes = fs::read(&kept.path).map_err(Unfit::from)?;
    let container = Container::open(&bytes).map_err(Unfit::from)?;
    fits(&journal, &identity(config, catalogue).config, &container.stand)?;
    let mut replay = looked_at(config, catalogue)?;
    replay.resume(&journal, &container)?;
    let digest = container.digest();
    let is_same = replay.compose(&container.stand).digest() == digest;
    if is_same { Ok(digest) } else { Err(TakeError::Differs) }
}

/// A digest for people.
pub(super) fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn print(value: &Value) -> Outcome {
    println!("{}", serde_json::to_string_pretty(value).context("cannot write JSON")?);
    Ok(())
}
