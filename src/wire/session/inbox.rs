//! The client's flow as the server takes it: in order, each number once, gaps given up in time.
//!
//! Two marks: all numbers below `expected` were delivered; all below `settled` are on record too.
//! Only what is settled is acknowledged, for only that survives a restart.

use crate::model::Nanos;
use crate::snapshot::part;
use crate::wire::session::held::{Held, WINDOW_MAX};
use crate::wire::session::server::Delivery;

/// Where deliveries go, and how many more may go there now.
pub(crate) struct Sink<'a> {
    pub(crate) room: usize,
    pub(crate) deliver: &'a mut dyn FnMut(Delivery<'_>),
}

/// What became of a message that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Delivered, or kept for its turn.
    Taken,
    /// Its number was delivered or given up before.
    Duplicate,
    /// Further ahead than any client may be.
    BeyondWindow,
}

#[derive(Debug)]
pub(crate) struct Inbox {
    expected: u64,
    settled: u64,
    held: Held,
    hold: Nanos,
}
part!(Inbox { expected, settled } kept { held, hold });

impl Inbox {
    pub(crate) fn new(hold: Nanos) -> Self {
        Self { expected: 1, settled: 1, held: Held::new(), hold }
    }

    /// The number that is delivered next.
    pub(crate) fn expected(&self) -> u64 {
        self.expected
    }

    /// The number that is on record next.
    pub(crate) fn settled(&self) -> u64 {
        self.settled
    }

    /// Notes that all numbers below `next` are on record.
    pub(crate) fn settle(&mut self, next: u64) {
        self.settled = self.settled.max(next.min(self.expected));
    }

    /// Goes on after numbers that a record says were delivered or given up.
    pub(crate) fn restore(&mut self, next: u64) {
        self.expected = self.expected.max(next);
        self.settled = self.settled.max(next);
    }

    /// Forgets what was kept; the client sends it again.
    pub(crate) fn clear(&mut self) {
        self.held.clear();
    }

    /// Takes a message in.
    #[inline]
    pub(crate) fn arrive(&mut self, seq: u64, bytes: &[u8], now: Nanos, to: &mut Sink) -> Arrival {
        if seq < self.expected {
            (to.deliver)(Delivery::Duplicate { seq });
            return Arrival::Duplicate;
        }
        if seq == self.expected && to.room > 0 {
            to.room -= 1;
            self.expected += 1;
            (to.deliver)(Delivery::Message { seq, bytes });
            if !self.held.is_empty() {
                // A copy kept while there was no room is the same message.
                self.held.take(seq);
                self.deliver_held(to);
            }
            return Arrival::Taken;
        }
        self.make_way(seq, to);
        if seq - self.expected >= WINDOW_MAX {
            return Arrival::BeyondWindow;
        }
        self.held.keep(seq, bytes, now);
        Arrival::Taken
    }

    /// Whether a message waits whose turn it is: there was no room for it.
    #[inline]
    pub(crate) fn is_behind(&self) -> bool {
        self.held.has(self.expected)
    }

    /// Delivers what had to wait for room, and gives up gaps that were waited for long enough.
    #[inline]
    pub(crate) fn advance(&mut self, now: Nanos, to: &mut Sink) {
        if !self.held.is_empty() {
            self.go_on(now, to);
        }
    }

    fn go_on(&mut self, now: Nanos, to: &mut Sink) {
        self.deliver_held(to);
        while to.room > 0 && self.is_overdue(now) {
            self.give_up_gap(to);
        }
    }

    #[inline]
    fn deliver_held(&mut self, to: &mut Sink) {
        while to.room > 0
            && let Some(bytes) = self.held.take(self.expected)
        {
            to.room -= 1;
            (to.deliver)(Delivery::Message { seq: self.expected, bytes });
            self.expected += 1;
        }
    }

    /// Whether a number is missing and the oldest message behind it has waited its time.
    ///
    /// A number that is here and waits for room is not missing: its turn comes.
    fn is_overdue(&self, now: Nanos) -> bool {
        !self.held.has(self.expected)
            && (self.held.waiting_since())
                .is_some_and(|since| now.saturating_sub(since) >= self.hold)
    }

    /// Gives up gaps at once where a message comes too far ahead to be kept behind them.
    fn make_way(&mut self, seq: u64, to: &mut Sink) {
        while to.room > 0
            && seq - self.expected >= WINDOW_MAX
            && !self.held.is_empty()
            && !self.held.has(self.expected)
        {
            self.give_up_gap(to);
        }
    }

    /// Declares the numbers before the first message kept not applied, and goes on after them.
    fn give_up_gap(&mut self, to: &mut Sink) {
        let Some(first) = self.held.first(self.expected) else { return };
        let (from, count) = (self.expected, (first - self.expected) as u32);
        to.room -= 1;
        self.expected = first;
        (to.deliver)(Delivery::NotApplied { from, count });
        self.deliver_held(to);
    }
}
