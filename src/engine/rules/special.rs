//! What an order asks beyond the plain: one table of what goes together, and the checks behind it.
//!
//! Nothing is ignored: a field that the order's type has no use for is a refusal that names it.

use crate::engine::RestingOrder;
use crate::engine::rules::{Instructions, instructions, is_plain};
use crate::model::{
    Command, Flags, Group, Instrument, Nanos, OrderType, Price, Quantity, RejectCode, TermFlags,
    Terms, TimeInForce,
};

/// Where an order waits. Rooms of one price are met in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Room {
    /// In the book, shown.
    Lit,
    /// At its price, not shown.
    Hidden,
    /// At its price, not shown, for executions of a least quantity.
    Minimum,
    /// At the best price of its own side and an offset.
    Primary,
    /// At the best price of the other side and an offset.
    Market,
    /// Between the two.
    Midpoint,
    /// Behind a stop price: nobody meets it.
    Stop,
    /// Out of sight until the opening auction.
    OnOpen,
    /// Out of sight until the closing auction.
    OnClose,
    /// Out of sight until the next auction.
    OnAny,
}

impl Room {
    /// Every room.
    pub(in crate::engine) const ALL: [Self; 10] = [
        Self::Lit,
        Self::Hidden,
        Self::Minimum,
        Self::Primary,
        Self::Market,
        Self::Midpoint,
        Self::Stop,
        Self::OnOpen,
        Self::OnClose,
        Self::OnAny,
    ];

    /// Whether its orders' prices follow the book.
    pub(in crate::engine) const fn is_pegged(self) -> bool {
        matches!(self, Room::Primary | Room::Market | Room::Midpoint)
    }

    /// Whether its orders meet those who come.
    pub(in crate::engine) const fn meets(self) -> bool {
        matches!(self, Room::Lit | Room::Hidden | Room::Minimum) || self.is_pegged()
    }
}

/// Orders with a least quantity that one order looks past before it looks no further.
pub(in crate::engine) const LOOKED_PAST_MAX: usize = 16;

/// Pegs of one kind that one look may move to their caps or from them.
pub(in crate::engine) const PEG_MOVES_MAX: usize = 8;

/// What an order asks beyond the plain. Zero is "not asked".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Special {
    /// How its price is set.
    pub kind: OrderType,
    /// Where it waits.
    pub room: Room,
    /// A post-only order that would take moves a tick away from the other side.
    pub slides: bool,
    /// The part of it that is shown; 0 shows all.
    pub displayed: Quantity,
    /// The least quantity of one execution; [`Quantity::MAX`] is all of it.
    pub minimum: Quantity,
    /// The price that wakes a stop.
    pub stop: Price,
    /// From the price a peg follows; a trailing stop's distance.
    pub offset: Price,
    /// From the price it rests at to the one it would go to for somebody who comes; signed.
    pub discretion: Price,
    /// The log time at which it dies.
    pub expires_at: Nanos,
    /// The client's group for mass cancels.
    pub group: u16,
}

impl Special {
    /// What a plain order is, seen from here.
    pub(in crate::engine) const PLAIN: Self = Self {
        kind: OrderType::Limit,
        room: Room::Lit,
        slides: false,
        displayed: Quantity::ZERO,
        minimum: Quantity::ZERO,
        stop: Price::ZERO,
        offset: Price::ZERO,
        discretion: Price::ZERO,
        expires_at: Nanos::ZERO,
        group: 0,
    };

    /// What is left of it to know when it rests: how its price was found is over.
    pub(in crate::engine) fn at_rest(self) -> Self {
        let kind = match self.kind {
            OrderType::Market | OrderType::MarketToLimit => OrderType::Limit,
            kind => kind,
        };
        Self { kind, slides: false, ..self }
    }

    /// Whether a resting order of this kind needs no more than a plain one's memory.
    pub fn is_plain(&self) -> bool {
        self.at_rest() == Self::PLAIN
    }

    /// Whether it would go further than the price it rests at.
    pub(in crate::engine) fn has_discretion(&self) -> bool {
        self.discretion != Price::ZERO
    }

    /// How far an order that rests at `price` would go.
    pub(in crate::engine) fn reach(&self, price: Price) -> Price {
        price.saturating_add(self.discretion)
    }

    /// An order that came with the price it would go to, at the price it rests at.
    pub(in crate::engine) fn drawn_back(&self, order: RestingOrder) -> RestingOrder {
        RestingOrder { price: Price(order.price.0.saturating_sub(self.discretion.0)), ..order }
    }

    /// Whether its stop price follows the last trade.
    pub(in crate::engine) fn trails(&self) -> bool {
        self.kind == OrderType::TrailingStop
    }

    /// Its stop price after a trade at `last`: it follows a buyer's market down and a seller's up,
    /// and never turns back. Without a stop price it begins as far from the trade as it trails.
    pub(in crate::engine) fn trailed(&self, last: Price, buys: bool) -> Price {
        let away = if buys { self.offset.0 } else { -self.offset.0 };
        let followed = last.0.saturating_add(away).max(1);
        Price(match (self.stop, buys) {
            (Price::ZERO, _) => followed,
            (stop, true) => stop.0.min(followed),
            (stop, false) => stop.0.max(followed),
        })
    }

    /// Whether its time is over.
    pub(in crate::engine) fn is_over(&self, now: Nanos) -> bool {
        self.expires_at != Nanos::ZERO && self.expires_at <= now
    }

    /// What it is when its stop price is reached.
    pub(in crate::engine) fn triggered(self) -> Self {
        let kind = match self.kind {
            OrderType::StopLimit => OrderType::Limit,
            _ => OrderType::Market,
        };
        let (stop, offset) = (Price::ZERO, Price::ZERO);
        Self { kind, room: Room::Lit, stop, offset, ..self }
    }

    /// How a stop that was reached meets the book, as what it has become.
    pub(in crate::engine) fn woken(&self, order: &RestingOrder) -> Instructions {
        let limited = self.kind == OrderType::Limit;
        Instructions {
            limit: (limited || order.price != Price::ZERO).then_some(order.price),
            may_rest: limited,
            least: Quantity::ZERO,
            post_only: false,
            self_trade: Flags(order.flags).self_trade(),
        }
    }
}

/// What may be asked of an order besides its type and time in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Feature {
    PostOnly,
    Slide,
    Hidden,
    Displayed,
    /// A least quantity: of what is had at once, or for a hidden order of each execution.
    Minimum,
    AllOrNone,
    /// It goes further than the price it is shown at, for somebody who comes.
    Discretion,
}

use Feature as F;
use OrderType as O;
use TimeInForce as T;

/// What goes together: each type with the times in force and the features it may have.
const TOGETHER: &[(OrderType, &[TimeInForce], &[Feature])] = &[
    (
        O::Limit,
        T::ALL,
        &[F::PostOnly, F::Slide, F::Hidden, F::Displayed, F::Minimum, F::AllOrNone, F::Discretion],
    ),
    (
        O::Market,
        &[T::Day, T::Ioc, T::Fok, T::Gtc, T::AtOpen, T::AtClose, T::GoodForAuction],
        &[F::PostOnly, F::Minimum],
    ),
    (O::MarketToLimit, LASTING, &[]),
    (O::Stop, LASTING, &[]),
    (O::StopLimit, LASTING, &[]),
    (O::TrailingStop, LASTING, &[]),
    (O::PegPrimary, LASTING, &[F::Hidden]),
    (O::PegMarket, LASTING, &[F::Hidden]),
    (O::PegMidpoint, LASTING, &[F::Hidden]),
];

/// Times in force of an order that waits to meet others.
const LASTING: &[TimeInForce] = &[T::Day, T::Gtc, T::Gtd];

/// Pairs of features that exclude each other.
const APART: &[(Feature, Feature)] = &[
    (F::Hidden, F::Displayed),
    (F::Hidden, F::PostOnly),
    (F::Displayed, F::Minimum),
    (F::Displayed, F::AllOrNone),
    (F::PostOnly, F::Minimum),
    (F::PostOnly, F::AllOrNone),
    (F::Minimum, F::AllOrNone),
    (F::Hidden, F::Discretion),
    (F::PostOnly, F::Discretion),
    (F::Minimum, F::Discretion),
];

/// Features a time in force excludes; those of a cross exclude all.
const fn excludes(time: TimeInForce, feature: Feature) -> bool {
    match time {
        T::Ioc => !matches!(feature, F::PostOnly | F::Minimum),
        T::Fok => !matches!(feature, F::PostOnly),
        T::AtOpen | T::AtClose | T::GoodForAuction => true,
        T::Day | T::Gtc | T::Gtd | T::ExtendedHours => false,
    }
}

/// How a refusal names a feature.
const fn refusal(feature: Feature) -> RejectCode {
    match feature {
        F::Displayed => RejectCode::DisplayQuantity,
        F::Minimum | F::AllOrNone => RejectCode::MinimumQuantity,
        F::PostOnly | F::Slide | F::Hidden => RejectCode::NotTogether,
        F::Discretion => RejectCode::Discretion,
    }
}

/// Whether a type, a time in force and features go together, and if not, why.
pub(in crate::engine) fn together(
    kind: OrderType,
    time: TimeInForce,
    features: &[Feature],
) -> Result<(), RejectCode> {
    let row = TOGETHER.iter().find(|(other, ..)| *other == kind);
    let (_, times, allowed) = row.ok_or(RejectCode::Unsupported)?;
    if !times.contains(&time) {
        return Err(RejectCode::NotTogether);
    }
    let wrong = |feature: &&Feature| !allowed.contains(feature) || excludes(time, **feature);
    if let Some(&feature) = features.iter().find(wrong) {
        return Err(refusal(feature));
    }
    let asked =
        |pair: &&(Feature, Feature)| features.contains(&pair.0) && features.contains(&pair.1);
    match APART.iter().find(asked) {
        Some(&(_, second)) => Err(refusal(second)),
        None => Ok(()),
    }
}

/// Offsets are within this, so that no price they make overflows.
const OFFSET_MAX: i64 = 1 << 40;

/// What an order of a buyer or seller asks, plain or not.
#[cold]
pub(in crate::engine) fn asked(
    group: &Group<Command>,
    instrument: &Instrument,
    buys: bool,
) -> Result<(Instructions, Special), RejectCode> {
    if is_plain(&group.head) {
        let kind = group.head.order_type().unwrap_or(OrderType::Limit);
        let asks = instructions(group, instrument)?;
        return Ok((asks, Special { kind, ..Special::PLAIN }));
    }
    special(group, instrument, buys)
}

/// Checks what an order asks that is not plain.
fn special(
    group: &Group<Command>,
    instrument: &Instrument,
    buys: bool,
) -> Result<(Instructions, Special), RejectCode> {
    let command = &group.head;
    let terms = group.terms().copied().unwrap_or_default();
    let kind = command.order_type().ok_or(RejectCode::Unsupported)?;
    let time = command.time_in_force().ok_or(RejectCode::Unsupported)?;
    if command.quantity.0 == 0 {
        return Err(RejectCode::InvalidQuantity);
    }
    features_go_together(command, &terms, kind, time)?;
    check_price(command, kind, instrument)?;
    check_terms(command, &terms, kind, time, instrument, buys)?;
    let hidden = command.flags.has(Flags::HIDDEN);
    let whole_only = terms.flags.has(TermFlags::ALL_OR_NONE);
    let resting_minimum = if whole_only { Quantity::MAX } else { terms.minimum };
    let special = Special {
        kind,
        room: room_of(kind, time, hidden, resting_minimum),
        slides: terms.flags.has(TermFlags::SLIDE),
        displayed: terms.displayed,
        minimum: if hidden { resting_minimum } else { Quantity::ZERO },
        stop: terms.stop_price,
        offset: terms.offset,
        discretion: terms.discretion,
        expires_at: Nanos(terms.expires_at),
        group: terms.group,
    };
    let priced = matches!(kind, O::Limit | O::StopLimit) || command.price != Price::ZERO;
    let instructions = Instructions {
        limit: priced.then_some(command.price),
        may_rest: time.may_rest() && kind != O::Market,
        least: if time == T::Fok { Quantity::MAX } else { resting_minimum },
        post_only: command.flags.has(Flags::POST_ONLY),
        self_trade: command.flags.self_trade(),
    };
    Ok((instructions, special))
}

fn room_of(kind: OrderType, time: TimeInForce, hidden: bool, minimum: Quantity) -> Room {
    match (kind, time) {
        (_, T::AtOpen) => Room::OnOpen,
        (_, T::AtClose) => Room::OnClose,
        (_, T::GoodForAuction) => Room::OnAny,
        (O::Stop | O::StopLimit | O::TrailingStop, _) => Room::Stop,
        (O::PegPrimary, _) => Room::Primary,
        (O::PegMarket, _) => Room::Market,
        (O::PegMidpoint, _) => Room::Midpoint,
        _ if hidden && minimum != Quantity::ZERO => Room::Minimum,
        _ if hidden => Room::Hidden,
        _ => Room::Lit,
    }
}

fn features_go_together(
    command: &Command,
    terms: &Terms,
    kind: OrderType,
    time: TimeInForce,
) -> Result<(), RejectCode> {
    let known = TermFlags::SLIDE.with(TermFlags::ALL_OR_NONE);
    let hidden = command.flags.has(Flags::HIDDEN);
    let slides = terms.flags.has(TermFlags::SLIDE);
    let whole_only = terms.flags.has(TermFlags::ALL_OR_NONE);
    let post_only = command.flags.has(Flags::POST_ONLY);
    if !known.has(terms.flags) || terms.reserved != [0; 11] || (slides && !post_only) {
        return Err(RejectCode::NotTogether);
    }
    let asked = [
        (post_only, F::PostOnly),
        (slides, F::Slide),
        (hidden, F::Hidden),
        (terms.displayed != Quantity::ZERO, F::Displayed),
        (terms.minimum != Quantity::ZERO, F::Minimum),
        (whole_only, F::AllOrNone),
        (terms.discretion != Price::ZERO, F::Discretion),
    ];
    let mut features = [F::PostOnly; 7];
    let mut count = 0;
    for (_, feature) in asked.iter().filter(|(is_asked, _)| *is_asked) {
        features[count] = *feature;
        count += 1;
    }
    together(kind, time, &features[..count])?;
    // A least quantity of each execution would tell of a shown order what it hides.
    let shown_minimum = terms.minimum != Quantity::ZERO && !hidden && time != T::Ioc;
    let too_much = terms.minimum > command.quantity;
    if shown_minimum || too_much || (whole_only && !hidden) {
        return Err(RejectCode::MinimumQuantity);
    }
    Ok(())
}

fn check_price(
    command: &Command,
    kind: OrderType,
    instrument: &Instrument,
) -> Result<(), RejectCode> {
    let price = command.price.0;
    // The tick is above zero (checked at construction), so the remainder cannot trap.
    let on_tick = price % instrument.tick.0 == 0;
    let good = match kind {
        O::Limit | O::StopLimit => price > 0 && on_tick,
        // A cap, or none.
        O::PegPrimary | O::PegMarket | O::PegMidpoint => price >= 0 && on_tick,
        // A protection price may lie between ticks; what waits for an auction needs one.
        O::Market if is_cross(command) => price > 0 && on_tick,
        O::Market => true,
        O::MarketToLimit | O::Stop | O::TrailingStop => price >= 0,
    };
    if good { Ok(()) } else { Err(RejectCode::InvalidPrice) }
}

/// Whether an order is for an auction alone.
fn is_cross(command: &Command) -> bool {
    matches!(command.time_in_force(), Some(T::AtOpen | T::AtClose | T::GoodForAuction))
}

fn check_terms(
    command: &Command,
    terms: &Terms,
    kind: OrderType,
    time: TimeInForce,
    instrument: &Instrument,
    buys: bool,
) -> Result<(), RejectCode> {
    let steps = |price: Price| price.0 % instrument.tick.0 == 0 && price.0.abs() <= OFFSET_MAX;
    let (stop, offset) = (terms.stop_price, terms.offset);
    let good_stop = match kind {
        O::Stop | O::StopLimit => stop.0 > 0 && stop.0 % instrument.tick.0 == 0,
        O::TrailingStop => stop.0 >= 0 && stop.0 % instrument.tick.0 == 0,
        _ => stop == Price::ZERO,
    };
    if !good_stop {
        return Err(RejectCode::StopPrice);
    }
    // Away from the other side is what makes an offset passive.
    let away = if buys { offset.0.checked_neg().unwrap_or(-1) } else { offset.0 };
    let good_offset = match kind {
        O::TrailingStop => offset.0 > 0 && steps(offset),
        O::PegPrimary => offset.0.checked_abs().is_some() && steps(offset),
        O::PegMarket => away > 0 && steps(offset),
        O::PegMidpoint => away >= 0 && steps(offset),
        _ => offset == Price::ZERO,
    };
    if !good_offset || terms.cap != Price::ZERO {
        return Err(RejectCode::PegOffset);
    }
    let good_expiry = match time {
        T::Gtd => terms.expires_at > command.timestamp.0,
        _ => terms.expires_at == 0,
    };
    if !good_expiry {
        return Err(RejectCode::ExpiryTime);
    }
    if good_discretion(command.price, terms.discretion, instrument, buys) {
        Ok(())
    } else {
        Err(RejectCode::Discretion)
    }
}

/// Whether discretion, if any, leads from a price that can be shown towards the other side.
fn good_discretion(reach: Price, discretion: Price, instrument: &Instrument, buys: bool) -> bool {
    let steps = discretion.0 % instrument.tick.0 == 0;
    let towards = if buys { discretion.0 } else { discretion.0.checked_neg().unwrap_or(-1) };
    let shown = reach.0.checked_sub(discretion.0);
    (0..=OFFSET_MAX).contains(&towards) && steps && shown.is_some_and(|shown| shown > 0)
        || discretion == Price::ZERO
}
