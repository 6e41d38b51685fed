//! What the books go by: currencies, fees, trade and settlement dates, homes of accounts. All of it
//! is data, written into the data folder by the appliance, so that who reads the books later reads
//! them by the same rules. Fees and settlement are dated: a row counts from its date on.

use std::fs;
use std::path::Path;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::model::{AccountId, Event, EventFlags, InstrumentId, Nanos};
use crate::slow::Money;

/// The file with the rules in the data folder.
pub const RULES_NAME: &str = "books.json";

/// A currency by its three letters (ISO 4217).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency(pub [u8; 3]);

impl Default for Currency {
    fn default() -> Self {
        Self(*b"USD")
    }
}

impl std::str::FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            letters @ [_, _, _] if letters.iter().all(u8::is_ascii_uppercase) => {
                Ok(Self([letters[0], letters[1], letters[2]]))
            }
            _ => Err(format!("`{text}` is no currency: write three capital letters, as USD")),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.to_string()
    }
}

impl Currency {
    /// As a number that a command carries.
    pub const fn code(self) -> u32 {
        u32::from_be_bytes([0, self.0[0], self.0[1], self.0[2]])
    }

    /// The currency of such a number.
    pub fn from_code(code: u32) -> Option<Self> {
        let [_, letters @ ..] = code.to_be_bytes();
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&String::from_utf8_lossy(&self.0))
    }
}

/// How many business days after the trade money and shares change hands, from a date on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settlement {
    /// The first trade date it counts for.
    pub from: Date,
    /// Business days after the trade date.
    pub days: u8,
}

/// A region's own rules.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Region {
    /// Its name, as `US`.
    pub name: String,
    /// What is traded in there, unless an instrument says otherwise.
    pub currency: Currency,
    /// Whose midnight ends the trade date.
    pub zone: String,
    /// By date, oldest first.
    pub settlement: Vec<Settlement>,
    /// Days on which nothing settles, beside Saturdays and Sundays.
    pub holidays: Vec<Date>,
}

impl Region {
    /// Whether money and shares change hands on that day.
    pub fn settles_on(&self, date: Date) -> bool {
        date.weekday().to_monday_zero_offset() < 5 && !self.holidays.contains(&date)
    }

    /// When a trade of that date settles.
    pub fn settlement_date(&self, trade_date: Date) -> Date {
        let row = self.settlement.iter().rev().find(|row| row.from <= trade_date);
        let mut left = row.map_or(1, |row| row.days);
        let mut date = trade_date;
        // A trade made when nothing settles counts from the next day on which something does.
        while left > 0 || !self.settles_on(date) {
            let Ok(next) = date.tomorrow() else { return date };
            date = next;
            if self.settles_on(date) && left > 0 {
                left -= 1;
            }
        }
        date
    }

    /// The trade date of an instant, and when that day begins and ends.
    fn day_of(&self, at: Nanos) -> Option<(Date, Nanos, Nanos)> {
        let zone = TimeZone::get(&self.zone).ok()?;
        let time = Timestamp::from_nanosecond(i128::from(at.0)).ok()?.to_zoned(zone.clone());
        let date = time.date();
        let begins = date.to_zoned(zone.clone()).ok()?.timestamp().as_nanosecond();
        let ends = date.checked_add(1.day()).ok()?.to_zoned(zone).ok()?;
        let nanos = |of: i128| Nanos(u64::try_from(of).unwrap_or(0));
        Some((date, nanos(begins), nanos(ends.timestamp().as_nanosecond())))
    }
}

/// What a venue takes for a trade from a date on; below zero it pays.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Fee {
    /// Its name; `here` is this appliance.
    pub venue: String,
    /// The first trade date it counts for.
    pub from: Date,
    /// For each share of an order that was resting, in ten-thousandths.
    pub maker: i64,
    /// For each share of an order that took, in ten-thousandths.
    pub taker: i64,
    /// Of the money that changes hands, in ten-thousandths of a basis point.
    pub maker_bps: i64,
    /// The same for an order that took.
    pub taker_bps: i64,
}

impl Fee {
    /// What one side of a trade pays, rounded to the ten-thousandth, halves away from zero.
    pub fn of(&self, event: &Event, is_maker: bool) -> Money {
        let (share, bps) = match is_maker {
            true => (self.maker, self.maker_bps),
            false => (self.taker, self.taker_bps),
        };
        let notional = Money::of(event.price, event.quantity).0.abs();
        let part = notional * i128::from(bps);
        const ONE: i128 = 100_000_000;
        let rounded = (part.abs() + ONE / 2) / ONE * part.signum();
        Money(i128::from(share) * i128::from(event.quantity.0) + rounded)
    }
}

/// What the books know of an instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Traded {
    /// Its symbol.
    pub symbol: String,
    /// What it is paid in.
    pub currency: Currency,
    /// The region by whose dates it settles.
    pub region: String,
    /// The destination it is routed to; empty where it is matched here.
    pub venue: String,
}

/// Accounts in a row with one home.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Homes {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
    /// Where they are at home; empty: here.
    pub region: String,
    /// The buying power that risk begins with, in ten-thousandths.
    pub buying_power: i64,
}

/// The rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Rules {
    /// The region whose books these are; empty: of all accounts there are.
    pub region: String,
    /// By number, from 1.
    pub instruments: Vec<Traded>,
    /// All regions.
    pub regions: Vec<Region>,
    /// By venue and date, oldest first.
    pub fees: Vec<Fee>,
    /// Which accounts are at home where.
    pub accounts: Vec<Homes>,
}

impl Rules {
    /// Those beside a journal; the defaults where no appliance wrote any.
    ///
    /// # Errors
    /// A file that is there and cannot be read.
    pub fn beside(data: &Path) -> Result<Self, String> {
        let file = data.join(RULES_NAME);
        match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| format!("{}: these are no rules: {error}", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", file.display())),
        }
    }

    /// Puts them beside a journal, whole or not at all.
    ///
    /// # Errors
    /// What the disk says.
    pub fn put_beside(&self, data: &Path) -> std::io::Result<()> {
        let unfinished = data.join("books.json.new");
        fs::write(&unfinished, serde_json::to_vec_pretty(self)?)?;
        fs::rename(unfinished, data.join(RULES_NAME))
    }

    /// Tells these rules from others.
    pub fn digest(&self) -> u64 {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let hash = blake3::hash(&text);
        u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default())
    }

    /// What is known of an instrument.
    pub fn instrument(&self, id: InstrumentId) -> Option<&Traded> {
        self.instruments.get(id.index().checked_sub(1)?)
    }

    /// An instrument's symbol, or its number.
    pub fn symbol(&self, id: InstrumentId) -> String {
        let known = self.instrument(id).filter(|known| !known.symbol.is_empty());
        known.map_or_else(|| id.to_string(), |known| known.symbol.clone())
    }

    /// An instrument has this symbol from now on; says whether it had another.
    pub fn rename(&mut self, id: InstrumentId, symbol: &str) -> bool {
        let place = id.index().checked_sub(1).and_then(|at| self.instruments.get_mut(at));
        let Some(known) = place.filter(|known| known.symbol != symbol) else { return false };
        symbol.clone_into(&mut known.symbol);
        true
    }

    /// The number of a symbol.
    pub fn instrument_of(&self, symbol: &str) -> Option<InstrumentId> {
        let place = self.instruments.iter().position(|known| known.symbol == symbol)?;
        Some(InstrumentId(place as u32 + 1))
    }

    /// What an instrument is paid in.
    pub fn currency(&self, id: InstrumentId) -> Currency {
        self.instrument(id).map(|known| known.currency).unwrap_or_default()
    }

    /// The venue of an execution, as fees name it.
    pub fn venue_of(&self, event: &Event) -> &str {
        let away = event.flags.has(EventFlags::AWAY).then(|| self.instrument(event.instrument));
        match away.flatten() {
            Some(known) if !known.venue.is_empty() => &known.venue,
            _ => "here",
        }
    }

    /// What a venue takes for a trade of that date.
    pub fn fee(&self, venue: &str, trade_date: Date) -> Option<&Fee> {
        self.fees.iter().rev().find(|fee| fee.venue == venue && fee.from <= trade_date)
    }

    /// The home of an account.
    pub fn home_of(&self, account: AccountId) -> Option<&Homes> {
        self.accounts.iter().find(|homes| (homes.first..=homes.last).contains(&account.0))
    }

    /// Whether an account's books are kept here.
    pub fn keeps(&self, account: AccountId) -> bool {
        if self.region.is_empty() {
            return true;
        }
        self.home_of(account)
            .is_none_or(|homes| homes.region.is_empty() || homes.region == self.region)
    }
}

/// Trade and settlement dates, without asking the zone's rules for every trade.
#[derive(Clone, Debug, Default)]
pub struct Dates {
    /// Region, day's begin and end, its date, when it settles.
    known: Vec<(String, Nanos, Nanos, Date, Date)>,
}

impl Dates {
    /// Trade date and settlement date of a trade in an instrument at an instant.
    pub fn of(&mut self, rules: &Rules, id: InstrumentId, at: Nanos) -> (Date, Date) {
        // What is about no instrument, as cash, goes by the region whose books these are.
        let name = rules.instrument(id).map_or(rules.region.as_str(), |known| &known.region);
        let is_it =
            |day: &&(String, Nanos, Nanos, Date, Date)| day.0 == name && day.1 <= at && at < day.2;
        if let Some(day) = self.known.iter().find(is_it) {
            return (day.3, day.4);
        }
        let utc = Region {
            name: String::new(),
            currency: Currency::default(),
            zone: "UTC".into(),
            settlement: Vec::new(),
            holidays: Vec::new(),
        };
        let region = rules.regions.iter().find(|region| region.name == name).unwrap_or(&utc);
        let Some((date, begins, ends)) = region.day_of(at) else {
            return (Date::ZERO, Date::ZERO);
        };
        let settles = region.settlement_date(date);
        self.known.retain(|day| day.0 != name);
        self.known.push((name.to_owned(), begins, ends, date, settles));
        (date, settles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Price, Quantity};

    fn region() -> Region {
        Region {
            name: "US".into(),
            currency: Currency(*b"USD"),
            zone: "America/New_York".into(),
            settlement: vec![
                Settlement { from: Date::constant(2017, 9, 5), days: 2 },
                Settlement { from: Date::constant(2024, 5, 28), days: 1 },
            ],
            holidays: vec![Date::constant(2026, 11, 26), Date::constant(2026, 12, 25)],
        }
    }

    #[test]
    fn settlement_skips_what_does_not_settle_and_goes_by_the_date_of_the_trade() {
        let region = region();
        let settles = |y, m, d| region.settlement_date(Date::constant(y, m, d)).to_string();
        assert_eq!(settles(2026, 11, 23), "2026-11-24");
        assert_eq!(settles(2026, 11, 25), "2026-11-27", "over Thanksgiving");
        assert_eq!(settles(2026, 11, 27), "2026-11-30", "over the week's end");
        assert_eq!(settles(2026, 11, 28), "2026-11-30", "made on a Saturday");
        assert_eq!(settles(2024, 5, 24), "2024-05-28", "two days, a holiday not in the table");
        assert_eq!(settles(2024, 5, 28), "2024-05-29");
    }

    #[test]
    fn the_trade_date_ends_at_the_regions_midnight() {
        let rules = Rules {
            regions: vec![region()],
            instruments: vec![Traded { region: "US".into(), ..Traded::default() }],
            ..Rules::default()
        };
        let mut dates = Dates::default();
        let at = |text: &str| {
            let time: Timestamp = text.parse().expect("a time");
            Nanos(time.as_nanosecond() as u64)
        };
        let mut of = |text| dates.of(&rules, InstrumentId(1), at(text)).0.to_string();
        assert_eq!(of("2026-11-24T04:59:59Z"), "2026-11-23");
        assert_eq!(of("2026-11-24T05:00:00Z"), "2026-11-24");
        assert_eq!(of("2026-11-24T04:59:59Z"), "2026-11-23");
    }

    #[test]
    fn fees_are_exact_and_may_be_paid_to_the_client() {
        let fee = Fee {
            venue: "here".into(),
            from: Date::constant(2026, 1, 1),
            maker: -20,
            taker: 30,
            maker_bps: 0,
            taker_bps: 12_500,
        };
        let event = Event { price: Price(1_000_000), quantity: Quantity(100), ..Event::default() };
        assert_eq!(fee.of(&event, true).to_string(), "-0.20");
        // 0.30 for the shares, and 1.25 basis points of 10,000.
        assert_eq!(fee.of(&event, false).to_string(), "1.55");
    }
}
