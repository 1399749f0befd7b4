//! Errors: over time, in groups, and the lines of a group.

use super::html::{
    self, Html, Tone, count, counted, line_address, name, scraper_address, severity_badge,
};
use super::view::{Cell, Content, Field, Filters, Head, Page, Row, Section, Table};
use super::{ERRORS, Made, charts, downloads, or_words, parts, tables};
use crate::api::queries::error_query;
use crate::http::Call;
use crate::model::{ErrorGroup, ErrorGroupDetail, ErrorState, ErrorTotals};
use crate::query::{ExportTable, Place, ScraperKey};

const CATEGORIES: [&str; 8] = [
    "network",
    "parsing",
    "database",
    "rate_limit",
    "authentication",
    "site_change",
    "system",
    "unknown",
];

pub(super) fn list(call: &Call<'_>) -> Made {
    let query = error_query(call)?;
    let totals = call.backend.errors(&query.scope, query.window)?;
    let list = call.backend.error_groups(&query)?;
    let title = title(call, &totals);
    let tone = match totals.total {
        Some(0) => Tone::Good,
        Some(_) => Tone::Plain,
        None => Tone::Unknown,
    };
    let mut sections = vec![Section::new(
        "period",
        "",
        Content::Filters(parts::periods(call, query.window)),
    )];
    if totals.total.is_some_and(|total| total > 0) {
        let chart = charts::errors(&totals, "Errors by category over the period".to_owned());
        sections.push(Section::new("chart", "", Content::Charts(vec![chart])));
    }
    sections.push(Section::new(
        "filters",
        "Groups of errors",
        Content::Filters(filters(call)),
    ));
    let empty = Html::text(
        "No errors fit. Errors with the same message form a group, which would be here.",
    );
    let table = Table {
        downloads: downloads(call, ExportTable::Errors),
        ..tables::groups(
            call,
            &list,
            "Errors with the same message, the largest group first",
            empty,
        )
    };
    sections.push(Section::new("groups", "", Content::Table(table)));
    Page {
        title,
        tone: Some(tone),
        sections,
        ..Page::default()
    }
    .draw(call, ERRORS)
}

fn title(call: &Call<'_>, totals: &ErrorTotals) -> String {
    let key = call.params.scraper_key();
    let of = if key == ScraperKey::default() {
        String::new()
    } else {
        format!(" of {}", name(&key))
    };
    let Some(total) = totals.total else {
        return format!("Nothing is known about errors{of} in this period");
    };
    let period = html::period(totals.window.seconds());
    if total == 0 {
        return format!("No errors{of} in {period}");
    }
    let largest = totals.by_category.iter().max_by_key(|(_, number)| **number);
    let most = largest.map_or_else(String::new, |(category, number)| {
        let share = 100 * number / total.max(1);
        let category = category.replace('_', " ");
        if share >= 100 {
            format!(", all {category}")
        } else {
            format!(", {share} % of them {category}")
        }
    });
    format!(
        "{}{of} in {period}{most}",
        counted(total, "error", "errors")
    )
}

fn filters(call: &Call<'_>) -> Filters {
    let text = |name| call.params.text(name).unwrap_or_default();
    let categories = CATEGORIES.into_iter().map(|one| (one, one));
    let severities = ["low", "medium", "high", "critical"].map(|one| (one, one));
    let states = ErrorState::ALL.map(|state| (state.name(), state.name()));
    let any = [("", "any")];
    let kept = ["from", "to", "scraper_id", "site"]
        .into_iter()
        .filter_map(|name| Some((name, call.params.get(name)?.to_owned())));
    Filters {
        path: "/errors".to_owned(),
        fields: vec![
            Field {
                kind: "search",
                ..Field::text("search", "Message", text("search"))
            },
            Field::choice(
                "category",
                "Category",
                text("category"),
                any.into_iter().chain(categories),
            ),
            Field::choice(
                "severity",
                "Severity",
                text("severity"),
                any.into_iter().chain(severities),
            ),
            Field::choice(
                "state",
                "State",
                text("state"),
                any.into_iter().chain(states),
            ),
        ],
        hidden: kept.collect(),
        ..Filters::default()
    }
}

pub(super) fn group(call: &Call<'_>) -> Made {
    let id = call.params.required("id")?;
    let detail = call
        .backend
        .error_group(id, call.params.window(call.now)?)?;
    let group = &detail.group;
    let samples = or_words(
        call.backend.error_samples(id, &call.params.page(20)?),
        |list| {
            let empty = Html::text("No line of this group is left in the logs.");
            Content::Table(tables::lines(
                call,
                &list,
                "Lines of this group, the latest first",
                empty,
            ))
        },
    );
    let mut sections = vec![
        Section::new(
            "sample",
            "What was logged",
            Content::Words(vec![("sample", sample(call, group))]),
        ),
        Section::new("facts", "", Content::Facts(facts(call, &detail))),
        Section::new(
            "period",
            "",
            Content::Filters(parts::periods(call, detail.window)),
        ),
    ];
    if let Some(series) = &detail.series {
        sections.push(Section::new(
            "chart",
            "",
            Content::Charts(vec![charts::figure(series, call.now)]),
        ));
    }
    sections.push(Section::new(
        "scrapers",
        "Who has it",
        Content::Table(scrapers(call, group)),
    ));
    sections.push(Section::new("lines", "Its lines", samples));
    Page {
        title: group_title(group),
        tone: Some(Tone::of_severity(group.severity)),
        lead: detail
            .advice
            .iter()
            .map(|advice| Html::sentence(advice, call.now))
            .collect(),
        up: Some(("/errors".to_owned(), "Errors".to_owned())),
        sections,
    }
    .draw(call, ERRORS)
}

fn group_title(group: &ErrorGroup) -> String {
    let what = group
        .error_type
        .clone()
        .unwrap_or_else(|| group.category.replace('_', " "));
    let times = counted(group.count, "error", "errors");
    let of = match group.scrapers.first() {
        Some(first) if group.scrapers_total <= 1 => format!(" of {}", name(&first.key)),
        _ => format!(
            " of {}",
            counted(group.scrapers_total, "scraper", "scrapers")
        ),
    };
    let state = match group.state {
        Some(ErrorState::New) => ", new in this period",
        Some(ErrorState::Regressed) => ", back after it had ended",
        Some(ErrorState::Resolved) => ", which ended",
        Some(ErrorState::Ongoing) | None => "",
    };
    format!("{}: {times}{of}{state}", html::cut_middle(&what, 80))
}

fn sample(call: &Call<'_>, group: &ErrorGroup) -> Html {
    let text = Html(format!(
        "<code>{}</code>",
        Html::text(&html::cut_middle(&group.sample, 1_500)).0
    ));
    match &group.place {
        Some(place) => text.then(
            " ",
            &Html::link(
                call.base,
                &line_address(place),
                &format!("The lines around {}", shown(place)),
            ),
        ),
        None => text,
    }
}

fn shown(place: &Place) -> String {
    let file = html::cut_middle(&place.file, 60);
    place
        .line
        .map_or_else(|| file.clone(), |line| format!("{file}:{line}"))
}

fn facts(call: &Call<'_>, detail: &ErrorGroupDetail) -> Vec<(String, Html)> {
    let group = &detail.group;
    let category = match &group.sub_category {
        Some(sub) => format!("{}: {sub}", group.category),
        None => group.category.clone(),
    };
    let share = group.share.map(|share| {
        let share = html::value(Some(share), crate::model::ValueFormat::Percent);
        format!(" ({share} of all errors in the period)")
    });
    let mut facts = vec![
        (
            "Template".to_owned(),
            Html(format!(
                "<code>{}</code>",
                Html::text(&html::cut_middle(&group.template, 1_500)).0
            )),
        ),
        ("Severity".to_owned(), severity_badge(group.severity)),
        (
            "Category".to_owned(),
            Html::text(&category.replace('_', " ")),
        ),
        (
            "Rule".to_owned(),
            Html::text(group.rule.as_deref().unwrap_or("no rule matched")),
        ),
        (
            "Count".to_owned(),
            Html::text(&(count(group.count) + &share.unwrap_or_default())),
        ),
        ("First".to_owned(), Html::time(group.first_seen, call.now)),
        ("Last".to_owned(), Html::time(group.last_seen, call.now)),
        ("Id".to_owned(), Html::text(&group.id)),
    ];
    if let Some(muted) = &group.muted {
        facts.push(("Muted".to_owned(), Html::text(muted)));
    }
    if let Some(runbook) = &detail.runbook {
        facts.push((
            "Runbook".to_owned(),
            Html::command(&format!("dragline runbook {runbook}")),
        ));
    }
    facts
}

fn scrapers(call: &Call<'_>, group: &ErrorGroup) -> Table {
    let row = |scraper: &crate::model::GroupScraper| {
        Row::new(vec![
            Cell::new(Html::link(
                call.base,
                &scraper_address(&scraper.key),
                &name(&scraper.key),
            )),
            Cell::count(scraper.count),
        ])
    };
    let more = group
        .scrapers_total
        .saturating_sub(group.scrapers.len() as u64);
    Table {
        caption: "Scrapers with this error, the largest count first".to_owned(),
        heads: vec![Head::text("Scraper"), Head::number("Count")],
        rows: group.scrapers.iter().map(row).collect(),
        empty: Html::text("No line says which scraper it was."),
        note: if more > 0 {
            format!("{} more.", counted(more, "scraper", "scrapers"))
        } else {
            String::new()
        },
        is_sortable: true,
        ..Table::default()
    }
}
