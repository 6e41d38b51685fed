//! A disk that runs full under load: new orders are refused with the reason, cancels and logins
//! are answered for as long as it lasts, order entry resumes by itself, and nothing is lost.
//!
//! The disk is a file system in memory, so this needs the right to mount one.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use wirematch::client::{Trader, TraderConfig};
use wirematch::journal::{LogKind, Reader};
use wirematch::model::{Command as Journaled, CommandKind, Nanos, RejectCode};
use wirematch::port::socket::{SocketConfig, SocketPort};
use wirematch::runtime::{Clock, SystemClock};
use wirematch::wire::ouch::{
    AccountQueryRequest, Appendage, CancelOrderRequest, EnterOrder, Inbound, MESSAGE_MAX, Outbound,
};
use wirematch::wire::session::ClientEvent;

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;

use process::{Appliance, configuration, free_address};

const MILLISECOND: u64 = 1_000_000;

/// How much happens while the disk is full: several times what stalled it when refusals took the
/// room that is kept for cancels.
const CANCELS: u64 = 400;
const ORDERS_REFUSED: usize = 4_000;

/// How long to wait for anything, should somebody stop the process for a while.
const PATIENCE: Nanos = Nanos(30_000 * MILLISECOND);

/// A file system of its own that holds little.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir(at).expect("the folder is ours");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=24m", "none"]).arg(at);
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        is_mounted.then(|| Self(at.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut filler = fs::File::create(self.filler()).expect("an empty file needs no room");
        while filler.write_all(&[7; 4096]).is_ok() {}
    }

    /// Gives it back.
    fn empty(&self) {
        fs::remove_file(self.filler()).expect("it is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// What became of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Unknown,
    Accepted,
    /// Refused by the risk gate, on record.
    Rejected,
    /// Refused by the gateway.
    NotTaken,
}

/// A client that keeps account of every order.
struct Client {
    trader: Trader<SocketPort>,
    clock: SystemClock,
    /// By number of the message: the order it enters.
    enters: BTreeMap<u64, u32>,
    fates: BTreeMap<u32, Fate>,
    resting: Vec<u32>,
    canceled: u64,
    cancels_refused: u64,
    queries: u64,
    next: u32,
}

impl Client {
    fn new(session: u16, gateway: std::net::SocketAddrV4) -> Self {
        let socket = SocketConfig { address: *gateway.ip(), ports: vec![0], groups: vec![] };
        let port = SocketPort::open(&socket).expect("loopback is there");
        let address = port.locals().next().expect("one port was asked for");
        let key = format!("test-key-{session}").into_bytes();
        Self {
            trader: Trader::new(port, TraderConfig { address, gateway, session, key }),
            clock: SystemClock::new(),
            enters: BTreeMap::new(),
            fates: BTreeMap::new(),
            resting: vec![],
            canceled: 0,
            cancels_refused: 0,
            queries: 0,
            next: 1,
        }
    }

    fn poll(&mut self) {
        let now = self.clock.now();
        if self.trader.session().is_idle() {
            self.trader.log_in(now);
        }
        let Self { trader, enters, fates, resting, canceled, cancels_refused, queries, .. } = self;
        let mut settle = |order: u32, fate| {
            let before = fates.insert(order, fate);
            assert_eq!(before, Some(Fate::Unknown), "order {order} was answered twice: {fate:?}");
        };
        trader.poll(now, &mut |event| match event {
            ClientEvent::Message { bytes, .. } => match Outbound::decode(bytes) {
                Ok(Outbound::OrderAccepted(order, _)) => {
                    settle(order.user_ref_num, Fate::Accepted);
                    resting.push(order.user_ref_num);
                }
                Ok(Outbound::Rejected(order, _)) => {
                    assert_eq!(order.reason, RejectCode::JournalFull.ouch(), "the only reason");
                    settle(order.user_ref_num, Fate::Rejected);
                }
                Ok(Outbound::OrderCanceled(..)) => *canceled += 1,
                Ok(Outbound::CancelReject(..)) => *cancels_refused += 1,
                Ok(Outbound::AccountQueryResponse(..)) => *queries += 1,
                _ => {}
            },
            ClientEvent::NotApplied { from, count, reason, .. } => {
                assert_eq!(reason, RejectCode::JournalFull.code(), "loopback loses nothing here");
                for seq in from..from + u64::from(count) {
                    let order = enters.get(&seq).expect("only orders are refused");
                    settle(*order, Fate::NotTaken);
                }
            }
            ClientEvent::ServerBehind => panic!("the appliance forgot what it had acknowledged"),
            ClientEvent::LoginRejected(why) => panic!("the login was refused: {why:?}"),
            ClientEvent::LoggedIn { .. } | ClientEvent::Silent | ClientEvent::Ended => {}
        });
        std::thread::yield_now();
    }

    fn send(&mut self, message: &Inbound<'_>) -> Option<u64> {
        let mut bytes = [0; MESSAGE_MAX];
        let length = message.encode(&mut bytes).expect("it fits");
        self.trader.send(&bytes[..length]).ok()
    }

    /// Enters an order that will rest, if the window allows.
    fn enter(&mut self) -> bool {
        let order = EnterOrder {
            user_ref_num: self.next,
            side: b'B',
            quantity: 1,
            symbol: *b"ACME    ",
            price: 29_500 * 100,
            time_in_force: b'0',
            display: b'Y',
            capacity: b'P',
            intermarket_sweep: b'N',
            cross_type: b'N',
            cl_ord_id: *b"full disk     ",
        };
        let Some(seq) = self.send(&Inbound::EnterOrder(order, Appendage::EMPTY)) else {
            return false;
        };
        self.enters.insert(seq, self.next);
        self.fates.insert(self.next, Fate::Unknown);
        self.next += 1;
        true
    }

    /// Cancels an order that rests, if the window allows.
    fn cancel(&mut self) -> bool {
        let Some(&user_ref_num) = self.resting.last() else { return false };
        let cancel = CancelOrderRequest { user_ref_num, quantity: 0 };
        let sent = self.send(&Inbound::CancelOrderRequest(cancel, Appendage::ABSENT)).is_some();
        if sent {
            self.resting.pop();
        }
        sent
    }

    /// As many messages as the window allows: a cancel after every nine orders.
    fn flood(&mut self) {
        while if self.next.is_multiple_of(10) {
            self.cancel() && self.enter()
        } else {
            self.enter()
        } {}
        self.poll();
    }

    fn count(&self, fate: Fate) -> usize {
        self.fates.values().filter(|known| **known == fate).count()
    }

    fn until(&mut self, what: &str, is_done: impl Fn(&Self) -> bool) {
        let began = self.clock.now();
        while !is_done(self) {
            self.poll();
            let waited = self.clock.now().saturating_sub(began);
            assert!(waited < PATIENCE, "never: {what}");
        }
    }

    fn is_settled(&self) -> bool {
        let session = self.trader.session();
        session.is_up() && session.unsettled() == session.next_tx()
    }
}

/// Commands of the log: how often each order was entered, and how many refusals of runs.
fn journaled(data: &Path) -> (BTreeMap<u32, u32>, u64) {
    let folder = LogKind::Commands.folder(&data.join("journal"));
    let mut reader = Reader::<Journaled>::open(&folder, 0).expect("the journal is there");
    let (mut orders, mut refusals) = (BTreeMap::new(), 0);
    while let Some(group) = reader.read().expect("the journal is whole") {
        match group.head.kind() {
            Some(CommandKind::Enter) => *orders.entry(group.head.ordinal).or_default() += 1,
            Some(CommandKind::NotApplied) => refusals += 1,
            _ => {}
        }
    }
    (orders, refusals)
}

/// Keeps the disk full while the client floods; returns how many records the refusals took.
fn flood_a_full_disk(client: &mut Client, disk: &SmallDisk, entry: std::net::SocketAddrV4) {
    disk.fill();
    let began = client.clock.now();
    while client.count(Fate::NotTaken) == 0 {
        client.flood();
        let waited = client.clock.now().saturating_sub(began);
        assert!(waited < PATIENCE, "the disk is full and nobody says so");
    }
    let mut other = Client::new(2, entry);
    let canceled = client.canceled + CANCELS;
    let began = client.clock.now();
    while client.canceled < canceled || client.count(Fate::NotTaken) < ORDERS_REFUSED {
        client.flood();
        other.poll();
        let waited = client.clock.now().saturating_sub(began);
        assert!(waited < PATIENCE, "{} canceled of {canceled}: it stalls", client.canceled);
    }
    assert_eq!(client.cancels_refused, 0, "every cancel found its order");

    let query = Inbound::AccountQueryRequest(AccountQueryRequest {}, Appendage::ABSENT);
    other.until("another session is let in", |other| other.trader.session().is_up());
    other.send(&query).expect("it is connected");
    other.until("a question is answered", |other| other.queries > 0);
}

#[test]
fn orders_are_refused_cancels_pass_and_all_resumes_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(disk) = SmallDisk::mount(&folder.path().join("disk")) else {
        println!("skipped: mounting a file system of its own is not allowed here");
        return;
    };
    let entry = free_address();
    let mut appliance = Appliance::new(configuration(&disk.0, entry, 2));
    appliance.start();
    let mut client = Client::new(1, entry);
    client.until("the client is connected", |client| client.trader.session().is_up());
    while client.resting.len() < 3_000 {
        client.flood();
    }
    assert_eq!(client.count(Fate::NotTaken) + client.count(Fate::Rejected), 0, "there is room");

    flood_a_full_disk(&mut client, &disk, entry);

    disk.empty();
    let accepted = client.count(Fate::Accepted);
    let began = client.clock.now();
    while client.count(Fate::Accepted) < accepted + 500 {
        client.flood();
        let waited = client.clock.now().saturating_sub(began);
        assert!(waited < PATIENCE, "order entry does not resume");
    }
    client.until("every order has its answer", |client| {
        client.is_settled() && client.count(Fate::Unknown) == 0
    });
    assert!(appliance.stop().success(), "it stops in order");
    let said = appliance.said();
    assert!(said.iter().any(|line| line.contains("the disk is full: make room")), "{said:?}");
    assert!(appliance.replays(), "the journal does not replay");

    let (orders, refusals) = journaled(&disk.0.join("data"));
    for (number, fate) in &client.fates {
        let times = orders.get(number).copied().unwrap_or(0);
        assert_eq!(times, u32::from(*fate != Fate::NotTaken), "order {number}: {fate:?}");
    }
    let not_taken = client.count(Fate::NotTaken) as u64;
    println!(
        "{} accepted, {} rejected, {not_taken} not taken in {refusals} records, {} canceled",
        client.count(Fate::Accepted),
        client.count(Fate::Rejected),
        client.canceled
    );
    assert!(refusals * 4 < not_taken, "{refusals} records for {not_taken} refusals");
}
