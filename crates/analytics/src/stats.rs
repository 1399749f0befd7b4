//! Statistics that do not mind outliers.

/// The median; `None` without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// What is normal: the median, and how far values usually lie from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Normal {
    pub(crate) median: f64,
    /// The median absolute deviation, scaled to a standard deviation's size under normal noise
    /// (Hampel 1974; the factor is 1 / Φ⁻¹(3/4)).
    pub(crate) spread: f64,
}

/// A standard deviation in median absolute deviations.
const MAD_SCALE: f64 = 1.4826;

impl Normal {
    /// Learns from at least `least` values.
    pub(crate) fn learn(values: &[f64], least: usize) -> Option<Self> {
        if values.len() < least {
            return None;
        }
        let median = median(values)?;
        let deviations: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        Some(Self {
            median,
            spread: self::median(&deviations)? * MAD_SCALE,
        })
    }

    /// Three spreads to both sides, never below zero.
    pub(crate) fn range(&self) -> (f64, f64) {
        (
            (self.median - 3.0 * self.spread).max(0.0),
            self.median + 3.0 * self.spread,
        )
    }
}

/// A monotonic trend in evenly spaced values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trend {
    /// The median of all slopes between two values (Theil 1950, Sen 1968).
    pub(crate) slope: f64,
    /// The probability of so many concordant pairs by chance, two-sided (Mann 1945, Kendall 1975),
    /// with the correction for ties.
    pub(crate) p_value: f64,
    /// Where the line through the median begins.
    pub(crate) start: f64,
}

/// Finds the trend of at least eight values; the last but `xs` need not be evenly spaced.
pub(crate) fn trend(xs: &[f64], ys: &[f64]) -> Option<Trend> {
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

/// The complementary error function, to 1.2e-7 (Press et al., *Numerical Recipes*, 6.2).
fn erfc(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.5 * x.abs());
    let poly = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let sum = poly
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * t + coefficient);
    let tail = t * (-x * x + sum).exp();
    if x >= 0.0 { tail } else { 2.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ranges_ignore_an_outlier() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0, 100.0]), Some(2.5));
        let normal = Normal::learn(&[10.0, 11.0, 9.0, 10.0, 10.5, 1000.0], 5).unwrap();
        assert!(normal.range().1 < 20.0, "{normal:?}");
        assert_eq!(Normal::learn(&[1.0, 2.0], 5), None);
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

    /// Known values of the error function.
    #[test]
    fn erfc_is_right() {
        for (x, expected) in [
            (0.0, 1.0),
            (0.5, 0.479_500_1),
            (1.0, 0.157_299_2),
            (2.0, 0.004_677_7),
        ] {
            assert!((erfc(x) - expected).abs() < 1e-6, "{x}");
        }
    }
}
