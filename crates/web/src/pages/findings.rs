//! Findings of the analyst.

use super::html::{
    self, Html, Tone, UNKNOWN, counted, line_address, name, path_with, scraper_address,
    severity_badge, value,
};
use super::view::{Content, Field, Filters, Form, Page, Section};
use super::{FINDINGS, Made, may_act, note_of, parts, parts_of};
use crate::api::queries::finding_query;
use crate::http::Call;
use crate::model::{Finding, Fix, FixState, ValueFormat};
use crate::query::Page as ListPage;

/// Number of fixes on the page of all findings.
const FIXES: usize = 20;

pub(super) fn list(call: &Call<'_>) -> Made {
    let query = finding_query(call)?;
    let list = call.backend.findings(&query)?;
    let open = list.items.iter().filter(|finding| finding.is_open);
    let worst = open
        .clone()
        .map(|finding| Tone::of_severity(finding.severity))
        .max();
    let number = open.count() as u64;
    let title = match (list.items.len(), number) {
        (0, _) => "Nothing was found".to_owned(),
        (_, 0) => "No finding is open".to_owned(),
        (_, number) => format!("{} open", counted(number, "finding is", "findings are")),
    };
    let mut words = Vec::new();
    let note = note_of(&list);
    if !note.is_empty() {
        words.push(("muted", Html::text(&note)));
    }
    words.extend(
        parts_of(call, &list)
            .iter()
            .map(|(path, label)| ("pages", Html::link(call.base, path, label))),
    );
    let content = if list.items.is_empty() {
        let text = "What differs from normal would be here: block waves, layout changes, runs that were killed or missed. Normal is learned from earlier runs.";
        Content::Words(vec![("empty", Html::text(text))])
    } else {
        Content::Attention(
            list.items
                .iter()
                .map(|finding| parts::finding(call, finding))
                .collect(),
        )
    };
    let text = |name| call.params.text(name).unwrap_or_default();
    let filters = Filters {
        path: "/findings".to_owned(),
        fields: vec![
            Field::choice(
                "open",
                "State",
                text("open"),
                [("", "any"), ("true", "open"), ("false", "over")],
            ),
            Field::text("kind", "Kind", text("kind")).hint("block_wave"),
            Field::text("scraper_id", "Scraper", text("scraper_id")).hint("any"),
            Field::text("site", "Site", text("site")).hint("any"),
        ],
        ..Filters::default()
    };
    let mut sections = vec![
        Section::new("filters", "", Content::Filters(filters)),
        Section::new("findings", "", content),
        Section::new("parts", "", Content::Words(words)),
    ];
    sections.extend(fixes(call));
    Page {
        title,
        tone: Some(worst.unwrap_or(Tone::Good)),
        sections,
        ..Page::default()
    }
    .draw(call, FINDINGS)
}

pub(super) fn finding(call: &Call<'_>) -> Made {
    let finding = call.backend.finding(call.params.required("id")?)?;
    let mut words: Vec<(&'static str, Html)> = Vec::new();
    if !finding.detail.is_empty() {
        words.push(("", Html::prose(&finding.detail)));
    }
    if !finding.recommendation.is_empty() {
        words.push(("", Html::prose(&finding.recommendation)));
    }
    let related = finding.related.iter().map(|id| {
        (
            "",
            Html::link(
                call.base,
                &path_with("/findings", id),
                &format!("Related finding {id}"),
            ),
        )
    });
    let mut sections = vec![
        Section::new(
            "detail",
            "What happened and what to do",
            Content::Words(words),
        ),
        Section::new("facts", "", Content::Facts(facts(call, &finding))),
        Section::new("evidence", "Lines that show it", evidence(call, &finding)),
    ];
    sections.extend(fix(call, &finding));
    let capsule = format!("/api/v1{}/capsule", path_with("/findings", &finding.id));
    let capsule = Html::link(call.base, &capsule, "Download it as one file");
    let explained = Html::text(
        "for somebody without the logs: without secrets, and `dragline explain FILE` judges it again",
    );
    sections.push(Section::new(
        "capsule",
        "Incident capsule",
        Content::Words(vec![("", capsule.then(", ", &explained))]),
    ));
    if !finding.related.is_empty() {
        sections.push(Section::new(
            "related",
            "Probably the same cause",
            Content::Words(related.collect()),
        ));
    }
    Page {
        title: finding.title.clone(),
        tone: Some(if finding.is_open {
            Tone::of_severity(finding.severity)
        } else {
            Tone::Good
        }),
        up: Some(("/findings".to_owned(), "Findings".to_owned())),
        sections,
        ..Page::default()
    }
    .draw(call, FINDINGS)
}

/// What became of it since somebody marked it as mended, and a button to do so.
fn fix(call: &Call<'_>, finding: &Finding) -> Vec<Section> {
    let mut sections = Vec::new();
    if let Some(fix) = &finding.fix {
        let by = Html::text(&format!("Marked as mended by {}, ", fix.marked_by));
        let marked = by.then("", &Html::time(Some(fix.marked_at), call.now));
        let words = vec![("", fix_state(fix)), ("", marked)];
        sections.push(Section::new("fix", "Fix", Content::Words(words)));
    }
    if may_act(call) && finding.fix.as_ref().is_none_or(is_decided) {
        let path = path_with("/findings", &finding.id);
        let form = Form {
            title: String::new(),
            path: format!("/api/v1{path}/mended"),
            fields: Vec::new(),
            hidden: vec![("return_to", path)],
            button: "Mark as mended",
        };
        sections.push(Section::new("mend", "", Content::Forms(vec![form])));
    }
    sections
}

fn is_decided(fix: &Fix) -> bool {
    fix.state != FixState::Watched
}

/// The state of a fix as a badge and a sentence.
fn fix_state(fix: &Fix) -> Html {
    let (tone, name) = match fix.state {
        FixState::Watched => (Tone::Unknown, "watched"),
        FixState::NotWatched => (Tone::Unknown, "not watched"),
        FixState::Mended => (Tone::Good, "mended"),
        FixState::NotMended => (Tone::Warning, "not mended"),
        FixState::Worse => (Tone::Critical, "worse"),
    };
    Html::badge(tone, name).then(" ", &Html::prose(&fix.sentence))
}

/// All findings that were marked as mended, also those that are over.
fn fixes(call: &Call<'_>) -> Option<Section> {
    let fixes = call.backend.fixes(&ListPage::first(FIXES)).ok()?.items;
    let word = |fix: &Fix| {
        let path = path_with("/findings", &fix.finding);
        let title = Html::link(call.base, &path, &html::cut_middle(&fix.title, 120));
        ("", title.then(" ", &fix_state(fix)))
    };
    let words: Vec<_> = fixes.iter().map(word).collect();
    (!words.is_empty()).then(|| Section::new("fixes", "Marked as mended", Content::Words(words)))
}

fn facts(call: &Call<'_>, finding: &Finding) -> Vec<(String, Html)> {
    let state = if finding.is_open {
        Html::text("open")
    } else {
        Html::text("over since ").then("", &Html::time(finding.until, call.now))
    };
    let mut facts = vec![
        ("State".to_owned(), state),
        (
            "Kind".to_owned(),
            Html::text(&finding.kind.replace('_', " ")),
        ),
        ("Severity".to_owned(), severity_badge(finding.severity)),
        ("Since".to_owned(), Html::time(finding.since, call.now)),
    ];
    if let Some(key) = &finding.scraper {
        facts.push((
            "Scraper".to_owned(),
            Html::link(call.base, &scraper_address(key), &name(key)),
        ));
    }
    if let Some(metric) = &finding.metric {
        let format = if metric.ends_with("rate") || metric.ends_with("yield") {
            ValueFormat::Percent
        } else {
            ValueFormat::Number
        };
        let expected = finding.expected.map_or_else(
            || UNKNOWN.to_owned(),
            |range| {
                format!(
                    "{} to {}",
                    value(Some(range.lower), format),
                    value(Some(range.upper), format)
                )
            },
        );
        let text = format!(
            "{}: {}, expected {expected}",
            metric.replace('_', " "),
            value(finding.observed, format)
        );
        facts.push(("Metric".to_owned(), Html::text(&text)));
    }
    for moved in &finding.sequence {
        facts.push((
            moved.metric.replace('_', " "),
            Html::text("changed ").then("", &Html::time(Some(moved.at), call.now)),
        ));
    }
    if let Some(runbook) = &finding.runbook {
        facts.push(("Runbook".to_owned(), Html::text(runbook)));
    }
    facts
}

fn evidence(call: &Call<'_>, finding: &Finding) -> Content {
    let word = |(place, text): &(crate::query::Place, Option<String>)| {
        let shown = place.line.map_or_else(
            || place.file.clone(),
            |line| format!("{}:{line}", place.file),
        );
        let link = Html::link(
            call.base,
            &line_address(place),
            &html::cut_middle(&shown, 80),
        );
        let sample = text.as_deref().map(Html::long).unwrap_or_default();
        ("sample", link.then(" ", &sample))
    };
    if finding.evidence.is_empty() {
        return Content::Words(vec![("empty", Html::text("No single line shows it."))]);
    }
    Content::Words(finding.evidence.iter().map(word).collect())
}
