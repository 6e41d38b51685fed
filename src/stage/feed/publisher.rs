//! Events become ITCH messages: a fold, so a replay publishes the same numbers again.

use crate::model::{Event, EventFlags, EventKind, Instrument, Phase, Side, Symbol};
use crate::snapshot::part;
use crate::stage::feed::days::Days;
use crate::stage::feed::store::{MESSAGE_MAX, Store};
use crate::stage::gateway::since_midnight;
use crate::wire::itch::{
    AddOrder, BrokenTrade, Message, NetOrderImbalance, OrderCancel, OrderDelete, OrderExecuted,
    OrderExecutedWithPrice, OrderReplace, StockDirectory, StockTradingAction, SystemEvent, Trade,
    timestamp,
};

/// What was published, and what is needed to publish more.
#[derive(Debug)]
pub(super) struct Publisher {
    instruments: Box<[Instrument]>,
    symbols: Box<[[u8; 8]]>,
    /// Trading states as told last; of places that nobody has, as they would be told.
    states: Box<[u8]>,
    pub(super) store: Store,
    pub(super) days: Days,
}
part!(Publisher { instruments, symbols, states, store, days });

impl Publisher {
    pub(super) fn new(instruments: &[Instrument], messages: usize) -> Self {
        let highest = instruments.iter().map(|listed| listed.id.index()).max().unwrap_or(0);
        let mut symbols = vec![[b' '; 8]; highest + 1];
        for instrument in instruments {
            symbols[instrument.id.index()] = instrument.symbol.0;
        }
        Self {
            instruments: instruments.into(),
            states: vec![b'T'; symbols.len()].into(),
            symbols: symbols.into(),
            store: Store::new(messages),
            days: Days::default(),
        }
    }

    /// What is listed by now.
    pub(super) fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// Publishes what an event shows to the market.
    #[inline]
    pub(super) fn apply(&mut self, event: &Event) {
        match event.kind() {
            Ok(EventKind::Accepted) if event.flags.has(EventFlags::RESTS) => {
                self.add(event);
            }
            Ok(EventKind::Rested | EventKind::Refreshed) => self.add(event),
            Ok(EventKind::Executed) if event.flags.0 & MAKER_HERE == EventFlags::MAKER.0 => {
                self.execute(event);
            }
            Ok(EventKind::PhaseChanged) => self.trading_action(event),
            Ok(EventKind::Indicative) => self.imbalance(event),
            Ok(EventKind::Busted) if event.flags.has(EventFlags::AWAY) => {}
            Ok(EventKind::Busted) if event.side() == Some(Side::Buy) => self.broken(event),
            Ok(EventKind::Cancelled) if event.flags.has(EventFlags::RESTS) => self.cancel(event),
            Ok(EventKind::Reduced) => self.reduce(event),
            Ok(EventKind::Replaced) => self.replace(event),
            Ok(EventKind::StartOfDay) => self.start_of_day(event),
            Ok(EventKind::EndOfDay) => self.end_of_day(event),
            Ok(EventKind::InstrumentSet) => self.list(event),
            _ => {}
        }
    }

    /// Adds a message; one that does not fit a slot cannot be, by the assertion below.
    #[inline]
    fn push(&mut self, message: Message) {
        self.store.push(|space| message.encode(space).unwrap_or(0));
    }

    fn symbol(&self, event: &Event) -> [u8; 8] {
        self.symbols.get(event.instrument.index()).copied().unwrap_or([b' '; 8])
    }

    fn add(&mut self, event: &Event) {
        let stock = self.symbol(event);
        self.push(Message::AddOrder(AddOrder {
            stock_locate: locate(event),
            tracking_number: 0,
            timestamp: time_of(event),
            order_reference_number: event.reference.0,
            buy_sell_indicator: side_code(event),
            shares: event.quantity.0,
            stock,
            price: price_of(event),
        }));
    }

    /// Of an order that is not shown, and of an auction, the market learns the trade alone.
    fn execute(&mut self, event: &Event) {
        if event.flags.has(EventFlags::HIDDEN) || event.flags.has(EventFlags::AUCTION) {
            return self.trade(event);
        }
        if event.flags.has(EventFlags::DISCRETION) {
            return self.push(Message::OrderExecutedWithPrice(OrderExecutedWithPrice {
                stock_locate: locate(event),
                tracking_number: 0,
                timestamp: time_of(event),
                order_reference_number: event.reference.0,
                executed_shares: event.quantity.0,
                match_number: event.match_number().0,
                printable: b'Y',
                execution_price: price_of(event),
            }));
        }
        self.push(Message::OrderExecuted(OrderExecuted {
            stock_locate: locate(event),
            tracking_number: 0,
            timestamp: time_of(event),
            order_reference_number: event.reference.0,
            executed_shares: event.quantity.0,
            match_number: event.match_number().0,
        }));
    }

    fn cancel(&mut self, event: &Event) {
        if event.flags.has(EventFlags::DONE) { self.delete(event) } else { self.reduce(event) }
    }

    fn delete(&mut self, event: &Event) {
        self.push(Message::OrderDelete(OrderDelete {
            stock_locate: locate(event),
            tracking_number: 0,
            timestamp: time_of(event),
            order_reference_number: event.reference.0,
        }));
    }

    fn reduce(&mut self, event: &Event) {
        self.push(Message::OrderCancel(OrderCancel {
            stock_locate: locate(event),
            tracking_number: 0,
            timestamp: time_of(event),
            order_reference_number: event.reference.0,
            canceled_shares: event.quantity.0,
        }));
    }

    fn trade(&mut self, event: &Event) {
        let stock = self.symbol(event);
        self.push(Message::Trade(Trade {
            stock_locate: locate(event),
            tracking_number: 0,
            timestamp: time_of(event),
            order_reference_number: 0,
            buy_sell_indicator: b'B',
            shares: event.quantity.0,
            stock,
            price: price_of(event),
            match_number: event.match_number().0,
        }));
    }

    fn broken(&mut self, event: &Event) {
        self.push(Message::BrokenTrade(BrokenTrade {
            stock_locate: locate(event),
            tracking_number: 0,
            timestamp: time_of(event),
            match_number: event.reference.0,
        }));
    }

    fn trading_action(&mut self, event: &Event) {
        let stock = self.symbol(event);
        let trading_state = match Phase::from_code(event.reason) {
            Some(Phase::Continuous | Phase::Extended) => b'T',
            Some(Phase::Halt) | None => b'H',
            Some(Phase::Closed) => b'P',
            Some(_) => b'Q',
        };
        if let Some(state) = self.states.get_mut(event.instrument.index()) {
            *state = trading_state;
        }
        if stock == Symbol::BLANK.0 {
            return;
        }
        self.push(Message::StockTradingAction(StockTradingAction {
            stock_locate: locate(event),
            tracking_number: 0,
            timestamp: time_of(event),
            stock,
            trading_state,
            reserved: b' ',
            reason_code: [b' '; 4],
        }));
    }

    fn imbalance(&mut self, event: &Event) {
        let stock = self.symbol(event);
        let imbalance_direction = match (event.target, event.side()) {
            (0, _) => b'N',
            (_, Some(Side::Buy)) => b'B',
            _ => b'S',
        };
        let cross_type = match Phase::from_code(event.reason) {
            Some(Phase::OpeningAuction) => b'O',
            Some(Phase::ClosingAuction) => b'C',
            _ => b'H',
        };
        let price = price_of(event);
        self.push(Message::NetOrderImbalance(NetOrderImbalance {
            stock_locate: locate(event),
            tracking_number: 0,
            timestamp: time_of(event),
            paired_shares: u64::from(event.quantity.0),
            imbalance_shares: u64::from(event.target),
            imbalance_direction,
            stock,
            far_price: price,
            near_price: price,
            current_reference_price: price,
            cross_type,
            price_variation_indicator: b' ',
        }));
    }

    /// An order that rests at once is replaced; one that trades first leaves, and joins by what
    /// is left of it. One that kept its place is told by the reduction that follows.
    fn replace(&mut self, event: &Event) {
        if event.flags.has(EventFlags::KEPT_PRIORITY) {
            return;
        }
        let (hidden, rests) =
            (event.flags.has(EventFlags::HIDDEN), event.flags.has(EventFlags::RESTS));
        match (hidden, rests) {
            (true, true) => {
                let reference = event.id.seq();
                return self.add(&Event { reference, ..*event });
            }
            (true, false) => return,
            (false, false) => return self.delete(event),
            (false, true) => {}
        }
        self.push(Message::OrderReplace(OrderReplace {
            stock_locate: locate(event),
            tracking_number: 0,
            timestamp: time_of(event),
            original_order_reference_number: event.reference.0,
            new_order_reference_number: event.id.seq().0,
            shares: event.quantity.0,
            price: price_of(event),
        }));
    }

    fn start_of_day(&mut self, event: &Event) {
        if self.days.take(event) {
            self.system(event, b'C');
            self.days.turn(self.store.next());
        }
        self.system(event, b'O');
        self.system(event, b'S');
        for at in 0..self.instruments.len() {
            let Some(instrument) = self.instruments.get(at).copied() else { break };
            if !instrument.is_spare() {
                self.introduce(event, &instrument);
                self.open(event, &instrument, b'T');
            }
        }
        self.system(event, b'Q');
    }

    fn introduce(&mut self, event: &Event, instrument: &Instrument) {
        self.push(Message::StockDirectory(directory(event, instrument)));
    }

    fn open(&mut self, event: &Event, instrument: &Instrument, trading_state: u8) {
        self.push(Message::StockTradingAction(StockTradingAction {
            stock_locate: instrument.id.0 as u16,
            tracking_number: 0,
            timestamp: time_of(event),
            stock: instrument.symbol.0,
            trading_state,
            reserved: b' ',
            reason_code: [b' '; 4],
        }));
    }

    /// An instrument is listed, or otherwise; of one that is new its state is told too.
    #[cold]
    fn list(&mut self, event: &Event) {
        let Some(listed) = Instrument::of_event(event) else { return };
        let Some(known) = self.instruments.iter_mut().find(|known| known.id == listed.id) else {
            return;
        };
        let was_spare = known.is_spare();
        *known = listed;
        if let Some(symbol) = self.symbols.get_mut(listed.id.index()) {
            *symbol = listed.symbol.0;
        }
        self.introduce(event, &listed);
        if was_spare {
            let state = self.states.get(listed.id.index()).copied().unwrap_or(b'T');
            self.open(event, &listed, state);
        }
    }

    /// What the day's end takes from the books comes after this, so the session goes on until the
    /// next day starts; it did not where `quantity` is 0.
    fn end_of_day(&mut self, event: &Event) {
        self.days.take(event);
        self.system(event, b'M');
        self.system(event, b'E');
        if !self.days.is_over {
            self.system(event, b'C');
        }
    }

    fn system(&mut self, event: &Event, event_code: u8) {
        self.push(Message::SystemEvent(SystemEvent {
            stock_locate: 0,
            tracking_number: 0,
            timestamp: time_of(event),
            event_code,
        }));
    }
}

const _: () = assert!(Message::LENGTH_MAX <= MESSAGE_MAX);

/// What an execution here has of these, on its maker's side, is one of them.
const MAKER_HERE: u8 = EventFlags::MAKER.0 | EventFlags::AWAY.0;

fn locate(event: &Event) -> u16 {
    event.instrument.0 as u16
}

fn time_of(event: &Event) -> [u8; 6] {
    timestamp(since_midnight(event.timestamp))
}

/// OUCH bounds prices below what ITCH's 32 bits hold.
fn price_of(event: &Event) -> u32 {
    u32::try_from(event.price.0).unwrap_or(u32::MAX)
}

fn side_code(event: &Event) -> u8 {
    if event.side() == Some(Side::Buy) { b'B' } else { b'S' }
}

fn directory(event: &Event, instrument: &Instrument) -> StockDirectory {
    StockDirectory {
        stock_locate: instrument.id.0 as u16,
        tracking_number: 0,
        timestamp: time_of(event),
        stock: instrument.symbol.0,
        market_category: b' ',
        financial_status_indicator: b' ',
        round_lot_size: instrument.lot.0,
        round_lots_only: b'N',
        issue_classification: b'C',
        issue_sub_type: *b"Z ",
        authenticity: b'P',
        short_sale_threshold_indicator: b' ',
        ipo_flag: b' ',
        luld_reference_price_tier: b' ',
        etp_flag: b'N',
        etp_leverage_factor: 0,
        inverse_indicator: b'N',
    }
}
