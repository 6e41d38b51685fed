//! The one-byte codes of order entry, and what they mean in our words.

use crate::model::{
    CancelReason, Capacity, Flags, OrderType, RejectCode, SelfTrade, Side, TermFlags, TimeInForce,
};
use crate::wire::fix::dictionary::Version;

/// Side (54).
pub(super) fn side_of(code: &[u8]) -> Result<Side, RejectCode> {
    Ok(match code {
        b"1" => Side::Buy,
        b"2" => Side::Sell,
        b"5" => Side::SellShort,
        b"6" => Side::SellShortExempt,
        _ => return Err(RejectCode::InvalidSide),
    })
}

/// The code of a side.
pub(in crate::wire::fix) const fn side_code(side: Option<Side>) -> u8 {
    match side {
        Some(Side::Buy) => b'1',
        Some(Side::SellShort) => b'5',
        Some(Side::SellShortExempt) => b'6',
        Some(Side::Sell) | None => b'2',
    }
}

/// OrdType (40); none for a pegged order, whose instructions say to what.
#[inline]
pub(super) fn order_type_of(code: &[u8]) -> Result<Option<OrderType>, RejectCode> {
    Ok(Some(match code {
        b"1" => OrderType::Market,
        b"2" => OrderType::Limit,
        b"3" => OrderType::Stop,
        b"4" => OrderType::StopLimit,
        b"K" => OrderType::MarketToLimit,
        b"P" => return Ok(None),
        _ => return Err(RejectCode::Unsupported),
    }))
}

/// The code of an order type.
pub(in crate::wire::fix) const fn order_type_code(order_type: Option<OrderType>) -> u8 {
    match order_type {
        Some(OrderType::Market) => b'1',
        Some(OrderType::Stop | OrderType::TrailingStop) => b'3',
        Some(OrderType::StopLimit) => b'4',
        Some(OrderType::MarketToLimit) => b'K',
        Some(OrderType::PegPrimary | OrderType::PegMarket | OrderType::PegMidpoint) => b'P',
        Some(OrderType::Limit) | None => b'2',
    }
}

/// TimeInForce (59); absent is a day order.
pub(super) fn time_in_force_of(code: &[u8]) -> Result<TimeInForce, RejectCode> {
    Ok(match code {
        b"" | b"0" => TimeInForce::Day,
        b"1" => TimeInForce::Gtc,
        b"2" => TimeInForce::AtOpen,
        b"3" => TimeInForce::Ioc,
        b"4" => TimeInForce::Fok,
        b"5" => TimeInForce::ExtendedHours,
        b"6" => TimeInForce::Gtd,
        b"7" => TimeInForce::AtClose,
        b"9" => TimeInForce::GoodForAuction,
        _ => return Err(RejectCode::Unsupported),
    })
}

/// The code of a time in force; `None` where FIX has none.
pub(in crate::wire::fix) const fn time_in_force_code(life: TimeInForce) -> Option<u8> {
    Some(match life {
        TimeInForce::Day => b'0',
        TimeInForce::Gtc => b'1',
        TimeInForce::AtOpen => b'2',
        TimeInForce::Ioc => b'3',
        TimeInForce::Fok => b'4',
        TimeInForce::ExtendedHours => b'5',
        TimeInForce::Gtd => b'6',
        TimeInForce::AtClose => b'7',
        TimeInForce::GoodForAuction => return None,
    })
}

/// What ExecInst asks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Instructions {
    pub(super) flags: Flags,
    pub(super) terms: TermFlags,
    /// What the order is pegged to, or that it trails.
    pub(super) style: Option<OrderType>,
}

/// ExecInst (18): an instruction we do not know is not passed over.
pub(super) fn exec_inst_of(codes: &[u8]) -> Result<Instructions, RejectCode> {
    let Instructions { mut flags, mut terms, mut style } = Instructions::default();
    for code in codes.split(|&byte| byte == b' ') {
        let asked = match code {
            // Held or not, work, go along: nothing a matching engine does differently.
            b"" | b"1" | b"2" | b"3" | b"5" => continue,
            b"6" => {
                flags = flags.with(Flags::POST_ONLY);
                continue;
            }
            b"f" => {
                flags = flags.with(Flags::SWEEP);
                continue;
            }
            b"G" => {
                terms = terms.with(TermFlags::ALL_OR_NONE);
                continue;
            }
            b"M" => OrderType::PegMidpoint,
            b"R" => OrderType::PegPrimary,
            b"P" => OrderType::PegMarket,
            b"a" => OrderType::TrailingStop,
            _ => return Err(RejectCode::Unsupported),
        };
        if style.replace(asked).is_some_and(|before| before != asked) {
            return Err(RejectCode::NotTogether);
        }
    }
    Ok(Instructions { flags, terms, style })
}

/// OrderCapacity (528), with the sender's self-trade setting.
pub(super) fn capacity_of(code: &[u8], setting: SelfTrade) -> Result<Flags, RejectCode> {
    let capacity = match code {
        b"" | b"A" => Capacity::Agency,
        b"P" => Capacity::Principal,
        b"R" => Capacity::Riskless,
        b"G" | b"I" | b"W" => Capacity::Other,
        _ => return Err(RejectCode::Unsupported),
    };
    Ok(Flags::default().with_capacity(capacity).with_self_trade(setting))
}

/// OrdRejReason (103); what a version does not know is "other" and said in words.
pub(super) const fn order_reject_reason(code: RejectCode, version: Version) -> u16 {
    match (version, code.fix()) {
        (Version::Fix42, 9..) => 0,
        (_, reason) => reason,
    }
}

/// CxlRejReason (102).
pub(super) const fn cancel_reject_reason(code: RejectCode, known: bool, version: Version) -> u16 {
    match (code, version) {
        // The order was ours once: the cancel came too late.
        (RejectCode::UnknownOrder, _) if known => 0,
        (RejectCode::UnknownOrder, _) => 1,
        (RejectCode::DuplicateOrder, Version::Fix44 | Version::Fix50Sp2) => 6,
        (_, Version::Fix42) => 2,
        _ => 99,
    }
}

/// What a client is told when nobody knows where its order is, and when that is over.
pub const fn doubt_text(is_in_doubt: bool) -> &'static str {
    match is_in_doubt {
        true => "unknown until reconciled: the market it was routed to is not heard",
        false => "reconciled: the market it was routed to has it so",
    }
}

/// What a client is told of a cancel it did not ask for.
pub(super) const fn cancel_text(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::User => "",
        CancelReason::Immediate => "nothing more could trade at once",
        CancelReason::Expired => "expired",
        CancelReason::Supervisory => "cancelled by the operator",
        CancelReason::Destination => "taken away by the market it was routed to",
        CancelReason::SelfTrade => "would have traded with the same account",
        CancelReason::Disconnect => "cancelled because the session ended",
        CancelReason::Protection => "no price within the protection limit",
        CancelReason::Band => "the rest would trade beyond the band",
        CancelReason::FillLimit => "more fills than one order may make",
        CancelReason::Closed => "the market is closed",
        CancelReason::Halted => "trading is halted",
        CancelReason::MassCancel => "mass cancel",
        CancelReason::ReplacedBelowExecuted => "nothing is left to trade",
        CancelReason::BookFull => "the book has no room for the rest",
        CancelReason::PostOnly => "would have taken liquidity",
        CancelReason::AuctionOver => "the auction it was for is over",
        CancelReason::Minimum => "less than its least quantity could trade",
    }
}
