//! How long single commands take, by what they do, with what reading the clock costs beside them.
//!
//! A replay is the same each time, so the least that a command took of several replays is what the
//! engine and its memory make it take; a gap that the machine makes falls elsewhere each time.

use crate::flow::Deed;

/// The counter that times single commands: some cycles to read, and no system call.
#[derive(Debug)]
pub(super) struct Stopwatch(quanta::Clock);

impl Stopwatch {
    pub(super) fn new() -> Self {
        Self(quanta::Clock::new())
    }

    #[inline]
    pub(super) fn read(&self) -> u64 {
        self.0.raw()
    }

    fn nanos(&self, ticks: u32) -> f64 {
        // A million ticks, so that the counter's scale is not rounded away.
        let million = self.0.delta_as_nanos(0, 1_000_000) as f64;
        f64::from(ticks) * million / 1e6
    }

    /// What it shows for nothing at all, so often.
    pub(super) fn idle(&self, times: usize) -> Vec<u32> {
        let once = |_| {
            let before = self.read();
            u32::try_from(self.read().saturating_sub(before)).unwrap_or(u32::MAX)
        };
        (0..times).map(once).collect()
    }
}

/// The percentiles shown, in hundredths of a percent.
const SHOWN: [(&str, usize); 5] = [
    ("p50_ns", 5_000),
    ("p99_ns", 9_900),
    ("p999_ns", 9_990),
    ("p9999_ns", 9_999),
    ("max_ns", 10_000),
];

/// The percentiles of one kind of command.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) count: usize,
    pub(super) nanos: [f64; SHOWN.len()],
}

impl Row {
    fn of(name: &'static str, mut ticks: Vec<u32>, stopwatch: &Stopwatch) -> Option<Self> {
        ticks.sort_unstable();
        let last = ticks.len().checked_sub(1)?;
        let nanos = SHOWN.map(|(_, share)| {
            let at = last * share / 10_000;
            ticks.get(at).map_or(0.0, |&ticks| stopwatch.nanos(ticks))
        });
        Some(Self { name, count: ticks.len(), nanos })
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let mut json = serde_json::json!({ "count": self.count });
        for ((key, _), nanos) in SHOWN.iter().zip(self.nanos) {
            json[*key] = ((nanos * 10.0).round() / 10.0).into();
        }
        json
    }
}

/// The percentiles of all commands, of each kind of them, and of nothing at all.
pub(super) fn rows(ticks: &[u32], deeds: &[Deed], stopwatch: &Stopwatch) -> Vec<Row> {
    let of = |deed| {
        let both = ticks.iter().zip(deeds);
        both.filter(|(_, done)| **done == deed).map(|(ticks, _)| *ticks).collect()
    };
    let kinds = Deed::ALL.into_iter().map(|(deed, name)| Row::of(name, of(deed), stopwatch));
    let all = Row::of("all", ticks.to_vec(), stopwatch);
    let idle = Row::of("clock alone", stopwatch.idle(ticks.len()), stopwatch);
    std::iter::once(all).chain(kinds).chain([idle]).flatten().collect()
}

/// A table for people.
pub(super) fn print(title: &str, rows: &[Row]) {
    println!("  {title:<24}    p50     p99   p99.9  p99.99       max");
    for row in rows {
        let [p50, p99, p999, p9999, max] = row.nanos;
        let name = row.name;
        println!("    {name:<22} {p50:6.0} {p99:7.0} {p999:7.0} {p9999:7.0} {max:9.0}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_commands_have_the_percentiles_of_their_places() {
        let stopwatch = Stopwatch(quanta::Clock::new());
        let ticks: Vec<u32> = (0..10_001).map(|at| at * 1_000).collect();
        let deeds = vec![Deed::Cancel; ticks.len()];
        let rows = rows(&ticks, &deeds, &stopwatch);
        let names: Vec<_> = rows.iter().map(|row| row.name).collect();
        assert_eq!(names, ["all", "cancel", "clock alone"]);
        let all = &rows[0];
        assert_eq!(all.count, 10_001);
        let max = all.nanos[4];
        for (nanos, share) in all.nanos.iter().zip([0.5, 0.99, 0.999, 0.9999, 1.0]) {
            assert!((nanos - max * share).abs() <= max * 1e-6);
        }
    }
}
