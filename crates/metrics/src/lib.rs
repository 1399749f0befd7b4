//! Metrics of scrapers: totals for Prometheus, and statistics over windows of time.
//!
//! A [`Registry`] holds counters, gauges and histograms. A [`Descriptor`] describes a metric; registering it
//! returns a [`Family`], which has a handle ([`Counter`], [`Gauge`], [`Histogram`]) for each combination of
//! label values. A handle is updated without a lock. The number of series is bounded by [`Limits`]: what
//! exceeds them goes to one overflow series, and the export counts it. [`Collector`]s update what has to be
//! requested. [`export`] writes a snapshot as OpenMetrics, in Prometheus' text format, as a file for
//! `node_exporter` or as JSON.
//!
//! A [`Store`] answers questions about windows of time: count, least and greatest value, mean, median, 95th
//! and 99th percentile, latest value, rate and increase, by labels. It keeps counts and mergeable
//! [`Sketch`]es in slots of time, not values; old slots are joined into wider ones ([`Retention`]). It is
//! filled from a registry in regular intervals ([`Store::collect`]), or with the times of events. Times are
//! passed in; nothing here asks a clock.
//!
//! [`CrawlMetric`] is the set of metrics about crawling. An [`Observer`] turns every record of a log into
//! [`Measurement`]s of that set, for a registry, a store, or both ([`Measure`]). The [`EventCounter`] does
//! this for the recorder, so that every event that a scraper logs counts itself. [`ORIGINALS`] maps the names
//! of the original feature list to ours.
//!
//! ```
//! use dragline_metrics::{Descriptor, Limits, Registry, Store, Timestamp, Unit, Window, export};
//!
//! let registry = Registry::windowed(Limits::default());
//! let waits = Descriptor::histogram("shop_wait_seconds", "Time in the queue.")
//!     .unit(Unit::Seconds)
//!     .labels(["site"]);
//! let wait = registry.histogram(waits)?.get(&["shop.example.com"]);
//! for tenths in 1..=10 {
//!     wait.observe(f64::from(tenths) / 10.0);
//! }
//! let text = export::openmetrics(&registry.snapshot());
//! assert!(text.contains(r#"shop_wait_seconds_bucket{site="shop.example.com",le="0.5"} 5"#));
//!
//! let mut store = Store::default();
//! let now = Timestamp::from_seconds(1_772_600_000);
//! store.collect(now, &registry)?;
//! let labels = [("site", "shop.example.com")];
//! let stats = store.summarise("shop_wait_seconds", &labels, Window::until(now, 60)).unwrap();
//! assert_eq!((stats.count, stats.min, stats.max), (10, Some(0.1), Some(1.0)));
//! assert!((stats.median.unwrap() - 0.5).abs() < 0.005);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Labels
//!
//! A label has few values: a scraper, a site, an outcome. URLs, run ids, error messages and texts of pages
//! have a new value each time and are never labels.
//!
//! With the feature `facade`, `FacadeRecorder` receives the metrics that libraries record with the `metrics` crate.

mod cell;
mod collector;
mod crawl;
mod descriptor;
mod error;
pub mod export;
#[cfg(feature = "facade")]
mod facade;
mod family;
mod registry;
mod sketch;
mod snapshot;
mod window;

pub use cell::{Counter, Distribution, Gauge, Histogram};
pub use collector::{CollectError, Collector};
pub use crawl::{
    CrawlFamilies, CrawlMetric, Document, EventCounter, Measure, Measurement, ORIGINALS, Observer,
    Original, OriginalKind, SEVERITIES, SeverityWord, Target, Vocabulary, original, severity_of,
};
pub use descriptor::{DURATION_BUCKETS, Descriptor, Kind, Unit};
pub use dragline_schema::Timestamp;
pub use error::RegisterError;
#[cfg(feature = "facade")]
pub use facade::FacadeRecorder;
pub use family::{Family, Limits, MAX_LABEL_BYTES, OVERFLOW};
pub use registry::Registry;
pub use sketch::{MAX_BINS, RELATIVE_ERROR, Sketch};
pub use snapshot::{Metric, Series, Value};
pub use window::{
    Delta, Losses, NotWindowed, Resolution, Retention, RetentionError, Sample, SeriesId, Stats,
    Store, Update, Window,
};
