//! `Books`: positions and money, a pure fold over events. Only a few events need their command too:
//! cash that moved, and what risk was told of it. Whoever folds lends a [`Look`] into the journal.
//!
//! Every fill counts once, by the id of its event; every movement of cash once, by its name; every
//! trade is undone at most once.

mod cash;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;

pub use cash::{Fact, Movement, Purse, Telling};

use crate::model::{
    AccountId, Command, Event, EventFlags, EventId, EventKind, Group, InstrumentId, Nanos, SeqNo,
};
use crate::slow::rules::{Currency, Dates, Rules};
use crate::slow::{Money, Positions, SlowError};

/// A look at what the journal has further back.
pub trait Look {
    /// The command of that place.
    ///
    /// # Errors
    /// A journal that cannot be read.
    fn command(&self, seq: SeqNo) -> Result<Option<Group<Command>>, SlowError>;

    /// The event of that id.
    ///
    /// # Errors
    /// A journal that cannot be read.
    fn event(&self, id: EventId) -> Result<Option<Event>, SlowError>;
}

/// Nothing to look at: for events that need none.
impl Look for () {
    fn command(&self, _: SeqNo) -> Result<Option<Group<Command>>, SlowError> {
        Ok(None)
    }

    fn event(&self, _: EventId) -> Result<Option<Event>, SlowError> {
        Ok(None)
    }
}

/// What changes hands on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Shares that come; below zero: that go.
    pub quantity: i64,
    /// Money that comes, fees taken off; below zero: that goes.
    pub cash: Money,
}

/// A day, an account, an instrument.
pub type DueKey = (Date, AccountId, InstrumentId);

/// An account, a currency, the venue, and whether its orders were resting.
pub type FeeKey = (AccountId, Currency, String, bool);

/// For how long what has changed hands is kept beside what will.
const DAYS_KEPT: i64 = 10;

/// Positions and money.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// What is held.
    pub positions: Positions,
    pub(crate) rules: Arc<Rules>,
    dates: Dates,
    pub(crate) purses: BTreeMap<(AccountId, Currency), Purse>,
    pub(crate) fees: BTreeMap<FeeKey, Money>,
    pub(crate) due: BTreeMap<DueKey, Due>,
    pub(crate) movements: BTreeMap<String, Movement>,
    pub(crate) facts: BTreeMap<AccountId, Fact>,
    /// Trades undone: by match number, the command that did it.
    pub(crate) undone: BTreeMap<u64, u64>,
    pub(crate) counts: Counts,
    /// Log time of the last event.
    pub(crate) last_time: Nanos,
    changed: Changed,
}

/// What went through the books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Undoings of trades that were undone already: not booked.
    pub undone_again: u64,
    /// Movements of cash whose name was taken: not booked.
    pub repeated: u64,
    /// Withdrawals of more than there was: not booked.
    pub overdrawn: u64,
    /// Trades of accounts whose books are kept in another region.
    pub elsewhere: u64,
}

/// What changed since it was last stored, but for positions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changed {
    pub(crate) purses: BTreeSet<(AccountId, Currency)>,
    pub(crate) fees: BTreeSet<FeeKey>,
    pub(crate) due: BTreeSet<DueKey>,
    pub(crate) movements: BTreeSet<String>,
    pub(crate) facts: BTreeSet<AccountId>,
    pub(crate) undone: BTreeSet<u64>,
}

impl Changed {
    pub(crate) fn put_back(&mut self, mut other: Self) {
        self.purses.append(&mut other.purses);
        self.fees.append(&mut other.fees);
        self.due.append(&mut other.due);
        self.movements.append(&mut other.movements);
        self.facts.append(&mut other.facts);
        self.undone.append(&mut other.undone);
    }
}

/// Two books are the same when all that is in them is; what waits to be stored is not in them.
impl PartialEq for Books {
    fn eq(&self, other: &Self) -> bool {
        self.positions.snapshot(None) == other.positions.snapshot(None)
            && self.purses == other.purses
            && self.fees == other.fees
            && self.due == other.due
            && self.movements == other.movements
            && self.facts == other.facts
            && self.undone == other.undone
            && self.counts == other.counts
    }
}

impl Books {
    /// Empty books, to be kept by these rules.
    pub fn new(rules: Arc<Rules>) -> Self {
        Self { rules, ..Self::default() }
    }

    /// The rules they are kept by.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The last event taken in.
    pub fn last_applied(&self) -> EventId {
        self.positions.last_applied()
    }

    /// Log time of the last event taken in.
    pub fn last_time(&self) -> Nanos {
        self.last_time
    }

    /// Takes one event in; `false` where it was taken in before.
    ///
    /// # Errors
    /// What [`Positions::apply`] says, and a journal that cannot be looked into.
    pub fn apply(&mut self, event: &Event, look: &dyn Look) -> Result<bool, SlowError> {
        if event.id <= self.last_applied() {
            return Ok(false);
        }
        match EventKind::from_code(event.kind) {
            Some(EventKind::Executed) => self.trade(event)?,
            Some(EventKind::Busted | EventKind::Corrected) => self.otherwise(event, look)?,
            Some(EventKind::CashMoved) => self.cash_moved(event, look)?,
            Some(EventKind::Nothing) if event.account.0 != 0 && event.session.0 == 0 => {
                self.told(event, look)?;
            }
            _ => {}
        }
        self.positions.pass(event.id);
        self.last_time = event.timestamp;
        Ok(true)
    }

    fn trade(&mut self, event: &Event) -> Result<(), SlowError> {
        if !self.rules.keeps(event.account) {
            self.counts.elsewhere += 1;
            return Ok(());
        }
        let is_maker = event.flags.has(EventFlags::MAKER);
        let fee = self.book(event, event.timestamp, is_maker, 1)?;
        self.positions.take_in(event, fee)?;
        Ok(())
    }

    /// A side of a trade that is undone, or is otherwise: by its own date and its own fee.
    fn otherwise(&mut self, event: &Event, look: &dyn Look) -> Result<(), SlowError> {
        let (number, seq) = (event.reference.0, event.id.seq().0);
        let is_bust = event.kind == EventKind::Busted.code();
        if self.undone.get(&number).is_some_and(|by| *by != seq) {
            self.counts.undone_again += u64::from(is_bust);
            return Ok(());
        }
        let before = look.event(EventId(number))?;
        let at = before.map_or(event.timestamp, |before| before.timestamp);
        let is_maker = before.is_some_and(|before| {
            before.order_id() == event.order_id() && before.flags.has(EventFlags::MAKER)
        });
        if !self.rules.keeps(event.account) {
            return Ok(());
        }
        let fee = self.book(event, at, is_maker, if is_bust { -1 } else { 1 })?;
        self.positions.take_in(event, fee)?;
        // Its other side and its correction come of the same command.
        self.undone.insert(number, seq);
        self.changed.undone.insert(number);
        Ok(())
    }

    /// Books one side of a trade (`sign` 1) or its undoing (-1): money, fee, what changes hands
    /// when. Says the fee.
    fn book(
        &mut self,
        event: &Event,
        traded_at: Nanos,
        is_maker: bool,
        sign: i64,
    ) -> Result<Money, SlowError> {
        let side = event.side().ok_or(SlowError::Malformed(event.id))?;
        let (account, instrument) = (event.account, event.instrument);
        let rules = Arc::clone(&self.rules);
        let (trade_date, settles) = self.dates.of(&rules, instrument, traded_at);
        let venue = rules.venue_of(event);
        let fee = rules.fee(venue, trade_date).map_or(Money::ZERO, |fee| fee.of(event, is_maker));
        let sign = i128::from(sign);
        let bought = if side.is_buy() { sign } else { -sign };
        let cash = Money(-bought * Money::of(event.price, event.quantity).0);
        let charged = Money(sign * fee.0);
        let currency = rules.currency(instrument);
        let purse = self.purses.entry((account, currency)).or_default();
        purse.traded += cash;
        purse.fees += charged;
        self.changed.purses.insert((account, currency));
        if charged != Money::ZERO {
            let key = (account, currency, venue.to_owned(), is_maker);
            *self.fees.entry(key.clone()).or_default() += charged;
            self.changed.fees.insert(key);
        }
        let key = (settles, account, instrument);
        let due = self.due.entry(key).or_default();
        due.quantity += (bought * i128::from(event.quantity.0)) as i64;
        due.cash += cash - charged;
        self.changed.due.insert(key);
        Ok(fee)
    }

    /// What has changed hands long ago, to be forgotten: it is in the positions.
    pub(crate) fn take_settled(&mut self) -> Vec<DueKey> {
        let Ok(now) = jiff::Timestamp::from_nanosecond(i128::from(self.last_time.0)) else {
            return Vec::new();
        };
        let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let Ok(until) = today.checked_sub(jiff::Span::new().days(DAYS_KEPT)) else {
            return Vec::new();
        };
        let end = (until, AccountId(0), InstrumentId(0));
        let kept = self.due.split_off(&end);
        let gone = std::mem::replace(&mut self.due, kept);
        gone.into_keys().collect()
    }

    /// What an account has of an instrument, and money, that has not changed hands as `date` ends.
    pub fn unsettled(&self, account: AccountId, instrument: InstrumentId, date: Date) -> Due {
        let mut sum = Due::default();
        let after = date.tomorrow().unwrap_or(Date::MAX);
        for ((_, of, in_), due) in self.due.range((after, AccountId(0), InstrumentId(0))..) {
            if (*of, *in_) == (account, instrument) {
                sum.quantity += due.quantity;
                sum.cash += due.cash;
            }
        }
        sum
    }

    /// Everything that changes hands, by day.
    pub fn due(&self) -> impl Iterator<Item = (&DueKey, &Due)> {
        self.due.iter()
    }

    /// Money, by account and currency.
    pub fn purses(&self) -> impl Iterator<Item = (AccountId, Currency, &Purse)> {
        self.purses.iter().map(|((account, currency), purse)| (*account, *currency, purse))
    }

    /// Fees, by account, currency, venue and role.
    pub fn fees(&self) -> impl Iterator<Item = (&FeeKey, &Money)> {
        self.fees.iter()
    }

    /// What went through them.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Instruments whose positions do not add up to what was traded elsewhere: `held` of all
    /// accounts together is not zero. Empty where everything is matched here and kept here.
    pub fn sums(&self) -> BTreeMap<InstrumentId, i64> {
        let mut sums = BTreeMap::new();
        for (_, instrument, position) in self.positions.all() {
            *sums.entry(instrument).or_insert(0) += position.quantity;
        }
        sums
    }

    pub(crate) fn take_changed(&mut self) -> Changed {
        std::mem::take(&mut self.changed)
    }

    pub(crate) fn put_back(&mut self, changed: Changed) {
        self.changed.put_back(changed);
    }
}
