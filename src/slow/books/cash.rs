//! Cash that moves, and what risk is told of it. Risk is told absolute values: each is what the
//! last setting by an operator was, and all movements since. What was told too early, or too late,
//! is told again until the last word in history is the right one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{
    AccountId, CashKind, Command, CommandKind, Event, Group, LimitKind, Price, Scope, SeqNo,
};
use crate::slow::audit::unpadded;
use crate::slow::books::{Books, Look};
use crate::slow::rules::Currency;
use crate::slow::{Money, SlowError};

/// An account's money in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purse {
    /// Brought, less what was taken.
    pub moved: Money,
    /// Received for sales, less paid for purchases.
    pub traded: Money,
    /// What venues took, less what they paid.
    pub fees: Money,
}

impl Purse {
    /// All of it.
    pub fn balance(&self) -> Money {
        self.moved + self.traded - self.fees
    }
}

/// A movement of cash, as it was booked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Movement {
    /// Whose.
    pub account: AccountId,
    /// In which currency.
    pub currency: Currency,
    /// How much, in ten-thousandths; below zero: it went.
    pub amount: i64,
    /// Why: a [`CashKind`] by its name.
    pub kind: String,
    /// The command.
    pub seq: u64,
    /// Log time of the command.
    pub at: u64,
    /// Whether it counts: a withdrawal of more than there was does not.
    pub is_booked: bool,
    /// Who asked, and why.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// What risk should know of an account's money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Fact {
    /// Its buying power, in ten-thousandths.
    pub value: i64,
    /// The command that changed it last.
    pub changed_at: u64,
    /// Up to which change risk has been told.
    pub told: u64,
}

/// Something to tell risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Telling {
    /// Whose.
    pub account: AccountId,
    /// The buying power it has now.
    pub value: Price,
    /// The command that changed it last.
    pub changed_at: SeqNo,
}

impl Telling {
    /// As a command; who tells is in its note.
    pub fn command(&self) -> Command {
        Command {
            account: self.account,
            price: self.value,
            ordinal: self.changed_at.0 as u32,
            target: (self.changed_at.0 >> 32) as u32,
            ..Command::new(CommandKind::SetBuyingPower)
        }
    }
}

impl Books {
    /// What risk has to be told, or told again.
    pub fn tellings(&self) -> impl Iterator<Item = Telling> {
        let due = self.facts.iter().filter(|(_, fact)| fact.told < fact.changed_at);
        due.map(|(account, fact)| Telling {
            account: *account,
            value: Price(fact.value),
            changed_at: SeqNo(fact.changed_at),
        })
    }

    /// Shows the buying power of every account that is known, as risk has it or soon will.
    pub fn show_facts(&self, shown: &mut BTreeMap<AccountId, i64>) {
        if shown.is_empty() {
            for homes in &self.rules.accounts {
                let accounts = (homes.first..=homes.last).map(AccountId);
                shown.extend(accounts.map(|account| (account, homes.buying_power)));
            }
        }
        for (account, fact) in &self.facts {
            shown.insert(*account, fact.value);
        }
    }

    /// A movement by its name.
    pub fn movement(&self, name: &str) -> Option<&Movement> {
        self.movements.get(name)
    }

    /// All movements, by name.
    pub fn movements(&self) -> impl Iterator<Item = (&String, &Movement)> {
        self.movements.iter()
    }

    fn fact(&mut self, account: AccountId) -> &mut Fact {
        let first = self.rules.home_of(account).map_or(0, |homes| homes.buying_power);
        self.changed.facts.insert(account);
        self.facts.entry(account).or_insert(Fact { value: first, ..Fact::default() })
    }

    pub(super) fn cash_moved(&mut self, event: &Event, look: &dyn Look) -> Result<(), SlowError> {
        let group = look.command(event.id.seq())?.ok_or(SlowError::NotYet(event.id))?;
        let name = group.text().map(|text| unpadded(&text.client_order_id)).unwrap_or_default();
        let currency = Currency::from_code(event.target);
        let kind = CashKind::from_code(group.head.order_type);
        let (Some(currency), Some(kind)) = (currency, kind) else {
            return Err(SlowError::Malformed(event.id));
        };
        if self.movements.contains_key(&name) {
            self.counts.repeated += 1;
            return Ok(());
        }
        let (account, amount) = (event.account, Money(event.price.0.into()));
        let purse = self.purses.entry((account, currency)).or_default();
        let is_overdrawn = kind == CashKind::Withdrawal && (purse.balance() + amount) < Money::ZERO;
        if is_overdrawn {
            self.counts.overdrawn += 1;
        } else {
            purse.moved += amount;
            let fact = self.fact(account);
            fact.value = fact.value.saturating_add(event.price.0);
            fact.changed_at = event.id.seq().0;
        }
        self.changed.purses.insert((account, currency));
        let movement = movement(&group, event, currency, kind, !is_overdrawn);
        self.movements.insert(name.clone(), movement);
        self.changed.movements.insert(name);
        Ok(())
    }

    /// Hears what risk is told of an account: by these books, or by an operator.
    pub(super) fn told(&mut self, event: &Event, look: &dyn Look) -> Result<(), SlowError> {
        let group = look.command(event.id.seq())?.ok_or(SlowError::NotYet(event.id))?;
        let (command, seq) = (&group.head, event.id.seq().0);
        let account = command.account;
        match command.kind() {
            Some(CommandKind::SetBuyingPower) if command.ordinal | command.target != 0 => {
                let covers = u64::from(command.ordinal) | u64::from(command.target) << 32;
                let fact = self.fact(account);
                fact.told = if covers >= fact.changed_at { fact.changed_at } else { 0 };
            }
            Some(CommandKind::SetBuyingPower) => self.set_by_operator(account, command.price, seq),
            Some(CommandKind::SetLimit)
                if command.order_type == LimitKind::BuyingPower.code()
                    && command.side == Scope::Account.code()
                    && command.instrument.0 == 0 =>
            {
                self.set_by_operator(account, command.price, seq);
            }
            Some(CommandKind::SetAccount) if command.quantity.0 != 0 => {
                let like = self.fact(AccountId(command.target)).value;
                self.set_by_operator(account, Price(like), seq);
            }
            _ => {}
        }
        Ok(())
    }

    fn set_by_operator(&mut self, account: AccountId, value: Price, seq: u64) {
        *self.fact(account) = Fact { value: value.0, changed_at: seq, told: seq };
    }
}

fn movement(
    group: &Group<Command>,
    event: &Event,
    currency: Currency,
    kind: CashKind,
    is_booked: bool,
) -> Movement {
    let note = group.note().copied().unwrap_or_default();
    Movement {
        account: event.account,
        currency,
        amount: event.price.0,
        kind: kind.name().to_ascii_lowercase(),
        seq: event.id.seq().0,
        at: event.timestamp.0,
        is_booked,
        actor: unpadded(&note.actor),
        reason: unpadded(&note.reason),
    }
}
