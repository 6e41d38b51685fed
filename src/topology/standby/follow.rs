//! A standby: one thread puts on record what the primary says and confirms it, another folds what
//! is on record. So a slow fold never holds up a reply, and what is taken over is a finished state.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::journal::{JournalError, LogKind, Progress, Writer, cut_back, scan};
use crate::model::{Command, Nanos, SeqNo};
use crate::port::tcp::TcpLine;
use crate::replica::{
    BlockDigest, Channel, Follower, Heard, Identity, LinkError, Name, Refusal, Tenant, Wish,
};
use crate::runtime::{Clock, SystemClock};
use crate::topology::standby::identity::{life, nonce};
use crate::topology::standby::line::{REDIAL, ToWitness, pump, push};
use crate::topology::{
    BootError, Catalogue, Config, Crown, Recovered, StandbyConfig, identity, journal_folder,
};

/// Why a standby, or a machine that would be primary, does not go on.
#[derive(Debug, thiserror::Error)]
pub enum StandbyError {
    /// Somebody else is primary.
    #[error(
        "{holder} is primary, in epoch {epoch}: start this machine with `--standby HOST:PORT` of \
         that one, or force the witness if that one will not come back"
    )]
    OtherIsPrimary {
        /// Who.
        holder: Name,
        /// Since which epoch.
        epoch: u32,
    },
    /// The witness will not speak with us.
    #[error("the witness: {0}")]
    Witness(String),
    /// The primary will not have us, or is not fit to be one.
    #[error("the primary at {address}: {source}")]
    Primary {
        /// Where it is.
        address: SocketAddr,
        /// Why.
        source: LinkError,
    },
    /// What the journal holds cannot be used.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The histories of the two machines differ.
    #[error(
        "the digests of commands up to {seq} differ between this machine and the primary: it must \
         not take over. Keep both journals; `wirematch replay` says which of the two is wrong."
    )]
    Differs {
        /// The last command of the block that differs.
        seq: u64,
    },
}

/// What a standby has to tell people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StandbyReport {
    /// It was let in, and what was another history has been cut off.
    Joined(Heard),
    /// It has all that the primary had, and stands by.
    Ready {
        /// Its last command.
        seq: SeqNo,
    },
    /// The primary is lost.
    Lost(String),
    /// It takes over.
    TakesOver {
        /// Its epoch as primary.
        epoch: u32,
    },
}

/// A standby that became primary.
pub struct Promoted {
    /// Its state, all commands folded.
    pub recovered: Recovered,
    /// Its right to be primary.
    pub crown: Crown,
}

/// What both threads see.
#[derive(Default)]
struct Shared {
    applied: AtomicU64,
    /// Digests of our own blocks.
    digests: Mutex<VecDeque<(u64, u64)>>,
    is_ended: AtomicBool,
    has_failed: AtomicBool,
}

/// How standing by ended.
enum Ending {
    Promoted(Option<ToWitness>, u32),
    /// Another history is the right one: cut, and begin again.
    Again(Option<ToWitness>),
    Stopped,
    Failed(StandbyError),
}

/// The file in the data folder that makes a standby primary, where there is no witness.
const PROMOTE_FILE: &str = "PROMOTE";

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
    let own = identity(config, catalogue);
    let key = config.standby.key.as_bytes();
    let mut witness = config
        .standby
        .witness
        .map(|address| ToWitness::new(address, key, Tenant::new(own.name, life())));
    let journal = journal_folder(&config.data);
    loop {
        let (last, epochs) = look(&journal).map_err(BootError::Journal)?;
        let mut to_primary = ToPrimary::new(primary, key, own);
        let Some(heard) = join(&mut to_primary, &clock, last, &epochs, stop)? else {
            return Ok(None);
        };
        if heard.keep < last {
            cut_back(&journal, heard.keep).map_err(BootError::Journal)?;
        }
        say(StandbyReport::Joined(heard));
        let mut recovered = Recovered::open(config, catalogue)?;
        recovered.catch_up()?;
        // What was cut with a whole frame is asked for again.
        let again = recovered.command_log.last() < heard.keep.min(last);
        let follower = Folding { recovered: &mut recovered, heard };
        let receiver = Receiver {
            config: &config.standby,
            clock: &clock,
            stop,
            to_primary: if again { ToPrimary::new(primary, key, own) } else { to_primary },
            witness: witness.take(),
            promote: config.data.join(PROMOTE_FILE),
            look_at: Nanos::ZERO,
            say,
            is_ready: false,
            is_lost: false,
        };
        match follower.run(receiver)? {
            Ending::Promoted(witness, epoch) => {
                let crown = Crown { witness, epoch };
                return Ok(Some(Promoted { recovered, crown }));
            }
            Ending::Again(back) => witness = back,
            Ending::Stopped => return Ok(None),
            Ending::Failed(error) => return Err(error),
        }
    }
}

/// A log's last command, and each epoch with its first.
type Known = (u64, Vec<(u32, u64)>);

fn look(journal: &Path) -> Result<Known, JournalError> {
    let folder = LogKind::Commands.folder(journal);
    if !folder.is_dir() {
        return Ok((0, vec![]));
    }
    let found = scan(&folder, LogKind::Commands, &mut |_| ())?;
    Ok((found.last, found.epochs))
}

/// Waits to be let in.
fn join(
    to_primary: &mut ToPrimary,
    clock: &SystemClock,
    last: u64,
    epochs: &[(u32, u64)],
    stop: &AtomicBool,
) -> Result<Option<Heard>, StandbyError> {
    while !stop.load(Ordering::Acquire) {
        to_primary.dial(clock.now(), last, epochs);
        if let Err(error) = to_primary.step(clock.now(), None)
            && is_final(&error)
        {
            return Err(StandbyError::Primary { address: to_primary.address, source: error });
        }
        if let Some(heard) = to_primary.follower.as_ref().and_then(Follower::welcome) {
            return Ok(Some(heard));
        }
        thread::sleep(Duration::from_micros(200));
    }
    Ok(None)
}

/// Whether trying again would come to the same.
fn is_final(error: &LinkError) -> bool {
    match error {
        LinkError::Refused(Refusal::NotPrimary | Refusal::Occupied) => false,
        LinkError::Refused(_) | LinkError::NotProved | LinkError::NotALink => true,
        _ => false,
    }
}

/// The line to the primary.
struct ToPrimary {
    address: SocketAddr,
    key: Vec<u8>,
    own: Identity,
    line: Option<TcpLine>,
    follower: Option<Follower>,
    dial_at: Nanos,
}

impl ToPrimary {
    fn new(address: SocketAddr, key: &[u8], own: Identity) -> Self {
        let (line, follower, dial_at) = (None, None, Nanos::ZERO);
        Self { address, key: key.to_vec(), own, line, follower, dial_at }
    }

    /// Opens the line where there is none.
    fn dial(&mut self, now: Nanos, last: u64, epochs: &[(u32, u64)]) {
        if self.line.is_some() || now < self.dial_at {
            return;
        }
        self.dial_at = now.saturating_add(REDIAL);
        self.line = TcpLine::begin(self.address).ok();
        let channel = Channel::new(&self.key, true, nonce());
        self.follower = Some(Follower::new(channel, self.own, last, epochs.to_vec(), now));
    }

    /// Moves bytes both ways and takes what came; a line that is lost is found closed.
    fn step(&mut self, now: Nanos, log: Option<&mut Writer<Command>>) -> Result<usize, LinkError> {
        let (Some(line), Some(follower)) = (&mut self.line, &mut self.follower) else {
            return Ok(0);
        };
        // What came before the line was lost still counts.
        let pumped = pump(line, follower.channel());
        let outcome = follower.step(now, log);
        if pumped.is_err() || outcome.is_err() {
            self.line = None;
        }
        outcome.map(|work| work + pumped.unwrap_or(0))
    }

    fn push(&mut self) {
        if let (Some(line), Some(follower)) = (&mut self.line, &mut self.follower)
            && push(line, follower.channel()).is_err()
        {
            self.line = None;
        }
    }
}

/// The folding thread's part.
struct Folding<'a> {
    recovered: &'a mut Recovered,
    heard: Heard,
}

impl Folding<'_> {
    /// Folds what the receiver puts on record, until that one ends and nothing is left.
    fn run(self, mut receiver: Receiver<'_>) -> Result<Ending, StandbyError> {
        let Self { recovered, heard } = self;
        let shared = Shared::default();
        let start = recovered.replay.fold.seq;
        shared.applied.store(start.0, Ordering::Release);
        let mut digest = BlockDigest::new(heard.digest_every, start);
        let Recovered { command_log, event_log, replay, epochs, .. } = recovered;
        let progress = command_log.progress();
        thread::scope(|scope| {
            let shared = &shared;
            let task = move || {
                let ending = receiver.run(command_log, epochs, &progress, shared);
                shared.is_ended.store(true, Ordering::Release);
                ending
            };
            let receiving = thread::Builder::new().name("standby".into()).spawn_scoped(scope, task);
            let receiving = receiving.map_err(|source| {
                StandbyError::Boot(BootError::System {
                    what: "cannot start a thread".into(),
                    source,
                })
            })?;
            let mut idle = 0u32;
            let folded = loop {
                // Read before the step: what was recorded until then is in it.
                let is_last = shared.is_ended.load(Ordering::Acquire);
                let step = replay.step(&mut |event| {
                    crate::topology::boot::mend(event_log, event);
                    if let Some(block) = digest.add(event) {
                        let mut digests = shared.digests.lock().unwrap_or_else(|e| e.into_inner());
                        digests.push_back(block);
                    }
                });
                match step {
                    Ok(true) => idle = 0,
                    Ok(false) if is_last => break Ok(()),
                    Ok(false) => {
                        idle += 1;
                        match idle {
                            0..64 => thread::yield_now(),
                            _ => thread::sleep(Duration::from_micros(50)),
                        }
                    }
                    Err(error) => {
                        shared.has_failed.store(true, Ordering::Release);
                        break Err(error);
                    }
                }
                shared.applied.store(replay.fold.seq.0, Ordering::Release);
            };
            let ending = receiving.join().unwrap_or(Ending::Stopped);
            folded.map_err(|error| StandbyError::Boot(BootError::Replay(error)))?;
            Ok(ending)
        })
    }
}

/// The receiving thread's part.
struct Receiver<'a> {
    config: &'a StandbyConfig,
    clock: &'a SystemClock,
    stop: &'a AtomicBool,
    to_primary: ToPrimary,
    witness: Option<ToWitness>,
    promote: PathBuf,
    look_at: Nanos,
    say: &'a (dyn Fn(StandbyReport) + Sync),
    is_ready: bool,
    is_lost: bool,
}

impl Receiver<'_> {
    fn run(
        &mut self,
        log: &mut Writer<Command>,
        epochs: &mut Vec<(u32, u64)>,
        progress: &Arc<Progress>,
        shared: &Shared,
    ) -> Ending {
        let mut theirs = VecDeque::new();
        let mut idle = 0u32;
        loop {
            let now = self.clock.now();
            if self.stop.load(Ordering::Acquire) || shared.has_failed.load(Ordering::Acquire) {
                return Ending::Stopped;
            }
            let work = match self.follow(now, log, epochs) {
                Ok(work) => work,
                Err(ending) => return ending,
            };
            let differs_at = match self.compare(&mut theirs, shared) {
                Some(seq) => seq,
                None => 0,
            };
            if let Some(follower) = &mut self.to_primary.follower {
                let applied = shared.applied.load(Ordering::Acquire);
                follower.confirm(log.last(), progress.synced(), applied, differs_at);
                if !self.is_ready && applied > 0 && applied >= follower.primary_last() {
                    self.is_ready = true;
                    (self.say)(StandbyReport::Ready { seq: SeqNo(applied) });
                }
            }
            self.to_primary.push();
            if differs_at > 0 {
                return Ending::Failed(StandbyError::Differs { seq: differs_at });
            }
            if let Some(epoch) = self.take_over(now, log) {
                (self.say)(StandbyReport::TakesOver { epoch });
                return Ending::Promoted(self.witness.take(), epoch);
            }
            idle = if work > 0 { 0 } else { idle + 1 };
            match idle {
                0..64 => thread::yield_now(),
                _ => thread::sleep(Duration::from_micros(20)),
            }
        }
    }

    /// Takes what the primary says; dials again where the line is lost.
    fn follow(
        &mut self,
        now: Nanos,
        log: &mut Writer<Command>,
        epochs: &mut Vec<(u32, u64)>,
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
            (self.say)(StandbyReport::Lost(why));
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
            self.to_primary.dial(now, log.last(), epochs);
        } else if let Some(heard) = self.to_primary.follower.as_ref().and_then(Follower::welcome) {
            if heard.epoch < log.epoch() {
                self.to_primary.line = None;
            } else if heard.keep < log.last() && self.is_lost {
                return Err(Ending::Again(self.witness.take()));
            } else {
                self.is_lost = false;
            }
        }
        Ok(work)
    }

    /// Compares digests of blocks; the first that differs.
    fn compare(&mut self, theirs: &mut VecDeque<(u64, u64)>, shared: &Shared) -> Option<u64> {
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
    fn take_over(&mut self, now: Nanos, log: &Writer<Command>) -> Option<u32> {
        let follower = self.to_primary.follower.as_ref()?;
        let is_silent = now.saturating_sub(follower.heard_at()) > self.config.silence();
        let is_stuck = follower.is_stuck(now, self.config.stuck());
        let is_gone = self.is_lost || is_silent || is_stuck;
        if let Some(witness) = &mut self.witness {
            witness.tenant.wish(if is_gone { Wish::Acquire } else { Wish::Nothing });
            witness.step(now);
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
