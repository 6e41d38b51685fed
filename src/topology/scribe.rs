//! Writes the counters file: a thread of its own reads what stages show anyway and writes it ten
//! times a second. It shares nothing with a stage but numbers that the stage stores in passing.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::engine::{Class, Hardware, Span};
use crate::journal::Progress;
use crate::model::{Nanos, RejectCode, SessionId};
use crate::outlet::{Hub, Tally};
use crate::runtime::counters_file::{
    COUNTERS_NAME, CountersFile, Plan, Series, Slot, Unit, Values,
};
use crate::runtime::{Clock, CoreTimes, CounterReader, Pulse, StopFlag, SystemClock, log, utc};
use crate::slow::Roster;
use crate::slow::levels::{Level, SharedLevels};
use crate::stage::{Board, FeedReaders, Refusals, Release, Rule, SessionBoard};
use crate::topology::{LinkFill, StageLatency, StageName};

/// How often the file is written.
const PERIOD: Duration = Duration::from_millis(100);

/// Books in the file, at most.
const BOOKS_MAX: usize = 256;

/// Lines of the log in the file, and bytes of each.
const LINES: usize = 16;
const LINE_BYTES: usize = 232;

/// What the scribe reads.
pub(super) struct Seen {
    /// Judged by what stages took.
    pub(super) levels: SharedLevels,
    pub(super) counters: Vec<(StageName, CounterReader)>,
    pub(super) feeds: Vec<FeedReaders>,
    pub(super) latencies: Vec<StageLatency>,
    pub(super) links: Vec<LinkFill>,
    /// Each core's CPU, stages and times.
    pub(super) cores: Vec<(Option<usize>, Vec<StageName>, Arc<CoreTimes>)>,
    pub(super) board: Arc<Board>,
    /// Instruments, in the board's order.
    pub(super) roster: Roster,
    pub(super) sessions: Arc<SessionBoard>,
    /// The sessions there are, and what they speak.
    pub(super) listed: Vec<(SessionId, &'static str)>,
    pub(super) progress: [Arc<Progress>; 2],
    pub(super) refusals: Refusals,
    pub(super) pulse: Pulse,
    /// Where there are two machines.
    pub(super) release: Option<Arc<Release>>,
    /// What replies wait for, as the configuration says.
    pub(super) gate: &'static str,
    /// Shards that hardware matches, by place.
    pub(super) hardware: Vec<usize>,
    /// Where WebSocket clients and others are told of our books.
    pub(super) outlet: Option<Arc<Hub>>,
}

/// A value's place, and how it is found.
type Source = Box<dyn FnMut(&mut Values<'_>, Nanos) + Send>;

/// Every value's source, with the plan of the file.
#[derive(Default)]
struct Sources {
    plan: Plan,
    sources: Vec<Source>,
}

impl Sources {
    fn number(&mut self, slot: Slot, mut read: impl FnMut() -> u64 + Send + 'static) {
        self.sources.push(Box::new(move |values, _| values.set(slot, read())));
    }

    fn counter(
        &mut self,
        (name, text, unit): (&str, &str, Unit),
        labels: &[(&str, &str)],
        read: impl FnMut() -> u64 + Send + 'static,
    ) {
        let slot = self.plan.counter(name, text, unit, labels);
        self.number(slot, read);
    }

    fn gauge(
        &mut self,
        (name, text, unit): (&str, &str, Unit),
        labels: &[(&str, &str)],
        read: impl FnMut() -> u64 + Send + 'static,
    ) {
        let slot = self.plan.gauge(name, text, unit, labels);
        self.number(slot, read);
    }
}

/// Starts the thread; the file is in the data folder.
pub(super) fn spawn_scribe(
    seen: Seen,
    data: &Path,
    clock: SystemClock,
    stop: StopFlag,
) -> std::io::Result<JoinHandle<()>> {
    let Sources { plan, mut sources } = sources_of(seen);
    let mut file = match CountersFile::create(&data.join(COUNTERS_NAME), &plan, clock.now()) {
        Ok(file) => file,
        Err(error) => {
            // Trading does not need it.
            log::alert(&format!("no counters file ({error}): monitor and console have no numbers"));
            return thread::Builder::new().name("scribe".into()).spawn(|| ());
        }
    };
    let body = move || {
        while !stop.is_raised() {
            let now = clock.now();
            file.write(now, |values| sources.iter_mut().for_each(|source| source(values, now)));
            thread::sleep(PERIOD);
        }
        file.end();
    };
    thread::Builder::new().name("scribe".into()).spawn(body)
}

/// What only some appliances show: with hardware, with two machines, with clients of the outlet.
pub fn occasional_series() -> Vec<Series> {
    let mut all = Sources::default();
    hardware(&mut all, &Board::new(&[]), 0);
    let release = Release::new(Arc::new(Progress::starting_at(1)), Rule::Journaled);
    standby(&mut all, Some(Arc::new(release)));
    outlet(&mut all, &Arc::new(Hub::new(&[])));
    all.plan.series().to_vec()
}

fn sources_of(seen: Seen) -> Sources {
    let mut all = Sources::default();
    let version = env!("CARGO_PKG_VERSION");
    let labels = [("version", version), ("release", seen.gate)];
    all.gauge(("build_info", "the binary, and what replies wait for", Unit::None), &labels, || 1);
    cores(&mut all, seen.cores);
    for link in seen.links {
        let (labels, depth) = ([("link", link.name)], link.depth as u64);
        let gauge = link.gauge;
        let read = move || gauge.lines();
        all.gauge(("link_lines", "lines that wait in a link", Unit::None), &labels, read);
        let text = "lines a link has room for";
        all.gauge(("link_depth_lines", text, Unit::None), &labels, move || depth);
    }
    stages(&mut all, seen.counters);
    feeds(&mut all, &seen.feeds);
    latencies(&mut all, seen.latencies, &seen.levels);
    sessions(&mut all, &seen.sessions, &seen.listed);
    books(&mut all, &seen.board, &seen.roster);
    seen.hardware.iter().for_each(|shard| hardware(&mut all, &seen.board, *shard));
    risk(&mut all, &seen.refusals, seen.pulse);
    journal(&mut all, seen.progress);
    standby(&mut all, seen.release);
    if let Some(hub) = seen.outlet {
        outlet(&mut all, &hub);
    }
    clock(&mut all);
    for line in 0..LINES {
        let place = line.to_string();
        let text = "what was said last, oldest first";
        let slot = all.plan.text("log", text, LINE_BYTES, &[("line", &place)]);
        let read = move |values: &mut Values<'_>, _| {
            let said = log::recent();
            let at = said.len().saturating_sub(LINES) + line;
            let of = |one: &log::Said| format!("{} {}", one.time, one.message);
            values.set_text(slot, &said.get(at).map_or_else(String::new, of));
        };
        all.sources.push(Box::new(read));
    }
    all
}

fn cores(all: &mut Sources, cores: Vec<(Option<usize>, Vec<StageName>, Arc<CoreTimes>)>) {
    for (place, (cpu, stages, times)) in cores.into_iter().enumerate() {
        let names: Vec<String> = stages.iter().map(|stage| stage.name()).collect();
        let (place, stages) = (place.to_string(), names.join(" "));
        let cpu = cpu.map_or_else(|| "any".to_owned(), |cpu| cpu.to_string());
        let text = "where a core's time went: the four states are all of it";
        type Read = fn(&CoreTimes) -> u64;
        let states: [(&str, Read); 4] = [
            ("busy", |times| times.busy.load(Ordering::Relaxed)),
            ("idle", |times| times.idle.load(Ordering::Relaxed)),
            ("backpressure", |times| times.held.load(Ordering::Relaxed)),
            ("housekeeping", |times| times.housekeeping.load(Ordering::Relaxed)),
        ];
        for (state, read) in states {
            let labels = [("core", &*place), ("cpu", &cpu), ("stages", &stages), ("state", state)];
            let own = Arc::clone(&times);
            all.counter(("core_time", text, Unit::Nanoseconds), &labels, move || read(&own));
        }
        let labels = [("core", &*place), ("stages", &stages)];
        let own = Arc::clone(&times);
        let text = "allocations since a core began to lap: 0, or something is wrong";
        let read = move || own.allocations.load(Ordering::Relaxed);
        all.counter(("core_allocations", text, Unit::None), &labels, read);
        let text = "how long ago a core was last seen to go on";
        let slot = all.plan.gauge("core_silence", text, Unit::Nanoseconds, &labels);
        let mut last = (u64::MAX, Nanos::ZERO);
        all.sources.push(Box::new(move |values, now| {
            let spent = states.iter().map(|(_, read)| read(&times)).sum();
            if spent != last.0 {
                last = (spent, now);
            }
            values.set(slot, now.saturating_sub(last.1).0);
        }));
    }
}

fn stages(all: &mut Sources, counters: Vec<(StageName, CounterReader)>) {
    for (stage, reader) in counters {
        let own = stage.name();
        let base = own.split('-').next().unwrap_or(&own).to_owned();
        counted(all, &base, &[("stage", &*own)], &reader);
    }
}

/// All counters of a reader, as series of these labels.
fn counted(all: &mut Sources, base: &str, labels: &[(&str, &str)], reader: &CounterReader) {
    for (name, text, is_level) in reader.listed() {
        let reader = reader.clone();
        let series = format!("{base}_{}", snake(name));
        let read = move || reader.value(name);
        let what = match series.strip_suffix("_ns") {
            Some(series) => (series, text, Unit::Nanoseconds),
            None => (&*series, text, Unit::None),
        };
        if is_level { all.gauge(what, labels, read) } else { all.counter(what, labels, read) }
    }
}

/// Exchanges' feeds, and their lines. Each series of all of them lies together.
fn feeds(all: &mut Sources, feeds: &[FeedReaders]) {
    for of in feeds {
        counted(all, "prices_feed", &[("feed", &*of.name)], &of.feed);
    }
    for of in feeds {
        for (letter, line) in of.lines() {
            counted(all, "prices_line", &[("feed", &*of.name), ("line", letter)], line);
        }
    }
}

/// `LoginsRefused` as `logins_refused`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn latencies(all: &mut Sources, latencies: Vec<StageLatency>, levels: &SharedLevels) {
    for StageLatency { name, mut reader } in latencies {
        let judged = match name {
            "replied" => Some(Level::Acknowledged),
            "matched" => Some(Level::Matched),
            "published" => Some(Level::MarketData),
            _ => None,
        };
        let levels = levels.clone();
        let text = "from a frame's receipt, an exchange's time or an event to a place on its road";
        let slot = all.plan.histogram("latency", text, &[("to", name)]);
        let read = move |values: &mut Values<'_>, _| {
            values.set_histogram(slot, reader.total());
            if let Some(level) = judged {
                let (total, longer) = reader.above(Nanos(level.within_ns()));
                levels.with(|levels| levels.count(level, total, longer));
            }
        };
        all.sources.push(Box::new(read));
    }
}

fn sessions(all: &mut Sources, board: &Arc<SessionBoard>, listed: &[(SessionId, &'static str)]) {
    for &(id, speaks) in listed {
        let name = id.to_string();
        let labels = [("session", &*name), ("protocol", speaks)];
        let own = Arc::clone(board);
        let read = move || u64::from(own.row(id).is_up);
        all.gauge(("session_up", "1: a client is there", Unit::None), &labels, read);
        let own = Arc::clone(board);
        let read = move || own.row(id).heard;
        all.counter(("session_heard", "messages taken from a client", Unit::None), &labels, read);
        let own = Arc::clone(board);
        let read = move || own.row(id).told;
        all.counter(("session_told", "messages told to a client", Unit::None), &labels, read);
        let own = Arc::clone(board);
        let read = move || own.row(id).last_ordinal;
        let text = "the highest order number a client has used";
        all.gauge(("session_last_order", text, Unit::None), &labels, read);
        let own = Arc::clone(board);
        let read = move || own.row(id).told_again;
        let text = "messages told to a client again";
        all.counter(("session_told_again", text, Unit::None), &labels, read);
        let own = Arc::clone(board);
        let read = move || own.row(id).round_trip_ns;
        let text = "from what a client is told to its acknowledgement; 0: not measured";
        all.gauge(("session_round_trip", text, Unit::Nanoseconds), &labels, read);
    }
}

fn books(all: &mut Sources, board: &Arc<Board>, roster: &Roster) {
    let own = Arc::clone(board);
    let read = move || own.open_orders();
    all.gauge(("open_orders", "orders that rest in all books", Unit::None), &[], read);
    for (place, listed) in roster.all().iter().enumerate().take(BOOKS_MAX) {
        // Series keep their names while the appliance runs: one that is listed meanwhile has its
        // number until the next start.
        let symbol = match listed.is_spare() {
            true => format!("#{}", listed.id),
            false => listed.symbol.name(),
        };
        let labels = [("symbol", &*symbol)];
        let plan = &mut all.plan;
        let slots = [
            plan.gauge("book_bid_price", "best bid; 0: there is none", Unit::Decimal, &labels),
            plan.gauge("book_bid_quantity", "quantity at the best bid", Unit::None, &labels),
            plan.gauge("book_ask_price", "best offer; 0: there is none", Unit::Decimal, &labels),
            plan.gauge("book_ask_quantity", "quantity at the best offer", Unit::None, &labels),
        ];
        let own = Arc::clone(board);
        all.sources.push(Box::new(move |values, _| {
            let Some((_, top)) = own.tops().nth(place) else { return };
            values.set_signed(slots[0], top.bid);
            values.set(slots[1], top.bid_quantity);
            values.set_signed(slots[2], top.ask);
            values.set(slots[3], top.ask_quantity);
        }));
    }
}

/// What hardware does that matches a shard, held against the software beside it.
fn hardware(all: &mut Sources, board: &Arc<Board>, shard: usize) {
    let name = (shard + 1).to_string();
    let labels = [("shard", &*name)];
    let read = |field: fn(&Hardware) -> u64| {
        let own = Arc::clone(board);
        move || own.hardware(shard).map_or(0, |hardware| field(&hardware))
    };
    for (name, text, field) in HARDWARE {
        let unit = Unit::None;
        match name {
            // They stay where they are until a start.
            "hardware_relieved" | "hardware_relieved_at" => {
                all.gauge((name, text, unit), &labels, read(field));
            }
            _ => all.counter((name, text, unit), &labels, read(field)),
        }
    }
    for class in Class::ALL {
        let labels = [("shard", &*name), ("class", class.name())];
        let span = |field: fn(&Span) -> u64| {
            let own = Arc::clone(board);
            let of = move |hardware: Hardware| hardware.cycles[class as usize];
            move || {
                own.hardware(shard).map(of).filter(|span| span.count > 0).map_or(0, |s| field(&s))
            }
        };
        let text = "commands of a class that hardware answered";
        let count = span(|span| span.count);
        all.counter(("hardware_commands", text, Unit::None), &labels, count);
        let text = "the fewest cycles from a command to its first event";
        all.gauge(("hardware_cycles_least", text, Unit::None), &labels, span(|span| span.least));
        let text = "the most cycles from a command to its first event";
        all.gauge(("hardware_cycles_most", text, Unit::None), &labels, span(|span| span.most));
    }
}

/// What is told of hardware, and where it is found.
type HardwareSeries = (&'static str, &'static str, fn(&Hardware) -> u64);
const HARDWARE: [HardwareSeries; 5] = [
    ("hardware_answered", "commands that hardware answered", |of| of.answered),
    ("hardware_compared", "events of hardware held against the software's", |of| of.compared),
    ("hardware_differences", "answers that were not the software's", Hardware::differences),
    (
        "hardware_relieved",
        "why the software answers in its place: 1 asked, 2 differed, 3 silent, 4 unfit",
        |of| of.relieved.map_or(0, |why| why as u64),
    ),
    ("hardware_relieved_at", "the command at which the software took over", |of| of.relieved_at),
];

fn risk(all: &mut Sources, refusals: &Refusals, pulse: Pulse) {
    for &code in RejectCode::ALL {
        let own = refusals.clone();
        let read = move || own.value(code);
        let text = "orders that risk refused, by reason";
        all.counter(("risk_refusals", text, Unit::None), &[("reason", code.name())], read);
    }
    let text = "how long ago the risk stage was last seen to go on";
    let slot = all.plan.gauge("risk_silence", text, Unit::Nanoseconds, &[]);
    all.sources.push(Box::new(move |values, now| {
        let last = pulse.last();
        let silence = if last == Nanos::ZERO { Nanos::ZERO } else { now.saturating_sub(last) };
        values.set(slot, silence.0);
    }));
}

fn journal(all: &mut Sources, progress: [Arc<Progress>; 2]) {
    for (log, progress) in ["commands", "events"].into_iter().zip(progress) {
        let labels = [("log", log)];
        let own = Arc::clone(&progress);
        let read = move || own.appended();
        let text = "the last number on record in a log";
        all.gauge(("journal_appended", text, Unit::None), &labels, read);
        let own = Arc::clone(&progress);
        let read = move || own.synced();
        let text = "the last number of a log that is on the disk";
        all.gauge(("journal_synced", text, Unit::None), &labels, read);
        let own = Arc::clone(&progress);
        let read = move || u64::from(own.is_well());
        all.gauge(("journal_good", "1: a log can be written", Unit::None), &labels, read);
        let text = "what is wrong with a log";
        let slot = all.plan.text("journal_complaint", text, 248, &labels);
        all.sources.push(Box::new(move |values, _| {
            values.set_text(slot, &progress.complaint().unwrap_or_default());
        }));
    }
}

fn standby(all: &mut Sources, release: Option<Arc<Release>>) {
    let Some(release) = release else { return };
    let own = Arc::clone(&release);
    let read = move || u64::from(own.rule().needs_standby());
    let text = "1: a standby is there and counts; 0: this machine goes on alone";
    all.gauge(("standby_paired", text, Unit::None), &[], read);
    let slot = all.plan.text("standby_rule", "what replies wait for now", 64, &[]);
    all.sources.push(Box::new(move |values, _| values.set_text(slot, release.rule().name())));
}

/// What is counted of clients that hear our books.
fn outlet(all: &mut Sources, hub: &Arc<Hub>) {
    let read = |field: fn(&Tally) -> u64| {
        let own = Arc::clone(hub);
        move || field(&own.tally)
    };
    let text = "WebSocket clients that are there";
    all.gauge(("outlet_clients", text, Unit::None), &[], read(Tally::here));
    let text = "trades that WebSocket clients were too slow for, and were told so";
    all.counter(("outlet_missed", text, Unit::None), &[], read(Tally::missed));
    let text = "WebSocket clients that were let go, for they read nothing";
    all.counter(("outlet_let_go", text, Unit::None), &[], read(Tally::let_go));
}

fn clock(all: &mut Sources) {
    let text = "how far the clock may be from UTC";
    let slot = all.plan.gauge("clock_error", text, Unit::Nanoseconds, &[]);
    let text = "1: somebody keeps the clock near UTC";
    let kept = all.plan.gauge("clock_kept", text, Unit::None, &[]);
    all.sources.push(Box::new(move |values, _| {
        let Some(state) = utc() else { return };
        values.set(slot, state.error_us.saturating_mul(1000));
        values.set(kept, u64::from(state.is_kept));
    }));
}
