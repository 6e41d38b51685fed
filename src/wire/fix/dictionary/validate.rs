//! Holds a message against its dictionary, in the order the fields came.
//!
//! The first thing that is wrong is told, with the standard's reason and the tag.

use crate::wire::fix::dictionary::{Dictionary, Field, Kind, Layout, Section};
use crate::wire::fix::message::{Entry, Message, NO_TAG, NOT_A_TAG};
use crate::wire::fix::reject::{RefTag, Refusal, SessionReject};
use crate::wire::fix::value;

/// The room a check needs, taken once: which fields were seen.
#[derive(Clone, Debug)]
pub struct Validator {
    seen: Box<[u64]>,
}

impl Validator {
    /// For messages of a dictionary.
    pub fn new(dictionary: &Dictionary) -> Self {
        Self { seen: vec![0; dictionary.width()].into() }
    }

    /// Checks a message.
    ///
    /// # Errors
    /// The first field that is wrong, and why; then the first that is missing.
    #[inline]
    pub fn check(&mut self, message: &Message<'_>, dictionary: &Dictionary) -> Result<(), Refusal> {
        let Some(body) = dictionary.body(message.kind()) else {
            return Err(Refusal::whole(SessionReject::InvalidMsgType));
        };
        self.seen.fill(0);
        let is_session = matches!(message.kind(), [b'0'..=b'5' | b'A']);
        let none = Layout::default();
        let layouts = Layouts {
            header: dictionary.header().unwrap_or(&none),
            trailer: dictionary.trailer().unwrap_or(&none),
            body,
        };
        let entries = message.entries();
        let mut section = Section::Header;
        let mut at = 0;
        while let Some(entry) = entries.get(at) {
            at += 1;
            check_tag(message, entry)?;
            let field = dictionary.field(entry.slot);
            if is_session && !field.of_session {
                return Err(Refusal::of(SessionReject::InvalidTag, entry.tag));
            }
            let layout = match place(entry, field.section, section, &layouts, dictionary) {
                Ok((place, layout)) => {
                    section = place;
                    layout
                }
                Err(reason) => return Err(Refusal::of(reason, entry.tag)),
            };
            let value = message.value(entry);
            check_value(dictionary, field, entry, value)?;
            let (word, bit) = (usize::from(entry.slot / 64), 1 << (entry.slot % 64));
            if let Some(word) = self.seen.get_mut(word) {
                if *word & bit != 0 {
                    return Err(Refusal::of(SessionReject::TagRepeated, entry.tag));
                }
                *word |= bit;
            }
            if layout.members_len > 0 && matches!(field.kind, Kind::Count | Kind::Int) {
                at = groups(message, dictionary, layout, entry, value, at)?;
            }
        }
        self.check_required(body, dictionary)
    }

    #[inline]
    fn check_required(&self, body: &Layout, dictionary: &Dictionary) -> Result<(), Refusal> {
        let header = dictionary.header().map_or(&[][..], |header| dictionary.required(header));
        for &slot in header.iter().chain(dictionary.required(body)) {
            let word = self.seen.get(usize::from(slot / 64)).copied().unwrap_or(0);
            if word >> (slot % 64) & 1 == 0 {
                let tag = dictionary.field(slot).tag;
                return Err(Refusal::of(SessionReject::RequiredTagMissing, tag));
            }
        }
        Ok(())
    }
}

/// Whether every value is as its field must be; for a message whose layout is known to be good.
#[inline]
pub fn values_are_good(message: &Message<'_>, dictionary: &Dictionary) -> bool {
    message.entries().iter().all(|entry| {
        let field = dictionary.field(entry.slot);
        let value = message.value(entry);
        match (field.kind, field.listed, value) {
            (Kind::Text, false, value) => !value.is_empty(),
            (Kind::Char | Kind::Text | Kind::Int, true, &[byte @ 0..128]) => {
                field.single >> byte & 1 == 1
            }
            (Kind::Timestamp, false, value) => value::is_timestamp(value),
            (Kind::Decimal, false, value) => value::is_decimal(value),
            (Kind::Count, false, value) => value::is_digits(value),
            _ => check_value(dictionary, field, entry, value).is_ok(),
        }
    })
}

/// The layouts of a message's three sections.
struct Layouts<'a> {
    header: &'a Layout,
    body: &'a Layout,
    trailer: &'a Layout,
}

/// The section a field stands in and the layout that has it; or why it may not stand there.
#[inline]
fn place<'a>(
    entry: &Entry,
    of_field: Section,
    now: Section,
    layouts: &Layouts<'a>,
    dictionary: &Dictionary,
) -> Result<(Section, &'a Layout), SessionReject> {
    match (of_field, now) {
        (Section::Header, Section::Header) => Ok((Section::Header, layouts.header)),
        (Section::Trailer, _) => Ok((Section::Trailer, layouts.trailer)),
        (_, Section::Trailer) => Err(SessionReject::OutOfOrder),
        _ if dictionary.has(layouts.body, entry.slot) => Ok((Section::Body, layouts.body)),
        (Section::Header, _) => Err(SessionReject::OutOfOrder),
        _ => Err(SessionReject::NotDefinedForMessage),
    }
}

/// Refuses what has no tag, or none that is defined.
#[inline]
fn check_tag(message: &Message<'_>, entry: &Entry) -> Result<(), Refusal> {
    if entry.slot != 0 {
        return Ok(());
    }
    Err(match entry.tag {
        NO_TAG => Refusal::whole(SessionReject::SeparatorInValue),
        NOT_A_TAG => {
            let (start, end) = message.written_tag(entry);
            Refusal { reason: SessionReject::InvalidTag, tag: RefTag::Written(start, end) }
        }
        tag => Refusal::of(SessionReject::InvalidTag, tag),
    })
}

#[inline]
fn check_value(
    dictionary: &Dictionary,
    field: &Field,
    entry: &Entry,
    value: &[u8],
) -> Result<(), Refusal> {
    if value.is_empty() {
        return Err(Refusal::of(SessionReject::NoValue, entry.tag));
    }
    if !is_well_formed(field.kind, value) {
        return Err(Refusal::of(SessionReject::IncorrectFormat, entry.tag));
    }
    let allowed = match field.kind {
        _ if !field.listed => true,
        Kind::Several => value.split(|&byte| byte == b' ').all(|one| dictionary.listed(field, one)),
        _ => dictionary.listed(field, value),
    };
    if allowed { Ok(()) } else { Err(Refusal::of(SessionReject::ValueIncorrect, entry.tag)) }
}

/// Whether a value looks as its type must.
#[inline]
fn is_well_formed(kind: Kind, value: &[u8]) -> bool {
    match kind {
        Kind::Text | Kind::Several | Kind::Data => true,
        Kind::Char => value.len() == 1,
        Kind::Int => value::is_int(value),
        Kind::Count | Kind::Length => value::is_digits(value),
        Kind::Decimal => value::is_decimal(value),
        Kind::Boolean => matches!(value, b"Y" | b"N"),
        Kind::Timestamp => value::is_timestamp(value),
        Kind::Time => value::time_of_day(value).is_some(),
        Kind::Date => value::is_date(value),
        Kind::Month => value::is_month(value),
        Kind::Currency => value.len() == 3,
        Kind::Country => value.len() == 2,
        Kind::Day => matches!(value::number(value), Some(1..=31)),
    }
}

/// If `entry` counts a group of `layout`, checks the group; returns where to go on.
#[inline]
fn groups(
    message: &Message<'_>,
    dictionary: &Dictionary,
    layout: &Layout,
    entry: &Entry,
    value: &[u8],
    at: usize,
) -> Result<usize, Refusal> {
    let counted = dictionary.members(layout).iter().find(|member| member.slot == entry.slot);
    match counted.map_or(0, |member| member.group) {
        0 => Ok(at),
        group => check_group(message, dictionary, group, entry, value, at),
    }
}

/// Checks the entries of a group, which stand from `at` on; groups nest as deep as the dictionary.
fn check_group(
    message: &Message<'_>,
    dictionary: &Dictionary,
    group: u16,
    counter: &Entry,
    count: &[u8],
    mut at: usize,
) -> Result<usize, Refusal> {
    let members = dictionary.layout(group).map_or(&[][..], |layout| dictionary.members(layout));
    let missing = |slot| {
        let tag = dictionary.field(slot).tag;
        Err(Refusal::of(SessionReject::RequiredTagMissing, tag))
    };
    let Some(expected) = value::number(count) else {
        return Err(Refusal::of(SessionReject::IncorrectFormat, counter.tag));
    };
    // The member the next field may be at first; none while no entry is open. A wrong value is
    // told only when the group has the form it should.
    let (mut next, mut entries, mut wrong_value) = (None, 0, None);
    while let Some(entry) = message.entries().get(at) {
        let behind = next.unwrap_or(members.len());
        let rest = members.get(behind..).unwrap_or(&[]);
        let found = rest.iter().position(|member| member.slot == entry.slot);
        let place = match found {
            Some(skipped) => behind + skipped,
            None if members.first().is_some_and(|first| first.slot == entry.slot) => {
                entries += 1;
                0
            }
            None if entry.slot != 0 && members.iter().any(|m| m.slot == entry.slot) => {
                return Err(Refusal::of(SessionReject::GroupOutOfOrder, entry.tag));
            }
            None => break,
        };
        let passed = if found.is_some() { behind..place } else { behind..members.len() };
        let passed = members.get(passed).unwrap_or(&[]);
        if let Some(left_out) = passed.iter().find(|member| member.required) {
            return missing(left_out.slot);
        }
        let value = message.value(entry);
        let field = dictionary.field(entry.slot);
        let checked = check_value(dictionary, field, entry, value);
        wrong_value = wrong_value.or(checked.err());
        at += 1;
        let nested = members.get(place).map_or(0, |member| member.group);
        if nested != 0 {
            at = check_group(message, dictionary, nested, entry, value, at)?;
        }
        next = Some(place + 1);
    }
    let left = members.get(next.unwrap_or(members.len())..).unwrap_or(&[]);
    if let Some(left_out) = left.iter().find(|member| member.required) {
        return missing(left_out.slot);
    }
    if entries != expected {
        return Err(Refusal::of(SessionReject::WrongGroupCount, counter.tag));
    }
    wrong_value.map_or(Ok(at), Err)
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
