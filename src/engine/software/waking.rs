//! What happens without anybody's asking, a bounded part at each `Sweep`: stops whose price was
//! reached go to market, and orders whose time is over leave.

use crate::engine::book::{Key, NONE, Slot};
use crate::engine::rules::{self, Room, Special};
use crate::engine::software::SoftwareMatcher;
use crate::engine::software::desk::STOPS;
use crate::engine::software::entering::Taker;
use crate::model::{CancelReason, EventKind, Price};

impl SoftwareMatcher {
    /// Does the next part of what is unfinished: one kind of work for each command.
    pub(super) fn go_on(&mut self) {
        if let Some(&place) = self.uncrosses.front() {
            self.uncross(place);
        } else if let Some(&place) = self.cascades.front() {
            self.wake_stops(place);
        } else if self.phases_due.first().is_some_and(|((at, _), _)| at <= self.now.0) {
            self.pass_phase();
        } else if self.specials.expired(self.now).is_some() {
            self.expire();
        } else {
            self.walk_on(0);
        }
    }

    /// Notes how far trading has gone, for stops.
    #[cold]
    pub(super) fn note_range(&mut self, place: usize, price: Price) {
        let range = &mut self.desks[place].range;
        let (low, high) = range.unwrap_or((price, price));
        *range = Some((low.min(price), high.max(price)));
    }

    /// Looks, after trades, whether stops were reached.
    #[inline]
    pub(super) fn after_trades(&mut self, place: usize) {
        if self.books[place].notes.marks & STOPS != 0 {
            self.look_for_stops(place);
        }
    }

    #[cold]
    pub(super) fn look_for_stops(&mut self, place: usize) {
        // Where nobody meets, stops keep what they saw until somebody does.
        if self.desks[place].cascades || !self.desks[place].phase.meets() {
            return;
        }
        if self.next_stop(place).is_some() {
            self.desks[place].cascades = true;
            self.cascades.push_back(place);
        } else {
            self.desks[place].range = None;
        }
    }

    /// Sends stops to market, the first reached first, until one trades or the chunk is done.
    fn wake_stops(&mut self, place: usize) {
        for _ in 0..self.limits.sweep_chunk {
            let Some(slot) = self.next_stop(place) else { break };
            let standing = self.standing(slot);
            self.lift(slot);
            let asks = standing.special.woken(&standing.order);
            let sweep = crate::model::Command::default();
            let taker = self.taker(standing.order, asks, place, &sweep);
            if self.wake(taker, standing.special, slot) {
                break;
            }
        }
        if self.next_stop(place).is_none() {
            let desk = &mut self.desks[place];
            desk.range = None;
            desk.cascades = false;
            self.cascades.pop_front();
            self.mark(place);
        }
    }

    /// Sends a stop to market, as the order it becomes; says whether it traded.
    pub(super) fn wake(&mut self, mut taker: Taker, stop: Special, lifted: Slot) -> bool {
        let special = stop.triggered();
        taker.asks = special.woken(&taker.order);
        taker.set_limit();
        let announcement = rules::about(&taker.order, EventKind::Triggered);
        self.meet(taker, special, lifted, announcement)
    }

    /// The stop to wake next: the first in line of each side that was reached, the older of the
    /// two.
    fn next_stop(&self, place: usize) -> Option<Slot> {
        let first = |buy| {
            let slot = self.desks[place].shelf(Room::Stop, false, buy).first(&self.store);
            (slot != NONE).then_some((buy, slot))
        };
        let reached = |(buy, slot): &(bool, Slot)| {
            let key: Key = self.store.key(*slot);
            self.is_reached(place, *buy, Price(if *buy { key } else { key.saturating_neg() }))
        };
        let both = [first(true), first(false)].into_iter().flatten().filter(reached);
        both.map(|(_, slot)| slot).min_by_key(|slot| self.register.get(*slot).reference)
    }

    /// Whether trading has reached a stop price, since the stops were last looked through.
    pub(super) fn is_reached(&self, place: usize, buy: bool, stop: Price) -> bool {
        if !self.desks[place].phase.meets() {
            return false;
        }
        let last = Some(Price(self.books[place].notes.last)).filter(|last| *last != Price::ZERO);
        let range = self.desks[place].range.or(last.map(|last| (last, last)));
        range.is_some_and(|(low, high)| if buy { high >= stop } else { low <= stop })
    }

    /// Takes away orders whose time is over, the first to be over first.
    fn expire(&mut self) {
        for _ in 0..self.limits.sweep_chunk {
            let Some(slot) = self.specials.expired(self.now) else { return };
            self.withdraw(slot, CancelReason::Expired);
        }
    }
}
