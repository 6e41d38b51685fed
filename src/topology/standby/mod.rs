//! Two machines as threads and sockets: what [`crate::replica`] says, over kernel TCP.

mod config;
mod copies;
mod court;
mod fold;
mod follow;
mod identity;
mod line;
mod primary;
mod to_primary;
mod vitals;
mod witness;

pub use config::{AloneConfig, StandbyConfig};
pub use copies::Copies;
pub(crate) use court::reign_of;
pub(super) use court::{CourtParts, open_court};
pub use fold::{Folding, Shared};
pub use follow::{
    AtTheDoor, Ending, Promoted, Receiver, StandbyError, StandbyReport, stand_by, to_witness,
};
pub use identity::identity;
pub use line::{Line, Lines, TcpLines, ToWitness};
pub use primary::Court;
pub(super) use primary::spawn_court;
pub use primary::{Crown, Deposed, Sitting, crown};
pub(crate) use vitals::Vitals;
pub use witness::{WitnessError, WitnessOptions, WitnessServer};
