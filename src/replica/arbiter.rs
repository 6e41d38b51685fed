//! Who is primary: one number that only grows, one holder, one lease, and the one who may inherit.
//! Two machines cannot decide that between them; a third that remembers little can.
//!
//! A standby may take over only as long as the primary has named it as its heir, which the primary
//! takes back *before* it goes on alone. So whoever takes over knows all that was acknowledged.

use crate::model::Nanos;
use crate::replica::{Name, Question};

/// What the witness remembers; on its disk before anybody is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArbiterState {
    /// The epoch; grows with each new primary.
    pub epoch: u32,
    /// The primary.
    pub holder: Name,
    /// The running of its machine in which it became that.
    pub life: [u8; 16],
    /// Who may take over from it.
    pub heir: Name,
}

/// What the witness says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is granted.
    pub granted: bool,
    /// Whether what is remembered changed: it must be on the disk before the answer leaves.
    pub changed: bool,
}

/// The witness's rules.
#[derive(Clone, Debug)]
pub struct Arbiter {
    state: ArbiterState,
    lease: Nanos,
    /// When the holder's lease ends, by the witness's own clock.
    until: Nanos,
}

impl Arbiter {
    /// Goes on from what was remembered: a lease given before may last until `now` and a lease.
    pub fn new(state: ArbiterState, lease: Nanos, now: Nanos) -> Self {
        Self { state, lease, until: now.saturating_add(lease) }
    }

    /// Goes on from what is remembered, the end of the lease included.
    pub fn resume(state: ArbiterState, lease: Nanos, until: Nanos) -> Self {
        Self { state, lease, until }
    }

    /// When the holder's lease ends.
    pub fn lease_ends(&self) -> Nanos {
        self.until
    }

    /// What it remembers.
    pub fn state(&self) -> &ArbiterState {
        &self.state
    }

    /// For how long it grants.
    pub fn lease(&self) -> Nanos {
        self.lease
    }

    /// Judges a question that came at `now`.
    pub fn judge(&mut self, question: &Question, now: Nanos) -> Verdict {
        let before = self.state;
        let granted = match *question {
            Question::Acquire { name, life } => self.acquire(name, life, now),
            Question::Renew { name, epoch, heir } => {
                let is_holder = (name, epoch) == (self.state.holder, self.state.epoch);
                if is_holder {
                    self.state.heir = heir;
                    self.until = now.saturating_add(self.lease);
                }
                is_holder
            }
            Question::Release { name, epoch } => {
                let is_holder = (name, epoch) == (self.state.holder, self.state.epoch);
                if is_holder {
                    self.until = now;
                }
                is_holder
            }
        };
        Verdict { granted, changed: self.state != before }
    }

    /// The holder's process is gone, as its machine says: it acknowledges nothing any more.
    pub fn is_gone(&mut self, name: Name, epoch: u32, now: Nanos) {
        self.judge(&Question::Release { name, epoch }, now);
    }

    /// A person says that this machine has all that counts, whatever is remembered. The epoch of
    /// the holder is over: words of its that are still on their way change nothing.
    pub fn force(&mut self, name: Name) {
        self.state.epoch = self.state.epoch.saturating_add(1);
        self.state.heir = name;
        self.until = Nanos::ZERO;
    }

    fn acquire(&mut self, name: Name, life: [u8; 16], now: Nanos) -> bool {
        let ArbiterState { holder, heir, .. } = self.state;
        let may = if holder.is_nobody() {
            true
        } else if name == holder {
            // It lost what was in its memory: then its heir may know more than it.
            // A person may have said that it does not.
            let knows = heir.is_nobody() || heir == name || life == self.state.life;
            knows && now >= self.until
        } else {
            name == heir && now >= self.until
        };
        if !may || name.is_nobody() {
            return false;
        }
        let heir = if name == holder { heir } else { Name::default() };
        let epoch = self.state.epoch.saturating_add(1);
        self.state = ArbiterState { epoch, holder: name, life, heir };
        self.until = now.saturating_add(self.lease);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEASE: Nanos = Nanos(100);
    const A: Name = Name([1; 16]);
    const B: Name = Name([2; 16]);

    fn acquire(name: Name, life: u8) -> Question {
        Question::Acquire { name, life: [life; 16] }
    }

    fn arbiter() -> Arbiter {
        let mut arbiter = Arbiter::new(ArbiterState::default(), LEASE, Nanos(0));
        assert!(arbiter.judge(&acquire(A, 1), Nanos(0)).granted, "there was none before");
        arbiter
    }

    #[test]
    fn only_the_heir_takes_over_and_only_when_the_lease_is_over() {
        let mut arbiter = arbiter();
        assert!(!arbiter.judge(&acquire(B, 1), Nanos(1_000)).granted, "it was not named");
        let name_it = Question::Renew { name: A, epoch: 1, heir: B };
        assert!(arbiter.judge(&name_it, Nanos(1_000)).granted);
        assert!(!arbiter.judge(&acquire(B, 1), Nanos(1_099)).granted, "the lease lasts");
        assert!(arbiter.judge(&acquire(B, 1), Nanos(1_100)).granted);
        assert!(!arbiter.judge(&name_it, Nanos(1_101)).granted, "its epoch is over");
        assert!(!arbiter.judge(&acquire(A, 1), Nanos(9_000)).granted, "it is nobody's heir");
        assert_eq!((arbiter.state().epoch, arbiter.state().holder), (2, B));
    }

    #[test]
    fn a_primary_that_forgot_does_not_come_back_while_somebody_may_know_more() {
        let mut arbiter = arbiter();
        arbiter.judge(&Question::Renew { name: A, epoch: 1, heir: B }, Nanos(1));
        assert!(!arbiter.judge(&acquire(A, 1), Nanos(2)).granted, "two of one name would hold it");
        assert!(arbiter.judge(&acquire(A, 1), Nanos(200)).granted, "its memory is as it was");
        assert!(!arbiter.judge(&acquire(A, 2), Nanos(400)).granted, "its machine was off");
        arbiter.judge(&Question::Renew { name: A, epoch: 2, heir: Name::default() }, Nanos(500));
        assert!(arbiter.judge(&acquire(A, 2), Nanos(700)).granted, "it had gone on alone");
    }

    #[test]
    fn a_person_may_say_that_the_primary_knows_all_though_it_forgot() {
        let mut arbiter = arbiter();
        arbiter.judge(&Question::Renew { name: A, epoch: 1, heir: B }, Nanos(1));
        assert!(!arbiter.judge(&acquire(A, 2), Nanos(200)).granted, "its machine was off");
        arbiter.force(A);
        assert!(arbiter.judge(&acquire(A, 2), Nanos(201)).granted);
    }

    #[test]
    fn the_last_words_of_a_primary_do_not_undo_what_a_person_said() {
        let mut arbiter = arbiter();
        arbiter.force(B);
        let last_words = Question::Renew { name: A, epoch: 1, heir: Name::default() };
        assert!(!arbiter.judge(&last_words, Nanos(1)).granted);
        assert!(arbiter.judge(&acquire(B, 1), Nanos(2)).granted);
    }

    #[test]
    fn what_is_gone_holds_nothing_up() {
        let mut arbiter = arbiter();
        arbiter.judge(&Question::Renew { name: A, epoch: 1, heir: B }, Nanos(1));
        arbiter.is_gone(A, 1, Nanos(2));
        assert!(arbiter.judge(&acquire(B, 1), Nanos(3)).granted);
    }

    proptest! {
        /// Two leases never overlap, and an epoch has one holder.
        #[test]
        fn there_is_one_holder_at_a_time(
            steps in prop::collection::vec((0u8..4, 0u8..2, 0u64..150, any::<bool>()), 1..200),
        ) {
            let mut arbiter = Arbiter::new(ArbiterState::default(), LEASE, Nanos(0));
            let mut now = 0;
            let mut ends = [0u64; 2];
            let mut epochs = [0u32; 2];
            let mut holders = std::collections::BTreeMap::new();
            for (what, who, pause, with_heir) in steps {
                now += pause;
                let (me, other) = (who as usize, 1 - who as usize);
                let name = [A, B][me];
                let heir = if with_heir { [A, B][other] } else { Name::default() };
                let question = match what {
                    0 => acquire(name, 1),
                    3 => Question::Release { name, epoch: epochs[me] },
                    _ => Question::Renew { name, epoch: epochs[me], heir },
                };
                if !arbiter.judge(&question, Nanos(now)).granted {
                    continue;
                }
                match what {
                    3 => ends[me] = now,
                    _ => {
                        epochs[me] = arbiter.state().epoch;
                        ends[me] = now + LEASE.0;
                        prop_assert!(ends[other] <= now, "two hold a lease at {now}");
                        let holder = *holders.entry(epochs[me]).or_insert(me);
                        prop_assert_eq!(holder, me);
                    }
                }
            }
        }
    }
}
