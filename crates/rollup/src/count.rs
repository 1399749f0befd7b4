//! Adds a record to the counts.

use dragline_schema::{Event, Level, ProductAction, Record, Request};

use crate::counters::Counters;
use crate::errors::ErrorLabel;
use crate::sections::thousandths;

/// A response of a pebibyte or more, or of a week or more, is treated as an error in the log, because one
/// such value would dominate all sums.
const MAX_BYTES: u64 = 1 << 50;
const MAX_RESPONSE_MS: f64 = 7.0 * 86_400_000.0;

/// Sub-categories of errors by which a site refuses requests.
const REFUSALS: [&str; 4] = ["blocked", "captcha", "permission", "throttled"];

impl Counters {
    /// Counts one record; `label` is its classification if it is an error.
    pub(crate) fn observe(&mut self, record: &Record<'_>, label: Option<&ErrorLabel<'_>>) {
        self.events += 1;
        if let Some(label) = label {
            self.errors += 1;
            self.categories.count(label.category, 1);
            self.refusals += u64::from(REFUSALS.contains(&label.sub_category));
        }
        if let Some(level) = record.level {
            self.levels.count(level, 1);
            self.warnings += u64::from(level == Level::Warn);
        }
        self.lost += u64::from(record.items_lost);
        match (&record.event, record.failure) {
            (_, Some(failure)) if failure.is_refusal => {
                self.refusals += u64::from(label.is_none());
            }
            (Event::Request(_), Some(_)) => self.requests_told += 1,
            (_, Some(failure)) if failure.is_retried => self.told_by_retries.observe(failure),
            (_, Some(failure)) if failure.url.is_none() => self.told_by_errors.observe(failure),
            // Others are counted by page: `FailedPages`.
            _ => {}
        }
        match &record.event {
            Event::Request(request) => self.observe_request(record, request),
            Event::ProductProcessed(product) => {
                let action = product.action.as_deref().and_then(ProductAction::from_name);
                match action {
                    Some(ProductAction::Found) => self.found += 1,
                    Some(ProductAction::Added) => self.added += 1,
                    Some(ProductAction::Updated) => self.updated += 1,
                    Some(ProductAction::Saved) => match record.items {
                        Some(count) => {
                            self.batched += u64::from(count);
                            self.batches += 1;
                            self.largest_batch = self.largest_batch.max(count.into());
                        }
                        None => self.saved += 1,
                    },
                    Some(ProductAction::Failed) => self.failed += 1,
                    None => {}
                }
                self.incomplete += u64::from(lacks_fields(
                    product.fields_missing.as_ref().map(|json| &*json.0),
                ));
            }
            Event::ArticleStored(article) => {
                self.articles += 1;
                self.processing_micros += micros(article.processing_time_ms);
                self.incomplete += u64::from(lacks_fields(
                    article.fields_missing.as_ref().map(|json| &*json.0),
                ));
            }
            Event::Log | Event::ScraperEnd(_) => {
                if let Some(total) = record.items {
                    self.totals.observe(total.into());
                }
            }
            Event::DuplicateDetected(_) => self.duplicates += 1,
            Event::RateLimit(limit) => {
                self.rate_limits += 1;
                self.waited_micros += micros(limit.wait_time_seconds.map(|seconds| seconds * 1e3));
            }
            Event::DatabaseOperation(operation) => {
                self.database_micros += micros(operation.duration_ms);
            }
            Event::SearchQuery(_) => self.searches += 1,
            Event::SystemSample(sample) => {
                let percent = sample.cpu_percent.filter(|p| (0.0..=100_000.0).contains(p));
                if let Some(cpu) = percent.and_then(thousandths) {
                    self.cpu.observe(cpu);
                }
            }
            Event::QueueSize(queue) => {
                if let Some(size) = queue.queue_size {
                    self.queue.observe(size);
                }
            }
            _ => {}
        }
    }

    fn observe_request(&mut self, record: &Record<'_>, request: &Request<'_>) {
        let has_failed = failed(record, request);
        let took = plausible(request).and_then(thousandths);
        self.requests += 1;
        self.requests_unjudged += u64::from(record.is_unjudged);
        self.retries += u64::from(request.attempt.is_some_and(|attempt| attempt > 1));
        self.bytes = self.bytes.saturating_add(bytes_of(request));
        if let Some(status) = request.status_code {
            self.status_codes.count(status, 1);
        }
        if let Some(micros) = took {
            self.response_time.observe(micros);
        }
        if request
            .proxy
            .as_deref()
            .is_some_and(|proxy| !proxy.is_empty())
        {
            self.proxied_requests += 1;
            self.proxied_bytes = self.proxied_bytes.saturating_add(bytes_of(request));
        }
        if has_failed {
            self.requests_failed += 1;
            self.failed_bytes = self.failed_bytes.saturating_add(bytes_of(request));
            self.failed_micros = self.failed_micros.saturating_add(took.unwrap_or(0));
        } else if request.url.as_deref().is_some_and(is_challenge) {
            self.refusals += 1;
        }
    }
}

/// Whether an address is that of a page that wants a proof of being human: what answers there is no page of the site.
fn is_challenge(url: &str) -> bool {
    const PATHS: [&str; 2] = ["/cdn-cgi/challenge", "/sorry/index"];
    let address = url.split(['?', '#']).next().unwrap_or_default();
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (host, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    host.ends_with("captcha-delivery.com")
        || PATHS.iter().any(|one| path.starts_with(one))
        || path.contains("aptcha")
        || path.contains("APTCHA")
}

/// Whether a JSON list of missing fields is not empty.
pub(crate) fn lacks_fields(list: Option<&str>) -> bool {
    list.is_some_and(|list| list.contains('"'))
}

/// Converts milliseconds to microseconds; an implausible or missing value becomes 0.
fn micros(milliseconds: Option<f64>) -> u64 {
    let plausible = milliseconds.filter(|ms| (0.0..MAX_RESPONSE_MS).contains(ms));
    plausible.and_then(thousandths).unwrap_or(0)
}

/// The size of a response in bytes; 0 if missing or implausible.
pub(crate) fn bytes_of(request: &Request<'_>) -> u64 {
    request
        .bytes
        .filter(|bytes| *bytes < MAX_BYTES)
        .unwrap_or(0)
}

/// The response time in milliseconds, if plausible.
pub(crate) fn plausible(request: &Request<'_>) -> Option<f64> {
    request
        .response_time_ms
        .filter(|ms| (0.0..MAX_RESPONSE_MS).contains(ms))
}

/// Whether a request failed, according to its line.
pub(crate) fn failed(record: &Record<'_>, request: &Request<'_>) -> bool {
    !record.is_unjudged && request.status_code.is_none_or(|status| status >= 400)
}

/// Whether the record shows work being done: a request or an item.
pub(crate) fn has_activity(record: &Record<'_>) -> bool {
    match &record.event {
        Event::Request(_) | Event::ArticleStored(_) => true,
        Event::ProductProcessed(product) => {
            let action = product.action.as_deref().and_then(ProductAction::from_name);
            action.is_some_and(|action| action != ProductAction::Failed)
        }
        _ => false,
    }
}
