//! Orders that rest at destinations, found by the client's number and by the destination's.
//!
//! An order asks one thing at a time of its destination: who asks more is refused until that is
//! answered, so an answer needs no number of its own.

use crate::engine::{IdMap, RestingOrder};
use crate::model::{CancelReason, OrderId, Quantity, SessionId, Side};
use crate::snapshot::{Bad, Blank, Part, Source, value, wrapped};

/// A place in the table.
pub(super) type Slot = u32;

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its destination has not answered.
    Entering,
    /// It traded here, so its client knows it; of what is left its destination has not answered.
    Rest,
    /// It is to take the place of another, which lives until the destination has answered.
    Replacing(OrderId),
    /// It rests there.
    Live,
}

impl Blank for State {
    fn blank() -> Self {
        Self::Entering
    }
}

impl Part for State {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Entering => 0u8.write(to),
            Self::Rest => 1u8.write(to),
            Self::Replacing(order) => (2u8, *order).write(to),
            Self::Live => 3u8.write(to),
        }
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        *self = match from.value::<u8>()? {
            0 => Self::Entering,
            1 => Self::Rest,
            2 => Self::Replacing(from.value()?),
            3 => Self::Live,
            _ => return Err(Bad::new("a code nobody assigned")),
        };
        Ok(())
    }
}

/// What was asked of an order and is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    /// To take it away: for its client, or for one who stands above.
    Cancel(CancelReason),
    /// To cut it to a total.
    Cut(Quantity),
    /// To mark it anew, or cut it, or both.
    Modify(Side, Quantity),
    /// To put the order of this client's number in its place.
    Replace(u32),
}

impl Blank for Asked {
    fn blank() -> Self {
        Self::Nothing
    }
}

impl Part for Asked {
    fn write(&self, to: &mut Vec<u8>) {
        match self {
            Self::Nothing => 0u8.write(to),
            Self::Cancel(reason) => (1u8, *reason).write(to),
            Self::Cut(total) => (2u8, *total).write(to),
            Self::Modify(side, total) => (3u8, (*side, *total)).write(to),
            Self::Replace(ordinal) => (4u8, *ordinal).write(to),
        }
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        *self = match from.value::<u8>()? {
            0 => Self::Nothing,
            1 => Self::Cancel(from.value()?),
            2 => Self::Cut(from.value()?),
            3 => Self::Modify(from.value()?, from.value()?),
            4 => Self::Replace(from.value()?),
            _ => return Err(Bad::new("a code nobody assigned")),
        };
        Ok(())
    }
}

/// An order at a destination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routed {
    pub(super) order: RestingOrder,
    pub(super) group: u16,
    /// Its number there.
    pub(super) away: OrderId,
    /// Number of the last message about it.
    pub(super) message: u32,
    pub(super) state: State,
    pub(super) asked: Asked,
    /// It is to be taken away as soon as what was asked is answered.
    pub(super) unwanted: Option<CancelReason>,
    /// How often its destination would not take it away for one who stands above the client.
    pub(super) refusals: u8,
    /// What of it traded here: its destination knows nothing of that.
    pub(super) here: Quantity,
    /// Its client was told that nobody knows where it is.
    pub(super) is_in_doubt: bool,
    /// The message that asks where it is.
    pub(super) question: u32,
    /// What its destination says is left, while that is less than is known here: executions that
    /// are still to be told.
    pub(super) left_there: Option<Quantity>,
}
value!(Routed {
    order,
    group,
    away,
    message,
    state,
    asked,
    unwanted,
    refusals,
    here,
    is_in_doubt,
    question,
    left_there,
});

impl Routed {
    /// Whether its client knows it to be in the market.
    pub(super) fn is_known(&self) -> bool {
        matches!(self.state, State::Live | State::Rest)
    }
}

/// All of them, in memory taken once.
#[derive(Debug)]
pub(super) struct Orders {
    slots: Vec<Option<Routed>>,
    free: Vec<Slot>,
    /// By the client's number, and by the destination's.
    ids: IdMap,
    away: IdMap,
    most: usize,
}

/// With the slots and which is used next, for walks go by slot; the maps follow.
impl Part for Orders {
    fn write(&self, to: &mut Vec<u8>) {
        self.slots.write(to);
        self.free.write(to);
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        self.slots.read(from).map_err(|bad| bad.at("slots"))?;
        self.free.read(from).map_err(|bad| bad.at("free"))?;
        let is_empty = |slot: &Slot| matches!(self.slots.get(*slot as usize), Some(None));
        let empty = self.slots.iter().filter(|slot| slot.is_none()).count();
        if self.free.len() != empty || !self.free.iter().all(is_empty) {
            return Err(Bad::new("a slot that is used, or none").at("free"));
        }
        self.ids.clear();
        self.away.clear();
        for (slot, routed) in (0..).zip(&self.slots) {
            let Some(routed) = routed else { continue };
            let _ = self.ids.insert(routed.order.id().0, slot);
            let _ = self.away.insert(routed.away.0, slot);
        }
        Ok(())
    }
}

impl Orders {
    pub(super) fn new(most: usize) -> Self {
        let (slots, free) = (Vec::with_capacity(most), Vec::with_capacity(most));
        let map = || IdMap::with_capacity(most);
        Self { slots, free, ids: map(), away: map(), most }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Slots ever used: a walk goes through these.
    pub(super) fn end(&self) -> Slot {
        self.slots.len() as Slot
    }

    pub(super) fn is_full(&self) -> bool {
        self.free.is_empty() && self.slots.len() >= self.most
    }

    pub(super) fn find(&self, id: OrderId) -> Option<Slot> {
        self.ids.get(id.0)
    }

    pub(super) fn find_away(&self, away: OrderId) -> Option<Slot> {
        self.away.get(away.0)
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Routed> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Routed> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Keeps an order; there is room.
    pub(super) fn insert(&mut self, routed: Routed) {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() < self.most => {
                self.slots.push(None);
                self.slots.len() as Slot - 1
            }
            None => return,
        };
        let _ = self.ids.insert(routed.order.id().0, slot);
        let _ = self.away.insert(routed.away.0, slot);
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(routed);
        }
    }

    /// Lets go of an order; returns what it was.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Routed> {
        let routed = self.slots.get_mut(slot as usize)?.take()?;
        self.ids.remove(routed.order.id().0);
        self.away.remove(routed.away.0);
        self.free.push(slot);
        Some(routed)
    }

    /// Every order, by its place.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Routed> {
        self.slots.iter().flatten()
    }
}

/// What of what clients asked a session waits for, at most: as much as its gateway keeps to repeat
/// in late answers.
pub const LATE_ANSWERS_MAX: usize = 256;

/// Orders and replacements of a session that no destination has answered.
#[derive(Debug)]
pub(super) struct Waiting(Box<[u32]>);
wrapped!(Waiting);

impl Waiting {
    pub(super) fn new(sessions: u32) -> Self {
        Self(vec![0; sessions as usize].into())
    }

    pub(super) fn has_room(&self, session: SessionId) -> bool {
        self.0.get(session.index()).is_some_and(|count| (*count as usize) < LATE_ANSWERS_MAX)
    }

    pub(super) fn more(&mut self, session: SessionId) {
        if let Some(count) = self.0.get_mut(session.index()) {
            *count += 1;
        }
    }

    pub(super) fn fewer(&mut self, session: SessionId) {
        if let Some(count) = self.0.get_mut(session.index()) {
            *count = count.saturating_sub(1);
        }
    }
}
