//! Times that cannot be right.
//!
//! Programs write times that stand for none (the year 1 of .NET and Go, 1970, 9999-12-31), clocks are not
//! set yet when a machine starts, and now and then one line has a time of its own: years ahead, or days. A
//! report that believes such a time tells of a period that nobody logged in, and of runs that were missed in
//! it. So a time outside of what logs are written in is none; and a line that is days later than the one
//! before it is held back until the next lines say whether the log went on there.
//!
//! Local clocks show an hour twice when they are set back. Lines are written in order: a time in such an hour
//! that is earlier than the one before is of the second pass.
//!
//! What is left out is a problem with its line, and the record counts without its time.

use std::time::Duration;

use dragline_schema::{Position, Problem, ProblemKind, Record, Sink, SourceFile, Timestamp};
use jiff::tz::TimeZone;

/// No log that is read is older than 1990 or of 2100 and later, in microseconds.
const EARLIEST: i64 = 631_152_000_000_000;
const LATEST: i64 = 4_102_444_800_000_000;
/// The last second of 32 bits with a sign (2038-01-19T03:14:07Z), which stands for "never".
const LAST_OF_32_BITS: i64 = 2_147_483_647;
/// 2000-01-01, where many clocks begin that lost their battery, in seconds.
const Y2K: i64 = 946_684_800;
/// From 2001 to 2037 no time stands for another thing than itself, in microseconds.
const USUAL: std::ops::Range<i64> = 978_307_200_000_000..2_145_916_800_000_000;
/// A line that is so much later than the one before it is to be confirmed.
const JUMP: i64 = Duration::from_hours(48).as_micros() as i64;
/// By so many lines behind it.
const CONFIRMED: usize = 4;
/// Who holds back does so with at most so many records.
const MAX_HELD: usize = 64;
/// Where lines were that much later so often, it is another writer's clock, and nobody's fault can be told.
const MOST_STRAYS: u32 = 2;
/// A last line that is so much later than its file was written is not confirmed.
const AHEAD: i64 = Duration::from_hours(24).as_micros() as i64;
/// A step back of so much, in an hour that local clocks show twice, begins its second pass.
const STEP_BACK: i64 = Duration::from_mins(1).as_micros() as i64;

/// What is known of the times of a file's records.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The time of the last record that is right.
    last: Option<Timestamp>,
    /// Records that are to be confirmed, and those behind them.
    held: Vec<(Record<'static>, Position)>,
    /// When the file was written.
    modified: Option<Timestamp>,
    /// The zone of times that name none, when it has hours that come twice.
    zone: Option<TimeZone>,
    /// Whether such an hour has come for the second time.
    is_second_pass: bool,
    /// Whether the first record is to be confirmed, too.
    is_strict: bool,
    /// How often lines were taken for strays in the file.
    strays: u32,
    /// Whether times depended on one another.
    pub(crate) needs_order: bool,
}

impl Clock {
    pub(crate) fn new(zone: &TimeZone) -> Self {
        Self {
            zone: zone.to_fixed_offset().is_err().then(|| zone.clone()),
            ..Self::default()
        }
    }

    /// Where the first record stands that is held.
    pub(crate) fn held_at(&self) -> Option<Position> {
        self.held.first().map(|(_, at)| *at)
    }

    /// A file begins. Who reads parts of it only cannot tell whether the first record is right.
    pub(crate) fn begin_file(&mut self, modified: Option<Timestamp>, is_part: bool) {
        self.last = None;
        self.modified = modified;
        self.is_strict = !is_part;
        self.is_second_pass = false;
        self.needs_order = false;
        self.strays = 0;
    }

    /// Hands over what is held at the file's end.
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

    /// A sink that looks at the times of what it hands on.
    pub(crate) fn before<'c>(&'c mut self, sink: &'c mut dyn Sink) -> Timed<'c> {
        Timed { clock: self, sink }
    }

    /// Takes a record, of the second pass of its hour where it is.
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
        // Something is held: is it what goes on?
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
            // A first record is confirmed by the second.
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
        // A first record is confirmed by the next, whichever part of a file they are in.
        self.needs_order |= self.last.is_some();
        self.held.push((record.clone().into_owned(), at));
    }

    /// Hands on a record that says nothing of the time.
    fn hand_on(&mut self, record: &Record<'_>, at: Position, sink: &mut dyn Sink) {
        if self.held.is_empty() {
            return sink.record(record, at);
        }
        self.held.push((record.clone().into_owned(), at));
        if self.held.len() > MAX_HELD {
            self.release(false, sink);
        }
    }

    /// Hands on what is held; strays without their times.
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

/// The later of two times that a local clock shows alike, when this is the earlier.
fn later_pass(time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let civil = zone.to_datetime(time.to_jiff());
    let both = zone.to_ambiguous_timestamp(civil);
    if !both.is_ambiguous() {
        return None;
    }
    let later = Timestamp::from(both.later().ok()?);
    (later > time).then_some(later)
}

/// Why a time is none that a log is written at.
fn stands_for_none(time: Timestamp) -> Option<String> {
    let is_outside = !(EARLIEST..LATEST).contains(&time.as_micros());
    let is_first_of_2000 = (Y2K..Y2K + 86_400).contains(&time.as_seconds());
    if is_outside || is_first_of_2000 || time.as_seconds() == LAST_OF_32_BITS {
        return Some(format!(
            "{time} stands for no time, or is of a clock that was not set"
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

/// A sink before another.
pub(crate) struct Timed<'c> {
    clock: &'c mut Clock,
    sink: &'c mut dyn Sink,
}

impl Sink for Timed<'_> {
    fn file(&mut self, file: &SourceFile) {
        self.sink.file(file);
    }

    fn record(&mut self, record: &Record<'_>, at: Position) {
        // Nearly all records are of the same time as the one before them.
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

    /// The seconds of the times that come through, 0 for none, and how many were told.
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
        // Three in a row are as little.
        let times = [START, ahead, ahead + 1, ahead + 2, START + 2];
        assert_eq!(through(&times, None), (vec![START, 0, 0, 0, START + 2], 3));
    }

    #[test]
    fn a_log_that_goes_on_after_days_is_as_it_says() {
        let later: Vec<i64> = (0..6).map(|nth| START + 30 * DAY + nth).collect();
        let times = [&[START, START + 1], &*later].concat();
        assert_eq!(through(&times, None), (times.clone(), 0));
        // The last line of all, in a file that was written then, or nobody knows when.
        let times = [START, START + 30 * DAY];
        assert_eq!(through(&times, None), (times.to_vec(), 0));
        assert_eq!(through(&times, Some(START + 30 * DAY)), (times.to_vec(), 0));
        assert_eq!(through(&times, Some(START + 60)), (vec![START, 0], 1));
        // Two writers, one of which is days behind.
        let times: Vec<i64> = (0..40).map(|n| START + n - n % 2 * 3 * DAY).collect();
        assert_eq!(through(&times, None).1, 2);
        // Logs of several days in the wrong order, and a pause in each line.
        let times: Vec<i64> = (0..5).rev().map(|nth| START + nth * 5 * DAY).collect();
        assert_eq!(through(&times, None).0.len(), 5);
        let times: Vec<i64> = (0..5).map(|nth| START + nth * 5 * DAY).collect();
        assert_eq!(through(&times, None), (times.clone(), 0));
    }
}
