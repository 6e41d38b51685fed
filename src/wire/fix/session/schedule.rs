//! When a session may be up: daily or weekly hours in a time zone of the world.
//!
//! Asked off the fast path only: the session keeps the end of the present hours as a number.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::model::Nanos;

/// The hours of a session: from one local time to another, on given days or over a week.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    zone: TimeZone,
    start: Time,
    end: Time,
    /// A weekly session begins on the first day and ends on the second.
    week: Option<(Weekday, Weekday)>,
}

/// One run of a session's hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// When they begin.
    pub from: Nanos,
    /// When they are over; the first moment that is out.
    pub until: Nanos,
}

impl Schedule {
    /// Reads `08:00:00-17:00:00 America/New_York` or `Sun 17:00:00-Fri 17:00:00 Europe/London`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "schedule `{text}`: write hours and a time zone, as `08:00:00-17:00:00 \
                 America/New_York` or `Sun 17:00:00-Fri 17:00:00 Europe/London`"
            )
        };
        let (hours, zone) = text.rsplit_once(' ').ok_or_else(wrong)?;
        let (start, end) = hours.split_once('-').ok_or_else(wrong)?;
        let zone = TimeZone::get(zone).map_err(|error| format!("schedule `{text}`: {error}"))?;
        let (first, start) = day_and_time(start.trim()).ok_or_else(wrong)?;
        let (last, end) = day_and_time(end.trim()).ok_or_else(wrong)?;
        let week = match (first, last) {
            (Some(first), Some(last)) => Some((first, last)),
            (None, None) => None,
            _ => return Err(wrong()),
        };
        Ok(Self { zone, start, end, week })
    }

    /// The hours `now` is in, or the next to come.
    pub fn hours(&self, now: Nanos) -> Option<Hours> {
        let moment = Timestamp::from_nanosecond(i128::from(now.0)).ok()?;
        let today = moment.to_zoned(self.zone.clone()).date();
        // Hours that hold `now` began at most a week and a day ago.
        (-8..=8i64).find_map(|offset| {
            let day = today.checked_add(offset.days()).ok()?;
            if self.week.is_some_and(|(first, _)| day.weekday() != first) {
                return None;
            }
            let from = day.to_datetime(self.start).to_zoned(self.zone.clone()).ok()?;
            let length = match self.week {
                Some((first, last)) => {
                    let days = i64::from(first.until(last));
                    if days == 0 && self.end <= self.start { 7 } else { days }
                }
                None => i64::from(self.end <= self.start),
            };
            let last_day = day.checked_add(length.days()).ok()?;
            let until = last_day.to_datetime(self.end).to_zoned(self.zone.clone()).ok()?;
            let hours = Hours { from: nanos(&from), until: nanos(&until) };
            (hours.until > now).then_some(hours)
        })
    }
}

fn nanos(moment: &Zoned) -> Nanos {
    Nanos(u64::try_from(moment.timestamp().as_nanosecond()).unwrap_or(0))
}

fn day_and_time(text: &str) -> Option<(Option<Weekday>, Time)> {
    let (day, time) = match text.split_once(' ') {
        Some((day, time)) => (Some(weekday(day)?), time),
        None => (None, text),
    };
    Some((day, time.parse().ok()?))
}

fn weekday(name: &str) -> Option<Weekday> {
    Some(match name {
        "Mon" => Weekday::Monday,
        "Tue" => Weekday::Tuesday,
        "Wed" => Weekday::Wednesday,
        "Thu" => Weekday::Thursday,
        "Fri" => Weekday::Friday,
        "Sat" => Weekday::Saturday,
        "Sun" => Weekday::Sunday,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fix::value::timestamp;

    fn at(text: &str) -> Nanos {
        timestamp(text.as_bytes()).expect("a time")
    }

    fn hours(schedule: &str, now: &str) -> (Nanos, Nanos) {
        let schedule = Schedule::parse(schedule).expect("a good schedule");
        let hours = schedule.hours(at(now)).expect("some hours");
        (hours.from, hours.until)
    }

    #[test]
    fn daily_hours_follow_the_zones_summer_time() {
        let daily = "08:00:00-17:00:00 America/New_York";
        let winter = (at("20261123-13:00:00"), at("20261123-22:00:00"));
        assert_eq!(hours(daily, "20261123-15:00:00"), winter);
        assert_eq!(hours(daily, "20261123-02:00:00"), winter);
        assert_eq!(hours(daily, "20261122-22:00:00"), winter, "the end is out");
        let summer = (at("20260701-12:00:00"), at("20260701-21:00:00"));
        assert_eq!(hours(daily, "20260701-12:00:00"), summer);
    }

    #[test]
    fn hours_may_run_over_midnight_and_over_a_week() {
        let night = "17:00:00-16:00:00 UTC";
        assert_eq!(
            hours(night, "20261123-03:00:00"),
            (at("20261122-17:00:00"), at("20261123-16:00:00"))
        );
        let week = "Sun 17:00:00-Fri 17:00:00 Europe/London";
        let this = (at("20261122-17:00:00"), at("20261127-17:00:00"));
        assert_eq!(hours(week, "20261125-00:00:00"), this);
        assert_eq!(hours(week, "20261121-12:00:00"), this, "the week to come");
        let all_week = "Sun 17:00:00-Sun 17:00:00 UTC";
        assert_eq!(
            hours(all_week, "20261122-16:59:59"),
            (at("20261115-17:00:00"), at("20261122-17:00:00"))
        );
        let whole_day = "00:00:00-00:00:00 UTC";
        assert_eq!(
            hours(whole_day, "20261122-10:00:00"),
            (at("20261122-00:00:00"), at("20261123-00:00:00"))
        );
    }

    #[test]
    fn wrong_schedules_say_how_to_write_one() {
        for wrong in ["", "8-17 UTC", "08:00:00 UTC", "Sun 08:00:00-17:00:00 UTC", "x Nowhere/Town"]
        {
            assert!(Schedule::parse(wrong).is_err(), "{wrong}");
        }
    }
}
