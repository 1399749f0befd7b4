//! When the logs end.
//!
//! A few lines far behind all others are a wrong clock, or a line from somewhere else. As the end of the
//! period they would turn everything that was the case at the end of the logs into the past: who is blocked
//! would be somebody who has not come for weeks.

use dragline_schema::Timestamp;

use crate::finish::ActivityRow;

/// Lines that stand so far behind all others, in microseconds, …
const LEAST_GAP: i64 = 2 * 86_400_000_000;
/// … and so many times as far as any others do, are strays, …
const TIMES: i64 = 3;
/// … when they are so few, or one of so many parts.
const FEW: u64 = 3;
const PART: u64 = 1000;
/// Of fewer lines in all nobody can tell which are the strays.
const ENOUGH: u64 = 100;

/// Lines that stand behind the end of the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strays {
    /// How many.
    pub events: u64,
    /// The time of the first, to the width of a bucket.
    pub from: Timestamp,
}

/// The period without strays at its end, and those.
pub(crate) fn without_strays(
    period: Option<(Timestamp, Timestamp)>,
    activity: &[ActivityRow],
    width: i64,
) -> (Option<(Timestamp, Timestamp)>, Option<Strays>) {
    let found = period.and_then(|(first, last)| {
        let (strays, end) = strays(activity, width)?;
        Some(((first, end.clamp(first, last)), strays))
    });
    match found {
        Some((period, strays)) => (Some(period), Some(strays)),
        None => (period, None),
    }
}

/// The strays, and the end of what is before them. The rows are in the order of time.
fn strays(activity: &[ActivityRow], width: i64) -> Option<(Strays, Timestamp)> {
    let total: u64 = activity.iter().map(|row| row.counters.events).sum();
    let most = FEW.max(total / PART);
    let mut events = 0;
    let mut at = activity.len();
    for (place, pair) in activity.windows(2).enumerate().rev() {
        events += pair[1].counters.events;
        if events > most || total < ENOUGH {
            return None;
        }
        if pair[1].start - pair[0].start > LEAST_GAP {
            at = place + 1;
            break;
        }
    }
    let (before, behind) = activity.split_at_checked(at)?;
    let gap = behind.first()?.start - before.last()?.start;
    let usual = before.windows(2).map(|pair| pair[1].start - pair[0].start);
    if usual.max().unwrap_or(0).max(width) * TIMES > gap {
        return None;
    }
    let from = Timestamp::from_micros(behind.first()?.start);
    let end = Timestamp::from_micros(before.last()?.start + width - 1);
    Some((Strays { events, from }, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Counters;

    const HOUR: i64 = 3_600_000_000;

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
        let (period, strays) = without_strays(period, &rows(hours), HOUR);
        let end = (period.unwrap().1.as_micros() + 1) / HOUR;
        (end, strays.map_or(0, |strays| strays.events))
    }

    #[test]
    fn a_few_lines_far_behind_all_others_are_not_the_end() {
        let busy: Vec<(i64, u64)> = (0..100).map(|hour| (hour, 50)).collect();
        assert_eq!(end_of(&[&*busy, &[(100 + 16 * 24, 1)]].concat()), (100, 1));
        assert_eq!(end_of(&[&*busy, &[(900, 1), (901, 2)]].concat()), (100, 3));
        // A run that came after a pause, and a pause that is usual.
        assert_eq!(end_of(&[&*busy, &[(900, 40)]].concat()), (901, 0));
        assert_eq!(end_of(&busy), (100, 0));
        let weekly: Vec<(i64, u64)> = (0..60).map(|week| (week * 168, 3)).collect();
        assert_eq!(end_of(&weekly).1, 0);
        assert_eq!(end_of(&[(0, 5), (500, 1)]), (501, 0));
    }
}
