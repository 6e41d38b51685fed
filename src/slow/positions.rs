//! Positions: a pure fold over events. Only trades matter, each counts once, and one that was
//! undone counts no more.
//!
//! Money is exact. A position keeps the total cost of what it holds, not an average, so that
//! `cash = realised − cost` holds to the last ten-thousandth, always. Where a part of a position is
//! closed, its share of the cost is rounded towards zero and the rest stays with the position.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{AccountId, Event, EventId, EventKind, InstrumentId, Price, Quantity};
use crate::slow::{Money, SlowError};

/// What an account holds of an instrument, and what it made with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Held; negative where more was sold than bought.
    pub quantity: i64,
    /// What the held quantity cost; negative for a short position: what its sale brought.
    pub cost: Money,
    /// Profit and loss of what was closed.
    pub realised: Money,
    /// Money received less money paid.
    pub cash: Money,
    /// Money that changed hands, in either direction.
    pub turnover: Money,
    /// Quantity that changed hands, in either direction.
    pub volume: u64,
    /// Executions.
    pub fills: u64,
    /// What venues took for them, less what they paid. Not in `cash` and not in the cost.
    pub fees: Money,
}

impl Position {
    /// Adds one execution; nothing where the quantity would not fit.
    fn fill(self, is_buy: bool, quantity: Quantity, price: Price) -> Option<Self> {
        let signed = if is_buy { i64::from(quantity.0) } else { -i64::from(quantity.0) };
        let mut next = self;
        next.quantity = self.quantity.checked_add(signed)?;
        next.volume = self.volume.checked_add(quantity.0.into())?;
        next.fills = self.fills.checked_add(1)?;
        next.turnover += Money(Money::of(price, quantity).0.abs());
        next.cash -= Money(i128::from(price.0) * i128::from(signed));
        // What of this execution closes, and what opens, both signed as the execution.
        let against = self.quantity.signum() == -signed.signum();
        let closing = signed.unsigned_abs().min(self.quantity.unsigned_abs());
        let closing = if against { closing as i64 * signed.signum() } else { 0 };
        let opening = signed - closing;
        next.cost -= self.share(closing);
        next.realised -= Money(i128::from(price.0) * i128::from(closing)) + self.share(closing);
        next.cost += Money(i128::from(price.0) * i128::from(opening));
        Some(next)
    }

    /// Takes an execution out again. Quantity, cash and what all is worth are as if it had never
    /// been; how that divides into cost and realised profit is as if it had been traded back, for
    /// the averages of then are gone.
    fn undo(self, is_buy: bool, quantity: Quantity, price: Price) -> Option<Self> {
        let back = self.fill(!is_buy, quantity, price)?;
        Some(Self {
            volume: self.volume.saturating_sub(quantity.0.into()),
            fills: self.fills.saturating_sub(1),
            turnover: self.turnover - Money(Money::of(price, quantity).0.abs()),
            ..back
        })
    }

    /// The cost of so much of the position (its sign does not matter), rounded towards zero.
    fn share(&self, quantity: i64) -> Money {
        let held = i128::from(self.quantity.unsigned_abs());
        let part = i128::from(quantity.unsigned_abs());
        match held {
            0 => Money::ZERO,
            _ if part == held => self.cost,
            // Whole and rest apart, so that the product always fits.
            _ => Money(self.cost.0 / held * part + self.cost.0 % held * part / held),
        }
    }

    /// What one of the held quantity cost on average, rounded to the nearest ten-thousandth, halves
    /// away from zero. For display; nothing is computed from it.
    pub fn average(&self) -> Money {
        let held = i128::from(self.quantity);
        if held == 0 {
            return Money::ZERO;
        }
        let (whole, rest) = (self.cost.0 / held, self.cost.0 % held);
        let is_half = rest.unsigned_abs() * 2 >= held.unsigned_abs();
        let away = if (self.cost.0 < 0) == (held < 0) { 1 } else { -1 };
        Money(whole + if is_half { away } else { 0 })
    }

    /// Profit and loss of what is held, were it closed at `mark`.
    pub fn unrealised(&self, mark: Price) -> Money {
        Money(i128::from(self.quantity) * i128::from(mark.0)) - self.cost
    }
}

/// All positions, the last traded prices, and how far in history they reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    held: BTreeMap<(AccountId, InstrumentId), Position>,
    last_prices: BTreeMap<InstrumentId, Price>,
    last_applied: EventId,
    /// Changed since [`Positions::take_changes`].
    changed: BTreeSet<(AccountId, InstrumentId)>,
}

/// What changed since the last time it was asked.
pub(crate) type Changes = BTreeSet<(AccountId, InstrumentId)>;

impl Positions {
    /// As a store holds them.
    pub(crate) fn restored(
        held: BTreeMap<(AccountId, InstrumentId), Position>,
        last_prices: BTreeMap<InstrumentId, Price>,
        last_applied: EventId,
    ) -> Self {
        Self { held, last_prices, last_applied, changed: BTreeSet::new() }
    }

    /// Takes one event in; `false` where it was taken in before.
    ///
    /// # Errors
    /// An execution without a side, and a position that does not fit; neither changes anything.
    pub fn apply(&mut self, event: &Event) -> Result<bool, SlowError> {
        self.take_in(event, Money::ZERO)
    }

    /// The same, with what the venue took for it; for a trade undone, what it gives back.
    ///
    /// # Errors
    /// As [`Positions::apply`].
    pub fn take_in(&mut self, event: &Event, fee: Money) -> Result<bool, SlowError> {
        if event.id <= self.last_applied {
            return Ok(false);
        }
        match EventKind::from_code(event.kind) {
            Some(EventKind::Executed) => {
                self.change(event, fee, Position::fill)?;
                self.last_prices.insert(event.instrument, event.price);
            }
            Some(EventKind::Busted) => self.change(event, -fee, Position::undo)?,
            Some(EventKind::Corrected) => self.change(event, fee, Position::fill)?,
            _ => {}
        }
        self.last_applied = event.id;
        Ok(true)
    }

    /// Goes past an event that changes nothing here.
    pub(crate) fn pass(&mut self, id: EventId) {
        self.last_applied = self.last_applied.max(id);
    }

    /// Changes the position that one side of a trade is about.
    fn change(
        &mut self,
        event: &Event,
        fee: Money,
        by: impl FnOnce(Position, bool, Quantity, Price) -> Option<Position>,
    ) -> Result<(), SlowError> {
        let side = event.side().ok_or(SlowError::Malformed(event.id))?;
        let (account, instrument) = (event.account, event.instrument);
        let key = (account, instrument);
        let before = self.held.get(&key).copied().unwrap_or_default();
        let after = by(before, side.is_buy(), event.quantity, event.price);
        let mut after = after.ok_or(SlowError::Overflow { account, instrument })?;
        after.fees += fee;
        self.held.insert(key, after);
        self.changed.insert(key);
        Ok(())
    }

    /// The last event taken in.
    pub fn last_applied(&self) -> EventId {
        self.last_applied
    }

    /// Every position.
    pub fn all(&self) -> impl Iterator<Item = (AccountId, InstrumentId, &Position)> {
        self.held.iter().map(|((account, instrument), position)| (*account, *instrument, position))
    }

    /// One position; nothing where the account never traded the instrument.
    pub fn get(&self, account: AccountId, instrument: InstrumentId) -> Option<&Position> {
        self.held.get(&(account, instrument))
    }

    /// The price an instrument last traded at.
    pub fn last_price(&self, instrument: InstrumentId) -> Option<Price> {
        self.last_prices.get(&instrument).copied()
    }

    /// All positions (or one account's), marked at the last traded prices, with their totals.
    pub fn snapshot(&self, account: Option<AccountId>) -> Snapshot {
        let wanted = |key: &AccountId| account.is_none_or(|account| account == *key);
        let holdings = self.held.iter().filter(|((account, _), _)| wanted(account));
        let holdings = holdings.map(|(&(account, instrument), &position)| {
            let mark = self.last_price(instrument).unwrap_or_default();
            Holding { account, instrument, position, mark, unrealised: position.unrealised(mark) }
        });
        Snapshot::new(self.last_applied, holdings.collect())
    }

    /// What changed since the last call.
    pub(crate) fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changed)
    }

    /// Gives changes back that could not be stored.
    pub(crate) fn put_back(&mut self, changes: Changes) {
        self.changed.extend(changes);
    }
}

/// One line of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub instrument: InstrumentId,
    /// The position.
    pub position: Position,
    /// The price it is valued at.
    pub mark: Price,
    /// Profit and loss of what is held, at that price.
    pub unrealised: Money,
}

/// Sums over the holdings of a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Profit and loss of what was closed.
    pub realised: Money,
    /// Profit and loss of what is held.
    pub unrealised: Money,
    /// Money received less money paid.
    pub cash: Money,
    /// Money that changed hands.
    pub turnover: Money,
    /// Executions.
    pub fills: u64,
    /// What venues took, less what they paid.
    pub fees: Money,
}

/// Positions for display, as of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last event in it.
    pub last_applied: EventId,
    /// By account, then instrument.
    pub holdings: Vec<Holding>,
    /// Their sums.
    pub totals: Totals,
}

impl Snapshot {
    fn new(last_applied: EventId, holdings: Vec<Holding>) -> Self {
        let mut totals = Totals::default();
        for Holding { position, unrealised, .. } in &holdings {
            totals.realised += position.realised;
            totals.unrealised += *unrealised;
            totals.cash += position.cash;
            totals.turnover += position.turnover;
            totals.fees += position.fees;
            totals.fills = totals.fills.saturating_add(position.fills);
        }
        Self { last_applied, holdings, totals }
    }
}

#[cfg(test)]
mod tests;
