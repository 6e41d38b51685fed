//! Reconciliation: our trades, positions and money beside the clearing house's. What differs is a
//! break; a break has a name of its own, so that the same one found again is not another.

mod fix;
mod ours;
mod queue;
mod statement;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

pub use ours::{OurTrade, Ours, read_ours};
pub use queue::{Queue, REVIEWS_NAME, Review, ReviewState};
pub use statement::{
    CSV_COLUMNS, Statement, StatementCash, StatementError, StatementPosition, StatementTrade,
    parse_statement,
};

use crate::slow::{Money, SlowError};

/// In what ours and theirs differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakKind {
    /// We have the trade, they have not.
    MissingThere,
    /// They have the trade, we have not.
    MissingHere,
    /// The quantity of a trade.
    Quantity,
    /// The price of a trade.
    Price,
    /// When a trade settles.
    Settlement,
    /// The instrument of a trade.
    Instrument,
    /// The fee of a trade.
    Fee,
    /// They have one side of a trade twice.
    Twice,
    /// A position.
    Position,
    /// Money.
    Cash,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Break {
    /// Names it: the same difference has the same name on every run.
    pub id: String,
    /// In what they differ.
    pub kind: BreakKind,
    /// The trade date of the statement.
    pub date: Date,
    /// Whose.
    pub account: u32,
    /// Of what.
    pub symbol: String,
    /// The trade's number, where it is one trade.
    pub trade: String,
    /// What we have.
    pub ours: String,
    /// What they have.
    pub theirs: String,
    /// The line of the statement; 0 where it has none.
    pub line: usize,
    /// What `wirematch audit trace` takes, for each order concerned.
    pub orders: Vec<String>,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The differences, by kind.
    pub breaks: Vec<Break>,
    /// Trades of ours that were compared.
    pub trades: usize,
    /// Positions that were compared.
    pub positions: usize,
    /// Balances that were compared.
    pub balances: usize,
}

/// Why a statement cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The file is wrong.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// Our books cannot be read.
    #[error(transparent)]
    Slow(#[from] SlowError),
    /// The queue cannot be used.
    #[error("{0}")]
    Queue(String),
}

/// Compares a statement with the books of a data folder.
///
/// # Errors
/// Books that cannot be read.
pub fn compare(statement: &Statement, journal: &Path, data: &Path) -> Result<Outcome, SlowError> {
    let ours = read_ours(journal, data, statement.date)?;
    Ok(differences(statement, &ours))
}

/// The comparison itself.
pub fn differences(statement: &Statement, ours: &Ours) -> Outcome {
    let mut found = Found { date: statement.date, breaks: Vec::new() };
    let mut theirs = BTreeMap::new();
    for trade in &statement.trades {
        if theirs.insert((trade.number, trade.account, trade.is_buy), trade).is_some() {
            found.trade(BreakKind::Twice, trade, ours.trade(trade), "once", "again");
        }
    }
    for (key, trade) in &theirs {
        match ours.trades.get(key) {
            Some(our) => found.compare(our, trade),
            None => found.trade(BreakKind::MissingHere, trade, None, "none", &trade.sentence()),
        }
    }
    for (key, our) in &ours.trades {
        if !statement.trades.is_empty() && !theirs.contains_key(key) {
            found.missing_there(key, our);
        }
    }
    found.positions(statement, ours);
    found.cash(statement, ours);
    found.breaks.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
    Outcome {
        breaks: found.breaks,
        trades: ours.trades.len(),
        positions: statement.positions.len(),
        balances: statement.cash.len(),
    }
}

struct Found {
    date: Date,
    breaks: Vec<Break>,
}

impl Found {
    fn add(&mut self, one: Break) {
        let about =
            format!("{:?} {} {} {} {}", one.kind, one.date, one.account, one.symbol, one.trade);
        let id = blake3::hash(about.as_bytes()).to_hex()[..10].to_owned();
        self.breaks.push(Break { id, ..one });
    }

    fn trade(
        &mut self,
        kind: BreakKind,
        theirs: &StatementTrade,
        ours: Option<&OurTrade>,
        our: &str,
        their: &str,
    ) {
        self.add(Break {
            id: String::new(),
            kind,
            date: self.date,
            account: theirs.account,
            symbol: theirs.symbol.clone(),
            trade: format!("{} {}", theirs.number, if theirs.is_buy { "buy" } else { "sell" }),
            ours: our.to_owned(),
            theirs: their.to_owned(),
            line: theirs.line,
            orders: ours.map(|ours| ours.order.clone()).into_iter().collect(),
        });
    }

    fn compare(&mut self, ours: &OurTrade, theirs: &StatementTrade) {
        let mut check = |kind, our: String, their: String| {
            if our != their {
                self.trade(kind, theirs, Some(ours), &our, &their);
            }
        };
        check(BreakKind::Instrument, ours.symbol.clone(), theirs.symbol.clone());
        check(BreakKind::Quantity, ours.quantity.to_string(), theirs.quantity.to_string());
        check(BreakKind::Price, Money(ours.price.into()).to_string(), theirs.price.to_string());
        if let Some(date) = theirs.settles {
            check(BreakKind::Settlement, ours.settles.to_string(), date.to_string());
        }
        if let Some(fee) = theirs.fee {
            check(BreakKind::Fee, ours.fee.to_string(), fee.to_string());
        }
    }

    fn missing_there(&mut self, key: &(u64, u32, bool), ours: &OurTrade) {
        self.add(Break {
            id: String::new(),
            kind: BreakKind::MissingThere,
            date: self.date,
            account: key.1,
            symbol: ours.symbol.clone(),
            trade: format!("{} {}", key.0, if key.2 { "buy" } else { "sell" }),
            ours: format!("{} at {}", ours.quantity, Money(ours.price.into())),
            theirs: "none".into(),
            line: 0,
            orders: vec![ours.order.clone()],
        });
    }

    fn positions(&mut self, statement: &Statement, ours: &Ours) {
        if statement.positions.is_empty() {
            return;
        }
        let mut theirs = BTreeMap::new();
        for position in &statement.positions {
            let key = (position.account, position.symbol.clone());
            let sum: &mut (i64, usize) = theirs.entry(key).or_default();
            *sum = (sum.0 + position.quantity, position.line);
        }
        let keys: BTreeSet<_> = theirs.keys().chain(ours.positions.keys()).cloned().collect();
        for key in keys {
            let (their, line) = theirs.get(&key).copied().unwrap_or_default();
            let our = ours.positions.get(&key).copied().unwrap_or_default();
            if our != their {
                let orders = ours.orders_of(key.0, Some(&key.1));
                let (ours, theirs) = (our.to_string(), their.to_string());
                self.sum(BreakKind::Position, key, ours, theirs, line, orders);
            }
        }
    }

    fn cash(&mut self, statement: &Statement, ours: &Ours) {
        for StatementCash { account, currency, balance, line } in &statement.cash {
            let our = ours.cash.get(&(*account, *currency)).copied().unwrap_or_default();
            if our != *balance {
                let key = (*account, currency.to_string());
                let orders = ours.orders_of(*account, None);
                let (our, their) = (our.to_string(), balance.to_string());
                self.sum(BreakKind::Cash, key, our, their, *line, orders);
            }
        }
    }

    fn sum(
        &mut self,
        kind: BreakKind,
        (account, symbol): (u32, String),
        ours: String,
        theirs: String,
        line: usize,
        orders: Vec<String>,
    ) {
        let (id, trade, date) = (String::new(), String::new(), self.date);
        self.add(Break { id, kind, date, account, symbol, trade, ours, theirs, line, orders });
    }
}
