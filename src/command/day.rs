//! `wirematch day`: shows the trading day, and ends or starts it where no calendar does.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::command::configuration::ConfigArguments;
use crate::command::risk::{Calling, call};
use crate::command::{Failure, Outcome};
use crate::journal::{LogKind, Reader};
use crate::model::{Command, Event, Nanos, SeqNo};
use crate::runtime::{Clock, SystemClock};
use crate::stage::Days;
use crate::topology::{Ask, Calendar, DayEnd, begun, instant, journal_folder};

/// Shows the trading day, and rolls it.
///
/// A calendar does this by its timetable; a person does it where there is none, or on a day that
/// goes otherwise. The end takes day orders, the start begins a new session of market data.
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 done, 1 nobody answers, 2 wrong usage or refused.\n\n\
    Examples:\n  wirematch day show --config appliance.toml --json\n  \
    wirematch day roll --data run --actor ann --reason 'closed early'\n  \
    wirematch day end --data run --actor ann --reason 'a storm'\n  \
    wirematch day start --data run --actor bob --reason 'it is over'")]
pub struct DayArguments {
    #[command(subcommand)]
    command: DayCommand,
}

#[derive(Subcommand, Debug)]
enum DayCommand {
    /// The day's number, when it started or ended, by whom and why, and what comes next
    Show {
        #[command(flatten)]
        config: ConfigArguments,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Ends the day: day orders are taken away, closes are noted
    End {
        #[command(flatten)]
        calling: Calling,
    },
    /// Starts a day: market data begins a session, the journal a segment
    Start {
        #[command(flatten)]
        calling: Calling,
    },
    /// Ends the day and, when its orders are gone, starts the next
    Roll {
        #[command(flatten)]
        calling: Calling,
    },
}

/// Runs `wirematch day`.
///
/// # Errors
/// Nobody who answers (1), a refusal (2), a journal that cannot be read (1).
pub fn run(arguments: &DayArguments) -> Outcome {
    match &arguments.command {
        DayCommand::Show { config, json } => show(config, *json),
        DayCommand::End { calling } => call(calling, Ask::Day { end: DayEnd::End }),
        DayCommand::Start { calling } => call(calling, Ask::Day { end: DayEnd::Start }),
        DayCommand::Roll { calling } => {
            call(calling, Ask::Day { end: DayEnd::End })?;
            call(calling, Ask::Day { end: DayEnd::Start })
        }
    }
}

/// A day's start or end on record.
struct Turn {
    seq: SeqNo,
    at: Nanos,
    actor: String,
    reason: String,
}

fn show(config: &ConfigArguments, as_json: bool) -> Outcome {
    let loaded = config.load()?;
    let journal = journal_folder(&loaded.config.data);
    let failed = |error: &dyn std::fmt::Display| Failure::from(anyhow::anyhow!("{error}"));
    let (replay, _) =
        begun(&loaded.config, &loaded.catalogue, SeqNo::MAX).map_err(|error| failed(&error))?;
    let mut days = *replay.feed.days();
    let events = LogKind::Events.folder(&journal);
    let mut reader =
        Reader::<Event>::open(&events, replay.last_event.0 + 1).map_err(|error| failed(&error))?;
    drop(replay);
    while let Some(event) = reader.read_event().map_err(|error| failed(&error))? {
        if days.take(&event) {
            days.turn(0);
        }
    }
    let turns = [(days.start, days.started_at), (days.end, days.ended_at)];
    let [started, ended] = turns.map(|(seq, at)| turn(&journal, seq, at));
    let now = SystemClock::new().now();
    let next: Vec<_> =
        loaded.catalogue.calendars.iter().filter_map(|calendar| next_of(calendar, now)).collect();
    let name: [u8; 10] = loaded.config.feed.session.as_bytes().try_into().unwrap_or([b' '; 10]);
    let session = String::from_utf8_lossy(&days.session(name)).into_owned();
    if as_json {
        println!("{}", told(&days, &session, started.as_ref(), ended.as_ref(), &next));
        return Ok(());
    }
    let state = if days.is_over { "over" } else { "open" };
    println!("day {}: {state}; market data's session is {session}", days.number);
    for (what, turn) in [("started", started), ("ended", ended)] {
        let Some(Turn { seq, at, actor, reason }) = turn else { continue };
        let who = if actor.is_empty() { String::new() } else { format!(", by {actor}: {reason}") };
        println!("last {what:<8} {}, command {seq}{who}", instant(at));
    }
    for (calendar, at, end) in next {
        println!("next {:<8} {} by calendar {calendar}", word(end), instant(at));
    }
    Ok(())
}

const fn word(end: DayEnd) -> &'static str {
    match end {
        DayEnd::Start => "start",
        DayEnd::End => "end",
    }
}

fn told(
    days: &Days,
    session: &str,
    started: Option<&Turn>,
    ended: Option<&Turn>,
    next: &[(String, Nanos, DayEnd)],
) -> Value {
    let turn = |turn: Option<&Turn>| {
        turn.map(|turn| {
            json!({
                "command": turn.seq, "at": instant(turn.at), "actor": turn.actor,
                "reason": turn.reason,
            })
        })
    };
    let next: Vec<_> = next
        .iter()
        .map(|(name, at, end)| json!({"calendar": name, "at": instant(*at), "what": word(*end)}))
        .collect();
    json!({
        "day": days.number, "is_over": days.is_over, "session": session,
        "started": turn(started), "ended": turn(ended), "next": next,
    })
}

/// Who turned a day and why, as far as the journal still has it; none where no day was turned.
fn turn(journal: &std::path::Path, seq: SeqNo, at: Nanos) -> Option<Turn> {
    if seq == SeqNo::ZERO {
        return None;
    }
    let reader = Reader::<Command>::open(&LogKind::Commands.folder(journal), seq.0);
    let group = reader.ok().and_then(|mut reader| reader.read().ok().flatten());
    let note = group.filter(|group| group.head.seq == seq).and_then(|group| group.note().copied());
    let note = note.unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
    Some(Turn { seq, at, actor: text(&note.actor), reason: text(&note.reason) })
}

/// When a calendar turns the day next.
fn next_of(calendar: &Calendar, now: Nanos) -> Option<(String, Nanos, DayEnd)> {
    let mut at = now;
    // A calendar that turns no day has changes without end.
    for _ in 0..256 {
        let due = calendar.after(at)?;
        if let Some(end) = due.changes.iter().find_map(|change| change.day) {
            return Some((calendar.name.clone(), due.at, end));
        }
        at = due.at;
    }
    None
}
