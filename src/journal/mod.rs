//! The two logs: commands, which are the truth, and the events derived from them.
//!
//! Both have one shape. A log is a folder of segments, a segment holds frames, a frame holds one
//! burst of whole messages:
//!
//! ```text
//!  hot core                                     keeper thread                    readers
//!  Writer ── append, commit ─► mapped segment ─► sync at an interval   ◄── Reader (tail, seek)
//!     ▲                                           │ zeroes segments ahead
//!     └───────────── ready segments ──────────────┘
//! ```
//!
//! What was committed survives the death of the process, what was synced that of the machine.
//! Opening a log after a crash cuts a torn tail; damage before good frames is never cut.

mod annex;
mod annex_keeper;
mod aside;
mod checksum;
mod cut;
mod disk;
mod error;
mod frame;
mod history;
mod keeper;
mod maker;
mod map;
mod pack;
mod progress;
mod reader;
mod recovery;
mod scan;
mod seal;
mod segment;
mod summary;
mod syncer;
mod writer;

use std::path::{Path, PathBuf};

pub use annex::{Annex, Annexed};
pub use annex_keeper::AnnexKeeper;
pub use aside::{Aside, PutAside, mark_of_command};
pub use cut::cut_back;
pub use disk::{Disk, Files};
pub use error::{JournalError, Place, Wrong};
pub use frame::FRAME_LINES_MAX;
pub use history::History;
pub use keeper::{Keeper, KeeperThread, Settings};
pub use map::MapMut;
pub use progress::{Health, Progress};
pub use reader::Reader;
pub use recovery::{Opened, hold, open, open_both, open_both_from, open_with};
pub use scan::{Scan, Scanned, Torn, check_pair, scan, scan_from};
pub use seal::{Anchors, BLOCK, Begun, Chain, Excess, Expired, Head, Pruned, Seal, Seals, excess};
pub use segment::{FORMAT_VERSION, Meaning, SEGMENT_BYTES_MIN, SegmentHeader, UtcMapping};
pub use summary::{Summary, is_open, summary};
pub use writer::Writer;

use crate::model::{
    Command, CommandKind, Event, EventKind, Head as MessageHead, LINES_MAX, Line, Nanos,
};

/// Which of the two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LogKind {
    /// What was asked: groups of one to four lines, numbered without a gap.
    Commands = 1,
    /// What happened: single lines, their ids rising.
    Events = 2,
}

impl LogKind {
    /// The byte headers carry.
    #[inline]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind of a byte.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Commands),
            2 => Some(Self::Events),
            _ => None,
        }
    }

    /// Its folder in the journal's.
    pub fn folder(self, journal: &Path) -> PathBuf {
        journal.join(match self {
            Self::Commands => "commands",
            Self::Events => "events",
        })
    }

    /// A message's id, from its head.
    #[inline]
    pub const fn id(self, head: &Line) -> u64 {
        head.0[0]
    }

    /// The command an id belongs to.
    pub const fn seq(self, id: u64) -> u64 {
        match self {
            Self::Commands => id,
            Self::Events => id >> 16,
        }
    }

    /// The least id that a message of a command can have.
    pub const fn least(self, seq: u64) -> u64 {
        match self {
            Self::Commands => seq,
            Self::Events => seq << 16,
        }
    }

    /// Whether `id` may come after `last`; the first command is 1.
    #[inline]
    pub fn follows(self, last: u64, id: u64) -> bool {
        match self {
            Self::Commands => last.checked_add(1) == Some(id),
            Self::Events => id > last,
        }
    }

    /// Lines of a message, as its head says; `None` for a number nobody writes.
    #[inline]
    pub fn lines(self, head: &Line) -> Option<usize> {
        match self {
            Self::Commands => {
                let lines = bytemuck::cast_ref::<Line, Command>(head).lines as usize;
                (1..=LINES_MAX).contains(&lines).then_some(lines)
            }
            Self::Events => Some(1),
        }
    }
}

impl std::fmt::Display for LogKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Commands => "command",
            Self::Events => "event",
        })
    }
}

/// A message that a log holds.
pub trait Logged: MessageHead {
    /// The log it belongs to.
    const KIND: LogKind;

    /// Its id: the seq of a command, the event id of an event.
    fn id(&self) -> u64;

    /// Its log time.
    fn time(&self) -> Nanos;

    /// Whether a trading day starts with it: it begins a segment then, so that those before it are
    /// of other days.
    fn starts_day(&self) -> bool;
}

impl Logged for Command {
    const KIND: LogKind = LogKind::Commands;

    #[inline]
    fn id(&self) -> u64 {
        self.seq.0
    }

    #[inline]
    fn time(&self) -> Nanos {
        self.timestamp
    }

    #[inline]
    fn starts_day(&self) -> bool {
        self.kind == CommandKind::StartOfDay.code()
    }
}

impl Logged for Event {
    const KIND: LogKind = LogKind::Events;

    #[inline]
    fn id(&self) -> u64 {
        self.id.0
    }

    #[inline]
    fn time(&self) -> Nanos {
        self.timestamp
    }

    #[inline]
    fn starts_day(&self) -> bool {
        self.kind == EventKind::StartOfDay.code()
    }
}

#[cfg(test)]
mod tests;
