//! The monitor's screen: what `wirematch monitor` and a terminal's `wirematch run` show.

use std::fmt::Write;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize;
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row, Table};

use crate::console::{Figures, SessionFigures};

/// What sessions are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Their number.
    #[default]
    Number,
    /// Messages a second, most first.
    Heard,
    /// Those that are there first.
    State,
    /// The slowest to acknowledge first.
    RoundTrip,
    /// Those first that were told the most again.
    ToldAgain,
}

impl Order {
    /// The one that the key chooses after it.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::Number => Self::Heard,
            Self::Heard => Self::State,
            Self::State => Self::RoundTrip,
            Self::RoundTrip => Self::ToldAgain,
            Self::ToldAgain => Self::Number,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Heard => "rate",
            Self::State => "state",
            Self::RoundTrip => "round trip",
            Self::ToldAgain => "told again",
        }
    }
}

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, figures: &Figures, order: Order) {
    let [top, upper, middle, lower, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(8),
        Constraint::Min(6),
        Constraint::Length(9),
        Constraint::Length(4),
    ])
    .areas(frame.area());
    let ([left, right], [sessions, books]) = (halves(upper), halves(middle));
    let ([links, states], log) = (halves(lower), foot);
    frame.render_widget(Paragraph::new(headline(figures)), top);
    frame.render_widget(latencies(figures), left);
    frame.render_widget(cores(figures), right);
    frame.render_widget(sessions_table(figures, order), sessions);
    frame.render_widget(books_table(figures), books);
    frame.render_widget(links_table(figures), links);
    frame.render_widget(states_table(figures), states);
    let last: Vec<Line<'_>> =
        figures.log.iter().rev().take(2).rev().map(|l| Line::from(l.as_str())).collect();
    frame.render_widget(Paragraph::new(last).block(Block::bordered().title(" log ")), log);
}

fn halves(area: Rect) -> [Rect; 2] {
    Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(area)
}

fn headline(figures: &Figures) -> Vec<Line<'static>> {
    let text = format!(
        "  {} · pid {} · {} commands/s · {} fills/s · {} open orders · {} refused · release {}   \
         s sorts · q leaves",
        figures.state,
        figures.pid,
        figures.commands_per_second,
        figures.fills_per_second,
        figures.open_orders,
        figures.refused,
        figures.release
    );
    vec![Line::from(vec![" wirematch ".bold().reversed(), text.into()])]
}

fn table(title: String, heads: &[&'static str], rows: Vec<Vec<String>>) -> Table<'static> {
    let widths: Vec<Constraint> =
        heads.iter().map(|head| Constraint::Fill(if head.len() > 8 { 2 } else { 1 })).collect();
    Table::new(rows.into_iter().map(Row::new), widths)
        .header(Row::new(heads.to_vec()).dim())
        .block(Block::bordered().title(title))
}

fn micros(nanos: u64) -> String {
    format!("{:.1}", nanos as f64 / 1e3)
}

const LATENCY_HEADS: [&str; 6] = ["received to", "count", "p50 µs", "p99", "p99.9", "max"];

fn latency_rows(figures: &Figures) -> Vec<Vec<String>> {
    let of = |one: &crate::console::LatencyFigures| {
        let spans = [one.p50_ns, one.p99_ns, one.p999_ns, one.max_ns].map(micros);
        [one.to.clone(), one.count.to_string()].into_iter().chain(spans).collect()
    };
    figures.latencies.iter().map(of).collect()
}

fn latencies(figures: &Figures) -> Table<'static> {
    table(" latency since the last frame ".into(), &LATENCY_HEADS, latency_rows(figures))
}

const CORE_HEADS: [&str; 7] =
    ["stages of a core", "cpu", "busy", "idle", "backp", "keep", "allocs"];

fn core_rows(figures: &Figures) -> Vec<Vec<String>> {
    let of = |one: &crate::console::CoreFigures| {
        let percents = [one.busy, one.idle, one.backpressure, one.housekeeping];
        let percents = percents.map(|percent| format!("{percent:.0} %"));
        let begin = [one.stages.clone(), one.cpu.clone()];
        begin.into_iter().chain(percents).chain([one.allocations.to_string()]).collect()
    };
    figures.cores.iter().map(of).collect()
}

fn cores(figures: &Figures) -> Table<'static> {
    table(" cores ".into(), &CORE_HEADS, core_rows(figures))
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

fn sessions_table(figures: &Figures, order: Order) -> Table<'static> {
    let title = format!(" sessions, by {} ", order.name());
    table(title, &SESSION_HEADS, session_rows(figures, order))
}

const BOOK_HEADS: [&str; 5] = ["symbol", "size", "bid", "ask", "size"];

fn book_rows(figures: &Figures) -> Vec<Vec<String>> {
    let of = |one: &crate::console::BookFigures| {
        let (bids, asks) = (one.bid_quantity.to_string(), one.ask_quantity.to_string());
        vec![one.symbol.clone(), bids, one.bid.clone(), one.ask.clone(), asks]
    };
    figures.books.iter().map(of).collect()
}

fn books_table(figures: &Figures) -> Table<'static> {
    table(" top of book ".into(), &BOOK_HEADS, book_rows(figures))
}

const LINK_HEADS: [&str; 3] = ["producer_consumer", "lines", "depth"];

fn link_rows(figures: &Figures) -> Vec<Vec<String>> {
    let mut links: Vec<_> = figures.links.iter().collect();
    links.sort_by_key(|one| std::cmp::Reverse(one.lines * 1000 / one.depth.max(1)));
    let row = |one: &&crate::console::LinkFigures| {
        vec![one.link.clone(), one.lines.to_string(), one.depth.to_string()]
    };
    links.iter().map(row).collect()
}

fn links_table(figures: &Figures) -> Table<'static> {
    table(" links, fullest first ".into(), &LINK_HEADS, link_rows(figures))
}

const STATE_HEADS: [&str; 2] = ["component", "what"];

fn state_rows(figures: &Figures) -> Vec<Vec<String>> {
    let of = |one: &crate::console::Verdict| {
        let what = if one.is_good { "good".to_owned() } else { one.what.clone() };
        vec![one.component.clone(), what]
    };
    let mut rows: Vec<Vec<String>> = figures.health.iter().map(of).collect();
    rows.sort_by_key(|row| row[1] == "good");
    if let Some(standby) = &figures.standby {
        rows.push(vec!["replies wait".into(), format!("for: {}", standby.rule)]);
    }
    rows.extend(figures.hardware.iter().map(hardware_row));
    for (reason, count) in &figures.refusals {
        rows.push(vec!["refused".into(), format!("{count} × {reason}")]);
    }
    let feed = figures.feed.iter().filter(|(_, count)| *count > 0);
    rows.extend(feed.map(|(name, count)| vec!["feed".into(), format!("{count} {name}")]));
    // What a port counted of what passed and of what was broken; zeros say nothing.
    let ports = figures.ports.iter().filter(|(_, count)| *count > 0);
    rows.extend(ports.map(|(name, count)| vec!["entry port".into(), format!("{count} {name}")]));
    rows
}

fn hardware_row(one: &crate::console::HardwareFigures) -> Vec<String> {
    let what = match one.relieved {
        "" => format!("{} events, no difference", one.compared),
        why => format!("software since {}: {why}", one.relieved_at),
    };
    vec![format!("hardware {}", one.shard), what]
}

fn states_table(figures: &Figures) -> Table<'static> {
    table(" components, risk, feed, ports, standby ".into(), &STATE_HEADS, state_rows(figures))
}

/// All of it as plain text.
pub fn plain(figures: &Figures) -> String {
    let mut text = headline(figures).iter().map(ToString::to_string).collect::<String>();
    text = text.split("   s sorts").next().unwrap_or_default().trim().to_owned() + "\n";
    write_rows(&mut text, &CORE_HEADS, core_rows(figures));
    write_rows(&mut text, &LATENCY_HEADS, latency_rows(figures));
    write_rows(&mut text, &SESSION_HEADS, session_rows(figures, Order::Number));
    write_rows(&mut text, &BOOK_HEADS, book_rows(figures));
    write_rows(&mut text, &LINK_HEADS, link_rows(figures));
    write_rows(&mut text, &STATE_HEADS, state_rows(figures));
    figures.log.iter().for_each(|line| {
        let _ = writeln!(text, "{line}");
    });
    text
}

fn write_rows(text: &mut String, heads: &[&str], rows: Vec<Vec<String>>) {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let all: Vec<Vec<String>> = std::iter::once(heads).chain(rows).collect();
    let columns = all.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = all.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    text.push('\n');
    for row in &all {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
}
