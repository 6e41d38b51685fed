//! Folding a journal in three threads, for time matters at a start: one reads and checks, one
//! folds risk and books, one folds the edge and compares with the record.
//!
//! ```text
//!  reader ── commands ─► core ── commands and their events ─► edge
//!    ▲                                                          │
//!    └────────────────────── batches, emptied ──────────────────┘
//! ```

use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use crate::engine::{Fold, Matcher, Shards};
use crate::journal::{JournalError, PutAside, Reader};
use crate::model::{Command, Event, Group, SeqNo};
use crate::stage::{PeersState, VenuesState};
use crate::topology::recovery::compare;
use crate::topology::{Replay, ReplayError};

/// Commands that go from thread to thread at once: a few pages.
const BATCH: usize = 256;

/// Batches that may wait for a thread.
const WAITING: usize = 4;

/// How far ahead of its turn the core is told of a command.
const AHEAD: usize = 8;

/// Commands, and what they led to.
#[derive(Default)]
struct Batch {
    /// Each with its epoch.
    commands: Vec<(u32, Group<Command>)>,
    /// Their events, in one row.
    events: Vec<Event>,
    /// Where in that row each command's end.
    ends: Vec<usize>,
}

impl Replay {
    /// Folds all commands up to `until`; `missing` is shown events the event log does not hold.
    ///
    /// # Errors
    /// The first thing that is not as recorded; the state is of no use then.
    pub(super) fn relay(
        &mut self,
        until: SeqNo,
        missing: &mut dyn FnMut(&Event),
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), ReplayError> {
        let (full, commands) = sync_channel(WAITING);
        let (folded, told) = sync_channel(WAITING);
        let (empty, spare) = channel();
        let Self { fold, peers, venues, aside, epochs, commands: log, .. } = self;
        let from = fold.seq;
        let mut core = Core { fold, peers, venues, aside, epochs };
        let Self { gateway, fix, feed, events, compared, event_count, .. } = self;
        let Self { last_event, command_count, .. } = self;
        thread::scope(|scope| {
            let reading = scope.spawn(move || read(log, from, until, &full, &spare));
            let folding = scope.spawn(move || core.fold(&commands, &folded));
            let mut outcome = Ok(());
            for mut batch in told {
                let mut begin = 0;
                for ((_, command), end) in batch.commands.iter().zip(&batch.ends) {
                    gateway.restore_command(command);
                    fix.restore_command(command);
                    for event in batch.events.get(begin..*end).unwrap_or(&[]) {
                        gateway.restore_event(event);
                        fix.restore_event(event);
                        feed.apply(event);
                        *event_count += 1;
                        *last_event = event.id;
                        if outcome.is_ok() {
                            outcome = compare(events, event, compared, missing);
                        }
                    }
                    begin = *end;
                    *command_count += 1;
                    progress(*command_count);
                }
                if outcome.is_err() {
                    // Whoever is before stops when it finds this end closed.
                    break;
                }
                batch.commands.clear();
                batch.events.clear();
                batch.ends.clear();
                let _ = empty.send(batch);
            }
            drop(empty);
            let folded = folding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let read = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome.and(folded).and(read.map_err(ReplayError::Journal))
        })
    }
}

/// Reads on, batch by batch, to the end or to a command.
fn read(
    log: &mut Reader<Command>,
    from: SeqNo,
    until: SeqNo,
    full: &SyncSender<Batch>,
    spare: &Receiver<Batch>,
) -> Result<(), JournalError> {
    let mut last = from;
    let mut outcome = Ok(true);
    while outcome.as_ref().is_ok_and(|more| *more) && last < until {
        let mut batch = spare.try_recv().unwrap_or_default();
        while batch.commands.len() < BATCH && last < until {
            match log.read() {
                Ok(Some(group)) => {
                    last = group.head.seq;
                    batch.commands.push((log.epoch(), group));
                }
                Ok(None) => {
                    outcome = Ok(false);
                    break;
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        if full.send(batch).is_err() {
            break;
        }
    }
    outcome.map(|_| ())
}

/// What the thread in the middle folds.
struct Core<'a> {
    fold: &'a mut Fold<Shards>,
    peers: &'a mut PeersState,
    venues: &'a mut VenuesState,
    aside: &'a PutAside,
    epochs: &'a mut Vec<(u32, u64)>,
}

impl Core<'_> {
    /// Folds what comes, and passes it on with what it led to.
    fn fold(
        &mut self,
        commands: &Receiver<Batch>,
        folded: &SyncSender<Batch>,
    ) -> Result<(), ReplayError> {
        for mut batch in commands {
            let outcome = self.fold_batch(&mut batch);
            // What was folded before a fault is as it was recorded, or not.
            if folded.send(batch).is_err() {
                break;
            }
            outcome?;
        }
        Ok(())
    }

    fn fold_batch(&mut self, batch: &mut Batch) -> Result<(), ReplayError> {
        let Self { fold, peers, venues, aside, epochs } = self;
        for (at, (epoch, group)) in batch.commands.iter().enumerate() {
            if let Some((_, later)) = batch.commands.get(at + AHEAD) {
                fold.gate.expect(&later.head);
                fold.matcher.expect(&later.head);
            }
            if epochs.last().is_none_or(|(known, _)| known != epoch) {
                epochs.push((*epoch, group.head.seq.0));
            }
            peers.restore_command(&group.head);
            venues.restore_command(&group.head);
            let events = &mut batch.events;
            let each = &mut |event: &Event| events.push(*event);
            let applied = match aside.holds(group) {
                false => fold.apply(group, each),
                true => fold.pass_over(&group.head, each),
            };
            applied.map_err(|fault| ReplayError::Fault { seq: group.head.seq, fault })?;
            fold.matcher.take_routed(&mut |message| {
                peers.restore_routed(message);
                venues.restore_routed(message);
            });
            batch.ends.push(batch.events.len());
        }
        Ok(())
    }
}
