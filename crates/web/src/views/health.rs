//! Health checks as the API shows them.

use std::collections::BTreeMap;

use dragline_health::{CheckReport, Report, Status};
use dragline_schema::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::word;
use crate::model::HealthHistory;

/// The health checks.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthView {
    /// When they were performed last.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The worst status: `healthy`, `inconclusive`, `degraded` or `critical`.
    pub status: String,
    /// Share of sites that are not critical among those whose status is known, 0 to 100.
    pub sites_accessible_percent: Option<f64>,
    /// The worst status of the databases; null without any.
    pub database_status: Option<String>,
    /// What concerns several checks at once, one sentence each.
    pub notices: Vec<String>,
    /// The checks, in the order of the configuration.
    pub checks: Vec<CheckView>,
}

/// A health check.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = HealthCheck)]
pub struct CheckView {
    /// Its name.
    pub name: String,
    /// Its kind: `site`, `database`, …
    pub kind: String,
    /// What is checked, without secrets.
    pub target: String,
    /// `healthy`, `inconclusive`, `degraded` or `critical`.
    pub status: String,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Time of the last result.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub checked_at: Option<Timestamp>,
    /// What the last result said, before the thresholds.
    pub last_result: String,
    /// A sentence about the last result.
    pub message: Option<String>,
    /// What was measured; durations are seconds.
    pub values: BTreeMap<String, f64>,
    /// Share of known results of the last day or so that were not critical, 0 to 100.
    pub availability_percent: Option<f64>,
    /// Results in a row that contradict the status.
    pub results_in_a_row: u32,
    /// Results in a row that would change it.
    pub results_needed: u32,
}

impl From<CheckReport> for CheckView {
    fn from(check: CheckReport) -> Self {
        let values = serde_json::to_value(&check.values).ok();
        let values = values.and_then(|values| serde_json::from_value(values).ok());
        Self {
            name: check.name,
            kind: word(&check.kind),
            target: check.target,
            status: check.status.name().to_owned(),
            since: check.since,
            checked_at: check.checked_at,
            last_result: check.last_result.name().to_owned(),
            message: check.message,
            values: values.unwrap_or_default(),
            availability_percent: check.availability_percent,
            results_in_a_row: check.results_in_a_row,
            results_needed: check.results_needed,
        }
    }
}

impl From<Report> for HealthView {
    fn from(report: Report) -> Self {
        Self {
            at: report.generated_at,
            status: report.status.name().to_owned(),
            sites_accessible_percent: report.sites_accessible_percent,
            database_status: report
                .database_status
                .map(|status| status.name().to_owned()),
            notices: report
                .notices
                .into_iter()
                .map(|notice| notice.message)
                .collect(),
            checks: report.checks.into_iter().map(CheckView::from).collect(),
        }
    }
}

/// A health check with its history.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = HealthHistory)]
pub struct HealthHistoryView {
    /// The check.
    pub check: CheckView,
    /// Its results, oldest first.
    pub results: Vec<HealthResult>,
    /// Its changes, oldest first.
    pub changes: Vec<HealthChange>,
}

/// One result of a check.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct HealthResult {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// What it found, before any threshold.
    pub status: String,
    /// Seconds; null when it was not measured.
    pub response_time: Option<f64>,
    /// Why, unless it was healthy.
    pub message: Option<String>,
}

/// One change of a check's status.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct HealthChange {
    /// When the new status began.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The status before; null for the first.
    pub from: Option<String>,
    /// The status after.
    pub to: String,
    /// Why.
    pub reason: String,
}

impl From<HealthHistory> for HealthHistoryView {
    fn from(history: HealthHistory) -> Self {
        let result = |entry: dragline_health::HistoryEntry| HealthResult {
            at: entry.at,
            status: entry.status.name().to_owned(),
            response_time: entry.response_time,
            message: entry.message,
        };
        let change = |change: dragline_health::Change| HealthChange {
            at: change.at,
            from: change
                .from
                .map(|level| Status::from(Some(level)).name().to_owned()),
            to: Status::from(Some(change.to)).name().to_owned(),
            reason: change.reason,
        };
        Self {
            check: history.check.into(),
            results: history.results.into_iter().map(result).collect(),
            changes: history.changes.into_iter().map(change).collect(),
        }
    }
}
