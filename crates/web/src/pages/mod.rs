//! The pages, drawn on the server. They work without a script; the script follows changes and zooms.

mod alerts;
mod assets;
mod charts;
mod compare;
mod errors;
mod explore;
mod findings;
mod health;
pub(crate) mod html;
mod lines;
mod now;
mod parts;
mod reports;
mod runs;
mod scrapers;
mod sign_in;
mod sites;
mod snapshot;
mod tables;
mod times;
mod view;
mod words;

use axum::http::Method;

use crate::feed::Topic;
use crate::http::{Call, Handler, Kind, Problem, Reply, Route};
use crate::query::{ExportFormat, ExportTable};
use crate::token::Role;

pub(crate) use sign_in::{problem_page, sign_in_page};
pub use snapshot::snapshot;

/// The navigation: address, name, and the first parts of the addresses that belong to it.
const NAV: [(&str, &str, &[&str]); 9] = [
    ("/", "Now", &["", "findings"]),
    ("/scrapers", "Scrapers", &["scrapers", "scraper"]),
    ("/sites", "Sites", &["sites", "site"]),
    ("/runs", "Runs", &["runs", "run", "compare"]),
    ("/errors", "Errors", &["errors", "lines", "events"]),
    ("/alerts", "Alerts", &["alerts"]),
    ("/health", "Health", &["health"]),
    ("/explore", "Metrics", &["explore"]),
    ("/reports", "Reports", &["reports"]),
];

const NOW: &[Topic] = &[
    Topic::Overview,
    Topic::Scrapers,
    Topic::Runs,
    Topic::Alerts,
    Topic::Findings,
    Topic::Health,
    Topic::Service,
];
const SCRAPERS: &[Topic] = &[Topic::Scrapers, Topic::Runs, Topic::Alerts];
const SCRAPER: &[Topic] = &[
    Topic::Scrapers,
    Topic::Runs,
    Topic::Alerts,
    Topic::Errors,
    Topic::Findings,
];
const RUNS: &[Topic] = &[Topic::Runs];
const ERRORS: &[Topic] = &[Topic::Errors];
const ALERTS: &[Topic] = &[Topic::Alerts];
const HEALTH: &[Topic] = &[Topic::Health, Topic::Service];
const METRICS: &[Topic] = &[Topic::Metrics];
const FINDINGS: &[Topic] = &[Topic::Findings];
const REPORTS: &[Topic] = &[Topic::Reports];
/// Files change only at their ends: such a page follows nothing.
const NOTHING: &[Topic] = &[];

/// All routes of pages.
pub(crate) fn routes() -> Vec<Route> {
    let pages: [(&'static str, &'static [Topic], Handler); 22] = [
        ("/", NOW, now::page),
        ("/scrapers", SCRAPERS, scrapers::list),
        ("/scraper", SCRAPER, scrapers::scraper),
        ("/sites", SCRAPERS, sites::list),
        ("/site", SCRAPERS, sites::site),
        ("/runs", RUNS, runs::list),
        ("/run", RUNS, runs::run),
        ("/compare", RUNS, compare::compare),
        ("/errors", ERRORS, errors::list),
        ("/errors/{id}", ERRORS, errors::group),
        ("/lines", NOTHING, lines::around),
        ("/events", NOTHING, lines::events),
        ("/alerts", ALERTS, alerts::list),
        ("/alerts/{id}", ALERTS, alerts::alert),
        ("/health", HEALTH, health::list),
        ("/health/{name}", HEALTH, health::check),
        ("/explore", METRICS, explore::list),
        ("/explore/{name}", METRICS, explore::metric),
        ("/findings", FINDINGS, findings::list),
        ("/findings/{id}", FINDINGS, findings::finding),
        ("/reports", REPORTS, reports::list),
        ("/reports/{id}", NOTHING, reports::document),
    ];
    let page = |(path, topics, handler)| Route {
        topics,
        ..Route::new(Method::GET, path, Kind::Page, handler)
    };
    let mut routes: Vec<Route> = pages.into_iter().map(page).collect();
    let public: [(Method, &'static str, Handler); 7] = [
        (Method::GET, "/sign-in", sign_in::form),
        (Method::POST, "/sign-in", sign_in::sign_in),
        (Method::POST, "/sign-out", sign_in::sign_out),
        (Method::GET, "/assets/{version}/page.css", assets::css),
        (
            Method::GET,
            "/assets/{version}/page.js",
            assets::page_script,
        ),
        (
            Method::GET,
            "/assets/{version}/charts.js",
            assets::charts_script,
        ),
        (Method::GET, "/assets/{version}/icon.svg", assets::icon),
    ];
    routes.extend(public.into_iter().map(|(method, path, handler)| Route {
        role: Role::Read,
        ..Route::new(method, path, Kind::Public, handler)
    }));
    routes
}

/// Whether the caller may acknowledge and silence.
fn may_act(call: &Call<'_>) -> bool {
    call.caller.role.allows(Role::Act)
}

/// A problem of one part of a page: the rest of the page is shown.
fn or_words<T>(
    answer: Result<T, impl Into<Problem>>,
    show: impl FnOnce(T) -> view::Content,
) -> view::Content {
    match answer {
        Ok(value) => show(value),
        Err(problem) => {
            let detail = html::Html::text(&problem.into().detail);
            view::Content::Words(vec![(
                "empty",
                html::Html::text("Not available: ").then("", &detail),
            )])
        }
    }
}

/// The address of a page with another value of one parameter.
fn with_param(call: &Call<'_>, name: &str, value: Option<&str>) -> String {
    let (path, query) = call.address.split_once('?').unwrap_or((&call.address, ""));
    let kept = url::form_urlencoded::parse(query.as_bytes());
    let dropped = |other: &str| other == name || other == "cursor";
    let mut params: Vec<(String, String)> = kept
        .filter(|(other, _)| !dropped(other))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    params.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    html::address(
        path,
        params
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    )
}

/// What every table of a part of a list has: its note, links to other parts, and whether it can be sorted.
fn paged<T>(call: &Call<'_>, list: &crate::query::Listing<T>) -> view::Table {
    view::Table {
        note: note_of(list),
        is_sortable: list.next.is_none(),
        pages: parts_of(call, list),
        ..view::Table::default()
    }
}

/// Links to the first and the next part of a list.
fn parts_of<T>(call: &Call<'_>, list: &crate::query::Listing<T>) -> Vec<(String, String)> {
    let mut links = Vec::new();
    if call.params.text("cursor").is_some() {
        links.push((with_param(call, "cursor", None), "First part".to_owned()));
    }
    if let Some(next) = &list.next {
        links.push((
            with_param(call, "cursor", Some(next)),
            "Next part".to_owned(),
        ));
    }
    links
}

/// Files with the rows of a table, for the scope and period of the page.
fn downloads(call: &Call<'_>, table: ExportTable) -> Vec<(String, String)> {
    let kept = ["scraper_id", "site", "from", "to"];
    let kept = kept
        .into_iter()
        .filter_map(|name| Some((name, call.params.get(name)?)));
    let metric = (table == ExportTable::Metric).then(|| call.params.text("name"));
    let metric = metric.flatten().map(|name| ("metric", name));
    let path = format!("/api/v1/export/{}", table.name());
    let file = |(format, label): (ExportFormat, &str)| {
        let params = kept
            .clone()
            .chain(metric)
            .chain([("format", format.name())]);
        (html::address(&path, params), label.to_owned())
    };
    let formats = [(ExportFormat::Csv, "CSV"), (ExportFormat::Json, "JSON")];
    formats.map(file).into()
}

/// What a list does not show.
fn note_of<T>(list: &crate::query::Listing<T>) -> String {
    let shown = list.items.len() as u64;
    let of = list.total.filter(|total| *total > shown);
    let counted =
        of.map(|total| format!("{} of {} shown.", html::count(shown), html::count(total)));
    [counted, list.note.clone()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

/// A page that was made.
type Made = Result<Reply, Problem>;
