//! The appliance's stages in one thread, opened from a journal the way boot does it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use wirematch::journal::{Keeper, Opened, UtcMapping, open_both};
use wirematch::link::Producer;
use wirematch::model::{
    CommandKind, Event, Fault, Group, InstrumentId, LINES_MAX, Nanos, Request, SeqNo,
};
use wirematch::port::Port;
use wirematch::runtime::{CounterReader, Stage};
use wirematch::stage::{Archive, Board, Gate};
use wirematch::topology::{
    Catalogue, Config, Parts, PeersParts, Replay, StageName, Wired, empty_feed, empty_fold,
    empty_gateway, empty_peers, engine_limits, journal_settings, meaning, risk_bound, wire,
};

/// A running server.
pub struct Server {
    stages: Vec<(StageName, Box<dyn Stage>)>,
    slow_requests: Producer<Request>,
    counters: Vec<(StageName, CounterReader)>,
    /// What the recorder says to the gateway; tests may say it too.
    pub journal_is_short: Arc<AtomicBool>,
    archive: Archive,
    keepers: [Keeper; 2],
}

/// A journal read from its beginning into empty state.
pub fn replay_of(journal: &Path, config: &Config, catalogue: &Catalogue) -> Replay {
    let fold = empty_fold(config, catalogue).expect("the limits are good");
    let (gateway, feed) = (empty_gateway(config, catalogue), empty_feed(config, catalogue));
    Replay::open(journal, fold, gateway, feed).expect("the journal opens")
}

impl Server {
    /// Participants of a schedule that it is: its stages, the keeper of its journal, the archive.
    pub fn parts(&self) -> usize {
        self.stages.len() + 2
    }

    /// Opens the journal, mends and replays it, joins the stages.
    pub fn open<E: Port + 'static, F: Port + 'static>(
        journal: &Path,
        config: &Config,
        catalogue: &Catalogue,
        now: Nanos,
        (entry_port, feed_port): (E, F),
        peers_port: Option<Box<dyn Port>>,
    ) -> Self {
        let utc = UtcMapping { log_time: now, utc: now, uncertainty: Nanos::ZERO };
        let (commands, events) =
            open_both(journal, meaning(config, catalogue), utc, &journal_settings(config))
                .expect("the journal opens");
        let Opened { writer: command_log, keeper: command_keeper, .. } = commands;
        let Opened { writer: mut event_log, keeper: mut event_keeper, .. } = events;
        let mut replay = replay_of(journal, config, catalogue);
        replay.peers = empty_peers(config, catalogue);
        let mend = &mut |event: &Event| {
            while event_log.room() < LINES_MAX {
                event_keeper.step(Duration::from_millis(5));
            }
            event_log.append(&Group::new(*event)).expect("there is room");
            event_log.commit();
        };
        replay.run(SeqNo::MAX, mend, &mut |_| ()).expect("the journal replays");
        let Replay { fold, gateway, peers, feed, .. } = replay;
        let is_new = fold.seq == SeqNo::ZERO;
        let ids: Vec<InstrumentId> = catalogue.instruments.iter().map(|i| i.id).collect();
        let options = gateway.options().clone();
        let gate = Gate::Journaled(command_log.progress());
        let wired = wire(Parts {
            fold,
            limits: engine_limits(config, catalogue),
            gateway,
            fix: None,
            peers: peers_port.map(|port| PeersParts { state: peers, port }),
            venues: None,
            prices: None,
            speaker_of: catalogue.destinations.speakers(),
            hardware: catalogue.sharding.hardware(&catalogue.instruments),
            feed,
            entry_port,
            feed_port,
            command_log,
            event_log,
            gate,
            board: Board::sharded(&ids, catalogue.risk.shards),
            link_depth: config.engine.link_depth as usize,
            risk_bound: risk_bound(config),
        });
        let Wired { stages, slow_requests, counters, journal_is_short, archive, .. } = wired;
        let archive = Archive::new(journal, &options, archive);
        let keepers = [command_keeper, event_keeper];
        let mut server =
            Self { stages, slow_requests, counters, journal_is_short, archive, keepers };
        if is_new {
            server.ask(&Request::new(CommandKind::StartOfDay, now));
        }
        server
    }

    /// Says something over the slow link, as the operator does.
    pub fn ask(&mut self, request: &Request) {
        assert!(self.slow_requests.push_head(request), "the slow link has room");
    }

    /// The same, for what has further lines.
    pub fn tell(&mut self, group: &Group<Request>) {
        assert!(self.slow_requests.push(group), "the slow link has room");
    }

    /// Polls one part: a stage, the keepers, or the archive.
    ///
    /// # Errors
    /// The stage's fault.
    pub fn poll(&mut self, part: usize, now: Nanos) -> Result<usize, Fault> {
        if part == self.parts() - 1 {
            return Ok(self.archive.step());
        }
        let Some((_, stage)) = self.stages.get_mut(part) else {
            self.keepers.iter_mut().for_each(|keeper| {
                keeper.step(Duration::from_millis(1));
            });
            return Ok(0);
        };
        stage.poll(now)
    }

    /// A counter of a stage, as it stands now.
    pub fn counter(&mut self, stage: StageName, name: &str, now: Nanos) -> u64 {
        self.stages.iter_mut().for_each(|(_, stage)| stage.housekeep(now));
        // A stage may have several sets of counters.
        let readers = self.counters.iter().filter(|(known, _)| *known == stage);
        readers.map(|(_, reader)| reader.value(name)).sum()
    }

    /// A stage's counters, for whoever takes the stages away.
    pub fn reader(&self, stage: StageName) -> CounterReader {
        let found = self.counters.iter().find(|(known, _)| *known == stage);
        found.expect("there is such a stage").1.clone()
    }

    /// The stages in packet order, for whoever runs them otherwise, and the journal's keepers.
    pub fn into_stages(self) -> (Vec<Box<dyn Stage>>, [Keeper; 2]) {
        (self.stages.into_iter().map(|(_, stage)| stage).collect(), self.keepers)
    }
}
