//! wirematch, a trading appliance: packets become requests, the sequencer makes them commands,
//! risk and matching turn commands into events, gateways turn events into replies.
//!
//! The modules in dependency order; `tidy` keeps who may import whom.

pub mod model;

pub mod snapshot;

pub mod engine;
pub mod feed;
pub mod journal;
pub mod link;
pub mod port;
pub mod runtime;
pub mod wire;

pub mod flow;
pub mod fpga;

pub mod replica;

pub mod slow;
pub mod stage;

pub mod outlet;

pub mod topology;

pub mod console;

pub mod client;

pub mod simulate;

pub mod command;

#[cfg(test)]
mod tidy;
