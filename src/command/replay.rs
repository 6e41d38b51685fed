//! `wirematch replay`: folds a journal again and compares every event with the recorded one.

use std::path::Path;

use anyhow::Context;
use serde_json::json;

use crate::command::configuration::{ConfigArguments, Loaded, must_exist};
use crate::command::snapshot::hex;
use crate::command::{Failure, Outcome, progress};
use crate::engine::BookView;
use crate::journal::{JournalError, LogKind, check_pair, scan};
use crate::model::SeqNo;
use crate::topology::{Catalogue, Config, Replay, begun, journal_folder, looked_at};

/// Rebuilds the state from the journal, the clients' sessions included, and compares every event
/// byte for byte with the event log. The appliance may be stopped or running.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 good, 1 the journal cannot be read, 2 wrong configuration, \
    4 an event differs.\n\nExamples:\n  wirematch replay --data run\n  \
    wirematch replay --data run --until 48211 --verify --json\n  \
    wirematch replay --data run --snapshot --verify")]
pub struct ReplayArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Stop after this command
    #[arg(long, value_name = "SEQ", default_value_t = u64::MAX, hide_default_value = true)]
    until: u64,
    /// First check both logs whole: every frame, every link, and one against the other; with
    /// `--snapshot`, that it is what history comes to
    #[arg(long)]
    verify: bool,
    /// Begin from the newest snapshot that is good, not from the first command
    #[arg(long)]
    snapshot: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// What cannot be read, and the first event that differs (exit code 4).
pub fn run(arguments: &ReplayArguments) -> Outcome {
    let Loaded { config, catalogue, .. } = arguments.config.load()?;
    let journal = journal_folder(&config.data);
    must_exist(&LogKind::Commands.folder(&journal), "journal")?;
    if arguments.verify {
        verify(&journal).map_err(Failure::verification)?;
    }
    let until = SeqNo(arguments.until);
    let mut replay = match arguments.snapshot {
        true => from_snapshot(&config, &catalogue, until, arguments.verify)?,
        false => looked_at(&config, &catalogue).map_err(Failure::usage)?,
    };
    let begun_at = replay.fold.seq;
    let bar = progress::so_far("commands");
    let mut unrecorded = 0u64;
    let outcome = replay.run(until, &mut |_| unrecorded += 1, &mut |count| {
        if count.is_multiple_of(1 << 14) {
            bar.set_position(count);
        }
    });
    bar.finish_and_clear();
    outcome.map_err(Failure::verification)?;
    if arguments.json {
        let sessions: Vec<_> = replay.gateway.views().collect();
        let fix_sessions: Vec<_> = replay.fix.views().collect();
        let report = json!({
            "commands": replay.command_count,
            "events": replay.event_count,
            "compared": replay.compared,
            "unrecorded": unrecorded,
            "begun_at": begun_at,
            "last_seq": replay.fold.seq,
            "open_orders": replay.fold.matcher.open_orders(),
            "digest": format!("{:016x}", replay.fold.matcher.digest()),
            "state": replay.state().map(|digest| hex(&digest)),
            "feed_next": replay.feed.next_number(),
            "sessions": sessions,
            "fix_sessions": fix_sessions,
        });
        println!("{}", serde_json::to_string_pretty(&report).context("cannot write JSON")?);
        return Ok(());
    }
    if begun_at > SeqNo::ZERO {
        println!("snapshot  at command {begun_at}");
    }
    println!("commands  {}, up to seq {}", replay.command_count, replay.fold.seq);
    println!(
        "events    {}, of which {} recorded and equal byte for byte",
        replay.event_count, replay.compared
    );
    println!(
        "books     {} open orders, digest {:016x}",
        replay.fold.matcher.open_orders(),
        replay.fold.matcher.digest()
    );
    if let Some(state) = replay.state().map(|digest| hex(&digest)) {
        println!("state     digest {state}");
    }
    println!("feed      {} messages published", replay.feed.next_number() - 1);
    for view in replay.gateway.views() {
        println!(
            "session   {}: expects {}, next reply {}, last order {}",
            view.session, view.next_expected, view.next_number, view.last_ordinal
        );
    }
    for view in replay.fix.views() {
        println!(
            "fix       {}: message {} is next, {} orders open, next order {}",
            view.session, view.next_recorded, view.open_orders, view.next_ordinal
        );
    }
    Ok(())
}

/// State of the newest snapshot that is good; where that is asked for, compared with what history
/// comes to.
fn from_snapshot(
    config: &Config,
    catalogue: &Catalogue,
    until: SeqNo,
    is_compared: bool,
) -> Result<Replay, Failure> {
    let (replay, passed_over) = begun(config, catalogue, until).map_err(Failure::usage)?;
    passed_over.iter().for_each(|why| eprintln!("passed over: {why}"));
    let seq = replay.fold.seq;
    if seq == SeqNo::ZERO {
        return Err(Failure::usage("there is no snapshot to begin from: leave `--snapshot` out"));
    }
    if is_compared {
        let mut whole = looked_at(config, catalogue).map_err(Failure::usage)?;
        whole.run(seq, &mut |_| (), &mut |_| ()).map_err(Failure::verification)?;
        if whole.state() != replay.state() {
            let why = format!("the snapshot at command {seq} is not what history comes to there");
            return Err(Failure::verification(why));
        }
    }
    Ok(replay)
}

/// Checks both logs whole.
fn verify(journal: &Path) -> Result<(), JournalError> {
    let read = |kind: LogKind| scan(&kind.folder(journal), kind, &mut |_| ());
    check_pair(journal, &read(LogKind::Commands)?, &read(LogKind::Events)?)
}
