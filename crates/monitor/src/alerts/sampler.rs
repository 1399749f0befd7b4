//! From measurements to samples of metrics, while they come.
//!
//! A watch expects a counter as its total, again and again while it does not change, so that an increase ends with 0
//! and not with missing data. Totals count from the start of the service; only their differences matter.

use std::collections::BTreeMap;
use std::time::Duration;

use dragline_alerting::rule::{Condition, Rule};
use dragline_alerting::{Labels, Observation};
use dragline_metrics::{CrawlMetric, Delta, Kind, Measure, Measurement, Update};
use dragline_schema::Timestamp;

/// A counter that does not change is repeated this often, in microseconds.
const REPEAT: i64 = 15_000_000;
/// Samples of one series within this time share one place, in microseconds: the last one counts.
const SLOT: i64 = 5_000_000;

/// Histograms become samples this often; a mean over a window of minutes does not need them sooner.
const HISTOGRAM_SECONDS: u32 = 10;
/// Number of samples that stand for these seconds of a histogram. It bounds the memory of a busy scraper.
const VALUES: u64 = 20;

/// One counter.
#[derive(Clone, Debug)]
struct Total {
    value: f64,
    /// The time of its last sample.
    stamp: Timestamp,
    /// When it last changed.
    changed: Timestamp,
}

/// Turns measurements into samples for the rules that watch them.
#[derive(Debug)]
pub(super) struct Sampler {
    wanted: Vec<CrawlMetric>,
    totals: BTreeMap<(CrawlMetric, Labels), Total>,
    /// Gauges and histograms by the time of their last sample.
    gauges: BTreeMap<(CrawlMetric, Labels), Timestamp>,
    /// How long a counter is repeated, in microseconds.
    tail: i64,
    /// Values of histograms that are not samples yet, and when there were samples last.
    histograms: Delta,
    sampled: Timestamp,
}

impl Sampler {
    /// A sampler for these rules.
    pub(super) fn new(rules: &[Rule]) -> Self {
        let is_wanted = |metric: &CrawlMetric| {
            let name = metric.sample_name();
            rules.iter().any(|rule| match &rule.condition {
                Condition::Metric(metric) => metric.selector.takes(&name),
                _ => false,
            })
        };
        let window = rules
            .iter()
            .filter_map(Rule::window)
            .max()
            .unwrap_or_default();
        let tail = window + Duration::from_mins(5);
        Self {
            wanted: CrawlMetric::ALL.iter().copied().filter(is_wanted).collect(),
            totals: BTreeMap::new(),
            gauges: BTreeMap::new(),
            tail: tail.as_micros() as i64,
            histograms: Delta::new(HISTOGRAM_SECONDS),
            sampled: Timestamp::from_micros(0),
        }
    }

    /// Goes on from samples that the watch already has.
    pub(super) fn go_on(&mut self, samples: &[Observation]) {
        for sample in samples {
            let metric = CrawlMetric::from_name(&sample.name);
            let Some((metric, value)) = metric.zip(sample.value) else {
                continue;
            };
            let key = (metric, sample.labels.clone());
            match metric.kind() {
                Kind::Counter => {
                    let held = self.totals.entry(key).or_insert(Total {
                        value,
                        stamp: sample.time,
                        changed: sample.time,
                    });
                    if sample.time >= held.stamp {
                        if held.value.to_bits() != value.to_bits() {
                            held.changed = sample.time;
                        }
                        (held.value, held.stamp) = (value, sample.time);
                    }
                }
                Kind::Gauge => {
                    let held = self.gauges.entry(key).or_insert(sample.time);
                    *held = sample.time.max(*held);
                }
                Kind::Histogram => {}
            }
        }
    }

    /// The samples of new measurements.
    pub(super) fn take(&mut self, measured: &Delta, now: Timestamp) -> Vec<Observation> {
        let is_histogram = |id: &dragline_metrics::SeriesId, _| id.kind == Kind::Histogram;
        self.histograms.merge_where(measured, is_histogram);
        let is_due = now.since(self.sampled) >= i64::from(HISTOGRAM_SECONDS) * 1_000_000;
        let histograms = if is_due {
            self.sampled = now;
            std::mem::replace(&mut self.histograms, Delta::new(HISTOGRAM_SECONDS))
        } else {
            Delta::default()
        };
        let mut taken = Taken {
            sampler: self,
            now,
            samples: Vec::new(),
        };
        let all = Timestamp::from_micros(0);
        measured.replay(all, 0, &mut taken);
        histograms.replay(all, VALUES, &mut taken);
        taken.samples
    }

    /// Repeats counters that have not changed for a while.
    pub(super) fn repeat(&mut self, now: Timestamp) -> Vec<Observation> {
        let tail = self.tail;
        self.totals
            .retain(|_, total| now.since(total.changed) < 2 * tail);
        let due = self.totals.iter_mut().filter(|(_, total)| {
            now.since(total.stamp) >= REPEAT && now.since(total.changed) < tail
        });
        due.map(|((metric, labels), total)| {
            total.stamp = now;
            Observation::metric(&metric.sample_name(), labels.clone(), now, total.value)
        })
        .collect()
    }

    /// The gauges of a scraper that ended: what they showed does not exist any more.
    pub(super) fn end(&mut self, scraper: &str, site: &str, now: Timestamp) -> Vec<Observation> {
        let is_own = |labels: &Labels| {
            labels.get("scraper_id") == Some(scraper)
                && labels.get("site").is_none_or(|own| own == site)
        };
        let is_gauge = |metric: &CrawlMetric| metric.kind() == Kind::Gauge;
        let own = self
            .gauges
            .extract_if(.., |(metric, labels), _| is_gauge(metric) && is_own(labels));
        let own: Vec<_> = own.collect();
        let none = |((metric, labels), seen): ((CrawlMetric, Labels), Timestamp)| {
            let time = now.max(seen.plus_micros(1));
            let mut one = Observation::metric(&metric.sample_name(), labels, time, 0.0);
            one.value = None;
            one
        };
        own.into_iter().map(none).collect()
    }
}

/// Collects the samples of one step.
struct Taken<'s> {
    sampler: &'s mut Sampler,
    now: Timestamp,
    samples: Vec<Observation>,
}

impl Measure for Taken<'_> {
    fn measure(&mut self, at: Option<Timestamp>, measurement: &Measurement<'_>) {
        let metric = measurement.metric;
        if !self.sampler.wanted.contains(&metric) {
            return;
        }
        let at = at.map_or(self.now, |at| at.min(self.now));
        let key = (metric, labels_of(measurement));
        let (time, value) = match measurement.update {
            Update::Add(amount) => {
                if !self.sampler.totals.contains_key(&key) {
                    // It was 0 a moment before.
                    let before = at.plus_micros(-1);
                    self.samples.push(Observation::metric(
                        &metric.sample_name(),
                        key.1.clone(),
                        before,
                        0.0,
                    ));
                }
                self.sampler.add(&key, amount, at)
            }
            Update::Set(value) => {
                self.sampler.gauges.insert(key.clone(), at);
                (at, value)
            }
            Update::Observe(value) => (self.place(&key), value),
        };
        self.samples.push(Observation::metric(
            &metric.sample_name(),
            key.1,
            time,
            value,
        ));
    }
}

impl Taken<'_> {
    /// Values of a histogram need times that differ: samples of one time replace each other.
    fn place(&mut self, key: &(CrawlMetric, Labels)) -> Timestamp {
        let before = self.sampler.gauges.get(key).copied();
        let earliest = self.now.plus_micros(-1_000);
        let time = before.map_or(earliest, |before| before.plus_micros(1).max(earliest));
        self.sampler.gauges.insert(key.clone(), time);
        time
    }
}

impl Sampler {
    /// Adds to a counter: the time of the sample, and the total. A sample never lies before an earlier one of its
    /// series: its total would look like that of a counter that was restarted.
    fn add(&mut self, key: &(CrawlMetric, Labels), amount: f64, at: Timestamp) -> (Timestamp, f64) {
        if let Some(total) = self.totals.get_mut(key) {
            total.value += amount;
            if at.since(total.stamp) >= SLOT {
                total.stamp = at;
            }
            total.changed = total.changed.max(at);
            return (total.stamp, total.value);
        }
        let total = Total {
            value: amount,
            stamp: at,
            changed: at,
        };
        self.totals.insert(key.clone(), total);
        (at, amount)
    }
}

fn labels_of(measurement: &Measurement<'_>) -> Labels {
    let pairs = measurement.metric.labels().iter().zip(measurement.labels);
    pairs
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (*name, *value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_772_582_400 + second)
    }

    fn rules() -> Vec<Rule> {
        let text = "[[rule]]\nalert = \"a\"\nexpr = \"increase(dragline_errors_total[10m]) > 5\"\n\
                    [[rule]]\nalert = \"b\"\nexpr = \"avg(dragline_request_duration_seconds[10m]) > 5\"\n\
                    [[rule]]\nalert = \"c\"\nexpr = \"last(dragline_queue_size[1m]) > 5\"\n";
        let loaded = dragline_alerting::rule::load("test", text);
        assert!(loaded.errors.is_empty(), "{:?}", loaded.errors);
        loaded.rules
    }

    fn measured(metric: CrawlMetric, labels: &[&str], updates: &[(i64, Update)]) -> Delta {
        let mut delta = Delta::new(10);
        for (second, update) in updates {
            let measurement = Measurement {
                metric,
                labels,
                update: *update,
            };
            delta.measure(Some(at(*second)), &measurement);
        }
        delta
    }

    fn errors(updates: &[(i64, f64)]) -> Delta {
        let updates: Vec<_> = updates
            .iter()
            .map(|(at, amount)| (*at, Update::Add(*amount)))
            .collect();
        measured(
            CrawlMetric::Errors,
            &["shop", "x", "network", "high"],
            &updates,
        )
    }

    #[test]
    fn a_counter_begins_at_0_and_never_falls() {
        let mut sampler = Sampler::new(&rules());
        let first = sampler.take(&errors(&[(100, 3.0)]), at(101));
        let values: Vec<_> = first.iter().map(|one| one.value.unwrap()).collect();
        assert_eq!(values, [0.0, 3.0]);
        assert!(first[0].time < first[1].time);
        let mut last = first[1].clone();
        // Later, at once, and late.
        for (second, now) in [(110, 111), (111, 112), (40, 113), (130, 131)] {
            let samples = sampler.take(&errors(&[(second, 2.0)]), at(now));
            assert_eq!(samples.len(), 1);
            assert!(samples[0].value > last.value, "{samples:?}");
            assert!(samples[0].time >= last.time, "{samples:?} after {last:?}");
            last = samples[0].clone();
        }
        assert_eq!(last.value, Some(11.0));
        // While nothing changes it is repeated, until the window has passed.
        assert_eq!(sampler.repeat(at(140)).len(), 0);
        assert_eq!(sampler.repeat(at(146))[0].value, Some(11.0));
        assert_eq!(sampler.repeat(at(146 + 3_600)).len(), 0);
    }

    #[test]
    fn what_no_rule_watches_makes_no_samples() {
        let mut sampler = Sampler::new(&rules());
        let pages = measured(CrawlMetric::Pages, &["shop", "x"], &[(1, Update::Add(1.0))]);
        assert_eq!(sampler.take(&pages, at(1)), []);
    }

    #[test]
    fn many_values_are_few_samples_with_their_mean() {
        let mut sampler = Sampler::new(&rules());
        let updates: Vec<_> = (0..5_000)
            .map(|nth| (1, Update::Observe(f64::from(nth) / 100.0)))
            .collect();
        let samples = sampler.take(
            &measured(CrawlMetric::RequestDuration, &["shop", "x"], &updates),
            at(2),
        );
        assert_eq!(samples.len(), 20);
        let mean = samples.iter().filter_map(|one| one.value).sum::<f64>() / 20.0;
        assert!((mean - 25.0).abs() < 0.5, "{mean}");
        let mut times: Vec<_> = samples.iter().map(|one| one.time).collect();
        times.dedup();
        assert_eq!(times.len(), 20);
    }

    #[test]
    fn the_queue_of_a_scraper_that_ended_is_missing() {
        let mut sampler = Sampler::new(&rules());
        let queue = measured(
            CrawlMetric::QueueSize,
            &["shop", "x"],
            &[(1, Update::Set(9.0))],
        );
        assert_eq!(sampler.take(&queue, at(1))[0].value, Some(9.0));
        let ended = sampler.end("shop", "x", at(2));
        assert_eq!((ended.len(), ended[0].value), (1, None));
        assert_eq!(sampler.end("shop", "x", at(3)), []);
    }
}
