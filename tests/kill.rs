//! `kill -9` under load, again and again: no acknowledged order is lost, none is there twice.
//!
//! One client keeps its session over all the kills, so every number it ever sent is accounted for
//! in the end: in the command log once, or declared not applied. `WIREMATCH_KILLS` sets how often.

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::path::Path;

use wirematch::client::{Trader, TraderConfig};
use wirematch::flow::Dice;
use wirematch::journal::{LogKind, Reader};
use wirematch::model::{Command as Journaled, CommandKind, Event, EventFlags, EventKind, Nanos};
use wirematch::port::socket::{SocketConfig, SocketPort};
use wirematch::runtime::{Clock, SystemClock};
use wirematch::wire::ouch::{Appendage, EnterOrder, Inbound, MESSAGE_MAX, Outbound};
use wirematch::wire::session::ClientEvent;

use process::{Appliance, configuration, free_address};

const MILLISECOND: u64 = 1_000_000;

/// What the client knows of its orders.
#[derive(Default)]
struct Book {
    /// By the session's number of the message.
    sent: BTreeMap<u64, u32>,
    answered: BTreeSet<u32>,
    not_applied: BTreeSet<u32>,
}

impl Book {
    /// Orders that must have been answered once all is settled.
    fn expected(&self) -> usize {
        self.sent.values().filter(|number| !self.not_applied.contains(number)).count()
    }

    fn take(&mut self, event: ClientEvent<'_>) {
        match event {
            ClientEvent::Message { bytes, .. } => match Outbound::decode(bytes) {
                Ok(Outbound::OrderAccepted(order, _)) => {
                    assert!(self.answered.insert(order.user_ref_num), "answered twice");
                }
                Ok(Outbound::Rejected(order, _)) => {
                    assert!(self.answered.insert(order.user_ref_num), "answered twice");
                }
                _ => {}
            },
            ClientEvent::NotApplied { from, count, .. } => {
                for seq in from..from + u64::from(count) {
                    self.not_applied.extend(self.sent.get(&seq));
                }
            }
            ClientEvent::ServerBehind => panic!("the appliance forgot what it had acknowledged"),
            _ => {}
        }
    }
}

fn order(number: u32, dice: &mut Dice) -> Vec<u8> {
    let order = EnterOrder {
        user_ref_num: number,
        side: if dice.percent(50) { b'B' } else { b'S' },
        quantity: 1 + dice.below(200) as u32,
        symbol: *b"ACME    ",
        price: (29_900 + dice.below(200)) * 100,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: *b"kill          ",
    };
    let mut bytes = [0; MESSAGE_MAX];
    let length = Inbound::EnterOrder(order, Appendage::EMPTY).encode(&mut bytes);
    bytes[..length.expect("it fits")].to_vec()
}

struct Client {
    trader: Trader<SocketPort>,
    clock: SystemClock,
    book: Book,
    dice: Dice,
    next: u32,
}

impl Client {
    /// Works for a while: logs in when it must, sends when it may.
    fn work(&mut self, span: Nanos, sends: bool) {
        let until = self.clock.now().saturating_add(span);
        while self.clock.now() < until {
            let now = self.clock.now();
            if self.trader.session().is_idle() {
                self.trader.log_in(now);
            }
            while sends && self.trader.session().is_up() {
                let message = order(self.next, &mut self.dice);
                let Ok(seq) = self.trader.send(&message) else { break };
                self.book.sent.insert(seq, self.next);
                self.next += 1;
            }
            let book = &mut self.book;
            self.trader.poll(now, &mut |event| book.take(event));
            std::thread::yield_now();
        }
    }

    fn is_settled(&self) -> bool {
        let session = self.trader.session();
        session.is_up() && session.unsettled() == session.next_tx()
    }
}

/// Orders in the command log, by number: how often each is there.
fn journaled(data: &Path) -> BTreeMap<u32, u32> {
    let folder = LogKind::Commands.folder(&data.join("journal"));
    let mut reader = Reader::<Journaled>::open(&folder, 0).expect("the journal is there");
    let mut orders = BTreeMap::new();
    while let Some(group) = reader.read().expect("the journal is whole") {
        if group.head.kind() == Some(CommandKind::Enter) {
            *orders.entry(group.head.ordinal).or_default() += 1;
        }
    }
    orders
}

/// A client of session 1 at a gateway.
fn client_of(entry: SocketAddrV4) -> Client {
    let socket = SocketConfig { address: *entry.ip(), ports: vec![0], groups: vec![] };
    let port = SocketPort::open(&socket).expect("loopback is there");
    let address = port.locals().next().expect("one port was asked for");
    let key = b"test-key-1".to_vec();
    let trader = Trader::new(port, TraderConfig { address, gateway: entry, session: 1, key });
    let (clock, book, dice) = (SystemClock::new(), Book::default(), Dice::new(7));
    Client { trader, clock, book, dice, next: 1 }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_there_twice() {
    kill_again_and_again(25, "");
}

/// The same where starts begin from snapshots, and fold only what came after.
#[test]
fn nothing_is_lost_where_starts_begin_from_snapshots() {
    let starts = kill_again_and_again(15, "[snapshots]\nevery_commands = 500\nkeep = 2\n");
    let begun = starts.iter().filter(|said| said.contains("begun from the snapshot at command"));
    let (begun, of) = (begun.count(), starts.len());
    println!("{begun} of {of} starts began from a snapshot");
    assert!(begun * 3 > of, "too few to mean anything");
    let useless: Vec<_> = starts.iter().filter(|said| said.contains("not begun from")).collect();
    assert!(useless.is_empty(), "a snapshot that was read back was of no use: {useless:?}");
}

/// Kills an appliance under load, and says how each start went.
fn kill_again_and_again(kills: u32, settings: &str) -> Vec<String> {
    let kills = std::env::var("WIREMATCH_KILLS").map_or(kills, |n| n.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let entry = free_address();
    let path = configuration(folder.path(), entry, 1);
    let text = std::fs::read_to_string(&path).expect("it was written");
    let text = match settings {
        "" => text,
        // Lives are longer, and what is loaded at each start is smaller.
        _ => text.replace("orders_max = 4194304", "orders_max = 131072") + settings,
    };
    std::fs::write(&path, text).expect("the folder is ours");
    let mut appliance = Appliance::new(path);
    let mut client = client_of(entry);
    let mut starts = Vec::new();

    for _ in 0..kills {
        appliance.start();
        starts.push(appliance.at_start.clone());
        let span = 5 + client.dice.below(120) + if settings.is_empty() { 0 } else { 300 };
        client.work(Nanos(span * MILLISECOND), true);
        if !settings.is_empty() && starts.len() % 2 == 1 {
            // One more, by another process while this one runs: its own may not be ready yet.
            appliance.does(&["snapshot", "take"]);
        }
        appliance.kill();
    }
    appliance.start();
    let mut patience = 2_400;
    while !client.is_settled() {
        client.work(Nanos(50 * MILLISECOND), false);
        patience -= 1;
        assert!(patience > 0, "the last messages are never settled");
    }
    client.work(Nanos(200 * MILLISECOND), false);
    appliance.kill();

    let data = folder.path().join("data");
    let orders = journaled(&data);
    let Book { sent, answered, not_applied } = &client.book;
    println!("{kills} kills, {} orders sent, {} answered", sent.len(), answered.len());
    assert!(answered.len() > kills as usize * 10, "too little load to mean anything");
    for number in sent.values() {
        let times = orders.get(number).copied().unwrap_or(0);
        let lost = not_applied.contains(number);
        assert_eq!(times + u32::from(lost), 1, "order {number}: {times} times in the log");
        assert_eq!(answered.contains(number), !lost, "order {number} was not answered");
    }
    assert!(orders.values().all(|times| *times == 1), "an order is in the log twice");
    assert!(appliance.replays(), "the journal does not replay");
    if !settings.is_empty() {
        assert!(appliance.does(&["snapshot", "take"]), "no snapshot can be taken");
        assert!(appliance.does(&["snapshot", "verify"]), "a snapshot is of no use");
        assert!(appliance.does(&["replay", "--snapshot", "--verify"]), "it is of another history");
    }
    starts
}

/// Two appliances: clients of one trade at the other, and both are killed in turn.
#[test]
fn what_is_sent_on_to_another_appliance_counts_once_whichever_is_killed() {
    let kills: u32 = std::env::var("WIREMATCH_KILLS").map_or(6, |n| n.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let entries = [free_address(), free_address()];
    let peers = free_address();
    let mut both = ["one", "two"].map(|name| {
        let at = usize::from(name == "two");
        let own = folder.path().join(name);
        std::fs::create_dir(&own).expect("the folder is ours");
        let path = configuration(&own, entries[at], 1);
        let mut text = std::fs::read_to_string(&path).expect("it was written");
        text = format!("appliance = \"{name}\"\n{text}");
        text += "[[shard]]\nappliance = \"two\"\ninstruments = [\"ACME\"]\n\
                 [[shard]]\nappliance = \"one\"\n";
        text += &match at {
            0 => format!(
                "[peers]\naddress = \"{peers}\"\n[[peers.appliance]]\nname = \"two\"\n\
                 session = 900\nkey = \"the key of 900\"\ngateway = \"{}\"\n",
                entries[1]
            ),
            _ => "[[session]]\nid = 900\nkey = \"the key of 900\"\nfirst_account = 1\n\
                  last_account = 1000\nrate = \"load-test\"\ncancel_on_disconnect = false\n\
                  self_trade = \"allow\"\n"
                .to_owned(),
        };
        std::fs::write(&path, text).expect("the folder is ours");
        Appliance::new(path)
    });
    let mut client = client_of(entries[0]);
    both.iter_mut().for_each(Appliance::start);
    client.work(Nanos(200 * MILLISECOND), true);
    for _ in 0..kills {
        let dies = client.dice.below(2) as usize;
        both[dies].kill();
        let span = client.dice.below(100);
        client.work(Nanos(span * MILLISECOND), true);
        both[dies].start();
        let span = 50 + client.dice.below(100);
        client.work(Nanos(span * MILLISECOND), true);
    }
    let mut patience = 2_400;
    while !client.is_settled() || client.book.answered.len() < client.book.expected() {
        client.work(Nanos(50 * MILLISECOND), false);
        patience -= 1;
        assert!(patience > 0, "{} are never answered", client.book.expected());
    }
    client.work(Nanos(200 * MILLISECOND), false);
    both.iter_mut().for_each(Appliance::kill);

    let executed = |name: &str, is_one: &dyn Fn(&Event) -> bool| {
        let folder = LogKind::Events.folder(&folder.path().join(name).join("data/journal"));
        let mut reader = Reader::<Event>::open(&folder, 0).expect("the journal is there");
        let mut all = Vec::new();
        while let Some(group) = reader.read().expect("the journal is whole") {
            let event = group.head;
            if event.kind == EventKind::Executed.code() && is_one(&event) {
                all.push((event.price, event.quantity, event.side));
            }
        }
        all.sort();
        all
    };
    let told = executed("two", &|event| event.session.0 == 900);
    let taken = executed("one", &|event| event.flags.has(EventFlags::AWAY));
    assert_eq!(taken, told, "each execution was told once");
    let Book { sent, answered, .. } = &client.book;
    println!(
        "{kills} kills of either, {} orders sent, {} answered, {} executions",
        sent.len(),
        answered.len(),
        told.len()
    );
    assert!(told.len() > kills as usize, "too little traded to mean anything");
    assert!(both.iter().all(Appliance::replays), "a journal does not replay");
}
