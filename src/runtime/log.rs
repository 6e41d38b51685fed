//! What the slow side says to people: a line on standard error, plain on a terminal and JSON
//! elsewhere. A sentence that comes again and again is said a few times, then counted. No stage
//! calls this: it takes a lock and may wait for whoever reads.

use std::collections::{HashMap, VecDeque};
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, OnceLock};

use serde::Serialize;

use crate::model::Nanos;
use crate::runtime::{Clock, SystemClock};

/// How much somebody should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    Info,
    /// Somebody should look.
    Alert,
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

/// One line, as kept for whoever looks later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// When, as people and scripts read it.
    pub time: String,
    /// How much somebody should care.
    pub level: Level,
    /// The sentence.
    pub message: String,
}

/// Lines kept.
pub const KEPT: usize = 64;
/// A sentence is said so often within [`WINDOW`].
const OFTEN: u32 = 5;
const WINDOW: Nanos = Nanos(10_000_000_000);
/// Sentences told apart, at most; then all are forgotten.
const SENTENCES_MAX: usize = 1024;

/// Which sentences came how often.
#[derive(Debug, Default)]
struct Limiter(HashMap<String, (Nanos, u32)>);

/// What to do with a sentence.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Say,
    /// Say it, and that it came so often unsaid.
    SayAfter(u32),
    Keep,
}

impl Limiter {
    /// Sentences that differ in numbers alone are the same.
    fn judge(&mut self, message: &str, now: Nanos) -> Verdict {
        let plain: String = message.chars().filter(|one| !one.is_ascii_digit()).collect();
        if self.0.len() >= SENTENCES_MAX && !self.0.contains_key(&plain) {
            self.0.clear();
        }
        let (since, count) = self.0.entry(plain).or_insert((now, 0));
        if now.saturating_sub(*since) >= WINDOW {
            let unsaid = count.saturating_sub(OFTEN);
            (*since, *count) = (now, 1);
            return if unsaid > 0 { Verdict::SayAfter(unsaid) } else { Verdict::Say };
        }
        *count += 1;
        if *count <= OFTEN { Verdict::Say } else { Verdict::Keep }
    }
}

#[derive(Default)]
struct Log {
    limiter: Limiter,
    kept: VecDeque<Said>,
    format: Option<LogFormat>,
    clock: Option<SystemClock>,
}

fn log() -> &'static Mutex<Log> {
    static LOG: OnceLock<Mutex<Log>> = OnceLock::new();
    LOG.get_or_init(Mutex::default)
}

/// Chooses how lines are written; without it, by whether a terminal reads them.
pub fn set_format(format: LogFormat) {
    log().lock().unwrap_or_else(|poisoned| poisoned.into_inner()).format = Some(format);
}

/// Says something that is good to know.
pub fn say(message: &str) {
    write(Level::Info, message);
}

/// Says something that somebody should look at.
pub fn alert(message: &str) {
    write(Level::Alert, message);
}

/// Says a sentence; one that begins with `alert: ` is one.
pub fn tell(sentence: &str) {
    match sentence.strip_prefix("alert: ") {
        Some(sentence) => alert(sentence),
        None => say(sentence),
    }
}

/// The last lines, oldest first.
pub fn recent() -> Vec<Said> {
    let log = log().lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    log.kept.iter().cloned().collect()
}

fn write(level: Level, message: &str) {
    let mut log = log().lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let now = log.clock.get_or_insert_with(SystemClock::new).now();
    let message = match log.limiter.judge(message, now) {
        Verdict::Keep => return,
        Verdict::Say => message.to_owned(),
        Verdict::SayAfter(count) => format!("{message} (and {count} times more, unsaid)"),
    };
    let time = jiff::Timestamp::now().to_string();
    let said = Said { time, level, message };
    let is_human = std::io::stderr().is_terminal();
    let natural = if is_human { LogFormat::Human } else { LogFormat::Json };
    let line = line_of(&said, log.format.unwrap_or(natural));
    // Who closed standard error does not want to hear.
    let _ = writeln!(std::io::stderr(), "{line}");
    if log.kept.len() == KEPT {
        log.kept.pop_front();
    }
    log.kept.push_back(said);
}

fn line_of(said: &Said, format: LogFormat) -> String {
    match (format, said.level) {
        (LogFormat::Human, Level::Info) => format!("wirematch: {}", said.message),
        (LogFormat::Human, Level::Alert) => format!("wirematch: alert: {}", said.message),
        (LogFormat::Json, _) => serde_json::to_string(said).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_that_comes_again_is_said_a_few_times_and_then_counted() {
        let (mut limiter, begin) = (Limiter::default(), Nanos(5));
        let said = (0..100)
            .filter(|at| limiter.judge(&format!("link {at} is full"), begin) == Verdict::Say);
        assert_eq!(said.count(), OFTEN as usize);
        assert_eq!(limiter.judge("another", begin), Verdict::Say);
        let later = begin.saturating_add(WINDOW);
        assert_eq!(limiter.judge("link 7 is full", later), Verdict::SayAfter(100 - OFTEN));
        assert_eq!(limiter.judge("link 8 is full", later), Verdict::Say);
    }

    #[test]
    fn a_line_for_machines_is_one_json_object() {
        let message = "the \"feed\"\nis down".to_owned();
        let said = Said { time: "2026-01-01T00:00:00Z".into(), level: Level::Alert, message };
        let line = line_of(&said, LogFormat::Json);
        assert_eq!(line.lines().count(), 1);
        let read: serde_json::Value = serde_json::from_str(&line).expect("it is JSON");
        assert_eq!(
            (read["level"].as_str(), read["message"].as_str()),
            (Some("alert"), Some("the \"feed\"\nis down"))
        );
        assert!(line_of(&said, LogFormat::Human).starts_with("wirematch: alert: the "));
    }
}
