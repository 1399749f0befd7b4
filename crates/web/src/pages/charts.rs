//! Series as charts.

use dragline_charts::{
    Category, Chart as _, Layer, Mark, Series as ChartLine, Stacked, TimeSeries,
};

use dragline_schema::Timestamp;

use super::html::{Html, format_of};
use crate::model::{ErrorTotals, Series};

/// A series as a figure as wide as the page. The step that `now` lies in is not over.
pub(super) fn figure(series: &Series, now: Timestamp) -> Html {
    Html(chart(series, now).wide_figure())
}

/// Several series, whose axes align; the first of an odd number takes the width of the page.
pub(super) fn figures(series: &[Series], now: Timestamp) -> Vec<Html> {
    let has_values = |series: &&Series| {
        series
            .lines
            .iter()
            .any(|line| line.values.iter().any(Option::is_some))
    };
    let mut charts: Vec<TimeSeries> = series
        .iter()
        .filter(has_values)
        .map(|series| chart(series, now))
        .collect();
    let wide = charts.len() % 2;
    TimeSeries::align(&mut charts[wide..]);
    let figure = |(place, chart): (usize, &TimeSeries)| {
        Html(if place < wide {
            chart.wide_figure()
        } else {
            chart.figure()
        })
    };
    charts.iter().enumerate().map(figure).collect()
}

fn chart(series: &Series, now: Timestamp) -> TimeSeries {
    // Steps that have not begun are not shown.
    let begun = series.times.partition_point(|time| *time <= now);
    let step = i64::try_from(series.step_seconds)
        .unwrap_or(0)
        .saturating_mul(1_000_000);
    let is_open = |time: &&Timestamp| time.plus_micros(step) > now;
    TimeSeries {
        title: series.title.clone(),
        desc: describe(series),
        unit: series.unit.clone(),
        format: format_of(series.format),
        from_zero: true,
        times: series.times[..begun]
            .iter()
            .map(|time| time.as_micros())
            .collect(),
        series: series
            .lines
            .iter()
            .map(|line| ChartLine {
                label: line.label.clone(),
                values: line.values.iter().take(begun).copied().collect(),
            })
            .collect(),
        expected: series
            .expected
            .iter()
            .take(begun)
            .map(|range| range.map(|range| (range.lower, range.upper)))
            .collect(),
        marks: marks(&series.marks),
        unfinished: series.times[..begun]
            .iter()
            .find(is_open)
            .map(|time| time.as_micros()),
        ..TimeSeries::default()
    }
}

fn marks(marks: &[crate::model::Mark]) -> Vec<Mark> {
    let mark = |mark: &crate::model::Mark| Mark {
        // To the minute, as times are written elsewhere.
        time: mark.at.as_micros().div_euclid(60_000_000) * 60_000_000,
        label: mark.label.clone(),
    };
    marks.iter().map(mark).collect()
}

fn describe(series: &Series) -> String {
    let lines: Vec<&str> = series
        .lines
        .iter()
        .map(|line| line.label.as_str())
        .collect();
    let expected = if series.expected.iter().any(Option::is_some) {
        ", with the expected range"
    } else {
        ""
    };
    format!(
        "{}: {} over {} steps{expected}.",
        series.unit,
        lines.join(", "),
        series.times.len()
    )
}

/// Errors by category over time.
pub(super) fn errors(totals: &ErrorTotals, title: String) -> Html {
    let layers = totals.layers.iter().map(|layer| {
        let category = Category::ALL
            .into_iter()
            .find(|category| category.name() == layer.category);
        Layer {
            category: category.unwrap_or(Category::Unknown),
            values: layer.values.clone(),
        }
    });
    let chart = Stacked {
        title,
        desc: "Errors by category over time, as stacked bars.".to_owned(),
        unit: "errors".to_owned(),
        times: totals.times.iter().map(|time| time.as_micros()).collect(),
        step: i64::try_from(totals.step_seconds)
            .unwrap_or(0)
            .saturating_mul(1_000_000),
        layers: layers.collect(),
        marks: marks(&totals.marks),
        ..Stacked::default()
    };
    Html(chart.wide_figure())
}
