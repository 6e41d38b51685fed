//! One machine of the simulation: the production stages and the production standby, their threads'
//! steps taken one by one by whoever schedules.

mod primary;
mod standing;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use primary::Primary;
pub(super) use primary::Refuses;
use standing::{Standing, forget_an_order};

use crate::engine::{Fold, Shards};
use crate::journal::{Annex, AnnexKeeper, Disk, Keeper, LogKind, Progress};
use crate::model::{Nanos, Request, SeqNo};
use crate::port::Port;
use crate::replica::{Name, Wish};
use crate::simulate::Sabotage;
use crate::simulate::cables::{MACHINES, Shared as Cables, Switchboard, address};
use crate::simulate::platter::Platter;
use crate::stage::Rule;
use crate::topology::{
    Admission, AtTheDoor, BootError, Catalogue, Config, Crown, Part, Recovered, ReleaseGate,
    TakeError, ToWitness, annex_keeper, journal_folder, looked_at, may_inherit, take_snapshot,
    to_witness,
};

/// What a machine is at.
enum State {
    Off,
    /// It asks the witness whether it may be primary.
    Asking(Box<ToWitness>),
    /// It asks the primary to be let in.
    AtTheDoor(Box<AtTheDoor>, Option<Box<ToWitness>>),
    Standing(Box<Standing>),
    Primary(Box<Primary>),
}

/// One machine.
pub(super) struct Machine {
    pub(super) place: usize,
    pub(super) name: Name,
    pub(super) config: Config,
    catalogue: Catalogue,
    lines: Switchboard,
    state: State,
    sabotage: Option<Sabotage>,
    pub(super) disk: Platter,
    /// What told orders wait for with a standby.
    rule: Rule,
    /// It may lack what was told, and asks for nothing before a primary has let it in.
    waits: bool,
    /// When its keepers last had a step, and how often they synced since its state began.
    kept_at: Nanos,
    syncs: u32,
    /// Times it took over.
    pub(super) promotions: u64,
    /// Commands between snapshots; 0 for none.
    snapshots_every: u64,
    /// Where the last one was tried.
    snapped_at: u64,
    /// Snapshots taken, and starts from one.
    pub(super) snapshots: u64,
    pub(super) from_snapshots: u64,
}

/// The pause between steps of a log's keeper, and between its syncs.
const KEEP_EVERY: Duration = Duration::from_millis(5);

/// Parts of a machine that are scheduled on their own, at most.
pub(super) const PARTS: usize = 16;

/// Why a machine ended by itself; a simulation in which one does has found something, unless it was
/// deposed.
pub(super) type Fallen = String;

/// Makes the ports of a machine that becomes primary.
pub(super) type MakePorts<'a> = &'a mut dyn FnMut(usize) -> [Box<dyn Port>; 2];

impl Machine {
    pub(super) fn new(
        place: usize,
        (config, catalogue): (Config, Catalogue),
        cables: Cables,
        disk: Platter,
        sabotage: Option<Sabotage>,
    ) -> Self {
        let snapshots_every = config.snapshots.every_commands;
        let lines = Switchboard { shared: cables, place: MACHINES[place] };
        let name = Name::new(&config.standby.name);
        let rule = match config.gate() {
            ReleaseGate::SyncedReplicated => Rule::SyncedReplicated,
            _ => Rule::Replicated,
        };
        Self {
            place,
            name,
            config,
            catalogue,
            lines,
            state: State::Off,
            sabotage,
            disk,
            rule,
            waits: false,
            kept_at: Nanos::ZERO,
            syncs: 0,
            promotions: 0,
            snapshots_every,
            snapped_at: 0,
            snapshots: 0,
            from_snapshots: 0,
        }
    }

    /// Whether what is told is on both disks.
    pub(super) fn promises_disks(&self) -> bool {
        self.rule == Rule::SyncedReplicated
    }

    /// Whether all it had when its state began is on its disk.
    pub(super) fn has_synced(&self) -> bool {
        self.syncs > 3
    }

    /// It lacks what was told, or may.
    pub(super) fn set_waiting(&mut self) {
        self.waits = true;
    }

    /// What it is at, for people.
    pub(super) fn describe(&self) -> String {
        let state = match &self.state {
            State::Off => "off",
            State::Asking(_) => "asks",
            State::AtTheDoor(..) => "at the door",
            State::Standing(_) => "stands by",
            State::Primary(_) => "primary",
        };
        format!("{state}, waits: {}, running: {}", self.waits, self.disk.boot())
    }

    /// Whether it serves or stands by: its journal was opened.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Standing(_) | State::Primary(_))
    }

    pub(super) fn journal(&self) -> PathBuf {
        journal_folder(&self.config.data)
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    pub(super) fn is_off(&self) -> bool {
        matches!(self.state, State::Off)
    }

    pub(super) fn is_primary(&self) -> bool {
        matches!(self.state, State::Primary(_))
    }

    /// Whether it may answer anybody at its time `now`.
    pub(super) fn may_answer(&self, now: Nanos) -> bool {
        match &self.state {
            State::Primary(primary) => now < primary.release.lease_ends(),
            _ => false,
        }
    }

    /// Whether commands wait because the journal has no room: cancels wait too.
    pub(super) fn is_out_of_room(&self) -> bool {
        match &self.state {
            // With room on the disk its keepers make some.
            State::Primary(primary) if self.disk.is_full() => {
                primary.stages.iter().any(|stage| stage.name() == "recorder" && stage.held() > 0)
            }
            _ => false,
        }
    }

    /// What it may take, where its disk has been full for so long that it must refuse orders.
    pub(super) fn refuses(&self) -> Option<Refuses> {
        match &self.state {
            State::Primary(primary) => primary.refuses,
            _ => None,
        }
    }

    /// What it would take over with, where it stands by.
    pub(super) fn fold(&mut self) -> Option<&mut Fold<Shards>> {
        match &mut self.state {
            State::Standing(standing) => Some(&mut standing.recovered.replay.fold),
            _ => None,
        }
    }

    /// Whether a standby has a part in what its replies wait for.
    pub(super) fn is_paired(&self) -> bool {
        match &self.state {
            State::Primary(primary) => primary.release.rule().needs_standby(),
            _ => false,
        }
    }

    /// Its process dies where it stands.
    pub(super) fn kill(&mut self) {
        self.state = State::Off;
    }

    /// Starts it: as primary if the witness lets it, else as standby.
    pub(super) fn start(&mut self) -> Result<(), Fallen> {
        self.disk.set_failing(false);
        self.snapped_at = 0;
        if self.sabotage == Some(Sabotage::FixForget) {
            let _ = std::fs::remove_dir_all(self.config.data.join("fix"));
        }
        if self.sabotage == Some(Sabotage::VenueForget) {
            let _ = std::fs::remove_dir_all(self.config.data.join("venues"));
        }
        let mut life = [1; 16];
        life[..8].copy_from_slice(&self.disk.boot().to_le_bytes());
        let Some(mut witness) = to_witness(&self.config, life) else {
            return Err("it has no witness".to_owned());
        };
        self.waits &= !may_inherit(&self.config, self.disk.boot());
        if self.waits {
            return self.go_to_the_door(Some(witness));
        }
        witness.tenant.wish(Wish::Acquire);
        self.state = State::Asking(witness);
        Ok(())
    }

    /// Takes a step of one part; says how much was done.
    pub(super) fn step(
        &mut self,
        part: usize,
        now: Nanos,
        ports: MakePorts<'_>,
    ) -> Result<usize, Fallen> {
        match std::mem::replace(&mut self.state, State::Off) {
            State::Off => Ok(0),
            State::Asking(witness) => self.ask(witness, now, ports),
            State::AtTheDoor(door, witness) => self.knock(door, witness, now),
            State::Standing(standing) => self.stand(standing, part, now, ports),
            State::Primary(mut primary) => {
                if part == primary.stages.len() {
                    self.keep(&mut primary.keepers, &mut primary.annex_keeper, now);
                }
                let outcome = primary.step(part, now, self.sabotage);
                match outcome {
                    Ok(work) => {
                        self.state = State::Primary(primary);
                        Ok(work)
                    }
                    // It ends, and somebody starts it again.
                    Err(None) => Ok(1),
                    Err(Some(fallen)) => Err(fallen),
                }
            }
        }
    }

    fn ask(
        &mut self,
        mut witness: Box<ToWitness>,
        now: Nanos,
        ports: MakePorts<'_>,
    ) -> Result<usize, Fallen> {
        let work = witness.step(now, &mut self.lines);
        let own = self.name;
        if witness.tenant.epoch() > 0 {
            let mut recovered = self.open(Part::Primary).map_err(said)?;
            self.look_at_start(&mut recovered)?;
            recovered.catch_up(SeqNo::MAX).map_err(said)?;
            let epoch = witness.tenant.epoch();
            self.rule(recovered, Crown { witness: Some(witness), epoch }, now, ports)?;
        } else if witness.tenant.holder().is_some_and(|(holder, _)| holder != own) {
            witness.tenant.wish(Wish::Nothing);
            self.go_to_the_door(Some(witness))?;
        } else {
            self.state = State::Asking(witness);
        }
        Ok(work)
    }

    fn go_to_the_door(&mut self, witness: Option<Box<ToWitness>>) -> Result<(), Fallen> {
        self.waits &= !may_inherit(&self.config, self.disk.boot());
        let primary = address(MACHINES[1 - self.place]);
        let door = AtTheDoor::new(&self.config, &self.catalogue, primary).map_err(said)?;
        self.state = State::AtTheDoor(Box::new(door), witness);
        Ok(())
    }

    fn knock(
        &mut self,
        mut door: Box<AtTheDoor>,
        mut witness: Option<Box<ToWitness>>,
        now: Nanos,
    ) -> Result<usize, Fallen> {
        let may_ask = witness.as_deref_mut().filter(|_| !self.waits);
        let heard = match door.step(now, &mut self.lines, may_ask).map_err(said)? {
            Some(Admission::In(heard)) => heard,
            Some(Admission::Over) => {
                self.state = State::Asking(witness.ok_or("it let this machine be primary")?);
                return Ok(1);
            }
            None => {
                self.state = State::AtTheDoor(door, witness);
                return Ok(0);
            }
        };
        if self.sabotage == Some(Sabotage::KeepOldTail) {
            door.keep_all();
        }
        let open = || self.open(Part::Standby);
        let (mut recovered, receiver) = door.enter(&self.config, witness, open).map_err(said)?;
        self.look_at_start(&mut recovered)?;
        let commands = recovered.command_log.progress();
        let keeper = self.annex_keeper(&receiver.copied(), &commands);
        self.state = State::Standing(Box::new(Standing::new(recovered, receiver, heard, keeper)));
        self.syncs = 0;
        Ok(1)
    }

    /// What a start from a snapshot has is what all of history comes to.
    fn look_at_start(&mut self, recovered: &mut Recovered) -> Result<(), Fallen> {
        let Some(seq) = recovered.snapshot else { return Ok(()) };
        self.from_snapshots += 1;
        if self.sabotage == Some(Sabotage::SnapshotLacks) {
            forget_an_order(&mut recovered.replay);
        }
        let mut whole = looked_at(&self.config, &self.catalogue).map_err(said)?;
        whole.run(recovered.replay.fold.seq, &mut |_| (), &mut |_| ()).map_err(said)?;
        match whole.state() == recovered.replay.state() {
            true => Ok(()),
            false => Err(format!("its snapshot at command {seq} is not what history comes to")),
        }
    }

    /// What its thread for snapshots does.
    pub(super) fn take_snapshot_when_due(&mut self) -> Result<(), Fallen> {
        let events = match &self.state {
            State::Standing(standing) => standing.recovered.event_log.last(),
            State::Primary(primary) => primary.events.appended(),
            _ => return Ok(()),
        };
        // Of the command before that all events are on record: nobody waits for the rest.
        let last = LogKind::Events.seq(events).saturating_sub(1);
        if self.snapshots_every == 0 || last < self.snapped_at + self.snapshots_every {
            return Ok(());
        }
        self.snapped_at = last;
        match take_snapshot(&self.config, &self.catalogue, SeqNo(last), &|| false) {
            Ok(_) => self.snapshots += 1,
            // It is tried again, when there is more.
            Err(TakeError::Busy(_) | TakeError::Empty | TakeError::Unfit(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }

    fn open(&self, part: Part) -> Result<Recovered, BootError> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        Recovered::open_idle(&self.config, &self.catalogue, part, &disk)
    }

    fn annex_keeper(&self, annex: &Arc<Annex>, commands: &Arc<Progress>) -> AnnexKeeper {
        annex_keeper(&self.config, annex, commands, Arc::new(self.disk.clone()))
    }

    /// What its keepers' threads did since, as far as its time goes.
    fn keep(&mut self, keepers: &mut [Keeper], annex_keeper: &mut AnnexKeeper, now: Nanos) {
        let since = Duration::from_nanos(now.saturating_sub(self.kept_at).0);
        if since < KEEP_EVERY {
            return;
        }
        self.kept_at = now;
        self.syncs += 1;
        keepers.iter_mut().for_each(|keeper| {
            keeper.step(since);
        });
        annex_keeper.step(since);
    }

    /// The operator's request, where this is the primary.
    pub(super) fn ask_for(&mut self, request: &Request) -> bool {
        match &mut self.state {
            State::Primary(primary) => primary.requests.push_head(request),
            _ => false,
        }
    }
}

fn said(error: impl std::fmt::Display) -> Fallen {
    error.to_string()
}
