//! A calendar as the configuration writes it: which changes come at which time of which days.
#![allow(missing_docs, reason = "a key is described in config/appliance.toml")]

use jiff::civil::{Date, Time, Weekday};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Hours, Phase};
use crate::topology::Decimal;
use crate::topology::config::HoursConfig;

/// When what may trade, on the clock of a zone.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarConfig {
    pub name: String,
    /// A name of the zone database, as `America/New_York`.
    pub zone: String,
    /// Symbols; none means all.
    #[serde(default)]
    pub instruments: Vec<String>,
    /// Dates on which nothing changes, whatever the schedules say.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub holidays: Vec<Date>,
    /// The first that names a date counts, or else the first that names its weekday.
    #[serde(default)]
    pub schedule: Vec<ScheduleConfig>,
}

/// What changes on some days.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    #[serde(default)]
    pub days: Vec<DayConfig>,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub dates: Vec<Date>,
    #[serde(default)]
    pub change: Vec<ChangeConfig>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DayConfig {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl DayConfig {
    pub(super) const fn weekday(self) -> Weekday {
        match self {
            Self::Mon => Weekday::Monday,
            Self::Tue => Weekday::Tuesday,
            Self::Wed => Weekday::Wednesday,
            Self::Thu => Weekday::Thursday,
            Self::Fri => Weekday::Friday,
            Self::Sat => Weekday::Saturday,
            Self::Sun => Weekday::Sunday,
        }
    }
}

/// One change, at one time of the day.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeConfig {
    /// Local time.
    #[schemars(with = "String")]
    pub at: Time,
    /// The market's day starts or ends here.
    pub day: Option<DayEnd>,
    /// The phase that begins.
    pub phase: Option<PhaseConfig>,
    /// How long the phase lasts; 0: until the next change.
    #[serde(default)]
    pub lasts_s: u32,
    /// Up to so much longer, at random.
    #[serde(default)]
    pub random_ms: u32,
    /// What follows when it ends by itself.
    #[serde(default)]
    pub then: PhaseConfig,
    /// The part of the day that begins: which sessions may enter orders.
    pub hours: Option<HoursConfig>,
    /// The price collar of these hours; without it, each account's own.
    pub collar_percent: Option<Decimal>,
    /// How far trades may go from where they stood `band_window_s` ago; 0: as far as they like.
    pub band_percent: Option<Decimal>,
    /// How long ago the price is that trades are held against.
    #[serde(default = "five_minutes")]
    pub band_window_s: u32,
    /// How long the volatility auction lasts that follows.
    #[serde(default = "five_minutes")]
    pub band_pause_s: u32,
}

impl ChangeConfig {
    /// What it changes, for people.
    pub fn sentence(&self) -> String {
        let mut parts = Vec::new();
        match self.day {
            Some(DayEnd::Start) => parts.push("the day starts".to_owned()),
            Some(DayEnd::End) => parts.push("the day ends".to_owned()),
            None => {}
        }
        if let Some(phase) = self.phase {
            let more = f64::from(self.random_ms) / 1_000.0;
            parts.push(match self.lasts_s {
                0 => Phase::from(phase).to_string(),
                lasts => {
                    let then = Phase::from(self.then);
                    format!(
                        "{} for {lasts} to {} s, then {then}",
                        Phase::from(phase),
                        f64::from(lasts) + more
                    )
                }
            });
        }
        if let Some(hours) = self.hours {
            parts.push(format!("hours {}", Hours::from(hours)));
        }
        if let Some(percent) = self.collar_percent {
            parts.push(format!("collar {} %", percent.price()));
        }
        if let Some(percent) = self.band_percent {
            parts.push(format!("band {} %", percent.price()));
        }
        parts.join(", ")
    }
}

fn five_minutes() -> u32 {
    300
}

/// Which end of the market's day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DayEnd {
    Start,
    End,
}

/// A phase by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseConfig {
    #[default]
    Continuous,
    PreOpen,
    OpeningAuction,
    Halt,
    VolatilityAuction,
    ClosingAuction,
    Closed,
    Extended,
}

impl From<PhaseConfig> for Phase {
    fn from(phase: PhaseConfig) -> Self {
        match phase {
            PhaseConfig::Continuous => Phase::Continuous,
            PhaseConfig::PreOpen => Phase::PreOpen,
            PhaseConfig::OpeningAuction => Phase::OpeningAuction,
            PhaseConfig::Halt => Phase::Halt,
            PhaseConfig::VolatilityAuction => Phase::VolatilityAuction,
            PhaseConfig::ClosingAuction => Phase::ClosingAuction,
            PhaseConfig::Closed => Phase::Closed,
            PhaseConfig::Extended => Phase::Extended,
        }
    }
}
