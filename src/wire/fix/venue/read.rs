//! What an exchange says of our orders, as the requests that report it.

use crate::model::{
    CancelReason, CommandKind, Group, Nanos, Quantity, RejectCode, Request, SessionId, Text,
    TradeDetail,
};
use crate::wire::fix::message::Message;
use crate::wire::fix::venue::Name;
use crate::wire::fix::{tag, value};

/// Who says it, under which number, and when it came.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Our session there.
    pub destination: SessionId,
    /// The exchange's number of the message.
    pub seq: u64,
    /// When it came.
    pub received_at: Nanos,
}

/// What a message comes to.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::large_enum_variant, reason = "a report is what it nearly always is")]
pub enum Told {
    /// Something happened to an order.
    Report(Group<Request>),
    /// It was refused to answer a cancel of this number.
    CancelRefused(u32),
    /// A message of ours, by its number in the session, was refused as a message.
    MessageRefused(u64),
    /// Nothing new: an order that is being looked at, a question answered with what is known.
    Nothing,
    /// It is about no order of ours, or cannot be read.
    Foreign,
}

impl Origin {
    fn report(&self, kind: CommandKind, ordinal: u32) -> Group<Request> {
        let mut request = Request::new(kind, self.received_at);
        request.0.session = self.destination;
        request.0.ordinal = ordinal;
        request.0.client_seq = self.seq.min(u64::from(u32::MAX)) as u32;
        Group::new(request)
    }

    /// The report that an order or a replacement was refused.
    pub fn refused(&self, ordinal: u32, code: RejectCode) -> Group<Request> {
        let mut report = self.report(CommandKind::AwayRejected, ordinal);
        report.head.0.side = code.code();
        report
    }

    /// The report that a cancel of an order was refused.
    pub fn cancel_refused(&self, ordinal: u32, code: RejectCode) -> Group<Request> {
        let mut report = self.report(CommandKind::AwayCancelRejected, ordinal);
        report.head.0.side = code.code();
        report
    }

    /// The report that the exchange is heard, or is not; it has our messages below one on record.
    pub fn heard(&self, kind: CommandKind, below: u32) -> Group<Request> {
        let mut report = self.report(kind, 0);
        report.head.0.target = below;
        report
    }

    fn cancelled(&self, ordinal: u32, reason: CancelReason) -> Told {
        let mut report = self.report(CommandKind::AwayCancelled, ordinal);
        report.head.0.side = reason.code();
        Told::Report(report)
    }
}

/// Reads a message of an exchange.
pub fn read(message: &Message<'_>, origin: &Origin) -> Told {
    match message.kind() {
        b"8" => execution(message, origin).unwrap_or(Told::Foreign),
        b"9" => cancel_reject(message, origin).unwrap_or(Told::Foreign),
        b"j" => match message.get(tag::BUSINESS_REJECT_REF_ID).and_then(Name::read) {
            Some(name) => refused(name, RejectCode::DestinationRefused, origin),
            None => by_number(message),
        },
        b"3" => by_number(message),
        _ => Told::Foreign,
    }
}

fn by_number(message: &Message<'_>) -> Told {
    let seq = message.get(tag::REF_SEQ_NUM).and_then(value::number);
    seq.map_or(Told::Foreign, Told::MessageRefused)
}

/// A message of ours was refused, whatever it asked.
pub(super) fn refused(name: Name, code: RejectCode, origin: &Origin) -> Told {
    match name {
        Name::Order(ordinal) => Told::Report(origin.refused(ordinal, code)),
        Name::Cancel(number) => Told::CancelRefused(number),
    }
}

/// ExecutionReport (8); `None` where it names no order of ours or lacks what it must have.
fn execution(message: &Message<'_>, origin: &Origin) -> Option<Told> {
    let asked = Name::read(message.get(tag::CL_ORD_ID)?);
    let original = message.get(tag::ORIG_CL_ORD_ID).and_then(Name::read);
    let ordinal = match (asked, original) {
        (Some(Name::Order(ordinal)), _) | (_, Some(Name::Order(ordinal))) => ordinal,
        _ => return None,
    };
    // The oldest version says in a field of its own that a report undoes, corrects or repeats.
    let kind = match message.get(tag::EXEC_TRANS_TYPE) {
        Some(b"1") => b'H',
        Some(b"2") => b'G',
        Some(b"3") => b'I',
        _ => one_byte(message, tag::EXEC_TYPE)?,
    };
    Some(match kind {
        b'0' => {
            let mut report = origin.report(CommandKind::AwayAccepted, ordinal);
            report.head.0.price =
                message.get(tag::PRICE).and_then(value::price).unwrap_or_default();
            Told::Report(report)
        }
        b'1' | b'2' | b'F' => Told::Report(executed(message, origin, ordinal)?),
        b'4' => match asked {
            Some(Name::Cancel(_)) => origin.cancelled(ordinal, CancelReason::User),
            _ => origin.cancelled(ordinal, CancelReason::Destination),
        },
        b'3' | b'C' => origin.cancelled(ordinal, CancelReason::Expired),
        b'5' => {
            let Some(Name::Order(old)) = original else { return None };
            let mut report = origin.report(CommandKind::AwayReplaced, ordinal);
            let head = &mut report.head.0;
            head.target = old;
            head.quantity = quantity(message, tag::LEAVES_QTY)?;
            head.price = message.get(tag::PRICE).and_then(value::price).unwrap_or_default();
            Told::Report(report)
        }
        b'8' => Told::Report(origin.refused(ordinal, reject_code(message))),
        b'D' => {
            let mut report = origin.report(CommandKind::AwayModified, ordinal);
            report.head.0.quantity = quantity(message, tag::LEAVES_QTY)?;
            Told::Report(report)
        }
        b'H' => Told::Report(about(message, origin, CommandKind::AwayBusted, ordinal)?),
        b'G' => {
            let mut report = about(message, origin, CommandKind::AwayCorrected, ordinal)?;
            report.head.0.quantity = quantity(message, tag::LAST_QTY)?;
            report.head.0.price = message.get(tag::LAST_PX).and_then(value::price)?;
            Told::Report(report)
        }
        b'I' => status(message, origin, ordinal),
        _ => Told::Nothing,
    })
}

/// Where an order is, as the answer to a question: what traded was told or will be, by reports
/// with numbers of their own.
fn status(message: &Message<'_>, origin: &Origin, ordinal: u32) -> Told {
    match message.get(tag::ORD_STATUS) {
        Some(b"8") => Told::Report(origin.refused(ordinal, RejectCode::NotDelivered)),
        Some(b"4") => origin.cancelled(ordinal, CancelReason::Destination),
        Some(b"3" | b"C") => origin.cancelled(ordinal, CancelReason::Expired),
        Some(b"0" | b"1" | b"2" | b"5" | b"9") => {
            let mut report = origin.report(CommandKind::AwayAccepted, ordinal);
            report.head.0.side = 1;
            report.head.0.quantity = quantity(message, tag::LEAVES_QTY).unwrap_or_default();
            Told::Report(report)
        }
        _ => Told::Nothing,
    }
}

fn executed(message: &Message<'_>, origin: &Origin, ordinal: u32) -> Option<Group<Request>> {
    let exec_id = message.get(tag::EXEC_ID)?;
    let mut report = origin.report(CommandKind::AwayExecuted, ordinal);
    let head = &mut report.head.0;
    head.quantity = quantity(message, tag::LAST_QTY)?;
    head.price = message.get(tag::LAST_PX).and_then(value::price)?;
    head.side = u8::from(message.get(tag::LAST_LIQUIDITY_IND) == Some(b"2"));
    name_execution(&mut report, exec_id);
    Some(report)
}

/// A report about an execution that was told before.
fn about(
    message: &Message<'_>,
    origin: &Origin,
    kind: CommandKind,
    ordinal: u32,
) -> Option<Group<Request>> {
    let exec_id = message.get(tag::EXEC_REF_ID)?;
    let mut report = origin.report(kind, ordinal);
    name_execution(&mut report, exec_id);
    Some(report)
}

/// Adds the execution's number, which is made of its ExecID, and the ExecID itself for the record.
fn name_execution(report: &mut Group<Request>, exec_id: &[u8]) {
    let [trade, text, ..] = report.rest_mut();
    *trade = TradeDetail { match_number: number_of(exec_id), ..TradeDetail::default() }.line();
    let mut kept = Text::default();
    for (place, byte) in kept.client_order_id.iter_mut().zip(exec_id) {
        *place = *byte;
    }
    *text = kept.line();
    report.head.0.lines = 3;
}

/// A number for an ExecID: two of one exchange that share one are not to be expected in ages.
fn number_of(exec_id: &[u8]) -> u64 {
    let mix = |sum: u64, &byte: &u8| {
        let mixed = (sum ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    };
    exec_id.iter().fold(exec_id.len() as u64 ^ 0xcbf2_9ce4_8422_2325, mix)
}

/// OrderCancelReject (9): of a cancel it is about the order, of a replacement about the new one.
fn cancel_reject(message: &Message<'_>, origin: &Origin) -> Option<Told> {
    let code = match message.get(tag::CXL_REJ_REASON) {
        Some(b"0" | b"1") => RejectCode::UnknownOrder,
        Some(b"3") => RejectCode::Pending,
        _ => RejectCode::DestinationRefused,
    };
    let asked = Name::read(message.get(tag::CL_ORD_ID)?)?;
    let original = message.get(tag::ORIG_CL_ORD_ID).and_then(Name::read);
    Some(match (asked, original) {
        (Name::Order(new), _) => Told::Report(origin.refused(new, code)),
        (Name::Cancel(_), Some(Name::Order(old))) => Told::Report(origin.cancel_refused(old, code)),
        (name @ Name::Cancel(_), _) => refused(name, code, origin),
    })
}

fn reject_code(message: &Message<'_>) -> RejectCode {
    match message.get(tag::ORD_REJ_REASON) {
        Some(b"1") => RejectCode::UnknownInstrument,
        Some(b"2") => RejectCode::Halted,
        Some(b"6") => RejectCode::DuplicateOrder,
        _ => RejectCode::DestinationRefused,
    }
}

fn one_byte(message: &Message<'_>, tag: u32) -> Option<u8> {
    match message.get(tag) {
        Some(&[byte]) => Some(byte),
        _ => None,
    }
}

fn quantity(message: &Message<'_>, tag: u32) -> Option<Quantity> {
    message.get(tag).and_then(value::quantity).map(Quantity)
}
