//! The floor: what it costs to pass a cache line from one CPU to another and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

use crate::runtime::{Clock, SystemClock, pin};

const ROUNDS: u64 = 200_000;

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
