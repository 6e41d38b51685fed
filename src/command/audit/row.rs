//! One record as a row: its columns, named after what regulators ask for (RTS 24 table 2, CAT).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::{CancelReason, EventFlags, EventKind, Flags, Nanos, Price, Quantity, TermFlags};
use crate::slow::audit::{Entry, Origin, unpadded};

/// A record, with the symbol its instrument had.
pub(super) struct Row<'a> {
    pub(super) entry: &'a Entry,
    pub(super) symbol: &'a str,
}

/// A column: its name, and its value in a row; null where it says nothing.
type Column = (&'static str, fn(&Row<'_>) -> Value);

/// All columns, in order.
pub(super) const COLUMNS: &[Column] = &[
    ("sequence", |row| json!(row.place())),
    ("event_time", |row| json!(time(row.entry.event.timestamp))),
    ("received_time", |row| when(row.entry.order.received_at)),
    ("event", |row| json!(row.regulators_code())),
    ("kind", |row| row.kind().map_or(Value::Null, |kind| json!(kind.to_string()))),
    ("order_id", |row| json!(row.entry.event.reference.0)),
    ("session", |row| json!(row.entry.event.session.0)),
    ("order_number", |row| json!(row.entry.event.ordinal)),
    ("replaces", |row| row.replaced().map_or(Value::Null, |number| json!(number))),
    ("client_order_id", |row| row.text(|origin| &origin.client_order_id)),
    ("account", |row| json!(row.entry.event.account.0)),
    ("firm", |row| row.text(|origin| &origin.firm)),
    ("client", |row| row.code(|origin| origin.client)),
    ("investment_decision", |row| row.code(|origin| origin.decision)),
    ("execution_decision", |row| row.code(|origin| origin.execution)),
    ("capacity", |row| json!(row.entry.order.flags.capacity().to_string())),
    ("instrument", |row| json!(row.entry.event.instrument.0)),
    ("symbol", |row| json!(row.symbol)),
    ("side", |row| row.entry.event.side().map_or(Value::Null, |side| json!(side.to_string()))),
    ("order_type", |row| named(row.entry.order.order_type())),
    ("time_in_force", |row| named(row.entry.order.time_in_force())),
    ("valid_until", |row| when(row.entry.order.expires_at)),
    ("limit_price", |row| price(row.entry.order.price)),
    ("stop_price", |row| price(row.entry.order.stop_price)),
    ("event_price", |row| price(row.entry.event.price)),
    ("event_quantity", |row| json!(row.entry.event.quantity.0)),
    ("initial_quantity", |row| json!(row.entry.order.initial.0)),
    ("remaining_quantity", |row| json!(row.entry.order.leaves.0)),
    ("executed_quantity", |row| json!(row.entry.order.executed.0)),
    ("displayed_quantity", |row| quantity(row.entry.order.displayed)),
    ("minimum_quantity", |row| quantity(row.entry.order.minimum)),
    ("priority_time", |row| when(row.entry.order.priority_at)),
    ("passive_only", |row| json!(row.entry.order.flags.has(Flags::POST_ONLY))),
    ("hidden", |row| json!(row.entry.order.flags.has(Flags::HIDDEN))),
    ("all_or_none", |row| {
        let terms = row.entry.origin().map_or(TermFlags(0), |origin| origin.terms);
        json!(terms.has(TermFlags::ALL_OR_NONE))
    }),
    ("aggregated", |row| row.attribute(0)),
    ("pending_allocation", |row| row.attribute(1)),
    ("liquidity_provision", |row| row.attribute(2)),
    ("risk_reduction", |row| row.attribute(3)),
    ("algorithm", |row| row.attribute(4)),
    ("self_trade_prevention", |row| json!(row.entry.order.flags.self_trade().to_string())),
    ("match_number", |row| row.trade().map_or(Value::Null, |number| json!(number.to_string()))),
    ("liquidity", |row| row.liquidity().map_or(Value::Null, |word| json!(word))),
    ("status", |row| row.status().map_or(Value::Null, |word| json!(word))),
    ("reason", |row| row.reason().map_or(Value::Null, |reason| json!(reason))),
    ("cause", |row| named(row.entry.order.cause())),
    ("operator", |row| row.noted(|note| unpadded(&note.actor))),
    ("second_operator", |row| row.noted(|note| unpadded(&note.second))),
    ("operators_reason", |row| row.noted(|note| unpadded(&note.reason))),
];

fn named<T: std::fmt::Display>(known: Option<T>) -> Value {
    known.map_or(Value::Null, |known| json!(known.to_string()))
}

fn price(price: Price) -> Value {
    if price == Price(0) { Value::Null } else { json!(price.to_string()) }
}

fn quantity(quantity: Quantity) -> Value {
    if quantity == Quantity::ZERO { Value::Null } else { json!(quantity.0) }
}

fn when(at: Nanos) -> Value {
    if at == Nanos::ZERO { Value::Null } else { json!(time(at)) }
}

/// Log time to the nanosecond, in UTC (ISO 8601).
pub(super) fn time(at: Nanos) -> String {
    match Timestamp::from_nanosecond(at.0.into()) {
        Ok(time) => format!("{time:.9}"),
        Err(_) => at.0.to_string(),
    }
}

impl Row<'_> {
    /// Its event's seq and index.
    pub(super) fn place(&self) -> String {
        format!("{}.{}", self.entry.event.id.seq(), self.entry.event.id.index())
    }

    pub(super) fn kind(&self) -> Option<EventKind> {
        EventKind::from_code(self.entry.event.kind)
    }

    /// What happened, as RTS 24 (field 21) codes it; empty for what it has no code for.
    fn regulators_code(&self) -> &'static str {
        let is_done = self.entry.event.flags.has(EventFlags::DONE);
        match self.kind() {
            Some(EventKind::Accepted) => "NEWO",
            Some(EventKind::Replaced) => "REME",
            Some(EventKind::Modified) => "CHME",
            Some(EventKind::Rejected) => "REMO",
            Some(EventKind::Triggered) => "TRIG",
            Some(EventKind::Refreshed) => "REMA",
            Some(EventKind::Executed) if is_done => "FILL",
            Some(EventKind::Executed) => "PARF",
            Some(EventKind::Cancelled) => match self.entry.event.cancel_reason() {
                Some(CancelReason::User | CancelReason::MassCancel) => "CAME",
                Some(CancelReason::Expired | CancelReason::Closed | CancelReason::AuctionOver) => {
                    "EXPI"
                }
                _ => "CAMO",
            },
            _ => "",
        }
    }

    /// Whether the order has an attribute (OrderAttributeType of FIX).
    fn attribute(&self, bit: u8) -> Value {
        json!(self.entry.origin().is_some_and(|origin| origin.attributes >> bit & 1 == 1))
    }

    fn replaced(&self) -> Option<u32> {
        (self.kind() == Some(EventKind::Replaced)).then_some(self.entry.event.target)
    }

    fn trade(&self) -> Option<u64> {
        match self.kind()? {
            EventKind::Executed => Some(self.entry.event.match_number().0),
            EventKind::Busted | EventKind::Corrected => Some(self.entry.event.reference.0),
            _ => None,
        }
    }

    fn liquidity(&self) -> Option<&'static str> {
        let flags = self.entry.event.flags;
        match self.kind()? {
            EventKind::Executed if flags.has(EventFlags::AUCTION) => Some("auction"),
            EventKind::Executed if flags.has(EventFlags::MAKER) => Some("passive"),
            EventKind::Executed => Some("aggressive"),
            _ => None,
        }
    }

    /// How the order stands after it.
    fn status(&self) -> Option<&'static str> {
        let (order, kind) = (&self.entry.order, self.kind()?);
        match kind {
            EventKind::Rejected => Some("rejected"),
            EventKind::Accepted
            | EventKind::Replaced
            | EventKind::Modified
            | EventKind::Triggered
            | EventKind::Refreshed
                if order.executed == Quantity::ZERO =>
            {
                Some("open")
            }
            EventKind::Executed if order.leaves == Quantity::ZERO => Some("filled"),
            EventKind::Cancelled if order.leaves == Quantity::ZERO => Some("cancelled"),
            EventKind::Accepted
            | EventKind::Replaced
            | EventKind::Modified
            | EventKind::Triggered
            | EventKind::Refreshed
            | EventKind::Executed
            | EventKind::Cancelled => Some("partly filled"),
            _ => None,
        }
    }

    fn reason(&self) -> Option<String> {
        let event = &self.entry.event;
        match self.kind()? {
            EventKind::Rejected | EventKind::CancelRejected | EventKind::NotApplied => {
                event.reject_code().map(|code| code.to_string())
            }
            EventKind::Cancelled => event.cancel_reason().map(|reason| reason.to_string()),
            _ => None,
        }
    }

    fn text<const N: usize>(&self, field: fn(&Origin) -> &[u8; N]) -> Value {
        match self.entry.origin().map(|origin| unpadded(field(origin))) {
            Some(text) if !text.is_empty() => json!(text.trim_end()),
            _ => Value::Null,
        }
    }

    fn code(&self, field: fn(&Origin) -> u64) -> Value {
        self.entry.origin().map(field).filter(|code| *code != 0).map_or(Value::Null, |c| json!(c))
    }

    fn noted(&self, field: fn(&crate::model::Note) -> String) -> Value {
        self.entry
            .note()
            .map(field)
            .filter(|text| !text.is_empty())
            .map_or(Value::Null, Value::from)
    }

    /// The record on one line, for people.
    pub(super) fn line(&self) -> String {
        let event = &self.entry.event;
        let kind = self.kind().map_or_else(|| "?".to_owned(), |kind| kind.to_string());
        let mut line = format!("{:>12}  {}  {kind:<14}", self.place(), time(event.timestamp));
        let mut add = |part: String| {
            line.push(' ');
            line.push_str(&part);
        };
        if event.session.0 != 0 {
            add(format!("order {}:{}", event.session, event.ordinal));
        }
        if let Some(number) = self.replaced() {
            add(format!("for {number}"));
        }
        if event.account.0 != 0 {
            add(format!("account {}", event.account));
        }
        if event.quantity.0 != 0 {
            let side = event.side().map_or("?".to_owned(), |side| side.to_string());
            add(format!("{side} {} {} @ {}", event.quantity, self.symbol, event.price));
        }
        if let Some(status) = self.status() {
            add(format!("{status}, {} left", self.entry.order.leaves));
        }
        for word in [self.liquidity().map(str::to_owned), self.reason()].into_iter().flatten() {
            add(word);
        }
        if let Some(note) = self.entry.note() {
            add(format!("by {}: {}", unpadded(&note.actor), unpadded(&note.reason)));
        }
        line
    }
}
