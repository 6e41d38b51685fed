//! Replays a flow through the appliance's own engine, on its own messages: the matcher alone, or
//! with the risk gate before it.
//!
//! Trades are read off the events. They name orders by the seq that accepted them, so the file's
//! ids are put in when the clock has stopped.

use bytemuck::Zeroable;

use crate::engine::risk::{
    AccountLimits, Feedback, RateClass, RiskGate, RiskOptions, SessionRights,
};
use crate::engine::{BookView, EngineLimits, Fold, Matcher, SetupError};
use crate::flow::{Deed, Replay, Script, TICK, Trade};
use crate::model::{
    AccountId, Command, CommandKind, Event, EventFlags, EventKind, Group, Instrument, InstrumentId,
    Nanos, Notional, Price, Quantity, Symbol,
};

/// The engine cannot go on: no room for events, or a fault in risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine takes no more commands")]
pub struct Refused;

/// What commands are given to.
pub trait Engine {
    /// Takes one command; shows the events it made.
    ///
    /// # Errors
    /// [`Refused`] where there is no room for its events, or risk finds a fault.
    fn apply(&mut self, group: &Group<Command>, each: impl FnMut(&Event)) -> Result<(), Refused>;

    /// Orders resting.
    fn resting(&self) -> usize;
}

/// The matcher alone.
#[derive(Debug)]
pub struct Alone<M>(pub M);

impl<M: Matcher + BookView> Engine for Alone<M> {
    #[inline]
    fn apply(&mut self, group: &Group<Command>, each: impl FnMut(&Event)) -> Result<(), Refused> {
        self.0.submit(group).map_err(|_| Refused)?;
        let events = self.0.finished();
        let count = events.len();
        events.iter().for_each(each);
        self.0.release(count);
        Ok(())
    }

    fn resting(&self) -> usize {
        self.0.open_orders()
    }
}

/// Risk and matching, with the events on their way back to risk.
#[derive(Debug)]
pub struct Whole<M: Matcher>(Fold<M>);

impl<M: Matcher> Whole<M> {
    /// A gate that passes a script's orders, before a matcher.
    pub fn new(script: &Script, limits: &EngineLimits, matcher: M) -> Self {
        let account = AccountLimits {
            buying_power: Notional(i64::MAX / 4),
            exposure_max: Notional(i64::MAX / 4),
            order_quantity_max: Quantity::MAX,
            order_notional_max: Notional(i64::MAX / 4),
            collar_bps: 1_000_000,
            open_orders_max: u32::MAX,
        };
        let session = SessionRights {
            first_account: AccountId(0),
            last_account: AccountId(script.account_max),
            rate: RateClass::default(),
        };
        let (lag, window) = (Nanos(1), 1);
        let gate = RiskGate::new(&RiskOptions {
            instruments: vec![instrument()],
            accounts: vec![Some(account); script.account_max as usize + 1],
            sessions: vec![Some(session); script.session_max as usize + 1],
            orders_max: script.resting_max as usize + 64,
            holdings_max: 1 << 20,
            feedback_lag: lag,
            feedback_window: window,
        });
        let feedback = Feedback::new(lag, window, limits.events_per_command_max());
        Self(Fold::new(gate, feedback, matcher))
    }
}

impl<M: Matcher + BookView> Engine for Whole<M> {
    #[inline]
    fn apply(
        &mut self,
        group: &Group<Command>,
        mut each: impl FnMut(&Event),
    ) -> Result<(), Refused> {
        self.0.apply(group, &mut each).map_err(|_| Refused)
    }

    fn resting(&self) -> usize {
        self.0.matcher.open_orders()
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
    let mut group = Group::new(Command::new(CommandKind::Tick));
    let started = clock();
    for (command, least) in timed.iter().zip(ticks) {
        let before = clock();
        group.head = *command;
        let applied = engine.apply(&group, |event| note(event, &mut trades));
        let took = clock().saturating_sub(before);
        applied?;
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
    let mut group = Group::new(Command::new(CommandKind::Tick));
    for command in commands {
        group.head = *command;
        engine.apply(&group, |event| note(event, trades))?;
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
