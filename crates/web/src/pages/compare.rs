//! Two runs of a scraper, compared.

use std::collections::{BTreeMap, BTreeSet};

use super::html::{self, Html, UNKNOWN, name, run_address};
use super::runs::scraper_of;
use super::view::{Cell, Content, Head, Page, Row, Section, Table};
use super::words::Unit;
use super::{Made, RUNS, parts};
use crate::http::Call;
use crate::model::{Figure, RunDetail, ValueFormat};
use crate::query::{RunKey, ScraperKey};

pub(super) fn compare(call: &Call<'_>) -> Made {
    let key = call.params.run_key()?;
    let other = RunKey {
        run_id: call.params.required("other")?.to_owned(),
        ..key.clone()
    };
    let (one, two) = (call.backend.run(&key)?, call.backend.run(&other)?);
    let scraper = scraper_of(&key);
    let changed = config_changes(&one, &two);
    let configuration = if changed.rows.is_empty() {
        "Same configuration"
    } else {
        "What changed in the configuration"
    };
    Page {
        title: comparison_title(&one, &two, &scraper),
        up: Some((
            run_address(&key),
            format!("Run {}", html::cut_middle(&key.run_id, 40)),
        )),
        lead: [Html::text("Compared with run ")
            .then(
                "",
                &Html::link(
                    call.base,
                    &run_address(&other),
                    &html::cut_middle(&other.run_id, 60),
                ),
            )
            .then(" of ", &Html::time(two.summary.start, call.now))]
        .into_iter()
        .chain(both_outside(&one, &two))
        .collect(),
        sections: vec![
            Section::new("numbers", "Numbers", Content::Table(numbers(&one, &two))),
            Section::new(
                "statuses",
                "Responses by status",
                Content::Table(statuses(&one, &two)),
            ),
            Section::new("configuration", configuration, Content::Table(changed)),
        ],
        ..Page::default()
    }
    .draw(call, RUNS)
}

/// The number that changed most, in words.
fn comparison_title(one: &RunDetail, two: &RunDetail, scraper: &ScraperKey) -> String {
    let who = name(scraper);
    let pairs = matched(one, two);
    let changes = pairs
        .iter()
        .filter_map(|(figure, before)| Change::of(figure, figure.value?, (*before)?));
    let largest = changes
        .filter(|change| change.weight().abs() >= 0.05)
        .max_by(|a, b| a.weight().abs().total_cmp(&b.weight().abs()));
    match largest {
        None => format!("Two runs of {who} with nearly the same numbers"),
        Some(change) => {
            let verb = if change.weight() > 0.0 {
                "rose"
            } else {
                "fell"
            };
            format!(
                "{} {verb} by {} from the other run of {who} to this one",
                html::capitalised(&change.label),
                change.size()
            )
        }
    }
}

/// What both runs lack, which a comparison of the two does not show.
fn both_outside(one: &RunDetail, two: &RunDetail) -> Vec<Html> {
    let word = |(figure, before): (&Figure, Option<f64>)| {
        let (range, now, before) = (figure.expected?, figure.value?, before?);
        let is_outside = |value: f64| value < range.lower || value > range.upper;
        let unit = parts::unit(figure);
        (is_outside(now) && is_outside(before)).then(|| {
            Html::text(&format!(
                "{}: outside what is expected in both runs ({} and {}, expected {}).",
                html::capitalised(&figure.label),
                unit.value(now),
                unit.value(before),
                unit.range(range)
            ))
        })
    };
    matched(one, two).into_iter().filter_map(word).collect()
}

/// By how much a number changed, in what says most about it.
struct Change {
    label: String,
    kind: ChangeKind,
}

enum ChangeKind {
    /// Of a share: in points.
    Points(f64),
    /// Of small counts: the difference. Twice of nearly nothing is nearly nothing.
    Difference(f64),
    /// A fraction of the number before.
    Relative(f64),
}

/// Below this count of both runs, a change is said as a difference.
const FEW: f64 = 20.0;

impl Change {
    fn of(figure: &Figure, now: f64, before: f64) -> Option<Self> {
        let kind = match figure.format {
            ValueFormat::Percent => ChangeKind::Points(now - before),
            ValueFormat::Number
                if parts::unit(figure) != Unit::Seconds && now.max(before) < FEW =>
            {
                ChangeKind::Difference(now - before)
            }
            _ if before == 0.0 => return None,
            _ => ChangeKind::Relative((now - before) / before.abs()),
        };
        Some(Self {
            label: figure.label.clone(),
            kind,
        })
    }

    /// How much it says, to be compared with that of others. Few more or less say nothing.
    fn weight(&self) -> f64 {
        match self.kind {
            ChangeKind::Points(change) | ChangeKind::Relative(change) => change,
            ChangeKind::Difference(_) => 0.0,
        }
    }

    /// The change without its sign.
    fn size(&self) -> String {
        match self.kind {
            ChangeKind::Points(change) => {
                format!("{} points", short(100.0 * change.abs()))
            }
            ChangeKind::Difference(change) => short(change.abs()),
            ChangeKind::Relative(change) => format!("{:.0} %", 100.0 * change.abs()),
        }
    }

    /// The change with its sign.
    fn signed(&self) -> String {
        let (ChangeKind::Points(change)
        | ChangeKind::Difference(change)
        | ChangeKind::Relative(change)) = self.kind;
        let size = self.size();
        if size.split(' ').next() == Some("0") {
            return "same".to_owned();
        }
        let sign = if change > 0.0 { "+" } else { "−" };
        format!("{sign}{size}")
    }
}

/// A number with at most one decimal.
fn short(value: f64) -> String {
    format!("{value:.1}").trim_end_matches(".0").to_owned()
}

/// The figures of the first run with the values that the second has for them.
fn matched<'f>(one: &'f RunDetail, two: &RunDetail) -> Vec<(&'f Figure, Option<f64>)> {
    let before = |figure: &Figure| {
        let other = two
            .figures
            .iter()
            .find(|other| other.metric == figure.metric);
        other.and_then(|other| other.value)
    };
    one.figures
        .iter()
        .map(|figure| (figure, before(figure)))
        .collect()
}

fn compared(first: &'static str) -> Vec<Head> {
    vec![
        Head::text(first),
        Head::number("This run"),
        Head::number("The other run"),
        Head::number("Change"),
    ]
}

fn compared_row(figure: &Figure, before: Option<f64>) -> Row {
    let change = figure
        .value
        .zip(before)
        .and_then(|(now, before)| Change::of(figure, now, before));
    let unit = parts::unit(figure);
    let cell = |number: Option<f64>| {
        let shown = number.map_or_else(|| UNKNOWN.to_owned(), |number| unit.value(number));
        Cell::number(&shown, number)
    };
    let shown = change.map_or_else(|| UNKNOWN.to_owned(), |change| change.signed());
    Row::new(vec![
        Cell::text(&figure.label),
        cell(figure.value),
        cell(before),
        Cell {
            is_number: true,
            ..Cell::text(&shown)
        },
    ])
}

fn numbers(one: &RunDetail, two: &RunDetail) -> Table {
    let rows = matched(one, two)
        .into_iter()
        .map(|(figure, before)| compared_row(figure, before));
    Table {
        caption: "Numbers of both runs".to_owned(),
        heads: compared("Number"),
        rows: rows.collect(),
        ..Table::default()
    }
}

fn statuses(one: &RunDetail, two: &RunDetail) -> Table {
    let codes: BTreeSet<&String> = one
        .status_codes
        .keys()
        .chain(two.status_codes.keys())
        .collect();
    let row = |code: &String| {
        let number = |run: &RunDetail| run.status_codes.get(code).copied().unwrap_or(0) as f64;
        let figure = Figure {
            label: code.clone(),
            value: Some(number(one)),
            ..Figure::default()
        };
        compared_row(&figure, Some(number(two)))
    };
    Table {
        caption: "Responses of both runs by status code".to_owned(),
        heads: compared("Status"),
        rows: codes.into_iter().map(row).collect(),
        empty: Html::text("Neither run logged status codes."),
        ..Table::default()
    }
}

fn config_changes(one: &RunDetail, two: &RunDetail) -> Table {
    type Config = BTreeMap<String, serde_json::Value>;
    let names: BTreeSet<&String> = one.config.keys().chain(two.config.keys()).collect();
    let cell = |config: &Config, name: &String| {
        let value = config.get(name);
        Cell::new(value.map_or_else(
            || Html::text("absent"),
            |value| Html::long(&value.to_string()),
        ))
    };
    let changed = names
        .into_iter()
        .filter(|name| one.config.get(*name) != two.config.get(*name));
    Table {
        caption: "Keys with different values".to_owned(),
        heads: ["Key", "This run", "The other run"].map(Head::text).into(),
        rows: changed
            .map(|name| {
                Row::new(vec![
                    Cell::text(name),
                    cell(&one.config, name),
                    cell(&two.config, name),
                ])
            })
            .collect(),
        empty: Html::text(if one.config.is_empty() && two.config.is_empty() {
            "Neither run logged its configuration."
        } else {
            "All keys have the same values."
        }),
        ..Table::default()
    }
}
