//! Exchanges of a configuration: which instruments go there, and our FIX sessions with them.
#![allow(missing_docs, reason = "a key is described in config/appliance.toml, beside its default")]

use std::net::{SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::SessionId;
use crate::stage::{LineSpec, VenueRecord, VenueSpec, VenuesOptions, VenuesState};
use crate::topology::{Catalogue, Config};
use crate::wire::fix::session::{FileStore, Identity, Role, Schedule, SessionConfig, StoreError};
use crate::wire::fix::{Dictionary, Version};

/// An exchange that orders are routed to.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VenueConfig {
    pub name: String,
    pub session: u32,
    pub version: String,
    /// Symbols: their orders are routed, not matched here.
    #[serde(default)]
    pub instruments: Vec<String>,
    /// Symbols: their orders are matched here first, and what is left of them is routed.
    #[serde(default)]
    pub remainders: Vec<String>,
    pub primary: VenueLineConfig,
    pub backup: Option<VenueLineConfig>,
    #[serde(default = "half_a_minute")]
    pub failover_s: u32,
    pub schedule: Option<String>,
    pub dictionary: Option<PathBuf>,
}

/// One of our sessions there.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VenueLineConfig {
    pub address: SocketAddrV4,
    pub sender: String,
    pub target: String,
    pub username: Option<String>,
    pub password: Option<String>,
}

fn half_a_minute() -> u32 {
    30
}

impl VenueConfig {
    /// What the keys mean.
    ///
    /// # Errors
    /// What is wrong, and how to mend it.
    pub(super) fn spec(&self) -> Result<VenueSpec, String> {
        let version = Version::from_name(&self.version).ok_or_else(|| {
            let known: Vec<_> = Version::ALL.iter().map(|version| version.name()).collect();
            format!("version `{}` is not one of {}", self.version, known.join(", "))
        })?;
        if !(3..=600).contains(&self.failover_s) {
            return Err(format!("`failover_s` is {}: it goes from 3 to 600", self.failover_s));
        }
        let lines = std::iter::once(&self.primary).chain(&self.backup);
        let lines = lines.map(|line| self.line(line, version)).collect::<Result<_, _>>()?;
        Ok(VenueSpec { name: self.name.clone(), session: SessionId(self.session), lines })
    }

    fn line(&self, keys: &VenueLineConfig, version: Version) -> Result<LineSpec, String> {
        let (sender, target) = (keys.sender.clone(), keys.target.clone());
        let mut config = SessionConfig::new(Role::Initiator, Identity { version, sender, target });
        // A session gives its peer up after 2.4 intervals of silence.
        config.heartbeat_s = u64::from((self.failover_s * 10 / 24).max(1));
        // An order that is late by a gap is not what its client wanted any more.
        config.resends = false;
        config.schedule = self.schedule.as_deref().map(Schedule::parse).transpose()?;
        config.login = match (&keys.username, &keys.password) {
            (None, None) => None,
            (name, password) => {
                Some((name.clone().unwrap_or_default(), password.clone().unwrap_or_default()))
            }
        };
        if let Some(path) = &self.dictionary {
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("dictionary {}: {error}", path.display()))?;
            config.dictionary = Dictionary::with_overlay(version, &text)
                .map_err(|error| format!("dictionary {}: {error}", path.display()))?;
        }
        Ok(LineSpec { config, address: SocketAddr::V4(keys.address) })
    }
}

/// What the stage that speaks with venues is told.
pub fn venues_options(config: &Config, catalogue: &Catalogue) -> VenuesOptions {
    VenuesOptions {
        instruments: catalogue.instruments.clone(),
        venues: catalogue.destinations.venues.clone(),
        in_flight_max: config.peers.in_flight_max as usize,
    }
}

/// Our sessions at venues with their records, which live in files beside the journal.
///
/// # Errors
/// A record that cannot be opened.
pub fn open_venues(options: &VenuesOptions, data: &Path) -> Result<VenuesState, StoreError> {
    if !options.venues.is_empty() {
        std::fs::create_dir_all(data.join("venues"))?;
    }
    VenuesState::open(options, &mut |venue, line| -> VenueRecord {
        Ok(Box::new(FileStore::open(&record(data, venue, line))?))
    })
}

/// Where the record of a venue's session is.
fn record(data: &Path, venue: &VenueSpec, line: usize) -> PathBuf {
    data.join("venues").join(format!("{}-{line}.session", venue.session))
}

/// The records of all sessions at venues, in an order that follows from the configuration.
pub(crate) fn venue_records(config: &Config, catalogue: &Catalogue) -> Vec<PathBuf> {
    let of = |venue: &VenueSpec| -> Vec<PathBuf> {
        (0..venue.lines.len()).map(|line| record(&config.data, venue, line)).collect()
    };
    venues_options(config, catalogue).venues.iter().flat_map(of).collect()
}
