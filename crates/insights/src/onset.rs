//! When it began, within the first unusual unit or the end of the one before.
//!
//! The unit's buckets are cut in two where the likelihood of the usual rate before and of another one
//! behind is greatest (Page 1954; for counts that of the Poisson distribution, for measures that of
//! the exponential one).

use crate::metric::Metric;
use crate::series::Series;

/// A cut in the unit before has to be this likely, in logarithms.
const SURE: f64 = 6.0;

/// The onset in a series whose unit is the first unusual one, in microseconds.
pub(crate) fn onset(metric: &Metric, series: &Series<'_>, unit: usize, usual: f64) -> i64 {
    let own = &series.units[unit];
    let parts = |unit: usize| -> Vec<(i64, f64, f64)> {
        let buckets = series.units[unit].buckets.iter();
        buckets
            .filter_map(|(start, counters)| {
                let (part, whole) = metric.parts(counters)?;
                Some((*start, part, whole))
            })
            .collect()
    };
    let usual = usual_in_buckets(metric, series, unit, usual);
    let buckets = parts(unit);
    let Some((at, _)) = cut(metric, &buckets, usual) else {
        return own.start;
    };
    if at > 0 {
        return buckets[at].0.max(own.start);
    }
    // All of it is unusual: perhaps it began before.
    let before = unit.checked_sub(1).map(parts).unwrap_or_default();
    match cut(metric, &before, usual) {
        Some((at, gain))
            if gain >= SURE && at > 0 && is_alike(metric, &before[at..], &buckets, usual) =>
        {
            before[at].0
        }
        _ => own.start,
    }
}

/// A measure's mean differs from its median: then the means of the units before are what is usual.
fn usual_in_buckets(metric: &Metric, series: &Series<'_>, unit: usize, usual: f64) -> f64 {
    if !metric.is_measure() {
        return usual;
    }
    let means: Vec<f64> = series.units[..unit]
        .iter()
        .rev()
        .take(10)
        .filter_map(|unit| metric.parts(&unit.counters))
        .map(|(part, whole)| part / whole)
        .collect();
    crate::stats::median(&means).unwrap_or(usual)
}

/// Where the buckets are best cut in two, and how much likelier that makes them.
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

/// How much likelier its own rate makes a part than the usual one, in logarithms.
fn gain(metric: &Metric, part: f64, whole: f64, usual: f64) -> f64 {
    let usual = usual.max(1e-4);
    let rate = ((part + 1e-3) / (whole + 1e-3)).max(1e-4);
    if metric.is_measure() {
        whole * ((usual / rate).ln() + part / whole.max(1e-9) * (1.0 / usual - 1.0 / rate))
    } else {
        part * (rate / usual).ln() - (rate - usual) * whole
    }
}

/// Whether what is behind the cut moved to the same side as the unit that is unusual.
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
    metric.is_worth_saying(usual, before) && (before > usual) == (own > usual)
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
        // Downwards, and of a measure.
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
