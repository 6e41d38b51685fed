//! The course of binary order entry: the server's own session, and answers without a market.

use std::collections::BTreeMap;

use crate::client::certify::order::{mistakes, replacement_mistakes};
use crate::client::certify::{News, Progress, Step};
use crate::model::{Nanos, RejectCode};
use crate::wire::ouch::codes::{cancel_reason, liquidity, order_state, time_in_force};
use crate::wire::ouch::{
    AccountQueryResponse, Appendage, CancelOrderRequest, CancelReject, DisableOrderEntryResponse,
    EnableOrderEntryResponse, EnterOrder, Inbound, MassCancelResponse, ModifyOrderRequest,
    OrderAccepted, OrderCanceled, OrderExecuted, OrderModified, OrderReplaced, Outbound, Rejected,
    ReplaceOrderRequest,
};
use crate::wire::session::control::is_control;
use crate::wire::session::{
    Control, Delivery, LoginRejectCode, PACKET_MAX, Packet, Retransmit, ServerConfig,
    ServerSession, login_of, parse, write_login_reject,
};

macro_rules! steps {
    ($($name:literal: $asks:literal;)+) => {
        const STEPS: &[Step] = &[$(Step { name: $name, asks: $asks },)+];
    };
}

steps! {
    "login": "Log in: Login (0x81) with the session's number, a nonce that rises, and the HMAC of \
              your secret.";
    "number": "Ask for your next order number: AccountQueryRequest (Q).";
    "enter": "Enter an order that rests: EnterOrder (O), time in force 0, quantity 2 or more.";
    "fill": "Half of it trades: take OrderExecuted (E) and acknowledge it with Ack (0x84).";
    "replace": "Replace it: ReplaceOrderRequest (U), with a new user_ref_num.";
    "modify": "Reduce it: ModifyOrderRequest (M), with the user_ref_num it has now.";
    "cancel": "Take it away: CancelOrderRequest (X), quantity 0.";
    "immediate": "Enter an order that is immediate or cancel: time in force 3. Nothing trades.";
    "refused": "Enter an order that rests: it is refused (J), and its number is used up.";
    "loss": "Enter another: its first packet is lost. Send the same bytes again, same number.";
    "gap": "Enter another: our answer is lost. Ask for it: RetransmitRequest (0x86).";
    "mass cancel": "Take all your orders away: MassCancelRequest (C).";
    "disable": "Shut order entry for your firm: DisableOrderEntryRequest (D).";
    "enable": "Open it again: EnableOrderEntryRequest (E).";
    "quiet": "Send nothing but heartbeats for a while: at least one in each interval.";
    "logout": "Leave: Logout (0x87), and wait for the end of session.";
}

/// Messages taken from one packet.
const ROOM: usize = 64;

/// The longest a gap in a client's numbers is held open: whoever learns takes time.
const HOLD: Nanos = Nanos(1_000_000_000);

/// An order as it stands.
#[derive(Clone, Copy, Debug)]
struct Open {
    order: EnterOrder,
    left: u32,
}

/// What a session handed on, kept until the session can be spoken to again.
enum Came {
    Message(u64, Vec<u8>),
    NotApplied(u64, u32),
    Lacks(u64, u16),
    Left,
    Silent,
}

/// The course.
pub struct UdpCourse {
    port: u16,
    key: Vec<u8>,
    symbol: [u8; 8],
    heartbeat: Nanos,
    session: ServerSession,
    progress: Progress,
    orders: BTreeMap<u32, Open>,
    last_number: u32,
    reference: u64,
    /// The reply whose acknowledgement is waited for.
    awaited: u64,
    /// The message that was lost on purpose.
    lost: Option<(u64, Vec<u8>)>,
    /// The reply that is to be lost, or was.
    missing: Option<u64>,
    began: Nanos,
}

impl UdpCourse {
    /// For the session of a number and secret, in an instrument.
    pub fn new(port: u16, key: &[u8], symbol: [u8; 8], heartbeat: Nanos) -> Self {
        let config = ServerConfig { heartbeat, hold: HOLD, ..ServerConfig::default() };
        Self {
            port,
            key: key.to_vec(),
            symbol,
            heartbeat,
            session: ServerSession::new(config),
            progress: Progress::new(STEPS),
            orders: BTreeMap::new(),
            last_number: 0,
            reference: 0,
            awaited: 0,
            lost: None,
            missing: None,
            began: Nanos::ZERO,
        }
    }

    /// Every step.
    pub const fn steps() -> &'static [Step] {
        STEPS
    }

    /// What happened since this was asked last.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.progress.news)
    }

    /// Takes a datagram; answers go to `send`.
    pub fn receive(&mut self, bytes: &[u8], now: Nanos, send: &mut dyn FnMut(&[u8])) {
        let packet = match parse(bytes) {
            Ok(packet) => packet,
            Err(cause) => {
                return self.progress.mistake(format!(
                    "a datagram of {} bytes is no packet: {}; a packet is a token of 10 bytes, a \
                     number of 8, a count of 2, then blocks behind their lengths",
                    bytes.len(),
                    cause.sentence()
                ));
            }
        };
        if let Some(login) = login_of(&packet) {
            return self.log_in(&login, now, send);
        }
        if !self.session.is_up() && self.progress.name() == "login" {
            return self.progress.mistake("a packet came before a Login (0x81)".to_owned());
        }
        if self.is_lost(&packet) {
            return;
        }
        self.note_acknowledgement(&packet);
        let (ignored, mut came) = (self.session.counters().ignored, Vec::new());
        self.session.receive(&packet, now, ROOM, &mut |delivery| came.extend(kept(delivery)));
        if self.session.counters().ignored > ignored {
            self.progress.mistake(format!(
                "a packet has the token `{}`: after a login every packet has the one that LoginAck \
                 brought, `{}`",
                packet.session().escape_ascii(),
                self.session.token().escape_ascii()
            ));
        }
        self.take(came, now, send);
    }

    /// Lets time pass; what is due goes to `send`.
    pub fn poll(&mut self, now: Nanos, send: &mut dyn FnMut(&[u8])) {
        let mut came = Vec::new();
        self.session.poll(now, ROOM, &mut |delivery| came.extend(kept(delivery)));
        self.take(came, now, send);
        if self.progress.name() == "quiet" && self.session.is_up() {
            let since = now.saturating_sub(self.began).0;
            if since > 4 * self.heartbeat.0 {
                self.progress.done("quiet");
            }
        }
        self.speak(now, send);
    }

    fn log_in(
        &mut self,
        login: &crate::wire::session::Login,
        now: Nanos,
        send: &mut dyn FnMut(&[u8]),
    ) {
        let judged = match login.port == self.port {
            true => self.session.login(login, &self.key, now).map(|_| ()),
            false => Err(LoginRejectCode::UnknownPort),
        };
        match judged {
            Ok(()) => {
                self.session.logged_in(*b"CERTIFIES1", now);
                self.progress.done("login");
            }
            Err(code) => {
                let mut sentence = format!("the login is refused: {}", code.sentence());
                if code == LoginRejectCode::UnknownPort {
                    sentence += &format!(" ({} came, {} is examined)", login.port, self.port);
                }
                self.progress.mistake(sentence);
                let mut packet = [0; PACKET_MAX];
                if let Some(length) = write_login_reject(&mut packet, login, code) {
                    send(&packet[..length]);
                }
            }
        }
        self.speak(now, send);
    }

    /// Loses the first message of the step that asks for it, and compares it when it comes again.
    fn is_lost(&mut self, packet: &Packet<'_>) -> bool {
        if self.progress.name() != "loss" || packet.session() != self.session.token() {
            return false;
        }
        let first = packet.blocks().find(|block| !is_control(block));
        let Some(first) = first.filter(|_| packet.seq() >= self.session.next_expected()) else {
            return false;
        };
        match &self.lost {
            None => {
                self.lost = Some((packet.seq(), first.to_vec()));
                true
            }
            Some((number, bytes)) if *number == packet.seq() && bytes != first => {
                let what = format!(
                    "message {number} came again with other bytes: what a number stands for never \
                     changes, or it could be executed as something else"
                );
                self.progress.mistake(what);
                false
            }
            Some(_) => false,
        }
    }

    fn note_acknowledgement(&mut self, packet: &Packet<'_>) {
        for block in packet.blocks().filter(|block| is_control(block)) {
            match Control::decode(block) {
                Ok(Control::Ack(ack)) if ack.next_expected > self.awaited => {
                    if self.progress.name() == "fill" {
                        self.progress.done("fill");
                    }
                }
                Ok(_) => {}
                Err(cause) => {
                    let kind = block.first().copied().unwrap_or(0);
                    let what = format!("session message 0x{kind:02x}: {}", cause.sentence());
                    self.progress.mistake(what);
                }
            }
        }
    }

    fn take(&mut self, came: Vec<Came>, now: Nanos, send: &mut dyn FnMut(&[u8])) {
        for one in came {
            match one {
                Came::Message(number, bytes) => {
                    self.message(&bytes, now);
                    self.session.settle(number, now);
                    if self.lost.as_ref().is_some_and(|(lost, _)| *lost == number) {
                        self.lost = None;
                        self.progress.done("loss");
                    }
                }
                Came::NotApplied(from, count) => {
                    self.progress.mistake(format!(
                        "messages {from} to {} never came: number messages one after the other, \
                         and send what is not acknowledged again, the same bytes under the same \
                         number",
                        (from + u64::from(count)).saturating_sub(1)
                    ));
                    self.session.push_not_applied(from, count, 0);
                    self.session.settle((from + u64::from(count)).saturating_sub(1), now);
                }
                Came::Lacks(from, count) => self.say_again(from, count, send),
                Came::Left if self.progress.name() == "logout" => {
                    self.progress.done("logout");
                }
                Came::Left => {
                    let asks = self.progress.asks();
                    self.progress.mistake(format!("you left; this was asked for: {asks}"));
                }
                Came::Silent => self.progress.mistake(format!(
                    "nothing was heard for three heartbeats: with nothing to say send an empty \
                     packet every {} ms; log in again",
                    self.heartbeat.0 / 1_000_000
                )),
            }
        }
        self.speak(now, send);
    }

    fn say_again(&mut self, from: u64, count: u16, send: &mut dyn FnMut(&[u8])) {
        let (mut from, mut count) = (from, count);
        let asked = from..from.saturating_add(u64::from(count));
        let mut packet = [0; PACKET_MAX];
        loop {
            match self.session.write_retransmit(from, count, &mut packet) {
                Retransmit::Packet { length, count: written } if written > 0 => {
                    send(&packet[..length]);
                    from += u64::from(written);
                    count = count.saturating_sub(written);
                }
                _ => break,
            }
            if count == 0 {
                break;
            }
        }
        if self.missing.is_some_and(|missing| asked.contains(&missing)) {
            self.missing = None;
            self.progress.done("gap");
        }
    }

    /// Sends what is due; loses the reply that is to be lost.
    fn speak(&mut self, now: Nanos, send: &mut dyn FnMut(&[u8])) {
        let mut packet = [0; PACKET_MAX];
        while let Some(length) = self.session.write_upkeep(&mut packet, now) {
            send(&packet[..length]);
        }
        while let Some(length) = self.session.write_unsent(&mut packet, now) {
            let begins = parse(&packet[..length]).map_or(0, |packet| packet.seq());
            if self.progress.name() != "gap" || self.missing != Some(begins) {
                send(&packet[..length]);
            }
        }
    }

    fn reply(&mut self, message: &Outbound<'_>) -> u64 {
        let number = self.session.push(|bytes| message.encode(bytes).unwrap_or(0));
        number.unwrap_or(0)
    }

    fn message(&mut self, bytes: &[u8], now: Nanos) {
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

/// A delivery that outlives the call it came in.
fn kept(delivery: Delivery<'_>) -> Option<Came> {
    Some(match delivery {
        Delivery::Message { seq, bytes } => Came::Message(seq, bytes.to_vec()),
        Delivery::NotApplied { from, count } => Came::NotApplied(from, count),
        Delivery::RetransmitRequest { from, count } => Came::Lacks(from, count),
        Delivery::Logout => Came::Left,
        Delivery::Silent => Came::Silent,
        Delivery::Duplicate { .. } => return None,
    })
}
