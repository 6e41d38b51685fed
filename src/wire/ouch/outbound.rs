//! What a client is sent. `timestamp` is nanoseconds since midnight.

use crate::wire::ouch::appended::direction;
use crate::wire::ouch::inbound::CHANNEL;
use crate::wire::ouch::options::TagSet;

layout! {
    /// S the day starts, E the day ends.
    SystemEvent = b'S' {
        timestamp: u64,
        event_code: u8,
    }
    /// An order was taken, as it stands; `order_state` L live, D already dead.
    OrderAccepted = b'A' {
        timestamp: u64,
        user_ref_num: u32,
        side: u8,
        quantity: u32,
        symbol: [u8; 8],
        price: u64,
        time_in_force: u8,
        display: u8,
        order_reference_number: u64,
        capacity: u8,
        intermarket_sweep: u8,
        cross_type: u8,
        order_state: u8,
        cl_ord_id: [u8; 14],
    }
    /// An order took another's place; `quantity` is what is left to trade.
    OrderReplaced = b'U' {
        timestamp: u64,
        orig_user_ref_num: u32,
        user_ref_num: u32,
        side: u8,
        quantity: u32,
        symbol: [u8; 8],
        price: u64,
        time_in_force: u8,
        display: u8,
        order_reference_number: u64,
        capacity: u8,
        intermarket_sweep: u8,
        cross_type: u8,
        order_state: u8,
        cl_ord_id: [u8; 14],
    }
    /// `quantity` of an order was just taken away.
    OrderCanceled = b'C' {
        timestamp: u64,
        user_ref_num: u32,
        quantity: u32,
        reason: u8,
    }
    /// `decrement_shares` of an order were taken away for it would have met its own.
    AiqCanceled = b'D' {
        timestamp: u64,
        user_ref_num: u32,
        decrement_shares: u32,
        reason: u8,
        quantity_prevented_from_trading: u32,
        execution_price: u64,
        liquidity_flag: u8,
        aiq_strategy: u8,
    }
    /// `quantity` of an order just traded; both sides share `match_number`.
    OrderExecuted = b'E' {
        timestamp: u64,
        user_ref_num: u32,
        quantity: u32,
        price: u64,
        liquidity_flag: u8,
        match_number: u64,
    }
    /// A trade was undone: E erroneous, C consent, S supervisory, X external.
    BrokenTrade = b'B' {
        timestamp: u64,
        user_ref_num: u32,
        match_number: u64,
        reason: u8,
        cl_ord_id: [u8; 14],
    }
    /// An Enter or a Replace was refused; its UserRefNum is used up.
    Rejected = b'J' {
        timestamp: u64,
        user_ref_num: u32,
        reason: u16,
        cl_ord_id: [u8; 14],
    }
    /// The order will be cancelled after the cross.
    CancelPending = b'P' {
        timestamp: u64,
        user_ref_num: u32,
    }
    /// A partial cancel of a late cross order was refused.
    CancelReject = b'I' {
        timestamp: u64,
        user_ref_num: u32,
    }
    /// An order has a new place and a new reference.
    OrderPriorityUpdate = b'T' {
        timestamp: u64,
        user_ref_num: u32,
        price: u64,
        display: u8,
        order_reference_number: u64,
    }
    /// A Modify was done; `quantity` is the total outstanding.
    OrderModified = b'M' {
        timestamp: u64,
        user_ref_num: u32,
        side: u8,
        quantity: u32,
    }
    /// R the displayed size was refreshed, P the displayed price changed.
    OrderRestated = b'R' {
        timestamp: u64,
        user_ref_num: u32,
        reason: u8,
    }
    /// A mass cancel was taken; each order is still told on its own.
    MassCancelResponse = b'X' {
        timestamp: u64,
        user_ref_num: u32,
        firm: [u8; 4],
        symbol: [u8; 8],
    }
    /// The firm's order entry is off.
    DisableOrderEntryResponse = b'G' {
        timestamp: u64,
        user_ref_num: u32,
        firm: [u8; 4],
    }
    /// The firm's order entry is on.
    EnableOrderEntryResponse = b'K' {
        timestamp: u64,
        user_ref_num: u32,
        firm: [u8; 4],
    }
    /// The next usable UserRefNum.
    AccountQueryResponse = b'Q' {
        timestamp: u64,
        next_user_ref_num: u32,
    }
}

direction! {
    /// A message a client is sent, with its appendage.
    Outbound {
        SystemEvent: Never, TagSet::NONE;
        OrderAccepted: Required, TagSet::ALL;
        OrderReplaced: Required, TagSet::ALL;
        OrderCanceled: Optional, CHANNEL;
        AiqCanceled: Optional, CHANNEL;
        OrderExecuted: Required, TagSet::ALL;
        BrokenTrade: Optional, CHANNEL;
        Rejected: Optional, CHANNEL;
        CancelPending: Optional, CHANNEL;
        CancelReject: Optional, CHANNEL;
        OrderPriorityUpdate: Optional, CHANNEL;
        OrderModified: Optional, CHANNEL;
        OrderRestated: Required, TagSet::ALL;
        MassCancelResponse: Required, TagSet::ALL;
        DisableOrderEntryResponse: Required, TagSet::ALL;
        EnableOrderEntryResponse: Required, TagSet::ALL;
        AccountQueryResponse: Optional, CHANNEL;
    }
}
