//! A core: a pinned CPU and the stages it laps over, in packet order.
//!
//! With all stages on one core a lap is run-to-completion; with one each it is a pipeline.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::model::{Fault, Nanos};
use crate::runtime::{Clock, Idle, Stage, allocations_of_this_thread, pin};

/// Laps between two looks at the chores.
const LAPS_PER_CHORES: u32 = 1 << 12;

/// The longest time between two looks: who watches from outside must see that the core goes on,
/// also where it shares its CPU with many.
const CHORES_WITHIN: Nanos = Nanos(20_000_000);

/// Laps after which a background stage has its turn though the others are busy.
const BACKGROUND_EVERY: u32 = 4;

/// Less work than this in a lap is little: where nobody waits for any stage of a core that sleeps,
/// it sleeps after such a lap too, and what comes fast is taken in parts worth waking for.
const LITTLE: usize = 8;

/// How long a core must find nothing to do, once told to stop, before it does.
const QUIET_BEFORE_STOP: Nanos = Nanos(50_000_000);

/// Asks every core to finish; clones share it.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Asks.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether somebody asked.
    #[inline]
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Where a core's time went, in nanoseconds; read from any thread.
#[derive(Debug, Default)]
pub struct CoreTimes {
    /// Laps in which some stage did something.
    pub busy: AtomicU64,
    /// Laps in which none did, for there was nothing to do.
    pub idle: AtomicU64,
    /// Laps in which none did, for there was no room behind.
    pub held: AtomicU64,
    /// Chores.
    pub housekeeping: AtomicU64,
    /// Allocations since the core began to lap: 0, or something is wrong.
    pub allocations: AtomicU64,
}

/// Laps without work, dealt between those that had nothing to do and those that had no room.
#[derive(Debug, Default)]
struct Rest {
    idle: u64,
    held: u64,
    /// Not dealt yet: time, and laps.
    span: u64,
    laps: u64,
    /// Polls held as of the last deal.
    polls: u64,
}

impl Rest {
    #[inline]
    fn take(&mut self, span: u64) {
        self.span += span;
        self.laps += 1;
    }

    /// Deals what was taken, by how many of its laps were held; `polls` so far were.
    fn share_out(&mut self, polls: u64) {
        let held_laps = polls.saturating_sub(self.polls).min(self.laps);
        let held = u128::from(self.span) * u128::from(held_laps) / u128::from(self.laps.max(1));
        self.held += held as u64;
        self.idle += self.span - held as u64;
        (self.span, self.laps, self.polls) = (0, 0, polls);
    }
}

/// The stages placed on one CPU, in packet order.
pub struct Core {
    /// The CPU, or none: where the scheduler likes.
    cpu: Option<usize>,
    /// What to do after a lap without work.
    idle: Idle,
    /// The stages.
    stages: Vec<Box<dyn Stage>>,
    /// So many of them, in front, let clients' messages in.
    entries: usize,
    /// Whether it sleeps, and nobody waits for any of its stages.
    is_background: bool,
    /// Where the time went.
    times: Arc<CoreTimes>,
    laps: u32,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.stages.iter().map(|stage| stage.name()).collect();
        write!(f, "Core(cpu {:?}, {:?}, {})", self.cpu, self.idle, names.join(" ▸ "))
    }
}

impl Core {
    /// Stages in packet order, the background ones last.
    pub fn new(cpu: Option<usize>, idle: Idle, stages: Vec<Box<dyn Stage>>) -> Self {
        let entries = stages.iter().take_while(|stage| stage.lets_in()).count();
        let is_background = idle == Idle::Sleep && stages.iter().all(|of| of.is_background());
        Self { cpu, idle, stages, entries, is_background, times: Arc::default(), laps: 0 }
    }

    /// The first stage's name, which its thread bears.
    pub fn name(&self) -> &str {
        self.stages.first().map_or("core", |stage| stage.name())
    }

    /// Where the time goes, to be read while the core runs.
    pub fn times(&self) -> Arc<CoreTimes> {
        Arc::clone(&self.times)
    }

    /// One pass over the stages; says how much was done. Background stages wait while there is
    /// other work, for a few laps at most.
    ///
    /// The clock is read again, after a stage that did something, for a stage that tells time, so
    /// that what it records of the road so far is true.
    ///
    /// # Errors
    /// The first stage's [`Fault`].
    #[inline]
    pub fn lap(&mut self, clock: &impl Clock) -> Result<usize, Fault> {
        self.lap_at(clock.now(), clock)
    }

    /// A lap that begins at `begun`; returns the work done.
    #[inline]
    fn lap_at(&mut self, begun: Nanos, clock: &impl Clock) -> Result<usize, Fault> {
        let mut now = begun;
        let mut work = 0;
        let mut is_stale = false;
        self.laps = self.laps.wrapping_add(1);
        // Whoever is asked first has the older time of receipt: that is nobody's for good.
        if self.entries > 1
            && let Some(entries) = self.stages.get_mut(..self.entries)
        {
            entries.rotate_left(1);
        }
        for stage in &mut self.stages {
            let may_wait = work > 0 && !self.laps.is_multiple_of(BACKGROUND_EVERY);
            if may_wait && stage.is_background() {
                continue;
            }
            if is_stale && stage.tells_time() {
                now = clock.now();
                is_stale = false;
            }
            let done = stage.poll(now)?;
            is_stale |= done > 0;
            work += done;
        }
        Ok(work)
    }

    /// Laps until told to stop and nothing is left to do.
    ///
    /// # Errors
    /// The [`Fault`] that ended it; the other cores are asked to stop too.
    pub fn run(&mut self, clock: &impl Clock, stop: &StopFlag) -> Result<(), Fault> {
        if let Some(cpu) = self.cpu {
            pin(cpu);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.lap_until_stopped(clock, stop)));
        if !matches!(outcome, Ok(Ok(()))) {
            self.stages.iter_mut().for_each(|stage| stage.fall());
        }
        let outcome = outcome.unwrap_or_else(|panic| resume_unwind(panic));
        if outcome.is_err() {
            stop.raise();
        }
        self.housekeep(clock.now());
        outcome
    }

    fn lap_until_stopped(&mut self, clock: &impl Clock, stop: &StopFlag) -> Result<(), Fault> {
        let allocations_at_start = allocations_of_this_thread();
        let (mut busy, mut chores) = (0, 0);
        let mut rest = Rest::default();
        let mut laps = 0u32;
        let mut quiet_since = None;
        let mut now = clock.now();
        let mut chores_due = now.saturating_add(CHORES_WITHIN);
        loop {
            let mut work = self.lap_at(now, clock)?;
            laps = laps.wrapping_add(1);
            if laps.is_multiple_of(LAPS_PER_CHORES) || now > chores_due {
                let begun = clock.now();
                chores_due = begun.saturating_add(CHORES_WITHIN);
                self.housekeep(begun);
                chores += clock.now().0 - begun.0;
                let allocations = allocations_of_this_thread() - allocations_at_start;
                self.times.busy.store(busy, Ordering::Relaxed);
                rest.share_out(self.stages.iter().map(|stage| stage.held()).sum());
                self.times.idle.store(rest.idle, Ordering::Relaxed);
                self.times.held.store(rest.held, Ordering::Relaxed);
                self.times.housekeeping.store(chores, Ordering::Relaxed);
                self.times.allocations.store(allocations, Ordering::Relaxed);
                if stop.is_raised() {
                    match quiet_since {
                        None => self.stages.iter_mut().for_each(|stage| stage.stop(begun)),
                        Some(since) if begun.0 > since + QUIET_BEFORE_STOP.0 => return Ok(()),
                        Some(_) => {}
                    }
                    quiet_since = quiet_since.or(Some(begun.0));
                }
            }
            if work > 0 && quiet_since.is_some() {
                quiet_since = Some(now.0);
            }
            if self.is_background && (1..LITTLE).contains(&work) {
                let done = clock.now();
                busy += done.0.saturating_sub(now.0);
                (now, work) = (done, 0);
            }
            self.idle.after(work);
            let after = clock.now();
            let span = after.0.saturating_sub(now.0);
            if work > 0 {
                busy += span;
            } else {
                rest.take(span);
            }
            now = after;
        }
    }

    /// Every stage's chores.
    pub fn housekeep(&mut self, now: Nanos) {
        for stage in &mut self.stages {
            stage.housekeep(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_is_dealt_by_the_laps_that_were_held_and_nothing_is_lost() {
        let mut rest = Rest::default();
        (0..10).for_each(|_| rest.take(100));
        rest.share_out(3);
        assert_eq!((rest.idle, rest.held), (700, 300));
        // Stages may be held many times in one lap, and in laps that did other work.
        (0..10).for_each(|_| rest.take(100));
        rest.share_out(1000);
        assert_eq!((rest.idle, rest.held), (700, 1300));
        rest.share_out(1000);
        assert_eq!((rest.idle, rest.held), (700, 1300));
    }

    /// Finds so much to do in every lap, until it is told to stop.
    struct Constant {
        work: usize,
        is_background: bool,
    }

    impl Stage for Constant {
        fn name(&self) -> &str {
            "constant"
        }

        fn poll(&mut self, _: Nanos) -> Result<usize, Fault> {
            Ok(self.work)
        }

        fn is_background(&self) -> bool {
            self.is_background
        }

        fn stop(&mut self, _: Nanos) {
            self.work = 0;
        }
    }

    #[test]
    fn a_core_for_which_nobody_waits_sleeps_after_little_and_not_after_much() {
        let times_of = |work, is_background| {
            let stage: Box<dyn Stage> = Box::new(Constant { work, is_background });
            let mut core = Core::new(None, Idle::Sleep, vec![stage]);
            let (times, stop) = (core.times(), StopFlag::default());
            std::thread::scope(|scope| {
                let run = scope.spawn(|| core.run(&crate::runtime::SystemClock::new(), &stop));
                std::thread::sleep(std::time::Duration::from_millis(200));
                stop.raise();
                run.join().unwrap().unwrap();
            });
            let [busy, idle] = [&times.busy, &times.idle].map(|of| of.load(Ordering::Relaxed));
            (busy, idle)
        };
        // At the end a core finds nothing for 50 ms and sleeps, whatever it did before.
        let (busy, idle) = times_of(LITTLE - 1, true);
        assert!(busy < idle / 10, "{busy} ns busy, {idle} ns idle");
        for (work, is_background) in [(LITTLE, true), (1, false)] {
            let (busy, idle) = times_of(work, is_background);
            assert!(busy > idle, "{busy} ns busy, {idle} ns idle with {work}");
        }
    }
}
