//! `wirematch journal`: what a journal holds, whether it is whole, and its messages in words.

mod prune;
mod show;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::command::{Failure, Outcome};
use crate::journal::{
    Anchors, Aside, Head, JournalError, LogKind, Logged, Pruned, PutAside, Reader, Scan, Seals,
    Summary, check_pair, is_open, scan, summary,
};
use crate::model::{Command, Event, Nanos};

/// Looks into a journal: the command log, which is the truth, and the event log derived from it.
#[derive(Args, Debug)]
pub struct JournalArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Says what a journal holds: segments, first and last message, the values history depends on.
    #[command(after_help = "Example:\n  wirematch journal info data/journal")]
    Info(Place),
    /// Reads all of a journal and checks every frame, number, link and seal.
    ///
    /// Exits with 0 where all is good, with 4 at the first bad place, which it names. A tail that
    /// an interrupted write left is also told with 4; the next start cuts it off.
    #[command(after_help = "Examples:\n  wirematch journal verify data/journal\n  \
                            wirematch journal verify data/journal --commands --json\n  \
                            wirematch journal verify data/journal --anchors /mnt/other/anchors")]
    Verify {
        #[command(flatten)]
        place: Place,
        /// A folder of anchors to hold the journal against, beside its own: a copy kept elsewhere,
        /// or another machine's with the same history. May be given more than once.
        #[arg(long, value_name = "DIR")]
        anchors: Vec<PathBuf>,
    },
    /// Removes closed segments that are older than `[journal] keep_days` and in a snapshot.
    ///
    /// Nothing inside those days goes, whatever is asked. All that goes is held against its seals
    /// first; what is left says where it begins and is verified, replayed and begun from like any
    /// other. Of an appliance that runs: `[journal] prune`.
    #[command(after_help = "Example:\n  wirematch journal prune --config my.toml --dry-run")]
    Prune(prune::PruneArguments),
    /// Prints messages, one line each: every command and below it what it led to.
    ///
    /// A journal may be read while the appliance writes it.
    #[command(
        after_help = "Examples:\n  wirematch journal show data/journal --from 1042 --to 1050\n  \
                            wirematch journal show data/journal --events --json | jq .kind"
    )]
    Show {
        #[command(flatten)]
        place: Place,
        /// The first command to print (and its events); without it, the first there is.
        #[arg(long, value_name = "SEQ")]
        from: Option<u64>,
        /// The last command to print (and its events); without it, the last there is.
        #[arg(long, value_name = "SEQ")]
        to: Option<u64>,
    },
}

#[derive(Args, Debug)]
struct Place {
    /// The journal: the folder that holds `commands` and `events`, or the one above it.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The command log only.
    #[arg(long, conflicts_with = "events")]
    commands: bool,
    /// The event log only.
    #[arg(long)]
    events: bool,
    /// One JSON object per line; numbers of 64 bits are strings.
    #[arg(long)]
    json: bool,
}

impl Place {
    /// The folder with the two logs in it.
    fn journal(&self) -> Result<PathBuf, Failure> {
        let below = self.folder.join("journal");
        let found = [&self.folder, &below].into_iter().find(|folder| {
            LogKind::Commands.folder(folder).is_dir() || LogKind::Events.folder(folder).is_dir()
        });
        let folder = self.folder.clone();
        found.cloned().ok_or_else(|| Failure::usage(JournalError::NoJournal { folder }))
    }

    fn kinds(&self) -> Vec<LogKind> {
        match (self.commands, self.events) {
            (true, _) => vec![LogKind::Commands],
            (_, true) => vec![LogKind::Events],
            _ => vec![LogKind::Commands, LogKind::Events],
        }
    }
}

/// Runs `wirematch journal`.
///
/// # Errors
/// A journal that is not there (2), cannot be read (1) or is not whole (4).
pub fn run(arguments: &JournalArguments) -> Outcome {
    let mut out = BufWriter::new(io::stdout().lock());
    let outcome = match &arguments.action {
        Action::Info(place) => info(place, &mut out),
        Action::Verify { place, anchors } => verify(place, anchors, &mut out),
        Action::Show { place, from, to } => {
            let to = to.unwrap_or(u64::MAX);
            let journal = place.journal()?;
            let begins = begins(&journal).map_err(failure)?;
            let from = from.unwrap_or(begins);
            show::show(&journal, &place.kinds(), from..=to, place.json, &mut out)
        }
        Action::Prune(arguments) => prune::prune(arguments, &mut out),
    };
    let flushed = out.flush().map_err(Failure::from_output);
    // Whoever reads may have seen enough, as `head` does.
    match outcome.and(flushed) {
        Err(failure) if failure.is_closed_pipe() => Ok(()),
        outcome => outcome,
    }
}

/// An error of a log that was read only: damage is a verification that failed.
fn failure(error: JournalError) -> Failure {
    match error {
        JournalError::Disk { .. } => Failure::from(anyhow::Error::from(error)),
        JournalError::NoJournal { .. } => Failure::usage(error),
        _ => Failure::verification(error),
    }
}

/// The first command of which both logs have all.
fn begins(journal: &Path) -> Result<u64, JournalError> {
    let of = |kind: LogKind| {
        let gone = Pruned::read(&kind.folder(journal))?;
        Ok(gone.map_or(1, |gone| kind.seq(gone.seal.id) + 1))
    };
    Ok(of(LogKind::Commands)?.max(of(LogKind::Events)?))
}

fn info(place: &Place, out: &mut impl Write) -> Outcome {
    let journal = place.journal()?;
    for kind in place.kinds() {
        let folder = kind.folder(&journal);
        let found = summary(&folder, kind).map_err(failure)?;
        let (first, last) = match kind {
            LogKind::Commands => ends::<Command>(&folder, |command| command.timestamp),
            LogKind::Events => ends::<Event>(&folder, |event| event.timestamp),
        }
        .map_err(failure)?;
        let aside = match kind {
            LogKind::Commands => PutAside::read(&journal).map_err(failure)?,
            LogKind::Events => PutAside::default(),
        };
        let written = if place.json {
            writeln!(out, "{}", info_json(kind, &found, first, last, &aside))
        } else {
            info_text(kind, &found, first, last, out).and_then(|()| aside_text(&aside, out))
        };
        written.map_err(Failure::from_output)?;
    }
    Ok(())
}

/// Id and time of a message.
type End = Option<(u64, Nanos)>;

/// The first and the last message of a log.
fn ends<H: Logged>(folder: &Path, time: fn(&H) -> Nanos) -> Result<(End, End), JournalError> {
    let told = |group: crate::model::Group<H>| (group.head.id(), time(&group.head));
    let first = Reader::<H>::open_oldest(folder)?.read()?.map(told);
    // A reader that asks for more than there is ends up behind the last message.
    let mut reader = Reader::<H>::open(folder, u64::MAX)?;
    let beyond = reader.read()?.map(told);
    let last = Reader::<H>::open(folder, reader.place().after)?.read()?.map(told);
    Ok((first, beyond.or(last)))
}

fn info_text(
    kind: LogKind,
    found: &Summary,
    first: End,
    last: End,
    out: &mut impl Write,
) -> io::Result<()> {
    let Summary { segments, packed, waiting, bytes, is_open, .. } = found;
    writeln!(out, "{kind} log{}", if *is_open { ", open for writing" } else { "" })?;
    writeln!(
        out,
        "  segments   {segments} in use, {packed} packed, {waiting} waiting, {bytes} bytes"
    )?;
    for (name, end) in [("first", first), ("last", last)] {
        let Some((id, time)) = end else { continue };
        writeln!(out, "  {name:<9}  {}  {}", show::id(kind, id), show::time(time))?;
    }
    let Some(header) = &found.last else { return writeln!(out, "  empty") };
    let meaning = header.meaning();
    writeln!(out, "  meaning    fills_per_command_max {}", meaning.fills_per_command_max)?;
    writeln!(out, "             feedback_lag_ns {}", meaning.feedback_lag)?;
    writeln!(out, "             feedback_window {}", meaning.feedback_window)?;
    writeln!(out, "             config_digest {}", show::hex(&meaning.config_digest))?;
    let utc = &header.utc;
    writeln!(out, "  log time   {} was UTC {}", show::time(utc.log_time), show::time(utc.utc))?;
    writeln!(out, "             within {} ns", utc.uncertainty)
}

/// Commands that are put aside, a line each.
fn aside_text(aside: &PutAside, out: &mut impl Write) -> io::Result<()> {
    let mut lines = aside.list().iter();
    lines.try_for_each(|Aside { seq, since, why, .. }| {
        writeln!(out, "  put aside  {seq}  since {since}: {why}")
    })
}

fn info_json(kind: LogKind, found: &Summary, first: End, last: End, aside: &PutAside) -> Value {
    let end = |end: End| end.map(|(id, time)| show::id_json(kind, id, time));
    let meaning = found.last.map(|header| {
        let meaning = header.meaning();
        json!({
            "fills_per_command_max": meaning.fills_per_command_max,
            "feedback_lag_ns": meaning.feedback_lag.to_string(),
            "feedback_window": meaning.feedback_window,
            "config_digest": show::hex(&meaning.config_digest),
        })
    });
    json!({
        "log": kind.to_string(),
        "open": found.is_open,
        "segments": found.segments,
        "packed": found.packed,
        "waiting": found.waiting,
        "bytes": found.bytes.to_string(),
        "first": end(first),
        "last": end(last),
        "meaning": meaning,
        "put_aside": aside.list().iter().map(|aside| json!({
            "seq": aside.seq.to_string(),
            "since": aside.since.to_string(),
            "why": aside.why,
        })).collect::<Vec<_>>(),
    })
}

/// How often a log that is being written is read again before what looks bad is believed.
const LIVE_TRIES: usize = 3;

fn verify(place: &Place, anchors: &[PathBuf], out: &mut impl Write) -> Outcome {
    let journal = place.journal()?;
    let mut scans = Vec::new();
    for kind in place.kinds() {
        let folder = kind.folder(&journal);
        let live = is_open(&folder);
        // Read first: a log being written may have been sealed further by the time it is scanned.
        let seals = seals_of(&folder, kind, anchors).map_err(failure)?;
        let scan = read_all(&folder, kind, live).map_err(failure)?;
        let head = check_seals(&seals, &scan).map_err(failure)?;
        let torn = scan.torn.first().filter(|_| !live);
        let written = if place.json {
            writeln!(out, "{}", verify_json(&scan, torn.map(ToString::to_string), &seals, &head))
        } else {
            let (messages, frames) = (scan.messages(), scan.frames());
            let last = show::id(kind, scan.last);
            let verdict = if torn.is_some() { "good up to there" } else { "good" };
            let (count, head) = (seals.count(), show::hex(&head));
            if let Some(gone) = Pruned::read(&folder).map_err(failure)? {
                let (last, until) = (show::id(kind, gone.seal.id), gone.until());
                writeln!(
                    out,
                    "{kind} log: begins after {last} of {until}; what was before is gone"
                )
                .map_err(Failure::from_output)?;
            }
            writeln!(
                out,
                "{kind} log: {messages} messages in {frames} frames, up to {last}: {verdict}\n\
                 {:width$} agrees with {count} seals; its head is {head}",
                "",
                width = kind.to_string().len() + 5
            )
        };
        written.map_err(Failure::from_output)?;
        if let Some(torn) = torn {
            return Err(Failure::verification(format!(
                "{torn}. Nothing good follows, so this is what an interrupted write leaves; the \
                 next start cuts it off."
            )));
        }
        scans.push((scan, live));
    }
    match &scans[..] {
        // A log being written may have grown since the other was read.
        [(commands, false), (events, false)] => {
            check_pair(&journal, commands, events).map_err(failure)
        }
        _ => Ok(()),
    }
}

fn verify_json(scan: &Scan, torn: Option<String>, seals: &Seals, head: &Head) -> Value {
    json!({
        "log": scan.kind.to_string(),
        "messages": scan.messages().to_string(),
        "frames": scan.frames().to_string(),
        "last": scan.last.to_string(),
        "torn": torn,
        "seals": seals.count(),
        "head": show::hex(head),
    })
}

/// What was sealed of a log: beside it, and in further folders of anchors.
fn seals_of(folder: &Path, kind: LogKind, anchors: &[PathBuf]) -> Result<Seals, JournalError> {
    let named = anchors.iter().map(PathBuf::as_path);
    let folders = std::iter::once(folder).chain(named);
    Seals::read(folder, kind, &folders.map(|at| Anchors::file(at, kind)).collect::<Vec<_>>())
}

/// Holds a log against its seals; the head of its chain.
fn check_seals(seals: &Seals, scan: &Scan) -> Result<Head, JournalError> {
    seals.check_reach(scan.last)?;
    let check = match scan.kind {
        LogKind::Commands => Seals::check::<Command>,
        LogKind::Events => Seals::check::<Event>,
    };
    Ok(check(seals, None, &mut |_| ())?.seal().head)
}

/// Scans a log behind a progress bar (on a terminal).
fn read_all(folder: &Path, kind: LogKind, live: bool) -> Result<Scan, JournalError> {
    let total = summary(folder, kind).map_or(0, |found| found.bytes);
    let style = "{prefix} [{bar:40}] {bytes} of {total_bytes}, {eta} left";
    let bar = ProgressBar::new(total).with_prefix(kind.to_string());
    let bar = bar.with_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut tries = if live { LIVE_TRIES } else { 1 };
    let outcome = loop {
        bar.set_position(0);
        let outcome = scan(folder, kind, &mut |bytes| bar.inc(bytes));
        tries -= 1;
        if outcome.is_ok() || tries == 0 {
            break outcome;
        }
    };
    bar.finish_and_clear();
    outcome
}
