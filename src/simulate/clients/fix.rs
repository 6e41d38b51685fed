//! A client over FIX: the production session as initiator with a record of its own, which goes to
//! whichever machine takes its line, and asks there for what it lacks.

use crate::flow::Dice;
use crate::model::{Nanos, Price};
use crate::simulate::cables::{DOORS, Shared, Switchboard, address};
use crate::simulate::clients::fix_book::{FixBook, Wish};
use crate::simulate::clients::transcript::Transcript;
use crate::simulate::clients::{CENTS, LOWEST_CENTS, QUANTITY_MAX, SYMBOLS};
use crate::topology::{Line, Lines};
use crate::wire::fix::session::{
    Endpoint, Identity, MemoryStore, Phase, Role, SessionConfig, Store,
};
use crate::wire::fix::{Version, Writer, tag};

/// Messages that a client can send again.
const REMEMBERED: usize = 1 << 13;

/// How long nobody answers before a client tries the other machine, and how long it waits then.
const PATIENCE: Nanos = Nanos(120_000_000);
const REDIAL: Nanos = Nanos(4_000_000);

/// What is taken off a line at once.
const READ_MAX: usize = 4 * 1024;

/// Who a client is.
#[derive(Clone, Copy)]
pub(in crate::simulate) struct Who {
    pub(in crate::simulate) session: u32,
    pub(in crate::simulate) version: Version,
    /// Both sides say which number they expect (789).
    pub(in crate::simulate) next_expected: bool,
    /// It asks for nothing and is told of everybody's orders.
    pub(in crate::simulate) is_watcher: bool,
}

/// A client.
pub(in crate::simulate) struct FixClient {
    pub(in crate::simulate) who: Who,
    endpoint: Endpoint<MemoryStore>,
    pub(in crate::simulate) book: FixBook,
    /// What it heard, and what it said.
    pub(in crate::simulate) heard: Transcript,
    pub(in crate::simulate) said: Transcript,
    /// Where it is.
    pub(in crate::simulate) place: usize,
    board: Switchboard,
    line: Option<Line>,
    /// The machine it speaks with, or tries.
    machine: usize,
    dial_at: Nanos,
    /// When something came last, or the line was opened.
    heard_at: Nanos,
    next_id: u64,
}

impl FixClient {
    pub(in crate::simulate) fn new(who: Who, place: usize, shared: Shared) -> Self {
        let identity = Identity {
            version: who.version,
            sender: format!("CLIENT{}", who.session),
            target: "WIREMATCH".to_owned(),
        };
        let config = SessionConfig {
            heartbeat_s: 1,
            next_expected: who.next_expected,
            // Clocks of machines are wrong by hours here.
            clock_tolerance: Nanos::MAX,
            logon_patience: PATIENCE,
            ..SessionConfig::new(Role::Initiator, identity)
        };
        Self {
            who,
            endpoint: Endpoint::new(config, MemoryStore::new(REMEMBERED)),
            book: FixBook::default(),
            heard: Transcript::default(),
            said: Transcript::default(),
            place,
            board: Switchboard { shared, place },
            line: None,
            machine: 0,
            dial_at: Nanos::ZERO,
            heard_at: Nanos::ZERO,
            next_id: 1,
        }
    }

    /// Says what it may, takes what came; says how much was done.
    pub(in crate::simulate) fn step(&mut self, now: Nanos, dice: &mut Dice, sends: bool) -> usize {
        if self.line.is_none() {
            return self.dial(now);
        }
        let heard = self.receive(now);
        if sends && self.is_up() && !self.who.is_watcher && dice.percent(15) {
            self.ask(now, dice);
        }
        self.endpoint.tick(now, &mut self.book);
        self.endpoint.go_on(now, &mut self.book);
        let said = self.send();
        let (Some(heard), Some(said)) = (heard, said) else {
            self.hang_up(now);
            return 1;
        };
        let is_silent = !self.is_settled() && now.saturating_sub(self.heard_at) > PATIENCE;
        if self.endpoint.closing().is_some() || is_silent {
            self.hang_up(now);
        }
        heard + said
    }

    fn is_up(&self) -> bool {
        self.endpoint.session().phase() == Phase::Up
    }

    /// Whether all it asked for is answered and it lacks nothing that it knows of.
    pub(in crate::simulate) fn is_settled(&self) -> bool {
        // What came before its turn may have found no room.
        let has_all = self.endpoint.session().expected() > self.heard.last();
        self.is_up() && self.book.open == 0 && has_all
    }

    /// What is wrong with what it heard or said.
    pub(in crate::simulate) fn wrong(&self) -> Option<String> {
        let Self { book, heard, said, .. } = self;
        let what = book.wrong.as_ref().or(heard.wrong.as_ref()).or(said.wrong.as_ref())?;
        Some(format!("FIX session {}: {what}", self.who.session))
    }

    /// Where it is with its session, for people.
    pub(in crate::simulate) fn describe(&self) -> String {
        let numbers = self.endpoint.store().numbers();
        let (phase, open) = (self.endpoint.session().phase(), self.book.open);
        format!("FIX session {}: {phase:?}, {open} open, {numbers:?}", self.who.session)
    }

    /// It dies, and begins again from its record.
    pub(in crate::simulate) fn kill(&mut self, now: Nanos) {
        let (config, store) =
            (self.endpoint.session().config().clone(), self.endpoint.store().clone());
        self.hang_up(now);
        self.endpoint = Endpoint::new(config, store);
    }

    fn dial(&mut self, now: Nanos) -> usize {
        if now < self.dial_at {
            return 0;
        }
        self.dial_at = now.saturating_add(REDIAL);
        self.line = self.board.dial(address(DOORS[self.machine]));
        if self.line.is_none() {
            self.machine = 1 - self.machine;
            return 0;
        }
        self.heard_at = now;
        self.heard.begin();
        self.said.begin();
        self.endpoint.connected(now, &mut self.book);
        1
    }

    /// Nothing where the line broke.
    fn receive(&mut self, now: Nanos) -> Option<usize> {
        let mut room = [0; READ_MAX];
        let count = self.line.as_mut()?.receive(&mut room).ok()?;
        let bytes = room.get(..count)?;
        if count > 0 {
            self.heard_at = now;
            self.heard.hear(bytes);
            self.endpoint.receive(bytes, now, &mut self.book);
        }
        Some(count)
    }

    /// Nothing where the line broke.
    fn send(&mut self) -> Option<usize> {
        let bytes = self.endpoint.outgoing();
        if bytes.is_empty() {
            return Some(0);
        }
        let count = self.line.as_mut()?.send(bytes).ok()?;
        self.said.hear(bytes.get(..count)?);
        self.endpoint.took(count);
        Some(count)
    }

    fn hang_up(&mut self, now: Nanos) {
        self.line = None;
        self.endpoint.disconnected(&mut self.book);
        (self.dial_at, self.machine) = (now.saturating_add(REDIAL), 1 - self.machine);
    }

    /// An order, or that one of those before be cancelled or replaced.
    fn ask(&mut self, now: Nanos, dice: &mut Dice) {
        let id = self.next_id;
        let original = 1 + dice.below(id.saturating_sub(1));
        let (kind, wish) = match dice.below(100) {
            0..20 if id > 1 => (&b"F"[..], Wish::Cancel),
            20..30 if id > 1 => (&b"G"[..], Wish::Replace),
            _ => (&b"D"[..], Wish::Order),
        };
        let traded = if wish == Wish::Order { id } else { original };
        let symbol = SYMBOLS[(traded % 3) as usize];
        let side = if dice.percent(50) { b'1' } else { b'2' };
        let quantity = 1 + dice.below(QUANTITY_MAX);
        let price = Price(((LOWEST_CENTS + dice.below(CENTS)) * 100) as i64);
        let fill = &mut |writer: &mut Writer<'_>| {
            if wish != Wish::Order {
                writer.number(tag::ORIG_CL_ORD_ID, original);
            }
            writer.number(tag::CL_ORD_ID, id);
            if wish != Wish::Cancel {
                writer.byte(tag::HANDL_INST, b'1');
            }
            writer.bytes(tag::SYMBOL, symbol.trim_ascii_end());
            writer.byte(tag::SIDE, side);
            writer.time(tag::TRANSACT_TIME, now, Default::default());
            writer.number(tag::ORDER_QTY, quantity);
            if wish != Wish::Cancel {
                writer.byte(tag::ORD_TYPE, b'2');
                writer.price(tag::PRICE, price);
            }
        };
        // What is too much unread is no message, and its number is not used.
        if let Ok(seq) = self.endpoint.send(kind, now, fill) {
            self.book.ask(id, wish, seq);
            self.next_id += 1;
        }
    }
}
