//! The clearing house's statement: a CSV, or FIX trade capture reports. What is wrong with a file
//! is told with line and column, and nothing of a wrong file is used.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::slow::Money;
use crate::slow::reconcile::fix;
use crate::slow::rules::Currency;

/// The columns of the CSV, in order; the first line names them.
pub const CSV_COLUMNS: [&str; 11] = [
    "record",
    "trade_id",
    "trade_date",
    "settlement_date",
    "account",
    "symbol",
    "side",
    "quantity",
    "price",
    "fee",
    "currency",
];

/// What is wrong with a statement, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct StatementError {
    /// From 1.
    pub line: usize,
    /// From 1; of a CSV the column of the text, not of the table.
    pub column: usize,
    /// What, and what would be right.
    pub what: String,
}

/// One side of a trade, as they have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementTrade {
    /// Our match number.
    pub number: u64,
    /// When it settles, where they say so.
    pub settles: Option<Date>,
    /// Whose.
    pub account: u32,
    /// Of what.
    pub symbol: String,
    /// Whether it was bought.
    pub is_buy: bool,
    /// How much.
    pub quantity: u64,
    /// At which price.
    pub price: Money,
    /// What it cost, where they say so.
    pub fee: Option<Money>,
    /// Where it stands.
    pub line: usize,
}

impl StatementTrade {
    pub(super) fn sentence(&self) -> String {
        format!("{} at {}", self.quantity, self.price)
    }
}

/// A position at the end of the day, as they have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementPosition {
    /// Whose.
    pub account: u32,
    /// Of what.
    pub symbol: String,
    /// How much; below zero: sold more than bought.
    pub quantity: i64,
    /// Where it stands.
    pub line: usize,
}

/// Money at the end of the day, as they have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementCash {
    /// Whose.
    pub account: u32,
    /// In which currency.
    pub currency: Currency,
    /// How much.
    pub balance: Money,
    /// Where it stands.
    pub line: usize,
}

/// A whole statement, of one trade date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The trade date.
    pub date: Date,
    /// Trades.
    pub trades: Vec<StatementTrade>,
    /// Positions.
    pub positions: Vec<StatementPosition>,
    /// Money.
    pub cash: Vec<StatementCash>,
}

/// Reads a statement: FIX where it begins with `8=FIX`, else a CSV.
///
/// # Errors
/// The first thing that is wrong, with line and column.
pub fn parse_statement(bytes: &[u8]) -> Result<Statement, StatementError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        StatementError { line, column, what: "this is no text in UTF-8".into() }
    })?;
    if text.starts_with("8=FIX") { fix::parse(text) } else { parse_csv(text) }
}

/// A cell and the column of the text where it begins.
type Cell = (String, usize);

fn parse_csv(text: &str) -> Result<Statement, StatementError> {
    let mut lines = (1..).zip(text.lines());
    let header = CSV_COLUMNS.join(",");
    match lines.next() {
        Some((_, first)) if first.trim_end() == header => {}
        _ => {
            let what = format!("the first line must be `{header}`");
            return Err(StatementError { line: 1, column: 1, what });
        }
    }
    let (mut date, mut trades, mut positions, mut cash) =
        (None, Vec::new(), Vec::new(), Vec::new());
    let mut balances = BTreeMap::new();
    for (line, text) in lines {
        if text.trim().is_empty() {
            continue;
        }
        let row = Row { line, cells: cells(line, text.trim_end_matches('\r'))? };
        let own = row.date(2)?;
        if *date.get_or_insert(own) != own {
            return Err(row.wrong(2, "another trade date than the lines before have"));
        }
        match row.text(0) {
            "trade" => trades.push(row.trade()?),
            "position" => positions.push(row.position()?),
            "cash" => {
                let one = row.cash()?;
                if balances.insert((one.account, one.currency), line).is_some() {
                    return Err(row.wrong(4, "the account has this currency on a line before"));
                }
                cash.push(one);
            }
            other => {
                let what = format!("`{other}` is none of trade, position and cash");
                return Err(row.wrong(0, what));
            }
        }
    }
    let date = date.ok_or_else(|| StatementError {
        line: 2,
        column: 1,
        what: "there is nothing behind the first line".into(),
    })?;
    Ok(Statement { date, trades, positions, cash })
}

/// Splits a line at its commas; a cell in quotes may hold some.
fn cells(line: usize, text: &str) -> Result<Vec<Cell>, StatementError> {
    let (mut cells, mut cell, mut begins) = (Vec::new(), String::new(), 1);
    let (mut in_quotes, mut column) = (false, 0);
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        column += 1;
        match sign {
            '"' if in_quotes && signs.peek() == Some(&'"') => {
                signs.next();
                column += 1;
                cell.push('"');
            }
            '"' if in_quotes || cell.is_empty() => in_quotes = !in_quotes,
            ',' if !in_quotes => {
                cells.push((std::mem::take(&mut cell), begins));
                begins = column + 1;
            }
            sign => cell.push(sign),
        }
    }
    if in_quotes {
        let what = "a quote is opened and not closed on this line".into();
        return Err(StatementError { line, column: begins, what });
    }
    cells.push((cell, begins));
    if cells.len() != CSV_COLUMNS.len() {
        let what = format!("{} cells, there must be {}", cells.len(), CSV_COLUMNS.len());
        return Err(StatementError { line, column: column.max(1), what });
    }
    Ok(cells)
}

struct Row {
    line: usize,
    cells: Vec<Cell>,
}

impl Row {
    fn text(&self, at: usize) -> &str {
        self.cells.get(at).map_or("", |(text, _)| text.trim())
    }

    fn wrong(&self, at: usize, what: impl Into<String>) -> StatementError {
        let column = self.cells.get(at).map_or(1, |(_, column)| *column);
        StatementError { line: self.line, column, what: what.into() }
    }

    fn parsed<T: std::str::FromStr>(&self, at: usize, what: &str) -> Result<T, StatementError> {
        let (name, text) = (CSV_COLUMNS[at], self.text(at));
        text.parse().map_err(|_| self.wrong(at, format!("`{name}` is `{text}`: it must be {what}")))
    }

    fn date(&self, at: usize) -> Result<Date, StatementError> {
        self.parsed(at, "a date as 2026-11-23")
    }

    fn money(&self, at: usize) -> Result<Money, StatementError> {
        self.parsed(at, "an amount as 1250.25, with at most four decimals")
    }

    fn account(&self) -> Result<u32, StatementError> {
        self.parsed(4, "an account's number")
    }

    fn symbol(&self) -> Result<String, StatementError> {
        match self.text(5) {
            "" => Err(self.wrong(5, "`symbol` is missing")),
            symbol => Ok(symbol.to_owned()),
        }
    }

    /// Refuses cells that a record does not have.
    fn empty(&self, unused: &[usize]) -> Result<(), StatementError> {
        match unused.iter().find(|at| !self.text(**at).is_empty()) {
            Some(&at) => {
                let what = format!("`{}` says nothing of a {}", CSV_COLUMNS[at], self.text(0));
                Err(self.wrong(at, what))
            }
            None => Ok(()),
        }
    }

    fn trade(&self) -> Result<StatementTrade, StatementError> {
        let settles = match self.text(3) {
            "" => None,
            _ => Some(self.date(3)?),
        };
        let is_buy = match self.text(6) {
            "buy" => true,
            "sell" => false,
            other => return Err(self.wrong(6, format!("`{other}` is neither buy nor sell"))),
        };
        let quantity = self.parsed(7, "a whole number above 0")?;
        if quantity == 0 {
            return Err(self.wrong(7, "a trade of nothing"));
        }
        Ok(StatementTrade {
            number: self.parsed(1, "the trade's number")?,
            settles,
            account: self.account()?,
            symbol: self.symbol()?,
            is_buy,
            quantity,
            price: self.money(8)?,
            fee: if self.text(9).is_empty() { None } else { Some(self.money(9)?) },
            line: self.line,
        })
    }

    fn position(&self) -> Result<StatementPosition, StatementError> {
        self.empty(&[1, 3, 6, 9])?;
        Ok(StatementPosition {
            account: self.account()?,
            symbol: self.symbol()?,
            quantity: self.parsed(7, "a whole number, below 0 for a short position")?,
            line: self.line,
        })
    }

    fn cash(&self) -> Result<StatementCash, StatementError> {
        self.empty(&[1, 3, 5, 6, 7, 9])?;
        Ok(StatementCash {
            account: self.account()?,
            currency: self.parsed(10, "a currency as USD")?,
            balance: self.money(8)?,
            line: self.line,
        })
    }
}
