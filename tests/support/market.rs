//! The market as a listener of the feed sees it: every order shown, by its public reference.

use std::collections::BTreeMap;

use wirematch::engine::BookView;
use wirematch::model::InstrumentId;
use wirematch::wire::itch::Message;

/// What is known of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub instrument: InstrumentId,
    pub buys: bool,
    pub price: i64,
    pub quantity: u32,
}

/// By public reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Market(pub BTreeMap<u64, Shown>);

impl Market {
    /// Takes the next message of the feed.
    pub fn take(&mut self, message: &Message) {
        match message {
            Message::AddOrder(add) => {
                let shown = Shown {
                    instrument: InstrumentId(u32::from(add.stock_locate)),
                    buys: add.buy_sell_indicator == b'B',
                    price: i64::from(add.price),
                    quantity: add.shares,
                };
                let before = self.0.insert(add.order_reference_number, shown);
                assert_eq!(before, None, "a reference is used once");
            }
            Message::OrderExecuted(fill) => {
                self.shrink(fill.order_reference_number, fill.executed_shares);
            }
            Message::OrderExecutedWithPrice(fill) => {
                self.shrink(fill.order_reference_number, fill.executed_shares);
            }
            Message::OrderCancel(cancel) => {
                self.shrink(cancel.order_reference_number, cancel.canceled_shares);
            }
            Message::OrderDelete(delete) => {
                let gone = self.0.remove(&delete.order_reference_number);
                assert!(gone.is_some(), "what is deleted was shown: {delete:?}");
            }
            Message::OrderReplace(replace) => {
                let old = self.0.remove(&replace.original_order_reference_number);
                let old = old.expect("what is replaced was shown");
                let (price, quantity) = (i64::from(replace.price), replace.shares);
                let shown = Shown { price, quantity, ..old };
                self.0.insert(replace.new_order_reference_number, shown);
            }
            _ => {}
        }
    }

    fn shrink(&mut self, reference: u64, by: u32) {
        let shown = self.0.get_mut(&reference).expect("what shrinks was shown");
        shown.quantity = shown.quantity.checked_sub(by).expect("no more goes than was shown");
        if shown.quantity == 0 {
            self.0.remove(&reference);
        }
    }

    /// The market as the matcher has it.
    pub fn of(matcher: &impl BookView) -> Self {
        let mut market = Self::default();
        matcher.for_each_order(&mut |standing| {
            let order = standing.order;
            let shown = Shown {
                instrument: order.instrument,
                buys: order.side.is_buy(),
                price: order.price.0,
                quantity: standing.front.0,
            };
            if standing.is_shown() {
                market.0.insert(standing.shown.0, shown);
            }
        });
        market
    }
}
