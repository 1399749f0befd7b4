//! Numbers and lines with what was expected of them.

use dragline_schema::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// A range of values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Range {
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueFormat {
    /// A plain number, such as a count.
    #[default]
    Number,
    /// A fraction of one, shown as a percentage.
    Percent,
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
}

/// One number with its unit, its window and what was expected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Figure {
    /// Name of the metric: `items`, `success_rate`, `response_time_ms.p95`.
    pub metric: String,
    /// What it is: `items`. A list of figures is about one window or one run.
    pub label: String,
    /// How the value is written.
    pub format: ValueFormat,
    /// The value; null when it is unknown.
    pub value: Option<f64>,
    /// The usual range; null when none was learned.
    pub expected: Option<Range>,
}

/// A change on a time axis.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Mark {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// One or two words: `layout changed`.
    pub label: String,
}

/// Values over time, to be drawn as lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Series {
    /// Name of the metric.
    pub metric: String,
    /// The finding in words: `Items of shop.example.com fell 63 % at 14:00`.
    pub title: String,
    /// What is counted, and per what: `items per hour`.
    pub unit: String,
    /// How the values are written.
    pub format: ValueFormat,
    /// The start of each step.
    #[schema(value_type = Vec<String>)]
    pub times: Vec<Timestamp>,
    /// The distance of two times in seconds.
    pub step_seconds: u64,
    /// The lines, at most seven; each has a value for each time.
    pub lines: Vec<Line>,
    /// The usual range at each time; empty when none was learned.
    pub expected: Vec<Option<Range>>,
    /// Changes.
    pub marks: Vec<Mark>,
}

/// One line of a [`Series`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Line {
    /// Its name.
    pub label: String,
    /// A value for each time; null is a gap.
    pub values: Vec<Option<f64>>,
}

/// A short line for a cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Sparkline {
    /// What it shows: `items per day, last 14 days`.
    pub label: String,
    /// The values, oldest first; null is a gap.
    pub values: Vec<Option<f64>>,
}
