//! What an order asks: its type, price and life go into the head, the rest into its terms.
//!
//! An instruction (18), peg or discretion the book has no word for is refused, never passed over.

use crate::model::{Command, Flags, OrderType, Price, Quantity, RejectCode, Terms, TimeInForce};
use crate::wire::fix::message::Message;
use crate::wire::fix::order::codes::{self, Instructions};
use crate::wire::fix::order::decode::{Fields, Sender};
use crate::wire::fix::{tag, value};

/// Fills in what an order asks; the terms it has beyond its head ride in a further line.
#[inline]
pub(super) fn terms_of(
    message: &Message<'_>,
    fields: &Fields<'_>,
    sender: &Sender,
    head: &mut Command,
) -> Result<Option<Terms>, RejectCode> {
    head.side = codes::side_of(fields.side)?.code();
    let quantity = value::quantity(fields.quantity).ok_or(RejectCode::InvalidQuantity)?;
    head.quantity = Quantity(quantity);
    let mut asked = Instructions::default();
    if !fields.exec_inst.is_empty() {
        asked = codes::exec_inst_of(fields.exec_inst)?;
    }
    let capacity = codes::capacity_of(fields.capacity, sender.self_trade)?;
    head.flags = Flags(asked.flags.0 | capacity.0);
    let mut terms = Terms { flags: asked.terms, ..Terms::default() };
    let order_type = match (codes::order_type_of(fields.order_type)?, asked.style) {
        (Some(plain), None) => plain,
        (named, style) => styled(named, style.or_else(|| peg_of(message)))?,
    };
    head.order_type = order_type.code();
    head.price = price_of(fields, order_type, &mut terms)?;
    let mut time_in_force = codes::time_in_force_of(fields.time_in_force)?;
    if let Some(minimum) = fields.minimum {
        let least = value::quantity(minimum).ok_or(RejectCode::InvalidQuantity)?;
        // At once and not less than all of it is fill-or-kill by another name.
        if least == quantity && time_in_force == TimeInForce::Ioc {
            time_in_force = TimeInForce::Fok;
        } else {
            terms.minimum = Quantity(least);
        }
    }
    head.time_in_force = time_in_force.code();
    if let Some(displayed) = fields.displayed {
        let displayed = value::quantity(displayed).ok_or(RejectCode::InvalidQuantity)?;
        terms.displayed = Quantity(displayed);
        if displayed == 0 {
            head.flags = head.flags.with(Flags::HIDDEN);
        }
    }
    if time_in_force == TimeInForce::Gtd {
        let until = fields.expire_time.and_then(value::timestamp);
        terms.expires_at = until.ok_or(RejectCode::ExpiryTime)?.0;
    }
    if fields.has_offsets {
        find_offset(message, order_type, &mut terms)?;
        find_discretion(message, head, &mut terms)?;
    }
    // Nobody here looks at an order before it trades.
    if fields.handling == b"3" {
        return Err(RejectCode::Unsupported);
    }
    Ok((terms != Terms::default()).then_some(terms))
}

/// The type of an order that is pegged or trails, by the name it has and the style it asks.
#[cold]
fn styled(named: Option<OrderType>, style: Option<OrderType>) -> Result<OrderType, RejectCode> {
    let style = style.ok_or(RejectCode::NotTogether)?;
    let is_trail = style == OrderType::TrailingStop;
    match named {
        None => Ok(style),
        Some(OrderType::Stop) if is_trail => Ok(style),
        Some(OrderType::Limit | OrderType::Market) if !is_trail => Ok(style),
        Some(_) => Err(RejectCode::NotTogether),
    }
}

/// PegPriceType (1094), which the newest version has beside ExecInst.
#[cold]
fn peg_of(message: &Message<'_>) -> Option<OrderType> {
    match message.get(tag::PEG_PRICE_TYPE)? {
        b"2" => Some(OrderType::PegMidpoint),
        b"4" => Some(OrderType::PegMarket),
        b"5" => Some(OrderType::PegPrimary),
        b"8" => Some(OrderType::TrailingStop),
        _ => None,
    }
}

/// The head's price; a stop's trigger goes into the terms.
#[inline]
fn price_of(
    fields: &Fields<'_>,
    order_type: OrderType,
    terms: &mut Terms,
) -> Result<Price, RejectCode> {
    use OrderType as O;
    match order_type {
        O::Limit => {}
        O::Market | O::MarketToLimit => return Ok(Price::ZERO),
        // Without a price there is no cap.
        O::PegPrimary | O::PegMarket | O::PegMidpoint if fields.price.is_none() => {
            return Ok(Price::ZERO);
        }
        O::PegPrimary | O::PegMarket | O::PegMidpoint => {}
        O::Stop | O::StopLimit | O::TrailingStop => {
            // A trail may begin at the market.
            let may_lack = order_type == O::TrailingStop && fields.stop_price.is_none();
            let stop = fields.stop_price.and_then(value::price);
            let none = may_lack.then_some(Price::ZERO);
            terms.stop_price = stop.or(none).ok_or(RejectCode::StopPrice)?;
            if order_type != O::StopLimit {
                // Risk finds its protection about the price at which it trades.
                return Ok(terms.stop_price);
            }
        }
    }
    fields.price.and_then(value::price).ok_or(RejectCode::InvalidPrice)
}

/// PegOffsetValue (211): of a peg signed, of a trail its distance, whichever way it is written.
#[cold]
fn find_offset(
    message: &Message<'_>,
    order_type: OrderType,
    terms: &mut Terms,
) -> Result<(), RejectCode> {
    let Some(offset) = message.get(tag::PEG_OFFSET_VALUE) else { return Ok(()) };
    let offset = value::price(offset).ok_or(RejectCode::PegOffset)?;
    // In money, from a price that moves, bounded by nothing but the order's own price.
    let usual = [
        (tag::PEG_MOVE_TYPE, b"0"),
        (tag::PEG_OFFSET_TYPE, b"0"),
        (tag::PEG_LIMIT_TYPE, b"0"),
        (tag::PEG_SCOPE, b"1"),
    ];
    if !is_usual(message, &usual) {
        return Err(RejectCode::PegOffset);
    }
    let is_trail = order_type == OrderType::TrailingStop;
    terms.offset = if is_trail { Price(offset.0.saturating_abs()) } else { offset };
    Ok(())
}

/// DiscretionOffsetValue (389), from the price that is shown: the head's price becomes the one it
/// reaches to, which is what risk must look at.
#[cold]
fn find_discretion(
    message: &Message<'_>,
    head: &mut Command,
    terms: &mut Terms,
) -> Result<(), RejectCode> {
    let usual = [
        (tag::DISCRETION_INST, b"0"),
        (tag::DISCRETION_MOVE_TYPE, b"0"),
        (tag::DISCRETION_OFFSET_TYPE, b"0"),
        (tag::DISCRETION_LIMIT_TYPE, b"0"),
        (tag::DISCRETION_SCOPE, b"1"),
    ];
    if !is_usual(message, &usual) {
        return Err(RejectCode::Discretion);
    }
    let Some(offset) = message.get(tag::DISCRETION_OFFSET_VALUE) else {
        let asks = message.get(tag::DISCRETION_INST).is_some();
        return if asks { Err(RejectCode::Discretion) } else { Ok(()) };
    };
    let offset = value::price(offset).ok_or(RejectCode::Discretion)?;
    let reach = head.price.0.checked_add(offset.0).filter(|reach| *reach > 0);
    if head.order_type != OrderType::Limit.code() || offset == Price::ZERO {
        return Err(RejectCode::Discretion);
    }
    head.price = reach.map(Price).ok_or(RejectCode::Discretion)?;
    terms.discretion = offset;
    Ok(())
}

/// Whether fields say, where they are there, what is the only thing that is offered.
fn is_usual(message: &Message<'_>, fields: &[(u32, &[u8; 1])]) -> bool {
    fields.iter().all(|(tag, usual)| message.get(*tag).is_none_or(|said| said == *usual))
}
