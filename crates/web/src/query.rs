//! What a request asks for: keys, windows, filters and pages of lists.

use dragline_schema::{Level, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::backend::{Answer, BackendError};
use crate::model::{ErrorState, RunOutcome, ScraperVerdict};

/// A scraper on a site. `None` is unknown: no line of its logs contains it.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
pub struct ScraperKey {
    /// The scraper.
    pub scraper_id: Option<String>,
    /// The site.
    pub site: Option<String>,
}

/// A run of a scraper on a site.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
pub struct RunKey {
    /// The scraper.
    pub scraper_id: Option<String>,
    /// The site.
    pub site: Option<String>,
    /// The run; unique for the scraper and the site only.
    pub run_id: String,
}

/// Which scrapers and sites a list is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The scraper; `None`: any; the empty text: those whose id is unknown.
    pub scraper_id: Option<String>,
    /// The site; `None`: any; the empty text: those whose site is unknown.
    pub site: Option<String>,
}

impl Scope {
    /// Whether something of this scraper and site belongs to the scope.
    ///
    /// ```
    /// use dragline_web::Scope;
    ///
    /// let scope = Scope { scraper_id: Some("shop".into()), site: None };
    /// assert!(scope.matches(Some("shop"), None));
    /// assert!(!scope.matches(None, None));
    /// ```
    pub fn matches(&self, scraper_id: Option<&str>, site: Option<&str>) -> bool {
        let fits = |wanted: &Option<String>, value: Option<&str>| {
            wanted
                .as_deref()
                .is_none_or(|wanted| wanted == value.unwrap_or_default())
        };
        fits(&self.scraper_id, scraper_id) && fits(&self.site, site)
    }
}

/// A half-open interval of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
pub struct Window {
    /// The start.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// The end, which does not belong to it.
    #[schema(value_type = String, format = DateTime)]
    pub to: Timestamp,
}

impl Window {
    /// The length in seconds.
    pub fn seconds(self) -> i64 {
        self.to.since(self.from) / 1_000_000
    }

    /// Whether a time lies in the window.
    pub fn contains(self, time: Timestamp) -> bool {
        self.from <= time && time < self.to
    }
}

/// Which part of a list is requested.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    /// Where to go on: the `next` of the part before. `None`: from the start.
    pub cursor: Option<String>,
    /// Maximum number of items, 1 to [`Page::MAX_LIMIT`].
    pub limit: usize,
}

impl Page {
    /// Number of items unless another is requested.
    pub const DEFAULT_LIMIT: usize = 100;
    /// Maximum number of items.
    pub const MAX_LIMIT: usize = 1_000;

    /// The first `limit` items.
    pub fn first(limit: usize) -> Self {
        Self {
            cursor: None,
            limit: limit.clamp(1, Self::MAX_LIMIT),
        }
    }

    /// The cursor as a number of items to skip, as [`Listing::cut`] writes it.
    ///
    /// # Errors
    /// When the cursor is not a number.
    pub fn offset(&self) -> Answer<usize> {
        let Some(cursor) = &self.cursor else {
            return Ok(0);
        };
        cursor.parse().map_err(|_| {
            BackendError::BadRequest(format!(
                "invalid cursor {cursor:?}: use the \"next\" of the previous answer"
            ))
        })
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::first(Self::DEFAULT_LIMIT)
    }
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// Number of items in the whole list; null when nobody counted them.
    pub total: Option<u64>,
    /// The cursor of the next part; null at the end of the list.
    pub next: Option<String>,
    /// What the list does not contain and why, in a sentence; null when it is complete.
    pub note: Option<String>,
}

impl<T> Listing<T> {
    /// The part of a whole list that `page` requests. Cursors are numbers of items to skip.
    ///
    /// # Errors
    /// When the page's cursor is not a number.
    ///
    /// ```
    /// use dragline_web::{Listing, Page};
    ///
    /// let part = Listing::cut(vec!['a', 'b', 'c'], &Page::first(2)).unwrap();
    /// assert_eq!((part.items, part.total, part.next), (vec!['a', 'b'], Some(3), Some("2".into())));
    /// ```
    pub fn cut(all: Vec<T>, page: &Page) -> Answer<Self> {
        let offset = page.offset()?;
        let total = all.len();
        let items: Vec<T> = all.into_iter().skip(offset).take(page.limit).collect();
        let end = offset.saturating_add(items.len());
        Ok(Self {
            items,
            total: Some(total as u64),
            next: (end < total).then(|| end.to_string()),
            note: None,
        })
    }
}

/// Which scrapers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScraperQuery {
    /// Scraper and site.
    pub scope: Scope,
    /// A part of the scraper's id or the site, in any case.
    pub search: Option<String>,
    /// Only these verdicts; empty: all.
    pub verdicts: Vec<ScraperVerdict>,
    /// The order.
    pub sort: ScraperSort,
    /// The part of the list.
    pub page: Page,
}

/// The order of scrapers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ScraperSort {
    /// Those that need attention first, then by name.
    #[default]
    Attention,
    /// By scraper, then site.
    Name,
    /// The most requests first.
    Requests,
    /// The most items first.
    Items,
    /// The most errors first.
    Errors,
    /// The lowest success rate first; unknown last.
    SuccessRate,
    /// The latest event first.
    LastEvent,
}

impl ScraperSort {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Attention,
        Self::Name,
        Self::Requests,
        Self::Items,
        Self::Errors,
        Self::SuccessRate,
        Self::LastEvent,
    ];

    /// The name in requests: `attention`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Name => "name",
            Self::Requests => "requests",
            Self::Items => "items",
            Self::Errors => "errors",
            Self::SuccessRate => "success_rate",
            Self::LastEvent => "last_event",
        }
    }

    /// The one with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// Which runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RunQuery {
    /// Scraper and site.
    pub scope: Scope,
    /// Only this outcome.
    pub outcome: Option<RunOutcome>,
    /// Only runs that started in the window.
    pub window: Option<Window>,
    /// The part of the list.
    pub page: Page,
}

/// Which groups of errors.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ErrorQuery {
    /// Scraper and site.
    pub scope: Scope,
    /// Only this category: `network`, `parsing`, …
    pub category: Option<String>,
    /// Only this severity.
    pub severity: Option<Severity>,
    /// Only groups in this part of their life cycle.
    pub state: Option<ErrorState>,
    /// A part of the template, in any case.
    pub search: Option<String>,
    /// Only groups with errors in the window, which also bounds their counts.
    pub window: Window,
    /// The part of the list.
    pub page: Page,
}

/// A line in a log file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// The file, as the service names it.
    pub file: String,
    /// The line, from 1; null when only the offset is known.
    pub line: Option<u64>,
    /// The byte offset of the line after decompression.
    pub offset: u64,
}

/// Which lines.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventQuery {
    /// Scraper and site.
    pub scope: Scope,
    /// Only this run.
    pub run_id: Option<String>,
    /// Only this level and above.
    pub level: Option<Level>,
    /// Only this event type: `request`, `scraper_error`, …
    pub event_type: Option<String>,
    /// Only lines that contain this text, in any case.
    pub text: Option<String>,
    /// Only lines of this window.
    pub window: Window,
    /// The part of the list.
    pub page: Page,
}

/// Which alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AlertQuery {
    /// Scraper and site.
    pub scope: Scope,
    /// Only this severity and above.
    pub severity: Option<Severity>,
    /// The part of the list.
    pub page: Page,
}

/// A metric over a window.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetricQuery {
    /// The name.
    pub name: String,
    /// Labels with their values; series that have others are left out.
    pub labels: Vec<(String, String)>,
    /// The window.
    pub window: Window,
    /// The distance of two points in seconds. The backend may widen it, and says so in its answer.
    pub step_seconds: u64,
    /// Maximum number of series; the answer says how many there are.
    pub limit: usize,
}

/// Which findings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FindingQuery {
    /// Scraper and site.
    pub scope: Scope,
    /// Only open ones, or only those that are over.
    pub is_open: Option<bool>,
    /// Only this kind: `block_wave`, `layout_change`, …
    pub kind: Option<String>,
    /// Only those that lie at least partly in the window.
    pub window: Option<Window>,
    /// The part of the list.
    pub page: Page,
}

/// A table as a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExportQuery {
    /// The table.
    pub table: ExportTable,
    /// The format.
    pub format: ExportFormat,
    /// Scraper and site.
    pub scope: Scope,
    /// The window.
    pub window: Window,
    /// The metric, for [`ExportTable::Metric`].
    pub metric: Option<String>,
}

impl ExportQuery {
    /// Maximum number of rows of an export.
    pub const MAX_ROWS: usize = 100_000;
}

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExportTable {
    /// A row for each scraper and site.
    Scrapers,
    /// A row for each run.
    Runs,
    /// A row for each scraper, site and day.
    Days,
    /// A row for each group of errors.
    Errors,
    /// A row for each finding.
    Findings,
    /// A row for each entry of the alert history.
    Alerts,
    /// A row for each series and step of a metric.
    Metric,
}

impl ExportTable {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Scrapers,
        Self::Runs,
        Self::Days,
        Self::Errors,
        Self::Findings,
        Self::Alerts,
        Self::Metric,
    ];

    /// The name in requests: `scrapers`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scrapers => "scrapers",
            Self::Runs => "runs",
            Self::Days => "days",
            Self::Errors => "errors",
            Self::Findings => "findings",
            Self::Alerts => "alerts",
            Self::Metric => "metric",
        }
    }

    /// The one with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// Comma-separated, with a header; cells that a spreadsheet would calculate begin with an apostrophe.
    Csv,
    /// A JSON list of objects.
    Json,
}

impl ExportFormat {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Csv, Self::Json];

    /// The name in requests: `csv`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// The one with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// Bytes of one log file from another machine, or a sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestBatch {
    /// The machine that sends.
    pub host: String,
    /// The permanent name that the sender gave the file, with directories; `None` for a sign of life.
    pub file: Option<String>,
    /// Where the bytes begin in the uncompressed file.
    pub offset: u64,
    /// Longest time until the machine sends again, in seconds, if it says so.
    pub every: Option<u64>,
    /// The compression of the bytes: `zstd`, or `None`.
    pub encoding: Option<String>,
    /// The bytes, as received. Their size is bounded, their decompressed size is not.
    pub body: Vec<u8>,
}
