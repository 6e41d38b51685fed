//! `wirematch cash`: money that clients bring and take, and compensations. Each movement has a name
//! and counts once by it, however often it is asked for.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::command::positions::found;
use crate::command::risk::{Calling, call};
use crate::command::{Failure, Outcome};
use crate::slow::AsOf;
use crate::slow::books::Movement;
use crate::slow::rules::Currency;
use crate::topology::Ask;

/// Moves money of accounts, and shows what was moved.
///
/// A movement becomes a command in the journal; risk is told the account's new buying power a few
/// milliseconds later, as an absolute value. Asked for twice by one name it counts once.
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 booked, 1 nobody answers, 2 wrong usage or not booked.\n\n\
    Examples:\n  wirematch cash deposit 250000.00 --account 7 --name wire-4711 \
    --actor ann --reason 'wire came'\n  wirematch cash show --data run --account 7 --json")]
pub struct CashArguments {
    #[command(subcommand)]
    command: CashCommand,
}

#[derive(Subcommand, Debug)]
enum CashCommand {
    /// The client brought money
    Deposit(MoveArguments),
    /// The client takes money: not more than there is
    Withdraw(MoveArguments),
    /// Makes good for something; below 0 the client pays
    Compensate(MoveArguments),
    /// All movements, as they were booked
    Show {
        /// One account only
        #[arg(long, value_name = "NUMBER")]
        account: Option<u32>,
        #[command(flatten)]
        calling: Calling,
    },
}

#[derive(Args, Debug)]
struct MoveArguments {
    /// How much, as 1250.00
    #[arg(allow_negative_numbers = true)]
    amount: String,
    /// Whose
    #[arg(long, value_name = "NUMBER")]
    account: u32,
    /// Its name: it counts once by it
    #[arg(long)]
    name: String,
    /// In which currency
    #[arg(long, default_value = "USD")]
    currency: Currency,
    #[command(flatten)]
    calling: Calling,
}

/// Runs `wirematch cash`.
///
/// # Errors
/// Nobody who answers (1); wrong usage, or a movement that was not booked (2).
pub fn run(arguments: &CashArguments) -> Outcome {
    match &arguments.command {
        CashCommand::Deposit(movement) => moved("deposit", movement),
        CashCommand::Withdraw(movement) => moved("withdrawal", movement),
        CashCommand::Compensate(movement) => moved("compensation", movement),
        CashCommand::Show { account, calling } => show(*account, calling),
    }
}

/// How long the books may take to have what the journal has.
const BOOKED_WITHIN: Duration = Duration::from_secs(10);

fn moved(kind: &str, arguments: &MoveArguments) -> Outcome {
    let MoveArguments { amount, account, name, currency, calling } = arguments;
    let before = found(&calling.data, AsOf::Now)?.movement(name).map(|known| known.seq);
    if let Some(seq) = before {
        println!("`{name}` was booked before, by command {seq}: nothing is done");
        return Ok(());
    }
    let (kind, amount, name) = (kind.to_owned(), amount.clone(), name.clone());
    let (account, currency) = (*account, *currency);
    let shown = name.clone();
    call(calling, Ask::Cash { kind, account, amount, currency, name })?;
    let begun = Instant::now();
    loop {
        let books = found(&calling.data, AsOf::Now)?;
        if let Some(movement) = books.movement(&shown) {
            return told(movement);
        }
        if begun.elapsed() > BOOKED_WITHIN {
            let late = "it is in the journal but not in the books after ten seconds";
            return Err(Failure::from(anyhow::anyhow!(late)));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn told(movement: &Movement) -> Outcome {
    if movement.is_booked {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "command {} is not booked: account {} has less than that in {}",
        movement.seq, movement.account, movement.currency
    )))
}

fn show(account: Option<u32>, calling: &Calling) -> Outcome {
    let books = found(&calling.data, AsOf::Now)?;
    let mut all: Vec<_> = books.movements().collect();
    all.sort_by_key(|(_, movement)| movement.seq);
    for (name, movement) in all {
        if account.is_some_and(|account| account != movement.account.0) {
            continue;
        }
        let amount = crate::model::Price(movement.amount);
        if calling.json {
            let Movement { account, currency, kind, seq, is_booked, actor, reason, at, .. } =
                movement;
            println!(
                "{}",
                json!({ "name": name, "account": account, "amount": amount.to_string(),
                    "currency": currency, "kind": kind, "command": seq.to_string(),
                    "time": at.to_string(), "booked": is_booked, "actor": actor,
                    "reason": reason })
            );
        } else {
            let state = if movement.is_booked { "" } else { " (not booked: more than there was)" };
            println!(
                "command {:>10}  account {:>6}  {:>16} {}  {:<12} {name}, by {}: {}{state}",
                movement.seq,
                movement.account.0,
                amount.to_string(),
                movement.currency,
                movement.kind,
                movement.actor,
                movement.reason
            );
        }
    }
    Ok(())
}
