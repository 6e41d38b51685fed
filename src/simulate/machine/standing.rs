//! A machine while it stands by: receives and folds, becomes primary where the other is gone.

use std::sync::Arc;

use crate::engine::{BookView, Matcher};
use crate::journal::AnnexKeeper;
use crate::model::{Command, CommandKind, EventKind, Group, Nanos};
use crate::replica::Heard;
use crate::simulate::Sabotage;
use crate::simulate::cables::Switchboard;
use crate::simulate::machine::{Fallen, Machine, MakePorts, State, said};
use crate::simulate::platter::Platter;
use crate::topology::{Crown, Ending, Folding, Mender, Receiver, Recovered, Replay, Shared};

/// Lines for the events of one command.
const EVENTS_ROOM: usize = 64;

/// A standby.
pub(super) struct Standing {
    pub(super) recovered: Recovered,
    receiver: Receiver,
    folding: Folding,
    annex_keeper: AnnexKeeper,
    shared: Arc<Shared>,
    is_flipped: bool,
}

impl Machine {
    pub(super) fn stand(
        &mut self,
        mut standing: Box<Standing>,
        part: usize,
        now: Nanos,
        ports: MakePorts<'_>,
    ) -> Result<usize, Fallen> {
        match part {
            0..6 => match standing.receive(now, &mut self.lines) {
                Ok(work) => {
                    self.state = State::Standing(standing);
                    Ok(work)
                }
                Err(Ending::Again(witness)) => self.go_to_the_door(witness).map(|()| 1),
                Err(Ending::Failed(error)) => Err(said(error)),
                Err(Ending::Promoted { witness, epoch, copies }) => {
                    standing.shared.trust_all();
                    // Without room for events it waits for somebody who makes some.
                    self.disk.set_full(false);
                    while standing.fold_next(&self.disk, self.sabotage)? {}
                    self.promotions += 1;
                    let epoch = match self.sabotage {
                        Some(Sabotage::SameEpoch) => epoch - 1,
                        _ => epoch,
                    };
                    let Standing { mut recovered, .. } = *standing;
                    recovered.inherit(&self.config, copies).map_err(said)?;
                    self.rule(recovered, Crown { witness, epoch }, now, ports).map(|()| 1)
                }
            },
            6..11 => {
                let mut work = 0;
                while work < 32 && standing.fold_next(&self.disk, self.sabotage)? {
                    work += 1;
                }
                self.state = State::Standing(standing);
                Ok(work)
            }
            _ => {
                let Standing { recovered, annex_keeper, .. } = &mut *standing;
                self.keep(&mut recovered.idle_keepers, annex_keeper, now);
                self.state = State::Standing(standing);
                Ok(0)
            }
        }
    }
}

impl Standing {
    pub(super) fn new(
        recovered: Recovered,
        receiver: Receiver,
        heard: Heard,
        annex_keeper: AnnexKeeper,
    ) -> Self {
        let shared = Arc::<Shared>::default();
        let folding = Folding::new(&recovered, heard, Arc::clone(&shared));
        Self { recovered, receiver, folding, annex_keeper, shared, is_flipped: false }
    }

    fn receive(&mut self, now: Nanos, lines: &mut Switchboard) -> Result<usize, Ending> {
        let Self { recovered, receiver, shared, .. } = self;
        let Recovered { command_log, epochs, .. } = recovered;
        receiver.step(now, lines, command_log, epochs, shared, &|_| ())
    }

    fn fold_next(&mut self, disk: &Platter, sabotage: Option<Sabotage>) -> Result<bool, Fallen> {
        let Self { recovered, folding, is_flipped, .. } = self;
        let Recovered { event_log, replay, idle_keepers, .. } = recovered;
        let seq = replay.fold.seq.0;
        if event_log.room_to_spare() < EVENTS_ROOM && disk.is_full() {
            return Ok(false);
        }
        if sabotage == Some(Sabotage::FlipState) && seq > 60 && !*is_flipped {
            *is_flipped = true;
            forget_an_order(replay);
        }
        let mut mender = Mender::new(event_log, idle_keepers);
        let (mut place, mut fill) = (0, None);
        let folded = folding
            .step(replay, &mut |event| {
                fill = fill.or((event.kind == EventKind::Executed.code()).then_some(*event));
                place += 1;
                let is_dropped = sabotage == Some(Sabotage::DropEvent) && seq % 64 == 40;
                if !is_dropped || place > 1 {
                    mender.write(event);
                }
            })
            .map_err(said);
        mender.finish().map_err(said)?;
        if let Some(fill) = fill.filter(|_| sabotage == Some(Sabotage::FillTwice)) {
            let _ = replay.fold.gate.apply(&fill);
        }
        folded
    }
}

/// Takes the first resting order away without a word.
pub(super) fn forget_an_order(replay: &mut Replay) {
    let mut first = None;
    replay.fold.matcher.for_each_order(&mut |standing| {
        first.get_or_insert(standing.order);
    });
    let Some(order) = first else { return };
    let mut cancel = Command::new(CommandKind::Cancel);
    (cancel.seq, cancel.timestamp) = (replay.fold.seq, replay.fold.timestamp);
    (cancel.session, cancel.target) = (order.session, order.ordinal);
    (cancel.instrument, cancel.account) = (order.instrument, order.account);
    let _ = replay.fold.matcher.submit(&Group::new(cancel));
    replay.fold.matcher.drain(usize::MAX, &mut |_| ());
}
