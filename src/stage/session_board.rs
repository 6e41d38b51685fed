//! What gateways show of their sessions: a few each time they do their chores, never exact to the
//! instant.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::model::SessionId;

/// Sessions shown per round of chores.
pub(in crate::stage) const SHOWN_AT_ONCE: usize = 8;

/// A session's numbers, as last shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SessionRow {
    /// Connected, as far as history knows.
    pub is_up: bool,
    /// Messages taken from the client.
    pub heard: u64,
    /// Messages told to it.
    pub told: u64,
    /// The highest order number used.
    pub last_ordinal: u64,
    /// Messages told again, because it asked or what it had was not enough.
    pub told_again: u64,
    /// From our words to its machine's or its own acknowledgement, in nanoseconds; 0 where nothing
    /// was measured.
    pub round_trip_ns: u64,
}

#[derive(Debug, Default)]
struct Row {
    is_up: AtomicBool,
    heard: AtomicU64,
    told: AtomicU64,
    last_ordinal: AtomicU64,
    told_again: AtomicU64,
    round_trip_ns: AtomicU64,
}

/// All sessions, by id.
#[derive(Debug)]
pub struct SessionBoard(Box<[Row]>);

impl SessionBoard {
    /// For so many ids.
    pub fn new(count: usize) -> Arc<Self> {
        Arc::new(Self((0..count).map(|_| Row::default()).collect()))
    }

    /// A gateway shows one of its sessions.
    #[inline]
    pub(in crate::stage) fn show(&self, session: SessionId, shown: SessionRow) {
        let Some(row) = self.0.get(session.index()) else { return };
        row.is_up.store(shown.is_up, Ordering::Relaxed);
        row.heard.store(shown.heard, Ordering::Relaxed);
        row.told.store(shown.told, Ordering::Relaxed);
        row.last_ordinal.store(shown.last_ordinal, Ordering::Relaxed);
        row.told_again.store(shown.told_again, Ordering::Relaxed);
        row.round_trip_ns.store(shown.round_trip_ns, Ordering::Relaxed);
    }

    /// A session as last shown.
    pub fn row(&self, session: SessionId) -> SessionRow {
        let of = |row: &Row| SessionRow {
            is_up: row.is_up.load(Ordering::Relaxed),
            heard: row.heard.load(Ordering::Relaxed),
            told: row.told.load(Ordering::Relaxed),
            last_ordinal: row.last_ordinal.load(Ordering::Relaxed),
            told_again: row.told_again.load(Ordering::Relaxed),
            round_trip_ns: row.round_trip_ns.load(Ordering::Relaxed),
        };
        self.0.get(session.index()).map(of).unwrap_or_default()
    }
}
