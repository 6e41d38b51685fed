//! What clients ask of orders elsewhere: checked against what is known, numbered, sent on.

use crate::engine::away::orders::{Asked, Routed, Slot, State};
use crate::engine::away::{Away, Walk, sent_on};
use crate::engine::rules::{self, Sweep};
use crate::engine::{Matcher, RestingOrder, SoftwareMatcher};
use crate::model::{
    CancelReason, Command, CommandKind, Event, EventKind, Group, InstrumentId, OrderId, Quantity,
    RejectCode, Scope,
};

/// How many replacements of one another may wait for their answers.
const CHAIN_MAX: usize = 4;

impl Away {
    pub(super) fn enter(&mut self, group: &Group<Command>) -> Result<(), RejectCode> {
        let command = &group.head;
        let side = command.side().ok_or(RejectCode::InvalidSide)?;
        let place = match command.target {
            0 => self.home_of(command),
            named => self.destinations.iter().position(|d| d.id.0 == named).map(|at| at as u8),
        };
        let place = place.ok_or(RejectCode::Elsewhere)? as usize;
        self.admit(place, command)?;
        let order = rules::entered(command, side);
        self.send_order(group, place, order, State::Entering, Quantity::ZERO);
        Ok(())
    }

    /// The destination of an order that names none: its account's home, or one of its instrument's.
    pub(super) fn home_of(&self, command: &Command) -> Option<u8> {
        let has = |(first, last, _): &&(_, _, u8)| (*first..=*last).contains(&command.account);
        let of_account = self.accounts.iter().find(has).map(|(.., place)| *place);
        of_account.or_else(|| self.destination_of(command))
    }

    pub(super) fn replace(&mut self, group: &Group<Command>) -> Result<(), RejectCode> {
        let command = &group.head;
        let slot = self.orders.find(command.target_id()).ok_or(RejectCode::UnknownOrder)?;
        let old = *self.orders.get(slot).ok_or(RejectCode::UnknownOrder)?;
        if old.asked != Asked::Nothing || self.is_chain_full(old) {
            return Err(RejectCode::Pending);
        }
        let place = self.place(old.away.session()).ok_or(RejectCode::Elsewhere)?;
        self.admit(place, command)?;
        let order = RestingOrder {
            ordinal: command.ordinal,
            reference: command.seq,
            price: command.price,
            leaves: command.quantity.saturating_sub(old.order.executed),
            time_in_force: command.time_in_force,
            flags: command.flags.0,
            ..old.order
        };
        if let Some(old) = self.orders.get_mut(slot) {
            old.asked = Asked::Replace(command.ordinal);
        }
        self.send_order(group, place, order, State::Replacing(old.order.id()), old.here);
        Ok(())
    }

    /// Whether an order is the last of [`CHAIN_MAX`] replacements that wait for one another: one
    /// report may answer them all, and what a command tells is bounded.
    fn is_chain_full(&self, last: Routed) -> bool {
        let before = |routed: &Routed| match routed.state {
            State::Replacing(old) => self.orders.get(self.orders.find(old)?).copied(),
            _ => None,
        };
        std::iter::successors(Some(last), before).nth(CHAIN_MAX).is_some()
    }

    /// What every order must find: a destination that is heard, and room.
    pub(super) fn admit(&self, place: usize, command: &Command) -> Result<(), RejectCode> {
        if self.orders.find(command.order_id()).is_some() {
            return Err(RejectCode::DuplicateOrder);
        }
        if !self.destinations.get(place).is_some_and(|destination| destination.is_up) {
            return Err(RejectCode::DestinationDown);
        }
        if !self.has_room(place, 1) || !self.waiting.has_room(command.session) {
            return Err(RejectCode::DestinationBusy);
        }
        if self.orders.is_full() { Err(RejectCode::BookFull) } else { Ok(()) }
    }

    /// Keeps an order and sends on what of it did not trade `here`.
    pub(super) fn send_order(
        &mut self,
        group: &Group<Command>,
        place: usize,
        order: RestingOrder,
        state: State,
        here: Quantity,
    ) {
        let Some(destination) = self.destinations.get_mut(place) else { return };
        let away = OrderId::new(destination.id, destination.next_ordinal);
        destination.next_ordinal += 1;
        let target = match state {
            State::Replacing(old) => self.orders.find(old).and_then(|slot| self.orders.get(slot)),
            _ => None,
        };
        let target = target.map_or(0, |old| old.away.ordinal());
        let mut routed = *group;
        let quantity = group.head.quantity.saturating_sub(here);
        routed.head = Command { ordinal: away.ordinal(), target, quantity, ..group.head };
        let message = self.send(place, routed);
        let terms = group.terms().copied().unwrap_or_default();
        self.orders.insert(Routed {
            order,
            group: terms.group,
            away,
            message,
            state,
            asked: Asked::Nothing,
            unwanted: None,
            refusals: 0,
            here,
            is_in_doubt: false,
            question: 0,
            left_there: None,
        });
        self.waiting.more(order.session);
        self.outbox.push(match state {
            State::Rest => rules::about(&order, EventKind::Routed),
            _ => sent_on(&group.head, order.id()),
        });
    }

    /// Gives a message its number and sends it.
    pub(super) fn send(&mut self, place: usize, mut message: Group<Command>) -> u32 {
        let Some(destination) = self.destinations.get_mut(place) else { return 0 };
        destination.sent += 1;
        message.head.session = destination.id;
        message.head.client_seq = destination.sent;
        self.routed.push(message);
        destination.sent
    }

    /// A client cancels an order, cuts it, or marks it anew.
    pub(super) fn change(&mut self, group: &Group<Command>) -> Result<(), RejectCode> {
        let command = &group.head;
        let slot = self.orders.find(command.target_id()).ok_or(RejectCode::UnknownOrder)?;
        let routed = *self.orders.get(slot).ok_or(RejectCode::UnknownOrder)?;
        let is_cancel = command.kind == CommandKind::Cancel.code();
        let total = command.quantity;
        let asked = if !is_cancel {
            let side = rules::marking(&routed.order, command).ok_or(RejectCode::Unsupported)?;
            Asked::Modify(side, total)
        } else if rules::leaves_after_cut(&routed.order, total) == Quantity::ZERO {
            Asked::Cancel(CancelReason::User)
        } else if rules::leaves_after_cut(&routed.order, total) >= routed.order.leaves {
            // Nothing is asked of an order that has no more than that.
            return Ok(());
        } else {
            Asked::Cut(total)
        };
        if routed.asked != Asked::Nothing {
            return Err(RejectCode::Pending);
        }
        let place = self.place(routed.away.session()).ok_or(RejectCode::Elsewhere)?;
        if !self.has_room(place, 2) {
            return Err(RejectCode::DestinationBusy);
        }
        self.ask(slot, asked, command);
        self.outbox.push(sent_on(command, routed.order.id()));
        Ok(())
    }

    /// Asks something of an order; what `by` says of price and terms is of no account.
    pub(super) fn ask(&mut self, slot: Slot, asked: Asked, by: &Command) {
        let Some(routed) = self.orders.get(slot).copied() else { return };
        let Some(place) = self.place(routed.away.session()) else { return };
        let (kind, side, quantity) = match asked {
            Asked::Nothing | Asked::Replace(_) => return,
            Asked::Cancel(_) => (CommandKind::Cancel, routed.order.side, Quantity::ZERO),
            // A cut is always answered as a modification, by a cancel only if it does something.
            Asked::Cut(total) => (CommandKind::Modify, routed.order.side, total),
            Asked::Modify(side, total) => (CommandKind::Modify, side, total),
        };
        // Of what traded here it knows nothing.
        let quantity = quantity.saturating_sub(routed.here);
        let message = Command {
            seq: by.seq,
            timestamp: by.timestamp,
            target: routed.away.ordinal(),
            instrument: routed.order.instrument,
            account: routed.order.account,
            quantity,
            side: side.code(),
            ..Command::new(kind)
        };
        let message = self.send(place, Group::new(message));
        if let Some(routed) = self.orders.get_mut(slot) {
            (routed.asked, routed.message) = (asked, message);
        }
    }

    /// Asks an order's destination to take it away, for one who stands above its client; while
    /// something else is asked, afterwards.
    pub(super) fn withdraw(&mut self, slot: Slot, reason: CancelReason, by: &Command) {
        match self.orders.get_mut(slot) {
            Some(routed) if routed.asked == Asked::Nothing => {
                self.ask(slot, Asked::Cancel(reason), by);
            }
            Some(routed) => routed.unwanted = Some(reason),
            None => {}
        }
    }

    /// Answers a mass cancel, kill or session's end where it is not answered elsewhere, and does
    /// the first part of its work.
    pub(super) fn start_walk(&mut self, group: &Group<Command>, kind: CommandKind) {
        let command = &group.head;
        let (reason, answer) = match kind {
            CommandKind::Kill => (CancelReason::Supervisory, EventKind::Killed),
            CommandKind::SessionDown => (CancelReason::Disconnect, EventKind::SessionDown),
            _ => (CancelReason::MassCancel, EventKind::MassCancelled),
        };
        let Some(mut sweep) = Sweep::of(group, reason) else {
            return self.outbox.push(rules::rejected(command, RejectCode::Unsupported));
        };
        if kind == CommandKind::Kill && command.side == Scope::Venue.code() {
            // What rests here is not what rests elsewhere, and the other way round.
            sweep.instrument = (command.target == 0).then_some(InstrumentId(0));
        }
        if !sweep.has_room(self.walks.iter().map(|walk| &walk.sweep)) {
            return self.outbox.push(rules::cancel_rejected(command, RejectCode::TooManySweeps));
        }
        if !rules::is_for_all(command) {
            self.outbox.push(Event::answering(command, 0, answer));
        }
        if kind == CommandKind::SessionDown && command.quantity.0 == 0 {
            return;
        }
        let walk = Walk { sweep, next: 0, blocked: None };
        match self.walks.iter_mut().find(|other| sweep.widens(&other.sweep)) {
            Some(other) => *other = walk,
            None => self.walks.push_back(walk),
        }
        self.walk(command);
    }

    /// Whether a mass cancel can go on.
    pub(super) fn has_walk(&self) -> bool {
        let goes_on = |walk: &Walk| walk.blocked.is_none_or(|place| self.has_room(place, 3));
        self.walks.iter().any(goes_on)
    }

    /// Goes on with what is unfinished: the books', then mass cancels, then doubts.
    pub(super) fn go_on(&mut self, group: &Group<Command>) {
        let now = group.head.timestamp;
        let wants = |books: &SoftwareMatcher| books.wants_sweep() || books.due_at() <= now;
        if self.books.as_ref().is_some_and(|books| wants(books)) {
            self.in_books(group);
        } else if self.has_walk() {
            self.walk(&group.head);
        } else {
            self.look_into(&group.head);
        }
    }

    /// Looks at a chunk of orders for the first mass cancel whose destinations have room.
    fn walk(&mut self, by: &Command) {
        let goes_on = |walk: &Walk| walk.blocked.is_none_or(|place| self.has_room(place, 3));
        let Some(at) = self.walks.iter().position(goes_on) else { return };
        let Some(mut walk) = self.walks.get(at).copied() else { return };
        walk.blocked = None;
        for _ in 0..self.sweep_chunk {
            if walk.next >= self.orders.end() || walk.blocked.is_some() {
                break;
            }
            self.look_at(&mut walk, by);
        }
        if walk.next >= self.orders.end() && walk.blocked.is_none() {
            self.walks.remove(at);
        } else if let Some(place) = self.walks.get_mut(at) {
            *place = walk;
        }
    }

    /// Looks at one order for a mass cancel; where its destination has no room the walk stays.
    fn look_at(&mut self, walk: &mut Walk, by: &Command) {
        let slot = walk.next;
        if let Some(routed) = self.orders.get(slot).copied()
            && routed.order.reference <= walk.sweep.bound
            && walk.sweep.session.is_none_or(|session| session == routed.order.session)
            && walk.sweep.takes(&routed.order, routed.group)
        {
            let place = self.place(routed.away.session());
            if place.is_some_and(|place| !self.has_room(place, 3)) {
                walk.blocked = place;
                return;
            }
            self.withdraw(slot, walk.sweep.reason, by);
        }
        walk.next += 1;
    }
}
