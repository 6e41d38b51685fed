//! The market-wide halt: an index has fallen too far since the close before.
//!
//! The first two levels pause all trading, each once a day; the third halts it for the day.

use crate::engine::risk::milliseconds;
use crate::model::{LimitKind, Nanos, Price, RejectCode};
use crate::snapshot::part;

/// Levels there are.
const LEVELS: usize = 3;
const BPS_ONE: i64 = 10_000;

/// What a fall of the index asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// Everything pauses for so long, and reopens with auctions.
    Pause(Nanos),
    /// Everything halts until the next day.
    Day,
}

/// The index and the levels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Market {
    falls_bps: [u32; LEVELS],
    pause: Nanos,
    close: Price,
    index: Price,
    /// The highest level reached today.
    reached: usize,
    /// Halted for the day.
    pub(super) is_halted: bool,
}
part!(Market { falls_bps, pause, close, index, reached, is_halted } such |m| m.reached <= LEVELS);

impl Market {
    /// Sets one of its numbers; `level` counts from 1.
    pub(super) fn set(
        &mut self,
        kind: LimitKind,
        level: u32,
        value: i64,
    ) -> Result<(), RejectCode> {
        match kind {
            LimitKind::MarketFall => {
                let place = (level as usize).checked_sub(1);
                let place = place.and_then(|at| self.falls_bps.get_mut(at));
                *place.ok_or(RejectCode::Unsupported)? = value.clamp(0, 9_999) as u32;
            }
            LimitKind::MarketPause => self.pause = milliseconds(value),
            _ => return Err(RejectCode::Unsupported),
        }
        Ok(())
    }

    /// The index stands at `price` now; what that asks for, each level once.
    pub(super) fn moved(&mut self, price: Price) -> Option<Halt> {
        self.index = price;
        if self.close.0 <= 0 {
            self.close = price;
        }
        let fell = self.close.0.saturating_sub(price.0).saturating_mul(BPS_ONE);
        let is_reached =
            |bps: &u32| *bps != 0 && fell >= self.close.0.saturating_mul(i64::from(*bps));
        let level = self.falls_bps.iter().rposition(is_reached)? + 1;
        if level <= self.reached {
            return None;
        }
        self.reached = level;
        if level == LEVELS {
            self.is_halted = true;
            return Some(Halt::Day);
        }
        // Without a pause this late in the day only the last level counts.
        (self.pause.0 > 0).then_some(Halt::Pause(self.pause))
    }

    /// A new day: falls are measured from where the index stands.
    pub(super) const fn begin_day(&mut self) {
        (self.reached, self.is_halted) = (0, false);
        self.close = self.index;
    }

    /// A person resumes.
    pub(super) const fn resume(&mut self) {
        self.is_halted = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_halts_once_a_day() {
        let mut market = Market::default();
        for (level, bps) in [(1, 700), (2, 1_300), (3, 2_000)] {
            market.set(LimitKind::MarketFall, level, bps).expect("a level");
        }
        market.set(LimitKind::MarketPause, 0, 900_000).expect("a span");
        let pause = Some(Halt::Pause(Nanos(900_000_000_000)));
        let index = [
            (10_000, None),
            (9_301, None),
            (9_300, pause),
            (9_200, None),
            (9_500, None),
            (9_299, None),
            (8_700, pause),
            (8_001, None),
            (8_000, Some(Halt::Day)),
            (7_000, None),
        ];
        for (price, expected) in index {
            assert_eq!(market.moved(Price(price)), expected, "at {price}");
        }
        assert!(market.is_halted);
        market.begin_day();
        assert!(!market.is_halted);
        assert_eq!(market.moved(Price(6_511)), None);
        assert_eq!(market.moved(Price(6_510)), pause);
    }
}
