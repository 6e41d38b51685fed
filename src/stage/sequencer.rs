//! The one door in: gives every request its place in history and its time.

use crate::link::{Consumer, Producer};
use crate::model::{Command, CommandKind, Fault, Group, LINES_MAX, Nanos, Request, SeqNo};
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

/// The sequencer. Takes one message per queue per turn, the oldest received first.
pub struct Sequencer {
    state: SequencerState,
    inputs: Vec<Consumer<Request>>,
    risk: Producer<Command>,
    recorder: Producer<Command>,
    request: Group<Request>,
    /// Counters, for whoever shows them.
    pub counters: Counters<SequencerCounter>,
    waited: LatencyRecorder,
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
        let request = Group::new(Request::new(CommandKind::Tick, Nanos::ZERO));
        Self { state, inputs, risk, recorder, request, counters: Counters::default(), waited }
    }

    /// The queue whose front was received first; ties go to the lower one.
    #[inline]
    fn oldest(&self) -> Option<usize> {
        if let [_only] = self.inputs.as_slice() {
            return Some(0);
        }
        let fronts = self.inputs.iter().enumerate();
        let waiting = fronts.filter_map(|(at, queue)| Some((queue.peek()?.0.timestamp, at)));
        waiting.min().map(|(_, at)| at)
    }
}

impl Stage for Sequencer {
    fn name(&self) -> &str {
        "sequencer"
    }

    fn poll(&mut self, now: Nanos) -> Result<usize, Fault> {
        let mut work = 0;
        while work < BURST {
            if self.risk.credits(LINES_MAX) < LINES_MAX
                || self.recorder.credits(LINES_MAX) < LINES_MAX
            {
                self.counters.count(SequencerCounter::Backpressured);
                break;
            }
            let Some(queue) = self.oldest() else { break };
            let Some(input) = self.inputs.get_mut(queue) else { break };
            if !input.pop(&mut self.request) {
                break;
            }
            let received_at = self.request.head.0.timestamp;
            let (seq, timestamp) = self.state.next(now);
            let command = self.request.head.sequenced(seq, timestamp);
            let rest = self.request.rest();
            let sent =
                self.risk.push_parts(&command, rest) && self.recorder.push_parts(&command, rest);
            if !sent {
                return Err(Fault::LimitBroken);
            }
            if work == 0 {
                // The first of a burst has waited longest; it speaks for the others.
                self.waited.record(received_at, now);
            }
            work += 1;
        }
        self.counters.add(SequencerCounter::Commands, work as u64);
        Ok(work)
    }

    fn housekeep(&mut self, _now: Nanos) {
        self.counters.publish();
        self.waited.hand_over();
        self.inputs.iter().for_each(Consumer::show_fill);
    }
}
