//! `SoftwareMatcher`: the matcher that runs on the hot core. Its events are those of
//! `ReferenceMatcher`, bit for bit.
//!
//! ```text
//! submit ─► rules: answers, refusals
//!        ├► plain: orders that meet nobody, cancels ─► books
//!        ├► entering: other new orders and replacements ─► books ─► fills
//!        ├► changing: modifications
//!        └► sweeping: mass cancels, kills, disconnects, a chunk at a time
//! ```

mod ahead;
mod auction;
mod changing;
mod deadlines;
mod desk;
mod entering;
mod meeting;
mod pegs;
mod plain;
mod register;
mod snapshot;
mod special;
mod specials;
mod sweeping;
mod waking;

pub use snapshot::{NotAtRest, SnapshotError};

use std::collections::VecDeque;

#[cfg(debug_assertions)]
use crate::engine::bomb;
use crate::engine::book::{Key, OrderBook, Slot, Store};
use crate::engine::instruments::Instruments;
use crate::engine::outbox::Outbox;
use crate::engine::rules::{self, Room, Sweep, Task};
use crate::engine::software::ahead::Ahead;
use crate::engine::software::auction::Stage;
use crate::engine::software::deadlines::Deadlines;
use crate::engine::software::desk::Desk;
use crate::engine::software::register::{Identity, Register};
use crate::engine::software::specials::{NO_RECORD, Specials};
use crate::engine::software::sweeping::Walk;
use crate::engine::{
    BookView, EngineLimits, Full, Matcher, Quote, RestingOrder, SetupError, Standing, Tick, Top,
};
use crate::model::{
    AccountId, Command, CommandKind, Event, EventKind, Group, Instrument, InstrumentId, Line,
    Nanos, OrderId, Phase, Price, Quantity, RejectCode,
};

const ENTER: u8 = CommandKind::Enter.code();
const CANCEL: u8 = CommandKind::Cancel.code();
const REPLACE: u8 = CommandKind::Replace.code();

/// Price-time matching of many instruments over one pool of orders.
#[derive(Debug)]
pub struct SoftwareMatcher {
    limits: EngineLimits,
    instruments: Instruments,
    /// By place of the instrument.
    books: Box<[OrderBook]>,
    /// By place of the instrument: what few orders need.
    desks: Box<[Desk]>,
    store: Store<Identity>,
    register: Register,
    specials: Specials,
    /// By account; empty until somebody has a family.
    families: Box<[u32]>,
    has_families: bool,
    walks: VecDeque<Walk>,
    /// Places of instruments whose stops were reached, the first to be looked at first.
    cascades: VecDeque<usize>,
    /// Places of instruments whose auctions are being settled, the first to begin first.
    uncrosses: VecDeque<usize>,
    /// How far the first of those has come.
    stage: Stage,
    /// When phases end and indications are due, by place.
    phases_due: Deadlines,
    /// The last command's time.
    now: Nanos,
    outbox: Outbox,
    ahead: Ahead,
}

impl SoftwareMatcher {
    /// A matcher with empty books; takes all its memory now.
    ///
    /// # Errors
    /// [`SetupError`] when a limit or an instrument is out of range.
    pub fn new(limits: EngineLimits, instruments: &[Instrument]) -> Result<Self, SetupError> {
        #[cfg(debug_assertions)]
        bomb::arm();
        limits.check()?;
        let instruments = Instruments::new(instruments)?;
        let book = |(place, listed): (u32, &Instrument)| {
            let mut book = OrderBook::new(place, limits.ladder_ticks);
            book.notes.instrument = listed.id.0;
            book.notes.tick = Tick::new(listed.tick);
            book
        };
        Ok(Self {
            books: (0..).zip(instruments.list()).map(book).collect(),
            desks: instruments.list().iter().map(|_| Desk::new()).collect(),
            store: Store::new(limits.orders_max),
            register: Register::new(&limits),
            specials: Specials::new(limits.specials_max),
            families: vec![0; limits.accounts_max as usize].into(),
            has_families: false,
            cascades: VecDeque::with_capacity(instruments.list().len()),
            uncrosses: VecDeque::with_capacity(instruments.list().len()),
            stage: Stage::Clearing,
            phases_due: Deadlines::new(instruments.list().len()),
            now: Nanos::ZERO,
            walks: VecDeque::with_capacity(Sweep::waiting_max(limits.sessions_max as usize)),
            outbox: Outbox::new(&limits),
            ahead: Ahead::default(),
            instruments,
            limits,
        })
    }

    /// Bytes that an instrument takes while nobody waits in it, with ladders of so many ticks.
    pub const fn idle_bytes(ladder_ticks: u32) -> usize {
        let listed = size_of::<Instrument>() + size_of::<u32>();
        let queues = 2 * size_of::<usize>() + Deadlines::BYTES_PER_MEMBER;
        listed + queues + size_of::<Desk>() + OrderBook::bytes(ladder_ticks)
    }

    /// The resting order of an id.
    pub fn find(&self, id: OrderId) -> Option<RestingOrder> {
        self.register.find(&self.store, id).map(|slot| self.order(slot))
    }

    /// The instruments it has, as they are listed by now.
    pub fn listed(&self) -> &[Instrument] {
        self.instruments.list()
    }

    /// Does what most commands ask; `false`, and nothing happened, where it is anything else.
    #[inline(always)]
    fn apply_plain(&mut self, command: &Command) -> bool {
        match (command.verdict, command.kind) {
            (0, ENTER) => self.rest_at_once(command),
            (0, CANCEL) => self.cancel_whole(command),
            _ => false,
        }
    }

    #[inline(never)]
    fn apply_long(&mut self, group: &Group<Command>) {
        self.outbox.open(&group.head);
        self.apply(group);
        self.outbox.close(&group.head);
    }

    #[inline(always)]
    fn apply(&mut self, group: &Group<Command>) {
        let command = &group.head;
        match (command.verdict, command.kind) {
            (0, ENTER) => self.enter(group).unwrap_or_else(|why| self.reject(command, why)),
            (0, CANCEL) => self.cancel(command),
            (0, REPLACE) => self.replace(group).unwrap_or_else(|why| self.reject(command, why)),
            _ => self.apply_rare(group),
        }
    }

    #[inline(never)]
    fn apply_rare(&mut self, group: &Group<Command>) {
        let command = &group.head;
        let kind = match rules::sort(command) {
            Task::Answer(event) => return self.outbox.push(event),
            Task::Books(kind) => kind,
        };
        match kind {
            CommandKind::Modify => self.modify(command),
            CommandKind::Sweep => self.go_on(),
            CommandKind::SetFamily => self.set_family(command),
            CommandKind::MoveInstrument => {
                self.take_over(command).unwrap_or_else(|why| self.reject(command, why));
            }
            CommandKind::SetInstrument => {
                self.list(command).unwrap_or_else(|why| self.reject(command, why));
            }
            CommandKind::SetBand => {
                self.set_band(command).unwrap_or_else(|why| self.reject(command, why));
            }
            CommandKind::BustTrade | CommandKind::CorrectTrade => {
                let outbox = &mut self.outbox;
                rules::undone(group, &mut |event| outbox.push(event))
                    .unwrap_or_else(|why| self.reject(command, why));
            }
            CommandKind::SetPhase => {
                self.set_phase(command).unwrap_or_else(|why| self.reject(command, why));
            }
            _ => self.start_walk(group, kind),
        }
    }

    #[cold]
    fn reject(&mut self, command: &Command, why: RejectCode) {
        self.outbox.push(rules::rejected(command, why));
    }

    /// Families are for accounts below the limit; 0 takes an account out of its family.
    #[cold]
    fn set_family(&mut self, command: &Command) {
        let Some(family) = self.families.get_mut(command.account.index()) else {
            return self.reject(command, RejectCode::UnknownAccount);
        };
        *family = command.target;
        self.has_families |= command.target != 0;
        if self.limits.shard == 0 {
            self.outbox.push(Event::answering(command, 0, EventKind::FamilySet));
        }
    }

    /// Whether two accounts must not trade with each other.
    #[inline]
    fn are_one(&self, one: AccountId, other: AccountId) -> bool {
        one == other || (self.has_families && self.are_family(one, other))
    }

    #[cold]
    fn are_family(&self, one: AccountId, other: AccountId) -> bool {
        let family = |account: AccountId| self.families.get(account.index()).copied().unwrap_or(0);
        family(one) != 0 && family(one) == family(other)
    }

    /// All that is known of the order in a slot.
    #[inline]
    fn order(&self, slot: Slot) -> RestingOrder {
        let identity = self.store.owner(slot);
        if identity.special != NO_RECORD { self.standing(slot).order } else { self.plain(slot) }
    }

    /// All that is known of the plain order in a slot.
    #[inline(always)]
    fn plain(&self, slot: Slot) -> RestingOrder {
        let ladder = self.store.ladder(slot);
        let notes = &self.books[ladder as usize / 2].notes;
        let tick = Price(notes.tick.size());
        let price = price_of(self.store.key(slot), ladder.is_multiple_of(2), tick);
        self.resting(slot, InstrumentId(notes.instrument), price, self.store.leaves(slot))
    }

    #[inline(always)]
    fn resting(
        &self,
        slot: Slot,
        instrument: InstrumentId,
        price: Price,
        leaves: u32,
    ) -> RestingOrder {
        let identity = self.store.owner(slot);
        RestingOrder {
            session: identity.session,
            ordinal: identity.ordinal,
            account: identity.account,
            reference: identity.reference,
            instrument,
            side: identity.side,
            price,
            leaves: Quantity(leaves),
            executed: Quantity(identity.executed),
            time_in_force: identity.time_in_force,
            flags: identity.flags,
        }
    }

    /// Takes an order out of its book and out of every list.
    #[inline]
    fn remove(&mut self, slot: Slot) {
        if self.store.owner(slot).special != NO_RECORD {
            return self.remove_special(slot);
        }
        self.remove_plain(slot);
    }

    /// Takes a plain order out of its book and out of every list.
    #[inline]
    fn remove_plain(&mut self, slot: Slot) {
        let place = self.store.ladder(slot) as usize / 2;
        self.books[place].remove(&mut self.store, slot);
        self.forget(slot);
    }

    /// Takes an order that has left its book out of every list.
    #[inline]
    fn forget(&mut self, slot: Slot) {
        if self.store.owner(slot).awaited {
            self.step_over(slot);
        }
        self.register.remove(&mut self.store, slot);
    }
}

/// The price of a key. It was the key of a price, so nothing overflows.
#[inline]
const fn price_of(key: Key, buy: bool, tick: Price) -> Price {
    Price(if buy { key.wrapping_neg() } else { key }.wrapping_mul(tick.0))
}

impl Matcher for SoftwareMatcher {
    #[inline]
    fn submit(&mut self, command: &Group<Command>) -> Result<(), Full> {
        self.submit_parts(&command.head, command.rest())
    }

    #[inline]
    fn submit_parts(&mut self, head: &Command, rest: &[Line]) -> Result<(), Full> {
        #[cfg(debug_assertions)]
        bomb::meet(head);
        self.outbox.check_room()?;
        self.now = head.timestamp;
        if !self.apply_plain(head) {
            self.apply_long(&Group::of_parts(head, rest));
        }
        Ok(())
    }

    #[inline]
    fn expect(&mut self, command: &Command) {
        self.look_ahead(command);
    }

    #[inline]
    fn finished(&self) -> &[Event] {
        self.outbox.finished()
    }

    #[inline]
    fn release(&mut self, count: usize) {
        self.outbox.release(count);
    }

    #[inline]
    fn wants_sweep(&self) -> bool {
        !self.walks.is_empty()
            || !self.cascades.is_empty()
            || !self.uncrosses.is_empty()
            || self.due_at() <= self.now
    }

    #[inline]
    fn due_at(&self) -> Nanos {
        let phase = self.phases_due.first().map_or(Nanos::MAX, |((at, _), _)| Nanos(at));
        self.specials.next_expiry().min(phase)
    }
}

impl BookView for SoftwareMatcher {
    fn open_orders(&self) -> usize {
        (self.store.live() - self.specials.outposts) as usize
    }

    fn top(&self, instrument: InstrumentId) -> Top {
        let mut top = Top::default();
        self.depth(instrument, true, 1, &mut |quote| top.bid = Some(quote));
        self.depth(instrument, false, 1, &mut |quote| top.ask = Some(quote));
        top
    }

    fn depth(
        &self,
        instrument: InstrumentId,
        buy: bool,
        count: usize,
        each: &mut dyn FnMut(Quote),
    ) {
        let Some(place) = self.instruments.place(instrument) else { return };
        let tick = self.instruments.list()[place].tick;
        let mut left = count;
        self.books[place].depth(&self.store, buy, &mut |key, quantity, orders| {
            let wanted = left > 0;
            if wanted {
                each(Quote { price: price_of(key, buy, tick), quantity, orders });
                left -= 1;
            }
            wanted
        });
    }

    fn phase(&self, instrument: InstrumentId) -> Option<Phase> {
        Some(self.desks.get(self.instruments.place(instrument)?)?.phase)
    }

    fn for_each_order(&self, each: &mut dyn FnMut(&Standing)) {
        for (book, desk) in self.books.iter().zip(&self.desks) {
            for buy in [true, false] {
                book.for_each_order(&self.store, buy, &mut |slot| each(&self.standing(slot)));
            }
            for room in Room::ALL.into_iter().filter(|room| *room != Room::Lit) {
                for buy in [true, false] {
                    let show = &mut |slot| each(&self.standing(slot));
                    desk.for_each(&self.store, room, buy, show);
                }
            }
        }
    }
}
