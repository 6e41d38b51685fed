//! Our FIX sessions at exchanges: what is routed there leaves when the gate has released it, and
//! what they report comes in by the sequencer.
//!
//! ```text
//!  away ─► routed ─► venue ─► session in use ─► line ─► exchange
//!  sequencer ◄─ reports ◄─── all sessions ◄─── line ◄─
//! ```
//!
//! An order leaves at most once. It is on a session's record before its bytes go, and is never sent
//! again from there: after a gap the exchange is asked what became of it.

mod dialer;
mod line;
mod ring;
mod venue;

use std::net::SocketAddr;
use std::sync::Arc;

pub use dialer::{Dialer, Dialled};

use crate::journal::{Annex, Annexed};
use crate::link::{Consumer, Producer};
use crate::model::{
    Command, CommandKind, Fault, Group, Instrument, LINES_MAX, Nanos, Request, SessionId,
};
use crate::runtime::{Counters, Stage};
use crate::snapshot::part;
use crate::stage::gateway::Symbols;
use crate::stage::venues::dialer::Number;
use crate::stage::venues::line::Line;
use crate::stage::venues::venue::{HandsOf, Venue};
use crate::stage::{BURST, Gate};
use crate::wire::fix::session::{MemoryStore, SessionConfig, Store, StoreError};

crate::counters! {
    /// What the stage that speaks with venues counts.
    pub VenueCounter {
        Routed: "messages taken to be sent",
        Sent: "messages put on record and sent",
        Reports: "reports sent to the sequencer",
        Questions: "orders whose fate was asked for",
        Logons: "sessions that came up",
        Failovers: "times another session of a venue was taken into use",
        Lost: "times a venue was not heard by any session: its orders are refused",
        Unheard: level "venues that no session hears now: trading there is halted",
        Foreign: "messages that were about no order of ours",
        Unrecorded: "times a session's record failed",
    }
}

/// A session at a venue, as configured.
#[derive(Clone, Debug)]
pub struct LineSpec {
    /// What the session layer is told.
    pub config: SessionConfig,
    /// Where the venue listens.
    pub address: SocketAddr,
}

/// A venue, as configured.
#[derive(Clone, Debug)]
pub struct VenueSpec {
    /// Its name.
    pub name: String,
    /// Its number among sessions; no client has it.
    pub session: SessionId,
    /// The session that is used, and those that stand by.
    pub lines: Vec<LineSpec>,
}

impl VenueSpec {
    /// What an order in OUCH calls it: the first four letters of its name, padded with blanks.
    pub fn route(&self) -> [u8; 4] {
        let mut route = [b' '; 4];
        route.iter_mut().zip(self.name.bytes()).for_each(|(place, byte)| *place = byte);
        route
    }
}

/// What is told at boot.
#[derive(Clone, Debug)]
pub struct VenuesOptions {
    /// What is traded.
    pub instruments: Vec<Instrument>,
    /// The venues.
    pub venues: Vec<VenueSpec>,
    /// Messages to one of them that are not answered yet, at most.
    pub in_flight_max: usize,
}

/// A session's record, or why it cannot be used.
pub type VenueRecord = Result<Box<dyn Store>, StoreError>;

/// All venues: a fold over history and the sessions' records, until the stage goes on from it.
#[derive(Debug)]
pub struct VenuesState {
    symbols: Symbols,
    venues: Vec<Venue>,
}
part!(VenuesState {} all { venues } kept { symbols });

impl VenuesState {
    /// Before the first message; `open` gives each session of a venue its record.
    ///
    /// # Errors
    /// The first record that cannot be opened.
    pub fn open(
        options: &VenuesOptions,
        open: &mut dyn FnMut(&VenueSpec, usize) -> VenueRecord,
    ) -> Result<Self, StoreError> {
        let mut venues = Vec::new();
        for spec in &options.venues {
            let mut lines = Vec::new();
            for (at, line) in spec.lines.iter().enumerate() {
                lines.push(Line::new(line.clone(), at, open(spec, at)?));
            }
            venues.push(Venue::new(spec, lines, options.in_flight_max));
        }
        Ok(Self { symbols: Symbols::new(&options.instruments), venues })
    }

    /// For looking at a journal: nobody is told anything.
    pub fn to_look_at(options: &VenuesOptions) -> Self {
        let silent = &mut |_: &VenueSpec, _| -> VenueRecord { Ok(Box::new(MemoryStore::new(1))) };
        // Memory does not fail.
        Self::open(options, silent).unwrap_or_else(|_| Self::none())
    }

    /// Of an appliance that routes nothing.
    pub fn none() -> Self {
        Self { symbols: Symbols::new(&[]), venues: Vec::new() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.venues.is_empty()
    }

    /// Takes a command from the record.
    pub fn restore_command(&mut self, command: &Command) {
        if command.is_away()
            && let Some(venue) = self.venues.iter_mut().find(|v| v.session == command.session)
        {
            venue.restore(command);
        }
    }

    /// Takes a message that history routes.
    pub fn restore_routed(&mut self, message: &Group<Command>) {
        let to = message.head.session;
        if message.head.kind != CommandKind::AwayHeard.code()
            && let Some(venue) = self.venues.iter_mut().find(|venue| venue.session == to)
        {
            venue.ring.keep(message);
        }
    }

    /// Takes a message that the gate has released: to be sent, or a mark that is in the journal.
    fn take(&mut self, message: &Group<Command>) {
        let head = &message.head;
        if head.kind != CommandKind::AwayHeard.code() {
            return self.restore_routed(message);
        }
        let venue = self.venues.iter_mut().find(|venue| venue.session == head.session);
        for line in venue.into_iter().flat_map(|venue| &mut venue.lines) {
            line.marked(head.price.0 as u64);
        }
    }

    /// Sessions at venues, by place.
    fn lines(&mut self) -> impl Iterator<Item = &mut Line> {
        self.venues.iter_mut().flat_map(|venue| &mut venue.lines)
    }

    /// Goes on with the records of a machine that was primary, in the order of sessions.
    pub fn inherit(&mut self, stores: impl Iterator<Item = Box<dyn Store>>) {
        self.lines().zip(stores).for_each(|(line, store)| line.inherit(store));
    }

    /// From here on records are written by this hand; those that can be copied.
    ///
    /// # Errors
    /// A record that cannot be written.
    pub fn hand_over(&mut self, hand: u64) -> Result<Vec<Annexed>, StoreError> {
        let files: Result<Vec<_>, _> = self.lines().map(|line| line.hand_over(hand)).collect();
        Ok(files?.into_iter().flatten().collect())
    }

    /// What is said to venues waits for its record, which stands in an annex from this place on.
    pub fn annex(&mut self, annex: &Arc<Annex>, first: usize) {
        (first..).zip(self.lines()).for_each(|(file, line)| line.annex(Arc::clone(annex), file));
    }

    /// The replay is over.
    pub fn restored(&mut self) {
        self.venues.iter_mut().for_each(Venue::restored);
    }

    /// Who opens the lines, with a pause between attempts, and where it puts them.
    pub fn dialer(&self, pause: Nanos) -> (Dialer, rtrb::Consumer<Dialled>) {
        let count: usize = self.venues.iter().map(|venue| venue.lines.len()).sum();
        let (dialled, lines) = rtrb::RingBuffer::new(count.max(1));
        let mut numbers = Vec::new();
        for (venue, of) in self.venues.iter().enumerate() {
            for (line, of) in of.lines.iter().enumerate() {
                let (address, is_wanted) = (of.spec.address, of.is_wanted.clone());
                numbers.push(Number { venue, line, address, is_wanted, next: Nanos::ZERO });
            }
        }
        (Dialer { numbers, dialled, pause }, lines)
    }
}

/// Lines of the link to the sequencer.
pub const VENUE_REPORTS_DEPTH: usize = 16 * BURST * LINES_MAX;

/// How often silent lines are looked at.
const LOOK_EVERY: Nanos = Nanos(10_000);

/// Bytes taken off a line at once.
const READ_MAX: usize = 16 * 1024;

/// The stage.
pub struct Venues {
    state: VenuesState,
    dialled: rtrb::Consumer<Dialled>,
    routed: Consumer<Command>,
    requests: Producer<Request>,
    gate: Gate,
    message: Group<Command>,
    room: Box<[u8]>,
    /// When lines that were silent are looked at again.
    look_at: Nanos,
    /// Counters, for whoever shows them.
    pub counters: Counters<VenueCounter>,
}

impl Venues {
    /// Goes on from what a replay may have filled.
    pub fn new(
        state: VenuesState,
        dialled: rtrb::Consumer<Dialled>,
        routed: Consumer<Command>,
        requests: Producer<Request>,
        gate: Gate,
    ) -> Self {
        Self {
            state,
            dialled,
            routed,
            requests,
            gate,
            message: Group::new(Command::new(CommandKind::Tick)),
            room: vec![0; READ_MAX].into(),
            look_at: Nanos::ZERO,
            counters: Counters::default(),
        }
    }

    /// Takes what was routed and released.
    fn take_routed(&mut self, now: Nanos) -> usize {
        let Self { gate, routed, message, state, counters, .. } = self;
        let each = |message: &Group<Command>| state.take(message);
        let count = gate.take_released(now, routed, message, each);
        counters.add(VenueCounter::Routed, count as u64);
        count
    }

    /// Gives lines that were opened to their sessions.
    fn take_dialled(&mut self, now: Nanos) -> usize {
        let Self { state, dialled, requests, counters, .. } = self;
        let Ok(Dialled { venue, line, stream }) = dialled.pop() else { return 0 };
        let Some(venue) = state.venues.get_mut(venue) else { return 0 };
        let Venue { lines, ring, session, .. } = venue;
        if let Some(line) = lines.get_mut(line) {
            line.open(stream, &mut HandsOf { requests, counters }.of(*session, now, ring));
        }
        1
    }

    fn go_on(&mut self, now: Nanos) -> usize {
        let Self { state, requests, counters, room, .. } = self;
        let VenuesState { symbols, venues } = state;
        let mut work = 0;
        for venue in venues {
            let was_up = venue.is_active_up();
            let hands = &mut HandsOf { requests, counters };
            let Venue { lines, ring, session, .. } = venue;
            for line in lines {
                let hands = &mut hands.of(*session, now, ring);
                line.pass(hands);
                if hands.has_room() {
                    work += line.receive(room, hands);
                    line.tell_refused(hands);
                }
            }
            venue.choose(was_up, hands.counters);
            venue.ask(symbols, now, hands);
            venue.tell(now, hands);
            work += venue.send(symbols, now, hands);
            let Venue { lines, ring, session, .. } = venue;
            for line in lines {
                line.settle(&mut hands.of(*session, now, ring));
            }
        }
        work
    }
}

impl Stage for Venues {
    fn name(&self) -> &str {
        "venues"
    }

    fn tells_time(&self) -> bool {
        true
    }

    fn poll(&mut self, now: Nanos) -> Result<usize, Fault> {
        let routed = self.take_routed(now);
        let dialled = self.take_dialled(now);
        if routed + dialled == 0 && now < self.look_at {
            return Ok(0);
        }
        let work = routed + dialled + self.go_on(now);
        // Asking the kernel takes long: who shares the core does not pay for silence every lap.
        self.look_at = if work == 0 { now.saturating_add(LOOK_EVERY) } else { Nanos::ZERO };
        Ok(work)
    }

    fn housekeep(&mut self, _now: Nanos) {
        let unheard = self.state.venues.iter().filter(|venue| !venue.is_told_up()).count();
        self.counters.set(VenueCounter::Unheard, unheard as u64);
        self.counters.publish();
        self.routed.show_fill();
    }

    fn stop(&mut self, now: Nanos) {
        let Self { state, requests, counters, .. } = self;
        for venue in &mut state.venues {
            let hands = &mut HandsOf { requests, counters };
            let Venue { lines, ring, session, .. } = venue;
            for line in lines {
                line.log_out(&mut hands.of(*session, now, ring));
            }
        }
    }
}
