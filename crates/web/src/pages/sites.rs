//! Sites: the list, and one of them with its control group.

use super::html::{
    self, Html, Tone, address, count, counted, predicate, value, verdict, verdict_badge,
};
use super::view::{Cell, Content, Head, Page, Row, Section, Table};
use super::{Made, SCRAPERS, charts, paged, parts, tables};
use crate::http::Call;
use crate::model::{ControlGroup, SiteDetail, SiteSummary, ValueFormat};
use crate::query::Page as Part;

pub(super) fn list(call: &Call<'_>) -> Made {
    let list = call
        .backend
        .sites(&call.params.page(Part::DEFAULT_LIMIT)?)?;
    let needing = list
        .items
        .iter()
        .filter(|site| site.verdict.needs_attention());
    let worst = needing
        .clone()
        .map(|site| Tone::of_verdict(site.verdict))
        .max();
    let sick = needing.count() as u64;
    let total = list.total.unwrap_or(list.items.len() as u64);
    let sites = counted(total, "site", "sites");
    let (title, tone) = match (total, sick) {
        (0, _) => ("No site was requested yet".to_owned(), Tone::Unknown),
        (_, 0) => (format!("{sites} and all are scraped as usual"), Tone::Good),
        (_, sick) => (
            format!(
                "{} of {sites} have scrapers that need attention",
                count(sick)
            ),
            worst.unwrap_or(Tone::Warning),
        ),
    };
    let row = |site: &SiteSummary| {
        let shown = site.site.as_deref().unwrap_or("site unknown");
        let path = address(
            "/site",
            [("site", site.site.as_deref().unwrap_or_default())],
        );
        let link = if site.site.is_some() {
            Html::link(call.base, &path, shown)
        } else {
            Html::text(shown)
        };
        let states: Vec<String> = site
            .scrapers
            .iter()
            .map(|(one, number)| format!("{} {}", count(*number), verdict(*one)))
            .collect();
        let rate = value(site.numbers.success_rate, ValueFormat::Percent);
        let time = value(site.numbers.response_time_ms_p95, ValueFormat::Milliseconds);
        Row::new(vec![
            Cell::new(link),
            Cell {
                key: Some((site.verdict as u8).to_string()),
                ..Cell::new(verdict_badge(site.verdict))
            },
            Cell::text(&states.join(", ")),
            Cell::count(site.numbers.requests),
            Cell::number(&rate, site.numbers.success_rate),
            Cell::count(site.numbers.items),
            Cell::number(&time, site.numbers.response_time_ms_p95),
        ])
    };
    let table = Table {
        caption: "Numbers of the last 24 hours, over all scrapers of a site".to_owned(),
        heads: vec![
            Head::text("Site"),
            Head::text("Worst state"),
            Head::text("Scrapers"),
            Head::number("Requests"),
            Head::number("Success"),
            Head::number("Items"),
            Head::number("p95"),
        ],
        rows: list.items.iter().map(row).collect(),
        empty: Html::text("Each site that a scraper requests would be here."),
        ..paged(call, &list)
    };
    Page {
        title,
        tone: Some(tone),
        sections: vec![Section::new("sites", "", Content::Table(table))],
        ..Page::default()
    }
    .draw(call, SCRAPERS)
}

pub(super) fn site(call: &Call<'_>) -> Made {
    let site = call.params.required("site")?;
    let detail = call.backend.site(site, call.params.window(call.now)?)?;
    let scope = [("site", site)];
    let mut sections = vec![Section::new(
        "period",
        "",
        Content::Filters(parts::periods(call, detail.window)),
    )];
    let path = |metric: &str| parts::behind(metric, &scope, detail.window);
    sections.push(Section::new(
        "numbers",
        "Numbers against what was expected",
        parts::figures(&detail.figures, Some(detail.window), path),
    ));
    if !detail.series.is_empty() {
        sections.push(Section::new(
            "charts",
            "",
            Content::Charts(charts::figures(&detail.series, call.now)),
        ));
    }
    if let Some(control) = &detail.control {
        sections.extend(control_group(call, control));
    }
    let empty = Html::text("No scraper requests this site.");
    let table = Table {
        is_sortable: true,
        ..tables::scrapers(
            call,
            &detail.scrapers,
            "Numbers of the last 24 hours".to_owned(),
            empty,
            |_| None,
        )
    };
    sections.push(Section::new(
        "scrapers",
        "Its scrapers",
        Content::Table(table),
    ));
    sections.push(Section::new(
        "statuses",
        "Responses",
        Content::Facts(statuses(&detail)),
    ));
    Page {
        title: site_title(&detail, site),
        tone: Some(Tone::of_verdict(detail.summary.verdict)),
        lead: detail
            .control
            .iter()
            .map(|control| conclusion(call, &detail, control))
            .collect(),
        up: Some(("/sites".to_owned(), "Sites".to_owned())),
        sections,
    }
    .draw(call, SCRAPERS)
}

/// What the comparison with other sites says. It is about the success of requests alone, which is said where something
/// is the matter with the site.
fn conclusion(call: &Call<'_>, detail: &SiteDetail, control: &ControlGroup) -> Html {
    let about = if detail.summary.verdict.needs_attention() {
        "By the success of requests alone: "
    } else {
        ""
    };
    Html::sentence(&format!("{about}{}", control.conclusion), call.now)
}

fn site_title(detail: &SiteDetail, site: &str) -> String {
    let sick = detail
        .scrapers
        .iter()
        .filter(|scraper| scraper.verdict.needs_attention())
        .count();
    match (detail.scrapers.len(), sick) {
        (_, 0) => format!("{site} is scraped as usual"),
        (1, _) => format!(
            "The scraper of {site} {}",
            predicate(detail.summary.verdict)
        ),
        (all, sick) => format!("{sick} of {all} scrapers of {site} need attention"),
    }
}

fn control_group(call: &Call<'_>, control: &ControlGroup) -> [Section; 2] {
    let links = control.sites.iter().map(|site| {
        Html::link(
            call.base,
            &address("/site", [("site", site.as_str())]),
            site,
        )
    });
    let list = links.fold(Html::default(), |all, link| all.then(", ", &link));
    let more = control.total.saturating_sub(control.sites.len() as u64);
    let list = if more > 0 {
        list.then(" ", &Html::text(&format!("and {} more", count(more))))
    } else {
        list
    };
    let title = format!(
        "The control group: {}",
        counted(control.total, "other site", "other sites")
    );
    [
        Section::new(
            "control",
            title,
            parts::figures(&control.figures, None, |_| None),
        ),
        Section::new("control-sites", "", Content::Words(vec![("muted", list)])),
    ]
}

fn statuses(detail: &SiteDetail) -> Vec<(String, Html)> {
    let total: u64 = detail.status_codes.values().sum();
    let share = |number: u64| {
        value(
            Some(number as f64 / total.max(1) as f64),
            ValueFormat::Percent,
        )
    };
    let mut facts: Vec<(String, Html)> = detail
        .status_codes
        .iter()
        .map(|(code, number)| {
            (
                code.clone(),
                Html::text(&format!("{} ({})", html::count(*number), share(*number))),
            )
        })
        .collect();
    if facts.is_empty() {
        facts.push(("Status codes".to_owned(), Html::text("not logged")));
    }
    let quiet = detail
        .quiet_hours
        .as_deref()
        .unwrap_or("no hours stand out");
    facts.push(("Best hours".to_owned(), Html::text(quiet)));
    facts
}
