//! The picture: latency by percentile, as an SVG file that needs nothing beside it.

use std::fmt::Write as _;

use crate::command::bench::plot::scale::{Latencies, NINES, name_of, percentiles, points, words};
use crate::command::bench::plot::{Plot, thousands};

const WIDTH: f64 = 960.0;
/// Where the axes stand.
const LEFT: f64 = 84.0;
const RIGHT: f64 = WIDTH - 36.0;
const PLOT_HEIGHT: f64 = 340.0;
/// From one line of text to the next.
const LEADING: f64 = 20.0;

/// Colours by day and by night; a line is told by its dashes too.
const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#5b6573;font-variant-numeric:tabular-nums}\
.paper{fill:#fcfcfa}.title{font-size:19px;font-weight:600}.title,.name{fill:#1c2430}\
.end{text-anchor:end}.middle{text-anchor:middle}\
line{stroke:#d5dae1}.fine{stroke:#eceff2}\
.is{fill:none;stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}\
.is0{stroke:#0969b5}.is1{stroke:#d1570b;stroke-dasharray:9 4}\
.is2{stroke:#17835c;stroke-dasharray:2 5}.is3{stroke:#a4388f;stroke-dasharray:12 4 2 4}\
@media(prefers-color-scheme:dark){\
text{fill:#9aa5b3}.paper{fill:#12161c}.title,.name{fill:#e8ecf1}\
line{stroke:#39424e}.fine{stroke:#222932}\
.is0{stroke:#58aef5}.is1{stroke:#f5924e}.is2{stroke:#4cc79a}.is3{stroke:#dd7fcb}}";
const STYLES: usize = 4;

/// Draws latency by percentile, the last nines as wide as the first.
pub(super) fn svg(plot: &Plot) -> String {
    let top = 50.0 + LEADING * plot.said.len() as f64;
    let legend = top + PLOT_HEIGHT + 82.0;
    let height = legend + LEADING * plot.lines.len() as f64;
    let title = escaped(&plot.title);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>\n"
    );
    write_text(&mut text, "title", 24.0, 34.0, &plot.title);
    for (at, sentence) in plot.said.iter().enumerate() {
        write_text(&mut text, "said", 24.0, 56.0 + LEADING * at as f64, sentence);
    }
    let drawn: Vec<_> = plot.lines.iter().map(|(_, histogram)| points(histogram)).collect();
    let latencies = || drawn.iter().flatten().map(|(_, nanos)| *nanos);
    let range =
        Latencies::around(latencies().min().unwrap_or(1_000), latencies().max().unwrap_or(1_000));
    let frame = Frame { top, range };
    frame.write_axes(&mut text);
    for (at, points) in drawn.iter().enumerate() {
        let style = at % STYLES;
        let points = points.iter().map(|(nines, nanos)| {
            format!("{:.1},{:.1}", Frame::x(*nines), frame.y((*nanos).max(1) as f64))
        });
        let points = points.collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "<polyline class=\"is is{style}\" points=\"{points}\"/>");
    }
    write_legend(&mut text, plot, legend);
    text + "</svg>\n"
}

/// What the lines are drawn in.
struct Frame {
    top: f64,
    range: Latencies,
}

impl Frame {
    fn x(nines: f64) -> f64 {
        LEFT + (nines / NINES).clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    fn y(&self, nanos: f64) -> f64 {
        self.top + (1.0 - self.range.place(nanos)) * PLOT_HEIGHT
    }

    fn write_axes(&self, text: &mut String) {
        let bottom = self.top + PLOT_HEIGHT;
        for tick in self.range.ticks() {
            let at = self.y(tick.nanos);
            let class = if tick.is_named { "coarse" } else { "fine" };
            write_line(text, class, [LEFT, at], [RIGHT, at]);
            if tick.is_named {
                write_text(text, "end", LEFT - 10.0, at + 4.0, &name_of(tick.nanos));
            }
        }
        for (nines, name) in percentiles() {
            let at = Self::x(nines);
            write_line(text, "coarse", [at, self.top], [at, bottom]);
            write_text(text, "middle", at, bottom + LEADING, name);
        }
        let middle = (LEFT + RIGHT) / 2.0;
        write_text(text, "middle", middle, bottom + 2.0 * LEADING, "of all were at most so long");
    }
}

/// Each line's name and its percentiles, a column each.
fn write_legend(text: &mut String, plot: &Plot, top: f64) {
    let column = |at: f64| RIGHT - (5.0 - at) * 100.0;
    for (at, head) in ["measured", "p50", "p99", "p99.9", "p99.99", "longest"].iter().enumerate() {
        write_text(text, "end", column(at as f64), top - LEADING, head);
    }
    for (at, (name, histogram)) in plot.lines.iter().enumerate() {
        let y = top + LEADING * at as f64;
        let class = format!("is is{}", at % STYLES);
        write_line(text, &class, [24.0, y - 4.0], [LEFT - 10.0, y - 4.0]);
        write_text(text, "name", LEFT, y, name);
        let percentile = |quantile| words(histogram.value_at_quantile(quantile));
        let cells = [
            thousands(histogram.len()),
            percentile(0.5),
            percentile(0.99),
            percentile(0.999),
            percentile(0.9999),
            words(histogram.max()),
        ];
        for (at, cell) in cells.iter().enumerate() {
            write_text(text, "name end", column(at as f64), y, cell);
        }
    }
}

// Writing to a string does not fail.

fn write_line(text: &mut String, class: &str, from: [f64; 2], to: [f64; 2]) {
    let ([x1, y1], [x2, y2]) = (from, to);
    let _ = writeln!(
        text,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn write_text(text: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let words = escaped(words);
    let _ = writeln!(text, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>");
}

/// What may stand in XML: a machine's name may hold anything.
fn escaped(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    for letter in words.chars() {
        match letter {
            '&' => text += "&amp;",
            '<' => text += "&lt;",
            '>' => text += "&gt;",
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => text.push(' '),
            _ => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use roxmltree::{Document, Node};

    use super::*;

    fn plot(said: Vec<String>, measured: Vec<(String, Vec<(u64, u16)>)>) -> Plot {
        let lines = measured.into_iter().map(|(name, latencies)| {
            let mut histogram = Histogram::<u64>::new(3).expect("digits");
            for (nanos, count) in latencies {
                histogram.record_n(nanos, count.into()).expect("it grows");
            }
            (name, histogram)
        });
        Plot { title: "a < b & c".into(), said, lines: lines.collect() }
    }

    fn number(node: &Node<'_, '_>, name: &str) -> f64 {
        let value = node.attribute(name).unwrap_or_else(|| panic!("{node:?} has no {name}"));
        value.parse().unwrap_or_else(|_| panic!("{name} of {node:?} is no number"))
    }

    fn texts(drawn: &Document<'_>) -> Vec<String> {
        let texts = drawn.descendants().filter(|node| node.tag_name().name() == "text");
        texts.map(|node| node.text().unwrap_or_default().to_owned()).collect()
    }

    /// Latencies of every size, some many times.
    fn latencies() -> impl Strategy<Value = Vec<(u64, u16)>> {
        let nanos = (any::<u64>(), 1u32..64).prop_map(|(nanos, shift)| nanos >> shift);
        vec((nanos, any::<u16>()), 0..40)
    }

    proptest! {
        #[test]
        fn every_distribution_has_a_picture(
            said in vec(any::<String>(), 0..4),
            measured in vec((any::<String>(), latencies()), 0..6),
        ) {
            let count = measured.len();
            let plot = plot(said.clone(), measured);
            let text = svg(&plot);
            let drawn = Document::parse(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let root = drawn.root_element();
            let (width, height) = (number(&root, "width"), number(&root, "height"));
            let within = |x: f64, y: f64| (0.0..=width).contains(&x) && (0.0..=height).contains(&y);
            let mut lines = 0;
            for node in root.descendants() {
                match node.tag_name().name() {
                    "polyline" => {
                        lines += 1;
                        let points = node.attribute("points").unwrap_or_default();
                        let pairs = points.split_whitespace().map(|pair| {
                            let (x, y) = pair.split_once(',').expect("a pair");
                            (x.parse().expect("a number"), y.parse().expect("a number"))
                        });
                        let points: Vec<(f64, f64)> = pairs.collect();
                        prop_assert!(points.iter().all(|(x, y)| within(*x, *y)));
                        // The longer is the higher, and higher is a lesser y.
                        let is_monotone =
                            points.windows(2).all(|p| p[0].0 <= p[1].0 && p[0].1 >= p[1].1);
                        prop_assert!(is_monotone, "{:?}", points);
                    }
                    "line" => {
                        prop_assert!(within(number(&node, "x1"), number(&node, "y1")));
                        prop_assert!(within(number(&node, "x2"), number(&node, "y2")));
                    }
                    "text" => prop_assert!(within(number(&node, "x"), number(&node, "y"))),
                    _ => {}
                }
            }
            prop_assert_eq!(lines, count);
            // Nothing is run, and nothing is fetched.
            prop_assert!(!text.contains("<script") && !text.contains("href"));
            prop_assert_eq!(text.matches("://").count() - said_links(&plot), 1);
            prop_assert_eq!(svg(&plot), text);
        }
    }

    /// Addresses that were said, which are words and no links.
    fn said_links(plot: &Plot) -> usize {
        let names = plot.lines.iter().map(|(name, _)| name);
        plot.said.iter().chain(names).map(|words| words.matches("://").count()).sum()
    }

    #[test]
    fn words_come_through_as_they_were() {
        let said = vec!["Xeon <R> & \"friends\"".to_owned(), "a\u{1}b".to_owned()];
        let plot = plot(said, vec![("fused".into(), vec![(870, 990), (14_200, 10)])]);
        let text = svg(&plot);
        let drawn = Document::parse(&text).expect("well-formed");
        let texts = texts(&drawn);
        for words in ["a < b & c", "Xeon <R> & \"friends\"", "a b", "99.9 %", "1 µs", "fused"] {
            assert!(texts.iter().any(|text| text == words), "{words}: {texts:?}");
        }
        let row = ["1,000", "870 ns", "870 ns", "14.2 µs", "14.2 µs", "14.2 µs"];
        assert!(texts.ends_with(&row.map(str::to_owned)), "{texts:?}");
    }

    #[test]
    fn a_line_stands_where_its_axes_say() {
        // Nine of ten at a microsecond, the tenth at a hundred: a step at 90 %.
        let plot = plot(Vec::new(), vec![("a".into(), vec![(1_000, 900), (100_000, 100)])]);
        let text = svg(&plot);
        let drawn = Document::parse(&text).expect("well-formed");
        let place = |name: &str| {
            let node = drawn
                .descendants()
                .find(|node| node.tag_name().name() == "text" && node.text() == Some(name));
            let node = node.unwrap_or_else(|| panic!("no {name}"));
            (number(&node, "x"), number(&node, "y") - 4.0)
        };
        let line = drawn.descendants().find(|node| node.tag_name().name() == "polyline");
        let line = line.and_then(|node| node.attribute("points")).expect("a line");
        let points = line.split(' ').filter_map(|pair| pair.split_once(','));
        for (x, y) in points.map(|(x, y)| (x.parse::<f64>(), y.parse::<f64>())) {
            let (x, y) = (x.expect("a number"), y.expect("a number"));
            let step = place("90 %").0;
            if (x - step).abs() > 4.0 {
                let name = if x < step { "1 µs" } else { "100 µs" };
                assert!((y - place(name).1).abs() < 1.0, "{x},{y} is not at {name}");
            }
        }
    }
}
