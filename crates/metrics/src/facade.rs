//! A recorder for the `metrics` crate.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString};
use rustc_hash::FxBuildHasher;

use crate::descriptor::{is_label_name, is_metric_name};
use crate::family::AnyFamily;
use crate::{DURATION_BUCKETS, Descriptor, Kind, Registry, Unit};

/// Maximum number of keys and of descriptions that are remembered; further keys are looked up each time.
const MAX_KEYS: usize = 10_000;

/// Receives what libraries record with the `metrics` crate, into a [`Registry`].
///
/// Names become valid: other characters than letters, digits, `_` and `:` become `_`, and a counter's `_total`
/// is left out, since exporters append it. A name that ends with `_seconds`, `_bytes` or `_ratio` has that
/// unit. A histogram has the buckets of the metric that is registered under its name, or usual ones for its
/// unit. What cannot be registered is dropped, and counted as `dragline_metrics_rejected_updates_total`.
///
/// ```
/// use dragline_metrics::{FacadeRecorder, Registry, export};
///
/// let registry = Registry::new();
/// metrics::with_local_recorder(&FacadeRecorder::new(&registry), || {
///     metrics::counter!("cache.hits", "cache" => "pages").increment(2);
/// });
/// let text = export::openmetrics(&registry.snapshot());
/// assert!(text.contains(r#"cache_hits_total{cache="pages"} 2"#));
/// ```
#[derive(Debug)]
pub struct FacadeRecorder {
    registry: Registry,
    /// The descriptions for people, by valid name.
    help: RwLock<BTreeMap<String, String>>,
    handles: RwLock<Handles>,
}

/// The handles of keys that were seen.
#[derive(Debug, Default)]
struct Handles {
    counters: HashMap<Key, crate::Counter, FxBuildHasher>,
    gauges: HashMap<Key, crate::Gauge, FxBuildHasher>,
    histograms: HashMap<Key, crate::Histogram, FxBuildHasher>,
}

impl FacadeRecorder {
    /// A recorder for a registry. Install it with [`metrics::set_global_recorder`].
    pub fn new(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            help: RwLock::default(),
            handles: RwLock::default(),
        }
    }

    fn describe(&self, kind: Kind, name: &str, help: &str) {
        let mut all = self.help.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MAX_KEYS {
            all.insert(valid_name(kind, name), help.to_owned());
        }
    }

    /// The family of a key, and the values of its labels. A refused key is counted.
    fn family(&self, kind: Kind, key: &Key) -> Option<(AnyFamily, Vec<String>)> {
        let name = valid_name(kind, key.name());
        let labels: BTreeMap<String, String> = key
            .labels()
            // An empty label is the same as none.
            .filter(|label| !label.value().is_empty())
            .map(|label| (valid_label(label.key()), label.value().to_owned()))
            .collect();
        let (names, values): (Vec<_>, Vec<_>) = labels.into_iter().unzip();
        let held = self
            .registry
            .descriptor(&name)
            .filter(|held| held.kind == kind);
        let descriptor = held.unwrap_or_else(|| self.new_descriptor(kind, name));
        let family = self.registry.register_any(descriptor.labels(names)).ok();
        if family.is_none() {
            self.registry.reject();
        }
        family.map(|family| (family, values))
    }

    fn new_descriptor(&self, kind: Kind, name: String) -> Descriptor {
        let help = self.help.read().unwrap_or_else(PoisonError::into_inner);
        let help = help.get(&name).cloned();
        let help = help.unwrap_or_else(|| "No description.".to_owned());
        let units = [Unit::Seconds, Unit::Bytes, Unit::Ratio];
        let is_named = |unit: &Unit| name.ends_with(&format!("_{}", unit.as_str()));
        let unit = units.into_iter().find(is_named);
        let descriptor = match kind {
            Kind::Counter => Descriptor::counter(name, help),
            Kind::Gauge => Descriptor::gauge(name, help),
            Kind::Histogram => Descriptor::histogram(name, help).buckets(match unit {
                Some(Unit::Seconds) => DURATION_BUCKETS.to_vec(),
                Some(Unit::Bytes) => (4..16).map(|power| 4_f64.powi(power)).collect(),
                Some(Unit::Ratio) => (1..=10).map(|tenth| f64::from(tenth) / 10.0).collect(),
                None => (0..10).map(|power| 10_f64.powi(power)).collect(),
            }),
        };
        match unit {
            Some(unit) => descriptor.unit(unit),
            None => descriptor,
        }
    }
}

/// Defines how the handle of a key is found or made.
macro_rules! handle_of {
    ($function:ident, $kind:ident, $map:ident) => {
        fn $function(&self, key: &Key) -> Option<crate::$kind> {
            {
                let handles = self.handles.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(handle) = handles.$map.get(key) {
                    return Some(handle.clone());
                }
            }
            let (family, values) = self.family(Kind::$kind, key)?;
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let AnyFamily::$kind(family) = family else {
                return None;
            };
            let handle = family.get(&values);
            let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
            if handles.$map.len() < MAX_KEYS {
                handles.$map.insert(key.clone(), handle.clone());
            }
            Some(handle)
        }
    };
}

impl FacadeRecorder {
    handle_of!(counter, Counter, counters);
    handle_of!(gauge, Gauge, gauges);
    handle_of!(histogram, Histogram, histograms);
}

impl Recorder for FacadeRecorder {
    fn describe_counter(&self, key: KeyName, _: Option<metrics::Unit>, help: SharedString) {
        self.describe(Kind::Counter, key.as_str(), &help);
    }

    fn describe_gauge(&self, key: KeyName, _: Option<metrics::Unit>, help: SharedString) {
        self.describe(Kind::Gauge, key.as_str(), &help);
    }

    fn describe_histogram(&self, key: KeyName, _: Option<metrics::Unit>, help: SharedString) {
        self.describe(Kind::Histogram, key.as_str(), &help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let handle = self.counter(key);
        handle.map_or_else(Counter::noop, |handle| Counter::from_arc(Arc::new(handle)))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let handle = self.gauge(key);
        handle.map_or_else(Gauge::noop, |handle| Gauge::from_arc(Arc::new(handle)))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let handle = self.histogram(key);
        handle.map_or_else(Histogram::noop, |handle| {
            Histogram::from_arc(Arc::new(handle))
        })
    }
}

impl metrics::CounterFn for crate::Counter {
    fn increment(&self, value: u64) {
        self.add(value);
    }

    fn absolute(&self, value: u64) {
        self.raise_to(value);
    }
}

impl metrics::GaugeFn for crate::Gauge {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        Self::set(self, value);
    }
}

impl metrics::HistogramFn for crate::Histogram {
    fn record(&self, value: f64) {
        self.observe(value);
    }
}

fn valid_name(kind: Kind, name: &str) -> String {
    let name = match kind {
        Kind::Counter => name.strip_suffix("_total").unwrap_or(name),
        Kind::Gauge | Kind::Histogram => name,
    };
    let name = replaced(dragline_schema::clip(name, crate::MAX_LABEL_BYTES), ':');
    // A digit in front, or nothing at all.
    if is_metric_name(&name) {
        name
    } else {
        format!("_{name}")
    }
}

fn valid_label(name: &str) -> String {
    let name = replaced(dragline_schema::clip(name, crate::MAX_LABEL_BYTES), '_');
    if is_label_name(&name) {
        name
    } else {
        format!("label_{name}")
    }
}

/// The text with every character replaced that is not a letter, a digit, `_` or `extra`.
fn replaced(text: &str, extra: char) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == extra;
    text.chars()
        .map(|c| if is_allowed(c) { c } else { '_' })
        .collect()
}
