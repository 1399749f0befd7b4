//! Time series for charts.

use std::collections::{BTreeMap, BTreeSet};

use dragline_rollup::{Counters, Finished, Latency};
use dragline_schema::{ErrorCategory, Timestamp};

use dragline_analytics::success_rate;
use dragline_insights::{DAY, Expectation, HOUR, Name, hour, weekday};

use super::blocks::{self, ScraperDays};
use super::expected::ranges;

/// Maximum number of points in a chart.
const MOST_POINTS: i64 = 120;
/// Minimum share of steps that must contain data.
const FULL: f64 = 0.7;
/// Maximum number of days in a sparkline.
const MOST_DAYS: usize = 120;
/// Possible step widths, in microseconds.
const STEPS: [i64; 4] = [HOUR, 6 * HOUR, DAY, 7 * DAY];

/// Values by day, by scraper and site.
pub type ByScraper = BTreeMap<(Option<String>, Option<String>), Vec<Option<f64>>>;

/// Time series over the period, in steps of equal width. A value is `None`, not zero, if nothing was logged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activity {
    /// Width of a step, in microseconds.
    pub step: i64,
    /// Start of each step, in microseconds since 1970-01-01 UTC.
    pub times: Vec<i64>,
    /// HTTP attempts.
    pub requests: Vec<Option<f64>>,
    /// Range of requests expected from earlier steps.
    pub expected: Vec<Option<(f64, f64)>>,
    /// Share of requests that did not fail.
    pub success: Vec<Option<f64>>,
    /// Expected range of this share.
    pub success_expected: Vec<Option<(f64, f64)>>,
    /// Items stored.
    pub items: Vec<Option<f64>>,
    /// Expected range of items.
    pub items_expected: Vec<Option<(f64, f64)>>,
    /// 50th, 95th and 99th percentile of response times, in milliseconds.
    pub latency: [Vec<Option<f64>>; 3],
    /// Errors by category; categories without errors are omitted.
    pub errors: Vec<(ErrorCategory, Vec<Option<f64>>)>,
    /// Mean requests per hour of the week; Monday first.
    pub week: [[Option<f64>; 24]; 7],
    /// Days since 1970-01-01 UTC, without gaps.
    pub days: Vec<i64>,
    /// Requests per day of each scraper and site.
    pub scrapers: ByScraper,
    /// Daily values of each scraper and site, with their expected ranges.
    pub blocks: BTreeMap<Name, ScraperDays>,
    /// Errors per day of each group; the key is the group id (16 hexadecimal digits).
    pub groups: BTreeMap<String, Vec<Option<f64>>>,
}

/// Aggregates a rollup into steps.
pub fn activity(finished: &Finished) -> Activity {
    let Some((first, last)) = finished.period else {
        return Activity::default();
    };
    let step = step(finished, last.since(first) + 1);
    let floor = |micros: i64| micros.div_euclid(step) * step;
    let mut counters: BTreeMap<i64, Counters> = BTreeMap::new();
    for row in &finished.activity {
        let held = counters.entry(floor(row.start)).or_default();
        held.merge(&row.counters);
    }
    let mut sketches: BTreeMap<i64, Latency> = BTreeMap::new();
    for ((at, _), sketch) in &finished.latency {
        sketches.entry(floor(*at)).or_default().merge(sketch);
    }
    let knows_requests = finished.runs.iter().any(|row| row.known.requests);
    let knows_items = finished.runs.iter().any(|row| row.known.items);
    let begins = floor(first.as_micros());
    let count = (floor(last.as_micros()) - begins) / step + 1;
    if count > 2 * MOST_POINTS {
        // A wrong clock can make the period centuries long; then there is nothing to draw.
        return Activity::default();
    }
    let times: Vec<i64> = (0..count).map(|place| begins + place * step).collect();
    let each = |read: &dyn Fn(&Counters) -> Option<f64>| -> Vec<Option<f64>> {
        let at = |time: &i64| counters.get(time).and_then(read);
        times.iter().map(at).collect()
    };
    let quantile = |q: f64| -> Vec<Option<f64>> {
        let at = |time: &i64| sketches.get(time).and_then(|sketch| sketch.quantile(q));
        times.iter().map(at).collect()
    };
    let errors = ErrorCategory::ALL.iter().filter_map(|category| {
        let values = each(&|counters| Some(counters.categories.get(*category) as f64));
        let has_any = values.iter().flatten().any(|count| *count > 0.0);
        has_any.then_some((*category, values))
    });
    let items = each(&|counters| knows_items.then(|| counters.items() as f64));
    let success = each(&success_rate);
    let requests = each(&|counters| knows_requests.then_some(counters.requests as f64));
    let days = days(first, last);
    Activity {
        scrapers: by_scraper(finished, &days),
        groups: by_group(finished, &days),
        blocks: blocks::blocks(finished, &days),
        days,
        step,
        expected: expected(Expectation::of_total(), &times, &requests, step),
        success_expected: expected(Expectation::of_share(), &times, &success, step),
        success,
        items_expected: expected(Expectation::of_total(), &times, &items, step),
        items,
        latency: [quantile(0.5), quantile(0.95), quantile(0.99)],
        errors: errors.collect(),
        week: week(finished),
        requests,
        times,
    }
}

/// The width of a step, for a period of this many microseconds.
fn step(finished: &Finished, span: i64) -> i64 {
    let is_enough = |step: &&i64| **step >= finished.bucket_micros && span / **step < MOST_POINTS;
    let starts: Vec<i64> = finished.activity.iter().map(|row| row.start).collect();
    let is_full = |step: &&i64| {
        let filled: BTreeSet<i64> = starts
            .iter()
            .map(|start| start.div_euclid(**step))
            .collect();
        let ends = filled.first().zip(filled.last());
        let count = ends.map_or(1, |(first, last)| last - first + 1);
        filled.len() as f64 >= FULL * count as f64
    };
    // For a scraper that runs twice a day, hourly steps would leave gaps: wider steps are used.
    let steps = STEPS.iter().filter(is_enough);
    let widest = STEPS.iter().rev().find(is_enough).copied();
    let full = steps.clone().find(is_full);
    let by_day = steps.clone().find(|step| **step == DAY);
    full.or(by_day).copied().or(widest).unwrap_or(28 * DAY)
}

/// The days of the period; none if they are too many for a sparkline.
fn days(first: Timestamp, last: Timestamp) -> Vec<i64> {
    let day = |at: Timestamp| at.as_micros().div_euclid(DAY);
    let days: Vec<i64> = (day(first)..=day(last)).collect();
    if days.len() <= MOST_DAYS {
        days
    } else {
        Vec::new()
    }
}

/// Requests per day of each scraper and site.
fn by_scraper(finished: &Finished, days: &[i64]) -> ByScraper {
    let mut all = ByScraper::new();
    let (Some(first), true) = (days.first(), finished.bucket_micros <= DAY) else {
        return all;
    };
    for row in &finished.activity {
        let key = &finished.runs[row.run].key;
        let name = (key.scraper_id.clone(), key.site.clone());
        let values = all.entry(name).or_insert_with(|| vec![None; days.len()]);
        let place = usize::try_from(row.start.div_euclid(DAY) - first).ok();
        if let Some(value) = place.and_then(|place| values.get_mut(place)) {
            *value = Some(value.unwrap_or(0.0) + row.counters.requests as f64);
        }
    }
    all
}

/// Returns the errors per day of each group.
fn by_group(finished: &Finished, days: &[i64]) -> BTreeMap<String, Vec<Option<f64>>> {
    let rows = finished.groups.iter().map(|row| {
        let count = |day: &i64| Some(row.group.days.get(day).copied().unwrap_or(0) as f64);
        (format!("{:016x}", row.id), days.iter().map(count).collect())
    });
    rows.collect()
}

/// Computes the range expected from earlier steps; none for steps of more than a day.
fn expected(
    expectation: Expectation,
    times: &[i64],
    values: &[Option<f64>],
    step: i64,
) -> Vec<Option<(f64, f64)>> {
    if step > DAY {
        return vec![None; times.len()];
    }
    ranges(expectation, times.iter().copied(), values)
}

/// Returns the mean requests by weekday and hour, over the hours that have data.
fn week(finished: &Finished) -> [[Option<f64>; 24]; 7] {
    let mut week = [[None; 24]; 7];
    if finished.bucket_micros > HOUR {
        return week;
    }
    let mut hours: BTreeMap<i64, u64> = BTreeMap::new();
    for row in &finished.activity {
        let start = row.start.div_euclid(HOUR) * HOUR;
        *hours.entry(start).or_default() += row.counters.requests;
    }
    let mut sums = [[(0u64, 0u64); 24]; 7];
    for (start, requests) in hours {
        let (sum, count) = &mut sums[weekday(start) as usize][hour(start) as usize];
        *sum += requests;
        *count += 1;
    }
    for (cells, sums) in week.iter_mut().zip(sums) {
        for (cell, (sum, count)) in cells.iter_mut().zip(sums) {
            *cell = (count > 0).then(|| sum as f64 / count as f64);
        }
    }
    week
}
