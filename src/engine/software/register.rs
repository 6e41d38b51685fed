//! `Register`: who every resting order is: found by its id, and listed by its session.

use crate::engine::book::{Bitmap, NONE, Slot, Store};
use crate::engine::software::specials::{NO_RECORD, Record};
use crate::engine::{EngineLimits, PagedMap, RestingOrder, Spot};
use crate::model::{AccountId, Command, OrderId, SeqNo, SessionId, Side};

/// Who one order is: it lies with the order in its book, in one cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) reference: SeqNo,
    pub(super) session: SessionId,
    pub(super) ordinal: u32,
    pub(super) account: AccountId,
    /// What it asks beyond the plain; `NO_RECORD` for a plain one.
    pub(super) special: Record,
    pub(super) executed: u32,
    /// The session's next younger and older order.
    pub(super) younger: Slot,
    pub(super) older: Slot,
    /// Where its id is noted.
    spot: Spot,
    pub(super) side: Side,
    pub(super) time_in_force: u8,
    pub(super) flags: u8,
    /// A sweep may be about to look at it, and must be told when it goes.
    pub(super) awaited: bool,
}
const _: () = assert!(size_of::<Identity>() == 48);

impl Default for Identity {
    fn default() -> Self {
        Self {
            reference: SeqNo::ZERO,
            session: SessionId(0),
            ordinal: 0,
            account: AccountId(0),
            special: NO_RECORD,
            executed: 0,
            younger: NONE,
            older: NONE,
            spot: 0,
            side: Side::Buy,
            time_in_force: 0,
            flags: 0,
            awaited: false,
        }
    }
}

impl Identity {
    const fn id(&self) -> OrderId {
        OrderId::new(self.session, self.ordinal)
    }
}

/// A session's orders.
#[derive(Clone, Copy, Debug, Default)]
struct Session {
    /// The ends of its list. References rise along it: an order is appended when its command gives
    /// it its reference.
    oldest: Slot,
    youngest: Slot,
    /// One more than the highest number any of its orders has had.
    fresh: u64,
    /// Where the id of the order before was noted.
    near: u32,
}

/// All resting orders by id and by session.
#[derive(Debug)]
pub(super) struct Register {
    ids: PagedMap,
    sessions: Box<[Session]>,
    /// Sessions with resting orders.
    active: Bitmap,
}

impl Register {
    pub(super) fn new(limits: &EngineLimits) -> Self {
        let sessions = limits.sessions_max as usize;
        Self {
            ids: PagedMap::seeded(limits.orders_max as usize, limits.hash_seed),
            sessions: vec![Session::default(); sessions].into_boxed_slice(),
            active: Bitmap::new(sessions),
        }
    }

    /// The slot of a live order.
    #[inline(always)]
    pub(super) fn find(&self, store: &Store<Identity>, id: OrderId) -> Option<Slot> {
        // Who it is lies where matching looks next, so a guess costs nothing to check.
        let guess = self.ids.guess(id.0);
        if guess != NONE && store.owner(guess).id() == id { Some(guess) } else { self.look_up(id) }
    }

    /// As [`Self::find`], for an id that likely is noted at a spot.
    #[inline(always)]
    pub(super) fn find_at(&self, store: &Store<Identity>, spot: Spot, id: OrderId) -> Option<Slot> {
        let guess = self.at(spot);
        if guess != NONE && store.owner(guess).id() == id {
            Some(guess)
        } else {
            self.find(store, id)
        }
    }

    /// Where an id likely is noted.
    #[inline(always)]
    pub(super) fn likely_spot(&self, id: OrderId) -> Spot {
        self.ids.likely_spot(id.0)
    }

    /// Asks the caches for what is noted at a spot.
    #[inline(always)]
    pub(super) fn fetch_spot(&self, spot: Spot) {
        self.ids.fetch_spot(spot);
    }

    /// The order noted at a spot, if any.
    #[inline(always)]
    pub(super) fn at(&self, spot: Spot) -> Slot {
        self.ids.value_at(spot)
    }

    /// Where [`Self::find`] looks first, if it may be right.
    #[inline(always)]
    pub(super) fn guess(&self, id: OrderId) -> Slot {
        self.ids.guess(id.0)
    }

    /// Asks the caches for what [`Self::guess`] will read.
    #[inline(always)]
    pub(super) fn fetch(&self, id: OrderId) {
        self.ids.fetch(id.0);
    }

    #[inline(never)]
    fn look_up(&self, id: OrderId) -> Option<Slot> {
        self.ids.get(id.0)
    }

    /// Whether a live order has an id already.
    #[inline]
    pub(super) fn is_taken(&self, id: OrderId) -> bool {
        // Most sessions number their orders upwards: then nothing need be looked up.
        let session = self.sessions.get(id.session().index());
        session.is_none_or(|session| u64::from(id.ordinal()) < session.fresh)
            && self.ids.contains(id.0)
    }

    /// Whether an id is above all that its session's orders have had.
    #[inline(always)]
    pub(super) fn is_fresh(&self, id: OrderId) -> bool {
        let session = self.sessions.get(id.session().index());
        session.is_some_and(|session| u64::from(id.ordinal()) >= session.fresh)
    }

    /// Notes a new order at the end of its session's list.
    pub(super) fn add(&mut self, store: &mut Store<Identity>, slot: Slot, order: &RestingOrder) {
        let identity = Identity {
            reference: order.reference,
            session: order.session,
            ordinal: order.ordinal,
            account: order.account,
            executed: order.executed.0,
            side: order.side,
            time_in_force: order.time_in_force,
            flags: order.flags,
            ..Identity::default()
        };
        self.note(store, slot, identity);
    }

    /// As [`Self::add`], for what a command enters.
    #[inline(always)]
    pub(super) fn add_new(&mut self, store: &mut Store<Identity>, slot: Slot, command: &Command) {
        let identity = Identity {
            reference: command.seq,
            session: command.session,
            ordinal: command.ordinal,
            account: command.account,
            side: command.side().unwrap_or(Side::Buy),
            time_in_force: command.time_in_force,
            flags: command.flags.0,
            ..Identity::default()
        };
        self.note(store, slot, identity);
    }

    #[inline(always)]
    fn note(&mut self, store: &mut Store<Identity>, slot: Slot, identity: Identity) {
        let Some(session) = self.sessions.get_mut(identity.session.index()) else {
            debug_assert!(false, "sessions beyond the limit enter nothing");
            return;
        };
        let older = std::mem::replace(&mut session.youngest, slot);
        session.fresh = session.fresh.max(u64::from(identity.ordinal) + 1);
        let spot = self.ids.insert_near(&mut session.near, identity.id().0, slot);
        if older == NONE {
            session.oldest = slot;
            self.active.set(identity.session.index());
        } else {
            store.owner_mut(older).younger = slot;
        }
        *store.owner_mut(slot) = Identity { older, spot, ..identity };
    }

    /// Forgets an order.
    #[inline(always)]
    pub(super) fn remove(&mut self, store: &mut Store<Identity>, slot: Slot) {
        let identity = store.owner(slot);
        let (younger, older, session) = (identity.younger, identity.older, identity.session);
        self.ids.remove_at(identity.spot, identity.id().0);
        if older != NONE && younger != NONE {
            store.owner_mut(older).younger = younger;
            store.owner_mut(younger).older = older;
        } else {
            self.remove_end(store, session, older, younger);
        }
    }

    /// Takes an order that was its session's oldest or youngest out of the list.
    #[inline(never)]
    fn remove_end(
        &mut self,
        store: &mut Store<Identity>,
        session: SessionId,
        older: Slot,
        younger: Slot,
    ) {
        let Some(ends) = self.sessions.get_mut(session.index()) else { return };
        if older == NONE {
            ends.oldest = younger;
        } else {
            store.owner_mut(older).younger = younger;
        }
        if younger == NONE {
            ends.youngest = older;
        } else {
            store.owner_mut(younger).older = older;
        }
        if older == NONE && younger == NONE {
            self.active.clear(session.index());
        }
    }

    /// Gives an order that keeps its place what its replacement says of it.
    pub(super) fn rename(&mut self, store: &mut Store<Identity>, slot: Slot, new: &RestingOrder) {
        let identity = store.owner_mut(slot);
        self.ids.remove_at(identity.spot, identity.id().0);
        identity.ordinal = new.ordinal;
        identity.time_in_force = new.time_in_force;
        identity.flags = new.flags;
        let Some(session) = self.sessions.get_mut(identity.session.index()) else { return };
        session.fresh = session.fresh.max(u64::from(new.ordinal) + 1);
        identity.spot = self.ids.insert_near(&mut session.near, identity.id().0, slot);
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
