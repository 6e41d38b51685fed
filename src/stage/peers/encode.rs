//! The way to a peer: a routed message as the OUCH message that asks the same of it.
//!
//! What OUCH cannot say becomes an order that no book takes, for its number must be used: the peer
//! refuses it, and its client is told so.

use crate::model::{
    Capacity, Command, CommandKind, Flags, Group, OrderType, Price, Quantity, Side, TermFlags,
    Terms, TimeInForce,
};
use crate::stage::gateway::{Symbols, since_midnight};
use crate::wire::ouch::codes::{
    MARKET_PRICE, QUANTITY_BOUND, capacity, cross_type, display, intermarket_sweep, order_style,
    post_only, price_type, side, time_in_force, wish,
};
use crate::wire::ouch::{
    Appendage, CancelOrderRequest, EnterOrder, Inbound, ModifyOrderRequest, OPTIONS_MAX, Options,
    ReplaceOrderRequest,
};

/// Writes a message and returns its length.
pub(super) fn encode(group: &Group<Command>, symbols: &Symbols, space: &mut [u8]) -> usize {
    let command = &group.head;
    let mut options = [0; OPTIONS_MAX];
    let inbound = match command.kind() {
        Some(CommandKind::Enter) => enter(group, symbols, &mut options),
        Some(CommandKind::Replace) => replace(group, &mut options),
        Some(CommandKind::Modify) => Inbound::ModifyOrderRequest(
            ModifyOrderRequest {
                user_ref_num: command.target,
                side: side_code(command),
                quantity: command.quantity.0,
            },
            Appendage::ABSENT,
        ),
        _ => Inbound::CancelOrderRequest(
            CancelOrderRequest { user_ref_num: command.target, quantity: command.quantity.0 },
            Appendage::ABSENT,
        ),
    };
    inbound.encode(space).unwrap_or(0)
}

fn enter<'a>(
    group: &Group<Command>,
    symbols: &Symbols,
    space: &'a mut [u8; OPTIONS_MAX],
) -> Inbound<'a> {
    let command = &group.head;
    let said = Said::of(group);
    let order = EnterOrder {
        user_ref_num: command.ordinal,
        side: side_code(command),
        quantity: said.quantity.0,
        symbol: symbols.name(command.instrument),
        price: said.price,
        time_in_force: said.time_in_force,
        display: display_code(command),
        capacity: capacity_code(command),
        intermarket_sweep: sweep_code(command),
        cross_type: said.cross_type,
        cl_ord_id: [b' '; 14],
    };
    let options = Options { firm: Some(command.account.code()), ..said.options };
    Inbound::EnterOrder(order, options.appendage(space))
}

fn replace<'a>(group: &Group<Command>, space: &'a mut [u8; OPTIONS_MAX]) -> Inbound<'a> {
    let command = &group.head;
    let mut said = Said::of(group);
    // A replacement is for continuous trading, and its group is that of the order it replaces.
    if said.cross_type != cross_type::CONTINUOUS {
        said.quantity = NOTHING;
    }
    let order = ReplaceOrderRequest {
        orig_user_ref_num: command.target,
        user_ref_num: command.ordinal,
        quantity: said.quantity.0,
        price: said.price,
        time_in_force: said.time_in_force,
        display: display_code(command),
        intermarket_sweep: sweep_code(command),
        cl_ord_id: [b' '; 14],
    };
    let options = Options { group_id: None, ..said.options };
    Inbound::ReplaceOrderRequest(order, options.appendage(space))
}

/// A quantity that no book takes.
const NOTHING: Quantity = Quantity(QUANTITY_BOUND);

/// An order in OUCH's words.
struct Said {
    quantity: Quantity,
    price: u64,
    time_in_force: u8,
    cross_type: u8,
    options: Options,
}

impl Said {
    fn of(group: &Group<Command>) -> Self {
        let command = &group.head;
        let terms = group.terms().copied().unwrap_or_default();
        let said = Self {
            quantity: command.quantity,
            price: command.price.0.max(0) as u64,
            time_in_force: time_in_force::DAY,
            cross_type: cross_type::CONTINUOUS,
            options: options_of(command, &terms),
        };
        said.with_life(command, &terms)
            .and_then(|said| said.with_style(command, &terms))
            .unwrap_or_else(|| Self {
                quantity: NOTHING,
                price: 1,
                time_in_force: time_in_force::DAY,
                cross_type: cross_type::CONTINUOUS,
                options: Options::default(),
            })
    }

    /// How long it lives; `None` where OUCH has no words for it.
    fn with_life(mut self, command: &Command, terms: &Terms) -> Option<Self> {
        (self.time_in_force, self.cross_type) = match command.time_in_force()? {
            TimeInForce::Day => (time_in_force::DAY, cross_type::CONTINUOUS),
            TimeInForce::Ioc => (time_in_force::IMMEDIATE_OR_CANCEL, cross_type::CONTINUOUS),
            TimeInForce::Fok => {
                self.options.min_qty = Some(command.quantity.0);
                (time_in_force::IMMEDIATE_OR_CANCEL, cross_type::CONTINUOUS)
            }
            TimeInForce::Gtc => (time_in_force::GOOD_TILL_CANCEL, cross_type::CONTINUOUS),
            TimeInForce::Gtd => {
                self.options.expire_time = Some(second_of_day(command, terms)?);
                (time_in_force::GOOD_TILL_TIME, cross_type::CONTINUOUS)
            }
            TimeInForce::AtOpen => (time_in_force::DAY, cross_type::OPENING),
            TimeInForce::AtClose => (time_in_force::DAY, cross_type::CLOSING),
            TimeInForce::GoodForAuction => (time_in_force::DAY, cross_type::HALT),
            TimeInForce::ExtendedHours => (time_in_force::EXTENDED_HOURS, cross_type::CONTINUOUS),
        };
        Some(self)
    }

    /// How its price is found.
    fn with_style(mut self, command: &Command, terms: &Terms) -> Option<Self> {
        let options = &mut self.options;
        match command.order_type()? {
            OrderType::Limit => {
                if terms.discretion != Price::ZERO {
                    let reach = command.price;
                    options.discretion_price = Some(reach.0.max(0) as u64);
                    self.price = (reach.0 - terms.discretion.0).max(0) as u64;
                }
            }
            OrderType::Market => self.price = MARKET_PRICE,
            OrderType::MarketToLimit => {
                self.price = MARKET_PRICE;
                options.order_style = Some(order_style::MARKET_TO_LIMIT);
            }
            OrderType::Stop => {
                self.price = MARKET_PRICE;
                options.order_style = Some(order_style::STOP);
            }
            OrderType::StopLimit => options.order_style = Some(order_style::STOP_LIMIT),
            OrderType::TrailingStop => {
                self.price = MARKET_PRICE;
                options.order_style = Some(order_style::TRAILING_STOP);
                options.trail = Some(u32::try_from(terms.offset.0).ok()?);
            }
            OrderType::PegPrimary => options.price_type = Some(price_type::PRIMARY_PEG),
            OrderType::PegMarket => options.price_type = Some(price_type::MARKET_PEG),
            OrderType::PegMidpoint => options.price_type = Some(price_type::MIDPOINT_PEG),
        }
        if options.price_type.is_some() && terms.offset != Price::ZERO {
            options.peg_offset = Some(i32::try_from(terms.offset.0).ok()?);
        }
        let is_both = terms.flags.has(TermFlags::ALL_OR_NONE.with(TermFlags::SLIDE));
        (!is_both).then_some(self)
    }
}

/// What is said by options alone.
fn options_of(command: &Command, terms: &Terms) -> Options {
    let asked = |quantity: Quantity| (quantity != Quantity::ZERO).then_some(quantity.0);
    Options {
        post_only: command.flags.has(Flags::POST_ONLY).then_some(post_only::POST_ONLY),
        min_qty: asked(terms.minimum),
        max_floor: asked(terms.displayed),
        group_id: (terms.group != 0).then_some(terms.group),
        stop_price: (terms.stop_price != Price::ZERO).then_some(terms.stop_price.0.max(0) as u64),
        wish: if terms.flags.has(TermFlags::ALL_OR_NONE) {
            Some(wish::ALL_OR_NONE)
        } else {
            terms.flags.has(TermFlags::SLIDE).then_some(wish::SLIDE)
        },
        ..Options::default()
    }
}

/// The second of the order's day at which it expires; a peer is told of no other day.
fn second_of_day(command: &Command, terms: &Terms) -> Option<u32> {
    const SECOND: u64 = 1_000_000_000;
    let midnight = command.timestamp.0 - since_midnight(command.timestamp);
    let second = terms.expires_at.checked_sub(midnight)? / SECOND;
    u32::try_from(second).ok().filter(|second| *second < 86_400)
}

fn side_code(command: &Command) -> u8 {
    match command.side() {
        Some(Side::Buy) => side::BUY,
        Some(Side::SellShort) => side::SELL_SHORT,
        Some(Side::SellShortExempt) => side::SELL_SHORT_EXEMPT,
        Some(Side::Sell) | None => side::SELL,
    }
}

fn display_code(command: &Command) -> u8 {
    if command.flags.has(Flags::HIDDEN) { display::HIDDEN } else { display::VISIBLE }
}

fn sweep_code(command: &Command) -> u8 {
    match command.flags.has(Flags::SWEEP) {
        true => intermarket_sweep::ELIGIBLE,
        false => intermarket_sweep::NOT_ELIGIBLE,
    }
}

fn capacity_code(command: &Command) -> u8 {
    match command.flags.capacity() {
        Capacity::Agency => capacity::AGENCY,
        Capacity::Principal => capacity::PRINCIPAL,
        Capacity::Riskless => capacity::RISKLESS,
        Capacity::Other => capacity::OTHER,
    }
}
