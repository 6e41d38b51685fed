//! What the slow thread says to the sequencer by itself, and to people: throttling, the calendars,
//! limits on their dates, the operator's wishes, alerts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use serde_json::json;

use crate::engine::risk::Alert;
use crate::link::Producer;
use crate::model::{
    AccountId, Command, CommandKind, Group, LimitKind, Nanos, Note, Price, RejectCode, Request,
    Scope, SeqNo,
};
use crate::runtime::{Clock, CounterReader, Pulse, SystemClock, log, utc};
use crate::slow::books::Books;
use crate::slow::levels::{Level, Levels, SharedLevels};
use crate::stage::{Board, FeedReaders, Refusals};
use crate::topology::accounts::Accounts;
use crate::topology::utc_watch::UtcWatch;
use crate::topology::{AdminServer, LimitsFile, StageName, Timetable, padded, shown};

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
    pub(super) feeds: Vec<FeedReaders>,
    pub(super) board: Arc<Board>,
}

struct Admin {
    server: AdminServer,
    limits: DatedLimits,
    heard: Heard,
    alerts: VecDeque<String>,
    was_alarmed: bool,
    levels: SharedLevels,
    accounts: Option<Accounts>,
    /// Buying powers that another system keeps, and those that were sent.
    wishes: Option<SharedFacts>,
    wished: BTreeMap<AccountId, i64>,
    judged_at: Nanos,
    /// Seconds of market hours, and those in which no orders were taken.
    seconds: (u64, u64),
}

impl Admin {
    /// Once a second: whether orders are taken, how market orders fare, how right the books are.
    fn judge(&mut self, now: Nanos, is_short: bool) {
        if now.saturating_sub(self.judged_at) < SECOND {
            return;
        }
        let is_new_minute = now.0 / MINUTE.0 != self.judged_at.0 / MINUTE.0;
        self.judged_at = now;
        let heard = &self.heard;
        if self.accounts.as_ref().is_none_or(Accounts::is_market_open) {
            self.seconds.0 += 1;
            self.seconds.1 += u64::from(is_short || is_silent(&heard.pulse, now));
        }
        let (total, failed) = self.seconds;
        self.levels.with(|levels| levels.count(Level::Available, total, failed));
        if let Some(accounts) = &mut self.accounts {
            accounts.judge(&self.levels, now, is_new_minute);
        }
        if is_new_minute {
            self.levels.with(Levels::begin_window);
        }
        for news in self.levels.with(Levels::take_news) {
            self.tell(news);
        }
    }

    fn tell(&mut self, sentence: String) {
        log::alert(&sentence);
        if self.alerts.len() == ALERTS_KEPT {
            self.alerts.pop_front();
        }
        self.alerts.push_back(sentence);
    }

    fn step(&mut self, now: Nanos, requests: &mut Producer<Request>) {
        self.carry_out(now);
        while let Ok(alert) = self.heard.alerts.pop() {
            self.tell(sentence_of(&alert));
        }
        self.follow(now);
        self.listen(now);
        let Self { server, heard, alerts, levels, .. } = self;
        server.poll(now, requests, &mut || {
            let mut status = status(heard, alerts, now);
            status["service_levels"] = levels.with(|levels| levels.json());
            status
        });
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

    /// Sends buying powers that another system changed.
    fn follow(&mut self, now: Nanos) {
        let Some(wishes) = &self.wishes else { return };
        let wishes = wishes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let changed = wishes.iter().filter(|(id, value)| self.wished.get(id) != Some(value));
        let command = |(id, value): (&AccountId, &i64)| Command {
            account: *id,
            side: Scope::Account.code(),
            order_type: LimitKind::BuyingPower.code(),
            price: Price(*value),
            ..Command::new(CommandKind::SetLimit)
        };
        let commands: Vec<_> = changed.map(command).collect();
        if !commands.is_empty() {
            self.server.send_limits(commands.iter(), "limits feed", "redis", now);
            self.wished = wishes;
        }
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

const SECOND: Nanos = Nanos(1_000_000_000);
const MINUTE: Nanos = Nanos(60_000_000_000);

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
        "feeds": heard.feeds.iter().map(feed).collect::<serde_json::Map<_, _>>(),
    })
}

/// An exchange's feed by its name: what is counted of it, and of each of its lines.
fn feed(of: &FeedReaders) -> (String, serde_json::Value) {
    let values = |reader: &CounterReader| {
        let values = reader.values().map(|(name, _, value)| (name.to_owned(), json!(value)));
        values.collect::<serde_json::Map<_, _>>()
    };
    let mut row = values(&of.feed);
    row.extend(of.lines().map(|(letter, line)| (letter.to_owned(), json!(values(line)))));
    (of.name.clone(), json!(row))
}

/// What the slow thread says to the sequencer by itself: that the journal is short of room, and
/// what the calendars want.
pub(super) struct Speaker {
    requests: Producer<Request>,
    clock: SystemClock,
    is_short: Arc<AtomicBool>,
    /// Set by whoever finds the stores too far behind.
    is_behind: Arc<AtomicBool>,
    /// Buying powers that the books have settled, for those who show them.
    facts: SharedFacts,
    /// What history was told: that orders are refused for want of room, because of the clock.
    told_throttles: [bool; 2],
    utc: Option<UtcWatch>,
    timetables: Vec<Timetable>,
    admin: Option<Admin>,
    /// What risk was told of whose money and when, and is not in the books yet.
    told: BTreeMap<AccountId, (SeqNo, Nanos)>,
}

/// Buying powers, by account.
pub(super) type SharedFacts = Arc<Mutex<BTreeMap<AccountId, i64>>>;

/// After how long risk is told again what never came into history.
const TELL_AGAIN: Nanos = Nanos(1_000_000_000);

impl Speaker {
    pub(super) fn new(
        requests: Producer<Request>,
        clock: SystemClock,
        is_short: Arc<AtomicBool>,
        timetables: Vec<Timetable>,
    ) -> Self {
        let (is_behind, facts, told) = Default::default();
        Self {
            requests,
            clock,
            is_short,
            is_behind,
            facts,
            told_throttles: [false; 2],
            utc: None,
            timetables,
            admin: None,
            told,
        }
    }

    /// With an eye on the clock.
    #[must_use]
    pub(super) fn keeping_to_utc(self, utc: UtcWatch) -> Self {
        Self { utc: Some(utc), ..self }
    }

    /// After a history that has orders refused, or not.
    #[must_use]
    pub(super) fn after(mut self, told_throttles: [bool; 2]) -> Self {
        let [_, is_off] = told_throttles;
        if let Some(utc) = &mut self.utc {
            utc.resume(is_off);
        }
        Self { told_throttles, ..self }
    }

    /// With people to answer.
    #[must_use]
    pub(super) fn answering(self, server: AdminServer, limits: DatedLimits, heard: Heard) -> Self {
        let alerts = VecDeque::with_capacity(ALERTS_KEPT);
        let admin = Admin {
            server,
            limits,
            heard,
            alerts,
            was_alarmed: false,
            levels: SharedLevels::default(),
            accounts: None,
            wishes: None,
            wished: BTreeMap::new(),
            judged_at: Nanos::ZERO,
            seconds: (0, 0),
        };
        Self { admin: Some(admin), ..self }
    }

    /// With service levels that are counted here.
    #[must_use]
    pub(super) fn judging(mut self, levels: SharedLevels, accounts: Accounts) -> Self {
        if let Some(admin) = &mut self.admin {
            (admin.levels, admin.accounts) = (levels, Some(accounts));
        }
        self
    }

    /// With buying powers that another system keeps.
    #[cfg(feature = "scaled")]
    #[must_use]
    pub(super) fn following(mut self, wishes: SharedFacts) -> Self {
        if let Some(admin) = &mut self.admin {
            admin.wishes = Some(wishes);
        }
        self
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

    /// Where it is written that the stores are too far behind, and where buying powers are shown.
    #[cfg(feature = "scaled")]
    pub(super) fn shared(&self) -> (Arc<AtomicBool>, SharedFacts) {
        (Arc::clone(&self.is_behind), Arc::clone(&self.facts))
    }

    /// Tells risk of the money that moved, as absolute values; each is in the journal then, and
    /// what the journal says counts.
    pub(super) fn tell(&mut self, books: &Books) {
        let now = self.clock.now();
        let Self { requests, told, .. } = self;
        if cfg!(feature = "scaled") {
            books.show_facts(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner));
        }
        let mut due = books.tellings().peekable();
        if due.peek().is_none() {
            told.clear();
            return;
        }
        for telling in due {
            let is_under_way = told.get(&telling.account).is_some_and(|(seq, at)| {
                *seq == telling.changed_at && now.saturating_sub(*at) < TELL_AGAIN
            });
            if is_under_way {
                continue;
            }
            let note = Note {
                actor: padded("books"),
                reason: padded(&format!("cash, command {}", telling.changed_at)),
                ..Note::default()
            };
            let head = Command { timestamp: now, lines: 2, ..telling.command() };
            let mut group = Group::new(Request(head));
            group.rest_mut()[0] = note.line();
            if !requests.push(&group) {
                return;
            }
            told.insert(telling.account, (telling.changed_at, now));
        }
    }

    pub(super) fn speak(&mut self) {
        self.keep_time();
        let now = self.clock.now();
        let is_behind = self.is_behind.load(Ordering::Relaxed);
        let is_short = self.is_short.load(Ordering::Relaxed) || is_behind;
        if let Some(admin) = &mut self.admin {
            admin.step(now, &mut self.requests);
            admin.judge(now, is_short);
        }
        let is_off = self.utc.as_mut().is_some_and(|watch| watch.is_off(now, utc));
        for (why, is_wanted) in [0, Command::FOR_THE_CLOCK].into_iter().zip([is_short, is_off]) {
            self.throttle(why, is_wanted);
        }
    }

    /// Has history told that orders are refused, or taken again, if that is news.
    fn throttle(&mut self, why: u8, is_wanted: bool) {
        let Some(told) = self.told_throttles.get_mut(usize::from(why)) else { return };
        if *told == is_wanted {
            return;
        }
        let kind = if is_wanted { CommandKind::Throttle } else { CommandKind::Unthrottle };
        let mut request = Request::new(kind, self.clock.now());
        request.0.order_type = why;
        if self.requests.push_head(&request) {
            *told = is_wanted;
            if why == Command::FOR_THE_CLOCK {
                log::alert(match is_wanted {
                    true => "new orders are refused: the clock was too far from UTC for too long",
                    false => "new orders are taken again: the clock is near UTC",
                });
            }
        }
    }
}
