//! What others observe and this crate judges.

use dragline_schema::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Labels;

/// What an observation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A sample of a metric. The value has the unit that the metric's name states.
    Metric,
    /// A finding of the analyst, such as `block_wave`: its severity from 1 (low) to 4 (critical) while it is open, 0 once
    /// it is not.
    Finding,
    /// The result of a health check: 0 healthy, 1 degraded, 2 critical.
    Health,
    /// A sign of life, such as a log line or the start of a run. The value is the number of seconds within which
    /// the next one is due.
    Freshness,
}

/// The usual value and its range, as a baseline states it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// The usual value.
    pub value: f64,
    /// The lower end of the usual range.
    pub low: f64,
    /// The upper end of the usual range.
    pub high: f64,
}

/// One observation: a series (topic, name, labels), a time, and a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// What it is about.
    pub topic: Topic,
    /// The name of the metric, the finding, the check or the sign of life.
    pub name: String,
    /// What identifies the series: `scraper_id`, `site`, `host`. Never a URL or a run id.
    #[serde(default)]
    pub labels: Labels,
    /// When it happened, which is not when it was read.
    pub time: Timestamp,
    /// The value; `None` when the check was inconclusive.
    pub value: Option<f64>,
    /// Number of measurements that the value stands for: one quantile of a busy minute stands for many.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
    /// The usual value, for conditions on the change against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expected>,
    /// Since when the value is what it is, where that is known: a check fails since the first of several results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl Observation {
    /// A sample of a metric.
    pub fn metric(name: &str, labels: Labels, time: Timestamp, value: f64) -> Self {
        Self::new(Topic::Metric, name, labels, time, Some(value))
    }

    /// A finding that opened, with its severity, or closed (`None`).
    pub fn finding(kind: &str, labels: Labels, time: Timestamp, open: Option<Severity>) -> Self {
        let value = open.map_or(0.0, finding_value);
        Self::new(Topic::Finding, kind, labels, time, Some(value))
    }

    /// The result of a health check; `None` when it was inconclusive.
    pub fn health(
        check: &str,
        labels: Labels,
        time: Timestamp,
        status: Option<HealthStatus>,
    ) -> Self {
        Self::new(
            Topic::Health,
            check,
            labels,
            time,
            status.map(HealthStatus::value),
        )
    }

    /// A sign of life at `time`; the next one is due `due_within_seconds` later.
    pub fn freshness(
        signal: &str,
        labels: Labels,
        time: Timestamp,
        due_within_seconds: f64,
    ) -> Self {
        Self::new(
            Topic::Freshness,
            signal,
            labels,
            time,
            Some(due_within_seconds),
        )
    }

    fn new(topic: Topic, name: &str, labels: Labels, time: Timestamp, value: Option<f64>) -> Self {
        Self {
            topic,
            name: name.to_owned(),
            labels,
            time,
            value,
            count: 1,
            expected: None,
            since: None,
        }
    }
}

fn one() -> u64 {
    1
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde calls"
)]
fn is_one(count: &u64) -> bool {
    *count == 1
}

/// The value of the observation of an open finding with this severity.
pub(crate) fn finding_value(severity: Severity) -> f64 {
    match severity {
        Severity::Low => 1.0,
        Severity::Medium => 2.0,
        Severity::High => 3.0,
        Severity::Critical => 4.0,
    }
}

/// The result of a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are self-explanatory")]
pub enum HealthStatus {
    Healthy,
    Degraded,
    Critical,
}

impl HealthStatus {
    /// The value of an observation with this status.
    pub fn value(self) -> f64 {
        match self {
            Self::Healthy => 0.0,
            Self::Degraded => 1.0,
            Self::Critical => 2.0,
        }
    }
}
