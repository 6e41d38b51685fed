//! What runs a stage, knowing nothing of any stage: the lap, the clock, the pin, the numbers.

mod affinity;
mod clock;
mod core;
mod counters;
pub mod counters_file;
mod histogram;
mod idle;
pub mod log;
mod memory;
mod notify;
mod pulse;
mod rehearsal;
mod stage;
mod utc;
mod watermark;

pub use affinity::{available_cpus, pin, quietest_last, stay_off};
pub use clock::{Clock, ManualClock, SystemClock};
pub use core::{Core, CoreTimes, StopFlag};
pub use counters::{CounterNames, CounterReader, Counters};
pub use histogram::{LatencyReader, LatencyRecorder, Percentiles, latency};
pub use idle::Idle;
pub use memory::{
    CountingAllocator, allocations_of_this_thread, bytes_of_this_thread, lock_memory,
};
pub use notify::Notifier;
pub use pulse::{Pulse, Watchman};
pub use rehearsal::{Rehearsal, rehearse};
pub use stage::Stage;
pub use utc::{Utc, utc};
pub use watermark::Watermark;
