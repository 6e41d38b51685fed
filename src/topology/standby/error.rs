//! Why a standby does not go on, and what it has to tell people.

use std::net::SocketAddr;

use crate::model::SeqNo;
use crate::replica::{Heard, LinkError, Name};
use crate::topology::BootError;

/// Why a standby, or a machine that would be primary, does not go on.
#[derive(Debug, thiserror::Error)]
pub enum StandbyError {
    /// Somebody else is primary.
    #[error(
        "{holder} is primary, in epoch {epoch}: start this machine with `--standby HOST:PORT` of \
         that one, or force the witness if that one will not come back"
    )]
    OtherIsPrimary {
        /// Who.
        holder: Name,
        /// Since which epoch.
        epoch: u32,
    },
    /// The witness will not speak with us.
    #[error("the witness: {0}")]
    Witness(String),
    /// The primary will not have us, or is not fit to be one.
    #[error("the primary at {address}: {source}")]
    Primary {
        /// Where it is.
        address: SocketAddr,
        /// Why.
        source: LinkError,
    },
    /// What the journal holds cannot be used.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// Its disk failed: what it confirms is worth less than it says.
    #[error("{0}")]
    Disk(String),
    /// The histories of the two machines differ.
    #[error(
        "the digests of commands up to {seq} differ between this machine and the primary: it must \
         not take over. Keep both journals; `wirematch replay` says which of the two is wrong."
    )]
    Differs {
        /// The last command of the block that differs.
        seq: u64,
    },
}

/// What a standby has to tell people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StandbyReport {
    /// Its journal is open.
    Began {
        /// The command of the snapshot it began from, if from any.
        snapshot: Option<SeqNo>,
        /// Snapshots it did not begin from, each in a sentence.
        passed_over: Vec<String>,
    },
    /// It was let in, and what was another history has been cut off.
    Joined(Heard),
    /// It has all that the primary had, and stands by.
    Ready {
        /// Its last command.
        seq: SeqNo,
    },
    /// The primary is lost.
    Lost(String),
    /// It takes over.
    TakesOver {
        /// Its epoch as primary.
        epoch: u32,
    },
}
