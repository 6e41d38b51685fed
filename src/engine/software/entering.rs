//! New orders and replacements: announce, match, then rest or cancel what is left.

use crate::engine::RestingOrder;
use crate::engine::book::{Front, Key, NONE};
use crate::engine::rules::{self, Instructions};
use crate::engine::software::SoftwareMatcher;
use crate::model::{
    CancelReason, Command, Event, EventFlags, EventKind, Group, Price, Quantity, RejectCode,
    SelfTrade,
};

/// An order on its way through the book.
struct Taker {
    order: RestingOrder,
    asks: Instructions,
    /// Where its book stands.
    place: usize,
    buy: bool,
    tick: Price,
    /// The worst price it takes, in keys of the other side.
    limit: Key,
    client_seq: u32,
}

/// Why an order goes no further, and the price that shows with it.
type End = (CancelReason, Price);

impl SoftwareMatcher {
    pub(super) fn enter(&mut self, group: &Group<Command>) -> Result<(), RejectCode> {
        let command = &group.head;
        if command.session.0 >= self.limits.sessions_max {
            return Err(RejectCode::UnknownSession);
        }
        let place =
            self.instruments.place(command.instrument).ok_or(RejectCode::UnknownInstrument)?;
        if self.register.find(command.order_id()).is_some() {
            return Err(RejectCode::DuplicateOrder);
        }
        let asks = rules::instructions(group, &self.instruments.list()[place])?;
        let side = command.side().ok_or(RejectCode::InvalidSide)?;
        if asks.may_rest && !self.store.has_room() {
            return Err(RejectCode::BookFull);
        }
        let order = rules::entered(command, side);
        let accepted = rules::about(&order, EventKind::Accepted);
        self.place(self.taker(order, asks, place, command), accepted);
        Ok(())
    }

    pub(super) fn replace(&mut self, group: &Group<Command>) -> Result<(), RejectCode> {
        let command = &group.head;
        let slot = self.register.find(command.target_id()).ok_or(RejectCode::UnknownOrder)?;
        if self.register.find(command.order_id()).is_some() {
            return Err(RejectCode::DuplicateOrder);
        }
        let old = self.order(slot);
        let place = self.store.ladder(slot) as usize / 2;
        let asks = rules::instructions(group, &self.instruments.list()[place])?;
        let client_seq = command.client_seq;
        let Some(new) = rules::replacement(command, &old) else {
            self.remove(slot);
            let gone = rules::withdrawn(&old, CancelReason::ReplacedBelowExecuted);
            self.outbox.push(Event { client_seq, target: command.ordinal, ..gone });
            return Ok(());
        };
        let replaced = Event {
            reference: old.reference,
            target: old.ordinal,
            ..rules::about(&new, EventKind::Replaced)
        };
        if rules::keeps_place(&old, &new, &asks) {
            let less = old.leaves.saturating_sub(new.leaves);
            self.books[place].cut(&mut self.store, slot, less.0);
            self.register.rename(slot, &new);
            let flags = EventFlags::KEPT_PRIORITY.with(EventFlags::RESTS);
            self.outbox.push(Event { flags, client_seq, ..replaced });
            if less > Quantity::ZERO {
                let kept = RestingOrder { reference: old.reference, ..new };
                self.outbox.push(rules::reduced(&kept, less));
            }
        } else {
            self.remove(slot);
            self.place(self.taker(new, asks, place, command), replaced);
        }
        Ok(())
    }

    #[inline]
    fn taker(
        &self,
        order: RestingOrder,
        asks: Instructions,
        place: usize,
        command: &Command,
    ) -> Taker {
        let buy = order.side.is_buy();
        let tick = self.instruments.list()[place].tick;
        // A protection price may lie between ticks: the order then takes up to the tick before.
        let limit = asks.limit.map_or(Key::MAX, |limit| {
            let signed = if buy { limit.0 } else { limit.0.saturating_neg() };
            signed.div_euclid(tick.0)
        });
        Taker { order, asks, place, buy, tick, limit, client_seq: command.client_seq }
    }

    /// Lets an order meet the book.
    #[inline]
    fn place(&mut self, mut taker: Taker, announcement: Event) {
        let client_seq = taker.client_seq;
        let crosses = self.front(&taker).is_some();
        let asks = &taker.asks;
        let rests_whole = asks.may_rest && !crosses;
        let flags = if rests_whole { EventFlags::RESTS } else { EventFlags::default() };
        self.outbox.push(Event { flags, client_seq, ..announcement });
        if rests_whole {
            return self.rest(&taker);
        }
        let end = if crosses && asks.post_only {
            Some((CancelReason::PostOnly, taker.order.price))
        } else if asks.whole && !self.can_fill_whole(&taker) {
            Some((CancelReason::Immediate, taker.order.price))
        } else {
            self.take(&mut taker)
        };
        if taker.order.leaves == Quantity::ZERO {
            return;
        }
        let immediate = (CancelReason::Immediate, taker.order.price);
        match end.or((!taker.asks.may_rest).then_some(immediate)) {
            Some((reason, price)) => {
                let event = rules::cancelled(&taker.order, reason);
                self.outbox.push(Event { price, client_seq, ..event });
            }
            None => {
                let event = rules::about(&taker.order, EventKind::Rested);
                self.outbox.push(Event { client_seq, ..event });
                self.rest(&taker);
            }
        }
    }

    /// Puts what is left of an order at the end of its price's queue.
    #[inline]
    fn rest(&mut self, taker: &Taker) {
        let order = &taker.order;
        let book = &mut self.books[taker.place];
        // Its limit is a whole number of ticks above zero, so the other side's key turns into ours.
        let key = taker.limit.wrapping_neg();
        let slot = book.rest(&mut self.store, taker.buy, key, order.leaves.0);
        if slot == NONE {
            // Room was asked for before it was taken, and matching only makes more.
            debug_assert!(false, "an order that was taken finds no room");
            return self.outbox.push(rules::cancelled(order, CancelReason::BookFull));
        }
        self.register.add(slot, order);
    }

    /// Trades while prices cross; says why what is left must go, if it must.
    fn take(&mut self, taker: &mut Taker) -> Option<End> {
        let mut fills = 0;
        while taker.order.leaves > Quantity::ZERO {
            let front = self.front(taker)?;
            if fills == self.limits.fills_per_command_max {
                return Some((CancelReason::FillLimit, taker.order.price));
            }
            fills += 1;
            let prevents = taker.asks.self_trade != SelfTrade::Allow;
            if prevents && self.register.get(front.order).account == taker.order.account {
                if let Some(end) = self.prevent(&front, taker.asks.self_trade) {
                    return Some(end);
                }
            } else {
                self.trade(&front, taker);
            }
        }
        None
    }

    /// What happens instead of a trade with oneself; `None` lets matching go on.
    #[cold]
    fn prevent(&mut self, front: &Front, setting: SelfTrade) -> Option<End> {
        let maker = self.order(front.order);
        if setting != SelfTrade::CancelNewest {
            self.remove(front.order);
            self.outbox.push(rules::withdrawn(&maker, CancelReason::SelfTrade));
        }
        (setting != SelfTrade::CancelOldest).then_some((CancelReason::SelfTrade, maker.price))
    }

    /// One trade at the maker's price: the maker's event, then the taker's.
    #[inline]
    fn trade(&mut self, front: &Front, taker: &mut Taker) {
        let quantity = Quantity(front.leaves).min(taker.order.leaves);
        let price = super::price_of(front.key, !taker.buy, taker.tick);
        let identity = self.register.get_mut(front.order);
        identity.executed = identity.executed.saturating_add(quantity.0);
        let made = Event {
            price,
            quantity,
            reference: identity.reference,
            session: identity.session,
            ordinal: identity.ordinal,
            instrument: identity.instrument,
            account: identity.account,
            kind: EventKind::Executed.code(),
            side: identity.side.code(),
            flags: done_if(front.leaves == quantity.0, EventFlags::MAKER),
            ..Event::default()
        };
        self.outbox.push(made);
        self.books[taker.place].trade(&mut self.store, front.order, quantity.0);
        if front.leaves == quantity.0 {
            self.forget(front.order);
        }
        let order = &mut taker.order;
        order.leaves = order.leaves.saturating_sub(quantity);
        order.executed = order.executed.saturating_add(quantity);
        self.outbox.push(Event {
            price,
            quantity,
            client_seq: taker.client_seq,
            flags: done_if(order.leaves == Quantity::ZERO, EventFlags::default()),
            ..rules::about(order, EventKind::Executed)
        });
    }

    /// The resting order this one would meet first.
    #[inline]
    fn front(&self, taker: &Taker) -> Option<Front> {
        self.books[taker.place].front(&self.store, !taker.buy, taker.limit)
    }

    /// Whether an all-or-nothing order would be filled, by the same steps as [`Self::take`].
    fn can_fill_whole(&self, taker: &Taker) -> bool {
        let book = &self.books[taker.place];
        let mut wanted = taker.order.leaves.0;
        let Some(front) = self.front(taker) else { return false };
        let (mut slot, mut key) = (front.order, front.key);
        for _ in 0..self.limits.fills_per_command_max {
            let own = self.register.get(slot).account == taker.order.account;
            match taker.asks.self_trade {
                SelfTrade::CancelOldest if own => {}
                SelfTrade::CancelNewest | SelfTrade::CancelBoth if own => return false,
                _ => wanted = wanted.saturating_sub(self.store.leaves(slot)),
            }
            if wanted == 0 {
                return true;
            }
            slot = self.store.behind(slot);
            if slot == NONE {
                slot = book.next_price(&self.store, !taker.buy, key);
                if slot == NONE || self.store.key(slot) > taker.limit {
                    return false;
                }
                key = self.store.key(slot);
            }
        }
        false
    }
}

#[inline]
const fn done_if(done: bool, flags: EventFlags) -> EventFlags {
    if done { flags.with(EventFlags::DONE) } else { flags }
}
