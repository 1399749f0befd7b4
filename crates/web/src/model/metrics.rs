//! Metrics over windows of time.

use std::collections::BTreeMap;

use dragline_schema::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::query::Window;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// A distribution of values.
    Histogram,
}

/// A metric that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MetricInfo {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: MetricKind,
    /// Its unit: `seconds`, `bytes`, `ratio`; null without one.
    pub unit: Option<String>,
    /// What it measures.
    pub help: String,
    /// Number of its series.
    pub series: u64,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// Time of its latest value; null without values.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_updated: Option<Timestamp>,
    /// Its latest value, added up over its series for a counter and their mean otherwise; null without values.
    pub last: Option<f64>,
}

/// A metric over a window.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MetricAnswer {
    /// The metric.
    pub info: MetricInfo,
    /// The window.
    pub window: Window,
    /// The distance of two points in seconds.
    pub step_seconds: u64,
    /// All series together, in one point for the whole window; null without values.
    pub whole: Option<MetricPoint>,
    /// The series, those with the largest values first.
    pub series: Vec<MetricSeries>,
    /// Number of series.
    pub series_total: u64,
}

/// One series of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct MetricSeries {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its points, oldest first; steps without values are left out.
    pub points: Vec<MetricPoint>,
}

/// The values of one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct MetricPoint {
    /// Start of the step.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Number of values.
    pub count: u64,
    /// Least value.
    pub min: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
    /// Mean.
    pub mean: Option<f64>,
    /// Median.
    pub median: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// Latest value.
    pub last: Option<f64>,
    /// Increase per second, of a counter.
    pub rate: Option<f64>,
    /// Increase, of a counter.
    pub increase: Option<f64>,
}
