//! The days to come.
//!
//! Logarithms of the days are decomposed into their weeks and the rest (MSTL: Bandara, Hyndman and
//! Bergmeir 2021, with robust loess); the rest goes on by exponential smoothing with a damped trend (ETS:
//! Hyndman, Koehler, Snyder and Grose 2002; Gardner and McKenzie 1985). How wrong that would have been
//! is measured: forecasts are made from earlier days and compared with what came. The range is never
//! narrower than these errors let expect.

use augurs::ets::AutoETS;
use augurs::mstl::{MSTLModel, stlrs};
use augurs::{Fit as _, Predict as _};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// From fewer days nothing is foretold: it could not be told how wrong that is.
pub(crate) const LEAST: usize = 21;
/// Forecasts of the past are made from so many days at least: two weeks have a pattern.
const TWO_WEEKS: usize = 14;
/// More days are not needed.
const MOST: usize = 180;
/// So many forecasts are made of the past.
const BACKTESTS: usize = 3;
/// They are of so many days.
const WEEK: usize = 7;
/// The logarithm of five.
const FIVE_TIMES: f64 = 1.609;
/// The range holds 95 of 100.
const LEVEL: f64 = 0.95;
/// The errors of a week's days are not seven but about so many, as they go together.
const WEEKS_ERRORS: f64 = 5.0;

/// What is to come.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Day by day.
    pub days: Vec<Range>,
    /// The sum of the errors of such forecasts' days, relative to the sum of the days.
    pub error: Option<f64>,
}

/// A value to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The most likely.
    pub mean: f64,
    /// 95 of 100 lie from here
    pub lower: f64,
    /// to here.
    pub upper: f64,
}

/// Foretells so many days from those before, which are never negative; `None` from too few, or when
/// all are zero.
pub fn forecast(values: &[f64], horizon: usize) -> Option<Forecast> {
    let values = &values[values.len().saturating_sub(MOST)..];
    if values.len() < LEAST || values.iter().all(|value| *value == 0.0) {
        return None;
    }
    let logs: Vec<f64> = values.iter().map(|value| value.ln_1p()).collect();
    let made = smooth(&logs, horizon)?;
    let past = backtest(values, &logs)?;
    // Who may be five times off, either way, says nothing.
    let widest = past.half_width().filter(|widest| *widest <= FIVE_TIMES)?;
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
        error: past.error,
    })
}

/// How wrong forecasts of weeks that are over would have been.
struct Past {
    /// Relative to the sum of the days; `None` when that is zero.
    error: Option<f64>,
    /// Of the logarithms, the root of the mean square.
    deviation: f64,
    weeks: f64,
}

impl Past {
    /// So far off are days to come, at most, by these errors (Student's t).
    fn half_width(&self) -> Option<f64> {
        let students = StudentsT::new(0.0, 1.0, WEEKS_ERRORS * self.weeks).ok()?;
        Some(students.inverse_cdf(f64::midpoint(1.0, LEVEL)) * self.deviation)
    }
}

fn backtest(values: &[f64], logs: &[f64]) -> Option<Past> {
    let (mut off, mut sum, mut squares, mut days) = (0.0, 0.0, 0.0, 0);
    for back in 1..=BACKTESTS {
        let Some(from) = values
            .len()
            .checked_sub(back * WEEK)
            .filter(|n| *n >= TWO_WEEKS)
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
        weeks: f64::from(days) / WEEK as f64,
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
    // Errors add up on the logarithms; a trend is damped, as none goes on for ever.
    let ets = AutoETS::new(1, "AAN").ok()?.damped(true).ok()?;
    let mut loess = stlrs::params();
    let mut params = stlrs::MstlParams::new();
    params.stl_params(loess.robust(true).clone());
    let model = MSTLModel::new(vec![WEEK], ets.into_trend_model()).mstl_params(params);
    let made = model.fit(logs).ok()?.predict(horizon, LEVEL).ok()?;
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
