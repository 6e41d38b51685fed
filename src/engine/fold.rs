//! `events = fold(engine, commands)`: risk and matching as one function, for replay, recovery and
//! every test that asks whether another arrangement of the stages gives the same events.

use crate::engine::risk::{Feedback, Readiness, RiskGate};
use crate::engine::{Matcher, Shards};
use crate::model::{Command, Event, Fault, Group, Nanos, SeqNo};
use crate::snapshot::part;

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

part!(Fold<Shards> { gate, feedback, matcher, seq, timestamp });

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
        let follows = command.head.seq == self.seq.next();
        if !follows || command.head.timestamp <= self.timestamp {
            return Err(Fault::SequenceGap);
        }
        self.seq = command.head.seq;
        self.timestamp = command.head.timestamp;
        let mut command = *command;
        let gate = &mut self.gate;
        match self.feedback.apply_due(&command.head, |event| gate.apply(event))? {
            Readiness::Ready => {}
            // All events of all earlier commands have arrived.
            Readiness::Waiting => return Err(Fault::SequenceGap),
        }
        self.gate.check(&mut command.head);
        self.feedback.passed(&command.head);
        // Strings stay behind, as on the road from risk to matching.
        if command.terms().is_none() && command.trade().is_none() {
            command.head.lines = 1;
        }
        self.matcher.submit(&command).map_err(|_| Fault::LimitBroken)?;
        let feedback = &mut self.feedback;
        self.matcher.drain(usize::MAX, &mut |event| {
            feedback.arrive(event);
            each(event);
        });
        Ok(())
    }
}
