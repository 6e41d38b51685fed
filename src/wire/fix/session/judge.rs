//! A message on a line: is it ours, is it its turn, is it good, and what follows.

use crate::model::Nanos;
use crate::wire::fix::message::Message;
use crate::wire::fix::reject::{RefTag, Refusal, SessionReject};
use crate::wire::fix::session::header::Header;
use crate::wire::fix::session::{
    Admin, Asked, Call, Ending, Origin, Output, Phase, Reject, Role, SECOND, Turn,
};
use crate::wire::fix::{tag, value};

/// How long what was asked for may take before it is asked for again.
const ASK_AGAIN: Nanos = Nanos(30 * SECOND);

impl Turn<'_> {
    /// Judges a message that just came.
    #[inline]
    pub(super) fn judge(&mut self, message: &Message<'_>, call: &mut Call<'_, '_>) {
        self.state.heard_at = call.now;
        self.state.test_pending = false;
        let header = Header::of(message, &self.config.dictionary);
        if self.state.phase == Phase::LoggingOn {
            return self.first(message, &header, call);
        }
        if let Err(ending) = self.check_address(message, &header, call) {
            return self.end(ending, call);
        }
        let Some(seq) = header.seq else { return self.end(Ending::NoNumber, call) };
        match message.kind() {
            b"A" if message.get(tag::RESET_SEQ_NUM_FLAG) == Some(b"Y") => {
                return self.logon(message, &header, call);
            }
            b"5" if !(header.possible_duplicate && seq < self.state.expected) => {
                return self.logged_out(seq, call);
            }
            b"4" if message.get(tag::GAP_FILL_FLAG) != Some(b"Y") => {
                return self.reset_to(message, seq, call);
            }
            b"2" if seq != self.state.expected && !header.possible_duplicate => {
                return self.asked_out_of_turn(message, seq, call);
            }
            _ => {}
        }
        if seq > self.state.expected {
            self.too_early(message, seq, false, call);
        } else if seq < self.state.expected {
            self.too_late(message, &header, seq, call);
        } else {
            self.in_turn(message, &header, seq, call);
        }
    }

    /// Gives a message that was held its turn; what was answered before only counts.
    pub(super) fn take(&mut self, message: &Message<'_>, answered: bool, call: &mut Call<'_, '_>) {
        let header = Header::of(message, &self.config.dictionary);
        match header.seq {
            Some(seq) if seq == self.state.expected && !answered => {
                self.in_turn(message, &header, seq, call);
            }
            _ => self.expect(self.state.expected + 1, call),
        }
    }

    #[inline]
    pub(super) fn expect(&mut self, next: u64, call: &mut Call<'_, '_>) {
        self.state.expected = next;
        call.put(Output::Expect(next));
    }

    fn refuse(&self, message: &Message<'_>, seq: u64, refusal: Refusal, call: &mut Call<'_, '_>) {
        call.put(Output::Say(Admin::Reject(Reject { message, seq, refusal })));
    }

    /// Says goodbye and why, and waits for the answer.
    fn end(&mut self, ending: Ending, call: &mut Call<'_, '_>) {
        if self.state.phase != Phase::LoggingOut {
            call.put(Output::Say(Admin::Logout(ending)));
            let state = &mut *self.state;
            (state.phase, state.since, state.ending) = (Phase::LoggingOut, call.now, ending);
        }
    }

    /// Ends at once, having said why.
    pub(super) fn end_now(&mut self, ending: Ending, call: &mut Call<'_, '_>) {
        call.put(Output::Say(Admin::Logout(ending)));
        self.drop_line(ending, call);
    }

    /// Ends at once, without a word.
    pub(super) fn drop_line(&mut self, ending: Ending, call: &mut Call<'_, '_>) {
        (self.state.phase, self.state.ending) = (Phase::Down, ending);
        call.put(Output::Close(ending));
    }

    /// Version, names and clock must be the session's; what is absent is refused in its turn.
    #[inline]
    fn check_address(
        &mut self,
        message: &Message<'_>,
        header: &Header<'_>,
        call: &mut Call<'_, '_>,
    ) -> Result<(), Ending> {
        let identity = &self.config.identity;
        if message.begin_string() != identity.version.begin_string().as_bytes() {
            return Err(Ending::BeginString);
        }
        let is = |found: &[u8], name: &str| found.is_empty() || found == name.as_bytes();
        let reason = if !is(header.sender, &identity.target) || !is(header.target, &identity.sender)
        {
            Ending::CompId
        } else if header.sending_time.is_some_and(|sent| !self.is_near(sent, call.now)) {
            Ending::SendingTime
        } else {
            return Ok(());
        };
        if let Some(seq) = header.seq {
            let refusal = Refusal::whole(match reason {
                Ending::CompId => SessionReject::CompId,
                _ => SessionReject::SendingTimeAccuracy,
            });
            self.refuse(message, seq, refusal, call);
            if seq == self.state.expected {
                self.expect(seq + 1, call);
            }
        }
        Err(reason)
    }

    pub(super) fn is_near(&self, sent: Nanos, now: Nanos) -> bool {
        sent.0.abs_diff(now.0) <= self.config.clock_tolerance.0
    }

    /// Holds a message and asks for those before it, unless that was asked already.
    #[cold]
    fn too_early(
        &mut self,
        message: &Message<'_>,
        seq: u64,
        answered: bool,
        call: &mut Call<'_, '_>,
    ) {
        self.held.keep(seq, message.bytes(), answered);
        let again = |asked: &Asked| call.now.saturating_sub(asked.at) > ASK_AGAIN;
        let asked = &mut self.state.asked;
        if asked.as_ref().is_none_or(again) {
            *asked = Some(Asked { until: seq, known: seq, at: call.now });
            call.put(Output::Say(Admin::ResendRequest(self.state.expected)));
        } else if let Some(asked) = asked {
            asked.known = asked.known.max(seq);
        }
    }

    /// A number that was before: passed over if it is marked as a repeat, else the end.
    #[cold]
    fn too_late(
        &mut self,
        message: &Message<'_>,
        header: &Header<'_>,
        seq: u64,
        call: &mut Call<'_, '_>,
    ) {
        if !header.possible_duplicate {
            let expected = self.state.expected;
            return self.end_now(Ending::TooLow { expected, received: seq }, call);
        }
        // A sequence reset is a repeat that needs no time of its first sending.
        if header.original_time.is_none() && message.kind() != b"4" {
            let missing = Refusal::of(SessionReject::RequiredTagMissing, tag::ORIG_SENDING_TIME);
            return self.refuse(message, seq, missing, call);
        }
        if !is_older(header) {
            let inaccurate = Refusal::whole(SessionReject::SendingTimeAccuracy);
            self.refuse(message, seq, inaccurate, call);
            self.end(Ending::SendingTime, call);
        }
    }

    /// A message in its turn: checked against the dictionary, then done.
    #[inline]
    fn in_turn(
        &mut self,
        message: &Message<'_>,
        header: &Header<'_>,
        seq: u64,
        call: &mut Call<'_, '_>,
    ) {
        if let Err(refusal) = self.verdict {
            self.refuse(message, seq, refusal, call);
            return self.expect(seq + 1, call);
        }
        if header.possible_duplicate && !is_older(header) {
            let inaccurate = Refusal::whole(SessionReject::SendingTimeAccuracy);
            self.refuse(message, seq, inaccurate, call);
            self.expect(seq + 1, call);
            return self.end(Ending::SendingTime, call);
        }
        match message.kind() {
            b"0" | b"A" | b"5" => {}
            // Who sends orders must know which of them was refused as a message.
            b"3" if self.config.role == Role::Acceptor => {}
            b"1" => {
                let id = message.get(tag::TEST_REQ_ID).unwrap_or(b"");
                call.put(Output::Say(Admin::Heartbeat(id)));
            }
            b"2" => self.resend(message, call),
            b"4" => return self.gap_filled(message, seq, call),
            _ => {
                let origin = Origin {
                    seq,
                    possible_duplicate: header.possible_duplicate,
                    possible_resend: header.possible_resend,
                    sending_time: header.sending_time.unwrap_or_default(),
                };
                call.put(Output::Deliver(message, origin));
            }
        }
        self.expect(seq + 1, call);
    }

    /// What the peer lacks is sent again at once, whatever else is missing.
    #[cold]
    fn asked_out_of_turn(&mut self, message: &Message<'_>, seq: u64, call: &mut Call<'_, '_>) {
        match self.verdict {
            Ok(()) => self.resend(message, call),
            Err(refusal) => self.refuse(message, seq, refusal, call),
        }
        if seq > self.state.expected {
            self.too_early(message, seq, true, call);
        }
    }

    fn resend(&mut self, message: &Message<'_>, call: &mut Call<'_, '_>) {
        let number = |tag| message.get(tag).and_then(value::number);
        let from = number(tag::BEGIN_SEQ_NO).unwrap_or(1).max(1);
        let last = call.out.next.saturating_sub(1);
        // 0 means everything; so did a number full of nines, once.
        let until = match number(tag::END_SEQ_NO) {
            Some(0) | None => last,
            Some(until) => until.min(last),
        };
        if from <= until {
            call.put(Output::Resend(from, until));
        }
    }

    fn gap_filled(&mut self, message: &Message<'_>, seq: u64, call: &mut Call<'_, '_>) {
        match message.get(tag::NEW_SEQ_NO).and_then(value::number) {
            Some(next) if next > seq => self.expect(next, call),
            _ => {
                let refusal = Refusal::of(SessionReject::ValueIncorrect, tag::NEW_SEQ_NO);
                self.refuse(message, seq, refusal, call);
                self.expect(seq + 1, call);
            }
        }
    }

    /// The peer gives up what it sent before: its own number does not matter, forward only.
    #[cold]
    fn reset_to(&mut self, message: &Message<'_>, seq: u64, call: &mut Call<'_, '_>) {
        if let Err(refusal) = self.verdict {
            self.refuse(message, seq, refusal, call);
            if seq == self.state.expected {
                self.expect(seq + 1, call);
            }
            return;
        }
        match message.get(tag::NEW_SEQ_NO).and_then(value::number) {
            Some(next) if next >= self.state.expected => self.expect(next, call),
            _ => {
                let refusal = Refusal { reason: SessionReject::ValueIncorrect, tag: RefTag::None };
                self.refuse(message, seq, refusal, call);
            }
        }
    }

    /// The peer leaves, or answers that we do.
    #[cold]
    fn logged_out(&mut self, seq: u64, call: &mut Call<'_, '_>) {
        if seq == self.state.expected {
            self.expect(seq + 1, call);
        }
        if self.state.phase == Phase::LoggingOut {
            let ending = self.state.ending;
            return self.drop_line(ending, call);
        }
        self.end_now(Ending::LoggedOut, call);
    }
}

/// Whether a repeat says it was first sent before it was sent again.
fn is_older(header: &Header<'_>) -> bool {
    match (header.original_time, header.sending_time) {
        (Some(Some(original)), Some(sent)) => original <= sent,
        _ => true,
    }
}
