//! What `wirematch feed` and `wirematch ticker` say, against an exchange whose day is known.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use wirematch::feed::Books;
use wirematch::feed::exchange::Exchange;
use wirematch::model::Nanos;
use wirematch::port::pcap::Writer;
use wirematch::wire::ethernet::Mac;
use wirematch::wire::itch::Message;
use wirematch::wire::session::PacketWriter;
use wirematch::wire::udp::{HEADERS, Route, seal};

use crate::process::free_address;
use crate::{SYMBOLS, bytes_of, eventually};

/// A day of an exchange, as its packets, and what becomes of it.
struct Day {
    packets: Vec<(u64, Vec<Vec<u8>>)>,
    books: Books,
}

impl Day {
    /// Of so many packets of up to eight messages.
    fn new(seed: u64, count: u64) -> Self {
        let mut exchange = Exchange::new(seed, &SYMBOLS, 3_000_000, 100);
        let (mut books, mut packets) = (Books::new(&SYMBOLS, 1_000, 1_000), Vec::new());
        let mut number = 1;
        for at in 0..count {
            let size = 1 + (seed + at) % 8;
            let messages: Vec<Message> = (0..size).map(|_| exchange.next_message()).collect();
            messages.iter().for_each(|of| _ = books.apply_message(of).expect("it can be"));
            packets.push((number, messages.iter().map(bytes_of).collect()));
            number += size;
        }
        Self { packets, books }
    }

    fn messages(&self) -> u64 {
        self.packets.iter().map(|(_, messages)| messages.len() as u64).sum()
    }

    /// The packets that `is_there` names as a capture, a millisecond between them.
    fn write(&self, into: &Path, is_there: impl Fn(usize) -> bool) {
        let mut file = Writer::create(into, u64::MAX).expect("a file");
        for (at, (number, messages)) in self.packets.iter().enumerate() {
            if is_there(at) {
                let frame = frame(*number, messages);
                file.write(Nanos(1_700_000_000_000_000_000 + at as u64 * 1_000_000), &frame);
            }
        }
        file.flush();
    }
}

fn frame(number: u64, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; HEADERS + 1400];
    let mut writer =
        PacketWriter::new(&mut bytes[HEADERS..], *b"TOOLS00001", number).expect("room");
    messages.iter().for_each(|message| assert!(writer.push(message)));
    let length = writer.finish();
    bytes.truncate(HEADERS + length);
    let (from, to) = ("10.0.0.9:26400".parse(), "239.1.1.1:26400".parse());
    let (from, to): (std::net::SocketAddrV4, _) = (from.expect("one"), to.expect("one"));
    let route =
        Route { from_mac: Mac::local(*from.ip()), to_mac: Mac([1, 0, 94, 1, 1, 1]), from, to };
    assert!(seal(&mut bytes, length, &route));
    bytes
}

fn wirematch(words: &[&str], files: &[&PathBuf]) -> Output {
    let binary = env!("CARGO_BIN_EXE_wirematch");
    Command::new(binary).args(words).args(files).output().expect("the binary starts")
}

fn checked(words: &[&str], files: &[&PathBuf]) -> (i32, serde_json::Value) {
    let output = wirematch(&[&["feed", "check", "--json"], words].concat(), files);
    let row = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().expect("it ends"), row)
}

/// Numbers of the packets that are not there, as ranges: neighbours make one.
fn gaps(day: &Day, is_there: impl Fn(usize) -> bool) -> Vec<(u64, u64)> {
    let mut gaps: Vec<(u64, u64)> = Vec::new();
    for (at, (number, messages)) in day.packets.iter().enumerate().filter(|(at, _)| !is_there(*at))
    {
        let last = number + messages.len() as u64 - 1;
        match gaps.last_mut().filter(|gap| gap.1 + 1 == *number) {
            Some(gap) => gap.1 = last,
            None => gaps.push((*number, last)),
        }
        assert!(at + 1 < day.packets.len(), "nobody knows of what is missing at the end");
    }
    gaps
}

#[test]
fn captures_are_checked_as_lines_of_one_feed() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b] = ["a.pcap", "b.pcap"].map(|name| folder.path().join(name));
    for seed in 1..=4 {
        let day = Day::new(seed, 150);
        // Each packet is on one line at least, the last on both.
        let dice = |at: usize| (at as u64 * 0x9e37_79b9 + seed * 77) >> 7 & 7;
        let on_a = |at: usize| at == 149 || at > 2 && dice(at) != 1 && dice(at) != 2;
        let on_b = |at: usize| at == 149 || !on_a(at) || dice(at) != 3;
        day.write(&a, on_a);
        day.write(&b, on_b);
        let (code, row) = checked(&[], &[&a, &b]);
        assert_eq!((code, &row["good"]), (0, &true.into()), "{row}");
        assert_eq!(
            row["messages"]
                .as_object()
                .map(|kinds| { kinds.values().filter_map(serde_json::Value::as_u64).sum::<u64>() }),
            Some(day.messages())
        );
        // One line alone lacks what the other has; it says which numbers.
        let (code, row) = checked(&[], &[&a]);
        let expected: Vec<_> = gaps(&day, on_a).iter().map(|(from, to)| [*from, *to]).collect();
        assert_eq!((code, &row["gaps"]), (3, &serde_json::json!(expected)), "{row}");
        assert_eq!(row["broken"], 0);
        // As a part of a day that is no fault; what is missing is told all the same.
        let (code, row) = checked(&["--partial"], &[&a]);
        let within: Vec<_> = expected.iter().filter(|gap| gap[0] > 1).collect();
        assert_eq!((code, &row["gaps"]), (0, &serde_json::json!(within)), "{row}");
    }
}

#[test]
fn a_capture_that_is_broken_or_absent_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let [good, bad, two] = ["good.pcap", "bad.pcap", "two.pcap"].map(|of| folder.path().join(of));
    let mut day = Day::new(5, 20);
    day.write(&good, |_| true);
    day.packets[3].1[0][0] = b'~';
    day.write(&bad, |_| true);
    let (code, row) = checked(&["--partial"], &[&bad]);
    assert_eq!((code, &row["broken"]), (3, &1.into()), "{row}");
    // One that has nothing in it is not good for want of faults.
    day.write(&two, |_| false);
    let (code, row) = checked(&["--partial"], &[&two]);
    assert_eq!((code, &row["good"], &row["packets"]), (3, &false.into(), &0.into()), "{row}");
    std::fs::remove_file(&two).expect("it is ours");
    let output = wirematch(&["feed", "check", "--apart"], &[&good, &bad]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!((output.status.code(), said.lines().count()), (Some(3), 2), "{said}");
    assert_eq!(checked(&[], &[&two]).0, 2, "it is not there");
    // A file that is cut short is read as far as it goes, or refused: never taken for whole.
    let bytes = std::fs::read(&good).expect("it is there");
    std::fs::write(&two, &bytes[..bytes.len() - 7]).expect("it is ours");
    assert_ne!(checked(&[], &[&two]).1["messages"], checked(&[], &[&good]).1["messages"]);
}

#[test]
fn real_captures_are_good_each_on_its_own() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let shared = std::env::var_os("WIREMATCH_SHARED").map_or_else(beside, PathBuf::from);
    let folder = shared.join("captures/nasdaq-itch-5.0");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return println!("skipped: {} is not there", folder.display());
    };
    let files: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    let files: Vec<_> =
        files.iter().filter(|path| path.extension().is_some_and(|of| of == "pcap")).collect();
    let output = wirematch(&["feed", "check", "--apart", "--partial", "--json"], &files);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.lines().count() == files.len(), "{said}");
    let mut read = BTreeMap::<String, u64>::new();
    for line in said.lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("an object a line");
        let kinds = row["read"].as_object().expect("kinds");
        for (kind, count) in kinds {
            *read.entry(kind.clone()).or_default() += count.as_u64().expect("a count");
        }
    }
    let kinds: String = read.keys().map(String::as_str).collect();
    assert_eq!((kinds.as_str(), read.values().sum::<u64>()), ("ACDEFHIJLPQSUXY", 71), "{read:?}");
}

#[test]
fn the_ticker_shows_what_the_books_come_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let [a, b] = ["a.pcap", "b.pcap"].map(|name| folder.path().join(name));
    let day = Day::new(9, 200);
    day.write(&a, |at| at % 3 != 1);
    day.write(&b, |at| at % 3 != 2);
    let pcaps = ["--pcap", &a.to_string_lossy(), "--pcap", &b.to_string_lossy()].map(str::to_owned);
    let ticker = |more: &[&str]| {
        let words: Vec<&str> =
            ["ticker"].into_iter().chain(pcaps.iter().map(String::as_str)).collect();
        let output = wirematch(&[&words, more].concat(), &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let mut last = BTreeMap::new();
    let json = ticker(&["--format", "json"]);
    for line in json.lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("an object a line");
        last.insert(row["symbol"].as_str().expect("a name").to_owned(), row);
    }
    for (place, symbol) in SYMBOLS.iter().enumerate() {
        let book = day.books.book(place).expect("it is followed");
        let row = &last[String::from_utf8_lossy(symbol).trim_end()];
        let price = |level: Option<wirematch::feed::Level>| {
            let price = level.map(|of| wirematch::model::Price(of.price.into()).to_string());
            (price.unwrap_or_default(), level.map_or(0, |of| of.shares))
        };
        let said = |price: &str, shares: &str| {
            (row[price].as_str().unwrap_or("?").to_owned(), row[shares].as_u64().unwrap_or(0))
        };
        assert_eq!(said("bid", "bid_shares"), price(book.top().bid), "{row}");
        assert_eq!(said("ask", "ask_shares"), price(book.top().ask), "{row}");
        assert_eq!(row["last_shares"].as_u64(), Some(book.last.shares));
    }
    let tsv = ticker(&["--format", "tsv"]);
    assert_eq!(tsv.lines().count(), json.lines().count());
    assert!(tsv.lines().all(|line| line.split('\t').count() == 11), "{tsv}");
    assert!(tsv.lines().all(|line| line.ends_with("\twhole")), "{tsv}");
    let text = ticker(&["ACME"]);
    assert!(text.lines().count() > 5 && text.lines().all(|line| line.contains("ACME")), "{text}");
    // Who joins in the middle of a day has no whole books for long, and says so.
    [&a, &b].into_iter().for_each(|file| day.write(file, |at| at > 100));
    let tsv = ticker(&["--format", "tsv"]);
    let last = tsv.lines().last().unwrap_or_default();
    assert!(last.ends_with("\tpart"), "{tsv}");
}

#[test]
fn what_is_played_is_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let [played, heard] = ["played.pcap", "heard.pcap"].map(|name| folder.path().join(name));
    let day = Day::new(3, 120);
    day.write(&played, |_| true);
    let (to, mut recorded) = (free_address(), (0, serde_json::Value::Null));
    let (address, file) = (to.to_string(), heard.to_string_lossy().into_owned());
    // A datagram may be lost where the machine is busy; played again, the other fills the gap.
    let words = ["feed", "record", &file, "--listen", &address, "--seconds", "3"];
    std::thread::scope(|scope| {
        let record = scope.spawn(|| wirematch(&words, &[]));
        eventually("somebody listens", || UdpSocket::bind(to).is_err());
        let from = played.to_string_lossy().into_owned();
        for speed in ["1", "0"] {
            let clock = wirematch::runtime::SystemClock::new();
            let now = || wirematch::runtime::Clock::now(&clock);
            let began = now();
            let output =
                wirematch(&["feed", "play", &from, "--to", &address, "--speed", speed], &[]);
            let span = now().saturating_sub(began);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert!(speed == "0" || span >= Nanos(119_000_000), "faster than it was: {span}");
        }
        assert!(record.join().expect("it ends").status.success());
        recorded = checked(&[], &[&heard]);
    });
    let (code, row) = recorded;
    assert_eq!((code, &row["missing"]), (0, &0.into()), "{row}");
    assert!(row["packets"].as_u64() > Some(120), "both times: {row}");
}
