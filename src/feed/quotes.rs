//! The best bid and offer of all venues. What is missing or crossed is no price.

use crate::feed::books::{Book, Top};
use crate::model::Price;

/// The best of one side, and who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Best {
    /// The price.
    pub price: u32,
    /// Shares there.
    pub shares: u64,
    /// The venue, by its place.
    pub venue: usize,
}

/// Best bid and offer of all venues that can be trusted now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotes {
    /// The highest bid; the first venue that has it.
    pub bid: Option<Best>,
    /// The lowest offer; the first venue that has it.
    pub ask: Option<Best>,
}

impl Quotes {
    /// Takes a venue's book in, where it can be trusted and trades.
    #[inline]
    pub fn consider(&mut self, venue: usize, book: &Book) {
        if !book.is_spoiled && book.trades() {
            self.take(venue, book.top());
        }
    }

    #[inline]
    fn take(&mut self, venue: usize, top: Top) {
        if let Some(bid) = top.bid
            && bid.price > 0
            && self.bid.is_none_or(|best| bid.price > best.price)
        {
            self.bid = Some(Best { price: bid.price, shares: bid.shares, venue });
        }
        if let Some(ask) = top.ask
            && ask.price > 0
            && self.ask.is_none_or(|best| ask.price < best.price)
        {
            self.ask = Some(Best { price: ask.price, shares: ask.shares, venue });
        }
    }

    /// Whether one could buy for less than one could sell for.
    pub fn is_crossed(&self) -> bool {
        matches!((self.bid, self.ask), (Some(bid), Some(ask)) if bid.price > ask.price)
    }

    /// The middle, where there are both sides and they do not cross.
    #[inline]
    pub fn middle(&self) -> Option<Price> {
        let (bid, ask) = (self.bid?, self.ask?);
        let sum = i64::from(bid.price) + i64::from(ask.price);
        (bid.price <= ask.price).then_some(Price(sum / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::side::Level;

    fn top(bid: u32, ask: u32) -> Top {
        let level = |price| (price > 0).then_some(Level { price, orders: 1, shares: 100 });
        Top { bid: level(bid), ask: level(ask) }
    }

    fn of(tops: &[(u32, u32)]) -> Quotes {
        let mut quotes = Quotes::default();
        tops.iter().enumerate().for_each(|(venue, (bid, ask))| quotes.take(venue, top(*bid, *ask)));
        quotes
    }

    #[test]
    fn the_best_of_all_and_no_price_where_they_cross() {
        let quotes = of(&[(90, 110), (95, 120), (95, 105)]);
        assert_eq!(quotes.bid.map(|bid| (bid.price, bid.venue)), Some((95, 1)));
        assert_eq!(quotes.ask.map(|ask| (ask.price, ask.venue)), Some((105, 2)));
        assert_eq!(quotes.middle(), Some(Price(100)));
        let crossed = of(&[(90, 100), (101, 120)]);
        assert_eq!((crossed.is_crossed(), crossed.middle()), (true, None));
        assert_eq!(of(&[(90, 0)]).middle(), None);
        assert_eq!(of(&[(0, 90), (0, 95)]).middle(), None);
        assert_eq!(of(&[(90, 90)]).middle(), Some(Price(90)), "locked is not crossed");
    }
}
