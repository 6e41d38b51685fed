//! All sessions of a FIX gateway: a fold over commands and events, and what of it is alive.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use crate::link::Producer;
use crate::model::{
    AccountId, Command, Event, Group, Instrument, Nanos, Request, SelfTrade, SessionId,
};
use crate::runtime::Counters;
use crate::stage::fix::FixCounter;
use crate::stage::fix::desk::{Moment, Work};
use crate::stage::fix::session::FixSession;
use crate::stage::gateway::Symbols;
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
    /// Whether its orders die when its line ends.
    pub cancel_on_disconnect: bool,
    /// What happens when it would trade with its own account.
    pub self_trade: SelfTrade,
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
    /// By session id.
    pub sessions: Vec<Option<FixSpec>>,
    /// Orders a session may have open and finished ones it remembers.
    pub orders: usize,
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

impl Common {
    /// Hands for a session's desk, for one input.
    pub(super) fn at_work<'a>(
        &'a self,
        moment: Moment,
        requests: &'a mut Producer<Request>,
        counters: &'a mut Counters<FixCounter>,
    ) -> Work<'a> {
        Work { symbols: &self.symbols, moment, requests, counters }
    }
}

/// All sessions of a FIX gateway.
#[derive(Debug)]
pub struct FixState {
    pub(super) common: Common,
    pub(super) sessions: Box<[Option<FixSession>]>,
    /// Places of the sessions there are.
    pub(super) present: Vec<usize>,
    /// Sessions that may have something to send; each stands here at most once.
    pub(super) dirty: VecDeque<usize>,
    grace: Nanos,
}

impl FixState {
    /// Before the first logon; `open` gives each session its record.
    ///
    /// # Errors
    /// The first record that cannot be opened.
    pub fn open(
        options: &FixOptions,
        open: &mut dyn FnMut(&FixSpec) -> OpenedRecord,
    ) -> Result<Self, StoreError> {
        let mut sessions = Vec::with_capacity(options.sessions.len());
        for spec in &options.sessions {
            sessions.push(match spec {
                None => None,
                Some(spec) => Some(FixSession::new(spec, options, open(spec)?)),
            });
        }
        let present: Vec<usize> =
            options.sessions.iter().flatten().map(|spec| spec.id.index()).collect();
        Ok(Self {
            common: Common { symbols: Symbols::new(&options.instruments) },
            sessions: sessions.into(),
            dirty: VecDeque::with_capacity(present.len()),
            present,
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
            grace: Nanos::ZERO,
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
        if let Some(Some(session)) = self.sessions.get_mut(event.session.index()) {
            session.retell(event, &self.common.symbols);
        }
    }

    /// The replay is over: numbers are as history and the records say.
    ///
    /// # Errors
    /// A record that cannot be written.
    pub fn restored(&mut self) -> Result<(), StoreError> {
        self.sessions.iter_mut().flatten().try_for_each(FixSession::restored)
    }

    /// Which gateway owns a session, by session id: 1 is this one.
    pub fn owners(&self) -> Box<[u8]> {
        self.sessions.iter().map(|session| u8::from(session.is_some())).collect()
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
