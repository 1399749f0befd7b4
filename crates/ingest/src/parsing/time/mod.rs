//! Times in all formats that logs contain.

pub(crate) mod stamp;
mod usual;

use std::cell::Cell;

use dragline_schema::{ProblemKind, Timestamp};
use jiff::ToSpan as _;
use jiff::civil;
use jiff::tz::{Offset, TimeZone};

pub use self::stamp::DateOrder;
use self::stamp::{Date, Stamp};
pub(crate) use self::usual::stamp;

/// What a platform writes before every line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// A time.
    Time,
    /// A time and the name of the stream that the line is from.
    TimeAndStream,
    /// A time of the record itself, and blanks that align columns.
    Columns,
}

/// What a file reveals about the times in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Calendar {
    /// Which of two ambiguous numbers of a date comes first.
    pub(crate) order: Option<DateOrder>,
    /// Of dates with three numbers of two digits, whether the first one is the year.
    pub(crate) is_year_first: Option<bool>,
    /// Whether the file contains dates for which the order is unknown.
    pub(crate) is_undecided: bool,
    /// The date of times that contain none.
    pub(crate) day: Option<civil::Date>,
    /// When the file was written. Determines the year of dates without one.
    pub(crate) written: Option<civil::Date>,
    /// When a file without times was begun, according to its name.
    pub(crate) begun: Option<civil::DateTime>,
    /// When it was written last, and its length in bytes.
    pub(crate) grown: Option<(Timestamp, u64)>,
    /// The zone of times without one, in seconds east of Greenwich, as the envelopes' times show it, and one of these
    /// times.
    pub(crate) offset: Option<(i32, civil::DateTime)>,
    /// What stands before every line, if some of these lines only continue the one before.
    pub(crate) before: Option<Before>,
    /// Whether its times descend: the newest line is the first.
    pub(crate) descends: bool,
}

/// A file without times that was written for longer than this is a copy with a time of its own.
const LONGEST: i64 = 24 * 3600 * 1_000_000;

/// The time zone and the calendar of a file.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    /// The time zone of times that contain none.
    pub(crate) zone: TimeZone,
    pub(crate) calendar: Calendar,
    /// The last time of day without a date, with the date that it was given.
    clock: Cell<Option<civil::DateTime>>,
}

/// A clock that goes back by more than this many hours passed midnight.
const MIDNIGHT: i64 = 12;

impl Local {
    pub(crate) fn new(zone: &TimeZone) -> Self {
        Self {
            zone: zone.clone(),
            calendar: Calendar::default(),
            clock: Cell::new(None),
        }
    }

    /// Forgets the last file's times of day.
    pub(crate) fn begin_file(&mut self) {
        self.clock.set(None);
    }

    /// Sets what is known about the times in a file. If the zone agrees with the offset that its envelopes show, the
    /// zone is used: its offset may change with the seasons.
    pub(crate) fn set_calendar(&mut self, calendar: Calendar) {
        self.calendar = calendar;
        let agrees = |(offset, civil): (i32, civil::DateTime)| {
            let ours = self.zone.to_ambiguous_timestamp(civil).compatible();
            ours.is_ok_and(|ours| self.zone.to_offset(ours).seconds() == offset)
        };
        let is_fixed = self.zone.to_fixed_offset().is_ok();
        self.calendar.offset = calendar.offset.filter(|shown| is_fixed || !agrees(*shown));
    }

    /// Whether times without a date passed midnight: then the date of the next one depends on them.
    pub(crate) fn has_turned(&self) -> bool {
        let day = self.calendar.day;
        self.clock
            .get()
            .is_some_and(|last| Some(last.date()) != day)
    }

    /// A time with its date, if that is known: the first one is of the file's day.
    fn dated(&self, stamp: &Stamp) -> Option<Stamp> {
        let day = self.calendar.day?;
        let last = self.clock.get();
        let same = last
            .map_or(day, civil::DateTime::date)
            .to_datetime(stamp.time);
        let ahead = last.map_or(0, |last| same.duration_since(last).as_hours());
        let now = if ahead <= -MIDNIGHT {
            same.checked_add(1.day()).ok()?
        } else if ahead >= MIDNIGHT && same.date() > day {
            // A line from before midnight that another thread wrote late.
            same.checked_sub(1.day()).ok()?
        } else {
            same
        };
        if last.is_none_or(|last| now > last) {
            self.clock.set(Some(now));
        }
        Some(Stamp {
            date: Date::Known(now.date()),
            ..*stamp
        })
    }

    /// The instant of a time in any log format, and whether the text contains a time zone.
    pub(crate) fn parse(&self, text: &str) -> Option<(Timestamp, bool)> {
        if self.calendar.day.is_some()
            && let Some(stamp) = stamp::whole(text.trim()).filter(|stamp| stamp.date == Date::None)
        {
            return self.instant(&stamp);
        }
        parse_text(text, &self.zone, &self.calendar)
    }

    /// When the file was begun, if its lines have no times and its name has one.
    fn begun(&self) -> Option<Timestamp> {
        let zoned = self.calendar.begun?.to_zoned(self.zone.clone()).ok()?;
        Some(zoned.timestamp().into())
    }

    /// The estimated time of a record without one that was written this long after the beginning of its file.
    pub(crate) fn estimate_after(&self, milliseconds: u64) -> Option<Timestamp> {
        let micros = i64::try_from(milliseconds).ok()?.checked_mul(1000)?;
        Some(self.begun()?.plus_micros(micros.min(30 * LONGEST)))
    }

    /// The estimated time of a record without one at this offset, as if its file had grown evenly.
    pub(crate) fn estimate_at(&self, offset: u64) -> Option<Timestamp> {
        let begun = self.begun()?;
        let (written, bytes) = self.calendar.grown?;
        let took = written.since(begun);
        let part = offset as f64 / bytes as f64;
        (0..=LONGEST)
            .contains(&took)
            .then(|| begun.plus_micros((took as f64 * part.min(1.0)) as i64))
    }

    /// A time without a zone, in a file whose envelopes show the zone: an hour earlier or later if the envelope of the
    /// record itself shows that. The offset of a zone changes with the seasons.
    pub(crate) fn in_season(&self, time: Timestamp, taken_at: Option<Timestamp>) -> Timestamp {
        const HOUR: i64 = 3_600_000_000;
        const NEAR: i64 = 60_000_000;
        let Some(taken_at) = taken_at.filter(|_| self.calendar.offset.is_some()) else {
            return time;
        };
        let later = taken_at.since(time);
        if (later.abs() - HOUR).abs() > NEAR {
            return time;
        }
        time.plus_micros(later.signum() * HOUR)
    }

    /// The problem to report for a record without a time.
    pub(crate) fn timeless(&self) -> ProblemKind {
        if self.calendar.is_undecided {
            ProblemKind::AmbiguousDate
        } else {
            ProblemKind::NoTimestamp
        }
    }

    /// The instant of a time, and whether the time contains a time zone.
    pub(crate) fn instant(&self, stamp: &Stamp) -> Option<(Timestamp, bool)> {
        if stamp.date == Date::None {
            return instant(&self.dated(stamp)?, &self.zone, &self.calendar);
        }
        instant(stamp, &self.zone, &self.calendar)
    }
}

/// Fast path: whether a text may contain a time of day, which is numbers separated by a colon, three separated by
/// points, or six digits after a date. Most texts do not.
pub(crate) fn may_hold_clock(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    // Whether digits come directly before, or before a separator between date and time.
    let (mut digits, mut is_near) = (false, false);
    for (at, byte) in bytes.iter().enumerate() {
        let is_clock = match byte {
            b'0'..=b'9' => {
                digits = true;
                continue;
            }
            b':' => digits && digit(at + 1) && digit(at + 2),
            b'.' => digits && digit(at + 2) && bytes.get(at + 3) == Some(&b'.') && digit(at + 4),
            b' ' | b'T' | b't' | b'_' | b'-' | b',' => {
                is_near |= digits;
                digits = false;
                if is_near && (1..=6).all(|next| digit(at + next)) {
                    return true;
                }
                continue;
            }
            _ => false,
        };
        if is_clock {
            return true;
        }
        (digits, is_near) = (false, false);
    }
    false
}

/// Parses a time in any log format. If it contains no time zone, `zone` applies and the second value is `false`.
pub(crate) fn parse_text(
    text: &str,
    zone: &TimeZone,
    calendar: &Calendar,
) -> Option<(Timestamp, bool)> {
    let text = text.trim();
    if let Some(time) = Timestamp::parse_exact(text.as_bytes()) {
        return Some((time, true));
    }
    if let Some((stamp, _)) = usual::usual(text.as_bytes()).filter(|(_, end)| *end == text.len()) {
        return instant(&stamp, zone, calendar);
    }
    if let Ok(time) = Timestamp::parse(text) {
        return Some((time, true));
    }
    if let Some(stamp) = stamp::whole(text) {
        return instant(&stamp, zone, calendar);
    }
    if !text.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    if let Ok(civil) = text.parse() {
        return placed(civil, zone, calendar);
    }
    from_epoch(text.parse().ok()?).map(|time| (time, true))
}

/// The instant of a time, and whether the time contains a time zone. `None` if the file does not provide the missing
/// parts.
pub(crate) fn instant(
    stamp: &Stamp,
    zone: &TimeZone,
    calendar: &Calendar,
) -> Option<(Timestamp, bool)> {
    let date = match stamp.date {
        Date::Known(date) => date,
        Date::Either(first, second, year) => {
            let (month, day) = match calendar.order? {
                DateOrder::DayFirst => (second, first),
                DateOrder::MonthFirst => (first, second),
            };
            civil::Date::new(year, month, day).ok()?
        }
        Date::Short(first, month, last) => short(first, month, last, calendar)?,
        Date::MonthDay(month, day) => year_of(month, day, calendar.written?)?,
        Date::None => calendar.day?,
    };
    let civil = date.to_datetime(stamp.time);
    match stamp.offset {
        Some(seconds) => Some((at_offset(civil, seconds)?, true)),
        None => placed(civil, zone, calendar),
    }
}

/// The instant of a time without a zone, and whether an envelope shows its zone.
fn placed(
    civil: civil::DateTime,
    zone: &TimeZone,
    calendar: &Calendar,
) -> Option<(Timestamp, bool)> {
    match calendar.offset {
        Some((seconds, _)) => Some((at_offset(civil, seconds)?, true)),
        None => Some((in_zone(civil, zone)?, false)),
    }
}

fn at_offset(civil: civil::DateTime, seconds: i32) -> Option<Timestamp> {
    let offset = Offset::from_seconds(seconds).ok()?;
    Some(offset.to_timestamp(civil).ok()?.into())
}

/// The date with three two-digit numbers whose year is first or last: as the file shows, otherwise the later date that is
/// not after the day on which the file was written.
fn short(first: i8, month: i8, last: i8, calendar: &Calendar) -> Option<civil::Date> {
    let of = |year: i8, day: i8| civil::Date::new(2000 + i16::from(year), month, day).ok();
    let shown = calendar.is_year_first.and_then(|is_first| {
        if is_first {
            of(first, last)
        } else {
            of(last, first)
        }
    });
    if shown.is_some() {
        return shown;
    }
    let written = calendar.written;
    let latest = written.and_then(|written| written.tomorrow().ok());
    let both = [of(first, last), of(last, first)].into_iter().flatten();
    let is_past = |date: &civil::Date| latest.is_none_or(|latest| *date <= latest);
    both.clone().filter(is_past).max().or_else(|| both.min())
}

/// The last occurrence of a month and day up to the day after the file was written.
fn year_of(month: i8, day: i8, written: civil::Date) -> Option<civil::Date> {
    let in_year = |year| civil::Date::new(year, month, day).ok();
    let tomorrow = written.tomorrow().ok()?;
    let this = in_year(written.year()).filter(|date| *date <= tomorrow);
    // February 29 belongs to the last leap year.
    this.or_else(|| (1..=8).find_map(|back| in_year(written.year() - back)))
}

/// Parses a time in a user-defined strptime format.
pub(crate) fn parse_as(text: &str, format: &str, zone: &TimeZone) -> Option<(Timestamp, bool)> {
    let parsed = jiff::fmt::strtime::parse(format, text).ok()?;
    if let Ok(time) = parsed.to_timestamp() {
        return Some((time.into(), true));
    }
    Some((in_zone(parsed.to_datetime().ok()?, zone)?, false))
}

fn in_zone(civil: civil::DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let time = zone.to_ambiguous_timestamp(civil).compatible().ok()?;
    Some(time.into())
}

/// Converts an epoch number: seconds, milliseconds, microseconds or nanoseconds, depending on its size. Numbers that
/// mean a time before 1973 are rejected.
pub(crate) fn from_epoch(number: f64) -> Option<Timestamp> {
    let micros = match number {
        n if n < 1e8 => return None,
        n if n < 1e11 => n * 1e6,
        n if n < 1e14 => n * 1e3,
        n if n < 1e17 => n,
        n if n < 1e20 => n / 1e3,
        _ => return None,
    };
    Some(Timestamp::from_micros(micros.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_means_the_same_instant() {
        let expected = Timestamp::parse("2026-03-04T11:22:33.500Z").unwrap();
        for text in [
            "2026-03-04T11:22:33.5Z",
            "2026-03-04T11:22:33.500000000Z",
            "2026-03-04T12:22:33.5+01:00",
            "2026-03-04T12:22:33.500+0100",
            "2026-03-04 11:22:33.500000+00:00",
            "2026-03-04 11:22:33,500",
            "2026-03-04T11:22:33.5",
            "04.03.2026 11:22:33,500",
            "1772623353.5",
            "1772623353500",
        ] {
            let (time, _) = parse_text(text, &TimeZone::UTC, &Calendar::default())
                .unwrap_or_else(|| panic!("{text}"));
            assert_eq!(time, expected, "{text}");
        }
        assert_eq!(from_epoch(1_772_623_353_500_000.0), Some(expected));
        assert_eq!(from_epoch(1_772_623_353_500_000_000.0), Some(expected));
    }

    #[test]
    fn a_time_without_a_zone_takes_the_one_given() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let (time, zoned) =
            parse_text("2026-03-04 13:22:33,500", &zone, &Calendar::default()).unwrap();
        assert_eq!(time, Timestamp::parse("2026-03-04T11:22:33.5Z").unwrap());
        assert!(!zoned);
    }

    #[test]
    fn an_envelope_shows_that_clocks_were_set() {
        let time = |text: &str| Timestamp::parse(text).unwrap();
        let mut local = Local::new(&TimeZone::UTC);
        local.calendar.offset = Some((7200, civil::date(2026, 10, 25).at(2, 30, 0, 0)));
        let own = time("2026-10-25T00:30:00.2Z");
        let later = Some(time("2026-10-25T01:30:00.3Z"));
        assert_eq!(local.in_season(own, later), time("2026-10-25T01:30:00.2Z"));
        assert_eq!(local.in_season(own, Some(own)), own);
        assert_eq!(
            local.in_season(own, Some(time("2026-10-25T01:20:00Z"))),
            own
        );
        assert_eq!(local.in_season(own, None), own);
        local.calendar.offset = None;
        assert_eq!(local.in_season(own, later), own);
    }

    #[test]
    fn a_described_form_is_read_as_described() {
        let expected = Timestamp::parse("2026-03-04T11:22:33Z").unwrap();
        let read = |text, format| parse_as(text, format, &TimeZone::UTC);
        assert_eq!(
            read("4/3/26 11:22:33", "%d/%m/%y %H:%M:%S"),
            Some((expected, false))
        );
        let zoned = read("Mar 04 2026 12:22:33 +0100", "%b %d %Y %H:%M:%S %z");
        assert_eq!(zoned, Some((expected, true)));
        assert_eq!(read("never", "%d/%m/%y %H:%M:%S"), None);
    }

    #[test]
    fn other_numbers_and_words_are_no_times() {
        for text in ["", "42", "yesterday", "11:22:33", "-1772623353", "1e300"] {
            assert_eq!(
                parse_text(text, &TimeZone::UTC, &Calendar::default()),
                None,
                "{text}"
            );
        }
    }
}
