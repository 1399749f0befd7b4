//! What the pages and the API ask: the trait [`Backend`].
//!
//! Web has no logic of its own: every number, sentence about a scraper and verdict comes from here. The monitor
//! implements the trait; the tests do so in memory.
//!
//! **What an implementor must hold.**
//! - Calls block. They are made on threads that may block, with a time limit; a call that takes longer than a second
//!   makes a page slow. They may come from many threads at once.
//! - Unknown is `None`, never 0. What cannot be answered is an error with a sentence, not an empty list.
//! - Texts are returned as they were logged, secrets redacted. They are escaped here.
//! - Everything that can change is announced with [`Feed::publish`](crate::Feed::publish), after it can be read.
//! - A [`Place`] from a request is hostile. A file is opened only when it is one that the service follows.

use dragline_alerting::history::{AlertSummary, Entry};
use dragline_alerting::notify::Silence;
use dragline_schema::Timestamp;

use crate::feed::Feed;
use crate::model::{
    AlertDetail, AlertRecord, ErrorGroup, ErrorGroupDetail, ErrorTotals, EventLine, Export,
    Finding, Fix, HealthHistory, HeldFiles, IngestAnswer, LinesAround, MetricAnswer, MetricInfo,
    Overview, Readiness, ReportInfo, ReportSchedule, RunDetail, RunSummary, ScraperDetail,
    ScraperSummary, ServiceStatus, SilenceRecord, SiteDetail, SiteSummary, WatchStatus,
};
use crate::query::{
    AlertQuery, ErrorQuery, EventQuery, ExportQuery, FindingQuery, IngestBatch, Listing,
    MetricQuery, Page, Place, RunKey, RunQuery, Scope, ScraperKey, ScraperQuery, Window,
};

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// What was requested does not exist: `run "r1" of shop on shop.example.com is not known`. Status 404.
    #[error("{0}")]
    NotFound(String),
    /// The request makes no sense; the sentence says which value is wrong and what to write instead. Status 400.
    #[error("{0}")]
    BadRequest(String),
    /// The request contradicts what is known. Status 409.
    #[error("{0}")]
    Conflict(String),
    /// A batch begins behind bytes that are missing. Status 409, with the offset.
    #[error("{detail}")]
    Gap {
        /// The first byte that is missing.
        next_offset: u64,
        /// The sentence.
        detail: String,
    },
    /// It cannot be answered now, or took too long; the sentence says why. Status 503.
    #[error("{0}")]
    Unavailable(String),
}

/// The result of every call.
pub type Answer<T> = Result<T, BackendError>;

/// What the pages and the API are made of. See the module's text for what an implementor must hold.
#[allow(
    clippy::missing_errors_doc,
    reason = "every call fails in the ways of BackendError"
)]
pub trait Backend: Send + Sync + 'static {
    /// The time now. Web asks no other clock.
    fn now(&self) -> Timestamp;

    /// The feed on which changes are published.
    fn feed(&self) -> &Feed;

    /// Whether the service works, and if not, why. Answered without waiting for anything.
    fn readiness(&self) -> Readiness;

    /// The service itself: its inputs, tasks, store and configuration.
    fn service(&self) -> Answer<ServiceStatus>;

    /// The metrics of the service itself, in Prometheus' text format.
    fn service_metrics(&self) -> Answer<String>;

    /// Reads the configuration anew. A bad file keeps the old configuration and is a [`BackendError::BadRequest`] that
    /// says why. The answer is a sentence about what changed.
    fn reload(&self, by: &str) -> Answer<String>;

    /// What needs attention, who is well, active runs, and the numbers of the window.
    fn overview(&self, window: Window) -> Answer<Overview>;

    /// Scrapers on sites; those that need attention first unless sorted otherwise.
    fn scrapers(&self, query: &ScraperQuery) -> Answer<Listing<ScraperSummary>>;

    /// One scraper on one site.
    fn scraper(&self, key: &ScraperKey, window: Window) -> Answer<ScraperDetail>;

    /// Sites; those that need attention first.
    fn sites(&self, page: &Page) -> Answer<Listing<SiteSummary>>;

    /// One site, with its control group.
    fn site(&self, site: &str, window: Window) -> Answer<SiteDetail>;

    /// Runs, the latest start first.
    fn runs(&self, query: &RunQuery) -> Answer<Listing<RunSummary>>;

    /// One run.
    fn run(&self, key: &RunKey) -> Answer<RunDetail>;

    /// Errors over time and by category.
    fn errors(&self, scope: &Scope, window: Window) -> Answer<ErrorTotals>;

    /// Groups of errors with the same template, the largest first.
    fn error_groups(&self, query: &ErrorQuery) -> Answer<Listing<ErrorGroup>>;

    /// One group; its id has 16 hexadecimal digits.
    fn error_group(&self, id: &str, window: Window) -> Answer<ErrorGroupDetail>;

    /// Lines of a group, the latest first.
    fn error_samples(&self, id: &str, page: &Page) -> Answer<Listing<EventLine>>;

    /// The lines around a place in a log file that the service follows. At most 200 before and after.
    fn lines_around(&self, place: &Place, before: u32, after: u32) -> Answer<LinesAround>;

    /// The raw lines behind a number, read from the files, oldest first.
    fn events(&self, query: &EventQuery) -> Answer<Listing<EventLine>>;

    /// Alerts that fire or recover, the most severe first, then the latest.
    fn alerts(&self, query: &AlertQuery) -> Answer<Listing<AlertRecord>>;

    /// One alert by its short id ([`AlertId::short`](dragline_alerting::AlertId::short)), active or of the history.
    fn alert(&self, id: &str) -> Answer<AlertDetail>;

    /// What happened, the latest first.
    fn alert_history(&self, window: Window, page: &Page) -> Answer<Listing<Entry>>;

    /// The alerts in numbers.
    fn alert_summary(&self) -> Answer<AlertSummary>;

    /// The rules, and how far they were evaluated.
    fn watch(&self) -> Answer<WatchStatus>;

    /// Takes up a firing alert. Not found when it does not fire.
    fn acknowledge(&self, id: &str, by: &str) -> Answer<AlertRecord>;

    /// Silences of the configuration and of the page, those in force first.
    fn silences(&self, page: &Page) -> Answer<Listing<SilenceRecord>>;

    /// Adds a silence; `by` is set.
    fn silence(&self, silence: Silence) -> Answer<SilenceRecord>;

    /// Ends a silence that was set on the page. One of the configuration is a bad request that says so.
    fn end_silence(&self, id: &str, by: &str) -> Answer<()>;

    /// The health checks.
    fn health(&self) -> Answer<dragline_health::Report>;

    /// One health check with its history.
    fn health_check(&self, name: &str) -> Answer<HealthHistory>;

    /// The metrics that are kept, by name. `search` is a part of the name.
    fn metrics(&self, search: Option<&str>, page: &Page) -> Answer<Listing<MetricInfo>>;

    /// One metric over a window, in steps.
    fn metric(&self, query: &MetricQuery) -> Answer<MetricAnswer>;

    /// Findings of the analyst, open ones first, then the latest.
    fn findings(&self, query: &FindingQuery) -> Answer<Listing<Finding>>;

    /// One finding.
    fn finding(&self, id: &str) -> Answer<Finding>;

    /// Marks a finding as mended: the pages or runs from now on decide whether it is. `by` is who says so.
    fn mark_mended(&self, id: &str, by: &str) -> Answer<Fix>;

    /// Findings that were marked as mended, also when they are over, those that were marked last first.
    fn fixes(&self, page: &Page) -> Answer<Listing<Fix>>;

    /// The incident capsule of a finding: one file, which `dragline explain` judges again elsewhere. It is made anew.
    fn capsule(&self, id: &str) -> Answer<Vec<u8>>;

    /// Reports that were made, the latest first.
    fn reports(&self, page: &Page) -> Answer<Listing<ReportInfo>>;

    /// Reports that are sent regularly, in the order of the configuration.
    fn report_schedules(&self) -> Answer<Vec<ReportSchedule>>;
    /// The HTML document of a report. It is shown in a sandbox without access to this page.
    fn report(&self, id: &str) -> Answer<String>;

    /// Rows of a table as a file. At most [`ExportQuery::MAX_ROWS`]; a bad request says when there are more.
    fn export(&self, query: &ExportQuery) -> Answer<Export>;

    /// Takes a batch of log lines from another machine. `by` is the name of its token.
    fn ingest(&self, batch: IngestBatch, by: &str) -> Answer<IngestAnswer>;

    /// What was received from a machine; nothing from one that is not known.
    fn received(&self, host: &str) -> Answer<HeldFiles>;
}
