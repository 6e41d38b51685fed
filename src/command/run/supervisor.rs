//! The service manager's watchdog: fed only while every core laps, from a thread of its own, so
//! that neither a stage nor this thread's own work is what keeps a dead appliance alive.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::model::Nanos;
use crate::runtime::counters_file::{COUNTERS_NAME, Sample, Snapshot};
use crate::runtime::{Clock, Notifier, SystemClock};

/// Before orders are served there is nothing that could stand still: a journal may be long.
const STARTING: u8 = 0;
const SERVING: u8 = 1;
const STOPPING: u8 = 2;

/// What the service manager is told; nothing where none asked.
pub(super) struct Supervisor {
    notifier: Option<Arc<Notifier>>,
    state: Arc<AtomicU8>,
}

impl Supervisor {
    /// Begins to feed the watchdog, if there is one.
    pub(super) fn start(data: &Path) -> std::io::Result<Self> {
        let notifier = Notifier::of_this_process().map(Arc::new);
        let state = Arc::new(AtomicU8::new(STARTING));
        if let Some((notifier, bound)) =
            notifier.as_ref().and_then(|one| Some((Arc::clone(one), one.watchdog?)))
        {
            let feeder = Feeder {
                notifier,
                bound,
                counters: data.join(COUNTERS_NAME),
                state: Arc::clone(&state),
            };
            std::thread::Builder::new().name("watchdog".into()).spawn(move || feeder.run())?;
        }
        Ok(Self { notifier, state })
    }

    /// Orders are served, or would be if the other machine fell.
    pub(super) fn ready(&self, status: &str) {
        if let Some(notifier) = &self.notifier {
            notifier.ready(status);
        }
    }

    /// From now on cores must lap.
    pub(super) fn serves(&self) {
        self.state.store(SERVING, Ordering::Release);
    }

    /// It stops, as asked: cores end one after the other.
    pub(super) fn stops(&self) {
        self.state.store(STOPPING, Ordering::Release);
        if let Some(notifier) = &self.notifier {
            notifier.stopping();
        }
    }
}

struct Feeder {
    notifier: Arc<Notifier>,
    bound: Duration,
    counters: PathBuf,
    state: Arc<AtomicU8>,
}

impl Feeder {
    fn run(self) {
        let clock = SystemClock::new();
        let bound = Nanos(u64::try_from(self.bound.as_nanos()).unwrap_or(u64::MAX));
        loop {
            let is_serving = self.state.load(Ordering::Acquire) == SERVING;
            if !is_serving
                || Snapshot::read(&self.counters)
                    .is_ok_and(|seen| every_core_laps(&seen, clock.now(), bound))
            {
                self.notifier.alive();
            }
            std::thread::sleep(self.bound / 4);
        }
    }
}

/// Whether each core was seen to go on within the bound, and whoever looks at them too.
fn every_core_laps(seen: &Snapshot, now: Nanos, bound: Nanos) -> bool {
    let bound = bound.0 / 2;
    let mut cores = seen.all("core_silence").map(Sample::number).peekable();
    cores.peek().is_some()
        && now.saturating_sub(seen.written_at).0 < bound
        && cores.all(|silence| silence < i64::try_from(bound).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::counters_file::{SeriesKind, Unit, Value};

    fn seen(silences: &[i64]) -> Snapshot {
        let sample = |silence: &i64| Sample {
            name: "core_silence".into(),
            text: String::new(),
            kind: SeriesKind::Gauge,
            unit: Unit::None,
            labels: Vec::new(),
            value: Value::Level(*silence),
        };
        Snapshot {
            pid: 1,
            started_at: Nanos(1),
            written_at: Nanos(1_000),
            is_ended: false,
            is_torn: false,
            samples: silences.iter().map(sample).collect(),
        }
    }

    #[test]
    fn the_watchdog_is_fed_only_while_all_cores_go_on() {
        let laps = |silences: &[i64], now| every_core_laps(&seen(silences), Nanos(now), Nanos(200));
        assert!(laps(&[5, 99], 1_010));
        assert!(!laps(&[5, 100], 1_010), "a core stands still");
        assert!(!laps(&[5, 5], 1_100), "nobody looks");
        assert!(!laps(&[], 1_010), "no core is no appliance");
    }
}
