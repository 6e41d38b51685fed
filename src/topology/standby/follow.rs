//! A standby: one thread puts on record what the primary says and confirms it, another folds what
//! is on record. So a slow fold never holds up a reply, and what is taken over is a finished state.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::journal::{Annex, Disk, Files, Health, Progress, Writer};
use crate::model::{Command, Event, Nanos, SeqNo};
use crate::replica::{Follower, Heard, Wish};
use crate::runtime::{Clock, StopFlag, SystemClock};
use crate::topology::standby::copies::Copies;
use crate::topology::standby::door::{Admission, AtTheDoor};
use crate::topology::standby::error::{StandbyError, StandbyReport};
use crate::topology::standby::fold::{Folding, Shared};
use crate::topology::standby::identity::life;
use crate::topology::standby::line::{Lines, TcpLines, ToWitness};
use crate::topology::standby::to_primary::{ToPrimary, is_final};
use crate::topology::standby::to_witness::to_witness;
use crate::topology::{
    BootError, Catalogue, Config, Crown, Mender, Part, Recovered, ReleaseGate, Replay,
    StandbyConfig, spawn_annex_keeper, spawn_snapshots,
};

/// A standby that became primary.
pub struct Promoted {
    /// Its state, all commands folded.
    pub recovered: Recovered,
    /// Its right to be primary.
    pub crown: Crown,
}

/// How standing by ended.
pub enum Ending {
    /// This machine is primary, in this epoch.
    Promoted {
        /// The line to the witness.
        witness: Option<Box<ToWitness>>,
        /// The epoch.
        epoch: u32,
        /// What stands beside the journal.
        copies: Copies,
    },
    /// Another history is the right one: cut, and begin again.
    Again(Option<Box<ToWitness>>),
    /// It cannot go on.
    Failed(StandbyError),
}

/// The file in the data folder that makes a standby primary, where there is no witness.
const PROMOTE_FILE: &str = "PROMOTE";

/// The file in the data folder that says in which running of its machine a standby caught up.
const CAUGHT_UP_FILE: &str = "caught-up";

/// Whether what this machine confirmed as standby is all still there, in this running of it: then
/// it may take over as the heir that is on record. With both disks promised any running will do.
pub(crate) fn may_inherit(config: &Config, boot: u64) -> bool {
    let Ok(said) = std::fs::read_to_string(config.data.join(CAUGHT_UP_FILE)) else { return false };
    config.gate() == ReleaseGate::SyncedReplicated || boot != 0 && said == boot.to_string()
}

/// How often that file is looked for.
const LOOK_EVERY: Nanos = Nanos(50_000_000);

/// Stands by until this machine becomes primary; nothing where somebody asked to stop.
///
/// # Errors
/// [`StandbyError`].
pub fn stand_by(
    config: &Config,
    catalogue: &Catalogue,
    primary: SocketAddr,
    stop: &AtomicBool,
    say: &(dyn Fn(StandbyReport) + Sync),
) -> Result<Option<Promoted>, StandbyError> {
    let clock = SystemClock::new();
    let mut lines = TcpLines::default();
    let mut witness = to_witness(config, life());
    loop {
        let mut door = AtTheDoor::new(config, catalogue, primary)?;
        let may_inherit = may_inherit(config, Files.boot());
        let opened = loop {
            if stop.load(Ordering::Acquire) {
                return Ok(None);
            }
            let may_ask = witness.as_deref_mut().filter(|_| may_inherit);
            if let Some(opened) = door.step(clock.now(), &mut lines, may_ask)? {
                break opened;
            }
            thread::sleep(Duration::from_micros(200));
        };
        let heard = match (opened, witness.take()) {
            (Admission::In(heard), back) => {
                witness = back;
                heard
            }
            (Admission::Over, witness) => {
                let epoch = witness.as_ref().map_or(0, |witness| witness.tenant.epoch());
                say(StandbyReport::TakesOver { epoch });
                let mut recovered = Recovered::open(config, catalogue, Part::Primary)?;
                recovered.fold_warily(config.standby.stuck())?;
                return Ok(Some(Promoted { recovered, crown: Crown { witness, epoch } }));
            }
        };
        say(StandbyReport::Joined(heard));
        let opening = || Recovered::open(config, catalogue, Part::Standby);
        let (mut recovered, receiver) = door.enter(config, witness.take(), opening)?;
        let (snapshot, passed_over) = (recovered.snapshot, recovered.passed_over.clone());
        say(StandbyReport::Began { snapshot, passed_over });
        let stop_taking = StopFlag::default();
        let (parts, commands) =
            ((config.clone(), catalogue.clone()), recovered.command_log.progress());
        let taker = spawn_snapshots(parts, commands, None, stop_taking.clone(), None);
        let mut taker = taker.map_err(no_thread)?;
        let ending =
            stand(config, &mut recovered, receiver, heard, (&clock, &mut lines), (stop, say));
        stop_taking.raise();
        if matches!(ending, Ok(Some(Ending::Again(_)))) {
            // What it reads is about to be cut.
            taker.take().map(JoinHandle::join);
        }
        recovered.taker = taker;
        match ending? {
            Some(Ending::Promoted { witness, epoch, copies }) => {
                // What the primary may have died of is tried out before it is folded.
                recovered.fold_warily(config.standby.stuck())?;
                recovered.inherit(config, copies)?;
                let crown = Crown { witness, epoch };
                return Ok(Some(Promoted { recovered, crown }));
            }
            Some(Ending::Again(back)) => witness = back,
            Some(Ending::Failed(error)) => return Err(error),
            None => return Ok(None),
        }
    }
}

/// Both threads, until the receiving one ends; nothing where somebody asked to stop.
fn stand(
    config: &Config,
    recovered: &mut Recovered,
    mut receiver: Receiver,
    heard: Heard,
    (clock, lines): (&SystemClock, &mut TcpLines),
    (stop, say): (&AtomicBool, &(dyn Fn(StandbyReport) + Sync)),
) -> Result<Option<Ending>, StandbyError> {
    let shared = Arc::new(Shared::default());
    let mut folding = Folding::new(recovered, heard, Arc::clone(&shared));
    // It ends, after a last sync, with the standing by.
    let _annex_keeper = spawn_annex_keeper(config, &receiver.copied(), &receiver.progress)?;
    let Recovered { command_log, event_log, replay, epochs, .. } = recovered;
    let is_ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let (shared, is_ended) = (&shared, &is_ended);
        let task = move || {
            let mut idle = 0u32;
            let ending = loop {
                if stop.load(Ordering::Acquire) || shared.has_failed.load(Ordering::Acquire) {
                    break None;
                }
                match receiver.step(clock.now(), lines, command_log, epochs, shared, say) {
                    Ok(work) => idle = if work > 0 { 0 } else { idle + 1 },
                    Err(ending) => break Some(ending),
                }
                rest(idle, 20);
            };
            is_ended.store(true, Ordering::Release);
            ending
        };
        let receiving = thread::Builder::new().name("standby".into()).spawn_scoped(scope, task);
        let receiving = receiving.map_err(no_thread)?;
        let folded = fold_along(&mut folding, event_log, replay, is_ended, stop);
        if folded.is_err() {
            shared.has_failed.store(true, Ordering::Release);
        }
        let ending = receiving.join().unwrap_or(None);
        match folded {
            // It may have stopped while it waited for room.
            Err(_) if stop.load(Ordering::Acquire) => Ok(None),
            folded => folded.map(|()| ending).map_err(StandbyError::Boot),
        }
    })
}

/// Folds what is put on record, to its end once the receiving thread has ended.
fn fold_along(
    folding: &mut Folding,
    event_log: &mut Writer<Event>,
    replay: &mut Replay,
    is_ended: &AtomicBool,
    stop: &AtomicBool,
) -> Result<(), BootError> {
    let mut idle = 0u32;
    loop {
        // Read before the step: what was recorded until then is in it.
        let is_last = is_ended.load(Ordering::Acquire);
        // The reserve is for when this is the primary; a disk that fails is found by writing.
        let fails = !matches!(event_log.progress().health(), Health::Good | Health::DiskFull);
        let has_room = !event_log.is_low() || fails;
        let mut has_folded = false;
        if has_room || is_last {
            let mut mender = Mender::new(event_log, &mut []).until(stop);
            let stepped = folding.step(replay, &mut |event| mender.write(event));
            has_folded = mender.finish().and(stepped.map_err(BootError::Replay))?;
        }
        if !has_folded && is_last {
            return Ok(());
        }
        idle = if has_folded { 0 } else { idle + 1 };
        rest(idle, 50);
    }
}

fn no_thread(source: std::io::Error) -> StandbyError {
    BootError::System { what: "cannot start a thread".into(), source }.into()
}

/// Leaves the CPU to others, for longer when there was nothing to do for long.
fn rest(idle: u32, micros: u64) {
    match idle {
        0 => {}
        1..64 => thread::yield_now(),
        _ => thread::sleep(Duration::from_micros(micros)),
    }
}

/// The receiving thread's part.
pub struct Receiver {
    config: StandbyConfig,
    to_primary: ToPrimary,
    witness: Option<Box<ToWitness>>,
    copies: Copies,
    progress: Arc<Progress>,
    promote: PathBuf,
    look_at: Nanos,
    /// Commands that the primary had put aside when we were let in.
    aside: usize,
    /// Digests of the primary's blocks.
    theirs: VecDeque<(u64, u64)>,
    is_ready: bool,
    /// Whether it has all that was told while it was heir.
    may_inherit: bool,
    /// Where it is said that it caught up, and in which running of the machine that is.
    caught_up: (PathBuf, u64),
    is_lost: bool,
}

impl Receiver {
    pub(super) fn new(
        config: &Config,
        recovered: &mut Recovered,
        to_primary: ToPrimary,
        witness: Option<Box<ToWitness>>,
        aside: usize,
    ) -> Self {
        let boot = recovered.boot;
        Self {
            config: config.standby.clone(),
            to_primary,
            witness,
            copies: std::mem::take(&mut recovered.copies),
            progress: recovered.command_log.progress(),
            promote: config.data.join(PROMOTE_FILE),
            look_at: Nanos::ZERO,
            aside,
            theirs: VecDeque::new(),
            is_ready: false,
            may_inherit: may_inherit(config, boot),
            caught_up: (config.data.join(CAUGHT_UP_FILE), boot),
            is_lost: false,
        }
    }

    /// What is copied of the files beside the journal, for whoever brings it to the disk.
    pub(crate) fn copied(&self) -> Arc<Annex> {
        self.copies.annex()
    }

    /// Puts on record what came, confirms it, and asks to take over where the primary is gone; says
    /// how much was done.
    ///
    /// # Errors
    /// How standing by ended, well or not.
    pub fn step(
        &mut self,
        now: Nanos,
        lines: &mut dyn Lines,
        log: &mut Writer<Command>,
        epochs: &mut Vec<(u32, u64)>,
        shared: &Shared,
        say: &(dyn Fn(StandbyReport) + Sync),
    ) -> Result<usize, Ending> {
        let work = self.follow(now, lines, log, epochs, say)? + self.copy()?;
        if self.progress.health() == Health::SyncFailed {
            let complaint = self.progress.complaint();
            let why = complaint.unwrap_or_else(|| "a sync failed".to_owned());
            return Err(Ending::Failed(StandbyError::Disk(why)));
        }
        let differs_at = self.compare(shared).unwrap_or(0);
        if let Some(follower) = &mut self.to_primary.follower {
            let applied = shared.applied.load(Ordering::Acquire);
            shared.survived.store(follower.survived(), Ordering::Release);
            let theirs = follower.primary_last();
            if !self.may_inherit && theirs > 0 && log.last() >= theirs {
                let (file, boot) = &self.caught_up;
                // Where it cannot be written, another start must catch up first.
                let _ = std::fs::write(file, boot.to_string());
                self.may_inherit = true;
            }
            // Nobody may rely on what this side would not take over with.
            let [received, settled] = match self.may_inherit {
                true => [log.last(), self.progress.synced()],
                false => [0; 2],
            };
            follower.confirm(received, settled, applied, differs_at);
            if !self.is_ready && theirs > 0 && applied >= theirs {
                self.is_ready = true;
                say(StandbyReport::Ready { seq: SeqNo(applied) });
            }
        }
        self.to_primary.push();
        if differs_at > 0 {
            return Err(Ending::Failed(StandbyError::Differs { seq: differs_at }));
        }
        if let Some(epoch) = self.take_over(now, lines, log) {
            say(StandbyReport::TakesOver { epoch });
            let (witness, copies) = (self.witness.take(), std::mem::take(&mut self.copies));
            return Err(Ending::Promoted { witness, epoch, copies });
        }
        Ok(work)
    }

    /// Takes what the primary says; dials again where the line is lost.
    fn follow(
        &mut self,
        now: Nanos,
        lines: &mut dyn Lines,
        log: &mut Writer<Command>,
        epochs: &mut Vec<(u32, u64)>,
        say: &(dyn Fn(StandbyReport) + Sync),
    ) -> Result<usize, Ending> {
        let had_line = self.to_primary.line.is_some();
        let outcome = self.to_primary.step(now, Some(log));
        if let Some(follower) = &self.to_primary.follower {
            epochs.clone_from(&follower.epochs);
        }
        if had_line && self.to_primary.line.is_none() && !self.is_lost {
            let why = match &outcome {
                Err(error) => error.to_string(),
                Ok(_) => "its line is closed".to_owned(),
            };
            say(StandbyReport::Lost(why));
            self.is_lost = true;
        }
        let work = match outcome {
            Ok(work) => work,
            Err(error) if is_final(&error) => {
                let address = self.to_primary.address;
                return Err(Ending::Failed(StandbyError::Primary { address, source: error }));
            }
            Err(_) => 0,
        };
        if self.to_primary.line.is_none() {
            self.to_primary.dial(now, lines, log.last(), epochs);
        } else if let Some(heard) = self.to_primary.follower.as_ref().and_then(Follower::welcome) {
            if heard.epoch < log.epoch() {
                self.to_primary.line = None;
            } else if self.is_lost && (self.to_primary.cuts() || self.has_new_aside()) {
                return Err(Ending::Again(self.witness.take()));
            } else {
                self.is_lost = false;
            }
        }
        Ok(work)
    }

    /// Whether the primary has put commands aside that it had not when we were let in.
    fn has_new_aside(&self) -> bool {
        let now = self.to_primary.follower.as_ref().map_or(0, |follower| follower.aside().len());
        now > self.aside
    }

    /// Puts on record what came of the files beside the journal.
    fn copy(&mut self) -> Result<usize, Ending> {
        let Some(follower) = &mut self.to_primary.follower else { return Ok(0) };
        self.copies.tell(follower);
        let copied = self.copies.take(follower);
        copied.map_err(|error| Ending::Failed(StandbyError::Boot(error.into())))
    }

    /// Compares digests of blocks; the first that differs.
    fn compare(&mut self, shared: &Shared) -> Option<u64> {
        let theirs = &mut self.theirs;
        if let Some(follower) = &mut self.to_primary.follower {
            while let Some(block) = follower.digest() {
                theirs.push_back(block);
            }
        }
        if theirs.is_empty() {
            return None;
        }
        let mut ours = shared.digests.lock().unwrap_or_else(|e| e.into_inner());
        while let (Some(own), Some(other)) = (ours.front(), theirs.front()) {
            match own.0.cmp(&other.0) {
                std::cmp::Ordering::Less => drop(ours.pop_front()),
                std::cmp::Ordering::Greater => drop(theirs.pop_front()),
                std::cmp::Ordering::Equal if own.1 == other.1 => {
                    ours.pop_front();
                    theirs.pop_front();
                }
                std::cmp::Ordering::Equal => return Some(own.0),
            }
        }
        None
    }

    /// The epoch in which this machine is primary, once it may be.
    fn take_over(
        &mut self,
        now: Nanos,
        lines: &mut dyn Lines,
        log: &Writer<Command>,
    ) -> Option<u32> {
        let follower = self.to_primary.follower.as_ref()?;
        let is_silent = now.saturating_sub(follower.heard_at()) > self.config.silence();
        let is_stuck = follower.is_stuck(now, self.config.stuck());
        let is_gone = self.is_lost || is_silent || is_stuck;
        if let Some(witness) = &mut self.witness {
            let asks = is_gone && self.may_inherit;
            witness.tenant.wish(if asks { Wish::Acquire } else { Wish::Nothing });
            witness.step(now, lines);
            return (witness.tenant.epoch() > 0).then(|| witness.tenant.epoch());
        }
        if now < self.look_at {
            return None;
        }
        self.look_at = now.saturating_add(LOOK_EVERY);
        // A person knows that the other machine is off; we cannot.
        let asked = self.promote.exists() && std::fs::remove_file(&self.promote).is_ok();
        asked.then(|| log.epoch() + 1)
    }
}
