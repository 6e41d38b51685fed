//! FIX order entry, both directions on one core: lines become requests, events become reports.
//!
//! ```text
//!  door ─► line ─► session (numbers, gaps) ─► desk ─► request ─► sequencer
//!          line ◄─ outbox (numbers, record) ◄─ desk ◄─ events, gate
//! ```
//!
//! Outbound numbers are on record with what they told of; after a crash the journal says what else
//! there is to tell, and which of a client's messages must come again.

mod copies;
mod desk;
mod door;
mod session;
mod state;
mod untold;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use door::{Door, Introduced};
pub use state::{FixOptions, FixSpec, FixState, FixView, MayStop, OpenedRecord};

use crate::link::{Consumer, Producer, Taken};
use crate::model::{Event, Fault, LINES_MAX, Nanos, Request};
use crate::port::Port;
use crate::port::host::TcpHost;
use crate::port::watch::Watch;
use crate::runtime::{Counters, LatencyRecorder, Stage, Watchman};
use crate::stage::device::{DeviceCounter, show_device};
use crate::stage::fix::desk::Moment;
use crate::stage::fix::session::FixSession;
use crate::stage::session_board::SHOWN_AT_ONCE;
use crate::stage::{BURST, FrameCause, Gate, SessionBoard};
use crate::wire::DecodeError;

crate::counters! {
    /// What a FIX gateway counts.
    pub FixCounter {
        Requests: "requests sent to the sequencer",
        Events: "events taken from matching",
        Reports: "reports put on record",
        Copies: "drop copies put on record",
        Logons: "sessions that came up",
        Ended: "sessions that ended",
        Unwanted: "lines for a session that has one",
        Refused: "orders refused: the journal was short of room, risk stood still, or we stop",
        Answered: "questions about orders answered",
        Closed: "polls in which the link behind was full and lines were left alone",
        Unrecorded: "times a session's record failed",
        Panicked: "sessions whose line was dropped because their code panicked",
        Segments: "TCP segments taken, where TCP is in user space",
        LinesOpened: "TCP connections that came to be there",
        LinesEnded: "TCP connections that ended there",
        PushedOut: "TCP handshakes given up for newer ones",
        TurnedAway: "TCP connections refused for want of a place",
        Strays: "TCP segments of no connection",
        LinesPanicked: "TCP connections dropped because their code panicked",
        Malformed: "frames and segments that were broken, or are not spoken here",
        NotForUs: "frames and packets for others",
        Arps: "ARP packets about us",
        Echoes: "echo requests answered",
    }
}

/// Lines that are each asked whether something came; with more of them the kernel is asked.
const ASKED_EACH: usize = 8;

/// Polls after which timers are looked at though there is other work.
const TIMERS_EVERY: u32 = 8;

/// Bytes taken off a line at once.
const READ_MAX: usize = 16 * 1024;

/// Events told in one poll, at most.
const EVENTS_MAX: usize = 4 * BURST;

/// The FIX gateway's ends of its links.
pub struct FixLinks {
    /// To the sequencer.
    pub requests: Producer<Request>,
    /// From matching.
    pub events: Consumer<Event>,
    /// From the door.
    pub introduced: rtrb::Consumer<Introduced>,
}

/// The FIX gateway.
pub struct FixGateway {
    state: FixState,
    links: FixLinks,
    gate: Gate,
    journal_is_short: Arc<AtomicBool>,
    /// Over the risk stage.
    watchman: Option<Watchman>,
    risk_is_stopped: bool,
    watch: Watch,
    /// TCP in user space, where lines come by a port.
    host: Option<TcpHost<Box<dyn Port>>>,
    /// Sessions with a line.
    open: Vec<usize>,
    /// Sessions whose lines have something to be read.
    ready: Vec<usize>,
    /// Where bytes are read to.
    room: Box<[u8]>,
    /// Where people look at sessions, and the place of the one that is shown next.
    board: Option<(Arc<SessionBoard>, usize)>,
    /// The session whose messages are taken next, where room ran out before it.
    next: Option<usize>,
    /// The session whose timers are looked at next.
    turn: usize,
    polls: u32,
    is_started: bool,
    is_stopping: bool,
    replied: LatencyRecorder,
    /// Counters, for whoever shows them.
    pub counters: Counters<FixCounter>,
    /// Broken frames, by what was wrong with them, where TCP is in user space.
    pub causes: Counters<FrameCause>,
    /// What the device counted that they come by.
    pub device: Counters<DeviceCounter>,
}

impl FixGateway {
    /// Goes on from sessions that a replay may have filled.
    pub fn new(
        state: FixState,
        links: FixLinks,
        watch: Watch,
        gate: Gate,
        journal_is_short: Arc<AtomicBool>,
        replied: LatencyRecorder,
    ) -> Self {
        let count = state.sessions.len();
        Self {
            state,
            links,
            gate,
            journal_is_short,
            watchman: None,
            risk_is_stopped: false,
            watch,
            host: None,
            open: Vec::with_capacity(count),
            ready: Vec::with_capacity(count),
            room: vec![0; READ_MAX].into(),
            board: None,
            next: None,
            turn: 0,
            polls: 0,
            is_started: false,
            is_stopping: false,
            replied,
            counters: Counters::default(),
            causes: Counters::default(),
            device: Counters::default(),
        }
    }

    /// Refuses orders while risk stands still.
    #[must_use]
    pub fn watching(self, watchman: Watchman) -> Self {
        Self { watchman: Some(watchman), ..self }
    }

    /// Shows its sessions to people.
    #[must_use]
    pub fn showing(self, board: Arc<SessionBoard>) -> Self {
        Self { board: Some((board, 0)), ..self }
    }

    /// Shows the next few sessions.
    fn show_sessions(&mut self) {
        let Some((board, next)) = &mut self.board else { return };
        for _ in 0..SHOWN_AT_ONCE {
            let at = self.state.present.get(*next);
            if let Some(Some(session)) = at.and_then(|&at| self.state.sessions.get(at)) {
                let (session, row) = session.row();
                board.show(session, row);
            }
            *next = if *next + 1 < self.state.present.len() { *next + 1 } else { 0 };
        }
    }

    /// Speaks TCP itself, on a port.
    #[must_use]
    pub fn hosting(self, host: Option<TcpHost<Box<dyn Port>>>) -> Self {
        Self { host, ..self }
    }

    fn moment(&self, now: Nanos) -> Moment {
        let is_short = self.journal_is_short.load(Ordering::Relaxed);
        Moment { now, refuses_orders: is_short || self.is_stopping || self.risk_is_stopped }
    }

    /// Tells clients what the gate has released.
    fn take_events(&mut self, now: Nanos) -> usize {
        let Self { state, links, gate, replied, counters, .. } = self;
        let released = gate.released(now);
        let mut most = EVENTS_MAX;
        let count = links.events.take_each(|event, _| {
            if most == 0 || event.id.seq() > released {
                return Taken::No;
            }
            most -= 1;
            state.copy(event, now, counters);
            if let Some(received_at) = state.tell(event, now, counters) {
                replied.record(received_at, now);
            }
            Taken::Yes
        });
        counters.add(FixCounter::Events, count as u64);
        count
    }

    /// Gives lines that the door has let in to their sessions.
    fn take_introduced(&mut self, moment: Moment) -> usize {
        let Self { state, links, watch, open, counters, .. } = self;
        let mut count = 0;
        while count < BURST
            && room_in(&mut links.requests) > BURST
            && let Ok(introduced) = links.introduced.pop()
        {
            count += 1;
            let at = introduced.session;
            let Some(Some(session)) = state.sessions.get_mut(at) else { continue };
            if session.line.is_some() {
                counters.count(FixCounter::Unwanted);
                continue;
            }
            watch.add(&*introduced.line, at as u64);
            open.push(at);
            let desk = &mut state.common.at_work(moment, &mut links.requests, counters);
            session.open(introduced.line, &introduced.bytes, desk);
            state.mark(at);
        }
        count
    }

    /// Finds the lines that have something to be read, and those with more to do already.
    fn find_ready(&mut self) {
        let Self { state, watch, open, ready, polls, .. } = self;
        ready.clear();
        if open.len() <= ASKED_EACH {
            return ready.extend_from_slice(open);
        }
        let mut find = |at: usize, session: &mut FixSession| {
            if std::mem::replace(&mut session.found_in, *polls) != *polls {
                ready.push(at);
            }
        };
        let FixState { sessions, dirty, .. } = state;
        let mut session_at = |at: usize, is_wanted: fn(&FixSession) -> bool| {
            if let Some(Some(session)) = sessions.get_mut(at)
                && is_wanted(session)
            {
                find(at, session);
            }
        };
        watch.ready(&mut |name| session_at(name as usize, |_| true));
        dirty.iter().for_each(|&at| session_at(at, FixSession::is_behind));
    }

    /// Takes what came on the lines, a burst of each; while there is no room for a line's messages
    /// it is left alone, and is the first when there is.
    fn take_bytes(&mut self, moment: Moment) -> usize {
        self.find_ready();
        let Self { state, links, ready, next, polls, room, counters, .. } = self;
        if polls.is_multiple_of(2) {
            // Of any two each is before the other every second time.
            ready.reverse();
        }
        let first = next.take().and_then(|next| ready.iter().position(|&at| at == next));
        let (later, sooner) = ready.split_at(first.unwrap_or(0));
        let mut taken = 0;
        for &at in sooner.iter().chain(later) {
            let Some(Some(session)) = state.sessions.get_mut(at) else { continue };
            if room_in(&mut links.requests) <= BURST {
                counters.count(FixCounter::Closed);
                *next = Some(at);
                break;
            }
            let desk = &mut state.common.at_work(moment, &mut links.requests, counters);
            // What a client sends may end its own session, and nobody else's.
            match catch_unwind(AssertUnwindSafe(|| session.receive(room, desk))) {
                Ok(false) => {}
                Ok(true) => {
                    taken += 1;
                    state.mark(at);
                }
                Err(_) => {
                    counters.count(FixCounter::Panicked);
                    session.break_off();
                    state.mark(at);
                }
            }
        }
        taken
    }

    /// Puts on record and sends what sessions have to say; those that have more come again.
    fn settle(&mut self, moment: Moment) {
        let Self { state, links, open, counters, .. } = self;
        for _ in 0..state.dirty.len() {
            let Some(at) = state.dirty.pop_front() else { break };
            let Some(Some(session)) = state.sessions.get_mut(at) else { continue };
            session.is_listed = false;
            let had_line = session.line.is_some();
            let desk = &mut state.common.at_work(moment, &mut links.requests, counters);
            let has_more = session.settle(desk);
            if had_line && session.line.is_none() {
                open.retain(|&other| other != at);
            }
            if has_more {
                state.mark(at);
            }
        }
    }

    /// Takes over what TCP in user space counted.
    fn show_host(&mut self) {
        let Some(host) = &self.host else { return };
        let counts = host.counts();
        for (counter, value) in [
            (FixCounter::Segments, counts.segments),
            (FixCounter::LinesOpened, counts.opened),
            (FixCounter::LinesEnded, counts.ended),
            (FixCounter::PushedOut, counts.pushed_out),
            (FixCounter::TurnedAway, counts.turned_away),
            (FixCounter::Strays, counts.strays),
            (FixCounter::LinesPanicked, counts.panicked),
            (FixCounter::Malformed, host.causes().iter().sum()),
            (FixCounter::NotForUs, counts.not_for_us),
            (FixCounter::Arps, counts.arps),
            (FixCounter::Echoes, counts.echoes),
        ] {
            self.counters.set(counter, value);
        }
        for (&cause, &count) in DecodeError::ALL.iter().zip(host.causes()) {
            self.causes.set(FrameCause(cause), count);
        }
    }

    /// Looks at one session's timers.
    fn pass_time(&mut self, moment: Moment) {
        let Self { state, links, counters, turn, .. } = self;
        let count = state.present.len();
        *turn = if *turn + 1 < count { *turn + 1 } else { 0 };
        let Some(&at) = state.present.get(*turn) else { return };
        let Some(Some(session)) = state.sessions.get_mut(at) else { return };
        let desk = &mut state.common.at_work(moment, &mut links.requests, counters);
        session.pass(desk);
        state.mark(at);
    }
}

/// Requests the link to the sequencer surely has room for.
#[inline]
fn room_in(requests: &mut Producer<Request>) -> usize {
    requests.credits(4 * BURST * LINES_MAX) / LINES_MAX
}

impl Stage for FixGateway {
    fn name(&self) -> &str {
        "fix"
    }

    fn tells_time(&self) -> bool {
        true
    }

    fn lets_in(&self) -> bool {
        true
    }

    fn poll(&mut self, now: Nanos) -> Result<usize, Fault> {
        if let Some(watchman) = &mut self.watchman {
            self.risk_is_stopped = watchman.is_alarmed(now);
        }
        if !self.is_started {
            self.is_started = true;
            self.state.start(now);
        }
        let moved = self.host.as_mut().map_or(0, |host| host.poll(now));
        let moment = self.moment(now);
        let told = self.take_events(now);
        if told > 0 {
            self.settle(moment);
        }
        self.polls = self.polls.wrapping_add(1);
        let introduced = self.take_introduced(moment);
        let taken = self.take_bytes(moment);
        if told + taken == 0 || self.polls.is_multiple_of(TIMERS_EVERY) {
            self.pass_time(moment);
        }
        self.settle(moment);
        let work = told + taken + introduced;
        if work > 0
            && let Some(host) = &mut self.host
        {
            // What was said just now leaves with this poll.
            host.speak(now);
        }
        Ok(work + moved)
    }

    fn held(&self) -> u64 {
        self.counters.value(FixCounter::Closed)
    }

    fn housekeep(&mut self, _now: Nanos) {
        self.show_host();
        self.counters.publish();
        self.causes.publish();
        if let Some(host) = &self.host {
            show_device(host.port(), &mut self.device);
        }
        self.links.events.show_fill();
        self.replied.hand_over();
        self.show_sessions();
    }

    fn stop(&mut self, now: Nanos) {
        self.is_stopping = true;
        let moment = self.moment(now);
        let Self { state, links, counters, .. } = self;
        for &at in &state.present {
            let Some(Some(session)) = state.sessions.get_mut(at) else { continue };
            let desk = &mut state.common.at_work(moment, &mut links.requests, counters);
            session.log_out(desk);
        }
        for place in 0..state.present.len() {
            if let Some(&at) = state.present.get(place) {
                state.mark(at);
            }
        }
    }
}
