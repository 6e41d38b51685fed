//! A stock exchange's year: zones, summer time, holidays, half days, nights; and a timetable that
//! makes each change once, whatever crashes.

use std::collections::BTreeMap;

use super::*;
use crate::model::{Command, CommandKind, Phase, Price, Quantity, Request, Symbol};

/// Day and night of a week, with a holiday and a half day.
const TEXT: &str = r#"
name = "equities"
zone = "America/New_York"
holidays = ["2026-11-26"]

[[schedule]]
dates = ["2026-11-27"]
change = [
    { at = "04:00", phase = "extended", hours = "extended", collar_percent = "5" },
    { at = "09:28", phase = "opening-auction", lasts_s = 120, random_ms = 2000, hours = "main" },
    { at = "13:00", phase = "closed", day = "end" },
]

[[schedule]]
days = ["mon", "tue", "wed", "thu", "fri"]
change = [
    { at = "03:55", day = "start" },
    { at = "04:00", phase = "extended", hours = "extended", collar_percent = "5" },
    { at = "09:28", phase = "opening-auction", lasts_s = 120, random_ms = 2000, hours = "main" },
    { at = "09:28", band_percent = "10" },
    { at = "15:50", phase = "closing-auction", lasts_s = 600, then = "closed" },
    { at = "16:01", phase = "extended", hours = "extended", collar_percent = "5" },
    { at = "16:01", band_percent = "0" },
    { at = "20:00", phase = "closed", day = "end" },
]

[[schedule]]
days = ["sun"]
change = [{ at = "21:00", phase = "extended", hours = "overnight", collar_percent = "3" }]
"#;

fn instruments(count: u32) -> Vec<Instrument> {
    let instrument = |id| Instrument {
        id: InstrumentId(id),
        symbol: Symbol::new(&format!("S{id}")).expect("a good name"),
        tick: Price(100),
        lot: Quantity(1),
        reference_price: Price(1_000_000),
    };
    (1..=count).map(instrument).collect()
}

fn calendar() -> Calendar {
    let config: CalendarConfig = toml::from_str(TEXT).expect("the text is good");
    Calendar::new(&config, &instruments(3)).expect("the calendar is good")
}

fn utc(text: &str) -> Nanos {
    let time: Timestamp = text.parse().expect("a time");
    Nanos(time.as_nanosecond() as u64)
}

fn next(from: &str) -> (String, Option<PhaseConfig>) {
    let calendar = calendar();
    let due = calendar.after(utc(from)).expect("something changes");
    (calendar.local(due.at), due.changes[0].phase)
}

#[test]
fn summer_time_moves_the_day_and_holidays_and_half_days_are_kept() {
    use PhaseConfig as P;
    // The same local time, five and then four hours from UTC.
    let open = |day: &str, phase| (format!("{day} 09:28:00"), Some(phase));
    let told = |from| {
        let (at, phase) = next(from);
        (at[..at.len() - 4].to_owned(), phase)
    };
    assert_eq!(told("2026-03-06T14:00:00Z"), open("Fri 2026-03-06", P::OpeningAuction));
    assert_eq!(told("2026-03-09T13:00:00Z"), open("Mon 2026-03-09", P::OpeningAuction));
    assert_eq!(
        calendar().after(utc("2026-03-06T14:00:00Z")).map(|due| due.at),
        Some(utc("2026-03-06T14:28:00Z"))
    );
    assert_eq!(
        calendar().after(utc("2026-03-09T13:00:00Z")).map(|due| due.at),
        Some(utc("2026-03-09T13:28:00Z"))
    );
    // Thanksgiving: after Wednesday's end nothing changes before Friday, which is half a day.
    let (at, phase) = next("2026-11-26T02:00:00Z");
    assert_eq!((at.as_str(), phase), ("Fri 2026-11-27 04:00:00 EST", Some(P::Extended)));
    let (at, phase) = next("2026-11-27T15:00:00Z");
    assert_eq!((at.as_str(), phase), ("Fri 2026-11-27 13:00:00 EST", Some(P::Closed)));
    let (at, phase) = next("2026-11-27T19:00:00Z");
    assert_eq!((at.as_str(), phase), ("Sun 2026-11-29 21:00:00 EST", Some(P::Extended)));
    let before = calendar().at_or_before(utc("2026-11-29T12:00:00Z")).expect("Friday's end");
    assert_eq!(calendar().local(before.at), "Fri 2026-11-27 13:00:00 EST");
}

#[test]
fn what_makes_no_sense_is_refused_with_the_cure() {
    let refusal = |text: &str| {
        let config: CalendarConfig = toml::from_str(text).expect("it parses");
        Calendar::new(&config, &instruments(1)).expect_err("it makes no sense")
    };
    let with = |schedule: &str| format!("name = \"a\"\nzone = \"UTC\"\n[[schedule]]\n{schedule}");
    assert!(refusal("name = \"a\"\nzone = \"Mars\"").contains("America/New_York"));
    let unknown = "name = \"a\"\nzone = \"UTC\"\ninstruments = [\"NOBODY\"]";
    assert!(refusal(unknown).contains("NOBODY"));
    assert!(refusal(&with("")).contains("`days`"));
    let nothing = with("days = [\"mon\"]\nchange = [{ at = \"09:00\" }]");
    assert!(refusal(&nothing).contains("changes nothing"));
    let endless =
        "days = [\"mon\"]\nchange = [{ at = \"09:00\", phase = \"halt\", random_ms = 1 }]";
    assert!(refusal(&with(endless)).contains("lasts_s"));
    let collar =
        "days = [\"mon\"]\nchange = [{ at = \"09:00\", phase = \"halt\", collar_percent = \"1\" }]";
    assert!(refusal(&with(collar)).contains("hours"));
}

/// Where instruments stand, by the phase commands alone.
type Stands = BTreeMap<InstrumentId, Phase>;

/// Runs a timetable until `until`, in steps of a second; the link takes `room` requests a step.
fn run(
    table: &mut Timetable,
    now: &mut Nanos,
    until: Nanos,
    room: usize,
    stands: &mut Stands,
) -> Vec<Command> {
    let mut made = Vec::new();
    let mut seed = 0;
    while *now < until {
        let mut left = room;
        table.poll(
            *now,
            &mut || {
                seed += 1;
                seed
            },
            &mut |request: &Request| {
                if left == 0 {
                    return false;
                }
                left -= 1;
                let command = request.0;
                if command.kind() == Some(CommandKind::SetPhase) {
                    stands.insert(
                        command.instrument,
                        Phase::from_code(command.side).expect("a phase"),
                    );
                }
                made.push(command);
                true
            },
        );
        now.0 += 1_000_000_000;
    }
    made
}

#[test]
fn a_day_is_dealt_to_every_instrument_once_and_a_slow_link_only_delays_it() {
    for room in [1, 2, 1_000] {
        let mut now = utc("2026-11-24T08:00:00Z");
        let mut table = Timetable::new(calendar(), now, now, &|_| None);
        let mut stands = Stands::new();
        let made = run(&mut table, &mut now, utc("2026-11-25T02:00:00Z"), room, &mut stands);
        let count =
            |kind: CommandKind| made.iter().filter(|made| made.kind() == Some(kind)).count();
        assert_eq!(count(CommandKind::StartOfDay), 1);
        assert_eq!(count(CommandKind::EndOfDay), 1);
        assert_eq!(count(CommandKind::SetPhase), 5 * 3);
        assert_eq!(count(CommandKind::SetHours), 3 * 3);
        assert_eq!(count(CommandKind::SetBand), 2 * 3);
        let opening = made
            .iter()
            .find(|made| made.side == Phase::OpeningAuction.code() && made.order_type == 1);
        let opening = opening.expect("it opens");
        assert_eq!((opening.quantity, opening.target), (Quantity(120_000), 2_000));
        assert!(stands.values().all(|phase| *phase == Phase::Closed), "{stands:?}");
    }
}

#[test]
fn a_new_history_begins_with_what_is_in_force_and_an_old_one_makes_up_what_it_missed() {
    let mut now = utc("2026-11-24T18:00:00Z");
    let mut stands = Stands::new();
    let mut table = Timetable::new(calendar(), Nanos::ZERO, now, &|_| None);
    let until = Nanos(now.0 + 10_000_000_000);
    let made = run(&mut table, &mut now, until, 100, &mut stands);
    assert!(made.iter().all(|made| made.instrument.0 > 0));
    assert!(stands.values().all(|phase| *phase == Phase::OpeningAuction), "{stands:?}");
    // It was down from the afternoon to the next morning: closed, ended, started, extended.
    let last = utc("2026-11-24T20:00:00Z");
    let mut now = utc("2026-11-25T13:00:00Z");
    let mut table = Timetable::new(calendar(), last, now, &|_| Some(Phase::Continuous));
    let until = Nanos(now.0 + 10_000_000_000);
    let made = run(&mut table, &mut now, until, 100, &mut stands);
    let kinds: Vec<_> =
        made.iter().filter(|made| made.instrument.0 == 0).map(Command::kind).collect();
    assert_eq!(kinds, [Some(CommandKind::EndOfDay), Some(CommandKind::StartOfDay)]);
    assert!(stands.values().all(|phase| *phase == Phase::Extended), "{stands:?}");
}

#[test]
fn a_crash_in_the_middle_of_a_change_reaches_the_others_and_nobody_twice() {
    let opens = utc("2026-11-24T14:28:00Z");
    // Instrument 1 was dealt its auction, 2 halted by hand, 3 not reached.
    let stood = |id: InstrumentId| match id.0 {
        1 => Some(Phase::OpeningAuction),
        2 => Some(Phase::Halt),
        _ => Some(Phase::Extended),
    };
    let mut now = Nanos(opens.0 + 5_000_000_000);
    let mut table = Timetable::new(calendar(), Nanos(opens.0 + 1_000_000), now, &stood);
    let until = Nanos(now.0 + 5_000_000_000);
    let made = run(&mut table, &mut now, until, 100, &mut Stands::new());
    let phases: Vec<_> = made
        .iter()
        .filter(|m| m.kind() == Some(CommandKind::SetPhase))
        .map(|m| m.instrument.0)
        .collect();
    assert_eq!(phases, [3]);
}

#[test]
fn a_days_end_that_a_crash_came_before_is_made_up_once() {
    let ends = calendar_day(DayEnd::End);
    // An order of the same instant is on record, the day's end is not.
    let last = Nanos(ends.0 + 1_000_000);
    let mut now = Nanos(ends.0 + 3_600_000_000_000);
    let made_up = |ended_at: Nanos, now: &mut Nanos| {
        let table = Timetable::new(calendar(), last, *now, &|_| Some(Phase::Closed));
        let mut table = table.after_days(last, Nanos(1), ended_at);
        let until = Nanos(now.0 + 5_000_000_000);
        let made = run(&mut table, now, until, 100, &mut Stands::new());
        let ends = made.iter().filter(|made| made.kind() == Some(CommandKind::EndOfDay)).count();
        assert!(made.iter().all(|made| made.kind() != Some(CommandKind::EndOfDay)
            || (made.quantity, made.order_type) == (Quantity(1), Command::BY_HOUSE)));
        ends
    };
    assert_eq!(made_up(Nanos::ZERO, &mut now), 1);
    assert_eq!(made_up(Nanos(ends.0 + 1), &mut now), 0, "it is on record");
}

/// When a day of the calendar ends, or starts.
fn calendar_day(end: DayEnd) -> Nanos {
    let mut at = utc("2026-11-24T08:00:00Z");
    loop {
        let due = calendar().after(at).expect("it goes on");
        if due.changes.iter().any(|change| change.day == Some(end)) {
            return due.at;
        }
        at = due.at;
    }
}

#[test]
fn the_calendar_that_comes_along_is_good_and_never_leaves_a_day_without_an_end() {
    let text = include_str!("../../../config/us-equities.toml");
    let config = crate::topology::parse("us-equities.toml", text).expect("it parses");
    let catalogue = crate::topology::check(&config, "us-equities.toml", text).expect("it is good");
    let calendar = &catalogue.calendars[0];
    let (mut at, mut open, mut days) = (utc("2026-01-01T12:00:00Z"), false, 0);
    while let Some(due) = calendar.after(at).filter(|due| due.at < utc("2027-01-01T12:00:00Z")) {
        for day in due.changes.iter().filter_map(|change| change.day) {
            assert_eq!(open, day == DayEnd::End, "{}", calendar.local(due.at));
            open = !open;
            days += u32::from(open);
        }
        at = due.at;
    }
    // 261 weekdays of 2026, ten of them holidays.
    assert_eq!((open, days), (false, 251));
}
