//! What everything that leaves waits for: one question, asked once per poll, not once per order.
//!
//! A gate only ever holds back. Where it may not know that what it promises still holds (a lease
//! that ran out, a sync that failed) it lets nothing pass at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};

use crossbeam_utils::CachePadded;

use crate::journal::{Health, Progress};
use crate::link::Consumer;
use crate::model::{Command, Group, Nanos, SeqNo};
use crate::stage::BURST;

/// What a reply waits for before it leaves.
#[derive(Clone, Debug)]
pub enum Gate {
    /// Nothing.
    Sequenced,
    /// The command's record is in the page cache.
    Journaled(Arc<Progress>),
    /// As the release says, which may change: a standby comes and goes, a lease ends.
    Guarded(Arc<Release>),
}

impl Gate {
    /// The last command whose events may leave.
    #[inline]
    pub fn released(&self, now: Nanos) -> SeqNo {
        match self {
            Gate::Sequenced => SeqNo::MAX,
            Gate::Journaled(progress) if progress.health() == Health::SyncFailed => SeqNo::ZERO,
            Gate::Journaled(progress) => SeqNo(progress.appended()),
            Gate::Guarded(release) => release.released(now),
        }
    }

    /// Takes the commands that may leave, a burst at most, one by one through `message`; returns
    /// how many.
    pub(in crate::stage) fn take_released(
        &self,
        now: Nanos,
        commands: &mut Consumer<Command>,
        message: &mut Group<Command>,
        mut take: impl FnMut(&Group<Command>),
    ) -> usize {
        let released = self.released(now);
        let mut count = 0;
        while count < BURST
            && commands.peek().is_some_and(|head| head.seq <= released)
            && commands.pop(message)
        {
            take(message);
            count += 1;
        }
        count
    }
}

/// What must be true of a command before anything of it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Rule {
    /// Nothing leaves.
    Shut = 0,
    /// It is in this machine's page cache.
    Journaled = 1,
    /// It is on this machine's disk.
    Synced = 2,
    /// It is in the page caches of this machine and of the standby.
    Replicated = 3,
    /// It is on the disks of both.
    SyncedReplicated = 4,
}

impl Rule {
    const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Journaled,
            2 => Self::Synced,
            3 => Self::Replicated,
            4 => Self::SyncedReplicated,
            _ => Self::Shut,
        }
    }

    /// Whether a standby has a part in it.
    pub const fn needs_standby(self) -> bool {
        matches!(self, Self::Replicated | Self::SyncedReplicated)
    }

    /// Whether this machine's disk has a part in it.
    pub const fn needs_disk(self) -> bool {
        matches!(self, Self::Synced | Self::SyncedReplicated)
    }

    /// As the configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shut => "shut",
            Self::Journaled => "journaled",
            Self::Synced => "synced",
            Self::Replicated => "replicated",
            Self::SyncedReplicated => "synced+replicated",
        }
    }
}

/// How far what has happened may be told. Written by whoever speaks with standby and witness, read
/// by every stage that tells anything.
#[derive(Debug)]
pub struct Release {
    journal: Arc<Progress>,
    rule: CachePadded<AtomicU8>,
    /// Nothing leaves from this time on; the highest number where nobody grants leases.
    lease_ends: CachePadded<AtomicU64>,
    /// The last command the standby has in its page cache.
    received: CachePadded<AtomicU64>,
    /// The last command the standby has on its disk.
    settled: CachePadded<AtomicU64>,
}

impl Release {
    /// With a lease that never ends, for who has no witness, and no standby so far.
    pub fn new(journal: Arc<Progress>, rule: Rule) -> Self {
        Self {
            journal,
            rule: CachePadded::new(AtomicU8::new(rule as u8)),
            lease_ends: CachePadded::new(AtomicU64::new(u64::MAX)),
            received: CachePadded::default(),
            settled: CachePadded::default(),
        }
    }

    /// The last command whose events may leave at `now`.
    #[inline]
    pub fn released(&self, now: Nanos) -> SeqNo {
        let is_over = now.0 >= self.lease_ends.load(Ordering::Acquire);
        if is_over || self.journal.health() == Health::SyncFailed {
            return SeqNo::ZERO;
        }
        // Before the rule: what passes by a rule that is over was there while it held.
        let (appended, synced) = (self.journal.appended(), self.journal.synced());
        SeqNo(match self.rule() {
            Rule::Shut => 0,
            Rule::Journaled => appended,
            Rule::Synced => synced,
            Rule::Replicated => appended.min(self.received()),
            Rule::SyncedReplicated => synced.min(self.settled.load(Ordering::Acquire)),
        })
    }

    /// What must be true now.
    #[inline]
    pub fn rule(&self) -> Rule {
        Rule::from_code(self.rule.load(Ordering::Acquire))
    }

    /// Another rule from now on. What it promises must be true already. What passes by the one
    /// before is in the journal when this returns.
    pub fn set_rule(&self, rule: Rule) {
        self.rule.store(rule as u8, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Nothing leaves from `end` on.
    pub fn set_lease(&self, end: Nanos) {
        self.lease_ends.store(end.0, Ordering::Release);
    }

    /// When nothing may leave any more.
    pub fn lease_ends(&self) -> Nanos {
        Nanos(self.lease_ends.load(Ordering::Acquire))
    }

    /// How far the standby says it has come, in its page cache and on its disk.
    pub fn confirm(&self, received: SeqNo, settled: SeqNo) {
        self.received.store(received.0, Ordering::Release);
        self.settled.store(settled.0, Ordering::Release);
    }

    /// The last command the standby has in its page cache.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that was opened with 10 commands, all on the disk.
    fn release(rule: Rule) -> Release {
        Release::new(Arc::new(Progress::starting_at(10)), rule)
    }

    #[test]
    fn each_rule_waits_for_what_it_names() {
        for (rule, passed) in [
            (Rule::Shut, 0),
            (Rule::Journaled, 10),
            (Rule::Synced, 10),
            (Rule::Replicated, 7),
            (Rule::SyncedReplicated, 5),
        ] {
            let release = release(rule);
            release.confirm(SeqNo(7), SeqNo(5));
            assert_eq!(release.released(Nanos(1)), SeqNo(passed), "{}", rule.name());
            release.set_lease(Nanos(1));
            assert_eq!(release.released(Nanos(1)), SeqNo::ZERO, "the lease is over");
            assert_eq!(release.released(Nanos(0)), SeqNo(passed), "it is not over yet");
        }
    }
}
