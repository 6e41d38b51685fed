//! The parts of `appliance.toml` about risk: limits, firms, the operator's way in.
#![allow(missing_docs, reason = "a key is described in config/appliance.toml, beside its default")]

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::topology::Decimal;

/// Limits of an account.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RiskConfig {
    pub order_quantity_max: u32,
    pub order_notional_max: Decimal,
    pub collar_percent: Decimal,
    pub open_orders_max: u32,
    pub credit: Decimal,
    pub net_exposure_max: Option<Decimal>,
    pub position_max: Option<u32>,
    pub duplicate_window_ms: u32,
    pub rate: Option<String>,
    pub executions_max: Option<u32>,
    pub execution_window_ms: u32,
    pub market_orders: bool,
    pub short_marking: bool,
    pub soft_percent: Decimal,
    pub reference_age_ms: u32,
    /// Limits files, read at the start and at each date.
    pub limits: Vec<PathBuf>,
    /// Accounts that may be added while running.
    pub spare_accounts: u32,
    /// Instruments that may be listed while running.
    pub spare_instruments: u32,
}

impl Default for RiskConfig {
    fn default() -> Self {
        Self {
            order_quantity_max: 100_000,
            order_notional_max: Decimal(500_000_000_000),
            collar_percent: Decimal(100_000),
            open_orders_max: 1000,
            credit: Decimal(0),
            net_exposure_max: None,
            position_max: None,
            duplicate_window_ms: 0,
            rate: None,
            executions_max: None,
            execution_window_ms: 1000,
            market_orders: true,
            short_marking: false,
            soft_percent: Decimal(0),
            reference_age_ms: 0,
            limits: Vec::new(),
            spare_accounts: 0,
            spare_instruments: 0,
        }
    }
}

/// The operator's way in.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    pub actors: Vec<String>,
    pub two_people: bool,
}

/// Accounts that are one firm's; absent limits are none.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FirmConfig {
    pub name: String,
    pub first_account: u32,
    pub last_account: u32,
    pub buying_power: Option<Decimal>,
    pub exposure_max: Option<Decimal>,
    pub net_exposure_max: Option<Decimal>,
    pub position_max: Option<u32>,
    pub soft_percent: Decimal,
}
