//! `wirematch positions`: what each account holds, what it cost and what it made; its money.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::civil::Date;
use jiff::{Timestamp, Zoned};
use serde_json::{Value, json};

use crate::command::{Failure, Outcome};
use crate::journal::LogKind;
use crate::model::{AccountId, Nanos, SeqNo};
use crate::slow::books::Books;
use crate::slow::{AsOf, Found, Holding, SlowError, Snapshot, Source, read_books};

/// Prints positions, profit and loss and money, as of the last event in the journal.
///
/// May be asked while the appliance runs: it reads the store that the appliance writes, and the
/// events behind it. Without a usable store it folds the whole journal, which takes longer and
/// gives the same. What is held is valued at the last traded price.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  wirematch positions data\n  \
                        wirematch positions data --as-of 2026-11-20T21:00:00Z\n  \
                        wirematch positions data --account 5 --json | jq .realised")]
pub struct PositionsArguments {
    /// The data folder: the one that holds `journal`
    #[arg(value_name = "DIR", default_value = "run")]
    folder: PathBuf,
    /// One account only
    #[arg(long, value_name = "NUMBER")]
    account: Option<u32>,
    /// As things were after that command, or at that moment
    #[arg(long, value_name = "SEQ|TIME", value_parser = as_of)]
    as_of: Option<AsOf>,
    /// One JSON object per line, the totals last; money and numbers of 64 bits are strings
    #[arg(long)]
    json: bool,
}

fn as_of(text: &str) -> Result<AsOf, String> {
    if let Ok(seq) = text.parse() {
        return Ok(AsOf::Seq(SeqNo(seq)));
    }
    let time: Timestamp = text.parse().map_err(|_| {
        format!("`{text}` is neither a command's number nor a time as 2026-11-20T21:00:00Z")
    })?;
    u64::try_from(time.as_nanosecond())
        .map(|at| AsOf::Time(Nanos(at)))
        .map_err(|_| format!("`{text}` is before 1970"))
}

/// Runs `wirematch positions`.
///
/// # Errors
/// A folder without a journal (2), and an event log that cannot be read (4).
pub fn run(arguments: &PositionsArguments) -> Outcome {
    let as_of = arguments.as_of.unwrap_or(AsOf::Now);
    let books = found(&arguments.folder, as_of)?;
    let snapshot = books.positions.snapshot(arguments.account.map(AccountId));
    let mut out = BufWriter::new(io::stdout().lock());
    let report = Report { books: &books, snapshot, account: arguments.account.map(AccountId) };
    let printed = match arguments.json {
        true => report.print_json(&mut out),
        false => report.print_table(&mut out),
    };
    match printed.and_then(|()| out.flush()) {
        // Whoever reads may have seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed.map_err(anyhow::Error::from)?),
    }
}

/// The books below a data folder; says when they could not come from the store.
///
/// # Errors
/// As [`run`].
pub fn found(folder: &Path, as_of: AsOf) -> Result<Books, Failure> {
    let (journal, data) = folders(folder)?;
    let Found { books, source } = read_books(&journal, &data, as_of).map_err(failure)?;
    if let Source::Journal(why) = source {
        eprintln!("note: folded from the whole journal, because {why}");
    }
    Ok(books)
}

/// The folders of the journal and of the store.
///
/// # Errors
/// There is no journal.
pub fn folders(folder: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    let below = folder.join("journal");
    if LogKind::Events.folder(&below).is_dir() {
        return Ok((below, folder.to_owned()));
    }
    if LogKind::Events.folder(folder).is_dir() {
        return Ok((folder.to_owned(), folder.to_owned()));
    }
    Err(Failure::usage(format!(
        "{}: there is no journal here. Name the data folder, the one that holds `journal`.",
        folder.display()
    )))
}

/// How the slow path's errors end a command.
pub fn failure(error: SlowError) -> Failure {
    match error {
        SlowError::Journal(_) | SlowError::Malformed(_) => Failure::verification(error),
        SlowError::Rules(_) => Failure::usage(error),
        _ => Failure::from(anyhow::Error::from(error)),
    }
}

/// What is printed.
struct Report<'a> {
    books: &'a Books,
    snapshot: Snapshot,
    account: Option<AccountId>,
}

impl Report<'_> {
    /// The day up to whose end things have changed hands.
    fn today(&self) -> Date {
        let at = i128::from(self.books.last_time().0);
        let time = Timestamp::from_nanosecond(at).unwrap_or_default();
        Zoned::new(time, jiff::tz::TimeZone::UTC).date()
    }

    fn print_table(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(
            out,
            "{:>10} {:>10} {:>12} {:>14} {:>14} {:>16} {:>16} {:>18} {:>12} {:>12} {:>8}",
            "account",
            "instrument",
            "quantity",
            "average",
            "last price",
            "realised",
            "unrealised",
            "cash",
            "fees",
            "unsettled",
            "fills"
        )?;
        for Holding { account, instrument, position, mark, unrealised } in &self.snapshot.holdings {
            writeln!(
                out,
                "{:>10} {:>10} {:>12} {:>14} {:>14} {:>16} {:>16} {:>18} {:>12} {:>12} {:>8}",
                account.0,
                self.books.rules().symbol(*instrument),
                position.quantity,
                position.average(),
                mark,
                position.realised,
                unrealised,
                position.cash,
                position.fees,
                self.books.unsettled(*account, *instrument, self.today()).quantity,
                position.fills
            )?;
        }
        let totals = &self.snapshot.totals;
        writeln!(
            out,
            "{:>10} {:>52} {:>16} {:>16} {:>18} {:>12} {:>21}",
            "total", "", totals.realised, totals.unrealised, totals.cash, totals.fees, totals.fills
        )?;
        self.print_money(out)?;
        let last = self.snapshot.last_applied;
        writeln!(out, "as of event {}.{}", last.seq(), last.index())
    }

    fn print_money(&self, out: &mut impl Write) -> io::Result<()> {
        if self.books.purses().next().is_some() {
            writeln!(
                out,
                "{:>10} {:>10} {:>18} {:>18} {:>18} {:>18}",
                "account", "currency", "brought", "traded", "fees", "balance"
            )?;
        }
        for (account, currency, purse) in self.books.purses() {
            if self.account.is_none_or(|wanted| wanted == account) {
                writeln!(
                    out,
                    "{:>10} {currency:>10} {:>18} {:>18} {:>18} {:>18}",
                    account.0,
                    purse.moved,
                    purse.traded,
                    purse.fees,
                    purse.balance()
                )?;
            }
        }
        Ok(())
    }

    fn print_json(&self, out: &mut impl Write) -> io::Result<()> {
        for holding in &self.snapshot.holdings {
            writeln!(out, "{}", self.holding(holding))?;
        }
        for (account, currency, purse) in self.books.purses() {
            if self.account.is_none_or(|wanted| wanted == account) {
                writeln!(
                    out,
                    "{}",
                    json!({
                        "account": account.0,
                        "currency": currency,
                        "brought": purse.moved.to_string(),
                        "traded": purse.traded.to_string(),
                        "fees": purse.fees.to_string(),
                        "balance": purse.balance().to_string(),
                    })
                )?;
            }
        }
        let totals = &self.snapshot.totals;
        let counts = self.books.counts();
        let last = json!({
            "total": true,
            "as_of_event": self.snapshot.last_applied.0.to_string(),
            "as_of_seq": self.snapshot.last_applied.seq().0.to_string(),
            "realised": totals.realised.to_string(),
            "unrealised": totals.unrealised.to_string(),
            "cash": totals.cash.to_string(),
            "fees": totals.fees.to_string(),
            "turnover": totals.turnover.to_string(),
            "fills": totals.fills.to_string(),
            "not_booked": {
                "undone_again": counts.undone_again,
                "cash_repeated": counts.repeated,
                "cash_overdrawn": counts.overdrawn,
                "of_other_regions": counts.elsewhere,
            },
        });
        writeln!(out, "{last}")
    }

    fn holding(&self, holding: &Holding) -> Value {
        let Holding { account, instrument, position, mark, unrealised } = holding;
        let rules = self.books.rules();
        let unsettled = self.books.unsettled(*account, *instrument, self.today());
        let fees = |is_maker: bool| {
            let of = |(account_of, _, venue, role): &&(AccountId, _, String, bool)| {
                account_of == account && *role == is_maker && !venue.is_empty()
            };
            let all = self.books.fees().filter(|(key, _)| of(key));
            all.map(|((_, currency, venue, _), fee)| {
                json!({ "venue": venue, "currency": currency, "fee": fee.to_string() })
            })
            .collect::<Vec<_>>()
        };
        json!({
            "account": account.0,
            "instrument": instrument.0,
            "symbol": rules.symbol(*instrument),
            "currency": rules.currency(*instrument),
            "quantity": position.quantity.to_string(),
            "average": position.average().to_string(),
            "cost": position.cost.to_string(),
            "last_price": mark.to_string(),
            "realised": position.realised.to_string(),
            "unrealised": unrealised.to_string(),
            "cash": position.cash.to_string(),
            "fees": position.fees.to_string(),
            "account_fees_maker": fees(true),
            "account_fees_taker": fees(false),
            "turnover": position.turnover.to_string(),
            "volume": position.volume.to_string(),
            "fills": position.fills.to_string(),
            "unsettled": { "quantity": unsettled.quantity.to_string(),
                           "cash": unsettled.cash.to_string() },
        })
    }
}
