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

/// A number that is kept for each run and each span of time.
#[derive(Debug, Clone, Copy)]
pub struct Counter {
    /// Its name, which is that of a column.
    pub name: &'static str,
    /// Its meaning, with its unit.
    pub about: &'static str,
    /// Reads it.
    pub read: fn(&Counters) -> u64,
}

macro_rules! counters {
    ($($name:literal $about:literal => $read:expr;)*) => {
        &[$(Counter { name: $name, about: $about, read: $read }),*]
    };
}

/// All counters.
pub const COUNTERS: &[Counter] = counters! {
    "events" "number of log records" => |c| c.events;
    "requests" "number of HTTP attempts" => |c| c.requests;
    "requests_failed" "number of requests with status 400 or above, or without a response" => |c| c.requests_failed;
    "requests_failed_alone" "number of failed requests of runs whose log does not say how the others ended; they are in no success rate and not in `requests_failed`" => |c| c.requests_failed_alone;
    "requests_unjudged" "number of requests whose outcome the log does not say; they are in no success rate" => |c| c.requests_unjudged;
    "blocked" "number of requests that the site refused (status 403 or 429)" => |c| blocked(c);
    "items" "number of items: products that were added, updated or saved, and articles" => Counters::items;
    "items_found" "number of products that were found, whether or not they were stored" => |c| c.found;
    "items_failed" "number of items that could not be stored" => |c| c.failed;
    "articles" "number of articles; they are also in `items`" => |c| c.articles;
    "duplicates" "number of items or pages recognised as duplicates" => |c| c.duplicates;
    "errors" "number of errors: `scraper_error` events and other records at ERROR or above" => |c| c.errors;
    "warnings" "number of records at WARN" => |c| c.warnings;
    "rate_limits" "number of times a site asked the scraper to slow down" => |c| c.rate_limits;
    "bytes" "total size of response bodies, in bytes" => |c| c.bytes;
    "response_count" "number of requests with a response time" => |c| c.response_time.count;
    "response_micros" "sum of the response times, in microseconds; divide by `response_count` for the mean" => |c| c.response_time.sum;
    "response_max_micros" "longest response time, in microseconds" => |c| c.response_time.max;
    "searches" "number of searches" => |c| c.searches;
    "cpu_samples" "number of samples of CPU usage" => |c| c.cpu.count;
    "cpu_millipercent" "sum of the samples of CPU usage, in thousandths of a percent; divide by `cpu_samples` for the mean" => |c| c.cpu.sum;
    "errors_authentication" "number of errors of the category `authentication`" => |c| c.categories.get(ErrorCategory::Authentication);
    "errors_database" "number of errors of the category `database`" => |c| c.categories.get(ErrorCategory::Database);
    "errors_network" "number of errors of the category `network`" => |c| c.categories.get(ErrorCategory::Network);
    "errors_parsing" "number of errors of the category `parsing`" => |c| c.categories.get(ErrorCategory::Parsing);
    "errors_rate_limit" "number of errors of the category `rate_limit`" => |c| c.categories.get(ErrorCategory::RateLimit);
    "errors_site_change" "number of errors of the category `site_change`" => |c| c.categories.get(ErrorCategory::SiteChange);
    "errors_system" "number of errors of the category `system`" => |c| c.categories.get(ErrorCategory::System);
    "errors_unknown" "number of errors of the category `unknown`" => |c| c.categories.get(ErrorCategory::Unknown);
};

/// The names of the counters. Several tables have them as columns.
pub fn counter_names() -> impl Iterator<Item = &'static str> {
    COUNTERS.iter().map(|counter| counter.name)
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
        .map(|counter| {
            let values = rows.iter().map(|row| (counter.read)(row));
            column(counter.name, values.collect::<Vec<u64>>())
        })
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
