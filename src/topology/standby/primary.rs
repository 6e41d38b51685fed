//! What a primary does beside its stages: keeps its lease, feeds its standby, and says what replies
//! wait for. A thread of its own; the stages only read what it wrote into the [`Release`].

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::journal::{Annex, Health, LogKind, Progress};
use crate::model::Nanos;
use crate::replica::{Channel, Feeder, Name, Reached, Reign, Vigil, Wish};
use crate::runtime::{Clock, StopFlag, SystemClock, log, pin};
use crate::stage::{Release, Rule};
use crate::topology::standby::StandbyError;
use crate::topology::standby::identity::life;
use crate::topology::standby::line::{Line, Lines, TcpLines, ToWitness, pump, push};
use crate::topology::standby::to_witness::to_witness;
use crate::topology::{Config, StandbyConfig, Vitals};

/// The right to be primary, and whom to ask whether it lasts.
pub struct Crown {
    /// The witness; none where only a person says who is primary.
    pub witness: Option<Box<ToWitness>>,
    /// The epoch; 0 without a witness, unless a person has promoted this machine.
    pub epoch: u32,
}

/// How long somebody else may be primary before that is an answer and not a lease that ends.
const PATIENCE: Nanos = Nanos(1_000_000_000);

/// Asks the witness, where there is one, for the right to be primary; waits while it is silent.
/// Nothing where somebody asked to stop meanwhile.
///
/// # Errors
/// Another machine is primary.
pub fn crown(config: &Config, stop: &AtomicBool) -> Result<Option<Crown>, StandbyError> {
    let Some(mut witness) = to_witness(config, life()) else {
        return Ok(Some(Crown { witness: None, epoch: 0 }));
    };
    let (clock, own) = (SystemClock::new(), Name::new(&config.standby.name));
    witness.tenant.wish(Wish::Acquire);
    let (began, mut has_said) = (clock.now(), false);
    let mut lines = TcpLines::default();
    while !stop.load(Ordering::Acquire) {
        let now = clock.now();
        witness.step(now, &mut lines);
        if witness.tenant.epoch() > 0 {
            let epoch = witness.tenant.epoch();
            return Ok(Some(Crown { witness: Some(witness), epoch }));
        }
        if let Some(complaint) = witness.complaint.take() {
            return Err(StandbyError::Witness(complaint));
        }
        if now.saturating_sub(began) > PATIENCE {
            match witness.tenant.holder() {
                Some((holder, epoch)) if holder != own => {
                    return Err(StandbyError::OtherIsPrimary { holder, epoch });
                }
                Some(_) if !has_said => {
                    log::say("the witness waits for the standby, which may know more");
                    has_said = true;
                }
                None if !has_said => {
                    log::say("waiting for the witness");
                    has_said = true;
                }
                _ => {}
            }
        }
        thread::sleep(Duration::from_micros(200));
    }
    Ok(None)
}

/// What the thread beside a primary's stages starts from.
pub struct Court {
    pub(crate) config: StandbyConfig,
    pub(crate) crown: Crown,
    pub(crate) lines: Box<dyn Lines>,
    pub(crate) release: Arc<Release>,
    /// What replies wait for with a standby.
    pub(crate) rule: Rule,
    pub(crate) reign: Reign,
    pub(crate) journal: PathBuf,
    /// What the standby must have beside it.
    pub(crate) annex: Arc<Annex>,
    /// Of the command log and of the event log.
    pub(crate) progress: [Arc<Progress>; 2],
    pub(crate) vitals: Vitals,
    /// Tells people.
    pub(crate) say: fn(&str),
}

/// Starts the thread.
pub(crate) fn spawn_court(
    court: Court,
    clock: SystemClock,
    done: StopFlag,
    cpu: Option<usize>,
) -> std::io::Result<JoinHandle<()>> {
    let body = move || {
        if let Some(cpu) = cpu {
            pin(cpu);
        }
        let mut sitting = Sitting::new(court);
        let mut idle = 0;
        while !done.is_raised() {
            match sitting.step(clock.now()) {
                Ok(work) => idle = if work > 0 { 0 } else { idle + 1 },
                Err(Deposed(why)) => {
                    // Its lines end with this process, the one to the witness too.
                    log::alert(&format!("{why}; this machine is primary no longer, and stops"));
                    std::process::exit(1)
                }
            }
            match idle {
                0..64 => thread::yield_now(),
                _ => thread::sleep(Duration::from_micros(20)),
            }
        }
    };
    thread::Builder::new().name("standby".into()).spawn(body)
}

/// Why a machine is primary no longer: nothing more may be told to anybody.
#[derive(Debug)]
pub struct Deposed(pub String);

/// A standby that comes, or has come, and its line.
type Guest = (Feeder, Line);

/// A primary at its work beside the stages.
pub struct Sitting {
    court: Court,
    standby: Option<Guest>,
    /// Somebody at the door.
    newcomer: Option<Guest>,
    /// The last command the standby confirmed at some time, and when that was.
    progress: (u64, Nanos),
    vigil: Vigil,
    is_stuck: bool,
    look_at: Nanos,
    /// The heir that people were told of; nothing before they were told of any.
    paired: Option<Name>,
    /// What may have been told without the standby as it is now, since it came or was heard again.
    owed: Option<Owed>,
    /// The last command that may have been told because a standby had it.
    told: u64,
}

/// What a standby must have before it may be named heir.
struct Owed {
    /// The last command that may have been told of.
    last: u64,
    /// How far files beside the journal reached.
    reaches: Vec<u64>,
}

/// Commands a standby may be behind when it becomes one that counts.
const BEHIND_MAX: u64 = 8192;

/// How often our own stages are looked at.
const LOOK_EVERY: Nanos = Nanos(20_000_000);

impl Sitting {
    pub(crate) fn new(court: Court) -> Self {
        let (paired, owed, told) = (None, None, 0);
        let progress = (0, Nanos::ZERO);
        let (vigil, is_stuck, look_at) = (Vigil::default(), false, Nanos::ZERO);
        let (standby, newcomer) = (None, None);
        Self { court, standby, newcomer, progress, vigil, is_stuck, look_at, paired, owed, told }
    }

    /// Feeds the standby, keeps the lease, chooses the rule; says how much was done.
    ///
    /// # Errors
    /// [`Deposed`]: the process must end.
    pub fn step(&mut self, now: Nanos) -> Result<usize, Deposed> {
        let mut work = self.feed(now);
        work += self.open_door(now);
        self.choose_rule(now);
        work += self.keep_lease(now)?;
        self.look_at_ourselves(now)?;
        Ok(work)
    }

    /// Feeds the standby, and hears how far it is.
    fn feed(&mut self, now: Nanos) -> usize {
        let Self { court, standby, told, .. } = self;
        let Some(line) = standby else { return 0 };
        match step_line(line, court, now) {
            Ok(work) => {
                let standing = line.0.standing();
                let (received, settled) = (standing.received, standing.settled);
                *told = (*told).max(received);
                court.release.confirm(crate::model::SeqNo(received), crate::model::SeqNo(settled));
                work
            }
            Err(why) => {
                (court.say)(&format!("alert: the standby {} is gone: {why}", line.0.peer()));
                (self.standby, self.owed) = (None, None);
                1
            }
        }
    }

    /// Lets a standby in. Whoever comes later and proves itself takes the place of who was there:
    /// it may be the same one, back before we noticed that it was gone.
    fn open_door(&mut self, now: Nanos) -> usize {
        let Self { court, newcomer, .. } = self;
        if let Some(line) = court.lines.accept() {
            let nonce = court.lines.nonce();
            let channel = Channel::new(court.config.key.as_bytes(), false, nonce);
            let feeder =
                Feeder::new(channel, court.reign.clone(), &court.journal, Arc::clone(&court.annex));
            *newcomer = Some((feeder, line));
        }
        let Some(line) = newcomer else { return 0 };
        match step_line(line, court, now) {
            Ok(work) => {
                if line.0.is_joined() {
                    (court.say)(&format!("the standby {} has joined", line.0.peer()));
                    self.progress = (0, now);
                    // It may be one we know, that has lost what its memory held.
                    (self.standby, self.owed) = (self.newcomer.take(), None);
                }
                work
            }
            Err(why) => {
                (court.say)(&format!("alert: a standby was not let in: {why}"));
                self.newcomer = None;
                1
            }
        }
    }

    /// Says what replies wait for: a standby counts only once the witness has it on record as heir,
    /// and we go on alone only once the witness has it on record that there is none.
    fn choose_rule(&mut self, now: Nanos) {
        let heir = self.heir(now);
        let is_engaged = self.owed.is_some();
        let Court { config, crown, release, rule, annex, say, .. } = &mut self.court;
        let on_record = match &mut crown.witness {
            None => Some(heir),
            Some(witness) => {
                if witness.tenant.epoch() > 0 {
                    witness.tenant.wish(Wish::Hold { heir });
                }
                witness.tenant.heir()
            }
        };
        if on_record != Some(heir) {
            return;
        }
        let wanted = match heir.is_nobody() && rule.needs_standby() {
            // Good with this standby as heir and without: it is about to be named.
            true if is_engaged => Rule::SyncedReplicated,
            true => config.alone(),
            false => *rule,
        };
        if release.rule() != wanted {
            release.set_rule(wanted);
        }
        // The one that comes before the one that goes.
        annex.await_disk(wanted.needs_disk());
        annex.await_standby(!heir.is_nobody() || is_engaged);
        if self.paired != Some(heir) {
            let what = match heir.is_nobody() {
                true => "alert: there is no standby".to_owned(),
                false => format!("{heir} stands by"),
            };
            say(&format!("{what}; replies wait for: {}", wanted.name()));
            self.paired = Some(heir);
        }
    }

    /// Who is to be named heir: the standby that may be, once it has all that was told while it
    /// could not take over. From the moment on that this is awaited, nothing is told without it.
    fn heir(&mut self, now: Nanos) -> Name {
        let candidate = self.candidate(now);
        if candidate.is_nobody() {
            self.owed = None;
            return self.former();
        }
        let Self { court, standby, owed, .. } = self;
        let owed = owed.get_or_insert_with(|| {
            court.annex.await_standby(true);
            if court.rule.needs_standby() {
                court.release.set_rule(Rule::SyncedReplicated);
            }
            Owed { last: court.progress[0].appended(), reaches: court.annex.reaches() }
        });
        let has = standby.as_ref().map_or(0, |(feeder, _)| {
            let standing = feeder.standing();
            // Where it promises disks, its memory is not enough.
            if court.rule == Rule::SyncedReplicated { standing.settled } else { standing.received }
        });
        match has >= owed.last && court.annex.has_confirmed(&owed.reaches) {
            true => candidate,
            false => self.former(),
        }
    }

    /// Nobody, once our own disk has all that was told because the standby had it; until then the
    /// standby that was: should our power go, only it knows.
    fn former(&self) -> Name {
        let Self { court, paired, told, .. } = self;
        let lacks =
            court.progress[0].synced() < *told || !court.annex.has_settled_what_was_confirmed();
        let is_owed = court.rule.needs_standby() && lacks;
        if is_owed { paired.unwrap_or_default() } else { Name::default() }
    }

    /// The standby that may take over from us: it is there, it keeps up, and it does not differ.
    fn candidate(&mut self, now: Nanos) -> Name {
        let Self { court, standby, progress, paired, .. } = self;
        let Some((feeder, _)) = standby else { return Name::default() };
        let standing = feeder.standing();
        let last = court.progress[0].appended();
        let silence = court.config.silence();
        if standing.received >= progress.0 {
            *progress = (last, now);
        }
        let is_heard = now.saturating_sub(standing.heard_at) <= silence;
        let keeps_up = now.saturating_sub(progress.1) <= silence;
        let is_close = standing.received + BEHIND_MAX >= last
            && standing.applied + 8 * BEHIND_MAX >= last
            && standing.received > 0;
        let may = is_heard
            && keeps_up
            && feeder.is_copying()
            && (is_close || *paired == Some(feeder.peer()));
        if may { feeder.peer() } else { Name::default() }
    }

    fn keep_lease(&mut self, now: Nanos) -> Result<usize, Deposed> {
        let Court { crown, release, lines, say, .. } = &mut self.court;
        let Some(witness) = &mut crown.witness else { return Ok(0) };
        let work = witness.step(now, &mut **lines);
        release.set_lease(witness.tenant.lease_ends());
        if let Some(complaint) = witness.complaint.take() {
            say(&format!("alert: the witness: {complaint}"));
        }
        if witness.tenant.is_deposed() {
            let holder = witness.tenant.holder();
            let who = holder.map_or(String::new(), |(who, epoch)| format!("{who}, epoch {epoch}"));
            release.set_rule(Rule::Shut);
            return Err(Deposed(format!("another machine is primary now ({who})")));
        }
        Ok(work)
    }

    /// Steps down where one of our own stages stands still and the standby may do better.
    fn look_at_ourselves(&mut self, now: Nanos) -> Result<(), Deposed> {
        if now < self.look_at {
            return Ok(());
        }
        self.look_at = now.saturating_add(LOOK_EVERY);
        if self.court.crown.witness.is_some()
            && self.court.progress[0].health() == Health::SyncFailed
        {
            // Nothing is acknowledged here any more; the standby's disk may be better.
            self.court.release.set_rule(Rule::Shut);
            let complaint = self.court.progress[0].complaint();
            return Err(Deposed(complaint.unwrap_or_else(|| "a sync failed".to_owned())));
        }
        self.vigil.watch(&self.court.vitals.beats(), now);
        let Court { crown, release, config, say, .. } = &mut self.court;
        let Some(witness) = &crown.witness else { return Ok(()) };
        let is_stuck = self.vigil.is_stuck(now, config.stuck());
        let has_heir = witness.tenant.heir().is_some_and(|heir| !heir.is_nobody());
        if is_stuck && has_heir {
            release.set_rule(Rule::Shut);
            return Err(Deposed("a stage stands still".to_owned()));
        }
        // With nobody to take over, one that may go on is better than none.
        if is_stuck && !self.is_stuck {
            say("alert: a stage stands still, and there is no standby that could take over");
        }
        self.is_stuck = is_stuck;
        Ok(())
    }
}

/// Moves bytes, says what there is to say.
fn step_line(line: &mut Guest, court: &Court, now: Nanos) -> Result<usize, String> {
    let (feeder, socket) = line;
    let moved = pump(socket, feeder.channel()).map_err(|_| "its line is closed".to_owned())?;
    let reached = Reached {
        recorded: court.progress[0].appended(),
        survived: LogKind::Events.seq(court.progress[1].appended()),
    };
    let outcome = feeder.step(now, reached, &mut || court.vitals.beats());
    // What was said last may say why.
    let pushed = push(socket, feeder.channel());
    let fed = outcome.map_err(|error| error.to_string())?;
    let pushed = pushed.map_err(|_| "its line is closed".to_owned())?;
    Ok(moved + fed + pushed)
}
