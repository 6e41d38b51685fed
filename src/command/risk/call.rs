//! Asking a running appliance, and waiting until what was asked is in force: in the journal.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use crate::command::{Failure, Outcome};
use crate::journal::{LogKind, Reader};
use crate::model::{CancelReason, Command, Event, EventKind, Group, Nanos, RejectCode, SeqNo};
use crate::runtime::{Clock, SystemClock};
use crate::topology::{Answer, Ask, DayEnd, Message, SOCKET_NAME, Whom, journal_folder, padded};

/// Whom to ask, and as whom.
#[derive(clap::Args, Clone, Debug)]
pub struct Calling {
    /// The data folder of the running appliance
    #[arg(long, value_name = "DIR", default_value = "run")]
    pub data: PathBuf,
    /// Who asks
    #[arg(long, default_value = "")]
    pub actor: String,
    /// Why
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Whom a change is about: one of these, an instrument also beside the others.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Target {
    #[arg(long)]
    everything: bool,
    /// A level of the market-wide halt, with --everything
    #[arg(long)]
    level: Option<u32>,
    /// A venue; 0 is this appliance
    #[arg(long)]
    venue: Option<u32>,
    /// A firm, by its place in the configuration, from 1
    #[arg(long)]
    firm: Option<u32>,
    #[arg(long)]
    account: Option<u32>,
    #[arg(long)]
    session: Option<u32>,
    /// An instrument, by its symbol
    #[arg(long)]
    instrument: Option<String>,
}

impl Target {
    /// The scope it names.
    ///
    /// # Errors
    /// None, or more than one.
    pub fn whom(&self) -> Result<Whom, Failure> {
        let scopes = [
            ("everything", self.everything.then_some(self.level.unwrap_or(0))),
            ("venue", self.venue),
            ("firm", self.firm),
            ("account", self.account),
            ("session", self.session),
        ];
        let mut named = scopes.into_iter().filter_map(|(name, id)| Some((name, id?)));
        let symbol = self.instrument.clone().unwrap_or_default();
        let (scope, id) = match (named.next(), self.instrument.is_some()) {
            (Some(scope), _) => scope,
            (None, true) => ("instrument", 0),
            (None, false) => {
                return Err(Failure::usage(
                    "say for whom: --everything, --venue, --firm, --account, --session or \
                     --instrument",
                ));
            }
        };
        if named.next().is_some() {
            return Err(Failure::usage("say for whom once: two scopes are named"));
        }
        Ok(Whom { scope: scope.into(), id, symbol })
    }
}

/// How long to wait for what was asked to come into force.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Cancels come one after the other; silence of this length is their end.
const QUIET: Duration = Duration::from_millis(100);

/// Asks, waits until it is in force, and says so.
///
/// # Errors
/// Nobody who answers; a refusal.
pub fn call(calling: &Calling, ask: Ask) -> Outcome {
    let clock = SystemClock::new();
    let begun = clock.now();
    let takes = match ask {
        Ask::Kill { .. } => Some(CancelReason::Supervisory),
        Ask::Day { end: DayEnd::End } => Some(CancelReason::Closed),
        _ => None,
    };
    let is_question = matches!(ask, Ask::Status);
    let journal = journal_folder(&calling.data);
    let from = if is_question { 0 } else { last_seq(&journal)? };
    let answer = ask_once(
        &calling.data,
        &Message { actor: calling.actor.clone(), reason: calling.reason.clone(), ask },
    )?;
    if !answer.ok {
        return Err(Failure::usage(answer.message));
    }
    if is_question {
        let text = serde_json::to_string_pretty(&answer.status).context("cannot write JSON")?;
        println!("{text}");
        return Ok(());
    }
    if answer.sent == 0 {
        println!("{}", if calling.json { json!(answer).to_string() } else { answer.message });
        return Ok(());
    }
    let effect = follow(&journal, from, &answer, calling, takes)?;
    if let Some(code) = effect.refused {
        return Err(Failure::usage(format!("refused: {}", code.sentence())));
    }
    let (in_force_us, whole_us) =
        (effect.in_force.0 / 1_000, clock.now().saturating_sub(begun).0 / 1_000);
    if calling.json {
        let report = json!({
            "command": effect.seq, "sent": answer.sent, "in_force_us": in_force_us,
            "last_cancel_us": effect.last_cancel.map(|span| span.0 / 1_000),
            "cancelled": effect.cancelled, "message": answer.message,
            "whole_us": whole_us,
        });
        println!("{report}");
        return Ok(());
    }
    println!(
        "command {}: in force {in_force_us} µs after it was received, {whole_us} µs after the \
         question",
        effect.seq
    );
    if let Some(last) = effect.last_cancel {
        let last = last.0 / 1_000;
        println!("{} orders cancelled, the last {last} µs after it was received", effect.cancelled);
    }
    if !answer.message.is_empty() {
        println!("{}", answer.message);
    }
    Ok(())
}

fn ask_once(data: &Path, message: &Message) -> Result<Answer, Failure> {
    let path = data.join(SOCKET_NAME);
    let stream = UnixStream::connect(&path).with_context(|| {
        format!(
            "nobody answers at {}: is the appliance running? --data names its folder",
            path.display()
        )
    })?;
    stream.set_read_timeout(Some(WAIT_MAX)).context("cannot set a timeout")?;
    let mut line = serde_json::to_vec(message).context("cannot write JSON")?;
    line.push(b'\n');
    (&stream).write_all(&line).context("the appliance does not listen")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).context("the appliance does not answer")?;
    Ok(serde_json::from_str(&answer).context("the answer cannot be read")?)
}

/// What became of it.
struct Effect {
    seq: SeqNo,
    /// From receipt to its place in history.
    in_force: Nanos,
    last_cancel: Option<Nanos>,
    cancelled: u64,
    refused: Option<RejectCode>,
}

/// The last command of a journal.
fn last_seq(journal: &Path) -> Result<u64, Failure> {
    let folder = LogKind::Commands.folder(journal);
    if !folder.is_dir() {
        return Err(Failure::usage(format!(
            "{}: there is no journal here; --data names the appliance's folder",
            journal.display()
        )));
    }
    let mut reader = Reader::<Command>::open(&folder, u64::MAX).context("no journal")?;
    while reader.read().context("the journal cannot be read")?.is_some() {}
    Ok(reader.place().after)
}

/// Finds the last request of an answer in the journal, and the cancels for a reason that it makes,
/// if it makes any.
fn follow(
    journal: &Path,
    from: u64,
    answer: &Answer,
    calling: &Calling,
    takes: Option<CancelReason>,
) -> Result<Effect, Failure> {
    let clock = SystemClock::new();
    let begun = clock.now();
    let since = |then: Nanos| Duration::from_nanos(clock.now().saturating_sub(then).0);
    let wait = || -> Result<(), Failure> {
        if since(begun) > WAIT_MAX {
            let late = "it was taken but is not in the journal after ten seconds";
            return Err(Failure::from(anyhow::anyhow!(late)));
        }
        std::thread::sleep(Duration::from_micros(200));
        Ok(())
    };
    // A stage's clock may be a little behind ours: then nothing tells how long it waited.
    let is_ours = |group: &Group<Command>| {
        let (actor, reason) = (padded(&calling.actor), padded(&calling.reason));
        let note = group.note();
        let is_told = note.is_some_and(|note| note.actor == actor && note.reason == reason);
        let head = &group.head;
        is_told && (head.age == 0 || head.received_at().0 == answer.received_at)
    };
    let commands = LogKind::Commands.folder(journal);
    let mut reader = Reader::<Command>::open(&commands, from + 1).context("no journal")?;
    let mut left = answer.sent;
    let command = loop {
        match reader.read().context("the journal cannot be read")? {
            Some(group) if is_ours(&group) => {
                left -= 1;
                if left == 0 {
                    break group.head;
                }
            }
            Some(_) => {}
            None => wait()?,
        }
    };
    let received = command.received_at();
    let in_force = command.timestamp.saturating_sub(received);
    let mut effect =
        Effect { seq: command.seq, in_force, last_cancel: None, cancelled: 0, refused: None };
    let events = LogKind::Events.folder(journal);
    let mut reader = Reader::<Event>::open(&events, command.seq.0 << 16).context("no journal")?;
    let mut quiet_since: Option<Nanos> = None;
    loop {
        let Some(event) = reader.read_event().context("the journal cannot be read")? else {
            match (takes.is_some(), quiet_since) {
                (true, Some(then)) if since(then) > QUIET => return Ok(effect),
                (false, Some(_)) => return Ok(effect),
                _ => wait()?,
            }
            continue;
        };
        if event.id.seq() < command.seq {
            continue;
        }
        quiet_since = quiet_since.or(Some(clock.now()));
        let kind = event.kind().ok();
        if event.id.seq() == command.seq {
            let is_no = matches!(kind, Some(EventKind::Rejected | EventKind::CancelRejected));
            effect.refused = event.reject_code().filter(|_| is_no);
            if takes.is_none() || effect.refused.is_some() {
                return Ok(effect);
            }
        }
        let is_ours = event.cancel_reason() == takes;
        if kind == Some(EventKind::Cancelled) && is_ours {
            effect.cancelled += 1;
            effect.last_cancel = Some(event.timestamp.saturating_sub(received));
            quiet_since = Some(clock.now());
        } else if quiet_since.is_some_and(|then| since(then) > QUIET) {
            return Ok(effect);
        }
    }
}
