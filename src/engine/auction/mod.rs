//! Auctions: the one price at which most trades, and how it is found a few orders at a time.
//!
//! ```text
//! orders of both sides, best first ─► Count ─► Outcome: price, volume, what is left over
//! ```
//!
//! The price is the one of the greatest volume; of those, of the least surplus; of those, the
//! highest if only buyers are left over and the lowest if only sellers are; else the one nearest
//! to the reference price. Who trades at it is decided by price, then by what is shown, then by
//! time.

mod band;
mod count;
mod phases;

pub(super) use band::Band;
pub use count::{Count, Outcome, Wants};
pub(super) use phases::{Timing, admits, auctioned_with, uncrosses};
