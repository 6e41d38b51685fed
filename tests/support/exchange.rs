//! An exchange that orders are routed to: two FIX sessions over kernel TCP, one market behind them.
//! It takes no order twice, and says so when somebody tries.

#![allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use wirematch::model::Nanos;
use wirematch::port::stream::Stream;
use wirematch::port::tcp::{TcpAcceptor, TcpLine};
use wirematch::wire::fix::session::{
    Application, Endpoint, Identity, MemoryStore, Origin, Phase, Reply, Role, SessionConfig, Taken,
};
use wirematch::wire::fix::{Message, Version, Writer, tag};

/// An order there.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    pub symbol: Vec<u8>,
    pub side: Vec<u8>,
    pub quantity: u64,
    pub executed: u64,
    pub price: Vec<u8>,
    pub status: u8,
}

/// How it treats orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// All of an order trades at once.
    Fills,
    /// It rests.
    Rests,
    /// Nothing is heard of it, and it is not there.
    Swallows,
}

/// The market behind both sessions.
pub struct Market {
    pub orders: BTreeMap<Vec<u8>, Listed>,
    pub twice: Vec<String>,
    pub statuses: usize,
    pub swallowed: usize,
    pub manner: Manner,
    version: Version,
    next_exec: u64,
}

fn text(message: &Message<'_>, tag: u32) -> Vec<u8> {
    message.get(tag).unwrap_or(b"").to_vec()
}

fn number(message: &Message<'_>, tag: u32) -> u64 {
    String::from_utf8_lossy(&text(message, tag)).parse().unwrap_or(0)
}

/// What a report says beyond where the order is.
#[derive(Clone, Copy, Default)]
pub struct News<'a> {
    pub exec_type: u8,
    pub id: &'a [u8],
    pub original: Option<&'a [u8]>,
    pub traded: u64,
    pub exec_ref: Option<u64>,
}

impl Market {
    fn new(version: Version) -> Self {
        Self {
            orders: BTreeMap::new(),
            twice: Vec::new(),
            statuses: 0,
            swallowed: 0,
            manner: Manner::Fills,
            version,
            next_exec: 0,
        }
    }

    /// Writes a report.
    pub fn report(&mut self, order: &[u8], news: News<'_>, writer: &mut Writer<'_>) -> u64 {
        self.next_exec += 1;
        let unknown =
            Listed { status: b'8', symbol: b"ACME".into(), side: b"1".into(), ..Listed::default() };
        let listed = self.orders.get(order).cloned().unwrap_or(unknown);
        writer.bytes(tag::ORDER_ID, b"X1");
        writer.bytes(tag::CL_ORD_ID, news.id);
        if let Some(original) = news.original {
            writer.bytes(tag::ORIG_CL_ORD_ID, original);
        }
        writer.bytes(tag::EXEC_ID, format!("E{}", self.next_exec).as_bytes());
        if let Some(of) = news.exec_ref {
            writer.bytes(tag::EXEC_REF_ID, format!("E{of}").as_bytes());
        }
        let mut exec_type = news.exec_type;
        if self.version == Version::Fix42 {
            // The oldest version says it in two fields.
            let (transaction, said) = match exec_type {
                b'H' => (b'1', listed.status),
                b'I' => (b'3', listed.status),
                b'F' => (b'0', listed.status),
                _ => (b'0', exec_type),
            };
            exec_type = said;
            writer.byte(tag::EXEC_TRANS_TYPE, transaction);
        }
        writer.byte(tag::EXEC_TYPE, exec_type);
        writer.byte(tag::ORD_STATUS, listed.status);
        writer.bytes(tag::SYMBOL, &listed.symbol);
        writer.bytes(tag::SIDE, &listed.side);
        writer.number(tag::ORDER_QTY, listed.quantity);
        if !listed.price.is_empty() {
            writer.bytes(tag::PRICE, &listed.price);
        }
        if news.traded > 0 {
            writer.number(tag::LAST_QTY, news.traded);
            writer.bytes(tag::LAST_PX, &listed.price);
        }
        let is_open = matches!(listed.status, b'0' | b'1');
        let leaves = if is_open { listed.quantity - listed.executed } else { 0 };
        writer.number(tag::LEAVES_QTY, leaves);
        writer.number(tag::CUM_QTY, listed.executed);
        writer.number(tag::AVG_PX, 0);
        self.next_exec
    }

    fn say(&mut self, order: &[u8], news: News<'_>, reply: &mut dyn Reply) {
        let mut once = false;
        let sent = reply.send(b"8", &mut |writer| {
            assert!(!std::mem::replace(&mut once, true), "a message is written once");
            self.report(order, news, writer);
        });
        sent.expect("memory does not fail");
    }

    fn enter(&mut self, message: &Message<'_>, replaces: Option<&[u8]>, reply: &mut dyn Reply) {
        let id = text(message, tag::CL_ORD_ID);
        if self.orders.contains_key(&id) {
            return self.twice.push(message.to_string());
        }
        let before = replaces.and_then(|old| self.orders.get(old)).map_or(0, |old| old.executed);
        let listed = Listed {
            symbol: text(message, tag::SYMBOL),
            side: text(message, tag::SIDE),
            quantity: number(message, tag::ORDER_QTY),
            executed: before,
            price: text(message, tag::PRICE),
            status: b'0',
        };
        self.orders.insert(id.clone(), listed);
        let exec_type = if replaces.is_some() { b'5' } else { b'0' };
        let news = News { exec_type, id: &id, original: replaces, ..News::default() };
        self.say(&id, news, reply);
        if self.manner == Manner::Fills {
            let order = self.orders.get_mut(&id).expect("just listed");
            let traded = order.quantity - order.executed;
            (order.executed, order.status) = (order.quantity, b'2');
            self.say(&id, News { exec_type: b'F', id: &id, traded, ..News::default() }, reply);
        }
    }

    fn cancel_reject(&self, message: &Message<'_>, to: u8, reply: &mut dyn Reply) {
        let sent = reply.send(b"9", &mut |writer| {
            writer.bytes(tag::ORDER_ID, b"NONE");
            writer.bytes(tag::CL_ORD_ID, &text(message, tag::CL_ORD_ID));
            writer.bytes(tag::ORIG_CL_ORD_ID, &text(message, tag::ORIG_CL_ORD_ID));
            writer.byte(tag::ORD_STATUS, b'8');
            writer.byte(tag::CXL_REJ_RESPONSE_TO, to);
            writer.number(tag::CXL_REJ_REASON, 1);
        });
        sent.expect("memory does not fail");
    }
}

impl Application for Market {
    fn take(&mut self, message: &Message<'_>, _: Origin, reply: &mut dyn Reply) -> Taken {
        if self.manner == Manner::Swallows && message.kind() != b"H" {
            self.swallowed += 1;
            return Taken::Done;
        }
        let (id, old) = (text(message, tag::CL_ORD_ID), text(message, tag::ORIG_CL_ORD_ID));
        let is_open = |order: &Listed| matches!(order.status, b'0' | b'1');
        match message.kind() {
            b"D" => self.enter(message, None, reply),
            b"H" => {
                self.statuses += 1;
                self.say(&id, News { exec_type: b'I', id: &id, ..News::default() }, reply);
            }
            b"F" | b"G" if !self.orders.get(&old).is_some_and(is_open) => {
                let to = if message.kind() == b"F" { b'1' } else { b'2' };
                self.cancel_reject(message, to, reply);
            }
            b"F" => {
                self.orders.get_mut(&old).expect("it is open").status = b'4';
                let original = Some(&old[..]);
                let news = News { exec_type: b'4', id: &id, original, ..News::default() };
                self.say(&old, news, reply);
            }
            b"G" => {
                self.orders.get_mut(&old).expect("it is open").status = b'4';
                self.enter(message, Some(&old), reply);
            }
            _ => {}
        }
        Taken::Done
    }
}

/// One of its sessions.
pub struct Door {
    acceptor: TcpAcceptor,
    endpoint: Endpoint<MemoryStore>,
    line: Option<TcpLine>,
    /// Nobody is let in.
    pub is_shut: bool,
}

/// The exchange.
pub struct Exchange {
    pub market: Market,
    pub doors: Vec<Door>,
}

impl Exchange {
    /// With two sessions: `WIREMATCH` and `WIREMATCH2`.
    pub fn open(version: Version) -> Self {
        let door = |sender: &str| {
            let identity = Identity { version, sender: "EXCH".into(), target: sender.into() };
            let config =
                SessionConfig { heartbeat_s: 2, ..SessionConfig::new(Role::Acceptor, identity) };
            Door {
                acceptor: TcpAcceptor::open("127.0.0.1:0".parse().expect("an address"))
                    .expect("loopback is there"),
                endpoint: Endpoint::new(config, MemoryStore::new(1 << 16)),
                line: None,
                is_shut: false,
            }
        };
        Self { market: Market::new(version), doors: vec![door("WIREMATCH"), door("WIREMATCH2")] }
    }

    /// Where its sessions are.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.doors.iter().map(|door| door.acceptor.address()).collect()
    }

    /// Whether a session is up.
    pub fn is_up(&self, door: usize) -> bool {
        let door = &self.doors[door];
        door.line.is_some() && door.endpoint.session().phase() == Phase::Up
    }

    /// A session's line breaks, with what was on it.
    pub fn break_line(&mut self, door: usize) {
        let door = &mut self.doors[door];
        door.line = None;
        door.endpoint.disconnected(&mut self.market);
    }

    /// It dies and starts again from its records.
    pub fn crash(&mut self) {
        for door in &mut self.doors {
            door.line = None;
            let config = door.endpoint.session().config().clone();
            door.endpoint = Endpoint::new(config, door.endpoint.store().clone());
        }
    }

    /// Says something of an order that nobody asked for, on a session.
    pub fn tell(&mut self, door: usize, order: &[u8], news: News<'_>, now: Nanos) -> u64 {
        let Self { market, doors } = self;
        let mut number = 0;
        let sent = doors[door].endpoint.send(b"8", now, &mut |writer| {
            number = market.report(order, news, writer);
        });
        sent.expect("memory does not fail");
        number
    }

    /// Moves bytes both ways.
    pub fn poll(&mut self, now: Nanos) {
        let Self { market, doors } = self;
        for door in doors {
            let accepted = door.acceptor.accept();
            if door.line.is_none() && !door.is_shut {
                door.line = accepted;
                if door.line.is_some() {
                    door.endpoint.connected(now, market);
                }
            }
            let Some(line) = &mut door.line else { continue };
            let mut room = [0; 16 * 1024];
            let received = line.receive(&mut room);
            let mut is_broken = received.is_err();
            if let Ok(count) = received {
                door.endpoint.receive(&room[..count], now, market);
            }
            door.endpoint.tick(now, market);
            door.endpoint.go_on(now, market);
            match line.send(door.endpoint.outgoing()) {
                Ok(count) => door.endpoint.took(count),
                Err(_) => is_broken = true,
            }
            if is_broken || door.endpoint.closing().is_some() {
                door.line = None;
                door.endpoint.disconnected(market);
            }
        }
    }
}
