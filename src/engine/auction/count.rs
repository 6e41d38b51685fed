//! `Count`: finds an auction's price from orders given one by one, so that it can stop and go on.
//!
//! Best buyers and best sellers are paired off until they no longer cross; what is left over then
//! at the last prices, or at the next ones, decides between the prices in question.

use crate::model::Price;

/// What a count needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// The next buyer, best first.
    Buyer,
    /// The next seller, best first.
    Seller,
    /// Nothing: it has its outcome.
    Nothing,
}

/// What an auction comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The price of all its trades.
    pub price: Price,
    /// What trades.
    pub volume: u64,
    /// What would trade at that price and finds nobody.
    pub surplus: u64,
    /// Whether buyers are left over.
    pub surplus_buys: bool,
}

/// One side of a count.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    /// The order at hand: its price, and what is not paired off.
    at_hand: Option<(Price, u64)>,
    /// No more orders come.
    ended: bool,
    /// The price of the last order that was paired off.
    last: Price,
    /// What is left at that price.
    left: u64,
    /// The next price, and all that waits at it.
    next: Option<(Price, u64)>,
}

impl Side {
    /// The price of the order at hand; `None` behind the last.
    fn price(&self) -> Option<Price> {
        self.at_hand.map(|(price, _)| price)
    }

    fn is_hungry(&self) -> bool {
        self.at_hand.is_none() && !self.ended
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Pairing off.
    Pairing,
    /// Adding up what is left at the last prices.
    Leftovers,
    /// Adding up what waits at the next prices.
    Next,
    Done,
}

/// A count in progress.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    tick: Price,
    stage: Stage,
    buyers: Side,
    sellers: Side,
    volume: u64,
}

impl Count {
    /// Nothing counted yet.
    pub fn new(tick: Price) -> Self {
        let (buyers, sellers) = (Side::default(), Side::default());
        Self { tick, stage: Stage::Pairing, buyers, sellers, volume: 0 }
    }

    /// What it needs next.
    pub fn wants(&self) -> Wants {
        match self.stage {
            Stage::Done => Wants::Nothing,
            _ if self.buyers.is_hungry() => Wants::Buyer,
            _ if self.sellers.is_hungry() => Wants::Seller,
            _ => Wants::Nothing,
        }
    }

    /// Takes what it wanted: an order's price and quantity, or that there is none.
    pub fn give(&mut self, order: Option<(Price, u64)>) {
        let side = match self.wants() {
            Wants::Buyer => &mut self.buyers,
            Wants::Seller => &mut self.sellers,
            Wants::Nothing => return,
        };
        side.at_hand = order;
        side.ended = order.is_none();
        while self.wants() == Wants::Nothing && self.stage != Stage::Done {
            match self.stage {
                Stage::Pairing => self.pair(),
                Stage::Leftovers => self.gather_leftovers(),
                Stage::Next => self.gather_next(),
                Stage::Done => return,
            }
        }
    }

    /// What has been paired off so far.
    pub const fn volume(&self) -> u64 {
        self.volume
    }

    fn pair(&mut self) {
        let (Some(buyer), Some(seller)) = (self.buyers.at_hand, self.sellers.at_hand) else {
            self.stage = Stage::Leftovers;
            return;
        };
        if buyer.0 < seller.0 {
            self.stage = Stage::Leftovers;
            return;
        }
        let paired = buyer.1.min(seller.1);
        self.volume += paired;
        for (side, order) in [(&mut self.buyers, buyer), (&mut self.sellers, seller)] {
            side.last = order.0;
            side.at_hand = Some((order.0, order.1 - paired)).filter(|(_, left)| *left > 0);
        }
    }

    fn gather_leftovers(&mut self) {
        if self.volume == 0 {
            self.stage = Stage::Done;
            return;
        }
        let mut gathered = false;
        for side in [&mut self.buyers, &mut self.sellers] {
            if let Some((_, quantity)) = side.at_hand.filter(|(price, _)| *price == side.last) {
                side.left += quantity;
                side.at_hand = None;
                gathered = true;
            }
        }
        if gathered {
            return;
        }
        let is_decided = self.buyers.left + self.sellers.left > 0 || !self.next_are_adjacent();
        self.stage = if is_decided { Stage::Done } else { Stage::Next };
    }

    /// Whether no price lies between the next buyers and the next sellers.
    fn next_are_adjacent(&self) -> bool {
        match (self.buyers.price(), self.sellers.price()) {
            (Some(buyer), Some(seller)) => seller.0 - buyer.0 <= self.tick.0,
            _ => false,
        }
    }

    fn gather_next(&mut self) {
        let mut gathered = false;
        for side in [&mut self.buyers, &mut self.sellers] {
            let Some((price, quantity)) = side.at_hand else { continue };
            let (next, sum) = side.next.unwrap_or((price, 0));
            if next == price {
                side.next = Some((price, sum + quantity));
                side.at_hand = None;
                gathered = true;
            }
        }
        if !gathered {
            self.stage = Stage::Done;
        }
    }

    /// The outcome, once nothing more is wanted; `None` where nothing trades. The reference price
    /// decides where nothing else does.
    pub fn outcome(&self, reference: Price) -> Option<Outcome> {
        if self.volume == 0 {
            return None;
        }
        let (buyers, sellers) = (&self.buyers, &self.sellers);
        let outcome = |price, surplus, surplus_buys| {
            Some(Outcome { price, volume: self.volume, surplus, surplus_buys })
        };
        // Every price from the last seller's to the last buyer's has the greatest volume.
        let (low, high) = (sellers.last, buyers.last);
        if buyers.left > 0 {
            return outcome(high, buyers.left, true);
        }
        if sellers.left > 0 {
            return outcome(low, sellers.left, false);
        }
        let (Some(next_buy), Some(next_sell)) = (buyers.next, sellers.next) else {
            let price = self.between(low, high, buyers.price(), sellers.price(), reference);
            return outcome(price, 0, true);
        };
        // No price is without surplus: the next buyers are left over at theirs and below, the
        // next sellers at theirs and above.
        let buy_surplus = if next_buy.0 >= low { next_buy.1 } else { u64::MAX };
        let sell_surplus = if next_sell.0 <= high { next_sell.1 } else { u64::MAX };
        if buy_surplus < sell_surplus {
            return outcome(next_buy.0, buy_surplus, true);
        }
        if sell_surplus < buy_surplus {
            return outcome(next_sell.0, sell_surplus, false);
        }
        let price = self.between(low, high, buyers.price(), sellers.price(), reference);
        outcome(price, buy_surplus, price <= next_buy.0)
    }

    /// The price nearest to the reference that is above `below`, below `above` and in the range.
    fn between(
        &self,
        low: Price,
        high: Price,
        below: Option<Price>,
        above: Option<Price>,
        reference: Price,
    ) -> Price {
        let tick = self.tick.0;
        let low = below.map_or(low.0, |below| low.0.max(below.0.saturating_add(tick)));
        let high = above.map_or(high.0, |above| high.0.min(above.0.saturating_sub(tick)));
        let reference = reference.0.div_euclid(tick).saturating_mul(tick);
        Price(reference.min(high).max(low))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Orders = Vec<(i64, u64)>;

    fn count(tick: i64, buyers: &Orders, sellers: &Orders) -> Count {
        let mut buyers = buyers.clone();
        let mut sellers = sellers.clone();
        buyers.sort_by_key(|order| -order.0);
        sellers.sort_by_key(|order| order.0);
        let (mut buyers, mut sellers) = (buyers.into_iter(), sellers.into_iter());
        let mut count = Count::new(Price(tick));
        loop {
            let next = match count.wants() {
                Wants::Buyer => buyers.next(),
                Wants::Seller => sellers.next(),
                Wants::Nothing => return count,
            };
            count.give(next.map(|(price, quantity)| (Price(price), quantity)));
        }
    }

    /// The four rules as they are written, over every price there is.
    fn by_the_rules(
        tick: i64,
        buyers: &Orders,
        sellers: &Orders,
        reference: i64,
    ) -> Option<(i64, u64, u64)> {
        let demand = |at: i64| buyers.iter().filter(|o| o.0 >= at).map(|o| o.1).sum::<u64>();
        let supply = |at: i64| sellers.iter().filter(|o| o.0 <= at).map(|o| o.1).sum::<u64>();
        let prices: Vec<i64> = (1..=60).map(|step| step * tick).collect();
        let volume = |at: &i64| demand(*at).min(supply(*at));
        let most = prices.iter().map(volume).max().filter(|most| *most > 0)?;
        let surplus = |at: &i64| demand(*at).abs_diff(supply(*at));
        let first: Vec<i64> = prices.into_iter().filter(|at| volume(at) == most).collect();
        let least = first.iter().map(surplus).min()?;
        let second: Vec<i64> = first.into_iter().filter(|at| surplus(at) == least).collect();
        let price = if second.iter().all(|at| demand(*at) > supply(*at)) {
            second.iter().max()
        } else if second.iter().all(|at| demand(*at) < supply(*at)) {
            second.iter().min()
        } else {
            let reference = reference.div_euclid(tick) * tick;
            second.iter().min_by_key(|at| at.abs_diff(reference))
        };
        Some((*price?, most, least))
    }

    fn orders() -> impl Strategy<Value = Orders> {
        prop::collection::vec((1..40_i64, 1..6_u64), 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]
        #[test]
        fn the_outcome_is_the_one_of_the_rules(
            buyers in orders(),
            sellers in orders(),
            reference in 0..60_i64,
            tick in prop::sample::select(vec![1_i64, 5]),
        ) {
            let scaled = |orders: Orders| orders.into_iter().map(|o| (o.0 * tick, o.1)).collect();
            let (buyers, sellers): (Orders, Orders) = (scaled(buyers), scaled(sellers));
            let outcome = count(tick, &buyers, &sellers).outcome(Price(reference));
            let told = outcome.map(|o| (o.price.0, o.volume, o.surplus));
            prop_assert_eq!(told, by_the_rules(tick, &buyers, &sellers, reference));
        }
    }

    /// The example of the Australian exchange's four rules (the book of stock X, as the notes on
    /// its change from a weighted average to the present algorithm give it).
    #[test]
    fn the_australian_exchanges_example() {
        let buyers = vec![(640, 500), (639, 500), (639, 500), (634, 1_000), (633, 500)];
        let sellers = vec![(610, 1_000), (640, 500), (641, 520), (642, 550), (643, 519)];
        let outcome = count(1, &buyers, &sellers).outcome(Price(625)).expect("they cross");
        let expected =
            Outcome { price: Price(639), volume: 1_000, surplus: 500, surplus_buys: true };
        assert_eq!(outcome, expected);
    }
}
