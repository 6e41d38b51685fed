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
use crate::model::{Command, Event, Group, Line, SeqNo};
use crate::stage::{PeersState, VenuesState};
use crate::topology::recovery::compare;
use crate::topology::{Replay, ReplayError};

/// Commands that go from thread to thread at once: so many that a thread that has to be woken for
/// them costs little, and so few that they stay in the second-level cache.
const BATCH: usize = 1024;

/// Batches that may wait for a thread.
const WAITING: usize = 4;

/// How far ahead of its turn the core is told of a command.
const AHEAD: usize = 8;

/// Commands, and what they led to.
#[derive(Default)]
struct Batch {
    commands: Commands,
    told: Told,
}

/// Commands in a row.
#[derive(Default)]
struct Commands {
    /// The lines of all of them.
    lines: Vec<Line>,
    /// Where among those each begins, and its epoch.
    begins: Vec<(usize, u32)>,
}

impl Commands {
    /// A command's head, and the further lines it counts.
    #[inline]
    fn get(&self, at: usize) -> Option<(&Command, &[Line])> {
        let (begin, _) = *self.begins.get(at)?;
        let end = self.begins.get(at + 1).map_or(self.lines.len(), |(next, _)| *next);
        let (head, rest) = self.lines.get(begin..end)?.split_first()?;
        Some((bytemuck::cast_ref(head), rest))
    }
}

/// What commands in a row led to.
#[derive(Default)]
struct Told {
    events: Vec<Event>,
    /// Where among those each command's end.
    ends: Vec<usize>,
}

impl Batch {
    fn clear(&mut self) {
        self.commands.lines.clear();
        self.commands.begins.clear();
        self.told.events.clear();
        self.told.ends.clear();
    }
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
                for (at, end) in batch.told.ends.iter().enumerate() {
                    let Some((head, rest)) = batch.commands.get(at) else { break };
                    let command = Group::of_parts(head, rest);
                    gateway.restore_command(&command);
                    fix.restore_command(&command);
                    for event in batch.told.events.get(begin..*end).unwrap_or(&[]) {
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
                batch.clear();
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
        let Commands { lines: row, begins } = &mut batch.commands;
        while begins.len() < BATCH && last < until {
            let begin = row.len();
            match log.read_lines() {
                Ok([]) => {
                    outcome = Ok(false);
                    break;
                }
                Ok(lines @ [head, ..]) => {
                    last = bytemuck::cast_ref::<Line, Command>(head).seq;
                    row.extend_from_slice(lines);
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            begins.push((begin, log.epoch()));
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
            let outcome = self.fold_batch(&batch.commands, &mut batch.told);
            // What was folded before a fault is as it was recorded, or not.
            if folded.send(batch).is_err() {
                break;
            }
            outcome?;
        }
        Ok(())
    }

    fn fold_batch(&mut self, commands: &Commands, told: &mut Told) -> Result<(), ReplayError> {
        let Self { fold, peers, venues, aside, epochs } = self;
        let Told { events, ends } = told;
        for (at, (_, epoch)) in commands.begins.iter().enumerate() {
            if let Some((later, _)) = commands.get(at + AHEAD) {
                fold.gate.expect(later);
                fold.matcher.expect(later);
            }
            let Some((head, rest)) = commands.get(at) else { break };
            if epochs.last().is_none_or(|(known, _)| known != epoch) {
                epochs.push((*epoch, head.seq.0));
            }
            peers.restore_command(head);
            venues.restore_command(head);
            let each = &mut |event: &Event| events.push(*event);
            let applied = match aside.holds(head, rest) {
                false => fold.apply_parts(head, rest, each),
                true => fold.pass_over(head, each),
            };
            applied.map_err(|fault| ReplayError::Fault { seq: head.seq, fault })?;
            fold.matcher.take_routed(&mut |message| {
                peers.restore_routed(message);
                venues.restore_routed(message);
            });
            ends.push(events.len());
        }
        Ok(())
    }
}
