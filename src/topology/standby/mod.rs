//! Two machines as threads and sockets: what [`crate::replica`] says, over kernel TCP.

mod config;
mod copies;
mod court;
#[cfg(feature = "scaled")]
mod database;
mod door;
mod error;
mod fold;
mod follow;
mod identity;
mod line;
#[cfg(any(feature = "scaled", test))]
mod pipe;
mod primary;
mod to_primary;
mod to_witness;
mod vitals;
mod witness;

pub use config::{AloneConfig, StandbyConfig, WitnessConfig};
pub use copies::Copies;
pub(crate) use court::reign_of;
pub(super) use court::{CourtParts, open_court};
#[cfg(feature = "scaled")]
pub use database::{DatabaseArbiter, Judged};
pub use door::{Admission, AtTheDoor};
pub use error::{StandbyError, StandbyReport};
pub use fold::{Folding, Shared};
pub(crate) use follow::may_inherit;
pub use follow::{Ending, Promoted, Receiver, stand_by};
pub use identity::identity;
pub use line::{Line, Lines, TcpLines, ToWitness};
pub use primary::Court;
pub(super) use primary::spawn_court;
pub use primary::{Crown, Deposed, Sitting, crown};
pub use to_witness::to_witness;
pub(crate) use vitals::Vitals;
pub use witness::{WitnessError, WitnessOptions, WitnessServer};
