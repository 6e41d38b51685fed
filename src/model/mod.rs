//! The words every module shares: units, identifiers, orders, messages; and one word to the caches.
//! No I/O.

#[macro_use]
mod coded;
pub mod base36;
mod command;
mod event;
mod fault;
mod fetch;
mod ids;
mod instrument;
mod limit;
mod line;
mod order;
mod reject;
mod units;

pub(crate) use coded::coded;
pub use command::{Command, CommandKind, Flags, Request, Scope, Verdict};
pub use event::{CancelReason, Event, EventFlags, EventId, EventKind};
pub use fault::Fault;
pub(crate) use fetch::fetch;
pub use ids::{AccountId, InstrumentId, OrderId, SessionId};
pub use instrument::Instrument;
pub use limit::{CashKind, LimitKind, TradingState, Unit};
pub use line::{
    Group, Head, LINES_MAX, Line, LineKind, MODEL_VERSION, Note, Parties, TermFlags, Terms, Text,
    TradeDetail,
};
pub use order::{Capacity, Hours, OrderType, Phase, SelfTrade, Side, Symbol, TimeInForce};
pub use reject::RejectCode;
pub use units::{Nanos, Notional, PRICE_ONE, Price, Quantity, SeqNo};
