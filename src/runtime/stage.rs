//! One step of the hot path.

use crate::model::{Fault, Nanos};

/// One step of the hot path: owns its state and its link ends, runs on one core.
pub trait Stage: Send {
    /// Its name, as placements and tables write it.
    fn name(&self) -> &str;

    /// Does a bounded burst of work and says how much. Must not block, allocate or read a clock.
    ///
    /// # Errors
    /// A [`Fault`] when an invariant broke: the core stops.
    fn poll(&mut self, now: Nanos) -> Result<usize, Fault>;

    /// Whether it measures or stamps time: the clock is read anew before it, where time has passed.
    fn tells_time(&self) -> bool {
        false
    }

    /// Whether clients' messages come in by it: such stages take turns at being the first.
    fn lets_in(&self) -> bool {
        false
    }

    /// Whether nobody waits for it: it is polled when the others had nothing to do, and now and
    /// then all the same.
    fn is_background(&self) -> bool {
        false
    }

    /// Chores a few hundred times a second: publishes counters, hands over histograms.
    fn housekeep(&mut self, _now: Nanos) {}

    /// Polls so far that found work and no room behind it.
    fn held(&self) -> u64 {
        0
    }

    /// Its core fell, by a panic or a fault of some stage: puts on record what must outlive the
    /// process, above all what the core fell over, and does nothing else.
    fn fall(&mut self) {}

    /// The appliance is stopping: take nothing new from outside, finish what is inside.
    fn stop(&mut self, _now: Nanos) {}
}
