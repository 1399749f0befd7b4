//! Dates the onset of an episode, within the first unusual unit or at the end of the unit before it.
//!
//! The unit's buckets are split in two at the point that maximises the likelihood of the usual rate
//! before it and of a different rate after it (Page 1954). Counts use the Poisson distribution, measures
//! the exponential distribution.

use dragline_rollup::Counters;

use crate::metric::Metric;
use crate::series::{Series, Unit};

/// Minimum log-likelihood gain of a split in the preceding unit.
const SURE: f64 = 6.0;

/// Minimum log-likelihood gain of a split in the unusual unit itself.
const LIKELY: f64 = 2.0;

/// The onset, in microseconds; `unit` and `to` are the first and the last unit of the first unusual window.
pub(crate) fn onset(
    metric: &Metric,
    series: &Series<'_>,
    (unit, to): (usize, usize),
    usual: f64,
) -> i64 {
    let own = &series.units[unit];
    let usual = usual_in_buckets(metric, series, unit, usual);
    let buckets: Vec<_> = (unit..=to)
        .flat_map(|unit| parts(metric, series, unit))
        .collect();
    let at = match cut(metric, &buckets, usual) {
        Some((at, gain)) if gain >= LIKELY => at,
        _ => return own.start,
    };
    if at > 0 {
        return buckets[at].0.max(own.start);
    }
    // The whole unit is unusual: the onset may be in the preceding unit.
    let before = unit.checked_sub(1);
    let before = before.map(|unit| parts(metric, series, unit));
    let before = before.unwrap_or_default();
    match cut(metric, &before, usual) {
        Some((at, gain))
            if gain >= SURE && at > 0 && is_alike(metric, &before[at..], &buckets, usual) =>
        {
            before[at].0
        }
        _ => own.start,
    }
}

/// The metric's numerator and denominator in each bucket of a unit.
fn parts(metric: &Metric, series: &Series<'_>, unit: usize) -> Vec<(i64, f64, f64)> {
    let unit = &series.units[unit];
    let buckets = unit.buckets.iter();
    buckets
        .filter_map(|(start, counters)| {
            let (part, whole) = match metric {
                Metric::Pace => paced(unit, *start, series.width, counters)?,
                _ => metric.parts(counters)?,
            };
            Some((*start, part, whole))
        })
        .collect()
}

/// The number of requests in a bucket, and the seconds of the run that are in it.
fn paced(unit: &Unit<'_>, start: i64, width: i64, counters: &Counters) -> Option<(f64, f64)> {
    let micros = (start + width).min(unit.end) - start.max(unit.start);
    (micros > 0).then_some((counters.requests as f64, micros as f64 / 1e6))
}

/// The usual value of a bucket. For a measure, whose mean differs from its median, and for fields and warnings, which
/// buckets count together, this is the median of the means of the preceding units.
fn usual_in_buckets(metric: &Metric, series: &Series<'_>, unit: usize, usual: f64) -> f64 {
    let usual = match metric {
        // Requests per second.
        Metric::Pace => 1.0 / usual.max(1e-9),
        Metric::Lacking(_) | Metric::Warnings(_) => usual,
        _ if metric.is_measure() => usual,
        _ => return usual,
    };
    let mean = |unit: usize| {
        let sum = parts(metric, series, unit).into_iter();
        let (part, whole) = sum.fold((0.0, 0.0), |sum, (_, k, n)| (sum.0 + k, sum.1 + n));
        (whole > 0.0).then(|| part / whole)
    };
    let means: Vec<f64> = (0..unit).rev().take(10).filter_map(mean).collect();
    crate::stats::median(&means).unwrap_or(usual)
}

/// The best split of the buckets, and its log-likelihood gain.
fn cut(metric: &Metric, buckets: &[(i64, f64, f64)], usual: f64) -> Option<(usize, f64)> {
    let (mut part, mut whole) = (0.0, 0.0);
    let mut best: Option<(usize, f64)> = None;
    for (at, (_, k, n)) in buckets.iter().enumerate().rev() {
        part += k;
        whole += n;
        let gain = gain(metric, part, whole, usual);
        if best.is_none_or(|(_, held)| gain > held) {
            best = Some((at, gain));
        }
    }
    best
}

/// The log-likelihood gain of a part's own rate over the usual rate.
fn gain(metric: &Metric, part: f64, whole: f64, usual: f64) -> f64 {
    let usual = usual.max(1e-4);
    let rate = ((part + 1e-3) / (whole + 1e-3)).max(1e-4);
    if metric.is_measure() {
        whole * ((usual / rate).ln() + part / whole.max(1e-9) * (1.0 / usual - 1.0 / rate))
    } else {
        part * (rate / usual).ln() - (rate - usual) * whole
    }
}

/// Whether the buckets after the split deviate in the same direction as the unusual unit.
fn is_alike(
    metric: &Metric,
    before: &[(i64, f64, f64)],
    own: &[(i64, f64, f64)],
    usual: f64,
) -> bool {
    let rate = |buckets: &[(i64, f64, f64)]| {
        let sum = buckets
            .iter()
            .fold((0.0, 0.0), |sum, (_, k, n)| (sum.0 + k, sum.1 + n));
        sum.0 / sum.1.max(1e-9)
    };
    let (before, own) = (rate(before), rate(own));
    let is_worth = match metric {
        // The buckets have its inverse.
        Metric::Pace => metric.is_worth_saying(1.0 / usual, 1.0 / before.max(1e-9)),
        _ => metric.is_worth_saying(usual, before),
    };
    is_worth && (before > usual) == (own > usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cut_where_the_rate_changes() {
        let rate = |at: i64| if at < 6 { 1.0 } else { 12.0 };
        let buckets: Vec<(i64, f64, f64)> = (0..10).map(|at| (at, rate(at), 40.0)).collect();
        assert_eq!(
            cut(&Metric::Blocked, &buckets, 0.025).map(|(at, _)| at),
            Some(6)
        );
        // A decrease, and a measure.
        let items: Vec<(i64, f64, f64)> = (0..10)
            .map(|at| (at, if at < 4 { 36.0 } else { 3.0 }, 40.0))
            .collect();
        assert_eq!(
            cut(&Metric::ItemsPerPage, &items, 0.9).map(|(at, _)| at),
            Some(4)
        );
        let times: Vec<(i64, f64, f64)> = (0..10)
            .map(|at| (at, if at < 7 { 4000.0 } else { 12_000.0 }, 40.0))
            .collect();
        assert_eq!(
            cut(&Metric::ResponseTime, &times, 100.0).map(|(at, _)| at),
            Some(7)
        );
        assert_eq!(cut(&Metric::Blocked, &[], 0.1), None);
    }
}
