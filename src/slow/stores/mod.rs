//! The books on real engines, with the feature `scaled`: PostgreSQL for positions and history, a
//! Kafka log for events, Redis for what others read often. Each is a projection of the journal: it
//! keeps how far it has come in the same transaction as its data, so that it goes on there after
//! any crash, nothing missing and nothing twice. Trading never waits for them; what waits for them
//! is bounded, and past the bound orders are refused ([`Pressure`]).

pub mod kafka;
pub mod postgres;
mod pressure;
pub mod redis;
mod shards;

use std::path::PathBuf;

pub use pressure::{Bounds, Lag, Pressure, Strain};
pub use shards::{Keeper, Places, ShardPlace};

/// Why a store does not take what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached.
    #[error("{store}: it cannot be reached: {what}")]
    Down {
        /// Which.
        store: String,
        /// What was said.
        what: String,
    },
    /// It knows us not.
    #[error("{store}: it does not let us in: {what}. Check user and password in [slow.scaled]")]
    Denied {
        /// Which.
        store: String,
        /// What was said.
        what: String,
    },
    /// It has tables of another version.
    #[error(
        "{store}: its tables are of version {found}, this build writes version {wanted}. Give it \
         an empty database: it is filled again from the journal"
    )]
    Schema {
        /// Which.
        store: String,
        /// What it has.
        found: i32,
        /// What we have.
        wanted: i32,
    },
    /// It takes no writes.
    #[error("{store}: it is read-only (a replica?): name its primary in [slow.scaled]")]
    ReadOnly {
        /// Which.
        store: String,
    },
    /// Its disk is full.
    #[error("{store}: its disk is full: {what}. Make room; the journal has everything")]
    Full {
        /// Which.
        store: String,
        /// What was said.
        what: String,
    },
    /// Somebody else writes into it.
    #[error("{store}: another writer is at event {found}, we were at {ours}: stop one of the two")]
    Fenced {
        /// Which.
        store: String,
        /// Where it is.
        found: u64,
        /// Where we were.
        ours: u64,
    },
    /// It was made from another journal.
    #[error("{store}: it was filled from another journal. Give it an empty database")]
    OtherJournal {
        /// Which.
        store: String,
    },
    /// Its replica is too far behind.
    #[error("{store}: the replica is {behind_ms} ms behind, at most {most_ms} ms are allowed")]
    Stale {
        /// Which.
        store: String,
        /// How far.
        behind_ms: u64,
        /// How far it may be.
        most_ms: u64,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Slow(#[from] crate::slow::SlowError),
    /// Our own note of which database is in use cannot be read or written.
    #[error("{}: {what}", file.display())]
    Places {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl From<crate::journal::JournalError> for StoreError {
    fn from(error: crate::journal::JournalError) -> Self {
        Self::Slow(error.into())
    }
}
