//! Metrics and windows as JSON.

use dragline_schema::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::snapshot::{Metric, Series, Value};
use crate::window::{Stats, Store, Window};
use crate::{Kind, Unit};

/// The version of the JSON document.
const SCHEMA: &str = "dragline.metrics/1";

#[derive(Serialize)]
struct Document<'m> {
    schema: &'static str,
    generated_at: Timestamp,
    metrics: Vec<MetricJson<'m>>,
    windows: Vec<WindowJson>,
}

#[derive(Serialize)]
struct MetricJson<'m> {
    name: &'m str,
    #[serde(rename = "type")]
    kind: Kind,
    unit: Option<Unit>,
    help: &'m str,
    series: Vec<SeriesJson<'m>>,
}

#[derive(Serialize)]
struct SeriesJson<'m> {
    labels: Map<String, Json>,
    #[serde(flatten)]
    value: ValueJson<'m>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ValueJson<'m> {
    Number {
        value: f64,
    },
    Histogram {
        count: u64,
        sum: f64,
        /// Upper bound and number of values up to it.
        buckets: &'m [(f64, u64)],
    },
}

#[derive(Serialize)]
struct WindowJson {
    name: String,
    #[serde(rename = "type")]
    kind: Kind,
    labels: Map<String, Json>,
    #[serde(flatten)]
    stats: Stats,
}

/// The metrics as a JSON document, and the statistics of every series of a store over windows that end at
/// `now`. An unknown value is null. `seconds` are the lengths of the windows.
pub fn json(metrics: &[Metric], store: Option<&Store>, now: Timestamp, seconds: &[u32]) -> String {
    let windows = store.into_iter().flat_map(|store| {
        let of_length = |seconds: &u32| store.query_all(Window::until(now, *seconds));
        seconds.iter().flat_map(of_length).collect::<Vec<_>>()
    });
    let document = Document {
        schema: SCHEMA,
        generated_at: now,
        metrics: metrics.iter().map(metric_json).collect(),
        windows: windows
            .map(|(series, stats)| WindowJson {
                name: series.name,
                kind: series.kind,
                labels: labels_json(&series.labels),
                stats,
            })
            .collect(),
    };
    // The types have only keys that are texts, so that serialising them cannot fail.
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn metric_json(metric: &Metric) -> MetricJson<'_> {
    MetricJson {
        name: &metric.name,
        kind: metric.kind,
        unit: metric.unit,
        help: &metric.help,
        series: metric.series.iter().map(series_json).collect(),
    }
}

fn series_json(series: &Series) -> SeriesJson<'_> {
    SeriesJson {
        labels: labels_json(&series.labels),
        value: match &series.value {
            Value::Counter(value) | Value::Gauge(value) => ValueJson::Number { value: *value },
            Value::Histogram(distribution) => ValueJson::Histogram {
                count: distribution.count,
                sum: distribution.sum,
                buckets: &distribution.buckets,
            },
        },
    }
}

fn labels_json(labels: &[(String, String)]) -> Map<String, Json> {
    let labels = labels.iter();
    labels
        .map(|(name, value)| (name.clone(), Json::from(value.as_str())))
        .collect()
}
