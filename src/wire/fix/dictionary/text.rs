//! Dictionaries as text: the format of `config/fix/*.dict` and of a counterparty's overlay.
//!
//! One text applied on top of another changes it: the same rules serve FIX 5.0 on top of FIXT and
//! an overlay on top of either. `build.rs` includes this file, so it stands on `std` alone.

use std::borrow::Cow;

/// A part of a message, a group, a header: a field, a group behind its count, or a component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Whether it must be there.
    pub required: bool,
}

/// What a part is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartKind {
    /// A field by its tag.
    Field(u32),
    /// A group by the tag of its count, and what each entry holds.
    Group(u32, Vec<Part>),
    /// A component by its name.
    Component(String),
}

/// A field: its tag, its name, its type and the values it may have (none: any).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldText {
    /// The number on the wire.
    pub tag: u32,
    /// The standard's name.
    pub name: String,
    /// The standard's name of its type.
    pub kind: String,
    /// The values it may have; none: any of its type.
    pub values: Vec<String>,
}

/// A message: its type, its name and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageText {
    /// MsgType (35).
    pub kind: String,
    /// The standard's name.
    pub name: String,
    /// The body.
    pub parts: Vec<Part>,
}

/// A dictionary as written, before it is compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The version of the application messages.
    pub version: String,
    /// Fields, by tag.
    pub fields: Vec<FieldText>,
    /// The standard header.
    pub header: Vec<Part>,
    /// The standard trailer.
    pub trailer: Vec<Part>,
    /// Components, by name.
    pub components: Vec<(String, Vec<Part>)>,
    /// Messages, by type.
    pub messages: Vec<MessageText>,
    /// The tags a session's own messages may have, where they are not all there are.
    pub session_tags: Option<Vec<u32>>,
}

/// What is wrong with a dictionary, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// The line, from 1; 0 where no single line is to blame.
    pub line: usize,
    /// What is wrong and how to mend it.
    pub what: String,
}

impl std::fmt::Display for TextError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "dictionary line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for TextError {}

/// How deep groups stand in groups at most.
pub(super) const DEPTH_MAX: usize = 12;

impl Draft {
    /// Applies a text on top of what is there.
    ///
    /// # Errors
    /// The first line that cannot be read; the draft may be half changed.
    pub fn apply(&mut self, text: &str) -> Result<(), TextError> {
        for (line, words) in logical_lines(text) {
            self.apply_line(&words).map_err(|what| TextError { line, what })?;
        }
        Ok(())
    }

    fn apply_line(&mut self, text: &str) -> Result<(), String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "version" => self.version = rest.trim().to_owned(),
            "field" => self.apply_field(rest)?,
            "header" => merge(&mut self.header, rest)?,
            "trailer" => merge(&mut self.trailer, rest)?,
            "component" => {
                let (name, parts) = rest.split_once(' ').unwrap_or((rest, ""));
                let place = self.components.iter_mut().find(|known| known.0 == name);
                match place {
                    Some((_, known)) => merge(known, parts)?,
                    None => {
                        let mut fresh = Vec::new();
                        merge(&mut fresh, parts)?;
                        self.components.push((name.to_owned(), fresh));
                    }
                }
            }
            "message" => self.apply_message(rest)?,
            // What follows is the application's: session messages know only what stands above.
            "application" => {
                self.session_tags = Some(self.fields.iter().map(|field| field.tag).collect());
            }
            _ => {
                return Err(format!(
                    "`{word}` opens no line: write version, field, header, trailer, component, \
                     message or application"
                ));
            }
        }
        Ok(())
    }

    fn apply_field(&mut self, rest: &str) -> Result<(), String> {
        let mut words = rest.split_whitespace();
        let tag = tag_of(words.next().unwrap_or(""))?;
        let (Some(name), Some(kind)) = (words.next(), words.next()) else {
            return Err(format!(
                "field {tag} needs a name and a type, as `field 1 Account STRING`"
            ));
        };
        let mut values: Vec<String> = words.map(str::to_owned).collect();
        let place = self.fields.iter_mut().find(|field| field.tag == tag);
        if let Some(known) = place {
            // `+` keeps the values there are and adds to them.
            if values.first().is_some_and(|first| first == "+") {
                values.splice(..1, known.values.iter().cloned());
            }
            (known.name, known.kind, known.values) = (name.to_owned(), kind.to_owned(), values);
        } else {
            let (name, kind) = (name.to_owned(), kind.to_owned());
            self.fields.push(FieldText { tag, name, kind, values });
        }
        Ok(())
    }

    fn apply_message(&mut self, rest: &str) -> Result<(), String> {
        let mut words = rest.splitn(4, ' ');
        let (Some(kind), Some(name)) = (words.next(), words.next()) else {
            return Err(
                "a message needs a type and a name, as `message D NewOrderSingle app`".into()
            );
        };
        if kind.is_empty() || kind.len() > 3 {
            return Err(format!("message type `{kind}` is not of one to three characters"));
        }
        let _category = words.next();
        let parts = words.next().unwrap_or("");
        if let Some(known) = self.messages.iter_mut().find(|known| known.kind == kind) {
            return merge(&mut known.parts, parts);
        }
        let mut fresh = Vec::new();
        merge(&mut fresh, parts)?;
        let (kind, name) = (kind.to_owned(), name.to_owned());
        self.messages.push(MessageText { kind, name, parts: fresh });
        Ok(())
    }
}

/// Lines with their continuations joined and comments gone, each with its number.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        match lines.last_mut() {
            Some((_, open)) if line.starts_with(' ') => {
                open.push(' ');
                open.push_str(line.trim());
            }
            _ => lines.push((at + 1, line.trim().to_owned())),
        }
    }
    lines
}

fn tag_of(word: &str) -> Result<u32, String> {
    let good = !word.starts_with('+');
    let tag = word.parse().ok().filter(|tag| good && (1..=TAG_MAX).contains(tag));
    tag.ok_or_else(|| format!("`{word}` is not a tag: write a number from 1 to {TAG_MAX}"))
}

/// The highest tag a dictionary defines; user-defined tags end here.
pub(super) const TAG_MAX: u32 = 60_000;

/// Applies written parts: a known one changes, `-` takes one away, others are added at the end.
fn merge(into: &mut Vec<Part>, written: &str) -> Result<(), String> {
    let spaced: Cow<'_, str> = written.replace('(', " ( ").replace(')', " ) ").into();
    let mut words = spaced.split_whitespace().peekable();
    merge_words(into, &mut words, 0)?;
    match words.next() {
        Some(_) => Err("a `)` closes nothing".into()),
        None => Ok(()),
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn merge_words(into: &mut Vec<Part>, words: &mut Words<'_>, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("groups stand more than {DEPTH_MAX} deep"));
    }
    while let Some(word) = words.next_if(|&word| word != ")") {
        let (name, required) = match word.strip_suffix('!') {
            Some(name) => (name, true),
            None => (word, false),
        };
        if let Some(gone) = name.strip_prefix('-') {
            let tag = tag_of(gone)?;
            into.retain(|part| part.tag() != Some(tag));
            continue;
        }
        if let Some(component) = name.strip_prefix('@') {
            let kind = PartKind::Component(component.to_owned());
            replace_or_add(into, Part { kind, required });
            continue;
        }
        let tag = tag_of(name)?;
        if words.next_if_eq(&"(").is_none() {
            replace_or_add(into, Part { kind: PartKind::Field(tag), required });
            continue;
        }
        let known = into.iter_mut().find(|part| part.tag() == Some(tag));
        let mut inner = match known {
            Some(Part { kind: PartKind::Group(_, inner), .. }) => std::mem::take(inner),
            _ => Vec::new(),
        };
        merge_words(&mut inner, words, depth + 1)?;
        if words.next() != Some(")") {
            return Err(format!("the group of {tag} is not closed by `)`"));
        }
        replace_or_add(into, Part { kind: PartKind::Group(tag, inner), required });
    }
    Ok(())
}

fn replace_or_add(into: &mut Vec<Part>, part: Part) {
    let same = |known: &&mut Part| match (&known.kind, &part.kind) {
        (PartKind::Component(known), PartKind::Component(new)) => known == new,
        _ => known.tag().is_some() && known.tag() == part.tag(),
    };
    match into.iter_mut().find(same) {
        // A count named without its group keeps the group.
        Some(known) if matches!(part.kind, PartKind::Field(_)) => known.required = part.required,
        Some(known) => *known = part,
        None => into.push(part),
    }
}

impl Part {
    /// The tag of the field, or of the group's count.
    pub fn tag(&self) -> Option<u32> {
        match self.kind {
            PartKind::Field(tag) | PartKind::Group(tag, _) => Some(tag),
            PartKind::Component(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str) -> Draft {
        let mut draft = Draft::default();
        draft.apply(text).expect("a good text");
        draft
    }

    #[test]
    fn reads_fields_layouts_groups_and_components() {
        let draft = draft(
            "# a comment\nversion X\nfield 1 Account STRING\nfield 54 Side CHAR 1 2\n  3\n\
             header 8! 9!\nmessage D Order app 1! 453!(448! 802(523)) @Terms!\n",
        );
        assert_eq!(draft.fields[1].values, ["1", "2", "3"]);
        let parts = &draft.messages[0].parts;
        assert_eq!((parts.len(), parts[1].tag(), parts[1].required), (3, Some(453), true));
        assert_eq!(parts[2].kind, PartKind::Component("Terms".into()));
    }

    #[test]
    fn an_overlay_changes_adds_and_takes_away() {
        let mut draft = draft("field 1 A STRING x\nmessage D Order app 1 2 453(448)\n");
        draft.apply("field 1 A STRING + y\nmessage D - app 1! -2 453(447) 5001!\n").expect("good");
        assert_eq!(draft.fields[0].values, ["x", "y"]);
        let parts = &draft.messages[0].parts;
        assert!(parts[0].required);
        let inner: Vec<_> = match &parts[1].kind {
            PartKind::Group(453, inner) => inner.iter().map(|part| part.tag()).collect(),
            other => panic!("{other:?}"),
        };
        assert_eq!((inner, parts[2].tag()), (vec![Some(448), Some(447)], Some(5001)));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line) in [
            ("field x Name INT", 1),
            ("\n\nfield 1 Name", 3),
            ("# c\nmessage D Order app 1(", 2),
            ("message D Order app 1)", 1),
            ("mesage D", 1),
            ("message D Order app 0", 1),
            ("message TOOLONG Order app 1", 1),
        ] {
            assert_eq!(Draft::default().apply(text).map_err(|e| e.line), Err(line), "{text}");
        }
        let deep = format!("message D Order app {}", "1(".repeat(200));
        assert!(Draft::default().apply(&deep).is_err());
    }
}
