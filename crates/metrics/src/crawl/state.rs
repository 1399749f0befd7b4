//! Turns records into measurements. What cannot be said from one record alone (how many runs are active,
//! how much a network counter rose) is remembered here.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use dragline_schema::{
    ArticleStored, DatabaseOperation, DuplicateDetected, ErrorCategory, Event, EventType, Json,
    ProductAction, ProductProcessed, RateLimit, Record, Request, RunStatus, ScraperEnd,
    SearchQuery, Severity, SystemSample, Timestamp, Verdict,
};

use super::CrawlMetric as M;
use super::{Measure, Measurement};
use crate::window::Update::{self, Add, Observe, Set};

/// Maximum number of runs that are remembered, and of machines.
const MAX_RUNS: usize = 10_000;
const MAX_HOSTS: usize = 1_000;

/// Turns records into measurements of the crawling metrics.
///
/// It remembers the runs in progress, at most 10,000 of them, to count them. A run is in progress from its
/// first record to its end, or until [`Observer::expire`] drops it. Further runs are not counted as active.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    /// By the hash of scraper, site and run id.
    runs: HashMap<u64, Run>,
    /// Number of active runs by scraper and site.
    active: HashMap<(String, String), u32>,
    /// The latest network counters of each machine: sent and received.
    network: HashMap<String, [Option<u64>; 2]>,
    hasher: RandomState,
}

/// A run that is remembered.
#[derive(Clone, Debug)]
struct Run {
    scraper_id: String,
    site: String,
    last_seen: Option<Timestamp>,
    /// Whether it ended; its late lines do not start it again.
    has_ended: bool,
}

/// Where the measurements of one record go.
struct Output<'o> {
    at: Option<Timestamp>,
    scraper: &'o str,
    site: &'o str,
    out: &'o mut dyn Measure,
}

impl Output<'_> {
    fn put(&mut self, metric: M, labels: &[&str], update: Update) {
        let measurement = Measurement {
            metric,
            labels,
            update,
        };
        self.out.measure(self.at, &measurement);
    }

    /// For a metric with the labels of a run.
    fn run(&mut self, metric: M, update: Update) {
        self.put(metric, &[self.scraper, self.site], update);
    }

    /// For a metric with the labels of a run and one more.
    fn run_and(&mut self, metric: M, label: &str, update: Update) {
        self.put(metric, &[self.scraper, self.site, label], update);
    }

    fn count(&mut self, metric: M, amount: Option<u64>) {
        if let Some(amount) = amount {
            self.run(metric, Add(amount as f64));
        }
    }

    fn observe(&mut self, metric: M, value: Option<f64>) {
        if let Some(value) = value {
            self.run(metric, Observe(value));
        }
    }

    /// Adds a duration in milliseconds.
    fn observe_ms(&mut self, metric: M, milliseconds: Option<f64>) {
        self.observe(metric, milliseconds.map(|ms| ms / 1e3));
    }
}

impl Observer {
    /// Turns a record into measurements. `verdict` is the classification of an error, if a classifier was
    /// asked; without it, the one in the record is used.
    ///
    /// Statistics that another program logs about its own run ([`Event::Summary`]) are not added, since they
    /// repeat what its lines say.
    pub fn observe(
        &mut self,
        record: &Record<'_>,
        verdict: Option<&Verdict<'_>>,
        out: &mut dyn Measure,
    ) {
        let mut out = Output {
            at: record.timestamp,
            scraper: record.scraper_id.as_deref().unwrap_or_default(),
            site: record.site.as_deref().unwrap_or_default(),
            out,
        };
        let event_type = record.event.event_type();
        out.run_and(
            M::Events,
            event_type.map_or("log", EventType::as_str),
            Add(1.0),
        );
        if let Some(at) = record.timestamp {
            out.run(M::LastEvent, Set(seconds(at)));
        }
        if record.is_error() {
            observe_error(record, verdict, &mut out);
        }
        match &record.event {
            Event::ScraperStart(_) => out.run(M::RunsStarted, Add(1.0)),
            Event::ScraperEnd(end) => observe_end(end, &mut out),
            Event::Request(request) => observe_request(record, request, &mut out),
            Event::ProductProcessed(product) => observe_product(record, product, &mut out),
            Event::ArticleStored(article) => observe_article(article, &mut out),
            Event::DuplicateDetected(duplicate) => observe_duplicate(duplicate, &mut out),
            Event::SearchQuery(search) => observe_search(search, &mut out),
            Event::QueueSize(queue) => {
                if let Some(size) = queue.queue_size {
                    out.run(M::QueueSize, Set(size as f64));
                }
            }
            Event::DatabaseOperation(operation) => observe_database(operation, &mut out),
            Event::SystemSample(sample) => self.observe_system(sample, &mut out),
            Event::RateLimit(limit) => observe_rate_limit(limit, &mut out),
            Event::LogDropped(dropped) => out.count(M::DroppedEvents, dropped.dropped),
            // Errors are counted above, also those that are plain lines.
            Event::ScraperError(_) | Event::Log | Event::Summary(_) => {}
        }
        self.follow_run(record, &mut out);
    }

    /// Updates the number of active runs.
    fn follow_run(&mut self, record: &Record<'_>, out: &mut Output<'_>) {
        let Some(run_id) = record.run_id.as_deref() else {
            return;
        };
        let ends = match &record.event {
            Event::ScraperEnd(_) => true,
            Event::Summary(summary) => summary.end.is_some() || summary.finish_reason.is_some(),
            _ => false,
        };
        let key = self.hasher.hash_one((out.scraper, out.site, run_id));
        if let Some(run) = self.runs.get_mut(&key) {
            run.last_seen = run.last_seen.max(record.timestamp);
            if ends && !run.has_ended {
                run.has_ended = true;
                self.change_active(out, -1);
            }
            return;
        }
        if self.runs.len() >= MAX_RUNS {
            self.runs.retain(|_, run| !run.has_ended);
        }
        // The end of a run that was not seen before needs no place.
        if !ends && self.runs.len() < MAX_RUNS {
            let run = Run {
                scraper_id: out.scraper.to_owned(),
                site: out.site.to_owned(),
                last_seen: record.timestamp,
                has_ended: false,
            };
            self.runs.insert(key, run);
            self.change_active(out, 1);
        }
    }

    fn change_active(&mut self, out: &mut Output<'_>, change: i32) {
        let key = (out.scraper.to_owned(), out.site.to_owned());
        let active = self.active.entry(key).or_default();
        *active = active.saturating_add_signed(change);
        let active = *active;
        out.run(M::RunsActive, Set(f64::from(active)));
    }

    /// Drops the runs that were last seen before `before`: they were killed, or their ends were lost. For
    /// programs that follow logs; inside the scraper's process, every run reports its end.
    pub fn expire(&mut self, before: Timestamp, out: &mut dyn Measure) {
        let is_old = |run: &Run| run.last_seen.is_none_or(|seen| seen < before);
        let (old, kept) = self.runs.drain().partition(|(_, run)| is_old(run));
        self.runs = kept;
        let mut old: Vec<Run> = HashMap::into_values(old)
            .filter(|run| !run.has_ended)
            .collect();
        old.sort_by(|a, b| (&a.scraper_id, &a.site).cmp(&(&b.scraper_id, &b.site)));
        for run in old {
            let mut out = Output {
                at: Some(before),
                scraper: &run.scraper_id,
                site: &run.site,
                out: &mut *out,
            };
            self.change_active(&mut out, -1);
        }
    }

    fn observe_system(&mut self, sample: &SystemSample<'_>, out: &mut Output<'_>) {
        let host = sample.host.as_deref().unwrap_or_default();
        let share = |percent: Option<f64>| percent.map(|percent| percent / 100.0);
        let bytes = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
        let gauges = [
            (M::Cpu, share(sample.cpu_percent)),
            (M::Memory, share(sample.memory_percent)),
            (M::MemoryUsed, bytes(sample.memory_used_bytes)),
            (M::MemoryAvailable, bytes(sample.memory_available_bytes)),
            (M::Disk, share(sample.disk_percent)),
            (M::DiskUsed, bytes(sample.disk_used_bytes)),
            (M::DiskFree, bytes(sample.disk_free_bytes)),
        ];
        for (metric, value) in gauges {
            if let Some(value) = value {
                out.put(metric, &[host], Set(value));
            }
        }
        let now = [sample.network_sent_bytes, sample.network_received_bytes];
        for (metric, more) in self.network_increase(host, now) {
            out.put(metric, &[host], Add(more as f64));
        }
    }

    /// How much the network counters of a machine rose since its last sample. They start at 0 with the machine.
    fn network_increase(&mut self, host: &str, now: [Option<u64>; 2]) -> Vec<(M, u64)> {
        if now == [None, None] {
            return Vec::new();
        }
        if !self.network.contains_key(host) && self.network.len() >= MAX_HOSTS {
            return Vec::new();
        }
        let held = self.network.entry(host.to_owned()).or_default();
        let metrics = [M::NetworkSent, M::NetworkReceived];
        let mut increases = Vec::new();
        for ((metric, now), held) in metrics.into_iter().zip(now).zip(held) {
            if let (Some(now), Some(before)) = (now, *held) {
                let more = now.checked_sub(before).unwrap_or(now);
                increases.push((metric, more));
            }
            *held = now.or(*held);
        }
        increases
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_micros() as f64 / 1e6
}

fn observe_error(record: &Record<'_>, verdict: Option<&Verdict<'_>>, out: &mut Output<'_>) {
    let (category, severity) = match (&record.event, verdict) {
        (_, Some(verdict)) => (Some(verdict.category), Some(verdict.severity)),
        (Event::ScraperError(error), None) => {
            let (category, severity) = (&error.error_category, &error.error_severity);
            let category = category.as_deref().and_then(|text| text.parse().ok());
            let severity = severity.as_deref().and_then(|text| text.parse().ok());
            (category, severity)
        }
        _ => (None, None),
    };
    let category = category.map_or("unknown", ErrorCategory::as_str);
    let severity = severity.map_or("unknown", Severity::as_str);
    let labels = [out.scraper, out.site, category, severity];
    out.put(M::Errors, &labels, Add(1.0));
}

fn observe_end(end: &ScraperEnd<'_>, out: &mut Output<'_>) {
    let status = end.status.as_deref().and_then(RunStatus::from_name);
    out.run_and(
        M::RunsFinished,
        status.map_or("unknown", RunStatus::as_str),
        Add(1.0),
    );
    if let (Some(RunStatus::Success), Some(at)) = (status, out.at) {
        out.run(M::LastSuccess, Set(seconds(at)));
    }
    let number = |count: Option<u64>| count.map(|count| count as f64);
    out.observe(M::RunDuration, end.duration_seconds);
    out.observe(M::RunRequests, number(end.requests_made));
    let products = [end.products_added, end.products_updated, end.products_saved];
    let stored = products.into_iter().chain([end.articles_stored]);
    // A run that counts none of them does not count its items.
    let items = stored.flatten().reduce(u64::saturating_add);
    out.observe(M::RunItems, number(items));
    out.observe(M::RunArticles, number(end.articles_stored));
    out.count(M::Pages, end.pages_scraped);
}

fn observe_request(record: &Record<'_>, request: &Request<'_>, out: &mut Output<'_>) {
    let outcome = match request.status_code {
        _ if record.is_unjudged => "unknown",
        Some(code) if code < 400 => "success",
        _ => "failed",
    };
    if record.is_echo {
        // The scraper may log the same request itself.
        return out.run_and(M::LibraryRequests, outcome, Add(1.0));
    }
    out.run_and(M::Requests, outcome, Add(1.0));
    if let Some(code) = request.status_code {
        let mut text = [b'0'; 3];
        let code = code_text(code, &mut text);
        out.run_and(M::Responses, code, Add(1.0));
    }
    out.observe_ms(M::RequestDuration, request.response_time_ms);
    out.count(M::ResponseBytes, request.bytes);
    if request.attempt.is_some_and(|attempt| attempt > 1) {
        out.run(M::RequestRetries, Add(1.0));
    }
}

/// The text of a status code: three digits, or `other` for numbers that HTTP does not have.
fn code_text(code: u16, text: &mut [u8; 3]) -> &str {
    if !(100..600).contains(&code) {
        return "other";
    }
    for (digit, power) in text.iter_mut().zip([100, 10, 1]) {
        *digit = b'0' + (code / power % 10) as u8;
    }
    // The bytes are digits.
    std::str::from_utf8(text).unwrap_or("other")
}

/// A message may count several items.
fn items(record: &Record<'_>) -> f64 {
    f64::from(record.items.unwrap_or(1))
}

fn observe_product(record: &Record<'_>, product: &ProductProcessed<'_>, out: &mut Output<'_>) {
    let action = product.action.as_deref().and_then(ProductAction::from_name);
    let action = action.map_or("unknown", ProductAction::as_str);
    out.run_and(M::Products, action, Add(items(record)));
    observe_missing(product.fields_missing.as_ref(), out);
}

fn observe_missing(fields: Option<&Json<'_>>, out: &mut Output<'_>) {
    if fields.is_some_and(|fields| fields.0.bytes().any(|byte| !b"[] \t\r\n".contains(&byte))) {
        out.run(M::IncompleteItems, Add(1.0));
    }
}

fn observe_article(article: &ArticleStored<'_>, out: &mut Output<'_>) {
    out.run(M::Articles, Add(1.0));
    out.observe(
        M::ArticleWords,
        article.word_count.map(|words| words as f64),
    );
    out.observe_ms(M::ArticleProcessing, article.processing_time_ms);
    observe_missing(article.fields_missing.as_ref(), out);
}

fn observe_duplicate(duplicate: &DuplicateDetected<'_>, out: &mut Output<'_>) {
    out.run(M::Duplicates, Add(1.0));
    out.observe(M::DuplicateConfidence, duplicate.confidence);
}

fn observe_search(search: &SearchQuery<'_>, out: &mut Output<'_>) {
    out.run(M::Searches, Add(1.0));
    out.observe_ms(M::SearchDuration, search.response_time_ms);
    out.observe(
        M::SearchResults,
        search.result_count.map(|count| count as f64),
    );
    let length = search
        .query
        .as_deref()
        .map(|query| query.chars().count() as f64);
    out.observe(M::SearchQueryLength, length);
}

fn observe_database(operation: &DatabaseOperation<'_>, out: &mut Output<'_>) {
    if let Some(ms) = operation.duration_ms {
        let name = operation.operation.as_deref().unwrap_or_default();
        let table = operation.table.as_deref().unwrap_or_default();
        let labels = [out.scraper, name, table];
        out.put(M::DatabaseDuration, &labels, Observe(ms / 1e3));
    }
    if let Some(connections) = operation.connections_active {
        let labels = [out.scraper];
        out.put(M::DatabaseConnections, &labels, Set(connections as f64));
    }
}

fn observe_rate_limit(limit: &RateLimit<'_>, out: &mut Output<'_>) {
    out.run(M::RateLimits, Add(1.0));
    if let Some(seconds) = limit.wait_time_seconds {
        out.run(M::RateLimitWait, Add(seconds));
    }
}
