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
    if version == Version::Fix42 && !is_of_oldest(order_type, command.time_in_force()?) {
        return None;
    }
    let terms = group.terms().copied().unwrap_or_default();
    writer.number(tag::ORDER_QTY, command.quantity.0.into());
    writer.byte(tag::ORD_TYPE, codes::order_type_code(Some(order_type)));
    // A stop's price is its trigger once more, and what discretion reaches to is not shown.
    let is_stop = matches!(order_type, OrderType::Stop | OrderType::TrailingStop);
    let shown = Price(command.price.0.saturating_sub(terms.discretion.0));
    if shown != Price::ZERO && !is_stop {
        writer.price(tag::PRICE, shown);
    }
    if terms.stop_price != Price::ZERO {
        writer.price(tag::STOP_PX, terms.stop_price);
    }
    if terms.offset != Price::ZERO {
        writer.price(tag::PEG_OFFSET_VALUE, terms.offset);
    }
    if terms.discretion != Price::ZERO {
        writer.byte(tag::DISCRETION_INST, b'0');
        writer.price(tag::DISCRETION_OFFSET_VALUE, terms.discretion);
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
    instructions(order_type, command.flags, terms.flags, version, writer)?;
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

/// Whether the oldest version has words for a type and a life: it knows no stop that trails, no
/// market order that becomes a limit, and no close.
fn is_of_oldest(order_type: OrderType, life: TimeInForce) -> bool {
    let is_newer = matches!(order_type, OrderType::TrailingStop | OrderType::MarketToLimit);
    !is_newer && life != TimeInForce::AtClose
}

/// ExecInst, several with blanks between them; `None` for what has no code.
fn instructions(
    order_type: OrderType,
    flags: Flags,
    wishes: TermFlags,
    version: Version,
    writer: &mut Writer<'_>,
) -> Option<()> {
    let style = match order_type {
        OrderType::PegMidpoint => Some(b'M'),
        OrderType::PegPrimary => Some(b'R'),
        OrderType::PegMarket => Some(b'P'),
        OrderType::TrailingStop => Some(b'a'),
        _ => None,
    };
    if wishes.has(TermFlags::SLIDE) {
        return None;
    }
    let asked = [
        style,
        wishes.has(TermFlags::ALL_OR_NONE).then_some(b'G'),
        flags.has(Flags::POST_ONLY).then_some(b'6'),
        (flags.has(Flags::SWEEP) && version == Version::Fix50Sp2).then_some(b'f'),
    ];
    let (mut codes, mut length) = ([b' '; 7], 0);
    for (code, place) in asked.into_iter().flatten().zip(codes.iter_mut().step_by(2)) {
        *place = code;
        length = if length == 0 { 1 } else { length + 2 };
    }
    if let Some(codes @ [_, ..]) = codes.get(..length) {
        writer.bytes(tag::EXEC_INST, codes);
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
