//! The days to come.
//!
//! Logarithms of the days are decomposed into their weeks and the rest (MSTL: Bandara, Hyndman and
//! Bergmeir 2021, with robust loess), where there are three weeks; the rest, or all of it, goes on by
//! exponential smoothing, whose form is chosen by its likelihood (ETS: Hyndman, Koehler, Snyder and
//! Grose 2002). How wrong that would have been is measured: forecasts are made from earlier days and
//! compared with what came. The range is never narrower than these errors.

use augurs::ets::AutoETS;
use augurs::mstl::{MSTLModel, stlrs};
use augurs::{Fit as _, Predict as _};

/// From fewer days nothing is foretold.
pub(crate) const LEAST: usize = 14;
/// From fewer there is no pattern of the week.
const THREE_WEEKS: usize = 21;
/// More days are not needed.
const MOST: usize = 180;
/// So many forecasts are made of the past.
const BACKTESTS: usize = 3;
/// They are of so many days.
const WEEK: usize = 7;
/// The range holds 95 of 100.
const LEVEL: f64 = 0.95;
/// Its half width in standard deviations.
const WIDTH: f64 = 1.96;

/// What is to come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forecast {
    /// Day by day.
    pub(crate) days: Vec<Range>,
    /// The sum of the errors of such forecasts' days, relative to the sum of the days.
    pub(crate) error: Option<f64>,
}

/// A value to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Range {
    pub(crate) mean: f64,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

/// Foretells so many days from those before, which are never negative; `None` from too few, or when
/// all are zero.
pub(crate) fn forecast(values: &[f64], horizon: usize) -> Option<Forecast> {
    let values = &values[values.len().saturating_sub(MOST)..];
    if values.len() < LEAST || values.iter().all(|value| *value == 0.0) {
        return None;
    }
    let logs: Vec<f64> = values.iter().map(|value| value.ln_1p()).collect();
    let made = smooth(&logs, horizon)?;
    let past = backtest(values, &logs);
    let widest = past.as_ref().map_or(0.0, |past| WIDTH * past.deviation);
    let days = made.into_iter().map(|range| {
        let lower = range.lower.min(range.mean - widest);
        let upper = range.upper.max(range.mean + widest);
        let raw = |log: f64| log.min(60.0).exp_m1().max(0.0);
        Range {
            mean: raw(range.mean),
            lower: raw(lower),
            upper: raw(upper),
        }
    });
    Some(Forecast {
        days: days.collect(),
        error: past.and_then(|past| past.error),
    })
}

/// How wrong forecasts of weeks that are over would have been.
struct Past {
    /// Relative to the sum of the days; `None` when that is zero.
    error: Option<f64>,
    /// Of the logarithms, the root of the mean square.
    deviation: f64,
}

fn backtest(values: &[f64], logs: &[f64]) -> Option<Past> {
    // From fewer days the pattern of the week is not seen: that is another model.
    let least = if values.len() >= THREE_WEEKS {
        THREE_WEEKS
    } else {
        LEAST
    };
    let (mut off, mut sum, mut squares, mut days) = (0.0, 0.0, 0.0, 0);
    for back in 1..=BACKTESTS {
        let Some(from) = values
            .len()
            .checked_sub(back * WEEK)
            .filter(|n| *n >= least)
        else {
            break;
        };
        let made = smooth(&logs[..from], WEEK)?;
        for (range, at) in made.iter().zip(from..) {
            off += (range.mean.min(60.0).exp_m1().max(0.0) - values[at]).abs();
            sum += values[at];
            squares += (range.mean - logs[at]).powi(2);
            days += 1;
        }
    }
    (days > 0).then(|| Past {
        error: (sum > 0.0).then(|| off / sum),
        deviation: (squares / f64::from(days)).sqrt(),
    })
}

/// The logarithms of the days to come.
fn smooth(logs: &[f64], horizon: usize) -> Option<Vec<Range>> {
    let first = *logs.first()?;
    if logs.iter().all(|log| (log - first).abs() < 1e-9) {
        // What never moves needs no model, and has none.
        let range = Range {
            mean: first,
            lower: first,
            upper: first,
        };
        return Some(vec![range; horizon]);
    }
    // Errors add up on the logarithms; a trend may be damped.
    let ets = AutoETS::new(1, "AZN").ok()?;
    let made = if logs.len() >= THREE_WEEKS {
        let mut loess = stlrs::params();
        let mut params = stlrs::MstlParams::new();
        params.stl_params(loess.robust(true).clone());
        let model = MSTLModel::new(vec![WEEK], ets.into_trend_model()).mstl_params(params);
        let fitted = model.fit(logs).ok()?;
        fitted.predict(horizon, LEVEL).ok()?
    } else {
        ets.fit(logs).ok()?.predict(horizon, LEVEL).ok()?
    };
    let (lower, upper) = made.intervals.map_or_else(
        || (made.point.clone(), made.point.clone()),
        |i| (i.lower, i.upper),
    );
    let days = made.point.iter().zip(lower).zip(upper);
    let ranges = days.map(|((mean, lower), upper)| Range {
        mean: *mean,
        lower,
        upper,
    });
    let ranges: Vec<Range> = ranges.collect();
    ranges
        .iter()
        .all(|range| range.mean.is_finite())
        .then_some(ranges)
}
