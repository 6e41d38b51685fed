//! Price-time books in memory taken once. Nothing here knows sessions, accounts or events.
//!
//! ```text
//! OrderBook ── two Ladders ── window: key ─► level          (an array about the best price)
//!                         └── far levels: key ─► level      (a balanced tree for the rest)
//! Shelf     ── far levels: for orders that wait out of sight, in keys of their own
//! Store     ── Levels: quantity, first and last order       (shared by all books)
//!          └── Orders: leaves, neighbours, level, owner     (shared by all books)
//! ```
//!
//! Prices are keys here: ticks for sellers, ticks negated for buyers, so that on both sides the
//! lowest key is the best price and one code serves both.

mod bitmap;
mod far_levels;
mod ladder;
mod level;
mod order_book;
mod order_pool;
mod shelf;

#[cfg(test)]
mod tests;

pub(super) use bitmap::Bitmap;
pub use order_book::{Front, Notes, OrderBook, Store};
pub use order_pool::Owned;
pub use shelf::Shelf;

/// A price as ladders know it: the lower, the better.
pub type Key = i64;

/// Numbers an order's or a level's slot; 0 is none.
pub type Slot = u32;

/// No order, no level: slot 0 of every pool stays unused, so that fresh memory means "none".
pub const NONE: Slot = 0;
