//! Two machines as threads and sockets: what [`crate::replica`] says, over kernel TCP.

mod config;
mod error;
mod follow;
mod identity;
mod line;
mod primary;
mod vitals;
mod witness;

pub use config::{AloneConfig, StandbyConfig};
pub use error::{StandbyError, StandbyReport};
pub(crate) use follow::may_inherit;
pub use follow::{AtTheDoor, Ending, Folding, Promoted, Receiver, Shared, stand_by, to_witness};
pub use identity::identity;
pub use line::{Line, Lines, TcpLines, ToWitness};
pub use primary::Court;
pub(super) use primary::spawn_court;
pub use primary::{Crown, Deposed, Sitting, crown};
pub(crate) use vitals::Vitals;
pub use witness::{WitnessError, WitnessOptions, WitnessServer};
