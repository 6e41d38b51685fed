//! Message rates, by log time: a token bucket, and a ban for those who ignore it.

use crate::engine::risk::{RateClass, Used};
use crate::model::{Nanos, RejectCode};
use crate::snapshot::value;

const SECOND: u64 = 1_000_000_000;

/// One session's rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    class: RateClass,
    /// What a message costs, and the most credit there may be.
    cost: u64,
    capacity: u64,
    /// Nanoseconds of credit; a message costs a second divided by the rate.
    credit: u64,
    seen: Nanos,
    second_began: Nanos,
    in_this_second: u32,
    banned_until: Nanos,
}
value!(Rate { class, cost, capacity, credit, seen, second_began, in_this_second, banned_until });

impl Rate {
    pub(super) fn new(class: RateClass) -> Self {
        let cost = Self::cost(class);
        let credit = cost * class.burst as u64;
        let capacity = cost * class.burst.max(1) as u64;
        let none = Nanos::ZERO;
        Self {
            class,
            cost,
            capacity,
            credit,
            seen: none,
            second_began: none,
            in_this_second: 0,
            banned_until: none,
        }
    }

    /// Goes by another class from now on.
    #[inline]
    pub(super) fn keep_to(&mut self, class: RateClass) {
        if self.class != class {
            *self = Self { banned_until: self.banned_until, ..Self::new(class) };
        }
    }

    const fn cost(class: RateClass) -> u64 {
        match class.per_second {
            0 => 0,
            rate => SECOND / rate as u64,
        }
    }

    /// Takes a message at `now`, or says why not.
    #[inline]
    pub(super) fn take(&mut self, now: Nanos) -> Result<(), RejectCode> {
        if self.class.per_second == 0 {
            return Ok(());
        }
        self.count(now);
        if now < self.banned_until {
            return Err(RejectCode::Banned);
        }
        let Self { cost, capacity, .. } = *self;
        let passed = now.saturating_sub(self.seen).0;
        self.credit = self.credit.saturating_add(passed).min(capacity);
        self.seen = now;
        if self.credit < cost {
            return Err(RejectCode::MessageRate);
        }
        self.credit -= cost;
        Ok(())
    }

    /// How many of the messages that may come at once are used up at `now`.
    pub(super) fn used(&self, now: Nanos) -> Used {
        if self.class.per_second == 0 {
            return Used::UNLIMITED;
        }
        let passed = now.saturating_sub(self.seen).0;
        let credit = self.credit.saturating_add(passed).min(self.capacity);
        let most = self.class.burst.max(1).into();
        Used { used: most - (credit / self.cost.max(1)) as i64, most }
    }

    fn count(&mut self, now: Nanos) {
        if now.saturating_sub(self.second_began).0 >= SECOND {
            self.second_began = now;
            self.in_this_second = 0;
        }
        self.in_this_second = self.in_this_second.saturating_add(1);
        let bound = self.class.ban_above;
        if bound != 0 && self.in_this_second > bound && now >= self.banned_until {
            self.banned_until = now.saturating_add(self.class.ban);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class() -> RateClass {
        RateClass { per_second: 100, burst: 10, ban_above: 1_000, ban: Nanos(5 * SECOND) }
    }

    #[test]
    fn a_burst_passes_and_then_the_sustained_rate() {
        let mut rate = Rate::new(class());
        let passed =
            (0..100).filter(|step| rate.take(Nanos(SECOND + step * 1_000)).is_ok()).count();
        assert_eq!(passed, 10);
        assert_eq!(rate.used(Nanos(SECOND + 100_000)), Used { used: 10, most: 10 });
        let later = Nanos(2 * SECOND);
        let passed = (0..200)
            .filter(|step| rate.take(later.saturating_add(Nanos(step * SECOND / 200))).is_ok())
            .count();
        assert!((100..=110).contains(&passed), "{passed} of 200 in one second");
    }

    #[test]
    fn a_flood_is_shut_out_and_comes_back() {
        let mut rate = Rate::new(class());
        let verdicts: Vec<_> =
            (0..1_500).map(|step| rate.take(Nanos(SECOND + step * 1_000))).collect();
        assert_eq!(verdicts[1_499], Err(RejectCode::Banned));
        assert_eq!(rate.take(Nanos(3 * SECOND)), Err(RejectCode::Banned));
        assert_eq!(rate.take(Nanos(7 * SECOND)), Ok(()));
    }
}
