//! Daily values of the metrics, for whole days.

use std::collections::BTreeMap;

use dragline_schema::Timestamp;
use polars::prelude::*;

use crate::frames::{Frames, FramesError};
use dragline_insights::{DAY, Name};

/// Minimum number of requests, or of found products, per day for a share.
const ENOUGH: u32 = 20;

/// The values of a metric on whole days.
#[derive(Clone, Debug, PartialEq)]
pub struct Daily {
    /// The scraper; `None` for all scrapers together.
    pub name: Option<Name>,
    /// The metric.
    pub metric: &'static str,
    /// The kind of metric.
    pub kind: Kind,
    /// Days since 1970-01-01.
    pub days: Vec<f64>,
    /// The values, one per day.
    pub values: Vec<f64>,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A count. Days without data count as zero.
    Count,
    /// A share, 0 to 1. Days with too small a denominator are left out.
    Share,
    /// A mean of measurements. Days without measurements are left out.
    Measure,
}

impl Daily {
    /// Converts values to the scale on which they are compared: logarithms for all but shares, because effects are
    /// relative (a Sunday has half as many, not a hundred fewer).
    pub(crate) fn scaled(&self, values: &[f64]) -> Vec<f64> {
        let is_share = self.kind == Kind::Share;
        let scale = |value: &f64| if is_share { *value } else { value.ln_1p() };
        values.iter().map(scale).collect()
    }
}

/// Maximum number of days. Older days are not relevant, and one wrong clock must not create ten thousand days.
const MOST_DAYS: i64 = 730;

/// The whole days of a period, limited to its last two years: the first day, and the day after the last;
/// `None` if there is no whole day.
pub fn whole_days((start, end): (Timestamp, Timestamp)) -> Option<(i64, i64)> {
    let first = (start.as_micros() + DAY - 1).div_euclid(DAY);
    let last = end.as_micros().div_euclid(DAY);
    let first = first.max(last - MOST_DAYS);
    (first < last).then_some((first, last))
}

/// Whether a metric is computed per scraper, for all scrapers together, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// For all scrapers together and for each.
    Both,
    /// For all together; single scrapers rarely have enough data.
    All,
    /// For each; over all scrapers, numerator and denominator may come from different scrapers.
    Each,
}

/// A metric, and its expression over the sums of a day.
struct Metric {
    name: &'static str,
    kind: Kind,
    scope: Scope,
    value: Expr,
}

fn number(name: &str) -> Expr {
    col(name).cast(DataType::Float64)
}

/// The quotient `part / whole`; null if `whole` is below `least`.
fn part(part: Expr, whole: Expr, least: u32) -> Expr {
    when(whole.clone().gt_eq(lit(f64::from(least))))
        .then(part / whole)
        .otherwise(lit(NULL))
}

/// All metrics, the main ones first.
fn metrics() -> Vec<Metric> {
    let metric = |name, kind, value| Metric {
        name,
        kind,
        scope: Scope::Both,
        value,
    };
    let judged = number("requests") - number("requests_unjudged");
    let good = judged.clone() - number("requests_failed");
    let mut all = vec![
        metric("requests", Kind::Count, number("requests")),
        metric("items", Kind::Count, number("items")),
        metric("errors", Kind::Count, number("errors")),
        metric("success_rate", Kind::Share, part(good, judged, ENOUGH)),
        metric(
            "response_time_ms",
            Kind::Measure,
            part(
                number("response_micros") / lit(1000.0),
                number("response_count"),
                ENOUGH,
            ),
        ),
        Metric {
            scope: Scope::Each,
            ..metric(
                "item_yield",
                Kind::Share,
                part(number("items"), number("items_found"), ENOUGH),
            )
        },
        metric("searches", Kind::Count, number("searches")),
        metric(
            "cpu_percent",
            Kind::Measure,
            part(
                number("cpu_millipercent") / lit(1000.0),
                number("cpu_samples"),
                1,
            ),
        ),
    ];
    all.extend(ERRORS.map(|(name, counter)| Metric {
        scope: Scope::All,
        ..metric(name, Kind::Count, number(counter))
    }));
    all
}

/// Whether it is a main metric.
pub(super) fn is_main(metric: &str) -> bool {
    matches!(metric, "requests" | "items" | "errors" | "success_rate")
}

/// Errors by category: the metric's name and the counter.
const ERRORS: [(&str, &str); 7] = [
    ("errors.authentication", "errors_authentication"),
    ("errors.database", "errors_database"),
    ("errors.network", "errors_network"),
    ("errors.parsing", "errors_parsing"),
    ("errors.rate_limit", "errors_rate_limit"),
    ("errors.site_change", "errors_site_change"),
    ("errors.system", "errors_system"),
];

/// Every metric on the days from `first` until `last` (exclusive): for all scrapers together, then for each.
///
/// # Errors
/// If polars fails, which is a bug in Dragline.
pub(crate) fn series(frames: &Frames, first: i64, last: i64) -> Result<Vec<Daily>, FramesError> {
    if frames.bucket_micros > DAY {
        return Ok(Vec::new());
    }
    let metrics = metrics();
    let is_whole = col("day").gt_eq(lit(first)).and(col("day").lt(lit(last)));
    let days = frames.by_day()?.lazy().filter(is_whole);
    let values = |metric: &Metric| metric.value.clone().alias(metric.name);
    let values: Vec<Expr> = metrics.iter().map(values).collect();
    let each = days.clone().with_columns(values.clone()).collect()?;
    let each = by_name(&each)?;
    let mut whole = Vec::new();
    if each.len() != 1 {
        let sums = crate::frames::sums();
        let all = days.group_by([col("day")]).agg(sums);
        let sorted = all.sort(["day"], SortMultipleOptions::default());
        let all = sorted.with_columns(values).collect()?;
        whole.push((None, (0..all.height()).collect::<Vec<usize>>(), all));
    }
    let frame = whole.into_iter().chain(each);
    let all: Vec<Rows> = frame.collect();
    let mut series = Vec::new();
    for (name, rows, frame) in &all {
        // Skip metrics of the other scope.
        let others = match (name, all.len()) {
            (_, 1) => None,
            (None, _) => Some(Scope::Each),
            (Some(_), _) => Some(Scope::All),
        };
        for metric in metrics.iter().filter(|metric| Some(metric.scope) != others) {
            series.push(daily(name.clone(), metric, rows, frame, last)?);
        }
    }
    series.retain(|daily: &Daily| daily.values.iter().any(|value| *value > 0.0));
    Ok(series)
}

/// A scraper, its rows, and the frame that contains them.
type Rows = (Option<Name>, Vec<usize>, DataFrame);

fn by_name(frame: &DataFrame) -> Result<Vec<Rows>, FramesError> {
    let (scraper, site) = (
        frame.column("scraper_id")?.str()?,
        frame.column("site")?.str()?,
    );
    let mut names: BTreeMap<Name, Vec<usize>> = BTreeMap::new();
    for row in 0..frame.height() {
        let own = |column: &StringChunked| column.get(row).map(str::to_owned);
        names
            .entry((own(scraper), own(site)))
            .or_default()
            .push(row);
    }
    let rows = names.into_iter();
    Ok(rows
        .map(|(name, rows)| (Some(name), rows, frame.clone()))
        .collect())
}

fn daily(
    name: Option<Name>,
    metric: &Metric,
    rows: &[usize],
    frame: &DataFrame,
    last: i64,
) -> Result<Daily, FramesError> {
    let (day, value) = (
        frame.column("day")?.i64()?,
        frame.column(metric.name)?.f64()?,
    );
    let known = rows.iter().filter_map(|row| Some((day.get(*row)?, *row)));
    let known: BTreeMap<i64, Option<f64>> = known
        .map(|(day, row)| (day, value.get(row).map(|value| value.max(0.0))))
        .collect();
    let begin = known.keys().next().copied().unwrap_or(last);
    let none = (metric.kind == Kind::Count).then_some(0.0);
    let (days, values) = (begin..last)
        .filter_map(|day| Some((day as f64, known.get(&day).copied().unwrap_or(none)?)))
        .unzip();
    Ok(Daily {
        name,
        metric: metric.name,
        kind: metric.kind,
        days,
        values,
    })
}
