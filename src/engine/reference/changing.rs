//! Cancels and modifications: an order gets smaller or is marked anew, and keeps its place.

use crate::engine::reference::order::Order;
use crate::engine::reference::{ReferenceMatcher, less};
use crate::engine::rules;
use crate::model::{CancelReason, Command, Event, EventFlags, EventKind, Quantity, RejectCode};

impl ReferenceMatcher {
    pub(super) fn cancel(&mut self, command: &Command) {
        let Some(order) = self.live(command) else { return };
        let leaves = rules::leaves_after_cut(&order.resting, command.quantity);
        self.cut(&order, leaves, command);
    }

    /// The order a command works on; refuses the command if there is none, or an auction has it.
    fn live(&mut self, command: &Command) -> Option<Order> {
        let refusal = match self.find(command.target_id()) {
            None => RejectCode::UnknownOrder,
            Some(order) if self.is_frozen(order.resting.instrument) => RejectCode::Frozen,
            live => return live,
        };
        self.outbox.push(rules::cancel_rejected(command, refusal));
        None
    }

    /// Cuts an order to `leaves`, what an iceberg hides first; it keeps its place. Nothing happens
    /// if it has no more than that.
    fn cut(&mut self, order: &Order, leaves: Quantity, command: &Command) {
        if leaves >= order.resting.leaves {
            return;
        }
        let client_seq = command.client_seq;
        if leaves == Quantity::ZERO {
            self.remove(order);
            let event = order.withdrawn(CancelReason::User);
            return self.outbox.push(Event { client_seq, ..event });
        }
        let cut = cut_to(order, leaves);
        self.put(cut);
        // Of an iceberg the feed is told apart, for not all that went was shown.
        let tells = order.is_shown_whole();
        let flags = if tells { EventFlags::RESTS } else { EventFlags::default() };
        self.outbox.push(Event {
            quantity: less(order.resting.leaves, leaves),
            reference: order.shown,
            flags,
            client_seq,
            ..rules::cancelled(&order.resting, CancelReason::User)
        });
        if !tells {
            self.show_less(order, &cut);
        }
    }

    pub(super) fn modify(&mut self, command: &Command) {
        let Some(order) = self.live(command) else { return };
        let leaves = rules::leaves_after_cut(&order.resting, command.quantity);
        let side = rules::marking(&order.resting, command);
        let Some(side) = side.filter(|_| leaves <= order.resting.leaves) else {
            return self.outbox.push(rules::cancel_rejected(command, RejectCode::Unsupported));
        };
        if leaves == Quantity::ZERO {
            return self.cut(&order, leaves, command);
        }
        let mut modified = cut_to(&order, leaves);
        modified.resting.side = side;
        self.put(modified);
        let event = rules::about(&modified.resting, EventKind::Modified);
        let (reference, client_seq) = (modified.shown, command.client_seq);
        self.outbox.push(Event { reference, client_seq, ..event });
        self.show_less(&order, &modified);
    }
}

/// The order with less to trade.
fn cut_to(order: &Order, leaves: Quantity) -> Order {
    let mut cut = *order;
    cut.resting.leaves = leaves;
    cut.front = order.front.min(leaves);
    cut
}
