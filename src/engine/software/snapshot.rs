//! Snapshots: all that a matcher's next event depends on, as bytes, and back.
//!
//! Only of a matcher at rest: with nothing unfinished but what waits for a time. Bytes from a file
//! are believed in nothing: every record is checked, and the digest of what came of them.

use std::marker::PhantomData;

use bytemuck::{Pod, Zeroable};

use crate::engine::auction::{Band, Timing};
use crate::engine::book::Slot;
use crate::engine::rules::{Room, Special};
use crate::engine::software::SoftwareMatcher;
use crate::engine::software::desk::{number_of, place_of};
use crate::engine::software::pegs::signed;
use crate::engine::software::specials::{Aside, NO_RECORD};
use crate::engine::{BookView, EngineLimits, RestingOrder, SetupError, Standing, Tick};
use crate::model::{
    AccountId, Instrument, InstrumentId, Nanos, OrderType, Phase, Price, Quantity, SeqNo,
    SessionId, Side, Symbol,
};
use crate::snapshot::{Bad, Part, Source};

/// The first bytes of a snapshot; the last two are the layout's version.
const MAGIC: [u8; 8] = *b"WMBOOK03";

/// The matcher has unfinished work: let it have its sweeps first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the matcher has unfinished work: send it sweeps until it wants none")]
pub struct NotAtRest;

/// Why bytes are no snapshot of a matcher of these limits and instruments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The matcher itself cannot be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Not a snapshot, or of another layout.
    #[error("the bytes do not begin as a snapshot of this version does")]
    Magic,
    /// Longer or shorter than its header says.
    #[error("the snapshot is longer or shorter than its header says: it was cut or mixed up")]
    Length,
    /// An instrument is not among those of the matcher.
    #[error("instrument {0} of the snapshot is not configured: give the instruments it was of")]
    UnknownInstrument(u32),
    /// An instrument's phase or following phase is none.
    #[error("instrument {0} is in a phase nobody assigned")]
    Phase(u32),
    /// An order's field is out of its range.
    #[error("order {1} of session {0} has a field out of its range")]
    Order(u32, u32),
    /// Two orders have one number.
    #[error("order {1} of session {0} is there twice")]
    OrderTwice(u32, u32),
    /// More orders than the limits allow.
    #[error("more orders than orders_max and specials_max allow: raise them")]
    Full,
    /// An account's family is out of the table.
    #[error("account {0} has a family and is not below accounts_max: raise it")]
    Account(u32),
    /// What came of the records is not what was written.
    #[error("the digest is another than the one written: a record was changed")]
    Digest,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    now: u64,
    digest: u64,
    instruments: u32,
    families: u32,
    orders: u64,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct InstrumentRecord {
    last: i64,
    low: i64,
    high: i64,
    followed: i64,
    ends_at: u64,
    indicative_at: u64,
    anchor: i64,
    anchored_at: u64,
    seed: u64,
    symbol: [u8; 8],
    tick: i64,
    reference: i64,
    lot: u32,
    bps: u32,
    pause_ms: u32,
    window_ms: u32,
    id: u32,
    phase: u8,
    following: u8,
    has_range: u8,
    reserved: [u8; 1],
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct FamilyRecord {
    account: u32,
    family: u32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct OrderRecord {
    reference: u64,
    shown: u64,
    price: i64,
    stop: i64,
    offset: i64,
    discretion: i64,
    expires_at: u64,
    session: u32,
    ordinal: u32,
    account: u32,
    instrument: u32,
    leaves: u32,
    executed: u32,
    front: u32,
    displayed: u32,
    minimum: u32,
    group: u16,
    side: u8,
    time_in_force: u8,
    flags: u8,
    kind: u8,
    room: u8,
    capped: u8,
    reserved: [u8; 4],
}

impl OrderRecord {
    fn of(standing: &Standing) -> Self {
        let Standing { order, special, front, shown, capped } = standing;
        Self {
            reference: order.reference.0,
            shown: shown.0,
            price: order.price.0,
            stop: special.stop.0,
            offset: special.offset.0,
            discretion: special.discretion.0,
            expires_at: special.expires_at.0,
            session: order.session.0,
            ordinal: order.ordinal,
            account: order.account.0,
            instrument: order.instrument.0,
            leaves: order.leaves.0,
            executed: order.executed.0,
            front: front.0,
            displayed: special.displayed.0,
            minimum: special.minimum.0,
            group: special.group,
            side: order.side.code(),
            time_in_force: order.time_in_force,
            flags: order.flags,
            kind: special.kind.code(),
            room: special.room as u8,
            capped: u8::from(*capped),
            reserved: [0; 4],
        }
    }

    /// The order again; `None` for a field that no order has.
    fn standing(&self) -> Option<Standing> {
        let order = RestingOrder {
            session: SessionId(self.session),
            ordinal: self.ordinal,
            account: AccountId(self.account),
            reference: SeqNo(self.reference),
            instrument: InstrumentId(self.instrument),
            side: Side::from_code(self.side)?,
            price: Price(self.price),
            leaves: Quantity(self.leaves),
            executed: Quantity(self.executed),
            time_in_force: self.time_in_force,
            flags: self.flags,
        };
        let special = Special {
            kind: OrderType::from_code(self.kind)?,
            room: Room::ALL.into_iter().find(|room| *room as u8 == self.room)?,
            slides: false,
            displayed: Quantity(self.displayed),
            minimum: Quantity(self.minimum),
            stop: Price(self.stop),
            offset: Price(self.offset),
            discretion: Price(self.discretion),
            expires_at: Nanos(self.expires_at),
            group: self.group,
        };
        let standing = Standing {
            order,
            special,
            front: Quantity(self.front),
            shown: SeqNo(self.shown),
            capped: self.capped == 1,
        };
        let good = self.front > 0
            && self.front <= self.leaves
            && (self.front == self.leaves || special.displayed.0 > 0)
            && (special.room.is_pegged() || self.price > 0 || special.room == Room::Stop)
            && (!standing.capped || special.room.is_pegged())
            && (!special.has_discretion() || special.room == Room::Lit)
            && special.at_rest() == special;
        good.then_some(standing)
    }
}

/// One that is not at rest writes no books, which nobody reads back.
impl Part for SoftwareMatcher {
    fn write(&self, to: &mut Vec<u8>) {
        let at = to.len();
        0u64.write(to);
        let _ = self.snapshot(to);
        let length = (to.len() - at - 8) as u64;
        if let Some(place) = to.get_mut(at..at + 8) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    fn read(&mut self, from: &mut Source<'_>) -> Result<(), Bad> {
        let length = from.value::<usize>()?;
        self.fill(from.take(length)?).map_err(|why| Bad::new(why.rule()))
    }
}

impl SnapshotError {
    /// The rule that was broken, without the numbers.
    const fn rule(self) -> &'static str {
        match self {
            Self::Setup(_) => "the limits of the engine are refused",
            Self::Magic => "the books are of another layout, or were not at rest",
            Self::Length => "the books are longer or shorter than their header says",
            Self::UnknownInstrument(_) => "an instrument of the books is not configured",
            Self::Phase(_) => "an instrument is in a phase nobody assigned",
            Self::Order(..) => "an order has a field out of its range",
            Self::OrderTwice(..) => "an order is there twice",
            Self::Full => "more orders than the limits allow",
            Self::Account(_) => "an account of a family is not below accounts_max",
            Self::Digest => "the digest of the books is another than the one written",
        }
    }
}

impl SoftwareMatcher {
    /// Whether nothing is unfinished but what waits for a time.
    pub fn is_at_rest(&self) -> bool {
        self.walks.is_empty() && self.cascades.is_empty() && self.uncrosses.is_empty()
    }

    /// Appends a snapshot to `bytes` and returns the digest of the books.
    ///
    /// # Errors
    /// [`NotAtRest`] while work is unfinished; nothing was appended then.
    pub fn snapshot(&self, bytes: &mut Vec<u8>) -> Result<u64, NotAtRest> {
        if !self.is_at_rest() {
            return Err(NotAtRest);
        }
        let digest = self.digest();
        let families: Vec<FamilyRecord> = (0..)
            .zip(&self.families)
            .filter(|(_, family)| **family != 0)
            .map(|(account, &family)| FamilyRecord { account, family })
            .collect();
        bytes.extend_from_slice(bytemuck::bytes_of(&Header {
            magic: MAGIC,
            now: self.now.0,
            digest,
            instruments: self.desks.len() as u32,
            families: families.len() as u32,
            orders: self.open_orders() as u64,
        }));
        for (place, desk) in self.desks.iter().enumerate() {
            let (low, high) = desk.range.unwrap_or_default();
            let listed = &self.instruments.list()[place];
            bytes.extend_from_slice(bytemuck::bytes_of(&InstrumentRecord {
                last: self.books[place].notes.last,
                low: low.0,
                high: high.0,
                followed: desk.trail.followed,
                ends_at: desk.timing.ends_at.0,
                indicative_at: desk.indicative_at.0,
                anchor: desk.band.anchor.0,
                anchored_at: desk.band.since.0,
                seed: desk.band.seed,
                bps: desk.band.bps,
                pause_ms: desk.band.pause_ms,
                window_ms: desk.band.window_ms,
                id: listed.id.0,
                symbol: listed.symbol.0,
                tick: listed.tick.0,
                reference: listed.reference_price.0,
                lot: listed.lot.0,
                phase: desk.phase.code(),
                following: desk.timing.following.code(),
                has_range: u8::from(desk.range.is_some()),
                reserved: [0; 1],
            }));
        }
        bytes.extend_from_slice(bytemuck::cast_slice(&families));
        self.for_each_order(&mut |standing| {
            bytes.extend_from_slice(bytemuck::bytes_of(&OrderRecord::of(standing)));
        });
        Ok(digest)
    }

    /// The matcher a snapshot was taken of.
    ///
    /// # Errors
    /// The first thing that is wrong with the bytes; see [`SnapshotError`].
    pub fn restore(
        limits: EngineLimits,
        instruments: &[Instrument],
        bytes: &[u8],
    ) -> Result<Self, SnapshotError> {
        let mut matcher = Self::new(limits, instruments)?;
        matcher.fill(bytes)?;
        Ok(matcher)
    }

    /// Fills a matcher that is new.
    fn fill(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let (header, rest) = take::<Header>(bytes, 1)?;
        let header = header.get(0).ok_or(SnapshotError::Length)?;
        if header.magic != MAGIC {
            return Err(SnapshotError::Magic);
        }
        let (desks, rest) = take::<InstrumentRecord>(rest, u64::from(header.instruments))?;
        let (families, rest) = take::<FamilyRecord>(rest, u64::from(header.families))?;
        let (orders, rest) = take::<OrderRecord>(rest, header.orders)?;
        if !rest.is_empty() {
            return Err(SnapshotError::Length);
        }
        self.now = Nanos(header.now);
        for record in desks.iter() {
            self.restore_desk(&record)?;
        }
        for record in families.iter() {
            let family = self.families.get_mut(record.account as usize);
            *family.ok_or(SnapshotError::Account(record.account))? = record.family;
            self.has_families |= record.family != 0;
        }
        self.restore_orders(orders)?;
        if self.digest() == header.digest { Ok(()) } else { Err(SnapshotError::Digest) }
    }

    fn restore_desk(&mut self, record: &InstrumentRecord) -> Result<(), SnapshotError> {
        let unknown = SnapshotError::UnknownInstrument(record.id);
        let place = self.instruments.place(InstrumentId(record.id)).ok_or(unknown)?;
        // As it was listed then, which may not be as it is configured.
        let is_good = (1..=i64::from(u32::MAX)).contains(&record.tick)
            && (0..=Instrument::REFERENCE_MAX.0).contains(&record.reference);
        if !is_good {
            return Err(SnapshotError::UnknownInstrument(record.id));
        }
        let (symbol, lot) = (Symbol(record.symbol), Quantity(record.lot));
        let (tick, reference_price) = (Price(record.tick), Price(record.reference));
        let id = InstrumentId(record.id);
        self.instruments.put(place, Instrument { id, symbol, tick, lot, reference_price });
        self.books[place].notes.tick = Tick::new(tick);
        let phase_of = |code| Phase::from_code(code).ok_or(SnapshotError::Phase(record.id));
        let desk = &mut self.desks[place];
        desk.phase = phase_of(record.phase)?;
        let following = phase_of(record.following)?;
        desk.timing = Timing { ends_at: Nanos(record.ends_at), following };
        desk.indicative_at = Nanos(record.indicative_at);
        desk.band = Band {
            bps: record.bps,
            pause_ms: record.pause_ms,
            window_ms: record.window_ms,
            seed: record.seed,
            anchor: Price(record.anchor),
            since: Nanos(record.anchored_at),
        };
        desk.trail.followed = record.followed;
        desk.range = (record.has_range == 1).then_some((Price(record.low), Price(record.high)));
        self.books[place].notes.last = record.last;
        self.await_phase(place);
        self.mark(place);
        Ok(())
    }

    /// Lays the orders where they lay, in line; and lists them by session in order of age.
    fn restore_orders(&mut self, records: Records<'_, OrderRecord>) -> Result<(), SnapshotError> {
        let mut laid: Vec<(SeqNo, u32, Slot)> = Vec::with_capacity(records.len());
        for (at, record) in (0..).zip(records.iter()) {
            let wrong = SnapshotError::Order(record.session, record.ordinal);
            let standing = record.standing().ok_or(wrong)?;
            let place = self.instruments.place(standing.order.instrument).ok_or(wrong)?;
            let tick = self.instruments.list()[place].tick.0;
            let off_tick = standing.is_shown() && standing.order.price.0 % tick != 0;
            if off_tick || record.session >= self.limits.sessions_max {
                return Err(wrong);
            }
            if !self.store.has_room() {
                return Err(SnapshotError::Full);
            }
            let slot = self.store.allocate();
            self.lay_again(place, &standing, slot);
            laid.push((standing.order.reference, at, slot));
        }
        laid.sort_unstable();
        for (_, at, slot) in laid {
            if let Some(standing) = records.get(at).and_then(|record| record.standing()) {
                self.list_again(&standing, slot)?;
            }
        }
        Ok(())
    }

    /// Lists an order that was laid, and what is kept aside of it.
    fn list_again(&mut self, standing: &Standing, slot: Slot) -> Result<(), SnapshotError> {
        let order = &standing.order;
        if self.register.find(&self.store, order.id()).is_some() {
            return Err(SnapshotError::OrderTwice(order.session.0, order.ordinal));
        }
        self.register.add(&mut self.store, slot, order);
        if !standing.special.is_plain() {
            if !self.specials.has_room() {
                return Err(SnapshotError::Full);
            }
            let mut aside = Aside::new(standing.special, order.price, standing.shown, slot);
            aside.reserve = order.leaves.saturating_sub(standing.front).0;
            aside.capped = standing.capped;
            let place = place_of(self.store.ladder(slot));
            self.keep_aside(place, aside, order.reference);
            if standing.special.has_discretion() && !self.store.has_room() {
                return Err(SnapshotError::Full);
            }
            self.man_outpost(place, order.side.is_buy(), slot);
        }
        debug_assert!(standing.special.is_plain() == (self.store.owner(slot).special == NO_RECORD));
        Ok(())
    }

    fn lay_again(&mut self, place: usize, standing: &Standing, slot: Slot) {
        let (special, order) = (&standing.special, &standing.order);
        let (buy, front) = (order.side.is_buy(), standing.front.0);
        if !standing.capped {
            return self.lay(place, buy, special, order.price, slot, front);
        }
        let key = signed(order.price, buy);
        let number = number_of(special.room, true, place, buy);
        let shelf = self.desks[place].shelf_mut(special.room, true, buy);
        shelf.lay(&mut self.store, number, key, slot, front);
        self.mark(place);
    }
}

/// Records in bytes, wherever those lie.
#[derive(Clone, Copy)]
struct Records<'a, T> {
    bytes: &'a [u8],
    kind: PhantomData<T>,
}

impl<'a, T: Pod> Records<'a, T> {
    fn len(&self) -> usize {
        self.bytes.len() / size_of::<T>()
    }

    fn iter(&self) -> impl Iterator<Item = T> + 'a {
        self.bytes.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned)
    }

    fn get(&self, at: u32) -> Option<T> {
        let begin = (at as usize).checked_mul(size_of::<T>())?;
        let end = begin.checked_add(size_of::<T>())?;
        self.bytes.get(begin..end).map(bytemuck::pod_read_unaligned)
    }
}

/// The first `count` records of bytes, and what follows them.
fn take<T: Pod>(bytes: &[u8], count: u64) -> Result<(Records<'_, T>, &[u8]), SnapshotError> {
    let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(size_of::<T>()));
    let length = length.filter(|length| *length <= bytes.len()).ok_or(SnapshotError::Length)?;
    let (bytes, rest) = bytes.split_at(length);
    Ok((Records { bytes, kind: PhantomData }, rest))
}
