//! What the slow thread says to the sequencer by itself, and to people: throttling, the calendars,
//! limits on their dates, the operator's wishes, alerts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::civil::Date;
use serde_json::json;

use crate::engine::risk::Alert;
use crate::link::Producer;
use crate::model::{CommandKind, LimitKind, Nanos, RejectCode, Request};
use crate::runtime::{Clock, CounterReader, Pulse, SystemClock, log};
use crate::stage::{Board, Refusals};
use crate::topology::{AdminServer, LimitsFile, StageName, Timetable, shown};

/// Alerts shown to whoever asks how things stand.
const ALERTS_KEPT: usize = 64;

/// Limits files, and how far their dates have been carried out.
pub(super) struct DatedLimits {
    pub(super) files: Vec<(String, LimitsFile)>,
    /// The last date carried out; `None` before the first command of history.
    pub(super) done: Option<Date>,
}

/// What is heard from the stages.
pub(super) struct Heard {
    pub(super) alerts: rtrb::Consumer<Alert>,
    pub(super) pulse: Pulse,
    pub(super) refusals: Refusals,
    pub(super) counters: Vec<(StageName, CounterReader)>,
    pub(super) board: Arc<Board>,
}

struct Admin {
    server: AdminServer,
    limits: DatedLimits,
    heard: Heard,
    alerts: VecDeque<String>,
    was_alarmed: bool,
}

impl Admin {
    fn step(&mut self, now: Nanos, requests: &mut Producer<Request>) {
        self.carry_out(now);
        while let Ok(alert) = self.heard.alerts.pop() {
            let sentence = sentence_of(&alert);
            log::alert(&sentence);
            if self.alerts.len() == ALERTS_KEPT {
                self.alerts.pop_front();
            }
            self.alerts.push_back(sentence);
        }
        self.listen(now);
        let Self { server, heard, alerts, .. } = self;
        server.poll(now, requests, &mut || status(heard, alerts, now));
    }

    /// Sends limits whose date has come.
    fn carry_out(&mut self, now: Nanos) {
        let today = date_of(now);
        if self.limits.done == Some(today) {
            return;
        }
        for (name, file) in &self.limits.files {
            let due = file.between(self.limits.done, today);
            self.server.send_limits(due, "limits file", name, now);
        }
        self.limits.done = Some(today);
    }

    /// Tells people when risk stands still.
    fn listen(&mut self, now: Nanos) {
        let is_alarmed = is_silent(&self.heard.pulse, now);
        if is_alarmed != self.was_alarmed {
            self.was_alarmed = is_alarmed;
            let what = if is_alarmed { "stands still: orders are refused" } else { "goes on" };
            log::alert(&format!("the risk stage {what}"));
        }
    }
}

/// Silence of the risk stage that people are told of.
const SILENCE_MAX: Nanos = Nanos(100_000_000);

fn is_silent(pulse: &Pulse, now: Nanos) -> bool {
    pulse.last().0 > 0 && now.saturating_sub(pulse.last()) > SILENCE_MAX
}

/// The date of an instant, in UTC.
pub(super) fn date_of(now: Nanos) -> Date {
    let timestamp = jiff::Timestamp::from_nanosecond(i128::from(now.0)).unwrap_or_default();
    timestamp.to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn sentence_of(alert: &Alert) -> String {
    let Alert { seq, scope, id, kind, value } = alert;
    let value = match kind {
        LimitKind::Breaker | LimitKind::PriceTest => crate::model::Price(*value).to_string(),
        kind => shown(*kind, *value),
    };
    let scope = scope.name().to_ascii_lowercase();
    format!("{scope} {id}: {} at {value} by command {seq}", kind.key())
}

fn status(heard: &Heard, alerts: &VecDeque<String>, now: Nanos) -> serde_json::Value {
    let refusals = RejectCode::ALL.iter().filter_map(|code| {
        let count = heard.refusals.value(*code);
        (count > 0).then(|| (code.name().to_owned(), json!(count)))
    });
    // A stage may have several sets of counters.
    let mut counters = BTreeMap::<_, serde_json::Map<_, _>>::new();
    for (stage, reader) in &heard.counters {
        let values = reader.values().map(|(name, _, value)| (name.to_owned(), json!(value)));
        counters.entry(stage.name()).or_default().extend(values);
    }
    json!({
        "refused": refusals.collect::<serde_json::Map<_, _>>(),
        "risk_silent_ns": now.saturating_sub(heard.pulse.last()).0,
        "risk_stands_still": is_silent(&heard.pulse, now),
        "open_orders": heard.board.open_orders(),
        "alerts": alerts,
        "counters": counters,
    })
}

/// What the slow thread says to the sequencer by itself: that the journal is short of room, and
/// what the calendars want.
pub(super) struct Speaker {
    requests: Producer<Request>,
    clock: SystemClock,
    is_short: Arc<AtomicBool>,
    is_throttled: bool,
    timetables: Vec<Timetable>,
    admin: Option<Admin>,
}

impl Speaker {
    pub(super) fn new(
        requests: Producer<Request>,
        clock: SystemClock,
        is_short: Arc<AtomicBool>,
        timetables: Vec<Timetable>,
    ) -> Self {
        Self { requests, clock, is_short, is_throttled: false, timetables, admin: None }
    }

    /// With people to answer.
    #[must_use]
    pub(super) fn answering(self, server: AdminServer, limits: DatedLimits, heard: Heard) -> Self {
        let alerts = VecDeque::with_capacity(ALERTS_KEPT);
        Self { admin: Some(Admin { server, limits, heard, alerts, was_alarmed: false }), ..self }
    }

    /// Asks for what the calendars want now.
    fn keep_time(&mut self) {
        let now = self.clock.now();
        // A seed only hides when an auction ends: without the system's numbers the clock must do.
        let mut seed = || getrandom::u64().unwrap_or(now.0);
        for timetable in &mut self.timetables {
            timetable.poll(now, &mut seed, &mut |request| self.requests.push_head(request));
        }
    }

    pub(super) fn speak(&mut self) {
        self.keep_time();
        let now = self.clock.now();
        if let Some(admin) = &mut self.admin {
            admin.step(now, &mut self.requests);
        }
        let is_short = self.is_short.load(Ordering::Relaxed);
        if is_short == self.is_throttled {
            return;
        }
        let kind = if is_short { CommandKind::Throttle } else { CommandKind::Unthrottle };
        if self.requests.push_head(&Request::new(kind, self.clock.now())) {
            self.is_throttled = is_short;
        }
    }
}
