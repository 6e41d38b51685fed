//! Accounts: usage and the two limits it is held against in one cache line, the limits of single
//! orders by class, for most accounts have the same.

use crate::engine::risk::AccountLimits;
use crate::model::{AccountId, Notional, Quantity};

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

/// What one order may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OrderLimits {
    pub(super) quantity_max: Quantity,
    pub(super) notional_max: Notional,
    pub(super) collar_bps: u32,
    /// Open orders per instrument, at most.
    pub(super) open_orders_max: u32,
}

impl OrderLimits {
    const fn of(limits: &AccountLimits) -> Self {
        Self {
            quantity_max: limits.order_quantity_max,
            notional_max: limits.order_notional_max,
            collar_bps: limits.collar_bps,
            open_orders_max: limits.open_orders_max,
        }
    }
}

/// One account: a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(super) struct Account {
    pub(super) state: AccountState,
    pub(super) buying_power: Notional,
    pub(super) exposure_max: Notional,
    /// One more than the place of its class; 0 is an account nobody knows.
    class: u32,
}
const _: () = assert!(size_of::<Account>() == 64);

/// All accounts, by id.
#[derive(Debug)]
pub(super) struct Accounts {
    rows: Box<[Account]>,
    classes: Vec<OrderLimits>,
}

impl Accounts {
    /// As configured; `None` is unknown.
    pub(super) fn new(limits: &[Option<AccountLimits>]) -> Self {
        let mut classes: Vec<OrderLimits> = Vec::new();
        let mut row = |limits: &Option<AccountLimits>| {
            let Some(limits) = limits else { return Account::default() };
            let class = OrderLimits::of(limits);
            let at = classes.iter().position(|known| *known == class).unwrap_or_else(|| {
                classes.push(class);
                classes.len() - 1
            });
            Account {
                buying_power: limits.buying_power,
                exposure_max: limits.exposure_max,
                class: at as u32 + 1,
                ..Account::default()
            }
        };
        let rows = limits.iter().map(&mut row).collect();
        Self { rows, classes }
    }

    /// A known account.
    #[inline]
    pub(super) fn get(&self, id: AccountId) -> Option<&Account> {
        self.rows.get(id.index()).filter(|account| account.class != 0)
    }

    /// A known account.
    #[inline]
    pub(super) fn get_mut(&mut self, id: AccountId) -> Option<&mut Account> {
        self.rows.get_mut(id.index()).filter(|account| account.class != 0)
    }

    /// What one order of an account may be.
    #[inline]
    pub(super) fn order_limits(&self, id: AccountId) -> Option<&OrderLimits> {
        self.classes.get(self.get(id)?.class as usize - 1)
    }

    /// Every account's usage, by id.
    pub(super) fn states(&self) -> impl Iterator<Item = &AccountState> {
        self.rows.iter().map(|account| &account.state)
    }
}
