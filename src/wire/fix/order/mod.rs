//! Order entry: a client's messages become requests, events become the reports it is told by.
//!
//! ```text
//!   D F G q DH ─► decode ─► Request ─► (sequencer … matching) ─► Event ─► Orders ─► 8 9 r DI
//!   H AF ────────────────────► Orders, which know where each order is ──────────► 8
//! ```

mod chain;
pub(in crate::wire::fix) mod codes;
mod decode;
mod orders;
mod party;
mod report;
pub mod rules;
mod terms;

pub use chain::{ID_MAX, Id, Order, Stage};
pub use codes::doubt_text;
pub use decode::{Asked, Directory, Sender, decode};
pub use orders::Orders;
pub use party::{PartyActionReport, PartyRefusal, Said};
pub use report::{CancelReject, ExecutionReport, MassCancelReport, OrderReport};

#[cfg(test)]
mod matrices;
#[cfg(test)]
mod tests;
