//! Events about orders, and the orders that commands make: the same in every matcher.

use crate::engine::RestingOrder;
use crate::engine::rules::Instructions;
use crate::model::{
    CancelReason, Command, CommandKind, Event, EventFlags, EventKind, Flags, Quantity, RejectCode,
    Side,
};

/// Messages of a client were given up: lost, or refused for the reason in the verdict.
pub(in crate::engine) fn not_applied(command: &Command) -> Event {
    let event = Event::answering(command, 0, EventKind::NotApplied);
    Event { target: command.client_seq, ..event }
}

/// A new order or replacement was refused.
pub(in crate::engine) fn rejected(command: &Command, why: RejectCode) -> Event {
    Event { reason: why.code(), ..Event::answering(command, 0, EventKind::Rejected) }
}

/// A cancel or modify of `target` was refused.
pub(in crate::engine) fn cancel_rejected(command: &Command, why: RejectCode) -> Event {
    Event {
        reason: why.code(),
        ordinal: command.target,
        ..Event::answering(command, 0, EventKind::CancelRejected)
    }
}

/// The only event of a command that is not looked at: who sent it learns that it was refused.
pub(in crate::engine) fn put_aside(command: &Command) -> Event {
    use CommandKind::{Cancel, Enter, MassCancel, Modify, Replace};
    let why = RejectCode::PutAside;
    let event = match command.kind() {
        Some(Enter | Replace) => rejected(command, why),
        Some(Cancel | Modify | MassCancel) => cancel_rejected(command, why),
        _ => Event { reason: why.code(), ..Event::answering(command, 0, EventKind::Nothing) },
    };
    Event { flags: event.flags.with(EventFlags::LAST), ..event }
}

/// An event about a resting order, or one that could rest, that answers nobody.
#[inline]
pub(in crate::engine) fn about(order: &RestingOrder, kind: EventKind) -> Event {
    Event {
        price: order.price,
        reference: order.reference,
        session: order.session,
        ordinal: order.ordinal,
        instrument: order.instrument,
        account: order.account,
        quantity: order.leaves,
        kind: kind.code(),
        side: order.side.code(),
        ..Event::default()
    }
}

/// `quantity` of a resting order is shown no more, for the feed.
#[inline]
pub(in crate::engine) fn reduced(order: &RestingOrder, quantity: Quantity) -> Event {
    Event { quantity, ..about(order, EventKind::Reduced) }
}

/// A resting order is gone for `reason`.
#[inline]
pub(in crate::engine) fn withdrawn(
    order: &RestingOrder,
    reason: CancelReason,
    shown: bool,
) -> Event {
    let flags = if shown { EventFlags::DONE.with(EventFlags::RESTS) } else { EventFlags::DONE };
    Event { flags, ..cancelled(order, reason) }
}

/// What is left of an order that did not rest is gone for `reason`.
#[inline]
pub(in crate::engine) fn cancelled(order: &RestingOrder, reason: CancelReason) -> Event {
    Event { reason: reason.code(), flags: EventFlags::DONE, ..about(order, EventKind::Cancelled) }
}

/// The order an `Enter` makes, before it has met the book.
pub(in crate::engine) fn entered(command: &Command, side: Side) -> RestingOrder {
    RestingOrder {
        session: command.session,
        ordinal: command.ordinal,
        account: command.account,
        reference: command.seq,
        instrument: command.instrument,
        side,
        price: command.price,
        leaves: command.quantity,
        executed: Quantity::ZERO,
        time_in_force: command.time_in_force,
        flags: command.flags.0,
    }
}

/// The order a `Replace` of `old` makes, if anything is left of it.
pub(in crate::engine) fn replacement(
    command: &Command,
    old: &RestingOrder,
) -> Option<RestingOrder> {
    let leaves = command.quantity.checked_sub(old.executed).filter(|left| left.0 > 0)?;
    Some(RestingOrder {
        ordinal: command.ordinal,
        reference: command.seq,
        price: command.price,
        leaves,
        time_in_force: command.time_in_force,
        flags: command.flags.0,
        ..*old
    })
}

/// Whether a replacement keeps its predecessor's place: it asks for no more, and no differently.
pub(in crate::engine) fn keeps_place(
    old: &RestingOrder,
    new: &RestingOrder,
    asks: &Instructions,
) -> bool {
    let was_post_only = Flags(old.flags).has(Flags::POST_ONLY);
    asks.may_rest
        && asks.post_only == was_post_only
        && new.price == old.price
        && new.leaves <= old.leaves
}

/// What is left when an order's total is cut to `total`; 0 takes all.
pub(in crate::engine) fn leaves_after_cut(order: &RestingOrder, total: Quantity) -> Quantity {
    total.saturating_sub(order.executed)
}

/// Whether a `Modify` may mark the order so: only a sale may be marked anew, as another sale.
pub(in crate::engine) fn marking(order: &RestingOrder, command: &Command) -> Option<Side> {
    let side = command.side()?;
    let allowed = side == order.side || !(side.is_buy() || order.side.is_buy());
    allowed.then_some(side)
}
