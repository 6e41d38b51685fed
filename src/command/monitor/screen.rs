//! The monitor's screen: what `wirematch monitor` and a terminal's `wirematch run` show. Tables
//! flow through columns and pages as text does: a small terminal has more pages and hides nothing.

use std::fmt::Write;

use ratatui::Frame;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize;
use ratatui::text::Line;
use ratatui::widgets::{Block as Border, Paragraph, Row, Table};

use crate::command::monitor::blocks::{Block, blocks};
use crate::command::monitor::order::Order;
use crate::console::Figures;

/// A column is no narrower, where the terminal is not.
const COLUMN: u16 = 80;

/// Lines of a table that are none of its rows: two of its border, and its heads.
const AROUND: u16 = 3;

/// How somebody looks at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looks {
    order: Order,
    page: usize,
}

impl Looks {
    /// A key that is neither of these does nothing.
    pub fn press(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char('s') => self.order = self.order.next(),
            KeyCode::Tab | KeyCode::Right => self.page = self.page.wrapping_add(1),
            KeyCode::BackTab | KeyCode::Left => self.page = self.page.wrapping_sub(1),
            _ => {}
        }
    }
}

/// Some rows of a table, and where they stand.
struct Part {
    area: Rect,
    title: String,
    heads: &'static [&'static str],
    widths: Vec<u16>,
    /// Cells are wrapped.
    rows: Vec<Vec<String>>,
}

/// Draws a page of it.
pub fn draw(frame: &mut Frame<'_>, figures: &Figures, looks: &mut Looks) {
    let [top, body] =
        Layout::vertical([Constraint::Length(2), Constraint::Min(0)]).areas(frame.area());
    let pages = flow(blocks(figures, looks.order), body);
    // Before the first is the last.
    looks.page = match looks.page {
        usize::MAX => pages.len().saturating_sub(1),
        page if page >= pages.len() => 0,
        page => page,
    };
    let place = format!("page {} of {}", looks.page + 1, pages.len());
    let keys = format!("  {place}   tab turns · s sorts · q leaves");
    let lines = vec![
        Line::from(vec![" wirematch ".bold().reversed(), keys.into()]),
        headline(figures).into(),
    ];
    frame.render_widget(Paragraph::new(lines), top);
    for part in pages.into_iter().nth(looks.page).unwrap_or_default() {
        let area = part.area;
        frame.render_widget(table(part), area);
    }
}

/// Puts tables below each other; what does not fit goes on in the next column, or page.
fn flow(blocks: Vec<Block>, body: Rect) -> Vec<Vec<Part>> {
    let columns = (body.width / COLUMN).max(1);
    let width = body.width / columns;
    let (mut pages, mut column, mut down) = (vec![Vec::new()], 0, 0);
    for block in blocks {
        let widths = widths_of(&block, width.saturating_sub(2));
        let wrapped = block.rows.iter().map(|row| wrapped(row, &widths));
        let mut rows = wrapped.collect::<Vec<_>>().into_iter().peekable();
        while let Some(first) = rows.peek() {
            if down > 0 && down + AROUND + height_of(first) > body.height {
                (column, down) = (column + 1, 0);
                if column == columns {
                    pages.push(Vec::new());
                    column = 0;
                }
            }
            let mut taken = Vec::new();
            let mut height = AROUND;
            while let Some(row) = rows
                .next_if(|row| taken.is_empty() || down + height + height_of(row) <= body.height)
            {
                height = height.saturating_add(height_of(&row));
                taken.push(row);
            }
            let area = Rect::new(body.x + column * width, body.y + down, width, height);
            down = down.saturating_add(height);
            let part = Part {
                area: area.intersection(body),
                title: block.title.clone(),
                heads: block.heads,
                widths: widths.clone(),
                rows: taken,
            };
            if let Some(page) = pages.last_mut() {
                page.push(part);
            }
        }
    }
    pages
}

/// As wide as what is in them; where that is too much, the widest give way.
fn widths_of(block: &Block, room: u16) -> Vec<u16> {
    let wide = |text: &str| u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
    let mut widths: Vec<u16> = block.heads.iter().map(|head| wide(head)).collect();
    for row in &block.rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(wide(cell)).min(room);
        }
    }
    let between = u16::try_from(widths.len()).unwrap_or(u16::MAX).saturating_sub(1);
    let room = room.saturating_sub(between);
    while widths.iter().map(|width| u32::from(*width)).sum::<u32>() > u32::from(room) {
        match widths.iter_mut().max() {
            Some(widest) if *widest > 1 => *widest -= 1,
            _ => break,
        }
    }
    widths
}

/// Cells with line ends between words, so that each fits its column.
fn wrapped(row: &[String], widths: &[u16]) -> Vec<String> {
    let wrap = |(cell, width): (&String, &u16)| {
        let width = usize::from(*width).max(1);
        let (mut lines, mut last) = (Vec::new(), String::new());
        for word in cell.split(' ') {
            let mut letters: Vec<char> = word.chars().collect();
            if !last.is_empty() && last.chars().count() + 1 + letters.len() > width {
                lines.push(std::mem::take(&mut last));
            }
            while letters.len() > width {
                lines.push(letters.drain(..width).collect());
            }
            if !last.is_empty() {
                last.push(' ');
            }
            last.extend(letters);
        }
        lines.push(last);
        lines.join("\n")
    };
    row.iter().zip(widths).map(wrap).collect()
}

fn height_of(row: &[String]) -> u16 {
    let lines = row.iter().map(|cell| cell.lines().count()).max().unwrap_or(1);
    u16::try_from(lines).unwrap_or(u16::MAX).max(1)
}

fn table(part: Part) -> Table<'static> {
    let widths: Vec<Constraint> = part.widths.into_iter().map(Constraint::Length).collect();
    let rows = part.rows.into_iter().map(|row| {
        let height = height_of(&row);
        Row::new(row).height(height)
    });
    Table::new(rows, widths)
        .header(Row::new(part.heads.to_vec()).dim())
        .block(Border::bordered().title(format!(" {} ", part.title)))
}

fn headline(figures: &Figures) -> String {
    format!(
        "{} · pid {} · {} commands/s · {} fills/s · {} open orders · {} refused · release {}",
        figures.state,
        figures.pid,
        figures.commands_per_second,
        figures.fills_per_second,
        figures.open_orders,
        figures.refused,
        figures.release
    )
}

/// All of it as plain text.
pub fn plain(figures: &Figures) -> String {
    let mut text = format!("wirematch  {}\n", headline(figures));
    for block in blocks(figures, Order::Number) {
        write_rows(&mut text, block.heads, block.rows);
    }
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

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::console::Verdict;

    /// Of an appliance with so many of everything.
    fn figures(count: u32) -> Figures {
        let numbers = || 1..=count;
        let verdict = |component: String, is_good| Verdict {
            component,
            is_good,
            is_vital: true,
            what: if is_good { String::new() } else { "it stands still since a while".into() },
        };
        let mut health: Vec<Verdict> =
            numbers().map(|at| verdict(format!("part{at}"), true)).collect();
        health.push(verdict("matching".into(), false));
        let counted = |what: &str| numbers().map(|at| (format!("{what}{at}"), 7)).collect();
        let cores = numbers().map(|at| crate::console::CoreFigures {
            core: at.to_string(),
            cpu: "any".into(),
            stages: format!("gateway{at} sequencer{at} risk{at} matching{at} recorder{at}"),
            busy: 97.0,
            idle: 1.0,
            backpressure: 1.0,
            housekeeping: 1.0,
            allocations: 0,
            silence_ms: 0,
        });
        Figures {
            pid: 1,
            started_at_ns: 0,
            written_at_ns: 0,
            state: "running",
            release: "journaled".into(),
            health,
            commands_per_second: 1_000_000,
            fills_per_second: 100_000,
            commands: 1,
            fills: 1,
            refused: 1,
            open_orders: 1_000_000,
            cores: cores.collect(),
            links: numbers()
                .map(|at| crate::console::LinkFigures {
                    link: format!("producer{at}_consumer{at}"),
                    lines: 1,
                    depth: 65_536,
                })
                .collect(),
            latencies: numbers()
                .map(|at| crate::console::LatencyFigures {
                    to: format!("stage{at}"),
                    count: 1_000_000,
                    p50_ns: 900,
                    p99_ns: 2_000,
                    p999_ns: 30_000,
                    max_ns: 1_000_000,
                    buckets: Vec::new(),
                })
                .collect(),
            sessions: numbers()
                .map(|at| crate::console::SessionFigures {
                    session: 1_000 + at,
                    protocol: "FIX.4.4".into(),
                    is_up: true,
                    heard: 123_456,
                    told: 234_567,
                    heard_per_second: 1_234,
                    told_per_second: 2_345,
                    last_order: 345_678,
                    told_again: 1,
                    round_trip_ns: 45_000,
                })
                .collect(),
            books: numbers()
                .map(|at| crate::console::BookFigures {
                    symbol: format!("SYM{at}"),
                    bid: "100.0100".into(),
                    bid_quantity: 100,
                    ask: "100.0200".into(),
                    ask_quantity: 200,
                })
                .collect(),
            refusals: counted("reason"),
            journal: Vec::new(),
            standby: None,
            hardware: Vec::new(),
            feed: counted("packets"),
            prices: counted("heard"),
            exchanges: Vec::new(),
            ports: counted("frames"),
            clock_error_us: 0,
            clock_is_kept: true,
            log: vec![
                "a line of the log that says something longer than a terminal is wide, \
                       with a word at its very end: omega"
                    .into(),
            ],
        }
    }

    /// What each page has on it.
    fn seen(figures: &Figures, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
        let mut looks = Looks::default();
        let mut pages = Vec::new();
        loop {
            terminal.draw(|frame| draw(frame, figures, &mut looks)).expect("memory");
            if looks.page < pages.len() {
                return pages;
            }
            let cells = terminal.backend().buffer().content();
            pages.push(cells.iter().map(|cell| cell.symbol()).collect());
            looks.press(KeyCode::Tab);
        }
    }

    #[test]
    fn every_group_and_every_row_is_on_some_page_of_any_terminal() {
        for count in [0, 1, 3, 20] {
            let figures = figures(count);
            for (width, height) in [(80, 24), (120, 12), (200, 60), (400, 100)] {
                let pages = seen(&figures, width, height);
                let all = pages.concat();
                for block in blocks(&figures, Order::Number) {
                    let title = format!(" {} ", block.title);
                    let is_empty = block.rows.is_empty();
                    assert!(is_empty || all.contains(&title), "{width}x{height}: no {title}");
                    for word in block.rows.iter().flatten().flat_map(|cell| cell.split(' ')) {
                        assert!(all.contains(word), "{width}x{height}: {word} is cut");
                    }
                }
            }
        }
    }

    #[test]
    fn the_groups_that_are_promised_have_these_names() {
        let figures = figures(3);
        for (width, height, most) in [(80, 24, 8), (240, 67, 1)] {
            let pages = seen(&figures, width, height);
            assert!(pages.len() <= most, "{} pages", pages.len());
            for group in [
                "cores",
                "links",
                "ports",
                "sessions",
                "latency by stage",
                "books",
                "risk",
                "feeds",
                "standby",
                "components",
                "log",
            ] {
                assert!(pages.concat().contains(&format!("┌ {group}")), "{width}: no {group}");
            }
        }
    }

    #[test]
    fn pages_turn_both_ways() {
        let figures = figures(20);
        let count = seen(&figures, 80, 24).len();
        assert!(count > 2);
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("memory");
        let mut looks = Looks::default();
        let mut at = |key: KeyCode| {
            looks.press(key);
            terminal.draw(|frame| draw(frame, &figures, &mut looks)).expect("memory");
            looks.page
        };
        assert_eq!([at(KeyCode::Left), at(KeyCode::Left)], [count - 1, count - 2]);
        assert_eq!([at(KeyCode::Right), at(KeyCode::Right)], [count - 1, 0]);
    }
}
