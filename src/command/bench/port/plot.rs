//! Distributions for other eyes: the text that HdrHistogram's own tools read, and a drawing.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use hdrhistogram::Histogram;

use crate::command::bench::port::outcome::Outcomes;

/// Writes each distribution as percentiles, the appliance's last.
pub(super) fn write_hgrm(path: &Path, outcomes: &Outcomes) -> io::Result<()> {
    let drawn = outcomes.drawn();
    let mut text = String::new();
    for (name, histogram) in &drawn {
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
    std::fs::write(path, text)
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

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 520.0;
const MARGIN: f64 = 70.0;
const COLOURS: [&str; 4] = ["#1b6ca8", "#c0392b", "#7f8c8d", "#8e44ad"];

/// Draws latency by percentile, the last nines as wide as the first.
pub(super) fn write_svg(path: &Path, outcomes: &Outcomes) -> io::Result<()> {
    std::fs::write(path, svg(&outcomes.drawn()))
}

fn svg(drawn: &[(String, Histogram<u64>)]) -> String {
    let longest = drawn.iter().map(|(_, histogram)| histogram.max()).max().unwrap_or(1).max(10);
    let decades = (longest as f64).log10().ceil();
    let nines = 5.0;
    let x = |quantile: f64| {
        let nine = -(1.0 - quantile).max(1e-5).log10();
        MARGIN + nine / nines * (WIDTH - 2.0 * MARGIN)
    };
    let y = |nanos: f64| {
        let decade = nanos.max(100.0).log10() - 2.0;
        HEIGHT - MARGIN - decade / (decades - 2.0).max(1.0) * (HEIGHT - 2.0 * MARGIN)
    };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    for (quantile, name) in
        [(0.0, "0"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")]
    {
        let at = x(quantile);
        let _ = writeln!(
            text,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{MARGIN}\" y2=\"{}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text>",
            HEIGHT - MARGIN,
            HEIGHT - MARGIN + 20.0
        );
    }
    for decade in 2..=decades as i32 {
        let nanos = 10f64.powi(decade);
        let at = y(nanos);
        let label = match decade {
            ..3 => format!("{nanos} ns"),
            3..6 => format!("{} µs", nanos / 1e3),
            _ => format!("{} ms", nanos / 1e6),
        };
        let _ = writeln!(
            text,
            "<line x1=\"{MARGIN}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            WIDTH - MARGIN,
            MARGIN - 8.0,
            at + 4.0
        );
    }
    for (at, (name, histogram)) in drawn.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let points: Vec<String> = steps(histogram)
            .iter()
            .map(|(value, quantile, _)| format!("{:.1},{:.1}", x(*quantile), y(*value)))
            .collect();
        let _ = writeln!(
            text,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>\
             <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>",
            points.join(" "),
            MARGIN + 12.0,
            MARGIN + 18.0 * (at as f64 + 1.0)
        );
    }
    text + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_is_whole_and_the_steps_end_at_the_longest() {
        let mut histogram =
            Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).expect("bounds");
        (1..=10_000u64).for_each(|at| histogram.record(at * 100).expect("within bounds"));
        let steps = steps(&histogram);
        assert!(steps.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1));
        assert_eq!(steps.last().map(|step| step.2), Some(10_000));
        let drawn = svg(&[("a".into(), histogram)]);
        assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"), "{drawn}");
        assert_eq!(drawn.matches("<polyline").count(), 1);
    }
}
