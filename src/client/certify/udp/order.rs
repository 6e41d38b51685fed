//! What may be wrong with an order, in sentences that name the field, the rule and the way out.

use crate::wire::ouch::codes::{GROUPS, MARKET_PRICE, PRICE_MAX, QUANTITY_BOUND};
use crate::wire::ouch::{EnterOrder, ReplaceOrderRequest};

/// Everything that is wrong with an order; nothing where it is good.
pub(super) fn mistakes(order: &EnterOrder, last: u32, symbol: &[u8; 8]) -> Vec<String> {
    let mut all = Vec::new();
    number(&mut all, order.user_ref_num, last);
    code(&mut all, "side", order.side);
    quantity(&mut all, order.quantity);
    all.extend(symbol_mistake(&order.symbol, symbol));
    price(&mut all, order.price);
    code(&mut all, "time_in_force", order.time_in_force);
    code(&mut all, "display", order.display);
    code(&mut all, "capacity", order.capacity);
    code(&mut all, "intermarket_sweep", order.intermarket_sweep);
    code(&mut all, "cross_type", order.cross_type);
    all
}

/// The same of a replacement.
pub(super) fn replacement_mistakes(order: &ReplaceOrderRequest, last: u32) -> Vec<String> {
    let mut all = Vec::new();
    number(&mut all, order.user_ref_num, last);
    quantity(&mut all, order.quantity);
    price(&mut all, order.price);
    code(&mut all, "time_in_force", order.time_in_force);
    code(&mut all, "display", order.display);
    code(&mut all, "intermarket_sweep", order.intermarket_sweep);
    all
}

fn number(all: &mut Vec<String>, number: u32, last: u32) {
    if number <= last {
        all.push(format!(
            "user_ref_num {number} is not above {last}, the last one used: each order and each \
             replacement takes a new, higher number"
        ));
    }
}

fn quantity(all: &mut Vec<String>, quantity: u32) {
    if quantity == 0 || quantity >= QUANTITY_BOUND {
        all.push(format!(
            "quantity is {quantity}: it is at least 1 and below {QUANTITY_BOUND}; is it big-endian?"
        ));
    }
}

fn price(all: &mut Vec<String>, price: u64) {
    if price != MARKET_PRICE && (price == 0 || price > PRICE_MAX) {
        all.push(format!(
            "price is {price}: with four implied decimals it is 1 to {PRICE_MAX}, or \
             {MARKET_PRICE} for a market order; 299.50 is 2995000"
        ));
    }
}

fn symbol_mistake(symbol: &[u8; 8], wanted: &[u8; 8]) -> Option<String> {
    let name = |symbol: &[u8; 8]| String::from_utf8_lossy(symbol).trim_end().to_owned();
    if symbol == wanted {
        return None;
    }
    Some(match symbol.contains(&0) {
        true => format!(
            "symbol has zero bytes: text is padded with blanks, as `{}`",
            String::from_utf8_lossy(wanted)
        ),
        false => format!("symbol is `{}`: this course trades `{}`", name(symbol), name(wanted)),
    })
}

fn code(all: &mut Vec<String>, field: &str, code: u8) {
    let Some((_, _, codes)) = GROUPS.iter().find(|(group, ..)| *group == field) else { return };
    if codes.iter().any(|(_, known)| *known == code) {
        return;
    }
    let known = codes.iter().map(|(name, code)| {
        format!("`{}` {}", char::from(*code), name.to_ascii_lowercase().replace('_', " "))
    });
    let known: Vec<_> = known.collect();
    let code = code.escape_ascii();
    all.push(format!("{field} is `{code}`: it is one of {}", known.join(", ")));
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: EnterOrder = EnterOrder {
        user_ref_num: 5,
        side: b'B',
        quantity: 100,
        symbol: *b"ACME    ",
        price: 299_5000,
        time_in_force: b'0',
        display: b'Y',
        capacity: b'P',
        intermarket_sweep: b'N',
        cross_type: b'N',
        cl_ord_id: [b' '; 14],
    };

    fn of(change: impl FnOnce(&mut EnterOrder)) -> Vec<String> {
        let mut order = GOOD;
        change(&mut order);
        mistakes(&order, 4, b"ACME    ")
    }

    #[test]
    fn each_field_that_is_wrong_is_named_with_what_it_may_be() {
        assert_eq!(of(|_| ()), Vec::<String>::new());
        let one = |change: fn(&mut EnterOrder), words: &str| {
            let told = of(change);
            assert!(told.len() == 1 && told[0].contains(words), "{words}: {told:?}");
        };
        one(|order| order.user_ref_num = 4, "not above 4");
        one(|order| order.side = b'X', "`B` buy");
        one(|order| order.quantity = 0, "at least 1");
        one(|order| order.quantity = 100u32.swap_bytes(), "big-endian");
        one(|order| order.symbol = *b"ACME\0\0\0\0", "padded with blanks");
        one(|order| order.symbol = *b"NOPE    ", "trades `ACME`");
        one(|order| order.price = 0, "four implied decimals");
        one(|order| order.time_in_force = b'9', "time_in_force is `9`");
        one(|order| order.display = 0, "display is `\\x00`");
        one(|order| order.capacity = b'x', "capacity");
        one(|order| order.cross_type = b'?', "cross_type");
    }
}
