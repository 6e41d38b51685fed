//! What goes out, held against what others wrote: Wireshark reads our SoupBinTCP, a Redis has the
//! tops for a second, and a journal played again is the feed it was.

use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use wirematch::feed::{Arbiter, ArbiterOptions, Books};
use wirematch::model::Nanos;
use wirematch::port::pcap::Writer;
use wirematch::wire::itch::Message;
use wirematch::wire::soupbintcp::{Login, Packet};

use crate::process::{Appliance, configuration, free_address};
use crate::{SYMBOLS, eventually, free_tcp, soup};

/// An appliance with orders in its books, and what of market data is asked of it.
pub(crate) struct Running {
    pub(crate) appliance: Appliance,
    folder: tempfile::TempDir,
    entry: SocketAddrV4,
}

impl Running {
    pub(crate) fn new(market_data: &str, orders: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let entry = free_address();
        let config = configuration(folder.path(), entry, 3);
        let text = std::fs::read_to_string(&config).expect("it is written");
        std::fs::write(&config, text + "[market_data]\n" + market_data).expect("it is ours");
        let mut appliance = Appliance::new(config);
        appliance.start();
        let running = Self { appliance, folder, entry };
        running.client(&["load", "--rate", "20000", "--orders", &orders.to_string()]);
        running
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Does what a client is told to.
    pub(crate) fn client(&self, words: &[&str]) {
        let output = self.said(words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Sends orders into books that are not empty: what trades is not what a flow alone makes of
    /// it, and nobody asks.
    pub(crate) fn load(&self, rate: u32, orders: u32) {
        self.said(&["load", "--rate", &rate.to_string(), "--orders", &orders.to_string()]);
    }

    fn said(&self, words: &[&str]) -> Output {
        let gateway = self.entry.to_string();
        Command::new(env!("CARGO_BIN_EXE_wirematch"))
            .args(["client", "--gateway", &gateway, "--session", "3", "--key", "test-key-3"])
            .args(words)
            .output()
            .expect("the binary starts")
    }
}

/// All that a SoupBinTCP server says to a login, until it ends the session.
fn all_of(address: SocketAddrV4, login: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("it has time-outs");
    stream.write_all(login).expect("it takes it");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("it ends");
    bytes
}

/// A TCP segment as a frame; its checksums are not looked at.
fn segment(from: u16, to: u16, seq: usize, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let length = (40 + payload.len()) as u16;
    frame.extend_from_slice(&[0x45, 0]);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 1]);
    frame.extend_from_slice(&from.to_be_bytes());
    frame.extend_from_slice(&to.to_be_bytes());
    frame.extend_from_slice(&(seq as u32 + 1).to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    frame.extend_from_slice(payload);
    frame
}

/// Type and length of each packet in a capture, as tshark reads them; nothing where it is absent.
fn read_by_tshark(file: &Path) -> Option<Vec<(String, usize)>> {
    let fields = ["soupbintcp.packet_type", "soupbintcp.packet_length"];
    let output = Command::new("tshark")
        .arg("-r")
        .arg(file)
        .args(["-n", "-d", "tcp.port==9701,soupbintcp", "-T", "fields", "-E", "occurrence=a"])
        .args(["-e", fields[0], "-e", fields[1]])
        .output();
    let Ok(output) = output else {
        println!("skipped: tshark is not installed");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).expect("text");
    let rows =
        said.lines().filter_map(|line| line.split_once('\t')).flat_map(|(kinds, lengths)| {
            let lengths = lengths.split(',').filter_map(|text| text.trim().parse().ok());
            kinds.split(',').map(str::to_owned).zip(lengths).collect::<Vec<_>>()
        });
    Some(rows.collect())
}

#[test]
fn wireshark_reads_our_snapshots_and_logins() {
    let snapshots = free_tcp();
    let mut running = Running::new(&format!("snapshots = \"{snapshots}\"\n"), 1_000);
    let mut login = Vec::new();
    Packet::Login(Login::new("user", "pass", 1)).write(&mut login);
    let bytes = all_of(snapshots, &login);
    let file = running.folder.path().join("soup.pcap");
    let mut pcap = Writer::create(&file, u64::MAX).expect("a file");
    pcap.write(Nanos(1), &segment(5555, 9701, 0, &login));
    let mut ours = vec![("'L'".to_owned(), login.len() - 2)];
    let (mut rest, mut part) = (&bytes[..], 0);
    while let Some((_, length)) = Packet::parse(rest).expect("our packets are good") {
        ours.push((format!("'{}'", char::from(rest[2])), length - 2));
        rest = &rest[length..];
        // A segment ends where a packet does: what is on trial is not how TCP is put together.
        let end = bytes.len() - rest.len();
        if end - part > 700 || rest.is_empty() {
            pcap.write(Nanos(2 + end as u64), &segment(9701, 5555, part, &bytes[part..end]));
            part = end;
        }
    }
    pcap.flush();
    assert!(rest.is_empty() && ours.len() > 50, "{} packets", ours.len());
    if let Some(theirs) = read_by_tshark(&file) {
        assert_eq!(theirs, ours);
    }
    assert!(running.appliance.stop().success());
}

/// A Redis of our own, gone with this.
struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Redis {
    fn start(address: SocketAddrV4, folder: &Path) -> Option<Self> {
        let port = address.port().to_string();
        let server = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder)
            .stdout(Stdio::null())
            .spawn();
        let Ok(server) = server else {
            println!("skipped: there is no redis-server");
            return None;
        };
        let redis = Self(server);
        eventually("a Redis", || TcpStream::connect(address).is_ok());
        Some(redis)
    }
}

/// What a Redis answers, as it stands on the line.
fn asked(address: SocketAddrV4, command: &str) -> String {
    let mut line = TcpStream::connect(address).expect("it listens");
    line.set_read_timeout(Some(Duration::from_secs(60))).expect("it has time-outs");
    line.write_all(format!("{command}\r\n").as_bytes()).expect("it takes it");
    let mut room = [0; 4096];
    let count = line.read(&mut room).expect("it answers");
    String::from_utf8_lossy(&room[..count]).into_owned()
}

#[test]
fn a_redis_has_the_tops_for_a_second_and_no_longer() {
    let (address, folder) = (free_tcp(), tempfile::tempdir().expect("a folder"));
    let Some(_redis) = Redis::start(address, folder.path()) else { return };
    let websocket = free_tcp();
    let keys = format!("redis = \"{address}\"\nwebsocket = \"{websocket}\"\n");
    let mut running = Running::new(&keys, 400);
    let top = || asked(address, "GET wirematch:top:ACME");
    eventually("a top", || top().contains("\"type\":\"top\""));
    let left = asked(address, "PTTL wirematch:top:ACME");
    let left: i64 = left.trim().trim_start_matches(':').parse().expect("milliseconds");
    assert!((-2..=1000).contains(&left), "an entry of a second: {left}");
    // It is the same as in the process, and is renewed while the books are followed.
    std::thread::sleep(Duration::from_millis(1_500));
    let mut stream = TcpStream::connect(websocket).expect("it listens");
    let ask = "GET /top/ACME HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(ask.as_bytes()).expect("it takes it");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    let body = text.split("\r\n\r\n").nth(1).unwrap_or("?").to_owned();
    eventually("the same", || top().contains(&body));
    running.appliance.kill();
    eventually("an end of it", || top().starts_with("$-1"));
}

#[test]
fn a_journal_played_again_is_the_feed_it_was() {
    let rewinder = free_tcp();
    let mut running = Running::new(&format!("rewinder = \"{rewinder}\"\n"), 600);
    let (data, config) = (running.folder.path().join("data"), running.appliance.config.clone());
    let play = |to: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_wirematch"))
            .args(["feed", "play", "--speed", "0", "--to", to, "--config"])
            .args([&config, &data])
            .output()
            .expect("the binary starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let checked = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["feed", "check", "--json", "--config"])
        .args([&config, &data])
        .output()
        .expect("the binary starts");
    let row: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap_or_default();
    let adds = |of: &str| row[of]["A"].as_u64().unwrap_or(0);
    assert!(checked.status.success() && adds("read") > 100, "{row}");
    assert_eq!(row["read"], row["messages"], "a journal lacks nothing");
    let ear = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
    ear.set_read_timeout(Some(Duration::from_millis(500))).expect("it has time-outs");
    let to = ear.local_addr().expect("it is bound").to_string();
    let mut arbiter = Arbiter::new(ArbiterOptions::default());
    let mut played = Books::new(&SYMBOLS, 10_000, 1_000);
    assert!(running.appliance.stop().success());
    // A busy machine may lose datagrams of one, and of the next others: two lines of one feed.
    for line in 0..2 {
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| play(&to));
            let mut room = [0; 2048];
            loop {
                let Ok(count) = ear.recv(&mut room) else {
                    match sender.is_finished() {
                        true => break,
                        false => continue,
                    }
                };
                let packet =
                    wirematch::wire::session::Packet::parse(&room[..count], Message::LENGTH_MAX);
                let packet = packet.expect("a good packet");
                arbiter.receive(Some(line), &packet, Nanos(1), |_, bytes| {
                    played.apply(bytes).expect("it can be");
                });
            }
        });
    }
    assert_eq!(arbiter.missing(), 0);
    // The appliance, started again, tells the same day.
    running.appliance.start();
    let mut whole = Books::new(&SYMBOLS, 10_000, 1_000);
    let (mut number, last) = (0, arbiter.expected() - 1);
    soup(rewinder, 1, |message| {
        number += 1;
        whole.apply(message).expect("it can be");
        number < last
    });
    let books = |books: &Books| books.snapshot(|place| place as u16 + 1);
    assert!(whole.orders() > 0);
    assert_eq!(books(&played), books(&whole));
    assert!(running.appliance.stop().success());
}
