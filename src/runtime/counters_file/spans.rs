//! Spans of time by bucket, as a counters file holds them: 32 buckets for each doubling, so a
//! percentile is right to three percent, and two states can be subtracted.

/// Each doubling has 32 buckets.
const DETAIL: u32 = 5;

/// The longest span told apart from longer ones: a minute.
const LONGEST: u64 = 60_000_000_000;

/// Buckets of a histogram.
pub const SPAN_BUCKETS: usize = bucket_of_span(LONGEST) + 1;

/// The bucket of a span of nanoseconds.
#[inline]
pub const fn bucket_of_span(span: u64) -> usize {
    let span = if span > LONGEST { LONGEST } else { span };
    let shift = (63 - (span | 1).leading_zeros()).saturating_sub(DETAIL);
    ((shift as usize) << DETAIL) + (span >> shift) as usize
}

/// The longest span in a bucket.
pub const fn longest_in_span(bucket: usize) -> u64 {
    let shift = (bucket >> DETAIL).saturating_sub(1);
    let upper = bucket.saturating_sub(shift << DETAIL) as u64;
    ((upper + 1) << shift) - 1
}

/// A histogram as read from a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    /// How many spans.
    pub count: u64,
    /// All of them together, in nanoseconds.
    pub sum: u64,
    /// The longest since the start.
    pub max: u64,
    /// How many by bucket.
    pub buckets: Vec<u64>,
}

impl Spans {
    /// What came since `earlier`; all of it where that is no earlier state of the same.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        if earlier.count > self.count || earlier.buckets.len() != self.buckets.len() {
            return self.clone();
        }
        let pairs = self.buckets.iter().zip(&earlier.buckets);
        let buckets: Vec<u64> = pairs.map(|(now, then)| now.saturating_sub(*then)).collect();
        let last = buckets.iter().rposition(|count| *count > 0);
        let max = last.map_or(0, longest_in_span).min(self.max);
        let (count, sum) = (self.count - earlier.count, self.sum.saturating_sub(earlier.sum));
        Self { count, sum, max, buckets }
    }

    /// The span that `share` of all are at most, as 0.99; 0 where there are none.
    pub fn quantile(&self, share: f64) -> u64 {
        let all: u64 = self.buckets.iter().sum();
        let wanted = ((all as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return longest_in_span(bucket).min(self.max);
            }
        }
        0
    }

    /// How many are surely no longer than `span`.
    pub fn at_most(&self, span: u64) -> u64 {
        let within = self.buckets.iter().enumerate();
        within.take_while(|(at, _)| longest_in_span(*at) <= span).map(|(_, count)| count).sum()
    }
}
