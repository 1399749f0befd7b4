//! The fleet: overview, scrapers and sites.

use std::collections::BTreeMap;

use dragline_schema::{Severity, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Figure, RunSummary, Series, Sparkline};
use crate::query::{Place, ScraperKey, Window};

/// What a scraper's latest runs amount to.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ScraperVerdict {
    /// Nothing works.
    Down,
    /// The site refuses it.
    Blocked,
    /// It runs and finds nothing, without an error.
    SilentFailure,
    /// The site's pages changed.
    LayoutChanged,
    /// It hangs.
    Stalled,
    /// A run was due and did not start.
    Missed,
    /// It works less well than usual.
    Degraded,
    /// Too little is known.
    NoData,
    /// It works as usual.
    Healthy,
}

impl ScraperVerdict {
    /// All verdicts, the worst first.
    pub const ALL: [Self; 9] = [
        Self::Down,
        Self::Blocked,
        Self::SilentFailure,
        Self::LayoutChanged,
        Self::Stalled,
        Self::Missed,
        Self::Degraded,
        Self::NoData,
        Self::Healthy,
    ];

    /// The name in data: `layout_changed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Blocked => "blocked",
            Self::SilentFailure => "silent_failure",
            Self::LayoutChanged => "layout_changed",
            Self::Stalled => "stalled",
            Self::Missed => "missed",
            Self::Degraded => "degraded",
            Self::NoData => "no_data",
            Self::Healthy => "healthy",
        }
    }

    /// The verdict with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// Whether somebody should look at it.
    pub fn needs_attention(self) -> bool {
        !matches!(self, Self::Healthy | Self::NoData)
    }
}

/// The first page: what needs attention, who is well, what runs.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Overview {
    /// The time of the answer.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The window of the numbers.
    pub window: Window,
    /// Number of scrapers on sites, by verdict; verdicts without scrapers may be absent.
    pub scrapers: BTreeMap<ScraperVerdict, u64>,
    /// What needs attention, the most severe first, at most ten.
    pub attention: Vec<Attention>,
    /// Number of things that need attention.
    pub attention_total: u64,
    /// Runs that are active now, the latest start first, at most ten.
    pub active_runs: Vec<RunSummary>,
    /// Number of runs that are active now.
    pub active_runs_total: u64,
    /// Number of alerts that fire.
    pub alerts_firing: u64,
    /// The numbers of the window: requests, items, success rate, errors, response time.
    pub figures: Vec<Figure>,
    /// The numbers over time, at most four.
    pub series: Vec<Series>,
    /// How current and complete the data are.
    pub data: DataState,
}

/// How current and complete the data are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct DataState {
    /// Time of the latest event; null without events.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_event: Option<Timestamp>,
    /// Seconds that reading lags behind writing; null when unknown.
    pub lag_seconds: Option<f64>,
    /// Number of files that are followed.
    pub files: u64,
    /// Number of lines read since the start of the service.
    pub lines: u64,
    /// Number of lines that could not be read since the start of the service.
    pub bad_lines: u64,
    /// What is the matter with the data, one sentence each: a directory that is gone, a machine that is silent.
    pub problems: Vec<String>,
}

/// What a thing that needs attention is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttentionKind {
    /// A finding; `id` is that of the finding.
    Finding,
    /// An alert; `id` is its short id.
    Alert,
    /// A health check; `id` is its name.
    Health,
    /// The service itself; `id` is empty.
    Service,
}

/// Something that needs attention now.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Attention {
    /// What it is.
    pub kind: AttentionKind,
    /// Its id, by which its page is found.
    pub id: String,
    /// How bad it is.
    #[schema(value_type = String, example = "critical")]
    pub severity: Severity,
    /// One sentence that says what happened.
    pub title: String,
    /// Since when.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// The scraper and site; null when it is about several.
    pub scraper: Option<ScraperKey>,
    /// The line that shows it best.
    pub place: Option<Place>,
    /// That line's text.
    pub sample: Option<String>,
    /// What to do, in a sentence.
    pub recommendation: Option<String>,
    /// The command that shows more.
    pub command: Option<String>,
    /// What is already being done about it: `acknowledged by ops`, `silenced until …`; null: nothing.
    pub handled: Option<String>,
}

/// A scraper's numbers over 24 hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct ScraperNumbers {
    /// HTTP attempts.
    pub requests: Option<u64>,
    /// Share of requests that did not fail, 0 to 1.
    pub success_rate: Option<f64>,
    /// Items.
    pub items: Option<u64>,
    /// Errors.
    pub errors: Option<u64>,
    /// 95th percentile of response times in milliseconds.
    pub response_time_ms_p95: Option<f64>,
}

/// A row of the list of scrapers.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ScraperSummary {
    /// The scraper and the site.
    pub key: ScraperKey,
    /// What its latest runs amount to.
    pub verdict: ScraperVerdict,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
    /// Since when it is so.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Time of its latest event.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_event: Option<Timestamp>,
    /// When the next run is due; null when no schedule was learned.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_run_due: Option<Timestamp>,
    /// Number of runs that are active now.
    pub active_runs: u64,
    /// Number of alerts about it that fire.
    pub alerts_firing: u64,
    /// The numbers of the last 24 hours.
    pub numbers: ScraperNumbers,
    /// Items per day of the last 14 days; null when it logs none.
    pub items_per_day: Option<Sparkline>,
}

/// One scraper on one site.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ScraperDetail {
    /// Its row in the list.
    pub summary: ScraperSummary,
    /// The window of the figures and series.
    pub window: Window,
    /// Its numbers with what was expected.
    pub figures: Vec<Figure>,
    /// Its numbers over time, the most telling first, at most six.
    pub series: Vec<Series>,
    /// Number of runs that its baseline was learned from; null without a baseline.
    pub baseline_runs: Option<u64>,
}

/// A row of the list of sites.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SiteSummary {
    /// The site; null: scrapers whose site is unknown.
    pub site: Option<String>,
    /// The worst verdict of its scrapers.
    pub verdict: ScraperVerdict,
    /// Number of scrapers on it, by verdict.
    pub scrapers: BTreeMap<ScraperVerdict, u64>,
    /// The numbers of the last 24 hours, over all scrapers.
    pub numbers: ScraperNumbers,
}

/// One site with its control group.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SiteDetail {
    /// Its row in the list.
    pub summary: SiteSummary,
    /// The window of the figures and series.
    pub window: Window,
    /// Its scrapers.
    pub scrapers: Vec<ScraperSummary>,
    /// Its numbers with what was expected.
    pub figures: Vec<Figure>,
    /// Its numbers over time, at most four; a line of the control group where there is one.
    pub series: Vec<Series>,
    /// The sites that it is compared with; null when there are none.
    pub control: Option<ControlGroup>,
    /// The requests per status code in the window.
    pub status_codes: BTreeMap<String, u64>,
    /// Hours in which the site refuses fewer requests, in a sentence; null when none stand out.
    pub quiet_hours: Option<String>,
}

/// The sites that a site is compared with: those that the same scrapers or machines request.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ControlGroup {
    /// Its sites, at most twenty.
    pub sites: Vec<String>,
    /// Number of its sites.
    pub total: u64,
    /// What the comparison says, in a sentence: is it the site, the proxy or us?
    pub conclusion: String,
    /// The same numbers as those of the site, of the whole group.
    pub figures: Vec<Figure>,
}
