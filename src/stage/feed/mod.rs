//! Market data out: ITCH 5.0 over MoldUDP64 to a group, and messages sent again on request.

mod allowance;
mod days;
mod publisher;
mod store;

pub use days::{Days, Numbered};

use std::net::SocketAddrV4;

use crate::link::{Consumer, Taken};
use crate::model::{Event, Fault, Instrument, Nanos};
use crate::port::Port;
use crate::port::endpoint::{Opened, UdpEndpoint};
use crate::runtime::{Counters, LatencyRecorder, Stage};
use crate::snapshot::part;
use crate::stage::device::{DeviceCounter, show_device};
use crate::stage::feed::allowance::Allowance;
use crate::stage::feed::publisher::Publisher;
use crate::stage::{BURST, FrameCause, Gate};
use crate::wire::ethernet::Mac;
use crate::wire::moldudp64::Request;
use crate::wire::session::{PACKET_MAX, PacketWriter, Token};

crate::counters! {
    /// What the feed counts.
    pub FeedCounter {
        Messages: "messages published",
        Packets: "packets sent",
        Requests: "retransmission requests taken",
        Resent: "messages sent again",
        Refused: "retransmission requests beyond the rate, or for what is not kept",
        Malformed: "frames that were broken",
        PortFull: "packets that found no room in the port",
        LeftOut: "messages that waited too long and were not sent: the rewinder has them",
    }
}

/// Retransmission requests answered per poll; a flood of them waits, the market does not.
const REQUESTS_PER_POLL: usize = 4;

/// The pause after a packet that could not be sent.
const RETRY: Nanos = Nanos(50_000);

/// How far a throttled channel may catch up at once, in nanoseconds of its pace.
const BURST_SPAN: u64 = 1_000_000;

/// What a feed is told at boot.
#[derive(Clone, Debug)]
pub struct FeedOptions {
    /// Where it sends from and takes requests.
    pub address: SocketAddrV4,
    /// Where it sends to.
    pub group: SocketAddrV4,
    /// Where it sends the same once more.
    pub group_b: Option<SocketAddrV4>,
    /// Packets of new messages a second, at most; 0: no limit. What comes faster waits its turn.
    pub packets_per_second: u32,
    /// The MoldUDP64 session's name; a day's number takes the place of its last four signs.
    pub session: Token,
    /// What is traded.
    pub instruments: Vec<Instrument>,
    /// How long it may be silent.
    pub heartbeat: Nanos,
    /// Messages kept for sending and for retransmission, at least.
    pub rewind_messages: usize,
}

/// What was published so far: a fold over events.
#[derive(Debug)]
pub struct FeedState {
    options: FeedOptions,
    publisher: Publisher,
}
part!(FeedState { publisher } kept { options });

impl FeedState {
    /// Before the first message.
    pub fn new(options: &FeedOptions) -> Self {
        let publisher = Publisher::new(&options.instruments, options.rewind_messages);
        Self { options: options.clone(), publisher }
    }

    /// In the middle of history: the next message has this place.
    pub fn before(options: &FeedOptions, place: u64, days: Days) -> Self {
        let mut state = Self::new(options);
        state.publisher.store.begin_at(place);
        state.publisher.days = days;
        state
    }

    /// Publishes what an event shows to the market.
    #[inline]
    pub fn apply(&mut self, event: &Event) {
        self.publisher.apply(event);
    }

    /// What is listed by now; places that nobody has are among it.
    pub fn instruments(&self) -> &[Instrument] {
        self.publisher.instruments()
    }

    /// The number the next message will have in its session, where none begins before it.
    pub fn next_number(&self) -> u64 {
        self.numbered(self.next_place()).map_or(1, |next| next.number)
    }

    /// The place the next message will have.
    pub fn next_place(&self) -> u64 {
        self.publisher.store.next()
    }

    /// A message that is still kept, by its place.
    pub fn message(&self, place: u64) -> Option<&[u8]> {
        self.publisher.store.get(place)
    }

    /// What the message at a place is on the wire.
    pub fn numbered(&self, place: u64) -> Option<Numbered> {
        self.days().numbered(self.options.session, place)
    }

    /// What it is called on the wire today.
    pub fn session(&self) -> Token {
        self.days().session(self.options.session)
    }

    /// The days that were.
    pub fn days(&self) -> &Days {
        &self.publisher.days
    }
}

/// How often the end of a session is told, a heartbeat apart.
const ENDS: u8 = 8;

/// The end of a session that is being told.
#[derive(Clone, Copy, Debug)]
struct Ending {
    /// The day that began with it.
    day: u32,
    left: u8,
    due: Nanos,
}

/// Whether a request is for today's session or for the one before.
fn is_known(state: &FeedState, request: &Request) -> bool {
    let before = state.days().ended(state.options.session);
    request.session == state.session() || before.is_some_and(|(token, _)| token == request.session)
}

/// The feed stage.
pub struct Feed<P: Port> {
    port: P,
    endpoint: UdpEndpoint,
    state: FeedState,
    events: Consumer<Event>,
    gate: Gate,
    /// The place of the first message not yet sent.
    unsent: u64,
    /// The end of the session before, while it is told.
    ending: Ending,
    /// A message whose way out is timed, and when its event was.
    timed: Option<(u64, Nanos)>,
    heartbeat_due: Nanos,
    /// Nothing is sent before: the port was full, or the group's station is being asked for.
    retry_at: Nanos,
    /// What may be sent again.
    allowance: Allowance,
    is_stopping: bool,
    packet: [u8; PACKET_MAX],
    /// Counters, for whoever shows them.
    pub counters: Counters<FeedCounter>,
    /// Broken frames, by what was wrong with them.
    pub causes: Counters<FrameCause>,
    /// What its device counted.
    pub device: Counters<DeviceCounter>,
    published: LatencyRecorder,
}

impl<P: Port> Feed<P> {
    /// Goes on after what was published before.
    pub fn new(
        port: P,
        state: FeedState,
        events: Consumer<Event>,
        gate: Gate,
        published: LatencyRecorder,
    ) -> Self {
        let address = *state.options.address.ip();
        Self {
            port,
            endpoint: UdpEndpoint::new(Mac::local(address), address),
            unsent: state.next_place(),
            // Whoever took over, or comes back, says it again: nobody knows how often it was said.
            ending: Ending { day: state.days().number, left: ENDS, due: Nanos::ZERO },
            timed: None,
            state,
            events,
            gate,
            heartbeat_due: Nanos::ZERO,
            retry_at: Nanos::ZERO,
            allowance: Allowance::default(),
            is_stopping: false,
            packet: [0; PACKET_MAX],
            counters: Counters::default(),
            causes: Counters::default(),
            device: Counters::default(),
            published,
        }
    }

    /// Publishes what the gate has released. It waits for no channel: a throttled one must never
    /// hold up the events, and with them matching.
    fn publish(&mut self, now: Nanos) -> usize {
        let Self { events, gate, state, timed, .. } = self;
        let released = gate.released(now);
        let mut most = 8 * BURST;
        events.take_each(|event, _| {
            if most == 0 || event.id.seq() > released {
                return Taken::No;
            }
            most -= 1;
            let before = state.next_place();
            state.apply(event);
            if state.next_place() > before {
                // The first of a burst waits longest; it speaks for the others.
                timed.get_or_insert((before, event.timestamp));
            }
            Taken::Yes
        })
    }

    /// What waited so long that newer messages took its place is not sent any more: the numbers
    /// go on, so whoever listens sees what is missing, and the rewinder has it.
    fn leave_out(&mut self) {
        let oldest = self.state.publisher.store.oldest().max(self.state.days().oldest());
        if self.unsent < oldest {
            self.counters.add(FeedCounter::LeftOut, oldest - self.unsent);
            self.unsent = oldest;
            self.timed = self.timed.filter(|(place, _)| *place >= oldest);
        }
    }

    /// Sends what was published, as many messages a packet as fit, and heartbeats when silent.
    fn send(&mut self, now: Nanos) -> usize {
        let mut packets = 0;
        self.leave_out();
        let next = self.state.next_place();
        while self.unsent < next && packets < BURST && now >= self.retry_at {
            // Before the first packet of the next one.
            self.end_session(now);
            let FeedOptions { group, group_b, packets_per_second, .. } = self.state.options;
            let Some(count) = self.send_packet(group, self.unsent, u16::MAX - 1) else {
                self.retry_at = now.saturating_add(RETRY);
                break;
            };
            if let Some(group_b) = group_b {
                // One line may lose it; whoever listens has the other, and requests.
                self.send_packet(group_b, self.unsent, count);
            }
            if let Some(pause) = 1_000_000_000u64.checked_div(packets_per_second.into()) {
                self.retry_at =
                    Nanos(self.retry_at.0.max(now.0.saturating_sub(BURST_SPAN)) + pause);
            }
            self.counters.add(FeedCounter::Messages, count as u64);
            self.unsent += count as u64;
            packets += 1;
            if let Some((_, since)) = self.timed.take_if(|(place, _)| *place < self.unsent) {
                self.published.record(since, now);
            }
        }
        self.end_session(now);
        if packets > 0 || now >= self.heartbeat_due {
            if packets == 0 {
                let FeedOptions { group, group_b, .. } = self.state.options;
                for group in std::iter::once(group).chain(group_b) {
                    self.send_packet(group, self.unsent, 0);
                }
            }
            self.heartbeat_due = now.saturating_add(self.state.options.heartbeat);
            self.port.flush();
        }
        packets
    }

    /// Says that the session before has ended, a few times: one packet may be lost.
    fn end_session(&mut self, now: Nanos) {
        let FeedOptions { session, group, group_b, heartbeat, .. } = self.state.options;
        let days = *self.state.days();
        let Some((token, number)) = days.ended(session) else { return };
        let is_sent = self.state.numbered(self.unsent).is_some_and(|next| next.session != token);
        if self.ending.day != days.number && is_sent {
            self.ending = Ending { day: days.number, left: ENDS, due: now };
        }
        if self.ending.left == 0 || now < self.ending.due || !is_sent {
            return;
        }
        (self.ending.left, self.ending.due) = (self.ending.left - 1, now.saturating_add(heartbeat));
        for group in std::iter::once(group).chain(group_b) {
            let Some(writer) = PacketWriter::new(&mut self.packet, token, number) else { return };
            let length = writer.finish_session();
            self.send_bytes(group, length);
        }
        self.port.flush();
    }

    /// Sends messages from a place on, at most `most` and of one session; says how many, or nothing
    /// if there was no room in the port.
    fn send_packet(&mut self, to: SocketAddrV4, from: u64, most: u16) -> Option<u16> {
        let first = self.state.numbered(from)?;
        let mut writer = PacketWriter::new(&mut self.packet, first.session, first.number)?;
        let store = &self.state.publisher.store;
        for place in from..from.saturating_add(most as u64).min(first.end) {
            let Some(message) = store.get(place) else { break };
            if !writer.push(message) {
                break;
            }
        }
        let count = writer.count();
        let length = writer.finish();
        self.send_bytes(to, length).then_some(count)
    }

    /// Sends the packet that was written; whether the port had room for it.
    fn send_bytes(&mut self, to: SocketAddrV4, length: usize) -> bool {
        let Self { port, endpoint, state, counters, packet, .. } = self;
        let fill = &mut |space: &mut [u8]| space.copy_from_slice(&packet[..length]);
        match endpoint.send(port, state.options.address.port(), to, length, fill) {
            Ok(()) => {
                counters.count(FeedCounter::Packets);
                true
            }
            Err(_) => {
                counters.count(FeedCounter::PortFull);
                false
            }
        }
    }

    /// Takes requests for messages somebody missed.
    fn serve(&mut self, now: Nanos) -> usize {
        let mut wanted = [None; REQUESTS_PER_POLL];
        let mut count = 0;
        let Self { port, endpoint, state, counters, causes, is_stopping, .. } = self;
        let mut reply = None;
        let seen = port.receive(REQUESTS_PER_POLL, &mut |frame, _| match endpoint.open(frame) {
            Opened::Datagram(datagram) if datagram.destination == state.options.address => {
                match Request::parse(datagram.payload) {
                    Ok(request) if !*is_stopping && is_known(state, &request) => {
                        wanted[count % REQUESTS_PER_POLL] = Some((datagram.source, request));
                        count += 1;
                    }
                    _ => counters.count(FeedCounter::Malformed),
                }
            }
            Opened::ArpReply(frame) => reply = Some(frame),
            Opened::Malformed(cause) => {
                counters.count(FeedCounter::Malformed);
                causes.count(FrameCause(cause));
            }
            Opened::Datagram(_) | Opened::Learned | Opened::NotForUs => {}
        });
        if let Some(frame) = reply {
            let _ = frame.send(&mut self.port);
        }
        for (from, request) in wanted.into_iter().flatten() {
            self.resend(from, &request, now);
        }
        if seen > 0 {
            self.port.flush();
        }
        seen
    }

    fn resend(&mut self, to: SocketAddrV4, request: &Request, now: Nanos) {
        self.counters.count(FeedCounter::Requests);
        let store = &self.state.publisher.store;
        let (kept, name) = (store.oldest()..store.next(), self.state.options.session);
        let place = self.state.days().place(name, request.session, request.sequence_number);
        let place = place.filter(|place| kept.contains(place));
        let most = request.requested_message_count;
        let may = self.allowance.has(*to.ip(), now);
        let Some(place) = place.filter(|_| may && most > 0) else {
            self.counters.count(FeedCounter::Refused);
            return;
        };
        self.allowance.spend(*to.ip());
        let count = self.send_packet(to, place, most);
        self.counters.add(FeedCounter::Resent, count.unwrap_or(0) as u64);
    }
}

impl<P: Port> Stage for Feed<P> {
    fn name(&self) -> &str {
        "feed"
    }

    fn tells_time(&self) -> bool {
        true
    }

    fn poll(&mut self, now: Nanos) -> Result<usize, Fault> {
        let published = self.publish(now);
        Ok(published + self.send(now) + self.serve(now))
    }

    /// Replies go first: who traded is told before who watches.
    fn is_background(&self) -> bool {
        true
    }

    fn housekeep(&mut self, _now: Nanos) {
        self.counters.publish();
        self.causes.publish();
        show_device(&self.port, &mut self.device);
        self.events.show_fill();
        self.published.hand_over();
    }

    fn stop(&mut self, _now: Nanos) {
        self.is_stopping = true;
    }
}

#[cfg(test)]
mod tests;
