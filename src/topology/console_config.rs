//! The parts of `appliance.toml` about the web console and the alarms.
#![allow(missing_docs, reason = "a key is described in config/appliance.toml, beside its default")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::topology::ConfigError;

/// What somebody at the console may do.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Look.
    #[default]
    Viewer,
    /// Stop trading, too.
    Operator,
    /// Let it go on, and set limits, too.
    Risk,
}

/// The web console.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConsoleConfig {
    pub enabled: bool,
    pub address: SocketAddr,
    /// What everybody may do where there are no users.
    pub role: Role,
    pub users: Option<PathBuf>,
    /// Seconds without a request or an open page after which somebody must log in again.
    pub idle_s: u32,
    /// A file with the word that lets a scraper read the metrics, and nothing else.
    pub scrape_token: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub private_key: Option<PathBuf>,
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 9700)),
            role: Role::Viewer,
            users: None,
            idle_s: 1800,
            scrape_token: None,
            certificate: None,
            private_key: None,
        }
    }
}

/// Whom to tell when a part is down.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlarmConfig {
    pub webhook: Option<String>,
    pub command: Option<PathBuf>,
    pub repeat_s: u32,
}

impl Default for AlarmConfig {
    fn default() -> Self {
        Self { webhook: None, command: None, repeat_s: 300 }
    }
}

/// The longest that somebody who is silent stays logged in: a day.
const IDLE_MAX_S: u32 = 86_400;

impl ConsoleConfig {
    /// Whether the two files of TLS are named.
    pub fn has_tls(&self) -> bool {
        self.certificate.is_some() && self.private_key.is_some()
    }

    /// Whether others than this machine may come only with users and TLS.
    ///
    /// # Errors
    /// What is missing.
    pub(super) fn check(&self, alarm: &AlarmConfig) -> Result<(), ConfigError> {
        let wrong = |message: &str| Err(ConfigError(format!("[console] {message}")));
        if self.certificate.is_some() != self.private_key.is_some() {
            return wrong("`certificate` and `private_key` go together: name both or none");
        }
        let is_open = !self.address.ip().is_loopback();
        if self.enabled && is_open && (!self.has_tls() || self.users.is_none()) {
            return wrong(
                "`address` can be reached from other machines: name `users`, `certificate` and \
                 `private_key`, or use 127.0.0.1",
            );
        }
        if !(1..=IDLE_MAX_S).contains(&self.idle_s) {
            return wrong("`idle_s` is from 1 to 86400 seconds");
        }
        let is_plain = |url: &String| url.starts_with("http://");
        if alarm.webhook.as_ref().is_some_and(|url| !is_plain(url)) {
            return Err(ConfigError(
                "[alarm] `webhook` begins with http://; for https:// let `command` call curl"
                    .into(),
            ));
        }
        Ok(())
    }
}
