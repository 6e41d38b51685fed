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
        Overtaken: "requests that came after one received later",
        OvertakenLong: "of those, after one received over a millisecond later: a stage stood still",
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

/// The longest lap that is no fault: what was received further apart than that is in order.
const WINDOW: Nanos = Nanos(1_000_000);

/// The sequencer. Takes the oldest received first, whichever queue it waits in; of those received
/// at the same time each queue has its turn.
pub struct Sequencer {
    state: SequencerState,
    inputs: Vec<Consumer<Request>>,
    /// The queue after the one that was served last: it is the first of those that waited as long.
    next: usize,
    /// The latest receipt of those that were taken.
    newest: Nanos,
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
    /// The queue whose front was received first.
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
        let (next, newest, counters) = Default::default();
        Self { state, inputs, next, newest, risk, recorder, counters, waited }
    }

    #[inline]
    fn turn(&self) -> Option<Turn> {
        let mut oldest: Option<(Nanos, usize)> = None;
        let mut until = Nanos::MAX;
        let mut look = |(queue, input): (usize, &Consumer<Request>)| {
            let Some(front) = input.peek() else { return };
            let received_at = front.0.timestamp;
            match oldest {
                Some((first, _)) if received_at >= first => until = until.min(received_at),
                _ => {
                    until = oldest.map_or(until, |(first, _)| first);
                    oldest = Some((received_at, queue));
                }
            }
        };
        let queues = || self.inputs.iter().enumerate();
        queues().skip(self.next).for_each(&mut look);
        queues().take(self.next).for_each(&mut look);
        oldest.map(|(_, queue)| Turn { queue, until })
    }

    /// Takes from one queue until another's turn comes; says how many.
    fn take(&mut self, turn: &Turn, most: usize, now: Nanos) -> Result<usize, Fault> {
        let Self { state, inputs, next, newest, risk, recorder, counters, waited } = self;
        let Some(input) = inputs.get_mut(turn.queue) else { return Ok(0) };
        *next = turn.queue + 1;
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
                if received_at < *newest {
                    count_overtaken(counters, newest.saturating_sub(received_at));
                }
                *newest = received_at.max(*newest);
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

#[cold]
fn count_overtaken(counters: &mut Counters<SequencerCounter>, by: Nanos) {
    counters.count(SequencerCounter::Overtaken);
    counters.add(SequencerCounter::OvertakenLong, u64::from(by > WINDOW));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::link;
    use crate::model::CommandKind;
    use crate::runtime::latency;

    /// A sequencer with queues that hold requests of these times, and what it made of them: the
    /// queues in the order in which they were served, by the account that each request bears.
    fn served(queues: &[&[u64]]) -> (Sequencer, Vec<u32>) {
        let mut inputs = Vec::new();
        for (queue, times) in queues.iter().enumerate() {
            let (mut producer, consumer) = link::<Request>(64);
            for time in *times {
                let mut request = Request::new(CommandKind::Enter, Nanos(*time));
                request.0.account.0 = queue as u32;
                assert!(producer.push_head(&request), "there is room");
            }
            inputs.push(consumer);
        }
        let (risk, mut commands) = link::<Command>(256);
        let (recorder, _records) = link::<Command>(256);
        let (waited, _) = latency();
        let start = SequencerState::default();
        let mut sequencer = Sequencer::new(start, inputs, risk, recorder, waited);
        while sequencer.poll(Nanos(5_000_000)).expect("no fault") > 0 {}
        let order = std::iter::from_fn(|| Some(commands.pop_head()?.account.0)).collect();
        (sequencer, order)
    }

    fn overtaken(sequencer: &Sequencer) -> [u64; 2] {
        [SequencerCounter::Overtaken, SequencerCounter::OvertakenLong]
            .map(|counter| sequencer.counters.value(counter))
    }

    #[test]
    fn the_oldest_receipt_is_first_whichever_queue_it_waits_in() {
        let (sequencer, order) = served(&[&[3, 5, 9], &[1, 6, 7], &[2, 4, 8]]);
        assert_eq!(order, [1, 2, 0, 2, 0, 1, 1, 2, 0]);
        assert_eq!(overtaken(&sequencer), [0, 0]);
    }

    #[test]
    fn queues_take_turns_where_all_waited_as_long() {
        let (sequencer, order) = served(&[&[7; 6], &[7; 6], &[7; 6]]);
        assert_eq!(order, [0, 1, 2].repeat(6));
        assert_eq!(overtaken(&sequencer), [0, 0]);
    }

    #[test]
    fn what_came_late_into_its_queue_is_counted() {
        // The second of the first queue was received before all that was taken meanwhile.
        let (sequencer, order) = served(&[&[20, 10, 30], &[15, 25], &[2_000_000, 900]]);
        assert_eq!(order, [1, 0, 0, 1, 0, 2, 2]);
        assert_eq!(overtaken(&sequencer), [2, 1]);
    }
}
