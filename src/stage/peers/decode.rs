//! The way back: what a peer says becomes a request that reports it.

use crate::model::{
    CancelReason, CommandKind, Group, Nanos, Price, Quantity, RejectCode, Request, SessionId,
    TradeDetail,
};
use crate::wire::ouch::Outbound;
use crate::wire::ouch::codes::{cancel_reason, liquidity};

/// Who says it, under which number, and when it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) peer: SessionId,
    pub(super) number: u64,
    pub(super) received_at: Nanos,
}

impl Origin {
    /// A report of a kind about an order there.
    pub(super) fn report(&self, kind: CommandKind, ordinal: u32) -> Group<Request> {
        let mut request = Request::new(kind, self.received_at);
        request.0.session = self.peer;
        request.0.ordinal = ordinal;
        request.0.client_seq = self.number.min(u64::from(u32::MAX)) as u32;
        Group::new(request)
    }
}

/// The request that a message becomes; `None` for what tells of no order, or cannot be read.
pub(super) fn decode(message: &[u8], origin: &Origin) -> Option<Group<Request>> {
    Some(match Outbound::decode(message).ok()? {
        Outbound::OrderAccepted(m, _) => {
            let mut report = origin.report(CommandKind::AwayAccepted, m.user_ref_num);
            report.head.0.price = price(m.price);
            report
        }
        Outbound::OrderExecuted(m, _) => {
            let report = origin.report(CommandKind::AwayExecuted, m.user_ref_num);
            let mut report = about(report, m.match_number);
            report.head.0.price = price(m.price);
            report.head.0.quantity = Quantity(m.quantity);
            report.head.0.side = u8::from(m.liquidity_flag == liquidity::REMOVED);
            report
        }
        Outbound::OrderReplaced(m, _) => {
            let mut report = origin.report(CommandKind::AwayReplaced, m.user_ref_num);
            report.head.0.target = m.orig_user_ref_num;
            report.head.0.quantity = Quantity(m.quantity);
            report.head.0.price = price(m.price);
            report
        }
        Outbound::OrderCanceled(m, _) => {
            cancelled(origin, m.user_ref_num, m.quantity, reason(m.reason))
        }
        Outbound::AiqCanceled(m, _) => {
            cancelled(origin, m.user_ref_num, m.decrement_shares, CancelReason::SelfTrade)
        }
        Outbound::OrderModified(m, _) => {
            let mut report = origin.report(CommandKind::AwayModified, m.user_ref_num);
            report.head.0.quantity = Quantity(m.quantity);
            report
        }
        Outbound::Rejected(m, _) => {
            refused(origin, CommandKind::AwayRejected, m.user_ref_num, code_of(m.reason))
        }
        Outbound::CancelReject(m, _) => {
            let code = RejectCode::DestinationRefused;
            refused(origin, CommandKind::AwayCancelRejected, m.user_ref_num, code)
        }
        Outbound::BrokenTrade(m, _) => {
            about(origin.report(CommandKind::AwayBusted, m.user_ref_num), m.match_number)
        }
        _ => return None,
    })
}

/// A report that names an execution.
fn about(mut report: Group<Request>, match_number: u64) -> Group<Request> {
    let [trade, ..] = report.rest_mut();
    *trade = TradeDetail { match_number, ..TradeDetail::default() }.line();
    report.head.0.lines = 2;
    report
}

/// A report that something was refused.
pub(super) fn refused(
    origin: &Origin,
    kind: CommandKind,
    ordinal: u32,
    code: RejectCode,
) -> Group<Request> {
    let mut report = origin.report(kind, ordinal);
    report.head.0.side = code.code();
    report
}

fn cancelled(origin: &Origin, ordinal: u32, quantity: u32, reason: CancelReason) -> Group<Request> {
    let mut report = origin.report(CommandKind::AwayCancelled, ordinal);
    report.head.0.quantity = Quantity(quantity);
    report.head.0.side = reason.code();
    report
}

fn price(price: u64) -> Price {
    Price(price.min(i64::MAX as u64) as i64)
}

/// The first of the codes that are told by this reason: some share one.
fn code_of(reason: u16) -> RejectCode {
    let known = RejectCode::ALL.iter().find(|code| code.ouch() == reason);
    known.copied().unwrap_or(RejectCode::DestinationRefused)
}

const fn reason(code: u8) -> CancelReason {
    match code {
        cancel_reason::USER => CancelReason::User,
        cancel_reason::IMMEDIATE => CancelReason::Immediate,
        cancel_reason::TIMEOUT => CancelReason::Expired,
        cancel_reason::SELF_MATCH => CancelReason::SelfTrade,
        cancel_reason::COLLAR => CancelReason::Protection,
        cancel_reason::SYSTEM => CancelReason::FillLimit,
        cancel_reason::CLOSED => CancelReason::Closed,
        cancel_reason::HALTED => CancelReason::Halted,
        cancel_reason::POST_ONLY => CancelReason::PostOnly,
        _ => CancelReason::Destination,
    }
}
