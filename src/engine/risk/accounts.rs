//! Accounts: usage and the two limits it is held against in one cache line, the limits of single
//! orders by class, for most accounts have the same.

use crate::engine::risk::controls::Controls;
use crate::engine::risk::{AccountLimits, MoreLimits};
use crate::model::{AccountId, LimitKind, Notional, Quantity, RejectCode, fetch};
use crate::snapshot::{part, value};

/// One account's usage, or one firm's.
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
    /// The same with its sign: what was sold short counts below zero.
    pub net_cost: Notional,
}
part!(AccountState { cash_flow, held_buy, held_sell, position_cost, net_cost });

impl AccountState {
    /// Orders and positions together.
    #[inline]
    pub fn exposure(&self) -> Notional {
        self.held_buy.saturating_add(self.held_sell).saturating_add(self.position_cost)
    }

    /// The most that purchases could outweigh sales, or sales purchases.
    #[inline]
    pub fn net_exposure(&self) -> Notional {
        let long = self.net_cost.saturating_add(self.held_buy);
        long.max(self.held_sell.saturating_sub(self.net_cost))
    }
}

/// What one order may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OrderLimits {
    pub(super) quantity_max: Quantity,
    pub(super) notional_max: Notional,
    pub(super) collar_bps: u32,
    /// Open orders per instrument, at most.
    pub(super) open_orders_max: u32,
    /// Which controls are on beyond those that every account has.
    pub(super) controls: Controls,
}
value!(OrderLimits { quantity_max, notional_max, collar_bps, open_orders_max, controls });

impl OrderLimits {
    const fn of(limits: &AccountLimits) -> Self {
        Self {
            quantity_max: limits.order_quantity_max,
            notional_max: limits.order_notional_max,
            collar_bps: limits.collar_bps,
            open_orders_max: limits.open_orders_max,
            controls: Controls::of(&limits.more),
        }
    }
}

/// What accounts may have in common: limits of one order, and limits few have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Class {
    order: OrderLimits,
    more: MoreLimits,
}
value!(Class { order, more });

/// One account: a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(super) struct Account {
    pub(super) state: AccountState,
    /// Money for purchases, with what is lent.
    pub(super) buying_power: Notional,
    pub(super) exposure_max: Notional,
    /// One more than the place of its class; 0 is an account nobody knows.
    class: u32,
    /// One more than the place of its firm; 0 is none.
    pub(super) firm: u16,
}
const _: () = assert!(size_of::<Account>() == 64);
part!(Account { state, buying_power, exposure_max, class, firm });

/// Classes that may be made while running.
const CLASSES_SPARE: usize = 4096;

/// All accounts, by id.
#[derive(Debug)]
pub(super) struct Accounts {
    rows: Box<[Account]>,
    classes: Vec<Class>,
    classes_max: usize,
}
part!(Accounts { rows, classes } kept { classes_max });

impl Accounts {
    /// As configured; `None` is unknown.
    pub(super) fn new(limits: &[Option<AccountLimits>]) -> Self {
        let classes: Vec<Class> = Vec::new();
        let mut made = Self { rows: Box::default(), classes, classes_max: usize::MAX };
        let mut row = |limits: &Option<AccountLimits>| {
            let Some(limits) = limits else { return Account::default() };
            let class = Class { order: OrderLimits::of(limits), more: limits.more };
            Account {
                buying_power: limits.buying_power.saturating_add(limits.more.credit),
                exposure_max: limits.exposure_max,
                class: made.class(class).unwrap_or(0),
                ..Account::default()
            }
        };
        let rows = limits.iter().map(&mut row).collect();
        made.rows = rows;
        made.classes_max = made.classes.len() + CLASSES_SPARE;
        made.classes.reserve_exact(CLASSES_SPARE);
        made
    }

    /// One more than the place of a class, which is made if nobody had it.
    fn class(&mut self, class: Class) -> Result<u32, RejectCode> {
        let known = self.classes.iter().rposition(|known| *known == class);
        if known.is_none() && self.classes.len() >= self.classes_max {
            return Err(RejectCode::LimitTable);
        }
        let at = known.unwrap_or_else(|| {
            self.classes.push(class);
            self.classes.len() - 1
        });
        Ok(at as u32 + 1)
    }

    /// Asks the caches for an account's row.
    #[inline]
    pub(super) fn fetch(&self, id: AccountId) {
        fetch(&self.rows, id.index());
    }

    /// A known account.
    #[inline]
    pub(super) fn get(&self, id: AccountId) -> Option<&Account> {
        self.rows.get(id.index()).filter(|account| account.class != 0)
    }

    /// An account that is or was known: what it held comes back even when nobody knows it now.
    #[inline]
    pub(super) fn get_mut(&mut self, id: AccountId) -> Option<&mut Account> {
        self.rows.get_mut(id.index())
    }

    /// The firm of an account, known or not; 0 is none.
    #[inline]
    pub(super) fn firm(&self, id: AccountId) -> u16 {
        self.rows.get(id.index()).map_or(0, |account| account.firm)
    }

    /// What one order of an account may be.
    #[inline]
    pub(super) fn order_limits(&self, id: AccountId) -> Option<&OrderLimits> {
        Some(&self.classes.get(self.get(id)?.class as usize - 1)?.order)
    }

    /// The limits that few accounts have.
    pub(super) fn more(&self, id: AccountId) -> Option<&MoreLimits> {
        Some(&self.classes.get(self.get(id)?.class as usize - 1)?.more)
    }

    /// Makes an account known with another's limits, or unknown.
    pub(super) fn list(
        &mut self,
        id: AccountId,
        like: Option<AccountId>,
    ) -> Result<(), RejectCode> {
        let (class, power, exposure_max) = match like {
            None => (0, Notional::ZERO, Notional::ZERO),
            Some(like) => {
                let like = self.get(like).ok_or(RejectCode::UnknownAccount)?;
                (like.class, like.buying_power, like.exposure_max)
            }
        };
        let row = self.rows.get_mut(id.index()).filter(|_| id.0 != 0);
        let row = row.ok_or(RejectCode::UnknownAccount)?;
        (row.class, row.buying_power, row.exposure_max) = (class, power, exposure_max);
        Ok(())
    }

    /// Sets a limit of an account.
    pub(super) fn set(
        &mut self,
        id: AccountId,
        kind: LimitKind,
        value: i64,
    ) -> Result<(), RejectCode> {
        let mut account = *self.get(id).ok_or(RejectCode::UnknownAccount)?;
        let class = self.classes.get(account.class as usize - 1).copied();
        let mut class = class.ok_or(RejectCode::UnknownAccount)?;
        let money = if value < 0 { Notional::MAX } else { Notional(value) };
        let count = if value < 0 { u32::MAX } else { value.min(u32::MAX.into()) as u32 };
        match kind {
            LimitKind::BuyingPower => {
                account.buying_power = money.saturating_add(class.more.credit);
            }
            LimitKind::Credit => {
                let deposit = account.buying_power.saturating_sub(class.more.credit);
                class.more.credit = money;
                account.buying_power = deposit.saturating_add(money);
            }
            LimitKind::Exposure => account.exposure_max = money,
            LimitKind::OrderQuantity => class.order.quantity_max = Quantity(count),
            LimitKind::OrderNotional => class.order.notional_max = money,
            LimitKind::Collar => class.order.collar_bps = count.min(1_000_000),
            LimitKind::OpenOrders => class.order.open_orders_max = count,
            kind => class.more.set(kind, value)?,
        }
        class.order.controls = Controls::of(&class.more);
        account.class = self.class(class)?;
        if let Some(row) = self.rows.get_mut(id.index()) {
            *row = account;
        }
        Ok(())
    }

    /// Every account's usage, by id.
    pub(super) fn states(&self) -> impl Iterator<Item = &AccountState> {
        self.rows.iter().map(|account| &account.state)
    }

    /// How many accounts there is room for.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }
}
