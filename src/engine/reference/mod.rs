//! `ReferenceMatcher`: slow and obvious. What it says is what the fast ones must say, event for
//! event; read it to learn what a command means.

mod auction;
mod changing;
mod entering;
mod meeting;
mod order;
mod pegs;
mod sweeping;
mod waking;

use std::collections::{BTreeMap, VecDeque};

use crate::engine::instruments::check_instruments;
use crate::engine::outbox::Outbox;
use crate::engine::reference::order::{Book, Order};
use crate::engine::reference::sweeping::Walk;
use crate::engine::rules::{self, Room, Task};
use crate::engine::{BookView, EngineLimits, Full, Matcher, Quote, SetupError, Standing, Top};
use crate::model::{
    AccountId, Command, CommandKind, Event, EventKind, Group, Instrument, InstrumentId, Nanos,
    OrderId, Phase, Quantity, RejectCode,
};

/// The oracle: lists that are searched and sorted, nothing clever.
#[derive(Debug)]
pub struct ReferenceMatcher {
    limits: EngineLimits,
    books: BTreeMap<InstrumentId, Book>,
    /// Which instrument a live order is of.
    homes: BTreeMap<OrderId, InstrumentId>,
    families: BTreeMap<AccountId, u32>,
    walks: Vec<Walk>,
    /// Instruments with stops whose price was reached, the first to be looked at first.
    cascades: VecDeque<InstrumentId>,
    /// Instruments whose auctions are being settled, the first to begin first.
    uncrosses: VecDeque<InstrumentId>,
    /// Places in line given so far.
    lines: u64,
    /// The last command's time.
    now: Nanos,
    outbox: Outbox,
}

impl ReferenceMatcher {
    /// A matcher with empty books.
    ///
    /// # Errors
    /// [`SetupError`] when a limit or an instrument is out of range.
    pub fn new(limits: EngineLimits, instruments: &[Instrument]) -> Result<Self, SetupError> {
        limits.check()?;
        check_instruments(instruments)?;
        let empty = |&instrument: &Instrument| (instrument.id, Book::new(instrument));
        Ok(Self {
            limits,
            books: instruments.iter().map(empty).collect(),
            homes: BTreeMap::new(),
            families: BTreeMap::new(),
            walks: Vec::new(),
            cascades: VecDeque::new(),
            uncrosses: VecDeque::new(),
            lines: 0,
            now: Nanos::ZERO,
            outbox: Outbox::new(&limits),
        })
    }

    fn apply(&mut self, group: &Group<Command>) {
        let command = &group.head;
        self.now = command.timestamp;
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

    fn reject(&mut self, command: &Command, why: RejectCode) {
        self.outbox.push(rules::rejected(command, why));
    }

    /// Families are for accounts below the limit; 0 takes an account out of its family.
    fn set_family(&mut self, command: &Command) {
        if command.account.0 >= self.limits.accounts_max {
            return self.reject(command, RejectCode::UnknownAccount);
        }
        self.families.insert(command.account, command.target);
        if self.limits.shard == 0 {
            self.outbox.push(Event::answering(command, 0, EventKind::FamilySet));
        }
    }

    /// Whether two accounts must not trade with each other.
    fn are_one(&self, one: AccountId, other: AccountId) -> bool {
        let family = |account| self.families.get(&account).copied().unwrap_or(0);
        one == other || (family(one) != 0 && family(one) == family(other))
    }

    fn find(&self, id: OrderId) -> Option<Order> {
        self.books.get(self.homes.get(&id)?)?.find(id).copied()
    }

    fn book(&self, order: &Order) -> &Book {
        &self.books[&order.resting.instrument]
    }

    fn book_mut(&mut self, order: &Order) -> &mut Book {
        self.books.get_mut(&order.resting.instrument).expect("a live order's book is there")
    }

    fn orders(&self) -> impl Iterator<Item = &Order> {
        self.books.values().flat_map(|book| &book.orders)
    }

    /// Puts an order last in its line.
    fn add(&mut self, mut order: Order) {
        self.lines += 1;
        order.line = self.lines;
        self.homes.insert(order.id(), order.resting.instrument);
        self.book_mut(&order).orders.push(order);
    }

    /// Writes an order back that keeps its place.
    fn put(&mut self, order: Order) {
        *self.book_mut(&order).find_mut(order.id()).expect("a live order") = order;
    }

    /// Takes an order away.
    fn remove(&mut self, order: &Order) {
        self.homes.remove(&order.id());
        self.book_mut(order).orders.retain(|other| other.id() != order.id());
    }
}

impl Matcher for ReferenceMatcher {
    fn submit(&mut self, command: &Group<Command>) -> Result<(), Full> {
        self.outbox.check_room()?;
        self.outbox.open(&command.head);
        self.apply(command);
        self.outbox.close(&command.head);
        Ok(())
    }

    fn finished(&self) -> &[Event] {
        self.outbox.finished()
    }

    fn release(&mut self, count: usize) {
        self.outbox.release(count);
    }

    fn wants_sweep(&self) -> bool {
        !self.walks.is_empty()
            || !self.cascades.is_empty()
            || !self.uncrosses.is_empty()
            || self.due_at() <= self.now
    }

    fn due_at(&self) -> Nanos {
        self.next_expiry().min(self.next_phase_due().0)
    }
}

impl BookView for ReferenceMatcher {
    fn open_orders(&self) -> usize {
        self.homes.len()
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
        let Some(book) = self.books.get(&instrument) else { return };
        let mut levels: Vec<Quote> = Vec::new();
        for order in book.queue(Room::Lit, buy) {
            let price = order.resting.price;
            if levels.last().is_none_or(|level| level.price != price) {
                levels.push(Quote { price, quantity: 0, orders: 0 });
            }
            let level = levels.last_mut().expect("one was just pushed");
            level.quantity += u64::from(order.front.0);
            level.orders += 1;
        }
        levels.into_iter().take(count).for_each(each);
    }

    fn phase(&self, instrument: InstrumentId) -> Option<Phase> {
        Some(self.books.get(&instrument)?.phase)
    }

    fn for_each_order(&self, each: &mut dyn FnMut(&Standing)) {
        for book in self.books.values() {
            for room in Room::ALL {
                for buy in [true, false] {
                    for order in book.queue(room, buy) {
                        each(&order.standing());
                    }
                }
            }
        }
    }
}

/// What is left of a quantity.
fn less(quantity: Quantity, by: Quantity) -> Quantity {
    quantity.saturating_sub(by)
}
