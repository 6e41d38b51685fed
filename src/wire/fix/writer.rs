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
    full: bool,
}

impl<'a> Writer<'a> {
    /// Writes into `buffer`, which bounds the message.
    #[inline]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        let full = buffer.len() < HEAD_ROOM;
        Self { buffer, at: HEAD_ROOM, full }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.at..self.at + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.at += bytes.len();
            }
            None => self.full = true,
        }
    }

    /// `tag=`, in one go.
    #[inline(always)]
    fn tag(&mut self, tag: u32) {
        let (text, length) = written_tag(tag);
        match self.buffer.get_mut(self.at..self.at + 8) {
            Some(place) => {
                place.copy_from_slice(&text);
                self.at += length;
            }
            None => self.put(text.get(..length).unwrap_or(&[])),
        }
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
            }
        }
        self.put(&[SOH]);
    }

    /// A field of one byte.
    #[inline]
    pub fn byte(&mut self, tag: u32, value: u8) {
        self.tag(tag);
        self.put(&[value, SOH]);
    }

    /// `Y` or `N`.
    #[inline]
    pub fn flag(&mut self, tag: u32, value: bool) {
        self.byte(tag, if value { b'Y' } else { b'N' });
    }

    /// A whole number.
    #[inline]
    pub fn number(&mut self, tag: u32, value: u64) {
        self.tag(tag);
        let mut digits = [SOH; 21];
        let start = digits_before(&mut digits, 20, value);
        self.put(digits.get(start..).unwrap_or(&[]));
    }

    /// A price, with as many places as it needs.
    #[inline]
    pub fn price(&mut self, tag: u32, value: Price) {
        self.decimal(tag, value.0);
    }

    /// A decimal number in ten-thousandths, with as many places as it needs.
    #[inline]
    pub fn decimal(&mut self, tag: u32, value: i64) {
        self.tag(tag);
        let mut text = [SOH; 24];
        let magnitude = value.unsigned_abs();
        let (whole, mut part) = (magnitude / 10_000, magnitude % 10_000);
        let (mut start, mut end) = (18, 18);
        if part != 0 {
            let mut places = 4;
            while part.is_multiple_of(10) {
                (part, places) = (part / 10, places - 1);
            }
            end = 19 + places;
            for at in (19..end).rev() {
                if let Some(byte) = text.get_mut(at) {
                    *byte = b'0' + (part % 10) as u8;
                }
                part /= 10;
            }
            if let Some(byte) = text.get_mut(18) {
                *byte = b'.';
            }
        }
        start = digits_before(&mut text, start, whole);
        if value < 0 {
            start -= 1;
            if let Some(byte) = text.get_mut(start) {
                *byte = b'-';
            }
        }
        self.put(text.get(start..=end).unwrap_or(&[]));
    }

    /// A timestamp.
    #[inline]
    pub fn time(&mut self, tag: u32, time: Nanos, precision: Precision) {
        self.tag(tag);
        let (text, length) = written_timestamp(time, precision);
        self.put(text.get(..length).unwrap_or(&[]));
        self.put(&[SOH]);
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
        let mut head = [0; HEAD_ROOM];
        let mut front = Writer { buffer: &mut head, at: 0, full: false };
        front.bytes(8, begin_string.as_bytes());
        front.number(9, length as u64);
        if front.full {
            return None;
        }
        let front = front.at;
        let start = HEAD_ROOM - front;
        self.buffer.get_mut(start..HEAD_ROOM)?.copy_from_slice(head.get(..front)?);
        let summed = self.buffer.get(start..self.at)?;
        let sum = summed.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
        let digits = [b'0' + sum / 100, b'0' + sum / 10 % 10, b'0' + sum % 10];
        self.put(&[b'1', b'0', b'=', digits[0], digits[1], digits[2], SOH]);
        (!self.full).then_some(start..self.at)
    }
}

/// Writes a number so that its last digit stands before `end`; returns where it starts.
#[inline]
fn digits_before(text: &mut [u8], end: usize, value: u64) -> usize {
    let (mut at, mut rest) = (end, value);
    loop {
        at -= 1;
        if let Some(byte) = text.get_mut(at) {
            *byte = b'0' + (rest % 10) as u8;
        }
        rest /= 10;
        if rest == 0 || at == 0 {
            return at;
        }
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
