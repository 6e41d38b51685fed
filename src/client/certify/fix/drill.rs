//! What the session of a FIX client is put through: asked for a sign of life, for everything again,
//! told things twice, and left without its line.

use crate::client::certify::fix::FixCourse;
use crate::model::Nanos;
use crate::wire::fix::frame::{Framing, MESSAGE_MAX, frame};
use crate::wire::fix::session::{Endpoint, MemoryStore, Phase, Reply, SendError, Store};
use crate::wire::fix::value::Precision;
use crate::wire::fix::{Indexer, Message, Writer, tag, value};

/// How long after a wrong answer the same is asked again.
const AGAIN: Nanos = Nanos(1_000_000_000);

/// Where the drill is.
#[derive(Debug, Default)]
pub(super) struct Drill {
    /// The step that was begun.
    begun: &'static str,
    /// When the step is to be begun again.
    again_at: Option<Nanos>,
    /// `repeat`: what was asked for is below this, and this is the next of it.
    asked_below: u64,
    next: u64,
    /// `gap`: the test request behind the lost answer left.
    is_gap_shown: bool,
    /// `line`: what was said while nobody listened.
    missed: Option<u64>,
    /// The line is to be closed by us.
    pub(super) hangs_up: bool,
    /// The end of the session was told of.
    pub(super) is_ended: bool,
}

/// Says something of our own accord.
struct Mouth<'a>(&'a mut Endpoint<MemoryStore>, Nanos);

impl FixCourse {
    /// Begins what is due, and what shows a loss.
    pub(super) fn drill(&mut self, now: Nanos) {
        if self.endpoint.session().phase() != Phase::Up || self.is_closing() {
            return;
        }
        if self.drill.again_at.is_some_and(|at| now >= at) {
            (self.drill.again_at, self.drill.begun) = (None, "");
        }
        let step = self.desk.progress.name();
        if step == "gap" && self.desk.lost.is_some() && !self.drill.is_gap_shown {
            self.drill.is_gap_shown = true;
            self.ask_for_life(step, now);
        }
        if self.drill.begun != step && self.begin(step, now) {
            self.drill.begun = step;
        }
    }

    /// Does what a step begins with; whether that was possible.
    fn begin(&mut self, step: &'static str, now: Nanos) -> bool {
        match step {
            "test request" => self.ask_for_life(step, now),
            "repeat" => self.ask_for_all(now),
            "duplicate" if self.last_report.is_empty() => return false,
            "duplicate" => {
                self.collect();
                if let Some(again) = said_again(&self.last_report, now, self.dictionary()) {
                    self.out.extend_from_slice(&again);
                }
                self.ask_for_life(step, now);
            }
            "line" if self.desk.open_order().is_none() => return false,
            "line" => self.drill.hangs_up = true,
            _ => {}
        }
        true
    }

    fn ask_for_life(&mut self, name: &str, now: Nanos) {
        // What is not on record in memory was never said.
        let _ = self.endpoint.send(b"1", now, &mut |writer| writer.text(tag::TEST_REQ_ID, name));
    }

    fn ask_for_all(&mut self, now: Nanos) {
        self.drill.asked_below = self.endpoint.session().expected();
        self.drill.next = 1;
        let _ = self.endpoint.send(b"2", now, &mut |writer| {
            writer.number(tag::BEGIN_SEQ_NO, 1);
            writer.number(tag::END_SEQ_NO, 0);
        });
    }

    /// The line is down by our own doing: an order is taken away meanwhile.
    pub(super) fn speak_to_nobody(&mut self, now: Nanos) {
        self.drill.missed = self.endpoint.store().numbers().next_out.into();
        let Some(order) = self.desk.open_order() else { return };
        self.endpoint.disconnected(&mut self.desk);
        self.drill.is_ended = true;
        self.desk.take_away(&order, &mut Mouth(&mut self.endpoint, now));
    }

    /// What must be seen before the session has its turn: which number is which message.
    pub(super) fn judge_before(&mut self, message: &Message<'_>) {
        let Some(seq) = message.get(tag::MSG_SEQ_NUM).and_then(value::number) else { return };
        let is_repeat = message.get(tag::POSS_DUP_FLAG) == Some(b"Y");
        if message.kind() == b"A" && message.get(tag::RESET_SEQ_NUM_FLAG) == Some(b"Y") {
            self.sent.clear();
        }
        if !is_repeat && seq >= self.endpoint.session().expected() {
            let id = message.get(tag::CL_ORD_ID).unwrap_or(b"").to_vec();
            self.sent.insert(seq, (message.kind().to_vec(), id));
        }
        if self.desk.progress.name() == "repeat" && self.drill.begun == "repeat" {
            self.repeated(message, seq, is_repeat);
        }
    }

    /// One of those that were asked for again.
    fn repeated(&mut self, message: &Message<'_>, seq: u64, is_repeat: bool) {
        if seq >= self.drill.asked_below || self.drill.next >= self.drill.asked_below {
            return;
        }
        let kind = message.kind();
        let is_gap_fill = kind == b"4";
        if seq != self.drill.next {
            let next = self.drill.next;
            return self.desk.progress.mistake(format!(
                "MsgSeqNum (34) is {seq}, and {next} is the next that was asked for: send again in \
                 order, each once, with a gap fill for what is not sent again"
            ));
        }
        if !is_repeat {
            self.desk.progress.mistake(format!(
                "message {seq} comes again without PossDupFlag (43) Y: it would be taken as new, \
                 or end the session"
            ));
        }
        self.drill.next = if is_gap_fill {
            let next = message.get(tag::NEW_SEQ_NO).and_then(value::number).unwrap_or(0);
            next.max(seq + 1)
        } else {
            seq + 1
        };
        if matches!(kind, b"0" | b"1" | b"2" | b"5" | b"A") {
            let name = self.dictionary().message_name(kind).unwrap_or("it");
            self.desk.progress.mistake(format!(
                "{name} ({}) was sent again: session messages are not; fill the gap (4 with \
                 123=Y)",
                kind.escape_ascii()
            ));
        } else if !is_gap_fill && let Some((was, id)) = self.sent.get(&seq) {
            let now = (kind, message.get(tag::CL_ORD_ID).unwrap_or(b""));
            if (&was[..], &id[..]) != now {
                self.desk.progress.mistake(format!(
                    "message {seq} was `{}` with ClOrdID (11) `{}`, and comes again as `{}` with \
                     `{}`: what a number stands for never changes",
                    was.escape_ascii(),
                    id.escape_ascii(),
                    kind.escape_ascii(),
                    now.1.escape_ascii()
                ));
            }
        }
        if self.drill.next >= self.drill.asked_below {
            self.desk.progress.done("repeat");
        }
    }

    /// Judges a session message by the step it comes in, after the session had its turn.
    pub(super) fn judge(&mut self, message: &Message<'_>, now: Nanos) {
        let (step, kind) = (self.desk.progress.name(), message.kind());
        let echoed = message.get(tag::TEST_REQ_ID);
        match (step, kind) {
            ("heartbeat", b"0") if echoed.is_none() => {
                self.desk.progress.done("heartbeat");
            }
            ("test request", b"0") => self.alive(step, echoed, now),
            ("duplicate", b"0") if self.drill.begun == step => self.alive(step, echoed, now),
            ("duplicate", b"2") => self.desk.progress.mistake(
                "you ask again (2) though nothing is missing: a message with PossDupFlag (43) Y \
                 and an old number is passed over",
            ),
            ("gap", b"0") if echoed == Some(b"gap") && self.desk.lost.is_some() => {
                let lost = self.desk.lost.unwrap_or(0);
                self.desk.progress.mistake(format!(
                    "the test request behind our message {lost} is answered, and {lost} was not \
                     asked for: what comes with a number too high is held until a ResendRequest \
                     (2) has brought what is missing"
                ));
            }
            ("gap", b"2") if self.desk.lost.is_some_and(|lost| asks_for(message, lost)) => {
                (self.desk.lost, self.drill.is_gap_shown) = (None, false);
                self.desk.progress.done("gap");
            }
            ("line", b"A") => self.logged_on_again(message),
            ("line", b"2") if self.drill.missed.is_some_and(|missed| asks_for(message, missed)) => {
                self.desk.progress.done("line");
            }
            ("logout", b"5") => {
                self.desk.progress.done("logout");
            }
            _ => {}
        }
    }

    /// The answer to a test request that names its step.
    fn alive(&mut self, step: &'static str, echoed: Option<&[u8]>, now: Nanos) {
        match echoed {
            Some(id) if id == step.as_bytes() => {
                self.desk.progress.done(step);
            }
            Some(b"TEST") | None if step == "duplicate" => {}
            // A heartbeat that was due anyway says nothing of the question.
            None if self.drill.again_at.is_some() => {}
            said => {
                let said = said.unwrap_or(b"").escape_ascii();
                self.desk.progress.mistake(format!(
                    "TestReqID (112) of a Heartbeat (0) is `{said}`: it echoes the one that was \
                     asked with, `{step}`"
                ));
                self.drill.again_at = Some(Nanos(now.0 + AGAIN.0));
            }
        }
    }

    fn logged_on_again(&mut self, message: &Message<'_>) {
        let Some(missed) = self.drill.missed else { return };
        if message.get(tag::RESET_SEQ_NUM_FLAG) == Some(b"Y") {
            (self.drill.missed, self.drill.begun) = (None, "");
            return self.desk.progress.mistake(
                "ResetSeqNumFlag (141) is Y: what was said while the line was down is lost by \
                 that. Log on under your next number, have an order open, and the line breaks \
                 again",
            );
        }
        let next = message.get(tag::NEXT_EXPECTED_MSG_SEQ_NUM).and_then(value::number);
        if next.is_some_and(|next| next <= missed) && self.is_up {
            self.desk.progress.done("line");
        }
    }
}

impl Reply for Mouth<'_> {
    fn send(
        &mut self,
        kind: &[u8],
        fill: &mut dyn FnMut(&mut Writer<'_>),
    ) -> Result<u64, SendError> {
        self.0.send(kind, self.1, fill)
    }
}

/// Whether a resend request asks for a number.
fn asks_for(message: &Message<'_>, number: u64) -> bool {
    let read = |tag| message.get(tag).and_then(value::number);
    let (from, to) = (read(tag::BEGIN_SEQ_NO), read(tag::END_SEQ_NO));
    from.is_some_and(|from| from <= number) && to.is_some_and(|to| to == 0 || to >= number)
}

/// A message as it is sent again: marked, with the time of its first sending.
fn said_again(
    bytes: &[u8],
    now: Nanos,
    dictionary: &crate::wire::fix::Dictionary,
) -> Option<Vec<u8>> {
    let Framing::Whole(framed) = frame(bytes) else { return None };
    let mut indexer = Indexer::new();
    let message = indexer.read(bytes, &framed, dictionary).ok()?;
    let mut room = vec![0; MESSAGE_MAX];
    let mut writer = Writer::new(&mut room);
    for (tag, value) in message.fields() {
        match tag {
            tag::BEGIN_STRING | tag::BODY_LENGTH | tag::CHECK_SUM => {}
            tag::POSS_DUP_FLAG | tag::ORIG_SENDING_TIME => {}
            tag::SENDING_TIME => {
                writer.flag(tag::POSS_DUP_FLAG, true);
                writer.time(tag::SENDING_TIME, now, Precision::Millis);
                writer.bytes(tag::ORIG_SENDING_TIME, value);
            }
            _ => writer.bytes(tag, value),
        }
    }
    let begin = std::str::from_utf8(message.begin_string()).ok()?;
    let range = writer.seal(begin)?;
    room.get(range).map(<[u8]>::to_vec)
}
