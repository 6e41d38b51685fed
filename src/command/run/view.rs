//! The live table: rates, latencies by stage, links, books; refreshed twice a second.

use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize;
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph, Row, Table};

use std::sync::atomic::Ordering;

use crate::model::{Instrument, Price};
use crate::runtime::{Clock, SystemClock};
use crate::topology::{Appliance, StageName};

/// The table on the terminal; dropping it gives the terminal back.
pub(super) struct View {
    terminal: DefaultTerminal,
    clock: SystemClock,
    symbols: Vec<String>,
    /// Time, commands and fills at the last draw.
    last: Option<(u64, u64, u64)>,
}

impl View {
    pub(super) fn new(instruments: &[Instrument]) -> std::io::Result<Self> {
        let symbols = instruments.iter().map(|instrument| instrument.symbol.name()).collect();
        let terminal = ratatui::try_init()?;
        Ok(Self { terminal, clock: SystemClock::new(), symbols, last: None })
    }

    /// Whether somebody pressed `q` or Ctrl-C.
    pub(super) fn wants_to_stop(&self) -> bool {
        let waiting = event::poll(Duration::ZERO).unwrap_or(false);
        let Some(Event::Key(key)) = waiting.then(event::read).and_then(Result::ok) else {
            return false;
        };
        let interrupt =
            key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        key.code == KeyCode::Char('q') || interrupt
    }

    pub(super) fn draw(&mut self, appliance: &mut Appliance) -> std::io::Result<()> {
        let count = |stage, name| count(appliance, stage, name);
        let commands = count(StageName::Sequencer, "Commands");
        let fills = count(StageName::Matching(0), "Fills");
        let now = self.clock.now().0;
        let (then, commands_then, fills_then) = self.last.unwrap_or((now, commands, fills));
        let seconds = ((now - then) as f64 / 1e9).max(1e-9);
        let per_second = |now: u64, then: u64| ((now - then) as f64 / seconds) as u64;
        let headline = Line::from(vec![
            " wirematch ".bold().reversed(),
            format!(
                "  {} commands/s  {} fills/s  {} open orders  {} commands  {} refused  \
                 journaled {}  synced {}   q stops",
                per_second(commands, commands_then),
                per_second(fills, fills_then),
                appliance.board.open_orders(),
                commands,
                count(StageName::Risk, "Refused"),
                appliance.progress[0].appended(),
                appliance.progress[0].synced(),
            )
            .into(),
        ]);
        self.last = Some((now, commands, fills));
        let latencies = latencies(appliance);
        let (links, cores, books) =
            (links(appliance), cores(appliance), books(appliance, &self.symbols));
        self.terminal.draw(|frame| {
            let [top, upper, lower] = Layout::vertical([
                Constraint::Length(2),
                Constraint::Length(8),
                Constraint::Min(4),
            ])
            .areas(frame.area());
            let [left, right] = halves(upper);
            let [below_left, below_right] = halves(lower);
            frame.render_widget(Paragraph::new(headline), top);
            frame.render_widget(latencies, left);
            frame.render_widget(cores, right);
            frame.render_widget(books, below_left);
            frame.render_widget(links, below_right);
        })?;
        Ok(())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

fn halves(area: Rect) -> [Rect; 2] {
    Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(area)
}

fn count(appliance: &Appliance, stage: StageName, name: &str) -> u64 {
    let reader = appliance.counters.iter().find(|(known, _)| *known == stage);
    reader.map_or(0, |(_, reader)| reader.value(name))
}

fn table(title: &'static str, heads: &[&'static str], rows: Vec<Vec<String>>) -> Table<'static> {
    let widths: Vec<Constraint> =
        heads.iter().map(|head| Constraint::Fill(if head.len() > 8 { 2 } else { 1 })).collect();
    Table::new(rows.into_iter().map(Row::new), widths)
        .header(Row::new(heads.to_vec()).dim())
        .block(Block::bordered().title(title))
}

fn micros(nanos: u64) -> String {
    format!("{:.1}", nanos as f64 / 1e3)
}

fn latencies(appliance: &mut Appliance) -> Table<'static> {
    let rows = appliance.latencies.iter_mut().map(|latency| {
        let p = latency.reader.percentiles();
        let spans = [p.p50_ns, p.p99_ns, p.p999_ns, p.max_ns].map(micros);
        std::iter::once(latency.name.to_owned()).chain(spans).collect()
    });
    let heads = ["received to", "p50 µs", "p99", "p99.9", "max"];
    table(" latency ", &heads, rows.collect())
}

fn cores(appliance: &Appliance) -> Table<'static> {
    let rows = appliance.core_times.iter().enumerate().map(|(place, times)| {
        let [busy, idle, chores] =
            [&times.busy, &times.idle, &times.housekeeping].map(|t| t.load(Ordering::Relaxed));
        let whole = (busy + idle + chores).max(1);
        let percent = |part: u64| format!("{} %", part * 100 / whole);
        let allocations = times.allocations.load(Ordering::Relaxed).to_string();
        vec![place.to_string(), percent(busy), percent(idle), percent(chores), allocations]
    });
    table(" cores ", &["core", "busy", "idle", "chores", "allocs"], rows.collect())
}

fn links(appliance: &Appliance) -> Table<'static> {
    let rows = appliance.links.iter().map(|link| {
        vec![link.name.to_owned(), link.gauge.lines().to_string(), link.depth.to_string()]
    });
    table(" links ", &["producer_consumer", "lines", "depth"], rows.collect())
}

fn books(appliance: &Appliance, symbols: &[String]) -> Table<'static> {
    let rows = appliance.board.tops().map(|(id, top)| {
        let symbol = symbols.get(id.index().wrapping_sub(1)).cloned().unwrap_or_default();
        let price = |price: i64| match price {
            0 => "-".to_owned(),
            price => Price(price).to_string(),
        };
        let (bid, ask) = (price(top.bid), price(top.ask));
        vec![symbol, top.bid_quantity.to_string(), bid, ask, top.ask_quantity.to_string()]
    });
    table(" top of book ", &["symbol", "size", "bid", "ask", "size"], rows.collect())
}
