//! An exchange that orders are routed to: two FIX sessions over kernel TCP, one market behind them.
//! The market is the simulator's.

#![allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]

use std::net::SocketAddr;

use wirematch::model::Nanos;
use wirematch::port::stream::Stream;
use wirematch::port::tcp::{TcpAcceptor, TcpLine};
pub use wirematch::simulate::{Listed, Manner, Market, News};
use wirematch::wire::fix::Version;
use wirematch::wire::fix::session::{Endpoint, Identity, MemoryStore, Phase, Role, SessionConfig};

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
