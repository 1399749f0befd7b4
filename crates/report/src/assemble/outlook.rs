//! Converts trends to the report's types.

use dragline_analytics::Trend;

use crate::model;

/// Converts a trend to the contract's type.
pub(super) fn trend(trend: Trend) -> model::Trend {
    let scope = if trend.name.is_some() {
        "scraper"
    } else {
        "all"
    };
    let (scraper_id, site) = trend.name.unwrap_or_default();
    let jump = |jump: dragline_analytics::ChangePoint| model::ChangePoint {
        at: jump.at.to_string(),
        before: jump.before,
        after: jump.after,
    };
    let points = trend.forecast.into_iter();
    model::Trend {
        metric: trend.metric.to_owned(),
        scope: scope.to_owned(),
        scraper_id,
        site,
        days: trend.days,
        direction: trend.direction.as_str().to_owned(),
        slope_per_day: trend.slope_per_day,
        p_value: trend.p_value,
        growth_per_week: trend.growth_per_week,
        week_over_week: trend.week_over_week,
        change_points: trend.change_points.into_iter().map(jump).collect(),
        seasonality: trend.seasonality.map(|week| model::Seasonality {
            strength: week.strength,
            highest: week.highest.to_owned(),
            lowest: week.lowest.to_owned(),
        }),
        forecast: points
            .map(|(at, day)| model::ForecastPoint {
                at: at.to_string(),
                mean: day.mean,
                lower: day.lower,
                upper: day.upper,
            })
            .collect(),
        backtest_error: trend.backtest_error,
    }
}
