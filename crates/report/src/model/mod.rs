//! The report as data: the contract `dragline.report/1`.
//!
//! Every section stands in every report. What was never logged is null, and so is what cannot be
//! known: an unknown number is not zero. Lists have a stated order. The JSON Schema in
//! `docs/report.schema.json` is made from these types.

mod outlook;
mod sections;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

pub use self::outlook::{
    ChangePoint, Cost, CostForecast, ForecastPoint, Gap, Mute, Panel, PanelChart, QuietHours,
    ScraperCost, Seasonality, TimeBudget, Trend, Waste,
};
pub use self::sections::{
    Articles, Database, Domain, Domains, Duplicates, Host, Operation, Queue, Search, Spread, System,
};

/// The contract's name and version.
pub const SCHEMA: &str = "dragline.report/1";

/// A report on a directory of logs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Report {
    /// `dragline.report/1`.
    pub schema: String,
    /// When the report was made, RFC 3339 UTC.
    pub generated_at: String,
    /// The time that the report covers.
    pub period: Period,
    /// What could and could not be trusted.
    pub trust: Trust,
    /// Everything together.
    pub totals: Totals,
    /// By scraper and site; those that need a hand first, then by name.
    pub scrapers: Vec<Scraper>,
    /// By start, then key.
    pub runs: Vec<Run>,
    /// What went wrong.
    pub errors: Errors,
    /// By day (UTC), oldest first; null without any event that has a time.
    pub daily: Option<Vec<Day>>,
    /// Hosts that were asked; null without requests that name a URL.
    pub domains: Option<Domains>,
    /// Null when never logged, like the sections after it.
    pub articles: Option<Articles>,
    /// Searches.
    pub search: Option<Search>,
    /// The scrapers' queues.
    pub queue: Option<Queue>,
    /// Duplicates.
    pub duplicates: Option<Duplicates>,
    /// The scrapers' databases.
    pub database: Option<Database>,
    /// The machines.
    pub system: Option<System>,
    /// What it cost; null without prices.
    pub cost: Option<Cost>,
    /// What is normal, learned from the logs' own history; null when there is too little of it.
    pub baselines: Option<Vec<Baseline>>,
    /// By metric; all scrapers together first, then by scraper and site.
    pub trends: Vec<Trend>,
    /// What was done in vain; null without requests of which it is known.
    pub waste: Option<Waste>,
    /// When sites are best asked, by site; those of which the logs tell a difference.
    pub quiet_hours: Vec<QuietHours>,
    /// Answers to questions of the configuration's own, in its order.
    pub panels: Vec<Panel>,
    /// The worst first, then the latest.
    pub insights: Vec<Insight>,
    /// In the order of what they are about.
    pub recommendations: Vec<Recommendation>,
}

/// A half-open interval of time, RFC 3339 UTC.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Period {
    /// The first event, or `--since`; null without events.
    pub start: Option<String>,
    /// The last event and a microsecond, or `--until`; null without events.
    pub end: Option<String>,
}

/// What was read, and what could not be.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Trust {
    /// Files that were read.
    pub files: u64,
    /// Their size on disk.
    pub bytes: u64,
    /// Lines in them.
    pub lines: u64,
    /// Events made of the lines.
    pub events: u64,
    /// Lines that nothing could read, torn and oversized ones among them.
    pub bad_lines: u64,
    /// Last lines that stop in the middle.
    pub torn_lines: u64,
    /// Archives that end before their end.
    pub truncated_files: u64,
    /// Files that hold what another holds; they were read once.
    pub duplicate_files: u64,
    /// Lines that are missing, by the numbers of those that are there.
    pub missing_seq: u64,
    /// Events by the language that they were written in.
    pub dialects: BTreeMap<String, u64>,
    /// Errors that no rule knows.
    pub unclassified_errors: u64,
    /// How far a percentile may be from the true one, relative to it.
    pub sketch_relative_error: f64,
    /// By kind and file.
    pub problems: Vec<Problem>,
    /// Sentences about how things were counted.
    pub notes: Vec<String>,
}

/// One kind of problem in one file.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Problem {
    /// `bad_line`, `truncated_file`, `unreadable_file`, …
    pub kind: String,
    /// The file, as it was named.
    pub file: String,
    /// The first line, from 1; null when it is about the file.
    pub line: Option<u64>,
    /// Its offset after decompression; null when it is about the file.
    pub offset: Option<u64>,
    /// How many.
    pub count: u64,
    /// What stands there, or why.
    pub detail: String,
}

/// Numbers of a scope.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Totals {
    /// Runs; null for parts of runs.
    pub runs: Option<u64>,
    /// HTTP attempts.
    pub requests: Option<u64>,
    /// HTTP attempts with a status of 400 or above or without an answer.
    pub requests_failed: Option<u64>,
    /// Requests that did not fail / requests; null without requests.
    pub success_rate: Option<f64>,
    /// Products added, updated or saved, and articles stored.
    pub items: Option<u64>,
    /// Products found on pages.
    pub items_found: Option<u64>,
    /// Products lost.
    pub items_failed: Option<u64>,
    /// Items / found, over the runs that say what they found; null without found.
    pub item_yield: Option<f64>,
    /// Errors.
    pub errors: u64,
    /// Records at WARN.
    pub warnings: u64,
    /// Times that a site asked to slow down.
    pub rate_limits: u64,
    /// Bytes of answers.
    pub bytes: Option<u64>,
    /// Requests per minute of run time.
    pub requests_per_minute: Option<f64>,
    /// Items per minute of run time.
    pub items_per_minute: Option<f64>,
    /// How long answers took; null when no time was logged.
    pub response_time_ms: Option<ResponseTime>,
    /// Answers by status.
    pub status_codes: BTreeMap<String, u64>,
    /// Records by level.
    pub levels: BTreeMap<String, u64>,
}

/// Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ResponseTime {
    /// How many.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Half took less.
    pub p50: f64,
    /// 95 % took less.
    pub p95: f64,
    /// 99 % took less.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// A scraper on a site.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Scraper {
    /// Which scraper; null when no line names one.
    pub scraper_id: Option<String>,
    /// Which site; null when no line names one.
    pub site: Option<String>,
    /// `healthy`, `degraded`, `blocked`, `layout_changed`, `silent_failure`, `stalled`, `missed`,
    /// `down` or `no_data`.
    pub verdict: String,
    /// Why, a sentence each.
    pub reasons: Vec<String>,
    /// Its numbers.
    pub totals: Totals,
    /// What its runs' time went into; null when no line tells.
    pub time_budget: Option<TimeBudget>,
    /// What it did in vain; null without requests of which it is known.
    pub waste: Option<Waste>,
    /// How far the starts of its runs lie apart; null with fewer than two.
    pub gap: Option<Gap>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Run {
    /// Which run.
    pub run_id: String,
    /// Which scraper.
    pub scraper_id: Option<String>,
    /// Which site.
    pub site: Option<String>,
    /// When it began.
    pub start: Option<String>,
    /// When it ended; null without an end.
    pub end: Option<String>,
    /// Its last sign of life.
    pub last_seen: Option<String>,
    /// From start to end, or to the last sign of life.
    pub duration_seconds: Option<f64>,
    /// How it says it ended: `success`, `failed`, `cancelled`, `panicked`; null without an end.
    pub status: Option<String>,
    /// Why it says it ended.
    pub finish_reason: Option<String>,
    /// `finished`, `failed`, `cancelled`, `truncated`, `running`, `stalled`, `killed`; null when the
    /// log's writer marks no ends.
    pub verdict: Option<String>,
    /// What counted its requests and items: `lines` or `statistics`.
    pub counted_by: String,
    /// Its numbers.
    pub totals: Totals,
    /// Pages that came to the scraper, by its own account; null when it gives none.
    pub pages: Option<u64>,
    /// The machine that it ran on; null when no line names it.
    pub host: Option<String>,
    /// What it was configured with; null when no line tells.
    pub config: Option<BTreeMap<String, serde_json::Value>>,
    /// What its author counted and measured, by name; empty where nobody did.
    pub stats: BTreeMap<String, f64>,
    /// What its time went into; null when no line tells.
    pub time_budget: Option<TimeBudget>,
    /// The end, or the last sign of life.
    pub evidence: Vec<Evidence>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Evidence {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The byte where the line starts, after decompression.
    pub offset: u64,
    /// What the line says, in short; null where that stands beside it.
    pub sample: Option<String>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Errors {
    /// How many.
    pub total: u64,
    /// By category, all eight.
    pub by_category: BTreeMap<String, u64>,
    /// By severity, all four.
    pub by_severity: BTreeMap<String, u64>,
    /// By type; errors without one are under the empty name.
    pub by_type: BTreeMap<String, u64>,
    /// By category, severity and type, the most first.
    pub cells: Vec<Cell>,
    /// Errors that are the same but for what varies, the most first.
    pub groups: Vec<Group>,
}

/// A cell of the table category × severity × type.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Cell {
    /// The category.
    pub category: String,
    /// The severity.
    pub severity: String,
    /// The type; null when the error has none.
    pub error_type: Option<String>,
    /// How many.
    pub count: u64,
}

/// A group of errors.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Group {
    /// The same wherever and whenever the same error comes: 16 hexadecimal digits.
    pub id: String,
    /// The category.
    pub category: String,
    /// The finer kind; null when no rule knows it.
    pub sub_category: Option<String>,
    /// The worst severity in the group.
    pub severity: String,
    /// The rule that decided; null when none did.
    pub rule: Option<String>,
    /// The message without what varies.
    pub template: String,
    /// The type; null when the error has none.
    pub error_type: Option<String>,
    /// How many.
    pub count: u64,
    /// Of all errors, 0 to 1.
    pub share: f64,
    /// The first one's time.
    pub first_seen: Option<String>,
    /// The last one's time.
    pub last_seen: Option<String>,
    /// `new`, `ongoing`, `regressed` or `resolved`; null when the period is too short to tell.
    pub state: Option<String>,
    /// Scrapers and sites where it happened, by name.
    pub scrapers: Vec<ScraperName>,
    /// One of the messages.
    pub sample: String,
    /// Where to find some, the sample first.
    pub evidence: Vec<Evidence>,
    /// Set for known errors that are not shown.
    pub mute: Option<Mute>,
}

/// The name of a scraper on a site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ScraperName {
    /// Which scraper.
    pub scraper_id: Option<String>,
    /// Which site.
    pub site: Option<String>,
}

/// A day, UTC.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Day {
    /// `2026-03-04`.
    pub date: String,
    /// Whether the period covers only a part of the day.
    pub partial: bool,
    /// Its numbers.
    pub totals: Totals,
}

/// What is normal for a metric of a scraper on a site.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Baseline {
    /// The metric.
    pub metric: String,
    /// Which scraper.
    pub scraper_id: Option<String>,
    /// Which site.
    pub site: Option<String>,
    /// The median.
    pub median: f64,
    /// The range that is expected.
    pub expected: Expected,
    /// How many runs it was learned from.
    pub runs: u64,
}

/// A range.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Expected {
    /// From.
    pub lower: f64,
    /// To.
    pub upper: f64,
}

/// Something worth knowing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Insight {
    /// The same for the same incident in every report.
    pub id: String,
    /// `block_wave`, `layout_change`, `run_killed`, `new_error`, …
    pub kind: String,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// What happened, in a sentence.
    pub title: String,
    /// More of it.
    pub detail: String,
    /// The onset.
    pub since: Option<String>,
    /// When it was over; null as long as it is open, and where no time is known.
    pub until: Option<String>,
    /// Whether it reaches the scraper's last run (or hour): nothing says that it is over.
    pub is_open: bool,
    /// Which scraper.
    pub scraper_id: Option<String>,
    /// Which site.
    pub site: Option<String>,
    /// The metric that told; null when none did.
    pub metric: Option<String>,
    /// What was expected of it.
    pub expected: Option<Expected>,
    /// What it was.
    pub observed: Option<f64>,
    /// Which metrics moved, in order.
    pub sequence: Vec<Moved>,
    /// Where to look.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub recommendation: String,
    /// Other insights of the same kind at the same time, of other scrapers or sites: most likely
    /// they have one cause.
    pub related: Vec<String>,
}

/// A metric that moved.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Moved {
    /// When.
    pub at: String,
    /// Which.
    pub metric: String,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Recommendation {
    /// A sentence or two.
    pub text: String,
    /// The insights that it is about.
    pub insights: Vec<String>,
    /// The runbook; null when there is none.
    pub runbook: Option<String>,
}
