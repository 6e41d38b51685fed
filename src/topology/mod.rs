//! Which stage runs where, on this machine: configuration, wiring, placement, boot.

mod appliance;
mod boot;
mod config;
mod decimal;
mod parse;
mod placement;
mod recovery;
#[cfg(test)]
mod tests;
mod validate;
mod wiring;

pub use appliance::{Appliance, Readers, StageReaders};
pub use boot::{BootError, Devices, boot};
pub use config::{
    Config, CoreConfig, DeviceName, EngineConfig, EntryConfig, FeedConfig, JournalConfig,
    ReleaseGate, StageName,
};
pub use decimal::Decimal;
pub use parse::{ConfigError, DEFAULT_CONFIG, load, parse};
pub use placement::{Placement, place};
pub use recovery::{Recovered, Replay, recover};
pub use validate::{Catalogue, check};
pub use wiring::{Wired, wire};
