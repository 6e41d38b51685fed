//! When each connection wants to be looked at next: a wheel of buckets, each a list through the
//! connections themselves, so that setting a time and clearing it cost the same however many wait.

use crate::model::Nanos;

const NONE: u32 = u32::MAX;
const BUCKETS: usize = 1024;

/// Nanoseconds of a bucket.
const TICK: u64 = 1_000_000;

#[derive(Clone, Copy, Debug)]
struct Entry {
    before: u32,
    after: u32,
    bucket: u32,
    due: Nanos,
}

/// The wheel.
#[derive(Debug)]
pub(super) struct Wheel {
    heads: Box<[u32; BUCKETS]>,
    entries: Box<[Entry]>,
    /// The tick that was looked at last.
    tick: u64,
}

impl Wheel {
    pub(super) fn new(lines: usize, now: Nanos) -> Self {
        let entry = Entry { before: NONE, after: NONE, bucket: NONE, due: Nanos::ZERO };
        let entries = vec![entry; lines].into();
        Self { heads: Box::new([NONE; BUCKETS]), entries, tick: now.0 / TICK }
    }

    /// Wakes a line at a time, and not at the one set before; `None` never.
    pub(super) fn set(&mut self, line: usize, due: Option<Nanos>) {
        let Some(entry) = self.entries.get(line).copied() else { return };
        match due {
            Some(due) if entry.bucket != NONE && entry.due == due => {}
            due => {
                self.clear(line, entry);
                if let Some(due) = due {
                    self.insert(line, due);
                }
            }
        }
    }

    fn insert(&mut self, line: usize, due: Nanos) {
        // What is further away than the wheel goes round is looked at again when it has.
        let tick = (due.0 / TICK).clamp(self.tick + 1, self.tick + BUCKETS as u64 - 1);
        let bucket = tick as usize % BUCKETS;
        let after = std::mem::replace(&mut self.heads[bucket], line as u32);
        if let Some(next) = self.entries.get_mut(after as usize) {
            next.before = line as u32;
        }
        self.entries[line] = Entry { before: NONE, after, bucket: bucket as u32, due };
    }

    fn clear(&mut self, line: usize, entry: Entry) {
        let Entry { before, after, bucket, .. } = entry;
        if bucket == NONE {
            return;
        }
        match self.entries.get_mut(before as usize) {
            Some(previous) => previous.after = after,
            None => self.heads[bucket as usize % BUCKETS] = after,
        }
        if let Some(next) = self.entries.get_mut(after as usize) {
            next.before = before;
        }
        self.entries[line].bucket = NONE;
    }

    /// Shows the lines whose time has come; none of them is set any more.
    pub(super) fn advance(&mut self, now: Nanos, each: &mut dyn FnMut(usize)) {
        let until = now.0 / TICK;
        // After a long sleep once round is enough.
        let from = self.tick.max(until.saturating_sub(BUCKETS as u64));
        for tick in from + 1..=until {
            self.tick = tick;
            let mut line = self.heads[tick as usize % BUCKETS];
            while let Some(entry) = self.entries.get(line as usize).copied() {
                self.clear(line as usize, entry);
                if entry.due <= now {
                    each(line as usize);
                } else {
                    self.insert(line as usize, entry.due);
                }
                line = entry.after;
            }
        }
        self.tick = self.tick.max(until);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Nobody is woken early, and nobody later than a tick and a step.
        #[test]
        fn wakes_as_a_sorted_map_would(
            steps in prop::collection::vec((0usize..20, 0u64..3_000, 0u64..400), 1..200),
        ) {
            let mut now = Nanos(5_000_000_000);
            let mut wheel = Wheel::new(20, now);
            let mut oracle: BTreeMap<usize, Nanos> = BTreeMap::new();
            for (line, delay, step) in steps {
                let due = (delay > 100).then_some(Nanos(now.0 + delay * 1_000_000));
                wheel.set(line, due);
                match due {
                    Some(due) => oracle.insert(line, due),
                    None => oracle.remove(&line),
                };
                now = Nanos(now.0 + step * 1_000_000);
                let mut woken = Vec::new();
                wheel.advance(now, &mut |line| woken.push(line));
                for line in woken {
                    let due = oracle.remove(&line);
                    prop_assert!(due.is_some_and(|due| due <= now), "line {} early", line);
                }
                let late = oracle.values().filter(|due| due.0 + TICK <= now.0).count();
                prop_assert_eq!(late, 0);
            }
        }
    }
}
