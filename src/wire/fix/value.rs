//! Values as the standard writes them: numbers, prices, times. Read strictly, written shortest.

use crate::model::{Nanos, PRICE_ONE, Price};

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400;

/// The same byte eight times.
const fn eight(byte: u8) -> u64 {
    0x0101_0101_0101_0101 * byte as u64
}

/// The highest bit of each byte.
const HIGHS: u64 = eight(0x80);
const ZEROS: u64 = eight(b'0');

/// Where in a word a byte stands first; 8 for nowhere.
#[inline]
pub(super) const fn first_in(word: u64, byte: u8) -> usize {
    let differs = word ^ eight(byte);
    let found = differs.wrapping_sub(eight(1)) & !differs & HIGHS;
    found.trailing_zeros() as usize / 8
}

/// One to eight bytes, the first lowest, zeros above; 0 for none or more.
#[inline]
pub(super) fn word_of(value: &[u8]) -> u64 {
    let four = |four: Option<&[u8; 4]>| four.map_or(0, |four| u64::from(u32::from_le_bytes(*four)));
    match value {
        [] => 0,
        [a] => u64::from(*a),
        [a, b] => u64::from(*a) | u64::from(*b) << 8,
        [a, b, c] => u64::from(*a) | u64::from(*b) << 8 | u64::from(*c) << 16,
        // The two halves overlap where there are fewer than eight.
        _ if value.len() <= 8 => {
            four(value.first_chunk()) | four(value.last_chunk()) << (8 * (value.len() - 4))
        }
        _ => 0,
    }
}

/// The digits of a word's first `length` bytes (1 to 8) as eight values, zeros before them, the
/// first lowest; `None` if there is anything but digits.
#[inline]
pub(super) fn digits_in(word: u64, length: usize) -> Option<u64> {
    let bits = 8 * length as u32;
    let right = word << (64 - bits);
    let digits = (right | ZEROS.checked_shr(bits).unwrap_or(0)) ^ ZEROS;
    ((digits.wrapping_add(eight(0x76)) | digits) & HIGHS == 0).then_some(digits)
}

/// Each digit times ten and the next: two digits in every other byte.
#[inline]
const fn pairs_of(digits: u64) -> u64 {
    digits.wrapping_mul(10).wrapping_add(digits >> 8)
}

/// What eight digits come to.
#[inline]
pub(super) const fn number_of(digits: u64) -> u64 {
    let pairs = pairs_of(digits);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    low.wrapping_add(high) >> 32
}

/// Whether all is digits, at least one.
#[inline]
pub fn is_digits(value: &[u8]) -> bool {
    match value.len() {
        0 => false,
        1..=8 => digits_in(word_of(value), value.len()).is_some(),
        _ => value.iter().all(u8::is_ascii_digit),
    }
}

/// Whether it is a whole number, perhaps negative.
#[inline]
pub fn is_int(value: &[u8]) -> bool {
    is_digits(value.strip_prefix(b"-").unwrap_or(value))
}

/// Whether it is a decimal number: digits, at most one point, perhaps a minus; no plus, no blank.
#[inline]
pub fn is_decimal(value: &[u8]) -> bool {
    if (1..=8).contains(&value.len())
        && let Some((digits, _)) = without_point(word_of(value), value.len())
        && digits.is_some()
    {
        return true;
    }
    is_decimal_slowly(value)
}

fn is_decimal_slowly(value: &[u8]) -> bool {
    let (mut digits, mut points) = (0, 0);
    for &byte in value.strip_prefix(b"-").unwrap_or(value) {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' => points += 1,
            _ => return false,
        }
    }
    digits > 0 && points <= 1
}

/// The digits of a word without its first point, and how many stand behind that; `None` where
/// nothing but a point is left.
#[inline]
fn without_point(word: u64, length: usize) -> Option<(Option<u64>, usize)> {
    const LOWS: u64 = !HIGHS;
    let differs = word ^ eight(b'.');
    // Exact for each byte: what is no point has a bit set here.
    let points = !(((differs & LOWS) + LOWS) | differs | LOWS);
    if points == 0 {
        return Some((digits_in(word, length), 0));
    }
    let at = points.trailing_zeros() & !7;
    let before = (1u64 << at) - 1;
    let joined = (word & before) | (word >> 8 & !before);
    let places = (length - 1).checked_sub(at as usize / 8)?;
    (length > 1).then(|| (digits_in(joined, length - 1), places))
}

/// A whole number that is not negative; `None` for anything else or more than 18 digits.
#[inline]
pub fn number(value: &[u8]) -> Option<u64> {
    match value.len() {
        0 | 19.. => None,
        1..=8 => digits_in(word_of(value), value.len()).map(number_of),
        _ => number_slowly(value),
    }
}

fn number_slowly(value: &[u8]) -> Option<u64> {
    let mut sum = 0;
    for &byte in value {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum = sum * 10 + u64::from(digit);
    }
    Some(sum)
}

/// A decimal number in ten-thousandths; `None` where it has more places, unless they are zeros,
/// or is out of range.
#[inline]
pub fn decimal(value: &[u8]) -> Option<i64> {
    if (1..=8).contains(&value.len())
        && let Some((Some(digits), places @ 0..=4)) = without_point(word_of(value), value.len())
    {
        let scale = [10_000, 1_000, 100, 10, 1].get(places).copied()?;
        return Some(number_of(digits) as i64 * scale);
    }
    decimal_slowly(value)
}

fn decimal_slowly(value: &[u8]) -> Option<i64> {
    let (negative, digits) = match value {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let (mut sum, mut places, mut any) = (0i64, None, false);
    for &byte in digits {
        match (byte, places) {
            (b'0'..=b'9', None | Some(0..4)) => {
                sum = sum.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
                places = places.map(|count| count + 1);
                any = true;
            }
            (b'0', Some(_)) => {}
            (b'.', None) => places = Some(0),
            _ => return None,
        }
    }
    let scale = [10_000, 1_000, 100, 10, 1].get(places.unwrap_or(0)).copied()?;
    let sum = sum.checked_mul(scale)?;
    any.then_some(if negative { -sum } else { sum })
}

/// A price; `None` where it has more than four places or is out of range.
#[inline]
pub fn price(value: &[u8]) -> Option<Price> {
    decimal(value).map(Price)
}

/// A whole quantity, perhaps written with zeros behind a point.
#[inline]
pub fn quantity(value: &[u8]) -> Option<u32> {
    let sum = match number(value) {
        Some(sum) => sum,
        None => {
            let scaled = decimal(value).filter(|scaled| *scaled >= 0)?;
            let whole = scaled as u64 / PRICE_ONE as u64;
            if whole * PRICE_ONE as u64 != scaled as u64 {
                return None;
            }
            whole
        }
    };
    u32::try_from(sum).ok()
}

/// Year, month and day of `YYYYMMDD`, if there is such a day.
#[inline]
fn calendar_day(value: &[u8]) -> Option<(u32, u32, u32)> {
    let value: &[u8; 8] = value.try_into().ok()?;
    let [century, _, year, _, month, _, day, _] =
        pairs_of(digits_in(u64::from_le_bytes(*value), 8)?).to_le_bytes().map(u32::from);
    let year = century * 100 + year;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    (1..=longest).contains(&day).then_some((year, month, day))
}

/// `YYYYMMDD` as days since 1970-01-01.
#[inline]
pub fn date(value: &[u8]) -> Option<i64> {
    let (year, month, day) = calendar_day(value)?;
    Some(days_of(year.into(), month.into(), day.into()))
}

/// Whether it is a day of the calendar.
#[inline]
pub fn is_date(value: &[u8]) -> bool {
    calendar_day(value).is_some()
}

/// `HH:MM:SS` with or without up to twelve places, in nanoseconds since midnight.
#[inline]
pub fn time_of_day(value: &[u8]) -> Option<u64> {
    let (clock, places) = value.split_first_chunk::<8>()?;
    // Colons become zeros, anything else in their place no digit.
    const COLONS: u64 = 0x0000_0a00_000a_0000;
    const PLACES: u64 = 0x0000_ff00_00ff_0000;
    let word = u64::from_le_bytes(*clock) ^ COLONS;
    if word & PLACES != ZEROS & PLACES {
        return None;
    }
    let [hour, _, _, minute, _, _, second, _] =
        pairs_of(digits_in(word, 8)?).to_le_bytes().map(u32::from);
    // The sixtieth second is a leap second.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let whole = u64::from(hour * 3600 + minute * 60 + second) * SECOND;
    match places {
        [] => Some(whole),
        [b'.', a, b, c] => {
            let millis = digits_in(word_of(&[*a, *b, *c]), 3).map(number_of)?;
            Some(whole + millis * 1_000_000)
        }
        [b'.', places @ ..] if is_digits(places) && places.len() <= 12 => {
            let taken = places.get(..9).unwrap_or(places);
            let fraction = number(taken)? * 10u64.pow(9 - taken.len() as u32);
            Some(whole + fraction)
        }
        _ => None,
    }
}

/// The day and the time of `YYYYMMDD-…`.
#[inline]
fn day_and_time(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let (day, rest) = value.split_first_chunk::<8>()?;
    Some((day, rest.strip_prefix(b"-")?))
}

/// `YYYYMMDD-HH:MM:SS` with or without a fraction; times before 1970 are 1970.
#[inline]
pub fn timestamp(value: &[u8]) -> Option<Nanos> {
    let (day, time) = day_and_time(value)?;
    let (days, time) = (date(day)?, time_of_day(time)?);
    let seconds = u64::try_from(days).unwrap_or(0).saturating_mul(DAY);
    Some(Nanos(seconds.saturating_mul(SECOND).saturating_add(time)))
}

/// Whether it is a timestamp.
#[inline]
pub fn is_timestamp(value: &[u8]) -> bool {
    day_and_time(value).is_some_and(|(day, time)| is_date(day) && time_of_day(time).is_some())
}

/// `YYYYMM`, `YYYYMMDD` or `YYYYMMwN`.
pub fn is_month(value: &[u8]) -> bool {
    // A month is good if its first day is.
    let first = |month: &[u8]| date(&[month, b"01"].concat()).is_some();
    match value {
        [month @ .., b'w', b'1'..=b'5'] if month.len() == 6 => first(month),
        month if month.len() == 6 => first(month),
        _ => date(value).is_some(),
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
///
/// Years begin in March, so that the leap day is the last of its year (Hinnant).
#[inline]
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of days since 1970-01-01.
#[inline]
fn date_of(days: u32) -> (u32, u32, u32) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u32::from(month <= 2), month, day)
}

/// How finely times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// No fraction.
    Seconds,
    /// Three places: what every version allows.
    #[default]
    Millis,
    /// Six places.
    Micros,
    /// Nine places.
    Nanos,
}

impl Precision {
    /// Places behind the point.
    const fn places(self) -> usize {
        match self {
            Precision::Seconds => 0,
            Precision::Millis => 3,
            Precision::Micros => 6,
            Precision::Nanos => 9,
        }
    }

    /// Bytes of a timestamp.
    const fn length(self) -> usize {
        match self.places() {
            0 => 17,
            places => 18 + places,
        }
    }
}

/// Room for the longest timestamp, and some.
pub const TIMESTAMP_MAX: usize = 32;

/// A timestamp's bytes, zeros behind them, and how many there are.
#[inline]
pub fn written_timestamp(time: Nanos, precision: Precision) -> ([u8; TIMESTAMP_MAX], usize) {
    let mut text = [0; TIMESTAMP_MAX];
    let (seconds, nanos) = (time.0 / SECOND, (time.0 % SECOND) as u32);
    let (year, month, day) = date_of((seconds / DAY) as u32);
    let of_day = (seconds % DAY) as u32;
    put_two(&mut text, 0, year / 100);
    put_two(&mut text, 2, year % 100);
    put_two(&mut text, 4, month);
    put_two(&mut text, 6, day);
    text[8] = b'-';
    put_two(&mut text, 9, of_day / 3600);
    text[11] = b':';
    put_two(&mut text, 12, of_day / 60 % 60);
    text[14] = b':';
    put_two(&mut text, 15, of_day % 60);
    let places = precision.places();
    if places > 0 {
        text[17] = b'.';
        let millis = nanos / 1_000_000;
        text[18] = b'0' + (millis / 100) as u8;
        put_two(&mut text, 19, millis % 100);
    }
    if places > 3 {
        let micros = nanos / 1_000 % 1_000;
        text[21] = b'0' + (micros / 100) as u8;
        put_two(&mut text, 22, micros % 100);
    }
    if places > 6 {
        let rest = nanos % 1_000;
        text[24] = b'0' + (rest / 100) as u8;
        put_two(&mut text, 25, rest % 100);
    }
    (text, precision.length())
}

#[inline(always)]
fn put_two(text: &mut [u8; TIMESTAMP_MAX], at: usize, value: u32) {
    (text[at], text[at + 1]) = (b'0' + (value / 10) as u8, b'0' + (value % 10) as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_read_strictly() {
        assert_eq!(decimal(b"150.25"), Some(1_502_500));
        assert_eq!(decimal(b"-.5"), Some(-5_000));
        assert_eq!(decimal(b"1."), Some(10_000));
        assert_eq!(decimal(b"1.23450"), Some(12_345));
        for wrong in ["", ".", "-", "+1", "1.23456", "1e3", "1.2.3", " 1", "9999999999999999"] {
            assert_eq!(decimal(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!((quantity(b"002000.00"), quantity(b"100")), (Some(2_000), Some(100)));
        assert_eq!(
            (quantity(b"0.5"), quantity(b"-1"), quantity(b"5000000000")),
            (None, None, None)
        );
    }

    #[test]
    fn times_are_read_strictly() {
        let at = |text: &str| timestamp(text.as_bytes());
        assert_eq!(at("19700101-00:00:01"), Some(Nanos(SECOND)));
        assert_eq!(at("20261122-10:11:12.345"), Some(Nanos(1_795_342_272_345_000_000)));
        assert_eq!(at("20261122-10:11:12.123456789012").map(|t| t.0 % SECOND), Some(123_456_789));
        assert!(at("20240229-23:59:60").is_some());
        for wrong in [
            "20230229-00:00:00",
            "20261122 10:11:12",
            "20261122-24:00:00",
            "20261122-10:60:00",
            "20261122-10:00:61",
            "20261122-10:00:00.",
            "20261122-10:00:00.1x",
            "20261322-10:00:00",
            "20040415",
            "",
        ] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
        assert!(is_month(b"202611") && is_month(b"202611w3") && is_month(b"20261122"));
        assert!(!is_month(b"202613") && !is_month(b"202611w9") && !is_month(b"2026"));
    }

    proptest! {
        #[test]
        fn a_written_time_is_read_again(nanos in 0u64..8_000_000_000 * SECOND) {
            for precision in
                [Precision::Seconds, Precision::Millis, Precision::Micros, Precision::Nanos]
            {
                let unit = 10u64.pow(9 - precision.places() as u32);
                let (text, length) = written_timestamp(Nanos(nanos), precision);
                prop_assert_eq!(timestamp(&text[..length]), Some(Nanos(nanos / unit * unit)));
            }
        }

        #[test]
        fn the_checks_and_the_readers_agree(text in "[-+.0-9a]{0,12}") {
            let value = text.as_bytes();
            if decimal(value).is_some() || number(value).is_some() {
                prop_assert!(is_decimal(value));
            }
            prop_assert_eq!(number(value).is_some(), is_digits(value));
            if text.len() < 6 && is_decimal(value) {
                let expected: f64 = text.parse().expect("a float too");
                let scaled = (expected * 10_000.0).round() as i64;
                prop_assert!(decimal(value).is_none_or(|found| found == scaled));
            }
        }
    }
}
