//! Latency histograms with one writer, read from outside without touching the writer's memory:
//! full tallies travel out by a ring, empty ones come back.
//!
//! The writer only counts, in buckets it finds by two shifts; `hdrhistogram` takes the counts over
//! on the reader's side, where its care costs nobody's time.

use hdrhistogram::Histogram;

use crate::model::Nanos;

/// The longest latency told apart from longer ones: a minute.
const HIGHEST: u64 = 60_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// Each doubling has 256 buckets: a latency is right to less than half a percent.
const DETAIL: u32 = 8;
const BUCKETS: usize = bucket_of(HIGHEST) + 1;

/// The bucket of a latency: itself while that is exact, then its upper bits.
#[inline]
const fn bucket_of(span: u64) -> usize {
    let shift = (63 - (span | 1).leading_zeros()).saturating_sub(DETAIL);
    ((shift as usize) << DETAIL) + (span >> shift) as usize
}

/// The longest latency in a bucket.
const fn longest_in(bucket: usize) -> u64 {
    let shift = (bucket >> DETAIL).saturating_sub(1);
    let upper = (bucket - (shift << DETAIL)) as u64;
    ((upper + 1) << shift) - 1
}

/// Counts by bucket.
#[derive(Debug)]
struct Tally {
    counts: Box<[u32]>,
    longest: u64,
    is_empty: bool,
}

impl Tally {
    fn new() -> Self {
        Self { counts: vec![0; BUCKETS].into(), longest: 0, is_empty: true }
    }

    #[inline]
    fn count(&mut self, span: u64) {
        let span = span.clamp(1, HIGHEST);
        if let Some(count) = self.counts.get_mut(bucket_of(span)) {
            *count = count.saturating_add(1);
        }
        self.longest = self.longest.max(span);
        self.is_empty = false;
    }

    /// Moves the counts into a histogram.
    fn pour(&mut self, into: &mut Histogram<u64>) {
        for (bucket, count) in self.counts.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
            let span = longest_in(bucket).min(self.longest);
            into.saturating_record_n(span, u64::from(std::mem::take(count)));
        }
        (self.longest, self.is_empty) = (0, true);
    }
}

/// The two ends of a latency histogram.
pub fn latency() -> (LatencyRecorder, LatencyReader) {
    let (full_out, full_in) = rtrb::RingBuffer::new(2);
    let (mut empty_out, empty_in) = rtrb::RingBuffer::new(2);
    let _ = empty_out.push(Tally::new());
    let recorder = LatencyRecorder { current: Tally::new(), full: full_out, empty: empty_in };
    let total = Histogram::new_with_bounds(1, HIGHEST, SIGNIFICANT_DIGITS);
    let total = total.expect("the bounds are constants");
    (recorder, LatencyReader { total, full: full_in, empty: empty_out })
}

/// The writer's end; recording neither allocates nor shares.
#[derive(Debug)]
pub struct LatencyRecorder {
    current: Tally,
    full: rtrb::Producer<Tally>,
    empty: rtrb::Consumer<Tally>,
}

impl LatencyRecorder {
    /// Records the time from `since` to `now`.
    #[inline]
    pub fn record(&mut self, since: Nanos, now: Nanos) {
        self.current.count(now.0.saturating_sub(since.0));
    }

    /// Hands over what was recorded, if the reader has given an empty one back.
    pub fn hand_over(&mut self) {
        if self.current.is_empty || self.full.is_full() {
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
    full: rtrb::Consumer<Tally>,
    empty: rtrb::Producer<Tally>,
}

impl LatencyReader {
    /// Everything handed over so far.
    pub fn total(&mut self) -> &Histogram<u64> {
        while let Ok(mut part) = self.full.pop() {
            part.pour(&mut self.total);
            let _ = self.empty.push(part);
        }
        &self.total
    }

    /// How many were handed over so far, and how many of them were longer than `bound`.
    pub fn above(&mut self, bound: Nanos) -> (u64, u64) {
        let total = self.total();
        let longer = total.count_between(bound.0.saturating_add(1), HIGHEST);
        (total.len(), longer)
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_is_right_to_half_a_percent(span in 1..=HIGHEST) {
            let longest = longest_in(bucket_of(span));
            prop_assert!(bucket_of(span) < BUCKETS);
            prop_assert!(longest >= span && longest - span <= span / 200, "{} {}", span, longest);
            prop_assert_eq!(bucket_of(longest), bucket_of(span));
            prop_assert_eq!(bucket_of(longest + 1), bucket_of(span) + 1);
        }
    }

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
        assert_eq!(reader.percentiles().max_ns, 1_000);
    }
}
