//! What was counted on each whole day.

use std::collections::BTreeMap;

use dragline_rollup::{Counters, Finished};
use dragline_schema::Timestamp;

use crate::frames::success_rate;
use dragline_insights::{DAY, Name};

/// A day with fewer requests has no share of success.
const ENOUGH_REQUESTS: u64 = 20;

/// A metric by whole days.
#[derive(Clone, Debug, PartialEq)]
pub struct Daily {
    /// Whose; `None` for all scrapers together.
    pub name: Option<Name>,
    /// Which.
    pub metric: &'static str,
    /// Whether it is a count: then no day is left out, as a day without any has none.
    pub is_count: bool,
    /// Days since 1970-01-01.
    pub days: Vec<f64>,
    /// One for each day.
    pub values: Vec<f64>,
}

impl Daily {
    /// Values of it on the scale that they are compared on: counts by their logarithms, as a Sunday has
    /// half, not a hundred less.
    pub(crate) fn scaled(&self, values: &[f64]) -> Vec<f64> {
        let scale = |value: &f64| if self.is_count { value.ln_1p() } else { *value };
        values.iter().map(scale).collect()
    }
}

/// What is longer ago says nothing of today, and one wrong clock must not make ten thousand days.
const MOST_DAYS: i64 = 730;

/// The whole days of a period, at most the last two years of them: the first, and the one after the
/// last; `None` without any.
pub fn whole_days((start, end): (Timestamp, Timestamp)) -> Option<(i64, i64)> {
    let first = (start.as_micros() + DAY - 1).div_euclid(DAY);
    let last = end.as_micros().div_euclid(DAY);
    let first = first.max(last - MOST_DAYS);
    (first < last).then_some((first, last))
}

type Metric = (&'static str, fn(&Counters) -> Option<f64>);

const METRICS: [Metric; 4] = [
    ("requests", |counters| Some(counters.requests as f64)),
    ("items", |counters| Some(counters.items() as f64)),
    ("errors", |counters| Some(counters.errors as f64)),
    ("success_rate", |counters| {
        success_rate(counters).filter(|_| counters.requests >= ENOUGH_REQUESTS)
    }),
];

/// Every metric by the days from `first` until `last`: of all scrapers together, then of each.
pub(crate) fn series(finished: &Finished, first: i64, last: i64) -> Vec<Daily> {
    if finished.bucket_micros > DAY {
        return Vec::new();
    }
    let mut all: BTreeMap<i64, Counters> = BTreeMap::new();
    let mut own: BTreeMap<Name, BTreeMap<i64, Counters>> = BTreeMap::new();
    for row in &finished.activity {
        let day = row.start.div_euclid(DAY);
        if !(first..last).contains(&day) {
            continue;
        }
        let key = &finished.runs[row.run].key;
        let name = (key.scraper_id.clone(), key.site.clone());
        all.entry(day).or_default().merge(&row.counters);
        let days = own.entry(name).or_default();
        days.entry(day).or_default().merge(&row.counters);
    }
    let is_one = own.len() == 1;
    let whole = (!is_one).then_some((None, all));
    let each = own.into_iter().map(|(name, days)| (Some(name), days));
    whole
        .into_iter()
        .chain(each)
        .flat_map(|(name, days)| METRICS.map(|metric| daily(name.clone(), &days, metric, last)))
        .filter(|daily| daily.values.iter().any(|value| *value > 0.0))
        .collect()
}

fn daily(
    name: Option<Name>,
    days: &BTreeMap<i64, Counters>,
    (metric, read): Metric,
    last: i64,
) -> Daily {
    let is_count = metric != "success_rate";
    let begin = days.keys().next().copied().unwrap_or(last);
    let none = Counters::default();
    let (days, values) = (begin..last)
        .filter_map(|day| {
            let value = read(days.get(&day).unwrap_or(&none))?;
            Some((day as f64, value))
        })
        .unzip();
    Daily {
        name,
        metric,
        is_count,
        days,
        values,
    }
}
