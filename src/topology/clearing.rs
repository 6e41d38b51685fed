//! Reconciliation by itself, each day: the files that the clearing house put into a folder are
//! compared at a time of the day, on a thread that nobody waits for.
#![allow(missing_docs, reason = "a key is described in docs/positions.md")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::{StopFlag, log};
use crate::slow::reconcile::{Queue, ReconcileError, compare, parse_statement};

/// Where the files are, and when they are compared.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearingConfig {
    /// Where the clearing house's files are put.
    pub folder: PathBuf,
    /// Time of the day, in UTC.
    #[schemars(with = "String")]
    pub at: Time,
}

/// How often the clock is looked at.
const PAUSE: Duration = Duration::from_millis(500);

/// Starts the thread.
pub(super) fn spawn_clearing(
    config: ClearingConfig,
    journal: PathBuf,
    data: PathBuf,
    stop: StopFlag,
) -> std::io::Result<()> {
    let body = move || {
        let mut done = BTreeSet::new();
        let mut last = Zoned::new(Timestamp::now(), TimeZone::UTC);
        while !stop.is_raised() {
            let now = Zoned::new(Timestamp::now(), TimeZone::UTC);
            if is_due(&last, &now, config.at) {
                run(&config.folder, &journal, &data, &mut done);
            }
            last = now;
            std::thread::sleep(PAUSE);
        }
    };
    std::thread::Builder::new().name("clearing".into()).spawn(body).map(drop)
}

/// Whether that time of the day came between two looks.
fn is_due(last: &Zoned, now: &Zoned, at: Time) -> bool {
    let due = |day: &Zoned| day.date().to_datetime(at).to_zoned(TimeZone::UTC).ok();
    [due(last), due(now)].into_iter().flatten().any(|due| *last < due && due <= *now)
}

/// Compares every file that was not compared before as it is now.
fn run(
    folder: &Path,
    journal: &Path,
    data: &Path,
    done: &mut BTreeSet<(PathBuf, Option<std::time::SystemTime>)>,
) {
    let Ok(files) = std::fs::read_dir(folder) else {
        log::alert(&format!("{}: the clearing folder cannot be read", folder.display()));
        return;
    };
    for file in files.flatten() {
        let changed = file.metadata().and_then(|about| about.modified()).ok();
        let path = file.path();
        if !path.is_file() || !done.insert((path.clone(), changed)) {
            continue;
        }
        let name = path.display();
        match reconcile(&path, journal, data) {
            Ok((0, _)) => log::say(&format!("{name}: no breaks")),
            Ok((count, fresh)) => log::alert(&format!(
                "{name}: {count} breaks, {fresh} new: wirematch reconcile queue"
            )),
            Err(error) => log::alert(&format!("{name}: {error}")),
        }
    }
}

fn reconcile(path: &Path, journal: &Path, data: &Path) -> Result<(usize, usize), ReconcileError> {
    let bytes = std::fs::read(path).map_err(|error| ReconcileError::Queue(error.to_string()))?;
    let statement = parse_statement(&bytes)?;
    let found = compare(&statement, journal, data)?.breaks;
    let now = Timestamp::now().as_second();
    let fresh = Queue::of(data).put(statement.date, &found, now)?;
    Ok((found.len(), fresh))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_day_comes_once_over_midnight_too() {
        let at = |text: &str| -> Zoned {
            let time: Timestamp = text.parse().expect("a time");
            Zoned::new(time, TimeZone::UTC)
        };
        let due = |last: &str, now: &str, time: Time| is_due(&at(last), &at(now), time);
        let evening = Time::constant(23, 59, 59, 0);
        let (before, after) = ("2026-11-23T23:59:58Z", "2026-11-24T00:00:01Z");
        assert!(due(before, after, evening) && due(before, "2026-11-23T23:59:59Z", evening));
        assert!(!due("2026-11-23T23:59:59Z", after, evening));
        assert!(due(before, after, Time::midnight()));
        assert!(!due(after, "2026-11-24T00:00:02Z", Time::midnight()));
    }
}
