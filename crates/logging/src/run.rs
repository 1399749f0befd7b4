//! A run of a scraper: the context of its events, and their totals.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use dragline_schema::{RunStatus, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{Instrument as _, Span};

use crate::clock::{Clock, SystemClock};
use crate::core::{RunCore, Stats};
use crate::observe::observe;
use crate::typed::{
    self, ArticleEvent, DatabaseEvent, ErrorEvent, ProductEvent, RequestEvent, SystemEvent,
};

/// One run of a scraper on a site.
///
/// This is a handle that is cheap to clone and can be used from any thread. Creating a run does not enter
/// it: plain tracing events carry the run inside [`Run::scope`], [`Run::in_scope`] or
/// `.instrument(run.span())`. Events logged with the methods of the run always carry it.
///
/// A run ends once: with [`Run::finish`], [`Run::fail`], or an `Err` returned in [`Run::scope`]. If the
/// last handle is dropped before that, the run is recorded as `panicked` when the thread is unwinding,
/// otherwise as `cancelled` (a dropped future, a scraper that returned early).
///
/// Runs can be nested and can run concurrently. An event belongs to the innermost run around it. Outside
/// of all runs, [`Run::current`] returns a handle whose events carry no run.
#[derive(Clone, Debug)]
pub struct Run {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    core: RunCore,
    started: Timestamp,
    clock: Arc<dyn Clock>,
    /// Whether the end of the run is recorded.
    ended: AtomicBool,
}

thread_local! {
    /// The runs that this thread has entered, innermost last.
    static CURRENT: RefCell<Vec<Run>> = const { RefCell::new(Vec::new()) };
}

/// Leaves a run's scope when it is dropped.
struct Entered(bool);

impl Drop for Entered {
    fn drop(&mut self) {
        if !self.0 {
            return;
        }
        // This may be the last handle. Dropping it logs the end of the run, which must happen after the borrow.
        let left = CURRENT.try_with(|runs| runs.try_borrow_mut().ok()?.pop());
        drop(left);
    }
}

/// Builder for a run.
#[derive(Debug)]
pub struct RunBuilder {
    scraper_id: String,
    site: String,
    run_id: Option<String>,
    config: Option<String>,
    /// The function that is the run, and its recorded arguments: part of the recorded configuration.
    function: Map<String, Value>,
    host: Option<String>,
    clock: Arc<dyn Clock>,
}

impl RunBuilder {
    /// Sets the run's id. Default: the time and a random number, unique across processes.
    #[must_use]
    pub fn run_id(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = Some(run_id.into());
        self
    }

    /// Sets the scraper's configuration, which is recorded with the start: any value that serialises to a
    /// JSON object. Other values are ignored. Do not include secrets.
    #[must_use]
    pub fn config(mut self, config: &impl Serialize) -> Self {
        self.config = serde_json::to_string(config)
            .ok()
            .filter(|json| json.starts_with('{'));
        self
    }

    /// Sets the name of the machine that the run is on. Default: the system's host name, which in a container usually
    /// changes with every start.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.host = Some(name.into());
        self
    }

    /// Sets the function that is the run, and its recorded arguments.
    #[doc(hidden)]
    #[must_use]
    pub fn function(mut self, name: &str, arguments: &[(&str, String)]) -> Self {
        self.function.insert("function".to_owned(), name.into());
        for (argument, value) in arguments {
            let value = value.as_str().into();
            self.function.insert((*argument).to_owned(), value);
        }
        self
    }

    /// What is recorded as the configuration, as JSON.
    fn recorded_config(&self) -> Option<String> {
        if self.function.is_empty() {
            return self.config.clone();
        }
        let mut all = self.function.clone();
        let own = self.config.as_deref().map(serde_json::from_str);
        if let Some(Ok(Value::Object(own))) = own {
            all.extend(own);
        }
        Some(Value::Object(all).to_string())
    }

    /// Sets the clock of the run. Default: the system clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the run and records its start.
    pub fn start(self) -> Run {
        let started = self.clock.now();
        let config = self.recorded_config();
        let run_id = self.run_id.unwrap_or_else(|| new_run_id(started));
        // At ERROR, so that no level filter disables the span and removes the context of the events inside.
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
                scraper_id: Some(self.scraper_id),
                run_id: Some(run_id),
                site: Some(self.site),
                host: self.host,
                stats: Stats::default(),
            },
            started,
            clock: self.clock,
            ended: AtomicBool::new(false),
        };
        let run = Run {
            inner: Arc::new(inner),
        };
        typed::start(run.core(), config.as_deref());
        run
    }
}

/// `20260304T112233Z-1a2b3c4d5e6f`: sortable, and random enough for a fleet that starts simultaneously.
fn new_run_id(started: Timestamp) -> String {
    let at = started.to_civil();
    let random = crate::writer_id::new_writer_id();
    format!("{}Z-{random}", at.strftime("%Y%m%dT%H%M%S"))
}

impl Run {
    /// Starts a run with the defaults of [`Run::builder`].
    pub fn start(scraper_id: impl Into<String>, site: impl Into<String>) -> Self {
        Self::builder(scraper_id, site).start()
    }

    /// A builder for a run.
    pub fn builder(scraper_id: impl Into<String>, site: impl Into<String>) -> RunBuilder {
        RunBuilder {
            scraper_id: scraper_id.into(),
            site: site.into(),
            run_id: None,
            config: None,
            function: Map::new(),
            host: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// The innermost run that the caller is in: inside [`Run::scope`], [`Run::in_scope`] or a
    /// `#[monitored]` function. Outside of all runs, a handle whose events carry only the fields of the
    /// surrounding spans and are not counted, and whose end is never recorded.
    pub fn current() -> Self {
        Self::innermost().unwrap_or_else(|| {
            let core = RunCore {
                span: Span::current(),
                scraper_id: None,
                run_id: None,
                site: None,
                host: None,
                stats: Stats::default(),
            };
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let inner = Inner {
                core,
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
        // A thread that is ending is not in a run.
        let innermost = CURRENT.try_with(|runs| runs.try_borrow().ok()?.last().cloned());
        innermost.ok().flatten()
    }

    /// Counts a recorded panic as an error of the innermost run, and shows it to the observer.
    pub(crate) fn note_panic(message: &str) {
        let run = Self::current();
        run.core().stats.error();
        observe(
            run.core(),
            tracing::Level::ERROR,
            "scraper_error",
            |fields| {
                fields.set("error_type", "panic");
                fields.set("error_message", message);
            },
        );
    }

    /// The run's id; empty outside of runs.
    pub fn run_id(&self) -> &str {
        self.inner.core.run_id.as_deref().unwrap_or_default()
    }

    /// The span that carries the run's context, for `.instrument(run.span().clone())`.
    pub fn span(&self) -> &Span {
        &self.inner.core.span
    }

    fn core(&self) -> &RunCore {
        &self.inner.core
    }

    /// Creates the event of one HTTP attempt. The URL may be a `&str`, a `String`, a `Url`, or a reference to
    /// one; it is not copied. All methods here take texts this way.
    ///
    /// ```
    /// # let run = dragline_logging::Run::current();
    /// let url = url::Url::parse("https://shop.example.com/p/1")?;
    /// run.request(&url).status(200).log();
    /// run.product("p1").url(&url).log(dragline_logging::Action::Added);
    /// # Ok::<(), url::ParseError>(())
    /// ```
    pub fn request<U: AsRef<str>>(&self, url: U) -> RequestEvent<'_, U> {
        RequestEvent::new(self.core(), url)
    }

    /// Creates the event of a product that was found, stored or failed.
    pub fn product<I: AsRef<str>>(&self, product_id: I) -> ProductEvent<'_, I> {
        ProductEvent::new(self.core(), product_id)
    }

    /// Creates the event of a stored article.
    pub fn article<I: AsRef<str>>(&self, article_id: I) -> ArticleEvent<'_, I> {
        ArticleEvent::new(self.core(), article_id)
    }

    /// Creates the event of an error, with its type, message and causes.
    pub fn error<E: std::error::Error + ?Sized>(&self, error: &E) -> ErrorEvent<'_> {
        ErrorEvent::from_error(self.core(), error)
    }

    /// Creates the event of an error that is not a [`std::error::Error`], from a type (may be empty) and a message.
    pub fn error_text(
        &self,
        error_type: impl AsRef<str>,
        error_message: impl AsRef<str>,
    ) -> ErrorEvent<'_> {
        ErrorEvent::from_text(self.core(), error_type.as_ref(), error_message.as_ref())
    }

    /// Records that the site asked the scraper to slow down, and that the scraper waits.
    pub fn rate_limited(&self, wait: Duration, reason: impl AsRef<str>) {
        typed::rate_limited(self.core(), wait, reason.as_ref(), None);
    }

    /// Like [`Run::rate_limited`], with the rate-limited URL.
    pub fn rate_limited_at(&self, url: impl AsRef<str>, wait: Duration, reason: impl AsRef<str>) {
        typed::rate_limited(self.core(), wait, reason.as_ref(), Some(url.as_ref()));
    }

    /// Records that an item was recognised as a duplicate, with a confidence from 0 to 1.
    pub fn duplicate(&self, url: impl AsRef<str>, confidence: Option<f64>) {
        typed::duplicate(self.core(), url.as_ref(), confidence);
    }

    /// Records a search.
    pub fn search(&self, query: impl AsRef<str>, result_count: u64, elapsed: Option<Duration>) {
        typed::search(self.core(), query.as_ref(), result_count, elapsed);
    }

    /// Records the current length of the scraper's queue.
    pub fn queue_size(&self, size: u64) {
        typed::queue_size(self.core(), size);
    }

    /// Creates the event of a call to the scraper's database.
    pub fn database<O: AsRef<str>>(&self, operation: O) -> DatabaseEvent<'_, O> {
        DatabaseEvent::new(self.core(), operation)
    }

    /// Creates the event of a sample of the machine's resource usage.
    pub fn system_sample(&self) -> SystemEvent<'_> {
        SystemEvent::new(self.core())
    }

    /// Counts a scraped page. The total is recorded with the run's end.
    pub fn page_scraped(&self) {
        self.core().stats.pages.fetch_add(1, Relaxed);
    }

    /// Adds to a user-defined count, which is recorded with the run's end, shown in the report and compared
    /// by `dragline diff`: `run.count("captchas", 4)`. At most 100 names per run are kept, of at most 64 bytes each.
    pub fn count(&self, name: impl AsRef<str>, more: u64) {
        self.core().stats.count(name.as_ref(), more);
    }

    /// Sets a user-defined gauge to its current value: `run.gauge("budget", 0.7)`. The last value is recorded
    /// with the run's end.
    pub fn gauge(&self, name: impl AsRef<str>, value: f64) {
        self.core().stats.gauge(name.as_ref(), value);
    }

    /// Runs a future inside the run. An `Err` is recorded and ends the run as failed; an `Ok` does not end
    /// the run. Tasks that the future spawns are not inside the run: wrap each of them in [`Run::within`].
    /// (`.in_current_span()` also adds the run to their events, but [`Run::current`] does not see it, so
    /// events logged through [`Run::current`] are not counted in the run's end.)
    ///
    /// # Errors
    /// Returns the error of the future.
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

    /// Runs a future with any output inside the run.
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

    /// Ends the run as a success, with a reason.
    pub fn finish_with(&self, reason: impl AsRef<str>) {
        self.end(RunStatus::Success, Some(reason.as_ref()));
    }

    /// Records the error and ends the run as failed.
    pub fn fail<E: std::error::Error + ?Sized>(&self, error: &E) {
        self.error(error).log();
        self.end(RunStatus::Failed, Some(&error.to_string()));
    }

    /// Like [`Run::fail`], with the function in which the error occurred.
    pub(crate) fn fail_in<E: std::error::Error + ?Sized>(&self, error: &E, function: &str) {
        self.error(error).function(function).log();
        self.end(RunStatus::Failed, Some(&error.to_string()));
    }

    /// Records an error that is not a [`std::error::Error`] and ends the run as failed. The alternate format
    /// makes `anyhow` and similar types include the causes.
    pub(crate) fn fail_with_text(
        &self,
        error_type: &str,
        error: &impl fmt::Display,
        function: Option<&str>,
    ) {
        // The name of a string or box type says nothing about the error.
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
    /// Records the end, if it is not recorded yet.
    fn end(&self, status: RunStatus, reason: Option<&str>) {
        if self.ended.swap(true, Relaxed) {
            return;
        }
        let elapsed = self.clock.now().since(self.started);
        let end = self.core.stats.end(status, reason, elapsed);
        typed::end(&self.core, &end);
    }
}

/// Dropping the last handle ends the run.
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
