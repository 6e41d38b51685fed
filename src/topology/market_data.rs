//! Market data of a configuration: exchanges' feeds in, and who is served besides the groups.
#![allow(missing_docs, reason = "a key is described in config/appliance.toml, beside its default")]

use std::net::SocketAddrV4;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::feed::{ArbiterOptions, WatchOptions};
use crate::journal::LogKind;
use crate::model::{Instrument, InstrumentId, Nanos, SessionId, Symbol};
use crate::outlet::OutletOptions;
use crate::port::Port;
use crate::runtime::SystemClock;
use crate::stage::{InletSpec, Midnights, PricesOptions};
use crate::topology::ports::open_port_hearing;
use crate::topology::state::feed_options;
use crate::topology::{
    Catalogue, Config, ConfigError, Destinations, DeviceName, DeviceRequest, journal_folder,
};

/// Market data besides the multicast feed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MarketDataConfig {
    /// Where WebSocket clients come in; absent: they do not.
    pub websocket: Option<SocketAddrV4>,
    /// Where snapshots are given, over SoupBinTCP; absent: they are not.
    pub snapshots: Option<SocketAddrV4>,
    /// Where the day is given again, over SoupBinTCP; absent: it is not.
    pub rewinder: Option<SocketAddrV4>,
    /// A Redis where the top of each book is kept for a second; absent: in the process alone.
    pub redis: Option<SocketAddrV4>,
    pub reference_ms: u32,
    pub reference_age_ms: u32,
    pub resume_ms: u32,
    pub grace_ms: u32,
    pub requests_per_second: u32,
    #[schemars(with = "Vec<InletConfig>")]
    pub feed: Vec<Spanned<InletConfig>>,
}

impl Default for MarketDataConfig {
    fn default() -> Self {
        Self {
            websocket: None,
            snapshots: None,
            rewinder: None,
            redis: None,
            reference_ms: 100,
            reference_age_ms: 5_000,
            resume_ms: 1_000,
            grace_ms: 10_000,
            requests_per_second: 10_000,
            feed: Vec::new(),
        }
    }
}

/// An exchange's feed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InletConfig {
    pub name: String,
    #[serde(default = "socket")]
    pub device: DeviceName,
    /// The B line's device; absent: as A's.
    pub device_b: Option<DeviceName>,
    /// Where the lines are heard.
    pub a: SocketAddrV4,
    pub b: Option<SocketAddrV4>,
    /// Our address on each line's network.
    pub own: Option<SocketAddrV4>,
    pub own_b: Option<SocketAddrV4>,
    pub requests: Option<SocketAddrV4>,
    pub snapshots: Option<SocketAddrV4>,
    #[serde(default)]
    pub username: String,
    #[serde(default)]
    pub password: String,
    /// Symbols it prices; none: all.
    #[serde(default)]
    pub instruments: Vec<String>,
    /// The `[[venue]]` whose prices it brings; none: orders are not sent there.
    pub venue: Option<String>,
    #[serde(default = "yes")]
    pub halts: bool,
    #[serde(default = "three_seconds")]
    pub stale_ms: u32,
    #[serde(default = "half_a_millisecond")]
    pub hold_us: u32,
    #[serde(default = "many")]
    pub orders_max: u32,
    #[serde(default = "levels")]
    pub levels_max: u32,
    #[serde(default = "utc")]
    pub zone: String,
    /// How far its clock and ours may be apart, in milliseconds; what it says ahead of ours, or so
    /// long before it came, prices nothing. 0: as they like.
    #[serde(default = "five_seconds")]
    pub clock_ms: u32,
}

fn socket() -> DeviceName {
    DeviceName::Socket
}

fn yes() -> bool {
    true
}

fn three_seconds() -> u32 {
    3_000
}

fn five_seconds() -> u32 {
    5_000
}

fn half_a_millisecond() -> u32 {
    500
}

fn many() -> u32 {
    1 << 20
}

fn levels() -> u32 {
    512
}

fn utc() -> String {
    "UTC".into()
}

impl InletConfig {
    /// What the keys mean.
    fn spec(&self, listed: &[Instrument]) -> Result<InletSpec, String> {
        let instruments = self.instruments.iter().map(|symbol| {
            let known = Symbol::new(symbol)
                .and_then(|symbol| listed.iter().find(|instrument| instrument.symbol == symbol));
            known.map(|instrument| instrument.id).ok_or_else(|| {
                format!("feed `{}` prices `{symbol}`, which no [[instrument]] is", self.name)
            })
        });
        let mut instruments: Vec<InstrumentId> = instruments.collect::<Result<_, _>>()?;
        if instruments.is_empty() {
            instruments = listed.iter().map(|instrument| instrument.id).collect();
        }
        if !(10..=600_000).contains(&self.stale_ms) {
            return Err(format!("`stale_ms` is {}: it goes from 10 to 600000", self.stale_ms));
        }
        if self.clock_ms != 0 && !(10..=3_600_000).contains(&self.clock_ms) {
            return Err(format!("`clock_ms` is {}: 0, or from 10 to 3600000", self.clock_ms));
        }
        let bounds = (16..=1 << 24).contains(&self.orders_max);
        if !bounds || !(8..=1 << 16).contains(&self.levels_max) {
            return Err(
                "`orders_max` goes from 16 to 16777216, `levels_max` from 8 to 65536".into()
            );
        }
        let arbiter = ArbiterOptions {
            hold: Nanos(u64::from(self.hold_us) * 1_000),
            silence: Nanos(u64::from(self.stale_ms) * 1_000_000),
            ..ArbiterOptions::default()
        };
        let user = |address| (address, self.username.clone(), self.password.clone());
        Ok(InletSpec {
            name: self.name.clone(),
            lines: std::iter::once(self.a).chain(self.b).collect(),
            own: std::iter::once(own(self.own, self.a)?)
                .chain(self.b.map(|b| own(self.own_b.or(self.own), b)).transpose()?)
                .collect(),
            requests: self.requests,
            snapshots: self.snapshots.map(user),
            instruments,
            halts: self.halts,
            session: SessionId(0),
            arbiter,
            orders_max: self.orders_max as usize,
            levels_max: self.levels_max as usize,
            midnights: midnights(&self.zone)?,
            clock: Nanos(u64::from(self.clock_ms) * 1_000_000),
        })
    }
}

/// Our address on a line's network: a line that is no group is heard at an address of ours.
fn own(own: Option<SocketAddrV4>, line: SocketAddrV4) -> Result<SocketAddrV4, String> {
    match own {
        Some(own) if line.ip().is_multicast() => Ok(own),
        _ if !line.ip().is_multicast() => Ok(line),
        _ => Err(format!("line {line} is a group: say in `own` which address of ours hears it")),
    }
}

/// How far a zone's time of day is ahead of UTC's, now and after each change to come.
fn midnights(zone: &str) -> Result<Midnights, String> {
    let zone = jiff::tz::TimeZone::get(zone).map_err(|error| error.to_string())?;
    let ahead = |offset: jiff::tz::Offset| {
        (86_400 + i64::from(offset.seconds())).rem_euclid(86_400) as u64 * 1_000_000_000
    };
    let now = jiff::Timestamp::now();
    let following = zone.following(now).map(|change| {
        let from = u64::try_from(change.timestamp().as_nanosecond()).unwrap_or(u64::MAX);
        (Nanos(from), ahead(change.offset()))
    });
    Ok(Midnights::new(ahead(zone.to_offset(now)), following))
}

/// Checks the feeds of a configuration, and says what their stage is told.
pub(super) fn prices_of(
    config: &Config,
    instruments: &[Instrument],
    file: &str,
    text: &str,
) -> Result<PricesOptions, ConfigError> {
    let keys = &config.market_data;
    let mut inlets: Vec<InletSpec> = Vec::new();
    for feed in &keys.feed {
        let spec = feed.get_ref().spec(instruments);
        let spec = spec.and_then(|spec| match inlets.iter().any(|of| of.name == spec.name) {
            true => Err(format!("two feeds are called `{}`: name them apart", spec.name)),
            false => Ok(spec),
        });
        inlets.push(spec.map_err(|why| ConfigError::at(file, text, feed.span(), &why))?);
    }
    let milliseconds = |ms: u32| Nanos(u64::from(ms) * 1_000_000);
    let watch = WatchOptions {
        every: milliseconds(keys.reference_ms),
        resume_after: milliseconds(keys.resume_ms),
        grace: milliseconds(keys.grace_ms),
        pace: keys.requests_per_second.max(1),
        ..WatchOptions::default()
    };
    Ok(PricesOptions { instruments: instruments.to_vec(), inlets, watch })
}

/// Resolves which exchange's prices a feed brings, so that orders go where the better ones are.
///
/// # Errors
/// A feed of a venue that there is none of, or two feeds of one.
pub(super) fn set_venues(
    config: &Config,
    prices: &mut PricesOptions,
    destinations: &mut Destinations,
    file: &str,
    text: &str,
) -> Result<(), ConfigError> {
    let named = destinations.named();
    for (at, feed) in config.market_data.feed.iter().enumerate() {
        let Some(name) = &feed.get_ref().venue else { continue };
        let wrong = |why: &str| {
            let feed = &feed.get_ref().name;
            format!("feed `{feed}` is of venue `{name}`, {why}")
        };
        let error = |why: &str| ConfigError::at(file, text, feed.span(), &wrong(why));
        let session = named.iter().find(|(known, _)| known == name).map(|(_, session)| *session);
        let session = session.ok_or_else(|| error("which no [[venue]] is called"))?;
        if prices.inlets.iter().any(|inlet| inlet.session == session) {
            return Err(error("as another feed is: keep one"));
        }
        if let Some(inlet) = prices.inlets.get_mut(at) {
            inlet.session = session;
        }
        let lasts = Nanos(u64::from(config.market_data.reference_age_ms) * 1_000_000);
        destinations.prices_last = destinations.has_choice().then_some(lasts);
    }
    Ok(())
}

/// Who is served besides the groups.
pub fn outlet_options(config: &Config, catalogue: &Catalogue) -> OutletOptions {
    let keys = &config.market_data;
    OutletOptions {
        events: LogKind::Events.folder(&journal_folder(&config.data)),
        feed: feed_options(config, catalogue),
        instruments: catalogue.instruments.clone(),
        websocket: keys.websocket,
        snapshots: keys.snapshots,
        rewinder: keys.rewinder,
        redis: keys.redis,
    }
}

/// Devices that exchanges' feeds come by.
pub fn price_devices(config: &Config) -> Vec<&DeviceName> {
    let feeds = config.market_data.feed.iter().map(Spanned::get_ref);
    feeds.flat_map(|feed| [Some(&feed.device), feed.device_b.as_ref()]).flatten().collect()
}

/// Opens the lines' ports, by feed.
///
/// # Errors
/// Which one cannot be had, and why.
pub fn price_ports(
    config: &Config,
    catalogue: &Catalogue,
    clock: &SystemClock,
) -> Result<Vec<Vec<Box<dyn Port>>>, String> {
    let mut all = Vec::new();
    for (feed, spec) in config.market_data.feed.iter().zip(&catalogue.prices.inlets) {
        let feed = feed.get_ref();
        let mut ports = Vec::new();
        for (at, (line, own)) in spec.lines.iter().zip(&spec.own).enumerate() {
            let device = feed.device_b.as_ref().filter(|_| at > 0).unwrap_or(&feed.device);
            let request = DeviceRequest {
                device: device.clone(),
                address: *own,
                kernel_address: None,
                record: None,
            };
            let groups: Vec<_> = line.ip().is_multicast().then_some(*line).into_iter().collect();
            let own_port = if at > 0 && spec.own[0] == *own { None } else { Some(own.port()) };
            let port = open_port_hearing(&request, own_port, &groups, clock);
            ports.push(port.map_err(|why| format!("feed {}: {why}", feed.name))?);
        }
        all.push(ports);
    }
    Ok(all)
}
