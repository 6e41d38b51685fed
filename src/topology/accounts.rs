//! What the slow thread counts beside the books: how market orders fare, how many accounting errors
//! there are this month.

use std::path::{Path, PathBuf};

use crate::model::Nanos;
use crate::slow::levels::{Level, SharedLevels};
use crate::slow::reconcile::Queue;
use crate::slow::watch::{Cursor, FillRate};

/// Events that the watcher is shown at once, so that nothing else waits for it long.
const STEP_EVENTS: usize = 1 << 16;

/// Counts for the service levels.
pub(super) struct Accounts {
    journal: PathBuf,
    data: PathBuf,
    fills: FillRate,
    /// None until there is a journal to read.
    cursor: Option<Cursor>,
}

impl Accounts {
    pub(super) fn new(journal: &Path, data: &Path) -> Self {
        let (journal, data) = (journal.to_owned(), data.to_owned());
        Self { journal, data, fills: FillRate::default(), cursor: None }
    }

    /// Whether any instrument may trade now, as far as the event log says.
    pub(super) fn is_market_open(&self) -> bool {
        self.fills.is_market_open()
    }

    /// Counts what is new.
    pub(super) fn judge(&mut self, levels: &SharedLevels, now: Nanos, is_new_minute: bool) {
        if self.cursor.is_none() {
            let name = "fillrate";
            self.cursor = Cursor::open(&self.journal, &self.data, name).ok();
        }
        if let Some(cursor) = &mut self.cursor
            && cursor.show(&mut self.fills, STEP_EVENTS).is_err()
        {
            // Opened again at the next second, where it stopped.
            self.cursor = None;
        }
        let FillRate { total, failed, .. } = self.fills;
        levels.with(|levels| levels.count(Level::Filled, total, failed));
        if is_new_minute && let Ok(errors) = Queue::of(&self.data).found_since(month_of(now)) {
            let errors = errors as u64;
            levels.with(|levels| levels.count(Level::Accounting, errors.max(1), errors));
        }
    }
}

/// When the month of an instant began, in seconds since the Unix epoch.
fn month_of(now: Nanos) -> i64 {
    let time = jiff::Timestamp::from_nanosecond(i128::from(now.0)).unwrap_or_default();
    let first = time.to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
    first.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |first| first.timestamp().as_second())
}
