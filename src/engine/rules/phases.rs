//! Events about phases and auctions, and how much of an auction one command does.

use crate::engine::auction::{Count, Wants};
use crate::engine::{EngineLimits, RestingOrder};
use crate::model::{
    Command, Event, EventFlags, EventKind, InstrumentId, Nanos, Phase, Price, Quantity, Side,
    TimeInForce,
};

/// How often an auction that builds tells where it stands.
pub(in crate::engine) const INDICATIVE_EVERY: Nanos = Nanos(1_000_000_000);

/// Orders that an indication looks at; beyond them it says what it has found so far.
pub(in crate::engine) const fn indicative_orders(limits: &EngineLimits) -> usize {
    16 * limits.sweep_chunk as usize
}

/// Trades of an auction in one command: each makes up to four events.
pub(in crate::engine) const fn auction_trades(limits: &EngineLimits) -> usize {
    limits.fills_per_command_max as usize / 2 + 1
}

/// Whether a phase is asked for by the calendar: that does not end a halt, a person does.
pub(in crate::engine) const fn is_scheduled(command: &Command) -> bool {
    command.order_type == 1
}

/// Whether a break of the band by an order begins an auction: in continuous trading, if the order
/// is not for now alone.
pub(in crate::engine) fn begins_auction(phase: Phase, order: &RestingOrder) -> bool {
    let time = TimeInForce::from_code(order.time_in_force);
    phase == Phase::Continuous && time.is_some_and(TimeInForce::may_rest)
}

/// An instrument is in another phase.
pub(in crate::engine) fn phase_changed(
    instrument: InstrumentId,
    phase: Phase,
    following: Phase,
) -> Event {
    Event {
        instrument,
        reason: phase.code(),
        target: u32::from(following.code()),
        kind: EventKind::PhaseChanged.code(),
        ..Event::default()
    }
}

/// Where an auction stands; `DONE` where the count came to its end.
pub(in crate::engine) fn indicative(
    instrument: InstrumentId,
    phase: Phase,
    count: &Count,
    reference: Price,
) -> Event {
    let event = Event {
        instrument,
        reason: phase.code(),
        kind: EventKind::Indicative.code(),
        ..Event::default()
    };
    let is_whole = count.wants() == Wants::Nothing;
    let flags = if is_whole { EventFlags::DONE } else { EventFlags::default() };
    let Some(outcome) = count.outcome(reference) else { return Event { flags, ..event } };
    let side = if outcome.surplus_buys { Side::Buy } else { Side::Sell };
    Event {
        price: outcome.price,
        quantity: Quantity(held(outcome.volume)),
        target: held(outcome.surplus),
        side: side.code(),
        flags,
        ..event
    }
}

/// A sum held at the top of what an event carries.
fn held(sum: u64) -> u32 {
    sum.min(u64::from(u32::MAX)) as u32
}
