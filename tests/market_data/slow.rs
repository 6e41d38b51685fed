//! WebSocket clients that read slowly, or not at all, on lines of little room beside one that reads
//! all: what each is told in the end.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
use serde_json::Value;
use wirematch::runtime::counters_file::{COUNTERS_NAME, Snapshot};

use crate::crowd::{Levels, best, change, truth};
use crate::out::Running;
use crate::{SYMBOLS, ask, eventually, free_tcp, upgrade, upgraded};

/// A line on which little waits at this end.
fn narrow(address: SocketAddrV4) -> TcpStream {
    let line: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    sockopt::set_socket_recv_buffer_size(&line, 4 * 1024).expect("it can");
    connect(&line, &address).expect("it listens");
    TcpStream::from(line)
}

/// What a client was told.
#[derive(Default)]
struct Heard {
    arrived: Vec<u8>,
    books: [Levels; SYMBOLS.len()],
    trades: u64,
    missed: u64,
}

impl Heard {
    /// Takes whole messages off what arrived.
    fn take(&mut self, bytes: &[u8]) {
        self.arrived.extend_from_slice(bytes);
        let mut rest = &self.arrived[..];
        while let [_, length, after @ ..] = rest {
            let (length, after) = match (length, after) {
                (126, [high, low, after @ ..]) => {
                    (usize::from(u16::from_be_bytes([*high, *low])), after)
                }
                (126, _) => break,
                (length, after) => (usize::from(*length), after),
            };
            let Some((text, after)) = after.split_at_checked(length) else { break };
            let message: Value = serde_json::from_slice(text).expect("JSON");
            match message["type"].as_str() {
                Some("trade") => self.trades += 1,
                Some("missed") => self.missed += message["trades"].as_u64().expect("how many"),
                _ => {
                    let symbol = message["symbol"].as_str().expect("a symbol").as_bytes();
                    let place = SYMBOLS.iter().position(|of| of.trim_ascii_end() == symbol);
                    change(&mut self.books[place.expect("it is listed")], &message);
                }
            }
            rest = after;
        }
        self.arrived = rest.to_vec();
    }

    /// Reads on, a little at a time while it is to be slow, until nothing has come for a while
    /// after all was said.
    fn follow(mut self, mut stream: TcpStream, is_slow: bool, is_over: &AtomicBool) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(2))).expect("it has time-outs");
        let mut room = vec![0; 8 * 1024];
        loop {
            if is_slow && !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(500));
            }
            match stream.read(&mut room) {
                Ok(0) => panic!("a client that reads was let go"),
                Ok(count) => self.take(&room[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if is_over.load(Ordering::Relaxed) {
                        return self;
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// A series of the counters file.
fn counted(data: &Path, name: &str) -> i64 {
    Snapshot::read(&data.join(COUNTERS_NAME)).map_or(-1, |all| all.number(name))
}

#[test]
fn who_reads_slowly_is_told_what_stands_and_who_reads_nothing_is_let_go() {
    let (websocket, snapshots) = (free_tcp(), free_tcp());
    let keys = format!("websocket = \"{websocket}\"\nsnapshots = \"{snapshots}\"\n");
    let mut running = Running::new(&keys, 400);
    let enter = |mut stream: TcpStream| {
        ask(&mut stream, r#"{"subscribe":["ACME","BOLT","CRUX","DYNE"]}"#);
        stream
    };
    let quick = enter(upgraded(websocket, "/ws"));
    let slow = enter(upgrade(narrow(websocket), "/ws"));
    let mut hopeless = enter(upgrade(narrow(websocket), "/ws"));
    let counted = |name| counted(&running.data(), name);
    eventually("three clients", || counted("outlet_clients") == 3);
    let is_over = AtomicBool::new(false);
    let (quick, slow) = std::thread::scope(|scope| {
        let quick = scope.spawn(|| Heard::default().follow(quick, false, &is_over));
        let slow = scope.spawn(|| Heard::default().follow(slow, true, &is_over));
        // As long as it takes: what a narrow line holds, and five seconds more.
        while counted("outlet_let_go") == 0 {
            running.load(5_000, 20_000);
        }
        is_over.store(true, Ordering::Relaxed);
        [quick, slow].map(|client| client.join().expect("it reads to the end")).into()
    });
    let [all, told] = [&quick, &slow].map(|client| client.trades + client.missed);
    assert_eq!(all, told, "each trade is told, or counted as missed");
    println!("of {all} trades missed: {}, and {} by who reads slowly", quick.missed, slow.missed);
    assert!(slow.missed > 0 && slow.trades > 0, "{} of {told}", slow.missed);
    assert!(quick.trades > slow.trades, "{} and {}", quick.trades, slow.trades);
    let truth = truth(snapshots, &SYMBOLS);
    for (place, symbol) in SYMBOLS.iter().enumerate() {
        let book = truth.book(place).expect("it is listed");
        let symbol = String::from_utf8_lossy(symbol);
        assert_eq!(quick.books[place], best(book), "{symbol} of who reads all");
        assert_eq!(slow.books[place], best(book), "{symbol} of who reads slowly");
    }
    // Of the one that reads nothing is left what its line held.
    assert_eq!(counted("outlet_let_go"), 1);
    eventually("two clients", || counted("outlet_clients") <= 2);
    let mut held = Vec::new();
    let _ = hopeless.read_to_end(&mut held);
    assert!(held.len() < 1 << 20, "{} bytes waited for a client", held.len());
    assert!(running.appliance.stop().success());
}
