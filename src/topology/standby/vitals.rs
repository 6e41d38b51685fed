//! How the stages fare, from the numbers they show anyway: what heartbeats carry.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::replica::Beat;
use crate::runtime::{CoreTimes, CounterReader};
use crate::topology::{LinkFill, StageName};

/// Counters that grow while a stage stands still.
const NOT_WORK: &[&str] = &["Stalled", "Waited", "Backpressured", "Asked"];

/// The stages' numbers.
pub(crate) struct Vitals {
    /// Each core's stages and its times.
    pub(crate) cores: Vec<(Vec<StageName>, Arc<CoreTimes>)>,
    /// Each stage's counters.
    pub(crate) counters: Vec<(StageName, CounterReader)>,
    /// How full the links are.
    pub(crate) links: Vec<LinkFill>,
}

impl Vitals {
    /// How each stage fares now.
    pub(crate) fn beats(&self) -> Vec<Beat> {
        let mut beats = Vec::new();
        for (stages, times) in &self.cores {
            let laps = [&times.busy, &times.idle, &times.housekeeping];
            let laps = laps.iter().map(|time| time.load(Ordering::Relaxed)).sum();
            beats.extend(stages.iter().map(|name| Beat {
                laps,
                done: self.done(*name),
                waiting: self.waiting(*name),
            }));
        }
        beats
    }

    fn done(&self, stage: StageName) -> u64 {
        let of_stage = self.counters.iter().filter(|(name, _)| *name == stage);
        let values = of_stage.flat_map(|(_, reader)| reader.values());
        values.filter(|(name, ..)| !NOT_WORK.contains(name)).map(|(.., value)| value).sum()
    }

    /// What waits for a stage that waits for nobody: those behind the gate may have to.
    fn waiting(&self, stage: StageName) -> u64 {
        use StageName::{Feed, Fix, Gateway, Peers, Venues};
        if matches!(stage, Gateway | Fix | Feed | Peers | Venues) {
            return 0;
        }
        let name = format!("_{}", stage.name());
        let links = self.links.iter().filter(|link| link.name.ends_with(&name));
        links.map(|link| link.gauge.lines()).sum()
    }
}
