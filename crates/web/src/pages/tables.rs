//! Tables that several pages have: of scrapers, runs, groups of errors, and lines.

use dragline_charts::Sparkline as Spark;

use super::html::{
    self, Html, Tone, UNKNOWN, address, key_params, name, outcome_badge, path_with, run_address,
    scraper_address, severity_badge, value, verdict_badge,
};
use super::paged;
use super::view::{Cell, Head, Row, Table};
use super::words::Unit;
use crate::http::Call;
use crate::model::{
    ErrorGroup, EventLine, Range, RunOutcome, RunSummary, ScraperSummary, Sparkline, ValueFormat,
};
use crate::query::{Listing, ScraperKey};

/// The longest name in a table, in characters.
const LONGEST_NAME: usize = 80;

/// A short line for a cell; all of a column share their scale.
fn spark(line: Option<&Sparkline>, most: f64) -> Html {
    let Some(line) = line else {
        return Html::text(UNKNOWN);
    };
    let spark = Spark {
        label: line.label.clone(),
        values: line.values.clone(),
        max: most,
        ..Spark::default()
    };
    Html(spark.svg())
}

fn most<'a>(lines: impl Iterator<Item = Option<&'a Sparkline>>) -> f64 {
    let values = lines
        .flatten()
        .flat_map(|line| line.values.iter().flatten().copied());
    values.filter(|value| value.is_finite()).fold(0.0, f64::max)
}

/// A table of scrapers. `sort` makes a head a link that sorts by it.
pub(super) fn scrapers(
    call: &Call<'_>,
    list: &[ScraperSummary],
    caption: String,
    empty: Html,
    sort: impl Fn(&'static str) -> Option<String>,
) -> Table {
    let most = most(list.iter().map(|scraper| scraper.items_per_day.as_ref()));
    let row = |scraper: &ScraperSummary| {
        let numbers = &scraper.numbers;
        let mut state = verdict_badge(scraper.verdict);
        if scraper.alerts_firing > 0 {
            let alerts = html::counted(scraper.alerts_firing, "alert", "alerts");
            let path = address("/alerts", key_params(&scraper.key));
            state = state.then(", ", &Html::link(call.base, &path, &alerts));
        }
        let reason = scraper
            .reasons
            .first()
            .map(|reason| Html::sentence(&html::cut_middle(reason, 120), call.now));
        let rate = value(numbers.success_rate, ValueFormat::Percent);
        let time = value(numbers.response_time_ms_p95, ValueFormat::Milliseconds);
        Row::new(vec![
            Cell::new(two_lines(call, &scraper.key)),
            Cell {
                key: Some((scraper.verdict as u8).to_string()),
                ..Cell::new(state.small(&reason.unwrap_or_default()))
            },
            Cell::count(numbers.requests),
            Cell::number(&rate, numbers.success_rate),
            Cell::count(numbers.items),
            Cell::new(spark(scraper.items_per_day.as_ref(), most)),
            Cell::count(numbers.errors),
            Cell::number(&time, numbers.response_time_ms_p95),
            Cell::time(call, scraper.last_event),
        ])
    };
    let head = |label, by| Head {
        path: sort(by),
        ..Head::number(label)
    };
    Table {
        caption,
        heads: vec![
            Head {
                path: sort("name"),
                ..Head::text("Scraper")
            },
            Head {
                path: sort("attention"),
                ..Head::text("State")
            },
            head("Requests", "requests"),
            head("Success", "success_rate"),
            head("Items", "items"),
            Head::text("Items per day, 14 days, same scale"),
            head("Errors", "errors"),
            Head::number("p95"),
            Head {
                path: sort("last_event"),
                ..Head::text("Last event")
            },
        ],
        rows: list.iter().map(row).collect(),
        empty,
        ..Table::default()
    }
}

/// A scraper with its site below it.
fn two_lines(call: &Call<'_>, key: &ScraperKey) -> Html {
    let scraper = key.scraper_id.as_deref().unwrap_or("unnamed scraper");
    let site = key
        .site
        .as_deref()
        .map(|site| html::cut_middle(site, LONGEST_NAME));
    Html::link(
        call.base,
        &scraper_address(key),
        &html::cut_middle(scraper, LONGEST_NAME),
    )
    .small(&Html::text(&site.unwrap_or_default()))
}

/// A table of runs.
pub(super) fn runs(
    call: &Call<'_>,
    list: &Listing<RunSummary>,
    caption: &str,
    empty: Html,
    has_scraper: bool,
) -> Table {
    let row = |run: &RunSummary| {
        let key = ScraperKey {
            scraper_id: run.key.scraper_id.clone(),
            site: run.key.site.clone(),
        };
        let numbers = &run.numbers;
        let length = run
            .duration_seconds
            .map_or_else(|| UNKNOWN.to_owned(), html::length);
        let rate = value(numbers.success_rate, ValueFormat::Percent);
        let who = Html::link(call.base, &scraper_address(&key), &name(&key));
        let who = if has_scraper { who } else { Html::default() };
        Row::new(vec![
            Cell::new(
                Html::link(
                    call.base,
                    &run_address(&run.key),
                    &html::cut_middle(&run.key.run_id, 40),
                )
                .small(&who),
            ),
            Cell::new(outcome_badge(run.outcome).small(&outlook(call, run))),
            Cell::time(call, run.start),
            Cell::number(&length, run.duration_seconds),
            Cell::count(numbers.requests),
            Cell::number(&rate, numbers.success_rate),
            Cell {
                html: items(run),
                ..Cell::count(numbers.items)
            },
            Cell::count(numbers.errors),
        ])
    };
    Table {
        caption: caption.to_owned(),
        heads: vec![
            Head::text("Run"),
            Head::text("State"),
            Head::text("Start"),
            Head::number("Length"),
            Head::number("Requests"),
            Head::number("Success"),
            Head::number("Items"),
            Head::number("Errors"),
        ],
        rows: list.items.iter().map(row).collect(),
        empty,
        ..paged(call, list)
    }
}

/// The items of a run, marked where it ended with fewer than expected.
fn items(run: &RunSummary) -> Html {
    let items = run
        .numbers
        .items
        .map_or_else(|| UNKNOWN.to_owned(), html::count);
    let expected = run.items_expected.map(|range| {
        let whole = Range {
            lower: range.lower.floor(),
            upper: range.upper.ceil(),
        };
        let range = Unit::Is(ValueFormat::Number).range(whole);
        Html::text(&format!("expected {range}"))
    });
    let is_short = run.outcome != Some(RunOutcome::Running)
        && run
            .numbers
            .items
            .zip(run.items_expected)
            .is_some_and(|(items, range)| (items as f64) < range.lower);
    let items = if is_short {
        Html::badge(Tone::Warning, &items)
    } else {
        Html::text(&items)
    };
    items.small(&expected.unwrap_or_default())
}

/// How a run is expected to end, or why it ended.
pub(super) fn outlook(call: &Call<'_>, run: &RunSummary) -> Html {
    if let Some(forecast) = &run.forecast {
        return Html::text("ends about ").then("", &Html::time(Some(forecast.end), call.now));
    }
    let outcome = run.outcome.map_or("", RunOutcome::name);
    let reason = run.finish_reason.as_deref();
    reason
        .filter(|reason| *reason != outcome)
        .map(|reason| Html::text(&html::cut_middle(reason, 60)))
        .unwrap_or_default()
}

/// A table of groups of errors.
pub(super) fn groups(
    call: &Call<'_>,
    list: &Listing<ErrorGroup>,
    caption: &str,
    empty: Html,
) -> Table {
    let most = most(list.items.iter().map(|group| group.over_time.as_ref()));
    let window = [
        call.params.text("from").map(|from| ("from", from)),
        call.params.text("to").map(|to| ("to", to)),
    ];
    let row = |group: &ErrorGroup| {
        let path = address(
            &path_with("/errors", &group.id),
            window.into_iter().flatten(),
        );
        let mut about = group.error_type.clone().unwrap_or_default();
        if let Some(muted) = &group.muted {
            about = format!("muted: {muted}");
        }
        let who = match group.scrapers.first() {
            Some(first) if group.scrapers_total <= 1 => name(&first.key),
            _ => html::counted(group.scrapers_total, "scraper", "scrapers"),
        };
        Row {
            class: if group.muted.is_some() { "muted" } else { "" },
            cells: vec![
                Cell::new(
                    Html(format!(
                        "<a href=\"{}\">{}</a>",
                        dragline_charts::escape(&format!("{}{path}", call.base)),
                        Html::long(&group.template).0
                    ))
                    .small(&Html::text(&html::cut_middle(&about, 80))),
                ),
                Cell::new(severity_badge(group.severity)),
                Cell::text(&group.category.replace('_', " ")),
                Cell::text(group.state.map_or(UNKNOWN, crate::model::ErrorState::name)),
                Cell::count(Some(group.count)),
                Cell::new(spark(group.over_time.as_ref(), most)),
                Cell::text(&who),
                Cell::time(call, group.last_seen),
            ],
        }
    };
    Table {
        caption: caption.to_owned(),
        heads: vec![
            Head::text("Error"),
            Head::text("Severity"),
            Head::text("Category"),
            Head::text("State"),
            Head::number("Count"),
            Head::text("Over the period, same scale"),
            Head::text("Scrapers"),
            Head::text("Last"),
        ],
        rows: list.items.iter().map(row).collect(),
        empty,
        ..paged(call, list)
    }
}

/// A table of lines of logs.
pub(super) fn lines(
    call: &Call<'_>,
    list: &Listing<EventLine>,
    caption: &str,
    empty: Html,
) -> Table {
    let row = |line: &EventLine| {
        let what = [line.level.as_deref(), line.event_type.as_deref()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ");
        Row::new(vec![
            Cell::new(html::place(call.base, &line.place)),
            Cell {
                html: Html::time_seconds(line.at, call.now),
                ..Cell::time(call, line.at)
            },
            Cell::text(&what),
            Cell::words(&name(&line.key)),
            Cell::new(Html::long(&line.text)),
        ])
    };
    Table {
        caption: caption.to_owned(),
        heads: ["Place", "Time", "Kind", "Scraper", "Line"]
            .map(Head::text)
            .into(),
        rows: list.items.iter().map(row).collect(),
        empty,
        ..paged(call, list)
    }
}
