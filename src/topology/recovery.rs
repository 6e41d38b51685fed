//! From a journal back to the state it left: the commands are folded again, the edge too, and
//! every event is compared with the one that was recorded.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use crate::engine::{Fold, Shards};
use crate::journal::{JournalError, LogKind, PutAside, Reader};
use crate::model::{Command, Event, EventId, Fault, Line, SeqNo};
use crate::snapshot::{Bad, Composer, Container, Part, Section, Stand};
use crate::stage::{FeedState, FixState, GatewayState, PeersState, VenuesState};
use crate::topology::Unfit;

/// Why a journal does not give back what it recorded.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The commands do not fold.
    #[error("command {seq}: {}", fault.sentence())]
    Fault {
        /// The command.
        seq: SeqNo,
        /// What broke.
        fault: Fault,
    },
    /// An event came out different from the one recorded.
    #[error(
        "command {}, event {}: recorded {recorded:?}, replayed {replayed:?}",
        replayed.id.seq(), replayed.id.index()
    )]
    Differs {
        /// What the event log holds.
        recorded: Box<Event>,
        /// What the commands give.
        replayed: Box<Event>,
    },
    /// The event log holds an event that no command gives.
    #[error("event {}/{} is recorded, but no command gives it", id.seq(), id.index())]
    Extra {
        /// The event.
        id: EventId,
    },
}

/// A journal being folded again.
pub struct Replay {
    /// Risk, matching and how far they have come.
    pub fold: Fold<Shards>,
    /// Clients' sessions.
    pub gateway: GatewayState,
    /// Clients' FIX sessions; none unless they are put here.
    pub fix: FixState,
    /// Our sessions at other appliances; none unless they are put here.
    pub peers: PeersState,
    /// Our sessions at exchanges; none unless they are put here.
    pub venues: VenuesState,
    /// What was published.
    pub feed: FeedState,
    /// The folder it reads.
    pub(super) journal: PathBuf,
    pub(super) commands: Reader<Command>,
    /// Commands that are passed over.
    pub aside: PutAside,
    /// Each epoch, and its first command.
    pub epochs: Vec<(u32, u64)>,
    /// The last event that the commands gave.
    pub last_event: EventId,
    /// Nothing once the log came to its end: whoever mends it then must not be read back.
    pub(super) events: Option<Reader<Event>>,
    /// Commands folded.
    pub command_count: u64,
    /// Events made of them.
    pub event_count: u64,
    /// Events compared with the event log; those it lacks are in `missing`.
    pub compared: u64,
}

impl Replay {
    /// Of the journal in a folder, from its beginning, into empty state.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn open(
        journal: &Path,
        fold: Fold<Shards>,
        gateway: GatewayState,
        feed: FeedState,
    ) -> Result<Self, ReplayError> {
        Ok(Self {
            fold,
            gateway,
            fix: FixState::none(),
            peers: PeersState::none(),
            venues: VenuesState::none(),
            feed,
            aside: PutAside::read(journal)?,
            epochs: Vec::new(),
            last_event: EventId(0),
            journal: journal.to_owned(),
            commands: Reader::open(&LogKind::Commands.folder(journal), 0)?,
            events: Some(Reader::open(&LogKind::Events.folder(journal), 0)?),
            command_count: 0,
            event_count: 0,
            compared: 0,
        })
    }

    /// Goes on from a snapshot that fits the journal, with all that comes after it; only with state
    /// that is new, and that is of no use where this fails.
    ///
    /// # Errors
    /// State that cannot be.
    pub fn resume(&mut self, journal: &Path, snapshot: &Container<'_>) -> Result<(), Unfit> {
        self.fill(snapshot)?;
        let Stand { seq, timestamp, last_event, epochs, .. } = &snapshot.stand;
        if (self.fold.seq, self.fold.timestamp) != (*seq, *timestamp) {
            return Err(Bad::new("it stands at another command than it says").into());
        }
        if !self.fix.is_told() {
            return Err(Unfit::Untold);
        }
        (self.last_event, self.epochs) = (*last_event, epochs.clone());
        self.commands = Reader::open(&LogKind::Commands.folder(journal), seq.next().0)?;
        let events = LogKind::Events.folder(journal);
        self.events = Some(Reader::open(&events, last_event.0 + 1)?);
        Ok(())
    }

    /// Fills all state: books, risk and the edge at once, for time matters at a start.
    fn fill(&mut self, snapshot: &Container<'_>) -> Result<(), Bad> {
        let Self { fold, gateway, fix, peers, venues, feed, .. } = self;
        let (risk, books) = fold.split();
        thread::scope(|scope| {
            let books = scope.spawn(move || snapshot.fill(Section::Books, books));
            let risk = scope.spawn(move || snapshot.read(Section::Risk, risk));
            snapshot.fill(Section::Gateway, gateway)?;
            snapshot.fill(Section::Fix, fix)?;
            snapshot.fill(Section::Peers, peers)?;
            snapshot.fill(Section::Venues, venues)?;
            snapshot.fill(Section::Feed, feed)?;
            risk.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            books.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Whether its state can be written: nothing is unfinished but what waits for a time.
    pub fn is_at_rest(&self) -> bool {
        self.fold.matcher.is_at_rest()
    }

    /// Its state as it is written; at rest only.
    pub fn compose(&self, stand: &Stand) -> Composer {
        let mut composer = Composer::new(stand);
        composer.add(Section::Risk, |to| self.fold.write_risk(to));
        composer.add(Section::Books, |to| self.fold.matcher.write(to));
        composer.add(Section::Gateway, |to| self.gateway.write(to));
        composer.add(Section::Fix, |to| self.fix.write(to));
        composer.add(Section::Peers, |to| self.peers.write(to));
        composer.add(Section::Venues, |to| self.venues.write(to));
        composer.add(Section::Feed, |to| self.feed.write(to));
        composer
    }

    /// The digest of all state, as snapshots have it; nothing while the books are at work.
    pub fn state(&self) -> Option<[u8; 32]> {
        self.is_at_rest().then(|| self.compose(&Stand::default()).digest())
    }

    /// Folds the next command; `missing` is shown events the event log does not hold. `false` at
    /// the end.
    ///
    /// # Errors
    /// The first thing that is not as recorded.
    pub fn step(&mut self, missing: &mut dyn FnMut(&Event)) -> Result<bool, ReplayError> {
        let Some(group) = self.commands.read()? else { return Ok(false) };
        let epoch = self.commands.epoch();
        if self.epochs.last().is_none_or(|(known, _)| *known != epoch) {
            self.epochs.push((epoch, group.head.seq.0));
        }
        self.gateway.restore_command(&group);
        self.fix.restore_command(&group);
        self.peers.restore_command(&group.head);
        self.venues.restore_command(&group.head);
        let is_aside = self.aside.holds(&group.head, group.rest());
        let Self { fold, gateway, fix, feed, events, compared, event_count, last_event, .. } = self;
        let mut outcome = Ok(());
        let each = &mut |event: &Event| {
            *event_count += 1;
            *last_event = event.id;
            gateway.restore_event(event);
            fix.restore_event(event);
            feed.apply(event);
            if outcome.is_ok() {
                outcome = compare(events, event, compared, missing);
            }
        };
        let folded = match is_aside {
            false => fold.apply(&group, each),
            true => fold.pass_over(&group.head, each),
        };
        folded.map_err(|fault| ReplayError::Fault { seq: group.head.seq, fault })?;
        let Self { fold, peers, venues, .. } = self;
        fold.matcher.take_routed(&mut |message| {
            peers.restore_routed(message);
            venues.restore_routed(message);
        });
        outcome?;
        self.command_count += 1;
        Ok(true)
    }

    /// Folds everything up to command `until`, and checks that no event is left over.
    ///
    /// # Errors
    /// The first thing that is not as recorded.
    pub fn run(
        &mut self,
        until: SeqNo,
        missing: &mut dyn FnMut(&Event),
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ReplayError> {
        self.relay(until, missing, progress)?;
        if self.fold.seq < until
            && let Some(events) = &mut self.events
            && let Some(extra) = events.read()?
        {
            return Err(ReplayError::Extra { id: extra.head.id });
        }
        Ok(())
    }
}

/// Holds an event against the one on record.
pub(super) fn compare(
    events: &mut Option<Reader<Event>>,
    replayed: &Event,
    compared: &mut u64,
    missing: &mut dyn FnMut(&Event),
) -> Result<(), ReplayError> {
    let recorded = match events {
        Some(log) => log.read_lines()?.first(),
        None => None,
    };
    let Some(recorded) = recorded else {
        *events = None;
        missing(replayed);
        return Ok(());
    };
    *compared += 1;
    let words = recorded.0.iter().zip(&bytemuck::cast_ref::<Event, Line>(replayed).0);
    if words.fold(0, |differs, (recorded, replayed)| differs | recorded ^ replayed) == 0 {
        return Ok(());
    }
    let recorded = Box::new(bytemuck::cast(*recorded));
    Err(ReplayError::Differs { recorded, replayed: Box::new(*replayed) })
}
