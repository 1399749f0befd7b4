//! Measurements: changes of crawling metrics, for a registry or a store.

use dragline_schema::Timestamp;

use super::{CrawlFamilies, CrawlMetric};
use crate::family::AnyFamily;
use crate::window::{Sample, Store, Update};

/// A change of a crawling metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement<'m> {
    /// The metric.
    pub metric: CrawlMetric,
    /// The values of its labels, in the order of [`CrawlMetric::labels`].
    pub labels: &'m [&'m str],
    /// The change, of the metric's type.
    pub update: Update,
}

/// Receives measurements.
///
/// The same events are counted for two purposes: a registry exports totals, and a store answers questions
/// about the time when something happened. With this trait, one function turns events into measurements for
/// both.
pub trait Measure {
    /// Applies a measurement. `at` is when the event happened, if its record has a time.
    fn measure(&mut self, at: Option<Timestamp>, measurement: &Measurement<'_>);
}

/// A registry holds the current values, so that times have no influence.
impl Measure for &CrawlFamilies {
    fn measure(&mut self, _: Option<Timestamp>, measurement: &Measurement<'_>) {
        let labels = measurement.labels;
        match (self.family(measurement.metric), measurement.update) {
            (AnyFamily::Counter(family), Update::Add(amount)) => family.with(labels, |counter| {
                // Most amounts are integers, which are added without a loop.
                if amount.fract() == 0.0 && (0.0..1e15).contains(&amount) {
                    counter.add(amount as u64);
                } else {
                    counter.add_f64(amount);
                }
            }),
            (AnyFamily::Gauge(family), Update::Set(value)) => {
                family.with(labels, |gauge| gauge.set(value));
            }
            (AnyFamily::Histogram(family), Update::Observe(value)) => {
                family.with(labels, |histogram| histogram.observe(value));
            }
            // Measurements have the type of their metric; a test checks those of all events.
            _ => debug_assert!(false, "wrong type: {measurement:?}"),
        }
    }
}

/// A store needs the time of an event: measurements without one are left out, and counted as
/// [`Losses::untimed`](crate::Losses::untimed).
impl Measure for Store {
    fn measure(&mut self, at: Option<Timestamp>, measurement: &Measurement<'_>) {
        let Some(at) = at else {
            self.count_untimed();
            return;
        };
        let mut labels = [("", ""); 4];
        let names = measurement.metric.labels();
        for (label, pair) in labels.iter_mut().zip(names.iter().zip(measurement.labels)) {
            *label = (*pair.0, *pair.1);
        }
        let sample = Sample {
            name: measurement.metric.name(),
            labels: &labels[..names.len()],
            update: measurement.update,
        };
        self.record(at, &sample);
    }
}
