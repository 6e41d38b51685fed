//! The regulator's record as the console shows it: searched, and verified.

use std::path::Path;

use serde_json::{Value, json};

use crate::model::{EventKind, Instrument, Price};
use crate::slow::audit::{AUDIT_NAME, AuditError, Entry, read_all, unpadded};
use crate::topology::instant;

/// Entries shown.
const SHOWN: usize = 200;

/// The newest entries that `wanted` names: a client's name for an order, `SESSION:NUMBER`, a public
/// reference, a symbol, or an operator's name; all for nothing.
pub(super) fn search(data: &Path, wanted: &str, listed: &[Instrument]) -> Value {
    let mut found = std::collections::VecDeque::new();
    let outcome = read_all::<AuditError>(&data.join(AUDIT_NAME), |_, entry| {
        let row = row_of(entry, listed);
        if wanted.is_empty() || names(&row, wanted) {
            found.push_front(row);
            found.truncate(SHOWN);
        }
        Ok(())
    });
    let complaint = outcome.err().map(|error| error.to_string());
    json!({ "entries": found, "complaint": complaint })
}

/// Whether every seal holds.
pub(super) fn verify(data: &Path) -> Value {
    match read_all::<AuditError>(&data.join(AUDIT_NAME), |_, _| Ok(())) {
        Ok(good) => json!({
            "ok": true, "files": good.files, "records": good.records, "seal": good.seal,
        }),
        Err(error) => json!({ "ok": false, "what": error.to_string() }),
    }
}

fn names(row: &Value, wanted: &str) -> bool {
    let keys = ["order", "reference", "client_order", "symbol", "actor"];
    keys.iter().any(|key| row[key].as_str().is_some_and(|own| own.eq_ignore_ascii_case(wanted)))
}

fn row_of(entry: &Entry, listed: &[Instrument]) -> Value {
    let event = &entry.event;
    let symbol = listed.iter().find(|one| one.id == event.instrument);
    let note = entry.note();
    let text = |bytes: Option<&[u8]>| bytes.map(unpadded).unwrap_or_default();
    json!({
        "time": instant(event.timestamp),
        "what": EventKind::from_code(event.kind).map_or("?", EventKind::name),
        "order": format!("{}:{}", event.session.0, event.ordinal),
        "reference": event.reference.0.to_string(),
        "client_order": text(entry.origin().map(|origin| &origin.client_order_id[..])),
        "account": event.account.0,
        "symbol": symbol.map_or_else(String::new, |one| one.symbol.name()),
        "side": event.side().map_or("", crate::model::Side::name),
        "price": Price(event.price.0).to_string(),
        "quantity": event.quantity.0,
        "actor": text(note.map(|note| &note.actor[..])),
        "reason": text(note.map(|note| &note.reason[..])),
    })
}
