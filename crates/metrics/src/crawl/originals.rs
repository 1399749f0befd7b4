//! The numbers of the two documents that Dragline's features come from, and what became of them.

use super::CrawlMetric;
use super::CrawlMetric as M;

/// One of the two documents of the original feature list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Document {
    /// "Workshop 06: Pipeline Monitoring and Analytics".
    Workshop,
    /// "Setup Scraper Production Monitoring".
    Setup,
}

impl Document {
    /// The name in the tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workshop => "workshop",
            Self::Setup => "setup",
        }
    }
}

/// The type of a number in its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginalKind {
    /// A counter.
    Counter,
    /// A gauge.
    Gauge,
    /// A histogram.
    Histogram,
    /// A number that is computed for a run, an alert, a page or a report.
    Derived,
}

impl OriginalKind {
    /// The name in the tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Derived => "derived",
        }
    }
}

/// What became of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// It is the metric, restricted to series with these labels.
    Metric(CrawlMetric, &'static [(&'static str, &'static str)]),
    /// It is the result of a query, in the words of Prometheus.
    Query(&'static str),
    /// It is not a metric: the words say where it is.
    Elsewhere(&'static str),
}

/// A number of the documents, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Original {
    /// The document.
    pub document: Document,
    /// The name there; parts in braces vary.
    pub name: &'static str,
    /// The type there.
    pub kind: OriginalKind,
    /// The unit there; empty for numbers of things.
    pub unit: &'static str,
    /// What becomes of each label (or varying part of the name): ours, or `None` when it is left out.
    pub labels: &'static [(&'static str, Option<&'static str>)],
    /// Where the number is now.
    pub target: Target,
    /// What a value there is multiplied by: 0.01 where per cent became a share.
    pub factor: f64,
}

/// Looks up a number by its name in the documents. Names that both have mean the same.
pub fn original(name: &str) -> Option<&'static Original> {
    ORIGINALS.iter().find(|original| original.name == name)
}

type Labels = &'static [(&'static str, Option<&'static str>)];

macro_rules! originals {
    ($( $document:ident $name:literal $kind:ident $unit:literal $labels:expr => $target:expr; )*) => {
        &[$(Original {
            document: Document::$document,
            name: $name,
            kind: OriginalKind::$kind,
            unit: $unit,
            labels: $labels,
            target: $target,
            factor: factor($unit, &$target),
        }),*]
    };
}

/// Per cent become shares in metrics; queries and other places say their own unit.
const fn factor(unit: &str, target: &Target) -> f64 {
    match target {
        Target::Metric(..) if matches!(unit.as_bytes(), b"percent") => 0.01,
        _ => 1.0,
    }
}

const fn metric(metric: CrawlMetric) -> Target {
    Target::Metric(metric, &[])
}

const fn with(metric: CrawlMetric, labels: &'static [(&'static str, &'static str)]) -> Target {
    Target::Metric(metric, labels)
}

/// A label that would have a series for each run.
const SESSION: Labels = &[("session_id", None)];
const RUN: Labels = &[("scraper_id", Some("scraper_id")), ("site", Some("site"))];

/// All numbers of both documents, in their order.
pub const ORIGINALS: &[Original] = originals! {
    Workshop "system.cpu.percent" Gauge "percent" &[] => metric(M::Cpu);
    Workshop "system.memory.percent" Gauge "percent" &[] => metric(M::Memory);
    Workshop "system.memory.used_bytes" Gauge "bytes" &[] => metric(M::MemoryUsed);
    Workshop "system.memory.available_bytes" Gauge "bytes" &[] => metric(M::MemoryAvailable);
    Workshop "system.disk.percent" Gauge "percent" &[] => metric(M::Disk);
    Workshop "system.disk.used_bytes" Gauge "bytes" &[] => metric(M::DiskUsed);
    Workshop "system.disk.free_bytes" Gauge "bytes" &[] => metric(M::DiskFree);
    Workshop "system.network.bytes_sent" Gauge "bytes" &[] => metric(M::NetworkSent);
    Workshop "system.network.bytes_recv" Gauge "bytes" &[] => metric(M::NetworkReceived);
    Workshop "pipeline.sessions.started" Counter "" &[] => metric(M::RunsStarted);
    Workshop "pipeline.sessions.completed" Counter "" &[] => metric(M::RunsFinished);
    Workshop "pipeline.sessions.active" Gauge "" &[("operation", None)] => metric(M::RunsActive);
    Workshop "pipeline.session.duration" Histogram "seconds" SESSION => metric(M::RunDuration);
    Workshop "pipeline.session.urls_processed" Histogram "" SESSION => metric(M::RunRequests);
    Workshop "pipeline.session.articles_found" Histogram "" SESSION => metric(M::RunArticles);
    Workshop "pipeline.performance.urls_per_second" Gauge "per second" &[]
        => Target::Query("rate(dragline_requests_total[5m])");
    Workshop "pipeline.performance.articles_per_second" Gauge "per second" &[]
        => Target::Query("rate(dragline_articles_total[5m])");
    Workshop "pipeline.urls.total" Counter "" &[] => metric(M::Requests);
    Workshop "pipeline.urls.success" Counter "" &[] => with(M::Requests, &[("outcome", "success")]);
    Workshop "pipeline.urls.failed" Counter "" &[] => with(M::Requests, &[("outcome", "failed")]);
    Workshop "pipeline.urls.response_time" Histogram "seconds" &[] => metric(M::RequestDuration);
    Workshop "pipeline.urls.status.{status_code}" Counter "" &[("status_code", Some("code"))]
        => metric(M::Responses);
    Workshop "pipeline.articles.stored" Counter "" &[] => metric(M::Articles);
    Workshop "pipeline.articles.word_count" Histogram "" &[] => metric(M::ArticleWords);
    Workshop "pipeline.articles.processing_time" Histogram "seconds" &[] => metric(M::ArticleProcessing);
    Workshop "pipeline.duplicates.detected" Counter "" &[] => metric(M::Duplicates);
    Workshop "pipeline.duplicates.confidence" Histogram "ratio" &[] => metric(M::DuplicateConfidence);
    Workshop "pipeline.search.queries" Counter "" &[] => metric(M::Searches);
    Workshop "pipeline.search.response_time" Histogram "seconds" &[] => metric(M::SearchDuration);
    Workshop "pipeline.search.result_count" Histogram "" &[] => metric(M::SearchResults);
    Workshop "pipeline.search.query_length" Histogram "" &[] => metric(M::SearchQueryLength);
    Workshop "pipeline.errors.{error_type}" Counter "" &[("error_type", Some("category"))]
        => metric(M::Errors);
    Workshop "pipeline.errors.total" Counter "" &[] => metric(M::Errors);
    Workshop "pipeline.queue.size" Gauge "" &[] => metric(M::QueueSize);
    Workshop "pipeline.db.{operation}.{table}" Histogram "seconds"
        &[("operation", Some("operation")), ("table", Some("table"))] => metric(M::DatabaseDuration);
    Workshop "pipeline.db.duration" Histogram "seconds"
        &[("operation", Some("operation")), ("table", Some("table"))] => metric(M::DatabaseDuration);
    Workshop "urls_processed" Derived "" &[] => metric(M::Requests);
    Workshop "success_rate" Derived "ratio" &[] => Target::Query(SUCCESS_RATE);
    Workshop "avg_response_time" Derived "seconds" &[] => Target::Query(
        "rate(dragline_request_duration_seconds_sum[1h]) / rate(dragline_request_duration_seconds_count[1h])");
    Workshop "articles_stored" Derived "" &[] => metric(M::Articles);
    Setup "scraper_runs_total" Counter ""
        &[("scraper_id", Some("scraper_id")), ("site", Some("site")), ("status", Some("status"))]
        => metric(M::RunsFinished);
    Setup "scraper_duration_seconds" Histogram "seconds" RUN => metric(M::RunDuration);
    Setup "products_processed_total" Counter ""
        &[("scraper_id", Some("scraper_id")), ("site", Some("site")), ("action", Some("action"))]
        => metric(M::Products);
    Setup "scraper_errors_total" Counter ""
        &[("scraper_id", Some("scraper_id")), ("site", Some("site")), ("error_type", Some("category"))]
        => metric(M::Errors);
    Setup "rate_limits_total" Counter "" RUN => metric(M::RateLimits);
    Setup "system_cpu_usage_percent" Gauge "percent" &[] => metric(M::Cpu);
    Setup "system_memory_usage_bytes" Gauge "bytes" &[] => metric(M::MemoryUsed);
    Setup "active_scrapers_count" Gauge "" &[] => metric(M::RunsActive);
    Setup "db_query_duration_seconds" Histogram "seconds" &[("operation", Some("operation"))]
        => metric(M::DatabaseDuration);
    Setup "db_connections_active" Gauge "" &[] => metric(M::DatabaseConnections);
    Setup "products_found" Derived "" &[] => with(M::Products, &[("action", "found")]);
    Setup "products_added" Derived "" &[] => with(M::Products, &[("action", "added")]);
    Setup "products_updated" Derived "" &[] => with(M::Products, &[("action", "updated")]);
    Setup "products_failed" Derived "" &[] => with(M::Products, &[("action", "failed")]);
    Setup "pages_scraped" Derived "" &[] => metric(M::Pages);
    Setup "requests_made" Derived "" &[] => metric(M::Requests);
    Setup "errors_count" Derived "" &[] => metric(M::Errors);
    Setup "rate_limits_hit" Derived "" &[] => metric(M::RateLimits);
    Setup "bytes_downloaded" Derived "bytes" &[] => metric(M::ResponseBytes);
    Setup "duration_seconds" Derived "seconds" &[] => metric(M::RunDuration);
    Setup "success_rate" Derived "percent" &[] => Target::Query(SUCCESS_RATE);
    Setup "throughput_per_minute" Derived "per minute" &[]
        => Target::Query("60 * rate(dragline_products_total{action=\"found\"}[5m])");
    Setup "active_runs" Derived "" &[] => metric(M::RunsActive);
    Setup "cpu_percent" Derived "percent" &[] => metric(M::Cpu);
    Setup "memory_percent" Derived "percent" &[] => metric(M::Memory);
    Setup "disk_usage" Derived "percent" &[] => metric(M::Disk);
    Setup "cpu_usage" Derived "percent" &[] => metric(M::Cpu);
    Setup "critical_errors" Derived "" &[] => with(M::Errors, &[("severity", "critical")]);
    Setup "total_errors" Derived "" &[] => metric(M::Errors);
    Setup "overall_status" Derived "" &[] => Target::Elsewhere("the overall status of the health checks");
    Setup "active_scrapers" Derived "" &[] => metric(M::RunsActive);
    Setup "error_rate_per_hour" Derived "per hour" &[]
        => Target::Query("increase(dragline_errors_total[1h])");
    Setup "rate_limits_per_hour" Derived "per hour" &[]
        => Target::Query("increase(dragline_rate_limits_total[1h])");
    Setup "memory_usage_percent" Derived "percent" &[] => metric(M::Memory);
    Setup "sites_accessible_percent" Derived "percent" &[]
        => Target::Elsewhere("the share of health checks of sites that pass");
    Setup "database_status" Derived "" &[] => Target::Elsewhere("the health check of the database");
};

const SUCCESS_RATE: &str =
    "rate(dragline_requests_total{outcome=\"success\"}[1h]) / rate(dragline_requests_total[1h])";
