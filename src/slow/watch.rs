//! The hook for surveillance: whoever watches is shown every event with its command, in order and
//! once, from where it stopped, and may raise alerts. A watcher never holds up anything.
//!
//! ```text
//!  both logs ──► Cursor NAME ──► Watcher ──► alerts.jsonl
//! ```
//!
//! The cursor is stored after the alerts before it, and alerts have names: what a crash shows again
//! is not raised again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::journal::History;
use crate::model::{
    CancelReason, Command, CommandKind, Event, EventFlags, EventId, EventKind, Group, InstrumentId,
    Nanos, OrderId, OrderType, Phase,
};
use crate::slow::SlowError;

/// The file of alerts in the data folder: one JSON object per line.
pub const ALERTS_NAME: &str = "alerts.jsonl";

/// The folder of cursors in the data folder.
pub const CURSORS_NAME: &str = "cursors";

/// What a watcher raised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Alert {
    /// Who.
    pub watcher: String,
    /// About which event.
    pub event: u64,
    /// Log time of the event.
    pub at: u64,
    /// What, in a sentence.
    pub what: String,
}

/// One who watches.
pub trait Watcher {
    /// Its name, of letters and digits: its cursor's name too.
    fn name(&self) -> &str;

    /// Is shown one event and the command it is of; `raise` takes alerts, each a sentence.
    fn see(&mut self, group: &Group<Command>, event: &Event, raise: &mut dyn FnMut(String));
}

/// A place in history that is kept.
#[derive(Debug)]
pub struct Cursor {
    name: String,
    data: PathBuf,
    history: History,
    last: EventId,
    /// Alerts behind the cursor, which a crash left there.
    raised: BTreeSet<Alert>,
}

impl Cursor {
    /// Goes on where the cursor of that name stopped; from the first event on where it never was.
    ///
    /// # Errors
    /// A journal or a cursor that cannot be read.
    pub fn open(journal: &Path, data: &Path, name: &str) -> Result<Self, SlowError> {
        let file = data.join(CURSORS_NAME).join(name);
        let stored = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok());
        let last = EventId(stored.unwrap_or(0));
        let is_behind = |alert: &Alert| alert.watcher == name && alert.event > last.0;
        let raised = read_alerts(data).into_iter().filter(is_behind).collect();
        Ok(Self {
            name: name.to_owned(),
            data: data.to_owned(),
            history: History::after(journal, last)?,
            last,
            raised,
        })
    }

    /// The next event with its command; nothing where there is none yet.
    ///
    /// # Errors
    /// Logs that cannot be read.
    pub fn next_event(&mut self) -> Result<Option<(Group<Command>, Event)>, SlowError> {
        let Some((group, event)) = self.history.next_event()? else { return Ok(None) };
        self.last = event.id;
        Ok(Some((*group, event)))
    }

    /// Shows a watcher up to so many events, stores its alerts and then its place; says how many.
    ///
    /// # Errors
    /// Logs that cannot be read, alerts that cannot be written.
    pub fn show(&mut self, watcher: &mut dyn Watcher, most: usize) -> Result<usize, SlowError> {
        let (mut count, mut alerts) = (0, Vec::new());
        while count < most
            && let Some((group, event)) = self.next_event()?
        {
            let (at, id) = (event.timestamp.0, event.id.0);
            watcher.see(&group, &event, &mut |what| {
                alerts.push(Alert { watcher: self.name.clone(), event: id, at, what });
            });
            count += 1;
        }
        if count > 0 {
            alerts.retain(|alert| !self.raised.remove(alert));
            self.store(&alerts)
                .map_err(|source| SlowError::Watch { file: self.data.join(ALERTS_NAME), source })?;
        }
        Ok(count)
    }

    fn store(&self, alerts: &[Alert]) -> io::Result<()> {
        if !alerts.is_empty() {
            let mut text = Vec::new();
            for alert in alerts {
                serde_json::to_writer(&mut text, alert)?;
                text.push(b'\n');
            }
            let file = self.data.join(ALERTS_NAME);
            let mut file = OpenOptions::new().create(true).append(true).open(file)?;
            file.write_all(&text)?;
            file.sync_data()?;
        }
        let folder = self.data.join(CURSORS_NAME);
        fs::create_dir_all(&folder)?;
        let unfinished = folder.join(format!("{}.new", self.name));
        let mut file = File::create(&unfinished)?;
        write!(file, "{}", self.last.0)?;
        fs::rename(unfinished, folder.join(&self.name))
    }
}

/// All alerts of a data folder; a line that was cut short is none.
pub fn read_alerts(data: &Path) -> Vec<Alert> {
    let text = fs::read_to_string(data.join(ALERTS_NAME)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Counts how market orders fare: filled within a second, where anybody was there to trade with.
#[derive(Debug, Default)]
pub struct FillRate {
    open: std::collections::HashMap<OrderId, (Nanos, bool)>,
    /// What was heard of instruments' phases: whether each is open.
    phases: BTreeMap<InstrumentId, bool>,
    /// Market orders that somebody could have traded with.
    pub total: u64,
    /// Those that were not filled within a second.
    pub failed: u64,
}

impl FillRate {
    /// Whether any instrument is in a phase in which orders enter.
    pub fn is_market_open(&self) -> bool {
        self.phases.is_empty() || self.phases.values().any(|is_open| *is_open)
    }
}

impl Watcher for FillRate {
    fn name(&self) -> &str {
        "fillrate"
    }

    fn see(&mut self, group: &Group<Command>, event: &Event, _: &mut dyn FnMut(String)) {
        let id = event.order_id();
        let is_done = event.flags.has(EventFlags::DONE);
        match EventKind::from_code(event.kind) {
            Some(EventKind::Accepted) => {
                let kind = group.head.order_type();
                let is_market = matches!(kind, Some(OrderType::Market | OrderType::MarketToLimit));
                if is_market && group.head.kind() == Some(CommandKind::Enter) {
                    self.open.insert(id, (event.timestamp, false));
                }
            }
            Some(EventKind::PhaseChanged) => {
                let is_open = Phase::from_code(event.reason) != Some(Phase::Closed);
                self.phases.insert(event.instrument, is_open);
            }
            Some(EventKind::Executed) if !self.open.is_empty() => {
                if let Some((since, has_traded)) = self.open.get_mut(&id) {
                    *has_traded = true;
                    if is_done {
                        let took = event.timestamp.saturating_sub(*since);
                        self.total += 1;
                        self.failed += u64::from(took.0 > 1_000_000_000);
                        self.open.remove(&id);
                    }
                }
            }
            Some(EventKind::Cancelled) if is_done && !self.open.is_empty() => {
                if let Some((_, has_traded)) = self.open.remove(&id) {
                    // Nobody was on the other side, or the client thought better of it.
                    let reason = event.cancel_reason();
                    let is_fair = matches!(
                        reason,
                        Some(
                            CancelReason::Protection | CancelReason::User | CancelReason::Immediate
                        )
                    );
                    if !is_fair || has_traded && reason != Some(CancelReason::User) {
                        self.total += 1;
                        // What ran out of others has had all there was.
                        self.failed += u64::from(!is_fair);
                    }
                }
            }
            _ => {}
        }
    }
}
