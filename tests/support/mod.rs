//! A world in one thread: the real stages and journal, clients, a listener, and a network that can
//! be made bad; a seed decides who is polled next and how time passes. Nothing sleeps.

#![allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]

pub mod broken;
pub mod client;
pub mod market;
pub mod network;
pub mod orders;
pub mod pipe;
pub mod raw;
pub mod server;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wirematch::client::{Heard, Listener, TraderConfig};
use wirematch::flow::Dice;
use wirematch::journal::{LogKind, Logged, Reader};
use wirematch::model::{Command, Event, Group, Nanos, Request, SeqNo};
use wirematch::port::Port;
use wirematch::port::faulty::Faults;
use wirematch::topology::{Catalogue, Config, Replay, StageName, check, journal_folder, parse};
use wirematch::wire::ethernet::Mac;
use wirematch::wire::itch::Message;

use client::Client;
use market::Market;
use network::{Card, Network};
use server::{Server, replay_of};

pub const GATEWAY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 9100);
pub const SYMBOLS: [[u8; 8]; 3] = [*b"ACME    ", *b"BOLT    ", *b"CRUX    "];
/// The reference price of every instrument, and its tick.
pub const REFERENCE: u64 = 300_0000;
pub const TICK: u64 = 100;
/// Accounts go from 1 to this; the last one is poor.
pub const ACCOUNTS: u32 = 5;
/// Sessions go from 1 to this; the last one is of the standard rate class.
pub const SESSIONS: u16 = 4;

pub const CONFIG: &str = r#"
[entry]
address = "10.0.0.1:9100"
heartbeat_ms = 50
reply_cache = 1024
[feed]
address = "10.0.1.1:9200"
group = "239.1.1.1:9201"
heartbeat_ms = 20
rewind_messages = 16384
[journal]
segment_kib = 64
[engine]
orders_max = 4096
fills_per_command_max = 16
ladder_ticks = 64
link_depth = 512
[[instrument]]
symbol = "ACME"
reference_price = "300.00"
[[instrument]]
symbol = "BOLT"
reference_price = "300.00"
[[instrument]]
symbol = "CRUX"
reference_price = "300.00"
[[account]]
first = 1
count = 4
[[account]]
first = 5
count = 1
buying_power = "100000.00"
[[session]]
id = 1
key = "the key of session 1"
first_account = 1
last_account = 5
rate = "load-test"
[[session]]
id = 2
key = "the key of session 2"
first_account = 1
last_account = 5
rate = "load-test"
cancel_on_disconnect = false
self_trade = "allow"
[[session]]
id = 3
key = "the key of session 3"
first_account = 1
last_account = 4
rate = "load-test"
self_trade = "cancel-oldest"
[[session]]
id = 4
key = "the key of session 4"
first_account = 1
last_account = 5
rate = "standard"
"#;

/// When worlds begin.
const BEGIN: Nanos = Nanos(1_767_358_800_000_000_000);

/// Polls without work before time leaps.
const IDLE_POLLS: u32 = 48;

/// How far time leaps when nothing has happened for long.
const LEAP_MAX: u64 = 20_000_000;

/// The configuration of a world and what it means.
pub fn settings() -> (Config, Catalogue) {
    let config = parse("world", CONFIG).expect("the configuration is good");
    let catalogue = check(&config, "world", CONFIG).expect("the configuration is good");
    (config, catalogue)
}

/// The same with three shards: one of BOLT, one of CRUX, one of the rest.
pub fn sharded() -> (Config, Catalogue) {
    let text = format!(
        "{CONFIG}\n[[shard]]\ninstruments = [\"BOLT\"]\n[[shard]]\n\
         [[shard]]\ninstruments = [\"CRUX\"]\n"
    );
    let config = parse("world", &text).expect("the configuration is good");
    let catalogue = check(&config, "world", &text).expect("the configuration is good");
    (config, catalogue)
}

/// How a client of a world is told who it is.
pub fn trader_config(session: u16) -> TraderConfig {
    TraderConfig {
        address: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 10 + session as u8), 4000 + session),
        gateway: GATEWAY,
        session,
        key: format!("the key of session {session}").into_bytes(),
    }
}

/// A folder on the memory's own file system where there is one: no test waits for a disk.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.expect("a folder")
}

/// All messages of one log.
pub fn log_of<H: Logged>(journal: &Path) -> Vec<Group<H>> {
    let mut reader = Reader::<H>::open(&H::KIND.folder(journal), 0).expect("the log opens");
    std::iter::from_fn(|| reader.read().expect("the log is good")).collect()
}

/// The world.
pub struct World {
    pub config: Config,
    pub catalogue: Catalogue,
    folder: TempDir,
    server: Option<Server>,
    pub entry: Network,
    pub market_data: Network,
    pub clients: Vec<Client>,
    listener: Listener<Card>,
    /// The market as the listener sees it.
    pub market: Market,
    /// All that the feed said, in order.
    pub published: Vec<Message>,
    pub dice: Dice,
    pub now: Nanos,
    idle: u32,
    leap: u64,
}

impl World {
    /// A world with a running server and these clients, sessions 1 and up.
    pub fn new(seed: u64, clients: u16) -> Self {
        Self::with(seed, clients, settings())
    }

    /// The same with settings of its own.
    pub fn with(seed: u64, clients: u16, settings: (Config, Catalogue)) -> Self {
        Self::behind(seed, clients, settings, |entry, feed| (Box::new(entry), Box::new(feed)))
    }

    /// The same, its server's two ports wrapped; a server that is started again has plain ones.
    pub fn behind(
        seed: u64,
        clients: u16,
        (config, catalogue): (Config, Catalogue),
        wrap: impl FnOnce(Card, Card) -> (Box<dyn Port>, Box<dyn Port>),
    ) -> Self {
        Self::among(seed, clients, (config, catalogue), wrap, None)
    }

    /// The same, with other appliances behind a port.
    pub fn among(
        seed: u64,
        clients: u16,
        (config, catalogue): (Config, Catalogue),
        wrap: impl FnOnce(Card, Card) -> (Box<dyn Port>, Box<dyn Port>),
        peers: Option<Box<dyn Port>>,
    ) -> Self {
        let folder = folder();
        let (mut entry, entry_port) = Network::new(seed);
        let (mut market_data, feed_port) = Network::new(!seed);
        let own = SocketAddrV4::new(Ipv4Addr::new(10, 0, 1, 9), 9201);
        let port = market_data.connect(Mac::local(*own.ip()));
        let listener = Listener::new(port, own, config.feed.group, config.feed.address);
        let clients = 1..=clients;
        let gateway = config.entry.address;
        let client = |id| TraderConfig { gateway, ..trader_config(id) };
        let clients = clients.map(|id| Client::new(client(id), &mut entry)).collect();
        let journal = journal_folder(folder.path());
        let ports = wrap(entry_port, feed_port);
        let server = Server::open(&journal, &config, &catalogue, BEGIN, ports, peers);
        Self {
            config,
            catalogue,
            folder,
            server: Some(server),
            entry,
            market_data,
            clients,
            listener,
            market: Market::default(),
            published: vec![],
            dice: Dice::new(seed),
            now: BEGIN,
            idle: 0,
            leap: 0,
        }
    }

    /// Where the journal is.
    pub fn journal(&self) -> PathBuf {
        journal_folder(self.folder.path())
    }

    /// The running server.
    pub fn server(&mut self) -> &mut Server {
        self.server.as_mut().expect("the server runs")
    }

    /// A counter of one of its stages.
    pub fn counter(&mut self, stage: StageName, name: &str) -> u64 {
        let now = self.now;
        self.server().counter(stage, name, now)
    }

    /// The operator says something.
    pub fn ask(&mut self, request: impl FnOnce(&mut Request), kind: wirematch::model::CommandKind) {
        let mut asked = Request::new(kind, self.now);
        request(&mut asked);
        self.server().ask(&asked);
    }

    /// The operator says something of more than one line.
    pub fn tell(&mut self, group: &Group<Request>) {
        self.server().tell(group);
    }

    /// The server dies where it stands; what is in its journal stays.
    pub fn crash(&mut self) {
        self.server = None;
    }

    /// The server starts again from its journal.
    pub fn boot(&mut self) {
        self.boot_among(None);
    }

    /// The same, with other appliances behind a port.
    pub fn boot_among(&mut self, peers: Option<Box<dyn Port>>) {
        let ports = (self.entry.reconnect_server(), self.market_data.reconnect_server());
        let journal = self.journal();
        let server = Server::open(&journal, &self.config, &self.catalogue, self.now, ports, peers);
        self.server = Some(server);
    }

    /// How bad both networks are from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.entry.set_faults(faults);
        self.market_data.set_faults(faults);
    }

    /// What the listener heard.
    pub fn heard(&self) -> Heard {
        self.listener.heard()
    }

    /// Polls somebody, and lets a little time pass; much of it, when nobody has anything to do.
    pub fn step(&mut self) {
        let own = self.server.as_ref().map_or(8, Server::parts);
        let parts = own + 3 + self.clients.len();
        let part = self.dice.below(parts as u64) as usize;
        let now = self.now;
        let work = match part.checked_sub(own) {
            None => match &mut self.server {
                Some(server) => server.poll(part, now).expect("no stage finds a fault"),
                None => 0,
            },
            Some(0) => self.entry.poll(),
            Some(1) => self.market_data.poll(),
            Some(2) => {
                let Self { market, published, .. } = self;
                self.listener.poll(now, &mut |message| {
                    published.push(*message);
                    market.take(message);
                })
            }
            Some(client) => self.clients[client - 3].poll(now),
        };
        self.now.0 += self.dice.below(500);
        self.idle = if work > 0 { 0 } else { self.idle + 1 };
        if work > 0 {
            self.leap = 0;
        } else if self.idle > IDLE_POLLS {
            self.idle = 0;
            self.leap = (2 * self.leap + 50_000).min(LEAP_MAX);
            self.now.0 += self.dice.below(self.leap);
        }
    }

    /// So many steps.
    pub fn steps(&mut self, count: u64) {
        (0..count).for_each(|_| self.step());
    }

    /// Steps until `is_done`; a world in which that takes for ever is stuck.
    pub fn until(&mut self, what: &str, mut is_done: impl FnMut(&mut Self) -> bool) {
        for _ in 0..20_000 {
            if is_done(self) {
                return;
            }
            self.steps(64);
        }
        let clients = self.clients.iter().map(|c| (c.is_settled(), c.next_rx, &c.refusals));
        panic!("never: {what}; clients {:?}, {:?}", clients.collect::<Vec<_>>(), self.heard());
    }

    /// Everybody is connected.
    pub fn connect(&mut self) {
        self.until("all are connected", |world| world.clients.iter().all(Client::is_settled));
    }

    /// The network heals, all clients are connected, and all that was asked is done and told.
    pub fn settle(&mut self) {
        self.set_faults(Faults::default());
        for client in &mut self.clients {
            (client.is_on, client.is_asleep) = (true, false);
        }
        let mut quiet = (self.now, vec![]);
        self.until("all is settled", |world| {
            let mut seen: Vec<u64> = world.clients.iter().map(|client| client.next_rx).collect();
            seen.push(world.heard().messages);
            let calm = world.clients.iter().all(Client::is_settled) && world.heard().missing == 0;
            if !calm || seen != quiet.1 {
                quiet = (world.now, seen);
            }
            // Heartbeats have told everybody by then of what they lack.
            world.now.0 - quiet.0.0 > 200_000_000
        });
        self.finish_work();
    }

    /// What has begun is done to its end, everywhere, before any more time passes.
    fn finish_work(&mut self) {
        let now = self.now;
        loop {
            let mut work = self.entry.poll() + self.market_data.poll();
            if let Some(server) = &mut self.server {
                for part in 0..server.parts() {
                    work += server.poll(part, now).expect("no stage finds a fault");
                }
            }
            work += self.clients.iter_mut().map(|client| client.poll(now)).sum::<usize>();
            let Self { market, published, listener, .. } = self;
            work += listener.poll(now, &mut |message| {
                published.push(*message);
                market.take(message);
            });
            if work == 0 {
                break;
            }
        }
    }

    /// The journal folded again: every event came out as recorded, none was missing.
    pub fn replayed(&self) -> Replay {
        let mut replay = replay_of(&self.journal(), &self.config, &self.catalogue);
        let mut missing = vec![];
        replay
            .run(SeqNo::MAX, &mut |event| missing.push(*event), &mut |_| ())
            .expect("the journal gives back what it recorded");
        assert!(missing.is_empty(), "the event log is whole: {missing:?}");
        replay
    }

    /// Holds what clients and listener know against the journal, and the journal against itself.
    pub fn check(&self) {
        let replay = self.replayed();
        self.check_numbers(&replay);
        self.check_orders(&replay);
        self.check_commands();
        assert_eq!(self.market, Market::of(&replay.fold.matcher), "the feed shows the book");
    }

    fn check_numbers(&self, replay: &Replay) {
        assert_eq!(self.heard().messages + 1, replay.feed.next_place(), "feed numbers");
        for client in &self.clients {
            let mut views = replay.gateway.views();
            let view = views.find(|view| view.session.0 == client.session()).expect("a session");
            assert_eq!(view.next_number, client.next_rx, "replies of {}", client.session());
            assert_eq!(view.next_expected, client.next_tx(), "messages of {}", client.session());
            assert!(view.is_up, "history knows that {} is connected", client.session());
        }
    }

    /// The client's open orders are the book's, and both sides of every trade were told.
    fn check_orders(&self, replay: &Replay) {
        use wirematch::engine::BookView;
        for client in &self.clients {
            let mut open = std::collections::BTreeMap::new();
            replay.fold.matcher.for_each_order(&mut |standing| {
                let order = standing.order;
                if order.session.0 == client.session() {
                    open.insert(order.ordinal, order.leaves.0);
                }
            });
            assert_eq!(client.view.open, open, "open orders of session {}", client.session());
        }
        let mut fills = std::collections::BTreeMap::<u64, u32>::new();
        for event in log_of::<Event>(&self.journal()).iter().map(|group| group.head) {
            let is_told = self.clients.iter().any(|client| client.session() == event.session.0);
            if is_told && event.kind == wirematch::model::EventKind::Executed.code() {
                *fills.entry(event.match_number().0).or_default() += event.quantity.0;
            }
        }
        let mut told = std::collections::BTreeMap::<u64, u32>::new();
        for (number, quantity) in self.clients.iter().flat_map(|client| &client.view.fills) {
            *told.entry(*number).or_default() += quantity;
        }
        assert_eq!(told, fills, "each trade was told to both sides");
    }

    /// Each message of a client is in the command log once, or was reported as not applied.
    fn check_commands(&self) {
        use wirematch::model::CommandKind;
        let commands = log_of::<Command>(&self.journal());
        for client in &self.clients {
            let mut times = vec![(0, 0); client.sent.len() + 1];
            let mut executed = std::collections::BTreeMap::<u32, u32>::new();
            let own = commands.iter().map(|group| group.head);
            for command in own.filter(|command| command.session.0 == client.session()) {
                let number = command.client_seq as usize;
                match command.kind() {
                    Some(CommandKind::NotApplied) => {
                        (0..command.quantity.0 as usize).for_each(|at| times[number + at].1 += 1);
                    }
                    _ if number > 0 => times[number].0 += 1,
                    _ => {}
                }
                if let Some(CommandKind::Enter | CommandKind::Replace) = command.kind() {
                    *executed.entry(command.ordinal).or_default() += 1;
                }
            }
            let mut reported = vec![0; client.sent.len() + 1];
            for &(from, count) in &client.view.not_applied {
                (from..from + u64::from(count)).for_each(|at| reported[at as usize] += 1);
            }
            for (number, &(done, given_up)) in times.iter().enumerate().skip(1) {
                let session = client.session();
                assert_eq!(done + given_up, 1, "message {number} of session {session}");
                assert_eq!(given_up, reported[number], "report of {number} of {session}");
            }
            for (number, order, enters) in client.orders() {
                let done = executed.get(&order).copied().unwrap_or(0);
                assert_eq!(done, 1 - reported[number as usize], "order {order} of {number}");
                let answers = client.view.answers.get(&order).copied().unwrap_or(0);
                // A replace that leaves nothing is answered by its order's cancellation.
                let good = answers == done || !enters && answers == 0;
                assert!(good, "order {order} was answered {answers} times");
            }
        }
    }
}

/// Whether a log's folder is there, for tests that look at files.
pub fn segments(journal: &Path, kind: LogKind) -> usize {
    std::fs::read_dir(kind.folder(journal)).map_or(0, Iterator::count)
}
