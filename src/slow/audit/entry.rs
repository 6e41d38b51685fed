//! `Entry`: one thing that happened, as the regulator's record keeps it: the event, the order it is
//! about as it stands after it, and who stands behind it. An entry needs no other to be understood.

use bytemuck::{Pod, Zeroable};

use crate::model::{
    Command, CommandKind, Event, Flags, Group, Line, Nanos, OrderType, Parties, Price, Quantity,
    TermFlags, TimeInForce,
};

/// The order, after the event. Zero means "not asked" or "not known".
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Order {
    /// When the frame with it was received, in log time.
    pub received_at: Nanos,
    /// Since when it has its place at its price.
    pub priority_at: Nanos,
    /// Log time at which a good-till-time order dies.
    pub expires_at: Nanos,
    /// Its limit.
    pub price: Price,
    /// Its trigger.
    pub stop_price: Price,
    /// What it asked for, all of its chain.
    pub initial: Quantity,
    /// What is left of it.
    pub leaves: Quantity,
    /// What it traded, all of its chain.
    pub executed: Quantity,
    /// The part it shows; 0 shows all, unless it is hidden.
    pub displayed: Quantity,
    /// The least it trades at once.
    pub minimum: Quantity,
    /// A [`CommandKind`]: what made this happen.
    pub cause: u8,
    /// An [`OrderType`].
    pub order_type: u8,
    /// A [`TimeInForce`].
    pub time_in_force: u8,
    /// The order's instructions.
    pub flags: Flags,
}
const _: () = assert!(size_of::<Order>() == 64);

/// Who stands behind an order, in the client's words and codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Origin {
    /// The client's name for the order, padded with zeros.
    pub client_order_id: [u8; 32],
    /// Client identification code.
    pub client: u64,
    /// Who took the investment decision.
    pub decision: u64,
    /// Who executes.
    pub execution: u64,
    /// Firm.
    pub firm: [u8; 4],
    /// The order's yes-or-no wishes.
    pub terms: TermFlags,
    /// What the order is for regulators, as `Parties` has it.
    pub attributes: u8,
    /// 0: this is an origin. An operator's entry has a `Note` line in its place.
    pub kind: u8,
    /// The layout's version.
    pub version: u8,
}
const _: () = assert!(size_of::<Origin>() == 64);

/// One entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Entry {
    /// What happened, as the event log has it.
    pub event: Event,
    /// The order it is about.
    pub order: Order,
    /// An [`Origin`], or what an operator noted.
    pub who: Line,
}

/// Bytes of an entry.
pub const ENTRY_BYTES: usize = size_of::<Entry>();
const _: () = assert!(ENTRY_BYTES == 192);

impl Order {
    /// As a command that enters or replaces asks for it.
    pub(super) fn asked(group: &Group<Command>) -> Self {
        let command = &group.head;
        let terms = group.terms().copied().unwrap_or_default();
        Self {
            received_at: command.received_at(),
            priority_at: command.timestamp,
            expires_at: Nanos(terms.expires_at),
            price: command.price,
            stop_price: terms.stop_price,
            initial: command.quantity,
            leaves: command.quantity,
            executed: Quantity::ZERO,
            displayed: terms.displayed,
            minimum: terms.minimum,
            cause: command.kind,
            order_type: command.order_type,
            time_in_force: command.time_in_force,
            flags: command.flags,
        }
    }

    /// What made this happen.
    pub fn cause(&self) -> Option<CommandKind> {
        CommandKind::from_code(self.cause)
    }

    /// How its price is set.
    pub fn order_type(&self) -> Option<OrderType> {
        OrderType::from_code(self.order_type)
    }

    /// How long it lives.
    pub fn time_in_force(&self) -> Option<TimeInForce> {
        TimeInForce::from_code(self.time_in_force)
    }
}

impl Origin {
    /// As a command says.
    pub(super) fn of(group: &Group<Command>) -> Self {
        let text = group.text().copied().unwrap_or_default();
        let parties: Parties = group.parties().copied().unwrap_or_default();
        Self {
            client_order_id: text.client_order_id,
            client: parties.client,
            decision: parties.decision,
            execution: parties.execution,
            attributes: parties.attributes,
            firm: text.firm,
            terms: group.terms().map_or(TermFlags(0), |terms| terms.flags),
            ..Self::default()
        }
    }
}

impl Entry {
    /// Who stands behind the order; nothing in an operator's entry.
    pub fn origin(&self) -> Option<&Origin> {
        let origin: &Origin = bytemuck::cast_ref(&self.who);
        (origin.kind == 0).then_some(origin)
    }

    /// Who asked as an operator, who else, and why.
    pub fn note(&self) -> Option<&crate::model::Note> {
        let is_note = self.who.kind() == Some(crate::model::LineKind::Note);
        is_note.then(|| bytemuck::cast_ref(&self.who))
    }
}

/// Text padded with zeros.
pub fn unpadded(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or(&[])).into_owned()
}
