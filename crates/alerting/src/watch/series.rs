//! The samples of all series, as far back as some rule looks, and the value of a condition over them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use dragline_schema::Timestamp;

use crate::labels::matches_pattern;
use crate::observation::{Expected, Observation, Topic};
use crate::rule::{Aggregate, MetricCondition, Selector};
use crate::{Labels, duration};

/// Maximum number of samples of one series; the oldest go first, and are counted.
pub const MAX_SAMPLES: usize = 65_536;

/// Maximum number of series; observations of further ones are counted and dropped.
pub const MAX_SERIES: usize = 50_000;

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    pub time: Timestamp,
    /// `None`: inconclusive.
    pub value: Option<f64>,
    /// Number of measurements that the value stands for.
    pub count: u64,
    pub expected: Option<Expected>,
    /// Since when the value is what it is.
    pub since: Option<Timestamp>,
}

/// The samples of one series, by time.
#[derive(Clone, Debug, Default)]
pub(super) struct Series(VecDeque<Sample>);

/// What a condition measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    pub value: f64,
    pub expected: Option<Expected>,
    /// When it became so, where the data say it.
    pub since: Option<Timestamp>,
}

impl Measured {
    fn of(value: f64) -> Self {
        Self {
            value,
            expected: None,
            since: None,
        }
    }
}

impl Series {
    /// Adds a sample. A sample with the time of another one replaces it.
    fn insert(&mut self, sample: Sample) {
        let at = self.0.partition_point(|other| other.time < sample.time);
        match self.0.get_mut(at) {
            Some(same) if same.time == sample.time => *same = sample,
            _ => self.0.insert(at, sample),
        }
    }

    /// Drops what lies before `oldest`, except the last sample before it, from which a counter's increase counts.
    fn prune(&mut self, oldest: Timestamp) {
        let before = self.0.partition_point(|sample| sample.time <= oldest);
        self.0.drain(..before.saturating_sub(1));
    }

    /// The latest sample at or before `now`.
    pub(super) fn latest(&self, now: Timestamp) -> Option<Sample> {
        let end = self.0.partition_point(|sample| sample.time <= now);
        end.checked_sub(1).map(|last| self.0[last])
    }

    /// The indices of the samples in `(now - window, now]`.
    fn range(&self, now: Timestamp, window: Duration) -> std::ops::Range<usize> {
        let start = duration::before(now, window);
        let from = self.0.partition_point(|sample| sample.time <= start);
        from..self.0.partition_point(|sample| sample.time <= now)
    }

    /// Whether there is a sample in `(now - window, now]`.
    pub(super) fn has_data(&self, now: Timestamp, window: Duration) -> bool {
        !self.range(now, window).is_empty()
    }

    /// Whether its last sample says that nothing more will come: the run that measured it has ended.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.latest(now).is_some_and(|last| last.value.is_none())
    }

    /// The value of a condition at `now`; `None` without data.
    pub(super) fn measure(
        &self,
        condition: &MetricCondition,
        now: Timestamp,
    ) -> Result<Option<Measured>, String> {
        let range = self.range(now, condition.window);
        if condition.aggregate == Aggregate::Absent {
            return Ok(self.absence(condition, range, now));
        }
        if condition.aggregate.is_counted() {
            return self.increase(condition, range, now);
        }
        let samples = || self.0.range(range.clone());
        let weighted = |sample: &Sample| Some((sample.value?, sample.count));
        let values: Vec<(f64, u64)> = samples().filter_map(weighted).collect();
        let Some((last, _)) = values.last().copied() else {
            return Ok(None);
        };
        if let Some((odd, _)) = values.iter().find(|(value, _)| !value.is_finite()) {
            return Err(format!(
                "a sample of {} is {odd}, which is not a number",
                condition.selector.name
            ));
        }
        let singles = values.iter().map(|(value, _)| *value);
        let count: u64 = values.iter().map(|(_, count)| count).sum();
        let sum: f64 = values
            .iter()
            .map(|(value, count)| value * *count as f64)
            .sum();
        let mean = sum / count as f64;
        let expected = samples().rev().find_map(|sample| sample.expected);
        let value = match condition.aggregate {
            Aggregate::Avg => mean,
            Aggregate::Min => singles.fold(f64::INFINITY, f64::min),
            Aggregate::Max => singles.fold(f64::NEG_INFINITY, f64::max),
            Aggregate::Percentile(percentile) => {
                quantile(values, count, f64::from(percentile) / 100.0)
            }
            Aggregate::Count => count as f64,
            Aggregate::Change => change(mean, expected, &condition.selector.name)?,
            _ => last,
        };
        Ok(Some(Measured {
            value,
            expected,
            since: None,
        }))
    }

    /// Seconds since the last value, once the window holds none.
    fn absence(
        &self,
        condition: &MetricCondition,
        range: std::ops::Range<usize>,
        now: Timestamp,
    ) -> Option<Measured> {
        let end = range.end;
        let has_value = |sample: &&Sample| sample.value.is_some();
        if self.0.range(range).any(|sample| sample.value.is_some()) {
            return Some(Measured::of(0.0));
        }
        let last = self.0.range(..end).rfind(has_value)?;
        let since = duration::after(last.time, condition.window);
        Some(Measured {
            value: duration::elapsed(now, last.time).as_secs_f64(),
            expected: None,
            since: Some(since),
        })
    }

    /// The increase of a counter over the window. It counts from the last sample before the window if there is one,
    /// and a counter that fell was restarted at 0.
    fn increase(
        &self,
        condition: &MetricCondition,
        range: std::ops::Range<usize>,
        now: Timestamp,
    ) -> Result<Option<Measured>, String> {
        if range.is_empty() {
            return Ok(None);
        }
        let from = range.start.saturating_sub(1);
        let values: Vec<f64> = self
            .0
            .range(from..range.end)
            .filter_map(|sample| sample.value)
            .collect();
        if values.len() < 2 {
            return Ok(None);
        }
        if let Some(odd) = values
            .iter()
            .find(|value| !value.is_finite() || **value < 0.0)
        {
            return Err(format!(
                "a sample of the counter {} is {odd}",
                condition.selector.name
            ));
        }
        let step = |pair: &[f64]| {
            if pair[1] >= pair[0] {
                pair[1] - pair[0]
            } else {
                pair[1]
            }
        };
        let increase: f64 = values.windows(2).map(step).sum();
        let seconds = duration::elapsed(now, duration::before(now, condition.window)).as_secs_f64();
        Ok(Some(Measured::of(match condition.aggregate {
            Aggregate::Rate => increase / seconds,
            _ => increase,
        })))
    }
}

/// The difference of a mean from the expected value, in percent.
fn change(mean: f64, expected: Option<Expected>, name: &str) -> Result<f64, String> {
    let Some(expected) = expected else {
        return Err(format!(
            "observations of {name} carry no expected value, so there is no change to measure"
        ));
    };
    if expected.value == 0.0 || !expected.value.is_finite() {
        return Err(format!(
            "the expected value of {name} is {}: a change in percent is undefined",
            expected.value
        ));
    }
    Ok((mean - expected.value) / expected.value.abs() * 100.0)
}

/// A quantile with linear interpolation between measurements: values, and how many measurements each stands for.
fn quantile(mut values: Vec<(f64, u64)>, count: u64, quantile: f64) -> f64 {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rank = quantile * (count - 1) as f64;
    let at = |rank: u64| {
        let mut before = 0;
        let mut values = values.iter();
        let found = values.find(|(_, count)| {
            before += count;
            rank < before
        });
        found.map_or(f64::NAN, |(value, _)| *value)
    };
    let (low, high) = (at(rank.floor() as u64), at(rank.ceil() as u64));
    low + (high - low) * rank.fract()
}

/// All series.
#[derive(Clone, Debug, Default)]
pub(super) struct SeriesStore {
    series: BTreeMap<(Topic, String), BTreeMap<Labels, Series>>,
    count: usize,
    /// Observations that no series took, because there are too many.
    pub refused: u64,
    /// Samples dropped because a series had too many.
    pub overflowed: u64,
}

impl SeriesStore {
    pub(super) fn insert(&mut self, observation: Observation) {
        let Observation {
            topic,
            name,
            labels,
            time,
            value,
            count,
            expected,
            since,
        } = observation;
        let named = self.series.entry((topic, name)).or_default();
        if !named.contains_key(&labels) {
            if self.count >= MAX_SERIES {
                self.refused += 1;
                return;
            }
            self.count += 1;
        }
        let series = named.entry(labels).or_default();
        series.insert(Sample {
            time,
            value,
            // What stands for nothing would make the mean no number.
            count: count.max(1),
            expected,
            since,
        });
        if series.0.len() > MAX_SAMPLES {
            series.0.pop_front();
            self.overflowed += 1;
        }
    }

    /// Drops samples that no rule looks at any more.
    pub(super) fn prune(&mut self, oldest: Timestamp) {
        for series in self.series.values_mut().flat_map(BTreeMap::values_mut) {
            series.prune(oldest);
        }
    }

    /// The series that a selector takes, in the order of their names and labels.
    pub(super) fn select<'s>(
        &'s self,
        topic: Topic,
        selector: &'s Selector,
    ) -> impl Iterator<Item = (&'s str, &'s Labels, &'s Series)> {
        self.named(topic, &selector.name)
            .flat_map(|(name, series)| {
                series
                    .iter()
                    .filter(|(labels, _)| selector.matchers.matches(labels))
                    .map(move |(labels, series)| (name, labels, series))
            })
    }

    /// The series with names that a pattern matches, whatever their labels.
    pub(super) fn named<'s>(
        &'s self,
        topic: Topic,
        pattern: &'s str,
    ) -> impl Iterator<Item = (&'s str, &'s BTreeMap<Labels, Series>)> {
        self.series
            .iter()
            .filter(move |((of, name), _)| *of == topic && matches_pattern(pattern, name))
            .map(|((_, name), series)| (name.as_str(), series))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_seconds(1_772_582_400 + second)
    }

    fn series(samples: &[(i64, f64)]) -> Series {
        let mut series = Series::default();
        for &(second, value) in samples {
            series.insert(Sample {
                time: at(second),
                value: Some(value),
                count: 1,
                expected: None,
                since: None,
            });
        }
        series
    }

    fn measure(series: &Series, expression: &str, second: i64) -> Option<f64> {
        let condition = MetricCondition::parse(expression).unwrap();
        series
            .measure(&condition, at(second))
            .unwrap()
            .map(|measured| measured.value)
    }

    #[test]
    fn a_window_is_judged_as_a_whole() {
        let series = series(&[(0, 95.0), (30, 10.0), (60, 80.0), (90, 100.0)]);
        for (expression, expected) in [
            ("last(x[2m]) > 0", 100.0),
            ("avg(x[2m]) > 0", 71.25),
            ("min(x[2m]) > 0", 10.0),
            ("max(x[2m]) > 0", 100.0),
            ("p50(x[2m]) > 0", 87.5),
            ("p95(x[2m]) > 0", 99.25),
            ("count(x[2m]) > 0", 4.0),
            ("min(x[40s]) > 0", 80.0),
        ] {
            assert_eq!(
                measure(&series, expression, 90),
                Some(expected),
                "{expression}"
            );
        }
        assert_eq!(measure(&series, "avg(x[1m]) > 0", 1_000), None);
        // The start of the window does not belong to it, its end does.
        assert_eq!(measure(&series, "count(x[30s]) > 0", 90), Some(1.0));
    }

    #[test]
    fn a_value_may_stand_for_many_measurements() {
        let mut few = Series::default();
        let mut many = Series::default();
        let mut second = 0;
        for (value, count) in [(1.0, 90), (2.0, 9), (30.0, 1)] {
            let sample = |time, count| Sample {
                time,
                value: Some(value),
                count,
                expected: None,
                since: None,
            };
            few.insert(sample(at(second), count));
            for _ in 0..count {
                many.insert(sample(at(second), 1));
                second += 1;
            }
        }
        for expression in [
            "avg(x[5m]) > 0",
            "max(x[5m]) > 0",
            "count(x[5m]) > 0",
            "p50(x[5m]) > 0",
            "p90(x[5m]) > 0",
            "p99(x[5m]) > 0",
        ] {
            let value = measure(&few, expression, second);
            assert_eq!(value, measure(&many, expression, second), "{expression}");
        }
        assert_eq!(measure(&few, "avg(x[5m]) > 0", second), Some(1.38));
    }

    #[test]
    fn a_counter_increases_over_restarts() {
        let series = series(&[(0, 10.0), (60, 40.0), (120, 5.0), (180, 8.0)]);
        assert_eq!(measure(&series, "increase(x[3m]) > 0", 180), Some(38.0));
        // Counted from the last sample before the window.
        assert_eq!(measure(&series, "increase(x[1m]) > 0", 180), Some(3.0));
        assert_eq!(measure(&series, "rate(x[1m]) > 0", 180), Some(0.05));
        assert_eq!(measure(&series, "increase(x[1m]) > 0", 0), None);
    }

    #[test]
    fn late_samples_find_their_place() {
        let ordered = series(&[(0, 1.0), (30, 2.0), (60, 3.0)]);
        let shuffled = series(&[(60, 3.0), (0, 1.0), (30, 9.0), (30, 2.0)]);
        assert_eq!(ordered.0, shuffled.0);
    }

    #[test]
    fn what_is_no_number_is_an_error_and_not_a_value() {
        let odd = series(&[(0, f64::NAN)]);
        let condition = MetricCondition::parse("avg(x[5m]) > 0").unwrap();
        assert!(odd.measure(&condition, at(1)).unwrap_err().contains("NaN"));
        let change = MetricCondition::parse("change(x[5m]) < -50").unwrap();
        let error = series(&[(0, 5.0)]).measure(&change, at(1)).unwrap_err();
        assert!(error.contains("no expected value"), "{error}");
    }
}
