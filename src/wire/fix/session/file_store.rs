//! A session's record in a file that only grows. What one input led to is written as one batch,
//! so that an order and its answer are on record together or not at all; a torn end is cut off,
//! for nothing of it was sent. What was written survives the process; whoever needs more syncs the
//! file, and waits for that.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::Nanos;
use crate::wire::fix::frame::MESSAGE_MAX;
use crate::wire::fix::session::places::Places;
use crate::wire::fix::session::{Kept, Numbers, Store, StoreError, Trail};

const SENT: u8 = b'S';
const EXPECT: u8 = b'E';
const RESET: u8 = b'R';
const TOLD: u8 = b'T';
const HAND: u8 = b'H';

/// Bytes before the present numbering from which on they are dropped when the record is opened.
const OLD_BYTES_MAX: u64 = 1 << 20;

/// The longest batch that is copied.
const COPIED_BATCH_MAX: usize = 1 << 26;

/// Bytes before a batch: its length and its checksum.
const HEAD: usize = 8;
/// Bytes before a record within a batch: its length.
const LENGTH: usize = 4;
/// Bytes a batch takes without taking more memory.
const BATCH_ROOM: usize = 8 * MESSAGE_MAX;
/// A sent message's bytes before its fields: mark, number, time, length of its type, type.
const SENT_HEAD: usize = 1 + 8 + 8 + 1 + 3;

/// The record.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    file: File,
    numbers: Numbers,
    began_at: Option<Nanos>,
    generation: u64,
    told_of: u64,
    /// Where the present numbering begins.
    begins_at: u64,
    /// Where each sent message's record is, the first message's first.
    places: Places,
    /// Where the next batch goes.
    end: u64,
    /// Who wrote, and from which byte on.
    hands: Vec<(u64, u64)>,
    /// How far it reaches, for whoever copies it.
    reach: Arc<AtomicU64>,
    /// What came of a batch that is not whole yet, where this is a copy.
    tail: Vec<u8>,
    /// The batch to come, behind room for its head.
    batch: Vec<u8>,
    /// The record being read.
    room: Vec<u8>,
}

impl FileStore {
    /// Opens a record, or begins one.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut store = Self::copy_at(path)?;
        if store.begins_at > OLD_BYTES_MAX {
            store.drop_old()?;
        }
        Ok(store)
    }

    /// Opens a record that is the copy of another machine's: not a byte of it may be dropped.
    ///
    /// # Errors
    /// What the file system says.
    pub fn copy_at(path: &Path) -> Result<Self, StoreError> {
        let mut store = Self::of(path, open(path)?);
        store.recover()?;
        Ok(store)
    }

    fn of(path: &Path, file: File) -> Self {
        let mut batch = Vec::with_capacity(BATCH_ROOM);
        batch.resize(HEAD, 0);
        Self {
            path: path.to_owned(),
            file,
            numbers: Numbers::default(),
            began_at: None,
            generation: 1,
            told_of: 0,
            begins_at: 0,
            places: Places::new(),
            end: 0,
            hands: Vec::new(),
            reach: Arc::default(),
            tail: Vec::new(),
            batch,
            room: Vec::with_capacity(SENT_HEAD + MESSAGE_MAX),
        }
    }

    /// Leaves out what no number of the present numbering carried.
    fn drop_old(&mut self) -> Result<(), StoreError> {
        let mut kept = vec![0; (self.end - self.begins_at) as usize];
        self.file.read_exact_at(&mut kept, self.begins_at)?;
        // Two that begin with this hand are the same up to here.
        let hash = blake3::hash(&kept);
        let hand = number_at(hash.as_bytes(), 0).unwrap_or_default().to_le_bytes();
        let record = [&9u32.to_le_bytes()[..], &[HAND], &hand].concat();
        let [length, sum] = [record.len() as u32, crc32c::crc32c(&record)].map(u32::to_le_bytes);
        let shorter = self.path.with_extension("shorter");
        let mut file = File::create(&shorter)?;
        file.write_all(&[&length[..], &sum, &record, &kept].concat())?;
        // It takes the place of what may be on the disk: it must be there first.
        file.sync_all()?;
        std::fs::rename(&shorter, &self.path)?;
        *self = Self::copy_at(&self.path)?;
        Ok(())
    }

    /// Bytes on record.
    pub fn length(&self) -> u64 {
        self.end
    }

    /// Bytes taken of another machine's, those of a batch that is not whole included.
    pub fn copied(&self) -> u64 {
        self.end + self.tail.len() as u64
    }

    /// Who wrote, and from which byte on: what two records have in common is told by it. Nothing
    /// of a record whose first bytes are nobody's.
    pub fn hands(&self) -> &[(u64, u64)] {
        if self.hands.first().is_some_and(|(_, at)| *at == 0) { &self.hands } else { &[] }
    }

    /// Keeps the first bytes only: what comes after is of another history.
    ///
    /// # Errors
    /// What the file system says.
    pub fn cut(&mut self, length: u64) -> Result<(), StoreError> {
        self.file.set_len(length)?;
        *self = Self::copy_at(&self.path)?;
        Ok(())
    }

    /// Takes what another machine wrote behind what is here; it may end within a batch.
    ///
    /// # Errors
    /// What the file system says; bytes that are no batches.
    pub fn copy(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all_at(bytes, self.end + self.tail.len() as u64)?;
        let mut tail = std::mem::take(&mut self.tail);
        tail.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(batch) = tail.get(at..).and_then(whole_batch) {
            self.note_batch(batch, self.end);
            at += HEAD + batch.len();
            self.end += (HEAD + batch.len()) as u64;
        }
        tail.drain(..at);
        let length = tail.first_chunk().map_or(0, |four| u32::from_le_bytes(*four) as usize);
        if tail.len() >= HEAD + length.clamp(1, COPIED_BATCH_MAX) {
            let what = "what came for the record of a session is none";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what).into());
        }
        self.tail = tail;
        Ok(())
    }

    /// Reads the record from the start, as far as it is whole.
    fn recover(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        let mut at = 0;
        while let Some(batch) = bytes.get(at..).and_then(whole_batch) {
            self.note_batch(batch, at as u64);
            at += HEAD + batch.len();
        }
        self.end = at as u64;
        self.file.set_len(self.end)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        Ok(())
    }

    /// Takes a batch into account that stands at a byte of the file.
    fn note_batch(&mut self, batch: &[u8], at: u64) {
        let mut place = at + HEAD as u64;
        for record in records(batch) {
            match record.first() {
                Some(&RESET) => self.begins_at = at,
                Some(&HAND) => self.hands.extend(number_at(record, 1).map(|hand| (hand, at))),
                _ => {}
            }
            self.note(record, place + LENGTH as u64);
            place += (LENGTH + record.len()) as u64;
        }
    }

    /// Takes a record into account.
    fn note(&mut self, record: &[u8], at: u64) {
        match record.first() {
            Some(&EXPECT) => {
                self.numbers.next_in = number_at(record, 1).unwrap_or(self.numbers.next_in);
            }
            Some(&RESET) => {
                self.forget(number_at(record, 1).unwrap_or(self.generation));
                self.told_of = number_at(record, 9).unwrap_or(self.told_of);
            }
            Some(&TOLD) => self.told_of = number_at(record, 1).unwrap_or(self.told_of),
            Some(&SENT) => {
                if let Some(kept) = kept_of(record) {
                    self.numbers.next_out = kept.seq + 1;
                    self.began_at.get_or_insert(kept.sent_at);
                    self.places.push(at);
                }
            }
            _ => {}
        }
    }

    fn forget(&mut self, generation: u64) {
        (self.numbers, self.began_at) = (Numbers::default(), None);
        self.generation = generation;
        self.places.clear();
    }

    /// Begins a record of the batch; returns where its bytes start in the file.
    fn begin(&mut self, length: usize) -> u64 {
        self.batch.extend_from_slice(&(length as u32).to_le_bytes());
        self.end + self.batch.len() as u64
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// The records of the batch at the head of `bytes`, if it is whole and right.
fn whole_batch(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
    let sum = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
    let batch = bytes.get(HEAD..HEAD.checked_add(length)?)?;
    (length > 0 && crc32c::crc32c(batch) == sum).then_some(batch)
}

/// The records of a batch.
fn records(mut batch: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = u32::from_le_bytes(*batch.first_chunk()?) as usize;
        let record = batch.get(LENGTH..LENGTH.checked_add(length)?)?;
        batch = batch.get(LENGTH + length..)?;
        Some(record)
    })
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|eight| u64::from_le_bytes(*eight))
}

fn kept_of(record: &[u8]) -> Option<Kept<'_>> {
    let length = usize::from(*record.get(17)?);
    Some(Kept {
        seq: number_at(record, 1)?,
        sent_at: Nanos(number_at(record, 9)?),
        kind: record.get(18..18 + length.min(3))?,
        rest: record.get(SENT_HEAD..)?,
    })
}

impl Store for FileStore {
    fn numbers(&self) -> Numbers {
        self.numbers
    }

    fn began_at(&self) -> Option<Nanos> {
        self.began_at
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn told_of(&self) -> u64 {
        self.told_of
    }

    fn tell_of(&mut self, mark: u64) {
        self.begin(1 + 8);
        self.batch.push(TOLD);
        self.batch.extend_from_slice(&mark.to_le_bytes());
        self.told_of = mark;
    }

    fn keep(&mut self, kept: &Kept<'_>) -> Result<(), StoreError> {
        let length = kept.kind.len().min(3);
        let mut kind = [0; 3];
        kind[..length].copy_from_slice(&kept.kind[..length]);
        let at = self.begin(SENT_HEAD + kept.rest.len());
        self.batch.push(SENT);
        self.batch.extend_from_slice(&kept.seq.to_le_bytes());
        self.batch.extend_from_slice(&kept.sent_at.0.to_le_bytes());
        self.batch.push(length as u8);
        self.batch.extend_from_slice(&kind);
        self.batch.extend_from_slice(kept.rest);
        self.places.push(at);
        self.numbers.next_out = kept.seq + 1;
        self.began_at.get_or_insert(kept.sent_at);
        Ok(())
    }

    fn expect(&mut self, next_in: u64) -> Result<(), StoreError> {
        self.begin(1 + 8);
        self.batch.push(EXPECT);
        self.batch.extend_from_slice(&next_in.to_le_bytes());
        self.numbers.next_in = next_in;
        Ok(())
    }

    fn reset(&mut self, generation: u64) -> Result<(), StoreError> {
        // A batch of its own, so that the numbering can be found without what was before it.
        self.flush()?;
        self.begin(1 + 8 + 8);
        self.batch.push(RESET);
        self.batch.extend_from_slice(&generation.to_le_bytes());
        self.batch.extend_from_slice(&self.told_of.to_le_bytes());
        self.begins_at = self.end;
        self.forget(generation);
        Ok(())
    }

    fn hand_over(&mut self, hand: u64) -> Result<Option<Trail>, StoreError> {
        self.flush()?;
        // Half a batch of a machine that died is nothing.
        self.tail.clear();
        self.file.set_len(self.end)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        self.hands.push((hand, self.end));
        self.begin(1 + 8);
        self.batch.push(HAND);
        self.batch.extend_from_slice(&hand.to_le_bytes());
        self.flush()?;
        let (path, reach) = (self.path.clone(), Arc::clone(&self.reach));
        Ok(Some(Trail { path, hands: self.hands().to_vec(), reach }))
    }

    fn reach(&self) -> u64 {
        self.end
    }

    fn get(&mut self, seq: u64) -> Option<Kept<'_>> {
        self.flush().ok()?;
        let at = self.places.get(seq)?;
        let mut length = [0; LENGTH];
        self.file.read_exact_at(&mut length, at - LENGTH as u64).ok()?;
        let length = (u32::from_le_bytes(length) as usize).min(SENT_HEAD + MESSAGE_MAX);
        self.room.resize(length, 0);
        self.file.read_exact_at(&mut self.room, at).ok()?;
        kept_of(&self.room).filter(|kept| kept.seq == seq)
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let (head, records) = self.batch.split_at_mut(HEAD);
        if records.is_empty() {
            return Ok(());
        }
        let length = (records.len() as u32).to_le_bytes();
        let sum = crc32c::crc32c(records).to_le_bytes();
        let (first, second) = head.split_at_mut(HEAD / 2);
        first.copy_from_slice(&length);
        second.copy_from_slice(&sum);
        if let Err(error) = self.file.write_all(&self.batch) {
            // Half a batch must not stay in front of the next try, which brings it again.
            self.file.set_len(self.end)?;
            self.file.seek(SeekFrom::Start(self.end))?;
            return Err(error.into());
        }
        self.end += self.batch.len() as u64;
        // In one order with whether it is waited for.
        self.reach.store(self.end, Ordering::SeqCst);
        self.batch.truncate(HEAD);
        Ok(())
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
        Tell(u64),
        Reopen,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => vec(any::<u8>(), 0..40).prop_map(Step::Keep),
            3 => (1u64..99).prop_map(Step::Expect),
            1 => Just(Step::Reset),
            2 => (1u64..9999).prop_map(Step::Tell),
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
            let mut file = FileStore::open(&path).expect("a file");
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
                        let generation = memory.generation() + 1;
                        memory.reset(generation).expect("reset");
                        file.reset(generation).expect("reset");
                    }
                    Step::Tell(mark) => {
                        memory.tell_of(mark);
                        file.tell_of(mark);
                    }
                    Step::Reopen => {
                        file.flush().expect("written");
                        file = FileStore::open(&path).expect("a file");
                    }
                }
                prop_assert_eq!(file.numbers(), memory.numbers());
                prop_assert_eq!(file.began_at(), memory.began_at());
                prop_assert_eq!(file.generation(), memory.generation());
                prop_assert_eq!(file.told_of(), memory.told_of());
                for seq in 0..=memory.numbers().next_out {
                    prop_assert_eq!(file.get(seq), memory.get(seq));
                }
            }
        }

        #[test]
        fn a_copy_is_what_was_copied_wherever_it_was_cut(
            steps in vec(step(), 0..40), cuts in vec(1usize..200, 1..20), lost in 0u64..100,
        ) {
            let folder = tempfile::tempdir().expect("a folder");
            let (path, other) = (folder.path().join("session"), folder.path().join("copy"));
            let mut file = FileStore::open(&path).expect("a file");
            file.hand_over(7).expect("written");
            for step in steps {
                let seq = file.numbers().next_out;
                match step {
                    Step::Keep(rest) => file.keep(&kept(seq, &rest)).expect("kept"),
                    Step::Expect(next) => file.expect(next).expect("kept"),
                    Step::Reset => file.reset(file.generation() + 1).expect("reset"),
                    Step::Tell(mark) => file.tell_of(mark),
                    Step::Reopen => file.flush().expect("written"),
                }
            }
            file.flush().expect("written");
            let bytes = std::fs::read(&path).expect("readable");
            let mut copy = FileStore::copy_at(&other).expect("a file");
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                let (piece, more) = rest.split_at(rest.len().min(*cut));
                copy.copy(piece).expect("they are batches");
                rest = more;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(copy.length(), bytes.len() as u64);
            prop_assert_eq!(copy.hands(), file.hands());
            prop_assert_eq!((copy.numbers(), copy.told_of()), (file.numbers(), file.told_of()));
            for seq in 0..=file.numbers().next_out {
                prop_assert_eq!(copy.get(seq), file.get(seq));
            }
            // Who takes over goes on, and what the other wrote behind that is cut off there.
            let until = copy.length().saturating_sub(lost);
            copy.cut(until).expect("cut");
            let next = copy.numbers().next_out;
            copy.hand_over(8).expect("written");
            copy.keep(&kept(next, b"58=heir\x01")).expect("kept");
            copy.flush().expect("written");
            let again = FileStore::open(&other).expect("a file");
            prop_assert_eq!(again.hands(), copy.hands());
            prop_assert_eq!(again.numbers(), copy.numbers());
        }

        #[test]
        fn bytes_that_are_no_record_are_not_copied(bytes in vec(any::<u8>(), 9..99)) {
            let folder = tempfile::tempdir().expect("a folder");
            let mut copy = FileStore::copy_at(&folder.path().join("copy")).expect("a file");
            let _ = copy.copy(&bytes);
            prop_assert_eq!(copy.length(), 0);
        }

        #[test]
        fn what_came_before_a_reset_is_dropped_when_there_is_much_of_it(more in 1u64..9) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("session");
            let mut file = FileStore::open(&path).expect("a file");
            let long = vec![b'x'; 30_000];
            for seq in 1..=40 {
                file.keep(&kept(seq, &long)).expect("kept");
                file.flush().expect("written");
            }
            file.tell_of(77);
            file.reset(5).expect("reset");
            for seq in 1..=more {
                file.keep(&kept(seq, b"58=new\x01")).expect("kept");
            }
            file.flush().expect("written");
            for _ in 0..2 {
                let mut again = FileStore::open(&path).expect("a file");
                prop_assert!(std::fs::metadata(&path).expect("there").len() < 1_000);
                prop_assert_eq!((again.generation(), again.told_of()), (5, 77));
                prop_assert_eq!(again.numbers().next_out, more + 1);
                let rest = again.get(more).map(|kept| kept.rest.to_vec());
                prop_assert_eq!(rest, Some(b"58=new\x01".to_vec()));
            }
        }

        #[test]
        fn a_torn_end_is_cut_off(cut in 0usize..200) {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("session");
            let mut file = FileStore::open(&path).expect("a file");
            for seq in 1..=4 {
                file.keep(&kept(seq, b"58=some text\x01")).expect("kept");
                file.expect(seq + 1).expect("kept");
                file.flush().expect("written");
            }
            let whole = std::fs::metadata(&path).expect("there").len() as usize;
            let left = whole.saturating_sub(cut);
            drop(file);
            let bytes = std::fs::read(&path).expect("readable");
            std::fs::write(&path, &bytes[..left]).expect("writable");
            let mut file = FileStore::open(&path).expect("a file");
            let next = file.numbers().next_out;
            prop_assert_eq!(file.numbers().next_in, next, "both or neither");
            prop_assert_eq!(next as usize, 1 + left / (whole / 4));
            file.keep(&kept(next, b"58=more\x01")).expect("kept");
            file.flush().expect("written");
            let mut again = FileStore::open(&path).expect("a file");
            prop_assert_eq!(again.numbers().next_out, next + 1);
            let rest = again.get(next).map(|kept| kept.rest.to_vec());
            prop_assert_eq!(rest, Some(b"58=more\x01".to_vec()));
        }
    }
}
