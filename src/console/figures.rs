//! What people look at, made of two readings of the counters file: shares, rates, percentiles.

use serde::Serialize;

use crate::console::health::{Verdict, verdicts};
use crate::engine::Relief;
use crate::model::{Nanos, Price};
use crate::runtime::counters_file::{Sample, Snapshot, Spans, longest_in_span};

/// Everything that is shown, of one moment.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it; units are in them")]
pub struct Figures {
    pub pid: u32,
    pub started_at_ns: u64,
    pub written_at_ns: u64,
    /// running, stopped, or dead: it ended without saying so.
    pub state: &'static str,
    pub release: String,
    pub health: Vec<Verdict>,
    pub commands_per_second: u64,
    pub fills_per_second: u64,
    pub commands: i64,
    pub fills: i64,
    pub refused: i64,
    pub open_orders: i64,
    pub cores: Vec<CoreFigures>,
    pub links: Vec<LinkFigures>,
    pub latencies: Vec<LatencyFigures>,
    pub sessions: Vec<SessionFigures>,
    pub books: Vec<BookFigures>,
    pub refusals: Vec<(String, i64)>,
    pub journal: Vec<JournalFigures>,
    pub standby: Option<StandbyFigures>,
    pub hardware: Vec<HardwareFigures>,
    pub feed: Vec<(String, i64)>,
    pub prices: Vec<(String, i64)>,
    pub exchanges: Vec<ExchangeFigures>,
    pub ports: Vec<(String, i64)>,
    pub clock_error_us: i64,
    pub clock_is_kept: bool,
    pub log: Vec<String>,
}

/// How an exchange's feed does.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ExchangeFigures {
    pub feed: String,
    pub is_heard: bool,
    pub is_sound: bool,
    pub missing: i64,
    pub gaps: i64,
    pub closed: i64,
    pub snapshots: i64,
    pub restarts: i64,
    pub lines: Vec<LineFigures>,
}

/// How a line of an exchange's feed does.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct LineFigures {
    pub line: String,
    pub packets: i64,
    pub first: i64,
    pub late: i64,
    pub lost: i64,
    pub disordered: i64,
    pub foreign: i64,
    pub malformed: i64,
    pub behind_ns: i64,
    pub silent_ns: i64,
}

/// Where a core's time went, in percent; the four are all of it.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct CoreFigures {
    pub core: String,
    pub cpu: String,
    pub stages: String,
    pub busy: f64,
    pub idle: f64,
    pub backpressure: f64,
    pub housekeeping: f64,
    pub allocations: i64,
    pub silence_ms: i64,
}

#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct LinkFigures {
    pub link: String,
    pub lines: i64,
    pub depth: i64,
}

/// Percentiles of what came since the reading before.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct LatencyFigures {
    pub to: String,
    pub count: u64,
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub max_ns: u64,
    /// The longest span of each bucket that is not empty, and its count.
    pub buckets: Vec<(u64, u64)>,
}

#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct SessionFigures {
    pub session: u32,
    pub protocol: String,
    pub is_up: bool,
    pub heard: i64,
    pub told: i64,
    pub heard_per_second: u64,
    pub told_per_second: u64,
    pub last_order: i64,
    pub told_again: i64,
    pub round_trip_ns: i64,
}

#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct BookFigures {
    pub symbol: String,
    pub bid: String,
    pub bid_quantity: i64,
    pub ask: String,
    pub ask_quantity: i64,
}

#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct JournalFigures {
    pub log: String,
    pub appended: i64,
    pub synced: i64,
    pub is_good: bool,
    pub complaint: String,
}

#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct StandbyFigures {
    pub is_paired: bool,
    pub rule: String,
}

/// A shard that hardware matches, with the software beside it.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct HardwareFigures {
    pub shard: u32,
    pub answered: i64,
    /// Events held against the software's.
    pub compared: i64,
    pub differences: i64,
    /// Why the software answers now; empty while hardware does.
    pub relieved: &'static str,
    pub relieved_at: i64,
    /// Lines that wait before the shard.
    pub waiting: i64,
    pub classes: Vec<ClassFigures>,
}

/// Cycles from a command to its first event, by class of command.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ClassFigures {
    pub class: String,
    pub commands: i64,
    pub cycles_least: i64,
    pub cycles_most: i64,
}

impl Figures {
    /// Of a reading, and the one before it: rates and percentiles are of the time between.
    /// Without one they are of all the time since the start.
    pub fn of(now: &Snapshot, before: Option<&Snapshot>) -> Self {
        let span = Span { now, before };
        let release = now.one("build_info").map_or("", |one| one.label("release"));
        let fills = |one: &Snapshot| one.all("matching_fills").map(Sample::number).sum::<i64>();
        Self {
            pid: now.pid,
            started_at_ns: now.started_at.0,
            written_at_ns: now.written_at.0,
            state: state_of(now),
            release: release.to_owned(),
            health: verdicts(now),
            commands_per_second: span.rate(|one| one.number("sequencer_commands")),
            fills_per_second: span.rate(fills),
            commands: now.number("sequencer_commands"),
            fills: fills(now),
            refused: now.all("risk_refusals").map(Sample::number).sum(),
            open_orders: now.number("open_orders"),
            cores: span.cores(),
            links: links(now),
            latencies: span.latencies(),
            sessions: span.sessions(),
            books: books(now),
            refusals: named(now, "risk_refusals", "reason"),
            journal: journal(now),
            standby: now.one("standby_paired").map(|paired| StandbyFigures {
                is_paired: paired.number() == 1,
                rule: now.words("standby_rule").to_owned(),
            }),
            hardware: hardware(now),
            feed: stage(now, "feed_"),
            prices: stage(now, "prices_"),
            exchanges: exchanges(now),
            ports: stage(now, "gateway_"),
            clock_error_us: now.number("clock_error") / 1000,
            clock_is_kept: now.number("clock_kept") == 1,
            log: now
                .all("log")
                .map(|one| one.words().to_owned())
                .filter(|l| !l.is_empty())
                .collect(),
        }
    }
}

fn state_of(now: &Snapshot) -> &'static str {
    match (now.is_ended, now.is_alive()) {
        (true, _) => "stopped",
        (_, true) => "running",
        _ => "dead",
    }
}

/// Two readings.
struct Span<'a> {
    now: &'a Snapshot,
    before: Option<&'a Snapshot>,
}

impl Span<'_> {
    /// A series as it was before.
    fn earlier(&self, sample: &Sample) -> Option<&Sample> {
        let same = |one: &&Sample| one.name == sample.name && one.labels == sample.labels;
        self.before?.samples.iter().find(same)
    }

    fn seconds(&self) -> f64 {
        let since = self.before.map_or(self.now.started_at, |before| before.written_at);
        self.now.written_at.saturating_sub(since).0.max(1) as f64 / 1e9
    }

    fn rate(&self, read: impl Fn(&Snapshot) -> i64) -> u64 {
        let earlier = self.before.map_or(0, &read);
        (read(self.now).saturating_sub(earlier).max(0) as f64 / self.seconds()) as u64
    }

    fn grown(&self, sample: &Sample) -> i64 {
        let earlier = self.earlier(sample).map_or(0, Sample::number);
        sample.number().saturating_sub(earlier).max(0)
    }

    fn cores(&self) -> Vec<CoreFigures> {
        let busy = self.now.all("core_time").filter(|one| one.label("state") == "busy");
        busy.map(|core| self.core(core)).collect()
    }

    fn core(&self, core: &Sample) -> CoreFigures {
        let own = core.label("core");
        let of = |state: &str| {
            let found = self.now.all("core_time");
            let mut found =
                found.filter(|one| one.label("core") == own && one.label("state") == state);
            found.next().map_or(0, |one| self.grown(one)) as f64
        };
        let parts = ["busy", "idle", "backpressure", "housekeeping"].map(of);
        let whole = parts.iter().sum::<f64>().max(1.0);
        let [busy, idle, backpressure, housekeeping] = parts.map(|part| part * 100.0 / whole);
        let number = |name: &str| {
            let mut found = self.now.all(name).filter(|one| one.label("core") == own);
            found.next().map_or(0, Sample::number)
        };
        CoreFigures {
            core: own.to_owned(),
            cpu: core.label("cpu").to_owned(),
            stages: core.label("stages").to_owned(),
            busy,
            idle,
            backpressure,
            housekeeping,
            allocations: number("core_allocations"),
            silence_ms: number("core_silence") / 1_000_000,
        }
    }

    fn latencies(&self) -> Vec<LatencyFigures> {
        let of = |sample: &Sample| {
            let spans = sample.spans()?;
            let earlier = self.earlier(sample).and_then(Sample::spans);
            let spans = earlier.map_or_else(|| spans.clone(), |earlier| spans.since(earlier));
            Some(percentiles(sample.label("to"), &spans))
        };
        self.now.all("latency").filter_map(of).collect()
    }

    fn sessions(&self) -> Vec<SessionFigures> {
        let of = |up: &Sample| {
            let own = up.label("session");
            let find = |name: &str| {
                let one = self.now.all(name).find(|one| one.label("session") == own);
                one.map_or((0, 0), |one| {
                    (one.number(), (self.grown(one) as f64 / self.seconds()) as u64)
                })
            };
            let ((heard, heard_per_second), (told, told_per_second)) =
                (find("session_heard"), find("session_told"));
            SessionFigures {
                session: own.parse().unwrap_or(0),
                protocol: up.label("protocol").to_owned(),
                is_up: up.number() == 1,
                heard,
                told,
                heard_per_second,
                told_per_second,
                last_order: find("session_last_order").0,
                told_again: find("session_told_again").0,
                round_trip_ns: find("session_round_trip").0,
            }
        };
        self.now.all("session_up").map(of).collect()
    }
}

fn percentiles(to: &str, spans: &Spans) -> LatencyFigures {
    let counted = spans.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
    LatencyFigures {
        to: to.to_owned(),
        count: spans.count,
        p50_ns: spans.quantile(0.5),
        p99_ns: spans.quantile(0.99),
        p999_ns: spans.quantile(0.999),
        max_ns: spans.max,
        buckets: counted.map(|(at, count)| (longest_in_span(at), *count)).collect(),
    }
}

fn links(now: &Snapshot) -> Vec<LinkFigures> {
    let depths = now.all("link_depth_lines").map(Sample::number);
    let pairs = now.all("link_lines").zip(depths);
    let of = |(lines, depth): (&Sample, i64)| LinkFigures {
        link: lines.label("link").to_owned(),
        lines: lines.number(),
        depth,
    };
    pairs.map(of).collect()
}

/// A price as people read it; `-` for none.
pub(crate) fn shown_price(price: i64) -> String {
    if price == 0 { "-".into() } else { Price(price).to_string() }
}

fn books(now: &Snapshot) -> Vec<BookFigures> {
    let numbers = |name| now.all(name).map(Sample::number).collect::<Vec<_>>();
    let [quantities, asks, ask_quantities] =
        ["book_bid_quantity", "book_ask_price", "book_ask_quantity"].map(numbers);
    let of = |(at, bid): (usize, &Sample)| {
        let get = |numbers: &[i64]| numbers.get(at).copied().unwrap_or(0);
        BookFigures {
            symbol: bid.label("symbol").to_owned(),
            bid: shown_price(bid.number()),
            bid_quantity: get(&quantities),
            ask: shown_price(get(&asks)),
            ask_quantity: get(&ask_quantities),
        }
    };
    now.all("book_bid_price").enumerate().map(of).collect()
}

fn named(now: &Snapshot, name: &str, label: &str) -> Vec<(String, i64)> {
    let all = now.all(name).filter(|one| one.number() > 0);
    all.map(|one| (one.label(label).to_owned(), one.number())).collect()
}

/// A stage's counters.
fn stage(now: &Snapshot, prefix: &str) -> Vec<(String, i64)> {
    let of = |one: &Sample| Some((one.name.strip_prefix(prefix)?.to_owned(), one.number()));
    now.samples.iter().filter(|one| !one.label("stage").is_empty()).filter_map(of).collect()
}

fn exchanges(now: &Snapshot) -> Vec<ExchangeFigures> {
    let of = |heard: &Sample| {
        let own = heard.label("feed");
        let number = |name: &str| {
            let mut all = now.all(name);
            all.find(|one| one.label("feed") == own).map_or(0, Sample::number)
        };
        let line = |packets: &Sample| {
            let letter = packets.label("line");
            let is_it = |one: &&Sample| one.label("feed") == own && one.label("line") == letter;
            let number = |name: &str| now.all(name).find(is_it).map_or(0, Sample::number);
            LineFigures {
                line: letter.to_owned(),
                packets: packets.number(),
                first: number("prices_line_first"),
                late: number("prices_line_late"),
                lost: number("prices_line_lost"),
                disordered: number("prices_line_disordered"),
                foreign: number("prices_line_foreign"),
                malformed: number("prices_line_malformed"),
                behind_ns: number("prices_line_behind"),
                silent_ns: number("prices_line_silent"),
            }
        };
        let lines = now.all("prices_line_packets").filter(|one| one.label("feed") == own);
        ExchangeFigures {
            feed: own.to_owned(),
            is_heard: heard.number() == 1,
            is_sound: number("prices_feed_sound") == 1,
            missing: number("prices_feed_missing"),
            gaps: number("prices_feed_gaps"),
            closed: number("prices_feed_closed"),
            snapshots: number("prices_feed_snapshots"),
            restarts: number("prices_feed_restarts"),
            lines: lines.map(line).collect(),
        }
    };
    now.all("prices_feed_heard").map(of).collect()
}

fn hardware(now: &Snapshot) -> Vec<HardwareFigures> {
    let of = |answered: &Sample| {
        let own = answered.label("shard");
        let number = |name: &str| {
            now.all(name).find(|one| one.label("shard") == own).map_or(0, Sample::number)
        };
        let of_class = |name: &str, class: &str| {
            let mut all = now.all(name);
            let found = all.find(|one| one.label("shard") == own && one.label("class") == class);
            found.map_or(0, Sample::number)
        };
        let commands = now.all("hardware_commands").filter(|one| one.label("shard") == own);
        let class = |commands: &Sample| {
            let class = commands.label("class");
            ClassFigures {
                class: class.to_owned(),
                commands: commands.number(),
                cycles_least: of_class("hardware_cycles_least", class),
                cycles_most: of_class("hardware_cycles_most", class),
            }
        };
        let shard: u32 = own.parse().unwrap_or(0);
        // The links before the shards stand in their order.
        let mut before =
            now.all("link_lines").filter(|one| one.label("link").ends_with("_matching"));
        let place = shard.saturating_sub(1) as usize;
        HardwareFigures {
            shard,
            answered: answered.number(),
            compared: number("hardware_compared"),
            differences: number("hardware_differences"),
            relieved: match number("hardware_relieved") {
                0 => "",
                why => Relief::sentence(why.unsigned_abs()),
            },
            relieved_at: number("hardware_relieved_at"),
            waiting: before.nth(place).map_or(0, Sample::number),
            classes: commands.map(class).collect(),
        }
    };
    now.all("hardware_answered").map(of).collect()
}

fn journal(now: &Snapshot) -> Vec<JournalFigures> {
    let of = |appended: &Sample| {
        let own = appended.label("log");
        let find = |name: &str| now.all(name).find(|one| one.label("log") == own).cloned();
        let number = |name: &str| find(name).map_or(0, |one| one.number());
        JournalFigures {
            log: own.to_owned(),
            appended: appended.number(),
            synced: number("journal_synced"),
            is_good: number("journal_good") == 1,
            complaint: find("journal_complaint").map_or(String::new(), |one| one.words().into()),
        }
    };
    now.all("journal_appended").map(of).collect()
}

/// How old a reading is.
pub fn age_of(snapshot: &Snapshot, now: Nanos) -> Nanos {
    now.saturating_sub(snapshot.written_at)
}
