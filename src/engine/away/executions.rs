//! The last executions that destinations told of: one that is told again is not counted again, and
//! one that is undone is undone as it was counted.

use crate::engine::IdMap;
use crate::model::{AccountId, EventId, InstrumentId, OrderId, Price, Quantity, SessionId, Side};
use crate::snapshot::{Bad, Part, Source, value};

/// One execution, and whose order it was of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Execution {
    /// The order's number at its destination, and the destination's number of the execution.
    pub(super) away: OrderId,
    pub(super) number: u64,
    /// What the client was told it is called.
    pub(super) told: EventId,
    pub(super) price: Price,
    pub(super) quantity: Quantity,
    pub(super) session: SessionId,
    pub(super) ordinal: u32,
    pub(super) account: AccountId,
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    pub(super) is_undone: bool,
}
value!(Execution {
    away,
    number,
    told,
    price,
    quantity,
    session,
    ordinal,
    account,
    instrument,
    side,
    is_undone,
});

/// As many of them as there is room for; the oldest go first.
#[derive(Debug)]
pub(super) struct Executions {
    ring: Vec<Execution>,
    /// By a number made of both of theirs.
    places: IdMap,
    next: usize,
    most: usize,
}

/// Without the places, which follow.
impl Part for Executions {
    fn write(&self, to: &mut Vec<u8>) {
        self.ring.write(to);
        self.next.write(to);
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        self.ring.read(from).map_err(|bad| bad.at("ring"))?;
        self.next.read(from).map_err(|bad| bad.at("next"))?;
        if self.next >= self.most {
            return Err(Bad::new("a number out of its range").at("next"));
        }
        self.places.clear();
        // The oldest first, so that of two with one key the newer is found.
        let (newer, older) = self.ring.split_at(self.next.min(self.ring.len()));
        let places = (newer.len() as u32..).zip(older).chain((0..).zip(newer));
        for (at, execution) in places {
            let _ = self.places.insert(key(execution.away, execution.number), at);
        }
        Ok(())
    }
}

impl Executions {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { ring: Vec::with_capacity(most), places: IdMap::with_capacity(most), next: 0, most }
    }

    /// The execution of these numbers, if it is remembered.
    pub(super) fn find(&mut self, away: OrderId, number: u64) -> Option<&mut Execution> {
        let place = self.places.get(key(away, number))?;
        let found = self.ring.get_mut(place as usize)?;
        (found.away == away && found.number == number).then_some(found)
    }

    /// Remembers one.
    pub(super) fn keep(&mut self, execution: Execution) {
        let at = self.next;
        self.next = if at + 1 == self.most { 0 } else { at + 1 };
        match self.ring.get_mut(at) {
            None => self.ring.push(execution),
            Some(place) => {
                let old = std::mem::replace(place, execution);
                let is_here = |place: u32| place as usize == at;
                self.places.remove_if(key(old.away, old.number), is_here);
            }
        }
        let _ = self.places.insert(key(execution.away, execution.number), at as u32);
    }
}

/// Two numbers as one: an odd factor spreads the order's over all bits.
const fn key(away: OrderId, number: u64) -> u64 {
    away.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ number
}
