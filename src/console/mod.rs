//! What people see of an appliance, and how they stop it: figures of the counters file, health,
//! metrics, and the web console that serves them on a thread of its own.

mod figures;
mod health;
mod metrics;

pub use figures::{
    BookFigures, CoreFigures, Figures, JournalFigures, LatencyFigures, LinkFigures, SessionFigures,
    StandbyFigures, age_of,
};
pub use health::{Verdict, unready, verdicts};
pub use metrics::{BUCKETS, CONTENT_TYPE, open_metrics, reference};
