//! How reports are written, by version.

use crate::model::{InstrumentId, Nanos, OrderType, Price, RejectCode, Side};
use crate::wire::fix::dictionary::Version;
use crate::wire::fix::order::chain::{Id, Order};
use crate::wire::fix::order::codes;
use crate::wire::fix::order::decode::Directory;
use crate::wire::fix::order::party::PartyActionReport;
use crate::wire::fix::tag;
use crate::wire::fix::value::Precision;
use crate::wire::fix::writer::Writer;

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OrderReport {
    /// Something happened to an order (8).
    Execution(ExecutionReport),
    /// A cancel or replacement was refused (9).
    CancelReject(CancelReject),
    /// A mass cancel was taken or refused (r).
    MassCancel(MassCancelReport),
    /// A party was stopped or let go on, or was not (DI).
    Party(PartyActionReport),
}

/// ExecutionReport (8).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExecutionReport {
    /// OrderID (37); 0 where there is none.
    pub order_id: u64,
    /// ExecID (17); 0 for a status.
    pub exec_id: u64,
    /// ExecRefID (19): the report that this one undoes or corrects; 0 for none.
    pub exec_ref_id: u64,
    /// ClOrdID (11).
    pub id: Id,
    /// OrigClOrdID (41), where another came before.
    pub original_id: Id,
    /// Why this report (150).
    pub exec_type: u8,
    /// Where the order is (39).
    pub status: u8,
    /// It answers a question and reports nothing new.
    pub is_status: bool,
    /// What is traded.
    pub instrument: InstrumentId,
    /// A `Side`.
    pub side: u8,
    /// An `OrderType`.
    pub order_type: u8,
    /// OrderQty (38).
    pub total: u32,
    /// Price (44); 0 where there is none.
    pub price: Price,
    /// What traded just now.
    pub last: Option<(u32, Price)>,
    /// Whether it was resting when it traded.
    pub maker: Option<bool>,
    /// LeavesQty (151).
    pub leaves: u32,
    /// CumQty (14).
    pub executed: u32,
    /// AvgPx (6).
    pub average: Price,
    /// OrdRejReason (103).
    pub reject: Option<u16>,
    /// Text (58); empty for none.
    pub text: &'static str,
    /// TransactTime (60).
    pub time: Nanos,
}

/// OrderCancelReject (9).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CancelReject {
    /// OrderID (37); 0 is written as NONE.
    pub order_id: u64,
    /// ClOrdID (11) of the refused request.
    pub id: Id,
    /// OrigClOrdID (41).
    pub original_id: Id,
    /// Where the order is (39).
    pub status: u8,
    /// `1` a cancel, `2` a replacement (434).
    pub response_to: u8,
    /// CxlRejReason (102).
    pub reason: u16,
    /// Text (58).
    pub text: &'static str,
    /// TransactTime (60).
    pub time: Nanos,
}

/// OrderMassCancelReport (r).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MassCancelReport {
    /// Our number for it.
    pub report_id: u64,
    /// ClOrdID (11).
    pub id: Id,
    /// Of a security, or of everything.
    pub of_security: bool,
    /// The security.
    pub instrument: InstrumentId,
    /// Why it was refused, if it was.
    pub refused: Option<RejectCode>,
    /// TransactTime (60).
    pub time: Nanos,
}

impl ExecutionReport {
    /// What an order's state says.
    #[inline]
    pub fn of(order: &Order) -> Self {
        Self {
            order_id: order.reference,
            id: order.id,
            status: order.status(),
            instrument: order.instrument,
            side: order.side,
            order_type: order.order_type,
            total: order.total,
            price: order.price,
            leaves: order.leaves(),
            executed: order.executed,
            average: order.average(),
            ..Self::default()
        }
    }

    /// With the reasons as a version says them; it was made as newer versions do.
    pub fn said_in(mut self, version: Version) -> Self {
        if version == Version::Fix42 {
            if self.is_status {
                return self.as_status(version);
            }
            if self.exec_type == b'F' {
                self.exec_type = if self.status == b'2' { b'2' } else { b'1' };
            }
            self.reject = self.reject.map(|reason| if reason > 8 { 0 } else { reason });
        }
        self
    }

    /// As it tells where an order is, and nothing new.
    pub fn as_status(self, version: Version) -> Self {
        let exec_type = if version == Version::Fix42 { self.status } else { b'I' };
        Self { is_status: true, exec_type, ..self }
    }

    /// Writes everything behind the standard header.
    #[inline]
    pub fn write(
        &self,
        version: Version,
        directory: &impl Directory,
        precision: Precision,
        writer: &mut Writer<'_>,
    ) {
        write_order_id(self.order_id, writer);
        writer.padded(tag::CL_ORD_ID, &self.id.0, self.id.length());
        if self.original_id != Id::default() {
            writer.bytes(tag::ORIG_CL_ORD_ID, self.original_id.bytes());
        }
        writer.number(tag::EXEC_ID, self.exec_id);
        if self.exec_ref_id != 0 {
            writer.number(tag::EXEC_REF_ID, self.exec_ref_id);
        }
        let mut exec_type = self.exec_type;
        if version == Version::Fix42 {
            // The oldest version says so in a field of its own, beside where the order is.
            let (transaction, said) = match exec_type {
                b'H' => (b'1', self.status),
                b'G' => (b'2', self.status),
                _ if self.is_status => (b'3', exec_type),
                _ => (b'0', exec_type),
            };
            exec_type = said;
            writer.byte(tag::EXEC_TRANS_TYPE, transaction);
        }
        writer.byte(tag::EXEC_TYPE, exec_type);
        writer.byte(tag::ORD_STATUS, self.status);
        if let Some(reason) = self.reject {
            writer.number(tag::ORD_REJ_REASON, reason.into());
        }
        write_symbol(self.instrument, directory, writer);
        writer.byte(tag::SIDE, codes::side_code(Side::from_code(self.side)));
        writer.number(tag::ORDER_QTY, self.total.into());
        let order_type = OrderType::from_code(self.order_type);
        writer.byte(tag::ORD_TYPE, codes::order_type_code(order_type));
        if self.price != Price::ZERO {
            writer.price(tag::PRICE, self.price);
        }
        if let Some((quantity, price)) = self.last {
            writer.number(tag::LAST_QTY, quantity.into());
            writer.price(tag::LAST_PX, price);
        }
        writer.number(tag::LEAVES_QTY, self.leaves.into());
        writer.number(tag::CUM_QTY, self.executed.into());
        writer.price(tag::AVG_PX, self.average);
        if let (Some(maker), Version::Fix44 | Version::Fix50Sp2) = (self.maker, version) {
            writer.byte(tag::LAST_LIQUIDITY_IND, if maker { b'1' } else { b'2' });
        }
        if self.time != Nanos::ZERO {
            writer.time(tag::TRANSACT_TIME, self.time, precision);
        }
        if !self.text.is_empty() {
            writer.bytes(tag::TEXT, self.text.as_bytes());
        }
    }
}

impl OrderReport {
    /// MsgType.
    pub const fn kind(&self) -> &'static [u8] {
        match self {
            OrderReport::Execution(_) => b"8",
            OrderReport::CancelReject(_) => b"9",
            OrderReport::MassCancel(_) => b"r",
            OrderReport::Party(_) => b"DI",
        }
    }

    /// Writes everything behind the standard header.
    #[inline]
    pub fn write(
        &self,
        version: Version,
        directory: &impl Directory,
        precision: Precision,
        writer: &mut Writer<'_>,
    ) {
        match self {
            OrderReport::Execution(report) => report.write(version, directory, precision, writer),
            OrderReport::CancelReject(reject) => reject.write(precision, writer),
            OrderReport::MassCancel(report) => {
                report.write(version, directory, precision, writer);
            }
            OrderReport::Party(report) => report.write(precision, writer),
        }
    }
}

impl CancelReject {
    fn write(&self, precision: Precision, writer: &mut Writer<'_>) {
        write_order_id(self.order_id, writer);
        writer.bytes(tag::CL_ORD_ID, self.id.bytes());
        let original = if self.original_id == Id::default() { self.id } else { self.original_id };
        writer.bytes(tag::ORIG_CL_ORD_ID, original.bytes());
        writer.byte(tag::ORD_STATUS, self.status);
        writer.time(tag::TRANSACT_TIME, self.time, precision);
        writer.byte(tag::CXL_REJ_RESPONSE_TO, self.response_to);
        writer.number(tag::CXL_REJ_REASON, self.reason.into());
        writer.bytes(tag::TEXT, self.text.as_bytes());
    }
}

impl MassCancelReport {
    fn write(
        &self,
        version: Version,
        directory: &impl Directory,
        precision: Precision,
        writer: &mut Writer<'_>,
    ) {
        writer.bytes(tag::CL_ORD_ID, self.id.bytes());
        writer.number(tag::ORDER_ID, self.report_id);
        if version == Version::Fix50Sp2 {
            writer.number(tag::MASS_ACTION_REPORT_ID, self.report_id);
        }
        let asked = if self.of_security { b'1' } else { b'7' };
        writer.byte(tag::MASS_CANCEL_REQUEST_TYPE, asked);
        writer.byte(tag::MASS_CANCEL_RESPONSE, if self.refused.is_some() { b'0' } else { asked });
        if let Some(code) = self.refused {
            let reason = if code == RejectCode::UnknownInstrument { 1 } else { 99 };
            writer.number(tag::MASS_CANCEL_REJECT_REASON, reason);
            writer.bytes(tag::TEXT, code.sentence().as_bytes());
        }
        if self.of_security {
            write_symbol(self.instrument, directory, writer);
        }
        writer.time(tag::TRANSACT_TIME, self.time, precision);
    }
}

#[inline]
fn write_order_id(order_id: u64, writer: &mut Writer<'_>) {
    match order_id {
        0 => writer.bytes(tag::ORDER_ID, b"NONE"),
        _ => writer.number(tag::ORDER_ID, order_id),
    }
}

#[inline]
fn write_symbol(instrument: InstrumentId, directory: &impl Directory, writer: &mut Writer<'_>) {
    let symbol = directory.symbol(instrument);
    match symbol.trim_ascii_end().len() {
        // A symbol is required even where nobody knows it.
        0 => writer.bytes(tag::SYMBOL, b"[N/A]"),
        length => writer.bytes(tag::SYMBOL, symbol.get(..length).unwrap_or(&[])),
    }
}
