//! Now: what needs attention, who is well, what runs.

use super::html::{Html, Tone, count, counted, length};
use super::view::{Content, Page, Section};
use super::{Made, NOW, charts, parts, tables};
use crate::http::Call;
use crate::model::{AttentionKind, DataState, Overview, ScraperVerdict};
use crate::query::Listing;

/// Number of things that are shown in full.
const SHOWN: usize = 3;

pub(super) fn page(call: &Call<'_>) -> Made {
    let window = call.params.window(call.now)?;
    let overview = call.backend.overview(window)?;
    let total: u64 = overview.scrapers.values().sum();
    if total == 0 {
        return empty(&overview).draw(call, NOW);
    }
    let (title, tone) = headline(&overview, total);
    let mut sections = Vec::new();
    if !overview.attention.is_empty() {
        let things = overview
            .attention
            .iter()
            .take(SHOWN)
            .map(|thing| parts::thing(call, thing));
        let mut section = Section::new(
            "attention",
            "What needs attention",
            Content::Attention(things.collect()),
        );
        for (path, label) in further(&overview) {
            section = section.with_more(path, label);
        }
        sections.push(section);
    }
    sections.push(Section::new(
        "period",
        "",
        Content::Filters(parts::periods(call, overview.window)),
    ));
    let path = |metric: &str| parts::behind(metric, &[], overview.window);
    sections.push(Section::new(
        "numbers",
        "Numbers of the fleet",
        parts::figures(&overview.figures, Some(overview.window), path),
    ));
    if !overview.series.is_empty() {
        sections.push(Section::new(
            "charts",
            "",
            Content::Charts(charts::figures(&overview.series, call.now)),
        ));
    }
    sections.push(active_runs(call, &overview));
    Page {
        title,
        tone: Some(tone),
        lead: lead(call, &overview, total),
        sections,
        ..Page::default()
    }
    .draw(call, NOW)
}

/// Links to what is not shown in full, each to the page that has it.
fn further(overview: &Overview) -> Vec<(&'static str, String)> {
    let hidden = overview.attention.iter().skip(SHOWN);
    let is_complete = overview.attention_total == overview.attention.len() as u64;
    let number = |kind| hidden.clone().filter(|thing| thing.kind == kind).count() as u64;
    let links = [
        (
            AttentionKind::Finding,
            "/findings?open=true",
            "finding",
            "findings",
        ),
        (AttentionKind::Alert, "/alerts", "alert", "alerts"),
        (
            AttentionKind::Health,
            "/health",
            "health check",
            "health checks",
        ),
        (
            AttentionKind::Service,
            "/health#service",
            "problem of the service",
            "problems of the service",
        ),
    ];
    let link = |(kind, path, one, many)| match (number(kind), is_complete) {
        (0, true) => None,
        (1, true) => Some((path, format!("1 more {one}"))),
        (number, true) => Some((path, format!("{} more {many}", count(number)))),
        // How the rest divides is not known.
        (_, false) => matches!(kind, AttentionKind::Finding | AttentionKind::Alert)
            .then(|| (path, format!("All {many}"))),
    };
    links.into_iter().filter_map(link).collect()
}

fn headline(overview: &Overview, total: u64) -> (String, Tone) {
    let sick = needing_attention(overview);
    let worst = overview
        .attention
        .iter()
        .map(|thing| Tone::of_severity(thing.severity))
        .max();
    let scrapers = counted(total, "scraper", "scrapers");
    match (sick, overview.attention_total) {
        (0, 0) if unknown(overview) == total => (
            format!("Too little is known yet about {scrapers}"),
            Tone::Unknown,
        ),
        (0, 0) => {
            let all = if total == 1 {
                "The scraper works".to_owned()
            } else {
                format!("All {scrapers} work")
            };
            (format!("{all} as usual"), Tone::Good)
        }
        (0, things) => {
            let things = counted(things, "thing needs", "things need");
            (
                format!("{things} attention; no scraper is down"),
                worst.unwrap_or(Tone::Warning),
            )
        }
        (sick, _) => {
            let verb = if sick == 1 { "needs" } else { "need" };
            let only = overview.attention.first().filter(|_| total == 1);
            let title = if let Some(thing) = only {
                super::html::cut_middle(&thing.title, 200)
            } else {
                format!("{} of {scrapers} {verb} attention", count(sick))
            };
            (title, worst.unwrap_or(Tone::Warning))
        }
    }
}

fn needing_attention(overview: &Overview) -> u64 {
    let sick = overview
        .scrapers
        .iter()
        .filter(|(verdict, _)| verdict.needs_attention());
    sick.map(|(_, count)| count).sum()
}

fn unknown(overview: &Overview) -> u64 {
    overview
        .scrapers
        .get(&ScraperVerdict::NoData)
        .copied()
        .unwrap_or(0)
}

/// Who is in which state, and how current the data are.
fn lead(call: &Call<'_>, overview: &Overview, total: u64) -> Vec<Html> {
    let states = overview.scrapers.iter().filter(|(_, count)| **count > 0);
    let states: Vec<String> = states
        .map(|(verdict, number)| format!("{} {}", count(*number), super::html::verdict(*verdict)))
        .collect();
    let mut lines = Vec::new();
    if total > 1 {
        let mut first = Html::text(&states.join(", "));
        if overview.alerts_firing > 0 {
            first = first.then(
                "; ",
                &Html::text(&counted(
                    overview.alerts_firing,
                    "alert fires",
                    "alerts fire",
                )),
            );
        }
        lines.push(first.then("", &Html::text(".")));
    }
    lines.extend(describe(call, &overview.data));
    lines
}

fn describe(call: &Call<'_>, data: &DataState) -> Vec<Html> {
    let mut state = match data.last_event {
        Some(at) => Html::text("Latest event ").then("", &Html::time(Some(at), call.now)),
        None => Html::text("No event yet"),
    };
    if let Some(lag) = data.lag_seconds.filter(|lag| *lag >= 2.0) {
        state = state.then(
            "; ",
            &Html::text(&format!("reading is {} behind", length(lag))),
        );
    }
    if data.bad_lines > 0 {
        let bad = counted(data.bad_lines, "line", "lines");
        state = state.then("; ", &Html::text(&format!("{bad} could not be read")));
    }
    let mut lines = vec![state.then("", &Html::text("."))];
    let problem = |text: &String| {
        Html(format!(
            "<span class=\"badge warning\">{}</span>",
            Html::sentence(text, call.now).0
        ))
    };
    lines.extend(data.problems.iter().map(problem));
    lines
}

fn active_runs(call: &Call<'_>, overview: &Overview) -> Section {
    let total = overview.active_runs_total;
    let list = Listing {
        items: overview.active_runs.clone(),
        total: Some(total),
        next: None,
        note: None,
    };
    let title = match total {
        0 => "No run is active".to_owned(),
        total => format!("{} active", counted(total, "run is", "runs are")),
    };
    let empty = Html::text(
        "Runs that are active would be here. A run is active from its first line to its end.",
    );
    let table = tables::runs(
        call,
        &list,
        "Active runs, the latest start first",
        empty,
        true,
    );
    Section::new("runs", title, Content::Table(table)).with_more("/runs", "All runs")
}

fn empty(overview: &Overview) -> Page {
    let files = match overview.data.files {
        0 => "No log file was found in the directories that are followed.".to_owned(),
        files => format!(
            "{} followed, but no line in them names a scraper.",
            counted(files, "file is", "files are")
        ),
    };
    let mut words = vec![
        ("empty", Html::text(&files)),
        ("", Html::text("As soon as a scraper writes a log there, it is here: its state, its runs, its errors.")),
        ("", Html("To see what this page looks like, run <code>dragline demo --live</code>. To see whether a log can be read, run <code>dragline report logs/</code>.".to_owned())),
    ];
    words.extend(
        overview
            .data
            .problems
            .iter()
            .map(|problem| ("critical", Html::text(problem))),
    );
    Page {
        title: "No scraper has logged anything yet".to_owned(),
        tone: Some(Tone::Unknown),
        sections: vec![Section::new("empty", "", Content::Words(words))],
        ..Page::default()
    }
}
