//! What our books have of a trade date: every side of every trade that stands, positions and money
//! as of the date's end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;

use crate::journal::{LogKind, Reader};
use crate::model::{Event, EventFlags, EventKind};
use crate::slow::books::Books;
use crate::slow::look::Journal;
use crate::slow::reconcile::StatementTrade;
use crate::slow::rules::{Currency, Dates, Rules};
use crate::slow::{Money, SlowError};

/// One side of a trade, as we have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OurTrade {
    /// Of what.
    pub symbol: String,
    /// How much.
    pub quantity: u32,
    /// At which price, in ten-thousandths.
    pub price: i64,
    /// When it settles.
    pub settles: Date,
    /// What it cost.
    pub fee: Money,
    /// The order, as `wirematch audit trace` takes it.
    pub order: String,
    /// Whether it was resting.
    is_maker: bool,
}

/// What our books have of a trade date.
#[derive(Clone, Debug, Default)]
pub struct Ours {
    /// By match number, account, and whether it was bought.
    pub trades: BTreeMap<(u64, u32, bool), OurTrade>,
    /// At the end of the date.
    pub positions: BTreeMap<(u32, String), i64>,
    /// At the end of the date.
    pub cash: BTreeMap<(u32, Currency), Money>,
}

impl Ours {
    /// Our side of one of their trades.
    pub(super) fn trade(&self, theirs: &StatementTrade) -> Option<&OurTrade> {
        self.trades.get(&(theirs.number, theirs.account, theirs.is_buy))
    }

    /// The orders of an account that traded on the date, a few.
    pub(super) fn orders_of(&self, account: u32, symbol: Option<&String>) -> Vec<String> {
        let ours = self.trades.iter().filter(|((_, of, _), trade)| {
            *of == account && symbol.is_none_or(|symbol| trade.symbol == *symbol)
        });
        let mut orders: Vec<_> = ours.map(|(_, trade)| trade.order.clone()).collect();
        orders.sort();
        orders.dedup();
        orders.truncate(16);
        orders
    }
}

/// Reads what the books have of a trade date.
///
/// # Errors
/// A journal that cannot be read.
pub fn read_ours(journal: &Path, data: &Path, date: Date) -> Result<Ours, SlowError> {
    let rules = Arc::new(Rules::beside(data).map_err(SlowError::Rules)?);
    let mut books = Books::new(Arc::clone(&rules));
    let look = Journal::new(journal);
    let (mut ours, mut dates) = (Ours::default(), Dates::default());
    let mut reader = Reader::<Event>::open(&LogKind::Events.folder(journal), 0)?;
    while let Some(event) = reader.read_event()? {
        let (traded, settles) = dates.of(&rules, event.instrument, event.timestamp);
        // A bust on a later day still undoes a trade of this one.
        let is_later = traded > date;
        if !is_later {
            match books.apply(&event, &look) {
                Err(SlowError::NotYet(_)) => break,
                applied => drop(applied?),
            }
        }
        ours.follow(&rules, &event, (traded, settles), date);
    }
    ours.trades.retain(|_, trade| trade.quantity > 0);
    for (account, instrument, position) in books.positions.all() {
        if position.quantity != 0 {
            ours.positions.insert((account.0, rules.symbol(instrument)), position.quantity);
        }
    }
    for (account, currency, purse) in books.purses() {
        ours.cash.insert((account.0, currency), purse.balance());
    }
    Ok(ours)
}

impl Ours {
    fn follow(
        &mut self,
        rules: &Rules,
        event: &Event,
        (traded, settles): (Date, Date),
        date: Date,
    ) {
        let Some(side) = event.side().filter(|_| rules.keeps(event.account)) else { return };
        let key = |number: u64| (number, event.account.0, side.is_buy());
        match EventKind::from_code(event.kind) {
            Some(EventKind::Executed) if traded == date => {
                let is_maker = event.flags.has(EventFlags::MAKER);
                let trade = trade_of(rules, event, traded, settles, is_maker);
                self.trades.insert(key(event.match_number().0), trade);
            }
            // It stays, with nothing in it, for a correction of the same command.
            Some(EventKind::Busted) => {
                if let Some(trade) = self.trades.get_mut(&key(event.reference.0)) {
                    trade.quantity = 0;
                }
            }
            Some(EventKind::Corrected) => {
                if let Some(trade) = self.trades.get_mut(&key(event.reference.0)) {
                    let is_maker = trade.is_maker;
                    *trade = trade_of(rules, event, date, trade.settles, is_maker);
                }
            }
            _ => {}
        }
    }
}

fn trade_of(rules: &Rules, event: &Event, traded: Date, settles: Date, is_maker: bool) -> OurTrade {
    let fee = rules.fee(rules.venue_of(event), traded);
    OurTrade {
        symbol: rules.symbol(event.instrument),
        quantity: event.quantity.0,
        price: event.price.0,
        settles,
        fee: fee.map_or(Money::ZERO, |fee| fee.of(event, is_maker)),
        order: format!("{}:{}", event.session, event.ordinal),
        is_maker,
    }
}

#[cfg(test)]
impl OurTrade {
    /// As they have it.
    pub(super) fn for_tests(theirs: &StatementTrade) -> Self {
        Self {
            symbol: theirs.symbol.clone(),
            quantity: theirs.quantity as u32,
            price: theirs.price.0 as i64,
            settles: theirs.settles.unwrap_or_default(),
            fee: theirs.fee.unwrap_or_default(),
            order: "1:1".into(),
            is_maker: false,
        }
    }
}
