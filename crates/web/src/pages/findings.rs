//! Findings of the analyst.

use std::cmp::Reverse;

use super::html::{
    self, Html, Tone, UNKNOWN, count, counted, line_address, name, path_with, scraper_address,
    severity_badge,
};
use super::view::{Content, Field, Filters, Form, Page, Section};
use super::words::{self, Unit};
use super::{FINDINGS, Made, may_act, note_of, parts, parts_of};
use crate::api::queries::finding_query;
use crate::http::Call;
use crate::model::{Finding, Fix, FixState, Moved};
use crate::query::{Page as ListPage, Place};

/// Number of fixes on the page of all findings.
const FIXES: usize = 20;

pub(super) fn list(call: &Call<'_>) -> Made {
    let query = finding_query(call)?;
    let mut list = call.backend.findings(&query)?;
    // The most severe first, as everywhere; a later part of a long list is sorted in itself.
    list.items
        .sort_by_key(|finding| (!finding.is_open, Reverse(finding.severity)));
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
        words.push(("", Html::sentence(&finding.detail, call.now)));
    }
    if !finding.recommendation.is_empty() {
        words.push(("", Html::sentence(&finding.recommendation, call.now)));
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
    let explained = Html::sentence(
        "for somebody without the logs: without secrets, and `dragline explain FILE` judges it again.",
        call.now,
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
        let words = vec![("", fix_state(call, fix)), ("", marked)];
        sections.push(Section::new("fix", "Fix", Content::Words(words)));
    }
    if may_act(call) && finding.is_open && finding.fix.as_ref().is_none_or(is_decided) {
        let path = path_with("/findings", &finding.id);
        let form = Form {
            title: String::new(),
            path: format!("/api/v1{path}/mended"),
            fields: Vec::new(),
            hidden: vec![("return_to", path)],
            button: "Mark as mended",
        };
        sections.push(Section::new("mend", "", Content::Forms(vec![form])));
        let words = Html::text(
            "From the mark on, its pages or runs are counted. A mark cannot be taken back; once it is decided, another one \
             starts the count again.",
        );
        sections.push(Section::new(
            "mend-words",
            "",
            Content::Words(vec![("muted", words)]),
        ));
    }
    sections
}

fn is_decided(fix: &Fix) -> bool {
    fix.state != FixState::Watched
}

/// The state of a fix as a badge and a sentence.
fn fix_state(call: &Call<'_>, fix: &Fix) -> Html {
    let (tone, name) = match fix.state {
        FixState::Watched => (Tone::Unknown, "watched"),
        FixState::NotWatched => (Tone::Unknown, "not watched"),
        FixState::Mended => (Tone::Good, "mended"),
        FixState::NotMended => (Tone::Warning, "not mended"),
        FixState::Worse => (Tone::Critical, "worse"),
    };
    Html::badge(tone, name).then(" ", &Html::sentence(&fix.sentence, call.now))
}

/// All findings that were marked as mended, also those that are over.
fn fixes(call: &Call<'_>) -> Option<Section> {
    let fixes = call.backend.fixes(&ListPage::first(FIXES)).ok()?.items;
    let word = |fix: &Fix| {
        let path = path_with("/findings", &fix.finding);
        let title = Html::link(call.base, &path, &html::cut_middle(&fix.title, 120));
        ("", title.then(" ", &fix_state(call, fix)))
    };
    let words: Vec<_> = fixes.iter().map(word).collect();
    (!words.is_empty()).then(|| Section::new("fixes", "Marked as mended", Content::Words(words)))
}

fn facts(call: &Call<'_>, finding: &Finding) -> Vec<(String, Html)> {
    let state = match (finding.is_open, finding.until) {
        (true, _) => Html::text("open"),
        (false, Some(_)) => {
            Html::text("over since ").then("", &Html::time(finding.until, call.now))
        }
        (false, None) => Html::text("over"),
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
        let unit = Unit::of(metric);
        let observed = finding
            .observed
            .map_or_else(|| UNKNOWN.to_owned(), |value| unit.value(value));
        let expected = finding
            .expected
            .map_or_else(|| UNKNOWN.to_owned(), |range| unit.range(range));
        let text = format!("{}: {observed}, expected {expected}", words::metric(metric));
        facts.push(("Metric".to_owned(), Html::sentence(&text, call.now)));
    }
    facts.extend(moved(call, &finding.sequence));
    if let Some(runbook) = &finding.runbook {
        facts.push((
            "Runbook".to_owned(),
            Html::command(&format!("dragline runbook {runbook}")),
        ));
    }
    facts
}

/// The metrics that changed: one row for those that changed in the same minute.
fn moved(call: &Call<'_>, sequence: &[Moved]) -> Vec<(String, Html)> {
    let minute = |moved: &Moved| moved.at.as_micros().div_euclid(60_000_000);
    let row = |group: &[Moved]| {
        let names: Vec<String> = group.iter().map(|one| words::metric(&one.metric)).collect();
        let at = Html::time(group.first().map(|one| one.at), call.now);
        let number = match group.len() as u64 {
            1 => String::new(),
            number => format!("{} changed together: ", count(number)),
        };
        let text = Html::sentence(&format!("{number}{}", names.join(", ")), call.now);
        ("Changed".to_owned(), at.then(", ", &text))
    };
    sequence
        .chunk_by(|one, other| minute(one) == minute(other))
        .map(row)
        .collect()
}

fn evidence(call: &Call<'_>, finding: &Finding) -> Content {
    let word = |(place, text): &(Place, Option<String>)| {
        let shown = place.line.map_or_else(
            || place.file.clone(),
            |line| format!("{}:{line}", place.file),
        );
        let link = Html::link(
            call.base,
            &line_address(place),
            &html::cut_middle(&shown, 80),
        );
        let read = || line_of(call, place);
        let text = text.clone().or_else(read);
        let sample = text.as_deref().map(Html::long).unwrap_or_default();
        ("sample", link.then(" ", &sample))
    };
    if finding.evidence.is_empty() {
        return Content::Words(vec![("empty", Html::text("No single line shows it."))]);
    }
    Content::Words(finding.evidence.iter().map(word).collect())
}

/// The text of a line, if its file is still there.
fn line_of(call: &Call<'_>, place: &Place) -> Option<String> {
    let around = call.backend.lines_around(place, 0, 0).ok()?;
    let line = around.lines.into_iter().find(|line| line.is_target)?;
    Some(line.text)
}
