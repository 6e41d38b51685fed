//! Messages in words: one line each, for people or as JSON.

use std::io::Write;
use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::{Value, json};

use super::failure;
use crate::command::{Failure, Outcome};
use crate::journal::{JournalError, LogKind, Reader};
use crate::model::{
    Command, CommandKind, Event, EventFlags, EventId, EventKind, Group, Nanos, SeqNo,
};

/// Prints the commands in a range and, below each, its events.
pub(super) fn show(
    journal: &Path,
    kinds: &[LogKind],
    range: RangeInclusive<u64>,
    as_json: bool,
    out: &mut impl Write,
) -> Outcome {
    let (from, to) = (SeqNo(*range.start()), *range.end());
    let folder = |kind: LogKind| kinds.contains(&kind).then(|| kind.folder(journal));
    let open = |path| Reader::<Command>::open(path, from.0);
    let commands = folder(LogKind::Commands).as_deref().map(open).transpose();
    let first = EventId::new(SeqNo(from.0.min(u64::MAX >> 16)), 0);
    let open = |path| Reader::<Event>::open(path, first.0);
    let events = folder(LogKind::Events).as_deref().map(open).transpose();
    let mut commands = Ahead::new(commands.map_err(failure)?, |reader| reader.read());
    let mut events = Ahead::new(events.map_err(failure)?, |reader| reader.read());
    loop {
        let command = commands.peek().map_err(failure)?.map(|group| group.head.seq.0);
        let event = events.peek().map_err(failure)?.map(|group| group.head.id.seq().0);
        let written = match (command, event) {
            (Some(seq), event) if event.is_none_or(|event| seq <= event) && seq <= to => {
                let Some(group) = commands.next.take() else { continue };
                if as_json {
                    writeln!(out, "{}", command_json(&group))
                } else {
                    writeln!(out, "{}", command_text(&group))
                }
            }
            (_, Some(seq)) if seq <= to => {
                let Some(group) = events.next.take() else { continue };
                if as_json {
                    writeln!(out, "{}", event_json(&group.head))
                } else {
                    writeln!(out, "{}", event_text(&group.head))
                }
            }
            _ => return Ok(()),
        };
        written.map_err(Failure::from_output)?;
    }
}

/// A reader that may be looked into one message ahead.
struct Ahead<R, T, F: FnMut(&mut R) -> Result<Option<T>, JournalError>> {
    reader: Option<R>,
    read: F,
    next: Option<T>,
}

impl<R, T, F: FnMut(&mut R) -> Result<Option<T>, JournalError>> Ahead<R, T, F> {
    fn new(reader: Option<R>, read: F) -> Self {
        Self { reader, read, next: None }
    }

    fn peek(&mut self) -> Result<Option<&T>, JournalError> {
        if self.next.is_none()
            && let Some(reader) = &mut self.reader
        {
            self.next = (self.read)(reader)?;
        }
        Ok(self.next.as_ref())
    }
}

/// A code's name, or the bare number where nobody assigned it.
fn named<T: std::fmt::Display>(known: Option<T>, code: u8) -> String {
    known.map_or_else(|| format!("kind-{code}"), |known| known.to_string())
}

/// The order's part of a command, where its kind speaks of one.
fn has_order(kind: Option<CommandKind>) -> bool {
    use CommandKind::{Cancel, Enter, Modify, Replace};
    matches!(kind, Some(Enter | Replace | Cancel | Modify))
}

fn command_text(group: &Group<Command>) -> String {
    let command = &group.head;
    let kind = named(command.kind(), command.kind);
    let mut text = format!("{:>10}    {}  {kind:<14}", command.seq.0, time(command.timestamp));
    let mut add = |part: String| text.push_str(&part);
    add(format!(" session {}", command.session));
    for (name, value) in [
        ("order", command.ordinal),
        ("target", command.target),
        ("account", command.account.0),
        ("instrument", command.instrument.0),
    ] {
        if value != 0 {
            add(format!(" {name} {value}"));
        }
    }
    if has_order(command.kind()) {
        let side = command.side().map_or("?".to_owned(), |side| side.to_string());
        add(format!(" {side} {} @ {}", command.quantity, command.price));
        let order_type = command.order_type().map(|t| t.to_string());
        let time_in_force = command.time_in_force().map(|t| t.to_string());
        add(format!(
            " {} {}",
            order_type.unwrap_or("?".to_owned()),
            time_in_force.unwrap_or("?".to_owned())
        ));
    } else if command.quantity.0 != 0 || command.price.0 != 0 {
        add(format!(" quantity {} price {}", command.quantity, command.price));
    }
    if let Some(code) = command.refused() {
        add(format!(" refused {code}"));
    }
    if let Some(name) = client_order_id(group) {
        add(format!(" {name:?}"));
    }
    if let Some(terms) = group.terms() {
        add(format!(" stop {} displayed {}", terms.stop_price, terms.displayed));
    }
    text
}

fn event_text(event: &Event) -> String {
    let kind = named(EventKind::from_code(event.kind), event.kind);
    let place = format!("{}.{}", event.id.seq(), event.id.index());
    let mut text = format!("{place:>12}  {}  {kind:<14}", time(event.timestamp));
    let mut add = |part: String| text.push_str(&part);
    add(format!(" session {}", event.session));
    for (name, value) in [
        ("order", event.ordinal),
        ("target", event.target),
        ("account", event.account.0),
        ("instrument", event.instrument.0),
    ] {
        if value != 0 {
            add(format!(" {name} {value}"));
        }
    }
    if event.quantity.0 != 0 || event.price.0 != 0 {
        let side = event.side().map_or("?".to_owned(), |side| side.to_string());
        add(format!(" {side} {} @ {}", event.quantity, event.price));
    }
    if let Some(reason) = reason(event) {
        add(format!(" {reason}"));
    }
    let is_replaced = event.kind == EventKind::Replaced.code();
    let flags = [
        (EventFlags::MAKER, "maker"),
        (EventFlags::RESTS, "rests"),
        (EventFlags::DONE, "done"),
        (EventFlags::AWAY, if is_replaced { "kept-priority" } else { "away" }),
    ];
    for (_, name) in flags.iter().filter(|(flag, _)| event.flags.has(*flag)) {
        add(format!(" {name}"));
    }
    text
}

/// Why an event took something away or refused it, by name.
fn reason(event: &Event) -> Option<String> {
    match EventKind::from_code(event.kind)? {
        EventKind::Rejected | EventKind::CancelRejected => {
            event.reject_code().map(|code| code.to_string())
        }
        EventKind::Cancelled => event.cancel_reason().map(|reason| reason.to_string()),
        _ => None,
    }
}

fn client_order_id(group: &Group<Command>) -> Option<String> {
    let bytes = &group.text()?.client_order_id;
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    (end > 0).then(|| String::from_utf8_lossy(&bytes[..end]).into_owned())
}

fn command_json(group: &Group<Command>) -> Value {
    let command = &group.head;
    json!({
        "log": "command",
        "seq": command.seq.0.to_string(),
        "timestamp": command.timestamp.0.to_string(),
        "time": time(command.timestamp),
        "kind": named(command.kind(), command.kind),
        "session": command.session.0,
        "order": command.ordinal,
        "target": command.target,
        "client_seq": command.client_seq,
        "account": command.account.0,
        "instrument": command.instrument.0,
        "side": command.side().map(|side| side.name()),
        "quantity": command.quantity.0,
        "price": command.price.to_string(),
        "order_type": command.order_type().map(|order_type| order_type.name()),
        "time_in_force": command.time_in_force().map(|time| time.name()),
        "verdict": command.refused().map(|code| code.name()),
        "age_ns": command.age,
        "flags": command.flags.0,
        "lines": command.lines,
        "client_order_id": client_order_id(group),
    })
}

fn event_json(event: &Event) -> Value {
    json!({
        "log": "event",
        "id": event.id.0.to_string(),
        "seq": event.id.seq().0.to_string(),
        "index": event.id.index(),
        "timestamp": event.timestamp.0.to_string(),
        "time": time(event.timestamp),
        "kind": named(EventKind::from_code(event.kind), event.kind),
        "session": event.session.0,
        "order": event.ordinal,
        "target": event.target,
        "client_seq": event.client_seq,
        "account": event.account.0,
        "instrument": event.instrument.0,
        "side": event.side().map(|side| side.name()),
        "quantity": event.quantity.0,
        "price": event.price.to_string(),
        "reference": event.reference.0.to_string(),
        "reason": reason(event),
        "flags": event.flags.0,
    })
}

/// A message's number: the seq of a command, seq and index of an event.
pub(super) fn id(kind: LogKind, id: u64) -> String {
    match kind {
        LogKind::Commands => format!("seq {id}"),
        LogKind::Events => format!("event {}.{}", EventId(id).seq(), EventId(id).index()),
    }
}

/// A message's number and time.
pub(super) fn id_json(kind: LogKind, id: u64, at: Nanos) -> Value {
    let seq = kind.seq(id).to_string();
    json!({ "id": id.to_string(), "seq": seq, "timestamp": at.0.to_string(), "time": time(at) })
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Log time as a date and a time of day (ISO 8601).
pub(super) fn time(at: Nanos) -> String {
    let (seconds, nanos) = (at.0 / 1_000_000_000, at.0 % 1_000_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// The date so many days after 1970-01-01. Years are counted from March, so that the leap day is
/// the last of its year; an era is the 400 years after which the calendar repeats.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let days = days + 719_468;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_calendar_day_by_day() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..200_000 {
            assert_eq!(date(days), (year, month, day), "day {days}");
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 if is_leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (day, month) = if day == length { (1, month + 1) } else { (day + 1, month) };
            (month, year) = if month == 13 { (1, year + 1) } else { (month, year) };
        }
    }

    #[test]
    fn every_time_prints_without_a_panic() {
        assert_eq!(time(Nanos(1_000_000_001)), "1970-01-01T00:00:01.000000001Z");
        assert_eq!(time(Nanos::MAX), "2554-07-21T23:34:33.709551615Z");
    }
}
