//! The bytes of OUCH's enumerations that this house writes or understands.

/// A group of codes: its name, what it says, each code's name and byte.
pub type Group = (&'static str, &'static str, &'static [(&'static str, u8)]);

/// Declares groups of named bytes.
macro_rules! codes {
    ($(#[doc = $doc:literal] $group:ident { $($name:ident = $code:literal,)+ })+) => {
        $(
            #[doc = $doc]
            #[allow(missing_docs, reason = "a code whose name says it all needs no sentence")]
            pub mod $group { $(pub const $name: u8 = $code;)+ }
        )+

        /// Each group: its name, what it says, its codes with their names.
        pub const GROUPS: &[Group] = &[
            $((stringify!($group), $doc.trim_ascii(), &[$((stringify!($name), $code),)+]),)+
        ];
    };
}

codes! {
    /// Side of an order.
    side { BUY = b'B', SELL = b'S', SELL_SHORT = b'T', SELL_SHORT_EXEMPT = b'E', }
    /// How long an order lives.
    time_in_force {
        DAY = b'0', IMMEDIATE_OR_CANCEL = b'3', EXTENDED_HOURS = b'5', GOOD_TILL_TIME = b'6',
        AFTER_HOURS = b'E',
        // This house's own.
        GOOD_TILL_CANCEL = b'1',
    }
    /// Whether an order is shown.
    display { VISIBLE = b'Y', HIDDEN = b'N', ATTRIBUTABLE = b'A', CONFORMANT = b'Z', }
    /// For whom the firm acts.
    capacity { AGENCY = b'A', PRINCIPAL = b'P', RISKLESS = b'R', OTHER = b'O', }
    /// Intermarket sweep order or not.
    intermarket_sweep { ELIGIBLE = b'Y', NOT_ELIGIBLE = b'N', }
    /// Which cross an order is for.
    cross_type {
        CONTINUOUS = b'N', OPENING = b'O', CLOSING = b'C', HALT = b'H', SUPPLEMENTAL = b'S',
        RETAIL = b'R', EXTENDED_LIFE = b'E', AFTER_HOURS_CLOSE = b'A',
    }
    /// Whether an accepted order is alive.
    order_state { LIVE = b'L', DEAD = b'D', }
    /// System events.
    system_event { START_OF_DAY = b'S', END_OF_DAY = b'E', }
    /// Why quantity was taken away.
    cancel_reason {
        USER = b'U', IMMEDIATE = b'I', TIMEOUT = b'T', SUPERVISORY = b'S', REGULATORY = b'D',
        SELF_MATCH = b'Q', SYSTEM = b'Z', CLOSED = b'E', HALTED = b'H', POST_ONLY = b'F',
        POST_ONLY_LOCKED = b'G', COLLAR = b'K', OPEN_PROTECTION = b'X', DIRECT_LISTING = b'e',
    }
    /// What an execution did to liquidity.
    liquidity {
        ADDED = b'A', REMOVED = b'R', OPENING_CROSS = b'O', CLOSING_CROSS = b'C', HALT_CROSS = b'H',
        ADDED_HIDDEN = b'J', ADDED_MIDPOINT = b'k', REMOVED_MIDPOINT = b'm',
    }
    /// Why an order was restated.
    restated {
        DISPLAYED_SIZE = b'R', DISPLAYED_PRICE = b'P',
        // This house's own: a stop's price was reached.
        TRIGGERED = b'T',
        // This house's own: where it was routed nobody is heard; it was asked for and stands.
        IN_DOUBT = b'U', CONFIRMED = b'K',
    }
    /// This house's own: how an order waits or finds its price.
    order_style {
        STOP = b'S', STOP_LIMIT = b'L', TRAILING_STOP = b'T', MARKET_TO_LIMIT = b'M',
    }
    /// This house's own: what an order wishes besides.
    wish { ALL_OR_NONE = b'A', SLIDE = b'S', }
    /// Why a trade was undone.
    broken { ERRONEOUS = b'E', CONSENT = b'C', SUPERVISORY = b'S', EXTERNAL = b'X', }
    /// How a price is set.
    price_type {
        LIMIT = b'L', MARKET_PEG = b'P', MIDPOINT_PEG = b'M', PRIMARY_PEG = b'R',
        MARKET_MAKER_PEG = b'Q', MIDPOINT = b'm',
    }
    /// Never take liquidity, or may.
    post_only { POST_ONLY = b'P', NOT = b'N', }
}

/// The price of a market order for a cross, in ten-thousandths.
pub const MARKET_PRICE: u64 = 0x7fff_ffff;
/// The highest limit price, in ten-thousandths.
pub const PRICE_MAX: u64 = 1_999_999_900;
/// Quantities are below this.
pub const QUANTITY_BOUND: u32 = 1_000_000;
