//! How long market data takes, by stage: from our event to the books, and to the bytes written.
//! Since the start for who asks here; the readers are for the counters file.

use std::sync::{Mutex, PoisonError};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::model::Nanos;
use crate::runtime::{LatencyReader, LatencyRecorder, latency};

/// The stages.
const NAMES: [&str; 2] = ["folded", "written"];

/// Latencies by stage.
#[derive(Debug)]
pub struct Lag {
    stages: [Mutex<Stage>; NAMES.len()],
}

#[derive(Debug)]
struct Stage {
    whole: Histogram<u64>,
    recorder: LatencyRecorder,
    reader: Option<LatencyReader>,
}

impl Default for Lag {
    fn default() -> Self {
        let stages = NAMES.map(|_| {
            let whole = Histogram::new_with_bounds(1, 60_000_000_000, 3);
            let (recorder, reader) = latency();
            let whole = whole.expect("the bounds are constants");
            Mutex::new(Stage { whole, recorder, reader: Some(reader) })
        });
        Self { stages }
    }
}

impl Lag {
    /// An event of `since` is in the books.
    pub fn folded(&self, since: Nanos, now: Nanos) {
        self.record(0, since, now);
    }

    /// It is written to a client.
    pub fn written(&self, since: Nanos, now: Nanos) {
        self.record(1, since, now);
    }

    fn record(&self, stage: usize, since: Nanos, now: Nanos) {
        let mut stage = self.stages[stage].lock().unwrap_or_else(PoisonError::into_inner);
        stage.whole.saturating_record(now.saturating_sub(since).0.max(1));
        stage.recorder.record(since, now);
        stage.recorder.hand_over();
    }

    /// The readers, by name, for whoever asks first.
    pub fn readers(&self) -> Vec<(&'static str, LatencyReader)> {
        let taken = NAMES.iter().zip(&self.stages).map(|(name, stage)| {
            let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
            Some((*name, stage.reader.take()?))
        });
        taken.flatten().collect()
    }

    /// Percentiles in nanoseconds, by stage.
    pub fn json(&self) -> Value {
        let row = |(name, stage): (&&str, &Mutex<Stage>)| {
            let of = &stage.lock().unwrap_or_else(PoisonError::into_inner).whole;
            let at = |quantile| of.value_at_quantile(quantile);
            json!({
                "stage": name, "count": of.len(), "p50_ns": at(0.5), "p90_ns": at(0.9),
                "p99_ns": at(0.99), "p999_ns": at(0.999), "max_ns": of.max(),
            })
        };
        NAMES.iter().zip(&self.stages).map(row).collect()
    }
}
