//! What a plain order asks: a limit or a price to find, to rest or not. Most orders are plain, so
//! what the others ask is read elsewhere.

use crate::model::{
    Command, Flags, Group, Instrument, OrderType, Price, Quantity, RejectCode, SelfTrade,
    TimeInForce,
};

/// How an order meets the book, checked and taken apart.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Instructions {
    /// The worst price it takes; `None` takes any.
    pub(in crate::engine) limit: Option<Price>,
    /// What does not trade at once stays in the book.
    pub(in crate::engine) may_rest: bool,
    /// The least it takes at once, in all; [`Quantity::MAX`] is all of it.
    pub(in crate::engine) least: Quantity,
    pub(in crate::engine) post_only: bool,
    pub(in crate::engine) self_trade: SelfTrade,
}

/// Whether [`instructions`] say all that an order asks.
#[inline]
pub(in crate::engine) fn is_plain(command: &Command) -> bool {
    // The bytes lie side by side, so this is one load and one test: limit and market are 0 and 1,
    // and the plain times in force are below 4.
    let Command { kind, side, order_type, time_in_force, verdict, flags, lines, version, .. } =
        *command;
    let asked = [kind, side, order_type, time_in_force, verdict, flags.0, lines, version];
    let special = [0, 0, !1, !3, 0, Flags::HIDDEN.0, !1, 0];
    u64::from_le_bytes(asked) & u64::from_le_bytes(special) == 0
}

const _: () = {
    assert!(OrderType::Limit.code() == 0 && OrderType::Market.code() == 1);
    assert!(TimeInForce::Day.code() == 0 && TimeInForce::Gtc.code() == 3);
    assert!(TimeInForce::Ioc.code() < 4 && TimeInForce::Fok.code() < 4);
};

/// Checks what a plain order asks for against its instrument's rules.
#[inline]
pub(in crate::engine) fn instructions(
    group: &Group<Command>,
    instrument: &Instrument,
) -> Result<Instructions, RejectCode> {
    // The tick is above zero (checked at construction), so the remainder cannot trap.
    instructions_on_tick(&group.head, group.head.price.0 % instrument.tick.0 == 0)
}

/// As [`instructions`], by whoever knows already whether the price is on the tick.
#[inline(always)]
pub(in crate::engine) fn instructions_on_tick(
    command: &Command,
    on_tick: bool,
) -> Result<Instructions, RejectCode> {
    let is_limit = command.order_type == OrderType::Limit.code();
    let price = command.price;
    if command.quantity.0 == 0 {
        return Err(RejectCode::InvalidQuantity);
    }
    if is_limit && (price.0 <= 0 || !on_tick) {
        return Err(RejectCode::InvalidPrice);
    }
    let (may_rest, least) = match command.time_in_force() {
        Some(TimeInForce::Day | TimeInForce::Gtc) => (is_limit, Quantity::ZERO),
        Some(TimeInForce::Ioc) => (false, Quantity::ZERO),
        Some(TimeInForce::Fok) => (false, Quantity::MAX),
        _ => return Err(RejectCode::Unsupported),
    };
    let limit = (is_limit || price != Price::ZERO).then_some(price);
    let post_only = command.flags.has(Flags::POST_ONLY);
    let self_trade = command.flags.self_trade();
    Ok(Instructions { limit, may_rest, least, post_only, self_trade })
}
