//! What a configuration means: tables for the stages, or what does not fit together and the cure.

use std::ops::Range;

use crate::engine::risk::{
    AccountLimits, FirmLimits, HoursSet, MoreLimits, PhaseSet, RateClass, RiskOptions,
    SessionRights,
};
use crate::engine::{EngineLimits, SHARDS_MAX};
use crate::model::{
    AccountId, Command, CommandKind, Hours, Instrument, InstrumentId, LimitKind, Nanos, Notional,
    Phase, Price, Quantity, Scope, SessionId, Symbol,
};
use crate::slow::rules::Rules;
use crate::stage::{FixSpec, PricesOptions, SessionSpec};
use crate::topology::config::{AccountConfig, InstrumentConfig, RateConfig, SEVEN_YEARS};
use crate::topology::fix::{FixSessionConfig, spec_of};
use crate::topology::market_data::{prices_of, set_venues};
use crate::topology::regions;
use crate::topology::{Calendar, Config, ConfigError, Decimal, Destinations, RiskConfig, Sharding};

/// The most sessions an appliance has: their numbers fit the session token's first characters.
const SESSIONS_MAX: u32 = 4096;

/// The tables of a configuration, resolved and checked.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// What is traded; ids from 1, in the order of the file.
    pub instruments: Vec<Instrument>,
    /// By session id.
    pub sessions: Vec<Option<SessionSpec>>,
    /// FIX sessions, by session id; as many places as there are of the others.
    pub fix_sessions: Vec<Option<FixSpec>>,
    /// What the risk gate is told.
    pub risk: RiskOptions,
    /// When what may trade.
    pub calendars: Vec<Calendar>,
    /// Which shard has which instrument.
    pub sharding: Sharding,
    /// Where orders go that are not matched here.
    pub destinations: Destinations,
    /// What is told to those who hear exchanges.
    pub prices: PricesOptions,
    /// What the books go by.
    pub rules: Rules,
}

/// Where a mistake stands.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn error(&self, span: Range<usize>, message: impl AsRef<str>) -> ConfigError {
        ConfigError::at(self.file, self.text, span, message.as_ref())
    }
}

/// Checks what the types cannot and resolves the tables.
///
/// `file` and `text` are what errors point into.
///
/// # Errors
/// The first thing that does not fit together, with its place and the cure.
pub fn check(config: &Config, file: &str, text: &str) -> Result<Catalogue, ConfigError> {
    let source = Source { file, text };
    check_numbers(config, &source)?;
    config.console.check(&config.alarm)?;
    let instruments = instruments(config, &source)?;
    let accounts = accounts(config, &source)?;
    let (mut sessions, mut rights) = sessions(config, &source, accounts.len())?;
    let fix_sessions = fix_sessions(config, &source, accounts.len(), &mut rights)?;
    sessions.resize(rights.len(), None);
    let mut prices = prices_of(config, &instruments, file, text)?;
    let engine = &config.engine;
    let holdings_max = (accounts.len() * (instruments.len() + 1)).min(HOLDINGS_MAX);
    let risk = RiskOptions {
        instruments: instruments.clone(),
        accounts,
        sessions: rights,
        // An order lives in the gate a little longer than in the book, until its events are due.
        shards: 1,
        elsewhere: Vec::new(),
        routed: Vec::new(),
        homes: Vec::new(),
        rest: None,
        sends_accounts: false,
        instruments_of: session_lists(config, &source, &instruments)?,
        firms: firms(config, &source)?,
        settings: settings(config, &instruments, &prices),
        orders_max: engine.orders_max as usize + 2 * engine.feedback_window as usize,
        holdings_max,
        feedback_lag: Nanos(engine.feedback_lag_us as u64 * 1_000),
        feedback_window: engine.feedback_window,
    };
    let calendars = calendars(config, &source, &instruments)?;
    let sharding = Sharding::new(config, &instruments)
        .map_err(|(span, message)| source.error(span, message))?;
    let is_client = |id: u32| risk.sessions.get(id as usize).is_some_and(Option::is_some);
    let destinations = Destinations::new(config, &sharding, &instruments, is_client)
        .map_err(|(span, message)| source.error(span, message))?;
    let rules = regions::rules(config, &instruments, &destinations)
        .map_err(|(span, message)| source.error(span, message))?;
    let foreign = regions::foreign(config, &rules, &destinations)
        .map_err(|(span, message)| source.error(span, message))?;
    let mut destinations = destinations;
    set_venues(config, &mut prices, &mut destinations, file, text)?;
    let sent = foreign.iter().filter_map(|range| Some((range.first, range.last, range.to?)));
    destinations.away.accounts = sent.collect();
    let mut risk = risk;
    for range in foreign.iter().filter(|range| range.to.is_none()) {
        let places = risk.accounts.iter_mut().skip(range.first.index());
        let count = (range.last.0 - range.first.0) as usize + 1;
        places.take(count).flatten().for_each(|limits| limits.more.is_foreign = true);
    }
    risk.sends_accounts = !destinations.away.accounts.is_empty();
    // What rests elsewhere is a shard too.
    let shards = sharding.shards() + usize::from(!destinations.is_empty());
    if shards > SHARDS_MAX {
        let message = format!("with other appliances there are at most {} shards", SHARDS_MAX - 1);
        return Err(source.error(0..0, message));
    }
    let routed = destinations.instruments();
    let mut elsewhere = sharding.elsewhere();
    elsewhere.retain(|id| !routed.contains(id));
    let (homes, rest) = (sharding.dealt(), sharding.rest());
    let risk = RiskOptions { shards, elsewhere, routed, homes, rest, ..risk };
    Ok(Catalogue {
        instruments,
        sessions,
        fix_sessions,
        risk,
        calendars,
        sharding,
        destinations,
        prices,
        rules,
    })
}

/// Pairs of account and instrument the gate keeps room for: 32 bytes each and an index.
const HOLDINGS_MAX: usize = 1 << 20;

fn check_numbers(config: &Config, source: &Source<'_>) -> Result<(), ConfigError> {
    let bound = |name: &str, value: u64, low: u64, high: u64| {
        if (low..=high).contains(&value) {
            return Ok(());
        }
        let message = format!("`{name}` is {value}: it must be from {low} to {high}");
        Err(source.error(find_key(source.text, name), message))
    };
    let engine = &config.engine;
    bound("orders_max", engine.orders_max as u64, 16, 1 << 24)?;
    bound("fills_per_command_max", engine.fills_per_command_max as u64, 1, 4096)?;
    bound("ladder_ticks", engine.ladder_ticks as u64, 64, 1 << 20)?;
    bound("feedback_window", engine.feedback_window as u64, 1, 65_536)?;
    // Matching takes a command only with room for all its events: with less it waits for ever, and
    // without some more it waits for the slowest reader before every command.
    let fills_per_command_max = engine.fills_per_command_max;
    let limits = EngineLimits { fills_per_command_max, ..EngineLimits::DEFAULT };
    let events = limits.events_per_command_max() as u64;
    bound("link_depth", engine.link_depth as u64, events + events / 4, 1 << 22)?;
    bound("segment_kib", config.journal.segment_kib as u64, 64, 4 << 20)?;
    bound("anchor_interval_s", config.journal.anchor_interval_s.into(), 1, 86_400)?;
    bound("plain_segments", config.journal.plain_segments.into(), 1, 1 << 20)?;
    bound("keep_days", config.journal.keep_days.into(), 1, 36_525)?;
    let is_short = config.journal.keep_days < SEVEN_YEARS;
    if is_short && config.journal.keep_reason.trim().is_empty() {
        let message = "`keep_days` below 2557, which is seven years, needs a `keep_reason`: the \
                       rule that allows it";
        return Err(source.error(find_key(source.text, "keep_days"), message));
    }
    bound("sync_interval_ms", config.journal.sync_interval_ms as u64, 1, 60_000)?;
    bound("every_commands", config.snapshots.every_commands, 0, 1 << 40)?;
    bound("keep", config.snapshots.keep as u64, 1, 1000)?;
    bound("heartbeat_ms", config.entry.heartbeat_ms as u64, 1, 60_000)?;
    bound("heartbeat_ms", config.feed.heartbeat_ms as u64, 1, 60_000)?;
    bound("hold_us", config.entry.hold_us as u64, 0, 1_000_000)?;
    bound("reply_cache", config.entry.reply_cache as u64, 64, 1 << 24)?;
    bound("orders_per_session", config.fix.orders_per_session as u64, 16, 1 << 20)?;
    bound("rto_min_ms", config.fix.rto_min_ms as u64, 1, 1000)?;
    bound("buffer_kib", config.fix.buffer_kib as u64, 4, 1024)?;
    bound("utc_refuse_after_s", config.slow.utc_refuse_after_s as u64, 0, 86_400)?;
    if config.slow.utc_refuse_after_s > 0 && config.slow.utc_bound_us == 0 {
        let message = "`utc_refuse_after_s` says how long past a bound, and there is none: set \
                       `utc_bound_us` beside it";
        return Err(source.error(find_key(source.text, "utc_refuse_after_s"), message));
    }
    let standby = config.standby.check();
    standby.map_err(|message| source.error(find_key(source.text, "witness"), message))?;
    bound("grace_s", config.fix.grace_s as u64, 0, 86_400)?;
    bound("window", config.entry.window as u64, 1, 64)?;
    bound("in_flight_max", config.peers.in_flight_max as u64, 1024, 1 << 16)?;
    bound("executions_max", config.peers.executions_max as u64, 1024, 1 << 24)?;
    bound("rewind_messages", config.feed.rewind_messages as u64, 64, 1 << 26)?;
    let name = config.feed.session.as_bytes();
    if name.len() != 10 || !name.iter().all(u8::is_ascii_graphic) {
        let message = "`session` of the feed must be ten letters, digits or signs";
        return Err(source.error(find_key(source.text, "session"), message));
    }
    Ok(())
}

/// Where a key stands in a text; empty if it does not.
fn find_key(text: &str, key: &str) -> Range<usize> {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let name = line.split('=').next().unwrap_or("").trim();
        if name == key && line.contains('=') {
            let start = offset + line.find(key).unwrap_or(0);
            return start..start + key.len();
        }
        offset += line.len();
    }
    0..0
}

fn instruments(config: &Config, source: &Source<'_>) -> Result<Vec<Instrument>, ConfigError> {
    let mut instruments: Vec<Instrument> = Vec::new();
    let spare = config.risk.spare_instruments as usize;
    let places = config.instrument.len().saturating_add(spare);
    if config.instrument.is_empty() || places > u16::MAX as usize {
        let message = "an appliance has from 1 to 65535 [[instrument]] tables, with \
                       `[risk] spare_instruments`";
        return Err(source.error(0..0, message));
    }
    for (place, spanned) in config.instrument.iter().enumerate() {
        let instrument = instrument(place, spanned.get_ref())
            .map_err(|message| source.error(spanned.span(), message))?;
        if instruments.iter().any(|other| other.symbol == instrument.symbol) {
            let message =
                format!("instrument `{}` stands twice: keep one", instrument.symbol.name());
            return Err(source.error(spanned.span(), message));
        }
        instruments.push(instrument);
    }
    let spare = (instruments.len() as u32..places as u32).map(|at| InstrumentId(at + 1));
    instruments.extend(spare.map(Instrument::spare));
    Ok(instruments)
}

fn calendars(
    config: &Config,
    source: &Source<'_>,
    instruments: &[Instrument],
) -> Result<Vec<Calendar>, ConfigError> {
    let mut calendars: Vec<Calendar> = Vec::new();
    for spanned in &config.calendar {
        let wrong = |message: String| source.error(spanned.span(), message);
        let calendar = Calendar::new(spanned.get_ref(), instruments).map_err(wrong)?;
        for other in &calendars {
            if calendar.instruments.iter().any(|id| other.instruments.contains(id)) {
                let (one, two) = (&other.name, &calendar.name);
                let message = format!("calendars `{one}` and `{two}` share instruments: name them");
                return Err(wrong(message));
            }
        }
        calendars.push(calendar);
    }
    Ok(calendars)
}

fn instrument(place: usize, config: &InstrumentConfig) -> Result<Instrument, String> {
    let symbol = Symbol::new(&config.symbol).ok_or_else(|| {
        format!("`symbol` is `{}`: it must be 1 to 8 letters, digits or signs", config.symbol)
    })?;
    let (tick, reference) = (config.tick.price(), config.reference_price.price());
    if tick.0 <= 0 {
        return Err(format!("`tick` of `{}` must be above 0", config.symbol));
    }
    if reference.0 <= 0 || reference.0 % tick.0 != 0 || reference.0 > PRICE_MAX.0 {
        return Err(format!(
            "`reference_price` of `{}` must be above 0, a multiple of its tick and at most \
             {PRICE_MAX}",
            config.symbol
        ));
    }
    if config.lot == 0 {
        return Err(format!("`lot` of `{}` must be above 0", config.symbol));
    }
    let id = InstrumentId(place as u32 + 1);
    Ok(Instrument { id, symbol, tick, lot: Quantity(config.lot), reference_price: reference })
}

/// OUCH 5.0's highest price.
const PRICE_MAX: Price = Price(1_999_999_900);

fn accounts(
    config: &Config,
    source: &Source<'_>,
) -> Result<Vec<Option<AccountLimits>>, ConfigError> {
    let mut accounts: Vec<Option<AccountLimits>> = vec![None];
    for spanned in &config.account {
        let range = spanned.get_ref();
        let wrong = |message: String| source.error(spanned.span(), message);
        let last = range.first.saturating_add(range.count.saturating_sub(1));
        if range.first == 0 || range.count == 0 || last > AccountId::CODED_MAX.0 {
            let message = format!(
                "accounts {} to {last}: they go from 1 to {}",
                range.first,
                AccountId::CODED_MAX
            );
            return Err(wrong(message));
        }
        let risk = range.risk.as_ref().unwrap_or(&config.risk);
        let rate = match &risk.rate {
            Some(name) => rate(config, name, spanned.span(), source)?,
            None => RateClass::default(),
        };
        let limits = account_limits(range, risk, rate);
        if accounts.len() <= last as usize {
            accounts.resize(last as usize + 1, None);
        }
        for account in range.first..=last {
            if accounts[account as usize].replace(limits).is_some() {
                return Err(wrong(format!("account {account} stands in two ranges")));
            }
        }
    }
    let size = accounts.len() + config.risk.spare_accounts as usize;
    accounts.resize(size.min(AccountId::CODED_MAX.index() + 1), None);
    Ok(accounts)
}

fn account_limits(range: &AccountConfig, risk: &RiskConfig, rate: RateClass) -> AccountLimits {
    AccountLimits {
        buying_power: range.buying_power.money(),
        exposure_max: range.exposure_max.money(),
        order_quantity_max: Quantity(risk.order_quantity_max),
        order_notional_max: risk.order_notional_max.money(),
        // Four decimals of a percent; a hundredth of a percent is one step of the gate's.
        collar_bps: (risk.collar_percent.0 / 100).clamp(0, 1_000_000) as u32,
        open_orders_max: risk.open_orders_max,
        more: MoreLimits {
            credit: risk.credit.money(),
            net_max: risk.net_exposure_max.map_or(Notional::MAX, Decimal::money),
            position_max: risk.position_max.unwrap_or(u32::MAX),
            duplicate_window: Nanos(u64::from(risk.duplicate_window_ms) * 1_000_000),
            rate,
            executions_max: risk.executions_max.unwrap_or(u32::MAX),
            execution_window: Nanos(u64::from(risk.execution_window_ms) * 1_000_000),
            no_market_orders: !risk.market_orders,
            marked_shorts: risk.short_marking,
            soft_bps: (risk.soft_percent.0 / 100).clamp(0, 10_000) as u32,
            is_foreign: false,
        },
    }
}

type Sessions = (Vec<Option<SessionSpec>>, Vec<Option<SessionRights>>);

fn sessions(
    config: &Config,
    source: &Source<'_>,
    accounts: usize,
) -> Result<Sessions, ConfigError> {
    let highest = config.session.iter().map(|session| session.get_ref().id).max().unwrap_or(0);
    let size = highest.min(SESSIONS_MAX) as usize + 1;
    let (mut specs, mut rights) = (vec![None; size], vec![None; size]);
    for spanned in &config.session {
        let session = spanned.get_ref();
        let wrong = |message: String| source.error(spanned.span(), message);
        if session.id == 0 || session.id > SESSIONS_MAX {
            return Err(wrong(format!("session ids go from 1 to {SESSIONS_MAX}")));
        }
        if session.key.len() < 8 {
            return Err(wrong(format!("the key of session {} is under 8 letters", session.id)));
        }
        let range =
            account_range(session.id, session.first_account, session.last_account, accounts);
        let (first_account, last_account) = range.map_err(wrong)?;
        let rate = rate(config, &session.rate, spanned.span(), source)?;
        let place = session.id as usize;
        let hours = HoursSet::of(session.hours.iter().map(|hours| Hours::from(*hours)));
        let phases = session.phases.as_ref().map_or(PhaseSet::ALL, |phases| {
            PhaseSet::of(phases.iter().map(|phase| Phase::from(*phase)))
        });
        let has_list = session.instruments.is_some();
        let right = SessionRights { first_account, last_account, rate, hours, phases, has_list };
        rights[place] = Some(right);
        let spec = SessionSpec {
            id: SessionId(session.id),
            key: session.key.clone().into_bytes(),
            first_account,
            cancel_on_disconnect: session.cancel_on_disconnect,
            self_trade: session.self_trade.into(),
        };
        if specs[place].replace(spec).is_some() {
            return Err(wrong(format!("session {} stands twice: keep one", session.id)));
        }
    }
    Ok((specs, rights))
}

/// The instruments of sessions that may trade some alone.
fn session_lists(
    config: &Config,
    source: &Source<'_>,
    listed: &[Instrument],
) -> Result<Vec<(SessionId, Vec<InstrumentId>)>, ConfigError> {
    let mut lists = Vec::new();
    for spanned in &config.session {
        let session = spanned.get_ref();
        let Some(symbols) = &session.instruments else { continue };
        let mut ids = Vec::new();
        for symbol in symbols {
            let found = listed.iter().find(|listed| listed.symbol.name() == *symbol);
            let unknown = || format!("session {} names `{symbol}`: no [[instrument]]", session.id);
            ids.push(found.ok_or_else(|| source.error(spanned.span(), unknown()))?.id);
        }
        lists.push((SessionId(session.id), ids));
    }
    Ok(lists)
}

/// What is set for instruments before the first command.
fn settings(config: &Config, listed: &[Instrument], prices: &PricesOptions) -> Vec<Command> {
    let is_priced = |id| prices.inlets.iter().any(|inlet| inlet.instruments.contains(&id));
    let age_of = |instrument: &Instrument| match config.risk.reference_age_ms {
        0 if is_priced(instrument.id) => config.market_data.reference_age_ms,
        age => age,
    };
    let ages = listed.iter().filter(|instrument| age_of(instrument) > 0).map(|listed| Command {
        instrument: listed.id,
        side: Scope::Instrument.code(),
        order_type: LimitKind::ReferenceAge.code(),
        price: Price(age_of(listed).into()),
        ..Command::new(CommandKind::SetLimit)
    });
    ages.collect()
}

/// Firms; no account is two firms'.
fn firms(config: &Config, source: &Source<'_>) -> Result<Vec<FirmLimits>, ConfigError> {
    let mut firms: Vec<FirmLimits> = Vec::new();
    for spanned in &config.firm {
        let firm = spanned.get_ref();
        let (first, last) = (AccountId(firm.first_account), AccountId(firm.last_account));
        if first.0 == 0 || first > last {
            let message = format!("firm `{}` has accounts {first} to {last}", firm.name);
            return Err(source.error(spanned.span(), message));
        }
        if firms.iter().any(|other| first <= other.last && other.first <= last) {
            let message = format!("firm `{}` shares accounts with another", firm.name);
            return Err(source.error(spanned.span(), message));
        }
        let money = |limit: Option<Decimal>| limit.map_or(Notional::MAX, Decimal::money);
        firms.push(FirmLimits {
            first,
            last,
            buying_power: money(firm.buying_power),
            exposure_max: money(firm.exposure_max),
            net_max: money(firm.net_exposure_max),
            position_max: firm.position_max.unwrap_or(u32::MAX),
            soft_bps: (firm.soft_percent.0 / 100).clamp(0, 10_000) as u32,
        });
    }
    Ok(firms)
}

/// The accounts a session trades for.
fn account_range(
    session: u32,
    first: u32,
    last: u32,
    accounts: usize,
) -> Result<(AccountId, AccountId), String> {
    if first == 0 || first > last || last as usize >= accounts {
        return Err(format!(
            "session {session} trades for accounts {first} to {last}, but accounts go from 1 to {}",
            accounts - 1
        ));
    }
    Ok((AccountId(first), AccountId(last)))
}

/// FIX sessions share their numbers, accounts and rates with the others.
fn fix_sessions(
    config: &Config,
    source: &Source<'_>,
    accounts: usize,
    rights: &mut Vec<Option<SessionRights>>,
) -> Result<Vec<Option<FixSpec>>, ConfigError> {
    let mut specs: Vec<Option<FixSpec>> = Vec::new();
    for spanned in &config.fix.session {
        let keys = spanned.get_ref();
        let wrong = |message: String| source.error(spanned.span(), message);
        if keys.id == 0 || keys.id > SESSIONS_MAX {
            return Err(wrong(format!("session ids go from 1 to {SESSIONS_MAX}")));
        }
        let place = keys.id as usize;
        if rights.len() <= place {
            rights.resize(place + 1, None);
        }
        let (first, last) = accounts_of(keys, config).map_err(wrong)?;
        let range = account_range(keys.id, first, last, accounts);
        let (first_account, last_account) = range.map_err(wrong)?;
        let rate = rate(config, &keys.rate, spanned.span(), source)?;
        let hours = HoursSet::ALL;
        let right = SessionRights {
            first_account,
            last_account,
            rate,
            hours,
            phases: PhaseSet::ALL,
            has_list: false,
        };
        if rights[place].replace(right).is_some() {
            return Err(wrong(format!("session {} stands twice: keep one", keys.id)));
        }
        let spec = spec_of(keys, first..=last, config).map_err(wrong)?;
        let identity = &spec.config.identity;
        if specs.iter().flatten().any(|other| other.config.identity == *identity) {
            return Err(wrong(format!(
                "two FIX sessions are {} between {} and {}: a line could not tell which it is for",
                identity.version.name(),
                identity.sender,
                identity.target
            )));
        }
        if specs.len() <= place {
            specs.resize(place + 1, None);
        }
        specs[place] = Some(spec);
    }
    specs.resize(rights.len(), None);
    Ok(specs)
}

/// The first and last account of a FIX session: those it names, or its firm's.
fn accounts_of(keys: &FixSessionConfig, config: &Config) -> Result<(u32, u32), String> {
    let Some(name) = &keys.firm else { return Ok((keys.first_account, keys.last_account)) };
    if (keys.first_account, keys.last_account) != (0, 0) {
        return Err(format!(
            "session {} has accounts and firm `{name}`: keep one of the two",
            keys.id
        ));
    }
    let mut firms = config.firm.iter().map(|firm| firm.get_ref());
    let firm = firms.find(|firm| firm.name == *name);
    let firm =
        firm.ok_or_else(|| format!("there is no [[firm]] `{name}`: name one, or accounts"))?;
    Ok((firm.first_account, firm.last_account))
}

/// The rate class a session names, in the file or among the defaults.
fn rate(
    config: &Config,
    name: &str,
    span: Range<usize>,
    source: &Source<'_>,
) -> Result<RateClass, ConfigError> {
    let defaults = Config::default().rate;
    let Some(class) = config.rate.get(name).or_else(|| defaults.get(name)) else {
        let known: Vec<&str> = config.rate.keys().chain(defaults.keys()).map(|k| &**k).collect();
        let message = format!("there is no [rate.{name}]; there are {}", known.join(", "));
        return Err(source.error(span, message));
    };
    Ok(rate_class(class))
}

fn rate_class(config: &RateConfig) -> RateClass {
    RateClass {
        per_second: config.per_second,
        burst: config.burst,
        ban_above: config.ban_above,
        ban: Nanos(config.ban_s as u64 * 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::engine_limits;

    /// A depth of 768 was taken with commands of 962 events: matching would have waited for ever.
    #[test]
    fn no_depth_is_taken_that_a_command_could_not_fill() {
        for fills in [1, 16, 256, 4096] {
            let mut config = Config::default();
            config.engine.fills_per_command_max = fills;
            for depth in [64, 512, 768, 962, 1_200, 2_048, 16_384] {
                config.engine.link_depth = depth;
                if let Ok(catalogue) = check(&config, "defaults", "") {
                    let events = engine_limits(&config, &catalogue).events_per_command_max();
                    assert!(depth as usize >= events, "{fills} fills: {events} events in {depth}");
                }
            }
        }
        assert!(check(&Config::default(), "defaults", "").is_ok());
    }
}
