//! What accounts hold and have promised: buying power, exposure and open orders.
//!
//! Money is held when an order passes the gate, at its worst price, and given back when it fills
//! or dies. Usage is counted here alone; only limits come from outside.

use crate::engine::risk::AccountLimits;
use crate::engine::risk::holdings::Holdings;
use crate::engine::{MapFull, PagedMap};
use crate::model::{
    AccountId, Event, InstrumentId, Notional, OrderId, Price, Quantity, RejectCode, SeqNo, Side,
};

/// An order that passed the gate and is not known to be dead. A cache line of its own.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(super) struct HeldOrder {
    pub(super) account: AccountId,
    pub(super) instrument: InstrumentId,
    pub(super) price: Price,
    /// Quantity not yet executed or cancelled.
    pub(super) open: Quantity,
    /// What its chain of replaces has executed.
    pub(super) executed: u32,
    /// The command that entered it: a reject of another command is not about this order.
    pub(super) entered: SeqNo,
    /// Money held for it.
    pub(super) held: Notional,
    pub(super) holding: u32,
    pub(super) side: u8,
}

impl HeldOrder {
    const fn buys(&self) -> bool {
        self.side == 0
    }
}

/// One account's usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// Money received for sales less money paid for purchases.
    pub cash_flow: Notional,
    /// Held for open purchases.
    pub held_buy: Notional,
    /// Held for open sales.
    pub held_sell: Notional,
    /// Sum over instruments of what the position cost, whatever its sign.
    pub position_cost: Notional,
}

/// All accounts' usage and all open orders.
#[derive(Debug)]
pub(super) struct Exposure {
    limits: Box<[Option<AccountLimits>]>,
    accounts: Box<[AccountState]>,
    order_slots: PagedMap,
    orders: Box<[HeldOrder]>,
    free: Vec<u32>,
    holdings: Holdings,
}

impl Exposure {
    pub(super) fn new(
        limits: &[Option<AccountLimits>],
        orders_max: usize,
        holdings: Holdings,
    ) -> Self {
        Self {
            limits: limits.into(),
            accounts: vec![AccountState::default(); limits.len()].into(),
            order_slots: PagedMap::with_capacity(orders_max),
            orders: vec![HeldOrder::default(); orders_max].into(),
            free: (0..orders_max as u32).rev().collect(),
            holdings,
        }
    }

    /// The limits of an account; `None` if it is unknown.
    #[inline]
    pub(super) fn limits(&self, account: AccountId) -> Option<&AccountLimits> {
        self.limits.get(account.index())?.as_ref()
    }

    pub(super) fn limits_mut(&mut self, account: AccountId) -> Option<&mut AccountLimits> {
        self.limits.get_mut(account.index())?.as_mut()
    }

    /// An account's usage.
    pub(super) fn account(&self, account: AccountId) -> Option<&AccountState> {
        self.accounts.get(account.index())
    }

    /// Orders held for.
    pub(super) fn open_orders(&self) -> usize {
        self.orders.len() - self.free.len()
    }

    /// An order that is held for.
    #[inline]
    pub(super) fn order(&self, id: OrderId) -> Option<&HeldOrder> {
        self.orders.get(self.order_slots.get(id.0)? as usize)
    }

    /// Checks an order against its account's limits and holds money for it.
    ///
    /// `credit` is what an order it replaces holds already.
    #[inline]
    pub(super) fn hold(
        &mut self,
        id: OrderId,
        mut order: HeldOrder,
        credit: Notional,
    ) -> Result<(), RejectCode> {
        let full = order.price.notional(order.open).ok_or(RejectCode::NotionalLimit)?;
        let limits = *self.limits(order.account).ok_or(RejectCode::UnknownAccount)?;
        let more = full.saturating_sub(credit).0.max(0);
        order.held = Notional(more);
        order.holding = self.holdings.row(order.account, order.instrument)?;
        let state = self.accounts.get(order.account.index()).ok_or(RejectCode::UnknownAccount)?;
        let holding = self.holdings.get(order.holding).ok_or(RejectCode::Exposure)?;
        if holding.open_orders >= limits.open_orders_max {
            return Err(RejectCode::OpenOrderLimit);
        }
        let free =
            limits.buying_power.saturating_add(state.cash_flow).saturating_sub(state.held_buy);
        if order.buys() && more > free.0 {
            return Err(RejectCode::BuyingPower);
        }
        let used = state
            .held_buy
            .saturating_add(state.held_sell)
            .saturating_add(state.position_cost)
            .saturating_add(order.held);
        if used > limits.exposure_max {
            return Err(RejectCode::Exposure);
        }
        self.keep(id, order)
    }

    /// Enters an order whose money is granted.
    fn keep(&mut self, id: OrderId, order: HeldOrder) -> Result<(), RejectCode> {
        let slot = *self.free.last().ok_or(RejectCode::BookFull)?;
        match self.order_slots.insert(id.0, slot) {
            Ok(None) => {}
            Ok(Some(other)) => {
                // One look-up for both questions: there is hardly ever an order to put back.
                let _ = self.order_slots.insert(id.0, other);
                return Err(RejectCode::DuplicateOrder);
            }
            Err(MapFull) => return Err(RejectCode::BookFull),
        }
        self.free.pop();
        if let Some(place) = self.orders.get_mut(slot as usize) {
            *place = order;
        }
        self.change_held(&order, order.held);
        if let Some(holding) = self.holdings.get_mut(order.holding) {
            holding.open_orders += 1;
        }
        Ok(())
    }

    fn change_held(&mut self, order: &HeldOrder, by: Notional) {
        if let Some(state) = self.accounts.get_mut(order.account.index()) {
            let held = if order.buys() { &mut state.held_buy } else { &mut state.held_sell };
            *held = held.saturating_add(by);
        }
    }

    /// Gives back what an order holds beyond `open` at its price.
    #[inline]
    fn shrink(&mut self, slot: u32, open: Quantity) {
        let Some(order) = self.orders.get_mut(slot as usize) else { return };
        order.open = open;
        let needed = order.price.notional(open).unwrap_or(Notional::MAX).min(order.held);
        let released = order.held.saturating_sub(needed);
        order.held = needed;
        let order = *order;
        self.change_held(&order, Notional(-released.0));
    }

    /// An order is dead: gives back everything.
    pub(super) fn release(&mut self, id: OrderId) {
        let Some(slot) = self.order_slots.remove(id.0) else { return };
        let Some(order) = self.orders.get(slot as usize).copied() else { return };
        self.change_held(&order, Notional(-order.held.0));
        if let Some(holding) = self.holdings.get_mut(order.holding) {
            holding.open_orders = holding.open_orders.saturating_sub(1);
        }
        self.free.push(slot);
    }

    /// A command was refused by matching: what it was held for goes back.
    pub(super) fn rejected(&mut self, id: OrderId, by: SeqNo) {
        if self.order(id).is_some_and(|order| order.entered == by) {
            self.release(id);
        }
    }

    /// Part of an order was taken away.
    pub(super) fn reduce(&mut self, id: OrderId, by: Quantity) {
        let Some(slot) = self.order_slots.get(id.0) else { return };
        let open = self.orders.get(slot as usize).map_or(Quantity::ZERO, |order| order.open);
        self.shrink(slot, open.saturating_sub(by));
    }

    /// What is left of an order is `open`.
    pub(super) fn resize(&mut self, id: OrderId, open: Quantity) {
        if let Some(slot) = self.order_slots.get(id.0) {
            self.shrink(slot, open);
        }
    }

    /// An order took another's place: the old one's money goes, the new one's is held in full.
    pub(super) fn replaced(&mut self, old: OrderId, new: OrderId, open: Quantity) {
        self.release(old);
        let Some(slot) = self.order_slots.get(new.0) else { return };
        let Some(order) = self.orders.get_mut(slot as usize) else { return };
        let needed = order.price.notional(open).unwrap_or(Notional::MAX);
        let more = needed.saturating_sub(order.held);
        order.held = needed;
        order.open = open;
        let order = *order;
        self.change_held(&order, more);
    }

    /// An order traded: money held becomes money paid, or received.
    #[inline]
    pub(super) fn executed(&mut self, event: &Event) {
        let Some(slot) = self.order_slots.get(event.order_id().0) else { return };
        let Some(order) = self.orders.get_mut(slot as usize) else { return };
        order.executed = order.executed.saturating_add(event.quantity.0);
        let order = *order;
        self.shrink(slot, order.open.saturating_sub(event.quantity));
        self.hold_trade(order.account, order.holding, order.buys(), event);
    }

    /// A trade was undone, or is something else than was told.
    pub(super) fn traded_otherwise(&mut self, event: &Event, undone: bool) {
        let bought = event.side().is_some_and(Side::is_buy) != undone;
        if self.limits(event.account).is_none() {
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
        if let Some(state) = self.accounts.get_mut(account.index()) {
            state.cash_flow = state.cash_flow.saturating_sub(cost);
            state.position_cost = state.position_cost.saturating_add(change);
        }
    }

    /// Folds all usage into a digest, in a fixed order.
    pub(super) fn digest(&self, mut fold: impl FnMut(u64)) {
        for state in &self.accounts {
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
