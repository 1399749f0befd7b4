//! Statistics that are robust against outliers.

use statrs::function::erf::erfc;

/// The median; `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let is_odd = values.len() % 2 == 1;
    // A partial selection is enough; no full sort is needed.
    let (lower, value, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let below = lower.iter().copied().max_by(f64::total_cmp);
    Some(
        below
            .filter(|_| !is_odd)
            .map_or(*value, |below| f64::midpoint(below, *value)),
    )
}

/// Converts a median absolute deviation to a standard deviation, for normal noise (1 / Φ⁻¹(3/4)).
pub const MAD_SCALE: f64 = 1.4826;

/// With more points than this, only some pairs are used.
const ALL_PAIRS: usize = 60;

/// The median of the slopes between all pairs of points (Theil 1950, Sen 1968). With more than 60 points,
/// only pairs about half the points apart are used, which carry the most information (Theil's incomplete
/// method).
pub fn theil_sen(xs: &[f64], ys: &[f64]) -> Option<f64> {
    let n = xs.len().min(ys.len());
    let from = if n > ALL_PAIRS { n / 2 } else { 1 };
    let mut slopes = Vec::new();
    for i in 0..n {
        for j in (i + from)..n {
            if n > ALL_PAIRS && j > i + from + 7 {
                break;
            }
            if xs[j] > xs[i] {
                slopes.push((ys[j] - ys[i]) / (xs[j] - xs[i]));
            }
        }
    }
    median(&slopes)
}

/// A monotonic trend in evenly spaced values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// The median of the slopes between all pairs of values (Theil 1950, Sen 1968).
    pub slope: f64,
    /// The two-sided probability of this many concordant pairs by chance (Mann 1945, Kendall 1975),
    /// corrected for ties.
    pub p_value: f64,
    /// The value of the trend line at the first point.
    pub start: f64,
}

/// The trend of the values `ys` at the positions `xs`; `None` with fewer than eight values, or if all are equal.
pub fn trend(xs: &[f64], ys: &[f64]) -> Option<Trend> {
    let n = ys.len();
    if n < 8 || xs.len() != n {
        return None;
    }
    let mut slopes = Vec::with_capacity(n * (n - 1) / 2);
    let mut score: f64 = 0.0;
    for i in 0..n {
        for j in i + 1..n {
            slopes.push((ys[j] - ys[i]) / (xs[j] - xs[i]));
            score += match ys[j].total_cmp(&ys[i]) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Less => -1.0,
                std::cmp::Ordering::Equal => 0.0,
            };
        }
    }
    let count = n as f64;
    let mut variance = count * (count - 1.0) * (2.0 * count + 5.0);
    let mut sorted = ys.to_vec();
    sorted.sort_by(f64::total_cmp);
    for tied in sorted.chunk_by(|a, b| a.total_cmp(b).is_eq()) {
        let t = tied.len() as f64;
        variance -= t * (t - 1.0) * (2.0 * t + 5.0);
    }
    let variance = variance / 18.0;
    if variance <= 0.0 {
        return None;
    }
    // Continuity correction: the score is discrete.
    let z = (score.abs() - 1.0).max(0.0) / variance.sqrt();
    let slope = median(&slopes)?;
    let intercepts: Vec<f64> = xs.iter().zip(ys).map(|(x, y)| y - slope * x).collect();
    let start = median(&intercepts)? + slope * xs[0];
    Some(Trend {
        slope,
        p_value: erfc(z / std::f64::consts::SQRT_2),
        start,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_ignore_an_outlier() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0, 100.0]), Some(2.5));
    }

    #[test]
    fn a_trend_is_found_and_noise_is_none() {
        let xs: Vec<f64> = (0..14).map(f64::from).collect();
        let rising: Vec<f64> = xs
            .iter()
            .map(|x| 100.0 + 5.0 * x + (x * 7.0) % 3.0)
            .collect();
        let found = trend(&xs, &rising).unwrap();
        assert!(
            (found.slope - 5.0).abs() < 0.5 && found.p_value < 0.001,
            "{found:?}"
        );
        let noise: Vec<f64> = xs.iter().map(|x| 100.0 + (x * 7.0) % 5.0).collect();
        assert!(trend(&xs, &noise).unwrap().p_value > 0.05);
        assert_eq!(trend(&xs, &[7.0; 14]), None);
        assert_eq!(trend(&xs[..5], &rising[..5]), None);
    }
}
