//! Orders that ask more than a plain one: how they meet the book, and where they rest.

use crate::engine::Standing;
use crate::engine::auction::admits;
use crate::engine::book::{NONE, Slot};
use crate::engine::rules::{self, Room, Special};
use crate::engine::software::SoftwareMatcher;
use crate::engine::software::desk::{number_of, outpost_number, place_of};
use crate::engine::software::entering::{End, Taker};
use crate::engine::software::meeting::unsigned;
use crate::engine::software::pegs::signed;
use crate::engine::software::specials::{Aside, NO_RECORD, Record};
use crate::model::{
    CancelReason, Command, Event, EventFlags, EventKind, Group, OrderType, Price, Quantity,
    RejectCode, SeqNo, Side,
};

impl SoftwareMatcher {
    #[cold]
    pub(super) fn enter_special(
        &mut self,
        group: &Group<Command>,
        place: usize,
    ) -> Result<(), RejectCode> {
        let command = &group.head;
        let (asks, special) =
            rules::asked(group, &self.instruments.list()[place], command.side == Side::Buy.code())?;
        if self.desks[place].frozen.is_some() {
            return Err(RejectCode::Frozen);
        }
        admits(self.desks[place].phase, command, &asks, &special)?;
        let side = command.side().ok_or(RejectCode::InvalidSide)?;
        if asks.may_rest && !self.store.has_room_for(1 + u32::from(special.has_discretion())) {
            return Err(RejectCode::BookFull);
        }
        if asks.may_rest && !special.is_plain() && !self.specials.has_room() {
            return Err(RejectCode::BookFull);
        }
        let order = special.drawn_back(rules::entered(command, side));
        let accepted = rules::about(&order, EventKind::Accepted);
        self.meet(self.taker(order, asks, place, command), special, NONE, accepted);
        Ok(())
    }

    /// A replacement of or by an order that is not plain; no live order has its number.
    #[cold]
    pub(super) fn replace_special(
        &mut self,
        group: &Group<Command>,
        slot: Slot,
    ) -> Result<(), RejectCode> {
        let command = &group.head;
        let place = place_of(self.store.ladder(slot));
        let old = self.standing(slot);
        let (asks, special) =
            rules::asked(group, &self.instruments.list()[place], old.order.side.is_buy())?;
        if self.desks[place].frozen.is_some() {
            return Err(RejectCode::Frozen);
        }
        admits(self.desks[place].phase, command, &asks, &special)?;
        let special = Special { group: old.special.group, ..special };
        let more = !special.is_plain() && old.special.is_plain();
        if asks.may_rest && more && !self.specials.has_room() {
            return Err(RejectCode::BookFull);
        }
        let further = special.has_discretion() && !old.special.has_discretion();
        if asks.may_rest && further && !self.store.has_room() {
            return Err(RejectCode::BookFull);
        }
        let order = rules::replacement(command, &old.order);
        let Some(order) = order.map(|order| special.drawn_back(order)) else {
            let gone = self.take_away(slot, CancelReason::ReplacedBelowExecuted);
            let (client_seq, target) = (command.client_seq, command.ordinal);
            self.outbox.push(Event { client_seq, target, ..gone });
            return Ok(());
        };
        if special.at_rest() == old.special && rules::keeps_place(&old.order, &order, &asks) {
            self.register.rename(&mut self.store, slot, &order);
            self.cut_special(slot, order.leaves);
            let kept = self.standing(slot);
            let mut flags = EventFlags::KEPT_PRIORITY;
            if kept.is_shown() {
                flags = flags.with(EventFlags::RESTS);
            }
            self.outbox.push(Event {
                flags,
                reference: kept.shown,
                target: old.order.ordinal,
                client_seq: command.client_seq,
                ..rules::about(&kept.order, EventKind::Replaced)
            });
            self.show_less(&old, &kept);
            return Ok(());
        }
        self.remove(slot);
        let flags = if old.is_shown() { EventFlags::default() } else { EventFlags::HIDDEN };
        let replaced = Event {
            reference: old.shown,
            target: old.order.ordinal,
            flags,
            ..rules::about(&order, EventKind::Replaced)
        };
        self.meet(self.taker(order, asks, place, command), special, NONE, replaced);
        Ok(())
    }

    /// Announces an order, matches it, then rests or cancels what is left; says whether it traded.
    /// `lifted` is its slot if it waited before.
    pub(super) fn meet(
        &mut self,
        mut taker: Taker,
        mut special: Special,
        lifted: Slot,
        announcement: Event,
    ) -> bool {
        let (client_seq, executed) = (taker.client_seq, taker.order.executed);
        if special.trails() && special.stop == Price::ZERO {
            special.stop = special.trailed(self.reference(taker.place), taker.buy);
        }
        if special.room == Room::Stop && self.is_reached(taker.place, taker.buy, special.stop) {
            self.outbox.push(Event { client_seq, ..announcement });
            return self.wake(taker, special, lifted);
        }
        let together = self.desks[taker.place].phase.meets();
        let end = if together { self.find_price(&mut taker, &special) } else { None };
        let meets = together && end.is_none() && self.meets_at_once(&mut taker, &special);
        let crosses = meets && self.front(&taker).is_some();
        if crosses {
            self.renew_band(taker.place);
        }
        let asks = taker.asks;
        let enough = !crosses || asks.least == Quantity::ZERO || self.gets_least(&taker);
        let rests_whole =
            end.is_none() && asks.may_rest && (!crosses || !enough) && !(crosses && asks.post_only);
        let woken = announcement.kind == EventKind::Triggered.code();
        let shown = special.room == Room::Lit;
        let front = front_of(&special, taker.order.leaves);
        let tells = rests_whole && shown && front == taker.order.leaves && !woken;
        let flags =
            if tells { announcement.flags.with(EventFlags::RESTS) } else { announcement.flags };
        let price = taker.order.price;
        self.outbox.push(Event { flags, price, client_seq, ..announcement });
        let end = if end.is_some() || rests_whole {
            end
        } else if crosses && asks.post_only {
            Some((CancelReason::PostOnly, price))
        } else if asks.least > Quantity::ZERO && (!crosses || !enough) {
            let all = asks.least == Quantity::MAX;
            let reason = if all { CancelReason::Immediate } else { CancelReason::Minimum };
            Some((reason, price))
        } else {
            taker.asks.least = Quantity::ZERO;
            self.take(&mut taker)
        };
        let traded = taker.order.executed != executed;
        if traded {
            self.after_trades(taker.place);
        }
        let breaks = end.is_some_and(|(reason, _)| reason == CancelReason::Band)
            && rules::begins_auction(self.desks[taker.place].phase, &taker.order);
        let end = end.filter(|_| !(breaks && asks.may_rest));
        let immediate = (CancelReason::Immediate, price);
        let end = end.or((!asks.may_rest).then_some(immediate));
        if taker.order.leaves == Quantity::ZERO || end.is_some() {
            if lifted != NONE {
                self.forget_special(lifted);
                self.store.free(lifted);
            }
            if let Some((reason, price)) = end.filter(|_| taker.order.leaves > Quantity::ZERO) {
                let event = rules::cancelled(&taker.order, reason);
                self.outbox.push(Event { price, client_seq, ..event });
            }
        } else {
            if shown && !tells {
                let quantity = front_of(&special, taker.order.leaves);
                let event = rules::about(&taker.order, EventKind::Rested);
                self.outbox.push(Event { quantity, client_seq, ..event });
            }
            self.rest_special(&taker, special, lifted);
        }
        if breaks {
            self.pause(taker.place);
        }
        traded
    }

    /// Puts what is left of an order where it waits.
    fn rest_special(&mut self, taker: &Taker, special: Special, lifted: Slot) {
        let (order, special) = (&taker.order, special.at_rest());
        let slot = if lifted == NONE { self.store.allocate() } else { lifted };
        if lifted == NONE {
            self.register.add(&mut self.store, slot, order);
        }
        let front = front_of(&special, order.leaves);
        let identity = self.store.owner_mut(slot);
        identity.executed = order.executed.0;
        let record = identity.special;
        let mut aside = Aside::new(special, order.price, order.reference, slot);
        aside.reserve = order.leaves.saturating_sub(front).0;
        if special.is_plain() {
            if record != NO_RECORD {
                self.specials.remove(record);
                self.store.owner_mut(slot).special = NO_RECORD;
            }
        } else if record == NO_RECORD {
            self.keep_aside(taker.place, aside, order.reference);
            self.man_outpost(taker.place, taker.buy, slot);
        } else {
            *self.specials.get_mut(record) = aside;
        }
        self.lay(taker.place, taker.buy, &special, order.price, slot, front.0);
    }

    /// Keeps what an order asks beyond the plain; room was asked for.
    pub(super) fn keep_aside(&mut self, place: usize, aside: Aside, reference: SeqNo) {
        let record = self.specials.add(aside, reference);
        self.store.owner_mut(aside.slot).special = record;
        if aside.special.trails() {
            self.specials.join(&mut self.desks[place].trail, record);
        }
    }

    /// Lays an order on its shelf, or into the book.
    pub(super) fn lay(
        &mut self,
        place: usize,
        buy: bool,
        special: &Special,
        price: Price,
        slot: Slot,
        front: u32,
    ) {
        let tick = self.instruments.list()[place].tick;
        let key = match special.room {
            Room::Lit => signed(price, buy).div_euclid(tick.0),
            // The stop that a rising price reaches first is the buyer's lowest.
            Room::Stop => signed(special.stop, !buy),
            room if room.is_pegged() => signed(special.offset, buy),
            _ => signed(price, buy),
        };
        let book = &mut self.books[place];
        if special.room == Room::Lit {
            return book.lay(&mut self.store, buy, key, slot, front);
        }
        let desk = &mut self.desks[place];
        let number = number_of(special.room, false, place, buy);
        desk.shelf_mut(special.room, false, buy).lay(&mut self.store, number, key, slot, front);
        self.mark(place);
    }

    /// Lays an order that would go further than it shows in line for those it would go to, under
    /// a slot of its own that leads back to it.
    pub(super) fn man_outpost(&mut self, place: usize, buy: bool, slot: Slot) {
        let record = self.store.owner(slot).special;
        let Aside { special, price, .. } = *self.specials.get(record);
        if !special.has_discretion() {
            return;
        }
        let outpost = self.store.allocate();
        self.store.owner_mut(outpost).special = record;
        self.specials.get_mut(record).outpost = outpost;
        self.specials.outposts += 1;
        let shelf = &mut self.desks[place].outposts[usize::from(!buy)];
        let key = signed(special.reach(price), buy);
        shelf.lay(&mut self.store, outpost_number(place, buy), key, outpost, 1);
        self.mark(place);
    }

    /// Takes an order's outpost away, if it has one.
    fn leave_outpost(&mut self, place: usize, buy: bool, record: Record) {
        let outpost = std::mem::replace(&mut self.specials.get_mut(record).outpost, NONE);
        if outpost == NONE {
            return;
        }
        self.desks[place].outposts[usize::from(!buy)].lift(&mut self.store, outpost);
        self.store.free(outpost);
        self.specials.outposts -= 1;
        self.mark(place);
    }

    /// Takes an order that is not plain from where it waits; its slot stays.
    pub(super) fn lift(&mut self, slot: Slot) {
        let place = place_of(self.store.ladder(slot));
        let record = self.store.owner(slot).special;
        let Aside { special, capped, .. } = *self.specials.get(record);
        let room = special.room;
        let buy = self.store.owner(slot).side.is_buy();
        if room == Room::Lit {
            self.leave_outpost(place, buy, record);
            return self.books[place].lift(&mut self.store, slot);
        }
        let desk = &mut self.desks[place];
        desk.shelf_mut(room, capped, buy).lift(&mut self.store, slot);
        if special.trails() {
            self.specials.part(&mut desk.trail, record);
        }
        self.mark(place);
    }

    /// Takes an order that is not plain out of every list.
    #[cold]
    pub(super) fn remove_special(&mut self, slot: Slot) {
        self.lift(slot);
        self.store.free(slot);
        self.forget_special(slot);
    }

    fn forget_special(&mut self, slot: Slot) {
        let record = self.store.owner(slot).special;
        if record != NO_RECORD {
            self.specials.remove(record);
        }
        self.forget(slot);
    }

    /// All that is known of the order in a slot, plain or not.
    #[cold]
    pub(super) fn standing(&self, slot: Slot) -> Standing {
        let identity = self.store.owner(slot);
        let number = self.store.ladder(slot);
        let (place, buy) = (place_of(number), identity.side.is_buy());
        let instrument = &self.instruments.list()[place];
        let front = self.store.leaves(slot);
        let mut standing = Standing {
            order: self.resting(slot, instrument.id, Price::ZERO, front),
            special: Special::PLAIN,
            front: Quantity(front),
            shown: identity.reference,
            capped: false,
        };
        if identity.special == NO_RECORD {
            standing.order.price = super::price_of(self.store.key(slot), buy, instrument.tick);
            return standing;
        }
        let aside = self.specials.get(identity.special);
        standing.order.price = aside.price;
        standing.order.leaves.0 += aside.reserve;
        standing.special = aside.special;
        standing.shown = aside.shown;
        standing.capped = aside.capped;
        standing
    }

    /// Takes an order out of every list; the event that says so.
    pub(super) fn take_away(&mut self, slot: Slot, reason: CancelReason) -> Event {
        let standing = self.standing(slot);
        self.remove(slot);
        let event = rules::withdrawn(&standing.order, reason, standing.is_shown());
        Event { reference: standing.shown, ..event }
    }

    /// Takes an order out of every list and says so.
    pub(super) fn withdraw(&mut self, slot: Slot, reason: CancelReason) {
        let event = self.take_away(slot, reason);
        self.outbox.push(event);
    }

    /// Cuts an order that is not plain to a total, what an iceberg hides first.
    #[cold]
    pub(super) fn cancel_special(&mut self, slot: Slot, command: &Command) {
        let old = self.standing(slot);
        let leaves = rules::leaves_after_cut(&old.order, command.quantity);
        if leaves >= old.order.leaves {
            return;
        }
        let client_seq = command.client_seq;
        if leaves == Quantity::ZERO {
            let event = self.take_away(slot, CancelReason::User);
            return self.outbox.push(Event { client_seq, ..event });
        }
        self.cut_special(slot, leaves);
        // Of an iceberg the feed is told apart, for not all that went was shown.
        let tells = old.is_shown() && old.front == old.order.leaves;
        let flags = if tells { EventFlags::RESTS } else { EventFlags::default() };
        self.outbox.push(Event {
            quantity: old.order.leaves.saturating_sub(leaves),
            reference: old.shown,
            flags,
            client_seq,
            ..rules::cancelled(&old.order, CancelReason::User)
        });
        if !tells {
            let new = self.standing(slot);
            self.show_less(&old, &new);
        }
    }

    /// Marks an order that is not plain anew, and cuts it.
    #[cold]
    pub(super) fn modify_special(
        &mut self,
        slot: Slot,
        leaves: Quantity,
        side: Side,
        command: &Command,
    ) {
        if leaves == Quantity::ZERO {
            return self.cancel_special(slot, command);
        }
        let old = self.standing(slot);
        self.cut_special(slot, leaves);
        self.store.owner_mut(slot).side = side;
        let new = self.standing(slot);
        let event = rules::about(&new.order, EventKind::Modified);
        let (reference, client_seq) = (new.shown, command.client_seq);
        self.outbox.push(Event { reference, client_seq, ..event });
        self.show_less(&old, &new);
    }

    /// Leaves an order `leaves`, where it is; what it hides goes first.
    pub(super) fn cut_special(&mut self, slot: Slot, leaves: Quantity) {
        let front = self.store.leaves(slot).min(leaves.0);
        let record = self.store.owner(slot).special;
        if record != NO_RECORD {
            self.specials.get_mut(record).reserve = leaves.0 - front;
        }
        let less = self.store.leaves(slot) - front;
        if less > 0 {
            self.store.cut(slot, less);
        }
    }

    /// Tells the feed that less of an order is shown, where it is.
    pub(super) fn show_less(&mut self, old: &Standing, new: &Standing) {
        if new.is_shown() && new.front < old.front {
            let event = rules::reduced(&new.order, old.front.saturating_sub(new.front));
            self.outbox.push(Event { reference: new.shown, ..event });
        }
    }

    /// Gives an order its price where the book decides it: a market-to-limit order takes the other
    /// side's best, and a post-only order that slides stays a tick away from it. Says why the
    /// order must go, if it must.
    fn find_price(&self, taker: &mut Taker, special: &Special) -> Option<End> {
        let (best, buy) = (self.best(taker.place, !taker.buy), taker.buy);
        let price = taker.order.price;
        if special.kind == OrderType::MarketToLimit {
            let within = |best: &Price| match taker.asks.limit {
                Some(limit) => signed(*best, buy) >= signed(limit, buy),
                None => true,
            };
            let Some(best) = best.filter(within) else {
                return Some((CancelReason::Protection, price));
            };
            taker.order.price = best;
            taker.asks.limit = Some(best);
        } else if special.slides
            && let Some(best) = best
        {
            // Worse than the other side's best by a tick, in numbers lower for a better price.
            let near = signed(best, buy).saturating_add(taker.tick.size());
            let slid = unsigned(signed(price, buy).max(near), buy);
            // Below the first price there is nothing to slide to: it will be cancelled.
            if slid.0 > 0 && slid.0 % taker.tick.size() == 0 {
                taker.order.price = slid;
                taker.asks.limit = Some(slid);
            }
        }
        taker.set_limit();
        None
    }

    /// Whether an order meets others now, or waits out of sight; a peg meets at what it is worth.
    fn meets_at_once(&self, taker: &mut Taker, special: &Special) -> bool {
        if special.room.is_pegged() {
            let (place, buy, cap) = (taker.place, taker.buy, taker.order.price);
            taker.asks.limit = self.peg_price(special.room, place, buy, special.offset, cap);
            taker.set_limit();
            return taker.asks.limit.is_some();
        }
        special.room.meets()
    }
}

/// What of an order's leaves is shown, or trades next.
fn front_of(special: &Special, leaves: Quantity) -> Quantity {
    match special.displayed {
        Quantity::ZERO => leaves,
        displayed => displayed.min(leaves),
    }
}
