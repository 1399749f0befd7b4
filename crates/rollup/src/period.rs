//! Determines the period that the logs cover.
//!
//! A few lines far from all others come from a wrong clock or another source. If they defined the end of the
//! period, everything at the real end of the logs would look weeks old: a blocked scraper would look like one
//! that had stopped running. If they defined the start, they would add years of silence.
//!
//! No line is later than the modification time of its file, and a file whose times jump ahead and come back
//! ends at its last record. The end of the logs is the latest of these ends of the files.

use std::collections::BTreeMap;

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

use crate::activity::ActivityRow;
use crate::rollup::FileEntry;

/// Strays are separated from all other lines by more than this, in microseconds, …
const LEAST_GAP: i64 = 2 * 86_400_000_000;
/// … by at least this many times the largest other gap, …
const TIMES: i64 = 3;
/// … and are at most this many lines, …
const FEW: u64 = 3;
/// … or at most one in this many.
const PART: u64 = 1000;
/// Lines later than the end of their files are strays if they are at most one in this many …
const DENIED_PART: u64 = 10;
/// … or one in this many if most files have plausible modification times.
const DENIED_BY_OTHERS: u64 = 2;
/// Minimum total number of lines; with fewer, strays cannot be identified.
const ENOUGH: u64 = 100;
/// Maximum difference between the clocks of machines and file systems, in microseconds.
const CLOCKS: i64 = 600_000_000;
/// Maximum difference for times without a zone, in microseconds.
const ZONES: i64 = 26 * 3_600_000_000;

/// Lines excluded from the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strays {
    /// Number of lines.
    pub events: u64,
    /// The time of the first line, rounded down to a bucket.
    pub from: Timestamp,
    /// Whether they are before the period, not after it.
    pub is_before: bool,
}

/// The first and the last time.
type Period = (Timestamp, Timestamp);

/// Returns the period without strays, and the strays.
pub(crate) fn without_strays(
    period: Option<Period>,
    activity: &[ActivityRow],
    width: i64,
    files: &BTreeMap<String, FileEntry>,
    now: Timestamp,
) -> (Option<Period>, Vec<Strays>) {
    let Some((mut first, mut last)) = period else {
        return (None, Vec::new());
    };
    let mut found = Vec::new();
    let mut rows = activity;
    let part = if say_when_they_end(files) {
        DENIED_BY_OTHERS
    } else {
        DENIED_PART
    };
    let denied = end_of_files(files, now).and_then(|end| denied(rows, end, width, part));
    let behind = denied.or_else(|| far(rows, width, false));
    if let Some((kept, strays, end)) = behind {
        last = end.clamp(first, last);
        rows = &rows[..kept];
        found.push(strays);
    }
    if let Some((dropped, strays, begin)) = far(rows, width, true) {
        first = begin.clamp(first, last);
        debug_assert!(dropped > 0, "there is at least one stray");
        found.push(strays);
    }
    (Some((first, last)), found)
}

/// How much later than its modification time a file's times may be, in microseconds. Times without a zone may
/// be in any zone.
fn tolerance(file: &FileEntry) -> i64 {
    if file.zoneless > 0 { ZONES } else { CLOCKS }
}

/// The latest end of all files, limited to their modification times and to `now`.
fn end_of_files(files: &BTreeMap<String, FileEntry>, now: Timestamp) -> Option<Timestamp> {
    let end = |file: &FileEntry| {
        let end = file.order.came_back_to().or(file.latest)?;
        let written = file.modified.map_or(now, |at| at.min(now));
        let latest = Timestamp::from_micros(written.as_micros().saturating_add(tolerance(file)));
        Some(end.min(latest))
    };
    files.values().filter_map(end).max()
}

/// Whether modification times are reliable: in most files, the last line is not later than the modification time.
fn say_when_they_end(files: &BTreeMap<String, FileEntry>) -> bool {
    let ends = |file: &FileEntry| Some((file.latest?, file.modified?, tolerance(file)));
    let all: Vec<_> = files.values().filter_map(ends).collect();
    let is_told = |(latest, written, tolerance): &&(Timestamp, Timestamp, i64)| {
        latest.as_micros() <= written.as_micros() + tolerance
    };
    all.iter().filter(is_told).count() * 2 > all.len()
}

/// The lines after the end of the files: the number of rows before them, the strays, and the end.
fn denied(
    rows: &[ActivityRow],
    end: Timestamp,
    width: i64,
    part: u64,
) -> Option<(usize, Strays, Timestamp)> {
    let kept = rows.partition_point(|row| row.start <= end.as_micros());
    let (total, events) = (sum(rows), sum(&rows[kept..]));
    let is_few = events > 0 && total >= ENOUGH && events <= total / part;
    let from = Timestamp::from_micros(rows.get(kept)?.start);
    // The modification time may be long after the last line.
    let last = rows[..kept].last()?.start + width - 1;
    let end = end.min(Timestamp::from_micros(last));
    let strays = Strays {
        events,
        from,
        is_before: false,
    };
    is_few.then_some((kept, strays, end))
}

fn sum(rows: &[ActivityRow]) -> u64 {
    rows.iter().map(|row| row.counters.events).sum()
}

/// The strays at one end of the rows, which are sorted by time: the index of the cut, the strays, and the end or
/// start of the other rows.
fn far(rows: &[ActivityRow], width: i64, is_before: bool) -> Option<(usize, Strays, Timestamp)> {
    let total = sum(rows);
    let most = FEW.max(total / PART);
    if total < ENOUGH {
        return None;
    }
    let gap = |place: usize| rows[place].start - rows[place - 1].start;
    let cut = |place: &usize| gap(*place) > LEAST_GAP;
    let cut = if is_before {
        (1..rows.len())
            .take_while(|at| sum(&rows[..*at]) <= most)
            .find(cut)
    } else {
        let is_few = |at: &usize| sum(&rows[*at..]) <= most;
        (1..rows.len()).rev().take_while(is_few).find(cut)
    }?;
    let (before, behind) = rows.split_at(cut);
    let (others, strays) = if is_before {
        (behind, before)
    } else {
        (before, behind)
    };
    let usual = others.windows(2).map(|pair| pair[1].start - pair[0].start);
    if usual.max().unwrap_or(0).max(width) * TIMES > gap(cut) {
        return None;
    }
    let told = Strays {
        events: sum(strays),
        from: Timestamp::from_micros(strays.first()?.start),
        is_before,
    };
    let end = if is_before {
        others.first()?.start
    } else {
        others.last()?.start + width - 1
    };
    Some((cut, told, Timestamp::from_micros(end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Counters;
    use crate::order::Order;

    const HOUR: i64 = 3_600_000_000;
    const NOW: fn() -> Timestamp = || Timestamp::from_micros(i64::MAX / 2);

    fn rows(hours: &[(i64, u64)]) -> Vec<ActivityRow> {
        let row = |(hour, events): &(i64, u64)| ActivityRow {
            start: hour * HOUR,
            run: 0,
            counters: Counters {
                events: *events,
                ..Counters::default()
            },
        };
        hours.iter().map(row).collect()
    }

    fn end_of(hours: &[(i64, u64)]) -> (i64, u64) {
        let last = hours.last().unwrap().0;
        let period = Some((
            Timestamp::from_micros(0),
            Timestamp::from_micros((last + 1) * HOUR - 1),
        ));
        let (period, strays) = without_strays(period, &rows(hours), HOUR, &BTreeMap::new(), NOW());
        let end = (period.unwrap().1.as_micros() + 1) / HOUR;
        (end, strays.iter().map(|strays| strays.events).sum())
    }

    #[test]
    fn a_few_lines_far_behind_all_others_are_not_the_end() {
        let busy: Vec<(i64, u64)> = (0..100).map(|hour| (hour, 50)).collect();
        assert_eq!(end_of(&[&*busy, &[(100 + 16 * 24, 1)]].concat()), (100, 1));
        assert_eq!(end_of(&[&*busy, &[(900, 1), (901, 2)]].concat()), (100, 3));
        // A run after a pause, and a pause that is usual.
        assert_eq!(end_of(&[&*busy, &[(900, 40)]].concat()), (901, 0));
        assert_eq!(end_of(&busy), (100, 0));
        let weekly: Vec<(i64, u64)> = (0..60).map(|week| (week * 168, 3)).collect();
        assert_eq!(end_of(&weekly).1, 0);
        assert_eq!(end_of(&[(0, 5), (500, 1)]), (501, 0));
    }

    /// The hour in which the period ends, for a file with this order and modification time.
    fn end_with(hours: &[(i64, u64)], order: Order, modified: Option<i64>) -> i64 {
        let at = |hour: i64| Timestamp::from_micros(hour * HOUR);
        let last = at(hours.last().unwrap().0);
        let file = FileEntry {
            latest: Some(last),
            modified: modified.map(at),
            order,
            ..FileEntry::default()
        };
        let files = BTreeMap::from([("a".to_owned(), file)]);
        let (period, _) = without_strays(Some((at(0), last)), &rows(hours), HOUR, &files, NOW());
        period.unwrap().1.as_micros() / HOUR
    }

    #[test]
    fn the_files_say_when_they_end() {
        let busy: Vec<(i64, u64)> = (0..100).map(|hour| (hour, 50)).collect();
        let ahead = [&*busy, &[(112, 100)]].concat();
        let in_order = Order::default();
        assert_eq!(end_with(&ahead, in_order, None), 112);
        assert_eq!(end_with(&ahead, in_order, Some(99)), 99);
        assert_eq!(end_with(&ahead, in_order, Some(500)), 112);
        let came_back = Order {
            last: Some((9, Timestamp::from_micros(99 * HOUR))),
            steps_back: 1,
        };
        assert_eq!(end_with(&ahead, came_back, None), 99);
        // Two logs in the wrong order: half of the lines are not strays.
        let two = Order {
            last: Some((9, Timestamp::from_micros(50 * HOUR))),
            steps_back: 1,
        };
        assert_eq!(end_with(&busy, two, None), 99);
    }

    #[test]
    fn nothing_is_to_come_and_no_zone_is_a_day_ahead() {
        let at = |hour: i64| Timestamp::from_micros(hour * HOUR);
        let busy: Vec<(i64, u64)> = (0..100).map(|hour| (hour, 50)).collect();
        let ahead = [&*busy, &[(300, 100)]].concat();
        let file = |latest: i64, modified: i64| FileEntry {
            latest: Some(at(latest)),
            modified: Some(at(modified)),
            zoneless: 1,
            ..FileEntry::default()
        };
        let end = |files: [FileEntry; 2], now: i64| {
            let named = files
                .into_iter()
                .zip(0..)
                .map(|(file, i)| (i.to_string(), file));
            let period = Some((at(0), at(300)));
            let (period, _) =
                without_strays(period, &rows(&ahead), HOUR, &named.collect(), at(now));
            period.unwrap().1.as_micros() / HOUR
        };
        assert_eq!(end([file(99, 99), file(300, 99)], 500), 99);
        assert_eq!(end([file(99, 99), file(300, 300)], 500), 300);
        // The wrong clock also set the modification time.
        assert_eq!(end([file(99, 99), file(300, 300)], 100), 99);
        // Times without a zone may be ahead of the modification time.
        assert_eq!(end([file(99, 80), file(99, 80)], 81), 99);
    }

    #[test]
    fn most_files_deny_what_one_says_of_the_future() {
        let at = |hour: i64| Timestamp::from_micros(hour * HOUR);
        let hours = [
            &(0..100).map(|hour| (hour, 50)).collect::<Vec<_>>()[..],
            &[(300, 2000)],
        ]
        .concat();
        let file = |latest: i64, modified: i64| FileEntry {
            latest: Some(at(latest)),
            modified: Some(at(modified)),
            ..FileEntry::default()
        };
        let end = |files: &[FileEntry]| {
            let named = files
                .iter()
                .enumerate()
                .map(|(i, file)| (i.to_string(), file.clone()));
            let period = Some((at(0), at(300)));
            let (period, _) = without_strays(period, &rows(&hours), HOUR, &named.collect(), NOW());
            period.unwrap().1.as_micros() / HOUR
        };
        let told = [file(99, 99), file(50, 50), file(300, 99)];
        assert_eq!(end(&told), 99);
        // The modification times are from a copy and say nothing about the lines.
        assert_eq!(end(&[file(99, 50), file(300, 60)]), 300);
        // The last line is the end, not the modification time.
        let touched = [file(99, 200), file(50, 200), file(300, 200)];
        assert_eq!(end(&touched), 99);
    }

    #[test]
    fn a_few_lines_years_before_all_others_are_not_the_beginning() {
        let years = 10 * 365 * 24;
        let busy: Vec<(i64, u64)> = (0..100).map(|hour| (years + hour, 50)).collect();
        let all = [&[(0, 1)], &*busy].concat();
        let period = Some((
            Timestamp::from_micros(0),
            Timestamp::from_micros((years + 100) * HOUR),
        ));
        let (period, strays) = without_strays(period, &rows(&all), HOUR, &BTreeMap::new(), NOW());
        assert_eq!(period.unwrap().0.as_micros(), years * HOUR);
        assert!(strays.len() == 1 && strays[0].is_before && strays[0].events == 1);
    }
}
