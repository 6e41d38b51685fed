//! The exchange that one instrument's orders are routed to: a FIX session for whichever machine
//! comes, and a market that trades, cancels and refuses as it likes.

use crate::flow::Dice;
use crate::model::Nanos;
use crate::simulate::cables::{EXCHANGE, Shared, Switchboard, locked};
use crate::simulate::market::{Manner, Market, News};
use crate::topology::{Line, Lines};
use crate::wire::fix::Version;
use crate::wire::fix::session::{
    Endpoint, Identity, MemoryStore, Phase, Role, SessionConfig, Store,
};

/// Its name, and what we are there.
pub(super) const NAME: &str = "XCHG";
pub(super) const OUR_NAME: &str = "WIREMATCH";

/// What is traded there.
pub(super) const SYMBOL: &str = "CORD";

/// Messages that it can send again.
const REMEMBERED: usize = 1 << 14;

/// How long a line may be silent before a logon.
pub(super) const PATIENCE: Nanos = Nanos(120_000_000);

/// What is taken off a line at once.
const READ_MAX: usize = 4 * 1024;

/// The exchange.
pub(super) struct Exchange {
    pub(super) market: Market,
    endpoint: Endpoint<MemoryStore>,
    board: Switchboard,
    line: Option<Line>,
}

impl Exchange {
    pub(super) fn new(version: Version, shared: Shared) -> Self {
        let identity = Identity { version, sender: NAME.into(), target: OUR_NAME.into() };
        let config = SessionConfig {
            heartbeat_s: 1,
            clock_tolerance: Nanos::MAX,
            logon_patience: PATIENCE,
            ..SessionConfig::new(Role::Acceptor, identity)
        };
        locked(&shared).is_on[EXCHANGE] = true;
        Self {
            market: Market::new(version),
            endpoint: Endpoint::new(config, MemoryStore::new(REMEMBERED)),
            board: Switchboard { shared, place: EXCHANGE },
            line: None,
        }
    }

    /// Takes what came, and trades where it may; says how much was done.
    pub(super) fn step(&mut self, now: Nanos, dice: &mut Dice, trades: bool) -> usize {
        if let Some(line) = self.board.accept() {
            // Whoever comes last is who is primary now.
            self.hang_up();
            self.line = Some(line);
            self.endpoint.connected(now, &mut self.market);
        }
        self.market.manner = match dice.below(100) {
            0..20 => Manner::Fills,
            20..30 => Manner::Refuses,
            _ => Manner::Rests,
        };
        let heard = self.receive(now);
        if trades && self.is_up() && self.endpoint.outgoing().is_empty() && dice.percent(30) {
            self.act(now, dice);
        }
        self.endpoint.tick(now, &mut self.market);
        self.endpoint.go_on(now, &mut self.market);
        let said = self.send();
        let (Some(heard), Some(said)) = (heard, said) else {
            let had_a_line = self.line.is_some();
            self.hang_up();
            return usize::from(had_a_line);
        };
        if self.endpoint.closing().is_some() {
            self.hang_up();
        }
        heard + said
    }

    pub(super) fn is_up(&self) -> bool {
        self.line.is_some() && self.endpoint.session().phase() == Phase::Up
    }

    /// Where it is with its session, for people.
    pub(super) fn describe(&self) -> String {
        let (phase, numbers) = (self.endpoint.session().phase(), self.endpoint.store().numbers());
        format!("exchange: {phase:?}, a line: {}, {numbers:?}", self.line.is_some())
    }

    /// It dies, and begins again from its record.
    pub(super) fn kill(&mut self) {
        let (config, store) =
            (self.endpoint.session().config().clone(), self.endpoint.store().clone());
        self.hang_up();
        self.endpoint = Endpoint::new(config, store);
    }

    /// Some of an order trades, or it is cancelled though nobody asked.
    fn act(&mut self, now: Nanos, dice: &mut Dice) {
        let open: Vec<_> = self.market.orders.iter().filter(|(_, order)| order.is_open()).collect();
        let Some((id, order)) = open.get(dice.below(open.len().max(1) as u64) as usize) else {
            return;
        };
        let (id, leaves) = ((*id).clone(), order.leaves());
        let (exec_type, traded) = match dice.percent(85) {
            true => (b'F', self.market.trade(&id, 1 + dice.below(leaves)).unwrap_or(0)),
            false => {
                if let Some(order) = self.market.orders.get_mut(&id) {
                    order.status = b'4';
                }
                (b'4', 0)
            }
        };
        let Self { endpoint, market, .. } = self;
        let news = News { exec_type, id: &id, traded, ..News::default() };
        let sent = endpoint.send(b"8", now, &mut |writer| {
            market.report(&id, news, writer);
        });
        if let Err(error) = sent {
            market.wrong.push(format!("a report was not sent: {error:?}"));
        }
    }

    /// Nothing where there is no line, or it broke.
    fn receive(&mut self, now: Nanos) -> Option<usize> {
        let mut room = [0; READ_MAX];
        let count = self.line.as_mut()?.receive(&mut room).ok()?;
        self.endpoint.receive(room.get(..count)?, now, &mut self.market);
        Some(count)
    }

    /// Nothing where there is no line, or it broke.
    fn send(&mut self) -> Option<usize> {
        let line = self.line.as_mut()?;
        let count = line.send(self.endpoint.outgoing()).ok()?;
        self.endpoint.took(count);
        Some(count)
    }

    fn hang_up(&mut self) {
        if self.line.take().is_some() {
            self.endpoint.disconnected(&mut self.market);
        }
    }
}
