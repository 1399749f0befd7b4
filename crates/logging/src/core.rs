//! The part of a run that its events use: its span and its counters.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use dragline_schema::{Json, ProductAction, RunStatus, ScraperEnd, Timestamp};
use tracing::Span;

/// The part of a run that its events use.
#[derive(Debug)]
pub(crate) struct RunCore {
    /// The span that carries the run's context.
    pub(crate) span: Span,
    /// The scraper's id; `None` outside of runs.
    pub(crate) scraper_id: Option<String>,
    /// The run's id; `None` outside of runs.
    pub(crate) run_id: Option<String>,
    /// The site, if the run has one.
    pub(crate) site: Option<String>,
    /// The machine name, if it was set explicitly.
    pub(crate) host: Option<String>,
    pub(crate) stats: Stats,
}

impl RunCore {
    /// The name of the machine that the run is on, if known.
    pub(crate) fn host(&self) -> Option<&str> {
        self.host.as_deref().or(crate::sys::host())
    }
}

/// The counters of a run.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    found: AtomicU64,
    added: AtomicU64,
    updated: AtomicU64,
    saved: AtomicU64,
    failed: AtomicU64,
    articles: AtomicU64,
    pub(crate) pages: AtomicU64,
    requests: AtomicU64,
    errors: AtomicU64,
    rate_limits: AtomicU64,
    bytes: AtomicU64,
    consecutive_failures: AtomicU64,
    /// Whether the last request failed. The next successful request then ends the series of consecutive
    /// failures.
    request_failing: AtomicBool,
    /// Upper half: a minute since the epoch. Lower half: the number of errors in it.
    minute: AtomicU64,
    /// The user-defined statistics, by name.
    own: Mutex<BTreeMap<String, Own>>,
}

/// Maximum number of user-defined statistics of a run, and maximum length of their names in bytes. Others are
/// ignored.
const MOST_OWN: usize = 100;
const LONGEST_NAME: usize = 64;

/// A user-defined statistic.
#[derive(Debug, Clone, Copy)]
enum Own {
    Count(u64),
    Gauge(f64),
}

impl Stats {
    pub(crate) fn request(&self, failed: bool, bytes: u64) {
        self.requests.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        if self.request_failing.swap(failed, Relaxed) && !failed {
            self.consecutive_failures.store(0, Relaxed);
        }
    }

    pub(crate) fn product(&self, action: ProductAction) {
        let counter = match action {
            ProductAction::Found => &self.found,
            ProductAction::Added => &self.added,
            ProductAction::Updated => &self.updated,
            ProductAction::Saved => &self.saved,
            ProductAction::Failed => &self.failed,
        };
        counter.fetch_add(1, Relaxed);
        if !matches!(action, ProductAction::Found | ProductAction::Failed) {
            self.consecutive_failures.store(0, Relaxed);
        }
    }

    pub(crate) fn article(&self) {
        self.articles.fetch_add(1, Relaxed);
        self.consecutive_failures.store(0, Relaxed);
    }

    pub(crate) fn rate_limited(&self) {
        self.rate_limits.fetch_add(1, Relaxed);
    }

    /// Counts an error and returns the number of consecutive failures, including this one. A stored item
    /// ends the series, and so does a request that succeeds after a failed one.
    pub(crate) fn error(&self) -> u64 {
        self.errors.fetch_add(1, Relaxed);
        self.consecutive_failures.fetch_add(1, Relaxed) + 1
    }

    /// Counts an error in its minute and returns the number of errors in that minute.
    pub(crate) fn errors_in_minute(&self, at: Timestamp) -> u64 {
        let minute = (at.as_micros() / 60_000_000).max(0) as u64;
        let next = |held: u64| {
            if held >> 32 == minute {
                held.saturating_add(1)
            } else {
                (minute << 32) | 1
            }
        };
        let held = self
            .minute
            .fetch_update(Relaxed, Relaxed, |held| Some(next(held)));
        // The function always returns a value, so the update always succeeds.
        next(held.unwrap_or_else(|held| held)) & 0xffff_ffff
    }

    /// Adds to a user-defined count. A gauge with that name becomes a count.
    pub(crate) fn count(&self, name: &str, more: u64) {
        self.own(name, |held| match held {
            Some(Own::Count(count)) => Own::Count(count.saturating_add(more)),
            _ => Own::Count(more),
        });
    }

    /// Sets a user-defined gauge. NaN and infinities are ignored.
    pub(crate) fn gauge(&self, name: &str, value: f64) {
        if value.is_finite() {
            self.own(name, |_| Own::Gauge(value));
        }
    }

    fn own(&self, name: &str, change: impl FnOnce(Option<Own>) -> Own) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = own.get_mut(name) {
            *held = change(Some(*held));
        } else if own.len() < MOST_OWN && (1..=LONGEST_NAME).contains(&name.len()) {
            own.insert(name.to_owned(), change(None));
        }
    }

    /// The user-defined statistics as a JSON object; `None` when there are none.
    fn own_json(&self) -> Option<Json<'static>> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let value = |(name, own): (&String, &Own)| {
            let value = match own {
                Own::Count(count) => serde_json::Value::from(*count),
                Own::Gauge(value) => serde_json::Value::from(*value),
            };
            (name.clone(), value)
        };
        let object: serde_json::Map<_, _> = own.iter().map(value).collect();
        (!object.is_empty()).then(|| Json(serde_json::Value::Object(object).to_string().into()))
    }

    /// The totals for the run's `scraper_end` event.
    pub(crate) fn end<'e>(
        &self,
        status: RunStatus,
        reason: Option<&'e str>,
        elapsed: i64,
    ) -> ScraperEnd<'e> {
        let count = |counter: &AtomicU64| Some(counter.load(Relaxed));
        ScraperEnd {
            status: Some(status.as_str().into()),
            finish_reason: reason.map(Into::into),
            duration_seconds: Some(elapsed.max(0) as f64 / 1e6),
            products_found: count(&self.found),
            products_added: count(&self.added),
            products_updated: count(&self.updated),
            products_saved: count(&self.saved),
            products_failed: count(&self.failed),
            articles_stored: count(&self.articles),
            pages_scraped: count(&self.pages),
            requests_made: count(&self.requests),
            errors_count: count(&self.errors),
            rate_limits_hit: count(&self.rate_limits),
            bytes_downloaded: count(&self.bytes),
            stats: self.own_json(),
            ..ScraperEnd::default()
        }
    }
}
