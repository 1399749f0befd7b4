//! What a run's events need of it: its span, and its counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use dragline_schema::{Json, ProductAction, RunStatus, ScraperEnd, Timestamp};
use tracing::Span;

/// What a run's events need of it.
#[derive(Debug)]
pub(crate) struct RunCore {
    /// The span that carries the run's context.
    pub(crate) span: Span,
    /// The site, where the run has one.
    pub(crate) site: Option<String>,
    /// The machine, where somebody named it.
    pub(crate) host: Option<String>,
    pub(crate) stats: Stats,
}

impl RunCore {
    /// The machine that the run is on, as far as anybody knows.
    pub(crate) fn host(&self) -> Option<&str> {
        self.host.as_deref().or(crate::sys::host())
    }
}

/// What a run counts.
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
    pub(crate) rate_limits: AtomicU64,
    bytes: AtomicU64,
    consecutive_failures: AtomicU64,
    /// Whether the last request failed: the errors that follow are about it, and the next request
    /// that succeeds ends the series.
    request_failing: AtomicBool,
    /// A minute since 1970 in the upper half, the errors in it in the lower one.
    minute: AtomicU64,
    /// What the author counts and measures, by name.
    own: Mutex<BTreeMap<String, Own>>,
}

/// So many statistics of its own a run may have, of names of so many bytes: more are left out.
const MOST_OWN: usize = 100;
const LONGEST_NAME: usize = 64;

/// A statistic of the author's.
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

    /// Counts an error; returns how many came in a row, with this one. A stored item ends the row,
    /// and so does a request that succeeds after one that failed.
    pub(crate) fn error(&self) -> u64 {
        self.errors.fetch_add(1, Relaxed);
        self.consecutive_failures.fetch_add(1, Relaxed) + 1
    }

    /// Counts an error in the minute that it falls in; returns how many that minute has.
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
        // The function always gives a value, so that the update always happens.
        next(held.unwrap_or_else(|held| held)) & 0xffff_ffff
    }

    /// Adds to a count of the author's. A name that is a gauge's becomes a count.
    pub(crate) fn count(&self, name: &str, more: u64) {
        self.own(name, |held| match held {
            Some(Own::Count(count)) => Own::Count(count.saturating_add(more)),
            _ => Own::Count(more),
        });
    }

    /// Sets a gauge of the author's. What is no number is left out.
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

    /// The author's statistics as a JSON object; `None` when there are none.
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

    /// The run's last account.
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
