//! Regions, fees and homes of accounts as the configuration writes them, and the books' rules that
//! follow. An account at home elsewhere is not refused for being unknown: it has a home, and the
//! configuration says whether its orders are sent there.
#![allow(missing_docs, reason = "a key is described in config/appliance.toml or regions.toml")]

use std::ops::Range;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::model::{AccountId, Instrument, SessionId};
use crate::slow::rules::{Currency, Fee, Homes, Region, Rules, Settlement, Traded};
use crate::topology::{Config, Decimal, Destinations};

/// The regions that are known without a table of one's own.
const KNOWN: &str = include_str!("../../config/regions.toml");

/// A region's rules.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegionConfig {
    pub name: String,
    #[schemars(with = "String")]
    pub currency: Currency,
    pub zone: String,
    #[schemars(with = "Vec<SettlementKeys>")]
    pub settlement: Vec<Settlement>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub holidays: Vec<Date>,
    #[serde(default = "seven")]
    pub trade_years: u8,
    #[serde(default = "seven")]
    pub order_years: u8,
    #[serde(default = "seven")]
    pub personal_years: u8,
    /// The other appliance that has its accounts; absent: their orders are refused here.
    pub appliance: Option<String>,
}

/// How a row of `settlement` is written.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "a schema is made of it, never a value")]
struct SettlementKeys {
    /// The first trade date it counts for.
    from: String,
    /// Business days after the trade date.
    days: u8,
}

fn seven() -> u8 {
    7
}

/// What a venue takes for trades, from a date on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FeeConfig {
    pub venue: String,
    #[schemars(with = "String")]
    pub from: Date,
    pub maker: Decimal,
    pub taker: Decimal,
    pub maker_bps: Decimal,
    pub taker_bps: Decimal,
}

impl Default for FeeConfig {
    fn default() -> Self {
        let none = Decimal(0);
        Self {
            venue: "here".into(),
            from: Date::constant(2000, 1, 1),
            maker: none,
            taker: none,
            maker_bps: none,
            taker_bps: none,
        }
    }
}

#[derive(Deserialize)]
struct Known {
    region: Vec<RegionConfig>,
}

/// All regions: those known, with the configuration's own in their places.
pub fn regions(config: &Config) -> Vec<RegionConfig> {
    let mut all = toml::from_str::<Known>(KNOWN).map(|known| known.region).unwrap_or_default();
    for own in config.region.iter().map(Spanned::get_ref) {
        match all.iter_mut().find(|region| region.name == own.name) {
            Some(place) => *place = own.clone(),
            None => all.push(own.clone()),
        }
    }
    all
}

/// Accounts whose home is another region: where their orders go, if anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The first account.
    pub first: AccountId,
    /// The last.
    pub last: AccountId,
    /// Our session at the appliance of their home; none: they are refused.
    pub to: Option<SessionId>,
}

/// A mistake and its place.
type Wrong = (Range<usize>, String);

/// The rules of the books.
///
/// # Errors
/// What does not fit together, with its place and the cure.
pub(super) fn rules(
    config: &Config,
    instruments: &[Instrument],
    destinations: &Destinations,
) -> Result<Rules, Wrong> {
    let all = regions(config);
    let known = |name: &str, span: Range<usize>| match all.iter().find(|r| r.name == name) {
        Some(region) => Ok(region),
        None => {
            let names: Vec<_> = all.iter().map(|region| region.name.as_str()).collect();
            let names = names.join(", ");
            Err((span, format!("`{name}` is no region: there are {names}, and [[region]]")))
        }
    };
    if let Some(scaled) = &config.slow.scaled {
        scaled.check().map_err(|message| (0..0, message))?;
    }
    if !config.slow.region.is_empty() {
        known(&config.slow.region, 0..0)?;
    }
    let mut traded = Vec::new();
    for (spanned, listed) in config.instrument.iter().zip(instruments) {
        let keys = spanned.get_ref();
        let name = keys.region.as_ref().unwrap_or(&config.slow.region);
        let region = (!name.is_empty()).then(|| known(name, spanned.span())).transpose()?;
        let currency = keys.currency.or(region.map(|region| region.currency));
        traded.push(Traded {
            symbol: listed.symbol.name(),
            currency: currency.unwrap_or_default(),
            region: name.clone(),
            venue: destinations.name_of(listed.id).unwrap_or_default(),
        });
    }
    let mut accounts = Vec::new();
    for spanned in &config.account {
        let range = spanned.get_ref();
        let region = range.region.clone().unwrap_or_default();
        if !region.is_empty() {
            known(&region, spanned.span())?;
        }
        accounts.push(Homes {
            first: range.first,
            last: range.first.saturating_add(range.count.saturating_sub(1)),
            region,
            buying_power: range.buying_power.0,
        });
    }
    for spanned in &config.region {
        check_region(spanned.get_ref()).map_err(|message| (spanned.span(), message))?;
    }
    Ok(Rules {
        region: config.slow.region.clone(),
        instruments: traded,
        regions: all.iter().map(region_of).collect(),
        fees: fees(config),
        accounts,
    })
}

fn region_of(keys: &RegionConfig) -> Region {
    let mut settlement = keys.settlement.clone();
    settlement.sort_by_key(|row| row.from);
    Region {
        name: keys.name.clone(),
        currency: keys.currency,
        zone: keys.zone.clone(),
        settlement,
        holidays: keys.holidays.clone(),
    }
}

fn check_region(keys: &RegionConfig) -> Result<(), String> {
    let name = &keys.name;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(format!("region `{name}`: its name is of letters and digits"));
    }
    if jiff::tz::TimeZone::get(&keys.zone).is_err() {
        return Err(format!("region `{name}`: `{}` is no zone, as America/New_York", keys.zone));
    }
    if keys.settlement.is_empty() {
        return Err(format!("region `{name}`: say after how many days trades settle"));
    }
    Ok(())
}

fn fees(config: &Config) -> Vec<Fee> {
    let fee = |keys: &Spanned<FeeConfig>| {
        let FeeConfig { venue, from, maker, taker, maker_bps, taker_bps } = keys.get_ref();
        Fee {
            venue: venue.clone(),
            from: *from,
            maker: maker.0,
            taker: taker.0,
            maker_bps: maker_bps.0,
            taker_bps: taker_bps.0,
        }
    };
    let mut fees: Vec<Fee> = config.fee.iter().map(fee).collect();
    fees.sort_by_key(|fee| fee.from);
    fees
}

/// Accounts at home elsewhere.
///
/// # Errors
/// A region whose appliance is not among the peers.
pub(super) fn foreign(
    config: &Config,
    rules: &Rules,
    destinations: &Destinations,
) -> Result<Vec<Foreign>, Wrong> {
    let all = regions(config);
    let mut foreign = Vec::new();
    for (homes, spanned) in rules.accounts.iter().zip(&config.account) {
        let is_home = homes.region.is_empty() || homes.region == rules.region;
        if rules.region.is_empty() || is_home {
            continue;
        }
        let region = all.iter().find(|region| region.name == homes.region);
        let to = match region.and_then(|region| region.appliance.as_ref()) {
            None => None,
            Some(name) => Some(destinations.session_of(name).ok_or_else(|| {
                let message = format!(
                    "accounts of region {} go to the appliance `{name}`: add a \
                     [[peers.appliance]] of that name",
                    homes.region
                );
                (spanned.span(), message)
            })?),
        };
        foreign.push(Foreign { first: AccountId(homes.first), last: AccountId(homes.last), to });
    }
    Ok(foreign)
}
