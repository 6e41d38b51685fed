//! The circuit breaker: falls when a price has moved too far within a window, and stays out until
//! a person resumes trading.

use crate::model::{Nanos, Price};
use crate::snapshot::part;

/// Parts of the window, so that old extremes are forgotten a part at a time: the window looked at
/// is up to an eighth longer than asked.
const PARTS: usize = 8;

const BPS_ONE: i64 = 10_000;

/// The lowest and highest price of a part of the window.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    began: Nanos,
    low: Price,
    high: Price,
}
part!(Part { began, low, high });

/// One instrument's circuit breaker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Breaker {
    /// Hundredths of a percent; 0 is no breaker.
    pub(super) bps: u32,
    /// Over how long.
    pub(super) window: Nanos,
    parts: [Part; PARTS],
    at: usize,
    /// It has fallen.
    pub(super) is_out: bool,
}
part!(Breaker { bps, window, parts, at, is_out } such |breaker| breaker.at < PARTS);

impl Breaker {
    /// Takes a trade; says whether the breaker falls by it.
    pub(super) fn traded(&mut self, price: Price, now: Nanos) -> bool {
        if self.bps == 0 || self.is_out {
            return false;
        }
        self.note(price, now);
        let span = self.window.saturating_add(Nanos(self.window.0 / PARTS as u64));
        let fresh = |part: &&Part| part.high.0 > 0 && now.saturating_sub(part.began) < span;
        let too_far = |part: &Part| {
            let rose = price.0.saturating_sub(part.low.0);
            let fell = part.high.0.saturating_sub(price.0);
            let bps = i64::from(self.bps);
            rose.saturating_mul(BPS_ONE) > part.low.0.saturating_mul(bps)
                || fell.saturating_mul(BPS_ONE) > part.high.0.saturating_mul(bps)
        };
        self.is_out = self.parts.iter().filter(fresh).any(too_far);
        self.is_out
    }

    fn note(&mut self, price: Price, now: Nanos) {
        let part = self.parts[self.at];
        if part.high.0 == 0 || now.saturating_sub(part.began).0 >= self.window.0 / PARTS as u64 {
            self.at = (self.at + 1) % PARTS;
            self.parts[self.at] = Part { began: now, low: price, high: price };
            return;
        }
        let part = &mut self.parts[self.at];
        (part.low, part.high) = (part.low.min(price), part.high.max(price));
    }

    /// A person resumes: what was before counts no more.
    pub(super) fn resume(&mut self) {
        *self = Self { bps: self.bps, window: self.window, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against all trades: it falls for what moved too far within the window, and never for
        /// what did not within the window and an eighth more.
        #[test]
        fn it_falls_when_a_price_moved_too_far_within_the_window(
            trades in proptest::collection::vec((900..1_120i64, 0..400u64), 1..60),
        ) {
            let mut breaker =
                Breaker { bps: 1_000, window: Nanos(800), ..Breaker::default() };
            let (mut all, mut now): (Vec<(i64, u64)>, u64) = (Vec::new(), 10_000);
            for (price, passed) in trades {
                now += passed;
                all.push((price, now));
                let moved = |window: u64| all.iter().any(|(other, at)| {
                    now - at < window
                        && ((price - other) * 10 > *other || (other - price) * 10 > *other)
                });
                let (must, may) = (moved(800), moved(900));
                let fell = breaker.traded(Price(price), Nanos(now));
                prop_assert!(fell || !must, "{price} at {now} of {all:?}");
                prop_assert!(!fell || may, "{price} at {now} of {all:?}");
                if fell {
                    breaker.resume();
                    all.clear();
                }
            }
        }
    }
}
