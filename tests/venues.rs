//! Orders routed to an exchange over FIX: out and back, through lines that break, sessions that
//! change over and `kill -9` on either side; nothing is lost and nothing is sent twice.

#[path = "venues/against_quickfix.rs"]
mod against_quickfix;
#[path = "venues/at_the_heir.rs"]
mod at_the_heir;
#[path = "venues/by_price.rs"]
mod by_price;
#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/fix_client.rs"]
mod fix_client;
#[path = "support/pair.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod pair;
#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;
#[path = "support/quickfix_peer.rs"]
mod quickfix_peer;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use wirematch::model::{Nanos, Price};
use wirematch::runtime::{Clock, SystemClock};
use wirematch::wire::fix::{Version, tag};

use exchange::{Exchange, Listed, Manner, News};
use fix_client::{FixClient, client_config};
use process::Appliance;

const SECOND: u64 = 1_000_000_000;
const PRICE: Price = Price(3_000_000);

/// An exchange, the appliance that routes to it, and a client.
struct Stand {
    exchange: Exchange,
    appliance: Appliance,
    client: FixClient,
    /// Sessions 102, a client's, and 300, a firm's drop copy, where a test wants them.
    others: Vec<FixClient>,
    address: SocketAddr,
    clock: SystemClock,
}

/// An order that says more than what it is for.
struct Entry {
    symbol: &'static str,
    side: u8,
    quantity: u64,
    /// ExDestination.
    to: Option<&'static str>,
}

impl Entry {
    const fn new(symbol: &'static str, side: u8, quantity: u64) -> Self {
        Self { symbol, side, quantity, to: None }
    }

    const fn to(self, name: &'static str) -> Self {
        Self { to: Some(name), ..self }
    }

    fn send(&self, client: &mut FixClient, now: Nanos) -> u64 {
        client.sent += 1;
        let id = client.sent;
        client.say(b"D", now, &mut |writer| {
            writer.number(tag::CL_ORD_ID, id);
            writer.byte(tag::HANDL_INST, b'1');
            if let Some(name) = self.to {
                writer.bytes(tag::EX_DESTINATION, name.as_bytes());
            }
            writer.bytes(tag::SYMBOL, self.symbol.as_bytes());
            writer.byte(tag::SIDE, self.side);
            writer.time(tag::TRANSACT_TIME, now, Default::default());
            writer.number(tag::ORDER_QTY, self.quantity);
            writer.byte(tag::ORD_TYPE, b'2');
            writer.price(tag::PRICE, PRICE);
        });
        id
    }
}

fn configuration(
    folder: &Path,
    version: Version,
    to: &[SocketAddr],
) -> (std::path::PathBuf, SocketAddr) {
    let more = "cancel_on_disconnect = false";
    let (path, address) = fix_client::configuration(folder, 2, version.name(), more);
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).expect("it is there");
    let name = version.name();
    writeln!(
        file,
        "[[firm]]\nname = \"ONE\"\nfirst_account = 1\nlast_account = 1000\n\
         [[fix.session]]\nid = 300\nversion = \"FIX.5.0SP2\"\ntarget = \"CLIENT300\"\n\
         firm = \"ONE\"\nrate = \"load-test\"\ndrop_copy = true\n\
         [[venue]]\nname = \"EXCH\"\nsession = 950\nversion = \"{name}\"\n\
         instruments = [\"ACME\"]\nremainders = [\"BOLT\"]\nfailover_s = 5\n\
         [venue.primary]\naddress = \"{}\"\nsender = \"WIREMATCH\"\ntarget = \"EXCH\"\n\
         [venue.backup]\naddress = \"{}\"\nsender = \"WIREMATCH2\"\ntarget = \"EXCH\"",
        to[0], to[1]
    )
    .expect("the file is ours");
    (path, address)
}

impl Stand {
    /// Up, with the venue heard: its first order was taken.
    fn up(folder: &Path, version: Version) -> Self {
        let exchange = Exchange::open(version);
        let (config, address) = configuration(folder, version, &exchange.addresses());
        let mut appliance = Appliance::new(config);
        appliance.start();
        let client = FixClient::new(client_config(101, version), address);
        let (others, clock) = (Vec::new(), SystemClock::new());
        let mut stand = Self { exchange, appliance, client, others, address, clock };
        stand.until("both sessions and the client are up", |stand| {
            stand.exchange.is_up(0) && stand.exchange.is_up(1) && stand.client.is_up()
        });
        stand.heard();
        stand
    }

    fn now(&self) -> Nanos {
        self.clock.now()
    }

    fn poll(&mut self) {
        let now = self.now();
        self.exchange.poll(now);
        for client in std::iter::once(&mut self.client).chain(&mut self.others) {
            if !client.is_connected() {
                client.connect(now);
            }
            client.poll(now);
        }
    }

    /// Another client and the drop copy come up.
    fn with_others(&mut self, version: Version) {
        let sessions = [(102, version), (300, Version::Fix50Sp2)];
        let client = |(id, version)| FixClient::new(client_config(id, version), self.address);
        self.others = sessions.map(client).into();
        self.until("the others are up", |stand| stand.others.iter().all(FixClient::is_up));
    }

    fn enter(&mut self, entry: &Entry) -> u64 {
        let now = self.now();
        entry.send(&mut self.client, now)
    }

    /// Somebody else's order rests here.
    fn rests_here(&mut self, quantity: u64) {
        let now = self.now();
        let entry = Entry::new("BOLT", b'2', quantity).to("HERE");
        let id = entry.send(&mut self.others[0], now);
        self.until("it rests here", |stand| stand.others[0].told.answered.contains(&id));
    }

    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.now().0 + 60 * SECOND;
        while !done(self) {
            assert!(self.now().0 < end, "never: {what}; {:?}", self.client.told.others.last());
            self.poll();
            std::thread::yield_now();
        }
    }

    /// Sends orders until one is taken: a venue that nobody hears refuses.
    fn heard(&mut self) {
        self.until("the venue is heard", |stand| {
            let id = stand.client.order(b'1', 1, PRICE, stand.now());
            stand.until("it is answered", |stand| stand.client.told.answered.contains(&id));
            let rejected = (b'8', id, 0);
            !stand.client.told.reports.values().any(|report| *report == rejected)
        });
    }

    /// By ClOrdID of the client: how much its reports say has traded, busts taken off.
    fn traded(&self) -> BTreeMap<u64, u64> {
        let mut traded = BTreeMap::new();
        for (exec_type, id, quantity) in self.client.told.reports.values() {
            if matches!(exec_type, b'F' | b'1' | b'2') {
                *traded.entry(*id).or_insert(0) += quantity;
            }
        }
        traded
    }

    fn reports_of(&self, id: u64) -> Vec<u8> {
        let of = self.client.told.reports.values().filter(|report| report.1 == id);
        of.map(|report| report.0).collect()
    }

    fn the_order(&self) -> (Vec<u8>, Listed) {
        let (id, order) = self
            .exchange
            .market
            .orders
            .iter()
            .max_by_key(|(id, _)| (id.len(), id.to_vec()))
            .expect("one");
        (id.clone(), order.clone())
    }
}

#[test]
fn an_order_goes_out_and_its_reports_come_back_in_every_version() {
    for version in Version::ALL {
        let folder = tempfile::tempdir().expect("a folder");
        let mut stand = Stand::up(folder.path(), version);
        let id = stand.client.order(b'1', 100, PRICE, stand.now());
        stand.until("it trades", |stand| stand.traded().get(&id) == Some(&100));
        let fill = if version == Version::Fix42 { b'2' } else { b'F' };
        assert_eq!(stand.reports_of(id), [b'A', b'0', fill], "{version:?}");
        // One that rests is cancelled; the client's own names come back.
        stand.exchange.market.manner = Manner::Rests;
        let resting = stand.client.order(b'1', 70, PRICE, stand.now());
        stand.until("it rests", |stand| stand.client.told.answered.contains(&resting));
        let (name, order) = stand.the_order();
        assert_eq!((order.quantity, order.status), (70, b'0'));
        // A cancel that nobody asked for.
        stand.exchange.market.orders.get_mut(&name).expect("listed").status = b'4';
        let now = stand.now();
        let news = News { exec_type: b'4', id: &name, ..News::default() };
        stand.exchange.tell(0, &name, news, now);
        stand.until("it is gone", |stand| stand.reports_of(resting).last() == Some(&b'4'));
        // One that its client replaces, then cancels.
        let first = stand.client.order(b'2', 50, PRICE, stand.now());
        stand.until("it rests", |stand| stand.client.told.answered.contains(&first));
        let now = stand.now();
        stand.client.sent += 1;
        let second = stand.client.sent;
        stand.client.say(b"G", now, &mut |writer| {
            writer.number(tag::CL_ORD_ID, second);
            writer.number(tag::ORIG_CL_ORD_ID, first);
            writer.byte(tag::HANDL_INST, b'1');
            writer.bytes(tag::SYMBOL, b"ACME");
            writer.byte(tag::SIDE, b'2');
            writer.time(tag::TRANSACT_TIME, now, Default::default());
            writer.number(tag::ORDER_QTY, 40);
            writer.byte(tag::ORD_TYPE, b'2');
            writer.price(tag::PRICE, Price(PRICE.0 + 100));
        });
        stand.until("it is replaced", |stand| stand.reports_of(second).contains(&b'5'));
        assert_eq!(stand.the_order().1.quantity, 40);
        stand.client.sent += 1;
        let third = stand.client.sent;
        stand.client.say(b"F", now, &mut |writer| {
            writer.number(tag::CL_ORD_ID, third);
            writer.number(tag::ORIG_CL_ORD_ID, second);
            writer.bytes(tag::SYMBOL, b"ACME");
            writer.byte(tag::SIDE, b'2');
            writer.time(tag::TRANSACT_TIME, now, Default::default());
            writer.number(tag::ORDER_QTY, 40);
        });
        stand.until("it is cancelled", |stand| stand.reports_of(third).contains(&b'4'));
        assert_eq!(stand.the_order().1.status, b'4');
        // A trade of the first order is undone; told twice, it is undone once.
        let (name, _) =
            stand.exchange.market.orders.iter().find(|(_, o)| o.quantity == 100).expect("it");
        let (name, now) = (name.clone(), stand.now());
        let exec_ref = fill_of(&stand, &name);
        for _ in 0..2 {
            let exec_type = b'H';
            let news = News { exec_type, id: &name, exec_ref: Some(exec_ref), ..News::default() };
            stand.exchange.tell(0, &name, news, now);
        }
        let bust = if version == Version::Fix42 { b'4' } else { b'H' };
        stand.until("it is undone", |stand| stand.reports_of(id).last() == Some(&bust));
        stand.heard();
        assert_eq!(stand.reports_of(id).len(), 4, "{version:?}");
        assert!(stand.client.told.twice.is_empty() && stand.exchange.market.wrong.is_empty());
        stand.appliance.stop();
        assert!(stand.appliance.replays(), "{version:?}");
    }
}

/// The number of the execution of an order that traded at once: it was told right after its
/// acceptance, and each order of the stand so far that traded took two numbers.
fn fill_of(stand: &Stand, name: &[u8]) -> u64 {
    let place = stand.exchange.market.orders.iter().filter(|(_, order)| order.executed > 0);
    let mut names: Vec<_> = place.map(|(name, _)| name.clone()).collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    2 * (names.iter().position(|other| other == name).expect("it traded") as u64 + 1)
}

/// What a drop copy was told: type, and how much traded, of whichever order.
fn copied(copy: &FixClient, exec_type: u8, quantity: u64) -> usize {
    let of = |report: &&(u8, u64, u64)| report.0 == exec_type && report.2 == quantity;
    copy.told.reports.values().filter(of).count()
}

#[test]
fn what_does_not_match_here_goes_to_the_exchange_and_the_firms_copy_shows_all_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stand = Stand::up(folder.path(), Version::Fix44);
    stand.with_others(Version::Fix44);
    stand.rests_here(30);
    let id = stand.enter(&Entry::new("BOLT", b'1', 100));
    stand.until("all of it trades", |stand| stand.traded().get(&id) == Some(&100));
    assert_eq!(stand.reports_of(id), *b"0FF", "taken here, traded here, traded there");
    let (name, there) = stand.the_order();
    assert_eq!((there.quantity, &there.symbol[..]), (70, &b"BOLT"[..]));
    let copies =
        |stand: &Stand| (copied(&stand.others[1], b'F', 30), copied(&stand.others[1], b'F', 70));
    stand.until("both sides are copied", |stand| copies(stand) == (2, 1));
    // With nobody here it is the exchange's alone.
    let whole = stand.enter(&Entry::new("BOLT", b'1', 20));
    stand.until("it trades", |stand| stand.traded().get(&whole) == Some(&20));
    assert_eq!(stand.reports_of(whole), *b"A0F");
    // The exchange undoes its part, then corrects it; the copy is away meanwhile.
    let copy = stand.others.pop().expect("the copy");
    let (exec_ref, now) = (Some(fill_of(&stand, &name)), stand.now());
    let bust = News { exec_type: b'H', id: &name, exec_ref, ..News::default() };
    stand.exchange.tell(0, &name, bust, now);
    stand.until("it is undone", |stand| stand.reports_of(id).last() == Some(&b'H'));
    let fix = News { exec_type: b'G', id: &name, exec_ref, traded: 60, ..News::default() };
    stand.exchange.tell(1, &name, fix, now);
    stand.until("it is corrected", |stand| stand.reports_of(id).last() == Some(&b'G'));
    stand.others.push(copy);
    let undone =
        |stand: &Stand| (copied(&stand.others[1], b'H', 70), copied(&stand.others[1], b'G', 60));
    stand.until("the copy is complete", |stand| undone(stand) == (1, 1));
    assert!(stand.others[1].told.twice.is_empty());
    stand.appliance.stop();
    assert!(stand.appliance.replays());
}

#[test]
fn an_order_goes_where_it_says_and_whoever_cancels_finds_it_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stand = Stand::up(folder.path(), Version::Fix44);
    stand.exchange.market.manner = Manner::Rests;
    let named = || Entry::new("CRUX", b'1', 10).to("EXCH");
    let first = stand.enter(&named());
    stand.until("it rests there", |stand| stand.client.told.answered.contains(&first));
    assert_eq!(stand.reports_of(first), *b"A0");
    let (name, there) = stand.the_order();
    assert_eq!((there.quantity, &there.symbol[..], there.status), (10, &b"CRUX"[..], b'0'));
    let cancel = |stand: &mut Stand, kind: &[u8], original: Option<u64>| {
        let now = stand.now();
        stand.client.sent += 1;
        let id = stand.client.sent;
        stand.client.say(kind, now, &mut |writer| {
            writer.number(tag::CL_ORD_ID, id);
            match original {
                Some(original) => writer.number(tag::ORIG_CL_ORD_ID, original),
                None => writer.byte(tag::MASS_CANCEL_REQUEST_TYPE, b'1'),
            }
            writer.bytes(tag::SYMBOL, b"CRUX");
            if original.is_some() {
                writer.byte(tag::SIDE, b'1');
                writer.number(tag::ORDER_QTY, 10);
            }
            writer.time(tag::TRANSACT_TIME, now, Default::default());
        });
        id
    };
    let gone = cancel(&mut stand, b"F", Some(first));
    stand.until("it is cancelled", |stand| stand.reports_of(gone).contains(&b'4'));
    assert_eq!(stand.exchange.market.orders[&name].status, b'4');
    // A mass cancel of the instrument, whose book is here, reaches there too.
    let second = stand.enter(&named());
    let here = stand.enter(&Entry::new("CRUX", b'1', 10).to("HERE"));
    stand.until("they rest", |stand| {
        [second, here].iter().all(|id| stand.client.told.answered.contains(id))
    });
    assert_eq!(stand.reports_of(here), *b"0", "it is matched here, as without the word");
    cancel(&mut stand, b"q", None);
    stand.until("both are cancelled", |stand| {
        [second, here].iter().all(|id| stand.reports_of(*id).last() == Some(&b'4'))
    });
    let nowhere = stand.enter(&Entry::new("CRUX", b'1', 10).to("NOBODY"));
    stand.until("it is refused", |stand| stand.reports_of(nowhere) == [b'8']);
    stand.appliance.stop();
    assert!(stand.appliance.replays());
}

#[test]
fn an_order_in_doubt_is_asked_for_on_the_other_session_and_not_sent_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stand = Stand::up(folder.path(), Version::Fix44);
    // One rests there, one was never taken when the session breaks.
    stand.exchange.market.manner = Manner::Rests;
    let resting = stand.client.order(b'1', 10, PRICE, stand.now());
    stand.until("it rests", |stand| stand.client.told.answered.contains(&resting));
    stand.exchange.market.manner = Manner::Swallows;
    let lost = stand.client.order(b'1', 20, PRICE, stand.now());
    stand.until("it is on its way", |stand| stand.reports_of(lost) == [b'A']);
    stand.until("it was swallowed", |stand| stand.exchange.market.swallowed == 1);
    stand.exchange.doors[0].is_shut = true;
    stand.exchange.break_line(0);
    stand.exchange.market.manner = Manner::Fills;
    stand.until("its fate is known", |stand| stand.reports_of(lost).contains(&b'8'));
    assert_eq!(stand.exchange.market.statuses, 1, "only what was in doubt is asked for");
    stand.heard();
    // Neither session is left: orders are refused at once.
    stand.exchange.doors[1].is_shut = true;
    stand.exchange.break_line(1);
    let says = |stand: &Stand, words: &str| {
        let of = format!("11={resting}");
        let told = stand.client.told.others.iter();
        told.filter(|said| said.contains(&of) && said.contains(words)).count()
    };
    stand.until("its client is told", |stand| says(stand, "58=unknown until reconciled") == 1);
    let refused = stand.client.order(b'1', 30, PRICE, stand.now());
    stand.until("it is refused", |stand| stand.reports_of(refused) == [b'8']);
    // Both are back, and what rested is still there to be traded.
    stand.exchange.doors.iter_mut().for_each(|door| door.is_shut = false);
    stand.until("they are up", |stand| stand.exchange.is_up(0) && stand.exchange.is_up(1));
    stand.until("it was asked for", |stand| says(stand, "58=reconciled") == 1);
    stand.heard();
    let (name, _) =
        stand.exchange.market.orders.iter().find(|(_, o)| o.quantity == 10).expect("it");
    let (name, now) = (name.clone(), stand.now());
    let order = stand.exchange.market.orders.get_mut(&name).expect("listed");
    (order.executed, order.status) = (10, b'2');
    stand.exchange.tell(
        1,
        &name,
        News { exec_type: b'F', id: &name, traded: 10, ..News::default() },
        now,
    );
    stand.until("it traded", |stand| stand.traded().get(&resting) == Some(&10));
    assert!(stand.exchange.market.wrong.is_empty(), "{:?}", stand.exchange.market.wrong);
    stand.appliance.stop();
    assert!(stand.appliance.replays());
}

#[test]
fn killed_on_either_side_in_load_nothing_is_lost_and_nothing_doubled() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut stand = Stand::up(folder.path(), Version::Fix44);
    let begun = stand.client.sent;
    for number in 0..1_500u32 {
        let side = if number % 2 == 0 { b'1' } else { b'2' };
        let now = stand.now();
        stand.client.order(side, u64::from(number % 50) + 1, PRICE, now);
        let pause = now.0 + 500_000;
        while stand.now().0 < pause {
            stand.poll();
        }
        match number {
            300 | 900 => {
                stand.appliance.kill();
                stand.appliance.start();
            }
            500 => stand.exchange.crash(),
            700 => stand.exchange.break_line(0),
            1_100 => stand.exchange.break_line(1),
            _ => {}
        }
    }
    // Each order is refused, or it is filled here as there.
    stand.until("all is told", |stand| {
        let ends = stand.client.told.reports.values();
        let ends = ends.filter(|report| matches!(report.0, b'8' | b'F') && report.1 > begun);
        ends.count() as u64 == stand.client.sent - begun
    });
    stand.heard();
    let market = &stand.exchange.market;
    assert!(market.wrong.is_empty(), "{:?}", market.wrong);
    assert!(stand.client.told.twice.is_empty());
    let there: u64 = market.orders.values().map(|order| order.executed).sum();
    let here: u64 = stand.traded().values().sum();
    assert_eq!(here, there, "what traded there is what clients were told");
    let filled = stand.traded().len();
    assert_eq!(filled, market.orders.len());
    println!("{} orders: {filled} filled, {} statuses", stand.client.sent, market.statuses);
    // The slower the machine starts them again, the more are refused meanwhile.
    assert!(filled > 20, "many go through: {filled}");
    stand.appliance.stop();
    assert!(stand.appliance.replays());
}
