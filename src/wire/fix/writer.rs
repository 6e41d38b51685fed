//! Writes a message into a buffer: fields first, then the head before them and the checksum behind.
//!
//! BodyLength is known only at the end, so the body starts behind room for the longest head.

use crate::model::{Nanos, Price};
use crate::wire::fix::scan::SOH;
use crate::wire::fix::value::{Precision, written_timestamp};

/// Room kept before the body: `8=FIXT.1.1|9=12345|` and some.
pub const HEAD_ROOM: usize = 32;

/// The fields of one message, being written. What does not fit is noticed at the end.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    at: usize,
    /// The sum of what was written, added up from registers: reading it back would wait for stores.
    sum: u8,
    full: bool,
}

impl<'a> Writer<'a> {
    /// Writes into `buffer`, which bounds the message.
    #[inline]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        let full = buffer.len() < HEAD_ROOM;
        Self { buffer, at: HEAD_ROOM, sum: 0, full }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.at..self.at + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.at += bytes.len();
                self.sum = bytes.iter().fold(self.sum, |sum, &byte| sum.wrapping_add(byte));
            }
            None => self.full = true,
        }
    }

    /// Begins a short field where it goes; near the end of the buffer there is no room for it.
    ///
    /// All of it is inlined, so that the writer stays in registers and no field waits for the
    /// stores of the one before.
    #[inline(always)]
    fn short(&mut self, tag: u32) -> Option<Short<'_>> {
        let rest = self.buffer.get_mut(self.at..);
        let Some(place) = rest.and_then(|rest| rest.first_chunk_mut::<SHORT_MAX>()) else {
            self.full = true;
            return None;
        };
        let mut short = Short { place, at: 0, sum: 0 };
        let (name, length) = written_tag(tag);
        short.put(&name, length);
        Some(short)
    }

    /// Takes what a short field came to.
    #[inline(always)]
    fn end(&mut self, (length, sum): (usize, u8)) {
        self.at += length;
        self.sum = self.sum.wrapping_add(sum);
    }

    /// A field of a text padded with zeros, of which `length` bytes count.
    #[inline(always)]
    pub fn padded<const N: usize>(&mut self, tag: u32, text: &[u8; N], length: usize) {
        let Some(mut short) = self.short(tag) else { return };
        short.put(text, length);
        let ended = short.end();
        self.end(ended);
    }

    /// `tag=`.
    #[inline(always)]
    fn tag(&mut self, tag: u32) {
        let (text, length) = written_tag(tag);
        self.put(text.get(..length).unwrap_or(&[]));
    }

    /// A field of any bytes; a separator in them ends the value there.
    #[inline]
    pub fn bytes(&mut self, tag: u32, value: &[u8]) {
        self.tag(tag);
        self.put(value);
        self.put(&[SOH]);
    }

    /// A field whose text comes from people: separators become blanks.
    pub fn text(&mut self, tag: u32, value: &str) {
        self.tag(tag);
        let start = self.at;
        self.put(value.as_bytes());
        for byte in self.buffer.get_mut(start..self.at).unwrap_or(&mut []) {
            if *byte == SOH {
                *byte = b' ';
                self.sum = self.sum.wrapping_add(b' ' - SOH);
            }
        }
        self.put(&[SOH]);
    }

    /// A field of one byte.
    #[inline(always)]
    pub fn byte(&mut self, tag: u32, value: u8) {
        let Some(mut short) = self.short(tag) else { return };
        short.put(&[value], 1);
        let ended = short.end();
        self.end(ended);
    }

    /// `Y` or `N`.
    #[inline]
    pub fn flag(&mut self, tag: u32, value: bool) {
        self.byte(tag, if value { b'Y' } else { b'N' });
    }

    /// A whole number.
    #[inline(always)]
    pub fn number(&mut self, tag: u32, value: u64) {
        let Some(mut short) = self.short(tag) else { return };
        short.number(value);
        let ended = short.end();
        self.end(ended);
    }

    /// A price, with as many places as it needs.
    #[inline(always)]
    pub fn price(&mut self, tag: u32, value: Price) {
        self.decimal(tag, value.0);
    }

    /// A decimal number in ten-thousandths, with as many places as it needs.
    #[inline(always)]
    pub fn decimal(&mut self, tag: u32, value: i64) {
        let Some(mut short) = self.short(tag) else { return };
        short.decimal(value);
        let ended = short.end();
        self.end(ended);
    }

    /// A timestamp.
    #[inline(always)]
    pub fn time(&mut self, tag: u32, time: Nanos, precision: Precision) {
        let (text, length) = written_timestamp(time, precision);
        let Some(mut short) = self.short(tag) else { return };
        short.put(&text, length);
        let ended = short.end();
        self.end(ended);
    }

    /// Data of any bytes, behind the field that says how many.
    pub fn data(&mut self, length_tag: u32, tag: u32, value: &[u8]) {
        self.number(length_tag, value.len() as u64);
        self.bytes(tag, value);
    }

    /// Fields that are written already, each with its separator.
    #[inline]
    pub fn raw(&mut self, fields: &[u8]) {
        self.put(fields);
    }

    /// Where the next field goes; what was written can be cut out by it.
    pub fn position(&self) -> usize {
        self.at
    }

    /// What was written from `position` on.
    pub fn written(&self, position: usize) -> &[u8] {
        self.buffer.get(position..self.at).unwrap_or(&[])
    }

    /// Puts BeginString and BodyLength before the fields and the checksum behind; says where the
    /// message stands in the buffer. `None` when it did not fit.
    #[inline]
    pub fn seal(mut self, begin_string: &str) -> Option<std::ops::Range<usize>> {
        let length = self.at - HEAD_ROOM;
        let mut head = [0; HEAD_ROOM + SHORT_MAX];
        let mut front = Writer { buffer: &mut head, at: 0, sum: self.sum, full: false };
        front.bytes(8, begin_string.as_bytes());
        front.number(9, length as u64);
        if front.full {
            return None;
        }
        let (front, sum) = (front.at, front.sum);
        let start = HEAD_ROOM - front;
        self.buffer.get_mut(start..HEAD_ROOM)?.copy_from_slice(head.get(..front)?);
        let digits = [b'0' + sum / 100, b'0' + sum / 10 % 10, b'0' + sum % 10];
        self.put(&[b'1', b'0', b'=', digits[0], digits[1], digits[2], SOH]);
        (!self.full).then_some(start..self.at)
    }
}

/// The longest short field: tag, the longest number or time, and room to write too much.
const SHORT_MAX: usize = 64;

/// A short field on its way.
struct Short<'a> {
    place: &'a mut [u8; SHORT_MAX],
    at: usize,
    sum: u8,
}

impl Short<'_> {
    /// Its length and its sum, with the separator behind.
    #[inline(always)]
    fn end(mut self) -> (usize, u8) {
        self.put(&[SOH], 1);
        (self.at, self.sum)
    }

    /// A text padded with zeros, of which so many bytes count: one store.
    #[inline(always)]
    fn put<const N: usize>(&mut self, text: &[u8; N], length: usize) {
        if let Some(place) = self.place.get_mut(self.at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = *text;
            self.at += length;
            self.sum = self.sum.wrapping_add(sum_of(text));
        }
    }

    #[inline(always)]
    fn number(&mut self, value: u64) {
        const EIGHT: u64 = 100_000_000;
        if value < EIGHT {
            let (text, length) = written_number(value);
            self.put(&text, length);
        } else {
            self.long_number(value / EIGHT, value % EIGHT);
        }
    }

    /// A number of more than eight digits: its last eight and what is above.
    #[inline(always)]
    fn long_number(&mut self, high: u64, low: u64) {
        const EIGHT: u64 = 100_000_000;
        if high < EIGHT {
            let (text, length) = written_number(high);
            self.put(&text, length);
        } else {
            let (text, length) = written_number(high / EIGHT);
            self.put(&text, length);
            self.put(&eight_digits(high % EIGHT), 8);
        }
        self.put(&eight_digits(low), 8);
    }

    #[inline(always)]
    fn decimal(&mut self, value: i64) {
        let magnitude = value.unsigned_abs();
        let (whole, part) = (magnitude / 10_000, magnitude % 10_000);
        if value < 0 {
            self.put(b"-", 1);
        }
        self.number(whole);
        if part != 0 {
            // `0000dddd`: the last four are the places, and zeros at their end are left out.
            let [.., a, b, c, d] = eight_digits(part);
            let places = u32::from_le_bytes([a, b, c, d]);
            let zeros = (places ^ u32::from_le_bytes([b'0'; 4])).leading_zeros() as usize / 8;
            let keep = u64::MAX >> (8 * (3 + zeros));
            let text = u64::from_le_bytes([b'.', a, b, c, d, 0, 0, 0]) & keep;
            self.put(&text.to_le_bytes(), 5 - zeros);
        }
    }
}

/// The sum of all bytes, modulo 256.
#[inline(always)]
fn sum_of<const N: usize>(text: &[u8; N]) -> u8 {
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    let (words, rest) = text.as_chunks::<8>();
    let lanes = words.iter().fold(0u64, |sum, word| {
        let word = u64::from_le_bytes(*word);
        sum.wrapping_add(word & EVEN).wrapping_add(word >> 8 & EVEN)
    });
    let sum = (lanes.wrapping_mul(0x0001_0001_0001_0001) >> 48) as u8;
    rest.iter().fold(sum, |sum, &byte| sum.wrapping_add(byte))
}

/// Eight digits of a number below a hundred million: halves, then pairs, then digits, all lanes
/// at once.
#[inline]
fn eight_digits(value: u64) -> [u8; 8] {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = (fours.wrapping_mul(5243) >> 19) & 0x0000_007f_0000_007f;
    let twos = hundreds | fours.wrapping_sub(hundreds.wrapping_mul(100)) << 16;
    let tens = (twos.wrapping_mul(103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | twos.wrapping_sub(tens.wrapping_mul(10)) << 8;
    (ones | u64::from_le_bytes([b'0'; 8])).to_le_bytes()
}

/// A number below a hundred million, and how many digits it has.
///
/// How many is found by branches: they are foreseen, and the next field waits for nothing.
#[inline(always)]
fn written_number(value: u64) -> ([u8; 8], usize) {
    let digits = u64::from_le_bytes(eight_digits(value));
    let left = |length: usize| ((digits >> (64 - 8 * length)).to_le_bytes(), length);
    match value {
        0..10 => left(1),
        10..100 => left(2),
        100..1_000 => left(3),
        1_000..10_000 => left(4),
        10_000..100_000 => left(5),
        100_000..1_000_000 => left(6),
        1_000_000..10_000_000 => left(7),
        _ => left(8),
    }
}

/// `tag=` as eight bytes and how many of them count; made at compile time for a known tag.
#[inline(always)]
const fn written_tag(tag: u32) -> ([u8; 8], usize) {
    const fn digit(tag: u32, unit: u32) -> u8 {
        b'0' + (tag / unit % 10) as u8
    }
    match tag {
        0..10 => ([digit(tag, 1), b'=', 0, 0, 0, 0, 0, 0], 2),
        10..100 => ([digit(tag, 10), digit(tag, 1), b'=', 0, 0, 0, 0, 0], 3),
        100..1000 => ([digit(tag, 100), digit(tag, 10), digit(tag, 1), b'=', 0, 0, 0, 0], 4),
        1000..10_000 => {
            let first = digit(tag, 1000);
            ([first, digit(tag, 100), digit(tag, 10), digit(tag, 1), b'=', 0, 0, 0], 5)
        }
        _ => {
            let (first, second) = (digit(tag, 10_000), digit(tag, 1000));
            ([first, second, digit(tag, 100), digit(tag, 10), digit(tag, 1), b'=', 0, 0], 6)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::fix::dictionary::Version;
    use crate::wire::fix::frame::{Framing, frame};
    use crate::wire::fix::message::Indexer;
    use crate::wire::fix::shared::message;

    fn sealed(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut buffer = [0; 8192];
        let mut writer = Writer::new(&mut buffer);
        write(&mut writer);
        let range = writer.seal("FIX.4.4").expect("it fits");
        buffer[range].to_vec()
    }

    #[test]
    fn every_kind_of_field_is_written_as_the_standard_says() {
        let written = sealed(|writer| {
            writer.bytes(35, b"8");
            writer.number(34, 7);
            writer.decimal(44, 1_502_500);
            writer.decimal(31, -5);
            writer.decimal(6, 0);
            writer.decimal(99, i64::MIN);
            writer.flag(43, true);
            writer.time(52, Nanos(1_795_342_272_345_678_901), Precision::Micros);
            writer.text(58, "a\u{1}b");
            writer.data(95, 96, b"\x01");
            writer.number(50_002, u64::MAX);
        });
        let expected = message(
            "FIX.4.4",
            "35=8|34=7|44=150.25|31=-0.0005|6=0|99=-922337203685477.5808|43=Y|\
             52=20261122-10:11:12.345678|58=a b|95=1|96=||50002=18446744073709551615|",
        );
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&expected));
    }

    #[test]
    fn what_does_not_fit_is_no_message() {
        for room in 0..60 {
            let mut buffer = vec![0; room];
            let mut writer = Writer::new(&mut buffer);
            writer.bytes(35, b"0");
            writer.bytes(58, b"a text of some length");
            assert_eq!(writer.seal("FIX.4.4"), None, "{room}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(fields in vec((1u32..60_000, "[ -{}~]{1,30}"), 0..40)) {
            let fields: Vec<_> = fields.into_iter().filter(|field| field.0 != 35).collect();
            let written = sealed(|writer| {
                writer.bytes(35, b"D");
                for (tag, value) in &fields {
                    writer.bytes(*tag, value.as_bytes());
                }
            });
            let Framing::Whole(found) = frame(&written) else { panic!("not framed") };
            prop_assert_eq!(found.length, written.len());
            let mut indexer = Indexer::new();
            if let Ok(message) = indexer.read(&written, &found, Version::Fix44.dictionary()) {
                let read: Vec<_> = message.fields().skip(3).collect();
                prop_assert_eq!(read.len(), fields.len());
                for ((tag, value), (expected, text)) in read.iter().zip(&fields) {
                    prop_assert_eq!((*tag, *value), (*expected, text.as_bytes()));
                }
            }
        }
    }
}
