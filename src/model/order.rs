//! What an order says of itself.

coded! {
    /// Which side of the book, and for a sale how it is marked (SEC Regulation SHO).
    Side { Buy = 0, Sell = 1, SellShort = 2, SellShortExempt = 3, }
}

impl Side {
    /// Whether it buys.
    #[inline]
    pub const fn is_buy(self) -> bool {
        matches!(self, Side::Buy)
    }
}

coded! {
    /// How the price is set. What a build does not support is refused with its reason.
    OrderType {
        Limit = 0, Market = 1, MarketToLimit = 2, Stop = 3, StopLimit = 4, TrailingStop = 5,
        PegPrimary = 6, PegMarket = 7, PegMidpoint = 8,
    }
}

coded! {
    /// How long an order lives.
    TimeInForce {
        Day = 0,
        /// Immediate or cancel.
        Ioc = 1,
        /// Fill or kill: all at once or nothing.
        Fok = 2,
        /// Good till cancelled.
        Gtc = 3,
        /// Good till a time, in `Terms`.
        Gtd = 4,
        AtOpen = 5,
        AtClose = 6,
        GoodForAuction = 7,
        ExtendedHours = 8,
    }
}

impl TimeInForce {
    /// Whether what does not trade at once may rest in the book.
    #[inline]
    pub const fn may_rest(self) -> bool {
        !matches!(self, TimeInForce::Ioc | TimeInForce::Fok)
    }
}

impl OrderType {
    /// Whether the price is found and not given: risk puts its protection there.
    #[inline]
    pub const fn needs_protection(self) -> bool {
        !matches!(self, OrderType::Limit | OrderType::StopLimit)
    }
}

coded! {
    /// What may happen in an instrument now; each change is a command.
    Phase {
        /// Orders meet as they come.
        Continuous = 0,
        /// Orders gather; nothing trades until an auction.
        PreOpen = 1,
        /// Orders gather for the opening, which ends this phase.
        OpeningAuction = 2,
        /// Orders are refused; resting ones may be cut and cancelled.
        Halt = 3,
        /// Orders gather after a halt or a break of the band.
        VolatilityAuction = 4,
        ClosingAuction = 5,
        /// Everything is refused but cancels.
        Closed = 6,
        /// Orders meet as they come, outside the main hours: limit orders that say so.
        Extended = 7,
    }
}

impl Phase {
    /// Whether orders gather without meeting.
    #[inline]
    pub const fn gathers(self) -> bool {
        self.auctions() || matches!(self, Phase::PreOpen)
    }

    /// Whether orders meet as they come.
    #[inline]
    pub const fn meets(self) -> bool {
        matches!(self, Phase::Continuous | Phase::Extended)
    }

    /// Whether the phase ends with an auction.
    #[inline]
    pub const fn auctions(self) -> bool {
        matches!(self, Phase::OpeningAuction | Phase::VolatilityAuction | Phase::ClosingAuction)
    }
}

coded! {
    /// Which part of the day an instrument is in, for risk: not all sessions may trade in all.
    Hours { Main = 0, Extended = 1, Overnight = 2, }
}

coded! {
    /// What happens when an order would trade with its own account; the taker's setting decides.
    SelfTrade {
        /// The two trade.
        Allow = 0,
        /// The incoming order's remainder is cancelled.
        CancelNewest = 1,
        /// The resting order is cancelled and matching goes on.
        CancelOldest = 2,
        /// Both are cancelled.
        CancelBoth = 3,
        /// The larger is reduced by the smaller, which is cancelled.
        Decrement = 4,
    }
}

coded! {
    /// For whom the firm acts.
    Capacity { Agency = 0, Principal = 1, Riskless = 2, Other = 3, }
}

/// An instrument's name on the wire: eight bytes, left-justified, padded with spaces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub [u8; 8]);

impl Symbol {
    /// All spaces: "every instrument" where a message allows it.
    pub const BLANK: Self = Self(*b"        ");

    /// Of one to eight printable ASCII characters without spaces; else `None`.
    pub fn new(name: &str) -> Option<Self> {
        let bytes = name.as_bytes();
        let good = (1..=8).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        good.then(|| {
            let mut padded = [b' '; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            Self(padded)
        })
    }

    /// Without the padding; bytes that are not ASCII show as `?`.
    pub fn name(&self) -> String {
        let shown = |&byte: &u8| if byte.is_ascii_graphic() { byte as char } else { '?' };
        self.0.trim_ascii_end().iter().map(shown).collect()
    }
}

impl std::fmt::Debug for Symbol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Symbol({})", self.name())
    }
}

impl std::fmt::Display for Symbol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.name())
    }
}
