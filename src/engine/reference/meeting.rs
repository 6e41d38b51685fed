//! Whom an order meets, and what happens when it does.

use crate::engine::reference::order::Order;
use crate::engine::reference::{ReferenceMatcher, less};
use crate::engine::rules::{self, Instructions, LOOKED_PAST_MAX, Room};
use crate::model::{
    CancelReason, Command, Event, EventFlags, EventKind, Price, Quantity, SelfTrade, SeqNo,
};

/// Why an order goes no further, and the price that shows with it.
pub(super) type End = (CancelReason, Price);

impl ReferenceMatcher {
    /// Trades while prices cross; says why what is left must go, if it must.
    pub(super) fn take(
        &mut self,
        order: &mut Order,
        asks: &Instructions,
        command: &Command,
    ) -> Option<End> {
        let mut steps = 0;
        while order.resting.leaves > Quantity::ZERO {
            let (maker, price) = self.best_maker(order, asks)?;
            if steps == self.limits.fills_per_command_max {
                return Some((CancelReason::FillLimit, order.resting.price));
            }
            steps += 1;
            if maker.special.is_over(self.now) {
                self.remove(&maker);
                self.outbox.push(maker.withdrawn(CancelReason::Expired));
            } else if !self.book(order).band.holds(price) {
                return Some((CancelReason::Band, order.resting.price));
            } else if asks.self_trade != SelfTrade::Allow
                && self.are_one(maker.resting.account, order.resting.account)
            {
                match asks.self_trade {
                    SelfTrade::Decrement => self.decrement(maker, order, price, command),
                    setting => {
                        if setting != SelfTrade::CancelNewest {
                            self.remove(&maker);
                            self.outbox.push(maker.withdrawn(CancelReason::SelfTrade));
                        }
                        if setting != SelfTrade::CancelOldest {
                            return Some((CancelReason::SelfTrade, price));
                        }
                    }
                }
            } else {
                self.trade(maker, order, price, command);
            }
        }
        None
    }

    /// One trade at the maker's price: the maker's event, then the taker's.
    fn trade(&mut self, mut maker: Order, taker: &mut Order, price: Price, command: &Command) {
        let quantity = maker.front.min(taker.resting.leaves);
        for order in [&mut maker, &mut *taker] {
            let resting = &mut order.resting;
            resting.leaves = less(resting.leaves, quantity);
            resting.executed = resting.executed.saturating_add(quantity);
        }
        let mut flags = EventFlags::MAKER;
        if !maker.is_shown() {
            flags = flags.with(EventFlags::HIDDEN);
        } else if price != maker.resting.price {
            flags = flags.with(EventFlags::DISCRETION);
        }
        self.outbox.push(Event {
            quantity,
            price,
            reference: maker.shown,
            flags: done(&maker, flags),
            ..rules::about(&maker.resting, EventKind::Executed)
        });
        self.outbox.push(Event {
            quantity,
            price,
            client_seq: command.client_seq,
            flags: done(taker, EventFlags::default()),
            ..rules::about(&taker.resting, EventKind::Executed)
        });
        self.consume(maker, quantity);
        self.book_mut(taker).traded(price);
    }

    /// Takes from both what would have traded.
    fn decrement(&mut self, mut maker: Order, taker: &mut Order, price: Price, command: &Command) {
        let quantity = maker.front.min(taker.resting.leaves);
        for order in [&mut maker, &mut *taker] {
            order.resting.leaves = less(order.resting.leaves, quantity);
        }
        let shown = maker.is_shown();
        let flags = if shown { EventFlags::RESTS } else { EventFlags::default() };
        self.outbox.push(Event {
            quantity,
            reference: maker.shown,
            flags: done(&maker, flags),
            ..rules::cancelled(&maker.resting, CancelReason::SelfTrade)
        });
        self.outbox.push(Event {
            quantity,
            price,
            client_seq: command.client_seq,
            flags: done(taker, EventFlags::default()),
            ..rules::cancelled(&taker.resting, CancelReason::SelfTrade)
        });
        self.consume(maker, quantity);
    }

    /// Writes back a resting order whose front has lost `quantity`: it goes, or stays, or shows
    /// its next part at the back of its line.
    fn consume(&mut self, mut maker: Order, quantity: Quantity) {
        maker.front = less(maker.front, quantity);
        if maker.resting.leaves == Quantity::ZERO {
            return self.remove(&maker);
        }
        if maker.front > Quantity::ZERO {
            return self.put(maker);
        }
        self.remove(&maker);
        maker.show();
        maker.shown = SeqNo(self.outbox.next_id().0 | 1 << 63);
        self.outbox.push(Event {
            quantity: maker.front,
            reference: maker.shown,
            ..rules::about(&maker.resting, EventKind::Refreshed)
        });
        self.add(maker);
    }

    /// The resting order this one would meet first, and the price they would trade at.
    pub(super) fn best_maker(
        &mut self,
        order: &Order,
        asks: &Instructions,
    ) -> Option<(Order, Price)> {
        if asks.least == Quantity::ZERO {
            self.settle_pegs(order);
        }
        self.makers(order, asks).first().copied()
    }

    /// The resting orders this one could meet, in the order it would.
    fn makers(&self, order: &Order, asks: &Instructions) -> Vec<(Order, Price)> {
        let (book, buy) = (self.book(order), order.buys());
        let crosses = |price: Price| match asks.limit {
            Some(limit) if buy => price <= limit,
            Some(limit) => price >= limit,
            None => true,
        };
        let mut makers = Vec::new();
        for room in Room::ALL.into_iter().filter(|room| room.meets()) {
            // Who wants a least quantity at once counts on prices that stand still.
            if asks.least > Quantity::ZERO && room > Room::Hidden {
                break;
            }
            let mut queue = book.queue(room, !buy);
            if room == Room::Minimum {
                queue.truncate(LOOKED_PAST_MAX);
                queue.retain(|maker| {
                    let least = maker.special.minimum.min(maker.resting.leaves);
                    order.resting.leaves >= least
                });
            }
            if room.is_pegged() {
                // Only the first of each line is looked at: its price is the line's best.
                let first = |capped| queue.iter().copied().find(|peg| peg.capped == capped);
                queue = first(false).into_iter().chain(first(true)).collect();
            }
            for maker in queue {
                let price = self.price_of(maker);
                if let Some(price) = price.filter(|price| crosses(*price)) {
                    makers.push((*maker, price));
                }
            }
        }
        makers.extend(self.beyond(order, asks));
        // The sort is stable: what is alike stays in the order of rooms and lines.
        makers.sort_by_key(|(maker, price)| maker.signed(*price));
        makers
    }

    /// The orders that would go further than they show to meet this one at its limit. Who will not
    /// take is not gone to, nor who counts on prices that stand still.
    fn beyond(&self, order: &Order, asks: &Instructions) -> Vec<(Order, Price)> {
        let book = self.book(order);
        let (tick, buy) = (book.instrument.tick, order.buys());
        let Some(limit) = asks.limit.filter(|_| asks.least == Quantity::ZERO && !asks.post_only)
        else {
            return Vec::new();
        };
        // Its limit may lie between ticks: the trade is at the tick before.
        let signed = if buy { limit.0 } else { limit.0.saturating_neg() };
        let signed = signed.div_euclid(tick.0).saturating_mul(tick.0);
        let price = Price(if buy { signed } else { signed.saturating_neg() });
        let mut beyond = book.discretionary(!buy);
        beyond.retain(|maker| {
            let goes = maker.signed(maker.reach()) <= signed;
            goes && maker.signed(maker.resting.price) > signed
        });
        beyond.into_iter().map(|maker| (*maker, price)).collect()
    }

    /// Whether an order would get the least it asks for, by the same steps as [`Self::take`].
    pub(super) fn gets_least(&self, order: &Order, asks: &Instructions) -> bool {
        let mut wanted = asks.least.min(order.resting.leaves);
        let steps = self.limits.fills_per_command_max as usize;
        for (maker, price) in self.makers(order, asks).into_iter().take(steps) {
            if maker.special.is_over(self.now) {
                continue;
            }
            if !self.book(order).band.holds(price) {
                return false;
            }
            if asks.self_trade != SelfTrade::Allow
                && self.are_one(maker.resting.account, order.resting.account)
            {
                match asks.self_trade {
                    SelfTrade::CancelOldest => continue,
                    _ => return false,
                }
            }
            wanted = less(wanted, maker.front);
            if wanted == Quantity::ZERO {
                return true;
            }
        }
        false
    }
}

/// Adds that an order is done, when it is.
pub(super) fn done(order: &Order, flags: EventFlags) -> EventFlags {
    if order.resting.leaves == Quantity::ZERO { flags.with(EventFlags::DONE) } else { flags }
}
