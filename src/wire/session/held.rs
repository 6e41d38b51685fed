//! Messages that came before their turn, kept until the ones before them come or are given up.

use crate::model::Nanos;
use crate::wire::ouch::MESSAGE_MAX;

/// Messages kept at most, and so the widest window: a bit of a word each.
pub const WINDOW_MAX: u64 = 64;

#[derive(Clone, Copy, Debug)]
struct Slot {
    length: u16,
    arrived: Nanos,
    bytes: [u8; MESSAGE_MAX],
}

/// The messages kept, all with numbers in a window that the owner moves.
#[derive(Debug)]
pub(crate) struct Held {
    slots: Box<[Slot]>,
    /// Bit `number % 64` is set where that number is kept.
    present: u64,
}

impl Held {
    pub(crate) fn new() -> Self {
        let empty = Slot { length: 0, arrived: Nanos::ZERO, bytes: [0; MESSAGE_MAX] };
        Self { slots: vec![empty; WINDOW_MAX as usize].into(), present: 0 }
    }

    pub(crate) fn clear(&mut self) {
        self.present = 0;
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.present == 0
    }

    /// Whether a number of the window is kept.
    #[inline]
    pub(crate) fn has(&self, number: u64) -> bool {
        self.present >> (number % WINDOW_MAX) & 1 == 1
    }

    /// Keeps a number of the window; one kept already stays as it is.
    pub(crate) fn keep(&mut self, number: u64, bytes: &[u8], now: Nanos) {
        let slot = &mut self.slots[(number % WINDOW_MAX) as usize];
        let Some(space) = slot.bytes.get_mut(..bytes.len()) else { return };
        if self.present >> (number % WINDOW_MAX) & 1 == 0 {
            space.copy_from_slice(bytes);
            (slot.length, slot.arrived) = (bytes.len() as u16, now);
            self.present |= 1 << (number % WINDOW_MAX);
        }
    }

    /// Takes a number of the window out.
    #[inline]
    pub(crate) fn take(&mut self, number: u64) -> Option<&[u8]> {
        if !self.has(number) {
            return None;
        }
        self.present &= !(1 << (number % WINDOW_MAX));
        let slot = &self.slots[(number % WINDOW_MAX) as usize];
        slot.bytes.get(..usize::from(slot.length))
    }

    /// The lowest number kept, in the window that begins at `from`.
    #[inline]
    pub(crate) fn first(&self, from: u64) -> Option<u64> {
        let turned = self.present.rotate_right((from % WINDOW_MAX) as u32);
        (turned != 0).then(|| from + u64::from(turned.trailing_zeros()))
    }

    /// When the message that waits longest arrived.
    #[inline]
    pub(crate) fn waiting_since(&self) -> Option<Nanos> {
        let mut left = self.present;
        let mut since = None;
        while left != 0 {
            let arrived = self.slots[left.trailing_zeros() as usize].arrived;
            since = Some(since.map_or(arrived, |since: Nanos| since.min(arrived)));
            left &= left - 1;
        }
        since
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A sorted map is the oracle; the window moves past whatever is taken.
        #[test]
        fn is_a_map_with_a_window(
            steps in prop::collection::vec((0u64..64, any::<bool>()), 1..300),
        ) {
            let (mut held, mut oracle, mut from) = (Held::new(), BTreeMap::new(), 1_000_000u64);
            for (at, (ahead, takes)) in steps.into_iter().enumerate() {
                let (number, bytes) = (from + ahead, at.to_be_bytes());
                held.keep(number, &bytes, Nanos(at as u64));
                oracle.entry(number).or_insert((bytes, Nanos(at as u64)));
                prop_assert_eq!(held.first(from), oracle.keys().next().copied());
                let since = oracle.values().map(|kept| kept.1).min();
                prop_assert_eq!(held.waiting_since(), since);
                if takes {
                    let expected = oracle.remove(&number).map(|kept| kept.0.to_vec());
                    prop_assert_eq!(held.take(number), expected.as_deref());
                    from = oracle.keys().next().copied().unwrap_or(number + 1);
                }
                prop_assert_eq!(held.is_empty(), oracle.is_empty());
            }
        }
    }
}
