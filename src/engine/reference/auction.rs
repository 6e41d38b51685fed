//! Phases and the auctions between them, a bounded part at each `Sweep`.
//!
//! While an auction runs its instrument is frozen: what takes part is what was there when it began.

use std::collections::VecDeque;

use crate::engine::auction::{Band, Count, Outcome, Timing, Wants, auctioned_with, uncrosses};
use crate::engine::reference::order::{Book, Order};
use crate::engine::reference::{ReferenceMatcher, less};
use crate::engine::rules::{self, INDICATIVE_EVERY, Room};
use crate::engine::shards::check_move;
use crate::model::{
    CancelReason, Command, Event, EventFlags, EventKind, Instrument, InstrumentId, Nanos, Phase,
    Price, Quantity, RejectCode,
};

/// An auction that is being settled.
#[derive(Debug)]
pub(super) struct Run {
    /// What follows it.
    to: Phase,
    timing: Timing,
    began: Nanos,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Orders whose time is over leave before anything is counted.
    Expiring,
    Counting(Count, VecDeque<Order>, VecDeque<Order>),
    Trading(Outcome, u64),
    Clearing,
}

impl ReferenceMatcher {
    pub(super) fn set_phase(&mut self, command: &Command) -> Result<(), RejectCode> {
        let book = self.books.get(&command.instrument).ok_or(RejectCode::UnknownInstrument)?;
        let to = Phase::from_code(command.side).ok_or(RejectCode::Unsupported)?;
        let timing = Timing::of(command).ok_or(RejectCode::Unsupported)?;
        if book.run.is_some() {
            return Err(RejectCode::Frozen);
        }
        if rules::is_scheduled(command) && book.phase == Phase::Halt {
            return Err(RejectCode::Halted);
        }
        self.leave_phase(command.instrument, to, timing);
        Ok(())
    }

    pub(super) fn set_band(&mut self, command: &Command) -> Result<(), RejectCode> {
        let book = self.books.get_mut(&command.instrument);
        let book = book.ok_or(RejectCode::UnknownInstrument)?;
        book.band = Band::of(command, book.reference());
        Ok(())
    }

    /// Takes an idle instrument over from another shard, or lets it go to one.
    pub(super) fn take_over(&mut self, command: &Command) -> Result<(), RejectCode> {
        let Some(book) = self.books.get_mut(&command.instrument) else {
            return rules::moves_unknown(command, self.limits.shard);
        };
        let is_idle = book.orders.is_empty() && book.run.is_none();
        let phase = check_move(is_idle, Phase::from_code(command.side))?;
        *book = Book::new(book.instrument);
        self.stop_cascade(command.instrument);
        if command.target != u32::from(self.limits.shard) {
            self.books.get_mut(&command.instrument).expect("it was found").phase = Phase::Closed;
            return Ok(());
        }
        let book = self.books.get_mut(&command.instrument).expect("it was found");
        book.last = Some(command.price).filter(|last| last.0 > 0);
        self.enter_phase(command.instrument, phase, Timing::ENDLESS);
        Ok(())
    }

    /// An instrument is listed from now on, or listed otherwise.
    pub(super) fn list(&mut self, command: &Command) -> Result<(), RejectCode> {
        let mut asked = Instrument::of_command(command).ok_or(RejectCode::Unsupported)?;
        if let Some(book) = self.books.get_mut(&asked.id) {
            if book.instrument.tick != asked.tick && !book.orders.is_empty() {
                return Err(RejectCode::NotIdle);
            }
            if asked.reference_price.0 == 0 {
                asked.reference_price = book.instrument.reference_price;
            }
            book.instrument = asked;
        }
        if self.limits.shard == 0 {
            self.outbox.push(Event::answering(command, 0, EventKind::InstrumentSet));
        }
        Ok(())
    }

    /// Leaves a phase, for an auction or at once.
    pub(super) fn leave_phase(&mut self, instrument: InstrumentId, to: Phase, timing: Timing) {
        let book = self.books.get_mut(&instrument).expect("it was found");
        if !uncrosses(book.phase, to) {
            return self.enter_phase(instrument, to, timing);
        }
        book.run = Some(Run { to, timing, began: self.now, stage: Stage::Expiring });
        self.stop_cascade(instrument);
        self.uncrosses.push_back(instrument);
    }

    fn enter_phase(&mut self, instrument: InstrumentId, phase: Phase, timing: Timing) {
        let book = self.books.get_mut(&instrument).expect("it was found");
        book.phase = phase;
        book.timing = timing;
        let soon = self.now.saturating_add(INDICATIVE_EVERY);
        book.indicative_at = if phase.auctions() { soon } else { Nanos::MAX };
        self.outbox.push(rules::phase_changed(instrument, phase, timing.following));
        self.stop_cascade(instrument);
        self.after_trades(instrument);
    }

    /// Takes an instrument from those whose stops are being woken; they wait for another phase.
    fn stop_cascade(&mut self, instrument: InstrumentId) {
        self.cascades.retain(|other| *other != instrument);
        let book = self.books.get_mut(&instrument).expect("it was found");
        (book.trailed, book.trail_at) = (None, None);
    }

    /// Whether an instrument's orders are in an auction that is being settled.
    pub(super) fn is_frozen(&self, instrument: InstrumentId) -> bool {
        self.books.get(&instrument).is_some_and(|book| book.run.is_some())
    }

    /// When the first phase ends, or an auction's indication is due.
    pub(super) fn next_phase_due(&self) -> (Nanos, Option<InstrumentId>) {
        let open = self.books.values().filter(|book| book.run.is_none());
        let due =
            open.map(|book| (book.timing.ends_at.min(book.indicative_at), book.instrument.id));
        let first = due.filter(|(at, _)| *at != Nanos::MAX).min();
        first.map_or((Nanos::MAX, None), |(at, id)| (at, Some(id)))
    }

    /// Ends the phase that is over first, or tells where its auction stands.
    pub(super) fn pass_phase(&mut self) {
        let (_, Some(instrument)) = self.next_phase_due() else { return };
        let book = &self.books[&instrument];
        if book.timing.ends_at <= self.now {
            return self.leave_phase(instrument, book.timing.following, Timing::ENDLESS);
        }
        let mut count = Count::new(book.instrument.tick);
        let queue = |buy| book.auctioned(buy).into_iter();
        let (mut buyers, mut sellers) = (queue(true), queue(false));
        for _ in 0..rules::indicative_orders(&self.limits) {
            let next = match count.wants() {
                Wants::Buyer => buyers.next(),
                Wants::Seller => sellers.next(),
                Wants::Nothing => break,
            };
            count.give(next.map(offer));
        }
        let event = rules::indicative(instrument, book.phase, &count, book.reference());
        self.outbox.push(event);
        let soon = self.now.saturating_add(INDICATIVE_EVERY);
        self.books.get_mut(&instrument).expect("it was found").indicative_at = soon;
    }

    /// Goes on with the auction that began first.
    pub(super) fn uncross(&mut self, instrument: InstrumentId) {
        let book = self.books.get_mut(&instrument).expect("it was found");
        let mut run = book.run.take().expect("it runs");
        let reference = book.reference();
        run.stage = match run.stage {
            Stage::Expiring => match self.expire(run.began) {
                true => Stage::Expiring,
                false => self.begin_count(instrument),
            },
            Stage::Counting(count, buyers, sellers) => {
                self.count(reference, count, buyers, sellers)
            }
            Stage::Trading(outcome, left) => self.trade_auction(instrument, outcome, left),
            Stage::Clearing => {
                if self.clear_auction(instrument) {
                    self.uncrosses.pop_front();
                    return self.enter_phase(instrument, run.to, run.timing);
                }
                Stage::Clearing
            }
        };
        self.books.get_mut(&instrument).expect("it was found").run = Some(run);
    }

    fn begin_count(&self, instrument: InstrumentId) -> Stage {
        let book = &self.books[&instrument];
        let queue = |buy| book.auctioned(buy).into_iter().copied().collect();
        Stage::Counting(Count::new(book.instrument.tick), queue(true), queue(false))
    }

    fn count(
        &self,
        reference: Price,
        mut count: Count,
        mut buyers: VecDeque<Order>,
        mut sellers: VecDeque<Order>,
    ) -> Stage {
        for _ in 0..self.limits.sweep_chunk {
            let queue = match count.wants() {
                Wants::Buyer => &mut buyers,
                Wants::Seller => &mut sellers,
                Wants::Nothing => break,
            };
            count.give(queue.pop_front().as_ref().map(offer));
        }
        if count.wants() != Wants::Nothing {
            return Stage::Counting(count, buyers, sellers);
        }
        match count.outcome(reference) {
            Some(outcome) => Stage::Trading(outcome, outcome.volume),
            None => Stage::Clearing,
        }
    }

    fn trade_auction(
        &mut self,
        instrument: InstrumentId,
        outcome: Outcome,
        mut left: u64,
    ) -> Stage {
        for _ in 0..rules::auction_trades(&self.limits) {
            let book = &self.books[&instrument];
            let first = |buy| book.auctioned(buy).first().copied().copied();
            let (Some(buyer), Some(seller)) = (first(true), first(false)) else {
                return Stage::Clearing;
            };
            let most = u64::from(buyer.resting.leaves.min(seller.resting.leaves).0).min(left);
            self.trade_at(&buyer, &seller, outcome.price, Quantity(most as u32));
            left -= most;
            if left == 0 {
                return Stage::Clearing;
            }
        }
        Stage::Trading(outcome, left)
    }

    /// One trade of an auction. What an iceberg hides goes first, so that it keeps its place.
    fn trade_at(&mut self, buyer: &Order, seller: &Order, price: Price, quantity: Quantity) {
        let phase = self.book(buyer).phase;
        let traded = |order: &Order| {
            let mut after = *order;
            after.resting.leaves = less(after.resting.leaves, quantity);
            after.resting.executed = after.resting.executed.saturating_add(quantity);
            after.front = after.front.min(after.resting.leaves);
            after
        };
        let sides = [(buyer, EventFlags::MAKER), (seller, EventFlags::default())];
        for (order, flags) in sides {
            let done = order.resting.leaves == quantity;
            let flags = if done { flags.with(EventFlags::DONE) } else { flags };
            self.outbox.push(Event {
                quantity,
                price,
                reference: order.shown,
                reason: phase.code(),
                flags: flags.with(EventFlags::AUCTION),
                ..rules::about(&order.resting, EventKind::Executed)
            });
        }
        for (order, _) in sides {
            let after = traded(order);
            self.show_less(order, &after);
            if after.resting.leaves == Quantity::ZERO {
                self.remove(order);
            } else {
                self.put(after);
            }
        }
        let now = self.now;
        let book = self.book_mut(buyer);
        book.traded(price);
        book.band.anchor_at(price, now);
    }

    /// Cancels what was for this auction alone; says whether nothing is left of it.
    fn clear_auction(&mut self, instrument: InstrumentId) -> bool {
        for _ in 0..self.limits.sweep_chunk {
            let book = &self.books[&instrument];
            let rooms = auctioned_with(book.phase).iter();
            let mut left = rooms
                .flat_map(|room| [true, false].into_iter().flat_map(|buy| book.queue(*room, buy)));
            let Some(&order) = left.next() else { return true };
            self.remove(&order);
            self.outbox.push(order.withdrawn(CancelReason::AuctionOver));
        }
        false
    }
}

impl Book {
    /// The orders of a side that an auction takes, in the order it takes them.
    fn auctioned(&self, buy: bool) -> Vec<&Order> {
        let rooms = [Room::Lit, Room::Hidden].into_iter();
        let rooms = rooms.chain(auctioned_with(self.phase).iter().copied());
        let mut all: Vec<&Order> = rooms.flat_map(|room| self.queue(room, buy)).collect();
        // The sort is stable: what is alike stays in the order of rooms and lines.
        all.sort_by_key(|order| order.signed(order.resting.price));
        all
    }

    /// The price an auction is held to where nothing else decides.
    pub(super) fn reference(&self) -> Price {
        self.last.unwrap_or(self.instrument.reference_price)
    }
}

/// An order's part in a count.
fn offer(order: &Order) -> (Price, u64) {
    (order.resting.price, u64::from(order.resting.leaves.0))
}
