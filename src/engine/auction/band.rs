//! `Band`: how far from where a window of time began an instrument may trade, and the auction that
//! follows when somebody would go further.

use crate::engine::auction::Timing;
use crate::model::{Command, Nanos, Phase, Price};

const BPS_ONE: i64 = 10_000;

const MILLISECOND: u64 = 1_000_000;

/// The band of one instrument; see `CommandKind::SetBand`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Band {
    /// Hundredths of a percent to each side of the anchor; 0 is no band.
    pub(in crate::engine) bps: u32,
    /// How long the auction lasts that a break begins.
    pub(in crate::engine) pause_ms: u32,
    /// How long an anchor holds.
    pub(in crate::engine) window_ms: u32,
    /// Hides how much longer than `pause_ms` the auction lasts.
    pub(in crate::engine) seed: u64,
    /// The price that trades are measured from.
    pub(in crate::engine) anchor: Price,
    /// When it became that.
    pub(in crate::engine) since: Nanos,
}

impl Band {
    /// No band.
    pub(in crate::engine) const NONE: Self = Self {
        bps: 0,
        pause_ms: 0,
        window_ms: 0,
        seed: 0,
        anchor: Price::ZERO,
        since: Nanos::ZERO,
    };

    /// What a command sets, about the price that the instrument stands at.
    pub(in crate::engine) const fn of(command: &Command, anchor: Price) -> Self {
        Self {
            bps: command.quantity.0,
            pause_ms: command.target,
            window_ms: command.ordinal,
            seed: command.price.0 as u64,
            anchor,
            since: command.timestamp,
        }
    }

    /// Whether there is one.
    pub(in crate::engine) const fn is_on(&self) -> bool {
        self.bps != 0
    }

    /// Measures from the last trade, or an auction's, from now on.
    pub(in crate::engine) const fn anchor_at(&mut self, price: Price, now: Nanos) {
        (self.anchor, self.since) = (price, now);
    }

    /// Measures from the last trade once a window is over; within one command nothing moves.
    pub(in crate::engine) const fn renew(&mut self, last: Price, now: Nanos) {
        let window = self.window_ms as u64 * MILLISECOND;
        if now.0 > self.since.0.saturating_add(window) {
            self.anchor_at(last, now);
        }
    }

    /// Whether a trade at this price is within the band.
    #[inline]
    pub(in crate::engine) const fn holds(&self, price: Price) -> bool {
        let span = self.anchor.0.saturating_mul(self.bps as i64) / BPS_ONE;
        self.bps == 0 || price.0.saturating_sub(self.anchor.0).saturating_abs() <= span
    }

    /// The auction that follows a break: up to a tenth longer than it must be.
    pub(in crate::engine) fn pause(&self, now: Nanos) -> Timing {
        let (least, more) = (u64::from(self.pause_ms), u64::from(self.pause_ms / 10));
        Timing::window(now, least, more, self.seed ^ now.0, Phase::Continuous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommandKind, Quantity};

    fn band() -> Band {
        let command = Command {
            quantity: Quantity(500),
            target: 10_000,
            ordinal: 30_000,
            timestamp: Nanos(7),
            ..Command::new(CommandKind::SetBand)
        };
        Band::of(&command, Price(1_000_000))
    }

    #[test]
    fn it_is_as_wide_as_it_says_to_both_sides() {
        let band = band();
        assert!(band.holds(Price(1_050_000)) && band.holds(Price(950_000)));
        assert!(!band.holds(Price(1_050_001)) && !band.holds(Price(949_999)));
        assert!(Band::NONE.holds(Price(i64::MAX)));
    }

    #[test]
    fn its_anchor_moves_when_its_window_is_over() {
        let mut band = band();
        band.renew(Price(1_040_000), Nanos(7 + 30_000 * MILLISECOND));
        assert_eq!(band.anchor, Price(1_000_000));
        band.renew(Price(1_040_000), Nanos(8 + 30_000 * MILLISECOND));
        assert_eq!(band.anchor, Price(1_040_000));
    }

    #[test]
    fn a_pause_lasts_as_long_as_it_says_and_up_to_a_tenth_more() {
        for now in 0..200 {
            let pause = band().pause(Nanos(now)).ends_at.0 - now;
            let least = 10_000 * MILLISECOND;
            assert!((least..=least + least / 10).contains(&pause), "{pause}");
        }
    }
}
