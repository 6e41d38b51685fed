//! A session's record in a file that only grows: what was written survives the process, and with
//! `sync` the machine. A torn end is cut off, for nothing was sent before it was whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::model::Nanos;
use crate::wire::fix::frame::MESSAGE_MAX;
use crate::wire::fix::session::{Kept, Numbers, Store, StoreError};

const SENT: u8 = b'S';
const EXPECT: u8 = b'E';

/// Bytes before a record's payload: its length and its checksum.
const HEAD: usize = 8;
/// A sent message's bytes before its fields: mark, number, time, length of its type, type.
const SENT_HEAD: usize = 1 + 8 + 8 + 1 + 3;

/// The record.
#[derive(Debug)]
pub struct FileStore {
    file: File,
    numbers: Numbers,
    began_at: Option<Nanos>,
    /// Where each sent message's record begins, the first message's first.
    places: Vec<u64>,
    end: u64,
    sync: bool,
    /// The record being written or read.
    room: Vec<u8>,
}

impl FileStore {
    /// Opens a record, or begins one. With `sync` every message waits for the disk.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: &Path, sync: bool) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path)?;
        let mut store = Self {
            file,
            numbers: Numbers::default(),
            began_at: None,
            places: Vec::with_capacity(1 << 16),
            end: 0,
            sync,
            room: Vec::with_capacity(HEAD + SENT_HEAD + MESSAGE_MAX),
        };
        store.recover()?;
        Ok(store)
    }

    /// Reads the record from the start, as far as it is whole.
    fn recover(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        let mut at = 0;
        while let Some(payload) = bytes.get(at..).and_then(whole_record) {
            if self.note(payload, at as u64).is_none() {
                break;
            }
            at += HEAD + payload.len();
        }
        self.end = at as u64;
        self.file.set_len(self.end)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        Ok(())
    }

    /// Takes a record into account; `None` for one that does not fit.
    fn note(&mut self, payload: &[u8], at: u64) -> Option<()> {
        match payload.first()? {
            &EXPECT => self.numbers.next_in = number_at(payload, 1)?,
            &SENT => {
                let kept = kept_of(payload)?;
                if kept.seq != self.numbers.next_out {
                    return None;
                }
                self.numbers.next_out = kept.seq + 1;
                self.began_at.get_or_insert(kept.sent_at);
                self.places.push(at);
            }
            _ => return None,
        }
        Some(())
    }

    /// Appends what `room` holds behind its head.
    fn append(&mut self) -> Result<(), StoreError> {
        let (head, payload) = self.room.split_at_mut(HEAD);
        let length = (payload.len() as u32).to_le_bytes();
        let sum = crc32c::crc32c(payload).to_le_bytes();
        head.copy_from_slice(&[length, sum].concat());
        if let Err(error) = self.file.write_all(&self.room) {
            // Half a record must not stay in front of the next one.
            self.file.set_len(self.end)?;
            self.file.seek(SeekFrom::Start(self.end))?;
            return Err(error.into());
        }
        if self.sync {
            self.file.sync_data()?;
        }
        self.end += self.room.len() as u64;
        Ok(())
    }
}

/// The payload of the record at the head of `bytes`, if it is whole and right.
fn whole_record(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let sum = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    let payload = bytes.get(HEAD..HEAD.checked_add(length)?)?;
    (length > 0 && crc32c::crc32c(payload) == sum).then_some(payload)
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|eight| u64::from_le_bytes(*eight))
}

fn kept_of(payload: &[u8]) -> Option<Kept<'_>> {
    let length = usize::from(*payload.get(17)?);
    Some(Kept {
        seq: number_at(payload, 1)?,
        sent_at: Nanos(number_at(payload, 9)?),
        kind: payload.get(18..18 + length.min(3))?,
        rest: payload.get(SENT_HEAD..)?,
    })
}

impl Store for FileStore {
    fn numbers(&self) -> Numbers {
        self.numbers
    }

    fn began_at(&self) -> Option<Nanos> {
        self.began_at
    }

    fn keep(&mut self, kept: &Kept<'_>) -> Result<(), StoreError> {
        let length = kept.kind.len().min(3);
        let mut kind = [0; 3];
        kind[..length].copy_from_slice(&kept.kind[..length]);
        self.room.clear();
        self.room.extend_from_slice(&[0; HEAD]);
        self.room.push(SENT);
        self.room.extend_from_slice(&kept.seq.to_le_bytes());
        self.room.extend_from_slice(&kept.sent_at.0.to_le_bytes());
        self.room.push(length as u8);
        self.room.extend_from_slice(&kind);
        self.room.extend_from_slice(kept.rest);
        let at = self.end;
        self.append()?;
        self.places.push(at);
        self.numbers.next_out = kept.seq + 1;
        self.began_at.get_or_insert(kept.sent_at);
        Ok(())
    }

    fn expect(&mut self, next_in: u64) -> Result<(), StoreError> {
        self.room.clear();
        self.room.extend_from_slice(&[0; HEAD]);
        self.room.push(EXPECT);
        self.room.extend_from_slice(&next_in.to_le_bytes());
        self.append()?;
        self.numbers.next_in = next_in;
        Ok(())
    }

    fn reset(&mut self) -> Result<(), StoreError> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        (self.end, self.numbers, self.began_at) = (0, Numbers::default(), None);
        self.places.clear();
        Ok(())
    }

    fn get(&mut self, seq: u64) -> Option<Kept<'_>> {
        let at = *self.places.get(usize::try_from(seq.checked_sub(1)?).ok()?)?;
        let mut head = [0; HEAD];
        self.file.read_exact_at(&mut head, at).ok()?;
        let length = u32::from_le_bytes(*head.first_chunk()?) as usize;
        self.room.clear();
        self.room.resize(HEAD + length, 0);
        self.file.read_exact_at(&mut self.room, at).ok()?;
        let kept = kept_of(whole_record(&self.room)?)?;
        (kept.seq == seq).then_some(kept)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::fix::session::MemoryStore;

    #[derive(Clone, Debug)]
    enum Step {
        Keep(Vec<u8>),
        Expect(u64),
        Reset,
        Reopen,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => vec(any::<u8>(), 0..40).prop_map(Step::Keep),
            3 => (1u64..99).prop_map(Step::Expect),
            1 => Just(Step::Reset),
            2 => Just(Step::Reopen),
        ]
    }

    fn kept(seq: u64, rest: &[u8]) -> Kept<'_> {
        Kept { seq, sent_at: Nanos(seq * 7), kind: b"8", rest }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_file_remembers_what_memory_does(steps in vec(step(), 0..40)) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("session");
            let mut file = FileStore::open(&path, false).expect("a file");
            let mut memory = MemoryStore::new(100);
            for step in steps {
                match step {
                    Step::Keep(rest) => {
                        let seq = memory.numbers().next_out;
                        memory.keep(&kept(seq, &rest)).expect("kept");
                        file.keep(&kept(seq, &rest)).expect("kept");
                    }
                    Step::Expect(next) => {
                        memory.expect(next).expect("kept");
                        file.expect(next).expect("kept");
                    }
                    Step::Reset => {
                        memory.reset().expect("reset");
                        file.reset().expect("reset");
                    }
                    Step::Reopen => file = FileStore::open(&path, false).expect("a file"),
                }
                prop_assert_eq!(file.numbers(), memory.numbers());
                prop_assert_eq!(file.began_at(), memory.began_at());
                for seq in 0..=memory.numbers().next_out {
                    prop_assert_eq!(file.get(seq), memory.get(seq));
                }
            }
        }

        #[test]
        fn a_torn_end_is_cut_off(cut in 0usize..200) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("session");
            let mut file = FileStore::open(&path, false).expect("a file");
            for seq in 1..=4 {
                file.keep(&kept(seq, b"58=some text\x01")).expect("kept");
            }
            let whole = std::fs::metadata(&path).expect("there").len() as usize;
            let left = whole.saturating_sub(cut);
            drop(file);
            let bytes = std::fs::read(&path).expect("readable");
            std::fs::write(&path, &bytes[..left]).expect("writable");
            let mut file = FileStore::open(&path, true).expect("a file");
            let next = file.numbers().next_out;
            prop_assert_eq!(next as usize, 1 + left / (whole / 4));
            file.keep(&kept(next, b"58=more\x01")).expect("kept");
            let mut again = FileStore::open(&path, false).expect("a file");
            prop_assert_eq!(again.numbers().next_out, next + 1);
            prop_assert_eq!(again.get(next).map(|kept| kept.rest.to_vec()), Some(b"58=more\x01".to_vec()));
        }
    }
}
