//! What happens without anybody's asking, a bounded part at each `Sweep`: stops whose price was
//! reached go to market, and orders whose time is over leave.

use crate::engine::reference::ReferenceMatcher;
use crate::engine::reference::order::{Book, Order};
use crate::engine::rules::{self, Room};
use crate::model::{CancelReason, Command, CommandKind, EventKind, InstrumentId, Nanos};

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
            self.expire();
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
        } else if next_stop(book).is_some() {
            self.cascades.push_back(instrument);
        } else {
            book.range = None;
        }
    }

    /// Sends stops to market, the first reached first, until one trades or the chunk is done.
    fn wake_stops(&mut self, instrument: InstrumentId) {
        let trades = self.books[&instrument].trades;
        for _ in 0..self.limits.sweep_chunk {
            let book = &self.books[&instrument];
            let Some(stop) = next_stop(book).filter(|_| book.trades == trades) else { break };
            self.remove(&stop);
            self.wake(&stop, &Command::new(CommandKind::Sweep));
        }
        let Some(book) = self.books.get_mut(&instrument) else { return };
        if next_stop(book).is_none() {
            book.range = None;
            self.cascades.pop_front();
        }
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

    /// Takes away orders whose time is over, the first to be over first.
    fn expire(&mut self) {
        for _ in 0..self.limits.sweep_chunk {
            let over = self.orders().filter(|order| order.special.is_over(self.now));
            let first =
                over.min_by_key(|order| (order.special.expires_at, order.resting.reference));
            let Some(&order) = first else { return };
            self.remove(&order);
            self.outbox.push(order.withdrawn(CancelReason::Expired));
        }
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
