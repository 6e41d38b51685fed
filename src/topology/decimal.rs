//! Money and prices as people write them in a configuration: `"150.00"`, exact, four places.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{Notional, PRICE_ONE, Price};

/// A decimal number with at most four places, in ten-thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal(pub i64);

impl Decimal {
    /// As a price.
    pub const fn price(self) -> Price {
        Price(self.0)
    }

    /// As money.
    pub const fn money(self) -> Notional {
        Notional(self.0)
    }
}

impl std::str::FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not an amount: write digits, with at most four decimals, as \"150.25\""
            )
        };
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let digits: String = digits.chars().filter(|c| *c != '_').collect();
        let (whole, part) = digits.split_once('.').unwrap_or((&digits, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || part.len() > 4 || !all_digits(whole) || !all_digits(part) {
            return Err(wrong());
        }
        let whole: i64 = whole.parse().map_err(|_| wrong())?;
        let part: i64 = format!("{part:0<4}").parse().map_err(|_| wrong())?;
        let value = whole.checked_mul(PRICE_ONE).and_then(|whole| whole.checked_add(part));
        let value = value.ok_or_else(wrong)?;
        Ok(Self(if negative { -value } else { value }))
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.price())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!("150.25".parse(), Ok(Decimal(1_502_500)));
        assert_eq!("1_000_000".parse(), Ok(Decimal(10_000_000_000)));
        assert_eq!("-0.0001".parse(), Ok(Decimal(-1)));
        for wrong in ["", ".5", "1.23456", "1,5", "abc", "--1", "99999999999999999"] {
            assert!(wrong.parse::<Decimal>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn prints_what_it_read(value in any::<i64>().prop_map(|v| v / 2)) {
            let text = Price(value).to_string();
            prop_assert_eq!(text.parse::<Decimal>(), Ok(Decimal(value)));
        }

        #[test]
        fn never_panics(text in ".*") {
            let _ = text.parse::<Decimal>();
        }
    }
}
