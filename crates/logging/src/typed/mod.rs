//! The typed events, with a builder for each kind that has more than a few values.
//!
//! Typed events go through `tracing` like all other events, so that other layers see them too. Only the
//! events of this module may have an `event_type` and fields that are already JSON.
//!
//! A builder owns the text that it is made from, whatever its type: a `&str`, a `String`, a `Url`. Nothing
//! is copied, and the code that logs exists once, for `&str`. The other texts are borrowed.

use std::time::Duration;

use dragline_schema::wire;
use tracing::{Level, Metadata};

use crate::core::RunCore;

/// The target of the typed events.
pub(crate) const TARGET: &str = "dragline";

/// Whether the event was created by this module.
pub(crate) fn is_typed(metadata: &Metadata<'_>) -> bool {
    metadata.target() == TARGET
        && metadata
            .module_path()
            .is_some_and(|path| path.starts_with(module_path!()))
}

/// Logs one typed event in the run's span. Options that are `None` are left out.
macro_rules! log {
    ($run:expr, $level:expr, $kind:literal, $($rest:tt)*) => {
        tracing::event!(
            name: $kind,
            target: TARGET,
            parent: &$run.span,
            $level,
            event_type = $kind,
            $($rest)*
        )
    };
}

mod error;

pub use error::{ContextValue, ErrorEvent};

fn milliseconds(duration: Duration) -> f64 {
    // Rounded down to a microsecond: more digits are noise.
    duration.as_micros() as f64 / 1000.0
}

fn json_array(texts: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut out = vec![b'['];
    for text in texts {
        if out.len() > 1 {
            out.push(b',');
        }
        wire::push_text(text.as_ref(), &mut out);
    }
    out.push(b']');
    utf8(out)
}

/// Converts JSON that was built from strings.
fn utf8(json: Vec<u8>) -> String {
    // The bytes are pieces of UTF-8 joined by ASCII, so the lossy conversion is never needed.
    String::from_utf8(json)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Builder for the event of one HTTP attempt.
#[must_use = "the request is recorded by `log`"]
#[derive(Debug)]
pub struct RequestEvent<'r> {
    run: &'r RunCore,
    url: &'r str,
    method: &'r str,
    status: Option<u16>,
    elapsed: Option<Duration>,
    bytes: Option<u64>,
    attempt: Option<u64>,
    proxy: Option<&'r str>,
    retry_after: Option<Duration>,
    error_type: Option<&'r str>,
}

impl<'r> RequestEvent<'r> {
    pub(crate) fn new(run: &'r RunCore, url: &'r str) -> Self {
        Self {
            run,
            url,
            method: "GET",
            status: None,
            elapsed: None,
            bytes: None,
            attempt: None,
            proxy: None,
            retry_after: None,
            error_type: None,
        }
    }

    /// Sets the method. Default: `GET`.
    pub fn method(mut self, method: &'r str) -> Self {
        self.method = method;
        self
    }

    /// Sets the status code of the response. Without a status, the request got no response and failed.
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Sets the time from the request to the response.
    pub fn elapsed(mut self, elapsed: Duration) -> Self {
        self.elapsed = Some(elapsed);
        self
    }

    /// Sets the size of the response body.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Sets the number of the attempt at this URL, starting at 1.
    pub fn attempt(mut self, attempt: u64) -> Self {
        self.attempt = Some(attempt);
        self
    }

    /// Sets the proxy, without credentials.
    pub fn proxy(mut self, proxy: &'r str) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Sets the `Retry-After` of the response.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Sets the error type when there was no response.
    pub fn error_type(mut self, error_type: &'r str) -> Self {
        self.error_type = Some(error_type);
        self
    }

    /// Records the request, at INFO or, if it failed, at WARN.
    pub fn log(self) {
        let failed = self.status.is_none_or(|status| status >= 400);
        self.run.stats.request(failed, self.bytes.unwrap_or(0));
        macro_rules! at {
            ($level:expr) => {
                log!(
                    self.run,
                    $level,
                    "request",
                    url = self.url,
                    method = self.method,
                    status_code = self.status,
                    response_time_ms = self.elapsed.map(milliseconds),
                    bytes = self.bytes,
                    attempt = self.attempt,
                    proxy = self.proxy,
                    retry_after_seconds = self.retry_after.map(|wait| wait.as_secs_f64()),
                    error_type = self.error_type,
                )
            };
        }
        if failed {
            at!(Level::WARN);
        } else {
            at!(Level::INFO);
        }
    }
}

/// Builder for the event of a product that was found, stored or failed.
#[must_use = "the product is recorded by `log`"]
#[derive(Debug)]
pub struct ProductEvent<'r> {
    run: &'r RunCore,
    product_id: &'r str,
    url: Option<&'r str>,
    price: Option<f64>,
    missing: Option<String>,
}

impl<'r> ProductEvent<'r> {
    pub(crate) fn new(run: &'r RunCore, product_id: &'r str) -> Self {
        Self {
            run,
            product_id,
            url: None,
            price: None,
            missing: None,
        }
    }

    /// Sets the URL of the product's page.
    pub fn url(mut self, url: &'r str) -> Self {
        self.url = Some(url);
        self
    }

    /// Sets the price, in the site's currency.
    pub fn price(mut self, price: f64) -> Self {
        self.price = Some(price);
        self
    }

    /// Sets the names of the fields that were empty.
    pub fn fields_missing<'f>(mut self, fields: impl IntoIterator<Item = &'f str>) -> Self {
        self.missing = Some(json_array(fields));
        self
    }

    /// Records the action, at INFO or, if it failed, at WARN.
    pub fn log(self, action: ProductAction) {
        self.run.stats.product(action);
        macro_rules! at {
            ($level:expr) => {
                log!(
                    self.run,
                    $level,
                    "product_processed",
                    action = action.as_str(),
                    product_id = self.product_id,
                    url = self.url,
                    price = self.price,
                    fields_missing = self.missing.as_deref(),
                )
            };
        }
        if action == ProductAction::Failed {
            at!(Level::WARN);
        } else {
            at!(Level::INFO);
        }
    }
}

/// Builder for the event of a stored article.
#[must_use = "the article is recorded by `log`"]
#[derive(Debug)]
pub struct ArticleEvent<'r> {
    run: &'r RunCore,
    article_id: &'r str,
    url: Option<&'r str>,
    word_count: Option<u64>,
    language: Option<&'r str>,
    processing: Option<Duration>,
    missing: Option<String>,
}

impl<'r> ArticleEvent<'r> {
    pub(crate) fn new(run: &'r RunCore, article_id: &'r str) -> Self {
        Self {
            run,
            article_id,
            url: None,
            word_count: None,
            language: None,
            processing: None,
            missing: None,
        }
    }

    /// Sets the URL of the article's page.
    pub fn url(mut self, url: &'r str) -> Self {
        self.url = Some(url);
        self
    }

    /// Sets the number of words in the text.
    pub fn word_count(mut self, words: u64) -> Self {
        self.word_count = Some(words);
        self
    }

    /// Sets the language, as a code such as `en`.
    pub fn language(mut self, language: &'r str) -> Self {
        self.language = Some(language);
        self
    }

    /// Sets the time from the page to storage.
    pub fn processing_time(mut self, time: Duration) -> Self {
        self.processing = Some(time);
        self
    }

    /// Sets the names of the fields that were empty.
    pub fn fields_missing<'f>(mut self, fields: impl IntoIterator<Item = &'f str>) -> Self {
        self.missing = Some(json_array(fields));
        self
    }

    /// Records the stored article.
    pub fn log(self) {
        self.run.stats.article();
        log!(
            self.run,
            Level::INFO,
            "article_stored",
            article_id = self.article_id,
            url = self.url,
            word_count = self.word_count,
            language = self.language,
            processing_time_ms = self.processing.map(milliseconds),
            fields_missing = self.missing.as_deref(),
        );
    }
}

/// Builder for the event of a call to the scraper's database.
#[must_use = "the operation is recorded by `log`"]
#[derive(Debug)]
pub struct DatabaseEvent<'r> {
    run: &'r RunCore,
    operation: &'r str,
    table: Option<&'r str>,
    elapsed: Option<Duration>,
    connections: Option<u64>,
}

impl<'r> DatabaseEvent<'r> {
    pub(crate) fn new(run: &'r RunCore, operation: &'r str) -> Self {
        Self {
            run,
            operation,
            table: None,
            elapsed: None,
            connections: None,
        }
    }

    /// Sets the table.
    pub fn table(mut self, table: &'r str) -> Self {
        self.table = Some(table);
        self
    }

    /// Sets the duration.
    pub fn elapsed(mut self, elapsed: Duration) -> Self {
        self.elapsed = Some(elapsed);
        self
    }

    /// Sets the number of open connections at that moment.
    pub fn connections_active(mut self, connections: u64) -> Self {
        self.connections = Some(connections);
        self
    }

    /// Records the operation.
    pub fn log(self) {
        log!(
            self.run,
            Level::INFO,
            "database_operation",
            operation = self.operation,
            table = self.table,
            duration_ms = self.elapsed.map(milliseconds),
            connections_active = self.connections,
        );
    }
}

/// Builder for the event of a sample of a machine's resource usage.
#[must_use = "the sample is recorded by `log`"]
#[derive(Debug)]
pub struct SystemEvent<'r> {
    run: &'r RunCore,
    sample: dragline_schema::SystemSample<'static>,
}

impl<'r> SystemEvent<'r> {
    pub(crate) fn new(run: &'r RunCore) -> Self {
        Self {
            run,
            sample: dragline_schema::SystemSample::default(),
        }
    }

    /// Sets the name of the sampled machine. Default: the machine that the program runs on.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.sample.host = Some(name.into().into());
        self
    }

    /// Sets the CPU usage, from 0 to 100.
    pub fn cpu_percent(mut self, percent: f64) -> Self {
        self.sample.cpu_percent = Some(percent);
        self
    }

    /// Sets the memory usage, from 0 to 100 and in bytes.
    pub fn memory(mut self, percent: f64, used_bytes: u64) -> Self {
        self.sample.memory_percent = Some(percent);
        self.sample.memory_used_bytes = Some(used_bytes);
        self
    }

    /// Sets the memory available to programs, in bytes.
    pub fn memory_available(mut self, bytes: u64) -> Self {
        self.sample.memory_available_bytes = Some(bytes);
        self
    }

    /// Sets the used disk space, in bytes.
    pub fn disk_used(mut self, bytes: u64) -> Self {
        self.sample.disk_used_bytes = Some(bytes);
        self
    }

    /// Sets the disk usage, from 0 to 100, and the free disk space in bytes.
    pub fn disk(mut self, percent: f64, free_bytes: u64) -> Self {
        self.sample.disk_percent = Some(percent);
        self.sample.disk_free_bytes = Some(free_bytes);
        self
    }

    /// Sets the bytes sent and received since the machine started.
    pub fn network(mut self, sent_bytes: u64, received_bytes: u64) -> Self {
        self.sample.network_sent_bytes = Some(sent_bytes);
        self.sample.network_received_bytes = Some(received_bytes);
        self
    }

    /// Records the sample.
    pub fn log(self) {
        log!(
            self.run,
            Level::INFO,
            "system_sample",
            host = self.sample.host.as_deref().or(self.run.host()),
            cpu_percent = self.sample.cpu_percent,
            memory_percent = self.sample.memory_percent,
            memory_used_bytes = self.sample.memory_used_bytes,
            memory_available_bytes = self.sample.memory_available_bytes,
            disk_percent = self.sample.disk_percent,
            disk_used_bytes = self.sample.disk_used_bytes,
            disk_free_bytes = self.sample.disk_free_bytes,
            network_sent_bytes = self.sample.network_sent_bytes,
            network_received_bytes = self.sample.network_received_bytes,
        );
    }
}

pub(crate) fn start(run: &RunCore, config: Option<&str>) {
    log!(
        run,
        Level::INFO,
        "scraper_start",
        config = config,
        host = run.host(),
        "run started"
    );
}

pub(crate) fn end(run: &RunCore, end: &dragline_schema::ScraperEnd<'_>) {
    macro_rules! at {
        ($level:expr) => {
            log!(
                run,
                $level,
                "scraper_end",
                status = end.status.as_deref(),
                finish_reason = end.finish_reason.as_deref(),
                duration_seconds = end.duration_seconds,
                products_found = end.products_found,
                products_added = end.products_added,
                products_updated = end.products_updated,
                products_saved = end.products_saved,
                products_failed = end.products_failed,
                articles_stored = end.articles_stored,
                pages_scraped = end.pages_scraped,
                requests_made = end.requests_made,
                errors_count = end.errors_count,
                rate_limits_hit = end.rate_limits_hit,
                bytes_downloaded = end.bytes_downloaded,
                stats = end.stats.as_ref().map(|stats| &*stats.0),
                "run ended",
            )
        };
    }
    if end.status.as_deref() == Some("success") {
        at!(Level::INFO);
    } else {
        at!(Level::WARN);
    }
}

pub(crate) fn duplicate(run: &RunCore, url: &str, confidence: Option<f64>) {
    log!(
        run,
        Level::INFO,
        "duplicate_detected",
        url = url,
        confidence = confidence
    );
}

pub(crate) fn search(run: &RunCore, query: &str, results: u64, elapsed: Option<Duration>) {
    log!(
        run,
        Level::INFO,
        "search_query",
        query = query,
        result_count = results,
        response_time_ms = elapsed.map(milliseconds),
    );
}

pub(crate) fn queue_size(run: &RunCore, size: u64) {
    log!(run, Level::INFO, "queue_size", queue_size = size);
}

pub(crate) fn rate_limited(run: &RunCore, wait: Duration, reason: &str, url: Option<&str>) {
    run.stats.rate_limited();
    log!(
        run,
        Level::WARN,
        "rate_limit",
        wait_time_seconds = wait.as_secs_f64(),
        reason = reason,
        url = url,
    );
}

/// Logs a panic, inside or outside of a run.
pub(crate) fn panicked(message: &str, place: &str) {
    tracing::error!(
        target: TARGET,
        event_type = "scraper_error",
        error_type = "panic",
        error_message = message,
        traceback = place,
    );
}
