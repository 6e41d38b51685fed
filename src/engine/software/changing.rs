//! Cancels and modifications: an order gets smaller or is marked anew, and keeps its place.

use crate::engine::RestingOrder;
use crate::engine::book::Slot;
use crate::engine::rules;
use crate::engine::software::SoftwareMatcher;
use crate::engine::software::specials::NO_RECORD;
use crate::model::{
    CancelReason, Command, Event, EventFlags, EventKind, OrderId, Quantity, RejectCode,
};

impl SoftwareMatcher {
    pub(super) fn cancel(&mut self, command: &Command) {
        let Some(slot) = self.live(command.target_id(), command) else { return };
        if self.store.owner(slot).special != NO_RECORD {
            return self.cancel_special(slot, command);
        }
        let order = self.plain(slot);
        self.cut(slot, &order, rules::leaves_after_cut(&order, command.quantity), command);
    }

    pub(super) fn modify(&mut self, command: &Command) {
        let Some(slot) = self.live(command.target_id(), command) else { return };
        let order = self.order(slot);
        let leaves = rules::leaves_after_cut(&order, command.quantity);
        let side = rules::marking(&order, command).filter(|_| leaves <= order.leaves);
        let Some(side) = side else {
            return self.outbox.push(rules::cancel_rejected(command, RejectCode::Unsupported));
        };
        if self.store.owner(slot).special != NO_RECORD {
            return self.modify_special(slot, leaves, side, command);
        }
        if leaves == Quantity::ZERO {
            return self.cut(slot, &order, leaves, command);
        }
        let less = order.leaves.saturating_sub(leaves);
        self.store.cut(slot, less.0);
        self.store.owner_mut(slot).side = side;
        let event = rules::about(&self.order(slot), EventKind::Modified);
        self.outbox.push(Event { client_seq: command.client_seq, ..event });
        if less > Quantity::ZERO {
            self.outbox.push(rules::reduced(&self.order(slot), less));
        }
    }

    /// The slot of the order a command works on; refuses the command if there is none.
    fn live(&mut self, id: OrderId, command: &Command) -> Option<Slot> {
        let slot = self.register.find(&self.store, id);
        let refusal = match slot {
            None => RejectCode::UnknownOrder,
            Some(slot) if !self.uncrosses.is_empty() && self.is_frozen(slot) => RejectCode::Frozen,
            live => return live,
        };
        self.outbox.push(rules::cancel_rejected(command, refusal));
        None
    }

    /// Cuts a plain order to `leaves`, keeping its place; nothing if it has no more than that.
    fn cut(&mut self, slot: Slot, order: &RestingOrder, leaves: Quantity, command: &Command) {
        if leaves >= order.leaves {
            return;
        }
        let mut event = rules::withdrawn(order, CancelReason::User, true);
        event.quantity = order.leaves.saturating_sub(leaves);
        event.client_seq = command.client_seq;
        if leaves == Quantity::ZERO {
            self.remove_plain(slot);
        } else {
            self.store.cut(slot, event.quantity.0);
            event.flags = EventFlags::RESTS;
        }
        self.outbox.push(event);
    }
}
