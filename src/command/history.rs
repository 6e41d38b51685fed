//! `wirematch orders` and `wirematch trades`: an account's history, from the record of the embedded
//! appliance, or from a replica when it is scaled.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use crate::command::audit::history;
use crate::command::{Failure, Outcome};

/// Prints what happened to an account's orders, or its trades, one line each.
///
/// Reads the record below the data folder. With `--config` of an appliance whose `[slow.scaled]`
/// names databases it reads a replica: what that says is at most a second old, or refused.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  wirematch orders --account 5 --from 2026-11-23T14:30:00Z\n  \
    wirematch trades --account 5 --config my.toml --json")]
pub struct HistoryArguments {
    /// Whose
    #[arg(long, value_name = "NUMBER")]
    account: u32,
    /// Not before this moment, as 2026-11-20T14:30:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Before this moment
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "run")]
    data: PathBuf,
    /// The configuration that names the databases
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

/// Runs `wirematch orders` (or `trades`).
///
/// # Errors
/// No record (2), one that is not as it was written (4), a replica that is down or stale (1).
pub fn run(arguments: &HistoryArguments, trades: bool) -> Outcome {
    let mut out = BufWriter::new(io::stdout().lock());
    let outcome = match replica(arguments, trades, &mut out) {
        Some(outcome) => outcome,
        None => {
            let HistoryArguments { account, from, to, data, json, .. } = arguments;
            history(data, *account, (*from, *to), trades, *json, &mut out)
        }
    };
    let flushed = out.flush().map_err(Failure::from_output);
    match outcome.and(flushed) {
        Err(failure) if failure.is_closed_pipe() => Ok(()),
        outcome => outcome,
    }
}

#[cfg(not(feature = "scaled"))]
fn replica(_: &HistoryArguments, _: bool, _: &mut impl Write) -> Option<Outcome> {
    None
}

/// What the replica of the account's range says; nothing where no databases are named.
#[cfg(feature = "scaled")]
fn replica(arguments: &HistoryArguments, trades: bool, out: &mut impl Write) -> Option<Outcome> {
    use crate::topology::load;
    let path = arguments.config.as_ref()?;
    let config = match load(path) {
        Ok((config, _)) => config,
        Err(error) => return Some(Err(Failure::usage(error))),
    };
    let scaled = config.slow.scaled?;
    let mine = scaled.postgres.iter().filter(|one| one.first_account <= arguments.account);
    let place = mine.max_by_key(|one| one.first_account)?;
    let address = place.replica.as_ref().unwrap_or(&place.primary);
    Some(print(arguments, trades, address, scaled.stale_ms.unwrap_or(1000), out))
}

#[cfg(feature = "scaled")]
fn print(
    arguments: &HistoryArguments,
    trades: bool,
    address: &str,
    most_ms: u64,
    out: &mut impl Write,
) -> Outcome {
    use crate::model::{AccountId, EventKind, Side};
    use crate::slow::stores::postgres::{Wanted, read_history};
    use serde_json::json;
    use std::time::Duration;
    let at = |time: Timestamp| u64::try_from(time.as_nanosecond()).unwrap_or(0);
    let wanted = Wanted {
        account: AccountId(arguments.account),
        from: arguments.from.map_or(0, at),
        to: arguments.to.map_or(u64::MAX, at),
        trades,
    };
    let (lines, behind) = read_history(address, &wanted, Duration::from_millis(most_ms))
        .map_err(|error| Failure::from(anyhow::Error::from(error)))?;
    eprintln!("note: from a replica that is {} ms behind", behind.as_millis());
    for line in lines {
        let kind = EventKind::from_code(line.kind).map_or("?", EventKind::name);
        let side = Side::from_code(line.side).map_or("?", Side::name);
        let time = Timestamp::from_nanosecond(i128::from(line.at)).unwrap_or_default();
        let place = format!("{}.{}", line.event.seq(), line.event.index());
        let written = if arguments.json {
            let value = json!({
                "sequence": place, "event_time": time.to_string(), "kind": kind,
                "account": arguments.account, "instrument": line.instrument, "side": side,
                "event_quantity": line.quantity, "event_price": line.price.to_string(),
                "order": line.order,
            });
            writeln!(out, "{value}")
        } else {
            writeln!(
                out,
                "{place:>12}  {time}  {kind:<14} order {} {side} {} of instrument {} @ {}",
                line.order, line.quantity, line.instrument, line.price
            )
        };
        written.map_err(Failure::from_output)?;
    }
    Ok(())
}
