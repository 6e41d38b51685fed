//! The books of one feed, built message by message: levels, last trade, status and bands of every
//! instrument that is followed. What cannot be is counted, never applied, and spoils the book.

use crate::feed::orders::{Order, Orders};
use crate::feed::side::{Level, Side};
use crate::wire::DecodeError;
use crate::wire::itch::{AddOrder, AddOrderWithMpid, Message, since_midnight};

/// What cannot be: the message was not applied, and the book it was for is not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookFault {
    /// The message does not decode.
    Malformed(DecodeError),
    /// It is about an order nobody added.
    UnknownOrder,
    /// It adds an order that is there.
    RepeatedOrder,
    /// More is taken from an order than it has.
    TooMuch,
    /// There is no room for another order.
    Full,
    /// A side, a number of shares or a price that no order has.
    BadField,
}

/// The last trade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastTrade {
    /// Its price; 0: none yet.
    pub price: u32,
    /// Its shares.
    pub shares: u64,
    /// When, in nanoseconds since midnight.
    pub at: u64,
    /// Its match number.
    pub match_number: u64,
}

/// What an exchange says of an instrument, beside its orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// T trading, Q quotation only, P paused, H halted; a blank before anything is said.
    pub trading_state: u8,
    /// One market's own halt.
    pub is_halted_here: bool,
    /// The short sale price test: 0 none, 1 and 2 on.
    pub short_test: u8,
    /// The collar of the auction after a pause: reference, lower and upper; 0: none.
    pub collar: (u32, u32, u32),
}

impl Default for Status {
    fn default() -> Self {
        let collar = (0, 0, 0);
        Self { trading_state: b' ', is_halted_here: false, short_test: b'0', collar }
    }
}

/// Best bid and offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Top {
    /// The best bid.
    pub bid: Option<Level>,
    /// The best offer.
    pub ask: Option<Level>,
}

/// One instrument's book.
#[derive(Clone, Debug)]
pub struct Book {
    bids: Side,
    asks: Side,
    /// The last trade.
    pub last: LastTrade,
    /// Volume that was printed.
    pub volume: u64,
    /// What the exchange says of it.
    pub status: Status,
    /// Something about it could not be; its prices are not to be used until it is built anew.
    pub is_spoiled: bool,
    /// The time of the last message about it, in nanoseconds since midnight.
    pub at: u64,
}

impl Book {
    fn new(levels_max: usize) -> Self {
        Self {
            bids: Side::new(true, levels_max),
            asks: Side::new(false, levels_max),
            last: LastTrade::default(),
            volume: 0,
            status: Status::default(),
            is_spoiled: false,
            at: 0,
        }
    }

    fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
        (self.status, self.is_spoiled) = (Status::default(), false);
    }

    #[inline]
    fn side(&mut self, buys: bool) -> &mut Side {
        if buys { &mut self.bids } else { &mut self.asks }
    }

    /// Best bid and offer.
    #[inline]
    pub fn top(&self) -> Top {
        Top { bid: self.bids.best(), ask: self.asks.best() }
    }

    /// Bids, best first.
    pub fn bids(&self) -> impl Iterator<Item = Level> {
        self.bids.iter()
    }

    /// Offers, best first.
    pub fn asks(&self) -> impl Iterator<Item = Level> {
        self.asks.iter()
    }

    /// Whether the exchange trades it.
    #[inline]
    pub fn trades(&self) -> bool {
        !self.status.is_halted_here && !matches!(self.status.trading_state, b'H' | b'P')
    }
}

/// All books of one feed.
#[derive(Clone, Debug)]
pub struct Books {
    orders: Orders,
    books: Box<[Book]>,
    symbols: Box<[[u8; 8]]>,
    /// By stock locate: place and [`FIRST`], or what is below that.
    places: Box<[u16]>,
    joined: u64,
    /// The event code of the last system event.
    pub day: u8,
    /// Messages that could not be.
    pub faults: u64,
}

/// Nothing has named the instrument of this number yet.
const UNNAMED: u16 = 0;
/// The instrument of this number is not followed.
const PASSED_OVER: u16 = 1;
/// What stands for the first place.
const FIRST: u16 = 2;

/// Instruments a feed can follow: a place and a side share 16 bits.
const PLACES_MAX: usize = 1 << 15;

impl Books {
    /// Follows the instruments with these symbols, with room for so many orders and levels.
    pub fn new(symbols: &[[u8; 8]], orders_max: usize, levels_max: usize) -> Self {
        let symbols: Box<[_]> = symbols.iter().copied().take(PLACES_MAX - 2).collect();
        Self {
            orders: Orders::new(orders_max),
            books: symbols.iter().map(|_| Book::new(levels_max)).collect(),
            symbols,
            places: vec![UNNAMED; 1 << 16].into(),
            joined: 0,
            day: b' ',
            faults: 0,
        }
    }

    /// Follows one more instrument, with so many levels; its place. What is known stays.
    #[cold]
    pub fn follow(&mut self, symbol: [u8; 8], levels_max: usize) -> Option<usize> {
        let place = self.books.len();
        if place >= PLACES_MAX - 2 {
            return None;
        }
        let grown = std::mem::take(&mut self.books).into_iter();
        self.books = grown.chain([Book::new(levels_max)]).collect();
        let grown = std::mem::take(&mut self.symbols).into_iter();
        self.symbols = grown.chain([symbol]).collect();
        self.rename(place, symbol);
        Some(place)
    }

    /// Forgets all but last trades: a snapshot, or a new session, follows.
    pub fn clear(&mut self) {
        self.orders.clear();
        self.books.iter_mut().for_each(Book::clear);
        self.places.fill(UNNAMED);
        (self.joined, self.day) = (0, b' ');
    }

    /// The book at a place.
    #[inline]
    pub fn book(&self, place: usize) -> Option<&Book> {
        self.books.get(place)
    }

    /// Instruments followed.
    pub fn len(&self) -> usize {
        self.books.len()
    }

    /// Whether no instrument is followed.
    pub fn is_empty(&self) -> bool {
        self.books.is_empty()
    }

    /// Orders in all books.
    pub fn orders(&self) -> usize {
        self.orders.len()
    }

    /// Messages that are about to be applied: asks for the memory of their orders all at once, for
    /// a look at one order waits longer than everything else that is done with it.
    #[inline]
    pub fn expect<'a>(&self, messages: impl Iterator<Item = &'a [u8]>) {
        for bytes in messages {
            let is_about_one =
                matches!(bytes, [b'A' | b'F' | b'E' | b'C' | b'X' | b'D' | b'U', ..]);
            let reference = bytes.get(11..19).filter(|_| is_about_one);
            let Some(Ok(reference)) = reference.map(TryInto::try_into) else { continue };
            self.orders.fetch(u64::from_be_bytes(reference));
            if let ([b'U', ..], Some(Ok(new))) = (bytes, bytes.get(19..27).map(TryInto::try_into)) {
                self.orders.fetch(u64::from_be_bytes(new));
            }
        }
    }

    /// Applies a message; says whose book it changed or spoke of, if it is followed.
    ///
    /// # Errors
    /// What cannot be; nothing was applied.
    #[inline]
    pub fn apply(&mut self, bytes: &[u8]) -> Result<Option<usize>, BookFault> {
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(cause) => {
                self.faults += 1;
                return Err(BookFault::Malformed(cause));
            }
        };
        self.apply_message(&message)
    }

    /// The same, for one that is decoded.
    ///
    /// # Errors
    /// As [`Books::apply`].
    #[inline]
    pub fn apply_message(&mut self, message: &Message) -> Result<Option<usize>, BookFault> {
        let (locate, timestamp) = head(message);
        if self.places[usize::from(locate)] == UNNAMED {
            self.name(message, locate);
        }
        let place = self.places[usize::from(locate)].checked_sub(FIRST).map(usize::from);
        let Some(place) = place else {
            self.note_of_all(message);
            return Ok(None);
        };
        if let Some(book) = self.books.get_mut(place) {
            book.at = since_midnight(timestamp);
        }
        let outcome = self.change(place, message);
        if outcome.is_err() {
            self.spoil(place);
        }
        outcome.map(|()| Some(place))
    }

    #[inline]
    fn change(&mut self, place: usize, message: &Message) -> Result<(), BookFault> {
        match message {
            Message::AddOrder(add) => self.add(place, add),
            Message::AddOrderWithMpid(add) => self.add(place, &unattributed(add)),
            Message::OrderExecuted(fill) => {
                let price = self.take(fill.order_reference_number, fill.executed_shares)?;
                self.traded(place, price, fill.executed_shares.into(), fill.match_number);
                Ok(())
            }
            Message::OrderExecutedWithPrice(fill) => {
                self.take(fill.order_reference_number, fill.executed_shares)?;
                if fill.printable == b'Y' {
                    let shares = fill.executed_shares.into();
                    self.traded(place, fill.execution_price, shares, fill.match_number);
                }
                Ok(())
            }
            Message::OrderCancel(cancel) => {
                self.take(cancel.order_reference_number, cancel.canceled_shares).map(drop)
            }
            Message::OrderDelete(delete) => self.delete(delete.order_reference_number).map(drop),
            Message::OrderReplace(replace) => {
                if replace.shares == 0 || replace.new_order_reference_number == 0 {
                    return Err(BookFault::BadField);
                }
                let new = replace.new_order_reference_number;
                if self.orders.get_mut(new).is_some() {
                    return Err(BookFault::RepeatedOrder);
                }
                let old = self.delete(replace.original_order_reference_number)?;
                let (price, shares) = (replace.price, replace.shares);
                let (reference, timestamp) = (new, replace.timestamp);
                self.join(Order { reference, price, shares, timestamp, ..old })
            }
            other => {
                self.note(place, other);
                Ok(())
            }
        }
    }

    /// What is said of an instrument and not of an order.
    #[inline(never)]
    fn note(&mut self, place: usize, message: &Message) {
        let Some(book) = self.books.get_mut(place) else { return };
        match message {
            Message::Trade(trade) => {
                self.traded(place, trade.price, trade.shares.into(), trade.match_number);
            }
            Message::CrossTrade(cross) if cross.cross_shares > 0 => {
                self.traded(place, cross.cross_price, cross.cross_shares, cross.match_number);
            }
            Message::StockTradingAction(action) => book.status.trading_state = action.trading_state,
            Message::RegShoRestriction(test) => book.status.short_test = test.reg_sho_action,
            Message::OperationalHalt(halt) => {
                book.status.is_halted_here = halt.operational_halt_action == b'H';
            }
            Message::LuldAuctionCollar(collar) => {
                book.status.collar = (
                    collar.auction_collar_reference_price,
                    collar.lower_auction_collar_price,
                    collar.upper_auction_collar_price,
                );
            }
            _ => {}
        }
    }

    /// What is said of no instrument. A breach of the market-wide breaker halts all there are; each
    /// trades again when its own trading state says so.
    #[cold]
    fn note_of_all(&mut self, message: &Message) {
        match message {
            Message::SystemEvent(event) => self.day = event.event_code,
            Message::MwcbStatus(_) => {
                self.books.iter_mut().for_each(|book| book.status.trading_state = b'H');
            }
            _ => {}
        }
    }

    #[cold]
    fn spoil(&mut self, place: usize) {
        self.faults += 1;
        if let Some(book) = self.books.get_mut(place) {
            book.is_spoiled = true;
        }
    }

    /// The instrument at a place has this symbol from now on; messages say its number again.
    #[cold]
    pub fn rename(&mut self, place: usize, symbol: [u8; 8]) {
        if let Some(known) = self.symbols.get_mut(place) {
            *known = symbol;
        }
        let is_passed_over = |numbered: &&mut u16| **numbered == PASSED_OVER;
        self.places.iter_mut().filter(is_passed_over).for_each(|numbered| *numbered = UNNAMED);
    }

    /// A message tells which instrument has which number today.
    #[cold]
    fn name(&mut self, message: &Message, locate: u16) {
        let Some(symbol) = symbol_of(message) else { return };
        let at = self.symbols.iter().position(|known| *known == symbol);
        let place = at.map_or(PASSED_OVER, |at| at as u16 + FIRST);
        self.places[usize::from(locate)] = place;
    }

    #[inline]
    fn add(&mut self, place: usize, add: &AddOrder) -> Result<(), BookFault> {
        let buys = match add.buy_sell_indicator {
            b'B' => true,
            b'S' => false,
            _ => return Err(BookFault::BadField),
        };
        if add.shares == 0 || add.order_reference_number == 0 {
            return Err(BookFault::BadField);
        }
        self.join(Order {
            reference: add.order_reference_number,
            joined: 0,
            price: add.price,
            shares: add.shares,
            at: (place as u16) << 1 | u16::from(buys),
            timestamp: add.timestamp,
        })
    }

    #[inline]
    fn join(&mut self, order: Order) -> Result<(), BookFault> {
        self.joined += 1;
        if !self.orders.add(Order { joined: self.joined, ..order }) {
            let is_there = self.orders.get_mut(order.reference).is_some();
            return Err(if is_there { BookFault::RepeatedOrder } else { BookFault::Full });
        }
        if let Some(book) = self.books.get_mut(order.place()) {
            book.side(order.buys()).add(order.price, order.shares);
        }
        Ok(())
    }

    /// Takes shares off an order, and tells its price; an order without shares is gone.
    #[inline]
    fn take(&mut self, reference: u64, shares: u32) -> Result<u32, BookFault> {
        let order = self.orders.get_mut(reference).ok_or(BookFault::UnknownOrder)?;
        let left = order.shares.checked_sub(shares).ok_or(BookFault::TooMuch)?;
        order.shares = left;
        let order = *order;
        if left == 0 {
            self.orders.remove(reference);
        }
        if let Some(book) = self.books.get_mut(order.place()) {
            book.side(order.buys()).take(order.price, shares, left == 0);
        }
        Ok(order.price)
    }

    #[inline]
    fn delete(&mut self, reference: u64) -> Result<Order, BookFault> {
        let order = self.orders.remove(reference).ok_or(BookFault::UnknownOrder)?;
        if let Some(book) = self.books.get_mut(order.place()) {
            book.side(order.buys()).take(order.price, order.shares, true);
        }
        Ok(order)
    }

    #[inline]
    fn traded(&mut self, place: usize, price: u32, shares: u64, match_number: u64) {
        if let Some(book) = self.books.get_mut(place) {
            book.last = LastTrade { price, shares, at: book.at, match_number };
            book.volume = book.volume.saturating_add(shares);
        }
    }

    /// All orders as messages that add them, in priority order with their own times: what a
    /// snapshot is made of. `locate` gives the number that stands for a place.
    pub fn snapshot(&self, locate: impl Fn(usize) -> u16) -> Vec<AddOrder> {
        let mut orders: Vec<&Order> = self.orders.iter().collect();
        orders.sort_by_key(|order| order.joined);
        let add = |order: &Order| AddOrder {
            stock_locate: locate(order.place()),
            tracking_number: 0,
            timestamp: order.timestamp,
            order_reference_number: order.reference,
            buy_sell_indicator: if order.buys() { b'B' } else { b'S' },
            shares: order.shares,
            stock: self.symbols.get(order.place()).copied().unwrap_or([b' '; 8]),
            price: order.price,
        };
        orders.into_iter().map(add).collect()
    }
}

fn unattributed(add: &AddOrderWithMpid) -> AddOrder {
    AddOrder {
        stock_locate: add.stock_locate,
        tracking_number: add.tracking_number,
        timestamp: add.timestamp,
        order_reference_number: add.order_reference_number,
        buy_sell_indicator: add.buy_sell_indicator,
        shares: add.shares,
        stock: add.stock,
        price: add.price,
    }
}

/// The symbol a message names.
fn symbol_of(message: &Message) -> Option<[u8; 8]> {
    match message {
        Message::StockDirectory(of) => Some(of.stock),
        Message::StockTradingAction(of) => Some(of.stock),
        Message::AddOrder(of) => Some(of.stock),
        Message::AddOrderWithMpid(of) => Some(of.stock),
        Message::Trade(of) => Some(of.stock),
        _ => None,
    }
}

/// Each message's number of its instrument, and its time.
macro_rules! heads {
    ($message:ident: $($kind:ident)+) => {
        match $message { $(Message::$kind(of) => (of.stock_locate, of.timestamp),)+ }
    };
}

#[inline]
fn head(message: &Message) -> (u16, [u8; 6]) {
    heads!(message: SystemEvent StockDirectory StockTradingAction RegShoRestriction
        MarketParticipantPosition MwcbDeclineLevel MwcbStatus IpoQuotingPeriodUpdate
        LuldAuctionCollar OperationalHalt AddOrder AddOrderWithMpid OrderExecuted
        OrderExecutedWithPrice OrderCancel OrderDelete OrderReplace Trade CrossTrade BrokenTrade
        NetOrderImbalance RetailPriceImprovement DirectListing)
}

#[cfg(test)]
mod tests;
