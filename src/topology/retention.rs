//! What of a journal need not be kept any longer: what is older than its days, in a snapshot that a
//! start begins from, and followed by nobody who needs all of history.

use std::path::PathBuf;

use crate::journal::{Anchors, Excess, Expired, Files, JournalError, LogKind, excess};
use crate::model::{Command, Event, Nanos};
use crate::snapshot::Stand;
use crate::topology::{
    Catalogue, Config, TakeError, good_snapshots, journal_folder, outlet_options,
};

/// Why nothing is pruned.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// A log cannot be read, is not what was sealed, or is being written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Snapshots cannot be looked at.
    #[error(transparent)]
    Snapshots(#[from] TakeError),
    /// A start would have nothing to begin from.
    #[error(
        "no snapshot is good: `wirematch snapshot take` takes one, `snapshot verify` says what is \
         wrong with those there are"
    )]
    NoSnapshot,
    /// Somebody folds the whole event log at each start.
    #[error(
        "[market_data] gives snapshots, the day again or books from the whole event log: nothing \
         of it can go while it does"
    )]
    Followed,
}

/// Nanoseconds of a day.
const DAY: u64 = 86_400_000_000_000;

/// What may go of each log of a configuration's journal, at a time; nothing inside the days that
/// are kept, and nothing that the oldest of the good snapshots does not have.
///
/// # Errors
/// [`PruneError`].
pub fn prunable(
    config: &Config,
    catalogue: &Catalogue,
    now: Nanos,
) -> Result<Vec<Excess>, PruneError> {
    if outlet_options(config, catalogue).is_used() {
        return Err(PruneError::Followed);
    }
    let stands = good_snapshots(config, catalogue)?;
    let (Some(newest), Some(oldest)) = (stands.first(), stands.last()) else {
        return Err(PruneError::NoSnapshot);
    };
    // A clock that ran ahead must not make history old: log time is asked too.
    let now = now.min(newest.timestamp);
    let before = now.saturating_sub(Nanos(u64::from(config.journal.keep_days) * DAY));
    let Stand { seq, last_event, .. } = oldest;
    let journal = journal_folder(&config.data);
    let commands = Expired { before, covered: seq.0 };
    let events = Expired { before, covered: last_event.0 };
    let found = [
        excess::<Command>(
            &LogKind::Commands.folder(&journal),
            &commands,
            &anchors(config, LogKind::Commands),
        )?,
        excess::<Event>(
            &LogKind::Events.folder(&journal),
            &events,
            &anchors(config, LogKind::Events),
        )?,
    ];
    Ok(found.into_iter().flatten().collect())
}

/// Removes what [`prunable`] found.
///
/// # Errors
/// What the system said.
pub fn prune(excess: &[Excess]) -> Result<(), PruneError> {
    Ok(excess.iter().try_for_each(|excess| excess.remove(&Files))?)
}

/// Files of anchors that a log is held against before anything of it goes.
fn anchors(config: &Config, kind: LogKind) -> Vec<PathBuf> {
    let own = kind.folder(&journal_folder(&config.data));
    let folders = std::iter::once(own).chain(config.journal.anchors.clone());
    folders.map(|folder| Anchors::file(&folder, kind)).collect()
}
