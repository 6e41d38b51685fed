//! WebSocket clients of every kind: of bytes, of some channels, of nothing any more.

use std::collections::BTreeMap;
use std::net::TcpStream;

use wirematch::feed::{Books, Level};
use wirematch::wire::soupbintcp::snapshot_ends;

use crate::out::Running;
use crate::{SYMBOLS, ask, free_tcp, said, soup, told, upgraded};

/// Takes the front off bytes, as a number.
fn number(bytes: &mut &[u8], length: usize) -> u64 {
    let (front, rest) = bytes.split_at(length);
    *bytes = rest;
    front.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Changes levels as a binary frame says; without shares they are gone.
fn change(bytes: &mut &[u8], levels: &mut BTreeMap<u64, u64>) {
    for _ in 0..number(bytes, 1) {
        let (price, shares) = (number(bytes, 4), number(bytes, 8));
        match shares {
            0 => levels.remove(&price),
            _ => levels.insert(price, shares),
        };
    }
}

#[test]
fn who_reads_bytes_has_the_book_and_knows_whose_it_is() {
    let (websocket, snapshots) = (free_tcp(), free_tcp());
    let keys = format!("websocket = \"{websocket}\"\nsnapshots = \"{snapshots}\"\n");
    let mut running = Running::new(&keys, 400);
    let mut stream = upgraded(websocket, "/ws?format=binary");
    ask(&mut stream, r#"{"subscribe":["BOLT","ACME"],"channels":["depth"]}"#);
    let (mut symbols, mut books) = (BTreeMap::new(), BTreeMap::new());
    let mut take = |frame: &[u8]| {
        let rest = &mut &frame[..];
        let (kind, instrument) = (number(rest, 1) as u8, number(rest, 2));
        let (number_of, at) = (number(rest, 8), number(rest, 8));
        assert!(number_of > 0 && at > 0, "{frame:?}");
        let book: &mut [BTreeMap<u64, u64>; 2] = books.entry(instrument).or_default();
        match kind {
            b'S' => {
                symbols.insert(rest[..8].to_vec(), instrument);
                *rest = &rest[8..];
                *book = Default::default();
            }
            b'D' => assert!(symbols.values().any(|known| *known == instrument)),
            other => panic!("a {} where depth was asked for", char::from(other)),
        }
        book.iter_mut().for_each(|side| change(rest, side));
        assert_eq!(rest.len(), usize::from(kind == b'S'), "the state, and nothing more");
        (symbols.clone(), books.clone())
    };
    (0..2).for_each(|_| _ = take(&told(&mut stream).expect("snapshots")));
    running.load(5_000, 2_000);
    let mut truth = Books::new(&SYMBOLS, 10_000, 1_000);
    soup(snapshots, 1, |message| {
        let is_end = snapshot_ends(message).is_some();
        if !is_end {
            truth.apply(message).expect("it can be");
        }
        !is_end
    });
    let sides = |place: usize| {
        let book = truth.book(place).expect("it is listed");
        let side = |levels: &mut dyn Iterator<Item = Level>| {
            levels.take(10).map(|of| (of.price.into(), of.shares)).collect::<BTreeMap<_, _>>()
        };
        [side(&mut book.bids()), side(&mut book.asks())]
    };
    let expected = [sides(0), sides(1)];
    loop {
        let (symbols, books) = take(&told(&mut stream).expect("it goes on until it is the same"));
        if [0, 1].map(|place| books[&symbols[&SYMBOLS[place][..]]].clone()) == expected {
            break;
        }
    }
    assert!(running.appliance.stop().success());
}

/// What kinds of messages come of which symbols, until one of a symbol that is not a snapshot.
fn kinds_until(stream: &mut TcpStream, symbol: &str) -> Vec<(String, String)> {
    let mut kinds = Vec::new();
    loop {
        let message: serde_json::Value = serde_json::from_str(&said(stream)).expect("JSON");
        let of = |field: &str| message[field].as_str().unwrap_or_default().to_owned();
        kinds.push((of("type"), of("symbol")));
        if of("symbol") == symbol && of("type") != "snapshot" {
            return kinds;
        }
    }
}

#[test]
fn a_client_is_told_what_it_asked_for_and_no_more() {
    let websocket = free_tcp();
    let mut running = Running::new(&format!("websocket = \"{websocket}\"\n"), 1);
    let enter = |asked: &str| {
        let mut stream = upgraded(websocket, "/ws");
        ask(&mut stream, asked);
        assert!(said(&mut stream).contains("\"type\":\"snapshot\""));
        stream
    };
    let mut trades = enter(r#"{"subscribe":["CRUX"],"channels":["trades"]}"#);
    let mut all = enter(r#"{"subscribe":["CRUX"]}"#);
    running.client(&["order", "buy", "10", "CRUX", "299.00"]);
    running.client(&["order", "buy", "10", "CRUX", "298.00"]);
    running.client(&["order", "sell", "10", "CRUX", "299.00"]);
    let trade = ("trade".to_owned(), "CRUX".to_owned());
    assert_eq!(kinds_until(&mut trades, "CRUX"), std::slice::from_ref(&trade));
    let mut kinds = Vec::new();
    while !kinds.contains(&trade) {
        kinds.extend(kinds_until(&mut all, "CRUX"));
    }
    assert!(kinds.iter().any(|(kind, _)| kind == "depth"), "{kinds:?}");
    // Of what is no longer wanted nothing comes, while what is does.
    let mut stream = enter(r#"{"subscribe":["DYNE"]}"#);
    ask(&mut stream, r#"{"unsubscribe":["DYNE"],"subscribe":["BOLT"]}"#);
    assert!(said(&mut stream).contains("\"symbol\":\"BOLT\""));
    running.client(&["order", "buy", "10", "DYNE", "299.00"]);
    running.client(&["order", "buy", "10", "BOLT", "299.00"]);
    let kinds = kinds_until(&mut stream, "BOLT");
    assert!(kinds.iter().all(|(_, symbol)| symbol == "BOLT"), "{kinds:?}");
    // What cannot be read, or is not there, is answered and ends nothing.
    for (asked, answer) in [
        (r#"{"subscribe":["NONE"]}"#, "no such instrument: NONE"),
        (r#"{"subscribe":["BOLT"],"channels":["all"]}"#, "channels are"),
        ("what?", "this cannot be read"),
    ] {
        ask(&mut stream, asked);
        // What was on its way comes first.
        let mut text = said(&mut stream);
        while !text.contains("\"type\":\"error\"") {
            text = said(&mut stream);
        }
        assert!(text.contains(answer), "{text}");
    }
    assert!(running.appliance.stop().success());
}
