//! What can be said of a command without looking at a book: shared by every matcher, so that two
//! of them can differ in how they keep books but not in what an order may ask.

use crate::model::{
    AccountId, CancelReason, Command, CommandKind, Event, EventFlags, EventKind, Flags, Group,
    Instrument, InstrumentId, OrderType, Price, Quantity, RejectCode, Scope, SelfTrade, SeqNo,
    SessionId, Side, Terms, TimeInForce,
};

use crate::engine::RestingOrder;

/// What a command comes to, before any book is looked at.
pub(super) enum Task {
    /// This event is the whole answer.
    Answer(Event),
    /// The books answer.
    Books(CommandKind),
}

/// Answers a command that needs no book, and the ones refused before they came here.
pub(super) fn sort(command: &Command) -> Task {
    use CommandKind as K;
    let Some(kind) = command.kind() else {
        return Task::Answer(rejected(command, RejectCode::Unsupported));
    };
    if command.verdict != 0 {
        let event = match kind {
            K::Cancel | K::Modify => cancel_rejected(command, RejectCode::Unsupported),
            K::NotApplied => not_applied(command),
            _ => rejected(command, RejectCode::Unsupported),
        };
        return Task::Answer(Event { reason: command.verdict, ..event });
    }
    let answer = match kind {
        K::NotApplied => return Task::Answer(not_applied(command)),
        K::Enter | K::Replace | K::Cancel | K::Modify | K::MassCancel | K::Sweep => {
            return Task::Books(kind);
        }
        K::Kill | K::SessionDown => return Task::Books(kind),
        K::SessionUp => EventKind::SessionUp,
        K::Revive => EventKind::Revived,
        K::StartOfDay => EventKind::StartOfDay,
        K::EndOfDay => EventKind::EndOfDay,
        K::AccountQuery => EventKind::NextOrdinal,
        K::DisableEntry => EventKind::EntryDisabled,
        K::EnableEntry => EventKind::EntryEnabled,
        K::SetBuyingPower | K::SetExposureLimit | K::SetReferencePrice => EventKind::Nothing,
        K::Throttle | K::Unthrottle | K::Tick => EventKind::Nothing,
        K::MultiLegEnter | K::MultiLegReplace | K::MultiLegCancel => EventKind::Rejected,
        K::Split | K::Dividend | K::SymbolChange | K::Delist => EventKind::Rejected,
    };
    let mut event = Event::answering(command, 0, answer);
    if answer == EventKind::Rejected {
        event.reason = RejectCode::Unsupported.code();
    }
    Task::Answer(event)
}

/// Messages of a client were given up: lost, or refused for the reason in the verdict.
fn not_applied(command: &Command) -> Event {
    let event = Event::answering(command, 0, EventKind::NotApplied);
    Event { target: command.client_seq, ..event }
}

/// A new order or replacement was refused.
pub(super) fn rejected(command: &Command, why: RejectCode) -> Event {
    Event { reason: why.code(), ..Event::answering(command, 0, EventKind::Rejected) }
}

/// A cancel or modify of `target` was refused.
pub(super) fn cancel_rejected(command: &Command, why: RejectCode) -> Event {
    Event {
        reason: why.code(),
        ordinal: command.target,
        ..Event::answering(command, 0, EventKind::CancelRejected)
    }
}

/// What an order asks for, checked and taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instructions {
    /// The worst price it takes; `None` takes any.
    pub(super) limit: Option<Price>,
    /// What does not trade at once stays in the book.
    pub(super) may_rest: bool,
    /// All at once or nothing.
    pub(super) whole: bool,
    pub(super) post_only: bool,
    pub(super) self_trade: SelfTrade,
}

/// Checks what an order asks for against its instrument's rules and against what is built.
pub(super) fn instructions(
    group: &Group<Command>,
    instrument: &Instrument,
) -> Result<Instructions, RejectCode> {
    let command = &group.head;
    let is_limit = command.order_type() == Some(OrderType::Limit);
    let is_market = command.order_type() == Some(OrderType::Market);
    let price = command.price;
    if command.quantity.0 == 0 {
        return Err(RejectCode::InvalidQuantity);
    }
    // The tick is above zero (checked at construction), so the remainder cannot trap.
    if is_limit && (price.0 <= 0 || price.0 % instrument.tick.0 != 0) {
        return Err(RejectCode::InvalidPrice);
    }
    let self_trade = command.flags.self_trade();
    let asks_more = group.terms().is_some_and(asks_anything);
    if !(is_limit || is_market)
        || self_trade == SelfTrade::Decrement
        || command.flags.has(Flags::HIDDEN)
        || asks_more
    {
        return Err(RejectCode::Unsupported);
    }
    let (may_rest, whole) = match command.time_in_force() {
        Some(TimeInForce::Day | TimeInForce::Gtc) => (is_limit, false),
        Some(TimeInForce::Ioc) => (false, false),
        Some(TimeInForce::Fok) => (false, true),
        _ => return Err(RejectCode::Unsupported),
    };
    let limit = (is_limit || price != Price::ZERO).then_some(price);
    let post_only = command.flags.has(Flags::POST_ONLY);
    Ok(Instructions { limit, may_rest, whole, post_only, self_trade })
}

/// Whether a `Terms` line says anything at all.
fn asks_anything(terms: &Terms) -> bool {
    Terms { kind: 0, version: 0, ..*terms } != Terms::default()
}

/// An event about a resting order, or one that could rest, that answers nobody.
#[inline]
pub(super) fn about(order: &RestingOrder, kind: EventKind) -> Event {
    Event {
        price: order.price,
        reference: order.reference,
        session: order.session,
        ordinal: order.ordinal,
        instrument: order.instrument,
        account: order.account,
        quantity: order.leaves,
        kind: kind.code(),
        side: order.side.code(),
        ..Event::default()
    }
}

/// `quantity` of a resting order is shown no more, for the feed.
#[inline]
pub(super) fn reduced(order: &RestingOrder, quantity: Quantity) -> Event {
    Event { quantity, ..about(order, EventKind::Reduced) }
}

/// A resting order is gone for `reason`.
#[inline]
pub(super) fn withdrawn(order: &RestingOrder, reason: CancelReason) -> Event {
    let flags = EventFlags::DONE.with(EventFlags::RESTS);
    Event { flags, ..cancelled(order, reason) }
}

/// What is left of an order that did not rest is gone for `reason`.
#[inline]
pub(super) fn cancelled(order: &RestingOrder, reason: CancelReason) -> Event {
    Event { reason: reason.code(), flags: EventFlags::DONE, ..about(order, EventKind::Cancelled) }
}

/// The order an `Enter` makes, before it has met the book.
pub(super) fn entered(command: &Command, side: Side) -> RestingOrder {
    RestingOrder {
        session: command.session,
        ordinal: command.ordinal,
        account: command.account,
        reference: command.seq,
        instrument: command.instrument,
        side,
        price: command.price,
        leaves: command.quantity,
        executed: Quantity::ZERO,
        time_in_force: command.time_in_force,
        flags: command.flags.0,
    }
}

/// The order a `Replace` of `old` makes, if anything is left of it.
pub(super) fn replacement(command: &Command, old: &RestingOrder) -> Option<RestingOrder> {
    let leaves = command.quantity.checked_sub(old.executed).filter(|left| left.0 > 0)?;
    Some(RestingOrder {
        ordinal: command.ordinal,
        reference: command.seq,
        price: command.price,
        leaves,
        time_in_force: command.time_in_force,
        flags: command.flags.0,
        ..*old
    })
}

/// Whether a replacement keeps its predecessor's place: it asks for no more, and no differently.
pub(super) fn keeps_place(old: &RestingOrder, new: &RestingOrder, asks: &Instructions) -> bool {
    let was_post_only = Flags(old.flags).has(Flags::POST_ONLY);
    asks.may_rest
        && asks.post_only == was_post_only
        && new.price == old.price
        && new.leaves <= old.leaves
}

/// What is left when an order's total is cut to `total`; 0 takes all.
pub(super) fn leaves_after_cut(order: &RestingOrder, total: Quantity) -> Quantity {
    total.saturating_sub(order.executed)
}

/// Whether a `Modify` may mark the order so: only a sale may be marked anew, as another sale.
pub(super) fn marking(order: &RestingOrder, command: &Command) -> Option<Side> {
    let side = command.side()?;
    let allowed = side == order.side || !(side.is_buy() || order.side.is_buy());
    allowed.then_some(side)
}

/// A mass cancel, kill or disconnect in progress: which orders it takes and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sweep {
    /// Only this session's orders; `None` goes through all sessions, in order of their numbers.
    pub(super) session: Option<SessionId>,
    pub(super) instrument: Option<InstrumentId>,
    pub(super) account: Option<AccountId>,
    pub(super) reason: CancelReason,
    /// Only orders accepted by then: it never chases what came after it.
    pub(super) bound: SeqNo,
}

/// Mass cancels of one session that may wait; more are refused until one has finished.
const WAITING_PER_SESSION: usize = 4;

/// Kills that may wait.
const WAITING_KILLS: usize = 16;

impl Sweep {
    /// What a mass cancel, kill or disconnect sweeps; `None` for a scope nobody assigned.
    pub(super) fn of(command: &Command, reason: CancelReason) -> Option<Self> {
        let bound = command.seq;
        let everything = Self { session: None, instrument: None, account: None, reason, bound };
        let session = Self { session: Some(command.session), ..everything };
        let instrument = Some(command.instrument);
        if reason == CancelReason::Disconnect {
            return Some(session);
        }
        if reason == CancelReason::MassCancel {
            let instrument = instrument.filter(|instrument| instrument.0 != 0);
            return Some(Self { instrument, ..session });
        }
        Some(match Scope::from_code(command.side)? {
            Scope::Everything => everything,
            Scope::Session => session,
            Scope::Account => Self { account: Some(command.account), ..everything },
            Scope::Instrument => Self { instrument, ..everything },
        })
    }

    /// Whether it takes this order, given that it looks at it.
    pub(super) fn takes(&self, order: &RestingOrder) -> bool {
        self.instrument.is_none_or(|instrument| instrument == order.instrument)
            && self.account.is_none_or(|account| account == order.account)
    }

    /// Whether one more may wait beside these. Disconnects always may: there is one a session,
    /// and a second one [`Self::widens`] the first.
    pub(super) fn has_room<'a>(&self, waiting: impl Iterator<Item = &'a Sweep>) -> bool {
        let alike = waiting.filter(|other| other.reason == self.reason);
        match self.reason {
            CancelReason::Disconnect => true,
            CancelReason::MassCancel => {
                alike.filter(|other| other.session == self.session).count() < WAITING_PER_SESSION
            }
            _ => alike.count() < WAITING_KILLS,
        }
    }

    /// Whether `waiting` need only be stretched to this one's bound to do its work too: it has
    /// left none of the session's orders behind.
    pub(super) fn widens(&self, waiting: &Sweep) -> bool {
        self.reason == CancelReason::Disconnect
            && waiting.reason == CancelReason::Disconnect
            && waiting.session == self.session
    }

    /// The most sweeps that wait at once.
    pub(super) const fn waiting_max(sessions_max: usize) -> usize {
        WAITING_KILLS + sessions_max * (WAITING_PER_SESSION + 1)
    }
}
