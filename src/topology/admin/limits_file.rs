//! Limits files: tables of limits with whom they are for and from which date. A file is taken
//! whole or not at all; what is wrong is said with line and column.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;
use toml::Spanned;

use crate::model::{AccountId, Command, CommandKind, Instrument, LimitKind, Price, Scope};
use crate::topology::admin::ask::{AskError, Whom, scope_of, value_of};
use crate::topology::{ConfigError, Decimal};

/// A table as it stands in the file: every key and value knows its place.
type Raw = Spanned<BTreeMap<Spanned<String>, Spanned<toml::Value>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    limit: Vec<Raw>,
}

/// A table: whom it is for, from when, and its limits.
#[derive(Default)]
struct Table {
    scope: String,
    /// One number, or the first of several.
    id: u32,
    /// The last number.
    last: Option<u32>,
    /// Instruments by symbol; none are all, where the scope is `instrument`.
    symbols: Vec<String>,
    /// Only instruments whose reference price is above this.
    above: Option<Decimal>,
    /// Only instruments whose reference price is this at most.
    up_to: Option<Decimal>,
    effective_from: Option<Date>,
    limits: Vec<(Spanned<String>, Spanned<toml::Value>)>,
}

/// What is wrong, and where.
type Wrong = (std::ops::Range<usize>, AskError);

impl Table {
    fn of(raw: &Raw) -> Result<Self, Wrong> {
        let mut table = Self::default();
        for (key, spanned) in raw.get_ref() {
            let value = spanned.get_ref();
            let text = plain(value);
            let wrong = |what: String| (spanned.span(), AskError(what));
            let number = || {
                text.parse::<u32>().map_err(|_| wrong(format!("`{text}` is no number from 0 on")))
            };
            let amount = || text.parse::<Decimal>().map_err(wrong);
            match key.get_ref().as_str() {
                "scope" => table.scope = text,
                "id" => table.id = number()?,
                "last" => table.last = Some(number()?),
                "above" => table.above = Some(amount()?),
                "up_to" => table.up_to = Some(amount()?),
                "effective_from" => {
                    let date = text.parse::<Date>();
                    let date =
                        date.map_err(|_| wrong(format!("`{text}` is no date: 2026-12-06")))?;
                    table.effective_from = Some(date);
                }
                "source" => {}
                "symbols" => {
                    let list = value.as_array().map(|list| list.iter().map(plain).collect());
                    table.symbols = list.ok_or_else(|| wrong("write a list of symbols".into()))?;
                }
                _ => table.limits.push((key.clone(), spanned.clone())),
            }
        }
        Ok(table)
    }
}

/// Where a key's value stands in a table; the table itself without it.
fn place(raw: &Raw, name: &str) -> std::ops::Range<usize> {
    let found = raw.get_ref().iter().find(|(key, _)| key.get_ref() == name);
    found.map_or(raw.span(), |(_, value)| value.span())
}

/// A limits file, read and checked.
#[derive(Clone, Debug, Default)]
pub struct LimitsFile {
    /// What it sets, and from which date.
    entries: Vec<(Option<Date>, Command)>,
}

/// The most commands a file may become.
const COMMANDS_MAX: usize = 1 << 20;

/// Reads a limits file; `file` is what errors call it.
///
/// # Errors
/// What is wrong, with line and column; nothing of the file is used then.
pub fn parse_limits(
    file: &str,
    text: &str,
    listed: &[Instrument],
) -> Result<LimitsFile, ConfigError> {
    let read: File = toml::from_str(text).map_err(|error| {
        ConfigError::at(file, text, error.span().unwrap_or(0..0), error.message())
    })?;
    let mut found = LimitsFile::default();
    for raw in &read.limit {
        add(&mut found, raw, listed)
            .map_err(|(span, error)| ConfigError::at(file, text, span, &error.0))?;
    }
    found.entries.sort_by_key(|(date, _)| *date);
    Ok(found)
}

/// Adds what a table sets.
fn add(found: &mut LimitsFile, raw: &Raw, listed: &[Instrument]) -> Result<(), Wrong> {
    let table = Table::of(raw)?;
    let scope = scope_of(&table.scope).map_err(|error| (place(raw, "scope"), error))?;
    let whom = whom_of(&table, scope, listed).map_err(|error| (place(raw, "symbols"), error))?;
    if table.limits.is_empty() {
        return Err((raw.span(), AskError("the table sets no limit".into())));
    }
    for (key, value) in &table.limits {
        let name = key.get_ref();
        let kind = LimitKind::from_key(name);
        let kind =
            kind.ok_or_else(|| (key.span(), AskError(format!("`{name}` is no limit, no key"))))?;
        if !serves(scope, kind) {
            let error = AskError(format!("`{name}` is no limit of this scope: {}", table.scope));
            return Err((key.span(), error));
        }
        let number = value_of(kind, &plain(value.get_ref()));
        let number = number.map_err(|error| (value.span(), error))?;
        for whom in &whom {
            let mut command = Command::new(CommandKind::SetLimit);
            whom.put(&mut command, listed).map_err(|error| (raw.span(), error))?;
            (command.order_type, command.price) = (kind.code(), Price(number));
            found.entries.push((table.effective_from, command));
        }
        if found.entries.len() > COMMANDS_MAX {
            let error = AskError(format!("the file sets more than {COMMANDS_MAX} limits"));
            return Err((raw.span(), error));
        }
    }
    Ok(())
}

/// Whether a scope has a limit.
fn serves(scope: Scope, kind: LimitKind) -> bool {
    use LimitKind as K;
    let of_rate = matches!(kind, K::MessageRate | K::MessageBurst | K::BanAbove | K::BanTime);
    match scope {
        Scope::Session => of_rate || kind == K::Restricted,
        Scope::Firm => matches!(
            kind,
            K::BuyingPower
                | K::Exposure
                | K::NetExposure
                | K::Position
                | K::SoftShare
                | K::Restricted
        ),
        Scope::Account => {
            kind <= K::ShortMarking || matches!(kind, K::Restricted | K::Located | K::SoftShare)
        }
        Scope::Instrument => matches!(
            kind,
            K::Restricted
                | K::HardToBorrow
                | K::NoShortSales
                | K::PriceTest
                | K::ReferenceAge
                | K::Breaker
                | K::BreakerWindow
                | K::PriceBand
                | K::PriceBandWidth
                | K::LimitStateTime
                | K::PauseTime
                | K::PriceTestFall
        ),
        Scope::Everything => matches!(kind, K::MarketFall | K::MarketPause),
        Scope::Venue => false,
    }
}

fn whom_of(table: &Table, scope: Scope, listed: &[Instrument]) -> Result<Vec<Whom>, AskError> {
    let last = table.last.unwrap_or(table.id);
    if last < table.id || last > AccountId::CODED_MAX.0 {
        return Err(AskError(format!("`last` is {last}: it must not be below `id`")));
    }
    let of = |id: u32, symbol: &str| Whom { scope: table.scope.clone(), id, symbol: symbol.into() };
    let symbols = &table.symbols;
    if let Some(unknown) =
        symbols.iter().find(|symbol| !listed.iter().any(|listed| listed.symbol.name() == **symbol))
    {
        return Err(AskError(format!("`{unknown}` is no [[instrument]] here")));
    }
    if scope != Scope::Instrument {
        let pair = |id| symbols.iter().map(move |symbol| of(id, symbol));
        return Ok(match symbols.is_empty() {
            true => (table.id..=last).map(|id| of(id, "")).collect(),
            false => (table.id..=last).flat_map(pair).collect(),
        });
    }
    let named =
        |listed: &&Instrument| symbols.is_empty() || symbols.contains(&listed.symbol.name());
    let priced = |listed: &&Instrument| {
        let price = listed.reference_price;
        table.above.is_none_or(|above| price > above.price())
            && table.up_to.is_none_or(|most| price <= most.price())
    };
    let whom = listed.iter().filter(|listed| !listed.is_spare()).filter(named).filter(priced);
    Ok(whom.map(|listed| of(0, &listed.symbol.name())).collect())
}

/// A value as the command line writes it.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl LimitsFile {
    /// What comes into force after a date (none: the beginning) and until another, in the order
    /// of dates.
    pub fn between(&self, after: Option<Date>, until: Date) -> impl Iterator<Item = &Command> {
        let due = move |(date, _): &&(Option<Date>, Command)| match date {
            Some(date) => after.is_none_or(|after| *date > after) && *date <= until,
            None => after.is_none(),
        };
        self.entries.iter().filter(due).map(|(_, command)| command)
    }

    /// How many limits it sets, now or later.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it sets none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{InstrumentId, Quantity, Symbol};

    fn listed() -> Vec<Instrument> {
        let of = |(at, (name, price)): (usize, (&str, i64))| Instrument {
            id: InstrumentId(at as u32 + 1),
            symbol: Symbol::new(name).expect("a symbol"),
            tick: Price(100),
            lot: Quantity(1),
            reference_price: Price(price * 10_000),
        };
        [("ACME", 300), ("BOLT", 2)].into_iter().enumerate().map(of).collect()
    }

    #[test]
    fn a_file_becomes_commands_by_date_and_price() {
        let text = "[[limit]]\nscope = \"account\"\nid = 3\nlast = 4\nexposure = \"100.50\"\n\
            [[limit]]\nscope = \"instrument\"\nabove = \"3\"\neffective_from = \"2026-12-06\"\n\
            price-band = 5\nsource = \"LULD\"\n";
        let file = parse_limits("limits.toml", text, &listed()).expect("it is good");
        let date = |text: &str| text.parse::<Date>().expect("a date");
        let now: Vec<_> = file.between(None, date("2026-12-05")).copied().collect();
        assert_eq!(
            now.iter().map(|c| (c.account.0, c.price.0)).collect::<Vec<_>>(),
            [(3, 1_005_000), (4, 1_005_000)]
        );
        let then: Vec<_> =
            file.between(Some(date("2026-12-05")), date("2026-12-06")).copied().collect();
        assert_eq!(
            then.iter().map(|c| (c.instrument.0, c.price.0)).collect::<Vec<_>>(),
            [(1, 500)]
        );
    }

    #[test]
    fn a_bad_file_is_refused_with_line_and_column() {
        let first = "[[limit]]\nscope = \"account\"\nid = 3\nexposure = \"5\"\n[[limit]]\n";
        for (rest, place, word) in [
            ("scope = \"acount\"\nexposure = 1", "6:9", "no scope"),
            ("scope = \"account\"\nid = 3\nexposur = 1", "8:1", "`exposur` is no limit"),
            ("scope = \"account\"\nid = 3\nexposure = \"many\"", "8:12", "not an amount"),
            ("scope = \"session\"\nid = 3\nexposure = 1", "8:1", "no limit of this scope"),
            ("scope = \"instrument\"\nsymbols = [\"NONE\"]\nbreaker = 1", "7:11", "no [[instr"),
            ("scope = \"account\"\nexposure = 1", "5:1", "say which account"),
            ("scope = \"account\"\nid = 3", "5:1", "sets no limit"),
            ("scope = \"account\"\nid = -3\nexposure = 1", "7:6", "`-3` is no number"),
        ] {
            let text = format!("{first}{rest}\n");
            let error = parse_limits("l.toml", &text, &listed()).expect_err(rest).0;
            assert!(error.starts_with(&format!("l.toml:{place}: ")), "{error}");
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn the_tables_that_come_with_it_are_good() {
        let mut listed = listed();
        let dyne = Instrument { symbol: Symbol::new("DYNE").expect("a symbol"), ..listed[0] };
        listed.push(Instrument { id: InstrumentId(listed.len() as u32 + 1), ..dyne });
        for (text, least) in [
            (include_str!("../../../config/protection.toml"), 10),
            (include_str!("../../../config/tier-2.toml"), 3),
            (include_str!("../../../config/closing-bands.toml"), 3),
        ] {
            let file = parse_limits("a file", text, &listed).expect("it is good");
            assert!(file.len() >= least, "{} limits", file.len());
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = parse_limits("x", &text, &listed());
        }
    }
}
