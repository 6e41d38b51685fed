//! Two machines as threads and sockets: what [`crate::replica`] says, over kernel TCP.

mod config;
mod follow;
mod identity;
mod line;
mod primary;
mod vitals;
mod witness;

pub use config::{AloneConfig, StandbyConfig};
pub use follow::{Promoted, StandbyError, StandbyReport, stand_by};
pub use identity::identity;
pub use line::ToWitness;
pub(super) use primary::{Court, spawn_court};
pub use primary::{Crown, crown};
pub(super) use vitals::Vitals;
pub use witness::{WitnessError, WitnessOptions, WitnessServer};
