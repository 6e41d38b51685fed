//! What destinations report of orders, as events for their clients: late answers, which answer no
//! message, and news.

use crate::engine::away::Away;
use crate::engine::away::executions::Execution;
use crate::engine::away::orders::{Asked, Routed, Slot, State};
use crate::engine::rules;
use crate::model::{
    CancelReason, Command, CommandKind, Event, EventFlags, EventKind, Group, OrderId, Price,
    Quantity, RejectCode, SeqNo, TradeDetail,
};

/// How often a destination is asked again to take an order away for one who stands above its
/// client, when it would not.
const REFUSALS_MAX: u8 = 16;

impl Away {
    /// Takes what a destination reports.
    pub(super) fn report(&mut self, group: &Group<Command>) {
        let command = &group.head;
        let Some(place) = self.place(command.session) else { return };
        let slot = self.orders.find_away(OrderId::new(command.session, command.ordinal));
        match command.kind() {
            Some(CommandKind::AwayUp) => self.set_up(place, command, true),
            Some(CommandKind::AwayDown) => self.set_up(place, command, false),
            Some(CommandKind::AwayHeard) => {
                self.hear(place, command.target);
                // A mark goes back behind all that was reported before it.
                if command.price != Price::ZERO {
                    self.routed.push(Group::new(*command));
                }
            }
            Some(CommandKind::AwayExecuted) => self.executed(command, slot, group.trade()),
            Some(CommandKind::AwayBusted) => self.busted(command, group.trade()),
            Some(CommandKind::AwayCorrected) => self.corrected(command, group.trade()),
            kind => {
                let Some(slot) = slot else { return };
                match kind {
                    Some(CommandKind::AwayAccepted) => {
                        self.accepted(slot, command.price);
                        if command.side != 0 {
                            self.found(slot, command.quantity);
                        }
                    }
                    Some(CommandKind::AwayCancelled) => self.cancelled(slot, command),
                    Some(CommandKind::AwayReplaced) if command.quantity == Quantity::ZERO => {
                        self.replaced_and_done(slot, command);
                    }
                    Some(CommandKind::AwayReplaced) => {
                        self.replaced(slot, Some((command.quantity, command.price)));
                    }
                    Some(CommandKind::AwayRejected) => self.rejected(slot, command),
                    Some(CommandKind::AwayCancelRejected) => self.cancel_rejected(slot, command),
                    Some(CommandKind::AwayModified) => self.modified(slot, command),
                    _ => {}
                }
            }
        }
    }

    pub(super) fn hear(&mut self, place: usize, below: u32) {
        if let Some(destination) = self.destinations.get_mut(place) {
            destination.heard = destination.heard.max(below.min(destination.sent + 1));
        }
    }

    fn set_up(&mut self, place: usize, command: &Command, is_up: bool) {
        self.hear(place, command.target);
        let Some(destination) = self.destinations.get_mut(place) else { return };
        if std::mem::replace(&mut destination.is_up, is_up) == is_up {
            return;
        }
        destination.doubts = (destination.is_asked && self.orders.len() > 0).then_some(0);
        let target = destination.id.0;
        let kind = if is_up { EventKind::DestinationUp } else { EventKind::DestinationDown };
        self.outbox.push(Event { target, kind: kind.code(), ..Event::default() });
    }

    /// What was asked of an order is answered: its destination has the message, and what waited for
    /// the answer is asked now.
    fn answered(&mut self, slot: Slot, by: &Command) {
        let Some(routed) = self.orders.get_mut(slot) else { return };
        routed.asked = Asked::Nothing;
        let (message, unwanted) = (routed.message, routed.unwanted.take());
        let destination = routed.away.session();
        if let Some(place) = self.place(destination) {
            self.hear(place, message + 1);
        }
        if let Some(reason) = unwanted {
            self.ask(slot, Asked::Cancel(reason), by);
        }
    }

    /// An order's destination has taken it.
    fn accepted(&mut self, slot: Slot, price: Price) {
        let Some(routed) = self.orders.get_mut(slot) else { return };
        if !matches!(routed.state, State::Entering | State::Rest) {
            return;
        }
        let was_known = routed.is_known();
        routed.state = State::Live;
        if price != Price::ZERO {
            routed.order.price = price;
        }
        let routed = *routed;
        self.waiting.fewer(routed.order.session);
        if let Some(place) = self.place(routed.away.session())
            && routed.asked == Asked::Nothing
        {
            self.hear(place, routed.message + 1);
        }
        if !was_known {
            self.outbox.push(rules::about(&routed.order, EventKind::Accepted));
        } else if routed.is_in_doubt {
            self.confirm(slot);
        }
    }

    /// What is reported of an order says that its destination has taken it.
    fn must_live(&mut self, slot: Slot) {
        match self.orders.get(slot).map(|routed| routed.state) {
            Some(State::Entering | State::Rest) => self.accepted(slot, Price::ZERO),
            Some(State::Replacing(_)) => self.replaced(slot, None),
            _ => {}
        }
    }

    fn executed(&mut self, command: &Command, slot: Option<Slot>, trade: Option<&TradeDetail>) {
        let away = OrderId::new(command.session, command.ordinal);
        let Some(trade) = trade.filter(|_| command.quantity != Quantity::ZERO) else { return };
        if let Some(known) = self.executions.find(away, trade.match_number) {
            // Told again: as it is now, if it was undone; else it counts already.
            if known.is_undone {
                self.corrected(command, Some(trade));
            }
            return;
        }
        let Some(slot) = slot else { return };
        self.must_live(slot);
        let Some(routed) = self.orders.get_mut(slot) else { return };
        let order = &mut routed.order;
        order.leaves = order.leaves.saturating_sub(command.quantity);
        order.executed = Quantity(order.executed.0.saturating_add(command.quantity.0));
        let routed = *routed;
        let order = routed.order;
        let is_found = routed.left_there.is_some_and(|left| order.leaves <= left);
        let mut flags = EventFlags::AWAY;
        if command.side == 0 {
            flags = flags.with(EventFlags::MAKER);
        }
        if order.leaves == Quantity::ZERO {
            flags = flags.with(EventFlags::DONE);
            self.orders.remove(slot);
        }
        self.executions.keep(Execution {
            away,
            number: trade.match_number,
            told: self.outbox.next_id(),
            price: command.price,
            quantity: command.quantity,
            session: order.session,
            ordinal: order.ordinal,
            account: order.account,
            instrument: order.instrument,
            side: order.side,
            is_undone: false,
        });
        let event = rules::about(&order, EventKind::Executed);
        let (price, quantity) = (command.price, command.quantity);
        self.outbox.push(Event { price, quantity, flags, ..event });
        if order.leaves == Quantity::ZERO {
            self.too_late(&routed);
        }
        if is_found {
            self.confirm(slot);
        }
    }

    fn busted(&mut self, command: &Command, trade: Option<&TradeDetail>) {
        let away = OrderId::new(command.session, command.ordinal);
        let Some(number) = trade.map(|trade| trade.match_number) else { return };
        let Some(known) = self.executions.find(away, number).filter(|known| !known.is_undone)
        else {
            return;
        };
        known.is_undone = true;
        let event = undone(known, EventKind::Busted);
        self.outbox.push(event);
    }

    fn corrected(&mut self, command: &Command, trade: Option<&TradeDetail>) {
        self.busted(command, trade);
        let away = OrderId::new(command.session, command.ordinal);
        let Some(number) = trade.map(|trade| trade.match_number) else { return };
        let Some(known) = self.executions.find(away, number) else { return };
        known.is_undone = false;
        (known.price, known.quantity) = (command.price, command.quantity);
        let event = undone(known, EventKind::Corrected);
        self.outbox.push(event);
    }

    fn cancelled(&mut self, slot: Slot, command: &Command) {
        self.must_live(slot);
        let Some(routed) = self.orders.get(slot).copied() else { return };
        let reported = CancelReason::from_code(command.side).unwrap_or(CancelReason::Destination);
        let all = command.quantity == Quantity::ZERO || command.quantity >= routed.order.leaves;
        let is_answer = reported == CancelReason::User;
        let reason = match routed.asked {
            Asked::Cancel(reason) if is_answer => reason,
            Asked::Replace(_) if is_answer && all => {
                return self.replaced_by_nothing(slot, &routed);
            }
            Asked::Cut(_) | Asked::Modify(..) if is_answer => CancelReason::User,
            _ if is_answer => CancelReason::Destination,
            _ => reported,
        };
        if all {
            self.answered_by_end(&routed);
            self.orders.remove(slot);
            return self.gone(&routed, reason, is_answer);
        }
        if let Some(routed) = self.orders.get_mut(slot) {
            routed.order.leaves = routed.order.leaves.saturating_sub(command.quantity);
        }
        let event = rules::cancelled(&routed.order, reason);
        let (quantity, flags) = (command.quantity, EventFlags::default());
        self.outbox.push(Event { quantity, flags, ..event });
    }

    /// An order was taken away: so a cancel is answered whoever did it, and a change if that did.
    fn gone(&mut self, routed: &Routed, reason: CancelReason, is_answer: bool) {
        self.outbox.push(rules::cancelled(&routed.order, reason));
        if !is_answer && !matches!(routed.asked, Asked::Cancel(_)) {
            self.too_late(routed);
        }
    }

    /// An order has ended otherwise than its client asked: the destination will refuse what it no
    /// longer knows, and that names no order here. So the client has its answer now.
    fn too_late(&mut self, routed: &Routed) {
        let is_owed = match routed.asked {
            Asked::Cancel(reason) => reason == CancelReason::User,
            Asked::Cut(_) | Asked::Modify(..) => true,
            // What was to replace it is an order of its own.
            Asked::Nothing | Asked::Replace(_) => false,
        };
        if is_owed {
            let event = rules::about(&routed.order, EventKind::CancelRejected);
            self.outbox.push(Event { reason: RejectCode::UnknownOrder.code(), ..event });
        }
    }

    /// An order is gone, and with it what was asked of it.
    fn answered_by_end(&mut self, routed: &Routed) {
        if let (Some(place), Asked::Cancel(_)) = (self.place(routed.away.session()), routed.asked) {
            self.hear(place, routed.message + 1);
        }
    }

    /// A replacement took its place with nothing left: no more was asked for than had traded. Where
    /// the other order was told to be gone already, there was nothing to replace.
    fn replaced_and_done(&mut self, slot: Slot, command: &Command) {
        let Some(new) = self.orders.get(slot) else { return };
        let State::Replacing(old) = new.state else { return };
        let Some(old) = self.orders.find(old) else { return self.rejected(slot, command) };
        self.must_live(old);
        if let Some(routed) = self.orders.get(old).copied() {
            self.replaced_by_nothing(old, &routed);
        }
    }

    /// What an order was to be replaced by had nothing left: both are gone.
    fn replaced_by_nothing(&mut self, slot: Slot, routed: &Routed) {
        let Asked::Replace(ordinal) = routed.asked else { return };
        let new = OrderId::new(routed.order.session, ordinal);
        let new = self.orders.find(new).and_then(|new| self.orders.remove(new));
        self.orders.remove(slot);
        let gone = rules::cancelled(&routed.order, CancelReason::ReplacedBelowExecuted);
        self.outbox.push(Event { target: ordinal, ..gone });
        if let Some(new) = new {
            self.waiting.fewer(new.order.session);
            self.too_late(&new);
        }
    }

    /// An order has taken the other's place, with what is said to be left of it.
    fn replaced(&mut self, slot: Slot, as_told: Option<(Quantity, Price)>) {
        let Some(new) = self.orders.get(slot).copied() else { return };
        let State::Replacing(old) = new.state else { return };
        let old_slot = self.orders.find(old);
        // What was replaced had been taken, even where nobody said so.
        old_slot.into_iter().for_each(|slot| self.must_live(slot));
        let old = old_slot.and_then(|slot| self.orders.remove(slot));
        let Some(routed) = self.orders.get_mut(slot) else { return };
        routed.state = State::Live;
        let order = &mut routed.order;
        if let Some((leaves, price)) = as_told {
            (order.leaves, order.price) = (leaves, price);
        }
        if let Some(old) = &old {
            order.executed = old.order.executed;
        }
        let order = *order;
        self.waiting.fewer(order.session);
        let event = rules::about(&order, EventKind::Replaced);
        let reference = old.map_or(SeqNo::ZERO, |old| old.order.reference);
        let target = old.map_or(0, |old| old.order.ordinal);
        // It is hidden from the feed here, as all that rests elsewhere.
        self.outbox.push(Event { reference, target, flags: EventFlags::HIDDEN, ..event });
    }

    fn rejected(&mut self, slot: Slot, command: &Command) {
        let Some(routed) = self.orders.remove(slot) else { return };
        let code = RejectCode::from_code(command.side).unwrap_or(RejectCode::DestinationRefused);
        if routed.is_known() {
            if routed.state == State::Rest {
                self.waiting.fewer(routed.order.session);
            }
            return self.gone(&routed, CancelReason::Destination, false);
        }
        self.waiting.fewer(routed.order.session);
        let event = rules::about(&routed.order, EventKind::Rejected);
        let target = match routed.state {
            State::Replacing(old) => old.ordinal(),
            _ => 0,
        };
        let (reason, flags) = (code.code(), EventFlags::DONE);
        self.outbox.push(Event { reason, target, flags, ..event });
        self.too_late(&routed);
        if let State::Replacing(old) = routed.state
            && let Some(old) = self.orders.find(old)
        {
            self.answered(old, command);
        }
    }

    fn cancel_rejected(&mut self, slot: Slot, command: &Command) {
        let Some(routed) = self.orders.get_mut(slot) else { return };
        let code = RejectCode::from_code(command.side).unwrap_or(RejectCode::DestinationRefused);
        let (order, asked) = (routed.order, routed.asked);
        match asked {
            // What was lost on its way is asked again.
            Asked::Cancel(_) | Asked::Cut(_) | Asked::Modify(..)
                if code == RejectCode::NotDelivered =>
            {
                return self.ask(slot, asked, command);
            }
            Asked::Cancel(reason) if reason != CancelReason::User => {
                routed.refusals = routed.refusals.saturating_add(1);
                if routed.refusals < REFUSALS_MAX {
                    return self.ask(slot, asked, command);
                }
            }
            Asked::Nothing | Asked::Replace(_) => return,
            _ => {}
        }
        let event = rules::about(&order, EventKind::CancelRejected);
        self.outbox.push(Event { reason: code.code(), ..event });
        self.answered(slot, command);
    }

    fn modified(&mut self, slot: Slot, command: &Command) {
        if command.quantity == Quantity::ZERO {
            let side = CancelReason::User.code();
            return self.cancelled(slot, &Command { side, ..*command });
        }
        self.must_live(slot);
        let Some(routed) = self.orders.get_mut(slot) else { return };
        let (before, asked) = (routed.order, routed.asked);
        // A modification never adds, whatever is reported.
        routed.order.leaves = before.leaves.min(command.quantity);
        if let Asked::Modify(side, _) = asked {
            routed.order.side = side;
        }
        let after = routed.order;
        let event = match asked {
            // Its client asked for less, and is told what went.
            Asked::Cut(_) => {
                let quantity = before.leaves.saturating_sub(after.leaves);
                let event = rules::cancelled(&before, CancelReason::User);
                Event { quantity, flags: EventFlags::default(), ..event }
            }
            _ => rules::about(&after, EventKind::Modified),
        };
        if event.quantity != Quantity::ZERO {
            self.outbox.push(event);
        }
        // A cancel or a replacement is still to be answered: nobody asked for this.
        if matches!(asked, Asked::Cut(_) | Asked::Modify(..)) {
            self.answered(slot, command);
        }
    }
}

/// An event about an execution that was told before.
fn undone(execution: &Execution, kind: EventKind) -> Event {
    Event {
        price: execution.price,
        reference: SeqNo(execution.told.0),
        session: execution.session,
        ordinal: execution.ordinal,
        instrument: execution.instrument,
        account: execution.account,
        quantity: execution.quantity,
        kind: kind.code(),
        side: execution.side.code(),
        flags: EventFlags::AWAY,
        ..Event::default()
    }
}
