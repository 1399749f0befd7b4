//! When the next run of each scraper is due.

use std::collections::BTreeMap;

use dragline_rollup::Finished;
use dragline_schema::Timestamp;

use crate::ends::{others, starts};
use crate::finding::{NextRun, ScraperKey, Starts};
use crate::schedule::{LONGEST_LAPSE, Schedule};
use crate::series::Series;

/// Maximum number of times that a run can be active when the next one is due.
const MOST_ACTIVE: usize = 1_000;

/// When runs were due, by scraper, then by time: see [`Analysis::next_runs`](crate::Analysis::next_runs).
pub(crate) fn next_runs(
    all: &[Series<'_>],
    everything: &Finished,
    from: Timestamp,
    earlier: &Starts,
) -> Vec<NextRun> {
    let mut due: Vec<NextRun> = Vec::new();
    let mut gone: BTreeMap<&ScraperKey, &Vec<Timestamp>> = earlier.iter().collect();
    for series in all {
        let scraper = ScraperKey::from(&series.name);
        let earlier = gone.remove(&scraper).map_or(&[][..], Vec::as_slice);
        let others = others(series, everything);
        let (runs, own) = starts(series, everything);
        let runs = runs.iter().map(|run| &everything.runs[*run]).chain(others);
        let active =
            runs.filter_map(|row| Some((row.start?.as_micros(), row.last_seen?.as_micros())));
        due.extend(of_scraper(&scraper, &own, active, earlier, from));
    }
    // Scrapers of which the logs hold no run any more.
    for (scraper, earlier) in gone {
        due.extend(of_scraper(scraper, &[], [].into_iter(), earlier, from));
    }
    due
}

/// The signs of life of a scraper's runs at or after `from`, and when the next run was due after each: each start, and
/// each time at which a run was due while another one was active. `active` are the first and last times of its runs.
fn of_scraper(
    scraper: &ScraperKey,
    starts: &[i64],
    active: impl Iterator<Item = (i64, i64)>,
    earlier: &[Timestamp],
    from: Timestamp,
) -> Vec<NextRun> {
    let first = starts.iter().copied().min().unwrap_or(i64::MAX);
    let earlier = earlier.iter().map(|start| start.as_micros());
    let earlier: Vec<i64> = earlier.filter(|start| *start < first).collect();
    let schedule = Schedule::learn(&[&earlier, starts].concat());
    let mut all: Vec<NextRun> = Vec::new();
    for (start, last) in earlier.iter().map(|start| (*start, *start)).chain(active) {
        let mut seen = start;
        let mut next = schedule.after_start(seen);
        if next.is_none() && schedule.is_known() {
            // The time that it kept is no longer its own, and the new one is not known yet.
            let unknown = Timestamp::from_micros(seen + LONGEST_LAPSE);
            all.push(NextRun {
                scraper: scraper.clone(),
                seen: Timestamp::from_micros(seen),
                due: unknown,
                missed: unknown,
            });
        }
        for _ in 0..MOST_ACTIVE {
            let Some(deadline) = next else { break };
            all.push(NextRun {
                scraper: scraper.clone(),
                seen: Timestamp::from_micros(seen),
                due: Timestamp::from_micros(deadline.due),
                missed: Timestamp::from_micros(deadline.missed),
            });
            if deadline.missed >= last {
                break;
            }
            // The next run is due, and this one is still active.
            seen = deadline.missed;
            next = schedule.after_moment(seen);
        }
    }
    all.sort_by_key(|next| next.seen);
    // What was known at `from` comes from the last sign before it.
    let known = all.partition_point(|next| next.seen < from);
    all.split_off(known.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{DAY, HOUR};

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn a_run_at_a_new_time_is_a_sign_of_life_too() {
        let scraper = ScraperKey {
            scraper_id: Some("shop".to_owned()),
            site: None,
        };
        // From 06:00 to 14:00 after 14 days.
        let start = |day: i64| day * DAY + if day < 14 { 6 } else { 14 } * HOUR;
        let last = |days: i64| {
            let starts: Vec<i64> = (0..days).map(start).collect();
            let active = starts.iter().map(|start| (*start, *start));
            let all = of_scraper(&scraper, &starts, active, &[], at(0));
            let last = all.last().expect("a sign of life");
            (last.seen, last.due)
        };
        assert_eq!(last(15), (at(start(14)), at(15 * DAY + 6 * HOUR)));
        assert_eq!(last(17), (at(start(16)), at(start(16) + LONGEST_LAPSE)));
        assert_eq!(last(20), (at(start(19)), at(20 * DAY + 14 * HOUR)));
    }

    #[test]
    fn starts_that_the_logs_no_longer_hold_teach_the_schedule_too() {
        let scraper = ScraperKey {
            scraper_id: Some("shop".to_owned()),
            site: None,
        };
        let starts: Vec<i64> = (0..14).map(|day| day * DAY + 6 * HOUR).collect();
        let earlier: Vec<Timestamp> = starts.iter().copied().map(at).collect();
        let due = |starts: &[i64], earlier: &[Timestamp]| {
            let active = starts.iter().map(|start| (*start, *start));
            let all = of_scraper(&scraper, starts, active, earlier, at(13 * DAY + 5 * HOUR));
            all.last().map(|next| (next.seen, next.due))
        };
        let next = Some((at(starts[13]), at(14 * DAY + 6 * HOUR)));
        assert_eq!(due(&starts, &[]), next);
        assert_eq!(due(&starts[12..], &[]), None);
        assert_eq!(due(&starts[12..], &earlier), next);
        assert_eq!(due(&[], &earlier), next);
    }
}
