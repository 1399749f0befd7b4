//! A metric with its series: one handle for each combination of label values.

use std::hash::{Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use hashbrown::HashTable;
use rustc_hash::FxHasher;

use crate::{Counter, Descriptor, Gauge, Histogram};

/// The value of every label of the series that collects what exceeds the limits.
pub const OVERFLOW: &str = "__overflow__";

/// Maximum length of a label's value, in bytes; longer values are truncated.
pub const MAX_LABEL_BYTES: usize = 256;

/// How many series there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of series of a metric.
    pub series_per_metric: usize,
    /// Maximum number of series of all metrics.
    pub series: usize,
    /// Maximum number of metrics; those with the same name and other labels count separately.
    pub metrics: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series_per_metric: 1_000,
            series: 10_000,
            metrics: 500,
        }
    }
}

/// The number of series that a registry can still add.
pub(crate) type Budget = Arc<AtomicUsize>;

/// A metric with labels. [`Family::get`] returns the handle of one series.
///
/// Once the metric or the registry has its maximum number of series, further label values share one series,
/// in which every label has the value [`OVERFLOW`], so that no update is lost. The export counts how often
/// that happened.
#[derive(Debug)]
pub struct Family<T> {
    core: Arc<Core<T>>,
}

impl<T> Clone for Family<T> {
    fn clone(&self) -> Self {
        let core = Arc::clone(&self.core);
        Self { core }
    }
}

/// The label values of a series, and its handle.
#[derive(Debug)]
struct Series<T> {
    labels: Box<[Box<str>]>,
    handle: T,
}

struct Core<T> {
    descriptor: Descriptor,
    make: Box<dyn Fn() -> T + Send + Sync>,
    limit: usize,
    budget: Budget,
    table: RwLock<HashTable<Series<T>>>,
    overflow: OnceLock<T>,
    overflowed: AtomicU64,
}

impl<T> std::fmt::Debug for Core<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("descriptor", &self.descriptor)
            .finish_non_exhaustive()
    }
}

/// The part of a value that fits.
fn fitting(value: &str) -> &str {
    dragline_schema::clip(value, MAX_LABEL_BYTES)
}

/// The hash of label values. Collisions on purpose cost a scan of the metric's series, which are few.
fn hash_of<'v>(values: impl Iterator<Item = &'v str>) -> u64 {
    let mut hasher = FxHasher::default();
    values.for_each(|value| value.hash(&mut hasher));
    hasher.finish()
}

impl<T> Family<T> {
    pub(crate) fn new(
        descriptor: Descriptor,
        limit: usize,
        budget: Budget,
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> Self {
        let core = Core {
            descriptor,
            make: Box::new(make),
            limit,
            budget,
            table: RwLock::default(),
            overflow: OnceLock::new(),
            overflowed: AtomicU64::new(0),
        };
        let core = Arc::new(core);
        Self { core }
    }

    /// The description of the metric.
    pub fn descriptor(&self) -> &Descriptor {
        &self.core.descriptor
    }

    /// Calls `update` with the handle of the series that has these label values, in the order of the metric's
    /// labels. Missing values are empty, additional ones are ignored. Call it for a value that varies; keep
    /// the handle that [`Family::get`] returns for a value that does not.
    pub fn with<R>(&self, values: &[&str], update: impl FnOnce(&T) -> R) -> R {
        let count = self.core.descriptor.labels.len();
        let fits = |value: &&str| value.len() <= MAX_LABEL_BYTES;
        if values.len() == count && values.iter().all(fits) {
            return self.of(values, update);
        }
        let values = values.iter().copied().chain(std::iter::repeat(""));
        let values: Vec<&str> = values.take(count).map(fitting).collect();
        self.of(&values, update)
    }

    /// The same for exactly as many values as there are labels, none of which is too long.
    fn of<R>(&self, values: &[&str], update: impl FnOnce(&T) -> R) -> R {
        let core = &*self.core;
        let hash = hash_of(values.iter().copied());
        let is_same = |series: &Series<T>| {
            let mut pairs = series.labels.iter().zip(values);
            pairs.all(|(held, value)| **held == **value)
        };
        {
            let table = core.table.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(series) = table.find(hash, is_same) {
                return update(&series.handle);
            }
        }
        let mut table = core.table.write().unwrap_or_else(PoisonError::into_inner);
        let is_known = table.find(hash, is_same).is_some();
        if !is_known && (table.len() >= core.limit || !take_one(&core.budget)) {
            drop(table);
            core.overflowed.fetch_add(1, Relaxed);
            return update(core.overflow.get_or_init(&core.make));
        }
        let rehash = |series: &Series<T>| hash_of(series.labels.iter().map(|value| &**value));
        let entry = table
            .entry(hash, is_same, rehash)
            .or_insert_with(|| Series {
                labels: values.iter().map(|value| (*value).into()).collect(),
                handle: (core.make)(),
            });
        update(&entry.get().handle)
    }

    /// The handle of the series that has these label values; see [`Family::with`].
    pub fn get(&self, values: &[&str]) -> T
    where
        T: Clone,
    {
        self.with(values, T::clone)
    }

    /// Calls `visit` with the label values and the handle of every series, in the order of the values.
    pub(crate) fn each(&self, mut visit: impl FnMut(&[&str], &T)) {
        let table = self
            .core
            .table
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let mut series: Vec<_> = table.iter().collect();
        series.sort_unstable_by(|a, b| a.labels.cmp(&b.labels));
        for series in series {
            let values: Vec<&str> = series.labels.iter().map(|value| &**value).collect();
            visit(&values, &series.handle);
        }
        if let Some(handle) = self.core.overflow.get() {
            visit(&vec![OVERFLOW; self.core.descriptor.labels.len()], handle);
        }
    }

    /// Number of updates or lookups that went to the overflow series.
    pub(crate) fn overflowed(&self) -> u64 {
        self.core.overflowed.load(Relaxed)
    }
}

fn take_one(budget: &AtomicUsize) -> bool {
    let less = |left: usize| left.checked_sub(1);
    budget.fetch_update(Relaxed, Relaxed, less).is_ok()
}

/// A family of any type.
#[derive(Clone, Debug)]
pub(crate) enum AnyFamily {
    Counter(Family<Counter>),
    Gauge(Family<Gauge>),
    Histogram(Family<Histogram>),
}

impl AnyFamily {
    pub(crate) fn descriptor(&self) -> &Descriptor {
        match self {
            Self::Counter(family) => family.descriptor(),
            Self::Gauge(family) => family.descriptor(),
            Self::Histogram(family) => family.descriptor(),
        }
    }

    pub(crate) fn overflowed(&self) -> u64 {
        match self {
            Self::Counter(family) => family.overflowed(),
            Self::Gauge(family) => family.overflowed(),
            Self::Histogram(family) => family.overflowed(),
        }
    }
}
