//! Orders of a feed by their reference: a table of cache lines with room for two, which probes on.
//!
//! References are mixed with a constant of the table's own, so that a feed's regular numbers
//! spread; a reference of 0 is none. A line counts the orders that found it full, so that a look
//! ends at a line that none passed, and one that leaves touches its own line alone.

use crate::model::fetch;

/// An order of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(32))]
pub(super) struct Order {
    pub(super) reference: u64,
    /// Its place in line among all orders.
    pub(super) joined: u64,
    pub(super) price: u32,
    pub(super) shares: u32,
    /// The instrument's place, twice, and 1 if it buys.
    pub(super) at: u16,
    pub(super) timestamp: [u8; 6],
}
const _: () = assert!(size_of::<Order>() == 32);

impl Order {
    #[inline]
    pub(super) const fn buys(&self) -> bool {
        self.at & 1 == 1
    }

    #[inline]
    pub(super) const fn place(&self) -> usize {
        (self.at >> 1) as usize
    }
}

/// A cache line of orders.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Pair([Order; 2]);

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    lines: Box<[Pair]>,
    /// By line: orders that found it full and stand behind it.
    passed: Box<[u32]>,
    shift: u32,
    count: usize,
    most: usize,
}

impl Orders {
    /// With room for `most`.
    pub(super) fn new(most: usize) -> Self {
        let lines = most.max(8).next_power_of_two();
        let shift = 64 - lines.trailing_zeros();
        Self {
            lines: vec![Pair::default(); lines].into(),
            passed: vec![0; lines].into(),
            shift,
            count: 0,
            most: most.max(8),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn clear(&mut self) {
        self.lines.fill(Pair::default());
        self.passed.fill(0);
        self.count = 0;
    }

    /// The line a reference would be on, if it has room: two that follow each other share one.
    #[inline]
    fn home(&self, reference: u64) -> usize {
        ((reference >> 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// Asks for the line of a reference, so that it is in the cache when its turn comes.
    #[inline]
    pub(super) fn fetch(&self, reference: u64) {
        fetch(&self.lines, self.home(reference));
    }

    /// Where a reference is.
    #[inline]
    fn find(&self, reference: u64) -> Option<(usize, usize)> {
        let mask = self.lines.len() - 1;
        let mut line = self.home(reference) & mask;
        for _ in 0..self.lines.len() {
            let Pair([first, second]) = &self.lines[line];
            if first.reference == reference {
                return Some((line, 0));
            }
            if second.reference == reference {
                return Some((line, 1));
            }
            if self.passed[line] == 0 {
                return None;
            }
            line = (line + 1) & mask;
        }
        None
    }

    /// An order, to be changed; its reference must stay.
    #[inline]
    pub(super) fn get_mut(&mut self, reference: u64) -> Option<&mut Order> {
        let (line, at) = self.find(reference).filter(|_| reference != 0)?;
        Some(&mut self.lines[line].0[at])
    }

    /// Adds an order; `false` where its reference is none or taken, or the table is full.
    #[inline]
    pub(super) fn add(&mut self, order: Order) -> bool {
        if order.reference == 0 || self.count == self.most || self.find(order.reference).is_some() {
            return false;
        }
        let mask = self.lines.len() - 1;
        let mut line = self.home(order.reference) & mask;
        loop {
            let Pair([first, second]) = &self.lines[line];
            let at = match (first.reference, second.reference) {
                (0, _) => 0,
                (_, 0) => 1,
                _ => {
                    self.passed[line] += 1;
                    line = (line + 1) & mask;
                    continue;
                }
            };
            self.lines[line].0[at] = order;
            self.count += 1;
            return true;
        }
    }

    /// Takes an order away.
    #[inline]
    pub(super) fn remove(&mut self, reference: u64) -> Option<Order> {
        let (found, at) = self.find(reference).filter(|_| reference != 0)?;
        let mask = self.lines.len() - 1;
        let mut line = self.home(reference) & mask;
        while line != found {
            self.passed[line] -= 1;
            line = (line + 1) & mask;
        }
        self.count -= 1;
        Some(std::mem::take(&mut self.lines[found].0[at]))
    }

    /// All orders, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Order> {
        self.lines.iter().flat_map(|pair| &pair.0).filter(|order| order.reference != 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_map(
            steps in prop::collection::vec((0u8..3, 0u64..40, any::<u32>()), 0..200),
        ) {
            let (mut table, mut map) = (Orders::new(16), BTreeMap::new());
            for (step, reference, price) in steps {
                match step {
                    0 | 1 => {
                        let is_new = reference != 0 && !map.contains_key(&reference);
                        let fits = is_new && map.len() < 16;
                        let order = Order { reference, price, ..Order::default() };
                        prop_assert_eq!(table.add(order), fits);
                        if fits {
                            map.insert(reference, price);
                        }
                    }
                    _ => {
                        let gone = table.remove(reference).map(|order| order.price);
                        prop_assert_eq!(gone, map.remove(&reference));
                    }
                }
                prop_assert_eq!(table.len(), map.len());
                for (reference, price) in &map {
                    let found = table.get_mut(*reference).map(|order| order.price);
                    prop_assert_eq!(found, Some(*price));
                }
            }
        }
    }
}
