//! The monitor's screen in the terminal that started the appliance; refreshed twice a second.

use std::path::PathBuf;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};

use crate::command::monitor::screen::{Looks, draw};
use crate::console::Figures;
use crate::runtime::counters_file::Snapshot;

/// The screen on the terminal; dropping it gives the terminal back.
pub(super) struct View {
    terminal: DefaultTerminal,
    /// The counters file.
    file: PathBuf,
    last: Option<Snapshot>,
    looks: Looks,
}

impl View {
    pub(super) fn new(file: PathBuf) -> std::io::Result<Self> {
        let terminal = ratatui::try_init()?;
        Ok(Self { terminal, file, last: None, looks: Looks::default() })
    }

    /// Whether somebody pressed `q` or Ctrl-C.
    pub(super) fn wants_to_stop(&mut self) -> bool {
        let waiting = event::poll(Duration::ZERO).unwrap_or(false);
        let Some(Event::Key(key)) = waiting.then(event::read).and_then(Result::ok) else {
            return false;
        };
        self.looks.press(key.code);
        let interrupt =
            key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        key.code == KeyCode::Char('q') || interrupt
    }

    pub(super) fn draw(&mut self) -> std::io::Result<()> {
        let now = Snapshot::read(&self.file).map_err(std::io::Error::other)?;
        let figures = Figures::of(&now, self.last.as_ref());
        let looks = &mut self.looks;
        self.terminal.draw(|frame| draw(frame, &figures, looks))?;
        self.last = Some(now);
        Ok(())
    }
}

impl Drop for View {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
