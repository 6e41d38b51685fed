//! Whether the clock has been too far from UTC for too long to take orders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::Nanos;
use crate::runtime::Utc;
use crate::topology::config::SlowConfig;

/// How often the kernel is asked.
const PERIOD: Nanos = Nanos(1_000_000_000);

/// The watch.
#[derive(Debug)]
pub(super) struct UtcWatch {
    /// How far it may be, in microseconds; 0: as far as it likes. May change while running.
    bound_us: Arc<AtomicU64>,
    /// How long it may be further; none: for ever.
    patience: Option<Nanos>,
    looked_at: Nanos,
    off_since: Option<Nanos>,
    is_off: bool,
}

impl UtcWatch {
    /// As configured.
    pub(super) fn new(config: &SlowConfig) -> Self {
        let seconds = u64::from(config.utc_refuse_after_s);
        Self {
            bound_us: Arc::new(AtomicU64::new(config.utc_bound_us)),
            patience: (seconds > 0).then_some(Nanos(seconds * PERIOD.0)),
            looked_at: Nanos::ZERO,
            off_since: None,
            is_off: false,
        }
    }

    /// Goes on where history has orders refused, or not: what is off is so until a look says
    /// otherwise.
    pub(super) fn resume(&mut self, is_off: bool) {
        self.is_off = is_off;
        self.off_since = is_off.then_some(Nanos::ZERO);
    }

    /// The bound, for whoever changes it.
    pub(super) fn bound_us(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.bound_us)
    }

    /// Whether orders are to be refused; `ask` says how the clock fares, if anybody knows.
    pub(super) fn is_off(&mut self, now: Nanos, ask: impl FnOnce() -> Option<Utc>) -> bool {
        let Some(patience) = self.patience else { return false };
        if now.saturating_sub(self.looked_at) < PERIOD {
            return self.is_off;
        }
        self.looked_at = now;
        let Some(state) = ask() else { return self.is_off };
        let bound = self.bound_us.load(Ordering::Relaxed);
        let is_far = bound > 0 && !state.is_within(bound);
        self.off_since = is_far.then(|| self.off_since.unwrap_or(now));
        self.is_off = self.off_since.is_some_and(|since| now.saturating_sub(since) >= patience);
        self.is_off
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = PERIOD.0;

    fn watch() -> UtcWatch {
        UtcWatch::new(&SlowConfig {
            utc_bound_us: 100,
            utc_refuse_after_s: 5,
            ..SlowConfig::default()
        })
    }

    fn utc(error_us: u64, is_kept: bool) -> Option<Utc> {
        Some(Utc { is_kept, offset_ns: 0, error_us })
    }

    #[test]
    fn orders_are_refused_after_the_patience_and_taken_when_it_is_good_again() {
        let mut watch = watch();
        let mut at = |second: u64, state| watch.is_off(Nanos(1_000 * SECOND + second), || state);
        assert!(!at(0, utc(100, true)));
        // A moment of doubt is none.
        assert!(!at(SECOND, utc(101, true)) && !at(4 * SECOND, utc(90, true)));
        for second in 10..15 {
            assert!(!at(second * SECOND, utc(101, true)), "{second}");
        }
        assert!(at(15 * SECOND, utc(101, true)));
        // Nobody knows: it stays as it is. Between two looks it does too.
        assert!(at(16 * SECOND, None) && at(16 * SECOND + 5, utc(1, true)));
        assert!(!at(17 * SECOND, utc(100, true)));
    }

    #[test]
    fn a_clock_that_nobody_keeps_is_off_and_a_bound_that_goes_lifts_it() {
        let mut watch = watch();
        let unkept = || utc(1, false);
        assert!(!watch.is_off(Nanos(10 * SECOND), unkept));
        assert!(watch.is_off(Nanos(15 * SECOND), unkept));
        watch.bound_us().store(0, Ordering::Relaxed);
        assert!(!watch.is_off(Nanos(16 * SECOND), unkept));
    }

    #[test]
    fn what_was_off_before_a_restart_is_so_until_a_look_says_otherwise() {
        let mut watch = watch();
        watch.resume(true);
        assert!(watch.is_off(Nanos(10 * SECOND), || utc(101, true)));
        assert!(!watch.is_off(Nanos(11 * SECOND), || utc(100, true)));
    }

    #[test]
    fn without_patience_nobody_is_asked() {
        let mut watch = UtcWatch::new(&SlowConfig { utc_bound_us: 1, ..SlowConfig::default() });
        assert!(!watch.is_off(Nanos(SECOND), || panic!("asked")));
    }
}
