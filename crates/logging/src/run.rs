//! A run of a scraper: the context of its events, and their counts.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use dragline_schema::{RunStatus, Timestamp};
use serde::Serialize;
use tracing::{Instrument as _, Span};

use crate::clock::{Clock, SystemClock};
use crate::core::{RunCore, Stats};
use crate::typed::{
    self, ArticleEvent, DatabaseEvent, ErrorEvent, ProductEvent, RequestEvent, SystemEvent,
};

/// One run of a scraper on a site.
///
/// A handle: cheap to clone, and usable from any thread. It enters nothing by itself: plain tracing
/// events carry the run inside [`Run::scope`], [`Run::in_scope`] or an `.instrument(run.span())`.
/// Its own methods always do.
///
/// A run ends once: with [`Run::finish`], [`Run::fail`], or an `Err` out of [`Run::scope`]. When the
/// last handle is dropped before that, the run is recorded as `panicked` while the thread unwinds,
/// else as `cancelled`.
#[derive(Clone, Debug)]
pub struct Run {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    core: RunCore,
    run_id: String,
    started: Timestamp,
    clock: Arc<dyn Clock>,
    ended: AtomicBool,
}

/// How a run is to start.
#[derive(Debug)]
pub struct RunBuilder {
    scraper_id: String,
    site: String,
    run_id: Option<String>,
    config: Option<String>,
    clock: Arc<dyn Clock>,
}

impl RunBuilder {
    /// The run's id. Default: the time and a random number, unique across processes.
    #[must_use]
    pub fn run_id(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = Some(run_id.into());
        self
    }

    /// The scraper's configuration, to be recorded with the start: anything that serialises to a
    /// JSON object. What does not is left out. Secrets do not belong in it.
    #[must_use]
    pub fn config(mut self, config: &impl Serialize) -> Self {
        self.config = serde_json::to_string(config)
            .ok()
            .filter(|json| json.starts_with('{'));
        self
    }

    /// Where the run's times come from. Default: the machine's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the run and records its start.
    pub fn start(self) -> Run {
        let started = self.clock.now();
        let run_id = self.run_id.unwrap_or_else(|| new_run_id(started));
        // At ERROR, so that no level filter takes the context away from the events inside.
        let span = tracing::error_span!(
            target: typed::TARGET,
            "run",
            scraper_id = self.scraper_id,
            site = self.site,
            run_id,
        );
        let inner = Inner {
            core: RunCore {
                span,
                stats: Stats::default(),
            },
            run_id,
            started,
            clock: self.clock,
            ended: AtomicBool::new(false),
        };
        let run = Run {
            inner: Arc::new(inner),
        };
        typed::start(run.core(), self.config.as_deref());
        run
    }
}

/// `20260304T112233Z-1a2b3c4d`: sortable, and random enough for a fleet that starts at once.
fn new_run_id(started: Timestamp) -> String {
    let at = started.to_civil();
    format!(
        "{}Z-{:08x}",
        at.strftime("%Y%m%dT%H%M%S"),
        fastrand::u32(..)
    )
}

impl Run {
    /// Starts a run with the defaults of [`Run::builder`].
    pub fn start(scraper_id: impl Into<String>, site: impl Into<String>) -> Self {
        Self::builder(scraper_id, site).start()
    }

    /// A run to be started.
    pub fn builder(scraper_id: impl Into<String>, site: impl Into<String>) -> RunBuilder {
        RunBuilder {
            scraper_id: scraper_id.into(),
            site: site.into(),
            run_id: None,
            config: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// The run's id.
    pub fn run_id(&self) -> &str {
        &self.inner.run_id
    }

    /// The span that carries the run's context, for `.instrument(run.span().clone())`.
    pub fn span(&self) -> &Span {
        &self.inner.core.span
    }

    fn core(&self) -> &RunCore {
        &self.inner.core
    }

    /// One HTTP attempt.
    pub fn request<'r>(&'r self, url: &'r str) -> RequestEvent<'r> {
        RequestEvent::new(self.core(), url)
    }

    /// A product that was found, stored or lost.
    pub fn product<'r>(&'r self, product_id: &'r str) -> ProductEvent<'r> {
        ProductEvent::new(self.core(), product_id)
    }

    /// An article that was stored.
    pub fn article<'r>(&'r self, article_id: &'r str) -> ArticleEvent<'r> {
        ArticleEvent::new(self.core(), article_id)
    }

    /// An error, with its type, its message and what caused it.
    pub fn error<E: std::error::Error + ?Sized>(&self, error: &E) -> ErrorEvent<'_> {
        ErrorEvent::from_error(self.core(), error)
    }

    /// An error that is no [`std::error::Error`] value: a type (may be empty) and a message.
    pub fn error_text(&self, error_type: &str, error_message: &str) -> ErrorEvent<'_> {
        ErrorEvent::from_text(self.core(), error_type, error_message)
    }

    /// The site asked to slow down, and the scraper waits.
    pub fn rate_limited(&self, wait: Duration, reason: &str) {
        self.core().stats.rate_limits.fetch_add(1, Relaxed);
        typed::rate_limited(self.core(), wait, reason, None);
    }

    /// Something was recognised as already known, as surely as `confidence` (0 to 1) says.
    pub fn duplicate(&self, url: &str, confidence: Option<f64>) {
        typed::duplicate(self.core(), url, confidence);
    }

    /// A search was made.
    pub fn search(&self, query: &str, result_count: u64, elapsed: Option<Duration>) {
        typed::search(self.core(), query, result_count, elapsed);
    }

    /// The length of the scraper's queue now.
    pub fn queue_size(&self, size: u64) {
        typed::queue_size(self.core(), size);
    }

    /// A call to the scraper's database.
    pub fn database<'r>(&'r self, operation: &'r str) -> DatabaseEvent<'r> {
        DatabaseEvent::new(self.core(), operation)
    }

    /// The machine now.
    pub fn system_sample(&self) -> SystemEvent<'_> {
        SystemEvent::new(self.core())
    }

    /// A page was read; counted in the run's end only.
    pub fn page_scraped(&self) {
        self.core().stats.pages.fetch_add(1, Relaxed);
    }

    /// Runs a future inside the run. An `Err` is recorded and ends the run as failed.
    ///
    /// # Errors
    /// The future's own.
    pub async fn scope<T, E: fmt::Display>(
        &self,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let result = future.instrument(self.span().clone()).await;
        if let Err(error) = &result {
            let error_type = std::any::type_name::<E>();
            self.error_text(error_type, &error.to_string()).log();
            self.end(RunStatus::Failed, Some(&error.to_string()));
        }
        result
    }

    /// Runs a closure inside the run.
    pub fn in_scope<R>(&self, closure: impl FnOnce() -> R) -> R {
        self.span().in_scope(closure)
    }

    /// Ends the run as a success.
    pub fn finish(&self) {
        self.end(RunStatus::Success, None);
    }

    /// Ends the run as a success, for a reason.
    pub fn finish_with(&self, reason: &str) {
        self.end(RunStatus::Success, Some(reason));
    }

    /// Records the error and ends the run as failed.
    pub fn fail<E: std::error::Error + ?Sized>(&self, error: &E) {
        self.error(error).log();
        self.end(RunStatus::Failed, Some(&error.to_string()));
    }

    /// Records the end, once.
    fn end(&self, status: RunStatus, reason: Option<&str>) {
        if self.inner.ended.swap(true, Relaxed) {
            return;
        }
        let elapsed = self.inner.clock.now().since(self.inner.started);
        let end = self.inner.core.stats.end(status, reason, elapsed);
        typed::end(self.core(), &end);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // The last handle; a race with another drop ends the run once all the same.
        if Arc::strong_count(&self.inner) == 1 {
            let status = if std::thread::panicking() {
                RunStatus::Panicked
            } else {
                RunStatus::Cancelled
            };
            self.end(status, None);
        }
    }
}
