//! Daily values of each scraper, with the range expected from earlier days.

use std::collections::BTreeMap;

use dragline_insights::{DAY, Expectation, Name, refused};
use dragline_rollup::{Counters, Finished};

use super::expected::ranges;

/// Maximum number of scrapers that get their own charts.
const MOST: usize = 40;
/// Minimum number of days for a chart.
const LEAST_DAYS: usize = 4;

/// Values by day, with the expected range of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Days {
    /// Value of each day; `None` if nothing was logged.
    pub values: Vec<Option<f64>>,
    /// Expected range of each day; `None` if there is too little data.
    pub expected: Vec<Option<(f64, f64)>>,
}

/// Daily values of a scraper.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScraperDays {
    /// Items stored; empty if no run logs items.
    pub items: Days,
    /// Share of requests that the site refused.
    pub refused: Days,
    /// Runs started.
    pub runs: Days,
    /// Errors.
    pub errors: Days,
}

/// Returns the daily values of each scraper; empty if there are too few days or too many scrapers.
pub(super) fn blocks(finished: &Finished, days: &[i64]) -> BTreeMap<Name, ScraperDays> {
    let mut sums: BTreeMap<Name, BTreeMap<i64, Counters>> = BTreeMap::new();
    let mut begun: BTreeMap<Name, BTreeMap<i64, u64>> = BTreeMap::new();
    if days.len() < LEAST_DAYS || finished.bucket_micros > DAY {
        return BTreeMap::new();
    }
    let name = |run: usize| {
        let key = &finished.runs[run].key;
        (key.scraper_id.clone(), key.site.clone())
    };
    for row in &finished.activity {
        let own = sums.entry(name(row.run)).or_default();
        own.entry(row.start.div_euclid(DAY))
            .or_default()
            .merge(&row.counters);
    }
    for (run, row) in finished
        .runs
        .iter()
        .enumerate()
        .filter(|(_, row)| row.key.is_run())
    {
        if let Some(start) = row.start {
            let own = begun.entry(name(run)).or_default();
            *own.entry(start.as_micros().div_euclid(DAY)).or_default() += 1;
        }
    }
    if sums.len() > MOST {
        return BTreeMap::new();
    }
    let knows_items = |wanted: &Name| {
        let rows = finished.runs.iter().enumerate();
        rows.into_iter()
            .any(|(run, row)| row.known.items && name(run) == *wanted)
    };
    let of = |(own, sums): (Name, BTreeMap<i64, Counters>)| {
        let each = |read: &dyn Fn(&Counters) -> Option<f64>| -> Vec<Option<f64>> {
            days.iter()
                .map(|day| sums.get(day).and_then(read))
                .collect()
        };
        let begun = begun.get(&own);
        let runs = days.iter().map(|day| {
            let count = begun.map(|days| days.get(day).copied().unwrap_or(0));
            count.map(|count| count as f64)
        });
        let share = |c: &Counters| (c.requests > 0).then(|| refused(c) as f64 / c.requests as f64);
        let is_known = knows_items(&own);
        let own_days = ScraperDays {
            items: total(days, each(&|c| is_known.then(|| c.items() as f64))),
            refused: with(Expectation::of_share(), days, each(&share)),
            runs: total(days, runs.collect()),
            errors: total(days, each(&|c| Some(c.errors as f64))),
        };
        (own, own_days)
    };
    sums.into_iter().map(of).collect()
}

fn total(days: &[i64], values: Vec<Option<f64>>) -> Days {
    with(Expectation::of_total(), days, values)
}

/// Adds the range expected from earlier days.
fn with(expectation: Expectation, days: &[i64], values: Vec<Option<f64>>) -> Days {
    let times = days.iter().map(|day| day * DAY);
    let expected = ranges(expectation, times, &values);
    Days { values, expected }
}
