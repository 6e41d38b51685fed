//! `wirematch reconcile`: our books beside the clearing house's statement, and the review of what
//! differs.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use crate::command::positions::{failure, folders};
use crate::command::{Failure, Outcome};
use crate::slow::reconcile::{
    Break, Queue, ReconcileError, Review, Statement, compare, parse_statement,
};

/// Compares our trades, positions and money with the clearing house's file, and keeps what differs
/// for review.
///
/// The file is a CSV (docs/positions.md has its columns) or FIX trade capture reports, one on a
/// line, of one trade date. Breaks are listed by kind and put in the review queue of the data
/// folder, where the same break found again is the same.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes: 0 no breaks, 2 wrong usage or a wrong file, 3 breaks.\n\n\
    Examples:\n  wirematch reconcile clearing-2026-11-23.csv --data run\n  \
    wirematch reconcile queue --data run\n  \
    wirematch reconcile resolve 1f3a --owner ann --resolution 'corrected by them' --data run"
)]
pub struct ReconcileArguments {
    #[command(subcommand)]
    command: Option<ReconcileCommand>,
    /// The clearing house's statement
    #[arg(required = true)]
    file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
struct Place {
    /// The data folder: the one that holds `journal`
    #[arg(long, value_name = "DIR", default_value = "run")]
    data: PathBuf,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum ReconcileCommand {
    /// Breaks under review
    Queue {
        /// Settled and vanished ones too
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Gives a break to somebody
    Assign {
        /// Its name, or as much of it as is needed
        id: String,
        /// Who has it from now on
        #[arg(long)]
        owner: String,
        #[command(flatten)]
        place: Place,
    },
    /// Settles a break
    Resolve {
        /// Its name, or as much of it as is needed
        id: String,
        /// Who settled it
        #[arg(long)]
        owner: String,
        /// How
        #[arg(long)]
        resolution: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Runs `wirematch reconcile`.
///
/// # Errors
/// A wrong file (2), breaks (3), books that cannot be read (4).
pub fn run(arguments: &ReconcileArguments) -> Outcome {
    match (&arguments.command, &arguments.file) {
        (Some(ReconcileCommand::Queue { all, place }), _) => list(place, *all),
        (Some(ReconcileCommand::Assign { id, owner, place }), _) => change(place, id, owner, None),
        (Some(ReconcileCommand::Resolve { id, owner, resolution, place }), _) => {
            change(place, id, owner, Some(resolution))
        }
        (None, Some(file)) => reconcile(file, &arguments.place),
        (None, None) => Err(Failure::usage("name the clearing house's file")),
    }
}

fn reconcile(file: &Path, place: &Place) -> Outcome {
    let (journal, data) = folders(&place.data)?;
    let name = file.display();
    let bytes = std::fs::read(file).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let statement: Statement =
        parse_statement(&bytes).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let outcome = compare(&statement, &journal, &data).map_err(failure)?;
    let now = Timestamp::now().as_second();
    let fresh = Queue::of(&data).put(statement.date, &outcome.breaks, now).map_err(of_queue)?;
    for found in &outcome.breaks {
        if place.json {
            println!("{}", json!(found));
        } else {
            print_break(found, &place.data);
        }
    }
    let (count, date) = (outcome.breaks.len(), statement.date);
    let (trades, positions, balances) = (outcome.trades, outcome.positions, outcome.balances);
    if place.json {
        println!(
            "{}",
            json!({ "total": true, "date": date, "breaks": count, "new": fresh,
                "trades": trades, "positions": positions, "balances": balances })
        );
    } else {
        println!(
            "{date}: {count} breaks, {fresh} of them new; compared {trades} sides of trades, \
             {positions} positions, {balances} balances"
        );
    }
    if count > 0 {
        return Err(Failure::check(format!(
            "{count} breaks are in the review queue: wirematch reconcile queue --data {}",
            place.data.display()
        )));
    }
    Ok(())
}

fn of_queue(error: ReconcileError) -> Failure {
    Failure::usage(error)
}

fn print_break(found: &Break, data: &Path) {
    let Break { id, kind, account, symbol, trade, ours, theirs, line, orders, .. } = found;
    let kind = json!(kind);
    let kind = kind.as_str().unwrap_or_default();
    println!(
        "{id}  {kind:<13} account {account} {symbol} {trade}: ours {ours}, theirs {theirs}\
         {}",
        if *line > 0 { format!(" (line {line})") } else { String::new() }
    );
    for order in orders {
        println!("            wirematch audit trace {} {order}", data.display());
    }
}

fn list(place: &Place, all: bool) -> Outcome {
    use crate::slow::reconcile::ReviewState::{Assigned, Open};
    for review in Queue::of(&place.data).all().map_err(of_queue)? {
        if all || matches!(review.state, Open | Assigned) {
            print_review(&review, place);
        }
    }
    Ok(())
}

fn print_review(review: &Review, place: &Place) {
    if place.json {
        println!("{}", json!(review));
        return;
    }
    let state = json!(review.state);
    let who = match review.owner.as_str() {
        "" => String::new(),
        owner => format!(" by {owner}"),
    };
    let state = state.as_str().unwrap_or_default();
    println!("{}  {state}{who} {}", review.found.date, review.resolution);
    print_break(&review.found, &place.data);
}

fn change(place: &Place, id: &str, owner: &str, resolution: Option<&String>) -> Outcome {
    let queue = Queue::of(&place.data);
    let review = queue.change(id, owner, resolution.map(String::as_str)).map_err(of_queue)?;
    print_review(&review, place);
    Ok(())
}
