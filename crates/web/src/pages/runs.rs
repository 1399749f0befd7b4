//! Runs: the list, one of them, and two compared.

use super::html::{
    self, Html, Tone, address, counted, key_params, length, line_address, name, outcome_badge,
    path_with, scraper_address,
};
use super::view::{Cell, Content, Field, Filters, Head, Page, Row, Section, Table};
use super::{Made, RUNS, charts, downloads, parts, tables};
use crate::api::queries::run_query;
use crate::http::Call;
use crate::model::{Line, RunDetail, RunErrors, RunOutcome, RunSummary};
use crate::query::{ExportTable, RunKey, ScraperKey};

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
    let table = Table {
        downloads: downloads(call, ExportTable::Runs),
        ..tables::runs(call, &list, "Runs, the latest start first", empty, true)
    };
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

pub(super) fn scraper_of(key: &RunKey) -> ScraperKey {
    ScraperKey {
        scraper_id: key.scraper_id.clone(),
        site: key.site.clone(),
    }
}

/// The lines of a run that a metric counts; all of them for a metric that counts none.
fn lines_of(run: &RunSummary, metric: &str) -> String {
    let scraper = scraper_of(&run.key);
    let from = run.start.map(|time| time.to_string());
    let to = run
        .end
        .or(run.last_seen)
        .map(|time| time.plus_micros(1).to_string());
    let kind = match metric {
        "errors" => Some(("level", "ERROR")),
        _ => parts::kinds_of(metric).map(|kinds| ("event_type", kinds)),
    };
    let params = key_params(&scraper)
        .into_iter()
        .chain([("run_id", run.key.run_id.as_str())])
        .chain(kind);
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
    let lines = lines_of(run, "");
    let mut sections = vec![
        Section::new("facts", "", Content::Facts(facts(call, &detail)))
            .with_more(&lines, "The lines of this run"),
        Section::new(
            "numbers",
            "Numbers against what was expected",
            parts::figures(&detail.figures, None, |metric| Some(lines_of(run, metric))),
        ),
    ];
    // Of a run that is shorter than two steps, the figures say all.
    let mut series = detail.series.clone();
    series.retain(|series| {
        let known = |line: &Line| line.values.iter().flatten().nth(1).is_some();
        series.lines.iter().any(known)
    });
    if !series.is_empty() {
        sections.push(Section::new(
            "charts",
            "",
            Content::Charts(charts::figures(&series, call.now)),
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
        let why = run.no_forecast.iter();
        let words = why.map(|why| Html::text(&format!("Its end cannot be predicted: {why}.")));
        return words.collect();
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
    let row = |one: &RunErrors| {
        let link = Html::link(call.base, &path_with("/errors", &one.id), &one.template);
        Row::new(vec![Cell::new(link), Cell::count(one.count)])
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
