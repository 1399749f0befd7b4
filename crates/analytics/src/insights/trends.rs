//! Where the numbers are going.

use dragline_schema::Timestamp;
use polars::prelude::DataFrame;

use crate::frames::DAY;
use crate::lookup::text_at;
use crate::model::Trend;
use crate::stats;

/// A chance below this is no chance.
const SIGNIFICANT: f64 = 0.01;
/// A trend under this share of the level a week is not worth a word.
const WORTH_SAYING: f64 = 0.05;

/// Significant trends over the whole days of the period.
pub(crate) fn trends(by_day: &DataFrame, period: Option<(Timestamp, Timestamp)>) -> Vec<Trend> {
    let Some((start, end)) = period else {
        return Vec::new();
    };
    let first = (start.as_micros() + DAY - 1).div_euclid(DAY);
    let last = end.as_micros().div_euclid(DAY);
    let days = by_day
        .column("day")
        .ok()
        .and_then(|column| column.i64().ok());
    let Some(days) = days else { return Vec::new() };
    let mut found = Vec::new();
    let mut rows = 0..by_day.height();
    while let Some(begin) = rows.next() {
        let name = |row| {
            (
                text_at(by_day, "scraper_id", row),
                text_at(by_day, "site", row),
            )
        };
        let (scraper_id, site) = name(begin);
        let mut stop = begin + 1;
        while stop < by_day.height() && name(stop) == (scraper_id.clone(), site.clone()) {
            stop += 1;
        }
        rows = stop..by_day.height();
        let whole: Vec<usize> = (begin..stop)
            .filter(|row| {
                days.get(*row)
                    .is_some_and(|day| (first..last).contains(&day))
            })
            .collect();
        let xs: Vec<f64> = whole
            .iter()
            .filter_map(|row| days.get(*row))
            .map(|d| d as f64)
            .collect();
        for metric in ["requests", "items", "errors"] {
            let Some(column) = by_day.column(metric).ok().and_then(|c| c.u64().ok()) else {
                continue;
            };
            let ys: Vec<f64> = whole
                .iter()
                .map(|row| column.get(*row).unwrap_or(0) as f64)
                .collect();
            let Some(trend) = stats::trend(&xs, &ys) else {
                continue;
            };
            let growth = (trend.start > 0.0).then(|| trend.slope * 7.0 / trend.start);
            if trend.p_value >= SIGNIFICANT || growth.is_none_or(|g| g.abs() < WORTH_SAYING) {
                continue;
            }
            found.push(Trend {
                metric: metric.to_owned(),
                scraper_id: scraper_id.clone(),
                site: site.clone(),
                direction: if trend.slope > 0.0 { "up" } else { "down" }.to_owned(),
                slope_per_day: trend.slope,
                p_value: trend.p_value,
                growth_per_week: growth,
                change_points: Vec::new(),
                forecast: Vec::new(),
                backtest_error: None,
            });
        }
    }
    found
}
