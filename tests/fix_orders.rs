//! What a client is told of its orders, by version: the standard's order state changes as tables,
//! run through the real way in, the real matching and the real way out.
//!
//! A line `> …` is what a client does, `< …` what it must be told. The other side's orders come
//! from a second client, `other`, and its reports are not looked at.

use wirematch::engine::{EngineLimits, Matcher, SoftwareMatcher};
use wirematch::model::{
    AccountId, Event, Group, Head, Instrument, InstrumentId, Nanos, Price, Quantity, Request,
    SelfTrade, SeqNo, SessionId, Symbol,
};
use wirematch::wire::fix::dictionary::Validator;
use wirematch::wire::fix::frame::{Framing, frame};
use wirematch::wire::fix::order::{Asked, Directory, Orders, Sender, decode};
use wirematch::wire::fix::value::Precision;
use wirematch::wire::fix::{Indexer, Version, Writer};

struct Names;

impl Directory for Names {
    fn instrument(&self, symbol: &[u8]) -> Option<InstrumentId> {
        (symbol == b"ABC").then_some(InstrumentId(1))
    }

    fn symbol(&self, _: InstrumentId) -> [u8; 8] {
        *b"ABC     "
    }

    fn account(&self, _: &[u8]) -> Option<AccountId> {
        None
    }
}

/// A client, its orders and what it was told.
struct Client {
    session: SessionId,
    orders: Orders,
    seq: u32,
    told: Vec<String>,
}

struct Market {
    version: Version,
    matcher: SoftwareMatcher,
    clients: [Client; 2],
    seq: u64,
}

const HEAD: &str = "49=A|56=B|52=20261122-10:00:00|";

impl Market {
    fn new(version: Version) -> Self {
        let instrument = Instrument {
            id: InstrumentId(1),
            symbol: Symbol::new("ABC").expect("a good name"),
            tick: Price(100),
            lot: Quantity(1),
            reference_price: Price(100_000),
        };
        let limits = EngineLimits { orders_max: 1000, ..EngineLimits::DEFAULT };
        let matcher = SoftwareMatcher::new(limits, &[instrument]).expect("good limits");
        let client = |session| Client {
            session: SessionId(session),
            orders: Orders::new(version, 64, 7),
            seq: 1,
            told: Vec::new(),
        };
        Self { version, matcher, clients: [client(1), client(2)], seq: 0 }
    }

    /// A client sends a message.
    fn send(&mut self, which: usize, body: &str) {
        let version = self.version;
        let client = &mut self.clients[which];
        client.seq += 1;
        let kind = body.split('|').next().unwrap_or("");
        let rest = &body[kind.len() + 1..];
        let bytes = framed(version, &format!("{kind}|{HEAD}34={}|{rest}", client.seq));
        let Framing::Whole(found) = frame(&bytes) else { panic!("not framed: {body}") };
        let (dictionary, mut indexer) = (version.dictionary(), Indexer::new());
        let message = indexer.read(&bytes, &found, dictionary).expect("not garbled");
        let checked = Validator::new(dictionary).check(&message, dictionary);
        assert_eq!(checked, Ok(()), "{version:?} {body}");
        let sender = Sender {
            session: client.session,
            default_account: AccountId(client.session.0),
            self_trade: SelfTrade::Allow,
            client_seq: client.seq,
            received_at: Nanos(1),
        };
        match decode(&message, &sender, &Names, &client.orders) {
            Asked::Request(group) => {
                client.orders.note(&group, &group.head.0);
                self.execute(&group);
            }
            Asked::Status(id, _) => {
                let report = client.orders.status(&id);
                self.tell(which, b"8", &mut |writer| {
                    report.write(version, &Names, Precision::Millis, writer);
                });
            }
            other => panic!("{other:?}"),
        }
    }

    /// Puts a request in its place, matches it and tells everybody.
    fn execute(&mut self, request: &Group<Request>) {
        self.seq += 1;
        let command = request.head.0;
        let head = Request(command).sequenced(SeqNo(self.seq), Nanos(1_795_342_272_000_000_000));
        let mut group = Group::new(head);
        let lines = group.head.lines() - 1;
        group.rest_mut()[..lines].copy_from_slice(request.rest());
        self.matcher.submit(&group).expect("room");
        let mut events: Vec<Event> = Vec::new();
        self.matcher.drain(usize::MAX, &mut |event| events.push(*event));
        let version = self.version;
        for event in events {
            let Some(which) = self.clients.iter().position(|c| c.session == event.session) else {
                continue;
            };
            if let Some(report) = self.clients[which].orders.apply(&event) {
                self.tell(which, report.kind(), &mut |writer| {
                    report.write(version, &Names, Precision::Millis, writer);
                });
            }
        }
        while self.matcher.wants_sweep() {
            let sweep = Request::new(wirematch::model::CommandKind::Sweep, Nanos(1));
            self.execute(&Group::new(sweep));
        }
    }

    /// Writes a report, holds it against the dictionary and notes what the tables look at.
    fn tell(&mut self, which: usize, kind: &[u8], fill: &mut dyn FnMut(&mut Writer<'_>)) {
        let mut buffer = [0; 4096];
        let mut writer = Writer::new(&mut buffer);
        writer.bytes(35, kind);
        writer.raw(b"49=B\x0156=A\x0134=1\x0152=20261122-10:00:00\x01");
        fill(&mut writer);
        let range = writer.seal(self.version.begin_string()).expect("it fits");
        let bytes = &buffer[range];
        let Framing::Whole(found) = frame(bytes) else { panic!("not framed") };
        let (dictionary, mut indexer) = (self.version.dictionary(), Indexer::new());
        let message = indexer.read(bytes, &found, dictionary).expect("not garbled");
        let checked = Validator::new(dictionary).check(&message, dictionary);
        assert_eq!(checked, Ok(()), "{message}");
        let get = |tag| message.get(tag).map(|v| String::from_utf8_lossy(v).into_owned());
        let shown = |tags: &[u32]| {
            let fields = tags.iter().filter_map(|&tag| Some(format!("{tag}={}", get(tag)?)));
            fields.collect::<Vec<_>>().join(" ")
        };
        if kind == b"8" {
            let number = |tag| get(tag).and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
            let status = get(39).unwrap_or_default();
            if matches!(status.as_str(), "2" | "4" | "8" | "C") {
                assert_eq!(number(151), 0, "a finished order has nothing left: {message}");
            } else {
                assert_eq!(number(38), number(14) + number(151), "{message}");
            }
        }
        let tags = match kind {
            b"8" => &[20, 150, 39, 11, 41, 38, 14, 151, 32, 31, 6, 103][..],
            b"9" => &[434, 102, 39, 11, 41][..],
            _ => &[11, 530, 531, 532][..],
        };
        let kind = String::from_utf8_lossy(kind);
        self.clients[which].told.push(format!("{kind} {}", shown(tags)));
    }
}

fn framed(version: Version, body: &str) -> Vec<u8> {
    let body = body.replace('|', "\u{1}");
    let text = format!("8={}\u{1}9={}\u{1}{body}", version.begin_string(), body.len());
    let sum = text.bytes().fold(0u8, u8::wrapping_add);
    format!("{text}10={sum:03}\u{1}").into_bytes()
}

/// `buy a 100@10 tif` as a new order, `replace b a 50@10`, `cancel c a`, `status a`, `mass m`.
fn body_of(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let time = "60=20261122-10:00:00";
    let terms = |word: &str| match word.split_once('@') {
        Some((quantity, price)) => format!("38={quantity}|40=2|44={price}"),
        None => format!("38={word}|40=1"),
    };
    let rest = words.get(3).map_or(String::new(), |extra| format!("|{extra}"));
    match words[..] {
        [side @ ("buy" | "sell"), id, order, ..] => {
            let side = if side == "buy" { 1 } else { 2 };
            let order = terms(order);
            format!("35=D|11={id}|21=1|55=ABC|54={side}|{time}|{order}{rest}|")
        }
        ["replace", id, old, order] => {
            let order = terms(order);
            format!("35=G|11={id}|41={old}|21=1|55=ABC|54=1|{time}|{order}|")
        }
        ["cancel", id, old] => {
            format!("35=F|11={id}|41={old}|55=ABC|54=1|{time}|38=1|")
        }
        ["status", id] => format!("35=H|11={id}|55=ABC|54=1|"),
        ["mass", id] => format!("35=q|11={id}|530=7|{time}|"),
        _ => panic!("`{line}` is no line of a table"),
    }
}

/// Runs a table for a version; `<4 …` lines are for 4.2 alone, `<5 …` for the later ones.
fn run(version: Version, table: &str) {
    let mut market = Market::new(version);
    let mut expected: Vec<&str> = Vec::new();
    let check = |market: &mut Market, expected: &mut Vec<&str>, at: usize| {
        let told = std::mem::take(&mut market.clients[0].told);
        assert_eq!(told, *expected, "{version:?}, before line {at} of {table}");
        expected.clear();
    };
    for (at, line) in table.lines().map(str::trim).enumerate() {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        match mark {
            ">" | "other" => {
                check(&mut market, &mut expected, at);
                market.send(usize::from(mark == "other"), &body_of(rest));
            }
            "<" => expected.push(rest),
            "<4" if version == Version::Fix42 => expected.push(rest),
            "<5" if version != Version::Fix42 => expected.push(rest),
            "" | "#" | "<4" | "<5" => {}
            _ => panic!("`{line}` is no line of a table"),
        }
    }
    check(&mut market, &mut expected, table.lines().count());
}

fn run_all(table: &str) {
    Version::ALL.into_iter().for_each(|version| run(version, table));
}

#[test]
fn vanilla_filled_in_parts() {
    run_all(
        "> buy a 100@10
        <4 8 20=0 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        <5 8 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        other sell x 20@10
        <4 8 20=0 150=1 39=1 11=a 38=100 14=20 151=80 32=20 31=10 6=10
        <5 8 150=F 39=1 11=a 38=100 14=20 151=80 32=20 31=10 6=10
        other sell y 80@9
        <4 8 20=0 150=2 39=2 11=a 38=100 14=100 151=0 32=80 31=10 6=10
        <5 8 150=F 39=2 11=a 38=100 14=100 151=0 32=80 31=10 6=10",
    );
}

#[test]
fn rejected_and_duplicate_orders() {
    run_all(
        "> buy a 100@10.001
        <4 8 20=0 150=8 39=8 11=a 38=100 14=0 151=0 6=0 103=0
        <5 8 150=8 39=8 11=a 38=100 14=0 151=0 6=0 103=99
        > buy b 100@10
        <4 8 20=0 150=0 39=0 11=b 38=100 14=0 151=100 6=0
        <5 8 150=0 39=0 11=b 38=100 14=0 151=100 6=0
        > buy b 50@10
        <4 8 20=0 150=8 39=8 11=b 38=50 14=0 151=0 6=0 103=6
        <5 8 150=8 39=8 11=b 38=50 14=0 151=0 6=0 103=6
        > cancel c b
        <4 8 20=0 150=4 39=4 11=c 41=b 38=100 14=0 151=0 6=0
        <5 8 150=4 39=4 11=c 41=b 38=100 14=0 151=0 6=0",
    );
}

#[test]
fn cancelled_before_during_and_after_fills() {
    run_all(
        "> cancel c none
        <4 9 434=1 102=1 39=8 11=c 41=c
        <5 9 434=1 102=1 39=8 11=c 41=c
        > buy a 100@10
        <4 8 20=0 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        <5 8 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        other sell x 60@10
        <4 8 20=0 150=1 39=1 11=a 38=100 14=60 151=40 32=60 31=10 6=10
        <5 8 150=F 39=1 11=a 38=100 14=60 151=40 32=60 31=10 6=10
        > cancel d a
        <4 8 20=0 150=4 39=4 11=d 41=a 38=100 14=60 151=0 6=10
        <5 8 150=4 39=4 11=d 41=a 38=100 14=60 151=0 6=10
        > cancel e a
        <4 9 434=1 102=0 39=4 11=e 41=a
        <5 9 434=1 102=0 39=4 11=e 41=a
        > buy f 10@10
        <4 8 20=0 150=0 39=0 11=f 38=10 14=0 151=10 6=0
        <5 8 150=0 39=0 11=f 38=10 14=0 151=10 6=0
        other sell y 10@10
        <4 8 20=0 150=2 39=2 11=f 38=10 14=10 151=0 32=10 31=10 6=10
        <5 8 150=F 39=2 11=f 38=10 14=10 151=0 32=10 31=10 6=10
        > cancel g f
        <4 9 434=1 102=0 39=2 11=g 41=f
        <5 9 434=1 102=0 39=2 11=g 41=f",
    );
}

#[test]
fn replaced_up_down_and_to_what_was_executed() {
    run_all(
        "> buy a 100@10
        <4 8 20=0 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        <5 8 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        > replace b a 110@10
        <4 8 20=0 150=5 39=5 11=b 41=a 38=110 14=0 151=110 6=0
        <5 8 150=5 39=0 11=b 41=a 38=110 14=0 151=110 6=0
        other sell x 20@10
        <4 8 20=0 150=1 39=1 11=b 38=110 14=20 151=90 32=20 31=10 6=10
        <5 8 150=F 39=1 11=b 38=110 14=20 151=90 32=20 31=10 6=10
        > replace c b 50@10
        <4 8 20=0 150=5 39=1 11=c 41=b 38=50 14=20 151=30 6=10
        <5 8 150=5 39=1 11=c 41=b 38=50 14=20 151=30 6=10
        > replace d b 60@10
        <4 9 434=2 102=0 39=4 11=d 41=b
        <5 9 434=2 102=0 39=4 11=d 41=b
        > replace e c 20@10
        <4 8 20=0 150=5 39=2 11=e 41=c 38=20 14=20 151=0 6=10
        <5 8 150=5 39=2 11=e 41=c 38=20 14=20 151=0 6=10
        > replace f none 20@10
        <4 9 434=2 102=1 39=8 11=f 41=f
        <5 9 434=2 102=1 39=8 11=f 41=f",
    );
}

#[test]
fn a_replacement_that_trades_at_once() {
    run_all(
        "other sell x 30@11
        > buy a 100@10
        <4 8 20=0 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        <5 8 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        > replace b a 100@11
        <4 8 20=0 150=5 39=5 11=b 41=a 38=100 14=0 151=100 6=0
        <4 8 20=0 150=1 39=1 11=b 38=100 14=30 151=70 32=30 31=11 6=11
        <5 8 150=5 39=0 11=b 41=a 38=100 14=0 151=100 6=0
        <5 8 150=F 39=1 11=b 38=100 14=30 151=70 32=30 31=11 6=11
        > cancel c b
        <4 8 20=0 150=4 39=4 11=c 41=b 38=100 14=30 151=0 6=11
        <5 8 150=4 39=4 11=c 41=b 38=100 14=30 151=0 6=11",
    );
}

#[test]
fn a_refused_replacement_leaves_the_order_as_it_was() {
    run_all(
        "> buy a 100@10
        <4 8 20=0 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        <5 8 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        > replace b a 100@10.001
        <4 9 434=2 102=2 39=0 11=b 41=a
        <5 9 434=2 102=99 39=0 11=b 41=a
        > replace a a 100@11
        <4 9 434=2 102=2 39=0 11=a 41=a
        <5 9 434=2 102=6 39=0 11=a 41=a
        > status a
        <4 8 20=3 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        <5 8 150=I 39=0 11=a 38=100 14=0 151=100 6=0",
    );
}

#[test]
fn times_in_force() {
    run_all(
        "other sell x 30@10
        > buy a 100@10 59=3
        <4 8 20=0 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        <4 8 20=0 150=1 39=1 11=a 38=100 14=30 151=70 32=30 31=10 6=10
        <4 8 20=0 150=4 39=4 11=a 38=100 14=30 151=0 6=10
        <5 8 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        <5 8 150=F 39=1 11=a 38=100 14=30 151=70 32=30 31=10 6=10
        <5 8 150=4 39=4 11=a 38=100 14=30 151=0 6=10
        other sell y 30@10
        > buy b 100@10 59=4
        <4 8 20=0 150=0 39=0 11=b 38=100 14=0 151=100 6=0
        <4 8 20=0 150=4 39=4 11=b 38=100 14=0 151=0 6=0
        <5 8 150=0 39=0 11=b 38=100 14=0 151=100 6=0
        <5 8 150=4 39=4 11=b 38=100 14=0 151=0 6=0
        > buy c 30@10 59=4
        <4 8 20=0 150=0 39=0 11=c 38=30 14=0 151=30 6=0
        <4 8 20=0 150=2 39=2 11=c 38=30 14=30 151=0 32=30 31=10 6=10
        <5 8 150=0 39=0 11=c 38=30 14=0 151=30 6=0
        <5 8 150=F 39=2 11=c 38=30 14=30 151=0 32=30 31=10 6=10",
    );
}

#[test]
fn the_average_of_several_prices() {
    run_all(
        "other sell x 10@10
        other sell y 20@10.01
        > buy a 30 59=3
        <4 8 20=0 150=0 39=0 11=a 38=30 14=0 151=30 6=0
        <4 8 20=0 150=1 39=1 11=a 38=30 14=10 151=20 32=10 31=10 6=10
        <4 8 20=0 150=2 39=2 11=a 38=30 14=30 151=0 32=20 31=10.01 6=10.0067
        <5 8 150=0 39=0 11=a 38=30 14=0 151=30 6=0
        <5 8 150=F 39=1 11=a 38=30 14=10 151=20 32=10 31=10 6=10
        <5 8 150=F 39=2 11=a 38=30 14=30 151=0 32=20 31=10.01 6=10.0067",
    );
}

#[test]
fn status_of_known_and_unknown_orders() {
    run_all(
        "> status a
        <4 8 20=3 150=8 39=8 11=a 38=0 14=0 151=0 6=0 103=5
        <5 8 150=I 39=8 11=a 38=0 14=0 151=0 6=0 103=5
        > buy a 100@10
        <4 8 20=0 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        <5 8 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        other sell x 40@10
        <4 8 20=0 150=1 39=1 11=a 38=100 14=40 151=60 32=40 31=10 6=10
        <5 8 150=F 39=1 11=a 38=100 14=40 151=60 32=40 31=10 6=10
        > status a
        <4 8 20=3 150=1 39=1 11=a 38=100 14=40 151=60 6=10
        <5 8 150=I 39=1 11=a 38=100 14=40 151=60 6=10",
    );
}

#[test]
fn mass_cancel_takes_all_open_orders() {
    let table = "> buy a 100@10
        < 8 150=0 39=0 11=a 38=100 14=0 151=100 6=0
        > buy b 50@9
        < 8 150=0 39=0 11=b 38=50 14=0 151=50 6=0
        > mass m
        < r 11=m 530=7 531=7
        < 8 150=4 39=4 11=a 38=100 14=0 151=0 6=0
        < 8 150=4 39=4 11=b 38=50 14=0 151=0 6=0";
    run(Version::Fix44, table);
    run(Version::Fix50Sp2, table);
}
