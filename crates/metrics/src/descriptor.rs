//! What a metric is: its name, type, unit, labels and buckets.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::RegisterError;

type Text = Cow<'static, str>;

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A total that never decreases.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// The distribution of observed values.
    Histogram,
}

impl Kind {
    /// The name in OpenMetrics, in JSON and in the documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }

    /// What exporters append to the name of the metric for its samples.
    fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter => &["", "_total", "_created"],
            Self::Gauge => &[""],
            Self::Histogram => &["", "_bucket", "_count", "_sum", "_created"],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The base units of Prometheus that metrics of scrapers need. A metric's name ends with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A share from 0 to 1.
    Ratio,
}

impl Unit {
    /// The name in OpenMetrics and at the end of the metric's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Ratio => "ratio",
        }
    }
}

/// Upper bounds of the buckets for durations from 5 ms to a minute, in seconds.
pub const DURATION_BUCKETS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// Maximum number of buckets of a histogram, without the one for all greater values.
const MAX_BUCKETS: usize = 100;

/// The description of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Descriptor {
    pub(crate) name: Text,
    pub(crate) help: Text,
    pub(crate) kind: Kind,
    pub(crate) unit: Option<Unit>,
    pub(crate) labels: Vec<Text>,
    pub(crate) buckets: Vec<f64>,
}

impl Descriptor {
    fn new(name: impl Into<Text>, help: impl Into<Text>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            help: help.into(),
            kind,
            unit: None,
            labels: Vec::new(),
            buckets: Vec::new(),
        }
    }

    /// A counter. The name has no `_total`; exporters append it.
    pub fn counter(name: impl Into<Text>, help: impl Into<Text>) -> Self {
        Self::new(name, help, Kind::Counter)
    }

    /// A gauge.
    pub fn gauge(name: impl Into<Text>, help: impl Into<Text>) -> Self {
        Self::new(name, help, Kind::Gauge)
    }

    /// A histogram with [`DURATION_BUCKETS`].
    pub fn histogram(name: impl Into<Text>, help: impl Into<Text>) -> Self {
        Self {
            buckets: DURATION_BUCKETS.to_vec(),
            ..Self::new(name, help, Kind::Histogram)
        }
    }

    /// Sets the unit. The name must end with it: `response_bytes`.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = Some(unit);
        self
    }

    /// Sets the names of the labels.
    #[must_use]
    pub fn labels<L: Into<Text>>(mut self, names: impl IntoIterator<Item = L>) -> Self {
        self.labels = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the upper bounds of a histogram's buckets: positive, finite and ascending.
    #[must_use]
    pub fn buckets(mut self, bounds: impl Into<Vec<f64>>) -> Self {
        self.buckets = bounds.into();
        self
    }

    /// The name of the metric, without the suffixes of samples.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The description for people.
    pub fn help(&self) -> &str {
        &self.help
    }

    /// The type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The names of the samples that exporters write.
    pub(crate) fn sample_names(&self) -> impl Iterator<Item = String> {
        let suffixes = self.kind.suffixes().iter();
        suffixes.map(|suffix| format!("{}{suffix}", self.name))
    }

    /// Checks the rules of OpenMetrics and of Prometheus.
    pub(crate) fn check(&self) -> Result<(), RegisterError> {
        let name = || self.name.to_string();
        if !is_metric_name(&self.name) {
            return Err(RegisterError::Name { name: name() });
        }
        if self.kind == Kind::Counter && self.name.ends_with("_total") {
            return Err(RegisterError::Total { name: name() });
        }
        if let Some(unit) = self.unit.map(Unit::as_str)
            && !self.name.ends_with(&format!("_{unit}"))
        {
            return Err(RegisterError::Unit { name: name(), unit });
        }
        let mut seen = std::collections::BTreeSet::new();
        for label in &self.labels {
            if !is_label_name(label) || !seen.insert(label) {
                let (name, label) = (name(), label.to_string());
                return Err(RegisterError::Label { name, label });
            }
        }
        let is_ascending = self.buckets.is_sorted_by(|a, b| a < b);
        let is_positive = self.buckets.iter().all(|b| b.is_finite() && *b > 0.0);
        if is_ascending && is_positive && self.buckets.len() <= MAX_BUCKETS {
            Ok(())
        } else {
            Err(RegisterError::Buckets { name: name() })
        }
    }
}

/// Whether a text is a metric name: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub(crate) fn is_metric_name(name: &str) -> bool {
    let is_start = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':');
    name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_ascii_digit())
}

/// Whether a text can be the name of a label: `[a-zA-Z_][a-zA-Z0-9_]*`, except names that exporters use.
pub(crate) fn is_label_name(name: &str) -> bool {
    is_metric_name(name)
        && !name.contains(':')
        && !name.starts_with("__")
        && !matches!(name, "le" | "quantile")
}
