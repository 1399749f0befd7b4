//! Trends of the metrics: directions, jumps, weekly patterns and forecasts.
//!
//! Everything is computed from whole days. A direction is the median of all slopes (Theil 1950, Sen 1968).
//! It is reported only if it is significant (Mann 1945, Kendall 1975) at a false-discovery rate of 1 %
//! (Benjamini and Hochberg 1995), after the weekly pattern has been removed ([`season`]). Jumps are found
//! by optimal partitioning ([`jumps`]), and forecasts use exponential smoothing ([`mod@forecast`]). With
//! fewer than eight days, no trend is reported.

mod days;
mod forecast;
mod jumps;
mod season;

use std::collections::BTreeMap;

use crate::frames::{Frames, FramesError};
use dragline_schema::Timestamp;

pub use self::days::{Daily, Kind, whole_days};
pub use self::forecast::{Forecast, Range as ForecastDay, forecast};
pub use self::season::Seasonality;
use dragline_insights::{DAY, Name, stats};

/// Minimum number of days for a trend.
const LEAST_DAYS: usize = 8;
/// Maximum share of reported directions that may be due to chance.
const FALSE_DISCOVERIES: f64 = 0.01;
/// Minimum weekly change, relative to the level, of a reported trend.
const WORTH_SAYING: f64 = 0.05;
/// The same for a share, as an absolute difference.
const WORTH_SAYING_SHARE: f64 = 0.01;
/// Number of days to forecast.
const HORIZON: usize = 7;
/// Number of scrapers, largest first, with a forecast. Forecasts are the most expensive part of a report.
const FORETOLD: usize = 20;

/// The trend of a metric, by whole days.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// The metric: `requests`, `items`, `errors` (per day), `success_rate`, `response_time_ms`, ….
    pub metric: &'static str,
    /// The kind of metric.
    pub kind: Kind,
    /// The scraper; `None` for all scrapers together.
    pub name: Option<Name>,
    /// The number of whole days analysed.
    pub days: u64,
    /// The direction.
    pub direction: Direction,
    /// The change per day; `None` without enough data, like all fields below.
    pub slope_per_day: Option<f64>,
    /// The probability of such a trend by chance.
    pub p_value: Option<f64>,
    /// The slope per week, relative to the level at the start or, if that is not positive, to the median.
    pub growth_per_week: Option<f64>,
    /// The growth from the previous seven days to the last seven days; `None` with fewer than 14 days.
    pub week_over_week: Option<f64>,
    /// The jumps of the level, oldest first.
    pub change_points: Vec<ChangePoint>,
    /// The weekly pattern; `None` with fewer than 21 days, or if there is none.
    pub seasonality: Option<Seasonality>,
    /// The forecast, one entry per day with its midnight (UTC); empty if no forecast is possible.
    pub forecast: Vec<(Timestamp, ForecastDay)>,
    /// The error of past one-week forecasts: the sum of absolute errors, relative to the sum of the values.
    pub backtest_error: Option<f64>,
}

/// The direction of a trend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Increasing.
    Up,
    /// Decreasing.
    Down,
    /// No significant trend.
    Flat,
    /// Fewer than eight days.
    NotEnoughData,
}

impl Direction {
    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Flat => "flat",
            Self::NotEnoughData => "not_enough_data",
        }
    }
}

/// A jump of a level.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangePoint {
    /// The midnight (UTC) at which the first day of the new level starts.
    pub at: Timestamp,
    /// The median of the days before it, back to the previous change point.
    pub before: f64,
    /// The median of the days after it, up to the next change point.
    pub after: f64,
}

/// Computes the trends over the whole days of the period.
///
/// # Errors
/// If the dataframes cannot be processed, which is a bug in Dragline.
pub fn trends(
    frames: &Frames,
    period: Option<(Timestamp, Timestamp)>,
) -> Result<Vec<Trend>, FramesError> {
    let Some((first, last)) = period.and_then(whole_days) else {
        return Ok(Vec::new());
    };
    let all = days::series(frames, first, last)?;
    let forecast = names_to_forecast(&all);
    let mut found = in_parallel(&all, |daily| trend(daily, forecast.contains(&&daily.name)));
    // Judge the main metrics separately, so that additional metrics do not reduce their significance.
    let (mut main, mut more) = found
        .iter_mut()
        .partition::<Vec<&mut Trend>, _>(|trend| days::is_main(trend.metric));
    judge(&mut main);
    judge(&mut more);
    Ok(found)
}

/// Computes the trend of each series, in order, with one thread per processor.
fn in_parallel(all: &[Daily], make: impl Fn(&Daily) -> Trend + Sync) -> Vec<Trend> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = all.len().div_ceil(threads).max(1);
    let make = &make;
    std::thread::scope(|scope| {
        let parts = all.chunks(share);
        let threads: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(make).collect::<Vec<Trend>>()))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<Trend>>| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().flat_map(join).collect()
    })
}

/// The names that get a forecast: all scrapers together, and the scrapers with the most requests and items.
fn names_to_forecast(all: &[Daily]) -> Vec<&Option<Name>> {
    let mut sizes: BTreeMap<&Option<Name>, f64> = BTreeMap::new();
    for daily in all.iter().filter(|daily| has_forecast(daily)) {
        *sizes.entry(&daily.name).or_default() += daily.values.iter().sum::<f64>();
    }
    let mut sized: Vec<(f64, &Option<Name>)> =
        sizes.into_iter().map(|(name, size)| (size, name)).collect();
    sized.sort_by(|a, b| b.0.total_cmp(&a.0));
    sized
        .into_iter()
        .map(|(_, name)| name)
        .take(FORETOLD + 1)
        .collect()
}

/// Whether the metric gets a forecast.
fn has_forecast(daily: &Daily) -> bool {
    matches!(daily.metric, "requests" | "items")
}

fn trend(daily: &Daily, is_large: bool) -> Trend {
    let mut told = Trend {
        metric: daily.metric,
        kind: daily.kind,
        name: daily.name.clone(),
        days: daily.values.len() as u64,
        direction: Direction::NotEnoughData,
        slope_per_day: None,
        p_value: None,
        growth_per_week: None,
        week_over_week: None,
        change_points: Vec::new(),
        seasonality: None,
        forecast: Vec::new(),
        backtest_error: None,
    };
    if daily.values.len() < LEAST_DAYS {
        return told;
    }
    let week = season::week(daily);
    let values = week
        .as_ref()
        .map_or_else(|| daily.values.clone(), |week| week.taken_out(daily));
    told.direction = Direction::Flat;
    if let Some(line) = stats::trend(&daily.days, &values) {
        told.slope_per_day = Some(line.slope);
        told.p_value = Some(line.p_value);
        // A series that starts at zero has no level at its start, so use the median.
        let level = Some(line.start).filter(|start| *start > 0.0);
        let level = level.or(stats::median(&values).filter(|middle| *middle > 0.0));
        told.growth_per_week = level.map(|level| line.slope * 7.0 / level);
    }
    told.week_over_week = week_over_week(daily);
    let jumps = jumps::jumps(daily, &values);
    told.change_points = jumps.iter().map(|jump| change_point(daily, jump)).collect();
    told.seasonality = week.map(|week| week.told());
    if is_large && has_forecast(daily) {
        // Values before the last jump are not representative of the future.
        let since = jumps.last().map_or(0, |jump| jump.at);
        let from = if daily.values.len() - since >= forecast::LEAST {
            since
        } else {
            0
        };
        let tail = &daily.values[from..];
        if let Some(made) = forecast(tail, HORIZON) {
            told.forecast = points(daily, &made);
            told.backtest_error = made.error;
        }
    }
    told
}

/// Sets the direction of trends that are significant over all comparisons.
fn judge(trends: &mut [&mut Trend]) {
    let mut sorted: Vec<f64> = trends.iter().filter_map(|trend| trend.p_value).collect();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len() as f64;
    let limit = (1..)
        .zip(&sorted)
        .filter(|(rank, p)| **p <= FALSE_DISCOVERIES * f64::from(*rank) / count)
        .map(|(_, p)| *p)
        .last();
    for trend in trends {
        let (Some(p), Some(slope)) = (trend.p_value, trend.slope_per_day) else {
            continue;
        };
        let is_worth = if trend.kind == Kind::Share {
            (slope * 7.0).abs() >= WORTH_SAYING_SHARE
        } else {
            trend
                .growth_per_week
                .is_some_and(|growth| growth.abs() >= WORTH_SAYING)
        };
        if is_worth && limit.is_some_and(|limit| p <= limit) {
            trend.direction = if slope > 0.0 {
                Direction::Up
            } else {
                Direction::Down
            };
        }
    }
}

/// The growth from the previous seven days to the last seven days.
fn week_over_week(daily: &Daily) -> Option<f64> {
    let days = daily.values.len();
    if daily.kind != Kind::Count || days < 14 {
        return None;
    }
    let sum = |values: &[f64]| values.iter().sum::<f64>();
    let (before, last) = (
        sum(&daily.values[days - 14..days - 7]),
        sum(&daily.values[days - 7..]),
    );
    (before > 0.0).then(|| last / before - 1.0)
}

fn change_point(daily: &Daily, jump: &jumps::Jump) -> ChangePoint {
    let median =
        |range: std::ops::Range<usize>| stats::median(&daily.values[range]).unwrap_or_default();
    ChangePoint {
        at: midnight(daily.days[jump.at] as i64),
        before: median(jump.since..jump.at),
        after: median(jump.at..jump.until),
    }
}

fn points(daily: &Daily, forecast: &Forecast) -> Vec<(Timestamp, ForecastDay)> {
    let next = daily.days.last().map_or(0, |day| *day as i64 + 1);
    let days = forecast.days.iter();
    (next..)
        .zip(days)
        .map(|(day, range)| (midnight(day), *range))
        .collect()
}

fn midnight(day: i64) -> Timestamp {
    Timestamp::from_micros(day * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daily(values: impl IntoIterator<Item = f64>) -> Daily {
        let values: Vec<f64> = values.into_iter().collect();
        Daily {
            name: None,
            metric: "requests",
            kind: Kind::Count,
            days: (0..values.len()).map(|day| day as f64).collect(),
            values,
        }
    }

    fn of(values: impl IntoIterator<Item = f64>) -> Trend {
        let mut trends = [trend(&daily(values), true)];
        let [told] = &mut trends;
        judge(&mut [told]);
        let [trend] = trends;
        trend
    }

    /// Deterministic noise of a few percent.
    fn noise(day: i32) -> f64 {
        f64::from((day * 7919) % 101 - 50) / 1000.0
    }

    #[test]
    fn a_trend_is_never_told_by_few_days() {
        let few = of([100.0, 200.0, 300.0]);
        assert_eq!(few.direction, Direction::NotEnoughData);
        assert_eq!((few.slope_per_day, few.p_value), (None, None));
        assert_eq!(of([]).direction, Direction::NotEnoughData);
    }

    #[test]
    fn growth_is_told_beside_a_week() {
        let value = |day: i32| {
            let weekend = if day % 7 >= 5 { 0.4 } else { 1.0 };
            1000.0 * (1.0 + 0.02 * f64::from(day)) * weekend * (1.0 + noise(day))
        };
        let told = of((0..28).map(value));
        assert_eq!(told.direction, Direction::Up, "{told:?}");
        let growth = told.growth_per_week.unwrap();
        assert!((0.10..0.18).contains(&growth), "{growth}");
        let week = told.seasonality.unwrap();
        assert!(week.strength > 0.8, "{week:?}");
        assert!(told.change_points.is_empty(), "{:?}", told.change_points);
        assert!((told.week_over_week.unwrap() - 0.10).abs() < 0.03);
        // The forecast continues the growth and the weekly pattern.
        let low = told
            .forecast
            .iter()
            .map(|(_, day)| day.mean)
            .fold(f64::MAX, f64::min);
        let high = told
            .forecast
            .iter()
            .map(|(_, day)| day.mean)
            .fold(0.0, f64::max);
        assert!((0.3..0.5).contains(&(low / high)), "{:?}", told.forecast);
        assert!(
            told.backtest_error.unwrap() < 0.1,
            "{:?}",
            told.backtest_error
        );
    }

    #[test]
    fn a_jump_is_dated_and_no_trend() {
        let value = |day: i32| if day < 18 { 1000.0 } else { 400.0 } * (1.0 + noise(day));
        let told = of((0..32).map(value));
        let [jump] = &told.change_points[..] else {
            panic!("{:?}", told.change_points)
        };
        assert_eq!(jump.at, midnight(18));
        assert!((jump.before - 1000.0).abs() < 60.0 && (jump.after - 400.0).abs() < 30.0);
        // The forecast continues from the new level.
        assert!(
            told.forecast
                .iter()
                .all(|(_, day)| (300.0..500.0).contains(&day.mean))
        );
    }

    #[test]
    fn noise_an_outage_and_a_constant_are_nothing() {
        for values in [
            (0..30)
                .map(|day| 1000.0 * (1.0 + noise(day)))
                .collect::<Vec<_>>(),
            (0..30)
                .map(|day| {
                    if day == 14 {
                        0.0
                    } else {
                        1000.0 * (1.0 + noise(day))
                    }
                })
                .collect(),
            vec![0.0; 30],
            vec![500.0; 30],
        ] {
            let told = of(values.clone());
            assert_eq!(told.direction, Direction::Flat, "{values:?}");
            assert!(
                told.change_points.is_empty(),
                "{values:?}: {:?}",
                told.change_points
            );
            assert!(
                told.seasonality.is_none(),
                "{values:?}: {:?}",
                told.seasonality
            );
            for (_, day) in &told.forecast {
                assert!(day.lower <= day.mean && day.mean <= day.upper, "{day:?}");
                assert!(day.lower >= 0.0 && day.upper.is_finite(), "{day:?}");
            }
        }
    }
}
