//! Takes a snapshot: folds the journal from the last one on, in a thread of its own.

use std::fs;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::engine::SetupError;
use crate::journal::{JournalError, LogKind, Progress, Reader};
use crate::model::{Event, EventId, SeqNo};
use crate::runtime::{Clock, StopFlag, SystemClock, log, pin};
use crate::snapshot::{Container, Stand};
use crate::stage::{FixState, VenuesState};
use crate::topology::snapshots::fit::{Unfit, fits, mark_of};
use crate::topology::snapshots::folder::{self, Kept, list, snapshots_folder};
use crate::topology::{
    Catalogue, Config, Replay, ReplayError, empty_feed, empty_fold, empty_gateway, empty_peers,
    fix_options, identity, journal_folder, journal_settings, prunable, prune, venues_options,
};

/// Why no snapshot was taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The engine refuses its limits.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The journal does not give back what it recorded.
    #[error("the journal does not replay: {0}")]
    Replay(#[from] ReplayError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There is no command to stand at.
    #[error("the journal holds no command yet")]
    Empty,
    /// A mass cancel, an auction or stops are under way at the last command.
    #[error("the books are at work at command {0}, the last there is: try again later")]
    Busy(SeqNo),
    /// The disk is full, or refuses.
    #[error("{path}: {source}")]
    Disk {
        /// What was to be written or removed.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is too little room left for it beside the journal.
    #[error(
        "{}: a snapshot of {wanted} KiB and {kept} KiB that the journal may want do not fit into \
         the {free} KiB that are free: make room", folder.display()
    )]
    NoRoom {
        /// Where it was to be written.
        folder: PathBuf,
        /// Its size.
        wanted: u64,
        /// What is left to the journal.
        kept: u64,
        /// What is free.
        free: u64,
    },
    /// What was written does not fit the journal, or does not read back as what it was.
    #[error("what was written is of no use: {0}")]
    Unfit(#[from] Unfit),
    /// The state that was read back is another.
    #[error("what was read back is other state than was written: look at the memory and the disk")]
    Differs,
    /// Somebody asked to stop.
    #[error("stopped")]
    Stopped,
}

/// A snapshot that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The last command in it.
    pub seq: SeqNo,
    /// Its file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: usize,
    /// The state's digest.
    pub digest: [u8; 32],
    /// Commands that were folded for it.
    pub folded: u64,
    /// Snapshots that were passed over on the way, each in a sentence.
    pub passed_over: Vec<String>,
}

/// State to look at, before the first command: nobody is told anything by it.
///
/// # Errors
/// Limits that the engine refuses, and a journal that cannot be opened.
pub fn looked_at(config: &Config, catalogue: &Catalogue) -> Result<Replay, TakeError> {
    let mut replay = Replay::open(
        &journal_folder(&config.data),
        empty_fold(config, catalogue)?,
        empty_gateway(config, catalogue),
        empty_feed(config, catalogue),
    )?;
    replay.fix = FixState::to_look_at(&fix_options(config, catalogue));
    replay.peers = empty_peers(config, catalogue);
    replay.venues = VenuesState::to_look_at(&venues_options(config, catalogue));
    Ok(replay)
}

/// State to look at, from the newest snapshot that fits and is not after a command; and what was
/// passed over, each in a sentence.
///
/// # Errors
/// As [`looked_at`].
pub fn begun(
    config: &Config,
    catalogue: &Catalogue,
    until: SeqNo,
) -> Result<(Replay, Vec<String>), TakeError> {
    let mut passed_over = Vec::new();
    let folder = snapshots_folder(&config.data);
    for kept in list(&folder).map_err(disk(&folder))?.iter().filter(|kept| kept.seq <= until) {
        let (replay, stand) = loaded(config, catalogue, kept)?;
        match stand {
            Ok(_) => return Ok((replay, passed_over)),
            Err(why) => passed_over.push(format!("{}: {why}", kept.path.display())),
        }
    }
    Ok((looked_at(config, catalogue)?, passed_over))
}

/// State to look at, filled from a snapshot, or why it cannot be. The file is read and checked
/// while memory is taken for what it holds.
fn loaded(
    config: &Config,
    catalogue: &Catalogue,
    kept: &Kept,
) -> Result<(Replay, Result<Stand, Unfit>), TakeError> {
    let (bytes, replay) = thread::scope(|scope| {
        let bytes = scope.spawn(|| checked(kept));
        let replay = looked_at(config, catalogue);
        (bytes.join().unwrap_or_else(|panic| resume_unwind(panic)), replay)
    });
    let mut replay = replay?;
    let stand = bytes.and_then(|bytes| resume(config, catalogue, &bytes, &mut replay));
    Ok((replay, stand))
}

/// A snapshot's file, whose bytes are those that were written.
fn checked(kept: &Kept) -> Result<Vec<u8>, Unfit> {
    let bytes = fs::read(&kept.path)?;
    Container::check(&bytes)?;
    Ok(bytes)
}

/// Where the snapshots stand that a start would begin from, each loaded as it would; the newest
/// first.
///
/// # Errors
/// As [`looked_at`].
pub fn good_snapshots(config: &Config, catalogue: &Catalogue) -> Result<Vec<Stand>, TakeError> {
    let folder = snapshots_folder(&config.data);
    let mut stands = Vec::new();
    for kept in list(&folder).map_err(disk(&folder))? {
        stands.extend(loaded(config, catalogue, &kept)?.1);
    }
    Ok(stands)
}

fn resume(
    config: &Config,
    catalogue: &Catalogue,
    bytes: &[u8],
    replay: &mut Replay,
) -> Result<Stand, Unfit> {
    let container = Container::of_checked(bytes)?;
    let journal = journal_folder(&config.data);
    fits(&journal, &identity(config, catalogue).config, &container.stand)?;
    replay.resume(&journal, &container)?;
    Ok(container.stand)
}

/// Commands that are folded between two questions whether to stop.
pub const ASKS_EVERY: u64 = 1 << 10;

/// Takes a snapshot at a command, or at the next at which the books are at rest; `stop` is asked
/// once in [`ASKS_EVERY`] commands.
///
/// # Errors
/// [`TakeError`]; no snapshot that was there is lost by it.
pub fn take(
    config: &Config,
    catalogue: &Catalogue,
    until: SeqNo,
    stop: &dyn Fn() -> bool,
) -> Result<Taken, TakeError> {
    // A running appliance goes on meanwhile: it is not run after.
    let until = until.min(last_survived(&journal_folder(&config.data))?);
    let (mut replay, passed_over) = begun(config, catalogue, until)?;
    while replay.fold.seq < until || !replay.is_at_rest() {
        if replay.command_count.is_multiple_of(ASKS_EVERY) && stop() {
            return Err(TakeError::Stopped);
        }
        if !replay.step(&mut |_| ())? {
            break;
        }
    }
    let (seq, folded) = (replay.fold.seq, replay.command_count);
    if seq == SeqNo::ZERO {
        return Err(TakeError::Empty);
    }
    if !replay.is_at_rest() {
        return Err(TakeError::Busy(seq));
    }
    let stand = stand_of(config, catalogue, &replay)?;
    let composer = replay.compose(&stand);
    drop(replay);
    let (digest, bytes) = (composer.digest(), composer.finish());
    let folder = snapshots_folder(&config.data);
    has_room(config, &folder, bytes.len())?;
    let passing = folder::put(&folder, seq, &bytes).map_err(disk(&folder))?;
    let size = bytes.len();
    drop(bytes);
    if let Err(error) = read_back(config, catalogue, &passing, &digest) {
        let _ = fs::remove_file(&passing);
        return Err(error);
    }
    let path = folder::establish(&folder, seq, &passing).map_err(disk(&passing))?;
    remove_old(config, catalogue, seq)?;
    Ok(Taken { seq, path, bytes: size, digest, folded, passed_over })
}

/// Whether a file fits, and what the journal may want next after it: that goes first.
fn has_room(config: &Config, folder: &Path, wanted: usize) -> Result<(), TakeError> {
    fs::create_dir_all(folder).map_err(disk(folder))?;
    let found = rustix::fs::statvfs(folder).map_err(io::Error::from).map_err(disk(folder))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let segments = 2 * (journal_settings(config).ready_segments as u64 + 1);
    let kept = segments * journal_settings(config).segment_bytes as u64;
    let wanted = wanted as u64;
    if free >= wanted.saturating_add(kept) {
        return Ok(());
    }
    let [wanted, kept, free] = [wanted, kept, free].map(|bytes| bytes >> 10);
    Err(TakeError::NoRoom { folder: folder.to_owned(), wanted, kept, free })
}

/// The last command whose events are on record: what comes after it may bring whoever folds it
/// down.
fn last_survived(journal: &Path) -> Result<SeqNo, JournalError> {
    let mut reader = Reader::<Event>::open(&LogKind::Events.folder(journal), u64::MAX)?;
    reader.read()?;
    Ok(EventId(reader.place().after).seq())
}

/// Where a state stands in its journal.
fn stand_of(config: &Config, catalogue: &Catalogue, replay: &Replay) -> Result<Stand, TakeError> {
    let (journal, identity) = (journal_folder(&config.data), identity(config, catalogue));
    let seq = replay.fold.seq;
    let mark = mark_of(&journal, seq)?.ok_or(Unfit::History(seq))?;
    let stand = Stand {
        seq,
        timestamp: replay.fold.timestamp,
        last_event: replay.last_event,
        mark,
        config: identity.config,
        build: identity.build,
        epochs: replay.epochs.clone(),
    };
    // The recorder of a running appliance may be writing the last events just now.
    let mut looks = 0;
    loop {
        match fits(&journal, &identity.config, &stand) {
            Err(Unfit::Events(_)) if looks < EVENT_LOOKS => {
                looks += 1;
                thread::sleep(EVENT_PAUSE);
            }
            fit => return Ok(fit.map(|()| stand)?),
        }
    }
}

/// How often, and how long between, the last event is waited for.
const EVENT_LOOKS: u32 = 100;
const EVENT_PAUSE: Duration = Duration::from_millis(10);

/// Loads what was written as a start would, and compares what comes of it.
fn read_back(
    config: &Config,
    catalogue: &Catalogue,
    path: &Path,
    digest: &[u8; 32],
) -> Result<(), TakeError> {
    let bytes = fs::read(path).map_err(disk(path))?;
    let container = Container::open(&bytes).map_err(Unfit::from)?;
    let mut replay = looked_at(config, catalogue)?;
    replay.resume(&journal_folder(&config.data), &container)?;
    let again = replay.compose(&container.stand);
    let is_same = container.digest() == *digest && again.digest() == *digest;
    if is_same { Ok(()) } else { Err(TakeError::Differs) }
}

/// Removes those beyond the number that is kept, and newer ones that are of no history here.
fn remove_old(config: &Config, catalogue: &Catalogue, newest: SeqNo) -> Result<(), TakeError> {
    let folder = snapshots_folder(&config.data);
    let all = list(&folder).map_err(disk(&folder))?;
    let (later, mine): (Vec<_>, Vec<_>) = all.into_iter().partition(|kept| kept.seq > newest);
    let is_foreign = |kept: &Kept| {
        let found = loaded(config, catalogue, kept);
        matches!(found, Ok((_, Err(Unfit::History(_) | Unfit::Container(_)))))
    };
    let old = mine.into_iter().skip(config.snapshots.keep as usize);
    for kept in later.into_iter().filter(is_foreign).chain(old) {
        fs::remove_file(&kept.path).map_err(disk(&kept.path))?;
    }
    Ok(())
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> TakeError {
    let path = path.to_owned();
    |source| TakeError::Disk { path, source }
}

/// How often the thread looks how far history has come.
const PAUSE: Duration = Duration::from_millis(50);

/// How much less than others' its work counts, where it shares a CPU.
const NICE: i32 = 10;

/// The thread that takes them, where they are wanted.
pub(crate) type Taker = Option<JoinHandle<()>>;

/// Starts it, behind the one that was there before: this machine may have stood by until now.
pub(crate) fn spawn_snapshots(
    (config, catalogue): (Config, Catalogue),
    progress: Arc<Progress>,
    cpu: Option<usize>,
    stop: StopFlag,
    before: Taker,
) -> io::Result<Taker> {
    let every = config.snapshots.every_commands;
    if every == 0 {
        return Ok(None);
    }
    let body = move || {
        before.map(JoinHandle::join);
        if let Some(cpu) = cpu {
            pin(cpu);
        }
        let _ = rustix::process::nice(NICE);
        let folder = snapshots_folder(&config.data);
        let _ = folder::tidy(&folder);
        let reached = || progress.appended();
        let newest = list(&folder)
            .ok()
            .and_then(|all| all.into_iter().map(|kept| kept.seq.0).find(|seq| *seq <= reached()));
        let mut last = newest.unwrap_or(0);
        while !stop.is_raised() {
            let due = last + every;
            if reached() < due {
                thread::sleep(PAUSE);
                continue;
            }
            // What lies far behind is folded in one go.
            let at = due + (reached() - due) / every * every;
            match take(&config, &catalogue, SeqNo(at), &|| stop.is_raised()) {
                Ok(taken) => {
                    say(&taken);
                    if config.journal.prune {
                        prune_old(&config, &catalogue);
                    }
                    last = taken.seq.0;
                }
                Err(TakeError::Stopped) => return,
                Err(error) => {
                    log::alert(&format!("no snapshot at command {at}: {error}"));
                    last = at;
                }
            }
        }
    };
    thread::Builder::new().name("snapshots".into()).spawn(body).map(Some)
}

/// Removes what need not be kept any longer.
fn prune_old(config: &Config, catalogue: &Catalogue) {
    let now = SystemClock::new().now();
    match prunable(config, catalogue, now).and_then(|found| prune(&found).map(|()| found)) {
        Ok(found) => {
            for gone in found {
                let (kind, count) = (gone.kind, gone.segments.len());
                let until = gone.begins.until();
                log::say(&format!("{kind} log: {count} segments up to {until} were pruned"));
            }
        }
        Err(why) => log::alert(&format!("nothing of the journal is pruned: {why}")),
    }
}

fn say(taken: &Taken) {
    for why in &taken.passed_over {
        log::alert(&format!("a snapshot is of no use: {why}"));
    }
    log::say(&format!(
        "snapshot at command {}: {} KiB in {}",
        taken.seq,
        taken.bytes / 1024,
        taken.path.display()
    ));
}
