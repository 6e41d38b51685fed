//! All sessions of a FIX gateway: a fold over commands and events, and what of it is alive.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::journal::{Annex, Annexed};
use crate::link::Producer;
use crate::model::{
    AccountId, Command, Event, Group, Instrument, Nanos, Request, SelfTrade, SessionId,
};
use crate::runtime::Counters;
use crate::snapshot::part;
use crate::stage::fix::FixCounter;
use crate::stage::fix::copies::Copies;
use crate::stage::fix::desk::{Moment, Work};
use crate::stage::fix::session::FixSession;
use crate::stage::fix::untold::Untold;
use crate::stage::gateway::Symbols;
use crate::stage::{BURST, EventLinks};
use crate::wire::fix::order::ExecutionReport;
use crate::wire::fix::session::{Credentials, MemoryStore, SessionConfig, Store, StoreError};

/// A client's FIX session, as configured.
#[derive(Clone, Debug)]
pub struct FixSpec {
    /// Its number.
    pub id: SessionId,
    /// What the session layer is told.
    pub config: SessionConfig,
    /// What its client must say of itself; the door asks.
    pub credentials: Option<Credentials>,
    /// The accounts it may name; the first is the one of orders that name none.
    pub accounts: RangeInclusive<u32>,
    /// It is told what happens to the orders of its accounts, and may ask for nothing.
    pub is_drop_copy: bool,
    /// Whether its orders die when its line ends.
    pub cancel_on_disconnect: bool,
    /// What happens when it would trade with its own account.
    pub self_trade: SelfTrade,
    /// Whose trading it may stop.
    pub may_stop: MayStop,
}

/// Whose trading a session may stop (DH), each for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MayStop {
    /// Its own.
    pub session: bool,
    /// An account's that it may name.
    pub accounts: bool,
    /// A firm's, all of whose accounts it may name.
    pub firm: bool,
    /// Those firms, with their numbers.
    pub firms: Vec<(String, u32)>,
    /// It may let go on what clients stopped, too.
    pub may_lift: bool,
}

impl FixSpec {
    /// The account of orders that name none.
    pub fn default_account(&self) -> AccountId {
        AccountId(*self.accounts.start())
    }
}

/// What a FIX gateway is told at boot.
#[derive(Clone, Debug)]
pub struct FixOptions {
    /// Where clients connect to.
    pub address: SocketAddr,
    /// What is traded.
    pub instruments: Vec<Instrument>,
    /// Destinations that an order may name.
    pub destinations: Vec<(String, SessionId)>,
    /// By session id.
    pub sessions: Vec<Option<FixSpec>>,
    /// Orders a session may have open and finished ones it remembers.
    pub orders: usize,
    /// Orders open in the whole market, at most, with those on their way through it.
    pub orders_max: usize,
    /// How long a session that a restart cut off may take to come back before its orders die.
    pub grace: Nanos,
    /// Makes tables of ClOrdIDs hard to attack; from the system's randomness.
    pub key: u64,
}

impl FixOptions {
    /// Whether there is a session at all.
    pub fn is_used(&self) -> bool {
        self.sessions.iter().any(Option::is_some)
    }
}

/// A session's numbers, to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FixView {
    /// The session.
    pub session: SessionId,
    /// The client's number after its last one on record in the journal.
    pub next_recorded: u64,
    /// The number its next order gets.
    pub next_ordinal: u32,
    /// Orders open.
    pub open_orders: usize,
    /// Connected, as far as history knows.
    pub is_up: bool,
}

/// A session's record, or why it cannot be used.
pub type OpenedRecord = Result<Box<dyn Store>, StoreError>;

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) symbols: Symbols,
}
part!(Common { symbols });

impl Common {
    /// Hands for a session's desk, for one input.
    pub(super) fn at_work<'a>(
        &'a self,
        moment: Moment,
        requests: &'a mut Producer<Request>,
        counters: &'a mut Counters<FixCounter>,
    ) -> Work<'a> {
        Work { symbols: &self.symbols, moment, requests, counters, share: BURST }
    }
}

/// Tells a session, whose place comes first, of a copy; says whether it has something to send.
type TellCopy<'a> = dyn FnMut(usize, &mut FixSession, &ExecutionReport, &Symbols) -> bool + 'a;

/// All sessions of a FIX gateway.
#[derive(Debug)]
pub struct FixState {
    pub(super) common: Common,
    pub(super) sessions: Box<[Option<FixSession>]>,
    /// Places of the sessions there are.
    pub(super) present: Vec<usize>,
    /// Sessions that may have something to send; each stands here at most once.
    pub(super) dirty: VecDeque<usize>,
    /// Drop copies, where somebody wants them.
    copies: Option<Copies>,
    /// What history tells, where it is the primary's to tell it.
    untold: Option<Untold>,
    grace: Nanos,
}
part!(
    FixState { common } one { copies } each { sessions } kept { present, dirty, untold, grace }
);

impl FixState {
    /// Before the first logon; `open` gives each session its record.
    ///
    /// # Errors
    /// The first record that cannot be opened.
    pub fn open(
        options: &FixOptions,
        open: &mut dyn FnMut(&FixSpec) -> OpenedRecord,
    ) -> Result<Self, StoreError> {
        let new = &mut |spec: &FixSpec| Ok(FixSession::new(spec, options, open(spec)?));
        Self::with(options, new)
    }

    /// Of a standby, with the last event that each session's record tells of, in their order; and
    /// how many commands a primary's links hold.
    pub fn to_stand_by(options: &FixOptions, told_of: &[u64], window: u64) -> Self {
        let mut told_of = told_of.iter().copied();
        let new = &mut |spec: &FixSpec| {
            Ok(FixSession::to_stand_by(spec, options, told_of.next().unwrap_or(0)))
        };
        let state = Self::with(options, new).unwrap_or_else(|_| Self::none());
        Self { untold: Some(Untold::new(window)), ..state }
    }

    fn with(
        options: &FixOptions,
        new: &mut dyn FnMut(&FixSpec) -> Result<FixSession, StoreError>,
    ) -> Result<Self, StoreError> {
        let mut sessions = Vec::with_capacity(options.sessions.len());
        for spec in &options.sessions {
            sessions.push(spec.as_ref().map(&mut *new).transpose()?);
        }
        let present: Vec<usize> =
            options.sessions.iter().flatten().map(|spec| spec.id.index()).collect();
        Ok(Self {
            common: Common {
                symbols: Symbols::new(&options.instruments)
                    .with_destinations(&options.destinations),
            },
            sessions: sessions.into(),
            dirty: VecDeque::with_capacity(present.len()),
            present,
            copies: Copies::new(options),
            untold: None,
            grace: options.grace,
        })
    }

    /// For looking at a journal: nobody is told anything.
    pub fn to_look_at(options: &FixOptions) -> Self {
        let silent = &mut |_: &FixSpec| -> OpenedRecord {
            let mut store = MemoryStore::new(1);
            store.tell_of(u64::MAX);
            Ok(Box::new(store))
        };
        // Memory does not fail.
        Self::open(options, silent).unwrap_or_else(|_| Self::none())
    }

    /// No sessions.
    pub fn none() -> Self {
        Self {
            common: Common { symbols: Symbols::new(&[]) },
            sessions: Box::default(),
            present: Vec::new(),
            dirty: VecDeque::new(),
            copies: None,
            untold: None,
            grace: Nanos::ZERO,
        }
    }

    /// A standby goes on as primary, with copies of the records in the order of sessions.
    pub fn inherit(&mut self, stores: impl Iterator<Item = Box<dyn Store>>) {
        for (session, store) in self.sessions.iter_mut().flatten().zip(stores) {
            session.inherit(store);
        }
    }

    /// Tells what the machine that was primary had not told.
    pub fn tell_untold(&mut self) {
        for waiting in self.untold.take().map(Untold::take).unwrap_or_default() {
            if let Some(Some(session)) = self.sessions.get_mut(waiting.at) {
                session.tell_untold(&waiting);
            }
        }
    }

    /// From here on records are written by this hand; those that can be copied, in their order.
    ///
    /// # Errors
    /// A record that cannot be written.
    pub fn hand_over(&mut self, hand: u64) -> Result<Vec<Annexed>, StoreError> {
        let sessions = self.sessions.iter_mut().flatten();
        let files: Result<Vec<_>, _> = sessions.map(|session| session.hand_over(hand)).collect();
        Ok(files?.into_iter().flatten().collect())
    }

    /// What is said to clients waits for its record, which is among the first of an annex.
    pub fn annex(&mut self, annex: &Arc<Annex>) {
        for (file, session) in self.sessions.iter_mut().flatten().enumerate() {
            session.annex(Arc::clone(annex), file);
        }
    }

    fn session(&mut self, id: SessionId) -> Option<&mut FixSession> {
        self.sessions.get_mut(id.index())?.as_mut()
    }

    /// Takes a command from the record.
    pub fn restore_command(&mut self, group: &Group<Command>) {
        if let Some(session) = self.session(group.head.session) {
            session.desk.restore(group);
        }
    }

    /// Takes an event from the record; what of it was not told before the crash is told now, and
    /// waits on record for its client.
    pub fn restore_event(&mut self, event: &Event) {
        if event.session.0 == 0 {
            self.common.symbols.note(event);
        }
        let mut untold = self.untold.take();
        self.each_copy(event, &mut |at, session, report, symbols| {
            session.retell_copy(at, event, report, symbols, &mut untold);
            false
        });
        let at = event.session.index();
        if let Some(Some(session)) = self.sessions.get_mut(at) {
            session.retell(at, event, &self.common.symbols, &mut untold);
        }
        self.untold = untold;
    }

    /// Whether all that history told clients up to here is on their records: what is not can only
    /// be told again by folding it again.
    pub fn is_told(&self) -> bool {
        self.sessions.iter().flatten().all(FixSession::is_told)
    }

    /// The replay is over: numbers are as history and the records say.
    ///
    /// # Errors
    /// A record that cannot be written.
    pub fn restored(&mut self) -> Result<(), StoreError> {
        self.sessions.iter_mut().flatten().try_for_each(FixSession::restored)
    }

    /// Which gateway owns a session, by session id: 1 is this one, which is shown the events of
    /// the others' too where somebody wants drop copies.
    pub fn owners(&self) -> Box<[u8]> {
        let other = if self.copies.is_some() { EventLinks::COPIED } else { 0 };
        let owner = |session: &Option<FixSession>| if session.is_some() { 1 } else { other };
        self.sessions.iter().map(owner).collect()
    }

    /// Makes the copies of an event; `tell` says whether the session has something to send.
    #[inline]
    fn each_copy(&mut self, event: &Event, tell: &mut TellCopy<'_>) {
        if self.copies.is_some() {
            self.make_copies(event, tell);
        }
    }

    fn make_copies(&mut self, event: &Event, tell: &mut TellCopy<'_>) {
        let Self { sessions, copies, common, dirty, .. } = self;
        let Some(copies) = copies else { return };
        let owner = sessions.get(event.session.index()).and_then(Option::as_ref);
        let named = owner.and_then(|owner| Some(owner.desk.orders.get(event.ordinal)?.id));
        let Some(report) = copies.apply(event, named) else { return };
        for watcher in &copies.watchers {
            let Some(Some(session)) = sessions.get_mut(watcher.at) else { continue };
            if !watcher.accounts.contains(&event.account.0) {
                continue;
            }
            let report = report.said_in(watcher.version);
            if tell(watcher.at, session, &report, &common.symbols)
                && !std::mem::replace(&mut session.is_listed, true)
            {
                dirty.push_back(watcher.at);
            }
        }
    }

    /// Tells those who watch what happened.
    #[inline]
    pub(super) fn copy(&mut self, event: &Event, now: Nanos, counters: &mut Counters<FixCounter>) {
        self.each_copy(event, &mut |_, session, report, symbols| {
            counters.count(FixCounter::Copies);
            session.put_copy_on_record(event, report, symbols, now);
            true
        });
    }

    /// The numbers of every session.
    pub fn views(&self) -> impl Iterator<Item = FixView> + '_ {
        self.sessions.iter().flatten().map(FixSession::view)
    }

    /// Numbers what an event tells its session; returns when the message it answers was received,
    /// if this is the first answer.
    #[inline]
    pub(super) fn tell(
        &mut self,
        event: &Event,
        now: Nanos,
        counters: &mut Counters<FixCounter>,
    ) -> Option<Nanos> {
        let at = event.session.index();
        if at == 0 {
            self.common.symbols.note(event);
        }
        let session = self.sessions.get_mut(at)?.as_mut()?;
        let received_at = session.tell(event, &self.common.symbols, now, counters);
        self.mark(at);
        received_at
    }

    /// Notes that a session may have something to send.
    #[inline]
    pub(super) fn mark(&mut self, at: usize) {
        let Some(Some(session)) = self.sessions.get_mut(at) else { return };
        if !std::mem::replace(&mut session.is_listed, true) {
            self.dirty.push_back(at);
        }
    }

    /// The first poll: sessions that a restart cut off get time to come back.
    pub(super) fn start(&mut self, now: Nanos) {
        let end = now.saturating_add(self.grace);
        for session in self.sessions.iter_mut().flatten() {
            session.desk.grace_ends = session.desk.is_up.then_some(end);
        }
    }
}
