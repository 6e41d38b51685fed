//! OUCH 5.0 order entry, both ways. Names are the specification's; codes stay bytes, for they
//! are echoed as they came.

mod appended;
pub mod codes;
mod inbound;
mod options;
mod outbound;

pub use appended::Presence;
pub use inbound::{
    AccountQueryRequest, CancelOrderRequest, DisableOrderEntryRequest, EnableOrderEntryRequest,
    EnterOrder, Inbound, MassCancelRequest, ModifyOrderRequest, ReplaceOrderRequest,
};
pub use options::{Appendage, OPTIONS_MAX, OptionTag, Options, TagSet};
pub use outbound::{
    AccountQueryResponse, AiqCanceled, BrokenTrade, CancelPending, CancelReject,
    DisableOrderEntryResponse, EnableOrderEntryResponse, MassCancelResponse, OrderAccepted,
    OrderCanceled, OrderExecuted, OrderModified, OrderPriorityUpdate, OrderReplaced, OrderRestated,
    Outbound, Rejected, SystemEvent,
};

/// Bytes of the longest message, either way.
pub const MESSAGE_MAX: usize = if Inbound::LENGTH_MAX > Outbound::LENGTH_MAX {
    Inbound::LENGTH_MAX
} else {
    Outbound::LENGTH_MAX
};

#[cfg(test)]
mod tests;
