//! What accounts hold and have promised: buying power, exposure and open orders.
//!
//! Money is held when an order passes the gate, at its worst price, and given back when it fills
//! or dies. Usage is counted here alone; only limits come from outside.

use crate::engine::risk::accounts::{AccountState, Accounts, OrderLimits};
use crate::engine::risk::alerts::{Alert, Alerts};
use crate::engine::risk::controls::Controls;
use crate::engine::risk::firms::{Firm, Firms};
use crate::engine::risk::held_orders::{HeldOrder, HeldOrders, NotKept};
use crate::engine::risk::holdings::{Holding, Holdings};
use crate::engine::risk::{AccountLimits, FirmLimits, MoreLimits, RiskOptions};
use crate::model::{
    AccountId, Event, InstrumentId, LimitKind, Notional, OrderId, Price, Quantity, RejectCode,
    SeqNo, Side,
};
use crate::snapshot::part;

/// All accounts' usage and all open orders.
#[derive(Debug)]
pub(super) struct Exposure {
    accounts: Accounts,
    firms: Firms,
    orders: HeldOrders,
    /// Of accounts, and behind them of firms.
    holdings: Holdings,
    /// Orders held for by instrument; empty where nobody asks.
    open_in: Box<[u32]>,
    /// Something was given back that was never held: nothing here can be trusted any more.
    pub(super) is_broken: bool,
    pub(super) alerts: Alerts,
    /// An order that waited at an end of its price band and is gone; whoever let it go takes it.
    pub(super) left_end: Option<HeldOrder>,
}
part!(Exposure { accounts, firms, orders, holdings, open_in, is_broken, alerts, left_end });

impl Exposure {
    pub(super) fn new(options: &RiskOptions, instruments: usize) -> Self {
        let limits: &[Option<AccountLimits>] = &options.accounts;
        let firms = Firms::new(&options.firms);
        let mut accounts = Accounts::new(limits);
        for id in 0..limits.len() as u32 {
            let firm = firms.of(AccountId(id));
            if let Some(account) = accounts.get_mut(AccountId(id)) {
                account.firm = firm;
            }
        }
        let holders = limits.len() + options.firms.len() + usize::from(!options.firms.is_empty());
        let counted = if options.shards > 1 { instruments } else { 0 };
        Self {
            accounts,
            firms,
            orders: HeldOrders::new(options.orders_max),
            holdings: Holdings::new(holders, instruments, options.holdings_max),
            open_in: vec![0; counted].into(),
            is_broken: false,
            alerts: Alerts::default(),
            left_end: None,
        }
    }

    /// Asks the caches for what an order will need.
    #[inline]
    pub(super) fn fetch(&self, account: AccountId, instrument: InstrumentId) {
        self.accounts.fetch(account);
        self.holdings.fetch(account, instrument);
    }

    /// Asks the caches for an order that is held for.
    #[inline]
    pub(super) fn fetch_order(&self, id: OrderId) {
        self.orders.fetch(id);
    }

    /// The same, for what only what was asked for first tells.
    #[inline]
    pub(super) fn fetch_further(&self, account: AccountId, instrument: InstrumentId) {
        self.holdings.fetch_row(account, instrument);
        let firm = self.accounts.firm(account);
        if firm != 0 {
            self.holdings.fetch(self.holder_of_firm(firm.into()), instrument);
        }
    }

    /// Bytes of its tables.
    pub(super) fn bytes(&self) -> usize {
        self.accounts.len() * 64 + self.orders.bytes() + self.holdings.bytes()
    }

    /// What one order of an account may be; `None` if the account is unknown.
    #[inline]
    pub(super) fn order_limits(&self, account: AccountId) -> Option<OrderLimits> {
        self.accounts.order_limits(account).copied()
    }

    /// The limits of an account that few have.
    pub(super) fn more(&self, account: AccountId) -> Option<&MoreLimits> {
        self.accounts.more(account)
    }

    /// Sets a limit of an account.
    pub(super) fn set(
        &mut self,
        account: AccountId,
        kind: LimitKind,
        value: i64,
    ) -> Result<(), RejectCode> {
        self.accounts.set(account, kind, value)
    }

    /// Sets a limit of a firm.
    pub(super) fn set_firm(
        &mut self,
        firm: u32,
        kind: LimitKind,
        value: i64,
    ) -> Result<(), RejectCode> {
        self.firms.set(firm, kind, value)
    }

    /// Makes an account known with another's limits, or unknown.
    pub(super) fn list(
        &mut self,
        id: AccountId,
        like: Option<AccountId>,
    ) -> Result<(), RejectCode> {
        self.accounts.list(id, like)
    }

    /// A firm by its number.
    pub(super) fn firm(&self, firm: u32) -> Option<&Firm> {
        self.firms.get(firm)
    }

    /// How many firms there are.
    pub(super) fn firms_len(&self) -> usize {
        self.firms.iter().count()
    }

    /// How many accounts there is room for.
    pub(super) fn accounts_len(&self) -> usize {
        self.accounts.len()
    }

    /// The firm of an account; 0 is none.
    pub(super) fn firm_of(&self, account: AccountId) -> u16 {
        self.accounts.get(account).map_or(0, |account| account.firm)
    }

    /// An account's usage.
    pub(super) fn account(&self, account: AccountId) -> Option<&AccountState> {
        self.accounts.get(account).map(|account| &account.state)
    }

    /// An account's money for purchases, and its limit of exposure.
    pub(super) fn means(&self, account: AccountId) -> Option<(Notional, Notional)> {
        self.accounts.get(account).map(|account| (account.buying_power, account.exposure_max))
    }

    /// What an account holds of an instrument, and has open in it.
    pub(super) fn holding(&self, account: AccountId, instrument: InstrumentId) -> Holding {
        self.holdings.find(account, instrument).copied().unwrap_or_default()
    }

    /// Orders held for.
    pub(super) fn open_orders(&self) -> usize {
        self.orders.len()
    }

    /// Whether any order of an instrument is held for.
    pub(super) fn waits_in(&self, instrument: InstrumentId) -> bool {
        self.open_in.get(instrument.index()).is_some_and(|open| *open > 0)
    }

    /// Whether any order of an instrument is held for, found by looking at all.
    pub(super) fn has_order_in(&self, instrument: InstrumentId) -> bool {
        self.orders.has_one_in(instrument)
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

    /// Checks an order against its account's limits and its firm's, and holds money for it.
    ///
    /// `old` is the order it replaces: what is held for that is not counted twice.
    #[inline]
    pub(super) fn hold(
        &mut self,
        mut order: HeldOrder,
        old: Option<&HeldOrder>,
        limits: &OrderLimits,
    ) -> Result<(), RejectCode> {
        let full = order.price.notional(order.open).ok_or(RejectCode::NotionalLimit)?;
        let credit = old.map_or(Notional::ZERO, |old| old.held);
        let more = Notional(full.saturating_sub(credit).0.max(0));
        order.held = more;
        order.holding = self.holdings.row(order.account, order.instrument)?;
        let account = self.accounts.get_mut(order.account).ok_or(RejectCode::UnknownAccount)?;
        let holding = self.holdings.get_mut(order.holding).ok_or(RejectCode::Exposure)?;
        if holding.open_orders >= limits.open_orders_max {
            return Err(RejectCode::OpenOrderLimit);
        }
        let mut counted = *holding;
        counted.recount(order.is_sale, Quantity(0), order.open).ok_or(RejectCode::PositionLimit)?;
        let state = &mut account.state;
        let free =
            account.buying_power.saturating_add(state.cash_flow).saturating_sub(state.held_buy);
        if !order.is_sale && more > free {
            return Err(RejectCode::BuyingPower);
        }
        let used = state.exposure().saturating_add(more);
        if used > account.exposure_max {
            return Err(RejectCode::Exposure);
        }
        let (firm, exposure_max) = (account.firm, account.exposure_max);
        if limits.controls.any() {
            let replaced = old.map_or(0, |old| i64::from(old.open.0));
            let worst = counted.worst(order.is_sale).saturating_sub(replaced);
            self.check_more(&order, limits.controls, worst, used, exposure_max)?;
        }
        let row_of_firm = match firm {
            0 => None,
            firm => Some(self.check_firm(&order, old, u32::from(firm))?),
        };
        self.orders.insert(order).map_err(|not_kept| match not_kept {
            NotKept::Duplicate => RejectCode::DuplicateOrder,
            NotKept::Full => RejectCode::BookFull,
        })?;
        if let Some(holding) = self.holdings.get_mut(order.holding) {
            counted.open_orders += 1;
            *holding = counted;
        }
        self.change_held(&order, more);
        if let Some(holding) = row_of_firm.and_then(|row| self.holdings.get_mut(row)) {
            let counted = holding.recount(order.is_sale, Quantity(0), order.open);
            self.is_broken |= counted.is_none();
        }
        self.count(order.instrument, 1);
        Ok(())
    }

    /// The limits that few accounts have; `worst` is how many shares the order could lead to.
    #[inline(never)]
    fn check_more(
        &mut self,
        order: &HeldOrder,
        controls: Controls,
        worst: i64,
        used: Notional,
        exposure_max: Notional,
    ) -> Result<(), RejectCode> {
        let account = self.accounts.get(order.account).ok_or(RejectCode::UnknownAccount)?;
        let more = self.accounts.more(order.account).ok_or(RejectCode::UnknownAccount)?;
        if controls.has(Controls::POSITION) && worst > i64::from(more.position_max) {
            return Err(RejectCode::PositionLimit);
        }
        let net = net_after(&account.state, order);
        if controls.has(Controls::NET) && net > more.net_max {
            return Err(RejectCode::NetExposure);
        }
        if controls.has(Controls::SOFT) {
            let before = used.saturating_sub(order.held);
            let soft = |max: Notional| share_of(max, more.soft_bps);
            let about = (order.account, order.entered);
            if before <= soft(exposure_max) && used > soft(exposure_max) {
                self.alerts.push(Alert::account(about, LimitKind::Exposure, used.0));
            }
            if more.net_max != Notional::MAX && net > soft(more.net_max) {
                self.alerts.push(Alert::account(about, LimitKind::NetExposure, net.0));
            }
            if more.position_max != u32::MAX {
                let soft = i64::from(more.position_max) * i64::from(more.soft_bps) / 10_000;
                let before = worst - i64::from(order.open.0);
                if before <= soft && worst > soft {
                    self.alerts.push(Alert::account(about, LimitKind::Position, worst));
                }
            }
        }
        Ok(())
    }

    /// What the accounts of a firm may together; returns where the firm's holding is.
    #[inline(never)]
    fn check_firm(
        &mut self,
        order: &HeldOrder,
        old: Option<&HeldOrder>,
        number: u32,
    ) -> Result<u32, RejectCode> {
        let row = self.holdings.row(self.holder_of_firm(number), order.instrument)?;
        let firm = self.firms.get(number).ok_or(RejectCode::UnknownAccount)?;
        let FirmLimits { buying_power, exposure_max, net_max, position_max, soft_bps, .. } =
            firm.limits;
        let state = &firm.state;
        let free = buying_power.saturating_add(state.cash_flow).saturating_sub(state.held_buy);
        if !order.is_sale && buying_power != Notional::MAX && order.held > free {
            return Err(RejectCode::FirmBuyingPower);
        }
        let before = state.exposure();
        let used = before.saturating_add(order.held);
        if used > exposure_max {
            return Err(RejectCode::FirmExposure);
        }
        if net_after(state, order) > net_max {
            return Err(RejectCode::FirmNetExposure);
        }
        let mut holding = self.holdings.get(row).copied().unwrap_or_default();
        let counted = holding.recount(order.is_sale, Quantity(0), order.open);
        let replaced = old.map_or(0, |old| i64::from(old.open.0));
        let worst = holding.worst(order.is_sale).saturating_sub(replaced);
        if counted.is_none() || worst > i64::from(position_max) && position_max != u32::MAX {
            return Err(RejectCode::FirmPosition);
        }
        let soft = share_of(exposure_max, soft_bps);
        if soft_bps != 0 && before <= soft && used > soft {
            self.alerts.push(Alert::firm((number, order.entered), LimitKind::Exposure, used.0));
        }
        Ok(row)
    }

    /// Firms hold behind the accounts.
    fn holder_of_firm(&self, firm: u32) -> AccountId {
        AccountId(self.accounts.len() as u32 + firm)
    }

    /// Open shares of a firm's order become others.
    #[cold]
    fn recount_firm(&mut self, order: &HeldOrder, from: Quantity, to: Quantity) {
        let firm = u32::from(self.accounts.firm(order.account));
        let row = self.holdings.row(self.holder_of_firm(firm), order.instrument);
        let holding = row.ok().and_then(|row| self.holdings.get_mut(row));
        let counted = holding.and_then(|holding| holding.recount(order.is_sale, from, to));
        self.is_broken |= counted.is_none();
    }

    /// Open shares of an order become others, for its account and its firm.
    #[inline]
    fn recount(&mut self, order: &HeldOrder, from: Quantity, to: Quantity) {
        let holding = self.holdings.get_mut(order.holding);
        let counted = holding.and_then(|holding| holding.recount(order.is_sale, from, to));
        self.is_broken |= counted.is_none();
        if self.accounts.firm(order.account) != 0 {
            self.recount_firm(order, from, to);
        }
    }

    /// Changes what an account uses, and its firm.
    #[inline]
    fn change(&mut self, account: AccountId, change: impl Fn(&mut AccountState)) {
        let Some(account) = self.accounts.get_mut(account) else { return };
        change(&mut account.state);
        if account.firm != 0
            && let Some(firm) = self.firms.get_mut(u32::from(account.firm))
        {
            change(&mut firm.state);
        }
    }

    /// Holds more for an order, or less.
    #[inline]
    fn change_held(&mut self, order: &HeldOrder, by: Notional) {
        let is_sale = order.is_sale;
        let mut is_short = false;
        if let Some(account) = self.accounts.get_mut(order.account) {
            let held = add_held(&mut account.state, is_sale, by);
            is_short = held < Notional::ZERO;
            if account.firm != 0
                && let Some(firm) = self.firms.get_mut(u32::from(account.firm))
            {
                add_held(&mut firm.state, is_sale, by);
            }
        }
        self.is_broken |= is_short;
    }

    /// An order is dead: gives back everything.
    #[inline]
    pub(super) fn release(&mut self, id: OrderId) {
        let Some(order) = self.orders.remove(id) else { return };
        if order.at_end != 0 {
            self.left_end = Some(order);
        }
        self.count(order.instrument, -1);
        self.change_held(&order, Notional(-order.held.0));
        self.recount(&order, order.open, Quantity(0));
        if let Some(holding) = self.holdings.get_mut(order.holding) {
            self.is_broken |= holding.open_orders == 0;
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
        let before = order.open;
        let released = shrink(order, change(before));
        let order = *order;
        self.change_held(&order, Notional(-released.0));
        self.recount(&order, before, order.open);
    }

    /// An order took another's place: the old one's money goes, the new one's is held in full.
    pub(super) fn replaced(&mut self, old: OrderId, new: OrderId, open: Quantity) {
        self.release(old);
        let Some(order) = self.orders.get_mut(new) else { return };
        let needed = order.price.notional(open).unwrap_or(Notional::MAX);
        let more = needed.saturating_sub(order.held);
        let before = std::mem::replace(&mut order.open, open);
        order.held = needed;
        let order = *order;
        self.change_held(&order, more);
        self.recount(&order, before, open);
    }

    /// An order traded: money held becomes money paid, or received.
    #[inline]
    pub(super) fn executed(&mut self, event: &Event) {
        let Some(order) = self.orders.get_mut(event.order_id()) else { return };
        order.executed = order.executed.saturating_add(event.quantity.0);
        let before = order.open;
        let released = shrink(order, before.saturating_sub(event.quantity));
        let order = *order;
        self.change_held(&order, Notional(-released.0));
        self.recount(&order, before, order.open);
        // A sale counts for no more than was held for it, at whatever price it is made.
        let price = event.price.min(order.price);
        self.hold_trade(order.account, order.holding, !order.is_sale, event, price);
    }

    /// A trade was undone, or is something else than was told.
    pub(super) fn traded_otherwise(&mut self, event: &Event, undone: bool) {
        let bought = event.side().is_some_and(Side::is_buy) != undone;
        if event.account.index() >= self.accounts.len() {
            return;
        }
        if let Ok(holding) = self.holdings.row(event.account, event.instrument) {
            self.hold_trade(event.account, holding, bought, event, event.price);
        }
    }

    /// Counts what was bought or sold into position and money; `price` is what it counts for.
    #[inline]
    fn hold_trade(
        &mut self,
        account: AccountId,
        holding: u32,
        bought: bool,
        event: &Event,
        price: Price,
    ) {
        let money = event.price.notional(event.quantity).unwrap_or(Notional::MAX);
        let paid = if bought { money } else { Notional(-money.0) };
        let Some(holding) = self.holdings.get_mut(holding) else { return };
        let cost = holding.trade(bought, event.quantity, price);
        self.change(account, |state| {
            state.cash_flow = state.cash_flow.saturating_sub(paid);
            state.position_cost = state.position_cost.saturating_add(cost.gross);
            state.net_cost = state.net_cost.saturating_add(cost.net);
        });
        let firm = u32::from(self.accounts.firm(account));
        if firm != 0
            && let Ok(row) = self.holdings.row(self.holder_of_firm(firm), event.instrument)
            && let Some(holding) = self.holdings.get_mut(row)
        {
            holding.trade(bought, event.quantity, price);
        }
    }

    /// Folds all usage into a digest, in a fixed order.
    pub(super) fn digest(&self, mut fold: impl FnMut(u64)) {
        for state in self.accounts.states() {
            fold(state.cash_flow.0 as u64);
            fold(state.held_buy.0 as u64);
            fold(state.held_sell.0 as u64);
            fold(state.position_cost.0 as u64);
            fold(state.net_cost.0 as u64);
        }
        for firm in self.firms.iter() {
            fold(firm.state.exposure().0 as u64);
        }
        for holding in self.holdings.rows() {
            fold(holding.position as u64);
            fold(holding.cost.0 as u64);
            fold(holding.open_orders as u64);
            fold(u64::from(holding.open_buy) << 32 | u64::from(holding.open_sell));
        }
    }
}

/// Holds more, or less; returns what is held then.
#[inline]
fn add_held(state: &mut AccountState, is_sale: bool, by: Notional) -> Notional {
    let held = if is_sale { &mut state.held_sell } else { &mut state.held_buy };
    *held = held.saturating_add(by);
    *held
}

/// The net exposure that an order could lead to, on its own side.
fn net_after(state: &AccountState, order: &HeldOrder) -> Notional {
    let (held, net) = match order.is_sale {
        true => (state.held_sell, Notional(-state.net_cost.0)),
        false => (state.held_buy, state.net_cost),
    };
    held.saturating_add(net).saturating_add(order.held)
}

/// A share of a limit, in hundredths of a percent.
fn share_of(limit: Notional, bps: u32) -> Notional {
    // Ten-thousandths first: no limit overflows, and none needs 128 bits.
    Notional((limit.0 / 10_000).saturating_mul(i64::from(bps)))
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
