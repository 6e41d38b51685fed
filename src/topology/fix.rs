//! FIX sessions of a configuration: their keys, what they mean, and their records on disk.
#![allow(missing_docs, reason = "a key is described in config/appliance.toml, beside its default")]

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::model::{Nanos, SessionId};
use crate::port::Port;
use crate::runtime::SystemClock;
use crate::stage::{FixOptions, FixSpec, FixState, MayStop, OpenedRecord};
use crate::topology::config::SelfTradeConfig;
use crate::topology::{Catalogue, Config, DeviceName, DeviceRequest, Subnet, open_port};
use crate::wire::fix::session::{
    Credentials, FileStore, Identity, Role, Schedule, SessionConfig, StoreError,
};
use crate::wire::fix::value::Precision;
use crate::wire::fix::{Dictionary, Version, tag};

/// FIX order entry.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FixConfig {
    pub device: DeviceName,
    pub address: SocketAddrV4,
    pub kernel_address: Option<Subnet>,
    pub rto_min_ms: u32,
    pub buffer_kib: u32,
    pub orders_per_session: u32,
    pub grace_s: u32,
    /// Clients' sessions.
    #[schemars(with = "Vec<FixSessionConfig>")]
    pub session: Vec<Spanned<FixSessionConfig>>,
}

impl Default for FixConfig {
    fn default() -> Self {
        Self {
            device: DeviceName::Socket,
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9880),
            kernel_address: None,
            rto_min_ms: 20,
            buffer_kib: 64,
            orders_per_session: 1024,
            grace_s: 30,
            session: Vec::new(),
        }
    }
}

/// A client's FIX session.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixSessionConfig {
    pub id: u32,
    pub version: String,
    #[serde(default = "our_name")]
    pub sender: String,
    pub target: String,
    pub credentials: Option<String>,
    #[serde(default)]
    pub first_account: u32,
    #[serde(default)]
    pub last_account: u32,
    /// A `[[firm]]`, instead of accounts: all of its own.
    pub firm: Option<String>,
    pub rate: String,
    #[serde(default = "yes")]
    pub cancel_on_disconnect: bool,
    #[serde(default)]
    pub self_trade: SelfTradeConfig,
    #[serde(default)]
    pub drop_copy: bool,
    #[serde(default)]
    pub may_stop: Vec<PartyKind>,
    #[serde(default)]
    pub reset_on_logon: bool,
    #[serde(default)]
    pub next_expected: bool,
    pub schedule: Option<String>,
    #[serde(default)]
    pub precision: FixPrecision,
    pub dictionary: Option<PathBuf>,
}

/// Whose trading a session may stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PartyKind {
    Session,
    Account,
    Firm,
}

/// How finely times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FixPrecision {
    #[default]
    Millis,
    Micros,
    Nanos,
}

fn our_name() -> String {
    "WIREMATCH".into()
}

fn yes() -> bool {
    true
}

/// What a session's keys mean.
///
/// # Errors
/// What is wrong, and how to mend it.
pub(super) fn spec_of(
    keys: &FixSessionConfig,
    accounts: RangeInclusive<u32>,
    config: &Config,
) -> Result<FixSpec, String> {
    let may_stop = may_stop(keys, &accounts, config)?;
    let version = Version::from_name(&keys.version).ok_or_else(|| {
        let known: Vec<_> = Version::ALL.iter().map(|version| version.name()).collect();
        format!("version `{}` is not one of {}", keys.version, known.join(", "))
    })?;
    for (key, name) in [("sender", &keys.sender), ("target", &keys.target)] {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("`{key}` is `{name}`: it must be letters, digits or signs"));
        }
    }
    let (sender, target) = (keys.sender.clone(), keys.target.clone());
    let mut layer = SessionConfig::new(Role::Acceptor, Identity { version, sender, target });
    layer.reset_on_logon = keys.reset_on_logon;
    layer.next_expected = keys.next_expected;
    layer.schedule = keys.schedule.as_deref().map(Schedule::parse).transpose()?;
    layer.precision = match keys.precision {
        FixPrecision::Millis => Precision::Millis,
        FixPrecision::Micros => Precision::Micros,
        FixPrecision::Nanos => Precision::Nanos,
    };
    if let Some(path) = &keys.dictionary {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("dictionary {}: {error}", path.display()))?;
        layer.dictionary = Dictionary::with_overlay(version, &text)
            .map_err(|error| format!("dictionary {}: {error}", path.display()))?;
    }
    if keys.next_expected
        && layer.dictionary.requires(b"A", tag::NEXT_EXPECTED_MSG_SEQ_NUM).is_none()
    {
        return Err(format!(
            "`next_expected` puts field 789 into the logon, and {} has none there: take it away",
            version.name()
        ));
    }
    let credentials = keys.credentials.as_deref().map(|text| {
        Credentials::parse(text).ok_or_else(|| {
            format!(
                "`credentials` of session {} are not as `wirematch fix-password` prints them",
                keys.id
            )
        })
    });
    Ok(FixSpec {
        id: SessionId(keys.id),
        config: layer,
        credentials: credentials.transpose()?,
        accounts,
        is_drop_copy: keys.drop_copy,
        cancel_on_disconnect: keys.cancel_on_disconnect,
        self_trade: keys.self_trade.into(),
        may_stop,
    })
}

/// Whose trading a session may stop: of firms those all of whose accounts it may name.
fn may_stop(
    keys: &FixSessionConfig,
    accounts: &RangeInclusive<u32>,
    config: &Config,
) -> Result<MayStop, String> {
    let has = |kind| keys.may_stop.contains(&kind);
    if keys.drop_copy && !keys.may_stop.is_empty() {
        return Err("a drop copy may ask for nothing: take `may_stop` away".into());
    }
    let firms = (1..).zip(&config.firm).filter_map(|(number, firm)| {
        let firm = firm.get_ref();
        let all = [firm.first_account, firm.last_account];
        all.iter().all(|account| accounts.contains(account)).then(|| (firm.name.clone(), number))
    });
    let firms: Vec<_> = firms.collect();
    if has(PartyKind::Firm) && firms.is_empty() {
        return Err("`may_stop` says \"firm\", and the session has all accounts of none".into());
    }
    Ok(MayStop {
        session: has(PartyKind::Session),
        accounts: has(PartyKind::Account),
        firm: has(PartyKind::Firm),
        firms,
        may_lift: !config.admin.two_people,
    })
}

/// What the FIX gateway is told.
pub fn fix_options(config: &Config, catalogue: &Catalogue) -> FixOptions {
    let mut key = [0; 8];
    // Without randomness clients could make tables slow; a machine without it is not fit to serve.
    getrandom::fill(&mut key).expect("the system has randomness");
    FixOptions {
        address: SocketAddr::V4(config.fix.address),
        instruments: catalogue.instruments.clone(),
        destinations: catalogue.destinations.named(),
        sessions: catalogue.fix_sessions.clone(),
        orders: config.fix.orders_per_session as usize,
        // One that trades at once is there though the books are full: what risk holds bounds all.
        orders_max: catalogue.risk.orders_max,
        grace: Nanos(u64::from(config.fix.grace_s) * 1_000_000_000),
        key: u64::from_le_bytes(key),
    }
}

/// The port that FIX clients' TCP goes by; `None` where it is the kernel's, or nobody may come.
///
/// # Errors
/// Why the device cannot be had, and how to mend it.
pub fn fix_port(config: &Config, clock: &SystemClock) -> Result<Option<Box<dyn Port>>, String> {
    let keys = &config.fix;
    if keys.device == DeviceName::Socket || keys.session.is_empty() {
        return Ok(None);
    }
    let request = DeviceRequest {
        device: keys.device.clone(),
        address: keys.address,
        kernel_address: keys.kernel_address,
        record: None,
    };
    open_port(&request, clock).map(Some)
}

/// The sessions with their records, which live in files beside the journal.
///
/// # Errors
/// A record that cannot be opened.
pub fn open_fix(options: &FixOptions, data: &Path) -> Result<FixState, StoreError> {
    if options.is_used() {
        std::fs::create_dir_all(data.join("fix"))?;
    }
    FixState::open(options, &mut |spec| -> OpenedRecord {
        Ok(Box::new(FileStore::open(&record(data, spec.id))?))
    })
}

/// Where a session's record is.
fn record(data: &Path, session: SessionId) -> PathBuf {
    data.join("fix").join(format!("{session}.session"))
}

/// The records of all clients' sessions, in an order that follows from the configuration.
pub(crate) fn fix_records(config: &Config, catalogue: &Catalogue) -> Vec<PathBuf> {
    let sessions = catalogue.fix_sessions.iter().flatten();
    sessions.map(|spec| record(&config.data, spec.id)).collect()
}
