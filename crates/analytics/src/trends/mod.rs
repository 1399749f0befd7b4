//! Where the numbers are going: directions, jumps, weeks and the days to come.
//!
//! Everything is told by whole days. A direction is the median of all slopes (Theil 1950, Sen 1968)
//! where chance alone would do as much in under one of a hundred such statements (Mann 1945, Kendall
//! 1975, with the false-discovery control of Benjamini and Hochberg 1995); the pattern of the week is
//! taken out before ([`season`]). Jumps are found by optimal partitioning ([`jumps`]), the days to come
//! by exponential smoothing ([`mod@forecast`]). Of under eight days nothing is claimed.

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

/// Of fewer days nothing is said.
const LEAST_DAYS: usize = 8;
/// So many of a hundred directions may be chance.
const FALSE_DISCOVERIES: f64 = 0.01;
/// A trend under this share of the level a week is not worth a word.
const WORTH_SAYING: f64 = 0.05;
/// The same of a share, in points.
const WORTH_SAYING_SHARE: f64 = 0.01;
/// So many days are foretold.
const HORIZON: usize = 7;
/// The largest scrapers for which days are foretold: it is the dearest part of a report.
const FORETOLD: usize = 20;

/// Where a metric is going, by whole days.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// `requests`, `items`, `errors` and such (by day), `success_rate`, `response_time_ms`, ….
    pub metric: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Whose; `None` for all scrapers together.
    pub name: Option<Name>,
    /// How many whole days it was looked for in.
    pub days: u64,
    /// Which way.
    pub direction: Direction,
    /// By how much a day; `None` without enough data, as all that follows.
    pub slope_per_day: Option<f64>,
    /// How likely chance alone does this.
    pub p_value: Option<f64>,
    /// By the slope, relative to the level at the start, or in the middle where that is not above zero.
    pub growth_per_week: Option<f64>,
    /// The last seven days against the seven before; `None` with fewer than 14 days.
    pub week_over_week: Option<f64>,
    /// When the level jumped, oldest first.
    pub change_points: Vec<ChangePoint>,
    /// How the days of the week differ; `None` with fewer than 21 days, or when they do not.
    pub seasonality: Option<Seasonality>,
    /// The days to come, each with its midnight (UTC); empty where nothing can be foretold.
    pub forecast: Vec<(Timestamp, ForecastDay)>,
    /// How wrong such forecasts of a week would have been: the sum of the errors of its days, relative to their sum.
    pub backtest_error: Option<f64>,
}

/// Which way a metric goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More and more.
    Up,
    /// Less and less.
    Down,
    /// Neither, as far as chance explains it.
    Flat,
    /// There are fewer than eight days.
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
    /// The midnight (UTC) with which the first day of the new level begins.
    pub at: Timestamp,
    /// The median of the days before, back to the change point before.
    pub before: f64,
    /// The median of the days after, up to the next change point.
    pub after: f64,
}

/// The trends over the whole days of the period.
///
/// # Errors
/// When the frames cannot be worked with, which means a fault of ours.
pub fn trends(
    frames: &Frames,
    period: Option<(Timestamp, Timestamp)>,
) -> Result<Vec<Trend>, FramesError> {
    let Some((first, last)) = period.and_then(whole_days) else {
        return Ok(Vec::new());
    };
    let all = days::series(frames, first, last)?;
    let foretold = foretold(&all);
    let mut found = in_parallel(&all, |daily| trend(daily, foretold.contains(&&daily.name)));
    // What is told beside the main metrics makes nothing less sure of those.
    let (mut main, mut more) = found
        .iter_mut()
        .partition::<Vec<&mut Trend>, _>(|trend| days::is_main(trend.metric));
    judge(&mut main);
    judge(&mut more);
    Ok(found)
}

/// Makes something of each series, with a thread for each processor, in their order.
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

/// Whose days are foretold: those of all together, and of the scrapers with the most requests and items.
fn foretold(all: &[Daily]) -> Vec<&Option<Name>> {
    let mut sizes: BTreeMap<&Option<Name>, f64> = BTreeMap::new();
    for daily in all.iter().filter(|daily| is_foretold(daily)) {
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

/// Whether it is one of the metrics that are foretold.
fn is_foretold(daily: &Daily) -> bool {
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
        // What began with nothing has no level then, but one in its middle.
        let level = Some(line.start).filter(|start| *start > 0.0);
        let level = level.or(stats::median(&values).filter(|middle| *middle > 0.0));
        told.growth_per_week = level.map(|level| line.slope * 7.0 / level);
    }
    told.week_over_week = week_over_week(daily);
    let jumps = jumps::jumps(daily, &values);
    told.change_points = jumps.iter().map(|jump| change_point(daily, jump)).collect();
    told.seasonality = week.map(|week| week.told());
    if is_large && is_foretold(daily) {
        // What was before a jump says nothing of what comes.
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

/// Keeps directions that chance does not explain, over all comparisons.
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

/// The last seven days against the seven before.
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

    /// Noise of a few percent, the same every time.
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
        // The forecast goes on with both.
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
        // What is foretold goes on from the new level.
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
