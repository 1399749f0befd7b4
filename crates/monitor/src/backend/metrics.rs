//! Metrics over windows of time.

use std::collections::{BTreeMap, BTreeSet};

use dragline_metrics::{CrawlMetric, Kind, SeriesId, Stats};
use dragline_schema::Timestamp;
use dragline_web::model::{MetricAnswer, MetricInfo, MetricKind, MetricPoint, MetricSeries};
use dragline_web::{Answer, BackendError, Listing, MetricQuery, Page, Window};

use super::contains;
use super::numbers::{span, step_of, stepped};
use crate::service::Monitor;

/// Number of points of a series, at most.
const POINTS: i64 = 1_000;
/// The period in which a metric's latest value is looked for, in seconds.
const LATEST: u32 = 7 * 86_400;

impl Monitor {
    pub(super) fn list_metrics(
        &self,
        search: Option<&str>,
        page: &Page,
    ) -> Answer<Listing<MetricInfo>> {
        let now = self.time();
        let window = Window {
            from: now.plus_micros(-i64::from(LATEST) * 1_000_000),
            to: now.plus_micros(1),
        };
        let all = self.ask(window, |windows| windows.query_all(span(window)))?;
        let mut by_name: BTreeMap<&str, Vec<&(SeriesId, Stats)>> = BTreeMap::new();
        for one in &all {
            by_name.entry(&one.0.name).or_default().push(one);
        }
        let names = by_name
            .into_iter()
            .filter(|(name, _)| search.is_none_or(|search| contains(name, search)));
        Listing::cut(
            names
                .filter_map(|(name, series)| info_of(name, &series))
                .collect(),
            page,
        )
    }

    pub(super) fn find_metric(&self, query: &MetricQuery) -> Answer<MetricAnswer> {
        let metric = CrawlMetric::from_name(&query.name);
        let unknown = || BackendError::NotFound(format!("there is no metric {:?}", query.name));
        let name = metric.ok_or_else(unknown)?.name();
        let finest = step_of(query.window, self.time());
        let least = (query.window.seconds() / POINTS).max(1);
        let step = i64::try_from(query.step_seconds)
            .unwrap_or(finest)
            .max(finest)
            .max(least);
        let window = stepped(query.window, step);
        let labels: Vec<(&str, &str)> = query
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.ask(window, |windows| {
            let all = windows.query(name, &labels, span(window));
            let refs: Vec<&(SeriesId, Stats)> = all.iter().collect();
            let info = info_of(name, &refs).ok_or_else(|| {
                BackendError::NotFound(format!("there are no values of {name} with these labels"))
            })?;
            let mut shown: Vec<&(SeriesId, Stats)> =
                all.iter().filter(|(_, stats)| stats.count > 0).collect();
            let size = |stats: &Stats| stats.increase.or(stats.max).unwrap_or(0.0);
            shown.sort_by(|a, b| {
                size(&b.1)
                    .total_cmp(&size(&a.1))
                    .then_with(|| a.0.cmp(&b.0))
            });
            let series_total = shown.len() as u64;
            shown.truncate(query.limit);
            let series = shown.into_iter().map(|(id, _)| {
                let labels: Vec<(&str, &str)> = id
                    .labels
                    .iter()
                    .map(|(a, b)| (a.as_str(), b.as_str()))
                    .collect();
                let points = windows.points(name, &labels, span(window), step as u32);
                MetricSeries {
                    labels: id.labels.iter().cloned().collect(),
                    points: with_times(points, window.from, step, id.kind),
                }
            });
            let whole = windows
                .summarise(name, &labels, span(window))
                .filter(|stats| stats.count > 0);
            Ok(MetricAnswer {
                series: series.collect(),
                whole: whole.map(|stats| point_of(window.from, &stats, info.kind)),
                info,
                window,
                step_seconds: step as u64,
                series_total,
            })
        })?
    }
}

fn kind_of(kind: Kind) -> MetricKind {
    match kind {
        Kind::Counter => MetricKind::Counter,
        Kind::Gauge => MetricKind::Gauge,
        Kind::Histogram => MetricKind::Histogram,
    }
}

fn info_of(name: &str, series: &[&(SeriesId, Stats)]) -> Option<MetricInfo> {
    let first = series.first()?;
    let metric = CrawlMetric::from_name(name);
    let kind = kind_of(first.0.kind);
    let labels: BTreeSet<&String> = series
        .iter()
        .flat_map(|(id, _)| id.labels.iter().map(|(name, _)| name))
        .collect();
    let values: Vec<f64> = series.iter().filter_map(|(_, stats)| stats.last).collect();
    let sum: f64 = values.iter().sum();
    let last = match kind {
        MetricKind::Counter => sum,
        MetricKind::Gauge | MetricKind::Histogram => sum / values.len() as f64,
    };
    Some(MetricInfo {
        name: name.to_owned(),
        kind,
        unit: metric
            .and_then(CrawlMetric::unit)
            .map(|unit| format!("{unit:?}").to_lowercase()),
        help: metric.map(CrawlMetric::help).unwrap_or_default().to_owned(),
        series: series.len() as u64,
        labels: labels.into_iter().cloned().collect(),
        last_updated: series
            .iter()
            .filter_map(|(_, stats)| stats.last_updated)
            .max(),
        last: (!values.is_empty()).then_some(last),
    })
}

/// The points of one series that have values.
fn with_times(points: Vec<Stats>, from: Timestamp, step: i64, kind: Kind) -> Vec<MetricPoint> {
    let dated = (0..).zip(points).filter(|(_, stats)| stats.count > 0);
    let kind = kind_of(kind);
    dated
        .map(|(nth, stats)| point_of(from.plus_micros(nth * step * 1_000_000), &stats, kind))
        .collect()
}

fn point_of(at: Timestamp, stats: &Stats, kind: MetricKind) -> MetricPoint {
    let is_counter = kind == MetricKind::Counter;
    MetricPoint {
        at,
        count: stats.count,
        min: stats.min,
        max: stats.max,
        mean: stats.mean,
        median: stats.median,
        p95: stats.p95,
        p99: stats.p99,
        last: stats.last,
        rate: stats.rate.filter(|_| is_counter),
        increase: stats.increase.filter(|_| is_counter),
    }
}
