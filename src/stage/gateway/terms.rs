//! What an order's options ask of the core: into its terms and, where the head says it, the head.

use crate::model::{
    Command, OrderType, Price, Quantity, RejectCode, TermFlags, Terms, TimeInForce,
};
use crate::stage::gateway::report::since_midnight;
use crate::wire::ouch::Options;
use crate::wire::ouch::codes::{MARKET_PRICE, PRICE_MAX, order_style, price_type, wish};

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
    if let Some(reach) = options.discretion_price {
        find_discretion(price_of(Some(reach)), head, &mut terms)?;
    }
    Ok(terms)
}

/// An order with discretion comes as one at its discretion price, which is what risk must look at,
/// that is shown further back.
fn find_discretion(reach: Price, head: &mut Command, terms: &mut Terms) -> Result<(), RejectCode> {
    let is_limit = head.order_type == OrderType::Limit.code();
    if !is_limit || reach == head.price || reach.0 > PRICE_MAX as i64 {
        return Err(RejectCode::Discretion);
    }
    terms.discretion = Price(reach.0.saturating_sub(head.price.0));
    head.price = reach;
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommandKind, Nanos};

    /// An order of 100 at `price`, as the gateway reads it before its terms.
    fn head(price: u64) -> Command {
        Command {
            price: Price(price as i64),
            quantity: Quantity(100),
            timestamp: Nanos(3 * 86_400_000_000_000 + 5),
            order_type: u8::from(price == MARKET_PRICE),
            ..Command::new(CommandKind::Enter)
        }
    }

    fn read(options: Options, price: u64) -> Result<(Terms, Command), RejectCode> {
        let mut head = head(price);
        assert!(needs_terms(&options), "{options:?} asks for something");
        terms_of(&options, &mut head).map(|terms| (terms, head))
    }

    #[test]
    fn quantities_and_groups_go_into_the_terms() {
        let options = Options {
            max_floor: Some(10),
            min_qty: Some(20),
            group_id: Some(7),
            wish: Some(wish::SLIDE),
            ..Options::default()
        };
        let (terms, head) = read(options, 10_000).expect("good options");
        assert_eq!((terms.displayed, terms.minimum, terms.group), (Quantity(10), Quantity(20), 7));
        assert_eq!(terms.flags, TermFlags::SLIDE);
        assert_eq!(head.order_type(), Some(OrderType::Limit));
        // All of an immediate order's quantity is what fill-or-kill says already.
        let options = Options { min_qty: Some(100), ..Options::default() };
        let mut fok = Command { time_in_force: TimeInForce::Fok.code(), ..super::tests::head(1) };
        assert_eq!(terms_of(&options, &mut fok).map(|terms| terms.minimum), Ok(Quantity(0)));
    }

    #[test]
    fn pegs_take_their_price_as_a_cap_and_none_as_none() {
        let peg =
            |code| Options { price_type: Some(code), peg_offset: Some(-200), ..Options::default() };
        let (terms, head) = read(peg(price_type::PRIMARY_PEG), 10_000).expect("good options");
        assert_eq!((terms.offset, head.price), (Price(-200), Price(10_000)));
        assert_eq!(head.order_type(), Some(OrderType::PegPrimary));
        let (_, head) = read(peg(price_type::MARKET_PEG), MARKET_PRICE).expect("good options");
        assert_eq!((head.order_type(), head.price), (Some(OrderType::PegMarket), Price(0)));
        assert_eq!(read(peg(price_type::MARKET_MAKER_PEG), 1).err(), Some(RejectCode::PegOffset));
    }

    #[test]
    fn a_stop_carries_its_stop_price_to_risk_and_a_stop_limit_its_limit() {
        let stop = |style| Options {
            order_style: Some(style),
            stop_price: Some(20_000),
            ..Options::default()
        };
        let (terms, head) = read(stop(order_style::STOP), MARKET_PRICE).expect("good options");
        assert_eq!((terms.stop_price, head.price), (Price(20_000), Price(20_000)));
        let (_, head) = read(stop(order_style::STOP_LIMIT), 21_000).expect("good options");
        assert_eq!((head.order_type(), head.price), (Some(OrderType::StopLimit), Price(21_000)));
        let both = Options { price_type: Some(price_type::MIDPOINT), ..stop(order_style::STOP) };
        assert_eq!(read(both, 1).err(), Some(RejectCode::NotTogether));
    }

    #[test]
    fn a_time_of_expiry_is_of_the_day_the_order_came() {
        let expiring = |seconds| Options { expire_time: Some(seconds), ..Options::default() };
        let (terms, _) = read(expiring(60), 10_000).expect("good options");
        assert_eq!(terms.expires_at, (3 * 86_400 + 60) * 1_000_000_000);
        assert_eq!(read(expiring(86_400), 10_000).err(), Some(RejectCode::ExpiryTime));
    }

    #[test]
    fn discretion_comes_as_the_price_it_goes_to() {
        let reaching = |price| Options { discretion_price: Some(price), ..Options::default() };
        let (terms, head) = read(reaching(10_500), 10_000).expect("good options");
        assert_eq!((terms.discretion, head.price), (Price(500), Price(10_500)));
        let (terms, head) = read(reaching(9_500), 10_000).expect("good options");
        assert_eq!((terms.discretion, head.price), (Price(-500), Price(9_500)));
        assert_eq!(read(reaching(10_000), 10_000).err(), Some(RejectCode::Discretion));
        let pegged = Options { price_type: Some(price_type::MIDPOINT), ..reaching(10_500) };
        assert_eq!(read(pegged, 10_000).err(), Some(RejectCode::Discretion));
    }

    #[test]
    fn what_nobody_offers_is_refused() {
        let varied = Options { random_reserves: Some(5), ..Options::default() };
        assert_eq!(read(varied, 1).err(), Some(RejectCode::DisplayQuantity));
        let followed = Options { discretion_price_type: Some(b'P'), ..Options::default() };
        assert_eq!(read(followed, 1).err(), Some(RejectCode::Discretion));
        let unknown = Options { wish: Some(b'?'), ..Options::default() };
        assert_eq!(read(unknown, 1).err(), Some(RejectCode::NotTogether));
    }
}
