//! `wirematch monitor`: the numbers of an appliance on a full screen, from its counters file alone:
//! the process is not touched, and may be dead.

mod blocks;
mod order;
pub mod screen;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};

use crate::command::monitor::screen::{Looks, draw};
use crate::command::{Failure, Outcome};
use crate::console::Figures;
use crate::runtime::counters_file::{COUNTERS_NAME, Snapshot};

/// Shows cores, links, ports, sessions, latencies by stage, books, risk, feeds and standby, live.
///
/// It reads the counters file in the data folder and nothing else, so it costs the appliance
/// nothing and shows the last numbers of one that died.
#[derive(Debug, clap::Args)]
#[command(after_help = "Keys: tab and the arrows turn pages, s sorts sessions, q leaves.\n\n\
    Exit codes: 0 good, 1 the file cannot \
    be read.\n\nExamples:\n  wirematch monitor\n  wirematch monitor --data run --once --json")]
pub struct MonitorArguments {
    /// The data folder of the appliance
    #[arg(long, value_name = "DIR", default_value = "run")]
    data: PathBuf,
    /// Print once and leave
    #[arg(long)]
    once: bool,
    /// Print one JSON object, once
    #[arg(long)]
    json: bool,
}

/// Rates are of so much time.
const BETWEEN: Duration = Duration::from_millis(500);

/// Runs the command.
///
/// # Errors
/// No counters file, or one of another version.
pub fn run(arguments: &MonitorArguments) -> Outcome {
    let path = arguments.data.join(COUNTERS_NAME);
    if arguments.json || arguments.once || !std::io::stdout().is_terminal() {
        let figures = look(&path)?;
        if arguments.json {
            println!("{}", serde_json::to_string(&figures).context("cannot write JSON")?);
        } else {
            print!("{}", screen::plain(&figures));
        }
        return Ok(());
    }
    let mut terminal = ratatui::try_init().context("cannot draw on this terminal")?;
    let outcome = show(&mut terminal, &path);
    ratatui::restore();
    outcome
}

/// Reads a file.
///
/// # Errors
/// As [`Snapshot::read`].
pub fn read(path: &Path) -> Result<Snapshot, Failure> {
    Snapshot::read(path).map_err(|error| Failure::from(anyhow::Error::from(error)))
}

/// Two readings, some time apart where the process lives.
fn look(path: &Path) -> Result<Figures, Failure> {
    let first = read(path)?;
    if !first.is_alive() {
        return Ok(Figures::of(&first, None));
    }
    std::thread::sleep(BETWEEN);
    Ok(Figures::of(&read(path)?, Some(&first)))
}

fn show(terminal: &mut ratatui::DefaultTerminal, path: &Path) -> Outcome {
    let (mut before, mut looks) = (None, Looks::default());
    loop {
        let now = read(path)?;
        let figures = Figures::of(&now, before.as_ref());
        terminal
            .draw(|frame| draw(frame, &figures, &mut looks))
            .context("cannot draw on this terminal")?;
        if before.is_none_or(|before: Snapshot| before.written_at < now.written_at) {
            before = Some(now);
        } else {
            before = None;
        }
        if !event::poll(BETWEEN).unwrap_or(false) {
            continue;
        }
        let Ok(Event::Key(key)) = event::read() else { continue };
        let interrupt = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('q') => return Ok(()),
            KeyCode::Char('c') if interrupt => return Ok(()),
            key => looks.press(key),
        }
    }
}
