//! A message as its fields: an index over its bytes, made in one pass, with nothing copied.
//!
//! Data fields are taken by their length, so a separator inside them separates nothing.

use crate::wire::fix::dictionary::{Dictionary, Kind};
use crate::wire::fix::frame::Frame;
use crate::wire::fix::scan::{FIELDS_MAX, SOH, Scanner, Stops};
use crate::wire::fix::shape::{Shape, Shapes};
use crate::wire::fix::tag::{self, Places};
use crate::wire::fix::value;

/// One field of a message: its tag, and where its value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The tag; [`NOT_A_TAG`] or [`NO_TAG`] where there is none.
    pub tag: u32,
    /// The tag's slot in the dictionary; 0 where it has none.
    pub slot: u16,
    /// Where the field begins.
    pub at: u16,
    /// Where its value begins.
    pub start: u16,
    /// Where its value ends.
    pub end: u16,
}

/// What stands before the `=` is no number a tag could have.
pub const NOT_A_TAG: u32 = 0;
/// There is no `=`: a separator stood in a value that may not have one.
pub const NO_TAG: u32 = u32::MAX;

/// Why bytes are no message: it is ignored, and its number is not used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Garbled {
    /// The checksum is not the sum of the bytes.
    Checksum,
    /// MsgType is not the third field.
    NoMsgType,
    /// More fields than a message may have.
    TooManyFields,
    /// A data field is longer than the message, or does not end where its length says.
    DataLength,
}

/// Fields that can be noted in their place; of a message with more they are searched for.
const PLACED_MAX: usize = u8::MAX as usize;

/// The room an index is made in, taken once.
#[derive(Clone, Debug)]
pub struct Indexer {
    scanner: Scanner,
    stops: Stops,
    entries: Box<[Entry; FIELDS_MAX]>,
    places: Places,
}

impl Default for Indexer {
    fn default() -> Self {
        Self::new()
    }
}

impl Indexer {
    /// With the fastest scanner this machine has.
    pub fn new() -> Self {
        let entries = Box::new([Entry::default(); FIELDS_MAX]);
        Self { scanner: Scanner::new(), stops: Stops::new(), entries, places: Places::default() }
    }

    /// With the scanner every machine has, to compare with.
    pub fn plain() -> Self {
        Self { scanner: Scanner::plain(), ..Self::new() }
    }

    /// Indexes a framed message; the checksum is verified, its field is not among the entries.
    ///
    /// # Errors
    /// [`Garbled`] says why it is no message.
    #[inline]
    pub fn read<'a>(
        &'a mut self,
        bytes: &'a [u8],
        frame: &Frame,
        dictionary: &Dictionary,
    ) -> Result<Message<'a>, Garbled> {
        let bytes = self.scan(bytes, frame)?;
        self.work_out(bytes, dictionary)
    }

    /// Finds the separators and verifies the checksum; returns the bytes of the message.
    #[inline]
    pub(super) fn scan<'a>(&mut self, bytes: &'a [u8], frame: &Frame) -> Result<&'a [u8], Garbled> {
        let bytes = bytes.get(..frame.length).unwrap_or(bytes);
        let summed = bytes.get(..frame.body_end()).unwrap_or(&[]);
        let sum = self.scanner.scan(summed, &mut self.stops).ok_or(Garbled::TooManyFields)?;
        if checksum_matches(bytes, frame, sum) { Ok(bytes) } else { Err(Garbled::Checksum) }
    }

    /// The shape of the scanned message, if it is one that is known.
    #[inline]
    pub(super) fn recognise(&mut self, bytes: &[u8], kind: u8, shapes: &Shapes) -> Option<usize> {
        let stops = self.stops.all();
        let entries = self.entries.get_mut(..stops.len())?;
        shapes.recognise(kind, bytes, stops, entries)
    }

    /// The scanned message, recognised by its shape.
    #[inline]
    pub(super) fn found<'a>(&'a self, bytes: &'a [u8], shape: &'a Shape) -> Message<'a> {
        let entries = self.entries.get(..shape.count()).unwrap_or(&[]);
        Message { bytes, entries, places: shape.places() }
    }

    /// The scanned message, worked out field by field.
    #[inline]
    pub(super) fn work_out<'a>(
        &'a mut self,
        bytes: &'a [u8],
        dictionary: &Dictionary,
    ) -> Result<Message<'a>, Garbled> {
        let count = self.index(bytes, dictionary)?;
        let entries = self.entries.get(..count).unwrap_or(&[]);
        let places = &self.places;
        match entries {
            [_, _, third, ..] if third.tag == tag::MSG_TYPE => {
                Ok(Message { bytes, entries, places })
            }
            _ => Err(Garbled::NoMsgType),
        }
    }

    #[inline]
    fn index(&mut self, bytes: &[u8], dictionary: &Dictionary) -> Result<usize, Garbled> {
        let (mut at, mut data_tag, mut data_length) = (0, 0, 0);
        self.places = Places::default();
        let mut count = 0;
        let mut stops = self.stops.all().iter();
        while let Some(&stop) = stops.next() {
            let mut end = usize::from(stop);
            let (tag, start) = tag_at(bytes, at, end);
            if tag == data_tag && data_tag != 0 {
                let due = start + data_length;
                while end < due {
                    end = usize::from(*stops.next().ok_or(Garbled::DataLength)?);
                }
                if end != due {
                    return Err(Garbled::DataLength);
                }
            }
            data_tag = 0;
            let slot = dictionary.slot(tag);
            let field = dictionary.field(slot);
            if field.kind == Kind::Length {
                data_tag = field.data_tag;
                data_length = length_of(bytes.get(start..end).unwrap_or(&[]));
            }
            let entry = Entry { tag, slot, at: at as u16, start: start as u16, end: end as u16 };
            // There are as many entries as stops at most, and as much room for them.
            if let Some(place) = self.entries.get_mut(count) {
                *place = entry;
            }
            self.places.note(tag, count);
            count += 1;
            at = end + 1;
        }
        Ok(count)
    }
}

/// A length as far as it can be one; a wrong one finds no separator and garbles the message.
fn length_of(value: &[u8]) -> usize {
    let digit = |sum: usize, &byte: &u8| {
        sum.saturating_mul(10).saturating_add(usize::from(byte.wrapping_sub(b'0')))
    };
    value.iter().take(8).fold(0, digit)
}

#[inline]
fn checksum_matches(bytes: &[u8], frame: &Frame, sum: u8) -> bool {
    let written = bytes.get(frame.body_end() + 3..frame.length - 1);
    let digits = [b'0' + sum / 100, b'0' + sum / 10 % 10, b'0' + sum % 10];
    written == Some(&digits)
}

/// The tag of the field between `at` and `end`, and where its value begins.
///
/// Eight bytes at once: the trailer of a frame keeps them readable for every field.
#[inline]
fn tag_at(bytes: &[u8], at: usize, end: usize) -> (u32, usize) {
    let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
        return tag_slowly(bytes, at, end);
    };
    let word = u64::from_le_bytes(*word);
    let length = value::first_in(word, b'=');
    if length == 0 || length > 7 || at + length >= end || word as u8 == b'0' {
        return tag_slowly(bytes, at, end);
    }
    match value::digits_in(word, length) {
        Some(digits) => (value::number_of(digits) as u32, at + length + 1),
        None => tag_slowly(bytes, at, end),
    }
}

/// The same byte by byte, for what is no plain tag and for the end of short messages.
#[cold]
fn tag_slowly(bytes: &[u8], at: usize, end: usize) -> (u32, usize) {
    let field = bytes.get(at..end).unwrap_or(&[]);
    let Some(length) = field.iter().position(|&byte| byte == b'=') else {
        return (NO_TAG, end);
    };
    let start = at + length + 1;
    let digits = field.get(..length).unwrap_or(&[]);
    let plain = (1..=7).contains(&length)
        && digits.first() != Some(&b'0')
        && digits.iter().all(u8::is_ascii_digit);
    if !plain {
        return (NOT_A_TAG, start);
    }
    (digits.iter().fold(0, |tag, &byte| tag * 10 + u32::from(byte - b'0')), start)
}

/// A message whose frame and checksum are right: its fields in the order they came.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    entries: &'a [Entry],
    places: &'a Places,
}

impl<'a> Message<'a> {
    /// The bytes it is in.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The fields, BeginString first, the checksum left out.
    #[inline]
    pub fn entries(&self) -> &'a [Entry] {
        self.entries
    }

    /// The value of an entry.
    #[inline]
    pub fn value(&self, entry: &Entry) -> &'a [u8] {
        self.bytes.get(usize::from(entry.start)..usize::from(entry.end)).unwrap_or(&[])
    }

    /// What stands before the `=` of an entry.
    pub fn written_tag(&self, entry: &Entry) -> (u16, u16) {
        (entry.at, entry.start.saturating_sub(1).max(entry.at))
    }

    /// The value of the first field with a tag.
    #[inline(always)]
    pub fn get(&self, tag: u32) -> Option<&'a [u8]> {
        let Some(place) = tag::place(tag) else { return self.search(tag) };
        match self.places.get(place) {
            0 if self.entries.len() > PLACED_MAX => self.search(tag),
            0 => None,
            noted => self.entries.get(noted).map(|entry| self.value(entry)),
        }
    }

    fn search(&self, tag: u32) -> Option<&'a [u8]> {
        self.entries.iter().find(|entry| entry.tag == tag).map(|entry| self.value(entry))
    }

    /// The fields as tag and value.
    #[inline]
    pub fn fields(&self) -> impl Iterator<Item = (u32, &'a [u8])> {
        let message = *self;
        self.entries.iter().map(move |entry| (entry.tag, message.value(entry)))
    }

    /// BeginString (8).
    #[inline]
    pub fn begin_string(&self) -> &'a [u8] {
        self.entries.first().map_or(&[], |entry| self.value(entry))
    }

    /// MsgType (35), always the third field.
    #[inline]
    pub fn kind(&self) -> &'a [u8] {
        self.entries.get(2).map_or(&[], |entry| self.value(entry))
    }
}

/// Shows a message as people write it, with `|` for the separator.
impl std::fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = self.bytes.iter().map(|&byte| if byte == SOH { '|' } else { byte as char });
        f.write_str(&shown.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::fix::dictionary::Version;
    use crate::wire::fix::frame::{Framing, frame};
    use crate::wire::fix::shared::{message, raw};

    fn fields_of(bytes: &[u8], indexer: &mut Indexer) -> Result<Vec<(u32, Vec<u8>)>, Garbled> {
        let Framing::Whole(found) = frame(bytes) else { panic!("not framed: {bytes:?}") };
        let message = indexer.read(bytes, &found, Version::Fix44.dictionary())?;
        Ok(message.fields().map(|(tag, value)| (tag, value.to_vec())).collect())
    }

    fn read(text: &str) -> Result<Vec<(u32, Vec<u8>)>, Garbled> {
        fields_of(&message("FIX.4.4", text), &mut Indexer::new())
    }

    #[test]
    fn fields_come_in_order_with_repeated_ones() {
        let fields = read("35=D|336=PRE|336=POST|58=a=b|").expect("good");
        let (tags, last): (Vec<_>, _) =
            (fields.iter().map(|field| field.0).collect(), fields.last().expect("some"));
        assert_eq!(tags, [8, 9, 35, 336, 336, 58]);
        assert_eq!(last.1, b"a=b");
    }

    #[test]
    fn data_fields_may_hold_separators() {
        let fields = read("35=B|95=7|96=a|10=b||58=x|").expect("good");
        assert_eq!(fields[4], (96, raw("a|10=b|")));
        assert_eq!(fields[5].0, 58);
        for wrong in ["95=5|96=abc|", "95=2|96=abc|", "95=99999999|96=abc|", "95=9x|96=abc|"] {
            assert_eq!(read(&format!("35=B|{wrong}")), Err(Garbled::DataLength), "{wrong}");
        }
        // A length whose data does not follow says nothing.
        assert!(read("35=B|95=99|58=x|").is_ok());
    }

    #[test]
    fn what_is_no_tag_is_told_apart() {
        let fields =
            read("35=0|-1=x|0=x|035=x|4x9=x|99999999=x|noequals|=x|65571=x|5=x|").expect("ok");
        let tags: Vec<_> = fields[3..].iter().map(|field| field.0).collect();
        assert_eq!(
            tags,
            [0, 0, 0, 0, 0, NO_TAG, 0, 65_571, 5],
            "a large tag must never pass for a small one"
        );
    }

    #[test]
    fn a_wrong_checksum_or_third_field_is_garbled() {
        let mut bytes = message("FIX.4.4", "35=0|34=1|");
        let last = bytes.len() - 2;
        bytes[last] ^= 1;
        assert_eq!(fields_of(&bytes, &mut Indexer::new()), Err(Garbled::Checksum));
        assert_eq!(read("34=1|35=0|"), Err(Garbled::NoMsgType));
        assert_eq!(read(&format!("35=0|{}", "1=x|".repeat(1100))), Err(Garbled::TooManyFields));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            // `message` writes `|` as the separator, so it may not stand in a value.
            fields in vec((1u32..9_999_999, "[ -{}~]{0,20}"), 0..60),
        ) {
            let fields: Vec<_> =
                fields.into_iter().filter(|(tag, _)| *tag != 95 && *tag != 35).collect();
            let text: String =
                fields.iter().map(|(tag, value)| format!("{tag}={value}\x01")).collect();
            let bytes = message("FIX.4.4", &format!("35=D|{text}"));
            let read = fields_of(&bytes, &mut Indexer::new());
            // Lengths with a data field behind them may garble by chance.
            prop_assume!(read != Err(Garbled::DataLength));
            let read = read.expect("well framed");
            prop_assert_eq!(read.len(), fields.len() + 3);
            for (read, written) in read[3..].iter().zip(&fields) {
                prop_assert_eq!((read.0, &read.1[..]), (written.0, written.1.as_bytes()));
            }
        }

        #[test]
        fn both_scanners_index_alike_and_nothing_panics(body in vec(any::<u8>(), 0..200)) {
            let mut text = raw("35=D|");
            text.extend(body);
            text.push(SOH);
            let bytes = crate::wire::fix::shared::framed("FIX.4.4", &text);
            if let Framing::Whole(_) = frame(&bytes) {
                let fast = fields_of(&bytes, &mut Indexer::new());
                prop_assert_eq!(fast, fields_of(&bytes, &mut Indexer::plain()));
            }
        }

        #[test]
        fn tags_read_fast_are_read_slowly(field in "[-0-9a-z=]{0,10}", rest in "[ -~]{8}") {
            let bytes = [field.as_bytes(), rest.as_bytes()].concat();
            let end = field.len();
            prop_assert_eq!(tag_at(&bytes, 0, end), tag_slowly(&bytes, 0, end));
        }
    }
}
