//! Questions to a store, and their answers.

use dragline_schema::Timestamp;
use serde::{Deserialize, Serialize};

use super::slot::Slot;
use crate::Kind;
use crate::sketch::Sketch;

/// A half-open interval of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The start.
    pub from: Timestamp,
    /// The end, which is not in the window.
    pub to: Timestamp,
}

impl Window {
    /// The window of a length in seconds that ends with the moment `now`, which is in the window.
    pub fn until(now: Timestamp, seconds: u32) -> Self {
        let to = now.plus_micros(1);
        let from = to.plus_micros(-i64::from(seconds) * 1_000_000);
        Self { from, to }
    }
}

/// The name and the labels of a series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesId {
    /// The name of the metric.
    pub name: String,
    /// Names and values of the labels, by name.
    pub labels: Vec<(String, String)>,
    /// The type of the metric.
    pub kind: Kind,
}

/// Statistics of one or several series over a window. What is unknown or has no meaning for the type of the
/// metric is `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// The start of the window: that of the slot that contains the requested start, and not before the values
    /// that are kept.
    pub from: Timestamp,
    /// The end of the window: that of the slot that contains the requested end, if later values were recorded.
    pub to: Timestamp,
    /// Number of values; of a counter, number of updates.
    pub count: u64,
    /// The least value of a gauge or histogram.
    pub min: Option<f64>,
    /// The greatest value of a gauge or histogram.
    pub max: Option<f64>,
    /// The arithmetic mean of a gauge's or histogram's values.
    pub mean: Option<f64>,
    /// The median of a gauge's or histogram's values, within 1 %.
    pub median: Option<f64>,
    /// The 95th percentile, within 1 %.
    pub p95: Option<f64>,
    /// The 99th percentile, within 1 %.
    pub p99: Option<f64>,
    /// The latest value of a gauge or histogram; the total of a counter at the end of the window.
    pub last: Option<f64>,
    /// The increase per second; of a histogram, the number of values per second.
    pub rate: Option<f64>,
    /// By how much a counter increased; of a histogram, the number of values.
    pub increase: Option<f64>,
    /// When the latest value in the window was recorded.
    pub last_updated: Option<Timestamp>,
}

/// The values of a window while they are collected.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    count: u64,
    increase: f64,
    /// The sum of the totals of counters at the end of the window.
    pub(super) total: f64,
    sketch: Sketch,
    last: Option<(Timestamp, f64)>,
}

impl Values {
    pub(super) fn add(&mut self, slot: &Slot) {
        self.count += slot.count;
        self.increase += slot.increase;
        if let Some(sketch) = &slot.sketch {
            self.sketch.merge(sketch);
        }
        if self.last.is_none_or(|(at, _)| slot.at >= at) {
            self.last = Some((slot.at, slot.last));
        }
    }

    /// The statistics of series of one type over a window of `seconds`, if those are known and not 0.
    pub(super) fn finish(&self, kind: Kind, window: Window, seconds: Option<f64>) -> Stats {
        let quantile = |q| self.sketch.quantile(q);
        let increase = match kind {
            Kind::Counter => Some(self.increase),
            Kind::Gauge => None,
            Kind::Histogram => Some(self.count as f64),
        };
        let last = match kind {
            Kind::Counter => Some(self.total),
            Kind::Gauge | Kind::Histogram => self.last.map(|(_, value)| value),
        };
        Stats {
            from: window.from,
            to: window.to,
            count: self.count,
            min: self.sketch.min(),
            max: self.sketch.max(),
            mean: self.sketch.mean(),
            median: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            last,
            rate: increase
                .zip(seconds)
                .map(|(increase, seconds)| increase / seconds),
            increase,
            last_updated: self.last.map(|(at, _)| at),
        }
    }
}
