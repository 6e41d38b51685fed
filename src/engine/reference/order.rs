//! What the reference matcher keeps of an order and of an instrument.

use crate::engine::auction::{Band, Timing};
use crate::engine::reference::auction::Run;
use crate::engine::rules::{self, Room, Special};
use crate::engine::{RestingOrder, Standing};
use crate::model::{
    CancelReason, Event, Instrument, Nanos, OrderId, Phase, Price, Quantity, SeqNo,
};

/// An order and all it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// What everybody may know of it; `leaves` counts what an iceberg hides.
    pub(super) resting: RestingOrder,
    pub(super) special: Special,
    /// What trades next: all of it, or the part of an iceberg that is shown.
    pub(super) front: Quantity,
    /// The reference it is shown under.
    pub(super) shown: SeqNo,
    /// Its place among those of its price: the lower came first.
    pub(super) line: u64,
    /// A peg that has come to its cap.
    pub(super) capped: bool,
}

impl Order {
    pub(super) fn new(resting: RestingOrder, special: Special) -> Self {
        let shown = resting.reference;
        let mut order =
            Self { resting, special, front: Quantity::ZERO, shown, line: 0, capped: false };
        order.show();
        order
    }

    /// Puts what it shows at the front.
    pub(super) fn show(&mut self) {
        self.front = match self.special.displayed {
            Quantity::ZERO => self.resting.leaves,
            displayed => displayed.min(self.resting.leaves),
        };
    }

    pub(super) const fn buys(&self) -> bool {
        self.resting.side.is_buy()
    }

    pub(super) const fn id(&self) -> OrderId {
        self.resting.id()
    }

    /// How far it would go for somebody who comes.
    pub(super) fn reach(&self) -> Price {
        self.special.reach(self.resting.price)
    }

    /// Whether the feed shows it when it rests.
    pub(super) fn is_shown(&self) -> bool {
        self.special.room == Room::Lit
    }

    /// Whether the feed shows all of it when it rests.
    pub(super) fn is_shown_whole(&self) -> bool {
        self.is_shown() && self.front == self.resting.leaves
    }

    /// A price of its side as a number that is lower for a better one.
    pub(super) const fn signed(&self, price: Price) -> i64 {
        if self.buys() { price.0.saturating_neg() } else { price.0 }
    }

    /// It is gone for `reason`, under the reference it was shown by.
    pub(super) fn withdrawn(&self, reason: CancelReason) -> Event {
        let event = rules::withdrawn(&self.resting, reason, self.is_shown());
        Event { reference: self.shown, ..event }
    }

    pub(super) const fn standing(&self) -> Standing {
        let Self { resting: order, special, front, shown, capped, .. } = *self;
        Standing { order, special, front, shown, capped }
    }

    /// Where it stands among its room's orders of its side: the lowest first.
    pub(super) fn rank(&self) -> (bool, i64, u64) {
        let key = match self.special.room {
            Room::Primary | Room::Market | Room::Midpoint if !self.capped => {
                self.signed(self.special.offset)
            }
            // The stop that a rising price reaches first is the buyer's lowest.
            Room::Stop => self.signed(self.special.stop).saturating_neg(),
            _ => self.signed(self.resting.price),
        };
        (self.capped, key, self.line)
    }
}

/// One instrument: what it is, who waits in it, and what goes on.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) instrument: Instrument,
    /// All its orders, in no order.
    pub(super) orders: Vec<Order>,
    pub(super) phase: Phase,
    /// When the phase ends, and what follows.
    pub(super) timing: Timing,
    /// When its auction's indication is due.
    pub(super) indicative_at: Nanos,
    /// Its auction, while that is being settled.
    pub(super) run: Option<Run>,
    /// How far from where it may trade.
    pub(super) band: Band,
    /// The last trade's price.
    pub(super) last: Option<Price>,
    /// The lowest and highest price traded at since the stops were last looked through.
    pub(super) range: Option<(Price, Price)>,
    /// The price that trailing stops followed last.
    pub(super) trailed: Option<Price>,
    /// Trailing stops accepted before have followed it already; `None` when all have.
    pub(super) trail_at: Option<SeqNo>,
    /// Trades so far.
    pub(super) trades: u64,
}

impl Book {
    pub(super) fn new(instrument: Instrument) -> Self {
        Self {
            instrument,
            orders: Vec::new(),
            phase: Phase::Continuous,
            timing: Timing::ENDLESS,
            indicative_at: Nanos::MAX,
            run: None,
            band: Band::NONE,
            last: None,
            range: None,
            trailed: None,
            trail_at: None,
            trades: 0,
        }
    }

    pub(super) fn find(&self, id: OrderId) -> Option<&Order> {
        self.orders.iter().find(|order| order.id() == id)
    }

    pub(super) fn find_mut(&mut self, id: OrderId) -> Option<&mut Order> {
        self.orders.iter_mut().find(|order| order.id() == id)
    }

    /// The orders of a room and side, first in line first.
    pub(super) fn queue(&self, room: Room, buy: bool) -> Vec<&Order> {
        let here = |order: &&Order| order.special.room == room && order.buys() == buy;
        let mut queue: Vec<&Order> = self.orders.iter().filter(here).collect();
        queue.sort_by_key(|order| order.rank());
        queue
    }

    /// The orders of a side that would go further than they show: the furthest first, of those
    /// the oldest.
    pub(super) fn discretionary(&self, buy: bool) -> Vec<&Order> {
        let here = |order: &&Order| order.special.has_discretion() && order.buys() == buy;
        let mut discretionary: Vec<&Order> = self.orders.iter().filter(here).collect();
        discretionary.sort_by_key(|order| (order.signed(order.reach()), order.resting.reference));
        discretionary
    }

    /// Whether trailing stops have a price to follow.
    pub(super) fn needs_trail(&self) -> bool {
        self.orders.iter().any(|order| order.special.trails())
            && (self.trail_at.is_some() || self.last != self.trailed)
    }

    /// The best price shown on a side.
    pub(super) fn best(&self, buy: bool) -> Option<Price> {
        let lit = self.orders.iter().filter(|order| order.is_shown() && order.buys() == buy);
        lit.map(|order| order.resting.price)
            .min_by_key(|price| if buy { -price.0 } else { price.0 })
    }

    /// Notes a trade's price.
    pub(super) fn traded(&mut self, price: Price) {
        self.trades += 1;
        self.last = Some(price);
        let (low, high) = self.range.unwrap_or((price, price));
        self.range = Some((low.min(price), high.max(price)));
    }
}
