//! What happens without anybody's asking, a bounded part at each `Sweep`: stops whose price was
//! reached go to market, and orders whose time is over leave.

use crate::engine::reference::ReferenceMatcher;
use crate::engine::reference::order::{Book, Order};
use crate::engine::rules::{self, Room, Special};
use crate::model::{CancelReason, Command, CommandKind, EventKind, InstrumentId, Nanos, SeqNo};

impl ReferenceMatcher {
    /// Does the next part of what is unfinished: one kind of work for each command.
    pub(super) fn go_on(&mut self) {
        if let Some(&instrument) = self.uncrosses.front() {
            self.uncross(instrument);
        } else if let Some(&instrument) = self.cascades.front() {
            self.wake_stops(instrument);
        } else if self.next_phase_due().0 <= self.now {
            self.pass_phase();
        } else if self.next_expiry() <= self.now {
            self.expire(self.now);
        } else {
            self.walk_on(0);
        }
    }

    /// Looks, after trades, whether stops were reached.
    pub(super) fn after_trades(&mut self, instrument: InstrumentId) {
        if self.cascades.contains(&instrument) {
            return;
        }
        let Some(book) = self.books.get_mut(&instrument) else { return };
        if !book.phase.meets() {
            // Where nobody meets, stops keep what they saw until somebody does.
        } else if next_stop(book).is_some() || book.needs_trail() {
            self.cascades.push_back(instrument);
        } else {
            book.range = None;
        }
    }

    /// Sends stops to market, the first reached first, until one trades or the chunk is done; when
    /// none is reached, lets trailing stops follow.
    fn wake_stops(&mut self, instrument: InstrumentId) {
        let trades = self.books[&instrument].trades;
        if next_stop(&self.books[&instrument]).is_none() {
            self.trail(instrument);
        } else {
            for _ in 0..self.limits.sweep_chunk {
                let book = &self.books[&instrument];
                let Some(stop) = next_stop(book).filter(|_| book.trades == trades) else { break };
                self.remove(&stop);
                self.wake(&stop, &Command::new(CommandKind::Sweep));
            }
        }
        // A stop that broke the band ended the cascade.
        if self.cascades.front() != Some(&instrument) {
            return;
        }
        let Some(book) = self.books.get_mut(&instrument) else { return };
        if next_stop(book).is_none() && !book.needs_trail() {
            book.range = None;
            book.trail_at = None;
            self.cascades.pop_front();
        }
    }

    /// Lets the next trailing stops follow the last trade, the oldest first.
    fn trail(&mut self, instrument: InstrumentId) {
        let book = self.books.get_mut(&instrument).expect("it was found");
        // What was traded before a stop moved does not reach it.
        book.range = None;
        let Some(last) = book.last.filter(|_| book.needs_trail()) else { return };
        let mut at = book.trail_at.unwrap_or_else(|| {
            book.trailed = book.last;
            SeqNo::ZERO
        });
        for _ in 0..self.limits.sweep_chunk {
            let book = &self.books[&instrument];
            let ahead = |order: &&Order| order.special.trails() && order.resting.reference >= at;
            let next = book.orders.iter().filter(ahead).min_by_key(|o| o.resting.reference);
            let Some(&order) = next else {
                self.books.get_mut(&instrument).expect("it was found").trail_at = None;
                return;
            };
            at = order.resting.reference.next();
            let stop = order.special.trailed(last, order.buys());
            if stop != order.special.stop {
                self.remove(&order);
                self.add(Order { special: Special { stop, ..order.special }, ..order });
            }
        }
        self.books.get_mut(&instrument).expect("it was found").trail_at = Some(at);
    }

    /// Sends a stop to market, as the order it becomes.
    pub(super) fn wake(&mut self, stop: &Order, command: &Command) {
        let special = stop.special.triggered();
        let asks = special.woken(&stop.resting);
        let woken = Order::new(stop.resting, special.at_rest());
        let announcement = rules::about(&woken.resting, EventKind::Triggered);
        self.meet(woken, asks, special, announcement, command);
    }

    /// Whether a stop order need not wait: its price is reached already.
    pub(super) fn is_reached(&self, order: &Order) -> bool {
        is_reached(self.book(order), order)
    }

    /// Takes away orders whose time is over at `now`, the first to be over first; says whether
    /// there may be more.
    pub(super) fn expire(&mut self, now: Nanos) -> bool {
        for _ in 0..self.limits.sweep_chunk {
            let over = self.orders().filter(|order| order.special.is_over(now));
            let first =
                over.min_by_key(|order| (order.special.expires_at, order.resting.reference));
            let Some(&order) = first else { return false };
            self.remove(&order);
            self.outbox.push(order.withdrawn(CancelReason::Expired));
        }
        true
    }

    /// When the first order's time is over.
    pub(super) fn next_expiry(&self) -> Nanos {
        let expiries = self.orders().map(|order| order.special.expires_at);
        expiries.filter(|at| *at != Nanos::ZERO).min().unwrap_or(Nanos::MAX)
    }
}

/// The stop to wake next: the first in line of each side that was reached, the older of the two.
fn next_stop(book: &Book) -> Option<Order> {
    let first = |buy| book.queue(Room::Stop, buy).first().copied().copied();
    let reached = [first(true), first(false)].into_iter().flatten();
    reached.filter(|stop| is_reached(book, stop)).min_by_key(|stop| stop.resting.reference)
}

/// Whether trading has reached a stop's price, since the stops were last looked through.
fn is_reached(book: &Book, stop: &Order) -> bool {
    if !book.phase.meets() {
        return false;
    }
    let price = stop.special.stop;
    let Some(range) = book.range.or(book.last.map(|last| (last, last))) else { return false };
    if stop.buys() { range.1 >= price } else { range.0 <= price }
}
