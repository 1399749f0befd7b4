//! When a level jumped.
//!
//! The days are cut into stretches of one level each so that their squared distances from it, with a
//! price for every cut, are the least that any cutting gives: optimal partitioning (Jackson et al.
//! 2005; Killick, Fearnhead and Eckley 2012 prune the same search for longer series than these). The
//! noise is known by the differences of neighbours, single days are smoothed away by running medians
//! (Tukey 1977), and where a straight line does as well there is no jump but a trend.

use super::{Daily, Kind};
use dragline_insights::stats::{MAD_SCALE, median, theil_sen};

/// A level that holds for fewer days is none.
const LEAST: usize = 3;
/// Longer series are looked at by their last days.
const MOST: usize = 500;
/// A jump by less than this is not worth a word: of logarithms, a third more or a quarter less.
const SMALLEST: f64 = 0.28;
/// The same of a share, in points.
const SMALLEST_SHARE: f64 = 0.03;

/// A jump: the first day of the new level, and how far the levels reach.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Jump {
    pub(crate) since: usize,
    pub(crate) at: usize,
    pub(crate) until: usize,
}

/// The jumps of a series whose values without the pattern of the week are these.
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
    // What chance alone does to counts: few are never steady.
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

/// The median of each value and the two on either side.
fn running_median(values: &[f64]) -> Vec<f64> {
    let last = values.len() - 1;
    let around = |at: usize| {
        // At the ends as many on one side as on the other.
        let reach = at.min(last - at).min(2);
        median(&values[at - reach..=at + reach]).unwrap_or(values[at])
    };
    (0..values.len()).map(around).collect()
}

/// The cheapest cuts, and what they cost, their price included.
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
    // The cheapest way to each place, and where its last stretch begins.
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

/// What the distances from a straight line cost.
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

/// Takes away the smallest jump until all are large enough.
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
