//! OpenMetrics text of one reading of the counters file. Written here and not by a crate: series
//! are known only when the file is read, and the text is thirty lines.

use std::fmt::Write;

use crate::runtime::counters_file::{Sample, Series, SeriesKind, Snapshot, Spans, Unit, Value};

/// What `Content-Type` says.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends of the buckets of latencies, in nanoseconds: 1-2-5 from 100 ns to 10 ms.
pub const BUCKETS: [u64; 16] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// The name of a series in metrics, without what its kind adds.
fn name_of(sample: &Sample) -> String {
    match sample.unit {
        Unit::None | Unit::Decimal => format!("wirematch_{}", sample.name),
        Unit::Nanoseconds => format!("wirematch_{}_seconds", sample.name),
        Unit::Bytes => format!("wirematch_{}_bytes", sample.name),
    }
}

/// The kind of a series in metrics; words are no metric.
fn kind_of(sample: &Sample) -> Option<&'static str> {
    Some(match sample.kind {
        SeriesKind::Counter => "counter",
        SeriesKind::Gauge => "gauge",
        SeriesKind::Histogram => "histogram",
        SeriesKind::Text => return None,
    })
}

/// All of a reading.
pub fn open_metrics(snapshot: &Snapshot) -> String {
    let mut text = String::with_capacity(64 * 1024);
    let mut told: Vec<&str> = Vec::new();
    for first in &snapshot.samples {
        let Some(kind) = kind_of(first) else { continue };
        if told.contains(&&*first.name) {
            continue;
        }
        told.push(&first.name);
        let name = name_of(first);
        let _ = writeln!(text, "# TYPE {name} {kind}");
        if first.unit == Unit::Nanoseconds {
            let _ = writeln!(text, "# UNIT {name} seconds");
        }
        let _ = writeln!(text, "# HELP {name} {}", escaped(&first.text));
        // A family's series stand together, whatever lies between them in the file.
        for sample in snapshot.all(&first.name) {
            write_sample(&mut text, &name, sample);
        }
    }
    let is_up = u8::from(snapshot.is_alive());
    let _ = writeln!(text, "# TYPE wirematch_up gauge");
    let _ = writeln!(text, "# HELP wirematch_up 1: the process that writes the numbers is there");
    let _ = writeln!(text, "wirematch_up {is_up}\n# EOF");
    text
}

fn write_sample(text: &mut String, name: &str, sample: &Sample) {
    let labels = labels_of(sample, None);
    match &sample.value {
        Value::Count(count) => {
            let value = scaled(i128::from(*count), sample.unit);
            let _ = writeln!(text, "{name}_total{labels} {value}");
        }
        Value::Level(level) => {
            let value = scaled(i128::from(*level), sample.unit);
            let _ = writeln!(text, "{name}{labels} {value}");
        }
        Value::Spans(spans) => write_spans(text, name, sample, spans),
        Value::Text(_) => {}
    }
}

fn write_spans(text: &mut String, name: &str, sample: &Sample, spans: &Spans) {
    let all: u64 = spans.buckets.iter().sum();
    for end in BUCKETS {
        let bound = scaled(i128::from(end), Unit::Nanoseconds);
        let labels = labels_of(sample, Some(&bound));
        let _ = writeln!(text, "{name}_bucket{labels} {}", spans.at_most(end));
    }
    let _ = writeln!(text, "{name}_bucket{} {all}", labels_of(sample, Some("+Inf")));
    let labels = labels_of(sample, None);
    let sum = scaled(i128::from(spans.sum), Unit::Nanoseconds);
    let _ = writeln!(text, "{name}_sum{labels} {sum}\n{name}_count{labels} {all}");
}

fn labels_of(sample: &Sample, bound: Option<&str>) -> String {
    let own = sample.labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value)));
    let all: Vec<String> = own.chain(bound.map(|bound| format!("le=\"{bound}\""))).collect();
    if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
}

/// A whole number of small units as a decimal of large ones, without rounding.
fn scaled(value: i128, unit: Unit) -> String {
    let digits = match unit {
        Unit::None | Unit::Bytes => return value.to_string(),
        Unit::Nanoseconds => 9,
        Unit::Decimal => 4,
    };
    let one = 10i128.pow(digits);
    let sign = if value < 0 { "-" } else { "" };
    let (whole, part) = (value.abs() / one, value.abs() % one);
    let part = format!("{part:0width$}", width = digits as usize);
    let part = part.trim_end_matches('0');
    format!("{sign}{whole}.{}", if part.is_empty() { "0" } else { part })
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The list of all metrics of a reading and of what only some appliances have, as docs/metrics.md
/// has it.
pub fn reference(snapshot: &Snapshot, occasional: &[Series]) -> String {
    let mut text = String::from(
        "# Metrics\nWhat `/metrics` serves (OpenMetrics), the counters file holds, and `wirematch \
         monitor` shows: the same\nnumbers. A test writes this page from a running appliance. \
         Counters end in `_total`; histograms have the buckets\n100 ns to 10 ms in steps of 1-2-5; \
         a span counts in a bucket it surely fits, so a count may be three percent late.\n\n\
         | metric | kind | labels | what |\n|---|---|---|---|\n",
    );
    let mut rows: Vec<String> = Vec::new();
    let samples = snapshot.samples.iter().cloned();
    for sample in samples.chain(occasional.iter().map(unread)) {
        let Some(kind) = kind_of(&sample) else { continue };
        let labels: Vec<String> = sample.labels.iter().map(|(key, _)| format!("`{key}`")).collect();
        let suffix = if kind == "counter" { "_total" } else { "" };
        let name = name_of(&sample);
        let row = format!("| `{name}{suffix}` | {kind} | {} | {} |", labels.join(" "), sample.text);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows.push(
        "| `wirematch_up` | gauge |  | 1: the process that writes the numbers is there |".into(),
    );
    rows.sort();
    text += &rows.join("\n");
    text.push('\n');
    text
}

/// A series of which there is no value.
fn unread(series: &Series) -> Sample {
    Sample {
        name: series.name.clone(),
        text: series.text.clone(),
        kind: series.kind,
        unit: series.unit,
        labels: series.labels.clone(),
        value: Value::Level(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lose_nothing_on_their_way_to_seconds_and_quotes() {
        for (value, unit, expected) in [
            (1, Unit::Nanoseconds, "0.000000001"),
            (1_500_000_000, Unit::Nanoseconds, "1.5"),
            (0, Unit::Nanoseconds, "0.0"),
            (-12_345, Unit::Decimal, "-1.2345"),
            (7, Unit::None, "7"),
        ] {
            assert_eq!(scaled(value, unit), expected);
        }
    }

    #[test]
    fn dashboard_and_rules_ask_for_what_there_is() {
        let known = include_str!("../../docs/metrics.md");
        let asked =
            [include_str!("../../config/grafana.json"), include_str!("../../config/alerts.yml")];
        let mut count = 0;
        for text in asked {
            for (at, _) in text.match_indices("wirematch_") {
                let word = |one: &char| one.is_ascii_alphanumeric() || *one == '_';
                let name: String = text[at..].chars().take_while(word).collect();
                let name = name.trim_end_matches("_bucket");
                assert!(known.contains(&format!("`{name}`")), "nobody writes {name}");
                count += 1;
            }
        }
        assert!(count > 20);
    }

    #[test]
    fn a_label_may_hold_anything() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
