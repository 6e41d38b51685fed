//! `Pulse`: a stage shows that it goes on; `Watchman` says when it has not for too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::Nanos;

/// The watched end: beats whenever its stage goes on.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// Shows that the stage goes on at `now`.
    #[inline]
    pub fn beat(&self, now: Nanos) {
        self.0.store(now.0, Ordering::Relaxed);
    }

    /// An end that watches, and finds a silence of `bound` too long.
    pub fn watchman(&self, bound: Nanos) -> Watchman {
        Watchman {
            pulse: self.clone(),
            bound,
            last: 0,
            heard_at: Nanos::ZERO,
            doubts_since: Nanos::MAX,
        }
    }

    /// When it beat last; zero: never.
    pub fn last(&self) -> Nanos {
        Nanos(self.0.load(Ordering::Relaxed))
    }
}

/// The watching end.
#[derive(Clone, Debug)]
pub struct Watchman {
    pulse: Pulse,
    bound: Nanos,
    last: u64,
    heard_at: Nanos,
    doubts_since: Nanos,
}

impl Watchman {
    /// Whether nothing was heard for too long. Who never beat is not watched.
    ///
    /// A watcher may have been stopped itself, together with whom it watches: so it looks again a
    /// little later before it says so.
    #[inline]
    pub fn is_alarmed(&mut self, now: Nanos) -> bool {
        let beat = self.pulse.0.load(Ordering::Relaxed);
        if beat != self.last || beat == 0 {
            (self.last, self.heard_at, self.doubts_since) = (beat, now, Nanos::MAX);
            return false;
        }
        if now.saturating_sub(self.heard_at) > self.bound {
            self.doubts_since = self.doubts_since.min(now);
        }
        now.saturating_sub(self.doubts_since).0 > self.bound.0 / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_noticed_within_the_bound_and_ends_with_a_beat() {
        let pulse = Pulse::default();
        let mut watchman = pulse.watchman(Nanos(100));
        assert!(!watchman.is_alarmed(Nanos(1_000)), "who never beat is not watched");
        pulse.beat(Nanos(1_000));
        assert!(!watchman.is_alarmed(Nanos(1_010)));
        assert!(!watchman.is_alarmed(Nanos(1_110)));
        assert!(!watchman.is_alarmed(Nanos(1_111)), "it looks again");
        assert!(watchman.is_alarmed(Nanos(1_124)));
        pulse.beat(Nanos(1_125));
        assert!(!watchman.is_alarmed(Nanos(1_130)));
    }
}
