//! What accounts hold and have promised: buying power, exposure and open orders.
//!
//! Money is held when an order passes the gate, at its worst price, and given back when it fills
//! or dies. Usage is counted here alone; only limits come from outside.

use crate::engine::risk::AccountLimits;
use crate::engine::risk::accounts::{Account, AccountState, Accounts, OrderLimits};
use crate::engine::risk::held_orders::{HeldOrder, HeldOrders, NotKept};
use crate::engine::risk::holdings::Holdings;
use crate::model::{
    AccountId, Event, InstrumentId, Notional, OrderId, Quantity, RejectCode, SeqNo, Side,
};

/// All accounts' usage and all open orders.
#[derive(Debug)]
pub(super) struct Exposure {
    accounts: Accounts,
    orders: HeldOrders,
    holdings: Holdings,
    /// Orders held for by instrument; empty where nobody asks.
    open_in: Box<[u32]>,
}

impl Exposure {
    pub(super) fn new(
        limits: &[Option<AccountLimits>],
        orders_max: usize,
        holdings: Holdings,
        instruments: usize,
    ) -> Self {
        let (accounts, orders) = (Accounts::new(limits), HeldOrders::new(orders_max));
        Self { accounts, orders, holdings, open_in: vec![0; instruments].into() }
    }

    /// What one order of an account may be; `None` if the account is unknown.
    #[inline]
    pub(super) fn order_limits(&self, account: AccountId) -> Option<OrderLimits> {
        self.accounts.order_limits(account).copied()
    }

    /// A known account, to set its limits.
    pub(super) fn account_mut(&mut self, account: AccountId) -> Option<&mut Account> {
        self.accounts.get_mut(account)
    }

    /// An account's usage.
    pub(super) fn account(&self, account: AccountId) -> Option<&AccountState> {
        self.accounts.get(account).map(|account| &account.state)
    }

    /// Orders held for.
    pub(super) fn open_orders(&self) -> usize {
        self.orders.len()
    }

    /// Whether any order of an instrument is held for.
    pub(super) fn waits_in(&self, instrument: InstrumentId) -> bool {
        self.open_in.get(instrument.index()).is_some_and(|open| *open > 0)
    }

    /// Counts an order in or out of its instrument, where that is asked for.
    #[inline]
    fn count(&mut self, instrument: InstrumentId, by: i32) {
        if let Some(open) = self.open_in.get_mut(instrument.index()) {
            *open = open.saturating_add_signed(by);
        }
    }

    /// An order that is held for.
    #[inline]
    pub(super) fn order(&self, id: OrderId) -> Option<&HeldOrder> {
        self.orders.get(id)
    }

    /// Checks an order against its account's limits and holds money for it.
    ///
    /// `credit` is what an order it replaces holds already.
    #[inline]
    pub(super) fn hold(
        &mut self,
        mut order: HeldOrder,
        credit: Notional,
        open_orders_max: u32,
    ) -> Result<(), RejectCode> {
        let full = order.price.notional(order.open).ok_or(RejectCode::NotionalLimit)?;
        let more = Notional(full.saturating_sub(credit).0.max(0));
        order.held = more;
        order.holding = self.holdings.row(order.account, order.instrument)?;
        let account = self.accounts.get_mut(order.account).ok_or(RejectCode::UnknownAccount)?;
        let holding = self.holdings.get_mut(order.holding).ok_or(RejectCode::Exposure)?;
        if holding.open_orders >= open_orders_max {
            return Err(RejectCode::OpenOrderLimit);
        }
        let state = &mut account.state;
        let free =
            account.buying_power.saturating_add(state.cash_flow).saturating_sub(state.held_buy);
        if !order.is_sale && more > free {
            return Err(RejectCode::BuyingPower);
        }
        let used = state
            .held_buy
            .saturating_add(state.held_sell)
            .saturating_add(state.position_cost)
            .saturating_add(more);
        if used > account.exposure_max {
            return Err(RejectCode::Exposure);
        }
        self.orders.insert(order).map_err(|not_kept| match not_kept {
            NotKept::Duplicate => RejectCode::DuplicateOrder,
            NotKept::Full => RejectCode::BookFull,
        })?;
        holding.open_orders += 1;
        let instrument = order.instrument;
        change_held(state, order.is_sale, more);
        self.count(instrument, 1);
        Ok(())
    }

    /// An order is dead: gives back everything.
    #[inline]
    pub(super) fn release(&mut self, id: OrderId) {
        let Some(order) = self.orders.remove(id) else { return };
        self.count(order.instrument, -1);
        if let Some(account) = self.accounts.get_mut(order.account) {
            change_held(&mut account.state, order.is_sale, Notional(-order.held.0));
        }
        if let Some(holding) = self.holdings.get_mut(order.holding) {
            holding.open_orders = holding.open_orders.saturating_sub(1);
        }
    }

    /// A command was refused by matching: what it was held for goes back.
    pub(super) fn rejected(&mut self, id: OrderId, by: SeqNo) {
        if self.order(id).is_some_and(|order| order.entered == by) {
            self.release(id);
        }
    }

    /// Part of an order was taken away.
    pub(super) fn reduce(&mut self, id: OrderId, by: Quantity) {
        self.change_open(id, |open| open.saturating_sub(by));
    }

    /// What is left of an order is `open`.
    pub(super) fn resize(&mut self, id: OrderId, open: Quantity) {
        self.change_open(id, |_| open);
    }

    fn change_open(&mut self, id: OrderId, change: impl FnOnce(Quantity) -> Quantity) {
        let Some(order) = self.orders.get_mut(id) else { return };
        let released = shrink(order, change(order.open));
        if let Some(account) = self.accounts.get_mut(order.account) {
            change_held(&mut account.state, order.is_sale, Notional(-released.0));
        }
    }

    /// An order took another's place: the old one's money goes, the new one's is held in full.
    pub(super) fn replaced(&mut self, old: OrderId, new: OrderId, open: Quantity) {
        self.release(old);
        let Some(order) = self.orders.get_mut(new) else { return };
        let needed = order.price.notional(open).unwrap_or(Notional::MAX);
        let more = needed.saturating_sub(order.held);
        order.held = needed;
        order.open = open;
        if let Some(account) = self.accounts.get_mut(order.account) {
            change_held(&mut account.state, order.is_sale, more);
        }
    }

    /// An order traded: money held becomes money paid, or received.
    #[inline]
    pub(super) fn executed(&mut self, event: &Event) {
        let Some(order) = self.orders.get_mut(event.order_id()) else { return };
        order.executed = order.executed.saturating_add(event.quantity.0);
        let released = shrink(order, order.open.saturating_sub(event.quantity));
        let (account, holding, is_sale) = (order.account, order.holding, order.is_sale);
        if let Some(account) = self.accounts.get_mut(account) {
            change_held(&mut account.state, is_sale, Notional(-released.0));
        }
        self.hold_trade(account, holding, !is_sale, event);
    }

    /// A trade was undone, or is something else than was told.
    pub(super) fn traded_otherwise(&mut self, event: &Event, undone: bool) {
        let bought = event.side().is_some_and(Side::is_buy) != undone;
        if self.accounts.get(event.account).is_none() {
            return;
        }
        if let Ok(holding) = self.holdings.row(event.account, event.instrument) {
            self.hold_trade(event.account, holding, bought, event);
        }
    }

    /// Counts what was bought or sold into position and money.
    #[inline]
    fn hold_trade(&mut self, account: AccountId, holding: u32, bought: bool, event: &Event) {
        let money = event.price.notional(event.quantity).unwrap_or(Notional::MAX);
        let (position, cost) = match bought {
            true => (event.quantity.0 as i64, money),
            false => (-(event.quantity.0 as i64), Notional(-money.0)),
        };
        let Some(holding) = self.holdings.get_mut(holding) else { return };
        let before = holding.cost;
        holding.position = holding.position.saturating_add(position);
        holding.cost = holding.cost.saturating_add(cost);
        let change = Notional(holding.cost.0.saturating_abs() - before.0.saturating_abs());
        if let Some(account) = self.accounts.get_mut(account) {
            let state = &mut account.state;
            state.cash_flow = state.cash_flow.saturating_sub(cost);
            state.position_cost = state.position_cost.saturating_add(change);
        }
    }

    /// Folds all usage into a digest, in a fixed order.
    pub(super) fn digest(&self, mut fold: impl FnMut(u64)) {
        for state in self.accounts.states() {
            fold(state.cash_flow.0 as u64);
            fold(state.held_buy.0 as u64);
            fold(state.held_sell.0 as u64);
            fold(state.position_cost.0 as u64);
        }
        for holding in self.holdings.rows() {
            fold(holding.position as u64);
            fold(holding.cost.0 as u64);
            fold(holding.open_orders as u64);
        }
    }
}

#[inline]
fn change_held(state: &mut AccountState, is_sale: bool, by: Notional) {
    let held = if is_sale { &mut state.held_sell } else { &mut state.held_buy };
    *held = held.saturating_add(by);
}

/// Holds no more for an order than `open` at its price needs; returns what is given back.
#[inline]
fn shrink(order: &mut HeldOrder, open: Quantity) -> Notional {
    order.open = open;
    let needed = order.price.notional(open).unwrap_or(Notional::MAX).min(order.held);
    let released = order.held.saturating_sub(needed);
    order.held = needed;
    released
}
