//! Events: what happened because of a command.

use bytemuck::{Pod, Zeroable};

use crate::model::{
    AccountId, Command, Fault, Head, InstrumentId, Nanos, OrderId, Price, Quantity, RejectCode,
    SeqNo, SessionId, Side,
};

coded! {
    /// What happened. 64 to 127 are kept for kinds to come.
    EventKind {
        /// Nothing that concerns anybody: a command without other events, so that none is missing.
        Nothing = 0,
        /// An order was taken; `quantity` and `price` as it stands in the market.
        Accepted = 1,
        /// An order was refused; `reason` is a [`RejectCode`].
        Rejected = 2,
        /// Order `target` became `ordinal`; `quantity` is what is left to trade.
        Replaced = 3,
        /// `quantity` of an order traded at `price`; one event for each side, maker first.
        Executed = 4,
        /// `quantity` of an order was taken away; `reason` is a [`CancelReason`].
        Cancelled = 5,
        /// An order was reduced to `quantity` or re-marked, keeping its priority.
        Modified = 6,
        /// A cancel, modify or replace named an order that is not open.
        CancelRejected = 7,
        /// A mass cancel was taken; its orders' own events follow.
        MassCancelled = 8,
        /// `quantity` messages from `target` on will never be executed: they were lost, or refused
        /// for `reason`.
        NotApplied = 9,
        SessionUp = 10,
        SessionDown = 11,
        /// The kill switch went on for the scope in `side`.
        Killed = 12,
        Revived = 13,
        StartOfDay = 14,
        EndOfDay = 15,
        /// The session may use order number `target` next.
        NextOrdinal = 16,
        EntryDisabled = 17,
        EntryEnabled = 18,
        /// `quantity` of an order rests at `price` after part of it traded or others made way.
        /// Only the feed is told: an order that rests whole says so in its own event.
        Rested = 20,
        /// `quantity` of a resting order is shown no more; it keeps its place. Only the feed is
        /// told: it follows a `Modified`, or a `Replaced` that kept its priority.
        Reduced = 21,
        /// A stop's price was reached: it goes to market now; `quantity` is what it brings.
        Triggered = 22,
        /// The next `quantity` of an iceberg is shown, at the back of its price, as `reference`.
        Refreshed = 23,
        /// `instrument` entered the phase in `reason`; the one in `target` follows.
        PhaseChanged = 24,
        /// An auction would trade `quantity` at `price` now; `target` more would be left on `side`.
        Indicative = 25,
        /// One side's trade of `quantity` at `price` is undone; `reference` is its match number.
        Busted = 26,
        /// One side of a trade that was undone is `quantity` at `price` instead.
        Corrected = 27,
        FamilySet = 28,
        /// Money came to `account`, or went from it: `price`, in the currency coded in `target`.
        CashMoved = 29,
        /// `instrument` is listed, with what its command says of it.
        InstrumentSet = 30,
        /// What a client asked was sent on to a destination; `reason` is the kind of its command,
        /// or 0 where part of the order traded here and `quantity` of it was sent on. The answer
        /// follows when the destination has spoken, as an event that answers no message
        /// (`client_seq` is 0).
        Routed = 32,
        /// Destination `target` is heard again.
        DestinationUp = 33,
        /// Destination `target` is not heard.
        DestinationDown = 34,
        /// Where an order is is not known: its destination is not heard.
        InDoubt = 35,
        /// Its destination said that it stands as was known, with `quantity` left.
        Confirmed = 36,
        /// Reserved: events of several legs.
        MultiLegAccepted = 64,
        MultiLegExecuted = 65,
        /// Reserved: corporate actions.
        Adjusted = 80,
    }
}

coded! {
    /// Why (part of) an order was taken away.
    CancelReason {
        User = 1,
        /// What an immediate-or-cancel order could not fill.
        Immediate = 2,
        Expired = 3,
        /// The operator, a mass cancel or a kill.
        Supervisory = 4,
        SelfTrade = 5,
        Disconnect = 6,
        /// A market order's protection price, or a book without the other side.
        Protection = 7,
        /// More fills than one command may make.
        FillLimit = 8,
        Closed = 9,
        Halted = 10,
        MassCancel = 11,
        /// Nothing was left after what its chain had executed.
        ReplacedBelowExecuted = 12,
        /// The book had no room for the rest.
        BookFull = 13,
        PostOnly = 14,
        /// The auction it was for is over.
        AuctionOver = 15,
        /// Less could be had at once than it asks for at least.
        Minimum = 16,
        /// The rest would trade beyond the instrument's band.
        Band = 17,
        /// The destination an order was routed to took it away.
        Destination = 24,
    }
}

/// Which event of which command: seq in the upper 48 bits, index in the lower 16.
///
/// Events in this order are in the order of history; the id of a fill is the id of its event.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Pod,
    Zeroable,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
#[repr(transparent)]
pub struct EventId(pub u64);

impl EventId {
    /// The `index`-th event of command `seq`.
    #[inline]
    pub const fn new(seq: SeqNo, index: u16) -> Self {
        Self(seq.0 << 16 | index as u64)
    }

    /// The command's place in history.
    #[inline]
    pub const fn seq(self) -> SeqNo {
        SeqNo(self.0 >> 16)
    }

    /// The event's place among its command's.
    #[inline]
    pub const fn index(self) -> u16 {
        self.0 as u16
    }
}

/// Yes-or-no facts of an event, in one byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct EventFlags(pub u8);

impl EventFlags {
    /// The last event of its command.
    pub const LAST: EventFlags = EventFlags(1);
    /// The order is out of the market after this event.
    pub const DONE: EventFlags = EventFlags(1 << 1);
    /// `Executed`: the order was resting. Absent: it took liquidity.
    pub const MAKER: EventFlags = EventFlags(1 << 2);
    /// `Replaced`: the order kept its place and its reference.
    pub const KEPT_PRIORITY: EventFlags = EventFlags(1 << 3);
    /// `Accepted`, `Replaced`: the order rests whole, at once. `Cancelled`: what went was resting.
    /// Absent: the feed has nothing to show.
    pub const RESTS: EventFlags = EventFlags(1 << 4);

    /// `Executed`: it traded at a destination, so the feed of that tells of it; the only side.
    pub const AWAY: EventFlags = EventFlags(1 << 3);
    /// `Executed`: the order was not shown, so the feed tells of a trade and of no order.
    pub const HIDDEN: EventFlags = EventFlags(1 << 5);
    /// `Executed`: one of an auction's trades; neither side was the taker.
    pub const AUCTION: EventFlags = EventFlags(1 << 6);
    /// `Executed`: the order went beyond the price it is shown at, so the feed names the price.
    pub const DISCRETION: EventFlags = EventFlags(1 << 7);

    /// Whether all of `other` is set.
    #[inline]
    pub const fn has(self, other: EventFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// With `other` set as well.
    #[inline]
    pub const fn with(self, other: EventFlags) -> Self {
        EventFlags(self.0 | other.0)
    }
}

/// One thing that happened to one order (or session) because of one command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Event {
    /// Which event of which command.
    pub id: EventId,
    /// Log time of the command.
    pub timestamp: Nanos,
    /// Order price; execution price of a fill.
    pub price: Price,
    /// Public reference of the order: the seq that accepted it, or where a refreshed iceberg is
    /// shown, its own. `Replaced`: the old reference.
    pub reference: SeqNo,
    /// The session that is told.
    pub session: SessionId,
    /// Its number for the order.
    pub ordinal: u32,
    /// `Replaced`: the number of the order that was replaced. Else as the kind says.
    pub target: u32,
    /// The client's sequence number this answers; 0 where it answers nothing (a maker's fill).
    pub client_seq: u32,
    /// The instrument.
    pub instrument: InstrumentId,
    /// The account the order is for.
    pub account: AccountId,
    /// Quantity, as the kind says.
    pub quantity: Quantity,
    /// An [`EventKind`].
    pub kind: u8,
    /// A [`Side`].
    pub side: u8,
    /// A [`RejectCode`] or a [`CancelReason`], as the kind says.
    pub reason: u8,
    /// Yes-or-no facts.
    pub flags: EventFlags,
}
const _: () = assert!(size_of::<Event>() == 64);

impl Event {
    /// An event that answers `command`, about the order the command enters.
    #[inline]
    pub fn answering(command: &Command, index: u16, kind: EventKind) -> Self {
        Self {
            id: EventId::new(command.seq, index),
            timestamp: command.timestamp,
            price: command.price,
            reference: command.seq,
            session: command.session,
            ordinal: command.ordinal,
            target: command.target,
            client_seq: command.client_seq,
            instrument: command.instrument,
            account: command.account,
            quantity: command.quantity,
            kind: kind.code(),
            side: command.side,
            reason: 0,
            flags: EventFlags(0),
        }
    }

    /// Its kind.
    ///
    /// # Errors
    /// [`Fault::MalformedMessage`] for a byte nobody assigned.
    #[inline]
    pub fn kind(&self) -> Result<EventKind, Fault> {
        EventKind::from_code(self.kind).ok_or(Fault::MalformedMessage)
    }

    /// The side of the order it is about; a byte nobody assigned is `None`.
    #[inline]
    pub const fn side(&self) -> Option<Side> {
        Side::from_code(self.side)
    }

    /// The order it is about.
    #[inline]
    pub const fn order_id(&self) -> OrderId {
        OrderId::new(self.session, self.ordinal)
    }

    /// Why the order was refused.
    #[inline]
    pub const fn reject_code(&self) -> Option<RejectCode> {
        RejectCode::from_code(self.reason)
    }

    /// Why quantity was taken away.
    #[inline]
    pub const fn cancel_reason(&self) -> Option<CancelReason> {
        CancelReason::from_code(self.reason)
    }

    /// The number both sides of a trade share: the id of the maker's event. A trade at a
    /// destination has one side here.
    #[inline]
    pub const fn match_number(&self) -> EventId {
        let is_own = self.flags.0 & (EventFlags::MAKER.0 | EventFlags::AWAY.0) != 0;
        if is_own { self.id } else { EventId(self.id.0 - 1) }
    }
}

impl Head for Event {
    #[inline]
    fn lines(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_a_trade_share_their_match_number() {
        let maker =
            Event { id: EventId::new(SeqNo(9), 4), flags: EventFlags::MAKER, ..Event::default() };
        let taker = Event { id: EventId::new(SeqNo(9), 5), ..Event::default() };
        assert_eq!(maker.match_number(), taker.match_number());
        assert_eq!((maker.id.seq(), taker.id.index()), (SeqNo(9), 5));
    }
}
