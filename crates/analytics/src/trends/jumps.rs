//! Finds jumps of a metric's level.
//!
//! The days are split into segments of constant level so that the sum of squared distances from the levels,
//! plus a penalty per split, is minimal: optimal partitioning (Jackson et al. 2005; Killick, Fearnhead and
//! Eckley 2012 prune the same search for longer series). The noise is estimated from the differences of
//! consecutive days, and single outliers are smoothed by running medians (Tukey 1977). If a straight line
//! fits as well, the change is a trend and not a jump.

use super::{Daily, Kind};
use dragline_insights::stats::{MAD_SCALE, median, theil_sen};

/// Minimum number of days of a level.
const LEAST: usize = 3;
/// Maximum number of days examined; of longer series, the last ones.
const MOST: usize = 500;
/// Minimum size of a reported jump, in logarithms: about a third more or a quarter less.
const SMALLEST: f64 = 0.28;
/// The same for a share, as an absolute difference.
const SMALLEST_SHARE: f64 = 0.03;

/// A jump: the first days of the old and the new level, and the end of the new level.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Jump {
    pub(crate) since: usize,
    pub(crate) at: usize,
    pub(crate) until: usize,
}

/// The jumps of a series; `values` are its values without the weekly pattern.
pub(super) fn jumps(daily: &Daily, values: &[f64]) -> Vec<Jump> {
    let skipped = values.len().saturating_sub(MOST);
    let raw = daily.scaled(&values[skipped..]);
    if raw.len() < 2 * LEAST {
        return Vec::new();
    }
    let (floor, smallest) = if daily.kind == Kind::Share {
        (0.005, SMALLEST_SHARE)
    } else {
        (0.05, SMALLEST)
    };
    let steps: Vec<f64> = raw
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .collect();
    let noise = median(&steps).unwrap_or(0.0) * MAD_SCALE / std::f64::consts::SQRT_2;
    // The minimum noise of counts: small counts always vary.
    let chance = if daily.kind == Kind::Count {
        1.0 / (median(values).unwrap_or(0.0) + 1.0).sqrt()
    } else {
        0.0
    };
    let noise = noise.max(floor).max(chance);
    let smooth = running_median(&raw);
    let unit: Vec<f64> = smooth.iter().map(|value| value / noise).collect();
    let price = 3.0 * (unit.len() as f64).ln();
    let (cuts, cost) = partition(&unit, price);
    if line_cost(&daily.days[skipped..], &unit) + price <= cost {
        return Vec::new();
    }
    let cuts = worth_saying(&smooth, cuts, smallest);
    let mut bounds = vec![0];
    bounds.extend(&cuts);
    bounds.push(raw.len());
    let jumps = bounds.windows(3).map(|three| Jump {
        since: three[0] + skipped,
        at: three[1] + skipped,
        until: three[2] + skipped,
    });
    jumps.collect()
}

/// The running median of each value and the two on either side.
fn running_median(values: &[f64]) -> Vec<f64> {
    let last = values.len() - 1;
    let around = |at: usize| {
        // At the ends, use equally many values on both sides.
        let reach = at.min(last - at).min(2);
        median(&values[at - reach..=at + reach]).unwrap_or(values[at])
    };
    (0..values.len()).map(around).collect()
}

/// The optimal splits, and their total cost including penalties.
fn partition(values: &[f64], price: f64) -> (Vec<usize>, f64) {
    let count = values.len();
    let mut sums = vec![(0.0, 0.0); count + 1];
    for (at, value) in values.iter().enumerate() {
        let (sum, squares) = sums[at];
        sums[at + 1] = (sum + value, squares + value * value);
    }
    let cost = |from: usize, to: usize| {
        let (sum, squares) = (sums[to].0 - sums[from].0, sums[to].1 - sums[from].1);
        (squares - sum * sum / (to - from) as f64).max(0.0)
    };
    // For each position, the minimum cost up to it and the start of its last segment.
    let mut best = vec![(f64::INFINITY, 0); count + 1];
    best[0] = (-price, 0);
    for to in LEAST..=count {
        for from in 0..=to - LEAST {
            let total = best[from].0 + price + cost(from, to);
            if total < best[to].0 {
                best[to] = (total, from);
            }
        }
    }
    let mut cuts = Vec::new();
    let mut at = best[count].1;
    while at > 0 {
        cuts.push(at);
        at = best[at].1;
    }
    cuts.reverse();
    (cuts, best[count].0)
}

/// The cost of fitting a straight line.
fn line_cost(days: &[f64], values: &[f64]) -> f64 {
    let slope = theil_sen(days, values).unwrap_or(0.0);
    let rest: Vec<f64> = values
        .iter()
        .zip(days)
        .map(|(y, x)| y - slope * x)
        .collect();
    let level = median(&rest).unwrap_or(0.0);
    rest.iter().map(|value| (value - level).powi(2)).sum()
}

/// Removes the smallest jump until all remaining jumps are large enough.
fn worth_saying(values: &[f64], mut cuts: Vec<usize>, smallest: f64) -> Vec<usize> {
    loop {
        let mut bounds = vec![0];
        bounds.extend(&cuts);
        bounds.push(values.len());
        let levels: Vec<f64> = bounds
            .windows(2)
            .map(|pair| median(&values[pair[0]..pair[1]]).unwrap_or(0.0))
            .collect();
        let sizes = levels.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        match sizes.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)) {
            Some((place, size)) if size < smallest => cuts.remove(place),
            _ => return cuts,
        };
    }
}
