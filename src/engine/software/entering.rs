//! New orders and replacements: announce, match, then rest or cancel what is left.

use crate::engine::book::{Key, NONE, Slot};
use crate::engine::rules::{self, Instructions};
use crate::engine::software::SoftwareMatcher;
use crate::engine::software::desk::{BAND, MEETS, PHASE, STOPS};
use crate::engine::software::specials::NO_RECORD;
use crate::engine::{RestingOrder, Tick};
use crate::model::{
    CancelReason, Command, Event, EventFlags, EventKind, Group, Price, Quantity, RejectCode,
    SelfTrade,
};

/// An order on its way through the book.
pub(super) struct Taker {
    pub(super) order: RestingOrder,
    pub(super) asks: Instructions,
    /// Where its book stands.
    pub(super) place: usize,
    pub(super) buy: bool,
    pub(super) tick: Tick,
    /// The worst price it takes, in keys of the other side.
    pub(super) limit: Key,
    pub(super) client_seq: u32,
}

impl Taker {
    /// Takes its limit from what it asks.
    #[inline]
    pub(super) fn set_limit(&mut self) {
        self.limit = self.asks.limit.map_or(Key::MAX, |limit| limit_of(limit, self.buy, self.tick));
    }
}

/// The worst price an order takes, in keys of the other side. A protection price may lie between
/// ticks: the order then takes up to the tick before.
#[inline]
fn limit_of(limit: Price, buy: bool, tick: Tick) -> Key {
    let (ticks, over) = tick.split(limit);
    match (limit.0 < 0, buy) {
        (true, true) => limit.0.div_euclid(tick.size()),
        (true, false) => limit.0.saturating_neg().div_euclid(tick.size()),
        (false, true) => ticks,
        (false, false) => -ticks - Key::from(over > 0),
    }
}

/// A resting order that is met.
#[derive(Clone, Copy)]
pub(super) struct Maker {
    pub(super) slot: Slot,
    /// What they trade at.
    pub(super) price: Price,
    /// What trades next of it.
    pub(super) front: u32,
}

/// Why an order goes no further, and the price that shows with it.
pub(super) type End = (CancelReason, Price);

impl SoftwareMatcher {
    pub(super) fn enter(&mut self, group: &Group<Command>) -> Result<(), RejectCode> {
        let command = &group.head;
        if command.session.0 >= self.limits.sessions_max {
            return Err(RejectCode::UnknownSession);
        }
        let place =
            self.instruments.place(command.instrument).ok_or(RejectCode::UnknownInstrument)?;
        if self.register.is_taken(command.order_id()) {
            return Err(RejectCode::DuplicateOrder);
        }
        let notes = &self.books[place].notes;
        if !rules::is_plain(command) || notes.marks & PHASE != 0 {
            return self.enter_special(group, place);
        }
        let (_, over) = notes.tick.split(command.price);
        let asks = rules::instructions_on_tick(command, over == 0)?;
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
        let (spot, id) = (self.ahead.spot(command), command.target_id());
        let found = self.register.find_at(&self.store, spot, id);
        let slot = found.ok_or(RejectCode::UnknownOrder)?;
        if self.register.is_taken(command.order_id()) {
            return Err(RejectCode::DuplicateOrder);
        }
        if !rules::is_plain(command) || self.store.owner(slot).special != NO_RECORD {
            return self.replace_special(group, slot);
        }
        let place = self.store.ladder(slot) as usize / 2;
        if self.books[place].notes.marks & PHASE != 0 {
            return self.replace_special(group, slot);
        }
        let old = self.plain(slot);
        let (_, over) = self.books[place].notes.tick.split(command.price);
        let asks = rules::instructions_on_tick(command, over == 0)?;
        let client_seq = command.client_seq;
        let Some(new) = rules::replacement(command, &old) else {
            self.remove_plain(slot);
            let gone = rules::withdrawn(&old, CancelReason::ReplacedBelowExecuted, true);
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
            self.store.cut(slot, less.0);
            self.register.rename(&mut self.store, slot, &new);
            let flags = EventFlags::KEPT_PRIORITY.with(EventFlags::RESTS);
            self.outbox.push(Event { flags, client_seq, ..replaced });
            if less > Quantity::ZERO {
                let kept = RestingOrder { reference: old.reference, ..new };
                self.outbox.push(rules::reduced(&kept, less));
            }
        } else {
            self.remove_plain(slot);
            self.place(self.taker(new, asks, place, command), replaced);
        }
        Ok(())
    }

    #[inline]
    pub(super) fn taker(
        &self,
        order: RestingOrder,
        asks: Instructions,
        place: usize,
        command: &Command,
    ) -> Taker {
        let buy = order.side.is_buy();
        let tick = self.books[place].notes.tick;
        let client_seq = command.client_seq;
        let mut taker = Taker { order, asks, place, buy, tick, limit: Key::MAX, client_seq };
        taker.set_limit();
        taker
    }

    /// Lets an order meet the book.
    #[inline]
    fn place(&mut self, mut taker: Taker, announcement: Event) {
        let client_seq = taker.client_seq;
        let crosses = self.front(&taker).is_some();
        if crosses && self.books[taker.place].notes.marks & BAND != 0 {
            self.renew_band(taker.place);
        }
        let asks = &taker.asks;
        let rests_whole = asks.may_rest && !crosses;
        let flags = if rests_whole { EventFlags::RESTS } else { EventFlags::default() };
        self.outbox.push(Event { flags, client_seq, ..announcement });
        // Its limit is a whole number of ticks above zero, so the other side's key turns into ours.
        let key = taker.limit.wrapping_neg();
        if rests_whole {
            return self.rest(&taker.order, taker.place, key);
        }
        let end = if crosses && asks.post_only {
            Some((CancelReason::PostOnly, taker.order.price))
        } else if asks.least > Quantity::ZERO && !(crosses && self.gets_least(&taker)) {
            Some((CancelReason::Immediate, taker.order.price))
        } else {
            taker.asks.least = Quantity::ZERO;
            let executed = taker.order.executed;
            let end = self.take(&mut taker);
            if taker.order.executed != executed {
                self.after_trades(taker.place);
            }
            end
        };
        if taker.order.leaves == Quantity::ZERO {
            return;
        }
        // An auction follows, and what may rest waits for it.
        let breaks = end.is_some_and(|(reason, _)| reason == CancelReason::Band)
            && rules::begins_auction(self.desks[taker.place].phase, &taker.order);
        let end = end.filter(|_| !(breaks && taker.asks.may_rest));
        let immediate = (CancelReason::Immediate, taker.order.price);
        match end.or((!taker.asks.may_rest).then_some(immediate)) {
            Some((reason, price)) => {
                let event = rules::cancelled(&taker.order, reason);
                self.outbox.push(Event { price, client_seq, ..event });
            }
            None => {
                let event = rules::about(&taker.order, EventKind::Rested);
                self.outbox.push(Event { client_seq, ..event });
                self.rest(&taker.order, taker.place, key);
            }
        }
        if breaks {
            self.pause(taker.place);
        }
    }

    /// Puts what is left of an order at the end of its price's queue.
    #[inline(always)]
    fn rest(&mut self, order: &RestingOrder, place: usize, key: Key) {
        let book = &mut self.books[place];
        let slot = book.rest(&mut self.store, order.side.is_buy(), key, order.leaves.0);
        if slot == NONE {
            // Room was asked for before it was taken, and matching only makes more.
            debug_assert!(false, "an order that was taken finds no room");
            return self.outbox.push(rules::cancelled(order, CancelReason::BookFull));
        }
        self.register.add(&mut self.store, slot, order);
    }

    /// Trades while prices cross; says why what is left must go, if it must.
    pub(super) fn take(&mut self, taker: &mut Taker) -> Option<End> {
        let mut steps = 0;
        while taker.order.leaves > Quantity::ZERO {
            let maker = self.front(taker)?;
            if steps == self.limits.fills_per_command_max {
                return Some((CancelReason::FillLimit, taker.order.price));
            }
            steps += 1;
            let identity = self.store.owner(maker.slot);
            let (special, account) = (identity.special, identity.account);
            if special != NO_RECORD && self.specials.get(special).special.is_over(self.now) {
                self.withdraw(maker.slot, CancelReason::Expired);
                continue;
            }
            if self.books[taker.place].notes.marks & BAND != 0
                && self.breaks_band(taker.place, maker.price)
            {
                return Some((CancelReason::Band, taker.order.price));
            }
            let prevents = taker.asks.self_trade != SelfTrade::Allow;
            if prevents && self.are_one(account, taker.order.account) {
                if let Some(end) = self.prevent(&maker, taker) {
                    return Some(end);
                }
            } else if special != NO_RECORD {
                self.trade_special(&maker, taker);
            } else {
                self.trade(&maker, taker);
            }
        }
        None
    }

    /// What happens instead of a trade with oneself; `None` lets matching go on.
    #[cold]
    fn prevent(&mut self, maker: &Maker, taker: &mut Taker) -> Option<End> {
        let setting = taker.asks.self_trade;
        if setting == SelfTrade::Decrement {
            self.decrement(maker, taker);
            return None;
        }
        if setting != SelfTrade::CancelNewest {
            self.withdraw(maker.slot, CancelReason::SelfTrade);
        }
        (setting != SelfTrade::CancelOldest).then_some((CancelReason::SelfTrade, maker.price))
    }

    /// One trade with a plain order at its price: the maker's event, then the taker's.
    #[inline]
    fn trade(&mut self, maker: &Maker, taker: &mut Taker) {
        let quantity = Quantity(maker.front).min(taker.order.leaves);
        let price = maker.price;
        let identity = self.store.owner_mut(maker.slot);
        identity.executed = identity.executed.saturating_add(quantity.0);
        let made = Event {
            price,
            quantity,
            reference: identity.reference,
            session: identity.session,
            ordinal: identity.ordinal,
            instrument: taker.order.instrument,
            account: identity.account,
            kind: EventKind::Executed.code(),
            side: identity.side.code(),
            flags: done_if(maker.front == quantity.0, EventFlags::MAKER),
            ..Event::default()
        };
        self.outbox.push(made);
        self.books[taker.place].trade(&mut self.store, maker.slot, quantity.0);
        if maker.front == quantity.0 {
            self.forget(maker.slot);
        }
        self.told_taker(taker, price, quantity);
    }

    /// The taker's side of a trade.
    #[inline]
    pub(super) fn told_taker(&mut self, taker: &mut Taker, price: Price, quantity: Quantity) {
        let notes = &mut self.books[taker.place].notes;
        notes.last = price.0;
        if notes.marks & STOPS != 0 {
            self.note_range(taker.place, price);
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
    pub(super) fn front(&mut self, taker: &Taker) -> Option<Maker> {
        let book = &self.books[taker.place];
        if book.notes.marks & MEETS != 0 {
            return self.front_among(taker);
        }
        let front = book.front(&self.store, !taker.buy, taker.limit)?;
        let price = super::price_of(front.key, !taker.buy, Price(taker.tick.size()));
        Some(Maker { slot: front.order, price, front: front.leaves })
    }
}

#[inline]
pub(super) const fn done_if(done: bool, flags: EventFlags) -> EventFlags {
    if done { flags.with(EventFlags::DONE) } else { flags }
}
