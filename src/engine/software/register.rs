//! `Register`: who every resting order is: found by its id, and listed by its session.

use crate::engine::book::{Bitmap, NONE, Slot};
use crate::engine::software::specials::{NO_RECORD, Record};
use crate::engine::{EngineLimits, PagedMap, RestingOrder};
use crate::model::{AccountId, OrderId, SeqNo, SessionId, Side};

/// Who one order is, under the slot its book gave it. Matching touches it only to report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) reference: SeqNo,
    pub(super) session: SessionId,
    pub(super) ordinal: u32,
    pub(super) account: AccountId,
    /// What it asks beyond the plain; [`NO_RECORD`] for a plain one.
    pub(super) special: Record,
    pub(super) executed: u32,
    /// The session's next younger and older order.
    pub(super) younger: Slot,
    older: Slot,
    pub(super) side: Side,
    pub(super) time_in_force: u8,
    pub(super) flags: u8,
    /// A sweep may be about to look at it, and must be told when it goes.
    pub(super) awaited: bool,
}
const _: () = assert!(size_of::<Identity>() == 40);

impl Identity {
    const NOBODY: Self = Self {
        reference: SeqNo::ZERO,
        session: SessionId(0),
        ordinal: 0,
        account: AccountId(0),
        special: NO_RECORD,
        executed: 0,
        younger: NONE,
        older: NONE,
        side: Side::Buy,
        time_in_force: 0,
        flags: 0,
        awaited: false,
    };

    const fn id(&self) -> OrderId {
        OrderId::new(self.session, self.ordinal)
    }
}

/// The ends of a session's list. References rise along it: an order is appended when its command
/// gives it its reference.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    oldest: Slot,
    youngest: Slot,
}

/// All resting orders by id and by session.
#[derive(Debug)]
pub(super) struct Register {
    ids: PagedMap,
    identities: Box<[Identity]>,
    sessions: Box<[Ends]>,
    /// Sessions with resting orders.
    active: Bitmap,
}

impl Register {
    pub(super) fn new(limits: &EngineLimits) -> Self {
        let slots = limits.orders_max as usize + 1;
        let sessions = limits.sessions_max as usize;
        Self {
            ids: PagedMap::seeded(limits.orders_max as usize, limits.hash_seed),
            identities: vec![Identity::NOBODY; slots].into_boxed_slice(),
            sessions: vec![Ends::default(); sessions].into_boxed_slice(),
            active: Bitmap::new(sessions),
        }
    }

    /// The slot of a live order.
    #[inline]
    pub(super) fn find(&self, id: OrderId) -> Option<Slot> {
        self.ids.get(id.0)
    }

    #[inline]
    pub(super) fn get(&self, slot: Slot) -> &Identity {
        &self.identities[slot as usize]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut Identity {
        &mut self.identities[slot as usize]
    }

    /// Notes a new order at the end of its session's list.
    #[inline]
    pub(super) fn add(&mut self, slot: Slot, order: &RestingOrder) {
        let noted = self.ids.insert(order.id().0, slot);
        debug_assert_eq!(noted, Ok(None), "as many ids as slots, and none twice");
        let ends = &mut self.sessions[order.session.index()];
        let older = ends.youngest;
        ends.youngest = slot;
        if older == NONE {
            ends.oldest = slot;
            self.active.set(order.session.index());
        } else {
            self.identities[older as usize].younger = slot;
        }
        self.identities[slot as usize] = Identity {
            reference: order.reference,
            session: order.session,
            ordinal: order.ordinal,
            account: order.account,
            special: NO_RECORD,
            executed: order.executed.0,
            younger: NONE,
            older,
            side: order.side,
            time_in_force: order.time_in_force,
            flags: order.flags,
            awaited: false,
        };
    }

    /// Forgets an order.
    #[inline]
    pub(super) fn remove(&mut self, slot: Slot) {
        let Identity { younger, older, session, .. } = *self.get(slot);
        let id = self.get(slot).id();
        let taken = self.ids.remove(id.0);
        debug_assert_eq!(taken, Some(slot), "a live order is found by its id");
        let ends = &mut self.sessions[session.index()];
        if older == NONE {
            ends.oldest = younger;
        } else {
            self.identities[older as usize].younger = younger;
        }
        if younger == NONE {
            ends.youngest = older;
        } else {
            self.identities[younger as usize].older = older;
        }
        if ends_meet(older, younger) {
            self.active.clear(session.index());
        }
    }

    /// Gives an order that keeps its place what its replacement says of it.
    pub(super) fn rename(&mut self, slot: Slot, new: &RestingOrder) {
        let identity = &mut self.identities[slot as usize];
        self.ids.remove(identity.id().0);
        identity.ordinal = new.ordinal;
        identity.time_in_force = new.time_in_force;
        identity.flags = new.flags;
        let noted = self.ids.insert(identity.id().0, slot);
        debug_assert_eq!(noted, Ok(None), "its old id just made room");
    }

    /// A session's oldest order; [`NONE`] for a session without orders, or beyond the limit.
    pub(super) fn oldest(&self, session: SessionId) -> Slot {
        self.sessions.get(session.index()).map_or(NONE, |ends| ends.oldest)
    }

    /// The first session with orders from `session` on.
    pub(super) fn next_session(&self, session: SessionId) -> Option<SessionId> {
        self.active.next(session.index()).map(|index| SessionId(index as u32))
    }
}

/// Whether an order with these neighbours was the only one of its list.
const fn ends_meet(older: Slot, younger: Slot) -> bool {
    older == NONE && younger == NONE
}
