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
    ($run:expr, $level:expr, $kind:literal, $($rest:tt)*) => {{
        crate::observe::observe_event!($run, $level, $kind, $($rest)*);
        tracing::event!(
            name: $kind,
            target: TARGET,
            parent: &$run.span,
            $level,
            event_type = $kind,
            $($rest)*
        )
    }};
}

mod backtrace;
mod database;
mod error;
mod items;
mod request;
mod system;

pub(crate) use backtrace::{capture_panic, enable as capture_backtraces};
pub use database::DatabaseEvent;
pub use error::{ContextValue, ErrorEvent};
pub use items::{ArticleEvent, ProductEvent};
pub use request::RequestEvent;
pub use system::SystemEvent;

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
