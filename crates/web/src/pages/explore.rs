//! The metrics explorer.

use std::collections::BTreeSet;

use super::html::{self, Html, UNKNOWN, address, counted, path_with, value};
use super::view::{Cell, Content, Field, Filters, Head, Page, Row, Section, Table};
use super::{METRICS, Made, charts, downloads, paged, parts};
use crate::api::queries::metric_query;
use crate::http::{Call, Problem};
use crate::model::{
    Line, MetricAnswer, MetricInfo, MetricKind, MetricPoint, MetricSeries, Series, ValueFormat,
};
use crate::query::{ExportTable, Page as Part};

/// Number of lines whose colours can be distinguished.
const MAX_LINES: usize = 7;

/// A statistic of a step: its name, and its value.
type Statistic = (&'static str, fn(&MetricPoint) -> Option<f64>);

const STATISTICS: [Statistic; 10] = [
    ("mean", |point| point.mean),
    ("median", |point| point.median),
    ("p95", |point| point.p95),
    ("p99", |point| point.p99),
    ("min", |point| point.min),
    ("max", |point| point.max),
    ("last", |point| point.last),
    ("rate", |point| point.rate),
    ("increase", |point| point.increase),
    ("count", |point| Some(point.count as f64)),
];

pub(super) fn list(call: &Call<'_>) -> Made {
    let search = call.params.text("search");
    let list = call
        .backend
        .metrics(search, &call.params.page(Part::DEFAULT_LIMIT)?)?;
    let row = |metric: &MetricInfo| {
        let last = value(metric.last, format_of(metric));
        Row::new(vec![
            Cell::new(
                Html::link(
                    call.base,
                    &path_with("/explore", &metric.name),
                    &metric.name,
                )
                .small(&Html::text(&metric.help)),
            ),
            Cell::text(kind(metric.kind)),
            Cell::text(metric.unit.as_deref().unwrap_or(UNKNOWN)),
            Cell::text(&metric.labels.join(", ")),
            Cell::count(Some(metric.series)),
            Cell::number(&last, metric.last),
            Cell::time(call, metric.last_updated),
        ])
    };
    let table = Table {
        caption: "Metrics that are kept, by name".to_owned(),
        heads: vec![
            Head::text("Metric"),
            Head::text("Kind"),
            Head::text("Unit"),
            Head::text("Labels"),
            Head::number("Series"),
            Head::number("Latest"),
            Head::text("Updated"),
        ],
        rows: list.items.iter().map(row).collect(),
        empty: if search.is_some() {
            Html::text("No metric has this in its name. ")
                .then("", &Html::link(call.base, "/explore", "Show all metrics"))
        } else {
            Html::text(
                "Metrics would be here: what scrapers log is counted as soon as a log is read.",
            )
        },
        ..paged(call, &list)
    };
    let filters = Filters {
        path: "/explore".to_owned(),
        fields: vec![Field {
            kind: "search",
            ..Field::text("search", "Name", search.unwrap_or_default())
        }],
        ..Filters::default()
    };
    let total = list.total.unwrap_or(list.items.len() as u64);
    Page {
        title: format!("{} kept", counted(total, "metric is", "metrics are")),
        sections: vec![
            Section::new("filters", "", Content::Filters(filters)),
            Section::new("metrics", "", Content::Table(table)),
        ],
        ..Page::default()
    }
    .draw(call, METRICS)
}

fn kind(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    }
}

fn format_of(metric: &MetricInfo) -> ValueFormat {
    match metric.unit.as_deref() {
        Some("bytes") => ValueFormat::Bytes,
        Some("ratio") => ValueFormat::Percent,
        Some("milliseconds") => ValueFormat::Milliseconds,
        _ => ValueFormat::Number,
    }
}

pub(super) fn metric(call: &Call<'_>) -> Made {
    let query = metric_query(call)?;
    let answer = call.backend.metric(&query)?;
    let usual = match answer.info.kind {
        MetricKind::Counter => "rate",
        MetricKind::Gauge => "mean",
        MetricKind::Histogram => "p95",
    };
    let name = call.params.text("statistic").unwrap_or(usual);
    let statistic = STATISTICS
        .into_iter()
        .find(|(other, _)| *other == name)
        .ok_or_else(|| {
            let known: Vec<&str> = STATISTICS.iter().map(|(name, _)| *name).collect();
            Problem::bad_request(format!(
                "unknown statistic {name:?}: write one of {}",
                known.join(", ")
            ))
        })?;
    let mut sections = vec![
        Section::new(
            "period",
            "",
            Content::Filters(parts::periods(call, answer.window)),
        ),
        Section::new("filters", "", Content::Filters(filters(call, name))),
    ];
    if answer.series.is_empty() {
        let words = Html::text(
            "No series has values in this period. Choose a longer one, or remove a label.",
        );
        sections.push(Section::new(
            "chart",
            "",
            Content::Words(vec![("empty", words)]),
        ));
    } else {
        let chart = charts::figure(&series(&answer, statistic), call.now);
        sections.push(Section::new("chart", "", Content::Charts(vec![chart])));
    }
    sections.push(Section::new(
        "series",
        "Series",
        Content::Table(table(call, &answer, statistic)),
    ));
    Page {
        title: title(&answer, statistic),
        lead: vec![Html::text(&answer.info.help)],
        up: Some(("/explore".to_owned(), "Metrics".to_owned())),
        sections,
        ..Page::default()
    }
    .draw(call, METRICS)
}

fn title(answer: &MetricAnswer, (name, read): Statistic) -> String {
    let period = html::period(answer.window.seconds());
    match answer.whole.as_ref().and_then(read) {
        Some(number) => {
            let shown = value(
                Some(number),
                if name == "count" {
                    ValueFormat::Number
                } else {
                    format_of(&answer.info)
                },
            );
            let unit = match (name, answer.info.unit.as_deref()) {
                ("count", _) | (_, None | Some("bytes" | "ratio" | "milliseconds")) => {
                    String::new()
                }
                (_, Some(unit)) => format!(" {unit}"),
            };
            let per = if name == "rate" { " per second" } else { "" };
            format!(
                "{}: {name} {shown}{unit}{per} in {period}",
                answer.info.name
            )
        }
        None => format!("{} has no value in {period}", answer.info.name),
    }
}

fn filters(call: &Call<'_>, statistic: &str) -> Filters {
    let names = STATISTICS.map(|(name, _)| (name, name));
    let kept = ["from", "to"]
        .into_iter()
        .filter_map(|name| Some((name, call.params.text(name)?.to_owned())));
    Filters {
        path: call
            .address
            .split('?')
            .next()
            .unwrap_or_default()
            .to_owned(),
        fields: vec![
            Field::choice("statistic", "Statistic", statistic, names),
            Field::text(
                "labels",
                "Labels",
                call.params.text("labels").unwrap_or_default(),
            )
            .hint("site=shop.example.com"),
        ],
        hidden: kept.collect(),
        ..Filters::default()
    }
}

/// The names of the labels that tell series apart: one of them if one is enough, otherwise all that differ.
fn telling(all: &[MetricSeries]) -> Vec<&str> {
    let names: BTreeSet<&str> = all
        .iter()
        .flat_map(|series| series.labels.keys().map(String::as_str))
        .collect();
    let different = |name: &str| {
        let values: BTreeSet<Option<&String>> =
            all.iter().map(|series| series.labels.get(name)).collect();
        values.len()
    };
    let one = names.iter().find(|name| different(name) == all.len());
    match one {
        Some(name) if all.len() > 1 => vec![*name],
        _ => names
            .into_iter()
            .filter(|name| different(name) > 1)
            .collect(),
    }
}

/// A line's name in a chart: what tells it from the others, without what all have.
fn short_label(series: &MetricSeries, telling: &[&str]) -> String {
    let values: Vec<&str> = telling
        .iter()
        .filter_map(|name| series.labels.get(*name).map(String::as_str))
        .collect();
    if values.is_empty() {
        label(series)
    } else {
        values.join(", ")
    }
}

fn label(series: &MetricSeries) -> String {
    let labels: Vec<String> = series
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if labels.is_empty() {
        "all".to_owned()
    } else {
        labels.join(", ")
    }
}

fn series(answer: &MetricAnswer, (name, read): Statistic) -> Series {
    let step = i64::try_from(answer.step_seconds.max(1))
        .unwrap_or(1)
        .saturating_mul(1_000_000);
    let steps = (answer.window.to.since(answer.window.from) / step).clamp(1, 2_000);
    let times: Vec<_> = (0..=steps)
        .map(|number| answer.window.from.plus_micros(number * step))
        .collect();
    let drawn = &answer.series[..answer.series.len().min(MAX_LINES)];
    let telling = telling(drawn);
    let line = |series: &MetricSeries| {
        let mut values = vec![None; times.len()];
        for point in &series.points {
            let place = point.at.since(answer.window.from).div_euclid(step);
            if let Some(value) = usize::try_from(place)
                .ok()
                .and_then(|place| values.get_mut(place))
            {
                *value = read(point);
            }
        }
        Line {
            label: html::cut_middle(&short_label(series, &telling), 40),
            values,
        }
    };
    let more = answer.series.len().saturating_sub(MAX_LINES);
    let of = if more > 0 {
        format!(", the first {MAX_LINES} series")
    } else {
        String::new()
    };
    Series {
        metric: answer.info.name.clone(),
        title: format!("{} of {}{of}", name, answer.info.name),
        unit: answer.info.unit.clone().unwrap_or_else(|| name.to_owned()),
        format: if name == "count" {
            ValueFormat::Number
        } else {
            format_of(&answer.info)
        },
        lines: drawn.iter().map(line).collect(),
        times,
        step_seconds: answer.step_seconds,
        ..Series::default()
    }
}

fn table(call: &Call<'_>, answer: &MetricAnswer, (name, read): Statistic) -> Table {
    let path = call.address.split('?').next().unwrap_or_default();
    let format = format_of(&answer.info);
    let row = |series: &MetricSeries| {
        let labels: Vec<String> = series
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let only = address(
            path,
            [("labels", labels.join(",").as_str()), ("statistic", name)],
        );
        let values: Vec<f64> = series.points.iter().filter_map(read).collect();
        let most = values.iter().copied().reduce(f64::max);
        let least = values.iter().copied().reduce(f64::min);
        let last = values.last().copied();
        let number = |number: Option<f64>| Cell::number(&value(number, format), number);
        Row::new(vec![
            Cell::new(Html::link(
                call.base,
                &only,
                &html::cut_middle(&label(series), 100),
            )),
            number(least),
            number(most),
            number(last),
            Cell::count(Some(series.points.iter().map(|point| point.count).sum())),
        ])
    };
    let shown = answer.series.len() as u64;
    Table {
        caption: format!(
            "Least, greatest and latest {name} of the steps of {}",
            html::length(answer.step_seconds as f64)
        ),
        heads: vec![
            Head::text("Labels"),
            Head::number("Least"),
            Head::number("Greatest"),
            Head::number("Latest"),
            Head::number("Values"),
        ],
        rows: answer.series.iter().map(row).collect(),
        empty: Html::text("No series fits."),
        note: if answer.series_total > shown {
            format!(
                "{} of {} series shown, those with the largest values.",
                html::count(shown),
                html::count(answer.series_total)
            )
        } else {
            String::new()
        },
        is_sortable: true,
        downloads: downloads(call, ExportTable::Metric),
        ..Table::default()
    }
}
