//! The life of one order: everything that happened to it, to those it replaced and to those that
//! replaced it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use crate::command::audit::row::Row;
use crate::command::audit::{each_row, object};
use crate::command::{Failure, Outcome};
use crate::model::{EventKind, OrderId, SessionId};
use crate::slow::audit::unpadded;

/// How an order was named.
enum Wanted {
    /// By its session and its number there, as SESSION:NUMBER.
    Number(OrderId),
    /// By its public reference, or by the client's name for it.
    Name { reference: Option<u64>, text: String },
}

impl Wanted {
    fn of(order: &str) -> Self {
        let number = order.split_once(':').and_then(|(session, number)| {
            Some(OrderId::new(SessionId(session.parse().ok()?), number.parse().ok()?))
        });
        match number {
            Some(id) => Wanted::Number(id),
            None => Wanted::Name { reference: order.parse().ok(), text: order.to_owned() },
        }
    }

    fn is(&self, row: &Row<'_>) -> bool {
        let event = &row.entry.event;
        match self {
            Wanted::Number(id) => event.order_id() == *id,
            Wanted::Name { reference, text } => {
                let is_accepted = row.kind() == Some(EventKind::Accepted);
                let by_reference = is_accepted && *reference == Some(event.reference.0);
                let name = row.entry.origin().map(|origin| unpadded(&origin.client_order_id));
                by_reference || name.is_some_and(|name| name == *text)
            }
        }
    }
}

/// Prints everything that happened to an order.
pub(super) fn trace(record: &Path, order: &str, as_json: bool, out: &mut impl Write) -> Outcome {
    let wanted = Wanted::of(order);
    let mut chain = BTreeSet::new();
    let mut links = Vec::new();
    each_row(record, |row| {
        let event = &row.entry.event;
        if wanted.is(row) && event.session.0 != 0 {
            chain.insert(event.order_id().0);
        }
        if row.kind() == Some(EventKind::Replaced) {
            let old = OrderId::new(event.session, event.target);
            links.push((old.0, event.order_id().0));
        }
        Ok(())
    })?;
    if chain.is_empty() {
        return Err(Failure::usage(format!(
            "no order {order} is on record. Name it by its public reference (1042), by \
             SESSION:NUMBER (3:17), or by the client's name for it."
        )));
    }
    // A replacement links two orders: forwards in one pass, backwards in another.
    for (old, new) in links.iter() {
        if chain.contains(old) {
            chain.insert(*new);
        }
    }
    for (old, new) in links.iter().rev() {
        if chain.contains(new) {
            chain.insert(*old);
        }
    }
    each_row(record, |row| {
        if !chain.contains(&row.entry.event.order_id().0) {
            return Ok(());
        }
        let line = if as_json { object(row).to_string() } else { row.line() };
        writeln!(out, "{line}").map_err(Failure::from_output)
    })
    .map(|_| ())
}
