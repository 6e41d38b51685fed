//! What the gate is told at boot: limits of accounts, rights of sessions, sizes of tables.

use crate::model::{AccountId, Hours, Instrument, InstrumentId, Nanos, Notional, Quantity};

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
}

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
}

/// Everything the gate is told at boot.
#[derive(Clone, Debug)]
pub struct RiskOptions {
    /// What is traded; the place in the list is free, the id counts.
    pub instruments: Vec<Instrument>,
    /// By account id; `None` is unknown.
    pub accounts: Vec<Option<AccountLimits>>,
    /// By session id; `None` is unknown.
    pub sessions: Vec<Option<SessionRights>>,
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
    /// An event is applied at the latest this many commands after its own.
    pub feedback_window: u32,
}
