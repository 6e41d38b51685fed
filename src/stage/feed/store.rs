//! The last messages published, by number, for sending and for sending again.

use crate::snapshot::{Bad, Part, Source};

/// Bytes a message may have; the longest ITCH message we publish has 50.
pub(super) const MESSAGE_MAX: usize = 63;

/// One message: its length, then its bytes; a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Slot {
    length: u8,
    bytes: [u8; MESSAGE_MAX],
}

/// A ring of the last messages; the first is number 1.
#[derive(Debug)]
pub(super) struct Store {
    slots: Box<[Slot]>,
    next: u64,
}

/// The messages that are kept, not the ring: that may have another size now.
impl Part for Store {
    fn write(&self, to: &mut Vec<u8>) {
        let from = self.oldest();
        (self.next, from).write(to);
        for number in from..self.next {
            let bytes = self.get(number).unwrap_or(&[]);
            to.push(bytes.len() as u8);
            to.extend_from_slice(bytes);
        }
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        let (next, first) = from.value::<(u64, u64)>()?;
        if first == 0 || first > next {
            return Err(Bad::new("numbers out of their order"));
        }
        self.next = first;
        for _ in first..next {
            let length = usize::from(from.value::<u8>()?);
            let bytes = from.take(length)?;
            if length > MESSAGE_MAX {
                return Err(Bad::new("a message longer than any"));
            }
            self.push(|space| {
                space[..length].copy_from_slice(bytes);
                length
            });
        }
        Ok(())
    }
}

impl Store {
    /// Keeps at least `messages`.
    pub(super) fn new(messages: usize) -> Self {
        let empty = Slot { length: 0, bytes: [0; MESSAGE_MAX] };
        Self { slots: vec![empty; messages.next_power_of_two()].into(), next: 1 }
    }

    /// The next message has this number; there were none before it.
    pub(super) fn begin_at(&mut self, number: u64) {
        self.next = number.max(1);
    }

    /// The number the next message will have.
    #[inline]
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The oldest number still kept.
    #[inline]
    pub(super) fn oldest(&self) -> u64 {
        self.next.saturating_sub(self.slots.len() as u64).max(1)
    }

    #[inline]
    fn index(&self, number: u64) -> usize {
        number as usize & (self.slots.len() - 1)
    }

    /// Adds a message that `write` puts into the space and tells the length of.
    #[inline]
    pub(super) fn push(&mut self, write: impl FnOnce(&mut [u8; MESSAGE_MAX]) -> usize) {
        let index = self.index(self.next);
        if let Some(slot) = self.slots.get_mut(index) {
            slot.length = write(&mut slot.bytes).min(MESSAGE_MAX) as u8;
            self.next += 1;
        }
    }

    /// A message that is still kept.
    #[inline]
    pub(super) fn get(&self, number: u64) -> Option<&[u8]> {
        if number < self.oldest() || number >= self.next {
            return None;
        }
        let slot = self.slots.get(self.index(number))?;
        slot.bytes.get(..slot.length as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_and_forgets_the_first() {
        let mut store = Store::new(8);
        for number in 1..=20u8 {
            store.push(|space| {
                space[0] = number;
                1
            });
        }
        assert_eq!((store.oldest(), store.next()), (13, 21));
        assert_eq!(store.get(12), None);
        assert_eq!(store.get(13), Some(&[13][..]));
        assert_eq!(store.get(20), Some(&[20][..]));
        assert_eq!(store.get(21), None);
    }
}
