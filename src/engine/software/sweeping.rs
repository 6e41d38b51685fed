//! Mass cancels, kills and disconnects, a bounded number of orders for each command.
//!
//! A walk stands at the order it will look at next. When that order dies meanwhile the walk steps
//! over it, so it never holds on to a slot that has become somebody else's.

use crate::engine::book::{NONE, Slot};
use crate::engine::rules::{self, Sweep};
use crate::engine::software::SoftwareMatcher;
use crate::model::{
    CancelReason, Command, CommandKind, Event, EventKind, Group, RejectCode, SessionId,
};

/// A sweep and how far it has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    sweep: Sweep,
    /// The session it is in; `None` before the first of all sessions.
    session: Option<SessionId>,
    /// The order it looks at next; [`NONE`] at the end of the session's list.
    next: Slot,
}

impl SoftwareMatcher {
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
        let next = sweep.session.map_or(NONE, |session| self.register.oldest(session));
        let walk = Walk { sweep, session: sweep.session, next };
        let at = match self.walks.iter().position(|walk| sweep.widens(&walk.sweep)) {
            Some(at) => {
                self.walks[at] = walk;
                at
            }
            None => {
                self.walks.push_back(walk);
                self.walks.len() - 1
            }
        };
        // Of what an auction has frozen nothing is taken before it is settled.
        if self.uncrosses.is_empty() {
            self.walk_on(at);
        } else {
            self.store.owner_mut(next).awaited = true;
        }
    }

    /// Goes on with walk `at` by one chunk, and forgets it when nothing is left for it.
    pub(super) fn walk_on(&mut self, at: usize) {
        let Some(&walk) = self.walks.get(at) else { return };
        match self.walk_chunk(walk) {
            Some(walk) => {
                self.store.owner_mut(walk.next).awaited = true;
                self.walks[at] = walk;
            }
            None => {
                self.walks.remove(at);
            }
        }
    }

    /// Takes up to a chunk of steps; where the walk stands then, or `None` at its end.
    fn walk_chunk(&mut self, mut walk: Walk) -> Option<Walk> {
        for _ in 0..self.limits.sweep_chunk {
            if self.has_order(&walk) {
                let slot = walk.next;
                let standing = self.standing(slot);
                walk.next = self.store.owner(slot).younger;
                if walk.sweep.takes(&standing.order, standing.special.group) {
                    self.withdraw(slot, walk.sweep.reason);
                }
            } else {
                let session = self.next_session(&walk)?;
                walk.session = Some(session);
                walk.next = self.register.oldest(session);
            }
        }
        (self.has_order(&walk) || self.next_session(&walk).is_some()).then_some(walk)
    }

    /// Whether the walk stands at an order that is not younger than the sweep.
    fn has_order(&self, walk: &Walk) -> bool {
        walk.next != NONE && self.store.owner(walk.next).reference <= walk.sweep.bound
    }

    /// The next session with any orders; entering it costs as much as looking at an order.
    fn next_session(&self, walk: &Walk) -> Option<SessionId> {
        if walk.sweep.session.is_some() {
            return None;
        }
        self.register.next_session(SessionId(walk.session.map_or(0, |session| session.0 + 1)))
    }

    /// Moves the walks that stand at an order on, before it goes.
    #[cold]
    pub(super) fn step_over(&mut self, slot: Slot) {
        let younger = self.store.owner(slot).younger;
        for walk in self.walks.iter_mut().filter(|walk| walk.next == slot) {
            walk.next = younger;
        }
        self.store.owner_mut(younger).awaited = true;
    }
}
