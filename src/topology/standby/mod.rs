//! Two machines as threads and sockets: what [`crate::replica`] says, over kernel TCP.

mod config;
mod copies;
#[cfg(feature = "scaled")]
mod database;
mod follow;
mod identity;
mod line;
#[cfg(feature = "scaled")]
mod pipe;
mod primary;
mod to_primary;
mod to_witness;
mod vitals;
mod witness;

pub use config::{AloneConfig, StandbyConfig, WitnessConfig};
pub use copies::Copies;
#[cfg(feature = "scaled")]
pub use database::{DatabaseArbiter, Judged};
pub use follow::{
    AtTheDoor, Ending, Folding, Promoted, Receiver, Shared, StandbyError, StandbyReport, stand_by,
};
pub use identity::identity;
pub use line::{Line, Lines, TcpLines, ToWitness};
pub use primary::Court;
pub(super) use primary::spawn_court;
pub use primary::{Crown, Deposed, Sitting, crown};
pub use to_witness::to_witness;
pub(crate) use vitals::Vitals;
pub use witness::{WitnessError, WitnessOptions, WitnessServer};
