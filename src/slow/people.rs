//! Who is behind the codes: kept apart from journal and record, by region, and erasable. Each
//! person has a key of their own; the entry is enciphered with it, and to erase is to destroy the
//! key. What copies of the entries there are cannot be read then, and the record, which has codes
//! alone, stays whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The folder of people in the data folder; below it one for each region.
pub const PEOPLE_NAME: &str = "people";

/// What is known of a person.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Person {
    /// The code that journal and record carry.
    pub code: u64,
    /// Their name.
    pub name: String,
    /// How the regulator knows them: a national number.
    pub identity: String,
}

/// Why nothing is known of a person.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// Nobody has the code.
    #[error("code {0} is nobody's here")]
    Unknown(u64),
    /// They were erased.
    #[error("code {0}: this person was erased")]
    Erased(u64),
    /// Their entry is not as it was written.
    #[error("code {0}: the entry was changed, or is of another key")]
    Changed(u64),
    /// The region has another appliance.
    #[error("people of region {region} are kept there, this is the appliance of {here}")]
    Elsewhere {
        /// Whose people.
        region: String,
        /// Whose appliance.
        here: String,
    },
    /// What the disk said.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// The people of one region.
#[derive(Clone, Debug)]
pub struct People {
    folder: PathBuf,
}

const NONCE_BYTES: usize = 24;
const MARK_BYTES: usize = 32;

impl People {
    /// Those of a region, on the appliance of `here`; an appliance without a region has all.
    ///
    /// # Errors
    /// A region whose people are kept elsewhere.
    pub fn of(data: &Path, region: &str, here: &str) -> Result<Self, PeopleError> {
        if !here.is_empty() && here != region {
            let (region, here) = (region.to_owned(), here.to_owned());
            return Err(PeopleError::Elsewhere { region, here });
        }
        Ok(Self { folder: data.join(PEOPLE_NAME).join(region) })
    }

    fn entry(&self, code: u64) -> PathBuf {
        self.folder.join("entries").join(code.to_string())
    }

    fn key(&self, code: u64) -> PathBuf {
        self.folder.join("keys").join(code.to_string())
    }

    /// Writes what is known of a person, under a new key.
    ///
    /// # Errors
    /// What the disk says.
    pub fn put(&self, person: &Person) -> Result<(), PeopleError> {
        let mut key = [0; 32];
        let mut nonce = [0; NONCE_BYTES];
        let entry = self.entry(person.code);
        let random = |bytes: &mut [u8]| {
            getrandom::fill(bytes).map_err(|error| PeopleError::Io {
                file: entry.clone(),
                source: io::Error::other(error.to_string()),
            })
        };
        random(&mut key)?;
        random(&mut nonce)?;
        let mut text = serde_json::to_vec(person).unwrap_or_default();
        cipher(&key, &nonce, &mut text);
        let mark = mark_of(&key, &nonce, &text);
        // The key last: an entry without one is as if it were erased.
        write(&entry, &[&nonce, mark.as_slice(), &text])?;
        write(&self.key(person.code), &[&key])
    }

    /// What is known of a person.
    ///
    /// # Errors
    /// Nobody, an erased person, an entry that was changed.
    pub fn get(&self, code: u64) -> Result<Person, PeopleError> {
        let entry = match fs::read(self.entry(code)) {
            Ok(bytes) => bytes,
            Err(_) => return Err(PeopleError::Unknown(code)),
        };
        let mut key = [0; 32];
        let read = File::open(self.key(code)).and_then(|mut file| file.read_exact(&mut key));
        read.map_err(|_| PeopleError::Erased(code))?;
        let (Some(nonce), Some(mark), Some(text)) = (
            entry.get(..NONCE_BYTES),
            entry.get(NONCE_BYTES..NONCE_BYTES + MARK_BYTES),
            entry.get(NONCE_BYTES + MARK_BYTES..),
        ) else {
            return Err(PeopleError::Changed(code));
        };
        if mark_of(&key, nonce, text).as_slice() != mark {
            return Err(PeopleError::Changed(code));
        }
        let mut text = text.to_vec();
        cipher(&key, nonce, &mut text);
        serde_json::from_slice(&text).map_err(|_| PeopleError::Changed(code))
    }

    /// Erases a person: overwrites their key and takes it away. The entry stays, unreadable.
    ///
    /// # Errors
    /// Nobody, and what the disk says.
    pub fn erase(&self, code: u64) -> Result<(), PeopleError> {
        self.get(code)?;
        let file = self.key(code);
        let erased = || -> io::Result<()> {
            let mut key = OpenOptions::new().write(true).open(&file)?;
            key.write_all(&[0; 32])?;
            key.sync_all()?;
            fs::remove_file(&file)?;
            File::open(self.folder.join("keys"))?.sync_all()
        };
        erased().map_err(|source| PeopleError::Io { file: file.clone(), source })
    }
}

/// Enciphers, or deciphers: the keyed hash's stream over the text.
fn cipher(key: &[u8; 32], nonce: &[u8], text: &mut [u8]) {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(b"wirematch people text");
    hasher.update(nonce);
    let mut stream = vec![0; text.len()];
    hasher.finalize_xof().fill(&mut stream);
    text.iter_mut().zip(stream).for_each(|(byte, with)| *byte ^= with);
}

/// Shows that nobody changed an entry who has not its key.
fn mark_of(key: &[u8; 32], nonce: &[u8], text: &[u8]) -> [u8; MARK_BYTES] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(b"wirematch people mark");
    hasher.update(nonce);
    hasher.update(text);
    *hasher.finalize().as_bytes()
}

fn write(file: &Path, parts: &[&[u8]]) -> Result<(), PeopleError> {
    let written = || -> io::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        }
        let mut options = OpenOptions::new();
        let mut out = options.create(true).write(true).truncate(true).mode(0o600).open(file)?;
        parts.iter().try_for_each(|part| out.write_all(part))?;
        out.sync_all()
    };
    written().map_err(|source| PeopleError::Io { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_found_until_erased_and_no_copy_helps_then() {
        let data = tempfile::tempdir().expect("a folder");
        let people = People::of(data.path(), "EU", "EU").expect("they are at home here");
        let ada = Person { code: 7, name: "Ada Example".into(), identity: "FR19150110".into() };
        people.put(&ada).expect("it is written");
        assert_eq!(people.get(7).expect("she is known"), ada);
        let entry = fs::read(people.entry(7)).expect("an entry");
        let has = |text: &str| entry.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!has("Ada") && !has("FR19150110"));
        people.erase(7).expect("she is erased");
        assert!(matches!(people.get(7), Err(PeopleError::Erased(7))));
        // A copy of the entries from before does not bring her back.
        fs::write(people.entry(7), &entry).expect("a file");
        assert!(matches!(people.get(7), Err(PeopleError::Erased(7))));
        assert!(matches!(people.erase(7), Err(PeopleError::Erased(7))));
        assert!(matches!(people.get(8), Err(PeopleError::Unknown(8))));
    }

    #[test]
    fn a_changed_entry_is_not_believed_and_other_regions_people_are_not_here() {
        let data = tempfile::tempdir().expect("a folder");
        let people = People::of(data.path(), "EU", "").expect("an appliance of all regions");
        let person = Person { code: 1, name: "A".into(), identity: "B".into() };
        people.put(&person).expect("it is written");
        let good = fs::read(people.entry(1)).expect("an entry");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(people.entry(1), bad).expect("a file");
            assert!(matches!(people.get(1), Err(PeopleError::Changed(1))), "byte {at}");
        }
        assert!(People::of(data.path(), "EU", "US").is_err());
    }
}
