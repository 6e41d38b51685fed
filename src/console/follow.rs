//! What the console knows of the journal: the last trades, and what operators have set. A thread of
//! its own reads on behind the recorder.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::journal::{JournalError, LogKind, Reader};
use crate::model::{Command, Event, EventFlags, EventKind, Instrument, Price};
use crate::runtime::StopFlag;
use crate::slow::Roster;
use crate::topology::{Ledger, instant, is_operators};

/// Trades kept.
const TRADES: usize = 100;

/// Messages taken between two rests, and how long a rest is when there was nothing.
const STEP: usize = 8192;
const PAUSE: Duration = Duration::from_millis(50);

/// What was read so far.
#[derive(Default)]
pub(super) struct Read {
    trades: VecDeque<Value>,
    ledger: Ledger,
    complaint: Option<String>,
}

impl Read {
    /// The last trades, newest first.
    pub(super) fn trades(&self) -> Value {
        json!(self.trades.iter().rev().collect::<Vec<_>>())
    }

    /// What is set, by whom and why.
    pub(super) fn settings(&self) -> Value {
        json!({
            "settings": self.ledger.settings().map(|setting| setting.json()).collect::<Vec<_>>(),
            "complaint": self.complaint,
        })
    }
}

/// What was read, for many.
pub(super) type Shared = Arc<Mutex<Read>>;

/// Starts reading.
pub(super) fn spawn(journal: PathBuf, roster: Roster, stop: StopFlag) -> std::io::Result<Shared> {
    let shared = Shared::default();
    let own = Arc::clone(&shared);
    let body = move || {
        if let Err(error) = follow(&journal, &roster, &own, &stop) {
            own.lock().unwrap_or_else(|bad| bad.into_inner()).complaint = Some(error.to_string());
        }
    };
    std::thread::Builder::new().name("console-reader".into()).spawn(body)?;
    Ok(shared)
}

fn follow(
    journal: &Path,
    roster: &Roster,
    shared: &Shared,
    stop: &StopFlag,
) -> Result<(), JournalError> {
    let mut commands = Reader::<Command>::open(&LogKind::Commands.folder(journal), 0)?;
    // Trades from the newest segment on: what is older is in the record.
    let mut events = Reader::<Event>::open(&LogKind::Events.folder(journal), u64::MAX)?;
    while events.read_event()?.is_some() {}
    let from = events.place().after;
    let mut events = Reader::<Event>::open(&LogKind::Events.folder(journal), from)?;
    while !stop.is_raised() {
        let mut done = 0;
        while done < STEP
            && let Some(group) = commands.read()?
        {
            done += 1;
            if is_operators(&group.head) {
                let mut read = shared.lock().unwrap_or_else(|bad| bad.into_inner());
                read.ledger.take(&group, &roster.all());
            }
        }
        let mut trades = VecDeque::new();
        while done < STEP
            && let Some(event) = events.read_event()?
        {
            done += 1;
            if let Some(trade) = trade_of(&event, &roster.all()) {
                trades.push_back(trade);
            }
        }
        if !trades.is_empty() {
            let mut read = shared.lock().unwrap_or_else(|bad| bad.into_inner());
            read.trades.extend(trades);
            let surplus = read.trades.len().saturating_sub(TRADES);
            read.trades.drain(..surplus);
        }
        if done == 0 {
            std::thread::sleep(PAUSE);
        }
    }
    Ok(())
}

/// A trade, of the maker's event.
fn trade_of(event: &Event, listed: &[Instrument]) -> Option<Value> {
    if event.kind != EventKind::Executed.code() || !event.flags.has(EventFlags::MAKER) {
        return None;
    }
    let symbol = listed.iter().find(|one| one.id == event.instrument)?.symbol.name();
    Some(json!({
        "time": instant(event.timestamp),
        "symbol": symbol,
        "price": Price(event.price.0).to_string(),
        "quantity": event.quantity.0,
        "match": event.match_number().0.to_string(),
    }))
}
