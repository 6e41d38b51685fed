//! Market data through the running appliance: in from a made-up exchange on two bad lines, out to
//! those who hear no group. Each part is a process or a socket of its own.

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

#[path = "market_data/crowd.rs"]
mod crowd;
#[path = "market_data/held.rs"]
mod held;
#[path = "market_data/out.rs"]
mod out;
#[path = "market_data/slow.rs"]
mod slow;
#[path = "market_data/sockets.rs"]
mod sockets;
#[path = "market_data/tools.rs"]
mod tools;

use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use process::{Appliance, configuration, free_address};
use wirematch::feed::Books;
use wirematch::feed::exchange::Exchange;
use wirematch::runtime::{Clock, SystemClock};
use wirematch::wire::itch::Message;
use wirematch::wire::moldudp64::Request;
use wirematch::wire::session::PacketWriter;
use wirematch::wire::soupbintcp::{Login, Packet, snapshot_end, snapshot_ends};

const SYMBOLS: [[u8; 8]; 4] = [*b"ACME    ", *b"BOLT    ", *b"CRUX    ", *b"DYNE    "];

fn free_tcp() -> SocketAddrV4 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    match listener.local_addr().expect("it is bound") {
        std::net::SocketAddr::V4(address) => address,
        other => panic!("{other}"),
    }
}

/// Nanoseconds since midnight UTC.
fn time_of_day() -> u64 {
    Clock::now(&SystemClock::new()).0 % 86_400_000_000_000
}

fn bytes_of(message: &Message) -> Vec<u8> {
    let mut bytes = [0; Message::LENGTH_MAX];
    let length = message.encode(&mut bytes).expect("it fits");
    bytes[..length].to_vec()
}

/// What an exchange has said today; its lines, its requests, its snapshots.
struct Venue {
    session: [u8; 10],
    said: Vec<Vec<u8>>,
    /// What was on the lines of it.
    sent: u64,
    books: Books,
    exchange: Exchange,
}

impl Venue {
    fn new(seed: u64, session: &[u8; 10]) -> Self {
        Self {
            session: *session,
            said: Vec::new(),
            sent: 0,
            books: Books::new(&SYMBOLS, 10_000, 1_000),
            exchange: Exchange::new(seed, &SYMBOLS, 3_000_000, 200),
        }
    }

    /// The next thing it has to say, at a true time.
    fn make(&mut self) {
        self.exchange.set_now(time_of_day());
        let message = self.exchange.next_message();
        self.say(&message);
    }

    fn say(&mut self, message: &Message) {
        self.books.apply_message(message).expect("it can be");
        self.said.push(bytes_of(message));
    }

    /// A packet of so many messages from a number on.
    fn packet(&self, from: u64, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; 1400];
        let mut writer = PacketWriter::new(&mut bytes, self.session, from).expect("it fits");
        for message in self.said.iter().skip(from as usize - 1).take(count) {
            if !writer.push(message) {
                break;
            }
        }
        let length = writer.finish();
        bytes.truncate(length);
        bytes
    }

    fn snapshot(&self) -> Vec<u8> {
        let mut packets = Vec::new();
        Packet::Accepted { session: self.session, next: 1 }.write(&mut packets);
        for message in self.said.iter().filter(|bytes| matches!(bytes[0], b'R' | b'H')) {
            Packet::Sequenced(message).write(&mut packets);
        }
        for add in self.books.snapshot(|place| place as u16 + 1) {
            Packet::Sequenced(&bytes_of(&Message::AddOrder(add))).write(&mut packets);
        }
        let end = snapshot_end(self.said.len() as u64 + 1);
        Packet::Sequenced(&end).write(&mut packets);
        packets
    }
}

/// The venue on the network, until it is dropped.
struct Lines {
    venue: Arc<Mutex<Venue>>,
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
    /// Whether anything is sent.
    is_on: Arc<AtomicBool>,
    /// One line is off.
    a_is_off: Arc<AtomicBool>,
    /// The venue says what it is made to say, and no more.
    is_terse: Arc<AtomicBool>,
}

impl Lines {
    fn start(
        venue: Venue,
        to: [SocketAddrV4; 2],
        requests: SocketAddrV4,
        snapshots: SocketAddrV4,
    ) -> Self {
        let (venue, stop) = (Arc::new(Mutex::new(venue)), Arc::new(AtomicBool::new(false)));
        let (is_on, a_is_off) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let is_terse = Arc::new(AtomicBool::new(false));
        let socket = UdpSocket::bind(requests).expect("the address is free");
        socket.set_read_timeout(Some(Duration::from_millis(1))).expect("it has time-outs");
        let mut threads = Vec::new();
        let (of, end, on, a_off) = (venue.clone(), stop.clone(), is_on.clone(), a_is_off.clone());
        let terse = is_terse.clone();
        threads.push(std::thread::spawn(move || {
            let (mut dice, mut sent) = (7u64, 0u64);
            while !end.load(Ordering::Relaxed) {
                let mut room = [0; 64];
                while let Ok((length, from)) = socket.recv_from(&mut room) {
                    let Ok(request) = Request::parse(&room[..length]) else { continue };
                    let venue = of.lock().expect("nobody panics with it");
                    let count = usize::from(request.requested_message_count);
                    let _ = socket.send_to(&venue.packet(request.sequence_number, count), from);
                }
                if !on.load(Ordering::Relaxed) {
                    continue;
                }
                let mut venue = of.lock().expect("nobody panics with it");
                let from = venue.sent + 1;
                let count = if terse.load(Ordering::Relaxed) { 0 } else { sent % 4 };
                (0..count).for_each(|_| venue.make());
                venue.sent = (venue.said.len() as u64).min(from + 3);
                sent += 1;
                let packet = venue.packet(from, 4);
                for (line, to) in to.iter().enumerate() {
                    dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let is_lost = (dice >> 33) % 10 < 2;
                    if !is_lost && (line == 1 || !a_off.load(Ordering::Relaxed)) {
                        let _ = socket.send_to(&packet, to);
                    }
                }
            }
        }));
        let listener = TcpListener::bind(snapshots).expect("the address is free");
        listener.set_nonblocking(true).expect("it can");
        let (of, end) = (venue.clone(), stop.clone());
        threads.push(std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let Ok((mut stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                let mut room = [0; 64];
                let _ = stream.set_nonblocking(false);
                let _ = stream.read(&mut room);
                let snapshot = of.lock().expect("nobody panics with it").snapshot();
                let _ = stream.write_all(&snapshot);
            }
        }));
        Self { venue, stop, threads, is_on, a_is_off, is_terse }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| _ = thread.join());
    }
}

/// What the appliance's operator is shown.
fn status(data: &Path) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["risk", "status", "--json", "--data"])
        .arg(data)
        .output()
        .expect("the binary starts");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn counter(data: &Path, name: &str) -> u64 {
    let status = status(data);
    let counters = status.pointer("/counters/prices").or(status.pointer("/status/counters/prices"));
    counters.and_then(|of| of[name].as_u64()).unwrap_or(0)
}

/// What is counted of a line of the exchange's feed.
fn line_counter(data: &Path, line: &str, name: &str) -> u64 {
    let status = status(data);
    let feeds = status.get("feeds").or(status.pointer("/status/feeds"));
    feeds.and_then(|of| of["EXCH"][line][name].as_u64()).unwrap_or(0)
}

/// Waits for something that comes soon as a rule; the bound is for a machine that is very busy.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    #[allow(clippy::disallowed_methods, reason = "a test waits for others by the clock")]
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(120), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn exchange_prices_come_in_and_halt_what_they_price_when_they_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let (a, b, requests) = (free_address(), free_address(), free_address());
    let snapshots = free_tcp();
    let config = configuration(folder.path(), free_address(), 3);
    let mut text = std::fs::read_to_string(&config).expect("it is written");
    text += &format!(
        "[market_data]\ngrace_ms = 20000\nresume_ms = 200\n[[market_data.feed]]\nname = \"EXCH\"\n\
         a = \"{a}\"\nb = \"{b}\"\nrequests = \"{requests}\"\nsnapshots = \"{snapshots}\"\n\
         stale_ms = 500\n"
    );
    std::fs::write(&config, text).expect("it is ours");
    let mut appliance = Appliance::new(config);
    // The exchange has been at it for a while: what was before comes by a snapshot.
    let mut venue = Venue::new(3, b"EXCH000001");
    (0..70_000).for_each(|_| venue.make());
    venue.sent = venue.said.len() as u64;
    let lines = Lines::start(venue, [a, b], requests, snapshots);
    appliance.start();
    eventually("a snapshot", || counter(&data, "Snapshots") > 0);
    eventually("reference prices", || counter(&data, "References") > 20);
    eventually("losses on a line", || line_counter(&data, "A", "Lost") > 50);
    eventually("losses on the other", || line_counter(&data, "B", "Lost") > 50);
    assert_eq!(counter(&data, "Faults"), 0, "nothing was applied twice or never");
    lines.a_is_off.store(true, Ordering::Relaxed);
    let told = |words: &str| appliance.said().iter().any(|line| line.contains(words));
    eventually("a silent line is told", || told("line A of feed EXCH is silent"));
    assert_eq!(counter(&data, "Halts"), 0, "one line is enough");
    // Both lines stale: the instruments halt, and resume when prices are good again.
    lines.is_on.store(false, Ordering::Relaxed);
    eventually("halts", || counter(&data, "Halts") == 4);
    eventually("an alarm", || told("no feed has prices of instrument 1"));
    lines.is_on.store(true, Ordering::Relaxed);
    eventually("resumes", || counter(&data, "Resumes") == 4);
    // The venue restarts with another session, and is followed without a person.
    lines.is_on.store(false, Ordering::Relaxed);
    *lines.venue.lock().expect("nobody panics") = Venue::new(4, b"EXCH000002");
    std::thread::sleep(Duration::from_millis(600));
    lines.is_on.store(true, Ordering::Relaxed);
    eventually("a restart", || counter(&data, "Restarts") == 1);
    eventually("resumes again", || counter(&data, "Resumes") == 8);
    assert_eq!(counter(&data, "Faults"), 0);
    assert!(appliance.stop().success());
    assert!(appliance.replays(), "history holds what market data changed");
}

/// Sequenced messages of a SoupBinTCP server, from its answer to our login on.
fn soup(address: SocketAddrV4, next: u64, mut each: impl FnMut(&[u8]) -> bool) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("it has time-outs");
    let mut bytes = Vec::new();
    Packet::Login(Login::new("", "", next)).write(&mut bytes);
    stream.write_all(&bytes).expect("it takes it");
    let (mut arrived, mut room) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut room).expect("it goes on");
        assert!(count > 0, "it went");
        arrived.extend_from_slice(&room[..count]);
        while let Some((packet, length)) = Packet::parse(&arrived).expect("good packets") {
            if let Packet::Sequenced(message) = packet
                && !each(message)
            {
                return;
            }
            arrived.drain(..length);
        }
    }
}

#[test]
fn who_joins_late_has_the_same_book() {
    let folder = tempfile::tempdir().expect("a folder");
    let (entry, snapshots, rewinder) = (free_address(), free_tcp(), free_tcp());
    let websocket = free_tcp();
    let config = configuration(folder.path(), entry, 3);
    let mut text = std::fs::read_to_string(&config).expect("it is written");
    text += &format!(
        "[market_data]\nsnapshots = \"{snapshots}\"\nrewinder = \"{rewinder}\"\n\
         websocket = \"{websocket}\"\n"
    );
    std::fs::write(&config, text).expect("it is ours");
    let mut appliance = Appliance::new(config);
    appliance.start();
    let output_of = |arguments: &[&str]| {
        let gateway = entry.to_string();
        Command::new(env!("CARGO_BIN_EXE_wirematch"))
            .args(["client", "--gateway", &gateway, "--session", "3", "--key", "test-key-3"])
            .args(arguments)
            .output()
            .expect("the binary starts")
    };
    let client = |arguments: &[&str]| {
        let output = output_of(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    client(&["load", "--rate", "20000", "--orders", "4000"]);
    client(&["order", "buy", "77", "ACME", "299.50"]);
    let snapshot = || {
        let (mut books, mut next) = (Books::new(&SYMBOLS, 100_000, 1_000), 0);
        soup(snapshots, 1, |message| {
            let end = snapshot_ends(message);
            next = end.unwrap_or(next);
            if end.is_none() {
                books.apply(message).expect("it can be");
            }
            end.is_none()
        });
        (books, next)
    };
    // The stream from a number up to where the snapshot before goes on.
    let rewind = |books: &mut Books, from: u64, next: u64| {
        let mut number = from;
        soup(rewinder, from, |message| {
            number += 1;
            books.apply(message).expect("it can be");
            number < next
        });
    };
    let books = |books: &Books| books.snapshot(|place| place as u16 + 1);
    // One joins while orders come, and goes on with what was new since.
    let (mut late, joined) = std::thread::scope(|scope| {
        // Into books that are not empty: what trades is not what the flow alone makes of it.
        let load = scope.spawn(|| output_of(&["load", "--rate", "4000", "--orders", "12000"]));
        std::thread::sleep(Duration::from_millis(1_500));
        let joined = snapshot();
        assert!(!load.is_finished(), "it joined after the load");
        joined
    });
    assert!(late.orders() > 0);
    let (now, next) = snapshot();
    assert!(next > joined + 100, "nothing came after {joined}: {next}");
    rewind(&mut late, joined, next);
    // The whole day, again.
    let mut whole = Books::new(&SYMBOLS, 100_000, 1_000);
    rewind(&mut whole, 1, next);
    assert_eq!(books(&whole), books(&now), "by snapshot and from the start");
    assert_eq!(books(&whole), books(&late), "from the middle and from the start");
    let mut client_of_web = upgraded(websocket, "/ws");
    ask(&mut client_of_web, r#"{"subscribe":["ACME"]}"#);
    let first = said(&mut client_of_web);
    assert!(
        first.contains("\"type\":\"snapshot\"") && first.contains("\"symbol\":\"ACME\""),
        "{first}"
    );
    client(&["order", "buy", "5", "ACME", "299.97"]);
    let mut seen = String::new();
    while !seen.contains("\"type\":\"top\"") && !seen.contains("\"type\":\"depth\"") {
        seen += &said(&mut client_of_web);
    }
    // A restart changes no number: the feed is a fold over the journal.
    assert!(appliance.stop().success());
    appliance.start();
    let mut again = Books::new(&SYMBOLS, 100_000, 1_000);
    rewind(&mut again, 1, next);
    assert_eq!(books(&again), books(&whole));
    assert!(appliance.stop().success());
}

/// A WebSocket by hand, after its upgrade.
fn upgraded(address: SocketAddrV4, path: &str) -> TcpStream {
    upgrade(TcpStream::connect(address).expect("it listens"), path)
}

/// A line as a WebSocket.
fn upgrade(mut stream: TcpStream, path: &str) -> TcpStream {
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("it has time-outs");
    let upgrade = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(upgrade.as_bytes()).expect("it takes it");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("it answers");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// Sends a client's message, masked with zeros.
fn ask(stream: &mut TcpStream, text: &str) {
    let mut frame = vec![0x81];
    match text.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    stream.write_all(&frame).expect("it takes it");
}

/// The next message's text.
fn said(stream: &mut TcpStream) -> String {
    String::from_utf8(told(stream).expect("it says something")).expect("text")
}

/// The next message, text or bytes.
fn told(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    let length = match head[1] {
        126 => {
            let mut long = [0; 2];
            stream.read_exact(&mut long)?;
            usize::from(u16::from_be_bytes(long))
        }
        length => usize::from(length),
    };
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
