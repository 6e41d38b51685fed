//! Dictionaries: which fields, values and layouts a version of FIX has, and a counterparty's own.
//!
//! The versions are static tables that `build.rs` makes of `config/fix`; an overlay makes owned
//! ones at start, by the same compiler.

mod tables;
mod text;
mod validate;

pub use tables::{Field, Kind, Layout, Member, Section, Tables, pack_type};
pub use text::{Draft, TextError};
pub use validate::{Validator, values_are_good};

use tables::{HEADER, TRAILER, pack_value};

#[allow(clippy::unreadable_literal, clippy::all, reason = "tables are for the machine")]
mod compiled {
    use super::tables::{Field, Kind, Layout, Member, Section, Tables};

    include!(concat!(env!("OUT_DIR"), "/fix_dictionaries.rs"));
}

/// A version of FIX this crate speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// FIX 4.2.
    Fix42,
    /// FIX 4.4.
    Fix44,
    /// FIX 5.0SP2 over FIXT 1.1.
    Fix50Sp2,
}

static FIX42: Dictionary = Dictionary { tables: &compiled::FIX42 };
static FIX44: Dictionary = Dictionary { tables: &compiled::FIX44 };
static FIX50SP2: Dictionary = Dictionary { tables: &compiled::FIX50SP2 };

impl Version {
    /// All of them.
    pub const ALL: [Version; 3] = [Version::Fix42, Version::Fix44, Version::Fix50Sp2];

    /// BeginString (8).
    pub const fn begin_string(self) -> &'static str {
        match self {
            Version::Fix42 => "FIX.4.2",
            Version::Fix44 => "FIX.4.4",
            Version::Fix50Sp2 => "FIXT.1.1",
        }
    }

    /// The name people use.
    pub const fn name(self) -> &'static str {
        match self {
            Version::Fix42 => "FIX.4.2",
            Version::Fix44 => "FIX.4.4",
            Version::Fix50Sp2 => "FIX.5.0SP2",
        }
    }

    /// DefaultApplVerID (1137), where the session says it.
    pub const fn appl_ver_id(self) -> Option<&'static str> {
        match self {
            Version::Fix50Sp2 => Some("9"),
            _ => None,
        }
    }

    /// The version of a name; `None` for one this crate does not speak.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }

    /// The standard's dictionary.
    pub fn dictionary(self) -> &'static Dictionary {
        match self {
            Version::Fix42 => &FIX42,
            Version::Fix44 => &FIX44,
            Version::Fix50Sp2 => &FIX50SP2,
        }
    }

    /// The texts the dictionary was made of, one applied on top of the other.
    fn texts(self) -> &'static [&'static str] {
        match self {
            Version::Fix42 => &[include_str!("../../../../config/fix/fix42.dict")],
            Version::Fix44 => &[include_str!("../../../../config/fix/fix44.dict")],
            Version::Fix50Sp2 => &[
                include_str!("../../../../config/fix/fixt11.dict"),
                include_str!("../../../../config/fix/fix50sp2.dict"),
            ],
        }
    }
}

/// A version's dictionary, perhaps with a counterparty's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dictionary {
    tables: &'static Tables,
}

static UNDEFINED: Field = Field {
    single: 0,
    codes_at: 0,
    codes_len: 0,
    listed: false,
    kind: Kind::Text,
    section: Section::Body,
    tag: 0,
    data_tag: 0,
    of_session: true,
    counts_group: false,
};

impl Dictionary {
    /// A version's dictionary with a counterparty's text applied on top; to be made at start, for
    /// it stays as long as the process.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn with_overlay(version: Version, overlay: &str) -> Result<Self, TextError> {
        let mut draft = Draft::default();
        for text in version.texts() {
            draft.apply(text)?;
        }
        draft.apply(overlay)?;
        Ok(Self { tables: Box::leak(Box::new(draft.compile()?)) })
    }

    /// A field's slot; 0 where the tag is not defined.
    #[inline]
    pub fn slot(&self, tag: u32) -> u16 {
        self.tables.slots.get(tag as usize).copied().unwrap_or(0)
    }

    /// The field of a slot.
    #[inline]
    pub fn field(&self, slot: u16) -> &'static Field {
        self.tables.fields.get(usize::from(slot)).unwrap_or(&UNDEFINED)
    }

    /// The name of a tag, for people.
    pub fn name(&self, tag: u32) -> Option<&str> {
        let slot = self.slot(tag);
        self.tables.names.get(usize::from(slot)).filter(|_| slot != 0).copied()
    }

    /// The name of a message type, for people.
    pub fn message_name(&self, kind: &[u8]) -> Option<&str> {
        let packed = pack_type(kind);
        let at = self.tables.messages.binary_search_by_key(&packed, |message| message.0).ok()?;
        self.tables.message_names.get(at).copied()
    }

    /// Whether a message must have a field; `None` where it may not have it.
    pub fn requires(&self, kind: &[u8], tag: u32) -> Option<bool> {
        let (body, slot) = (self.body(kind)?, self.slot(tag));
        (slot != 0 && self.has(body, slot)).then(|| self.required(body).contains(&slot))
    }

    /// Whether a field may have a value.
    #[inline]
    pub fn allows(&self, tag: u32, value: &[u8]) -> bool {
        self.listed(self.field(self.slot(tag)), value)
    }

    /// Whether a field, unless any value goes, lists this one.
    #[inline]
    fn listed(&self, field: &Field, value: &[u8]) -> bool {
        if !field.listed {
            return true;
        }
        if let [byte @ 0..128] = *value
            && field.single >> byte & 1 == 1
        {
            return true;
        }
        let at = field.codes_at as usize;
        let codes = self.tables.codes.get(at..at + usize::from(field.codes_len)).unwrap_or(&[]);
        pack_value(value).is_some_and(|packed| codes.binary_search(&packed).is_ok())
    }

    /// The layout of a message's body; `None` for a type nobody defined.
    #[inline]
    fn body(&self, kind: &[u8]) -> Option<&'static Layout> {
        let packed = pack_type(kind);
        let messages = self.tables.messages;
        let at = messages.binary_search_by_key(&packed, |message| message.0).ok()?;
        self.layout(messages.get(at)?.1)
    }

    #[inline]
    fn layout(&self, at: u16) -> Option<&'static Layout> {
        self.tables.layouts.get(usize::from(at))
    }

    #[inline]
    fn members(&self, layout: &Layout) -> &'static [Member] {
        let at = layout.members_at as usize;
        self.tables.members.get(at..at + usize::from(layout.members_len)).unwrap_or(&[])
    }

    #[inline]
    fn required(&self, layout: &Layout) -> &'static [u16] {
        let at = layout.required_at as usize;
        self.tables.required.get(at..at + usize::from(layout.required_len)).unwrap_or(&[])
    }

    /// Whether a header, trailer or body may have a slot.
    #[inline]
    fn has(&self, layout: &Layout, slot: u16) -> bool {
        let word = self.tables.words.get(layout.words_at as usize + usize::from(slot / 64));
        word.is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    fn header(&self) -> Option<&'static Layout> {
        self.layout(HEADER)
    }

    fn trailer(&self) -> Option<&'static Layout> {
        self.layout(TRAILER)
    }

    /// Words a set of slots takes.
    fn width(&self) -> usize {
        self.tables.fields.len().div_ceil(64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_static_tables_are_what_the_texts_compile_to() {
        for version in Version::ALL {
            let owned = Dictionary::with_overlay(version, "").expect("a good text");
            assert_eq!(&owned, version.dictionary(), "{version:?}");
            assert_eq!(Version::from_name(version.name()), Some(version));
        }
    }

    #[test]
    fn names_and_values_are_the_standards() {
        let fix44 = Version::Fix44.dictionary();
        assert_eq!(fix44.name(11), Some("ClOrdID"));
        assert_eq!((fix44.name(0), fix44.name(99_999)), (None, None));
        assert_eq!(fix44.message_name(b"D"), Some("NewOrderSingle"));
        assert_eq!(fix44.message_name(b"AE"), Some("TradeCaptureReport"));
        assert_eq!(fix44.message_name(b"*"), None);
        assert!(fix44.allows(54, b"1") && !fix44.allows(54, b"x") && fix44.allows(11, b"any"));
        assert!(fix44.allows(167, b"CS") && !fix44.allows(167, b"BOO"));
        assert!(fix44.allows(373, b"16") && !Version::Fix42.dictionary().allows(373, b"16"));
        let sp2 = Version::Fix50Sp2.dictionary();
        assert_eq!(sp2.message_name(b"A"), Some("Logon"));
        assert_eq!(sp2.message_name(b"D"), Some("NewOrderSingle"));
        assert_eq!(sp2.name(1137), Some("DefaultApplVerID"));
    }

    #[test]
    fn lengths_know_their_data() {
        for version in Version::ALL {
            let dictionary = version.dictionary();
            for (length, data) in [(95, 96), (90, 91), (93, 89), (354, 355), (212, 213)] {
                let field = dictionary.field(dictionary.slot(length));
                assert_eq!((field.kind, field.data_tag), (Kind::Length, data), "{version:?}");
            }
            let unpaired = dictionary.tables.fields.iter().filter(|field| {
                field.kind == Kind::Data
                    && !dictionary.tables.fields.iter().any(|other| other.data_tag == field.tag)
            });
            let tags: Vec<_> = unpaired.map(|field| field.tag).collect();
            assert!(tags.len() < 8, "{version:?}: data without a length: {tags:?}");
        }
    }

    #[test]
    fn an_overlay_that_names_what_is_not_there_is_refused() {
        for (overlay, word) in [
            ("message D - app 9876!", "9876"),
            ("message D - app @Nothing", "Nothing"),
            ("field 5001 Mine NOTYPE", "NOTYPE"),
            ("component Loop @Loop\nmessage D - app @Loop", "deep"),
        ] {
            let error = Dictionary::with_overlay(Version::Fix44, overlay).expect_err(overlay);
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
