//! A flow as the appliance's own commands: what its edge would hand to the engine.
//!
//! A flow's replacement always goes to the back of its queue, and its quantity is what it enters;
//! the appliance's may keep its place, and its quantity is its chain's total. So one that would
//! keep its place becomes a cancel and an order, and what a chain traded is added to the others.

use std::collections::HashMap;

use crate::flow::replay::FastBook;
use crate::flow::{Flow, FlowBook, FlowEvent, FlowKind, Refusal, Stopped, Trade};
use crate::model::{
    AccountId, Command, CommandKind, InstrumentId, Nanos, OrderType, Price, Quantity, SeqNo,
    SessionId, Side, TimeInForce,
};

/// Sessions that share a flow, where its orders are named as the edge names them.
pub const SESSIONS: u32 = 8;

/// The price of a tick: a cent.
pub const TICK: Price = Price(100);

/// How a flow's orders are named to the matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// As the edge does: each session numbers its own orders in sequence.
    Handles,
    /// By the file's own ids, whatever gaps they leave.
    Ids,
}

/// What an event turned out to do, for figures by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// An order that rests whole.
    Add,
    /// A cancel.
    Cancel,
    /// A replacement.
    Replace,
    /// An order that could trade at once.
    Marketable,
}

impl Deed {
    /// Every deed, with its name.
    pub const ALL: [(Self, &str); 4] = [
        (Self::Add, "add"),
        (Self::Cancel, "cancel"),
        (Self::Replace, "replace"),
        (Self::Marketable, "marketable"),
    ];
}

/// A flow's commands. The seq of each is one more than its place.
#[derive(Clone, Debug)]
pub struct Script {
    /// All commands.
    pub commands: Vec<Command>,
    /// How many come before the clock starts.
    pub prefill: usize,
    /// What each command turns out to do.
    pub deeds: Vec<Deed>,
    /// The most orders that rest at once.
    pub resting_max: u32,
    /// The highest session number.
    pub session_max: u32,
    /// The trades a correct book makes of it.
    pub trades: usize,
    /// The highest account number.
    pub account_max: u32,
    /// The file's id of the order each command enters; 0 for a cancel.
    names: Vec<u64>,
}

impl Script {
    /// Translates a flow.
    ///
    /// # Errors
    /// [`Stopped`] where the flow breaks a rule that only a book can check.
    pub fn new(flow: &Flow, resting_max: u32, naming: Naming) -> Result<Self, Stopped> {
        let mut writer = Writer::new(flow, resting_max, naming);
        for (number, event) in flow.events.iter().enumerate() {
            if number == flow.prefill {
                writer.script.prefill = writer.script.commands.len();
            }
            writer.event(event).map_err(|refusal| Stopped { event: number, refusal })?;
        }
        if flow.prefill >= flow.events.len() {
            writer.script.prefill = writer.script.commands.len();
        }
        Ok(writer.script)
    }

    /// The naming that suits a flow: handles for ids in sequence, its own ids where they are
    /// sparse and the matcher can hold them.
    pub fn naming_of(flow: &Flow) -> Naming {
        let highest = flow.events.iter().map(|event| event.id.max(event.new_id)).max();
        let highest = highest.unwrap_or_default();
        let sparse = highest > 4 * flow.events.len() as u64;
        if sparse && highest < ID_END { Naming::Ids } else { Naming::Handles }
    }

    /// Gives trades, whose makers and takers are seqs, the file's ids.
    pub fn name(&self, trades: &mut [Trade]) {
        let name = |seq: u64| (seq as usize).checked_sub(1).and_then(|at| self.names.get(at));
        for trade in trades {
            trade.maker = name(trade.maker).copied().unwrap_or_default();
            trade.taker = name(trade.taker).copied().unwrap_or_default();
        }
    }
}

/// Ids below this fit in an order's number.
const ID_END: u64 = 1 << 32;

/// What is known of an order that may rest still.
#[derive(Clone, Copy, Debug)]
struct Known {
    session: SessionId,
    ordinal: u32,
    account: AccountId,
    price: u32,
    leaves: u32,
    /// What its chain has traded.
    executed: u32,
}

/// Writes a script, with a book beside it that says what the flow's orders come to.
struct Writer {
    script: Script,
    naming: Naming,
    book: FastBook,
    trades: Vec<Trade>,
    known: HashMap<u64, Known>,
    /// The last number each session gave.
    ordinals: [u32; SESSIONS as usize],
}

impl Writer {
    fn new(flow: &Flow, resting_max: u32, naming: Naming) -> Self {
        let room = flow.events.len() + flow.events.len() / 64;
        Self {
            script: Script {
                commands: Vec::with_capacity(room),
                deeds: Vec::with_capacity(room),
                names: Vec::with_capacity(room),
                prefill: 0,
                resting_max,
                session_max: SESSIONS,
                account_max: 0,
                trades: 0,
            },
            naming,
            book: FastBook::new(resting_max, 1 << 12),
            trades: Vec::new(),
            known: HashMap::new(),
            ordinals: [0; SESSIONS as usize],
        }
    }

    fn event(&mut self, event: &FlowEvent) -> Result<(), Refusal> {
        match event.kind {
            FlowKind::Cancel => {
                let old = self.known.remove(&event.id);
                self.cancel(event.id, old.as_ref());
                self.book.apply(event, &mut self.trades)
            }
            FlowKind::Replace => self.replace(event),
            _ => self.enter(event.id, event, 0, None),
        }
    }

    fn replace(&mut self, event: &FlowEvent) -> Result<(), Refusal> {
        let Some(old) = self.known.remove(&event.id) else {
            // What rests no more cannot be replaced: the matcher says so as well.
            let (session, target) = self.name_of(event.id, event.account);
            let (_, ordinal) = self.new_name(event.new_id, event.account, Some(session));
            let command = Command { session, ordinal, target, ..order(event, 0) };
            self.write(command, Deed::Replace, event.new_id);
            return Ok(());
        };
        if old.price == event.price && event.quantity <= old.leaves {
            self.cancel(event.id, Some(&old));
            let entered = FlowEvent { kind: FlowKind::Limit, id: event.new_id, ..*event };
            return self.enter_after(&entered, event, 0, None);
        }
        self.enter(event.new_id, event, old.executed, Some(old))
    }

    fn enter(
        &mut self,
        id: u64,
        event: &FlowEvent,
        executed: u32,
        old: Option<Known>,
    ) -> Result<(), Refusal> {
        self.enter_after(&FlowEvent { id, ..*event }, event, executed, old)
    }

    /// Writes an order, after what the book makes of the event it comes of.
    fn enter_after(
        &mut self,
        entered: &FlowEvent,
        event: &FlowEvent,
        executed: u32,
        old: Option<Known>,
    ) -> Result<(), Refusal> {
        self.trades.clear();
        self.book.apply(event, &mut self.trades)?;
        self.script.trades += self.trades.len();
        let traded: u32 = self.trades.iter().map(|trade| trade.quantity).sum();
        let deed = match (entered.kind, traded) {
            (FlowKind::Replace, _) => Deed::Replace,
            (FlowKind::Limit, 0) => Deed::Add,
            _ => Deed::Marketable,
        };
        let (session, ordinal) = self.new_name(entered.id, event.account, old.map(|o| o.session));
        let account = old.map_or(AccountId(event.account), |old| old.account);
        let target = old.map_or(0, |old| old.ordinal);
        let command = Command { session, ordinal, target, account, ..order(entered, executed) };
        self.write(command, deed, entered.id);
        self.note_makers();
        let leaves = entered.quantity - traded;
        if leaves > 0 && matches!(entered.kind, FlowKind::Limit | FlowKind::Replace) {
            let executed = executed.saturating_add(traded);
            let price = entered.price;
            let known = Known { session, ordinal, account, price, leaves, executed };
            self.known.insert(entered.id, known);
        }
        Ok(())
    }

    /// Takes from resting orders what was traded.
    fn note_makers(&mut self) {
        for trade in &self.trades {
            let Some(maker) = self.known.get_mut(&trade.maker) else { continue };
            maker.leaves -= trade.quantity;
            maker.executed = maker.executed.saturating_add(trade.quantity);
            if maker.leaves == 0 {
                self.known.remove(&trade.maker);
            }
        }
    }

    fn cancel(&mut self, id: u64, old: Option<&Known>) {
        let (session, target) = match old {
            Some(old) => (old.session, old.ordinal),
            None => self.name_of(id, 0),
        };
        let account = old.map_or(AccountId(1), |old| old.account);
        let kind = CommandKind::Cancel;
        let command = Command { session, target, account, ..Command::new(kind) };
        self.write(command, Deed::Cancel, 0);
    }

    fn write(&mut self, command: Command, deed: Deed, name: u64) {
        let seq = self.script.commands.len() as u64 + 1;
        let command = Command {
            seq: SeqNo(seq),
            timestamp: Nanos(seq),
            client_seq: seq as u32,
            instrument: InstrumentId(1),
            ..command
        };
        self.script.session_max = self.script.session_max.max(command.session.0);
        self.script.account_max = self.script.account_max.max(command.account.0);
        self.script.commands.push(command);
        self.script.deeds.push(deed);
        self.script.names.push(name);
    }

    /// The name of a new order; one that replaces another stays in its session.
    fn new_name(&mut self, id: u64, account: u32, session: Option<SessionId>) -> (SessionId, u32) {
        if self.naming == Naming::Ids {
            return self.name_of(id, account);
        }
        let session = session.unwrap_or(SessionId(1 + account % SESSIONS));
        let last = &mut self.ordinals[(session.index() - 1) % SESSIONS as usize];
        *last += 1;
        (session, *last)
    }

    /// The name of an order by its id alone; with handles, one that nobody has.
    fn name_of(&self, id: u64, account: u32) -> (SessionId, u32) {
        match self.naming {
            Naming::Ids => (SessionId(1), id as u32),
            Naming::Handles => (SessionId(1 + account % SESSIONS), 0),
        }
    }
}

/// What of a command does not depend on who sent it; `executed` is what its chain has traded.
fn order(event: &FlowEvent, executed: u32) -> Command {
    let (kind, order_type, time_in_force) = match event.kind {
        FlowKind::Limit => (CommandKind::Enter, OrderType::Limit, TimeInForce::Gtc),
        FlowKind::Immediate => (CommandKind::Enter, OrderType::Limit, TimeInForce::Ioc),
        FlowKind::Market => (CommandKind::Enter, OrderType::Market, TimeInForce::Ioc),
        FlowKind::Replace => (CommandKind::Replace, OrderType::Limit, TimeInForce::Gtc),
        FlowKind::Cancel => (CommandKind::Cancel, OrderType::Limit, TimeInForce::Day),
    };
    let side = if event.buy { Side::Buy } else { Side::Sell };
    Command {
        price: Price(i64::from(event.price) * TICK.0),
        quantity: Quantity(event.quantity.saturating_add(executed)),
        account: AccountId(event.account),
        side: side.code(),
        order_type: order_type.code(),
        time_in_force: time_in_force.code(),
        ..Command::new(kind)
    }
}
