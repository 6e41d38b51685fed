//! Latency histograms with one writer, read from outside without touching the writer's memory:
//! full histograms travel out by a ring, empty ones come back.

use hdrhistogram::Histogram;

use crate::model::Nanos;

/// The longest latency told apart from longer ones: a minute.
const HIGHEST: u64 = 60_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HIGHEST, SIGNIFICANT_DIGITS).expect("the bounds are constants")
}

/// The two ends of a latency histogram.
pub fn latency() -> (LatencyRecorder, LatencyReader) {
    let (full_out, full_in) = rtrb::RingBuffer::new(2);
    let (mut empty_out, empty_in) = rtrb::RingBuffer::new(2);
    let _ = empty_out.push(empty());
    let recorder = LatencyRecorder { current: empty(), full: full_out, empty: empty_in };
    (recorder, LatencyReader { total: empty(), full: full_in, empty: empty_out })
}

/// The writer's end; recording neither allocates nor shares.
#[derive(Debug)]
pub struct LatencyRecorder {
    current: Histogram<u64>,
    full: rtrb::Producer<Histogram<u64>>,
    empty: rtrb::Consumer<Histogram<u64>>,
}

impl LatencyRecorder {
    /// Records the time from `since` to `now`.
    #[inline]
    pub fn record(&mut self, since: Nanos, now: Nanos) {
        self.current.saturating_record(now.0.saturating_sub(since.0).max(1));
    }

    /// Hands over what was recorded, if the reader has given an empty one back.
    pub fn hand_over(&mut self) {
        if self.current.is_empty() || self.full.is_full() {
            return;
        }
        if let Ok(fresh) = self.empty.pop() {
            let _ = self.full.push(std::mem::replace(&mut self.current, fresh));
        }
    }
}

/// The reader's end.
#[derive(Debug)]
pub struct LatencyReader {
    total: Histogram<u64>,
    full: rtrb::Consumer<Histogram<u64>>,
    empty: rtrb::Producer<Histogram<u64>>,
}

impl LatencyReader {
    /// Everything handed over so far.
    pub fn total(&mut self) -> &Histogram<u64> {
        while let Ok(mut part) = self.full.pop() {
            let _ = self.total.add(&part);
            part.reset();
            let _ = self.empty.push(part);
        }
        &self.total
    }

    /// The usual percentiles of everything handed over so far.
    pub fn percentiles(&mut self) -> Percentiles {
        Percentiles::of(self.total())
    }

    /// Forgets what was handed over so far: for the end of a warm-up.
    pub fn forget(&mut self) {
        self.total();
        self.total.reset();
    }
}

/// The percentiles people ask for, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Percentiles {
    /// How many samples.
    pub count: u64,
    /// Median.
    pub p50_ns: u64,
    /// 99 of 100 are at most this.
    pub p99_ns: u64,
    /// 999 of 1000 are at most this.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl Percentiles {
    /// Of a histogram of nanoseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            count: histogram.len(),
            p50_ns: histogram.value_at_quantile(0.5),
            p99_ns: histogram.value_at_quantile(0.99),
            p999_ns: histogram.value_at_quantile(0.999),
            max_ns: histogram.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_arrives_once() {
        let (mut recorder, mut reader) = latency();
        for span in 1..=1_000 {
            recorder.record(Nanos(0), Nanos(span));
            recorder.hand_over();
            if span % 7 == 0 {
                reader.total();
            }
        }
        recorder.hand_over();
        reader.total();
        recorder.hand_over();
        assert_eq!(reader.percentiles().count, 1_000);
        assert_eq!(reader.percentiles().p50_ns, 500);
    }
}
