//! Parts that several pages have: tables of scrapers, runs and groups, numbers, periods, forms.

use dragline_charts::Sparkline as Spark;

use super::html::{
    self, Html, Tone, UNKNOWN, address, key_params, line_address, name, outcome_badge, path_with,
    run_address, scraper_address, severity_badge, value, verdict_badge,
};
use super::view::{
    Cell, Content, Field, FigureView, Filters, Form, Head, LogLine, Row, Table, Thing, WindowLink,
};
use super::{may_act, note_of, parts_of, with_param};
use crate::http::Call;
use crate::model::{
    Attention, AttentionKind, ErrorGroup, EventLine, Figure, Finding, RunOutcome, RunSummary,
    ScraperSummary, Sparkline, ValueFormat,
};
use crate::query::{Listing, ScraperKey, Window};
use crate::views::AlertView;

/// The longest title of something that needs attention, in characters.
const LONGEST_TITLE: usize = 240;

/// The longest name in a table, in characters.
const LONGEST_NAME: usize = 80;

/// Numbers with what was expected of them. `path` leads from a number to what is behind it.
pub(super) fn figures(figures: &[Figure], path: impl Fn(&str) -> Option<String>) -> Content {
    let view = |figure: &Figure| {
        let (tone, note) = compare(figure);
        FigureView {
            tone: tone.class(),
            label: figure.label.clone(),
            value: value(figure.value, figure.format),
            note,
            path: figure.value.and_then(|_| path(&figure.metric)),
        }
    };
    Content::Figures(figures.iter().map(view).collect())
}

/// Whether a number is as expected, and the expectation in words.
fn compare(figure: &Figure) -> (Tone, String) {
    let Some(range) = figure.expected else {
        let note = if figure.value.is_none() {
            "not logged"
        } else {
            ""
        };
        return (Tone::Plain, note.to_owned());
    };
    let [lower, upper] = [range.lower, range.upper].map(|end| value(Some(end), figure.format));
    let note = if lower == upper {
        format!("expected {lower}")
    } else {
        format!("expected {lower} to {upper}")
    };
    let is_outside = figure
        .value
        .is_some_and(|value| value < range.lower || value > range.upper);
    (
        if is_outside {
            Tone::Warning
        } else {
            Tone::Plain
        },
        note,
    )
}

/// From a number of a scope to what is behind it.
pub(super) fn behind(metric: &str, scope: &[(&str, &str)], window: Window) -> Option<String> {
    let (from, to) = (window.from.to_string(), window.to.to_string());
    let period = [("from", from.as_str()), ("to", to.as_str())];
    let all = |path: &str, more: &[(&str, &str)]| {
        Some(address(
            path,
            scope.iter().chain(more).chain(&period).copied(),
        ))
    };
    match metric.split('.').next().unwrap_or_default() {
        "errors" => all("/errors", &[]),
        "requests" | "requests_failed" | "success_rate" | "response_time_ms" | "bytes" => {
            all("/events", &[("event_type", "request")])
        }
        "items" => all("/events", &[("event_type", "product_processed")]),
        "rate_limits" => all("/events", &[("event_type", "rate_limit")]),
        "runs" => all("/runs", &[]),
        _ => None,
    }
}

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
            state = state.then(
                ", ",
                &Html::link(
                    call.base,
                    &address("/alerts", key_params(&scraper.key)),
                    &alerts,
                ),
            );
        }
        let reason = scraper
            .reasons
            .first()
            .map(|reason| Html::text(&html::cut_middle(reason, 120)));
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
        note: note_of(list),
        is_sortable: list.next.is_none(),
        pages: parts_of(call, list),
    }
}

fn items(run: &RunSummary) -> Html {
    let items = run
        .numbers
        .items
        .map_or_else(|| UNKNOWN.to_owned(), html::count);
    let expected = run.items_expected.map(|range| {
        let [lower, upper] =
            [range.lower, range.upper].map(|end| value(Some(end), ValueFormat::Number));
        Html::text(&format!("expected {lower} to {upper}"))
    });
    Html::text(&items).small(&expected.unwrap_or_default())
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
        note: note_of(list),
        is_sortable: list.next.is_none(),
        pages: parts_of(call, list),
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
            Cell::time(call, line.at),
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
        note: note_of(list),
        is_sortable: list.next.is_none(),
        pages: parts_of(call, list),
    }
}

/// Something that needs attention.
pub(super) fn thing(call: &Call<'_>, attention: &Attention) -> Thing {
    let path = match attention.kind {
        AttentionKind::Finding => path_with("/findings", &attention.id),
        AttentionKind::Alert => path_with("/alerts", &attention.id),
        AttentionKind::Health => path_with("/health", &attention.id),
        AttentionKind::Service => "/health#service".to_owned(),
    };
    let mut about = severity_badge(attention.severity);
    if let Some(key) = &attention.scraper {
        about = about.then(
            " · ",
            &Html::link(call.base, &scraper_address(key), &name(key)),
        );
    }
    if attention.since.is_some() {
        about = about.then(" · since ", &Html::time(attention.since, call.now));
    }
    let sample = attention.place.as_ref().zip(attention.sample.as_ref());
    Thing {
        tone: Tone::of_severity(attention.severity).class(),
        title: html::cut_middle(&attention.title, LONGEST_TITLE),
        path,
        about,
        advice: attention.recommendation.clone(),
        sample: sample.map(|(place, text)| (line_address(place), html::cut_middle(text, 300))),
        command: attention.command.clone(),
        forms: Vec::new(),
    }
}

/// A finding in a list.
pub(super) fn finding(call: &Call<'_>, finding: &Finding) -> Thing {
    let mut about = if finding.is_open {
        severity_badge(finding.severity)
    } else {
        Html::badge(Tone::Unknown, "over")
    };
    if let Some(key) = &finding.scraper {
        about = about.then(
            " · ",
            &Html::link(call.base, &scraper_address(key), &name(key)),
        );
    }
    about = about.then(" · since ", &Html::time(finding.since, call.now));
    if finding.until.is_some() {
        about = about.then(" until ", &Html::time(finding.until, call.now));
    }
    Thing {
        tone: if finding.is_open {
            Tone::of_severity(finding.severity).class()
        } else {
            ""
        },
        title: html::cut_middle(&finding.title, LONGEST_TITLE),
        path: path_with("/findings", &finding.id),
        about,
        advice: Some(finding.recommendation.clone())
            .filter(|advice| finding.is_open && !advice.is_empty()),
        sample: None,
        command: None,
        forms: Vec::new(),
    }
}

/// An alert in a list, with what can be done about it.
pub(super) fn alert(call: &Call<'_>, alert: &AlertView) -> Thing {
    let mut about = severity_badge(alert.severity);
    let key = ScraperKey {
        scraper_id: alert.labels.get("scraper_id").cloned(),
        site: alert.labels.get("site").cloned(),
    };
    if key != ScraperKey::default() {
        about = about.then(
            " · ",
            &Html::link(call.base, &scraper_address(&key), &name(&key)),
        );
    }
    about = about.then(" · since ", &Html::time(Some(alert.began), call.now));
    if let Some(by) = &alert.acknowledged_by {
        about = about.then(" · ", &Html::text(&format!("taken up by {by}")));
    }
    if alert.silenced_until.is_some() {
        about = about.then(
            " · silenced until ",
            &Html::time(alert.silenced_until, call.now),
        );
    }
    let sample = alert.place.as_ref().zip(alert.evidence.first());
    let mut forms = Vec::new();
    if may_act(call) && alert.status == "firing" && alert.acknowledged_by.is_none() {
        forms.push(Form {
            title: String::new(),
            path: path_with("/api/v1/alerts", &alert.id) + "/acknowledge",
            fields: Vec::new(),
            hidden: vec![("return_to", call.address.clone())],
            button: "Acknowledge",
        });
    }
    Thing {
        tone: Tone::of_severity(alert.severity).class(),
        title: html::cut_middle(&alert.summary, LONGEST_TITLE),
        path: path_with("/alerts", &alert.id),
        about,
        advice: None,
        sample: sample.map(|(place, text)| (line_address(place), html::cut_middle(text, 300))),
        command: None,
        forms,
    }
}

/// The form that mutes alerts of a scope.
pub(super) fn silence(call: &Call<'_>, preset: &[(&'static str, &str)]) -> Form {
    let preset = |name: &str| {
        let found = preset.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| *value).unwrap_or_default()
    };
    let lengths = [
        ("1h", "1 hour"),
        ("4h", "4 hours"),
        ("24h", "1 day"),
        ("3d", "3 days"),
        ("7d", "7 days"),
    ];
    Form {
        title: "Mute notices for a time".to_owned(),
        path: "/api/v1/silences".to_owned(),
        fields: vec![
            Field::text("alertname", "Rule", preset("alertname")).hint("any"),
            Field::text("scraper_id", "Scraper", preset("scraper_id")).hint("any"),
            Field::text("site", "Site", preset("site")).hint("any"),
            Field::choice("for", "For", "4h", lengths),
            Field::text("comment", "Why", "")
                .hint("the site rebuilds its shop")
                .required(),
        ],
        hidden: vec![("return_to", call.address.clone())],
        button: "Silence",
    }
}

/// The choice of a period, which keeps all other parameters.
pub(super) fn periods(call: &Call<'_>, window: Window) -> Filters {
    let presets = [
        ("1h", "1 h"),
        ("6h", "6 h"),
        ("24h", "24 h"),
        ("7d", "7 d"),
        ("30d", "30 d"),
    ];
    let (from, to) = (call.params.text("from"), call.params.text("to"));
    let is_current = |preset: &str| to.is_none() && from.unwrap_or("24h") == preset;
    let link = |(preset, label): (&'static str, &'static str)| {
        let (path, query) = call.address.split_once('?').unwrap_or((&call.address, ""));
        let kept: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| !["from", "to", "cursor"].contains(&&**name))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let kept = kept
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        WindowLink {
            path: address(path, kept.chain([("from", preset)])),
            label,
            is_current: is_current(preset),
        }
    };
    let is_custom = !presets.iter().any(|(preset, _)| is_current(preset));
    let custom = Html::time(Some(window.from), call.now)
        .then(" to ", &Html::time(Some(window.to), call.now));
    let path = call.address.split('?').next().unwrap_or_default();
    Filters {
        path: path.to_owned(),
        windows: presets.map(link).into(),
        custom: is_custom.then_some(custom),
        ..Filters::default()
    }
}

/// A link that sorts a list by a column, unless it is sorted by it.
pub(super) fn sort_by(call: &Call<'_>, by: &'static str, default: &str) -> Option<String> {
    let now = call.params.text("sort").unwrap_or(default);
    (now != by).then(|| with_param(call, "sort", Some(by)))
}

/// Lines around a place, the one asked for marked.
pub(super) fn log_lines(lines: &crate::model::LinesAround) -> Vec<LogLine> {
    let line = |line: &crate::model::LineAround| {
        let is_error = line
            .level
            .as_deref()
            .is_some_and(|level| matches!(level, "ERROR" | "CRITICAL"));
        LogLine {
            class: match (line.is_target, is_error) {
                (true, true) => "target error",
                (true, false) => "target",
                (false, true) => "error",
                (false, false) => "",
            },
            number: line
                .line
                .map_or_else(|| format!("@{}", line.offset), |number| number.to_string()),
            text: line.text.clone(),
            is_target: line.is_target,
        }
    };
    lines.lines.iter().map(line).collect()
}
