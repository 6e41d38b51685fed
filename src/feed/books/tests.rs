//! The books against a slow and obvious one: a map of orders, summed up price by price.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::feed::exchange::{Exchange, symbols};

/// By reference: locate, whether it buys, price, shares.
#[derive(Clone, Debug, Default, PartialEq)]
struct Obvious(BTreeMap<u64, (u16, bool, u32, u32)>);

impl Obvious {
    fn take(&mut self, message: &Message) {
        match message {
            Message::AddOrder(add) => {
                let side = add.buy_sell_indicator == b'B';
                let order = (add.stock_locate, side, add.price, add.shares);
                self.0.insert(add.order_reference_number, order);
            }
            Message::AddOrderWithMpid(add) => self.take(&Message::AddOrder(unattributed(add))),
            Message::OrderExecuted(of) => {
                self.shrink(of.order_reference_number, of.executed_shares)
            }
            Message::OrderExecutedWithPrice(of) => {
                self.shrink(of.order_reference_number, of.executed_shares);
            }
            Message::OrderCancel(of) => self.shrink(of.order_reference_number, of.canceled_shares),
            Message::OrderDelete(of) => _ = self.0.remove(&of.order_reference_number),
            Message::OrderReplace(of) => {
                let old = self.0.remove(&of.original_order_reference_number).expect("it is there");
                let new = (old.0, old.1, of.price, of.shares);
                self.0.insert(of.new_order_reference_number, new);
            }
            _ => {}
        }
    }

    fn shrink(&mut self, reference: u64, by: u32) {
        let order = self.0.get_mut(&reference).expect("it is there");
        order.3 -= by;
        if order.3 == 0 {
            self.0.remove(&reference);
        }
    }

    /// Levels of a side, best first.
    fn levels(&self, locate: u16, buys: bool) -> Vec<Level> {
        let mut levels = BTreeMap::<u32, Level>::new();
        for (_, _, price, shares) in self.0.values().filter(|of| of.0 == locate && of.1 == buys) {
            let level = levels.entry(*price).or_insert(Level { price: *price, ..Level::default() });
            level.orders += 1;
            level.shares += u64::from(*shares);
        }
        match buys {
            true => levels.into_values().rev().collect(),
            false => levels.into_values().collect(),
        }
    }
}

fn bytes_of(message: &Message) -> Vec<u8> {
    let mut bytes = [0; Message::LENGTH_MAX];
    let length = message.encode(&mut bytes).expect("it fits");
    bytes[..length].to_vec()
}

fn agree(books: &Books, obvious: &Obvious, instruments: usize) {
    for place in 0..instruments {
        let book = books.book(place).expect("it is followed");
        for (buys, side) in [(true, &book.bids), (false, &book.asks)] {
            let want = obvious.levels(place as u16 + 1, buys);
            let have: Vec<_> = side.iter().collect();
            let known = side.known_above();
            let is_known = |level: &&Level| {
                known.is_none_or(|cut| if buys { level.price > cut } else { level.price < cut })
            };
            let want: Vec<_> = want.iter().filter(is_known).copied().collect();
            assert_eq!(have, want, "place {place}, buys {buys}");
        }
        assert!(!book.is_spoiled);
    }
    assert_eq!(books.orders(), obvious.0.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_book_is_the_obvious_one(seed in any::<u64>(), levels_max in 2usize..40) {
        let symbols = symbols(3);
        let mut exchange = Exchange::new(seed, &symbols, 1_000_000, 300);
        let mut books = Books::new(&symbols, 400, levels_max);
        let mut obvious = Obvious::default();
        for at in 0..1_500 {
            let message = exchange.next_message();
            obvious.take(&message);
            prop_assert!(books.apply(&bytes_of(&message)).is_ok(), "{message:?}");
            if at % 50 == 0 {
                agree(&books, &obvious, 3);
            }
        }
        agree(&books, &obvious, 3);
        // A snapshot of it, applied elsewhere, is the same book, in the same order.
        let snapshot = books.snapshot(|place| place as u16 + 1);
        let mut other = Books::new(&symbols, 400, 1_000);
        for add in &snapshot {
            prop_assert!(other.apply_message(&Message::AddOrder(*add)).is_ok());
        }
        agree(&other, &obvious, 3);
        prop_assert_eq!(other.snapshot(|place| place as u16 + 1), snapshot);
    }

    #[test]
    fn what_cannot_be_is_counted_and_never_applied(
        seed in any::<u64>(),
        rows in prop::collection::vec(
            (0..Message::TABLE.len(), prop::collection::vec(any::<u8>(), 56), 0usize..70), 0..60),
    ) {
        let symbols = symbols(2);
        let mut exchange = Exchange::new(seed, &symbols, 1_000_000, 50);
        let mut books = Books::new(&symbols, 60, 1_000);
        for _ in 0..100 {
            books.apply(&bytes_of(&exchange.next_message())).expect("it can be");
        }
        for (row, noise, length) in rows {
            let (kind, right, _) = Message::TABLE[row];
            let mut bytes = noise.clone();
            bytes[0] = kind;
            bytes[1..3].copy_from_slice(&[0, noise[1] % 4]);
            bytes.truncate(if length > 55 { right } else { length });
            let before = (books.orders(), books.faults);
            if books.apply(&bytes).is_err() {
                let counted = books.faults - before.1;
                prop_assert_eq!(counted, 1);
            }
            prop_assert!(books.orders().abs_diff(before.0) <= 1);
        }
    }
}

#[test]
fn an_order_nobody_added_spoils_its_book_alone() {
    let symbols = symbols(2);
    let mut exchange = Exchange::new(1, &symbols, 1_000_000, 50);
    let mut books = Books::new(&symbols, 60, 10);
    for _ in 0..40 {
        books.apply_message(&exchange.next_message()).expect("it can be");
    }
    let delete = OrderDelete {
        stock_locate: 1,
        tracking_number: 0,
        timestamp: [0; 6],
        order_reference_number: u64::MAX,
    };
    let outcome = books.apply_message(&Message::OrderDelete(delete));
    assert_eq!(outcome, Err(BookFault::UnknownOrder));
    let spoiled = |place| books.book(place).is_some_and(|book| book.is_spoiled);
    assert_eq!((spoiled(0), spoiled(1)), (true, false));
}

use crate::wire::itch::OrderDelete;

#[test]
fn to_follow_one_more_forgets_nothing() {
    let symbols = symbols(5);
    let mut exchange = Exchange::new(3, &symbols, 1_000_000, 50);
    let (mut whole, mut grown) = (Books::new(&symbols, 1_000, 100), Books::new(&[], 1_000, 100));
    for _ in 0..2_000 {
        let message = exchange.next_message();
        if let Some(symbol) = symbol_of(&message)
            && !grown.symbols.contains(&symbol)
        {
            assert_eq!(grown.follow(symbol, 100), Some(grown.len() - 1));
        }
        whole.apply_message(&message).unwrap();
        grown.apply_message(&message).unwrap();
    }
    let all = |books: &Books| books.snapshot(|place| place as u16 + 1);
    assert_eq!(all(&grown), all(&whole));
    let tops = |books: &Books| books.books.iter().map(|of| (of.top(), of.last)).collect::<Vec<_>>();
    assert_eq!(tops(&grown), tops(&whole));
}

#[test]
fn the_breaker_of_the_whole_market_halts_all_until_each_trades_again() {
    use crate::wire::itch::MwcbStatus;
    let symbols = symbols(3);
    let mut exchange = Exchange::new(3, &symbols, 1_000_000, 50);
    let mut books = Books::new(&symbols, 1_000, 100);
    (0..100).for_each(|_| _ = books.apply_message(&exchange.next_message()).unwrap());
    let trading = |books: &Books| [0, 1, 2].map(|place| books.book(place).unwrap().trades());
    assert_eq!(trading(&books), [true; 3]);
    let (stock_locate, tracking_number, timestamp) = (0, 0, [0; 6]);
    let breach = MwcbStatus { stock_locate, tracking_number, timestamp, breached_level: b'1' };
    books.apply_message(&Message::MwcbStatus(breach)).unwrap();
    assert_eq!(trading(&books), [false; 3]);
    books.apply_message(&exchange.action(1, b'Q')).unwrap();
    books.apply_message(&exchange.action(2, b'T')).unwrap();
    assert_eq!(trading(&books), [false, true, true]);
}
