//! Commands that are put aside: each brought the process down twice, so whoever folds the journal
//! refuses it from then on. The list lies beside the two logs, for it says how they are read.
//!
//! ```text
//! wirematch put aside 1
//! 1042 0f3a… 2026-11-23T12:00:00.000000042Z it crashed twice
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::journal::JournalError;
use crate::model::{Command, Group, Line, SeqNo};

/// The first line.
const TITLE: &str = "wirematch put aside 1";

/// Its name in the journal's folder.
const FILE: &str = "put-aside";

/// A hash of a command as it lies in the journal: another history has another at its place.
pub fn mark_of_command(group: &Group<Command>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(bytemuck::bytes_of(&group.head));
    hasher.update(bytemuck::cast_slice(group.rest()));
    hasher.finalize().into()
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its place.
    pub seq: SeqNo,
    /// Its [`mark_of_command`].
    pub mark: [u8; 32],
    /// When it was put aside, by UTC.
    pub since: Timestamp,
    /// Why, and by whom where a person did it; one line.
    pub why: String,
}

/// All of a journal, in the order in which they were put aside.
#[derive(Clone, Debug, Default)]
pub struct PutAside {
    path: PathBuf,
    list: Vec<Aside>,
}

impl PutAside {
    /// Reads the list of a journal; none where there is no file.
    ///
    /// # Errors
    /// A line that is none, by number and field, and what the system said.
    pub fn read(journal: &Path) -> Result<Self, JournalError> {
        let path = journal.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(JournalError::disk(&path, "read the list")(error)),
        };
        let mut list = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let taken = match line {
                1 if text == TITLE => continue,
                1 => Err(format!("it must be {TITLE:?}")),
                _ => entry(text),
            };
            list.push(taken.map_err(|what| {
                let file = path.clone();
                JournalError::PutAside { file, line, what }
            })?);
        }
        Ok(Self { path, list })
    }

    /// Whether a command is one of them.
    #[inline]
    pub fn holds(&self, head: &Command, rest: &[Line]) -> bool {
        !self.list.is_empty() && self.finds(&Group::of_parts(head, rest))
    }

    #[cold]
    fn finds(&self, group: &Group<Command>) -> bool {
        let mut same = self.list.iter().filter(|aside| aside.seq == group.head.seq);
        same.any(|aside| aside.mark == mark_of_command(group))
    }

    /// All of them.
    pub fn list(&self) -> &[Aside] {
        &self.list
    }

    /// Adds those that are not there; they are on the disk when this returns.
    ///
    /// # Errors
    /// What the system said.
    pub fn add(&mut self, more: &[Aside]) -> Result<(), JournalError> {
        let is_new = |aside: &&Aside| {
            !self.list.iter().any(|known| (known.seq, known.mark) == (aside.seq, aside.mark))
        };
        let new: Vec<Aside> = more.iter().filter(is_new).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        self.write(&new).map_err(JournalError::disk(&self.path, "write the list"))?;
        self.list.extend(new);
        Ok(())
    }

    /// Writes the whole list anew, so that no crash leaves half a line.
    fn write(&self, new: &[Aside]) -> io::Result<()> {
        let mut text = format!("{TITLE}\n");
        for Aside { seq, mark, since, why } in self.list.iter().chain(new) {
            let mark = blake3::Hash::from_bytes(*mark);
            let why = why.replace(['\n', '\r'], " ");
            text += &format!("{seq} {mark} {since} {why}\n");
        }
        let passing = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&passing)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&passing, &self.path)?;
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

fn entry(text: &str) -> Result<Aside, String> {
    let mut words = text.splitn(4, ' ');
    let mut word = |what: &str| words.next().ok_or_else(|| format!("its {what} is missing"));
    let seq = word("number")?.parse().map_err(|_| "its number is none".to_owned())?;
    let mark = blake3::Hash::from_hex(word("hash")?);
    let mark = *mark.map_err(|_| "its hash is not 64 hexadecimal digits".to_owned())?.as_bytes();
    let since = word("time")?.parse().map_err(|_| "its time is none".to_owned())?;
    Ok(Aside { seq: SeqNo(seq), mark, since, why: word("reason")?.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::CommandKind;

    fn command(seq: u64, quantity: u32) -> Group<Command> {
        let mut command = Command::new(CommandKind::Enter);
        (command.seq, command.quantity.0) = (SeqNo(seq), quantity);
        Group::new(command)
    }

    fn aside(group: &Group<Command>, why: &str) -> Aside {
        let since = Timestamp::from_second(1_700_000_000).expect("a time");
        Aside { seq: group.head.seq, mark: mark_of_command(group), since, why: why.to_owned() }
    }

    proptest! {
        #[test]
        fn what_is_put_aside_is_found_again_and_nothing_else(
            commands in prop::collection::vec((1u64..50, 0u32..5), 0..8),
            others in prop::collection::vec((1u64..50, 0u32..5), 1..20),
            why in "[^\\x00-\\x1f]{0,40}",
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            let mut list = PutAside::read(folder.path()).expect("there is none");
            for (seq, quantity) in &commands {
                list.add(&[aside(&command(*seq, *quantity), &why)]).expect("there is room");
            }
            let again = PutAside::read(folder.path()).expect("it is good");
            prop_assert_eq!(again.list(), list.list());
            for (seq, quantity) in others.iter().chain(&commands) {
                let is_one = commands.contains(&(*seq, *quantity));
                let command = command(*seq, *quantity);
                prop_assert_eq!(again.holds(&command.head, command.rest()), is_one);
            }
        }

        #[test]
        fn no_bytes_are_too_bad(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let folder = tempfile::tempdir().expect("a folder");
            let text = [TITLE.as_bytes(), b"\n", &bytes].concat();
            fs::write(folder.path().join(FILE), text).expect("there is room");
            let _ = PutAside::read(folder.path());
        }
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(FILE), format!("{TITLE}\n7 xyz\n")).expect("there is room");
        let error = PutAside::read(folder.path()).expect_err("it is bad").to_string();
        assert!(error.contains("line 2") && error.contains("its hash"), "{error}");
    }
}
