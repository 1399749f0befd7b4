//! Errors, and the lines behind numbers.

use std::collections::BTreeMap;

use dragline_schema::{Severity, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Mark, Series, Sparkline};
use crate::query::{Place, ScraperKey, Window};

/// Where a group of errors is in its life cycle.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ErrorState {
    /// Not seen before.
    New,
    /// Back after it had ended.
    Regressed,
    /// It goes on.
    Ongoing,
    /// It ended.
    Resolved,
}

impl ErrorState {
    /// All states, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::New, Self::Regressed, Self::Ongoing, Self::Resolved];

    /// The name in data: `new`.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Regressed => "regressed",
            Self::Ongoing => "ongoing",
            Self::Resolved => "resolved",
        }
    }

    /// The state with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Errors of a scope over a window.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ErrorTotals {
    /// The window.
    pub window: Window,
    /// Number of errors; null when nothing was read in the window.
    pub total: Option<u64>,
    /// By category.
    pub by_category: BTreeMap<String, u64>,
    /// By severity.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub by_severity: BTreeMap<Severity, u64>,
    /// The start of each step.
    #[schema(value_type = Vec<String>)]
    pub times: Vec<Timestamp>,
    /// The distance of two times in seconds.
    pub step_seconds: u64,
    /// The errors of each category over time.
    pub layers: Vec<ErrorLayer>,
    /// Changes.
    pub marks: Vec<Mark>,
}

/// One category over time.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ErrorLayer {
    /// The category: `network`, `parsing`, `database`, `rate_limit`, `authentication`, `site_change`, `system` or
    /// `unknown`.
    pub category: String,
    /// A value for each time; null was not measured.
    pub values: Vec<Option<f64>>,
}

/// A group of errors with the same message template.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ErrorGroup {
    /// Its id: 16 hexadecimal digits, the same in every report.
    pub id: String,
    /// Category.
    pub category: String,
    /// Sub-category; null when no rule matches.
    pub sub_category: Option<String>,
    /// Highest severity in the group.
    #[schema(value_type = String, example = "high")]
    pub severity: Severity,
    /// The rule that matched; null when none did.
    pub rule: Option<String>,
    /// Message with placeholders for what varies.
    pub template: String,
    /// Error type; null when it has none.
    pub error_type: Option<String>,
    /// Count in the window.
    pub count: u64,
    /// Share of all errors in the window, 0 to 1.
    pub share: Option<f64>,
    /// Time of the first error in the group.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub first_seen: Option<Timestamp>,
    /// Time of the last error in the group.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Timestamp>,
    /// Where it is in its life cycle; null when too little is known to decide.
    pub state: Option<ErrorState>,
    /// The scrapers and sites with this error, the largest first, at most twenty.
    pub scrapers: Vec<GroupScraper>,
    /// Number of these scrapers and sites.
    pub scrapers_total: u64,
    /// A message, as it was logged.
    pub sample: String,
    /// Where that message is.
    pub place: Option<Place>,
    /// Why it is muted; null when it is not.
    pub muted: Option<String>,
    /// Its errors over the window; null when they were not counted over time.
    pub over_time: Option<Sparkline>,
}

/// A scraper's part in a group.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct GroupScraper {
    /// The scraper and site.
    pub key: ScraperKey,
    /// Count; null when it was not counted for each.
    pub count: Option<u64>,
}

/// One group of errors.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ErrorGroupDetail {
    /// Its row in the list.
    pub group: ErrorGroup,
    /// The window of its counts.
    pub window: Window,
    /// Its errors over time; null when they were not counted over time.
    pub series: Option<Series>,
    /// The rule's sub-category in words, or what to do about it; null when nothing is known.
    pub advice: Option<String>,
    /// The name of the runbook; null when there is none.
    pub runbook: Option<String>,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EventLine {
    /// Where it is.
    pub place: Place,
    /// Its time.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// Its level: `ERROR`.
    pub level: Option<String>,
    /// Its event type: `request`.
    pub event_type: Option<String>,
    /// The scraper and site.
    pub key: ScraperKey,
    /// The run.
    pub run_id: Option<String>,
    /// The line as it was written, secrets redacted, cut after 4,096 bytes.
    pub text: String,
}

/// The lines around a place.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LinesAround {
    /// The file.
    pub file: String,
    /// The lines in their order.
    pub lines: Vec<LineAround>,
    /// Whether there are lines before the first.
    pub has_before: bool,
    /// Whether there are lines after the last.
    pub has_after: bool,
    /// What is the matter with the file, such as that it was rotated since; null when nothing is.
    pub note: Option<String>,
}

/// One of these lines.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LineAround {
    /// Its number, from 1; null when only the offset is known.
    pub line: Option<u64>,
    /// Its byte offset after decompression.
    pub offset: u64,
    /// Its text, secrets redacted, cut after 4,096 bytes.
    pub text: String,
    /// Its level, where it has one.
    pub level: Option<String>,
    /// Whether it is the line that was asked for.
    pub is_target: bool,
}
