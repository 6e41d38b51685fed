//! The last look: what clients know against both journals, those against each other, and each
//! against what its commands give when they are folded again.

mod exchange;
mod fix;
mod money;

use std::collections::BTreeMap;
use std::path::Path;

use money::Ledger;

use crate::engine::{BookView, Fold, Shards};
use crate::journal::{Logged, Reader};
use crate::model::{Command, CommandKind, Event, EventKind, Group, SeqNo};
use crate::simulate::machine::Refuses;
use crate::simulate::world::{CLIENTS, REFERENCE, World};
use crate::topology::{Replay, empty_feed, empty_fold, empty_gateway};

/// What a simulation found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which check.
    pub check: &'static str,
    /// What is wrong.
    pub what: String,
}

impl Found {
    pub(super) fn new(check: &'static str, what: String) -> Self {
        Self { check, what }
    }
}

fn log_of<H: Logged>(journal: &Path) -> Result<Vec<Group<H>>, Found> {
    let bad = |error: crate::journal::JournalError| Found::new("journal", error.to_string());
    let mut reader = Reader::<H>::open(&H::KIND.folder(journal), 0).map_err(bad)?;
    let mut all = Vec::new();
    while let Some(group) = reader.read().map_err(bad)? {
        all.push(group);
    }
    Ok(all)
}

fn ensure(is_so: bool, check: &'static str, what: impl FnOnce() -> String) -> Result<(), Found> {
    if is_so { Ok(()) } else { Err(Found::new(check, what())) }
}

/// Checks what a primary took since its disk was full: what makes room, and no order but those that
/// were on their way.
pub(super) fn refuses(journal: &Path, refuses: Refuses) -> Result<(), Found> {
    let commands = log_of::<Command>(journal)?;
    let heads = commands.iter().map(|group| &group.head);
    let since = heads.filter(|head| head.seq.0 > refuses.from);
    let mut orders = since.filter(|head| head.kind() == Some(CommandKind::Enter));
    let told = |head: &Command| format!("order {} was taken though the disk is full", head.seq);
    let first = orders.nth(refuses.on_the_way);
    first.map_or(Ok(()), |head| Err(Found::new("room", told(head))))
}

/// Checks what a standby would take over with: its risk as it lives, against its events.
pub(super) fn standing(journal: &Path, fold: &mut Fold<Shards>) -> Result<(), Found> {
    let mut ledger = Ledger::new(REFERENCE);
    for group in log_of::<Event>(journal)? {
        if group.head.id.seq() <= fold.seq {
            ledger.add(&group.head);
        }
    }
    money(ledger, fold)
}

/// Checks everything; a digest of all of it, and how many commands there were.
pub(super) fn check(world: &World, primary: usize) -> Result<(u64, u64), Found> {
    let journals = [0, 1].map(|place| world.machines[place].journal());
    let [own, other] = [&journals[primary], &journals[1 - primary]];
    let commands = log_of::<Command>(own)?;
    let copies = log_of::<Command>(other)?;
    for (command, copy) in commands.iter().zip(&copies) {
        let is_same = bytemuck::bytes_of(&command.head) == bytemuck::bytes_of(&copy.head)
            && command.rest() == copy.rest();
        ensure(is_same, "standby", || format!("command {} differs", command.head.seq))?;
    }
    ensure(copies.len() <= commands.len(), "standby", || "the standby has more".to_owned())?;
    orders(world, &commands)?;
    trades(world, own)?;
    let events = log_of::<Event>(own)?;
    fix::check(world, &commands, &events)?;
    exchange::check(world, &events)?;
    let mut digest = 0u64;
    let mut digests = Vec::new();
    for place in [primary, 1 - primary] {
        let until = SeqNo(copies.len() as u64);
        let (books, all) = replayed(world, (place, primary), until)?;
        digests.push(books);
        if place == primary {
            digest ^= all;
        }
    }
    ensure(digests[0] == digests[1], "digest", || "the books of both differ".to_owned())?;
    for client in &world.clients {
        digest = digest.rotate_left(7) ^ client.book.digest;
    }
    for client in &world.fix_clients {
        digest = digest.rotate_left(7) ^ client.book.digest;
    }
    for command in &commands {
        let words = bytemuck::cast::<Command, crate::model::Line>(command.head).0;
        words.iter().for_each(|word| digest = (digest ^ word).wrapping_mul(0x0000_0100_0000_01b3));
    }
    Ok((digest, commands.len() as u64))
}

/// Each order of a client is on record once, or was said not to be applied; each was answered.
fn orders(world: &World, commands: &[Group<Command>]) -> Result<(), Found> {
    let mut times = BTreeMap::<(u32, u32), u32>::new();
    for group in commands {
        if group.head.kind() == Some(CommandKind::Enter) {
            *times.entry((group.head.session.0, group.head.ordinal)).or_default() += 1;
        }
    }
    for client in &world.clients {
        for number in client.book.sent.values() {
            let times = times.get(&(client.session, *number)).copied().unwrap_or(0);
            let is_lost = client.book.not_applied.contains(number);
            ensure(times + u32::from(is_lost) == 1, "exactly once", || {
                format!("order {number} of session {}: {times} times on record", client.session)
            })?;
            ensure(client.book.answered.contains(number) != is_lost, "exactly once", || {
                format!("order {number} of session {} was not answered", client.session)
            })?;
        }
    }
    Ok(())
}

/// Each trade was told once to both sides, as it is on record.
fn trades(world: &World, journal: &Path) -> Result<(), Found> {
    let mut recorded = BTreeMap::<u64, u32>::new();
    for event in log_of::<Event>(journal)?.iter().map(|group| group.head) {
        if event.kind == EventKind::Executed.code() && event.session.0 <= CLIENTS {
            *recorded.entry(event.match_number().0).or_default() += event.quantity.0;
        }
    }
    let mut told = BTreeMap::<u64, u32>::new();
    for (number, quantity) in world.clients.iter().flat_map(|client| &client.book.fills) {
        *told.entry(*number).or_default() += quantity;
    }
    ensure(told == recorded, "trades", || {
        let differ = |(number, quantity): &(&u64, &u32)| recorded.get(number) != Some(quantity);
        let lacks = |(number, _): &(&u64, &u32)| !told.contains_key(number);
        format!(
            "{} trades on record, {} told; told otherwise: {:?}, not told: {:?}",
            recorded.len(),
            told.len(),
            told.iter().find(differ).map(|(number, told)| (number, told, recorded.get(number))),
            recorded.iter().find(lacks)
        )
    })
}

/// Folds a journal again and compares every event; a digest of its books and its risk gate after
/// `until`, and one of all of it. The primary's risk is held against its events.
fn replayed(
    world: &World,
    (place, primary): (usize, usize),
    until: SeqNo,
) -> Result<(u64, u64), Found> {
    let machine = &world.machines[place];
    let (config, catalogue) = (&machine.config, machine.catalogue());
    let failed = |error: String| Found::new("replay", error);
    let mut replay = Replay::open(
        &machine.journal(),
        empty_fold(config, catalogue).map_err(|error| failed(error.to_string()))?,
        empty_gateway(config, catalogue),
        empty_feed(config, catalogue),
    )
    .map_err(|error| failed(error.to_string()))?;
    let run = |replay: &mut Replay, until| {
        let outcome = replay.run(until, &mut |_| (), &mut |_| ());
        outcome.map_err(|error| Found::new("replay", format!("machine {place}: {error}")))
    };
    run(&mut replay, until)?;
    let digest = |replay: &Replay| {
        let mut digest = replay.fold.matcher.digest();
        let fold = |word: u64| digest = (digest ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        replay.fold.gate.digest(fold);
        digest
    };
    let books = digest(&replay);
    run(&mut replay, SeqNo::MAX)?;
    let all = digest(&replay);
    let mut ledger = Ledger::new(REFERENCE);
    log_of::<Event>(&machine.journal())?.iter().for_each(|group| ledger.add(&group.head));
    if place == primary {
        money(ledger, &mut replay.fold)?;
    }
    for client in &world.clients {
        let view = replay.gateway.views().find(|view| view.session.0 == client.session);
        let is_known = view.is_some_and(|view| view.next_number > 0);
        ensure(is_known, "session", || format!("session {} is not known", client.session))?;
    }
    Ok((books, all))
}

/// Checks what risk has against what is on record; the gate has heard of all events then.
fn money(ledger: Ledger, fold: &mut Fold<Shards>) -> Result<(), Found> {
    let differs = ledger.differs(fold);
    let differs = differs.map_err(|fault| Found::new("money", fault.sentence().to_owned()))?;
    ensure(!fold.gate.is_broken(), "money", || "risk gave back what it never held".to_owned())?;
    differs.map_or(Ok(()), |what| Err(Found::new("money", what)))
}
