//! The `[standby]` table: who the two machines are, and what happens when one of them is alone.
#![allow(missing_docs, reason = "a key is described in config/appliance.toml, beside its default")]

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Nanos;
use crate::stage::Rule;

/// The other machine, and the witness.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StandbyConfig {
    pub name: String,
    pub address: Option<SocketAddr>,
    pub witness: Option<WitnessConfig>,
    pub lease_ms: u32,
    pub key: String,
    pub alone: AloneConfig,
    pub heartbeat_ms: u32,
    pub silence_ms: u32,
    pub stuck_ms: u32,
    pub digest_every: u64,
}

impl Default for StandbyConfig {
    fn default() -> Self {
        Self {
            name: "one".into(),
            address: None,
            witness: None,
            lease_ms: 100,
            key: String::new(),
            alone: AloneConfig::Synced,
            heartbeat_ms: 20,
            silence_ms: 60,
            stuck_ms: 1000,
            digest_every: 65_536,
        }
    }
}

/// Who says which of two machines is primary.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum WitnessConfig {
    /// `wirematch witness`, where it listens.
    Process(SocketAddr),
    /// PostgreSQL, as postgres://USER@HOST:PORT/DATABASE.
    Database(String),
}

impl WitnessConfig {
    /// Whether it can be asked.
    fn check(&self) -> Result<(), String> {
        let Self::Database(address) = self else { return Ok(()) };
        if !["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme)) {
            // It is not repeated: it may be an address with a password, wrong by a letter.
            return Err(
                "`witness` of [standby] is neither: say HOST:PORT of `wirematch witness`, \
                        in numbers, or postgres://USER@HOST:PORT/DATABASE"
                    .into(),
            );
        }
        if !cfg!(feature = "scaled") {
            return Err("`witness` of [standby] names PostgreSQL, and this build cannot ask it: \
                        cargo build --release --features scaled"
                .into());
        }
        Ok(())
    }
}

/// The longest that anybody is primary without asking again, in milliseconds.
const LEASE_MAX_MS: u32 = 150;

/// What replies wait for while there is no standby.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AloneConfig {
    /// The disk of this machine.
    #[default]
    Synced,
    /// Its page cache: less than a standby promises.
    Journaled,
    /// A standby, however long that takes.
    Stop,
}

impl StandbyConfig {
    /// Whether there is another machine, or a witness.
    pub fn is_used(&self) -> bool {
        self.address.is_some() || self.witness.is_some()
    }

    /// Whether the witness can be asked, and grants no longer than it may.
    ///
    /// # Errors
    /// What is wrong, with the cure.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(10..=LEASE_MAX_MS).contains(&self.lease_ms) {
            return Err(format!("`lease_ms` of [standby] must be 10 to {LEASE_MAX_MS}"));
        }
        self.witness.as_ref().map_or(Ok(()), WitnessConfig::check)
    }

    /// For how long a database lets somebody be primary without asking again.
    pub fn lease(&self) -> Nanos {
        milliseconds(self.lease_ms)
    }

    /// What replies wait for while this machine is alone.
    pub fn alone(&self) -> Rule {
        match self.alone {
            AloneConfig::Synced => Rule::Synced,
            AloneConfig::Journaled => Rule::Journaled,
            AloneConfig::Stop => Rule::Shut,
        }
    }

    /// How often either side is heard at least.
    pub fn heartbeat(&self) -> Nanos {
        milliseconds(self.heartbeat_ms)
    }

    /// The silence after which the other side counts as gone.
    pub fn silence(&self) -> Nanos {
        milliseconds(self.silence_ms)
    }

    /// How long a stage may stand still.
    pub fn stuck(&self) -> Nanos {
        milliseconds(self.stuck_ms)
    }
}

fn milliseconds(count: u32) -> Nanos {
    Nanos(u64::from(count) * 1_000_000)
}
