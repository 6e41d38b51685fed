//! What was routed, as the message that asks an exchange for it.

use crate::model::{
    Capacity, Command, CommandKind, Flags, Group, Nanos, OrderType, Price, Quantity, TermFlags,
    TimeInForce,
};
use crate::wire::fix::dictionary::Version;
use crate::wire::fix::order::codes;
use crate::wire::fix::tag;
use crate::wire::fix::value::Precision;
use crate::wire::fix::venue::Name;
use crate::wire::fix::writer::Writer;

fn name(writer: &mut Writer<'_>, tag: u32, name: Name) {
    let (text, length) = name.written();
    writer.padded(tag, &text, length);
}

/// Writes everything behind the standard header and returns MsgType; `None` for what FIX has no
/// message for: nothing may be sent.
pub fn write(
    group: &Group<Command>,
    symbol: &[u8; 8],
    version: Version,
    precision: Precision,
    writer: &mut Writer<'_>,
) -> Option<&'static [u8]> {
    let command = &group.head;
    let kind: &[u8] = match command.kind()? {
        CommandKind::Enter => b"D",
        CommandKind::Replace => b"G",
        CommandKind::Cancel if command.quantity == Quantity::ZERO => b"F",
        CommandKind::AskStatus => return Some(ask_status(command.target, command, symbol, writer)),
        _ => return None,
    };
    if kind == b"F" {
        name(writer, tag::CL_ORD_ID, Name::Cancel(command.client_seq));
    } else {
        name(writer, tag::CL_ORD_ID, Name::Order(command.ordinal));
        writer.number(tag::ACCOUNT, command.account.0.into());
    }
    if kind != b"D" {
        name(writer, tag::ORIG_CL_ORD_ID, Name::Order(command.target));
    }
    if kind != b"F" && version == Version::Fix42 {
        writer.byte(tag::HANDL_INST, b'1');
    }
    writer.bytes(tag::SYMBOL, symbol.trim_ascii_end());
    writer.byte(tag::SIDE, codes::side_code(command.side()));
    writer.time(tag::TRANSACT_TIME, command.timestamp, precision);
    if kind != b"F" {
        terms(group, version, precision, writer)?;
    }
    Some(kind)
}

/// What an order asks; `None` where FIX has no word for it.
fn terms(
    group: &Group<Command>,
    version: Version,
    precision: Precision,
    writer: &mut Writer<'_>,
) -> Option<()> {
    let command = &group.head;
    let order_type = command.order_type()?;
    let terms = group.terms().copied().unwrap_or_default();
    let is_more = terms.offset != Price::ZERO || terms.discretion != Price::ZERO;
    if order_type == OrderType::TrailingStop || is_more {
        return None;
    }
    writer.number(tag::ORDER_QTY, command.quantity.0.into());
    writer.byte(tag::ORD_TYPE, codes::order_type_code(Some(order_type)));
    if command.price != Price::ZERO {
        writer.price(tag::PRICE, command.price);
    }
    if terms.stop_price != Price::ZERO {
        writer.price(tag::STOP_PX, terms.stop_price);
    }
    if terms.minimum != Quantity::ZERO {
        writer.number(tag::MIN_QTY, terms.minimum.0.into());
    }
    let is_hidden = command.flags.has(Flags::HIDDEN);
    if terms.displayed != Quantity::ZERO || is_hidden {
        // Nothing of it is to be shown.
        writer.number(tag::MAX_FLOOR, terms.displayed.0.into());
    }
    let life = command.time_in_force()?;
    writer.byte(tag::TIME_IN_FORCE, codes::time_in_force_code(life)?);
    if life == TimeInForce::Gtd {
        writer.time(tag::EXPIRE_TIME, Nanos(terms.expires_at), precision);
    }
    let style = match order_type {
        OrderType::PegMidpoint => Some(b'M'),
        OrderType::PegPrimary => Some(b'R'),
        OrderType::PegMarket => Some(b'P'),
        _ if terms.flags.has(TermFlags::ALL_OR_NONE) => Some(b'G'),
        _ if command.flags.has(Flags::POST_ONLY) => Some(b'6'),
        _ => None,
    };
    if let Some(style) = style {
        writer.byte(tag::EXEC_INST, style);
    }
    // The oldest version has no such field.
    if version != Version::Fix42 {
        let capacity = match command.flags.capacity() {
            Capacity::Agency => b'A',
            Capacity::Principal => b'P',
            Capacity::Riskless => b'R',
            Capacity::Other => b'G',
        };
        writer.byte(tag::ORDER_CAPACITY, capacity);
    }
    Some(())
}

/// Writes a question where an order of ours is (H), and returns MsgType.
pub fn ask_status(
    ordinal: u32,
    order: &Command,
    symbol: &[u8; 8],
    writer: &mut Writer<'_>,
) -> &'static [u8] {
    name(writer, tag::CL_ORD_ID, Name::Order(ordinal));
    writer.bytes(tag::SYMBOL, symbol.trim_ascii_end());
    writer.byte(tag::SIDE, codes::side_code(order.side()));
    b"H"
}
