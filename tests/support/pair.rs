//! Two machines and a witness as processes, and one client of both.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use wirematch::client::{Roamer, TraderConfig};
use wirematch::flow::Dice;
use wirematch::journal::{Logged, Reader};
use wirematch::model::{Command as Journaled, CommandKind, Event, Group, Nanos};
use wirematch::port::socket::{SocketConfig, SocketPort};
use wirematch::runtime::{Clock, SystemClock};
use wirematch::wire::ouch::{Appendage, EnterOrder, Inbound, MESSAGE_MAX, Outbound};
use wirematch::wire::session::ClientEvent;

use super::process::{configuration, free_address};

pub const MILLISECOND: u64 = 1_000_000;

/// The smallest span that so many of a hundred are not above, in milliseconds.
pub fn percentile(spans: &mut [Nanos], percent: usize) -> f64 {
    spans.sort_unstable();
    let at = (spans.len() * percent).div_ceil(100).saturating_sub(1);
    spans.get(at).map_or(0.0, |span| span.0 as f64 / 1e6)
}

/// A process, and what it says.
pub struct Process {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Process {
    pub fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wirematch"))
            .args(arguments)
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let said = Arc::<Mutex<Vec<String>>>::default();
        let (lines, heard) = (child.stderr.take().expect("it is piped"), Arc::clone(&said));
        std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                let at = SystemClock::new().now().0 / 1_000 % 10_000_000;
                heard.lock().expect("nobody panics with it").push(format!("{at:7} µs  {line}"));
            }
        });
        Self { child, said }
    }

    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("nobody panics with it").clone()
    }

    pub fn has_said(&self, word: &str) -> bool {
        self.said().iter().any(|line| line.contains(word))
    }

    pub fn wait_for(&self, word: &str) {
        for _ in 0..120_000 {
            if self.has_said(word) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("it never said `{word}`:\n{}", self.said().join("\n"));
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("`kill` is there").success(), "it is ours");
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.try_wait().expect("it is ours").map(|status| status.code().unwrap_or(-1))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the client knows of its orders.
#[derive(Default)]
pub struct Book {
    /// By the session's number of the message.
    pub sent: BTreeMap<u64, u32>,
    pub answered: BTreeSet<u32>,
    /// Why those of them were refused that were.
    pub refused: BTreeMap<u32, u16>,
    pub not_applied: BTreeSet<u32>,
    /// Match numbers and quantities of both sides, as told.
    pub fills: BTreeMap<u64, u32>,
    /// When the last order was answered.
    pub answered_at: Nanos,
}

impl Book {
    fn take(&mut self, event: ClientEvent<'_>, now: Nanos) {
        match event {
            ClientEvent::Message { bytes, .. } => match Outbound::decode(bytes) {
                Ok(Outbound::OrderAccepted(order, _)) => {
                    assert!(self.answered.insert(order.user_ref_num), "answered twice");
                    self.answered_at = now;
                }
                Ok(Outbound::Rejected(order, _)) => {
                    self.refused.insert(order.user_ref_num, order.reason);
                    assert!(self.answered.insert(order.user_ref_num), "answered twice");
                    self.answered_at = now;
                }
                Ok(Outbound::OrderExecuted(fill, _)) => {
                    *self.fills.entry(fill.match_number).or_default() += fill.quantity;
                }
                _ => {}
            },
            ClientEvent::NotApplied { from, count, .. } => {
                for seq in from..from + u64::from(count) {
                    self.not_applied.extend(self.sent.get(&seq));
                }
            }
            ClientEvent::ServerBehind => panic!("what was acknowledged is forgotten"),
            _ => {}
        }
    }
}

fn order(number: u32, quantity: u32, dice: &mut Dice) -> Vec<u8> {
    let order = EnterOrder {
        user_ref_num: number,
        side: if dice.percent(50) { b'B' } else { b'S' },
        quantity,
        symbol: *b"ACME    ",
        price: (29_900 + dice.below(200)) * 100,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: *b"pair          ",
    };
    let mut bytes = [0; MESSAGE_MAX];
    let length = Inbound::EnterOrder(order, Appendage::EMPTY).encode(&mut bytes);
    bytes[..length.expect("it fits")].to_vec()
}

pub struct Client {
    pub roamer: Roamer<SocketPort>,
    pub clock: SystemClock,
    pub book: Book,
    pub dice: Dice,
    next: u32,
}

impl Client {
    pub fn new(gateways: [SocketAddrV4; 2]) -> Self {
        let socket = SocketConfig { address: *gateways[0].ip(), ports: vec![0], groups: vec![] };
        let port = SocketPort::open(&socket).expect("loopback is there");
        let address = port.locals().next().expect("one port was asked for");
        let key = b"test-key-1".to_vec();
        let config = TraderConfig { address, gateway: gateways[0], session: 1, key };
        let roamer = Roamer::new(port, config, &gateways[1..]);
        let (clock, book, dice) = (SystemClock::new(), Book::default(), Dice::new(7));
        Self { roamer, clock, book, dice, next: 1 }
    }

    /// Works for a while: sends when it may.
    pub fn work(&mut self, span: Nanos, sends: bool) {
        let until = self.clock.now().saturating_add(span);
        while self.clock.now() < until {
            self.step(sends);
        }
    }

    /// Sends an order of so many; its number, where there was room.
    pub fn send(&mut self, quantity: u32) -> Option<u32> {
        let message = order(self.next, quantity, &mut self.dice);
        let seq = self.roamer.send(&message).ok()?;
        self.book.sent.insert(seq, self.next);
        self.next += 1;
        Some(self.next - 1)
    }

    pub fn step(&mut self, sends: bool) {
        let now = self.clock.now();
        while sends && self.roamer.session().is_up() {
            let quantity = 1 + self.dice.below(200) as u32;
            if self.send(quantity).is_none() {
                break;
            }
        }
        let book = &mut self.book;
        self.roamer.poll(now, &mut |event| book.take(event, now));
        std::thread::yield_now();
    }

    fn is_settled(&self) -> bool {
        let session = self.roamer.session();
        session.is_up() && session.unsettled() == session.next_tx()
    }
}

/// All messages of one log.
pub fn log_of<H: Logged>(journal: &Path) -> Vec<Group<H>> {
    let mut reader = Reader::<H>::open(&H::KIND.folder(journal), 0).expect("the log opens");
    std::iter::from_fn(|| reader.read().expect("the log is good")).collect()
}

/// A port below those that the system gives to whoever dials: a client that asks for the heir again
/// and again would be given it, and would hold it when the heir wants to listen there.
pub fn free_tcp() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 16_000) as u16;
    let ports = std::iter::from_fn(|| Some(NEXT.fetch_add(1, Ordering::Relaxed) % 16_000));
    let mut ports = ports.map(|next| 12_000 + (first + next) % 16_000);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).expect("they never end")
}

/// Two machines, one of them primary, and a witness.
pub struct Pair {
    pub folder: TempDir,
    pub configs: [PathBuf; 2],
    /// Where each of them takes orders.
    pub entries: [SocketAddrV4; 2],
    pub ports: [u16; 2],
    pub witness: Process,
    /// What the machines' environment has besides ours.
    pub environment: &'static [(&'static str, &'static str)],
    pub machines: [Option<Process>; 2],
    /// Which of them is primary.
    pub primary: usize,
    pub client: Client,
}

impl Pair {
    /// Starts all of it, with further lines in the `[standby]` tables.
    pub fn start(more: &str) -> Self {
        Self::start_in(|_| more.to_owned(), &[])
    }

    /// The same, with further lines for each machine, the first of them in its `[standby]` table,
    /// and with something in the machines' environment.
    pub fn start_in(
        more: impl Fn(usize) -> String,
        environment: &'static [(&'static str, &'static str)],
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let entries = [free_address(), free_address()];
        let ports = [free_tcp(), free_tcp()];
        let witness_port = free_tcp();
        let configs = [0, 1].map(|at| {
            let own = folder.path().join(["one", "two"][at]);
            std::fs::create_dir(&own).expect("the folder is ours");
            let path = configuration(&own, entries[at], 1);
            let mut text = std::fs::read_to_string(&path).expect("it was written");
            let more = more(at);
            let witness = match more.contains("witness = ") {
                true => String::new(),
                false => format!("witness = \"127.0.0.1:{witness_port}\"\n"),
            };
            text += &format!(
                "[standby]\nname = \"{}\"\naddress = \"127.0.0.1:{}\"\n\
                 key = \"a secret\"\n{witness}{more}\n",
                ["one", "two"][at],
                ports[at],
            );
            if text.contains("[snapshots]") {
                // Each that is taken has state of its own.
                text = text.replace("orders_max = 4194304", "orders_max = 131072");
            }
            std::fs::write(&path, text).expect("the folder is ours");
            path
        });
        let data = folder.path().join("witness");
        let address = format!("127.0.0.1:{witness_port}");
        let data = data.to_str().expect("a name").to_owned();
        let arguments = ["witness", "--address", &address, "--key", "a secret", "--data", &data];
        let witness = Process::start(&arguments, &[]);
        witness.wait_for("ready");
        let client = Client::new(entries);
        let machines = [None, None];
        let primary = 0;
        let mut pair = Self {
            folder,
            configs,
            entries,
            ports,
            witness,
            environment,
            machines,
            primary,
            client,
        };
        let config = pair.configs[0].to_str().expect("a name").to_owned();
        let first = Process::start(&["run", "--no-table", "--config", &config], environment);
        first.wait_for("ready; orders");
        pair.machines[0] = Some(first);
        pair.start_standby();
        pair
    }

    /// Starts the machine that is not primary as a standby, and waits until it may take over.
    pub fn start_standby(&mut self) {
        let other = 1 - self.primary;
        let config = self.configs[other].to_str().expect("a name").to_owned();
        let host = format!("127.0.0.1:{}", self.ports[self.primary]);
        let arguments = ["run", "--no-table", "--config", &config, "--standby", &host];
        let paired = format!("{} stands by", ["one", "two"][other]);
        let before = self.count(self.primary, &paired);
        self.machines[other] = Some(Process::start(&arguments, self.environment));
        let mut patience = 24_000;
        while self.count(self.primary, &paired) == before {
            // A standby that comes back must catch up while there is load.
            self.client.work(Nanos(5 * MILLISECOND), patience % 4 == 0);
            patience -= 1;
            assert!(patience > 0, "the standby never joined: {}", self.words());
        }
    }

    fn count(&self, at: usize, word: &str) -> usize {
        let said = self.machines[at].as_ref().map_or(vec![], Process::said);
        said.iter().filter(|line| line.contains(word)).count()
    }

    /// What everybody said.
    pub fn words(&self) -> String {
        let said = |at: usize| {
            let said = self.machines[at].as_ref().map_or(vec![], Process::said);
            format!("\n{}:\n  {}", ["one", "two"][at], said.join("\n  "))
        };
        format!("{}{}\nwitness:\n  {}", said(0), said(1), self.witness.said().join("\n  "))
    }

    /// Kills the primary under load; how long it took until the client had its first new answer.
    pub fn kill_primary(&mut self) -> Nanos {
        let mut dead = self.machines[self.primary].take().expect("it runs");
        dead.signal("KILL");
        let killed_at = self.client.clock.now();
        let took = self.first_answer_after(killed_at);
        dead.kill();
        self.primary = 1 - self.primary;
        took
    }

    /// Works until an answer comes from the machine that is not primary: the client may have
    /// looked for it there already.
    pub fn first_answer_after(&mut self, moment: Nanos) -> Nanos {
        let heir = self.entries[1 - self.primary];
        let mut up_at = None;
        loop {
            self.client.step(true);
            let now = self.client.clock.now();
            let is_there = self.client.roamer.gateway() == Some(heir);
            if up_at.is_none() && is_there && self.client.roamer.session().is_up() {
                up_at = Some(now);
            }
            let answered_at = self.client.book.answered_at;
            if up_at.is_some_and(|up_at| answered_at >= up_at) {
                return answered_at.saturating_sub(moment);
            }
            let waited = now.saturating_sub(moment);
            assert!(waited.0 < 60_000 * MILLISECOND, "nobody took over: {}", self.words());
        }
    }

    /// All that was sent is settled and told.
    pub fn settle(&mut self) {
        let mut patience = 2_400;
        while !self.client.is_settled() {
            self.client.work(Nanos(20 * MILLISECOND), false);
            patience -= 1;
            assert!(patience > 0, "the last messages are never settled: {}", self.words());
        }
        self.client.work(Nanos(200 * MILLISECOND), false);
    }

    /// Ends both, and holds what the client knows against both journals, and those against each
    /// other.
    pub fn check(&mut self) {
        // The standby first: it would take over from a primary that is gone.
        for at in [1 - self.primary, self.primary] {
            self.machines[at].iter_mut().for_each(Process::kill);
        }
        let journal = |at: usize| self.folder.path().join(["one", "two"][at]).join("data/journal");
        let (own, other) = (journal(self.primary), journal(1 - self.primary));
        let commands = log_of::<Journaled>(&own);
        let copies = log_of::<Journaled>(&other);
        // What nobody was told of yet may be on one of them alone.
        let behind = commands.len().checked_sub(copies.len()).expect("the standby has no more");
        assert!(behind < 16, "the standby was {behind} commands behind");
        for (command, copy) in commands.iter().zip(&copies) {
            let bytes = |group: &Group<Journaled>| {
                (bytemuck::bytes_of(&group.head).to_vec(), group.rest().to_vec())
            };
            assert_eq!(bytes(command), bytes(copy), "command {}", command.head.seq);
        }
        let mut orders = BTreeMap::<u32, u32>::new();
        for group in &commands {
            if group.head.kind() == Some(CommandKind::Enter) {
                *orders.entry(group.head.ordinal).or_default() += 1;
            }
        }
        let Book { sent, answered, not_applied, fills, .. } = &self.client.book;
        let copied: BTreeSet<u32> = copies.iter().map(|group| group.head.ordinal).collect();
        assert!(answered.is_subset(&copied), "the standby lacks an order that was answered");
        for number in sent.values() {
            let times = orders.get(number).copied().unwrap_or(0);
            let lost = not_applied.contains(number);
            assert_eq!(times + u32::from(lost), 1, "order {number}: {times} times in the log");
            assert_eq!(answered.contains(number), !lost, "order {number} was not answered");
        }
        let mut told = BTreeMap::<u64, u32>::new();
        for event in log_of::<Event>(&own).iter().map(|group| group.head) {
            if event.kind == wirematch::model::EventKind::Executed.code() {
                *told.entry(event.match_number().0).or_default() += event.quantity.0;
            }
        }
        assert_eq!(&told, fills, "every trade was told once to both sides");
        println!("{} orders sent, {} answered, {} trades", sent.len(), answered.len(), fills.len());
        assert!(self.replays(0) && self.replays(1), "a journal does not replay");
    }

    fn replays(&self, at: usize) -> bool {
        let replay = Command::new(env!("CARGO_BIN_EXE_wirematch"))
            .args(["replay", "--config"])
            .arg(&self.configs[at])
            .stdout(Stdio::null())
            .status();
        replay.expect("the binary starts").success()
    }
}
