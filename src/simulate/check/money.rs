//! Money, positions and what is held for open orders, counted once more from the events on record
//! alone, in the plainest way, and compared with what the risk gate says.

use std::collections::BTreeMap;

use crate::engine::{Fold, Shards};
use crate::model::{
    AccountId, Command, CommandKind, Event, EventFlags, EventKind, Fault, InstrumentId, Nanos,
    Price, Quantity, SeqNo, Side,
};
use crate::simulate::market::Lot;

/// An order that is open: whose it is, and what of it.
struct Open {
    account: AccountId,
    instrument: InstrumentId,
    is_sale: bool,
    price: i64,
    /// The most that its money may be held at: a sale may bring more than it asks.
    price_max: i64,
    quantity: u32,
}

/// What one account has, in all and by instrument.
#[derive(Debug, Default, PartialEq, Eq)]
struct Account {
    cash_flow: i64,
    held_buy: i64,
    positions: BTreeMap<u32, i64>,
    /// Shares of open purchases and of open sales.
    shares: BTreeMap<u32, [u32; 2]>,
}

/// All accounts and all open orders.
pub(super) struct Ledger {
    open: BTreeMap<(u32, u32), Open>,
    accounts: BTreeMap<u32, Account>,
    /// The highest price that was traded at or that trading began with.
    highest: i64,
}

impl Ledger {
    /// Before the first event; trading begins with a price.
    pub(super) fn new(reference: Price) -> Self {
        Self { open: BTreeMap::new(), accounts: BTreeMap::new(), highest: reference.0 }
    }

    /// Counts an event.
    pub(super) fn add(&mut self, event: &Event) {
        let id = (event.session.0, event.ordinal);
        let is_sale = event.side() == Some(Side::Sell);
        match EventKind::from_code(event.kind) {
            Some(EventKind::Accepted | EventKind::Replaced) => {
                if event.kind == EventKind::Replaced.code() {
                    self.open.remove(&(event.session.0, event.target));
                }
                let open = Open {
                    account: event.account,
                    instrument: event.instrument,
                    is_sale,
                    price: event.price.0,
                    price_max: event.price.0.max(self.highest),
                    quantity: event.quantity.0,
                };
                self.open.insert(id, open);
            }
            Some(EventKind::Executed) => {
                let money = event.price.0 * i64::from(event.quantity.0);
                self.highest = self.highest.max(event.price.0);
                let shares = i64::from(event.quantity.0);
                let account = self.accounts.entry(event.account.0).or_default();
                account.cash_flow += if is_sale { money } else { -money };
                let position = account.positions.entry(event.instrument.0).or_default();
                *position += if is_sale { -shares } else { shares };
                self.reduce(id, event.quantity.0);
            }
            Some(EventKind::Cancelled) => self.reduce(id, event.quantity.0),
            _ => {}
        }
        if event.flags.has(EventFlags::DONE) {
            self.open.remove(&id);
        }
    }

    /// What is open of an instrument, in order.
    pub(super) fn open_of(&self, instrument: InstrumentId) -> Vec<Lot> {
        let open = self.open.values().filter(|open| open.instrument == instrument);
        let lot = |open: &Open| Lot {
            is_sale: open.is_sale,
            quantity: Quantity(open.quantity),
            price: Price(open.price),
        };
        let mut lots: Vec<_> = open.map(lot).collect();
        lots.sort_unstable();
        lots
    }

    fn reduce(&mut self, id: (u32, u32), quantity: u32) {
        if let Some(open) = self.open.get_mut(&id) {
            open.quantity = open.quantity.saturating_sub(quantity);
        }
    }

    /// The first number that the gate of a fold has otherwise, once it was told of all events.
    ///
    /// # Errors
    /// A gate that does not take an event.
    pub(super) fn differs(mut self, fold: &mut Fold<Shards>) -> Result<Option<String>, Fault> {
        let Fold { gate, feedback, .. } = fold;
        let mut last = Command::new(CommandKind::Tick);
        (last.seq, last.timestamp) = (SeqNo::MAX, Nanos::MAX);
        feedback.apply_due(&last, |event| gate.apply(event))?;
        let mut held_sell = BTreeMap::<u32, (i64, i64)>::new();
        for open in self.open.values() {
            let account = self.accounts.entry(open.account.0).or_default();
            let shares = account.shares.entry(open.instrument.0).or_default();
            shares[usize::from(open.is_sale)] += open.quantity;
            let quantity = i64::from(open.quantity);
            match open.is_sale {
                false => account.held_buy += open.price * quantity,
                true => {
                    let (least, most) = held_sell.entry(open.account.0).or_default();
                    *least += open.price * quantity;
                    *most += open.price_max * quantity;
                }
            }
        }
        if gate.open_orders() != self.open.len() {
            let (own, theirs) = (self.open.len(), gate.open_orders());
            return Ok(Some(format!("{own} orders are open, money is held for {theirs}")));
        }
        for (number, own) in &self.accounts {
            let id = AccountId(*number);
            let state = gate.account(id).copied().unwrap_or_default();
            let mut theirs = Account {
                cash_flow: state.cash_flow.0,
                held_buy: state.held_buy.0,
                ..Account::default()
            };
            for instrument in own.positions.keys() {
                theirs.positions.insert(*instrument, gate.position(id, InstrumentId(*instrument)));
            }
            for instrument in own.shares.keys() {
                let (buy, sell) = gate.open_shares(id, InstrumentId(*instrument));
                theirs.shares.insert(*instrument, [buy, sell]);
            }
            if *own != theirs {
                return Ok(Some(format!(
                    "account {number}: {own:?} on record, {theirs:?} at risk"
                )));
            }
            let (least, most) = held_sell.get(number).copied().unwrap_or_default();
            let held = state.held_sell.0;
            if held < least || held > most {
                let what = format!("account {number}: {held} held for sales of {least} to {most}");
                return Ok(Some(what));
            }
        }
        Ok(None)
    }
}
