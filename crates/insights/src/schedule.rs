//! Learns from past starts when runs are due.
//!
//! Starts at the same time of day form a slot. A slot is due on a day if runs started in it on most
//! earlier days, counting either all days or only that day of the week. Hindsight corrects this: on a
//! kind of day that was never kept (weekends, Mondays), nothing was due. If no slot is ever due but runs
//! start at regular intervals, the next run is due one interval after the last.

use crate::series::DAY;
use crate::series::{HOUR, MINUTE, weekday};
use crate::stats::{MAD_SCALE, median};

/// Starts at least this far apart in the day belong to different slots.
const APART: i64 = 30 * MINUTE;
/// Minimum number of days with a start in a slot.
const LEAST_DAYS: usize = 5;
/// Minimum share of days with a start for a slot to be due.
const KEPT: f64 = 0.8;
/// Minimum interval of a schedule; more frequent runs are a loop or a test.
const LEAST_INTERVAL: i64 = 5 * MINUTE;
/// A scraper that missed this many intervals, or did not run for [`LONGEST_LAPSE`], counts as retired; later
/// misses are not reported. This also bounds the work that one wrong timestamp can cause.
const MOST_MISSED: i64 = 1000;
pub(crate) const LONGEST_LAPSE: i64 = 100 * DAY;
/// Maximum number of days examined.
const MOST_DAYS: i64 = 3660;
/// After this number of days with starts at a new time only, a slot has moved there.
const MOVED_DAYS: usize = 3;
/// The longest pause between the runs of two days of which nothing is known yet.
const LONGEST_NIGHT: i64 = 16 * HOUR;
/// A run that did not start this long after its usual time is missed at the earliest: clocks change by an hour.
const LEAST_GRACE: i64 = 75 * MINUTE;
/// Minimum delay to count as late.
const LATE: i64 = 45 * MINUTE;

/// Consecutive runs that did not start when they were due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lapse {
    /// When the first was due.
    pub(crate) due: i64,
    /// When it started instead, if all of them started late; `None` if at least one did not start.
    pub(crate) began: Option<i64>,
    /// The number of runs that did not start or, if all started, that were late.
    pub(crate) count: usize,
    /// The usual time from one run to the next.
    pub(crate) interval: i64,
    /// Whether no run started since.
    pub(crate) is_open: bool,
}

/// The lapses of a scraper until `end`, given its start times. `others` are starts of runs that may also be its own,
/// because their log does not say which site they are for: they teach no schedule, but no run is missed at their time.
pub(crate) fn lapses(starts: &[i64], others: &[i64], end: i64) -> Vec<Lapse> {
    let mut starts = starts.to_vec();
    starts.sort_unstable();
    let mut all = [&starts, others].concat();
    all.sort_unstable();
    let last = starts.last().copied().unwrap_or(end);
    let end = end.min(last.saturating_add(LONGEST_LAPSE));
    let slots = slots(&starts);
    let mut due = by_slots(&slots, &all, end);
    if due.is_empty() {
        due = by_interval(&starts, &all, end, least_interval(&slots));
    }
    joined(&due, &all)
}

/// When a run is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    /// The usual time.
    pub(crate) due: i64,
    /// From this time on it counts as missed.
    pub(crate) missed: i64,
}

/// What the starts of a scraper teach about the next ones.
pub(crate) struct Schedule {
    /// In order of time.
    starts: Vec<i64>,
    slots: Vec<Slot>,
    interval: Option<i64>,
    /// A pause that may be the nights of a scraper whose days are not known yet.
    night: i64,
}

impl Schedule {
    pub(crate) fn learn(starts: &[i64]) -> Self {
        let mut starts = starts.to_vec();
        starts.sort_unstable();
        let slots = slots(&starts);
        let interval = usual_interval(&starts, least_interval(&slots));
        let night = night(&starts);
        Self {
            starts,
            slots,
            interval,
            night,
        }
    }

    /// Whether runs ever kept a time of day or an interval.
    pub(crate) fn is_known(&self) -> bool {
        !self.slots.is_empty() || self.interval.is_some()
    }

    /// The first run that is due after a start; `None` without a schedule. A start shortly before the usual time is that
    /// of the usual time.
    pub(crate) fn after_start(&self, start: i64) -> Option<Deadline> {
        self.after(start, Slot::early)
    }

    /// The first run that is due after a moment at which a run was active.
    pub(crate) fn after_moment(&self, moment: i64) -> Option<Deadline> {
        self.after(moment, |_, _| 0)
    }

    /// How much later than the slots runs start since the clocks of their zone were changed: an hour, or nothing.
    fn shift_at(&self, now: i64) -> i64 {
        let end = self.starts.partition_point(|start| *start <= now);
        // Without the last hours of the day before, which kept the old time.
        let first = self
            .starts
            .partition_point(|start| *start <= now - DAY + 2 * HOUR);
        let recent = &self.starts[first.min(end)..end];
        clock_change(
            &self.slots,
            now.div_euclid(DAY),
            recent,
            recent.last().copied(),
        )
    }

    fn after(&self, from: i64, early: impl Fn(&Slot, i64) -> i64) -> Option<Deadline> {
        let today = from.div_euclid(DAY);
        let own = self
            .slots
            .iter()
            .filter(|slot| slot.moved.is_none_or(|moved| moved > today));
        let interval = DAY / (own.count() as i64).max(1);
        let shift = self.shift_at(from);
        // A slot that is kept on one day of the week is due within eight days.
        let by_slot = (today - 1..=today + 8).flat_map(|day| {
            let due = self.slots.iter().filter(move |slot| slot.is_due(day));
            due.map(move |slot| (day * DAY + slot.time + shift, slot))
        });
        let after = by_slot.filter(|(at, slot)| at - early(slot, interval) > from);
        if let Some((due, slot)) = after.min_by_key(|(at, _)| *at) {
            let missed = due + slot.limit(interval).max(LEAST_GRACE);
            return Some(Deadline { due, missed });
        }
        let due = from + self.interval?;
        let missed = due + interval_limit(self.interval?).max(self.night);
        Some(Deadline { due, missed })
    }
}

/// A time of day at which runs start.
#[derive(Debug)]
struct Slot {
    /// Microseconds since midnight.
    time: i64,
    spread: i64,
    /// The days on which a run started in it.
    days: Vec<i64>,
    /// The first day on which it is known that runs start at another time instead.
    moved: Option<i64>,
}

/// A run that was due, and when it started.
#[derive(Debug, Clone, Copy)]
struct Due {
    at: i64,
    began: Option<i64>,
    interval: i64,
    is_late: bool,
}

/// The shift of a scraper that runs several times a day by a zone with summer time: an hour, if recent starts keep the slots
/// of a day better with it than without it. If the `last` start keeps none without it, the shift is new.
fn clock_change(slots: &[Slot], day: i64, recent: &[i64], last: Option<i64>) -> i64 {
    let known: Vec<&Slot> = slots.iter().filter(|slot| slot.is_known(day)).collect();
    let interval = DAY / (known.len() as i64).max(1);
    let is_kept = |start: i64| {
        let mut known = known.iter();
        known.any(|slot| slot.is_near(start, interval))
    };
    let kept = |shift: i64| {
        let starts = recent.iter().filter(|start| is_kept(**start - shift));
        starts.count()
    };
    let new = last.filter(|last| !is_kept(*last));
    let shifts = [-HOUR, HOUR].into_iter();
    let shifts = shifts.filter(|shift| new.is_none_or(|last| is_kept(last - shift)));
    let best = shifts.map(|shift| (kept(shift), shift)).max();
    best.filter(|(count, _)| new.is_some() || *count > kept(0))
        .map_or(0, |(_, shift)| shift)
}

/// The longest pause of less than a day, while too few days are known to tell nights from failures. On the first day it is as
/// long as a night may be.
fn night(starts: &[i64]) -> i64 {
    let span = starts.first().zip(starts.last());
    match span.map_or(0, |(first, last)| last - first) {
        span if span < DAY => LONGEST_NIGHT,
        span if span < LEAST_DAYS as i64 * DAY => {
            let pauses = starts.windows(2).map(|pair| pair[1] - pair[0]);
            pauses.filter(|pause| *pause < DAY).max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// With slots that are not kept every day, only an interval of more than a day is a schedule.
fn least_interval(slots: &[Slot]) -> i64 {
    if slots.is_empty() {
        LEAST_INTERVAL
    } else {
        DAY * 3 / 2
    }
}

fn slots(starts: &[i64]) -> Vec<Slot> {
    let mut times: Vec<i64> = starts.iter().map(|at| at.rem_euclid(DAY)).collect();
    times.sort_unstable();
    // Split the day at its longest pause.
    let pauses = times
        .iter()
        .zip(times.iter().skip(1))
        .map(|(a, b)| (b - a, *b));
    let over_midnight = times
        .first()
        .zip(times.last())
        .map(|(a, b)| (a + DAY - b, *a));
    let Some((_, cut)) = pauses.chain(over_midnight).max() else {
        return Vec::new();
    };
    let mut shifted: Vec<(i64, i64)> = starts
        .iter()
        .map(|at| ((at - cut).rem_euclid(DAY), (at - cut).div_euclid(DAY)))
        .collect();
    shifted.sort_unstable();
    let clusters = shifted.chunk_by(|a, b| b.0 - a.0 < APART);
    let clusters: Vec<Cluster> = clusters.filter_map(Cluster::of).collect();
    let slots = clusters.iter().filter(|cluster| cluster.is_slot());
    slots
        .map(|cluster| Slot {
            time: cut + cluster.middle,
            spread: cluster.spread,
            days: cluster.days.clone(),
            moved: cluster.moved(&clusters),
        })
        .collect()
}

/// Starts at nearly the same time of day.
struct Cluster {
    middle: i64,
    spread: i64,
    days: Vec<i64>,
    starts: usize,
}

impl Cluster {
    fn of(starts: &[(i64, i64)]) -> Option<Self> {
        let times: Vec<f64> = starts.iter().map(|(time, _)| *time as f64).collect();
        let middle = median(&times)?;
        let deviations: Vec<f64> = times.iter().map(|time| (time - middle).abs()).collect();
        let mut days: Vec<i64> = starts.iter().map(|(_, day)| *day).collect();
        days.sort_unstable();
        days.dedup();
        Some(Self {
            middle: middle as i64,
            spread: (median(&deviations).unwrap_or(0.0) * MAD_SCALE) as i64,
            days,
            starts: starts.len(),
        })
    }

    /// A cluster with many starts per day is not a time of day.
    fn is_slot(&self) -> bool {
        self.days.len() >= LEAST_DAYS && self.starts < self.days.len() * 3 / 2
    }

    /// The day after some on which runs started at a time that was not used before the last start of this one.
    fn moved(&self, all: &[Self]) -> Option<i64> {
        let last = *self.days.last()?;
        let later = all.iter().filter(|other| other.days.first() > Some(&last));
        let known = later.filter_map(|other| other.days.get(MOVED_DAYS - 1));
        known.map(|day| day + 1).min()
    }
}

impl Slot {
    /// Whether it had been kept for long enough before a day, and runs had not moved to another time.
    fn is_known(&self, day: i64) -> bool {
        let is_learned = self
            .days
            .get(LEAST_DAYS - 1)
            .is_some_and(|last| *last < day);
        is_learned && self.moved.is_none_or(|moved| moved > day)
    }

    /// Whether a time is nearly its time of day.
    fn is_near(&self, at: i64, interval: i64) -> bool {
        let off = (at - self.time).rem_euclid(DAY);
        off.min(DAY - off) <= self.early(interval).min(APART / 2)
    }

    /// How much earlier than usual a run may start.
    fn early(&self, interval: i64) -> i64 {
        APART
            .max(4 * self.spread)
            .max(interval / 8)
            .min(interval / 3)
    }

    /// How much later than usual a run may start without being late.
    fn limit(&self, interval: i64) -> i64 {
        LATE.max(interval * 3 / 20).max(6 * self.spread)
    }

    /// Whether it is due on a day, judged by earlier days.
    fn is_due(&self, day: i64) -> bool {
        if self.moved.is_some_and(|moved| day >= moved) {
            return false;
        }
        let before: Vec<i64> = self
            .days
            .iter()
            .copied()
            .filter(|kept| *kept < day)
            .collect();
        let Some(first) = before.first() else {
            return false;
        };
        let kept_of = |is_one: &dyn Fn(i64) -> bool, least: usize| {
            // Ignore the days since the last start: the pause under examination may be days long.
            let last = before.last().copied().unwrap_or(day);
            let all = (*first..=last).filter(|day| is_one(*day)).count();
            let kept = before.iter().filter(|day| is_one(**day)).count();
            kept >= least && kept as f64 >= KEPT * all as f64
        };
        let weekday_of = |other: i64| weekday(other * DAY + self.time);
        let same = |other: i64| weekday_of(other) == weekday_of(day);
        if self.is_never_kept(day, &same) {
            return false;
        }
        let is_usual = kept_of(&|_| true, LEAST_DAYS) && self.is_kept_in_hindsight(&same);
        is_usual || (kept_of(&same, 2) && before.len() >= LEAST_DAYS)
    }

    /// Whether no run ever started in it on this kind of day: on any weekday or any weekend, or, if there were
    /// several, on this day of the week.
    fn is_never_kept(&self, day: i64, same: &dyn Fn(i64) -> bool) -> bool {
        let is_weekend = |other: i64| weekday(other * DAY + self.time) >= 5;
        let is_kind_kept = self
            .days
            .iter()
            .any(|kept| is_weekend(*kept) == is_weekend(day));
        let (first, last) = (self.days.first(), self.days.last());
        let period = first.copied().unwrap_or(day)..=last.copied().unwrap_or(day).max(day);
        let occurs = period.filter(|day| same(*day)).count();
        !is_kind_kept || (occurs > 1 && !self.days.iter().any(|kept| same(*kept)))
    }

    /// Whether, over the whole period, it was kept on at least half of these days.
    fn is_kept_in_hindsight(&self, same: &dyn Fn(i64) -> bool) -> bool {
        let (Some(first), Some(last)) = (self.days.first(), self.days.last()) else {
            return false;
        };
        let all = (*first..=*last).filter(|day| same(*day)).count();
        let kept = self.days.iter().filter(|day| same(**day)).count();
        all <= 1 || kept * 2 >= all
    }
}

fn by_slots(slots: &[Slot], starts: &[i64], end: i64) -> Vec<Due> {
    let mut expected: Vec<(i64, &Slot)> = Vec::new();
    let first = slots.iter().filter_map(|slot| slot.days.first()).min();
    let last = slots
        .iter()
        .map(|slot| (end - slot.time).div_euclid(DAY))
        .max();
    // If runs are years apart, examine only the last years.
    let last = last.unwrap_or(-1);
    let first = first.copied().unwrap_or(0).max(last - MOST_DAYS);
    for day in first..=last {
        let of_day = starts.partition_point(|start| *start < day * DAY)
            ..starts.partition_point(|start| *start < (day + 1) * DAY);
        let shift = clock_change(slots, day, &starts[of_day], None);
        let due = slots.iter().filter(|slot| slot.is_due(day));
        expected.extend(due.map(|slot| (day * DAY + slot.time + shift, slot)));
    }
    expected.sort_by_key(|(at, _)| *at);
    let mut found = Vec::new();
    for (place, (at, slot)) in expected.iter().enumerate() {
        let next = expected.get(place + 1).map(|(next, _)| *next);
        let interval = next.map_or(DAY / slots.len() as i64, |next| next - at);
        let early = slot.early(interval);
        let until = next.unwrap_or(at + interval) - early;
        let next = starts.partition_point(|start| *start < at - early);
        let began = starts.get(next).copied().filter(|start| *start < until);
        let limit = slot.limit(interval);
        let is_late = began.is_some_and(|began| began - at > limit);
        // A run that may still start is not missed.
        if began.is_some() || end - at > limit.max(LEAST_GRACE) {
            found.push(Due {
                at: *at,
                began,
                interval,
                is_late,
            });
        }
    }
    found
}

/// The regular interval between runs, at least `least`; `None` if there is none.
fn usual_interval(starts: &[i64], least: i64) -> Option<i64> {
    let gaps: Vec<f64> = starts
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) as f64)
        .collect();
    let is_schedule = |usual: &f64| *usual >= least as f64 && gaps.len() >= 8;
    let usual = median(&gaps).filter(is_schedule)?;
    let deviations: Vec<f64> = gaps.iter().map(|gap| (gap - usual).abs()).collect();
    if median(&deviations).is_none_or(|middle| middle * MAD_SCALE > usual * 0.1) {
        return None;
    }
    let interval = usual as i64;
    // Bursts with long pauses between them are no regular interval.
    let span = starts
        .last()
        .zip(starts.first())
        .map_or(0, |(last, first)| last - first);
    (span / interval <= 2 * starts.len() as i64).then_some(interval)
}

/// How long after a regular interval a run counts as missed.
fn interval_limit(interval: i64) -> i64 {
    LATE.max(interval * 4 / 5)
}

fn by_interval(starts: &[i64], all: &[i64], end: i64, least: i64) -> Vec<Due> {
    let Some(interval) = usual_interval(starts, least) else {
        return Vec::new();
    };
    let limit = interval_limit(interval);
    // Skip the first starts, from which the interval was learned.
    let learned = starts.get(LEAST_DAYS).copied().unwrap_or(i64::MAX);
    let known = &all[all.partition_point(|start| *start < learned)..];
    let pairs = known
        .iter()
        .zip(known.iter().skip(1).map(Some).chain([None]));
    pairs
        .flat_map(|(start, next)| {
            let until = next.copied().unwrap_or(end);
            let missed = ((until - start - limit) / interval).clamp(0, MOST_MISSED);
            let due = move |number| start + number * interval;
            (1..=missed).map(move |number| Due {
                at: due(number),
                began: None,
                interval,
                is_late: false,
            })
        })
        .collect()
}

/// Joins consecutive lapses: a run that is missed and the next one that is late have one cause.
fn joined(all: &[Due], starts: &[i64]) -> Vec<Lapse> {
    let is_lapse = |due: &Due| due.began.is_none() || due.is_late;
    let rows = all.chunk_by(|a, b| is_lapse(a) == is_lapse(b));
    rows.filter(|row| is_lapse(&row[0]))
        .map(|row| {
            let missed = row.iter().filter(|due| due.began.is_none()).count();
            let late = row.iter().rposition(|due| due.began.is_some());
            let rest = &row[late.map_or(0, |late| late + 1)..];
            let is_open = rest.first().is_some_and(|first| {
                let mut starts = starts.iter();
                starts.all(|start| *start < first.at)
            });
            Lapse {
                due: row[0].at,
                began: row[0].began.filter(|_| missed == 0),
                count: if missed > 0 { missed } else { row.len() },
                interval: row[0].interval,
                is_open,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts at 06:00 and 18:00 every day, with a few minutes of jitter.
    fn twice_a_day(days: i64) -> Vec<i64> {
        (0..days)
            .flat_map(|day| {
                let jitter = (day * 37 % 7) * MINUTE;
                [6, 18].map(|hour| day * DAY + hour * HOUR + jitter)
            })
            .collect()
    }

    #[test]
    fn who_keeps_the_time_has_no_lapse() {
        let starts = twice_a_day(20);
        assert_eq!(lapses(&starts, &[], 20 * DAY), []);
        // No run is late before it is due.
        assert_eq!(lapses(&starts, &[], 20 * DAY + 6 * HOUR + 5 * MINUTE), []);
        assert_eq!(lapses(&[], &[], 20 * DAY), []);
        assert_eq!(lapses(&starts[..3], &[], 20 * DAY), []);
    }

    #[test]
    fn what_was_due_and_did_not_come_is_missed() {
        let mut starts = twice_a_day(20);
        starts.retain(|at| at.div_euclid(DAY) != 15 || at.rem_euclid(DAY) > 12 * HOUR);
        let found = lapses(&starts, &[], 20 * DAY);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((found[0].due - (15 * DAY + 6 * HOUR)).abs() < 10 * MINUTE);
        assert_eq!(
            (found[0].began, found[0].count, found[0].is_open),
            (None, 1, false)
        );
        let found = lapses(&twice_a_day(20), &[], 22 * DAY);
        assert_eq!(
            (found.len(), found[0].count, found[0].is_open),
            (1, 4, true),
            "{found:?}"
        );
    }

    #[test]
    fn a_time_that_moved_is_due_at_the_old_one_for_some_days_only() {
        // From 06:00 to 14:00 after 30 days.
        let start = |day: i64| day * DAY + if day < 30 { 6 } else { 14 } * HOUR;
        let until = |days: i64| (0..days).map(start).collect::<Vec<i64>>();
        let due = |days: i64| {
            let starts = until(days);
            let next = Schedule::learn(&starts).after_start(starts[starts.len() - 1]);
            next.map(|next| (next.due - days * DAY) / HOUR)
        };
        assert_eq!([30, 31, 32].map(due), [Some(6), Some(6), Some(6)]);
        assert_eq!([33, 34].map(due), [None, None]);
        assert_eq!([35, 40, 60].map(due), [Some(14), Some(14), Some(14)]);
        // In hindsight, too, no more than that was missed.
        let found = lapses(&until(60), &[], 60 * DAY);
        let missed: usize = found.iter().map(|lapse| lapse.count).sum();
        assert!((1..=MOVED_DAYS).contains(&missed), "{found:?}");
        // One of two times that is kept no longer is no move.
        let mut twice = twice_a_day(30);
        twice.retain(|at| *at < 20 * DAY || at.rem_euclid(DAY) > 12 * HOUR);
        let last = twice[twice.len() - 1];
        let next = Schedule::learn(&twice).after_start(last).unwrap();
        assert_eq!(next.due.rem_euclid(DAY) / HOUR, 6);
    }

    #[test]
    fn a_run_some_hours_early_is_that_of_the_day() {
        let mut starts: Vec<i64> = (0..30).map(|day| day * DAY + 6 * HOUR).collect();
        starts.push(30 * DAY + 3 * HOUR + 5 * MINUTE);
        let next = Schedule::learn(&starts).after_start(starts[30]).unwrap();
        assert_eq!(next.due, 31 * DAY + 6 * HOUR);
        // One in the night before is not.
        starts[30] = 29 * DAY + 23 * HOUR;
        let next = Schedule::learn(&starts).after_start(starts[30]).unwrap();
        assert_eq!(next.due, 30 * DAY + 6 * HOUR);
    }

    #[test]
    fn the_clocks_of_a_zone_move_all_runs_of_working_hours() {
        // From 08:00 to 18:00 in a zone that is an hour ahead, from the 30th day on two hours (or none).
        for (every, change) in [(2, -1), (2, 1), (1, -1), (1, 1)] {
            let start = |day: i64, hour: i64| {
                let change = if day < 30 { 0 } else { change };
                day * DAY + (hour - 1 + change) * HOUR + (day * 7 + hour) % 5 * MINUTE
            };
            let starts: Vec<i64> = (0..60)
                .flat_map(|day| (8..=18).step_by(every).map(move |hour| start(day, hour)))
                .collect();
            assert_eq!(lapses(&starts, &[], 60 * DAY), [], "{every} {change}");
            for (nth, pair) in starts
                .windows(2)
                .enumerate()
                .filter(|(_, pair)| pair[0] > 20 * DAY)
            {
                let schedule = Schedule::learn(&starts[..=nth]);
                if let Some(next) = schedule.after_start(pair[0]) {
                    let hour = (pair[1] - 30 * DAY) / HOUR;
                    assert!(
                        next.missed > pair[1],
                        "{every} {change}: {hour} h: {next:?}"
                    );
                }
            }
            // Who stops in the middle of the first days is missed all the same.
            let last = starts.partition_point(|at| *at < 31 * DAY + 11 * HOUR);
            let schedule = Schedule::learn(&starts[..last]);
            let next = schedule.after_start(starts[last - 1]).unwrap();
            assert!(
                next.missed < 31 * DAY + 14 * HOUR,
                "{every} {change} {next:?}"
            );
        }
    }

    #[test]
    fn a_pause_in_the_first_nights_is_no_miss() {
        let start = |day: i64, hour: i64| day * DAY + hour * HOUR;
        let starts: Vec<i64> = (0..8)
            .flat_map(|day| (7..=17).map(move |hour| start(day, hour)))
            .collect();
        for (nth, pair) in starts.windows(2).enumerate() {
            let Some(next) = Schedule::learn(&starts[..=nth]).after_start(pair[0]) else {
                continue;
            };
            assert!(next.missed > pair[1], "{nth}: {next:?}");
        }
    }

    #[test]
    fn what_comes_late_is_late() {
        let mut starts = twice_a_day(20);
        starts[30] += 3 * HOUR;
        let found = lapses(&starts, &[], 20 * DAY);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].began, Some(starts[30]));
    }

    #[test]
    fn the_next_run_is_due_at_its_usual_time() {
        let starts = twice_a_day(20);
        let last = starts[starts.len() - 1];
        let schedule = Schedule::learn(&starts);
        let next = schedule.after_start(last).unwrap();
        assert!(
            (next.due - (20 * DAY + 6 * HOUR)).abs() < 10 * MINUTE,
            "{next:?}"
        );
        assert!(
            next.missed >= next.due + HOUR && next.missed <= next.due + 3 * HOUR,
            "{next:?}"
        );
        // The run of the morning does not stand in for that of the evening.
        let next = schedule.after_start(starts[starts.len() - 2]).unwrap();
        assert!(
            (next.due - (19 * DAY + 18 * HOUR)).abs() < 10 * MINUTE,
            "{next:?}"
        );
        assert_eq!(Schedule::learn(&starts[..3]).after_start(starts[2]), None);
        let weekdays: Vec<i64> = twice_a_day(28)
            .into_iter()
            .filter(|at| weekday(*at) < 5)
            .collect();
        // Friday evening, Monday morning.
        let friday = *weekdays.iter().rfind(|at| weekday(**at) == 4).unwrap();
        let next = Schedule::learn(&weekdays).after_start(friday).unwrap();
        assert_eq!(weekday(next.due), 0, "{next:?}");
        let loops: Vec<i64> = (0..60).map(|run| run * 7 * HOUR).collect();
        let next = Schedule::learn(&loops).after_start(59 * 7 * HOUR).unwrap();
        assert_eq!(next.due, 60 * 7 * HOUR);
    }

    #[test]
    fn who_rests_at_weekends_misses_nothing() {
        let starts: Vec<i64> = twice_a_day(28)
            .into_iter()
            .filter(|at| weekday(*at) < 5)
            .collect();
        assert_eq!(lapses(&starts, &[], 28 * DAY), []);
    }

    #[test]
    fn a_first_weekend_and_a_single_extra_run_are_no_schedule() {
        let weekdays = |days: i64| -> Vec<i64> {
            let starts = twice_a_day(days + 4).into_iter();
            // From Monday 1970-01-05 on.
            starts
                .filter(|at| *at >= 4 * DAY && weekday(*at) < 5)
                .collect()
        };
        assert_eq!(lapses(&weekdays(6), &[], 10 * DAY), []);
        assert_eq!(lapses(&weekdays(7), &[], 11 * DAY), []);
        let mut starts = weekdays(28);
        // One Saturday somebody started it by hand.
        starts.push(23 * DAY + 6 * HOUR);
        assert_eq!(lapses(&starts, &[], 32 * DAY), []);
        // A Tuesday without runs is noticed.
        starts.retain(|at| at.div_euclid(DAY) != 26);
        let found = lapses(&starts, &[], 32 * DAY);
        assert_eq!((found.len(), found[0].count), (1, 2), "{found:?}");
    }

    #[test]
    fn a_missed_run_and_a_late_one_behind_it_are_one_lapse() {
        let mut starts = twice_a_day(20);
        starts.sort_unstable();
        starts.remove(30);
        starts[30] += 2 * HOUR;
        let found = lapses(&starts, &[], 20 * DAY);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].began, found[0].count), (None, 1));
    }

    #[test]
    fn every_other_day_is_a_schedule() {
        let mut starts: Vec<i64> = (0..20).map(|run| run * 2 * DAY + 6 * HOUR).collect();
        assert_eq!(lapses(&starts, &[], 40 * DAY), []);
        starts.remove(15);
        let found = lapses(&starts, &[], 40 * DAY);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].due, 30 * DAY + 6 * HOUR);
    }

    #[test]
    fn an_interval_that_is_no_part_of_a_day_is_learned_too() {
        let starts: Vec<i64> = (0..60).map(|run| run * 7 * HOUR).collect();
        assert_eq!(lapses(&starts, &[], 60 * 7 * HOUR), []);
        let without: Vec<i64> = starts
            .iter()
            .copied()
            .filter(|at| *at != 40 * 7 * HOUR)
            .collect();
        let found = lapses(&without, &[], 60 * 7 * HOUR);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].due, 40 * 7 * HOUR);
    }
}
