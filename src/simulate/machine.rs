//! One machine of the simulation: the production stages and the production standby, their threads'
//! steps taken one by one by whoever schedules.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::engine::{BookView, Fold, Matcher, Shards};
use crate::journal::{Disk, Keeper};
use crate::link::Producer;
use crate::model::{Command, CommandKind, EventKind, Group, InstrumentId, Nanos, Request, SeqNo};
use crate::port::Port;
use crate::replica::{Name, Wish};
use crate::runtime::Stage;
use crate::simulate::Sabotage;
use crate::simulate::cables::{Exchange, Shared as Cables, address};
use crate::simulate::platter::Platter;
use crate::stage::{Archive, Board, Gate, Release, Rule};
use crate::topology::{
    AtTheDoor, BootError, Catalogue, Config, Court, Crown, Ending, Folding, Part, Parts, Receiver,
    Recovered, ReleaseGate, Replay, Shared, Sitting, ToWitness, Vitals, Wired, engine_limits,
    identity, journal_folder, may_inherit, mend, reign_of, risk_bound, to_witness, wire,
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

struct Standing {
    recovered: Recovered,
    receiver: Receiver,
    folding: Folding,
    shared: Arc<Shared>,
    is_flipped: bool,
}

struct Primary {
    stages: Vec<Box<dyn Stage>>,
    keepers: Vec<Keeper>,
    archive: Archive,
    sitting: Sitting,
    release: Arc<Release>,
    journal_is_short: Arc<AtomicBool>,
    requests: Producer<Request>,
}

/// One machine.
pub(super) struct Machine {
    pub(super) place: usize,
    pub(super) config: Config,
    catalogue: Catalogue,
    lines: Exchange,
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
}

/// The pause between steps of a log's keeper, and between its syncs.
const KEEP_EVERY: Duration = Duration::from_millis(5);

/// Lines for the events of one command.
const EVENTS_ROOM: usize = 64;

/// Parts of a machine that are scheduled on their own, at most.
pub(super) const PARTS: usize = 10;

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
        let lines = Exchange { shared: cables, place };
        let rule = match config.gate() {
            ReleaseGate::SyncedReplicated => Rule::SyncedReplicated,
            _ => Rule::Replicated,
        };
        Self {
            place,
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
        }
    }

    pub(super) fn name(&self) -> Name {
        identity(&self.config, &self.catalogue).name
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
            State::Primary(primary) => {
                primary.stages.iter().any(|stage| stage.name() == "recorder" && stage.held() > 0)
            }
            _ => false,
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
                    self.keep(&mut primary.keepers, now);
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
        let own = identity(&self.config, &self.catalogue).name;
        if witness.tenant.epoch() > 0 {
            let mut recovered = self.open(Part::Primary).map_err(said)?;
            recovered.catch_up(SeqNo::MAX).map_err(said)?;
            let epoch = witness.tenant.epoch();
            self.rule(recovered, Crown { witness: Some(witness), epoch }, now, ports);
        } else if witness.tenant.holder().is_some_and(|(holder, _)| holder != own) {
            witness.tenant.wish(Wish::Nothing);
            self.go_to_the_door(Some(witness))?;
        } else {
            self.state = State::Asking(witness);
        }
        Ok(work)
    }

    fn go_to_the_door(&mut self, witness: Option<Box<ToWitness>>) -> Result<(), Fallen> {
        let primary = address(1 - self.place);
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
        let Some(heard) = door.step(now, &mut self.lines).map_err(said)? else {
            // Maybe there is no primary any more, and it should be this one.
            if let Some(to_witness) = witness.as_mut().filter(|_| !self.waits) {
                to_witness.tenant.wish(Wish::Acquire);
                to_witness.step(now, &mut self.lines);
                if to_witness.tenant.epoch() > 0 {
                    self.state = State::Asking(witness.take().ok_or("it was there")?);
                    return Ok(1);
                }
            }
            self.state = State::AtTheDoor(door, witness);
            return Ok(0);
        };
        if let Some(witness) = &mut witness {
            witness.tenant.wish(Wish::Nothing);
        }
        if self.sabotage == Some(Sabotage::KeepOldTail) {
            door.keep_all();
        }
        let open = || self.open(Part::Standby);
        let (recovered, receiver) = door.enter(&self.config, witness, open).map_err(said)?;
        let shared = Arc::<Shared>::default();
        let folding = Folding::new(&recovered, heard, Arc::clone(&shared));
        let standing = Standing { recovered, receiver, folding, shared, is_flipped: false };
        self.state = State::Standing(Box::new(standing));
        self.syncs = 0;
        Ok(1)
    }

    fn open(&self, part: Part) -> Result<Recovered, BootError> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        Recovered::open_idle(&self.config, &self.catalogue, part, &disk)
    }

    /// What its keepers' threads did since, as far as its time goes.
    fn keep(&mut self, keepers: &mut [Keeper], now: Nanos) {
        let since = Duration::from_nanos(now.saturating_sub(self.kept_at).0);
        if since < KEEP_EVERY {
            return;
        }
        self.kept_at = now;
        self.syncs += 1;
        keepers.iter_mut().for_each(|keeper| {
            keeper.step(since);
        });
    }

    fn stand(
        &mut self,
        mut standing: Box<Standing>,
        part: usize,
        now: Nanos,
        ports: MakePorts<'_>,
    ) -> Result<usize, Fallen> {
        match part {
            0..5 => match standing.receive(now, &mut self.lines) {
                Ok(work) => {
                    self.state = State::Standing(standing);
                    Ok(work)
                }
                Err(Ending::Again(witness)) => self.go_to_the_door(witness).map(|()| 1),
                Err(Ending::Failed(error)) => Err(said(error)),
                Err(Ending::Promoted { witness, epoch, .. }) => {
                    standing.shared.trust_all();
                    // Without room for events it waits for somebody who makes some.
                    self.disk.set_full(false);
                    while standing.fold_next(&self.disk, self.sabotage)? {}
                    self.promotions += 1;
                    let epoch = match self.sabotage {
                        Some(Sabotage::SameEpoch) => epoch - 1,
                        _ => epoch,
                    };
                    let Standing { recovered, .. } = *standing;
                    self.rule(recovered, Crown { witness, epoch }, now, ports);
                    Ok(1)
                }
            },
            5..9 => {
                let mut work = 0;
                while work < 32 && standing.fold_next(&self.disk, self.sabotage)? {
                    work += 1;
                }
                self.state = State::Standing(standing);
                Ok(work)
            }
            _ => {
                self.keep(&mut standing.recovered.idle_keepers, now);
                self.state = State::Standing(standing);
                Ok(0)
            }
        }
    }

    /// Joins the stages and begins to serve.
    fn rule(&mut self, recovered: Recovered, crown: Crown, now: Nanos, ports: MakePorts<'_>) {
        let Recovered { mut command_log, event_log, idle_keepers, replay, mut epochs, .. } =
            recovered;
        let (config, catalogue) = (&self.config, &self.catalogue);
        command_log.set_epoch(crown.epoch);
        if epochs.last().is_none_or(|(epoch, _)| *epoch != crown.epoch) {
            epochs.push((crown.epoch, command_log.last() + 1));
        }
        let progress = [command_log.progress(), event_log.progress()];
        let release = Arc::new(Release::new(Arc::clone(&progress[0]), Rule::Shut));
        if let Some(witness) = &crown.witness {
            release.set_lease(witness.tenant.lease_ends());
        }
        let Replay { fold, mut gateway, feed, aside, .. } = replay;
        if self.sabotage == Some(Sabotage::ForgetSessions) && self.promotions > 0 {
            gateway = crate::topology::empty_gateway(config, catalogue);
        }
        gateway.reign(crown.epoch);
        let is_new = fold.seq == SeqNo::ZERO;
        let ids: Vec<InstrumentId> = catalogue.instruments.iter().map(|i| i.id).collect();
        let options = gateway.options().clone();
        let [entry_port, feed_port] = ports(self.place);
        let Wired { stages, mut slow_requests, archive, journal_is_short, .. } = wire(Parts {
            hardware: Vec::new(),
            fold,
            limits: engine_limits(config, catalogue),
            gateway,
            fix: None,
            peers: None,
            venues: None,
            prices: None,
            speaker_of: catalogue.destinations.speakers(),
            feed,
            entry_port,
            feed_port,
            command_log,
            event_log,
            gate: Gate::Guarded(Arc::clone(&release)),
            board: Board::sharded(&ids, catalogue.risk.shards),
            link_depth: config.engine.link_depth as usize,
            risk_bound: risk_bound(config),
        });
        if is_new {
            let opening = Request::new(CommandKind::StartOfDay, now);
            let _ = slow_requests.push(&Group::new(opening));
        }
        let reign = reign_of(config, catalogue, crown.epoch, epochs, &aside);
        let sitting = Sitting::new(Court {
            config: config.standby.clone(),
            crown,
            lines: Box::new(Exchange { shared: Arc::clone(&self.lines.shared), place: self.place }),
            release: Arc::clone(&release),
            rule: self.rule,
            reign,
            journal: journal_folder(&config.data),
            progress,
            annex: Arc::default(),
            vitals: Vitals { cores: Vec::new(), counters: Vec::new(), links: Vec::new() },
            say: |_| (),
        });
        self.syncs = 0;
        self.state = State::Primary(Box::new(Primary {
            stages: stages.into_iter().map(|(_, stage)| stage).collect(),
            keepers: idle_keepers,
            archive: Archive::new(&journal_folder(&config.data), &options, archive),
            sitting,
            release,
            journal_is_short,
            requests: slow_requests,
        }));
    }

    /// The operator's request, where this is the primary.
    pub(super) fn ask_for(&mut self, request: &Request) -> bool {
        match &mut self.state {
            State::Primary(primary) => primary.requests.push_head(request),
            _ => false,
        }
    }
}

impl Standing {
    fn receive(&mut self, now: Nanos, lines: &mut Exchange) -> Result<usize, Ending> {
        let Self { recovered, receiver, shared, .. } = self;
        let Recovered { command_log, epochs, .. } = recovered;
        receiver.step(now, lines, command_log, epochs, shared, &|_| ())
    }

    fn fold_next(&mut self, disk: &Platter, sabotage: Option<Sabotage>) -> Result<bool, Fallen> {
        let Self { recovered, folding, is_flipped, .. } = self;
        let Recovered { event_log, replay, idle_keepers, .. } = recovered;
        let seq = replay.fold.seq.0;
        if event_log.room() < EVENTS_ROOM && disk.is_full() {
            return Ok(false);
        }
        if sabotage == Some(Sabotage::FlipState) && seq > 60 && !*is_flipped {
            *is_flipped = true;
            forget_an_order(replay);
        }
        let (mut place, mut fill) = (0, None);
        let folded = folding
            .step(replay, &mut |event| {
                fill = fill.or((event.kind == EventKind::Executed.code()).then_some(*event));
                place += 1;
                let is_dropped = sabotage == Some(Sabotage::DropEvent) && seq % 64 == 40;
                if !is_dropped || place > 1 {
                    mend(event_log, idle_keepers, event);
                }
            })
            .map_err(said);
        if let Some(fill) = fill.filter(|_| sabotage == Some(Sabotage::FillTwice)) {
            let _ = replay.fold.gate.apply(&fill);
        }
        folded
    }
}

impl Primary {
    /// A step of one part; nothing said where it was deposed.
    fn step(
        &mut self,
        part: usize,
        now: Nanos,
        sabotage: Option<Sabotage>,
    ) -> Result<usize, Option<Fallen>> {
        if let Some(stage) = self.stages.get_mut(part) {
            let fell = |fault: crate::model::Fault| Some(fault.sentence().to_owned());
            return stage.poll(now).map_err(fell);
        }
        match part - self.stages.len() {
            0 => Ok(0),
            1 => Ok(self.archive.step()),
            _ => {
                let outcome = self.sitting.step(now);
                self.spoil(sabotage);
                match outcome {
                    Ok(work) => Ok(work),
                    Err(_) if sabotage == Some(Sabotage::IgnoreEpoch) => Ok(0),
                    Err(_) => Err(None),
                }
            }
        }
    }

    fn spoil(&mut self, sabotage: Option<Sabotage>) {
        let release = &self.release;
        match sabotage {
            Some(Sabotage::SkipGate) => release.set_rule(Rule::Journaled),
            Some(Sabotage::IgnoreLease | Sabotage::IgnoreEpoch) => release.set_lease(Nanos::MAX),
            Some(Sabotage::AcceptWhenFull) => self.journal_is_short.store(false, Ordering::Relaxed),
            Some(Sabotage::BelieveTooMuch) => release.confirm(SeqNo::MAX, SeqNo::MAX),
            _ => {}
        }
    }
}

/// Takes the first resting order away without a word.
fn forget_an_order(replay: &mut Replay) {
    let mut first = None;
    replay.fold.matcher.for_each_order(&mut |standing| {
        first.get_or_insert(standing.order);
    });
    let Some(order) = first else { return };
    let mut cancel = Command::new(CommandKind::Cancel);
    (cancel.seq, cancel.timestamp) = (replay.fold.seq, replay.fold.timestamp);
    (cancel.session, cancel.target) = (order.session, order.ordinal);
    (cancel.instrument, cancel.account) = (order.instrument, order.account);
    let _ = replay.fold.matcher.submit(&Group::new(cancel));
    replay.fold.matcher.drain(usize::MAX, &mut |_| ());
}

fn said(error: impl std::fmt::Display) -> Fallen {
    error.to_string()
}
