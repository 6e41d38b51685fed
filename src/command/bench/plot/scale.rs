//! The two axes: percentiles, each further nine as wide as the one before, and latencies, each
//! decade as high as the one before.

use hdrhistogram::Histogram;

/// How far the percentiles go: five nines, 99.999 %.
pub(super) const NINES: f64 = 5.0;

/// The percentiles that are named, in nines.
pub(super) fn percentiles() -> [(f64, &'static str); 7] {
    let half = nines(0.5);
    [
        (0.0, "0"),
        (half, "50 %"),
        (1.0, "90 %"),
        (2.0, "99 %"),
        (3.0, "99.9 %"),
        (4.0, "99.99 %"),
        (5.0, "99.999 %"),
    ]
}

/// Quantiles as nines: 0.9 is one, 0.99 two.
fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

/// A distribution as nines and nanoseconds, ever longer. It ends where the axis does, or with its
/// longest where it has too few measurements to say more.
pub(super) fn points(histogram: &Histogram<u64>) -> Vec<(f64, u64)> {
    const STEPS: u32 = 250;
    let count = histogram.len();
    if count == 0 {
        return Vec::new();
    }
    let reach = (count as f64).log10();
    let at = |nines: f64| (nines, histogram.value_at_quantile(1.0 - 10f64.powf(-nines)));
    let steps = (0..=STEPS).map(|step| NINES * f64::from(step) / f64::from(STEPS));
    let mut points: Vec<_> = steps.take_while(|nines| *nines < reach).map(at).collect();
    if reach <= NINES {
        points.push((reach, histogram.max()));
    }
    points
}

/// A range of latencies between two of 1, 2, 5, 10, 20, 50 … nanoseconds.
pub(super) struct Latencies {
    lowest: f64,
    highest: f64,
}

/// A latency that has a line in the picture.
pub(super) struct Tick {
    pub(super) nanos: f64,
    /// Whether there is room for its name.
    pub(super) is_named: bool,
}

/// 1, 2, 5, 10 and so on, beyond the longest that 64 bits hold.
fn rungs() -> impl DoubleEndedIterator<Item = f64> {
    (0..=20).flat_map(|decade| [1.0, 2.0, 5.0].map(|rung| rung * 10f64.powi(decade)))
}

impl Latencies {
    /// The range that holds these, a decade at least.
    pub(super) fn around(shortest: u64, longest: u64) -> Self {
        let shortest = shortest.max(1) as f64;
        let lowest = rungs().rfind(|rung| *rung <= shortest).unwrap_or(1.0);
        let least = (longest as f64).max(10.0 * lowest);
        Self { lowest, highest: rungs().find(|rung| *rung >= least).unwrap_or(least) }
    }

    /// Where a latency stands, from 0 at the bottom to 1 at the top.
    pub(super) fn place(&self, nanos: f64) -> f64 {
        let of = (nanos / self.lowest).log10() / (self.highest / self.lowest).log10();
        of.clamp(0.0, 1.0)
    }

    /// From the bottom to the top; decades have names, and where they are few all have.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let is_short = self.highest / self.lowest <= 500.0;
        let within = rungs().filter(|rung| (self.lowest..=self.highest).contains(rung));
        let tick = |nanos: f64| {
            let decade = nanos.log10();
            let is_decade = (decade - decade.round()).abs() < 1e-9;
            Tick { nanos, is_named: is_short || is_decade }
        };
        within.map(tick).collect()
    }
}

/// The largest unit that a latency has one of, when rounded to three digits.
fn unit(nanos: f64) -> (f64, &'static str) {
    match nanos {
        ..999.5 => (1.0, "ns"),
        ..999.5e3 => (1e3, "µs"),
        ..999.5e6 => (1e6, "ms"),
        _ => (1e9, "s"),
    }
}

/// A tick's name.
pub(super) fn name_of(nanos: f64) -> String {
    let (one, unit) = unit(nanos);
    format!("{} {unit}", nanos / one)
}

/// A latency to three digits.
pub(super) fn words(nanos: u64) -> String {
    let (one, unit) = unit(nanos as f64);
    let amount = nanos as f64 / one;
    let decimals = match amount {
        _ if one == 1.0 => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{amount:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_nine_is_as_wide_as_the_one_before() {
        for (place, name) in percentiles() {
            let percent: f64 = name.trim_end_matches(" %").parse().expect("a number");
            assert!((nines(percent / 100.0) - place).abs() < 1e-6, "{name} at {place}");
        }
    }

    #[test]
    fn a_latency_is_told_to_three_digits() {
        let told =
            [0, 7, 999, 1_000, 1_234, 9_996, 14_260, 99_960, 870_400, 999_499, 999_500].map(words);
        let same = "0 ns, 7 ns, 999 ns, 1.00 µs, 1.23 µs, 10.0 µs, 14.3 µs, 100 µs, 870 µs, \
                    999 µs, 1.00 ms";
        assert_eq!(told.join(", "), same);
        assert_eq!([words(59_999_000_000), words(3_600_000_000_000)], ["60.0 s", "3600 s"]);
        let named = [1.0, 500.0, 1e3, 2e4, 5e5, 1e6, 1e9, 6e10].map(name_of);
        assert_eq!(named, ["1 ns", "500 ns", "1 µs", "20 µs", "500 µs", "1 ms", "1 s", "60 s"]);
    }

    #[test]
    fn a_line_ends_with_its_longest_or_with_the_axis() {
        let mut few = Histogram::<u64>::new(3).expect("digits");
        (1..=1_000u64).for_each(|at| few.record(at * 10).expect("it grows"));
        let drawn = points(&few);
        let (first, last) = (drawn[0], drawn[drawn.len() - 1]);
        assert_eq!(first, (0.0, 10));
        assert!((last.0 - 3.0).abs() < 1e-9 && last.1 == few.max(), "{last:?}");
        let half = drawn.iter().find(|point| point.0 >= nines(0.5)).expect("half of them");
        assert!(half.1.abs_diff(5_000) < 250, "{half:?}");

        // Ten in a million are longer than all that the axis tells.
        let mut many = Histogram::<u64>::new(3).expect("digits");
        many.record_n(100, 999_995).expect("it grows");
        many.record_n(1_000_000, 5).expect("it grows");
        assert_eq!(points(&many).last(), Some(&(NINES, 100)));
        assert!(points(&Histogram::<u64>::new(3).expect("digits")).is_empty());
    }

    proptest! {
        #[test]
        fn a_range_holds_what_it_is_around(ends in any::<[u64; 2]>(), shift in 0u32..64) {
            let [a, b] = ends.map(|end| end >> shift);
            let (shortest, longest) = (a.min(b), a.max(b));
            let range = Latencies::around(shortest, longest);
            prop_assert!(range.lowest <= shortest.max(1) as f64);
            prop_assert!(range.highest >= longest as f64);
            prop_assert!(range.place(shortest as f64) <= range.place(longest as f64));
            let ticks = range.ticks();
            let places: Vec<f64> = ticks.iter().map(|tick| range.place(tick.nanos)).collect();
            prop_assert!(places.is_sorted());
            prop_assert_eq!((places[0], places[places.len() - 1]), (0.0, 1.0));
            let named = ticks.iter().filter(|tick| tick.is_named).count();
            prop_assert!((2..=21).contains(&named), "{} names", named);
        }
    }
}
