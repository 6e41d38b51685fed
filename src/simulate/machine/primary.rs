//! A machine while it is primary: all stages, the door for FIX clients, and what sits beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::journal::{AnnexKeeper, Health, Keeper, Progress};
use crate::link::Producer;
use crate::model::{CommandKind, Group, InstrumentId, Nanos, Request, SeqNo};
use crate::port::watch::Watch;
use crate::runtime::Stage;
use crate::simulate::Sabotage;
use crate::simulate::cables::{DOORS, Porch, Switchboard, locked};
use crate::simulate::machine::{Fallen, Machine, MakePorts, State, said};
use crate::stage::{Archive, Board, Dialer, Door, FixState, Gate, Introduced, Release, Rule};
use crate::topology::{
    Court, Crown, FixParts, Lines, Parts, Recovered, Replay, Sitting, VenuesParts, Vitals, Wired,
    engine_limits, fix_options, journal_folder, reign_of, risk_bound, wire,
};

/// Lines of FIX clients that may wait to be taken.
const INTRODUCED_DEPTH: usize = 16;

/// The pause between attempts to reach the exchange.
const CALL_AGAIN: Nanos = Nanos(4_000_000);

/// Rounds after which all stages know that the disk is full.
const UNTIL_KNOWN: u32 = 128;

/// A primary.
pub(super) struct Primary {
    pub(super) stages: Vec<Box<dyn Stage>>,
    pub(super) keepers: Vec<Keeper>,
    pub(super) annex_keeper: AnnexKeeper,
    archive: Archive,
    door: Door,
    dialer: Dialer,
    board: Switchboard,
    sitting: Sitting,
    pub(super) release: Arc<Release>,
    journal_is_short: Arc<AtomicBool>,
    pub(super) requests: Producer<Request>,
    commands: Arc<Progress>,
    /// Of the event log.
    pub(super) events: Arc<Progress>,
    /// Rounds for which its disk has been full, and what it may take after enough of them.
    full_for: u32,
    pub(super) refuses: Option<Refuses>,
}

/// What a machine may take whose disk is full.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulate) struct Refuses {
    /// Its last command when all stages knew.
    pub(in crate::simulate) from: u64,
    /// What was on its way then: so many orders may still come.
    pub(in crate::simulate) on_the_way: usize,
}

impl Machine {
    /// Joins the stages and begins to serve.
    pub(super) fn rule(
        &mut self,
        mut recovered: Recovered,
        crown: Crown,
        now: Nanos,
        ports: MakePorts<'_>,
    ) -> Result<(), Fallen> {
        let annex = recovered.resume_sessions(&self.config, &self.catalogue).map_err(said)?;
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
        let Replay { fold, mut gateway, fix, venues, feed, aside, .. } = replay;
        let (dialer, dialled) = venues.dialer(CALL_AGAIN);
        if self.sabotage == Some(Sabotage::ForgetSessions) && self.promotions > 0 {
            gateway = crate::topology::empty_gateway(config, catalogue);
        }
        gateway.reign(crown.epoch);
        let is_new = fold.seq == SeqNo::ZERO;
        let ids: Vec<InstrumentId> = catalogue.instruments.iter().map(|i| i.id).collect();
        let options = gateway.options().clone();
        let [entry_port, feed_port] = ports(self.place);
        let (fix, door) = self.open_door(fix)?;
        let Wired { stages, mut slow_requests, archive, journal_is_short, .. } = wire(Parts {
            hardware: Vec::new(),
            fold,
            limits: engine_limits(config, catalogue),
            gateway,
            fix: Some(fix),
            peers: None,
            venues: Some(VenuesParts { state: venues, dialled }),
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
        let annex_keeper = self.annex_keeper(&annex, &progress[0]);
        let sitting = Sitting::new(Court {
            config: config.standby.clone(),
            crown,
            lines: Box::new(self.switchboard(self.place)),
            release: Arc::clone(&release),
            rule: self.rule,
            reign,
            journal: journal_folder(&config.data),
            progress: progress.clone(),
            annex,
            vitals: Vitals { cores: Vec::new(), counters: Vec::new(), links: Vec::new() },
            say: |_| (),
        });
        // Whatever it lacked once, it has been found to have all.
        (self.syncs, self.waits) = (0, false);
        self.state = State::Primary(Box::new(Primary {
            stages: stages.into_iter().map(|(_, stage)| stage).collect(),
            keepers: idle_keepers,
            annex_keeper,
            archive: Archive::new(&journal_folder(&config.data), &options, archive),
            door,
            dialer,
            board: self.switchboard(self.place),
            sitting,
            release,
            journal_is_short,
            requests: slow_requests,
            commands: Arc::clone(&progress[0]),
            events: Arc::clone(&progress[1]),
            full_for: 0,
            refuses: None,
        }));
        Ok(())
    }

    /// From here on FIX clients may come.
    fn open_door(&self, state: FixState) -> Result<(FixParts, Door), Fallen> {
        let (producer, introduced) = rtrb::RingBuffer::<Introduced>::new(INTRODUCED_DEPTH);
        let place = DOORS[self.place];
        let acceptor = Box::new(Porch(self.switchboard(place)));
        let door = Door::new(acceptor, &fix_options(&self.config, &self.catalogue), producer);
        locked(&self.lines.shared).is_on[place] = true;
        let watch = Watch::new().map_err(said)?;
        Ok((FixParts { state, introduced, watch, host: None }, door))
    }

    fn switchboard(&self, place: usize) -> Switchboard {
        Switchboard { shared: Arc::clone(&self.lines.shared), place }
    }
}

impl Primary {
    /// A step of one part; nothing said where it was deposed.
    pub(super) fn step(
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
            2 => {
                let Self { dialer, board, .. } = self;
                Ok(self.door.step(now) + dialer.step(now, &mut |address| board.dial(address)))
            }
            _ => {
                self.see_the_disk();
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

    fn see_the_disk(&mut self) {
        let logs = [&self.commands, &self.events];
        if logs.iter().all(|log| log.health() != Health::DiskFull) {
            (self.full_for, self.refuses) = (0, None);
            return;
        }
        self.full_for += 1;
        if self.full_for == UNTIL_KNOWN {
            let held: u64 = self.stages.iter().map(|stage| stage.held()).sum();
            let on_the_way = held as usize;
            self.refuses = Some(Refuses { from: self.commands.appended(), on_the_way });
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
