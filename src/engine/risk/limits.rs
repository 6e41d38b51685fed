//! What the gate is told at boot: limits of accounts, rights of sessions, sizes of tables.

use crate::model::{
    AccountId, Command, Hours, Instrument, InstrumentId, LimitKind, Nanos, Notional, Phase,
    Quantity, RejectCode, SessionId,
};
use crate::snapshot::{part, value, wrapped};

/// The limits of one account. An account without limits is unknown and may do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountLimits {
    /// Money for purchases, before what was bought and sold since.
    pub buying_power: Notional,
    /// Open orders and positions together, at most.
    pub exposure_max: Notional,
    /// One order's quantity, at most.
    pub order_quantity_max: Quantity,
    /// One order's price times quantity, at most.
    pub order_notional_max: Notional,
    /// How far from the reference price an order may be, in hundredths of a percent.
    pub collar_bps: u32,
    /// Open orders per instrument, at most.
    pub open_orders_max: u32,
    /// Limits that few accounts have.
    pub more: MoreLimits,
}

/// Limits of an account that are off unless somebody asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoreLimits {
    /// Lent on top of the buying power.
    pub credit: Notional,
    /// Net exposure, at most; [`Notional::MAX`]: no limit.
    pub net_max: Notional,
    /// Shares of one instrument, bought or sold, at most; [`u32::MAX`]: no limit.
    pub position_max: u32,
    /// For how long the same order is not taken again; zero: it always is.
    pub duplicate_window: Nanos,
    /// How fast orders for the account may come, from all its sessions.
    pub rate: RateClass,
    /// Executions within the window, at most; [`u32::MAX`]: no limit.
    pub executions_max: u32,
    /// That window.
    pub execution_window: Nanos,
    /// Orders without a price are refused.
    pub no_market_orders: bool,
    /// A sale of what is not there must be marked short.
    pub marked_shorts: bool,
    /// Beyond this share of a limit an alert is given, in hundredths of a percent; 0: none is.
    pub soft_bps: u32,
    /// It is at home in another region, and its orders are refused here.
    pub is_foreign: bool,
}
value!(MoreLimits {
    credit,
    net_max,
    position_max,
    duplicate_window,
    rate,
    executions_max,
    execution_window,
    no_market_orders,
    marked_shorts,
    soft_bps,
    is_foreign,
});

impl MoreLimits {
    /// All off.
    pub const NONE: Self = Self {
        credit: Notional::ZERO,
        net_max: Notional::MAX,
        position_max: u32::MAX,
        duplicate_window: Nanos::ZERO,
        rate: RateClass { per_second: 0, burst: 0, ban_above: 0, ban: Nanos::ZERO },
        executions_max: u32::MAX,
        execution_window: Nanos::ZERO,
        no_market_orders: false,
        marked_shorts: false,
        soft_bps: 0,
        is_foreign: false,
    };

    /// Sets one of them; below 0 is no limit.
    pub(super) fn set(&mut self, kind: LimitKind, value: i64) -> Result<(), RejectCode> {
        match kind {
            LimitKind::NetExposure => {
                self.net_max = if value < 0 { Notional::MAX } else { Notional(value) };
            }
            LimitKind::Position => self.position_max = count(value),
            LimitKind::DuplicateWindow => self.duplicate_window = milliseconds(value),
            LimitKind::Executions => self.executions_max = count(value),
            LimitKind::ExecutionWindow => self.execution_window = milliseconds(value),
            LimitKind::MarketOrders => self.no_market_orders = value > 0,
            LimitKind::ShortMarking => self.marked_shorts = value > 0,
            LimitKind::SoftShare => self.soft_bps = share(value),
            kind => self.rate.set(kind, value)?,
        }
        Ok(())
    }
}

/// A count as a limit: below 0 is none.
pub(super) fn count(value: i64) -> u32 {
    if value < 0 { u32::MAX } else { value.min(u32::MAX.into()) as u32 }
}

/// A share as a limit: below 0 is none asked for.
pub(super) fn share(value: i64) -> u32 {
    value.clamp(0, 1_000_000) as u32
}

/// A span as a limit: below 0 is none.
pub(super) fn milliseconds(value: i64) -> Nanos {
    Nanos(value.clamp(0, 1 << 40) as u64 * 1_000_000)
}

/// What the accounts of one firm may together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmLimits {
    /// Its first account.
    pub first: AccountId,
    /// Its last.
    pub last: AccountId,
    /// Money for purchases; [`Notional::MAX`]: no limit, as with what follows.
    pub buying_power: Notional,
    /// Open orders and positions together, at most.
    pub exposure_max: Notional,
    /// Net exposure, at most.
    pub net_max: Notional,
    /// Shares of one instrument, bought or sold, at most.
    pub position_max: u32,
    /// Beyond this share of a limit an alert is given, in hundredths of a percent; 0: none is.
    pub soft_bps: u32,
}
value!(FirmLimits { first, last, buying_power, exposure_max, net_max, position_max, soft_bps });

/// How fast a session may send new orders; cancels always pass. 0 messages a second: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateClass {
    /// New orders and replaces a second, sustained.
    pub per_second: u32,
    /// How many may come at once after a quiet time.
    pub burst: u32,
    /// More than this in one second and the session is shut out for a while.
    pub ban_above: u32,
    /// For how long.
    pub ban: Nanos,
}
part!(RateClass { per_second, burst, ban_above, ban });

impl RateClass {
    /// Sets a part of it; below 0 is no limit.
    pub(super) fn set(&mut self, kind: LimitKind, value: i64) -> Result<(), RejectCode> {
        let number = if value < 0 { 0 } else { count(value) };
        match kind {
            LimitKind::MessageRate => self.per_second = number,
            LimitKind::MessageBurst => self.burst = number,
            LimitKind::BanAbove => self.ban_above = number,
            LimitKind::BanTime => self.ban = milliseconds(value),
            _ => return Err(RejectCode::Unsupported),
        }
        Ok(())
    }
}

/// Phases in which a session may enter orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhaseSet(u8);
wrapped!(PhaseSet, HoursSet);

impl PhaseSet {
    /// All there are.
    pub const ALL: Self = Self(u8::MAX);

    /// These.
    pub fn of(phases: impl IntoIterator<Item = Phase>) -> Self {
        Self(phases.into_iter().fold(0, |set, phase| set | 1 << phase.code()))
    }

    /// Whether this is among them.
    #[inline]
    pub const fn has(self, phase: Phase) -> bool {
        self.0 >> phase.code() & 1 == 1
    }
}

/// Hours in which a session may trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoursSet(u8);

impl HoursSet {
    /// All there are.
    pub const ALL: Self = Self(u8::MAX);

    /// These.
    pub fn of(hours: impl IntoIterator<Item = Hours>) -> Self {
        Self(hours.into_iter().fold(0, |set, hours| set | 1 << hours.code()))
    }

    /// Whether these are among them.
    #[inline]
    pub const fn has(self, hours: Hours) -> bool {
        self.0 >> hours.code() & 1 == 1
    }
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRights {
    /// The first account it may trade for.
    pub first_account: AccountId,
    /// The last.
    pub last_account: AccountId,
    /// How fast.
    pub rate: RateClass,
    /// When.
    pub hours: HoursSet,
    /// In which phases.
    pub phases: PhaseSet,
    /// It may trade the instruments of its list alone.
    pub has_list: bool,
}
part!(SessionRights { first_account, last_account, rate, hours, phases, has_list });

/// Everything the gate is told at boot.
#[derive(Clone, Debug)]
pub struct RiskOptions {
    /// What is traded; the place in the list is free, the id counts.
    pub instruments: Vec<Instrument>,
    /// By account id; `None` is unknown.
    pub accounts: Vec<Option<AccountLimits>>,
    /// By session id; `None` is unknown.
    pub sessions: Vec<Option<SessionRights>>,
    /// Sessions that may trade these instruments alone.
    pub instruments_of: Vec<(SessionId, Vec<InstrumentId>)>,
    /// Firm 1, firm 2 and so on.
    pub firms: Vec<FirmLimits>,
    /// Limits of instruments and pairs, as the commands that would set them.
    pub settings: Vec<Command>,
    /// Orders open or on their way, at most.
    pub orders_max: usize,
    /// Pairs of account and instrument ever touched, at most.
    pub holdings_max: usize,
    /// An event is applied when a command's time is this much later than its own command's.
    /// Meaning, not tuning: it stands in the journal's header.
    pub feedback_lag: Nanos,
    /// Instruments that another appliance matches, and whose orders nobody sends on.
    pub elsewhere: Vec<InstrumentId>,
    /// Instruments whose orders are sent on to destinations.
    pub routed: Vec<InstrumentId>,
    /// Instruments are dealt to so many shards: with several the gate tells of a cancel which
    /// instrument it is about, and counts who waits where.
    pub shards: usize,
    /// With several: the shard that each instrument is dealt to.
    pub homes: Vec<(InstrumentId, u8)>,
    /// With several: the one that knows all instruments.
    pub rest: Option<u8>,
    /// Orders of some accounts are sent on to the appliance of their home.
    pub sends_accounts: bool,
    /// An event is applied at the latest this many commands after its own.
    pub feedback_window: u32,
}
