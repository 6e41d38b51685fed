//! The steps of a FIX course: which there are in which version, and which orders are what a step
//! asks for.

use crate::client::certify::Step;
use crate::model::{Command, Flags, OrderType, Side, Terms, TimeInForce};
use crate::wire::fix::Version;

macro_rules! steps {
    ($($name:literal $since:ident: $asks:literal;)+) => {
        /// Every step, and the first version that has it.
        pub const STEPS: &[(Step, Version)] =
            &[$((Step { name: $name, asks: $asks }, Version::$since),)+];
    };
}

steps! {
    "logon" Fix42: "Log on: Logon (A) with EncryptMethod (98) 0 and HeartBtInt (108), under number \
        1; a second keeps this short.";
    "heartbeat" Fix42: "Say nothing: a Heartbeat (0) is to come of itself in each interval.";
    "test request" Fix42: "Answer our TestRequest (1): a Heartbeat (0) with its TestReqID (112).";
    "limit" Fix42: "Enter an order that rests: NewOrderSingle (D), 40=2 with a Price (44), 2 or \
        more. Half of it trades.";
    "status" Fix42: "Ask where it is: OrderStatusRequest (H).";
    "replace" Fix42: "Replace it: OrderCancelReplaceRequest (G), a new ClOrdID (11), its last one \
        in OrigClOrdID (41).";
    "cancel" Fix42: "Take it away: OrderCancelRequest (F), its last ClOrdID in OrigClOrdID (41).";
    "market" Fix42: "Enter a market order: 40=1. It trades at once.";
    "immediate" Fix42: "Enter an order that is immediate or cancel: 59=3. Nothing trades.";
    "fill or kill" Fix42: "Enter an order that is fill or kill: 59=4. All of it trades.";
    "stop" Fix42: "Enter a stop order: 40=3 with StopPx (99).";
    "stop limit" Fix42: "Enter a stop-limit order: 40=4 with StopPx (99) and Price (44).";
    "till cancelled" Fix42: "Enter an order that stays till it is cancelled: 59=1.";
    "till a time" Fix42: "Enter an order that stays till a time: 59=6 with ExpireTime (126).";
    "iceberg" Fix42: "Enter an order that shows a part of itself: MaxFloor (111).";
    "post only" Fix42: "Enter an order that only adds: ExecInst (18) 6.";
    "peg" Fix42: "Enter a pegged order: 40=P with ExecInst (18) M, P or R.";
    "short sale" Fix42: "Sell short: Side (54) 5.";
    "auction" Fix42: "Enter an order for an auction: 59=2, or 59=7 where the version has it.";
    "refused" Fix42: "Enter an order: it is refused (8 with 150=8), and its ClOrdID is used up.";
    "too late" Fix42: "Enter an order that rests, then cancel it: it trades first, and the cancel \
        is refused (9).";
    "reject" Fix42: "Enter an order: the message is rejected (3). Enter another.";
    "business reject" Fix42: "Enter an order: the message is refused (j). Enter another.";
    "mass status" Fix44: "Ask where all orders are: OrderMassStatusRequest (AF), 585=7.";
    "mass cancel" Fix44: "Take all orders away: OrderMassCancelRequest (q), 530=7.";
    "stop trading" Fix50Sp2: "Stop your session's trading: PartyActionRequest (DH), 2329=1, a \
        party in role (452) 55.";
    "go on" Fix50Sp2: "Let it go on: PartyActionRequest (DH), 2329=2.";
    "gap" Fix42: "Enter an order that rests: our answer is lost. Ask for it: ResendRequest (2).";
    "repeat" Fix42: "We ask for all you sent (2): orders again, with PossDupFlag (43) Y and \
        OrigSendingTime (122), session messages as a gap fill (4 with 123=Y).";
    "duplicate" Fix42: "We say a report again, with PossDupFlag (43) Y: take it once, and answer \
        the test request behind it.";
    "line" Fix42: "Have an order open: the line breaks. Log on again under your next number, \
        without a reset, and ask for what was said meanwhile.";
    "logout" Fix42: "Leave: Logout (5), and wait for ours.";
}

/// Whether an order is what a step asks for; steps that ask for no kind take any.
pub(super) fn is_asked_for(step: &str, order: &Command, terms: Option<&Terms>) -> bool {
    let is_type = |wanted| order.order_type() == Some(wanted);
    let lives = |wanted| order.time_in_force() == Some(wanted);
    let terms = terms.copied().unwrap_or_default();
    match step {
        "limit" => is_type(OrderType::Limit) && rests(order) && order.quantity.0 >= 2,
        "market" => is_type(OrderType::Market),
        "immediate" => lives(TimeInForce::Ioc) && !is_type(OrderType::Market),
        "fill or kill" => lives(TimeInForce::Fok),
        "stop" => is_type(OrderType::Stop),
        "stop limit" => is_type(OrderType::StopLimit),
        "till cancelled" => lives(TimeInForce::Gtc),
        "till a time" => lives(TimeInForce::Gtd),
        "iceberg" => terms.displayed.0 > 0 && !order.flags.has(Flags::HIDDEN),
        "post only" => order.flags.has(Flags::POST_ONLY),
        "peg" => matches!(
            order.order_type(),
            Some(OrderType::PegPrimary | OrderType::PegMarket | OrderType::PegMidpoint)
        ),
        "short sale" => matches!(order.side(), Some(Side::SellShort | Side::SellShortExempt)),
        "auction" => lives(TimeInForce::AtOpen) || lives(TimeInForce::AtClose),
        "too late" | "gap" => rests(order),
        _ => true,
    }
}

/// Whether it stays in the book as far as it does not trade.
pub(super) fn rests(order: &Command) -> bool {
    let life = order.time_in_force();
    order.order_type() != Some(OrderType::Market)
        && !matches!(life, Some(TimeInForce::Ioc | TimeInForce::Fok))
}

/// Whether orders may be entered, changed and cancelled on the way to a step's end.
pub(super) fn may_trade(step: &str) -> bool {
    !matches!(step, "" | "logon" | "heartbeat" | "test request" | "repeat" | "logout")
}

/// Whether an order that is entered ends a step; the others end by other messages.
pub(super) fn ends_with_an_order(step: &str) -> bool {
    may_trade(step)
        && !matches!(
            step,
            "status"
                | "replace"
                | "cancel"
                | "too late"
                | "mass status"
                | "mass cancel"
                | "stop trading"
                | "go on"
                | "gap"
                | "duplicate"
                | "line"
        )
}
