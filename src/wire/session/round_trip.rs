//! How long a client takes to acknowledge: one reply at a time is timed, from the packet it first
//! left in to the acknowledgement that covers it. One that was sent again tells nothing.

use crate::model::Nanos;

/// The reply that is timed, and what the last one took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoundTrip {
    /// The number behind the last one in a packet, and when that left.
    timed: Option<(u64, Nanos)>,
    last: Nanos,
}

impl RoundTrip {
    /// What the last one took; zero before the first.
    pub(crate) fn last(&self) -> Nanos {
        self.last
    }

    /// Replies below `next` left for the first time.
    #[inline]
    pub(crate) fn sent(&mut self, next: u64, now: Nanos) {
        self.timed.get_or_insert((next, now));
    }

    /// The client has all below `next`.
    #[inline]
    pub(crate) fn acknowledged(&mut self, next: u64, now: Nanos) {
        if let Some((_, at)) = self.timed.take_if(|(timed, _)| *timed <= next) {
            self.last = now.saturating_sub(at);
        }
    }

    /// Replies from this one on were sent again: whose answer comes is not known.
    pub(crate) fn repeated(&mut self, from: u64) {
        self.timed.take_if(|(timed, _)| *timed > from);
    }

    /// Another connection begins.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reply_is_timed_at_once_and_a_repeat_tells_nothing() {
        let mut trip = RoundTrip::default();
        trip.acknowledged(9, Nanos(1));
        assert_eq!(trip.last(), Nanos::ZERO);
        trip.sent(3, Nanos(100));
        trip.sent(5, Nanos(200));
        trip.acknowledged(2, Nanos(300));
        assert_eq!(trip.last(), Nanos::ZERO);
        trip.acknowledged(5, Nanos(400));
        assert_eq!(trip.last(), Nanos(300));
        trip.sent(7, Nanos(500));
        trip.repeated(7);
        trip.repeated(6);
        trip.acknowledged(7, Nanos(900));
        assert_eq!(trip.last(), Nanos(300));
        trip.sent(8, Nanos(1000));
        trip.acknowledged(8, Nanos(1010));
        assert_eq!(trip.last(), Nanos(10));
        trip.forget();
        assert_eq!(trip, RoundTrip::default());
    }
}
