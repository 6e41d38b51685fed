//! What the course makes of each message: it is checked, answered as a gateway would, and taken as
//! the step that was waited for, or not.

use crate::client::certify::udp::order::{mistakes, replacement_mistakes};
use crate::client::certify::udp::{Open, UdpCourse};
use crate::model::{Nanos, RejectCode};
use crate::wire::ouch::codes::{cancel_reason, liquidity, order_state, time_in_force};
use crate::wire::ouch::{
    AccountQueryResponse, Appendage, CancelOrderRequest, CancelReject, DisableOrderEntryResponse,
    EnableOrderEntryResponse, EnterOrder, Inbound, MassCancelResponse, ModifyOrderRequest,
    OrderAccepted, OrderCanceled, OrderExecuted, OrderModified, OrderReplaced, Outbound, Rejected,
    ReplaceOrderRequest,
};

impl UdpCourse {
    fn reply(&mut self, message: &Outbound<'_>) -> u64 {
        let number = self.session.push(|bytes| message.encode(bytes).unwrap_or(0));
        number.unwrap_or(0)
    }

    /// Takes a message in its turn.
    pub(super) fn message(&mut self, bytes: &[u8], now: Nanos) {
        let message = match Inbound::decode(bytes) {
            Ok(message) => message,
            Err(cause) => {
                let kind = bytes.first().copied().unwrap_or(0).escape_ascii();
                self.progress.mistake(format!(
                    "a message `{kind}` of {} bytes cannot be read: {}",
                    bytes.len(),
                    cause.sentence()
                ));
                if let Some(number) = Inbound::user_ref_num_of(bytes) {
                    self.reject(number, RejectCode::Unsupported, [b' '; 14], now);
                }
                return;
            }
        };
        match message {
            Inbound::EnterOrder(order, _) => self.enter(&order, now),
            Inbound::ReplaceOrderRequest(order, _) => self.replace(&order, now),
            Inbound::CancelOrderRequest(cancel, _) => self.cancel(&cancel, now),
            Inbound::ModifyOrderRequest(modify, _) => self.modify(&modify, now),
            Inbound::MassCancelRequest(mass, _) => {
                let (user_ref_num, firm, symbol) = (mass.user_ref_num, mass.firm, mass.symbol);
                let timestamp = now.0;
                let answer = MassCancelResponse { timestamp, user_ref_num, firm, symbol };
                self.reply(&Outbound::MassCancelResponse(answer, Appendage::EMPTY));
                for number in self.orders.keys().copied().collect::<Vec<_>>() {
                    self.take_away(number, u32::MAX, cancel_reason::USER, now);
                }
                self.finish("mass cancel", "MassCancelRequest (C)", now);
            }
            Inbound::DisableOrderEntryRequest(one, _) => {
                let (user_ref_num, firm, timestamp) = (one.user_ref_num, one.firm, now.0);
                let answer = DisableOrderEntryResponse { timestamp, user_ref_num, firm };
                self.reply(&Outbound::DisableOrderEntryResponse(answer, Appendage::EMPTY));
                self.finish("disable", "DisableOrderEntryRequest (D)", now);
            }
            Inbound::EnableOrderEntryRequest(one, _) => {
                let (user_ref_num, firm, timestamp) = (one.user_ref_num, one.firm, now.0);
                let answer = EnableOrderEntryResponse { timestamp, user_ref_num, firm };
                self.reply(&Outbound::EnableOrderEntryResponse(answer, Appendage::EMPTY));
                self.finish("enable", "EnableOrderEntryRequest (E)", now);
            }
            Inbound::AccountQueryRequest(..) => {
                let next_user_ref_num = self.last_number.saturating_add(1);
                let answer = AccountQueryResponse { timestamp: now.0, next_user_ref_num };
                self.reply(&Outbound::AccountQueryResponse(answer, Appendage::ABSENT));
                self.finish("number", "", now);
            }
        }
    }

    /// Goes on where this step was waited for; says so where another one was.
    fn finish(&mut self, name: &str, came: &str, now: Nanos) {
        if self.progress.done(name) {
            self.began = now;
        } else if !came.is_empty() {
            let asks = self.progress.asks();
            self.progress.mistake(format!("{came} came; this was asked for: {asks}"));
        }
    }

    fn enter(&mut self, order: &EnterOrder, now: Nanos) {
        let wrong = mistakes(order, self.last_number, &self.symbol);
        let number = order.user_ref_num;
        self.last_number = self.last_number.max(number);
        if !wrong.is_empty() {
            wrong.into_iter().for_each(|what| self.progress.mistake(what));
            return self.reject(number, RejectCode::Unsupported, order.cl_ord_id, now);
        }
        let is_immediate = order.time_in_force == time_in_force::IMMEDIATE_OR_CANCEL;
        if self.progress.name() == "refused" {
            self.reject(number, RejectCode::PriceCollar, order.cl_ord_id, now);
            return self.finish("refused", "", now);
        }
        let accepted = self.accept(order, now);
        match self.progress.name() {
            "enter" if is_immediate || order.quantity < 2 => self
                .progress
                .mistake("this order is to rest: time in force `0`, quantity 2 or more".to_owned()),
            "enter" => {
                self.finish("enter", "", now);
                self.awaited = self.execute(number, order.quantity / 2, now);
            }
            "immediate" if is_immediate => self.finish("immediate", "", now),
            "immediate" => self.progress.mistake("time in force is to be `3`".to_owned()),
            "gap" => self.missing = Some(accepted),
            "loss" => {}
            _ => {
                let asks = self.progress.asks();
                self.progress.mistake(format!("EnterOrder (O) came; asked for was: {asks}"));
            }
        }
        if is_immediate {
            self.take_away(number, u32::MAX, cancel_reason::IMMEDIATE, now);
        }
    }

    fn accept(&mut self, order: &EnterOrder, now: Nanos) -> u64 {
        self.reference += 1;
        self.orders.insert(order.user_ref_num, Open { order: *order, left: order.quantity });
        let answer = OrderAccepted {
            timestamp: now.0,
            user_ref_num: order.user_ref_num,
            side: order.side,
            quantity: order.quantity,
            symbol: order.symbol,
            price: order.price,
            time_in_force: order.time_in_force,
            display: order.display,
            order_reference_number: self.reference,
            capacity: order.capacity,
            intermarket_sweep: order.intermarket_sweep,
            cross_type: order.cross_type,
            order_state: order_state::LIVE,
            cl_ord_id: order.cl_ord_id,
        };
        self.reply(&Outbound::OrderAccepted(answer, Appendage::EMPTY))
    }

    fn execute(&mut self, number: u32, quantity: u32, now: Nanos) -> u64 {
        let Some(open) = self.orders.get_mut(&number) else { return 0 };
        open.left -= quantity;
        let fill = OrderExecuted {
            timestamp: now.0,
            user_ref_num: number,
            quantity,
            price: open.order.price,
            liquidity_flag: liquidity::ADDED,
            match_number: 1,
        };
        self.reply(&Outbound::OrderExecuted(fill, Appendage::EMPTY))
    }

    fn reject(&mut self, user_ref_num: u32, code: RejectCode, cl_ord_id: [u8; 14], now: Nanos) {
        let answer = Rejected { timestamp: now.0, user_ref_num, reason: code.ouch(), cl_ord_id };
        self.reply(&Outbound::Rejected(answer, Appendage::ABSENT));
    }

    /// Takes away so much of what is left of an order, and tells its owner.
    fn take_away(&mut self, user_ref_num: u32, quantity: u32, reason: u8, now: Nanos) {
        let Some(open) = self.orders.get_mut(&user_ref_num) else { return };
        let quantity = quantity.min(open.left);
        open.left -= quantity;
        if open.left == 0 {
            self.orders.remove(&user_ref_num);
        }
        let answer = OrderCanceled { timestamp: now.0, user_ref_num, quantity, reason };
        self.reply(&Outbound::OrderCanceled(answer, Appendage::ABSENT));
    }

    /// Whether an order is open; if it is not, its owner is told in both ways.
    fn knows(&mut self, user_ref_num: u32, now: Nanos) -> bool {
        if self.orders.contains_key(&user_ref_num) {
            return true;
        }
        let open: Vec<_> = self.orders.keys().map(u32::to_string).collect();
        let open = if open.is_empty() { "none".to_owned() } else { open.join(", ") };
        self.progress.mistake(format!("order {user_ref_num} is not open; open are: {open}"));
        let answer = CancelReject { timestamp: now.0, user_ref_num };
        self.reply(&Outbound::CancelReject(answer, Appendage::ABSENT));
        false
    }

    fn replace(&mut self, order: &ReplaceOrderRequest, now: Nanos) {
        let wrong = replacement_mistakes(order, self.last_number);
        let number = order.user_ref_num;
        self.last_number = self.last_number.max(number);
        let old = self.orders.get(&order.orig_user_ref_num).copied();
        let Some(old) = old.filter(|_| wrong.is_empty()) else {
            if wrong.is_empty() {
                let orig = order.orig_user_ref_num;
                self.progress.mistake(format!("order {orig}, to be replaced, is not open"));
            }
            wrong.into_iter().for_each(|what| self.progress.mistake(what));
            return self.reject(number, RejectCode::UnknownOrder, order.cl_ord_id, now);
        };
        self.orders.remove(&order.orig_user_ref_num);
        self.reference += 1;
        let executed = old.order.quantity - old.left;
        let left = order.quantity.saturating_sub(executed);
        let price = order.price;
        let whole = EnterOrder { quantity: order.quantity, price, ..old.order };
        self.orders.insert(number, Open { order: whole, left });
        let answer = OrderReplaced {
            timestamp: now.0,
            orig_user_ref_num: order.orig_user_ref_num,
            user_ref_num: number,
            side: old.order.side,
            quantity: left,
            symbol: old.order.symbol,
            price,
            time_in_force: order.time_in_force,
            display: order.display,
            order_reference_number: self.reference,
            capacity: old.order.capacity,
            intermarket_sweep: order.intermarket_sweep,
            cross_type: old.order.cross_type,
            order_state: order_state::LIVE,
            cl_ord_id: order.cl_ord_id,
        };
        self.reply(&Outbound::OrderReplaced(answer, Appendage::EMPTY));
        if order.quantity <= executed {
            self.progress.mistake(format!(
                "quantity {} of a replacement is the total of the chain, and {executed} of it \
                 traded already: nothing would be left",
                order.quantity
            ));
        }
        self.finish("replace", "ReplaceOrderRequest (U)", now);
    }

    fn modify(&mut self, modify: &ModifyOrderRequest, now: Nanos) {
        if !self.knows(modify.user_ref_num, now) {
            return;
        }
        let Some(open) = self.orders.get_mut(&modify.user_ref_num) else { return };
        let executed = open.order.quantity - open.left;
        if modify.quantity >= open.order.quantity || modify.quantity <= executed {
            let (least, most) = (executed + 1, open.order.quantity - 1);
            return self.progress.mistake(format!(
                "quantity {} does not reduce the order: its new total is {least} to {most}",
                modify.quantity
            ));
        }
        open.left = modify.quantity - executed;
        open.order.quantity = modify.quantity;
        let (user_ref_num, side) = (modify.user_ref_num, modify.side);
        let (timestamp, quantity) = (now.0, open.left);
        let answer = OrderModified { timestamp, user_ref_num, side, quantity };
        self.reply(&Outbound::OrderModified(answer, Appendage::ABSENT));
        self.finish("modify", "ModifyOrderRequest (M)", now);
    }

    fn cancel(&mut self, cancel: &CancelOrderRequest, now: Nanos) {
        if !self.knows(cancel.user_ref_num, now) {
            return;
        }
        let Some(open) = self.orders.get(&cancel.user_ref_num) else { return };
        let executed = open.order.quantity - open.left;
        let left = cancel.quantity.saturating_sub(executed);
        let quantity = open.left.saturating_sub(left);
        self.take_away(cancel.user_ref_num, quantity, cancel_reason::USER, now);
        if cancel.quantity != 0 {
            let total = cancel.quantity;
            self.progress.mistake(format!(
                "quantity {total} is the order's new total, not what is taken away; 0 takes all"
            ));
        } else {
            self.finish("cancel", "CancelOrderRequest (X)", now);
        }
    }
}
