//! Reads a configuration and says what is wrong with file, line, column and a caret.

use std::ops::Range;
use std::path::Path;

use crate::topology::Config;

/// The annotated defaults, embedded so that they are never stale.
pub const DEFAULT_CONFIG: &str = include_str!("../../config/appliance.toml");

/// What is wrong with a configuration, where, and how to mend it; several lines of text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl ConfigError {
    /// Points at `span` of `text`, read from `file`.
    pub fn at(file: &str, text: &str, span: Range<usize>, message: &str) -> Self {
        // Without a place it is 0..0; an empty place further on is the end of a line cut short.
        if span == (0..0) || span.end > text.len() {
            return Self(format!("{file}: {message}"));
        }
        let before = text.get(..span.start).unwrap_or("");
        let line_number = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = text.get(line_start..).unwrap_or("").lines().next().unwrap_or("");
        let column = before.get(line_start..).unwrap_or("").chars().count();
        let shown = text.get(span).unwrap_or("").lines().next().unwrap_or("").chars().count();
        let gutter = " ".repeat(line_number.to_string().len());
        Self(format!(
            "{file}:{line_number}:{}: {message}\n\
             {gutter} |\n{line_number} | {line}\n{gutter} | {}{}",
            column + 1,
            " ".repeat(column),
            "^".repeat(shown.max(1)),
        ))
    }
}

/// Reads a configuration file.
///
/// # Errors
/// What is wrong, with the place and the cure.
pub fn load(path: &Path) -> Result<(Config, String), ConfigError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        ConfigError(format!("{file}: cannot be read ({error}); name a file with --config"))
    })?;
    Ok((parse(&file, &text)?, text))
}

/// Reads a configuration from text; `file` is what errors call it.
///
/// # Errors
/// What is wrong, with the place and the cure.
pub fn parse(file: &str, text: &str) -> Result<Config, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        ConfigError::at(file, text, span, &with_nearest(error.message()))
    })
}

/// An unknown key or word with the known one that is most like it.
fn with_nearest(message: &str) -> String {
    const ALIKE: f64 = 0.8;
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next().filter(|_| message.starts_with("unknown "));
    let alike = |known| (strsim::jaro_winkler(unknown.unwrap_or_default(), known), known);
    let nearest = names.map(alike).max_by(|one, other| one.0.total_cmp(&other.0));
    match nearest {
        Some((likeness, known)) if likeness >= ALIKE => {
            format!("{message}; did you mean `{known}`?")
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_annotated_file_says_the_defaults() {
        assert_eq!(parse("config/appliance.toml", DEFAULT_CONFIG), Ok(Config::default()));
        assert_eq!(parse("empty", ""), Ok(Config::default()));
    }

    #[test]
    fn an_unknown_key_is_shown_with_a_caret() {
        let error = parse("my.toml", "data = \"x\"\n\n[entry]\naddres = \"127.0.0.1:1\"\n");
        let message = error.unwrap_err().0;
        assert!(message.starts_with("my.toml:4:1: unknown field `addres`"), "{message}");
        assert!(message.contains("; did you mean `address`?\n"), "{message}");
        let error = parse("my.toml", "[entry]\nzzz = 1\n").unwrap_err().0;
        assert!(!error.contains("did you mean"), "{error}");
        let error = parse("my.toml", "[console]\nrole = \"opperator\"\n").unwrap_err().0;
        assert!(error.contains("; did you mean `operator`?"), "{error}");
        assert!(message.ends_with("4 | addres = \"127.0.0.1:1\"\n  | ^^^^^^"), "{message}");
    }

    #[test]
    fn each_kind_of_mistake_names_its_place() {
        for (text, place, word) in [
            ("[feed]\ngroup = \"nowhere\"", "2:9", "address"),
            ("[entry]\ndevice = \"eth0\"", "2:10", "not a device"),
            ("[[core]]\nstages = [\"gatway\"]", "2:10", "`gatway` is no stage"),
            ("[[instrument]]\nsymbol = \"X\"", "1:1", "missing field `reference_price`"),
            ("[risk]\norder_quantity_max = -1", "2:22", "invalid value"),
            ("[risk]\ncollar_percent = \"ten\"", "2:18", "not an amount"),
            ("data = ", "1:8", "string"),
            ("release = \"sinked\"", "1:11", "unknown variant"),
        ] {
            let message = parse("f", text).unwrap_err().0;
            assert!(message.starts_with(&format!("f:{place}: ")), "{text}\n{message}");
            assert!(message.contains(word), "{text}\n{message}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,200}") {
            let _ = parse("f", &text);
        }

        #[test]
        fn broken_defaults_never_panic(at in 0..DEFAULT_CONFIG.len(), byte in 32u8..127) {
            let mut text = DEFAULT_CONFIG.as_bytes().to_vec();
            text[at] = byte;
            if let Ok(text) = String::from_utf8(text) {
                let _ = parse("f", &text);
            }
        }
    }
}
