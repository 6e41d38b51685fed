//! Whether each part does its work, from one reading of the counters file: what `/readyz`,
//! `wirematch ready`, the alarms and people's screens all say, in the same words.

use serde::Serialize;

use crate::model::Nanos;
use crate::runtime::counters_file::{Sample, Snapshot};
use crate::runtime::{Clock, SystemClock};

/// A part, and whether it does its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// process, risk, matching, journal, feed, gateway, sequencer, prices, standby, venues, clock.
    pub component: String,
    /// It does.
    pub is_good: bool,
    /// Without it orders are not served: readiness fails.
    pub is_vital: bool,
    /// What is wrong; empty where nothing is.
    pub what: String,
}

/// A core or the risk stage that is silent for so long stands still.
const SILENCE_MAX: Nanos = Nanos(2_000_000_000);

/// A file that was not written for so long is nobody's.
const STALE_AFTER: Nanos = Nanos(3_000_000_000);

/// A clock further than this from UTC is told of, where somebody keeps it.
const CLOCK_ERROR_MAX: i64 = 100_000_000;

/// All parts, as of now.
pub fn verdicts(snapshot: &Snapshot) -> Vec<Verdict> {
    verdicts_at(snapshot, SystemClock::new().now())
}

/// All parts, as of `now`.
fn verdicts_at(snapshot: &Snapshot, now: Nanos) -> Vec<Verdict> {
    let age = now.saturating_sub(snapshot.written_at);
    let gone = match snapshot {
        _ if snapshot.is_ended => "it stopped in order".to_owned(),
        _ if !snapshot.is_alive() => format!("process {} died", snapshot.pid),
        _ if age > STALE_AFTER => format!("no number for {} s", age.0 / 1_000_000_000),
        _ => String::new(),
    };
    let is_gone = !gone.is_empty();
    let mut all = vec![verdict("process", true, gone)];
    for component in ["gateway", "sequencer", "risk", "matching", "journal", "feed"] {
        let what = match component {
            _ if is_gone => "its process is not there".to_owned(),
            "risk" => or(risk(snapshot), still(snapshot, "risk")),
            "journal" => or(journal(snapshot), still(snapshot, "recorder")),
            stage => still(snapshot, stage),
        };
        all.push(verdict(component, true, what));
    }
    if snapshot.number("prices_feeds") > 0 {
        let what = match snapshot.number("prices_feeds_heard") {
            _ if is_gone => "its process is not there",
            0 => "no exchange's feed is heard",
            _ => "",
        };
        all.push(verdict("prices", true, what.to_owned()));
    }
    if let Some(paired) = snapshot.one("standby_paired") {
        let what = if paired.number() == 1 { "" } else { "this machine goes on alone" };
        all.push(verdict("standby", false, what.to_owned()));
    }
    if let Some(unheard) = snapshot.one("venues_unheard") {
        let what = match unheard.number() {
            0 => String::new(),
            1 => "an exchange is not heard: its orders are refused".into(),
            many => format!("{many} exchanges are not heard: their orders are refused"),
        };
        all.push(verdict("venues", false, what));
    }
    let error = snapshot.number("clock_error");
    let is_off = snapshot.number("clock_kept") == 1 && error > CLOCK_ERROR_MAX;
    let what =
        if is_off { format!("it may be {} ms from UTC", error / 1_000_000) } else { String::new() };
    all.push(verdict("clock", false, what));
    all
}

fn verdict(component: &str, is_vital: bool, what: String) -> Verdict {
    Verdict { component: component.to_owned(), is_good: what.is_empty(), is_vital, what }
}

fn or(first: String, second: String) -> String {
    if first.is_empty() { second } else { first }
}

/// Whether a core with a stage of this name stands still.
fn still(snapshot: &Snapshot, stage: &str) -> String {
    let has = |one: &&Sample| {
        let own = |name: &str| name == stage || name.starts_with(&format!("{stage}-"));
        one.label("stages").split(' ').any(own)
    };
    let mut cores = snapshot.all("core_silence").filter(has).peekable();
    if cores.peek().is_none() {
        return "no core has it".into();
    }
    let silence = cores.map(Sample::number).max().unwrap_or(0);
    if silence <= SILENCE_MAX.0 as i64 {
        return String::new();
    }
    format!("its core has stood still for {} ms", silence / 1_000_000)
}

fn risk(snapshot: &Snapshot) -> String {
    let silence = snapshot.number("risk_silence");
    if silence <= SILENCE_MAX.0 as i64 {
        return String::new();
    }
    format!("the risk stage has stood still for {} ms: orders are refused", silence / 1_000_000)
}

fn journal(snapshot: &Snapshot) -> String {
    let bad = |one: &Sample| {
        let log = one.label("log");
        let found = snapshot.all("journal_complaint").find(|one| one.label("log") == log);
        let what = found.map_or("it cannot be written", Sample::words);
        (one.number() == 0).then(|| format!("the log of {log}: {what}"))
    };
    snapshot.all("journal_good").find_map(bad).unwrap_or_default()
}

/// The vital parts that do not do their work, in a sentence; none where all do.
pub fn unready(verdicts: &[Verdict]) -> Option<String> {
    let bad = verdicts.iter().filter(|one| one.is_vital && !one.is_good);
    let words: Vec<String> = bad.map(|one| format!("{}: {}", one.component, one.what)).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::counters_file::{SeriesKind, Unit, Value};

    fn sample(name: &str, labels: &[(&str, &str)], level: i64) -> Sample {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Sample {
            name: name.into(),
            text: String::new(),
            kind: SeriesKind::Gauge,
            unit: Unit::None,
            labels: labels.iter().map(own).collect(),
            value: Value::Level(level),
        }
    }

    fn good() -> Snapshot {
        let stages = |own| sample("core_silence", &[("stages", own)], 0);
        Snapshot {
            pid: std::process::id(),
            started_at: Nanos(1),
            written_at: Nanos(100),
            is_ended: false,
            is_torn: false,
            samples: vec![
                stages("gateway sequencer risk"),
                stages("matching matching-2"),
                stages("recorder feed"),
                sample("risk_silence", &[], 5),
                sample("journal_good", &[("log", "commands")], 1),
            ],
        }
    }

    fn complaint(change: impl FnOnce(&mut Snapshot)) -> String {
        let mut snapshot = good();
        change(&mut snapshot);
        unready(&verdicts_at(&snapshot, Nanos(200))).unwrap_or_default()
    }

    #[test]
    fn each_vital_part_that_is_down_is_named() {
        assert_eq!(complaint(|_| ()), "");
        let still =
            |at: usize| complaint(move |one| one.samples[at].value = Value::Level(9_000_000_000));
        assert!(still(1).starts_with("matching: its core has stood still for 9000 ms"));
        assert!(still(2).contains("journal: ") && still(2).contains("feed: "), "{}", still(2));
        assert!(still(3).starts_with("risk: the risk stage has stood still"));
        let full = complaint(|one| one.samples[4].value = Value::Level(0));
        assert!(full.starts_with("journal: the log of commands: "), "{full}");
        assert!(
            complaint(|one| one.pid = u32::MAX).starts_with("process: process 4294967295 died")
        );
        let mut lost = good();
        lost.samples.push(sample("venues_unheard", &[("stage", "venues")], 1));
        let told = verdicts_at(&lost, Nanos(200));
        let venues = told.iter().find(|one| one.component == "venues").expect("it is judged");
        assert!(!venues.is_good && !venues.is_vital, "what is matched here goes on: {venues:?}");
        assert!(complaint(|one| one.is_ended = true).contains("stopped in order"));
    }
}
