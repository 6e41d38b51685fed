//! What the monitor shows, as tables: each named group is there, also where it has nothing to say.

use crate::command::monitor::order::Order;
use crate::console::{Figures, SessionFigures};

/// A table with a name.
pub(super) struct Block {
    pub(super) title: String,
    pub(super) heads: &'static [&'static str],
    pub(super) rows: Vec<Vec<String>>,
}

/// All there are: first those whose size does not depend on how many clients there are.
pub(super) fn blocks(figures: &Figures, order: Order) -> Vec<Block> {
    let block = |title: &str, heads, rows| Block { title: title.to_owned(), heads, rows };
    let mut all = vec![
        block("components", &["component", "what"], component_rows(figures)),
        block("cores", &CORE_HEADS, core_rows(figures)),
        block("latency by stage, since the last frame", &LATENCY_HEADS, latency_rows(figures)),
        block("journal", &["log", "on record", "on disk", "state"], journal_rows(figures)),
        block("standby", &["standby", "replies wait for"], standby_rows(figures)),
        block("risk", &["refused for", "orders"], counted(&figures.refusals, "no order")),
        block("feeds", &["feed", "count"], feed_rows(figures)),
        block("ports", &["entry port", "count"], counted(&figures.ports, "nothing passed")),
    ];
    if !figures.exchanges.is_empty() {
        all.push(block("exchanges' feeds", &EXCHANGE_HEADS, exchange_rows(figures)));
        all.push(block("exchanges' lines", &LINE_HEADS, line_rows(figures)));
    }
    if !figures.hardware.is_empty() {
        all.push(block("hardware", &["shard", "what"], hardware_rows(figures)));
    }
    let log = figures.log.iter().map(|line| vec![line.clone()]).collect();
    all.push(block("log", &["last lines"], log));
    all.push(block("links, fullest first", &LINK_HEADS, link_rows(figures)));
    let title = format!("sessions, by {}", order.name());
    all.push(block(&title, &SESSION_HEADS, session_rows(figures, order)));
    all.push(block("books", &BOOK_HEADS, book_rows(figures)));
    all
}

fn micros(nanos: u64) -> String {
    format!("{:.1}", nanos as f64 / 1e3)
}

/// Those that are down, each with why; of those that are not, the names.
fn component_rows(figures: &Figures) -> Vec<Vec<String>> {
    let down = figures.health.iter().filter(|one| !one.is_good);
    let mut rows: Vec<Vec<String>> =
        down.map(|one| vec![one.component.clone(), format!("DOWN: {}", one.what)]).collect();
    let good = figures.health.iter().filter(|one| one.is_good);
    let good: Vec<&str> = good.map(|one| &*one.component).collect();
    if !good.is_empty() {
        rows.push(vec![format!("{} good", good.len()), good.join(" ")]);
    }
    rows
}

const CORE_HEADS: [&str; 7] = ["stages", "cpu", "busy", "idle", "backp", "keep", "allocs"];

fn core_rows(figures: &Figures) -> Vec<Vec<String>> {
    let of = |one: &crate::console::CoreFigures| {
        let percents = [one.busy, one.idle, one.backpressure, one.housekeeping];
        let percents = percents.map(|percent| format!("{percent:.0} %"));
        let begin = [one.stages.clone(), one.cpu.clone()];
        begin.into_iter().chain(percents).chain([one.allocations.to_string()]).collect()
    };
    figures.cores.iter().map(of).collect()
}

const LATENCY_HEADS: [&str; 6] = ["received to", "count", "p50 µs", "p99", "p99.9", "max"];

fn latency_rows(figures: &Figures) -> Vec<Vec<String>> {
    let of = |one: &crate::console::LatencyFigures| {
        let spans = [one.p50_ns, one.p99_ns, one.p999_ns, one.max_ns].map(micros);
        [one.to.clone(), one.count.to_string()].into_iter().chain(spans).collect()
    };
    figures.latencies.iter().map(of).collect()
}

fn journal_rows(figures: &Figures) -> Vec<Vec<String>> {
    let of = |one: &crate::console::JournalFigures| {
        let state = if one.is_good { "good".to_owned() } else { format!("BAD: {}", one.complaint) };
        vec![one.log.clone(), one.appended.to_string(), one.synced.to_string(), state]
    };
    figures.journal.iter().map(of).collect()
}

fn standby_rows(figures: &Figures) -> Vec<Vec<String>> {
    let (state, rule) = match &figures.standby {
        Some(standby) if standby.is_paired => ("there", &standby.rule),
        Some(standby) => ("none: alone", &standby.rule),
        None => ("not configured", &figures.release),
    };
    vec![vec![state.into(), rule.clone()]]
}

/// What was counted and is not 0.
fn counted(all: &[(String, i64)], nothing: &str) -> Vec<Vec<String>> {
    let told = all.iter().filter(|(_, count)| *count > 0);
    let rows: Vec<_> = told.map(|(name, count)| vec![name.clone(), count.to_string()]).collect();
    if rows.is_empty() { vec![vec![nothing.into(), "0".into()]] } else { rows }
}

/// Our own feed's counters, and those of exchanges' feeds.
fn feed_rows(figures: &Figures) -> Vec<Vec<String>> {
    let named = |whose: &str, all: &[(String, i64)]| -> Vec<(String, i64)> {
        all.iter().map(|(name, count)| (format!("{whose} {name}"), *count)).collect()
    };
    let all = [named("ours", &figures.feed), named("exchanges'", &figures.prices)].concat();
    counted(&all, "nothing sent")
}

const EXCHANGE_HEADS: [&str; 7] =
    ["feed", "state", "missing", "gaps", "closed", "snapshots", "restarts"];

fn exchange_rows(figures: &Figures) -> Vec<Vec<String>> {
    let of = |one: &crate::console::ExchangeFigures| {
        let state = match (one.is_heard, one.is_sound) {
            (false, _) => "SILENT",
            (true, false) => "BEHIND",
            (true, true) => "good",
        };
        let counts = [one.missing, one.gaps, one.closed, one.snapshots, one.restarts];
        let counts = counts.map(|count| count.to_string());
        [one.feed.clone(), state.into()].into_iter().chain(counts).collect()
    };
    figures.exchanges.iter().map(of).collect()
}

const LINE_HEADS: [&str; 10] = [
    "line",
    "packets",
    "first",
    "late",
    "lost",
    "disorder",
    "foreign",
    "broken",
    "behind µs",
    "silent ms",
];

fn line_rows(figures: &Figures) -> Vec<Vec<String>> {
    let of = |feed: &str, one: &crate::console::LineFigures| {
        let counts = [one.packets, one.first, one.late, one.lost, one.disordered];
        let counts = counts.into_iter().chain([one.foreign, one.malformed]);
        let spans = [one.behind_ns / 1_000, one.silent_ns / 1_000_000];
        let cells = counts.chain(spans).map(|count| count.to_string());
        std::iter::once(format!("{feed} {}", one.line)).chain(cells).collect()
    };
    let rows = |one: &crate::console::ExchangeFigures| {
        one.lines.iter().map(|line| of(&one.feed, line)).collect::<Vec<_>>()
    };
    figures.exchanges.iter().flat_map(rows).collect()
}

fn hardware_rows(figures: &Figures) -> Vec<Vec<String>> {
    let of = |one: &crate::console::HardwareFigures| {
        let what = match one.relieved {
            "" => format!("{} events, {} differences", one.compared, one.differences),
            why => format!("software since {}: {why}", one.relieved_at),
        };
        vec![one.shard.to_string(), what]
    };
    figures.hardware.iter().map(of).collect()
}

const LINK_HEADS: [&str; 3] = ["producer_consumer", "lines", "depth"];

fn link_rows(figures: &Figures) -> Vec<Vec<String>> {
    let mut links: Vec<_> = figures.links.iter().collect();
    links.sort_by_key(|one| std::cmp::Reverse(one.lines.saturating_mul(1000) / one.depth.max(1)));
    let row = |one: &&crate::console::LinkFigures| {
        vec![one.link.clone(), one.lines.to_string(), one.depth.to_string()]
    };
    links.iter().map(row).collect()
}

fn sorted(figures: &Figures, order: Order) -> Vec<&SessionFigures> {
    let mut all: Vec<&SessionFigures> = figures.sessions.iter().collect();
    match order {
        Order::Number => all.sort_by_key(|one| one.session),
        Order::Heard => all.sort_by_key(|one| std::cmp::Reverse(one.heard_per_second)),
        Order::State => all.sort_by_key(|one| (!one.is_up, one.session)),
        Order::RoundTrip => all.sort_by_key(|one| std::cmp::Reverse(one.round_trip_ns)),
        Order::ToldAgain => all.sort_by_key(|one| std::cmp::Reverse(one.told_again)),
    }
    all
}

const SESSION_HEADS: [&str; 9] =
    ["session", "speaks", "state", "in", "in/s", "out", "order", "again", "rtt µs"];

fn session_rows(figures: &Figures, order: Order) -> Vec<Vec<String>> {
    let of = |one: &SessionFigures| {
        vec![
            one.session.to_string(),
            one.protocol.clone(),
            if one.is_up { "up" } else { "down" }.into(),
            one.heard.to_string(),
            one.heard_per_second.to_string(),
            one.told.to_string(),
            one.last_order.to_string(),
            one.told_again.to_string(),
            match one.round_trip_ns {
                0 => "-".into(),
                span => micros(span.unsigned_abs()),
            },
        ]
    };
    sorted(figures, order).into_iter().map(of).collect()
}

const BOOK_HEADS: [&str; 5] = ["symbol", "size", "bid", "ask", "size"];

fn book_rows(figures: &Figures) -> Vec<Vec<String>> {
    let of = |one: &crate::console::BookFigures| {
        let (bids, asks) = (one.bid_quantity.to_string(), one.ask_quantity.to_string());
        vec![one.symbol.clone(), bids, one.bid.clone(), one.ask.clone(), asks]
    };
    figures.books.iter().map(of).collect()
}
