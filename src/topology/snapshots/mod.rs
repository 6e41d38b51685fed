//! Snapshots of all that a start needs: taken beside the stages by folding the journal once more,
//! and what a start begins from.
//!
//! ```text
//!  journal ──► fold, from the last snapshot on ──► file under a passing name ──► read back,
//!  compared ──► its own name ──► those beyond `keep` removed
//! ```
//!
//! No stage is asked for anything, so none is held up; and what is written was compared on the way,
//! event by event, with what the stages did.

mod config;
mod fit;
mod folder;
mod take;

pub use config::SnapshotsConfig;
pub use fit::{Unfit, command_at, fits, mark_of};
pub use folder::{Kept, list, snapshots_folder};
pub use take::{ASKS_EVERY, TakeError, Taken, begun, good_snapshots, looked_at, take};
pub(crate) use take::{Taker, spawn_snapshots};
