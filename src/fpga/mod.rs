//! The order book in hardware, from the host's side: the device behind a seam, a `Matcher` in front
//! of it, and what holds the two books against each other.

mod device;
#[cfg(feature = "fpga-sim")]
pub mod lockstep;
mod offloaded;
pub mod package;
#[cfg(feature = "fpga-sim")]
mod shard;
#[cfg(feature = "fpga-sim")]
mod simulated;
#[cfg(feature = "fpga-sim")]
mod storm;
#[cfg(all(test, feature = "fpga-sim"))]
mod tests;
#[cfg(feature = "fpga-sim")]
pub mod wire;
#[cfg(all(test, feature = "fpga-sim"))]
mod wire_tests;

pub use device::{Capacity, Device, LADDER_TICKS, Setting};
pub use offloaded::{Answering, Offloaded};
#[cfg(feature = "fpga-sim")]
pub use simulated::{Inputs, Outputs, Simulated, Size};

/// The matcher of a shard in the live pipeline.
#[cfg(not(feature = "fpga-sim"))]
pub type ShardMatcher = crate::engine::SoftwareMatcher;
#[cfg(feature = "fpga-sim")]
pub use shard::ShardMatcher;
