//! Counts the events of a running program.

use std::sync::{Arc, Mutex, PoisonError};

use dragline_schema::{Observe, Record, Verdict};

use super::{CrawlFamilies, Observer};
use crate::Registry;
use crate::error::RegisterError;

/// Counts events into the crawling metrics of a registry. Clones count into the same ones.
///
/// ```
/// use dragline_metrics::{EventCounter, Registry, export};
/// use dragline_schema::{Event, Record, Request};
///
/// let registry = Registry::new();
/// let events = EventCounter::new(&registry)?;
/// let request = Request { status_code: Some(503), ..Request::default() };
/// events.count(&Record {
///     scraper_id: Some("shop".into()),
///     site: Some("shop.example.com".into()),
///     event: Event::Request(request),
///     ..Record::default()
/// }, None);
/// let text = export::openmetrics(&registry.snapshot());
/// assert!(text.contains(
///     r#"dragline_requests_total{scraper_id="shop",site="shop.example.com",outcome="failed"} 1"#
/// ));
/// # Ok::<(), dragline_metrics::RegisterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventCounter {
    families: CrawlFamilies,
    observer: Arc<Mutex<Observer>>,
}

impl EventCounter {
    /// Registers the crawling metrics in a registry.
    ///
    /// # Errors
    /// As [`CrawlFamilies::register`].
    pub fn new(registry: &Registry) -> Result<Self, RegisterError> {
        Ok(Self {
            families: CrawlFamilies::register(registry)?,
            observer: Arc::default(),
        })
    }

    /// Counts a record; see [`Observer::observe`].
    pub fn count(&self, record: &Record<'_>, verdict: Option<&Verdict<'_>>) {
        let mut observer = self.observer.lock().unwrap_or_else(PoisonError::into_inner);
        observer.observe(record, verdict, &mut &self.families);
    }
}

/// For the recorder: every typed event counts itself.
impl Observe for EventCounter {
    fn observe(&self, record: &Record<'_>) {
        self.count(record, None);
    }
}
