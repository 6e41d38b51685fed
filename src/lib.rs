//! wirematch, a trading appliance: packets become requests, the sequencer makes them commands,
//! risk and matching turn commands into events, gateways turn events into replies.
//!
//! The modules in dependency order; `tidy` keeps who may import whom.

pub mod link;
pub mod model;

#[cfg(test)]
mod tidy;
