//! The risk gate: stamps a verdict into every command and fails closed.
//!
//! ```text
//! command ─► feedback (events that are due) ─► gate: rate, fields, collar, exposure ─► verdict
//!                ▲                                                                      │
//!                └───── events of earlier commands, after a fixed lag of log time ◄─────┘
//! ```

mod accounts;
mod collar;
mod exposure;
mod feedback;
mod gate;
mod held_orders;
mod holdings;
mod kill_switch;
mod limits;
mod rate;

pub use accounts::AccountState;
pub use feedback::{Feedback, Readiness};
pub use gate::RiskGate;
pub use limits::{AccountLimits, HoursSet, RateClass, RiskOptions, SessionRights};
