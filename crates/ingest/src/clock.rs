//! Detects implausible timestamps.
//!
//! Programs write placeholder times (year 1 in .NET and Go, 1970, 9999-12-31), clocks are not yet set when a
//! machine boots, and occasionally a single line is dated days or years ahead. A report that trusted such a time
//! would cover a period in which nothing was logged, and would report missed runs in it. So a time outside
//! the plausible range is discarded; and a line dated days after the previous one is held back until the
//! following lines show whether the log continues there.
//!
//! When local clocks are set back, one hour occurs twice. Lines are written in order: if a time in such an hour
//! is earlier than the previous one, it belongs to the second pass.
//!
//! Each discarded time is reported as a problem with its line; the record still counts, without a time.

use std::time::Duration;

use dragline_schema::{Position, Problem, ProblemKind, Record, Sink, SourceFile, Timestamp};
use jiff::tz::TimeZone;

/// Plausible range of log times: from 1990 up to, but not including, 2100, in microseconds.
const EARLIEST: i64 = 631_152_000_000_000;
const LATEST: i64 = 4_102_444_800_000_000;
/// The largest signed 32-bit number of seconds (2038-01-19T03:14:07Z), used as a placeholder for "never".
const LAST_OF_32_BITS: i64 = 2_147_483_647;
/// 2000-01-01, to which many clocks reset after losing battery power, in seconds.
const Y2K: i64 = 946_684_800;
/// The years 2001 to 2037, in which no placeholder time lies, in microseconds.
const USUAL: std::ops::Range<i64> = 978_307_200_000_000..2_145_916_800_000_000;
/// A line dated more than this after the previous one must be confirmed by the following lines.
const JUMP: i64 = Duration::from_hours(48).as_micros() as i64;
/// Number of following lines that confirm a jump.
const CONFIRMED: usize = 4;
/// Maximum number of records held back.
const MAX_HELD: usize = 64;
/// After this many strays in a file, jumps are accepted: a second writer's clock probably differs, and it is
/// unknown which one is wrong.
const MOST_STRAYS: u32 = 2;
/// A final jump is rejected if its time is more than this after the file's modification time.
const AHEAD: i64 = Duration::from_hours(24).as_micros() as i64;
/// A step back of more than this, in an hour that occurs twice, starts the second pass.
const STEP_BACK: i64 = Duration::from_mins(1).as_micros() as i64;

/// Tracks the times of a file's records.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The last accepted time.
    last: Option<Timestamp>,
    /// Records waiting for confirmation, and those after them.
    held: Vec<(Record<'static>, Position)>,
    /// When the file was last modified.
    modified: Option<Timestamp>,
    /// The zone of times without a zone, if some of its hours occur twice.
    zone: Option<TimeZone>,
    /// Whether such an hour is in its second pass.
    is_second_pass: bool,
    /// Whether the first record must be confirmed, too.
    is_strict: bool,
    /// How many jumps of the file were rejected as strays.
    strays: u32,
    /// Whether the result for one record depended on another.
    pub(crate) needs_order: bool,
}

impl Clock {
    pub(crate) fn new(zone: &TimeZone) -> Self {
        Self {
            zone: zone.to_fixed_offset().is_err().then(|| zone.clone()),
            ..Self::default()
        }
    }

    /// The position of the first record held back.
    pub(crate) fn held_at(&self) -> Option<Position> {
        self.held.first().map(|(_, at)| *at)
    }

    /// Starts a file. If only a part of it is read (`is_part`), the first record is not checked.
    pub(crate) fn begin_file(&mut self, modified: Option<Timestamp>, is_part: bool) {
        self.last = None;
        self.modified = modified;
        self.is_strict = !is_part;
        self.is_second_pass = false;
        self.needs_order = false;
        self.strays = 0;
    }

    /// Passes on the held records at the end of the file.
    pub(crate) fn end_file(&mut self, sink: &mut dyn Sink) {
        let late = |time: Timestamp| {
            self.modified
                .is_some_and(|modified| time.since(modified) > AHEAD)
        };
        let first = self.held.first().and_then(|(record, _)| record.timestamp);
        let is_stray = self.last.is_some() && first.is_some_and(late);
        self.release(is_stray, sink);
        self.last = None;
    }

    /// Wraps a sink so that it checks the time of each record it passes on.
    pub(crate) fn before<'c>(&'c mut self, sink: &'c mut dyn Sink) -> Timed<'c> {
        Timed { clock: self, sink }
    }

    /// Takes a record; moves its time to the second pass of its hour if it belongs there.
    fn take(&mut self, record: &Record<'_>, at: Position, sink: &mut dyn Sink) {
        let later = self.zone.as_ref().filter(|_| record.is_zoneless);
        let later = later.and_then(|zone| later_pass(record.timestamp?, zone));
        let (Some(time), Some(later)) = (record.timestamp, later) else {
            self.is_second_pass &= !record.is_zoneless;
            return self.take_at(record, at, sink);
        };
        let step_back = self.last.map_or(0, |last| last.since(time));
        self.is_second_pass |= step_back > STEP_BACK && self.last <= Some(later);
        if !self.is_second_pass {
            return self.take_at(record, at, sink);
        }
        self.needs_order = true;
        let second = Record {
            timestamp: Some(later),
            ..record.clone()
        };
        self.take_at(&second, at, sink);
    }

    fn take_at(&mut self, record: &Record<'_>, at: Position, sink: &mut dyn Sink) {
        let Some(time) = record.timestamp else {
            return self.hand_on(record, at, sink);
        };
        if let Some(why) = stands_for_none(time) {
            report(record, at, &why, sink);
            let timeless = Record {
                timestamp: None,
                ..record.clone()
            };
            return self.hand_on(&timeless, at, sink);
        }
        if self.held.is_empty() {
            return match self.last {
                Some(last) if time.since(last) > JUMP && self.strays < MOST_STRAYS => {
                    self.hold(record, at);
                }
                None if self.is_strict => self.hold(record, at),
                last => {
                    self.needs_order |= last.is_some_and(|last| last.since(time) > JUMP);
                    self.last = Some(time);
                    sink.record(record, at);
                }
            };
        }
        // Records are held: does this one confirm them?
        let first = self.held.iter().find_map(|(record, _)| record.timestamp);
        let is_back = first.is_some_and(|first| first.since(time) > JUMP);
        if is_back {
            self.needs_order = true;
            self.strays += 1;
            self.release(true, sink);
            self.last = Some(time);
            return sink.record(record, at);
        }
        let is_far = first.is_some_and(|first| time.since(first) > JUMP);
        if self.last.is_none() || is_far {
            // The second record confirms the first.
            self.release(false, sink);
            return self.take_at(record, at, sink);
        }
        self.hold(record, at);
        let timed = self
            .held
            .iter()
            .filter(|(held, _)| held.timestamp.is_some());
        if timed.count() > CONFIRMED {
            self.release(false, sink);
        }
    }

    fn hold(&mut self, record: &Record<'_>, at: Position) {
        // The next record confirms a first one, in any part of a file.
        self.needs_order |= self.last.is_some();
        self.held.push((record.clone().into_owned(), at));
    }

    /// Passes on a record without a time.
    fn hand_on(&mut self, record: &Record<'_>, at: Position, sink: &mut dyn Sink) {
        if self.held.is_empty() {
            return sink.record(record, at);
        }
        self.held.push((record.clone().into_owned(), at));
        if self.held.len() > MAX_HELD {
            self.release(false, sink);
        }
    }

    /// Passes on the held records; strays lose their times.
    fn release(&mut self, is_stray: bool, sink: &mut dyn Sink) {
        for (mut record, at) in std::mem::take(&mut self.held) {
            if let (true, Some(time)) = (is_stray, record.timestamp) {
                let why = format!("{time} is days later than the lines around it");
                report(&record, at, &why, sink);
                record.timestamp = None;
            }
            if let Some(time) = record.timestamp {
                self.last = Some(time);
            }
            sink.record(&record, at);
        }
    }
}

/// If `time` is the earlier of two instants with the same local time, returns the later one.
fn later_pass(time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let civil = zone.to_datetime(time.to_jiff());
    let both = zone.to_ambiguous_timestamp(civil);
    if !both.is_ambiguous() {
        return None;
    }
    let later = Timestamp::from(both.later().ok()?);
    (later > time).then_some(later)
}

/// Why a time is implausible; `None` if it is plausible.
fn stands_for_none(time: Timestamp) -> Option<String> {
    let is_outside = !(EARLIEST..LATEST).contains(&time.as_micros());
    let is_first_of_2000 = (Y2K..Y2K + 86_400).contains(&time.as_seconds());
    if is_outside || is_first_of_2000 || time.as_seconds() == LAST_OF_32_BITS {
        return Some(format!(
            "{time} is a placeholder or comes from a clock that was not set"
        ));
    }
    None
}

fn report(record: &Record<'_>, at: Position, why: &str, sink: &mut dyn Sink) {
    let message = record.message.as_deref().unwrap_or_default();
    let detail = format!("{why}: {}", dragline_schema::clip(message, 80));
    sink.problem(&Problem {
        kind: ProblemKind::NoTimestamp,
        at: Some(at),
        detail: detail.trim_end_matches(": "),
    });
}

/// Checks times before passing records to another sink.
pub(crate) struct Timed<'c> {
    clock: &'c mut Clock,
    sink: &'c mut dyn Sink,
}

impl Sink for Timed<'_> {
    fn file(&mut self, file: &SourceFile) {
        self.sink.file(file);
    }

    fn record(&mut self, record: &Record<'_>, at: Position) {
        // Fast path: nearly all records are close in time to the previous one.
        if let (Some(time), Some(last)) = (record.timestamp, self.clock.last)
            && self.clock.held.is_empty()
            && self.clock.zone.is_none()
            && USUAL.contains(&time.as_micros())
            && time.since(last).abs() <= JUMP
        {
            self.clock.last = Some(time);
            return self.sink.record(record, at);
        }
        self.clock.take(record, at, self.sink);
    }

    fn problem(&mut self, problem: &Problem<'_>) {
        self.sink.problem(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds of the times passed on (0 for none), and the number of problems reported.
    fn through(times: &[i64], modified: Option<i64>) -> (Vec<i64>, usize) {
        #[derive(Default)]
        struct Seen(Vec<i64>, usize);
        impl Sink for Seen {
            fn file(&mut self, _: &SourceFile) {}
            fn record(&mut self, record: &Record<'_>, at: Position) {
                assert_eq!(at.line, self.0.len() as u64);
                self.0
                    .push(record.timestamp.map_or(0, Timestamp::as_seconds));
            }
            fn problem(&mut self, _: &Problem<'_>) {
                self.1 += 1;
            }
        }
        let (mut seen, mut clock) = (Seen::default(), Clock::default());
        clock.begin_file(modified.map(Timestamp::from_seconds), false);
        for (line, time) in (0..).zip(times) {
            let record = Record {
                timestamp: (*time != 0).then(|| Timestamp::from_seconds(*time)),
                ..Record::default()
            };
            let at = Position {
                line,
                ..Position::default()
            };
            clock.before(&mut seen).record(&record, at);
        }
        clock.end_file(&mut seen);
        (seen.0, seen.1)
    }

    const DAY: i64 = 86_400;
    const START: i64 = 1_772_600_000;

    #[test]
    fn what_stands_for_no_time_is_none() {
        let times = [
            START,
            -62_135_596_800,
            5,
            253_402_300_799,
            2_147_483_647,
            START + 1,
        ];
        assert_eq!(
            through(&times, None),
            (vec![START, 0, 0, 0, 0, START + 1], 4)
        );
        assert_eq!(through(&[5], None), (vec![0], 1));
    }

    #[test]
    fn a_line_days_ahead_of_its_neighbours_is_a_stray() {
        let ahead = START + 16 * DAY;
        assert_eq!(
            through(&[START, START + 1, ahead, 0, START + 2, START + 3], None),
            (vec![START, START + 1, 0, 0, START + 2, START + 3], 1)
        );
        assert_eq!(
            through(&[ahead, START, START + 1], None).0,
            [0, START, START + 1]
        );
        // So are three in a row.
        let times = [START, ahead, ahead + 1, ahead + 2, START + 2];
        assert_eq!(through(&times, None), (vec![START, 0, 0, 0, START + 2], 3));
    }

    #[test]
    fn a_log_that_goes_on_after_days_is_as_it_says() {
        let later: Vec<i64> = (0..6).map(|nth| START + 30 * DAY + nth).collect();
        let times = [&[START, START + 1], &*later].concat();
        assert_eq!(through(&times, None), (times.clone(), 0));
        // The last line of a file whose modification time matches or is unknown.
        let times = [START, START + 30 * DAY];
        assert_eq!(through(&times, None), (times.to_vec(), 0));
        assert_eq!(through(&times, Some(START + 30 * DAY)), (times.to_vec(), 0));
        assert_eq!(through(&times, Some(START + 60)), (vec![START, 0], 1));
        // Two writers whose clocks differ by days.
        let times: Vec<i64> = (0..40).map(|n| START + n - n % 2 * 3 * DAY).collect();
        assert_eq!(through(&times, None).1, 2);
        // Days in reverse order, and a jump at every line.
        let times: Vec<i64> = (0..5).rev().map(|nth| START + nth * 5 * DAY).collect();
        assert_eq!(through(&times, None).0.len(), 5);
        let times: Vec<i64> = (0..5).map(|nth| START + nth * 5 * DAY).collect();
        assert_eq!(through(&times, None), (times.clone(), 0));
    }
}
