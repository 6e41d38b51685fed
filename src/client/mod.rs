//! A client of the appliance: order scripts, a session over a port, a listener of the feed, and
//! what came back.

pub mod certify;
mod listener;
mod roamer;
pub mod script;
mod tally;
mod trader;

pub use listener::{Heard, Listener};
pub use roamer::Roamer;
pub use tally::{Counts, Tally};
pub use trader::{Trader, TraderConfig};
