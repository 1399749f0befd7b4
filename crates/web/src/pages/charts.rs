//! Series as charts.

use dragline_charts::{
    Category, Chart as _, Layer, Mark, Series as ChartLine, Stacked, TimeSeries,
};

use super::html::{Html, format_of};
use crate::model::{ErrorTotals, Line, Series};

/// A series as a figure.
pub(super) fn figure(series: &Series, is_wide: bool) -> Html {
    let chart = TimeSeries {
        title: series.title.clone(),
        desc: describe(series),
        unit: series.unit.clone(),
        format: format_of(series.format),
        from_zero: true,
        times: series.times.iter().map(|time| time.as_micros()).collect(),
        series: series
            .lines
            .iter()
            .map(|line| ChartLine {
                label: line.label.clone(),
                values: line.values.clone(),
            })
            .collect(),
        expected: series
            .expected
            .iter()
            .map(|range| range.map(|range| (range.lower, range.upper)))
            .collect(),
        marks: marks(&series.marks),
        ..TimeSeries::default()
    };
    Html(if is_wide {
        chart.wide_figure()
    } else {
        chart.figure()
    })
}

/// Several series; the first of an odd number takes the width of the page. A line needs two values.
pub(super) fn figures(series: &[Series]) -> Vec<Html> {
    let has_line = |series: &&Series| {
        let known = |line: &Line| line.values.iter().flatten().nth(1).is_some();
        series.lines.iter().any(known)
    };
    let drawn: Vec<&Series> = series.iter().filter(has_line).collect();
    let is_odd = drawn.len() % 2 == 1;
    let each = drawn.iter().enumerate();
    each.map(|(place, series)| figure(series, is_odd && place == 0))
        .collect()
}

fn marks(marks: &[crate::model::Mark]) -> Vec<Mark> {
    let mark = |mark: &crate::model::Mark| Mark {
        time: mark.at.as_micros(),
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
