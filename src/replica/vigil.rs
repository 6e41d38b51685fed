//! Notices a stage that stands still, on its own machine and from the other.

use crate::model::Nanos;
use crate::replica::Beat;

/// A watch over stages.
#[derive(Clone, Debug, Default)]
pub struct Vigil {
    /// Each stage as last seen, and since when it has not moved.
    stages: Vec<(Beat, Nanos)>,
    looked_at: Nanos,
}

/// Who looked longer ago than this was stopped itself, maybe together with whom it watches.
const LOOKS_WITHIN: Nanos = Nanos(100_000_000);

impl Vigil {
    /// Looks at all stages. One stands still where its core does not lap, or where it does nothing
    /// though something waits for it.
    pub fn watch(&mut self, stages: &[Beat], now: Nanos) {
        self.stages.resize(stages.len(), (Beat::default(), now));
        let away = now.saturating_sub(self.looked_at);
        self.looked_at = now;
        if away > LOOKS_WITHIN {
            self.stages.iter_mut().for_each(|(_, since)| *since = since.saturating_add(away));
        }
        for ((known, since), beat) in self.stages.iter_mut().zip(stages) {
            let moves = beat.laps != known.laps && (beat.waiting == 0 || beat.done != known.done);
            // Cores show their laps now and then only: between two shows nothing is known.
            if moves {
                *since = now;
                *known = *beat;
            }
        }
    }

    /// Whether a stage has stood still for longer than `bound`.
    pub fn is_stuck(&self, now: Nanos, bound: Nanos) -> bool {
        self.stages.iter().any(|(_, since)| now.saturating_sub(*since) > bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Nanos = Nanos(1_000);

    /// Watches one stage every 100 for 2,000; says whether it was found stuck.
    fn found_stuck(beat_at: impl Fn(u64) -> Beat) -> bool {
        let mut vigil = Vigil::default();
        let mut stuck = false;
        for now in (0..=2_000).step_by(100) {
            vigil.watch(&[Beat { laps: 1, ..Beat::default() }, beat_at(now)], Nanos(now));
            // The other one never moves, and is not looked at here.
            vigil.stages[0].1 = Nanos(now);
            stuck |= vigil.is_stuck(Nanos(now), BOUND);
        }
        stuck
    }

    #[test]
    fn what_moves_or_has_nothing_to_do_is_not_stuck() {
        assert!(!found_stuck(|now| Beat { laps: now, done: 0, waiting: 0 }), "idle");
        assert!(!found_stuck(|now| Beat { laps: now, done: now, waiting: 9 }), "busy");
        assert!(found_stuck(|_| Beat { laps: 7, done: 0, waiting: 0 }), "its core hangs");
        assert!(found_stuck(|now| Beat { laps: now, done: 3, waiting: 9 }), "it does nothing");
    }
}
