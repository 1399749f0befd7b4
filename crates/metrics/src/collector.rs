//! Custom collectors.

use std::error::Error;
use std::fmt;

use dragline_schema::Timestamp;

use crate::Registry;

/// Updates metrics whose values have to be requested: usage of the machine, the length of a queue, the
/// connections of a pool.
///
/// A collector registers its metrics once and keeps the handles; registering the same metric again returns
/// the same one. It runs in the thread that calls [`Registry::collect`], so it should answer within the
/// interval of the exports, and it should return an error rather than an old value: without an update, a
/// gauge keeps its value.
///
/// ```
/// use dragline_metrics::{CollectError, Collector, Descriptor, Gauge, Registry, Timestamp};
///
/// struct Backlog(Gauge, std::path::PathBuf);
///
/// impl Collector for Backlog {
///     fn name(&self) -> &str {
///         "backlog"
///     }
///     fn collect(&mut self, _: &Registry, _: Timestamp) -> Result<(), CollectError> {
///         self.0.set(std::fs::read_dir(&self.1)?.count() as f64);
///         Ok(())
///     }
/// }
///
/// # let dir = tempfile::tempdir()?;
/// let registry = Registry::new();
/// let files = registry.gauge(Descriptor::gauge("shop_backlog_files", "Files to import."))?;
/// registry.add_collector(Backlog(files.get(&[]), dir.path().to_owned()));
/// registry.collect(Timestamp::from_seconds(1_772_600_000));
/// assert_eq!(files.get(&[]).value(), Some(0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Collector: Send {
    /// The name under which failures are counted.
    fn name(&self) -> &str;

    /// Updates the metrics. `now` is the time of the collection.
    ///
    /// # Errors
    /// When the values cannot be determined.
    fn collect(&mut self, registry: &Registry, now: Timestamp) -> Result<(), CollectError>;
}

/// The reason why a collector failed.
pub type CollectError = Box<dyn Error + Send + Sync>;

impl fmt::Debug for dyn Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collector({})", self.name())
    }
}
