//! Requests and commands: one layout, before and after the sequencer.

use bytemuck::{Pod, Zeroable};

use crate::model::{
    AccountId, Capacity, Head, InstrumentId, LINES_MAX, MODEL_VERSION, Nanos, OrderId, OrderType,
    Price, Quantity, RejectCode, SelfTrade, SeqNo, SessionId, Side, TimeInForce,
};

coded! {
    /// What a command asks. 64 to 127 are kept for kinds to come; old journals stay readable.
    CommandKind {
        /// A new order; `target` is the destination it names, [`Command::HERE`] this house, 0 none.
        Enter = 1,
        /// Takes order `target` away and enters `ordinal`; `quantity` is the total of the chain.
        Replace = 2,
        /// Reduces order `target` to a total of `quantity`; 0 cancels what is left.
        Cancel = 3,
        /// As `Cancel`, but also may change how a sale is marked; keeps priority.
        Modify = 4,
        /// Cancels the session's orders, of `instrument` or (0) of all; `Terms` may ask for less.
        MassCancel = 5,
        /// Goes on with what is unfinished in shard `target`: triggered stops, auctions, expiries,
        /// mass cancels.
        Sweep = 6,
        /// `quantity` messages from `client_seq` on will never be executed: they were lost, or
        /// refused for the reason in `verdict`.
        NotApplied = 7,
        /// A session logged in.
        SessionUp = 8,
        /// A session ended or fell silent; its orders die if `quantity` is not 0.
        SessionDown = 9,
        /// Kill switch on for a [`Scope`]: nothing new, or only what reduces a position, by the
        /// [`TradingState`](crate::model::TradingState) in `order_type`; resting orders cancelled.
        Kill = 10,
        /// Kill switch off for a [`Scope`].
        Revive = 11,
        /// The account's buying power is now `price` (absolute).
        SetBuyingPower = 12,
        /// The account's exposure limit is now `price` (absolute).
        SetExposureLimit = 13,
        /// The instrument's reference price is now `price`. Market data also tells the destinations
        /// where it is bought (`target`) and sold (`ordinal`) best; 0: at none of them.
        SetReferencePrice = 14,
        /// The market opens for the day. `order_type` 1: the house says so, by its calendar or
        /// because history begins; else a person.
        StartOfDay = 15,
        /// The market closes for the day. `quantity` not 0, as in all but old journals: the feed's
        /// session goes on until the next day starts, and a person (`order_type` 0) is refused
        /// while an auction gathers.
        EndOfDay = 16,
        /// New orders are refused while the journal is short of room or (`order_type` 1) the clock
        /// may be too far from UTC; cancels are taken.
        Throttle = 17,
        /// Ends `Throttle`, of the same `order_type`.
        Unthrottle = 18,
        /// Nothing but the passing of time.
        Tick = 19,
        /// Which order number the session may use next; the gateway puts it in `target`.
        AccountQuery = 20,
        /// The firm's order entry is off until `EnableEntry`.
        DisableEntry = 21,
        EnableEntry = 22,
        /// `instrument` enters the [`Phase`](crate::model::Phase) in `side`. After `quantity`
        /// milliseconds (0: never) and up to `target` more, drawn from the seed in `price`,
        /// the phase in `ordinal` follows; an auction trades in between. One that the calendar asks
        /// for has an `order_type` of 1, and does not end a halt; one that market data asks for
        /// has 2, and ends no halt but its own.
        SetPhase = 23,
        /// A trade, told in a `Trade` line, is undone; the head names its buyer.
        BustTrade = 24,
        /// A trade, told in a `Trade` line, had another price or quantity.
        CorrectTrade = 25,
        /// `account` does not trade with the accounts of family `target`; 0 is no family.
        SetFamily = 26,
        /// `instrument` trades no further than `quantity` hundredths of a percent (0: as far as it
        /// likes) from where it stood when the last `ordinal` milliseconds began; who would go
        /// further begins a volatility auction of `target` milliseconds and up to a tenth more,
        /// drawn from the seed in `price`.
        SetBand = 27,
        /// `instrument` is in the [`Hours`](crate::model::Hours) in `side`: its collar is
        /// `quantity` hundredths of a percent (0: the account's own), and only sessions that may
        /// trade at these hours enter orders.
        SetHours = 28,
        /// `instrument`, in which nobody waits, goes to shard `target`, and begins there in the
        /// phase in `side`, last traded at `price` (0: never).
        MoveInstrument = 29,
        /// The destination `session` has taken order `ordinal`, its number there, and has it at
        /// `price` (0: as asked). `side` 1: it says so because it was asked where the order is, and
        /// `quantity` is what is left of it there. This and the next ones are what a destination
        /// reports; `client_seq` is its own number of the report (0: none), and what it says again
        /// is not counted again.
        AwayAccepted = 32,
        /// `quantity` of order `ordinal` traded at `price`; the `Trade` line has the destination's
        /// number of the execution, which counts once. `side` 1: the order took liquidity.
        AwayExecuted = 33,
        /// `quantity` (0: all that is left) of order `ordinal` was taken away, for the
        /// [`CancelReason`](crate::model::CancelReason) in `side`.
        AwayCancelled = 34,
        /// Order `target` became `ordinal`, with `quantity` left to trade at `price`.
        AwayReplaced = 35,
        /// Order or replacement `ordinal` was refused, for the reject code in `side`; or the
        /// destination does not know it: what is left of it is gone.
        AwayRejected = 36,
        /// The cancel, cut or new marking of order `ordinal` was refused: the code is in `side`.
        AwayCancelRejected = 37,
        /// Order `ordinal` was cut to `quantity` left, or marked anew.
        AwayModified = 38,
        /// The execution of order `ordinal` named in the `Trade` line is undone.
        AwayBusted = 39,
        /// It is `quantity` at `price` instead; one that still counted is undone first.
        AwayCorrected = 40,
        /// Messages to destination `session` arrive again; it has those below `target` on record.
        AwayUp = 41,
        /// Nobody hears destination `session`: new orders for it are refused, what was asked is
        /// resolved when it is back.
        AwayDown = 42,
        /// Destination `session` has our messages below `target` on record. With a `price` it is a
        /// mark, which goes back to whoever speaks with the destination when it is in the journal.
        AwayHeard = 43,
        /// Where order `target` is, its number there: sent to a destination, and never a request.
        AskStatus = 44,
        /// Reserved: an order of several legs; its legs are further commands under one seq.
        MultiLegEnter = 64,
        MultiLegReplace = 65,
        MultiLegCancel = 66,
        /// Reserved: corporate actions, applied to open orders and positions at one seq.
        Split = 80,
        Dividend = 81,
        SymbolChange = 82,
        Delist = 83,
        /// The [`LimitKind`](crate::model::LimitKind) in `order_type` of the [`Scope`] in `side`
        /// is `price` from now on (absolute; below 0: no limit). With `instrument` beside another
        /// scope it is about the two together.
        SetLimit = 96,
        /// `account` is known (`quantity` not 0), with the limits of account `target`, or is not.
        SetAccount = 97,
        /// `session` may trade for accounts `target` to `ordinal` as session `quantity` may, or
        /// (`quantity` 0) for none.
        SetSession = 98,
        /// Money in the currency coded in `target` came to `account`, or (`price` below 0) went
        /// from it; the [`CashKind`](crate::model::CashKind) is in `order_type`, and the name under
        /// which it counts once in the `Text` line. Only the books heed it: what follows for risk
        /// comes as `SetBuyingPower`.
        Cash = 99,
        /// `instrument` is listed from now on, or listed otherwise: its symbol is in `ordinal` and
        /// `target`, its lot `quantity`, its reference price `price` (0: as it is), its tick, in
        /// ten-thousandths, `client_seq`, for no client sends one. `order_type` 1: it is listed
        /// already; else it must not be.
        SetInstrument = 100,
    }
}

coded! {
    /// How far a kill or a limit reaches; rides in the `side` byte, its id in the field of that
    /// name; a firm's and a venue's in `target`.
    Scope { Everything = 0, Session = 1, Account = 2, Instrument = 3, Firm = 4, Venue = 5, }
}

/// The risk gate's answer, carried inside the command: 0 passed, else a [`RejectCode`].
pub type Verdict = u8;

/// An order's instructions in one byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct Flags(pub u8);

impl Flags {
    /// Never take liquidity.
    pub const POST_ONLY: Flags = Flags(1);
    /// Not shown in the book.
    pub const HIDDEN: Flags = Flags(1 << 4);
    /// Intermarket sweep order.
    pub const SWEEP: Flags = Flags(1 << 5);

    /// Whether all of `other` is set.
    #[inline]
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// With `other` set as well.
    #[inline]
    pub const fn with(self, other: Flags) -> Self {
        Flags(self.0 | other.0)
    }

    /// With a self-trade setting (bits 1 to 3).
    #[inline]
    pub const fn with_self_trade(self, setting: SelfTrade) -> Self {
        Flags(self.0 & !0b1110 | setting.code() << 1)
    }

    /// The self-trade setting; a byte nobody writes prevents most.
    #[inline]
    pub const fn self_trade(self) -> SelfTrade {
        match SelfTrade::from_code(self.0 >> 1 & 0b111) {
            Some(setting) => setting,
            None => SelfTrade::CancelBoth,
        }
    }

    /// With a capacity (bits 6 and 7).
    #[inline]
    pub const fn with_capacity(self, capacity: Capacity) -> Self {
        Flags(self.0 & 0x3f | capacity.code() << 6)
    }

    /// For whom the firm acts.
    #[inline]
    pub const fn capacity(self) -> Capacity {
        match Capacity::from_code(self.0 >> 6) {
            Some(capacity) => capacity,
            None => Capacity::Other,
        }
    }
}

/// A request with its place in history. Everything after the sequencer is a function of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Command {
    /// Place in history.
    pub seq: SeqNo,
    /// Log time: nanoseconds since the Unix epoch, strictly increasing.
    pub timestamp: Nanos,
    /// Limit price; money or reference price where the kind says so.
    pub price: Price,
    /// How long before `timestamp` the frame was received, in nanoseconds, held at the top.
    pub age: u32,
    /// The session it came from; 0 is the operator.
    pub session: SessionId,
    /// The session's own number for the order it enters (OUCH UserRefNum).
    pub ordinal: u32,
    /// The session's number of the order it works on.
    pub target: u32,
    /// The session's sequence number of the message; 0 where no client sent one.
    pub client_seq: u32,
    /// The instrument; 0 where none is meant or known.
    pub instrument: InstrumentId,
    /// The account; 0 where none is meant or known.
    pub account: AccountId,
    /// Quantity; a count where the kind says so.
    pub quantity: Quantity,
    /// A [`CommandKind`].
    pub kind: u8,
    /// A [`Side`]; a [`Scope`] for kills.
    pub side: u8,
    /// An [`OrderType`].
    pub order_type: u8,
    /// A [`TimeInForce`].
    pub time_in_force: u8,
    /// The risk gate's answer; the gateway may stamp one before (bad fields).
    pub verdict: Verdict,
    /// The order's instructions.
    pub flags: Flags,
    /// Lines of the message, this one included.
    pub lines: u8,
    /// [`MODEL_VERSION`].
    pub version: u8,
}
const _: () = assert!(size_of::<Command>() == 64);

impl Command {
    /// In the `order_type` of a phase or of a day's start or end: no person asks for it.
    pub const BY_HOUSE: u8 = 1;

    /// In a throttle's `order_type`: because of the clock, not of the journal's room.
    pub const FOR_THE_CLOCK: u8 = 1;

    /// In a new order's `target`: it is matched here, whatever is done with others like it.
    pub const HERE: u32 = u32::MAX;

    /// A command of one line with everything but its kind zero.
    #[inline]
    pub fn new(kind: CommandKind) -> Self {
        Self { kind: kind.code(), lines: 1, version: MODEL_VERSION, ..Self::zeroed() }
    }

    /// Its kind; `None` for a byte nobody assigned.
    #[inline]
    pub const fn kind(&self) -> Option<CommandKind> {
        CommandKind::from_code(self.kind)
    }

    /// Whether a destination reports it of orders that were routed there.
    #[inline]
    pub const fn is_away(&self) -> bool {
        self.kind >= CommandKind::AwayAccepted.code() && self.kind <= CommandKind::AwayHeard.code()
    }

    /// Its side; a byte nobody assigned is `None`.
    #[inline]
    pub const fn side(&self) -> Option<Side> {
        Side::from_code(self.side)
    }

    /// How the price is set.
    #[inline]
    pub const fn order_type(&self) -> Option<OrderType> {
        OrderType::from_code(self.order_type)
    }

    /// How long it lives.
    #[inline]
    pub const fn time_in_force(&self) -> Option<TimeInForce> {
        TimeInForce::from_code(self.time_in_force)
    }

    /// Why it was refused, if it was.
    #[inline]
    pub const fn refused(&self) -> Option<RejectCode> {
        RejectCode::from_code(self.verdict)
    }

    /// The order it enters.
    #[inline]
    pub const fn order_id(&self) -> OrderId {
        OrderId::new(self.session, self.ordinal)
    }

    /// The order it works on.
    #[inline]
    pub const fn target_id(&self) -> OrderId {
        OrderId::new(self.session, self.target)
    }

    /// When the frame was received, in log time.
    #[inline]
    pub const fn received_at(&self) -> Nanos {
        Nanos(self.timestamp.0.saturating_sub(self.age as u64))
    }
}

impl Head for Command {
    #[inline]
    fn lines(&self) -> usize {
        (self.lines as usize).clamp(1, LINES_MAX)
    }
}

/// What a client or the operator asked, decoded but not yet ordered.
///
/// The same layout as a [`Command`]; `timestamp` is the time of receipt and `seq` is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(transparent)]
pub struct Request(pub Command);

impl Request {
    /// A request of one line, received at `received_at`.
    #[inline]
    pub fn new(kind: CommandKind, received_at: Nanos) -> Self {
        Self(Command { timestamp: received_at, ..Command::new(kind) })
    }

    /// Its place in history: the one conversion, made by the sequencer alone.
    #[inline]
    pub fn sequenced(self, seq: SeqNo, timestamp: Nanos) -> Command {
        let waited = timestamp.0.saturating_sub(self.0.timestamp.0);
        Command { seq, timestamp, age: waited.min(u32::MAX as u64) as u32, ..self.0 }
    }
}

impl Head for Request {
    #[inline]
    fn lines(&self) -> usize {
        self.0.lines()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequencing_turns_the_time_of_receipt_into_an_age() {
        let request = Request::new(CommandKind::Enter, Nanos(1_000));
        let command = request.sequenced(SeqNo(7), Nanos(1_250));
        assert_eq!((command.seq, command.age), (SeqNo(7), 250));
        assert_eq!(command.received_at(), Nanos(1_000));
    }

    #[test]
    fn flags_keep_their_fields_apart() {
        let flags = Flags::POST_ONLY
            .with(Flags::SWEEP)
            .with_self_trade(SelfTrade::CancelOldest)
            .with_capacity(Capacity::Riskless);
        assert!(flags.has(Flags::POST_ONLY) && flags.has(Flags::SWEEP));
        assert!(!flags.has(Flags::HIDDEN));
        assert_eq!(flags.self_trade(), SelfTrade::CancelOldest);
        assert_eq!(flags.capacity(), Capacity::Riskless);
    }
}
