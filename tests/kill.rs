//! `kill -9` under load, again and again: no acknowledged order is lost, none is there twice.
//!
//! One client keeps its session over all the kills, so every number it ever sent is accounted for
//! in the end: in the command log once, or declared not applied. `WIREMATCH_KILLS` sets how often.

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wirematch::client::{Trader, TraderConfig};
use wirematch::flow::Dice;
use wirematch::journal::{LogKind, Reader};
use wirematch::model::{Command as Journaled, CommandKind, Nanos};
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

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_there_twice() {
    let kills: u32 = std::env::var("WIREMATCH_KILLS").map_or(25, |n| n.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let entry = free_address();
    let mut appliance = Appliance::new(configuration(folder.path(), entry, 1));

    let socket = SocketConfig { address: *entry.ip(), ports: vec![0], groups: vec![] };
    let port = SocketPort::open(&socket).expect("loopback is there");
    let address = port.locals().next().expect("one port was asked for");
    let key = b"test-key-1".to_vec();
    let trader = Trader::new(port, TraderConfig { address, gateway: entry, session: 1, key });
    let (clock, book, dice) = (SystemClock::new(), Book::default(), Dice::new(7));
    let mut client = Client { trader, clock, book, dice, next: 1 };

    for _ in 0..kills {
        appliance.start();
        let span = 5 + client.dice.below(120);
        client.work(Nanos(span * MILLISECOND), true);
        appliance.kill();
    }
    appliance.start();
    let mut patience = 600;
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
}
