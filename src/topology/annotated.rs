//! The annotated configuration read as a book: which sentence stands beside which key. A key that
//! is commented out has its place and its sentence too.

use crate::topology::DEFAULT_CONFIG;

/// A year's calendar, whose keys are explained there.
const CALENDAR: &str = include_str!("../../config/us-equities.toml");

/// A key, or a table, and what is written about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// From the top, with dots: `entry.device`.
    pub path: String,
    /// Its sentences.
    pub text: String,
    /// What it is in the file; a table has nothing.
    pub value: Option<String>,
}

/// Every note of the annotated files; of several for one path the first that says anything.
pub(super) fn notes() -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for note in read(DEFAULT_CONFIG).into_iter().chain(read(CALENDAR)) {
        match notes.iter_mut().find(|known| known.path == note.path) {
            Some(known) if known.text.is_empty() => *known = note,
            Some(_) => {}
            None => notes.push(note),
        }
    }
    notes
}

/// What a line of the file is, whether or not it is commented out.
enum Piece<'a> {
    Table(&'a str),
    Key { name: &'a str, value: &'a str, remark: &'a str },
    Prose(&'a str),
    Blank,
}

fn read(text: &str) -> Vec<Note> {
    let mut notes = Vec::new();
    let (mut table, mut above, mut table_text) = (String::new(), Vec::new(), String::new());
    // Keys right below one another share what stands above the first.
    let mut shared = String::new();
    for line in text.lines() {
        match piece(line) {
            Piece::Blank => {
                above.clear();
                shared.clear();
            }
            Piece::Prose(words) => above.push(words),
            Piece::Table(path) => {
                path.clone_into(&mut table);
                table_text = std::mem::take(&mut above).join("\n");
                shared.clear();
                notes.push(Note { path: table.clone(), text: table_text.clone(), value: None });
            }
            Piece::Key { name, value, remark } => {
                if !above.is_empty() {
                    shared = std::mem::take(&mut above).join("\n");
                }
                let text = [shared.as_str(), remark].into_iter().filter(|part| !part.is_empty());
                let mut text = text.collect::<Vec<_>>().join("\n");
                if text.is_empty() {
                    text.clone_from(&table_text);
                }
                let path = if table.is_empty() { name.into() } else { format!("{table}.{name}") };
                notes.push(Note { path, text, value: Some(value.into()) });
            }
        }
    }
    notes
}

fn piece(line: &str) -> Piece<'_> {
    let line = line.trim();
    if line.is_empty() {
        return Piece::Blank;
    }
    let Some(words) = line.strip_prefix('#') else { return live(line).unwrap_or(Piece::Blank) };
    live(words.trim()).unwrap_or(Piece::Prose(words.strip_prefix(' ').unwrap_or(words)))
}

/// A table or a key with its value; nothing else.
fn live(line: &str) -> Option<Piece<'_>> {
    let path_of = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if let Some(rest) = line.strip_prefix('[') {
        let path = rest.trim_start_matches('[').split(']').next().unwrap_or_default();
        return path_of(path).then_some(Piece::Table(path));
    }
    let (name, rest) = line.split_once(" = ")?;
    let begins_value = |c: char| c.is_ascii_digit() || "\"[{-".contains(c);
    let is_value =
        rest.starts_with(begins_value) || rest.starts_with("true") || rest.starts_with("false");
    let is_key = is_value && !name.is_empty() && path_of(name);
    let (value, remark) = split_remark(rest);
    is_key.then_some(Piece::Key { name, value, remark })
}

/// A value and what stands behind its `#`.
fn split_remark(text: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '#' if !quoted => {
                let remark = text.get(at + 1..).unwrap_or_default();
                return (text.get(..at).unwrap_or_default().trim(), remark.trim());
            }
            _ => {}
        }
    }
    (text.trim(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_what_stands_above_and_behind_them() {
        let text = "# Of all.\ntop = 1\n\n# A table.\n[one]\nbare = 2\n# Two of a kind.\n\
                    left = \"#\"\n\
                    right = 4 # behind\n\n# [[one.two]]\n# inner = true   # commented out\n";
        let notes = read(text);
        let told: Vec<_> = notes.iter().map(|note| (&*note.path, &*note.text)).collect();
        assert_eq!(
            told,
            [
                ("top", "Of all."),
                ("one", "A table."),
                ("one.bare", "A table."),
                ("one.left", "Two of a kind."),
                ("one.right", "Two of a kind.\nbehind"),
                ("one.two", ""),
                ("one.two.inner", "commented out"),
            ]
        );
        assert_eq!(notes[3].value.as_deref(), Some("\"#\""));
    }
}
