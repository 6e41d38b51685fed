//! Trades undone and corrected. The books keep no trades and never change: whoever counts positions
//! is told that a trade is none, and for a correction that there is another.

use crate::model::{
    AccountId, Command, CommandKind, Event, EventKind, Group, Price, Quantity, RejectCode, SeqNo,
    SessionId, Side,
};

/// The events of a bust or correction: each side of the trade undone, then each as it is.
pub(in crate::engine) fn undone(
    group: &Group<Command>,
    each: &mut dyn FnMut(Event),
) -> Result<(), RejectCode> {
    let command = &group.head;
    let detail = group.trade().ok_or(RejectCode::Unsupported)?;
    let corrects = command.kind == CommandKind::CorrectTrade.code();
    if detail.quantity == Quantity::ZERO || (corrects && detail.new_quantity == Quantity::ZERO) {
        return Err(RejectCode::InvalidQuantity);
    }
    if detail.price.0 <= 0 || (corrects && detail.new_price.0 <= 0) {
        return Err(RejectCode::InvalidPrice);
    }
    let buyer = (Side::Buy, command.session, command.ordinal, command.account);
    let seller = (Side::Sell, detail.seller, detail.seller_ordinal, detail.seller_account);
    let about = |side: (Side, SessionId, u32, AccountId), kind: EventKind, price, quantity| Event {
        price,
        quantity,
        reference: SeqNo(detail.match_number),
        session: side.1,
        ordinal: side.2,
        instrument: command.instrument,
        account: side.3,
        kind: kind.code(),
        side: side.0.code(),
        ..Event::default()
    };
    let mut tell = |kind, price: Price, quantity| {
        each(about(buyer, kind, price, quantity));
        each(about(seller, kind, price, quantity));
    };
    tell(EventKind::Busted, detail.price, detail.quantity);
    if corrects {
        tell(EventKind::Corrected, detail.new_price, detail.new_quantity);
    }
    Ok(())
}
