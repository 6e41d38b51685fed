//! What is counted of each exchange's feed, and of each of its lines.

use crate::model::Nanos;
use crate::runtime::{CounterReader, Counters};
use crate::stage::prices::InletSpec;
use crate::stage::prices::inlet::Inlet;

crate::counters! {
    /// What is counted of one exchange's feed.
    pub(super) FeedOfCounter {
        Heard: level "1: a line of the feed is heard now",
        Sound: level "1: all that is known to have been said is in its books, and they price",
        Missing: level "messages that are known to be and have not come",
        Gaps: "gaps that no line closed in time: asked for",
        Closed: "of them, those that are closed by now",
        Asked: "requests for what was missing",
        Recovered: "messages that came as answers to requests",
        Snapshots: "snapshots taken in",
        Restarts: "sessions that began anew",
        Jumps: "packets too far ahead, or long known, that were not believed",
        ClockJumps: "messages said ahead of our clock, or long before they came: no price",
        Faults: "messages that could not be: not applied, and the book is not used",
    }
}

crate::counters! {
    /// What is counted of one line of a feed.
    pub(super) LineCounter {
        Packets: "packets of the line",
        Messages: "messages in them",
        First: "packets that brought something new",
        Late: "packets that brought nothing new: the other line was first, or they came twice",
        Disordered: "packets that came after a later one of the line, or twice",
        Heartbeats: "heartbeats",
        Lost: "messages the line skipped; some may have come out of order",
        Foreign: "packets of other sessions",
        Malformed: "packets that were broken",
        BehindNs: level "how far behind the other line, as a rule",
        BehindMaxNs: level "and at most",
        SilentNs: level "how long ago the line was heard, or the stage began",
    }
}

/// The counters of one feed.
pub(super) struct Tally {
    name: String,
    /// When this was counted first.
    began: Option<Nanos>,
    feed: Counters<FeedOfCounter>,
    lines: Vec<Counters<LineCounter>>,
}

/// The reading ends of one feed's counters.
#[derive(Clone, Debug)]
pub struct FeedReaders {
    /// The feed's name.
    pub name: String,
    /// Of the whole.
    pub feed: CounterReader,
    /// Of each line, the A line first.
    pub lines: Vec<CounterReader>,
}

impl FeedReaders {
    /// Each line's letter and counters.
    pub fn lines(&self) -> impl Iterator<Item = (&'static str, &CounterReader)> {
        ["A", "B"].into_iter().zip(&self.lines)
    }
}

impl Tally {
    pub(super) fn of(spec: &InletSpec) -> Self {
        let lines = spec.lines.iter().map(|_| Counters::default()).collect();
        Self { name: spec.name.clone(), began: None, feed: Counters::default(), lines }
    }

    pub(super) fn readers(&self) -> FeedReaders {
        let lines = self.lines.iter().map(Counters::reader).collect();
        FeedReaders { name: self.name.clone(), feed: self.feed.reader(), lines }
    }

    /// Takes over what a feed counted, and shows it.
    pub(super) fn count(&mut self, inlet: &Inlet, now: Nanos) {
        use FeedOfCounter as F;
        use LineCounter as L;
        let arbiter = &inlet.arbiter;
        let began = *self.began.get_or_insert(now);
        let values = [
            (F::Heard, u64::from(inlet.is_heard())),
            (F::Sound, u64::from(inlet.is_sound(now))),
            (F::Missing, arbiter.missing()),
            (F::Gaps, arbiter.gaps),
            (F::Closed, arbiter.closed),
            (F::Asked, arbiter.requests),
            (F::Recovered, arbiter.recovered),
            (F::Snapshots, inlet.snapshots),
            (F::Restarts, arbiter.restarts),
            (F::Jumps, arbiter.jumps),
            (F::ClockJumps, inlet.clock_jumps),
            (F::Faults, inlet.faults()),
        ];
        values.into_iter().for_each(|(counter, value)| self.feed.set(counter, value));
        self.feed.publish();
        for (counters, of) in self.lines.iter_mut().zip(&arbiter.lines) {
            let silent = now.saturating_sub(of.heard_at().unwrap_or(began));
            let values = [
                (L::Packets, of.packets),
                (L::Messages, of.messages),
                (L::First, of.first),
                (L::Late, of.late),
                (L::Disordered, of.disordered),
                (L::Heartbeats, of.heartbeats),
                (L::Lost, of.lost),
                (L::Foreign, of.foreign),
                (L::Malformed, of.malformed),
                (L::BehindNs, of.behind_ns),
                (L::BehindMaxNs, of.behind_max_ns),
                (L::SilentNs, silent.0),
            ];
            values.into_iter().for_each(|(counter, value)| counters.set(counter, value));
            counters.publish();
        }
    }
}
