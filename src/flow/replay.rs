//! Replays a flow through the appliance's own order book, or through the obvious one.
//!
//! The book's queues, ladders and id table are those of the matcher; risk, events and sessions
//! are not in it. Finding an order by its id is: the id table is the matcher's, and it is timed.

use bytemuck::Zeroable;

use crate::engine::PagedMap;
use crate::engine::book::{Key, NONE, OrderBook, Store};
use crate::flow::{Flow, FlowEvent, FlowKind, Trade};

/// Why a book cannot go on with a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A new order has the id of one that rests.
    #[error("its id belongs to an order that still rests; ids of new orders must be new")]
    IdTwice,
    /// More orders rest than the book was made for.
    #[error("the book has no room for another order")]
    BookFull,
}

/// A book that flow events can be applied to.
pub trait FlowBook {
    /// Applies one event; appends the trades it makes.
    ///
    /// # Errors
    /// [`Refusal`] when the event breaks a rule that only the book can check.
    fn apply(&mut self, event: &FlowEvent, trades: &mut Vec<Trade>) -> Result<(), Refusal>;

    /// Orders resting.
    fn resting(&self) -> usize;
}

/// The appliance's order book behind the flow's own ids.
#[derive(Debug)]
pub struct FastBook {
    book: OrderBook,
    /// Each order's owner is its id in the flow.
    store: Store<u64>,
    ids: PagedMap,
}

impl FastBook {
    /// A book for up to `orders_max` resting orders, with `ladder_ticks` found by index.
    pub fn new(orders_max: u32, ladder_ticks: u32) -> Self {
        Self {
            book: OrderBook::new(0, ladder_ticks),
            store: Store::new(orders_max),
            ids: PagedMap::with_capacity(orders_max as usize),
        }
    }

    #[inline]
    fn take_out(&mut self, id: u64) -> bool {
        let Some(slot) = self.ids.remove(id) else { return false };
        self.book.remove(&mut self.store, slot);
        true
    }

    #[inline]
    fn enter(
        &mut self,
        id: u64,
        event: &FlowEvent,
        trades: &mut Vec<Trade>,
    ) -> Result<(), Refusal> {
        let ticks = Key::from(event.price);
        // Keys of the other side: the lower, the better for this order.
        let mut limit = if event.buy { ticks } else { -ticks };
        if event.kind == FlowKind::Market {
            limit = Key::MAX;
        }
        let mut left = event.quantity;
        while left > 0 {
            let Some(front) = self.book.front(&self.store, !event.buy, limit) else { break };
            let maker = *self.store.owner(front.order);
            let quantity = left.min(front.leaves);
            let price = front.key.unsigned_abs() as u32;
            trades.push(Trade { maker, taker: id, price, quantity });
            self.book.trade(&mut self.store, front.order, quantity);
            if quantity == front.leaves {
                self.ids.remove(maker);
            }
            left -= quantity;
        }
        let may_rest = matches!(event.kind, FlowKind::Limit | FlowKind::Replace);
        if left > 0 && may_rest { self.rest(id, event.buy, -limit, left) } else { Ok(()) }
    }

    #[inline]
    fn rest(&mut self, id: u64, buy: bool, key: Key, leaves: u32) -> Result<(), Refusal> {
        let slot = self.book.rest(&mut self.store, buy, key, leaves);
        if slot == NONE {
            return Err(Refusal::BookFull);
        }
        *self.store.owner_mut(slot) = id;
        match self.ids.insert(id, slot) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(Refusal::IdTwice),
            Err(_) => Err(Refusal::BookFull),
        }
    }
}

impl FlowBook for FastBook {
    #[inline]
    fn apply(&mut self, event: &FlowEvent, trades: &mut Vec<Trade>) -> Result<(), Refusal> {
        match event.kind {
            FlowKind::Cancel => {
                self.take_out(event.id);
                Ok(())
            }
            FlowKind::Replace if self.take_out(event.id) => self.enter(event.new_id, event, trades),
            FlowKind::Replace => Ok(()),
            _ => self.enter(event.id, event, trades),
        }
    }

    fn resting(&self) -> usize {
        self.store.live() as usize
    }
}

/// What a replay did.
#[derive(Clone, Debug)]
pub struct Replay {
    /// All trades, those of the prefill included.
    pub trades: Vec<Trade>,
    /// How long the timed events took.
    pub nanos: u64,
    /// Orders resting at the end.
    pub resting: usize,
}

/// An event a book could not take: its number, from 0, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {event}: {refusal}")]
pub struct Stopped {
    /// The event, from 0.
    pub event: usize,
    /// Why.
    pub refusal: Refusal,
}

/// Applies a whole flow; times what comes after the prefill by `clock`, in nanoseconds.
///
/// # Errors
/// [`Stopped`] when the book refuses an event.
pub fn replay<B: FlowBook>(
    flow: &Flow,
    book: &mut B,
    clock: &mut dyn FnMut() -> u64,
) -> Result<Replay, Stopped> {
    // The header may promise anything; what is not reserved is allocated while it runs.
    let trades_max = (flow.expected.trades as usize).min(flow.events.len().saturating_mul(4));
    // Filled once, so that the memory is there before the clock starts.
    let mut trades = vec![Trade::zeroed(); trades_max];
    trades.clear();
    let (prefill, timed) = flow.parts();
    apply_all(prefill, 0, book, &mut trades)?;
    let started = clock();
    apply_all(timed, prefill.len(), book, &mut trades)?;
    let nanos = clock().saturating_sub(started);
    Ok(Replay { trades, nanos, resting: book.resting() })
}

#[inline(never)]
fn apply_all<B: FlowBook>(
    events: &[FlowEvent],
    first: usize,
    book: &mut B,
    trades: &mut Vec<Trade>,
) -> Result<(), Stopped> {
    for (number, event) in events.iter().enumerate() {
        book.apply(event, trades).map_err(|refusal| Stopped { event: first + number, refusal })?;
    }
    Ok(())
}

/// The most orders that rest at once: an operator sizes tables by it, and so does a replay.
///
/// # Errors
/// [`Stopped`] when the flow itself breaks a rule.
pub fn peak_of(flow: &Flow) -> Result<u32, Stopped> {
    let mut room = PEAK_ROOM;
    loop {
        match peak_within(flow, room) {
            Err(Stopped { refusal: Refusal::BookFull, .. }) if room < u32::MAX / 4 => room *= 2,
            known => return known,
        }
    }
}

/// Where the search for the peak begins; it doubles from there.
const PEAK_ROOM: u32 = 1 << 14;

/// The most orders that rest at once, if there are no more than `room`.
fn peak_within(flow: &Flow, room: u32) -> Result<u32, Stopped> {
    let mut book = FastBook::new(room, 1 << 12);
    let (mut peak, mut trades) = (0, Vec::new());
    for (number, event) in flow.events.iter().enumerate() {
        trades.clear();
        book.apply(event, &mut trades).map_err(|refusal| Stopped { event: number, refusal })?;
        peak = peak.max(book.resting());
    }
    Ok(peak as u32)
}
