//! The floor: what it costs to pass a cache line from one CPU to another and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use crate::runtime::{Clock, SystemClock, pin};

const ROUNDS: u64 = 200_000;

/// CPUs looked at, at most: pairs grow with the square.
const CPUS_MAX: usize = 16;

/// Median times one way between every two of a machine's CPUs.
pub(crate) fn core_to_core(cpus: &[usize]) -> Vec<(usize, usize, u64)> {
    let cpus = &cpus[..cpus.len().min(CPUS_MAX)];
    let pairs = cpus.iter().enumerate().flat_map(|(at, &from)| {
        cpus.iter().skip(at + 1).filter_map(move |&to| Some((from, to, floor_ns(&[from, to])?)))
    });
    pairs.collect()
}

/// Median time one way between two CPUs, in nanoseconds; `None` on a machine with one.
pub(super) fn floor_ns(cpus: &[usize]) -> Option<u64> {
    let [.., near, far] = *cpus else { return None };
    let flags: Arc<[CachePadded<AtomicU64>; 2]> = Arc::default();
    let theirs = Arc::clone(&flags);
    let other = std::thread::spawn(move || {
        pin(far);
        for round in 1..=ROUNDS {
            while theirs[0].load(Ordering::Acquire) < round {
                std::hint::spin_loop();
            }
            theirs[1].store(round, Ordering::Release);
        }
    });
    let measured = std::thread::spawn(move || {
        pin(near);
        let clock = SystemClock::new();
        let mut spans = Vec::with_capacity(ROUNDS as usize);
        for round in 1..=ROUNDS {
            let began = clock.now();
            flags[0].store(round, Ordering::Release);
            while flags[1].load(Ordering::Acquire) < round {
                std::hint::spin_loop();
            }
            spans.push(clock.now().0 - began.0);
        }
        spans.sort_unstable();
        spans[spans.len() / 2] / 2
    });
    other.join().ok()?;
    measured.join().ok()
}
