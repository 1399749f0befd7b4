//! Errors of registration.

use crate::Kind;

/// A metric cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The name has characters that Prometheus does not allow.
    #[error(
        "invalid metric name {name:?}: use letters, digits, `_` and `:`, and do not start with a digit"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The name is that of a metric about the registry itself.
    #[error("invalid metric name {name:?}: names that start with `dragline_metrics_` are reserved")]
    Reserved {
        /// The name.
        name: String,
    },
    /// The name of a counter ends with `_total`.
    #[error("invalid counter name {name:?}: leave out `_total`, which exporters append")]
    Total {
        /// The name.
        name: String,
    },
    /// The name does not end with the unit.
    #[error("invalid metric name {name:?}: it must end with its unit, `_{unit}`")]
    Unit {
        /// The name.
        name: String,
        /// The unit.
        unit: &'static str,
    },
    /// The name of a label is not allowed, or occurs twice.
    #[error(
        "invalid label {label:?} of metric {name:?}: use letters, digits and `_`, each name once; \
         `le`, `quantile` and names that start with `__` are reserved"
    )]
    Label {
        /// The metric's name.
        name: String,
        /// The label's name.
        label: String,
    },
    /// The bounds of a histogram are not positive, finite and ascending, or too many.
    #[error(
        "invalid buckets of metric {name:?}: use at most 100 bounds, positive, finite and ascending"
    )]
    Buckets {
        /// The metric's name.
        name: String,
    },
    /// A metric with this name exists and is described differently.
    #[error(
        "metric {name:?} is already registered as a {held} with another description: \
         use the same description or another name"
    )]
    Conflict {
        /// The metric's name.
        name: String,
        /// The type of the registered metric.
        held: Kind,
    },
    /// The samples of the metric would have the same name as those of another metric.
    #[error("metric {name:?} would have a sample {sample:?}, which another metric has: rename it")]
    SampleName {
        /// The metric's name.
        name: String,
        /// The name of the sample.
        sample: String,
    },
    /// The registry holds its maximum number of metrics.
    #[error("metric {name:?} does not fit: the registry holds {limit} metrics, its maximum")]
    Full {
        /// The metric's name.
        name: String,
        /// Maximum number of metrics.
        limit: usize,
    },
}
