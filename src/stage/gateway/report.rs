//! The way out: an event becomes the OUCH message its session is told by.

use crate::model::{
    CancelReason, Event, EventFlags, EventKind, Flags, Nanos, Phase, RejectCode, Side,
};
use crate::stage::gateway::pending::Echo;
use crate::stage::gateway::request::Symbols;
use crate::wire::ouch::codes::{
    broken, cancel_reason, capacity, intermarket_sweep, liquidity, order_state, restated, side,
    system_event,
};
use crate::wire::ouch::{
    AccountQueryResponse, AiqCanceled, Appendage, BrokenTrade, CancelReject,
    DisableOrderEntryResponse, EnableOrderEntryResponse, MassCancelResponse, OPTIONS_MAX, Options,
    OrderAccepted, OrderCanceled, OrderExecuted, OrderModified, OrderReplaced, OrderRestated,
    Outbound, Rejected, SystemEvent,
};

const DAY: u64 = 86_400_000_000_000;

/// Nanoseconds since midnight UTC, as OUCH and ITCH carry time.
#[inline]
pub(crate) fn since_midnight(time: Nanos) -> u64 {
    time.0 % DAY
}

/// Writes the message an event is told by and returns its length; 0 where the client is told
/// nothing.
///
/// Each message is encoded where it is made, so that nothing is built only to be taken apart.
#[inline]
pub(super) fn report(event: &Event, echo: &Echo, symbols: &Symbols, space: &mut [u8]) -> usize {
    let none = Appendage::EMPTY;
    let written = match event.kind {
        ACCEPTED => Outbound::OrderAccepted(accepted(event, echo, symbols), none).encode(space),
        EXECUTED => Outbound::OrderExecuted(executed(event), none).encode(space),
        CANCELLED => cancelled(event).encode(space),
        REPLACED => Outbound::OrderReplaced(replaced(event, echo, symbols), none).encode(space),
        _ => rare(event, echo, symbols, space),
    };
    written.unwrap_or(0)
}

const ACCEPTED: u8 = EventKind::Accepted.code();
const EXECUTED: u8 = EventKind::Executed.code();
const CANCELLED: u8 = EventKind::Cancelled.code();
const REPLACED: u8 = EventKind::Replaced.code();

/// The same for what comes less often.
#[inline(never)]
fn rare(event: &Event, echo: &Echo, symbols: &Symbols, space: &mut [u8]) -> Option<usize> {
    let timestamp = since_midnight(event.timestamp);
    let user_ref_num = event.ordinal;
    let none = Appendage::EMPTY;
    let mut options = [0; OPTIONS_MAX];
    let outbound = match event.kind().ok()? {
        EventKind::Rejected => {
            let reason = event.reject_code().unwrap_or(RejectCode::Unsupported).ouch();
            let cl_ord_id = echo.cl_ord_id;
            Outbound::Rejected(Rejected { timestamp, user_ref_num, reason, cl_ord_id }, none)
        }
        EventKind::Modified => {
            let (side, quantity) = (side_code(event), event.quantity.0);
            let modified = OrderModified { timestamp, user_ref_num, side, quantity };
            Outbound::OrderModified(modified, none)
        }
        EventKind::CancelRejected => {
            Outbound::CancelReject(CancelReject { timestamp, user_ref_num }, none)
        }
        EventKind::MassCancelled => {
            let (firm, symbol) = (echo.firm, symbols.name(event.instrument));
            let response = MassCancelResponse { timestamp, user_ref_num, firm, symbol };
            Outbound::MassCancelResponse(response, none)
        }
        EventKind::EntryDisabled => {
            let firm = echo.firm;
            let response = DisableOrderEntryResponse { timestamp, user_ref_num, firm };
            Outbound::DisableOrderEntryResponse(response, none)
        }
        EventKind::EntryEnabled => {
            let firm = echo.firm;
            let response = EnableOrderEntryResponse { timestamp, user_ref_num, firm };
            Outbound::EnableOrderEntryResponse(response, none)
        }
        EventKind::NextOrdinal => {
            let response = AccountQueryResponse { timestamp, next_user_ref_num: event.target };
            Outbound::AccountQueryResponse(response, none)
        }
        EventKind::Triggered => {
            let reason = restated::TRIGGERED;
            Outbound::OrderRestated(OrderRestated { timestamp, user_ref_num, reason }, none)
        }
        EventKind::InDoubt | EventKind::Confirmed => {
            let is_in_doubt = event.kind == EventKind::InDoubt.code();
            let reason = if is_in_doubt { restated::IN_DOUBT } else { restated::CONFIRMED };
            Outbound::OrderRestated(OrderRestated { timestamp, user_ref_num, reason }, none)
        }
        EventKind::Refreshed => refreshed(event, &mut options),
        EventKind::Busted => {
            let (reason, cl_ord_id) = (broken::SUPERVISORY, echo.cl_ord_id);
            let match_number = event.reference.0;
            let trade = BrokenTrade { timestamp, user_ref_num, match_number, reason, cl_ord_id };
            Outbound::BrokenTrade(trade, Appendage::ABSENT)
        }
        // A corrected trade was told undone; it is told again as it is.
        EventKind::Corrected => {
            let trade = OrderExecuted { match_number: event.reference.0, ..executed(event) };
            Outbound::OrderExecuted(trade, none)
        }
        EventKind::StartOfDay => system(timestamp, system_event::START_OF_DAY),
        EventKind::EndOfDay => system(timestamp, system_event::END_OF_DAY),
        _ => return None,
    };
    outbound.encode(space)
}

/// The message that tells of an iceberg's next part, its options in `space`.
fn refreshed<'a>(event: &Event, space: &'a mut [u8; OPTIONS_MAX]) -> Outbound<'a> {
    let options = Options {
        display_quantity: Some(event.quantity.0),
        secondary_ord_ref_num: Some(event.reference.0),
        ..Options::default()
    };
    let restated = OrderRestated {
        timestamp: since_midnight(event.timestamp),
        user_ref_num: event.ordinal,
        reason: restated::DISPLAYED_SIZE,
    };
    Outbound::OrderRestated(restated, options.appendage(space))
}

fn system(timestamp: u64, event_code: u8) -> Outbound<'static> {
    Outbound::SystemEvent(SystemEvent { timestamp, event_code }, Appendage::ABSENT)
}

fn side_code(event: &Event) -> u8 {
    match event.side() {
        Some(Side::Buy) => side::BUY,
        Some(Side::SellShort) => side::SELL_SHORT,
        Some(Side::SellShortExempt) => side::SELL_SHORT_EXEMPT,
        Some(Side::Sell) | None => side::SELL,
    }
}

fn capacity_code(flags: Flags) -> u8 {
    use crate::model::Capacity;
    match flags.capacity() {
        Capacity::Agency => capacity::AGENCY,
        Capacity::Principal => capacity::PRINCIPAL,
        Capacity::Riskless => capacity::RISKLESS,
        Capacity::Other => capacity::OTHER,
    }
}

fn sweep_code(flags: Flags) -> u8 {
    match flags.has(Flags::SWEEP) {
        true => intermarket_sweep::ELIGIBLE,
        false => intermarket_sweep::NOT_ELIGIBLE,
    }
}

fn accepted(event: &Event, echo: &Echo, symbols: &Symbols) -> OrderAccepted {
    OrderAccepted {
        timestamp: since_midnight(event.timestamp),
        user_ref_num: event.ordinal,
        side: side_code(event),
        quantity: event.quantity.0,
        symbol: symbols.name(event.instrument),
        price: event.price.0.max(0) as u64,
        time_in_force: echo.time_in_force,
        display: echo.display,
        order_reference_number: event.reference.0,
        capacity: capacity_code(echo.flags),
        intermarket_sweep: sweep_code(echo.flags),
        cross_type: echo.cross_type,
        order_state: order_state::LIVE,
        cl_ord_id: echo.cl_ord_id,
    }
}

fn replaced(event: &Event, echo: &Echo, symbols: &Symbols) -> OrderReplaced {
    let kept = event.flags.has(EventFlags::KEPT_PRIORITY);
    OrderReplaced {
        timestamp: since_midnight(event.timestamp),
        orig_user_ref_num: event.target,
        user_ref_num: event.ordinal,
        side: side_code(event),
        quantity: event.quantity.0,
        symbol: symbols.name(event.instrument),
        price: event.price.0.max(0) as u64,
        time_in_force: echo.time_in_force,
        display: echo.display,
        order_reference_number: if kept { event.reference.0 } else { event.id.seq().0 },
        capacity: capacity_code(echo.flags),
        intermarket_sweep: sweep_code(echo.flags),
        cross_type: echo.cross_type,
        order_state: order_state::LIVE,
        cl_ord_id: echo.cl_ord_id,
    }
}

fn executed(event: &Event) -> OrderExecuted {
    OrderExecuted {
        timestamp: since_midnight(event.timestamp),
        user_ref_num: event.ordinal,
        quantity: event.quantity.0,
        price: event.price.0.max(0) as u64,
        liquidity_flag: liquidity_of(event),
        match_number: event.match_number().0,
    }
}

fn liquidity_of(event: &Event) -> u8 {
    let flags = event.flags;
    if flags.has(EventFlags::AUCTION) {
        return match Phase::from_code(event.reason) {
            Some(Phase::PreOpen | Phase::OpeningAuction) => liquidity::OPENING_CROSS,
            Some(Phase::ClosingAuction) => liquidity::CLOSING_CROSS,
            _ => liquidity::HALT_CROSS,
        };
    }
    match (flags.has(EventFlags::MAKER), flags.has(EventFlags::HIDDEN)) {
        (true, true) => liquidity::ADDED_HIDDEN,
        (true, false) => liquidity::ADDED,
        (false, _) => liquidity::REMOVED,
    }
}

fn cancelled(event: &Event) -> Outbound<'static> {
    let timestamp = since_midnight(event.timestamp);
    let user_ref_num = event.ordinal;
    let quantity = event.quantity.0;
    let reason = event.cancel_reason().unwrap_or(CancelReason::Supervisory);
    if reason == CancelReason::SelfTrade {
        let canceled = AiqCanceled {
            timestamp,
            user_ref_num,
            decrement_shares: quantity,
            reason: cancel_reason::SELF_MATCH,
            quantity_prevented_from_trading: quantity,
            execution_price: event.price.0.max(0) as u64,
            liquidity_flag: match event.client_seq {
                0 => liquidity::ADDED,
                _ => liquidity::REMOVED,
            },
            // What was done with the order: cancelled, or reduced.
            aiq_strategy: if event.flags.has(EventFlags::DONE) { b'C' } else { b'D' },
        };
        return Outbound::AiqCanceled(canceled, Appendage::ABSENT);
    }
    let reason = reason_code(reason);
    let canceled = OrderCanceled { timestamp, user_ref_num, quantity, reason };
    Outbound::OrderCanceled(canceled, Appendage::ABSENT)
}

const fn reason_code(reason: CancelReason) -> u8 {
    match reason {
        CancelReason::User | CancelReason::MassCancel | CancelReason::ReplacedBelowExecuted => {
            cancel_reason::USER
        }
        CancelReason::Immediate | CancelReason::Minimum => cancel_reason::IMMEDIATE,
        CancelReason::Expired => cancel_reason::TIMEOUT,
        CancelReason::Supervisory | CancelReason::Disconnect | CancelReason::Destination => {
            cancel_reason::SUPERVISORY
        }
        CancelReason::SelfTrade => cancel_reason::SELF_MATCH,
        CancelReason::Protection | CancelReason::Band => cancel_reason::COLLAR,
        CancelReason::FillLimit | CancelReason::BookFull => cancel_reason::SYSTEM,
        CancelReason::Closed | CancelReason::AuctionOver => cancel_reason::CLOSED,
        CancelReason::Halted => cancel_reason::HALTED,
        CancelReason::PostOnly => cancel_reason::POST_ONLY,
    }
}
