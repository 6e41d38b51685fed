//! How long market data takes, by stage: from our event to the books, and to the bytes written.

use std::sync::Mutex;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::model::Nanos;

/// Latencies by stage.
#[derive(Debug)]
pub struct Lag {
    stages: [(&'static str, Mutex<Histogram<u64>>); 2],
}

impl Default for Lag {
    fn default() -> Self {
        let histogram = || {
            let histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3);
            Mutex::new(histogram.expect("the bounds are constants"))
        };
        Self { stages: [("folded", histogram()), ("written", histogram())] }
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
        if let Ok(mut histogram) = self.stages[stage].1.lock() {
            histogram.saturating_record(now.saturating_sub(since).0.max(1));
        }
    }

    /// Percentiles in nanoseconds, by stage.
    pub fn json(&self) -> Value {
        let row = |(name, histogram): &(&'static str, Mutex<Histogram<u64>>)| {
            let of = histogram.lock().ok()?;
            let at = |quantile| of.value_at_quantile(quantile);
            Some(json!({
                "stage": name, "count": of.len(), "p50_ns": at(0.5), "p90_ns": at(0.9),
                "p99_ns": at(0.99), "p999_ns": at(0.999), "max_ns": of.max(),
            }))
        };
        self.stages.iter().filter_map(row).collect()
    }
}
