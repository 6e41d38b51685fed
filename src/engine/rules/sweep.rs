//! `Sweep`: which orders a mass cancel, kill, disconnect or day's end takes, and how many wait.

use crate::engine::RestingOrder;
use crate::model::{
    AccountId, CancelReason, Command, Group, InstrumentId, Scope, SeqNo, SessionId, TermFlags,
    TimeInForce,
};

/// A mass cancel, kill, disconnect or day's end in progress: which orders it takes and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Sweep {
    /// Only this session's orders; `None` goes through all sessions, in order of their numbers.
    pub(in crate::engine) session: Option<SessionId>,
    pub(in crate::engine) instrument: Option<InstrumentId>,
    /// Only orders of accounts from the first to the second.
    pub(in crate::engine) accounts: Option<(AccountId, AccountId)>,
    /// Only buyers, or only sellers.
    pub(in crate::engine) buys: Option<bool>,
    /// Only the orders of a client's group; 0 is any.
    pub(in crate::engine) group: u16,
    /// Only orders that do not outlive the day.
    pub(in crate::engine) day_only: bool,
    pub(in crate::engine) reason: CancelReason,
    /// Only orders accepted by then: it never chases what came after it.
    pub(in crate::engine) bound: SeqNo,
}

/// Mass cancels of one session that may wait; more are refused until one has finished.
const WAITING_PER_SESSION: usize = 4;

/// Kills that may wait.
const WAITING_KILLS: usize = 16;

impl Sweep {
    /// What a mass cancel, kill, disconnect or day's end sweeps; `None` for a scope nobody
    /// assigned, and for a mass cancel of more than its session may have.
    pub(in crate::engine) fn of(group: &Group<Command>, reason: CancelReason) -> Option<Self> {
        let command = &group.head;
        let everything = Self {
            session: None,
            instrument: None,
            accounts: None,
            buys: None,
            group: 0,
            day_only: reason == CancelReason::Closed,
            reason,
            bound: command.seq,
        };
        let session = Self { session: Some(command.session), ..everything };
        let instrument = Some(command.instrument);
        match reason {
            CancelReason::Closed => return Some(everything),
            CancelReason::Disconnect => return Some(session),
            CancelReason::MassCancel => return session.narrowed(group),
            _ => {}
        }
        Some(match Scope::from_code(command.side)? {
            Scope::Everything => everything,
            Scope::Session => session,
            Scope::Account => {
                Self { accounts: Some((command.account, command.account)), ..everything }
            }
            // The risk gate, which knows them, says which accounts are the firm's.
            Scope::Firm => {
                let last = AccountId(command.ordinal);
                Self { accounts: Some((command.account, last)), ..everything }
            }
            Scope::Instrument => Self { instrument, ..everything },
            Scope::Venue if command.target == 0 => everything,
            // What another venue matches does not rest here.
            Scope::Venue => Self { instrument: Some(InstrumentId(0)), ..everything },
        })
    }

    /// A mass cancel of its session's orders, of those its command and terms name.
    fn narrowed(self, group: &Group<Command>) -> Option<Self> {
        let command = &group.head;
        let terms = group.terms().copied().unwrap_or_default();
        let widened = terms.flags.has(TermFlags::ALL_SESSIONS);
        if widened && command.session != SessionId(0) {
            return None;
        }
        let buys = match terms.flags.has(TermFlags::BY_SIDE) {
            true => Some(command.side()?.is_buy()),
            false => None,
        };
        let by_account = terms.flags.has(TermFlags::BY_ACCOUNT);
        Some(Self {
            session: self.session.filter(|_| !widened),
            instrument: Some(command.instrument).filter(|instrument| instrument.0 != 0),
            accounts: by_account.then_some((command.account, command.account)),
            buys,
            group: terms.group,
            ..self
        })
    }

    /// Whether it takes this order of a client's group, given that it looks at it.
    pub(in crate::engine) fn takes(&self, order: &RestingOrder, group: u16) -> bool {
        let outlives = matches!(
            TimeInForce::from_code(order.time_in_force),
            Some(TimeInForce::Gtc | TimeInForce::Gtd)
        );
        self.instrument.is_none_or(|instrument| instrument == order.instrument)
            && self.accounts.is_none_or(|(first, last)| (first..=last).contains(&order.account))
            && self.buys.is_none_or(|buys| buys == order.side.is_buy())
            && (self.group == 0 || self.group == group)
            && !(self.day_only && outlives)
    }

    /// Whether one more may wait beside these. Disconnects always may: there is one a session,
    /// and a second one [`Self::widens`] the first.
    pub(in crate::engine) fn has_room<'a>(&self, waiting: impl Iterator<Item = &'a Sweep>) -> bool {
        let alike = waiting.filter(|other| other.reason == self.reason);
        match self.reason {
            CancelReason::Disconnect => true,
            CancelReason::MassCancel => {
                alike.filter(|other| other.session == self.session).count() < WAITING_PER_SESSION
            }
            _ => alike.count() < WAITING_KILLS,
        }
    }

    /// Whether `waiting` need only be stretched to this one's bound to do its work too: it has
    /// left none of the session's orders behind.
    pub(in crate::engine) fn widens(&self, waiting: &Sweep) -> bool {
        self.reason == CancelReason::Disconnect
            && waiting.reason == CancelReason::Disconnect
            && waiting.session == self.session
    }

    /// The most sweeps that wait at once.
    pub(in crate::engine) const fn waiting_max(sessions_max: usize) -> usize {
        WAITING_KILLS + sessions_max * (WAITING_PER_SESSION + 1)
    }
}
