//! Runs.

use std::collections::BTreeMap;

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Figure, Range, Series};
use crate::query::{Place, RunKey};

/// How a run ended, or that it did not.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// It is active.
    Running,
    /// It ended by itself.
    Finished,
    /// It failed or panicked.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// It hangs.
    Stalled,
    /// It ended without a word.
    Killed,
    /// Its log is cut off.
    Truncated,
}

impl RunOutcome {
    /// All outcomes.
    pub const ALL: [Self; 7] = [
        Self::Running,
        Self::Finished,
        Self::Failed,
        Self::Cancelled,
        Self::Stalled,
        Self::Killed,
        Self::Truncated,
    ];

    /// The name in data: `finished`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Stalled => "stalled",
            Self::Killed => "killed",
            Self::Truncated => "truncated",
        }
    }

    /// The outcome with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// The numbers of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct RunNumbers {
    /// HTTP attempts.
    pub requests: Option<u64>,
    /// Failed attempts.
    pub requests_failed: Option<u64>,
    /// Share of requests that did not fail, 0 to 1.
    pub success_rate: Option<f64>,
    /// Items.
    pub items: Option<u64>,
    /// Errors.
    pub errors: Option<u64>,
    /// Times that the site asked to slow down.
    pub rate_limits: Option<u64>,
    /// Bytes of responses.
    pub bytes: Option<u64>,
    /// Median of response times in milliseconds.
    pub response_time_ms_p50: Option<f64>,
    /// 95th percentile of response times in milliseconds.
    pub response_time_ms_p95: Option<f64>,
}

/// What a running run is expected to come to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Forecast {
    /// The expected end.
    #[schema(value_type = String, format = DateTime)]
    pub end: Timestamp,
    /// The earliest end of the band that holds 90 % of ends.
    #[schema(value_type = String, format = DateTime)]
    pub end_lower: Timestamp,
    /// The latest end of that band.
    #[schema(value_type = String, format = DateTime)]
    pub end_upper: Timestamp,
    /// The expected number of items; null when it logs none.
    pub items: Option<f64>,
    /// The band that holds 90 % of them.
    pub items_range: Option<Range>,
}

/// A row of the list of runs.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RunSummary {
    /// The run.
    pub key: RunKey,
    /// When it started; null when no line says so.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub start: Option<Timestamp>,
    /// When it ended; null while it runs, and when no end was logged.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub end: Option<Timestamp>,
    /// Time of its latest event.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Timestamp>,
    /// Seconds from the start to the end or the latest event.
    pub duration_seconds: Option<f64>,
    /// How it ended; null when its logs have no end-of-run line.
    pub outcome: Option<RunOutcome>,
    /// Why it ended, as it logged it.
    pub finish_reason: Option<String>,
    /// The machine.
    pub host: Option<String>,
    /// Its numbers so far.
    pub numbers: RunNumbers,
    /// The usual number of items of such a run; null when none was learned.
    pub items_expected: Option<Range>,
    /// What it is expected to come to; null once it ended, and where that cannot be predicted.
    pub forecast: Option<Forecast>,
    /// Why it cannot be predicted; null otherwise.
    pub no_forecast: Option<String>,
}

/// The errors of a group in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunErrors {
    /// The id of the group.
    pub id: String,
    /// The message, with placeholders for what varies.
    pub template: String,
    /// Number of errors in the run; null when the group has more runs than are counted one by one.
    pub count: Option<u64>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RunDetail {
    /// Its row in the list.
    pub summary: RunSummary,
    /// Its numbers with what was expected, in the same order for all runs of a scraper.
    pub figures: Vec<Figure>,
    /// Its numbers over time, at most four.
    pub series: Vec<Series>,
    /// Responses by status code.
    pub status_codes: BTreeMap<String, u64>,
    /// Its configuration, secrets redacted; empty when no line contains it.
    pub config: BTreeMap<String, serde_json::Value>,
    /// Its own statistics.
    pub stats: BTreeMap<String, f64>,
    /// Its largest error groups, at most ten.
    pub error_groups: Vec<RunErrors>,
    /// Its last line.
    pub last_line: Option<Place>,
    /// The run before it of the same scraper and site, to compare it with.
    pub previous: Option<RunKey>,
}
