//! What an operator may set while the appliance runs: limits, and how much trading is allowed.

coded! {
    /// How much trading a scope is allowed. In a kill; 0 is what a kill was before there were more.
    TradingState {
        /// Nothing new enters.
        Halted = 0,
        /// Only orders that reduce a position enter.
        ReduceOnly = 1,
        Active = 2,
    }
}

coded! {
    /// Why money moved.
    CashKind {
        /// The client brought it.
        Deposit = 1,
        /// The client took it.
        Withdrawal = 2,
        /// It makes good for something, in either direction.
        Compensation = 3,
    }
}

coded! {
    /// A limit, or a switch, that is set as an absolute value.
    LimitKind {
        /// Money for purchases.
        BuyingPower = 1,
        /// Lent on top of it.
        Credit = 2,
        /// Orders and positions together, whatever their sign.
        Exposure = 3,
        /// Purchases less sales, or the other way round, open orders at their worst.
        NetExposure = 4,
        /// Shares of one instrument, bought or sold, open orders at their worst.
        Position = 5,
        /// One order's quantity.
        OrderQuantity = 6,
        /// One order's price times quantity.
        OrderNotional = 7,
        /// From the reference price.
        Collar = 8,
        /// Orders open in one instrument.
        OpenOrders = 9,
        /// For how long the same order is not taken again.
        DuplicateWindow = 10,
        /// Orders and replaces a second.
        MessageRate = 11,
        /// How many at once.
        MessageBurst = 12,
        /// More than this in a second and a session is shut out.
        BanAbove = 13,
        /// For how long.
        BanTime = 14,
        /// Executions within a window.
        Executions = 15,
        /// That window.
        ExecutionWindow = 16,
        /// Whether orders without a price are refused.
        MarketOrders = 17,
        /// Whether a sale of what is not there must be marked short.
        ShortMarking = 18,
        /// Whether orders are refused.
        Restricted = 19,
        /// Whether shares must be located before they are sold short.
        HardToBorrow = 20,
        /// Shares located.
        Located = 21,
        /// Whether short sales are refused.
        NoShortSales = 22,
        /// Days for which a short sale may only rest above the best bid.
        PriceTest = 23,
        /// A reference price older than this is none.
        ReferenceAge = 24,
        /// The part of a limit beyond which an alert is given.
        SoftShare = 25,
        /// How far a price may move within a window before the circuit breaker falls.
        Breaker = 26,
        /// That window.
        BreakerWindow = 27,
        /// How far from its reference an instrument may trade.
        PriceBand = 28,
        /// The same as a price, where that is less.
        PriceBandWidth = 29,
        /// How long a limit state may last.
        LimitStateTime = 30,
        /// How long the pause is that follows.
        PauseTime = 31,
        /// The fall from the close before that begins the price test.
        PriceTestFall = 32,
        /// The fall of the index that begins a market-wide halt; the level rides in `target`.
        MarketFall = 33,
        /// How long that lasts; 0: it is too late in the day for one.
        MarketPause = 34,
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Money, or a price: four decimals.
    Money,
    /// A count.
    Count,
    /// Hundredths of a percent.
    BasisPoints,
    /// Milliseconds.
    Milliseconds,
    /// 0 is no, 1 is yes.
    Switch,
}

impl LimitKind {
    /// What its value counts.
    pub const fn unit(self) -> Unit {
        match self {
            Self::BuyingPower | Self::Credit | Self::Exposure => Unit::Money,
            Self::NetExposure | Self::OrderNotional | Self::PriceBandWidth => Unit::Money,
            Self::Collar | Self::SoftShare | Self::Breaker => Unit::BasisPoints,
            Self::PriceBand | Self::PriceTestFall | Self::MarketFall => Unit::BasisPoints,
            Self::DuplicateWindow | Self::BanTime | Self::ExecutionWindow => Unit::Milliseconds,
            Self::ReferenceAge | Self::BreakerWindow => Unit::Milliseconds,
            Self::LimitStateTime | Self::PauseTime | Self::MarketPause => Unit::Milliseconds,
            Self::MarketOrders | Self::ShortMarking | Self::Restricted => Unit::Switch,
            Self::HardToBorrow | Self::NoShortSales => Unit::Switch,
            _ => Unit::Count,
        }
    }

    /// As people and limits files write it: `order-quantity`.
    pub fn key(self) -> String {
        let mut key = String::new();
        for letter in self.name().chars() {
            if letter.is_ascii_uppercase() && !key.is_empty() {
                key.push('-');
            }
            key.push(letter.to_ascii_lowercase());
        }
        key
    }

    /// The limit of a key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.key() == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_finds_itself_by_its_key() {
        for &kind in LimitKind::ALL {
            assert_eq!(LimitKind::from_key(&kind.key()), Some(kind));
        }
        assert_eq!(LimitKind::OrderQuantity.key(), "order-quantity");
    }
}
