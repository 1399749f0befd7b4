//! Export: OpenMetrics, the text format of Prometheus, JSON, and files.

mod json;
mod text;
mod textfile;

pub use json::json;
pub use text::{openmetrics, prometheus};
pub use textfile::write_textfile;

/// The value of the HTTP header `Content-Type` for [`openmetrics`].
pub const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The value of the HTTP header `Content-Type` for [`prometheus`].
pub const PROMETHEUS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
