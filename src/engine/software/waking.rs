//! What happens without anybody's asking, a bounded part at each `Sweep`: stops whose price was
//! reached go to market, and orders whose time is over leave.

use crate::engine::book::{Key, NONE, Slot};
use crate::engine::rules::{self, Room, Special};
use crate::engine::software::SoftwareMatcher;
use crate::engine::software::desk::STOPS;
use crate::engine::software::entering::Taker;
use crate::engine::software::specials::{NO_RECORD, Record};
use crate::model::{CancelReason, Command, EventKind, Nanos, Price};

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
            self.expire(self.now);
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
        if self.next_stop(place).is_some() || self.needs_trail(place) {
            self.desks[place].cascades = true;
            self.cascades.push_back(place);
        } else {
            self.desks[place].range = None;
        }
    }

    /// Sends stops to market, the first reached first, until one trades or the chunk is done; when
    /// none is reached, lets trailing stops follow.
    fn wake_stops(&mut self, place: usize) {
        if self.next_stop(place).is_none() {
            self.trail(place);
        } else {
            self.wake_chunk(place);
        }
        // A stop that broke the band ended the cascade.
        let goes_on = self.desks[place].cascades;
        if goes_on && self.next_stop(place).is_none() && !self.needs_trail(place) {
            let desk = &mut self.desks[place];
            desk.range = None;
            desk.cascades = false;
            (desk.trail.next, desk.trail.runs) = (NO_RECORD, false);
            self.cascades.pop_front();
            self.mark(place);
        }
    }

    fn wake_chunk(&mut self, place: usize) {
        for _ in 0..self.limits.sweep_chunk {
            let Some(slot) = self.next_stop(place) else { break };
            let standing = self.standing(slot);
            self.lift(slot);
            let asks = standing.special.woken(&standing.order);
            let taker = self.taker(standing.order, asks, place, &Command::default());
            if self.wake(taker, standing.special, slot) {
                break;
            }
        }
    }

    /// Whether trailing stops have a price to follow.
    fn needs_trail(&self, place: usize) -> bool {
        let trail = &self.desks[place].trail;
        !trail.is_empty() && (trail.runs || self.books[place].notes.last != trail.followed)
    }

    /// Lets the next trailing stops follow the last trade, the oldest first.
    fn trail(&mut self, place: usize) {
        let last = self.books[place].notes.last;
        let needed = last != 0 && self.needs_trail(place);
        let desk = &mut self.desks[place];
        // What was traded before a stop moved does not reach it.
        desk.range = None;
        if !needed {
            return;
        }
        if !desk.trail.runs {
            desk.trail.begin(last);
        }
        for _ in 0..self.limits.sweep_chunk {
            let record = self.desks[place].trail.next;
            if record == NO_RECORD {
                self.desks[place].trail.runs = false;
                return;
            }
            self.desks[place].trail.next = self.specials.get(record).younger;
            self.follow(place, record, Price(last));
        }
    }

    /// Moves a trailing stop to where a trade takes it.
    fn follow(&mut self, place: usize, record: Record, last: Price) {
        let aside = self.specials.get_mut(record);
        let slot = aside.slot;
        let buy = self.store.owner(slot).side.is_buy();
        let stop = aside.special.trailed(last, buy);
        if stop == aside.special.stop {
            return;
        }
        aside.special.stop = stop;
        let (special, price) = (aside.special, aside.price);
        let leaves = self.store.leaves(slot);
        self.desks[place].shelf_mut(Room::Stop, false, buy).lift(&mut self.store, slot);
        self.lay(place, buy, &special, price, slot, leaves);
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
        both.map(|(_, slot)| slot).min_by_key(|slot| self.store.owner(*slot).reference)
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

    /// Takes away orders whose time is over at `now`, the first to be over first; says whether
    /// there may be more.
    pub(super) fn expire(&mut self, now: Nanos) -> bool {
        for _ in 0..self.limits.sweep_chunk {
            let Some(slot) = self.specials.expired(now) else { return false };
            self.withdraw(slot, CancelReason::Expired);
        }
        true
    }
}
