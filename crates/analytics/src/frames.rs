//! A finished rollup as dataframes.

use dragline_insights::{DAY, blocked};
use dragline_rollup::{Counters, Finished};
use dragline_schema::ErrorCategory;
use polars::prelude::*;

/// A dataframe could not be built or queried. This is a bug in Dragline, not a problem of the logs.
#[derive(Debug, thiserror::Error)]
#[error("internal error: cannot process the dataframes of the report: {0}")]
pub struct FramesError(#[from] PolarsError);

/// The dataframes of a finished rollup.
///
/// `activity` has one row per bucket and run: `start` (microseconds since the epoch), `day` (days since the
/// epoch), `run` (index in [`Finished::runs`]), `scraper_id`, `site`, and one unsigned 64-bit integer column
/// per counter. Durations are in microseconds.
#[derive(Debug, Clone)]
pub struct Frames {
    /// The activity over time.
    pub activity: DataFrame,
    /// The width of its buckets, in microseconds.
    pub bucket_micros: i64,
}

/// A counter's name, and the function that reads it.
pub type Counter = (&'static str, fn(&Counters) -> u64);

/// All counters, with their column names.
pub const COUNTERS: &[Counter] = &[
    ("events", |c| c.events),
    ("requests", |c| c.requests),
    ("requests_failed", |c| c.requests_failed),
    ("requests_unjudged", |c| c.requests_unjudged),
    ("blocked", |c| blocked(c)),
    ("items", Counters::items),
    ("items_found", |c| c.found),
    ("items_failed", |c| c.failed),
    ("articles", |c| c.articles),
    ("duplicates", |c| c.duplicates),
    ("errors", |c| c.errors),
    ("warnings", |c| c.warnings),
    ("rate_limits", |c| c.rate_limits),
    ("bytes", |c| c.bytes),
    ("response_count", |c| c.response_time.count),
    ("response_micros", |c| c.response_time.sum),
    ("response_max_micros", |c| c.response_time.max),
    ("searches", |c| c.searches),
    ("cpu_samples", |c| c.cpu.count),
    ("cpu_millipercent", |c| c.cpu.sum),
    ("errors_authentication", |c| {
        c.categories.get(ErrorCategory::Authentication)
    }),
    ("errors_database", |c| {
        c.categories.get(ErrorCategory::Database)
    }),
    ("errors_network", |c| {
        c.categories.get(ErrorCategory::Network)
    }),
    ("errors_parsing", |c| {
        c.categories.get(ErrorCategory::Parsing)
    }),
    ("errors_rate_limit", |c| {
        c.categories.get(ErrorCategory::RateLimit)
    }),
    ("errors_site_change", |c| {
        c.categories.get(ErrorCategory::SiteChange)
    }),
    ("errors_system", |c| c.categories.get(ErrorCategory::System)),
    ("errors_unknown", |c| {
        c.categories.get(ErrorCategory::Unknown)
    }),
];

/// The names of the counters. Several tables have them as columns.
pub fn counter_names() -> impl Iterator<Item = &'static str> {
    COUNTERS.iter().map(|(name, _)| *name)
}

/// Expressions that sum each counter; for maxima, the maximum.
pub(crate) fn sums() -> Vec<Expr> {
    let sum = |name: &str| {
        if name.contains("_max_") {
            col(name).max()
        } else {
            col(name).sum()
        }
    };
    counter_names().map(sum).collect()
}

/// Successful requests / requests with a known outcome; `None` if there are none.
pub fn success_rate(counters: &Counters) -> Option<f64> {
    let judged = counters.requests.saturating_sub(counters.requests_unjudged);
    let good = judged.saturating_sub(counters.requests_failed);
    (judged > 0).then(|| good as f64 / judged as f64)
}

impl Frames {
    /// Builds the frames.
    ///
    /// # Errors
    /// If polars fails, which is a bug in Dragline.
    pub fn of(finished: &Finished) -> Result<Self, FramesError> {
        Ok(Self {
            activity: activity(finished)?,
            bucket_micros: finished.bucket_micros,
        })
    }

    /// The sums of all counters by scraper, site and day, in that order.
    ///
    /// # Errors
    /// As [`Frames::of`].
    pub fn by_day(&self) -> Result<DataFrame, FramesError> {
        let keys = ["scraper_id", "site", "day"];
        let frame = self
            .activity
            .clone()
            .lazy()
            .group_by(keys.map(col))
            .agg(sums())
            .sort(keys, SortMultipleOptions::default())
            .collect()?;
        Ok(frame)
    }
}

fn activity(finished: &Finished) -> Result<DataFrame, FramesError> {
    let rows = &finished.activity;
    let run = |index: usize| &finished.runs[index].key;
    let mut columns = vec![
        column(
            "start",
            rows.iter().map(|row| row.start).collect::<Vec<i64>>(),
        ),
        column(
            "day",
            rows.iter()
                .map(|row| row.start.div_euclid(DAY))
                .collect::<Vec<i64>>(),
        ),
        column(
            "run",
            rows.iter().map(|row| row.run as u32).collect::<Vec<u32>>(),
        ),
        texts(
            "scraper_id",
            rows.iter().map(|row| run(row.run).scraper_id.as_deref()),
        ),
        texts("site", rows.iter().map(|row| run(row.run).site.as_deref())),
    ];
    let counters: Vec<&Counters> = rows.iter().map(|row| &row.counters).collect();
    columns.extend(counter_columns(&counters));
    Ok(DataFrame::new_infer_height(columns)?)
}

/// One column per counter.
fn counter_columns(rows: &[&Counters]) -> Vec<Column> {
    COUNTERS
        .iter()
        .map(|(name, read)| column(name, rows.iter().map(|row| read(row)).collect::<Vec<u64>>()))
        .collect()
}

fn column<T>(name: &str, values: Vec<T>) -> Column
where
    Series: NamedFrom<Vec<T>, [T]>,
{
    Column::from(Series::new(name.into(), values))
}

fn texts<'t>(name: &str, values: impl Iterator<Item = Option<&'t str>>) -> Column {
    Column::new(name.into(), values.collect::<Vec<Option<&str>>>())
}
