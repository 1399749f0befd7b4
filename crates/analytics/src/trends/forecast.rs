//! Forecasts of daily values.
//!
//! The logarithms of the values are decomposed into a weekly pattern and a remainder (MSTL: Bandara, Hyndman
//! and Bergmeir 2021, with robust loess). The remainder is forecast by exponential smoothing with a damped
//! trend (ETS: Hyndman, Koehler, Snyder and Grose 2002; Gardner and McKenzie 1985). Backtests measure the
//! error: forecasts from earlier days are compared with the actual values. The range is never narrower than
//! these errors imply.

use augurs::ets::AutoETS;
use augurs::mstl::{MSTLModel, stlrs};
use augurs::{Fit as _, Predict as _};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// Minimum number of days for a forecast; with fewer, its error cannot be measured.
pub(crate) const LEAST: usize = 21;
/// Minimum number of days for a backtest forecast: two weeks, to contain a weekly pattern.
const TWO_WEEKS: usize = 14;
/// Maximum number of days used.
const MOST: usize = 180;
/// Number of backtest forecasts.
const BACKTESTS: usize = 3;
/// Number of days per backtest forecast.
const WEEK: usize = 7;
/// The logarithm of five: the maximum width of a usable range.
const FIVE_TIMES: f64 = 1.609;
/// The confidence level of the range.
const LEVEL: f64 = 0.95;
/// The effective number of independent errors per week, which is below seven because they are correlated.
const WEEKS_ERRORS: f64 = 5.0;

/// A forecast.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// The forecast values, day by day.
    pub days: Vec<Range>,
    /// The backtest error: the sum of absolute errors, relative to the sum of the values.
    pub error: Option<f64>,
}

/// A forecast value with its range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The expected value.
    pub mean: f64,
    /// The lower end of the 95 % range.
    pub lower: f64,
    /// The upper end of the 95 % range.
    pub upper: f64,
}

/// Forecasts `horizon` days from the preceding non-negative daily values; `None` if there are too few values,
/// all are zero, or the forecast would be too imprecise.
pub fn forecast(values: &[f64], horizon: usize) -> Option<Forecast> {
    let values = &values[values.len().saturating_sub(MOST)..];
    if values.len() < LEAST || values.iter().all(|value| *value == 0.0) {
        return None;
    }
    let logs: Vec<f64> = values.iter().map(|value| value.ln_1p()).collect();
    let made = smooth(&logs, horizon)?;
    let past = backtest(values, &logs)?;
    // A forecast that may be off by a factor of five is useless.
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

/// The errors of forecasts for past weeks.
struct Past {
    /// The absolute error relative to the sum of the values; `None` if that is zero.
    error: Option<f64>,
    /// The root mean square error of the logarithms.
    deviation: f64,
    weeks: f64,
}

impl Past {
    /// Half the width of the range that these errors imply (Student's t).
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

/// Forecasts the logarithms of the next `horizon` days.
fn smooth(logs: &[f64], horizon: usize) -> Option<Vec<Range>> {
    let first = *logs.first()?;
    if logs.iter().all(|log| (log - first).abs() < 1e-9) {
        // A constant series needs no model, and none can be fitted.
        let range = Range {
            mean: first,
            lower: first,
            upper: first,
        };
        return Some(vec![range; horizon]);
    }
    // Errors are additive on the log scale. The trend is damped because no trend continues indefinitely.
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
