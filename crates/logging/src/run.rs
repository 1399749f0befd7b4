//! A run of a scraper: the context of its events, and their counts.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
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
/// else as `cancelled` (a future that was dropped, a scraper that returned early).
///
/// Runs may stand inside one another and beside one another: an event belongs to the innermost one
/// around it. Outside of any, [`Run::current`] gives a handle whose events carry no run.
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
    /// Whether its end is recorded.
    ended: AtomicBool,
}

thread_local! {
    /// The runs in whose scope this thread is, the innermost last.
    static CURRENT: RefCell<Vec<Run>> = const { RefCell::new(Vec::new()) };
}

/// Leaves a run's scope when it is dropped.
struct Entered(bool);

impl Drop for Entered {
    fn drop(&mut self) {
        if !self.0 {
            return;
        }
        // The handle may be the last one, and then its end is logged: after the borrow.
        let left = CURRENT.try_with(|runs| runs.try_borrow_mut().ok()?.pop());
        drop(left);
    }
}

/// How a run is to start.
#[derive(Debug)]
pub struct RunBuilder {
    scraper_id: String,
    site: String,
    run_id: Option<String>,
    config: Option<String>,
    host: Option<String>,
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

    /// The machine that the run is on. Default: what the system calls it, which in a container is seldom a name that
    /// stays.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.host = Some(name.into());
        self
    }

    /// The function that is the run, and arguments of it to be recorded.
    #[doc(hidden)]
    #[must_use]
    pub fn function(self, name: &str, arguments: &[(&str, String)]) -> Self {
        let mut config = serde_json::Map::new();
        config.insert("function".to_owned(), name.into());
        for (argument, value) in arguments {
            config.insert((*argument).to_owned(), value.as_str().into());
        }
        self.config(&config)
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
                site: Some(self.site),
                host: self.host,
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

/// `20260304T112233Z-1a2b3c4d5e6f`: sortable, and random enough for a fleet that starts at once.
fn new_run_id(started: Timestamp) -> String {
    let at = started.to_civil();
    let random = crate::recorder::new_writer_id();
    format!("{}Z-{random}", at.strftime("%Y%m%dT%H%M%S"))
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
            host: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// The run in whose scope the caller is: [`Run::scope`], [`Run::in_scope`] or a function that is
    /// `#[monitored]`. Outside of any, a handle whose events carry what the spans around them say,
    /// are counted nowhere, and whose end is never recorded.
    pub fn current() -> Self {
        Self::innermost().unwrap_or_else(|| {
            let core = RunCore {
                span: Span::current(),
                site: None,
                host: None,
                stats: Stats::default(),
            };
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let inner = Inner {
                core,
                run_id: String::new(),
                started: clock.now(),
                clock,
                ended: AtomicBool::new(true),
            };
            Self {
                inner: Arc::new(inner),
            }
        })
    }

    fn innermost() -> Option<Self> {
        // A thread that is ending is in no scope.
        let innermost = CURRENT.try_with(|runs| runs.try_borrow().ok()?.last().cloned());
        innermost.ok().flatten()
    }

    /// A panic that is recorded is an error of the run around it.
    pub(crate) fn note_panic() {
        if let Some(run) = Self::innermost() {
            run.core().stats.error();
        }
    }

    /// The run's id; empty outside of any run.
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

    /// The site asked to slow down at that URL, and the scraper waits.
    pub fn rate_limited_at(&self, url: &str, wait: Duration, reason: &str) {
        self.core().stats.rate_limits.fetch_add(1, Relaxed);
        typed::rate_limited(self.core(), wait, reason, Some(url));
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

    /// Adds to a statistic of the scraper's own, which is recorded with the run's end, shown by the report and compared
    /// by `dragline diff`: `run.count("captchas", 4)`. Of a run 100 names are kept, of 64 bytes at most.
    pub fn count(&self, name: &str, more: u64) {
        self.core().stats.count(name, more);
    }

    /// Sets a statistic of the scraper's own to what it is now; the last value is recorded:
    /// `run.gauge("budget", 0.7)`.
    pub fn gauge(&self, name: &str, value: f64) {
        self.core().stats.gauge(name, value);
    }

    /// Runs a future inside the run. An `Err` is recorded and ends the run as failed; an `Ok` does
    /// not end it. Tasks that the future spawns are elsewhere: give each a scope of its own with
    /// [`Run::within`]. (`.in_current_span()` gives their events the run as well, but [`Run::current`]
    /// knows nothing of it, so that what is logged through that is not counted in the run's end.)
    ///
    /// # Errors
    /// The future's own.
    pub async fn scope<T, E: fmt::Display>(
        &self,
        future: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let result = self.within(future).await;
        if let Err(error) = &result {
            self.fail_with_text(std::any::type_name::<E>(), error, None);
        }
        result
    }

    /// Runs a future inside the run, whatever it returns.
    pub async fn within<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future.instrument(self.span().clone()));
        poll_fn(|context| {
            let _entered = self.enter();
            future.as_mut().poll(context)
        })
        .await
    }

    /// Runs a closure inside the run.
    pub fn in_scope<R>(&self, closure: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
        self.span().in_scope(closure)
    }

    fn enter(&self) -> Entered {
        let entered = CURRENT.try_with(|runs| runs.borrow_mut().push(self.clone()));
        Entered(entered.is_ok())
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

    /// [`Run::fail`], and says in which function.
    pub(crate) fn fail_in<E: std::error::Error + ?Sized>(&self, error: &E, function: &str) {
        self.error(error).function(function).log();
        self.end(RunStatus::Failed, Some(&error.to_string()));
    }

    /// Records an error that is no [`std::error::Error`] and ends the run as failed. The alternate
    /// form of `anyhow` and its kin names the causes as well.
    pub(crate) fn fail_with_text(
        &self,
        error_type: &str,
        error: &impl fmt::Display,
        function: Option<&str>,
    ) {
        // A text and a box say nothing of what went wrong.
        let error_type = match error_type.split('<').next().unwrap_or(error_type) {
            "alloc::string::String"
            | "&str"
            | "alloc::boxed::Box"
            | "anyhow::Error"
            | "eyre::Report" => "",
            error_type => error_type,
        };
        let message = format!("{error:#}");
        let mut event = self.error_text(error_type, &message);
        if let Some(function) = function {
            event = event.function(function);
        }
        event.log();
        self.end(RunStatus::Failed, Some(&error.to_string()));
    }

    fn end(&self, status: RunStatus, reason: Option<&str>) {
        self.inner.end(status, reason);
    }
}

impl Inner {
    /// Records the end, once.
    fn end(&self, status: RunStatus, reason: Option<&str>) {
        if self.ended.swap(true, Relaxed) {
            return;
        }
        let elapsed = self.clock.now().since(self.started);
        let end = self.core.stats.end(status, reason, elapsed);
        typed::end(&self.core, &end);
    }
}

/// The last handle is gone.
impl Drop for Inner {
    fn drop(&mut self) {
        let status = if std::thread::panicking() {
            RunStatus::Panicked
        } else {
            RunStatus::Cancelled
        };
        self.end(status, None);
    }
}
