//! What a machine takes of a CPU that does nothing but look at the clock: the gaps between two
//! looks are whoever else ran there, or kept the whole machine from running.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::model::Nanos;
use crate::runtime::{Clock, SystemClock, pin};

/// How long each CPU is looked at.
pub(super) const SPAN: Nanos = Nanos(1_000_000_000);

/// A look at the clock that comes later than this did not come by itself.
const GAP: u64 = 1_000;

/// The longest gap that is told as itself: a minute.
const LONGEST: u64 = 60_000_000_000;

/// The gaps of one CPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Jitter {
    pub(super) cpu: usize,
    /// Looks at the clock.
    pub(super) looks: u64,
    pub(super) p9999_ns: u64,
    pub(super) max_ns: u64,
    /// Longer than a microsecond.
    pub(super) gaps: u64,
    /// All of these together.
    pub(super) lost_ns: u64,
}

/// Spins on each CPU, one after the other; a CPU that we may not have is left out.
pub(super) fn measured(cpus: &[usize], span: Nanos) -> Vec<Jitter> {
    let on = |&cpu: &usize| {
        let spun = std::thread::spawn(move || {
            let clock = SystemClock::new();
            pin(cpu).then(|| spin(cpu, span, || clock.now()))
        });
        spun.join().ok().flatten()
    };
    cpus.iter().filter_map(on).collect()
}

/// Looks at a clock until the span is over.
fn spin(cpu: usize, span: Nanos, mut now: impl FnMut() -> Nanos) -> Jitter {
    // Three digits: the bounds are good, and without a histogram there is still the longest.
    let mut between = Histogram::<u64>::new_with_bounds(1, LONGEST, 3).ok();
    let begin = now();
    let mut found = Jitter { cpu, looks: 0, p9999_ns: 0, max_ns: 0, gaps: 0, lost_ns: 0 };
    let mut last = begin;
    while last.saturating_sub(begin) < span {
        let next = now();
        let gap = next.saturating_sub(last).0;
        last = next;
        found.looks += 1;
        found.max_ns = found.max_ns.max(gap);
        if gap > GAP {
            found.gaps += 1;
            found.lost_ns = found.lost_ns.saturating_add(gap);
        }
        if let Some(between) = &mut between {
            between.saturating_record(gap.max(1));
        }
    }
    let high = |all: Histogram<u64>| all.value_at_quantile(0.9999).min(found.max_ns);
    found.p9999_ns = between.map_or(0, high);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_told_as_the_clock_has_them() {
        // A thousand looks 50 ns apart, one of them late by 30 µs and another by 2.
        let steps = (0..1_000u64).map(|at| match at {
            400 => 30_000,
            700 => 2_000,
            _ => 50,
        });
        let mut at = 5;
        let mut times = vec![Nanos(at)];
        times.extend(steps.map(|step| {
            at += step;
            Nanos(at)
        }));
        let span = Nanos(at - 5);
        let mut clock = times.into_iter();
        let found = spin(3, span, || clock.next().expect("it ends in time"));
        let (p9999_ns, max_ns) = (30_000, 30_000);
        let expected = Jitter { cpu: 3, looks: 1_000, p9999_ns, max_ns, gaps: 2, lost_ns: 32_000 };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_cpu_of_ours_is_looked_at_for_as_long_as_was_asked() {
        let cpus = crate::runtime::available_cpus();
        let found = measured(&cpus[..1], Nanos(20_000_000));
        assert_eq!(found.len(), 1);
        assert!(found[0].looks > 100 && found[0].max_ns >= found[0].p9999_ns, "{found:?}");
        assert_eq!(measured(&[1_000], Nanos(1)), []);
    }
}
