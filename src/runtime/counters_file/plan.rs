//! What a counters file holds: series, each with its name, sentence, unit and labels.

use serde::{Deserialize, Serialize};

use crate::runtime::counters_file::SPAN_BUCKETS;

/// What a number counts, as metrics name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Things.
    #[default]
    None,
    /// Nanoseconds here, seconds in metrics.
    Nanoseconds,
    /// Bytes.
    Bytes,
    /// Ten-thousandths here, whole ones in metrics: prices and money.
    Decimal,
}

/// How a series behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SeriesKind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Goes up and down; may be negative.
    Gauge,
    /// Spans of time by bucket, with their count, sum and longest.
    Histogram,
    /// Words for people.
    Text,
}

/// One series of a counters file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Series {
    /// Its name, as `link_lines`; the same for all series that differ by labels alone.
    pub name: String,
    /// A sentence.
    pub text: String,
    /// How it behaves.
    pub kind: SeriesKind,
    /// What it counts.
    #[serde(default)]
    pub unit: Unit,
    /// What tells it from others of its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(String, String)>,
    /// Its first word.
    pub at: usize,
    /// How many words it has.
    pub words: usize,
}

/// Where a series lies, for who writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub(super) at: usize,
    pub(super) words: usize,
}

/// The series of a file that is to be made.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub(super) series: Vec<Series>,
    pub(super) words: usize,
}

impl Plan {
    fn add(
        &mut self,
        (name, text): (&str, &str),
        kind: SeriesKind,
        unit: Unit,
        labels: &[(&str, &str)],
        words: usize,
    ) -> Slot {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let at = self.words;
        self.words += words;
        let labels = labels.iter().map(own).collect();
        let (name, text) = (name.to_owned(), text.to_owned());
        self.series.push(Series { name, text, kind, unit, labels, at, words });
        Slot { at, words }
    }

    /// A number that only grows.
    pub fn counter(&mut self, name: &str, text: &str, unit: Unit, labels: &[(&str, &str)]) -> Slot {
        self.add((name, text), SeriesKind::Counter, unit, labels, 1)
    }

    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &str, text: &str, unit: Unit, labels: &[(&str, &str)]) -> Slot {
        self.add((name, text), SeriesKind::Gauge, unit, labels, 1)
    }

    /// Spans of time.
    pub fn histogram(&mut self, name: &str, text: &str, labels: &[(&str, &str)]) -> Slot {
        let words = 3 + SPAN_BUCKETS;
        self.add((name, text), SeriesKind::Histogram, Unit::Nanoseconds, labels, words)
    }

    /// Words, of so many bytes at most.
    pub fn text(&mut self, name: &str, text: &str, bytes: usize, labels: &[(&str, &str)]) -> Slot {
        let words = 1 + bytes.div_ceil(8);
        self.add((name, text), SeriesKind::Text, Unit::None, labels, words)
    }

    /// Its series.
    pub fn series(&self) -> &[Series] {
        &self.series
    }
}
