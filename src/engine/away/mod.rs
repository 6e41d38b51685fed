//! `Away`: orders that rest elsewhere, at another appliance or an exchange. A shard without books:
//! it sends on what clients ask, and tells them what the destinations report.
//!
//! ```text
//! commands of clients ─► asking ──► routed orders, numbered for their destination
//!                     └► here: books of its own, for what meets somebody here before it goes on
//! reports (commands)  ─► reports ─► events, as a book would have made them
//! ```
//!
//! What is routed is a fold over history, numbers included: a replay sends the same again, and
//! whoever carries it to the destination begins where the destination says it left off.

mod asking;
mod best;
mod doubt;
mod executions;
mod here;
mod orders;
mod reports;
#[cfg(test)]
mod tests;

pub use orders::LATE_ANSWERS_MAX;

use std::collections::VecDeque;

use crate::engine::away::best::Best;
use crate::engine::away::executions::Executions;
use crate::engine::away::orders::{Orders, Slot, Waiting};
use crate::engine::outbox::Outbox;
use crate::engine::rules::{self, Room, Special, Sweep, Task};
use crate::engine::{
    BookView, EngineLimits, Full, Matcher, Quote, SoftwareMatcher, Standing, Top, as_listed,
};
use crate::model::{
    AccountId, Command, CommandKind, Event, EventKind, Group, InstrumentId, Nanos, OrderId, Phase,
    RejectCode, SessionId,
};
use crate::snapshot::part;

/// What is told at boot of the orders that rest elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwayOptions {
    /// Our sessions at the destinations.
    pub destinations: Vec<SessionId>,
    /// Which of them has an instrument; of several, the first as a rule.
    pub homes: Vec<(InstrumentId, SessionId)>,
    /// Of those, the ones whose orders meet somebody here first: what is left of them is sent on.
    pub here_first: Vec<InstrumentId>,
    /// Of the destinations, those that are asked where orders are when they are heard again.
    pub asked: Vec<SessionId>,
    /// Which of them has accounts, first and last, whatever the instrument.
    pub accounts: Vec<(AccountId, AccountId, SessionId)>,
    /// Orders there at once, over all destinations.
    pub orders_max: u32,
    /// Messages to one destination that it may not have on record yet. Orders take up to a quarter
    /// of it, clients' cancels up to half; the rest is for whoever stands above the clients.
    pub in_flight_max: u32,
    /// Executions remembered, to know them again when they are told twice or undone.
    pub executions_max: u32,
}

/// One destination, as far as history knows.
#[derive(Clone, Copy, Debug)]
struct Destination {
    id: SessionId,
    /// The number the next order gets there.
    next_ordinal: u32,
    /// Messages routed to it.
    sent: u32,
    /// It has those below this one on record.
    heard: u32,
    is_up: bool,
    /// It is asked where orders are when it is heard again.
    is_asked: bool,
    /// The order that is looked at next: to be marked as in doubt, or where it is heard asked for.
    doubts: Option<Slot>,
}
part!(Destination { id, next_ordinal, sent, heard, is_up, doubts } kept { is_asked });

impl Destination {
    /// Messages that it may not have.
    const fn in_flight(&self) -> u32 {
        (self.sent + 1).saturating_sub(self.heard)
    }
}

/// A mass cancel, and the slot it looks at next.
#[derive(Clone, Copy, Debug)]
struct Walk {
    sweep: Sweep,
    next: Slot,
    /// The destination that had no room for it.
    blocked: Option<usize>,
}

/// All orders that rest elsewhere: a fold over commands.
#[derive(Debug)]
pub struct Away {
    destinations: Vec<Destination>,
    /// By instrument: the places of its destinations above.
    homes: Box<[Box<[u8]>]>,
    /// By instrument: who of them has the better price; empty where nobody says so.
    best: Box<[Best]>,
    /// For how long that counts.
    prices_last: Nanos,
    /// Accounts in rows, and the place of their destination.
    accounts: Box<[(AccountId, AccountId, u8)]>,
    orders: Orders,
    waiting: Waiting,
    executions: Executions,
    walks: VecDeque<Walk>,
    /// Books for what meets somebody here first.
    books: Option<Box<SoftwareMatcher>>,
    /// By instrument: whether it is theirs.
    here_first: Box<[bool]>,
    in_flight_max: u32,
    sweep_chunk: u16,
    outbox: Outbox,
    routed: Vec<Group<Command>>,
}
part!(
    Away { orders, waiting, executions, best }
    all { destinations }
    one { books }
    kept {
        homes, prices_last, accounts, walks, here_first, in_flight_max, sweep_chunk, outbox, routed,
    }
);

impl Away {
    /// Without any orders; `limits.shard` is its place among the shards.
    pub fn new(options: &AwayOptions, limits: &EngineLimits) -> Self {
        let destination = |id: &SessionId| Destination {
            id: *id,
            next_ordinal: 1,
            sent: 0,
            heard: 1,
            is_up: false,
            is_asked: options.asked.contains(id),
            doubts: None,
        };
        let destinations: Vec<_> = options.destinations.iter().map(destination).collect();
        let end = options.homes.iter().map(|(id, _)| id.index() + 1).max().unwrap_or(0);
        let mut homes = vec![Vec::new(); end];
        for (instrument, session) in &options.homes {
            let place = options.destinations.iter().position(|id| id == session);
            homes[instrument.index()].extend(place.map(|place| place as u8));
        }
        let of_accounts = options.accounts.iter().filter_map(|(first, last, session)| {
            let place = options.destinations.iter().position(|id| id == session)?;
            Some((*first, *last, place as u8))
        });
        Self {
            destinations,
            homes: homes.into_iter().map(Vec::into_boxed_slice).collect(),
            best: Box::default(),
            prices_last: Nanos::ZERO,
            accounts: of_accounts.collect(),
            orders: Orders::new(options.orders_max as usize),
            waiting: Waiting::new(limits.sessions_max),
            executions: Executions::new(options.executions_max as usize),
            walks: VecDeque::with_capacity(Sweep::waiting_max(limits.sessions_max as usize)),
            books: None,
            here_first: Box::default(),
            in_flight_max: options.in_flight_max,
            sweep_chunk: limits.sweep_chunk,
            outbox: Outbox::new(limits),
            routed: Vec::with_capacity(Self::routed_max(limits)),
        }
    }

    /// With books of these instruments, made for the same place among the shards.
    #[must_use]
    pub fn with_books(mut self, books: SoftwareMatcher, options: &AwayOptions) -> Self {
        let end = options.here_first.iter().map(|id| id.index() + 1).max().unwrap_or(0);
        let mut here_first = vec![false; end];
        options.here_first.iter().for_each(|id| here_first[id.index()] = true);
        (self.books, self.here_first) = (Some(Box::new(books)), here_first.into());
        self
    }

    /// Takes what was sent to destinations, in order: after each command. `session` is the
    /// destination, `ordinal` and `target` are its numbers of orders, `client_seq` is the number of
    /// the message there, and `seq` the command that sends it.
    pub fn take_routed(&mut self, each: &mut dyn FnMut(&Group<Command>)) {
        self.routed.iter().for_each(&mut *each);
        self.routed.clear();
    }

    /// The most messages that one command sends.
    pub const fn routed_max(limits: &EngineLimits) -> usize {
        limits.sweep_chunk as usize + 2
    }

    /// Whether nothing is unfinished but what waits for a time, or for a destination.
    pub fn is_at_rest(&self) -> bool {
        self.walks.is_empty() && self.books.as_ref().is_none_or(|books| books.is_at_rest())
    }

    /// All destinations.
    pub fn destinations(&self) -> impl Iterator<Item = SessionId> {
        self.destinations.iter().map(|known| known.id)
    }

    /// Whether a destination is heard, as far as history knows.
    pub fn is_up(&self, destination: SessionId) -> bool {
        self.destinations.iter().any(|known| known.id == destination && known.is_up)
    }

    fn place(&self, destination: SessionId) -> Option<usize> {
        self.destinations.iter().position(|known| known.id == destination)
    }

    /// Whether a destination may be sent another message, of those it takes up to `quarters` of
    /// what may be on its way.
    fn has_room(&self, place: usize, quarters: u32) -> bool {
        let most = self.in_flight_max / 4 * quarters;
        self.destinations.get(place).is_some_and(|known| known.in_flight() < most)
    }

    fn apply(&mut self, group: &Group<Command>) {
        let command = &group.head;
        if command.is_away() {
            return self.report(group);
        }
        if command.kind == CommandKind::SetReferencePrice.code() && command.verdict == 0 {
            self.note_best(command);
        }
        let kind = match rules::sort(command) {
            Task::Answer(event) => return self.outbox.push(event),
            Task::Books(kind) => kind,
        };
        if self.books.is_some() && self.is_for_books_alone(command, kind) {
            return self.in_books(group);
        }
        let refused = match kind {
            CommandKind::Enter if self.meets_here(command) => self.enter_here(group),
            CommandKind::Enter => self.enter(group),
            CommandKind::Replace => self.replace(group),
            CommandKind::Cancel | CommandKind::Modify => {
                if let Err(why) = self.change(group) {
                    self.outbox.push(rules::cancel_rejected(command, why));
                }
                Ok(())
            }
            CommandKind::MassCancel | CommandKind::Kill | CommandKind::SessionDown => {
                self.in_books(group);
                self.start_walk(group, kind);
                Ok(())
            }
            CommandKind::Sweep => {
                self.go_on(group);
                Ok(())
            }
            // The destination has a day of its own, and moves are not for it.
            CommandKind::EndOfDay
            | CommandKind::SetFamily
            | CommandKind::MoveInstrument
            | CommandKind::SetInstrument => {
                self.in_books(group);
                Ok(())
            }
            _ => Err(RejectCode::Elsewhere),
        };
        if let Err(why) = refused {
            self.outbox.push(rules::rejected(command, why));
        }
    }
}

impl Matcher for Away {
    fn submit(&mut self, command: &Group<Command>) -> Result<(), Full> {
        self.outbox.check_room()?;
        let mut group = *command;
        group.head.instrument = as_listed(group.head.instrument);
        self.outbox.open(&group.head);
        self.apply(&group);
        self.outbox.close(&group.head);
        Ok(())
    }

    fn finished(&self) -> &[Event] {
        self.outbox.finished()
    }

    fn release(&mut self, count: usize) {
        self.outbox.release(count);
    }

    fn wants_sweep(&self) -> bool {
        let books = self.books.as_ref().is_some_and(|books| books.wants_sweep());
        books || self.has_walk() || self.has_doubts()
    }

    fn due_at(&self) -> Nanos {
        self.books.as_ref().map_or(Nanos::MAX, |books| books.due_at())
    }
}

impl BookView for Away {
    fn open_orders(&self) -> usize {
        self.orders.len() + self.books.as_ref().map_or(0, |books| books.open_orders())
    }

    /// What rests here; what the best prices are there, its feed tells.
    fn top(&self, instrument: InstrumentId) -> Top {
        self.books.as_ref().map(|books| books.top(instrument)).unwrap_or_default()
    }

    fn phase(&self, instrument: InstrumentId) -> Option<Phase> {
        self.books.as_ref()?.phase(instrument)
    }

    fn depth(&self, instrument: InstrumentId, buy: bool, n: usize, each: &mut dyn FnMut(Quote)) {
        if let Some(books) = &self.books {
            books.depth(instrument, buy, n, each);
        }
    }

    fn for_each_order(&self, each: &mut dyn FnMut(&Standing)) {
        if let Some(books) = &self.books {
            books.for_each_order(each);
        }
        for routed in self.orders.iter() {
            let order = routed.order;
            each(&Standing {
                order,
                special: Special { room: Room::Hidden, ..Special::PLAIN },
                front: order.leaves,
                shown: order.reference,
                capped: false,
            });
        }
    }
}

/// An event that says that what a client asked was sent on.
fn sent_on(command: &Command, order: OrderId) -> Event {
    let ordinal = order.ordinal();
    let event = Event::answering(command, 0, EventKind::Routed);
    Event { ordinal, reason: command.kind, ..event }
}
