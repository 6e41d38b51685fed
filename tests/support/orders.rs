//! OUCH messages for tests: a good order to be spoilt, and a random mix of all that a client says.

use wirematch::flow::Dice;
use wirematch::model::AccountId;
use wirematch::wire::ouch::codes::{
    MARKET_PRICE, capacity, cross_type, display, intermarket_sweep, order_style, post_only,
    price_type, side, time_in_force, wish,
};
use wirematch::wire::ouch::{
    AccountQueryRequest, Appendage, CancelOrderRequest, Inbound, MESSAGE_MAX, MassCancelRequest,
    ModifyOrderRequest, OPTIONS_MAX, Options, ReplaceOrderRequest,
};

pub use wirematch::wire::ouch::EnterOrder;

use super::client::View;
use super::{ACCOUNTS, REFERENCE, SYMBOLS, TICK};

/// A good limit order for one share at the reference price.
pub fn order(user_ref_num: u32) -> EnterOrder {
    EnterOrder {
        user_ref_num,
        side: side::BUY,
        quantity: 1,
        symbol: SYMBOLS[0],
        price: REFERENCE,
        time_in_force: time_in_force::DAY,
        display: display::VISIBLE,
        capacity: capacity::PRINCIPAL,
        intermarket_sweep: intermarket_sweep::NOT_ELIGIBLE,
        cross_type: cross_type::CONTINUOUS,
        cl_ord_id: *b"order         ",
    }
}

/// A message as bytes.
pub fn bytes(message: &Inbound<'_>) -> Vec<u8> {
    let mut space = [0; MESSAGE_MAX];
    let length = message.encode(&mut space).expect("a message fits its longest length");
    space[..length].to_vec()
}

/// An order as bytes, without options.
pub fn enter(order: EnterOrder) -> Vec<u8> {
    bytes(&Inbound::EnterOrder(order, Appendage::EMPTY))
}

/// A cancel of all that is left of an order, as bytes.
pub fn cancel(user_ref_num: u32) -> Vec<u8> {
    let cancel = CancelOrderRequest { user_ref_num, quantity: 0 };
    bytes(&Inbound::CancelOrderRequest(cancel, Appendage::ABSENT))
}

/// Whether a message takes a UserRefNum.
pub fn uses_number(message: &[u8]) -> bool {
    matches!(message.first(), Some(b'O' | b'U'))
}

/// Any message a client might send next, most of them good.
pub fn random(dice: &mut Dice, next: u32, view: &View) -> Vec<u8> {
    match dice.below(100) {
        0..60 => random_enter(dice, next),
        60..78 => {
            let quantity = if dice.percent(70) { 0 } else { 1 + dice.below(60) as u32 };
            let cancel = CancelOrderRequest { user_ref_num: known(dice, next, view), quantity };
            bytes(&Inbound::CancelOrderRequest(cancel, Appendage::ABSENT))
        }
        78..91 => {
            let replace = ReplaceOrderRequest {
                orig_user_ref_num: known(dice, next, view),
                user_ref_num: next,
                quantity: 1 + dice.below(120) as u32,
                price: price(dice),
                time_in_force: time_in_force::DAY,
                display: display::VISIBLE,
                intermarket_sweep: intermarket_sweep::NOT_ELIGIBLE,
                cl_ord_id: *b"replacement   ",
            };
            bytes(&Inbound::ReplaceOrderRequest(replace, Appendage::EMPTY))
        }
        91..96 => {
            let modify = ModifyOrderRequest {
                user_ref_num: known(dice, next, view),
                side: *pick(dice, &[side::SELL, side::SELL_SHORT, side::BUY]),
                quantity: 1 + dice.below(60) as u32,
            };
            bytes(&Inbound::ModifyOrderRequest(modify, Appendage::ABSENT))
        }
        96..98 => {
            let symbol = *pick(dice, &[SYMBOLS[0], SYMBOLS[1], [b' '; 8], *b"NOBODY  "]);
            let mass = MassCancelRequest { user_ref_num: 0, firm: *b"0001", symbol };
            bytes(&Inbound::MassCancelRequest(mass, Appendage::EMPTY))
        }
        _ => bytes(&Inbound::AccountQueryRequest(AccountQueryRequest {}, Appendage::ABSENT)),
    }
}

fn random_enter(dice: &mut Dice, next: u32) -> Vec<u8> {
    let mut order = EnterOrder {
        side: *pick(dice, &[side::BUY, side::BUY, side::SELL, side::SELL_SHORT]),
        quantity: 1 + dice.below(100) as u32,
        symbol: *pick(dice, &SYMBOLS),
        price: price(dice),
        ..order(next)
    };
    let account = AccountId(1 + dice.below(u64::from(ACCOUNTS)) as u32);
    let mut options = Options { firm: Some(account.code()), ..Options::default() };
    match dice.below(100) {
        0..12 => order.time_in_force = time_in_force::IMMEDIATE_OR_CANCEL,
        12..16 => {
            order.time_in_force = time_in_force::IMMEDIATE_OR_CANCEL;
            options.min_qty = Some(order.quantity);
        }
        16..20 => order.price = MARKET_PRICE,
        20..25 => options.post_only = Some(post_only::POST_ONLY),
        25..28 => order.price += 1,
        28..30 => order.symbol = *b"NOBODY  ",
        30..32 => order.quantity = 0,
        32..34 => order.price *= 2,
        34..64 => ask_more(dice, &mut order, &mut options),
        _ => {}
    }
    let mut space = [0; OPTIONS_MAX];
    bytes(&Inbound::EnterOrder(order, options.appendage(&mut space)))
}

/// Makes an order one of a type that is not plain; most combinations are good.
fn ask_more(dice: &mut Dice, order: &mut EnterOrder, options: &mut Options) {
    let buys = order.side == side::BUY;
    let few = TICK * (1 + dice.below(8));
    let (ahead, behind) = match buys {
        true => (order.price + few, order.price - few),
        false => (order.price - few, order.price + few),
    };
    match dice.below(15) {
        0 | 1 => options.max_floor = Some(1 + dice.below(20) as u32),
        2 => order.display = display::HIDDEN,
        3 => {
            order.display = display::HIDDEN;
            options.min_qty = Some(1 + dice.below(30) as u32);
        }
        4 => {
            order.display = display::HIDDEN;
            options.wish = Some(wish::ALL_OR_NONE);
        }
        5 => options.discretion_price = Some(ahead),
        6 => options.price_type = Some(price_type::PRIMARY_PEG),
        7 => options.price_type = Some(price_type::MIDPOINT_PEG),
        8 => {
            options.price_type = Some(price_type::MARKET_PEG);
            options.peg_offset = Some(if buys { -(few as i32) } else { few as i32 });
        }
        9 => {
            options.order_style = Some(order_style::STOP);
            options.stop_price = Some(if dice.percent(50) { ahead } else { behind });
        }
        10 => {
            options.order_style = Some(order_style::STOP_LIMIT);
            options.stop_price = Some(ahead);
        }
        11 => {
            order.price = MARKET_PRICE;
            options.order_style = Some(order_style::TRAILING_STOP);
            options.trail = Some(few as u32);
        }
        12 => {
            order.price = MARKET_PRICE;
            options.order_style = Some(order_style::MARKET_TO_LIMIT);
        }
        13 => {
            options.post_only = Some(post_only::POST_ONLY);
            options.wish = Some(wish::SLIDE);
        }
        _ => order.time_in_force = time_in_force::GOOD_TILL_CANCEL,
    }
    options.group_id = dice.percent(20).then_some(1 + dice.below(3) as u16);
}

/// An order that was entered once: an open one as a rule.
fn known(dice: &mut Dice, next: u32, view: &View) -> u32 {
    let open = view.open.len() as u64;
    match open > 0 && dice.percent(85) {
        true => *view.open.keys().nth(dice.below(open) as usize).expect("one of them"),
        false => 1 + dice.below(u64::from(next)) as u32,
    }
}

/// A price near the reference.
fn price(dice: &mut Dice) -> u64 {
    REFERENCE - 20 * TICK + dice.below(41) * TICK
}

fn pick<'a, T>(dice: &mut Dice, from: &'a [T]) -> &'a T {
    &from[dice.below(from.len() as u64) as usize]
}
