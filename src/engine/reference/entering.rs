//! New orders and replacements: announce, match, then rest or cancel what is left.

use crate::engine::auction::admits;
use crate::engine::reference::meeting::End;
use crate::engine::reference::order::Order;
use crate::engine::reference::{ReferenceMatcher, less};
use crate::engine::rules::{self, Instructions, Room, Special};
use crate::model::{
    CancelReason, Command, Event, EventFlags, EventKind, Group, OrderType, Phase, Price, Quantity,
    RejectCode, Side,
};

impl ReferenceMatcher {
    pub(super) fn enter(&mut self, group: &Group<Command>) -> Result<(), RejectCode> {
        let command = &group.head;
        if command.session.0 >= self.limits.sessions_max {
            return Err(RejectCode::UnknownSession);
        }
        let book = self.books.get(&command.instrument).ok_or(RejectCode::UnknownInstrument)?;
        if self.homes.contains_key(&command.order_id()) {
            return Err(RejectCode::DuplicateOrder);
        }
        let (asks, special) =
            rules::asked(group, &book.instrument, command.side == Side::Buy.code())?;
        if book.run.is_some() {
            return Err(RejectCode::Frozen);
        }
        admits(book.phase, command, &asks, &special)?;
        let side = command.side().ok_or(RejectCode::InvalidSide)?;
        if asks.may_rest && self.room_taken() + room_for(&special) > self.orders_max() {
            return Err(RejectCode::BookFull);
        }
        if asks.may_rest && !special.is_plain() && self.specials() >= self.specials_max() {
            return Err(RejectCode::BookFull);
        }
        let entered = special.drawn_back(rules::entered(command, side));
        let order = Order::new(entered, special.at_rest());
        self.place(order, asks, special, EventKind::Accepted, command);
        Ok(())
    }

    pub(super) fn replace(&mut self, group: &Group<Command>) -> Result<(), RejectCode> {
        let command = &group.head;
        let old = self.find(command.target_id()).ok_or(RejectCode::UnknownOrder)?;
        if self.homes.contains_key(&command.order_id()) {
            return Err(RejectCode::DuplicateOrder);
        }
        let book = self.book(&old);
        let (asks, special) = rules::asked(group, &book.instrument, old.buys())?;
        if book.run.is_some() {
            return Err(RejectCode::Frozen);
        }
        admits(book.phase, command, &asks, &special)?;
        let special = Special { group: old.special.group, ..special };
        let more = !special.is_plain() && old.special.is_plain();
        if asks.may_rest && more && self.specials() >= self.specials_max() {
            return Err(RejectCode::BookFull);
        }
        let taken = self.room_taken() - room_for(&old.special) + room_for(&special);
        if asks.may_rest && taken > self.orders_max() {
            return Err(RejectCode::BookFull);
        }
        let resting = rules::replacement(command, &old.resting);
        let Some(resting) = resting.map(|resting| special.drawn_back(resting)) else {
            self.remove(&old);
            let gone = old.withdrawn(CancelReason::ReplacedBelowExecuted);
            let target = command.ordinal;
            self.outbox.push(Event { client_seq: command.client_seq, target, ..gone });
            return Ok(());
        };
        let alike = special.at_rest() == old.special;
        if alike && rules::keeps_place(&old.resting, &resting, &asks) {
            self.replace_in_place(&old, resting.ordinal, group);
        } else {
            self.remove(&old);
            let new = Order::new(resting, special.at_rest());
            self.place_instead(new, asks, special, &old, command);
        }
        Ok(())
    }

    /// Gives an order another number and less to trade; it stays where it is.
    fn replace_in_place(&mut self, old: &Order, ordinal: u32, group: &Group<Command>) {
        let command = &group.head;
        let leaves = less(command.quantity, old.resting.executed);
        let mut kept = *old;
        kept.resting.ordinal = ordinal;
        kept.resting.leaves = leaves;
        kept.resting.time_in_force = command.time_in_force;
        kept.resting.flags = command.flags.0;
        kept.front = old.front.min(leaves);
        *self.book_mut(old).find_mut(old.id()).expect("a live order") = kept;
        self.homes.remove(&old.id());
        self.homes.insert(kept.id(), kept.resting.instrument);
        let mut flags = EventFlags::KEPT_PRIORITY;
        if kept.is_shown() {
            flags = flags.with(EventFlags::RESTS);
        }
        self.outbox.push(Event {
            flags,
            reference: kept.shown,
            target: old.resting.ordinal,
            client_seq: command.client_seq,
            ..rules::about(&kept.resting, EventKind::Replaced)
        });
        self.show_less(old, &kept);
    }

    /// Tells the feed that less of an order is shown, where it is.
    pub(super) fn show_less(&mut self, old: &Order, new: &Order) {
        if new.is_shown() && new.front < old.front {
            let event = rules::reduced(&new.resting, less(old.front, new.front));
            self.outbox.push(Event { reference: new.shown, ..event });
        }
    }

    /// Lets an order meet the book in the place of another, which is gone already.
    fn place_instead(
        &mut self,
        order: Order,
        asks: Instructions,
        special: Special,
        old: &Order,
        command: &Command,
    ) {
        let flags = if old.is_shown() { EventFlags::default() } else { EventFlags::HIDDEN };
        let announcement = Event {
            reference: old.shown,
            target: old.resting.ordinal,
            flags,
            ..rules::about(&order.resting, EventKind::Replaced)
        };
        self.meet(order, asks, special, announcement, command);
    }

    /// Lets an order meet the book.
    fn place(
        &mut self,
        order: Order,
        asks: Instructions,
        special: Special,
        kind: EventKind,
        command: &Command,
    ) {
        let announcement = rules::about(&order.resting, kind);
        self.meet(order, asks, special, announcement, command);
    }

    /// Announces an order, matches it, then rests or cancels what is left.
    pub(super) fn meet(
        &mut self,
        mut order: Order,
        mut asks: Instructions,
        special: Special,
        announcement: Event,
        command: &Command,
    ) {
        let (client_seq, executed) = (command.client_seq, order.resting.executed);
        if order.special.trails() && order.special.stop == Price::ZERO {
            let from = self.book(&order).reference();
            order.special.stop = order.special.trailed(from, order.buys());
        }
        if order.special.room == Room::Stop && self.is_reached(&order) {
            self.outbox.push(Event { client_seq, ..announcement });
            return self.wake(&order, command);
        }
        let together = self.book(&order).phase.meets();
        let end = if together { self.find_price(&mut order, &mut asks, &special) } else { None };
        let meets = together && end.is_none() && self.meets_at_once(&order, &mut asks);
        let crosses = meets && self.best_maker(&order, &asks).is_some();
        if crosses {
            let now = self.now;
            let book = self.book_mut(&order);
            book.band.renew(book.reference(), now);
        }
        let enough = !crosses || asks.least == Quantity::ZERO || self.gets_least(&order, &asks);
        let rests_whole =
            end.is_none() && asks.may_rest && (!crosses || !enough) && !(crosses && asks.post_only);
        let woken = announcement.kind == EventKind::Triggered.code();
        let tells = rests_whole && order.is_shown_whole() && !woken;
        let flags =
            if tells { announcement.flags.with(EventFlags::RESTS) } else { announcement.flags };
        let price = order.resting.price;
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
            asks.least = Quantity::ZERO;
            self.take(&mut order, &asks, command)
        };
        if order.resting.executed != executed {
            self.after_trades(order.resting.instrument);
        }
        if order.resting.leaves == Quantity::ZERO {
            return;
        }
        let breaks = end.is_some_and(|(reason, _)| reason == CancelReason::Band)
            && rules::begins_auction(self.book(&order).phase, &order.resting);
        let end = if breaks && asks.may_rest { None } else { end };
        let immediate = (CancelReason::Immediate, price);
        if let Some((reason, price)) = end.or((!asks.may_rest).then_some(immediate)) {
            let event = rules::cancelled(&order.resting, reason);
            self.outbox.push(Event { price, client_seq, ..event });
        } else {
            order.show();
            if order.is_shown() && !tells {
                let event = rules::about(&order.resting, EventKind::Rested);
                self.outbox.push(Event { quantity: order.front, client_seq, ..event });
            }
            self.add(order);
        }
        if breaks {
            let timing = self.books[&order.resting.instrument].band.pause(self.now);
            self.leave_phase(order.resting.instrument, Phase::VolatilityAuction, timing);
        }
    }

    /// Gives an order its price where the book decides it: a market-to-limit order takes the other
    /// side's best, and a post-only order that slides stays a tick away from it. Says why the
    /// order must go, if it must.
    fn find_price(
        &self,
        order: &mut Order,
        asks: &mut Instructions,
        special: &Special,
    ) -> Option<End> {
        let (book, buy) = (self.book(order), order.buys());
        let price = order.resting.price;
        if special.kind == OrderType::MarketToLimit {
            let within = |best: &Price| match asks.limit {
                Some(limit) if buy => *best <= limit,
                Some(limit) => *best >= limit,
                None => true,
            };
            let Some(best) = book.best(!buy).filter(within) else {
                return Some((CancelReason::Protection, price));
            };
            order.resting.price = best;
            asks.limit = Some(best);
        } else if special.slides
            && let Some(best) = book.best(!buy)
        {
            let tick = book.instrument.tick;
            let near = if buy { best.0 - tick.0 } else { best.0.saturating_add(tick.0) };
            let slid = if buy { price.0.min(near) } else { price.0.max(near) };
            // Below the first price there is nothing to slide to: it will be cancelled.
            if slid > 0 && slid % tick.0 == 0 {
                order.resting.price = Price(slid);
                asks.limit = Some(order.resting.price);
            }
        }
        None
    }

    /// Whether an order meets others now, or waits out of sight; a peg meets at what it is worth.
    fn meets_at_once(&self, order: &Order, asks: &mut Instructions) -> bool {
        let special = &order.special;
        if special.room == Room::Stop {
            return false;
        }
        if special.room.is_pegged() {
            asks.limit = self.price_of(order);
            return asks.limit.is_some();
        }
        special.room.meets()
    }

    /// Orders that need more memory than a plain one.
    fn specials(&self) -> usize {
        self.orders().filter(|order| !order.special.is_plain()).count()
    }

    fn specials_max(&self) -> usize {
        self.limits.specials_max as usize
    }

    /// Places in line that are taken.
    fn room_taken(&self) -> usize {
        self.orders().map(|order| room_for(&order.special)).sum()
    }

    fn orders_max(&self) -> usize {
        self.limits.orders_max as usize
    }
}

/// Places in line that an order needs: one with discretion waits at two prices.
fn room_for(special: &Special) -> usize {
    1 + usize::from(special.has_discretion())
}
