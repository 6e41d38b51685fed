//! What a session keeps so that it survives: both numbers, and what each sent number carried.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::model::Nanos;

/// The next numbers both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// The next number from the peer.
    pub next_in: u64,
    /// The next number to the peer.
    pub next_out: u64,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { next_in: 1, next_out: 1 }
    }
}

/// A message as it was sent: what is needed to send it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    /// Its number.
    pub seq: u64,
    /// When it was sent first.
    pub sent_at: Nanos,
    /// Its MsgType.
    pub kind: &'a [u8],
    /// Its fields behind the standard ones; nothing for what is never sent again.
    pub rest: &'a [u8],
}

/// What must be on record could not be put there, so nothing may be sent.
#[derive(Debug, thiserror::Error)]
#[error("the session's record failed: {0}; free its disk and log on again")]
pub struct StoreError(#[from] pub std::io::Error);

/// Where a record can be copied from while it is written.
#[derive(Clone, Debug)]
pub struct Trail {
    /// The file.
    pub path: PathBuf,
    /// Who wrote, and from which byte on.
    pub hands: Vec<(u64, u64)>,
    /// How many bytes of it are whole; read it before the file.
    pub reach: Arc<AtomicU64>,
}

/// A session's record. What returned without error survives as the store promises.
pub trait Store: Send + std::fmt::Debug {
    /// The numbers on record.
    fn numbers(&self) -> Numbers;

    /// When the first number was sent, if it was: which hours the numbers belong to.
    fn began_at(&self) -> Option<Nanos>;

    /// Which numbering this is: the first is 1, each reset begins another.
    fn generation(&self) -> u64;

    /// What the owner said last with [`Store::tell_of`]; 0 for nothing. A reset keeps it.
    fn told_of(&self) -> u64;

    /// Notes, with what is kept next, that everything up to a mark of the owner's was told.
    fn tell_of(&mut self, mark: u64);

    /// Puts on record that a number carried a message, before it is sent.
    ///
    /// # Errors
    /// It is not on record: it may not be sent.
    fn keep(&mut self, kept: &Kept<'_>) -> Result<(), StoreError>;

    /// Puts on record which number of the peer is next.
    ///
    /// # Errors
    /// It is not on record: the peer may be asked for it again.
    fn expect(&mut self, next_in: u64) -> Result<(), StoreError>;

    /// Both numbers begin again at 1, as the numbering of this generation.
    ///
    /// # Errors
    /// The record is as it was.
    fn reset(&mut self, generation: u64) -> Result<(), StoreError>;

    /// What a number carried; `None` where it is not kept: it is passed over.
    fn get(&mut self, seq: u64) -> Option<Kept<'_>>;

    /// From here on it is written by this hand, a number that no other running of any machine has;
    /// where it can be copied from, if it can.
    ///
    /// # Errors
    /// It is not on record.
    fn hand_over(&mut self, _hand: u64) -> Result<Option<Trail>, StoreError> {
        Ok(None)
    }

    /// Bytes on record, where it can be copied.
    fn reach(&self) -> u64 {
        0
    }

    /// Makes all that was put on record since the last call survive, together or not at all;
    /// called before any of it leaves.
    ///
    /// # Errors
    /// Nothing of it survives: nothing may leave.
    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A record that ends with the process: the last messages, in rooms that are used again.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    numbers: Numbers,
    began_at: Option<Nanos>,
    generation: u64,
    told_of: u64,
    slots: Vec<Slot>,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    seq: u64,
    sent_at: Nanos,
    kind: Vec<u8>,
    rest: Vec<u8>,
}

impl MemoryStore {
    /// Keeps the last `messages`.
    pub fn new(messages: usize) -> Self {
        let slots = vec![Slot::default(); messages.max(1)];
        let numbers = Numbers::default();
        Self { numbers, began_at: None, generation: 1, told_of: 0, slots }
    }

    fn slot(&mut self, seq: u64) -> Option<&mut Slot> {
        let count = self.slots.len() as u64;
        self.slots.get_mut((seq % count) as usize)
    }
}

impl Store for MemoryStore {
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
        self.told_of = mark;
    }

    fn keep(&mut self, kept: &Kept<'_>) -> Result<(), StoreError> {
        self.numbers.next_out = kept.seq + 1;
        self.began_at.get_or_insert(kept.sent_at);
        if let Some(slot) = self.slot(kept.seq) {
            (slot.seq, slot.sent_at) = (kept.seq, kept.sent_at);
            slot.kind.clear();
            slot.kind.extend_from_slice(kept.kind);
            slot.rest.clear();
            slot.rest.extend_from_slice(kept.rest);
        }
        Ok(())
    }

    fn expect(&mut self, next_in: u64) -> Result<(), StoreError> {
        self.numbers.next_in = next_in;
        Ok(())
    }

    fn reset(&mut self, generation: u64) -> Result<(), StoreError> {
        (self.numbers, self.began_at) = (Numbers::default(), None);
        self.generation = generation;
        self.slots.iter_mut().for_each(|slot| slot.seq = 0);
        Ok(())
    }

    fn get(&mut self, seq: u64) -> Option<Kept<'_>> {
        let slot = self.slot(seq).filter(|slot| slot.seq == seq && seq != 0)?;
        Some(Kept { seq, sent_at: slot.sent_at, kind: &slot.kind, rest: &slot.rest })
    }
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn numbers(&self) -> Numbers {
        (**self).numbers()
    }

    fn began_at(&self) -> Option<Nanos> {
        (**self).began_at()
    }

    fn generation(&self) -> u64 {
        (**self).generation()
    }

    fn told_of(&self) -> u64 {
        (**self).told_of()
    }

    fn tell_of(&mut self, mark: u64) {
        (**self).tell_of(mark);
    }

    fn keep(&mut self, kept: &Kept<'_>) -> Result<(), StoreError> {
        (**self).keep(kept)
    }

    fn expect(&mut self, next_in: u64) -> Result<(), StoreError> {
        (**self).expect(next_in)
    }

    fn reset(&mut self, generation: u64) -> Result<(), StoreError> {
        (**self).reset(generation)
    }

    fn get(&mut self, seq: u64) -> Option<Kept<'_>> {
        (**self).get(seq)
    }

    fn hand_over(&mut self, hand: u64) -> Result<Option<Trail>, StoreError> {
        (**self).hand_over(hand)
    }

    fn reach(&self) -> u64 {
        (**self).reach()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        (**self).flush()
    }
}
