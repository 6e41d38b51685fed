//! `ReferenceMatcher`: slow and obvious. What it says is what the fast ones must say, event for
//! event; read it to learn what a command means.

mod sweeping;

use std::collections::{BTreeMap, VecDeque};

use crate::engine::instruments::check_instruments;
use crate::engine::outbox::Outbox;
use crate::engine::reference::sweeping::Walk;
use crate::engine::rules::{self, Instructions, Task};
use crate::engine::{BookView, EngineLimits, Full, Matcher, Quote, RestingOrder, SetupError, Top};
use crate::model::{
    CancelReason, Command, CommandKind, Event, EventFlags, EventKind, Group, Instrument,
    InstrumentId, OrderId, Price, Quantity, RejectCode, SelfTrade,
};

/// One instrument: what it is, and who queues at which price.
#[derive(Debug)]
struct Book {
    instrument: Instrument,
    bids: BTreeMap<Price, VecDeque<OrderId>>,
    asks: BTreeMap<Price, VecDeque<OrderId>>,
}

impl Book {
    fn side(&self, buy: bool) -> &BTreeMap<Price, VecDeque<OrderId>> {
        if buy { &self.bids } else { &self.asks }
    }

    fn side_mut(&mut self, buy: bool) -> &mut BTreeMap<Price, VecDeque<OrderId>> {
        if buy { &mut self.bids } else { &mut self.asks }
    }

    /// The orders of a side, best price first, oldest first.
    fn queue(&self, buy: bool) -> Box<dyn Iterator<Item = OrderId> + '_> {
        let levels = self.side(buy).values();
        if buy {
            Box::new(levels.rev().flatten().copied())
        } else {
            Box::new(levels.flatten().copied())
        }
    }
}

/// The oracle: sorted maps and queues, nothing clever.
#[derive(Debug)]
pub struct ReferenceMatcher {
    limits: EngineLimits,
    books: BTreeMap<InstrumentId, Book>,
    orders: BTreeMap<OrderId, RestingOrder>,
    walks: Vec<Walk>,
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
        let empty = |&instrument: &Instrument| {
            let book = Book { instrument, bids: BTreeMap::new(), asks: BTreeMap::new() };
            (instrument.id, book)
        };
        Ok(Self {
            limits,
            books: instruments.iter().map(empty).collect(),
            orders: BTreeMap::new(),
            walks: Vec::new(),
            outbox: Outbox::new(&limits),
        })
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

    fn reject(&mut self, command: &Command, why: RejectCode) {
        self.outbox.push(rules::rejected(command, why));
    }

    fn enter(&mut self, group: &Group<Command>) -> Result<(), RejectCode> {
        let command = &group.head;
        if command.session.0 >= self.limits.sessions_max {
            return Err(RejectCode::UnknownSession);
        }
        let book = self.books.get(&command.instrument).ok_or(RejectCode::UnknownInstrument)?;
        if self.orders.contains_key(&command.order_id()) {
            return Err(RejectCode::DuplicateOrder);
        }
        let asks = rules::instructions(group, &book.instrument)?;
        let side = command.side().ok_or(RejectCode::InvalidSide)?;
        if asks.may_rest && self.orders.len() >= self.limits.orders_max as usize {
            return Err(RejectCode::BookFull);
        }
        let order = rules::entered(command, side);
        let accepted = rules::about(&order, EventKind::Accepted);
        self.place(order, &asks, accepted, command);
        Ok(())
    }

    fn replace(&mut self, group: &Group<Command>) -> Result<(), RejectCode> {
        let command = &group.head;
        let old = *self.orders.get(&command.target_id()).ok_or(RejectCode::UnknownOrder)?;
        if self.orders.contains_key(&command.order_id()) {
            return Err(RejectCode::DuplicateOrder);
        }
        let book = self.books.get(&old.instrument).ok_or(RejectCode::UnknownInstrument)?;
        let asks = rules::instructions(group, &book.instrument)?;
        let Some(new) = rules::replacement(command, &old) else {
            self.remove(&old);
            let gone = rules::withdrawn(&old, CancelReason::ReplacedBelowExecuted);
            let target = command.ordinal;
            self.outbox.push(Event { client_seq: command.client_seq, target, ..gone });
            return Ok(());
        };
        let replaced = Event {
            reference: old.reference,
            target: old.ordinal,
            ..rules::about(&new, EventKind::Replaced)
        };
        if rules::keeps_place(&old, &new, &asks) {
            let kept = RestingOrder { reference: old.reference, ..new };
            let queue = self.queue_of(&old).expect("a live order's queue is there");
            *queue.iter_mut().find(|id| **id == old.id()).expect("it is queued") = kept.id();
            self.orders.remove(&old.id());
            self.orders.insert(kept.id(), kept);
            let flags = EventFlags::KEPT_PRIORITY.with(EventFlags::RESTS);
            self.outbox.push(Event { flags, client_seq: command.client_seq, ..replaced });
            if kept.leaves < old.leaves {
                let less = old.leaves.saturating_sub(kept.leaves);
                self.outbox.push(rules::reduced(&kept, less));
            }
        } else {
            self.remove(&old);
            self.place(new, &asks, replaced, command);
        }
        Ok(())
    }

    /// Lets an order meet the book: announces it, matches it, then rests or cancels what is left.
    fn place(
        &mut self,
        mut order: RestingOrder,
        asks: &Instructions,
        announcement: Event,
        command: &Command,
    ) {
        let crosses = self.best_maker(&order, asks).is_some();
        let rests_whole = asks.may_rest && !crosses;
        let flags = if rests_whole { EventFlags::RESTS } else { EventFlags::default() };
        self.outbox.push(Event { flags, client_seq: command.client_seq, ..announcement });
        let end = if crosses && asks.post_only {
            Some((CancelReason::PostOnly, order.price))
        } else if asks.whole && !self.can_fill_whole(&order, asks) {
            Some((CancelReason::Immediate, order.price))
        } else {
            self.take(&mut order, asks, command)
        };
        if order.leaves == Quantity::ZERO {
            return;
        }
        let immediate = (CancelReason::Immediate, order.price);
        let end = end.or((!asks.may_rest).then_some(immediate));
        if let Some((reason, price)) = end {
            let event = rules::cancelled(&order, reason);
            self.outbox.push(Event { price, client_seq: command.client_seq, ..event });
            return;
        }
        if !rests_whole {
            let event = rules::about(&order, EventKind::Rested);
            self.outbox.push(Event { client_seq: command.client_seq, ..event });
        }
        let book = self.books.get_mut(&order.instrument).expect("its book was found");
        book.side_mut(order.side.is_buy()).entry(order.price).or_default().push_back(order.id());
        self.orders.insert(order.id(), order);
    }

    /// Trades while prices cross; says why what is left must go, if it must.
    fn take(
        &mut self,
        order: &mut RestingOrder,
        asks: &Instructions,
        command: &Command,
    ) -> Option<(CancelReason, Price)> {
        let mut fills = 0;
        while order.leaves > Quantity::ZERO {
            let maker = self.best_maker(order, asks)?;
            if fills == self.limits.fills_per_command_max {
                return Some((CancelReason::FillLimit, order.price));
            }
            fills += 1;
            if maker.account == order.account && asks.self_trade != SelfTrade::Allow {
                if asks.self_trade != SelfTrade::CancelNewest {
                    self.remove(&maker);
                    self.outbox.push(rules::withdrawn(&maker, CancelReason::SelfTrade));
                }
                if asks.self_trade != SelfTrade::CancelOldest {
                    return Some((CancelReason::SelfTrade, maker.price));
                }
                continue;
            }
            self.trade(maker, order, command);
        }
        None
    }

    /// One trade at the maker's price: the maker's event, then the taker's.
    fn trade(&mut self, mut maker: RestingOrder, taker: &mut RestingOrder, command: &Command) {
        let quantity = maker.leaves.min(taker.leaves);
        for order in [&mut maker, &mut *taker] {
            order.leaves = order.leaves.saturating_sub(quantity);
            order.executed = order.executed.saturating_add(quantity);
        }
        if maker.leaves == Quantity::ZERO {
            self.remove(&maker);
        } else {
            self.orders.insert(maker.id(), maker);
        }
        let done = |order: &RestingOrder, flags: EventFlags| {
            if order.leaves == Quantity::ZERO { flags.with(EventFlags::DONE) } else { flags }
        };
        self.outbox.push(Event {
            quantity,
            flags: done(&maker, EventFlags::MAKER),
            ..rules::about(&maker, EventKind::Executed)
        });
        self.outbox.push(Event {
            quantity,
            price: maker.price,
            client_seq: command.client_seq,
            flags: done(taker, EventFlags::default()),
            ..rules::about(taker, EventKind::Executed)
        });
    }

    /// The resting order this one would meet first.
    fn best_maker(&self, order: &RestingOrder, asks: &Instructions) -> Option<RestingOrder> {
        self.makers(order, asks).next()
    }

    /// The resting orders this one could meet, in the order it would.
    fn makers<'a>(
        &'a self,
        order: &'a RestingOrder,
        asks: &'a Instructions,
    ) -> impl Iterator<Item = RestingOrder> + 'a {
        let buy = order.side.is_buy();
        let crosses = move |maker: &RestingOrder| match asks.limit {
            Some(limit) if buy => maker.price <= limit,
            Some(limit) => maker.price >= limit,
            None => true,
        };
        let queue = self.books.get(&order.instrument).into_iter();
        let queue = queue.flat_map(move |book| book.queue(!buy));
        queue.filter_map(|id| self.orders.get(&id).copied()).take_while(crosses)
    }

    /// Whether an all-or-nothing order would be filled, by the same steps as [`Self::take`].
    fn can_fill_whole(&self, order: &RestingOrder, asks: &Instructions) -> bool {
        let mut wanted = order.leaves;
        for maker in self.makers(order, asks).take(self.limits.fills_per_command_max as usize) {
            if maker.account == order.account {
                match asks.self_trade {
                    SelfTrade::Allow => {}
                    SelfTrade::CancelOldest => continue,
                    _ => return false,
                }
            }
            wanted = wanted.saturating_sub(maker.leaves);
            if wanted == Quantity::ZERO {
                return true;
            }
        }
        false
    }

    fn cancel(&mut self, command: &Command) {
        let Some(&order) = self.orders.get(&command.target_id()) else {
            return self.outbox.push(rules::cancel_rejected(command, RejectCode::UnknownOrder));
        };
        let leaves = rules::leaves_after_cut(&order, command.quantity);
        self.cut(&order, leaves, command);
    }

    /// Cuts an order to `leaves`, keeping its place; nothing if it has no more than that.
    fn cut(&mut self, order: &RestingOrder, leaves: Quantity, command: &Command) {
        if leaves >= order.leaves {
            return;
        }
        let mut event = rules::withdrawn(order, CancelReason::User);
        if leaves == Quantity::ZERO {
            self.remove(order);
        } else {
            self.orders.insert(order.id(), RestingOrder { leaves, ..*order });
            event.flags = EventFlags::RESTS;
        }
        event.quantity = order.leaves.saturating_sub(leaves);
        self.outbox.push(Event { client_seq: command.client_seq, ..event });
    }

    fn modify(&mut self, command: &Command) {
        let Some(&order) = self.orders.get(&command.target_id()) else {
            return self.outbox.push(rules::cancel_rejected(command, RejectCode::UnknownOrder));
        };
        let leaves = rules::leaves_after_cut(&order, command.quantity);
        let side = rules::marking(&order, command).filter(|_| leaves <= order.leaves);
        let Some(side) = side else {
            return self.outbox.push(rules::cancel_rejected(command, RejectCode::Unsupported));
        };
        if leaves == Quantity::ZERO {
            return self.cut(&order, leaves, command);
        }
        let modified = RestingOrder { leaves, side, ..order };
        self.orders.insert(order.id(), modified);
        let event = rules::about(&modified, EventKind::Modified);
        self.outbox.push(Event { client_seq: command.client_seq, ..event });
        if leaves < order.leaves {
            self.outbox.push(rules::reduced(&modified, order.leaves.saturating_sub(leaves)));
        }
    }

    /// Takes an order out of its book.
    fn remove(&mut self, order: &RestingOrder) {
        self.orders.remove(&order.id());
        if let Some(queue) = self.queue_of(order) {
            queue.retain(|id| *id != order.id());
            if queue.is_empty() {
                let book = self.books.get_mut(&order.instrument).expect("its queue was there");
                book.side_mut(order.side.is_buy()).remove(&order.price);
            }
        }
    }

    fn queue_of(&mut self, order: &RestingOrder) -> Option<&mut VecDeque<OrderId>> {
        let book = self.books.get_mut(&order.instrument)?;
        book.side_mut(order.side.is_buy()).get_mut(&order.price)
    }
}

impl Matcher for ReferenceMatcher {
    fn submit(&mut self, command: &Group<Command>) -> Result<(), Full> {
        self.outbox.open(&command.head)?;
        self.apply(command);
        self.outbox.close();
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
    }
}

impl BookView for ReferenceMatcher {
    fn open_orders(&self) -> usize {
        self.orders.len()
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
        let quote = |(&price, queue): (&Price, &VecDeque<OrderId>)| {
            let leaves = |id| self.orders.get(id).map_or(0, |order| u64::from(order.leaves.0));
            let quantity = queue.iter().map(leaves).sum();
            each(Quote { price, quantity, orders: queue.len() as u32 });
        };
        let levels = book.side(buy).iter();
        if buy {
            levels.rev().take(count).for_each(quote)
        } else {
            levels.take(count).for_each(quote)
        }
    }

    fn for_each_order(&self, each: &mut dyn FnMut(&RestingOrder)) {
        for book in self.books.values() {
            for id in book.queue(true).chain(book.queue(false)) {
                if let Some(order) = self.orders.get(&id) {
                    each(order);
                }
            }
        }
    }
}
