//! Sums of money that never overflow and never round: ten-thousandths in 128 bits.

use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use crate::model::{PRICE_ONE, Price, Quantity};

/// Money in ten-thousandths of the currency unit, exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(pub i128);

impl Money {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// Price times quantity; the product always fits.
    pub const fn of(price: Price, quantity: Quantity) -> Self {
        Self(price.0 as i128 * quantity.0 as i128)
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Add::add)
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let one = PRICE_ONE.unsigned_abs() as u128;
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, part) = (self.0.unsigned_abs() / one, self.0.unsigned_abs() % one);
        if part.is_multiple_of(100) {
            f.pad(&format!("{sign}{whole}.{:02}", part / 100))
        } else {
            f.pad(&format!("{sign}{whole}.{part:04}"))
        }
    }
}

/// Why a text is no money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no amount: write digits, with at most four decimals, as 150.25")]
pub struct NoMoney(String);

impl std::str::FromStr for Money {
    type Err = NoMoney;

    fn from_str(text: &str) -> Result<Self, NoMoney> {
        let wrong = || NoMoney(text.to_owned());
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_short = whole.len() <= 30 && part.len() <= 4;
        if whole.is_empty() || !is_short || !is_number(whole) || !is_number(part) {
            return Err(wrong());
        }
        let whole: i128 = whole.parse().map_err(|_| wrong())?;
        let part: i128 = format!("{part:0<4}").parse().map_err(|_| wrong())?;
        Ok(Self(sign * (whole * i128::from(PRICE_ONE) + part)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_prints_as_prices_do_and_holds_any_product() {
        for price in [1_234_500, -15_001, 0, i64::MIN] {
            assert_eq!(Money(price.into()).to_string(), Price(price).to_string());
        }
        for money in [Money(0), Money(-15_001), Money(1_234_500), Money(i128::from(i64::MIN) * 9)] {
            assert_eq!(money.to_string().parse(), Ok(money));
        }
        for wrong in ["", "-", ".5", "1.23456", "1,5", "1e3", "--1", "٣"] {
            assert!(wrong.parse::<Money>().is_err(), "{wrong}");
        }
        let most = Money::of(Price(i64::MIN), Quantity(u32::MAX));
        assert_eq!(most.to_string(), "-3961408124790879675991719.9360");
    }
}
