//! A journal that was opened for writing, and the state that its history gives.

use std::sync::Arc;

use crate::journal::{
    Annex, AnnexKeeper, Annexed, Disk, Files, Health, Keeper, KeeperThread, Opened, Progress,
    UtcMapping, Writer, open_both_from,
};
use crate::model::{Command, Event, Nanos, SeqNo};
use crate::runtime::{Clock, SystemClock, log};
use crate::snapshot::{Container, Stand};
use crate::stage::{FixState, Rule, VenuesState};
use crate::topology::standby::Copies;
use crate::topology::{
    BootError, Catalogue, Config, Kept, Mender, ReleaseGate, Replay, Taker, Unfit, empty_feed,
    empty_fold, empty_gateway, empty_peers, fits, fix_options, fix_records, identity,
    journal_folder, journal_settings, list_snapshots, meaning, open_fix, open_venues,
    snapshots_folder, step_or_wait, venues_options,
};
use crate::wire::fix::session::StoreError;

/// A journal open for writing and the state it gives back.
pub struct Recovered {
    pub(crate) command_log: Writer<Command>,
    pub(crate) event_log: Writer<Event>,
    pub(super) keepers: Vec<KeeperThread>,
    /// Keepers of both logs that have no threads: whoever holds this takes their steps.
    pub(crate) idle_keepers: Vec<Keeper>,
    pub(crate) replay: Replay,
    /// Each epoch in the command log and its first command.
    pub(crate) epochs: Vec<(u32, u64)>,
    /// The running of the machine ([`Disk::boot`]).
    pub(crate) boot: u64,
    pub(super) mended: u64,
    pub(crate) torn: Vec<String>,
    /// The command of the snapshot that the state began from.
    pub(crate) snapshot: Option<SeqNo>,
    pub(super) passed_over: Vec<String>,
    /// Commands that were put aside just now, each in a sentence.
    pub(super) put_aside: Vec<String>,
    /// What a standby has of the primary's beside the journal.
    pub(crate) copies: Copies,
    /// What stands beside a primary's journal, and its standby must have too.
    annexed: Vec<Annexed>,
    /// The thread that took snapshots while this machine stood by; it has been asked to stop.
    pub(super) taker: Taker,
}

/// What a machine that opens its journal is about to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The records of FIX sessions are its own: it tells clients what they were not told.
    Primary,
    /// They are the primary's: it keeps what clients may not have been told.
    Standby,
}

/// Links between a primary's journal and what it tells clients, and some more: each holds as many
/// commands as it has lines, at most.
const COMMANDS_PER_LINK_DEPTH: u64 = 8;

/// How often a long fold says that it goes on, and commands between two looks at the clock.
const TOLD_EVERY: Nanos = Nanos(5_000_000_000);
const LOOKED_EVERY: u64 = 1 << 14;

impl Recovered {
    /// Opens the journal, cuts torn tails, and makes state: of the newest snapshot that is good and
    /// fits, else empty. Its keepers get threads.
    ///
    /// # Errors
    /// As [`boot`].
    pub(super) fn open(
        config: &Config,
        catalogue: &Catalogue,
        part: Part,
    ) -> Result<Self, BootError> {
        let mut recovered = Self::open_idle(config, catalogue, part, &(Arc::new(Files) as _))?;
        for keeper in std::mem::take(&mut recovered.idle_keepers) {
            recovered.keepers.push(spawn(keeper.spawn())?);
        }
        Ok(recovered)
    }

    /// The same without threads, its logs on a given disk.
    ///
    /// # Errors
    /// As [`boot`].
    pub(crate) fn open_idle(
        config: &Config,
        catalogue: &Catalogue,
        part: Part,
        disk: &Arc<dyn Disk>,
    ) -> Result<Self, BootError> {
        let mut passed_over = Vec::new();
        for kept in list_snapshots(&snapshots_folder(&config.data)).unwrap_or_default() {
            match Self::open_at(config, catalogue, part, &kept, disk)? {
                Ok(recovered) => return Ok(Self { passed_over, ..recovered }),
                Err(why) => passed_over.push(format!("{}: {why}", kept.path.display())),
            }
        }
        Ok(Self {
            passed_over,
            ..Self::open_from(config, catalogue, part, &Stand::default(), disk)?
        })
    }

    /// From a snapshot, or why not from that.
    fn open_at(
        config: &Config,
        catalogue: &Catalogue,
        part: Part,
        kept: &Kept,
        disk: &Arc<dyn Disk>,
    ) -> Result<Result<Self, Unfit>, BootError> {
        let journal = journal_folder(&config.data);
        let bytes = match std::fs::read(&kept.path) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error.into())),
        };
        let container = match Container::open(&bytes) {
            Ok(container) => container,
            Err(why) => return Ok(Err(why.into())),
        };
        let config_now = identity(config, catalogue).config;
        if let Err(why) = fits(&journal, &config_now, &container.stand) {
            return Ok(Err(why));
        }
        let stand = &container.stand;
        let mut recovered = Self::open_from(config, catalogue, part, stand, disk)?;
        // Power may have taken a part of the journal that was not on the disk yet.
        if recovered.command_log.last() < stand.seq.0 {
            return Ok(Err(Unfit::History(stand.seq)));
        }
        if recovered.event_log.last() < stand.last_event.0 {
            return Ok(Err(Unfit::Events(stand.last_event)));
        }
        recovered.snapshot = Some(stand.seq);
        Ok(recovered.replay.resume(&journal, &container).map(|()| recovered))
    }

    /// Opens the journal where it is good up to there, with empty state.
    fn open_from(
        config: &Config,
        catalogue: &Catalogue,
        part: Part,
        stand: &Stand,
        disk: &Arc<dyn Disk>,
    ) -> Result<Self, BootError> {
        let journal = journal_folder(&config.data);
        let now = SystemClock::new().now();
        let utc = UtcMapping { log_time: now, utc: now, uncertainty: Nanos(1_000_000) };
        let settings = journal_settings(config);
        let from = (stand.seq.0, stand.last_event.0);
        let meaning = meaning(config, catalogue);
        let (commands, events) =
            open_both_from(&journal, from, meaning, utc, &settings, Arc::clone(disk))?;
        let torn = commands.torn.iter().chain(&events.torn).map(ToString::to_string).collect();
        let Opened { writer: command_log, keeper: command_keeper, epochs: found, .. } = commands;
        let mut epochs = stand.epochs.clone();
        for (epoch, first) in found {
            // Epochs rise; of those before the snapshot some may be in what was read.
            if epochs.last().is_none_or(|(known, _)| *known < epoch) {
                epochs.push((epoch, first));
            }
        }
        let Opened { writer: event_log, keeper: event_keeper, .. } = events;
        let (keepers, idle_keepers) = (Vec::new(), vec![command_keeper, event_keeper]);
        let mut replay = Replay::open(
            &journal,
            empty_fold(config, catalogue)?,
            empty_gateway(config, catalogue),
            empty_feed(config, catalogue),
        )?;
        replay.peers = empty_peers(config, catalogue);
        let (fix, venues) = (fix_options(config, catalogue), venues_options(config, catalogue));
        let (mut copies, mut annexed) = (Copies::default(), Vec::new());
        match part {
            Part::Primary => {
                replay.venues = open_venues(&venues, &config.data)?;
                replay.fix = open_fix(&fix, &config.data)?;
                annexed = take_hand(&mut replay)?;
            }
            Part::Standby => {
                copies = Copies::open(config, catalogue)?;
                let window = COMMANDS_PER_LINK_DEPTH * u64::from(config.engine.link_depth);
                replay.venues = VenuesState::to_look_at(&venues);
                replay.fix = FixState::to_stand_by(&fix, &copies.told_of(), window);
            }
        }
        Ok(Self {
            command_log,
            event_log,
            keepers,
            idle_keepers,
            replay,
            epochs,
            boot: disk.boot(),
            mended: 0,
            torn,
            snapshot: None,
            passed_over: Vec::new(),
            put_aside: Vec::new(),
            copies,
            annexed,
            taker: None,
        })
    }

    /// A standby goes on with what it has of the machine that was primary, and tells clients what
    /// that had not told: where that waits for disks, all of it is on this machine's first.
    ///
    /// # Errors
    /// A record that cannot be written, a disk that fails.
    pub(crate) fn inherit(&mut self, config: &Config, copies: Copies) -> Result<(), BootError> {
        let waits = config.standby.alone() != Rule::Journaled;
        if waits || config.gate() == ReleaseGate::SyncedReplicated {
            self.wait_for_the_disk()?;
        }
        let [clients, venues] = copies.into_stores();
        self.replay.venues.inherit(venues.into_iter());
        self.replay.fix.inherit(clients.into_iter());
        self.annexed = take_hand(&mut self.replay)?;
        self.replay.fix.tell_untold();
        Ok(())
    }

    /// Waits until all commands are on the disk.
    fn wait_for_the_disk(&mut self) -> Result<(), BootError> {
        let Self { command_log, idle_keepers, .. } = self;
        let progress = command_log.progress();
        while progress.synced() < command_log.last() {
            if progress.health() == Health::SyncFailed {
                let why = progress.complaint().unwrap_or_default();
                let (what, source) = ("the journal is not on the disk".into(), why);
                return Err(BootError::System { what, source: std::io::Error::other(source) });
            }
            step_or_wait(idle_keepers);
        }
        Ok(())
    }

    /// Sessions with FIX clients and at exchanges go on from where history and their records are.
    /// What they say waits for the disk or the standby, as is promised: says how far those have the
    /// records.
    ///
    /// # Errors
    /// A record that cannot be written.
    pub(crate) fn resume_sessions(
        &mut self,
        config: &Config,
        catalogue: &Catalogue,
    ) -> Result<Arc<Annex>, StoreError> {
        let Self { replay, annexed, .. } = self;
        replay.fix.restored()?;
        replay.venues.restored();
        if annexed.is_empty() {
            return Ok(Arc::default());
        }
        let annex = Arc::new(Annex::new(std::mem::take(annexed)));
        if !config.standby.is_used() {
            annex.await_disk(config.gate() == ReleaseGate::Synced);
            annex.await_standby(false);
        }
        replay.fix.annex(&annex);
        replay.venues.annex(&annex, fix_records(config, catalogue).len());
        Ok(annex)
    }

    /// Folds what is on record up to a command, and writes the events again that a crash kept from
    /// theirs.
    ///
    /// # Errors
    /// As [`boot`].
    pub(crate) fn catch_up(&mut self, until: SeqNo) -> Result<(), BootError> {
        let Self { event_log, replay, mended, idle_keepers, .. } = self;
        let mut mender = Mender::new(event_log, idle_keepers);
        let clock = SystemClock::new();
        let mut told_at = clock.now();
        replay.run(
            until,
            &mut |event| {
                *mended += 1;
                mender.write(event);
            },
            &mut |count| {
                // Whoever waits for a start sees that it goes on.
                if count.is_multiple_of(LOOKED_EVERY)
                    && clock.now().saturating_sub(told_at) >= TOLD_EVERY
                {
                    told_at = clock.now();
                    log::say(&format!("folding the journal: {count} commands so far"));
                }
            },
        )?;
        mender.finish()
    }
}

/// Who brings what stands beside the journal to the disk.
pub(crate) fn annex_keeper(
    config: &Config,
    annex: &Arc<Annex>,
    commands: &Arc<Progress>,
    disk: Arc<dyn Disk>,
) -> AnnexKeeper {
    let interval = journal_settings(config).sync_interval;
    AnnexKeeper::new(Arc::clone(annex), disk, Arc::clone(commands), interval)
}

/// The same, at work on a thread of its own.
///
/// # Errors
/// A system that has no thread left.
pub(crate) fn spawn_annex_keeper(
    config: &Config,
    annex: &Arc<Annex>,
    commands: &Arc<Progress>,
) -> Result<KeeperThread, BootError> {
    spawn(annex_keeper(config, annex, commands, Arc::new(Files)).spawn())
}

fn spawn<T>(outcome: std::io::Result<T>) -> Result<T, BootError> {
    outcome.map_err(|source| BootError::System { what: "cannot start a thread".into(), source })
}

/// What stands beside the journal is written by this running of this machine from here on, before
/// it writes anything: what two have of one hand is the same.
fn take_hand(replay: &mut Replay) -> Result<Vec<Annexed>, BootError> {
    let mut hand = [0; 8];
    getrandom::fill(&mut hand).map_err(|error| BootError::System {
        what: "the system has no randomness".into(),
        source: std::io::Error::other(error),
    })?;
    let hand = u64::from_le_bytes(hand);
    let mut annexed = replay.fix.hand_over(hand)?;
    annexed.extend(replay.venues.hand_over(hand)?);
    Ok(annexed)
}
