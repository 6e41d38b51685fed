//! Orders that money is held for, each in one cache line, found by id.
//!
//! Slots are used again, the one freed last first, so the orders of a day lie in as few lines as
//! there are orders at once; the map's ids in sequence share cache lines.

use crate::engine::{PagedMap, Spot, sent};
use crate::model::{AccountId, InstrumentId, Notional, OrderId, Price, Quantity, SeqNo, fetch};
use crate::snapshot::{Bad, Part, Source, part, write_count};

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
    /// Where the table noted its id.
    pub(super) spot: Spot,
    pub(super) is_sale: bool,
    /// Tells that it waits at an end of its instrument's price band; 0: it does not.
    pub(super) at_end: u8,
    /// Its client sent it to a destination of its choice.
    pub(super) is_sent: bool,
}
const _: () = assert!(size_of::<HeldOrder>() == 64);
part!(HeldOrder {
    id, price, entered, held, account, instrument, open, executed, holding, is_sale, at_end,
    is_sent,
} kept { spot });

impl HeldOrder {
    /// The instrument, marked where the order rests at a destination that its client named.
    pub(super) fn rests_in(&self) -> InstrumentId {
        if self.is_sent { sent(self.instrument) } else { self.instrument }
    }
}

/// Why an order could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotKept {
    /// One of that id is there.
    Duplicate,
    /// As many as there may be are there.
    Full,
}

/// All orders held for.
#[derive(Debug)]
pub(super) struct HeldOrders {
    /// From ids to slots; slot 0 is none.
    ids: PagedMap,
    slots: Box<[HeldOrder]>,
    free: Vec<u32>,
    /// Where the id of the order before was noted.
    near: u32,
}

/// The orders alone, by id: which slots they lie in changes nothing.
impl Part for HeldOrders {
    fn write(&self, to: &mut Vec<u8>) {
        let mut is_free = vec![false; self.slots.len()];
        for slot in self.free.iter().chain([&0]) {
            is_free[*slot as usize] = true;
        }
        write_count(self.len(), to);
        let live = self.slots.iter().zip(is_free).filter(|(_, is_free)| !is_free);
        let mut live: Vec<_> = live.map(|(order, _)| order).collect();
        live.sort_unstable_by_key(|order| order.id);
        live.iter().for_each(|order| order.write(to));
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        for _ in 0..from.count(self.free.len())? {
            let order = from.value::<HeldOrder>()?;
            self.insert(order).map_err(|_| Bad::new("an order is there twice"))?;
        }
        Ok(())
    }
}

impl HeldOrders {
    /// For up to `orders_max` orders.
    pub(super) fn new(orders_max: usize) -> Self {
        Self {
            ids: PagedMap::with_capacity(orders_max),
            slots: vec![HeldOrder::default(); orders_max + 1].into(),
            free: (1..=orders_max as u32).rev().collect(),
            near: 0,
        }
    }

    /// Bytes of its slots.
    pub(super) fn bytes(&self) -> usize {
        std::mem::size_of_val(&*self.slots)
    }

    /// Orders held for.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - 1 - self.free.len()
    }

    #[inline]
    fn find(&self, id: OrderId) -> Option<u32> {
        // Whose it is lies where the caller looks next, so a guess costs nothing to check.
        let guess = self.ids.guess(id.0);
        match self.slots.get(guess as usize) {
            Some(order) if guess != 0 && order.id == id => Some(guess),
            _ => self.ids.get(id.0),
        }
    }

    /// Asks the caches for the order that an id likely has.
    #[inline]
    pub(super) fn fetch(&self, id: OrderId) {
        fetch(&self.slots, self.ids.guess(id.0) as usize);
    }

    /// The order of an id.
    #[inline]
    pub(super) fn get(&self, id: OrderId) -> Option<&HeldOrder> {
        self.slots.get(self.find(id)? as usize)
    }

    /// The order of an id; the id itself stays.
    #[inline]
    pub(super) fn get_mut(&mut self, id: OrderId) -> Option<&mut HeldOrder> {
        self.slots.get_mut(self.find(id)? as usize)
    }

    /// Whether an order of an instrument is among them; looks at every place there is.
    #[cold]
    pub(super) fn has_one_in(&self, instrument: InstrumentId) -> bool {
        let is_kept = |order: &&HeldOrder| {
            self.get(order.id).is_some_and(|kept| kept.instrument == instrument)
        };
        self.slots
            .iter()
            .filter(|order| order.instrument == instrument)
            .any(|order| is_kept(&order))
    }

    /// Keeps an order.
    ///
    /// # Errors
    /// [`NotKept`]; nothing changed.
    #[inline]
    pub(super) fn insert(&mut self, order: HeldOrder) -> Result<(), NotKept> {
        if self.find(order.id).is_some() {
            return Err(NotKept::Duplicate);
        }
        let slot = self.free.pop().ok_or(NotKept::Full)?;
        let spot = self.ids.insert_near(&mut self.near, order.id.0, slot);
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = HeldOrder { spot, ..order };
        }
        Ok(())
    }

    /// Lets go of an order; returns what it was.
    #[inline]
    pub(super) fn remove(&mut self, id: OrderId) -> Option<HeldOrder> {
        let slot = self.find(id)?;
        let order = *self.slots.get(slot as usize)?;
        self.ids.remove_at(order.spot, id.0);
        self.free.push(slot);
        Some(order)
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
