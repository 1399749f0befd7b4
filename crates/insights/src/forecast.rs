//! When a running run is expected to end, and with how many items: bands that hold nine of ten runs.
//!
//! Nothing is assumed about how durations are distributed. Each finished run is divided by what the runs before it let
//! expect (their trend over the last [`WINDOW`] runs, on the logarithmic scale). Of these ratios, those of runs that had
//! not ended at the same stage are kept; the running run is one more of them, at a rank that is as likely as any
//! other. So the band from the k-th smallest to the k-th largest of n ratios holds it with a probability of
//! 1 − 2k / (n + 1), whatever the distribution (conformal prediction: Vovk, Gammerman and Shafer 2005). That needs at
//! least [`LEAST`] runs at that stage; with fewer, a band of 90 % is not known.
//!
//! ```
//! use dragline_insights::{NoForecast, PastRun, forecast};
//!
//! let past = |n: usize| (0..n).map(|n| PastRun { seconds: 600.0 + n as f64 % 7.0 * 20.0, items: Some(100.0) }).collect::<Vec<_>>();
//! let ends = forecast(&past(40), 60.0, 9.0).unwrap().seconds;
//! assert!(550.0 < ends.lower && ends.lower < ends.middle && ends.middle < ends.upper && ends.upper < 800.0, "{ends:?}");
//! assert_eq!(forecast(&past(12), 60.0, 9.0), Err(NoForecast::FewRuns(12)));
//! assert_eq!(forecast(&past(40), 3600.0, 9.0), Err(NoForecast::FewAsLong(0)));
//! ```

/// The share of runs that a band holds.
pub const BAND_SHARE: f64 = 0.9;
/// Minimum number of earlier runs at the same stage: with n of them, the widest band holds 1 − 2 / (n + 1).
const LEAST: usize = 19;
/// Minimum number of runs that a trend is learned from.
const LEARNED: usize = 8;
/// Maximum number of runs that a trend is learned from.
const WINDOW: usize = 30;

/// A finished run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PastRun {
    /// How long it took.
    pub seconds: f64,
    /// How many items it made; `None` if unknown.
    pub items: Option<f64>,
}

/// An expected value, and the band that holds [`BAND_SHARE`] of the values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// The median.
    pub middle: f64,
    /// The lower end.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
}

/// What a running run is expected to come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RunForecast {
    /// Its duration, in seconds.
    pub seconds: Band,
    /// Its items; `None` if too few of the earlier runs tell them.
    pub items: Option<Band>,
}

/// Why a run cannot be predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoForecast {
    /// Too few runs have finished.
    #[error("only {0} runs have finished, and a band of 90 % needs {LEAST}")]
    FewRuns(usize),
    /// Nearly all finished runs had ended at this stage.
    #[error("only {0} of the finished runs lasted this long, and a band of 90 % needs {LEAST}")]
    FewAsLong(usize),
}

/// Forecasts a run that has lasted `elapsed` seconds and made `items` items, from the finished runs of its scraper,
/// oldest first.
///
/// # Errors
/// If too few runs have finished, or lasted this long.
pub fn forecast(past: &[PastRun], elapsed: f64, items: f64) -> Result<RunForecast, NoForecast> {
    let is_known = |run: &&PastRun| run.seconds.is_finite() && run.seconds >= 0.0;
    let past: Vec<&PastRun> = past.iter().filter(is_known).collect();
    if past.len() < LEAST {
        return Err(NoForecast::FewRuns(past.len()));
    }
    let durations: Vec<f64> = past.iter().map(|run| scaled(run.seconds)).collect();
    let (expected, ratios) = ratios(&durations);
    let stage = scaled(elapsed.max(0.0)) - expected;
    let is_as_long = |ratio: &Option<f64>| ratio.is_some_and(|ratio| ratio > stage);
    let is_kept: Vec<bool> = ratios.iter().map(is_as_long).collect();
    let own: Vec<f64> = ratios
        .iter()
        .copied()
        .flatten()
        .filter(|ratio| *ratio > stage)
        .collect();
    let few = NoForecast::FewAsLong(own.len());
    let seconds = band(expected, own, elapsed).ok_or(few)?;
    Ok(RunForecast {
        seconds,
        items: items_of(&past, &is_kept, items),
    })
}

/// The band of the items, from the runs that lasted as long.
fn items_of(past: &[&PastRun], is_kept: &[bool], so_far: f64) -> Option<Band> {
    let told = past.iter().zip(is_kept);
    let told = told.filter_map(|(run, is_kept)| Some((scaled(run.items?), *is_kept)));
    let (counts, is_kept): (Vec<f64>, Vec<bool>) = told.unzip();
    let (expected, ratios) = ratios(&counts);
    let own = ratios.iter().zip(is_kept).filter(|(_, is_kept)| *is_kept);
    band(
        expected,
        own.filter_map(|(ratio, _)| *ratio).collect(),
        so_far,
    )
}

fn scaled(value: f64) -> f64 {
    (value + 1.0).ln()
}

/// What the next value is expected to be and, for each value, how far it was from what was expected of it; all on the
/// logarithmic scale. With few values, what is expected is their median.
fn ratios(values: &[f64]) -> (f64, Vec<Option<f64>>) {
    if values.len() < LEARNED + LEAST {
        let middle = crate::stats::median(values).unwrap_or(0.0);
        return (
            middle,
            values.iter().map(|value| Some(value - middle)).collect(),
        );
    }
    let expected = |run: usize| {
        let before = &values[run.saturating_sub(WINDOW)..run];
        (before.len() >= LEARNED).then(|| next_of(before))
    };
    let ratio = |run: usize| expected(run).map(|expected| values[run] - expected);
    let ratios = (0..values.len()).map(ratio).collect();
    (expected(values.len()).unwrap_or(0.0), ratios)
}

/// The value that follows on the line through the values (least squares).
fn next_of(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let (middle, mean) = ((count - 1.0) / 2.0, values.iter().sum::<f64>() / count);
    let (mut slope, mut width) = (0.0, 0.0);
    for (place, value) in values.iter().enumerate() {
        let distance = place as f64 - middle;
        slope += distance * (value - mean);
        width += distance * distance;
    }
    mean + slope / width * (count - middle)
}

/// The band of the ratios around what is expected, which is not below what was already reached.
fn band(expected: f64, mut ratios: Vec<f64>, least: f64) -> Option<Band> {
    if ratios.len() < LEAST {
        return None;
    }
    ratios.sort_by(f64::total_cmp);
    let count = ratios.len();
    let rank = ((1.0 - BAND_SHARE) / 2.0 * (count + 1) as f64 + 1e-9) as usize;
    let value = |ratio: f64| ((expected + ratio).exp() - 1.0).max(least);
    Some(Band {
        middle: value(f64::midpoint(ratios[(count - 1) / 2], ratios[count / 2])),
        lower: value(ratios[rank - 1]),
        upper: value(ratios[count - rank]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn run(seconds: f64, items: Option<f64>) -> PastRun {
        PastRun { seconds, items }
    }

    #[test]
    fn a_band_grows_with_the_runs() {
        let past: Vec<PastRun> = (0..40)
            .map(|n| run(100.0 * 1.1_f64.powi(n), Some(10.0 * 1.1_f64.powi(n))))
            .collect();
        let found = forecast(&past, 0.0, 0.0).unwrap();
        let expected = 100.0 * 1.1_f64.powi(40);
        assert!(
            (found.seconds.middle / expected - 1.0).abs() < 0.01,
            "{found:?}"
        );
        assert!(
            (found.items.unwrap().middle / (expected / 10.0) - 1.0).abs() < 0.1,
            "{found:?}"
        );
    }

    #[test]
    fn nothing_is_below_what_was_reached() {
        let past: Vec<PastRun> = (0..60)
            .map(|n| run(f64::from(n % 10) * 60.0 + 300.0, Some(f64::from(n % 10))))
            .collect();
        let found = forecast(&past, 420.0, 7.5).unwrap();
        assert!(found.seconds.lower >= 420.0, "{found:?}");
        assert!(found.items.unwrap().lower >= 7.5, "{found:?}");
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let mut past = vec![run(600.0, None); 30];
        assert_eq!(forecast(&past, 10.0, 0.0).unwrap().items, None);
        past.iter_mut()
            .take(10)
            .for_each(|run| run.items = Some(5.0));
        assert_eq!(forecast(&past, 10.0, 0.0).unwrap().items, None);
        past[3].seconds = f64::NAN;
        assert!(forecast(&past, 10.0, 0.0).is_ok());
        assert_eq!(forecast(&past[..5], 10.0, 0.0), Err(NoForecast::FewRuns(4)));
        assert_eq!(forecast(&past, 700.0, 0.0), Err(NoForecast::FewAsLong(0)));
        // Runs without any difference end when all others did.
        let same = forecast(&past, 0.0, 0.0).unwrap().seconds;
        assert!(
            (same.lower - 600.0).abs() < 1e-6 && (same.upper - 600.0).abs() < 1e-6,
            "{same:?}"
        );
    }
}
