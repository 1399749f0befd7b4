//! The weekly pattern of a metric.
//!
//! The effect of a day of the week is the median deviation of its days from the mean of the seven days around
//! them. The share of the variation that this explains is the strength of Wang, Smith and Hyndman (2006).

use super::{Daily, Kind};
use dragline_insights::stats::{MAD_SCALE, median};
use dragline_insights::{DAY, weekday};

/// Minimum number of days: three weeks.
const LEAST: usize = 21;
/// Minimum strength of a pattern.
const WEAKEST: f64 = 0.4;

const NAMES: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// A weekly pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seasonality {
    /// The share of the variation that it explains, 0 to 1.
    pub strength: f64,
    /// The day with the highest values: `Monday` to `Sunday`.
    pub highest: &'static str,
    /// The day with the lowest values.
    pub lowest: &'static str,
}

/// A weekly pattern, on the scale of [`Daily::scaled`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Week {
    /// The effect of each day of the week, Monday first.
    effects: [f64; 7],
    strength: f64,
}

/// The weekly pattern; `None` if there is none.
pub(super) fn week(daily: &Daily) -> Option<Week> {
    let values = daily.scaled(&daily.values);
    if values.len() < LEAST {
        return None;
    }
    // The deviation of each day from the mean of the week around it.
    let beyond: Vec<(usize, f64)> = (3..values.len() - 3)
        .map(|day| {
            let around = values[day - 3..=day + 3].iter().sum::<f64>() / 7.0;
            (weekday_of(daily.days[day]), values[day] - around)
        })
        .collect();
    let mut effects = [0.0; 7];
    for (weekday, effect) in effects.iter_mut().enumerate() {
        let own: Vec<f64> = beyond
            .iter()
            .filter(|(day, _)| *day == weekday)
            .map(|(_, beyond)| *beyond)
            .collect();
        *effect = median(&own)?;
    }
    let strength = strength(&beyond, &effects)?;
    (strength >= WEAKEST).then_some(Week { effects, strength })
}

/// The share of the variation that the pattern explains: one minus the share that remains without the pattern.
/// Outliers are excluded.
fn strength(beyond: &[(usize, f64)], effects: &[f64; 7]) -> Option<f64> {
    let rest: Vec<f64> = beyond
        .iter()
        .map(|(day, value)| value - effects[*day])
        .collect();
    let sizes: Vec<f64> = rest.iter().map(|value| value.abs()).collect();
    let limit = (4.0 * MAD_SCALE * median(&sizes)?).max(1e-6);
    let kept = || {
        beyond
            .iter()
            .zip(&rest)
            .filter(|(_, rest)| rest.abs() <= limit)
    };
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let left = square(&mut kept().map(|(_, rest)| *rest));
    let whole = square(&mut kept().map(|((_, value), _)| *value));
    // Medians of a few days also fit noise, so subtract the share of pure noise that they would explain.
    let lost = 7.0 / kept().count() as f64;
    (whole > 1e-9).then(|| 1.0 - left / whole / (1.0 - lost).max(0.1))
}

fn weekday_of(day: f64) -> usize {
    weekday(day as i64 * DAY) as usize
}

impl Week {
    /// The values without the pattern, in the metric's unit.
    pub(super) fn taken_out(&self, daily: &Daily) -> Vec<f64> {
        let scaled = daily.scaled(&daily.values);
        let without = scaled.iter().zip(&daily.days).map(|(value, day)| {
            let value = value - self.effects[weekday_of(*day)];
            if daily.kind == Kind::Share {
                value
            } else {
                value.exp_m1().max(0.0)
            }
        });
        without.collect()
    }

    /// Converts the pattern to its public summary.
    pub(super) fn told(&self) -> Seasonality {
        let by_size = |a: &(usize, &f64), b: &(usize, &f64)| a.1.total_cmp(b.1);
        let highest = self.effects.iter().enumerate().max_by(by_size);
        let lowest = self.effects.iter().enumerate().min_by(by_size);
        let name = |day: Option<(usize, &f64)>| NAMES[day.map_or(0, |(day, _)| day)];
        Seasonality {
            strength: self.strength,
            highest: name(highest),
            lowest: name(lowest),
        }
    }
}
