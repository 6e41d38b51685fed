//! How one line of a feed does: what it brought first, what late, what never.

use serde::Serialize;

use crate::model::Nanos;

/// Packets whose time of arrival is remembered, to see how far the other line is behind.
const MARKS: usize = 16;

/// How one line does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LineQuality {
    /// Packets of this session.
    pub packets: u64,
    /// Messages in them.
    pub messages: u64,
    /// Packets that brought something new.
    pub first: u64,
    /// Packets that brought only what was there: the other line was first, or it came twice.
    pub late: u64,
    /// Packets that begin before the end of one this line brought earlier: out of order, or twice.
    pub disordered: u64,
    /// Heartbeats and ends of session.
    pub heartbeats: u64,
    /// Messages that this line skipped; some may have come out of order.
    pub lost: u64,
    /// Packets of another session.
    pub foreign: u64,
    /// Packets that were broken.
    pub malformed: u64,
    /// The furthest it was behind the other line, in nanoseconds.
    pub behind_max_ns: u64,
    /// How far it is behind the other line as a rule, in nanoseconds.
    pub behind_ns: u64,
    #[serde(skip)]
    heard_at: Nanos,
    /// The number after the last one it brought.
    #[serde(skip)]
    next: u64,
    #[serde(skip)]
    marks: [(u64, Nanos); MARKS],
}

impl LineQuality {
    #[inline]
    pub(super) fn take(&mut self, first: u64, count: u64, is_new: bool, now: Nanos) {
        self.packets += 1;
        self.messages += count;
        match (count, is_new) {
            (0, _) => self.heartbeats += 1,
            (_, true) => self.first += 1,
            (_, false) => self.late += 1,
        }
        if self.next > 0 && first > self.next {
            self.lost = self.lost.saturating_add(first - self.next);
        }
        self.disordered += u64::from(count > 0 && first < self.next);
        self.next = self.next.max(first.saturating_add(count));
        self.heard_at = now;
    }

    /// Notes when a packet came first.
    #[inline]
    pub(super) fn mark(&mut self, first: u64, now: Nanos) {
        self.marks[first as usize % MARKS] = (first, now);
    }

    /// When a packet came first, if that is remembered.
    #[inline]
    pub(super) fn marked(&self, first: u64) -> Option<Nanos> {
        let (number, at) = self.marks[first as usize % MARKS];
        (number == first && at.0 > 0).then_some(at)
    }

    /// A packet came `span` after the other line's.
    #[inline]
    pub(super) fn behind(&mut self, span: Nanos) {
        self.behind_max_ns = self.behind_max_ns.max(span.0);
        self.behind_ns = self.behind_ns - self.behind_ns / 8 + span.0 / 8;
    }

    /// Another session begins.
    pub(super) fn begin(&mut self) {
        self.next = 0;
        self.marks = Default::default();
    }

    /// When it was heard last; nothing where it never was.
    pub fn heard_at(&self) -> Option<Nanos> {
        Some(self.heard_at).filter(|at| at.0 > 0)
    }

    /// Whether it was heard within `silence`.
    #[inline]
    pub fn is_heard(&self, now: Nanos, silence: Nanos) -> bool {
        self.heard_at.0 > 0 && now.saturating_sub(self.heard_at) <= silence
    }
}
