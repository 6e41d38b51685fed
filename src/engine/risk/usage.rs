//! What limits hold for an account, a firm or a session just now, and how much of each is used.

use crate::engine::risk::accounts::{AccountState, OrderLimits};
use crate::engine::risk::gate::RiskGate;
use crate::model::{AccountId, LimitKind, Nanos, Notional, Scope, SessionId};

/// Limits that fill up, in the order of [`Usage::used`].
pub const FILLED: [LimitKind; 4] =
    [LimitKind::BuyingPower, LimitKind::Exposure, LimitKind::NetExposure, LimitKind::MessageBurst];

/// Limits that hold for each order or each instrument, in the order of [`Usage::each`].
pub const EACH: [LimitKind; 5] = [
    LimitKind::OrderQuantity,
    LimitKind::OrderNotional,
    LimitKind::Collar,
    LimitKind::OpenOrders,
    LimitKind::Position,
];

/// How much of a limit is used, in the limit's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// So much is used; below 0 where sales brought more than purchases cost.
    pub used: i64,
    /// Of so much; below 0: there is no limit.
    pub most: i64,
}

impl Used {
    /// No limit.
    pub const UNLIMITED: Self = Self { used: 0, most: -1 };

    /// The used part, in hundredths of a percent, rounded up; nothing without a limit, and all of
    /// one of 0 that is used at all.
    pub fn share_bps(self) -> u32 {
        match (self.used.max(0), self.most) {
            (_, ..0) | (0, _) => 0,
            (_, 0) => u32::MAX,
            (used, most) => {
                let (used, most) = (used.unsigned_abs(), most.unsigned_abs());
                let share = used.checked_mul(10_000).map(|whole| whole.div_ceil(most));
                let share = share.unwrap_or_else(|| used / (most / 10_000).max(1));
                u32::try_from(share).unwrap_or(u32::MAX)
            }
        }
    }

    fn of(used: Notional, most: Notional) -> Self {
        if most == Notional::MAX { Self::UNLIMITED } else { Self { used: used.0, most: most.0 } }
    }
}

/// The limits of one account, firm or session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Those of [`FILLED`].
    pub used: [Used; FILLED.len()],
    /// Those of [`EACH`]; below 0: there is no limit.
    pub each: [i64; EACH.len()],
}

impl Usage {
    const NONE: Self = Self { used: [Used::UNLIMITED; FILLED.len()], each: [-1; EACH.len()] };

    /// The part of the limit that is used most, in hundredths of a percent.
    pub fn share_bps(&self) -> u32 {
        self.used.iter().map(|used| used.share_bps()).max().unwrap_or(0)
    }

    /// Of an account or a firm: the money parts.
    fn of_money(state: &AccountState, power: Notional, exposure: Notional, net: Notional) -> Self {
        let mut usage = Self::NONE;
        usage.used[0] = Used::of(state.held_buy.saturating_sub(state.cash_flow), power);
        usage.used[1] = Used::of(state.exposure(), exposure);
        usage.used[2] = Used::of(state.net_exposure(), net);
        usage
    }
}

impl RiskGate {
    /// How many accounts, firms and sessions there may be.
    pub fn holders(&self) -> [(Scope, u32); 3] {
        [
            (Scope::Account, self.exposure.accounts_len() as u32),
            (Scope::Firm, self.exposure.firms_len() as u32 + 1),
            (Scope::Session, self.sessions.len() as u32),
        ]
    }

    /// The firm of an account; 0 is none.
    pub fn firm_of(&self, account: AccountId) -> u32 {
        self.exposure.firm_of(account).into()
    }

    /// The limits of an account, a firm or a session, and how much of them is used at `now`;
    /// nothing for who is not known.
    pub fn usage(&self, scope: Scope, id: u32, now: Nanos) -> Option<Usage> {
        match scope {
            Scope::Account => self.usage_of_account(AccountId(id), now),
            Scope::Firm => {
                let firm = self.exposure.firm(id)?;
                let limits = &firm.limits;
                let (power, exposure) = (limits.buying_power, limits.exposure_max);
                let mut usage = Usage::of_money(&firm.state, power, exposure, limits.net_max);
                usage.each[4] = count(limits.position_max);
                Some(usage)
            }
            Scope::Session => {
                let session = self.sessions.get(SessionId(id).index())?.as_ref()?;
                let mut usage = Usage::NONE;
                usage.used[3] = session.rate.used(now);
                Some(usage)
            }
            _ => None,
        }
    }

    fn usage_of_account(&self, id: AccountId, now: Nanos) -> Option<Usage> {
        let (state, more) = (self.exposure.account(id)?, self.exposure.more(id)?);
        let (power, exposure) = self.exposure.means(id)?;
        let mut usage = Usage::of_money(state, power, exposure, more.net_max);
        usage.used[3] = self.paces.used(id, more, now);
        let OrderLimits { quantity_max, notional_max, collar_bps, open_orders_max, .. } =
            self.exposure.order_limits(id)?;
        let notional = if notional_max == Notional::MAX { -1 } else { notional_max.0 };
        usage.each = [
            count(quantity_max.0),
            notional,
            collar_bps.into(),
            count(open_orders_max),
            count(more.position_max),
        ];
        Some(usage)
    }
}

/// A count as it is shown: none is below 0.
fn count(most: u32) -> i64 {
    if most == u32::MAX { -1 } else { most.into() }
}
