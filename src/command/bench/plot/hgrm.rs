//! The text that HdrHistogram's own tools print and read: percentiles, ever closer to the longest.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use crate::command::bench::plot::Plot;

/// Each distribution as percentiles.
pub(super) fn hgrm(plot: &Plot) -> String {
    let mut text = String::new();
    for (name, histogram) in &plot.lines {
        // Writing to a string does not fail.
        let _ = writeln!(text, "#[{name}, nanoseconds]");
        text += "       Value     Percentile TotalCount 1/(1-Percentile)\n\n";
        for (value, quantile, count) in steps(histogram) {
            let _ = match quantile < 1.0 {
                true => {
                    let inverse = 1.0 / (1.0 - quantile);
                    writeln!(text, "{value:12.3} {quantile:14.12} {count:10} {inverse:14.2}")
                }
                false => writeln!(text, "{value:12.3} {quantile:14.12} {count:10}"),
            };
        }
        let _ = writeln!(
            text,
            "#[Mean    = {:12.3}, StdDeviation   = {:12.3}]\n#[Max     = {:12.3}, Total count    \
             = {:12}]",
            histogram.mean(),
            histogram.stdev(),
            histogram.max() as f64,
            histogram.len()
        );
    }
    text
}

/// Value, quantile and count up to it, ever closer to the longest.
fn steps(histogram: &Histogram<u64>) -> Vec<(f64, f64, u64)> {
    let mut steps = Vec::new();
    let mut left = 1.0;
    while left * histogram.len().max(1) as f64 > 0.5 {
        for part in 0..5 {
            let quantile = 1.0 - left + left * f64::from(part) / 10.0;
            let value = histogram.value_at_quantile(quantile);
            steps.push((value as f64, quantile, histogram.count_between(0, value)));
        }
        left /= 2.0;
    }
    steps.push((histogram.max() as f64, 1.0, histogram.len()));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_end_at_the_longest() {
        let mut histogram =
            Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).expect("bounds");
        (1..=10_000u64).for_each(|at| histogram.record(at * 100).expect("within bounds"));
        let steps = steps(&histogram);
        assert!(steps.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1));
        assert_eq!(steps.last().map(|step| step.2), Some(10_000));
    }
}
