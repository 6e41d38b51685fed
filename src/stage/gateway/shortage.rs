//! What a session may put on record while the journal is short of room: orders are refused in
//! runs, one record for each run, and all else passes at a pace that makes the room last.
//!
//! A session's messages take effect in their order, so an order in front of a cancel is not made
//! to wait: it is refused, for good, and the cancel has its turn.

use crate::model::{CommandKind, Nanos, RejectCode, Request, SessionId};
use crate::wire::ouch::{EnterOrder, ReplaceOrderRequest};

/// How long refused orders are gathered, and how often the allowance is renewed.
const SPAN: Nanos = Nanos(100_000_000);

/// Records a session may make in a span.
const RECORDS_PER_SPAN: u32 = 32;

/// Messages refused and not on record yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    from: u64,
    count: u32,
    since: Nanos,
    reason: RejectCode,
}

/// One session's state while room is short.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shortage {
    run: Option<Run>,
    span_began: Nanos,
    records: u32,
}

/// Whether a message asks for an order to enter.
#[inline]
pub(super) fn asks_for_entry(message: &[u8]) -> bool {
    matches!(message.first(), Some(&EnterOrder::TYPE | &ReplaceOrderRequest::TYPE))
}

impl Shortage {
    /// Records the session may still make in the span of `now`.
    pub(super) fn allowance(&mut self, now: Nanos) -> usize {
        if now.saturating_sub(self.span_began) >= SPAN {
            (self.span_began, self.records) = (now, 0);
        }
        RECORDS_PER_SPAN.saturating_sub(self.records) as usize
    }

    /// Counts a record against the allowance.
    pub(super) fn spend(&mut self) {
        self.records = self.records.saturating_add(1);
    }

    /// Refuses the client's next message.
    pub(super) fn refuse(&mut self, seq: u64, now: Nanos, reason: RejectCode) {
        let run = self.run.get_or_insert(Run { from: seq, count: 0, since: now, reason });
        debug_assert_eq!(run.from + run.count as u64, seq, "what comes between ends the run");
        run.count += 1;
    }

    /// Whether messages were refused that are not on record yet.
    #[inline]
    pub(super) fn has_run(&self) -> bool {
        self.run.is_some()
    }

    /// Whether a run has been gathered for long enough, or nothing is refused any more.
    pub(super) fn is_due(&self, now: Nanos, is_short: bool) -> bool {
        self.run.is_some_and(|run| !is_short || now.saturating_sub(run.since) >= SPAN)
    }

    /// What puts the run on record; none may be open in front of any other message.
    pub(super) fn end_run(&mut self, session: SessionId, now: Nanos) -> Option<Request> {
        let run = self.run.take()?;
        self.spend();
        let mut request = Request::new(CommandKind::NotApplied, now);
        request.0.session = session;
        request.0.client_seq = run.from.min(u32::MAX as u64) as u32;
        request.0.quantity.0 = run.count;
        request.0.verdict = run.reason.code();
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_one_record_with_its_reason() {
        let mut shortage = Shortage::default();
        (7..12).for_each(|seq| shortage.refuse(seq, Nanos(5 + seq), RejectCode::JournalFull));
        assert!(!shortage.is_due(Nanos(SPAN.0 + 11), true));
        assert!(shortage.is_due(Nanos(SPAN.0 + 12), true) && shortage.is_due(Nanos(12), false));
        let request = shortage.end_run(SessionId(3), Nanos(40)).expect("a run is open");
        assert_eq!((request.0.client_seq, request.0.quantity.0), (7, 5));
        assert_eq!(request.0.refused(), Some(RejectCode::JournalFull));
        assert_eq!(shortage.end_run(SessionId(3), Nanos(41)), None);
    }

    #[test]
    fn the_allowance_comes_back_with_the_next_span() {
        let mut shortage = Shortage::default();
        let begin = Nanos(SPAN.0 * 5);
        assert_eq!(shortage.allowance(begin), RECORDS_PER_SPAN as usize);
        (0..40).for_each(|_| shortage.spend());
        assert_eq!(shortage.allowance(Nanos(begin.0 + SPAN.0 - 1)), 0);
        assert_eq!(shortage.allowance(Nanos(begin.0 + SPAN.0)), RECORDS_PER_SPAN as usize);
    }

    #[test]
    fn cancels_are_no_entries() {
        assert!(asks_for_entry(b"O...") && asks_for_entry(b"U..."));
        assert!(!asks_for_entry(b"X...") && !asks_for_entry(b"C...") && !asks_for_entry(b""));
    }
}
