//! FIX trade capture reports (35=AE), one message on a line, fields ended by SOH or by `|`.

use jiff::civil::Date;

use crate::slow::Money;
use crate::slow::reconcile::statement::{Statement, StatementError, StatementTrade};

/// A field: tag, value, and the column where it begins.
type Field<'a> = (u32, &'a str, usize);

pub(super) fn parse(text: &str) -> Result<Statement, StatementError> {
    let (mut date, mut trades) = (None, Vec::new());
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() {
            continue;
        }
        let report = Report { line, fields: fields(line, text)? };
        report.check(text)?;
        let own = report.date(75)?;
        if *date.get_or_insert(own) != own {
            return Err(report.wrong(75, "TradeDate (75) is another than in the lines before"));
        }
        report.sides(&mut trades)?;
    }
    let what = "there is no report".to_owned();
    let date = date.ok_or(StatementError { line: 1, column: 1, what })?;
    Ok(Statement { date, trades, positions: Vec::new(), cash: Vec::new() })
}

fn fields(line: usize, text: &str) -> Result<Vec<Field<'_>>, StatementError> {
    let mut column = 1;
    let mut fields = Vec::new();
    for part in text.trim_end_matches('\r').split(['\u{1}', '|']) {
        if !part.is_empty() {
            let wrong = || {
                let what = format!("`{part}` is no field: it must be TAG=VALUE");
                StatementError { line, column, what }
            };
            let (tag, value) = part.split_once('=').ok_or_else(wrong)?;
            fields.push((tag.parse().map_err(|_| wrong())?, value, column));
        }
        column += part.chars().count() + 1;
    }
    Ok(fields)
}

struct Report<'a> {
    line: usize,
    fields: Vec<Field<'a>>,
}

impl<'a> Report<'a> {
    fn find(&self, tag: u32) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.0 == tag)
    }

    fn wrong(&self, tag: u32, what: impl Into<String>) -> StatementError {
        let column = self.find(tag).map_or(1, |field| field.2);
        StatementError { line: self.line, column, what: what.into() }
    }

    fn value(&self, tag: u32) -> Result<&'a str, StatementError> {
        let found = self.find(tag).map(|field| field.1);
        found.ok_or_else(|| self.wrong(tag, format!("field {tag} is missing")))
    }

    fn parsed<T: std::str::FromStr>(&self, tag: u32, what: &str) -> Result<T, StatementError> {
        let value = self.value(tag)?;
        value.parse().map_err(|_| self.wrong(tag, format!("{tag}={value}: it must be {what}")))
    }

    fn date(&self, tag: u32) -> Result<Date, StatementError> {
        let value = self.value(tag)?;
        Date::strptime("%Y%m%d", value)
            .map_err(|_| self.wrong(tag, format!("{tag}={value}: it must be as 20261123")))
    }

    /// That it is a report, whole: the checksum is over all bytes before it.
    fn check(&self, text: &str) -> Result<(), StatementError> {
        if self.value(35)? != "AE" {
            return Err(self.wrong(35, "this is no trade capture report (35=AE)"));
        }
        let stated: u32 = self.parsed(10, "three digits")?;
        let column = self.find(10).map_or(1, |field| field.2);
        let before = text.char_indices().nth(column - 1).map_or(text.len(), |(at, _)| at);
        let bytes = text.as_bytes().get(..before).unwrap_or(&[]);
        // Where bars stand for SOH the checksum is over SOH all the same.
        let value = |byte: &u8| u32::from(if *byte == b'|' { 1 } else { *byte });
        let sum = bytes.iter().map(value).sum::<u32>() % 256;
        if sum != stated {
            return Err(self.wrong(10, format!("the checksum is {stated:03}, it must be {sum:03}")));
        }
        Ok(())
    }

    /// Every side: Side (54) begins one, Account (1) names whose it is.
    fn sides(&self, trades: &mut Vec<StatementTrade>) -> Result<(), StatementError> {
        let number = match self.find(1003) {
            Some(_) => self.parsed(1003, "the trade's number")?,
            None => self.parsed(17, "the trade's number")?,
        };
        let count: usize = self.parsed(552, "the number of sides")?;
        let settles = self.find(64).map(|_| self.date(64)).transpose()?;
        let quantity = self.parsed(32, "a whole number above 0")?;
        if quantity == 0 {
            return Err(self.wrong(32, "a trade of nothing"));
        }
        let price: Money = self.parsed(31, "an amount with at most four decimals")?;
        let symbol = self.value(55)?.to_owned();
        let begins = |field: &&(usize, &Field<'_>)| field.1.0 == 54;
        let places: Vec<_> =
            self.fields.iter().enumerate().filter(|f| begins(&f)).map(|f| f.0).collect();
        if places.len() != count || count == 0 {
            let what = format!("{} sides, NoSides (552) says {count}", places.len());
            return Err(self.wrong(552, what));
        }
        for (nth, &place) in places.iter().enumerate() {
            let end = places.get(nth + 1).copied().unwrap_or(self.fields.len());
            let (_, code, column) = self.fields[place];
            let wrong = |what: String| StatementError { line: self.line, column, what };
            let is_buy = match code {
                "1" => true,
                "2" | "5" | "6" => false,
                _ => return Err(wrong(format!("54={code}: it must be 1, 2, 5 or 6"))),
            };
            let of_side = self.fields.get(place..end).unwrap_or(&[]);
            let account = of_side.iter().find(|field| field.0 == 1);
            let account = account.and_then(|field| field.1.parse().ok());
            let account = account
                .ok_or_else(|| wrong("a side without an Account (1) that is a number".into()))?;
            let fee = of_side.iter().find(|field| field.0 == 12).map(|field| field.1.parse());
            let fee = fee.transpose().map_err(|_| wrong("Commission (12) is no amount".into()))?;
            let (symbol, line) = (symbol.clone(), self.line);
            trades.push(StatementTrade {
                number,
                settles,
                account,
                symbol,
                is_buy,
                quantity,
                price,
                fee,
                line,
            });
        }
        Ok(())
    }
}
