//! The time-based rotation of files.

use std::time::Duration;

use dragline_schema::Timestamp;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Unit, Zoned};

/// When a new file starts, apart from when the current one is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Never.
    Never,
    /// At every full hour.
    Hourly,
    /// At midnight.
    Daily,
    /// At midnight before Monday.
    Weekly,
    /// At this interval, counted from the first line after the previous rotation or `roll`.
    Every(Duration),
}

impl Rotation {
    /// The instant at which a file ends, given the time of its first line. It is computed in the time zone
    /// and compared in UTC, so days that daylight saving time makes longer or shorter are handled correctly.
    pub(crate) fn end(self, first: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = || first.to_jiff().to_zoned(zone.clone());
        let midnight = |day: Zoned| day.start_of_day().ok();
        let end = match self {
            Self::Never => return None,
            Self::Every(interval) => {
                let micros = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX);
                return Some(first.plus_micros(micros.max(1)));
            }
            Self::Hourly => {
                let hour = jiff::ZonedRound::new()
                    .smallest(Unit::Hour)
                    .mode(jiff::RoundMode::Trunc);
                local()
                    .round(hour)
                    .and_then(|hour| hour.checked_add(1.hour()))
                    .ok()
            }
            Self::Daily => local().tomorrow().ok().and_then(midnight),
            Self::Weekly => {
                let days = 7 - i64::from(local().weekday().to_monday_zero_offset());
                local().checked_add(days.days()).ok().and_then(midnight)
            }
        };
        // At the end of the supported calendar, there is no rotation.
        end.map(|end| Timestamp::from(end.timestamp()))
            .filter(|end| *end > first)
    }
}

/// Tracks the rotation of one family, given its lines in order.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    rotation: Rotation,
    zone: TimeZone,
    /// When the current file ends; `None` before the first line.
    end: Option<Timestamp>,
}

impl Schedule {
    pub(crate) fn new(rotation: Rotation, zone: TimeZone) -> Self {
        Self {
            rotation,
            zone,
            end: None,
        }
    }

    /// When the current file ends.
    pub(crate) fn end(&self) -> Option<Timestamp> {
        self.end
    }

    /// Restarts the interval at the next line.
    pub(crate) fn restart(&mut self) {
        self.end = None;
    }

    /// Whether a line with the given time starts a new file. A line with an earlier time than the lines before
    /// it (the clock went back) does not.
    pub(crate) fn begins_file(&mut self, time: Timestamp) -> bool {
        match self.end {
            Some(end) if time < end => false,
            before => {
                self.end = self.rotation.end(time, &self.zone);
                before.is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn end(rotation: Rotation, zone: &str, first: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let first = Timestamp::parse(first).unwrap();
        rotation.end(first, &zone).unwrap().to_string()
    }

    #[test]
    fn files_end_where_the_zone_says() {
        for (rotation, zone, first, expected) in [
            (
                Rotation::Daily,
                "UTC",
                "2026-03-04T11:22:33Z",
                "2026-03-05T00:00:00.000000Z",
            ),
            (
                Rotation::Daily,
                "UTC",
                "2026-03-04T00:00:00Z",
                "2026-03-05T00:00:00.000000Z",
            ),
            (
                Rotation::Hourly,
                "UTC",
                "2026-03-04T11:22:33Z",
                "2026-03-04T12:00:00.000000Z",
            ),
            (
                Rotation::Weekly,
                "UTC",
                "2026-03-04T11:22:33Z",
                "2026-03-09T00:00:00.000000Z",
            ),
            (
                Rotation::Weekly,
                "UTC",
                "2026-03-09T00:00:00Z",
                "2026-03-16T00:00:00.000000Z",
            ),
            // Daylight saving time starts on the 29th: that day has 23 hours.
            (
                Rotation::Daily,
                "Europe/Berlin",
                "2026-03-28T23:30:00Z",
                "2026-03-29T22:00:00.000000Z",
            ),
            // It ends on 25 October: the hour from 2 to 3 occurs twice.
            (
                Rotation::Hourly,
                "Europe/Berlin",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00.000000Z",
            ),
            (
                Rotation::Hourly,
                "Europe/Berlin",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00.000000Z",
            ),
            // A time zone with a half-hour offset.
            (
                Rotation::Hourly,
                "Asia/Kolkata",
                "2026-03-04T11:22:33Z",
                "2026-03-04T11:30:00.000000Z",
            ),
            (
                Rotation::Every(Duration::from_secs(90)),
                "UTC",
                "2026-03-04T11:22:33Z",
                "2026-03-04T11:24:03.000000Z",
            ),
        ] {
            assert_eq!(
                end(rotation, zone, first),
                expected,
                "{rotation:?} {zone} {first}"
            );
        }
    }

    #[test]
    fn a_clock_that_goes_back_begins_no_file() {
        let mut schedule = Schedule::new(Rotation::Daily, TimeZone::UTC);
        let mut begins = |text: &str| schedule.begins_file(Timestamp::parse(text).unwrap());
        assert!(!begins("2026-03-04T23:59:59Z"));
        assert!(begins("2026-03-05T00:00:00Z"));
        assert!(!begins("2026-03-04T23:00:00Z"));
        assert!(!begins("2026-03-05T00:00:01Z"));
        assert!(begins("2026-03-07T00:00:01Z"));
    }

    proptest! {
        #[test]
        fn an_end_is_later_than_its_beginning_and_not_too_late(
            micros in 0i64..4_000_000_000_000_000,
            zone in prop::sample::select(&["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
        ) {
            let first = Timestamp::from_micros(micros);
            let zone = TimeZone::get(zone).unwrap();
            for (rotation, hours) in [(Rotation::Hourly, 2), (Rotation::Daily, 26), (Rotation::Weekly, 7 * 24 + 2)] {
                let end = rotation.end(first, &zone).unwrap();
                prop_assert!(end > first);
                prop_assert!(end.since(first) <= hours * 3_600_000_000);
            }
        }
    }
}
