//! The names, types, units and labels of the crawling metrics.

use dragline_schema::{ErrorCategory, ProductAction, RunStatus, Severity};

use crate::error::RegisterError;
use crate::family::AnyFamily;
use crate::{Descriptor, Kind, Registry, Unit};

/// Upper bounds for durations of runs, from a second to a day, in seconds.
const RUN_SECONDS: &[f64] = &[
    1.0, 10.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0,
];
/// Upper bounds for numbers of things, from 1 to a million.
const NUMBERS: &[f64] = &[1.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5, 1e6];
/// Upper bounds for shares.
const SHARES: &[f64] = &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0];
/// Upper bounds for durations of requests and database operations, in seconds.
const SECONDS: &[f64] = crate::DURATION_BUCKETS;

const RUN: &[&str] = &["scraper_id", "site"];
const HOST: &[&str] = &["host"];

macro_rules! crawl_metrics {
    ($( $name:ident = $kind:ident $wire:literal $unit:ident $labels:expr, $buckets:expr, $help:literal; )*) => {
        /// A metric of the crawling set. `docs/metrics.md` lists them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum CrawlMetric { $( #[doc = $help] $name, )* }

        #[allow(clippy::match_same_arms, reason = "every metric has its own arm")]
        impl CrawlMetric {
            /// All metrics of the set.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name, without `_total`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// The type.
            pub fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }

            /// The names of the labels. None of them has a URL or a run id as value.
            pub fn labels(self) -> &'static [&'static str] {
                match self { $(Self::$name => $labels,)* }
            }

            /// The description for people.
            pub fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)* }
            }

            /// The unit; `None` for numbers of things and for times.
            pub fn unit(self) -> Option<Unit> {
                match self { $(Self::$name => crawl_metrics!(@unit $unit),)* }
            }

            fn buckets(self) -> &'static [f64] {
                match self { $(Self::$name => $buckets,)* }
            }
        }
    };
    (@unit none) => { None };
    (@unit $unit:ident) => { Some(Unit::$unit) };
}

crawl_metrics! {
    Events = Counter "dragline_events" none &["scraper_id", "site", "event_type"], &[],
        "Log records, by event type; records without one are `log`.";
    RunsStarted = Counter "dragline_runs_started" none RUN, &[],
        "Runs that started.";
    RunsFinished = Counter "dragline_runs_finished" none &["scraper_id", "site", "status"], &[],
        "Runs that ended, by status: success, failed, cancelled, panicked or unknown.";
    RunsActive = Gauge "dragline_runs_active" none RUN, &[],
        "Runs in progress.";
    RunDuration = Histogram "dragline_run_duration_seconds" Seconds RUN, RUN_SECONDS,
        "Duration of the runs that ended.";
    RunRequests = Histogram "dragline_run_requests" none RUN, NUMBERS,
        "Requests per run.";
    RunItems = Histogram "dragline_run_items" none RUN, NUMBERS,
        "Products stored and articles stored per run.";
    RunArticles = Histogram "dragline_run_articles" none RUN, NUMBERS,
        "Articles stored per run.";
    LastSuccess = Gauge "dragline_last_success_timestamp_seconds" Seconds RUN, &[],
        "When a run last ended successfully, in seconds since 1970.";
    LastEvent = Gauge "dragline_last_event_timestamp_seconds" Seconds RUN, &[],
        "When the scraper last logged something, in seconds since 1970.";
    Requests = Counter "dragline_requests" none &["scraper_id", "site", "outcome"], &[],
        "HTTP attempts, by outcome: success, failed (status 400 or above, or no response) or unknown.";
    LibraryRequests = Counter "dragline_library_requests" none &["scraper_id", "site", "outcome"], &[],
        "HTTP attempts that an HTTP library logged; they repeat those that the scraper logs itself, if it does.";
    Responses = Counter "dragline_responses" none &["scraper_id", "site", "code"], &[],
        "HTTP responses, by status code.";
    RequestDuration = Histogram "dragline_request_duration_seconds" Seconds RUN, SECONDS,
        "Time from the request to the response.";
    ResponseBytes = Counter "dragline_response_bytes" Bytes RUN, &[],
        "Size of the response bodies.";
    RequestRetries = Counter "dragline_request_retries" none RUN, &[],
        "HTTP attempts after the first at the same URL.";
    Pages = Counter "dragline_pages" none RUN, &[],
        "Pages scraped, as the runs count them; added when a run ends.";
    Products = Counter "dragline_products" none &["scraper_id", "site", "action"], &[],
        "Products, by action: found, added, updated, saved, failed or unknown.";
    Articles = Counter "dragline_articles" none RUN, &[],
        "Articles stored.";
    IncompleteItems = Counter "dragline_incomplete_items" none RUN, &[],
        "Products and articles with missing fields.";
    ArticleWords = Histogram "dragline_article_words" none RUN, NUMBERS,
        "Words per article.";
    ArticleProcessing = Histogram "dragline_article_processing_seconds" Seconds RUN, SECONDS,
        "Time from the page to the stored article.";
    Duplicates = Counter "dragline_duplicates" none RUN, &[],
        "Items recognised as duplicates.";
    DuplicateConfidence = Histogram "dragline_duplicate_confidence_ratio" Ratio RUN, SHARES,
        "Confidence that an item is a duplicate.";
    Searches = Counter "dragline_searches" none RUN, &[],
        "Searches.";
    SearchDuration = Histogram "dragline_search_duration_seconds" Seconds RUN, SECONDS,
        "Time from the query to the results.";
    SearchResults = Histogram "dragline_search_results" none RUN, NUMBERS,
        "Results per search.";
    SearchQueryLength = Histogram "dragline_search_query_characters" none RUN, NUMBERS,
        "Characters per query.";
    Errors = Counter "dragline_errors" none &["scraper_id", "site", "category", "severity"], &[],
        "Errors, by category and severity; unknown without a classifier.";
    RateLimits = Counter "dragline_rate_limits" none RUN, &[],
        "How often a site asked the scraper to slow down.";
    RateLimitWait = Counter "dragline_rate_limit_wait_seconds" Seconds RUN, &[],
        "Time that scrapers wait because of rate limits.";
    QueueSize = Gauge "dragline_queue_size" none RUN, &[],
        "Waiting entries in the scraper's queue.";
    DatabaseDuration = Histogram "dragline_database_operation_duration_seconds" Seconds
        &["scraper_id", "operation", "table"], SECONDS,
        "Duration of database operations.";
    DatabaseConnections = Gauge "dragline_database_connections" none &["scraper_id"], &[],
        "Open connections to the scraper's database.";
    DroppedEvents = Counter "dragline_dropped_events" none RUN, &[],
        "Events that the recorder could not write.";
    Cpu = Gauge "dragline_cpu_usage_ratio" Ratio HOST, &[],
        "CPU usage of the machine.";
    Memory = Gauge "dragline_memory_usage_ratio" Ratio HOST, &[],
        "Memory usage of the machine.";
    MemoryUsed = Gauge "dragline_memory_used_bytes" Bytes HOST, &[],
        "Memory used.";
    MemoryAvailable = Gauge "dragline_memory_available_bytes" Bytes HOST, &[],
        "Memory available to programs.";
    Disk = Gauge "dragline_disk_usage_ratio" Ratio HOST, &[],
        "Disk usage.";
    DiskUsed = Gauge "dragline_disk_used_bytes" Bytes HOST, &[],
        "Disk space used.";
    DiskFree = Gauge "dragline_disk_free_bytes" Bytes HOST, &[],
        "Free disk space.";
    NetworkSent = Counter "dragline_network_sent_bytes" Bytes HOST, &[],
        "Bytes sent since the first sample.";
    NetworkReceived = Counter "dragline_network_received_bytes" Bytes HOST, &[],
        "Bytes received since the first sample.";
}

impl CrawlMetric {
    /// The metric with a name; the `_total` of a counter may be left out.
    pub fn from_name(name: &str) -> Option<Self> {
        let is_named = |metric: &&Self| {
            let rest = name.strip_prefix(metric.name());
            rest == Some("") || (rest == Some("_total") && metric.kind() == Kind::Counter)
        };
        Self::ALL.iter().find(is_named).copied()
    }

    /// The name of the exported sample: that of a counter ends with `_total`.
    pub fn sample_name(self) -> String {
        match self.kind() {
            Kind::Counter => format!("{}_total", self.name()),
            Kind::Gauge | Kind::Histogram => self.name().to_owned(),
        }
    }

    /// The values that one of its labels can have, where they are a fixed list; `None` for every other label.
    pub fn values(self, label: &str) -> Option<Vec<&'static str>> {
        use {ProductAction as Action, RunStatus as Status};
        let mut values: Vec<&str> = match (self, label) {
            (Self::Requests | Self::LibraryRequests, "outcome") => vec!["success", "failed"],
            (Self::RunsFinished, "status") => [
                Status::Success,
                Status::Failed,
                Status::Cancelled,
                Status::Panicked,
            ]
            .map(Status::as_str)
            .to_vec(),
            (Self::Products, "action") => [
                Action::Found,
                Action::Added,
                Action::Updated,
                Action::Saved,
                Action::Failed,
            ]
            .map(Action::as_str)
            .to_vec(),
            (Self::Errors, "category") => {
                let all = ErrorCategory::ALL.iter();
                all.map(|category| category.as_str()).collect()
            }
            (Self::Errors, "severity") => {
                let all = Severity::ALL.iter();
                all.map(|severity| severity.as_str()).collect()
            }
            _ => return None,
        };
        if !values.contains(&"unknown") {
            values.push("unknown");
        }
        Some(values)
    }

    /// The description for a registry.
    pub fn descriptor(self) -> Descriptor {
        let descriptor = match self.kind() {
            Kind::Counter => Descriptor::counter(self.name(), self.help()),
            Kind::Gauge => Descriptor::gauge(self.name(), self.help()),
            Kind::Histogram => {
                Descriptor::histogram(self.name(), self.help()).buckets(self.buckets())
            }
        };
        let descriptor = descriptor.labels(self.labels().iter().copied());
        match self.unit() {
            Some(unit) => descriptor.unit(unit),
            None => descriptor,
        }
    }
}

/// The crawling metrics in a registry.
#[derive(Clone, Debug)]
pub struct CrawlFamilies {
    /// In the order of [`CrawlMetric::ALL`].
    families: Vec<AnyFamily>,
}

impl CrawlFamilies {
    /// Registers all crawling metrics.
    ///
    /// # Errors
    /// When the registry is full or has another metric with one of the names.
    pub fn register(registry: &Registry) -> Result<Self, RegisterError> {
        let register = |metric: &CrawlMetric| registry.register_any(metric.descriptor());
        let families = CrawlMetric::ALL
            .iter()
            .map(register)
            .collect::<Result<_, _>>()?;
        Ok(Self { families })
    }

    pub(super) fn family(&self, metric: CrawlMetric) -> &AnyFamily {
        // Every metric has a family, in declaration order.
        &self.families[metric as usize]
    }
}
