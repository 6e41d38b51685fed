//! Pegged orders: what they are worth as the book stands.
//!
//! A peg is never shown and never repriced: its price is found when somebody comes. Only that it
//! has come to its cap, or left it, moves it, for then others stand beside it.

use crate::engine::reference::ReferenceMatcher;
use crate::engine::reference::order::{Book, Order};
use crate::engine::rules::{PEG_MOVES_MAX, Room};
use crate::model::Price;

/// The rooms of pegs.
const PEGS: [Room; 3] = [Room::Primary, Room::Market, Room::Midpoint];

impl ReferenceMatcher {
    /// The price an order trades at now; `None` for a peg that has nothing to follow.
    pub(super) fn price_of(&self, order: &Order) -> Option<Price> {
        if !order.special.room.is_pegged() {
            return Some(order.resting.price);
        }
        let book = self.book(order);
        let followed = followed(book, order.special.room, order.buys())?;
        let wanted = followed.saturating_add(order.special.offset);
        let price = if passes_cap(order, wanted) { order.resting.price } else { wanted };
        passive(book, order.special.room, order.buys(), price)
    }

    /// Moves pegs of the side `order` would meet to their caps, or from them, until the first of
    /// each line is right.
    pub(super) fn settle_pegs(&mut self, order: &Order) {
        let buy = !order.buys();
        for room in PEGS {
            for _ in 0..PEG_MOVES_MAX {
                let book = self.book(order);
                let Some(followed) = followed(book, room, buy) else { break };
                let queue = book.queue(room, buy);
                let first = |capped| queue.iter().find(move |peg| peg.capped == capped);
                let wrong = |peg: &&&Order| {
                    passes_cap(peg, followed.saturating_add(peg.special.offset)) != peg.capped
                };
                let free = first(false).filter(wrong);
                let Some(peg) = free.or_else(|| first(true).filter(wrong)) else { break };
                let moved = Order { capped: !peg.capped, ..**peg };
                self.remove(&moved);
                self.add(moved);
            }
        }
    }
}

/// Whether a peg's cap keeps it from a price.
fn passes_cap(peg: &Order, wanted: Price) -> bool {
    let cap = peg.resting.price;
    cap != Price::ZERO && peg.signed(wanted) < peg.signed(cap)
}

/// The price that pegs of a room and side follow.
pub(super) fn followed(book: &Book, room: Room, buy: bool) -> Option<Price> {
    match room {
        Room::Primary => book.best(buy),
        Room::Market => book.best(!buy),
        _ => {
            let (bid, ask) = (book.best(true)?, book.best(false)?);
            // Rounded down, without the sum that might overflow.
            Some(Price((bid.0 & ask.0) + ((bid.0 ^ ask.0) >> 1)))
        }
    }
}

/// A peg's price held off the other side's best, where it would reach it.
pub(super) fn passive(book: &Book, room: Room, buy: bool, price: Price) -> Option<Price> {
    let tick = book.instrument.tick.0;
    let price = match (book.best(!buy), buy) {
        (None, _) => price.0,
        (Some(ask), true) if room == Room::Midpoint => price.0.min(ask.0 - 1),
        (Some(bid), false) if room == Room::Midpoint => price.0.max(bid.0.saturating_add(1)),
        (Some(ask), true) => price.0.min(ask.0 - tick),
        (Some(bid), false) => price.0.max(bid.0.saturating_add(tick)),
    };
    (price > 0).then_some(Price(price))
}
