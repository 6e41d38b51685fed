//! Both directions of its sessions on one core: frames become requests, events become replies.
//!
//! ```text
//!  port ─► endpoint ─► packet ─► session (numbers, holds, gaps) ─► request ─► sequencer
//!  port ◄─ endpoint ◄─ packet ◄─ session (numbers, reply ring)  ◄─ report ◄─ events, gate
//! ```
//!
//! What consumes an outbound number is an event, so numbers are a fold over the journal.

mod archive;
mod pending;
mod report;
mod request;
mod session;
mod shortage;
mod state;
mod terms;

use std::net::SocketAddrV4;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use archive::{Archive, ArchiveLinks, OldReply, Wanted};
pub(crate) use report::since_midnight;
pub(in crate::stage) use request::Symbols;
#[cfg(test)]
pub(in crate::stage) use request::{Sender, read};
pub use state::{GatewayOptions, GatewayState, SessionSpec, SessionView};

use crate::link::{Batch, Consumer, Producer, Taken};
use crate::model::{
    CommandKind, Event, EventKind, Fault, Group, LINES_MAX, Nanos, Price, RejectCode, Request,
};
use crate::port::Port;
use crate::port::endpoint::{ArpFrame, Opened, UdpEndpoint};
use crate::runtime::{CounterNames, Counters, LatencyRecorder, Stage, Watchman};
use crate::stage::gateway::session::{Brought, Moment, Session, session_of};
use crate::stage::session_board::SHOWN_AT_ONCE;
use crate::stage::{BURST, Gate, SessionBoard};
use crate::wire::DecodeError;
use crate::wire::ethernet::Mac;
use crate::wire::ouch::MESSAGE_MAX;
use crate::wire::session::{
    Control, Login, LoginStep, PACKET_MAX, Packet, Retransmit, write_login_reject,
};
use crate::wire::udp::Datagram;

crate::counters! {
    /// What a gateway counts.
    pub GatewayCounter {
        Frames: "frames received",
        Requests: "requests sent to the sequencer",
        Events: "events taken from matching",
        Packets: "packets sent",
        Malformed: "frames and packets that were broken",
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

/// Packets of replies asked for again, sent per session and poll.
const RESENDS_PER_POLL: usize = 4;

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

/// What both directions share.
struct Faces {
    endpoint: UdpEndpoint,
    state: GatewayState,
    packet: [u8; PACKET_MAX],
    /// Orders are refused, as of this poll: the journal has only the room kept for cancels, or
    /// risk stands still.
    is_short: bool,
    /// Why.
    refusal: RejectCode,
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
            // A packet that finds too little room is taken in part; its client sends it again.
            if requests.messages() < BURST {
                counters.count(GatewayCounter::Closed);
                return 0;
            }
            port.receive(BURST, &mut |frame, meta| {
                let received_at = if meta.received_at.0 > 0 { meta.received_at } else { now };
                match faces.endpoint.open(frame) {
                    Opened::Datagram(datagram) => {
                        faces.take(&datagram, received_at, requests, counters);
                    }
                    Opened::ArpReply(frame) => reply = Some(frame),
                    Opened::Malformed(cause) => {
                        counters.count(GatewayCounter::Malformed);
                        causes.count(cause);
                    }
                    Opened::Learned | Opened::NotForUs => {}
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

impl Faces {
    /// Takes a datagram: a login, or a packet of a session.
    #[inline]
    fn take(
        &mut self,
        datagram: &Datagram<'_>,
        received_at: Nanos,
        requests: &mut Batch<'_, Request>,
        counters: &mut Counters<GatewayCounter>,
    ) {
        if datagram.destination != self.state.options.address {
            return counters.count(GatewayCounter::Unknown);
        }
        let Ok(packet) = Packet::parse(datagram.payload, MESSAGE_MAX) else {
            return counters.count(GatewayCounter::Malformed);
        };
        let token = packet.session();
        let place = session_of(&token);
        let known = place.and_then(|at| Some((at, self.state.sessions.get_mut(at)?.as_mut()?)));
        let Some((at, session)) = known.filter(|(_, session)| {
            session.machine.token() == token && session.peer == Some(datagram.source)
        }) else {
            let login = packet.blocks().next().map(Control::decode);
            return match login {
                Some(Ok(Control::Login(login))) => {
                    self.log_in(&login, datagram.source, received_at, requests, counters);
                }
                _ => counters.count(GatewayCounter::Unknown),
            };
        };
        if session.is_broken {
            return counters.count(GatewayCounter::Unknown);
        }
        let moment = Moment { now: received_at, is_short: self.is_short, refusal: self.refusal };
        let room = session.room(requests.messages(), moment);
        let symbols = &self.state.symbols;
        let guarded = catch_unwind(AssertUnwindSafe(|| {
            session.receive(&packet, symbols, moment, room, &mut |brought| {
                push(brought, requests, counters);
            });
        }));
        if guarded.is_err() {
            session.is_broken = true;
            session.owes_down = true;
            counters.count(GatewayCounter::Panicked);
        }
        if !std::mem::replace(&mut session.is_listed, true) {
            self.state.dirty.push(at);
        }
    }

    /// Judges a login; a good one goes on record before it is answered.
    #[cold]
    fn log_in(
        &mut self,
        login: &Login,
        from: SocketAddrV4,
        now: Nanos,
        requests: &mut Batch<'_, Request>,
        counters: &mut Counters<GatewayCounter>,
    ) {
        // Without room for what goes on record nothing is judged; the login comes again.
        if requests.messages() < 2 || self.is_short && !self.state.may_record(login.port, now) {
            return counters.count(GatewayCounter::Closed);
        }
        let outcome = self.state.judge(login, from, now);
        match outcome {
            Ok(LoginStep::New) => {
                // The end of the connection before goes on record before the new one.
                if let Some(Some(session)) = self.state.sessions.get_mut(login.port as usize) {
                    session.end_on_record(now, requests);
                    session.grace_ends = None;
                    session.shortage.spend();
                }
                let mut request = Request::new(CommandKind::SessionUp, now);
                request.0.session.0 = login.port as u32;
                request.0.price = Price(login.nonce as i64);
                counters.count(GatewayCounter::Logins);
                let _ = requests.push_head(&request);
            }
            Ok(LoginStep::Repeated) => self.state.mark(login.port as usize),
            Err(code) => {
                counters.count(GatewayCounter::LoginsRefused);
                self.state.refusal = Some((from, *login, code));
            }
        }
    }

    /// Lets time pass for one session.
    fn pass(
        &mut self,
        at: usize,
        now: Nanos,
        requests: &mut Batch<'_, Request>,
        counters: &mut Counters<GatewayCounter>,
    ) {
        let Some(Some(session)) = self.state.sessions.get_mut(at) else { return };
        let moment = Moment { now, is_short: self.is_short, refusal: self.refusal };
        // One place is kept for the request that says the session is down.
        let room = session.room(requests.messages() - 1, moment);
        session.pass(&self.state.symbols, moment, room, &mut |brought| {
            push(brought, requests, counters);
        });
        session.end_on_record(now, requests);
        // Heartbeats and acknowledgements are found out by asking.
        self.state.mark(at);
    }

    /// Sends what one session has to say; returns how many packets.
    fn send_session<P: Port>(
        &mut self,
        port: &mut P,
        at: usize,
        now: Nanos,
        counters: &mut Counters<GatewayCounter>,
    ) -> usize {
        let own_port = self.state.options.address.port();
        let Self { endpoint, state, packet, .. } = self;
        let Some(Some(session)) = state.sessions.get_mut(at) else { return 0 };
        session.is_listed = false;
        let Some(to) = session.peer else { return 0 };
        let mut packets = 0;
        let mut send = |bytes: &[u8]| {
            packets += 1;
            counters.count(GatewayCounter::Packets);
            let fill = &mut |space: &mut [u8]| space.copy_from_slice(bytes);
            if endpoint.send(port, own_port, to, bytes.len(), fill).is_err() {
                counters.count(GatewayCounter::PortFull);
            }
        };
        if let Some(length) = session.machine.write_upkeep(packet, now) {
            send(&packet[..length]);
        }
        while let Some(length) = session.machine.write_unsent(packet, now) {
            send(&packet[..length]);
        }
        let (resent, aged_out) = resend(session, packet, &mut send);
        counters.add(GatewayCounter::Resent, resent);
        counters.add(GatewayCounter::AgedOut, aged_out);
        packets
    }

    fn send<P: Port>(
        &mut self,
        port: &mut P,
        own_port: u16,
        to: SocketAddrV4,
        length: usize,
        counters: &mut Counters<GatewayCounter>,
    ) {
        let Self { endpoint, packet, .. } = self;
        let fill = &mut |space: &mut [u8]| space.copy_from_slice(&packet[..length]);
        counters.count(GatewayCounter::Packets);
        if endpoint.send(port, own_port, to, length, fill).is_err() {
            counters.count(GatewayCounter::PortFull);
        }
    }
}

/// Sends replies again that were asked for, a few packets at a time.
fn resend(session: &mut Session, packet: &mut [u8], send: &mut dyn FnMut(&[u8])) -> (u64, u64) {
    let mut resent = 0;
    for _ in 0..RESENDS_PER_POLL {
        let Some((from, count)) = session.resend else { break };
        let asked = count.min(u16::MAX as u32) as u16;
        match session.machine.write_retransmit(from, asked, packet) {
            Retransmit::Packet { length, count: sent } => {
                send(&packet[..length]);
                resent += sent as u64;
                let left = count - (sent as u32).min(count);
                session.resend = (left > 0).then_some((from + sent as u64, left));
            }
            Retransmit::AgedOut { .. } => {
                session.resend = None;
                return (resent, 1);
            }
            Retransmit::Nothing => session.resend = None,
        }
    }
    (resent, 0)
}

/// Sends on what a session brought; there was room, for it was asked for only as much.
#[inline]
fn push(
    brought: Brought<'_>,
    requests: &mut Batch<'_, Request>,
    counters: &mut Counters<GatewayCounter>,
) {
    match brought {
        Brought::Request(request) => {
            counters.count(GatewayCounter::Requests);
            let sent = requests.push_parts(&request.head, request.rest());
            debug_assert!(sent, "sessions deliver no more than there is room for");
        }
        Brought::Duplicate => counters.count(GatewayCounter::Duplicates),
        Brought::Refused => counters.count(GatewayCounter::Refused),
    }
}

impl<P: Port> Stage for Gateway<P> {
    fn name(&self) -> &str {
        "gateway"
    }

    fn tells_time(&self) -> bool {
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
        self.events.show_fill();
        self.replied.hand_over();
        self.show_sessions();
    }

    fn stop(&mut self, _now: Nanos) {
        self.is_stopping = true;
        self.faces.state.log_all_out();
    }
}
