//! The handles that programs update: counter, gauge, histogram.
//!
//! A handle is a reference to its series. Clones refer to the same series, and updates take no lock
//! (except that of a windowed histogram's sketch).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::sketch::Sketch;

/// Counts the updates that were refused because they made no sense: NaN, infinities, negative amounts.
pub(crate) type Rejected = Arc<AtomicU64>;

fn reject(rejected: &Rejected) {
    rejected.fetch_add(1, Relaxed);
}

/// Adds to a float that is stored as its bits.
fn add_f64(bits: &AtomicU64, amount: f64) {
    // The function always returns a value, so the update always succeeds.
    let _ = bits.fetch_update(Relaxed, Relaxed, |held| {
        Some((f64::from_bits(held) + amount).to_bits())
    });
}

/// A total that never decreases.
#[derive(Clone, Debug)]
pub struct Counter(Arc<CounterCell>);

#[derive(Debug)]
struct CounterCell {
    /// The sum of the integer amounts, which are by far the most frequent.
    whole: AtomicU64,
    /// The sum of the other amounts, as the bits of an `f64`.
    part: AtomicU64,
    rejected: Rejected,
}

impl Counter {
    pub(crate) fn new(rejected: Rejected) -> Self {
        Self(Arc::new(CounterCell {
            whole: AtomicU64::new(0),
            part: AtomicU64::new(0),
            rejected,
        }))
    }

    /// Adds 1.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds an integer.
    #[inline]
    pub fn add(&self, amount: u64) {
        self.0.whole.fetch_add(amount, Relaxed);
    }

    /// Adds any amount from 0 up. Others are refused and counted.
    pub fn add_f64(&self, amount: f64) {
        if amount.is_finite() && amount >= 0.0 {
            add_f64(&self.0.part, amount);
        } else {
            reject(&self.0.rejected);
        }
    }

    /// Raises the total to `total`, for totals that are counted elsewhere. A smaller one changes nothing.
    pub fn raise_to(&self, total: u64) {
        self.0.whole.fetch_max(total, Relaxed);
    }

    /// The total.
    pub fn value(&self) -> f64 {
        self.0.whole.load(Relaxed) as f64 + f64::from_bits(self.0.part.load(Relaxed))
    }
}

/// A value that goes up and down. A gauge that was never set has no value.
#[derive(Clone, Debug)]
pub struct Gauge(Arc<GaugeCell>);

#[derive(Debug)]
struct GaugeCell {
    /// The bits of an `f64`; NaN before the first update.
    bits: AtomicU64,
    rejected: Rejected,
}

impl Gauge {
    pub(crate) fn new(rejected: Rejected) -> Self {
        let bits = AtomicU64::new(f64::NAN.to_bits());
        Self(Arc::new(GaugeCell { bits, rejected }))
    }

    /// Sets the value. NaN and infinities are refused and counted.
    #[inline]
    pub fn set(&self, value: f64) {
        if value.is_finite() {
            self.0.bits.store(value.to_bits(), Relaxed);
        } else {
            reject(&self.0.rejected);
        }
    }

    /// Adds to the value, which starts at 0. NaN and infinities are refused and counted.
    pub fn add(&self, amount: f64) {
        if !amount.is_finite() {
            return reject(&self.0.rejected);
        }
        let _ = self.0.bits.fetch_update(Relaxed, Relaxed, |held| {
            let held = f64::from_bits(held);
            let held = if held.is_nan() { 0.0 } else { held };
            Some((held + amount).to_bits())
        });
    }

    /// The value; `None` before the first update.
    pub fn value(&self) -> Option<f64> {
        let value = f64::from_bits(self.0.bits.load(Relaxed));
        (!value.is_nan()).then_some(value)
    }
}

/// The distribution of observed values, in buckets.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<HistogramCell>);

#[derive(Debug)]
struct HistogramCell {
    bounds: Arc<[f64]>,
    /// One for each bound, and one for greater values.
    counts: Box<[AtomicU64]>,
    /// The bits of an `f64`.
    sum: AtomicU64,
    /// The values since a store last took them; only in windowed registries.
    recent: Option<Mutex<Recent>>,
    rejected: Rejected,
}

/// The values observed since the last call of [`Histogram::take_recent`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    pub(crate) sketch: Sketch,
    pub(crate) last: f64,
}

/// The state of a histogram at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// Upper bound and number of values up to it, ascending; without the one for all values.
    pub buckets: Vec<(f64, u64)>,
    /// Number of values.
    pub count: u64,
    /// Sum of the values.
    pub sum: f64,
}

impl Histogram {
    pub(crate) fn new(bounds: Arc<[f64]>, is_windowed: bool, rejected: Rejected) -> Self {
        Self(Arc::new(HistogramCell {
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            bounds,
            sum: AtomicU64::new(0),
            recent: is_windowed.then(Mutex::default),
            rejected,
        }))
    }

    /// Adds a value from 0 up. Others are refused and counted.
    pub fn observe(&self, value: f64) {
        let cell = &*self.0;
        if !value.is_finite() || value < 0.0 {
            return reject(&cell.rejected);
        }
        // There are few buckets, and most values are in the lower ones.
        let index = cell.bounds.iter().position(|bound| value <= *bound);
        cell.counts[index.unwrap_or(cell.bounds.len())].fetch_add(1, Relaxed);
        add_f64(&cell.sum, value);
        if let Some(recent) = &cell.recent {
            let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.sketch.add(value);
            recent.last = value;
        }
    }

    /// The buckets, the count and the sum.
    pub fn distribution(&self) -> Distribution {
        let cell = &*self.0;
        let mut count = 0;
        let mut cumulate = |more: &AtomicU64| {
            count += more.load(Relaxed);
            count
        };
        let bounds = cell.bounds.iter().copied();
        // `zip` stops at the last bound and does not consume the count above it.
        let buckets = bounds.zip(cell.counts.iter().map(&mut cumulate)).collect();
        let above = cell.counts.last().map_or(0, |above| above.load(Relaxed));
        Distribution {
            buckets,
            count: count + above,
            sum: f64::from_bits(cell.sum.load(Relaxed)),
        }
    }

    /// Takes the values observed since the last call; `None` without any, and in registries without windows.
    pub(crate) fn take_recent(&self) -> Option<Recent> {
        let mut recent = self
            .0
            .recent
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (!recent.sketch.is_empty()).then(|| std::mem::take(&mut *recent))
    }
}
