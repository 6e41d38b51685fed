//! Lines and groups: a message is one to four 64-byte lines, the head first.
//!
//! A plain order is one line. What only the edge needs (client strings) rides in further lines,
//! so that the command log restores the edge too.

use bytemuck::{Pod, Zeroable};

use crate::model::{AccountId, Price, Quantity, SessionId};

/// Version of the layouts in this module; heads carry it, and so do journal headers.
pub const MODEL_VERSION: u8 = 1;

/// The most lines a message has.
pub const LINES_MAX: usize = 4;

/// One cache line of a message, not yet looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Line(pub [u64; 8]);

impl Line {
    /// The kind of a further line; `None` for a head or a byte nobody assigned.
    #[inline]
    pub fn kind(&self) -> Option<LineKind> {
        LineKind::from_code(bytemuck::bytes_of(self)[LINE_KIND_AT])
    }
}

/// Where a further line keeps its kind; a head keeps its number of lines there (1 to 4).
const LINE_KIND_AT: usize = 62;

coded! {
    /// What a line after the head holds.
    LineKind { Terms = 0x81, Text = 0x82, Parties = 0x83, Trade = 0x84, Note = 0x85, }
}

/// A line that opens a message and says how many lines the message has.
pub trait Head: Pod + Send + 'static {
    /// Lines of the whole message, this one included; never 0, never above [`LINES_MAX`].
    fn lines(&self) -> usize;
}

/// A message whole: its head and up to three further lines.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Group<H: Head> {
    /// The head.
    pub head: H,
    rest: [Line; LINES_MAX - 1],
}

impl<H: Head> Group<H> {
    /// A message of one line, or the head of one whose further lines [`Self::rest_mut`] takes.
    #[inline]
    pub fn new(head: H) -> Self {
        Self { head, rest: [Line([0; 8]); LINES_MAX - 1] }
    }

    /// A message of a head and the further lines it counts.
    #[inline]
    pub fn of_parts(head: &H, rest: &[Line]) -> Self {
        let mut group = Self::new(*head);
        for (slot, line) in group.rest.iter_mut().zip(rest) {
            *slot = *line;
        }
        group
    }

    /// The lines after the head.
    #[inline]
    pub fn rest(&self) -> &[Line] {
        self.rest.get(..self.head.lines() - 1).unwrap_or(&[])
    }

    /// Room for all further lines, used or not; the head says how many count.
    #[inline]
    pub fn rest_mut(&mut self) -> &mut [Line; LINES_MAX - 1] {
        &mut self.rest
    }

    /// The first further line of a kind, as that kind.
    #[inline]
    fn further<T: Pod>(&self, kind: LineKind) -> Option<&T> {
        self.rest().iter().find(|line| line.kind() == Some(kind)).map(bytemuck::cast_ref)
    }

    /// The order's terms, where it has any beyond the head's.
    #[inline]
    pub fn terms(&self) -> Option<&Terms> {
        self.further(LineKind::Terms)
    }

    /// The client's strings.
    #[inline]
    pub fn text(&self) -> Option<&Text> {
        self.further(LineKind::Text)
    }

    /// The trade that a bust or correction is about.
    #[inline]
    pub fn trade(&self) -> Option<&TradeDetail> {
        self.further(LineKind::Trade)
    }

    /// Who asked for an operator's command, and why.
    #[inline]
    pub fn note(&self) -> Option<&Note> {
        self.further(LineKind::Note)
    }

    /// Who stands behind the order.
    #[inline]
    pub fn parties(&self) -> Option<&Parties> {
        self.further(LineKind::Parties)
    }
}

/// Declares a further line: asserts 64 bytes, stamps kind and version.
macro_rules! further_line {
    ($name:ident, $kind:expr) => {
        const _: () = assert!(size_of::<$name>() == 64);

        impl $name {
            /// As a line of a group, with its kind stamped.
            #[inline]
            pub fn line(mut self) -> Line {
                self.kind = $kind.code();
                self.version = MODEL_VERSION;
                bytemuck::cast(self)
            }
        }
    };
}

/// Yes-or-no wishes of an order or of a mass cancel, in one byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct TermFlags(pub u8);

impl TermFlags {
    /// A post-only order that would take moves a tick away instead of being cancelled.
    pub const SLIDE: TermFlags = TermFlags(1);
    /// Each execution takes all that is left of the order.
    pub const ALL_OR_NONE: TermFlags = TermFlags(1 << 1);
    /// Mass cancel: only the account's orders.
    pub const BY_ACCOUNT: TermFlags = TermFlags(1 << 2);
    /// Mass cancel: only the side's orders; marked sales are sales.
    pub const BY_SIDE: TermFlags = TermFlags(1 << 3);
    /// Mass cancel by the operator: every session's orders.
    pub const ALL_SESSIONS: TermFlags = TermFlags(1 << 4);

    /// Whether all of `other` is set.
    #[inline]
    pub const fn has(self, other: TermFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// With `other` set as well.
    #[inline]
    pub const fn with(self, other: TermFlags) -> Self {
        TermFlags(self.0 | other.0)
    }
}

/// What an order asks beyond price, quantity and time in force. Zero means "not asked".
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Terms {
    /// Trigger price of a stop.
    pub stop_price: Price,
    /// Offset of a peg or a trail; signed.
    pub offset: Price,
    /// The best price a peg may reach.
    pub cap: Price,
    /// From the price the order is shown at to the head's, which is as far as it would go; signed:
    /// above zero for a buyer.
    pub discretion: Price,
    /// Log time at which a good-till-time order dies.
    pub expires_at: u64,
    /// Displayed part of an iceberg.
    pub displayed: Quantity,
    /// Least quantity of one execution.
    pub minimum: Quantity,
    /// Client's group for mass cancel.
    pub group: u16,
    /// Yes-or-no wishes.
    pub flags: TermFlags,
    /// Not used; zero.
    pub reserved: [u8; 11],
    /// [`LineKind::Terms`].
    pub kind: u8,
    /// [`MODEL_VERSION`].
    pub version: u8,
}
further_line!(Terms, LineKind::Terms);

/// A trade that is undone or corrected: the books keep no trades, so the operator names it whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct TradeDetail {
    /// The number both sides share.
    pub match_number: u64,
    /// The price it was made at.
    pub price: Price,
    /// The price it has after a correction.
    pub new_price: Price,
    /// How much was traded.
    pub quantity: Quantity,
    /// How much it is after a correction.
    pub new_quantity: Quantity,
    /// The seller's session.
    pub seller: SessionId,
    /// The seller's number for the order.
    pub seller_ordinal: u32,
    /// The seller's account.
    pub seller_account: AccountId,
    /// Not used; zero.
    pub reserved: [u8; 18],
    /// [`LineKind::Trade`].
    pub kind: u8,
    /// [`MODEL_VERSION`].
    pub version: u8,
}
further_line!(TradeDetail, LineKind::Trade);

/// The client's own strings and codes, echoed and never interpreted by the core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Text {
    /// The client's name for the order (ClOrdID), padded with zeros.
    pub client_order_id: [u8; 32],
    /// Symbol as the client wrote it, where the instrument is not known.
    pub symbol: [u8; 8],
    /// Firm (MPID).
    pub firm: [u8; 4],
    /// Display instruction as sent.
    pub display: u8,
    /// Cross type as sent.
    pub cross_type: u8,
    /// Customer type as sent.
    pub customer_type: u8,
    /// Time in force as sent.
    pub time_in_force: u8,
    /// The client's channel within its session (OUCH UserRefIdx).
    pub channel: u8,
    /// Not used; zero.
    pub reserved: [u8; 13],
    /// [`LineKind::Text`].
    pub kind: u8,
    /// [`MODEL_VERSION`].
    pub version: u8,
}
further_line!(Text, LineKind::Text);

/// Short codes of those behind an order, as regulators ask for them (MiFID II RTS 24).
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Parties {
    /// Client identification code.
    pub client: u64,
    /// Person or algorithm that took the investment decision.
    pub decision: u64,
    /// Person or algorithm that executes.
    pub execution: u64,
    /// Who the order is transmitted for, where that is another firm.
    pub transmitted_for: u64,
    /// Broker that located borrowed shares.
    pub locate_broker: [u8; 4],
    /// What the order is for regulators: bit n is OrderAttributeType (2594) n of FIX, from 0
    /// (aggregated) over 2 (liquidity provision) and 4 (algorithm) to 7.
    pub attributes: u8,
    /// Not used; zero.
    pub reserved: [u8; 25],
    /// [`LineKind::Parties`].
    pub kind: u8,
    /// [`MODEL_VERSION`].
    pub version: u8,
}
further_line!(Parties, LineKind::Parties);

/// Who asked for an operator's command, and why; padded with zeros. The core never reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Note {
    /// The person.
    pub actor: [u8; 15],
    /// The second person, where two are needed.
    pub second: [u8; 15],
    /// Their reason.
    pub reason: [u8; 32],
    /// [`LineKind::Note`].
    pub kind: u8,
    /// [`MODEL_VERSION`].
    pub version: u8,
}
further_line!(Note, LineKind::Note);
