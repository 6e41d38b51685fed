//! Commands whose events are not on record are tried out in a copy of the process first: one of
//! them may be why the last process ended. One that ends the copy too is put aside.

use std::time::Duration;

use jiff::Timestamp;

use crate::journal::{Aside, mark_of_command};
use crate::model::{Command, EventId, Group, Nanos, SeqNo};
use crate::runtime::{Rehearsal, log, rehearse};
use crate::stage::{FixState, PeersState, VenuesState};
use crate::topology::{BootError, Recovered, Replay, ReplayError, command_at};

/// Why a list of commands put aside names one.
const WHY: &str = "the process ended at it, and so did a copy that tried it again";

/// The least that a copy is waited for: one that gets no CPU for a while is not what a command did.
const PATIENCE_MIN: Nanos = Nanos(5_000_000_000);

impl Recovered {
    /// Folds what the event log has events of: that brought nobody down.
    ///
    /// # Errors
    /// As [`boot`](crate::topology::boot).
    pub(crate) fn fold_survived(&mut self) -> Result<(), BootError> {
        self.catch_up(EventId(self.event_log.last()).seq())
    }

    /// Folds all that is on record, what brings the process down put aside; the rest is tried out
    /// first in a copy that is ended when it stands still for `patience`.
    ///
    /// # Errors
    /// As [`boot`](crate::topology::boot), and [`BootError::Deadly`].
    pub(crate) fn fold_warily(&mut self, patience: Nanos) -> Result<(), BootError> {
        self.fold_survived()?;
        let told = EventId(self.event_log.last()).seq();
        while self.command_log.last() > self.replay.fold.seq.0
            && let Some(group) = self.replay.try_out(patience)?
        {
            let seq = group.head.seq;
            if seq <= told || self.replay.aside.holds(&group.head, group.rest()) {
                return Err(BootError::Deadly { seq, is_told: seq <= told });
            }
            let (mark, since) = (mark_of_command(&group), Timestamp::now());
            self.replay.aside.add(&[Aside { seq, mark, since, why: WHY.to_owned() }])?;
            let (kind, session) = (group.head.kind(), group.head.session);
            self.put_aside.push(format!(
                "command {seq} ({kind:?}, session {session}) brought this appliance down twice: it \
                 is refused as PutAside, and the rest goes on"
            ));
        }
        self.catch_up(SeqNo::MAX)
    }
}

impl Replay {
    /// Folds the rest in a copy of this process; the command that ends it, if one does. No copy to
    /// be had is no reason not to go on, and is said.
    fn try_out(&mut self, patience: Nanos) -> Result<Option<Group<Command>>, ReplayError> {
        let begun = self.fold.seq;
        let rehearsed = rehearse(Duration::from_nanos(patience.max(PATIENCE_MIN).0), |step| {
            // Their records are on the disk, which the copy shares.
            std::mem::forget(std::mem::replace(&mut self.fix, FixState::none()));
            std::mem::forget(std::mem::replace(&mut self.peers, PeersState::none()));
            std::mem::forget(std::mem::replace(&mut self.venues, VenuesState::none()));
            step(begun.next().0);
            while matches!(self.step(&mut |_| ()), Ok(true)) {
                step(self.fold.seq.next().0);
            }
        });
        match rehearsed {
            Ok(Rehearsal::Died(seq)) => Ok(command_at(&self.journal, SeqNo(seq))?),
            Ok(Rehearsal::Finished) => Ok(None),
            Err(cause) => {
                log::alert(&format!(
                    "no copy of the process can be had ({cause}): commands from {} on, whose \
                     events are not on record, are folded without a trial; one that ended the \
                     last process would end this one too. Give it memory and processes \
                     (ulimit -u) and start again",
                    begun.next()
                ));
                Ok(None)
            }
        }
    }
}
