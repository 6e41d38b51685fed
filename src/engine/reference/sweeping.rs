//! Mass cancels, kills and disconnects, a bounded number of orders at a time.
//!
//! A walk remembers the last reference it looked at, so nothing that dies under it can confuse it.

use crate::engine::reference::ReferenceMatcher;
use crate::engine::reference::order::Order;
use crate::engine::rules::{self, Sweep};
use crate::model::{
    CancelReason, Command, CommandKind, Event, EventKind, Group, RejectCode, SeqNo, SessionId,
};

/// A sweep and how far it has come.
#[derive(Debug)]
pub(super) struct Walk {
    sweep: Sweep,
    /// The session it is in; `None` before the first of all sessions.
    session: Option<SessionId>,
    /// The last order it looked at in that session.
    last: SeqNo,
}

impl ReferenceMatcher {
    /// Answers a mass cancel, kill or session's end, and does the first part of its work.
    pub(super) fn start_walk(&mut self, group: &Group<Command>, kind: CommandKind) {
        let command = &group.head;
        let (reason, answer) = match kind {
            CommandKind::Kill => (CancelReason::Supervisory, EventKind::Killed),
            CommandKind::SessionDown => (CancelReason::Disconnect, EventKind::SessionDown),
            CommandKind::EndOfDay => (CancelReason::Closed, EventKind::EndOfDay),
            _ => (CancelReason::MassCancel, EventKind::MassCancelled),
        };
        let Some(sweep) = Sweep::of(group, reason) else {
            return self.outbox.push(rules::rejected(command, RejectCode::Unsupported));
        };
        if !sweep.has_room(self.walks.iter().map(|walk| &walk.sweep)) {
            return self.outbox.push(rules::cancel_rejected(command, RejectCode::TooManySweeps));
        }
        // What is for all shards the first one answers.
        if self.limits.shard == 0 || !rules::is_for_all(command) {
            self.outbox.push(Event::answering(command, 0, answer));
        }
        if kind == CommandKind::SessionDown && command.quantity.0 == 0 {
            return;
        }
        let at = self.walks.iter().position(|walk| sweep.widens(&walk.sweep));
        let at = at.unwrap_or_else(|| {
            self.walks.push(Walk { sweep, session: sweep.session, last: SeqNo::ZERO });
            self.walks.len() - 1
        });
        self.walks[at].sweep.bound = sweep.bound;
        // Of what an auction has frozen nothing is taken before it is settled.
        if self.uncrosses.is_empty() {
            self.walk_on(at);
        }
    }

    /// Goes on with walk `at` by one chunk, and forgets it when nothing is left for it.
    pub(super) fn walk_on(&mut self, at: usize) {
        if at >= self.walks.len() {
            return;
        }
        let mut walk = self.walks.remove(at);
        for _ in 0..self.limits.sweep_chunk {
            if let Some(order) = self.next_order(&walk) {
                walk.last = order.resting.reference;
                if walk.sweep.takes(&order.resting, order.special.group) {
                    self.remove(&order);
                    self.outbox.push(order.withdrawn(walk.sweep.reason));
                }
            } else if let Some(session) = self.next_session(&walk) {
                walk.session = Some(session);
                walk.last = SeqNo::ZERO;
            } else {
                return;
            }
        }
        if self.next_order(&walk).is_some() || self.next_session(&walk).is_some() {
            self.walks.insert(at, walk);
        }
    }

    /// The session's next order that is not younger than the sweep.
    fn next_order(&self, walk: &Walk) -> Option<Order> {
        let ahead = |order: &&Order| {
            Some(order.resting.session) == walk.session
                && order.resting.reference > walk.last
                && order.resting.reference <= walk.sweep.bound
        };
        self.orders().filter(ahead).min_by_key(|order| order.resting.reference).copied()
    }

    /// The next session with any orders; entering it costs as much as looking at an order.
    fn next_session(&self, walk: &Walk) -> Option<SessionId> {
        if walk.sweep.session.is_some() {
            return None;
        }
        let ahead = |session: &SessionId| walk.session.is_none_or(|current| *session > current);
        self.orders().map(|order| order.resting.session).filter(ahead).min()
    }
}
