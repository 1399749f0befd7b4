//! Scrapers: the list, and one of them.

use super::html::{
    Html, Tone, address, count, counted, key_params, length, name, predicate, verdict,
};
use super::view::{Content, Field, Filters, Page, Section};
use super::{
    Made, SCRAPER, SCRAPERS, charts, downloads, may_act, note_of, or_words, parts, parts_of, tables,
};
use crate::api::queries::{convert, scraper_query};
use crate::http::Call;
use crate::model::{ScraperDetail, ScraperSummary, ScraperVerdict};
use crate::query::{
    AlertQuery, ErrorQuery, ExportTable, FindingQuery, Listing, Page as Part, RunQuery, Scope,
    Window,
};
use crate::views::AlertView;

pub(super) fn list(call: &Call<'_>) -> Made {
    let query = scraper_query(call)?;
    let list = call.backend.scrapers(&query)?;
    let is_narrowed =
        query.search.is_some() || !query.verdicts.is_empty() || query.scope != Scope::default();
    let (title, tone) = title_of(&list, is_narrowed);
    let empty = if is_narrowed {
        Html::text("No scraper fits. ")
            .then("", &Html::link(call.base, "/scrapers", "Show all scrapers"))
    } else {
        Html::text("Each scraper that writes a log would be here, with its state and its numbers.")
    };
    let caption = "Numbers of the last 24 hours".to_owned();
    let mut table = tables::scrapers(call, &list.items, caption, empty, |by| {
        parts::sort_by(call, by, "attention")
    });
    table.note = note_of(&list);
    table.pages = parts_of(call, &list);
    table.downloads = downloads(call, ExportTable::Scrapers);
    let filters = Filters {
        path: "/scrapers".to_owned(),
        fields: vec![
            Field {
                kind: "search",
                ..Field::text(
                    "search",
                    "Scraper or site",
                    call.params.text("search").unwrap_or_default(),
                )
            },
            Field::choice(
                "verdict",
                "State",
                call.params.text("verdict").unwrap_or_default(),
                verdicts(),
            ),
        ],
        hidden: call
            .params
            .text("sort")
            .map(|sort| ("sort", sort.to_owned()))
            .into_iter()
            .collect(),
        ..Filters::default()
    };
    Page {
        title,
        tone,
        sections: vec![
            Section::new("filters", "", Content::Filters(filters)),
            Section::new("scrapers", "", Content::Table(table)),
        ],
        ..Page::default()
    }
    .draw(call, SCRAPERS)
}

fn verdicts() -> Vec<(&'static str, &'static str)> {
    let each = ScraperVerdict::ALL
        .into_iter()
        .map(|one| (one.name(), verdict(one)));
    let sick = "down,blocked,silent_failure,layout_changed,stalled,missed,degraded";
    [("", "any"), (sick, "needs attention")]
        .into_iter()
        .chain(each)
        .collect()
}

fn title_of(list: &Listing<ScraperSummary>, is_narrowed: bool) -> (String, Option<Tone>) {
    let total = list.total.unwrap_or(list.items.len() as u64);
    if is_narrowed {
        return (
            format!("{} found", counted(total, "scraper", "scrapers")),
            None,
        );
    }
    let needing = list
        .items
        .iter()
        .filter(|scraper| scraper.verdict.needs_attention());
    let worst = needing
        .clone()
        .map(|scraper| Tone::of_verdict(scraper.verdict))
        .max();
    let sick = needing.count() as u64;
    // Those that need attention come first, so they are all on the first part unless it is full of them.
    let is_known = sick < list.items.len() as u64 || list.next.is_none();
    match (total, sick) {
        (0, _) => (
            "No scraper has logged anything yet".to_owned(),
            Some(Tone::Unknown),
        ),
        (total, 0) => (
            format!(
                "{} and none needs attention",
                counted(total, "scraper", "scrapers")
            ),
            Some(Tone::Good),
        ),
        (total, sick) => {
            let more = if is_known { "" } else { "At least " };
            let of = format!(
                "{more}{} of {} {} attention",
                count(sick),
                counted(total, "scraper", "scrapers"),
                if sick == 1 { "needs" } else { "need" }
            );
            (of, worst)
        }
    }
}

pub(super) fn scraper(call: &Call<'_>) -> Made {
    let key = call.params.scraper_key();
    let window = call.params.window(call.now)?;
    let detail = call.backend.scraper(&key, window)?;
    let summary = &detail.summary;
    let params = key_params(&key);
    let scope = Scope {
        scraper_id: Some(params[0].1.to_owned()),
        site: Some(params[1].1.to_owned()),
    };
    let mut sections = current(call, &scope);
    sections.push(Section::new(
        "period",
        "",
        Content::Filters(parts::periods(call, detail.window)),
    ));
    let path = |metric: &str| parts::behind(metric, &params, detail.window);
    let numbers = Section::new(
        "numbers",
        "Numbers against what was expected",
        parts::figures(&detail.figures, Some(detail.window), path),
    );
    sections.push(numbers);
    if !detail.series.is_empty() {
        let more = parts::behind("runs", &params, detail.window)
            .map(|path| path.replacen("/runs", "/events", 1));
        let section = Section::new(
            "charts",
            "",
            Content::Charts(charts::figures(&detail.series, call.now)),
        );
        sections.push(section.with_more(more.unwrap_or_default(), "The raw lines of this period"));
    }
    sections.extend(behind(call, &scope, &params, window));
    if may_act(call) {
        let preset = [("scraper_id", params[0].1), ("site", params[1].1)];
        sections.push(Section::new(
            "silence",
            "",
            Content::Forms(vec![parts::silence(call, &preset)]),
        ));
    }
    Page {
        title: format!("{} {}", name(&key), predicate(summary.verdict)),
        tone: Some(Tone::of_verdict(summary.verdict)),
        lead: lead(call, &detail),
        up: Some(("/scrapers".to_owned(), "Scrapers".to_owned())),
        sections,
    }
    .draw(call, SCRAPER)
}

fn lead(call: &Call<'_>, detail: &ScraperDetail) -> Vec<Html> {
    let summary = &detail.summary;
    let mut lines: Vec<Html> = summary
        .reasons
        .iter()
        .map(|reason| Html::sentence(reason, call.now))
        .collect();
    let mut about = Html::default();
    if summary.since.is_some() {
        about = Html::text("So since ")
            .then("", &Html::time(summary.since, call.now))
            .then("", &Html::text("."));
    }
    about = about.then(
        " ",
        &Html::text("Latest event ").then("", &Html::time(summary.last_event, call.now)),
    );
    about = about.then("; ", &due(call, summary));
    about = about.then("", &Html::text("."));
    if let Some(site) = &summary.key.site {
        let link = Html::link(
            call.base,
            &address("/site", [("site", site.as_str())]),
            "The site and its control group",
        );
        about = about.then(" ", &link);
    }
    lines.push(about);
    let learned = detail.baseline_runs.map_or_else(
        || "No range is expected yet: too few runs to learn from.".to_owned(),
        |runs| {
            format!(
                "Expected ranges are learned from {}.",
                counted(runs, "run", "runs")
            )
        },
    );
    lines.push(Html::text(&learned));
    lines
}

/// When the next run is due, or since when it has been.
fn due(call: &Call<'_>, summary: &ScraperSummary) -> Html {
    let Some(due) = summary.next_run_due else {
        return Html::default();
    };
    let late = call.now.since(due) as f64 / 1e6;
    let at = Html::time(Some(due), call.now);
    if late < 60.0 || summary.active_runs > 0 {
        return Html::text("next run due ").then("", &at);
    }
    Html::text("a run was due ")
        .then("", &at)
        .then(", ", &Html::text(&format!("{} ago", length(late))))
}

/// Findings and alerts that are open.
fn current(call: &Call<'_>, scope: &Scope) -> Vec<Section> {
    let findings = call.backend.findings(&FindingQuery {
        scope: scope.clone(),
        is_open: Some(true),
        page: Part::first(5),
        ..FindingQuery::default()
    });
    let alerts = call.backend.alerts(&AlertQuery {
        scope: scope.clone(),
        page: Part::first(5),
        ..AlertQuery::default()
    });
    let mut sections = Vec::new();
    if !findings.as_ref().is_ok_and(|list| list.items.is_empty()) {
        let content = or_words(findings, |list| {
            Content::Attention(
                list.items
                    .iter()
                    .map(|finding| parts::finding(call, finding))
                    .collect(),
            )
        });
        sections.push(Section::new("findings", "What was found", content));
    }
    if !alerts.as_ref().is_ok_and(|list| list.items.is_empty()) {
        let content = or_words(alerts, |list| {
            let list: Listing<AlertView> = convert(list);
            Content::Attention(
                list.items
                    .iter()
                    .map(|alert| parts::alert(call, alert))
                    .collect(),
            )
        });
        sections.push(Section::new("alerts", "Alerts that fire", content));
    }
    sections
}

/// Runs and errors of the scraper.
fn behind(
    call: &Call<'_>,
    scope: &Scope,
    params: &[(&'static str, &str); 2],
    window: Window,
) -> [Section; 2] {
    // Who chooses no period wants the latest runs, however long ago they were.
    let is_chosen = ["from", "to"]
        .iter()
        .any(|name| call.params.text(name).is_some());
    let runs = call.backend.runs(&RunQuery {
        scope: scope.clone(),
        window: is_chosen.then_some(window),
        page: Part::first(10),
        ..RunQuery::default()
    });
    let (caption, empty) = if is_chosen {
        (
            "Runs that started in this period, the latest first",
            "No run started in this period.",
        )
    } else {
        (
            "Runs, the latest first",
            "Its runs would be here. A run begins with its first line.",
        )
    };
    let runs = or_words(runs, |mut list| {
        list.next = None;
        let empty = Html::text(empty);
        Content::Table(tables::runs(call, &list, caption, empty, false))
    });
    let all_runs = if is_chosen {
        parts::behind("runs", params, window).unwrap_or_default()
    } else {
        address("/runs", params.iter().copied())
    };
    let groups = call.backend.error_groups(&ErrorQuery {
        scope: scope.clone(),
        category: None,
        severity: None,
        state: None,
        search: None,
        window,
        page: Part::first(10),
    });
    let groups = or_words(groups, |mut list| {
        list.next = None;
        let empty = Html::text("No errors in this period.");
        Content::Table(tables::groups(
            call,
            &list,
            "Groups of errors, the largest first",
            empty,
        ))
    });
    let all = parts::behind("errors", params, window).unwrap_or_default();
    [
        Section::new("runs", "Runs", runs).with_more(
            all_runs,
            if is_chosen {
                "All runs of this period"
            } else {
                "All runs of this scraper"
            },
        ),
        Section::new("errors", "Errors", groups).with_more(all, "All errors of this scraper"),
    ]
}
