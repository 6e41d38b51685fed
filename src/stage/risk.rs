//! Stamps verdicts; takes fills back after a fixed lag of log time.

use crate::engine::risk::{Feedback, Readiness, RiskGate};
use crate::link::{Batch, Consumer, Producer, Taken};
use crate::model::{Command, Event, Fault, LINES_MAX, Line, LineKind, Nanos};
use crate::runtime::{Counters, Stage};
use crate::stage::BURST;

crate::counters! {
    /// What the risk stage counts.
    pub RiskCounter {
        Checked: "commands checked",
        Refused: "commands refused",
        Waited: "polls that waited for an event that was due",
    }
}

/// The risk stage.
pub struct Risk {
    gate: RiskGate,
    feedback: Feedback,
    commands: Consumer<Command>,
    events: Consumer<Event>,
    matching: Producer<Command>,
    /// Counters, for whoever shows them.
    pub counters: Counters<RiskCounter>,
}

impl Risk {
    /// Goes on from a gate and feedback that a replay may have filled.
    pub fn new(
        gate: RiskGate,
        feedback: Feedback,
        commands: Consumer<Command>,
        events: Consumer<Event>,
        matching: Producer<Command>,
    ) -> Self {
        Self { gate, feedback, commands, events, matching, counters: Counters::default() }
    }

    /// Checks commands while matching has room and no event that is due is missing.
    fn check_commands(&mut self) -> Result<usize, Fault> {
        let Self { gate, feedback, commands, matching, counters, .. } = self;
        matching.write(BURST * LINES_MAX, |matching| {
            let mut outcome = Ok(());
            let work = commands.take_each(|command, rest| {
                if matching.room() < LINES_MAX {
                    return Taken::No;
                }
                match feedback.apply_due(command, |event| gate.apply(event)) {
                    Ok(Readiness::Ready) => {}
                    Ok(Readiness::Waiting) => {
                        counters.count(RiskCounter::Waited);
                        return Taken::No;
                    }
                    Err(fault) => {
                        outcome = Err(fault);
                        return Taken::No;
                    }
                }
                let mut command = *command;
                gate.check(&mut command);
                feedback.passed(&command);
                counters.add(RiskCounter::Refused, (command.verdict != 0) as u64);
                if !pass_on(command, rest, matching) {
                    outcome = Err(Fault::LimitBroken);
                }
                Taken::Yes
            });
            outcome.map(|()| work)
        })
    }
}

/// Sends the head and its terms, or the trade it is about, on; strings stay behind, matching has no
/// use for them.
#[inline]
fn pass_on(mut command: Command, rest: &[Line], matching: &mut Batch<'_, Command>) -> bool {
    let matters = |line: &&Line| {
        let kind = line.kind();
        kind == Some(LineKind::Terms) || kind == Some(LineKind::Trade)
    };
    match rest.iter().find(matters) {
        None => {
            command.lines = 1;
            matching.push_head(&command)
        }
        Some(terms) => {
            command.lines = 2;
            matching.push_parts(&command, std::slice::from_ref(terms))
        }
    }
}

impl Stage for Risk {
    fn name(&self) -> &str {
        "risk"
    }

    fn poll(&mut self, _now: Nanos) -> Result<usize, Fault> {
        let feedback = &mut self.feedback;
        // Always emptied, so that matching never waits for risk.
        self.events.take_each(|event, _| {
            feedback.arrive(event);
            Taken::Yes
        });
        if self.commands.is_empty() {
            return Ok(0);
        }
        let work = self.check_commands()?;
        self.counters.add(RiskCounter::Checked, work as u64);
        Ok(work)
    }

    fn housekeep(&mut self, _now: Nanos) {
        self.counters.publish();
        self.commands.show_fill();
        self.events.show_fill();
    }
}
