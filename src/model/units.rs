//! Units: newtypes over integers, so that a price is never added to a quantity.

use bytemuck::{Pod, Zeroable};

/// Implements what every unit has: plain data, ordering, display as its number.
macro_rules! unit {
    ($(#[$meta:meta])* $name:ident($inner:ty)) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(0);
            /// The largest value.
            pub const MAX: Self = Self(<$inner>::MAX);

            /// The sum, or `None` on overflow.
            #[inline]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) { Some(sum) => Some(Self(sum)), None => None }
            }

            /// The difference, or `None` on overflow.
            #[inline]
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) { Some(rest) => Some(Self(rest)), None => None }
            }

            /// The sum, held at the ends of the range.
            #[inline]
            pub const fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }

            /// The difference, held at the ends of the range.
            #[inline]
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { self.0.fmt(f) }
        }
    };
}

unit! {
    /// Nanoseconds: of log time (since the Unix epoch) or of a span, as the name beside it says.
    Nanos(u64)
}
unit! {
    /// A place in history, given by the sequencer; the first command is 1, and 0 means "none yet".
    SeqNo(u64)
}
unit! {
    /// Shares or contracts.
    Quantity(u32)
}

impl SeqNo {
    /// The place after this one.
    #[inline]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// One unit of currency, as a [`Price`] holds it: four decimals.
pub const PRICE_ONE: i64 = 10_000;

/// A price in ten-thousandths of the currency unit, as OUCH and ITCH carry it; may be negative.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Pod,
    Zeroable,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
#[repr(transparent)]
pub struct Price(pub i64);

impl Price {
    /// No price: what a market order carries before risk gives it its protection price.
    pub const ZERO: Self = Self(0);

    /// The sum, held at the ends of the range.
    #[inline]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Price times quantity; `None` on overflow.
    #[inline]
    pub const fn notional(self, quantity: Quantity) -> Option<Notional> {
        match self.0.checked_mul(quantity.0 as i64) {
            Some(product) => Some(Notional(product)),
            None => None,
        }
    }
}

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_decimal(f, self.0)
    }
}

/// Money in ten-thousandths of the currency unit: a price times a quantity, or a sum of those.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Pod,
    Zeroable,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
#[repr(transparent)]
pub struct Notional(pub i64);

impl Notional {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// More money than anybody has.
    pub const MAX: Self = Self(i64::MAX);

    /// The sum, held at the ends of the range.
    #[inline]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, held at the ends of the range.
    #[inline]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::fmt::Display for Notional {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_decimal(f, self.0)
    }
}

/// Writes ten-thousandths as a decimal number with two to four places.
fn write_decimal(f: &mut std::fmt::Formatter<'_>, value: i64) -> std::fmt::Result {
    let sign = if value < 0 { "-" } else { "" };
    let whole = value.unsigned_abs() / PRICE_ONE as u64;
    let part = value.unsigned_abs() % PRICE_ONE as u64;
    if part.is_multiple_of(100) {
        f.pad(&format!("{sign}{whole}.{:02}", part / 100))
    } else {
        f.pad(&format!("{sign}{whole}.{part:04}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_print_as_people_write_them() {
        assert_eq!(Price(1_234_500).to_string(), "123.45");
        assert_eq!(Price(-15_001).to_string(), "-1.5001");
        assert_eq!(Price(i64::MIN).to_string(), "-922337203685477.5808");
    }

    #[test]
    fn a_notional_that_does_not_fit_is_none() {
        assert_eq!(Price(2).notional(Quantity(3)), Some(Notional(6)));
        assert_eq!(Price(i64::MAX).notional(Quantity(2)), None);
    }
}
