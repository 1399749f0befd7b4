//! The registry: all metrics of a program.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use dragline_schema::Timestamp;

use crate::cell::Rejected;
use crate::error::RegisterError;
use crate::family::{AnyFamily, Budget};
use crate::snapshot::{Metric, Series, Value};
use crate::{Collector, Counter, Descriptor, Family, Gauge, Histogram, Kind, Limits};

/// All metrics of a program. Clones refer to the same registry.
#[derive(Clone, Debug)]
pub struct Registry {
    inner: Arc<Inner>,
}

/// The families of one name, by the names of their labels.
type Variants = BTreeMap<Vec<Cow<'static, str>>, AnyFamily>;

#[derive(Debug)]
struct Inner {
    families: RwLock<BTreeMap<String, Variants>>,
    collectors: Mutex<Vec<Box<dyn Collector>>>,
    failures: Family<Counter>,
    limits: Limits,
    budget: Budget,
    rejected: Rejected,
    is_windowed: bool,
}

/// What the registry counts about itself.
const REJECTED: &str = "dragline_metrics_rejected_updates";
const OVERFLOWED: &str = "dragline_metrics_overflow_updates";
const FAILURES: &str = "dragline_metrics_collector_failures";
/// The names above start with it, and other metrics may not.
const RESERVED: &str = "dragline_metrics_";

impl Default for Registry {
    fn default() -> Self {
        Self::with_limits(Limits::default())
    }
}

impl Registry {
    /// A registry with the default [`Limits`].
    pub fn new() -> Self {
        Self::default()
    }

    /// A registry with these limits.
    pub fn with_limits(limits: Limits) -> Self {
        Self::build(limits, false)
    }

    /// A registry whose histograms keep a sketch of the latest values for a [`Store`](crate::Store), which
    /// takes them with [`Store::collect`](crate::Store::collect). An observation then takes a lock.
    pub fn windowed(limits: Limits) -> Self {
        Self::build(limits, true)
    }

    fn build(limits: Limits, is_windowed: bool) -> Self {
        let rejected = Rejected::default();
        let budget = Arc::new(AtomicUsize::new(limits.series));
        let descriptor = Descriptor::counter(FAILURES, "Failures of collectors, by collector.");
        let failures = {
            let rejected = Arc::clone(&rejected);
            let make = move || Counter::new(Arc::clone(&rejected));
            let descriptor = descriptor.labels(["collector"]);
            Family::new(
                descriptor,
                limits.series_per_metric,
                Arc::clone(&budget),
                make,
            )
        };
        let inner = Inner {
            families: RwLock::default(),
            collectors: Mutex::default(),
            failures,
            limits,
            budget,
            rejected,
            is_windowed,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Registers a counter, or returns the one that is registered with the same description.
    ///
    /// # Errors
    /// When the description breaks a rule of Prometheus, contradicts a registered metric, or the registry is
    /// full. A description of another type is a conflict.
    pub fn counter(&self, descriptor: Descriptor) -> Result<Family<Counter>, RegisterError> {
        match self.register(descriptor, Kind::Counter)? {
            AnyFamily::Counter(family) => Ok(family),
            other => Err(conflict(other.descriptor())),
        }
    }

    /// Registers a gauge, or returns the one that is registered with the same description.
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn gauge(&self, descriptor: Descriptor) -> Result<Family<Gauge>, RegisterError> {
        match self.register(descriptor, Kind::Gauge)? {
            AnyFamily::Gauge(family) => Ok(family),
            other => Err(conflict(other.descriptor())),
        }
    }

    /// Registers a histogram, or returns the one that is registered with the same description.
    ///
    /// # Errors
    /// As [`Registry::counter`].
    pub fn histogram(&self, descriptor: Descriptor) -> Result<Family<Histogram>, RegisterError> {
        match self.register(descriptor, Kind::Histogram)? {
            AnyFamily::Histogram(family) => Ok(family),
            other => Err(conflict(other.descriptor())),
        }
    }

    /// Registers a metric of the type that its description has.
    pub(crate) fn register_any(&self, descriptor: Descriptor) -> Result<AnyFamily, RegisterError> {
        let kind = descriptor.kind;
        self.register(descriptor, kind)
    }

    fn register(&self, descriptor: Descriptor, kind: Kind) -> Result<AnyFamily, RegisterError> {
        descriptor.check()?;
        let name = descriptor.name.to_string();
        if name.starts_with(RESERVED) {
            return Err(RegisterError::Reserved { name });
        }
        if descriptor.kind != kind {
            return Err(conflict(&descriptor));
        }
        let inner = &*self.inner;
        let mut families = inner
            .families
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let held = families
            .get(&name)
            .and_then(|variants| variants.values().next());
        match held.map(AnyFamily::descriptor) {
            Some(held) if !is_compatible(held, &descriptor) => return Err(conflict(held)),
            Some(_) => {}
            None => check_sample_names(&families, &descriptor)?,
        }
        let count: usize = families.values().map(BTreeMap::len).sum();
        let variants = families.get(&name);
        let is_known = variants.is_some_and(|held| held.contains_key(&descriptor.labels));
        if !is_known && count >= inner.limits.metrics {
            let limit = inner.limits.metrics;
            return Err(RegisterError::Full { name, limit });
        }
        let variants = families.entry(name).or_default();
        let variant = variants.entry(descriptor.labels.clone());
        Ok(variant.or_insert_with(|| inner.make(descriptor)).clone())
    }

    /// Adds a collector, which [`Registry::collect`] runs.
    pub fn add_collector(&self, collector: impl Collector + 'static) {
        self.collectors().push(Box::new(collector));
    }

    /// Runs the collectors. The failure of one is counted and does not stop the others. Call it before an
    /// export. A collector must not call it.
    pub fn collect(&self, now: Timestamp) {
        // They are taken out, so that a collector may add another one.
        let mut running = std::mem::take(&mut *self.collectors());
        for collector in &mut running {
            if collector.collect(self, now).is_err() {
                let count = |failures: &Counter| failures.inc();
                self.inner.failures.with(&[collector.name()], count);
            }
        }
        let mut collectors = self.collectors();
        running.append(&mut collectors);
        *collectors = running;
    }

    fn collectors(&self) -> std::sync::MutexGuard<'_, Vec<Box<dyn Collector>>> {
        let collectors = self.inner.collectors.lock();
        collectors.unwrap_or_else(PoisonError::into_inner)
    }

    /// The description of the metric with a name, with the labels of one of its variants.
    #[cfg(feature = "facade")]
    pub(crate) fn descriptor(&self, name: &str) -> Option<Descriptor> {
        let families = self.inner.families.read();
        let families = families.unwrap_or_else(PoisonError::into_inner);
        let family = families.get(name)?.values().next()?;
        Some(family.descriptor().clone())
    }

    /// Counts an update that was refused.
    #[cfg(feature = "facade")]
    pub(crate) fn reject(&self) {
        self.inner.rejected.fetch_add(1, Relaxed);
    }

    /// Whether histograms keep the latest values for a store.
    pub(crate) fn is_windowed(&self) -> bool {
        self.inner.is_windowed
    }

    /// The families of all metrics, by name and labels.
    pub(crate) fn families(&self) -> Vec<AnyFamily> {
        let families = self.inner.families.read();
        let families = families.unwrap_or_else(PoisonError::into_inner);
        families
            .values()
            .flat_map(BTreeMap::values)
            .cloned()
            .collect()
    }

    /// The values of all metrics, by name, labels and label values. Metrics without a value are left out.
    pub fn snapshot(&self) -> Vec<Metric> {
        let families = self.families();
        let mut metrics: Vec<Metric> = Vec::new();
        for family in &families {
            let metric = Metric::of(family);
            match metrics.last_mut() {
                Some(last) if last.name == metric.name => last.series.extend(metric.series),
                _ => metrics.push(metric),
            }
        }
        metrics.extend(self.about_itself(&families));
        metrics.retain(|metric| !metric.series.is_empty());
        metrics.sort_by(|a, b| a.name.cmp(&b.name));
        metrics
    }

    fn about_itself(&self, families: &[AnyFamily]) -> [Metric; 3] {
        let counter = |name: &'static str, help: &'static str, series| {
            let empty = Metric::empty(&Descriptor::counter(name, help));
            Metric { series, ..empty }
        };
        let rejected = Series {
            labels: Vec::new(),
            value: Value::Counter(self.inner.rejected.load(Relaxed) as f64),
        };
        let mut overflowed = BTreeMap::<&str, u64>::new();
        for family in families.iter().filter(|family| family.overflowed() > 0) {
            *overflowed.entry(family.descriptor().name()).or_default() += family.overflowed();
        }
        let overflowed = overflowed.into_iter().map(|(name, count)| Series {
            labels: vec![("metric".to_owned(), name.to_owned())],
            value: Value::Counter(count as f64),
        });
        [
            counter(
                REJECTED,
                "Updates that were refused: NaN, infinities, negative amounts.",
                vec![rejected],
            ),
            counter(
                OVERFLOWED,
                "Updates with new label values that the limits did not allow, by metric.",
                overflowed.collect(),
            ),
            Metric::of(&AnyFamily::Counter(self.inner.failures.clone())),
        ]
    }
}

impl Inner {
    fn make(&self, descriptor: Descriptor) -> AnyFamily {
        let (limit, budget) = (self.limits.series_per_metric, Arc::clone(&self.budget));
        let rejected: Arc<AtomicU64> = Arc::clone(&self.rejected);
        match descriptor.kind {
            Kind::Counter => {
                let make = move || Counter::new(Arc::clone(&rejected));
                AnyFamily::Counter(Family::new(descriptor, limit, budget, make))
            }
            Kind::Gauge => {
                let make = move || Gauge::new(Arc::clone(&rejected));
                AnyFamily::Gauge(Family::new(descriptor, limit, budget, make))
            }
            Kind::Histogram => {
                let bounds: Arc<[f64]> = descriptor.buckets.as_slice().into();
                let is_windowed = self.is_windowed;
                let make =
                    move || Histogram::new(Arc::clone(&bounds), is_windowed, Arc::clone(&rejected));
                AnyFamily::Histogram(Family::new(descriptor, limit, budget, make))
            }
        }
    }
}

fn conflict(held: &Descriptor) -> RegisterError {
    RegisterError::Conflict {
        name: held.name.to_string(),
        held: held.kind,
    }
}

/// Whether two descriptions of the same name differ at most in their labels.
fn is_compatible(held: &Descriptor, new: &Descriptor) -> bool {
    let labels = held.labels.clone();
    *held
        == Descriptor {
            labels,
            ..new.clone()
        }
}

fn check_sample_names(
    families: &BTreeMap<String, Variants>,
    new: &Descriptor,
) -> Result<(), RegisterError> {
    let held = families
        .values()
        .filter_map(|variants| variants.values().next());
    let held: std::collections::BTreeSet<String> = held
        .flat_map(|family| family.descriptor().sample_names())
        .collect();
    match new.sample_names().find(|sample| held.contains(sample)) {
        Some(sample) => {
            let name = new.name.to_string();
            Err(RegisterError::SampleName { name, sample })
        }
        None => Ok(()),
    }
}
