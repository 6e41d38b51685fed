//! What people see of an appliance, and how they stop it: figures of the counters file, health,
//! metrics, and the web console that serves them on a thread of its own.

mod act;
mod alarm;
mod assets;
mod figures;
mod follow;
mod health;
mod look;
mod metrics;
mod password;
mod push;
mod record;
mod server;
mod tls;
mod users;

pub use alarm::{Bellman, spawn_alarm};
pub use figures::{
    BookFigures, ClassFigures, CoreFigures, ExchangeFigures, Figures, HardwareFigures,
    JournalFigures, LatencyFigures, LineFigures, LinkFigures, SessionFigures, StandbyFigures,
    age_of,
};
pub use health::{Verdict, unready, verdicts};
pub use metrics::{BUCKETS, CONTENT_TYPE, open_metrics, reference};
pub use password::PasswordHash;
pub use server::{ConsoleParts, ConsoleServer};
