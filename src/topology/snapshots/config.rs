//! When snapshots are taken and how many are kept.
#![allow(missing_docs, reason = "a key is described in config/appliance.toml, beside its default")]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SnapshotsConfig {
    pub every_commands: u64,
    pub keep: u32,
}

impl Default for SnapshotsConfig {
    fn default() -> Self {
        Self { every_commands: 5_000_000, keep: 2 }
    }
}
