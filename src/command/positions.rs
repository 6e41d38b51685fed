//! `wirematch positions`: what each account holds, what it cost and what it made.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::command::{Failure, Outcome};
use crate::journal::LogKind;
use crate::model::AccountId;
use crate::slow::{Found, Holding, SlowError, Snapshot, Source, read_positions};

/// Prints positions and profit and loss, as of the last event in the journal.
///
/// May be asked while the appliance runs: it reads the store that the appliance writes, and the
/// events behind it. Without a usable store it folds the whole journal, which takes longer and
/// gives the same. What is held is valued at the last traded price.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  wirematch positions data\n  \
                        wirematch positions data --account 5 --json | jq .realised")]
pub struct PositionsArguments {
    /// The data folder: the one that holds `journal`.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// One account only.
    #[arg(long, value_name = "NUMBER")]
    account: Option<u32>,
    /// One JSON object per line, the totals last; money and numbers of 64 bits are strings.
    #[arg(long)]
    json: bool,
}

/// Runs `wirematch positions`.
///
/// # Errors
/// A folder without a journal (2), and an event log that cannot be read (4).
pub fn run(arguments: &PositionsArguments) -> Outcome {
    let (journal, data) = folders(arguments)?;
    let Found { positions, source } = read_positions(&journal, &data).map_err(failure)?;
    if let Source::Journal(why) = source {
        eprintln!("note: folded from the whole journal, because {why}");
    }
    let snapshot = positions.snapshot(arguments.account.map(AccountId));
    let mut out = BufWriter::new(io::stdout().lock());
    let print = if arguments.json { print_json } else { print_table };
    match print(&snapshot, &mut out).and_then(|()| out.flush()) {
        // Whoever reads may have seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed.map_err(anyhow::Error::from)?),
    }
}

/// The folders of the journal and of the store.
fn folders(arguments: &PositionsArguments) -> Result<(PathBuf, PathBuf), Failure> {
    let folder = arguments.folder.clone();
    let below = folder.join("journal");
    if LogKind::Events.folder(&below).is_dir() {
        return Ok((below, folder));
    }
    if LogKind::Events.folder(&folder).is_dir() {
        return Ok((folder.clone(), folder));
    }
    Err(Failure::usage(format!(
        "{}: there is no journal here. Name the data folder, the one that holds `journal`.",
        folder.display()
    )))
}

fn failure(error: SlowError) -> Failure {
    match error {
        SlowError::Journal(_) | SlowError::Malformed(_) => Failure::verification(error),
        _ => Failure::from(anyhow::Error::from(error)),
    }
}

fn print_table(snapshot: &Snapshot, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:>10} {:>10} {:>12} {:>14} {:>14} {:>16} {:>16} {:>18} {:>8}",
        "account",
        "instrument",
        "quantity",
        "average",
        "last price",
        "realised",
        "unrealised",
        "cash",
        "fills"
    )?;
    for Holding { account, instrument, position, mark, unrealised } in &snapshot.holdings {
        writeln!(
            out,
            "{:>10} {:>10} {:>12} {:>14} {:>14} {:>16} {:>16} {:>18} {:>8}",
            account.0,
            instrument.0,
            position.quantity,
            position.average(),
            mark,
            position.realised,
            unrealised,
            position.cash,
            position.fills
        )?;
    }
    let totals = &snapshot.totals;
    writeln!(
        out,
        "{:>10} {:>52} {:>16} {:>16} {:>18} {:>8}",
        "total", "", totals.realised, totals.unrealised, totals.cash, totals.fills
    )?;
    let last = snapshot.last_applied;
    writeln!(out, "as of event {}.{}", last.seq(), last.index())
}

fn print_json(snapshot: &Snapshot, out: &mut impl Write) -> io::Result<()> {
    for holding in &snapshot.holdings {
        writeln!(out, "{}", holding_json(holding))?;
    }
    let totals = &snapshot.totals;
    let last = json!({
        "total": true,
        "as_of_event": snapshot.last_applied.0.to_string(),
        "as_of_seq": snapshot.last_applied.seq().0.to_string(),
        "realised": totals.realised.to_string(),
        "unrealised": totals.unrealised.to_string(),
        "cash": totals.cash.to_string(),
        "turnover": totals.turnover.to_string(),
        "fills": totals.fills.to_string(),
    });
    writeln!(out, "{last}")
}

fn holding_json(holding: &Holding) -> Value {
    let Holding { account, instrument, position, mark, unrealised } = holding;
    json!({
        "account": account.0,
        "instrument": instrument.0,
        "quantity": position.quantity.to_string(),
        "average": position.average().to_string(),
        "cost": position.cost.to_string(),
        "last_price": mark.to_string(),
        "realised": position.realised.to_string(),
        "unrealised": unrealised.to_string(),
        "cash": position.cash.to_string(),
        "turnover": position.turnover.to_string(),
        "volume": position.volume.to_string(),
        "fills": position.fills.to_string(),
    })
}
