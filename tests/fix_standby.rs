//! FIX clients of two machines: the primary is killed under load, again and again, and its clients
//! go on at the other one with the numbers they have, without a reset. Every order has one outcome,
//! every report comes, and none comes twice.

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

use std::collections::BTreeSet;
use std::net::SocketAddr;

use wirematch::flow::Dice;
use wirematch::model::{Event, EventKind, Nanos, Price};
use wirematch::port::stream::Stream;
use wirematch::runtime::Clock;
use wirematch::wire::fix::Version;
use wirematch::wire::fix::session::Ending;

use fix_client::{FixClient, client_config, sessions_of};
use pair::{MILLISECOND, Pair, free_tcp, log_of, percentile};

const SECOND: u64 = 1_000 * MILLISECOND;
const PRICE: Price = Price(3_000_000);

/// Two machines with FIX sessions, and a client of each.
struct Desk {
    pair: Pair,
    /// Where each machine takes FIX clients.
    addresses: [SocketAddr; 2],
    traders: Vec<FixClient>,
    /// It is told what happens to all of them.
    watcher: FixClient,
    dice: Dice,
}

impl Desk {
    fn start(sessions: u32) -> Self {
        let addresses = [0; 2].map(|_| SocketAddr::from(([127, 0, 0, 1], free_tcp())));
        let tables = sessions_of(sessions, "FIX.4.4", "cancel_on_disconnect = false");
        let lines = |at: usize| {
            format!(
                "[fix]\naddress = \"{}\"\ngrace_s = 60\norders_per_session = 65536\n{tables}\
                 [[fix.session]]\nid = 300\nversion = \"FIX.5.0SP2\"\ntarget = \"CLIENT300\"\n\
                 first_account = 101\nlast_account = 200\nrate = \"load-test\"\n\
                 drop_copy = true\n",
                addresses[at]
            )
        };
        let pair = Pair::start_in(lines, &[]);
        let client = |id, version| FixClient::new(client_config(id, version), addresses[0]);
        let traders = (101..101 + sessions).map(|id| client(id, Version::Fix44)).collect();
        let watcher = client(300, Version::Fix50Sp2);
        Self { pair, addresses, traders, watcher, dice: Dice::new(11) }
    }

    fn now(&self) -> Nanos {
        self.pair.client.clock.now()
    }

    fn all(&mut self) -> impl Iterator<Item = &mut FixClient> {
        self.traders.iter_mut().chain([&mut self.watcher])
    }

    /// Everybody takes what comes, and who may sends; lines that broke are opened again.
    fn step(&mut self, sends: bool) {
        let now = self.now();
        let mut dice = std::mem::replace(&mut self.dice, Dice::new(0));
        for client in &mut self.traders {
            if sends && client.may_send() && dice.percent(50) {
                let side = if dice.percent(50) { b'1' } else { b'2' };
                let price = Price(PRICE.0 + 100 * (dice.below(21) as i64 - 10));
                client.order(side, 1 + dice.below(50), price, now);
            }
        }
        self.dice = dice;
        for client in self.all() {
            if !client.is_connected() {
                client.connect(now);
            }
            client.poll(now);
            let ending = client.told.ending;
            assert!(
                !matches!(ending, Some(Ending::TooLow { .. } | Ending::ExpectsTooMuch)),
                "a number was used twice: {ending:?}"
            );
        }
        std::thread::yield_now();
    }

    fn work(&mut self, span: Nanos, sends: bool) {
        let until = self.now().saturating_add(span);
        while self.now() < until {
            self.step(sends);
        }
    }

    fn until(&mut self, what: &str, sends: bool, done: impl Fn(&mut Self) -> bool) {
        let end = self.now().0 + 60 * SECOND;
        while !done(self) {
            self.step(sends);
            if self.now().0 >= end {
                let state = |client: &FixClient| {
                    let (sent, answered) = (client.sent, client.told.answered.len());
                    let (is_up, numbers) = (client.is_up(), client.numbers());
                    format!("{answered} of {sent} answered, up {is_up}, numbers {numbers:?}")
                };
                let states: Vec<_> = self.traders.iter().map(state).collect();
                panic!("never: {what}; {states:#?} {}", self.pair.words());
            }
        }
    }

    /// Every order is answered, and whoever watches has heard all there is to hear.
    fn settle(&mut self) {
        self.until("every order is answered", false, |desk| {
            desk.traders.iter().all(|client| client.told.answered.len() as u64 == client.sent)
        });
        // It may have to open its line again: what counts is that nothing stays out.
        let watched = (101..101 + self.traders.len() as u32).collect();
        let owed = self.owed(&watched).len();
        self.until("the drop copy has heard all", false, |desk| {
            desk.watcher.told.reports.len() >= owed
        });
        // Whatever came beyond that would come now.
        self.work(Nanos(SECOND), false);
    }

    /// What history owes sessions, by the journal of the primary.
    fn owed(&self, sessions: &BTreeSet<u32>) -> BTreeSet<u64> {
        use EventKind::{Accepted, Cancelled, Executed, Rejected};
        let journal = self.pair.folder.path().join(["one", "two"][self.pair.primary]);
        let is_report = [Accepted, Executed, Cancelled, Rejected].map(EventKind::code);
        let events = log_of::<Event>(&journal.join("data/journal"));
        let events = events.iter().map(|group| group.head);
        let owed = events
            .filter(|event| sessions.contains(&event.session.0) && is_report.contains(&event.kind));
        owed.map(|event| event.id.0).collect()
    }

    /// Holds what clients were told against the journal.
    fn check(&self) {
        for (client, id) in self.traders.iter().zip(101..) {
            let told: BTreeSet<u64> = client.told.reports.keys().copied().collect();
            assert!(client.told.twice.is_empty(), "session {id}: reports that came twice");
            assert_eq!(told, self.owed(&[id].into()), "session {id}: reports and journal");
            assert_eq!(client.told.answered, (1..=client.sent).collect(), "session {id}");
            assert!(client.told.others.is_empty(), "session {id}: {:?}", client.told.others);
        }
        let watched: BTreeSet<u32> = (101..101 + self.traders.len() as u32).collect();
        let told: BTreeSet<u64> = self.watcher.told.reports.keys().copied().collect();
        assert!(self.watcher.told.twice.is_empty(), "copies that came twice");
        assert_eq!(told, self.owed(&watched), "copies and journal");
    }
}

#[test]
fn fix_clients_go_on_at_the_heir_with_the_numbers_they_have() {
    let kills: u32 =
        std::env::var("WIREMATCH_FAILOVERS").map_or(5, |n| n.parse().expect("a number"));
    let mut desk = Desk::start(8);
    let mut failovers = Vec::new();
    for _ in 0..kills {
        let span = 100 + desk.dice.below(300);
        desk.work(Nanos(span * MILLISECOND), true);
        let before: Vec<_> = desk.all().map(|client| client.numbers()).collect();
        let dead = desk.pair.primary;
        let killed_at = desk.now();
        desk.pair.machines[dead].take().expect("it runs").kill();
        desk.pair.primary = 1 - dead;
        let heir = desk.addresses[1 - dead];
        desk.all().for_each(|client| client.move_to(heir));
        desk.until("all are up at the heir", false, |desk| desk.all().all(|client| client.is_up()));
        failovers.push(desk.now().saturating_sub(killed_at));
        for (client, before) in desk.all().zip(before) {
            let after = client.numbers();
            assert!(after.0 >= before.0 && after.1 > before.1, "{before:?}, then {after:?}");
        }
        desk.pair.start_standby();
    }
    desk.work(Nanos(SECOND / 4), true);
    desk.settle();
    desk.check();
    let orders: u64 = desk.traders.iter().map(|client| client.sent).sum();
    let reports: usize = desk.traders.iter().map(|client| client.told.reports.len()).sum();
    println!(
        "{kills} kills of the primary: {orders} FIX orders, {reports} reports, none lost, none \
         twice; all sessions up again after p50 {:.1} ms, p99 {:.1} ms",
        percentile(&mut failovers, 50),
        percentile(&mut failovers, 99)
    );
    assert!(orders > u64::from(kills) * 100, "too little load to mean anything");
}

#[test]
fn a_primary_that_was_paused_tells_fix_clients_nothing_more() {
    let mut desk = Desk::start(4);
    desk.work(Nanos(SECOND / 2), true);
    let paused = desk.pair.primary;
    desk.pair.machines[paused].as_ref().expect("it runs").signal("STOP");
    // It finds these in its buffers when it wakes up.
    let now = desk.now();
    for client in &mut desk.traders {
        for _ in 0..50 {
            client.order(b'1', 10, PRICE, now);
        }
        client.poll(now);
    }
    let mut lines: Vec<_> = desk.all().map(FixClient::leave).collect();
    desk.pair.primary = 1 - paused;
    let heir = desk.addresses[desk.pair.primary];
    desk.all().for_each(|client| client.move_to(heir));
    desk.until("all are up at the heir", false, |desk| desk.all().all(|client| client.is_up()));
    desk.work(Nanos(SECOND / 4), true);
    desk.pair.machines[paused].as_ref().expect("it is there").signal("CONT");
    desk.pair.machines[paused].as_ref().expect("it is there").wait_for("primary no longer");
    desk.settle();
    desk.check();
    // What came on the old lines is nothing that the heir did not tell, too.
    let mut room = [0; 1 << 16];
    for (client, line) in desk.traders.iter().zip(lines.iter_mut().flatten()) {
        let mut bytes = Vec::new();
        while let Ok(count @ 1..) = line.receive(&mut room) {
            bytes.extend_from_slice(&room[..count]);
        }
        let fields = bytes.split(|byte| *byte == 1);
        for id in fields.filter_map(|field| field.strip_prefix(b"17=")) {
            let id = String::from_utf8_lossy(id).parse().expect("ours are numbers");
            assert!(client.told.reports.contains_key(&id), "{id} was told by the old one alone");
        }
    }
}

#[test]
fn quickfix_goes_on_at_the_heir_and_is_told_everything_once() {
    let Some(peer) = quickfix_peer::peer() else { return };
    let (orders, kills) = (3_000, 2);
    let mut desk = Desk::start(1);
    let (folder, ports) = (desk.pair.folder.path().join("peer"), desk.addresses.map(|a| a.port()));
    let child = std::process::Command::new(peer)
        .args(["flow", &format!("{},{}", ports[0], ports[1]), "FIX.4.4", "CLIENT101", "WIREMATCH"])
        .arg(orders.to_string())
        .arg(&folder)
        .current_dir(desk.pair.folder.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the peer starts");
    // The peer has the session of the only trader.
    desk.traders.clear();
    for _ in 0..kills {
        desk.work(Nanos(SECOND), false);
        let dead = desk.pair.primary;
        desk.pair.machines[dead].take().expect("it runs").kill();
        desk.pair.primary = 1 - dead;
        let heir = desk.addresses[1 - dead];
        desk.watcher.move_to(heir);
        desk.until("the drop copy is up at the heir", false, |desk| desk.watcher.is_up());
        desk.pair.start_standby();
    }
    let output = child.wait_with_output().expect("the peer ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", said.lines().last().unwrap_or("nothing"));
    let mut told = BTreeSet::new();
    for line in said.lines().filter_map(|line| line.strip_prefix("exec ")) {
        let (id, times) = line.split_once(' ').expect("an id and how often");
        assert_eq!(times, "1", "report {id}");
        told.insert(id.parse().expect("a number"));
    }
    assert_eq!(told, desk.owed(&[101].into()), "its reports and the journal");
    assert!(!said.contains("other"), "a refusal");
    println!("QuickFIX: {orders} orders, {} reports, {kills} kills of the primary", told.len());
}
