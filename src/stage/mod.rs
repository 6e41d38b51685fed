//! The hot path in packet order, one file per stage.
//!
//! ```text
//!  port ─► gateway ─► sequencer ─► risk ─► matching ─► gateway ─► port
//!  line ─► fix ──────────┤                              └► fix ─► line
//!  port ─► prices ───────┘
//!             requests │  commands   │ verdicts  │ events    (replies wait for the release gate)
//!                      │             ▲           ├─► feed ─► port
//!                      └─► recorder  └───────────┤
//!                             ▲   └ journal      │
//!                             └──────────────────┘
//! ```
//!
//! With several shards a dealer stands before several matching stages and a collector behind them.
//! Orders for other appliances have a shard of their own, `away`, and `peers` speaks with those.
//!
//! Requests become commands in one place, the sequencer; after it every stage has one ordered
//! input, so order is total. Rejected orders travel the same road: risk stamps, matching answers.

mod away;
mod collector;
mod dealer;
mod depth_board;
mod device;
mod feed;
mod fix;
mod gate;
mod gateway;
mod hardware_board;
mod limit_board;
mod matching;
mod peers;
mod prices;
mod recorder;
mod risk;
mod sequencer;
mod session_board;
mod venues;

pub use away::{AwayCounter, AwayLinks, AwayStage};
pub use collector::{Collector, CollectorCounter};
pub use dealer::{Dealer, DealerCounter};
pub use depth_board::{DEPTH_SHOWN, DepthBoard};
pub use device::DeviceCounter;
pub use feed::{Days, Feed, FeedCounter, FeedOptions, FeedState, Numbered};
pub use fix::{
    Door, FixCounter, FixGateway, FixLinks, FixOptions, FixSpec, FixState, FixView, Introduced,
    MayStop, OpenedRecord,
};
pub use gate::{Gate, Release, Rule};
pub use gateway::{
    Archive, ArchiveLinks, FrameCause, Gateway, GatewayCounter, GatewayLinks, GatewayOptions,
    GatewayState, OldReply, SessionSpec, SessionView, Wanted,
};
pub use hardware_board::HardwareBoard;
pub use limit_board::{HOLDERS_SHOWN, LimitBoard, LimitRow};
pub use matching::{Board, DealEvents, EventLinks, Matching, MatchingCounter, TopOfBook};
pub use peers::{PeerSpec, Peers, PeersCounter, PeersOptions, PeersState, REPORTS_DEPTH};
pub use prices::{
    Assembly, FeedReaders, Fetched, Fetcher, InletSpec, Midnights, PRICES_DEPTH, Prices,
    PricesCounter, PricesLag, PricesLinks, PricesOptions,
};
pub use recorder::{Recorder, RecorderCounter};
pub use risk::{Refusals, Risk, RiskCounter, RiskVoice};
pub use sequencer::{Sequencer, SequencerCounter, SequencerState};
pub use session_board::{SessionBoard, SessionRow};
pub use venues::{
    Dialer, Dialled, LineSpec, VENUE_REPORTS_DEPTH, VenueCounter, VenueRecord, VenueSpec, Venues,
    VenuesOptions, VenuesState,
};

/// Messages a stage takes per poll, at most.
pub const BURST: usize = 32;
