//! A client of the appliance: order scripts, a session over a port, and what came back.

pub mod script;
