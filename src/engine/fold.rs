//! `events = fold(engine, commands)`: risk and matching as one function, for replay, recovery and
//! every test that asks whether another arrangement of the stages gives the same events.

use crate::engine::risk::{Feedback, Readiness, RiskGate};
use crate::engine::rules::put_aside;
use crate::engine::{Matcher, Shards};
use crate::model::{Command, Event, Fault, Group, Line, LineKind, Nanos, SeqNo};
use crate::snapshot::{Bad, Part, Source};

/// The deterministic core in one thread. Its parts go on as stages.
#[derive(Debug)]
pub struct Fold<M: Matcher> {
    /// The risk gate.
    pub gate: RiskGate,
    /// Events on their way back to it.
    pub feedback: Feedback,
    /// The books.
    pub matcher: M,
    /// The last command's place.
    pub seq: SeqNo,
    /// The last command's time.
    pub timestamp: Nanos,
}

/// All but the books, which are a part of their own: both can be read at once.
impl Fold<Shards> {
    /// Appends risk, and where it stands.
    pub fn write_risk(&self, to: &mut Vec<u8>) {
        let Self { gate, feedback, matcher: _, seq, timestamp } = self;
        gate.write(to);
        feedback.write(to);
        seq.write(to);
        timestamp.write(to);
    }

    /// What risk is read by, and what the books are.
    pub fn split(
        &mut self,
    ) -> (impl FnOnce(&mut Source<'_>) -> Result<(), Bad> + Send, &mut Shards) {
        let Self { gate, feedback, matcher, seq, timestamp } = self;
        let read = move |from: &mut Source<'_>| {
            gate.read(from).map_err(|bad| bad.at("gate"))?;
            feedback.read(from).map_err(|bad| bad.at("feedback"))?;
            seq.read(from)?;
            timestamp.read(from)
        };
        (read, matcher)
    }
}

impl<M: Matcher> Fold<M> {
    /// Before the first command.
    pub fn new(gate: RiskGate, feedback: Feedback, matcher: M) -> Self {
        Self { gate, feedback, matcher, seq: SeqNo::ZERO, timestamp: Nanos::ZERO }
    }

    /// Takes the next command and shows its events.
    ///
    /// # Errors
    /// [`Fault::SequenceGap`] where the command does not follow the last one, and what the parts
    /// return.
    pub fn apply(
        &mut self,
        command: &Group<Command>,
        each: &mut dyn FnMut(&Event),
    ) -> Result<(), Fault> {
        self.apply_parts(&command.head, command.rest(), each)
    }

    /// Takes the next command, given as its head and the further lines the head counts.
    ///
    /// # Errors
    /// As [`Fold::apply`].
    pub fn apply_parts(
        &mut self,
        head: &Command,
        rest: &[Line],
        each: &mut dyn FnMut(&Event),
    ) -> Result<(), Fault> {
        self.begin(head)?;
        let mut head = *head;
        self.gate.check(&mut head);
        self.feedback.passed(&head);
        // Strings stay behind, as on the road from risk to matching.
        let is_kept = |line: &Line| matches!(line.kind(), Some(LineKind::Terms | LineKind::Trade));
        let rest = if rest.iter().any(is_kept) { rest } else { &[] };
        head.lines = 1 + rest.len() as u8;
        self.matcher.submit_parts(&head, rest).map_err(|_| Fault::LimitBroken)?;
        let feedback = &mut self.feedback;
        self.matcher.drain(usize::MAX, &mut |event| {
            feedback.arrive(event);
            each(event);
        });
        Ok(())
    }

    /// Passes the next command over: nothing looks at it but to tell who sent it that it is refused
    /// (`PutAside`).
    ///
    /// # Errors
    /// [`Fault::SequenceGap`], as [`Fold::apply`].
    pub fn pass_over(
        &mut self,
        command: &Command,
        each: &mut dyn FnMut(&Event),
    ) -> Result<(), Fault> {
        self.begin(command)?;
        self.feedback.passed(command);
        let event = put_aside(command);
        self.feedback.arrive(&event);
        each(&event);
        Ok(())
    }

    /// Steps to the next command, and gives the gate the events that are due before it.
    fn begin(&mut self, command: &Command) -> Result<(), Fault> {
        if command.seq != self.seq.next() || command.timestamp <= self.timestamp {
            return Err(Fault::SequenceGap);
        }
        (self.seq, self.timestamp) = (command.seq, command.timestamp);
        let gate = &mut self.gate;
        match self.feedback.apply_due(command, |event| gate.apply(event))? {
            Readiness::Ready => Ok(()),
            // All events of all earlier commands have arrived.
            Readiness::Waiting => Err(Fault::SequenceGap),
        }
    }
}
