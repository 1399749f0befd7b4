//! Two runs of a scraper, compared.

use std::collections::{BTreeMap, BTreeSet};

use super::html::{self, Html, UNKNOWN, length, name, run_address, value};
use super::runs::scraper_of;
use super::view::{Cell, Content, Head, Page, Row, Section, Table};
use super::{Made, RUNS};
use crate::http::Call;
use crate::model::{Figure, RunDetail};
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
        lead: vec![
            Html::text("Compared with run ")
                .then(
                    "",
                    &Html::link(
                        call.base,
                        &run_address(&other),
                        &html::cut_middle(&other.run_id, 60),
                    ),
                )
                .then(" of ", &Html::time(two.summary.start, call.now)),
        ],
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
    let largest = pairs
        .iter()
        .filter_map(|(figure, before)| Some((figure, change(figure.value?, (*before)?)?)))
        .filter(|(_, change)| change.abs() >= 0.05)
        .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    match largest {
        None => format!("Two runs of {who} with nearly the same numbers"),
        Some((figure, change)) => {
            let verb = if change > 0.0 { "rose" } else { "fell" };
            format!(
                "{} {verb} by {:.0} % from the other run of {who} to this one",
                html::capitalised(&figure.label),
                100.0 * change.abs()
            )
        }
    }
}

fn change(now: f64, before: f64) -> Option<f64> {
    (before != 0.0).then(|| (now - before) / before.abs())
}

/// A change in percent, with its sign.
fn percent_change(change: f64) -> String {
    let percent = (100.0 * change).round();
    match percent {
        0.0 => "same".to_owned(),
        _ if percent > 0.0 => format!("+{percent} %"),
        _ => format!("−{} %", -percent),
    }
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

fn compared_row(label: &str, shown: [String; 2], values: [Option<f64>; 2]) -> Row {
    let change = values[0]
        .zip(values[1])
        .and_then(|(now, before)| change(now, before));
    let change_text = change.map_or_else(|| UNKNOWN.to_owned(), percent_change);
    let [now, before] = shown;
    Row::new(vec![
        Cell::text(label),
        Cell::number(&now, values[0]),
        Cell::number(&before, values[1]),
        Cell::number(&change_text, change),
    ])
}

fn numbers(one: &RunDetail, two: &RunDetail) -> Table {
    let row = |(figure, before): (&Figure, Option<f64>)| {
        let shown = [figure.value, before].map(|number| value(number, figure.format));
        compared_row(&figure.label, shown, [figure.value, before])
    };
    let lengths = [one, two].map(|run| run.summary.duration_seconds);
    let shown = lengths.map(|seconds| seconds.map_or_else(|| UNKNOWN.to_owned(), length));
    let mut rows = vec![compared_row("length", shown, lengths)];
    rows.extend(matched(one, two).into_iter().map(row));
    Table {
        caption: "Numbers of both runs".to_owned(),
        heads: compared("Number"),
        rows,
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
        let numbers = [one, two].map(|run| run.status_codes.get(code).copied().unwrap_or(0));
        compared_row(
            code,
            numbers.map(html::count),
            numbers.map(|number| Some(number as f64)),
        )
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
