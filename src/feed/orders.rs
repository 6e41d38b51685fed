//! Orders of a feed by their reference: a table that probes on, two entries a cache line.
//!
//! References are mixed with a constant of the table's own, so that a feed's regular numbers
//! spread; a reference of 0 is none. An entry that leaves draws those behind it nearer: no graves.

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

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    slots: Box<[Order]>,
    shift: u32,
    count: usize,
    most: usize,
}

impl Orders {
    /// With room for `most`.
    pub(super) fn new(most: usize) -> Self {
        let slots = (2 * most.max(8)).next_power_of_two();
        let shift = 65 - slots.trailing_zeros();
        Self { slots: vec![Order::default(); slots].into(), shift, count: 0, most: most.max(8) }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn clear(&mut self) {
        self.slots.fill(Order::default());
        self.count = 0;
    }

    /// Where a reference would be, if all were free: two that follow each other share a cache line.
    #[inline]
    fn home(&self, reference: u64) -> usize {
        let line = ((reference >> 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize;
        line << 1 | (reference & 1) as usize
    }

    /// Reads where a reference would be, so that it is in the cache when its turn comes.
    #[inline]
    pub(super) fn touch(&self, reference: u64) {
        let mask = self.slots.len() - 1;
        std::hint::black_box(self.slots[self.home(reference) & mask].reference);
    }

    /// The slot of a reference, or the free one where it would be; half of the slots are free.
    #[inline]
    fn find(&self, reference: u64) -> (usize, bool) {
        let mask = self.slots.len() - 1;
        let mut at = self.home(reference);
        loop {
            match self.slots[at & mask].reference {
                0 => return (at & mask, false),
                found if found == reference => return (at & mask, true),
                _ => at += 1,
            }
        }
    }

    /// An order, to be changed; its reference must stay.
    #[inline]
    pub(super) fn get_mut(&mut self, reference: u64) -> Option<&mut Order> {
        let (at, is_there) = self.find(reference);
        is_there.then(|| &mut self.slots[at])
    }

    /// Adds an order; `false` where its reference is none or taken, or the table is full.
    #[inline]
    pub(super) fn add(&mut self, order: Order) -> bool {
        let (at, is_there) = self.find(order.reference);
        if is_there || order.reference == 0 || self.count == self.most {
            return false;
        }
        self.slots[at] = order;
        self.count += 1;
        true
    }

    /// Takes an order away.
    #[inline]
    pub(super) fn remove(&mut self, reference: u64) -> Option<Order> {
        let (mut hole, is_there) = self.find(reference);
        if !is_there || reference == 0 {
            return None;
        }
        let gone = self.slots[hole];
        let mask = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let order = self.slots[at];
            if order.reference == 0 {
                break;
            }
            // It may come nearer only as far as its home.
            let home = self.home(order.reference) & mask;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.slots[hole] = order;
                hole = at;
            }
        }
        self.slots[hole] = Order::default();
        self.count -= 1;
        Some(gone)
    }

    /// All orders, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Order> {
        self.slots.iter().filter(|order| order.reference != 0)
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
