//! Why an order was refused: one code, with its OUCH reason, its FIX reason and its sentence.

/// Declares the codes with their three faces in one table.
macro_rules! rejects {
    ($(
        $variant:ident = $code:literal, ouch $ouch:literal, fix $fix:literal,
        $sentence:literal;
    )+) => {
        coded! {
            /// Why an order was refused. 0 in a message means "not refused".
            RejectCode { $(#[doc = $sentence] $variant = $code,)+ }
        }

        impl RejectCode {
            /// OUCH 5.0 reject reason.
            pub const fn ouch(self) -> u16 {
                match self { $(Self::$variant => $ouch,)+ }
            }

            /// FIX OrdRejReason (tag 103).
            pub const fn fix(self) -> u16 {
                match self { $(Self::$variant => $fix,)+ }
            }

            /// What was wrong, in a sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

rejects! {
    UnknownSession = 1, ouch 0x000c, fix 0, "the session is not known or not enabled";
    UnknownAccount = 2, ouch 0x000c, fix 15, "the account is not known to this session";
    UnknownInstrument = 3, ouch 0x0017, fix 1, "the instrument is not known";
    InvalidQuantity = 4, ouch 0x0013, fix 13, "the quantity is zero or above the format's bound";
    InvalidPrice = 5, ouch 0x001d, fix 99, "the price is zero, off the tick or out of range";
    QuantityLimit = 6, ouch 0x0031, fix 3, "the quantity is above the limit for one order";
    NotionalLimit = 7, ouch 0x0030, fix 3, "price times quantity is above the limit for one order";
    PriceCollar = 8, ouch 0x0026, fix 99, "the price is too far from the reference price";
    OpenOrderLimit = 9, ouch 0x0020, fix 3, "too many orders open in this instrument";
    MessageRate = 10, ouch 0x0029, fix 3, "too many messages in too short a time";
    BuyingPower = 11, ouch 0x0020, fix 3, "the buying power does not cover the order";
    Exposure = 12, ouch 0x0020, fix 3, "the account's exposure limit would be exceeded";
    Killed = 13, ouch 0x0022, fix 2, "the kill switch is on";
    InvalidSide = 14, ouch 0x0009, fix 99, "the side is not known here";
    Unsupported = 15, ouch 0x000f, fix 11, "the instructions do not go together here";
    BookFull = 18, ouch 0x000a, fix 3, "the book has no room for another resting order";
    DuplicateOrder = 19, ouch 0x002a, fix 6, "the session already used this order number";
    UnknownOrder = 20, ouch 0x0015, fix 5, "the order to replace is not open";
    NoReferencePrice = 21, ouch 0x000e, fix 99, "there is no reference price to check against";
    JournalFull = 22, ouch 0x000a, fix 99, "the journal has no room: only cancels are taken";
    Banned = 23, ouch 0x0029, fix 99, "the session sent far too fast and is shut out";
    Closed = 24, ouch 0x0007, fix 2, "the instrument is not open for trading";
    InvalidDisplay = 25, ouch 0x0003, fix 99, "the display instruction is not known here";
    RestrictedInstrument = 26, ouch 0x0022, fix 99, "the account may not trade this instrument";
    EntryDisabled = 27, ouch 0x0022, fix 2, "order entry was disabled for this firm by request";
    StopPrice = 28, ouch 0x001d, fix 99, "the stop price is missing, off the tick or not asked for";
    PegOffset = 29, ouch 0x0005, fix 99, "the offset is off the tick, too far or not asked for";
    MinimumQuantity = 30, ouch 0x000d, fix 99, "a least quantity needs a hidden or immediate order";
    DisplayQuantity = 31, ouch 0x0004, fix 99, "a displayed part needs a shown order that rests";
    ExpiryTime = 32, ouch 0x000f, fix 99, "the time of expiry is missing, past or not asked for";
    Discretion = 33, ouch 0x001d, fix 99, "the discretion price is off the tick or no better";
    NotInPhase = 34, ouch 0x0014, fix 99, "the order is not for its instrument's present phase";
    Halted = 35, ouch 0x0007, fix 2, "trading in the instrument is halted";
    Frozen = 36, ouch 0x000b, fix 99, "the order is in an auction that is being settled: ask again";
    NotTogether = 37, ouch 0x000f, fix 11, "the order's type and instructions exclude each other";
    NotIdle = 40, ouch 0x000f, fix 99, "orders wait in the instrument: it can be moved without any";
    Elsewhere = 41, ouch 0x0017, fix 1, "another appliance matches the instrument";
    OutOfHours = 39, ouch 0x0014, fix 2, "the session may not trade at these hours";
    RiskFailed = 89, ouch 0x000a, fix 99, "risk found its state wrong: only cancels are taken";
    StaleReference = 65, ouch 0x000e, fix 99, "the reference price is too old to check against";
    NetExposure = 66, ouch 0x0020, fix 3, "the account's net exposure limit would be exceeded";
    PositionLimit = 67, ouch 0x0020, fix 3, "the account's position limit would be exceeded";
    FirmBuyingPower = 68, ouch 0x0020, fix 3, "the firm's buying power does not cover the order";
    FirmExposure = 69, ouch 0x0020, fix 3, "the firm's exposure limit would be exceeded";
    FirmNetExposure = 70, ouch 0x0020, fix 3, "the firm's net exposure limit would be exceeded";
    FirmPosition = 71, ouch 0x0020, fix 3, "the firm's position limit would be exceeded";
    RepeatedOrder = 72, ouch 0x002a, fix 6, "the same order came a moment ago";
    AccountRate = 73, ouch 0x0029, fix 3, "too many orders for the account in too short a time";
    RepeatedExecution = 74, ouch 0x0022, fix 99,
        "the account traded too often in too short a time: a person must let it go on";
    LocateMissing = 75, ouch 0x0022, fix 99, "the shares to be sold short are not located";
    ShortNotMarked = 76, ouch 0x0009, fix 99, "the sale would be short and is not marked so";
    ShortSaleTest = 77, ouch 0x0009, fix 99, "a short sale may only rest above the best bid now";
    MarketOrder = 78, ouch 0x0022, fix 99, "the account may not enter orders without a price";
    PhasePermission = 79, ouch 0x0014, fix 2, "the session may not trade in the present phase";
    InstrumentPermission = 80, ouch 0x0022, fix 99, "the session may not trade this instrument";
    ReduceOnly = 81, ouch 0x0022, fix 99, "only orders that reduce a position are taken";
    CircuitBreaker = 82, ouch 0x0007, fix 2, "the circuit breaker is out: a person must resume";
    PriceBand = 83, ouch 0x0026, fix 99, "the price is outside the instrument's price band";
    MarketHalt = 84, ouch 0x0007, fix 2, "the whole market is halted";
    RiskStopped = 85, ouch 0x000a, fix 99, "the risk stage does not answer";
    NotPermitted = 86, ouch 0x000f, fix 99, "the session may not ask for that";
    LimitTable = 87, ouch 0x000f, fix 99, "the tables of limits have no room for another";
    NoShortSales = 88, ouch 0x0022, fix 99, "the instrument may not be sold short";
    DestinationDown = 60, ouch 0x000a, fix 4, "the destination of the instrument is not heard";
    DestinationBusy = 61, ouch 0x000a, fix 99, "too much that was routed is not answered yet";
    DestinationRefused = 62, ouch 0x000f, fix 99, "the destination refused the order";
    NotDelivered = 63, ouch 0x000a, fix 99, "the order was lost on its way to the destination";
    UnknownDestination = 90, ouch 0x0017, fix 99, "the destination it names is not known here";
    SymbolTaken = 91, ouch 0x000f, fix 99,
        "another instrument has that symbol, or the place it was to get: ask again";
    ClockOff = 92, ouch 0x000a, fix 99, "the clock may be too far from UTC: only cancels are taken";
    PutAside = 94, ouch 0x000a, fix 99, "the command brought the appliance down and was put aside";
    AuctionGathers = 93, ouch 0x0014, fix 99,
        "an auction gathers: end the day when it has traded, or end the auction first";
    Pending = 64, ouch 0x000f, fix 99, "the destination has not answered the request before this";
    TooManySweeps = 38, ouch 0x000f, fix 99,
        "too many mass cancels or kills are unfinished: ask again when one of them has ended";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_finds_itself_again() {
        for &code in RejectCode::ALL {
            assert_eq!(RejectCode::from_code(code.code()), Some(code));
            assert!(code.sentence().len() > 10);
        }
        assert_eq!(RejectCode::from_code(0), None);
    }
}
