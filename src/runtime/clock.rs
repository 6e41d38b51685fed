//! Clocks. Log time is nanoseconds since the Unix epoch, read from the CPU's counter and anchored
//! once, at boot, so that a step of the system clock never reaches it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use crate::model::Nanos;

/// Where a core takes `now` from, once per lap.
pub trait Clock: Send {
    /// Nanoseconds since the Unix epoch; never goes back.
    fn now(&self) -> Nanos;
}

/// The machine's clock: `quanta` over the time-stamp counter.
#[derive(Clone, Debug)]
pub struct SystemClock {
    counter: quanta::Clock,
    anchor: u64,
    anchor_since_epoch: u64,
}

impl SystemClock {
    /// Anchors the counter to the system's idea of UTC. The first in a process calibrates for a
    /// moment.
    #[allow(clippy::disallowed_methods, reason = "the one place that asks the system for UTC")]
    pub fn new() -> Self {
        let counter = quanta::Clock::new();
        let since_epoch = std::time::SystemTime::now().duration_since(UNIX_EPOCH);
        let anchor = counter.raw();
        let anchor_since_epoch = since_epoch.map_or(0, |span| span.as_nanos() as u64);
        Self { counter, anchor, anchor_since_epoch }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> Nanos {
        let since = self.counter.delta_as_nanos(self.anchor, self.counter.raw());
        Nanos(self.anchor_since_epoch + since)
    }
}

/// A clock that a test moves; clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Showing `now`.
    pub fn new(now: Nanos) -> Self {
        Self(Arc::new(AtomicU64::new(now.0)))
    }

    /// Moves it on.
    pub fn advance(&self, by: Nanos) {
        self.0.fetch_add(by.0, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Nanos {
        Nanos(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_goes_forward_near_utc() {
        let clock = SystemClock::new();
        let first = clock.now();
        let second = clock.now();
        assert!(first <= second);
        let year_2020 = 1_577_836_800_000_000_000;
        assert!(first.0 > year_2020);
    }
}
