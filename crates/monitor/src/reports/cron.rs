//! Times that come again, as five fields of `cron` in a time zone.
//!
//! A local time that does not exist, because clocks are put forward, is due as much later as they are put forward;
//! one that exists twice is due the first time only. Either way it is due once.

use std::str::FromStr;

use dragline_schema::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use serde::Deserialize;

/// Days that are looked at for the next time: 29 February may be eight years away.
const DAYS: usize = 9 * 366;
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The five fields: minute, hour, day of the month, month, day of the week. Each has numbers, ranges (`1-5`), lists
/// (`1,15`), steps (`*/10`) and `*`; months and days of the week also have names. With a day of the month *and* a day
/// of the week, either is enough, as `cron` has it.
///
/// ```
/// use dragline_monitor::reports::Cron;
/// use dragline_schema::Timestamp;
/// use jiff::tz::TimeZone;
///
/// let cron: Cron = "0 8 * * mon".parse()?;
/// let sunday = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
/// let next = cron.next_after(sunday, &TimeZone::get("Europe/Berlin").unwrap());
/// assert_eq!(next, Timestamp::parse("2026-03-02T07:00:00Z").ok());
/// assert!("0 25 * * *".parse::<Cron>().unwrap_err().contains("hour"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether either of day and weekday is enough.
    is_either: bool,
}

impl TryFrom<String> for Cron {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let &[minute, hour, day, month, weekday] = &*fields else {
            return Err(format!(
                "{} fields instead of five: write minute, hour, day of the month, month and day of the week, such as \
                 \"0 8 * * mon\"",
                fields.len()
            ));
        };
        let weekdays = field("day of the week", weekday, (0, 7), &WEEKDAYS)?;
        let cron = Self {
            text: fields.join(" "),
            minutes: field("minute", minute, (0, 59), &[])?,
            hours: field("hour", hour, (0, 23), &[])?,
            days: field("day of the month", day, (1, 31), &[])?,
            months: field("month", month, (1, 12), &MONTHS)?,
            // Sunday is 0 and 7.
            weekdays: weekdays | ((weekdays >> 7) & 1),
            is_either: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        // Within eight years of any day there is every date that exists.
        if cron.dates_from(date(2000, 1, 1)).next().is_none() {
            return Err(format!("{text:?} is never due: there is no such date"));
        }
        Ok(cron)
    }
}

impl Cron {
    /// The fields, separated by single spaces.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first time after `after`; `None` beyond the range of dates.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let from = day_of(after, zone).yesterday().ok()?;
        self.dates_from(from)
            .find_map(|day| self.times(day, zone).filter(|time| *time > after).min())
    }

    /// The last time after `after` and not after `until`.
    pub fn last_between(
        &self,
        after: Timestamp,
        until: Timestamp,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        let mut day = day_of(until, zone);
        let first = day_of(after, zone).yesterday().ok()?;
        let is_within = |time: &Timestamp| *time > after && *time <= until;
        for _ in 0..DAYS {
            if self.has(day) {
                let last = self.times(day, zone).filter(is_within).max();
                if last.is_some() {
                    return last;
                }
            }
            day = day.yesterday().ok().filter(|day| *day >= first)?;
        }
        None
    }

    fn dates_from(&self, from: Date) -> impl Iterator<Item = Date> {
        let all = from.series(1.day()).take(DAYS);
        all.filter(|day| self.has(*day))
    }

    /// Whether it is due on a date.
    fn has(&self, day: Date) -> bool {
        let weekday = day.weekday().to_sunday_zero_offset();
        let is_day = has(self.days, day.day());
        let is_weekday = has(self.weekdays, weekday);
        let is_either = self.is_either && (is_day || is_weekday);
        has(self.months, day.month()) && (is_either || (is_day && is_weekday))
    }

    /// The times of a date on which it is due.
    fn times(&self, day: Date, zone: &TimeZone) -> impl Iterator<Item = Timestamp> {
        let hours = (0..24).filter(|hour| has(self.hours, *hour));
        hours.flat_map(move |hour| {
            let minutes = (0..60).filter(|minute| has(self.minutes, *minute));
            minutes.filter_map(move |minute| {
                let local = day.at(hour, minute, 0, 0);
                let time = zone.to_ambiguous_timestamp(local).compatible().ok()?;
                Some(time.into())
            })
        })
    }
}

fn day_of(time: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(time.to_jiff()).date()
}

/// Whether a number is in a set; numbers from 0 to 59 are.
fn has(set: u64, number: i8) -> bool {
    u32::try_from(number)
        .is_ok_and(|number| set.checked_shr(number).is_some_and(|set| set & 1 == 1))
}

/// The numbers of a field, as bits. Names stand for numbers from `least` on.
fn field(what: &str, text: &str, (least, most): (u32, u32), names: &[&str]) -> Result<u64, String> {
    let wrong = |part: &str| {
        let or_names = match names {
            [first, .., last] => format!(", or {first} to {last}"),
            _ => String::new(),
        };
        format!(
            "{what} {part:?}: use {least} to {most}{or_names}, also in lists (1,3), ranges (1-5) and steps (*/2), or *"
        )
    };
    let number = |word: &str| -> Option<u32> {
        let named = (least..)
            .zip(names)
            .find(|(_, name)| name.eq_ignore_ascii_case(word));
        let number = named
            .map(|(number, _)| number)
            .or_else(|| word.parse().ok())?;
        (least..=most).contains(&number).then_some(number)
    };
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)),
            None => (part, Some(1)),
        };
        let step: u32 = step.ok_or_else(|| wrong(part))?;
        let bounds = match range.split_once('-') {
            _ if range == "*" => Some((least, most)),
            Some((first, last)) => number(first).zip(number(last)),
            // `5/10` begins with 5 and has no end.
            None if part.contains('/') => number(range).map(|first| (first, most)),
            None => number(range).map(|one| (one, one)),
        };
        let (first, last) = bounds.ok_or_else(|| wrong(part))?;
        // From Saturday to Sunday: the second one is the 7.
        let last = if most == 7 && last == 0 && first > 0 {
            7
        } else {
            last
        };
        if first > last {
            return Err(wrong(part));
        }
        let numbers = (first..=last).step_by(step as usize);
        set |= numbers.fold(0_u64, |set, number| set | 1 << number);
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    /// The first times after one.
    fn next(cron: &str, after: &str, name: &str, count: usize) -> Vec<String> {
        let cron: Cron = cron.parse().unwrap();
        let mut times = vec![at(after)];
        for _ in 0..count {
            let next = cron
                .next_after(*times.last().unwrap(), &zone(name))
                .unwrap();
            times.push(next);
        }
        times[1..]
            .iter()
            .map(|time| time.to_string()[..16].to_owned())
            .collect()
    }

    #[test]
    fn fields_have_lists_ranges_steps_and_names() {
        for (cron, after, expected) in [
            ("0 8 * * mon", "2026-03-01T00:00:00Z", "2026-03-02T08:00"),
            ("0 8 * * 1", "2026-03-02T08:00:00Z", "2026-03-09T08:00"),
            ("*/20 * * * *", "2026-03-01T00:41:00Z", "2026-03-01T01:00"),
            ("5/25 1,3 * * *", "2026-03-01T01:30:00Z", "2026-03-01T01:55"),
            ("0 0 1 jan *", "2026-03-01T00:00:00Z", "2027-01-01T00:00"),
            ("0 0 29 2 *", "2097-03-01T00:00:00Z", "2104-02-29T00:00"),
            (
                "0 9 * * sat-sun",
                "2026-03-06T00:00:00Z",
                "2026-03-07T09:00",
            ),
            ("0 9 * * 7", "2026-03-06T00:00:00Z", "2026-03-08T09:00"),
            (
                "0 9 * * mon-fri",
                "2026-03-06T09:00:00Z",
                "2026-03-09T09:00",
            ),
            // With both kinds of days, either is enough; with a star, both have to fit.
            ("0 0 13 * fri", "2026-03-01T00:00:00Z", "2026-03-06T00:00"),
            ("0 0 13 * *", "2026-03-01T00:00:00Z", "2026-03-13T00:00"),
        ] {
            assert_eq!(next(cron, after, "UTC", 1), [expected], "{cron}");
        }
    }

    #[test]
    fn a_time_that_does_not_exist_is_due_once() {
        // On 29 March 2026, 02:00 to 03:00 does not exist in Berlin.
        assert_eq!(
            next("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Berlin", 2),
            ["2026-03-29T01:30", "2026-03-30T00:30"]
        );
        assert_eq!(
            next("0,30 2,3 * * *", "2026-03-29T00:00:00Z", "Europe/Berlin", 3),
            ["2026-03-29T01:00", "2026-03-29T01:30", "2026-03-30T00:00"]
        );
        // In Apia a whole day was left out: 30 December 2011.
        assert_eq!(
            next("0 12 30 12 *", "2011-12-01T00:00:00Z", "Pacific/Apia", 2),
            ["2011-12-30T22:00", "2012-12-29T22:00"]
        );
    }

    #[test]
    fn a_time_that_exists_twice_is_due_once() {
        // On 25 October 2026, 02:00 to 03:00 exists twice in Berlin.
        assert_eq!(
            next("30 2 * * *", "2026-10-24T12:00:00Z", "Europe/Berlin", 2),
            ["2026-10-25T00:30", "2026-10-26T01:30"]
        );
    }

    #[test]
    fn the_last_time_of_a_period_is_found() {
        let cron: Cron = "0 8 * * mon".parse().unwrap();
        let berlin = zone("Europe/Berlin");
        let last = |after: &str, until: &str| {
            let last = cron.last_between(at(after), at(until), &berlin);
            last.map(|time| time.to_string()[..16].to_owned())
        };
        let due = Some("2026-03-09T07:00".to_owned());
        assert_eq!(last("2026-02-01T00:00:00Z", "2026-03-12T00:00:00Z"), due);
        assert_eq!(last("2026-03-02T07:00:00Z", "2026-03-09T07:00:00Z"), due);
        assert_eq!(last("2026-03-09T07:00:00Z", "2026-03-12T00:00:00Z"), None);
        assert_eq!(last("2026-03-09T07:00:00Z", "2026-03-01T00:00:00Z"), None);
    }

    #[test]
    fn the_last_time_is_the_one_before_the_next() {
        for text in ["*/7 2,3 * * *", "15 4 1,15 * sun", "0 0 31 * *"] {
            let cron: Cron = text.parse().unwrap();
            let zone = zone("America/New_York");
            let begin = at("2026-02-20T00:00:00Z");
            let mut time = begin;
            for _ in 0..200 {
                let next = cron.next_after(time, &zone).unwrap();
                let before = next.plus_micros(-1);
                let expected = Some(time).filter(|time| *time > begin);
                assert_eq!(cron.last_between(begin, before, &zone), expected, "{text}");
                assert_eq!(cron.last_between(begin, next, &zone), Some(next), "{text}");
                time = next;
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("", "0 fields instead of five"),
            ("0 8 * *", "4 fields"),
            ("60 8 * * *", "minute \"60\": use 0 to 59"),
            ("0 24 * * *", "hour"),
            ("0 0 0 * *", "day of the month"),
            ("0 0 1 13 *", "month \"13\": use 1 to 12, or jan to dec"),
            (
                "0 0 * * monday",
                "day of the week \"monday\": use 0 to 7, or sun to sat",
            ),
            ("*/0 * * * *", "minute"),
            ("5-1 * * * *", "minute"),
            ("a * * * *", "minute"),
            ("1, * * * *", "minute"),
            ("-1 * * * *", "minute"),
            ("99999999999 * * * *", "minute"),
            ("0 0 31 2 *", "never due"),
            ("0 0 30 feb *", "never due"),
        ] {
            let error = text.parse::<Cron>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
