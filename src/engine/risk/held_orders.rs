//! Orders that money is held for, each in one cache line, found by id at one look.
//!
//! Open addressing over the orders themselves: an index beside them would cost a second and a
//! third cache line at every look-up. Ids in sequence lie together; a removal shifts the orders
//! behind back, so there are no tombstones.

use crate::model::{AccountId, InstrumentId, Notional, OrderId, Price, Quantity, SeqNo};

/// An order that passed the gate and is not known to be dead.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(super) struct HeldOrder {
    pub(super) id: OrderId,
    pub(super) price: Price,
    /// The command that entered it: a reject of another command is not about this order.
    pub(super) entered: SeqNo,
    /// Money held for it.
    pub(super) held: Notional,
    pub(super) account: AccountId,
    pub(super) instrument: InstrumentId,
    /// Quantity not yet executed or cancelled.
    pub(super) open: Quantity,
    /// What its chain of replaces has executed.
    pub(super) executed: u32,
    /// The account's row for the instrument.
    pub(super) holding: u32,
    pub(super) is_sale: bool,
    /// The table's own mark of a place that is taken.
    pub(super) is_there: bool,
}
const _: () = assert!(size_of::<HeldOrder>() == 64);

/// Why an order could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotKept {
    /// One of that id is there.
    Duplicate,
    /// As many as there may be are there.
    Full,
}

/// Ids that differ only in their last four bits lie together: a session's last orders.
const TOGETHER: u64 = 16;

/// Odd and without pattern: the golden ratio's fraction in 64 bits.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// All orders held for.
#[derive(Debug)]
pub(super) struct HeldOrders {
    places: Box<[HeldOrder]>,
    mask: usize,
    shift: u32,
    len: usize,
    orders_max: usize,
}

impl HeldOrders {
    /// For up to `orders_max` orders, in at least twice as many places.
    pub(super) fn new(orders_max: usize) -> Self {
        let places = orders_max.max(32).next_power_of_two() * 2;
        Self {
            places: vec![HeldOrder::default(); places].into(),
            mask: places - 1,
            shift: u64::BITS - places.trailing_zeros(),
            len: 0,
            orders_max,
        }
    }

    /// Orders held for.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn home(&self, id: OrderId) -> usize {
        let mixed = (id.0 / TOGETHER).wrapping_mul(MULTIPLIER);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(MULTIPLIER);
        ((mixed >> self.shift) & !(TOGETHER - 1) | (id.0 % TOGETHER)) as usize & self.mask
    }

    /// The place of an order, or else the one it would take.
    #[inline]
    fn place(&self, id: OrderId) -> Result<usize, usize> {
        let mut at = self.home(id);
        loop {
            // Half the places are free, so there is an end.
            match self.places.get(at) {
                Some(order) if order.is_there && order.id != id => at = (at + 1) & self.mask,
                Some(order) if order.is_there => return Ok(at),
                _ => return Err(at),
            }
        }
    }

    /// An order that is held for.
    #[inline]
    pub(super) fn get(&self, id: OrderId) -> Option<&HeldOrder> {
        self.places.get(self.place(id).ok()?)
    }

    /// An order that is held for.
    #[inline]
    pub(super) fn get_mut(&mut self, id: OrderId) -> Option<&mut HeldOrder> {
        let at = self.place(id).ok()?;
        self.places.get_mut(at)
    }

    /// Keeps an order under its id.
    ///
    /// # Errors
    /// [`NotKept`]; nothing changed then.
    #[inline]
    pub(super) fn insert(&mut self, order: HeldOrder) -> Result<(), NotKept> {
        let at = self.place(order.id).err().ok_or(NotKept::Duplicate)?;
        if self.len >= self.orders_max {
            return Err(NotKept::Full);
        }
        let place = self.places.get_mut(at).ok_or(NotKept::Full)?;
        *place = HeldOrder { is_there: true, ..order };
        self.len += 1;
        Ok(())
    }

    /// Takes an order out.
    #[inline]
    pub(super) fn remove(&mut self, id: OrderId) -> Option<HeldOrder> {
        let at = self.place(id).ok()?;
        let order = *self.places.get(at)?;
        self.close(at);
        self.len -= 1;
        Some(order)
    }

    /// Fills a hole with orders from behind it that may stand nearer their homes.
    fn close(&mut self, mut hole: usize) {
        let mut at = hole;
        loop {
            at = (at + 1) & self.mask;
            let Some(order) = self.places.get(at).copied().filter(|order| order.is_there) else {
                break;
            };
            let from_home = at.wrapping_sub(self.home(order.id)) & self.mask;
            let from_hole = at.wrapping_sub(hole) & self.mask;
            if from_home >= from_hole
                && let Some(place) = self.places.get_mut(hole)
            {
                *place = order;
                hole = at;
            }
        }
        if let Some(place) = self.places.get_mut(hole) {
            place.is_there = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_sorted_map(
            steps in prop::collection::vec((0u8..3, 0u64..90), 0..600),
            stride in prop::sample::select(vec![1u64, 7, 16, 1_000, 1 << 32, 1 << 58]),
        ) {
            let mut orders = HeldOrders::new(40);
            let mut oracle = BTreeMap::new();
            for (at, (step, key)) in steps.into_iter().enumerate() {
                let id = OrderId(key.wrapping_mul(stride));
                let order = HeldOrder { id, executed: at as u32, ..HeldOrder::default() };
                match step {
                    0 => {
                        let expected = match (oracle.contains_key(&id), oracle.len()) {
                            (true, _) => Err(NotKept::Duplicate),
                            (_, 40) => Err(NotKept::Full),
                            _ => Ok(()),
                        };
                        prop_assert_eq!(orders.insert(order), expected);
                        if expected.is_ok() {
                            oracle.insert(id, at as u32);
                        }
                    }
                    1 => {
                        let removed = orders.remove(id).map(|order| order.executed);
                        prop_assert_eq!(removed, oracle.remove(&id));
                    }
                    _ => {
                        let found = orders.get(id).map(|order| order.executed);
                        prop_assert_eq!(found, oracle.get(&id).copied());
                    }
                }
                prop_assert_eq!(orders.len(), oracle.len());
            }
            for (id, executed) in oracle {
                prop_assert_eq!(orders.get(id).map(|order| order.executed), Some(executed));
            }
        }
    }
}
