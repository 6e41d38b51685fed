//! The names of stages, as placements, tables and metrics write them; in packet order, so that
//! sorting by name is sorting by road.

use serde::{Deserialize, Serialize};

use crate::engine::SHARDS_MAX;

/// The name of a stage, in packet order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(into = "String", try_from = "String")]
pub enum StageName {
    /// Binary order entry.
    Gateway,
    /// There with FIX sessions only.
    Fix,
    /// There with other appliances only: speaks with them.
    Peers,
    /// There with venues only: speaks with exchanges.
    Venues,
    /// There with exchanges' feeds only: their prices.
    Prices,
    /// Gives requests their place in history.
    Sequencer,
    /// Checks commands.
    Risk,
    /// With several shards: deals commands to them.
    Dealer,
    /// A shard's, by its place.
    Matching(u8),
    /// There with other appliances only: the shard of what rests there.
    Away,
    /// With several shards: collects their events.
    Collector,
    /// Writes both logs.
    Recorder,
    /// Market data out.
    Feed,
}

impl StageName {
    /// Those of every appliance with one shard, in packet order.
    pub const ALL: [Self; 6] =
        [Self::Gateway, Self::Sequencer, Self::Risk, Self::Matching(0), Self::Recorder, Self::Feed];

    /// The stages of an appliance with so many shards, in packet order.
    pub fn of(shards: usize) -> Vec<Self> {
        let mut all = Self::ALL.to_vec();
        if shards > 1 {
            all.extend([Self::Dealer, Self::Collector]);
            all.extend((1..shards.min(SHARDS_MAX)).map(|shard| Self::Matching(shard as u8)));
            all.sort();
        }
        all
    }

    /// As the configuration writes it.
    pub fn name(self) -> String {
        match self {
            Self::Gateway => "gateway".into(),
            Self::Fix => "fix".into(),
            Self::Peers => "peers".into(),
            Self::Venues => "venues".into(),
            Self::Prices => "prices".into(),
            Self::Away => "away".into(),
            Self::Sequencer => "sequencer".into(),
            Self::Risk => "risk".into(),
            Self::Dealer => "dealer".into(),
            Self::Matching(0) => "matching".into(),
            Self::Matching(shard) => format!("matching-{}", u32::from(shard) + 1),
            Self::Collector => "collector".into(),
            Self::Recorder => "recorder".into(),
            Self::Feed => "feed".into(),
        }
    }
}

impl From<StageName> for String {
    fn from(stage: StageName) -> Self {
        stage.name()
    }
}

impl TryFrom<String> for StageName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let all = Self::of(SHARDS_MAX).into_iter().chain([
            Self::Fix,
            Self::Peers,
            Self::Venues,
            Self::Prices,
            Self::Away,
        ]);
        let found = all.into_iter().find(|stage| stage.name() == name);
        found.ok_or_else(|| {
            format!(
                "`{name}` is no stage: write gateway, fix, peers, venues, prices, sequencer, risk, \
                 dealer, matching, matching-2 to matching-{SHARDS_MAX}, away, collector, \
                 recorder or feed"
            )
        })
    }
}
