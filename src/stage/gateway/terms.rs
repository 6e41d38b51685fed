//! What an order's options ask of the core: into its terms and, where the head says it, the head.

use crate::model::{
    Command, OrderType, Price, Quantity, RejectCode, TermFlags, Terms, TimeInForce,
};
use crate::stage::gateway::report::since_midnight;
use crate::wire::ouch::Options;
use crate::wire::ouch::codes::{MARKET_PRICE, order_style, price_type, wish};

/// Whether options ask what a head cannot say; few do.
#[inline]
pub(super) fn needs_terms(options: &Options) -> bool {
    options.min_qty.is_some()
        || options.max_floor.is_some()
        || options.price_type.is_some()
        || options.peg_offset.is_some()
        || options.discretion_price.is_some()
        || options.discretion_price_type.is_some()
        || options.discretion_peg_offset.is_some()
        || options.expire_time.is_some()
        || options.group_id.is_some()
        || options.random_reserves.is_some()
        || options.stop_price.is_some()
        || options.order_style.is_some()
        || options.trail.is_some()
        || options.wish.is_some()
}

/// The terms of options; the head's order type and price follow them.
pub(super) fn terms_of(options: &Options, head: &mut Command) -> Result<Terms, RejectCode> {
    let whole = options.min_qty == Some(head.quantity.0);
    let is_fok = head.time_in_force == TimeInForce::Fok.code();
    let mut terms = Terms {
        displayed: Quantity(options.max_floor.unwrap_or(0)),
        minimum: Quantity(options.min_qty.filter(|_| !(whole && is_fok)).unwrap_or(0)),
        group: options.group_id.unwrap_or(0),
        discretion: price_of(options.discretion_price),
        stop_price: price_of(options.stop_price),
        ..Terms::default()
    };
    // A discretion that follows other prices, and a displayed size that varies, nobody offers.
    let pegged_discretion =
        options.discretion_price_type.is_some() || options.discretion_peg_offset.is_some();
    if pegged_discretion {
        return Err(RejectCode::Discretion);
    }
    if options.random_reserves.is_some_and(|varies| varies != 0) {
        return Err(RejectCode::DisplayQuantity);
    }
    if let Some(seconds) = options.expire_time {
        terms.expires_at = expiry(head, seconds)?;
    }
    terms.flags = match options.wish {
        None => TermFlags::default(),
        Some(wish::ALL_OR_NONE) => TermFlags::ALL_OR_NONE,
        Some(wish::SLIDE) => TermFlags::SLIDE,
        Some(_) => return Err(RejectCode::NotTogether),
    };
    find_style(options, head, &mut terms)?;
    Ok(terms)
}

/// How the price is found: a peg by its price type, a stop by its style.
fn find_style(options: &Options, head: &mut Command, terms: &mut Terms) -> Result<(), RejectCode> {
    let pegged = match options.price_type {
        None | Some(price_type::LIMIT) => None,
        Some(price_type::MARKET_PEG) => Some(OrderType::PegMarket),
        Some(price_type::PRIMARY_PEG) => Some(OrderType::PegPrimary),
        Some(price_type::MIDPOINT_PEG | price_type::MIDPOINT) => Some(OrderType::PegMidpoint),
        Some(_) => return Err(RejectCode::PegOffset),
    };
    let is_market = head.price == Price(MARKET_PRICE as i64);
    let style = match options.order_style {
        None => None,
        Some(order_style::STOP) => Some(OrderType::Stop),
        Some(order_style::STOP_LIMIT) => Some(OrderType::StopLimit),
        Some(order_style::TRAILING_STOP) => Some(OrderType::TrailingStop),
        Some(order_style::MARKET_TO_LIMIT) => Some(OrderType::MarketToLimit),
        Some(_) => return Err(RejectCode::Unsupported),
    };
    terms.offset = match (options.peg_offset, options.trail) {
        (Some(_), Some(_)) => return Err(RejectCode::PegOffset),
        (Some(offset), None) => Price(i64::from(offset)),
        (None, trail) => Price(i64::from(trail.unwrap_or(0))),
    };
    let Some(kind) = pegged.or(style) else { return Ok(()) };
    if pegged.is_some() && style.is_some() {
        return Err(RejectCode::NotTogether);
    }
    head.order_type = kind.code();
    // Risk finds a stop's protection about its stop price, and that of the others by itself.
    match kind {
        OrderType::Stop => head.price = terms.stop_price,
        OrderType::TrailingStop if is_market => head.price = terms.stop_price,
        OrderType::StopLimit | OrderType::Limit => {}
        _ if is_market => head.price = Price::ZERO,
        _ => {}
    }
    Ok(())
}

fn price_of(price: Option<u64>) -> Price {
    Price(price.map_or(0, |price| price.min(i64::MAX as u64) as i64))
}

/// Seconds since midnight UTC of the day the order came, as log time.
fn expiry(head: &Command, seconds: u32) -> Result<u64, RejectCode> {
    if seconds >= 86_400 {
        return Err(RejectCode::ExpiryTime);
    }
    let midnight = head.timestamp.0 - since_midnight(head.timestamp);
    midnight.checked_add(u64::from(seconds) * 1_000_000_000).ok_or(RejectCode::ExpiryTime)
}
