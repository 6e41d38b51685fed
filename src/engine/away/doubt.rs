//! Where orders are, while their destination is not heard: nobody knows, and clients are told so.
//! When it is heard again it is asked for each of them, and what it says is told.

use crate::engine::away::orders::{Routed, Slot, State};
use crate::engine::away::{Away, Destination};
use crate::engine::rules;
use crate::model::{Command, CommandKind, EventKind, Group, Quantity};

impl Away {
    /// The destination whose orders are looked at next.
    fn doubted(&self) -> Option<usize> {
        let goes_on = |(place, known): (usize, &Destination)| {
            known.doubts.is_some() && (!known.is_up || self.has_room(place, 2))
        };
        self.destinations.iter().enumerate().position(goes_on)
    }

    /// Whether there are orders to be marked or asked for.
    pub(super) fn has_doubts(&self) -> bool {
        self.doubted().is_some()
    }

    /// Marks or asks for a chunk of orders.
    pub(super) fn look_into(&mut self, by: &Command) {
        let Some(place) = self.doubted() else { return };
        for _ in 0..self.sweep_chunk {
            let Some(known) = self.destinations.get(place).copied() else { return };
            let Some(slot) = known.doubts else { return };
            let is_over = slot >= self.orders.end();
            if let Some(known) = self.destinations.get_mut(place) {
                known.doubts = (!is_over).then_some(slot + 1);
            }
            let there = self.orders.get(slot).copied();
            match there.filter(|routed| routed.away.session() == known.id) {
                Some(routed) if known.is_up => {
                    self.ask_where(slot, &routed, place, by);
                    if !self.has_room(place, 2) {
                        return;
                    }
                }
                Some(routed) => self.mark(slot, &routed),
                None => {}
            }
        }
    }

    /// Its client is told that where it is is not known.
    fn mark(&mut self, slot: Slot, routed: &Routed) {
        if routed.is_known() && !routed.is_in_doubt {
            self.outbox.push(rules::about(&routed.order, EventKind::InDoubt));
        }
        if let Some(routed) = self.orders.get_mut(slot) {
            (routed.is_in_doubt, routed.left_there) = (routed.is_known(), None);
        }
    }

    /// Asks where an order is; one that was not answered is asked for by whoever sent it.
    fn ask_where(&mut self, slot: Slot, routed: &Routed, place: usize, by: &Command) {
        if routed.state != State::Live {
            return;
        }
        let question = Command {
            seq: by.seq,
            timestamp: by.timestamp,
            target: routed.away.ordinal(),
            instrument: routed.order.instrument,
            account: routed.order.account,
            side: routed.order.side.code(),
            ..Command::new(CommandKind::AskStatus)
        };
        let number = self.send(place, Group::new(question));
        if let Some(routed) = self.orders.get_mut(slot) {
            routed.question = number;
        }
    }

    /// Its destination has said where an order is, with so much left.
    pub(super) fn found(&mut self, slot: Slot, left: Quantity) {
        let Some(routed) = self.orders.get_mut(slot) else { return };
        let (away, question) = (routed.away, std::mem::take(&mut routed.question));
        let (is_in_doubt, leaves) = (routed.is_in_doubt, routed.order.leaves);
        if question != 0
            && let Some(place) = self.place(away.session())
        {
            self.hear(place, question + 1);
        }
        match self.orders.get_mut(slot) {
            Some(routed) if is_in_doubt && left < leaves => routed.left_there = Some(left),
            Some(_) if is_in_doubt => self.confirm(slot),
            _ => {}
        }
    }

    /// An order stands as its client knows it.
    pub(super) fn confirm(&mut self, slot: Slot) {
        let Some(routed) = self.orders.get_mut(slot) else { return };
        (routed.is_in_doubt, routed.left_there) = (false, None);
        let order = routed.order;
        self.outbox.push(rules::about(&order, EventKind::Confirmed));
    }
}
