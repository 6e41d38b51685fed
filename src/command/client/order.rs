//! One order by hand.

use anyhow::{Context, anyhow};

use crate::command::client::connection::Connection;
use crate::command::client::{ClientArguments, Task, symbol};
use crate::command::{Failure, Outcome};
use crate::model::{AccountId, Nanos, Price, RejectCode, Symbol};
use crate::runtime::Clock;
use crate::topology::Decimal;
use crate::wire::ouch::codes::{
    MARKET_PRICE, capacity, cross_type, display, intermarket_sweep, side, time_in_force,
};
use crate::wire::ouch::{
    Appendage, CancelOrderRequest, EnterOrder, Inbound, MESSAGE_MAX, OPTIONS_MAX, Options, Outbound,
};
use crate::wire::session::ClientEvent;

impl Connection {
    /// Sends one order and prints what comes back.
    pub(super) fn order(mut self, arguments: &ClientArguments) -> Outcome {
        let Task::Order { cancel_after, number, .. } = &arguments.task else { return Ok(()) };
        let number = match number {
            0 => self.free_number()?,
            number => *number,
        };
        let message = order_message(&arguments.task, number)?;
        self.trader.send(&message).context("cannot send")?;
        let began = self.clock.now();
        let second = 1_000_000_000;
        let mut cancel_at = cancel_after.map(|seconds| Nanos(began.0 + seconds * second));
        let until = Nanos(began.0 + (cancel_after.unwrap_or(0) + 1) * second);
        let mut answered = false;
        while self.clock.now() < until {
            let now = self.clock.now();
            if cancel_at.is_some_and(|at| now >= at) {
                cancel_at = None;
                self.trader.send(&cancel_message(number)).context("cannot cancel")?;
            }
            let work = self.trader.poll(now, &mut |event| {
                answered |= print_event(event, number, now.saturating_sub(began));
            });
            self.rest(work);
        }
        self.log_out();
        if answered { Ok(()) } else { Err(Failure::from(anyhow!("the order was not answered"))) }
    }
}

fn cancel_message(user_ref_num: u32) -> Vec<u8> {
    let cancel = CancelOrderRequest { user_ref_num, quantity: 0 };
    let message = Inbound::CancelOrderRequest(cancel, Appendage::ABSENT);
    let mut bytes = [0; MESSAGE_MAX];
    let length = message.encode(&mut bytes).unwrap_or(0);
    bytes[..length].to_vec()
}

fn order_message(task: &Task, user_ref_num: u32) -> Result<Vec<u8>, Failure> {
    let Task::Order { side: way, quantity, symbol: name, price, ioc, account, .. } = task else {
        return Ok(Vec::new());
    };
    let side = match way.as_str() {
        "buy" => side::BUY,
        "sell" => side::SELL,
        "short" => side::SELL_SHORT,
        other => return Err(Failure::usage(format!("`{other}`: write buy, sell or short"))),
    };
    let is_market = price == "market";
    let limit = match is_market {
        true => MARKET_PRICE,
        false => {
            let price: Decimal = price.parse().map_err(Failure::usage)?;
            u64::try_from(price.0).map_err(|_| Failure::usage("a price is above 0".to_owned()))?
        }
    };
    let order = EnterOrder {
        user_ref_num,
        side,
        quantity: *quantity,
        symbol: symbol(name)?.0,
        price: limit,
        time_in_force: match *ioc || is_market {
            true => time_in_force::IMMEDIATE_OR_CANCEL,
            false => time_in_force::DAY,
        },
        display: display::VISIBLE,
        capacity: capacity::PRINCIPAL,
        intermarket_sweep: intermarket_sweep::NOT_ELIGIBLE,
        cross_type: cross_type::CONTINUOUS,
        cl_ord_id: *b"by hand       ",
    };
    let firm = account.map(|account| AccountId(account).code());
    let options = Options { firm, ..Options::default() };
    let mut space = [0; OPTIONS_MAX];
    let mut bytes = [0; MESSAGE_MAX];
    let message = Inbound::EnterOrder(order, options.appendage(&mut space));
    let length = message.encode(&mut bytes).unwrap_or(0);
    Ok(bytes[..length].to_vec())
}

/// Prints an event of the session; whether it is about the order.
fn print_event(event: ClientEvent<'_>, number: u32, after: Nanos) -> bool {
    let micros = after.0 / 1_000;
    match event {
        ClientEvent::Message { number: reply, bytes } => {
            match Outbound::decode(bytes) {
                Ok(message) => println!("{micros:>9} µs  reply {reply}: {}", describe(&message)),
                Err(cause) => println!("{micros:>9} µs  reply {reply}: {}", cause.sentence()),
            }
            Outbound::decode(bytes).is_ok()
        }
        ClientEvent::NotApplied { from, count, reason, .. } => {
            let why = RejectCode::from_code(reason);
            let why = why.map_or("they were lost on the way", RejectCode::sentence);
            println!(
                "{micros:>9} µs  order {number}: {count} messages from {from} not applied: {why}"
            );
            true
        }
        _ => false,
    }
}

/// A reply as a person would say it.
fn describe(message: &Outbound<'_>) -> String {
    let price = |price: u64| Price(price.min(i64::MAX as u64) as i64);
    match message {
        Outbound::OrderAccepted(order, _) => format!(
            "accepted: order {}, {} {} {} at {}, reference {}",
            order.user_ref_num,
            order.side as char,
            order.quantity,
            Symbol(order.symbol),
            price(order.price),
            order.order_reference_number
        ),
        Outbound::OrderExecuted(fill, _) => format!(
            "executed: order {}, {} at {}, match {}",
            fill.user_ref_num,
            fill.quantity,
            price(fill.price),
            fill.match_number
        ),
        Outbound::OrderCanceled(order, _) => format!(
            "cancelled: order {}, {} taken away, reason {}",
            order.user_ref_num, order.quantity, order.reason as char
        ),
        Outbound::Rejected(order, _) => format!(
            "rejected: order {}, reason 0x{:04x}, {}",
            order.user_ref_num,
            order.reason,
            sentence(order.reason)
        ),
        other => format!("{other:?}"),
    }
}

/// What an OUCH reject reason means here; the reasons that share it, where there are several.
fn sentence(reason: u16) -> String {
    let codes = RejectCode::ALL.iter().filter(|code| code.ouch() == reason);
    let sentences: Vec<&str> = codes.map(|code| code.sentence()).collect();
    sentences.join(", or ")
}
