//! A throttled channel, heard by a listener: the market never waits for it, and its numbers go on
//! in order whatever comes.

use super::*;
use crate::link::{Producer, link};
use crate::model::{EventFlags, EventId, EventKind, InstrumentId, Price, Quantity, SeqNo, Symbol};
use crate::port::memory::{MemoryPort, wire};
use crate::runtime::latency;
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
}

impl World {
    fn new() -> Self {
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
        let feed = Feed::new(port, state, taken, Gate::Sequenced, latency().0);
        Self { feed, ear, events, made: 0, now: 1_000_000_000, heard: Vec::new() }
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
        let heard = &mut self.heard;
        self.ear.receive(usize::MAX, &mut |frame, _| {
            let length = usize::from(u16::from_be_bytes([frame[38], frame[39]]));
            let packet = crate::wire::session::parse(&frame[HEADERS..HEADERS + length - 8]);
            let packet = packet.expect("our packets are good");
            heard.extend((packet.seq()..).take(packet.block_count().into()));
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
