//! The one door in: gives every request its place in history and its time.

use crate::link::{Batch, Consumer, Producer, Taken};
use crate::model::{Command, Fault, LINES_MAX, Nanos, Request, SeqNo};
use crate::runtime::{Counters, LatencyRecorder, Stage};
use crate::stage::BURST;

crate::counters! {
    /// What the sequencer counts.
    pub SequencerCounter {
        Commands: "requests given their place in history",
        Backpressured: "polls that found no room behind",
    }
}

/// How far history has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequencerState {
    /// The last command's place.
    pub seq: SeqNo,
    /// The last command's time.
    pub timestamp: Nanos,
}

impl SequencerState {
    /// The next place and a time after the last: the clock's, or a nanosecond more.
    #[inline]
    pub fn next(&mut self, now: Nanos) -> (SeqNo, Nanos) {
        self.seq = self.seq.next();
        self.timestamp = now.max(self.timestamp.saturating_add(Nanos(1)));
        (self.seq, self.timestamp)
    }
}

/// The sequencer. Takes the oldest received first, whichever queue it waits in.
pub struct Sequencer {
    state: SequencerState,
    inputs: Vec<Consumer<Request>>,
    risk: Producer<Command>,
    recorder: Producer<Command>,
    /// Counters, for whoever shows them.
    pub counters: Counters<SequencerCounter>,
    waited: LatencyRecorder,
}

/// Lines asked of a link behind at once.
const ROOM_WANTED: usize = BURST * LINES_MAX;

/// Whose turn it is.
struct Turn {
    /// The queue whose front was received first; ties go to the lower one.
    queue: usize,
    /// When the front of the next queue was received: the turn lasts till then.
    until: Nanos,
}

impl Sequencer {
    /// Continues history after `state`.
    pub fn new(
        state: SequencerState,
        inputs: Vec<Consumer<Request>>,
        risk: Producer<Command>,
        recorder: Producer<Command>,
        waited: LatencyRecorder,
    ) -> Self {
        Self { state, inputs, risk, recorder, counters: Counters::default(), waited }
    }

    #[inline]
    fn turn(&self) -> Option<Turn> {
        let mut oldest: Option<(Nanos, usize)> = None;
        let mut until = Nanos::MAX;
        for (queue, input) in self.inputs.iter().enumerate() {
            let Some(front) = input.peek() else { continue };
            let received_at = front.0.timestamp;
            match oldest {
                Some((first, _)) if received_at >= first => until = until.min(received_at),
                _ => {
                    until = oldest.map_or(until, |(first, _)| first);
                    oldest = Some((received_at, queue));
                }
            }
        }
        oldest.map(|(_, queue)| Turn { queue, until })
    }

    /// Takes from one queue until another's turn comes; says how many.
    fn take(&mut self, turn: &Turn, most: usize, now: Nanos) -> Result<usize, Fault> {
        let Self { state, inputs, risk, recorder, counters, waited } = self;
        let Some(input) = inputs.get_mut(turn.queue) else { return Ok(0) };
        let mut count = 0;
        let mut sent = true;
        let mut take = |risk: &mut Batch<'_, Command>, recorder: &mut Batch<'_, Command>| {
            input.take_each(|request, rest| {
                let received_at = request.0.timestamp;
                if count > 0 && received_at >= turn.until || count == most {
                    return Taken::No;
                }
                if risk.room().min(recorder.room()) < LINES_MAX {
                    counters.count(SequencerCounter::Backpressured);
                    return Taken::No;
                }
                if count == 0 {
                    // The first of a burst has waited longest; it speaks for the others.
                    waited.record(received_at, now);
                }
                let (seq, timestamp) = state.next(now);
                let command = request.sequenced(seq, timestamp);
                sent &= risk.push_parts(&command, rest) && recorder.push_parts(&command, rest);
                count += 1;
                Taken::Yes
            })
        };
        risk.write(ROOM_WANTED, |risk| {
            recorder.write(ROOM_WANTED, |recorder| take(risk, recorder));
        });
        if sent { Ok(count) } else { Err(Fault::LimitBroken) }
    }
}

impl Stage for Sequencer {
    fn name(&self) -> &str {
        "sequencer"
    }

    fn tells_time(&self) -> bool {
        true
    }

    fn poll(&mut self, now: Nanos) -> Result<usize, Fault> {
        let mut work = 0;
        while work < BURST
            && let Some(turn) = self.turn()
        {
            let count = self.take(&turn, BURST - work, now)?;
            if count == 0 {
                break;
            }
            work += count;
        }
        self.counters.add(SequencerCounter::Commands, work as u64);
        Ok(work)
    }

    fn held(&self) -> u64 {
        self.counters.value(SequencerCounter::Backpressured)
    }

    fn housekeep(&mut self, _now: Nanos) {
        self.counters.publish();
        self.waited.hand_over();
        self.inputs.iter().for_each(Consumer::show_fill);
    }
}
