//! A made-up exchange: a day of ITCH messages from a seed, for tests, benchmarks and drills. What
//! it says is possible: orders are added before they trade, shrink or leave.

use crate::wire::itch::{
    AddOrder, AddOrderWithMpid, BrokenTrade, CrossTrade, Message, OrderCancel, OrderDelete,
    OrderExecuted, OrderExecutedWithPrice, OrderReplace, StockDirectory, StockTradingAction,
    SystemEvent, Trade, timestamp,
};

#[derive(Clone, Copy, Debug)]
struct Live {
    reference: u64,
    instrument: usize,
    shares: u32,
    buys: bool,
}

/// The exchange.
#[derive(Clone, Debug)]
pub struct Exchange {
    symbols: Vec<[u8; 8]>,
    /// The middle of each instrument's market.
    middles: Vec<u32>,
    live: Vec<Live>,
    live_max: usize,
    dice: u64,
    next: u64,
    opening: usize,
    now: u64,
}

impl Exchange {
    /// With these instruments around a price, and about so many orders at a time.
    pub fn new(seed: u64, symbols: &[[u8; 8]], middle: u32, live_max: usize) -> Self {
        Self {
            symbols: symbols.to_vec(),
            middles: vec![middle; symbols.len()],
            live: Vec::with_capacity(live_max + 1),
            live_max: live_max.max(1),
            dice: seed | 1,
            next: 1,
            opening: 0,
            now: 34_200_000_000_000,
        }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        // xorshift: good enough to be irregular, and the same everywhere.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) % sides.max(1)
    }

    /// The time its messages carry, in nanoseconds since midnight.
    pub fn set_now(&mut self, since_midnight: u64) {
        self.now = since_midnight;
    }

    fn time(&mut self) -> [u8; 6] {
        self.now += 1 + self.roll(1_000);
        timestamp(self.now)
    }

    /// The next message.
    pub fn next_message(&mut self) -> Message {
        if let Some(message) = self.open() {
            return message;
        }
        if self.live.is_empty() || self.live.len() < self.live_max && self.roll(100) < 55 {
            return self.add();
        }
        let place = self.roll(self.live.len() as u64) as usize;
        match self.roll(100) {
            0..24 if self.live.len() < self.live_max => self.add(),
            0..60 => self.delete(place),
            60..72 => self.replace(place),
            72..84 => Message::OrderExecuted(self.executed(place)),
            84..96 => self.cancel(place),
            96..98 => self.execute_with_price(place),
            98 => self.trade(),
            _ => self.other(place),
        }
    }

    /// The day's first messages.
    fn open(&mut self) -> Option<Message> {
        let at = self.opening;
        let timestamp = self.time();
        let (stock_locate, tracking_number) = ((at.div_ceil(2)) as u16, 0);
        let stock = *self.symbols.get(at.saturating_sub(1) / 2)?;
        self.opening += 1;
        Some(match at {
            0 => Message::SystemEvent(SystemEvent {
                stock_locate: 0,
                tracking_number,
                timestamp,
                event_code: b'O',
            }),
            _ if at % 2 == 1 => Message::StockDirectory(StockDirectory {
                stock_locate,
                tracking_number,
                timestamp,
                stock,
                market_category: b'Q',
                financial_status_indicator: b'N',
                round_lot_size: 100,
                round_lots_only: b'N',
                issue_classification: b'C',
                issue_sub_type: *b"Z ",
                authenticity: b'T',
                short_sale_threshold_indicator: b'N',
                ipo_flag: b'N',
                luld_reference_price_tier: b'1',
                etp_flag: b'N',
                etp_leverage_factor: 0,
                inverse_indicator: b'N',
            }),
            _ => self.action(at / 2 - 1, b'T'),
        })
    }

    /// The exchange halts an instrument (H), or lets it trade (T).
    pub fn action(&mut self, instrument: usize, trading_state: u8) -> Message {
        Message::StockTradingAction(StockTradingAction {
            stock_locate: instrument as u16 + 1,
            tracking_number: 0,
            timestamp: self.time(),
            stock: self.symbols.get(instrument).copied().unwrap_or([b' '; 8]),
            trading_state,
            reserved: b' ',
            reason_code: *b"    ",
        })
    }

    /// A price of a side, near the middle as a rule: never one that crosses.
    fn price(&mut self, instrument: usize, buys: bool) -> u32 {
        let far = if self.roll(10) == 0 { 500 } else { 12 };
        let ticks = (1 + self.roll(far)) as u32 * 100;
        let middle = self.middles[instrument];
        if buys { middle.saturating_sub(ticks).max(100) } else { middle + ticks }
    }

    fn add(&mut self) -> Message {
        let instrument = self.roll(self.symbols.len() as u64) as usize;
        let (buys, shares) = (self.roll(2) == 0, 100 * (1 + self.roll(9)) as u32);
        let (reference, price) = (self.next, self.price(instrument, buys));
        self.next += 1 + self.roll(3);
        self.live.push(Live { reference, instrument, shares, buys });
        let add = AddOrder {
            stock_locate: instrument as u16 + 1,
            tracking_number: 0,
            timestamp: self.time(),
            order_reference_number: reference,
            buy_sell_indicator: if buys { b'B' } else { b'S' },
            shares,
            stock: self.symbols[instrument],
            price,
        };
        if self.roll(20) > 0 {
            return Message::AddOrder(add);
        }
        Message::AddOrderWithMpid(AddOrderWithMpid {
            stock_locate: add.stock_locate,
            tracking_number: 0,
            timestamp: add.timestamp,
            order_reference_number: reference,
            buy_sell_indicator: add.buy_sell_indicator,
            shares,
            stock: add.stock,
            price,
            attribution: *b"MAKR",
        })
    }

    /// Takes some shares, or all, off an order; tells whose and how many.
    fn shrink(&mut self, place: usize) -> (Live, u32) {
        let live = self.live[place];
        let shares = 1 + self.roll(u64::from(live.shares)) as u32;
        if shares == live.shares {
            self.live.swap_remove(place);
        } else {
            self.live[place].shares -= shares;
        }
        (live, shares)
    }

    fn executed(&mut self, place: usize) -> OrderExecuted {
        let (live, executed_shares) = self.shrink(place);
        OrderExecuted {
            stock_locate: live.instrument as u16 + 1,
            tracking_number: 0,
            timestamp: self.time(),
            order_reference_number: live.reference,
            executed_shares,
            match_number: self.now,
        }
    }

    fn execute_with_price(&mut self, place: usize) -> Message {
        let (instrument, of) = (self.live[place].instrument, self.executed(place));
        Message::OrderExecutedWithPrice(OrderExecutedWithPrice {
            stock_locate: of.stock_locate,
            tracking_number: of.tracking_number,
            timestamp: of.timestamp,
            order_reference_number: of.order_reference_number,
            executed_shares: of.executed_shares,
            match_number: of.match_number,
            printable: if self.roll(2) == 0 { b'Y' } else { b'N' },
            execution_price: self.middles[instrument],
        })
    }

    fn cancel(&mut self, place: usize) -> Message {
        let (live, canceled_shares) = self.shrink(place);
        if canceled_shares == live.shares {
            return self.deleted(live);
        }
        Message::OrderCancel(OrderCancel {
            stock_locate: live.instrument as u16 + 1,
            tracking_number: 0,
            timestamp: self.time(),
            order_reference_number: live.reference,
            canceled_shares,
        })
    }

    fn delete(&mut self, place: usize) -> Message {
        let live = self.live.swap_remove(place);
        self.deleted(live)
    }

    fn deleted(&mut self, live: Live) -> Message {
        Message::OrderDelete(OrderDelete {
            stock_locate: live.instrument as u16 + 1,
            tracking_number: 0,
            timestamp: self.time(),
            order_reference_number: live.reference,
        })
    }

    fn replace(&mut self, place: usize) -> Message {
        let live = self.live[place];
        let (new, shares) = (self.next, 100 * (1 + self.roll(9)) as u32);
        self.next += 1;
        self.live[place] = Live { reference: new, shares, ..live };
        Message::OrderReplace(OrderReplace {
            stock_locate: live.instrument as u16 + 1,
            tracking_number: 0,
            timestamp: self.time(),
            original_order_reference_number: live.reference,
            new_order_reference_number: new,
            shares,
            price: self.price(live.instrument, live.buys),
        })
    }

    fn trade(&mut self) -> Message {
        let instrument = self.roll(self.symbols.len() as u64) as usize;
        Message::Trade(Trade {
            stock_locate: instrument as u16 + 1,
            tracking_number: 0,
            timestamp: self.time(),
            order_reference_number: 0,
            buy_sell_indicator: b'B',
            shares: 100,
            stock: self.symbols[instrument],
            price: self.middles[instrument],
            match_number: self.now,
        })
    }

    /// A cross, a broken trade.
    fn other(&mut self, place: usize) -> Message {
        let instrument = self.live[place].instrument;
        let (stock_locate, tracking_number) = (instrument as u16 + 1, 0);
        let timestamp = self.time();
        if self.roll(2) == 0 {
            let match_number = self.now;
            return Message::BrokenTrade(BrokenTrade {
                stock_locate,
                tracking_number,
                timestamp,
                match_number,
            });
        }
        Message::CrossTrade(CrossTrade {
            stock_locate,
            tracking_number,
            timestamp,
            cross_shares: 1_000,
            stock: self.symbols[instrument],
            cross_price: self.middles[instrument],
            match_number: self.now,
            cross_type: b'H',
        })
    }
}

/// Made-up symbols, all different.
pub fn symbols(count: usize) -> Vec<[u8; 8]> {
    let symbol = |at: usize| {
        let mut symbol = *b"S       ";
        symbol[1..].iter_mut().zip(format!("{at}").bytes()).for_each(|(to, byte)| *to = byte);
        symbol
    };
    (0..count).map(symbol).collect()
}
