//! Which stage runs where, on this machine: configuration, wiring, placement, boot.

mod accounts;
mod admin;
mod annotated;
mod appliance;
mod boot;
mod calendar;
mod clearing;
mod config;
mod console_config;
mod deal;
mod decimal;
mod device_name;
mod fix;
mod limits_feed;
mod market_data;
mod mender;
mod parse;
mod peers;
mod placement;
mod ports;
mod recovered;
mod recovery;
mod regions;
mod relay;
mod retention;
mod risk_config;
mod schema;
mod scribe;
mod secret;
mod shard_wiring;
mod sharding;
mod snapshots;
mod speaker;
mod stage_name;
mod standby;
mod state;
mod stores;
mod trial;
mod utc_watch;
mod validate;
mod venues;
mod wiring;

pub use admin::{
    AdminOptions, AdminServer, Answer, Ask, AskError, KillFile, KillSwitch, Ledger, LimitsFile,
    Message, SOCKET_NAME, Setting, Trade, Whom, ask_admin, instant, is_operators, listed_by,
    padded, parse_limits, shown,
};
pub use appliance::{Appliance, StopError};
pub use boot::{BootError, BootReport, KILL_FILE, Ports, boot, place_here, take_office};
pub use calendar::{
    Calendar, CalendarConfig, ChangeConfig, DayConfig, DayEnd, Due, PhaseConfig, ScheduleConfig,
    Timetable,
};
pub use clearing::ClearingConfig;
pub use config::{
    Config, CoreConfig, EngineConfig, EntryConfig, FeedConfig, JournalConfig, ReleaseGate,
    ShardConfig,
};
pub use console_config::{AlarmConfig, ConsoleConfig, Role};
pub use deal::{Busy, DealtShard, deal, table as deal_table};
pub use decimal::Decimal;
pub use device_name::DeviceName;
pub(crate) use fix::fix_records;
pub use fix::{FixConfig, FixSessionConfig, fix_options, fix_port, open_fix};
pub use limits_feed::{LimitsFeedConfig, WhenExpired};
pub use market_data::{InletConfig, MarketDataConfig, outlet_options, price_devices, price_ports};
pub(crate) use mender::{Mender, step_or_wait};
pub use parse::{ConfigError, DEFAULT_CONFIG, load, parse};
pub use peers::{Destinations, PeerConfig, PeersConfig, empty_peers, peers_device, peers_options};
pub use placement::{PlacedCore, Placement, place};
pub use ports::{DeviceRequest, Subnet, open_port, start_bypass};
pub use recovered::Recovered;
pub(crate) use recovered::{Part, annex_keeper, spawn_annex_keeper};
pub use recovery::{Replay, ReplayError};
pub use regions::{FeeConfig, Foreign, RegionConfig, regions};
pub use retention::{PruneError, prunable, prune};
pub use risk_config::{AdminConfig, FirmConfig, RiskConfig};
pub use schema::{Explained, explain, explained, schema};
pub use scribe::occasional_series;
pub use secret::{blacken, conceal};
pub use sharding::{Home, Sharding};
pub use snapshots::{
    ASKS_EVERY as SNAPSHOT_ASKS_EVERY, Kept, SnapshotsConfig, TakeError, Taken, Unfit, begun,
    command_at, fits, good_snapshots, list as list_snapshots, looked_at, mark_of, snapshots_folder,
    take as take_snapshot,
};
pub(crate) use snapshots::{Taker, spawn_snapshots};
pub use stage_name::StageName;
use standby::open_court;
pub use standby::{
    Admission, AloneConfig, AtTheDoor, Copies, Court, Crown, Deposed, Ending, Folding, Line, Lines,
    Promoted, Receiver, Shared, Sitting, StandbyConfig, StandbyError, StandbyReport, TcpLines,
    ToWitness, WitnessConfig, WitnessError, WitnessOptions, WitnessServer, crown, identity,
    stand_by, to_witness,
};
#[cfg(feature = "scaled")]
pub use standby::{DatabaseArbiter, Judged};
pub(crate) use standby::{Vitals, may_inherit, reign_of};
pub use state::{
    empty_feed, empty_fold, empty_gateway, engine_limits, journal_folder, journal_settings,
    meaning, risk_bound,
};
pub use stores::{KafkaConfig, PostgresConfig, ScaledConfig};
pub use validate::{Catalogue, check};
pub(crate) use venues::venue_records;
pub use venues::{VenueConfig, VenueLineConfig, open_venues, venues_options};
pub use wiring::{
    FixParts, LinkFill, Parts, PeersParts, PricesParts, StageLatency, VenuesParts, Wired, wire,
};
