//! The charts of a report.

use dragline_charts::{
    Bar, BarRow, Category, Chart, Format, HeatMap, Layer, Mark, Percentiles, Series, Stacked,
    TimeSeries,
};

use super::words::{count, percent, short_type};
use crate::model::Report;
use crate::report::Activity;

/// So many incidents are marked.
const MARKS: usize = 4;
/// So many groups get a bar.
const BARS: usize = 8;

/// The charts, each as HTML; those without a value are left out.
pub(super) fn figures(report: &Report, activity: &Activity) -> Vec<String> {
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
    if !activity.errors.is_empty() {
        figures.push(errors(report, activity, &marks).wide_figure());
    }
    if activity.week.iter().flatten().flatten().count() > 24 {
        figures.push(week(activity).figure());
    }
    if !report.errors.groups.is_empty() {
        figures.push(groups(report).figure());
    }
    figures
}

/// Where the gravest incidents began.
fn marks(report: &Report) -> Vec<Mark> {
    let insights = report.insights.iter().take(MARKS);
    insights
        .filter_map(|insight| {
            let since = dragline_schema::Timestamp::parse(insight.since.as_ref()?).ok()?;
            Some(Mark {
                // To the minute.
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
            format!("{} requests {}", count(all), each(activity)),
            "Requests over time; the band is what the time before lets expect.",
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
        marks: marks.to_vec(),
        ..line(
            format!("{} items {}", count(all), each(activity)),
            "Items stored over time.",
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
        // A line at the top of its range needs the range.
        from_zero: activity.success.iter().flatten().all(|rate| *rate > 0.99),
        marks: marks.to_vec(),
        ..line(
            title,
            "The share of requests that did not fail, over time.",
            "succeeded",
            &activity.success,
            activity,
        )
    }
}

fn latency(report: &Report, activity: &Activity, marks: &[Mark]) -> Percentiles {
    let usual = report.totals.response_time_ms.as_ref();
    let title = usual.map_or_else(
        || "How long answers took".to_owned(),
        |time| {
            let p95 = Format::Milliseconds.value(time.p95);
            format!("95 of 100 answers took {p95} or less")
        },
    );
    let [p50, p95, p99] = activity.latency.clone();
    Percentiles {
        title,
        desc: "The 50th, 95th and 99th percentile of answer times, over time.".to_owned(),
        format: Format::Milliseconds,
        times: activity.times.clone(),
        p50,
        p95,
        p99,
        marks: marks.to_vec(),
        ..Percentiles::default()
    }
}

fn errors(report: &Report, activity: &Activity, marks: &[Mark]) -> Stacked {
    let layers = activity.errors.iter().map(|(category, values)| Layer {
        category: Category::from_name(category.as_str()),
        values: values.clone(),
    });
    Stacked {
        title: format!(
            "{} errors by category {}",
            count(report.errors.total),
            each(activity)
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
        title: "When in the week requests are made".to_owned(),
        desc: "Requests in an hour, on average, by weekday and hour (UTC).".to_owned(),
        unit: "requests an hour".to_owned(),
        cells: activity.week,
        ..HeatMap::default()
    }
}

fn groups(report: &Report) -> BarRow {
    let bars = report.errors.groups.iter().take(BARS).map(|group| {
        let kind = group
            .error_type
            .as_deref()
            .map_or_else(String::new, |name| short_type(name) + ": ");
        Bar {
            label: format!("{kind}{}", group.template),
            value: Some(group.count as f64),
        }
    });
    BarRow {
        title: format!(
            "The largest of {} groups of errors",
            count(report.errors.groups.len() as u64)
        ),
        desc: "How many errors each group has.".to_owned(),
        unit: "errors".to_owned(),
        bars: bars.collect(),
        ..BarRow::default()
    }
}

/// `by the hour`, `every 6 hours`, `by the day`
fn each(activity: &Activity) -> &'static str {
    match activity.step / 3_600_000_000 {
        1 => "by the hour",
        6 => "by quarters of a day",
        24 => "by the day",
        _ => "by the week",
    }
}
