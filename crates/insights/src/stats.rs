//! Statistics that do not mind outliers.

use statrs::function::erf::erfc;

/// The median; `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let is_odd = values.len() % 2 == 1;
    // Half of them need not be sorted to know what stands between the halves.
    let (lower, value, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let below = lower.iter().copied().max_by(f64::total_cmp);
    Some(
        below
            .filter(|_| !is_odd)
            .map_or(*value, |below| f64::midpoint(below, *value)),
    )
}

/// A standard deviation in median absolute deviations under normal noise (the factor is 1 / Φ⁻¹(3/4)).
pub const MAD_SCALE: f64 = 1.4826;

/// With more points, not all pairs are looked at.
const ALL_PAIRS: usize = 60;

/// The median of all slopes between two points (Theil 1950, Sen 1968); of more than 60 points, of
/// those between points that lie half of them apart, which tell the most (Theil's incomplete method).
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
    /// The median of all slopes between two values (Theil 1950, Sen 1968).
    pub slope: f64,
    /// The probability of so many concordant pairs by chance, two-sided (Mann 1945, Kendall 1975),
    /// with the correction for ties.
    pub p_value: f64,
    /// Where the line through the median begins.
    pub start: f64,
}

/// Finds the trend of at least eight values; the last but `xs` need not be evenly spaced.
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
    // One step towards zero: the score is discrete.
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
