//! `Storm`: random commands that reach every branch of the hardware's book, and a little beyond
//! what it takes.

use crate::flow::Dice;
use crate::fpga::{Capacity, LADDER_TICKS};
use crate::model::{
    AccountId, Command, CommandKind, Flags, InstrumentId, Nanos, OrderType, Price, Quantity,
    SelfTrade, SeqNo, SessionId, Side, TimeInForce,
};

/// The lowest price of every ladder, and its step.
pub(super) const BASE: Price = Price(1_000_000);
/// The price step.
pub(super) const TICK: Price = Price(100);

/// Sessions and accounts of a storm: few, so that orders meet their own.
const SESSIONS: u64 = 6;
const ACCOUNTS: u64 = 5;

/// Makes commands by dice.
#[derive(Debug)]
pub(super) struct Storm {
    dice: Dice,
    capacity: Capacity,
    seq: u64,
    /// Where each instrument's market is.
    markets: Vec<i64>,
    /// The last number each session gave.
    ordinals: [u32; SESSIONS as usize + 1],
    /// Orders that may rest.
    known: Vec<(u32, u32)>,
    /// Whether now and then a command is broken.
    spoils: bool,
}

impl Storm {
    /// For a device of this capacity.
    pub(super) fn new(seed: u64, capacity: Capacity) -> Self {
        let markets = vec![i64::from(LADDER_TICKS) / 2; capacity.symbols as usize];
        let ordinals = [0; SESSIONS as usize + 1];
        let (dice, known) = (Dice::new(seed), Vec::new());
        Self { dice, capacity, seq: 0, markets, ordinals, known, spoils: true }
    }

    /// Commands that the edge and risk would let through, and no others.
    #[cfg(test)]
    pub(super) fn sound(seed: u64, capacity: Capacity) -> Self {
        Self { spoils: false, ..Self::new(seed, capacity) }
    }

    /// The next command, given how many orders rest.
    pub(super) fn next(&mut self, resting: usize) -> Command {
        let crowded = resting * 10 > self.capacity.orders as usize * 9;
        let kind = self.dice.below(100);
        let mut command = match kind {
            _ if crowded && self.capacity.orders > 64 && kind < 40 => self.cancel(true),
            0..62 => self.enter(),
            62..82 => self.cancel(true),
            82..85 => self.cancel(false),
            85..96 => self.replace(),
            _ => self.modify(),
        };
        self.seq += 1;
        command.seq = SeqNo(self.seq);
        command.timestamp = Nanos(self.seq * 1_000 + self.dice.below(1_000));
        command.client_seq = self.dice.bits() as u32;
        if self.spoils && self.dice.below(200) == 0 {
            self.spoil(&mut command);
        }
        command
    }

    fn price(&mut self, symbol: usize, side: Side, passive: bool) -> Price {
        let market = &mut self.markets[symbol];
        *market += self.dice.below(7) as i64 - 3;
        *market = (*market).clamp(64, i64::from(LADDER_TICKS) - 64);
        let far = if self.dice.percent(20) { u64::from(LADDER_TICKS) } else { 24 };
        let distance = self.dice.power_law(far) as i64;
        let away = if passive { distance } else { 2 - distance };
        let index = if side.is_buy() { *market - away } else { *market + away };
        Price(BASE.0 + index.clamp(0, i64::from(LADDER_TICKS) - 1) * TICK.0)
    }

    fn quantity(&mut self) -> Quantity {
        let big = self.dice.percent(4);
        Quantity(1 + self.dice.below(if big { 20_000 } else { 200 }) as u32)
    }

    fn enter(&mut self) -> Command {
        let mut command = Command::new(CommandKind::Enter);
        let symbol = self.dice.below(self.markets.len() as u64) as usize;
        let session = 1 + self.dice.below(SESSIONS) as usize;
        self.ordinals[session] += 1;
        command.session = SessionId(session as u32);
        command.ordinal = self.ordinals[session];
        command.instrument = InstrumentId(symbol as u32 + 1);
        command.account = AccountId(1 + self.dice.below(ACCOUNTS) as u32);
        let side = if self.dice.percent(50) { Side::Buy } else { self.sale() };
        command.side = side.code();
        command.quantity = self.quantity();
        self.instruct(&mut command, symbol, side);
        self.remember(session as u32, command.ordinal);
        command
    }

    fn sale(&mut self) -> Side {
        [Side::Sell, Side::Sell, Side::SellShort, Side::SellShortExempt]
            [self.dice.below(4) as usize]
    }

    /// Price, time in force and flags of an order or replacement.
    fn instruct(&mut self, command: &mut Command, symbol: usize, side: Side) {
        let (order_type, time, passive) = match self.dice.below(100) {
            0..62 => (OrderType::Limit, TimeInForce::Day, true),
            62..72 => (OrderType::Limit, TimeInForce::Gtc, false),
            72..82 => (OrderType::Limit, TimeInForce::Ioc, false),
            82..92 => (OrderType::Limit, TimeInForce::Fok, false),
            92..97 => (OrderType::Market, TimeInForce::Ioc, false),
            _ => (OrderType::Market, TimeInForce::Day, false),
        };
        command.order_type = order_type.code();
        command.time_in_force = time.code();
        command.price = self.price(symbol, side, passive);
        if order_type == OrderType::Market {
            command.price = match self.dice.below(4) {
                0 => Price(command.price.0 + 37),
                1 => Price(self.dice.below(3_000_000) as i64),
                _ => Price::ZERO,
            };
        }
        let setting = match self.dice.below(10) {
            0 => SelfTrade::CancelNewest,
            1 | 2 => SelfTrade::CancelOldest,
            3 => SelfTrade::CancelBoth,
            4 | 5 => SelfTrade::Decrement,
            _ => SelfTrade::Allow,
        };
        let flags = if self.dice.percent(8) { Flags::POST_ONLY } else { Flags::default() };
        command.flags = flags.with_self_trade(setting);
    }

    fn remember(&mut self, session: u32, ordinal: u32) {
        if self.known.len() >= self.capacity.orders as usize * 2 {
            let at = self.dice.below(self.known.len() as u64) as usize;
            self.known.swap_remove(at);
        }
        self.known.push((session, ordinal));
    }

    /// An order that may rest; whoever asks may forget it.
    fn pick(&mut self, forget: bool) -> (u32, u32) {
        if self.known.is_empty() {
            return (1, 1);
        }
        let at = self.dice.below(self.known.len() as u64) as usize;
        if forget { self.known.swap_remove(at) } else { self.known[at] }
    }

    fn cancel(&mut self, whole: bool) -> Command {
        let mut command = Command::new(CommandKind::Cancel);
        let (session, target) = self.pick(whole);
        command.session = SessionId(session);
        command.target = target;
        command.quantity = if whole { Quantity(0) } else { self.quantity() };
        command
    }

    fn modify(&mut self) -> Command {
        let side = if self.dice.percent(40) { Side::Buy } else { self.sale() };
        let cut = self.cancel(false);
        Command { kind: CommandKind::Modify.code(), side: side.code(), ..cut }
    }

    fn replace(&mut self) -> Command {
        let mut command = Command::new(CommandKind::Replace);
        let (session, target) = self.pick(true);
        self.ordinals[session as usize] += 1;
        command.session = SessionId(session);
        command.target = target;
        command.ordinal = self.ordinals[session as usize];
        command.quantity = self.quantity();
        let symbol = self.dice.below(self.markets.len() as u64) as usize;
        let side = if self.dice.percent(50) { Side::Buy } else { Side::Sell };
        self.instruct(&mut command, symbol, side);
        self.remember(session, command.ordinal);
        command
    }

    /// Breaks one thing that the edge or risk would have refused.
    fn spoil(&mut self, command: &mut Command) {
        match self.dice.below(9) {
            0 => command.quantity = Quantity(0),
            1 => command.price = Price(command.price.0 + 1),
            2 => command.session = SessionId(1 << 20),
            3 => command.instrument = InstrumentId(self.capacity.symbols + 1),
            4 => command.side = 9,
            5 => command.time_in_force = 200,
            6 => command.verdict = 9,
            7 => command.ordinal = self.pick(false).1,
            _ => command.price = Price(-100),
        }
    }
}
