//! Learns what is normal, only from the preceding units.
//!
//! The level is a median and the spread a median absolute deviation (Hampel 1974), so a single unusual
//! unit has little influence. Totals follow the hour of the day, the day of the week and a slow trend, if
//! the history is long enough. Each of these effects is the median of the residuals that the others leave
//! (Tukey's median polish, 1977; the trend is the Theil–Sen estimator). A few units are not enough to
//! estimate the spread, so the typical spread of the metric is added as a prior worth three units.

use statrs::distribution::{ContinuousCDF, DiscreteCDF, Poisson, StudentsT};

use crate::metric::{ENOUGH, Metric, Sample, Scale, arcsine};
use crate::series::DAY;
use crate::series::{hour, weekday};
use crate::stats::{MAD_SCALE, median, theil_sen};

/// Number of units that the prior spread is worth.
const PRIOR_UNITS: f64 = 3.0;
/// Standard deviation, on the scale, of an hour or weekend effect that has not been observed yet.
const UNKNOWN_SEASON: f64 = 0.45;
/// Degrees of freedom that the prior adds to Student's t. The prior was measured on many scrapers.
const PRIOR_FREEDOM: f64 = 8.0;
/// Maximum slope per day, on the scale. Growth beyond a third per week is a change, not a trend.
const STEEPEST: f64 = 0.04;
/// Maximum number of units to learn from; older units are less relevant.
const MEMORY: usize = 240;

/// A unit's start time and value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) at: i64,
    pub(crate) sample: Sample,
}

/// The learned model of a metric.
#[derive(Clone, Debug)]
pub(crate) struct Normal {
    level: f64,
    /// The effect of each hour of the day.
    hours: [f64; 24],
    /// The effect of each day of the week.
    weekdays: [f64; 7],
    /// The number of units that the effect of an hour, or of a day of the week, was learned from; 0 if there is none.
    hour_units: [usize; 24],
    day_units: [usize; 7],
    /// Whether an hour, or a day of the week, was observed often enough.
    is_known_hour: [bool; 24],
    is_known_day: [bool; 7],
    /// The trend, per day.
    slope: f64,
    /// The time at which the trend contributes nothing.
    origin: i64,
    /// The standard deviation between units.
    pub(crate) spread: f64,
    pub(crate) units: usize,
    /// The variance of a unit by chance alone, on the scale.
    chance: f64,
    scale: Scale,
    metric: Metric,
    /// The number of trials of a usual unit, if the metric is a count.
    trials: Option<f64>,
}

/// How a value compares with what is normal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// The expected value on the scale.
    pub(crate) expected: f64,
    /// The observed value minus the expected value.
    pub(crate) residual: f64,
    /// The variance of a unit's residual, chance included.
    pub(crate) variance: f64,
    /// The variance of the estimated level.
    pub(crate) level_variance: f64,
    pub(crate) units: usize,
    /// Whether the value is a count of trials.
    pub(crate) is_count: bool,
    /// The observed and the expected number, if they are counts on the logarithmic scale.
    pub(crate) counts: Option<(f64, f64)>,
}

impl Normal {
    /// Learns from points in order of time; `None` if there are too few.
    pub(crate) fn learn(metric: &Metric, history: &[Point]) -> Option<Self> {
        let least = if metric.is_seasonal() { 5 } else { 2 };
        if history.len() < least {
            return None;
        }
        let points = &history[history.len().saturating_sub(MEMORY)..];
        let mut normal = Self {
            level: 0.0,
            hours: [0.0; 24],
            weekdays: [0.0; 7],
            hour_units: [0; 24],
            day_units: [0; 7],
            is_known_hour: [true; 24],
            is_known_day: [true; 7],
            slope: 0.0,
            origin: points.last()?.at,
            spread: 0.0,
            units: points.len(),
            chance: 0.0,
            scale: metric.scale(),
            metric: metric.clone(),
            trials: None,
        };
        let trials: Option<Vec<f64>> = points.iter().map(|point| point.sample.trials).collect();
        normal.trials = trials.and_then(|trials| median(&trials));
        let mut residuals: Vec<f64> = points.iter().map(|point| point.sample.y).collect();
        normal.level = median(&residuals)?;
        for residual in &mut residuals {
            *residual -= normal.level;
        }
        if metric.is_seasonal() {
            normal.learn_seasons(points, &mut residuals);
        }
        let middle = median(&residuals)?;
        let deviations: Vec<f64> = residuals.iter().map(|r| (r - middle).abs()).collect();
        let seen = median(&deviations)? * MAD_SCALE;
        let chance: Vec<f64> = points.iter().map(|point| point.sample.variance).collect();
        normal.chance = median(&chance)?;
        let own = (seen.powi(2) - normal.chance).max(0.0);
        let (scale, n) = (metric.scale(), points.len() as f64);
        let prior = scale.prior(metric).powi(2);
        let between = (n * own + PRIOR_UNITS * prior) / (n + PRIOR_UNITS);
        normal.spread = between.sqrt().max(scale.floor());
        Some(normal)
    }

    /// Learns the hours, days of the week and the trend, where the history is long enough for each.
    fn learn_seasons(&mut self, points: &[Point], residuals: &mut [f64]) {
        let span = points[points.len() - 1].at - points[0].at;
        self.look_around(points);
        self.count_seasons(points, span);
        let xs: Vec<f64> = points.iter().map(|point| self.days(point.at)).collect();
        // Each effect is estimated from the residuals of the others.
        for _ in 0..3 {
            if span >= 3 * DAY {
                let effects = polish(points, residuals, |at| hour(at) as usize, 24, 3);
                add(&mut self.hours, &effects);
            }
            if span >= 13 * DAY {
                let effects = polish(points, residuals, |at| weekday(at) as usize, 7, 2);
                add(&mut self.weekdays, &effects);
            } else if span >= 6 * DAY {
                let is_weekend = |at| usize::from(weekday(at) >= 5);
                let effects = polish(points, residuals, is_weekend, 2, 2);
                for (day, effect) in self.weekdays.iter_mut().enumerate() {
                    *effect += effects[usize::from(day >= 5)];
                }
            }
            if span >= 7 * DAY && points.len() >= 8 {
                self.learn_trend(&xs, residuals);
            }
        }
    }

    /// Counts the units behind each effect that `learn_seasons` learns.
    fn count_seasons(&mut self, points: &[Point], span: i64) {
        let count = |is_one: &dyn Fn(i64) -> bool| points.iter().filter(|p| is_one(p.at)).count();
        let enough = |count: usize, least: usize| if count >= least { count } else { 0 };
        if span >= 3 * DAY {
            for (wanted, units) in self.hour_units.iter_mut().enumerate() {
                *units = enough(count(&|at| hour(at) as usize == wanted), 3);
            }
        }
        for (wanted, units) in self.day_units.iter_mut().enumerate() {
            if span >= 13 * DAY {
                *units = enough(count(&|at| weekday(at) as usize == wanted), 2);
            } else if span >= 6 * DAY {
                *units = enough(count(&|at| (weekday(at) >= 5) == (wanted >= 5)), 2);
            }
        }
    }

    /// The variance of the expected value at a time. The variance of a median is π/2 times that of a mean.
    fn level_variance(&self, at: i64) -> f64 {
        let part = |units: usize| if units > 0 { 1.0 / units as f64 } else { 0.0 };
        let effects = [
            self.units,
            self.hour_units[hour(at) as usize],
            self.day_units[weekday(at) as usize],
        ];
        1.57 * self.spread.powi(2) * effects.into_iter().map(part).sum::<f64>()
    }

    fn learn_trend(&mut self, xs: &[f64], residuals: &mut [f64]) {
        let slope = self.slope + theil_sen(xs, residuals).unwrap_or(0.0);
        let more = slope.clamp(-STEEPEST, STEEPEST) - self.slope;
        self.slope += more;
        for (residual, x) in residuals.iter_mut().zip(xs) {
            *residual -= more * x;
        }
        let rest = median(residuals).unwrap_or(0.0);
        self.level += rest;
        residuals.iter_mut().for_each(|residual| *residual -= rest);
    }

    /// Records which hours and days of the week occur in the history.
    fn look_around(&mut self, points: &[Point]) {
        let days = |is_one: &dyn Fn(i64) -> bool| {
            let own = points.iter().map(|point| point.at).filter(|at| is_one(*at));
            let days: std::collections::BTreeSet<i64> = own.map(|at| at.div_euclid(DAY)).collect();
            days.len()
        };
        for (wanted, is_known) in self.is_known_hour.iter_mut().enumerate() {
            *is_known = days(&|at| hour(at) as usize == wanted) >= 2;
        }
        let is_weekend = |at: i64| weekday(at) >= 5;
        let known = [days(&|at| !is_weekend(at)) >= 2, days(&is_weekend) >= 2];
        for (day, is_known) in self.is_known_day.iter_mut().enumerate() {
            *is_known = known[usize::from(day >= 5)];
        }
    }

    /// The additional variance at a time whose hour or day of the week is unknown.
    fn season_variance(&self, at: i64) -> f64 {
        let unknown = [
            !self.is_known_hour[hour(at) as usize],
            !self.is_known_day[weekday(at) as usize],
        ];
        unknown.into_iter().filter(|is| *is).count() as f64 * UNKNOWN_SEASON.powi(2)
    }

    fn days(&self, at: i64) -> f64 {
        (at - self.origin) as f64 / DAY as f64
    }

    /// The expected value at a time, on the scale.
    pub(crate) fn expected(&self, at: i64) -> f64 {
        self.level
            + self.hours[hour(at) as usize]
            + self.weekdays[weekday(at) as usize]
            + self.slope * self.days(at)
    }

    /// Compares a point with what is normal.
    pub(crate) fn compare(&self, point: &Point) -> Comparison {
        let (sample, usual) = (&point.sample, self.usual(point.at));
        let expected = match (self.scale, sample.trials) {
            (Scale::Share, Some(trials)) => arcsine(usual * trials, trials),
            _ => self.expected(point.at),
        };
        let counts = sample.trials.filter(|_| self.scale == Scale::Log);
        Comparison {
            expected,
            residual: sample.y - expected,
            variance: self.spread.powi(2)
                + chance(sample, expected, self.scale)
                + self.season_variance(point.at),
            level_variance: self.level_variance(point.at),
            units: self.units,
            is_count: sample.trials.is_some(),
            counts: counts.map(|trials| (sample.raw * trials, usual * trials)),
        }
    }

    /// The usual value at a time, as a raw value. That of a share is free of the correction for few trials.
    pub(crate) fn usual(&self, at: i64) -> f64 {
        let raw = self.metric.raw(self.expected(at));
        match (self.scale, self.trials) {
            (Scale::Share, Some(trials)) => {
                ((raw * (trials + 0.75) - 0.375) / trials).clamp(0.0, 1.0)
            }
            _ => raw,
        }
    }

    /// The range that contains nearly all units, as raw values.
    pub(crate) fn range(&self, metric: &Metric, at: i64) -> (f64, f64) {
        let expected = self.expected(at);
        let variance = self.spread.powi(2) + self.chance + self.season_variance(at);
        let width = 3.0 * variance.sqrt();
        (metric.raw(expected - width), metric.raw(expected + width))
    }
}

/// The variance of a sample by chance alone, given the expected value.
fn chance(sample: &Sample, expected: f64, scale: Scale) -> f64 {
    let Some(trials) = sample.trials.filter(|_| scale == Scale::Log) else {
        return sample.variance;
    };
    // Items come by the page: those of a few pages tell less than their number suggests.
    let is_small = trials < ENOUGH as f64;
    let pages = if is_small { 0.5 / trials } else { 0.0 };
    1.0 / (trials * expected.exp() + 0.5) + pages
}

/// Computes the median residual of each class with at least `least` points, and subtracts it from the residuals.
fn polish(
    points: &[Point],
    residuals: &mut [f64],
    class: impl Fn(i64) -> usize,
    classes: usize,
    least: usize,
) -> Vec<f64> {
    let effects: Vec<f64> = (0..classes)
        .map(|wanted| {
            let own: Vec<f64> = points
                .iter()
                .zip(residuals.iter())
                .filter(|(point, _)| class(point.at) == wanted)
                .map(|(_, residual)| *residual)
                .collect();
            let is_enough = own.len() >= least;
            median(&own).filter(|_| is_enough).unwrap_or(0.0)
        })
        .collect();
    for (point, residual) in points.iter().zip(residuals) {
        *residual -= effects[class(point.at)];
    }
    effects
}

fn add(to: &mut [f64], effects: &[f64]) {
    for (to, effect) in to.iter_mut().zip(effects) {
        *to += effect;
    }
}

/// The probability that consecutive units together deviate this far by chance (Student's t). The sign is the
/// direction. The shared level that all units are compared with is uncertain too. Few counts are less surprising than
/// their logarithm: they are never more so than the Poisson distribution says.
pub(crate) fn surprise(comparisons: &[Comparison]) -> Option<f64> {
    let first = comparisons.first()?;
    let count = comparisons.len() as f64;
    let residual: f64 = comparisons.iter().map(|c| c.residual).sum();
    let variance: f64 =
        comparisons.iter().map(|c| c.variance).sum::<f64>() + count.powi(2) * first.level_variance;
    let t = residual / variance.sqrt();
    let freedom = first.units as f64 - 1.0 + PRIOR_FREEDOM;
    let students = StudentsT::new(0.0, 1.0, freedom).ok()?;
    let chance = students.cdf(-t.abs());
    Some(chance.max(tail(comparisons, t > 0.0)).copysign(t))
}

/// The probability of counts this low, or this high (Poisson); 0 for what is not counted.
fn tail(comparisons: &[Comparison], is_up: bool) -> f64 {
    let sum = comparisons.iter().try_fold((0.0, 0.0), |sum, c| {
        let (count, expected) = c.counts?;
        Some((sum.0 + count, sum.1 + expected))
    });
    let poisson = sum.and_then(|(count, expected)| Some((count, Poisson::new(expected).ok()?)));
    let Some((count, poisson)) = poisson else {
        return 0.0;
    };
    let count = count.round() as u64;
    match count.checked_sub(1).filter(|_| is_up) {
        Some(below) => poisson.sf(below),
        None if is_up => 1.0,
        None => poisson.cdf(count),
    }
}

/// The expected range of a fleet-wide metric, learned step by step.
pub struct Expectation {
    metric: Metric,
    points: Vec<Point>,
}

impl Expectation {
    /// For a total, which follows the hours and the days of the week.
    pub fn of_total() -> Self {
        Self {
            metric: Metric::Requests,
            points: Vec::new(),
        }
    }

    /// For a share.
    pub fn of_share() -> Self {
        Self {
            metric: Metric::ItemYield,
            points: Vec::new(),
        }
    }

    /// Adds the value of one step.
    pub fn learn(&mut self, at: i64, value: f64) {
        let (y, variance) = match self.metric.scale() {
            Scale::Log => ((value + 0.5).ln(), 1.0 / (value + 1.0)),
            Scale::Share => (value.clamp(0.0, 1.0).sqrt().asin(), 0.0),
        };
        let sample = Sample {
            y,
            variance,
            trials: None,
            raw: value,
        };
        self.points.push(Point { at, sample });
    }

    /// The expected range of the next step; `None` if there are too few earlier steps.
    pub fn range(&self, at: i64) -> Option<(f64, f64)> {
        let normal = Normal::learn(&self.metric, &self.points)?;
        // An hour or weekend that was never observed has no range.
        let is_known = normal.units >= 8 && normal.season_variance(at) == 0.0;
        is_known.then(|| normal.range(&self.metric, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::HOUR;

    /// One point per day at noon, from Monday 1970-01-05 on.
    fn daily(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
        let at = |day: usize| (day as i64 + 4) * DAY + 12 * HOUR;
        let point = |(day, value): (usize, f64)| Point {
            at: at(day),
            sample: Sample {
                y: value.ln(),
                variance: 0.0,
                trials: None,
                raw: value,
            },
        };
        values.into_iter().enumerate().map(point).collect()
    }

    #[test]
    fn an_outlier_teaches_nothing() {
        let mut values = [100.0, 103.0, 98.0, 101.0, 99.0, 102.0, 97.0, 100.0].to_vec();
        let calm = Normal::learn(&Metric::ItemsPerPage, &daily(values.clone())).unwrap();
        values[3] = 5000.0;
        let wild = Normal::learn(&Metric::ItemsPerPage, &daily(values)).unwrap();
        assert!((calm.level - wild.level).abs() < 0.02, "{calm:?} {wild:?}");
        assert!(
            (calm.spread - wild.spread).abs() < 0.02,
            "{calm:?} {wild:?}"
        );
    }

    #[test]
    fn weekends_are_expected_once_they_were_seen() {
        let value = |day: usize| if day % 7 >= 5 { 50.0 } else { 100.0 };
        let points = daily((0..21).map(value));
        let normal = Normal::learn(&Metric::Requests, &points).unwrap();
        let next_saturday = points[5].at + 21 * DAY;
        let next_monday = points[0].at + 21 * DAY;
        assert!((normal.expected(next_saturday).exp() - 50.0).abs() < 5.0);
        assert!((normal.expected(next_monday).exp() - 100.0).abs() < 5.0);
        // The first weekend is not surprising, because no weekend was observed before.
        let first = Normal::learn(&Metric::Requests, &points[..5]).unwrap();
        let comparison = first.compare(&points[5]);
        assert!(
            surprise(&[comparison]).unwrap().abs() > 1e-3,
            "{comparison:?}"
        );
    }

    #[test]
    fn growth_is_followed() {
        let points = daily((0..28).map(|day| 100.0 * 1.01_f64.powi(day)));
        let normal = Normal::learn(&Metric::Requests, &points).unwrap();
        let next = points[27].at + DAY;
        assert!((normal.expected(next).exp() / (100.0 * 1.01_f64.powi(28)) - 1.0).abs() < 0.03);
    }

    #[test]
    fn three_small_surprises_are_a_large_one() {
        let points = daily([
            100.0, 104.0, 97.0, 101.0, 99.0, 103.0, 96.0, 100.0, 102.0, 98.0,
        ]);
        let normal = Normal::learn(&Metric::ItemsPerPage, &points).unwrap();
        let low = |day: i64| {
            let mut point = points[9];
            point.at += day * DAY;
            point.sample.y = 75.0_f64.ln();
            normal.compare(&point)
        };
        let one = surprise(&[low(1)]).unwrap();
        let three = surprise(&[low(1), low(2), low(3)]).unwrap();
        assert!(
            one < 0.0 && three < 0.0 && three.abs() < one.abs() / 5.0,
            "{one} {three}"
        );
    }

    #[test]
    fn of_too_few_units_nothing_is_said() {
        assert!(Normal::learn(&Metric::Requests, &daily([1.0, 2.0])).is_none());
        assert!(Normal::learn(&Metric::Blocked, &daily([1.0])).is_none());
        assert_eq!(surprise(&[]), None);
    }
}
