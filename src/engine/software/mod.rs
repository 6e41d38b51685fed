//! `SoftwareMatcher`: the matcher that runs on the hot core. Its events are those of
//! `ReferenceMatcher`, bit for bit.
//!
//! ```text
//! submit ─► rules: answers, refusals
//!        ├► entering: new orders and replacements ─► books ─► fills
//!        ├► changing: cancels and modifications
//!        └► sweeping: mass cancels, kills, disconnects, a chunk at a time
//! ```

mod changing;
mod entering;
mod register;
mod sweeping;

use std::collections::VecDeque;

use crate::engine::book::{Key, OrderBook, Slot, Store};
use crate::engine::instruments::Instruments;
use crate::engine::outbox::Outbox;
use crate::engine::rules::{self, Sweep, Task};
use crate::engine::software::register::Register;
use crate::engine::software::sweeping::Walk;
use crate::engine::{BookView, EngineLimits, Full, Matcher, Quote, RestingOrder, SetupError, Top};
use crate::model::{
    Command, CommandKind, Event, Group, Instrument, InstrumentId, OrderId, Price, Quantity,
    RejectCode,
};

/// Price-time matching of many instruments over one pool of orders.
#[derive(Debug)]
pub struct SoftwareMatcher {
    limits: EngineLimits,
    instruments: Instruments,
    /// By place of the instrument.
    books: Box<[OrderBook]>,
    store: Store,
    register: Register,
    walks: VecDeque<Walk>,
    outbox: Outbox,
}

impl SoftwareMatcher {
    /// A matcher with empty books; takes all its memory now.
    ///
    /// # Errors
    /// [`SetupError`] when a limit or an instrument is out of range.
    pub fn new(limits: EngineLimits, instruments: &[Instrument]) -> Result<Self, SetupError> {
        limits.check()?;
        let instruments = Instruments::new(instruments)?;
        let book = |place| OrderBook::new(place, limits.ladder_ticks);
        Ok(Self {
            books: (0..instruments.list().len() as u32).map(book).collect(),
            store: Store::new(limits.orders_max),
            register: Register::new(&limits),
            walks: VecDeque::with_capacity(Sweep::waiting_max(limits.sessions_max as usize)),
            outbox: Outbox::new(&limits),
            instruments,
            limits,
        })
    }

    /// The resting order of an id.
    pub fn find(&self, id: OrderId) -> Option<RestingOrder> {
        self.register.find(id).map(|slot| self.order(slot))
    }

    fn apply(&mut self, group: &Group<Command>) {
        let command = &group.head;
        let kind = match rules::sort(command) {
            Task::Answer(event) => return self.outbox.push(event),
            Task::Books(kind) => kind,
        };
        match kind {
            CommandKind::Enter => {
                self.enter(group).unwrap_or_else(|why| self.reject(command, why));
            }
            CommandKind::Replace => {
                self.replace(group).unwrap_or_else(|why| self.reject(command, why));
            }
            CommandKind::Cancel => self.cancel(command),
            CommandKind::Modify => self.modify(command),
            CommandKind::Sweep => self.walk_on(0),
            _ => self.start_walk(command, kind),
        }
    }

    #[cold]
    fn reject(&mut self, command: &Command, why: RejectCode) {
        self.outbox.push(rules::rejected(command, why));
    }

    /// All that is known of the order in a slot.
    #[inline]
    fn order(&self, slot: Slot) -> RestingOrder {
        let identity = self.register.get(slot);
        let ladder = self.store.ladder(slot);
        let tick = self.instruments.list()[ladder as usize / 2].tick;
        RestingOrder {
            session: identity.session,
            ordinal: identity.ordinal,
            account: identity.account,
            reference: identity.reference,
            instrument: identity.instrument,
            side: identity.side,
            price: price_of(self.store.key(slot), ladder.is_multiple_of(2), tick),
            leaves: Quantity(self.store.leaves(slot)),
            executed: Quantity(identity.executed),
            time_in_force: identity.time_in_force,
            flags: identity.flags,
        }
    }

    /// Takes an order out of its book and out of every list.
    #[inline]
    fn remove(&mut self, slot: Slot) {
        let place = self.store.ladder(slot) as usize / 2;
        self.books[place].remove(&mut self.store, slot);
        self.forget(slot);
    }

    /// Takes an order that has left its book out of every list.
    #[inline]
    fn forget(&mut self, slot: Slot) {
        if self.register.get(slot).awaited {
            self.step_over(slot);
        }
        self.register.remove(slot);
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
        self.outbox.open(&command.head)?;
        self.apply(command);
        self.outbox.close();
        Ok(())
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
    }
}

impl BookView for SoftwareMatcher {
    fn open_orders(&self) -> usize {
        self.store.live() as usize
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

    fn for_each_order(&self, each: &mut dyn FnMut(&RestingOrder)) {
        for book in &self.books {
            for buy in [true, false] {
                book.for_each_order(&self.store, buy, &mut |slot| each(&self.order(slot)));
            }
        }
    }
}
