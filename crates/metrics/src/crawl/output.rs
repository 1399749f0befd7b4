//! Where the measurements of one record go.

use dragline_schema::Timestamp;

use super::CrawlMetric as M;
use super::{Measure, Measurement};
use crate::window::Update::{self, Add, Observe};

/// Where the measurements of one record go.
pub(super) struct Output<'o> {
    pub(super) at: Option<Timestamp>,
    pub(super) scraper: &'o str,
    pub(super) site: &'o str,
    pub(super) out: &'o mut dyn Measure,
}

impl Output<'_> {
    pub(super) fn put(&mut self, metric: M, labels: &[&str], update: Update) {
        let measurement = Measurement {
            metric,
            labels,
            update,
        };
        self.out.measure(self.at, &measurement);
    }

    /// For a metric with the labels of a run.
    pub(super) fn run(&mut self, metric: M, update: Update) {
        self.put(metric, &[self.scraper, self.site], update);
    }

    /// For a metric with the labels of a run and one more.
    pub(super) fn run_and(&mut self, metric: M, label: &str, update: Update) {
        self.put(metric, &[self.scraper, self.site, label], update);
    }

    pub(super) fn count(&mut self, metric: M, amount: Option<u64>) {
        if let Some(amount) = amount {
            self.run(metric, Add(amount as f64));
        }
    }

    pub(super) fn observe(&mut self, metric: M, value: Option<f64>) {
        if let Some(value) = value {
            self.run(metric, Observe(value));
        }
    }

    /// Adds a duration in milliseconds.
    pub(super) fn observe_ms(&mut self, metric: M, milliseconds: Option<f64>) {
        self.observe(metric, milliseconds.map(|ms| ms / 1e3));
    }
}

/// Seconds since 1970.
pub(super) fn seconds(at: Timestamp) -> f64 {
    at.as_micros() as f64 / 1e6
}
