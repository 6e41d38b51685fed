//! What a session keeps so that it survives: both numbers, and what each sent number carried.

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

/// A session's record. What returned without error survives as the store promises.
pub trait Store {
    /// The numbers on record.
    fn numbers(&self) -> Numbers;

    /// When the first number was sent, if it was: which hours the numbers belong to.
    fn began_at(&self) -> Option<Nanos>;

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

    /// Both numbers begin again at 1.
    ///
    /// # Errors
    /// The record is as it was.
    fn reset(&mut self) -> Result<(), StoreError>;

    /// What a number carried; `None` where it is not kept: it is passed over.
    fn get(&mut self, seq: u64) -> Option<Kept<'_>>;

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
        Self { numbers: Numbers::default(), began_at: None, slots }
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

    fn reset(&mut self) -> Result<(), StoreError> {
        (self.numbers, self.began_at) = (Numbers::default(), None);
        self.slots.iter_mut().for_each(|slot| slot.seq = 0);
        Ok(())
    }

    fn get(&mut self, seq: u64) -> Option<Kept<'_>> {
        let slot = self.slot(seq).filter(|slot| slot.seq == seq && seq != 0)?;
        Some(Kept { seq, sent_at: slot.sent_at, kind: &slot.kind, rest: &slot.rest })
    }
}
