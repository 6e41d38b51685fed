//! Stamps verdicts; takes fills back after a fixed lag of log time.

use crate::engine::risk::{Feedback, Readiness, RiskGate};
use crate::link::{Consumer, Producer};
use crate::model::{Command, CommandKind, Event, Fault, Group, LINES_MAX, Nanos};
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
    /// The command being looked at; kept while an event that is due has not come.
    current: Group<Command>,
    is_held: bool,
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
        Self {
            gate,
            feedback,
            commands,
            events,
            matching,
            current: Group::new(Command::new(CommandKind::Tick)),
            is_held: false,
            counters: Counters::default(),
        }
    }
}

impl Risk {
    /// Sends the head and its terms on; strings stay behind, matching has no use for them.
    #[inline]
    fn pass_on(&mut self) -> Result<(), Fault> {
        let terms = self.current.terms().copied();
        let head = Command { lines: 1 + terms.is_some() as u8, ..self.current.head };
        let sent = match terms {
            None => self.matching.push_head(&head),
            Some(terms) => self.matching.push_parts(&head, &[terms.line()]),
        };
        if sent { Ok(()) } else { Err(Fault::LimitBroken) }
    }
}

impl Stage for Risk {
    fn name(&self) -> &str {
        "risk"
    }

    fn poll(&mut self, _now: Nanos) -> Result<usize, Fault> {
        // Always emptied, so that matching never waits for risk.
        while let Some(event) = self.events.pop_head() {
            self.feedback.arrive(&event);
        }
        let mut work = 0;
        while work < BURST && self.matching.credits(LINES_MAX) == LINES_MAX {
            if !self.is_held && !self.commands.pop(&mut self.current) {
                break;
            }
            let gate = &mut self.gate;
            let ready = self.feedback.apply_due(&self.current.head, |event| gate.apply(event))?;
            self.is_held = ready == Readiness::Waiting;
            if self.is_held {
                self.counters.count(RiskCounter::Waited);
                break;
            }
            self.gate.check(&mut self.current.head);
            self.feedback.passed(&self.current.head);
            self.counters.add(RiskCounter::Refused, (self.current.head.verdict != 0) as u64);
            self.pass_on()?;
            work += 1;
        }
        self.counters.add(RiskCounter::Checked, work as u64);
        Ok(work)
    }

    fn housekeep(&mut self, _now: Nanos) {
        self.counters.publish();
        self.commands.show_fill();
        self.events.show_fill();
    }
}
