//! Samples of metrics, from events.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::time::Duration;

use dragline_alerting::rule::{Condition, Rule};
use dragline_alerting::{Labels, Matchers, Observation};
use dragline_metrics::{CrawlMetric, Measure, Measurement, Sketch, Update};
use dragline_schema::Timestamp;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHasher};

/// Where the values of an interval are divided, by rank: finely at the percentiles that rules use.
const RANKS: [f64; 17] = [
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.94, 0.96, 0.98, 0.99, 0.995, 1.0,
];

/// Samples of a gauge in one interval.
const READINGS: i64 = 6;

/// The changes of metrics by intervals of event time.
///
/// Only metrics that some rule watches are kept. Meters of several threads are merged; the order of events has no
/// influence. [`Meter::observations`] turns the changes into samples as a watch expects them:
///
/// - a counter as its total at the end of each interval, also while it stays the same for as long as some rule needs
///   it, so that an increase ends with 0 and not with missing data;
/// - a gauge as its readings, at most six in an interval; it ends with the run that reports it;
/// - a histogram as the means of at most 16 parts of an interval's values, each with the number of values that it stands
///   for.
#[derive(Clone, Debug)]
pub struct Meter {
    /// The width of an interval, in microseconds.
    width: i64,
    /// For each metric, the series that rules take, and for how long they need them.
    wanted: Vec<Vec<(Matchers, Duration)>>,
    series: FxHashMap<u64, Track>,
    /// Number of changes without a time; they cannot be judged.
    untimed: u64,
}

/// One series.
#[derive(Clone, Debug)]
struct Track {
    metric: CrawlMetric,
    labels: Labels,
    /// For how long the rules that take it need it at most; `None`: no rule does.
    window: Option<Duration>,
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
        let watched = |metric: &CrawlMetric| {
            let name = metric.sample_name();
            let own = rules.iter().filter(|rule| rule.enabled);
            let own = own.filter_map(|rule| match &rule.condition {
                Condition::Metric(metric) if metric.selector.takes(&name) => {
                    Some((metric.selector.matchers.clone(), rule.memory()?))
                }
                _ => None,
            });
            own.collect()
        };
        Self {
            width: (interval.as_micros() as i64).max(1_000_000),
            wanted: CrawlMetric::ALL.iter().map(watched).collect(),
            series: FxHashMap::default(),
            untimed: 0,
        }
    }

    /// Whether some rule watches an event's metrics at all.
    pub fn is_needed(&self) -> bool {
        self.wanted.iter().any(|watched| !watched.is_empty())
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

    /// The samples until `until`. `ends` are the ends of runs, with the labels of their scrapers.
    pub fn observations(&self, until: Timestamp, ends: &[(Labels, Timestamp)]) -> Vec<Observation> {
        let mut ends_of: BTreeMap<&str, Vec<&(Labels, Timestamp)>> = BTreeMap::new();
        for end in ends {
            let scraper = end.0.get("scraper_id").unwrap_or_default();
            ends_of.entry(scraper).or_default().push(end);
        }
        let mut all = Vec::new();
        for track in self.series.values() {
            let Some(window) = track.window else {
                continue;
            };
            let name = track.metric.sample_name();
            let mut put_many = |time: Timestamp, value: Option<f64>, count: u64| {
                if time <= until {
                    let mut one = Observation::metric(&name, track.labels.clone(), time, 0.0);
                    (one.value, one.count) = (value, count);
                    all.push(one);
                }
            };
            if let Cells::Histogram(cells) = &track.cells {
                for (slot, sketch) in cells {
                    self.values(*slot, sketch, &mut put_many);
                }
            }
            let mut put = |time, value| put_many(time, value, 1);
            match &track.cells {
                Cells::Counter(cells) => self.totals(cells, until, window, &mut put),
                Cells::Gauge(cells) => {
                    cells
                        .values()
                        .for_each(|(at, value)| put(*at, Some(*value)));
                    let own = track
                        .labels
                        .get("scraper_id")
                        .and_then(|scraper| ends_of.get(scraper));
                    self.end_gauge(&track.labels, own.map_or(&[], Vec::as_slice), &mut put);
                }
                Cells::Histogram(cells) => {
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
        ends: &[&(Labels, Timestamp)],
        put: &mut impl FnMut(Timestamp, Option<f64>),
    ) {
        // A gauge without a site is that of all sites.
        let own = ends.iter().filter(|(of, _)| {
            let site = labels.get("site");
            site.is_none() || site == of.get("site")
        });
        for (_, end) in own {
            (1..=3).for_each(|nth| put(end.plus_micros(nth * self.width), None));
        }
    }

    /// The values of an interval, in parts by rank.
    fn values(
        &self,
        slot: i64,
        sketch: &Sketch,
        put: &mut impl FnMut(Timestamp, Option<f64>, u64),
    ) {
        let count = sketch.count();
        let end = self.end_of(slot);
        let place = |rank: f64| (rank * count as f64).round() as u64;
        let mut nth = 0;
        for pair in RANKS.windows(2) {
            let (from, to) = (place(pair[0]), place(pair[1]));
            let of_part = to - from;
            // A few values stand for a part: in its own width, they differ little.
            let looked = of_part.min(4);
            let quantile = |step: u64| {
                let within = (step as f64 + 0.5) / looked as f64 * of_part as f64;
                sketch.quantile((from as f64 + within) / count as f64)
            };
            let values: Option<Vec<f64>> = (0..looked).map(quantile).collect();
            if let Some(values) = values.filter(|values| !values.is_empty()) {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                put(end.plus_micros(-nth), Some(mean), of_part);
                nth += 1;
            }
        }
    }
}

impl Measure for Meter {
    fn measure(&mut self, at: Option<Timestamp>, measurement: &Measurement<'_>) {
        let metric = measurement.metric;
        let watched = &self.wanted[metric as usize];
        if watched.is_empty() {
            return;
        }
        let Some(at) = at else {
            self.untimed += 1;
            return;
        };
        let key = hash_of(metric, measurement.labels);
        let track = self.series.entry(key).or_insert_with(|| {
            let labels = labels_of(metric, measurement.labels);
            let own = watched
                .iter()
                .filter(|(matchers, _)| matchers.matches(&labels));
            Track {
                metric,
                window: own.map(|(_, window)| *window).max(),
                labels,
                cells: Cells::of(measurement.update),
            }
        });
        if track.window.is_none() {
            return;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_busy_minute_are_few_and_weigh_as_they_are_many() {
        let rules = dragline_alerting::rule::load(
            "rules",
            "[[rule]]\nalert = 'slow'\nexpr = 'avg(dragline_request_duration_seconds[10m]) > 30'",
        );
        let mut meter = Meter::new(&rules.rules, Duration::from_mins(1));
        let at = Timestamp::from_seconds(1_772_582_400);
        let metric = CrawlMetric::RequestDuration;
        let labels = vec!["shop"; metric.labels().len()];
        let mut sum = 0.0;
        for nth in 0..1_000 {
            // One in fifty waits for its time-out.
            let value = if nth % 50 == 0 {
                30.0
            } else {
                0.1 + f64::from(nth) / 1e4
            };
            sum += value;
            let measurement = Measurement {
                metric,
                labels: &labels,
                update: Update::Observe(value),
            };
            meter.measure(Some(at), &measurement);
        }
        let observations = meter.observations(at.plus_micros(60_000_000), &[]);
        let values = observations
            .iter()
            .filter_map(|one| Some((one.value?, one.count)));
        let values: Vec<(f64, u64)> = values.collect();
        assert!(values.len() <= 16, "{values:?}");
        assert_eq!(values.iter().map(|(_, count)| count).sum::<u64>(), 1_000);
        let mean = values
            .iter()
            .map(|(value, count)| value * *count as f64)
            .sum::<f64>()
            / 1e3;
        assert!(
            (mean / (sum / 1e3) - 1.0).abs() < 0.02,
            "{mean} for {}",
            sum / 1e3
        );
    }
}
