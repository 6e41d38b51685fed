//! `Ledger`: from commands and their events to entries. It holds the open orders, so that every
//! entry says how its order stands.

use std::collections::HashMap;

use crate::model::{Command, Event, EventFlags, EventKind, Group, OrderId, Quantity};
use crate::slow::audit::{Entry, Order, Origin};

/// All open orders, as the record knows them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    open: HashMap<OrderId, (Order, Origin)>,
}

/// Whether an event goes on record: not what only the feed is told, nor that nothing happened.
fn is_of_record(kind: EventKind) -> bool {
    use EventKind::{Indicative, NextOrdinal, Nothing, Reduced, Rested};
    !matches!(kind, Nothing | Rested | Reduced | NextOrdinal | Indicative)
}

impl Ledger {
    /// Orders open.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// The entry that an event makes, if any; `group` is the command that it is of.
    pub(super) fn enter(&mut self, group: &Group<Command>, event: &Event) -> Option<Entry> {
        let kind = EventKind::from_code(event.kind)?;
        let (mut order, origin) = self.follow(kind, group, event)?;
        if !is_of_record(kind) {
            return None;
        }
        order.cause = group.head.kind;
        let is_own = event.session == group.head.session || group.head.is_away();
        let who = match group.note() {
            Some(note) => note.line(),
            None if origin == Origin::default() && is_own => bytemuck::cast(Origin::of(group)),
            None => bytemuck::cast(origin),
        };
        Some(Entry { event: *event, order, who })
    }

    /// The order an event is about, as it stands after it.
    fn follow(
        &mut self,
        kind: EventKind,
        group: &Group<Command>,
        event: &Event,
    ) -> Option<(Order, Origin)> {
        let id = event.order_id();
        let is_done = event.flags.has(EventFlags::DONE);
        match kind {
            EventKind::Accepted => {
                let mut order = Order::asked(group);
                (order.price, order.leaves) = (event.price, event.quantity);
                self.keep(id, order, Origin::of(group), is_done)
            }
            EventKind::Rejected => {
                let refused = Order { leaves: Quantity::ZERO, ..Order::asked(group) };
                Some((refused, Origin::of(group)))
            }
            EventKind::Replaced => {
                let old = OrderId::new(event.session, event.target);
                let before = self.open.remove(&old).unwrap_or_default().0;
                let mut order = Order::asked(group);
                (order.price, order.leaves) = (event.price, event.quantity);
                order.executed = before.executed;
                if event.flags.has(EventFlags::KEPT_PRIORITY) {
                    order.priority_at = before.priority_at;
                }
                self.keep(id, order, Origin::of(group), is_done)
            }
            EventKind::Executed => self.change(id, is_done, |order| {
                order.leaves = minus(order.leaves, event.quantity);
                order.executed = Quantity(order.executed.0.saturating_add(event.quantity.0));
            }),
            EventKind::Cancelled => self.change(id, is_done, |order| {
                order.leaves = minus(order.leaves, event.quantity);
            }),
            EventKind::Modified => self.change(id, is_done, |order| {
                order.leaves = event.quantity;
            }),
            EventKind::Triggered | EventKind::Refreshed => self.change(id, is_done, |order| {
                order.priority_at = event.timestamp;
            }),
            _ => Some(self.open.get(&id).copied().unwrap_or_default()),
        }
    }

    fn keep(
        &mut self,
        id: OrderId,
        order: Order,
        origin: Origin,
        is_done: bool,
    ) -> Option<(Order, Origin)> {
        if !is_done {
            self.open.insert(id, (order, origin));
        }
        Some((order, origin))
    }

    fn change(
        &mut self,
        id: OrderId,
        is_done: bool,
        change: impl FnOnce(&mut Order),
    ) -> Option<(Order, Origin)> {
        let mut held = self.open.get(&id).copied().unwrap_or_default();
        change(&mut held.0);
        if is_done {
            self.open.remove(&id);
        } else if let Some(kept) = self.open.get_mut(&id) {
            *kept = held;
        }
        Some(held)
    }
}

fn minus(from: Quantity, quantity: Quantity) -> Quantity {
    Quantity(from.0.saturating_sub(quantity.0))
}
