//! Drop copies: whoever watches over accounts is told what happens to their orders, whichever
//! session entered them and in whichever protocol. A fold over events, so a replay rebuilds it.

use std::collections::VecDeque;
use std::io::Write as _;
use std::ops::RangeInclusive;

use crate::engine::IdMap;
use crate::model::{
    CancelReason, Event, EventFlags, EventKind, OrderId, OrderType, RejectCode, SessionId,
};
use crate::snapshot::part;
use crate::stage::fix::FixOptions;
use crate::wire::fix::Version;
use crate::wire::fix::order::{ExecutionReport, Id, Order, Stage, doubt_text};

/// One who is told: its place in the table of sessions, and whose orders it watches.
#[derive(Clone, Debug)]
pub(super) struct Watcher {
    pub(super) at: usize,
    pub(super) accounts: RangeInclusive<u32>,
    pub(super) version: Version,
}

/// The open orders of everybody, the last that are gone, and who watches: what traded of those may
/// be undone.
#[derive(Debug)]
pub(super) struct Copies {
    pub(super) watchers: Vec<Watcher>,
    ids: IdMap,
    orders: Box<[Order]>,
    free: Vec<u32>,
    /// Orders that are gone, the first first: they make way when room is needed.
    gone: VecDeque<OrderId>,
}
part!(Copies { ids, orders, free, gone } kept { watchers });

impl Copies {
    /// Nothing where nobody watches.
    pub(super) fn new(options: &FixOptions) -> Option<Self> {
        let watchers: Vec<Watcher> = options
            .sessions
            .iter()
            .flatten()
            .filter(|spec| spec.is_drop_copy)
            .map(|spec| Watcher {
                at: spec.id.index(),
                accounts: spec.accounts.clone(),
                version: spec.config.identity.version,
            })
            .collect();
        (!watchers.is_empty()).then(|| Self {
            watchers,
            ids: IdMap::seeded(options.orders_max, options.key),
            orders: vec![Order::default(); options.orders_max].into(),
            free: (0..options.orders_max as u32).rev().collect(),
            gone: VecDeque::with_capacity(options.orders_max),
        })
    }

    fn slot(&self, id: OrderId) -> Option<usize> {
        self.ids.get(id.0).map(|slot| slot as usize)
    }

    fn order(&mut self, id: OrderId) -> Option<&mut Order> {
        let slot = self.slot(id)?;
        self.orders.get_mut(slot)
    }

    fn add(&mut self, id: OrderId, order: Order) {
        while self.free.is_empty()
            && let Some(old) = self.gone.pop_front()
        {
            self.take(old);
        }
        let Some(slot) = self.free.pop() else { return };
        match (self.ids.insert(id.0, slot), self.orders.get_mut(slot as usize)) {
            (Ok(_), Some(place)) => *place = order,
            _ => self.free.push(slot),
        }
    }

    fn take(&mut self, id: OrderId) -> Option<Order> {
        let slot = self.ids.remove(id.0)?;
        self.free.push(slot);
        self.orders.get(slot as usize).copied()
    }

    /// Applies an event; what there is to tell of it. `named` is the ClOrdID, where one is known.
    pub(super) fn apply(&mut self, event: &Event, named: Option<Id>) -> Option<ExecutionReport> {
        let id = event.order_id();
        let kind = event.kind().ok()?;
        let (order, exec_type) = match kind {
            EventKind::Accepted => {
                let order = entered(event, named);
                self.add(id, order);
                (order, b'0')
            }
            EventKind::Rejected => {
                (Order { stage: Stage::Rejected, ..entered(event, named) }, b'8')
            }
            EventKind::Executed => {
                let order = self.order(id)?;
                order.executed = order.executed.saturating_add(event.quantity.0);
                order.notional += i128::from(event.price.0) * i128::from(event.quantity.0);
                (*order, b'F')
            }
            EventKind::Modified => {
                let order = self.order(id)?;
                order.total = order.executed.saturating_add(event.quantity.0);
                (*order, b'D')
            }
            EventKind::Replaced => return self.replaced(event, named),
            EventKind::Cancelled => {
                let order = self.order(id)?;
                if !event.flags.has(EventFlags::DONE) {
                    order.total = order.total.saturating_sub(event.quantity.0);
                    (*order, b'D')
                } else if event.cancel_reason() == Some(CancelReason::Expired) {
                    order.stage = Stage::Expired;
                    (*order, b'C')
                } else {
                    order.stage = Stage::Cancelled;
                    (*order, b'4')
                }
            }
            EventKind::Busted | EventKind::Corrected => return self.traded_otherwise(event),
            EventKind::InDoubt | EventKind::Confirmed => return self.doubted(event),
            _ => return None,
        };
        let mut report = self.report(event, order, exec_type);
        match kind {
            EventKind::Executed => report.last = Some((event.quantity.0, event.price)),
            EventKind::Rejected => {
                let code = event.reject_code().unwrap_or(RejectCode::Unsupported);
                (report.reject, report.text) = (Some(code.fix()), code.sentence());
            }
            _ => {}
        }
        Some(report)
    }

    fn replaced(&mut self, event: &Event, named: Option<Id>) -> Option<ExecutionReport> {
        let old = self.take(OrderId::new(event.session, event.target))?;
        let order = Order {
            executed: old.executed,
            notional: old.notional,
            total: old.executed.saturating_add(event.quantity.0),
            ..entered(event, named)
        };
        self.add(event.order_id(), order);
        let mut report = self.report(event, order, b'5');
        report.original_id = old.id;
        Some(report)
    }

    /// A trade is undone, or was another. Of an order that is long gone only that is known.
    fn traded_otherwise(&mut self, event: &Event) -> Option<ExecutionReport> {
        let exec_type = if event.kind == EventKind::Busted.code() { b'H' } else { b'G' };
        let long_gone = || Order { stage: Stage::Cancelled, total: 0, ..entered(event, None) };
        let mut order = self.order(event.order_id()).copied().unwrap_or_else(long_gone);
        let exec_ref_id = order.traded_otherwise(event, exec_type);
        if let Some(known) = self.order(event.order_id()) {
            *known = order;
        }
        Some(ExecutionReport {
            exec_id: event.id.0,
            exec_ref_id,
            exec_type,
            time: event.timestamp,
            last: Some((event.quantity.0, event.price)),
            ..ExecutionReport::of(&order)
        })
    }

    /// Where an order is is not known, or is known again.
    fn doubted(&mut self, event: &Event) -> Option<ExecutionReport> {
        let is_in_doubt = event.kind == EventKind::InDoubt.code();
        let order = self.order(event.order_id())?;
        order.is_in_doubt = is_in_doubt;
        let report = ExecutionReport::of(order).as_status(Version::Fix44);
        let text = doubt_text(is_in_doubt);
        Some(ExecutionReport { text, time: event.timestamp, ..report })
    }

    fn report(&mut self, event: &Event, mut order: Order, exec_type: u8) -> ExecutionReport {
        if order.stage == Stage::Open && order.executed >= order.total {
            order.stage = Stage::Filled;
        }
        let id = event.order_id();
        if !order.is_open()
            && let Some(known) = self.order(id)
        {
            *known = order;
            self.gone.push_back(id);
        }
        ExecutionReport {
            exec_id: event.id.0,
            exec_type,
            time: event.timestamp,
            ..ExecutionReport::of(&order)
        }
    }
}

/// An order as its first event shows it.
fn entered(event: &Event, named: Option<Id>) -> Order {
    Order {
        ordinal: event.ordinal,
        id: named.unwrap_or_else(|| number_of(event.session, event.ordinal)),
        reference: event.reference.0,
        total: event.quantity.0,
        price: event.price,
        stage: Stage::Open,
        side: event.side,
        order_type: OrderType::Limit.code(),
        instrument: event.instrument,
        account: event.account,
        ..Order::default()
    }
}

/// What an order without a ClOrdID is called: its session, and the session's number for it.
fn number_of(session: SessionId, ordinal: u32) -> Id {
    let mut id = Id::default();
    // Two numbers and a sign always fit.
    let _ = write!(&mut id.0[..], "{session}-{ordinal}");
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_without_a_name_is_called_by_its_numbers() {
        let id = number_of(SessionId(7), 4_000_000_000);
        assert_eq!(id.bytes(), b"7-4000000000");
        assert_eq!(number_of(SessionId(u32::MAX), u32::MAX).bytes().len(), 21);
    }
}
