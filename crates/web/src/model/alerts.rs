//! Alerts, findings and health.

use dragline_alerting::Alert;
use dragline_alerting::history::Entry;
use dragline_alerting::notice::ControlVerdict;
use dragline_alerting::notify::{Acknowledgement, Silence};
use dragline_schema::{Severity, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Range, Series};
use crate::query::{Place, ScraperKey};

/// An alert with what is known about it. The API shows it as [`AlertView`](crate::AlertView).
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRecord {
    /// The alert.
    pub alert: Alert,
    /// Who has taken it up.
    pub acknowledged: Option<Acknowledgement>,
    /// Until when it is silenced; `None`: it is not.
    pub silenced_until: Option<Timestamp>,
    /// The id of that silence.
    pub silenced_by: Option<String>,
    /// The line that shows it best, for its page in the log.
    pub place: Option<Place>,
    /// Lines that show it, secrets redacted, at most three. They are kept when the log is gone.
    pub evidence: Vec<String>,
    /// The comparison with the control group.
    pub verdict: Option<ControlVerdict>,
    /// Who answers for the scraper.
    pub owner: Option<String>,
    /// The command that shows more.
    pub command: Option<String>,
    /// The channels that were notified.
    pub channels: Vec<String>,
}

/// One alert with its history.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertDetail {
    /// The alert.
    pub record: AlertRecord,
    /// What happened to it, the latest first, at most 200 entries.
    pub history: Vec<Entry>,
    /// The value of its condition over time.
    pub series: Option<Series>,
}

/// A silence with its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct SilenceRecord {
    /// Its id.
    pub id: String,
    /// The silence.
    pub silence: Silence,
    /// Whether it was set on the page, and can be ended there; else it is one of the configuration.
    pub is_of_page: bool,
    /// Whether it mutes now.
    pub is_in_force: bool,
    /// Number of firing alerts that it mutes.
    pub muted: u64,
}

/// The rules, and how far they were evaluated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct WatchStatus {
    /// The last evaluation, in the time of events.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub evaluated_until: Option<Timestamp>,
    /// Seconds that the evaluation lags behind the clock; null before the first.
    pub lag_seconds: Option<f64>,
    /// The rules.
    pub rules: Vec<RuleSummary>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct RuleSummary {
    /// Its name.
    pub name: String,
    /// Its condition in words, with how long it must hold.
    pub condition: String,
    /// Its severity.
    #[schema(value_type = String, example = "high")]
    pub severity: Severity,
    /// Whether it is evaluated.
    pub enabled: bool,
    /// Why it could not be evaluated the last time; null when it could.
    pub error: Option<String>,
    /// Number of its alerts that fire.
    pub firing: u64,
}

/// A finding of the analyst.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Finding {
    /// Its id; the same finding has the same id in every report.
    pub id: String,
    /// `block_wave`, `layout_change`, `run_killed`, …
    pub kind: String,
    /// How bad it is.
    #[schema(value_type = String, example = "critical")]
    pub severity: Severity,
    /// One sentence that says what happened.
    pub title: String,
    /// Details.
    pub detail: String,
    /// The onset.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// The end; null while it is open.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Whether it goes on.
    pub is_open: bool,
    /// The scraper and site; null when it is about several.
    pub scraper: Option<ScraperKey>,
    /// The metric that shows it.
    pub metric: Option<String>,
    /// The usual range of that metric.
    pub expected: Option<Range>,
    /// What it was.
    pub observed: Option<f64>,
    /// The metrics that changed, in order of time.
    pub sequence: Vec<Moved>,
    /// Lines that show it, each with its text where it is known.
    pub evidence: Vec<(Place, Option<String>)>,
    /// What to do.
    pub recommendation: String,
    /// The name of the runbook; null when there is none.
    pub runbook: Option<String>,
    /// Ids of findings with probably the same cause.
    pub related: Vec<String>,
    /// What became of it since somebody marked it as mended; null when nobody did.
    pub fix: Option<Fix>,
}

/// A finding that somebody marked as mended, and what the pages or runs since then say.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Fix {
    /// The id of the finding.
    pub finding: String,
    /// What had happened, in one sentence.
    pub title: String,
    /// The scraper and site; null when it is about several.
    pub scraper: Option<ScraperKey>,
    /// When it was marked.
    #[schema(value_type = String, format = DateTime)]
    pub marked_at: Timestamp,
    /// By whom.
    pub marked_by: String,
    /// Whether it is mended.
    pub state: FixState,
    /// The same in a sentence, with the numbers.
    pub sentence: String,
    /// What is counted: `pages` or `runs`; null while nothing is.
    pub counted: Option<String>,
    /// How many of them were counted since the mark.
    pub seen: Option<u64>,
    /// About how many of them decide.
    pub decides: Option<u64>,
    /// The usual rate per page or run.
    pub usual: Option<f64>,
    /// The rate from the onset to the mark.
    pub broken: Option<f64>,
    /// The rate since the mark.
    pub observed: Option<f64>,
    /// When it was decided.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub decided_at: Option<Timestamp>,
}

/// Whether a fix worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FixState {
    /// Too few pages or runs were counted.
    Watched,
    /// It cannot be watched; the sentence says why.
    NotWatched,
    /// What is usual is back.
    Mended,
    /// At least half of the trouble is left.
    NotMended,
    /// The trouble has grown by half or more.
    Worse,
}

/// A metric that changed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Moved {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The metric.
    pub metric: String,
}

/// A health check with its history. The API shows it as [`HealthView`](crate::HealthView).
#[derive(Clone, Debug, PartialEq)]
pub struct HealthHistory {
    /// The check.
    pub check: dragline_health::CheckReport,
    /// Its results, oldest first.
    pub results: Vec<dragline_health::HistoryEntry>,
    /// Its changes, oldest first.
    pub changes: Vec<dragline_health::Change>,
}
