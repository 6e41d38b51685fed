//! The order book in hardware, from the host's side: the device behind a seam, a `Matcher` in front
//! of it, and what holds the two books against each other.

mod device;
#[cfg(feature = "fpga-sim")]
pub mod lockstep;
pub mod package;
#[cfg(feature = "fpga-sim")]
mod simulated;
#[cfg(feature = "fpga-sim")]
mod storm;

pub use device::{Capacity, Device, LADDER_TICKS, Setting};
#[cfg(feature = "fpga-sim")]
pub use simulated::{Inputs, Outputs, Simulated, Size};
