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
mod parse;
mod peers;
mod placement;
mod ports;
mod recovery;
mod regions;
mod risk_config;
mod schema;
mod scribe;
mod shard_wiring;
mod sharding;
mod snapshots;
mod speaker;
mod stage_name;
mod standby;
mod state;
mod stores;
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
pub(crate) use boot::mend;
pub use boot::{BootError, BootReport, KILL_FILE, Ports, Recovered, boot, place_here, take_office};
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
pub use fix::{FixConfig, FixSessionConfig, fix_options, fix_port, open_fix};
pub use limits_feed::{LimitsFeedConfig, WhenExpired};
pub use market_data::{InletConfig, MarketDataConfig, outlet_options, price_devices, price_ports};
pub use parse::{ConfigError, DEFAULT_CONFIG, load, parse};
pub use peers::{Destinations, PeerConfig, PeersConfig, empty_peers, peers_device, peers_options};
pub use placement::{PlacedCore, Placement, place};
pub use ports::{DeviceRequest, Subnet, open_port, start_bypass};
pub use recovery::{Replay, ReplayError};
pub use regions::{FeeConfig, Foreign, RegionConfig, regions};
pub use risk_config::{AdminConfig, FirmConfig, RiskConfig};
pub use schema::{Explained, explain, explained, schema};
pub use sharding::{Home, Sharding};
pub(crate) use snapshots::spawn_snapshots;
pub use snapshots::{
    Kept, SnapshotsConfig, TakeError, Taken, Unfit, begun, fits, list as list_snapshots, looked_at,
    mark_of, snapshots_folder, take as take_snapshot,
};
pub use stage_name::StageName;
pub use standby::{
    AloneConfig, AtTheDoor, Court, Crown, Deposed, Ending, Folding, Line, Lines, Promoted,
    Receiver, Shared, Sitting, StandbyConfig, StandbyError, StandbyReport, TcpLines, ToWitness,
    WitnessError, WitnessOptions, WitnessServer, crown, identity, stand_by, to_witness,
};
pub(crate) use standby::{Vitals, may_inherit};
pub use state::{
    empty_feed, empty_fold, empty_gateway, engine_limits, journal_folder, journal_settings,
    meaning, risk_bound,
};
pub use stores::{KafkaConfig, PostgresConfig, ScaledConfig};
pub use validate::{Catalogue, check};
pub use venues::{VenueConfig, VenueLineConfig, open_venues, venues_options};
pub use wiring::{
    FixParts, LinkFill, Parts, PeersParts, PricesParts, StageLatency, VenuesParts, Wired, wire,
};
