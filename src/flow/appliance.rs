//! Replays a flow through the appliance's own engine, on its own messages: the matcher alone, or
//! with the risk gate before it.
//!
//! Trades are read off the events. They name orders by the seq that accepted them, so the file's
//! ids are put in when the clock has stopped.

use bytemuck::Zeroable;

use crate::engine::risk::{
    AccountLimits, Feedback, HoursSet, MoreLimits, PhaseSet, RateClass, Readiness, RiskGate,
    RiskOptions, SessionRights,
};
use crate::engine::{BookView, EngineLimits, Matcher, SetupError};
use crate::flow::{Deed, Replay, Script, TICK, Trade};
use crate::model::{
    AccountId, Command, Event, EventFlags, EventKind, Instrument, InstrumentId, Nanos, Notional,
    Price, Quantity, Symbol,
};

/// Commands whose events are dealt together, as the matching stage does.
const BURST: usize = 16;

/// How far ahead of its turn a command is told of.
const AHEAD: usize = 12;

/// With so many events undealt risk takes no command: a matcher of [`limits_of`] has room for as
/// many and another command's.
const UNDEALT_MAX: usize = 1 << 10;

/// The engine cannot go on: no room for events, or a fault in risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine takes no more commands")]
pub struct Refused;

/// What commands are given to.
pub trait Engine {
    /// Takes one command; its events may stay where they are until [`Self::deal`].
    ///
    /// # Errors
    /// [`Refused`] where events must be dealt first, or risk finds a fault.
    fn apply(&mut self, command: &Command) -> Result<(), Refused>;

    /// Tells of a command that will come after the next few.
    fn expect(&mut self, command: &Command);

    /// Shows the events that nobody was shown.
    fn deal(&mut self, each: impl FnMut(&Event));

    /// Orders resting.
    fn resting(&self) -> usize;
}

/// The matcher alone.
#[derive(Debug)]
pub struct Alone<M>(pub M);

impl<M: Matcher + BookView> Engine for Alone<M> {
    #[inline]
    fn apply(&mut self, command: &Command) -> Result<(), Refused> {
        self.0.submit_parts(command, &[]).map_err(|_| Refused)
    }

    #[inline]
    fn expect(&mut self, command: &Command) {
        self.0.expect(command);
    }

    #[inline]
    fn deal(&mut self, each: impl FnMut(&Event)) {
        let events = self.0.finished();
        let count = events.len();
        events.iter().for_each(each);
        self.0.release(count);
    }

    fn resting(&self) -> usize {
        self.0.open_orders()
    }
}

/// Risk and matching, with the events on their way back to risk.
#[derive(Debug)]
pub struct Whole<M> {
    gate: RiskGate,
    feedback: Feedback,
    matcher: M,
    /// Finished events that are on their way back already.
    arrived: usize,
}

impl<M> Whole<M> {
    /// A gate that passes a script's orders, before a matcher.
    pub fn new(script: &Script, limits: &EngineLimits, matcher: M) -> Self {
        let account = AccountLimits {
            buying_power: Notional(i64::MAX / 4),
            exposure_max: Notional(i64::MAX / 4),
            order_quantity_max: Quantity::MAX,
            order_notional_max: Notional(i64::MAX / 4),
            collar_bps: 1_000_000,
            open_orders_max: u32::MAX,
            more: MoreLimits::NONE,
        };
        let session = SessionRights {
            first_account: AccountId(0),
            last_account: AccountId(script.account_max),
            rate: RateClass::default(),
            hours: HoursSet::ALL,
            phases: PhaseSet::ALL,
            has_list: false,
        };
        let (lag, window) = (Nanos(1), 1);
        let gate = RiskGate::new(&RiskOptions {
            instruments: vec![instrument()],
            accounts: vec![Some(account); script.account_max as usize + 1],
            sessions: vec![Some(session); script.session_max as usize + 1],
            orders_max: script.resting_max as usize + 64,
            holdings_max: 1 << 20,
            instruments_of: Vec::new(),
            firms: Vec::new(),
            settings: Vec::new(),
            elsewhere: Vec::new(),
            routed: Vec::new(),
            shards: 1,
            homes: Vec::new(),
            rest: None,
            sends_accounts: false,
            feedback_lag: lag,
            feedback_window: window,
        });
        let feedback = Feedback::new(lag, window, limits.events_per_command_max());
        Self { gate, feedback, matcher, arrived: 0 }
    }
}

impl<M: Matcher + BookView> Engine for Whole<M> {
    #[inline]
    fn apply(&mut self, command: &Command) -> Result<(), Refused> {
        let Self { gate, feedback, matcher, arrived } = self;
        if *arrived >= UNDEALT_MAX {
            return Err(Refused);
        }
        match feedback.apply_due(command, |event| gate.apply(event)) {
            Ok(Readiness::Ready) => {}
            // All events of all earlier commands have arrived.
            Ok(Readiness::Waiting) | Err(_) => return Err(Refused),
        }
        let mut command = *command;
        gate.check(&mut command);
        matcher.submit_parts(&command, &[]).map_err(|_| Refused)?;
        feedback.passed(&command);
        let finished = matcher.finished();
        finished.iter().skip(*arrived).for_each(|event| feedback.arrive(event));
        *arrived = finished.len();
        Ok(())
    }

    #[inline]
    fn expect(&mut self, command: &Command) {
        self.matcher.expect(command);
    }

    #[inline]
    fn deal(&mut self, each: impl FnMut(&Event)) {
        let events = self.matcher.finished();
        let count = events.len();
        events.iter().for_each(each);
        self.matcher.release(count);
        self.arrived = 0;
    }

    fn resting(&self) -> usize {
        self.matcher.open_orders()
    }
}

/// The one instrument of a flow.
pub fn instrument() -> Instrument {
    Instrument {
        id: InstrumentId(1),
        symbol: Symbol(*b"FLOW    "),
        tick: TICK,
        lot: Quantity(1),
        reference_price: Price(30_000 * TICK.0),
    }
}

/// Limits that suit a script.
pub fn limits_of(script: &Script) -> EngineLimits {
    EngineLimits {
        // An order that may rest asks for room before it is known to.
        orders_max: script.resting_max + 1,
        sessions_max: script.session_max + 1,
        fills_per_command_max: 10_000,
        ..EngineLimits::DEFAULT
    }
}

/// A matcher for a script, empty.
///
/// # Errors
/// [`SetupError`] where the script asks for more than a matcher may hold.
pub fn matcher_of<M>(
    script: &Script,
    new: impl FnOnce(EngineLimits, &[Instrument]) -> Result<M, SetupError>,
) -> Result<M, SetupError> {
    new(limits_of(script), &[instrument()])
}

/// Applies a whole script; times what comes after the prefill by `clock`, in nanoseconds.
///
/// # Errors
/// [`Refused`] when the engine takes a command not at all.
pub fn play<E: Engine>(
    script: &Script,
    engine: &mut E,
    clock: &mut dyn FnMut() -> u64,
) -> Result<Replay, Refused> {
    let mut trades = trades_of(script);
    let (prefill, timed) = script.parts();
    apply_all(prefill, engine, &mut trades)?;
    let started = clock();
    apply_all(timed, engine, &mut trades)?;
    let nanos = clock().saturating_sub(started);
    script.name(&mut trades);
    Ok(Replay { trades, nanos, resting: engine.resting() })
}

/// As [`play`], but asks the time before and after each timed command; `ticks` gets how long each
/// took, in the clock's own units, the least of what it holds already and this.
///
/// # Errors
/// [`Refused`] when the engine takes a command not at all.
pub fn play_each<E: Engine>(
    script: &Script,
    engine: &mut E,
    mut clock: impl FnMut() -> u64,
    ticks: &mut [u32],
) -> Result<Replay, Refused> {
    let mut trades = trades_of(script);
    let (prefill, timed) = script.parts();
    apply_all(prefill, engine, &mut trades)?;
    let started = clock();
    let mut told = timed.iter().skip(AHEAD);
    for (command, least) in timed.iter().zip(ticks) {
        let told = told.next();
        let before = clock();
        if let Some(told) = told {
            engine.expect(told);
        }
        engine.apply(command)?;
        engine.deal(|event| note(event, &mut trades));
        let took = clock().saturating_sub(before);
        *least = (*least).min(u32::try_from(took).unwrap_or(u32::MAX));
    }
    let nanos = clock().saturating_sub(started);
    script.name(&mut trades);
    Ok(Replay { trades, nanos, resting: engine.resting() })
}

/// Room for a script's trades, its memory there before the clock starts.
fn trades_of(script: &Script) -> Vec<Trade> {
    let mut trades = vec![Trade::zeroed(); script.trades];
    trades.clear();
    trades
}

#[inline(never)]
fn apply_all<E: Engine>(
    commands: &[Command],
    engine: &mut E,
    trades: &mut Vec<Trade>,
) -> Result<(), Refused> {
    let mut told = commands.iter().skip(AHEAD);
    for burst in commands.chunks(BURST) {
        for command in burst {
            if let Some(told) = told.next() {
                engine.expect(told);
            }
            if engine.apply(command).is_err() {
                engine.deal(|event| note(event, trades));
                engine.apply(command)?;
            }
        }
        engine.deal(|event| note(event, trades));
    }
    Ok(())
}

/// Notes a maker's side of a trade.
#[inline]
fn note(event: &Event, trades: &mut Vec<Trade>) {
    if event.kind == EventKind::Executed.code() && event.flags.has(EventFlags::MAKER) {
        trades.push(Trade {
            maker: event.reference.0,
            taker: event.id.seq().0,
            price: (event.price.0 / TICK.0) as u32,
            quantity: event.quantity.0,
        });
    }
}

impl Script {
    /// The commands before the clock starts, and those it times.
    pub fn parts(&self) -> (&[Command], &[Command]) {
        self.commands.split_at(self.prefill.min(self.commands.len()))
    }

    /// What each timed command turns out to do.
    pub fn timed_deeds(&self) -> &[Deed] {
        self.deeds.get(self.prefill..).unwrap_or(&[])
    }
}
