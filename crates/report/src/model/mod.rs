//! The report as data: the contract `dragline.report/1`.
//!
//! Every report contains every section. A section or number is null if nothing was logged or it cannot be
//! known: unknown is not zero. Lists have a documented order. The JSON Schema in `docs/report.schema.json` is
//! generated from these types.

mod outlook;
mod sections;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::outlook::{
    ChangePoint, Cost, CostForecast, ForecastPoint, Gap, Mute, Panel, PanelChart, QuietHours,
    ScraperCost, Seasonality, TimeBudget, Trend, Waste,
};
pub use self::sections::{
    Articles, Database, Domain, Domains, Duplicates, Host, Operation, Queue, Search, Spread, System,
};

/// Name and version of the contract.
pub const SCHEMA: &str = "dragline.report/1";

/// A report on a directory of logs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Report {
    /// `dragline.report/1`.
    pub schema: String,
    /// When the report was made, RFC 3339 UTC.
    pub generated_at: String,
    /// Period that the report covers.
    pub period: Period,
    /// Data quality: what was read and what could not be read.
    pub trust: Trust,
    /// Totals over everything.
    pub totals: Totals,
    /// One entry per scraper and site; those that need attention first, then by name.
    pub scrapers: Vec<Scraper>,
    /// Runs, sorted by start, then by key.
    pub runs: Vec<Run>,
    /// Errors by category, severity, type and group.
    pub errors: Errors,
    /// One entry per day (UTC), oldest first; null if no event has a time.
    pub daily: Option<Vec<Day>>,
    /// Requested hosts; null if no request has a URL.
    pub domains: Option<Domains>,
    /// Articles; null if never logged, like the sections after it.
    pub articles: Option<Articles>,
    /// Searches.
    pub search: Option<Search>,
    /// Queues of the scrapers.
    pub queue: Option<Queue>,
    /// Duplicates.
    pub duplicates: Option<Duplicates>,
    /// Databases of the scrapers.
    pub database: Option<Database>,
    /// The machines.
    pub system: Option<System>,
    /// Cost; null without configured prices.
    pub cost: Option<Cost>,
    /// Normal ranges learned from the logs' own history; null if there is too little history.
    pub baselines: Option<Vec<Baseline>>,
    /// Trends by metric; all scrapers together first, then by scraper and site.
    pub trends: Vec<Trend>,
    /// Failed work; null if no request has a known outcome.
    pub waste: Option<Waste>,
    /// Best hours to scrape, by site; only sites where the hours differ significantly.
    pub quiet_hours: Vec<QuietHours>,
    /// Results of the SQL panels in the configuration, in its order.
    pub panels: Vec<Panel>,
    /// Incidents, the most severe first, then the latest.
    pub insights: Vec<Insight>,
    /// Recommendations, in the order of the insights that they refer to.
    pub recommendations: Vec<Recommendation>,
}

/// A half-open time interval, RFC 3339 UTC.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Period {
    /// Time of the first event, or `--since`; null without events.
    pub start: Option<String>,
    /// Time of the last event plus one microsecond, or `--until`; null without events.
    pub end: Option<String>,
}

/// Data quality: what was read, and what could not be read.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Trust {
    /// Number of files read.
    pub files: u64,
    /// Size of these files on disk, in bytes.
    pub bytes: u64,
    /// Number of lines in these files.
    pub lines: u64,
    /// Number of events read from these lines.
    pub events: u64,
    /// Lines that could not be read, including torn and oversized lines.
    pub bad_lines: u64,
    /// Incomplete last lines.
    pub torn_lines: u64,
    /// Truncated archives.
    pub truncated_files: u64,
    /// Files with the same content as another file; each content is read once.
    pub duplicate_files: u64,
    /// Missing lines, according to the sequence numbers.
    pub missing_seq: u64,
    /// Events by log format (dialect).
    pub dialects: BTreeMap<String, u64>,
    /// Unclassified errors.
    pub unclassified_errors: u64,
    /// Maximum relative error of percentiles.
    pub sketch_relative_error: f64,
    /// Problems, sorted by kind and file.
    pub problems: Vec<Problem>,
    /// Sentences that explain how events were counted.
    pub notes: Vec<String>,
}

/// One kind of problem in one file.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Problem {
    /// `bad_line`, `truncated_file`, `unreadable_file`, …
    pub kind: String,
    /// Path of the file, as given.
    pub file: String,
    /// First line affected, from 1; null if the problem concerns the whole file.
    pub line: Option<u64>,
    /// Byte offset of that line after decompression; null if the problem concerns the whole file.
    pub offset: Option<u64>,
    /// Count.
    pub count: u64,
    /// The affected text, or the cause.
    pub detail: String,
}

/// Totals of a scope: everything, a scraper, a run or a day.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Totals {
    /// Runs; null for scopes that contain parts of runs, such as a day.
    pub runs: Option<u64>,
    /// HTTP attempts.
    pub requests: Option<u64>,
    /// HTTP attempts with a status of 400 or above, or without a response; also those of runs whose log does not say how
    /// the others ended, which are in no success rate.
    pub requests_failed: Option<u64>,
    /// Requests that did not fail / requests with a known outcome; null without such requests.
    pub success_rate: Option<f64>,
    /// Products added, updated or saved, and articles stored.
    pub items: Option<u64>,
    /// Products found on pages.
    pub items_found: Option<u64>,
    /// Products that could not be extracted or stored.
    pub items_failed: Option<u64>,
    /// Items / products found, over the runs that log both; null if no products were found.
    pub item_yield: Option<f64>,
    /// Errors.
    pub errors: u64,
    /// Records at level WARN.
    pub warnings: u64,
    /// Rate-limit events: times that a site asked to slow down.
    pub rate_limits: u64,
    /// Bytes of responses.
    pub bytes: Option<u64>,
    /// Requests per minute of run time.
    pub requests_per_minute: Option<f64>,
    /// Items per minute of run time.
    pub items_per_minute: Option<f64>,
    /// Response times; null if no time was logged.
    pub response_time_ms: Option<ResponseTime>,
    /// Responses by status code.
    pub status_codes: BTreeMap<String, u64>,
    /// Records by level.
    pub levels: BTreeMap<String, u64>,
}

/// Response times in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ResponseTime {
    /// Count.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Maximum.
    pub max: f64,
}

/// A scraper on a site.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Scraper {
    /// Scraper id; null if no line contains one.
    pub scraper_id: Option<String>,
    /// Site; null if no line contains one.
    pub site: Option<String>,
    /// `healthy`, `degraded`, `blocked`, `layout_changed`, `silent_failure`, `stalled`, `missed`,
    /// `down` or `no_data`.
    pub verdict: String,
    /// Reasons for the verdict, one sentence each.
    pub reasons: Vec<String>,
    /// Totals of this scope.
    pub totals: Totals,
    /// Time breakdown of its runs; null if the logs do not show it.
    pub time_budget: Option<TimeBudget>,
    /// Failed work of this scraper; null if no request has a known outcome.
    pub waste: Option<Waste>,
    /// Intervals between the starts of its runs; null with fewer than two runs.
    pub gap: Option<Gap>,
}

/// A run of a scraper.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Run {
    /// Run id.
    pub run_id: String,
    /// Scraper id.
    pub scraper_id: Option<String>,
    /// Site.
    pub site: Option<String>,
    /// Start time.
    pub start: Option<String>,
    /// End time; null if no end was logged.
    pub end: Option<String>,
    /// Time of its last event.
    pub last_seen: Option<String>,
    /// Seconds from the start to the end, or to the last event.
    pub duration_seconds: Option<f64>,
    /// Final status that the run logged: `success`, `failed`, `cancelled`, `panicked`; null if no end was
    /// logged.
    pub status: Option<String>,
    /// Reason for the end that the run logged.
    pub finish_reason: Option<String>,
    /// `finished`, `failed`, `cancelled`, `truncated`, `running`, `stalled`, `killed`; null if the logs have
    /// no end-of-run line.
    pub verdict: Option<String>,
    /// Source of its request and item counts: `lines` or `statistics`.
    pub counted_by: String,
    /// Totals of this scope.
    pub totals: Totals,
    /// Pages received, according to the run's own statistics; null if it logs none.
    pub pages: Option<u64>,
    /// Host name of the machine that it ran on; null if no line contains it.
    pub host: Option<String>,
    /// Configuration of the run; null if no line contains it.
    pub config: Option<BTreeMap<String, serde_json::Value>>,
    /// Custom statistics of the run by name; empty if there are none.
    pub stats: BTreeMap<String, f64>,
    /// Time breakdown; null if the logs do not show it.
    pub time_budget: Option<TimeBudget>,
    /// Line of the end, or the last line of the run.
    pub evidence: Vec<Evidence>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Evidence {
    /// Path of the file, as given.
    pub file: String,
    /// Line number, from 1.
    pub line: u64,
    /// Byte offset of the line after decompression.
    pub offset: u64,
    /// Excerpt of the line; null if the surrounding object already contains it.
    pub sample: Option<String>,
}

/// `FILE:LINE: EXCERPT`, or without an excerpt `FILE:LINE`.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        match &self.sample {
            Some(sample) => write!(f, ": {sample}"),
            None => Ok(()),
        }
    }
}

/// Errors by category, severity, type and group.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Errors {
    /// Count.
    pub total: u64,
    /// Errors by category; all eight categories are present.
    pub by_category: BTreeMap<String, u64>,
    /// Errors by severity; all four severities are present.
    pub by_severity: BTreeMap<String, u64>,
    /// Errors by type; errors without a type have an empty key.
    pub by_type: BTreeMap<String, u64>,
    /// Errors by category, severity and type; highest count first.
    pub cells: Vec<Cell>,
    /// Groups of errors with the same message template; highest count first.
    pub groups: Vec<Group>,
}

/// A cell of the table category × severity × type.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Cell {
    /// Category.
    pub category: String,
    /// Severity.
    pub severity: String,
    /// Error type; null if the error has none.
    pub error_type: Option<String>,
    /// Count.
    pub count: u64,
}

/// A group of errors with the same message template.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Group {
    /// Stable id, the same in every report: 16 hexadecimal digits.
    pub id: String,
    /// Category.
    pub category: String,
    /// Sub-category; null if no rule matches.
    pub sub_category: Option<String>,
    /// Highest severity in the group.
    pub severity: String,
    /// Rule that matched; null if none did.
    pub rule: Option<String>,
    /// Message with variable parts replaced by placeholders.
    pub template: String,
    /// Error type; null if the error has none.
    pub error_type: Option<String>,
    /// Count.
    pub count: u64,
    /// Share of all errors, 0 to 1.
    pub share: f64,
    /// Time of the first error in the group.
    pub first_seen: Option<String>,
    /// Time of the last error in the group.
    pub last_seen: Option<String>,
    /// `new`, `ongoing`, `regressed` or `resolved`; null if the period is too short to decide.
    pub state: Option<String>,
    /// Scrapers and sites with this error, by name.
    pub scrapers: Vec<GroupScraper>,
    /// Sample message.
    pub sample: String,
    /// The scraper and site that logged the sample; null if unknown.
    pub sample_of: Option<ScraperName>,
    /// Lines with this error; the line of the sample first.
    pub evidence: Vec<Evidence>,
    /// Set if the group is muted.
    pub mute: Option<Mute>,
}

/// A scraper's part in a group of errors.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct GroupScraper {
    /// Scraper id.
    pub scraper_id: Option<String>,
    /// Site.
    pub site: Option<String>,
    /// Count; null if the group occurs at too many scrapers to count each.
    pub count: Option<u64>,
    /// Share of the group, 0 to 1; null like the count.
    pub share: Option<f64>,
}

/// The name of a scraper on a site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ScraperName {
    /// Scraper id.
    pub scraper_id: Option<String>,
    /// Site.
    pub site: Option<String>,
}

/// A day, UTC.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Day {
    /// `2026-03-04`.
    pub date: String,
    /// Whether the period covers only part of the day.
    pub partial: bool,
    /// Totals of this scope.
    pub totals: Totals,
}

/// Normal range of a metric of a scraper on a site.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Baseline {
    /// Metric.
    pub metric: String,
    /// Scraper id.
    pub scraper_id: Option<String>,
    /// Site.
    pub site: Option<String>,
    /// Median.
    pub median: f64,
    /// Expected range.
    pub expected: Expected,
    /// Number of runs that it was learned from.
    pub runs: u64,
}

/// An expected range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Expected {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
}

/// An incident or other insight.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Insight {
    /// Stable id: the same incident has the same id in every report.
    pub id: String,
    /// `block_wave`, `layout_change`, `run_killed`, `new_error`, …
    pub kind: String,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// One sentence that says what happened.
    pub title: String,
    /// Details.
    pub detail: String,
    /// Time of the onset.
    pub since: Option<String>,
    /// Time of the end; null while the insight is open, and if no time is known.
    pub until: Option<String>,
    /// Whether it includes the scraper's last run (or hour), so that it has no known end.
    pub is_open: bool,
    /// Scraper id.
    pub scraper_id: Option<String>,
    /// Site.
    pub site: Option<String>,
    /// Metric that triggered the insight; null if none did.
    pub metric: Option<String>,
    /// Expected range of the metric.
    pub expected: Option<Expected>,
    /// Observed value of the metric.
    pub observed: Option<f64>,
    /// Metrics that changed, in order of time.
    pub sequence: Vec<Moved>,
    /// Log lines that show it.
    pub evidence: Vec<Evidence>,
    /// Recommended action.
    pub recommendation: String,
    /// Ids of insights of the same kind at the same time on other scrapers or sites, probably with the same
    /// cause.
    pub related: Vec<String>,
}

/// A metric that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Moved {
    /// Time of the change.
    pub at: String,
    /// Metric.
    pub metric: String,
}

/// Recommended action.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Recommendation {
    /// One or two sentences.
    pub text: String,
    /// Ids of the insights that it refers to.
    pub insights: Vec<String>,
    /// Path of the runbook; null if there is none.
    pub runbook: Option<String>,
}
