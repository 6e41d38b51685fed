//! A client that finds the machine that answers: whoever falls silent is left for the next, and the
//! session goes on there by its numbers.

use std::net::SocketAddrV4;

use crate::client::{Trader, TraderConfig};
use crate::model::Nanos;
use crate::port::Port;
use crate::wire::session::{ClientEvent, ClientSession, Refused};

/// How long a gateway may take to answer a login before the next is asked.
const LOGIN_PATIENCE: Nanos = Nanos(15_000_000);

/// How long after a login was refused the next is tried.
const PAUSE: Nanos = Nanos(5_000_000);

/// A client of several gateways that have one history.
pub struct Roamer<P: Port> {
    trader: Trader<P>,
    gateways: Vec<SocketAddrV4>,
    /// The gateway in use.
    at: usize,
    /// When the login was begun.
    asked_at: Nanos,
    log_in_at: Nanos,
    is_leaving: bool,
    /// Times that another gateway was turned to.
    pub turns: u64,
}

impl<P: Port> Roamer<P> {
    /// With the gateway of the configuration and others.
    pub fn new(port: P, config: TraderConfig, others: &[SocketAddrV4]) -> Self {
        let gateways = std::iter::once(config.gateway).chain(others.iter().copied()).collect();
        Self {
            trader: Trader::new(port, config),
            gateways,
            at: 0,
            asked_at: Nanos::ZERO,
            log_in_at: Nanos::ZERO,
            is_leaving: false,
            turns: 0,
        }
    }

    /// The session's state and numbers.
    pub fn session(&self) -> &ClientSession {
        self.trader.session()
    }

    /// For a client that comes back: takes from its own log what it sent and received.
    pub fn session_mut(&mut self) -> &mut ClientSession {
        self.trader.session_mut()
    }

    /// Numbers a message; [`Self::poll`] sends it.
    ///
    /// # Errors
    /// [`Refused`]; nothing was numbered.
    pub fn send(&mut self, message: &[u8]) -> Result<u64, Refused> {
        self.trader.send(message)
    }

    /// Logs out, and does not come back.
    pub fn log_out(&mut self, now: Nanos) {
        self.is_leaving = true;
        self.trader.log_out(now);
    }

    /// What was not believed: connections offered by a machine that is primary no longer, packets
    /// of connections that are over, and of gateways that were left.
    pub fn stale(&self) -> u64 {
        self.trader.session().stale() + self.trader.strays
    }

    /// The gateway in use.
    pub fn gateway(&self) -> Option<SocketAddrV4> {
        self.gateways.get(self.at).copied()
    }

    /// Takes what came, sends what is due, logs in where there is no connection; says how much was
    /// done.
    pub fn poll(&mut self, now: Nanos, tell: &mut dyn FnMut(ClientEvent<'_>)) -> usize {
        let session = self.trader.session();
        let (is_up, is_idle) = (session.is_up(), session.is_idle());
        if !self.is_leaving {
            if is_idle && now >= self.log_in_at {
                self.log_in(now);
            } else if !is_up && !is_idle && now.saturating_sub(self.asked_at) > LOGIN_PATIENCE {
                self.turn();
                self.log_in(now);
            }
        }
        let (mut lost, mut refused) = (false, false);
        let work = self.trader.poll(now, &mut |event| {
            lost |= matches!(event, ClientEvent::Silent | ClientEvent::Ended);
            refused |= matches!(event, ClientEvent::LoginRejected(_));
            tell(event);
        });
        if lost {
            self.turn();
        }
        if refused {
            self.log_in_at = now.saturating_add(PAUSE);
        }
        work
    }

    fn log_in(&mut self, now: Nanos) {
        self.asked_at = now;
        self.trader.log_in(now);
    }

    fn turn(&mut self) {
        if self.gateways.len() > 1 {
            self.at = (self.at + 1) % self.gateways.len();
            self.turns += 1;
            if let Some(gateway) = self.gateways.get(self.at) {
                self.trader.turn_to(*gateway);
            }
        }
    }
}
