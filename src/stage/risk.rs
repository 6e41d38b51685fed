//! Stamps verdicts; takes fills back after a fixed lag of log time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::risk::{Alert, Feedback, Readiness, RiskGate};
use crate::link::{Batch, Consumer, Producer, Taken};
use crate::model::{
    AccountId, Command, CommandKind, Event, Fault, LINES_MAX, Line, LineKind, Nanos, RejectCode,
    Request, SessionId,
};
use crate::runtime::{Counters, Pulse, Stage};
use crate::stage::limit_board::LimitShow;
use crate::stage::{BURST, LimitBoard};

crate::counters! {
    /// What the risk stage counts.
    pub RiskCounter {
        Checked: "commands checked",
        Refused: "commands refused",
        Waited: "polls that waited for an event that was due",
        Asked: "phases and ticks asked for, for a guard of an instrument",
        Alerts: "alerts given",
        Broken: level "1 where the gate found its own state wrong and refuses all but cancels",
    }
}

/// How many commands were refused for each reason; read from any thread.
#[derive(Clone, Debug)]
pub struct Refusals(Arc<[AtomicU64; 256]>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| AtomicU64::new(0))))
    }
}

impl Refusals {
    /// One more; there is one writer.
    #[inline]
    fn count(&self, verdict: u8) {
        let place = &self.0[verdict as usize];
        place.store(place.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// How many for one reason.
    pub fn value(&self, code: RejectCode) -> u64 {
        self.0[code.code() as usize].load(Ordering::Relaxed)
    }
}

/// What the risk stage has to say beside verdicts.
pub struct RiskVoice {
    /// To the sequencer: phases that guards want, and the passing of time.
    pub requests: Producer<Request>,
    /// To people.
    pub alerts: rtrb::Producer<Alert>,
    /// Shows that the stage goes on.
    pub pulse: Pulse,
    /// Why commands were refused.
    pub refusals: Refusals,
    /// The limits that are used most.
    pub limits: Arc<LimitBoard>,
}

/// So many lines are checked without asking the caches for what they need.
const FEW: usize = 8;

/// The risk stage.
pub struct Risk {
    gate: RiskGate,
    feedback: Feedback,
    commands: Consumer<Command>,
    events: Consumer<Event>,
    matching: Producer<Command>,
    voice: Option<RiskVoice>,
    show: Option<LimitShow>,
    /// Whose the last command is.
    last: (AccountId, SessionId),
    /// A tick was asked for and has not come.
    tick_asked: bool,
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
            voice: None,
            show: None,
            last: Default::default(),
            tick_asked: false,
            counters: Counters::default(),
        }
    }

    /// With something to say beside verdicts.
    #[must_use]
    pub fn with_voice(mut self, voice: RiskVoice) -> Self {
        self.gate.ask_again();
        self.show = Some(LimitShow::new(Arc::clone(&voice.limits), &self.gate));
        self.voice = Some(voice);
        self
    }

    /// Shows that there was nothing to do, or that something was done.
    #[inline]
    fn beat(&self, now: Nanos) {
        if let Some(voice) = &self.voice {
            voice.pulse.beat(now);
        }
    }

    /// Asks for the phases that guards want, and for time to pass where one of them waits for it.
    fn speak(&mut self, now: Nanos) {
        let Self { gate, voice, counters, tick_asked, .. } = self;
        let Some(voice) = voice else { return };
        gate.ask(now, |request| {
            counters.count(RiskCounter::Asked);
            voice.requests.push_head(request)
        });
        if gate.due_at() > now {
            *tick_asked = false;
        } else if !*tick_asked {
            counters.count(RiskCounter::Asked);
            *tick_asked = voice.requests.push_head(&Request::new(CommandKind::Tick, now));
        }
        while voice.alerts.slots() > 0
            && let Some(alert) = gate.alert()
        {
            counters.count(RiskCounter::Alerts);
            let _ = voice.alerts.push(alert);
        }
    }

    /// Checks commands while matching has room and no event that is due is missing.
    fn check_commands(&mut self) -> Result<usize, Fault> {
        let Self { gate, feedback, commands, matching, counters, voice, last, .. } = self;
        // What a burst will touch comes while it is checked from its beginning; for a few commands
        // asking takes longer than waiting.
        if commands.waiting() > FEW {
            commands.look_at_each(|command| gate.expect(command));
        }
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
                *last = (command.account, command.session);
                if command.verdict != 0 {
                    counters.count(RiskCounter::Refused);
                    if let Some(voice) = voice {
                        voice.refusals.count(command.verdict);
                    }
                }
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

    fn poll(&mut self, now: Nanos) -> Result<usize, Fault> {
        let feedback = &mut self.feedback;
        // Always emptied, so that matching never waits for risk.
        self.events.take_each(|event, _| {
            feedback.arrive(event);
            Taken::Yes
        });
        if self.commands.is_empty() {
            self.beat(now);
            return Ok(0);
        }
        let work = self.check_commands()?;
        if work > 0 {
            self.beat(now);
        }
        self.counters.add(RiskCounter::Checked, work as u64);
        Ok(work)
    }

    fn housekeep(&mut self, now: Nanos) {
        self.speak(now);
        if let Some(show) = &mut self.show {
            show.show(&self.gate, self.last, now);
        }
        if self.gate.is_broken() && self.counters.value(RiskCounter::Broken) == 0 {
            self.counters.count(RiskCounter::Broken);
        }
        self.counters.publish();
        self.commands.show_fill();
        self.events.show_fill();
    }
}
