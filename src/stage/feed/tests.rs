//! A throttled channel, heard by a listener: the market never waits for it, and its numbers go on
//! in order whatever comes.

use std::sync::Arc;

use super::*;
use crate::link::{Producer, link};
use crate::model::{EventFlags, EventId, EventKind, InstrumentId, Price, Quantity, SeqNo, Symbol};
use crate::port::memory::{MemoryPort, wire};
use crate::runtime::latency;
use crate::stage::{Release, Rule};
use crate::wire::moldudp64::Receiver;
use crate::wire::udp::HEADERS;

const KEPT: usize = 256;
const PACKETS_PER_SECOND: u32 = 1_000;

struct World {
    feed: Feed<MemoryPort>,
    ear: MemoryPort,
    events: Producer<Event>,
    made: u64,
    now: u64,
    /// The numbers heard, in the order in which they came.
    heard: Vec<u64>,
    /// Every packet as it came.
    packets: Vec<Vec<u8>>,
}

impl World {
    fn new() -> Self {
        Self::behind(Gate::Sequenced)
    }

    fn behind(gate: Gate) -> Self {
        let (port, ear) = wire(1 << 12);
        let (events, taken) = link::<Event>(1 << 12);
        let options = FeedOptions {
            address: SocketAddrV4::new([10, 0, 0, 1].into(), 9200),
            group: SocketAddrV4::new([239, 1, 1, 1].into(), 9201),
            group_b: None,
            packets_per_second: PACKETS_PER_SECOND,
            session: *b"THROTTLE01",
            instruments: vec![Instrument {
                id: InstrumentId(1),
                symbol: Symbol(*b"ACME    "),
                tick: Price(100),
                lot: Quantity(1),
                reference_price: Price(1),
            }],
            heartbeat: Nanos(1_000_000_000),
            rewind_messages: KEPT,
        };
        let state = FeedState::new(&options);
        let feed = Feed::new(port, state, taken, gate, latency().0);
        Self {
            feed,
            ear,
            events,
            made: 0,
            now: 1_000_000_000,
            heard: Vec::new(),
            packets: Vec::new(),
        }
    }

    /// So many orders come to rest at once; the feed takes each of them before it is polled twice.
    fn rest(&mut self, count: u64) {
        for _ in 0..count {
            self.made += 1;
            let event = Event {
                id: EventId::new(SeqNo(self.made), 0),
                reference: SeqNo(self.made),
                timestamp: Nanos(self.now),
                instrument: InstrumentId(1),
                price: Price(1_000_000),
                quantity: Quantity(100),
                kind: EventKind::Accepted.code(),
                flags: EventFlags::RESTS,
                ..Event::default()
            };
            assert!(self.events.push_head(&event), "matching would wait for the feed");
        }
    }

    fn poll(&mut self, span: u64) {
        self.now += span;
        self.feed.poll(Nanos(self.now)).expect("it goes on");
        let Self { heard, packets, .. } = self;
        self.ear.receive(usize::MAX, &mut |frame, _| {
            let length = usize::from(u16::from_be_bytes([frame[38], frame[39]]));
            let packet = crate::wire::session::parse(&frame[HEADERS..HEADERS + length - 8]);
            let packet = packet.expect("our packets are good");
            heard.extend((packet.seq()..).take(packet.block_count().into()));
            packets.push(frame[HEADERS..HEADERS + length - 8].to_vec());
        });
    }
}

#[test]
fn a_throttled_channel_is_late_and_leaves_nothing_out() {
    let mut world = World::new();
    world.rest(KEPT as u64);
    world.poll(0);
    assert!(world.heard.len() < KEPT, "all of it went at once: {}", world.heard.len());
    // As many packets as a millisecond allows, each millisecond.
    (0..40).for_each(|_| world.poll(1_000_000));
    assert_eq!(world.heard, (1..=KEPT as u64).collect::<Vec<_>>());
}

#[test]
fn what_waits_too_long_is_left_out_and_the_market_never_waits() {
    let mut world = World::new();
    for _ in 0..100 {
        // Four packets' worth a millisecond, where one may go.
        world.rest(128);
        world.poll(1_000_000);
        assert_eq!(world.feed.state.next_number(), world.made + 1, "every event is taken");
    }
    (0..40).for_each(|_| world.poll(1_000_000));
    let heard = &world.heard;
    assert!(heard.is_sorted_by(|one, next| one < next), "in order, and nothing twice");
    assert_eq!(heard.last(), Some(&world.made), "the newest gets through");
    world.feed.counters.publish();
    let left_out = world.feed.counters.reader().value("LeftOut");
    assert!(left_out > 0);
    assert_eq!(heard.len() as u64 + left_out, world.made, "what is missing is counted");
}

impl World {
    fn turn_day(&mut self) {
        for kind in [EventKind::EndOfDay, EventKind::StartOfDay] {
            self.made += 1;
            let event = Event {
                id: EventId::new(SeqNo(self.made), 0),
                timestamp: Nanos(self.now),
                quantity: Quantity(1),
                kind: kind.code(),
                ..Event::default()
            };
            assert!(self.events.push_head(&event), "there is room");
        }
    }

    /// What a listener makes of the packets that came, without those that `lost` says.
    fn heard_by(&self, receiver: &mut Receiver, lost: impl Fn(usize) -> bool) -> Vec<(u64, u8)> {
        let mut messages = Vec::new();
        for (_, packet) in self.packets.iter().enumerate().filter(|(at, _)| !lost(*at)) {
            let packet = crate::wire::session::parse(packet).expect("our packets are good");
            receiver.receive(&packet, &mut |number, bytes| messages.push((number, bytes[0])));
        }
        messages
    }
}

#[test]
fn a_day_has_its_own_session_and_the_one_before_ends_in_words() {
    let mut world = World::new();
    for _ in 0..3 {
        world.rest(5);
        world.poll(1_000_000);
        world.turn_day();
        // Heartbeats tell the end again.
        (0..20).for_each(|_| world.poll(1_000_000_000));
    }
    let sessions: Vec<_> = world
        .packets
        .iter()
        .map(|packet| crate::wire::session::parse(packet).expect("good"))
        .map(|packet| (String::from_utf8_lossy(&packet.session()).into_owned(), packet.is_end()))
        .collect();
    for (day, ended) in [("0001", 8), ("0002", 8), ("0003", 8), ("0004", 0)] {
        let name = format!("THROTT{day}");
        let ends = sessions.iter().filter(|(session, is_end)| *session == name && *is_end).count();
        assert_eq!(ends, ended, "{name}");
        assert!(sessions.iter().any(|(session, _)| *session == name));
    }
    // Each day: M and E, at last C; the next begins with O and tells what there is.
    let whole = world.heard_by(&mut Receiver::new(None, 1), |_| false);
    let kinds: String = whole.iter().map(|(_, kind)| char::from(*kind)).collect();
    assert_eq!(kinds, format!("AAAAASSS{0}AAAAASSS{0}AAAAASSS{0}", "SSRHS"));
    let begins: Vec<_> = whole.iter().filter(|(number, _)| *number == 1).collect();
    assert_eq!(begins.len(), 4);
    // Whoever loses the first words of an end hears later ones.
    let mut deaf = Receiver::new(None, 1);
    let is_end = |at: usize| crate::wire::session::parse(&world.packets[at]).unwrap().is_end();
    let first_end = (0..).find(|at| is_end(*at)).expect("there is one");
    world.heard_by(&mut deaf, |at| at == first_end);
    assert!(deaf.missing() > 0 || deaf.expected() > 1, "it is in a later session");
}

#[test]
fn yesterdays_messages_are_sent_again_by_their_own_numbers() {
    let mut world = World::new();
    world.rest(3);
    world.turn_day();
    world.rest(2);
    (0..10).for_each(|_| world.poll(1_000_000));
    let name = *b"THROTTLE01";
    let days = *world.feed.state.days();
    let yesterday = days.ended(name).expect("there was one").0;
    for (session, number, expected) in [
        (yesterday, 2, Some(b'A')),
        (yesterday, 6, Some(b'S')),
        (yesterday, 7, None),
        (days.session(name), 1, Some(b'S')),
        (days.session(name), 6, Some(b'A')),
        (*b"THROTT0009", 1, None),
    ] {
        world.packets.clear();
        let request = Request { session, sequence_number: number, requested_message_count: 1 };
        world.feed.resend(
            SocketAddrV4::new([239, 1, 1, 1].into(), 9201),
            &request,
            Nanos(world.now),
        );
        world.poll(0);
        let asked = world.packets.iter().map(|bytes| crate::wire::session::parse(bytes).unwrap());
        let mut found = asked.filter(|packet| packet.block_count() == 1);
        let found = found.find(|packet| (packet.session(), packet.seq()) == (session, number));
        let kind = found.and_then(|packet| packet.blocks().next().map(|block| block[0]));
        assert_eq!(kind, expected, "{number} of {}", String::from_utf8_lossy(&session));
        world.now += 1_000_000_000;
    }
}

#[test]
fn nothing_is_heard_before_the_gate_opens() {
    let progress = Arc::new(crate::journal::Progress::starting_at(1_000));
    let release = Arc::new(Release::new(progress, Rule::Shut));
    let mut world = World::behind(Gate::Guarded(Arc::clone(&release)));
    world.rest(5);
    let heard = |world: &mut World| {
        (0..20).for_each(|_| world.poll(1_000_000));
        // Who asks for it is told no more.
        let session = world.feed.state.session();
        let request = Request { session, sequence_number: 1, requested_message_count: 9 };
        world.feed.resend(address(), &request, Nanos(world.now));
        world.poll(1_000_000);
        std::mem::take(&mut world.heard).into_iter().max()
    };
    assert_eq!(heard(&mut world), None, "it is shut");
    release.set_rule(Rule::Replicated);
    assert_eq!(heard(&mut world), None, "the standby has none of it");
    release.confirm(SeqNo(3), SeqNo(0));
    assert_eq!(heard(&mut world), Some(3));
    release.set_lease(Nanos(world.now));
    release.confirm(SeqNo(5), SeqNo(5));
    assert_eq!(heard(&mut world), Some(3), "the lease is over: nothing new");
    release.set_lease(Nanos(u64::MAX));
    assert_eq!(heard(&mut world), Some(5));
}

fn address() -> SocketAddrV4 {
    SocketAddrV4::new([239, 1, 1, 1].into(), 9201)
}
