//! Limit up, limit down: prices an instrument may trade at, about a reference that follows the
//! mean of its trades; the limit state when orders wait at an end of them; the pause after it.

use crate::engine::risk::milliseconds;
use crate::model::{LimitKind, Nanos, Price, RejectCode};
use crate::snapshot::part;

const SECOND: u64 = 1_000_000_000;
/// The mean is over five minutes, forgotten half a minute at a time.
const PARTS: usize = 10;
const PART: Nanos = Nanos(30 * SECOND);
/// A reference stays for at least so long.
const REFERENCE_STAYS: Nanos = Nanos(30 * SECOND);
/// A new one differs by at least so much, in hundredths of a percent.
const REFERENCE_STEP_BPS: i64 = 100;
const BPS_ONE: i64 = 10_000;

/// Trades of half a minute.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    began: Nanos,
    sum: i64,
    count: i64,
}
part!(Part { began, sum, count });

/// One instrument's band.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PriceBand {
    /// Hundredths of a percent; 0 is no band.
    bps: u32,
    /// The same as a price, where that is less; 0 is none.
    width: Price,
    limit_time: Nanos,
    pub(super) pause_time: Nanos,
    reference: Price,
    since: Nanos,
    parts: [Part; PARTS],
    at: usize,
    /// Tells orders at the present ends from those at ends that were.
    mark: u8,
    /// Orders waiting at the upper and the lower end.
    waiting: [u32; 2],
    /// When the limit state began; zero: there is none.
    limit_since: Nanos,
}
part!(PriceBand {
    bps, width, limit_time, pause_time, reference, since, parts, at, mark, waiting, limit_since,
} such |band| band.at < PARTS);

impl PriceBand {
    /// Whether there is one.
    #[inline]
    pub(super) const fn is_on(&self) -> bool {
        self.bps != 0
    }

    /// Sets one of its numbers.
    pub(super) fn set(&mut self, kind: LimitKind, value: i64) -> Result<(), RejectCode> {
        match kind {
            LimitKind::PriceBand => self.bps = value.clamp(0, 9_999) as u32,
            LimitKind::PriceBandWidth => self.width = Price(value.max(0)),
            LimitKind::LimitStateTime => self.limit_time = milliseconds(value),
            LimitKind::PauseTime => self.pause_time = milliseconds(value),
            _ => return Err(RejectCode::Unsupported),
        }
        self.new_ends();
        Ok(())
    }

    /// Begins anew about a price: at the open, and after a pause's auction.
    pub(super) fn begin(&mut self, reference: Price, now: Nanos) {
        self.parts = [Part::default(); PARTS];
        (self.reference, self.since) = (reference, now);
        self.new_ends();
    }

    const fn new_ends(&mut self) {
        self.mark = if self.mark == u8::MAX { 1 } else { self.mark + 1 };
        self.waiting = [0, 0];
        self.limit_since = Nanos::ZERO;
    }

    /// The lowest and highest price, on the tick.
    pub(super) fn ends(&self, tick: Price) -> (Price, Price) {
        let tick = tick.0.max(1);
        let by_share = self.reference.0.saturating_mul(i64::from(self.bps)) / BPS_ONE;
        let span = if self.width.0 > 0 { by_share.min(self.width.0) } else { by_share };
        let low = self.reference.0.saturating_sub(span).max(1);
        let high = self.reference.0.saturating_add(span);
        (Price(low.saturating_add(tick - 1) / tick * tick), Price(high / tick * tick))
    }

    /// Tells orders at the present ends from those at ends that were.
    pub(super) const fn mark(&self) -> u8 {
        self.mark
    }

    /// Takes a trade. The reference follows the mean of five minutes, in steps, and stands still
    /// in a limit state.
    pub(super) fn traded(&mut self, price: Price, now: Nanos) {
        let at = self.parts[self.at];
        if at.count == 0 || now.saturating_sub(at.began) >= PART {
            self.at = (self.at + 1) % PARTS;
            self.parts[self.at] = Part { began: now, sum: 0, count: 0 };
        }
        let part = &mut self.parts[self.at];
        part.sum = part.sum.saturating_add(price.0);
        part.count += 1;
        if self.limit_since.0 > 0 || now.saturating_sub(self.since) < REFERENCE_STAYS {
            return;
        }
        let span = Nanos(PART.0 * PARTS as u64);
        let fresh = |part: &&Part| part.count > 0 && now.saturating_sub(part.began) < span;
        let (sum, count) =
            self.parts.iter().filter(fresh).fold((0i64, 0i64), |all, part| {
                (all.0.saturating_add(part.sum), all.1 + part.count)
            });
        let mean = sum / count.max(1);
        let moved = mean.saturating_sub(self.reference.0).saturating_abs();
        if moved.saturating_mul(BPS_ONE) >= self.reference.0.saturating_mul(REFERENCE_STEP_BPS) {
            (self.reference, self.since) = (Price(mean), now);
            self.new_ends();
        }
    }

    /// An order waits at an end; says whether a limit state begins.
    pub(super) fn waits(&mut self, mark: u8, buys: bool, now: Nanos) -> bool {
        if mark != self.mark {
            return false;
        }
        self.waiting[usize::from(!buys)] += 1;
        let begins = self.limit_since == Nanos::ZERO;
        if begins {
            self.limit_since = now;
        }
        begins
    }

    /// An order that waited at an end is gone; a limit state ends with the last.
    pub(super) fn left(&mut self, mark: u8, buys: bool) {
        if mark == self.mark {
            let waiting = &mut self.waiting[usize::from(!buys)];
            *waiting = waiting.saturating_sub(1);
            if self.waiting == [0, 0] {
                self.limit_since = Nanos::ZERO;
            }
        }
    }

    /// When the limit state becomes a pause; [`Nanos::MAX`] where there is none.
    pub(super) fn pause_at(&self) -> Nanos {
        match self.limit_since {
            Nanos::ZERO => Nanos::MAX,
            since => since.saturating_add(self.limit_time),
        }
    }

    /// The pause has begun.
    pub(super) fn pause(&mut self) {
        self.new_ends();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn band() -> PriceBand {
        let mut band = PriceBand::default();
        let set = [(LimitKind::PriceBand, 500), (LimitKind::LimitStateTime, 15_000)];
        for (kind, value) in set {
            band.set(kind, value).expect("one of its numbers");
        }
        band.begin(Price(1_000_000), Nanos(1));
        band
    }

    #[test]
    fn its_ends_are_on_the_tick_and_never_wider_than_asked() {
        let mut band = band();
        assert_eq!(band.ends(Price(100)), (Price(950_000), Price(1_050_000)));
        assert_eq!(band.ends(Price(300)), (Price(950_100), Price(1_050_000)));
        band.set(LimitKind::PriceBandWidth, 1_500).expect("one of its numbers");
        assert_eq!(band.ends(Price(100)), (Price(998_500), Price(1_001_500)));
    }

    #[test]
    fn a_limit_state_begins_with_the_first_at_an_end_and_ends_with_the_last() {
        let mut band = band();
        let mark = band.mark();
        assert_ne!(mark, 0);
        assert!(band.waits(mark, true, Nanos(5 * SECOND)));
        assert!(!band.waits(mark, true, Nanos(6 * SECOND)));
        assert_eq!(band.pause_at(), Nanos(20 * SECOND));
        band.left(mark, true);
        assert_eq!(band.pause_at(), Nanos(20 * SECOND));
        band.left(mark, true);
        assert_eq!(band.pause_at(), Nanos::MAX);
    }

    proptest! {
        /// The reference stays for half a minute, and moves by a percent at least.
        #[test]
        fn the_reference_moves_seldom_and_far(
            trades in proptest::collection::vec((950..1_050i64, 0..20u64), 1..100),
        ) {
            let (mut band, mut now) = (band(), 1);
            let (mut reference, mut since) = (band.reference, 1);
            for (price, passed) in trades {
                now += passed * SECOND;
                band.traded(Price(price * 1_000), Nanos(now));
                if band.reference != reference {
                    prop_assert!(now - since >= 30 * SECOND);
                    let moved = (band.reference.0 - reference.0).abs();
                    prop_assert!(moved * 100 >= reference.0);
                    (reference, since) = (band.reference, now);
                }
            }
        }
    }
}
