//! Calendars: at what instants of log time which change is due, found from dates and local times.
//!
//! A calendar changes nothing itself. Its [`Timetable`] makes requests, which the sequencer gives
//! their place like any other, so a replay needs neither calendar nor zone.

mod config;
mod timetable;

pub use config::{CalendarConfig, ChangeConfig, DayConfig, DayEnd, PhaseConfig, ScheduleConfig};
pub use timetable::Timetable;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::model::{Instrument, InstrumentId, Nanos};

/// Days without a change that are looked over for the next or the last one.
const DAYS_MAX: usize = 370;

/// A checked calendar.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// Its name, for people.
    pub name: String,
    zone: TimeZone,
    holidays: Vec<Date>,
    schedules: Vec<ScheduleConfig>,
    /// Whose it is.
    pub instruments: Vec<InstrumentId>,
}

/// Changes of one calendar that are due at one instant, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// When.
    pub at: Nanos,
    /// What.
    pub changes: Vec<ChangeConfig>,
}

impl Calendar {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// What is wrong, in a sentence with the cure.
    pub fn new(config: &CalendarConfig, listed: &[Instrument]) -> Result<Self, String> {
        let name = &config.name;
        let zone = TimeZone::get(&config.zone).map_err(|_| {
            format!("`zone` is `{}`: write a name as `America/New_York` or `UTC`", config.zone)
        })?;
        let mut instruments = Vec::new();
        for symbol in &config.instruments {
            let found = listed.iter().find(|listed| listed.symbol.name() == *symbol);
            let found = found.ok_or_else(|| {
                format!("calendar `{name}` names `{symbol}`, which is no [[instrument]]")
            })?;
            instruments.push(found.id);
        }
        if config.instruments.is_empty() {
            instruments = listed.iter().map(|listed| listed.id).collect();
        }
        for schedule in &config.schedule {
            check_schedule(schedule).map_err(|wrong| format!("calendar `{name}`: {wrong}"))?;
        }
        Ok(Self {
            name: name.clone(),
            zone,
            holidays: config.holidays.clone(),
            schedules: config.schedule.clone(),
            instruments,
        })
    }

    /// The changes of a date, in order of time.
    fn day(&self, date: Date) -> Vec<Due> {
        if self.holidays.contains(&date) {
            return Vec::new();
        }
        let by_date = self.schedules.iter().find(|schedule| schedule.dates.contains(&date));
        let by_day = || {
            let days = |schedule: &&ScheduleConfig| {
                schedule.days.iter().any(|day| day.weekday() == date.weekday())
            };
            self.schedules.iter().find(days)
        };
        let Some(schedule) = by_date.or_else(by_day) else { return Vec::new() };
        let mut day: Vec<Due> = Vec::new();
        for change in &schedule.change {
            // A time that the clocks leap over is the same span after the leap.
            let Ok(local) = date.to_datetime(change.at).to_zoned(self.zone.clone()) else {
                continue;
            };
            let Ok(at) = u64::try_from(local.timestamp().as_nanosecond()) else { continue };
            match day.iter_mut().find(|due| due.at.0 == at) {
                Some(due) => due.changes.push(*change),
                None => day.push(Due { at: Nanos(at), changes: vec![*change] }),
            }
        }
        day.sort_by_key(|due| due.at);
        day
    }

    fn date_of(&self, time: Nanos) -> Option<Date> {
        let timestamp = Timestamp::from_nanosecond(i128::from(time.0)).ok()?;
        Some(timestamp.to_zoned(self.zone.clone()).date())
    }

    /// The first instant after `time` at which something changes.
    pub fn after(&self, time: Nanos) -> Option<Due> {
        let mut date = self.date_of(time)?;
        for _ in 0..DAYS_MAX {
            if let Some(due) = self.day(date).into_iter().find(|due| due.at > time) {
                return Some(due);
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    /// The last instant up to `time` at which something changed.
    pub fn at_or_before(&self, time: Nanos) -> Option<Due> {
        let mut date = self.date_of(time)?;
        for _ in 0..DAYS_MAX {
            if let Some(due) = self.day(date).into_iter().rev().find(|due| due.at <= time) {
                return Some(due);
            }
            date = date.checked_sub(1.day()).ok()?;
        }
        None
    }

    /// An instant on the calendar's own clock, for people.
    pub fn local(&self, time: Nanos) -> String {
        let timestamp = Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or_default();
        timestamp.to_zoned(self.zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %Z").to_string()
    }
}

fn check_schedule(schedule: &ScheduleConfig) -> Result<(), String> {
    if schedule.days.is_empty() && schedule.dates.is_empty() {
        return Err("a schedule needs `days` or `dates`".into());
    }
    for change in &schedule.change {
        let at = change.at;
        let asks = change.day.is_some()
            || change.phase.is_some()
            || change.hours.is_some()
            || change.band_percent.is_some();
        if !asks {
            return Err(format!("the change at {at} changes nothing: give it a `phase`"));
        }
        if change.collar_percent.is_some() && change.hours.is_none() {
            return Err(format!("the collar at {at} needs the `hours` it is for"));
        }
        if change.phase.is_none() && (change.lasts_s != 0 || change.random_ms != 0) {
            return Err(format!("the change at {at} lasts, but has no `phase`"));
        }
        if change.lasts_s == 0 && change.random_ms != 0 {
            return Err(format!("the phase at {at} ends at random, but has no `lasts_s`"));
        }
        // Milliseconds of 32 bits reach so far.
        let seconds = [change.lasts_s, change.band_window_s, change.band_pause_s];
        if seconds.into_iter().any(|seconds| seconds > 86_400) {
            return Err(format!("the change at {at} names more than a day of 86400 seconds"));
        }
        let percents = [change.collar_percent, change.band_percent].into_iter().flatten();
        if percents.into_iter().any(|percent| !(0..=10_000_000).contains(&percent.0)) {
            return Err(format!("the change at {at} names a share that is not 0 to 1000 percent"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
