//! The counters file: all numbers of a running appliance in one mapped file, read from outside
//! without touching the process, also after it died.
//!
//! ```text
//!  0     header: magic, version, where the rest lies, the change number, who writes and since when
//!  4096  description: JSON, one entry for each series: name, sentence, unit, labels, place
//!  …     values: 64-bit words
//! ```
//!
//! The description travels in the file, so a reader needs to know nothing of the appliance. One
//! thread writes, a few times a second, and no stage ever does: writing a mapped file can wait for
//! the disk. The change number is odd while a write is under way; who reads tries again.

mod map;
mod plan;
mod snapshot;
mod spans;
#[cfg(test)]
mod tests;
mod writer;

pub use plan::{Plan, Series, SeriesKind, Slot, Unit};
pub use snapshot::{CountersError, Sample, Snapshot, Value};
pub use spans::{SPAN_BUCKETS, Spans, bucket_of_span, longest_in_span};
pub use writer::{CountersFile, Values};

/// The file's name in the data folder.
pub const COUNTERS_NAME: &str = "counters";

/// The first eight bytes.
const MAGIC: u64 = u64::from_le_bytes(*b"WMCOUNTS");

/// The layout of the header; a reader refuses another.
pub const COUNTERS_VERSION: u64 = 1;

/// Bytes of the header; the description begins behind it.
const HEADER_BYTES: usize = 4096;

/// The longest file that a reader takes for one.
const FILE_MAX: u64 = 64 << 20;

/// The header's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
enum Word {
    Magic = 0,
    Version = 1,
    DescriptionBytes = 2,
    ValuesAt = 3,
    ValuesWords = 4,
    /// Odd while values are written.
    Change = 5,
    Pid = 6,
    StartedAt = 7,
    WrittenAt = 8,
    /// 1: stopped in order.
    Ended = 9,
}
