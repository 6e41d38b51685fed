//! The risk gate: stamps a verdict into every command and fails closed.
//!
//! ```text
//! command ─► feedback (events that are due) ─► gate: rate, fields, collar, exposure ─► verdict
//!                ▲                                                                      │
//!                └───── events of earlier commands, after a fixed lag of log time ◄─────┘
//! ```

mod accounts;
mod alerts;
mod breaker;
mod collar;
mod controls;
mod duplicates;
mod exposure;
mod feedback;
mod firms;
mod gate;
mod guards;
mod held_orders;
mod holdings;
mod kill_switch;
mod limits;
mod market;
mod operator;
mod paces;
mod pairs;
mod price_band;
mod rate;
mod screen;
mod table;
mod usage;

pub use accounts::AccountState;
pub use alerts::Alert;
pub use feedback::{Feedback, Readiness};
pub use gate::RiskGate;
pub use limits::{
    AccountLimits, FirmLimits, HoursSet, MoreLimits, PhaseSet, RateClass, RiskOptions,
    SessionRights,
};
pub use table::{CONTROLS, Control, table};
pub use usage::{EACH, FILLED, Usage, Used};

use limits::{count, milliseconds, share};

#[cfg(test)]
mod tests;
