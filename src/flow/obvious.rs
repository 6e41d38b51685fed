//! `ObviousBook`: one instrument's book of sorted maps and queues: what the fast one must equal.

use std::collections::BTreeMap;

use crate::flow::{FlowBook, FlowEvent, FlowKind, Refusal, Trade};

/// Orders by their places in line: each one's id, and what is left of it.
type Queue = BTreeMap<u64, (u64, u32)>;

/// Price-time priority, written to be seen through.
#[derive(Debug, Default)]
pub struct ObviousBook {
    bids: BTreeMap<u32, Queue>,
    asks: BTreeMap<u32, Queue>,
    /// Where each resting order is: whether it buys, its price, and its place in line there.
    places: BTreeMap<u64, (bool, u32, u64)>,
    /// The place in line given last.
    last: u64,
}

impl ObviousBook {
    /// The best price of a side.
    pub fn best(&self, buy: bool) -> Option<u32> {
        let price = if buy { self.bids.last_key_value() } else { self.asks.first_key_value() };
        price.map(|(&price, _)| price)
    }

    /// Where a resting order is: whether it buys, and its price.
    pub fn place(&self, id: u64) -> Option<(bool, u32)> {
        self.places.get(&id).map(|&(buy, price, _)| (buy, price))
    }

    fn side(&mut self, buy: bool) -> &mut BTreeMap<u32, Queue> {
        if buy { &mut self.bids } else { &mut self.asks }
    }

    fn take_out(&mut self, id: u64) -> bool {
        let Some((buy, price, place)) = self.places.remove(&id) else { return false };
        if let Some(queue) = self.side(buy).get_mut(&price) {
            queue.remove(&place);
            if queue.is_empty() {
                self.side(buy).remove(&price);
            }
        }
        true
    }

    fn enter(
        &mut self,
        id: u64,
        event: &FlowEvent,
        trades: &mut Vec<Trade>,
    ) -> Result<(), Refusal> {
        let mut left = event.quantity;
        while left > 0 {
            let Some(price) = self.best(!event.buy).filter(|&best| crosses(event, best)) else {
                break;
            };
            let Some(queue) = self.side(!event.buy).get_mut(&price) else { break };
            let Some(mut first) = queue.first_entry() else { break };
            let (maker, leaves) = first.get_mut();
            let (maker, quantity) = (*maker, left.min(*leaves));
            trades.push(Trade { maker, taker: id, price, quantity });
            left -= quantity;
            *leaves -= quantity;
            if *leaves == 0 {
                self.take_out(maker);
            }
        }
        let may_rest = matches!(event.kind, FlowKind::Limit | FlowKind::Replace);
        if left > 0 && may_rest {
            self.last += 1;
            let place = self.last;
            if self.places.insert(id, (event.buy, event.price, place)).is_some() {
                return Err(Refusal::IdTwice);
            }
            self.side(event.buy).entry(event.price).or_default().insert(place, (id, left));
        }
        Ok(())
    }
}

/// Whether an event's price reaches a price of the other side.
const fn crosses(event: &FlowEvent, other: u32) -> bool {
    match event.kind {
        FlowKind::Market => true,
        _ if event.buy => other <= event.price,
        _ => other >= event.price,
    }
}

impl FlowBook for ObviousBook {
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
        self.places.len()
    }
}
