//! `Tick`: an instrument's price step, and how to divide by it without dividing.

use crate::model::Price;

/// The smallest price step of an instrument, above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    size: u64,
    /// The largest number whose product with `size` has 64 bits.
    reciprocal: u64,
}

impl Tick {
    /// Of a step above zero; of another it is 1.
    pub fn new(step: Price) -> Self {
        let size = u64::try_from(step.0).unwrap_or(1).max(1);
        Self { size, reciprocal: u64::MAX / size }
    }

    /// The step.
    #[inline]
    pub const fn size(self) -> i64 {
        self.size as i64
    }

    /// How many whole ticks a price has, and what is left. Of one below zero the ticks mean
    /// nothing, and something is left.
    #[inline]
    pub const fn split(self, price: Price) -> (i64, u64) {
        if price.0 < 0 {
            return (0, 1);
        }
        let price = price.0 as u64;
        // The estimate is the quotient or one less: the reciprocal is short by less than one, and
        // the price is below half of 2^64.
        let quotient = ((price as u128 * self.reciprocal as u128) >> 64) as u64;
        let rest = price.wrapping_sub(quotient.wrapping_mul(self.size));
        let over = rest >= self.size;
        let rest = if over { rest.wrapping_sub(self.size) } else { rest };
        (quotient as i64 + over as i64, rest)
    }
}

impl Default for Tick {
    fn default() -> Self {
        Self::new(Price(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn splits_as_division_does(
            price in prop_oneof![0..=i64::MAX, 0..10_000_000_i64, i64::MAX - 1_000..=i64::MAX],
            step in prop_oneof![1..=i64::MAX, 1..1_000_i64, Just(1), Just(i64::MAX)],
        ) {
            let (ticks, rest) = Tick::new(Price(step)).split(Price(price));
            prop_assert_eq!((ticks, rest), (price / step, (price % step) as u64));
        }
    }

    #[test]
    fn a_price_below_zero_is_on_no_tick() {
        assert_ne!(Tick::new(Price(1)).split(Price(-100)).1, 0);
        assert_eq!(Tick::new(Price(0)).size(), 1);
    }
}
