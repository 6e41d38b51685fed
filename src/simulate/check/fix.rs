//! What FIX clients know, held against history: each wish once on record or refused, each report
//! told once and as it was, copies of all orders with who watches.

use std::collections::BTreeMap;

use crate::model::{Command, CommandKind, Event, EventKind, Group};
use crate::simulate::check::{Found, ensure};
use crate::simulate::clients::{Answer, FixClient, Report, Wish};
use crate::simulate::world::{CLIENTS, World};

/// Checks every client.
pub(super) fn check(
    world: &World,
    commands: &[Group<Command>],
    events: &[Group<Event>],
) -> Result<(), Found> {
    for client in &world.fix_clients {
        wishes(client, commands)?;
        reports(client, commands, events)?;
    }
    Ok(())
}

/// Each wish is on record once, under the number it was sent with, or was refused.
fn wishes(client: &FixClient, commands: &[Group<Command>]) -> Result<(), Found> {
    let session = client.who.session;
    let mut recorded = BTreeMap::<u64, Vec<u8>>::new();
    for command in commands.iter().map(|group| &group.head) {
        if command.session.0 == session && command.client_seq != 0 {
            recorded.entry(command.client_seq.into()).or_default().push(command.kind);
        }
    }
    for (id, asked) in &client.book.asked {
        let kind = match asked.wish {
            Wish::Order => CommandKind::Enter,
            Wish::Cancel => CommandKind::Cancel,
            Wish::Replace => CommandKind::Replace,
        };
        let found = recorded.remove(&asked.seq).unwrap_or_default();
        let is_right = match asked.answer {
            Some(Answer::Known) => found == [kind.code()],
            Some(Answer::Refused) => found.is_empty(),
            None => false,
        };
        ensure(is_right, "FIX exactly once", || {
            format!("{id} of session {session}: {asked:?}, on record {found:?}")
        })?;
    }
    ensure(recorded.is_empty(), "FIX exactly once", || {
        format!("session {session} did not ask for what is on record: {recorded:?}")
    })
}

/// Each thing that happened was told once, as it was.
fn reports(
    client: &FixClient,
    commands: &[Group<Command>],
    events: &[Group<Event>],
) -> Result<(), Found> {
    let session = client.who.session;
    let mut owed = BTreeMap::new();
    for event in events.iter().map(|group| &group.head) {
        let is_theirs = match client.who.is_watcher {
            true => (1..=CLIENTS + 2).contains(&event.session.0),
            false => event.session.0 == session,
        };
        if is_theirs && is_reported(client, event, commands) {
            owed.insert(event.id.0, event);
        }
    }
    for (id, event) in &owed {
        let told = client.book.reports.get(id);
        ensure(told.is_some_and(|told| says(told, event)), "FIX reports", || {
            format!("session {session} was told {told:?} of {event:?}")
        })?;
    }
    let foreign = client.book.reports.keys().find(|id| !owed.contains_key(id));
    ensure(foreign.is_none(), "FIX reports", || {
        format!("session {session} was told of {foreign:?}, which did not happen")
    })
}

/// Whether there is a report of an event: that a replacement is refused has no number.
fn is_reported(client: &FixClient, event: &Event, commands: &[Group<Command>]) -> bool {
    match EventKind::from_code(event.kind) {
        Some(EventKind::Rejected) if event.client_seq == 0 => {
            client.who.is_watcher || event.target == 0
        }
        Some(EventKind::Rejected) => {
            let command = commands.get(event.id.seq().0 as usize - 1).map(|group| group.head.kind);
            client.who.is_watcher || command == Some(CommandKind::Enter.code())
        }
        Some(EventKind::Accepted | EventKind::Executed | EventKind::Cancelled) => true,
        Some(EventKind::Replaced | EventKind::Modified) => true,
        // What was asked is pending at the exchange, which is nothing to whoever watches.
        Some(EventKind::Routed) => event.client_seq != 0 && !client.who.is_watcher,
        _ => false,
    }
}

/// Whether a report says what an event does.
fn says(told: &Report, event: &Event) -> bool {
    let kinds: &[u8] = match EventKind::from_code(event.kind) {
        Some(EventKind::Accepted) => b"0",
        Some(EventKind::Executed) => b"F12",
        Some(EventKind::Cancelled) => b"45CD",
        Some(EventKind::Rejected) => b"8",
        Some(EventKind::Replaced) => b"5",
        Some(EventKind::Modified) => b"D",
        Some(EventKind::Routed) => b"A6E",
        _ => b"",
    };
    let is_trade = event.kind == EventKind::Executed.code();
    let traded = if is_trade { (event.quantity.0.into(), event.price.0) } else { (0, 0) };
    kinds.contains(&told.kind) && told.traded == traded
}
