//! FIX clients over kernel TCP, many in one thread: each keeps its numbers over lines that break and
//! notes every report it is told.

#![allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use wirematch::model::{Nanos, Price};
use wirematch::port::stream::Stream;
use wirematch::port::tcp::TcpLine;
use wirematch::wire::fix::session::{
    Application, Ending, Endpoint, Identity, MemoryStore, Origin, Phase, Reply, Role,
    SessionConfig, Store, Taken,
};
use wirematch::wire::fix::{Message, Version, Writer, tag};

use super::process::free_address;

/// What a client was told.
#[derive(Default)]
pub struct Told {
    /// Reports by ExecID: type, ClOrdID, quantity traded.
    pub reports: BTreeMap<u64, (u8, u64, u64)>,
    /// ExecIDs that came twice.
    pub twice: Vec<u64>,
    /// Statuses, refusals and whatever else came, as text.
    pub others: Vec<String>,
    /// Orders answered: accepted or rejected.
    pub answered: BTreeSet<u64>,
    pub ending: Option<Ending>,
    last_seq: u64,
}

impl Application for Told {
    fn take(&mut self, message: &Message<'_>, origin: Origin, _: &mut dyn Reply) -> Taken {
        assert!(origin.seq > self.last_seq, "{} after {}", origin.seq, self.last_seq);
        self.last_seq = origin.seq;
        let number = |tag| {
            let text = message.get(tag).map(String::from_utf8_lossy).unwrap_or_default();
            text.parse::<u64>().unwrap_or(0)
        };
        let exec_type = message.get(tag::EXEC_TYPE).and_then(|t| t.first().copied());
        let id = number(tag::EXEC_ID);
        if message.kind() != b"8" || id == 0 {
            self.others.push(message.to_string());
            return Taken::Done;
        }
        let report = (exec_type.unwrap_or(0), number(tag::CL_ORD_ID), number(tag::LAST_QTY));
        if matches!(report.0, b'0' | b'8') {
            self.answered.insert(report.1);
        }
        if self.reports.insert(id, report).is_some() {
            self.twice.push(id);
        }
        Taken::Done
    }

    fn down(&mut self, ending: Ending) {
        self.ending = Some(ending);
    }
}

/// Messages that a client can send again.
const REMEMBERED: usize = 1 << 14;

/// A client.
pub struct FixClient {
    pub endpoint: Endpoint<MemoryStore>,
    pub told: Told,
    pub sent: u64,
    /// Lines it opened.
    pub connections: u64,
    address: SocketAddr,
    line: Option<TcpLine>,
}

/// The client of session `id`, as the configuration of these tests names it.
pub fn client_config(id: u32, version: Version) -> SessionConfig {
    let identity = Identity { version, sender: format!("CLIENT{id}"), target: "WIREMATCH".into() };
    SessionConfig { heartbeat_s: 5, ..SessionConfig::new(Role::Initiator, identity) }
}

impl FixClient {
    /// Not connected yet.
    pub fn new(config: SessionConfig, address: SocketAddr) -> Self {
        let endpoint = Endpoint::new(config, MemoryStore::new(REMEMBERED));
        Self { endpoint, told: Told::default(), sent: 0, connections: 0, address, line: None }
    }

    /// Opens a line and says hello; where nobody listens it does nothing.
    pub fn connect(&mut self, now: Nanos) {
        if let Ok(line) = TcpLine::connect(self.address) {
            self.line = Some(line);
            self.connections += 1;
            self.endpoint.connected(now, &mut self.told);
        }
    }

    /// From now on it looks for its session elsewhere; a line that is there is given up.
    pub fn move_to(&mut self, address: SocketAddr) {
        if self.line.is_some() {
            self.break_line();
        }
        self.address = address;
    }

    /// Leaves its line open, and is heard there no longer.
    pub fn leave(&mut self) -> Option<TcpLine> {
        let line = self.line.take();
        self.endpoint.disconnected(&mut self.told);
        line
    }

    /// Whether it could send again all that is not answered, and one more: what it has forgotten
    /// is skipped when it is asked for, and never answered.
    pub fn may_send(&self) -> bool {
        self.is_up() && self.sent as usize - self.told.answered.len() < REMEMBERED / 2
    }

    pub fn is_up(&self) -> bool {
        self.line.is_some() && self.endpoint.session().phase() == Phase::Up
    }

    pub fn is_connected(&self) -> bool {
        self.line.is_some()
    }

    /// Moves bytes both ways.
    pub fn poll(&mut self, now: Nanos) {
        let Self { endpoint, told, line: place, .. } = self;
        let Some(line) = place else { return };
        let mut room = [0; 16 * 1024];
        let mut is_broken = false;
        match line.receive(&mut room) {
            Ok(count) => endpoint.receive(&room[..count], now, told),
            Err(_) => is_broken = true,
        }
        endpoint.tick(now, told);
        endpoint.go_on(now, told);
        if !endpoint.outgoing().is_empty() {
            match line.send(endpoint.outgoing()) {
                Ok(count) => endpoint.took(count),
                Err(_) => is_broken = true,
            }
        }
        let is_over = endpoint.closing().is_some() && endpoint.outgoing().is_empty();
        if is_broken || is_over {
            self.break_line();
        }
    }

    /// The line is gone.
    pub fn break_line(&mut self) {
        self.line = None;
        self.endpoint.disconnected(&mut self.told);
    }

    /// The client dies and starts again from its record.
    pub fn crash(&mut self) {
        self.line = None;
        let (config, store) =
            (self.endpoint.session().config().clone(), self.endpoint.store().clone());
        self.endpoint = Endpoint::new(config, store);
    }

    /// Sends an order, whose ClOrdID is the client's count.
    pub fn order(&mut self, side: u8, quantity: u64, price: Price, now: Nanos) -> u64 {
        self.sent += 1;
        let id = self.sent;
        self.say(b"D", now, &mut |writer| {
            writer.number(tag::CL_ORD_ID, id);
            writer.byte(tag::HANDL_INST, b'1');
            writer.bytes(tag::SYMBOL, b"ACME");
            writer.byte(tag::SIDE, side);
            writer.time(tag::TRANSACT_TIME, now, Default::default());
            writer.number(tag::ORDER_QTY, quantity);
            writer.byte(tag::ORD_TYPE, b'2');
            writer.price(tag::PRICE, price);
        });
        id
    }

    /// Sends any message.
    pub fn say(&mut self, kind: &[u8], now: Nanos, fill: &mut dyn FnMut(&mut Writer<'_>)) {
        self.endpoint.send(kind, now, fill).expect("memory does not fail");
    }

    /// Numbers both ways.
    pub fn numbers(&self) -> (u64, u64) {
        let numbers = self.endpoint.store().numbers();
        (numbers.next_in, numbers.next_out)
    }
}

/// A configuration with FIX sessions 101 and up; `more` stands in each session's table.
pub fn configuration(
    folder: &Path,
    sessions: u32,
    version: &str,
    more: &str,
) -> (std::path::PathBuf, SocketAddr) {
    let (entry, feed, group, fix) =
        (free_address(), free_address(), free_address(), free_address());
    let mut text = format!(
        "data = \"{}\"\n[entry]\naddress = \"{entry}\"\n[feed]\naddress = \"{feed}\"\n\
         group = \"{group}\"\n[journal]\nsegment_kib = 4096\n[engine]\norders_max = 1048576\n\
         [fix]\naddress = \"{fix}\"\ngrace_s = 20\norders_per_session = 16384\n\
         [[account]]\nfirst = 1\ncount = 1000\nbuying_power = \"100_000_000_000\"\n\
         exposure_max = \"100_000_000_000\"\n[account.risk]\nopen_orders_max = 10000000\n\
         order_notional_max = \"1_000_000_000\"\n[[core]]\nidle = \"yield\"\n\
         stages = [\"gateway\", \"sequencer\", \"risk\", \"matching\", \"recorder\", \"feed\"]\n",
        folder.join("data").display()
    );
    text += &sessions_of(sessions, version, more);
    let path = folder.join("appliance.toml");
    std::fs::write(&path, text).expect("the folder is ours");
    (path, SocketAddr::V4(fix))
}

/// The tables of FIX sessions 101 and up.
pub fn sessions_of(sessions: u32, version: &str, more: &str) -> String {
    let mut text = String::new();
    for id in 101..101 + sessions {
        text += &format!(
            "[[fix.session]]\nid = {id}\nversion = \"{version}\"\ntarget = \"CLIENT{id}\"\n\
             first_account = {0}\nlast_account = {0}\nrate = \"load-test\"\n\
             self_trade = \"allow\"\n{more}\n",
            1 + id % 1000
        );
    }
    text
}
