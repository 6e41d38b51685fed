//! The slow path: one thread that follows the event log and keeps what follows from it.
//!
//! ```text
//!  event log ──► Reader ──► Books (a pure fold) ──► Store (embedded, one transaction)
//!  both logs ──► Reader ──► audit::Ledger (a pure fold) ──► audit::Trail (sealed, by day)
//! ```
//!
//! The journal is the truth. The store holds, in one transaction, positions and the id of the
//! last event in them, so a crash anywhere means reading on from that id: nothing is lost and
//! nothing counts twice. The hot path never waits for any of this.

pub mod audit;
pub mod books;
mod error;
pub mod levels;
mod look;
mod money;
pub mod people;
mod positions;
mod read;
pub mod reconcile;
mod roster;
pub mod rules;
mod store;
#[cfg(feature = "scaled")]
pub mod stores;
mod tail;
#[cfg(test)]
mod tests;
pub mod watch;

pub use error::SlowError;
pub use money::Money;
pub use positions::{Holding, Position, Positions, Snapshot, Totals};
pub use read::{AsOf, Found, Source, read_books};
pub use roster::{Roster, put};
pub use store::{STORE_NAME, Store};
pub use tail::SlowPath;
