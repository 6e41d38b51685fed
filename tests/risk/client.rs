//! A client that notes what becomes of its orders, and operators beside it who ask over the command
//! line.

#![allow(unreachable_pub, reason = "tests have no public items")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use wirematch::client::{Trader, TraderConfig};
use wirematch::model::{Nanos, RejectCode};
use wirematch::port::socket::{SocketConfig, SocketPort};
use wirematch::runtime::{Clock, SystemClock};
use wirematch::wire::ouch::{
    Appendage, CancelOrderRequest, EnterOrder, Inbound, MESSAGE_MAX, Outbound,
};
use wirematch::wire::session::ClientEvent;

/// One test at a time: they load the machine.
pub static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

pub const MILLISECOND: u64 = 1_000_000;

/// What a client knows of its orders.
#[derive(Default)]
pub struct Book {
    pub sent_at: BTreeMap<u32, Nanos>,
    pub open: BTreeSet<u32>,
    pub refused: BTreeMap<u16, u32>,
    /// Orders that were refused, with their reason, the last ones last.
    pub last_refusal: Option<u16>,
    pub cancelled: u32,
    pub accepted: u32,
    /// Messages that the gateway refused by itself because risk did not answer.
    pub unanswered: u32,
    /// From sending an order to its answer.
    pub times: Vec<u64>,
}

impl Book {
    pub fn take(&mut self, event: ClientEvent<'_>, now: Nanos) {
        if let ClientEvent::NotApplied { count, reason, .. } = event
            && reason == RejectCode::RiskStopped.code()
        {
            self.unanswered += count;
        }
        let ClientEvent::Message { bytes, .. } = event else { return };
        let number = match Outbound::decode(bytes) {
            Ok(Outbound::OrderAccepted(order, _)) => {
                self.open.insert(order.user_ref_num);
                self.accepted += 1;
                order.user_ref_num
            }
            Ok(Outbound::Rejected(order, _)) => {
                *self.refused.entry(order.reason).or_default() += 1;
                self.last_refusal = Some(order.reason);
                order.user_ref_num
            }
            Ok(Outbound::OrderCanceled(order, _)) => {
                self.cancelled += u32::from(self.open.remove(&order.user_ref_num));
                return;
            }
            _ => return,
        };
        if let Some(sent_at) = self.sent_at.remove(&number) {
            self.times.push(now.saturating_sub(sent_at).0);
        }
    }

    pub fn refusals(&self, code: RejectCode) -> u32 {
        self.refused.get(&code.ouch()).copied().unwrap_or(0)
    }

    pub fn p99(&mut self) -> u64 {
        self.times.sort_unstable();
        let at = self.times.len() * 99 / 100;
        self.times.get(at).copied().unwrap_or(0)
    }
}

pub struct Client {
    pub trader: Trader<SocketPort>,
    pub clock: SystemClock,
    pub book: Book,
    pub next: u32,
}

/// An order that rests: nobody sells so low.
pub fn order(number: u32) -> Vec<u8> {
    order_in(*b"ACME    ", number)
}

pub fn order_in(symbol: [u8; 8], number: u32) -> Vec<u8> {
    order_of(b'B', symbol, number, 290_0000 + u64::from(number % 900) * 100)
}

/// A sale to whoever pays most.
pub fn sale(number: u32) -> Vec<u8> {
    order_of(b'S', *b"ACME    ", number, 280_0000)
}

fn order_of(side: u8, symbol: [u8; 8], number: u32, price: u64) -> Vec<u8> {
    let order = EnterOrder {
        user_ref_num: number,
        side,
        quantity: 1,
        symbol,
        price,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: *b"risk          ",
    };
    bytes(Inbound::EnterOrder(order, Appendage::ABSENT))
}

pub fn cancel(number: u32) -> Vec<u8> {
    let cancel = CancelOrderRequest { user_ref_num: number, quantity: 0 };
    bytes(Inbound::CancelOrderRequest(cancel, Appendage::ABSENT))
}

pub fn bytes(message: Inbound<'_>) -> Vec<u8> {
    let mut buffer = [0; MESSAGE_MAX];
    let length = message.encode(&mut buffer).expect("it fits");
    buffer[..length].to_vec()
}

impl Client {
    pub fn new(session: u16, gateway: SocketAddrV4) -> Self {
        let socket = SocketConfig { address: *gateway.ip(), ports: vec![0], groups: vec![] };
        let port = SocketPort::open(&socket).expect("loopback is there");
        let address = port.locals().next().expect("one port was asked for");
        let key = format!("test-key-{session}").into_bytes();
        let trader = Trader::new(port, TraderConfig { address, gateway, session, key });
        Self { trader, clock: SystemClock::new(), book: Book::default(), next: 1 }
    }

    pub fn is_settled(&self) -> bool {
        let session = self.trader.session();
        session.is_up() && session.unsettled() == session.next_tx()
    }

    pub fn step(&mut self) {
        let now = self.clock.now();
        if self.trader.session().is_idle() {
            self.trader.log_in(now);
        }
        let (book, clock) = (&mut self.book, &self.clock);
        self.trader.poll(now, &mut |event| book.take(event, clock.now()));
    }

    /// Sends orders as long as the window takes some, at most so many.
    pub fn send(&mut self, most: u32) {
        for _ in 0..most {
            if !self.trader.session().is_up() || self.trader.send(&order(self.next)).is_err() {
                return;
            }
            self.book.sent_at.insert(self.next, self.clock.now());
            self.next += 1;
        }
    }

    /// Sends an order in an instrument and waits for its answer: the refusal, if it is refused.
    pub fn order_in(&mut self, symbol: &[u8; 8]) -> Option<u16> {
        let number = self.next;
        self.next += 1;
        while self.trader.send(&order_in(*symbol, number)).is_err() {
            self.step();
        }
        self.book.sent_at.insert(number, self.clock.now());
        self.book.last_refusal = None;
        self.until(0, |book| !book.sent_at.contains_key(&number));
        self.book.last_refusal
    }

    /// Goes on until something is so; says how long it took.
    pub fn until(&mut self, sends: u32, mut is_so: impl FnMut(&Book) -> bool) -> Nanos {
        let begun = self.clock.now();
        while !is_so(&self.book) {
            self.step();
            self.send(sends);
            let waited = self.clock.now().saturating_sub(begun);
            assert!(waited < Nanos(30_000 * MILLISECOND), "it never comes to that");
            std::thread::yield_now();
        }
        self.clock.now().saturating_sub(begun)
    }

    pub fn go_on(&mut self, sends: u32, span: Nanos) {
        let until = self.clock.now().saturating_add(span);
        while self.clock.now() < until {
            self.step();
            self.send(sends);
            std::thread::yield_now();
        }
    }

    /// Asks over the command line while it goes on sending.
    pub fn ask(&mut self, sends: u32, data: &Path, words: &[&str]) -> Output {
        let mut asking = command(data, words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let asking = asking.as_mut().expect("the binary starts");
        while asking.try_wait().expect("it is ours").is_none() {
            self.step();
            self.send(sends);
            std::thread::yield_now();
        }
        let mut output =
            Output { status: asking.wait().expect("it ended"), stdout: vec![], stderr: vec![] };
        use std::io::Read;
        let (out, err) = (asking.stdout.take(), asking.stderr.take());
        out.expect("it is piped").read_to_end(&mut output.stdout).expect("text");
        err.expect("it is piped").read_to_end(&mut output.stderr).expect("text");
        output
    }

    /// The same, which must be done.
    pub fn told(&mut self, sends: u32, data: &Path, words: &[&str]) -> serde_json::Value {
        let output = self.ask(sends, data, words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

pub fn command(data: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirematch"));
    command.args(words).arg("--data").arg(data).arg("--json");
    command
}

pub const ANN: [&str; 4] = ["--actor", "ann", "--reason", "a test"];
pub const BOB: [&str; 4] = ["--actor", "bob", "--reason", "a test too"];

pub fn with<'a>(words: &[&'a str], who: [&'a str; 4]) -> Vec<&'a str> {
    words.iter().copied().chain(who).collect()
}
