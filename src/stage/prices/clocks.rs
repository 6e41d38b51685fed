//! An exchange's clock held against ours: what it says was said later than now, or long before it
//! came, is no price.

use crate::model::Nanos;
use crate::stage::gateway::since_midnight;
use crate::wire::itch;

const DAY: u64 = 86_400_000_000_000;
const HALF: i64 = (DAY / 2) as i64;

/// How far an exchange's midnight is from UTC's, in nanoseconds of time of day, and from when on:
/// summer time begins and ends while we run.
#[derive(Clone, Copy, Debug)]
pub struct Midnights([(Nanos, u64); Self::MOST]);

impl Midnights {
    /// How many are known at once: some years of summer and winter time.
    const MOST: usize = 8;

    /// What holds first, and what follows it, in order of time; nothing beyond the room.
    pub fn new(first: u64, following: impl IntoIterator<Item = (Nanos, u64)>) -> Self {
        let mut all = [(Nanos::MAX, 0); Self::MOST];
        let known = std::iter::once((Nanos::ZERO, first)).chain(following);
        all.iter_mut().zip(known).for_each(|(place, from)| *place = from);
        Self(all)
    }

    #[inline]
    fn at(&self, now: Nanos) -> u64 {
        let begun = self.0.iter().take_while(|(from, _)| *from <= now);
        begun.last().map_or(0, |(_, midnight)| *midnight)
    }
}

/// The two clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    pub(super) midnights: Midnights,
    /// How far they may be apart; 0: as they like.
    pub(super) apart_max: Nanos,
}

impl Clocks {
    /// The time of day at the exchange, by our clock.
    #[inline]
    fn today(self, now: Nanos) -> u64 {
        (since_midnight(now) + self.midnights.at(now)) % DAY
    }

    /// How far a time of day is behind ours (or, negative, ahead), in nanoseconds, the shorter way
    /// round.
    #[inline]
    fn behind(self, at: u64, now: Nanos) -> i64 {
        let lag = ((self.today(now) + DAY - at % DAY) % DAY) as i64;
        if lag < HALF { lag } else { lag - DAY as i64 }
    }

    /// When a thing was said, by our clock: never later than now; none where the two cannot be of
    /// one day.
    #[inline]
    pub(super) fn said_at(self, at: u64, now: Nanos) -> Option<Nanos> {
        let behind = self.behind(at, now);
        let is_ahead = behind < -(self.apart_max.0 as i64);
        (!is_ahead).then(|| Nanos(now.0.saturating_sub(behind.max(0) as u64)))
    }

    /// Whether a message that just came cannot have been said when it says. What comes again may be
    /// of any time before.
    #[inline]
    pub(super) fn differ(self, at: u64, now: Nanos, is_live: bool) -> bool {
        let most = self.apart_max.0 as i64;
        let behind = self.behind(at, now);
        most > 0
            && (behind < -most && (is_live || self.is_later_today(at, now))
                || behind > most && is_live)
    }

    /// Whether a time of day is still to come, in the exchange's own day: what is of this morning
    /// is, the shorter way round, ahead in the night.
    fn is_later_today(self, at: u64, now: Nanos) -> bool {
        at % DAY > self.today(now)
    }
}

/// The time of day a message carries.
#[inline]
pub(super) fn time_of(bytes: &[u8]) -> Option<u64> {
    let time: [u8; 6] = bytes.get(5..11)?.try_into().ok()?;
    Some(itch::since_midnight(time))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    proptest! {
        /// Against plain arithmetic on times that do not wrap: what is live is wrong when it is
        /// further than the bound either way, what comes again only when it is ahead.
        #[test]
        fn both_signs_are_judged_over_midnight_and_in_any_zone(
            now in 0..3 * DAY as i64, // from the second day on
            behind in prop_oneof![-20 * SECOND..20 * SECOND, -HALF + 1..HALF - 1],
            midnight in 0..DAY,
        ) {
            let midnights = Midnights::new(midnight, []);
            let clocks = Clocks { midnights, apart_max: Nanos(5 * SECOND as u64) };
            let now = now + DAY as i64;
            let said = now - behind + midnight as i64;
            let at = said.rem_euclid(DAY as i64) as u64;
            let ours = Nanos(now as u64);
            let is_far = behind.abs() > 5 * SECOND;
            prop_assert_eq!(clocks.differ(at, ours, true), is_far);
            let is_same_day = said.div_euclid(DAY as i64)
                == (now + midnight as i64).div_euclid(DAY as i64);
            if is_same_day || behind >= 0 {
                prop_assert_eq!(clocks.differ(at, ours, false), is_far && behind < 0);
            }
            let seen = clocks.said_at(at, ours);
            prop_assert_eq!(seen.is_none(), behind < -5 * SECOND);
            prop_assert!(seen.is_none_or(|seen| seen.0 as i64 == now - behind.max(0)));
            let any = Clocks { apart_max: Nanos::ZERO, ..clocks };
            prop_assert!(!any.differ(at, ours, true) && !any.differ(at, ours, false));
        }
    }

    #[test]
    fn what_was_said_thirteen_hours_ago_may_come_again() {
        let midnights = Midnights::new(0, []);
        let clocks = Clocks { midnights, apart_max: Nanos(5 * SECOND as u64) };
        let hour = 3_600 * SECOND as u64;
        let now = Nanos(20 * DAY + 20 * hour);
        assert!(!clocks.differ(7 * hour, now, false) && clocks.differ(7 * hour, now, true));
        assert!(clocks.differ(21 * hour, now, false), "that is still to come");
    }
    #[test]
    fn summer_time_begins_while_we_run() {
        let hour = 3_600 * SECOND as u64;
        let begins = Nanos(20 * DAY + hour);
        let midnights = Midnights::new(hour, [(begins, 2 * hour)]);
        let clocks = Clocks { midnights, apart_max: Nanos(5 * SECOND as u64) };
        let before = Nanos(begins.0 - 1);
        assert!(!clocks.differ(2 * hour - 1, before, true));
        assert!(!clocks.differ(3 * hour, begins, true) && clocks.differ(2 * hour, begins, true));
    }
}
