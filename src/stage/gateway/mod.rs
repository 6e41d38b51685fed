//! Both directions of its sessions on one core: frames become requests, events become replies.
//!
//! ```text
//!  port ─► endpoint ─► packet ─► session (numbers, holds, gaps) ─► request ─► sequencer
//!  port ◄─ endpoint ◄─ packet ◄─ session (numbers, reply ring)  ◄─ report ◄─ events, gate
//! ```
//!
//! What consumes an outbound number is an event, so numbers are a fold over the journal.

mod archive;
mod faces;
mod pending;
mod report;
mod request;
mod session;
mod shortage;
mod state;
mod terms;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use archive::{Archive, ArchiveLinks, OldReply, Wanted};
pub(crate) use report::since_midnight;
pub(in crate::stage) use request::Symbols;
#[cfg(test)]
pub(in crate::stage) use request::{Sender, read};
pub use state::{GatewayOptions, GatewayState, SessionSpec, SessionView};

use crate::link::{Consumer, Producer, Taken};
use crate::model::{Event, EventKind, Fault, Group, LINES_MAX, Nanos, RejectCode, Request};
use crate::port::Port;
use crate::port::endpoint::{ArpFrame, Opened, UdpEndpoint};
use crate::runtime::{CounterNames, Counters, LatencyRecorder, Stage, Watchman};
use crate::stage::device::{DeviceCounter, show_device};
use crate::stage::gateway::faces::Faces;
use crate::stage::session_board::SHOWN_AT_ONCE;
use crate::stage::{BURST, Gate, SessionBoard};
use crate::wire::DecodeError;
use crate::wire::ethernet::Mac;
use crate::wire::session::{PACKET_MAX, write_login_reject};

crate::counters! {
    /// What a gateway counts.
    pub GatewayCounter {
        Frames: "frames received",
        Requests: "requests sent to the sequencer",
        Events: "events taken from matching",
        Packets: "packets sent",
        Malformed: "frames and packets that were broken, or are not spoken here",
        NotForUs: "frames and packets for others, or for groups nobody joined here",
        Arps: "ARP packets about us",
        Unknown: "packets of no session, or from another address than the login's",
        Duplicates: "client messages that came again",
        Logins: "logins accepted",
        LoginsRefused: "logins refused",
        Resent: "replies sent again",
        AgedOut: "replies asked for again that are not kept any more",
        Closed: "polls in which the link behind was full and windows stayed shut",
        PortFull: "packets that found no room in the port",
        Panicked: "sessions dropped because their code panicked",
        Refused: "orders refused because the journal was short of room, or risk stood still",
        RiskStopped: "times that risk stood still for too long",
        Found: "old replies made again from the journal",
        Unreadable: "sessions ended because the journal could not be read",
    }
}

/// A cause why a frame was refused, for stages that read no messages of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameCause(pub DecodeError);

impl CounterNames for FrameCause {
    const TABLE: &'static [(&'static str, &'static str)] =
        DecodeError::TABLE.split_at(DecodeError::OF_FRAMES).0;

    #[inline]
    fn index(self) -> usize {
        self.0.index()
    }
}

impl CounterNames for DecodeError {
    const TABLE: &'static [(&'static str, &'static str)] = DecodeError::TABLE;

    #[inline]
    fn index(self) -> usize {
        DecodeError::index(self)
    }
}

/// How long a session that a restart cut off may take to come back before its orders die.
const GRACE_HEARTBEATS: u64 = 30;

/// Polls between two looks at timers, so that a frame seldom waits for one.
const TIMERS_EVERY: u32 = 8;

/// Lines asked of the link at once: two bursts, and more messages than a client's window.
const ROOM_WANTED: usize = 2 * BURST * LINES_MAX;

/// The gateway stage.
pub struct Gateway<P: Port> {
    port: P,
    faces: Faces,
    requests: Producer<Request>,
    events: Consumer<Event>,
    wanted: Producer<Wanted>,
    found: Consumer<OldReply>,
    gate: Gate,
    journal_is_short: Arc<AtomicBool>,
    /// Over the risk stage.
    watchman: Option<Watchman>,
    risk_is_stopped: bool,
    /// The old reply being read.
    old_reply: Group<OldReply>,
    /// Where people look at sessions, and the place of the one that is shown next.
    board: Option<(Arc<SessionBoard>, usize)>,
    /// The session whose timers are looked at next.
    turn: usize,
    polls: u32,
    is_started: bool,
    is_stopping: bool,
    replied: LatencyRecorder,
    /// Counters, for whoever shows them.
    pub counters: Counters<GatewayCounter>,
    /// Broken frames, by what was wrong with them.
    pub causes: Counters<DecodeError>,
    /// What its device counted.
    pub device: Counters<DeviceCounter>,
}

/// The gateway's ends of its links.
pub struct GatewayLinks {
    /// To the sequencer.
    pub requests: Producer<Request>,
    /// From matching.
    pub events: Consumer<Event>,
    /// To the archive.
    pub wanted: Producer<Wanted>,
    /// From the archive.
    pub found: Consumer<OldReply>,
}

impl<P: Port> Gateway<P> {
    /// Goes on from sessions that a replay may have filled.
    pub fn new(
        port: P,
        state: GatewayState,
        links: GatewayLinks,
        gate: Gate,
        journal_is_short: Arc<AtomicBool>,
        replied: LatencyRecorder,
    ) -> Self {
        let address = *state.options.address.ip();
        let endpoint = UdpEndpoint::new(Mac::local(address), address);
        Self {
            port,
            faces: Faces {
                endpoint,
                state,
                packet: [0; PACKET_MAX],
                is_short: false,
                refusal: RejectCode::JournalFull,
            },
            requests: links.requests,
            events: links.events,
            wanted: links.wanted,
            found: links.found,
            gate,
            journal_is_short,
            watchman: None,
            risk_is_stopped: false,
            old_reply: OldReply::none(),
            board: None,
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
            if let Some((session, row)) = self.faces.state.row(*next) {
                board.show(session, row);
            }
            *next = if *next + 1 < self.faces.state.sessions.len() { *next + 1 } else { 0 };
        }
    }

    /// Takes frames, as many as the sequencer's link surely has room for.
    fn take_frames(&mut self, now: Nanos) -> usize {
        let Self { port, faces, requests, counters, causes, .. } = self;
        let mut reply: Option<ArpFrame> = None;
        let seen = requests.write(ROOM_WANTED, |requests| {
            faces.go_on(now, requests, counters);
            // Of a packet that finds too little room the rest is kept, and has its turn.
            if requests.messages() < BURST {
                counters.count(GatewayCounter::Closed);
                return 0;
            }
            port.receive(BURST, &mut |frame, meta| {
                let received_at = if meta.received_at.0 > 0 { meta.received_at } else { now };
                match faces.endpoint.open(frame) {
                    Opened::Datagram(datagram) => {
                        let taken = faces.take(&datagram, received_at, requests, counters);
                        if let Err(cause) = taken {
                            count_broken(cause, counters, causes);
                        }
                    }
                    Opened::ArpReply(frame) => {
                        counters.count(GatewayCounter::Arps);
                        reply = Some(frame);
                    }
                    Opened::Malformed(cause) => count_broken(cause, counters, causes),
                    Opened::Learned => counters.count(GatewayCounter::Arps),
                    Opened::NotForUs => counters.count(GatewayCounter::NotForUs),
                }
            })
        });
        if let Some(frame) = reply {
            let _ = frame.send(port);
            port.flush();
        }
        if let Some((to, login, code)) = faces.state.refusal.take() {
            let own_port = faces.state.options.address.port();
            if let Some(length) = write_login_reject(&mut faces.packet, &login, code) {
                faces.send(port, own_port, to, length, counters);
                port.flush();
            }
        }
        counters.add(GatewayCounter::Frames, seen as u64);
        seen
    }

    /// Tells clients what the gate has released.
    fn take_events(&mut self, now: Nanos) -> usize {
        let Self { events, gate, faces, replied, .. } = self;
        let released = gate.released(now);
        let mut most = 4 * BURST;
        let count = events.take_each(|event, _| {
            if most == 0 || event.id.seq() > released {
                return Taken::No;
            }
            most -= 1;
            if event.kind == EventKind::SessionUp.code() {
                faces.state.connect(event, now);
            }
            if let Some(received_at) = faces.state.tell(event, now) {
                replied.record(received_at, now);
            }
            Taken::Yes
        });
        self.counters.add(GatewayCounter::Events, count as u64);
        count
    }

    /// Sends what sessions have to say.
    fn send_replies(&mut self, now: Nanos) {
        let Self { port, faces, counters, .. } = self;
        let mut sent = 0;
        while let Some(at) = faces.state.dirty.pop() {
            sent += faces.send_session(port, at, now, counters);
        }
        if sent > 0 {
            port.flush();
        }
    }

    /// Takes replies that the archive found; they leave as if they were new.
    fn take_found(&mut self) -> usize {
        let Self { found, old_reply, faces, counters, .. } = self;
        let mut count = 0;
        while count < BURST && found.pop(old_reply) {
            faces.state.fill_in(old_reply, counters);
            count += 1;
        }
        count
    }

    /// Looks whether risk goes on.
    fn watch_risk(&mut self, now: Nanos) {
        let Some(watchman) = &mut self.watchman else { return };
        let is_stopped = watchman.is_alarmed(now);
        if is_stopped != self.risk_is_stopped {
            self.counters.add(GatewayCounter::RiskStopped, u64::from(is_stopped));
            self.risk_is_stopped = is_stopped;
            self.faces.refusal = match is_stopped {
                true => RejectCode::RiskStopped,
                false => RejectCode::JournalFull,
            };
        }
    }

    /// Looks at one session's timers.
    fn pass_time(&mut self, now: Nanos) {
        let Self { faces, requests, wanted, counters, turn, .. } = self;
        let count = faces.state.sessions.len();
        *turn = if *turn + 1 < count { *turn + 1 } else { 0 };
        let at = *turn;
        requests.write(ROOM_WANTED, |requests| {
            if requests.messages() > 1 {
                faces.pass(at, now, requests, counters);
            }
        });
        faces.state.ask_archive(at, wanted);
    }
}

#[cold]
fn count_broken(
    cause: DecodeError,
    counters: &mut Counters<GatewayCounter>,
    causes: &mut Counters<DecodeError>,
) {
    counters.count(GatewayCounter::Malformed);
    causes.count(cause);
}

impl<P: Port> Stage for Gateway<P> {
    fn name(&self) -> &str {
        "gateway"
    }

    fn tells_time(&self) -> bool {
        true
    }

    fn lets_in(&self) -> bool {
        true
    }

    fn poll(&mut self, now: Nanos) -> Result<usize, Fault> {
        if !self.is_started {
            self.is_started = true;
            self.faces.state.start(now);
        }
        let is_short = self.journal_is_short.load(Ordering::Relaxed);
        self.faces.is_short = is_short | self.risk_is_stopped;
        let told = self.take_events(now);
        if told > 0 {
            self.send_replies(now);
        }
        let taken = if self.is_stopping { 0 } else { self.take_frames(now) };
        self.polls = self.polls.wrapping_add(1);
        if self.polls.is_multiple_of(TIMERS_EVERY) {
            let found = self.take_found();
            self.watch_risk(now);
            self.pass_time(now);
            self.send_replies(now);
            return Ok(told + taken + found);
        }
        Ok(told + taken)
    }

    fn held(&self) -> u64 {
        self.counters.value(GatewayCounter::Closed)
    }

    fn housekeep(&mut self, _now: Nanos) {
        self.counters.publish();
        self.causes.publish();
        show_device(&self.port, &mut self.device);
        self.events.show_fill();
        self.replied.hand_over();
        self.show_sessions();
    }

    fn stop(&mut self, _now: Nanos) {
        self.is_stopping = true;
        self.faces.state.log_all_out();
    }
}
