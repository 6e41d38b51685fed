//! What a client sends. Prices have four implied decimals; text is padded with spaces.

use crate::wire::ouch::appended::direction;
use crate::wire::ouch::options::{OptionTag, TagSet};

layout! {
    /// A new order.
    EnterOrder = b'O' {
        user_ref_num: u32,
        side: u8,
        quantity: u32,
        symbol: [u8; 8],
        price: u64,
        time_in_force: u8,
        display: u8,
        capacity: u8,
        intermarket_sweep: u8,
        cross_type: u8,
        cl_ord_id: [u8; 14],
    }
    /// Another order in the place of one; `quantity` is the total of the whole chain.
    ReplaceOrderRequest = b'U' {
        orig_user_ref_num: u32,
        user_ref_num: u32,
        quantity: u32,
        price: u64,
        time_in_force: u8,
        display: u8,
        intermarket_sweep: u8,
        cl_ord_id: [u8; 14],
    }
    /// Reduces an order; `quantity` is its NEW total, 0 cancels what is left.
    CancelOrderRequest = b'X' {
        user_ref_num: u32,
        quantity: u32,
    }
    /// Reduces an order or marks its sale anew; keeps its priority.
    ModifyOrderRequest = b'M' {
        user_ref_num: u32,
        side: u8,
        quantity: u32,
    }
    /// Cancels the firm's orders of a symbol; a blank symbol is all.
    MassCancelRequest = b'C' {
        user_ref_num: u32,
        firm: [u8; 4],
        symbol: [u8; 8],
    }
    /// The firm's order entry is to be off.
    DisableOrderEntryRequest = b'D' {
        user_ref_num: u32,
        firm: [u8; 4],
    }
    /// The firm's order entry is to be on again.
    EnableOrderEntryRequest = b'E' {
        user_ref_num: u32,
        firm: [u8; 4],
    }
    /// Asks for the next usable UserRefNum.
    AccountQueryRequest = b'Q' {
    }
}

/// The client's channel within the port.
pub(crate) const CHANNEL: TagSet = TagSet::of(&[OptionTag::UserRefIdx]);

const ENTER: TagSet = TagSet::of(&[
    OptionTag::Firm,
    OptionTag::MinQty,
    OptionTag::CustomerType,
    OptionTag::MaxFloor,
    OptionTag::PriceType,
    OptionTag::PegOffset,
    OptionTag::DiscretionPrice,
    OptionTag::DiscretionPriceType,
    OptionTag::DiscretionPegOffset,
    OptionTag::PostOnly,
    OptionTag::RandomReserves,
    OptionTag::Route,
    OptionTag::ExpireTime,
    OptionTag::TradeNow,
    OptionTag::HandleInst,
    OptionTag::GroupId,
    OptionTag::SharesLocated,
    OptionTag::LocateBroker,
    OptionTag::UserRefIdx,
    OptionTag::StopPrice,
    OptionTag::OrderStyle,
    OptionTag::Trail,
    OptionTag::Wish,
]);

/// Firm, group and route are those of the order it replaces.
const REPLACE: TagSet = ENTER
    .without(&[OptionTag::Firm, OptionTag::GroupId, OptionTag::Route])
    .with(&[OptionTag::Side]);

const MODIFY: TagSet =
    TagSet::of(&[OptionTag::UserRefIdx, OptionTag::SharesLocated, OptionTag::LocateBroker]);

const MASS_CANCEL: TagSet =
    TagSet::of(&[OptionTag::Side, OptionTag::GroupId, OptionTag::UserRefIdx]);

direction! {
    /// A message a client sends, with its appendage.
    Inbound {
        EnterOrder: Required, ENTER;
        ReplaceOrderRequest: Required, REPLACE;
        CancelOrderRequest: Optional, CHANNEL;
        ModifyOrderRequest: Optional, MODIFY;
        MassCancelRequest: Required, MASS_CANCEL;
        DisableOrderEntryRequest: Required, CHANNEL;
        EnableOrderEntryRequest: Required, CHANNEL;
        AccountQueryRequest: Optional, CHANNEL;
    }
}

impl Inbound<'_> {
    /// The UserRefNum of a message that may not decode otherwise, so that its refusal can name it.
    pub fn user_ref_num_of(bytes: &[u8]) -> Option<u32> {
        let at = match *bytes.first()? {
            ReplaceOrderRequest::TYPE => 5,
            AccountQueryRequest::TYPE => return None,
            _ => 1,
        };
        bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
    }
}
