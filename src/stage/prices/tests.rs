//! A venue that stops and comes back with another session, in simulated time: what it prices halts,
//! and goes on without a person, long before half a minute is over.

use super::*;
use crate::feed::exchange::Exchange;
use crate::feed::{Book, Books};
use crate::link::{Consumer, link};
use crate::model::{CommandKind, Group, Phase, Price, Quantity, SessionId, Symbol};
use crate::port::memory::{MemoryPort, wire};
use crate::runtime::latency;
use crate::wire::ethernet::Mac;
use crate::wire::itch::Message;
use crate::wire::moldudp64::Request as Resend;
use crate::wire::session::{PACKET_MAX, PacketWriter, Token};
use crate::wire::udp::{HEADERS, Route, seal};

const SYMBOL: [u8; 8] = *b"ACME    ";
const MILLISECOND: u64 = 1_000_000;
const DAY: u64 = 86_400_000 * MILLISECOND;

fn address(host: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new([10, 0, 0, host].into(), port)
}

/// What the venue said in a session.
struct Session {
    token: Token,
    said: Vec<Vec<u8>>,
    exchange: Exchange,
    /// How far its clock is ahead of ours, in nanoseconds.
    ahead: i64,
}

impl Session {
    fn new(token: Token, seed: u64) -> Self {
        let exchange = Exchange::new(seed, &[SYMBOL], 3_000_000, 40);
        Self { token, said: Vec::new(), exchange, ahead: 0 }
    }

    fn say(&mut self, now: u64) {
        self.exchange.set_now(now.strict_add_signed(self.ahead) % DAY);
        let mut bytes = [0; Message::LENGTH_MAX];
        let length = self.exchange.next_message().encode(&mut bytes).expect("it fits");
        self.said.push(bytes[..length].to_vec());
    }

    fn frame(&self, from: u64, count: usize, to: SocketAddrV4) -> Vec<u8> {
        let mut frame = vec![0; HEADERS + PACKET_MAX];
        let writer = PacketWriter::new(&mut frame[HEADERS..], self.token, from);
        let mut writer = writer.expect("there is room");
        let said = self.said.iter().skip(from as usize - 1).take(count);
        let _ = said.take_while(|message| writer.push(message)).count();
        let length = writer.finish();
        frame.truncate((HEADERS + length).max(60));
        let from = address(9, 26_500);
        let (from_mac, to_mac) = (Mac::local(*from.ip()), Mac::local(*to.ip()));
        assert!(seal(&mut frame, length, &Route { from_mac, to_mac, from, to }));
        frame
    }
}

struct World {
    stage: Prices,
    fetcher: Fetcher,
    lines: [MemoryPort; 2],
    requests: Consumer<Request>,
    notices: rtrb::Consumer<Notice>,
    now: u64,
    asked: u64,
}

impl World {
    fn new() -> Self {
        Self::with_snapshots(None, ArbiterOptions::default())
    }

    fn with_snapshots(server: Option<SocketAddrV4>, arbiter: ArbiterOptions) -> Self {
        let ((a, far_a), (b, far_b)) = (wire(64), wire(64));
        let listed = Instrument {
            id: InstrumentId(1),
            symbol: Symbol(SYMBOL),
            tick: Price(100),
            lot: Quantity(1),
            reference_price: Price(1),
        };
        let lines = vec![address(1, 26_400), address(2, 26_400)];
        let inlet = InletSpec {
            name: "EXCH".into(),
            own: lines.clone(),
            lines,
            requests: Some(address(9, 26_500)),
            snapshots: server.map(|at| (at, String::new(), String::new())),
            instruments: vec![InstrumentId(1)],
            halts: true,
            session: SessionId(0),
            arbiter,
            orders_max: 1_000,
            levels_max: 100,
            midnights: Midnights::new(0, []),
            clock: Nanos(5_000 * MILLISECOND),
        };
        let watch = WatchOptions::default();
        let options = PricesOptions { instruments: vec![listed], inlets: vec![inlet], watch };
        let (sent, requests) = link::<Request>(PRICES_DEPTH);
        let [heard, priced, referred] = [(); 3].map(|()| latency().0);
        let lag = PricesLag { heard, priced, referred };
        let (notice, notices) = rtrb::RingBuffer::new(64);
        let ports: Vec<Box<dyn Port>> = vec![Box::new(a), Box::new(b)];
        let links = PricesLinks { requests: sent, notices: notice, lag };
        let (stage, fetcher) = Prices::new(&options, vec![ports], links);
        let lines = [far_a, far_b];
        Self { stage, fetcher, lines, requests, notices, now: 20 * DAY, asked: 0 }
    }

    /// A millisecond: the venue says something on both lines and answers what it is asked; what the
    /// sequencer is told.
    fn step(&mut self, mut venue: Option<&mut Session>) -> Vec<(CommandKind, Option<Phase>)> {
        self.now += MILLISECOND;
        let to = [address(1, 26_400), address(2, 26_400)];
        let mut answers = Vec::new();
        let session = &mut venue;
        self.lines[0].receive(16, &mut |frame, _| {
            let payload = frame.get(HEADERS..HEADERS + 20).unwrap_or_default();
            if let (Ok(of), Some(session)) = (Resend::parse(payload), session.as_deref()) {
                let count = of.requested_message_count.into();
                answers.push(session.frame(of.sequence_number, count, to[0]));
            }
        });
        self.asked += answers.len() as u64;
        if let Some(session) = venue {
            session.say(self.now);
            let number = session.said.len() as u64;
            for (line, to) in self.lines.iter_mut().zip(to) {
                let frame = session.frame(number, 1, to);
                send(line, &frame);
            }
            answers.iter().for_each(|frame| send(&mut self.lines[0], frame));
        }
        self.stage.poll(Nanos(self.now)).expect("it goes on");
        let mut group = Group::new(Request::new(CommandKind::StartOfDay, Nanos::ZERO));
        let mut told = Vec::new();
        while self.requests.pop(&mut group) {
            let command = group.head.0;
            let phase = Phase::from_code(command.side);
            told.push((command.kind().expect("a kind"), phase));
        }
        told
    }

    /// Steps until the sequencer is asked for a phase; how many milliseconds that took.
    fn until(&mut self, wanted: Phase, mut venue: Option<&mut Session>) -> u64 {
        for step in 1..=60_000 {
            let told = self.step(venue.as_deref_mut());
            if told.contains(&(CommandKind::SetPhase, Some(wanted))) {
                return step;
            }
        }
        panic!("a minute, and no {wanted:?}");
    }
}

fn send(line: &mut MemoryPort, frame: &[u8]) {
    line.transmit(frame.len(), &mut |space| space.copy_from_slice(frame)).expect("there is room");
}

#[test]
fn a_venue_that_restarts_is_followed_within_half_a_minute_and_without_a_person() {
    let mut world = World::new();
    let mut venue = Session::new(*b"MONDAY0001", 3);
    world.until(Phase::Continuous, Some(&mut venue));
    (0..3_000).for_each(|_| _ = world.step(Some(&mut venue)));
    world.stage.count();
    assert!(world.stage.counters.value(PricesCounter::References) >= 3);
    // It stops: what it prices halts when it has been silent for as long as it may.
    let silence = world.until(Phase::Halt, None);
    assert!((3_000..=3_100).contains(&silence), "{silence} ms");
    (0..5_000).for_each(|_| assert_eq!(world.step(None), [], "nothing is good yet"));
    // It comes back with another session, and its first hundred messages are not heard by us.
    let mut venue = Session::new(*b"MONDAY0002", 4);
    (0..100).for_each(|_| venue.say(world.now));
    let recovered = world.until(Phase::Continuous, Some(&mut venue));
    assert!(recovered < 30_000, "{recovered} ms");
    assert!(world.asked > 0, "what was missed is asked for");
    // Its book is the venue's own, though nobody did anything.
    let mut whole = Books::new(&[SYMBOL], 1_000, 100);
    venue.said.iter().for_each(|bytes| _ = whole.apply(bytes).expect("it can be"));
    let inlet = &world.stage.inlets[0];
    assert_eq!(inlet.book(0).map(Book::top), whole.book(0).map(Book::top));
    world.stage.count();
    let counted = |counter| world.stage.counters.value(counter);
    assert_eq!((counted(PricesCounter::Restarts), counted(PricesCounter::Faults)), (1, 0));
}

/// A snapshot of a session, as a server sends it.
fn snapshot(token: Token, session: &Session, next: u64) -> Vec<u8> {
    use crate::wire::soupbintcp::{Packet, snapshot_end};
    let mut books = Books::new(&[SYMBOL], 1_000, 100);
    session.said.iter().for_each(|bytes| _ = books.apply(bytes).expect("it can be"));
    let mut packets = Vec::new();
    Packet::Accepted { session: token, next: 1 }.write(&mut packets);
    for message in session.said.iter().filter(|bytes| matches!(bytes[0], b'R' | b'H')) {
        Packet::Sequenced(message).write(&mut packets);
    }
    for add in books.snapshot(|place| place as u16 + 1) {
        let mut bytes = [0; Message::LENGTH_MAX];
        let length = Message::AddOrder(add).encode(&mut bytes).expect("it fits");
        Packet::Sequenced(&bytes[..length]).write(&mut packets);
    }
    Packet::Sequenced(&snapshot_end(next)).write(&mut packets);
    packets
}

/// Gives each who logs in the next answer; what sessions were asked for.
fn serve(answers: Vec<Vec<u8>>) -> (SocketAddrV4, std::thread::JoinHandle<Vec<Token>>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let Ok(std::net::SocketAddr::V4(address)) = listener.local_addr() else { panic!("IPv4") };
    let server = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("somebody comes");
            let mut login = [0; 49];
            stream.read_exact(&mut login).expect("a login");
            asked.push(login[19..29].try_into().expect("ten bytes"));
            stream.write_all(&answer).expect("it is taken");
        }
        asked
    });
    (address, server)
}

#[test]
fn a_snapshot_of_another_session_or_far_ahead_is_not_taken_in() {
    let mut venue = Session::new(*b"MONDAY0002", 4);
    (0..100).for_each(|_| venue.say(20 * DAY));
    // The server is still of the day before, and far ahead.
    let old = snapshot(*b"MONDAY0001", &venue, 90_001);
    // Then it is of today, and says to go on where nobody has been.
    let far = snapshot(venue.token, &venue, 1 << 40);
    let (address, server) = serve(vec![old, far, snapshot(venue.token, &venue, 101)]);
    let options = ArbiterOptions { request_max: 10, ..ArbiterOptions::default() };
    let mut world = World::with_snapshots(Some(address), options);
    for _ in 0..6_000 {
        world.step(Some(&mut venue));
        let now = Nanos(world.now);
        world.fetcher.step(now, &mut |why| panic!("{why}"));
    }
    assert_eq!(server.join().expect("it served"), [venue.token; 3]);
    world.stage.count();
    let counted = |counter| world.stage.counters.value(counter);
    let snapshots = counted(PricesCounter::Snapshots);
    assert_eq!((snapshots, counted(PricesCounter::SnapshotsRefused)), (1, 2));
    let mut whole = Books::new(&[SYMBOL], 1_000, 100);
    venue.said.iter().for_each(|bytes| _ = whole.apply(bytes).expect("it can be"));
    let inlet = &world.stage.inlets[0];
    assert_eq!(inlet.book(0).map(Book::top), whole.book(0).map(Book::top));
    assert!(inlet.is_sound(Nanos(world.now)) && counted(PricesCounter::Faults) == 0);
}

#[test]
fn what_was_not_said_when_it_says_prices_nothing() {
    let mut venue = Session::new(*b"MONDAY0001", 5);
    let mut world = World::new();
    let steps = |world: &mut World, venue: &mut Session, count| {
        let told: Vec<_> = (0..count).flat_map(|_| world.step(Some(venue))).collect();
        assert!(!told.contains(&(CommandKind::SetPhase, Some(Phase::Halt))), "it has no price");
        let inlet = &world.stage.inlets[0];
        (inlet.priced(0, Nanos(world.now)).is_some(), inlet.clock_jumps)
    };
    assert_eq!(steps(&mut world, &mut venue, 500), (true, 0));
    let second = 1_000 * MILLISECOND as i64;
    for (at, ahead) in [-3_600, -6, 6, 3_600].into_iter().enumerate() {
        venue.ahead = ahead * second;
        let jumps = 100 * (at as u64 + 1);
        assert_eq!(steps(&mut world, &mut venue, 100), (false, jumps), "{ahead} s");
        venue.ahead = ahead.signum() * 4 * second;
        assert_eq!(steps(&mut world, &mut venue, 1), (true, jumps), "four seconds are nothing");
    }
    // What was lost and is brought again was said long ago.
    venue.ahead = 0;
    (0..10).for_each(|_| venue.say(world.now));
    world.now += 10 * second as u64;
    assert_eq!(steps(&mut world, &mut venue, 100), (true, 400));
    assert!(world.asked > 0 && world.stage.inlets[0].arbiter.missing() == 0);
}

#[test]
fn each_line_of_a_feed_is_told_of_by_itself() {
    let mut venue = Session::new(*b"MONDAY0001", 6);
    let mut world = World::new();
    let to = [address(1, 26_400), address(2, 26_400)];
    let readers = world.stage.readers();
    for step in 1..=200 {
        world.now += MILLISECOND;
        venue.say(world.now);
        // The A line loses every tenth packet, and falls silent in the end.
        if step % 10 != 0 && step <= 150 {
            send(&mut world.lines[0], &venue.frame(step, 1, to[0]));
        }
        send(&mut world.lines[1], &venue.frame(step, 1, to[1]));
        world.stage.poll(Nanos(world.now)).expect("it goes on");
    }
    world.stage.housekeep(Nanos(world.now));
    let [of] = &readers[..] else { panic!("one feed") };
    assert_eq!((&*of.name, of.feed.value("Heard"), of.feed.value("Sound")), ("EXCH", 1, 1));
    let lines: Vec<_> = of.lines().collect();
    let [("A", a), ("B", b)] = lines[..] else { panic!("two lines") };
    // The last one it lost was never shown to be lost by a later one.
    assert_eq!((a.value("Packets"), a.value("Lost"), a.value("First")), (135, 14, 135));
    assert_eq!((b.value("Packets"), b.value("Lost"), b.value("First")), (200, 0, 65));
    assert_eq!((b.value("Late"), b.value("Disordered")), (135, 0));
    assert_eq!((a.value("SilentNs"), b.value("SilentNs")), (51 * MILLISECOND, 0));
}

#[test]
fn a_line_that_was_never_heard_is_told_of_once_and_when_it_comes() {
    let mut venue = Session::new(*b"MONDAY0001", 7);
    let mut world = World::new();
    let to = [address(1, 26_400), address(2, 26_400)];
    let mut live = |world: &mut World, lines: std::ops::Range<usize>, milliseconds| {
        for _ in 0..milliseconds {
            world.now += MILLISECOND;
            venue.say(world.now);
            for line in lines.clone() {
                let frame = venue.frame(venue.said.len() as u64, 1, to[line]);
                send(&mut world.lines[line], &frame);
            }
            world.stage.poll(Nanos(world.now)).expect("it goes on");
        }
        std::iter::from_fn(|| world.notices.pop().ok())
            .filter(|notice| matches!(notice, Notice::LineLost { .. } | Notice::LineBack { .. }))
            .collect::<Vec<_>>()
    };
    assert_eq!(live(&mut world, 1..2, 2_900), [], "it may be late");
    assert_eq!(live(&mut world, 1..2, 5_000), [Notice::LineLost { feed: 0, line: 0 }]);
    assert_eq!(live(&mut world, 0..2, 100), [Notice::LineBack { feed: 0, line: 0 }]);
    assert_eq!(live(&mut world, 0..2, 5_000), []);
}
