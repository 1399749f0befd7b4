//! Charts of a report.

use std::collections::BTreeMap;

use dragline_charts::{
    Category, Chart, ForecastPoint, Format, HeatMap, Layer, Mark, Percentiles, Series, Sparkline,
    Stacked, TimeSeries, escape,
};

use super::words::{count, percent, short_type};
use crate::assemble::Activity;
use crate::lookup::Name;
use crate::model::Report;

/// Maximum number of marked incidents.
const MARKS: usize = 4;
/// Maximum number of error groups with a row.
const ROWS: usize = 8;

/// Charts of a report, as HTML.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Charts that have values, in order.
    pub(super) charts: Vec<String>,
    /// A sparkline for each scraper and site.
    pub(super) sparklines: BTreeMap<Name, String>,
    /// The forecast of the requests, if there is one.
    pub(super) forecast: Option<String>,
    /// A block of daily charts for each scraper.
    pub(super) blocks: Vec<String>,
}

/// Draws all charts.
pub(super) fn figures(report: &Report, activity: &Activity) -> Figures {
    Figures {
        charts: charts(report, activity),
        sparklines: sparklines(activity),
        forecast: forecast(report).map(|chart| chart.wide_figure()),
        blocks: super::blocks::blocks(report, activity),
    }
}

fn charts(report: &Report, activity: &Activity) -> Vec<String> {
    let marks = marks(report);
    let has = |values: &[Option<f64>]| values.iter().flatten().count() > 1;
    let mut figures = Vec::new();
    if has(&activity.requests) {
        figures.push(volume(report, activity, &marks).wide_figure());
    }
    if has(&activity.items) {
        figures.push(items(report, activity, &marks).figure());
    }
    if has(&activity.success) {
        figures.push(success(report, activity, &marks).figure());
    }
    if has(&activity.latency[0]) {
        figures.push(latency(report, activity, &marks).figure());
    }
    if activity.week.iter().flatten().flatten().count() > 24 {
        figures.push(week(activity).figure());
    }
    if !activity.errors.is_empty() {
        figures.push(errors(report, activity, &marks).wide_figure());
    }
    if report
        .errors
        .groups
        .iter()
        .any(|group| group.mute.is_none())
    {
        figures.push(groups(report, activity));
    }
    figures
}

/// Draws the requests per day of each scraper, all on one scale so that rows can be compared.
fn sparklines(activity: &Activity) -> BTreeMap<Name, String> {
    let values = activity.scrapers.values().flatten().flatten();
    let max = values.copied().fold(0.0, f64::max);
    let has_days = activity.days.len() > 2 && max > 0.0;
    let rows = activity.scrapers.iter().filter(|_| has_days);
    let drawn = rows.map(|(name, values)| {
        let line = Sparkline {
            label: "requests per day".to_owned(),
            values: values.clone(),
            min: 0.0,
            max,
            ..Sparkline::default()
        };
        (name.clone(), line.svg())
    });
    drawn.collect()
}

/// Draws past days, their level changes, and the forecast days.
fn forecast(report: &Report) -> Option<TimeSeries> {
    let trend = report
        .trends
        .iter()
        .find(|trend| trend.metric == "requests" && !trend.forecast.is_empty())?;
    let micros = |text: &str| {
        let at = dragline_schema::Timestamp::parse(text).ok()?;
        Some(at.as_micros())
    };
    let days = report.daily.as_ref()?.iter().filter(|day| !day.partial);
    let (times, values): (Vec<i64>, Vec<Option<f64>>) = days
        .filter_map(|day| {
            let at = micros(&format!("{}T00:00:00Z", day.date))?;
            Some((at, day.totals.requests.map(|count| count as f64)))
        })
        .unzip();
    let points = trend.forecast.iter().filter_map(|point| {
        Some(ForecastPoint {
            time: micros(&point.at)?,
            mean: point.mean,
            lower: point.lower,
            upper: point.upper,
        })
    });
    let jumps = trend.change_points.iter().filter_map(|jump| {
        Some(Mark {
            time: micros(&jump.at)?,
            label: "level change".to_owned(),
        })
    });
    let sum = |of: fn(&crate::model::ForecastPoint) -> f64| {
        count(trend.forecast.iter().map(of).sum::<f64>() as u64)
    };
    let error = trend.backtest_error.map_or_else(String::new, |error| {
        format!("; past forecasts were {:.0} % off", error * 100.0)
    });
    Some(TimeSeries {
        title: format!(
            "About {} requests in the next {} days ({} to {}){error}",
            sum(|day| day.mean),
            trend.forecast.len(),
            sum(|day| day.lower),
            sum(|day| day.upper)
        ),
        desc: "Requests per whole day, and the 95 % prediction range of the coming days."
            .to_owned(),
        unit: "requests per day".to_owned(),
        from_zero: true,
        series: vec![Series {
            label: "requests".to_owned(),
            values,
        }],
        times,
        marks: jumps.collect(),
        forecast: points.collect(),
        ..TimeSeries::default()
    })
}

/// Returns marks at the onsets of the most severe incidents.
fn marks(report: &Report) -> Vec<Mark> {
    let insights = report.insights.iter().take(MARKS);
    insights
        .filter_map(|insight| {
            let since = dragline_schema::Timestamp::parse(insight.since.as_ref()?).ok()?;
            Some(Mark {
                // Rounded down to the minute.
                time: since.as_micros().div_euclid(60_000_000) * 60_000_000,
                label: insight.kind.replace('_', " "),
            })
        })
        .collect()
}

fn line(
    title: String,
    desc: &str,
    label: &str,
    values: &[Option<f64>],
    activity: &Activity,
) -> TimeSeries {
    TimeSeries {
        title,
        desc: desc.to_owned(),
        times: activity.times.clone(),
        series: vec![Series {
            label: label.to_owned(),
            values: values.to_vec(),
        }],
        ..TimeSeries::default()
    }
}

fn volume(report: &Report, activity: &Activity, marks: &[Mark]) -> TimeSeries {
    let all = report.totals.requests.unwrap_or(0);
    TimeSeries {
        unit: "requests".to_owned(),
        from_zero: true,
        expected: activity.expected.clone(),
        marks: marks.to_vec(),
        ..line(
            format!("Requests {}: {} in total", each(activity), count(all)),
            "Requests over time; the band is the range expected from earlier data.",
            "requests",
            &activity.requests,
            activity,
        )
    }
}

fn items(report: &Report, activity: &Activity, marks: &[Mark]) -> TimeSeries {
    let all = report.totals.items.unwrap_or(0);
    TimeSeries {
        unit: "items".to_owned(),
        from_zero: true,
        expected: activity.items_expected.clone(),
        marks: marks.to_vec(),
        ..line(
            format!("Items {}: {} in total", each(activity), count(all)),
            "Items stored over time; the band is the range expected from earlier data.",
            "items",
            &activity.items,
            activity,
        )
    }
}

fn success(report: &Report, activity: &Activity, marks: &[Mark]) -> TimeSeries {
    let title = match report.totals.success_rate {
        Some(rate) => format!("{} of the requests succeeded", percent(Some(rate))),
        None => "Requests that succeeded".to_owned(),
    };
    TimeSeries {
        format: Format::Percent,
        // A nearly constant line at 100 % needs the full range as context.
        from_zero: activity.success.iter().flatten().all(|rate| *rate > 0.99),
        expected: activity.success_expected.clone(),
        marks: marks.to_vec(),
        ..line(
            title,
            "Share of requests that did not fail, over time; the band is the range expected from earlier data.",
            "succeeded",
            &activity.success,
            activity,
        )
    }
}

fn latency(report: &Report, activity: &Activity, marks: &[Mark]) -> Percentiles {
    let usual = report.totals.response_time_ms.as_ref();
    let title = usual.map_or_else(
        || "Response times".to_owned(),
        |time| {
            let p95 = Format::Milliseconds.value(time.p95);
            format!("95 % of responses took {p95} or less")
        },
    );
    let [p50, p95, p99] = activity.latency.clone();
    Percentiles {
        title,
        desc: "50th, 95th and 99th percentile of response times, over time.".to_owned(),
        unit: "response time".to_owned(),
        format: Format::Milliseconds,
        times: activity.times.clone(),
        p50,
        p95,
        p99,
        marks: marks.to_vec(),
    }
}

fn errors(report: &Report, activity: &Activity, marks: &[Mark]) -> Stacked {
    let layers = activity.errors.iter().map(|(category, values)| Layer {
        category: Category::from_name(category.as_str()),
        values: values.clone(),
    });
    Stacked {
        title: format!(
            "Errors by category {}: {} in total",
            each(activity),
            count(report.errors.total)
        ),
        desc: "Errors over time, by category.".to_owned(),
        unit: "errors".to_owned(),
        times: activity.times.clone(),
        step: activity.step,
        layers: layers.collect(),
        marks: marks.to_vec(),
        ..Stacked::default()
    }
}

fn week(activity: &Activity) -> HeatMap {
    HeatMap {
        title: "Requests by weekday and hour".to_owned(),
        desc: "Mean requests per hour, by weekday and hour (UTC).".to_owned(),
        unit: "requests per hour".to_owned(),
        cells: activity.week,
        ..HeatMap::default()
    }
}

/// Renders the largest error groups, each with a sparkline of its days.
fn groups(report: &Report, activity: &Activity) -> String {
    let shown = || {
        let groups = report.errors.groups.iter();
        groups.filter(|group| group.mute.is_none()).take(ROWS)
    };
    let rows = shown().map(|group| {
        let values = activity.groups.get(&group.id);
        let kind = group
            .error_type
            .as_deref()
            .map_or_else(String::new, |name| short_type(name) + ": ");
        let line = values
            .filter(|values| values.len() > 2)
            .map_or_else(String::new, |values| {
                Sparkline {
                    label: "errors per day".to_owned(),
                    values: values.clone(),
                    min: 0.0,
                    // Each row has its own scale, to show the times of the errors.
                    max: values.iter().flatten().copied().fold(1.0, f64::max),
                    ..Sparkline::default()
                }
                .svg()
            });
        format!(
            "<tr><td>{}</td><td class=\"n\">{}</td><td>{line}</td></tr>",
            escape(dragline_schema::clip(
                &format!("{kind}{}", group.template),
                120
            )),
            count(group.count)
        )
    });
    format!(
        "<figure class=\"chart wide\"><figcaption>The largest of {} error groups, per day</figcaption>\
         <div class=\"scroll\"><table><thead><tr><th>group</th><th class=\"n\">errors</th>\
         <th>per day, each on its own scale</th></tr></thead><tbody>{}</tbody></table></div></figure>",
        count(report.errors.groups.len() as u64),
        rows.collect::<String>()
    )
}

/// Names the step width: `per hour`, `per 6 hours`, `per day`, `per week`.
fn each(activity: &Activity) -> &'static str {
    match activity.step / 3_600_000_000 {
        1 => "per hour",
        6 => "per 6 hours",
        24 => "per day",
        _ => "per week",
    }
}
