//! `wirematch audit`: the regulator's record: shown, followed for one order, verified, exported.

mod parquet;
mod row;
mod trace;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::command::audit::parquet::Table;
use crate::command::audit::row::{COLUMNS, Row};
use crate::command::{Failure, Outcome, progress};
use crate::model::EventKind;
use crate::slow::audit::{
    AUDIT_NAME, AuditError, Entry, HEAD_NAME, RETENTION_REASON, RETENTION_YEARS, Verified, read_all,
};

/// Looks into the record of every order, fill and operator's act.
///
/// The appliance keeps it in `audit` below its data folder: one file for each day, every record
/// sealed with a hash over all before it. It may be read while the appliance writes it.
#[derive(Args, Debug)]
pub struct AuditArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Prints records, one line each.
    #[command(after_help = "Example:\n  wirematch audit show data --account 5 \
                            --from 2026-11-20T14:30:00Z --to 2026-11-20T14:31:00Z")]
    Show {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        filter: Filter,
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Prints the life of one order, with what it replaced and what replaced it.
    #[command(after_help = "Examples:\n  wirematch audit trace data 1042\n  \
                            wirematch audit trace data 3:17\n  \
                            wirematch audit trace data my-order-1")]
    Trace {
        #[command(flatten)]
        place: Place,
        /// The order: its public reference, SESSION:NUMBER, or the client's name for it.
        order: String,
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Reads all of the record and checks every seal.
    ///
    /// Exits with 0 where all is as it was written, with 4 at the first record that is not, which
    /// it names: changed, taken out, put in, moved, or cut off at the end.
    Verify {
        #[command(flatten)]
        place: Place,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Writes records with every field a regulator asks for, one row each.
    #[command(after_help = "Example:\n  wirematch audit export data --format csv --out orders.csv")]
    Export {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        filter: Filter,
        /// How rows are written; the first line of a CSV names the columns.
        #[arg(long, value_enum, default_value_t = Format::Csv)]
        format: Format,
        /// Where to; without it, to the standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// RFC 4180, with a first line of names.
    Csv,
    /// One JSON object per line.
    Json,
    /// Apache Parquet, every column text.
    Parquet,
}

#[derive(Args, Debug)]
struct Place {
    /// The data folder, or the record's own.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Place {
    fn record(&self) -> Result<PathBuf, Failure> {
        let below = self.folder.join(AUDIT_NAME);
        let is_record = |folder: &&PathBuf| folder.join(HEAD_NAME).is_file();
        [&below, &self.folder].into_iter().find(is_record).cloned().ok_or_else(|| {
            let folder = self.folder.display();
            Failure::usage(format!(
                "{folder}: there is no record here. Name the data folder of an appliance that has \
                 traded, the one that holds `audit`."
            ))
        })
    }
}

#[derive(Args, Debug, Default)]
struct Filter {
    /// Not before this moment, as 2026-11-20T14:30:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Before this moment.
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// One account only.
    #[arg(long, value_name = "NUMBER")]
    account: Option<u32>,
    /// One session only.
    #[arg(long, value_name = "NUMBER")]
    session: Option<u32>,
    /// One instrument only, by its symbol.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
}

impl Filter {
    fn takes(&self, row: &Row<'_>) -> bool {
        let event = &row.entry.event;
        let at = i128::from(event.timestamp.0);
        self.from.is_none_or(|from| at >= from.as_nanosecond())
            && self.to.is_none_or(|to| at < to.as_nanosecond())
            && self.account.is_none_or(|account| event.account.0 == account)
            && self.session.is_none_or(|session| event.session.0 == session)
            && self.symbol.as_deref().is_none_or(|symbol| row.symbol == symbol)
    }
}

/// Runs `wirematch audit`.
///
/// # Errors
/// A record that is not there (2), cannot be read (1) or is not as it was written (4).
pub fn run(arguments: &AuditArguments) -> Outcome {
    let mut out = BufWriter::new(io::stdout().lock());
    let outcome = match &arguments.action {
        Action::Show { place, filter, json } => each_row(&place.record()?, |row| {
            if !filter.takes(row) {
                return Ok(());
            }
            let line = if *json { object(row).to_string() } else { row.line() };
            writeln!(out, "{line}").map_err(Failure::from_output)
        })
        .map(|_| ()),
        Action::Trace { place, order, json } => {
            trace::trace(&place.record()?, order, *json, &mut out)
        }
        Action::Verify { place, json } => verify(&place.record()?, *json, &mut out),
        Action::Export { place, filter, format, out: None } => {
            export(&place.record()?, filter, *format, &mut out)
        }
        Action::Export { place, filter, format, out: Some(path) } => {
            let file = File::create(path)
                .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
            let bar = progress::so_far("bytes");
            let mut file = BufWriter::new(bar.wrap_write(file));
            let written = export(&place.record()?, filter, *format, &mut file)
                .and_then(|()| file.flush().map_err(Failure::from_output));
            bar.finish_and_clear();
            written
        }
    };
    let flushed = out.flush().map_err(Failure::from_output);
    // Whoever reads may have seen enough, as `head` does.
    match outcome.and(flushed) {
        Err(failure) if failure.is_closed_pipe() => Ok(()),
        outcome => outcome,
    }
}

/// An account's history, or its trades alone, between two moments.
///
/// # Errors
/// As [`run`].
pub(super) fn history(
    data: &Path,
    account: u32,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
    trades: bool,
    as_json: bool,
    out: &mut impl Write,
) -> Outcome {
    let place = Place { folder: data.to_owned() };
    let filter = Filter { from, to, account: Some(account), ..Filter::default() };
    each_row(&place.record()?, |row| {
        let is_trade = row.kind() == Some(EventKind::Executed);
        if !filter.takes(row) || trades && !is_trade {
            return Ok(());
        }
        let line = if as_json { object(row).to_string() } else { row.line() };
        writeln!(out, "{line}").map_err(Failure::from_output)
    })
    .map(|_| ())
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Bad { .. } => Failure::verification(error),
            other => Failure::from(anyhow::Error::from(other)),
        }
    }
}

/// Shows every row of a record, its seals checked on the way.
fn each_row(
    record: &Path,
    mut each: impl FnMut(&Row<'_>) -> Result<(), Failure>,
) -> Result<Verified, Failure> {
    let mut names = (PathBuf::new(), BTreeMap::new());
    read_all(record, |file, entry: &Entry| {
        if names.0 != file {
            names = (file.to_owned(), symbols(file)?);
        }
        let symbol = names.1.get(&entry.event.instrument.0.to_string());
        each(&Row { entry, symbol: symbol.map_or("", String::as_str) })
    })
}

/// The symbols that lie beside a file.
fn symbols(file: &Path) -> Result<BTreeMap<String, String>, Failure> {
    #[derive(serde::Deserialize)]
    struct Names {
        instruments: BTreeMap<String, String>,
    }
    let path = file.with_extension("names.json");
    let unreadable = |error: String| Failure::verification(format!("{}: {error}", path.display()));
    let text = fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
    let names: Names =
        serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    Ok(names.instruments)
}

fn object(row: &Row<'_>) -> Value {
    let fields = COLUMNS.iter().map(|(name, value)| ((*name).to_owned(), value(row)));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn export(record: &Path, filter: &Filter, format: Format, out: &mut impl Write) -> Outcome {
    if let Format::Parquet = format {
        return export_parquet(record, filter, out);
    }
    if let Format::Csv = format {
        let names: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
        write!(out, "{}\r\n", names.join(",")).map_err(Failure::from_output)?;
    }
    each_row(record, |row| {
        if !filter.takes(row) {
            return Ok(());
        }
        let written = match format {
            Format::Csv => {
                let cells: Vec<_> = COLUMNS.iter().map(|(_, value)| cell(&value(row))).collect();
                write!(out, "{}\r\n", cells.join(","))
            }
            Format::Json | Format::Parquet => writeln!(out, "{}", object(row)),
        };
        written.map_err(Failure::from_output)
    })
    .map(|_| ())
}

fn export_parquet(record: &Path, filter: &Filter, out: &mut impl Write) -> Outcome {
    let names = COLUMNS.iter().map(|(name, _)| *name).collect();
    let mut table = Table::new(out, names).map_err(Failure::from_output)?;
    let text = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    each_row(record, |row| {
        if !filter.takes(row) {
            return Ok(());
        }
        let cells = COLUMNS.iter().map(|(_, value)| text(value(row)));
        table.row(cells).map_err(Failure::from_output)
    })?;
    table.finish().map_err(Failure::from_output)
}

/// A value as a cell of a CSV: quoted where it must be.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

fn verify(record: &Path, as_json: bool, out: &mut impl Write) -> Outcome {
    let bar = progress::so_far("records");
    let verified = read_all(record, |_, _| {
        bar.inc(1);
        Ok::<_, AuditError>(())
    });
    bar.finish_and_clear();
    let Verified { files, records, last, seal } = verified?;
    let written = if as_json {
        let last = format!("{}.{}", last.seq(), last.index());
        let value = json!({
            "verified": true, "files": files, "records": records, "last_event": last, "seal": seal,
            "retention_years": RETENTION_YEARS, "retention_reason": RETENTION_REASON,
        });
        writeln!(out, "{value}")
    } else {
        writeln!(
            out,
            "{records} records in {files} files are as they were written, up to event {}.{}\n\
             seal  {seal}\nkept  {RETENTION_YEARS} years: {RETENTION_REASON}",
            last.seq(),
            last.index()
        )
    };
    written.map_err(Failure::from_output)
}
