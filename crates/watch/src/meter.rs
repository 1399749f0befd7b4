//! Samples of metrics, from events.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::time::Duration;

use dragline_alerting::rule::{Condition, Rule};
use dragline_alerting::{Labels, Observation};
use dragline_metrics::{CrawlMetric, Measure, Measurement, Sketch, Update};
use dragline_schema::Timestamp;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHasher};

/// Samples of a histogram for one interval: enough for every percentile that a rule can ask for.
const VALUES: u64 = 100;

/// Samples of a gauge in one interval.
const READINGS: i64 = 6;

/// The changes of metrics by intervals of event time.
///
/// Only metrics that some rule watches are kept. Meters of several threads are merged; the order of events has no
/// influence. [`Meter::observations`] turns the changes into samples as a watch expects them:
///
/// - a counter as its total at the end of each interval, also while it stays the same until the longest window has
///   passed, so that an increase ends with 0 and not with missing data;
/// - a gauge as its readings, at most six in an interval; it ends with the run that reports it;
/// - a histogram as its values: up to 100 in an interval, and quantiles instead if there are more. In a mean over several
///   intervals, one with more than 100 values counts as one with 100.
#[derive(Clone, Debug)]
pub struct Meter {
    /// The width of an interval, in microseconds.
    width: i64,
    wanted: Vec<bool>,
    series: FxHashMap<u64, Track>,
    /// Number of changes without a time; they cannot be judged.
    untimed: u64,
}

/// One series.
#[derive(Clone, Debug)]
struct Track {
    metric: CrawlMetric,
    labels: Labels,
    cells: Cells,
}

#[derive(Clone, Debug)]
enum Cells {
    /// The increase by interval.
    Counter(BTreeMap<i64, f64>),
    /// The last reading by part of an interval: its time and value.
    Gauge(BTreeMap<i64, (Timestamp, f64)>),
    /// The values by interval.
    Histogram(BTreeMap<i64, Sketch>),
}

impl Meter {
    /// A meter for what the rules watch, with intervals of the given length.
    pub fn new(rules: &[Rule], interval: Duration) -> Self {
        let is_wanted = |metric: &CrawlMetric| {
            let name = metric.sample_name();
            rules.iter().any(|rule| match &rule.condition {
                Condition::Metric(metric) => metric.selector.takes(&name),
                _ => false,
            })
        };
        Self {
            width: (interval.as_micros() as i64).max(1_000_000),
            wanted: CrawlMetric::ALL.iter().map(is_wanted).collect(),
            series: FxHashMap::default(),
            untimed: 0,
        }
    }

    /// Whether some rule watches an event's metrics at all.
    pub fn is_needed(&self) -> bool {
        self.wanted.contains(&true)
    }

    /// Number of changes whose events have no time.
    pub fn untimed(&self) -> u64 {
        self.untimed
    }

    /// Adds the changes of another meter with the same intervals.
    pub fn merge(&mut self, other: Self) {
        self.untimed += other.untimed;
        for (key, track) in other.series {
            match self.series.get_mut(&key) {
                Some(own) => own.cells.merge(track.cells),
                None => {
                    self.series.insert(key, track);
                }
            }
        }
    }

    /// Drops what happened before a time.
    pub fn forget(&mut self, before: Timestamp) {
        let slot = before.as_micros().div_euclid(self.width);
        for track in self.series.values_mut() {
            match &mut track.cells {
                Cells::Counter(cells) => *cells = cells.split_off(&slot),
                Cells::Gauge(cells) => *cells = cells.split_off(&(slot * READINGS)),
                Cells::Histogram(cells) => *cells = cells.split_off(&slot),
            }
        }
        self.series.retain(|_, track| !track.cells.is_empty());
    }

    /// The samples until `until`. `window` is the longest window of a rule. `ends` are the ends of runs, by
    /// scraper and site.
    pub fn observations(
        &self,
        until: Timestamp,
        window: Duration,
        ends: &[(Labels, Timestamp)],
    ) -> Vec<Observation> {
        let mut all = Vec::new();
        for track in self.series.values() {
            let name = track.metric.sample_name();
            let mut put = |time: Timestamp, value: Option<f64>| {
                if time <= until {
                    let mut one = Observation::metric(&name, track.labels.clone(), time, 0.0);
                    one.value = value;
                    all.push(one);
                }
            };
            match &track.cells {
                Cells::Counter(cells) => self.totals(cells, until, window, &mut put),
                Cells::Gauge(cells) => {
                    cells
                        .values()
                        .for_each(|(at, value)| put(*at, Some(*value)));
                    self.end_gauge(&track.labels, ends, &mut put);
                }
                Cells::Histogram(cells) => {
                    cells
                        .iter()
                        .for_each(|(slot, sketch)| self.values(*slot, sketch, &mut put));
                    // Where nothing is measured, nothing is slow: the series is missing, not unknown.
                    self.each_quiet(cells, until, window, &mut |slot| {
                        put(self.end_of(slot), None);
                    });
                }
            }
        }
        all
    }

    /// Number of intervals after the last change in which a window can still contain it. Three more, so that the watch
    /// sees a window without it twice.
    fn tail(&self, window: Duration) -> i64 {
        window.as_micros() as i64 / self.width + 3
    }

    /// The intervals without a change that follow one closely.
    fn each_quiet<T>(
        &self,
        cells: &BTreeMap<i64, T>,
        until: Timestamp,
        window: Duration,
        then: &mut impl FnMut(i64),
    ) {
        let last = until.as_micros().div_euclid(self.width);
        let nexts = cells.keys().skip(1).copied().chain([i64::MAX]);
        for (slot, next) in cells.keys().zip(nexts) {
            let end = next
                .min(slot.saturating_add(self.tail(window)))
                .min(last.saturating_add(1));
            (slot + 1..end).for_each(&mut *then);
        }
    }

    /// The end of an interval: its last microsecond.
    fn end_of(&self, slot: i64) -> Timestamp {
        Timestamp::from_micros((slot + 1).saturating_mul(self.width) - 1)
    }

    fn totals(
        &self,
        cells: &BTreeMap<i64, f64>,
        until: Timestamp,
        window: Duration,
        put: &mut impl FnMut(Timestamp, Option<f64>),
    ) {
        let tail = self.tail(window);
        let last = until.as_micros().div_euclid(self.width);
        let mut total = 0.0;
        let mut known = i64::MIN;
        let nexts = cells.keys().skip(1).copied().chain([i64::MAX]);
        for ((slot, increase), next) in cells.iter().zip(nexts) {
            if known < slot - 1 {
                put(self.end_of(slot - 1), Some(total));
            }
            total += increase;
            let end = next
                .min(slot.saturating_add(tail))
                .min(last.saturating_add(1));
            (*slot..end).for_each(|slot| put(self.end_of(slot), Some(total)));
            // The interval that is not over yet is known so far.
            if *slot == last && self.end_of(last) > until {
                put(until, Some(total));
            }
            known = end - 1;
        }
    }

    /// The queue of a run that has ended does not exist any more: its series is missing, not unknown.
    fn end_gauge(
        &self,
        labels: &Labels,
        ends: &[(Labels, Timestamp)],
        put: &mut impl FnMut(Timestamp, Option<f64>),
    ) {
        let own = ends.iter().filter(|(of, _)| {
            labels.get("scraper_id").is_some()
                && of
                    .iter()
                    .all(|(name, value)| labels.get(name).is_none_or(|own| own == value))
        });
        for (_, end) in own {
            (1..=3).for_each(|nth| put(end.plus_micros(nth * self.width), None));
        }
    }

    fn values(&self, slot: i64, sketch: &Sketch, put: &mut impl FnMut(Timestamp, Option<f64>)) {
        let count = sketch.count().min(VALUES);
        let end = self.end_of(slot);
        for nth in 0..count {
            let rank = (nth as f64 + 0.5) / count as f64;
            put(end.plus_micros(-(nth as i64)), sketch.quantile(rank));
        }
    }
}

impl Measure for Meter {
    fn measure(&mut self, at: Option<Timestamp>, measurement: &Measurement<'_>) {
        let metric = measurement.metric;
        if !self.wanted[metric as usize] {
            return;
        }
        let Some(at) = at else {
            self.untimed += 1;
            return;
        };
        let key = hash_of(metric, measurement.labels);
        let track = self.series.entry(key).or_insert_with(|| Track {
            metric,
            labels: labels_of(metric, measurement.labels),
            cells: Cells::of(measurement.update),
        });
        let slot = at.as_micros().div_euclid(self.width);
        match (&mut track.cells, measurement.update) {
            (Cells::Counter(cells), Update::Add(amount)) => {
                *cells.entry(slot).or_default() += amount;
            }
            (Cells::Gauge(cells), Update::Set(value)) => {
                let part = at.as_micros().div_euclid(self.width / READINGS);
                let held = cells.entry(part).or_insert((at, value));
                if at >= held.0 {
                    *held = (at, value);
                }
            }
            (Cells::Histogram(cells), Update::Observe(value)) => {
                cells.entry(slot).or_default().add(value);
            }
            // A measurement has the type of its metric.
            _ => debug_assert!(false, "wrong type: {measurement:?}"),
        }
    }
}

impl Cells {
    fn of(update: Update) -> Self {
        match update {
            Update::Add(_) => Self::Counter(BTreeMap::new()),
            Update::Set(_) => Self::Gauge(BTreeMap::new()),
            Update::Observe(_) => Self::Histogram(BTreeMap::new()),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Counter(cells) => cells.is_empty(),
            Self::Gauge(cells) => cells.is_empty(),
            Self::Histogram(cells) => cells.is_empty(),
        }
    }

    fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::Counter(own), Self::Counter(other)) => {
                for (slot, increase) in other {
                    *own.entry(slot).or_default() += increase;
                }
            }
            (Self::Gauge(own), Self::Gauge(other)) => {
                for (part, (at, value)) in other {
                    let held = own.entry(part).or_insert((at, value));
                    // Of two readings at once, the larger one: the order of threads must not count.
                    if (at, value.to_bits()) > (held.0, held.1.to_bits()) {
                        *held = (at, value);
                    }
                }
            }
            (Self::Histogram(own), Self::Histogram(other)) => {
                for (slot, sketch) in other {
                    own.entry(slot).or_default().merge(&sketch);
                }
            }
            _ => debug_assert!(false, "one metric has one type"),
        }
    }
}

fn hash_of(metric: CrawlMetric, labels: &[&str]) -> u64 {
    let mut hasher: FxHasher = FxBuildHasher.build_hasher();
    (metric as usize).hash(&mut hasher);
    labels.hash(&mut hasher);
    hasher.finish()
}

/// The labels by name; empty ones name nothing.
fn labels_of(metric: CrawlMetric, values: &[&str]) -> Labels {
    let pairs = metric.labels().iter().zip(values);
    pairs
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (*name, *value))
        .collect()
}
