//! `appliance.toml` as types. Every key has its default here and its sentence in
//! `config/appliance.toml`; a test holds the two equal. Unknown keys are refused.
#![allow(missing_docs, reason = "a key is described in config/appliance.toml, beside its default")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::model::{Hours, SelfTrade};
use crate::runtime::Idle;
use crate::slow::rules::Currency;
use crate::topology::{
    AdminConfig, AlarmConfig, CalendarConfig, ClearingConfig, ConsoleConfig, Decimal, DeviceName,
    FeeConfig, FirmConfig, FixConfig, MarketDataConfig, PeersConfig, PhaseConfig, RegionConfig,
    RiskConfig, ScaledConfig, SnapshotsConfig, StageName, StandbyConfig, Subnet, VenueConfig,
};

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "snake_case")]
pub struct Config {
    /// Directory of journal and positions.
    pub data: PathBuf,
    /// What a reply waits for; absent: `replicated` with a standby, `journaled` without.
    pub release: Option<ReleaseGate>,
    /// The other machine of two, and the witness.
    pub standby: StandbyConfig,
    /// Binary order entry.
    pub entry: EntryConfig,
    /// FIX order entry.
    pub fix: FixConfig,
    /// Other appliances, and how we speak with them.
    pub peers: PeersConfig,
    /// Exchanges that orders are routed to.
    #[schemars(with = "Vec<VenueConfig>")]
    pub venue: Vec<Spanned<VenueConfig>>,
    /// Market data out.
    pub feed: FeedConfig,
    /// Market data in, and out to those who hear no group.
    pub market_data: MarketDataConfig,
    /// The two logs.
    pub journal: JournalConfig,
    /// State kept so that a start need not fold all of history.
    pub snapshots: SnapshotsConfig,
    /// Sizes and meaning of the deterministic core.
    pub engine: EngineConfig,
    /// Limits an account has unless its own say otherwise.
    pub risk: RiskConfig,
    /// Classes of message rate, by name.
    pub rate: BTreeMap<String, RateConfig>,
    /// What is traded.
    #[schemars(with = "Vec<InstrumentConfig>")]
    pub instrument: Vec<Spanned<InstrumentConfig>>,
    /// Ranges of accounts.
    #[schemars(with = "Vec<AccountConfig>")]
    pub account: Vec<Spanned<AccountConfig>>,
    /// Clients' sessions.
    #[schemars(with = "Vec<SessionConfig>")]
    pub session: Vec<Spanned<SessionConfig>>,
    /// When what may trade; without one everything trades for ever.
    #[schemars(with = "Vec<CalendarConfig>")]
    pub calendar: Vec<Spanned<CalendarConfig>>,
    /// The name of this appliance, where the table of shards names several.
    pub appliance: String,
    /// Instruments dealt to shards; without it there is one shard, for all.
    #[schemars(with = "Vec<ShardConfig>")]
    pub shard: Vec<Spanned<ShardConfig>>,
    /// Stages dealt onto cores.
    #[schemars(with = "Vec<CoreConfig>")]
    pub core: Vec<Spanned<CoreConfig>>,
    /// The slow thread.
    pub slow: SlowConfig,
    /// The operator's way in.
    pub admin: AdminConfig,
    /// The web console.
    pub console: ConsoleConfig,
    /// Whom to tell when a part is down.
    pub alarm: AlarmConfig,
    /// Accounts that are one firm's.
    #[schemars(with = "Vec<FirmConfig>")]
    pub firm: Vec<Spanned<FirmConfig>>,
    /// Regions, beside those of `config/regions.toml` or in their places.
    #[schemars(with = "Vec<RegionConfig>")]
    pub region: Vec<Spanned<RegionConfig>>,
    /// What venues take for trades.
    #[schemars(with = "Vec<FeeConfig>")]
    pub fee: Vec<Spanned<FeeConfig>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("run"),
            release: None,
            standby: StandbyConfig::default(),
            entry: EntryConfig::default(),
            fix: FixConfig::default(),
            peers: PeersConfig::default(),
            venue: Vec::new(),
            feed: FeedConfig::default(),
            market_data: MarketDataConfig::default(),
            journal: JournalConfig::default(),
            snapshots: SnapshotsConfig::default(),
            engine: EngineConfig::default(),
            risk: RiskConfig::default(),
            rate: default_rates(),
            instrument: unspanned(default_instruments()),
            account: unspanned(vec![AccountConfig::default()]),
            session: unspanned(default_sessions()),
            calendar: Vec::new(),
            appliance: "here".into(),
            shard: Vec::new(),
            core: unspanned(vec![CoreConfig::default()]),
            slow: SlowConfig::default(),
            admin: AdminConfig::default(),
            console: ConsoleConfig::default(),
            alarm: AlarmConfig::default(),
            firm: Vec::new(),
            region: Vec::new(),
            fee: Vec::new(),
        }
    }
}

/// Puts values that stand in no file where spanned ones are expected.
fn unspanned<T>(values: Vec<T>) -> Vec<Spanned<T>> {
    values.into_iter().map(|value| Spanned::new(0..0, value)).collect()
}

/// What everything that leaves the appliance waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseGate {
    /// Nothing: an order may be answered and then lost with the process.
    Sequenced,
    /// The command's record is in the page cache: survives the process, not the machine.
    Journaled,
    /// It is on the disk: survives the machine, as long as its disk does.
    Synced,
    /// The standby has it in memory too: survives either machine.
    Replicated,
    /// It is on the disks of both: survives the loss of power to both.
    #[serde(rename = "synced+replicated")]
    SyncedReplicated,
}

impl ReleaseGate {
    /// As the configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sequenced => "sequenced",
            Self::Journaled => "journaled",
            Self::Synced => "synced",
            Self::Replicated => "replicated",
            Self::SyncedReplicated => "synced+replicated",
        }
    }

    /// Whether a standby has a part in it.
    pub const fn needs_standby(self) -> bool {
        matches!(self, Self::Replicated | Self::SyncedReplicated)
    }
}

impl Config {
    /// What a reply waits for.
    pub fn gate(&self) -> ReleaseGate {
        let default = match self.standby.is_used() {
            true => ReleaseGate::Replicated,
            false => ReleaseGate::Journaled,
        };
        self.release.unwrap_or(default)
    }
}

/// Binary order entry: OUCH 5.0 over the sequenced UDP session.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EntryConfig {
    pub device: DeviceName,
    pub address: SocketAddrV4,
    pub kernel_address: Option<Subnet>,
    pub heartbeat_ms: u16,
    pub hold_us: u32,
    pub reply_cache: u32,
    pub window: u16,
    /// Keeps a capture of what passed.
    pub record: Option<PathBuf>,
}

impl Default for EntryConfig {
    fn default() -> Self {
        Self {
            device: DeviceName::Socket,
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9100),
            kernel_address: None,
            heartbeat_ms: 100,
            hold_us: 500,
            reply_cache: 4096,
            window: 64,
            record: None,
        }
    }
}

/// Market data out: ITCH 5.0 over MoldUDP64.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FeedConfig {
    pub device: DeviceName,
    pub address: SocketAddrV4,
    pub kernel_address: Option<Subnet>,
    pub group: SocketAddrV4,
    /// The B line: the same packets once more.
    pub group_b: Option<SocketAddrV4>,
    /// Packets of new messages a second, at most; 0: no limit.
    pub packets_per_second: u32,
    pub session: String,
    pub heartbeat_ms: u16,
    pub rewind_messages: u32,
    /// Keeps a capture of what passed.
    pub record: Option<PathBuf>,
}

impl Default for FeedConfig {
    fn default() -> Self {
        Self {
            device: DeviceName::Socket,
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9200),
            kernel_address: None,
            group: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9201),
            group_b: None,
            packets_per_second: 0,
            session: "WIREMATCH1".into(),
            heartbeat_ms: 10,
            rewind_messages: 1 << 18,
            record: None,
        }
    }
}

/// Days that logs are kept where nobody says otherwise.
pub(super) const SEVEN_YEARS: u32 = 2557;

/// The two logs.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JournalConfig {
    pub segment_kib: u32,
    pub sync_interval_ms: u32,
    pub anchor_interval_s: u32,
    pub anchors: Option<PathBuf>,
    pub plain_segments: u32,
    pub packed: Option<PathBuf>,
    pub keep_days: u32,
    pub keep_reason: String,
    pub prune: bool,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            segment_kib: 64 << 10,
            sync_interval_ms: 5,
            anchor_interval_s: 60,
            anchors: None,
            plain_segments: 16,
            packed: None,
            keep_days: SEVEN_YEARS,
            keep_reason: String::new(),
            prune: false,
        }
    }
}

/// Sizes and meaning of the deterministic core.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    pub orders_max: u32,
    pub fills_per_command_max: u16,
    pub ladder_ticks: u32,
    pub feedback_lag_us: u32,
    pub feedback_window: u32,
    pub link_depth: u32,
    pub lock_memory: bool,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            orders_max: 1 << 18,
            fills_per_command_max: 256,
            ladder_ticks: 4096,
            feedback_lag_us: 20,
            feedback_window: 256,
            link_depth: 2048,
            lock_memory: false,
        }
    }
}

/// A class of message rate.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateConfig {
    pub per_second: u32,
    #[serde(default)]
    pub burst: u32,
    #[serde(default)]
    pub ban_above: u32,
    #[serde(default)]
    pub ban_s: u32,
}

fn default_rates() -> BTreeMap<String, RateConfig> {
    let standard = RateConfig { per_second: 100, burst: 200, ban_above: 1000, ban_s: 10 };
    let load_test = RateConfig { per_second: 0, burst: 0, ban_above: 0, ban_s: 0 };
    [("standard".into(), standard), ("load-test".into(), load_test)].into()
}

/// One traded instrument.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstrumentConfig {
    pub symbol: String,
    pub reference_price: Decimal,
    #[serde(default = "one_cent")]
    pub tick: Decimal,
    #[serde(default = "one")]
    pub lot: u32,
    /// By whose dates it settles; absent: the appliance's own region.
    pub region: Option<String>,
    /// What it is paid in; absent: its region's.
    #[schemars(with = "Option<String>")]
    pub currency: Option<Currency>,
}

fn one_cent() -> Decimal {
    Decimal(100)
}

fn one() -> u32 {
    1
}

fn default_instruments() -> Vec<InstrumentConfig> {
    let table = [("ACME", 300), ("BOLT", 300), ("CRUX", 300), ("DYNE", 300)];
    let instrument = |(symbol, price): (&str, i64)| InstrumentConfig {
        symbol: symbol.into(),
        reference_price: Decimal(price * 10_000),
        tick: one_cent(),
        lot: 1,
        region: None,
        currency: None,
    };
    table.into_iter().map(instrument).collect()
}

/// A range of accounts with the same limits.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccountConfig {
    pub first: u32,
    pub count: u32,
    pub buying_power: Decimal,
    pub exposure_max: Decimal,
    /// Limits that differ from `[risk]`.
    pub risk: Option<RiskConfig>,
    /// Where they are at home; absent: here.
    pub region: Option<String>,
}

impl Default for AccountConfig {
    fn default() -> Self {
        Self {
            first: 1,
            count: 1000,
            buying_power: Decimal(10_000_000_000_000),
            exposure_max: Decimal(20_000_000_000_000),
            risk: None,
            region: None,
        }
    }
}

/// A client's session.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionConfig {
    pub id: u32,
    pub key: String,
    pub first_account: u32,
    pub last_account: u32,
    pub rate: String,
    #[serde(default = "yes")]
    pub cancel_on_disconnect: bool,
    #[serde(default)]
    pub self_trade: SelfTradeConfig,
    #[serde(default = "all_hours")]
    pub hours: Vec<HoursConfig>,
    /// Phases in which it may enter orders; absent: all.
    pub phases: Option<Vec<PhaseConfig>>,
    /// Instruments it may trade; absent: all.
    pub instruments: Option<Vec<String>>,
}

/// Which part of the day: a session may be kept to some, and a schedule says which it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HoursConfig {
    #[default]
    Main,
    Extended,
    Overnight,
}

impl From<HoursConfig> for Hours {
    fn from(hours: HoursConfig) -> Self {
        match hours {
            HoursConfig::Main => Hours::Main,
            HoursConfig::Extended => Hours::Extended,
            HoursConfig::Overnight => Hours::Overnight,
        }
    }
}

fn all_hours() -> Vec<HoursConfig> {
    vec![HoursConfig::Main, HoursConfig::Extended, HoursConfig::Overnight]
}

fn yes() -> bool {
    true
}

/// What happens when an order of the session would trade with its own account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SelfTradeConfig {
    Allow,
    #[default]
    CancelNewest,
    CancelOldest,
    CancelBoth,
}

impl From<SelfTradeConfig> for SelfTrade {
    fn from(setting: SelfTradeConfig) -> Self {
        match setting {
            SelfTradeConfig::Allow => SelfTrade::Allow,
            SelfTradeConfig::CancelNewest => SelfTrade::CancelNewest,
            SelfTradeConfig::CancelOldest => SelfTrade::CancelOldest,
            SelfTradeConfig::CancelBoth => SelfTrade::CancelBoth,
        }
    }
}

fn default_sessions() -> Vec<SessionConfig> {
    let session = |id: u32, rate: &str, self_trade| SessionConfig {
        id,
        key: format!("change-me-{id}"),
        first_account: 1,
        last_account: 1000,
        rate: rate.into(),
        cancel_on_disconnect: true,
        self_trade,
        hours: all_hours(),
        phases: None,
        instruments: None,
    };
    let prevent = SelfTradeConfig::CancelNewest;
    vec![
        session(1, "standard", prevent),
        session(2, "standard", prevent),
        // It plays flows, and in a flow anybody trades with anybody.
        session(3, "load-test", SelfTradeConfig::Allow),
    ]
}

/// A shard: the instruments that one matching stage has.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShardConfig {
    /// The appliance it is on; absent: this one.
    pub appliance: Option<String>,
    /// Symbols; none: all that no other shard has.
    #[serde(default)]
    pub instruments: Vec<String>,
    /// Ticks of its ladders, where they are not the engine's.
    pub ladder_ticks: Option<u32>,
    /// What matches its instruments.
    #[serde(default)]
    pub engine: ShardEngine,
}

/// What matches a shard's instruments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ShardEngine {
    /// The software.
    #[default]
    Software,
    /// The Verilog, simulated; the software is its shadow.
    FpgaSim,
}

/// A core and the stages it laps over.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoreConfig {
    /// The CPU; absent: one is chosen, the last ones first.
    pub cpu: Option<usize>,
    #[serde(default)]
    pub idle: Idle,
    pub stages: Vec<StageName>,
}

impl Default for CoreConfig {
    fn default() -> Self {
        Self { cpu: None, idle: Idle::Spin, stages: StageName::ALL.to_vec() }
    }
}

/// The slow thread.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SlowConfig {
    /// The CPU; absent: where the scheduler likes.
    pub cpu: Option<usize>,
    /// How far the clock may be from UTC before people are told; 0: nobody looks.
    pub utc_bound_us: u64,
    /// After how long past that bound new orders are refused; 0: never.
    pub utc_refuse_after_s: u32,
    /// The region whose accounts are at home here; empty: all are.
    pub region: String,
    /// Where the clearing house puts its files, and when they are compared (UTC).
    pub clearing: Option<ClearingConfig>,
    /// Engines beside the embedded stores.
    pub scaled: Option<ScaledConfig>,
}
