//! Many WebSocket clients at once, each of one instrument of a hundred, while orders come at a
//! rate: who reads has the book in the end, who does not read slows nobody.
//!
//! The number of clients and the rate are small here; `scripts/deep crowd` takes a thousand.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use wirematch::feed::{Book, Books, Level};
use wirematch::model::Price;
use wirematch::wire::soupbintcp::snapshot_ends;

use crate::process::{Appliance, configuration, free_address};
use crate::{ask, free_tcp, said, soup, upgraded};

const INSTRUMENTS: usize = 100;

/// Clients whose every message is read and understood.
const CAREFUL: usize = 4;

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn symbol(at: usize) -> String {
    format!("W{at:03}")
}

/// A body that an HTTP server of ours gives.
fn get(address: SocketAddrV4, path: &str) -> serde_json::Value {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let ask = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).expect("it takes it");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
    serde_json::from_str(body).unwrap_or_default()
}

/// The book a client has: by price, both sides.
pub(crate) type Levels = [BTreeMap<String, u64>; 2];

/// Follows one instrument until told to stop; the book it has then.
fn follow(mut stream: TcpStream, is_over: &AtomicBool) -> Levels {
    let mut levels = Levels::default();
    stream.set_read_timeout(Some(Duration::from_millis(500))).expect("it has time-outs");
    let mut peeked = [0];
    loop {
        // A message is on its way, or nothing has come for as long as a time-out.
        match stream.peek(&mut peeked) {
            Ok(0) => panic!("a client that reads was let go"),
            Ok(_) => {}
            Err(_) if is_over.load(Ordering::Relaxed) => return levels,
            Err(_) => continue,
        }
        stream.set_read_timeout(None).expect("it has time-outs");
        let message: serde_json::Value = serde_json::from_str(&said(&mut stream)).expect("JSON");
        stream.set_read_timeout(Some(Duration::from_millis(500))).expect("it has time-outs");
        change(&mut levels, &message);
    }
}

/// Changes a book as a message says.
pub(crate) fn change(levels: &mut Levels, message: &serde_json::Value) {
    match message["type"].as_str() {
        Some("snapshot") => *levels = Levels::default(),
        Some("depth") => {}
        _ => return,
    }
    for (side, levels) in ["bids", "asks"].iter().zip(levels) {
        for level in message[side].as_array().into_iter().flatten() {
            let price = level[0].as_str().expect("a price").to_owned();
            match level[1].as_u64().expect("shares") {
                0 => _ = levels.remove(&price),
                shares => _ = levels.insert(price, shares),
            }
        }
    }
}

/// The ten best levels a side.
pub(crate) fn best(book: &Book) -> Levels {
    let side = |levels: &mut dyn Iterator<Item = Level>| {
        levels.take(10).map(|of| (Price(of.price.into()).to_string(), of.shares)).collect()
    };
    [side(&mut book.bids()), side(&mut book.asks())]
}

/// What the appliance gives as a snapshot.
pub(crate) fn truth(snapshots: SocketAddrV4, symbols: &[[u8; 8]]) -> Books {
    let mut books = Books::new(symbols, 1 << 20, 10_000);
    soup(snapshots, 1, |message| {
        let is_end = snapshot_ends(message).is_some();
        if !is_end {
            books.apply(message).expect("it can be");
        }
        !is_end
    });
    books
}

/// Reads and throws away what comes on all of these; says how many bytes that was.
fn drain(streams: Vec<TcpStream>, is_over: Arc<AtomicBool>, bytes: Arc<AtomicU64>) {
    // On machines of their own they would not take the appliance's CPUs.
    let _ = rustix::process::nice(15);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for stream in streams {
            stream.set_nonblocking(true).expect("it can");
            let stream = tokio::net::TcpStream::from_std(stream).expect("it is one");
            let bytes = Arc::clone(&bytes);
            tokio::spawn(async move {
                let mut room = vec![0; 16 * 1024];
                while stream.readable().await.is_ok() {
                    match stream.try_read(&mut room) {
                        Ok(0) => return,
                        Ok(count) => _ = bytes.fetch_add(count as u64, Ordering::Relaxed),
                        Err(_) => {}
                    }
                }
            });
        }
        while !is_over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}

/// How many there are, and what comes.
struct Crowd {
    clients: usize,
    /// Orders a second, and in all.
    rate: usize,
    orders: usize,
}

/// How a crowd was told: in nanoseconds from event to write.
struct Told {
    frames: u64,
    per_second: u64,
    p50: u64,
    p99: u64,
    longest: u64,
}

/// An appliance with a hundred instruments, and where it is spoken to.
struct World {
    appliance: Appliance,
    _folder: tempfile::TempDir,
    entry: SocketAddrV4,
    snapshots: SocketAddrV4,
    websocket: SocketAddrV4,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (entry, snapshots, websocket) = (free_address(), free_tcp(), free_tcp());
        let config = configuration(folder.path(), entry, 3);
        let mut text = std::fs::read_to_string(&config).expect("it is written");
        // The clients are on the same CPUs: a stage that has nothing to do leaves them to them.
        text = text.replace("idle = \"yield\"", "idle = \"sleep\"");
        text +=
            &format!("[market_data]\nsnapshots = \"{snapshots}\"\nwebsocket = \"{websocket}\"\n");
        for at in 0..INSTRUMENTS {
            let symbol = symbol(at);
            text += &format!("[[instrument]]\nsymbol = \"{symbol}\"\nreference_price = \"300\"\n");
        }
        std::fs::write(&config, text).expect("it is ours");
        let mut appliance = Appliance::new(config);
        appliance.start();
        Self { appliance, _folder: folder, entry, snapshots, websocket }
    }

    /// A client of one instrument.
    fn enter(&self, at: usize) -> TcpStream {
        let mut stream = upgraded(self.websocket, "/ws");
        ask(&mut stream, &format!("{{\"subscribe\":[\"{}\"]}}", symbol(at % INSTRUMENTS)));
        stream
    }

    /// Sends orders for all instruments; how clients were told of them.
    fn load(&self, crowd: &Crowd) -> Told {
        let everything: Vec<String> = (0..INSTRUMENTS).map(symbol).collect();
        let (rate, orders) = (crowd.rate.to_string(), crowd.orders.to_string());
        let clock = wirematch::runtime::SystemClock::new();
        let now = || wirematch::runtime::Clock::now(&clock);
        let began = now();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_wirematch"))
            .args(["client", "--gateway", &self.entry.to_string(), "--session", "3"])
            .args(["--key", "test-key-3", "load", "--rate", &rate, "--orders", &orders])
            .args(["--symbols", &everything.join(",")])
            .output()
            .expect("the binary starts");
        let span = now().saturating_sub(began).0;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lag = get(self.websocket, "/lag");
        let of = |stage: &str, field: &str| {
            let row = lag.as_array().into_iter().flatten().find(|row| row["stage"] == stage);
            row.and_then(|row| row[field].as_u64()).unwrap_or(0)
        };
        let frames = of("written", "count");
        assert!(frames > of("folded", "count"), "each event goes to several clients: {lag}");
        Told {
            frames,
            per_second: frames * 1_000 / (span / 1_000_000).max(1),
            p50: of("written", "p50_ns"),
            p99: of("written", "p99_ns"),
            longest: of("written", "max_ns"),
        }
    }

    /// Who reads has the book as it is, whatever the others do.
    fn check(&self, books: Vec<Levels>) {
        let symbols: Vec<[u8; 8]> = (0..INSTRUMENTS)
            .map(|at| wirematch::wire::soupbintcp::padded::<8>(&symbol(at)))
            .collect();
        let truth = truth(self.snapshots, &symbols);
        for (at, levels) in books.into_iter().enumerate() {
            let book = truth.book(at).expect("it is listed");
            assert_eq!(levels, best(book), "client {at}");
            assert!(!levels[0].is_empty());
        }
    }
}

/// One day of a crowd, with or without those who ask for everything and read nothing of it: one in
/// twenty.
fn live(crowd: &Crowd, has_slow: bool) -> Told {
    let mut world = World::new();
    let is_over = Arc::new(AtomicBool::new(false));
    let careful: Vec<_> = (0..CAREFUL)
        .map(|at| {
            let (stream, is_over) = (world.enter(at), Arc::clone(&is_over));
            std::thread::spawn(move || follow(stream, &is_over))
        })
        .collect();
    let everything: Vec<String> = (0..INSTRUMENTS).map(symbol).collect();
    let hopeless: Vec<_> = (0..if has_slow { crowd.clients / 20 } else { 0 })
        .map(|_| {
            let mut stream = upgraded(world.websocket, "/ws");
            ask(&mut stream, &serde_json::json!({ "subscribe": everything }).to_string());
            stream
        })
        .collect();
    let bytes = Arc::<AtomicU64>::default();
    let drainer = {
        let streams: Vec<_> = (CAREFUL..crowd.clients).map(|at| world.enter(at)).collect();
        let (is_over, bytes) = (Arc::clone(&is_over), Arc::clone(&bytes));
        std::thread::spawn(move || drain(streams, is_over, bytes))
    };
    let told = world.load(crowd);
    assert!(bytes.load(Ordering::Relaxed) > 0, "those who read are told");
    println!(
        "{} clients, {} of them read nothing, {} orders a second: {} frames written, {} a second, \
         from event to write p50 {} µs, p99 {} µs, longest {} µs",
        crowd.clients,
        hopeless.len(),
        crowd.rate,
        told.frames,
        told.per_second,
        told.p50 / 1_000,
        told.p99 / 1_000,
        told.longest / 1_000
    );
    // What the last orders changed is on its way to all who read.
    std::thread::sleep(Duration::from_millis(200));
    is_over.store(true, Ordering::Relaxed);
    world.check(careful.into_iter().map(|client| client.join().expect("it follows")).collect());
    drop(hopeless);
    drainer.join().expect("it only reads");
    assert!(world.appliance.stop().success());
    told
}

/// Frames a second that a crowd must be told within its bound.
const FRAMES_A_SECOND: u64 = 10_000;

#[test]
fn a_crowd_is_told_in_time_and_who_does_not_read_slows_nobody() {
    let crowd = Crowd {
        clients: number("WIREMATCH_CROWD", 100),
        rate: number("WIREMATCH_CROWD_RATE", 2_000),
        orders: number("WIREMATCH_CROWD_ORDERS", 4_000),
    };
    let bound = number("WIREMATCH_CROWD_P99_MS", 0) as u64 * 1_000_000;
    let mut both = [Vec::new(), Vec::new()];
    for turn in 0..2 * number("WIREMATCH_CROWD_TURNS", 1) {
        let has_slow = turn % 2 == 1;
        let told = live(&crowd, has_slow);
        assert!(bound == 0 || told.p99 < bound && told.per_second >= FRAMES_A_SECOND);
        both[usize::from(has_slow)].push(told.p99);
    }
    let [without, with] = both.map(|mut turns| {
        turns.sort_unstable();
        turns[turns.len() / 2]
    });
    let ratio = with as f64 / without.max(1) as f64;
    println!("p99 with those who read nothing, by p99 without: {ratio:.2}");
    assert!(bound == 0 || ratio < SLOWED_MOST, "{with} ns with them, {without} without");
}

/// How much more of p99 those who read nothing may make it, where it is bounded.
const SLOWED_MOST: f64 = 2.0;
