//! Two lines that say the same, made one: the first copy of each message wins, order is kept, and
//! what neither line brought is asked for. Nothing is shown twice, whatever the lines do.
//!
//! What comes ahead of a gap is held, in bounded room, so that a request asks for the gap alone.

mod known;

use crate::feed::quality::LineQuality;
use crate::model::Nanos;
use crate::wire::itch::Message;
use crate::wire::moldudp64::Request;
use crate::wire::session::{Packet, Token};
use known::Known;

/// Lines of a feed, at most.
pub const LINES_MAX: usize = 2;

/// How a feed is arbitrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArbiterOptions {
    /// Lines there are.
    pub lines: usize,
    /// Messages held ahead of a gap, at most (rounded up to a power of two).
    pub window: usize,
    /// How long the other line may take to bring what one lacks, before it is asked for.
    pub hold: Nanos,
    /// How long an answer may take before it is asked for again.
    pub patience: Nanos,
    /// Requests without progress before a snapshot is taken instead.
    pub tries_max: u32,
    /// A gap of more messages is closed by a snapshot, where one is to be had.
    pub request_max: u64,
    /// Silence after which a line counts as lost.
    pub silence: Nanos,
}

impl Default for ArbiterOptions {
    fn default() -> Self {
        Self {
            lines: 2,
            window: 1 << 14,
            hold: Nanos(500_000),
            patience: Nanos(20_000_000),
            tries_max: 20,
            request_max: 1 << 16,
            silence: Nanos(3_000_000_000),
        }
    }
}

/// What an arbiter wants of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Send this.
    Request(Request),
    /// Take a snapshot: the gap is too long, or nobody answers.
    Snapshot,
}

/// A message that came ahead of its turn; number 0 is none.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Held {
    number: u64,
    length: u8,
    bytes: [u8; 55],
}
const _: () = assert!(Message::LENGTH_MAX <= 55);

/// Messages asked for at once: what one packet of short messages holds.
const ASK_MAX: u64 = 64;

/// A number further ahead than this, or one that begins the same session anew, is believed when a
/// second packet this near says so too.
const JUMP_MAX: u64 = 1 << 20;

/// The arbiter of a feed's lines.
#[derive(Clone, Debug)]
pub struct Arbiter {
    options: ArbiterOptions,
    session: Option<Token>,
    expected: u64,
    /// The first number beyond all that is known to be.
    known: u64,
    held: Box<[Held]>,
    /// What was known to be when.
    back_then: Known,
    /// When a line brought something last that does not end before what is known.
    current_at: Option<Nanos>,
    /// How each line does.
    pub lines: [LineQuality; LINES_MAX],
    gap_since: Option<Nanos>,
    asked_at: Option<Nanos>,
    /// What was asked for last, answered or not; 0 is nothing.
    asked: u64,
    tries: u32,
    /// The end of the gap that was asked for, until all before it was shown.
    gap_end: Option<u64>,
    doubted: Option<u64>,
    has_ended: bool,
    /// Nothing is shown until a snapshot says where to go on.
    is_waiting: bool,
    /// Gaps that neither line closed in time.
    pub gaps: u64,
    /// Of them, those that are closed, by an answer, a line or a snapshot.
    pub closed: u64,
    /// Messages shown that came as answers to requests.
    pub recovered: u64,
    /// Requests made.
    pub requests: u64,
    /// Sessions that began anew.
    pub restarts: u64,
    /// Packets whose number was not believed: too far ahead, or long known.
    pub jumps: u64,
}

impl Arbiter {
    /// Expects message 1 of the first session heard.
    pub fn new(options: ArbiterOptions) -> Self {
        let empty = Held { number: 0, length: 0, bytes: [0; 55] };
        Self {
            held: vec![empty; options.window.next_power_of_two()].into(),
            options,
            session: None,
            expected: 1,
            known: 1,
            back_then: Known::every(Nanos(options.patience.0 / Known::MARKS as u64)),
            current_at: None,
            lines: [LineQuality::default(); LINES_MAX],
            gap_since: None,
            asked_at: None,
            asked: 0,
            tries: 0,
            gap_end: None,
            doubted: None,
            has_ended: false,
            is_waiting: false,
            gaps: 0,
            closed: 0,
            recovered: 0,
            requests: 0,
            restarts: 0,
            jumps: 0,
        }
    }

    /// The message expected next.
    #[inline]
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// The session heard.
    pub fn session(&self) -> Option<Token> {
        self.session
    }

    /// Messages from the one expected to the last one known of.
    #[inline]
    pub fn missing(&self) -> u64 {
        self.known.saturating_sub(self.expected)
    }

    /// Whether a number may be the next one: it is not far beyond what is known.
    pub fn believes(&self, next: u64) -> bool {
        next.saturating_sub(self.known) <= JUMP_MAX
    }

    /// Whether a packet goes on where what was shown ends: it will be shown when it is received.
    #[inline]
    pub fn lacks(&self, packet: &Packet<'_>) -> bool {
        let after = packet.seq().saturating_add(packet.block_count().into());
        packet.seq() <= self.expected && after > self.expected
    }

    /// Whether the session has ended and nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.has_ended && self.missing() == 0
    }

    /// Whether some line was heard lately.
    pub fn is_heard(&self, now: Nanos) -> bool {
        self.lines.iter().any(|line| line.is_heard(now, self.options.silence))
    }

    /// Whether all that was known to be `patience` ago has been shown, and a line brings what is
    /// new. That something is missing for a short while, again and again, is sound; to be behind
    /// is not, however many answers come.
    pub fn is_sound(&self, now: Nanos) -> bool {
        let due = self.back_then.by(now.saturating_sub(self.options.patience));
        !self.is_waiting && self.is_current(now) && due.is_none_or(|due| self.expected >= due)
    }

    /// Whether a line brought something lately that is not of the past.
    fn is_current(&self, now: Nanos) -> bool {
        self.current_at.is_some_and(|at| now.saturating_sub(at) <= self.options.silence)
    }

    /// Takes a packet off a line, or (`None`) an answer to a request, and shows each message that
    /// is next with its number.
    pub fn receive(
        &mut self,
        line: Option<usize>,
        packet: &Packet<'_>,
        now: Nanos,
        mut each: impl FnMut(u64, &[u8]),
    ) {
        let (first, count) = (packet.seq(), u64::from(packet.block_count()));
        if !self.admit(line, packet, now) {
            return;
        }
        let after = first.saturating_add(count);
        let is_new = after > self.expected && count > 0;
        if let Some(quality) = line.and_then(|line| self.lines.get_mut(line)) {
            quality.take(first, count, is_new, now);
        }
        self.notice_skew(line, first, count, is_new, now);
        if line.is_some() && after >= self.known {
            self.current_at = Some(now);
        }
        self.known = self.known.max(after);
        self.has_ended |= packet.is_end();
        if is_new {
            if first <= self.expected && !self.is_waiting {
                let skip = (self.expected - first) as usize;
                for block in packet.blocks().skip(skip) {
                    self.recovered += u64::from(line.is_none());
                    each(self.expected, block);
                    self.expected += 1;
                }
                self.show_held(&mut each);
                self.progressed();
            } else {
                self.hold(first, packet);
            }
        }
        self.mark_gap(now);
    }

    /// Whether a packet begins another session, which the one there was gives way to: that has
    /// ended, or no line has brought anything of it for long. So does one that counts again under
    /// the name there was, when a second packet says so. What was built is void then.
    pub fn begins_anew(&self, line: Option<usize>, packet: &Packet<'_>, now: Nanos) -> bool {
        let Some(session) = self.session.filter(|_| line.is_some()) else { return false };
        if session == packet.session() {
            return self.is_of_the_past(packet, now) && self.is_said_again(packet.seq());
        }
        self.is_complete() || !self.is_heard(now)
    }

    /// Whether a packet ends before what is known, and nothing else has come for long.
    fn is_of_the_past(&self, packet: &Packet<'_>, now: Nanos) -> bool {
        let after = packet.seq().saturating_add(packet.block_count().into());
        after < self.known && !self.is_current(now)
    }

    /// Whether a packet of about this number came before, and was not believed.
    fn is_said_again(&self, number: u64) -> bool {
        self.doubted.is_some_and(|doubted| number.abs_diff(doubted) <= JUMP_MAX)
    }

    /// Whether a packet is of this session, or of one that takes its place.
    fn admit(&mut self, line: Option<usize>, packet: &Packet<'_>, now: Nanos) -> bool {
        let begins_anew = self.begins_anew(line, packet, now);
        match self.session {
            Some(session) if session == packet.session() && !begins_anew => {}
            Some(_) if !begins_anew => {
                self.foreign(line);
                return false;
            }
            Some(_) => {
                self.begin(packet.session());
                self.restarts += 1;
            }
            None if line.is_some() => self.session = Some(packet.session()),
            None => return false,
        }
        let first = packet.seq();
        let is_far = self.known > 1 && first.saturating_sub(self.known) > JUMP_MAX;
        let is_past = line.is_some() && self.is_of_the_past(packet, now);
        if (is_far && !self.is_said_again(first)) || is_past {
            self.doubted = Some(first);
            self.jumps += 1;
            return false;
        }
        self.doubted = None;
        true
    }

    fn foreign(&mut self, line: Option<usize>) {
        if let Some(quality) = line.and_then(|line| self.lines.get_mut(line)) {
            quality.foreign += 1;
        }
    }

    /// Counts a packet that was broken.
    pub fn malformed(&mut self, line: Option<usize>) {
        if let Some(quality) = line.and_then(|line| self.lines.get_mut(line)) {
            quality.malformed += 1;
        }
    }

    fn begin(&mut self, session: Token) {
        self.session = Some(session);
        (self.expected, self.known) = (1, 1);
        self.held.iter_mut().for_each(|held| held.number = 0);
        (self.gap_since, self.asked_at, self.tries, self.asked) = (None, None, 0, 0);
        (self.has_ended, self.is_waiting, self.doubted) = (false, false, None);
        self.gap_end = None;
        self.back_then.clear();
        self.lines.iter_mut().for_each(LineQuality::begin);
    }

    /// How long the slower line takes to bring what the faster one brought.
    fn notice_skew(
        &mut self,
        line: Option<usize>,
        first: u64,
        count: u64,
        is_new: bool,
        now: Nanos,
    ) {
        let Some(line) = line.filter(|_| count > 0 && self.options.lines > 1) else { return };
        let other = 1 - line.min(1);
        if is_new {
            self.lines[line.min(1)].mark(first, now);
        } else if let Some(at) = self.lines[other].marked(first) {
            self.lines[line.min(1)].behind(now.saturating_sub(at));
        }
    }

    #[inline]
    fn slot(&mut self, number: u64) -> &mut Held {
        let mask = self.held.len() - 1;
        &mut self.held[number as usize & mask]
    }

    /// Keeps what came ahead of a gap: the nearest, while the gap can be closed; the newest, while
    /// a snapshot is on its way. The rest is asked for later.
    fn hold(&mut self, first: u64, packet: &Packet<'_>) {
        let (expected, is_waiting) = (self.expected, self.is_waiting);
        for (number, block) in (first..).zip(packet.blocks()) {
            let held = self.slot(number);
            let is_wanted = match is_waiting {
                true => number > held.number,
                false => held.number < expected || number < held.number,
            };
            if number < expected || !is_wanted || block.len() > held.bytes.len() {
                continue;
            }
            held.number = number;
            held.length = block.len() as u8;
            held.bytes[..block.len()].copy_from_slice(block);
        }
    }

    fn show_held(&mut self, each: &mut impl FnMut(u64, &[u8])) {
        while self.expected < self.known {
            let expected = self.expected;
            let held = *self.slot(expected);
            if held.number != expected {
                return;
            }
            each(expected, held.bytes.get(..held.length as usize).unwrap_or_default());
            self.expected += 1;
        }
    }

    /// What is still missing may be asked for at once.
    fn progressed(&mut self) {
        (self.gap_since, self.asked_at, self.tries) = (None, None, 0);
        if self.gap_end.is_some_and(|end| self.expected >= end) {
            self.gap_end = None;
            self.closed += 1;
        }
    }

    fn mark_gap(&mut self, now: Nanos) {
        if self.missing() == 0 {
            self.gap_since = None;
            return;
        }
        self.back_then.note(self.known, now);
        self.gap_since.get_or_insert(now);
    }

    /// What is needed now, if something has been missing for long enough.
    pub fn need(&mut self, now: Nanos) -> Option<Need> {
        let since = self.gap_since?;
        if self.is_waiting {
            return Some(Need::Snapshot);
        }
        let has_waited = now.saturating_sub(since) >= self.options.hold;
        let is_asked =
            self.asked_at.is_some_and(|at| now.saturating_sub(at) < self.options.patience);
        if !has_waited || is_asked {
            return None;
        }
        if self.gap_end.is_none() {
            self.gap_end = Some(self.known);
            self.gaps += 1;
        }
        if self.tries >= self.options.tries_max || self.missing() > self.options.request_max {
            self.is_waiting = true;
            return Some(Need::Snapshot);
        }
        let count = self.gap_length().min(ASK_MAX) as u16;
        (self.asked_at, self.tries) = (Some(now), self.tries + 1);
        self.asked = self.expected;
        self.requests += 1;
        let session = self.session?;
        let (sequence_number, requested_message_count) = (self.expected, count);
        Some(Need::Request(Request { session, sequence_number, requested_message_count }))
    }

    /// Whether this is the number that was asked for last: an answer begins with it.
    #[inline]
    pub fn has_asked(&self, number: u64) -> bool {
        self.asked > 0 && self.asked == number
    }

    /// Messages from the one expected to the first one held.
    fn gap_length(&mut self) -> u64 {
        let (expected, known) = (self.expected, self.known);
        let most = (known - expected).min(ASK_MAX);
        (0..most)
            .find(|ahead| self.slot(expected + ahead).number == expected + ahead)
            .unwrap_or(most)
    }

    /// Gives up what is missing, as far as something is held: goes on there, and tells which
    /// numbers were passed over. For who reads what is over, and nobody sends it again.
    pub fn pass_over(
        &mut self,
        now: Nanos,
        each: impl FnMut(u64, &[u8]),
    ) -> Option<std::ops::Range<u64>> {
        let (from, known) = (self.expected, self.known);
        if from == known {
            return None;
        }
        let is_there = |held: &&Held| (from..known).contains(&held.number);
        let next = self.held.iter().filter(is_there).map(|held| held.number).min();
        let next = next.unwrap_or(known);
        self.resume(next, now, each);
        Some(from..next)
    }

    /// Waits for a snapshot, whatever is missing: what was built cannot be trusted.
    pub fn distrust(&mut self, now: Nanos) {
        self.is_waiting = true;
        self.gap_since.get_or_insert(now);
    }

    /// A snapshot has all before `next`: goes on from there, and shows what is held since.
    pub fn resume(&mut self, next: u64, now: Nanos, mut each: impl FnMut(u64, &[u8])) {
        self.is_waiting = false;
        self.expected = next.max(1);
        self.known = self.known.max(self.expected);
        self.show_held(&mut each);
        self.progressed();
        self.mark_gap(now);
    }
}

#[cfg(test)]
mod tests;
