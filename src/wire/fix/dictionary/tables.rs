//! What a dictionary is compiled to: flat tables by slot, so that a field costs a few loads.
//!
//! A slot is a field's place among the defined fields, from 1; slot 0 is "not defined".
//! `build.rs` includes this file to make the static tables, so it stands on `std` and `text` alone.

use std::collections::BTreeMap;

use super::text::{DEPTH_MAX, Draft, FieldText, Part, PartKind, TextError};

/// How a field's bytes must look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Any bytes but the separator.
    #[default]
    Text = 0,
    /// One byte.
    Char = 1,
    /// A whole number, perhaps negative.
    Int = 2,
    /// A whole number that is not negative.
    Count = 3,
    /// A decimal number.
    Decimal = 4,
    /// `Y` or `N`.
    Boolean = 5,
    /// `YYYYMMDD-HH:MM:SS` with or without a fraction.
    Timestamp = 6,
    /// `HH:MM:SS` with or without a fraction.
    Time = 7,
    /// `YYYYMMDD`.
    Date = 8,
    /// `YYYYMM`, with or without a day or a week.
    Month = 9,
    /// Values with blanks between them.
    Several = 10,
    /// Three letters.
    Currency = 11,
    /// Two letters.
    Country = 12,
    /// Any bytes; how many says the field before.
    Data = 13,
    /// The length of the data field that follows.
    Length = 14,
    /// A day of the month.
    Day = 15,
}

/// Where a field stands in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Section {
    /// Between header and trailer.
    #[default]
    Body = 0,
    /// In the standard header.
    Header = 1,
    /// In the standard trailer.
    Trailer = 2,
}

/// A defined field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// The allowed values of one byte, a bit each.
    pub single: u128,
    /// The allowed longer values: where in `codes`.
    pub codes_at: u32,
    /// How many longer values.
    pub codes_len: u16,
    /// Whether only listed values are allowed.
    pub listed: bool,
    /// How its bytes must look.
    pub kind: Kind,
    /// Where it stands.
    pub section: Section,
    /// The tag.
    pub tag: u32,
    /// For a length: the data field that follows; else 0.
    pub data_tag: u32,
    /// Whether a session's own messages know it.
    pub of_session: bool,
    /// Whether it says how many entries a group has, in any message.
    pub counts_group: bool,
}

/// One field of a group, or the count of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The field.
    pub slot: u16,
    /// For a count: the layout of its group's entries; else 0.
    pub group: u16,
    /// Whether each entry must have it.
    pub required: bool,
}

/// What may stand in a header, a trailer, a message's body or a group's entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Where its set of slots is in `words`; groups have none.
    pub words_at: u32,
    /// A group's fields in their order; of others, the counts of their groups.
    pub members_at: u32,
    /// How many members.
    pub members_len: u16,
    /// How many fields must be there.
    pub required_len: u16,
    /// Where the slots that must be there are in `required`.
    pub required_at: u32,
}

/// The layout of the header; the trailer's is the next, 0 is none.
pub(super) const HEADER: u16 = 1;
/// The layout of the trailer.
pub(super) const TRAILER: u16 = 2;

/// A dictionary, compiled. One made at start lives as long as the process, like those of the
/// binary, so that a look-up is a load and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The version of the application messages.
    pub version: &'static str,
    /// Tag to slot.
    pub slots: &'static [u16],
    /// Fields by slot.
    pub fields: &'static [Field],
    /// Names of fields by slot.
    pub names: &'static [&'static str],
    /// Allowed values of more than one byte, packed, sorted within each field.
    pub codes: &'static [u128],
    /// Sets of slots.
    pub words: &'static [u64],
    /// Members of layouts.
    pub members: &'static [Member],
    /// Slots that must be there.
    pub required: &'static [u16],
    /// Layouts.
    pub layouts: &'static [Layout],
    /// Packed message type to layout, sorted.
    pub messages: &'static [(u32, u16)],
    /// Names of messages, in the order of `messages`.
    pub message_names: &'static [&'static str],
}

/// A message type of one to three bytes as a number; 0 for anything else.
#[inline]
pub const fn pack_type(kind: &[u8]) -> u32 {
    match kind {
        [a] => *a as u32,
        [a, b] => (*a as u32) << 8 | *b as u32,
        [a, b, c] => (*a as u32) << 16 | (*b as u32) << 8 | *c as u32,
        _ => 0,
    }
}

/// A value of at most 16 bytes as a number; `None` for a longer one.
#[inline]
pub(super) fn pack_value(value: &[u8]) -> Option<u128> {
    let pack = |packed, &byte: &u8| packed << 8 | u128::from(byte);
    (value.len() <= 16).then(|| value.iter().fold(0, pack))
}

impl Draft {
    /// Compiles the dictionary.
    ///
    /// # Errors
    /// What does not fit together: an unknown type, tag or component.
    pub fn compile(&self) -> Result<Tables, TextError> {
        let mut maker = Maker::new(self)?;
        maker.sections()?;
        maker.layout(HEADER, &self.header)?;
        maker.layout(TRAILER, &self.trailer)?;
        let mut messages = Vec::new();
        for message in &self.messages {
            let at = maker.reserve()?;
            maker.layout(at, &message.parts)?;
            messages.push((pack_type(message.kind.as_bytes()), at));
        }
        let mut named: Vec<_> = messages.into_iter().zip(&self.messages).collect();
        named.sort_by_key(|&((packed, _), _)| packed);
        Ok(Tables {
            version: kept(&self.version),
            slots: maker.slots.leak(),
            fields: maker.fields.leak(),
            names: maker.names.leak(),
            codes: maker.codes.leak(),
            words: maker.words.leak(),
            members: maker.members.leak(),
            required: maker.required.leak(),
            layouts: maker.layouts.leak(),
            messages: named.iter().map(|&(message, _)| message).collect::<Vec<_>>().leak(),
            message_names: named
                .iter()
                .map(|(_, text)| kept(&text.name))
                .collect::<Vec<_>>()
                .leak(),
        })
    }
}

/// A dictionary being compiled.
struct Maker<'a> {
    draft: &'a Draft,
    slots: Vec<u16>,
    fields: Vec<Field>,
    names: Vec<&'static str>,
    codes: Vec<u128>,
    words: Vec<u64>,
    members: Vec<Member>,
    required: Vec<u16>,
    layouts: Vec<Layout>,
    /// Groups laid out already: the same parts are laid out once, whatever message they stand in.
    known: BTreeMap<Vec<Part>, u16>,
}

/// A text that lives as long as the process.
fn kept(text: &str) -> &'static str {
    text.to_owned().leak()
}

fn wrong(what: String) -> TextError {
    TextError { line: 0, what }
}

impl<'a> Maker<'a> {
    fn new(draft: &'a Draft) -> Result<Self, TextError> {
        let mut sorted: Vec<&FieldText> = draft.fields.iter().collect();
        sorted.sort_by_key(|field| field.tag);
        let highest = sorted.last().map_or(0, |field| field.tag) as usize;
        let mut slots = vec![0; highest + 1];
        let (mut fields, mut names) = (vec![Field::default()], vec![""]);
        let mut codes = Vec::new();
        for text in sorted {
            slots[text.tag as usize] = fields.len() as u16;
            let known = draft.session_tags.as_ref();
            let of_session = known.is_none_or(|tags| tags.contains(&text.tag));
            fields.push(Field { of_session, ..field_of(text, &mut codes)? });
            names.push(kept(&text.name));
        }
        Ok(Self {
            draft,
            slots,
            fields,
            names,
            codes,
            words: Vec::new(),
            members: Vec::new(),
            required: Vec::new(),
            layouts: vec![Layout::default(); usize::from(TRAILER) + 1],
            known: BTreeMap::new(),
        })
    }

    /// Notes which fields belong to header and trailer, and which lengths to which data.
    fn sections(&mut self) -> Result<(), TextError> {
        for (section, parts) in
            [(Section::Header, &self.draft.header), (Section::Trailer, &self.draft.trailer)]
        {
            for tag in parts.iter().filter_map(Part::tag) {
                let slot = self.slot(tag)?;
                self.fields[slot as usize].section = section;
            }
        }
        let bodies = self.draft.messages.iter().map(|message| &message.parts);
        let components = self.draft.components.iter().map(|(_, parts)| parts);
        let lists = [&self.draft.header, &self.draft.trailer];
        let lists: Vec<_> = lists.into_iter().chain(bodies).chain(components).collect();
        for parts in lists {
            self.pair_lengths(parts)?;
        }
        Ok(())
    }

    fn pair_lengths(&mut self, parts: &[Part]) -> Result<(), TextError> {
        for pair in parts.windows(2) {
            let (Some(length), Some(data)) = (pair[0].tag(), pair[1].tag()) else { continue };
            let (length, data_slot) = (self.slot(length)?, self.slot(data)?);
            let fields = &mut self.fields;
            if fields[data_slot as usize].kind == Kind::Data {
                fields[length as usize].kind = Kind::Length;
                fields[length as usize].data_tag = data;
            }
        }
        for part in parts {
            if let PartKind::Group(_, inner) = &part.kind {
                self.pair_lengths(inner)?;
            }
        }
        Ok(())
    }

    fn slot(&self, tag: u32) -> Result<u16, TextError> {
        match self.slots.get(tag as usize) {
            Some(&slot) if slot != 0 => Ok(slot),
            _ => Err(wrong(format!("tag {tag} is used but no `field {tag} ...` line defines it"))),
        }
    }

    /// The parts with components replaced by what is in them.
    fn expand(&self, parts: &[Part], depth: usize) -> Result<Vec<Part>, TextError> {
        if depth > DEPTH_MAX {
            return Err(wrong("components stand too deep in each other, or in themselves".into()));
        }
        let mut flat = Vec::new();
        for part in parts {
            let PartKind::Component(name) = &part.kind else {
                flat.push(part.clone());
                continue;
            };
            let known = self.draft.components.iter().find(|(known, _)| known == name);
            let (_, inner) =
                known.ok_or_else(|| wrong(format!("component `{name}` is missing")))?;
            let inner = self.expand(inner, depth + 1)?;
            let required = part.required;
            flat.extend(inner.into_iter().map(|p| Part { required: p.required && required, ..p }));
        }
        Ok(flat)
    }

    /// Lays out a header, a trailer or a body.
    fn layout(&mut self, at: u16, parts: &[Part]) -> Result<(), TextError> {
        let parts = self.expand(parts, 0)?;
        let (mut required, mut counts) = (Vec::new(), Vec::new());
        let width = self.fields.len().div_ceil(64);
        let mut set = vec![0u64; width];
        for part in &parts {
            let Some(tag) = part.tag() else { continue };
            let slot = self.slot(tag)?;
            set[slot as usize / 64] |= 1 << (slot % 64);
            if part.required {
                required.push(slot);
            }
            if let PartKind::Group(_, inner) = &part.kind {
                let group = self.group(inner, 1)?;
                self.fields[slot as usize].counts_group = true;
                counts.push(Member { slot, group, required: part.required });
            }
        }
        let words_at = self.words.len() as u32;
        self.words.extend(set);
        self.finish(at, words_at, counts, required);
        Ok(())
    }

    /// Lays out the entries of a group.
    fn group(&mut self, parts: &[Part], depth: usize) -> Result<u16, TextError> {
        if depth > DEPTH_MAX {
            return Err(wrong(format!("groups stand more than {DEPTH_MAX} deep")));
        }
        if let Some(&at) = self.known.get(parts) {
            return Ok(at);
        }
        let at = self.reserve()?;
        self.known.insert(parts.to_vec(), at);
        let parts = self.expand(parts, 0)?;
        let (mut required, mut members) = (Vec::new(), Vec::new());
        for part in &parts {
            let Some(tag) = part.tag() else { continue };
            let slot = self.slot(tag)?;
            let group = match &part.kind {
                PartKind::Group(_, inner) => self.group(inner, depth + 1)?,
                _ => 0,
            };
            self.fields[slot as usize].counts_group |= group != 0;
            members.push(Member { slot, group, required: part.required });
            if part.required {
                required.push(slot);
            }
        }
        self.finish(at, 0, members, required);
        Ok(at)
    }

    fn reserve(&mut self) -> Result<u16, TextError> {
        let layouts = &mut self.layouts;
        let at = u16::try_from(layouts.len()).map_err(|_| wrong("too many groups".into()))?;
        layouts.push(Layout::default());
        Ok(at)
    }

    fn finish(&mut self, at: u16, words_at: u32, members: Vec<Member>, required: Vec<u16>) {
        let layout = Layout {
            words_at,
            members_at: self.members.len() as u32,
            members_len: members.len() as u16,
            required_len: required.len() as u16,
            required_at: self.required.len() as u32,
        };
        self.members.extend(members);
        self.required.extend(required);
        self.layouts[at as usize] = layout;
    }
}

fn field_of(text: &FieldText, codes: &mut Vec<u128>) -> Result<Field, TextError> {
    let kind = kind_of(&text.kind).ok_or_else(|| {
        wrong(format!("field {}: `{}` is not a type of the standard", text.tag, text.kind))
    })?;
    let codes_at = codes.len() as u32;
    let mut single = 0;
    for value in &text.values {
        match (value.as_bytes(), pack_value(value.as_bytes())) {
            (&[byte], _) if byte < 128 => single |= 1 << byte,
            (_, Some(packed)) => codes.push(packed),
            (_, None) => {
                return Err(wrong(format!("field {}: `{value}` is too long", text.tag)));
            }
        }
    }
    codes[codes_at as usize..].sort_unstable();
    Ok(Field {
        single,
        codes_at,
        codes_len: (codes.len() - codes_at as usize) as u16,
        listed: !text.values.is_empty(),
        kind,
        section: Section::Body,
        tag: text.tag,
        data_tag: 0,
        of_session: true,
        counts_group: false,
    })
}

/// What the standard calls a type, in all its versions.
fn kind_of(name: &str) -> Option<Kind> {
    Some(match name {
        "STRING" | "EXCHANGE" | "LANGUAGE" | "XID" | "XIDREF" | "TZTIMEONLY" | "TZTIMESTAMP"
        | "LOCALMKTTIME" => Kind::Text,
        "CHAR" => Kind::Char,
        "INT" => Kind::Int,
        "LENGTH" | "SEQNUM" | "NUMINGROUP" | "TAGNUM" => Kind::Count,
        "AMT" | "FLOAT" | "PRICE" | "PRICEOFFSET" | "QTY" | "PERCENTAGE" => Kind::Decimal,
        "BOOLEAN" => Kind::Boolean,
        "UTCTIMESTAMP" | "TIME" => Kind::Timestamp,
        "UTCTIMEONLY" => Kind::Time,
        "UTCDATE" | "UTCDATEONLY" | "LOCALMKTDATE" | "DATE" => Kind::Date,
        "MONTHYEAR" => Kind::Month,
        "MULTIPLEVALUESTRING" | "MULTIPLESTRINGVALUE" | "MULTIPLECHARVALUE" => Kind::Several,
        "CURRENCY" => Kind::Currency,
        "COUNTRY" => Kind::Country,
        "DATA" | "XMLDATA" => Kind::Data,
        "DAYOFMONTH" => Kind::Day,
        _ => return None,
    })
}
