//! Runs: the list, one of them, and two compared.

use std::collections::{BTreeMap, BTreeSet};

use super::html::{
    self, Html, Tone, UNKNOWN, address, counted, key_params, length, line_address, name,
    outcome_badge, path_with, run_address, scraper_address, value,
};
use super::view::{Cell, Content, Field, Filters, Head, Page, Row, Section, Table};
use super::{Made, RUNS, charts, parts};
use crate::api::read::run_query;
use crate::http::Call;
use crate::model::{Figure, RunDetail, RunOutcome, RunSummary};
use crate::query::{RunKey, ScraperKey};

pub(super) fn list(call: &Call<'_>) -> Made {
    let query = run_query(call)?;
    let list = call.backend.runs(&query)?;
    let bad = list.items.iter().filter(|run| is_bad(run)).count() as u64;
    let total = list.total.unwrap_or(list.items.len() as u64);
    let shown = counted(list.items.len() as u64, "run", "runs");
    let (title, tone) = match (total, bad) {
        (0, _) => ("No run fits".to_owned(), Tone::Unknown),
        (_, 0) => (
            format!("The latest {shown} ended well or go on"),
            Tone::Good,
        ),
        (_, bad) => (
            format!("{bad} of the latest {shown} did not end well"),
            Tone::Warning,
        ),
    };
    let empty = Html::text("Runs would be here. A run begins with its first line. ")
        .then("", &Html::link(call.base, "/runs", "Show all runs"));
    let table = parts::runs(call, &list, "Runs, the latest start first", empty, true);
    let text = |name| call.params.text(name).unwrap_or_default();
    let outcomes = RunOutcome::ALL.map(|outcome| (outcome.name(), outcome.name()));
    let filters = Filters {
        path: "/runs".to_owned(),
        fields: vec![
            Field::text("scraper_id", "Scraper", text("scraper_id")).hint("any"),
            Field::text("site", "Site", text("site")).hint("any"),
            Field::choice(
                "outcome",
                "State",
                text("outcome"),
                [("", "any")].into_iter().chain(outcomes),
            ),
            Field::text("from", "Started after", text("from")).hint("7d or 2026-03-04"),
        ],
        ..Filters::default()
    };
    Page {
        title,
        tone: Some(tone),
        sections: vec![
            Section::new("filters", "", Content::Filters(filters)),
            Section::new("runs", "", Content::Table(table)),
        ],
        ..Page::default()
    }
    .draw(call, RUNS)
}

fn is_bad(run: &RunSummary) -> bool {
    let bad = [
        RunOutcome::Failed,
        RunOutcome::Killed,
        RunOutcome::Stalled,
        RunOutcome::Truncated,
    ];
    run.outcome.is_some_and(|outcome| bad.contains(&outcome))
}

fn scraper_of(key: &RunKey) -> ScraperKey {
    ScraperKey {
        scraper_id: key.scraper_id.clone(),
        site: key.site.clone(),
    }
}

/// The parameters of a run in a list of lines.
fn lines_of(run: &RunSummary) -> String {
    let scraper = scraper_of(&run.key);
    let from = run.start.map(|time| time.to_string());
    let to = run
        .end
        .or(run.last_seen)
        .map(|time| time.plus_micros(1).to_string());
    let params = key_params(&scraper)
        .into_iter()
        .chain([("run_id", run.key.run_id.as_str())]);
    let window = [("from", from.as_deref()), ("to", to.as_deref())];
    address(
        "/events",
        params.chain(
            window
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        ),
    )
}

pub(super) fn run(call: &Call<'_>) -> Made {
    let key = call.params.run_key()?;
    let detail = call.backend.run(&key)?;
    let run = &detail.summary;
    let lines = lines_of(run);
    let mut sections = vec![
        Section::new("facts", "", Content::Facts(facts(call, &detail)))
            .with_more(&lines, "The lines of this run"),
        Section::new(
            "numbers",
            "Numbers against what was expected",
            parts::figures(&detail.figures, |_| Some(lines.clone())),
        ),
    ];
    if !detail.series.is_empty() {
        sections.push(Section::new(
            "charts",
            "",
            Content::Charts(charts::figures(&detail.series)),
        ));
    }
    sections.push(Section::new(
        "errors",
        "Its errors",
        Content::Table(errors(call, &detail)),
    ));
    sections.push(Section::new(
        "statistics",
        "Responses and its own statistics",
        Content::Facts(statistics(&detail)),
    ));
    sections.push(Section::new(
        "configuration",
        "Configuration",
        configuration(&detail),
    ));
    sections.push(Section::new(
        "comparison",
        "Compare with another run",
        Content::Filters(comparison(&detail)),
    ));
    let scraper = scraper_of(&key);
    Page {
        title: title(run),
        tone: Some(if is_bad(run) {
            Tone::Critical
        } else {
            Tone::Plain
        }),
        lead: lead(call, run),
        up: Some((scraper_address(&scraper), name(&scraper))),
        sections,
    }
    .draw(call, RUNS)
}

fn title(run: &RunSummary) -> String {
    let who = name(&scraper_of(&run.key));
    let after = run
        .duration_seconds
        .map(|seconds| format!(" after {}", length(seconds)))
        .unwrap_or_default();
    match run.outcome {
        None => format!("Run of {who}: its log does not say how it ended"),
        Some(RunOutcome::Running) => format!(
            "Run of {who} is active{}",
            after.replacen("after", "for", 1)
        ),
        Some(RunOutcome::Finished) => format!("Run of {who} finished{after}"),
        Some(RunOutcome::Truncated) => format!("The log of a run of {who} is cut off{after}"),
        Some(outcome) => format!("Run of {who} was {}{after}", outcome.name())
            .replace("was failed", "failed")
            .replace("was stalled", "stalled"),
    }
}

fn lead(call: &Call<'_>, run: &RunSummary) -> Vec<Html> {
    let Some(forecast) = &run.forecast else {
        return Vec::new();
    };
    let mut text = Html::text("Expected to end about ")
        .then("", &Html::time(Some(forecast.end), call.now))
        .then(
            " (90 % between ",
            &Html::time(Some(forecast.end_lower), call.now),
        )
        .then(" and ", &Html::time(Some(forecast.end_upper), call.now))
        .then("", &Html::text(")"));
    if let Some(items) = forecast.items {
        let items = html::count(items.round().max(0.0) as u64);
        let range = forecast.items_range.map(|range| {
            let [lower, upper] =
                [range.lower, range.upper].map(|end| html::count(end.round().max(0.0) as u64));
            format!(" (90 % between {lower} and {upper})")
        });
        text = text.then(
            ", with ",
            &Html::text(&format!("{items} items{}", range.unwrap_or_default())),
        );
    }
    vec![text.then("", &Html::text("."))]
}

fn facts(call: &Call<'_>, detail: &RunDetail) -> Vec<(String, Html)> {
    let run = &detail.summary;
    let mut facts = vec![
        ("Run".to_owned(), Html::text(&run.key.run_id)),
        ("State".to_owned(), outcome_badge(run.outcome)),
        ("Start".to_owned(), Html::time(run.start, call.now)),
        ("End".to_owned(), Html::time(run.end, call.now)),
        (
            "Latest line".to_owned(),
            Html::time(run.last_seen, call.now),
        ),
    ];
    let mut fact = |label: &str, text: Option<Html>| {
        if let Some(text) = text {
            facts.push((label.to_owned(), text));
        }
    };
    fact("Reason", run.finish_reason.as_deref().map(Html::text));
    fact("Machine", run.host.as_deref().map(Html::text));
    fact(
        "Last line",
        detail.last_line.as_ref().map(|place| {
            let shown = place.line.map_or_else(
                || place.file.clone(),
                |line| format!("{}:{line}", place.file),
            );
            Html::link(
                call.base,
                &line_address(place),
                &html::cut_middle(&shown, 80),
            )
        }),
    );
    facts
}

fn errors(call: &Call<'_>, detail: &RunDetail) -> Table {
    let row = |(id, count): &(String, u64)| {
        let link = Html::link(call.base, &path_with("/errors", id), id);
        Row::new(vec![Cell::new(link), Cell::count(Some(*count))])
    };
    Table {
        caption: "Groups of errors, the largest first".to_owned(),
        heads: vec![Head::text("Group"), Head::number("Count")],
        rows: detail.error_groups.iter().map(row).collect(),
        empty: Html::text("No errors."),
        ..Table::default()
    }
}

fn statistics(detail: &RunDetail) -> Vec<(String, Html)> {
    let codes = detail
        .status_codes
        .iter()
        .map(|(code, number)| (format!("Status {code}"), Html::text(&html::count(*number))));
    let stats = detail.stats.iter().map(|(name, number)| {
        (
            name.clone(),
            Html::text(&dragline_charts::Format::Number.value(*number)),
        )
    });
    let mut facts: Vec<(String, Html)> = codes.chain(stats).collect();
    if facts.is_empty() {
        facts.push(("Status codes".to_owned(), Html::text("not logged")));
    }
    facts
}

fn configuration(detail: &RunDetail) -> Content {
    if detail.config.is_empty() {
        return Content::Words(vec![(
            "empty",
            Html::text(
                "Its configuration would be here. The recorder writes it with Run::builder(…).config(…).",
            ),
        )]);
    }
    let fact = |(name, value): (&String, &serde_json::Value)| {
        (name.clone(), Html::long(&value.to_string()))
    };
    Content::Facts(detail.config.iter().map(fact).collect())
}

fn comparison(detail: &RunDetail) -> Filters {
    let key = &detail.summary.key;
    let previous = detail
        .previous
        .as_ref()
        .map(|previous| previous.run_id.as_str());
    let hidden = [
        ("scraper_id", key.scraper_id.clone().unwrap_or_default()),
        ("site", key.site.clone().unwrap_or_default()),
        ("run_id", key.run_id.clone()),
    ];
    Filters {
        path: "/compare".to_owned(),
        fields: vec![
            Field::text(
                "other",
                "Run of the same scraper",
                previous.unwrap_or_default(),
            )
            .required(),
        ],
        hidden: hidden.into(),
        ..Filters::default()
    }
}

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
