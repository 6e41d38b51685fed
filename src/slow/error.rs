//! Why the slow path stopped, and how to get it going.

use std::path::PathBuf;

use crate::journal::JournalError;
use crate::model::{AccountId, EventId, InstrumentId};
use crate::slow::audit::AuditError;

/// Why the slow path stopped.
#[derive(Debug, thiserror::Error)]
pub enum SlowError {
    /// The event log cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The regulator's record is not as it was written, or cannot be read.
    #[error("{0}. `wirematch audit verify` says more; the journal has everything")]
    Audit(#[from] AuditError),
    /// An execution without a side.
    #[error("event {}.{}: an execution whose side is neither buy nor sell", .0.seq(), .0.index())]
    Malformed(EventId),
    /// A command whose event is there is not there itself yet.
    #[error("event {}.{}: its command cannot be read yet", .0.seq(), .0.index())]
    NotYet(EventId),
    /// The rules that the books are kept by cannot be read.
    #[error("{0}. Delete the file: the next start writes it again")]
    Rules(String),
    /// Alerts of a watcher cannot be written.
    #[error("{}: alerts cannot be written: {source}", file.display())]
    Watch {
        /// The file.
        file: PathBuf,
        /// What the disk said.
        source: std::io::Error,
    },
    /// A position grew beyond what 64 bits hold.
    #[error("account {account}, instrument {instrument}: the position does not fit 64 bits")]
    Overflow {
        /// The account.
        account: AccountId,
        /// The instrument.
        instrument: InstrumentId,
    },
    /// Another process writes the store.
    #[error("{}: another process writes this store. Stop it first.", file.display())]
    Locked {
        /// The store.
        file: PathBuf,
    },
    /// The store is damaged, or of another version.
    #[error(
        "{}: the store of positions is unusable ({what}). Delete it: the next start writes it \
         again from the journal.", file.display()
    )]
    Unusable {
        /// The store.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The store takes no writes, and too much is waiting.
    #[error(
        "{}: the store of positions takes no writes ({what}), and {waiting} events wait for it. \
         Make room or replace the disk; the journal has everything.", file.display()
    )]
    Behind {
        /// The store.
        file: PathBuf,
        /// What the last try ended with.
        what: String,
        /// Events not yet stored.
        waiting: usize,
    },
}
